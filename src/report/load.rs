//! What a load on sockets has shown, as plain data and as a page for the terminal. It stays outside of the outcome's
//! algebra: two loads of one seed differ, because clocks do.

use std::collections::BTreeMap;

use farebox_engine::money::thousands;
use farebox_engine::outcome::Outcome;
use farebox_engine::record::Recorder;
use farebox_engine::world::World;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::text::{Row, milliseconds, row, table};
use crate::live::stage::FreeRun;

/// A percentile is shown when so many samples lie beyond it; with fewer it would be an accident.
const BEYOND: f64 = 10.0;

/// What a load has shown.
#[derive(Clone, Debug, Serialize)]
pub struct LoadReport {
    /// What became of the calls at the gateway, and the money.
    pub outcome: Outcome,
    /// Calls that the schedule asked for.
    pub offered: u64,
    /// Calls that were sent.
    pub sent: u64,
    /// Calls that were not sent, because too many were in flight.
    pub dropped: u64,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Calls without an answer, by kind.
    pub errors: BTreeMap<&'static str, u64>,
    /// Calls that were still in flight when the drain was over.
    pub unfinished: u64,
    /// From the intended start to the last byte, by class of the answer.
    pub latency_ns: BTreeMap<&'static str, Percentiles>,
    /// From writing the request to the last byte.
    pub service_ns: Percentiles,
    /// How late calls were released after their intended start.
    pub lateness_ns: Percentiles,
}

/// A distribution in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// How many samples there are.
    pub count: u64,
    /// The median; `None` where too few samples lie beyond a percentile.
    pub p50: Option<u64>,
    /// The 90th percentile.
    pub p90: Option<u64>,
    /// The 99th percentile.
    pub p99: Option<u64>,
    /// The 99.9th percentile.
    pub p999: Option<u64>,
    /// The largest.
    pub max: u64,
}

impl Percentiles {
    fn new(histogram: &Histogram<u64>) -> Self {
        let at = |q: f64| {
            let known = histogram.len() as f64 * (1.0 - q) >= BEYOND;
            known.then(|| histogram.value_at_quantile(q))
        };
        Self {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max(),
        }
    }

    fn row(&self, label: &str) -> Row {
        let known = [("p90", self.p90), ("p99", self.p99), ("p99.9", self.p999), ("max", Some(self.max))];
        let known = known.into_iter().filter_map(|(name, ns)| Some(format!("{name} {}", milliseconds(ns?))));
        let note = known.chain([format!("{} calls", thousands(self.count.into()))]).collect::<Vec<_>>().join("   ");
        row(label, self.p50.map_or_else(|| "-".to_owned(), |p50| format!("p50 {}", milliseconds(p50))), note)
    }
}

impl LoadReport {
    /// The report of a load.
    pub fn new(world: &World, run: &FreeRun) -> Self {
        let load = &run.load;
        Self {
            outcome: outcome(world, run),
            offered: load.offered,
            sent: load.offered - load.dropped,
            dropped: load.dropped,
            statuses: load.statuses.clone(),
            errors: load.errors.iter().map(|(error, calls)| (error.name(), *calls)).collect(),
            unfinished: load.unfinished,
            latency_ns: load.latency.iter().map(|(class, ns)| (class.name(), Percentiles::new(ns))).collect(),
            service_ns: Percentiles::new(&load.service),
            lateness_ns: Percentiles::new(&load.lateness),
        }
    }

    /// The page about the sockets; what became of the calls is the outcome's page.
    pub fn render(&self) -> String {
        let count = |label: &str, calls: u64| row(label, thousands(calls.into()), "");
        let mut rows = vec![count("offered", self.offered), count("sent", self.sent), count("dropped", self.dropped)];
        rows.extend(self.statuses.iter().map(|(status, calls)| count(&format!("answered {status}"), *calls)));
        rows.extend(self.errors.iter().map(|(error, calls)| count(&format!("no answer: {error}"), *calls)));
        if self.unfinished > 0 {
            rows.push(count("unfinished", self.unfinished));
        }
        let mut latency: Vec<_> = self.latency_ns.iter().map(|(class, ns)| ns.row(class)).collect();
        latency.push(self.service_ns.row("service time"));
        latency.push(self.lateness_ns.row("released late by"));
        table("Load", &rows) + &table("Latency from the intended start", &latency)
    }
}

/// What the gateway's accounts say, in the same form as a simulation's.
fn outcome(world: &World, run: &FreeRun) -> Outcome {
    let mut recorder = Recorder::new(world.scenario.cohorts.len());
    for history in &run.histories {
        history.tell(world, &mut recorder);
    }
    let everyone: Vec<_> = world.scenario.cohorts.iter().map(|cohort| vec![[0, cohort.count]]).collect();
    Outcome::new(&world.scenario, run.end.traffic.ns().cast_unsigned(), &recorder, &everyone)
}
