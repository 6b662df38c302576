//! What a chat completion is asked for: read from JSON, with errors in the words and the shape of the `OpenAI` API.

use hyper::StatusCode;
use serde_json::{Map, Value};

use super::MAX_TOKENS;

/// What of a request decides about its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) model: String,
    pub(crate) prompt_tokens: u64,
    /// The limit of the answer's tokens.
    pub(crate) most: Option<u64>,
    pub(crate) delivery: Delivery,
}

/// How the answer is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// As one document.
    Whole,
    /// As events.
    Stream {
        /// With the usage in one of its own before the last.
        with_usage: bool,
    },
}

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// The parameter that is to blame.
    pub(crate) param: Option<&'static str>,
}

/// Bytes of a model's name.
const MODEL_BYTES: usize = 256;

/// Reads a request's body.
pub(crate) fn read(body: &[u8]) -> Result<Asked, Complaint> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| complain(None, format!("We could not parse the JSON body of your request: {error}")))?;
    let Value::Object(asked) = &value else {
        return Err(complain(None, "expected the body to be a JSON object".to_owned()));
    };
    if asked.get("n").is_some_and(|n| !n.is_null() && n.as_u64() != Some(1)) {
        return Err(complain(Some("n"), "this mock generates one choice: `n` must be 1".to_owned()));
    }
    Ok(Asked {
        model: model(asked)?,
        prompt_tokens: prompt_tokens(asked.get("messages"))?,
        most: most(asked)?,
        delivery: delivery(asked)?,
    })
}

fn complain(param: Option<&'static str>, message: String) -> Complaint {
    Complaint { status: StatusCode::BAD_REQUEST, message, param }
}

fn model(asked: &Map<String, Value>) -> Result<String, Complaint> {
    let model =
        asked.get("model").ok_or_else(|| complain(Some("model"), "you must provide a model parameter".to_owned()))?;
    let named = model.as_str().filter(|name| (1..=MODEL_BYTES).contains(&name.len()));
    let wrong = || complain(Some("model"), format!("`model` must be a text of 1 to {MODEL_BYTES} bytes"));
    named.map(str::to_owned).ok_or_else(wrong)
}

/// The estimate that the documentation states: 3 tokens for the answer's start, 3 for each message, and one for every 4
/// bytes, begun ones included, of each text in it. What is no text counts as nothing.
fn prompt_tokens(messages: Option<&Value>) -> Result<u64, Complaint> {
    let wrong = |what: &str| complain(Some("messages"), what.to_owned());
    let messages = messages.ok_or_else(|| wrong("missing required parameter: 'messages'"))?;
    let messages = messages.as_array().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| wrong("`messages` must be an array with at least one message"))?;
    let mut tokens = 3;
    for message in messages {
        if message.get("role").and_then(Value::as_str).is_none() {
            return Err(wrong("each of `messages` must be an object with a `role`"));
        }
        tokens += 3 + match message.get("content") {
            None | Some(Value::Null) => 0,
            Some(Value::String(text)) => tokens_of(text),
            Some(Value::Array(parts)) => {
                parts.iter().filter_map(|part| part.get("text")?.as_str()).map(tokens_of).sum()
            }
            Some(_) => return Err(wrong("`content` of a message must be a text, an array of parts, or null")),
        };
    }
    Ok(tokens)
}

fn tokens_of(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
}

fn most(asked: &Map<String, Value>) -> Result<Option<u64>, Complaint> {
    let limit = |param: &'static str| match asked.get(param) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_u64().filter(|number| (1..=MAX_TOKENS).contains(number));
            let wrong = || complain(Some(param), format!("`{param}` must be a whole number from 1 to {MAX_TOKENS}"));
            number.map(Some).ok_or_else(wrong)
        }
    };
    match (limit("max_tokens")?, limit("max_completion_tokens")?) {
        (Some(_), Some(_)) => {
            let message = "setting `max_tokens` and `max_completion_tokens` at the same time is not supported";
            Err(complain(Some("max_tokens"), message.to_owned()))
        }
        (old, new) => Ok(old.or(new)),
    }
}

fn delivery(asked: &Map<String, Value>) -> Result<Delivery, Complaint> {
    let stream = flag(asked.get("stream"), "stream")?;
    match asked.get("stream_options") {
        None | Some(Value::Null) if !stream => Ok(Delivery::Whole),
        None | Some(Value::Null) => Ok(Delivery::Stream { with_usage: false }),
        Some(_) if !stream => {
            let message = "the `stream_options` parameter is only allowed when `stream` is enabled";
            Err(complain(Some("stream_options"), message.to_owned()))
        }
        Some(Value::Object(options)) => {
            Ok(Delivery::Stream { with_usage: flag(options.get("include_usage"), "stream_options.include_usage")? })
        }
        Some(_) => Err(complain(Some("stream_options"), "`stream_options` must be an object".to_owned())),
    }
}

fn flag(value: Option<&Value>, param: &'static str) -> Result<bool, Complaint> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(complain(Some(param), format!("`{param}` must be true or false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = r#""model":"m","messages":[{"role":"user","content":"hello"}]"#;

    fn asked(more: &str) -> Result<Asked, (Option<&'static str>, String)> {
        let body = format!("{{{HELLO}{more}}}");
        read(body.as_bytes()).map_err(|complaint| (complaint.param, complaint.message))
    }

    #[test]
    fn what_decides_is_read_and_the_rest_is_left() {
        let plain = Asked { model: "m".to_owned(), prompt_tokens: 8, most: None, delivery: Delivery::Whole };
        assert_eq!(asked(r#","temperature":0.3,"tools":[],"stream":null,"n":1"#), Ok(plain.clone()));
        assert_eq!(asked(r#","max_tokens":7"#).unwrap().most, Some(7));
        assert_eq!(asked(r#","max_completion_tokens":9"#).unwrap().most, Some(9));
        assert_eq!(asked(r#","stream":true"#).unwrap().delivery, Delivery::Stream { with_usage: false });
        let with_usage = asked(r#","stream":true,"stream_options":{"include_usage":true}"#).unwrap();
        assert_eq!(with_usage.delivery, Delivery::Stream { with_usage: true });
    }

    #[test]
    fn prompts_are_estimated_by_the_stated_rule() {
        let tokens = |messages: &str| {
            let body = format!(r#"{{"model":"m","messages":[{messages}]}}"#);
            read(body.as_bytes()).map(|asked| asked.prompt_tokens)
        };
        assert_eq!(tokens(r#"{"role":"user"}"#), Ok(6));
        // Nine letters are eleven bytes of UTF-8: three tokens.
        assert_eq!(tokens(r#"{"role":"user","content":"größenmaß"},{"role":"user","content":""}"#), Ok(3 + 3 + 3 + 3));
        let parts =
            r#"{"role":"user","content":[{"type":"text","text":"four"},{"type":"image_url"},{"text":"five5"}]}"#;
        assert_eq!(tokens(parts), Ok(3 + 3 + 1 + 2));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_parameter() {
        for (more, param) in [
            (r#","n":2"#, "n"),
            (r#","max_tokens":0"#, "max_tokens"),
            (r#","max_tokens":1.5"#, "max_tokens"),
            (r#","max_tokens":131073"#, "max_tokens"),
            (r#","max_tokens":1,"max_completion_tokens":1"#, "max_tokens"),
            (r#","stream":1"#, "stream"),
            (r#","stream_options":{}"#, "stream_options"),
            (r#","stream":true,"stream_options":[]"#, "stream_options"),
            (r#","stream":true,"stream_options":{"include_usage":"yes"}"#, "stream_options.include_usage"),
        ] {
            assert_eq!(asked(more).unwrap_err().0, Some(param), "{more}");
        }
        for (body, param) in [
            ("", None),
            ("[]", None),
            (r#"{"messages":[]}"#, Some("model")),
            (r#"{"model":""}"#, Some("model")),
            (r#"{"model":"m"}"#, Some("messages")),
            (r#"{"model":"m","messages":[]}"#, Some("messages")),
            (r#"{"model":"m","messages":["hello"]}"#, Some("messages")),
            (r#"{"model":"m","messages":[{"role":"user","content":5}]}"#, Some("messages")),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap_err().param, param, "{body}");
        }
    }
}
