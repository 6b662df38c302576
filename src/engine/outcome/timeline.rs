//! What happened to one cohort over time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Nanos, add_each};
use crate::billing::cause::Cause;
use crate::record::CohortRecord;

/// What happened to one cohort over time; each column has one entry per bucket of
/// [`Outcome::bucket_ns`](super::Outcome::bucket_ns).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeline {
    /// Attempts at calls made in that time.
    pub offered: Vec<u64>,
    /// Those of them that were served, whenever that was.
    pub served: Vec<u64>,
    /// Those of them that were refused, by cause.
    pub refused: BTreeMap<String, Vec<u64>>,
    /// What was invoiced in that time, less what was credited.
    pub invoiced: Vec<Nanos>,
}

impl Timeline {
    pub(super) fn new(record: &CohortRecord) -> Self {
        let buckets = || record.timeline.iter();
        let of = |cause: Cause| buckets().map(|bucket| bucket.refused[cause.index()]).collect::<Vec<_>>();
        let refused = Cause::ALL.map(|cause| (cause.name().to_owned(), of(cause)));
        Self {
            offered: buckets().map(|bucket| bucket.passed + bucket.decided).collect(),
            served: buckets().map(|bucket| bucket.passed + bucket.served).collect(),
            refused: refused.into_iter().filter(|(_, calls)| calls.iter().any(|calls| *calls > 0)).collect(),
            invoiced: buckets().map(|bucket| Nanos(bucket.invoiced)).collect(),
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        add_each(&mut self.offered, &other.offered);
        add_each(&mut self.served, &other.served);
        super::add(&mut self.refused, &other.refused, |sum, more| add_each(sum, more));
        add_each(&mut self.invoiced, &other.invoiced);
    }
}
