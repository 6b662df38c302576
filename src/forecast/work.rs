//! How much work a simulation is: calls, and by measured constants the time and memory that they take.

use std::num::NonZeroUsize;

use farebox_engine::model::{Arrivals, Joined, Scenario, TraceRow};
use farebox_engine::world::schedule::Pace;
use serde::Serialize;

use super::arrivals;
use super::traffic::Traffic;

/// Time that a simulated call takes on one core of an optimised build, when it certainly passes and is served before the
/// next: a million consumers of the bench `simulation`.
const CALL_NS: f64 = 24.0;
/// Time that it takes when it is decided by itself: the reading of that bench from before calls were settled together.
const CALL_ALONE_NS: f64 = 77.0;
/// Time that it takes among many consumers who share something, each with its state elsewhere in memory: the reading of
/// the bench `simulation`, a component of a hundred thousand.
const CALL_SHARED_NS: f64 = 650.0;
/// What a consumer of a component keeps while it is played: a hundred thousand of them take 280 to 313 MB beside the program.
const PLAYER_BYTES: u64 = 2_950;
/// The program before it has played anything: code, runtime, the scenario; a quickstart of one thread peaks at 14 MB.
const PROGRAM_BYTES: u64 = 16 << 20;
/// What a thread keeps per cohort: 57 octaves of latencies in 128 buckets of 8 bytes, 200 buckets of a timeline of 80 bytes,
/// and its counters.
const RECORD_BYTES: u64 = 76_000;
/// Consumers that a thread takes at once: with fewer than that a further thread finds nothing to do.
const CHUNK: u64 = 64;

/// What a simulation of the whole horizon takes.
#[derive(Clone, Debug, Serialize)]
pub struct Work {
    /// Calls that are played, in all replications: those of the horizon, and those before it that an allowance has already
    /// counted.
    pub calls: f64,
    /// On how many threads.
    pub threads: u64,
    /// Estimated time, in ns.
    pub time_ns: u64,
    /// Estimated memory; it hardly grows with calls or consumers.
    pub memory_bytes: u64,
    /// What the time is estimated from: ns that a call takes on one core.
    pub ns_per_call: f64,
    /// What the memory is estimated from: bytes of counters per cohort and thread.
    pub bytes_per_cohort: u64,
    /// And bytes per consumer, where all of them are played at once; else nothing.
    pub bytes_per_consumer: u64,
}

/// Consumers that share something are one component, played by one thread.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Components {
    /// How many there are.
    pub count: u64,
    /// Consumers of the largest one.
    pub largest: u64,
}

impl Work {
    /// Of calls that take so long behind the gateway.
    pub(super) fn new(scenario: &Scenario, traffic: &[Traffic<'_>], jobs: NonZeroUsize, latency_ns: f64) -> Self {
        let replications = f64::from(scenario.replications);
        let calls: f64 =
            traffic.iter().map(|traffic| traffic.calls + before(scenario, traffic)).sum::<f64>() * replications;
        if scenario.is_shared() {
            let expected = traffic.iter().map(|traffic| traffic.calls).sum::<f64>() * replications;
            return Self::shared(scenario, expected, calls - expected);
        }
        let chunks: u64 = scenario.cohorts.iter().map(|cohort| u64::from(cohort.count).div_ceil(CHUNK)).sum();
        let threads = (jobs.get() as u64).min(chunks).max(1);
        // A call that overlaps with the next is decided by itself, and so is each of a session.
        let overlapping = |traffic: &Traffic| match arrivals::sessions(traffic.cohort) {
            Some(_) => 1.0,
            None => (traffic.rate * arrivals::process(traffic.cohort).peak() * latency_ns).min(1.0),
        };
        let alone: f64 = traffic.iter().map(|traffic| traffic.calls * overlapping(traffic)).sum::<f64>() * replications;
        let time_ns = calls * CALL_NS + alone * (CALL_ALONE_NS - CALL_NS);
        let records = threads * scenario.cohorts.len() as u64 * RECORD_BYTES;
        Self {
            calls,
            threads,
            time_ns: (time_ns / threads as f64) as u64,
            memory_bytes: PROGRAM_BYTES + records + traces(scenario),
            ns_per_call: if calls > 0.0 { time_ns / calls } else { CALL_NS },
            bytes_per_cohort: RECORD_BYTES,
            bytes_per_consumer: 0,
        }
    }
}

impl Work {
    /// Of consumers who share something: one thread, and all of them in memory.
    fn shared(scenario: &Scenario, calls: f64, before: f64) -> Self {
        let consumers: u64 = scenario.cohorts.iter().map(|cohort| u64::from(cohort.count)).sum();
        let records = scenario.cohorts.len() as u64 * RECORD_BYTES;
        let time_ns = calls * CALL_SHARED_NS + before * CALL_NS;
        Self {
            calls: calls + before,
            threads: 1,
            time_ns: time_ns as u64,
            memory_bytes: PROGRAM_BYTES + records + traces(scenario) + consumers * PLAYER_BYTES,
            ns_per_call: if calls > 0.0 { time_ns / (calls + before) } else { CALL_SHARED_NS },
            bytes_per_cohort: RECORD_BYTES,
            bytes_per_consumer: PLAYER_BYTES,
        }
    }
}

/// Calls before the start: those who joined before it are half-way through a period on average, and what they used of
/// its allowances counts.
fn before(scenario: &Scenario, traffic: &Traffic<'_>) -> f64 {
    let is_limited = traffic.plan.allowance.iter().any(Option::is_some);
    let is_drawn = traffic.cohort.arrivals.drawn().is_some();
    if !(is_limited && is_drawn && traffic.cohort.joined == Joined::Spread && traffic.plan.usage_period.is_some()) {
        return 0.0;
    }
    let (_, period_ns) = super::quota::period(scenario, traffic);
    f64::from(traffic.cohort.count) * traffic.rate * period_ns / 2.0
}

/// Traces stay in memory, with the order in which their rows were handed out.
fn traces(scenario: &Scenario) -> u64 {
    let rows = scenario.cohorts.iter().map(|cohort| match &cohort.arrivals {
        Arrivals::Poisson { .. } | Arrivals::Patterned(_) => 0,
        Arrivals::Trace(trace) => {
            let handed_out = Pace::whole(scenario).rows_of(trace) * size_of::<u32>() as u64;
            (trace.rows.len() * size_of::<TraceRow>() + trace.routes.len() * size_of::<u16>()) as u64 + handed_out
        }
    });
    rows.sum::<u64>()
}

impl Components {
    /// Consumers who share an upstream of limited capacity are one; else each is a component of its own.
    pub(super) fn new(scenario: &Scenario) -> Self {
        let consumers: u64 = scenario.cohorts.iter().map(|cohort| u64::from(cohort.count)).sum();
        if scenario.is_shared() {
            return Self { count: u64::from(consumers > 0), largest: consumers };
        }
        Self { count: consumers, largest: u64::from(consumers > 0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recorder's latencies: octaves of 128 buckets, the first of them whole; and its timeline.
    #[test]
    fn a_record_is_its_latencies_and_little_more() {
        let bytes = 57 * 128 * size_of::<u64>() as u64 + farebox_engine::record::BUCKETS_MOST * 80;
        assert!((bytes..bytes * 5 / 4).contains(&RECORD_BYTES), "{bytes}");
    }
}
