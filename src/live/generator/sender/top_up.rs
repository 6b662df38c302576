//! Clients that buy credit at somebody else's gateway: with `on_402: top_up_then_retry` a refusal that names a `top_up_url`
//! is answered with a POST there, and the call is made again when that is answered.
//!
//! The key goes with it, so it is followed only to where the load is sent anyway: a path, or an absolute URL of the target's
//! own authority. A client asks once at a time; what else of it is refused meanwhile is only made again.

use std::time::Instant;

use farebox_engine::model::On402;
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::super::answer::Heard;
use super::super::dress::Dress;
use super::super::due::Due;
use super::{Shared, TIMEOUT};

impl Shared {
    /// Where the client of an attempt that is made again buys credit first; `None`: it does not.
    pub(super) fn page(&self, due: Due, answer: &Response<Heard>) -> Option<String> {
        let Dress::Foreign(foreign) = &self.dress else { return None };
        let client = self.caller.client(due.account)?;
        if client.on_402 != On402::TopUpThenRetry || answer.status() != StatusCode::PAYMENT_REQUIRED {
            return None;
        }
        let body: Value = serde_json::from_slice(&answer.body().text).ok()?;
        path_of(body["top_up_url"].as_str()?, foreign.host.to_str().ok()?)
    }

    /// Buys credit there, unless that is under way: asks, and waits for the answer.
    pub(super) async fn buy(&self, due: Due, page: &str) {
        if !self.buying.borrow_mut().insert(due.account) {
            return;
        }
        let mut request = String::new();
        self.caller.write_purchase(due.account, page, &mut request);
        let exchange = self.wires.exchange(request.as_bytes(), 0);
        let answer = self.timer.timeout_at(Instant::now() + TIMEOUT, exchange).await;
        let status = answer.and_then(Result::ok).map(|answer| answer.status().as_u16());
        *self.result.borrow_mut().top_ups.entry(status).or_default() += 1;
        self.buying.borrow_mut().remove(&due.account);
    }
}

/// The path and query of a reference, resolved against the target (RFC 3986 §4.2); `None` where it leads elsewhere, or is
/// no text of a request line.
fn path_of(reference: &str, host: &str) -> Option<String> {
    let is_plain = reference.bytes().all(|byte| byte.is_ascii_graphic());
    let path = match reference.strip_prefix("http://") {
        Some(rest) => {
            let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(at);
            authority.eq_ignore_ascii_case(host).then_some(path)?
        }
        None => reference.starts_with('/').then_some(reference).filter(|path| !path.starts_with("//"))?,
    };
    let path = path.split('#').next().unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    is_plain.then(|| format!("{slash}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_only_to_where_the_load_goes() {
        for (reference, path) in [
            ("/.well-known/farebox/top-up", Some("/.well-known/farebox/top-up")),
            ("/pay?plan=pro#now", Some("/pay?plan=pro")),
            ("http://localhost:8402/pay", Some("/pay")),
            ("http://LOCALHOST:8402?now", Some("/?now")),
            ("http://localhost:8402", Some("/")),
            ("http://localhost:8403/pay", None),
            ("http://localhost:8402@elsewhere/pay", None),
            ("http://elsewhere/pay", None),
            ("https://localhost:8402/pay", None),
            ("//elsewhere/pay", None),
            ("pay", None),
            ("", None),
            ("/pay HTTP/1.1\r\nx: y", None),
            ("/p\u{e4}y", None),
        ] {
            assert_eq!(path_of(reference, "localhost:8402").as_deref(), path, "{reference}");
        }
    }
}
