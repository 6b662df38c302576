//! An answer's body on its way to the client: as it comes, and as long as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use farebox_engine::billing::cause::Cause;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use mock_upstreams::{Sleep, Timer};

/// What is gathered at most, in bytes.
const GATHERED_MOST: usize = 8 << 10;

/// A body whose next part is waited for no longer than is allowed. How long its client takes over what has come is not
/// counted: a body is asked for more only when there is room for it.
///
/// Small parts that are there at the same time become one, so that they are written at once: what a stream costs is
/// mostly that. Nothing is waited for to that end; the connection to the upstream is only given the turn in which it hands
/// over what it has read.
#[derive(Debug)]
pub(crate) struct Reply {
    body: Incoming,
    within: Duration,
    timer: Timer,
    /// There once a part has been waited for, or a small one has come that is not the last: most bodies are one part that
    /// comes with their head.
    coming: Option<Box<Coming>>,
}

/// The parts of a body that comes in several.
#[derive(Debug, Default)]
struct Coming {
    gathered: Gathered,
    waiting: Option<Waiting>,
}

#[derive(Debug, Default)]
struct Gathered {
    bytes: BytesMut,
    /// Whether the connection has had its turn since the last part.
    has_yielded: bool,
    /// What came after these bytes, and is no part of them.
    next: Option<Result<Frame<Bytes>, ReplyError>>,
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
        Self { body, within, timer, coming: None }
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Coming { waiting: Some(waiting), .. }) = self.coming.as_deref_mut() {
            waiting.due = None;
        }
        Poll::Ready(frame.map(|frame| Ok(frame?)))
    }

    /// Ready when the part that is waited for is too late.
    fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (timer, within) = (&self.timer, self.within);
        let fresh = || {
            let due = Instant::now() + within;
            Waiting { due: Some(due), alarm: timer.sleep_until(due) }
        };
        let waiting = self.coming.get_or_insert_default().waiting.get_or_insert_with(fresh);
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

fn is_small(frame: &Frame<Bytes>) -> bool {
    frame.data_ref().is_some_and(|part| part.len() <= GATHERED_MOST)
}

impl Gathered {
    fn extend(&mut self, part: Frame<Bytes>) {
        self.has_yielded = false;
        self.bytes.extend_from_slice(&part.into_data().unwrap_or_default());
    }

    /// What was gathered, once the connection has had its turn to hand over more.
    fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        if self.has_yielded {
            return self.take();
        }
        self.has_yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn take(&mut self) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        self.has_yielded = false;
        Poll::Ready(Some(Ok(Frame::data(self.bytes.split().freeze()))))
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        if let Some(next) = self.coming.as_mut().and_then(|coming| coming.gathered.next.take()) {
            return Poll::Ready(Some(next));
        }
        loop {
            let Poll::Ready(frame) = self.poll_body(context) else {
                return match &mut self.coming {
                    Some(coming) if !coming.gathered.bytes.is_empty() => coming.gathered.poll_take(context),
                    _ => self.poll_stalled(context).map(|()| Some(Err(ReplyError::Stalled))),
                };
            };
            let is_last = self.body.is_end_stream();
            match (frame, &mut self.coming) {
                (Some(Ok(frame)), coming) if is_small(&frame) && !is_last => {
                    let gathered = &mut coming.get_or_insert_default().gathered;
                    gathered.extend(frame);
                    if gathered.bytes.len() > GATHERED_MOST {
                        return gathered.take();
                    }
                }
                (frame, Some(coming)) if !coming.gathered.bytes.is_empty() => {
                    coming.gathered.next = frame;
                    return coming.gathered.take();
                }
                (frame, _) => return Poll::Ready(frame),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.coming.as_ref().is_none_or(|coming| coming.gathered.next.is_none()) && self.body.is_end_stream()
    }

    /// As the head has said, however much of it has been gathered: it is asked before anything is read.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
