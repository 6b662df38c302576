//! A completion as server-sent events: the role, a token each, why it ends, the usage where it was asked for, `[DONE]`.

use std::fmt::Write;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

use super::answer::Completion;
use crate::fault::Fault;
use crate::reply::Later;

/// Events that are handed over at once, where many are due.
const EVENTS_MOST: u64 = 256;

/// The events that are still to come.
#[derive(Debug)]
pub(crate) struct Stream {
    completion: Completion,
    /// What every event begins and ends with.
    opening: String,
    closing: &'static str,
    usage: Option<String>,
    /// The number of the next one: 0 is the role, then come the tokens.
    next: u64,
    /// How many there are.
    events: u64,
    /// How many come before the connection ends, if it is cut off.
    cut: Option<u64>,
    begins: Instant,
    /// When the last token has been generated; its sleep is set anew for each event. It has the places.
    ends: Instant,
    later: Later,
}

impl Stream {
    /// The events of a completion whose first token is there now. `later` ends with the last one; `with_usage` whether
    /// the usage was asked for.
    pub(crate) fn new(completion: Completion, with_usage: bool, later: Later) -> Self {
        let usage = completion.usage().filter(|_| with_usage).map(|usage| usage.to_string());
        let (opening, ends) = (opening(&completion), later.sleep.deadline());
        Self {
            // The role, why it ends, and `[DONE]`.
            events: completion.tokens + 3 + u64::from(usage.is_some()),
            closing: if with_usage { ",\"usage\":null}\n\n" } else { "}\n\n" },
            completion,
            opening,
            usage,
            next: 0,
            cut: None,
            begins: Instant::now().min(ends),
            ends,
            later,
        }
    }

    /// The same, cut off after half of its tokens.
    pub(crate) fn cut_in_the_middle(self) -> Self {
        Self { cut: Some(1 + self.completion.tokens / 2), ..self }
    }

    /// The same, cut off when all is there but its usage and `[DONE]`.
    pub(crate) fn cut_before_usage(self) -> Self {
        Self { cut: Some(2 + self.completion.tokens), ..self }
    }

    /// The events that are due.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        let end = self.cut.unwrap_or(self.events);
        if self.next > end {
            return Poll::Ready(Some(Err(Fault::Cut)));
        }
        if self.next == end {
            return self.finish(context);
        }
        let due = self.due(self.next);
        if self.later.sleep.deadline() != due {
            self.later.sleep.reset(due);
        }
        ready!(Pin::new(&mut self.later.sleep).poll(context));
        let (now, mut text) = (Instant::now(), String::new());
        let most = end.min(self.next + EVENTS_MOST);
        while self.next < most && self.due(self.next) <= now {
            self.write(self.next, &mut text);
            self.next += 1;
        }
        Poll::Ready(Some(Ok(text.into())))
    }

    /// After the last event. A connection that is to fail does not send what it still has, so it gets the time to.
    fn finish(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        self.later.places.clear();
        if self.cut.is_none() {
            return Poll::Ready(None);
        }
        self.next += 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn due(&self, event: u64) -> Instant {
        due(event, self.completion.tokens, self.begins, self.ends)
    }

    fn write(&self, event: u64, text: &mut String) {
        let tokens = self.completion.tokens;
        if event == 0 {
            self.choice(r#"{"role":"assistant","content":"","refusal":null}"#, "null", text);
        } else if event <= tokens {
            let (gap, word) = self.completion.token(event - 1);
            self.choice(&format!(r#"{{"content":"{gap}{word}"}}"#), "null", text);
        } else if event == tokens + 1 {
            self.choice("{}", &format!("\"{}\"", self.completion.finish), text);
        } else if let Some(usage) = self.usage.as_ref().filter(|_| event == tokens + 2) {
            write!(text, "{}\"choices\":[],\"usage\":{usage}}}\n\n", self.opening).expect("a String takes everything");
        } else {
            text.push_str("data: [DONE]\n\n");
        }
    }

    fn choice(&self, delta: &str, finish: &str, text: &mut String) {
        write!(
            text,
            r#"{}"choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]{}"#,
            self.opening, self.closing
        )
        .expect("a String takes everything");
    }
}

/// When an event is to be sent: the role and the first token at once, the others of so many tokens one after the other at
/// the same distance, and what comes after them at the end.
fn due(event: u64, tokens: u64, begins: Instant, ends: Instant) -> Instant {
    if event > tokens {
        return ends;
    }
    let generated = u128::from(event.saturating_sub(1));
    let since = ends.saturating_duration_since(begins).as_nanos() * generated / u128::from(tokens.max(1));
    begins + Duration::from_nanos(since as u64)
}

/// The first event alone.
pub(crate) fn first_event(completion: &Completion) -> Bytes {
    let choice = r#"[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]"#;
    format!("{}\"choices\":{choice}}}\n\n", opening(completion)).into()
}

fn opening(completion: &Completion) -> String {
    format!(
        "data: {{\"id\":\"{}\",\"object\":\"chat.completion.chunk\",\"created\":{},\"model\":{},\
         \"system_fingerprint\":\"fp_mock\",",
        completion.name(),
        completion.created,
        json!(completion.model)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_spread_evenly_from_the_first_to_the_end() {
        let begins = Instant::now();
        let after = |event, tokens| (due(event, tokens, begins, begins + Duration::from_secs(1)) - begins).as_millis();
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7].map(|event| after(event, 4)), [0, 0, 250, 500, 750, 1_000, 1_000, 1_000]);
        assert_eq!([0, 1, 2].map(|event| after(event, 1)), [0, 0, 1_000]);
        assert_eq!([0, 1].map(|event| after(event, 0)), [0, 1_000]);
        assert_eq!(due(2, 4, begins, begins), begins);
    }
}
