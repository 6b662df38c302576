//! Calls whose clients have gone before they had their answers: what is billed of them, and when.
//!
//! The exchange with the upstream outlives the client, so there are two events. When the client goes, `on_client_abort`
//! says what becomes of the hold; when the exchange is over, what the upstream has worked is paid for, and with `settle` the
//! hold is settled. In between the account remembers the call, so that its end is not taken for that of another.

use std::array;

use crate::billing::account::Account;
use crate::billing::catalog::Catalog;
use crate::billing::hold::HoldId;
use crate::billing::ledger::Movement;
use crate::billing::tally::Count;
use crate::model::{OnClientAbort, PerMeter};
use crate::money::Overflow;
use crate::time::Now;

/// A call whose client has gone, and whose exchange goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GivenUp {
    hold: HoldId,
    /// The price version of its admission.
    terms: u32,
    /// What was settled when the client went; `None`: all of it is settled when the exchange is over.
    settled: Option<PerMeter<u64>>,
}

impl Account {
    /// The client of an admitted call waits no longer; `sent` is what it had been sent by then. The exchange goes on:
    /// [`Self::served`] or [`Self::failed`] tells its end.
    ///
    /// # Errors
    /// When an amount leaves the range.
    pub fn gave_up(&mut self, now: Now, catalog: &Catalog, hold: HoldId, sent: &PerMeter<u64>) -> Result<(), Overflow> {
        self.saw(now);
        let terms = self.terms_of(hold);
        let settled = match catalog.on_client_abort {
            OnClientAbort::Settle => None,
            OnClientAbort::Release => Some(PerMeter::default()),
            OnClientAbort::BillSent => Some(*sent),
        };
        let settled = match settled {
            Some(units) if !self.settle_given_up(now, catalog, hold, &units)? => Some(PerMeter::default()),
            settled => settled,
        };
        self.given_up.insert(hold, GivenUp { hold, terms, settled });
        Ok(())
    }

    /// The price version under which an open hold was admitted; the one in force, where it has expired.
    fn terms_of(&self, hold: HoldId) -> u32 {
        let segment = self.holds.get(hold).map(|hold| hold.segment);
        let segment = self.segments().find(|one| Some(one.id) == segment);
        segment.map_or(self.terms, |segment| segment.terms)
    }

    /// The call whose exchange is over, if its client has given it up.
    #[cold]
    pub(super) fn take_given_up(&mut self, hold: HoldId) -> Option<GivenUp> {
        self.given_up.remove(&hold)
    }

    /// The exchange of such a call is over: the upstream has used so much.
    pub(super) fn ended_unheard(
        &mut self,
        now: Now,
        catalog: &Catalog,
        GivenUp { hold, terms, settled }: GivenUp,
        usage: &PerMeter<u64>,
    ) -> Result<(), Overflow> {
        let Some(settled) = settled else {
            return self.ended_unsettled(now, catalog, hold, terms, usage);
        };
        let (paid, rest) = divided(usage, &settled);
        if !catalog.costs.is_empty() {
            self.bear_cost(catalog, Movement::Cost, hold.route, usize::MAX, &paid)?;
            self.bear_cost(catalog, Movement::CostAbsorbed, hold.route, usize::MAX, &rest)?;
        }
        // What lies past the most of the route is truncated, here as where it is billed.
        let most = &catalog.cohorts[self.consumer.cohort as usize].most[hold.route as usize];
        let (_, unbilled) = divided(&array::from_fn(|meter| usage[meter].min(most[meter])), &settled);
        self.leave_unbilled(catalog, terms, &unbilled);
        Ok(())
    }

    /// With `settle`: all of it is settled now, unless the hold has expired meanwhile. Such a call is not among those that are
    /// counted as late: those were served.
    fn ended_unsettled(
        &mut self,
        now: Now,
        catalog: &Catalog,
        hold: HoldId,
        terms: u32,
        usage: &PerMeter<u64>,
    ) -> Result<(), Overflow> {
        let bears = if self.settle_given_up(now, catalog, hold, usage)? {
            Movement::Cost
        } else {
            self.leave_unbilled(catalog, terms, usage);
            Movement::CostAbsorbed
        };
        if catalog.costs.is_empty() { Ok(()) } else { self.bear_cost(catalog, bears, hold.route, usize::MAX, usage) }
    }

    /// Settles the hold on so much, and counts what that comes to; `false` when it has been resolved before.
    fn settle_given_up(
        &mut self,
        now: Now,
        catalog: &Catalog,
        hold: HoldId,
        usage: &PerMeter<u64>,
    ) -> Result<bool, Overflow> {
        let Some(place) = self.holds.resolve(hold) else { return Ok(false) };
        let before = self.billed();
        self.settle(now, catalog, place, self.most(catalog, place), usage)?;
        self.tally.billed_given_up += self.billed() - before;
        if usage.iter().any(|units| *units > 0) {
            self.tally.count(Count::SettledGivenUp);
        }
        Ok(true)
    }

    /// Units of the meters that a price version limits or prices were served, and are not billed.
    fn leave_unbilled(&mut self, catalog: &Catalog, terms: u32, units: &PerMeter<u64>) {
        for metered in &catalog.terms[terms as usize].metered {
            self.tally.units.unbilled[metered.meter] += units[metered.meter];
        }
    }

    /// What calls have been billed so far, from credit, in arrears, and past their credit, which is owed, in nanos.
    fn billed(&self) -> i128 {
        let moved = |movement| i128::from(self.books.moved(movement).nanos());
        moved(Movement::Accrue) - moved(Movement::Unaccrue)
            + moved(Movement::Burn)
            + moved(Movement::Spend)
            + moved(Movement::Overdraw)
    }
}

/// What of a usage was settled, and the rest.
fn divided(usage: &PerMeter<u64>, settled: &PerMeter<u64>) -> (PerMeter<u64>, PerMeter<u64>) {
    let part: PerMeter<u64> = array::from_fn(|meter| usage[meter].min(settled[meter]));
    (part, array::from_fn(|meter| usage[meter] - part[meter]))
}
