//! What a call holds while it is under way, and what is settled when it is over.

use crate::billing::account::Account;
use crate::billing::catalog::{Catalog, CostTerms, HOLD_TTL, PlanTerms};
use crate::billing::grant::Reserved;
use crate::billing::hold::{Hold, HoldId, Pays, plus};
use crate::billing::ledger::Movement;
use crate::billing::price;
use crate::billing::steps::Pass;
use crate::billing::tally::Count;
use crate::billing::timer::Deadline;
use crate::billing::usage::Settled;
use crate::model::{PerMeter, Price, SpendControl};
use crate::money::{Money, Overflow};
use crate::time::Now;

impl Account {
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

    /// The most that the call of a hold can use.
    #[inline]
    pub(super) fn most<'a>(&self, catalog: &'a Catalog, place: usize) -> &'a PerMeter<u64> {
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
        movement: Movement,
        route: u16,
        hops: usize,
        usage: &PerMeter<u64>,
    ) -> Result<(), Overflow> {
        self.worked.resize(catalog.costs.len(), 0);
        for (place, CostTerms { upstream, meter, price }) in catalog.costs.iter().enumerate() {
            let visits =
                catalog.reaches[route as usize].iter().take(hops).filter(|reached| *reached == upstream).count();
            let units = usage[*meter].saturating_mul(visits as u64);
            let price = Price::PerUnit(*price);
            let cost = price::cumulative(&price, self.worked[place], units)?;
            self.worked[place] = self.worked[place].saturating_add(units);
            self.post(movement, cost)?;
        }
        Ok(())
    }
}
