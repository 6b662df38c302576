//! Tokens, counted from an answer as it passes: the `usage` object of a chat completion, in JSON or in the last events of
//! a stream. Nothing is held back, and what is remembered is bounded.
//!
//! Only where the upstream has not said what the call used. An answer that is packed, or that has no such object (a
//! stream has one when the client asks with `stream_options: { include_usage: true }`), is of unknown usage.

use std::mem;

use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use serde::Deserialize;

/// What is remembered: the longest event that is read, and how far before its end an answer's `usage` may begin.
const REMEMBERED: usize = 64 << 10;

/// What a call used, in the words of a scenario's attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Tokens {
    /// `prompt_tokens` of the object.
    #[serde(rename = "prompt_tokens")]
    pub input_tokens: u64,
    /// `completion_tokens` of the object; an embedding has none.
    #[serde(rename = "completion_tokens", default)]
    pub output_tokens: u64,
}

/// Reads an answer as it passes.
#[derive(Debug)]
pub struct TokenMeter {
    format: Format,
    /// Of a stream the line that has begun; else the end of what has passed.
    kept: Vec<u8>,
    /// Of a stream, whether that line is longer than what is remembered.
    is_too_long: bool,
    found: Option<Tokens>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Events,
    Json,
}

#[derive(Deserialize)]
struct Chunk {
    usage: Option<Tokens>,
}

impl TokenMeter {
    /// A meter for an answer with this head; `None` when it is nothing that tokens are counted in.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        if headers.get(CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return None;
        }
        let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let format = if kind.eq_ignore_ascii_case("text/event-stream") {
            Format::Events
        } else if kind.eq_ignore_ascii_case("application/json") {
            Format::Json
        } else {
            return None;
        };
        Some(Self { format, kept: Vec::new(), is_too_long: false, found: None })
    }

    /// The next bytes of the answer.
    pub fn feed(&mut self, bytes: &[u8]) {
        match self.format {
            Format::Json => self.keep_end(bytes),
            Format::Events => self.feed_events(bytes),
        }
    }

    /// What the whole answer says.
    pub fn end(mut self) -> Option<Tokens> {
        match self.format {
            Format::Events => {
                self.end_line();
                self.found
            }
            // However it was cut, the same end of it is looked at.
            Format::Json => usage_of(&self.kept[self.kept.len().saturating_sub(REMEMBERED)..]),
        }
    }

    fn keep_end(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(&bytes[bytes.len().saturating_sub(REMEMBERED)..]);
        // Twice as much is kept before the first half goes, so that each byte is moved once at most.
        if self.kept.len() > 2 * REMEMBERED {
            self.kept.drain(..self.kept.len() - REMEMBERED);
        }
    }

    /// Lines end with a line feed, a carriage return, or both; an empty one ends an event. `OpenAI` writes one line for
    /// each event, so a line is enough to read.
    fn feed_events(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            if self.kept.is_empty() && !self.is_too_long {
                self.read_line(&rest[..end]);
            } else {
                self.extend_line(&rest[..end]);
                self.end_line();
            }
            rest = &rest[end + 1..];
        }
        self.extend_line(rest);
    }

    fn extend_line(&mut self, bytes: &[u8]) {
        if self.is_too_long || self.kept.len() + bytes.len() > REMEMBERED {
            self.is_too_long = true;
            self.kept.clear();
            return;
        }
        self.kept.extend_from_slice(bytes);
    }

    fn end_line(&mut self) {
        let mut kept = mem::take(&mut self.kept);
        self.read_line(&kept);
        kept.clear();
        self.kept = kept;
        self.is_too_long = false;
    }

    fn read_line(&mut self, line: &[u8]) {
        if line.len() <= REMEMBERED
            && let Some(data) = line.strip_prefix(b"data:")
            && has_usage(data)
            && let Ok(Chunk { usage: Some(usage) }) = serde_json::from_slice(data)
        {
            self.found = Some(usage);
        }
    }
}

/// What an answer calls that object.
const USAGE: &[u8] = b"\"usage\"";

/// The last `usage` object of the end of a document. Inside of a text, its quotes would be escaped.
fn usage_of(end: &[u8]) -> Option<Tokens> {
    if let Ok(Chunk { usage }) = serde_json::from_slice(end) {
        return usage;
    }
    let place = end.windows(USAGE.len()).rposition(|window| window == USAGE)?;
    let rest = end[place + USAGE.len()..].trim_ascii_start().strip_prefix(b":")?;
    serde_json::Deserializer::from_slice(rest).into_iter().next()?.ok()
}

/// Whether an object of that name may be in a text: all events but the last say that it is null.
fn has_usage(text: &[u8]) -> bool {
    memchr::memmem::find_iter(text, USAGE).any(|place| {
        let value = text[place + USAGE.len()..].trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        value.is_some_and(|value| value.starts_with(b"{"))
    })
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn meter(kind: &'static str) -> TokenMeter {
        TokenMeter::of(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))])).expect("a known kind")
    }

    /// What is found, however the bytes are cut.
    fn found(kind: &'static str, text: &str) -> Option<Tokens> {
        let whole = {
            let mut meter = meter(kind);
            meter.feed(text.as_bytes());
            meter.end()
        };
        for step in [1, 2, 7, 100, 4_096] {
            let mut meter = meter(kind);
            text.as_bytes().chunks(step).for_each(|bytes| meter.feed(bytes));
            assert_eq!(meter.end(), whole, "in steps of {step}");
        }
        whole
    }

    const EVENTS: &str = "text/event-stream; charset=utf-8";
    const JSON: &str = "application/json";
    const SOME: Option<Tokens> = Some(Tokens { input_tokens: 19, output_tokens: 10 });

    #[test]
    fn a_stream_says_in_its_last_event_what_it_used() {
        let chunk = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hi \"usage\""}}],"usage":null}"#;
        let last = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0}}}"#;
        for end in ["\n\n", "\r\n\r\n", "\r\r"] {
            let stream = [chunk, chunk, last, "data: [DONE]", ""].join(end);
            assert_eq!(found(EVENTS, &stream), SOME);
            assert_eq!(found(EVENTS, &[chunk, chunk, "data: [DONE]", ""].join(end)), None);
        }
        // An event that nobody ended, a comment, and some without a use.
        assert_eq!(found(EVENTS, last), SOME);
        let others = ": keep-alive \"usage\"\nevent: usage\ndata:\"usage\"\ndata: {\"usage\": 7}\ndata: {\"usage\"\n\n";
        assert_eq!(found(EVENTS, others), None);
        // One that is too long is passed over, and the next one is not.
        let long = format!("data: {{\"x\":\"{}\",\"usage\":{{\"prompt_tokens\":1}}}}\n\n", "x".repeat(REMEMBERED));
        assert_eq!(found(EVENTS, &format!("{long}{last}\n\n")), SOME);
        assert_eq!(found(EVENTS, &long), None);
    }

    #[test]
    fn a_completion_says_at_its_end_what_it_used() {
        let usage = r#""usage": {"prompt_tokens":19,"completion_tokens":10,"total_tokens":29}"#;
        assert_eq!(found(JSON, &format!(r#"{{"choices":[],{usage},"system_fingerprint":null}}"#)), SOME);
        assert_eq!(found(JSON, &format!("{{{usage}}}")), SOME);
        for long in [REMEMBERED, 2 * REMEMBERED, 5 * REMEMBERED + 3] {
            let text = format!(
                r#"{{"choices":[{{"text":"{}\"usage\": 3"}}],{usage},"service_tier":"default"}}"#,
                "y".repeat(long)
            );
            assert_eq!(found(JSON, &text), SOME);
        }
        for nothing in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"usage":null}"#,
            r#"{"usage":{"prompt_tokens":-1}}"#,
            "\"usage\"",
            "\"usage\" 7",
        ] {
            assert_eq!(found(JSON, nothing), None, "{nothing}");
        }
        let embedding = Tokens { input_tokens: 8, output_tokens: 0 };
        assert_eq!(found(JSON, r#"{"data":[],"usage":{"prompt_tokens":8,"total_tokens":8}}"#), Some(embedding));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        for kind in [EVENTS, JSON] {
            let mut meter = meter(kind);
            for _ in 0..1_000 {
                meter.feed(&[b'z'; 10_000]);
                assert!(meter.kept.len() <= 2 * REMEMBERED + 10_000);
            }
        }
    }

    #[test]
    fn what_is_packed_or_no_text_is_not_read() {
        let headers = |kind: &'static str, coding: &'static str| {
            let pairs = [(CONTENT_TYPE, kind), (CONTENT_ENCODING, coding)];
            HeaderMap::from_iter(pairs.map(|(name, value)| (name, HeaderValue::from_static(value))))
        };
        assert!(TokenMeter::of(&headers(JSON, "gzip")).is_none());
        assert!(TokenMeter::of(&headers(JSON, "identity")).is_some());
        assert!(TokenMeter::of(&headers("image/png", "identity")).is_none());
        assert!(TokenMeter::of(&HeaderMap::new()).is_none());
    }
}
