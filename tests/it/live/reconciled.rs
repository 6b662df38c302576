//! Nothing is lost: hundreds of connections whose clients go away and whose upstream breaks or falls silent, reconciled
//! attempt by attempt. What the client saw, what the gateway wrote down and what the upstream did are three accounts of
//! the same attempts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use farebox::live::gateway::Front;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep};

use super::*;

/// Accounts with more credit than all of it takes.
const RICH: &str = "
scenario: rich
horizon: 30d
plans: { payg: { prepaid: { opening: $1M }, prices: { requests: $0.01 } } }
consumers: { scripts: { count: 64, plan: payg, traffic: { rate: 1/day } } }
";
const ACCOUNTS: u64 = 64;
const CONNECTIONS: u64 = 512;
/// How long the gateway waits for the upstream: a hundred times as long as it takes when it does not stall.
const UPSTREAM_WITHIN: Duration = Duration::from_secs(2);
/// So many attempts are made at least.
const ATTEMPTS: u64 = 4_000;

/// What the upstream did with an attempt, once it had its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Did {
    /// Answered it, to the last byte.
    Served,
    /// Answered 500.
    Failed,
    /// Broke the connection before it answered.
    Reset,
    /// Ended inside the head.
    CutHead,
    /// Ended inside the body.
    CutBody,
    /// Said nothing, until the gateway gave it up.
    Stalled,
    /// Said nothing more from the middle of the body on.
    StalledBody,
}

/// What the client made of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Saw {
    /// A whole answer.
    Answer(u16),
    /// Part of one, or none.
    Broken,
    /// It did not wait.
    Left,
}

/// What the gateway wrote down of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wrote {
    Settled,
    Released,
    Open,
}

type Seen<T> = Arc<Mutex<BTreeMap<u64, T>>>;

/// A number that is drawn for an attempt.
fn drawn(attempt: u64, what: u64, below: u64) -> u64 {
    let mixed = (attempt ^ (what << 56)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) % below
}

fn fate(attempt: u64) -> Did {
    match drawn(attempt, 1, 100) {
        0..=72 => Did::Served,
        73 => Did::Stalled,
        74 => Did::StalledBody,
        75..=81 => Did::Failed,
        82..=88 => Did::Reset,
        89..=94 => Did::CutHead,
        _ => Did::CutBody,
    }
}

/// Up to 20 ms, often none.
fn pause(attempt: u64, what: u64) -> Duration {
    Duration::from_micros(drawn(attempt, what, 40_000).saturating_sub(20_000))
}

/// Reads up to the end of a head; `None` where the connection ends before.
async fn head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = buffer.split_off(end + 4);
            let head = String::from_utf8(std::mem::replace(buffer, rest)).unwrap();
            return Some(head.to_ascii_lowercase());
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn number<'a>(head: &'a str, header: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(header)).map(str::trim)
}

// === The upstream ===

fn upstream(did: Seen<Did>) -> SocketAddr {
    let listener = listen();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answers(stream, Arc::clone(&did)));
            }
        });
    });
    address
}

/// Answers one request after the other, until one's fate is the connection's.
async fn answers(mut stream: TcpStream, did: Seen<Did>) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let head = head(&mut stream, &mut buffer).await?;
        let attempt = number(&head, "x-attempt:").unwrap().parse().unwrap();
        sleep(pause(attempt, 2)).await;
        let fate = fate(attempt);
        let before = did.lock().unwrap().insert(attempt, fate);
        assert_eq!(before, None, "the attempt {attempt} came twice");
        let body = [b'x'; 2_000];
        let said = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
        let (head, sent) = match fate {
            Did::Served => (said("200 OK"), body.len()),
            Did::Failed => (said("500 Internal Server Error"), body.len()),
            Did::Reset => {
                stream.set_zero_linger().ok()?;
                return None;
            }
            Did::CutHead => (said("200 OK")[..30].to_owned(), 0),
            Did::CutBody | Did::StalledBody => (said("200 OK"), body.len() / 2),
            Did::Stalled => (String::new(), 0),
        };
        stream.write_all(&[head.as_bytes(), &body[..sent]].concat()).await.ok()?;
        match fate {
            Did::CutHead | Did::CutBody => return None,
            // It ends when the gateway does not wait any longer, and says nothing else on this connection.
            Did::Stalled | Did::StalledBody => {
                let said = stream.read(&mut [0]).await.unwrap_or(0);
                assert_eq!(said, 0, "the gateway asks again on a connection that has not answered");
                return None;
            }
            Did::Served | Did::Failed | Did::Reset => {}
        }
    }
}

// === The clients ===

/// One client: it asks until the end, each time with the next number.
async fn client(gateway: SocketAddr, next: Arc<AtomicU64>, saw: Seen<Saw>, until: Instant) {
    let mut connection = None;
    loop {
        let attempt = next.fetch_add(1, Ordering::Relaxed);
        if attempt >= ATTEMPTS && Instant::now() >= until {
            return;
        }
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => TcpStream::connect(gateway).await.unwrap(),
        };
        let leaves = drawn(attempt, 3, 10) == 0;
        let answer = if leaves { leave(&mut stream, attempt).await } else { ask(&mut stream, attempt).await };
        saw.lock().unwrap().insert(attempt, answer);
        if let Saw::Answer(_) = answer {
            connection = Some(stream);
        }
    }
}

async fn send(stream: &mut TcpStream, attempt: u64) -> std::io::Result<()> {
    let key = key(AccountId((attempt % ACCOUNTS) as u32));
    let stamp = format!("farebox-stamp: c0ffee {attempt} 1\r\n");
    let request = format!("GET / HTTP/1.1\r\nhost: gateway\r\nx-api-key: {key}\r\nx-attempt: {attempt}\r\n{stamp}\r\n");
    stream.write_all(request.as_bytes()).await
}

async fn ask(stream: &mut TcpStream, attempt: u64) -> Saw {
    if send(stream, attempt).await.is_err() {
        return Saw::Broken;
    }
    let mut buffer = Vec::new();
    let Some(head) = head(stream, &mut buffer).await else { return Saw::Broken };
    let length: usize = number(&head, "content-length:").unwrap().parse().unwrap();
    while buffer.len() < length {
        match stream.read_buf(&mut buffer).await {
            Ok(1..) => {}
            _ => return Saw::Broken,
        }
    }
    Saw::Answer(head[9..12].parse().unwrap())
}

/// Goes away a moment after it has asked, one way or the other.
async fn leave(stream: &mut TcpStream, attempt: u64) -> Saw {
    let _ = send(stream, attempt).await;
    sleep(pause(attempt, 4)).await;
    if matches!(fate(attempt), Did::Stalled | Did::StalledBody) {
        // So that it leaves a call that the upstream has.
        sleep(UPSTREAM_WITHIN / 8).await;
    }
    if drawn(attempt, 5, 2) == 0 {
        stream.set_zero_linger().unwrap();
    }
    Saw::Left
}

fn clients(gateway: SocketAddr, lasts: Duration) -> BTreeMap<u64, Saw> {
    let (next, saw) = (Arc::new(AtomicU64::new(0)), Seen::<Saw>::default());
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let until = Instant::now() + lasts;
        let all = (0..CONNECTIONS).map(|_| tokio::spawn(client(gateway, Arc::clone(&next), Arc::clone(&saw), until)));
        for client in all.collect::<Vec<_>>() {
            client.await.unwrap();
        }
    });
    Arc::into_inner(saw).unwrap().into_inner().unwrap()
}

// === The reconciliation ===

/// What the gateway wrote down, by attempt; that each was decided once, and paid or released once, is checked on the way.
fn written(histories: &[History]) -> BTreeMap<u64, Wrote> {
    let mut written = BTreeMap::new();
    for history in histories {
        let mut holds = BTreeMap::new();
        for entry in &history.log {
            match entry.event {
                Event::Decided { call, decision: Decision::Admit(admission), .. } => {
                    holds.insert(admission.hold, call);
                    assert_eq!(written.insert(call, Wrote::Open), None, "the attempt {call} was decided twice");
                }
                Event::Decided { call, decision, .. } => panic!("{call} was refused: {decision:?}"),
                Event::GaveUp { .. } | Event::Heard(_) => {}
                Event::Served { hold, .. } => {
                    assert_eq!(written.insert(holds[&hold], Wrote::Settled), Some(Wrote::Open));
                }
                Event::Failed { hold, .. } => {
                    assert_eq!(written.insert(holds[&hold], Wrote::Released), Some(Wrote::Open));
                }
            }
        }
        let paid = Account::of(history);
        assert_eq!(paid.spent_nanos, PRICE_NANOS * paid.served as i64, "settled is charged, to the unit");
    }
    written
}

fn silent_at_most(within: Duration, upstream: SocketAddr) -> Gateway {
    let options = Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        threads: NonZeroUsize::new(2).unwrap(),
        upstream,
        time: Time::Wall(std::time::Instant::now()),
        logging: Logging::Full,
        token: Some("c0ffee".to_owned()),
    };
    let world = Arc::new(World::whole(Arc::new(fixture::parse(RICH))).unwrap());
    Gateway::start_before(world, &options, Front { upstream_within: within, ..Front::TRUSTING }).unwrap()
}

fn nothing_is_lost(lasts: Duration) {
    let did = Seen::<Did>::default();
    let upstream = upstream(Arc::clone(&did));
    let gateway = silent_at_most(UPSTREAM_WITHIN, upstream);
    let saw = clients(gateway.addr(), lasts);
    wait_until("every hold is resolved", || gateway.open_holds() == 0);
    let counts = gateway.counts();
    let written = written(&gateway.finish(GRACE, WallClock::now).unwrap().histories);
    let did = did.lock().unwrap().clone();

    let mut classes = BTreeMap::new();
    for (attempt, saw) in &saw {
        let class = (*saw, written.get(attempt).copied(), did.get(attempt).copied());
        *classes.entry(class).or_insert(0_u64) += 1;
    }
    let unknown = written.keys().chain(did.keys()).find(|attempt| !saw.contains_key(attempt));
    assert_eq!(unknown, None, "an attempt that nobody made");
    for ((saw, wrote, did), attempts) in &classes {
        let is_possible = matches!(
            (saw, wrote, did),
            // The upstream's whole answers are all settled, also when nobody waits for them any more.
            (Saw::Answer(200) | Saw::Left, Some(Wrote::Settled), Some(Did::Served))
                | (Saw::Answer(500) | Saw::Left, Some(Wrote::Released), Some(Did::Failed))
                | (Saw::Answer(502) | Saw::Left, Some(Wrote::Released), Some(Did::Reset | Did::CutHead))
                | (Saw::Answer(504) | Saw::Left, Some(Wrote::Released), Some(Did::Stalled))
                | (Saw::Broken | Saw::Left, Some(Wrote::Released), Some(Did::CutBody | Did::StalledBody))
                // The client was gone before the gateway had read what it asked; or before the upstream had, and then
                // nobody pays.
                | (Saw::Left, None | Some(Wrote::Released), None)
        );
        assert!(is_possible, "{attempts} attempts: the client {saw:?}, the gateway {wrote:?}, the upstream {did:?}");
    }
    let settled = written.values().filter(|wrote| **wrote == Wrote::Settled).count() as u64;
    assert_eq!(settled, counts.served);
    // Each silence is counted as one, whether anybody waited for its end or not.
    let silences = did.values().filter(|did| matches!(did, Did::Stalled | Did::StalledBody)).count() as u64;
    assert_eq!(silences, counts.causes[Cause::UpstreamTimeout.index()]);
    // All of it happened.
    let met: BTreeSet<_> = classes.keys().map(|(saw, wrote, did)| (*saw == Saw::Left, *wrote, *did)).collect();
    assert!(met.len() >= 12, "{classes:?}");
}

#[test]
fn nothing_is_lost_between_clients_that_leave_and_an_upstream_that_breaks_or_stalls() {
    nothing_is_lost(Duration::ZERO);
}

#[test]
#[ignore = "it takes ten minutes"]
fn sweep_of_nothing_is_lost_for_ten_minutes() {
    nothing_is_lost(Duration::from_secs(600));
}
