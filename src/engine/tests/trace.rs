//! Recorded calls: every row is one call of one consumer, however often the trace is played, and the shares that
//! consumers get follow what the trace says about them.

use std::sync::Arc;

use super::drawn::Dice;
use super::{days, for_each_seed, scenario, secs, world};
use crate::billing::catalog::Catalog;
use crate::model::{Arrivals, Cohort, HandOut, Live, Plan, Route, Scenario, Trace, TraceRow};
use crate::time::{Clock, Span, Time};
use crate::world::World;
use crate::world::schedule::{Call, Pace, Schedule};

/// Rows whose second meter numbers them, some at one moment, some with a name, over routes 0 to 2.
fn drawn(dice: &mut Dice, consumers: u32) -> Trace {
    let rows = 1 + dice.below(400);
    let mut at = 0;
    let mut row = |number| {
        at += dice.below(3) * dice.below(10_000_000_000);
        let consumer = dice.one_in(4).then(|| dice.below(consumers.into()) as u32);
        TraceRow { at: Span::from_ns(at), consumer, usage: [1, number, 0, 0] }
    };
    let rows: Vec<TraceRow> = (0..rows).map(&mut row).collect();
    let routes = if dice.coin() { rows.iter().map(|_| dice.below(3) as u16).collect() } else { Vec::new() };
    let hand_out = if dice.coin() { HandOut::Even } else { HandOut::Zipf { exponent: 1.2 } };
    Trace { most: [1, rows.len() as u64, 0, 0], rows, routes, hand_out, repeats: None }
}

/// A cohort that plays a trace over three routes.
fn played(trace: Trace, consumers: u32, horizon: Span) -> Scenario {
    let mut cohort = Cohort::new("recorded", consumers, Arrivals::Trace(trace));
    cohort.routes = vec![(0, 0.5), (1, 0.25), (2, 0.25)];
    let mut scenario = scenario(horizon, Plan::new("free"), cohort);
    scenario.routes =
        ["/a", "/b", "/c"].map(|path| Route { path: path.to_owned(), upstream: 0, attributes: Vec::new() }).to_vec();
    scenario
}

/// The calls of everyone, consumer by consumer; asking for a call by its index must tell the same.
fn calls(schedule: &Schedule, catalog: &Catalog, world: &World) -> Vec<Vec<Call>> {
    let of = |consumer| {
        let calls: Vec<Call> = schedule.calls(consumer, catalog).collect();
        for call in &calls {
            assert_eq!(schedule.call(consumer, call.index), (call.route, call.usage));
        }
        assert!(calls.is_sorted_by_key(|call| call.at));
        calls
    };
    world.consumers().map(of).collect()
}

fn whole(world: &World) -> Vec<Vec<Call>> {
    calls(&world.schedule, &world.catalog, world)
}

/// Handing rows out loses none and gives none to two: over all consumers, each repeat has each row once, at its moment,
/// on its route, with its usage, and who is named has what names them.
#[test]
fn rows_handed_out_are_a_partition() {
    for_each_seed(0..200, |seed| {
        let dice = &mut Dice::new(seed);
        let consumers = 1 + dice.below(9) as u32;
        let mut trace = drawn(dice, consumers);
        let last = trace.rows.last().unwrap().at.ns();
        let (length, times) = (last + 1 + dice.below(1_000), 1 + dice.below(4));
        trace.repeats = dice.coin().then(|| Span::from_ns(length));
        let world = world(played(trace.clone(), consumers, Span::from_ns(length * times)));
        let mut seen = Vec::new();
        for (owner, calls) in (0u32..).zip(whole(&world)) {
            for call in calls {
                let row = trace.rows[call.usage[1] as usize];
                assert!(row.consumer.is_none_or(|named| named == owner));
                assert!(trace.routes.get(call.usage[1] as usize).is_none_or(|route| *route == call.route));
                seen.push((call.at, call.usage[1]));
            }
        }
        let repeats = if trace.repeats.is_some() { times } else { 1 };
        let rows = (0..).zip(&trace.rows);
        let at = |repeat: u64, row: &TraceRow| Time::START + Span::from_ns(repeat * length + row.at.ns());
        let mut all: Vec<_> =
            rows.flat_map(|(number, row)| (0..repeats).map(move |repeat| (at(repeat, row), number))).collect();
        seen.sort_unstable();
        all.sort_unstable();
        assert_eq!(seen, all);
    });
}

/// A trace that starts again is the trace written out as often: the same calls of the same consumers, at the pace of the
/// scenario and at any other.
#[test]
fn repeating_is_writing_out_twice() {
    for_each_seed(200..400, |seed| {
        let dice = &mut Dice::new(seed);
        let consumers = 1 + dice.below(9) as u32;
        let trace = drawn(dice, consumers);
        let length = Span::from_ns(trace.rows.last().unwrap().at.ns() + 1 + dice.below(1_000));
        let again = trace.rows.iter().map(|row| TraceRow { at: row.at + length, ..*row });
        let twice = Trace {
            rows: trace.rows.iter().copied().chain(again).collect(),
            routes: trace.routes.repeat(2),
            ..trace.clone()
        };
        let repeated = Trace { repeats: Some(length), ..trace };
        let horizon = length + length;
        let [repeated, twice] = [repeated, twice].map(|trace| world(played(trace, consumers, horizon)));
        assert_eq!(whole(&repeated), whole(&twice));
        for stretch in [0.01, 0.37, 3.0] {
            let until = Time::from_ns((horizon.ns() as f64 * stretch) as i64);
            let pace = Pace { stretch, clock: Clock::REAL, until };
            let [repeated, twice] = [&repeated, &twice].map(|world| {
                let schedule = Schedule::new(&world.scenario, &world.catalog, pace);
                calls(&schedule, &world.catalog, world)
            });
            assert_eq!(repeated, twice, "{stretch}");
        }
    });
}

/// Of 200,000 rows the consumer of rank k gets the share that its weight is of all weights.
#[test]
fn shares_by_zipf_agree_with_their_weights() {
    let (rows, consumers) = (200_000u64, 50u32);
    let row = |number| TraceRow { at: Span::from_ns(number), consumer: None, usage: [1, number, 0, 0] };
    for exponent in [0.5f64, 1.0, 2.5] {
        let hand_out = HandOut::Zipf { exponent };
        let trace = Trace { rows: (0..rows).map(row).collect(), most: [1, rows, 0, 0], hand_out, ..Trace::default() };
        let world = world(played(trace, consumers, days(1)));
        let weight = |rank: u32| libm::pow(f64::from(rank), -exponent);
        let sum: f64 = (1..=consumers).map(weight).sum();
        for (rank, calls) in (1..).zip(whole(&world)) {
            let share = weight(rank) / sum;
            // Binomial: five standard deviations.
            let deviation = (rows as f64 * share * (1.0 - share)).sqrt();
            let found = calls.len() as f64;
            assert!((found - rows as f64 * share).abs() < 5.0 * deviation, "zipf({exponent}), rank {rank}: {found}");
        }
    }
}

/// A load may cover more than the horizon: a trace that repeats goes on, and the load has as many calls as it asks for.
#[test]
fn a_load_repeats_a_trace_past_the_horizon() {
    let rows = (0..100).map(|number| TraceRow { at: secs(number), consumer: None, usage: [1, number, 0, 0] }).collect();
    let trace = Trace { rows, most: [1, 99, 0, 0], repeats: Some(secs(100)), ..Trace::default() };
    let scenario = Arc::new(played(trace, 4, secs(150)));
    let calls = |world: World| whole(&world).iter().map(Vec::len).sum::<usize>();
    assert_eq!(calls(World::whole(Arc::clone(&scenario)).unwrap()), 150);
    let live = Live { rate_per_s: 500.0, duration: secs(2), ..scenario.live.clone() };
    assert_eq!(calls(World::scaled(scenario, &live).unwrap()), 1_000);
}
