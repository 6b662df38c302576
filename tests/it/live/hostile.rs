//! What strangers send, byte by byte: requests that two servers could read differently, that are too long, that never
//! end, or that ask for what a gateway does not do. No account hears of any, and the next client is served.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use expect_test::expect;
use farebox::live::gateway::Front;
use mock_upstreams::host::Limits;

use super::*;

/// Limits that a test can reach in a moment. Only a failure makes a test wait for longer.
const SHORT: Duration = Duration::from_millis(150);

fn guarded(front: Front) -> Rig {
    let upstream = Server::start(&mock_upstreams::Options { obey: true, ..Default::default() }).unwrap();
    let gateway = before(PLANS, upstream.addr(), front);
    Rig { upstream, gateway }
}

/// A gateway on one thread, so that its limits are reached in order.
pub(super) fn before(scenario: &str, upstream: SocketAddr, front: Front) -> Gateway {
    let world = Arc::new(World::whole(Arc::new(fixture::parse(scenario))).unwrap());
    let options = Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        threads: NonZeroUsize::MIN,
        upstream,
        time: Time::Wall(Instant::now()),
        logging: Logging::Full,
        token: None,
    };
    Gateway::start_before(world, &options, front).unwrap()
}

fn front(change: impl FnOnce(&mut Front)) -> Front {
    let mut front = Front::GUARDED;
    change(&mut front);
    front
}

/// The status lines of all that a client reads until the gateway closes, or has said nothing for a while.
fn statuses(gateway: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(gateway).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    // It may close before it has read all.
    let _ = stream.write_all(bytes);
    let (mut read, mut buffer) = (Vec::new(), [0; 4_096]);
    let end = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break "closed",
            Ok(count) => read.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break "open",
            Err(_) => break "closed",
        }
    };
    let text = String::from_utf8_lossy(&read).into_owned();
    // A body ends where the next answer begins.
    let answers = text.split("HTTP/1.").skip(1);
    let codes: Vec<_> = answers.map(|answer| answer.split(' ').nth(1).unwrap()).collect();
    format!("{} {end}", codes.join(" "))
}

const KEY: &str = "host: gateway\r\nx-api-key: key-000000\r\n";

/// RFC 9112 §6.3, §7.1, §5.2: where one server could find the end of a message elsewhere than the next one.
#[test]
fn no_request_can_be_smuggled_behind_another() {
    let rig = guarded(front(|_| {}));
    let hidden = format!("GET /hidden HTTP/1.1\r\n{KEY}\r\n");
    let cases = [
        (
            "both lengths",
            format!("POST / HTTP/1.1\r\n{KEY}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "both, the other way",
            format!("POST / HTTP/1.1\r\n{KEY}transfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        ("two lengths", format!("POST / HTTP/1.1\r\n{KEY}content-length: 0\r\ncontent-length: 6\r\n\r\n{hidden}")),
        ("a list of lengths", format!("POST / HTTP/1.1\r\n{KEY}content-length: 0, 6\r\n\r\n{hidden}")),
        ("a negative length", format!("POST / HTTP/1.1\r\n{KEY}content-length: -1\r\n\r\n{hidden}")),
        ("a signed length", format!("POST / HTTP/1.1\r\n{KEY}content-length: +5\r\n\r\nhello{hidden}")),
        (
            "a length past the range",
            format!("POST / HTTP/1.1\r\n{KEY}content-length: 18446744073709551616\r\n\r\n{hidden}"),
        ),
        ("an unknown coding", format!("POST / HTTP/1.1\r\n{KEY}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}")),
        (
            "chunked not last",
            format!("POST / HTTP/1.1\r\n{KEY}transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "two codings",
            format!(
                "POST / HTTP/1.1\r\n{KEY}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n{hidden}"
            ),
        ),
        (
            "a coding in HTTP/1.0",
            format!("POST / HTTP/1.0\r\n{KEY}transfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "a blank before the colon",
            format!("POST / HTTP/1.1\r\n{KEY}transfer-encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "a folded header",
            format!("POST / HTTP/1.1\r\n{KEY}x-a: 1\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        ("two hosts", format!("GET / HTTP/1.1\r\n{KEY}host: other\r\n\r\n{hidden}")),
        ("a zero in a header", format!("GET / HTTP/1.1\r\n{KEY}x-a: 1\0\r\n\r\n{hidden}")),
        ("a lone carriage return", format!("GET / HTTP/1.1\r\n{KEY}x-a: 1\rx-b: 2\r\n\r\n{hidden}")),
        ("a blank in the target", format!("GET /a b HTTP/1.1\r\n{KEY}\r\n{hidden}")),
    ];
    let mut seen = String::new();
    for (name, bytes) in cases {
        let before = rig.upstream.counters().received;
        let statuses = statuses(rig.gateway.addr(), bytes.as_bytes());
        let passed = rig.upstream.counters().received - before;
        writeln!(seen, "{name}: {statuses}, {passed} passed on").unwrap();
    }
    expect![[r#"
        both lengths: 200 closed, 1 passed on
        both, the other way: 200 closed, 1 passed on
        two lengths: 400 closed, 0 passed on
        a list of lengths: 400 closed, 0 passed on
        a negative length: 400 closed, 0 passed on
        a signed length: 400 closed, 0 passed on
        a length past the range: 400 closed, 0 passed on
        an unknown coding: 400 closed, 0 passed on
        chunked not last: 400 closed, 0 passed on
        two codings: 400 closed, 0 passed on
        a coding in HTTP/1.0: 400 closed, 0 passed on
        a blank before the colon: 400 closed, 0 passed on
        a folded header: 400 closed, 0 passed on
        two hosts: 400 closed, 0 passed on
        a zero in a header: 400 closed, 0 passed on
        a lone carriage return: 400 closed, 0 passed on
        a blank in the target: 400 closed, 0 passed on
    "#]]
    .assert_eq(&seen);
    rig.quiesce();
}

/// Chunks whose sizes no two servers would read alike end the connection, and the call is not billed.
#[test]
fn a_body_that_is_none_is_not_billed() {
    let rig = guarded(front(|_| {}));
    let mut seen = String::new();
    for (name, chunks) in [
        ("no digits", "zz\r\nhello\r\n0\r\n\r\n"),
        ("a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("a size past the range", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("no end of the size", "5hello\r\n0\r\n\r\n"),
        ("no end of the data", "5\r\nhelloX\r\n0\r\n\r\n"),
        ("a lone line feed", "5\nhello\r\n0\r\n\r\n"),
    ] {
        let request = format!("POST / HTTP/1.1\r\n{KEY}transfer-encoding: chunked\r\n\r\n{chunks}");
        writeln!(seen, "{name}: {}", statuses(rig.gateway.addr(), request.as_bytes())).unwrap();
    }
    expect![[r#"
        no digits: 400 closed
        a sign: 400 closed
        a size past the range: 400 closed
        no end of the size: 400 closed
        no end of the data: 400 closed
        a lone line feed: 400 closed
    "#]]
    .assert_eq(&seen);
    wait_until("every hold is resolved", || rig.gateway.open_holds() == 0);
    assert_eq!(rig.upstream.counters().answered, 0);
    let script = rig.quiesce()[0];
    assert_eq!((script.served, script.spent_nanos), (0, 0));
}

/// What is legal and rare.
#[test]
fn rare_requests_are_answered_as_the_standard_says() {
    let rig = guarded(front(|_| {}));
    let long = "a".repeat(70_000);
    let many = "x-a: 1\r\n".repeat(101);
    let mut seen = String::new();
    for (name, bytes) in [
        ("absolute form", format!("GET http://gateway/v1?x=1 HTTP/1.1\r\n{KEY}\r\n")),
        ("absolute form of another host", format!("GET http://other:1/v1 HTTP/1.1\r\n{KEY}\r\n")),
        ("HTTP/1.0", format!("GET / HTTP/1.0\r\n{KEY}\r\n")),
        ("HTTP/1.0 that stays", format!("GET / HTTP/1.0\r\n{KEY}connection: keep-alive\r\n\r\n")),
        ("pipelined", format!("GET /1 HTTP/1.1\r\n{KEY}\r\nGET /2 HTTP/1.1\r\n{KEY}\r\nHEAD /3 HTTP/1.1\r\n{KEY}\r\n")),
        ("pipelined behind a refusal", format!("GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\n{KEY}\r\n")),
        ("an upgrade", format!("GET / HTTP/1.1\r\n{KEY}connection: upgrade\r\nupgrade: websocket\r\n\r\n")),
        (
            "h2c by upgrade",
            format!(
                "GET / HTTP/1.1\r\n{KEY}connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n"
            ),
        ),
        ("a tunnel", format!("CONNECT other:443 HTTP/1.1\r\n{KEY}\r\n")),
        ("all of the server", format!("OPTIONS * HTTP/1.1\r\n{KEY}\r\n")),
        ("a key of no text", "GET / HTTP/1.1\r\nhost: a\r\nx-api-key: \u{ff}\u{fe}\r\n\r\n".to_owned()),
        ("two keys", format!("GET / HTTP/1.1\r\n{KEY}x-api-key: nobody\r\n\r\n")),
        ("a long header", format!("GET / HTTP/1.1\r\n{KEY}x-a: {long}\r\n\r\n")),
        ("a long target", format!("GET /{long} HTTP/1.1\r\n{KEY}\r\n")),
        ("many headers", format!("GET / HTTP/1.1\r\n{KEY}{many}\r\n")),
        ("an expectation", format!("POST / HTTP/1.1\r\n{KEY}expect: 100-continue\r\ncontent-length: 2\r\n\r\nhi")),
        ("an unknown expectation", format!("POST / HTTP/1.1\r\n{KEY}expect: a-miracle\r\ncontent-length: 2\r\n\r\nhi")),
        (
            "an expectation of who has no key",
            "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n".to_owned(),
        ),
        ("too long a body", format!("POST / HTTP/1.1\r\n{KEY}content-length: 10485761\r\n\r\n")),
        (
            "too long, and it asks first",
            format!("POST / HTTP/1.1\r\n{KEY}expect: 100-continue\r\ncontent-length: 10485761\r\n\r\n"),
        ),
        ("TLS", "\u{16}\u{3}\u{1}\0\u{5}hello\r\n\r\n".to_owned()),
        ("empty lines first", format!("\r\n\r\nGET / HTTP/1.1\r\n{KEY}\r\n")),
    ] {
        writeln!(seen, "{name}: {}", statuses(rig.gateway.addr(), bytes.as_bytes())).unwrap();
    }
    expect![[r#"
        absolute form: 200 open
        absolute form of another host: 200 open
        HTTP/1.0: 200 closed
        HTTP/1.0 that stays: 200 open
        pipelined: 200 200 200 open
        pipelined behind a refusal: 401 200 open
        an upgrade: 200 open
        h2c by upgrade: 200 open
        a tunnel: 405 closed
        all of the server: 404 open
        a key of no text: 401 open
        two keys: 200 open
        a long header: 431 closed
        a long target: 431 closed
        many headers: 431 closed
        an expectation: 100 200 open
        an unknown expectation: 200 open
        an expectation of who has no key: 401 closed
        too long a body: 413 closed
        too long, and it asks first: 413 closed
        TLS: 400 closed
        empty lines first: 200 open
    "#]]
    .assert_eq(&seen);
    rig.quiesce();
}

/// A body without a length is cut off where it becomes too long: the upstream never has it whole, nobody pays.
#[test]
fn a_body_that_grows_too_long_is_refused_and_not_billed() {
    let rig = guarded(front(|front| front.body_bytes = 1_000));
    let mut client = rig.client();
    client.ask("POST", &format!("{}transfer-encoding: chunked\r\n", keyed(SCRIPT, "")));
    client.send(format!("3e8\r\n{}\r\n", "b".repeat(1_000)));
    wait_until("the upstream has the head", || rig.upstream.counters().received == 1);
    client.send("1\r\nb\r\n");
    assert_eq!(client.receive().status(), 413);
    let mut client = rig.client();
    let long = client_with_length(&mut client, 1_001);
    assert_eq!((long.status(), long.header("connection")), (413, Some("close")));
    let problem: Value = serde_json::from_slice(&long.body).unwrap();
    assert_eq!(problem["code"], "body_too_long");
    let mut client = rig.client();
    client.ask("POST", &format!("{}content-length: 1000\r\n", keyed(SCRIPT, "")));
    client.send("b".repeat(1_000));
    assert_eq!(client.receive().status(), 200);
    let rejected: Vec<_> = rig.gateway.sum().rejections().filter(|(_, count)| *count > 0).collect();
    assert_eq!(rejected.iter().map(|(why, count)| (why.name(), *count)).collect::<Vec<_>>(), [("body_too_long", 2)]);
    assert_eq!(rig.quiesce()[0], Account::settled(1, 1));
}

fn client_with_length(client: &mut Wire, bytes: usize) -> Message {
    client.ask("POST", &format!("{}content-length: {bytes}\r\n", keyed(SCRIPT, "")));
    client.receive()
}

// === Clients that wait ===

/// Slowloris: a head that never ends, from the first byte and on a connection that was in use.
#[test]
fn who_does_not_send_a_request_is_not_waited_for() {
    let limits = Limits { head_within: Some(SHORT), ..Limits::GUARDED };
    for http2 in [false, true] {
        let rig = guarded(front(|front| front.limits = Limits { http2, ..limits }));
        for begun in ["", "G", "GET / HTTP/1.1\r\nhost: a\r\n", "PRI * HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
            assert!(statuses(rig.gateway.addr(), begun.as_bytes()).ends_with("closed"), "{begun:?}");
        }
        let mut client = rig.client();
        assert_eq!(client.get(&keyed(SCRIPT, "")).status(), 200);
        client.send("GET / HT");
        assert_eq!(client.rest(), b"");
        assert_eq!(rig.gateway.connections().timed_out, if http2 { 6 } else { 5 });
        // One that is waited for answers, however long the upstream takes.
        let mut slow = rig.client();
        assert_eq!(slow.get(&keyed(SCRIPT, "latency_ns=600000000")).status(), 200);
        wait_until("all are closed", || rig.gateway.connections().open <= 1);
        rig.quiesce();
    }
}

#[test]
fn who_has_nothing_to_ask_is_not_kept() {
    let limits = Limits { idle: Some(SHORT), ..Limits::GUARDED };
    let rig = guarded(front(|front| front.limits = limits));
    let mut client = rig.client();
    for _ in 0..3 {
        assert_eq!(client.get(&keyed(SCRIPT, "")).status(), 200);
    }
    assert_eq!(client.rest(), b"");
    assert_eq!(rig.gateway.connections().timed_out, 1);
    rig.quiesce();
}

/// A client that asks for much and takes nothing: its connection is closed, and the call is paid, for it was served.
#[test]
fn who_does_not_take_an_answer_is_not_waited_for() {
    let limits = Limits { send_within: Some(SHORT), ..Limits::GUARDED };
    let service = ServiceSpec { body_bytes: TOO_LONG, ..ServiceSpec::default() };
    let upstream = Server::start(&mock_upstreams::Options { service, obey: true, ..Default::default() }).unwrap();
    let rig = Rig { gateway: before(PLANS, upstream.addr(), front(|front| front.limits = limits)), upstream };
    let mut client = rig.client();
    client.ask("GET", &keyed(SCRIPT, ""));
    wait_until("it is closed", || rig.gateway.connections().timed_out == 1);
    wait_until("every hold is resolved", || rig.gateway.open_holds() == 0);
    assert_eq!(rig.quiesce()[0], Account::settled(1, 0));
}

/// One connection too many is told so and closed; when another has gone there is a place again.
#[test]
fn connections_are_bounded() {
    let rig = guarded(front(|front| front.limits.connections = NonZeroUsize::new(3)));
    let mut clients: Vec<_> = (0..3).map(|_| rig.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get(&keyed(SCRIPT, "")).status(), 200);
    }
    let mut late = rig.client();
    assert_eq!(late.receive().status(), 503);
    assert_eq!(late.rest(), b"");
    assert_eq!(rig.gateway.connections().refused, 1);
    drop(clients.pop());
    wait_until("there is a place", || rig.gateway.connections().open == 2);
    assert_eq!(rig.client().get(&keyed(SCRIPT, "")).status(), 200);
    rig.quiesce();
}

/// Two thousand clients that have asked once and wait: their connections are kept, and cost little.
#[test]
fn idle_connections_are_kept_and_cost_little() {
    const CLIENTS: usize = 2_000;
    /// A connection that has been used keeps the buffers that it was read and written with.
    const KIB_EACH: usize = 64;
    farebox::live::stage::raise_descriptor_limit();
    let rig = guarded(front(|_| {}));
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4
    };
    let before = resident();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| rig.client()).collect();
    for client in &mut clients {
        refused(&client.get("x-api-key: nobody\r\n"), 401, "unknown_credential");
    }
    assert_eq!(rig.gateway.connections().open, CLIENTS);
    let grown_kib = resident().saturating_sub(before);
    assert!(grown_kib < CLIENTS * KIB_EACH, "{grown_kib} KiB for {CLIENTS} connections, their clients included");
    refused(&clients[7].get("x-api-key: nobody\r\n"), 401, "unknown_credential");
    drop(clients);
    wait_until("all are closed", || rig.gateway.connections().open == 0);
    rig.quiesce();
}
