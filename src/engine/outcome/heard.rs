//! What it came to that accounts heard late of their payments.

use serde::{Deserialize, Serialize};

use super::cohort::buckets_of_recovery;
use super::{Nanos, pooled, quantile};
use crate::record::LateRecord;

/// How late accounts of one cohort heard what had become of their payments, and for how long they were wrong meanwhile; in
/// traffic time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heard {
    /// How long it took from what happened at the processor until the account heard of it:
    /// `[upper end of the bucket in ns, events]`, 2 significant digits.
    pub late: Vec<[u64; 2]>,
    /// All of it, in ns.
    pub late_ns: Nanos,
    /// The longest, in ns.
    pub late_max_ns: u64,
    /// How long accounts were refused for their status, all together, though they would have been served had they heard at
    /// once, in ns.
    pub wrongly_blocked_ns: Nanos,
    /// How long accounts were served, all together, though they would have been refused, in ns.
    pub wrongly_served_ns: Nanos,
}

impl Heard {
    pub(super) fn new(record: &LateRecord) -> Self {
        Self {
            late: record.late.as_ref().map_or_else(Vec::new, buckets_of_recovery),
            late_ns: Nanos(record.late.as_ref().map_or(0, |late| late.sum.cast_signed())),
            late_max_ns: record.late.as_ref().map_or(0, |late| late.max),
            wrongly_blocked_ns: Nanos(record.wrongly_blocked_ns.cast_signed()),
            wrongly_served_ns: Nanos(record.wrongly_served_ns.cast_signed()),
        }
    }

    /// How many events were heard of.
    pub fn events(&self) -> u64 {
        self.late.iter().map(|[_, events]| events).sum()
    }

    /// How long it took in the share `q` (0 < q ≤ 1) of all, at most, in ns; `None` where nothing was heard of. A bucket ends
    /// no later than the longest.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        quantile(&self.late, q).map(|ns| ns.min(self.late_max_ns))
    }

    /// Of several together.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        all.into_iter().for_each(|one| sum.add(one));
        sum
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.late = pooled([&self.late[..], &other.late]);
        self.late_ns += other.late_ns;
        self.late_max_ns = self.late_max_ns.max(other.late_max_ns);
        self.wrongly_blocked_ns += other.wrongly_blocked_ns;
        self.wrongly_served_ns += other.wrongly_served_ns;
    }

    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}
