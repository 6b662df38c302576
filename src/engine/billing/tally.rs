//! Counts that no posting carries.

use crate::billing::usage::Units;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Count {
    /// Attempts to collect.
    Attempts,
    /// Attempts that were declined.
    Declined,
    /// Attempts that met an error of the processor.
    Errors,
    /// Attempts past the card networks' limits.
    Excess,
    /// Invoices finalised.
    Invoices,
    /// Dunning runs that ended without payment.
    Exhausted,
    /// Invoices drafted while `unpaid`.
    Drafted,
    /// Subscriptions that began.
    Joined,
    /// Trials that began.
    Trials,
    /// Trials that became paid subscriptions.
    Converted,
    /// Subscriptions that ended by the consumer's will.
    Left,
    /// Changes to a dearer plan.
    Upgrades,
    /// Changes to a cheaper plan.
    Downgrades,
    /// Times that a consumer has slowed down.
    Slowed,
    /// Upgrades that did not happen because their payment failed.
    UpgradesFailed,
    /// Top-ups that were paid.
    TopUps,
    /// Calls that were paid for by themselves.
    PaidCalls,
    /// Holds that expired.
    ExpiredHolds,
    /// Calls whose usage came after their hold had expired: served, and not billed.
    Late,
}

const COUNTS: usize = 19;

impl Count {
    /// Every count, in the order of its index.
    pub const ALL: [Self; COUNTS] = [
        Self::Attempts,
        Self::Declined,
        Self::Errors,
        Self::Excess,
        Self::Invoices,
        Self::Exhausted,
        Self::Drafted,
        Self::Joined,
        Self::Trials,
        Self::Converted,
        Self::Left,
        Self::Upgrades,
        Self::Downgrades,
        Self::Slowed,
        Self::UpgradesFailed,
        Self::TopUps,
        Self::PaidCalls,
        Self::ExpiredHolds,
        Self::Late,
    ];

    /// Its name in outcomes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Declined => "declined",
            Self::Errors => "errors",
            Self::Excess => "excess",
            Self::Invoices => "invoices",
            Self::Exhausted => "exhausted",
            Self::Drafted => "drafted",
            Self::Joined => "joined",
            Self::Trials => "trials",
            Self::Converted => "converted",
            Self::Left => "left",
            Self::Upgrades => "upgrades",
            Self::Downgrades => "downgrades",
            Self::Slowed => "slowed",
            Self::UpgradesFailed => "upgrades_failed",
            Self::TopUps => "top_ups",
            Self::PaidCalls => "paid_calls",
            Self::ExpiredHolds => "expired_holds",
            Self::Late => "late",
        }
    }
}

/// How many attempts are told apart by their number; the last place counts all later ones.
pub const ATTEMPTS: usize = 8;

/// The counts of one account, or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: [u64; COUNTS],
    /// What became of the units.
    pub units: Units,
    /// Invoices paid by the first attempt, the second, …
    pub paid_by_attempt: [u64; ATTEMPTS],
}

impl Tally {
    /// One more of these.
    pub(crate) fn count(&mut self, count: Count) {
        self.counts[count as usize] += 1;
    }

    /// An invoice was paid by the attempt of this number, from 1.
    pub(crate) fn paid_by(&mut self, attempt: u32) {
        self.paid_by_attempt[(attempt as usize - 1).min(ATTEMPTS - 1)] += 1;
    }

    /// How many there were.
    pub fn of(&self, count: Count) -> u64 {
        self.counts[count as usize]
    }

    /// Adds another account's counts.
    pub fn add(&mut self, other: &Self) {
        let counts = self.counts.iter_mut().zip(other.counts);
        for (sum, more) in counts.chain(self.paid_by_attempt.iter_mut().zip(other.paid_by_attempt)) {
            *sum += more;
        }
        self.units.add(&other.units);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_found_at_its_index() {
        assert!(Count::ALL.iter().enumerate().all(|(i, count)| *count as usize == i));
    }
}
