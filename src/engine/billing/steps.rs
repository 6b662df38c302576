//! The steps that a request is looked at by, in their order, without side effects: the first that fails says why it is
//! refused.

use crate::billing::account::{Account, Status};
use crate::billing::catalog::{Catalog, Metered, Past, PlanTerms};
use crate::billing::cause::Cause;
use crate::billing::gate::View;
use crate::billing::hold::{Pays, plus};
use crate::billing::price;
use crate::model::{PerMeter, SpendControl};
use crate::money::{Money, Overflow};
use crate::time::Now;

/// What the steps have found for a request that may pass.
pub(super) struct Pass {
    /// Whether it carries a payment for itself.
    pub(super) is_paid: bool,
    /// Whether it passes at the pace of a throttled plan.
    pub(super) is_throttled: bool,
    /// Units past the allowance, at most, and how they are paid.
    pub(super) past: PerMeter<u64>,
    pub(super) pays: Pays,
    /// What is held of the credit or of the wallet, and what counts against the spend cap.
    pub(super) quote: Money,
    pub(super) capped: Money,
}

impl Default for Pass {
    fn default() -> Self {
        Self {
            is_paid: false,
            is_throttled: false,
            past: PerMeter::default(),
            pays: Pays::Nothing,
            quote: Money::ZERO,
            capped: Money::ZERO,
        }
    }
}

/// Why a request does not pass.
pub(super) enum Stop {
    Refused(Cause),
    Overflow(Overflow),
}

impl From<Overflow> for Stop {
    fn from(overflow: Overflow) -> Self {
        Self::Overflow(overflow)
    }
}

impl From<Cause> for Stop {
    fn from(cause: Cause) -> Self {
        Self::Refused(cause)
    }
}

impl Account {
    /// The steps in their order; the first that fails wins. Whether it passes only because of grace.
    #[inline]
    #[expect(clippy::too_many_arguments, reason = "what the request's steps look at, looked up once")]
    pub(super) fn look(
        &self,
        now: Now,
        catalog: &Catalog,
        plan: &PlanTerms,
        view: View,
        route: u16,
        most: &PerMeter<u64>,
        pass: &mut Pass,
    ) -> Result<bool, Stop> {
        let View::ReadThrough = view;
        if plan.covers.as_ref().is_some_and(|covers| !covers[route as usize]) {
            return Err(Cause::RouteNotInPlan.into());
        }
        let in_grace = self.standing(now)?;
        self.look_at_limits(now, plan)?;
        self.look_at_usage(now, catalog, plan, most, pass)?;
        Ok(in_grace)
    }

    #[inline]
    fn standing(&self, now: Now) -> Result<bool, Cause> {
        if now.billing < self.suspended_until {
            return Err(Cause::BillingHold);
        }
        match self.status {
            Status::Active | Status::Trialing => Ok(false),
            Status::PastDue if now.billing < self.receivables.grace_ends() => Ok(true),
            Status::PastDue => Err(Cause::PastDue),
            Status::Unpaid => Err(Cause::Unpaid),
            Status::Incomplete if self.has_card => Err(Cause::FirstPaymentFailed),
            Status::Incomplete => Err(Cause::NoPaymentMethod),
            Status::Paused => Err(Cause::TrialEnded),
            Status::Canceled | Status::IncompleteExpired => Err(Cause::Canceled),
            Status::Awaited => Err(Cause::UnknownCredential),
        }
    }

    #[inline]
    fn look_at_limits(&self, now: Now, plan: &PlanTerms) -> Result<(), Cause> {
        let in_flight = self.holds.open_count();
        for (limit, state) in plan.limits.iter().zip(&self.limits) {
            if !limit.admits(state, now.traffic, in_flight) {
                return Err(limit.cause());
            }
        }
        Ok(())
    }

    /// The allowance of each meter; and for what lies past it, how that is paid.
    #[inline]
    fn look_at_usage(
        &self,
        now: Now,
        catalog: &Catalog,
        plan: &PlanTerms,
        most: &PerMeter<u64>,
        pass: &mut Pass,
    ) -> Result<(), Stop> {
        let (mut is_charged, mut is_arrears) = (false, false);
        for metered in &plan.metered {
            let free = self.usage.free(metered.meter);
            match metered.past {
                Past::Block if free == 0 => return Err(Cause::QuotaExhausted.into()),
                Past::Throttle if free == 0 => {
                    // What a throttled plan lets pass takes nothing of the allowance, and is not billed.
                    pass.is_throttled = true;
                    pass.past[metered.meter] = most[metered.meter];
                }
                Past::Charge if self.usage.is_trial && metered.credit.is_none() => {
                    if free == 0 {
                        return Err(Cause::QuotaExhausted.into());
                    }
                }
                Past::Charge => {
                    let beyond = most[metered.meter].saturating_sub(free);
                    pass.past[metered.meter] = beyond;
                    is_charged |= beyond > 0;
                    is_arrears |= beyond > 0 && metered.credit.is_none();
                }
                Past::Block | Past::Throttle => {}
            }
        }
        if pass.is_throttled {
            let limit = plan.throttle.as_ref().zip(self.throttle.as_ref());
            if !limit.is_some_and(|(limit, state)| limit.admits(state, now.traffic, 0)) {
                return Err(Cause::RateLimited.into());
            }
        }
        match is_charged {
            true if plan.pays_per_request => self.look_at_wallet(plan, pass),
            true => self.look_at_money(catalog, plan, is_arrears, pass),
            false => Ok(()),
        }
    }

    /// A call that is paid for by itself: without a payment it is asked for one, and with one that the wallet does not cover
    /// again.
    fn look_at_wallet(&self, plan: &PlanTerms, pass: &mut Pass) -> Result<(), Stop> {
        pass.quote = self.usage.quote_of_wallet(plan, &pass.past)?;
        pass.pays = Pays::Credit;
        let is_covered = pass.quote == Money::ZERO || pass.is_paid && self.wallet >= pass.quote;
        if is_covered { Ok(()) } else { Err(Cause::PaymentRequired.into()) }
    }

    /// Credit first, then arrears, where the plan has both; the units of one call are not divided between them.
    #[inline]
    fn look_at_money(
        &self,
        catalog: &Catalog,
        plan: &PlanTerms,
        is_arrears: bool,
        pass: &mut Pass,
    ) -> Result<(), Stop> {
        if plan.prepaid.is_some() {
            let quote = quote_of_credit(plan, pass)?;
            let balance = self.grants.balance();
            let is_covered = match catalog.spend_control {
                SpendControl::Reserve => balance >= quote,
                SpendControl::CheckThenDebit => balance > Money::ZERO || quote == Money::ZERO,
            };
            if is_covered {
                pass.pays = Pays::Credit;
                if catalog.spend_control == SpendControl::Reserve {
                    pass.quote = quote;
                }
                return if is_arrears { self.look_at_cap(catalog, plan, pass) } else { Ok(()) };
            }
            let has_arrears = |metered: &Metered| pass.past[metered.meter] == 0 || metered.arrears.is_some();
            if self.usage.is_trial || !plan.metered.iter().all(has_arrears) {
                return Err(Cause::CreditExhausted.into());
            }
        }
        pass.pays = Pays::Arrears;
        self.look_at_cap(catalog, plan, pass)
    }

    /// The spend cap of the period: what is charged and held so far, and this call's quote.
    fn look_at_cap(&self, catalog: &Catalog, plan: &PlanTerms, pass: &mut Pass) -> Result<(), Stop> {
        let Some(cap) = plan.spend_cap else { return Ok(()) };
        let mut spent = self.usage.spent()?;
        for segment in &self.earlier {
            spent = plus(spent, segment.spent()?)?;
        }
        if catalog.spend_control == SpendControl::CheckThenDebit {
            return if spent >= cap { Err(Cause::SpendCap.into()) } else { Ok(()) };
        }
        let mut quote = Money::ZERO;
        for metered in &plan.metered {
            let is_credited = pass.pays == Pays::Credit && metered.credit.is_some();
            if let (Some(price), past @ 1.., false) = (&metered.arrears, pass.past[metered.meter], is_credited) {
                // Calls in flight may use what they have reserved, or nothing: the dearer of both.
                let settled = self.usage.past[metered.meter];
                let reserved = settled.saturating_add(self.usage.reserved[metered.meter]);
                let dearer = price::quote(price, settled, past)?.max(price::quote(price, reserved, past)?);
                quote = plus(quote, dearer)?;
            }
        }
        if plus(spent, quote)? > cap {
            return Err(Cause::SpendCap.into());
        }
        pass.capped = quote;
        Ok(())
    }
}

/// The most that a call's units past the allowance cost in credit.
#[inline]
fn quote_of_credit(plan: &PlanTerms, pass: &Pass) -> Result<Money, Overflow> {
    let mut quote = Money::ZERO;
    for metered in &plan.metered {
        if let (Some(price), past @ 1..) = (&metered.credit, pass.past[metered.meter]) {
            quote = plus(quote, price::at_most(price, past)?)?;
        }
    }
    Ok(quote)
}
