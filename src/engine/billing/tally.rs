//! Counts that no posting carries.

use crate::billing::usage::Units;
use crate::time::{DAY, Span};

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
    /// Reminders that a card is about to end.
    CardReminders,
    /// Cards that were put in because of one, before the card that it was about had ended.
    CardRemindersHeeded,
    /// Reminders that a trial is about to end.
    TrialReminders,
    /// Payment methods that were given because of one, before the trial had ended.
    TrialRemindersHeeded,
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
    /// Consumers that were blocked at any time: refused because an invoice was unpaid.
    Blocked,
    /// Invoices paid after a failed attempt, by one that was made at once for a new card.
    RecoveredByCard,
    /// Consumers that paid for what they had been refused, and were not served any more before the end.
    NotBack,
    /// Calls that something was settled for though their clients had given up.
    SettledGivenUp,
    /// What has happened at the processor and is told by webhook.
    Events,
    /// Deliveries of webhooks.
    Deliveries,
    /// Of those: of what had been heard before.
    Duplicates,
    /// Of those: of what was not heard before, and was older than what had been.
    Stale,
    /// Events that were heard of because the processor was asked.
    Reconciled,
    /// Events that were not heard of before the end.
    Unheard,
    /// Consumers whose status refused them at any time, though they had paid and were not heard of.
    WronglyBlocked,
    /// Consumers whose status let them pass at any time, because what should have refused them was not heard of.
    WronglyServed,
    /// Payments that were heard of when nothing was due for them any more, and were given back.
    GivenBack,
}

const COUNTS: usize = 36;

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
        Self::CardReminders,
        Self::CardRemindersHeeded,
        Self::TrialReminders,
        Self::TrialRemindersHeeded,
        Self::UpgradesFailed,
        Self::TopUps,
        Self::PaidCalls,
        Self::ExpiredHolds,
        Self::Late,
        Self::Blocked,
        Self::RecoveredByCard,
        Self::NotBack,
        Self::SettledGivenUp,
        Self::Events,
        Self::Deliveries,
        Self::Duplicates,
        Self::Stale,
        Self::Reconciled,
        Self::Unheard,
        Self::WronglyBlocked,
        Self::WronglyServed,
        Self::GivenBack,
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
            Self::CardReminders => "card_reminders",
            Self::CardRemindersHeeded => "card_reminders_heeded",
            Self::TrialReminders => "trial_reminders",
            Self::TrialRemindersHeeded => "trial_reminders_heeded",
            Self::UpgradesFailed => "upgrades_failed",
            Self::TopUps => "top_ups",
            Self::PaidCalls => "paid_calls",
            Self::ExpiredHolds => "expired_holds",
            Self::Late => "late",
            Self::Blocked => "blocked",
            Self::RecoveredByCard => "recovered_by_card",
            Self::NotBack => "not_back",
            Self::SettledGivenUp => "settled_given_up",
            Self::Events => "events",
            Self::Deliveries => "deliveries",
            Self::Duplicates => "duplicates",
            Self::Stale => "stale",
            Self::Reconciled => "reconciled",
            Self::Unheard => "unheard",
            Self::WronglyBlocked => "wrongly_blocked",
            Self::WronglyServed => "wrongly_served",
            Self::GivenBack => "given_back",
        }
    }
}

/// How many attempts are told apart by their number; the last place counts all later ones.
pub const ATTEMPTS: usize = 8;

/// How many whole days from a failed attempt to the payment are told apart: 0 to 89; one more place counts all later ones.
pub const RECOVERY_DAYS: usize = 90;

/// The counts of one account, or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: Counts,
    /// What became of the units.
    pub units: Units,
    /// Invoices paid by the first attempt, the second, …
    pub paid_by_attempt: [u64; ATTEMPTS],
    /// How long accounts were blocked, in ns of billing time.
    pub blocked_ns: u128,
    /// What calls were billed whose clients had given up, from credit and in arrears, in nanos.
    pub billed_given_up: i128,
    /// What [`Count::GivenBack`] comes to, in nanos. It is in no books.
    pub given_back: i128,
    /// Invoices paid after a failed attempt, by the whole days from the first such to the payment, as far as any was.
    pub recovered_by_day: Vec<u64>,
    /// All those times together, in ns.
    pub recovered_ns: u128,
}

/// Each [`Count`]; there are too many for a default of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts([u64; COUNTS]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; COUNTS])
    }
}

impl Tally {
    /// One more of these.
    pub(crate) fn count(&mut self, count: Count) {
        self.counts.0[count as usize] += 1;
    }

    /// An invoice was paid by the attempt of this number, from 1.
    pub(crate) fn paid_by(&mut self, attempt: u32) {
        self.paid_by_attempt[(attempt as usize - 1).min(ATTEMPTS - 1)] += 1;
    }

    /// An invoice was paid so long after its first attempt had failed; by the schedule, or at once for a new card.
    pub(crate) fn recovered(&mut self, after: Span, is_scheduled: bool) {
        let day = ((after.ns() / DAY) as usize).min(RECOVERY_DAYS);
        let known = self.recovered_by_day.len().max(day + 1);
        self.recovered_by_day.resize(known, 0);
        self.recovered_by_day[day] += 1;
        self.recovered_ns += u128::from(after.ns());
        if !is_scheduled {
            self.count(Count::RecoveredByCard);
        }
    }

    /// How many there were.
    pub fn of(&self, count: Count) -> u64 {
        self.counts.0[count as usize]
    }

    /// Adds another account's counts.
    pub fn add(&mut self, other: &Self) {
        let counts = self.counts.0.iter_mut().zip(other.counts.0);
        for (sum, more) in counts.chain(self.paid_by_attempt.iter_mut().zip(other.paid_by_attempt)) {
            *sum += more;
        }
        self.units.add(&other.units);
        self.blocked_ns += other.blocked_ns;
        self.billed_given_up += other.billed_given_up;
        self.given_back += other.given_back;
        self.recovered_ns += other.recovered_ns;
        let known = self.recovered_by_day.len().max(other.recovered_by_day.len());
        self.recovered_by_day.resize(known, 0);
        for (sum, more) in self.recovered_by_day.iter_mut().zip(&other.recovered_by_day) {
            *sum += more;
        }
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
