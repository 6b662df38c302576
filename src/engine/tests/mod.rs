//! Tests of the engine as a whole: laws against formulas, stories with results computed by hand, properties of scenarios
//! drawn at random, and an oracle that judges every decision. This file is what they share: short ways to say a scenario,
//! and a [`Party`], one account whose processor answers as the story tells. Tests of one module stand beside its code.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::billing::account::{Account, Consumer};
use crate::billing::calendar::Cycle;
use crate::billing::catalog::{Catalog, ONE_REQUEST};
use crate::billing::gate::{Action, Admission, Decision, View};
use crate::billing::hold::HoldId;
use crate::billing::invoice::{Answer, Charge};
use crate::billing::ledger::Movement;
use crate::model::{Arrivals, Cohort, PerMeter, Plan, REQUESTS, Scenario};
use crate::money::{Money, NANOS};
use crate::outcome::Outcome;
use crate::record::Recorder;
use crate::sim::{self, Scratch};
use crate::time::{DAY, Now, Span, Time};
use crate::world::World;

mod drawn;
mod dunning;
mod gate;
mod laws;
mod opening;
mod oracle;
mod properties;

const FIRST: Consumer = Consumer { cohort: 0, index: 0 };

const fn days(n: u64) -> Span {
    Span::from_ns(n * DAY)
}

const fn secs(n: u64) -> Span {
    Span::from_secs(n)
}

/// The instant this long after the start, on both clocks.
fn after(span: Span) -> Now {
    let time = Time::START + span;
    Now { traffic: time, billing: time }
}

const fn dollars(n: i64) -> Money {
    Money::from_nanos(n * NANOS)
}

/// This many requests and no other meter limited.
fn requests(units: u64) -> PerMeter<Option<u64>> {
    let mut allowance = PerMeter::default();
    allowance[REQUESTS] = Some(units);
    allowance
}

fn poisson(mean_gap: Span) -> Arrivals {
    Arrivals::Poisson { mean_gap_ns: mean_gap.ns() as f64 }
}

/// A scenario with one plan and one cohort on it.
fn scenario(horizon: Span, plan: Plan, cohort: Cohort) -> Scenario {
    let mut scenario = Scenario::new("test", horizon);
    scenario.plans.push(plan);
    scenario.cohorts.push(cohort);
    scenario
}

fn world(scenario: Scenario) -> World {
    World::whole(Arc::new(scenario)).unwrap()
}

/// Everyone, each consumer once.
fn everyone(world: &World) -> Vec<Vec<[u32; 2]>> {
    world.scenario.cohorts.iter().map(|cohort| vec![[0, cohort.count]]).collect()
}

/// Plays ranges of consumers, given by cohort.
fn play(world: &World, parts: &[Vec<[u32; 2]>]) -> Outcome {
    let mut recorder = Recorder::new(world.scenario.cohorts.len());
    let mut scratch = Scratch::default();
    for (cohort, ranges) in (0..).zip(parts) {
        for index in ranges.iter().flat_map(|[from, to]| *from..*to) {
            sim::play(world, Consumer { cohort, index }, &mut recorder, &mut scratch).unwrap();
        }
    }
    Outcome::new(&world.scenario, world.schedule.pace().until.ns().cast_unsigned(), &recorder, parts)
}

fn play_all(world: &World) -> Outcome {
    play(world, &everyone(world))
}

/// An account's state as text, without the clock that it was last seen at: two that agree are the same account.
fn state(account: &Account) -> String {
    let mut account = account.clone();
    account.seen = Now::default();
    format!("{account:#?}")
}

/// Tries a property on a scenario drawn from each of these seeds; says which of them fails.
fn for_seeds(mut seeds: Range<u64>, property: impl Fn(u64, &World)) {
    let holds = |seed| catch_unwind(AssertUnwindSafe(|| property(seed, &world(drawn::scenario(seed))))).is_ok();
    if let Some(seed) = seeds.find(|seed| !holds(*seed)) {
        panic!("it fails for seed {seed}");
    }
}

/// The one consumer of a scenario, who joined at its very start; its processor answers as the story tells.
struct Party {
    catalog: Catalog,
    account: Account,
    /// What the processor will answer, in order; it pays when nothing is left.
    answers: VecDeque<Answer>,
    /// What the processor was asked, and on which day.
    charged: Vec<(f64, Charge)>,
}

impl Party {
    fn new(scenario: &Scenario, answers: &[Answer]) -> Self {
        let catalog = Catalog::new(scenario).unwrap();
        let mut account = Account::new(FIRST, &catalog);
        if let Some(period) = scenario.plans[0].period {
            let cycle = Cycle::anchored(period, scenario.start, 0);
            account.current.cycle = Some(cycle);
            (account.current.number, account.current.begins, account.current.ends) = (0, Time::START, cycle.begins(1));
        }
        account.bucket = catalog.plans[0].limit.map(|limit| limit.full(Time::START));
        account.seen = Now::default();
        account.open_books(&catalog).unwrap();
        Self { catalog, account, answers: answers.iter().copied().collect(), charged: Vec::new() }
    }

    /// Lets time pass; the books are checked after each deadline.
    fn until(&mut self, now: Now) {
        let mut actions = Vec::new();
        while let Some(due) = self.account.due(now) {
            self.account.deadline(due, &self.catalog, &mut actions).unwrap();
            while let Some(Action::Charge(charge)) = actions.pop() {
                self.charged.push((due.at.billing.ns() as f64 / DAY as f64, charge));
                let answer = self.answers.pop_front().unwrap_or(Answer::Paid);
                self.account.processor(due.at, &self.catalog, answer, &mut actions).unwrap();
            }
            self.account.check();
        }
    }

    fn call(&mut self, now: Now) -> Decision {
        self.until(now);
        let decision = self.account.request(now, &self.catalog, View::ReadThrough).unwrap();
        self.account.check();
        decision
    }

    /// A call that must be admitted, and is left in flight.
    fn admitted(&mut self, now: Now) -> Admission {
        match self.call(now) {
            Decision::Admit(admission) => admission,
            Decision::Refuse(cause) => panic!("refused at {now:?}: {cause:?}"),
        }
    }

    fn served(&mut self, now: Now, hold: HoldId) {
        self.until(now);
        self.account.served(now, &self.catalog, hold, &ONE_REQUEST).unwrap();
        self.account.check();
    }

    fn failed(&mut self, now: Now, hold: HoldId) {
        self.until(now);
        self.account.failed(now, &self.catalog, hold).unwrap();
        self.account.check();
    }

    /// The journal: what has moved, in major units.
    fn journal(&self) -> Vec<(&'static str, f64)> {
        let moved = Movement::ALL.map(|movement| (movement.name(), self.account.books().moved(movement).nanos()));
        moved.into_iter().filter(|(_, nanos)| *nanos != 0).map(|(name, nanos)| (name, nanos as f64 / 1e9)).collect()
    }

    /// The attempts: day, period, number.
    fn attempts(&self) -> Vec<(f64, u32, u32)> {
        self.charged.iter().map(|(day, charge)| (*day, charge.period, charge.attempt)).collect()
    }
}
