//! Billing that asks its payment processor over sockets, while a load runs: equal to the twin in lockstep, to its own log
//! when it runs freely, and to what the processor holds in both. Nobody is charged twice, nobody is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use farebox::control::Control;
use farebox::live::accounts::{Accounts, Logging};
use farebox::live::collector::reconcile::Reconciled;
use farebox::live::collector::{self, Collector, Desk};
use farebox::live::stage::{self, FreeRun};
use farebox::live::{proof, result::LoadReport};
use farebox_engine::billing::decline::Answer;
use farebox_engine::billing::invoice::Purpose;
use farebox_engine::billing::ledger::Movement;
use farebox_engine::billing::tally::Count;
use farebox_engine::log::{Event, History, replay};
use farebox_engine::world::World;
use farebox_engine::world::outside::{Came, Hears};
use mock_upstreams::{PaymentsOptions, PaymentsServer};

use crate::fixture;

const THREADS: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// The books of a load and the processor say the same; so many payments.
pub(crate) fn reconciled(found: Option<Reconciled>) -> u64 {
    let found = found.expect("somebody can be charged");
    assert!(found.is_equal(), "{found:?}");
    assert_eq!(found.books, found.processor);
    found.books.payments
}

/// Plays a scenario in lockstep with its twins, which are returned.
pub(crate) fn in_lockstep(world: &Arc<World>) -> Vec<History> {
    let twins = stage::twins(world).unwrap();
    let played = stage::lockstep(world, &twins, THREADS, &Control::default()).unwrap();
    assert_eq!(played.out_of_step, []);
    proof::lockstep(world, &twins, &played.histories).unwrap();
    let payers = twins.iter().filter(|history| kept(history) > 0).count() as u64;
    let payments = reconciled(played.reconciled);
    assert!(payments >= payers && payers > 0, "{payments} payments of {payers} who have paid");
    twins
}

/// What an account has captured, and has not gone back.
fn kept(history: &History) -> i64 {
    let moved = |movement| history.account.books().moved(movement).nanos();
    moved(Movement::Capture) - moved(Movement::Refund) - moved(Movement::Chargeback)
}

/// Plays it freely; every log gives its account again.
pub(crate) fn freely(world: &Arc<World>) -> FreeRun {
    let run = stage::free_run(world, THREADS, &Control::default()).unwrap();
    proof::replay(world, &run.histories, run.end).unwrap();
    reconciled(run.reconciled);
    for history in &run.histories {
        history.account.check();
        let mut heard = BTreeSet::new();
        for entry in &history.log {
            if let Event::Heard(Came::Answered(charge, _)) = entry.event {
                assert!(heard.insert((charge.purpose, charge.attempt)), "{charge:?} was answered twice");
            }
        }
    }
    run
}

pub(crate) fn count(histories: &[History], what: Count) -> u64 {
    histories.iter().map(|history| history.account.tally().of(what)).sum()
}

// === Scenarios ===

/// Renewals of cards that run out of money, that expire and are lost, and a processor that fails one time in ten.
const DUNNING: &str = "
scenario: dunning
horizon: 70d
plans:
  pro: { fee: $39/month, includes: { requests: 5 }, past_allowance: block, grace: 3d }
  max: { fee: $99/month, includes: { requests: 3k }, past_allowance: block, grace: 3d }
consumers:
  teams:
    count: 60
    plan: pro
    traffic: { rate: 6/day }
    payment: { card: { funded: 20d, broke: 8d, declines: 5%, hard: 20%, lasts: 60d } }
    reacts:
      - { when: past_due, do: fix_card, chance: 50%, after: 2d }
      - { when: quota_exhausted, do: upgrade, to: max, chance: 70%, after: 1h }
payments:
  processor: { latency: LATENCY, errors: 10% }
  dunning: { retries: [ 2d, 3d, 5d ], finally: cancel }
live: { rate: 400/s, duration: 2s, clock: 35d per 1s, connections: 64 }
";

/// Credit that is bought by itself, by clients that are refused, and as a reaction; the processor is down for a while.
const CREDIT: &str = "
scenario: credit
horizon: 20d
plans:
  credit:
    prepaid: { opening: $2, auto_top_up: { below: $0.50, add: $3, at_most: 4/month } }
    prices: { requests: $0.50 }
consumers:
  apps:
    count: 30
    plan: credit
    joined: start
    traffic: { rate: 20/day }
    payment: { card: { declines: 20% } }
    client: { attempts: 3, retry_on: [ 429 ], delay: 5ms, on_402: top_up_then_retry }
  others:
    count: 20
    plan: credit
    joined: { signups: 1/day }
    traffic: { rate: 15/day }
    reacts:
      - { when: credit_exhausted, do: top_up, amount: $4, chance: 80%, after: 30m }
      - { when: credit_exhausted, do: churn, chance: 10%, after: 1h }
payments: { processor: { latency: LATENCY } }
faults:
  - { at: 5d, for: 30h, fault: processor_down }
  - { at: 9d, for: 2d, fault: processor_slow, factor: 4 }
live: { rate: 400/s, duration: 2s, clock: 10d per 1s, connections: 64 }
";

fn with_latency(text: &str, latency: &str) -> Arc<World> {
    fixture::scaled(fixture::parse(&text.replace("LATENCY", latency)))
}

// === In lockstep ===

#[test]
fn in_lockstep_renewals_and_dunning_over_sockets_are_the_twins() {
    for latency in ["0ms", "{ p50: 5ms, p99: 40ms }"] {
        let twins = in_lockstep(&with_latency(DUNNING, latency));
        for what in [Count::Declined, Count::Errors, Count::Exhausted, Count::Upgrades] {
            assert!(count(&twins, what) > 0, "nothing is {what:?} at {latency}");
        }
    }
}

#[test]
fn in_lockstep_credit_that_is_bought_over_sockets_is_the_twins() {
    for latency in ["0ms", "{ p50: 5ms, p99: 40ms }"] {
        let twins = in_lockstep(&with_latency(CREDIT, latency));
        for what in [Count::Declined, Count::Errors, Count::TopUps] {
            assert!(count(&twins, what) > 0, "nothing is {what:?} at {latency}");
        }
    }
}

// === By the wall ===

/// The same scenarios where accounts hear by webhook: signed by the processor, some sent twice; how late they are heard,
/// which are lost and which come again as drawn.
fn by_webhook() -> [Arc<World>; 2] {
    let terms = "webhooks: { delay: { p50: 2ms, p99: 30ms }, duplicate: 30%, reorder: 1%, lose: 10%, reconcile: 50ms }";
    let newcomers = "newcomers: { count: 40, plan: pro, joined: { signups: 1/day }, traffic: { rate: 6/day } }";
    let dunning = DUNNING.replace("\n  processor:", &format!("\n  {terms}\n  processor:"));
    let dunning = dunning.replace("consumers:", &format!("consumers:\n  {newcomers}"));
    let credit = CREDIT.replace("{ processor:", &format!("{{ {terms}, processor:"));
    [dunning, credit].map(|text| with_latency(&text, "{ p50: 1ms, p99: 10ms }"))
}

#[test]
fn in_lockstep_what_webhooks_tell_is_what_the_twins_hear() {
    for world in by_webhook() {
        let twins = in_lockstep(&world);
        for what in [Count::Events, Count::Deliveries, Count::Reconciled] {
            assert!(count(&twins, what) > 0, "nothing is {what:?} of {}", world.scenario.name);
        }
        assert_eq!(count(&twins, Count::WronglyBlocked) > 0, world.scenario.name == "dunning");
    }
}

#[test]
fn freely_what_webhooks_tell_is_heard_once_and_the_processor_holds_what_the_books_say() {
    for world in by_webhook() {
        let histories = freely(&world).histories;
        assert!(count(&histories, Count::Deliveries) > 0, "{}", world.scenario.name);
    }
}

#[test]
fn freely_every_log_gives_its_account_again_and_the_processor_holds_what_the_books_say() {
    for text in [DUNNING, CREDIT] {
        let world = with_latency(text, "{ p50: 5ms, p99: 40ms }");
        let run = freely(&world);
        let heard = |answer: fn(&Answer) -> bool| {
            let is = |event: &Event| matches!(event, Event::Heard(Came::Answered(_, heard)) if answer(heard));
            run.histories.iter().flat_map(|history| &history.log).filter(|entry| is(&entry.event)).count()
        };
        assert!(heard(|answer| *answer == Answer::Paid) > 20);
        assert!(heard(|answer| matches!(answer, Answer::Declined(_))) > 5);
        assert!(heard(|answer| *answer == Answer::Error) > 5);
        let report = LoadReport::new(&world, &run, None).unwrap();
        assert_eq!(report.processor, run.reconciled);
        let page = farebox::report::load::render(&report);
        assert!(page.contains(": the same as the books"), "{page}");
    }
}

/// Each call takes all credit, and the credit for the next one is bought when it was settled: not when that next one comes.
#[test]
fn credit_is_bought_when_it_has_run_out_and_not_when_somebody_calls_next() {
    let text = "
scenario: one-by-one
horizon: 1m
plans: { credit: { prepaid: { opening: $1, auto_top_up: { below: $1, add: $1 } }, prices: { requests: $1 } } }
consumers:
  one: { count: 1, plan: credit, joined: start, traffic: { rate: 2/s, arrivals: constant } }
live: { rate: 2/s, duration: 3s, clock: 1s per 1s }
";
    let world = fixture::scaled(fixture::parse(text));
    let run = freely(&world);
    assert_eq!(run.load.offered, 6);
    assert_eq!(run.counts.served, 6, "{:?}", run.histories[0].log);
}

/// Nobody has a card: there is no processor, and nothing to reconcile.
#[test]
fn where_nobody_can_be_charged_no_processor_is_asked() {
    let text = "
scenario: free
horizon: 1d
plans: { free: { includes: { requests: 20/day }, past_allowance: block } }
consumers: { all: { count: 5, plan: free, payment: none, traffic: { rate: 30/day } } }
live: { rate: 100/s, duration: 1s }
";
    let world = fixture::scaled(fixture::parse(text));
    let twins = stage::twins(&world).unwrap();
    let played = stage::lockstep(&world, &twins, THREADS, &Control::default()).unwrap();
    proof::lockstep(&world, &twins, &played.histories).unwrap();
    assert_eq!(played.reconciled, None);
}

// === A renewal day ===

/// Everybody renews on 1 April, while the processor is down for two hours; cards run out of money for some days. The load
/// ends on day 40, well after the last retry and well before the next renewal, so that it may end somewhat late. Those who renew call so rarely that no call moves an
/// account's clock on while a payment is under way.
const RENEWAL_DAY: &str = "
scenario: renewal-day
start: 2026-03-01
horizon: 60d
plans:
  pro: { fee: $49/month, includes: { requests: 10k }, past_allowance: block, grace: 5d }
  free: { includes: { requests: 1M/day }, past_allowance: block }
consumers:
  teams:
    count: COUNT
    plan: pro
    joined: start
    traffic: { rate: 0.003/day }
    payment: { card: { funded: 15d, broke: 3d } }
  callers:
    count: 10
    plan: free
    traffic: { rate: 1k/day }
payments: { dunning: { retries: [ 12h, 1d, 2d ], finally: cancel } }
faults: [ { at: 31d, for: 2h, fault: processor_down } ]
live: { rate: 200/s, duration: 5s, clock: 8d per 1s, connections: 64 }
";

/// Live, a renewal day through an outage: nobody is charged twice, nobody is forgotten, and as many invoices are paid at
/// each attempt as of the twins, whose cards are the same.
fn renewal_day(consumers: u32) {
    let world = fixture::scaled(fixture::parse(&RENEWAL_DAY.replace("COUNT", &consumers.to_string())));
    let twins = in_lockstep(&world);
    let run = freely(&world);
    let by_attempt = |histories: &[History]| {
        let of = |k: usize| histories.iter().map(|history| history.account.tally().paid_by_attempt[k]).sum::<u64>();
        (0..4).map(of).collect::<Vec<_>>()
    };
    let (twin, live) = (by_attempt(&twins), by_attempt(&run.histories));
    assert_eq!(live, twin);
    assert!(live[..4].iter().all(|paid| *paid > 0), "{live:?}");
    let teams = run.histories.iter().filter(|history| history.account.consumer().cohort == 0);
    for history in teams {
        let mut paid = BTreeMap::<Purpose, u32>::new();
        let mut met_outage = false;
        for entry in &history.log {
            if let Event::Heard(Came::Answered(charge, answer)) = entry.event {
                *paid.entry(charge.purpose).or_default() += u32::from(answer == Answer::Paid);
                met_outage |= answer == Answer::Error;
            }
        }
        let account = &history.account;
        assert!(met_outage, "{:?} has not asked while the processor was down", account.consumer());
        // The fee of March and the renewals: each paid once, or the subscription is over or in dunning.
        assert!(paid.values().all(|times| *times <= 1), "{paid:?}");
        let unpaid = paid.values().filter(|times| **times == 0).count();
        assert!(unpaid <= 1, "{:?}: {paid:?}", account.status());
    }
}

#[test]
fn a_renewal_day_through_an_outage_charges_nobody_twice_and_forgets_nobody() {
    renewal_day(300);
}

#[test]
#[ignore = "2,000 subscriptions on sockets, which .ci/long plays"]
fn a_renewal_day_of_two_thousand_through_an_outage() {
    renewal_day(2_000);
}

// === Answers that are lost ===

/// Forwards to a server, and loses every third answer: the connection breaks when it has come.
fn losing(server: SocketAddr) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (address, lost) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
    let (answers, told) = (Arc::new(AtomicU64::new(0)), Arc::clone(&lost));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let (answers, lost) = (Arc::clone(&answers), Arc::clone(&told));
            let server = TcpStream::connect(server).unwrap();
            let (mut asks, mut forwards) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || _ = std::io::copy(&mut asks, &mut forwards));
            thread::spawn(move || lose(server, client, &answers, &lost));
        }
    });
    (address, lost)
}

fn lose(mut server: TcpStream, mut client: TcpStream, answers: &AtomicU64, lost: &AtomicU64) {
    let mut part = vec![0; 64 << 10];
    while let Ok(read @ 1..) = server.read(&mut part) {
        if part.starts_with(b"HTTP/1.1 ") && answers.fetch_add(1, Ordering::Relaxed) % 3 == 2 {
            lost.fetch_add(1, Ordering::Relaxed);
            _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
            return;
        }
        if client.write_all(&part[..read]).is_err() {
            return;
        }
    }
}

/// Monthly fees of consumers of whom some leave. An answer takes so long that some leave while they pay.
const NO_CALLS: &str = "
scenario: no-calls
horizon: 300d
plans: { pro: { fee: $10/month } }
consumers:
  all:
    count: 60
    plan: pro
    churn: 5%/month
    traffic: { rate: 0.001/day }
    payment: { card: { funded: 30d, broke: 6d } }
payments: { processor: { latency: 20d, errors: 10% }, dunning: { retries: [ 1d, 3d ], finally: keep } }
";

/// What has no answer is asked for again with the same key: the accounts are those that the model answers, and each
/// payment was taken once, though every third answer was lost. What was paid for a subscription that had ended
/// meanwhile has gone back.
#[test]
fn answers_that_are_lost_charge_nobody_twice_and_forget_nobody() {
    let world = Arc::new(World::whole(Arc::new(fixture::parse(NO_CALLS))).unwrap());
    let server = PaymentsServer::start(&PaymentsOptions { obey: true, ..PaymentsOptions::default() }).unwrap();
    let (processor, lost) = losing(server.addr());
    let (desk, tasks) = Desk::new();
    let accounts =
        Arc::new(Accounts::open_outside(Arc::clone(&world), Logging::Full, Hears::InTurn, desk.clone()).unwrap());
    let options = collector::Options { processor, run: "test".to_owned(), clock: None, to_end: collector::TO_END };
    let collector = Collector::start(Arc::clone(&accounts), desk, tasks, options).unwrap();
    accounts.play_to(world.end()).unwrap();
    assert_eq!(collector.finish().map(|ended| ended.unanswered), Ok(0));
    let captures = server.captures();
    let found = Reconciled::of(&accounts.collected(), &captures, world.scenario.currency);
    assert!(found.is_equal(), "{found:?}");
    let gone_back = captures.iter().filter(|capture| capture.amount == 0).count();
    assert!(gone_back > 0, "nobody has left while they paid");
    assert!(found.books.payments > 200 && lost.load(Ordering::Relaxed) > 100, "{found:?}, {lost:?} lost");
    let accounts = Arc::into_inner(accounts).unwrap().close(world.end()).unwrap();
    for (history, consumer) in accounts.iter().zip(world.consumers()) {
        let modelled = replay(&world, consumer, &[], world.end(), |_| ()).unwrap();
        assert_eq!(history.account, modelled);
    }
}
