//! A mock payment processor in the shape of Stripe's API: customers, cards, payments, refunds, idempotency keys, webhooks,
//! and a clock that can be sent ahead.
//!
//! ```text
//! PaymentsOptions ─▶ PaymentsServer ─▶ one thread: Service ─▶ Understood ─▶ Keys ─▶ endpoint ─▶ State
//!                                          └─ Courier ◀── Outbox ◀── events ◀───────────────────┘
//! ```
//!
//! Everything is in memory, behind one lock, and drawn from the seed. Deliberately absent: plans, prices, subscriptions,
//! invoices, and whatever takes no card. docs/PAYMENTS.md says what is played, and how far.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::task::spawn_local;

use self::charges::Charge;
pub use self::command::{DeliveryCommand, PaymentCommand};
use self::courier::Courier;
pub use self::events::has_kind;
use self::outbox::Outbox;
use self::service::Service;
use self::state::{Holds, Keeps, State};
pub use self::webhook::{Url, UrlError, Webhook};
use crate::host::{Host, Limits, Seat};
use crate::latency::Latency;
use crate::share::Errors;

mod attempt;
mod call;
mod cards;
mod charges;
mod clock;
mod command;
mod contact;
mod control;
mod courier;
mod customers;
mod disputes;
mod error;
mod events;
mod expand;
mod form;
mod ids;
mod keys;
mod list;
mod means;
mod money;
mod outage;
mod outbox;
mod payment_intents;
mod payment_methods;
mod refunds;
mod route;
mod service;
mod setup_intents;
mod state;
mod table;
mod test_clocks;
mod webhook;

#[cfg(test)]
mod tests;

/// How many objects a mock holds if nobody says otherwise.
pub const MAX_OBJECTS: usize = 100_000;

/// What a payment processor is like.
#[derive(Clone, Debug)]
pub struct PaymentsOptions {
    /// The address to listen on; port 0 takes a free one, which [`PaymentsServer::addr`] then tells.
    pub listen: SocketAddr,
    /// What ids, faults and the fates of webhooks are drawn from.
    pub seed: u64,
    /// How many objects it holds at most, and as many keys besides.
    pub max_objects: NonZeroUsize,
    /// From the arrival of a request to its answer.
    pub latency: Latency,
    /// How many requests fail with 429 or one of the 500s.
    pub errors: Errors,
    /// Where events are sent.
    pub webhook: Option<Webhook>,
    /// How many events it holds at most, of which the oldest go, and how many deliveries wait at most; `None`: as many as
    /// objects.
    pub max_events: Option<NonZeroUsize>,
    /// Whether requests may say what a payment comes to ([`PaymentCommand`]): for a driver that has drawn it, and for
    /// nobody else. Such a payment may be of any amount. No event is kept that the webhook has taken, or that it is not sent.
    pub obey: bool,
}

impl Default for PaymentsOptions {
    /// On a free port of the loopback interface, at once, without faults or webhooks.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: 1,
            max_objects: NonZeroUsize::new(MAX_OBJECTS).unwrap_or(NonZeroUsize::MIN),
            latency: Latency::ZERO,
            errors: Errors::NONE,
            webhook: None,
            max_events: None,
            obey: false,
        }
    }
}

/// A running payment processor.
#[derive(Debug)]
pub struct PaymentsServer {
    host: Host,
    payments: Payments,
}

/// What a payment processor has done, and held in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaymentsCounts {
    /// Requests of the API.
    pub requests: u64,
    /// Objects that it holds.
    pub objects: usize,
    /// Events that it holds.
    pub events: usize,
    /// Deliveries of events to the webhook that it has not taken: lost on purpose, given up, or still to come.
    pub undelivered: u64,
}

/// Money that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// How much, less what was given back, in the currency's smallest unit.
    pub amount: i64,
    /// What the payment was sent with.
    pub metadata: BTreeMap<String, String>,
}

/// A webhook's secret that is drawn from the seed.
pub fn drawn_secret(seed: u64) -> String {
    ids::text(&mut ids::draws(seed, ids::Stream::Secret, 0), "whsec_", 32)
}

impl PaymentsServer {
    /// Listens and serves. When this returns, connections are accepted. Errors as [`Host::start`], and as
    /// [`io::ErrorKind::InvalidInput`] when it is to fail with other statuses than 429 and the 500s.
    pub fn start(options: &PaymentsOptions) -> io::Result<Self> {
        if options.errors.statuses().any(|status| status != 429 && !status.is_server_error()) {
            let message = "a payment processor fails with 429 or 500 to 599";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let most = options.max_objects.get();
        let most_events = options.max_events.map_or(most, NonZeroUsize::get);
        let outbox = Outbox::new(options.webhook.clone(), options.seed, most_events);
        let keeps = if options.obey { Keeps::Undelivered } else { Keeps::All };
        let holds = Holds { most, most_events, keeps };
        let payments = Payments(Arc::new(Mutex::new(State::new(options.seed, holds, outbox))));
        let shared = payments.clone();
        let (seed, latency, errors, obey) = (options.seed, options.latency, options.errors.clone(), options.obey);
        let driven = Driven { seed, latency, errors, obey };
        let webhook = options.webhook.clone();
        let make = move |seat: &Seat| {
            if let Some(webhook) = webhook.clone() {
                spawn_local(Courier::new(shared.clone(), webhook, seat.timer().clone()).deliver());
            }
            let (payments, driven, timer) = (shared.clone(), driven.clone(), seat.timer().clone());
            let service = Rc::new(Service { payments, driven, timer });
            move |request| Rc::clone(&service).answer(request)
        };
        // One thread, because the order of requests decides which ids they get.
        let limits = Limits { http2: false, ..Limits::GUARDED };
        let host = Host::start_within("payments", options.listen, NonZeroUsize::MIN, limits, make)?;
        Ok(Self { host, payments })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.host.addr()
    }

    /// Every charge that was paid so far, the oldest first.
    pub fn captures(&self) -> Vec<Capture> {
        let state = self.payments.lock();
        state.charges.values().filter(|charge| charge.is_paid()).map(Charge::capture).collect()
    }

    /// As [`Host::shutdown`]. Returns what it has done.
    pub fn shutdown(self, grace: Duration) -> PaymentsCounts {
        self.host.shutdown(grace);
        let state = self.payments.lock();
        PaymentsCounts {
            requests: state.requests(),
            objects: state.objects(),
            events: state.events.len(),
            undelivered: state.outbox.undelivered(),
        }
    }
}

/// The state, for whoever serves it. Nobody holds the lock while waiting.
#[derive(Clone, Debug)]
struct Payments(Arc<Mutex<State>>);

impl Payments {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics with the lock")
    }
}

/// What happens to requests whatever they ask for.
#[derive(Clone, Debug)]
struct Driven {
    seed: u64,
    latency: Latency,
    errors: Errors,
    /// Whether payments come to what is commanded.
    obey: bool,
}
