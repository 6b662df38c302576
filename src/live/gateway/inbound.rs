//! A request's body on its way to the upstream: as it comes, and no more of it than is allowed.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::super::problem::Rejection;

/// A body of bounded length.
#[derive(Debug)]
pub(crate) struct Inbound {
    body: Incoming,
    left: u64,
}

/// Why a body ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InboundError {
    /// It is longer than it may be.
    #[error("the body of the request is too long")]
    TooLong,
    /// The client broke off, or what it sent is no body.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

impl Inbound {
    /// A body of which at most `most` bytes pass.
    pub(super) fn new(body: Incoming, most: u64) -> Self {
        Self { body, left: most }
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = InboundError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, InboundError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let Some(Ok(frame)) = frame else { return Poll::Ready(frame.map(|frame| Ok(frame?))) };
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        Poll::Ready(Some(match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(frame)
            }
            None => Err(InboundError::TooLong),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What was wrong with a body, if that is what went wrong.
pub(super) fn rejection(error: &(dyn Error + 'static)) -> Option<Rejection> {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.find_map(|error| error.downcast_ref()).map(|error| match error {
        InboundError::TooLong => Rejection::BodyTooLong,
        InboundError::Broken(_) => Rejection::BodyBroken,
    })
}
