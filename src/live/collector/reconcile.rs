//! The books beside what the processor holds: what accounts have captured, and what was taken from cards.

use std::collections::BTreeSet;

use farebox_engine::billing::invoice::Charge;
use farebox_engine::money::Currency;
use farebox_engine::world::outside::Captured;
use mock_upstreams::payments::Capture;
use serde::Serialize;

use super::ask::minor;
use crate::live::webhooks::notice::{ACCOUNT, ATTEMPT, PURPOSE, name};

/// What an account knows of its charges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// What its books have captured.
    pub captured: Captured,
    /// What is asked for, and not answered as far as it knows.
    pub open: Vec<Charge>,
    /// What has gone back, as it does not know.
    pub returning: Vec<Charge>,
}

/// Payments, and what they come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many.
    pub payments: u64,
    /// How much, in the smallest unit of the currency.
    pub minor: i64,
}

/// The books beside what the processor holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// What the books have captured, less what has gone back; also where they have not heard of that.
    pub books: Sum,
    /// What the processor has taken and not given back, but for what is under way.
    pub processor: Sum,
    /// What the processor has taken, and the books could not have heard of by the end.
    pub under_way: Sum,
    /// What has gone back at the processor, and the accounts had not heard of by the end: neither of the two sums has it.
    pub gone_back: Sum,
    /// Accounts of which the two say different things.
    pub differ: u64,
    /// How often the processor was asked for what no webhook had told.
    pub asked: u64,
    /// What was due by the end of the load, and has not come: accounts that wait for an answer, payments that were to go back.
    pub unanswered: u64,
}

impl Sum {
    fn add(&mut self, payments: u64, minor: i64) {
        self.payments += payments;
        self.minor += minor;
    }
}

impl Reconciled {
    /// Compares what each account has captured with what the processor holds of it. A payment of nobody's is one more
    /// account that differs.
    #[must_use]
    pub fn of(accounts: &[Collected], captures: &[Capture], currency: Currency) -> Self {
        let mut found = Self::default();
        let mut held = vec![Sum::default(); accounts.len()];
        let open: Vec<BTreeSet<_>> =
            accounts.iter().map(|account| account.open.iter().map(address).collect()).collect();
        for capture in captures.iter().filter(|capture| capture.amount > 0) {
            let said = |name: &str| capture.metadata.get(name).cloned().unwrap_or_default();
            let account = said(ACCOUNT).parse().ok().filter(|account: &usize| *account < accounts.len());
            match account {
                Some(account) if open[account].contains(&(said(PURPOSE), said(ATTEMPT))) => {
                    found.under_way.add(1, capture.amount);
                    continue;
                }
                Some(account) => held[account].add(1, capture.amount),
                None => found.differ += 1,
            }
            found.processor.add(1, capture.amount);
        }
        for (account, held) in accounts.iter().zip(held) {
            let Captured { charges, amount } = account.captured;
            let mut booked = Sum { payments: charges, minor: minor(amount, currency) };
            for charge in &account.returning {
                booked.payments -= 1;
                booked.minor -= minor(charge.amount, currency);
                found.gone_back.add(1, minor(charge.amount, currency));
            }
            found.books.add(booked.payments, booked.minor);
            found.differ += u64::from(booked != held);
        }
        found
    }

    /// Whether both say the same, account by account, and have said all that they had to.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.differ == 0 && self.unanswered == 0
    }
}

fn address(charge: &Charge) -> (String, String) {
    (name(charge.purpose), charge.attempt.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use farebox_engine::billing::invoice::Purpose;
    use farebox_engine::money::{Money, NANOS};

    use super::*;

    fn captured(charges: u64, dollars: i64, open: Vec<Charge>) -> Collected {
        let captured = Captured { charges, amount: Money::from_nanos(dollars * NANOS) };
        Collected { captured, open, returning: Vec::new() }
    }

    fn capture(account: &str, number: u32, dollars: i64) -> Capture {
        let metadata =
            [(ACCOUNT, account.to_owned()), (PURPOSE, format!("period-{number}")), (ATTEMPT, "1".to_owned())];
        let metadata: BTreeMap<_, _> = metadata.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        Capture { amount: dollars * 100, metadata }
    }

    fn compared(captures: &[Capture]) -> Reconciled {
        let charge = Charge { purpose: Purpose::Period(9), attempt: 1, amount: Money::from_nanos(7 * NANOS) };
        let accounts = [captured(2, 30, vec![charge]), captured(0, 0, Vec::new())];
        Reconciled::of(&accounts, captures, Currency::from_code("USD").unwrap())
    }

    #[test]
    fn books_that_say_what_the_processor_holds_are_equal_but_for_what_is_under_way() {
        let found = compared(&[capture("0", 1, 10), capture("0", 2, 20), capture("0", 9, 7), capture("1", 1, 0)]);
        assert!(found.is_equal());
        let sum = Sum { payments: 2, minor: 3_000 };
        assert_eq!([found.books, found.processor], [sum; 2]);
        assert_eq!(found.under_way, Sum { payments: 1, minor: 700 });
        assert!(
            !Reconciled { unanswered: 1, ..found }.is_equal(),
            "who has had no answer has books that are not complete"
        );
    }

    /// What has gone back at the processor is not held any more, whether or not its account has heard of that.
    #[test]
    fn what_has_gone_back_is_held_by_nobody() {
        let charge = Charge { purpose: Purpose::Period(1), attempt: 1, amount: Money::from_nanos(10 * NANOS) };
        let unheard = Collected { returning: vec![charge], ..captured(2, 30, Vec::new()) };
        let (gone, kept) = (capture("0", 1, 0), capture("0", 2, 20));
        let usd = Currency::from_code("USD").unwrap();
        for (account, gone_back) in [(unheard.clone(), 1), (captured(1, 20, Vec::new()), 0)] {
            let found = Reconciled::of(&[account], &[gone.clone(), kept.clone()], usd);
            assert!(found.is_equal());
            assert_eq!(found.gone_back, Sum { payments: gone_back, minor: 1_000 * gone_back as i64 });
        }
        let held = [capture("0", 1, 10), kept];
        assert!(!Reconciled::of(&[unheard], &held, usd).is_equal(), "it has not gone back");
    }

    #[test]
    fn each_account_is_compared_by_itself() {
        // Charged twice; not at all; another's; nobody's.
        for captures in [
            vec![capture("0", 1, 10), capture("0", 2, 20), capture("0", 2, 20)],
            vec![capture("0", 1, 10)],
            vec![capture("0", 1, 10), capture("1", 2, 20)],
            vec![capture("0", 1, 10), capture("0", 2, 20), capture("x", 3, 1)],
            vec![capture("0", 1, 10), capture("0", 2, 21)],
        ] {
            assert!(!compared(&captures).is_equal(), "{captures:?}");
        }
    }
}
