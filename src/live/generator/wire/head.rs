//! The head of an answer.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Status};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::framing::{Chunk, Framing};
use crate::live::generator::answer::Heard;
use crate::live::generator::tally::CallError;

/// Headers of an answer at most.
const HEADERS: usize = 128;
/// How the names of headers begin that only our own gateway sends.
const OWN: &[u8] = b"farebox-";

/// The head of an answer, read.
pub(super) struct Head {
    /// With the headers that are looked at.
    pub(super) answer: Response<Heard>,
    pub(super) framing: Framing,
    /// Whether the connection stays open after it.
    pub(super) is_kept: bool,
}

impl Head {
    /// Reads a head: its length and what it says; `None` when it is not whole yet.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(usize, Self)>, CallError> {
        let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; HEADERS];
        let mut parsed = httparse::Response::new(&mut []);
        let read = ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut headers);
        let Status::Complete(length) = read.map_err(|_| CallError::Malformed)? else { return Ok(None) };
        let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(CallError::Malformed)?;
        // HTTP/1.0 closes unless it says otherwise.
        let mut is_kept = parsed.version == Some(1);
        let mut answer = Response::new(Heard::default());
        *answer.status_mut() = status;
        let (mut lengths, mut is_chunked, mut is_coded) = (None, false, false);
        for Header { name, value } in &*parsed.headers {
            if name.eq_ignore_ascii_case("content-length") {
                let length = number(value)?;
                if lengths.replace(length).is_some_and(|other| other != length) {
                    return Err(CallError::Malformed);
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                is_coded = true;
                is_chunked = words(value).next_back().is_some_and(|word| word.eq_ignore_ascii_case(b"chunked"));
            } else if name.eq_ignore_ascii_case("connection") {
                let says = |what: &[u8]| words(value).any(|word| word.eq_ignore_ascii_case(what));
                is_kept = !says(b"close") && (is_kept || says(b"keep-alive"));
            }
            if !status.is_success() || is_own(name) {
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| CallError::Malformed)?;
                let value = HeaderValue::from_bytes(value).map_err(|_| CallError::Malformed)?;
                answer.headers_mut().append(name, value);
            }
        }
        let is_empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) || status.is_informational();
        let framing = match (lengths, is_chunked, is_coded) {
            _ if is_empty => Framing::Length(0),
            (_, true, _) => Framing::Chunked(Chunk::Size),
            (_, false, true) | (None, ..) => Framing::UntilClosed,
            (Some(length), ..) => Framing::Length(length),
        };
        Ok(Some((length, Self { answer, framing, is_kept })))
    }
}

fn is_own(name: &str) -> bool {
    name.as_bytes().get(..OWN.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN))
}

/// The words of a list.
fn words(list: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn number(text: &[u8]) -> Result<u64, CallError> {
    let digits =
        str::from_utf8(text).ok().filter(|text| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(CallError::Malformed)
}
