//! What holds of every scenario: conservation, independence of how the work is cut up, and one-sided changes that move
//! one way. Scenarios are drawn at random; a failure prints its seed.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::drawn::{self, Dice};
use super::{
    days, dollars, everyone, for_plain_seeds, for_seeds, play, play_all, poisson, recorder, requests, scenario, secs,
    state, world,
};
use crate::billing::account::{Account, Consumer};
use crate::billing::cause::{Cause, Failure};
use crate::billing::gate::Decision;
use crate::billing::ledger::LedgerAccount::{
    self, BadDebt, Cash, Deferred, Earned, HeldPromotional, Opening, Promotion, Promotional, Receivable, Spent,
};
use crate::billing::ledger::Movement;
use crate::billing::tally::{Count, Tally};
use crate::billing::usage::Units;
use crate::draw::Chance;
use crate::log::{self, Entry, Event, History, Replayed};
use crate::model::{Act, Card, Cohort, Dunning, FAILED, Finally, PerMeter, Period, Plan, Scenario, Sessions};
use crate::moments::Moments;
use crate::outcome::{
    Again, Billed, CohortOutcome, Demand, Dunned, FailedAs, Heard, Judged, JudgedRoute, ListPrice, MergeError, Nanos,
    Outcome, RouteOutcome, Timeline, Usage, WrongAnswers,
};
use crate::record::Recorder;
use crate::sim::Scratch;
use crate::time::{Span, Time};
use crate::world::World;
use crate::world::party::Party;
use crate::world::schedule::Call;

/// Invariant 7. Each call that the schedule makes until the consumer has left is tried, and each attempt is served, failed,
/// refused or in flight, and so is each unit that it uses; every consumer that met a refusal is counted once.
#[test]
fn every_call_and_every_unit_is_accounted_for() {
    for_seeds(1_000..1_200, accounts_for_every_call);
    for_plain_seeds(1_000..1_300, accounts_for_every_call);
}

pub(super) fn accounts_for_every_call(_: u64, world: &World) {
    for (number, cohort) in (0..).zip(&play_all(world).cohorts) {
        let consumers = || world.consumers().filter(|consumer| consumer.cohort == number);
        let calls: Vec<_> = consumers().flat_map(|consumer| tried(world, consumer)).collect();
        assert_eq!(cohort.offered(), calls.len() as u64);
        for (meter, usage) in world.scenario.meters.iter().enumerate() {
            let Usage { served, failed, in_flight, refused, unheard } = cohort.usage[&usage.name];
            assert_eq!(served + failed + in_flight + refused, calls.iter().map(|call| call.usage[meter]).sum::<u64>());
            assert!(unheard <= failed, "what nobody heard of has failed");
        }
        let Usage { served, failed, in_flight, refused, .. } = cohort.usage["requests"];
        assert_eq!([served, failed, in_flight], [cohort.served, cohort.failed, cohort.in_flight]);
        assert_eq!(refused, cohort.refused.values().sum::<u64>());
        assert_eq!(cohort.latency.iter().map(|[_, calls]| calls).sum::<u64>(), cohort.served);
        assert_eq!(cohort.consumers_played(), u64::from(world.scenario.cohorts[number as usize].count));
        for (cause, refused) in &cohort.refused {
            let consumers = cohort.consumers_refused[cause];
            assert!(consumers > 0 && consumers <= cohort.consumers_played() && consumers <= *refused);
        }
        assert_eq!(cohort.refused.len(), cohort.consumers_refused.len());
    }
}

/// All attempts at the calls of a consumer: of each call that is made there is a first, and the others follow one by one.
fn tried(world: &World, consumer: Consumer) -> Vec<Call> {
    let mut left: Vec<_> = with_follow_ups(world, consumer, offered(world, consumer));
    left.reverse();
    let mut attempts: Vec<Call> = Vec::new();
    for Entry { now, event } in log::record(world, consumer, &mut Scratch::default()).unwrap().log {
        let Event::Decided { call, attempt, route, .. } = event else { continue };
        if attempt == 1 {
            let first = left.pop().unwrap();
            assert_eq!((first.index, first.at, first.route), (call, now.traffic, route));
            attempts.push(first);
            continue;
        }
        let before = attempts.iter().rev().find(|before| before.index == call).unwrap();
        assert!(before.attempt + 1 == attempt && before.at <= now.traffic && before.route == route);
        attempts.push(Call { attempt, at: now.traffic, ..*before });
    }
    assert!(left.is_empty(), "a call was not made");
    attempts
}

/// The calls of a consumer's schedule that reactions have left: up to where one has made them leave, and without those that
/// who has slowed down does not make.
fn offered(world: &World, consumer: Consumer) -> Vec<Call> {
    let mut party = world.open(consumer).unwrap();
    let fewer = |act| matches!(act, Act::Churn | Act::SlowDown { .. });
    if !world.scenario.cohorts[consumer.cohort as usize].reactions.iter().any(|one| fewer(one.act)) {
        return world.calls(consumer).collect();
    }
    // Whether a call is made depends on what was refused before: it is played again, call by call.
    let log = log::record(world, consumer, &mut Scratch::default()).unwrap().log;
    let mut calls = Vec::new();
    let mut entries = log.iter().peekable();
    for call in world.calls(consumer) {
        let now = world.schedule.pace().clock.at(call.at);
        while let Some(entry) = entries.next_if(|entry| comes_before(world, consumer, entry, &call)) {
            again(world, &mut party, entry);
        }
        world.catch_up(&mut party, now).unwrap();
        if party.has_left() {
            break;
        }
        if world.makes(&party, call.index) {
            calls.push(call);
        }
    }
    calls
}

/// With the calls that follow others in sessions, each a think time after the one before it has come to its end.
fn with_follow_ups(world: &World, consumer: Consumer, first: Vec<Call>) -> Vec<Call> {
    let Some(follow_ups) = world.schedule.follow_ups(consumer) else { return first };
    let (mut first, mut calls) = (first.into_iter(), Vec::new());
    let (mut open, mut over) = (BTreeMap::new(), BTreeMap::new());
    for Entry { now, event } in log::record(world, consumer, &mut Scratch::default()).unwrap().log {
        match event {
            Event::Decided { call, attempt, decision, .. } => {
                match decision {
                    Decision::Admit(admission) => _ = open.insert(admission.hold, call),
                    Decision::Refuse(_) => _ = over.insert(call, now.traffic),
                }
                if attempt == 1 && call % Sessions::PLACES == 0 {
                    calls.push(first.next().unwrap());
                } else if attempt == 1 {
                    calls.push(follow_ups.after(call - 1, over[&(call - 1)]).unwrap());
                }
            }
            // What ends after its client has given up was over then.
            Event::Served { hold, .. } | Event::Failed { hold, .. } | Event::GaveUp { hold, .. } => {
                over.extend(open.remove(&hold).map(|call| (call, now.traffic)));
            }
            Event::Heard(_) => {}
        }
    }
    calls.extend(first);
    calls
}

/// At one moment answers come first, then the calls of the schedule in their order, then what is made again or follows.
fn comes_before(world: &World, consumer: Consumer, entry: &Entry, other: &Call) -> bool {
    if entry.now.traffic != other.at {
        return entry.now.traffic < other.at;
    }
    match entry.event {
        Event::Decided { call, attempt, .. } => {
            attempt == 1 && call < other.index && call % world.schedule.step(consumer) == 0
        }
        Event::Served { .. } | Event::Failed { .. } | Event::Heard(_) => true,
        Event::GaveUp { .. } => false,
    }
}

fn again(world: &World, party: &mut Party, entry: &Entry) {
    world.catch_up(party, entry.now).unwrap();
    match entry.event {
        Event::Decided { route, attempt, .. } => drop(world.request(party, entry.now, route, attempt).unwrap()),
        Event::Served { hold, usage } => world.served(party, entry.now, hold, &usage).unwrap(),
        Event::GaveUp { hold, sent } => world.gave_up(party, entry.now, hold, &sent).unwrap(),
        Event::Failed { hold, failure, used } => world.failed(party, entry.now, hold, failure.hop, &used).unwrap(),
        Event::Heard(came) => _ = world.heard(party, entry.now, came).unwrap(),
    }
}

/// What an outcome says about collecting, about money and about units is the sum over its accounts, number by number.
#[test]
fn an_outcome_is_the_sum_of_its_accounts() {
    let seen = Cell::new(Tally::default());
    for_seeds(1_400..1_900, |_, world| {
        let whole = play_all(world);
        let record = |consumer| log::record(world, consumer, &mut Scratch::default()).unwrap().account;
        let accounts: Vec<_> = world.consumers().map(record).collect();
        for (number, cohort) in (0..).zip(&whole.cohorts) {
            let of_cohort = || accounts.iter().filter(|account| account.consumer().cohort == number);
            let mut sum = seen.take();
            for count in Count::ALL {
                let counted: u64 = of_cohort().map(|account| account.tally().of(count)).sum();
                assert_eq!(cohort.count(count), counted, "{count:?}");
            }
            for movement in Movement::ALL {
                let moved = |account: &Account| i128::from(account.books().moved(movement).nanos());
                assert_eq!(cohort.moved(movement), of_cohort().map(moved).sum::<i128>());
            }
            let paid = |k: usize| of_cohort().map(|account| account.tally().paid_by_attempt[k]).sum::<u64>();
            assert_eq!(cohort.paid_by_attempt, (0..8).map(paid).collect::<Vec<_>>());
            for (meter, units) in world.scenario.meters.iter().enumerate() {
                let unit = |pick: fn(&Units) -> &PerMeter<u64>| -> u64 {
                    of_cohort().map(|account| pick(&account.tally().units)[meter]).sum()
                };
                let summed = Billed {
                    included: unit(|units| &units.included),
                    credited: unit(|units| &units.credited),
                    billed: unit(|units| &units.billed),
                    unbilled: unit(|units| &units.unbilled),
                };
                assert_eq!(cohort.units[&units.name], summed);
            }
            of_cohort().for_each(|account| sum.add(account.tally()));
            seen.set(sum);
        }
    });
    let seen = seen.take();
    let never: Vec<_> = Count::ALL.into_iter().filter(|count| seen.of(*count) == 0).collect();
    // Fifteen attempts on one invoice are a story of their own; and what is asked for again has been heard of before.
    assert_eq!(never, [Count::Excess, Count::Stale], "else a number that is seldom there was never seen");
}

/// Consumers refused for a cause, counted one by one.
#[test]
fn a_consumer_that_was_refused_is_counted_once_per_cause() {
    for_seeds(1_300..1_330, |_, world| {
        let whole = play_all(world);
        for (number, cohort) in whole.cohorts.iter().enumerate() {
            for cause in Cause::ALL {
                let alone = |index| {
                    let mut parts = vec![Vec::new(); whole.cohorts.len()];
                    parts[number].push([index, index + 1]);
                    play(world, &parts).refused(cause) > 0
                };
                let met = (0..world.scenario.cohorts[number].count).filter(|index| alone(*index)).count() as u64;
                assert_eq!(cohort.consumers_refused.get(cause.name()).copied().unwrap_or(0), met);
            }
        }
    });
}

/// Accounts that only a customer's side can fill, and those that only the seller's can.
const NEVER_NEGATIVE: [LedgerAccount; 4] = [Opening, Receivable, BadDebt, Promotion];
const NEVER_POSITIVE: [LedgerAccount; 5] = [Deferred, Earned, Promotional, HeldPromotional, Spent];

/// The ledger sums to zero, no account is on the wrong side, and what was invoiced, granted and deferred is all found
/// again: collected, outstanding or written off; spent, held or left; earned, reversed or still to be earned.
#[test]
fn the_books_of_every_outcome_balance() {
    for_plain_seeds(2_000..2_300, |_, world| {
        let outcome = play_all(world);
        let balance = |account| outcome.balance(account);
        assert_eq!(LedgerAccount::ALL.map(balance).iter().sum::<i128>(), 0);
        assert!(NEVER_NEGATIVE.map(balance).iter().all(|amount| *amount >= 0) && balance(Cash) >= 0);
        assert!(NEVER_POSITIVE.map(balance).iter().all(|amount| *amount <= 0));
        let moved = |movement| outcome.moved(movement);
        assert_eq!(moved(Movement::Invoice), balance(Cash) + balance(Receivable) + moved(Movement::WriteOff));
        assert_eq!(moved(Movement::Grant), -balance(Promotional) - balance(HeldPromotional) - balance(Spent));
        let deferred = moved(Movement::CarryForward) + moved(Movement::Invoice);
        assert_eq!(deferred, -balance(Earned) - balance(Deferred) + moved(Movement::Reverse));
        for cohort in &outcome.cohorts {
            let paid = cohort.paid_by_attempt.iter().sum::<u64>();
            assert_eq!(cohort.count(Count::Attempts), cohort.count(Count::Declined) + paid);
            let [late, expired] = [Count::Late, Count::ExpiredHolds].map(|count| cohort.count(count));
            assert!(late <= expired && expired <= cohort.offered());
        }
    });
}

/// Invariant 10. The population in up to seven parts, cut and handed out at random, merged in a random order: the same
/// outcome as the whole, again and again. A part that is merged twice is refused, and nothing is changed by the attempt.
#[test]
fn parts_merged_in_any_order_are_the_whole() {
    for_seeds(3_000..3_100, merges_to_the_whole);
}

pub(super) fn merges_to_the_whole(seed: u64, world: &World) {
    let dice = &mut Dice::new(seed + 77);
    let mut parts = vec![vec![Vec::new(); world.scenario.cohorts.len()]; 1 + dice.below(7) as usize];
    for Consumer { cohort, index } in world.consumers() {
        let part = dice.below(parts.len() as u64) as usize;
        parts[part][cohort as usize].push([index, index + 1]);
    }
    let mut outcomes: Vec<Outcome> = parts.iter().map(|part| play(world, part)).collect();
    let mut merged = outcomes.swap_remove(dice.below(outcomes.len() as u64) as usize);
    while !outcomes.is_empty() {
        let other = outcomes.swap_remove(dice.below(outcomes.len() as u64) as usize);
        merged.merge(&other).unwrap();
    }
    let whole = play(world, &everyone(world));
    assert_eq!(merged, whole);
    assert_eq!(play(world, &everyone(world)), whole);

    let mut some = vec![Vec::new(); whole.cohorts.len()];
    let last = whole.cohorts.len() - 1;
    let index = dice.below(world.scenario.cohorts[last].count.into()) as u32;
    some[last].push([index, index + 1]);
    let twice = merged.merge(&play(world, &some)).unwrap_err();
    assert_eq!(twice, MergeError::Overlap { cohort: whole.cohorts[last].cohort.clone(), index });
    assert_eq!(merged, whole);
}

type Change = fn(&mut Outcome);

/// Outcomes of another seed, scenario, horizon or layout are no parts of this one.
#[test]
fn outcomes_of_different_runs_are_not_merged() {
    let part = play(&world(drawn::plain(1)), &[vec![], vec![], vec![], vec![]]);
    let changes: [(&str, Change); 5] = [
        ("seed", |outcome| outcome.seed += 1),
        ("scenario", |outcome| outcome.fingerprint.push('0')),
        ("scenario", |outcome| drop(outcome.cohorts.pop())),
        ("horizon", |outcome| outcome.horizon_ns += 1),
        ("schema", |outcome| outcome.schema += 1),
    ];
    for (what, change) in changes {
        let mut other = part.clone();
        change(&mut other);
        assert_eq!(part.clone().merge(&other), Err(MergeError::Differs(what)));
    }
    assert_eq!(part.clone().merge(&part), Ok(()));
}

/// Every field of an outcome is carried over by a merge: parts whose every number is another sum up, number by number.
#[test]
fn a_merge_adds_every_number() {
    let scenario = Scenario::new("sums", days(1));
    let mut left = Outcome::new(&scenario, 1, &Recorder::new(0), &[]);
    let mut right = left.clone();
    let failed_as =
        |upstream: &str| FailedAs { upstream: upstream.to_owned(), cause: "upstream_402".to_owned(), status: 402 };
    let again = |n| Again {
        served: n,
        failed: 2 * n,
        failures: [(failed_as("api"), n), (failed_as("db"), n)].into(),
        in_flight: 3 * n,
        refused: [("x".to_owned(), 4 * n)].into(),
        recovered: 5 * n,
    };
    let route = |n| RouteOutcome {
        served: n,
        failed: 2 * n,
        failures: [(failed_as("api"), n), (failed_as("db"), n)].into(),
        in_flight: 3 * n,
        refused: [("x".to_owned(), 4 * n)].into(),
        again: again(6 * n),
    };
    let wrong = |n: u64| -> BTreeMap<_, _> {
        [("x".to_owned(), WrongAnswers { count: n, value: Nanos(2 * i128::from(n)), unstated: 3 * n })].into()
    };
    let judged = |n: u64| JudgedRoute {
        served_rightly: n,
        refused_rightly: 2 * n,
        false_refusals: wrong(3 * n),
        leaks: wrong(4 * n),
    };
    let cohort = |from: u32, n: u64| CohortOutcome {
        cohort: "c".to_owned(),
        plan: "p".to_owned(),
        consumers: 100,
        played: vec![[from, from + 3]],
        served: n,
        failed: 27 * n,
        in_flight: 2 * n,
        retried: 30 * n,
        recovered: 31 * n,
        refused: [("x".to_owned(), 3 * n)].into(),
        consumers_refused: [("x".to_owned(), 4 * n)].into(),
        usage: [(
            "m".to_owned(),
            Usage { served: 5 * n, failed: 26 * n, in_flight: 6 * n, refused: 7 * n, unheard: 58 * n },
        )]
        .into(),
        moved: [("y".to_owned(), Nanos(8 * i128::from(n)))].into(),
        units: [("m".to_owned(), Billed { included: 9 * n, credited: 10 * n, billed: 20 * n, unbilled: 21 * n })]
            .into(),
        counts: [("z".to_owned(), 22 * n)].into(),
        paid_by_attempt: (0..8).map(|k| (11 + k) * n).collect(),
        latency: vec![[1_000, 24 * n], [2_000, 25 * n]],
        latency_sum_ns: Nanos(48 * i128::from(n)),
        latency_max_ns: if n == 1 { 1 } else { 1_999 },
        recovery: vec![[3_000, 49 * n]],
        first_token: vec![[1_000, 50 * n], [3_000, 51 * n]],
        dunned: Dunned {
            blocked_ns: Nanos(52 * i128::from(n)),
            recovered_by_day: vec![53 * n, 54 * n],
            recovered_ns: Nanos(55 * i128::from(n)),
        },
        billed_given_up: Nanos(59 * i128::from(n)),
        given_back: Nanos(64 * i128::from(n)),
        heard: Heard {
            late: vec![[4_000, 60 * n]],
            late_ns: Nanos(61 * i128::from(n)),
            late_max_ns: if n == 1 { 1 } else { 3_999 },
            wrongly_blocked_ns: Nanos(62 * i128::from(n)),
            wrongly_served_ns: Nanos(63 * i128::from(n)),
        },
        first_success: vec![[2_000, 56 * n]],
        refused_demand: vec![Demand {
            plan: "p".to_owned(),
            version: 1,
            meter: "m".to_owned(),
            units: 57 * n,
            price: Some(ListPrice { amount: Nanos(3), per: 2 }),
        }],
        routes: [("/".to_owned(), route(28 * n))].into(),
        oracle: Some(Judged {
            routes: [("/".to_owned(), judged(52 * n))].into(),
            overshoot: [("m".to_owned(), 53 * n)].into(),
            deepest_overdraft: Nanos(if n == 1 { 1 } else { 1_999 }),
        }),
        timeline: Timeline {
            offered: vec![32 * n, 33 * n],
            served: vec![34 * n, 35 * n],
            refused: [("billing".to_owned(), vec![36 * n, 37 * n])].into(),
            invoiced: vec![Nanos(38 * i128::from(n)), Nanos(39 * i128::from(n))],
        },
        moments: Some(Moments {
            earned: 40 * i128::from(n),
            earned_squares: 41 * i128::from(n),
            offered_squares: 42 * i128::from(n),
            refused_squares: 43 * i128::from(n),
            offered_refused: 44 * i128::from(n),
            calls_squares: 45 * i128::from(n),
            calls_refused_squares: 46 * i128::from(n),
            calls_calls_refused: 47 * i128::from(n),
        }),
    };
    left.cohorts.push(cohort(0, 1));
    right.cohorts.push(cohort(3, 10));
    left.merge(&right).unwrap();
    let mut expected = cohort(0, 11);
    expected.played = vec![[0, 6]];
    assert_eq!(left.cohorts, [expected]);
}

/// One jump to the end does what a thousand steps do, each thing at its own moment: renewals, retries, holds that expire.
#[test]
fn a_jump_is_a_thousand_steps() {
    for_seeds(4_000..4_150, jumps_as_it_steps);
    for_plain_seeds(4_000..4_300, jumps_as_it_steps);
}

pub(super) fn jumps_as_it_steps(_: u64, world: &World) {
    let clock = world.schedule.pace().clock;
    for consumer in world.consumers() {
        let mut jumping = world.open(consumer).unwrap();
        // A few calls in flight, so that holds expire.
        let began = world.schedule.joins(consumer).map_or(Time::START, |joins| clock.traffic_at(joins));
        if began >= world.end().traffic {
            continue;
        }
        for second in 0..5 {
            let now = clock.at((began + secs(second)).min(world.end().traffic - Span::from_ns(1)));
            world.catch_up(&mut jumping, now).unwrap();
            let _ = world.request(&mut jumping, now, 0, 1).unwrap();
        }
        let mut stepping = jumping.clone();
        let (from, to) = (jumping.account().seen.traffic.ns(), world.end().traffic.ns() - 1);
        for step in 0..=1_000 {
            let at = from + (i128::from(to - from) * step / 1_000) as i64;
            world.catch_up(&mut stepping, clock.at(Time::from_ns(at))).unwrap();
        }
        world.close(&mut stepping, world.end()).unwrap();
        world.close(&mut jumping, world.end()).unwrap();
        for party in [&mut stepping, &mut jumping] {
            party.account = state(&party.account);
        }
        assert_eq!(jumping, stepping);
    }
}

/// What was played is written down; played again through a fresh account, and told to a fresh recorder, it is the same
/// to the last number. Written over so that every third answer is a failure, it still accounts for each call and unit.
#[test]
fn a_log_played_again_is_what_was_logged() {
    for_seeds(6_000..6_150, replays_as_logged);
    for_plain_seeds(6_000..6_200, replays_as_logged);
}

pub(super) fn replays_as_logged(_: u64, world: &World) {
    let (mut told, mut failing) = [0; 2].map(|_| recorder(world)).into();
    let mut failures = 0;
    for consumer in world.consumers() {
        let history = log::record(world, consumer, &mut Scratch::default()).unwrap();
        let again = |log: &[Entry], decided: fn(Replayed)| log::replay(world, consumer, log, world.end(), decided);
        let account = again(&history.log, |replayed| assert_eq!(replayed.decision, replayed.logged)).unwrap();
        assert_eq!(state(&account), state(&history.account));
        history.tell(world, &mut told);

        let mut log = history.log.clone();
        let mut given_up = BTreeSet::new();
        for (place, entry) in log.iter_mut().enumerate() {
            if let Event::GaveUp { hold, .. } = entry.event {
                given_up.insert(hold);
            }
            // What its client has given up has failed before.
            if let Event::Served { hold, usage } = entry.event
                && place % 3 == 0
                && !given_up.contains(&hold)
            {
                let failure = Failure::answered(0, FAILED);
                entry.event = Event::Failed { hold, failure, used: usage };
                failures += 1;
            }
        }
        let account = again(&log, drop).unwrap();
        History { log, account, ..history }.tell(world, &mut failing);
    }
    let horizon_ns = world.end().traffic.ns().cast_unsigned();
    let outcome = |recorder| Outcome::new(&world.scenario, horizon_ns, recorder, &everyone(world));
    let whole = play_all(world);
    assert_eq!(outcome(&told), whole);
    let failing = outcome(&failing);
    let failed = |outcome: &Outcome| outcome.cohorts.iter().map(|cohort| cohort.failed).sum::<u64>();
    assert_eq!(failed(&failing), failed(&whole) + failures);
    for (cohort, without) in failing.cohorts.iter().zip(&whole.cohorts) {
        assert_eq!(cohort.offered(), without.offered());
        assert_eq!(cohort.usage["requests"].failed, cohort.failed);
        for (meter, usage) in &cohort.usage {
            let before = &without.usage[meter];
            assert_eq!(usage.served + usage.failed, before.served + before.failed);
        }
    }
}

/// What each consumer was refused for a cause.
fn refused_each(world: &World, cause: Cause) -> Vec<u64> {
    let count = world.scenario.cohorts[0].count;
    (0..count).map(|index| play(world, &[vec![[index, index + 1]]]).refused(cause)).collect()
}

/// A larger allowance of requests never refuses anyone more often, nor a longer grace; and over all consumers each step
/// makes a difference.
#[test]
fn more_quota_and_more_grace_never_refuse_more() {
    let never_more = |cause, worlds: Vec<World>| {
        let counts: Vec<_> = worlds.iter().map(|world| refused_each(world, cause)).collect();
        for pair in counts.windows(2) {
            assert!(pair[0].iter().zip(&pair[1]).all(|(less, more)| less >= more), "{cause:?}");
            assert!(pair[0].iter().sum::<u64>() > pair[1].iter().sum(), "{cause:?}");
        }
    };
    let with_quota = |quota| {
        let plan = Plan { usage_period: Some(Period::Day), allowance: requests(quota), ..Plan::new("daily") };
        let mut scenario = scenario(days(20), plan, Cohort::new("all", 30, poisson(secs(7_200))));
        // Some calls are in flight across midnight.
        scenario.upstreams[0].latency = crate::distribution::Distribution::Constant(300e9);
        world(scenario)
    };
    never_more(Cause::QuotaExhausted, [0, 1, 5, 10, 14, 18].map(with_quota).into());
    let with_grace = |grace| {
        let plan = Plan { fee: dollars(30), fee_period: Some(Period::Month), grace, ..Plan::new("monthly") };
        let mut cohort = Cohort::new("all", 200, poisson(days(1)));
        cohort.card = Some(Card::declining(Chance::of(1, 2)));
        let mut scenario = scenario(days(100), plan, cohort);
        let retries = [3, 5, 7].map(days).to_vec();
        scenario.payments.dunning = Dunning { retries, finally: Finally::Keep, ..Dunning::default() };
        world(scenario)
    };
    never_more(Cause::PastDue, [Span::ZERO, days(2), days(5), days(12), days(30)].map(with_grace).into());
}

/// Nothing fails and nothing limits: all calls are served, each renewal is invoiced and paid at once, and money is the
/// fee times the number of days.
#[test]
fn without_limits_and_failures_all_is_plain_arithmetic() {
    let plan = Plan { fee: dollars(3), fee_period: Some(Period::Day), ..Plan::new("daily") };
    let mut scenario = scenario(days(25), plan, Cohort::new("all", 40, poisson(secs(3_000))));
    scenario.plans.push(Plan::new("free"));
    scenario.cohorts.push(Cohort { plan: 1, ..Cohort::new("free", 40, poisson(secs(3_000))) });
    let world = world(scenario);
    let outcome = play_all(&world);
    let calls = |cohort| {
        let of = world.consumers().filter(move |consumer| consumer.cohort == cohort);
        of.map(|consumer| world.calls(consumer).count() as u64).sum::<u64>()
    };
    let [daily, free] = &outcome.cohorts[..] else { panic!("two cohorts") };
    assert_eq!([daily.served, free.served], [calls(0), calls(1)]);
    for cohort in [daily, free] {
        assert!(cohort.in_flight == 0 && cohort.refused.is_empty() && cohort.consumers_refused.is_empty());
    }
    assert_eq!((free.moved.len(), free.count(Count::Attempts)), (0, 0));
    // Each consumer renews once a day, at its own second. Who was anchored a whole day back would do so at both ends of
    // the horizon; of forty, nobody is.
    assert_eq!(daily.paid_by_attempt, [40 * 25, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        (daily.moved(Movement::Invoice), daily.moved(Movement::Capture)),
        (3_000 * 1_000_000_000, 3_000 * 1_000_000_000)
    );
    assert_eq!(daily.moved(Movement::Earn), 3_000 * 1_000_000_000);
    assert_eq!(outcome.balance(Receivable), 0);
}

/// Played at another pace, the load that `live` asks for keeps the books as well, whatever its clock.
#[test]
fn a_scaled_load_keeps_the_books_too() {
    for_plain_seeds(5_000..5_200, |seed, plain| {
        let mut live = plain.scenario.live.clone();
        live.duration = secs(30);
        live.rate_per_s = [0.01, 1.0, 20.0][seed as usize % 3];
        let world = World::scaled(Arc::clone(&plain.scenario), &live).unwrap();
        let outcome = play_all(&world);
        assert_eq!(LedgerAccount::ALL.map(|account| outcome.balance(account)).iter().sum::<i128>(), 0);
        let calls: usize = world.consumers().map(|consumer| world.calls(consumer).count()).sum();
        assert_eq!(outcome.cohorts.iter().map(CohortOutcome::offered).sum::<u64>(), calls as u64);
    });
}
