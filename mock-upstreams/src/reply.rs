//! The body of an answer: whole, or its first part at once and the rest when it is time.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use crate::timer::Sleep;

/// A body.
#[derive(Debug)]
pub(crate) struct Body {
    /// What is to be sent now.
    now: Bytes,
    /// What is to be sent later.
    rest: Option<(Bytes, Later)>,
}

/// When the rest of a body is sent, and the places that are kept until then.
#[derive(Debug)]
pub(crate) struct Later {
    pub(crate) sleep: Sleep,
    pub(crate) places: Vec<OwnedSemaphorePermit>,
}

impl Body {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { now: bytes, rest: None }
    }

    /// The first byte now.
    pub(crate) fn in_two(mut bytes: Bytes, later: Later) -> Self {
        let now = bytes.split_to(bytes.len().min(1));
        Self { now, rest: Some((bytes, later)) }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.now.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.now)))));
        }
        let Some((_, later)) = &mut self.rest else { return Poll::Ready(None) };
        ready!(Pin::new(&mut later.sleep).poll(context));
        let rest = self.rest.take().map(|(rest, later)| {
            drop(later.places);
            Ok(Frame::data(rest))
        });
        Poll::Ready(rest)
    }

    fn is_end_stream(&self) -> bool {
        self.now.is_empty() && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.as_ref().map_or(0, |(rest, _)| rest.len());
        SizeHint::with_exact((self.now.len() + rest) as u64)
    }
}
