//! An admitted request on its way to the upstream, until the head of its answer is there.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue,
};
use hyper::{Method, Request, StatusCode};

use super::super::problem::CAUSE;
use super::super::slow::SLOW;
use super::super::stamp::STAMP;
use super::super::wire::{Framing, Head, WireError};
use super::Worker;
use super::head::{API_KEY, is_hop_by_hop, named_hop_by_hop};
use super::inbound::{Inbound, InboundError};
use super::reply::Reply;
use super::warning::WARNING;

/// Headers of an answer for which there is room at first.
const HEADERS: usize = 8;

/// What an upstream answers.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    /// Without what concerns the connection to it alone.
    pub(super) headers: HeaderMap,
    pub(super) body: Reply,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum RelayError {
    /// No connection could be made: nothing was sent.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The client sent no whole request.
    #[error(transparent)]
    Request(#[from] InboundError),
    /// The connection broke after the request, or part of it, had left, or what came back is no answer.
    #[error(transparent)]
    Answer(#[from] WireError),
}

impl Worker {
    /// Sends a request to the upstream, and waits for the head of its answer.
    pub(super) async fn relay(&self, request: Request<Incoming>) -> Result<Answered, RelayError> {
        let mut connection = self.upstream.take().await.map_err(RelayError::Connect)?;
        let is_head = request.method() == Method::HEAD;
        let most = self.shared.front.body_bytes;
        self.write_head(&request, &mut connection.unsent);
        let says_length = request.headers().contains_key(CONTENT_LENGTH);
        let mut body = Inbound::new(request.into_body(), most);
        body.write_framing(says_length, &mut connection.unsent);
        connection.unsent.extend_from_slice(b"\r\n");
        loop {
            poll_fn(|cx| std::task::Poll::Ready(body.push(cx, &mut connection))).await?;
            if !body.is_unsent(&connection) {
                break;
            }
            let stale = std::mem::replace(&mut connection, self.upstream.take().await.map_err(RelayError::Connect)?);
            body.try_again(stale, &mut connection);
        }
        let mut kept = Kept::new();
        let head = poll_fn(|cx| {
            body.push(cx, &mut connection)?;
            connection.wire.poll_head(cx, |_, name, value| kept.keep(name, value)).map_err(RelayError::Answer)
        });
        let Head { status, framing, is_kept } = head.await?;
        let headers = kept.headers(framing);
        let framing = if is_head { Framing::Length(0) } else { framing };
        let waits = (self.shared.front.upstream_within, self.timer.clone());
        let body = Reply::new((connection, Rc::clone(&self.upstream)), (framing, is_kept), body, waits);
        Ok(Answered { status, headers, body })
    }

    /// The head of a request as it goes to the upstream, but for the end of its body: without what concerns this hop, and
    /// without the key, which is the consumer's secret.
    fn write_head(&self, request: &Request<Incoming>, head: &mut Vec<u8>) {
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        // Who names a host and no path asks for its root.
        let root = if target.starts_with(['/', '*']) { "" } else { "/" };
        for part in [request.method().as_str(), " ", root, target, " HTTP/1.1\r\n"] {
            head.extend_from_slice(part.as_bytes());
        }
        let headers = request.headers();
        line(head, &HOST, &self.host);
        let secret = if headers.contains_key(API_KEY) { API_KEY } else { AUTHORIZATION };
        let named: Vec<HeaderName> = headers.get_all(CONNECTION).iter().flat_map(named_hop_by_hop).collect();
        for (name, value) in headers {
            let is_own = *name == secret || *name == STAMP || *name == HOST || *name == CONTENT_LENGTH;
            // What is packed cannot be counted as it passes.
            let is_packed = self.shared.counts_tokens && *name == ACCEPT_ENCODING;
            if !is_own && !is_packed && !is_hop_by_hop(name) && !named.contains(name) {
                line(head, name, value);
            }
        }
    }
}

fn line(head: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
        head.extend_from_slice(part);
    }
}

/// The headers of an answer that are passed on.
struct Kept {
    headers: HeaderMap,
    /// What the upstream calls its own and the gateway's.
    named: Vec<HeaderName>,
}

impl Kept {
    fn new() -> Self {
        Self { headers: HeaderMap::with_capacity(HEADERS), named: Vec::new() }
    }

    fn keep(&mut self, name: &str, value: &[u8]) -> Result<(), WireError> {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| WireError::Malformed)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| WireError::Malformed)?;
        if name == CONNECTION {
            self.named.extend(named_hop_by_hop(&value));
        }
        // Only the gateway speaks under these names.
        let is_ours = name == CAUSE || name == WARNING || name == SLOW;
        // Lengths that differ are no answer: of those that are the same, one is enough.
        let is_twice = name == CONTENT_LENGTH && self.headers.contains_key(CONTENT_LENGTH);
        if !is_ours && !is_twice && !is_hop_by_hop(&name) {
            self.headers.append(name, value);
        }
        Ok(())
    }

    /// Those of a body that is framed so.
    fn headers(mut self, framing: Framing) -> HeaderMap {
        if !matches!(framing, Framing::Length(_)) {
            self.headers.remove(CONTENT_LENGTH);
        }
        for name in self.named {
            self.headers.remove(name);
        }
        self.headers
    }
}
