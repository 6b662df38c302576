//! Tests of the engine as a whole: laws against formulas, stories with results computed by hand, properties of scenarios
//! drawn at random, and an oracle that judges every decision. This file is what they share: short ways to say a scenario.
//! Tests of one module stand beside its code.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::billing::account::{Account, Consumer};
use crate::model::{Arrivals, Cohort, PerMeter, Plan, REQUESTS, Scenario};
use crate::money::{Money, NANOS};
use crate::outcome::Outcome;
use crate::record::Recorder;
use crate::sim::{self, Scratch};
use crate::time::{DAY, Now, Span, Time};
use crate::world::World;

mod advice;
mod allocations;
mod any_story;
mod arithmetic;
mod arrivals;
mod calendar_year;
mod cards;
mod component;
mod credit;
mod drawn;
mod dunning;
mod faults;
mod gate;
mod headroom;
mod invariants;
mod laws;
mod limits;
mod measured;
mod opening;
mod oracle;
mod outage;
mod outside;
mod pay_per_request;
mod payments;
mod plan_change;
mod pricing;
mod properties;
mod regressions;
mod reminders;
mod renewal_day;
mod retries;
mod sessions;
mod slow_down;
mod story;
mod subscription;
mod sweep;
mod timeouts;
mod trace;
mod unpaid;
mod upstreams;
mod usage_billing;
mod vendors;
mod webhooks;
mod wrong;

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
    Arrivals::Poisson { mean_gap_ns: mean_gap.ns() as f64, spread: None }
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

/// Nothing counted yet, over the world's time.
fn recorder(world: &World) -> Recorder {
    Recorder::over(world.scenario.cohorts.len(), world.schedule.pace().until.since(Time::START))
}

/// Plays ranges of consumers, given by cohort.
fn play(world: &World, parts: &[Vec<[u32; 2]>]) -> Outcome {
    let mut recorder = recorder(world);
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

/// An account without the clock that it was last seen at: two that agree are the same account.
fn state(account: &Account) -> Account {
    let mut account = account.clone();
    account.seen = Now::default();
    account
}

/// The same without what is remembered of refusals, which is nothing that a request takes.
fn without_refusals(account: &Account) -> Account {
    let mut account = state(account);
    account.back.give_up();
    account.refusals = 0;
    account
}

/// Tries a property on what is made of each of these seeds; says which of them fails first, and how.
fn for_each_seed(seeds: Range<u64>, property: impl Fn(u64)) {
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| property(seed))) {
            panic!("seed {seed}: {}", said(panic.as_ref()));
        }
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it says nothing")
}

/// Tries a property on a scenario of the whole model drawn from each of these seeds.
fn for_seeds(seeds: Range<u64>, property: impl Fn(u64, &World)) {
    for_each_seed(seeds, |seed| property(seed, &drawn::world(seed)));
}

/// The same on the smaller scenarios that the oracle of [`oracle`] knows the rules of.
fn for_plain_seeds(seeds: Range<u64>, property: impl Fn(u64, &World)) {
    for_each_seed(seeds, |seed| property(seed, &world(drawn::plain(seed))));
}
