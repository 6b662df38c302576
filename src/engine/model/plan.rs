//! Plans: what they cost, include and limit; and how they change inside a run.

use crate::model::{Length, PerMeter, Period, Price};
use crate::money::Money;
use crate::time::Span;

/// A plan that consumers subscribe to.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name in the file.
    pub name: String,
    /// The recurring fee, billed in advance at the start of each period.
    pub fee: Money,
    /// The period of the fee; `None` for a plan without one.
    pub fee_period: Option<Period>,
    /// The period of the allowances, of usage that is billed in arrears, of the spend cap and of the minimum commit;
    /// `None` for a plan that has none of them, whose usage is counted from the subscription's start.
    pub usage_period: Option<Period>,
    /// A free start, for those who join inside the horizon.
    pub trial: Option<Length>,
    /// Units per period and meter that cost nothing more; `None`: not limited.
    pub allowance: PerMeter<Option<u64>>,
    /// What happens to units past the allowance that no credit pays.
    pub past_allowance: PastAllowance,
    /// What units past the allowance cost, billed in arrears; acts with [`PastAllowance::Overage`].
    pub overage: PerMeter<Option<Price>>,
    /// Unused allowance that is carried into the next period.
    pub rollover: Option<Rollover>,
    /// Rate and concurrency limits, each on its own; the first that refuses wins.
    pub limits: Vec<Limit>,
    /// Caps the usage charges of a period, open holds included.
    pub spend_cap: Option<Money>,
    /// The minimum commit of a period: usage charges below it are trued up.
    pub minimum: Money,
    /// Prepaid settings, if the plan is prepaid.
    pub prepaid: Option<Prepaid>,
    /// What a unit past the allowance costs: from credit on a prepaid plan (never `volume` or `stairstep`), else in
    /// arrears. `None`: nothing.
    pub prices: PerMeter<Option<Price>>,
    /// Whether each call past the allowance is paid for by itself, from a wallet, at `prices`; then there is no credit.
    pub pays_per_request: bool,
    /// How long a consumer is still served after the first failed attempt of the oldest unpaid invoice.
    pub grace: Span,
    /// The routes that the plan covers, as indices into [`Scenario::routes`](super::Scenario::routes); `None`: all.
    pub routes: Option<Vec<usize>>,
}

impl Plan {
    /// A plan that charges nothing and limits nothing.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            fee: Money::ZERO,
            fee_period: None,
            usage_period: None,
            trial: None,
            allowance: PerMeter::default(),
            past_allowance: PastAllowance::Block,
            overage: PerMeter::default(),
            rollover: None,
            limits: Vec::new(),
            spend_cap: None,
            minimum: Money::ZERO,
            prepaid: None,
            pays_per_request: false,
            prices: PerMeter::default(),
            grace: Span::ZERO,
            routes: None,
        }
    }
}

/// What happens to units past the allowance that no credit pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PastAllowance {
    /// Calls are refused.
    Block,
    /// They are billed in arrears, at the prices of [`Plan::overage`].
    Overage,
    /// Calls pass, unbilled, as fast as this bucket lets them.
    Throttle(Rate),
}

/// How much unused allowance is carried: min(max, max(min, unused)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollover {
    /// At least this much, even when less was left.
    pub min: u64,
    /// At most this much.
    pub max: u64,
}

/// So many requests in so much traffic time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many requests…
    pub requests: u64,
    /// …per this span.
    pub per: Span,
}

/// A rate or concurrency limit. Refused requests count for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Starts full, refills evenly, refuses when less than one token is there.
    TokenBucket {
        /// The refill.
        rate: Rate,
        /// How many tokens it holds at most.
        burst: u64,
    },
    /// nginx's `limit_req … nodelay`: excess = max(excess − leak + 1, 0), and 0 for the first request; refuses what would
    /// rise above the burst.
    LeakyBucket {
        /// The leak.
        rate: Rate,
        /// How far the level may rise.
        burst: u64,
    },
    /// So many in each window; windows are aligned to the Unix epoch.
    FixedWindow(Rate),
    /// So many in the window that ends now: the log of what passed.
    SlidingWindow(Rate),
    /// So many in flight at once.
    Concurrency(u64),
}

/// Prepaid credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepaid {
    /// What is granted when the subscription starts.
    pub grants: Vec<GrantTerms>,
    /// Credit bought when it runs low.
    pub auto_top_up: Option<TopUp>,
    /// How long bought credit lasts; `None`: for ever.
    pub credits_expire: Option<Length>,
}

impl Prepaid {
    /// Credit of this much that nobody paid for, and no more of it.
    pub fn opening(amount: Money) -> Self {
        Self { grants: vec![GrantTerms::opening(amount)], auto_top_up: None, credits_expire: None }
    }
}

/// Credit granted when a subscription starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantTerms {
    /// How much.
    pub amount: Money,
    /// Lower numbers are burnt first.
    pub priority: u8,
    /// How long it lasts; `None`: for ever.
    pub expires: Option<Length>,
    /// Whether the consumer paid for it; else it is promotional.
    pub paid: bool,
}

impl GrantTerms {
    /// Promotional credit that never expires.
    pub const fn opening(amount: Money) -> Self {
        Self { amount, priority: 0, expires: None, paid: false }
    }
}

/// Credit that is bought when a settle leaves less than a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopUp {
    /// Buys when balance − held is below this.
    pub below: Money,
    /// How much is bought.
    pub add: Money,
    /// How often in a calendar month from the anchor; `None`: no limit.
    pub at_most: Option<u32>,
}

/// A plan with the terms that it has from some moment on.
#[derive(Clone, Copy, Debug)]
pub struct PriceVersion<'a> {
    /// Index into [`Scenario::plans`](super::Scenario::plans).
    pub index: usize,
    /// Which version of that plan, from 0.
    pub version: u32,
    /// The terms.
    pub plan: &'a Plan,
    /// The change that brings it; `None`: it is there at the start.
    pub change: Option<&'a Change>,
}

/// A plan gets other terms inside the run.
#[derive(Clone, Debug)]
pub struct Change {
    /// When, after the start.
    pub at: Span,
    /// Index into [`Scenario::plans`](super::Scenario::plans).
    pub plan: usize,
    /// The whole new terms.
    pub becomes: Plan,
    /// Whom they reach.
    pub applies_to: AppliesTo,
}

/// Whom a change of a plan reaches beside those who subscribe later; the others keep the old price version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppliesTo {
    /// Nobody else.
    New,
    /// Those already there, from their next period.
    AtRenewal,
    /// Those already there, at once: fee credit and charge by the second.
    All,
}
