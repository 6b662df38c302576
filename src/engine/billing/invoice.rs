//! Invoices, and the dunning run that follows a declined one.
//!
//! One dunning run per subscription, oldest invoice first. Grace runs from the first failed attempt of the oldest
//! unpaid invoice; a failed retry never extends it.

use std::collections::VecDeque;

use crate::billing::catalog::{NETWORK_ATTEMPTS, NETWORK_WINDOW};
use crate::billing::decline::Decline;
use crate::billing::usage::Segment;
use crate::model::Dunning;
use crate::money::Money;
use crate::time::{Span, Time};

/// What a payment is for. With the number of the attempt it is the idempotency key, and the address of its draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The invoice at the beginning of a period (counted from the anchor), with the usage of the last one.
    Period(u32),
    /// The usage of a period that ends apart from the fee's.
    Usage(u32),
    /// A change of plan.
    Change(u32),
    /// The usage since the last invoice, when a subscription ends.
    Last(u32),
    /// Credit, bought.
    TopUp(u32),
}

/// A finalised invoice that is not yet paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// What it is for.
    pub purpose: Purpose,
    /// Its total, less what was settled from the consumer's balance.
    pub amount: Money,
    /// How many attempts to collect it were made.
    pub attempts: u32,
    /// How many of them ended in an error of the processor: neither paid nor declined.
    pub errors: u32,
    /// How many of the scheduled ones have failed.
    pub failed: u32,
    /// Whether any has: then its grace runs.
    pub has_failed: bool,
    /// When the first attempt has failed, or could not be made; [`Time::NEVER`]: none has.
    pub first_failed: Time,
}

/// One attempt to collect, as the processor is asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// What it is for.
    pub purpose: Purpose,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// How much.
    pub amount: Money,
}

/// An invoice that waits for calls in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) purpose: Purpose,
    /// The usage that it bills: a segment per price version.
    pub(crate) segments: Vec<Segment>,
    /// The fee of the period that begins, discount taken off; it was booked when that began.
    pub(crate) fee: Money,
    /// Whether the usage has a discount.
    pub(crate) is_discounted: bool,
    /// What becomes of it.
    pub(crate) fate: Fate,
}

impl Draft {
    /// Whether calls are in flight that belong on it.
    pub(crate) fn is_waiting(&self) -> bool {
        self.segments.iter().any(|segment| segment.open > 0)
    }
}

/// What becomes of an invoice when it is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is collected.
    Collect,
    /// It is given up: the subscription has ended unpaid.
    WriteOff,
    /// It stays a draft: the subscription is `unpaid`.
    Keep,
}

/// What is due and what will be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receivables {
    unpaid: VecDeque<Invoice>,
    grace_ends: Time,
    /// The attempt that the processor has not answered yet.
    asked: Option<Asked>,
    /// Whether the card was declined for good: only a new one is worth another attempt.
    is_dead: bool,
    /// When the oldest invoice was tried, as far back as the card networks count; the attempt that is under way included.
    recent: VecDeque<Time>,
}

/// An attempt that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) purpose: Purpose,
    /// Whether it belongs to the schedule; else to a new card.
    pub(crate) is_scheduled: bool,
}

/// What a declined attempt leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterDecline {
    /// Another attempt at this moment.
    Retry(Time),
    /// What was planned stays planned.
    Unchanged,
    /// The dunning run has ended.
    Exhausted,
}

impl Default for Receivables {
    fn default() -> Self {
        Self { unpaid: VecDeque::new(), grace_ends: Time::NEVER, asked: None, is_dead: false, recent: VecDeque::new() }
    }
}

impl Receivables {
    /// Adds an invoice; whether it is the one to collect now, because no older one is being dunned.
    pub fn add(&mut self, purpose: Purpose, amount: Money) -> bool {
        let first_failed = Time::NEVER;
        let invoice = Invoice { purpose, amount, attempts: 0, errors: 0, failed: 0, has_failed: false, first_failed };
        self.unpaid.push_back(invoice);
        self.unpaid.len() == 1
    }

    /// The next attempt on the oldest unpaid invoice; `None` when nothing is due, or the last attempt is not answered.
    pub fn next_charge(&mut self, billing: Time, is_scheduled: bool) -> Option<Charge> {
        if let Some(asked) = &mut self.asked {
            // What falls due meanwhile is answered with it.
            asked.is_scheduled |= is_scheduled;
            return None;
        }
        let oldest = self.unpaid.front_mut()?;
        oldest.attempts += 1;
        self.asked = Some(Asked { purpose: oldest.purpose, is_scheduled });
        while self.recent.front().is_some_and(|at| billing >= *at + NETWORK_WINDOW) {
            self.recent.pop_front();
        }
        self.recent.push_back(billing);
        Some(Charge { purpose: oldest.purpose, attempt: oldest.attempts, amount: oldest.amount })
    }

    /// Whether the attempt that was made last passes what the card networks take for nothing.
    pub fn is_excess(&self) -> bool {
        self.recent.len() > NETWORK_ATTEMPTS
    }

    /// The attempt that was made last, for this purpose, ended in an error of the processor: the card networks have not
    /// seen it.
    pub(crate) fn was_not_sent(&mut self, purpose: Purpose) {
        self.recent.pop_back();
        if let Some(oldest) = self.unpaid.front_mut().filter(|oldest| oldest.purpose == purpose) {
            oldest.errors += 1;
        }
    }

    /// The attempt for this purpose was answered, whatever the answer; `None` when it was not what was asked.
    pub(crate) fn answered(&mut self, purpose: Purpose) -> Option<Asked> {
        self.asked.take_if(|asked| asked.purpose == purpose)
    }

    /// Whether this was asked for, and not answered.
    pub(crate) fn awaits(&self, purpose: Purpose) -> bool {
        self.asked.is_some_and(|asked| asked.purpose == purpose)
    }

    /// Whether the processor has been asked and has not answered.
    pub(crate) fn has_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// The oldest invoice is paid.
    ///
    /// # Panics
    /// When none was being collected: the processor answered what was never asked.
    pub fn paid(&mut self) -> Invoice {
        self.recent.clear();
        self.is_dead = false;
        let paid = self.unpaid.pop_front().expect("a payment answers an attempt on the oldest invoice");
        if self.unpaid.is_empty() {
            self.grace_ends = Time::NEVER;
        }
        paid
    }

    /// An attempt on the oldest invoice failed at `billing`. One that was made for a new card, beside the schedule,
    /// leaves the schedule as it is.
    ///
    /// # Panics
    /// As [`Self::paid`].
    pub fn failed(
        &mut self,
        billing: Time,
        why: Option<Decline>,
        is_scheduled: bool,
        grace: Span,
        policy: &Dunning,
    ) -> AfterDecline {
        self.first_failed(billing);
        let oldest = self.unpaid.front_mut().expect("a decline answers an attempt on the oldest invoice");
        if !oldest.has_failed {
            oldest.has_failed = true;
            self.grace_ends = billing + grace;
        }
        self.is_dead |= why.is_some_and(Decline::is_hard) && !policy.retries_hard_declines;
        // A run that has ended does not end again.
        if !is_scheduled || oldest.failed as usize > policy.retries.len() {
            return AfterDecline::Unchanged;
        }
        oldest.failed += 1;
        match policy.retries.get(oldest.failed as usize - 1) {
            Some(gap) => AfterDecline::Retry(billing + *gap),
            None => AfterDecline::Exhausted,
        }
    }

    /// An attempt on the oldest invoice failed at `billing`: that is remembered of the first.
    pub(crate) fn first_failed(&mut self, billing: Time) {
        if let Some(oldest) = self.unpaid.front_mut() {
            oldest.first_failed = oldest.first_failed.min(billing);
        }
    }

    /// A new card: worth another attempt.
    pub fn new_card(&mut self) {
        self.is_dead = false;
        self.recent.clear();
    }

    /// Whether only a new card is worth another attempt.
    pub fn is_dead(&self) -> bool {
        self.is_dead
    }

    /// Gives up everything that is due, and returns the sum's parts.
    pub fn give_up(&mut self) -> impl Iterator<Item = Invoice> + use<> {
        self.grace_ends = Time::NEVER;
        std::mem::take(&mut self.unpaid).into_iter()
    }

    /// When grace ends, in billing time; [`Time::NEVER`] while nothing has failed.
    #[inline]
    pub fn grace_ends(&self) -> Time {
        self.grace_ends
    }

    /// The unpaid invoices, oldest first.
    pub fn unpaid(&self) -> impl Iterator<Item = &Invoice> {
        self.unpaid.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY;

    const fn day(n: i64) -> Time {
        Time::from_ns(n * DAY as i64)
    }

    const fn days(n: u64) -> Span {
        Span::from_ns(n * DAY)
    }

    fn policy(retries: &[u64]) -> Dunning {
        Dunning { retries: retries.iter().map(|gap| days(*gap)).collect(), ..Dunning::default() }
    }

    fn try_now(receivables: &mut Receivables, at: Time) -> Charge {
        let charge = receivables.next_charge(at, true).unwrap();
        receivables.answered(charge.purpose);
        charge
    }

    const BROKE: Option<Decline> = Some(Decline::InsufficientFunds);

    /// Gaps of 3, 5 and 7 days try on days 3, 8 and 15; grace of 4 days ends on day 4 whatever fails later.
    #[test]
    fn retries_are_gaps_and_never_extend_grace() {
        let policy = policy(&[3, 5, 7]);
        let mut receivables = Receivables::default();
        assert!(receivables.add(Purpose::Period(0), Money::from_nanos(5)));
        assert_eq!(try_now(&mut receivables, day(0)).attempt, 1);
        let mut tried = Vec::new();
        let mut at = day(0);
        while let AfterDecline::Retry(next) = receivables.failed(at, BROKE, true, days(4), &policy) {
            at = next;
            tried.push((at.ns() / DAY as i64, try_now(&mut receivables, at).attempt));
            assert_eq!(receivables.grace_ends(), day(4));
        }
        assert_eq!(tried, [(3, 2), (8, 3), (15, 4)]);
    }

    #[test]
    fn a_newer_invoice_waits_for_the_older_one_and_then_has_a_grace_of_its_own() {
        let policy = policy(&[40]);
        let mut receivables = Receivables::default();
        receivables.add(Purpose::Period(0), Money::from_nanos(5));
        try_now(&mut receivables, day(0));
        receivables.failed(day(0), BROKE, true, days(2), &policy);
        assert!(!receivables.add(Purpose::Period(1), Money::from_nanos(6)));
        let retry = try_now(&mut receivables, day(40));
        assert_eq!((retry.purpose, retry.attempt), (Purpose::Period(0), 2));
        assert_eq!(receivables.paid().purpose, Purpose::Period(0));
        let next = try_now(&mut receivables, day(40));
        assert_eq!((next.purpose, next.attempt), (Purpose::Period(1), 1));
        receivables.failed(day(40), BROKE, true, days(2), &policy);
        assert_eq!(receivables.grace_ends(), day(42));
    }

    /// Visa: fifteen attempts within thirty days; the sixteenth costs extra, unless the first has grown old.
    #[test]
    fn the_networks_count_attempts_within_thirty_days() {
        let mut receivables = Receivables::default();
        receivables.add(Purpose::Period(0), Money::from_nanos(5));
        let excess: Vec<_> = (0..17)
            .map(|attempt| {
                try_now(&mut receivables, day(attempt));
                receivables.is_excess()
            })
            .collect();
        assert_eq!(excess.iter().filter(|is_excess| **is_excess).count(), 2);
        try_now(&mut receivables, day(32));
        assert!(!receivables.is_excess());
    }
}
