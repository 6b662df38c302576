//! Calls in sessions: stories by hand, and the laws of what is drawn.
//!
//! Seeds are fixed; every tolerance is five standard deviations of the estimate.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{FIRST, days, play_all, requests, scenario, secs, world};
use crate::billing::account::{Account, Consumer};
use crate::billing::cause::Failure;
use crate::billing::gate::Decision;
use crate::billing::hold::HoldId;
use crate::distribution::{Distribution, Z95, Z99};
use crate::draw::Chance;
use crate::model::{
    Act, Arrivals, Client, Cohort, Delay, Failures, Joined, Live, Pattern, Period, Plan, Process, Reaction, Retry,
    Scenario, Sessions, When,
};
use crate::sim::{self, Observer, Scratch, Tried};
use crate::time::{DAY, Now, SECOND, Span, Time};
use crate::world::World;
use crate::world::schedule::Call;

pub(super) fn constant(seconds: u64) -> Distribution {
    Distribution::Constant((seconds * SECOND) as f64)
}

/// Calls of one consumer, so many a day on average.
pub(super) fn in_sessions(per_day: f64, calls: Distribution, think: Distribution) -> Arrivals {
    Arrivals::Patterned(Pattern {
        mean_gap_ns: DAY as f64 / per_day,
        spread: None,
        process: Process::Poisson,
        sessions: Some(Sessions::new(calls, think)),
        shape: None,
    })
}

/// Consumers from the start on, whose upstream takes two seconds.
pub(super) fn begun(horizon: Span, count: u32, plan: Plan, arrivals: Arrivals) -> Scenario {
    let cohort = Cohort { joined: Joined::Start, ..Cohort::new("all", count, arrivals) };
    let mut scenario = scenario(horizon, plan, cohort);
    scenario.upstreams[0].latency = constant(2);
    scenario
}

/// Attempts by call and number, with when the client has heard of each.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) attempts: BTreeMap<(u64, u32), (Time, Option<Time>)>,
    open: BTreeMap<HoldId, (u64, u32)>,
}

impl Observer for Seen {
    fn decided(&mut self, _: Consumer, call: &Call, now: Now, decision: Decision) {
        let heard = match decision {
            Decision::Admit(admission) => {
                self.open.insert(admission.hold, (call.index, call.attempt));
                None
            }
            Decision::Refuse(_) => Some(now.traffic),
        };
        let before = self.attempts.insert((call.index, call.attempt), (now.traffic, heard));
        assert_eq!(before, None, "each attempt is made once");
        assert_eq!(call.at, now.traffic);
    }

    fn served(&mut self, _: Consumer, _: &Call, hold: HoldId, now: Now, _: Span) {
        self.attempts.get_mut(&self.open[&hold]).unwrap().1 = Some(now.traffic);
    }

    fn failed(&mut self, _: Consumer, _: &Call, hold: HoldId, _: Failure, now: Now) {
        self.attempts.get_mut(&self.open[&hold]).unwrap().1 = Some(now.traffic);
    }

    fn closed(&mut self, _: &Account, _: &Tried) {}
}

pub(super) fn seen(world: &World, consumer: Consumer) -> Seen {
    let mut seen = Seen::default();
    sim::play(world, consumer, &mut seen, &mut Scratch::default()).unwrap();
    seen
}

/// The attempts of the first session: which place, which attempt, how many seconds after the session began.
fn first_session(scenario: Scenario) -> Vec<(u64, u32, u64)> {
    let seen = seen(&world(scenario), FIRST);
    let begun = seen.attempts[&(0, 1)].0;
    let of_first = seen.attempts.range(..(Sessions::PLACES, 0));
    of_first.map(|((place, attempt), (at, _))| (*place, *attempt, at.since(begun).ns() / SECOND)).collect()
}

pub(super) fn one_call() -> Plan {
    Plan { usage_period: Some(Period::Day), allowance: requests(1), ..Plan::new("one call") }
}

// === Stories ===

/// Two seconds for the answer, ten to think.
#[test]
fn the_next_call_comes_a_think_time_after_the_answer() {
    let scenario = begun(days(9), 1, Plan::new("free"), in_sessions(4.0, Distribution::Constant(4.0), constant(10)));
    assert_eq!(first_session(scenario), [(0, 1, 0), (1, 1, 12), (2, 1, 24), (3, 1, 36)]);
}

/// The allowance is one call. A refusal is answered at once, and thought about like any other answer.
#[test]
fn a_refused_call_does_not_end_its_session() {
    let scenario = begun(days(9), 1, one_call(), in_sessions(4.0, Distribution::Constant(4.0), constant(10)));
    assert_eq!(first_session(scenario), [(0, 1, 0), (1, 1, 12), (2, 1, 22), (3, 1, 32)]);
}

#[test]
fn a_call_that_the_upstream_fails_does_not_end_its_session() {
    let mut scenario =
        begun(days(9), 1, Plan::new("free"), in_sessions(4.0, Distribution::Constant(3.0), constant(10)));
    scenario.upstreams[0].errors = Chance::of(1, 1).into();
    assert_eq!(first_session(scenario.clone()), [(0, 1, 0), (1, 1, 12), (2, 1, 24)]);
    scenario.cohorts[0].client = client(2, Failures::SERVER, secs(5));
    // Served at 2, again at 7, heard at 9: the next call is at 19.
    assert_eq!(first_session(scenario), [(0, 1, 0), (0, 2, 7), (1, 1, 19), (1, 2, 26), (2, 1, 38), (2, 2, 45)]);
}

fn client(attempts: u32, on: Failures, wait: Span) -> Client {
    let none = Client::none();
    Client { retry: Retry { on, attempts, delay: Delay::constant(wait), ..none.retry }, ..none }
}

/// What is thought about is the answer to the last attempt.
#[test]
fn attempts_made_again_put_off_the_next_call() {
    let mut scenario = begun(days(9), 1, one_call(), in_sessions(4.0, Distribution::Constant(3.0), constant(10)));
    scenario.cohorts[0].client = client(3, Failures::CLIENT, secs(5));
    assert_eq!(
        first_session(scenario),
        [(0, 1, 0), (1, 1, 12), (1, 2, 17), (1, 3, 22), (2, 1, 32), (2, 2, 37), (2, 3, 42)]
    );
}

/// The refusal at 12 s makes the consumer leave 25 s later, between the calls of 32 s and 42 s.
#[test]
fn who_has_left_makes_no_further_call() {
    let mut scenario = begun(days(9), 1, one_call(), in_sessions(4.0, Distribution::Constant(9.0), constant(10)));
    let churn = Reaction {
        when: When::Cause("quota_exhausted"),
        act: Act::Churn,
        chance: Chance::of(1, 1),
        after: constant(25),
    };
    scenario.cohorts[0].reactions.push(churn);
    assert_eq!(first_session(scenario), [(0, 1, 0), (1, 1, 12), (2, 1, 22), (3, 1, 32)]);
}

/// Far more sessions than one lasts: they overlap, and nothing is made at or after the end.
#[test]
fn sessions_overlap_and_end_with_the_time() {
    let horizon = secs(600);
    let scenario =
        begun(horizon, 1, Plan::new("free"), in_sessions(86_400.0, Distribution::Constant(9.0), constant(20)));
    let seen = seen(&world(scenario), FIRST);
    let end = Time::START + horizon;
    assert!(seen.attempts.values().all(|(at, _)| *at < end));
    let place = |index: u64| index % Sessions::PLACES;
    let sessions: BTreeSet<u64> = seen.attempts.keys().map(|(index, _)| index / Sessions::PLACES).collect();
    for number in sessions {
        let index = |place| number * Sessions::PLACES + place;
        let calls: Vec<_> = seen.attempts.range((index(0), 0)..(index(9), 0)).collect();
        assert!(
            calls
                .windows(2)
                .all(|two| two[1].1.0 == two[0].1.0 + secs(22) && place(two[1].0.0) == place(two[0].0.0) + 1)
        );
        // It goes on until the end, or to its last call.
        assert!(calls.len() == 9 || calls.last().unwrap().1.0 + secs(22) >= end, "{number}");
    }
    assert!(seen.attempts.len() > 400);
}

// === Laws ===

fn thinking() -> Distribution {
    Distribution::log_normal(4e9, 60e9, Z99)
}

fn many_calls() -> Distribution {
    Distribution::log_normal(6.0, 30.0, Z95)
}

/// The calls of each consumer, against the compound Poisson process that they are: of a session that begins u before the end
/// there are 1 + ⌊u/s⌋ calls at most.
#[test]
fn the_calls_of_all_sessions_are_the_rate() {
    let (horizon, per_day) = (days(2), 400.0);
    let sessions = Sessions::new(many_calls(), constant(28));
    let per_ns = per_day / DAY as f64 / sessions.mean();
    let left = |before: u64| horizon.ns().saturating_sub(before * 30 * SECOND) as f64;
    let places = || (0..Sessions::MOST).map(|before| (before as f64, sessions.at_least(before + 1) * left(before)));
    let mean = per_ns * places().map(|(_, made)| made).sum::<f64>();
    let variance = per_ns * places().map(|(before, made)| (2.0 * before + 1.0) * made).sum::<f64>();
    let count = 3_000;
    let outcome =
        play_all(&world(begun(horizon, count, Plan::new("free"), in_sessions(per_day, many_calls(), constant(28)))));
    let offered = outcome.cohorts[0].offered() as f64;
    let deviation = (variance * f64::from(count)).sqrt();
    assert!((offered - mean * f64::from(count)).abs() < 5.0 * deviation, "{offered} is not {mean} × {count}");
    // And but for the ends it is what is asked for.
    assert!((mean / (2.0 * per_day) - 1.0).abs() < 0.01, "{mean}");
}

/// Kolmogorov and Smirnov: √n D exceeds 2.74 once in 1.7 million samples, as a normal variate five deviations.
fn distance(mut samples: Vec<f64>, longer: impl Fn(f64) -> f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let n = samples.len() as f64;
    assert!(n > 20_000.0, "{n}");
    let places = samples.iter().enumerate();
    let apart = places.map(|(place, x)| {
        let above = longer(*x);
        f64::max((1.0 - above - place as f64 / n).abs(), (1.0 - above - (place + 1) as f64 / n).abs())
    });
    apart.fold(0.0, f64::max) * n.sqrt()
}

/// Sessions begin as a Poisson process; how many calls each has, χ² over places up to 30; and from an answer to the next call
/// it is a think time. With refusals and failures among the answers.
#[test]
fn starts_lengths_and_think_times_are_those_that_are_asked_for() {
    let limited = Plan { usage_period: Some(Period::Day), allowance: requests(300), ..Plan::new("limited") };
    let mut scenario = begun(days(60), 20, limited, in_sessions(500.0, many_calls(), thinking()));
    scenario.upstreams[0].errors = Chance::of(1, 10).into();
    scenario.upstreams[0].latency = Distribution::log_normal(1e9, 20e9, Z99);
    let world = world(scenario);
    let sessions = Sessions::new(many_calls(), thinking());
    let (mut gaps, mut thinks, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    // Whoever begins within the last day may not come to the end.
    let last = Time::START + days(59);
    for consumer in world.consumers() {
        let seen = seen(&world, consumer);
        let mut before = Time::START;
        let mut calls = seen.attempts.iter().peekable();
        while let Some(((first, _), (begun, heard))) = calls.next() {
            assert_eq!(first % Sessions::PLACES, 0);
            gaps.push(begun.since(before).ns() as f64);
            before = *begun;
            let (mut heard, mut length) = (*heard, 1);
            while let Some((_, (at, then))) = calls.next_if(|((index, _), _)| *index == first + length) {
                thinks.push(at.since(heard.unwrap()).ns() as f64);
                (heard, length) = (*then, length + 1);
            }
            if *begun < last {
                lengths.push(length);
            }
        }
    }
    let mean_gap_ns = DAY as f64 / 500.0 * sessions.mean();
    assert!(distance(gaps, |gap| libm::exp(-gap / mean_gap_ns)) < 2.74);
    assert!(distance(thinks, |think| thinking().at_least(think)) < 2.74);
    let n = lengths.len() as f64;
    assert!(n > 20_000.0);
    let mut chi = 0.0;
    for length in 1..=30 {
        let more = if length == 30 { 0.0 } else { sessions.at_least(length + 1) };
        let expected = n * (sessions.at_least(length) - more);
        let found = lengths.iter().filter(|one| **one.min(&&30) == length).count() as f64;
        chi += (found - expected) * (found - expected) / expected;
    }
    // 29 degrees of freedom: mean 29, variance 58.
    assert!((chi - 29.0).abs() < 5.0 * f64::sqrt(58.0), "{chi}");
}

/// Another plan and another latency: the same sessions begin at the same moments, with as many calls and the same think
/// times and quantities. Only when the later calls come is another matter.
#[test]
fn what_is_drawn_for_sessions_does_not_depend_on_the_answers() {
    let arrivals = || in_sessions(300.0, many_calls(), thinking());
    let free = world(begun(days(10), 5, Plan::new("free"), arrivals()));
    let mut slow = begun(days(10), 5, one_call(), arrivals());
    slow.upstreams[0].latency = constant(30);
    slow.cohorts[0].client = client(2, Failures::CLIENT, secs(5));
    let slow = world(slow);
    for consumer in free.consumers() {
        assert!(free.calls(consumer).eq(slow.calls(consumer)));
        let [free_seen, slow_seen] = [&free, &slow].map(|world| seen(world, consumer));
        let last = Time::START + days(9);
        let thinks = |seen: &Seen| -> Vec<(u64, u64)> {
            let is_early = |index: u64| seen.attempts[&(index / Sessions::PLACES * Sessions::PLACES, 1)].0 < last;
            let follow = seen
                .attempts
                .iter()
                .filter(|((index, attempt), _)| *attempt == 1 && index % Sessions::PLACES > 0 && is_early(*index));
            let think = |((index, _), (at, _)): (&(u64, u32), &(Time, Option<Time>))| {
                let before = seen.attempts.range((index - 1, 0)..(*index, 0)).next_back().unwrap().1;
                (*index, at.since(before.1.unwrap()).ns())
            };
            follow.map(think).collect()
        };
        assert_eq!(thinks(&free_seen), thinks(&slow_seen));
        assert!(free_seen.attempts.keys().filter(|(_, attempt)| *attempt == 2).count() == 0);
        assert!(slow_seen.attempts.keys().any(|(_, attempt)| *attempt == 2));
    }
}

/// Before the start sessions are what they are after it, each call served: as many, apart by latency and think time.
#[test]
fn the_past_comes_in_sessions_too() {
    let (back, count) = (days(30), 2_000);
    let mut scenario = begun(days(1), count, Plan::new("free"), in_sessions(100.0, many_calls(), constant(10)));
    scenario.cohorts[0].joined = Joined::Spread;
    let world = world(scenario);
    let sessions = Sessions::new(many_calls(), constant(10));
    let mut all = Vec::new();
    for consumer in world.consumers() {
        let calls: Vec<Time> = world.schedule.history(consumer, Time::START - back).map(|call| call.at).collect();
        assert!(calls.is_sorted() && calls.iter().all(|at| *at < Time::START && *at >= Time::START - back));
        let times: BTreeSet<Time> = calls.iter().copied().collect();
        all.push((calls.len() as f64, times));
    }
    let n = f64::from(count);
    let mean = all.iter().map(|(calls, _)| calls).sum::<f64>() / n;
    let variance = all.iter().map(|(calls, _)| (calls - mean).powi(2)).sum::<f64>() / n;
    // Sessions of the last minutes are not over: 12 s for each place.
    let per_ns = 100.0 / DAY as f64 / sessions.mean();
    let left = |before: u64| back.ns().saturating_sub(before * 12 * SECOND) as f64;
    let exact = per_ns * (0..Sessions::MOST).map(|k| sessions.at_least(k + 1) * left(k)).sum::<f64>();
    assert!((mean - exact).abs() < 5.0 * (variance / n).sqrt(), "{mean} is not {exact}");
    // Each call but the last of its session is followed by another 12 s later: a share of 1 − 1/E[N]. How well the ratio is
    // known is the delta method's; what the start cuts off is a ten-thousandth of the calls.
    let followed: usize =
        all.iter().map(|(_, times)| times.iter().filter(|at| times.contains(&(**at + secs(12)))).count()).sum();
    let share = followed as f64 / (n * mean);
    let square = (0..Sessions::MOST).map(|k| (2 * k + 1) as f64 * sessions.at_least(k + 1)).sum::<f64>();
    let begun = n * mean / sessions.mean();
    let deviation = ((square / sessions.mean().powi(2) - 1.0) / begun).sqrt() / sessions.mean();
    assert!((share - (1.0 - 1.0 / sessions.mean())).abs() < 5.0 * deviation + 1e-4, "{share} ± {deviation}");
}

/// A load that plays the calls a hundred times as close together has think times a hundredth as long; an answer takes as
/// long as ever.
#[test]
fn a_load_shortens_think_times_with_the_gaps() {
    let scenario = Arc::new(begun(
        days(10),
        1,
        Plan::new("free"),
        in_sessions(864.0, Distribution::Constant(3.0), constant(1_000)),
    ));
    let live =
        Live { rate_per_s: 1.0, duration: secs(600), clock: None, connections: 1, in_flight: 1, ..Live::default() };
    let world = World::scaled(scenario, &live).unwrap();
    let seen = seen(&world, FIRST);
    let at = |place| seen.attempts[&(place, 1)].0;
    let [first, second, third] = [0, 1, 2].map(at);
    let exact = (12 * SECOND) as i64;
    assert!(
        (second.since(first).ns() as i64 - exact).abs() < 1_000
            && (third.since(second).ns() as i64 - exact).abs() < 1_000
    );
}

/// Of a distribution without a mean most draws are beyond the most.
#[test]
fn the_longest_sessions_are_cut_to_their_most() {
    let pareto = Distribution::Pareto { min: 500.0, alpha: 0.2 };
    let scenario = begun(days(3), 1, Plan::new("free"), in_sessions(9_000.0, pareto, constant(1)));
    let seen = seen(&world(scenario), FIRST);
    let longest = seen.attempts.keys().map(|(index, _)| index % Sessions::PLACES).max();
    assert_eq!(longest, Some(Sessions::MOST - 1));
    assert!(seen.attempts.keys().all(|(index, _)| index % Sessions::PLACES < Sessions::MOST));
}
