//! An answer's body on its way to the client: as it comes, and as long as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use farebox_engine::billing::cause::Cause;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use mock_upstreams::{Sleep, Timer};

/// A body whose next part is waited for no longer than is allowed. How long its client takes over what has come is not
/// counted: a body is asked for more only when there is room for it.
#[derive(Debug)]
pub(crate) struct Reply {
    body: Incoming,
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
    Broken(#[from] hyper::Error),
    /// Nothing more came in time.
    #[error("the upstream stalled inside of its answer")]
    Stalled,
}

impl ReplyError {
    /// What the call failed for.
    pub(crate) const fn cause(&self) -> Cause {
        match self {
            Self::Broken(_) => Cause::UpstreamError,
            Self::Stalled => Cause::UpstreamTimeout,
        }
    }
}

impl Reply {
    /// A body each part of which has to come `within` this time.
    pub(super) fn new(body: Incoming, within: Duration, timer: Timer) -> Self {
        Self { body, within, timer, waiting: None }
    }

    /// Ready when the part that is waited for is too late.
    fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (timer, within) = (&self.timer, self.within);
        let fresh = || {
            let due = Instant::now() + within;
            Box::new(Waiting { due: Some(due), alarm: timer.sleep_until(due) })
        };
        let waiting = self.waiting.get_or_insert_with(fresh);
        let due = *waiting.due.get_or_insert_with(|| Instant::now() + within);
        loop {
            ready!(Pin::new(&mut waiting.alarm).poll(context));
            if waiting.alarm.deadline() >= due {
                return Poll::Ready(());
            }
            waiting.alarm = timer.sleep_until(due);
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => {
                if let Some(waiting) = &mut self.waiting {
                    waiting.due = None;
                }
                Poll::Ready(frame.map(|frame| Ok(frame?)))
            }
            Poll::Pending => self.poll_stalled(context).map(|()| Some(Err(ReplyError::Stalled))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
