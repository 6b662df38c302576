//! When allowances and credit run out, for a consumer of mean rate; and how likely it is that they do.

use farebox_engine::distribution::Distribution;
use farebox_engine::draw::{Address, unit};
use farebox_engine::model::{
    Joined, On402, PastAllowance, Period, Price, Process, REQUESTS, Scenario, UnitPrice, WEEK,
};
use farebox_engine::money::Money;
use farebox_engine::time::{DAY, Span, Time};
use jiff::ToSpan;
use serde::Serialize;

use super::arrivals;
use super::traffic::Traffic;

/// Over how many drawn rates a chance is averaged: its error is at most half a percentage point (one deviation).
const RATES: u64 = 10_000;
/// Credit that lasts longer than a century lasts.
const FOR_EVER_NS: f64 = 36_500.0 * DAY as f64;

/// How an allowance fares in the first period that ends within the run; later months are a little longer or shorter.
#[derive(Clone, Debug, Serialize)]
pub struct AllowanceUse {
    /// The cohort.
    pub cohort: String,
    /// Its plan.
    pub plan: String,
    /// What is counted.
    pub meter: String,
    /// Units that a period includes.
    pub allowance: u64,
    /// What the allowance is for: `day`, `month`, `year`, or `horizon` when nothing ever renews it.
    pub period: &'static str,
    /// How long that period is, in ns.
    pub period_ns: u64,
    /// Units that a consumer of mean rate uses in a period.
    pub mean_use: f64,
    /// When its mean use reaches the allowance, in ns after the period's start; `null`: not within the period.
    pub reached_after_ns: Option<u64>,
    /// The chance that a consumer wants more than the allowance in a period; known for requests at random.
    pub chance: Option<f64>,
    /// Calls past the allowance that a consumer makes in a period, on average; known where the chance is.
    pub calls_beyond: Option<f64>,
    /// What becomes of them: `refused`, `billed`, `throttled`, `asked to pay`, or `paid while the wallet lasts`.
    pub beyond: &'static str,
}

/// How long opening credit, or a wallet, lasts.
#[derive(Clone, Debug, Serialize)]
pub struct CreditUse {
    /// The cohort.
    pub cohort: String,
    /// Its plan.
    pub plan: String,
    /// What is granted, or in the wallet, at the start, in nanos of the currency's unit; a string, as everywhere.
    pub opening: String,
    /// When a consumer of mean rate has used it, in ns after subscribing; `null`: never, or its prices are not forecast.
    pub used_after_ns: Option<u64>,
    /// The chance that it does not last the horizon; known where only requests are priced, and none are included in each
    /// period.
    pub chance: Option<f64>,
}

/// The allowances of every cohort's plan.
pub(super) fn allowances(scenario: &Scenario, traffic: &[Traffic<'_>]) -> Vec<AllowanceUse> {
    let of = |traffic: &Traffic<'_>| {
        let meters = traffic.plan.allowance.iter().enumerate();
        let uses = meters.filter_map(|(meter, allowance)| Some(allowance_use(scenario, traffic, meter, (*allowance)?)));
        uses.collect::<Vec<_>>()
    };
    traffic.iter().flat_map(of).collect()
}

fn allowance_use(scenario: &Scenario, traffic: &Traffic<'_>, meter: usize, allowance: u64) -> AllowanceUse {
    let (period, period_ns) = period(scenario, traffic);
    let process = arrivals::process(traffic.cohort);
    let even = traffic.use_rate(meter) * period_ns;
    let periods = Periods { traffic, begins: period_begins(scenario, traffic), period_ns };
    let mean_use = even * periods.mean(|share, _| share);
    let rate = mean_use / period_ns;
    let is_known = meter == REQUESTS && traffic.is_known();
    let over = |what: fn(Process, u64, f64) -> Option<f64>, units: u64| {
        let figure = |share: f64, rate: f64| what(process, units, share * rate * even).unwrap_or(f64::NAN);
        is_known.then(|| periods.mean(figure))
    };
    AllowanceUse {
        cohort: traffic.cohort.name.clone(),
        plan: traffic.plan.name.clone(),
        meter: scenario.meters[meter].name.clone(),
        allowance,
        period,
        period_ns: period_ns as u64,
        mean_use,
        reached_after_ns: (mean_use >= allowance as f64 && rate > 0.0).then(|| (allowance as f64 / rate) as u64),
        chance: over(arrivals::at_least, allowance.saturating_add(1)),
        calls_beyond: over(arrivals::beyond, allowance),
        beyond: match traffic.plan.past_allowance {
            _ if pays(traffic) => "paid while the wallet lasts",
            _ if traffic.plan.pays_per_request => "asked to pay",
            PastAllowance::Block => "refused",
            PastAllowance::Overage => "billed",
            PastAllowance::Throttle(_) => "throttled",
        },
    }
}

/// The period of a plan's allowances, by name, and how long the first one to end in the run is: for those who joined
/// before the start it began in the month, or year, before it.
pub(super) fn period(scenario: &Scenario, traffic: &Traffic<'_>) -> (&'static str, f64) {
    let calendar = |span: jiff::Span| {
        let start = scenario.start;
        let ended = traffic.cohort.joined == Joined::Spread;
        let other = if ended { start.saturating_sub(span) } else { start.saturating_add(span) };
        start.duration_until(other).as_nanos().unsigned_abs() as f64
    };
    match traffic.plan.usage_period {
        Some(Period::Day) => ("day", DAY as f64),
        Some(Period::Month) => ("month", calendar(1.month())),
        Some(Period::Year) => ("year", calendar(1.year())),
        None => ("horizon", scenario.horizon.ns() as f64),
    }
}

/// When the periods of a cohort's consumers begin.
#[derive(Clone, Copy)]
enum Begins {
    /// All at the start.
    Start,
    /// Spread evenly over this long: before the start, or from it on.
    Spread { from_ns: f64, over_ns: f64 },
}

fn period_begins(scenario: &Scenario, traffic: &Traffic<'_>) -> Begins {
    let (_, period_ns) = period(scenario, traffic);
    match traffic.cohort.joined {
        Joined::Spread if traffic.plan.usage_period.is_some() => {
            Begins::Spread { from_ns: -period_ns, over_ns: period_ns }
        }
        Joined::Spread | Joined::Start => Begins::Start,
        Joined::Signups { .. } => Begins::Spread { from_ns: 0.0, over_ns: WEEK as f64 },
    }
}

/// The periods of a cohort's consumers.
struct Periods<'a> {
    traffic: &'a Traffic<'a>,
    begins: Begins,
    period_ns: f64,
}

impl Periods<'_> {
    /// What a figure is on average over the consumers, who may differ in their rates and in when their periods begin; the
    /// figure is given how much of the mean rate there is in a period by its hours, and the consumer's own rate as a
    /// multiple of the cohort's mean. Chances are no straight lines, so the figure of the means would be wrong.
    fn mean(&self, figure: impl Fn(f64, f64) -> f64) -> f64 {
        let spread = self.spread();
        let share = |word: u64| {
            let begins = match self.begins {
                Begins::Start => 0.0,
                Begins::Spread { from_ns, over_ns } => from_ns + over_ns * unit(word),
            };
            let from = Time::from_ns(begins as i64);
            self.traffic.share(from, from + Span::from_ns(self.period_ns as u64))
        };
        let differ_by_hours = self.traffic.activity.is_some() && !matches!(self.begins, Begins::Start);
        if spread.is_none() && !differ_by_hours {
            return figure(share(0), 1.0);
        }
        let draws = Address::seed(0).named("forecast").stream();
        let moments = Address::seed(0).named("forecast of periods").stream();
        let rate = |i| spread.map_or(1.0, |(spread, mean)| spread.sample(draws.word(i)) / mean);
        (0..RATES).map(|i| figure(share(moments.word(i)), rate(i))).sum::<f64>() / RATES as f64
    }

    /// The consumers' own rates and their mean, where they differ and have one.
    fn spread(&self) -> Option<(&Distribution, f64)> {
        let (mean_gap_ns, spread) = self.traffic.cohort.arrivals.drawn()?;
        let mean = self.traffic.rate * mean_gap_ns;
        spread.filter(|_| mean > 0.0 && mean.is_finite()).map(|spread| (spread, mean))
    }
}

/// The opening credit of every cohort on a prepaid plan.
pub(super) fn credit(scenario: &Scenario, traffic: &[Traffic<'_>]) -> Vec<CreditUse> {
    traffic.iter().filter_map(|traffic| credit_use(scenario, traffic)).collect()
}

fn credit_use(scenario: &Scenario, traffic: &Traffic<'_>) -> Option<CreditUse> {
    let grants = &traffic.plan.prepaid.as_ref()?.grants;
    let opening: i128 = grants.iter().map(|grant| i128::from(grant.amount.nanos())).sum();
    Some(CreditUse::new(scenario, traffic, opening))
}

/// The wallets of every cohort that pays for single calls.
pub(super) fn wallets(scenario: &Scenario, traffic: &[Traffic<'_>]) -> Vec<CreditUse> {
    let paying = traffic.iter().filter(|traffic| pays(traffic));
    paying.map(|it| CreditUse::new(scenario, it, i128::from(it.cohort.wallet.nanos()))).collect()
}

/// Whether consumers pay for single calls past the allowance.
fn pays(traffic: &Traffic<'_>) -> bool {
    let client = &traffic.cohort.client;
    let is_able = client.on_402 == On402::PayOnce && client.retry.attempts > 1;
    traffic.plan.pays_per_request && is_able && traffic.cohort.wallet > Money::ZERO
}

impl CreditUse {
    fn new(scenario: &Scenario, traffic: &Traffic<'_>, opening: i128) -> Self {
        Self {
            cohort: traffic.cohort.name.clone(),
            plan: traffic.plan.name.clone(),
            opening: opening.to_string(),
            used_after_ns: linear_prices(traffic)
                .and_then(|prices| used_after(opening as f64, &spending(scenario, traffic, &prices))),
            chance: chance_to_run_out(scenario, traffic, opening),
        }
    }
}

/// The prices per meter; `None` when one of them is not linear.
fn linear_prices(traffic: &Traffic<'_>) -> Option<Vec<(usize, UnitPrice)>> {
    let priced = traffic.plan.prices.iter().enumerate().filter_map(|(meter, price)| Some((meter, price.as_ref()?)));
    let linear = |(meter, price): (usize, &Price)| match price {
        Price::PerUnit(price) => Some((meter, *price)),
        _ => None,
    };
    priced.map(linear).collect()
}

/// What one meter costs over time, for a consumer of mean rate.
struct Spending {
    /// Units per ns.
    rate: f64,
    /// Nanos per unit.
    price: f64,
    /// Units of a period that cost nothing.
    included: f64,
    period_ns: f64,
}

impl Spending {
    /// Nanos spent by then: whole periods, and what the one begun has cost so far.
    fn until(&self, ns: f64) -> f64 {
        let periods = (ns / self.period_ns).floor();
        let past = |ns: f64| (self.rate * ns - self.included).max(0.0) * self.price;
        periods * past(self.period_ns) + past(ns - periods * self.period_ns)
    }
}

fn spending(scenario: &Scenario, traffic: &Traffic<'_>, prices: &[(usize, UnitPrice)]) -> Vec<Spending> {
    let (_, period_ns) = period(scenario, traffic);
    let of = |(meter, price): &(usize, UnitPrice)| Spending {
        rate: traffic.use_rate(*meter),
        price: price.amount.nanos() as f64 / price.per as f64,
        included: traffic.plan.allowance[*meter].unwrap_or(0) as f64,
        period_ns: if traffic.plan.usage_period.is_some() { period_ns } else { FOR_EVER_NS },
    };
    prices.iter().map(of).collect()
}

/// The first moment at which so much is spent; spending never falls, so it is found by halving.
fn used_after(opening: f64, spending: &[Spending]) -> Option<u64> {
    let spent = |ns: f64| spending.iter().map(|meter| meter.until(ns)).sum::<f64>();
    let (mut early, mut late) = (0.0, FOR_EVER_NS);
    if spent(late) < opening {
        return None;
    }
    for _ in 0..80 {
        let middle = f64::midpoint(early, late);
        if spent(middle) < opening { early = middle } else { late = middle }
    }
    Some(late.round() as u64)
}

/// Where only requests cost something, and each costs the same, credit is a number of calls.
fn chance_to_run_out(scenario: &Scenario, traffic: &Traffic<'_>, opening: i128) -> Option<f64> {
    let prices = linear_prices(traffic)?;
    let [(REQUESTS, price)] = prices[..] else { return None };
    let included = traffic.plan.allowance[REQUESTS].unwrap_or(0);
    let is_renewed = included > 0 && traffic.plan.usage_period.is_some();
    let is_known = traffic.is_known() && !is_renewed && price.amount.nanos() > 0;
    // What a call costs is rounded once for all units of a period, so this many calls are covered exactly.
    let calls = u64::try_from(opening * i128::from(price.per) / i128::from(price.amount.nanos().max(1))).ok()?;
    let calls = calls.saturating_add(included);
    let period_ns = scenario.horizon.ns() as f64;
    let mean = traffic.use_rate(REQUESTS) * period_ns;
    let process = arrivals::process(traffic.cohort);
    let chance = |share: f64, rate: f64| {
        arrivals::at_least(process, calls.saturating_add(1), share * rate * mean).unwrap_or(f64::NAN)
    };
    is_known.then(|| Periods { traffic, begins: Begins::Start, period_ns }.mean(chance))
}
