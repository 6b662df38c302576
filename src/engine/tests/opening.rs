//! How a scenario begins: subscriptions in the middle of a period, its usage counted and its fee carried forward; and
//! that what a plan says moves nobody's calls.

use std::sync::Arc;

use super::{after, days, dollars, play_all, poisson, requests, scenario, secs, state, world};
use crate::billing::account::Account;
use crate::billing::catalog::ONE_REQUEST;
use crate::billing::history::History;
use crate::billing::ledger::Movement;
use crate::distribution::Distribution;
use crate::draw::{Address, Chance};
use crate::model::{Arrivals, Attribute, Card, Cohort, Limit, Live, Meter, Period, Plan, Rate, Trace, TraceRow};
use crate::money::Money;
use crate::time::{DAY, SECOND, Span, Time};
use crate::world::schedule::Drawn;
use crate::world::{World, card};

/// A fee of 86,400 × 7 cents a day earns 7 cents a second. So 300 consumers, whose days begin at 300 different seconds,
/// earn exactly 7 cents each second of the horizon, from the first to the last: what was carried forward is the rest of
/// the running day, and what is deferred at the end the rest of the last.
#[test]
fn what_is_earned_over_the_horizon_is_exactly_its_seconds() {
    let horizon = secs(10 * 86_400 + 12_345);
    let fee = Money::from_nanos(86_400 * 70_000_000);
    let plan = Plan { fee, fee_period: Some(Period::Day), ..Plan::new("daily") };
    let world = world(scenario(horizon, plan, Cohort::new("all", 300, poisson(days(2)))));
    let outcome = play_all(&world);
    assert_eq!(outcome.moved(Movement::Earn), 300 * 70_000_000 * (10 * 86_400 + 12_345));
    let rest_of_the_day = |ends: Time| i128::from(ends.ns()).div_euclid(i128::from(SECOND)) * 70_000_000;
    let opened: Vec<_> = world.consumers().map(|consumer| world.open(consumer).unwrap()).collect();
    let carried: i128 = opened.iter().map(|party| rest_of_the_day(party.account().fee.ends)).sum();
    assert_eq!(outcome.moved(Movement::CarryForward), carried);
    assert_eq!(outcome.moved(Movement::Capture), outcome.moved(Movement::Invoice));
}

/// Anchors are spread over the period before the start: each lies inside it, and they fill it evenly.
#[test]
fn anchors_fill_the_period_before_the_start() {
    let plan = Plan { usage_period: Some(Period::Month), ..Plan::new("monthly") };
    let count = 20_000u32;
    let world = world(scenario(days(1), plan, Cohort::new("all", count, poisson(days(1)))));
    let mut weeks = [0u32; 4];
    for consumer in world.consumers() {
        let begins = world.open(consumer).unwrap().account().period_begins().ns();
        // February 2026 has 28 days.
        assert!(
            (-28 * DAY.cast_signed()..=-SECOND.cast_signed()).contains(&begins) && begins % SECOND.cast_signed() == 0
        );
        weeks[((begins + 28 * DAY.cast_signed()) / (7 * DAY.cast_signed())) as usize] += 1;
    }
    // Binomial: five standard deviations.
    let deviation = (f64::from(count) * 0.25 * 0.75).sqrt();
    assert!(weeks.iter().all(|week| (f64::from(*week) - f64::from(count) / 4.0).abs() < 5.0 * deviation), "{weeks:?}");
}

/// A month before 31 March begins on 28 February, and who joined on that day renewed on 28 March already: at the start
/// the subscription is in the period after, whatever the calendar does. Nothing from before the start is invoiced.
#[test]
fn whoever_begins_on_the_last_days_of_a_month_is_in_the_running_period() {
    for (start, period) in [
        (jiff::civil::date(2026, 3, 31), Period::Month),
        (jiff::civil::date(2026, 3, 29), Period::Month),
        (jiff::civil::date(2026, 5, 31), Period::Month),
        (jiff::civil::date(2024, 2, 29), Period::Year),
        (jiff::civil::date(2026, 3, 1), Period::Month),
        (jiff::civil::date(2026, 3, 31), Period::Day),
    ] {
        let plan = Plan {
            fee: dollars(30),
            fee_period: Some(period),
            usage_period: Some(period),
            allowance: requests(10),
            ..Plan::new("plan")
        };
        let mut scenario = scenario(days(1), plan, Cohort::new("all", 2_000, poisson(days(30))));
        scenario.start = start.at(0, 0, 0, 0);
        let world = world(scenario);
        for consumer in world.consumers() {
            let party = world.open(consumer).unwrap();
            let account = party.account();
            let (begins, ends) = (account.usage.begins, account.usage.ends);
            assert_eq!((account.fee.begins, account.fee.ends), (begins, ends));
            assert!(begins < Time::START && ends >= Time::START, "{start}: {begins:?} to {ends:?}");
        }
    }
}

/// A clock slower than the wall: a load at a tenth of the scenario's rate. The history of the running period then reaches
/// further back in traffic time than in billing time, and opens like any other.
#[test]
fn an_account_opens_on_a_slow_clock_as_on_a_fast_one() {
    for (gap, from, to) in [(secs(1), 9, 11), (secs(10_000), 95_000, 105_000)] {
        let plan = Plan {
            usage_period: Some(Period::Day),
            allowance: requests(1_000_000),
            limits: vec![Limit::TokenBucket { rate: Rate { requests: 1, per: Span::from_ns(1_000) }, burst: 10 }],
            ..Plan::new("daily")
        };
        let live =
            Live { rate_per_s: 0.1, duration: secs(100), clock: None, connections: 1, in_flight: 1, ..Live::default() };
        let world =
            World::scaled(Arc::new(scenario(days(1), plan, Cohort::new("one", 1, poisson(gap)))), &live).unwrap();
        // Ten calls are expected in 100 s, and on the billing clock they take ten gaps.
        let billed = world.end().billing.since(Time::START).ns() / SECOND;
        assert!((from..=to).contains(&billed), "{billed} s of billing time");
        let account = world.open(super::FIRST).unwrap().into_account();
        // The calls of the history were all let through: at one a microsecond no bucket is ever empty.
        let history = world.schedule.history(super::FIRST, account.period_begins()).count();
        assert_eq!(account.usage.taken[0], history as u64);
        play_all(&world);
    }
}

/// One consumer on four plans: the calls are the same calls at the same instants, and so are their latencies. How far
/// the history goes back (a day, a month, a year) shifts none of them.
#[test]
fn a_changed_plan_shifts_nobodys_calls() {
    let calls = |period, allowance, declines| {
        let mut cohort = Cohort::new("all", 3, poisson(secs(5_000)));
        cohort.card = Some(Card::declining(declines));
        let (fee_period, usage_period) = (period, period);
        let plan = Plan { fee_period, usage_period, allowance, fee: dollars(1), ..Plan::new("plan") };
        let world = world(scenario(days(3), plan, cohort));
        world.consumers().for_each(|consumer| drop(world.open(consumer).unwrap()));
        let of = |consumer| -> Vec<_> { world.calls(consumer).collect() };
        world
            .consumers()
            .map(|consumer| (of(consumer), world.schedule.attempts(consumer, Drawn::Latency)))
            .collect::<Vec<_>>()
    };
    let plain = calls(Some(Period::Day), requests(u64::MAX), Chance::NEVER);
    assert_eq!(plain, calls(Some(Period::Day), requests(2), Chance::NEVER));
    assert_eq!(plain, calls(Some(Period::Month), requests(2), Chance::of(1, 2)));
    assert_eq!(plain, calls(Some(Period::Year), requests(9), Chance::of(1, 1)));
    assert_ne!(plain[0].0, plain[1].0, "consumers are not each other's copies");
}

/// The history lies between the anchor and the start, in order, and a longer one only adds to its beginning. Its calls
/// are none of those after the start seen in a mirror.
#[test]
fn a_history_is_the_end_of_every_longer_one() {
    let world = world(scenario(days(3), Plan::new("free"), Cohort::new("one", 1, poisson(secs(3_600)))));
    let back = |span: u64| -> Vec<i64> {
        world.schedule.history(super::FIRST, Time::START - days(span)).map(|call| call.at.ns()).collect()
    };
    let (short, long) = (back(2), back(20));
    assert!(long.len() > short.len() && long.ends_with(&short) && long.is_sorted());
    assert!(long.iter().all(|at| (-20 * DAY.cast_signed()..0).contains(at)));
    let ahead: Vec<i64> = world.calls(super::FIRST).map(|call| -call.at.ns()).collect();
    // A mirror would differ by the nanosecond that keeps the history before the start.
    assert!(short.iter().all(|at| ahead.iter().all(|mirrored| (at - mirrored).abs() > 1_000)));
}

/// A trace has no history; its rows come at their own instants, each to one consumer, with the usage that it says.
#[test]
fn every_row_of_a_trace_is_one_call() {
    let row = |i: u64| TraceRow { at: secs(i / 3), consumer: i.is_multiple_of(5).then_some(2), usage: [1, i, 0, 0] };
    let trace = Trace { rows: (0..500).map(row).collect(), most: [1, 499, 0, 0], ..Default::default() };
    let world = world(scenario(days(1), Plan::new("free"), Cohort::new("all", 4, Arrivals::Trace(trace))));
    let mut seen = Vec::new();
    for consumer in world.consumers() {
        assert_eq!(world.schedule.history(consumer, Time::START - days(9)).count(), 0);
        for call in world.calls(consumer) {
            assert_eq!(world.schedule.call(consumer, call.index), (call.route, call.usage));
            assert!(!call.usage[1].is_multiple_of(5) || consumer.index == 2);
            seen.push((call.usage[1], call.at));
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..500).map(|i| (i, after(secs(i / 3)).traffic)).collect::<Vec<_>>());
}

/// Rows that name nobody fall on the four consumers evenly; a row at the horizon's very end, or later, is no call.
#[test]
fn rows_are_spread_evenly_and_end_with_the_horizon() {
    let (rows, day) = (8_000u64, 86_400);
    let row = |i: u64| TraceRow { at: secs(i * (day + 1) / rows), consumer: None, usage: ONE_REQUEST };
    let last = [day, day + 1].map(|at| TraceRow { at: secs(at), consumer: Some(0), usage: ONE_REQUEST });
    let trace = Trace { rows: (0..rows).map(row).chain(last).collect(), most: ONE_REQUEST, ..Default::default() };
    let world = world(scenario(days(1), Plan::new("free"), Cohort::new("all", 4, Arrivals::Trace(trace))));
    let counts: Vec<usize> = world.consumers().map(|consumer| world.calls(consumer).count()).collect();
    assert_eq!(counts.iter().sum::<usize>() as u64, rows);
    // Binomial: five standard deviations of 38.7.
    assert!(counts.iter().all(|count| count.abs_diff(2_000) < 194), "{counts:?}");
}

/// What is drawn for one purpose is never what is drawn for another, nor for another consumer.
#[test]
fn every_purpose_has_draws_of_its_own() {
    let world = world(scenario(days(1), Plan::new("free"), Cohort::new("all", 2, poisson(days(1)))));
    let purposes = ["arrivals", "history", "anchor", "charge", "error", "backoff"];
    for consumer in world.consumers() {
        let latency = world.schedule.attempts(consumer, Drawn::Latency);
        for index in 0..2 {
            let of = world.catalog.cohorts[0].address.at(index);
            assert!(purposes.iter().all(|purpose| of.named(purpose).stream() != latency));
            assert_eq!(of.named("latency").stream() == latency, index == u64::from(consumer.index));
        }
    }
}

/// The processor answers the same attempt alike, however often it is asked, and other attempts independently.
#[test]
fn the_processor_repeats_itself_for_the_same_attempt_only() {
    let card = Card::declining(Chance::of(1, 2));
    let own = |index: u64| Address::seed(7).named("cohort").at(index);
    let answer = |index, charge: &str, period, attempt| {
        let attempt = own(index).named(charge).at(period).at(attempt);
        card::answer(&card, own(index), None, 0, Time::START, attempt)
    };
    let alike = |charge, period, attempt| {
        let same = |index: &u64| answer(*index, "charge", 1, 1) == answer(*index, charge, period, attempt);
        (0..2_000).filter(same).count() as f64
    };
    assert!((alike("charge", 1, 1) - 2_000.0).abs() < f64::EPSILON);
    // Fair coins: 1,000 of 2,000 agree; five standard deviations are 112.
    assert!((alike("charge", 1, 2) - 1_000.0).abs() < 112.0);
    assert!((alike("charge", 2, 1) - 1_000.0).abs() < 112.0);
    assert!((alike("top-up", 1, 1) - 1_000.0).abs() < 112.0);
}

/// Calls that certainly pass are counted, not played; that gives the very account that playing them one by one does.
#[test]
fn counting_calls_from_before_the_start_is_playing_them() {
    let mut compared = 0;
    for seed in 0..1_500 {
        let world = super::drawn::world(seed);
        for consumer in world.consumers() {
            if world.schedule.joins(consumer).is_some() {
                continue;
            }
            let [mut counted, mut played] = [0, 1].map(|_| Account::existing(consumer, &world.catalog));
            let clock = world.schedule.pace().clock;
            let calls = world.schedule.history(consumer, counted.period_begins());
            let calls: Vec<_> = calls.collect();
            let mut history = History::new(&mut counted, &world.catalog);
            for call in &calls {
                history.call(clock.at(call.at), call.route, &call.usage).unwrap();
                played.remember(clock.at(call.at), &world.catalog, call.route, &call.usage).unwrap();
            }
            history.end().unwrap();
            for account in [&mut counted, &mut played] {
                account.open_books(&world.catalog).unwrap();
            }
            compared += usize::from(!calls.is_empty());
            assert_eq!(state(&counted), state(&played), "seed {seed}");
        }
    }
    assert!(compared > 250, "{compared}");
}

/// Ten units of allowance and calls of three: the fourth call crosses the line, and there is no fifth.
#[test]
fn a_call_that_was_made_before_the_start_may_cross_the_line_too() {
    let mut plan = Plan { usage_period: Some(Period::Month), ..Plan::new("tokens") };
    plan.allowance[1] = Some(10);
    let mut scenario = scenario(days(1), plan, Cohort::new("all", 50, poisson(secs(3_600))));
    scenario.meters.push(Meter { name: "tokens".to_owned(), sum: vec!["tokens".to_owned()] });
    let three = Attribute { name: "tokens".to_owned(), amount: Distribution::Constant(3.0), most: 3 };
    scenario.routes[0].attributes.push(three);
    let world = world(scenario);
    let used = world.consumers().map(|consumer| world.open(consumer).unwrap().account().usage.taken[1]);
    let used: Vec<_> = used.collect();
    assert!(used.iter().all(|units| units % 3 == 0 && *units <= 12), "{used:?}");
    assert!(used.iter().filter(|units| **units == 12).count() > 40, "{used:?}");
}
