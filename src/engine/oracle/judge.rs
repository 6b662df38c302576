//! One account as perfect billing would have it, and what it says to a call.
//!
//! The judge reads facts of the account: its status, its plan, what it was granted and charged. What the gate counts for
//! itself (limits, allowances, calls in flight and what they hold) the judge counts for itself too, from what has
//! really passed and been used; and it reads the plan as the scenario has it, not as the gate has compiled it.

use super::pace::Pace;
use crate::billing::account::{Account, Consumer, Status};
use crate::billing::catalog::{HOLD_TTL, PlanTerms};
use crate::billing::cause::Cause;
use crate::billing::hold::HoldId;
use crate::billing::price;
use crate::model::{METERS_MAX, PastAllowance, PerMeter, Plan, Price, SpendControl};
use crate::money::{Money, Overflow};
use crate::time::{Now, Time};
use crate::world::World;
use crate::world::schedule::Call;

/// One consumer's truth.
#[derive(Debug)]
pub(super) struct Judge<'w> {
    world: &'w World,
    consumer: Consumer,
    /// The price version that the limits are those of, and how many have come before it.
    terms: u32,
    followed: usize,
    limits: Vec<Pace>,
    throttle: Option<Pace>,
    period: Period,
    /// Units of that period's allowance that are used.
    used: PerMeter<u64>,
    /// Calls in flight whose holds have not expired.
    open: Vec<Open>,
}

/// What tells a period of usage from every other of an account: the first segment of its usage, and its ends. A year that days
/// have interrupted, under another price version, is not the year that it was.
type Period = (u32, Time, Time, bool);

/// A call in flight.
#[derive(Debug)]
struct Open {
    hold: HoldId,
    /// When its hold expires.
    expires: Time,
    period: Period,
    segment: u32,
    holds: Holds,
}

/// What a call would hold if it passed.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds {
    /// Units inside the allowance, and past it, at most.
    within: PerMeter<u64>,
    past: PerMeter<u64>,
    /// Of the credit, in nanos.
    credit: i128,
    /// Of the spend cap, in nanos.
    capped: i128,
    /// Units past the allowance that are billed in arrears.
    arrears: PerMeter<u64>,
    /// Whether it passes at the pace of a throttled plan.
    is_throttled: bool,
    /// Meters whose hard allowance had nothing left.
    pub(super) exhausted: [bool; METERS_MAX],
}

/// How a plan sees a meter.
struct Metered<'p> {
    meter: usize,
    /// What is left of the allowance; `None`: it has no end.
    free: Option<u64>,
    /// What a unit past it costs in credit, and on an invoice.
    credit: Option<&'p Price>,
    arrears: Option<&'p Price>,
}

impl<'w> Judge<'w> {
    /// Of a consumer of whom nothing has been seen yet; what they used before the start is judged too.
    pub(super) fn new(world: &'w World, consumer: Consumer) -> Result<Self, Overflow> {
        let terms =
            world.catalog.version(world.scenario.cohorts[consumer.cohort as usize].plan, Time::from_ns(i64::MIN));
        let mut judge = Self {
            world,
            consumer,
            terms,
            followed: 0,
            limits: Vec::new(),
            throttle: None,
            period: (0, Time::START, Time::NEVER, false),
            used: PerMeter::default(),
            open: Vec::new(),
        };
        let plan = judge.plan();
        judge.limits = judge.fresh(plan);
        judge.throttle = judge.fresh_throttle(plan);
        if world.schedule.joins(consumer).is_none() {
            judge.remember()?;
        }
        Ok(judge)
    }

    /// Plays the usage before the start, as it was: where nothing is held, the gateway may have been wrong then too.
    /// Nothing of it is held, and no credit is asked for.
    fn remember(&mut self) -> Result<(), Overflow> {
        let mut account = Account::existing(self.consumer, &self.world.catalog);
        if !account.counts_usage(&self.world.catalog) {
            return Ok(());
        }
        let clock = self.world.schedule.pace().clock;
        let mut calls = self.world.schedule.history(self.consumer, account.period_begins());
        let mut call = Call::default();
        while calls.next_into(&mut call) {
            let now = clock.at(call.at);
            let (verdict, holds) = self.asked(&account, call.route, now, false)?;
            let has_passed = account.remember(now, &self.world.catalog, call.route, &call.usage)?;
            if !overspends(self.world) {
                debug_assert_eq!(has_passed, verdict.is_ok(), "{now:?}: {verdict:?}");
            }
            if has_passed {
                self.pass(now, &holds);
                self.settle(self.period, &holds, &call.usage);
            }
        }
        Ok(())
    }

    /// The plan as the scenario has it, in the price version in force.
    pub(super) fn plan(&self) -> &'w Plan {
        let found = self.world.scenario.price_versions().nth(self.terms as usize);
        found.expect("an account's terms are a price version").plan
    }

    fn compiled(&self) -> &'w PlanTerms {
        &self.world.catalog.terms[self.terms as usize]
    }

    fn fresh(&self, plan: &Plan) -> Vec<Pace> {
        plan.limits.iter().map(|limit| Pace::fresh(*limit, self.epoch_ns())).collect()
    }

    fn fresh_throttle(&self, plan: &Plan) -> Option<Pace> {
        let PastAllowance::Throttle(rate) = plan.past_allowance else { return None };
        Some(Pace::fresh(crate::model::Limit::TokenBucket { rate, burst: 1 }, self.epoch_ns()))
    }

    fn epoch_ns(&self) -> i128 {
        self.world.scenario.start.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0)).as_nanos()
    }

    // === What is asked ===

    /// Whether a call should be served, or why not, and what it holds if it passes all the same. The account is as it stands
    /// before the call; `is_paid`: it carries a payment for itself.
    pub(super) fn asked(
        &mut self,
        account: &Account,
        route: u16,
        now: Now,
        is_paid: bool,
    ) -> Result<(Result<(), Cause>, Holds), Overflow> {
        self.follow(account);
        self.expire(now.traffic);
        let most = &self.world.catalog.cohorts[self.consumer.cohort as usize].most[route as usize];
        let mut holds = Holds::default();
        // What it would hold is asked for even where something before it refuses.
        let usage = self.usage(account, now, most, is_paid, &mut holds);
        let verdict = match self.route(route).and(standing(account, now)).and(self.pace(now.traffic)) {
            Ok(()) => usage?,
            refused => refused,
        };
        Ok((verdict, holds))
    }

    /// Follows the account to another plan, and to another period.
    fn follow(&mut self, account: &Account) {
        while self.followed < account.earlier_terms.len() {
            let before = self.compiled();
            self.terms = account.terms_after(self.followed);
            self.followed += 1;
            let (plan, after) = (self.plan(), self.compiled());
            if before.limits != after.limits {
                self.limits = self.fresh(plan);
            }
            if before.throttle != after.throttle {
                self.throttle = self.fresh_throttle(plan);
            }
        }
        let usage = &account.usage;
        let first = account.earlier.first().unwrap_or(usage).id;
        let period = (first, usage.begins, usage.ends, usage.is_trial);
        if period != self.period {
            (self.period, self.used) = (period, PerMeter::default());
        }
    }

    fn expire(&mut self, traffic: Time) {
        self.open.retain(|open| open.expires > traffic);
    }

    fn route(&self, route: u16) -> Result<(), Cause> {
        let covers = self.plan().routes.as_ref().is_none_or(|routes| routes.contains(&usize::from(route)));
        if covers { Ok(()) } else { Err(Cause::RouteNotInPlan) }
    }

    fn pace(&self, traffic: Time) -> Result<(), Cause> {
        match self.limits.iter().find(|limit| !limit.admits(traffic, self.open.len())) {
            None => Ok(()),
            Some(limit) if limit.is_concurrency() => Err(Cause::ConcurrencyLimited),
            Some(_) => Err(Cause::RateLimited),
        }
    }

    // === Usage and money ===

    /// The meters that the plan limits or prices, in this account's period.
    fn metered(&self, account: &Account) -> Vec<Metered<'w>> {
        let plan = self.plan();
        let is_ahead = plan.prepaid.is_some() || plan.pays_per_request;
        let metered = |meter: usize| {
            let price = plan.prices[meter].as_ref();
            let overage = plan.overage[meter].as_ref().filter(|_| plan.past_allowance == PastAllowance::Overage);
            let credit = price.filter(|_| is_ahead);
            let arrears = overage.or(price.filter(|_| !is_ahead));
            let is_free = match plan.allowance[meter] {
                Some(_) => false,
                None if credit.is_none() && arrears.is_none() => return None,
                // In a trial nothing is billed in arrears.
                None => account.usage.is_trial && credit.is_none(),
            };
            let granted = plan.allowance[meter].unwrap_or(0).saturating_add(account.usage.carried[meter]);
            let free = granted.saturating_sub(self.used[meter].saturating_add(self.held(meter)));
            Some(Metered { meter, free: (!is_free).then_some(free), credit, arrears })
        };
        (0..METERS_MAX).filter_map(metered).collect()
    }

    /// Units of this period's allowance that calls in flight may use.
    fn held(&self, meter: usize) -> u64 {
        self.open.iter().filter(|open| open.period == self.period).map(|open| open.holds.within[meter]).sum()
    }

    /// What is inside the allowance passes; what is past it is refused, slowed down, or paid.
    fn usage(
        &self,
        account: &Account,
        now: Now,
        most: &PerMeter<u64>,
        is_paid: bool,
        holds: &mut Holds,
    ) -> Result<Result<(), Cause>, Overflow> {
        let plan = self.plan();
        let metered = self.metered(account);
        for it in &metered {
            let (meter, free) = (it.meter, it.free.unwrap_or(u64::MAX));
            let is_priced = it.credit.is_some() || it.arrears.is_some();
            let is_hard = !is_priced || (account.usage.is_trial && it.credit.is_none());
            if is_priced && !is_hard {
                holds.past[meter] = most[meter].saturating_sub(free);
            } else if free == 0 && !is_priced && self.throttle.is_some() {
                (holds.past[meter], holds.is_throttled) = (most[meter], true);
            } else {
                // One weighted call may cross the line.
                holds.exhausted[meter] = free == 0;
            }
            holds.within[meter] = most[meter] - holds.past[meter];
        }
        let paid = self.paid(account, plan, &metered, is_paid, holds)?;
        if holds.exhausted.contains(&true) {
            return Ok(Err(Cause::QuotaExhausted));
        }
        let paces = self.throttle.iter().filter(|_| holds.is_throttled);
        if paces.into_iter().any(|pace| !pace.admits(now.traffic, 0)) {
            return Ok(Err(Cause::RateLimited));
        }
        Ok(paid)
    }

    /// Credit first, else arrears; the units of one call are not divided between the two.
    fn paid(
        &self,
        account: &Account,
        plan: &Plan,
        metered: &[Metered<'_>],
        is_paid: bool,
        holds: &mut Holds,
    ) -> Result<Result<(), Cause>, Overflow> {
        let past = holds.past;
        let beyond: Vec<_> =
            metered.iter().filter(|it| past[it.meter] > 0 && (it.credit.is_some() || it.arrears.is_some())).collect();
        if beyond.is_empty() {
            return Ok(Ok(()));
        }
        if plan.pays_per_request {
            return self.covered(account, &beyond, is_paid, holds);
        }
        let mut quote = 0;
        for it in &beyond {
            if let Some(price) = it.credit {
                quote += nanos(price::at_most(price, past[it.meter])?);
            }
        }
        let mut is_credited = false;
        if plan.prepaid.is_some() {
            is_credited = quote == 0 || self.credit(account) >= quote;
            if !is_credited && (account.usage.is_trial || beyond.iter().any(|it| it.arrears.is_none())) {
                holds.credit = quote;
                return Ok(Err(Cause::CreditExhausted));
            }
        }
        holds.credit = if is_credited { quote } else { 0 };
        let billed: Vec<_> = beyond.into_iter().filter(|it| !is_credited || it.credit.is_none()).collect();
        self.capped(account, plan, &billed, holds)
    }

    /// What a call adds to what has been paid for singly and to what the calls in flight may cost, from the wallet.
    fn covered(
        &self,
        account: &Account,
        beyond: &[&Metered<'_>],
        is_paid: bool,
        holds: &Holds,
    ) -> Result<Result<(), Cause>, Overflow> {
        let mut quote = 0;
        for Metered { meter, credit, .. } in beyond {
            let Some(price) = credit else { continue };
            let in_segment = self.open.iter().filter(|open| open.segment == account.usage.id);
            let in_flight: u64 = in_segment.map(|open| open.holds.past[*meter]).sum();
            let before = account.usage.credited[*meter] + in_flight;
            quote += nanos(price::cumulative(price, before, holds.past[*meter])?);
        }
        let is_covered = quote == 0 || (is_paid && nanos(account.wallet) >= quote);
        Ok(if is_covered { Ok(()) } else { Err(Cause::PaymentRequired) })
    }

    /// Credit that is neither spent nor held by a call in flight, in nanos.
    fn credit(&self, account: &Account) -> i128 {
        let granted: i128 = account.grants.iter().map(|grant| nanos(grant.remaining) + nanos(grant.held)).sum();
        granted - self.open.iter().map(|open| open.holds.credit).sum::<i128>()
    }

    /// The spend cap of the period: what is charged and held so far, and this call's quote.
    fn capped(
        &self,
        account: &Account,
        plan: &Plan,
        billed: &[&Metered<'_>],
        holds: &mut Holds,
    ) -> Result<Result<(), Cause>, Overflow> {
        for Metered { meter, arrears, .. } in billed {
            let past = holds.past[*meter];
            holds.arrears[*meter] = past;
            let (Some(price), Some(_)) = (arrears, plan.spend_cap) else { continue };
            let settled = account.usage.past[*meter];
            let in_segment = self.open.iter().filter(|open| open.segment == account.usage.id);
            let reserved: u64 = in_segment.map(|open| open.holds.arrears[*meter]).sum();
            // Calls in flight may use all that they hold, or nothing.
            let dearer = price::quote(price, settled, past)?.max(price::quote(price, settled + reserved, past)?);
            holds.capped += nanos(dearer);
        }
        let (Some(cap), false) = (plan.spend_cap, billed.is_empty()) else { return Ok(Ok(())) };
        let segments = || account.earlier.iter().chain([&account.usage]);
        let charged: i128 = segments().map(|segment| nanos(segment.charged)).sum();
        let is_of_period = |open: &&Open| segments().any(|segment| segment.id == open.segment);
        let held: i128 = self.open.iter().filter(is_of_period).map(|open| open.holds.capped).sum();
        let fits = charged + held + holds.capped <= nanos(cap);
        Ok(if fits { Ok(()) } else { Err(Cause::SpendCap) })
    }

    // === What has happened ===

    /// The gateway has let a call pass that holds so much, in that segment of the account's usage.
    pub(super) fn admitted(&mut self, segment: u32, now: Now, hold: HoldId, holds: Holds) {
        self.pass(now, &holds);
        self.open.push(Open { hold, expires: now.traffic + HOLD_TTL, period: self.period, segment, holds });
    }

    fn pass(&mut self, now: Now, holds: &Holds) {
        let throttle = self.throttle.iter_mut().filter(|_| holds.is_throttled);
        self.limits.iter_mut().chain(throttle).for_each(|limit| limit.pass(now.traffic));
    }

    /// A call has come home and used this much, nothing where it failed; after its hold has expired that changes nothing.
    pub(super) fn landed(&mut self, now: Now, hold: HoldId, usage: &PerMeter<u64>) {
        self.expire(now.traffic);
        if let Some(place) = self.open.iter().position(|open| open.hold == hold) {
            let Open { period, holds, .. } = self.open.swap_remove(place);
            self.settle(period, &holds, usage);
        }
    }

    fn settle(&mut self, period: Period, holds: &Holds, usage: &PerMeter<u64>) {
        if period == self.period {
            for (meter, used) in self.used.iter_mut().enumerate() {
                *used += usage[meter].min(holds.within[meter]);
            }
        }
    }
}

/// Whether the subscription is one that is served.
fn standing(account: &Account, now: Now) -> Result<(), Cause> {
    if now.billing < account.suspended_until {
        return Err(Cause::BillingHold);
    }
    match account.status {
        Status::Active | Status::Trialing => Ok(()),
        Status::PastDue if now.billing < account.receivables.grace_ends() => Ok(()),
        Status::PastDue => Err(Cause::PastDue),
        Status::Unpaid => Err(Cause::Unpaid),
        Status::Paused => Err(Cause::TrialEnded),
        Status::Incomplete if account.has_card => Err(Cause::FirstPaymentFailed),
        Status::Incomplete => Err(Cause::NoPaymentMethod),
        Status::IncompleteExpired | Status::Canceled => Err(Cause::Canceled),
        Status::Awaited => Err(Cause::UnknownCredential),
    }
}

fn nanos(money: Money) -> i128 {
    money.nanos().into()
}

/// Whether a scenario holds nothing back for calls in flight, where that can matter.
pub(super) fn overspends(world: &World) -> bool {
    let is_bounded = |plan: &Plan| plan.prepaid.is_some() || plan.spend_cap.is_some();
    let plans = world.scenario.plans.iter().chain(world.scenario.changes.iter().map(|change| &change.becomes));
    world.scenario.gateway.spend_control == SpendControl::CheckThenDebit && plans.into_iter().any(is_bounded)
}
