//! The result of a run: plain data with an algebra. [`Outcome::merge`] joins disjoint consumers of one scenario, seed
//! and replication; [`Outcome::stack`] collects replications. Threads, shards and repeats are all that one mechanism.
//!
//! It holds only integers, no time of day, no host, no thread or shard number: the same seed gives the same bytes for
//! any number of threads. Amounts are strings of integer nanos, because JSON readers lose digits past 2⁵³. Percentiles
//! and intervals are derived on reading.

mod demand;
mod dunning;
mod failures;
mod moments;
mod oracle;
mod route;
mod timeline;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::billing::cause::Cause;
use crate::billing::ledger::{LedgerAccount, Movement, balance};
use crate::billing::tally::Count;
use crate::figures::Figures;
use crate::model::{Arrivals, Cohort, Joined, Scenario};
use crate::moments::Moments;
use crate::oracle::Table;
use crate::record::{CohortRecord, Recorder};
use crate::time::{DAY, HOUR};

pub use demand::{Demand, ListPrice};
pub use dunning::Dunned;
pub use failures::{FailedAs, Failures};
pub use oracle::{Judged, JudgedRoute, WrongAnswers};
pub use route::{Again, RouteOutcome};
use route::{by_cause, routes};
pub use timeline::Timeline;

/// The version of the layout: raised when a reader of the last one would misread this.
pub const SCHEMA: u32 = 5;

/// What a run has shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// SHA-256 of the scenario and its traces.
    pub fingerprint: String,
    /// The seed.
    pub seed: u64,
    /// The ISO 4217 code of all amounts.
    pub currency: String,
    /// How much time was played, in ns.
    pub horizon_ns: u64,
    /// How much time each bucket of the timelines takes, in ns; 0: there is one bucket for all.
    pub bucket_ns: u64,
    /// Which replication `cohorts` is; 0 is drawn from the seed as it stands.
    pub replication: u32,
    /// One entry per cohort, in the scenario's order.
    pub cohorts: Vec<CohortOutcome>,
    /// Further replications, in the order of their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stacked: Vec<Replication>,
}

/// The same consumers, drawn once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replication {
    /// Its number: what its seed is made of, beside the scenario's.
    pub replication: u32,
    /// As [`Outcome::cohorts`].
    pub cohorts: Vec<CohortOutcome>,
}

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
    /// How long what was due stayed unpaid.
    #[serde(default, skip_serializing_if = "Dunned::is_nothing")]
    pub dunned: Dunned,
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

/// An amount in nanos, as a string in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub i128);

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        i128::from_str(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Why two outcomes cannot be joined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// They are not of one scenario, seed and layout.
    #[error("the outcomes differ in their {0}")]
    Differs(&'static str),
    /// They share replications.
    #[error("both outcomes hold replication {0}")]
    Again(u32),
    /// They do not hold the same replications, whose consumers could be joined.
    #[error("the outcomes hold different replications")]
    Replications,
    /// They share consumers.
    #[error("both outcomes hold consumer {index} of cohort `{cohort}`")]
    Overlap {
        /// The cohort.
        cohort: String,
        /// The first consumer in both.
        index: u32,
    },
}

// === Making ===

impl Outcome {
    /// The outcome of what was recorded, given which consumers of each cohort were played, in any order.
    pub fn new(scenario: &Scenario, horizon_ns: u64, recorder: &Recorder, played: &[Vec<[u32; 2]>]) -> Self {
        let cohorts = scenario.cohorts.iter().zip(&recorder.cohorts).zip(played).map(|((cohort, record), played)| {
            let plan = scenario.plans[cohort.plan].name.clone();
            CohortOutcome::new(cohort, plan, scenario, record, played)
        });
        Self {
            schema: SCHEMA,
            scenario: scenario.name.clone(),
            fingerprint: scenario.fingerprint.clone(),
            seed: scenario.seed,
            currency: scenario.currency.code.to_owned(),
            horizon_ns,
            bucket_ns: recorder.bucket.map_or(0, crate::time::Span::ns),
            replication: 0,
            cohorts: cohorts.collect(),
            stacked: Vec::new(),
        }
    }

    /// The same, with what an oracle has found, where one has watched.
    #[must_use]
    pub fn judged(mut self, scenario: &Scenario, tables: Option<&[Table]>) -> Self {
        for (cohort, table) in self.cohorts.iter_mut().zip(tables.unwrap_or_default()) {
            cohort.oracle = Some(Judged::new(scenario, table));
        }
        self
    }

    /// The same, known as a replication of the scenario with this seed: what was played was drawn from
    /// [`draw::replication`](crate::draw::replication) of the two. Only number 0 keeps its timelines: thousands of
    /// replications must fit in memory, and what happened when is a picture of one run.
    #[must_use]
    pub fn as_replication(mut self, seed: u64, number: u32) -> Self {
        if number > 0 {
            self.cohorts.iter_mut().for_each(|cohort| cohort.timeline = Timeline::default());
        }
        Self { seed, replication: number, ..self }
    }

    /// Joins another part of the same population, of the same replications.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        self.comparable(other)?;
        if !self.numbers().eq(other.numbers()) {
            return Err(MergeError::Replications);
        }
        for (own, other) in self.replications().zip(other.replications()) {
            own.iter().zip(other).try_for_each(|(own, other)| own.disjoint(other))?;
        }
        let stacked = self.stacked.iter_mut().map(|replication| &mut replication.cohorts);
        for (own, other) in std::iter::once(&mut self.cohorts).chain(stacked).zip(other.replications()) {
            own.iter_mut().zip(other).for_each(|(own, other)| own.merge(other));
        }
        Ok(())
    }

    /// Puts other replications of the same scenario and seed beside these. Associative and commutative: they lie in the
    /// order of their numbers.
    pub fn stack(&mut self, other: Self) -> Result<(), MergeError> {
        self.comparable(&other)?;
        if let Some(again) = self.numbers().find(|own| other.numbers().any(|number| number == *own)) {
            return Err(MergeError::Again(again));
        }
        let head = |outcome: &mut Self| Replication {
            replication: outcome.replication,
            cohorts: std::mem::take(&mut outcome.cohorts),
        };
        let mut other = other;
        let heads = [head(self), head(&mut other)];
        self.stacked.append(&mut other.stacked);
        self.stacked.extend(heads);
        self.stacked.sort_by_key(|replication| replication.replication);
        let first = self.stacked.remove(0);
        (self.replication, self.cohorts) = (first.replication, first.cohorts);
        Ok(())
    }

    /// The cohorts of each replication, in the order of their numbers.
    pub fn replications(&self) -> impl Iterator<Item = &[CohortOutcome]> {
        let stacked = self.stacked.iter().map(|replication| replication.cohorts.as_slice());
        std::iter::once(self.cohorts.as_slice()).chain(stacked)
    }

    /// How many replications there are.
    pub fn replication_count(&self) -> u64 {
        1 + self.stacked.len() as u64
    }

    fn numbers(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.replication).chain(self.stacked.iter().map(|replication| replication.replication))
    }

    /// All replications in one: every count and amount is the sum over them. What is read off it is a mean once it is
    /// divided by [`Self::replication_count`].
    #[must_use]
    pub fn summed(&self) -> Self {
        let mut sum = Self { stacked: Vec::new(), ..self.clone() };
        for replication in &self.stacked {
            sum.cohorts.iter_mut().zip(&replication.cohorts).for_each(|(own, other)| own.add(other));
        }
        sum
    }

    fn comparable(&self, other: &Self) -> Result<(), MergeError> {
        let names = |outcome: &Self| -> Vec<_> { outcome.cohorts.iter().map(|c| c.cohort.clone()).collect() };
        let differs = [
            (self.schema != other.schema, "schema"),
            (self.fingerprint != other.fingerprint || names(self) != names(other), "scenario"),
            (self.seed != other.seed, "seed"),
            (self.horizon_ns != other.horizon_ns || self.bucket_ns != other.bucket_ns, "horizon"),
        ];
        match differs.iter().find(|(differs, _)| *differs) {
            Some((_, what)) => Err(MergeError::Differs(what)),
            None => Ok(()),
        }
    }

    /// The sum over all cohorts of what moved by one kind of movement, in nanos.
    pub fn moved(&self, movement: Movement) -> i128 {
        self.cohorts.iter().map(|cohort| cohort.moved(movement)).sum()
    }

    /// What a ledger account holds over all cohorts, in nanos, debit-positive.
    pub fn balance(&self, account: LedgerAccount) -> i128 {
        balance(account, |movement| self.moved(movement))
    }

    /// What the money of all cohorts comes to.
    pub fn figures(&self) -> Figures {
        Figures::of(|movement| self.moved(movement))
    }

    /// Whether consumers are missing in any replication.
    pub fn is_partial(&self) -> bool {
        self.replications().flatten().any(|cohort| cohort.consumers_played() != u64::from(cohort.consumers))
    }

    /// How many consumers were played, and how many there are, in the first replication: the outcome is partial when the
    /// two differ.
    pub fn consumers(&self) -> (u64, u64) {
        let played = self.cohorts.iter().map(CohortOutcome::consumers_played).sum();
        (played, self.cohorts.iter().map(|cohort| u64::from(cohort.consumers)).sum())
    }

    /// All calls refused for a cause.
    pub fn refused(&self, cause: Cause) -> u64 {
        self.cohorts.iter().filter_map(|cohort| cohort.refused.get(cause.name())).sum()
    }
}

impl CohortOutcome {
    fn new(cohort: &Cohort, plan: String, scenario: &Scenario, record: &CohortRecord, played: &[[u32; 2]]) -> Self {
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
            timeline: Timeline::new(record),
            moments: record.moments.filter(|_| are_independent(cohort, scenario)),
            oracle: None,
        }
    }

    fn disjoint(&self, other: &Self) -> Result<(), MergeError> {
        let pairs = self.played.iter().flat_map(|own| other.played.iter().map(move |other| (own, other)));
        let shared = pairs.map(|([a, b], [c, d])| (*a.max(c), *b.min(d))).filter(|(from, to)| from < to);
        match shared.min() {
            Some((index, _)) => Err(MergeError::Overlap { cohort: self.cohort.clone(), index }),
            None => Ok(()),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.played = join(&self.played, &other.played);
        self.add(other);
    }

    /// Adds every number, but not who was played.
    fn add(&mut self, other: &Self) {
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
        self.latency = pooled([&self.latency[..], &other.latency]);
        self.latency_sum_ns += other.latency_sum_ns;
        self.latency_max_ns = self.latency_max_ns.max(other.latency_max_ns);
        self.recovery = pooled([&self.recovery[..], &other.recovery]);
        self.first_token = pooled([&self.first_token[..], &other.first_token]);
        self.dunned.add(&other.dunned);
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

fn buckets(histogram: &Histogram<u64>) -> Vec<[u64; 2]> {
    histogram.iter_recorded().map(|bucket| [bucket.value_iterated_to(), bucket.count_at_value()]).collect()
}

fn usage(scenario: &Scenario, record: &CohortRecord) -> BTreeMap<String, Usage> {
    let of = |meter: usize| {
        let (served, failed) = (record.served_usage[meter], record.failed_usage[meter]);
        // A live upstream may use more than the schedule said when the call was admitted.
        let in_flight = record.admitted_usage[meter].saturating_sub(served + failed);
        Usage { served, failed, in_flight, refused: record.refused_usage[meter] }
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
fn are_independent(cohort: &Cohort, scenario: &Scenario) -> bool {
    let is_handed_out = match &cohort.arrivals {
        Arrivals::Trace(trace) => trace.rows.iter().any(|row| row.consumer.is_none()),
        Arrivals::Poisson { .. } | Arrivals::Patterned(_) => false,
    };
    !scenario.is_shared() && !is_handed_out && !matches!(cohort.joined, Joined::Signups { .. })
}

impl std::ops::AddAssign for Nanos {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

/// Adds entry by entry; the longer of the two gives the length.
fn add_each<T: Copy + Default + std::ops::AddAssign>(sum: &mut Vec<T>, more: &[T]) {
    sum.resize(sum.len().max(more.len()), T::default());
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += *more;
    }
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
    }
}

fn add<K: Ord + Clone, V: Clone>(sum: &mut BTreeMap<K, V>, more: &BTreeMap<K, V>, plus: impl Fn(&mut V, &V)) {
    for (key, value) in more {
        sum.entry(key.clone()).and_modify(|own| plus(own, value)).or_insert_with(|| value.clone());
    }
}

/// The union of disjoint ranges, neighbours joined.
fn join(a: &[[u32; 2]], b: &[[u32; 2]]) -> Vec<[u32; 2]> {
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

// === Reading ===

/// Buckets of `[upper end, count]` of several distributions as those of one, in order.
pub fn pooled<'a>(all: impl IntoIterator<Item = &'a [[u64; 2]]>) -> Vec<[u64; 2]> {
    let mut pooled: BTreeMap<u64, u64> = BTreeMap::new();
    for [upper, count] in all.into_iter().flatten() {
        *pooled.entry(*upper).or_default() += count;
    }
    pooled.into_iter().map(|(upper, count)| [upper, count]).collect()
}

/// The value at quantile `q` (0 < q ≤ 1) of `[upper end, count]` buckets in order; `None` when nothing was counted.
pub fn quantile(buckets: &[[u64; 2]], q: f64) -> Option<u64> {
    let total: u64 = buckets.iter().map(|[_, count]| count).sum();
    let rank = ((total as f64 * q).ceil() as u64).max(1);
    let mut seen = 0;
    buckets.iter().find_map(|[upper, count]| {
        seen += count;
        (seen >= rank).then_some(*upper)
    })
}
