//! The validated scenario: who, what, when. Built by `scenario::lower` in the shell, which has already said everything
//! that is wrong with the file; nothing after it sees a string that needs parsing.

use crate::distribution::Latency;
use crate::draw::Chance;
use crate::money::{Currency, Money};
use crate::time::{Clock, Span};

/// How many meters a scenario may have, `requests` included: usage travels in arrays of this length.
pub const METERS_MAX: usize = 4;
/// The meter that is always there, at index 0: it counts requests.
pub const REQUESTS: usize = 0;

/// One quantity per meter, indexed as [`Scenario::meters`].
pub type PerMeter<T> = [T; METERS_MAX];

/// A whole scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The name, as in `scenario:`.
    pub name: String,
    /// Every draw is a function of this and of what it is for.
    pub seed: u64,
    /// The one currency of the scenario.
    pub currency: Currency,
    /// The civil instant (UTC) of [`Time::START`](crate::time::Time::START).
    pub start: jiff::civil::DateTime,
    /// How long the simulation runs.
    pub horizon: Span,
    /// SHA-256 of the scenario's text and of its traces, in hex: what two outcomes must share to be merged.
    pub fingerprint: String,
    /// `requests` first, then those that the file adds; at most [`METERS_MAX`].
    pub meters: Vec<Meter>,
    /// The plans, by [`Cohort::plan`].
    pub plans: Vec<Plan>,
    /// The cohorts of consumers.
    pub cohorts: Vec<Cohort>,
    /// The one upstream that answers what the gateway lets through.
    pub upstream: Upstream,
    /// What happens after a declined renewal.
    pub dunning: Dunning,
    /// How `load` and `run` play it on real sockets.
    pub live: Live,
}

impl Scenario {
    /// A scenario in dollars from 1 March 2026 in which nobody does anything yet: for those who build one in code.
    pub fn new(name: &str, horizon: Span) -> Self {
        Self {
            name: name.to_owned(),
            seed: 1,
            currency: crate::money::CURRENCIES[0],
            start: jiff::civil::date(2026, 3, 1).at(0, 0, 0, 0),
            horizon,
            fingerprint: String::new(),
            meters: vec![Meter { name: "requests".to_owned(), sum: Vec::new() }],
            plans: Vec::new(),
            cohorts: Vec::new(),
            upstream: Upstream { name: "api".to_owned(), latency: Latency::Constant(0) },
            dunning: Dunning { retries: Vec::new(), finally: Finally::Cancel },
            live: Live {
                rate_per_s: 1_000.0,
                duration: Span::from_secs(10),
                clock: None,
                connections: 64,
                in_flight: 4_000,
            },
        }
    }
}

/// What is counted.
#[derive(Clone, Debug)]
pub struct Meter {
    /// Its name in the file.
    pub name: String,
    /// For `requests` empty; else the attributes whose sum it is.
    pub sum: Vec<String>,
}

/// A plan that consumers subscribe to.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name in the file.
    pub name: String,
    /// The recurring fee, billed in advance at the start of each period.
    pub fee: Money,
    /// The billing period: of the fee and of the allowances. `None` for a plan that has neither.
    pub period: Option<Period>,
    /// Units per period and meter before the plan refuses (`past_allowance: block`); `None`: not limited.
    pub allowance: PerMeter<Option<u64>>,
    /// The rate limit, if any.
    pub limit: Option<TokenBucket>,
    /// Prepaid settings, if the plan is prepaid.
    pub prepaid: Option<Prepaid>,
    /// What a unit costs in prepaid credit; `None`: nothing.
    pub prices: PerMeter<Option<UnitPrice>>,
    /// How long a consumer is still served after the first failed attempt of the oldest unpaid invoice.
    pub grace: Span,
}

impl Plan {
    /// A plan that charges nothing and limits nothing.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            fee: Money::ZERO,
            period: None,
            allowance: PerMeter::default(),
            limit: None,
            prepaid: None,
            prices: PerMeter::default(),
            grace: Span::ZERO,
        }
    }
}

/// A recurring period, always counted from the subscription's anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// 86,400 s.
    Day,
    /// A calendar month: 31 January → 28 February → 31 March.
    Month,
    /// A calendar year: 29 February → 28 February, and back in leap years.
    Year,
}

/// A token bucket: starts full, refills evenly, refuses when less than one token is there. Refused requests take none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    /// Tokens refilled…
    pub tokens: u64,
    /// …per this span of traffic time.
    pub per: Span,
    /// How many tokens it holds at most.
    pub burst: u64,
}

/// Prepaid credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepaid {
    /// Granted at the start, promotional (nobody paid for it).
    pub opening: Money,
}

/// A linear price: `amount` for each `per` units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitPrice {
    /// The price of `per` units.
    pub amount: Money,
    /// How many units the amount is for; at least 1.
    pub per: u64,
}

/// A group of consumers that are alike.
#[derive(Clone, Debug)]
pub struct Cohort {
    /// Its name in the file.
    pub name: String,
    /// How many consumers it has.
    pub count: u32,
    /// Index into [`Scenario::plans`].
    pub plan: usize,
    /// When they call.
    pub arrivals: Arrivals,
    /// The chance that an attempt to charge one of them is declined, each attempt on its own.
    pub declines: Chance,
}

impl Cohort {
    /// A cohort on the first plan whose payments are never declined.
    pub fn new(name: &str, count: u32, arrivals: Arrivals) -> Self {
        Self { name: name.to_owned(), count, plan: 0, arrivals, declines: Chance::NEVER }
    }
}

/// When the consumers of a cohort call.
#[derive(Clone, Debug)]
pub enum Arrivals {
    /// A Poisson process per consumer.
    Poisson {
        /// The mean time between two calls of one consumer, in ns.
        mean_gap_ns: f64,
    },
    /// Recorded calls, spread over the cohort: row i belongs to the consumer drawn at (seed, cohort, trace, i), or to
    /// the one that its consumer column names.
    Trace(Trace),
}

/// Recorded calls in time order, the first at the scenario's start.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// One entry per call.
    pub rows: Vec<TraceRow>,
    /// Per meter the largest quantity of any row: what is held before the answer tells.
    pub most: PerMeter<u64>,
}

/// One recorded call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// When, after the start.
    pub at: Span,
    /// The consumer that its column names, by index; `None`: drawn.
    pub consumer: Option<u32>,
    /// What the call used, per meter.
    pub usage: PerMeter<u64>,
}

/// The service behind the gateway.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name in the file.
    pub name: String,
    /// How long it takes to answer.
    pub latency: Latency,
}

/// What happens after a declined renewal.
#[derive(Clone, Debug)]
pub struct Dunning {
    /// Gaps, each counted from the previous failed attempt: `[3d, 5d, 7d]` tries on days 3, 8 and 15.
    pub retries: Vec<Span>,
    /// What happens when the last one has failed.
    pub finally: Finally,
}

/// The end of a dunning run that recovered nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finally {
    /// The subscription is canceled, the debt written off.
    Cancel,
    /// The subscription is `unpaid`: invoices are drafted, none is attempted.
    Unpaid,
    /// It stays `past_due` and, after grace, refused.
    Keep,
}

/// How `load` and `run` play the scenario.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Live {
    /// Calls a second, all consumers together; the scenario's own arrivals are scaled to it.
    pub rate_per_s: f64,
    /// How long the load runs, on the wall.
    pub duration: Span,
    /// How billing time follows the wall's; `None`: at the pace of the scaled arrivals, so that a billing day of the
    /// load has as many calls as a day of the scenario.
    pub clock: Option<Clock>,
    /// Connections to the gateway at most.
    pub connections: u32,
    /// Calls in flight at most; what comes beyond is dropped and counted.
    pub in_flight: u32,
}
