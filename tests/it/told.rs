//! What the payment processor tells a load: webhooks that are late, come twice, overtake each other and are lost on the wire,
//! and what the gateway finds by asking; payments that go back; what nobody but the processor can have sent.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use farebox::live::accounts::{Accounts, Logging};
use farebox::live::collector::reconcile::Reconciled;
use farebox::live::collector::{self, Collector, Desk, Ended};
use farebox::live::webhooks::notice::{KINDS, name};
use farebox::live::webhooks::receiver::Receiver;
use farebox::live::webhooks::signature::{TOLERANCE, Verifier};
use farebox_engine::billing::account::Status;
use farebox_engine::billing::ledger::Movement;
use farebox_engine::billing::tally::Count;
use farebox_engine::log::{Event, History};
use farebox_engine::world::outside::{Came, Hears};
use farebox_engine::world::{Via, World};
use hmac::{Hmac, KeyInit, Mac};
use mock_upstreams::payments::Webhook;
use mock_upstreams::{Latency, PaymentsOptions, PaymentsServer, Share};
use sha2::Sha256;

use crate::collected::{count, freely, in_lockstep, reconciled};
use crate::fixture;

/// Monthly fees, at the start and on 1 April, of cards that run out of money for some days; of what is paid some goes back.
/// The load ends on day 40: after the last retry and what goes back then, and long before the next renewal.
const RENEWALS: &str = "
scenario: told
start: 2026-03-01
horizon: 60d
plans:
  pro: { fee: $49/month, includes: { requests: 10k }, past_allowance: block, grace: 6d }
  free: { includes: { requests: 1M/day }, past_allowance: block }
consumers:
  teams:
    count: 150
    plan: pro
    joined: start
    traffic: { rate: 0.003/day }
    payment: { card: { funded: 15d, broke: 3d } }
  callers: { count: 10, plan: free, traffic: { rate: 1k/day } }
payments:
  WEBHOOKS
  refunds: { chance: 20%, after: 2d }
  chargebacks: { chance: 15%, after: 3d }
  dunning: { retries: [ 12h, 1d, 2d ], finally: cancel }
live: { rate: 100/s, duration: 8s, clock: 5d per 1s, connections: 16 }
";

/// A tenth of a second is half a day: what is lost, or late by two seconds, is found by asking within two hours and a half.
const LOSSY: &str =
    "webhooks: { delay: { p50: 2ms, p99: 15ms }, duplicate: 20%, reorder: 10%, lose: 30%, reconcile: 20ms }";

fn renewals(webhooks: &str) -> Arc<World> {
    fixture::scaled(fixture::parse(&RENEWALS.replace("WEBHOOKS", webhooks)))
}

/// What has become of an account, but for when.
#[derive(Debug, PartialEq, Eq)]
struct End {
    status: Status,
    moved: [i64; 4],
    counts: [u64; 2],
    paid_by_attempt: Vec<u64>,
}

/// What has become of each account.
fn ends(histories: &[History]) -> Vec<End> {
    let movements = [Movement::Capture, Movement::Refund, Movement::Chargeback, Movement::FeeDecline];
    let of = |History { account, .. }: &History| {
        let (books, tally) = (account.books(), account.tally());
        let counts = [Count::Attempts, Count::Declined].map(|what| tally.of(what));
        let moved = movements.map(|what| books.moved(what).nanos());
        End { status: account.status(), moved, counts, paid_by_attempt: tally.paid_by_attempt.to_vec() }
    };
    histories.iter().map(of).collect()
}

/// How many deliveries a load's accounts have had, and how much they were told because somebody had asked.
fn told(histories: &[History], by: Via) -> usize {
    let is = |event: &Event| matches!(event, Event::Heard(Came::Told { via, .. }) if *via == by);
    histories.iter().flat_map(|history| &history.log).filter(|entry| is(&entry.event)).count()
}

/// Webhooks that are late, come twice, overtake each other, and three of ten are lost: the books end as those of a load that
/// hears everything at once. Nobody is charged twice, nobody is forgotten, nobody canceled for the slowness of the wire.
#[test]
fn freely_what_goes_wrong_with_webhooks_ends_in_the_same_books() {
    let plain = freely(&renewals(""));
    let lossy = freely(&renewals(LOSSY));
    assert_eq!(ends(&lossy.histories), ends(&plain.histories));
    let moved = |movement| lossy.histories.iter().filter(|it| it.account.books().moved(movement).nanos() > 0).count();
    assert!(moved(Movement::Refund) > 10 && moved(Movement::Chargeback) > 10);
    // The processor was asked, over HTTP, and has told what no webhook had.
    assert_eq!(plain.reconciled.map(|found| found.asked), Some(0));
    assert!(lossy.reconciled.is_some_and(|found| found.asked > 0), "{:?}", lossy.reconciled);
    let [events, deliveries, duplicates, found, unheard] =
        [Count::Events, Count::Deliveries, Count::Duplicates, Count::Reconciled, Count::Unheard]
            .map(|what| count(&lossy.histories, what));
    assert_eq!(unheard, 0, "what has happened was heard of");
    // Of each event three chances of ten: five deviations of a binomial.
    let (lost, spread) = (0.3 * events as f64, 5.0 * (0.21 * events as f64).sqrt());
    assert!(found as f64 > lost - spread, "{found} of {events} found by asking");
    assert!(
        (deliveries - duplicates.min(deliveries)) as f64 <= events as f64 - lost + spread,
        "{deliveries} delivered"
    );
    assert!(duplicates > 0);
    assert!(told(&lossy.histories, Via::Webhook) as u64 >= deliveries);
    assert!(told(&lossy.histories, Via::Reconciliation) as u64 >= found);
}

#[test]
fn in_lockstep_what_goes_back_and_what_is_lost_goes_over_sockets_and_is_the_twins() {
    for webhooks in ["", LOSSY] {
        let twins = in_lockstep(&renewals(webhooks));
        for movement in [Movement::Refund, Movement::Chargeback] {
            assert!(twins.iter().any(|twin| twin.account.books().moved(movement).nanos() > 0), "{movement:?}");
        }
        assert_eq!(count(&twins, Count::Reconciled) > 0, webhooks == LOSSY);
    }
}

// === Who is believed ===

const SECRET: &str = "whsec_of_the_processor";

/// In turn with accounts.
fn options(processor: SocketAddr) -> collector::Options {
    collector::Options { processor, run: "test".to_owned(), clock: None, to_end: collector::TO_END }
}

/// A monthly fee of one consumer, told by webhooks that a processor without any address for them never sends.
const ONE: &str = "
scenario: one
horizon: 10d
plans: { pro: { fee: $10/month } }
consumers: { one: { count: 1, plan: pro, joined: start, traffic: { rate: 0.001/day } } }
payments: { webhooks: { delay: 1s } }
";

/// Sends an event that is signed with this secret; the status of what is answered.
fn send(url: &str, secret: &str, event: &str) -> u16 {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut key = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    key.update(format!("{seconds}.{event}").as_bytes());
    let hex: Vec<_> = key.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = hex.concat();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nstripe-signature: t={seconds},v1={hex}\r\n\
         content-length: {}\r\n\r\n{event}",
        event.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Who tells an account that it is paid, and is not the processor, is refused; the processor is believed, once.
#[test]
fn a_forged_webhook_is_refused_and_a_signed_one_is_heard_once() {
    let world = Arc::new(World::whole(Arc::new(fixture::parse(ONE))).unwrap());
    let server = PaymentsServer::start(&PaymentsOptions { obey: true, ..PaymentsOptions::default() }).unwrap();
    let (desk, tasks) = Desk::new();
    let teller = desk.clone();
    let receiver = Receiver::start(Verifier::new(SECRET, TOLERANCE), move |notice| teller.told(notice)).unwrap();
    let accounts =
        Arc::new(Accounts::open_outside(Arc::clone(&world), Logging::Full, Hears::InTurn, desk.clone()).unwrap());
    let options = options(server.addr());
    let collector = Collector::start(Arc::clone(&accounts), desk, tasks, options).unwrap();
    accounts.play_to(world.end()).unwrap();
    let [charge] = accounts.collected()[0].open[..] else { panic!("the first fee is asked for") };
    let of = |account: u32| {
        let (purpose, attempt) = (name(charge.purpose), charge.attempt);
        let metadata = format!(r#"{{"account": "{account}", "purpose": "{purpose}", "attempt": "{attempt}"}}"#);
        format!(r#"{{"type": "payment_intent.succeeded", "data": {{"object": {{"metadata": {metadata}}}}}}}"#)
    };
    assert_eq!(send(&receiver.url(), "whsec_of_somebody", &of(0)), 400);
    // Signed, and about an account that is nobody's.
    assert_eq!(send(&receiver.url(), SECRET, &of(7)), 200);
    assert_eq!(accounts.collected()[0].captured.charges, 0, "nobody has told it");
    assert_eq!([(); 2].map(|()| send(&receiver.url(), SECRET, &of(0))), [200; 2]);
    assert_eq!(collector.finish(), Ok(Ended::default()));
    let found = Reconciled::of(&accounts.collected(), &server.captures(), world.scenario.currency);
    assert_eq!(reconciled(Some(found)), 1);
}

// === A crowd who asks ===

/// The first fee of 300 consumers, of which no webhook tells; they ask before it is too late for a first fee. Half of the
/// attempts fail, and are made again: these charges come when many look for what was lost already.
const CROWD: &str = "
scenario: crowd
horizon: 10d
plans: { pro: { fee: $10/month } }
consumers: { all: { count: 300, plan: pro, joined: start, traffic: { rate: 0.001/day } } }
payments: { processor: { errors: 50% }, webhooks: { lose: 100%, reconcile: 6h } }
";
const CROWDED: u32 = 300;
/// What only a failure waits for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many charges that are paid were asked for, and whether all were when somebody asked for what was lost.
type Asked = Arc<(Mutex<(u32, Option<bool>)>, Condvar)>;

/// Forwards to a processor, but what asks for lost events no sooner than all charges were asked for.
fn holding(server: SocketAddr) -> (SocketAddr, Asked) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Asked::default());
    let shared = Arc::clone(&asked);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(server).unwrap();
            let (mut answers, mut answered) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let asked = Arc::clone(&shared);
            thread::spawn(move || hold(client, server, &asked));
            thread::spawn(move || _ = std::io::copy(&mut answers, &mut answered));
        }
    });
    (address, asked)
}

fn hold(mut client: TcpStream, mut server: TcpStream, asked: &Asked) {
    let mut part = vec![0; 64 << 10];
    while let Ok(read @ 1..) = client.read(&mut part) {
        let (counts, changes) = &**asked;
        let text = String::from_utf8_lossy(&part[..read]);
        if text.starts_with("POST /v1/payment_intents ") && text.contains("answer=paid") {
            counts.lock().unwrap().0 += 1;
            changes.notify_all();
        } else if text.starts_with("GET /v1/events?") {
            let waited =
                changes.wait_timeout_while(counts.lock().unwrap(), PATIENCE, |(charges, _)| *charges < CROWDED);
            let (mut counts, waited) = waited.unwrap();
            counts.1.get_or_insert(!waited.timed_out());
        }
        if server.write_all(&part[..read]).is_err() {
            return;
        }
    }
}

/// A processor that tells nobody, and accounts that were all played to their end.
fn crowd(max_events: Option<NonZeroUsize>) -> (Arc<World>, Arc<Accounts>, PaymentsServer, Desk, collector::Tasks) {
    let world = Arc::new(World::whole(Arc::new(fixture::parse(CROWD))).unwrap());
    let webhook = Webhook {
        url: "http://127.0.0.1:9/".parse().unwrap(),
        secret: SECRET.to_owned(),
        events: KINDS.map(str::to_owned).into(),
        delay: Latency::ZERO,
        duplicate: Share::NONE,
        reorder: Share::NONE,
        lose: Share::NONE,
        at_once: NonZeroUsize::MIN,
    };
    let options = PaymentsOptions { obey: true, webhook: Some(webhook), max_events, ..PaymentsOptions::default() };
    let (server, (desk, tasks)) = (PaymentsServer::start(&options).unwrap(), Desk::new());
    let accounts =
        Arc::new(Accounts::open_outside(Arc::clone(&world), Logging::Full, Hears::InTurn, desk.clone()).unwrap());
    (world, accounts, server, desk, tasks)
}

/// Of 300 who wait for the answer to one request about what was lost, none has a place that a charge waits for.
#[test]
fn a_crowd_that_looks_for_what_was_lost_keeps_nobody_from_being_charged() {
    let (world, accounts, server, desk, tasks) = crowd(None);
    let (processor, asked) = holding(server.addr());
    let collector = Collector::start(Arc::clone(&accounts), desk, tasks, options(processor)).unwrap();
    accounts.play_to(world.end()).unwrap();
    let ended = collector.finish().unwrap();
    assert_eq!((*asked.0.lock().unwrap(), ended.unanswered), ((CROWDED, Some(true)), 0));
    let found = Reconciled::of(&accounts.collected(), &server.captures(), world.scenario.currency);
    assert_eq!(reconciled(Some(found)), u64::from(CROWDED));
}

/// What the processor has forgotten nobody finds. Those who wait for it are counted, and all accounts can be closed.
#[test]
fn who_has_no_answer_is_counted_and_the_others_books_are_told() {
    let (world, accounts, server, desk, tasks) = crowd(NonZeroUsize::new(200));
    let (processor, _) = holding(server.addr());
    let (options, most) = (options(processor), u64::from(CROWDED));
    let options = collector::Options { to_end: PATIENCE, ..options };
    let collector = Collector::start(Arc::clone(&accounts), desk, tasks, options).unwrap();
    accounts.play_to(world.end()).unwrap();
    let Ended { unanswered, .. } = collector.finish().unwrap();
    assert!((100..=most).contains(&unanswered), "{unanswered} of {most}");
    let found = Reconciled::of(&accounts.collected(), &server.captures(), world.scenario.currency);
    assert_eq!(found.books.payments + unanswered, most);
    assert!(!Reconciled { unanswered, ..found }.is_equal());
    let accounts = Arc::into_inner(accounts).unwrap().close(world.end()).unwrap();
    assert_eq!(accounts.len(), CROWDED as usize);
}
