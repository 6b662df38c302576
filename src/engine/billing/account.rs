//! An account: everything that changes about one billing party. What changes it is in [`gate`](crate::billing::gate)
//! (calls), `subscription` (what time brings) and
//! `collect` (payments).

use std::collections::BTreeMap;

use crate::billing::back::Back;
use crate::billing::calendar::Cycle;
use crate::billing::catalog::{Catalog, CohortTerms, Past, PlanTerms};
use crate::billing::grant::{Grant, Grants};
use crate::billing::hold::{HoldId, Holds};
use crate::billing::invoice::Receivables;
use crate::billing::ledger::{Books, LedgerAccount, Movement};
use crate::billing::limit::LimitState;
use crate::billing::period::FeePeriod;
use crate::billing::tally::{Count, Tally};
use crate::billing::timer::Timers;
use crate::billing::usage::Segment;
use crate::money::{Money, Overflow};
use crate::time::{Now, Span, Time};

/// A consumer: which cohort, and which of its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Consumer {
    /// Index into the scenario's cohorts.
    pub cohort: u32,
    /// Index within the cohort.
    pub index: u32,
}

/// The status of a subscription. `docs/BILLING.md` has the graph of what follows what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not subscribed yet.
    Awaited,
    /// The first payment is not made: it was declined, or there is nothing to pay with.
    Incomplete,
    /// It was not made in time either. Terminal.
    IncompleteExpired,
    /// In a free start.
    Trialing,
    /// Paid up, or nothing to pay.
    Active,
    /// The oldest invoice is unpaid after at least one attempt; served inside grace.
    PastDue,
    /// Dunning has ended: invoices are drafted, none is attempted.
    Unpaid,
    /// The trial ended without a payment method.
    Paused,
    /// Over. Terminal.
    Canceled,
}

impl Status {
    /// Its name in reports and answers, as `docs/BILLING.md` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Awaited => "awaited",
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Canceled => "canceled",
        }
    }

    /// Whether a subscription may go from this status to another.
    pub fn may_become(self, next: Self) -> bool {
        use Status::{Active, Awaited, Canceled, Incomplete, IncompleteExpired, PastDue, Paused, Trialing, Unpaid};
        let edges: &[Self] = match self {
            Awaited => &[Trialing, Active, Incomplete],
            Incomplete => &[Active, IncompleteExpired, Canceled],
            Trialing => &[Active, PastDue, Paused, Canceled],
            Active => &[PastDue, Canceled],
            PastDue => &[Active, Unpaid, Canceled],
            Unpaid | Paused => &[Active, PastDue, Canceled],
            Canceled | IncompleteExpired => return false,
        };
        self == next || edges.contains(&next)
    }
}

/// All mutable state of one billing party. What every call reads comes first and stays together: where many accounts take
/// turns, each line of the cache that a call needs is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Account {
    /// The last reading of the clocks that this account has seen.
    pub(crate) seen: Now,
    /// The service is suspended until then.
    pub(crate) suspended_until: Time,
    pub(crate) consumer: Consumer,
    pub(crate) status: Status,
    pub(crate) has_card: bool,
    /// The price version in force, as an index into [`Catalog::terms`].
    pub(crate) terms: u32,
    pub(crate) holds: Holds,
    pub(crate) usage: Segment,
    pub(crate) limits: Vec<LimitState>,
    pub(crate) grants: Grants,
    pub(crate) back: Back,
    pub(crate) timers: Timers,
    pub(crate) throttle: Option<LimitState>,
    pub(crate) tally: Tally,
    pub(crate) books: Books,
    /// The plan that the next period brings, when the consumer has chosen a cheaper one.
    pub(crate) next_plan: Option<usize>,
    /// The dearer plan that is being paid for.
    pub(crate) upgrade: Option<crate::billing::plan_change::Upgrade>,
    pub(crate) subscribed: Time,
    /// The boundaries of usage periods; `None` for a plan whose usage has none.
    pub(crate) usage_cycle: Option<Cycle>,
    /// Earlier segments of the same usage period, under other price versions.
    pub(crate) earlier: Vec<Segment>,
    /// Invoices of ended periods that wait for calls in flight.
    pub(crate) closing: Vec<crate::billing::invoice::Draft>,
    /// How many segments there were: what names them.
    pub(crate) segments_begun: u32,
    /// How many invoices a change of plan has made: what names them.
    pub(crate) changes: u32,
    /// Usage charges of periods that were never invoiced: those without the discount, and those with it.
    pub(crate) uninvoiced: [Money; 2],
    /// What is left in the wallet that single calls are paid from.
    pub(crate) wallet: Money,
    pub(crate) fee: FeePeriod,
    /// How many fee periods and usage periods there were: what names their invoices, whatever plan they were on.
    pub(crate) fee_periods: u32,
    pub(crate) usage_periods: u32,
    pub(crate) overdraft: Money,
    pub(crate) top_up: crate::billing::top_up::TopUps,
    pub(crate) receivables: Receivables,
    /// What the consumer has to their credit for later invoices.
    pub(crate) balance: Money,
    /// What this subscription adds to the monthly recurring revenue.
    pub(crate) recurring: Money,
    /// From when on calls are refused because an invoice is unpaid, as things stand; counted in the tally up to there.
    pub(crate) blocked_from: Time,
    /// How many attempts were refused.
    pub(crate) refusals: u64,
    /// Price versions that are no longer in force, in order, each with how many attempts had been refused when it ended. There
    /// may be several between two calls, and each may have begun limits anew.
    pub(crate) earlier_terms: Vec<(u64, u32)>,
    /// Units that the upstreams have worked on, by [`Catalog::costs`]; none before the first of them.
    pub(crate) worked: Vec<u64>,
    /// When what was invoiced, less what was credited, in nanos: one entry per line of an invoice.
    pub(crate) invoiced: Vec<(Time, i64)>,
    /// Calls whose clients have gone while their exchanges go on.
    pub(crate) given_up: BTreeMap<HoldId, crate::billing::given_up::GivenUp>,
    /// What it has heard late of its payments; `None`: everything was heard at once. Few are, so it is elsewhere.
    pub(crate) heard: Option<Box<crate::billing::heard::Heard>>,
}

impl Account {
    /// The terms of the cohort, and of the plan as it is in force.
    #[inline]
    pub(crate) fn terms<'a>(&self, catalog: &'a Catalog) -> (&'a CohortTerms, &'a PlanTerms) {
        (&catalog.cohorts[self.consumer.cohort as usize], &catalog.terms[self.terms as usize])
    }

    /// Whose account it is.
    pub fn consumer(&self) -> Consumer {
        self.consumer
    }

    /// The subscription's status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Index of the plan that the consumer is on.
    pub fn plan(&self, catalog: &Catalog) -> usize {
        catalog.terms[self.terms as usize].plan
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
        self.grants.balance()
    }

    /// When the current usage period began, in billing time.
    pub fn period_begins(&self) -> Time {
        self.usage.begins
    }

    /// Which usage period it is, counted from the anchor.
    pub fn period(&self) -> u32 {
        self.usage.number
    }

    /// When an allowance that is used up is new again, if time alone brings that: the end of the usage period of an `active`
    /// subscription. `None` where there is no such period, in a trial, while a payment is overdue, while a change of plan
    /// waits, and where the next period allows no units at all of something.
    pub fn allowance_renews(&self, catalog: &Catalog) -> Option<Time> {
        let ends = self.usage.ends;
        if self.status != Status::Active || self.next_plan.is_some() || ends == Time::NEVER {
            return None;
        }
        let next = &catalog.terms[catalog.at_renewal(self.terms, ends) as usize];
        let is_empty = next.metered.iter().any(|metered| metered.allowance == Some(0) && metered.past == Past::Block);
        (!is_empty).then_some(ends)
    }

    /// How many holds are open.
    pub fn open_holds(&self) -> usize {
        self.holds.open_count()
    }

    /// Goes to another status.
    ///
    /// # Panics
    /// When the graph has no such edge: that is a bug of ours.
    pub(crate) fn become_status(&mut self, next: Status) {
        assert!(self.status.may_become(next), "a subscription never goes from {:?} to {next:?}", self.status);
        self.status = next;
        self.watch_blocked();
    }

    /// The consumer slows down.
    pub(crate) fn slows_down(&mut self, now: Now) {
        self.saw(now);
        self.tally.count(Count::Slowed);
    }

    /// One more of these has happened, which is no matter of money.
    pub(crate) fn counts(&mut self, now: Now, count: Count) {
        self.saw(now);
        self.tally.count(count);
    }

    /// An attempt was refused.
    pub(crate) fn count_refusal(&mut self) {
        self.refusals += 1;
    }

    /// The price version under which an attempt was refused: the one of this number, from 0.
    pub(crate) fn terms_of_refusal(&self, number: u64) -> u32 {
        let ended = self.earlier_terms.iter().find(|(refusals, _)| *refusals > number);
        ended.map_or(self.terms, |(_, terms)| *terms)
    }

    /// The price version that followed the one of this place in the order of those that have ended.
    pub(crate) fn terms_after(&self, ended: usize) -> u32 {
        self.earlier_terms.get(ended + 1).map_or(self.terms, |(_, terms)| *terms)
    }

    /// How long it took to be served again after paying, each time.
    pub(crate) fn took_back(&self) -> &[Span] {
        self.back.took()
    }

    /// Checks what must hold at any time: the parts of the account are what the books say, nothing is negative that must
    /// not be, grants are conserved.
    ///
    /// # Panics
    /// When one of them does not: that is a bug of ours.
    pub fn check(&self) {
        self.grants.iter().for_each(Grant::check);
        let nanos = |money: Money| i128::from(money.nanos());
        let of = |pick: fn(&Grant) -> Money, paid: bool| -> i128 {
            self.grants.iter().filter(|grant| grant.paid == paid).map(|grant| nanos(pick(grant))).sum()
        };
        let due: i128 = self.receivables.unpaid().map(|invoice| nanos(invoice.amount)).sum();
        let accrued: i128 = self.segments().map(|segment| nanos(segment.charged)).sum();
        let expected = [
            (LedgerAccount::Prepaid, -of(|grant| grant.remaining, true)),
            (LedgerAccount::HeldPrepaid, -of(|grant| grant.held, true)),
            (LedgerAccount::Promotional, -of(|grant| grant.remaining, false)),
            (LedgerAccount::HeldPromotional, -of(|grant| grant.held, false)),
            (LedgerAccount::Overdraft, nanos(self.overdraft)),
            (LedgerAccount::Receivable, due),
            (LedgerAccount::Balance, -nanos(self.balance)),
            (LedgerAccount::Deferred, -nanos(self.fee.unearned())),
            (LedgerAccount::Accrued, accrued + self.uninvoiced.map(nanos).iter().sum::<i128>()),
            (LedgerAccount::Mrr, nanos(self.recurring)),
        ];
        let balances = self.books.balances();
        for (account, balance) in expected {
            assert_eq!(balances[account as usize], balance, "{account:?} of {:?}", self.consumer);
        }
        assert_eq!(balances.iter().sum::<i128>(), 0, "the books of {:?} sum to zero", self.consumer);
        let remaining: i128 = self.grants.iter().map(|grant| nanos(grant.remaining)).sum();
        assert_eq!(nanos(self.grants.balance()), remaining, "the balance of {:?}", self.consumer);
        assert!(self.wallet >= Money::ZERO, "the wallet of {:?} is not overdrawn", self.consumer);
        let open: u32 = self.segments().map(|segment| segment.open).sum();
        assert_eq!(self.holds.open_count(), open as usize, "the holds of {:?}", self.consumer);
    }

    /// Every segment that is not invoiced yet.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &Segment> {
        let closing = self.closing.iter().flat_map(|draft| &draft.segments);
        closing.chain(&self.earlier).chain([&self.usage])
    }

    /// Reads something of each part that a call needs, see [`crate::sim`].
    pub(crate) fn glance(&self) -> i64 {
        let parts = [
            self.seen.traffic.ns(),
            self.suspended_until.ns(),
            self.timers.first().ns(),
            self.holds.glance(),
            self.usage.allowance[0].cast_signed(),
            self.usage.taken[0].cast_signed(),
            self.usage.reserved[0].cast_signed(),
            self.usage.charged.nanos(),
            self.grants.iter().next().map_or(0, |grant| self.glance_at_credit(grant)),
            self.glance_at_limits(),
            self.status as i64,
            i64::from(self.back.is_watching()),
            self.tally.units.included[0].cast_signed(),
        ];
        parts.into_iter().fold(0, i64::wrapping_add)
    }

    /// The same of its limits.
    pub(crate) fn glance_at_limits(&self) -> i64 {
        self.limits.iter().map(LimitState::glance).fold(0, i64::wrapping_add)
    }

    /// The same of what is paid from credit.
    fn glance_at_credit(&self, grant: &Grant) -> i64 {
        let parts = [
            grant.glance(),
            self.usage.credited[0].cast_signed(),
            self.books.moved(Movement::HoldPrepaid).nanos(),
            self.books.moved(Movement::Spend).nanos(),
            self.tally.units.credited[0].cast_signed(),
        ];
        parts.into_iter().fold(0, i64::wrapping_add)
    }

    /// Posts a movement of an amount that is never negative.
    #[inline]
    pub(crate) fn post(&mut self, movement: Movement, amount: Money) -> Result<(), Overflow> {
        // Mostly known when this is compiled, and then it costs nothing.
        match movement {
            Movement::Invoice | Movement::InvoiceUsage | Movement::InvoiceCredit => {
                self.invoiced.push((self.seen.traffic, amount.nanos()));
            }
            Movement::CreditFee => self.invoiced.push((self.seen.traffic, -amount.nanos())),
            _ => {}
        }
        self.books.post(movement, amount)
    }

    /// Time never runs backwards for an account: drivers read the clocks inside its lock.
    #[inline]
    pub(crate) fn saw(&mut self, now: Now) {
        debug_assert!(now.traffic >= self.seen.traffic && now.billing >= self.seen.billing, "time runs forward");
        self.seen = now;
    }
}
