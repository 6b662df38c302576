//! How long what was due stayed unpaid, and what came of it.

use serde::{Deserialize, Serialize};

use super::{Nanos, add_each};
use crate::billing::tally::{RECOVERY_DAYS, Tally};

/// How long accounts of one cohort were blocked for an unpaid invoice, and how long it took to recover what was due.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dunned {
    /// How long accounts were refused because an invoice was unpaid, all together, in ns of billing time.
    pub blocked_ns: Nanos,
    /// Invoices paid after a failed attempt, by whole days from the first such to the payment: the same day, a day later, …
    /// as far as any was; the entry of number [`RECOVERY_DAYS`] counts all later ones.
    pub recovered_by_day: Vec<u64>,
    /// Those times, all together, in ns.
    pub recovered_ns: Nanos,
}

impl Dunned {
    pub(super) fn new(tally: &Tally) -> Self {
        Self {
            blocked_ns: Nanos(tally.blocked_ns.cast_signed()),
            recovered_by_day: tally.recovered_by_day.clone(),
            recovered_ns: Nanos(tally.recovered_ns.cast_signed()),
        }
    }

    /// Invoices paid after a failed attempt.
    pub fn recovered(&self) -> u64 {
        self.recovered_by_day.iter().sum()
    }

    /// Within how many whole days the share `q` (0 < q ≤ 1) of them was paid; `None` where there are none, or it is among
    /// those that are not told apart by day.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let by_day: Vec<_> = (0..).zip(&self.recovered_by_day).map(|(day, count)| [day, *count]).collect();
        super::quantile(&by_day, q).filter(|day| *day < RECOVERY_DAYS as u64)
    }

    /// Of several together.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        all.into_iter().for_each(|one| sum.add(one));
        sum
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.blocked_ns += other.blocked_ns;
        add_each(&mut self.recovered_by_day, &other.recovered_by_day);
        self.recovered_ns += other.recovered_ns;
    }

    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}
