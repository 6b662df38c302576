//! The result of a run: plain data with an algebra. [`Outcome::merge`] joins disjoint consumers of one scenario, seed
//! and replication; [`Outcome::stack`] collects replications. Threads, shards and repeats are all that one mechanism.
//!
//! It holds only integers, no time of day, no host, no thread or shard number: the same seed gives the same bytes for
//! any number of threads. Amounts are strings of integer nanos, because JSON readers lose digits past 2⁵³. Percentiles
//! and intervals are derived on reading.

mod cohort;
mod demand;
mod dunning;
mod failures;
mod heard;
mod moments;
mod nanos;
mod oracle;
mod paired;
mod route;
mod timeline;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::billing::cause::Cause;
use crate::billing::ledger::{LedgerAccount, Movement, balance};
use crate::figures::Figures;
use crate::model::Scenario;
use crate::oracle::Table;
use crate::record::Recorder;

pub use cohort::{Billed, CohortOutcome, Usage};
pub use demand::{Demand, ListPrice};
pub use dunning::Dunned;
pub use failures::{FailedAs, Failures};
pub use heard::Heard;
pub use nanos::Nanos;
pub use oracle::{Judged, JudgedRoute, WrongAnswers};
pub use paired::{
    AFFECTED_MOST, Affected, Metric, PAIRED_SCHEMA, Paired, PairedCohort, PairedReplication, Part, Share, Side,
    Squares, Sums, Unlike,
};
pub use route::{Again, RouteOutcome};
pub use timeline::Timeline;

/// The version of the layout: raised when a reader of the last one would misread this.
pub const SCHEMA: u32 = 6;

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
    /// How many further replications were asked for, and are missing because the run was interrupted.
    #[serde(default, skip_serializing_if = "is_none_missing")]
    pub missing: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands on a reference")]
fn is_none_missing(missing: &u32) -> bool {
    *missing == 0
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
            missing: 0,
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

    /// Whether consumers are missing in any replication, or replications.
    pub fn is_partial(&self) -> bool {
        self.missing > 0 || self.lacks_consumers()
    }

    /// Whether consumers are missing in any replication.
    pub fn lacks_consumers(&self) -> bool {
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

/// Adds entry by entry; the longer of the two gives the length.
fn add_each<T: Copy + Default + std::ops::AddAssign>(sum: &mut Vec<T>, more: &[T]) {
    sum.resize(sum.len().max(more.len()), T::default());
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += *more;
    }
}

fn add<K: Ord + Clone, V: Clone>(sum: &mut BTreeMap<K, V>, more: &BTreeMap<K, V>, plus: impl Fn(&mut V, &V)) {
    for (key, value) in more {
        sum.entry(key.clone()).and_modify(|own| plus(own, value)).or_insert_with(|| value.clone());
    }
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
