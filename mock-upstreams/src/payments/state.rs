//! All that the mock holds: one owner, behind one lock, bounded.

use std::time::Duration;

use serde_json::{Map, Value};

use super::charges::Charge;
use super::clock::{Clock, DAY};
use super::command::Commanded;
use super::customers::Customer;
use super::error::{ApiError, Outcome};
use super::events::Event;
use super::ids::{self, Ids, Stream};
use super::keys::Keys;
use super::outage::Outage;
use super::outbox::{Delivery, Outbox};
use super::payment_intents::PaymentIntent;
use super::payment_methods::PaymentMethod;
use super::refunds::Refund;
use super::setup_intents::SetupIntent;
use super::table::{Object, Table};
use super::test_clocks::TestClock;

/// How long an event can be asked for.
const EVENT_KEPT: i64 = 30 * DAY;

/// Which events are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    /// All, for whoever asks.
    All,
    /// What the webhook has not taken: a driver asks for nothing else, and has more payments than memory would bear.
    Undelivered,
}

/// How much the mock holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holds {
    /// Objects.
    pub(super) most: usize,
    /// Events.
    pub(super) most_events: usize,
    /// Which of them.
    pub(super) keeps: Keeps,
}

/// The state of the mock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) clock: Clock,
    pub(super) ids: Ids,
    pub(super) customers: Table<Customer>,
    pub(super) methods: Table<PaymentMethod>,
    pub(super) setups: Table<SetupIntent>,
    pub(super) payments: Table<PaymentIntent>,
    pub(super) charges: Table<Charge>,
    pub(super) refunds: Table<Refund>,
    pub(super) clocks: Table<TestClock>,
    pub(super) events: Table<Event>,
    pub(super) keys: Keys,
    pub(super) outage: Outage,
    pub(super) outbox: Outbox,
    /// The request that is being executed.
    pub(super) request: Origin,
    /// What the payment that it confirms is to come to.
    pub(super) commanded: Option<Commanded>,
    /// How what it tells is delivered: how long after it each time.
    pub(super) deliveries: Option<Vec<Duration>>,
    seed: u64,
    requests: u64,
    holds: Holds,
}

/// Which request an event comes from.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    pub(super) id: String,
    pub(super) key: Option<String>,
    /// When it is executed, by the mock's clock, in seconds.
    pub(super) at: i64,
    /// Where the mock is reached, as the client says it.
    pub(super) host: String,
}

impl State {
    /// An empty mock that draws from `seed`, and sends its events to `outbox`.
    pub(super) fn new(seed: u64, holds: Holds, outbox: Outbox) -> Self {
        Self {
            clock: Clock::of_wall(),
            ids: Ids::new(seed),
            customers: Table::default(),
            methods: Table::default(),
            setups: Table::default(),
            payments: Table::default(),
            charges: Table::default(),
            refunds: Table::default(),
            clocks: Table::default(),
            events: Table::default(),
            keys: Keys::new(holds.most),
            outage: Outage::default(),
            outbox,
            request: Origin::default(),
            commanded: None,
            deliveries: None,
            seed,
            requests: 0,
            holds,
        }
    }

    /// The number of the next request, from 0, and its id.
    pub(super) fn number(&mut self) -> (u64, String) {
        let number = self.requests;
        self.requests += 1;
        (number, ids::text(&mut ids::draws(self.seed, Stream::Requests, number), "req_", 14))
    }

    /// How many requests of the API there were.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// How many objects it holds. Events are apart: the oldest go.
    pub(super) fn objects(&self) -> usize {
        let intents = self.setups.len() + self.payments.len();
        let money = self.charges.len() + self.refunds.len();
        self.customers.len() + self.methods.len() + intents + money + self.clocks.len()
    }

    /// Refuses where so many objects more are too many.
    pub(super) fn room(&self, more: usize) -> Outcome<()> {
        if self.objects() + more <= self.holds.most {
            return Ok(());
        }
        let most = self.holds.most;
        let held = format!("{most} objects at most, and there may be no room for what this request makes");
        Err(ApiError::full(&held))
    }

    /// What the clock shows that a customer follows: their test clock's, or the mock's.
    pub(super) fn now_of(&self, customer: Option<&str>) -> i64 {
        let customer = customer.and_then(|id| self.customers.get(id));
        let clock = customer.and_then(|customer| self.clocks.get(customer.test_clock.as_deref()?));
        clock.map_or_else(|| self.clock.now(), |clock| clock.frozen_time)
    }

    /// Lets the world know that something has happened to an object.
    pub(super) fn emit(&mut self, kind: &'static str, created: i64, object: Value) {
        self.emit_changed(kind, created, object, None);
    }

    /// The same, with what was there before.
    pub(super) fn emit_changed(&mut self, kind: &'static str, created: i64, object: Value, before: Option<Value>) {
        let is_sent = self.outbox.sends(kind);
        if self.holds.keeps == Keeps::Undelivered && !is_sent {
            return;
        }
        let mut data = Map::from_iter([("object".to_owned(), object)]);
        data.extend(before.map(|before| ("previous_attributes".to_owned(), before)));
        let mut event = Event::new(self.ids.next("evt_", 24), kind, created, &data.into(), &self.request);
        if is_sent {
            self.outbox.send(&event.render(), self.clock.now_ms(), self.deliveries.as_deref());
        } else {
            event.pending = 0;
        }
        self.events.insert(event);
        self.forget_events();
    }

    /// Notes what became of a delivery. An event that the webhook has taken is forgotten where nobody asks for it, unless
    /// a list may go on from it.
    pub(super) fn delivered(&mut self, delivery: Delivery, is_taken: bool) {
        let (id, now_ms) = (delivery.event.clone(), self.clock.now_ms());
        if !self.outbox.delivered(delivery, is_taken, now_ms) {
            return;
        }
        let Some(event) = self.events.get_mut(&id) else { return };
        event.pending = 0;
        if self.holds.keeps == Keeps::Undelivered && !event.is_mark {
            self.events.remove(&id);
        }
    }

    /// Drops events that are too old or too many.
    fn forget_events(&mut self) {
        let since = self.clock.now() - EVENT_KEPT;
        while self
            .events
            .values()
            .next()
            .is_some_and(|oldest| oldest.made < since || self.events.len() > self.holds.most_events)
        {
            self.events.remove_oldest();
        }
    }

    /// After the clock was sent ahead: what is too old goes, and what is due now is seen to.
    pub(super) fn catch_up(&mut self) {
        self.forget_events();
        self.keys.forget(self.clock.now());
        self.outbox.wake();
    }

    /// The object with this id, as the API tells it.
    pub(super) fn render(&self, id: &str) -> Option<Value> {
        match id.split_once('_')?.0 {
            "cus" => self.customers.get(id).map(Object::render),
            "pm" => self.methods.get(id).map(Object::render),
            "seti" => self.setups.get(id).map(Object::render),
            "pi" => self.payments.get(id).map(Object::render),
            "ch" => self.charges.get(id).map(Object::render),
            "clock" => self.clocks.get(id).map(Object::render),
            _ => None,
        }
    }
}
