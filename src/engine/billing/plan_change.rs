//! Changes of plan and of price: upgrades and downgrades that a consumer chooses, and new price versions.

use crate::billing::account::{Account, Status};
use crate::billing::back::TERMS;
use crate::billing::catalog::{Catalog, PlanTerms};
use crate::billing::decline::Answer;
use crate::billing::gate::Action;
use crate::billing::invoice::{Charge, Purpose};
use crate::billing::ledger::Movement;
use crate::billing::price;
use crate::billing::tally::Count;
use crate::billing::term::{minus, plus};
use crate::billing::timer::Deadline;
use crate::billing::usage::Segment;
use crate::money::{Money, Overflow};
use crate::time::{Now, Span, Time};

/// A change to a dearer plan that the processor has been asked to collect for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Upgrade {
    /// From which price version to which.
    from: u32,
    terms: u32,
    purpose: Purpose,
    /// What the new plan costs for the rest of the period, and what is credited of the old one.
    charge: Money,
    credit: Money,
    /// The ends of the periods that it was computed for.
    periods: [Time; 2],
}

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
        let from = self.terms;
        let upgrade = Upgrade { from, terms, purpose: self.next_change(), charge, credit, periods };
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

    /// If the payment of an upgrade fails, the change does not happen. It was answered at `answered` of the traffic clock.
    pub(super) fn upgrade_answered(
        &mut self,
        at: Time,
        answered: Time,
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
        self.back.paid(TERMS, answered, self.seen.traffic);
        self.upgrade_paid(at, upgrade, charge.amount, catalog, actions)
    }

    /// An upgrade for which this much was captured; the balance settles the rest. When a period has ended while the
    /// processor was thinking, or a price has changed for all, it is what holds now that is paid for.
    pub(super) fn upgrade_paid(
        &mut self,
        at: Time,
        upgrade: Upgrade,
        captured: Money,
        catalog: &Catalog,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        self.count_change(true);
        self.next_plan = None;
        let terms = catalog.for_all(upgrade.terms, at).unwrap_or(upgrade.terms);
        let is_as_asked =
            upgrade.from == self.terms && upgrade.terms == terms && upgrade.periods == [self.fee.ends, self.usage.ends];
        let (charge, credit) = if is_as_asked {
            (upgrade.charge, upgrade.credit)
        } else {
            self.prorated(at, &catalog.terms[terms as usize], catalog)?
        };
        self.switch(at, terms, charge, credit, catalog)?;
        let settled = plus(credit, captured)?;
        self.keep_credit(charge, settled)?;
        let rest = minus(charge, settled)?.max(Money::ZERO);
        // What is still due is another payment than the one that was captured.
        let purpose = if captured > Money::ZERO { self.next_change() } else { upgrade.purpose };
        self.settle_invoice(purpose, rest, at, catalog, actions)
    }

    /// What a change credits beyond what it charges is kept for later invoices.
    pub(super) fn keep_credit(&mut self, charge: Money, credit: Money) -> Result<(), Overflow> {
        if credit > charge {
            let back = minus(credit, charge)?;
            self.post(Movement::CreditBalance, back)?;
            self.balance = plus(self.balance, back)?;
        }
        Ok(())
    }

    pub(super) fn count_change(&mut self, is_dearer: bool) {
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
    pub(super) fn switch_in_trial(&mut self, at: Time, terms: u32, catalog: &Catalog) {
        self.adopt(terms, at, catalog);
        self.switch_usage(at, catalog);
    }

    /// What the rest of the period costs on a new plan, and what is credited of the old fee: by the second, symmetric,
    /// each a line of its own.
    pub(super) fn prorated(&self, at: Time, new: &PlanTerms, catalog: &Catalog) -> Result<(Money, Money), Overflow> {
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
    pub(super) fn switch(
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
    pub(super) fn switch_usage(&mut self, at: Time, catalog: &Catalog) {
        let Segment { number, begins, ends, is_trial, carried, taken, .. } = self.usage;
        let next = self.segment(begins, ends, number, at, is_trial, carried, catalog);
        let mut old = std::mem::replace(&mut self.usage, next);
        old.until = at;
        self.usage.taken = taken;
        self.earlier.push(old);
    }

    /// Puts the terms in force; limits that are others start fresh.
    pub(super) fn adopt(&mut self, terms: u32, at: Time, catalog: &Catalog) {
        let (old, new) = (&catalog.terms[self.terms as usize], &catalog.terms[terms as usize]);
        let now = self.seen.traffic;
        if old.limits != new.limits || self.limits.len() != new.limits.len() {
            self.limits = new.limits.iter().map(|limit| limit.fresh(now)).collect();
        }
        if old.throttle != new.throttle || self.throttle.is_some() != new.throttle.is_some() {
            self.throttle = new.throttle.as_ref().map(|limit| limit.fresh(now));
        }
        if terms != self.terms {
            self.earlier_terms.push((self.refusals, self.terms));
        }
        self.terms = terms;
        self.timers.set(Deadline::PriceChange, catalog.next_for_all(terms, at));
    }

    pub(super) fn next_change(&mut self) -> Purpose {
        self.changes += 1;
        Purpose::Change(self.changes - 1)
    }
}
