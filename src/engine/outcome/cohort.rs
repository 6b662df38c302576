//! What has happened to one cohort: made of what was recorded, and summed.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::demand::{self, Demand};
use super::dunning::Dunned;
use super::failures::Failures;
use super::heard::Heard;
use super::oracle::Judged;
use super::route::{RouteOutcome, by_cause, routes};
use super::timeline::Timeline;
use super::{MergeError, Nanos, add, add_each, moments, pooled};
use crate::billing::ledger::Movement;
use crate::billing::tally::Count;
use crate::model::{Arrivals, Cohort, Joined, Scenario};
use crate::moments::Moments;
use crate::record::{CohortRecord, Latencies};
use crate::time::{DAY, HOUR};

/// What has happened to one cohort.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortOutcome {
    /// Its name.
    pub cohort: String,
    /// The name of its plan.
    pub plan: String,
    /// How many consumers it has; when fewer were played, the outcome is partial.
    pub consumers: u32,
    /// Which of its consumers were played: ranges of indices `[from, to)`, disjoint and in order.
    pub played: Vec<[u32; 2]>,
    /// Calls that the gateway let through and that were answered.
    pub served: u64,
    /// Calls that the gateway let through and that failed behind it.
    pub failed: u64,
    /// Calls let through that were not answered when the time ended.
    pub in_flight: u64,
    /// Calls refused, by cause.
    pub refused: BTreeMap<String, u64>,
    /// How many of all these were followed by another attempt at the same call: where clients try again, a call is counted
    /// with each of its attempts.
    pub retried: u64,
    /// Calls that a further attempt has served, at last.
    pub recovered: u64,
    /// The same calls by route, as far as any was called.
    pub routes: BTreeMap<String, RouteOutcome>,
    /// Consumers that were refused at least once, by cause.
    pub consumers_refused: BTreeMap<String, u64>,
    /// What the calls used or would have used, by meter.
    pub usage: BTreeMap<String, Usage>,
    /// The journal: what moved, by kind of movement.
    pub moved: BTreeMap<String, Nanos>,
    /// What became of the served units, by meter.
    pub units: BTreeMap<String, Billed>,
    /// What else was counted: attempts, invoices, upgrades, …
    pub counts: BTreeMap<String, u64>,
    /// Invoices paid by the first attempt, the second, …; the last entry counts all later ones.
    pub paid_by_attempt: Vec<u64>,
    /// What calls were billed whose clients had given them up, from credit and in arrears; how many is counted as
    /// `settled_given_up`.
    #[serde(default, skip_serializing_if = "Nanos::is_zero")]
    pub billed_given_up: Nanos,
    /// What was paid, heard of when nothing was due for it any more, and given back; how often is counted as `given_back`. It is
    /// in no books.
    #[serde(default, skip_serializing_if = "Nanos::is_zero")]
    pub given_back: Nanos,
    /// How long what was due stayed unpaid.
    #[serde(default, skip_serializing_if = "Dunned::is_nothing")]
    pub dunned: Dunned,
    /// What it came to that accounts heard late of their payments.
    #[serde(default, skip_serializing_if = "Heard::is_nothing")]
    pub heard: Heard,
    /// Upstream latency of served attempts: `[upper end of the bucket in ns, attempts]`, 2 significant digits.
    pub latency: Vec<[u64; 2]>,
    /// All of it, to the ns.
    pub latency_sum_ns: Nanos,
    /// The longest, to the ns.
    pub latency_max_ns: u64,
    /// How long it took until a further attempt served a call, from when the first was to be made, as
    /// [`Self::latency`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovery: Vec<[u64; 2]>,
    /// Until the first token of served calls whose answers were streamed, as [`Self::latency`].
    pub first_token: Vec<[u64; 2]>,
    /// How long it took from paying for what was refused until a call was served, as [`Self::latency`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_success: Vec<[u64; 2]>,
    /// What calls would have used whose last attempt was refused for money or by a limit, with its list price.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_demand: Vec<Demand>,
    /// When it happened; only replication 0 has one.
    pub timeline: Timeline,
    /// Sums over its consumers, which a standard error is made of. `None` where consumers are not independent of each other
    /// (rows of a trace that are handed out, sign-ups that follow one another), or a sum has left the range.
    #[serde(with = "moments")]
    pub moments: Option<Moments>,
    /// Which answers were wrong; `None`: nobody has judged them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oracle: Option<Judged>,
}

/// Units of one meter, by what became of the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Used by served calls.
    pub served: u64,
    /// What calls that failed would have used.
    pub failed: u64,
    /// Used by calls that were in flight at the end.
    pub in_flight: u64,
    /// What refused calls would have used.
    pub refused: u64,
    /// What was used all the same by calls that failed because their clients had given them up: the upstream has answered
    /// them later. It is part of what is billed, included or not billed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unheard: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What became of the served units of a meter that the plan limits or prices; each unit is in one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Billed {
    /// Inside the allowance, or of a meter that costs nothing.
    pub included: u64,
    /// Paid from credit.
    pub credited: u64,
    /// Billed in arrears.
    pub billed: u64,
    /// Served and not billed: throttled, or too late.
    pub unbilled: u64,
}

impl CohortOutcome {
    pub(super) fn new(
        cohort: &Cohort,
        plan: String,
        scenario: &Scenario,
        record: &CohortRecord,
        played: &[[u32; 2]],
    ) -> Self {
        let mut all = RouteOutcome::default();
        let routes = routes(scenario, record);
        for route in routes.values() {
            all.add(route);
        }
        let moved = Movement::ALL.map(|movement| (movement.name().to_owned(), Nanos(record.moved[movement as usize])));
        Self {
            cohort: cohort.name.clone(),
            plan,
            consumers: cohort.count,
            played: join(played, &[]),
            served: all.served,
            failed: all.failed,
            in_flight: all.in_flight,
            refused: all.refused,
            retried: routes.values().map(|route| route.again.attempts()).sum(),
            recovered: routes.values().map(|route| route.again.recovered).sum(),
            routes,
            consumers_refused: by_cause(&record.consumers_refused),
            usage: usage(scenario, record),
            moved: moved.into_iter().filter(|(_, nanos)| nanos.0 != 0).collect(),
            units: units(scenario, record),
            counts: counts(record),
            paid_by_attempt: record.tally.paid_by_attempt.to_vec(),
            billed_given_up: Nanos(record.tally.billed_given_up),
            given_back: Nanos(record.tally.given_back),
            latency: buckets(&record.latency.histogram(HOUR)),
            latency_sum_ns: Nanos(record.latency.sum.cast_signed()),
            latency_max_ns: record.latency.max,
            recovery: record.recovery.as_ref().map_or_else(Vec::new, |took| buckets(&took.histogram(RECOVERY_MOST))),
            first_token: record.first_token.as_ref().map_or_else(Vec::new, |took| buckets(&took.histogram(HOUR))),
            first_success: record
                .first_success
                .as_ref()
                .map_or_else(Vec::new, |it| buckets(&it.histogram(RECOVERY_MOST))),
            refused_demand: demand::demand(scenario, record),
            dunned: Dunned::new(&record.tally),
            heard: Heard::new(&record.late),
            timeline: Timeline::new(record),
            moments: record.moments.filter(|_| are_independent(cohort, scenario)),
            oracle: None,
        }
    }

    pub(super) fn disjoint(&self, other: &Self) -> Result<(), MergeError> {
        let pairs = self.played.iter().flat_map(|own| other.played.iter().map(move |other| (own, other)));
        let shared = pairs.map(|([a, b], [c, d])| (*a.max(c), *b.min(d))).filter(|(from, to)| from < to);
        match shared.min() {
            Some((index, _)) => Err(MergeError::Overlap { cohort: self.cohort.clone(), index }),
            None => Ok(()),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.played = join(&self.played, &other.played);
        self.add(other);
    }

    /// Adds every number, but not who was played.
    pub(super) fn add(&mut self, other: &Self) {
        self.served += other.served;
        self.failed += other.failed;
        self.in_flight += other.in_flight;
        self.retried += other.retried;
        self.recovered += other.recovered;
        add(&mut self.refused, &other.refused, |sum, more| *sum += more);
        add(&mut self.routes, &other.routes, RouteOutcome::add);
        self.timeline.add(&other.timeline);
        self.moments = self.moments.zip(other.moments).and_then(|(own, other)| own.plus(other));
        // Where one part was not judged, the whole was not.
        self.oracle = self.oracle.take().zip(other.oracle.as_ref()).map(|(mut own, other)| {
            own.add(other);
            own
        });
        add(&mut self.consumers_refused, &other.consumers_refused, |sum, more| *sum += more);
        add(&mut self.usage, &other.usage, Usage::add);
        add(&mut self.moved, &other.moved, |sum, more| sum.0 += more.0);
        add(&mut self.units, &other.units, Billed::add);
        add(&mut self.counts, &other.counts, |sum, more| *sum += more);
        add_each(&mut self.paid_by_attempt, &other.paid_by_attempt);
        self.billed_given_up += other.billed_given_up;
        self.given_back += other.given_back;
        self.latency = pooled([&self.latency[..], &other.latency]);
        self.latency_sum_ns += other.latency_sum_ns;
        self.latency_max_ns = self.latency_max_ns.max(other.latency_max_ns);
        self.recovery = pooled([&self.recovery[..], &other.recovery]);
        self.first_token = pooled([&self.first_token[..], &other.first_token]);
        self.dunned.add(&other.dunned);
        self.heard.add(&other.heard);
        self.first_success = pooled([&self.first_success[..], &other.first_success]);
        demand::add(&mut self.refused_demand, &other.refused_demand);
    }

    /// What moved by one kind of movement, in nanos.
    pub fn moved(&self, movement: Movement) -> i128 {
        self.moved.get(movement.name()).map_or(0, |nanos| nanos.0)
    }

    /// How many there were of something that is counted.
    pub fn count(&self, count: Count) -> u64 {
        self.counts.get(count.name()).copied().unwrap_or(0)
    }

    /// Attempts that failed, by upstream, cause and status, over all routes.
    pub fn failures(&self) -> Failures {
        let mut failures = Failures::new();
        for route in self.routes.values() {
            add(&mut failures, &route.failures, |sum, more| *sum += more);
        }
        failures
    }

    /// How many of its consumers were played.
    pub fn consumers_played(&self) -> u64 {
        self.played.iter().map(|[from, to]| u64::from(to - from)).sum()
    }

    /// Attempts that reached the gateway.
    pub fn offered(&self) -> u64 {
        self.served + self.failed + self.in_flight + self.refused.values().sum::<u64>()
    }

    /// Calls of which an attempt reached the gateway.
    pub fn calls(&self) -> u64 {
        self.offered() - self.retried
    }
}

/// The longest time until a call was served at last that is told apart: a client may wait for a quota to be reset.
const RECOVERY_MOST: u64 = 400 * DAY;

/// As those of [`CohortOutcome::first_success`].
pub(super) fn buckets_of_recovery(latencies: &Latencies) -> Vec<[u64; 2]> {
    buckets(&latencies.histogram(RECOVERY_MOST))
}

fn buckets(histogram: &Histogram<u64>) -> Vec<[u64; 2]> {
    histogram.iter_recorded().map(|bucket| [bucket.value_iterated_to(), bucket.count_at_value()]).collect()
}

fn usage(scenario: &Scenario, record: &CohortRecord) -> BTreeMap<String, Usage> {
    let of = |meter: usize| {
        let (served, failed) = (record.served_usage[meter], record.failed_usage[meter]);
        // A live upstream may use more than the schedule said when the call was admitted.
        let in_flight = record.admitted_usage[meter].saturating_sub(served + failed);
        let (refused, unheard) = (record.refused_usage[meter], record.unheard_usage[meter]);
        Usage { served, failed, in_flight, refused, unheard }
    };
    scenario.meters.iter().enumerate().map(|(i, meter)| (meter.name.clone(), of(i))).collect()
}

fn units(scenario: &Scenario, record: &CohortRecord) -> BTreeMap<String, Billed> {
    let units = &record.tally.units;
    let of = |meter: usize| Billed {
        included: units.included[meter],
        credited: units.credited[meter],
        billed: units.billed[meter],
        unbilled: units.unbilled[meter],
    };
    scenario.meters.iter().enumerate().map(|(i, meter)| (meter.name.clone(), of(i))).collect()
}

fn counts(record: &CohortRecord) -> BTreeMap<String, u64> {
    let counts = Count::ALL.map(|count| (count.name().to_owned(), record.tally.of(count)));
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// Whether what one consumer of a cohort does says nothing of what another does.
pub(super) fn are_independent(cohort: &Cohort, scenario: &Scenario) -> bool {
    let is_handed_out = match &cohort.arrivals {
        Arrivals::Trace(trace) => trace.rows.iter().any(|row| row.consumer.is_none()),
        Arrivals::Poisson { .. } | Arrivals::Patterned(_) => false,
    };
    !scenario.is_shared() && !is_handed_out && !matches!(cohort.joined, Joined::Signups { .. })
}

impl Billed {
    fn add(&mut self, other: &Self) {
        self.included += other.included;
        self.credited += other.credited;
        self.billed += other.billed;
        self.unbilled += other.unbilled;
    }
}

impl Usage {
    fn add(&mut self, other: &Self) {
        self.served += other.served;
        self.failed += other.failed;
        self.in_flight += other.in_flight;
        self.refused += other.refused;
        self.unheard += other.unheard;
    }
}

/// The union of disjoint ranges, neighbours joined.
pub(super) fn join(a: &[[u32; 2]], b: &[[u32; 2]]) -> Vec<[u32; 2]> {
    let mut ranges: Vec<_> = a.iter().chain(b).copied().collect();
    ranges.sort_unstable();
    let mut joined: Vec<[u32; 2]> = Vec::new();
    for [from, to] in ranges {
        match joined.last_mut() {
            Some([_, end]) if *end == from => *end = to,
            _ => joined.push([from, to]),
        }
    }
    joined
}
