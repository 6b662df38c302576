//! How far a decision was from the other one.

use crate::billing::account::Account;
use crate::billing::catalog::{Catalog, CohortTerms, Metered, Past, PlanTerms};
use crate::billing::hold::plus;
use crate::billing::price;
use crate::money::Money;
use crate::time::Now;

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

impl Account {
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
