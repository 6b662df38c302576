//! Consumers that share an upstream: with room for all they are what they are alone, and how long they wait in line is what
//! the textbooks say.

use std::cell::Cell;
use std::sync::Arc;

use super::headroom::unnamed;
use super::{days, everyone, for_seeds, play_all, poisson, scenario, secs, world};
use crate::billing::account::{Account, Consumer};
use crate::billing::cause::Failure;
use crate::billing::gate::Decision;
use crate::billing::headroom::Passed;
use crate::billing::hold::HoldId;
use crate::distribution::Distribution;
use crate::model::{Breaks, Client, Cohort, Fault, PerMeter, Plan, Scenario, Upstream};
use crate::outcome::Outcome;
use crate::record::Recorder;
use crate::sim::{Ended, Observer, Tried, play_component};
use crate::time::{MINUTE, Now, SECOND, Span, Time};
use crate::world::World;
use crate::world::schedule::{Call, Pace};

pub(super) fn together(world: &World) -> Outcome {
    let mut recorder = Recorder::over(world.scenario.cohorts.len(), world.schedule.pace().until.since(Time::START));
    play_component(world, world.consumers(), &mut recorder, &mut |_| true).unwrap();
    Outcome::new(&world.scenario, world.schedule.pace().until.ns().cast_unsigned(), &recorder, &everyone(world))
}

#[test]
fn an_upstream_with_room_for_all_couples_nobody() {
    for_seeds(30_000..30_400, |_, world| assert_eq!(together(world), play_all(world)));
}

/// Keeps what is recorded, and the accounts; calls are told together, or one by one.
struct Kept<const TOGETHER: bool> {
    recorder: Recorder,
    accounts: Vec<Account>,
    together: u64,
}

impl<const TOGETHER: bool> Observer for Kept<TOGETHER> {
    const TOGETHER: bool = TOGETHER;

    fn decided(&mut self, consumer: Consumer, call: &Call, now: Now, decision: Decision) {
        self.recorder.decided(consumer, call, now, decision);
    }

    fn served(&mut self, consumer: Consumer, call: &Call, hold: HoldId, now: Now, latency: Span) {
        self.recorder.served(consumer, call, hold, now, latency);
    }

    fn failed(&mut self, consumer: Consumer, call: &Call, hold: HoldId, failure: Failure, now: Now) {
        self.recorder.failed(consumer, call, hold, failure, now);
    }

    fn gave_up(&mut self, consumer: Consumer, call: &Call, hold: HoldId, sent: &PerMeter<u64>, now: Now) {
        self.recorder.gave_up(consumer, call, hold, sent, now);
    }

    fn ended(&mut self, consumer: Consumer, call: &Call, hold: HoldId, failed: Option<Failure>, now: Now) {
        self.recorder.ended(consumer, call, hold, failed, now);
    }

    fn first_token(&mut self, consumer: Consumer, latency: Span) {
        self.recorder.first_token(consumer, latency);
    }

    fn again(&mut self, consumer: Consumer, route: u16, ended: Ended) {
        self.recorder.again(consumer, route, ended);
    }

    fn recovered(&mut self, consumer: Consumer, route: u16, took: Span) {
        self.recorder.recovered(consumer, route, took);
    }

    fn lost(&mut self, consumer: Consumer, terms: u32, usage: &PerMeter<u64>) {
        self.recorder.lost(consumer, terms, usage);
    }

    fn latency(&mut self, consumer: Consumer, at: Time, latency: Span) {
        self.recorder.latency(consumer, at, latency);
    }

    fn passed(&mut self, consumer: Consumer, passed: &Passed) {
        self.together += passed.calls;
        self.recorder.passed(consumer, passed);
    }

    fn closed(&mut self, account: &Account, tried: &Tried) {
        self.recorder.closed(account, tried);
        self.accounts.push(unnamed(account));
    }
}

fn kept<const TOGETHER: bool>(world: &World) -> (Outcome, Vec<Account>, u64) {
    let until = world.schedule.pace().until;
    let recorder = Recorder::over(world.scenario.cohorts.len(), until.since(Time::START));
    let mut kept = Kept::<TOGETHER> { recorder, accounts: Vec::new(), together: 0 };
    play_component(world, world.consumers(), &mut kept, &mut |_| true).unwrap();
    let outcome = Outcome::new(&world.scenario, until.ns().cast_unsigned(), &kept.recorder, &everyone(world));
    (outcome, kept.accounts, kept.together)
}

/// Consumers who wait for each other, at upstreams of so little capacity: calls that are settled together are the calls that
/// are settled one by one. How many were.
pub(super) fn settles_together_as_one_by_one(seed: u64, world: &World) -> u64 {
    let pace = world.schedule.pace();
    let mut scenario = (*world.scenario).clone();
    for (upstream, index) in scenario.upstreams.iter_mut().zip(seed..) {
        upstream.capacity = Some(1 + (index % 3) as u32);
    }
    if pace != Pace::whole(&scenario) {
        return 0;
    }
    let world = super::world(scenario);
    let (outcome, accounts, together) = kept::<true>(&world);
    let (outcome_alone, accounts_alone, _) = kept::<false>(&world);
    assert_eq!(accounts, accounts_alone, "seed {seed}");
    assert_eq!(outcome, outcome_alone, "seed {seed}");
    together
}

#[test]
fn calls_of_a_component_settled_together_are_the_calls_settled_one_by_one() {
    let together = Cell::new(0);
    for_seeds(60_000..61_600, |seed, world| {
        together.set(together.get() + settles_together_as_one_by_one(seed, world));
    });
    assert!(together.get() > 3_000, "{}", together.get());
}

/// Two outages, each of which spends all tokens that a client has for retrying, and time in between to earn them again: by
/// calls that are settled together too.
#[test]
fn calls_that_are_settled_together_earn_the_tokens_that_retries_spend() {
    let mut scenario = line(1, secs(3_600), Distribution::Constant(1e6), 64);
    scenario.cohorts[0].arrivals = poisson(secs(1));
    scenario.cohorts[0].client = Client::preset("aws-standard").unwrap();
    let breaks = Breaks::UpstreamDown { upstream: 0 };
    scenario.faults = [600, 2_400].map(|at| Fault { at: secs(at), lasts: secs(600), breaks }).to_vec();
    let world = world(scenario.clone());
    let ((outcome, accounts, together), alone) = (kept::<true>(&world), kept::<false>(&world));
    assert!(together > 1_500, "{together}");
    assert_eq!((&outcome, &accounts), (&alone.0, &alone.1));
    // With one outage there are about half as many further attempts: the second is not met without a token.
    scenario.faults.truncate(1);
    let (once, ..) = kept::<true>(&super::world(scenario));
    let [once, twice] = [once, outcome].map(|outcome| outcome.cohorts[0].retried);
    assert!(once > 80 && twice > once + 80, "{once}, {twice}");
}

/// With one place, two calls of different consumers at the same moment: the second waits for the first.
#[test]
fn who_comes_later_waits_in_line() {
    let mut scenario = line(2, secs(10), Distribution::Constant(SECOND as f64), 1);
    let row = |ms: u64, consumer| crate::model::TraceRow {
        at: Span::from_ns(ms * 1_000_000),
        consumer: Some(consumer),
        usage: [1, 0, 0, 0],
    };
    let rows = vec![row(0, 0), row(400, 1), row(900, 0), row(5_000, 1)];
    let trace = crate::model::Trace { rows, most: [1, 0, 0, 0], ..Default::default() };
    scenario.cohorts[0].arrivals = crate::model::Arrivals::Trace(trace);
    let mut seen = Latencies::default();
    let world = world(scenario);
    play_component(&world, world.consumers(), &mut seen, &mut |_| true).unwrap();
    let ms: Vec<_> = seen.0.iter().map(|latency| latency.ns() / 1_000_000).collect();
    assert_eq!(ms, [1_000, 1_600, 2_100, 1_000]);
}

/// Latencies of served calls, in the order of their answers.
#[derive(Default)]
pub(super) struct Latencies(pub(super) Vec<Span>);

impl Observer for Latencies {
    fn decided(&mut self, _: Consumer, _: &Call, _: Now, _: Decision) {}

    fn served(&mut self, _: Consumer, _: &Call, _: HoldId, _: Now, latency: Span) {
        self.0.push(latency);
    }

    fn failed(&mut self, _: Consumer, _: &Call, _: HoldId, _: Failure, _: Now) {}

    fn closed(&mut self, _: &Account, _: &Tried) {}
}

fn line(consumers: u32, horizon: Span, service: Distribution, capacity: u32) -> Scenario {
    let mut scenario = scenario(horizon, Plan::new("free"), Cohort::new("all", consumers, poisson(days(1))));
    scenario.upstreams[0].latency = service;
    scenario.upstreams[0].capacity = Some(capacity);
    scenario
}

/// The mean time at the upstream over replications, against the exact one: five standard errors, and those narrow.
fn agrees(what: &str, service: &Distribution, capacity: u32, load: f64, exact_ns: f64) {
    let upstream = &line(1, secs(1), service.clone(), capacity).upstreams[0];
    agrees_with(what, std::slice::from_ref(upstream), service.mean() / (load * f64::from(capacity)), exact_ns);
}

/// The same of calls that come on average so far apart to these upstreams, the first of which answers.
pub(super) fn agrees_with(what: &str, upstreams: &[Upstream], mean_gap_ns: f64, exact_ns: f64) {
    const REPLICATIONS: u64 = 30;
    let consumers = 50;
    let mean_gap = Span::from_ns((f64::from(consumers) * mean_gap_ns) as u64);
    let means: Vec<f64> = (0..REPLICATIONS)
        .map(|seed| {
            let mut scenario = line(consumers, secs(4_000), Distribution::Constant(0.0), 1);
            scenario.upstreams = upstreams.to_vec();
            scenario.seed = 1_000 + seed;
            scenario.cohorts[0].arrivals = poisson(mean_gap);
            let (world, mut seen) = (World::whole(Arc::new(scenario)).unwrap(), Latencies::default());
            play_component(&world, world.consumers(), &mut seen, &mut |_| true).unwrap();
            // What comes while the line is still short is left out.
            let settled = &seen.0[seen.0.len() / 10..];
            settled.iter().map(|latency| latency.ns() as f64).sum::<f64>() / settled.len() as f64
        })
        .collect();
    let n = REPLICATIONS as f64;
    let mean = means.iter().sum::<f64>() / n;
    let error = (means.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt();
    assert!(error < 0.02 * exact_ns, "{what}: the error {error} says little");
    assert!((mean - exact_ns).abs() < 5.0 * error, "{what}: {mean} is not {exact_ns} ± {error}");
}

/// The chance that one has to wait (Erlang C), by way of Erlang B's recursion.
pub(super) fn erlang_c(servers: u32, offered: f64) -> f64 {
    let b = (1..=servers).fold(1.0, |b, n| offered * b / (f64::from(n) + offered * b));
    b / (1.0 - offered / f64::from(servers) * (1.0 - b))
}

#[test]
fn exponential_services_wait_as_erlang_says() {
    let mean = 0.1 * SECOND as f64;
    for (servers, load) in [(1, 0.6), (4, 0.8), (16, 0.9)] {
        let offered = load * f64::from(servers);
        let wait = erlang_c(servers, offered) * mean / (f64::from(servers) * (1.0 - load));
        agrees(&format!("M/M/{servers}"), &Distribution::Exponential { mean }, servers, load, mean + wait);
    }
}

/// Pollaczek and Khinchine: W = λ E[S²] ÷ 2(1 − ρ).
#[test]
fn one_server_makes_wait_as_pollaczek_and_khinchine_say() {
    let mean = 0.1 * SECOND as f64;
    let half = Distribution::Uniform { from: 0.0, to: 2.0 * mean };
    for (what, service, second_moment) in [
        ("M/D/1", Distribution::Constant(mean), mean * mean),
        ("M/G/1, uniform", half, 4.0 / 3.0 * mean * mean),
        ("M/G/1, gamma", Distribution::Gamma { shape: 0.5, mean }, 3.0 * mean * mean),
    ] {
        let load = 0.6;
        let wait = load / mean * second_moment / (2.0 * (1.0 - load));
        agrees(what, &service, 1, load, mean + wait);
    }
}

/// Who waits longer than a hold lasts is served all the same, and not billed.
#[test]
fn a_line_longer_than_a_hold_lasts_leaves_calls_unbilled() {
    let mut scenario = line(100, secs(3_600), Distribution::Constant(60.0 * SECOND as f64), 1);
    scenario.cohorts[0].arrivals = poisson(Span::from_ns(30 * MINUTE));
    let outcome = together(&world(scenario));
    let count = |name| outcome.cohorts[0].counts.get(name).copied().unwrap_or(0);
    assert!(count("late") > 20 && count("expired_holds") >= count("late"), "{:?}", outcome.cohorts[0].counts);
    assert!(outcome.cohorts[0].in_flight > 50);
}

/// When calls are decided.
#[derive(Default)]
struct Moments(Vec<Time>);

impl Observer for Moments {
    fn decided(&mut self, _: Consumer, _: &Call, now: Now, _: Decision) {
        self.0.push(now.traffic);
    }

    fn served(&mut self, _: Consumer, _: &Call, _: HoldId, _: Now, _: Span) {}

    fn failed(&mut self, _: Consumer, _: &Call, _: HoldId, _: Failure, _: Now) {}

    fn closed(&mut self, _: &Account, _: &Tried) {}
}

/// Calls enough for several chapters of the calendar, most of them entered a chapter or more ahead.
#[test]
fn calls_of_all_consumers_are_made_in_the_order_of_time() {
    let mut scenario = line(400, secs(3_600), Distribution::Constant(1e6), 64);
    scenario.cohorts[0].arrivals = poisson(secs(36));
    let world = world(scenario);
    let mut made: Vec<_> = world.consumers().flat_map(|consumer| world.calls(consumer)).map(|call| call.at).collect();
    made.sort_unstable();
    assert!(made.len() > 2 * 512 * 32, "{}", made.len());
    let mut seen = Moments::default();
    play_component(&world, world.consumers(), &mut seen, &mut |_| true).unwrap();
    assert!(seen.0 == made);
}
