//! Rate and concurrency limits, and what is served beyond the credit: one consumer for a long time, or many until their
//! credit is gone.

use farebox_engine::distribution::{Distribution, Z99};
use farebox_engine::model::{
    Arrivals, Attribute, Cohort, Limit, Meter, Plan, Prepaid, Price, Rate, Scenario, SpendControl, UnitPrice,
};
use farebox_engine::money::{Money, NANOS};
use farebox_engine::time::{SECOND, Span};

use super::{Grows, Measure, Row, Unit, WIDEST, refused, scenario};
use crate::prove::estimate::Ratio;
use crate::prove::exact;

/// What windows and buckets let pass in a second.
const RATE: u64 = 10;
/// Calls in flight at once.
const CAP: u32 = 10;
/// How long a limit is played before what it refuses counts: far longer than it remembers.
const WARM_UP: Span = Span::from_secs(100);

pub(super) fn rows() -> Vec<Row> {
    let mut rows = windows();
    rows.extend(concurrency());
    rows.push(bucket("token bucket", 0.9, 5, WIDEST, 22_000));
    rows.push(bucket("token bucket, deep", 1.0, 20, 0.02, 50_000));
    rows.extend(overdraft());
    rows
}

fn windows() -> Vec<Row> {
    let rate = Rate { requests: RATE, per: Span::from_secs(1) };
    let calls = 10.0;
    let fixed = exact::share_beyond(calls, RATE);
    let sliding = exact::erlang_b(RATE as u32, calls);
    let parameters = format!("λ = {calls}/s, L = {RATE}, W = 1 s");
    let of = |limit, latency, seconds| limited(limit, calls, latency, seconds);
    vec![
        row(
            "fixed window",
            "1 − E[min(N, L)]/λW",
            parameters.clone(),
            fixed,
            of(Limit::FixedWindow(rate), AT_ONCE, 6_000),
        ),
        row("sliding window", "Erlang B(L, λW)", parameters, sliding, of(Limit::SlidingWindow(rate), AT_ONCE, 2_600)),
    ]
}

/// Two laws of service with the same mean to the formula: one without memory, one of which half is over in 0.3 s and a
/// hundredth takes ten times as long.
fn concurrency() -> Vec<Row> {
    let laws = [
        ("concurrency, exponential service", Distribution::Exponential { mean: 0.8 * SECOND as f64 }),
        ("concurrency, log-normal service", Distribution::log_normal(0.5 * SECOND as f64, 5.0 * SECOND as f64, Z99)),
    ];
    let of = |(name, law): (_, Distribution)| {
        let load = 10.0 * law.mean() / SECOND as f64;
        let parameters = format!("c = {CAP}, λE[S] = {load:.3}");
        let exact = exact::erlang_b(CAP, load);
        row(name, "Erlang B(c, λE[S])", parameters, exact, limited(Limit::Concurrency(CAP.into()), 10.0, law, 14_000))
    };
    laws.map(of).into()
}

fn bucket(name: &'static str, rho: f64, burst: u32, widest: f64, seconds: u64) -> Row {
    let limit = Limit::TokenBucket { rate: Rate { requests: RATE, per: Span::from_secs(1) }, burst: burst.into() };
    let exact = exact::token_bucket(rho, burst as usize);
    let scenario = limited(limit, RATE as f64 * rho, AT_ONCE, seconds);
    Row { widest, ..row(name, "M/D/1/b: 1 − β/(1 + ρβ)", format!("ρ = {rho}, b = {burst}"), exact, scenario) }
}

/// An upstream that takes no time.
const AT_ONCE: Distribution = Distribution::Constant(0.0);

/// One consumer who calls so often a second.
fn limited(limit: Limit, calls: f64, latency: Distribution, seconds: u64) -> Scenario {
    let plan = Plan { limits: vec![limit], ..Plan::new("limited") };
    let mut scenario = scenario(Span::from_secs(seconds), plan, Cohort::new("all", 1, every_second(calls)));
    scenario.upstreams[0].latency = latency;
    scenario
}

fn every_second(calls: f64) -> Arrivals {
    Arrivals::Poisson { mean_gap_ns: SECOND as f64 / calls, spread: None }
}

fn row(name: &'static str, formula: &'static str, parameters: String, exact: f64, scenario: Scenario) -> Row {
    Row {
        name,
        formula,
        parameters,
        unit: Unit::Share,
        exact,
        widest: WIDEST,
        scenario,
        grows: Grows::Horizon,
        measure: Measure::After(WARM_UP, refused),
    }
}

// === Credit ===

/// A call costs 1 to 10 cents, each as likely.
const MOST: u64 = 10;
/// Calls in flight on average: one a second, for so many seconds.
const IN_FLIGHT: f64 = 4.0;
/// The opening balance in cents: some 55 calls, by when the calls in flight are in their steady state.
const OPENING: i64 = 300;

fn overdraft() -> Vec<Row> {
    let (mean, square) = (5.5, 38.5);
    let exact = exact::overdraft(IN_FLIGHT * mean, mean, square, 1.0) / 100.0;
    let row = |name, formula, control, exact, consumers| Row {
        name,
        formula,
        parameters: format!("λE[S] = {IN_FLIGHT}, X = $0.01 … $0.{MOST}, d = $0.01"),
        unit: Unit::Dollars,
        exact,
        widest: WIDEST,
        scenario: spending(control, consumers),
        grows: Grows::Consumers,
        measure: Measure::Outcome(|outcome| {
            let (consumers, _) = outcome.consumers();
            Ratio { above: outcome.figures().leaked as f64 / NANOS as f64, below: consumers as f64 }
        }),
    };
    vec![
        row("overdraft of check_then_debit", "λE[S·X] + E[X²]/2E[X] − d/2", SpendControl::CheckThenDebit, exact, 950),
        row("overdraft of reserve", "0", SpendControl::Reserve, 0.0, 100),
    ]
}

/// Consumers who use up their credit and then go on calling: by the end the last call in flight has long landed.
fn spending(control: SpendControl, consumers: u32) -> Scenario {
    let mut plan = Plan::new("prepaid");
    plan.prepaid = Some(Prepaid::opening(Money::from_nanos(OPENING * (NANOS / 100))));
    plan.prices[1] = Some(Price::PerUnit(UnitPrice { amount: Money::from_nanos(NANOS / 100), per: 1 }));
    let mut scenario = scenario(Span::from_secs(200), plan, Cohort::new("all", consumers, every_second(1.0)));
    scenario.meters.push(Meter { name: "units".to_owned(), sum: vec!["units".to_owned()] });
    // Rounded down to a whole number.
    let amount = Distribution::Uniform { from: 1.0, to: MOST as f64 + 1.0 };
    scenario.routes[0].attributes.push(Attribute { name: "units".to_owned(), amount, most: MOST });
    scenario.upstreams[0].latency = Distribution::Exponential { mean: IN_FLIGHT * SECOND as f64 };
    scenario.gateway.spend_control = control;
    scenario
}
