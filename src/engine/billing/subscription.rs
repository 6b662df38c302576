//! The life of a subscription: how it begins, renews, changes and ends. `docs/BILLING.md` has the graph.

use crate::billing::account::{Account, Status};
use crate::billing::calendar::Cycle;
use crate::billing::catalog::{Catalog, CohortTerms, INCOMPLETE, PlanTerms};
use crate::billing::decline::Answer;
use crate::billing::gate::Action;
use crate::billing::invoice::{Charge, Draft, Fate, Purpose};
use crate::billing::ledger::Movement;
use crate::billing::period::FeePeriod;
use crate::billing::price;
use crate::billing::tally::Count;
use crate::billing::timer::Deadline;
use crate::billing::usage::Segment;
use crate::model::{METERS_MAX, PerMeter};
use crate::money::{Money, Overflow};
use crate::time::{Now, Span, Time};

/// A change to a dearer plan that the processor has been asked to collect for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Upgrade {
    terms: u32,
    purpose: Purpose,
    /// What the new plan costs for the rest of the period, and what is credited of the old one.
    charge: Money,
    credit: Money,
    /// The ends of the periods that it was computed for.
    periods: [Time; 2],
}

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
    fn first_period(&mut self, at: Time, catalog: &Catalog, actions: &mut Vec<Action>) -> Result<(), Overflow> {
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
    fn begin_fee(&mut self, at: Time, catalog: &Catalog) -> Result<Money, Overflow> {
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
    fn usage_period_ends(&mut self, at: Time, purpose: Purpose, fee: Money, catalog: &Catalog) {
        let ended = &catalog.terms[self.usage.terms as usize];
        let goes_on = ended.plan == catalog.terms[self.terms as usize].plan;
        let carried = if goes_on { self.usage.rollover(ended) } else { PerMeter::default() };
        let fate = if self.status == Status::Unpaid { Fate::Keep } else { Fate::Collect };
        self.close_period(at, purpose, fee, fate, catalog);
        self.usage = self.next_segment(at, carried, catalog);
    }

    /// The name of the invoice of the usage period that ends.
    fn next_usage_period(&mut self) -> Purpose {
        self.usage_periods += 1;
        Purpose::Usage(self.usage_periods - 1)
    }

    /// The price version of the period that begins: a cheaper plan that was chosen, or what has changed about this one.
    /// Whether it is another than before.
    fn renew_terms(&mut self, at: Time, catalog: &Catalog) -> Result<bool, Overflow> {
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
    fn resume(&mut self, at: Time, catalog: &Catalog, actions: &mut Vec<Action>) -> Result<(), Overflow> {
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

// === Changes of plan ===

impl Account {
    /// The consumer chooses another plan: a dearer one at once, if it is paid for; else from the next period on.
    pub fn change_plan(
        &mut self,
        now: Now,
        catalog: &Catalog,
        to: usize,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        self.saw(now);
        let may_change = matches!(self.status, Status::Active | Status::Trialing) && self.upgrade.is_none();
        let (_, plan) = self.terms(catalog);
        if !may_change {
            return Ok(());
        }
        if plan.plan == to {
            self.next_plan = None;
            return Ok(());
        }
        let terms = catalog.version(to, now.billing);
        let new = &catalog.terms[terms as usize];
        if self.status == Status::Trialing {
            self.count_change(new.monthly() > plan.monthly());
            self.switch_in_trial(now.billing, terms, catalog);
            return Ok(());
        }
        if new.monthly() <= plan.monthly() && (self.fee.cycle.is_some() || self.usage_cycle.is_some()) {
            self.next_plan = Some(to);
            return Ok(());
        }
        let (charge, credit) = self.prorated(now.billing, new, catalog)?;
        let due = minus(charge, credit)?;
        let periods = [self.fee.ends, self.usage.ends];
        let upgrade = Upgrade { terms, purpose: self.next_change(), charge, credit, periods };
        let asked = minus(due, self.balance.min(due.max(Money::ZERO)))?;
        if asked <= Money::ZERO {
            return self.upgrade_paid(now.billing, upgrade, Money::ZERO, catalog, actions);
        }
        if !self.has_card {
            self.tally.count(Count::UpgradesFailed);
            return Ok(());
        }
        self.upgrade = Some(upgrade);
        actions.push(Action::Charge(Charge { purpose: upgrade.purpose, attempt: 1, amount: asked }));
        Ok(())
    }

    pub(super) fn is_upgrading(&self, purpose: Purpose) -> bool {
        self.upgrade.is_some_and(|upgrade| upgrade.purpose == purpose)
    }

    /// If the payment of an upgrade fails, the change does not happen.
    pub(super) fn upgrade_answered(
        &mut self,
        at: Time,
        catalog: &Catalog,
        charge: Charge,
        answer: Answer,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        let upgrade = self.upgrade.take().expect("an upgrade was asked for");
        if answer != Answer::Paid {
            self.tally.count(Count::UpgradesFailed);
            return Ok(());
        }
        self.tally.count(Count::Invoices);
        self.captured(charge.amount, catalog)?;
        self.upgrade_paid(at, upgrade, charge.amount, catalog, actions)
    }

    /// An upgrade for which this much was captured; the balance settles the rest. When a period has ended while the
    /// processor was thinking, the new one is what is paid for.
    fn upgrade_paid(
        &mut self,
        at: Time,
        upgrade: Upgrade,
        captured: Money,
        catalog: &Catalog,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        self.count_change(true);
        let (charge, credit) = if upgrade.periods == [self.fee.ends, self.usage.ends] {
            (upgrade.charge, upgrade.credit)
        } else {
            self.prorated(at, &catalog.terms[upgrade.terms as usize], catalog)?
        };
        self.switch(at, upgrade.terms, charge, credit, catalog)?;
        let settled = plus(credit, captured)?;
        self.keep_credit(charge, settled)?;
        let rest = minus(charge, settled)?.max(Money::ZERO);
        // What is still due is another payment than the one that was captured.
        let purpose = if captured > Money::ZERO { self.next_change() } else { upgrade.purpose };
        self.settle_invoice(purpose, rest, at, catalog, actions)
    }

    /// What a change credits beyond what it charges is kept for later invoices.
    fn keep_credit(&mut self, charge: Money, credit: Money) -> Result<(), Overflow> {
        if credit > charge {
            let back = minus(credit, charge)?;
            self.post(Movement::CreditBalance, back)?;
            self.balance = plus(self.balance, back)?;
        }
        Ok(())
    }

    fn count_change(&mut self, is_dearer: bool) {
        if is_dearer {
            self.tally.count(Count::Upgrades);
        } else {
            self.tally.count(Count::Downgrades);
        }
    }

    /// A new price version reaches everyone at once.
    pub(super) fn price_changes(
        &mut self,
        at: Time,
        catalog: &Catalog,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        self.timers.set(Deadline::PriceChange, catalog.next_for_all(self.terms, at));
        let Some(terms) = catalog.for_all(self.terms, at) else { return Ok(()) };
        match self.status {
            Status::Active | Status::PastDue => {}
            Status::Trialing => {
                self.switch_in_trial(at, terms, catalog);
                return Ok(());
            }
            Status::Unpaid => return self.switch(at, terms, Money::ZERO, Money::ZERO, catalog),
            Status::Paused => {
                self.adopt(terms, at, catalog);
                return Ok(());
            }
            // Whoever has not begun to pay, begins with the price that they were told.
            _ => return Ok(()),
        }
        let (charge, credit) = self.prorated(at, &catalog.terms[terms as usize], catalog)?;
        self.switch(at, terms, charge, credit, catalog)?;
        self.keep_credit(charge, credit)?;
        let purpose = self.next_change();
        self.issue(purpose, minus(charge, credit)?.max(Money::ZERO), at, catalog, actions)
    }

    /// In a trial a change takes effect at once and costs nothing: the trial goes on to its end.
    fn switch_in_trial(&mut self, at: Time, terms: u32, catalog: &Catalog) {
        self.adopt(terms, at, catalog);
        self.switch_usage(at, catalog);
    }

    /// What the rest of the period costs on a new plan, and what is credited of the old fee: by the second, symmetric,
    /// each a line of its own.
    fn prorated(&self, at: Time, new: &PlanTerms, catalog: &Catalog) -> Result<(Money, Money), Overflow> {
        let (_, old) = self.terms(catalog);
        let (left, of) = self.fee.left(at);
        let line = |fee: Money, left, of| price::line(fee.scale_half_even(left, of), catalog.currency);
        let credit = if self.fee.cycle.is_some() { line(self.fee.full, left, of) } else { Money::ZERO };
        let fee = self.discounted(new.fee, at, catalog)?;
        let charge = if old.fee_period.is_some() && old.fee_period == new.fee_period {
            line(fee, left, of)
        } else if old.fee_period.is_none() && self.usage_cycle.is_some() && old.usage_period == new.fee_period {
            let (left, of) = self.usage_period_as_fee().left(at);
            line(fee, left, of)
        } else {
            line(fee, 1, 1)
        };
        // A credit that was rounded up may pass what is left by less than a minor unit, which nobody can be owed.
        let left = plus(minus(self.fee.amount, self.fee.earned_at(at))?, charge)?;
        let minor = price::minor_unit(catalog.currency);
        Ok((charge, credit.min(Money::from_nanos(left.nanos() / minor * minor))))
    }

    /// Puts another price version in force at once: the period's end and the usage so far stay, the new allowance applies
    /// whole, and what was charged for usage keeps its old price.
    fn switch(
        &mut self,
        at: Time,
        terms: u32,
        charge: Money,
        credit: Money,
        catalog: &Catalog,
    ) -> Result<(), Overflow> {
        let cohort = &catalog.cohorts[self.consumer.cohort as usize];
        self.earn(at)?;
        self.post(Movement::Invoice, charge)?;
        self.post(Movement::CreditFee, credit)?;
        let mut rest = minus(plus(self.fee.unearned(), charge)?, credit)?;
        let (old, new) = (&catalog.terms[self.terms as usize], &catalog.terms[terms as usize]);
        if old.fee_period.is_none() && old.usage_period == new.fee_period && self.usage_cycle.is_some() {
            self.fee = self.usage_period_as_fee();
        }
        self.next_plan = None;
        self.adopt(terms, at, catalog);
        let usage_before = self.usage_cycle;
        self.realign(at, cohort, new, old);
        if self.fee.cycle.is_none() {
            // No fee comes after it that could carry what the rounded credit has left.
            self.post(Movement::Earn, rest)?;
            rest = Money::ZERO;
        }
        self.fee.from = at;
        self.fee.amount = rest;
        self.fee.earned = Money::ZERO;
        self.fee.full = self.discounted(new.fee, at, catalog)?;
        if usage_before == self.usage_cycle {
            self.switch_usage(at, catalog);
        } else {
            let purpose = self.next_usage_period();
            self.usage_period_ends(at, purpose, Money::ZERO, catalog);
            self.timers.set(Deadline::Finalise, at);
        }
        // A change at the very end of a period leaves its end to come.
        self.set_periods(at - Span::from_ns(1), cohort);
        if matches!(self.status, Status::Active | Status::PastDue) {
            self.set_recurring(Movement::MrrNew, catalog)?;
        }
        Ok(())
    }

    /// Opens a segment under the new price version, which goes on counting where the old one stood.
    fn switch_usage(&mut self, at: Time, catalog: &Catalog) {
        let Segment { number, begins, ends, is_trial, carried, taken, .. } = self.usage;
        let next = self.segment(begins, ends, number, at, is_trial, carried, catalog);
        let mut old = std::mem::replace(&mut self.usage, next);
        old.until = at;
        self.usage.taken = taken;
        self.earlier.push(old);
    }

    /// Puts the terms in force; limits that are others start fresh.
    fn adopt(&mut self, terms: u32, at: Time, catalog: &Catalog) {
        let (old, new) = (&catalog.terms[self.terms as usize], &catalog.terms[terms as usize]);
        let now = self.seen.traffic;
        if old.limits != new.limits || self.limits.len() != new.limits.len() {
            self.limits = new.limits.iter().map(|limit| limit.fresh(now)).collect();
        }
        if old.throttle != new.throttle || self.throttle.is_some() != new.throttle.is_some() {
            self.throttle = new.throttle.as_ref().map(|limit| limit.fresh(now));
        }
        self.terms = terms;
        self.timers.set(Deadline::PriceChange, catalog.next_for_all(terms, at));
    }

    fn next_change(&mut self) -> Purpose {
        self.changes += 1;
        Purpose::Change(self.changes - 1)
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
    fn give_up_waiting_fees(&mut self) -> Result<(), Overflow> {
        for place in 0..self.closing.len() {
            let fee = std::mem::take(&mut self.closing[place].fee);
            self.post(Movement::Invoice, fee)?;
            self.post(Movement::WriteOff, fee)?;
            self.fee.amount = plus(self.fee.amount, fee)?;
        }
        Ok(())
    }

    /// Whether an invoice that bills a part of the running period's fee is not paid.
    fn is_fee_due(&self) -> bool {
        let bills = |purpose: Purpose| match purpose {
            Purpose::Period(number) => number == self.fee_periods,
            Purpose::Change(number) => number >= self.fee.first_change,
            _ => false,
        };
        self.receivables.unpaid().any(|invoice| bills(invoice.purpose))
            || self.closing.iter().any(|draft| draft.fee > Money::ZERO && bills(draft.purpose))
    }

    /// Nothing of the subscription is due any more; its credit lasts as long as it would have.
    fn stop_clock(&mut self) {
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

// === Fees ===

impl Account {
    /// Earns the running period's fee up to `billing`.
    pub(super) fn earn(&mut self, billing: Time) -> Result<(), Overflow> {
        if self.fee.earned == self.fee.amount || self.status == Status::Incomplete {
            return Ok(());
        }
        let earned = self.fee.earned_at(billing);
        self.post(Movement::Earn, minus(earned, self.fee.earned)?)?;
        self.fee.earned = earned;
        Ok(())
    }

    /// The fee of a period that begins at `at`, as it is invoiced.
    pub(super) fn net_fee(&self, at: Time, catalog: &Catalog) -> Result<Money, Overflow> {
        let (_, plan) = self.terms(catalog);
        self.discounted(plan.fee, at, catalog)
    }

    fn discounted(&self, fee: Money, at: Time, catalog: &Catalog) -> Result<Money, Overflow> {
        let net = if self.has_discount(at, catalog) {
            let off = catalog.cohorts[self.consumer.cohort as usize].discount.expect("it has one").off;
            minus(fee, fee.scale_half_even(off.parts, off.of))?
        } else {
            fee
        };
        Ok(price::line(net, catalog.currency))
    }

    /// Whether a period that begins at `at` has the cohort's discount.
    fn has_discount(&self, at: Time, catalog: &Catalog) -> bool {
        let cohort = &catalog.cohorts[self.consumer.cohort as usize];
        cohort.discount.is_some_and(|discount| {
            discount.length.is_none_or(|length| at < cohort.calendar.after(self.subscribed, length))
        })
    }

    /// What the subscription adds to the monthly recurring revenue from now on; `up` is what an increase from nothing is.
    pub(super) fn set_recurring(&mut self, up: Movement, catalog: &Catalog) -> Result<(), Overflow> {
        let now = self.terms(catalog).1.monthly();
        let was = std::mem::replace(&mut self.recurring, now);
        if now >= was {
            let movement = if was == Money::ZERO { up } else { Movement::MrrExpansion };
            self.post(movement, minus(now, was)?)
        } else {
            let movement = if now == Money::ZERO { Movement::MrrChurn } else { Movement::MrrContraction };
            self.post(movement, minus(was, now)?)
        }
    }
}

// === Cycles ===

impl Account {
    /// Anchors both cycles of a plan at `at`.
    pub(super) fn anchor(&mut self, at: Time, cohort: &CohortTerms, plan: &PlanTerms) {
        self.fee = FeePeriod {
            cycle: plan.fee_period.map(|period| Cycle::new(&cohort.calendar, period, at)),
            ..FeePeriod::NONE
        };
        self.usage_cycle = plan.usage_period.map(|period| Cycle::new(&cohort.calendar, period, at));
    }

    /// Cycles of a new plan: those whose period is the same go on, the others begin at `at`.
    fn realign(&mut self, at: Time, cohort: &CohortTerms, new: &PlanTerms, old: &PlanTerms) {
        let kept = self.fee.cycle.filter(|cycle| Some(cycle.period()) == new.fee_period);
        if kept.is_none() {
            self.fee = FeePeriod {
                cycle: new.fee_period.map(|period| Cycle::new(&cohort.calendar, period, at)),
                first_change: self.changes.saturating_sub(1),
                ..FeePeriod::NONE
            };
        }
        if new.usage_period != old.usage_period {
            self.usage_cycle = match new.usage_period {
                period if period == new.fee_period && self.fee.cycle.is_some() => self.fee.cycle,
                period => period.map(|period| Cycle::new(&cohort.calendar, period, at)),
            };
        }
    }

    /// The usage period as if it were the fee's: for a plan that had no fee.
    fn usage_period_as_fee(&self) -> FeePeriod {
        FeePeriod {
            cycle: self.usage_cycle,
            number: self.usage.number,
            begins: self.usage.begins,
            ends: self.usage.ends,
            first_change: self.changes.saturating_sub(1),
            ..FeePeriod::NONE
        }
    }

    /// The boundaries of the fee period that `at` lies in, and when the next of both ends.
    pub(super) fn set_periods(&mut self, at: Time, cohort: &CohortTerms) {
        if let Some(cycle) = self.fee.cycle {
            let number = &mut self.fee.number;
            while cycle.begins(&cohort.calendar, *number + 1) <= at {
                *number += 1;
            }
            self.fee.begins = cycle.begins(&cohort.calendar, *number);
            self.fee.from = self.fee.from.max(self.fee.begins);
            self.fee.ends = cycle.begins(&cohort.calendar, *number + 1);
        } else {
            self.fee.ends = Time::NEVER;
        }
        self.timers.set(Deadline::Period, self.fee.ends.min(self.usage.ends));
    }

    /// The segment of the usage period that begins at `at`.
    pub(super) fn next_segment(&mut self, at: Time, carried: PerMeter<u64>, catalog: &Catalog) -> Segment {
        let cohort = &catalog.cohorts[self.consumer.cohort as usize];
        let Some(cycle) = self.usage_cycle else {
            return self.segment(at, Time::NEVER, 0, at, false, carried, catalog);
        };
        let mut number = if cycle.begins(&cohort.calendar, self.usage.number) <= at { self.usage.number } else { 0 };
        while cycle.begins(&cohort.calendar, number + 1) <= at {
            number += 1;
        }
        let (begins, ends) = (cycle.begins(&cohort.calendar, number), cycle.begins(&cohort.calendar, number + 1));
        self.segment(begins, ends, number, at, false, carried, catalog)
    }

    #[expect(clippy::too_many_arguments, reason = "a segment is made in one place, of what differs between them")]
    fn segment(
        &mut self,
        begins: Time,
        ends: Time,
        number: u32,
        from: Time,
        is_trial: bool,
        carried: PerMeter<u64>,
        catalog: &Catalog,
    ) -> Segment {
        let plan = &catalog.terms[self.terms as usize];
        let mut allowance = [u64::MAX; METERS_MAX];
        for metered in &plan.metered {
            allowance[metered.meter] = match metered.allowance {
                // What is billed in arrears and has no allowance costs nothing in a trial.
                None if is_trial && metered.past.credit().is_none() => u64::MAX,
                _ => metered.free().saturating_add(carried[metered.meter]),
            };
        }
        self.segments_begun += 1;
        Segment {
            id: self.segments_begun,
            number,
            begins,
            ends,
            from,
            until: ends,
            is_trial,
            allowance,
            carried,
            ..Segment::empty(self.terms)
        }
    }

    /// Drafts the invoice of the usage period; the caller opens the next.
    fn close_period(&mut self, at: Time, purpose: Purpose, fee: Money, fate: Fate, catalog: &Catalog) {
        let is_discounted = self.has_discount(self.usage.begins, catalog);
        let mut segments = std::mem::take(&mut self.earlier);
        let mut last = self.usage.clone();
        last.until = at;
        segments.push(last);
        self.closing.push(Draft { purpose, segments, fee, is_discounted, fate });
    }
}

fn plus(a: Money, b: Money) -> Result<Money, Overflow> {
    a.checked_add(b).ok_or(Overflow { account: &"deferred" })
}

fn minus(a: Money, b: Money) -> Result<Money, Overflow> {
    a.checked_sub(b).ok_or(Overflow { account: &"deferred" })
}
