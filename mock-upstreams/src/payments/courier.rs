//! Takes what is due to the webhook: so many deliveries at once as it says, over connections that are kept.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_local};

use super::outbox::Delivery;
use super::webhook::{Webhook, signature};
use super::{Payments, clock};
use crate::timer::Timer;

/// How long a webhook may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read; nothing of it but its status is wanted.
const MOST_ANSWER: usize = 64 << 10;

/// Who delivers.
#[derive(Debug)]
pub(super) struct Courier {
    payments: Payments,
    webhook: Webhook,
    timer: Timer,
    /// What nobody uses at the moment: no more than deliveries at once.
    idle: RefCell<Vec<Line>>,
}

/// A connection, which ends when this is dropped.
#[derive(Debug)]
struct Line {
    sender: SendRequest<Full<Bytes>>,
    _driven: JoinSet<hyper::Result<()>>,
}

impl Courier {
    pub(super) fn new(payments: Payments, webhook: Webhook, timer: Timer) -> Self {
        Self { payments, webhook, timer, idle: RefCell::default() }
    }

    /// Delivers what is due, in the order in which it is, for ever.
    pub(super) async fn deliver(self) {
        let places = Arc::new(Semaphore::new(self.webhook.at_once.get()));
        let courier = Rc::new(self);
        loop {
            let place = Arc::clone(&places).acquire_owned().await.expect("places are never closed");
            let (delivery, courier) = (courier.next().await, Rc::clone(&courier));
            spawn_local(async move {
                courier.take(delivery).await;
                drop(place);
            });
        }
    }

    /// What is due next, when it is.
    async fn next(&self) -> Delivery {
        loop {
            let (due, wake) = {
                let mut state = self.payments.lock();
                let now_ms = state.clock.now_ms();
                (state.outbox.due(now_ms), state.outbox.waker())
            };
            match due {
                Ok(delivery) => return delivery,
                Err(None) => wake.notified().await,
                Err(Some(due_ms)) => {
                    let until = self.payments.lock().clock.instant(due_ms);
                    // Woken or not: what is due is looked at anew.
                    self.timer.timeout_at(until, wake.notified()).await;
                }
            }
        }
    }

    /// Delivers one, and notes what became of it.
    async fn take(&self, delivery: Delivery) {
        let until = Instant::now() + PATIENCE;
        let answered = self.timer.timeout_at(until, self.exchange(&delivery.payload)).await;
        self.payments.lock().delivered(delivery, answered.flatten().unwrap_or(false));
    }

    /// Whether the webhook has taken a payload; `None` when a connection breaks.
    async fn exchange(&self, payload: &Bytes) -> Option<bool> {
        if let Some(mut line) = self.kept()
            && let Some(response) = self.send(&mut line, payload).await
        {
            return self.end(line, response).await;
        }
        // What was kept may have ended meanwhile, as connections do: that says nothing of the webhook.
        let mut line = self.connect().await?;
        let response = self.send(&mut line, payload).await?;
        self.end(line, response).await
    }

    fn kept(&self) -> Option<Line> {
        let mut idle = self.idle.borrow_mut();
        std::iter::from_fn(|| idle.pop()).find(|line| !line.sender.is_closed())
    }

    async fn connect(&self) -> Option<Line> {
        let url = &self.webhook.url;
        let host = url.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, url.port)).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        let mut driven = JoinSet::new();
        driven.spawn_local(connection);
        Some(Line { sender, _driven: driven })
    }

    /// The head of what is answered.
    async fn send(&self, line: &mut Line, payload: &Bytes) -> Option<Response<Incoming>> {
        let Webhook { url, secret, .. } = &self.webhook;
        line.sender.ready().await.ok()?;
        // By the wall: whoever checks it looks at their own clock.
        let signed = signature(secret, clock::wall_ms().div_euclid(1_000), payload);
        let request = Request::post(&url.path)
            .header(HOST, &url.authority)
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header(USER_AGENT, "mock-payments/1.0")
            .header("stripe-signature", signed)
            .body(Full::new(payload.clone()))
            .ok()?;
        line.sender.send_request(request).await.ok()
    }

    /// Reads an answer to its end, so that the endpoint can write all of it, and keeps the connection; `None` when it breaks
    /// off. The rest of one that is too long is left, and its connection ended.
    async fn end(&self, line: Line, response: Response<Incoming>) -> Option<bool> {
        let is_taken = response.status().is_success();
        let mut answer = response.into_body();
        let mut left = MOST_ANSWER;
        while let Some(frame) = answer.frame().await {
            let length = frame.ok()?.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(length) else { return Some(is_taken) };
            left = rest;
        }
        self.idle.borrow_mut().push(line);
        Some(is_taken)
    }
}
