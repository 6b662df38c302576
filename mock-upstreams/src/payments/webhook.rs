//! Webhooks: where events are sent, and how they are signed.

use std::fmt::{self, Write};
use std::num::NonZeroUsize;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use hyper::Uri;
use sha2::Sha256;

use crate::latency::Latency;
use crate::share::Share;

/// Where events are sent, and what goes wrong on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Where to.
    pub url: Url,
    /// What they are signed with; the whole text, `whsec_` included.
    pub secret: String,
    /// Which kinds of events are sent, or groups of them such as `charge.*`; none named: all.
    pub events: Vec<String>,
    /// From an event to its first delivery.
    pub delay: Latency,
    /// How many events are delivered twice.
    pub duplicate: Share,
    /// How many events come late, so that those after them overtake them.
    pub reorder: Share,
    /// How many events are never delivered.
    pub lose: Share,
    /// How many deliveries are under way at once, each over a connection of its own that is kept. With one, each is answered
    /// before the next is sent: they come in the order in which they are due.
    pub at_once: NonZeroUsize,
}

/// Where a webhook is: `http://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub(super) host: String,
    pub(super) port: u16,
    /// As the `host` header tells it.
    pub(super) authority: String,
    pub(super) path: String,
}

/// Why a text is no address of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It has another form, or another scheme.
    #[error("`{0}` is not `http://HOST[:PORT][/PATH]`: webhooks are delivered without TLS")]
    Form(String),
    /// What follows the colon after the host.
    #[error("`{0}` has no port after its colon: expected 1 to 65535, or no colon for port 80")]
    Port(String),
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let wrong = || UrlError::Form(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?.to_owned();
        let authority = uri.authority().ok_or_else(wrong)?.as_str().to_owned();
        if uri.scheme_str() != Some("http") || authority.contains('@') {
            return Err(wrong());
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let port = match uri.port_u16() {
            None if authority == host => 80,
            Some(port) if port > 0 => port,
            // A port that is no number is none to `Uri`, and must not become 80.
            _ => return Err(UrlError::Port(text.to_owned())),
        };
        Ok(Self { host, port, authority, path })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

impl Url {
    /// Whether it is this machine, without asking a name server.
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let address = bare.parse::<std::net::IpAddr>();
        bare == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

/// The `Stripe-Signature` of a payload that is sent at `seconds` since 1970
/// (<https://docs.stripe.com/webhooks#verify-manually>).
pub(super) fn signature(secret: &str, seconds: i64, payload: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(payload);
    let mut signature = format!("t={seconds},v1=");
    for byte in mac.finalize().into_bytes() {
        write!(signature, "{byte:02x}").expect("a String takes everything");
    }
    signature
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector is of Python: `hmac.new(b"whsec_test", b'1700000000.{"a":1}', "sha256").hexdigest()`.
    #[test]
    fn a_signature_is_that_of_another_implementation() {
        let expected = "t=1700000000,v1=38877139021993b830af32feea6e18a8da83eb2f6e49ee50bd9e4cf4ca4d3789";
        assert_eq!(signature("whsec_test", 1_700_000_000, br#"{"a":1}"#), expected);
    }

    #[test]
    fn addresses_are_told_apart() {
        let url: Url = "http://127.0.0.1:4242/hook?a=b".parse().unwrap();
        let expected = ("127.0.0.1", 4242, "/hook?a=b", "127.0.0.1:4242");
        assert_eq!((url.host.as_str(), url.port, url.path.as_str(), url.authority.as_str()), expected);
        for local in ["http://localhost", "http://127.1.2.3/x", "http://[::1]:80/", "http://[::ffff:127.0.0.1]/"] {
            assert!(local.parse::<Url>().unwrap().is_loopback(), "{local}");
        }
        for remote in ["http://example.com/", "http://192.0.2.1/", "http://localhost.example.com/"] {
            assert!(!remote.parse::<Url>().unwrap().is_loopback(), "{remote}");
        }
        for wrong in
            ["https://localhost/", "localhost:4242", "/hook", "http://", "", "http://u:p@localhost/", "ftp://a/"]
        {
            assert!(wrong.parse::<Url>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_port_that_is_none_is_refused_and_does_not_become_80() {
        for host in ["127.0.0.1", "[::1]", "localhost"] {
            assert_eq!(format!("http://{host}/x").parse::<Url>().map(|url| url.port), Ok(80));
            assert_eq!(format!("http://{host}:65535/x").parse::<Url>().map(|url| url.port), Ok(65_535));
            for port in [":99999", ":65536", ":abc", ":-1", ":", ":0"] {
                let text = format!("http://{host}{port}/x");
                assert!(text.parse::<Url>().is_err(), "{text}");
            }
        }
        let error = "http://127.0.0.1:99999/x".parse::<Url>().unwrap_err().to_string();
        let expected =
            "`http://127.0.0.1:99999/x` has no port after its colon: expected 1 to 65535, or no colon for port 80";
        assert_eq!(error, expected);
    }
}
