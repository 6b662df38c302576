//! What a load on sockets has shown, as plain data (`run.json`). It stays outside of the outcome's algebra: two loads of
//! one seed differ, because clocks do.

use std::collections::BTreeMap;
use std::time::Duration;

use farebox_engine::billing::cause::Cause;
use farebox_engine::model::Live;
use farebox_engine::money::Overflow;
use farebox_engine::outcome::Outcome;
use farebox_engine::time::{SECOND, Time};
use farebox_engine::world::World;
use serde::Serialize;

use super::collector::reconcile::Reconciled;
use super::generator::null::Ceiling;
use super::generator::{Ending, LoadResult, Times, Worked};
use super::proof::{self, Comparison, Difference, Extent, Side};
use super::stage::FreeRun;
use super::validity::Validity;

/// A percentile is shown when so many samples lie beyond it; with fewer it would be an accident.
const BEYOND: f64 = 10.0;

/// What a load has shown.
#[derive(Clone, Debug, Serialize)]
pub struct LoadReport {
    /// What became of the calls at the gateway, and the money.
    pub outcome: Outcome,
    /// How much billing time passed in each second of the load, in ns. Rate limits go by the wall's time all the same.
    pub billing_ns_per_s: u64,
    /// The books beside what the mock payment processor holds; `None` where nobody can be charged.
    pub processor: Option<Reconciled>,
    /// What the generator has seen.
    #[serde(flatten)]
    pub sockets: Sockets,
}

/// What a load on a gateway that is not ours has shown: it has no books.
#[derive(Clone, Debug, Serialize)]
pub struct ForeignReport {
    /// Where the calls went.
    pub target: String,
    /// Why there is no money here.
    pub books: &'static str,
    /// What the generator has seen.
    #[serde(flatten)]
    pub sockets: Sockets,
}

/// What the generator of a load has seen. Counts are of the whole load; times and rates of its measured part.
#[derive(Clone, Debug, Serialize)]
pub struct Sockets {
    /// Whether it says something, and if not, why not.
    pub validity: Validity,
    /// Whether an interrupt has cut the load short: then the figures are partial.
    pub interrupted: bool,
    /// Whether each next call was made once the one before was answered, whatever the schedule said.
    pub is_closed: bool,
    /// Calls that the schedule asked for.
    pub offered: u64,
    /// Attempts at them beside the first of each: what clients tried again.
    pub retried: u64,
    /// Calls that such an attempt has served.
    pub recovered: u64,
    /// Attempts that were sent.
    pub sent: u64,
    /// Connections that were made for them; making one is part of the service time of the attempt that needed it.
    pub connected: u64,
    /// Attempts that were sent more than a millisecond after their intended start.
    pub late: u64,
    /// Attempts that were not sent, because too many were in flight, or no connection was free until the load was over.
    pub dropped: u64,
    /// Attempts that were answered to the end.
    pub completed: u64,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Attempts that were served, refused and failed, as the generator saw it.
    pub classes: BTreeMap<&'static str, u64>,
    /// Attempts that were refused, by the kind of the reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// What answers of a gateway that is not ours gave as their reasons, as `status reason`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<String, u64>,
    /// Times that clients bought credit at a gateway that is not ours, by the status of its answer; `none` where none came.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub top_ups: BTreeMap<String, u64>,
    /// Calls without an answer, by kind.
    pub errors: BTreeMap<&'static str, u64>,
    /// Calls that were still in flight when the drain was over.
    pub unfinished: u64,
    /// What of the load is measured.
    pub measured: Measured,
    /// From the intended start to the last byte, by class of the answer; a closed load intends no start.
    pub latency_ns: BTreeMap<&'static str, Percentiles>,
    /// From the intended start to the first byte of answers that were streamed; nothing where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token_ns: Option<Percentiles>,
    /// From writing the request to the last byte.
    pub service_ns: Percentiles,
    /// How late calls were written after their intended start: behind schedule, or waiting for a connection; nothing in a
    /// closed load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lateness_ns: Option<Percentiles>,
    /// How late they were released: what of the lateness is the generator's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_ns: Option<Percentiles>,
    /// CPU time by role; `generator` alone where the system does not tell of other threads, or they are elsewhere.
    pub cpu: BTreeMap<&'static str, Cpu>,
    /// The most that this generator can do here, where that was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Ceiling>,
}

/// The measured part of a load: without its warm-up and cool-down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// When it begins, in ns since the start.
    pub from_ns: u64,
    /// When it ends.
    pub until_ns: u64,
    /// Attempts a second that were due in it.
    pub offered_per_s: f64,
    /// Attempts a second that were answered in it, whenever they were due.
    pub answered_per_s: f64,
}

/// What threads of one role have worked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cpu {
    /// How many threads, and their CPU time in ns.
    #[serde(flatten)]
    pub worked: Worked,
    /// What of the load's time the one that worked most was on a processor; 1 is all of it.
    pub busiest_share: f64,
    /// CPU time of them all for each attempt that was sent, in ns.
    pub ns_per_attempt: u64,
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
    pub(super) fn of(times: &Times) -> Self {
        let histogram = &times.histogram;
        let at = |q: f64| {
            let known = histogram.len() as f64 * (1.0 - q) >= BEYOND;
            known.then(|| histogram.value_at_quantile(q))
        };
        Self { count: histogram.len(), p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: times.max_ns }
    }
}

impl LoadReport {
    /// The report of a load.
    ///
    /// # Errors
    /// Those of [`FreeRun::outcome`].
    pub fn new(world: &World, run: &FreeRun, ceiling: Option<Ceiling>) -> Result<Self, Overflow> {
        let others =
            run.worked.iter().flat_map(|[gateway, upstreams]| [("gateway", *gateway), ("upstreams", *upstreams)]);
        let seen = Seen {
            live: &world.scenario.live,
            load: &run.load,
            lasted: run.lasted,
            interrupted: run.interrupted,
            others: others.collect(),
            ceiling,
            is_ours: true,
        };
        Ok(Self {
            outcome: run.outcome(world)?,
            processor: run.reconciled,
            billing_ns_per_s: world.schedule.pace().clock.at(Time::from_ns(SECOND as i64)).billing.ns().cast_unsigned(),
            sockets: Sockets::new(&seen),
        })
    }
}

/// What a report of a load is made of.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// What was asked for.
    pub live: &'a Live,
    /// What the generator has counted.
    pub load: &'a LoadResult,
    /// How long it was at it.
    pub lasted: Duration,
    /// Whether it was canceled.
    pub interrupted: bool,
    /// What other roles have worked in this process.
    pub others: Vec<(&'static str, Worked)>,
    /// The generator's ceiling, where it was tried.
    pub ceiling: Option<Ceiling>,
    /// Whether the gateway is the run's own: then nobody but this machine is to blame for a connection that is refused.
    pub is_ours: bool,
}

impl Sockets {
    /// What a generator has seen.
    pub fn new(seen: &Seen<'_>) -> Self {
        let Seen { live, load, .. } = seen;
        let is_closed = live.closed.is_some();
        let own = Percentiles::of;
        let cpu = [("generator", load.worked)].into_iter().chain(seen.others.iter().copied());
        Self {
            validity: Validity::of(seen),
            interrupted: seen.interrupted,
            is_closed,
            offered: load.offered,
            retried: load.retried,
            recovered: load.recovered,
            sent: load.sent,
            connected: load.connected,
            late: load.late,
            dropped: load.dropped,
            completed: load.answered(),
            statuses: counted(load, |ending| Some(ending.status)),
            classes: counted(load, |ending| Some(ending.class.name())),
            refused: counted(load, |ending| Some(ending.kind()?.name())),
            reasons: load.reasons.iter().map(|((status, word), calls)| (format!("{status} {word}"), *calls)).collect(),
            top_ups: load.top_ups.iter().map(|(status, times)| (answered(*status), *times)).collect(),
            errors: load.errors.iter().map(|(error, calls)| (error.name(), *calls)).collect(),
            unfinished: load.unfinished,
            measured: Measured::of(live, load),
            latency_ns: load.latency.iter().map(|(class, times)| (class.name(), own(times))).collect(),
            first_token_ns: (!load.first_token.histogram.is_empty()).then(|| own(&load.first_token)),
            service_ns: own(&load.service),
            lateness_ns: (!is_closed).then(|| own(&load.lateness)),
            lag_ns: (!is_closed).then(|| own(&load.lag)),
            cpu: cpu.map(|(role, worked)| (role, Cpu::of(worked, seen))).collect(),
            ceiling: seen.ceiling,
        }
    }
}

/// Answers by something of how they ended.
/// A status, or that no answer came.
fn answered(status: Option<u16>) -> String {
    status.map_or_else(|| "none".to_owned(), |status| status.to_string())
}

fn counted<K: Ord>(load: &LoadResult, by: impl Fn(Ending) -> Option<K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    for (ending, calls) in &load.ends {
        if let Some(key) = by(*ending) {
            *counts.entry(key).or_default() += calls;
        }
    }
    counts
}

impl Measured {
    pub(super) fn of(live: &Live, load: &LoadResult) -> Self {
        let [from, until] = live.measured();
        let until = load.ended.map_or(until, |at| until.min(at).max(from));
        let seconds = until.since(from).as_secs_f64();
        let per_s = |calls: u64| if seconds > 0.0 { calls as f64 / seconds } else { 0.0 };
        Self {
            from_ns: from.ns().cast_unsigned(),
            until_ns: until.ns().cast_unsigned(),
            offered_per_s: per_s(load.measured_offered),
            answered_per_s: per_s(load.measured_answered),
        }
    }
}

impl Cpu {
    fn of(worked: Worked, seen: &Seen<'_>) -> Self {
        Self {
            worked,
            busiest_share: worked.busiest_ns as f64 / (seen.lasted.as_nanos() as f64).max(1.0),
            ns_per_attempt: worked.cpu_ns / seen.load.sent.max(1),
        }
    }
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
