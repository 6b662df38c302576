//! Clients who wait no longer: what their leaving costs with each `on_client_abort`, and what they do about it. Computed by
//! hand.

use super::component::together;
use super::sessions::{constant, in_sessions, seen};
use super::{days, dollars, play_all, requests, scenario, secs, world};
use crate::billing::cause::{Cause, Failure};
use crate::billing::gate::Decision;
use crate::billing::ledger::Movement::{self, Burn, Cost, CostAbsorbed, Spend};
use crate::billing::tally::Count;
use crate::distribution::Distribution;
use crate::draw::Chance;
use crate::log::{self, Event, History};
use crate::model::OnClientAbort::{self, BillSent, Release, Settle};
use crate::model::{
    Act, Arrivals, Attribute, Breaks, Client, Cohort, Delay, Failures, Fault, Generates, Joined, Limit, Meter, Period,
    Plan, Prepaid, Price, Reaction, Retry, Scenario, Trace, TraceRow, UnitPrice, When,
};
use crate::money::Money;
use crate::outcome::{Billed, FailedAs, Usage};
use crate::sim::Scratch;
use crate::time::{SECOND, Span};

const MODES: [OnClientAbort; 3] = [Settle, Release, BillSent];

fn cents(cents: i64) -> Money {
    Money::from_nanos(cents * 10_000_000)
}

fn per_unit(amount: Money) -> Price {
    Price::PerUnit(UnitPrice { amount, per: 1 })
}

/// A dollar for a call, out of so many.
fn prepaid(credit: i64) -> Plan {
    let mut plan = Plan { prepaid: Some(Prepaid::opening(dollars(credit))), ..Plan::new("prepaid") };
    plan.prices[0] = Some(per_unit(dollars(1)));
    plan
}

fn waits(timeout: Span) -> Client {
    Client { timeout: Some(timeout), ..Client::none() }
}

/// Consumers who call at these seconds, each at its own; answers take three seconds and cost ten cents to make.
fn calling(plan: Plan, client: &Client, calls: &[(u64, u32)]) -> Scenario {
    let row = |(ms, who): &(u64, u32)| TraceRow {
        at: Span::from_ns(ms * 1_000_000),
        consumer: Some(*who),
        usage: [1, 0, 0, 0],
    };
    let rows = calls.iter().map(row).collect();
    let arrivals = Arrivals::Trace(Trace { rows, most: [1, 0, 0, 0], ..Trace::default() });
    let count = 1 + calls.iter().map(|(_, who)| *who).max().unwrap_or(0);
    let cohort = Cohort { joined: Joined::Start, client: *client, ..Cohort::new("all", count, arrivals) };
    let mut scenario = scenario(days(1), plan, cohort);
    scenario.upstreams[0].latency = Distribution::Constant(3.0 * SECOND as f64);
    scenario.upstreams[0].cost[0] = Some(UnitPrice { amount: cents(10), per: 1 });
    scenario
}

fn with(mode: OnClientAbort, mut scenario: Scenario) -> Scenario {
    scenario.gateway.on_client_abort = mode;
    scenario
}

fn history(scenario: Scenario) -> History {
    log::record(&world(scenario), super::FIRST, &mut Scratch::default()).unwrap()
}

/// What has happened: a letter for each event, and its second in tenths.
fn events(history: &History) -> Vec<(char, u64)> {
    let letter = |event| match event {
        Event::Decided { decision: Decision::Admit(_), .. } => 'a',
        Event::Decided { .. } => 'r',
        Event::GaveUp { .. } => 'g',
        Event::Served { .. } => 's',
        Event::Failed { .. } => 'f',
        Event::Heard(_) => 'h',
    };
    history.log.iter().map(|entry| (letter(entry.event), entry.now.traffic.ns() as u64 / (SECOND / 10))).collect()
}

// === What it costs ===

/// Five calls whose answers take three seconds, of a client that waits two. All fail; only with `settle` are they paid for;
/// the upstream is paid in any case.
#[test]
fn five_calls_given_up_cost_what_the_gateway_says() {
    let calls = [0, 10, 20, 30, 40].map(|second| (second * 1_000, 0));
    for mode in MODES {
        let scenario = with(mode, calling(prepaid(10), &waits(secs(2)), &calls));
        let outcome = play_all(&world(scenario.clone()));
        let cohort = &outcome.cohorts[0];
        let failed = FailedAs { upstream: "api".to_owned(), cause: "client_abort".to_owned(), status: 499 };
        assert_eq!((cohort.served, cohort.failed, cohort.in_flight), (0, 5, 0));
        assert_eq!(cohort.failures(), [(failed, 5)].into());
        assert!(cohort.latency.is_empty(), "nobody has heard how long they took");
        let usage = Usage { failed: 5, unheard: 5, ..Usage::default() };
        assert_eq!(cohort.usage["requests"], usage);
        let (paid, absorbed, units) = match mode {
            Settle => (5, 0, Billed { credited: 5, ..Billed::default() }),
            Release | BillSent => (0, 5, Billed { unbilled: 5, ..Billed::default() }),
        };
        assert_eq!(cohort.units["requests"], units, "{mode:?}");
        let moved = |movement| Money::from_nanos(outcome.moved(movement) as i64);
        assert_eq!((moved(Spend), moved(Burn)), (dollars(paid), Money::ZERO));
        assert_eq!((moved(Cost), moved(CostAbsorbed)), (cents(10 * (5 - absorbed)), cents(10 * absorbed)));
        assert_eq!(outcome.figures().upstream_cost, i128::from(cents(50).nanos()));
        assert_eq!(cohort.count(Count::SettledGivenUp), paid as u64);
        assert_eq!(cohort.billed_given_up.0, i128::from(dollars(paid).nanos()));
        assert_eq!(cohort.count(Count::Late), 0);
        // Each event at its moment, in every mode.
        let history = history(scenario);
        assert_eq!(events(&history)[..4], [('a', 0), ('g', 20), ('s', 30), ('a', 100)]);
        assert_eq!(history.account.credit(), dollars(10 - paid));
    }
}

/// An invoice has them too: postpaid, at a dollar each.
#[test]
fn what_is_billed_in_arrears_is_billed_to_those_who_have_gone() {
    let mut plan = Plan { usage_period: Some(Period::Day), ..Plan::new("postpaid") };
    plan.prices[0] = Some(per_unit(dollars(1)));
    for (mode, accrued) in [(Settle, 2), (Release, 0), (BillSent, 0)] {
        let outcome = play_all(&world(with(mode, calling(plan.clone(), &waits(secs(2)), &[(0, 0), (10_000, 0)]))));
        assert_eq!(outcome.moved(Movement::Accrue), i128::from(dollars(accrued).nanos()));
        assert_eq!(outcome.cohorts[0].billed_given_up.0, i128::from(dollars(accrued).nanos()));
    }
}

/// There is a dollar, and a call costs one. With `settle` it is held until the answer has come, and then it is gone; else it
/// is there again from the moment that the client goes.
#[test]
fn a_hold_lasts_as_long_as_the_exchange_or_as_the_client() {
    let calls = [0, 1_500, 2_500, 3_500].map(|ms| (ms, 0));
    let events = |mode| events(&history(with(mode, calling(prepaid(1), &waits(secs(2)), &calls))));
    assert_eq!(events(Settle), [('a', 0), ('r', 15), ('g', 20), ('r', 25), ('s', 30), ('r', 35)]);
    let freed = [('a', 0), ('r', 15), ('g', 20), ('a', 25), ('s', 30), ('r', 35), ('g', 45), ('s', 55)];
    assert_eq!(events(Release), freed);
    assert_eq!(events(BillSent), freed);
}

/// Calls in flight are open holds.
#[test]
fn a_limit_of_calls_in_flight_counts_exchanges_that_are_to_be_settled() {
    let plan = || Plan { limits: vec![Limit::Concurrency(1)], ..prepaid(9) };
    let events = |mode| events(&history(with(mode, calling(plan(), &waits(secs(2)), &[(0, 0), (2_500, 0)]))));
    assert_eq!(events(Settle), [('a', 0), ('g', 20), ('r', 25), ('s', 30)]);
    assert_eq!(events(Release), [('a', 0), ('g', 20), ('a', 25), ('s', 30), ('g', 45), ('s', 55)]);
}

/// The first token after a second, then ten a second: forty of them, for a hundred that go in. A cent for one that comes, a
/// tenth of that for one that goes in, a dollar for the call; a token that comes costs a tenth of a cent to make.
fn streaming(timeout: Span, streams: bool) -> Scenario {
    let mut plan = prepaid(10);
    (plan.prices[1], plan.prices[2]) = (Some(per_unit(cents(1))), Some(per_unit(Money::from_nanos(1_000_000))));
    let mut scenario = calling(plan, &waits(timeout), &[(0, 0)]);
    let attribute = |name: &str, amount: u64| Attribute {
        name: name.to_owned(),
        amount: Distribution::Constant(amount as f64),
        most: amount,
    };
    scenario.routes[0].attributes = vec![attribute("out", 40), attribute("in", 100)];
    let meter = |name: &str, of: &[&str]| Meter {
        name: name.to_owned(),
        sum: of.iter().map(|name| (*name).to_owned()).collect(),
    };
    scenario.meters.extend([meter("out", &["out"]), meter("in", &["in"]), meter("all", &["in", "out"])]);
    let usage = [1, 40, 100, 140];
    let rows = vec![TraceRow { at: Span::ZERO, consumer: Some(0), usage }];
    scenario.cohorts[0].arrivals = Arrivals::Trace(Trace { rows, most: usage, ..Trace::default() });
    let upstream = &mut scenario.upstreams[0];
    upstream.latency = Distribution::Constant(SECOND as f64);
    (upstream.generates, upstream.streams) = (Some(Generates { meter: 1, per_second: 10.0 }), streams);
    upstream.cost = [None, Some(UnitPrice { amount: Money::from_nanos(1_000_000), per: 1 }), None, None];
    scenario
}

#[test]
fn what_had_been_sent_is_the_tokens_that_had_come_and_all_that_comes_before_them() {
    let ms = |ms: u64| Span::from_ns(ms * 1_000_000);
    for (timeout, tokens) in [(999, None), (1_000, Some(1)), (1_150, Some(1)), (2_000, Some(10)), (4_999, Some(39))] {
        let scenario = with(BillSent, streaming(ms(timeout), true));
        let history = history(scenario.clone());
        let expected = tokens.map_or([0; 4], |tokens| [1, tokens, 100, 100 + tokens]);
        let sent = history.log.iter().find_map(|entry| match entry.event {
            Event::GaveUp { sent, .. } => Some(sent),
            _ => None,
        });
        assert_eq!(sent, Some(expected), "after {timeout} ms");
        let billed = tokens.map_or(Money::ZERO, |tokens| cents(110 + tokens as i64));
        assert_eq!(history.account.credit().nanos(), dollars(10).nanos() - billed.nanos());
        let mills = |movement| history.account.books().moved(movement).nanos() / 1_000_000;
        let sent = tokens.unwrap_or(0) as i64;
        assert_eq!((mills(Cost), mills(CostAbsorbed)), (sent, 40 - sent));
        let cohort = &play_all(&world(scenario)).cohorts[0];
        assert_eq!(cohort.billed_given_up.0, i128::from(billed.nanos()));
        assert_eq!(cohort.count(Count::SettledGivenUp), u64::from(tokens.is_some()));
        let placed = |meter: &str, sum: u64| {
            let Billed { included, credited, billed, unbilled } = cohort.units[meter];
            assert_eq!(included + credited + billed + unbilled, sum, "{meter}");
        };
        placed("requests", 1);
        placed("out", 40);
        placed("in", 100);
    }
    // Whole at five seconds: who waits as long has all of it.
    assert_eq!(events(&history(with(BillSent, streaming(ms(5_000), true)))), [('a', 0), ('s', 50)]);
    let whole = history(with(BillSent, streaming(ms(4_000), false)));
    assert_eq!(whole.account.credit(), dollars(10), "what is not streamed comes all at once");
}

/// It comes over a line too, in which it has waited for two seconds: then the stream begins at three.
/// 290 ms at 100 tokens a second are 29 of them, though 0.29 × 100 is a little less in binary fractions.
#[test]
fn tokens_that_have_come_exactly_then_have_come() {
    let mut scenario = streaming(secs(2), true);
    scenario.upstreams[0].generates = Some(Generates { meter: 1, per_second: 100.0 });
    let world = world(scenario);
    for come in 1..=40 {
        let sent = world.sent_after(0, &[1, 40, 100, 140], Span::from_ns(come * SECOND / 100));
        assert_eq!(sent, [1, come, 100, 100 + come]);
    }
}

#[test]
fn what_had_been_sent_counts_from_when_the_line_let_it_through() {
    let mut scenario = with(BillSent, streaming(secs(4), true));
    scenario.upstreams[0].capacity = Some(1);
    scenario.cohorts[0].count = 2;
    let row = |at, consumer, out| TraceRow { at: secs(at), consumer: Some(consumer), usage: [1, out, 100, 100 + out] };
    let rows = vec![row(0, 0, 10), row(0, 1, 40)];
    scenario.cohorts[0].arrivals = Arrivals::Trace(Trace { rows, most: [1, 40, 100, 140], ..Trace::default() });
    let histories = log::record_all(&world(scenario)).unwrap();
    assert_eq!(events(&histories[0]), [('a', 0), ('s', 20)]);
    assert_eq!(events(&histories[1]), [('a', 0), ('g', 40), ('s', 70)]);
    assert!(matches!(histories[1].log[1].event, Event::GaveUp { sent: [1, 10, 100, 110], .. }));
}

// === What comes first ===

/// An answer that comes when the client would go has come.
#[test]
fn an_answer_at_the_very_moment_is_in_time() {
    for mode in MODES {
        let scenario = with(mode, calling(prepaid(10), &waits(secs(3)), &[(0, 0)]));
        assert_eq!(events(&history(scenario)), [('a', 0), ('s', 30)]);
    }
}

/// A failure that comes in time is what the client hears. One that comes later is borne as a failure, and nothing is billed.
#[test]
fn what_comes_first_counts_of_a_failure_and_an_end_of_patience() {
    for mode in MODES {
        let mut scenario = with(mode, calling(prepaid(10), &waits(secs(2)), &[(0, 0)]));
        scenario.upstreams[0].errors = Chance::of(1, 1).into();
        let late = play_all(&world(scenario.clone()));
        let history = history(scenario.clone());
        assert_eq!(events(&history), [('a', 0), ('g', 20), ('f', 30)]);
        assert_eq!(history.account.credit(), dollars(10));
        assert_eq!([late.moved(Cost), late.moved(CostAbsorbed)], [i128::from(cents(10).nanos()), 0]);
        let cause = |outcome: &crate::outcome::Outcome| {
            let failures = outcome.cohorts[0].failures();
            failures.into_iter().map(|(alike, count)| (alike.cause, alike.status, count)).collect::<Vec<_>>()
        };
        assert_eq!(cause(&late), [("client_abort".to_owned(), 499, 1)]);
        assert_eq!(late.cohorts[0].usage["requests"].unheard, 0);
        scenario.upstreams[0].latency = Distribution::Constant(SECOND as f64);
        assert_eq!(cause(&play_all(&world(scenario))), [("upstream_error".to_owned(), 500, 1)]);
    }
}

/// Ten minutes hold what a call may use: after that a client can still go, and nothing of it is settled.
#[test]
fn a_hold_may_expire_before_the_patience_of_the_client() {
    for mode in MODES {
        let mut scenario = with(mode, calling(prepaid(10), &waits(secs(700)), &[(0, 0)]));
        scenario.upstreams[0].latency = Distribution::Constant(800.0 * SECOND as f64);
        let history = history(scenario.clone());
        assert_eq!(events(&history), [('a', 0), ('g', 7_000), ('s', 8_000)]);
        let tally = history.account.tally();
        assert_eq!((tally.of(Count::ExpiredHolds), tally.of(Count::Late)), (1, 0));
        assert_eq!((history.account.credit(), tally.units.unbilled[0]), (dollars(10), 1));
    }
}

/// The client goes at 86,399 s of the day, and the answer would have come after it.
#[test]
fn at_the_end_the_exchange_goes_on_and_nothing_of_it_is_forced() {
    for (mode, open) in [(Settle, 1), (Release, 0), (BillSent, 0)] {
        let scenario = with(mode, calling(prepaid(10), &waits(secs(2)), &[(86_397_000, 0)]));
        let history = history(scenario.clone());
        assert_eq!(events(&history), [('a', 863_970), ('g', 863_990)]);
        assert_eq!(history.account.open_holds(), open);
        let outcome = play_all(&world(scenario));
        assert_eq!((outcome.cohorts[0].failed, outcome.cohorts[0].in_flight), (1, 0));
        assert_eq!(outcome.figures().upstream_cost, 0);
    }
}

// === What the client does ===

fn retries(attempts: u32, on: Failures, timeout: Span) -> Client {
    let none = Client::none();
    Client { retry: Retry { on, attempts, delay: Delay::constant(secs(5)), ..none.retry }, ..waits(timeout) }
}

/// Given up at 2, 9 and 16 s, made again five seconds after that; each attempt is an exchange of its own.
#[test]
fn a_timeout_is_no_answer_and_is_tried_again() {
    for mode in MODES {
        let scenario =
            with(mode, calling(prepaid(10), &retries(3, Failures::CONNECTION, secs(2)), &[(0, 0), (60_000, 0)]));
        let one = [('a', 0), ('g', 20), ('s', 30), ('a', 70), ('g', 90), ('s', 100), ('a', 140), ('g', 160)];
        let history = history(scenario.clone());
        assert_eq!(events(&history)[..8], one);
        let cohort = &play_all(&world(scenario.clone())).cohorts[0];
        assert_eq!((cohort.failed, cohort.retried, cohort.calls(), cohort.recovered), (6, 4, 2, 0));
        let paid = if mode == Settle { 6 } else { 0 };
        assert_eq!(history.account.credit(), dollars(10 - paid));
        assert_eq!(together(&world(scenario.clone())), play_all(&world(scenario)));
    }
    let other = calling(prepaid(10), &retries(3, Failures::SERVER, secs(2)), &[(0, 0)]);
    assert_eq!(play_all(&world(other)).cohorts[0].failed, 1, "it is no status of a server");
}

/// Two seconds until the client goes, ten to think.
#[test]
fn a_session_goes_on_from_the_moment_that_a_call_is_given_up() {
    let sessions = in_sessions(4.0, Distribution::Constant(3.0), constant(10));
    let mut scenario = calling(Plan::new("free"), &waits(secs(2)), &[]);
    (scenario.cohorts[0].arrivals, scenario.horizon) = (sessions, days(9));
    let seen = seen(&world(scenario), super::FIRST);
    let begun = seen.attempts[&(0, 1)].0;
    let session: Vec<_> = seen.attempts.range(..(3, 0)).map(|(_, (at, _))| at.since(begun).ns() / SECOND).collect();
    assert_eq!(session, [0, 12, 24]);
}

/// Whoever has left still waits for the answer, and not for ever.
#[test]
fn who_has_left_gives_up_too() {
    let plan = Plan { usage_period: Some(Period::Day), allowance: requests(1), ..Plan::new("one call") };
    for mode in MODES {
        let mut scenario = with(mode, calling(plan.clone(), &waits(secs(20)), &[(0, 0), (5_000, 0), (10_000, 0)]));
        scenario.upstreams[0].latency = Distribution::Constant(30.0 * SECOND as f64);
        scenario.cohorts[0].reactions.push(leaves_when_used_up());
        let history = history(scenario.clone());
        assert_eq!(events(&history), [('a', 0), ('r', 50), ('g', 200), ('s', 300)]);
        assert_eq!(together(&world(scenario.clone())), play_all(&world(scenario)));
    }
}

/// Three times ten seconds for the first call, which is given up after twenty; the second fails within them, and would be made
/// again if its consumer had not left by then. Played together with nobody, that is the same.
#[test]
fn what_is_made_no_more_does_not_hide_that_a_call_is_given_up() {
    let plan = Plan { usage_period: Some(Period::Day), allowance: requests(2), ..Plan::new("two calls") };
    let client = Client {
        retry: Retry { delay: Delay::constant(secs(1)), ..retries(3, Failures::SERVER, secs(20)).retry },
        ..waits(secs(20))
    };
    let mut scenario = calling(plan, &client, &[(0, 0), (5_000, 0), (6_000, 0)]);
    scenario.upstreams[0].latency = Distribution::Constant(10.0 * SECOND as f64);
    scenario.cohorts[0].reactions.push(leaves_when_used_up());
    let fault = |at: u64, breaks| Fault { at: secs(at), lasts: secs(2), breaks };
    scenario.faults.push(fault(0, Breaks::UpstreamSlow { upstream: 0, factor: 3.0 }));
    scenario.faults.push(fault(4, Breaks::UpstreamDown { upstream: 0 }));
    let all = [('a', 0), ('a', 50), ('r', 60), ('f', 150), ('g', 200), ('s', 300)];
    assert_eq!(events(&history(scenario.clone())), all);
    assert_eq!(together(&world(scenario.clone())), play_all(&world(scenario)));
}

fn leaves_when_used_up() -> Reaction {
    Reaction {
        when: When::Cause("quota_exhausted"),
        act: Act::Churn,
        chance: Chance::of(1, 1),
        after: Distribution::Constant(SECOND as f64),
    }
}

// === Together ===

/// One place, a second and a half each. The second consumer's call waits for the first, begins at 1.5 s, is given up at 2 s
/// and keeps the place until 3 s; so the call of 2.5 s is answered at 4.5 s, just in time.
#[test]
fn who_goes_leaves_the_place_taken() {
    for mode in MODES {
        let mut scenario = with(mode, calling(prepaid(10), &waits(secs(2)), &[(0, 0), (1, 1), (2_500, 0)]));
        scenario.upstreams[0].latency = Distribution::Constant(1.5 * SECOND as f64);
        scenario.upstreams[0].capacity = Some(1);
        let histories = log::record_all(&world(scenario.clone())).unwrap();
        assert_eq!(events(&histories[0]), [('a', 0), ('s', 15), ('a', 25), ('s', 45)]);
        assert_eq!(events(&histories[1]), [('a', 0), ('g', 20), ('s', 30)]);
        let cohort = &together(&world(scenario)).cohorts[0];
        let paid = if mode == Settle { 3 } else { 2 };
        assert_eq!((cohort.served, cohort.failed, cohort.latency_max_ns), (2, 1, 2 * SECOND));
        assert_eq!(cohort.moved(Spend), i128::from(dollars(paid).nanos()));
    }
}

/// In line it is given up too, and is worked on all the same when its turn comes.
#[test]
fn what_is_given_up_in_line_is_worked_on_when_its_turn_comes() {
    let calls = [(0, 0), (0, 1), (0, 2)];
    let mut scenario = with(Release, calling(prepaid(10), &waits(secs(2)), &calls));
    scenario.upstreams[0].latency = Distribution::Constant(1.5 * SECOND as f64);
    scenario.upstreams[0].capacity = Some(1);
    let histories = log::record_all(&world(scenario.clone())).unwrap();
    assert_eq!(events(&histories[2]), [('a', 0), ('g', 20), ('s', 45)]);
    let outcome = together(&world(scenario));
    assert_eq!(outcome.cohorts[0].failed, 2);
    assert_eq!(outcome.moved(CostAbsorbed), i128::from(cents(20).nanos()));
}

#[test]
fn a_client_that_goes_is_a_failure_behind_the_gateway() {
    assert_eq!((Failure::GAVE_UP.cause, Failure::GAVE_UP.status), (Cause::ClientAbort, 499));
}
