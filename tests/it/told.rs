//! What the payment processor tells a load: webhooks that are late, come twice, overtake each other and are lost on the wire,
//! and what the gateway finds by asking; payments that go back; what nobody but the processor can have sent.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use farebox::live::accounts::{Accounts, Logging};
use farebox::live::collector::reconcile::Reconciled;
use farebox::live::collector::{self, Collector, Desk};
use farebox::live::webhooks::notice::name;
use farebox::live::webhooks::receiver::Receiver;
use farebox::live::webhooks::signature::{TOLERANCE, Verifier};
use farebox_engine::billing::account::Status;
use farebox_engine::billing::ledger::Movement;
use farebox_engine::billing::tally::Count;
use farebox_engine::log::{Event, History};
use farebox_engine::world::outside::{Came, Hears};
use farebox_engine::world::{Via, World};
use hmac::{Hmac, KeyInit, Mac};
use mock_upstreams::{PaymentsOptions, PaymentsServer};
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
    let options = collector::Options { processor: server.addr(), run: "test".to_owned(), clock: None };
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
    assert_eq!(collector.finish(), Ok(0));
    let found = Reconciled::of(&accounts.collected(), &server.captures(), world.scenario.currency);
    assert_eq!(reconciled(Some(found)), 1);
}
