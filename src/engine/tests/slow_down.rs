//! Consumers that slow down after a refusal: by hand, and against what is drawn for their calls.

use std::collections::BTreeSet;

use super::payments::reaction;
use super::sessions::{begun, constant, in_sessions, one_call, seen};
use super::{FIRST, days, play_all, poisson, requests, secs, world};
use crate::distribution::Distribution;
use crate::draw::Chance;
use crate::model::{Act, Arrivals, Pattern, Period, Plan, Process, Reaction, Scenario, Sessions, When};
use crate::time::{HOUR, SECOND, Span, Time};
use crate::world::World;

fn slow_down(keeps: Chance, lasts: Option<Span>) -> Act {
    Act::SlowDown { keeps, lasts }
}

/// A call every minute, of which the tenth of a day is refused. The day begins with the scenario.
fn every_minute(reactions: Vec<Reaction>) -> Scenario {
    let arrivals = Arrivals::Patterned(Pattern {
        mean_gap_ns: (60 * SECOND) as f64,
        spread: None,
        process: Process::Constant,
        sessions: None,
        shape: None,
    });
    let plan = Plan { usage_period: Some(Period::Day), allowance: requests(9), ..Plan::new("nine") };
    let mut scenario = begun(days(3), 1, plan, arrivals);
    scenario.cohorts[0].reactions = reactions;
    scenario
}

/// The calls that are made, by index, and when.
fn made(world: &World) -> Vec<(u64, Time)> {
    seen(world, FIRST).attempts.into_iter().map(|((index, _), (at, _))| (index, at)).collect()
}

/// All of the schedule, by index, and when.
fn scheduled(world: &World) -> Vec<(u64, Time)> {
    world.calls(FIRST).map(|call| (call.index, call.at)).collect()
}

/// From that moment on, half of the calls that come are made: those whose words lie below one half.
#[test]
fn who_slows_down_makes_the_calls_that_are_drawn_to_be_made() {
    let half = Chance::of(1, 2);
    let world = world(every_minute(vec![reaction("quota_exhausted", slow_down(half, None), secs(90))]));
    let all = scheduled(&world);
    let (_, refused) = all[9];
    let expected: Vec<_> = all
        .iter()
        .copied()
        .filter(|(index, at)| {
            // Each day has a refusal of its own, and each makes half of what was left.
            let times = (0..3).filter(|day| at.since(refused) >= Span::from_ns(day * 24 * HOUR) + secs(90)).count();
            world.is_made(FIRST, *index, (0..times).fold(Chance::ALWAYS, |kept, _| kept.and(half)))
        })
        .collect();
    let until = |days: u64, calls: &[(u64, Time)]| {
        calls.iter().filter(|(_, at)| *at < Time::START + Span::from_ns(days * 24 * HOUR)).count()
    };
    let made = made(&world);
    // The later days' first refusals come later, because there are fewer calls: only the first day is told by hand.
    let first = until(1, &expected);
    assert_eq!(made[..first], expected[..first]);
    assert_eq!(until(1, &made), first);
    // Of 1,429 calls half, five standard deviations on either side.
    assert!(first.abs_diff(11 + 1_429 / 2) < 95, "{first}");
    let (second, third) = (until(2, &made) - first, made.len() - until(2, &made));
    assert!(second.abs_diff(360) < 100 && third.abs_diff(180) < 80, "{second} {third}");
}

/// Nothing of it is offered, refused or used; what is told of the consumer is that they have slowed down.
#[test]
fn a_call_that_is_not_made_is_no_call() {
    let scenario = every_minute(vec![reaction("quota_exhausted", slow_down(Chance::of(1, 4), None), Span::ZERO)]);
    let world = world(scenario);
    let outcome = play_all(&world);
    let cohort = &outcome.cohorts[0];
    let calls = cohort.served + cohort.refused.values().sum::<u64>();
    assert_eq!(calls, made(&world).len() as u64);
    assert_eq!(cohort.counts["slowed"], 3);
}

/// Nothing at all for an hour, then everything again.
#[test]
fn slowing_down_for_a_time_ends_with_it() {
    let scenario =
        every_minute(vec![reaction("quota_exhausted", slow_down(Chance::NEVER, Some(secs(3_600))), secs(30))]);
    let world = world(scenario);
    let all = scheduled(&world);
    let refused = all[9].1;
    let first_day: Vec<_> = all.into_iter().filter(|(_, at)| at.since(Time::START) < days(1)).collect();
    let quiet = |at: Time| at >= refused + secs(30) && at < refused + secs(3_630);
    assert_eq!(first_day.iter().filter(|(_, at)| quiet(*at)).count(), 60);
    let expected: Vec<_> = first_day.into_iter().filter(|(_, at)| !quiet(*at)).collect();
    assert_eq!(made(&world)[..expected.len()], expected);
}

/// A half and a third at the same time are a sixth; when the half is over, the third is left, and they are the same calls.
#[test]
fn two_reactions_in_force_are_multiplied() {
    let (half, third) = (Chance::of(1, 2), Chance::of(1, 3));
    let scenario = every_minute(vec![
        reaction("quota_exhausted", slow_down(half, Some(secs(6 * 3_600))), Span::ZERO),
        reaction("quota_exhausted", slow_down(third, None), Span::ZERO),
    ]);
    let world = world(scenario);
    let all = scheduled(&world);
    let refused = all[9].1;
    let keeps = |at: Time| match at.since(refused) {
        _ if at <= refused => Chance::ALWAYS,
        since if since < secs(6 * 3_600) => half.and(third),
        _ => third,
    };
    let of_first_day = all.iter().copied().filter(|(_, at)| at.since(Time::START) < days(1));
    let expected: Vec<_> = of_first_day.filter(|(index, at)| world.is_made(FIRST, *index, keeps(*at))).collect();
    assert_eq!(made(&world)[..expected.len()], expected);
}

/// Sessions are not begun; those that have begun go on.
#[test]
fn who_slows_down_begins_fewer_sessions() {
    let mut scenario = begun(days(30), 1, one_call(), in_sessions(24.0, Distribution::Constant(4.0), constant(10)));
    scenario.cohorts[0].reactions = vec![reaction("quota_exhausted", slow_down(Chance::of(1, 3), None), Span::ZERO)];
    let world = world(scenario);
    let by_session = |index: u64| index / Sessions::PLACES;
    let made = made(&world);
    let sessions: BTreeSet<_> = made.iter().map(|(index, _)| by_session(*index)).collect();
    // All of each session but the last is there.
    let last = *sessions.last().unwrap();
    for session in sessions.into_iter().filter(|session| *session != last) {
        assert_eq!(made.iter().filter(|(index, _)| by_session(*index) == session).count(), 4, "{session}");
    }
    assert!(made.len() < scheduled(&world).len() * 4 / 2);
}

/// Those who make fewer calls make some of the calls that they would have made, and none besides; and nobody else's calls
/// change.
#[test]
fn slower_consumers_make_some_of_the_same_calls() {
    let with = |keeps: Option<Chance>| {
        let plan = Plan { usage_period: Some(Period::Day), allowance: requests(9), ..Plan::new("nine") };
        let mut scenario = begun(days(10), 40, plan, poisson(Span::from_ns(HOUR)));
        let refused = When::Refused { more_than: 2 };
        let reaction = |keeps| Reaction { when: refused, ..reaction("past_due", slow_down(keeps, None), secs(60)) };
        scenario.cohorts[0].reactions = keeps.map(reaction).into_iter().collect();
        let world = world(scenario);
        let of = |consumer| seen(&world, consumer).attempts.into_keys().map(|(index, _)| index).collect();
        world.consumers().map(of).collect::<Vec<BTreeSet<u64>>>()
    };
    let [all, most, few] = [None, Some(Chance::of(9, 10)), Some(Chance::of(1, 10))].map(with);
    for ((all, most), few) in all.iter().zip(&most).zip(&few) {
        assert!(most.is_subset(all) && few.is_subset(most) && few.len() < most.len() && most.len() < all.len());
    }
}
