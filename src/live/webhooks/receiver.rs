//! Where webhooks come to: an address of the gateway's that believes what is signed, and tells it.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use mock_upstreams::host::{Host, Limits};

use super::notice::{Notice, Untold};
use super::signature::Verifier;

/// The path that they are sent to.
pub const PATH: &str = "/webhooks";
/// The header that has their signature.
const SIGNATURE: &str = "stripe-signature";
/// The longest that is read, in bytes.
const MOST_BODY: usize = 256 << 10;

/// A running receiver.
#[derive(Debug)]
pub struct Receiver(Host);

impl Receiver {
    /// Listens on loopback for what the verifier believes, and tells it on.
    ///
    /// Errors as [`Host::start`].
    pub fn start(verifier: Verifier, hear: impl Fn(Notice) + Send + Sync + 'static) -> io::Result<Self> {
        let desk = Arc::new(Desk { verifier, hear });
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let host = Host::start_within("webhooks", listen, NonZeroUsize::MIN, Limits::GUARDED, move |_| {
            let desk = Arc::clone(&desk);
            move |request| {
                let desk = Arc::clone(&desk);
                async move { Ok::<_, Infallible>(desk.answer(request).await) }
            }
        })?;
        Ok(Self(host))
    }

    /// Where webhooks are to be sent.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.0.addr())
    }
}

struct Desk<H> {
    verifier: Verifier,
    hear: H,
}

impl<H: Fn(Notice)> Desk<H> {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, text) = match self.receive(request).await {
            Ok(()) => (StatusCode::OK, String::new()),
            Err(refusal) => refusal,
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        response
    }

    /// Takes one: nothing of it is looked at before its signature is verified.
    async fn receive(&self, request: Request<Incoming>) -> Result<(), (StatusCode, String)> {
        if request.uri().path() != PATH {
            return Err((StatusCode::NOT_FOUND, format!("webhooks come to {PATH}\n")));
        }
        if request.method() != Method::POST {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "a webhook is a POST\n".to_owned()));
        }
        let (parts, body) = request.into_parts();
        let too_long = |_| (StatusCode::PAYLOAD_TOO_LARGE, format!("a webhook is no longer than {MOST_BODY} bytes\n"));
        let body = Limited::new(body, MOST_BODY).collect().await.map_err(too_long)?.to_bytes();
        let signature = parts.headers.get(SIGNATURE).map_or(&[][..], |value| value.as_bytes());
        let refused = |error: String| (StatusCode::BAD_REQUEST, format!("{error}\n"));
        self.verifier.verify(signature, &body, now()).map_err(|error| refused(error.to_string()))?;
        match Notice::read(&body) {
            Ok(notice) => (self.hear)(notice),
            Err(Untold::Elsewhere) => {}
            Err(error @ Untold::Malformed) => return Err(refused(error.to_string())),
        }
        Ok(())
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;

    use super::super::signature::TOLERANCE;
    use super::*;

    const SECRET: &str = "whsec_test";

    /// The status of what is answered.
    fn sent(receiver: &Receiver, request: &str, header: &str, body: &str) -> u16 {
        let mut stream = TcpStream::connect(receiver.0.addr()).unwrap();
        let (length, close) = (body.len(), "connection: close");
        write!(stream, "{request} HTTP/1.1\r\nhost: x\r\n{close}\r\n{header}content-length: {length}\r\n\r\n{body}")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn signed(secret: &str, seconds: i64, body: &str) -> String {
        let mut key = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        key.update(format!("{seconds}.{body}").as_bytes());
        let hex: Vec<_> = key.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("Stripe-Signature: t={seconds},v1={}\r\n", hex.concat())
    }

    #[test]
    fn what_is_signed_is_told_and_nothing_else_is() {
        let (teller, told) = channel();
        let receiver = Receiver::start(Verifier::new(SECRET, TOLERANCE), move |notice| teller.send(notice).unwrap());
        let receiver = receiver.unwrap();
        assert!(receiver.url().starts_with("http://127.0.0.1:") && receiver.url().ends_with(PATH));
        let metadata = r#"{"account": "7", "purpose": "period-1", "attempt": "1"}"#;
        let object = format!(r#"{{"metadata": {metadata}}}"#);
        let paid = format!(r#"{{"type": "payment_intent.succeeded", "data": {{"object": {object}}}}}"#);
        let elsewhere = paid.replace("payment_intent.succeeded", "customer.created");
        let (post, own) = (format!("POST {PATH}"), |body: &str| signed(SECRET, now(), body));
        for (request, header, body, status) in [
            (&*post, own(&paid), &*paid, 200),
            (&post, own(&elsewhere), &elsewhere, 200),
            (&post, own("{}"), "{}", 400),
            (&post, String::new(), &paid, 400),
            (&post, signed("whsec_other", now(), &paid), &paid, 400),
            (&post, own(&elsewhere), &paid, 400),
            (&post, signed(SECRET, now() - 1_000, &paid), &paid, 400),
            (&post, own(&paid), &"x".repeat(MOST_BODY + 1), 413),
            (&format!("GET {PATH}"), own(&paid), &paid, 405),
            ("POST /elsewhere", own(&paid), &paid, 404),
        ] {
            assert_eq!(sent(&receiver, request, &header, body), status, "{request} {header} {body:.80}");
        }
        let purpose = farebox_engine::billing::invoice::Purpose::Period(1);
        let payment =
            super::super::notice::Payment { account: crate::live::accounts::AccountId(7), purpose, attempt: 1 };
        let notice = told.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!(notice.about, super::super::notice::About::Payment(payment));
        assert!(told.try_recv().is_err(), "one was signed and about a payment");
    }
}
