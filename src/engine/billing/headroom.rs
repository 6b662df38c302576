//! How far an account is from the next thing that could decide otherwise. Until there, only the limits can refuse a
//! call: calls that follow one another, each served before the next, need not be decided, held and settled one by one,
//! and what they do to the account is done in one step. The sums are the same, for what a part of the usage costs is a
//! difference of two totals.

use std::{iter, mem};

use crate::billing::account::{Account, Status};
use crate::billing::catalog::{Catalog, CohortTerms, Metered, Past, PlanTerms};
use crate::billing::hold::Pays;
use crate::billing::ledger::Movement;
use crate::billing::price;
use crate::billing::steps::Pass;
use crate::model::{PerMeter, Price, SpendControl};
use crate::money::{Money, Overflow};
use crate::time::{Now, Span};

/// Calls that have passed one after the other, each served before the next.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// How many.
    pub calls: u64,
    /// The route of the first of them. Its calls are those of no other route: where there is one route, nothing is counted
    /// by route.
    route: u16,
    /// How many are of each route but that one, as far as any has been called.
    of_others: Vec<u64>,
    /// What they used, per meter.
    pub usage: PerMeter<u64>,
    /// How long the upstream took for them, together.
    pub latency_sum: Span,
    /// How long it took for the one that took longest.
    pub latency_max: Span,
    /// What those of each route used, where calls of one cost something that those of another do not; else nothing.
    pub usage_by_route: Vec<PerMeter<u64>>,
    /// Whether they do.
    pub is_split: bool,
}

/// After calls that had to be decided by themselves because there was no headroom, so many more are, likely.
pub const ALONE: u32 = 16;

impl Passed {
    /// None of them any more; whether what they use is kept apart by route.
    pub fn clear(&mut self, is_split: bool) {
        self.of_others.clear();
        self.usage_by_route.clear();
        let (of_others, usage_by_route) = (mem::take(&mut self.of_others), mem::take(&mut self.usage_by_route));
        *self = Self { of_others, usage_by_route, is_split, ..Self::default() };
    }

    /// One more.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the loop that calls it is most of a simulation, and it is in two of them"
    )]
    pub fn count(&mut self, route: u16, usage: &PerMeter<u64>) {
        self.calls += 1;
        if route != self.route {
            self.of_another(route);
        }
        add(&mut self.usage, usage);
        if self.is_split {
            self.split(route, usage);
        }
    }

    fn split(&mut self, route: u16, usage: &PerMeter<u64>) {
        let routes = self.usage_by_route.len().max(route as usize + 1);
        self.usage_by_route.resize(routes, PerMeter::default());
        add(&mut self.usage_by_route[route as usize], usage);
    }

    fn of_another(&mut self, route: u16) {
        if self.calls == 1 {
            self.route = route;
            return;
        }
        let routes = self.of_others.len().max(route as usize + 1);
        self.of_others.resize(routes, 0);
        self.of_others[route as usize] += 1;
    }

    /// The routes that were called, and how often each.
    pub fn by_route(&self) -> impl Iterator<Item = (u16, u64)> {
        let of_first = self.calls - self.of_others.iter().sum::<u64>();
        let others = (0..).zip(self.of_others.iter().copied());
        iter::once((self.route, of_first)).chain(others).filter(|(_, calls)| *calls > 0)
    }
}

#[inline]
fn add(sum: &mut PerMeter<u64>, more: &PerMeter<u64>) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

impl Account {
    /// How many calls pass for certain until something is due, each served before the next, but for the limits:
    /// [`Self::passes_limits`] asks those. 0 where that cannot be told; then each call is decided by itself.
    pub fn headroom(&self, now: Now, catalog: &Catalog) -> u64 {
        let (cohort, plan) = self.terms(catalog);
        let is_served = matches!(self.status, Status::Active | Status::Trialing) && now.billing >= self.suspended_until;
        // Of the first call after a payment it is told when it was served.
        let is_served = is_served && !self.back.is_paid();
        let is_covered = |covers: &Vec<bool>| cohort.routes.iter().all(|route| covers[*route as usize]);
        if !is_served || !plan.covers.as_ref().is_none_or(is_covered) || self.holds.open_count() > 0 {
            return 0;
        }
        let of_meters = plan.metered.iter().map(|metered| self.headroom_of(metered, cohort)).min();
        let of_money = self.affordable(cohort, plan, catalog.spend_control).unwrap_or(0);
        of_meters.unwrap_or(u64::MAX).min(of_money)
    }

    /// How many calls stay on one side of an allowance: all inside, or all past it and paid.
    fn headroom_of(&self, metered: &Metered, cohort: &CohortTerms) -> u64 {
        let is_paid = metered.past == Past::Charge && !(self.usage.is_trial && metered.credit.is_none());
        match (self.usage.free(metered.meter), cohort.most_of_any[metered.meter]) {
            (0, _) if !is_paid => 0,
            (0, _) | (_, 0) => u64::MAX,
            (free, most) => free / most,
        }
    }

    /// How many calls can be paid for: from the grant that burns first, before more credit is to be bought; and below the
    /// spend cap. `None` where the most that a call costs is not known, or past the range.
    fn affordable(&self, cohort: &CohortTerms, plan: &PlanTerms, control: SpendControl) -> Option<u64> {
        let (mut credit, mut arrears, mut is_capped) = (Money::ZERO, Money::ZERO, false);
        for metered in plan.metered.iter().filter(|metered| self.is_past(metered)) {
            let (price, sum) = match (&metered.credit, &metered.arrears) {
                (Some(price), _) => (price, &mut credit),
                (None, Some(price)) => {
                    is_capped = plan.spend_cap.is_some();
                    (price, &mut arrears)
                }
                (None, None) => continue,
            };
            if let Price::Volume(_) | Price::Stairstep(_) = price {
                return None;
            }
            *sum = sum.checked_add(price::at_most(price, cohort.most_of_any[metered.meter]).ok()?)?;
        }
        let mut calls = u64::MAX;
        if plan.pays_per_request && credit > Money::ZERO {
            return Some(0);
        }
        if credit > Money::ZERO {
            let top_up = plan.prepaid.as_ref().and_then(|prepaid| prepaid.auto_top_up);
            let kept = top_up.map_or(Money::ZERO, |terms| terms.below);
            let first = self.grants.iter().next().map_or(Money::ZERO, |grant| grant.remaining);
            let spendable = first.min(self.grants.balance().checked_sub(kept)?);
            calls = calls.min(quotient(spendable, credit));
        }
        if let (Some(cap), true) = (plan.spend_cap, is_capped) {
            calls = calls.min(self.below(cap, arrears, control)?);
        }
        Some(calls)
    }

    /// How many calls that cost at most this much each stay below the spend cap. One that costs nothing needs room too:
    /// where nothing is held, some; else that no less than nothing is left, as after a change to a lower cap.
    fn below(&self, cap: Money, each: Money, control: SpendControl) -> Option<u64> {
        let mut spent = self.usage.spent().ok()?;
        for segment in &self.earlier {
            spent = spent.checked_add(segment.spent().ok()?)?;
        }
        let left = cap.checked_sub(spent)?;
        let is_reached = if control == SpendControl::Reserve { left < Money::ZERO } else { left <= Money::ZERO };
        Some(match each {
            _ if is_reached => 0,
            Money::ZERO => u64::MAX,
            each => quotient(left, each),
        })
    }

    /// Whether all units of a meter are past its allowance: then they are paid, or there is no headroom.
    fn is_past(&self, metered: &Metered) -> bool {
        self.usage.free(metered.meter) == 0
    }

    /// Whether its plan has limits.
    pub fn is_limited(&self, catalog: &Catalog) -> bool {
        !catalog.terms[self.terms as usize].limits.is_empty()
    }

    /// Whether the limits let a call pass while no other is under way; if so, it counts with them.
    #[inline]
    pub fn passes_limits(&mut self, now: Now, catalog: &Catalog) -> bool {
        let passes = self.may_pass_limits(now, catalog);
        if passes {
            self.has_passed_limits(now, catalog);
        }
        passes
    }

    /// Whether the limits let a call pass while no other is under way.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the loop that calls it is most of a simulation, and it is in two of them"
    )]
    pub fn may_pass_limits(&self, now: Now, catalog: &Catalog) -> bool {
        let plan = &catalog.terms[self.terms as usize];
        plan.limits.iter().zip(&self.limits).all(|(limit, state)| limit.admits(state, now.traffic, 0))
    }

    /// A call that [could](Self::may_pass_limits) pass them counts with the limits.
    #[inline]
    pub fn has_passed_limits(&mut self, now: Now, catalog: &Catalog) {
        self.take_limits(now, &catalog.terms[self.terms as usize], false);
    }

    /// Calls have passed, no more of them than there was [headroom](Self::headroom) for, and the limits let each pass;
    /// `now` is when the last of them was served. Together they are held and settled as one call would be.
    pub fn passed(&mut self, now: Now, catalog: &Catalog, passed: &Passed) -> Result<(), Overflow> {
        self.saw(now);
        self.back.give_up();
        if passed.is_split {
            for (route, usage) in (0..).zip(&passed.usage_by_route) {
                self.bear_cost(catalog, Movement::Cost, route, usize::MAX, usage)?;
            }
        } else if !catalog.costs.is_empty() {
            self.bear_cost(catalog, Movement::Cost, 0, usize::MAX, &passed.usage)?;
        }
        let (most, pass) = self.together(catalog, passed)?;
        let id = self.hold(now, &catalog.terms[self.terms as usize], 0, &most, &pass)?;
        let place = self.holds.resolve(id).expect("it was opened just now");
        self.settle(now, catalog, place, &most, &passed.usage)
    }

    /// The one call that could use as much as all of these, and how it is paid: each meter's units are inside the allowance,
    /// or all past it.
    pub(super) fn together(&self, catalog: &Catalog, passed: &Passed) -> Result<(PerMeter<u64>, Pass), Overflow> {
        let (cohort, plan) = self.terms(catalog);
        let routes = || passed.by_route().map(|(route, calls)| (&cohort.most[route as usize], calls));
        let (mut together, mut pass) = (PerMeter::default(), Pass::default());
        for metered in &plan.metered {
            let meter = metered.meter;
            together[meter] =
                routes().fold(0, |sum: u64, (most, calls)| sum.saturating_add(calls.saturating_mul(most[meter])));
            if !self.is_past(metered) {
                continue;
            }
            pass.past[meter] = together[meter];
            pass.pays = if plan.prepaid.is_some() || plan.pays_per_request { Pays::Credit } else { Pays::Arrears };
            if let (Some(price), SpendControl::Reserve) = (&metered.credit, catalog.spend_control) {
                for (most, calls) in routes() {
                    let quote = times(price::at_most(price, most[meter])?, calls)?;
                    pass.quote = pass.quote.checked_add(quote).ok_or(OVERFLOW)?;
                }
            }
        }
        Ok((together, pass))
    }
}

const OVERFLOW: Overflow = Overflow { account: &"hold" };

/// How often a positive amount fits into another.
fn quotient(amount: Money, part: Money) -> u64 {
    u64::try_from(amount.nanos() / part.nanos()).unwrap_or(0)
}

fn times(amount: Money, count: u64) -> Result<Money, Overflow> {
    let product = i64::try_from(count).ok().and_then(|count| amount.nanos().checked_mul(count));
    product.map(Money::from_nanos).ok_or(OVERFLOW)
}
