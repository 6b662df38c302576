//! What surrounds the billing rules: consumers that call, a processor that is asked to collect. Pure: every draw has an
//! address, so the same call happens whoever plays it.

pub mod processor;
pub mod schedule;

use std::sync::Arc;

use crate::billing::account::{Account, Consumer};
use crate::billing::catalog::{Catalog, Metered};
use crate::billing::gate::{Action, Decision, View};
use crate::model::{Live, Scenario};
use crate::money::Overflow;
use crate::time::{Now, Span};

use processor::Processor;
use schedule::{Pace, Schedule};

/// A scenario made ready to be played, in virtual time or on sockets. Shared by all threads.
#[derive(Clone, Debug)]
pub struct World {
    /// What is played.
    pub scenario: Arc<Scenario>,
    /// The rules.
    pub catalog: Catalog,
    /// Who calls when.
    pub schedule: Schedule,
    /// Who collects.
    pub processor: Processor,
}

impl World {
    /// The scenario as it stands: the whole horizon, both clocks equal.
    pub fn whole(scenario: Arc<Scenario>) -> Result<Self, Overflow> {
        let pace = Pace::whole(&scenario);
        Self::paced(scenario, pace)
    }

    /// The load that `live` asks for: the scenario's arrivals scaled to its rate, for its duration, at its clock.
    pub fn scaled(scenario: Arc<Scenario>, live: &Live) -> Result<Self, Overflow> {
        let pace = Pace::scaled(&scenario, live);
        Self::paced(scenario, pace)
    }

    fn paced(scenario: Arc<Scenario>, pace: Pace) -> Result<Self, Overflow> {
        let catalog = Catalog::new(&scenario)?;
        let processor = Processor::new(&catalog);
        let schedule = Schedule::new(&scenario, &catalog, pace);
        Ok(Self { scenario, catalog, schedule, processor })
    }

    /// Where the played time ends, on both clocks.
    pub fn end(&self) -> Now {
        let pace = self.schedule.pace();
        pace.clock.at(pace.until)
    }

    /// Every consumer of the scenario, cohort by cohort.
    pub fn consumers(&self) -> impl Iterator<Item = Consumer> + '_ {
        let cohorts = &self.scenario.cohorts;
        (0..cohorts.len() as u32)
            .flat_map(|cohort| (0..cohorts[cohort as usize].count).map(move |index| Consumer { cohort, index }))
    }

    /// A consumer's account as it is at the start: its period half over, the usage of that period already counted.
    pub fn open(&self, consumer: Consumer) -> Result<Account, Overflow> {
        let mut account = Account::new(consumer, &self.catalog);
        let (_, plan) = self.catalog.terms(consumer.cohort);
        if plan.metered.iter().any(Metered::is_limited) {
            for call in self.schedule.history(consumer, account.period_begins()) {
                let now = self.schedule.pace().clock.at(call.at);
                if let Decision::Admit(admission) = account.request(now, &self.catalog, View::ReadThrough)? {
                    account.served(now, &self.catalog, admission.hold, &call.usage)?;
                }
            }
        }
        account.open_books(&self.catalog)?;
        Ok(account)
    }

    /// Ends an account at `end`. Time is played on [start, end): what would be due at the end itself belongs to what
    /// comes after, as a call at the end does.
    pub fn close(&self, account: &mut Account, end: Now, actions: &mut Vec<Action>) -> Result<(), Overflow> {
        let instant = Span::from_ns(1);
        let last = Now { traffic: end.traffic - instant, billing: end.billing - instant };
        self.catch_up(account, last, actions)?;
        account.close(end)
    }

    /// Does everything that is due for an account at `now`, each thing at its own moment.
    #[inline]
    pub fn catch_up(&self, account: &mut Account, now: Now, actions: &mut Vec<Action>) -> Result<(), Overflow> {
        while let Some(due) = account.due(now) {
            account.deadline(due, &self.catalog, actions)?;
            while let Some(Action::Charge(charge)) = actions.pop() {
                let answer = self.processor.answer(account.consumer(), charge);
                account.processor(due.at, &self.catalog, answer, actions)?;
            }
        }
        Ok(())
    }
}
