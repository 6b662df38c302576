//! When allowances and credit run out, for a consumer of mean rate; and how likely it is that they do.

use farebox_engine::draw::Address;
use farebox_engine::model::{Arrivals, Joined, PastAllowance, Period, Price, REQUESTS, Scenario, UnitPrice};
use farebox_engine::time::DAY;
use jiff::ToSpan;
use serde::Serialize;

use super::poisson;
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
    /// What becomes of them: `refused`, `billed` or `throttled`.
    pub beyond: &'static str,
}

/// How long opening credit lasts.
#[derive(Clone, Debug, Serialize)]
pub struct CreditUse {
    /// The cohort.
    pub cohort: String,
    /// Its plan.
    pub plan: String,
    /// What is granted at the start, in nanos of the currency's unit; a string, as everywhere.
    pub opening: String,
    /// When a consumer of mean rate has used it, in ns after subscribing; `null`: never, or its prices are not forecast.
    pub used_after_ns: Option<u64>,
    /// The chance that a consumer's credit does not last the horizon; known where only requests are priced, from the
    /// first one on.
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
    let rate = traffic.use_rate(meter);
    let mean_use = rate * period_ns;
    let is_known = meter == REQUESTS && traffic.is_random();
    let over =
        |what: fn(u64, f64) -> f64| is_known.then(|| over_rates(traffic, |rate| what(allowance, rate * mean_use)));
    AllowanceUse {
        cohort: traffic.cohort.name.clone(),
        plan: traffic.plan.name.clone(),
        meter: scenario.meters[meter].name.clone(),
        allowance,
        period,
        period_ns: period_ns as u64,
        mean_use,
        reached_after_ns: (mean_use >= allowance as f64 && rate > 0.0).then(|| (allowance as f64 / rate) as u64),
        chance: over(|allowance, mean| poisson::at_least(allowance.saturating_add(1), mean)),
        calls_beyond: over(poisson::beyond),
        beyond: match traffic.plan.past_allowance {
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

/// What a figure is on average over the consumers, who may differ in their rates; the figure is given a rate as a
/// multiple of the cohort's mean. Chances are no straight lines, so the figure of the mean rate would be wrong.
fn over_rates(traffic: &Traffic<'_>, figure: impl Fn(f64) -> f64) -> f64 {
    let Arrivals::Poisson { mean_gap_ns, spread: Some(spread) } = &traffic.cohort.arrivals else { return figure(1.0) };
    let mean = traffic.rate * mean_gap_ns;
    if !(mean > 0.0 && mean.is_finite()) {
        return figure(1.0);
    }
    let draws = Address::seed(0).named("forecast").stream();
    (0..RATES).map(|i| figure(spread.sample(draws.word(i)) / mean)).sum::<f64>() / RATES as f64
}

/// The opening credit of every cohort on a prepaid plan.
pub(super) fn credit(scenario: &Scenario, traffic: &[Traffic<'_>]) -> Vec<CreditUse> {
    traffic.iter().filter_map(|traffic| credit_use(scenario, traffic)).collect()
}

fn credit_use(scenario: &Scenario, traffic: &Traffic<'_>) -> Option<CreditUse> {
    let grants = &traffic.plan.prepaid.as_ref()?.grants;
    let opening: i128 = grants.iter().map(|grant| i128::from(grant.amount.nanos())).sum();
    Some(CreditUse {
        cohort: traffic.cohort.name.clone(),
        plan: traffic.plan.name.clone(),
        opening: opening.to_string(),
        used_after_ns: linear_prices(traffic)
            .and_then(|prices| used_after(opening as f64, &spending(scenario, traffic, &prices))),
        chance: chance_to_run_out(scenario, traffic, opening),
    })
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
    let is_known = traffic.is_random() && traffic.plan.allowance[REQUESTS].is_none() && price.amount.nanos() > 0;
    // What a call costs is rounded once for all units of a period, so this many calls are covered exactly.
    let calls = u64::try_from(opening * i128::from(price.per) / i128::from(price.amount.nanos().max(1))).ok()?;
    let mean = traffic.use_rate(REQUESTS) * scenario.horizon.ns() as f64;
    is_known.then(|| over_rates(traffic, |rate| poisson::at_least(calls.saturating_add(1), rate * mean)))
}
