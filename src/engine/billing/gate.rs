//! The gate: the one face of the billing rules for both drivers.
//!
//! ```text
//! request(now) ──▶ Admit(hold) ── served(now, usage) | failed(now)      a call
//!              └─▶ Refuse(cause)
//! due(now) ──▶ deadline(due) ──▶ Action::Charge ──▶ processor(due, answer)   what time brings
//! ```
//!
//! A driver calls [`Account::due`] and [`Account::deadline`] until nothing is due, before anything else at that `Now`.
//! Actions go to the caller's buffer, never into an inner queue. A request is looked at step by step without side
//! effects, and committed only when all steps pass: a refused request consumes nothing.

use crate::billing::account::{Account, Status};
use crate::billing::catalog::{Catalog, CohortTerms, HOLD_TTL, Metered, PlanTerms};
use crate::billing::cause::Cause;
use crate::billing::hold::{Hold, HoldId};
use crate::billing::invoice::{AfterDecline, Answer, Charge};
use crate::billing::ledger::Movement;
use crate::billing::limit::Bucket;
use crate::billing::price;
use crate::model::{Finally, PerMeter};
use crate::money::{Money, Overflow};
use crate::time::{Now, Time};

/// What the node that decides believes about an account. With perfect enforcement, the only kind there is today, it
/// reads through to the account itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The node sees the account as it is.
    ReadThrough,
}

/// What the gate says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Forward it, and resolve the hold exactly once.
    Admit(Admission),
    /// Answer with the cause's status.
    Refuse(Cause),
}

/// A request that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// What to resolve when the call is over.
    pub hold: HoldId,
    /// Whether it passes only because of grace: the answer carries a warning.
    pub in_grace: bool,
}

/// What the account asks of its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the processor to collect; answer with [`Account::processor`].
    Charge(Charge),
}

/// How far each rule was from deciding otherwise, for explaining two decisions that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margins {
    /// Billing time until the status, as far as it is known, changes what passes.
    pub status_ns: i64,
    /// Nanoseconds of refill around the token bucket's threshold; `i64::MAX` without a limit.
    pub rate_ns: i64,
    /// Units left of the scarcest allowance; `i64::MAX` without one.
    pub quota_units: i64,
    /// Balance less quote; `i64::MAX` where nothing is prepaid.
    pub credit: Money,
}

/// What the steps have found for a request that may pass.
struct Pass {
    in_grace: bool,
    /// The bucket without the token that the request takes.
    bucket: Option<Bucket>,
}

// === Calls ===

impl Account {
    /// Decides a request, and on admission opens its hold.
    #[inline]
    pub fn request(&mut self, now: Now, catalog: &Catalog, view: View) -> Result<Decision, Overflow> {
        self.saw(now);
        let (cohort, plan) = catalog.terms(self.consumer.cohort);
        match self.look(now, cohort, plan, view) {
            Err(cause) => Ok(Decision::Refuse(cause)),
            Ok(Pass { in_grace, bucket }) => {
                self.bucket = bucket;
                Ok(Decision::Admit(Admission { hold: self.commit(now, cohort, plan)?, in_grace }))
            }
        }
    }

    /// The steps in their order; the first that fails wins.
    #[inline]
    fn look(&self, now: Now, cohort: &CohortTerms, plan: &PlanTerms, view: View) -> Result<Pass, Cause> {
        let View::ReadThrough = view;
        let in_grace = self.standing(now)?;
        let bucket = match (plan.limit, self.bucket) {
            (Some(limit), Some(bucket)) => Some(limit.take(bucket, now.traffic).ok_or(Cause::RateLimited)?),
            _ => None,
        };
        if plan.metered.iter().any(|metered| self.quota_taken(metered) >= metered.allowance) {
            return Err(Cause::QuotaExhausted);
        }
        if plan.opening.is_some() && self.credit < cohort.quote {
            return Err(Cause::CreditExhausted);
        }
        Ok(Pass { in_grace, bucket })
    }

    #[inline]
    fn standing(&self, now: Now) -> Result<bool, Cause> {
        match self.status {
            Status::Active => Ok(false),
            Status::PastDue if now.billing < self.receivables.grace_ends() => Ok(true),
            Status::PastDue => Err(Cause::PastDue),
            Status::Unpaid => Err(Cause::Unpaid),
            Status::Canceled => Err(Cause::Canceled),
        }
    }

    #[inline]
    fn quota_taken(&self, metered: &Metered) -> u64 {
        self.current.used[metered.meter].saturating_add(self.current.held[metered.meter])
    }

    #[inline]
    fn commit(&mut self, now: Now, cohort: &CohortTerms, plan: &PlanTerms) -> Result<HoldId, Overflow> {
        for Metered { meter, .. } in &plan.metered {
            self.current.held[*meter] += cohort.most[*meter];
        }
        let amount = cohort.quote;
        if amount > Money::ZERO {
            self.books.post(Movement::Hold, amount)?;
            self.credit = subtract(self.credit, amount);
        }
        Ok(self.holds.open(Hold { amount, period: self.current.number, expires: now.traffic + HOLD_TTL }))
    }

    /// The call was served and used this much; what a meter counted past the cohort's most is truncated there, as the
    /// upstream does. A hold that was already resolved changes nothing; the usage then stays unbilled.
    #[inline]
    pub fn served(&mut self, now: Now, catalog: &Catalog, hold: HoldId, usage: &PerMeter<u64>) -> Result<(), Overflow> {
        self.saw(now);
        let (cohort, plan) = catalog.terms(self.consumer.cohort);
        let Some(hold) = self.holds.resolve(hold) else {
            self.tally.late += 1;
            return Ok(());
        };
        let mut cost = Money::ZERO;
        for Metered { meter, price, .. } in &plan.metered {
            let most = cohort.most[*meter];
            let units = usage[*meter].min(most);
            if hold.period == self.current.number {
                self.current.held[*meter] -= most;
                self.current.used[*meter] += units;
            }
            if let Some(price) = price {
                let part = price::cumulative(*price, self.paid_units[*meter], units)?;
                self.paid_units[*meter] += units;
                cost = cost.checked_add(part).ok_or(Overflow { account: "spend" })?;
            }
        }
        self.settle(hold.amount, cost)
    }

    /// The call failed after it was admitted: what it held goes back, nothing is billed.
    pub fn failed(&mut self, now: Now, catalog: &Catalog, hold: HoldId) -> Result<(), Overflow> {
        self.saw(now);
        match self.holds.resolve(hold) {
            Some(hold) => self.release(&hold, catalog),
            None => Ok(()),
        }
    }

    fn release(&mut self, hold: &Hold, catalog: &Catalog) -> Result<(), Overflow> {
        let (cohort, plan) = catalog.terms(self.consumer.cohort);
        if hold.period == self.current.number {
            for Metered { meter, .. } in &plan.metered {
                self.current.held[*meter] -= cohort.most[*meter];
            }
        }
        self.settle(hold.amount, Money::ZERO)
    }

    /// Pays `cost` out of what was held, and gives the rest back.
    #[inline]
    fn settle(&mut self, held: Money, cost: Money) -> Result<(), Overflow> {
        if held == Money::ZERO {
            return Ok(());
        }
        let rest = subtract(held, cost);
        assert!(rest >= Money::ZERO, "a hold covers the most that a call can cost: {:?}", self.consumer);
        self.books.post(Movement::Spend, cost)?;
        if rest > Money::ZERO {
            self.books.post(Movement::Release, rest)?;
            self.credit = self.credit.checked_add(rest).ok_or(Overflow { account: "release" })?;
        }
        Ok(())
    }
}

// === Time ===

impl Account {
    /// The earliest deadline that has come at `now`, at its own moment; `None` when nothing is due. A retry that falls
    /// on a renewal goes first: it is about the older invoice.
    #[inline]
    pub fn due(&self, now: Now) -> Option<Due> {
        if now.billing < self.current.ends
            && now.billing < self.receivables.retry_at()
            && now.traffic < self.holds.next_expiry()
        {
            return None;
        }
        self.first_due(now)
    }

    #[cold]
    fn first_due(&self, now: Now) -> Option<Due> {
        let billing = self.current.ends.min(self.receivables.retry_at());
        if now.billing >= billing {
            let what = if self.receivables.retry_at() == billing { Deadline::Retry } else { Deadline::Renewal };
            return Some(Due { at: Now { traffic: now.traffic, billing }, what });
        }
        let expiry = self.holds.next_expiry();
        (now.traffic >= expiry)
            .then_some(Due { at: Now { traffic: expiry, billing: now.billing }, what: Deadline::Expiry })
    }

    /// When something is due next, if no call comes before: in traffic time for holds, in billing time for the rest.
    pub fn next_deadline(&self) -> Now {
        Now { traffic: self.holds.next_expiry(), billing: self.current.ends.min(self.receivables.retry_at()) }
    }

    /// Does what is due; what the processor must be asked goes to `actions`.
    pub fn deadline(&mut self, due: Due, catalog: &Catalog, actions: &mut Vec<Action>) -> Result<(), Overflow> {
        match due.what {
            Deadline::Retry => {
                self.charge_next(actions);
                Ok(())
            }
            Deadline::Renewal => self.renew(catalog, actions),
            Deadline::Expiry => self.expire(due.at.traffic, catalog),
        }
    }

    /// Closes the period that ends and begins the next: its fee is earned whole, the quota starts again, the new fee
    /// is invoiced.
    fn renew(&mut self, catalog: &Catalog, actions: &mut Vec<Action>) -> Result<(), Overflow> {
        let (_, plan) = catalog.terms(self.consumer.cohort);
        self.earn(self.current.ends)?;
        let cycle = self.current.cycle.expect("only a plan with a period renews");
        let current = &mut self.current;
        current.number += 1;
        current.begins = current.ends;
        current.ends = cycle.begins(current.number + 1);
        current.used = PerMeter::default();
        current.held = PerMeter::default();
        current.fee = Money::ZERO;
        current.earned = Money::ZERO;
        if plan.fee == Money::ZERO {
            return Ok(());
        }
        if self.status == Status::Unpaid {
            self.tally.drafted += 1;
            return Ok(());
        }
        current.fee = plan.fee;
        self.books.post(Movement::Invoice, plan.fee)?;
        actions.extend(self.receivables.add(self.current.number, plan.fee).map(Action::Charge));
        Ok(())
    }

    fn charge_next(&mut self, actions: &mut Vec<Action>) {
        actions.extend(self.receivables.next_charge().map(Action::Charge));
    }

    fn expire(&mut self, traffic: Time, catalog: &Catalog) -> Result<(), Overflow> {
        while let Some(hold) = self.holds.expire(traffic) {
            self.tally.expired_holds += 1;
            self.release(&hold, catalog)?;
        }
        Ok(())
    }

    /// The processor has answered the last [`Action::Charge`].
    pub fn processor(
        &mut self,
        now: Now,
        catalog: &Catalog,
        answer: Answer,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        self.tally.attempts += 1;
        match answer {
            Answer::Paid => self.paid(actions),
            Answer::Declined => self.declined(now.billing, catalog),
        }
    }

    fn paid(&mut self, actions: &mut Vec<Action>) -> Result<(), Overflow> {
        let invoice = self.receivables.paid();
        self.books.post(Movement::Capture, invoice.amount)?;
        let by = (invoice.failed as usize).min(self.tally.paid_by_attempt.len() - 1);
        self.tally.paid_by_attempt[by] += 1;
        if self.receivables.unpaid().next().is_none() {
            self.status = Status::Active;
        }
        self.charge_next(actions);
        Ok(())
    }

    fn declined(&mut self, billing: Time, catalog: &Catalog) -> Result<(), Overflow> {
        let (_, plan) = catalog.terms(self.consumer.cohort);
        self.tally.declined += 1;
        self.status = Status::PastDue;
        match self.receivables.declined(billing, plan.grace, &catalog.dunning) {
            AfterDecline::Retry => Ok(()),
            AfterDecline::Exhausted => self.exhausted(billing, catalog.dunning.finally),
        }
    }

    fn exhausted(&mut self, billing: Time, finally: Finally) -> Result<(), Overflow> {
        self.tally.exhausted += 1;
        match finally {
            Finally::Keep => Ok(()),
            Finally::Unpaid => {
                self.status = Status::Unpaid;
                Ok(())
            }
            Finally::Cancel => self.cancel(billing),
        }
    }

    /// Writes the debt off. Of the running period's fee, which is part of it, nothing more will be earned.
    fn cancel(&mut self, billing: Time) -> Result<(), Overflow> {
        self.earn(billing)?;
        self.status = Status::Canceled;
        for invoice in self.receivables.give_up() {
            self.books.post(Movement::WriteOff, invoice.amount)?;
        }
        self.books.post(Movement::Reverse, subtract(self.current.fee, self.current.earned))?;
        self.current.earned = self.current.fee;
        self.current.ends = Time::NEVER;
        Ok(())
    }

    /// Earns the running period's fee up to `billing`.
    fn earn(&mut self, billing: Time) -> Result<(), Overflow> {
        if self.current.earned == self.current.fee {
            return Ok(());
        }
        let earned = self.current.earned_at(billing);
        self.books.post(Movement::Earn, subtract(earned, self.current.earned))?;
        self.current.earned = earned;
        Ok(())
    }

    /// Ends the account at the horizon: what is earned is booked, calls in flight keep their holds.
    pub fn close(&mut self, now: Now) -> Result<(), Overflow> {
        self.saw(now);
        self.earn(now.billing)?;
        self.check();
        Ok(())
    }

    /// How far each rule is from deciding otherwise at `now`.
    pub fn margins(&self, now: Now, catalog: &Catalog) -> Margins {
        let (cohort, plan) = catalog.terms(self.consumer.cohort);
        let change = self.current.ends.min(self.receivables.retry_at()).min(self.receivables.grace_ends());
        let left = |metered: &Metered| metered.allowance.saturating_sub(self.quota_taken(metered));
        let scarcest = plan.metered.iter().filter(|metered| metered.is_limited()).map(left).min();
        Margins {
            status_ns: change.ns().saturating_sub(now.billing.ns()),
            rate_ns: plan
                .limit
                .zip(self.bucket)
                .map_or(i64::MAX, |(limit, bucket)| limit.margin_ns(bucket, now.traffic)),
            quota_units: scarcest.map_or(i64::MAX, |units| i64::try_from(units).unwrap_or(i64::MAX)),
            credit: if plan.opening.is_some() {
                subtract(self.credit, cohort.quote)
            } else {
                Money::from_nanos(i64::MAX)
            },
        }
    }

    /// Time never runs backwards for an account: drivers read the clocks inside its lock.
    #[inline]
    fn saw(&mut self, now: Now) {
        debug_assert!(now.traffic >= self.seen.traffic && now.billing >= self.seen.billing, "time runs forward");
        self.seen = now;
    }
}

/// Something whose moment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its own moment, which is never later than the `now` that it was found at.
    pub at: Now,
    /// What it is.
    pub what: Deadline,
}

/// What time brings to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// The next dunning attempt.
    Retry,
    /// A billing period ends and the next begins.
    Renewal,
    /// A hold expires.
    Expiry,
}

/// A difference of two amounts of which the first is known to be at least as far from the range's end.
#[inline]
fn subtract(from: Money, amount: Money) -> Money {
    from.checked_sub(amount).expect("both amounts are non-negative, so their difference is in range")
}
