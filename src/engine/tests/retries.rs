//! Stories of clients that try again, attempt by attempt.

use std::sync::Arc;

use super::{days, dollars, play_all, requests, scenario, secs, world};
use crate::billing::cause::Cause;
use crate::billing::gate::Decision;
use crate::billing::ledger::Movement;
use crate::draw::Chance;
use crate::log::{self, Entry, Event, History};
use crate::model::{
    AppliesTo, Arrivals, Change, Client, Cohort, Delay, Errors, Failures, Joined, Length, Limit, Live, On402, Period,
    Plan, Prepaid, Price, Rate, Retry, RetryAfter, Scenario, Trace, TraceRow, UnitPrice,
};
use crate::money::Money;
use crate::outcome::{Again, FailedAs, Nanos, Outcome, RouteOutcome};
use crate::sim::Scratch;
use crate::time::{Clock, SECOND, Span, Time};
use crate::world::World;
use crate::world::schedule::Drawn;

/// One consumer, on the plan from the start, who calls at these seconds.
fn calling(plan: Plan, client: &Client, seconds: &[u64]) -> Scenario {
    let row = |second: &u64| TraceRow { at: secs(*second), consumer: None, usage: [1, 0, 0, 0] };
    let rows = seconds.iter().map(row).collect();
    let arrivals = Arrivals::Trace(Trace { rows, most: [1, 0, 0, 0], ..Trace::default() });
    let cohort = Cohort { joined: Joined::Start, client: *client, ..Cohort::new("one", 1, arrivals) };
    scenario(days(1), plan, cohort)
}

fn client(attempts: u32, on: Failures, wait: Span) -> Client {
    let none = Client::none();
    Client { retry: Retry { on, attempts, delay: Delay::constant(wait), ..none.retry }, ..none }
}

/// When each attempt was decided, in seconds; which call's, which attempt's, and what refused it.
fn attempts(scenario: Scenario) -> Vec<(u64, u64, u32, Option<Cause>)> {
    let history = log::record(&world(scenario), super::FIRST, &mut Scratch::default()).unwrap();
    let decided = history.log.iter().filter_map(|entry| match entry.event {
        Event::Decided { call, attempt, decision, .. } => {
            let refused = if let Decision::Refuse(cause) = decision { Some(cause) } else { None };
            Some((entry.now.traffic.ns().cast_unsigned() / SECOND, call, attempt, refused))
        }
        _ => None,
    });
    decided.collect()
}

/// Nothing is left of the allowance after the first call.
fn one_call() -> Plan {
    Plan { usage_period: Some(Period::Day), allowance: requests(1), ..Plan::new("one call") }
}

/// Every ten seconds, and no attempt that would begin more than 35 s after the first began; a later call of the same
/// consumer goes its own way between them.
#[test]
fn a_client_gives_up_so_long_after_its_first_attempt() {
    let mut client = client(100, Failures::CLIENT, secs(10));
    client.retry.give_up_after = Some(secs(35));
    let refused = Some(Cause::QuotaExhausted);
    assert_eq!(
        attempts(calling(one_call(), &client, &[0, 100, 115])),
        [
            (0, 0, 1, None),
            (100, 1, 1, refused),
            (110, 1, 2, refused),
            (115, 2, 1, refused),
            (120, 1, 3, refused),
            (125, 2, 2, refused),
            (130, 1, 4, refused),
            (135, 2, 3, refused),
            (145, 2, 4, refused),
        ]
    );
}

/// One token in 60.4 s, of which the first call takes the only one. The second would find one in 55.4 s, is told 56, and
/// passes then.
#[test]
fn a_client_that_reads_retry_after_comes_back_when_there_is_a_token() {
    let limit = Limit::TokenBucket { rate: Rate { requests: 1, per: Span::from_ns(60_400_000_000) }, burst: 1 };
    let plan = Plan { limits: vec![limit], ..Plan::new("slow") };
    let mut client = client(2, Failures::CLIENT, secs(1));
    client.retry.retry_after = Some(RetryAfter::HONOUR);
    let limited = Some(Cause::RateLimited);
    assert_eq!(attempts(calling(plan, &client, &[0, 5])), [(0, 0, 1, None), (5, 1, 1, limited), (61, 1, 2, None)]);
}

/// One call a day is allowed: the second of 0:10 is told to wait until the next day begins, and is served then. A client that
/// waits for a `Retry-After` waits for no other cause of a 402.
#[test]
fn a_client_that_waits_as_told_comes_back_with_the_next_period() {
    let mut plan = Plan { usage_period: Some(Period::Day), allowance: requests(1), ..Plan::new("free") };
    let client = Client { on_402: On402::WaitRetryAfter, ..client(3, Failures::NONE, secs(1)) };
    let used_up = Some(Cause::QuotaExhausted);
    let two_days = |plan, seconds| Scenario { horizon: days(2), ..calling(plan, &client, seconds) };
    assert_eq!(
        attempts(two_days(plan.clone(), &[0, 600])),
        [(0, 0, 1, None), (600, 1, 1, used_up), (86_400, 1, 2, None)]
    );
    // Where the next day allows nothing either, nobody knows how long to wait.
    plan.allowance = requests(0);
    assert_eq!(attempts(two_days(plan, &[600])), [(600, 0, 1, used_up)]);
}

/// The wait is one of the wall's clock, in whole seconds: with twelve hours of billing to an hour, 23 hours and 50 minutes
/// of the day are 7,150 s. In a trial, without a period, and where the plan's next version allows nothing, there is none.
#[test]
fn only_a_period_that_surely_renews_is_waited_for() {
    let plan = Plan { usage_period: Some(Period::Day), allowance: requests(1), ..Plan::new("free") };
    let waits = |scenario: Scenario, pace: u64| {
        let live = Live {
            rate_per_s: 1.0,
            duration: secs(86_400),
            clock: Some(Clock::new(secs(pace), secs(1))),
            ..scenario.live.clone()
        };
        let world = World::scaled(Arc::new(scenario), &live).unwrap();
        let mut party = world.open(super::FIRST).unwrap();
        let clock = Clock::new(secs(pace), secs(1));
        let now = clock.at(clock.traffic_at(Time::START + secs(600)));
        world.catch_up(&mut party, now).unwrap();
        world.retry_after(&party, now, 0, Cause::QuotaExhausted).map(|wait| wait.ns() / SECOND)
    };
    let scenario = |plan: &Plan| calling(plan.clone(), &Client::none(), &[0]);
    assert_eq!(waits(scenario(&plan), 1), Some(85_800));
    assert_eq!(waits(scenario(&plan), 12), Some(7_150));
    assert_eq!(waits(scenario(&plan), 7), Some(12_258), "85,800 s are 12,257.1 of them, rounded up");
    assert_eq!(waits(scenario(&Plan { usage_period: None, ..plan.clone() }), 1), None);
    assert_eq!(waits(scenario(&Plan { trial: Some(Length::Months(1)), ..plan.clone() }), 1), None);
    let mut downgraded = scenario(&plan);
    downgraded.changes.push(Change {
        at: secs(7_000),
        plan: 0,
        becomes: Plan { allowance: requests(0), ..plan.clone() },
        applies_to: AppliesTo::AtRenewal,
    });
    assert_eq!(waits(downgraded, 1), None);
}

/// Each call costs a dollar, and two were opened with: the third buys as much again, and is served a second later.
#[test]
fn a_client_that_tops_up_is_served_at_its_next_attempt() {
    let price = Price::PerUnit(UnitPrice { amount: dollars(1), per: 1 });
    let mut plan = Plan { prepaid: Some(Prepaid::opening(dollars(2))), ..Plan::new("prepaid") };
    plan.prices[0] = Some(price);
    let client = Client { on_402: On402::TopUpThenRetry, ..client(3, Failures::NONE, secs(1)) };
    let scenario = calling(plan, &client, &[0, 10, 20, 30]);
    let history = log::record(&world(scenario.clone()), super::FIRST, &mut Scratch::default()).unwrap();
    assert_eq!(history.account.books().moved(Movement::InvoiceCredit), dollars(2));
    assert_eq!(history.account.credit(), Money::ZERO);
    let short = Some(Cause::CreditExhausted);
    let served = |second, call, attempt| (second, call, attempt, None);
    assert_eq!(
        attempts(scenario),
        [served(0, 0, 1), served(10, 1, 1), (20, 2, 1, short), served(21, 2, 2), served(30, 3, 1)]
    );
}

/// While the processor thinks, a second call is refused for lack of credit too: nothing is bought twice.
#[test]
fn a_client_tops_up_once_at_a_time() {
    let mut plan = Plan { prepaid: Some(Prepaid::opening(dollars(1))), ..Plan::new("prepaid") };
    plan.prices[0] = Some(Price::PerUnit(UnitPrice { amount: dollars(1), per: 1 }));
    let client = Client { on_402: On402::TopUpThenRetry, ..client(2, Failures::NONE, secs(60)) };
    let mut scenario = calling(plan, &client, &[0, 10, 11]);
    scenario.payments.processor.latency = crate::distribution::Distribution::Constant(5.0 * SECOND as f64);
    let history = log::record(&world(scenario), super::FIRST, &mut Scratch::default()).unwrap();
    // The third call's second attempt finds the dollar of the second's gone, and buys one more.
    assert_eq!(history.account.books().moved(Movement::InvoiceCredit), dollars(2));
}

/// Of a call and a retry at one moment, the call goes first.
#[test]
fn a_new_call_goes_before_a_retry_of_the_same_moment() {
    let client = client(2, Failures::CLIENT, secs(10));
    let order: Vec<_> = attempts(calling(one_call(), &client, &[0, 100, 110]))
        .into_iter()
        .map(|(second, call, attempt, _)| (second, call, attempt))
        .collect();
    assert_eq!(order, [(0, 0, 1), (100, 1, 1), (110, 2, 1), (110, 1, 2), (120, 2, 2)]);
}

/// An upstream that always fails: every attempt costs what it used, none is billed, and the call is never served.
#[test]
fn what_fails_upstream_is_tried_again_and_costs_each_time() {
    let mut scenario = calling(one_call(), &client(3, Failures::SERVER, secs(2)), &[0]);
    scenario.upstreams[0].errors = Chance::of(1, 1).into();
    scenario.upstreams[0].latency = crate::distribution::Distribution::Constant(SECOND as f64);
    scenario.upstreams[0].cost[0] = Some(UnitPrice { amount: Money::from_nanos(7), per: 1 });
    let cohort = &play_all(&world(scenario.clone())).cohorts[0];
    assert_eq!([cohort.failed, cohort.served, cohort.retried, cohort.recovered], [3, 0, 2, 0]);
    assert_eq!((cohort.calls(), cohort.routes["/"].again.failed, cohort.routes["/"].calls().failed), (1, 2, 1));
    assert_eq!(cohort.moved(Movement::Cost), 21);
    assert_eq!(attempts(scenario), [(0, 0, 1, None), (3, 0, 2, None), (6, 0, 3, None)]);
}

/// What each client does about a 402 that an upstream said: it is no demand on the consumer, so nobody buys credit, pays
/// for the call or waits; only a client that tries again on any 402 does so.
#[test]
fn a_402_of_an_upstream_is_a_failure_as_any_other() {
    let prepaid = || {
        let mut plan = one_call();
        plan.prepaid = Some(Prepaid::opening(dollars(5)));
        plan
    };
    for (on, on_402, made) in [
        (Failures::SERVER, On402::Fail, 1),
        (Failures::PAYMENT_REQUIRED, On402::Fail, 3),
        (Failures::SERVER, On402::TopUpThenRetry, 1),
        (Failures::SERVER, On402::PayOnce, 1),
        (Failures::SERVER, On402::WaitRetryAfter, 1),
    ] {
        let client = Client { on_402, ..client(3, on, secs(2)) };
        let mut scenario = calling(prepaid(), &client, &[0]);
        scenario.upstreams.push(crate::model::Upstream::new("paid"));
        scenario.upstreams[0].calls = vec![1];
        scenario.upstreams[1].errors = Errors::of([(402, Chance::of(1, 1))]).unwrap();
        let cohort = &play_all(&world(scenario.clone())).cohorts[0];
        let unpaid = FailedAs { upstream: "paid".into(), cause: "upstream_402".into(), status: 402 };
        assert_eq!((cohort.failed, cohort.failures()), (made, [(unpaid, made)].into()), "{on_402:?}");
        assert_eq!(cohort.moved(Movement::InvoiceCredit), 0);
        assert_eq!(attempts(scenario).len() as u64, made);
    }
}

/// One token in 60.4 s. The first call takes it. The second and the third, at 5 s and 6 s, are both told to come back at
/// 61 s; there the second is served, by a token that is then gone, and the third has no attempt left. Answers take 1 s.
fn one_of_two_comes_through() -> Scenario {
    let limit = Limit::TokenBucket { rate: Rate { requests: 1, per: Span::from_ns(60_400_000_000) }, burst: 1 };
    let mut client = client(2, Failures::CLIENT, secs(1));
    client.retry.retry_after = Some(RetryAfter::HONOUR);
    let mut scenario = calling(Plan { limits: vec![limit], ..Plan::new("slow") }, &client, &[0, 5, 6]);
    scenario.upstreams[0].latency = crate::distribution::Distribution::Constant(SECOND as f64);
    scenario
}

/// Counted by hand: five attempts at three calls, of which three were refused; of the calls one.
#[test]
fn a_call_counts_as_its_last_attempt_has_ended() {
    let cohort = &play_all(&world(one_of_two_comes_through())).cohorts[0];
    let limited = |calls: u64| [("rate_limited".to_owned(), calls)].into();
    assert_eq!((cohort.served, &cohort.refused), (2, &limited(3)));
    assert_eq!((cohort.calls(), cohort.retried, cohort.recovered), (3, 2, 1));
    let route = &cohort.routes["/"];
    assert_eq!(route.again, Again { refused: limited(2), recovered: 1, ..Again::default() });
    assert_eq!((route.calls().served, route.calls().refused), (2, limited(1)));
    // From 5 s, when the call was to be made, to 62 s, when it was answered.
    let [[upper, 1]] = cohort.recovery[..] else { panic!("one call was recovered: {:?}", cohort.recovery) };
    assert!((57 * SECOND..57 * SECOND * 101 / 100).contains(&upper), "{upper}");
    assert_eq!((cohort.latency_sum_ns, cohort.latency_max_ns), (Nanos(2 * i128::from(SECOND)), SECOND));
}

/// A log tells the same, which is all that a load on sockets leaves behind.
#[test]
fn a_log_tells_how_the_last_attempts_have_ended() {
    let world = world(one_of_two_comes_through());
    let history = log::record(&world, super::FIRST, &mut Scratch::default()).unwrap();
    assert_eq!(told(&world, &history), play_all(&world));
}

/// As a gateway may see it whose answer to the first attempt was lost, or never made: served or open, and made again.
#[test]
fn an_attempt_that_was_served_counts_no_more_when_its_client_tries_again() {
    let world = world(calling(Plan::new("free"), &Client::none(), &[0, 10]));
    let mut history = log::record(&world, super::FIRST, &mut Scratch::default()).unwrap();
    for entry in &mut history.log {
        if let Event::Decided { call, attempt, .. } = &mut entry.event {
            (*call, *attempt) = (0, 1 + *call as u32);
        }
    }
    let route = |history: &History| told(&world, history).cohorts[0].routes["/"].clone();
    let (served, calls) = (route(&history), route(&history).calls());
    assert_eq!((served.served, served.again.served, calls.served, calls.again.recovered), (2, 1, 1, 1));
    let first = history.log.iter().position(|entry| matches!(entry.event, Event::Served { .. })).unwrap();
    history.log.remove(first);
    let (open, calls) = (route(&history), route(&history).calls());
    assert_eq!((open.in_flight, open.again.in_flight, calls.in_flight, calls.offered()), (1, 1, 0, 1));
}

/// What a log tells, as an outcome.
fn told(world: &World, history: &History) -> Outcome {
    let mut recorder = super::recorder(world);
    history.tell(world, &mut recorder);
    Outcome::new(&world.scenario, world.end().traffic.ns().cast_unsigned(), &recorder, &super::everyone(world))
}

/// Every call ends in one way, whatever was tried in between: by its first attempts there are as many calls as were made.
#[test]
fn calls_by_their_ending_are_the_calls_that_were_made() {
    super::for_seeds(9_000..9_120, |_, world| {
        let histories = log::record_all(world).unwrap();
        for (cohort, index) in play_all(world).cohorts.iter().zip(0..) {
            let own = histories.iter().filter(|history| history.account.consumer().cohort == index);
            let is_first = |entry: &&Entry| matches!(entry.event, Event::Decided { attempt: 1, .. });
            let first = own.map(|history| history.log.iter().filter(is_first).count() as u64).sum::<u64>();
            let last = || cohort.routes.values().map(RouteOutcome::calls);
            let by_ending = |of: fn(&RouteOutcome) -> u64| last().map(|route| of(&route)).sum::<u64>();
            let refused = by_ending(|route| route.refused.values().sum());
            let ended = [by_ending(|route| route.served), by_ending(|route| route.failed), refused];
            assert_eq!(ended.iter().sum::<u64>() + by_ending(|route| route.in_flight), first);
            assert_eq!(cohort.calls(), first);
        }
    });
}

/// Who has left calls no more, whatever was still to be tried.
#[test]
fn who_has_left_tries_nothing_again() {
    let mut scenario = calling(one_call(), &client(100, Failures::CLIENT, secs(600)), &[0, 100]);
    scenario.cohorts[0].reactions.push(crate::model::Reaction {
        when: crate::model::When::Cause("quota_exhausted"),
        chance: Chance::of(1, 1),
        after: crate::distribution::Distribution::Constant(1_000.0 * SECOND as f64),
        act: crate::model::Act::Churn,
    });
    let refused = Some(Cause::QuotaExhausted);
    assert_eq!(attempts(scenario), [(0, 0, 1, None), (100, 1, 1, refused), (700, 1, 2, refused)]);
}

/// What is drawn for one attempt is drawn for no other, and the first attempts are the streams that all calls have.
#[test]
fn every_attempt_has_draws_of_its_own() {
    let world = world(calling(one_call(), &Client::none(), &[0]));
    let of = |call, attempt| world.schedule.attempt(super::FIRST, Drawn::Latency, call, attempt);
    let mut words: Vec<u64> =
        (0..50).flat_map(|call| (1..=10).map(move |attempt| (call, attempt))).map(|(c, a)| of(c, a)).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 500);
    assert_eq!(of(7, 1), world.schedule.attempts(super::FIRST, Drawn::Latency).word(7));
}
