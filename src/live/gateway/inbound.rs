//! A request's body on its way to the upstream: as it comes, and no more of it than is allowed.

use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};

use super::super::pool::Connection;
use super::super::problem::Rejection;

/// What waits to be written at most before more is read, in bytes.
const UNSENT_MOST: usize = 64 << 10;

/// A body of bounded length that is being sent. Trailers are left out (RFC 9110, section 6.5.1).
#[derive(Debug)]
pub(crate) struct Inbound {
    /// `None` once all of it has been read, or nobody wants more.
    body: Option<Incoming>,
    left: u64,
    is_chunked: bool,
    /// Whether the upstream takes no more: what it answers counts all the same.
    is_broken: bool,
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

impl InboundError {
    /// What the client is told.
    pub(crate) const fn rejection(&self) -> Rejection {
        match self {
            Self::TooLong => Rejection::BodyTooLong,
            Self::Broken(_) => Rejection::BodyBroken,
        }
    }
}

impl Inbound {
    /// A body of which at most `most` bytes pass.
    pub(super) fn new(body: Incoming, most: u64) -> Self {
        let is_chunked = !body.is_end_stream() && body.size_hint().exact().is_none();
        let body = Some(body).filter(|body| !body.is_end_stream());
        Self { body, left: most, is_chunked, is_broken: false }
    }

    /// How its end is found, in the head of its request.
    pub(super) fn write_framing(&self, says_length: bool, head: &mut Vec<u8>) {
        let length = self.body.as_ref().map_or(Some(0), |body| body.size_hint().exact());
        match length {
            Some(0) if !says_length => {}
            Some(length) => write!(head, "content-length: {length}\r\n").expect("a Vec takes everything"),
            None => head.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
    }

    /// Whether all of it has been sent.
    pub(super) fn is_over(&self, connection: &Connection) -> bool {
        self.body.is_none() && !self.is_broken && connection.unsent.is_empty()
    }

    /// Whether there is more of it to send.
    pub(super) fn is_going_on(&self, connection: &Connection) -> bool {
        !self.is_broken && !self.is_over(connection)
    }

    /// Whether nothing of it, nor of what was before it, could be sent because the connection had been closed while it was
    /// idle.
    pub(super) fn is_unsent(&self, connection: &Connection) -> bool {
        self.is_broken && connection.was_stale()
    }

    /// Sends no more of it. The connection, on which the other side waits for the rest, is of no further use.
    pub(super) fn give_up(&mut self) {
        (self.body, self.is_broken) = (None, true);
    }

    /// Tries another connection, with what the last one has not sent.
    pub(super) fn try_again(&mut self, stale: Connection, fresh: &mut Connection) {
        fresh.unsent = stale.unsent;
        self.is_broken = false;
    }

    /// Sends what has come of it, as far as the upstream takes it; the task is woken when there is more to send.
    pub(super) fn push(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Result<(), InboundError> {
        while !self.is_broken {
            self.gather(cx, &mut connection.unsent)?;
            if connection.unsent.is_empty() {
                break;
            }
            match connection.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => self.is_broken = true,
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// Puts behind what is to be sent what has come.
    fn gather(&mut self, cx: &mut Context<'_>, unsent: &mut Vec<u8>) -> Result<(), InboundError> {
        while unsent.len() < UNSENT_MOST
            && let Some(body) = &mut self.body
        {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else { break };
            let is_last = frame.is_none() || body.is_end_stream();
            if let Some(data) = frame.transpose()?.and_then(|frame: Frame<Bytes>| frame.into_data().ok()) {
                self.left = self.left.checked_sub(data.len() as u64).ok_or(InboundError::TooLong)?;
                self.append(&data, unsent);
            }
            if is_last {
                self.body = None;
                if self.is_chunked {
                    unsent.extend_from_slice(b"0\r\n\r\n");
                }
            }
        }
        Ok(())
    }

    fn append(&self, data: &[u8], unsent: &mut Vec<u8>) {
        if !self.is_chunked {
            unsent.extend_from_slice(data);
        } else if !data.is_empty() {
            write!(unsent, "{:x}\r\n", data.len()).expect("a Vec takes everything");
            unsent.extend_from_slice(data);
            unsent.extend_from_slice(b"\r\n");
        }
    }
}
