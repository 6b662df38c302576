//! Invoices for fees, and the dunning run that follows a declined one.
//!
//! One dunning run per subscription, oldest invoice first. Grace runs from the first failed attempt of the oldest
//! unpaid invoice; a failed retry never extends it.

use std::collections::VecDeque;

use crate::model::Dunning;
use crate::money::Money;
use crate::time::{Span, Time};

/// A finalised invoice that is not yet paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// The period that it bills, counted from the subscription's anchor.
    pub period: u32,
    /// Its total.
    pub amount: Money,
    /// How many attempts to collect it have failed.
    pub failed: u32,
}

/// One attempt to collect an invoice, as the processor is asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The period of the invoice; with the attempt's number it is the idempotency key.
    pub period: u32,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// How much.
    pub amount: Money,
}

/// What the processor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Captured.
    Paid,
    /// Declined.
    Declined,
}

/// What is due and what will be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receivables {
    unpaid: VecDeque<Invoice>,
    retry_at: Time,
    grace_ends: Time,
}

/// What a declined attempt leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterDecline {
    /// Another attempt at [`Receivables::retry_at`].
    Retry,
    /// The dunning run has ended.
    Exhausted,
}

impl Default for Receivables {
    fn default() -> Self {
        Self { unpaid: VecDeque::new(), retry_at: Time::NEVER, grace_ends: Time::NEVER }
    }
}

impl Receivables {
    /// Adds an invoice; returns the attempt to make at once, unless an older invoice is being dunned.
    pub fn add(&mut self, period: u32, amount: Money) -> Option<Charge> {
        self.unpaid.push_back(Invoice { period, amount, failed: 0 });
        if self.unpaid.len() == 1 { self.next_charge() } else { None }
    }

    /// The next attempt on the oldest unpaid invoice; the retry that was planned, if any, is this one.
    pub fn next_charge(&mut self) -> Option<Charge> {
        self.retry_at = Time::NEVER;
        let oldest = self.unpaid.front()?;
        Some(Charge { period: oldest.period, attempt: oldest.failed + 1, amount: oldest.amount })
    }

    /// The oldest invoice is paid.
    ///
    /// # Panics
    /// When none was being collected: the processor answered what was never asked.
    pub fn paid(&mut self) -> Invoice {
        self.grace_ends = Time::NEVER;
        self.unpaid.pop_front().expect("a payment answers an attempt on the oldest invoice")
    }

    /// An attempt on the oldest invoice was declined at `billing`.
    ///
    /// # Panics
    /// As [`Self::paid`].
    pub fn declined(&mut self, billing: Time, grace: Span, policy: &Dunning) -> AfterDecline {
        let oldest = self.unpaid.front_mut().expect("a decline answers an attempt on the oldest invoice");
        oldest.failed += 1;
        if oldest.failed == 1 {
            self.grace_ends = billing + grace;
        }
        match policy.retries.get(oldest.failed as usize - 1) {
            Some(gap) => {
                self.retry_at = billing + *gap;
                AfterDecline::Retry
            }
            None => AfterDecline::Exhausted,
        }
    }

    /// Gives up everything that is due, and returns the sum's parts.
    pub fn give_up(&mut self) -> impl Iterator<Item = Invoice> + '_ {
        self.retry_at = Time::NEVER;
        self.unpaid.drain(..)
    }

    /// When the next attempt is made, in billing time.
    #[inline]
    pub fn retry_at(&self) -> Time {
        self.retry_at
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
    use crate::model::Finally;
    use crate::time::DAY;

    const fn day(n: i64) -> Time {
        Time::from_ns(n * DAY as i64)
    }

    const fn days(n: u64) -> Span {
        Span::from_ns(n * DAY)
    }

    /// Gaps of 3, 5 and 7 days try on days 3, 8 and 15; grace of 4 days ends on day 4 whatever fails later.
    #[test]
    fn retries_are_gaps_and_never_extend_grace() {
        let policy = Dunning { retries: vec![days(3), days(5), days(7)], finally: Finally::Keep };
        let mut receivables = Receivables::default();
        assert_eq!(receivables.add(0, Money::from_nanos(5)).map(|charge| charge.attempt), Some(1));
        let mut tried = Vec::new();
        let mut at = day(0);
        while receivables.declined(at, days(4), &policy) == AfterDecline::Retry {
            at = receivables.retry_at();
            let attempt = receivables.next_charge().unwrap().attempt;
            tried.push((at.ns() / DAY as i64, attempt));
            assert_eq!(receivables.grace_ends(), day(4));
        }
        assert_eq!(tried, [(3, 2), (8, 3), (15, 4)]);
    }

    #[test]
    fn a_newer_invoice_waits_for_the_older_one_and_then_has_a_grace_of_its_own() {
        let policy = Dunning { retries: vec![days(40)], finally: Finally::Cancel };
        let mut receivables = Receivables::default();
        receivables.add(0, Money::from_nanos(5)).unwrap();
        receivables.declined(day(0), days(2), &policy);
        assert_eq!(receivables.add(1, Money::from_nanos(6)), None);
        let retry = receivables.next_charge().unwrap();
        assert_eq!((retry.period, retry.attempt), (0, 2));
        assert_eq!(receivables.paid().period, 0);
        let next = receivables.next_charge().unwrap();
        assert_eq!((next.period, next.attempt), (1, 1));
        receivables.declined(day(40), days(2), &policy);
        assert_eq!(receivables.grace_ends(), day(42));
    }
}
