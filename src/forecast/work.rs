//! How much work a simulation is: calls, and by measured constants the time and memory that they take.

use std::num::NonZeroUsize;

use farebox_engine::model::{Arrivals, Joined, Scenario, TraceRow};
use serde::Serialize;

use super::traffic::Traffic;

/// Time that a simulated call takes on one core of an optimised build, when it certainly passes and is served before the
/// next: a million consumers of the bench `simulation`.
const CALL_NS: f64 = 24.0;
/// Time that it takes when it is decided by itself: the reading of that bench from before calls were settled together.
const CALL_ALONE_NS: f64 = 77.0;
/// The program before it has played anything: code, runtime, the scenario; a quickstart of one thread peaks at 14 MB.
const PROGRAM_BYTES: u64 = 16 << 20;
/// What a thread keeps per cohort: 57 octaves of latencies in 128 buckets of 8 bytes, and its counters.
const RECORD_BYTES: u64 = 60_000;
/// Consumers that a thread takes at once: with fewer than that a further thread finds nothing to do.
const CHUNK: u64 = 64;

/// What a simulation of the whole horizon takes.
#[derive(Clone, Debug, Serialize)]
pub struct Work {
    /// Calls that are played: those of the horizon, and those before it that an allowance has already counted.
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
    pub(super) fn new(scenario: &Scenario, traffic: &[Traffic<'_>], jobs: NonZeroUsize) -> Self {
        let calls: f64 = traffic.iter().map(|traffic| traffic.calls + before(scenario, traffic)).sum();
        let chunks: u64 = scenario.cohorts.iter().map(|cohort| u64::from(cohort.count).div_ceil(CHUNK)).sum();
        let threads = (jobs.get() as u64).min(chunks).max(1);
        let latency = scenario.upstream.latency.mean();
        // A call that overlaps with the next is decided by itself.
        let overlapping = |traffic: &Traffic| (traffic.rate * latency).min(1.0);
        let alone: f64 = traffic.iter().map(|traffic| traffic.calls * overlapping(traffic)).sum();
        let time_ns = calls * CALL_NS + alone * (CALL_ALONE_NS - CALL_NS);
        let records = threads * scenario.cohorts.len() as u64 * RECORD_BYTES;
        Self {
            calls,
            threads,
            time_ns: (time_ns / threads as f64) as u64,
            memory_bytes: PROGRAM_BYTES + records + traces(scenario),
            ns_per_call: if calls > 0.0 { time_ns / calls } else { CALL_NS },
            bytes_per_cohort: RECORD_BYTES,
        }
    }
}

/// Calls before the start: those who joined before it are half-way through a period on average, and what they used of
/// its allowances counts.
fn before(scenario: &Scenario, traffic: &Traffic<'_>) -> f64 {
    let is_limited = traffic.plan.allowance.iter().any(Option::is_some);
    let is_drawn = matches!(traffic.cohort.arrivals, Arrivals::Poisson { .. });
    if !(is_limited && is_drawn && traffic.cohort.joined == Joined::Spread && traffic.plan.usage_period.is_some()) {
        return 0.0;
    }
    let (_, period_ns) = super::quota::period(scenario, traffic);
    f64::from(traffic.cohort.count) * traffic.rate * period_ns / 2.0
}

/// Traces stay in memory, with the order in which their rows were handed out.
fn traces(scenario: &Scenario) -> u64 {
    let rows = scenario.cohorts.iter().map(|cohort| match &cohort.arrivals {
        Arrivals::Poisson { .. } => 0,
        Arrivals::Trace(trace) => trace.rows.len() as u64,
    });
    rows.sum::<u64>() * (size_of::<TraceRow>() + size_of::<u32>()) as u64
}

impl Components {
    /// Nothing that a scenario can say today is shared, so each consumer is a component of its own.
    pub(super) fn new(scenario: &Scenario) -> Self {
        let consumers: u64 = scenario.cohorts.iter().map(|cohort| u64::from(cohort.count)).sum();
        Self { count: consumers, largest: u64::from(consumers > 0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recorder's latencies: octaves of 128 buckets, the first of them whole.
    #[test]
    fn a_record_is_its_latencies_and_little_more() {
        let bytes = 57 * 128 * size_of::<u64>() as u64;
        assert!((bytes..bytes * 5 / 4).contains(&RECORD_BYTES), "{bytes}");
    }
}
