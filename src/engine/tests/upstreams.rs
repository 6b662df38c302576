//! Several upstreams: what a call meets on its path, which hop fails it, and what the hops that it reached cost.

use std::collections::BTreeMap;

use super::component::{Latencies, agrees_with, erlang_c, together};
use super::{FIRST, days, for_seeds, play_all, poisson, scenario, secs, world};
use crate::billing::cause::{Cause, Failure};
use crate::billing::ledger::Movement;
use crate::distribution::Distribution;
use crate::draw::Chance;
use crate::log::{self, Event};
use crate::model::{
    Arrivals, Cohort, Errors, Generates, Meter, Plan, Route, Scenario, Trace, TraceRow, UnitPrice, Upstream,
};
use crate::money::Money;
use crate::outcome::{FailedAs, Failures};
use crate::sim::{Scratch, play, play_component};
use crate::time::{SECOND, Span, Time};

/// An upstream that works so many seconds, and then calls these.
fn upstream(name: &str, seconds: u64, calls: &[usize]) -> Upstream {
    Upstream {
        latency: Distribution::Constant((seconds * SECOND) as f64),
        calls: calls.to_vec(),
        ..Upstream::new(name)
    }
}

/// `a` calls `b`, which calls `d`, then `c`, which calls `d` too: five hops of 1, 2, 8, 4 and 8 seconds.
fn diamond() -> Vec<Upstream> {
    vec![upstream("a", 1, &[1, 2]), upstream("b", 2, &[3]), upstream("c", 4, &[3]), upstream("d", 8, &[])]
}

/// Calls of consumers at these seconds, over a thousand seconds.
fn calling(upstreams: Vec<Upstream>, rows: &[(u64, u32)]) -> Scenario {
    let consumers = rows.iter().map(|(_, consumer)| consumer + 1).max().unwrap_or(1);
    let row = |(at, consumer): &(u64, u32)| TraceRow { at: secs(*at), consumer: Some(*consumer), usage: [1, 0, 0, 0] };
    let trace = Trace { rows: rows.iter().map(row).collect(), most: [1, 0, 0, 0], ..Trace::default() };
    let cohort = Cohort::new("all", consumers, Arrivals::Trace(trace));
    Scenario { upstreams, ..scenario(secs(1_000), Plan::new("free"), cohort) }
}

/// Seconds that the served calls took, in the order of their answers.
fn took(scenario: Scenario) -> Vec<u64> {
    let (world, mut seen) = (world(scenario), Latencies::default());
    play_component(&world, world.consumers(), &mut seen, &mut |_| true).unwrap();
    seen.0.iter().map(|latency| latency.ns() / SECOND).collect()
}

/// How many failed at each upstream, by its name.
fn failed_at(failures: &Failures) -> BTreeMap<String, u64> {
    let mut failed = BTreeMap::new();
    for (alike, attempts) in failures {
        *failed.entry(alike.upstream.clone()).or_default() += attempts;
    }
    failed
}

fn always() -> Chance {
    Chance::of(1, 1)
}

#[test]
fn a_path_is_depth_first_and_its_times_add_up() {
    let world = world(calling(diamond(), &[(0, 0)]));
    let path: Vec<_> = world.path(0).iter().map(|hop| (hop.upstream, hop.depth, hop.ends)).collect();
    assert_eq!(path, [(0, 0, 5), (1, 1, 3), (3, 2, 3), (2, 1, 5), (3, 2, 5)]);
    let mut seen = Latencies::default();
    play(&world, FIRST, &mut seen, &mut Scratch::default()).unwrap();
    assert_eq!(seen.0, [secs(23)]);
}

/// The first hop that fails ends the call then, and is the one that is named; whoever was reached has cost.
#[test]
fn the_hop_that_fails_ends_the_call_and_is_named() {
    for (fails, hop, seconds, cost) in [(0, 0, 1, 1), (1, 1, 3, 11), (2, 3, 15, 1_111), (3, 2, 11, 1_011)] {
        let mut scenario = calling(diamond(), &[(0, 0)]);
        scenario.upstreams[fails].errors = always().into();
        for (nanos, upstream) in [1, 10, 100, 1_000].into_iter().zip(&mut scenario.upstreams) {
            upstream.cost[0] = Some(UnitPrice { amount: Money::from_nanos(nanos), per: 1 });
        }
        let world = world(scenario);
        let history = log::record(&world, FIRST, &mut Scratch::default()).unwrap();
        let last = history.log.last().unwrap();
        assert_eq!((last.now.traffic.ns() as u64 / SECOND, history.log.len()), (seconds, 2));
        assert!(
            matches!(last.event, Event::Failed { failure, .. } if failure == Failure::answered(hop, 500)),
            "{last:?}"
        );
        assert_eq!(history.account.books().moved(Movement::Cost), Money::from_nanos(cost));
        let cohort = &play_all(&world).cohorts[0];
        let name = world.scenario.upstreams[fails].name.clone();
        let failed = FailedAs { upstream: name, cause: "upstream_error".to_owned(), status: 500 };
        assert_eq!((cohort.failed, cohort.failures()), (1, Failures::from([(failed, 1)])));
    }
}

/// One word of chance decides whether a hop fails and with which status: the same calls fail as with a plain chance, each
/// status as often as it says; five standard deviations.
#[test]
fn statuses_share_the_chance_that_a_hop_fails() {
    let fails = |errors: Errors| {
        let cohort = Cohort::new("all", 20, poisson(secs(60)));
        let mut scenario = Scenario { upstreams: diamond(), ..scenario(days(1), Plan::new("free"), cohort) };
        scenario.upstreams[2].errors = errors;
        let world = world(scenario);
        let logs = log::record_all(&world).unwrap();
        let each = logs.into_iter().flat_map(|history| history.log).filter_map(|entry| match entry.event {
            Event::Failed { failure, .. } => Some((entry.now.traffic, failure)),
            _ => None,
        });
        each.collect::<Vec<_>>()
    };
    let tenths = |tenths| Chance::of(tenths, 10);
    let plain = fails(tenths(4).into());
    let by_status = fails(Errors::of([(500, tenths(1)), (402, tenths(2)), (429, tenths(1))]).unwrap());
    assert!(plain.len() > 8_000 && plain.iter().all(|(_, failure)| *failure == Failure::answered(3, 500)));
    let times = |all: &[(Time, Failure)]| all.iter().map(|(at, _)| *at).collect::<Vec<_>>();
    assert_eq!(times(&plain), times(&by_status));
    for (status, cause, share) in
        [(402, Cause::Upstream402, 0.5), (429, Cause::Upstream4xx, 0.25), (500, Cause::UpstreamError, 0.25)]
    {
        let failed =
            by_status.iter().filter(|(_, failure)| *failure == Failure { hop: 3, cause, status }).count() as f64;
        let (all, deviation) = (plain.len() as f64, (plain.len() as f64 * share * (1.0 - share)).sqrt());
        assert!((failed - all * share).abs() < 5.0 * deviation, "{status}: {failed} of {all}");
    }
    assert!(Errors::of([(402, tenths(6)), (500, tenths(5))]).is_none());
}

/// Served, each bears its own cost once for each time that it was called.
#[test]
fn what_is_called_twice_costs_twice() {
    let mut scenario = calling(diamond(), &[(0, 0), (100, 0)]);
    for (nanos, upstream) in [1, 10, 100, 1_000].into_iter().zip(&mut scenario.upstreams) {
        upstream.cost[0] = Some(UnitPrice { amount: Money::from_nanos(nanos), per: 1 });
    }
    assert_eq!(play_all(&world(scenario)).moved(Movement::Cost), 2 * 2_111);
}

/// The chance that a chain fails at a hop is that of the hop, of the calls that come to it: five standard deviations.
#[test]
fn a_chain_fails_as_often_as_its_hops_do() {
    let mut upstreams = diamond();
    for (tenths, upstream) in [1, 2, 0, 3].into_iter().zip(&mut upstreams) {
        upstream.errors = Chance::of(tenths, 10).into();
    }
    let cohort = Cohort::new("all", 100, poisson(secs(60)));
    let scenario = Scenario { upstreams, ..scenario(days(1), Plan::new("free"), cohort) };
    let outcome = play_all(&world(scenario));
    let (cohort, failed) = (&outcome.cohorts[0], failed_at(&outcome.cohorts[0].failures()));
    let answered = (cohort.served + cohort.failed) as f64;
    assert!(answered > 100_000.0);
    // `d` is asked by `b`, and by `c` where it has not failed yet.
    let [a, b, d] = [0.1, 0.9 * 0.2, 0.9 * 0.8 * (0.3 + 0.7 * 0.3)];
    for (name, chance) in [("a", a), ("b", b), ("d", d)] {
        let deviation = (answered * chance * (1.0 - chance)).sqrt();
        let off = failed[name] as f64 - answered * chance;
        assert!(off.abs() < 5.0 * deviation, "{name}: {off} off, deviation {deviation}");
    }
    assert_eq!((failed.get("c"), failed.values().sum::<u64>()), (None, cohort.failed));
}

/// Calls further down have draws of their own: they are not those of the first hop, nor of each other, nor of other
/// attempts.
#[test]
fn every_hop_draws_for_itself() {
    let upstreams = vec![upstream("a", 1, &[1, 2, 1]), upstream("b", 1, &[]), upstream("c", 1, &[])];
    let mut scenario = calling(upstreams, &[(0, 0), (1, 0)]);
    for upstream in &mut scenario.upstreams {
        upstream.latency = Distribution::Uniform { from: 0.0, to: 1e15 };
    }
    let world = world(scenario);
    let mut drawn = Vec::new();
    for mut call in world.calls(FIRST) {
        for attempt in 1..4 {
            call.attempt = attempt;
            drawn.extend((0..4).map(|hop| world.work(FIRST, &call, hop).takes));
        }
    }
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 2 * 3 * 4);
}

/// A hop's draws are found by its upstream's name: another before it moves none of them.
#[test]
fn an_upstream_that_is_called_first_shifts_no_other() {
    let drawn = |calls: &[usize], hop| {
        let mut scenario =
            calling(vec![upstream("a", 1, calls), upstream("b", 1, &[]), upstream("c", 1, &[])], &[(0, 0)]);
        scenario.upstreams[2].latency = Distribution::Uniform { from: 0.0, to: 1e15 };
        let world = world(scenario);
        let call = world.calls(FIRST).next().unwrap();
        world.work(FIRST, &call, hop)
    };
    assert_eq!(drawn(&[2], 1), drawn(&[1, 2], 2));
}

// === Places ===

/// `a` has one place and keeps it while `b` works: the second call waits for both.
#[test]
fn a_place_is_kept_until_all_that_is_called_has_answered() {
    let mut scenario = calling(vec![upstream("a", 1, &[1]), upstream("b", 10, &[])], &[(0, 0), (2, 1), (100, 0)]);
    scenario.upstreams[0].capacity = Some(1);
    assert_eq!(took(scenario.clone()), [11, 20, 11]);
    // Where `b` has the place, both have done with `a` by then.
    (scenario.upstreams[0].capacity, scenario.upstreams[1].capacity) = (None, Some(1));
    assert_eq!(took(scenario.clone()), [11, 19, 11]);
    // Where `a` has two places, the line is before `b`; the third call finds `a` full.
    scenario.upstreams[0].capacity = Some(2);
    let three = calling(scenario.upstreams, &[(0, 0), (2, 1), (3, 2)]);
    assert_eq!(took(three), [11, 19, 28]);
}

/// An upstream that has answered is free while others are still called: the second call follows the first there, and comes
/// to the same place again where that is called twice.
#[test]
fn a_place_is_given_back_once_its_upstream_has_answered() {
    let mut chain = vec![upstream("a", 1, &[1, 2]), upstream("b", 2, &[]), upstream("c", 10, &[])];
    chain[1].capacity = Some(1);
    assert_eq!(took(calling(chain.clone(), &[(0, 0), (0, 1)])), [13, 15]);
    chain[0].calls = vec![1, 1];
    assert_eq!(took(calling(chain, &[(0, 0), (100, 1)])), [5, 5]);
}

/// What fails gives back every place on its way: the next in line begins then.
#[test]
fn a_call_that_fails_leaves_all_places() {
    let mut scenario = calling(diamond(), &[(0, 0), (0, 1), (0, 2)]);
    scenario.upstreams.iter_mut().for_each(|upstream| upstream.capacity = Some(1));
    scenario.upstreams[3].errors = always().into();
    let histories = log::record_all(&world(scenario)).unwrap();
    let ends: Vec<_> = histories.iter().map(|it| it.log.last().unwrap().now.traffic.ns() as u64 / SECOND).collect();
    assert_eq!(ends, [11, 22, 33]);
}

/// Capacities that nobody ever has to wait for change nothing: event by event it is what a path as a whole gives.
#[test]
fn room_for_all_on_a_path_is_the_path_as_a_whole() {
    for_seeds(40_000..40_300, |seed, alone| {
        let mut scenario = (*alone.scenario).clone();
        if scenario.is_shared() {
            return;
        }
        let limited = seed as usize % scenario.upstreams.len();
        scenario.upstreams[limited].capacity = Some(u32::MAX);
        let pace = alone.schedule.pace();
        if pace != crate::world::schedule::Pace::whole(&scenario) {
            return;
        }
        // Whether consumers are taken for independent is part of an outcome.
        let without = |mut outcome: crate::outcome::Outcome| {
            outcome.cohorts.iter_mut().for_each(|cohort| cohort.moments = None);
            outcome
        };
        assert_eq!(without(together(&world(scenario))), without(play_all(alone)), "seed {seed}");
    });
}

/// Poisson arrivals stay Poisson behind a station without a line (Mirasol: the output of an M/G/∞ queue), so those at
/// the second hop wait as Erlang says.
#[test]
fn a_line_at_the_second_hop_waits_as_erlang_says() {
    let mean = 0.1 * SECOND as f64;
    let (servers, load) = (4, 0.8);
    let wait = erlang_c(servers, load * f64::from(servers)) * mean / (f64::from(servers) * (1.0 - load));
    let first = Distribution::Uniform { from: 0.0, to: 4.0 * mean };
    let exact = first.mean() + mean + wait;
    let mut ranker = Upstream { capacity: Some(servers), ..Upstream::new("ranker") };
    ranker.latency = Distribution::Exponential { mean };
    let front = Upstream { latency: first, calls: vec![1], ..Upstream::new("front") };
    agrees_with("M/G/∞ → M/M/4", &[front, ranker], mean / (load * f64::from(servers)), exact);
}

/// A place is kept through both services, each exponential of one mean: M/G/1 with Erlang(2) services. Pollaczek and
/// Khinchine: W = λ E[S²] ÷ 2(1 − ρ), E[S²] = 6 m².
#[test]
fn a_place_that_is_kept_through_a_chain_is_one_longer_service() {
    let mean = 0.05 * SECOND as f64;
    let gap = 2.0 * mean / 0.6;
    let exact = 2.0 * mean + 6.0 * mean * mean / gap / (2.0 * 0.4);
    let stage = Upstream { latency: Distribution::Exponential { mean }, ..Upstream::new("second") };
    let front = Upstream { name: "first".to_owned(), capacity: Some(1), calls: vec![1], ..stage.clone() };
    agrees_with("M/E₂/1", &[front, stage], gap, exact);
}

// === Routes ===

/// Each route has its own upstream, whose failures and costs are its own, also where calls are settled together.
#[test]
fn a_route_is_answered_and_paid_by_its_own_upstream() {
    let mut scenario = scenario(days(10), Plan::new("free"), Cohort::new("all", 20, poisson(secs(3_600))));
    scenario.upstreams = vec![upstream("a", 1, &[]), upstream("b", 2, &[])];
    for (nanos, upstream) in [3, 5_000_000].into_iter().zip(&mut scenario.upstreams) {
        upstream.cost[0] = Some(UnitPrice { amount: Money::from_nanos(nanos), per: 1 });
    }
    scenario.upstreams[1].errors = Chance::of(1, 10).into();
    scenario.routes.push(Route { path: "/b".to_owned(), upstream: 1, attributes: Vec::new() });
    scenario.cohorts[0].routes = vec![(0, 0.5), (1, 0.5)];
    let outcome = play_all(&world(scenario));
    let [a, b] = ["/", "/b"].map(|path| &outcome.cohorts[0].routes[path]);
    assert!(a.served > 1_000 && b.served > 1_000 && b.failed > 100, "{a:?} {b:?}");
    assert_eq!((a.failed, &a.failures), (0, &Failures::new()));
    assert_eq!(failed_at(&b.failures), BTreeMap::from([("b".to_owned(), b.failed)]));
    let cost = u128::from(a.served) * 3 + u128::from(b.served + b.failed) * 5_000_000;
    assert_eq!(outcome.moved(Movement::Cost), i128::try_from(cost).unwrap());
}

// === What is generated ===

/// 300 tokens at 100 a second after half a second: three and a half in all, the first of them after half a second,
/// waiting included.
#[test]
fn what_is_generated_takes_its_time_and_its_first_token_is_measured_apart() {
    let mut model = Upstream { streams: true, capacity: Some(1), ..Upstream::new("model") };
    model.latency = Distribution::Constant(0.5 * SECOND as f64);
    model.generates = Some(Generates { meter: 1, per_second: 100.0 });
    let mut scenario = calling(vec![model], &[(0, 0), (1, 1)]);
    scenario.meters.push(Meter { name: "output".to_owned(), sum: vec!["output".to_owned()] });
    let Arrivals::Trace(trace) = &mut scenario.cohorts[0].arrivals else { panic!("it is a trace") };
    (trace.most[1], trace.rows[0].usage[1], trace.rows[1].usage[1]) = (300, 300, 100);
    let outcome = together(&world(scenario.clone()));
    let about = |buckets: &[[u64; 2]]| -> Vec<_> {
        buckets.iter().map(|[upper, calls]| ((*upper as f64 / 1e8).round() / 10.0, *calls)).collect()
    };
    // The second waits two and a half seconds, and takes one and a half.
    assert_eq!(about(&outcome.cohorts[0].latency), [(3.5, 1), (4.0, 1)]);
    assert_eq!(about(&outcome.cohorts[0].first_token), [(0.5, 1), (3.0, 1)]);

    // Nothing is measured apart of what is not streamed, nor of what fails.
    for change in [|it: &mut Upstream| it.streams = false, |it: &mut Upstream| it.errors = always().into()] {
        let mut scenario = scenario.clone();
        change(&mut scenario.upstreams[0]);
        assert_eq!(together(&world(scenario)).cohorts[0].first_token, Vec::<[u64; 2]>::new());
    }
    // Alone and settled together it is the same but for the line.
    scenario.upstreams[0].capacity = None;
    assert_eq!(about(&play_all(&world(scenario)).cohorts[0].first_token), [(0.5, 2)]);
}

#[test]
fn as_much_as_can_be_asked_for_takes_no_longer_than_time_lasts() {
    let generates = Generates { meter: 1, per_second: 1e-300 };
    assert_eq!(generates.takes(&[1, u64::MAX, 0, 0]), Span::from_ns(u64::MAX));
}
