//! The gate: the one face of the billing rules for both drivers.
//!
//! ```text
//! request(now, route) ──▶ Admit(hold) ── served(now, usage) | failed(now)        a call
//!                     └─▶ Refuse(cause)
//! next_due() ──▶ deadline(now, what) ──▶ Action::Charge ──▶ processor(now, answer)       what time brings
//! change_plan · new_card · buy_credit · leave                                    what the consumer does
//! ```
//!
//! A driver calls [`Account::next_due`] and [`Account::deadline`] until nothing is due, before anything else at that `Now`.
//! Actions go to the caller's buffer, never into an inner queue. A request is looked at step by step without side
//! effects, and committed only when all steps pass: a refused request consumes nothing.

use crate::billing::account::{Account, Status};
use crate::billing::catalog::{Catalog, CohortTerms, CostTerms, HOLD_TTL, Metered, Past, PlanTerms};
use crate::billing::cause::Cause;
use crate::billing::grant::Reserved;
use crate::billing::hold::{Hold, HoldId, Pays};
use crate::billing::invoice::Charge;
use crate::billing::ledger::Movement;
use crate::billing::price;
use crate::billing::tally::Count;
use crate::billing::timer::Deadline;
use crate::billing::usage::Settled;
use crate::model::{PerMeter, SpendControl};
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
    /// Traffic time until the nearest limit decides otherwise; `i64::MAX` without one.
    pub rate_ns: i64,
    /// Units left of the scarcest allowance; `i64::MAX` without one.
    pub quota_units: i64,
    /// Balance less quote; `i64::MAX` where nothing is prepaid.
    pub credit: Money,
}

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

// === Calls ===

impl Account {
    /// Decides a request for a route, and on admission opens its hold; `is_paid`: it carries a payment for itself.
    #[inline]
    pub fn request(
        &mut self,
        now: Now,
        catalog: &Catalog,
        view: View,
        route: u16,
        is_paid: bool,
    ) -> Result<Decision, Overflow> {
        self.saw(now);
        let (cohort, plan) = self.terms(catalog);
        let most = &cohort.most[route as usize];
        // Filled in place: it is too large to be passed along with every request.
        let mut pass = Pass { is_paid, ..Pass::default() };
        match self.look(now, catalog, plan, view, route, most, &mut pass) {
            Ok(in_grace) => {
                let hold = self.commit(now, plan, route, most, &pass)?;
                Ok(Decision::Admit(Admission { hold, in_grace }))
            }
            Err(Stop::Refused(cause)) => {
                self.back.refused(cause, now.traffic);
                Ok(Decision::Refuse(cause))
            }
            Err(Stop::Overflow(overflow)) => Err(overflow),
        }
    }

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

    #[inline]
    fn commit(
        &mut self,
        now: Now,
        plan: &PlanTerms,
        route: u16,
        most: &PerMeter<u64>,
        pass: &Pass,
    ) -> Result<HoldId, Overflow> {
        self.take_limits(now, plan, pass.is_throttled);
        self.hold(now, plan, route, most, pass)
    }

    /// Reserves what a call may use, or several in a row.
    #[inline]
    pub(super) fn hold(
        &mut self,
        now: Now,
        plan: &PlanTerms,
        route: u16,
        most: &PerMeter<u64>,
        pass: &Pass,
    ) -> Result<HoldId, Overflow> {
        let reserved = if plan.pays_per_request && pass.pays == Pays::Credit {
            self.reserve_wallet(pass.quote)?
        } else {
            self.grants.reserve(pass.quote, &mut self.books)?
        };
        let (id, hold) = self.holds.open(now.traffic + HOLD_TTL, route);
        hold.segment = self.usage.id;
        hold.pays = pass.pays;
        hold.reserved = reserved;
        hold.quote = pass.capped;
        self.usage.open(plan, most, &pass.past, hold)?;
        Ok(id)
    }

    fn reserve_wallet(&mut self, quote: Money) -> Result<Reserved, Overflow> {
        self.wallet = self.wallet.checked_sub(quote).ok_or(Overflow { account: &"wallet" })?;
        Ok(Reserved::Wallet(quote))
    }

    #[inline]
    pub(super) fn take_limits(&mut self, now: Now, plan: &PlanTerms, is_throttled: bool) {
        for (limit, state) in plan.limits.iter().zip(&mut self.limits) {
            limit.take(state, now.traffic);
        }
        if is_throttled && let (Some(limit), Some(state)) = (&plan.throttle, &mut self.throttle) {
            limit.take(state, now.traffic);
        }
    }

    /// The call was served and used this much; what a meter counted past the most of its route is truncated there, as
    /// the upstream does. A hold that was already resolved changes nothing; the usage then stays unbilled.
    #[inline]
    pub fn served(&mut self, now: Now, catalog: &Catalog, hold: HoldId, usage: &PerMeter<u64>) -> Result<(), Overflow> {
        self.saw(now);
        if !catalog.costs.is_empty() {
            self.bear_cost(catalog, hold.route, usize::MAX, usage)?;
        }
        if let Some(place) = self.holds.resolve(hold) {
            if self.back.is_watching() {
                self.back.served(self.holds.at(place).expires - HOLD_TTL, now.traffic);
            }
            return self.settle(now, catalog, place, self.most(catalog, place), usage);
        }
        self.tally.count(Count::Late);
        let (_, plan) = self.terms(catalog);
        for metered in &plan.metered {
            self.tally.units.unbilled[metered.meter] += usage[metered.meter];
        }
        Ok(())
    }

    /// The call failed after it was admitted, at that hop of its path: what it held goes back, nothing is billed. What
    /// each upstream up to there has `used` up for it costs all the same.
    pub fn failed(
        &mut self,
        now: Now,
        catalog: &Catalog,
        hold: HoldId,
        hop: u8,
        used: &PerMeter<u64>,
    ) -> Result<(), Overflow> {
        self.saw(now);
        if !catalog.costs.is_empty() {
            self.bear_cost(catalog, hold.route, usize::from(hop) + 1, used)?;
        }
        match self.holds.resolve(hold) {
            Some(place) => self.settle(now, catalog, place, self.most(catalog, place), &PerMeter::default()),
            None => Ok(()),
        }
    }

    /// The most that the call of a hold can use.
    #[inline]
    fn most<'a>(&self, catalog: &'a Catalog, place: usize) -> &'a PerMeter<u64> {
        &catalog.cohorts[self.consumer.cohort as usize].most[self.holds.at(place).route as usize]
    }

    /// What was used of a resolved hold, of `most` at most, is paid, the rest goes back.
    #[inline]
    pub(super) fn settle(
        &mut self,
        now: Now,
        catalog: &Catalog,
        place: usize,
        most: &PerMeter<u64>,
        usage: &PerMeter<u64>,
    ) -> Result<(), Overflow> {
        let hold = self.holds.at(place);
        let settled = if hold.segment == self.usage.id {
            let plan = &catalog.terms[self.usage.terms as usize];
            self.usage.settle(plan, most, hold, usage, &mut self.tally.units)?
        } else {
            let hold = hold.clone();
            self.settle_earlier(now, catalog, &hold, most, usage)?
        };
        if settled.arrears != Money::ZERO {
            self.accrue(settled.arrears)?;
        }
        let reserved = &self.holds.at(place).reserved;
        if let Reserved::Wallet(_) = *reserved {
            return self.pay_from_wallet(settled.freed, settled.credit);
        }
        match catalog.spend_control {
            _ if settled.credit == Money::ZERO && *reserved == Reserved::Nothing => return Ok(()),
            SpendControl::Reserve => self.grants.settle(reserved, settled.credit, now.billing, &mut self.books)?,
            SpendControl::CheckThenDebit => self.debit(settled.credit)?,
        }
        self.watch_credit(now.billing, catalog);
        Ok(())
    }

    /// A call is paid for by itself: a sale of credit that is used at once. What is then no longer held goes back into the
    /// wallet. No card is charged, so no processor asks a fee.
    fn pay_from_wallet(&mut self, freed: Money, cost: Money) -> Result<(), Overflow> {
        self.wallet = plus(self.wallet, freed)?;
        if cost == Money::ZERO {
            return Ok(());
        }
        self.tally.count(Count::PaidCalls);
        [Movement::InvoiceCredit, Movement::Capture, Movement::HoldPrepaid, Movement::Burn]
            .into_iter()
            .try_for_each(|movement| self.post(movement, cost))
    }

    /// Takes what a call has cost, of which nothing was held; what is not there is owed.
    fn debit(&mut self, cost: Money) -> Result<(), Overflow> {
        let missing = self.grants.take(cost, &mut self.books)?;
        self.overdraft = plus(self.overdraft, missing)?;
        self.post(Movement::Overdraw, missing)
    }

    /// Usage to be billed in arrears is earned when it is served.
    fn accrue(&mut self, amount: Money) -> Result<(), Overflow> {
        if amount >= Money::ZERO {
            return self.post(Movement::Accrue, amount);
        }
        self.post(Movement::Unaccrue, Money::ZERO.checked_sub(amount).ok_or(Overflow { account: &"accrued" })?)
    }

    /// A call that comes home after its period has ended or its plan has changed.
    #[cold]
    fn settle_earlier(
        &mut self,
        now: Now,
        catalog: &Catalog,
        hold: &Hold,
        most: &PerMeter<u64>,
        usage: &PerMeter<u64>,
    ) -> Result<Settled, Overflow> {
        let units = &mut self.tally.units;
        if let Some(segment) = self.earlier.iter_mut().find(|segment| segment.id == hold.segment) {
            let plan = &catalog.terms[segment.terms as usize];
            let taken = segment.taken;
            let settled = segment.settle(plan, most, hold, usage, units)?;
            for ((own, before), after) in self.usage.taken.iter_mut().zip(taken).zip(segment.taken) {
                *own = own.saturating_sub(before - after);
            }
            return Ok(settled);
        }
        let segments = self.closing.iter_mut().flat_map(|draft| &mut draft.segments);
        let segment = segments.into_iter().find(|segment| segment.id == hold.segment);
        let segment = segment.expect("a segment is kept until its last hold is resolved");
        let settled = segment.settle(&catalog.terms[segment.terms as usize], most, hold, usage, units)?;
        if segment.open == 0 {
            self.timers.set(Deadline::Finalise, self.timers.get(Deadline::Finalise).min(now.billing));
        }
        Ok(settled)
    }

    /// So many upstreams of a route's path have worked: what that costs, whoever pays for it. Cumulative, as prepaid debits
    /// are.
    pub(super) fn bear_cost(
        &mut self,
        catalog: &Catalog,
        route: u16,
        hops: usize,
        usage: &PerMeter<u64>,
    ) -> Result<(), Overflow> {
        self.worked.resize(catalog.costs.len(), 0);
        for (place, CostTerms { upstream, meter, price }) in catalog.costs.iter().enumerate() {
            let visits =
                catalog.reaches[route as usize].iter().take(hops).filter(|reached| *reached == upstream).count();
            let units = usage[*meter].saturating_mul(visits as u64);
            let price = crate::model::Price::PerUnit(*price);
            let cost = price::cumulative(&price, self.worked[place], units)?;
            self.worked[place] = self.worked[place].saturating_add(units);
            self.post(Movement::Cost, cost)?;
        }
        Ok(())
    }
}

// === Time ===

impl Account {
    /// Whether nothing is due at `now`.
    #[inline]
    pub fn is_idle(&self, now: Now) -> bool {
        now.billing < self.timers.first() && now.traffic < self.holds.next_expiry()
    }

    /// When something is due next, if no call comes before: in traffic time for holds, in billing time for the rest.
    pub fn next_deadline(&self) -> Now {
        Now { traffic: self.holds.next_expiry(), billing: self.timers.first() }
    }

    /// What is due first on the billing clock, and when.
    pub fn next_due(&self) -> Option<(Time, Deadline)> {
        self.timers.next()
    }

    /// Does what is due at its own moment, which is `now`; what the processor must be asked goes to `actions`.
    pub fn deadline(
        &mut self,
        now: Now,
        what: Deadline,
        catalog: &Catalog,
        actions: &mut Vec<Action>,
    ) -> Result<(), Overflow> {
        self.saw(now);
        let at = now.billing;
        match what {
            Deadline::Join => self.subscribe(at, catalog, actions),
            Deadline::Retry => self.collect(at, true, catalog, actions),
            Deadline::CreditExpiry => self.expire_credit(at, catalog),
            Deadline::PriceChange => self.price_changes(at, catalog, actions),
            Deadline::Incomplete => self.give_up_waiting(),
            Deadline::TrialEnd => self.trial_ends(at, catalog, actions),
            Deadline::Period => self.period_ends(at, catalog, actions),
            Deadline::Finalise => self.finalise(at, catalog, actions),
            Deadline::TopUp => {
                self.top_up_due(at, catalog, actions);
                Ok(())
            }
            Deadline::Hold => self.expire_holds(now, catalog),
        }
    }

    fn expire_holds(&mut self, now: Now, catalog: &Catalog) -> Result<(), Overflow> {
        while let Some(place) = self.holds.expire(now.traffic) {
            self.tally.count(Count::ExpiredHolds);
            self.settle(now, catalog, place, self.most(catalog, place), &PerMeter::default())?;
        }
        Ok(())
    }

    /// Ends the account at the horizon: what is earned is booked, calls in flight keep their holds.
    pub fn close(&mut self, now: Now) -> Result<(), Overflow> {
        self.saw(now);
        self.earn(now.billing)?;
        self.blocked_since(Time::NEVER);
        if self.back.is_paid() {
            self.tally.count(Count::NotBack);
        }
        self.check();
        Ok(())
    }

    /// How far each rule is from deciding otherwise at `now`.
    pub fn margins(&self, now: Now, catalog: &Catalog, route: u16) -> Margins {
        let (cohort, plan) = self.terms(catalog);
        let change = self.timers.first().min(self.receivables.grace_ends());
        let in_flight = self.holds.open_count();
        let is_throttled =
            |metered: &&Metered| matches!(metered.past, Past::Throttle) && self.usage.free(metered.meter) == 0;
        let throttle =
            plan.throttle.iter().zip(&self.throttle).filter(|_| plan.metered.iter().any(|it| is_throttled(&it)));
        let limits = plan.limits.iter().zip(&self.limits).chain(throttle);
        let rates = limits.map(|(limit, state)| limit.margin_ns(state, now.traffic, in_flight));
        let limited = plan.metered.iter().filter(|metered| metered.allowance.is_some());
        let scarcest = limited.map(|metered| self.usage.free(metered.meter)).min();
        Margins {
            status_ns: change.ns().saturating_sub(now.billing.ns()),
            // What refuses longest is what a caller waits for; where nothing refuses, what comes first.
            rate_ns: rates.min().unwrap_or(i64::MAX),
            quota_units: scarcest.map_or(i64::MAX, |units| i64::try_from(units).unwrap_or(i64::MAX)),
            credit: self.credit_margin(cohort, plan, route),
        }
    }

    fn credit_margin(&self, cohort: &CohortTerms, plan: &PlanTerms, route: u16) -> Money {
        let unlimited = Money::from_nanos(i64::MAX);
        if plan.prepaid.is_none() {
            return unlimited;
        }
        let quoted = plan.metered.iter().filter_map(|metered| {
            let past = cohort.most[route as usize][metered.meter].saturating_sub(self.usage.free(metered.meter));
            metered.credit.as_ref().map(|price| price::at_most(price, past))
        });
        let quote = quoted.into_iter().try_fold(Money::ZERO, |sum, quote| plus(sum, quote?));
        quote.ok().and_then(|quote| self.grants.balance().checked_sub(quote)).unwrap_or(unlimited)
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

#[inline]
fn plus(a: Money, b: Money) -> Result<Money, Overflow> {
    a.checked_add(b).ok_or(Overflow { account: &"hold" })
}
