//! What a baseline holds of a simulation: each figure per replication, and the conditions under which the draws are the
//! same.

use std::collections::BTreeMap;

use farebox_engine::model::{Measure, Number, Scenario, Selector, Statistic, Wrongly};
use farebox_engine::outcome::{CohortOutcome, Outcome};

use super::{Baseline, FORMAT, Reading, Worse, written};
use crate::measure::interval::Pair;
use crate::measure::{Subject, Unit, unit};

/// What is judged, and which way is bad.
const FIGURES: [(&str, Measure, Worse); 7] = [
    ("revenue.earned", Measure::Revenue("earned"), Worse::Lower),
    ("revenue.collected", Measure::Revenue("collected"), Worse::Lower),
    ("refusals.rate", Measure::Refusals(Number::Rate), Worse::Higher),
    ("false_refusals.count", Measure::FalseRefusals(Wrongly::Count), Worse::Higher),
    ("leaks.count", Measure::Leaks(Wrongly::Count), Worse::Higher),
    ("latency.p50", Measure::Latency(Statistic::Quantile(500)), Worse::Higher),
    ("latency.p99", Measure::Latency(Statistic::Quantile(990)), Worse::Higher),
];
/// The judge of answers counts these; where there is none they are not zero, but unknown.
const JUDGED: [&str; 2] = ["false_refusals.count", "leaks.count"];

/// What must be the same for replication *i* of two simulations to be drawn alike, and their money to be of one kind.
pub fn conditions(scenario: &Scenario) -> BTreeMap<String, String> {
    let of = |name: &str, value: String| (name.to_owned(), value);
    let beside = [
        of("kind", "simulated".to_owned()),
        of("currency", scenario.currency.code.to_owned()),
        of("seed", scenario.seed.to_string()),
        of("start", scenario.start.to_string()),
        of("horizon", format!("{} s", scenario.horizon.as_secs_f64())),
        of("replications", scenario.replications.to_string()),
    ];
    beside.into_iter().chain(sizes(scenario)).collect()
}

/// How many consumers each cohort has.
pub(super) fn sizes(scenario: &Scenario) -> impl Iterator<Item = (String, String)> {
    scenario.cohorts.iter().map(|cohort| (format!("cohort {}", cohort.name), format!("{} consumers", cohort.count)))
}

/// The baseline that this outcome makes.
pub fn baseline(subject: &Subject<'_>) -> Baseline {
    Baseline {
        format: FORMAT,
        farebox: env!("CARGO_PKG_VERSION").to_owned(),
        fingerprint: subject.outcome.fingerprint.clone(),
        conditions: conditions(subject.scenario),
        readings: readings(subject),
        played: None,
    }
}

/// Each figure per replication.
pub fn readings(subject: &Subject<'_>) -> Vec<Reading> {
    let alone = |cohorts: &[CohortOutcome]| Outcome {
        cohorts: cohorts.to_vec(),
        stacked: Vec::new(),
        ..subject.outcome.clone()
    };
    let each: Vec<Outcome> = subject.outcome.replications().map(alone).collect();
    let is_judged = subject.outcome.cohorts.iter().all(|cohort| cohort.oracle.is_some());
    let of = |(name, measure, worse): (&str, Measure, Worse)| {
        let read = |outcome: &Outcome| {
            let subject = Subject { outcome, ..*subject };
            let measured = subject.measure(measure, &Selector::default()).ok();
            measured.map(|measured| written(measured.value))
        };
        Reading { figure: name.to_owned(), unit: unit(measure), worse, each: each.iter().map(read).collect() }
    };
    let figures = FIGURES.into_iter().filter(|(name, ..)| is_judged || !JUDGED.contains(name));
    figures.map(of).chain([consumers_refused(&each)]).collect()
}

/// Consumers who were refused at least once, counted for each cause apart: who is refused for two counts twice.
fn consumers_refused(each: &[Outcome]) -> Reading {
    let of = |outcome: &Outcome| {
        let refused = outcome.cohorts.iter().flat_map(|cohort| cohort.consumers_refused.values());
        Some(written(Pair::whole(refused.map(|consumers| i128::from(*consumers)).sum())))
    };
    Reading {
        figure: "consumers refused".to_owned(),
        unit: Unit::Count,
        worse: Worse::Higher,
        each: each.iter().map(of).collect(),
    }
}
