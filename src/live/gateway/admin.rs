//! The admin listener: whether the gateway is there, what it has counted, and the accounts behind it.
//!
//! A listener and a thread of its own, so that nothing of it is in the way of a call. Whoever reaches it may see the
//! counts; accounts are seen and changed by those who have the token.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use farebox_engine::billing::account::Status;
use farebox_engine::billing::standing::Standing;
use farebox_engine::model::Act;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use mock_upstreams::host::{Host, Limits, Watch};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Gateway, Shared, Time, head};
use crate::live::accounts::{AccountId, Logging, When};

mod account;
mod metrics;

/// The longest body that it reads, in bytes.
const BODY_BYTES: usize = 4 << 10;
/// How long what it is asked is given when it stops.
const GRACE: Duration = Duration::from_millis(200);

/// A running admin listener.
#[derive(Debug)]
pub struct Admin(Host);

impl Admin {
    /// Listens for those who look after `gateway`, and lets those with `token` at the accounts. It is to be stopped before
    /// the gateway is finished.
    ///
    /// Errors as [`Host::start`].
    pub fn start(gateway: &Gateway, listen: SocketAddr, token: &str) -> io::Result<Self> {
        let desk =
            Desk { shared: Arc::clone(&gateway.shared), watch: gateway.host.watch(), token: digest(token.as_bytes()) };
        let desk = Arc::new(desk);
        let limits = Limits { connections: NonZeroUsize::new(256), http2: false, ..Limits::GUARDED };
        let host = Host::start_within("admin", listen, NonZeroUsize::MIN, limits, move |_| {
            let desk = Arc::clone(&desk);
            move |request| {
                let desk = Arc::clone(&desk);
                async move { Ok::<_, io::Error>(desk.answer(request).await) }
            }
        })?;
        Ok(Self(host))
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    /// Stops listening.
    pub fn stop(self) {
        self.0.shutdown(GRACE);
    }
}

/// What it answers from.
#[derive(Debug)]
struct Desk {
    shared: Arc<Shared>,
    watch: Watch,
    /// SHA-256 of the token: of equal length whatever was sent, and no use to whoever reads it.
    token: [u8; 32],
}

type Answer = Response<Full<Bytes>>;

/// Why there is no other answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refused(StatusCode, String);

fn refused(status: StatusCode, title: impl Into<String>) -> Refused {
    Refused(status, title.into())
}

impl Desk {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let segments: Vec<_> = path.split('/').skip(1).collect();
        let answer = match segments[..] {
            ["healthz"] => reads(request.method()).map(|()| text("text/plain; charset=utf-8", "ok\n".to_owned())),
            ["metrics"] => reads(request.method()).map(|()| text(metrics::FORMAT, self.metrics())),
            ["accounts", ref rest @ ..] => self.account(request, rest).await,
            _ => Err(refused(StatusCode::NOT_FOUND, "there is `/healthz`, `/metrics` and `/accounts/COHORT/INDEX`")),
        };
        answer.unwrap_or_else(problem)
    }

    fn metrics(&self) -> String {
        let world = self.shared.accounts.world();
        metrics::write(&self.shared.sum(), self.watch.read(), &world.scenario, &world.catalog.statuses)
    }

    async fn account(&self, request: Request<Incoming>, rest: &[&str]) -> Result<Answer, Refused> {
        let is_known = head::bearer(request.headers()).is_some_and(|token| are_same(&digest(token), &self.token));
        if !is_known {
            return Err(refused(StatusCode::UNAUTHORIZED, "accounts are for those who have the admin token"));
        }
        let (id, what) = match *rest {
            [cohort, index] => (self.find(cohort, index)?, None),
            [cohort, index, what @ ("credit" | "card" | "plan")] => (self.find(cohort, index)?, Some(what)),
            _ => {
                return Err(refused(
                    StatusCode::NOT_FOUND,
                    "there is `/accounts/COHORT/INDEX`, and below it `credit`, `card` and `plan`",
                ));
            }
        };
        let Some(what) = what else {
            reads(request.method())?;
            return self.show(id);
        };
        if request.method() != Method::POST {
            return Err(refused(StatusCode::METHOD_NOT_ALLOWED, "this is for POST"));
        }
        let body = Limited::new(request.into_body(), BODY_BYTES).collect().await;
        let body = body.map_err(|_| refused(StatusCode::BAD_REQUEST, "the body is too long, or broke off"))?.to_bytes();
        let act = account::asked(what, &body, &self.shared.accounts.world().scenario)
            .map_err(|why| refused(StatusCode::BAD_REQUEST, why))?;
        self.change(id, act)
    }

    fn find(&self, cohort: &str, index: &str) -> Result<AccountId, Refused> {
        let found = index.parse().ok().and_then(|index| self.shared.accounts.of(cohort, index));
        found.ok_or_else(|| refused(StatusCode::NOT_FOUND, "there is no such consumer"))
    }

    fn show(&self, id: AccountId) -> Result<Answer, Refused> {
        let accounts = &self.shared.accounts;
        let (status, standing) = self.standing(id)?;
        let document = account::document(&accounts.world().scenario, accounts.consumer(id), status, &standing);
        Ok(text("application/json", format!("{document}\n")))
    }

    fn standing(&self, id: AccountId) -> Result<(Status, Standing), Refused> {
        let Time::Wall(_) = self.shared.time else { return Err(busy("the gateway keeps the time of a lockstep")) };
        let now = self.shared.accounts.standing(id, When::Wall(&self.shared.clock));
        now.map_err(|overflow| Refused(StatusCode::INTERNAL_SERVER_ERROR, overflow.to_string()))
    }

    /// Credit is for those whose plan is prepaid and who have something to pay with: others buy none.
    fn check_sold(&self, id: AccountId) -> Result<(), Refused> {
        let (status, standing) = self.standing(id)?;
        check_subscribed(status)?;
        let plan = &self.shared.accounts.world().scenario.plans[standing.plan];
        if plan.prepaid.is_none() {
            return Err(busy(format!("the plan `{}` has no prepaid credit to buy", plan.name)));
        }
        if !standing.has_card {
            return Err(busy("this consumer has nothing to pay with: `card` brings a new card"));
        }
        Ok(())
    }

    fn change(&self, id: AccountId, act: Act) -> Result<Answer, Refused> {
        let Time::Wall(_) = self.shared.time else { return Err(busy("the gateway keeps the time of a lockstep")) };
        if self.shared.accounts.logging() == Logging::Full {
            return Err(busy("what happens to the accounts is replayed, so nobody may change them"));
        }
        if let Act::TopUp(_) = act {
            self.check_sold(id)?;
        }
        let done = self.shared.accounts.intervene(id, When::Wall(&self.shared.clock), act);
        let before = done.map_err(|overflow| Refused(StatusCode::INTERNAL_SERVER_ERROR, overflow.to_string()))?;
        check_subscribed(before)?;
        self.show(id)
    }
}

/// Nothing is changed before the subscription has begun, or after its end.
fn check_subscribed(status: Status) -> Result<(), Refused> {
    match status {
        Status::Awaited => Err(busy("this consumer has not subscribed yet")),
        Status::Canceled | Status::IncompleteExpired => Err(busy("the subscription is over")),
        _ => Ok(()),
    }
}

fn busy(title: impl Into<String>) -> Refused {
    refused(StatusCode::CONFLICT, title)
}

fn reads(method: &Method) -> Result<(), Refused> {
    match *method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(refused(StatusCode::METHOD_NOT_ALLOWED, "this is for GET")),
    }
}

fn text(kind: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Full::from(text));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn problem(Refused(status, title): Refused) -> Answer {
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16() });
    let mut answer = text("application/problem+json", body.to_string());
    *answer.status_mut() = status;
    let told = match status {
        StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer")),
        StatusCode::METHOD_NOT_ALLOWED if title.ends_with("POST") => Some((ALLOW, "POST")),
        StatusCode::METHOD_NOT_ALLOWED => Some((ALLOW, "GET, HEAD")),
        _ => None,
    };
    answer.headers_mut().extend(told.map(|(name, value)| (name, HeaderValue::from_static(value))));
    answer
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Looks at every byte, wherever the first difference is.
fn are_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |difference, (one, other)| difference | (one ^ other)) == 0
}
