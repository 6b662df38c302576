//! What became of the calls of one cohort, by route.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::billing::cause::{CAUSES, Cause};
use crate::model::{Route, Scenario};
use crate::record::{AgainRecord, CohortRecord, RouteRecord};

use super::failures::{self, Failures};

/// What became of the attempts of one cohort for one route; [`Self::calls`] tells the calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteOutcome {
    /// As [`CohortOutcome::served`](super::CohortOutcome::served).
    pub served: u64,
    /// As [`CohortOutcome::failed`](super::CohortOutcome::failed).
    pub failed: u64,
    /// The same by upstream, cause and status, as far as any has failed.
    #[serde(with = "failures")]
    pub failures: Failures,
    /// As [`CohortOutcome::in_flight`](super::CohortOutcome::in_flight).
    pub in_flight: u64,
    /// As [`CohortOutcome::refused`](super::CohortOutcome::refused).
    pub refused: BTreeMap<String, u64>,
    /// Those of these attempts that were followed by another.
    #[serde(default, skip_serializing_if = "Again::is_nothing")]
    pub again: Again,
}

/// Attempts that were followed by another at the same call, by how they ended; where no client tries again, there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// Served, and the client has not heard of it.
    pub served: u64,
    /// Failed behind the gateway.
    pub failed: u64,
    /// The same by upstream, cause and status, as far as any has failed.
    #[serde(with = "failures")]
    pub failures: Failures,
    /// Not answered when the time ended, and the client has not waited.
    pub in_flight: u64,
    /// Refused, by cause.
    pub refused: BTreeMap<String, u64>,
    /// Calls that a further attempt has served, at last.
    pub recovered: u64,
}

pub(super) fn routes(scenario: &Scenario, record: &CohortRecord) -> BTreeMap<String, RouteOutcome> {
    let outcome = |(index, (route, cell))| {
        let (route, cell): (&Route, &RouteRecord) = (route, cell);
        let named = |counts| failures::named(scenario, index, counts);
        let again = record.again.get(index).map(|cell| Again::new(cell, named(&cell.failures))).unwrap_or_default();
        (&route.path, RouteOutcome { again, ..RouteOutcome::new(cell, named(&cell.failures)) })
    };
    let called = scenario.routes.iter().zip(&record.routes).enumerate().map(outcome);
    called.filter(|(_, calls)| calls.offered() > 0).map(|(path, calls)| (path.clone(), calls)).collect()
}

impl RouteOutcome {
    fn new(cell: &RouteRecord, failures: Failures) -> Self {
        Self {
            served: cell.served,
            failed: cell.failed,
            failures,
            in_flight: cell.admitted - cell.served - cell.failed,
            refused: by_cause(&cell.refused),
            again: Again::default(),
        }
    }

    /// The calls, each as its last attempt has ended: the attempts without those that were followed by another.
    #[must_use]
    pub fn calls(&self) -> Self {
        let Again { served, failed, failures, in_flight, refused, .. } = &self.again;
        Self {
            served: self.served.saturating_sub(*served),
            failed: self.failed.saturating_sub(*failed),
            failures: without(&self.failures, failures),
            in_flight: self.in_flight.saturating_sub(*in_flight),
            refused: without(&self.refused, refused),
            again: Again { recovered: self.again.recovered, ..Again::default() },
        }
    }

    /// Attempts that reached the gateway; of [`Self::calls`], the calls.
    pub fn offered(&self) -> u64 {
        self.served + self.failed + self.in_flight + self.refused.values().sum::<u64>()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.served += other.served;
        self.failed += other.failed;
        super::add(&mut self.failures, &other.failures, |sum, more| *sum += more);
        self.in_flight += other.in_flight;
        super::add(&mut self.refused, &other.refused, |sum, more| *sum += more);
        self.again.add(&other.again);
    }
}

impl Again {
    fn new(cell: &AgainRecord, failures: Failures) -> Self {
        Self {
            served: cell.served,
            failed: failures.values().sum(),
            failures,
            in_flight: cell.open,
            refused: by_cause(&cell.refused),
            recovered: cell.recovered,
        }
    }

    /// How many attempts were followed by another.
    pub fn attempts(&self) -> u64 {
        self.served + self.failed + self.in_flight + self.refused.values().sum::<u64>()
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, other: &Self) {
        self.served += other.served;
        self.failed += other.failed;
        super::add(&mut self.failures, &other.failures, |sum, more| *sum += more);
        self.in_flight += other.in_flight;
        self.recovered += other.recovered;
        super::add(&mut self.refused, &other.refused, |sum, more| *sum += more);
    }
}

/// What is left of each count; what is none any more is left out.
fn without<K: Ord + Clone>(counts: &BTreeMap<K, u64>, others: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
    let left = counts.iter().map(|(name, count)| (name, count.saturating_sub(others.get(name).copied().unwrap_or(0))));
    left.filter(|(_, count)| *count > 0).map(|(name, count)| (name.clone(), count)).collect()
}

pub(super) fn by_cause(counts: &[u64; CAUSES]) -> BTreeMap<String, u64> {
    let named = Cause::ALL.iter().zip(counts).filter(|(_, count)| **count > 0);
    named.map(|(cause, count)| (cause.name().to_owned(), *count)).collect()
}
