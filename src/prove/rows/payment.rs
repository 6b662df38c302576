//! Dunning, webhooks and populations: consumers who do not call, and whose one invoice is declined or told of by webhook, or
//! who come and go.

use farebox_engine::billing::tally::Count;
use farebox_engine::draw::Chance;
use farebox_engine::model::{Card, Cohort, Dunning, Funds, Joined, Length, Period, Plan, Scenario};
use farebox_engine::money::{Money, NANOS};
use farebox_engine::outcome::{CohortOutcome, Outcome};
use farebox_engine::time::Span;
use jiff::ToSpan;

use super::{Grows, Measure, Row, SILENT, Unit, WIDEST, days, scenario};
use crate::prove::estimate::Ratio;
use crate::prove::exact;

/// How likely an attempt is declined, each on its own.
const DECLINED: (u64, u64) = (3, 5);
/// Means of a card's two states, in days.
const BROKE: u64 = 10;
const FUNDED: u64 = 20;
/// When retries come: gaps in days, each from the attempt before.
const SCHEDULES: [(&str, &[u64]); 3] = [
    ("two-state card, gaps 3 5 7", &[3, 5, 7]),
    ("two-state card, gaps 8 8 8", &[8, 8, 8]),
    ("two-state card, gaps 2 5 7 7", &[2, 5, 7, 7]),
];

pub(super) fn rows() -> Vec<Row> {
    let mut rows = independent();
    rows.extend(SCHEDULES.map(two_state));
    rows.push(duplicates());
    rows.push(population());
    rows
}

// === Dunning ===

fn independent() -> Vec<Row> {
    let gaps = [3, 5, 7];
    let (declined, of) = DECLINED;
    let chance = 1.0 - declined as f64 / of as f64;
    let chances = gaps.map(|_| chance);
    let row = |name, formula, unit, exact, read| Row {
        name,
        formula,
        parameters: format!("p = {chance}, {} retries", gaps.len()),
        unit,
        exact,
        widest: WIDEST,
        scenario: dunned(Card::declining(Chance::of(declined, of)), &gaps, 1_900),
        grows: Grows::Consumers,
        measure: Measure::Outcome(read),
    };
    vec![
        row("retries: share recovered", "1 − Π(1−pₖ)", Unit::Share, exact::recovered(&chances), recovered),
        row("retries: attempts", "Σₖ Π(1−pⱼ) over j < k", Unit::Count, exact::retries(&chances), retries),
    ]
}

fn two_state((name, gaps): (&'static str, &[u64])) -> Row {
    let (broke, funded) = (BROKE as f64, FUNDED as f64);
    let chances: Vec<f64> = gaps.iter().map(|gap| exact::funded_after(*gap as f64, broke, funded)).collect();
    let card = Card { funds: Some(Funds { broke: days(BROKE), funded: days(FUNDED) }), ..Card::good() };
    Row {
        name,
        formula: "1 − Π(1−q(gₖ)), q(g) = α/(α+β)·(1−e^(−(α+β)g))",
        parameters: format!("1/α = {BROKE} d, 1/β = {FUNDED} d"),
        unit: Unit::Share,
        exact: exact::recovered(&chances),
        widest: WIDEST,
        scenario: dunned(card, gaps, 3_400),
        grows: Grows::Consumers,
        measure: Measure::Outcome(recovered),
    }
}

/// A trial of thirty days, and one yearly fee when it ends: by then a card that had money at the start has it or not as
/// if it had always been there, and a failed payment is dunned until the last retry, long before the next invoice.
fn dunned(card: Card, gaps: &[u64], consumers: u32) -> Scenario {
    let trial = days(30);
    let plan = Plan {
        fee: Money::from_nanos(120 * NANOS),
        fee_period: Some(Period::Year),
        trial: Some(Length::Exact(trial)),
        ..Plan::new("yearly")
    };
    let mut cohort = Cohort::new("all", consumers, SILENT);
    cohort.joined = Joined::Start;
    cohort.card = Some(card);
    let horizon = trial + days(gaps.iter().sum::<u64>() + 1);
    let mut scenario = scenario(horizon, plan, cohort);
    scenario.payments.dunning = Dunning { retries: gaps.iter().copied().map(days).collect(), ..Dunning::default() };
    scenario
}

/// Of the invoices whose first attempt failed, those that a later one has paid.
fn recovered(outcome: &Outcome) -> Ratio {
    let cohort = only(outcome);
    Ratio { above: cohort.paid_by_attempt[1..].iter().sum::<u64>() as f64, below: failed_first(cohort) }
}

/// The retries that each of those invoices took.
fn retries(outcome: &Outcome) -> Ratio {
    let cohort = only(outcome);
    let attempts = cohort.count(Count::Attempts) - cohort.count(Count::Invoices);
    Ratio { above: attempts as f64, below: failed_first(cohort) }
}

fn failed_first(cohort: &CohortOutcome) -> f64 {
    (cohort.count(Count::Invoices) - cohort.paid_by_attempt[0]) as f64
}

fn only(outcome: &Outcome) -> &CohortOutcome {
    let [cohort] = &outcome.cohorts[..] else { unreachable!("a row has one cohort") };
    cohort
}

// === Webhooks ===

/// How often a delivery is not acknowledged: one in four.
const UNACKNOWLEDGED: (u64, u64) = (1, 4);
/// How often an event is tried within three days: 5 s after the first delivery, then four times as far each.
const TRIED_AT_MOST: i32 = 9;

/// Everybody pays one yearly fee at the start, and all is told within three days.
fn duplicates() -> Row {
    let (lost, of) = UNACKNOWLEDGED;
    let a = lost as f64 / of as f64;
    let plan = Plan { fee: Money::from_nanos(120 * NANOS), fee_period: Some(Period::Year), ..Plan::new("yearly") };
    let mut cohort = Cohort::new("all", 1_000, SILENT);
    cohort.joined = Joined::Start;
    let mut scenario = scenario(days(4), plan, cohort);
    scenario.payments.webhooks.duplicate = Chance::of(lost, of);
    Row {
        name: "webhook duplicates",
        formula: "(1−aⁿ)/(1−a) deliveries of an event; 1/(1−a) were it tried for ever",
        parameters: format!("a = {a}, n = {TRIED_AT_MOST}"),
        unit: Unit::Count,
        exact: exact::deliveries(a, TRIED_AT_MOST),
        widest: WIDEST,
        scenario,
        grows: Grows::Consumers,
        measure: Measure::Outcome(deliveries),
    }
}

fn deliveries(outcome: &Outcome) -> Ratio {
    let of = |count| only(outcome).count(count) as f64;
    Ratio { above: of(Count::Deliveries), below: of(Count::Events) }
}

// === Populations ===

/// Who signs up, on average in 30 days.
const SIGNUPS: f64 = 1_400.0;
/// How likely each leaves at a monthly anniversary: two in five.
const CHURN: (u64, u64) = (2, 5);
/// How many months are played: what remains of the first is a few in ten thousand.
const MONTHS: i32 = 18;

/// The calendar's months differ in length; the end is the first of one. Whoever signed up in the k-th month before it has
/// met k − 1 anniversaries, those who came on a 31st too, because what a month lacks falls on its last day.
fn population() -> Row {
    let (leaves, of) = CHURN;
    let churn = leaves as f64 / of as f64;
    let plan = Plan::new("free");
    let start = Scenario::new("", Span::ZERO).start;
    let firsts: Vec<_> = (0..=MONTHS).map(|month| start + month.months()).collect();
    let lengths: Vec<Span> = firsts
        .windows(2)
        .rev()
        .map(|pair| Span::from_secs(pair[1].duration_since(pair[0]).as_secs().unsigned_abs()))
        .collect();
    let horizon = lengths.iter().fold(Span::ZERO, |sum, length| sum + *length);
    let gap_ns = days(30).ns() as f64 / SIGNUPS;
    let signups: Vec<f64> = lengths.iter().map(|length| length.ns() as f64 / gap_ns).collect();
    let expected: f64 = signups.iter().sum();
    let mut cohort = Cohort::new("all", (expected + 8.0 * expected.sqrt()) as u32, SILENT);
    cohort.joined = Joined::Signups { mean_gap_ns: gap_ns };
    cohort.churn = Chance::of(leaves, of);
    Row {
        name: "population",
        formula: "λΣ(1−c)^k, months as long as they are; λ/c in the end",
        parameters: format!("λ = {SIGNUPS} in 30 days, c = {churn}, {MONTHS} months"),
        unit: Unit::Count,
        exact: exact::population(&signups, churn),
        widest: WIDEST,
        scenario: scenario(horizon, plan, cohort),
        grows: Grows::Consumers,
        measure: Measure::Size(present),
    }
}

/// Those who have come, less those who have left.
fn present(outcome: &Outcome) -> f64 {
    let cohort = only(outcome);
    (cohort.count(Count::Joined) - cohort.count(Count::Left)) as f64
}
