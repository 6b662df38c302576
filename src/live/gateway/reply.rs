//! An answer's body on its way to the client: as it comes, and as long as it comes.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use mock_upstreams::{Sleep, Timer};

use super::super::pool::{Connection, Pool};
use super::super::wire::{Framing, WireError};
use super::inbound::{Inbound, InboundError};

/// A body whose next part is waited for no longer than is allowed. How long its client takes over what has come is not
/// counted: a body is asked for more only when there is room for it.
///
/// What is there at the same time is one part, however the upstream has cut it: what a stream costs is mostly what is
/// written at once.
#[derive(Debug)]
pub(crate) struct Reply {
    /// What it comes over; `None` after its end.
    connection: Option<Connection>,
    pool: Rc<Pool>,
    framing: Framing,
    /// Whether the connection stays open after it.
    is_kept: bool,
    /// What is still to be sent of the request.
    request: Inbound,
    within: Duration,
    timer: Timer,
    /// There once a part has been waited for: most bodies come with their head.
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    /// When the part that is waited for is too late; `None` while none is.
    due: Option<Instant>,
    /// Set once for many parts: when it goes off, it is set anew if its part has come.
    alarm: Sleep,
}

/// Why a body ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplyError {
    /// The upstream broke off, or what it sent is no body.
    #[error(transparent)]
    Broken(#[from] WireError),
    /// Nothing more came in time.
    #[error("the upstream stalled inside of its answer")]
    Stalled,
    /// The client sent no whole request.
    #[error(transparent)]
    Request(#[from] InboundError),
}

impl Reply {
    /// The body of an answer whose head was read from a connection of that pool, while the rest of its request is sent.
    /// Each of its parts has to come `within` this time.
    pub(super) fn new(
        (connection, pool): (Connection, Rc<Pool>),
        (framing, is_kept): (Framing, bool),
        request: Inbound,
        (within, timer): (Duration, Timer),
    ) -> Self {
        let connection = Some(connection);
        let mut reply = Self { connection, pool, framing, is_kept, request, within, timer, waiting: None };
        reply.end_if_over();
        reply
    }

    /// The connection is given back at the end of the body, or closed where it is of no more use.
    fn end_if_over(&mut self) {
        if self.framing.is_over()
            && let Some(connection) = self.connection.take()
            && self.is_kept
            && self.request.is_over(&connection)
        {
            self.pool.give_back(connection);
        }
    }

    /// All that has come.
    fn take(&mut self) -> Result<Bytes, WireError> {
        let Some(connection) = &mut self.connection else { return Ok(Bytes::new()) };
        let mut taken = Vec::with_capacity(connection.wire.unread().len());
        while !self.framing.is_over() {
            let (used, data) = self.framing.take(connection.wire.unread())?;
            taken.extend_from_slice(data);
            connection.wire.advance(used);
            if used == 0 {
                break;
            }
        }
        self.end_if_over();
        Ok(taken.into())
    }

    /// Waits for more of it; ready when some has come, or its end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReplyError>> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(())) };
        self.request.push(cx, connection)?;
        match connection.wire.poll_fill(cx)? {
            Poll::Pending => return self.poll_stalled(cx).map(|()| Err(ReplyError::Stalled)),
            Poll::Ready(0) if self.framing == Framing::UntilClosed => self.connection = None,
            Poll::Ready(0) => return Poll::Ready(Err(WireError::ClosedEarly.into())),
            Poll::Ready(_) => {}
        }
        if let Some(waiting) = self.waiting.as_deref_mut() {
            waiting.due = None;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when the part that is waited for is too late.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (timer, within) = (&self.timer, self.within);
        let fresh = || {
            let due = Instant::now() + within;
            Box::new(Waiting { due: Some(due), alarm: timer.sleep_until(due) })
        };
        let waiting = self.waiting.get_or_insert_with(fresh);
        let due = *waiting.due.get_or_insert_with(|| Instant::now() + within);
        loop {
            ready!(Pin::new(&mut waiting.alarm).poll(cx));
            if waiting.alarm.deadline() >= due {
                return Poll::Ready(());
            }
            waiting.alarm = timer.sleep_until(due);
        }
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, ReplyError>> {
        loop {
            let part = self.take()?;
            if !part.is_empty() || self.connection.is_none() {
                return Poll::Ready(Ok(part));
            }
            ready!(self.poll_more(cx))?;
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        Poll::Ready(match ready!(self.poll_part(cx)) {
            Ok(part) if part.is_empty() => None,
            Ok(part) => Some(Ok(Frame::data(part))),
            Err(error) => {
                self.connection = None;
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.connection.is_none()
    }

    /// As the head has said: it is asked before anything is read.
    fn size_hint(&self) -> SizeHint {
        match (&self.connection, self.framing) {
            (None, _) => SizeHint::with_exact(0),
            (Some(_), Framing::Length(left)) => SizeHint::with_exact(left),
            (Some(_), _) => SizeHint::default(),
        }
    }
}
