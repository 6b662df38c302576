//! The documents of the chat API: a completion, the models, and errors.

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};

/// A completion that has been decided about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    /// Its number, drawn.
    pub(crate) id: u64,
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) model: String,
    pub(crate) tokens: u64,
    /// Why it ends: `stop`, or `length` where the request set a limit.
    pub(crate) finish: &'static str,
    /// What it says was used, in tokens of the prompt and of the answer; `None`: nothing is said.
    pub(crate) usage: Option<(u64, u64)>,
}

/// What is generated, one word a token, from a word that the completion's number chooses.
const WORDS: [&str; 16] = [
    "every", "request", "that", "a", "gateway", "lets", "through", "is", "answered", "here", "with", "words", "which",
    "mean", "nothing", "and",
];

/// The only model that is listed; completions take every name.
const MODEL: &str = "mock";
/// When it was made, for those who sort by it: the first second of 2026.
const MODEL_CREATED: u64 = 1_767_225_600;

impl Completion {
    /// The text of a token, from 0: a space goes before each but the first.
    pub(crate) fn token(&self, number: u64) -> (&'static str, &'static str) {
        let word = WORDS[(self.id.wrapping_add(number) % WORDS.len() as u64) as usize];
        (if number == 0 { "" } else { " " }, word)
    }

    pub(crate) fn name(&self) -> String {
        format!("chatcmpl-{:016x}", self.id)
    }

    /// Its usage as the API writes it.
    pub(crate) fn usage(&self) -> Option<Value> {
        self.usage.map(|(prompt, completion)| {
            // A command may say any amounts.
            let total = prompt.saturating_add(completion);
            json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total})
        })
    }
}

/// A completion as one document.
pub(crate) fn whole(completion: &Completion) -> Bytes {
    let mut content = String::with_capacity(completion.tokens as usize * 8);
    for number in 0..completion.tokens {
        let (gap, word) = completion.token(number);
        content.push_str(gap);
        content.push_str(word);
    }
    let message = json!({"role": "assistant", "content": content, "refusal": null});
    let mut document = json!({
        "id": completion.name(),
        "object": "chat.completion",
        "created": completion.created,
        "model": completion.model,
        "system_fingerprint": "fp_mock",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": completion.finish}],
    });
    if let Some(usage) = completion.usage() {
        document["usage"] = usage;
    }
    document.to_string().into()
}

/// The list of models.
pub(crate) fn models() -> Bytes {
    json!({"object": "list", "data": [described()]}).to_string().into()
}

/// One model, if there is one of this name.
pub(crate) fn model(name: &str) -> Option<Bytes> {
    (name == MODEL).then(|| described().to_string().into())
}

fn described() -> Value {
    json!({"id": MODEL, "object": "model", "created": MODEL_CREATED, "owned_by": "mock-upstreams"})
}

/// An error in the shape of the API.
pub(crate) fn error(status: StatusCode, message: &str, param: Option<&str>) -> Bytes {
    let (kind, code) = match status.as_u16() {
        402 => ("insufficient_quota", Some("insufficient_quota")),
        429 => ("requests", Some("rate_limit_exceeded")),
        404 => ("invalid_request_error", Some("not_found")),
        400..500 => ("invalid_request_error", None),
        _ => ("server_error", None),
    };
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}}).to_string().into()
}
