//! The life of a subscription: how it begins, renews, changes and ends. `docs/BILLING.md` has the graph.

use crate::billing::account::{Account, Status};
use crate::billing::catalog::{Catalog, INCOMPLETE};
use crate::billing::gate::Action;
use crate::billing::invoice::{Fate, Purpose};
use crate::billing::ledger::Movement;
use crate::billing::period::FeePeriod;
use crate::billing::price;
use crate::billing::tally::Count;
use crate::billing::term::plus;
use crate::billing::timer::Deadline;
use crate::model::PerMeter;
use crate::money::{Money, Overflow};
use crate::time::{Now, Time};

// === Beginning ===

impl Account {
    /// The consumer subscribes at `at`: a trial begins, or the first period.
    pub(super) fn subscribe(&mut self, at: Time, catalog: &Catalog, actions: &mut Vec<Action>) -> Result<(), Overflow> {
        self.timers.clear(Deadline::Join);
        self.tally.count(Count::Joined);
        self.subscribed = at;
        let cohort = &catalog.cohorts[self.consumer.cohort as usize];
        self.adopt(catalog.version(cohort.plan, at), at, catalog);
        self.grant_opening_credit(at, catalog, actions)?;
        let (_, plan) = self.terms(catalog);
        match plan.trial {
            Some(trial) => {
                self.tally.count(Count::Trials);
                self.become_status(Status::Trialing);
                self.usage = self.segment(at, Time::NEVER, 0, at, true, PerMeter::default(), catalog);
                self.timers.set(Deadline::TrialEnd, cohort.calendar.after(at, trial));
                Ok(())
            }
            // With a discount there may be nothing to pay in advance.
            None if self.net_fee(at, catalog)? > Money::ZERO => {
                self.become_status(Status::Incomplete);
                self.timers.set(Deadline::Incomplete, at + INCOMPLETE);
                self.first_period(at, catalog, actions)
            }
            None => {
                self.become_status(Status::Active);
                self.first_period(at, catalog, actions)
            }
        }
    }

    /// Grants what the plan gives at the start; what is to be paid for is asked of the processor.
    pub(super) fn grant_opening_credit(
        &mut self,
        at: Time,
        catalog: &Catalog,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        let (cohort, plan) = self.terms(catalog);
        let was_there = self.status == Status::Active;
        for grant in plan.prepaid.iter().flat_map(|prepaid| &prepaid.grants) {
            if grant.paid && !was_there {
                if self.has_card {
                    self.ask_for_credit(grant.amount, grant.priority, grant.expires, actions);
                }
                continue;
            }
            let expires = grant.expires.map_or(Time::NEVER, |length| cohort.calendar.after(at, length));
            self.post(if grant.paid { Movement::CarryCredit } else { Movement::Grant }, grant.amount)?;
            self.grants.add(grant.amount, grant.paid, grant.priority, expires)?;
        }
        self.timers.set(Deadline::CreditExpiry, self.grants.next_expiry(at));
        self.watch_empty(at, catalog);
        Ok(())
    }

    /// The first period of fee and of usage, anchored at `at`.
    pub(super) fn first_period(
        &mut self,
        at: Time,
        catalog: &Catalog,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        let (cohort, plan) = self.terms(catalog);
        self.anchor(at, cohort, plan);
        self.usage = self.next_segment(at, PerMeter::default(), catalog);
        self.set_periods(at, cohort);
        let fee = self.net_fee(at, catalog)?;
        self.fee.full = fee;
        if self.status == Status::Active {
            self.set_recurring(Movement::MrrNew, catalog)?;
        }
        if fee > Money::ZERO {
            self.post(Movement::Invoice, fee)?;
            self.fee.amount = fee;
            self.issue(Purpose::Period(self.fee_periods), fee, at, catalog, actions)?;
        }
        Ok(())
    }

    /// The wait for the first payment is over: the invoice is void.
    pub(super) fn give_up_waiting(&mut self) -> Result<(), Overflow> {
        self.become_status(Status::IncompleteExpired);
        for invoice in self.receivables.give_up() {
            self.post(Movement::Void, invoice.amount)?;
        }
        self.fee = FeePeriod::NONE;
        self.stop_clock();
        Ok(())
    }

    /// The trial is over: the first paid period begins, for those who can pay.
    pub(super) fn trial_ends(
        &mut self,
        at: Time,
        catalog: &Catalog,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        self.timers.clear(Deadline::TrialEnd);
        if self.has_card {
            return self.convert(at, catalog, actions);
        }
        self.become_status(Status::Paused);
        Ok(())
    }

    /// A trial, or a pause after it, becomes a paid subscription.
    pub(super) fn convert(&mut self, at: Time, catalog: &Catalog, actions: &mut Vec<Action>) -> Result<(), Overflow> {
        self.tally.count(Count::Converted);
        self.become_status(Status::Active);
        let purpose = self.next_usage_period();
        self.close_period(at, purpose, Money::ZERO, Fate::Collect, catalog);
        self.finalise(at, catalog, actions)?;
        self.first_period(at, catalog, actions)
    }
}

// === Periods ===

impl Account {
    /// A period of fee or usage, or of both, ends: what was used is invoiced, the allowance starts again, the fee of the
    /// next period is invoiced in advance.
    pub(super) fn period_ends(
        &mut self,
        at: Time,
        catalog: &Catalog,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        let (fee_ends, usage_ends) = (at >= self.fee.ends, at >= self.usage.ends);
        let (old_fee, old_usage) = (self.fee.cycle, self.usage_cycle);
        if fee_ends {
            self.earn(at)?;
        }
        let has_changed = (fee_ends || old_fee.is_none()) && self.renew_terms(at, catalog)?;
        let fee_begins = self.fee.cycle.is_some() && (fee_ends || self.fee.cycle != old_fee);
        let fee = if fee_begins || fee_ends { self.begin_fee(at, catalog)? } else { Money::ZERO };
        let purpose = if fee_begins { Purpose::Period(self.fee_periods) } else { self.next_usage_period() };
        if usage_ends || self.usage_cycle != old_usage {
            self.usage_period_ends(at, purpose, fee, catalog);
        } else if has_changed {
            self.switch_usage(at, catalog);
        }
        self.set_periods(at, &catalog.cohorts[self.consumer.cohort as usize]);
        if fee > Money::ZERO && !(usage_ends || self.usage_cycle != old_usage) {
            self.fee.amount = fee;
            self.post(Movement::Invoice, fee)?;
            self.issue(purpose, fee, at, catalog, actions)?;
        }
        self.finalise(at, catalog, actions)
    }

    /// A fee period begins at `at`, or a plan without one: the fee to be invoiced for it.
    pub(super) fn begin_fee(&mut self, at: Time, catalog: &Catalog) -> Result<Money, Overflow> {
        self.fee.from = at;
        self.fee.first_change = self.changes;
        self.fee.full = Money::ZERO;
        self.fee.amount = Money::ZERO;
        self.fee.earned = Money::ZERO;
        if self.fee.cycle.is_none() {
            return Ok(Money::ZERO);
        }
        self.fee_periods += 1;
        if self.status == Status::Unpaid {
            self.tally.count(Count::Drafted);
            return Ok(Money::ZERO);
        }
        self.fee.full = self.net_fee(at, catalog)?;
        Ok(self.fee.full)
    }

    /// Drafts the invoice of the usage period, and opens the next with what is carried over.
    pub(super) fn usage_period_ends(&mut self, at: Time, purpose: Purpose, fee: Money, catalog: &Catalog) {
        let ended = &catalog.terms[self.usage.terms as usize];
        let goes_on = ended.plan == catalog.terms[self.terms as usize].plan;
        let carried = if goes_on { self.usage.rollover(ended) } else { PerMeter::default() };
        let fate = if self.status == Status::Unpaid { Fate::Keep } else { Fate::Collect };
        self.close_period(at, purpose, fee, fate, catalog);
        self.usage = self.next_segment(at, carried, catalog);
    }

    /// The name of the invoice of the usage period that ends.
    pub(super) fn next_usage_period(&mut self) -> Purpose {
        self.usage_periods += 1;
        Purpose::Usage(self.usage_periods - 1)
    }

    /// The price version of the period that begins: a cheaper plan that was chosen, or what has changed about this one.
    /// Whether it is another than before.
    pub(super) fn renew_terms(&mut self, at: Time, catalog: &Catalog) -> Result<bool, Overflow> {
        let next = match self.next_plan.take() {
            Some(plan) => {
                self.tally.count(Count::Downgrades);
                catalog.version(plan, at)
            }
            None => catalog.at_renewal(self.terms, at),
        };
        let old = self.terms;
        if next == old {
            return Ok(false);
        }
        self.adopt(next, at, catalog);
        let cohort = &catalog.cohorts[self.consumer.cohort as usize];
        self.realign(at, cohort, &catalog.terms[next as usize], &catalog.terms[old as usize]);
        if matches!(self.status, Status::Active | Status::PastDue) {
            self.set_recurring(Movement::MrrNew, catalog)?;
        }
        Ok(true)
    }

    /// Everything is paid: what was refused is served again.
    pub(super) fn paid_up(&mut self, at: Time, catalog: &Catalog, actions: &mut Vec<Action>) -> Result<(), Overflow> {
        match self.status {
            Status::Incomplete => {
                self.timers.clear(Deadline::Incomplete);
                self.become_status(Status::Active);
                self.set_recurring(Movement::MrrNew, catalog)
            }
            Status::Unpaid => self.resume(at, catalog, actions),
            Status::PastDue => {
                self.become_status(Status::Active);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Dunning has ended, and invoices stay drafts from here on.
    pub(super) fn stop_invoicing(&mut self) -> Result<(), Overflow> {
        self.become_status(Status::Unpaid);
        let was = std::mem::take(&mut self.recurring);
        self.post(Movement::MrrChurn, was)
    }

    /// A subscription that had stopped is paid for again: the rest of the running period is invoiced, and what was used
    /// and never invoiced.
    pub(super) fn resume(&mut self, at: Time, catalog: &Catalog, actions: &mut Vec<Action>) -> Result<(), Overflow> {
        self.become_status(Status::Active);
        self.set_recurring(Movement::MrrReactivation, catalog)?;
        let mut due = self.bill_uninvoiced(catalog)?;
        if self.fee.amount == Money::ZERO && self.fee.cycle.is_some() {
            let fee = self.net_fee(at, catalog)?;
            let (left, of) = self.fee.left(at);
            self.fee.full = fee;
            self.fee.from = at;
            self.fee.amount = price::line(fee.scale_half_even(left, of), catalog.currency);
            self.post(Movement::Invoice, self.fee.amount)?;
            due = plus(due, self.fee.amount)?;
        }
        let purpose = self.next_change();
        self.issue(purpose, due, at, catalog, actions)
    }
}

// === Ending ===

impl Account {
    /// The consumer leaves, at once.
    pub fn leave(&mut self, now: Now, catalog: &Catalog, actions: &mut Vec<Action>) -> Result<(), Overflow> {
        self.saw(now);
        if self.is_over() || self.status == Status::Awaited {
            return Ok(());
        }
        self.tally.count(Count::Left);
        self.cancel(now.billing, Fate::Collect, catalog)?;
        self.finalise(now.billing, catalog, actions)
    }

    /// Whether the subscription has ended for good.
    pub fn is_over(&self) -> bool {
        matches!(self.status, Status::Canceled | Status::IncompleteExpired)
    }

    /// Ends the subscription: what is due is written off; of a fee that was paid, the rest is earned, of one that never
    /// will be, nothing more.
    pub(super) fn cancel(&mut self, at: Time, fate: Fate, catalog: &Catalog) -> Result<(), Overflow> {
        let is_fee_due = self.is_fee_due();
        if fate == Fate::WriteOff {
            self.give_up_waiting_fees()?;
        }
        self.earn(at)?;
        let rest = self.fee.unearned();
        self.post(if is_fee_due { Movement::Reverse } else { Movement::Forfeit }, rest)?;
        self.fee = FeePeriod::NONE;
        self.write_off()?;
        if fate == Fate::WriteOff {
            self.closing.iter_mut().for_each(|draft| draft.fate = fate);
        }
        let uninvoiced = self.bill_uninvoiced(catalog)?;
        self.post(Movement::WriteOff, uninvoiced)?;
        self.close_period(at, Purpose::Last(self.usage_periods + 1), Money::ZERO, fate, catalog);
        self.usage = self.segment(at, Time::NEVER, self.usage.number + 1, at, false, PerMeter::default(), catalog);
        self.become_status(Status::Canceled);
        let was = std::mem::take(&mut self.recurring);
        self.post(Movement::MrrChurn, was)?;
        self.stop_clock();
        self.timers.set(Deadline::Finalise, at);
        Ok(())
    }

    /// Fees whose invoice still waits for calls in flight are owed like any other, and given up with them.
    pub(super) fn give_up_waiting_fees(&mut self) -> Result<(), Overflow> {
        for place in 0..self.closing.len() {
            let fee = std::mem::take(&mut self.closing[place].fee);
            self.post(Movement::Invoice, fee)?;
            self.post(Movement::WriteOff, fee)?;
            self.fee.amount = plus(self.fee.amount, fee)?;
        }
        Ok(())
    }

    /// Whether an invoice that bills a part of the running period's fee is not paid.
    pub(super) fn is_fee_due(&self) -> bool {
        let bills = |purpose: Purpose| match purpose {
            Purpose::Period(number) => number == self.fee_periods,
            Purpose::Change(number) => number >= self.fee.first_change,
            _ => false,
        };
        self.receivables.unpaid().any(|invoice| bills(invoice.purpose))
            || self.closing.iter().any(|draft| draft.fee > Money::ZERO && bills(draft.purpose))
    }

    /// Nothing of the subscription is due any more; its credit lasts as long as it would have.
    pub(super) fn stop_clock(&mut self) {
        self.upgrade = None;
        self.next_plan = None;
        for deadline in [
            Deadline::Retry,
            Deadline::PriceChange,
            Deadline::Incomplete,
            Deadline::TrialEnd,
            Deadline::Period,
            Deadline::TopUp,
        ] {
            self.timers.clear(deadline);
        }
    }
}
