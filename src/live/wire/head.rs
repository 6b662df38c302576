//! The head of an answer.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Status};
use hyper::StatusCode;

use super::WireError;
use super::framing::{Chunk, Framing};

/// Headers of an answer at most.
const HEADERS: usize = 128;

/// The longest body that anybody can speak of: the greatest two lengths mean something else to hyper.
const LENGTH_MOST: u64 = u64::MAX - 2;

/// The head of an answer, read.
#[derive(Clone, Copy, Debug)]
pub(in crate::live) struct Head {
    pub(in crate::live) status: StatusCode,
    /// Where its body ends, if it has one: whether it has also depends on what was asked.
    pub(in crate::live) framing: Framing,
    /// Whether the connection stays open after it.
    pub(in crate::live) is_kept: bool,
}

impl Head {
    /// Reads a head: its length and what it says; `None` when it is not whole yet. Each of its headers is shown to `keep`,
    /// unless it only says that an answer will come; what the head says beside its status is not known then.
    pub(super) fn parse(
        bytes: &[u8],
        mut keep: impl FnMut(&Self, &str, &[u8]) -> Result<(), WireError>,
    ) -> Result<Option<(usize, Self)>, WireError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; HEADERS];
        let mut parsed = httparse::Response::new(&mut []);
        let read = ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut headers);
        let Status::Complete(length) = read.map_err(|_| WireError::Malformed)? else { return Ok(None) };
        let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(WireError::Malformed)?;
        // Nobody has asked for another protocol.
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(WireError::Malformed);
        }
        // HTTP/1.0 closes unless it says otherwise.
        let mut head = Self { status, framing: Framing::UntilClosed, is_kept: parsed.version == Some(1) };
        if status.is_informational() {
            return Ok(Some((length, head)));
        }
        let (mut lengths, mut is_chunked, mut is_coded) = (None, false, false);
        let (mut closes, mut keeps) = (false, false);
        for Header { name, value } in &*parsed.headers {
            if name.eq_ignore_ascii_case("content-length") {
                let length = number(value)?;
                if lengths.replace(length).is_some_and(|other| other != length) {
                    return Err(WireError::Malformed);
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                is_coded = true;
                is_chunked = words(value).next_back().is_some_and(|word| word.eq_ignore_ascii_case(b"chunked"));
            } else if name.eq_ignore_ascii_case("connection") {
                let says = |what: &[u8]| words(value).any(|word| word.eq_ignore_ascii_case(what));
                closes |= says(b"close");
                keeps |= says(b"keep-alive");
            }
            keep(&head, name, value)?;
        }
        // In HTTP/1.0 nobody knows how a coded body ends (RFC 9112, section 6.1).
        if is_coded && !head.is_kept {
            return Err(WireError::Malformed);
        }
        head.is_kept = !closes && (head.is_kept || keeps);
        let is_empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        head.framing = match (lengths, is_chunked, is_coded) {
            _ if is_empty => Framing::Length(0),
            (_, true, _) => Framing::Chunked(Chunk::Size),
            (_, false, true) | (None, ..) => Framing::UntilClosed,
            (Some(length), ..) => Framing::Length(length),
        };
        Ok(Some((length, head)))
    }
}

/// The words of a list.
fn words(list: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn number(text: &[u8]) -> Result<u64, WireError> {
    let digits =
        str::from_utf8(text).ok().filter(|text| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit()));
    let length = digits.and_then(|digits| digits.parse().ok()).filter(|length| *length <= LENGTH_MOST);
    length.ok_or(WireError::Malformed)
}
