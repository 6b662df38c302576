//! How requests look, and how answers are read: to our own gateway, which knows the run's stamps and says why it refuses;
//! or to somebody else's, of which only its HTTP is known.

use farebox_engine::billing::cause::{Cause, Kind};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Response};
use serde_json::Value;

use super::answer::Heard;
use super::tally::Class;
use crate::live::gateway::API_KEY;
use crate::live::problem::CAUSE;

/// How much of a refusal's body is looked at.
const BODY_MOST: usize = 16 << 10;

/// How requests look, and how answers are read.
#[derive(Clone, Debug)]
pub enum Dress {
    /// The run's own gateway, which honours stamps with this token.
    Own {
        /// The token.
        token: String,
    },
    /// Somebody else's.
    Foreign(Foreign),
}

/// What requests to somebody else's gateway look like.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// The header that carries the key.
    pub key_header: HeaderName,
    /// Its value, by account, with whatever stands before the key.
    pub keys: Vec<HeaderValue>,
    /// The `host` header.
    pub host: HeaderValue,
    /// What stands before the scenario's paths; empty, or `/…` without a slash at its end.
    pub prefix: String,
    /// The method.
    pub method: Method,
    /// Further headers, the same with every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body of every request.
    pub body: String,
    /// Whether our mock upstream is behind it, and is told what to do.
    pub is_obeyed: bool,
}

/// Requests as the plainest client makes them, of nobody.
impl Default for Foreign {
    fn default() -> Self {
        Self {
            key_header: API_KEY,
            keys: Vec::new(),
            host: HeaderValue::from_static("localhost"),
            prefix: String::new(),
            method: Method::GET,
            headers: Vec::new(),
            body: String::new(),
            is_obeyed: false,
        }
    }
}

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) class: Class,
    /// Of a refusal, what it is about.
    pub(super) kind: Option<Kind>,
    /// What it gives as its reason, where that is a word that is known here.
    pub(super) reason: Option<&'static str>,
    /// Whether our own gateway has said so itself.
    pub(super) is_own: bool,
}

impl Dress {
    /// How much of the body of an answer is needed to read it.
    pub(super) const fn keeps(&self) -> usize {
        match self {
            Self::Own { .. } => 0,
            Self::Foreign(_) => BODY_MOST,
        }
    }

    pub(super) fn read(&self, answer: &Response<Heard>) -> Reading {
        match self {
            Self::Own { .. } => own(answer),
            Self::Foreign(_) => foreign(answer.status().as_u16(), said(answer)),
        }
    }
}

/// Where the gateway says why it has answered itself, that decides, whatever status the scenario gives the cause; else it
/// passes an upstream's answer on.
fn own(answer: &Response<Heard>) -> Reading {
    let cause = answer.headers().get(CAUSE).and_then(|cause| Cause::from_name(cause.to_str().ok()?));
    let kind = cause.map(Cause::kind);
    let class = match (kind, answer.status().as_u16()) {
        (Some(Kind::Upstream), _) => Class::Failed,
        (Some(_), _) => Class::Refused,
        (None, 200..=299) => Class::Served,
        (None, _) => Class::Failed,
    };
    let kind = kind.filter(|kind| *kind != Kind::Upstream);
    Reading { class, kind, reason: None, is_own: answer.headers().contains_key(CAUSE) }
}

/// Words that other gateways give as reasons, and what they are about.
const WORDS: [(&str, Kind); 16] = [
    ("insufficient_quota", Kind::Billing),
    ("billing_hard_limit_reached", Kind::Billing),
    ("billing_not_active", Kind::Billing),
    ("quota_exceeded", Kind::Billing),
    ("insufficient_credits", Kind::Billing),
    ("insufficient_balance", Kind::Billing),
    ("budget_exceeded", Kind::Billing),
    ("payment_required", Kind::Billing),
    ("rate_limit_exceeded", Kind::Limit),
    ("rate_limit_error", Kind::Limit),
    ("tokens", Kind::Limit),
    ("requests", Kind::Limit),
    ("too_many_requests", Kind::Limit),
    ("invalid_api_key", Kind::Auth),
    ("authentication_error", Kind::Auth),
    ("permission_error", Kind::Auth),
];

/// The reason that an answer gives: a cause of ours, or a word of another's.
fn said(answer: &Response<Heard>) -> Option<(&'static str, Kind)> {
    if answer.status().is_success() {
        return None;
    }
    let header = answer.headers().get(CAUSE).and_then(|cause| cause.to_str().ok());
    let body: Value = serde_json::from_slice(&answer.body().text).unwrap_or_default();
    let error = &body["error"];
    let told = [&body["cause"], &body["code"], &error["code"], &error["type"], error].map(Value::as_str);
    header.into_iter().chain(told.into_iter().flatten()).find_map(known)
}

fn known(word: &str) -> Option<(&'static str, Kind)> {
    let cause = Cause::from_name(word).map(|cause| (cause.name(), cause.kind()));
    cause.or_else(|| WORDS.into_iter().find(|(name, _)| *name == word))
}

/// What an answer of somebody else's gateway comes to: by its reason where it gives one that is known, else by its status.
fn foreign(status: u16, said: Option<(&'static str, Kind)>) -> Reading {
    let kind = match (said, status) {
        (_, 200..=299) => None,
        (Some((_, kind)), _) => Some(kind),
        (None, 401 | 403) => Some(Kind::Auth),
        (None, 402) => Some(Kind::Billing),
        (None, 429) => Some(Kind::Limit),
        (None, _) => Some(Kind::Upstream),
    };
    let class = match kind {
        None => Class::Served,
        Some(Kind::Upstream) => Class::Failed,
        Some(_) => Class::Refused,
    };
    let kind = kind.filter(|kind| *kind != Kind::Upstream);
    Reading { class, kind, reason: said.map(|(word, _)| word), is_own: false }
}

#[cfg(test)]
mod tests {
    use farebox_engine::model::Hint;
    use farebox_engine::world::client::Answered;
    use hyper::StatusCode;

    use super::super::answer;
    use super::*;

    fn answer(status: u16, cause: Option<&'static str>, body: &str) -> Response<Heard> {
        let mut answer = Response::new(Heard { first: None, text: body.as_bytes().to_vec() });
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        answer.headers_mut().extend(cause.map(|cause| (CAUSE, HeaderValue::from_static(cause))));
        answer
    }

    #[test]
    fn what_the_gateway_refuses_is_refused_whatever_its_status() {
        let class = |status: u16, cause: Option<&'static str>| own(&answer(status, cause, "")).class;
        assert_eq!(class(503, Some("billing_unavailable")), Class::Refused);
        assert_eq!(class(503, Some("quota_exhausted")), Class::Refused);
        assert_eq!([class(502, Some("upstream_error")), class(500, None)], [Class::Failed; 2]);
        assert_eq!(class(402, Some("quota_exhausted")), Class::Refused);
        // Without a cause it is an upstream's answer.
        assert_eq!([class(200, None), class(402, None)], [Class::Served, Class::Failed]);
    }

    /// Only the gateway's own answers have a cause, so a client knows whose 402 it is.
    #[test]
    fn a_client_tells_the_gateway_s_402_from_one_that_is_passed_on() {
        let said = |answer: &Response<Heard>| answer::said(Some((answer, own(answer))), Hint::None);
        assert_eq!(said(&answer(402, None, "")), Answered::passed_on(402));
        assert_eq!(said(&answer(402, Some("credit_exhausted"), "")), Answered::status(402));
        assert_eq!(answer::said(None, Hint::None), Answered::status(0));
    }

    /// `OpenAI` answers 429 both for money and for a limit, and only the body says which; `OpenRouter`'s 402 has its status as
    /// the code; problem documents name the cause, and our own gateway does in a header too.
    #[test]
    fn others_say_why_they_refuse_in_ways_of_their_own() {
        let read = |status, cause, body: &str| {
            let answer = answer(status, cause, body);
            let reading = foreign(status, said(&answer));
            (reading.class, reading.kind, reading.reason)
        };
        let refused = |kind, reason| (Class::Refused, Some(kind), reason);
        let openai =
            |code: &str| format!(r#"{{"error":{{"message":"…","type":"{code}","param":null,"code":"{code}"}}}}"#);
        assert_eq!(read(429, None, &openai("insufficient_quota")), refused(Kind::Billing, Some("insufficient_quota")));
        assert_eq!(read(429, None, &openai("rate_limit_exceeded")), refused(Kind::Limit, Some("rate_limit_exceeded")));
        let openrouter = r#"{"error":{"code":402,"message":"Insufficient credits"}}"#;
        assert_eq!(read(402, None, openrouter), refused(Kind::Billing, None));
        let problem = r#"{"type":"about:blank","status":403,"cause":"quota_exhausted"}"#;
        assert_eq!(read(403, None, problem), refused(Kind::Billing, Some("quota_exhausted")));
        assert_eq!(read(429, Some("credit_exhausted"), ""), refused(Kind::Billing, Some("credit_exhausted")));
        assert_eq!(read(401, None, "no JSON"), refused(Kind::Auth, None));
        assert_eq!([read(429, None, "").1, read(403, None, "").1], [Some(Kind::Limit), Some(Kind::Auth)]);
        for status in [302, 404, 500, 502, 503] {
            assert_eq!(read(status, None, ""), (Class::Failed, None, None));
        }
        assert_eq!(read(502, None, r#"{"code":"upstream_error"}"#), (Class::Failed, None, Some("upstream_error")));
        // Whatever a success says, it is one.
        assert_eq!(read(200, None, &openai("insufficient_quota")), (Class::Served, None, None));
    }
}
