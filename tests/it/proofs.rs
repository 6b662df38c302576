//! The three proofs that the live half decides as the simulated one: that they hold, over every kind of refusal, and
//! that each of them fails when there is something to find.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use expect_test::{Expect, expect};
use farebox::control::Control;
use farebox::live::proof;
use farebox::live::stage;
use farebox_engine::billing::cause::Cause;
use farebox_engine::billing::gate::Decision;
use farebox_engine::billing::ledger::Movement;
use farebox_engine::log::{Entry, Event, History, replay};
use farebox_engine::model::{REQUESTS, Sessions};
use farebox_engine::money::Money;
use farebox_engine::outcome::RouteOutcome;
use farebox_engine::time::{Span, Time};
use farebox_engine::world::World;

use crate::fixture;

const THREADS: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// A load, and what happens in its simulation.
struct Load {
    world: Arc<World>,
    twins: Vec<History>,
}

impl Load {
    fn of(world: Arc<World>) -> Self {
        Self { twins: stage::twins(&world).unwrap(), world }
    }

    fn calls(&self) -> u64 {
        self.twins.iter().map(|twin| decisions(twin).count() as u64).sum()
    }
}

/// 200 consumers that run into every rule.
fn refusals() -> &'static Load {
    static LOAD: OnceLock<Load> = OnceLock::new();
    LOAD.get_or_init(|| Load::of(fixture::scaled(fixture::named("refusals.yaml"))))
}

fn decisions(history: &History) -> impl Iterator<Item = (u64, Decision)> {
    history.log.iter().filter_map(|entry| match entry.event {
        Event::Decided { call, decision, .. } => Some((call, decision)),
        Event::Served { .. } | Event::Failed { .. } | Event::GaveUp { .. } | Event::Heard(_) => None,
    })
}

/// Without these the proofs would prove little.
#[test]
fn the_load_meets_every_refusal_and_its_calls_overlap() {
    let Load { world, twins } = refusals();
    assert_eq!(twins.len(), 200);
    assert!(refusals().calls() >= 20_000, "only {} calls", refusals().calls());
    for cause in [Cause::QuotaExhausted, Cause::CreditExhausted, Cause::RateLimited, Cause::PastDue] {
        let refused = twins.iter().flat_map(decisions).filter(|(_, decision)| *decision == Decision::Refuse(cause));
        assert!(refused.count() > 0, "nobody is refused for {}", cause.name());
    }
    let in_grace = |(_, decision)| matches!(decision, Decision::Admit(admission) if admission.in_grace);
    assert!(twins.iter().flat_map(decisions).any(in_grace), "nobody is served in grace");
    let overlapping = twins.iter().filter(|twin| open_at_most(twin) > 1).count();
    assert!(overlapping > 150, "the calls of only {overlapping} consumers overlap");
    let in_flight: usize = twins.iter().map(|twin| twin.account.open_holds()).sum();
    assert!(in_flight > 0, "nothing is in flight at the end");
    assert!(twins.iter().all(|twin| twin.log.iter().all(|entry| entry.now.traffic <= world.end().traffic)));
}

/// How many calls were open at once.
fn open_at_most(history: &History) -> usize {
    let (mut open, mut most) = (0, 0);
    for entry in &history.log {
        match entry.event {
            Event::Decided { decision: Decision::Admit(_), .. } => open += 1,
            Event::Decided { decision: Decision::Refuse(_), .. } | Event::GaveUp { .. } | Event::Heard(_) => {}
            Event::Served { .. } | Event::Failed { .. } => open -= 1,
        }
        most = most.max(open);
    }
    most
}

// === They hold ===

#[test]
fn in_lockstep_every_event_and_every_account_is_the_twins() {
    let Load { world, twins } = refusals();
    let played = stage::lockstep(world, twins, THREADS, &Control::default()).unwrap();
    assert_eq!(played.out_of_step, []);
    let extent = proof::lockstep(world, twins, &played.histories).unwrap();
    assert_eq!(extent.consumers, 200);
    assert_eq!(extent.events, twins.iter().map(|twin| twin.log.len() as u64).sum::<u64>());
}

#[test]
fn a_free_run_replays_and_each_difference_to_its_twin_is_measured() {
    let load = refusals();
    let Load { world, twins } = load;
    let run = stage::free_run(world, THREADS, &Control::default()).unwrap();
    assert_eq!(run.load.offered, load.calls());
    assert_eq!(proof::replay(world, &run.histories, run.end).unwrap().consumers, 200);

    let comparison = proof::differences(world, twins, &run.histories, run.end).unwrap();
    assert_eq!(comparison.compared + comparison.not_made, load.calls());
    let decided: usize = run.histories.iter().map(|history| decisions(history).count()).sum();
    assert_eq!(comparison.compared, decided as u64);
    for difference in &comparison.differences {
        assert_ne!(difference.twin.refused, difference.live.refused);
        for side in [difference.twin, difference.live] {
            assert!(!side.distance(difference.boundary(), world).is_empty());
        }
    }
    // Every hold is resolved: the gateway waited for what was in flight.
    assert!(run.histories.iter().all(|history| history.account.open_holds() == 0));
    let served: u64 = run.outcome(world).unwrap().cohorts.iter().map(|cohort| cohort.served).sum();
    assert!((run.counts.served..=run.counts.served + run.load.unfinished).contains(&served));
}

/// Agents in sessions, of whom some are refused; answers take a while, and some fail and are asked for again.
const SESSIONS: &str = "
scenario: sessions
horizon: 1d
plans:
  pro: { includes: { requests: 60/day }, past_allowance: block, limits: [ { requests: 5/s, burst: 5, kind: token_bucket } ] }
consumers:
  agents:
    count: 12
    plan: pro
    joined: start
    client: openai-python
    traffic: { rate: 100/day, arrivals: { sessions: { calls: { p50: 4, p95: 12 }, think: { p50: 20m, p99: 2h } } } }
upstreams: { model: { latency: { p50: 20ms, p99: 80ms }, errors: 5% } }
live: { rate: 300/s, duration: 3s, connections: 64 }
";

/// Live, every session has the calls that were drawn for it, one after the other, each no sooner than a think time after the
/// gateway has answered the one before it; and what ends early is cut off by the end.
#[test]
fn a_free_run_plays_sessions_as_they_are_drawn() {
    let load = Load::of(fixture::scaled(fixture::parse(SESSIONS)));
    let Load { world, twins } = &load;
    let played = stage::lockstep(world, twins, THREADS, &Control::default()).unwrap();
    proof::lockstep(world, twins, &played.histories).unwrap();
    let control = Control::default();
    let run = stage::free_run(world, THREADS, &control).unwrap();
    proof::replay(world, &run.histories, run.end).unwrap();
    let mut followed = 0;
    for history in &run.histories {
        let consumer = history.account.consumer();
        let (heard, begun) = (heard(history), decided(history));
        let follow_ups = world.schedule.follow_ups(consumer).unwrap();
        let first: Vec<u64> = begun.keys().copied().filter(|call| call % Sessions::PLACES == 0).collect();
        assert!(
            world.calls(consumer).map(|call| call.index).eq(first),
            "each session of the schedule begins, and no other"
        );
        for (call, over) in heard {
            let Some(next) = follow_ups.after(call, over) else {
                assert!(!begun.contains_key(&(call + 1)), "the session is over");
                continue;
            };
            followed += u64::from(begun.contains_key(&next.index));
            match begun.get(&next.index) {
                Some(at) => assert!(*at >= next.at, "{consumer:?}, call {}", next.index),
                // The client has heard of it later than the gateway has said it, or waits, a second at most, for an attempt
                // that the end comes before.
                None => {
                    assert!(next.at + Span::from_secs(2) >= world.end().traffic, "{consumer:?}, call {}", next.index);
                }
            }
        }
    }
    // Most calls wait to be tried again, as the limit has it; enough of them go on.
    assert!(followed > 50, "{followed}");
    let offered: usize = run.histories.iter().map(|history| decided(history).len()).sum();
    assert_eq!(run.load.offered, offered as u64);
    let scheduled: usize = world.consumers().map(|consumer| world.calls(consumer).count()).sum();
    assert_eq!(control.done.into_inner(), scheduled as u64, "progress ends where it says that it will");
}

/// When the first attempt at each call was decided.
fn decided(history: &History) -> BTreeMap<u64, Time> {
    let first = history.log.iter().filter_map(|entry| match entry.event {
        Event::Decided { call, attempt: 1, .. } => Some((call, entry.now.traffic)),
        _ => None,
    });
    first.collect()
}

/// When the last attempt at each call was answered.
fn heard(history: &History) -> BTreeMap<u64, Time> {
    let (mut open, mut heard) = (BTreeMap::new(), BTreeMap::new());
    for Entry { now, event } in &history.log {
        match event {
            Event::Decided { call, decision: Decision::Admit(admission), .. } => _ = open.insert(admission.hold, *call),
            Event::Decided { call, .. } => _ = heard.insert(*call, now.traffic),
            Event::GaveUp { .. } => panic!("every client waits"),
            Event::Heard(_) => {}
            Event::Served { hold, .. } | Event::Failed { hold, .. } => _ = heard.insert(open[hold], now.traffic),
        }
    }
    heard
}

/// Thirty consumers past their quota, whose clients ask twice more each time.
const RETRIED: &str = "\
scenario: retried
horizon: 30d
plans:
  free: { includes: { requests: 10/month }, past_allowance: block }
gateway: { refusals: { quota_exhausted: 429 } }
upstreams: { api: { latency: 1ms } }
consumers:
  bots:
    count: 30
    plan: free
    joined: start
    traffic: { rate: 10/day }
    client: { attempts: 3, retry_on: [429], delay: 20ms, retry_after: ignore }
live: { rate: 200/s, duration: 2s, clock: 15d per 1s, connections: 64 }
";

/// On sockets as in the simulation: every call that was sent ends in one way, and all that the generator has tried again
/// are attempts of them. No attempt is lost here.
#[test]
fn a_load_counts_calls_by_their_last_attempt() {
    let world = fixture::scaled(fixture::parse(RETRIED));
    let run = stage::free_run(&world, THREADS, &Control::default()).unwrap();
    assert_eq!((run.load.dropped, run.load.errors.len(), run.load.unfinished), (0, 0, 0));
    assert!(run.load.retried > 100, "only {} were tried again", run.load.retried);
    let outcome = run.outcome(&world).unwrap();
    let cohort = &outcome.cohorts[0];
    assert_eq!((cohort.calls(), cohort.retried), (run.load.offered, run.load.retried));
    let last = cohort.routes["/"].calls();
    let refused = last.refused.values().sum::<u64>();
    assert_eq!(last.served + last.failed + last.in_flight + refused, run.load.offered);
    assert_eq!((cohort.recovered, last.served), (run.load.recovered, run.load.status(200)));
}

/// Three upstreams in a chain, of which the last says that it could not pay, that it is asked too often, or that it is down;
/// clients who try again on the latter two, and buy credit when the gateway asks for it.
const UNPAID: &str = "\
scenario: unpaid
horizon: 30d
plans:
  credits: { prices: { requests: $0.01 }, prepaid: { opening: $100, auto_top_up: { below: $1, add: $10 } } }
upstreams:
  front: { latency: 1ms, calls: [ middle ], errors: 1% }
  middle: { latency: 1ms, calls: [ back ] }
  back: { latency: 1ms, errors: { 402: 10%, 429: 10%, 503: 10% } }
consumers:
  agents:
    count: 20
    plan: credits
    joined: start
    traffic: { rate: 20/day }
    client: { attempts: 3, retry_on: [429, 503], delay: 5ms, on_402: top_up_then_retry }
live: { rate: 200/s, duration: 2s, connections: 64 }
";

/// On sockets as in the simulation: the status of the hop that failed comes through the chain and the gateway to the client,
/// who tries again on what it says and buys no credit for somebody else's 402; and it is counted by upstream, cause and
/// status.
#[test]
fn statuses_of_failed_hops_are_passed_on_and_counted() {
    let load = Load::of(fixture::scaled(fixture::parse(UNPAID)));
    let Load { world, twins } = &load;
    let played = stage::lockstep(world, twins, THREADS, &Control::default()).unwrap();
    proof::lockstep(world, twins, &played.histories).unwrap();
    let run = stage::free_run(world, THREADS, &Control::default()).unwrap();
    proof::replay(world, &run.histories, run.end).unwrap();
    assert_eq!((run.load.dropped, run.load.errors.len(), run.load.unfinished), (0, 0, 0));
    let outcome = run.outcome(world).unwrap();
    let cohort = &outcome.cohorts[0];
    let by_status = |route: &RouteOutcome, status| {
        let alike = route.failures.iter().filter(|(alike, _)| alike.status == status);
        alike.map(|(_, attempts)| attempts).sum::<u64>()
    };
    let route = &cohort.routes["/"];
    for status in [402, 429, 500, 503] {
        assert_eq!(by_status(route, status), run.load.status(status), "{status}");
    }
    let named: BTreeSet<_> =
        route.failures.keys().map(|it| (it.upstream.as_str(), it.cause.as_str(), it.status)).collect();
    let expected = [("back", "upstream_402", 402), ("back", "upstream_4xx", 429), ("back", "upstream_error", 503)];
    assert!(expected.iter().all(|alike| named.contains(alike)), "{named:?}");
    assert!(
        named.iter().all(|alike| expected.contains(alike) || *alike == ("front", "upstream_error", 500)),
        "{named:?}"
    );
    // Each 402 ends its call, and every other failure is tried again where the client has an attempt left.
    assert_eq!(by_status(&route.calls(), 402), by_status(route, 402));
    assert!(by_status(&route.calls(), 429) < by_status(route, 429) / 4);
    assert_eq!(cohort.moved(Movement::InvoiceCredit), 0);
}

/// The one boundary that no jitter can move: with the same log on both sides there is no difference at all; with one
/// call missing, the others are still compared.
#[test]
fn differences_are_told_call_by_call() {
    let load = refusals();
    let Load { world, twins } = load;
    let same = proof::differences(world, twins, twins, world.end()).unwrap();
    assert_eq!((same.compared, same.differences), (load.calls(), Vec::new()));
    assert_eq!((same.not_made, same.made_beside), (0, 0));

    // The last call before a consumer's first refusal does not arrive, so the refused one finds one more unit.
    let hobby = twins.iter().position(|twin| refusal(twin, Cause::QuotaExhausted).is_some()).unwrap();
    let first = refusal(&twins[hobby], Cause::QuotaExhausted).unwrap();
    let mut live = twins.clone();
    live[hobby] = History { log: without_call(&twins[hobby], first - 1), ..live[hobby].clone() };
    let comparison = proof::differences(world, twins, &live, world.end()).unwrap();
    assert_eq!((comparison.compared, comparison.not_made), (load.calls() - 1, 1));
    // The same the other way round: a call that only the load has made, as of a consumer who has left.
    let beside = proof::differences(world, &live, twins, world.end()).unwrap();
    assert_eq!((beside.compared, beside.not_made, beside.made_beside), (load.calls() - 1, 0, 1));
    let [difference] = comparison.differences[..] else { panic!("{:?}", comparison.differences) };
    assert_eq!((difference.consumer, difference.call), (twins[hobby].account.consumer(), first));
    assert_eq!((difference.twin.refused, difference.live.refused), (Some(Cause::QuotaExhausted), None));
    let distance = |side: proof::Side| side.distance(difference.boundary(), world);
    expect!["0 calls of allowance left"].assert_eq(&distance(difference.twin));
    expect!["1 calls of allowance left"].assert_eq(&distance(difference.live));
}

/// The first call that was refused for this cause.
fn refusal(history: &History, cause: Cause) -> Option<u64> {
    decisions(history).find(|(_, decision)| *decision == Decision::Refuse(cause)).map(|(call, _)| call)
}

/// The log as if a call, which was admitted, had not been made. Later holds get other names in a replay, so this is only
/// for plans with an allowance, which counts what is held like what was used.
fn without_call(history: &History, gone: u64) -> Vec<Entry> {
    let mut open = None;
    let keeps = |entry: &&Entry| match entry.event {
        Event::Decided { call, decision: Decision::Admit(admission), .. } if call == gone => {
            open = Some(admission.hold);
            false
        }
        Event::Served { hold, .. } if open == Some(hold) => {
            open = None;
            false
        }
        _ => true,
    };
    history.log.iter().filter(keeps).copied().collect()
}

// === They can fail ===

/// A gateway with another rule answers otherwise, and a call that it answered otherwise is named at once: nobody waits
/// for what such a consumer would have done next.
#[test]
fn a_gateway_with_other_rules_is_out_of_step() {
    let Load { world, twins } = refusals();
    let mut scenario = (*world.scenario).clone();
    let hobby = scenario.plans.iter().position(|plan| plan.name == "hobby").unwrap();
    *scenario.plans[hobby].allowance[REQUESTS].as_mut().unwrap() -= 1;
    let stricter = Load::of(fixture::scaled(scenario));
    let count = world.scenario.cohorts[0].count as usize;
    let twins = &twins[..count];
    let lost: Vec<_> = twins.iter().zip(&stricter.twins).map(|(twin, strict)| lost(twin, strict)).collect();

    let played = stage::lockstep(&stricter.world, twins, THREADS, &Control::default()).unwrap();
    let named: Vec<_> = played.out_of_step.iter().map(|difference| difference.account.0 as usize).collect();
    let expected: Vec<_> = (0..count).filter(|account| !lost[*account].is_empty()).collect();
    assert!(expected.len() > 10, "the rule matters to only {} consumers", expected.len());
    assert_eq!(named, expected);
    for difference in &played.out_of_step {
        assert!(lost[difference.account.0 as usize].contains(&difference.call), "{difference:?}");
        assert!(matches!(difference.twin, Decision::Admit(_)));
        assert_eq!(difference.live, "refused: quota_exhausted");
    }
    assert!(proof::lockstep(world, twins, &played.histories[..count]).is_err());
}

/// The calls that a twin was admitted and a stricter one refused.
fn lost(twin: &History, strict: &History) -> Vec<u64> {
    let both = decisions(twin).zip(decisions(strict));
    let lost =
        |((_, then), (_, now)): &(_, (u64, Decision))| matches!((then, now), (Decision::Admit(_), Decision::Refuse(_)));
    both.filter(lost).map(|((call, _), _): ((u64, Decision), _)| call).collect()
}

/// As above with one consumer whose second call has no credit left: exactly this call is named.
#[test]
fn out_of_step_names_the_call() {
    let load = three_calls();
    let mut scenario = (*load.world.scenario).clone();
    let opening = &mut scenario.plans[0].prepaid.as_mut().unwrap().grants[0].amount;
    *opening = Money::from_nanos(opening.nanos() - 6_000_001);
    let poorer = Arc::new(World::whole(Arc::new(scenario)).unwrap());
    let played = stage::lockstep(&poorer, &load.twins, THREADS, &Control::default()).unwrap();
    expect![[r#"
        [
            OutOfStep {
                account: AccountId(
                    0,
                ),
                call: 1,
                twin: Admit(
                    Admission {
                        hold: HoldId {
                            slot: 0,
                            generation: 1,
                            route: 0,
                        },
                        in_grace: false,
                    },
                ),
                live: "refused: credit_exhausted",
            },
        ]"#]]
    .assert_eq(&format!("{:#?}", played.out_of_step));
}

/// Three calls of one agent: the first is served, the second is in flight when the balance refuses the third, then served.
fn three_calls() -> Load {
    let scenario = fixture::named("three-calls.yaml");
    Load::of(Arc::new(World::whole(Arc::new(scenario)).unwrap()))
}

#[test]
fn lockstep_finds_whatever_was_changed() {
    let Load { world, twins } = three_calls();
    let fails = |change: &dyn Fn(&mut History), expect: Expect| {
        let mut live = twins.clone();
        change(&mut live[0]);
        expect.assert_eq(&readable(&proof::lockstep(&world, &twins, &live).unwrap_err().to_string()));
    };
    fails(
        &|live| decide(live, 2, Decision::Refuse(Cause::RateLimited)),
        expect![[r#"
            lockstep: agent/0 differs at event 2
              expected: Some(Entry { now: Now { traffic: Time(500000000), billing: Time(500000000) }, event: Decided { call: 1, attempt: 1, route: 0, decision: Admit(Admission { hold: HoldId { slot: 0, generation: 1, route: 0 }, in_grace: false }) } })
              found:    Some(Entry { now: Now { traffic: Time(500000000), billing: Time(500000000) }, event: Decided { call: 1, attempt: 1, route: 0, decision: Refuse(RateLimited) } })"#]],
    );
    fails(
        &|live| used(live, 4, 23),
        expect![[r#"
            lockstep: agent/0 differs at event 4
              expected: Some(Entry { now: Now { traffic: Time(950000000), billing: Time(950000000) }, event: Served { hold: HoldId { slot: 0, generation: 1, route: 0 }, usage: [1, 24, 0, 0] } })
              found:    Some(Entry { now: Now { traffic: Time(950000000), billing: Time(950000000) }, event: Served { hold: HoldId { slot: 0, generation: 1, route: 0 }, usage: [1, 23, 0, 0] } })"#]],
    );
    fails(
        &|live| live.log[3].now.traffic = live.log[3].now.traffic + Span::from_ns(1),
        expect![[r#"
            lockstep: agent/0 differs at event 3
              expected: Some(Entry { now: Now { traffic: Time(900000000), billing: Time(900000000) }, event: Decided { call: 2, attempt: 1, route: 0, decision: Refuse(CreditExhausted) } })
              found:    Some(Entry { now: Now { traffic: Time(900000001), billing: Time(900000000) }, event: Decided { call: 2, attempt: 1, route: 0, decision: Refuse(CreditExhausted) } })"#]],
    );
    fails(
        &|live| _ = live.log.pop(),
        expect![[r#"
            lockstep: agent/0 differs at event 4
              expected: Some(Entry { now: Now { traffic: Time(950000000), billing: Time(950000000) }, event: Served { hold: HoldId { slot: 0, generation: 1, route: 0 }, usage: [1, 24, 0, 0] } })
              found:    None"#]],
    );
    fails(
        &|live| _ = live.log.remove(1),
        expect![[r#"
            lockstep: agent/0 differs at event 1
              expected: Some(Entry { now: Now { traffic: Time(450000000), billing: Time(450000000) }, event: Served { hold: HoldId { slot: 0, generation: 0, route: 0 }, usage: [1, 20, 0, 0] } })
              found:    Some(Entry { now: Now { traffic: Time(500000000), billing: Time(500000000) }, event: Decided { call: 1, attempt: 1, route: 0, decision: Admit(Admission { hold: HoldId { slot: 0, generation: 1, route: 0 }, in_grace: false }) } })"#]],
    );
    fails(
        &|live| live.log.push(live.log[4]),
        expect![[r#"
            lockstep: agent/0 differs at event 5
              expected: None
              found:    Some(Entry { now: Now { traffic: Time(950000000), billing: Time(950000000) }, event: Served { hold: HoldId { slot: 0, generation: 1, route: 0 }, usage: [1, 24, 0, 0] } })"#]],
    );
    fails(
        &|live| live.account = shorter(&world, live),
        expect![[r#"
            lockstep: agent/0 differs at the final account
              expected: Account { seen: Now { traffic: Time(10000000000), billing: T…
              found:    Account { seen: Now { traffic: Time(10000000000), billing: T…"#]],
    );
}

#[test]
fn replay_finds_whatever_does_not_follow_from_the_log() {
    let Load { world, twins } = three_calls();
    let fails = |change: &dyn Fn(&mut History), expect: Expect| {
        let mut live = twins.clone();
        change(&mut live[0]);
        let error = proof::replay(&world, &live, world.end()).unwrap_err();
        expect.assert_eq(&readable(&error.to_string()));
    };
    fails(
        &|live| decide(live, 2, Decision::Refuse(Cause::RateLimited)),
        expect![[r#"
            replay: agent/0 differs at call 1, attempt 1
              expected: Refuse(RateLimited)
              found:    Admit(Admission { hold: HoldId { slot: 0, generation: 1, route: 0 }, in_grace: false })"#]],
    );
    fails(
        &|live| decide(live, 3, first_decision(live)),
        expect![[r#"
            replay: agent/0 differs at call 2, attempt 1
              expected: Admit(Admission { hold: HoldId { slot: 0, generation: 0, route: 0 }, in_grace: false })
              found:    Refuse(CreditExhausted)"#]],
    );
    fails(
        &|live| used(live, 1, 19),
        expect![[r#"
            replay: agent/0 differs at the final account
              expected: Account { seen: Now { traffic: Time(10000000000), billing: T…
              found:    Account { seen: Now { traffic: Time(10000000000), billing: T…"#]],
    );
    fails(
        &|live| _ = live.log.remove(0),
        expect![[r#"
            replay: agent/0 differs at call 1, attempt 1
              expected: Admit(Admission { hold: HoldId { slot: 0, generation: 1, route: 0 }, in_grace: false })
              found:    Admit(Admission { hold: HoldId { slot: 0, generation: 0, route: 0 }, in_grace: false })"#]],
    );
    fails(
        &|live| _ = live.log.pop(),
        expect![[r#"
            replay: agent/0 differs at the final account
              expected: Account { seen: Now { traffic: Time(10000000000), billing: T…
              found:    Account { seen: Now { traffic: Time(10000000000), billing: T…"#]],
    );
    fails(
        &|live| live.account = shorter(&world, live),
        expect![[r#"
            replay: agent/0 differs at the final account
              expected: Account { seen: Now { traffic: Time(10000000000), billing: T…
              found:    Account { seen: Now { traffic: Time(10000000000), billing: T…"#]],
    );
}

/// Changes a decision.
fn decide(history: &mut History, at: usize, decision: Decision) {
    let Event::Decided { decision: logged, .. } = &mut history.log[at].event else {
        panic!("event {at} is no decision")
    };
    *logged = decision;
}

/// The decision that let the first call pass.
fn first_decision(history: &History) -> Decision {
    decisions(history).next().unwrap().1
}

/// Changes what a call used.
fn used(history: &mut History, at: usize, tokens: u64) {
    let Event::Served { usage, .. } = &mut history.log[at].event else { panic!("event {at} is no answer") };
    usage[1] = tokens;
}

/// The account without the last event.
fn shorter(world: &World, history: &History) -> farebox_engine::billing::account::Account {
    let (_, log) = history.log.split_last().unwrap();
    replay(world, history.account.consumer(), log, world.end(), |_| ()).unwrap()
}

/// An account has many fields; here only that both sides are shown.
fn readable(error: &str) -> String {
    let short = |line: &str| match line.find("Account {") {
        Some(at) => format!("{}{}…", &line[..at], &line[at..].chars().take(60).collect::<String>()),
        None => line.to_owned(),
    };
    error.lines().map(short).collect::<Vec<_>>().join("\n")
}

/// Two connections, and an upstream that takes longer than the load: what never found a connection was not sent, and the run
/// says nothing about the gateway.
#[test]
fn what_found_no_connection_was_not_sent() {
    let text = "\
scenario: narrow
horizon: 30d
plans: { free: {} }
consumers: { all: { count: 4, plan: free, traffic: { rate: 10/day } } }
upstreams: { api: { latency: 20s } }
live: { rate: 100/s, duration: 1s, connections: 2 }
";
    let world = fixture::scaled(fixture::parse(text));
    let run = stage::free_run(&world, THREADS, &Control::default()).unwrap();
    assert!(run.load.offered > 50, "{}", run.load.offered);
    assert_eq!((run.load.answered(), run.load.unfinished), (0, 2));
    assert_eq!(run.load.dropped, run.load.offered - 2);
}
