//! Quotas and prices: the calls of a consumer's day are a Poisson count.

use farebox_engine::billing::ledger::Movement;
use farebox_engine::distribution::Distribution;
use farebox_engine::model::{Arrivals, Cohort, Joined, PastAllowance, Period, Plan, Price, REQUESTS, Tier, UnitPrice};
use farebox_engine::money::{Money, NANOS};
use farebox_engine::outcome::Outcome;
use farebox_engine::time::{DAY, HOUR, Span};

use super::{Grows, Measure, Row, Unit, WIDEST, daily, days, refused, scenario};
use crate::prove::estimate::Ratio;
use crate::prove::exact::{self, Step};

/// Calls a day, on average.
const M: f64 = 30.0;
/// How many of them the plan includes.
const QUOTA: u64 = 25;
/// The shape of the gamma law of rates.
const SHAPE: f64 = 2.0;
/// How many days are billed.
const BILLED: u64 = 6;
/// Prices, in cents.
const OVERAGE: i64 = 4;
const PACKAGE: (u64, i64) = (8, 150);
const COMMIT: (i64, i64) = (200, 7);
/// Tiers: the last unit, what entering costs and what a unit costs.
const TIERS: [(u64, i64, i64); 3] = [(10, 50, 10), (30, 200, 7), (u64::MAX, 25, 3)];

pub(super) fn rows() -> Vec<Row> {
    let mut rows = quota();
    rows.push(overage());
    rows.extend(bills());
    rows.push(gamma());
    rows
}

// === Quotas ===

fn quota() -> Vec<Row> {
    let row = |name, formula, unit, exact, cohort, horizon, measure| Row {
        name,
        formula,
        parameters: format!("m = {M}, Q = {QUOTA}"),
        unit,
        exact,
        widest: WIDEST,
        scenario: scenario(horizon, included(), cohort),
        grows: Grows::Consumers,
        measure,
    };
    let hours = 24.0;
    vec![
        // Anchors are spread over the day before the start, and the horizon is whole days: what is missing of the first
        // period is there of the last.
        row(
            "quota: share refused",
            "E[(N−Q)⁺]/m",
            Unit::Share,
            exact::share_beyond(M, QUOTA),
            Cohort::new("all", 300, daily(M)),
            days(6),
            Measure::Outcome(refused),
        ),
        row(
            "quota: time of exhaustion",
            "Erlang(Q, λ), censored: E[min(N, Q)]/λ",
            Unit::Hours,
            hours * exact::time_until(QUOTA, M),
            at_the_start(150),
            days(1),
            Measure::Moments(|moments| of_hours(moments.exhausted_ns, moments.consumers)),
        ),
        row(
            "quota: time of first refusal",
            "Erlang(Q+1, λ), censored: E[min(N, Q+1)]/λ",
            Unit::Hours,
            hours * exact::time_until(QUOTA + 1, M),
            at_the_start(150),
            days(1),
            Measure::Moments(|moments| of_hours(moments.refused_ns, moments.consumers)),
        ),
    ]
}

fn of_hours(ns: f64, consumers: f64) -> Ratio {
    Ratio { above: ns / HOUR as f64, below: consumers }
}

/// A plan that includes the quota and then refuses.
fn included() -> Plan {
    let mut plan = Plan { usage_period: Some(Period::Day), ..Plan::new("included") };
    plan.allowance[REQUESTS] = Some(QUOTA);
    plan
}

fn gamma() -> Row {
    let mut cohort = Cohort::new("all", 4_000, daily(M));
    let spread = Distribution::Gamma { shape: SHAPE, mean: 1.0 };
    cohort.arrivals = Arrivals::Poisson { mean_gap_ns: DAY as f64 / M, spread: Some(spread) };
    Row {
        name: "gamma rates: share refused",
        formula: "N ~ NB(k, 1/(1+θ)): E[(N−Q)⁺]/kθ",
        parameters: format!("k = {SHAPE}, kθ = {M}, Q = {QUOTA}"),
        unit: Unit::Share,
        exact: exact::share_beyond_of_gamma(SHAPE, M / SHAPE, QUOTA),
        widest: WIDEST,
        scenario: scenario(days(1), included(), cohort),
        grows: Grows::Consumers,
        measure: Measure::Outcome(refused),
    }
}

// === Prices ===

fn overage() -> Row {
    let mut plan = Plan { past_allowance: PastAllowance::Overage, ..included() };
    plan.overage[REQUESTS] = Some(Price::PerUnit(UnitPrice { amount: cents(OVERAGE), per: 1 }));
    Row {
        name: "overage revenue",
        formula: "p·E[(N−Q)⁺], a day",
        parameters: format!("m = {M}, Q = {QUOTA}, p = {}", dollars(OVERAGE)),
        unit: Unit::Dollars,
        exact: in_dollars(OVERAGE) * M * exact::share_beyond(M, QUOTA),
        widest: WIDEST,
        scenario: scenario(days(BILLED), plan, Cohort::new("all", 480, daily(M))),
        grows: Grows::Consumers,
        measure: Measure::Outcome(|outcome| a_day(outcome.figures().earned_usage, outcome)),
    }
}

fn bills() -> Vec<Row> {
    let steps = TIERS.map(|(up_to, flat, unit)| Step { up_to, flat: in_dollars(flat), unit: in_dollars(unit) });
    let tiers = || TIERS.map(|(up_to, flat, unit)| Tier { up_to, flat: cents(flat), unit: per_unit(unit) }).to_vec();
    let ends = TIERS.map(|(up_to, ..)| if up_to == u64::MAX { "∞".to_owned() } else { up_to.to_string() });
    let [flats, units] = [TIERS.map(|(_, flat, _)| dollars(flat)), TIERS.map(|(.., unit)| dollars(unit))];
    let of_tiers = format!("U = {}; f = {}; p = {}", ends.join(", "), flats.join(", "), units.join(", "));
    let (size, package) = PACKAGE;
    let (commit, unit) = COMMIT;
    let package_price = Price::Package { size, price: cents(package), free: 0 };
    let row = |name, formula, parameters: String, exact, price, minimum, consumers| {
        let mut plan = Plan { usage_period: Some(Period::Day), minimum: cents(minimum), ..Plan::new("priced") };
        plan.prices[REQUESTS] = Some(price);
        Row {
            name,
            formula,
            parameters: format!("m = {M}, {parameters}"),
            unit: Unit::Dollars,
            exact,
            widest: WIDEST,
            // The invoice of the last day is made when it has ended.
            scenario: scenario(Span::from_ns(BILLED * DAY + 1), plan, at_the_start(consumers)),
            grows: Grows::Consumers,
            measure: Measure::Outcome(|outcome| a_day(outcome.moved(Movement::InvoiceUsage), outcome)),
        }
    };
    vec![
        row(
            "graduated bill",
            "Σ pⱼ(E[min(N,Uⱼ)] − E[min(N,lⱼ)]) + Σ fⱼP(N > lⱼ)",
            of_tiers.clone(),
            exact::graduated(M, &steps),
            Price::Graduated(tiers()),
            0,
            100,
        ),
        row(
            "volume bill",
            "Σ pⱼm[P(N ≤ Uⱼ−1) − P(N ≤ lⱼ−1)] + Σ fⱼ[P(N ≤ Uⱼ) − P(N ≤ lⱼ)]",
            of_tiers,
            exact::volume(M, &steps),
            Price::Volume(tiers()),
            0,
            300,
        ),
        row(
            "package bill",
            "p·Σ P(N ≥ kB+1), k ≥ 0",
            format!("B = {size}, p = {}", dollars(package)),
            exact::packages(M, size, in_dollars(package)),
            package_price,
            0,
            100,
        ),
        row(
            "minimum commit",
            "C + p[m·P(N ≥ ⌊Q⌋) − Q·P(N ≥ ⌊Q⌋+1)], Q = C/p",
            format!("C = {}, p = {}", dollars(commit), dollars(unit)),
            exact::minimum_commit(M, in_dollars(commit), in_dollars(unit)),
            Price::PerUnit(per_unit(unit)),
            commit,
            100,
        ),
    ]
}

/// What an amount of all consumers is for one, a day.
fn a_day(nanos: i128, outcome: &Outcome) -> Ratio {
    let (consumers, _) = outcome.consumers();
    Ratio { above: nanos as f64 / NANOS as f64, below: (consumers * BILLED) as f64 }
}

/// Consumers whose first period begins at the start.
fn at_the_start(count: u32) -> Cohort {
    Cohort { joined: Joined::Start, ..Cohort::new("all", count, daily(M)) }
}

const fn cents(cents: i64) -> Money {
    Money::from_nanos(cents * (NANOS / 100))
}

const fn per_unit(of_cents: i64) -> UnitPrice {
    UnitPrice { amount: cents(of_cents), per: 1 }
}

fn in_dollars(cents: i64) -> f64 {
    cents as f64 / 100.0
}

fn dollars(cents: i64) -> String {
    format!("${:.2}", in_dollars(cents))
}
