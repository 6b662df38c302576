//! Any bytes as the head of a request, as the head of an upstream's answer, and as that answer's body. No sockets: what
//! comes out of them has gone through hyper, which has fuzzers of its own.

#![no_main]

use farebox::live::gateway::{head, meter::TokenMeter};
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
    let mut stripped = headers.clone();
    head::strip_hop_by_hop(&mut stripped);
    assert!([CONNECTION, TE, TRANSFER_ENCODING, UPGRADE].iter().all(|name| !stripped.contains_key(name)));
    let once = stripped.clone();
    head::strip_hop_by_hop(&mut stripped);
    assert_eq!(stripped, once, "what is left concerns every hop");
    for kind in ["application/json", "text/event-stream"] {
        look_at_body(kind, rest);
    }
});

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
