//! What was used before the start. It counts against limits and allowance, and on the next invoice; nothing of it is held,
//! paid or recorded.

use crate::billing::account::Account;
use crate::billing::catalog::{Catalog, Metered, Past, PlanTerms};
use crate::billing::gate::{Pass, Stop, View};
use crate::billing::hold::Hold;
use crate::billing::price;
use crate::model::PerMeter;
use crate::money::Overflow;
use crate::time::Now;

impl Account {
    /// A call from before the books are opened.
    pub fn remember(&mut self, now: Now, catalog: &Catalog, route: u16, usage: &PerMeter<u64>) -> Result<(), Overflow> {
        self.saw(now);
        let (cohort, plan) = self.terms(catalog);
        let most = &cohort.most[route as usize];
        let mut pass = Pass::default();
        match self.look(now, catalog, plan, View::ReadThrough, route, most, &mut pass) {
            Err(Stop::Refused(_)) => return Ok(()),
            Err(Stop::Overflow(overflow)) => return Err(overflow),
            Ok(_) => {}
        }
        self.take_limits(now, plan, pass.is_throttled);
        let mut hold = Hold { pays: pass.pays, ..Hold::NONE };
        self.usage.open(plan, most, &pass.past, &mut hold)?;
        self.usage.settle(plan, most, &hold, usage, &mut self.tally.units)?;
        Ok(())
    }

    /// As [`Self::remember`] of calls that are all alike. Where a plan counts only, they need not be played one by one:
    /// how many of them the limits and the allowances let pass says everything.
    pub fn remember_alike(
        &mut self,
        calls: impl Iterator<Item = Now>,
        catalog: &Catalog,
        route: u16,
        usage: &PerMeter<u64>,
    ) -> Result<(), Overflow> {
        let (cohort, plan) = self.terms(catalog);
        let is_covered = plan.covers.as_ref().is_none_or(|covers| covers[route as usize]);
        if !is_covered || !only_counts(plan) || cohort.most[route as usize] != *usage {
            for now in calls {
                self.remember(now, catalog, route, usage)?;
            }
            return Ok(());
        }
        let most_calls = plan.metered.iter().map(|metered| self.calls_of(metered, usage)).min().unwrap_or(u64::MAX);
        let mut passed = 0;
        for now in calls {
            if passed == most_calls {
                break;
            }
            self.saw(now);
            let limits = || plan.limits.iter().zip(&self.limits);
            if limits().all(|(limit, state)| limit.admits(state, now.traffic, 0)) {
                self.take_limits(now, plan, false);
                passed += 1;
            }
        }
        for metered in &plan.metered {
            let units = passed * usage[metered.meter];
            let included =
                if let Past::Block = metered.past { units } else { units.min(self.usage.free(metered.meter)) };
            self.usage.taken[metered.meter] += included;
            if let (Some(price), None) = (metered.past.arrears(), metered.past.credit()) {
                let charged = price::total(price, units - included)?;
                self.usage.past[metered.meter] = units - included;
                let sum = self.usage.charged.checked_add(charged);
                self.usage.charged = sum.ok_or(Overflow { account: &"usage" })?;
            }
        }
        Ok(())
    }

    /// How many calls that are alike an allowance lets pass: one may cross its line.
    fn calls_of(&self, metered: &Metered, usage: &PerMeter<u64>) -> u64 {
        match (&metered.past, self.usage.free(metered.meter), usage[metered.meter]) {
            (Past::Block, 0, _) => 0,
            (Past::Block, free, units @ 1..) => free.div_ceil(units),
            _ => u64::MAX,
        }
    }
}

/// Whether nothing but counts decides which calls pass: no pace and no sum of money.
fn only_counts(plan: &PlanTerms) -> bool {
    plan.throttle.is_none() && plan.spend_cap.is_none()
}
