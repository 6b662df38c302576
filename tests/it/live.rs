//! The gateway on real sockets: who is refused and why, what travels through it, and that every admitted call is paid or
//! released exactly once, whatever the client and the upstream do.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use expect_test::expect;
use farebox::live::accounts::{AccountId, Logging, WallClock, key};
use farebox::live::gateway::{Gateway, Options, Time};
use farebox_engine::billing::cause::Cause;
use farebox_engine::billing::gate::Decision;
use farebox_engine::billing::ledger::{LedgerAccount, Movement};
use farebox_engine::billing::tally::Count;
use farebox_engine::log::{Event, History};
use farebox_engine::world::World;
use mock_upstreams::{Server, ServiceSpec};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::fixture;
use wire::{Message, Wire, wait_until};

mod admin;
mod amends;
mod ends;
mod faults;
mod gone;
mod hostile;
mod http2;
mod idle;
mod metering;
mod reconciled;
mod relay;
mod serve;
mod timeout;
mod tls;
mod top_up;
mod upstreams;
mod wire;

/// One prepaid consumer with credit for exactly 1,000 calls, and one of each plan that refuses. Time runs as on the wall.
const PLANS: &str = "
scenario: plans
horizon: 30d
plans:
  payg: { prepaid: { opening: $10 }, prices: { requests: $0.01 } }
  hobby: { includes: { requests: 3/month }, past_allowance: block }
  throttled: { limits: [ { requests: 1/h, kind: token_bucket, burst: 2 } ] }
consumers:
  script: { count: 1, plan: payg, traffic: { rate: 1/day } }
  hobby: { count: 1, plan: hobby, traffic: { rate: 0.001/day } }
  eager: { count: 1, plan: throttled, traffic: { rate: 1/day } }
";
const PRICE_NANOS: i64 = 10_000_000;
const CALLS_OF_CREDIT: u64 = 1_000;

const SCRIPT: AccountId = AccountId(0);
const HOBBY: AccountId = AccountId(1);
const EAGER: AccountId = AccountId(2);

/// A body that no buffer on the way holds, and that the gateway does not read to its end for nobody.
const TOO_LONG: usize = 32 << 20;

/// How long the gateway waits for what is in flight, when the test says that it ends.
const GRACE: Duration = Duration::from_secs(20);

/// A mock upstream that does what it is told, and the gateway before it.
struct Rig {
    upstream: Server,
    gateway: Gateway,
}

impl Rig {
    fn new(scenario: &str) -> Self {
        Self::answering(scenario, ServiceSpec::default())
    }

    fn answering(scenario: &str, service: ServiceSpec) -> Self {
        let upstream = Server::start(&mock_upstreams::Options { service, obey: true, ..Default::default() }).unwrap();
        Self { gateway: gateway(scenario, upstream.addr()), upstream }
    }

    fn client(&self) -> Wire {
        Wire::connect(self.gateway.addr())
    }

    fn count(&self, cause: Cause) -> u64 {
        self.gateway.counts().causes[cause.index()]
    }

    /// Waits until every hold is resolved, and ends.
    fn quiesce(self) -> Vec<Account> {
        wait_until("every hold is resolved", || self.gateway.open_holds() == 0);
        self.end(GRACE)
    }

    fn end(self, grace: Duration) -> Vec<Account> {
        let accounts = accounts(self.gateway, grace);
        self.upstream.shutdown(Duration::ZERO);
        accounts
    }
}

fn gateway(scenario: &str, upstream: SocketAddr) -> Gateway {
    let world = Arc::new(World::whole(Arc::new(fixture::parse(scenario))).unwrap());
    serve(world, upstream, Instant::now())
}

/// A gateway on two threads that honours the stamps of `token`.
fn serve(world: Arc<World>, upstream: SocketAddr, origin: Instant) -> Gateway {
    let options = Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        threads: NonZeroUsize::new(2).unwrap(),
        upstream,
        time: Time::Wall(origin),
        logging: Logging::Full,
        token: Some("c0ffee".to_owned()),
    };
    Gateway::start(world, &options).unwrap()
}

/// A listener for an upstream that the test plays itself.
fn listen() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// The header with an account's key, and the one that tells the mock what to do.
fn keyed(id: AccountId, outcome: &str) -> String {
    format!("x-api-key: {}\r\nmock-outcome: {outcome}\r\n", key(id))
}

/// What an account went through, added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Account {
    served: u64,
    failed: u64,
    refused: u64,
    /// Calls whose hold was never resolved.
    open: usize,
    spent_nanos: i64,
}

fn accounts(gateway: Gateway, grace: Duration) -> Vec<Account> {
    let histories = gateway.finish(grace, WallClock::now).unwrap().histories;
    histories.iter().map(Account::of).collect()
}

impl Account {
    /// Checks as well that no hold was resolved twice, that only served calls were paid, and that the books balance.
    fn of(history: &History) -> Self {
        let mut open = BTreeSet::new();
        let (mut served, mut failed, mut refused) = (0, 0, 0);
        for entry in &history.log {
            match entry.event {
                Event::Decided { decision: Decision::Refuse(_), .. } => refused += 1,
                Event::Decided { decision: Decision::Admit(admission), .. } => assert!(open.insert(admission.hold)),
                Event::GaveUp { hold, .. } => {
                    assert!(open.contains(&hold), "{hold:?} is given up after it was resolved");
                }
                Event::Served { hold, .. } => {
                    assert!(open.remove(&hold), "{hold:?} is settled twice, or after it was released");
                    served += 1;
                }
                Event::Failed { hold, .. } => {
                    assert!(open.remove(&hold), "{hold:?} is released twice, or after it was settled");
                    failed += 1;
                }
                Event::Heard(_) => {}
            }
        }
        let account = &history.account;
        account.check();
        assert_eq!((open.len(), account.tally().of(Count::Late)), (account.open_holds(), 0));
        let nanos = |movement| account.books().moved(movement).nanos();
        let held = i64::try_from(-account.books().balance(LedgerAccount::HeldPromotional)).unwrap();
        assert_eq!(nanos(Movement::Grant), nanos(Movement::Spend) + held + account.credit().nanos());
        Self { served, failed, refused, open: open.len(), spent_nanos: nanos(Movement::Spend) }
    }

    /// A prepaid account whose calls ended so.
    fn settled(served: u64, failed: u64) -> Self {
        Self { served, failed, refused: 0, open: 0, spent_nanos: PRICE_NANOS * served as i64 }
    }
}

// === Reserve ===

/// 64 clients share one balance and take all that they can get: neither a call nor a cent more than was granted. Every
/// third call takes a few milliseconds, so that many hold credit at the same time.
#[test]
fn a_thousand_calls_of_credit_are_a_thousand_answers() {
    for _ in 0..20 {
        let rig = Rig::new(PLANS);
        let addr = rig.gateway.addr();
        let answered: u64 = thread::scope(|scope| {
            let clients: Vec<_> = (0..64).map(|client| scope.spawn(move || until_refused(addr, client))).collect();
            clients.into_iter().map(|client| client.join().unwrap()).sum()
        });
        assert_eq!(answered, CALLS_OF_CREDIT);
        assert_eq!(rig.count(Cause::CreditExhausted), 64);
        let counters = rig.upstream.counters();
        assert_eq!((counters.received, counters.answered), (CALLS_OF_CREDIT, CALLS_OF_CREDIT));
        let script = rig.quiesce()[0];
        assert_eq!(script, Account { refused: 64, ..Account::settled(CALLS_OF_CREDIT, 0) });
        assert_eq!(script.spent_nanos, 10_000_000_000);
    }
}

/// Calls over one connection until the first refusal; returns how many were answered before.
fn until_refused(gateway: SocketAddr, client: u64) -> u64 {
    let mut wire = Wire::connect(gateway);
    for call in 0.. {
        let latency_ns = if (client + call).is_multiple_of(3) { 2_000_000 } else { 0 };
        let answer = wire.get(&keyed(SCRIPT, &format!("latency_ns={latency_ns}")));
        if answer.status() != 200 {
            refused(&answer, 402, "credit_exhausted");
            return call;
        }
    }
    unreachable!("the credit is finite")
}

/// The answer is a refusal by the gateway, and says so the same in its head and in its body.
fn refused(answer: &Message, status: u16, cause: &str) {
    assert_eq!((answer.status(), answer.cause()), (status, Some(cause)), "{answer}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&problem["code"], &problem["status"]), (&json!(cause), &json!(status)));
}

// === Clients that go away ===

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    /// It says that nothing more comes.
    Fin,
    /// It breaks the connection.
    Reset,
}

impl Leaving {
    const BOTH: [Self; 2] = [Self::Fin, Self::Reset];

    /// The connection, if there still is one.
    fn leave(self, wire: Wire) -> Option<Wire> {
        match self {
            Self::Fin => {
                wire.finish();
                Some(wire)
            }
            Self::Reset => {
                wire.reset();
                None
            }
        }
    }
}

/// The upstream works on, so the call is paid (`on_client_abort: settle`), once.
#[test]
fn a_client_that_leaves_while_the_upstream_works_pays_once() {
    let rig = Rig::new(PLANS);
    let mut clients = Vec::new();
    for leaving in Leaving::BOTH.repeat(20) {
        let mut client = rig.client();
        client.ask("GET", &keyed(SCRIPT, "latency_ns=1000000000"));
        clients.push((leaving, client));
    }
    wait_until("the upstream has all calls", || rig.upstream.counters().received == 40);
    let gone: Vec<_> = clients.into_iter().map(|(leaving, client)| leaving.leave(client)).collect();
    wait_until("every hold is resolved", || rig.gateway.open_holds() == 0);
    drop(gone);
    assert_eq!(rig.upstream.counters().answered, 40);
    assert_eq!(rig.gateway.counts().served, 40);
    assert!(rig.count(Cause::ClientAbort) > 0, "no client left in time");
    assert_eq!(rig.quiesce()[0], Account::settled(40, 0));
}

/// The upstream fails after the client has left: nobody pays.
#[test]
fn a_call_that_fails_after_its_client_has_left_is_released() {
    let rig = Rig::new(PLANS);
    let mut clients = Vec::new();
    for leaving in Leaving::BOTH.repeat(4) {
        let mut client = rig.client();
        client.ask("GET", &keyed(SCRIPT, "latency_ns=300000000;status=500"));
        clients.push((leaving, client));
    }
    wait_until("the upstream has all calls", || rig.upstream.counters().received == 8);
    let gone: Vec<_> = clients.into_iter().map(|(leaving, client)| leaving.leave(client)).collect();
    wait_until("every hold is resolved", || rig.gateway.open_holds() == 0);
    drop(gone);
    assert_eq!(rig.quiesce()[0], Account::settled(0, 8));
}

/// Bodies that the gateway can read to their end, and bodies that it gives up: what the head said was used is paid.
#[test]
fn a_client_that_leaves_inside_of_the_body_pays_once() {
    for body_bytes in [1 << 10, 600 << 10, TOO_LONG] {
        let rig = Rig::answering(PLANS, ServiceSpec { body_bytes, ..ServiceSpec::default() });
        let mut gone = Vec::new();
        for leaving in Leaving::BOTH.repeat(4) {
            let mut client = rig.client();
            client.ask("GET", &keyed(SCRIPT, ""));
            assert_eq!(client.receive_head().status(), 200);
            client.exactly(100);
            gone.extend(leaving.leave(client));
        }
        wait_until("every hold is resolved", || rig.gateway.open_holds() == 0);
        drop(gone);
        assert_eq!(rig.upstream.counters().answered, 8);
        if body_bytes == TOO_LONG {
            assert_eq!(rig.count(Cause::ClientAbort), 8);
        }
        // The connections to the upstream are still in order, or were given up.
        let after = rig.client().get(&keyed(SCRIPT, ""));
        assert_eq!((after.status(), after.body.len()), (200, body_bytes));
        assert_eq!(rig.quiesce()[0], Account::settled(9, 0));
    }
}

/// A client that goes away inside of its own request: the upstream never had the call whole, nobody pays.
#[test]
fn a_client_that_leaves_inside_of_its_request_does_not_pay() {
    let rig = Rig::new(PLANS);
    let mut gone = Vec::new();
    for leaving in Leaving::BOTH.repeat(4) {
        let mut client = rig.client();
        client.ask("POST", &format!("{}content-length: 1000\r\n", keyed(SCRIPT, "")));
        client.send("the first of it");
        gone.push((leaving, client));
    }
    wait_until("the upstream has all heads", || rig.upstream.counters().received == 8);
    let gone: Vec<_> = gone.into_iter().map(|(leaving, client)| leaving.leave(client)).collect();
    wait_until("every hold is resolved", || rig.gateway.open_holds() == 0);
    drop(gone);
    assert_eq!(rig.upstream.counters().answered, 0);
    assert_eq!(rig.quiesce()[0], Account::settled(0, 8));
}

// === Upstreams that fail ===

#[test]
fn what_fails_behind_the_gateway_is_passed_on_and_not_billed() {
    let rig = Rig::new(PLANS);
    let mut client = rig.client();
    for (status, cause) in [
        (500, Cause::UpstreamError),
        (503, Cause::UpstreamError),
        (402, Cause::Upstream402),
        (404, Cause::Upstream4xx),
        (429, Cause::Upstream4xx),
    ] {
        let before = rig.count(cause);
        let answer = client.get(&keyed(SCRIPT, &format!("status={status}")));
        // It is the upstream's answer, so the gateway gives no cause of its own: a 402 of its own would have one.
        assert_eq!((answer.status(), answer.cause(), answer.body.len()), (status, None, 64), "{answer}");
        assert_eq!(rig.count(cause), before + 1, "{}", cause.name());
    }
    // Any 2xx or 3xx is served.
    for status in [201, 302] {
        assert_eq!(client.get(&keyed(SCRIPT, &format!("status={status}"))).status(), status);
    }
    assert_eq!(rig.quiesce()[0], Account::settled(2, 5));
}

/// The port is taken and nobody listens on it, so that no other test can.
#[test]
fn an_upstream_that_is_not_there_is_a_502_and_costs_nothing() {
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let gateway = gateway(PLANS, nobody.local_addr().unwrap());
    let mut client = Wire::connect(gateway.addr());
    for _ in 0..3 {
        refused(&client.get(&keyed(SCRIPT, "")), 502, "upstream_error");
    }
    assert_eq!(gateway.counts().causes[Cause::UpstreamError.index()], 3);
    assert_eq!(gateway.open_holds(), 0);
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(0, 3));
}

#[test]
fn an_upstream_that_breaks_off_costs_nothing() {
    let upstream = listen();
    let gateway = gateway(PLANS, upstream.local_addr().unwrap());
    let mut client = Wire::connect(gateway.addr());

    // Before it answers.
    client.ask("GET", &keyed(SCRIPT, ""));
    let mut behind = Wire::accept(&upstream);
    behind.receive();
    drop(behind);
    refused(&client.receive(), 502, "upstream_error");

    // Inside of its body: the client sees that something is missing.
    client.ask("GET", &keyed(SCRIPT, ""));
    let mut behind = Wire::accept(&upstream);
    behind.receive();
    behind.send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf");
    assert_eq!(client.receive_head().status(), 200);
    assert_eq!(client.exactly(4), b"half");
    drop(behind);
    assert_eq!(client.rest(), b"");

    // It says something that is not HTTP.
    let mut client = Wire::connect(gateway.addr());
    client.ask("GET", &keyed(SCRIPT, ""));
    let mut behind = Wire::accept(&upstream);
    behind.receive();
    behind.send("220 mail.example ESMTP\r\n\r\n");
    refused(&client.receive(), 502, "upstream_error");

    wait_until("every hold is resolved", || gateway.open_holds() == 0);
    assert_eq!(gateway.counts().served, 0);
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(0, 3));
}

// === The end of the gateway ===

/// Calls that have an answer within the grace are settled, and the clients have it.
#[test]
fn what_is_in_flight_at_the_end_is_waited_for() {
    let rig = Rig::new(PLANS);
    let mut clients: Vec<_> = (0..8).map(|_| rig.client()).collect();
    for client in &mut clients {
        client.ask("GET", &keyed(SCRIPT, "latency_ns=300000000"));
    }
    wait_until("the upstream has all calls", || rig.upstream.counters().received == 8);
    let finished = rig.gateway.finish(GRACE, WallClock::now).unwrap();
    assert_eq!(Account::of(&finished.histories[0]), Account::settled(8, 0));
    assert_eq!(finished.counts.served, 8, "what the gateway says it has done includes them");
    assert!(clients.iter_mut().all(|client| client.receive().status() == 200));
}

/// Calls that have none were in flight, as at the end of a simulation, whether their clients still wait or have left.
#[test]
fn what_is_cut_off_at_the_end_is_in_flight() {
    let rig = Rig::new(PLANS);
    let mut clients: Vec<_> = (0..9).map(|_| rig.client()).collect();
    for client in &mut clients {
        client.ask("GET", &keyed(SCRIPT, "latency_ns=3600000000000"));
    }
    wait_until("the upstream has all calls", || rig.upstream.counters().received == 9);
    clients.drain(6..).for_each(Wire::reset);
    clients[3..].iter().for_each(Wire::finish);
    wait_until("the gateway has seen them leave", || rig.count(Cause::ClientAbort) == 6);
    assert_eq!(rig.gateway.open_holds(), 9);
    assert_eq!(rig.end(Duration::ZERO)[0], Account { open: 9, ..Account::settled(0, 0) });
}

/// A body of which the client has only a part when the gateway ends.
#[test]
fn a_body_that_is_cut_off_at_the_end_is_in_flight() {
    let rig = Rig::answering(PLANS, ServiceSpec { body_bytes: TOO_LONG, ..ServiceSpec::default() });
    let mut client = rig.client();
    client.ask("GET", &keyed(SCRIPT, ""));
    assert_eq!(client.receive_head().status(), 200);
    assert_eq!(rig.gateway.open_holds(), 1);
    let script = rig.end(Duration::ZERO)[0];
    assert_eq!((script.served, script.failed, script.open), (0, 0, 1));
}

// === Refusals ===

#[test]
fn who_has_no_key_is_told_so() {
    let rig = Rig::new(PLANS);
    let mut client = rig.client();
    let unauthorized = client.get("");
    refused(&unauthorized, 401, "no_credential");
    expect![[r#"
        HTTP/1.1 401 Unauthorized
        cache-control: no-store
        content-length: 257
        content-type: application/problem+json
        farebox-cause: no_credential
    "#]]
    .assert_eq(&unauthorized.to_string());
    for nobody in ["x-api-key: key-000003\r\n", "x-api-key: \r\n", "authorization: Bearer key-00000\r\n"] {
        refused(&client.get(nobody), 401, "unknown_credential");
    }
    refused(&client.get("authorization: Basic a2V5LTAwMDAwMDo=\r\n"), 401, "no_credential");
    for known in ["Bearer key-000000", "bearer key-000000"] {
        assert_eq!(client.get(&format!("authorization: {known}\r\n")).status(), 200);
    }
    // A key that nobody has is not made good by a second credential.
    refused(&client.get("x-api-key: nobody\r\nauthorization: Bearer key-000000\r\n"), 401, "unknown_credential");
    assert_eq!(rig.upstream.counters().received, 2);
    assert_eq!(rig.quiesce()[0], Account::settled(2, 0));
}

#[test]
fn allowance_and_rate_refuse_with_their_own_causes() {
    let rig = Rig::new(PLANS);
    let mut client = rig.client();
    for _ in 0..3 {
        assert_eq!(client.get(&keyed(HOBBY, "")).status(), 200);
    }
    let over = client.get(&keyed(HOBBY, ""));
    refused(&over, 402, "quota_exhausted");
    // The allowance is a month's: it is new when the next one begins.
    let seconds: u32 = over.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=31 * 86_400).contains(&seconds), "{over}");
    for _ in 0..2 {
        assert_eq!(client.get(&keyed(EAGER, "")).status(), 200);
    }
    let fast = client.get(&keyed(EAGER, ""));
    refused(&fast, 429, "rate_limited");
    // One token an hour: the next is there an hour after the first was taken, less what this test has taken since.
    let seconds: u32 = fast.header("retry-after").unwrap().parse().unwrap();
    assert!((3_000..=3_600).contains(&seconds), "{fast}");
    assert_eq!(rig.upstream.counters().received, 5);
    assert_eq!((rig.count(Cause::QuotaExhausted), rig.count(Cause::RateLimited)), (1, 1));
    rig.quiesce();
}

/// The words and the statuses of a vendor; the header that names the cause is there all the same.
#[test]
fn a_refusal_is_written_in_the_dialect_of_the_scenario() {
    for (dialect, status, expected) in [
        (
            "openai_429",
            429,
            json!({ "error": {
                "message": "The prepaid balance does not cover this call",
                "type": "insufficient_quota",
                "param": null,
                "code": "credit_balance_exhausted",
            } }),
        ),
        (
            "openrouter_402",
            402,
            json!({ "error": {
                "code": 402,
                "message": "The prepaid balance does not cover this call",
                "metadata": { "limit_source": "openrouter_credits" },
            } }),
        ),
    ] {
        let poor = PLANS.replace("opening: $10", "opening: $0.001");
        let rig = Rig::new(&format!("{poor}gateway: {{ dialect: {dialect} }}\n"));
        let answer = rig.client().get(&keyed(SCRIPT, ""));
        assert_eq!((answer.status(), answer.cause()), (status, Some("credit_exhausted")));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), expected);
        rig.quiesce();
    }
}

/// Billing time runs so fast that the first renewal, which is declined, comes within a moment: one plan has no grace,
/// the other has years of it.
#[test]
fn an_unpaid_renewal_refuses_after_grace_and_warns_inside() {
    let scenario = fixture::parse(
        "
scenario: unpaid
horizon: 30d
plans:
  strict: { fee: $29/month }
  lenient: { fee: $29/month, grace: 3650d }
consumers:
  strict: { count: 1, plan: strict, traffic: { rate: 1/day }, payment: { card: { declines: 100% } } }
  lenient: { count: 1, plan: lenient, traffic: { rate: 1/day }, payment: { card: { declines: 100% } } }
payments:
  dunning: { retries: [], finally: keep }
live: { rate: 1/s, duration: 10s, clock: 31d per 1s }
",
    );
    let upstream = Server::start(&mock_upstreams::Options::default()).unwrap();
    let gateway = serve(fixture::scaled(scenario), upstream.addr(), Instant::now());
    let [strict, lenient] = [AccountId(0), AccountId(1)].map(|id| keyed(id, ""));
    wait_until("the renewal is declined and refuses", || {
        let answer = Wire::connect(gateway.addr()).get(&strict);
        match answer.status() {
            200 => assert_eq!(answer.header("farebox-warning"), None),
            _ => refused(&answer, 402, "past_due"),
        }
        answer.status() == 402
    });
    wait_until("the renewal is declined and warns", || {
        let answer = Wire::connect(gateway.addr()).get(&lenient);
        assert_eq!(answer.status(), 200);
        let Some(warning) = answer.header("farebox-warning") else { return false };
        let until: i64 = warning.strip_prefix("past_due;until=@").unwrap().parse().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        // Ten years of billing time, of which 31 days pass in a second, are 117.7 seconds of the wall's.
        assert!((now + 60..=now + 119).contains(&until), "{warning} at {now}");
        true
    });
    accounts(gateway, GRACE);
    upstream.shutdown(Duration::ZERO);
}

/// A day passes in a second; a trial of ten days is told of when nine are left, and a call that is served says so from then on.
#[test]
fn who_was_reminded_of_the_end_of_a_trial_is_warned_with_each_answer() {
    let scenario = fixture::parse(
        "
scenario: warned
horizon: 30d
plans: { tried: { fee: $9/month, trial: 10d } }
consumers: { all: { count: 1, plan: tried, joined: start, traffic: { rate: 1/day } } }
payments: { reminders: { trial_ends: [ 9d ] } }
live: { rate: 1/s, duration: 20s, clock: 1d per 1s }
",
    );
    let upstream = Server::start(&mock_upstreams::Options::default()).unwrap();
    let gateway = serve(fixture::scaled(scenario), upstream.addr(), Instant::now());
    let headers = keyed(AccountId(0), "");
    assert_eq!(Wire::connect(gateway.addr()).get(&headers).header("farebox-warning"), None);
    wait_until("the consumer is reminded", || {
        let answer = Wire::connect(gateway.addr()).get(&headers);
        assert_eq!(answer.status(), 200);
        let Some(warning) = answer.header("farebox-warning") else { return false };
        let until: i64 = warning.strip_prefix("trial_ends;until=@").unwrap().parse().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!((now..=now + 10).contains(&until), "{warning} at {now}");
        true
    });
    accounts(gateway, GRACE);
    upstream.shutdown(Duration::ZERO);
}

// === What travels through ===

#[test]
fn neither_the_key_nor_what_concerns_one_hop_is_passed_on() {
    let upstream = listen();
    let gateway = gateway(PLANS, upstream.local_addr().unwrap());
    let mut client = Wire::connect(gateway.addr());
    client.ask(
        "GET",
        "x-api-key: key-000000\r\nauthorization: Bearer for-the-upstream\r\nfarebox-stamp: guessed 7\r\n\
         connection: x-hop, keep-alive\r\nx-hop: 1\r\nkeep-alive: timeout=9\r\nproxy-connection: keep-alive\r\n\
         proxy-authorization: Basic abc\r\nte: trailers\r\ntrailer: x-sum\r\nupgrade: h2c\r\nx-end-to-end: stays\r\n",
    );
    let mut behind = Wire::accept(&upstream);
    let seen = behind.receive().to_string();
    expect![[r#"
        GET /v1/thing?page=2 HTTP/1.1
        authorization: Bearer for-the-upstream
        host: UPSTREAM
        x-end-to-end: stays
    "#]]
    .assert_eq(&seen.replace(&upstream.local_addr().unwrap().to_string(), "UPSTREAM"));
    behind.send(
        "HTTP/1.1 200 OK\r\nconnection: x-back\r\nx-back: 1\r\nkeep-alive: timeout=5\r\nproxy-authenticate: Basic\r\n\
         upgrade: h2c\r\nx-end-to-end: stays\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
    );
    let answer = client.receive();
    expect![[r#"
        HTTP/1.1 200 OK
        transfer-encoding: chunked
        x-end-to-end: stays
    "#]]
    .assert_eq(&answer.to_string());
    assert_eq!(answer.body, b"abcdefg");

    // The key as a bearer token is the consumer's secret all the same.
    client.ask("GET", "authorization: Bearer key-000000\r\n");
    let seen = behind.receive();
    assert_eq!(seen.header("authorization"), None);
    behind.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.receive().status(), 204);
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(2, 0));
}

/// The upstream has the first part of a body before the client has sent the second, and the other way round.
#[test]
fn bodies_stream_through_in_both_directions() {
    let upstream = listen();
    let gateway = gateway(PLANS, upstream.local_addr().unwrap());
    let mut client = Wire::connect(gateway.addr());

    client.ask("POST", &format!("{}content-length: 12\r\n", keyed(SCRIPT, "")));
    let mut behind = Wire::accept(&upstream);
    let head = behind.receive_head();
    assert_eq!((head.header("content-length"), head.header("transfer-encoding")), (Some("12"), None));
    client.send("first ");
    assert_eq!(behind.exactly(6), b"first ");
    client.send("second");
    assert_eq!(behind.exactly(6), b"second");
    behind.send("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nthird ");
    client.receive_head();
    assert_eq!(client.exactly(6), b"third ");
    assert_eq!(gateway.open_holds(), 1, "the call is not over before its body is");
    behind.send("fourth");
    assert_eq!(client.exactly(6), b"fourth");

    client.ask("POST", &format!("{}transfer-encoding: chunked\r\n", keyed(SCRIPT, "")));
    assert_eq!(behind.receive_head().header("transfer-encoding"), Some("chunked"));
    client.send("6\r\nfirst \r\n");
    assert_eq!(behind.exactly(11), b"6\r\nfirst \r\n");
    client.send("6\r\nsecond\r\n0\r\n\r\n");
    assert_eq!(behind.exactly(16), b"6\r\nsecond\r\n0\r\n\r\n");
    behind.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nthird\r\n");
    client.receive_head();
    assert_eq!(client.exactly(10), b"5\r\nthird\r\n");
    behind.send("0\r\n\r\n");
    assert_eq!(client.exactly(5), b"0\r\n\r\n");
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(2, 0));
}

/// `HEAD` has the length of a body that does not come; the connection goes on.
#[test]
fn a_head_request_is_a_call_without_a_body() {
    let rig = Rig::new(PLANS);
    let mut client = rig.client();
    client.ask("HEAD", &keyed(SCRIPT, ""));
    let head = client.receive_head();
    assert_eq!((head.status(), head.header("content-length")), (200, Some("64")));
    assert_eq!(client.get(&keyed(SCRIPT, "")).body.len(), 64);
    assert_eq!(rig.quiesce()[0], Account::settled(2, 0));
}

/// Whoever does not know the token cannot say which call a request is, nor when: honoured, this stamp would have its
/// request wait for the account's 99th event.
#[test]
fn a_stamp_counts_only_with_the_token_of_the_run() {
    let rig = Rig::new(PLANS);
    let mut client = rig.client();
    for stamp in ["guessed 7 1 99 0 0", "c0ffe 7 1 99 0 0", "7 1 99 0 0", "c0ffee", "c0ffee7 1 99 0 0", ""] {
        assert_eq!(client.get(&format!("{}farebox-stamp: {stamp}\r\n", keyed(SCRIPT, ""))).status(), 200);
    }
    assert_eq!(client.get(&format!("{}farebox-stamp: c0ffee 7 1\r\n", keyed(SCRIPT, ""))).status(), 200);
    let histories = rig.gateway.finish(GRACE, WallClock::now).unwrap().histories;
    let decided = histories[0].log.iter().filter_map(|entry| match entry.event {
        Event::Decided { call, .. } => Some(call),
        _ => None,
    });
    assert_eq!(decided.collect::<Vec<_>>(), [0, 0, 0, 0, 0, 0, 7]);
}

/// What is no request is answered by the connection's end, or by an error of HTTP; no account hears of it.
#[test]
fn garbage_touches_no_account() {
    let rig = Rig::new(PLANS);
    for garbage in
        ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nbroken header\r\n\r\n"]
    {
        let mut client = rig.client();
        client.send(garbage);
        let answer = client.rest();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", answer.escape_ascii());
    }
    let taken = TcpListener::bind(rig.gateway.addr()).map_err(|error| error.kind());
    assert_eq!(taken.map(drop), Err(ErrorKind::AddrInUse));
    assert_eq!(rig.quiesce()[0], Account::settled(0, 0));
}
