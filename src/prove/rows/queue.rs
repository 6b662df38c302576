//! Upstreams that have few places or fail: how long one waits in line, and what clients that try again add.

use farebox_engine::distribution::Distribution;
use farebox_engine::draw::Chance;
use farebox_engine::model::{Client, Cohort, Delay, Failures, Plan, Retry, Scenario};
use farebox_engine::outcome::Outcome;
use farebox_engine::time::{DAY, SECOND, Span};

use super::{Grows, Measure, Row, Unit, WIDEST, daily, days, scenario};
use crate::prove::estimate::Ratio;
use crate::prove::exact;

/// How long the upstream works on a call on average, in ms.
const SERVICE_MS: f64 = 100.0;
/// How long is played before calls count: far longer than a line remembers.
const WARM_UP: Span = Span::from_secs(200);
/// Those who share the upstream.
const CONSUMERS: u32 = 20;

pub(super) fn rows() -> Vec<Row> {
    let mean = SERVICE_MS / 1e3 * SECOND as f64;
    let exponential = Distribution::Exponential { mean };
    let uniform = Distribution::Uniform { from: 0.0, to: 2.0 * mean };
    let one = |name, service, second_moment: f64, seconds| {
        let exact = SERVICE_MS * (1.0 + exact::wait_of_one(0.6, second_moment));
        let formula = "E[S] + λE[S²]/2(1 − ρ)";
        waiting(name, formula, 1, 0.6, service, exact, seconds)
    };
    let many = |name, places: u32, load: f64, seconds| {
        let exact = SERVICE_MS * (1.0 + exact::wait_of_many(places, load));
        waiting(name, "E[S] + C(c, a)E[S]/(c − a)", places, load, exponential.clone(), exact, seconds)
    };
    vec![
        one("M/M/1", exponential.clone(), 2.0, 9_000),
        one("M/D/1", Distribution::Constant(mean), 1.0, 4_000),
        one("M/G/1, uniform service", uniform, 4.0 / 3.0, 5_000),
        many("M/M/4", 4, 0.8, 6_000),
        many("M/M/64", 64, 0.9, 1_500),
        retries(),
    ]
}

fn waiting(
    name: &'static str,
    formula: &'static str,
    places: u32,
    load: f64,
    service: Distribution,
    exact: f64,
    seconds: u64,
) -> Row {
    let calls = load * f64::from(places) / (SERVICE_MS / 1e3) * DAY as f64 / SECOND as f64;
    let cohort = Cohort::new("all", CONSUMERS, daily(calls / f64::from(CONSUMERS)));
    let mut scenario = scenario(Span::from_secs(seconds), Plan::new("free"), cohort);
    scenario.upstreams[0].latency = service;
    scenario.upstreams[0].capacity = Some(places);
    Row {
        name,
        formula,
        parameters: format!("c = {places}, ρ = {load}, E[S] = {SERVICE_MS} ms"),
        unit: Unit::Milliseconds,
        exact,
        widest: WIDEST,
        scenario,
        grows: Grows::Horizon,
        measure: Measure::Sojourn(WARM_UP),
    }
}

/// Each attempt fails with the same chance, and a call is tried so often at most.
fn retries() -> Row {
    const PERCENT: u64 = 30;
    const RETRIES: u32 = 3;
    let retry = Retry {
        on: Failures::SERVER,
        attempts: RETRIES + 1,
        delay: Delay::constant(Span::from_secs(1)),
        ..Client::none().retry
    };
    let client = Client { retry, ..Client::none() };
    let mut scenario: Scenario =
        scenario(days(1), Plan::new("free"), Cohort { client, ..Cohort::new("all", 40, daily(100.0)) });
    scenario.upstreams[0].errors = Chance::of(PERCENT, 100).into();
    let f = PERCENT as f64 / 100.0;
    Row {
        name: "client retries",
        formula: "(1 − f^(K+1))/(1 − f) attempts a call",
        parameters: format!("f = {f}, K = {RETRIES}"),
        unit: Unit::Count,
        exact: (1.0 - f.powi(RETRIES as i32 + 1)) / (1.0 - f),
        widest: WIDEST,
        scenario,
        grows: Grows::Consumers,
        measure: Measure::Outcome(attempts),
    }
}

fn attempts(outcome: &Outcome) -> Ratio {
    let [cohort] = &outcome.cohorts[..] else { unreachable!("a row has one cohort") };
    Ratio { above: cohort.offered() as f64, below: (cohort.offered() - cohort.retried) as f64 }
}
