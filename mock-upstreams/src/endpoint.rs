//! The paths that mean something: the chat API, the echo, and the mock's own health. Every other path is a plain one.

use std::fmt::Write;

use bytes::Bytes;
use hyper::{Method, Request, Version};
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::server::Counters;

/// What a path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint<'p> {
    /// A completion of the chat API.
    Chat,
    /// Its list of models.
    Models,
    /// One of them.
    Model(&'p str),
    /// The request itself.
    Echo,
    /// What the mock has done.
    Health,
}

impl<'p> Endpoint<'p> {
    /// What the path of a request to the whole mock means.
    pub(crate) fn of_mock(path: &'p str) -> Option<Self> {
        match path {
            "/echo" => Some(Self::Echo),
            "/healthz" => Some(Self::Health),
            // What lies below the echo is echoed too.
            _ => path.starts_with("/echo/").then_some(Self::Echo),
        }
    }

    /// What the path of a request to a service with the chat API means.
    pub(crate) fn of_chat(path: &'p str) -> Option<Self> {
        match path.strip_prefix("/v1/")? {
            "chat/completions" => Some(Self::Chat),
            "models" => Some(Self::Models),
            other => other.strip_prefix("models/").map(Self::Model),
        }
    }

    /// The only method that it takes; `None`: any.
    pub(crate) fn method(self) -> Option<Method> {
        match self {
            Self::Chat => Some(Method::POST),
            Self::Models | Self::Model(_) => Some(Method::GET),
            Self::Echo | Self::Health => None,
        }
    }
}

/// Names that paths of the mock itself begin with, so that no service has them.
pub(crate) const RESERVED: [&str; 3] = ["echo", "healthz", "v1"];

/// A request as JSON: all of its headers, in order, as they came.
pub(crate) fn echo<B>(request: &Request<B>, body: &[u8]) -> Bytes {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Vec<_> =
        request.headers().iter().map(|(name, value)| json!([name.as_str(), text(value.as_bytes())])).collect();
    let mut document = json!({
        "method": request.method().as_str(),
        "path": request.uri().path(),
        "query": request.uri().query(),
        "version": version(request.version()),
        "headers": headers,
    });
    let (key, body) = match std::str::from_utf8(body) {
        Ok(text) => ("body", text.to_owned()),
        Err(_) => ("body_hex", hex(body)),
    };
    document[key] = Value::String(body);
    document.to_string().into()
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(digits, "{byte:02x}").expect("a String takes everything");
    }
    digits
}

/// That the mock is well, and what it has counted.
pub(crate) fn health(counters: Counters) -> Bytes {
    let faults: serde_json::Map<_, _> =
        Fault::ALL.iter().map(|fault| (fault.name().to_owned(), counters.faults[fault.index()].into())).collect();
    json!({
        "status": "ok",
        "received": counters.received,
        "answered": counters.answered,
        "abandoned": counters.abandoned,
        "faults": faults,
    })
    .to_string()
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_what_the_documentation_says() {
        let mock = ["/echo", "/echo/a/b", "/healthz", "/echoes", "/healthz/", "/"].map(Endpoint::of_mock);
        assert_eq!(mock, [Some(Endpoint::Echo), Some(Endpoint::Echo), Some(Endpoint::Health), None, None, None]);
        let chat = ["/v1/chat/completions", "/v1/models", "/v1/models/mock", "/v1/chat", "/v1", "/v2/models"];
        let expected = [Some(Endpoint::Chat), Some(Endpoint::Models), Some(Endpoint::Model("mock")), None, None, None];
        assert_eq!(chat.map(Endpoint::of_chat), expected);
    }

    #[test]
    fn an_echo_tells_all_of_a_request() {
        let request = Request::builder().uri("/echo/a?b=c").header("x", "1").header("x", "2").body(()).unwrap();
        let text = |body: &[u8]| String::from_utf8(echo(&request, body).to_vec()).unwrap();
        assert_eq!(
            text(b"{}"),
            r#"{"body":"{}","headers":[["x","1"],["x","2"]],"method":"GET","path":"/echo/a","query":"b=c","version":"HTTP/1.1"}"#
        );
        assert!(text(b"\xff\x00").contains(r#""body_hex":"ff00""#));
    }
}
