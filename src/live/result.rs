//! What a load on sockets has shown, as plain data (`run.json`). It stays outside of the outcome's algebra: two loads of
//! one seed differ, because clocks do.

use std::collections::BTreeMap;

use farebox_engine::billing::cause::Cause;
use farebox_engine::money::Overflow;
use farebox_engine::outcome::Outcome;
use farebox_engine::time::{SECOND, Time};
use farebox_engine::world::World;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::generator::{CallError, Times};
use super::proof::{self, Comparison, Difference, Extent, Side};
use super::stage::FreeRun;

/// At most one call in so many may be dropped, or find no connection.
const DROPPED_MOST: u64 = 1_000;
/// How late the 99th percentile of calls may be written.
const LATE_MOST_NS: u64 = 50_000_000;

/// A percentile is shown when so many samples lie beyond it; with fewer it would be an accident.
const BEYOND: f64 = 10.0;

/// What a load has shown.
#[derive(Clone, Debug, Serialize)]
pub struct LoadReport {
    /// What became of the calls at the gateway, and the money.
    pub outcome: Outcome,
    /// Whether an interrupt has cut the load short: then the figures are partial.
    pub interrupted: bool,
    /// How much billing time passed in each second of the load, in ns. Rate limits go by the wall's time all the same.
    pub billing_ns_per_s: u64,
    /// Calls that the schedule asked for.
    pub offered: u64,
    /// Attempts at them beside the first of each: what clients tried again.
    pub retried: u64,
    /// Calls that such an attempt has served.
    pub recovered: u64,
    /// Attempts that were sent.
    pub sent: u64,
    /// Attempts that were not sent, because too many were in flight, or no connection was free until the load was over.
    pub dropped: u64,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Calls without an answer, by kind.
    pub errors: BTreeMap<&'static str, u64>,
    /// Calls that were still in flight when the drain was over.
    pub unfinished: u64,
    /// From the intended start to the last byte, by class of the answer.
    pub latency_ns: BTreeMap<&'static str, Percentiles>,
    /// From the intended start to the first byte of answers that were streamed; nothing where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token_ns: Option<Percentiles>,
    /// From writing the request to the last byte.
    pub service_ns: Percentiles,
    /// How late calls were written after their intended start: behind schedule, or waiting for a connection.
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
    fn of(times: &Times) -> Self {
        Self { max: times.max_ns, ..Self::new(&times.histogram) }
    }

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
}

impl LoadReport {
    /// The report of a load.
    ///
    /// # Errors
    /// Those of [`FreeRun::outcome`].
    pub fn new(world: &World, run: &FreeRun) -> Result<Self, Overflow> {
        let load = &run.load;
        Ok(Self {
            outcome: run.outcome(world)?,
            interrupted: run.interrupted,
            billing_ns_per_s: world.schedule.pace().clock.at(Time::from_ns(SECOND as i64)).billing.ns().cast_unsigned(),
            offered: load.offered,
            retried: load.retried,
            recovered: load.recovered,
            sent: load.offered + load.retried - load.dropped,
            dropped: load.dropped,
            statuses: load.statuses.clone(),
            errors: load.errors.iter().map(|(error, calls)| (error.name(), *calls)).collect(),
            unfinished: load.unfinished,
            latency_ns: load.latency.iter().map(|(class, times)| (class.name(), Percentiles::of(times))).collect(),
            first_token_ns: (!load.first_token.histogram.is_empty()).then(|| Percentiles::of(&load.first_token)),
            service_ns: Percentiles::new(&load.service),
            lateness_ns: Percentiles::new(&load.lateness),
        })
    }

    /// Why the generator could not offer what was asked, if it could not: then the run says nothing about the gateway.
    pub fn limit(&self) -> Option<Limit> {
        if self.dropped * DROPPED_MOST > self.offered {
            return Some(Limit::Dropped(self.dropped));
        }
        let unconnected = self.errors.get(CallError::Connect.name()).copied().unwrap_or(0);
        if unconnected * DROPPED_MOST > self.offered {
            return Some(Limit::Unconnected(unconnected));
        }
        self.lateness_ns.p99.filter(|ns| *ns > LATE_MOST_NS).map(Limit::Late)
    }
}

/// Why a generator could not offer what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Too many calls were in flight, for the limit or for the connections: this many were not sent.
    Dropped(u64),
    /// This many calls found no connection.
    Unconnected(u64),
    /// One call in a hundred was written later than this many ns after its intended start.
    Late(u64),
}

// === Proofs ===

/// What `run` adds to the simulated outcome.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// Events of the lockstep, all equal to the twin's.
    pub lockstep: Proven,
    /// Events of the free-running load, all decided alike again by the replay.
    pub replay: Proven,
    /// How the free-running load compares with its twin.
    pub free_running: FreeRunning,
    /// What the free-running load has shown.
    pub load: LoadReport,
}

/// How much a proof has looked at.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Proven {
    /// Consumers.
    pub consumers: u64,
    /// Decisions and answers.
    pub events: u64,
}

/// Decisions of the free-running load beside its twin's.
#[derive(Clone, Debug, Serialize)]
pub struct FreeRunning {
    /// Calls that both decided.
    pub compared: u64,
    /// Calls of the twin that the load did not make.
    pub not_made: u64,
    /// Calls that the load made and the twin did not: of consumers who have left, which the generator hears of with their
    /// next answer.
    pub made_beside: u64,
    /// Calls that were decided differently.
    pub differences: Vec<DifferenceRow>,
}

/// A call that the load decided otherwise than its twin: real clocks jitter, and it was near a boundary.
#[derive(Clone, Debug, Serialize)]
pub struct DifferenceRow {
    /// As `cohort/index`.
    pub consumer: String,
    /// Which call of the consumer.
    pub call: u64,
    /// What the twin decided: `served`, or the cause.
    pub twin: &'static str,
    /// What the load decided.
    pub load: &'static str,
    /// The rule that one of them failed.
    pub boundary: &'static str,
    /// How far the twin was from it.
    pub twin_distance: String,
    /// How far the load was from it.
    pub load_distance: String,
}

impl From<Extent> for Proven {
    fn from(Extent { consumers, events }: Extent) -> Self {
        Self { consumers, events }
    }
}

impl FreeRunning {
    /// The comparison in words.
    pub fn new(world: &World, comparison: &Comparison) -> Self {
        Self {
            compared: comparison.compared,
            not_made: comparison.not_made,
            made_beside: comparison.made_beside,
            differences: comparison
                .differences
                .iter()
                .map(|difference| DifferenceRow::new(world, difference))
                .collect(),
        }
    }
}

impl DifferenceRow {
    fn new(world: &World, difference: &Difference) -> Self {
        let boundary = difference.boundary();
        let decided = |side: &Side| side.refused.map_or("served", Cause::name);
        Self {
            consumer: proof::name(world, difference.consumer),
            call: difference.call,
            twin: decided(&difference.twin),
            load: decided(&difference.live),
            boundary: boundary.name(),
            twin_distance: difference.twin.distance(boundary, world),
            load_distance: difference.live.distance(boundary, world),
        }
    }
}
