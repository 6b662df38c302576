//! The body of an answer: whole, or its first part at once and the rest when it is time, or one that never gets to its
//! end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use crate::chat::Stream;
use crate::fault::{Fault, HUGE_BYTES};
use crate::timer::Sleep;

/// A body.
#[derive(Debug)]
pub(crate) struct Body {
    /// What is to be sent now.
    now: Bytes,
    rest: Rest,
}

/// What is to be sent after that.
#[derive(Debug)]
enum Rest {
    Nothing,
    Later(Bytes, Later),
    /// The same again and again: `left` bytes more, or for ever. Its places are kept until then.
    Again {
        chunk: Bytes,
        left: Option<u64>,
        _places: Vec<OwnedSemaphorePermit>,
    },
    /// So many bytes were announced that never come.
    Cut {
        missing: u64,
        is_sent: bool,
    },
    Stream(Box<Stream>),
}

/// When the rest of a body is sent, and the places that are kept until then.
#[derive(Debug)]
pub(crate) struct Later {
    pub(crate) sleep: Sleep,
    pub(crate) places: Vec<OwnedSemaphorePermit>,
}

/// Bytes of a body without an end that are handed over at once.
const CHUNK_BYTES: usize = 64 << 10;

impl Body {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { now: bytes, rest: Rest::Nothing }
    }

    /// The first byte now.
    pub(crate) fn in_two(mut bytes: Bytes, later: Later) -> Self {
        let now = bytes.split_to(bytes.len().min(1));
        Self { now, rest: Rest::Later(bytes, later) }
    }

    /// As it comes.
    pub(crate) fn stream(stream: Stream) -> Self {
        Self { now: Bytes::new(), rest: Rest::Stream(Box::new(stream)) }
    }

    /// What a fault makes of a body; those that leave no answer leave it as it is.
    pub(crate) fn broken(mut whole: Bytes, fault: Fault, places: Vec<OwnedSemaphorePermit>) -> Self {
        let again = |left| Rest::Again { chunk: vec![b' '; CHUNK_BYTES].into(), left, _places: places };
        match fault {
            // Blanks may follow JSON, so that only the length gives it away.
            Fault::Endless => Self { now: whole, rest: again(None) },
            Fault::Huge => {
                let left = HUGE_BYTES - whole.len() as u64;
                Self { now: whole, rest: again(Some(left)) }
            }
            Fault::Cut => {
                let missing = whole.split_off(whole.len() / 2).len() as u64;
                Self { now: whole, rest: Rest::Cut { missing, is_sent: false } }
            }
            Fault::Stall | Fault::Reset | Fault::HalfHeader | Fault::Garbage => Self::whole(whole),
        }
    }

    /// What is due of the rest.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        match &mut self.rest {
            Rest::Nothing | Rest::Again { left: Some(0), .. } => Poll::Ready(None),
            Rest::Later(rest, later) => {
                ready!(Pin::new(&mut later.sleep).poll(context));
                let rest = std::mem::take(rest);
                self.rest = Rest::Nothing;
                Poll::Ready(Some(Ok(rest)))
            }
            Rest::Again { chunk, left, .. } => Poll::Ready(Some(Ok(take(chunk, left)))),
            Rest::Cut { is_sent: true, .. } => Poll::Ready(Some(Err(Fault::Cut))),
            // A connection that is to fail does not send what it still has: it gets the time to.
            Rest::Cut { is_sent, .. } => {
                *is_sent = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Rest::Stream(stream) => stream.poll_next(context),
        }
    }
}

/// The next chunk, of what is left.
fn take(chunk: &Bytes, left: &mut Option<u64>) -> Bytes {
    let Some(left) = left else { return chunk.clone() };
    let bytes = (chunk.len() as u64).min(*left);
    *left -= bytes;
    chunk.slice(..bytes as usize)
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if !self.now.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.now)))));
        }
        self.poll_rest(context).map_ok(Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        self.now.is_empty() && matches!(self.rest, Rest::Nothing | Rest::Again { left: Some(0), .. })
    }

    fn size_hint(&self) -> SizeHint {
        let rest = match &self.rest {
            Rest::Nothing => 0,
            Rest::Later(rest, _) => rest.len() as u64,
            Rest::Again { left: Some(left), .. } => *left,
            Rest::Cut { missing, .. } => *missing,
            Rest::Again { left: None, .. } | Rest::Stream(_) => return SizeHint::default(),
        };
        SizeHint::with_exact(self.now.len() as u64 + rest)
    }
}
