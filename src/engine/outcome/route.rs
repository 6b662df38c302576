//! What became of the calls of one cohort, by route.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::billing::cause::{CAUSES, Cause};
use crate::model::Scenario;
use crate::record::{CohortRecord, RouteRecord};

/// What became of the calls of one cohort for one route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteOutcome {
    /// As [`CohortOutcome::served`](super::CohortOutcome::served).
    pub served: u64,
    /// As [`CohortOutcome::failed`](super::CohortOutcome::failed).
    pub failed: u64,
    /// As [`CohortOutcome::in_flight`](super::CohortOutcome::in_flight).
    pub in_flight: u64,
    /// As [`CohortOutcome::refused`](super::CohortOutcome::refused).
    pub refused: BTreeMap<String, u64>,
}

pub(super) fn routes(scenario: &Scenario, record: &CohortRecord) -> BTreeMap<String, RouteOutcome> {
    let called = scenario.routes.iter().zip(&record.routes).map(|(route, cell)| (&route.path, RouteOutcome::new(cell)));
    called.filter(|(_, calls)| calls.offered() > 0).map(|(path, calls)| (path.clone(), calls)).collect()
}

impl RouteRecord {
    pub(super) fn add(&mut self, other: &Self) {
        self.admitted += other.admitted;
        self.served += other.served;
        self.failed += other.failed;
        for (sum, more) in self.refused.iter_mut().zip(other.refused) {
            *sum += more;
        }
    }
}

impl RouteOutcome {
    pub(super) fn new(cell: &RouteRecord) -> Self {
        Self {
            served: cell.served,
            failed: cell.failed,
            in_flight: cell.admitted - cell.served - cell.failed,
            refused: by_cause(&cell.refused),
        }
    }

    /// Calls offered to the gateway.
    pub fn offered(&self) -> u64 {
        self.served + self.failed + self.in_flight + self.refused.values().sum::<u64>()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.served += other.served;
        self.failed += other.failed;
        self.in_flight += other.in_flight;
        super::add(&mut self.refused, &other.refused, |sum, more| *sum += more);
    }
}

pub(super) fn by_cause(counts: &[u64; CAUSES]) -> BTreeMap<String, u64> {
    let named = Cause::ALL.iter().zip(counts).filter(|(_, count)| **count > 0);
    named.map(|(cause, count)| (cause.name().to_owned(), *count)).collect()
}
