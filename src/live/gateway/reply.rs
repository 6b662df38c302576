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
use super::inbound::Inbound;
use apart::Apart;

mod apart;

/// A body, read where it is asked for, whose next part is waited for no longer than is allowed. How long its client takes over what has come is not
/// counted: a body is asked for more only when there is room for it.
///
/// What is there at the same time is one part, however the upstream has cut it: what a stream costs is mostly what is
/// written at once.
#[derive(Debug)]
pub(crate) struct Direct {
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
    /// What is told of it next.
    failed: Option<ReplyError>,
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
}

impl Direct {
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

    /// Sends what has come of the request. Of one that breaks off the answer counts all the same.
    fn push(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && self.request.push(cx, connection).is_err()
        {
            self.request.give_up();
        }
    }

    /// All that has come.
    fn take(&mut self) -> Result<Bytes, WireError> {
        let Some(connection) = &mut self.connection else { return Ok(Bytes::new()) };
        let mut taken = Vec::with_capacity(connection.wire.unread().len());
        while !self.framing.is_over() {
            let (used, data) = match self.framing.take(connection.wire.unread()) {
                Ok(read) => read,
                // What came before is good, and the error comes again.
                Err(_) if !taken.is_empty() => break,
                Err(error) => return Err(error),
            };
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
        self.push(cx);
        let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(())) };
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

    /// The next part; an empty one at the end. After an error nothing comes.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, ReplyError>> {
        if let Some(error) = self.failed.take() {
            self.connection = None;
            return Poll::Ready(Err(error));
        }
        match ready!(self.poll_next(cx)) {
            Ok(part) => Poll::Ready(Ok(part)),
            Err(error) => {
                // Who breaks off the answer for it writes what has come before only while nothing is ready.
                self.failed = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, ReplyError>> {
        loop {
            let part = self.take()?;
            if !part.is_empty() || self.connection.is_none() {
                return Poll::Ready(Ok(part));
            }
            ready!(self.poll_more(cx))?;
        }
    }

    fn left(&self) -> Option<u64> {
        match (&self.connection, self.framing) {
            (None, _) => Some(0),
            (Some(_), Framing::Length(left)) => Some(left),
            (Some(_), _) => None,
        }
    }
}

// === Reply ===

/// A body on its way to the client.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are read directly, and a box would be one allocation more for each"
)]
pub(crate) enum Reply {
    Direct(Direct),
    Apart(Apart),
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
        let is_early = !framing.is_over() && request.is_going_on(&connection);
        let connection = Some(connection);
        let mut direct =
            Direct { connection, pool, framing, is_kept, request, within, timer, waiting: None, failed: None };
        direct.end_if_over();
        if is_early { Self::Apart(Apart::of(direct)) } else { Self::Direct(direct) }
    }

    /// How much of it is to come; `None`: nobody knows.
    fn left(&self) -> Option<u64> {
        match self {
            Self::Direct(direct) => direct.left(),
            Self::Apart(apart) => apart.left,
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        let part = match &mut *self {
            Self::Direct(direct) => direct.poll_part(cx),
            Self::Apart(apart) => apart.poll_part(cx),
        };
        Poll::Ready(match ready!(part) {
            Ok(part) if part.is_empty() => None,
            part => Some(part.map(Frame::data)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left() == Some(0)
    }

    /// As the head has said: it is asked before anything is read.
    fn size_hint(&self) -> SizeHint {
        self.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
