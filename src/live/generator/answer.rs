//! What is known of an answer, and what a client makes of it.

use std::time::Instant;

use farebox_engine::model::Hint;
use farebox_engine::time::Span;
use farebox_engine::world::client::Answered;
use hyper::Response;
use hyper::header::RETRY_AFTER;

use super::dress::Reading;
use super::tally::Class;

/// What is known of a body that was read to its end.
#[derive(Clone, Debug, Default)]
pub(in crate::live) struct Heard {
    /// When its first byte came; `None`: it has none.
    pub(super) first: Option<Instant>,
    /// How it begins, where that is kept.
    pub(super) text: Vec<u8>,
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
