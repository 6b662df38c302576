//! Any bytes as the head of a request, as an upstream's answer, and as that answer's body. No sockets: requests that come
//! out of them have gone through hyper, which has fuzzers of its own.

#![no_main]

use farebox::live::gateway::{head, meter::TokenMeter};
use farebox::live::wire;
use farebox_engine::model::{HOPS_MOST, Meter, REQUESTS, Route};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE};
use libfuzzer_sys::fuzz_target;

/// A token that no input holds by accident.
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fuzz_target!(|bytes: &[u8]| {
    let (first, rest) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
    look_at_path(&String::from_utf8_lossy(first));
    let headers = headers(rest);
    look_at_key(&headers);
    look_at_answer(&headers);
    for name in headers.get_all(CONNECTION).iter().flat_map(head::named_hop_by_hop) {
        assert!(!name.as_str().is_empty());
    }
    assert!([CONNECTION, TE, TRANSFER_ENCODING, UPGRADE].iter().all(head::is_hop_by_hop));
    look_at_bytes(bytes);
    look_at_bytes(&[b"HTTP/1.1 200 OK\r\n", rest].concat());
    look_at_bytes(&[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", rest].concat());
    for kind in ["application/json", "text/event-stream"] {
        look_at_body(kind, rest);
    }
});

/// An answer is no longer than the bytes; and what comes behind it changes nothing, unless all until the end is of it.
fn look_at_bytes(bytes: &[u8]) {
    let Ok((status, body, length)) = wire::answer(bytes) else { return };
    assert!(length <= bytes.len() && body.len() <= length);
    let more = wire::answer(&[&bytes[..length], b"HTTP/1.1"].concat());
    let (again, longer, _) = more.unwrap_or_else(|error| panic!("{error} behind {}", bytes.escape_ascii()));
    assert_eq!((again, longer.starts_with(&body)), (status, true));
}

/// Every line with a colon that hyper would let through.
fn headers(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(100) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) =
            (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(line[colon + 1..].trim_ascii()));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

fn look_at_path(path: &str) {
    let routes = ["/", "/v1", "/v1/", "/v1/chat/completions"];
    let known = |path: &str| Route { path: path.to_owned(), upstream: 0, attributes: Vec::new() };
    if let Some(found) = head::route(&routes.map(known), path) {
        assert!(path.starts_with(routes[usize::from(found)].trim_end_matches('/')));
    }
}

fn look_at_key(headers: &HeaderMap) {
    if let Some(key) = head::key(headers) {
        assert!(headers.values().any(|value| value.as_bytes().ends_with(key)), "a key that nobody sent");
    }
    let has_token = headers.values().any(|value| value.as_bytes().starts_with(TOKEN.as_bytes()));
    assert!(has_token || !head::is_stamped(headers, TOKEN), "a stamp is honoured without the token");
    let _ = head::has_two_hosts(headers);
}

fn look_at_answer(headers: &HeaderMap) {
    let meter = |name: &str, sum: &[&str]| Meter {
        name: name.to_owned(),
        sum: sum.iter().map(|attribute| (*attribute).to_owned()).collect(),
    };
    let meters = [meter("requests", &[]), meter("tokens", &["input_tokens", "output_tokens"])];
    if let Some(usage) = head::usage(headers, &meters) {
        assert_eq!(usage[REQUESTS], 1, "an answer is one request, whatever it says");
    }
    assert!(usize::from(head::failed_hop(headers)) < HOPS_MOST);
    let _ = TokenMeter::of(headers);
}

/// Where the bytes are cut makes no difference.
fn look_at_body(kind: &'static str, body: &[u8]) {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
    let counted = |step: usize| {
        let mut meter = TokenMeter::of(&headers).expect("tokens are counted in it");
        body.chunks(step).for_each(|bytes| meter.feed(bytes));
        meter.end()
    };
    assert_eq!(counted(usize::MAX), counted(1 + body.len() % 17));
}
