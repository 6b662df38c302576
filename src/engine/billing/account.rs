//! An account: everything that changes about one billing party. How it changes is the [`gate`](crate::billing::gate).

use crate::billing::calendar::Cycle;
use crate::billing::catalog::Catalog;
use crate::billing::hold::Holds;
use crate::billing::invoice::Receivables;
use crate::billing::ledger::{Books, LedgerAccount, Movement};
use crate::billing::limit::Bucket;
use crate::model::PerMeter;
use crate::money::{Money, Overflow};
use crate::time::{Now, SECOND, Time};

/// A consumer: which cohort, and which of its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Consumer {
    /// Index into the scenario's cohorts.
    pub cohort: u32,
    /// Index within the cohort.
    pub index: u32,
}

/// The status of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Paid up, or nothing to pay.
    Active,
    /// The oldest invoice is unpaid after at least one attempt; served inside grace.
    PastDue,
    /// Dunning has ended: invoices are drafted, none is attempted.
    Unpaid,
    /// Over, for good.
    Canceled,
}

/// Counts that no posting carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Attempts to collect, and how many of them were declined.
    pub attempts: u64,
    /// See [`Self::attempts`].
    pub declined: u64,
    /// Invoices paid, by the number of the attempt that succeeded less one; the last place counts all later ones.
    pub paid_by_attempt: [u64; 8],
    /// Dunning runs that ended without payment.
    pub exhausted: u64,
    /// Invoices drafted while `unpaid`.
    pub drafted: u64,
    /// Holds that expired.
    pub expired_holds: u64,
    /// Calls whose usage came after their hold had expired: served, and not billed.
    pub late: u64,
}

impl Tally {
    /// Adds another account's counts.
    pub fn add(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.declined += other.declined;
        for (sum, more) in self.paid_by_attempt.iter_mut().zip(other.paid_by_attempt) {
            *sum += more;
        }
        self.exhausted += other.exhausted;
        self.drafted += other.drafted;
        self.expired_holds += other.expired_holds;
        self.late += other.late;
    }
}

/// All mutable state of one billing party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub(crate) consumer: Consumer,
    pub(crate) status: Status,
    pub(crate) current: CurrentPeriod,
    pub(crate) bucket: Option<Bucket>,
    /// Prepaid credit that is neither spent nor held.
    pub(crate) credit: Money,
    /// Units already paid from credit, per meter: where the next debit starts to count.
    pub(crate) paid_units: PerMeter<u64>,
    pub(crate) holds: Holds,
    pub(crate) receivables: Receivables,
    pub(crate) books: Books,
    pub(crate) tally: Tally,
    /// The last reading of the clocks that this account has seen.
    pub(crate) seen: Now,
}

/// The billing period that the account is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CurrentPeriod {
    pub(crate) cycle: Option<Cycle>,
    pub(crate) number: u32,
    pub(crate) begins: Time,
    pub(crate) ends: Time,
    pub(crate) used: PerMeter<u64>,
    pub(crate) held: PerMeter<u64>,
    /// The fee that was invoiced for this period, and how much of it is earned.
    pub(crate) fee: Money,
    pub(crate) earned: Money,
}

impl Account {
    /// An account as it is when the period that the start falls into begins: nothing used, nothing due.
    /// Play the usage before the start, then [`Self::open_books`].
    pub fn new(consumer: Consumer, catalog: &Catalog) -> Self {
        let (cohort, plan) = catalog.terms(consumer.cohort);
        let cycle = plan.period.map(|period| {
            let seconds = Cycle::seconds_before(period, catalog.start);
            let word = cohort.address.at(u64::from(consumer.index)).named("anchor").stream().word(0);
            let back = 1 + ((u128::from(word) * u128::from(seconds)) >> 64) as u64;
            Cycle::anchored(period, catalog.start, back)
        });
        // A month before the 31st may begin on the 28th, and end before the start.
        let number = cycle.map_or(0, |cycle| u32::from(cycle.begins(1) < Time::START));
        let begins = cycle.map_or(Time::START, |cycle| cycle.begins(number));
        // Traffic time has no such beginning: on a slow clock the period reaches further back in it.
        let long_ago = Time::from_ns(i64::MIN);
        Self {
            consumer,
            status: Status::Active,
            current: CurrentPeriod {
                cycle,
                number,
                begins,
                ends: cycle.map_or(Time::NEVER, |cycle| cycle.begins(number + 1)),
                used: PerMeter::default(),
                held: PerMeter::default(),
                fee: plan.fee,
                earned: Money::ZERO,
            },
            bucket: plan.limit.map(|limit| limit.full(long_ago)),
            credit: Money::from_nanos(i64::MAX),
            paid_units: PerMeter::default(),
            holds: Holds::default(),
            receivables: Receivables::default(),
            books: Books::default(),
            tally: Tally::default(),
            seen: Now { traffic: long_ago, billing: begins },
        }
    }

    /// Opens the books at the start: the unearned part of the running period's fee is carried forward, the opening
    /// credit is granted. What was used before counts against the allowance only.
    pub fn open_books(&mut self, catalog: &Catalog) -> Result<(), Overflow> {
        let (_, plan) = catalog.terms(self.consumer.cohort);
        self.books = Books::default();
        self.tally = Tally::default();
        self.paid_units = PerMeter::default();
        self.holds = Holds::default();
        self.current.held = PerMeter::default();
        self.credit = plan.opening.unwrap_or(Money::ZERO);
        self.current.earned = self.current.earned_at(Time::START);
        let unearned = self.current.fee.checked_sub(self.current.earned);
        self.books.post(Movement::CarryForward, unearned.expect("what is earned is part of the fee"))?;
        self.books.post(Movement::Grant, self.credit)
    }

    /// Who it is.
    pub fn consumer(&self) -> Consumer {
        self.consumer
    }

    /// The subscription's status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The journal.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// What no posting carries.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Prepaid credit that is neither spent nor held.
    pub fn credit(&self) -> Money {
        self.credit
    }

    /// When the current period began, in billing time.
    pub fn period_begins(&self) -> Time {
        self.current.begins
    }

    /// How many holds are open.
    pub fn open_holds(&self) -> usize {
        self.holds.pending().count()
    }

    /// Checks what must hold at any time: the balance is what the books say and never negative, open holds and unpaid
    /// invoices are what their ledger accounts hold, the books sum to zero.
    ///
    /// # Panics
    /// When one of them does not: that is a bug of ours.
    pub fn check(&self) {
        let nanos = |money: Money| i128::from(money.nanos());
        let held: i128 = self.holds.pending().map(|hold| nanos(hold.amount)).sum();
        let due: i128 = self.receivables.unpaid().map(|invoice| nanos(invoice.amount)).sum();
        assert!(self.credit >= Money::ZERO, "a prepaid balance never goes below zero: {:?}", self.consumer);
        assert_eq!(self.books.balance(LedgerAccount::Credit), -nanos(self.credit), "credit of {:?}", self.consumer);
        assert_eq!(self.books.balance(LedgerAccount::Held), -held, "holds of {:?}", self.consumer);
        assert_eq!(self.books.balance(LedgerAccount::Receivable), due, "receivable of {:?}", self.consumer);
        let unearned = nanos(self.current.fee) - nanos(self.current.earned);
        assert_eq!(self.books.balance(LedgerAccount::Deferred), -unearned, "deferred of {:?}", self.consumer);
    }
}

impl CurrentPeriod {
    /// How much of the period's fee is earned at `billing`: by the whole second, rounded half to even, cumulative, so
    /// that the parts sum to the fee.
    pub(crate) fn earned_at(&self, billing: Time) -> Money {
        let length = self.ends.since(self.begins).ns() / SECOND;
        let elapsed = billing.since(self.begins).ns() / SECOND;
        if length == 0 || elapsed >= length { self.fee } else { self.fee.scale_half_even(elapsed, length) }
    }
}
