//! The period of a fee: what was invoiced in advance, and how much of it is earned.

use crate::billing::calendar::Cycle;
use crate::money::Money;
use crate::time::{SECOND, Time};

/// The fee period that a subscription is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FeePeriod {
    /// Its boundaries; `None` for a plan without a fee.
    pub(crate) cycle: Option<Cycle>,
    /// Counted from the anchor.
    pub(crate) number: u32,
    /// When it began, and ends.
    pub(crate) begins: Time,
    pub(crate) ends: Time,
    /// From when on [`Self::amount`] is earned: the beginning, or the last change of plan.
    pub(crate) from: Time,
    /// The first change of plan inside this period, as [`Purpose::Change`](crate::billing::invoice::Purpose) counts
    /// them: its invoice and the later ones bill parts of this fee too.
    pub(crate) first_change: u32,
    /// The fee of a whole period as it was invoiced, discount taken off: what a change of plan credits a share of.
    pub(crate) full: Money,
    /// What was invoiced in advance and is earned by the end…
    pub(crate) amount: Money,
    /// …and how much of it is by now.
    pub(crate) earned: Money,
}

impl FeePeriod {
    /// No fee.
    pub(crate) const NONE: Self = Self {
        cycle: None,
        number: 0,
        begins: Time::from_ns(i64::MIN),
        ends: Time::NEVER,
        from: Time::from_ns(i64::MIN),
        first_change: 0,
        full: Money::ZERO,
        amount: Money::ZERO,
        earned: Money::ZERO,
    };

    /// What is invoiced and not earned.
    pub(crate) fn unearned(&self) -> Money {
        self.amount.checked_sub(self.earned).expect("no more is earned than was invoiced")
    }

    /// How much is earned at `billing`: by the whole second, rounded half to even, cumulative, so that the parts sum to
    /// the amount.
    pub(crate) fn earned_at(&self, billing: Time) -> Money {
        let (elapsed, length) = self.seconds(self.from, billing);
        if elapsed >= length { self.amount } else { self.amount.scale_half_even(elapsed, length) }
    }

    /// The share of the whole period that is left at `billing`, in whole seconds: (left, of).
    pub(crate) fn left(&self, billing: Time) -> (u64, u64) {
        let (elapsed, length) = self.seconds(self.begins, billing);
        (length.saturating_sub(elapsed), length.max(1))
    }

    /// Whole seconds from `from` to `billing`, and to the end.
    fn seconds(&self, from: Time, billing: Time) -> (u64, u64) {
        (billing.since(from).ns() / SECOND, self.ends.since(from).ns() / SECOND)
    }
}
