//! What the gateway reads from the head of a request and of an upstream's answer, and what it takes out of them.
//!
//! Strangers write what is read here, so each function takes any header there can be, and none of them can fail.

use farebox_engine::model::{HOPS_MOST, METERS_MAX, Meter, PerMeter, REQUESTS, Route};
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, UPGRADE};
use hyper::header::{PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TRANSFER_ENCODING};
use mock_upstreams::{FAILED_HOP_HEADER, USAGE_HEADER, Usage};

use super::super::route::Routes;
use super::super::stamp::Stamp;

/// Where a consumer puts its key; a bearer token does as well.
pub const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// An upstream calls amounts by attribute; `meter.tokens` is the sum that the meter `tokens` counts. No attribute has a
/// dot in its name.
pub(crate) const METER: &str = "meter.";

/// The key of a request: the first `x-api-key`, else a bearer token. It may be empty, and need not be text.
pub fn key(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(API_KEY).map_or_else(|| bearer(headers), |key| Some(key.as_bytes()))
}

/// The token of the first `authorization` header, if its scheme is `Bearer` (RFC 6750 §2.1).
pub fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

/// Whether a request names two hosts (RFC 9112 §3.2): two servers on its way could each believe another one.
pub fn has_two_hosts(headers: &HeaderMap) -> bool {
    headers.get_all(HOST).iter().nth(1).is_some()
}

/// Which of these routes a path is for.
pub fn route(routes: &[Route], path: &str) -> Option<u16> {
    Routes::new(routes).find(path)
}

/// Whether a request says which call of the run with this token it is.
pub fn is_stamped(headers: &HeaderMap, token: &str) -> bool {
    Stamp::read(headers, token).is_some()
}

/// Whether a header concerns one connection only (RFC 9110 §7.6.1).
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    static KNOWN: [HeaderName; 9] = [
        CONNECTION,
        TRANSFER_ENCODING,
        TE,
        TRAILER,
        UPGRADE,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    KNOWN.contains(name)
}

/// What else does, as a `connection` header names it; what is sent on most connections names nothing.
pub fn named_hop_by_hop(connection: &HeaderValue) -> impl Iterator<Item = HeaderName> + '_ {
    let is_common = connection == "keep-alive" || connection == "close";
    let names = connection.to_str().ok().filter(|_| !is_common).map(|names| names.split(','));
    names.into_iter().flatten().filter_map(|name| name.trim().parse().ok())
}

/// What the upstream says in the head of its answer that a call used, per meter; `None` when it says nothing, or nothing
/// that can be read.
pub fn usage(headers: &HeaderMap, meters: &[Meter]) -> Option<PerMeter<u64>> {
    let said = headers.get(&USAGE_HEADER)?.to_str().ok()?;
    let said = Usage::parse(said).ok()?;
    let mut usage = one_request();
    for (name, amount) in said.amounts() {
        add(&mut usage, meters, name, amount);
    }
    Some(usage)
}

/// What a call used of which nothing is known but that it was made.
pub fn one_request() -> PerMeter<u64> {
    let mut usage = [0; METERS_MAX];
    usage[REQUESTS] = 1;
    usage
}

/// Adds an amount of an attribute to the meters that count it.
pub(super) fn add(usage: &mut PerMeter<u64>, meters: &[Meter], name: &str, amount: u64) {
    for (meter, units) in meters.iter().zip(usage).skip(1) {
        let is_counted = match name.strip_prefix(METER) {
            Some(own) => meter.name == own,
            None => meter.sum.iter().any(|attribute| attribute == name),
        };
        if is_counted {
            *units = units.saturating_add(amount);
        }
    }
}

/// Which hop of the call's path has failed, as far as the upstream says so: else the one that the gateway called.
pub fn failed_hop(headers: &HeaderMap) -> u8 {
    let said = headers.get(&FAILED_HOP_HEADER).and_then(|value| value.to_str().ok());
    let number = said.and_then(|said| said.split(' ').next()?.parse().ok());
    number.filter(|hop| usize::from(*hop) < HOPS_MOST).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn every_line_that_names_headers_of_this_hop_counts() {
        let given = headers(&[
            ("connection", "keep-alive, x-one ,"),
            ("x-one", "1"),
            ("connection", "X-Two, not a name, ,x-three"),
            ("x-two", "2"),
            ("x-three", "3"),
            ("x-three", "3"),
            ("keep-alive", "timeout=5"),
            ("x-four", "4"),
        ]);
        let named: Vec<_> = given.get_all(CONNECTION).iter().flat_map(named_hop_by_hop).collect();
        let kept = given.keys().filter(|name| !is_hop_by_hop(name) && !named.contains(name));
        assert_eq!(kept.map(HeaderName::as_str).collect::<Vec<_>>(), ["x-four"]);
    }

    #[test]
    fn a_key_is_the_first_header_or_a_bearer_token() {
        for (pairs, expected) in [
            (&[][..], None),
            (&[("authorization", "Basic abc")], None),
            (&[("authorization", "bearer abc")], Some("abc")),
            (&[("authorization", "Bearer")], None),
            (&[("authorization", "Bearer abc"), ("x-api-key", "")], Some("")),
            (&[("x-api-key", "one"), ("x-api-key", "two")], Some("one")),
        ] {
            assert_eq!(key(&headers(pairs)), expected.map(str::as_bytes), "{pairs:?}");
        }
        assert!(has_two_hosts(&headers(&[("host", "a"), ("host", "a")])));
        assert!(!has_two_hosts(&headers(&[("host", "a")])));
    }

    #[test]
    fn what_an_upstream_says_is_added_up_by_meter() {
        let meter = |name: &str, sum: &[&str]| Meter {
            name: name.to_owned(),
            sum: sum.iter().map(|attribute| (*attribute).to_owned()).collect(),
        };
        let meters = [meter("requests", &[]), meter("tokens", &["input", "output"]), meter("input", &["input"])];
        let said = |value: &'static str| usage(&headers(&[("mock-usage", value)]), &meters);
        assert_eq!(said("input:5,output:2,other:9").map(|usage| [usage[0], usage[1], usage[2]]), Some([1, 7, 5]));
        assert_eq!(said("meter.tokens:3").map(|usage| [usage[1], usage[2]]), Some([3, 0]));
        assert_eq!((said("input=5"), usage(&HeaderMap::new(), &meters)), (None, None));
    }
}
