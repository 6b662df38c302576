//! Sends a request and reads what comes back; says why nothing did.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::iter;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use farebox_engine::model::Hint;
use farebox_engine::time::Span;
use farebox_engine::world::client::Answered;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::RETRY_AFTER;
use hyper::{Request, Response};
use rustix::io::Errno;

use super::dress::Reading;
use super::tally::{CallError, Class};
use crate::live::pool::{Pool, SendError};

/// What is known of a body that was read to its end.
#[derive(Clone, Debug, Default)]
pub(in crate::live) struct Heard {
    /// When its first byte came; `None`: it has none.
    pub(super) first: Option<Instant>,
    /// How it begins, where that is kept.
    pub(super) text: Vec<u8>,
}

/// Sends a request, reads its answer to the end and gives the connection back.
pub(in crate::live) async fn exchange(
    pool: &Rc<Pool<Empty<Bytes>>>,
    request: Request<Empty<Bytes>>,
) -> Result<Response<Heard>, CallError> {
    exchange_keeping(pool, request, 0).await
}

/// The same, and keeps so much of the body of an answer that is no success.
pub(super) async fn exchange_keeping(
    pool: &Rc<Pool<Empty<Bytes>>>,
    request: Request<Empty<Bytes>>,
    most: usize,
) -> Result<Response<Heard>, CallError> {
    let (response, lease) = pool.send(request).await.map_err(|error| match error {
        SendError::Connect(error) => unconnected(&error),
        SendError::Broken(error) => broken(&error),
    })?;
    let (head, mut body): (_, Incoming) = response.into_parts();
    let most = if head.status.is_success() { 0 } else { most };
    let mut known = Heard::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        known.first.get_or_insert_with(Instant::now);
        if let Some(data) = frame.data_ref().filter(|_| known.text.len() < most) {
            known.text.extend_from_slice(&data[..data.len().min(most - known.text.len())]);
        }
    }
    lease.give_back();
    Ok(Response::from_parts(head, known))
}

/// Why there is no connection.
fn unconnected(error: &io::Error) -> CallError {
    let own = error.raw_os_error().map(Errno::from_raw_os_error);
    match (own, error.kind()) {
        (Some(Errno::ADDRNOTAVAIL), _) | (_, ErrorKind::AddrNotAvailable) => CallError::NoPort,
        (Some(Errno::MFILE | Errno::NFILE), _) => CallError::NoDescriptor,
        (_, ErrorKind::ConnectionRefused) => CallError::ConnectRefused,
        (_, ErrorKind::ConnectionReset) => CallError::Reset,
        _ => CallError::Connect,
    }
}

/// Why an exchange has broken off.
fn broken(error: &hyper::Error) -> CallError {
    let causes = iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
    let kind = causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind).next();
    match kind {
        _ if error.is_parse() => CallError::Malformed,
        Some(ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe) => CallError::Reset,
        Some(ErrorKind::UnexpectedEof) => CallError::ClosedEarly,
        Some(ErrorKind::InvalidData | ErrorKind::InvalidInput) => CallError::Malformed,
        _ if error.is_incomplete_message() || error.is_canceled() || error.is_closed() => CallError::ClosedEarly,
        _ => CallError::Broken,
    }
}

/// What a client makes of an answer; none at all is a connection error to it.
pub(super) fn said(answer: Option<(&Response<Heard>, Reading)>, hint: Hint) -> Answered {
    let header = |name: &str| answer.and_then(|(answer, _)| answer.headers().get(name)?.to_str().ok());
    let seconds = header(RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse().ok());
    Answered {
        status: answer.map_or(0, |(answer, _)| answer.status().as_u16()),
        retry_after: seconds.map(Span::from_secs),
        should_retry: hint.header().and_then(header).and_then(|said| said.parse().ok()),
        is_passed_on: answer.is_some_and(|(_, reading)| !reading.is_own && reading.class != Class::Refused),
    }
}
