//! Trace context as W3C Trace Context Level 2 has it: `traceparent` is read, or a trace begun where there is none to go
//! on with; the answer says in `traceresponse` which span was made for it.

use std::fmt;

use hyper::header::{HeaderMap, HeaderName};

use crate::draw::Draws;

/// The request header that carries the caller's span.
pub static TRACEPARENT_HEADER: HeaderName = HeaderName::from_static("traceparent");
/// The response header that carries the span that was made for the request.
pub static TRACERESPONSE_HEADER: HeaderName = HeaderName::from_static("traceresponse");

/// One span of a trace; as text, the value of either header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    trace: u128,
    own: u64,
    flags: u8,
}

impl Span {
    /// The caller's span, if the request has exactly one `traceparent` that keeps to the rules.
    pub(crate) fn of_caller(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(&TRACEPARENT_HEADER).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        Self::parse(value.to_str().ok()?)
    }

    /// A value such as `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`: version, trace, span and flags in
    /// lower-case hexadecimal digits. Version `ff` and names of zeros only are forbidden. A later version may have more
    /// parts behind these, version 00 may not.
    fn parse(text: &str) -> Option<Self> {
        let (head, more) = text.split_at_checked(55)?;
        let mut parts = head.split('-');
        let mut hex = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let is_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            is_hex.then(|| u128::from_str_radix(part, 16).ok())?
        };
        let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        let is_whole = more.is_empty() || (version > 0 && more.starts_with('-'));
        let is_valid = is_whole && version != 0xff && trace != 0 && span != 0;
        is_valid.then_some(Self { trace, own: span as u64, flags: flags as u8 })
    }

    /// The first span of a trace of its own, whose name is random (flag 2) and that nobody has decided to record.
    pub(crate) fn begin(draws: &mut Draws) -> Self {
        let trace = (u128::from(draws.word()) << 64) | u128::from(draws.word());
        Self { trace: trace.max(1), own: draws.word().max(1), flags: RANDOM }
    }

    /// A new span under this one. Only the flags that are known are passed on.
    pub(crate) fn child(self, draws: &mut Draws) -> Self {
        Self { own: draws.word().max(1), flags: self.flags & (SAMPLED | RANDOM), ..self }
    }

    /// The name of the span.
    pub(crate) fn name(self) -> String {
        format!("{:016x}", self.own)
    }
}

const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.own, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_keeps_to_the_rules_is_read_and_written_back() {
        assert_eq!(Span::parse(EXAMPLE).unwrap().to_string(), EXAMPLE);
        // A later version is read as far as this one goes.
        for later in ["cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", &format!("01{}-what", &EXAMPLE[2..])] {
            assert_eq!(Span::parse(later).unwrap().to_string(), EXAMPLE, "{later}");
        }
    }

    #[test]
    fn what_breaks_them_is_no_span() {
        let cases = [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-+1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0ü",
        ];
        for text in cases {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_child_keeps_the_trace_and_the_known_flags() {
        let mut draws = Draws::of(1, 0, 0);
        let parent = Span::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff").unwrap();
        let child = parent.child(&mut draws);
        assert_eq!((child.trace, child.flags), (parent.trace, 3));
        assert_ne!(child.own, parent.own);
        let begun = Span::begin(&mut draws);
        assert_eq!(Span::parse(&begun.to_string()), Some(begun));
        assert_ne!(Span::begin(&mut draws).trace, begun.trace);
    }

    /// Two of them leave open which is meant, so neither is.
    #[test]
    fn only_a_single_header_counts() {
        let mut headers = HeaderMap::new();
        assert_eq!(Span::of_caller(&headers), None);
        headers.append(&TRACEPARENT_HEADER, EXAMPLE.parse().unwrap());
        assert_eq!(Span::of_caller(&headers), Span::parse(EXAMPLE));
        headers.append(&TRACEPARENT_HEADER, EXAMPLE.parse().unwrap());
        assert_eq!(Span::of_caller(&headers), None);
    }
}
