//! Payments: invoices are collected, declined ones dunned, and what was paid may come back. `top_up` buys credit.

use crate::billing::account::{Account, Status};
use crate::billing::back::DEBTS;
use crate::billing::catalog::{Catalog, TRY_AGAIN};
use crate::billing::decline::{Answer, Decline};
use crate::billing::gate::Action;
use crate::billing::invoice::{AfterDecline, Charge, Draft, Fate, Purpose};
use crate::billing::ledger::Movement;
use crate::billing::price;
use crate::billing::tally::Count;
use crate::billing::timer::Deadline;
use crate::billing::usage::Segment;
use crate::model::{Finally, Returns};
use crate::money::{Money, Overflow};
use crate::time::{Now, SECOND, Time};

// === Invoices ===

impl Account {
    /// Makes the invoices whose calls have all come home.
    pub(super) fn finalise(&mut self, at: Time, catalog: &Catalog, actions: &mut Vec<Action>) -> Result<(), Overflow> {
        self.timers.clear(Deadline::Finalise);
        while let Some(place) = self.closing.iter().position(|draft| !draft.is_waiting()) {
            let draft = self.closing.remove(place);
            self.invoice(&draft, at, catalog, actions)?;
        }
        Ok(())
    }

    fn invoice(
        &mut self,
        draft: &Draft,
        at: Time,
        catalog: &Catalog,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        if draft.fate == Fate::Keep {
            let kept = &mut self.uninvoiced[usize::from(draft.is_discounted)];
            for segment in &draft.segments {
                *kept = plus(*kept, segment.charged)?;
            }
            return Ok(());
        }
        let mut usage = Money::ZERO;
        for segment in &draft.segments {
            usage = plus(usage, self.usage_lines(segment, draft.is_discounted, catalog)?)?;
        }
        usage = plus(usage, self.true_up(draft, catalog)?)?;
        self.bill_fee(draft, at)?;
        let total = plus(usage, draft.fee)?;
        match draft.fate {
            Fate::Collect => self.issue(draft.purpose, total, at, catalog, actions),
            Fate::WriteOff | Fate::Keep => self.post(Movement::WriteOff, total),
        }
    }

    /// What was served and never invoiced is billed in one line, and one for what a discount was promised on, because there is
    /// somebody to pay it again, or nobody ever.
    pub(super) fn bill_uninvoiced(&mut self, catalog: &Catalog) -> Result<Money, Overflow> {
        let [exact, discounted] = std::mem::take(&mut self.uninvoiced);
        plus(self.line(exact, false, catalog)?, self.line(discounted, true, catalog)?)
    }

    /// The fee is invoiced, and earned from the beginning of its period on; at once, where that is over by now.
    fn bill_fee(&mut self, draft: &Draft, at: Time) -> Result<(), Overflow> {
        self.post(Movement::Invoice, draft.fee)?;
        if draft.purpose == Purpose::Period(self.fee_periods) && self.fee.cycle.is_some() && at < self.fee.ends {
            self.fee.amount = plus(self.fee.amount, draft.fee)?;
            Ok(())
        } else {
            self.post(Movement::Earn, draft.fee)
        }
    }

    /// What the usage charges of a whole period lack of its minimum commit, each price version's part by the second.
    fn true_up(&mut self, draft: &Draft, catalog: &Catalog) -> Result<Money, Overflow> {
        let (mut due, mut charged) = (Money::ZERO, Money::ZERO);
        for segment in &draft.segments {
            due = plus(due, committed(catalog.terms[segment.terms as usize].minimum, segment))?;
            charged = plus(charged, segment.charged)?;
        }
        if due <= charged {
            return Ok(Money::ZERO);
        }
        let lacks = minus(due, charged)?;
        self.post(Movement::TrueUp, lacks)?;
        self.line(lacks, draft.is_discounted, catalog)
    }

    /// The lines for the usage of a segment: one per meter.
    fn usage_lines(&mut self, segment: &Segment, is_discounted: bool, catalog: &Catalog) -> Result<Money, Overflow> {
        let plan = &catalog.terms[segment.terms as usize];
        let mut sum = Money::ZERO;
        for metered in &plan.metered {
            let units = segment.past[metered.meter];
            if let (Some(price), 1..) = (&metered.arrears, units) {
                sum = plus(sum, self.line(price::total(price, units)?, is_discounted, catalog)?)?;
            }
        }
        Ok(sum)
    }

    /// One line: the discount is taken off, the rest rounded to the minor unit.
    fn line(&mut self, exact: Money, is_discounted: bool, catalog: &Catalog) -> Result<Money, Overflow> {
        let net = match catalog.cohorts[self.consumer.cohort as usize].discount {
            Some(discount) if is_discounted => {
                let off = exact.scale_half_even(discount.off.parts, discount.off.of);
                self.post(Movement::Discount, off)?;
                minus(exact, off)?
            }
            _ => exact,
        };
        let line = price::line(net, catalog.currency);
        if line > net {
            self.post(Movement::RoundUp, minus(line, net)?)?;
        } else {
            self.post(Movement::RoundDown, minus(net, line)?)?;
        }
        self.post(Movement::InvoiceUsage, line)?;
        Ok(line)
    }

    /// An invoice is final: what the consumer has to their credit settles it first, the rest is collected.
    pub(super) fn issue(
        &mut self,
        purpose: Purpose,
        total: Money,
        at: Time,
        catalog: &Catalog,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        if total == Money::ZERO {
            return Ok(());
        }
        self.tally.count(Count::Invoices);
        self.settle_invoice(purpose, total, at, catalog, actions)
    }

    /// What is due of an invoice: from the balance, else by the processor.
    pub(super) fn settle_invoice(
        &mut self,
        purpose: Purpose,
        total: Money,
        at: Time,
        catalog: &Catalog,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        let applied = total.min(self.balance);
        self.post(Movement::ApplyBalance, applied)?;
        self.balance = minus(self.balance, applied)?;
        let due = minus(total, applied)?;
        if due > Money::ZERO && self.receivables.add(purpose, due) {
            self.collect(at, true, catalog, actions)?;
        }
        Ok(())
    }

    /// Makes the next attempt on the oldest unpaid invoice, or counts it as failed where there is nothing to try.
    pub(super) fn collect(
        &mut self,
        at: Time,
        is_scheduled: bool,
        catalog: &Catalog,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        if is_scheduled {
            self.timers.clear(Deadline::Retry);
        }
        if !self.has_card || self.receivables.is_dead() {
            return self.attempt_failed(at, at, None, true, catalog);
        }
        if let Some(charge) = self.receivables.next_charge(at, is_scheduled) {
            actions.push(Action::Charge(charge));
        }
        Ok(())
    }
}

// === Answers ===

impl Account {
    /// The processor has answered an [`Action::Charge`].
    pub fn processor(
        &mut self,
        now: Now,
        catalog: &Catalog,
        charge: Charge,
        answer: Answer,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        self.hears(now, now, catalog, charge, answer, actions)
    }

    /// The account hears what the processor has answered at an earlier moment. What follows a decline counts from that
    /// moment: grace, and the gap to the next attempt.
    pub fn hears(
        &mut self,
        now: Now,
        answered: Now,
        catalog: &Catalog,
        charge: Charge,
        answer: Answer,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        self.saw(now);
        self.tally.count(Count::Attempts);
        match answer {
            Answer::Declined(_) => {
                self.tally.count(Count::Declined);
                self.post(Movement::FeeDecline, catalog.fees.decline)?;
            }
            Answer::Error => self.tally.count(Count::Errors),
            Answer::Paid => {}
        }
        match charge.purpose {
            Purpose::TopUp(_) => self.top_up_answered(now.billing, answered, catalog, charge, answer),
            Purpose::Change(_) if self.is_upgrading(charge.purpose) => {
                self.upgrade_answered(now.billing, answered.traffic, catalog, charge, answer, actions)
            }
            _ => self.invoice_answered(now.billing, answered, catalog, charge, answer, actions),
        }
    }

    /// The payment of an invoice whose subscription has ended meanwhile is not captured; one that was, and is heard of after
    /// that, is given back.
    fn invoice_answered(
        &mut self,
        at: Time,
        answered: Now,
        catalog: &Catalog,
        charge: Charge,
        answer: Answer,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        let Some(asked) = self.receivables.answered(charge.purpose) else {
            self.paid_for_nothing(answered, charge, answer);
            return Ok(());
        };
        self.networks_count(charge.purpose, answer, catalog)?;
        let is_oldest = self.receivables.unpaid().next().is_some_and(|invoice| invoice.purpose == charge.purpose);
        if !is_oldest {
            self.paid_for_nothing(answered, charge, answer);
            // What is due by now has waited for this answer.
            return if self.receivables.unpaid().next().is_some() {
                self.collect(at, true, catalog, actions)
            } else {
                Ok(())
            };
        }
        match answer {
            Answer::Paid => self.invoice_paid(at, answered, asked.is_scheduled, catalog, actions),
            Answer::Declined(why) => self.attempt_failed(at, answered.billing, Some(why), asked.is_scheduled, catalog),
            // What is planned stays planned.
            Answer::Error => {
                self.first_payment_failed();
                if self.timers.get(Deadline::Retry) == Time::NEVER {
                    self.timers.set(Deadline::Retry, at + TRY_AGAIN);
                }
                Ok(())
            }
        }
    }

    /// Nothing is due any more for what was asked for: if that was captured, and is heard of only now, it is given back.
    fn paid_for_nothing(&mut self, answered: Now, charge: Charge, answer: Answer) {
        if answer == Answer::Paid && answered.traffic < self.seen.traffic {
            self.tally.count(Count::GivenBack);
            self.tally.given_back += i128::from(charge.amount.nanos());
        }
    }

    /// What passes the card networks' limit costs extra; what has not come to them does not count.
    fn networks_count(&mut self, purpose: Purpose, answer: Answer, catalog: &Catalog) -> Result<(), Overflow> {
        if answer == Answer::Error {
            self.receivables.was_not_sent(purpose);
        } else if self.receivables.is_excess() {
            self.tally.count(Count::Excess);
            self.post(Movement::FeeExcess, catalog.fees.excess_retry)?;
        }
        Ok(())
    }

    fn invoice_paid(
        &mut self,
        at: Time,
        answered: Now,
        is_scheduled: bool,
        catalog: &Catalog,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        self.timers.clear(Deadline::Retry);
        let invoice = self.receivables.paid();
        self.captured(invoice.amount, catalog)?;
        // An attempt that met an error of the processor was none of the dunning run.
        self.tally.paid_by(invoice.attempts - invoice.errors);
        if invoice.first_failed != Time::NEVER {
            self.tally.recovered(answered.billing.since(invoice.first_failed), is_scheduled);
        }
        if self.receivables.unpaid().next().is_none() {
            self.back.paid(DEBTS, answered.traffic, self.seen.traffic);
            return self.paid_up(at, catalog, actions);
        }
        self.collect(at, true, catalog, actions)
    }

    /// Money comes in for what is receivable, and the processor takes its part.
    pub(super) fn captured(&mut self, amount: Money, catalog: &Catalog) -> Result<(), Overflow> {
        self.top_up.card_paid();
        self.post(Movement::Capture, amount)?;
        let share = amount.scale_half_even(catalog.fees.success.parts, catalog.fees.success.of);
        self.post(Movement::FeeSuccess, plus(price::line(share, catalog.currency), catalog.fees.success_fixed)?)
    }

    /// An attempt had `failed`, or there was nothing to try, and that is known `at` last.
    fn attempt_failed(
        &mut self,
        at: Time,
        failed: Time,
        why: Option<Decline>,
        is_scheduled: bool,
        catalog: &Catalog,
    ) -> Result<(), Overflow> {
        if matches!(self.status, Status::Incomplete) {
            self.first_payment_failed();
            self.receivables.first_failed(failed);
            return Ok(());
        }
        if self.status == Status::Canceled {
            return self.write_off();
        }
        if self.status != Status::Unpaid {
            self.become_status(Status::PastDue);
        }
        let (_, plan) = self.terms(catalog);
        let after = self.receivables.failed(failed, why, is_scheduled, plan.grace, &catalog.dunning);
        self.watch_blocked();
        match after {
            AfterDecline::Retry(next) => self.timers.set(Deadline::Retry, next),
            AfterDecline::Unchanged => {}
            AfterDecline::Exhausted if self.status == Status::Unpaid => {}
            AfterDecline::Exhausted => {
                self.tally.count(Count::Exhausted);
                match catalog.dunning.finally {
                    Finally::Keep => {}
                    Finally::Unpaid => self.stop_invoicing()?,
                    Finally::Cancel => self.cancel(at, Fate::WriteOff, catalog)?,
                }
            }
        }
        Ok(())
    }

    /// Everything that is due is given up.
    pub(super) fn write_off(&mut self) -> Result<(), Overflow> {
        for invoice in self.receivables.give_up() {
            self.post(Movement::WriteOff, invoice.amount)?;
        }
        Ok(())
    }

    /// A new card has money behind it: worth an attempt at once, where the policy says so.
    pub fn new_card(&mut self, now: Now, catalog: &Catalog, actions: &mut Vec<Action>) -> Result<(), Overflow> {
        self.saw(now);
        self.has_card = true;
        self.receivables.new_card();
        self.top_up.new_card();
        self.watch_credit(now.billing, catalog);
        if self.status == Status::Paused {
            return self.convert(now.billing, catalog, actions);
        }
        let waits = catalog.dunning.waits_for_schedule && self.timers.get(Deadline::Retry) != Time::NEVER;
        if waits || self.receivables.unpaid().next().is_none() {
            return Ok(());
        }
        self.collect(now.billing, false, catalog, actions)
    }
}

// === What goes back ===

impl Account {
    /// A captured payment goes back: a refund, or a chargeback. Credit that it bought stays.
    pub fn gone_back(&mut self, now: Now, movement: Movement, amount: Money, terms: &Returns) -> Result<(), Overflow> {
        self.returned(now, now.billing, movement, amount, terms)
    }

    /// The same, heard of later than it has happened, `at` that moment of the billing clock.
    pub fn returned(
        &mut self,
        now: Now,
        at: Time,
        movement: Movement,
        amount: Money,
        terms: &Returns,
    ) -> Result<(), Overflow> {
        self.saw(now);
        self.post(movement, amount)?;
        self.post(Movement::FeeReturn, terms.fee)?;
        if terms.suspends.ns() > 0 {
            self.suspended_until = self.suspended_until.max(at + terms.suspends);
        }
        Ok(())
    }
}

/// The part of a minimum commit that a segment owes: by the second, of the whole period.
fn committed(minimum: Money, segment: &Segment) -> Money {
    if minimum == Money::ZERO || segment.is_trial || segment.ends == Time::NEVER {
        return Money::ZERO;
    }
    let seconds = |from: Time, to: Time| to.since(from).ns() / SECOND;
    let whole = seconds(segment.begins, segment.ends).max(1);
    minimum.scale_half_even(seconds(segment.from, segment.until).min(whole), whole)
}

fn plus(a: Money, b: Money) -> Result<Money, Overflow> {
    a.checked_add(b).ok_or(Overflow { account: &"receivable" })
}

pub(super) fn minus(a: Money, b: Money) -> Result<Money, Overflow> {
    a.checked_sub(b).ok_or(Overflow { account: &"receivable" })
}
