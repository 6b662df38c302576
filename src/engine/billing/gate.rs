//! The gate: the one face of the billing rules for both drivers.
//!
//! ```text
//! request(now, route) ──▶ Admit(hold) ── served(now, usage) | failed(now)        a call
//!                     │                  gave_up(now, sent), before either, where its client goes
//!                     └─▶ Refuse(cause)
//! next_due() ──▶ deadline(now, what) ──▶ Action::Charge ──▶ processor(now, answer)       what time brings
//! change_plan · new_card · buy_credit · leave                                    what the consumer does
//! ```
//!
//! A driver calls [`Account::next_due`] and [`Account::deadline`] until nothing is due, before anything else at that `Now`.
//! Actions go to the caller's buffer, never into an inner queue. A request is looked at step by step without side
//! effects, and committed only when all steps pass: a refused request consumes nothing.

use crate::billing::account::Account;
use crate::billing::catalog::{Catalog, HOLD_TTL, PlanTerms};
use crate::billing::cause::Cause;
use crate::billing::hold::HoldId;
use crate::billing::invoice::Charge;
use crate::billing::ledger::Movement;
use crate::billing::steps::{Pass, Stop};
use crate::billing::tally::Count;
use crate::billing::timer::Deadline;
use crate::model::PerMeter;
use crate::money::Overflow;
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

    /// The call was served and used this much; what a meter counted past the most of its route is truncated there, as
    /// the upstream does. A hold that was already resolved changes nothing; the usage then stays unbilled.
    #[inline]
    pub fn served(&mut self, now: Now, catalog: &Catalog, hold: HoldId, usage: &PerMeter<u64>) -> Result<(), Overflow> {
        self.saw(now);
        if !self.given_up.is_empty()
            && let Some(given_up) = self.take_given_up(hold)
        {
            return self.ended_unheard(now, catalog, given_up, usage);
        }
        if !catalog.costs.is_empty() {
            self.bear_cost(catalog, Movement::Cost, hold.route, usize::MAX, usage)?;
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
        if !self.given_up.is_empty() {
            self.take_given_up(hold);
        }
        if !catalog.costs.is_empty() {
            self.bear_cost(catalog, Movement::Cost, hold.route, usize::from(hop) + 1, used)?;
        }
        match self.holds.resolve(hold) {
            Some(place) => self.settle(now, catalog, place, self.most(catalog, place), &PerMeter::default()),
            None => Ok(()),
        }
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
}
