//! The result of a run: plain data with an algebra. [`Outcome::merge`] joins disjoint consumers of one scenario, seed
//! and replication; threads and shards are all that one mechanism.
//!
//! It holds only integers, no time of day, no host, no thread or shard number: the same seed gives the same bytes for
//! any number of threads. Amounts are strings of integer nanos, because JSON readers lose digits past 2⁵³. Percentiles
//! are derived on reading.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::billing::cause::Cause;
use crate::billing::ledger::{LedgerAccount, Movement, balance};
use crate::billing::tally::Count;
use crate::figures::Figures;
use crate::model::{Cohort, Scenario};
use crate::record::{CohortRecord, Recorder};

/// The version of the layout: raised when a reader of the last one would misread this.
pub const SCHEMA: u32 = 2;

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
    /// One entry per cohort, in the scenario's order.
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
    /// Upstream latency of served calls: `[upper end of the bucket in ns, calls]`, 2 significant digits.
    pub latency: Vec<[u64; 2]>,
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
            cohorts: cohorts.collect(),
        }
    }

    /// Joins another part of the same population.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        self.comparable(other)?;
        for (own, other) in self.cohorts.iter().zip(&other.cohorts) {
            own.disjoint(other)?;
        }
        for (own, other) in self.cohorts.iter_mut().zip(&other.cohorts) {
            own.merge(other);
        }
        Ok(())
    }

    fn comparable(&self, other: &Self) -> Result<(), MergeError> {
        let names = |outcome: &Self| -> Vec<_> { outcome.cohorts.iter().map(|c| c.cohort.clone()).collect() };
        let differs = [
            (self.schema != other.schema, "schema"),
            (self.fingerprint != other.fingerprint || names(self) != names(other), "scenario"),
            (self.seed != other.seed, "seed"),
            (self.horizon_ns != other.horizon_ns, "horizon"),
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

    /// How many consumers were played, and how many there are: the outcome is partial when the two differ.
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
        let by_cause = |counts: &[u64]| -> BTreeMap<String, u64> {
            let named = Cause::ALL.iter().zip(counts).filter(|(_, count)| **count > 0);
            named.map(|(cause, count)| (cause.name().to_owned(), *count)).collect()
        };
        let moved = Movement::ALL.map(|movement| (movement.name().to_owned(), Nanos(record.moved[movement as usize])));
        let latencies = record.latency.histogram();
        Self {
            cohort: cohort.name.clone(),
            plan,
            consumers: cohort.count,
            played: join(played, &[]),
            served: record.served,
            failed: record.failed,
            in_flight: record.admitted - record.served - record.failed,
            refused: by_cause(&record.refused),
            consumers_refused: by_cause(&record.consumers_refused),
            usage: usage(scenario, record),
            moved: moved.into_iter().filter(|(_, nanos)| nanos.0 != 0).collect(),
            units: units(scenario, record),
            counts: counts(record),
            paid_by_attempt: record.tally.paid_by_attempt.to_vec(),
            latency: latencies
                .iter_recorded()
                .map(|bucket| [bucket.value_iterated_to(), bucket.count_at_value()])
                .collect(),
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
        self.served += other.served;
        self.failed += other.failed;
        self.in_flight += other.in_flight;
        add(&mut self.refused, &other.refused, |sum, more| *sum += more);
        add(&mut self.consumers_refused, &other.consumers_refused, |sum, more| *sum += more);
        add(&mut self.usage, &other.usage, Usage::add);
        add(&mut self.moved, &other.moved, |sum, more| sum.0 += more.0);
        add(&mut self.units, &other.units, Billed::add);
        add(&mut self.counts, &other.counts, |sum, more| *sum += more);
        let places = self.paid_by_attempt.len().max(other.paid_by_attempt.len());
        self.paid_by_attempt.resize(places, 0);
        for (sum, more) in self.paid_by_attempt.iter_mut().zip(&other.paid_by_attempt) {
            *sum += more;
        }
        let mut latency: BTreeMap<u64, u64> = self.latency.iter().map(|[upper, calls]| (*upper, *calls)).collect();
        add(&mut latency, &other.latency.iter().map(|[upper, calls]| (*upper, *calls)).collect(), |sum, more| {
            *sum += more;
        });
        self.latency = latency.into_iter().map(|(upper, calls)| [upper, calls]).collect();
    }

    /// What moved by one kind of movement, in nanos.
    pub fn moved(&self, movement: Movement) -> i128 {
        self.moved.get(movement.name()).map_or(0, |nanos| nanos.0)
    }

    /// How many there were of something that is counted.
    pub fn count(&self, count: Count) -> u64 {
        self.counts.get(count.name()).copied().unwrap_or(0)
    }

    /// How many of its consumers were played.
    pub fn consumers_played(&self) -> u64 {
        self.played.iter().map(|[from, to]| u64::from(to - from)).sum()
    }

    /// Calls offered to the gateway.
    pub fn offered(&self) -> u64 {
        self.served + self.failed + self.in_flight + self.refused.values().sum::<u64>()
    }
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
