//! What a baseline holds of loads: each figure per repeat, the scenario that was played, and the conditions under which the
//! same calls are offered.

use std::collections::BTreeMap;

use farebox_engine::model::Scenario;

use super::simulated::sizes;
use super::{Baseline, FORMAT, Played, Reading, Worse, written};
use crate::live::generator::{Class, Times};
use crate::live::result::LoadReport;
use crate::live::stage::FreeRun;
use crate::measure::Unit;
use crate::measure::interval::Pair;

/// Quantiles of latency that are compared: further out, a few seconds of load say little.
const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];
/// So many samples must lie beyond a quantile for it to be more than an accident.
const BEYOND: f64 = 10.0;

/// One load, as it is compared: a value for each figure that it has.
pub type Repeat = Vec<(String, Unit, Worse, Option<Pair>)>;

/// What must be the same for two loads to be offered the same calls.
pub fn conditions(scenario: &Scenario) -> BTreeMap<String, String> {
    let live = &scenario.live;
    let of = |name: &str, value: String| (name.to_owned(), value);
    let [from, until] = live.measured();
    let rate = if live.stages.is_empty() { format!("{}/s", live.rate_per_s) } else { format!("{:?}", live.stages) };
    let beside = [
        of("kind", "live".to_owned()),
        of("currency", scenario.currency.code.to_owned()),
        of("seed", scenario.seed.to_string()),
        of("rate", if live.closed.is_some() { "closed".to_owned() } else { rate }),
        of("duration", format!("{} s", live.duration.as_secs_f64())),
        of("measured", format!("{} s to {} s", from.ns() as f64 / 1e9, until.ns() as f64 / 1e9)),
    ];
    beside.into_iter().chain(sizes(scenario)).collect()
}

/// What one load has shown.
pub fn read(run: &FreeRun, report: &LoadReport) -> Repeat {
    let mut repeat = Vec::new();
    let mut add = |name: String, unit, worse, value| repeat.push((name, unit, worse, value));
    let sockets = &report.sockets;
    if sockets.is_closed {
        for (name, quantile) in QUANTILES {
            add(format!("service_time.{name}"), Unit::Time, Worse::Higher, at(&run.load.service, quantile));
        }
        // Times are compared by their ratio: the time of one answer is the throughput upside down.
        let lasted = sockets.measured.until_ns - sockets.measured.from_ns;
        let per_answer = Pair { parts: lasted.into(), of: run.load.measured_answered.into() };
        add("time per answer".to_owned(), Unit::Time, Worse::Higher, Some(per_answer).filter(|pair| pair.of > 0));
    } else {
        let served = run.load.latency.get(&Class::Served);
        for (name, quantile) in QUANTILES {
            let value = served.and_then(|times| at(times, quantile));
            add(format!("latency{{outcome=served}}.{name}"), Unit::Time, Worse::Higher, value);
        }
    }
    if !run.load.first_token.histogram.is_empty() {
        add("first_token.p50".to_owned(), Unit::Time, Worse::Higher, at(&run.load.first_token, 0.5));
    }
    if let Some(gateway) = sockets.cpu.get("gateway") {
        let own = Pair { parts: gateway.worked.cpu_ns.into(), of: sockets.sent.into() };
        add(
            "cpu of the gateway per attempt".to_owned(),
            Unit::Time,
            Worse::Higher,
            Some(own).filter(|pair| pair.of > 0),
        );
    }
    let all = sockets.completed + sockets.errors.values().sum::<u64>();
    let share = |of: u64| Some(Pair { parts: of.into(), of: all.into() }).filter(|pair| pair.of > 0);
    let class = |class: Class| sockets.classes.get(class.name()).copied().unwrap_or(0);
    add("refusals.rate".to_owned(), Unit::Share, Worse::Higher, share(class(Class::Refused)));
    let failed = class(Class::Failed) + sockets.errors.values().sum::<u64>();
    add("failures.rate".to_owned(), Unit::Share, Worse::Higher, share(failed));
    repeat
}

fn at(times: &Times, quantile: f64) -> Option<Pair> {
    let is_known = times.histogram.len() as f64 * (1.0 - quantile) >= BEYOND;
    is_known.then(|| Pair::whole(times.histogram.value_at_quantile(quantile).into()))
}

/// The repeats figure by figure, in the order of the first.
pub fn readings(repeats: &[Repeat]) -> Vec<Reading> {
    let Some(first) = repeats.first() else { return Vec::new() };
    let of = |name: &str, repeat: &Repeat| {
        let found = repeat.iter().find(|(figure, ..)| figure == name);
        found.and_then(|(.., value)| *value).map(written)
    };
    let reading = |(name, unit, worse, _): &(String, Unit, Worse, Option<Pair>)| Reading {
        figure: name.clone(),
        unit: *unit,
        worse: *worse,
        each: repeats.iter().map(|repeat| of(name, repeat)).collect(),
    };
    first.iter().map(reading).collect()
}

/// The baseline that these repeats make.
pub fn baseline(scenario: &Scenario, played: Played, repeats: &[Repeat]) -> Baseline {
    Baseline {
        format: FORMAT,
        farebox: env!("CARGO_PKG_VERSION").to_owned(),
        fingerprint: scenario.fingerprint.clone(),
        conditions: conditions(scenario),
        readings: readings(repeats),
        played: Some(played),
    }
}
