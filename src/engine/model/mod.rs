//! The validated scenario: who, what, when. Built by `scenario::lower` in the shell, which has already said everything
//! that is wrong with the file; nothing after it sees a string that needs parsing.

mod client;
mod cohort;
mod fault;
mod live;
mod payments;
mod plan;
mod price;
mod sessions;
mod shape;
mod threshold;
mod upstream;

pub use client::{Beyond, Client, Delay, Failures, Hint, Jitter, Method, On402, Retry, RetryAfter, Tokens};
pub use cohort::{
    Act, Arrivals, Card, Cohort, Discount, Funds, HandOut, Joined, Pattern, Process, Reaction, Trace, TraceRow, When,
};
pub use fault::{Breaks, Fault};
pub use live::{Excess, Live, RateStage};
pub use payments::{Dunning, Fees, Finally, Payments, Processor, Reminder, Reminders, Returns, Webhooks};
pub use plan::{
    AppliesTo, Change, GrantTerms, Limit, PastAllowance, Plan, Prepaid, PriceVersion, Rate, Rollover, TopUp,
};
pub use price::{Price, Tier, UnitPrice};
pub use sessions::Sessions;
pub use shape::{HOURS, Shape, WEEK};
pub use threshold::{
    Became, ByWebhook, Collected, Comparison, Demanded, Line, Measure, Number, Selector, Statistic, Threshold, Wrongly,
};
pub use upstream::{Errors, FAILED, Generates, HOPS_MOST, Hop, Upstream};

use crate::distribution::Distribution;
use crate::money::Currency;
use crate::time::Span;

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
    /// What can be called; a scenario that names none has one, `/`.
    pub routes: Vec<Route>,
    /// The plans, by [`Cohort::plan`].
    pub plans: Vec<Plan>,
    /// How plans change inside the run, in time order.
    pub changes: Vec<Change>,
    /// The cohorts of consumers.
    pub cohorts: Vec<Cohort>,
    /// The upstreams that answer what the gateway lets through, by [`Route::upstream`]; at least one.
    pub upstreams: Vec<Upstream>,
    /// How invoices and top-ups are paid.
    pub payments: Payments,
    /// What breaks, in the order of the file.
    pub faults: Vec<Fault>,
    /// How the gateway enforces the plans.
    pub gateway: Gateway,
    /// How `load` and `run` play it on real sockets.
    pub live: Live,
    /// How often the simulation is repeated with other draws; at least 1.
    pub replications: u32,
    /// What must hold for a run to pass.
    pub thresholds: Vec<Threshold>,
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
            routes: vec![Route { path: "/".to_owned(), upstream: 0, attributes: Vec::new() }],
            plans: Vec::new(),
            changes: Vec::new(),
            cohorts: Vec::new(),
            upstreams: vec![Upstream::new("api")],
            payments: Payments::new(),
            faults: Vec::new(),
            gateway: Gateway::default(),
            live: Live::default(),
            replications: 1,
            thresholds: Vec::new(),
        }
    }
}

impl Scenario {
    /// The price versions of all plans: a plan as it is at the start, then its changes in their order. What numbers them
    /// numbers them in this order.
    pub fn price_versions(&self) -> impl Iterator<Item = PriceVersion<'_>> {
        self.plans.iter().enumerate().flat_map(|(index, plan)| {
            let changes = self.changes.iter().filter(move |change| change.plan == index);
            let later = changes.map(|change| (&change.becomes, Some(change)));
            let all = (0..).zip(std::iter::once((plan, None)).chain(later));
            all.map(move |(version, (plan, change))| PriceVersion { index, version, plan, change })
        })
    }

    /// The most that one call of a route can use, per meter.
    pub fn most(&self, route: usize) -> PerMeter<u64> {
        let mut most = PerMeter::default();
        most[REQUESTS] = 1;
        for (meter, units) in self.meters.iter().zip(&mut most).skip(1) {
            let summed = self.routes[route].attributes.iter().filter(|attribute| meter.sum.contains(&attribute.name));
            *units = summed.map(|attribute| attribute.most).sum();
        }
        most
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

/// What can be called.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its path, `/v1/search`.
    pub path: String,
    /// The index of the upstream that answers its calls.
    pub upstream: usize,
    /// What its calls carry, for the meters to sum. Calls of a trace carry what the trace says.
    pub attributes: Vec<Attribute>,
}

/// A quantity that each call of a route carries.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Its name in the file.
    pub name: String,
    /// How much, drawn for each call and rounded to a whole number.
    pub amount: Distribution,
    /// The upstream truncates there; what is known only from the response is held at this.
    pub most: u64,
}

/// A share of an amount, exact: `parts` of `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// At most [`Self::of`].
    pub parts: u64,
    /// At least 1.
    pub of: u64,
}

impl Default for Share {
    /// Nothing.
    fn default() -> Self {
        Self { parts: 0, of: 1 }
    }
}

/// A length of billing time: fixed, or counted on the calendar of the consumer's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many nanoseconds.
    Exact(Span),
    /// So many calendar months; a year is twelve.
    Months(u32),
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

/// How the gateway enforces the plans.
#[derive(Clone, Debug, Default)]
pub struct Gateway {
    /// Whether credit is held before a call, or subtracted after it.
    pub spend_control: SpendControl,
    /// What an admitted call costs whose client has gone.
    pub on_client_abort: OnClientAbort,
    /// Other statuses for causes of refusal: the cause's name and the status.
    pub refusals: Vec<(&'static str, u16)>,
    /// How a refusal is written.
    pub dialect: Dialect,
}

/// How a gateway writes its refusals. The statuses that a dialect gives causes are among [`Gateway::refusals`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 9457.
    #[default]
    Problem,
    /// As `OpenAI` does: what billing refuses is a 429.
    OpenAi429,
    /// As `OpenRouter` does: a 402 whose body names what has run out.
    OpenRouter402,
}

/// How prepaid credit and spend caps are guarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpendControl {
    /// The most that a call can cost is held before it is forwarded; then settled or released.
    #[default]
    Reserve,
    /// Looks whether there is any credit, serves, subtracts afterwards: overspends when calls overlap.
    CheckThenDebit,
}

/// What an admitted call costs whose client has gone. The upstream works on in any case, and is paid for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnClientAbort {
    /// The exchange is read to its end, and settled then on what was really used: the client pays for an answer that it
    /// never had.
    #[default]
    Settle,
    /// Nothing: its hold is released when the client goes, and the upstream's cost is absorbed.
    Release,
    /// What had been sent to the client when it went, settled at that moment. Of an answer that is not streamed that is
    /// nothing. Of a streamed one it is, from its first token on: the tokens that had come, at least one, and all of what
    /// is used before that (requests, input tokens). The cost of the rest is absorbed.
    BillSent,
}
