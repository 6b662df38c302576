//! What a subscription's terms come to: its fee and what of it is earned, and the boundaries of its periods.

use crate::billing::account::{Account, Status};
use crate::billing::calendar::Cycle;
use crate::billing::catalog::{Catalog, CohortTerms, PlanTerms};
use crate::billing::invoice::{Draft, Fate, Purpose};
use crate::billing::ledger::Movement;
use crate::billing::period::FeePeriod;
use crate::billing::price;
use crate::billing::timer::Deadline;
use crate::billing::usage::Segment;
use crate::model::{METERS_MAX, PerMeter};
use crate::money::{Money, Overflow};
use crate::time::Time;

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

    pub(super) fn discounted(&self, fee: Money, at: Time, catalog: &Catalog) -> Result<Money, Overflow> {
        let net = if self.has_discount(at, catalog) {
            let off = catalog.cohorts[self.consumer.cohort as usize].discount.expect("it has one").off;
            minus(fee, fee.scale_half_even(off.parts, off.of))?
        } else {
            fee
        };
        Ok(price::line(net, catalog.currency))
    }

    /// Whether a period that begins at `at` has the cohort's discount.
    pub(super) fn has_discount(&self, at: Time, catalog: &Catalog) -> bool {
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
    pub(super) fn realign(&mut self, at: Time, cohort: &CohortTerms, new: &PlanTerms, old: &PlanTerms) {
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
    pub(super) fn usage_period_as_fee(&self) -> FeePeriod {
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
    pub(super) fn segment(
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
                None if is_trial && metered.credit.is_none() => u64::MAX,
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
    pub(super) fn close_period(&mut self, at: Time, purpose: Purpose, fee: Money, fate: Fate, catalog: &Catalog) {
        let is_discounted = self.has_discount(self.usage.begins, catalog);
        let mut segments = std::mem::take(&mut self.earlier);
        let mut last = self.usage.clone();
        last.until = at;
        segments.push(last);
        self.closing.push(Draft { purpose, segments, fee, is_discounted, fate });
    }
}

pub(super) fn plus(a: Money, b: Money) -> Result<Money, Overflow> {
    a.checked_add(b).ok_or(Overflow { account: &"deferred" })
}

pub(super) fn minus(a: Money, b: Money) -> Result<Money, Overflow> {
    a.checked_sub(b).ok_or(Overflow { account: &"deferred" })
}
