//! Between the gateway and its upstream: whatever the framing of an answer, and whoever of the two speaks first, the client
//! has all of it, and a connection is used again only where that is sound.

use farebox::live::gateway::Front;

use super::hostile::before;
use super::*;

fn relaying() -> (TcpListener, Gateway, Wire) {
    relaying_at_most(Front::BODY_BYTES)
}

/// Whose requests have bodies of so many bytes at most.
fn relaying_at_most(body_bytes: u64) -> (TcpListener, Gateway, Wire) {
    let upstream = listen();
    let gateway = before(PLANS, upstream.local_addr().unwrap(), Front { body_bytes, ..Front::GUARDED });
    let client = Wire::connect(gateway.addr());
    (upstream, gateway, client)
}

/// All of these say the same.
const FRAMINGS: [&str; 6] = [
    "content-length: 5\r\n\r\nhello",
    "content-length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\ncontent-length: 99\r\n\r\n5\r\nhello\r\n0\r\nx-trailer: left out\r\n\r\n",
    "connection: close\r\n\r\nhello",
    "\r\nhello",
];

#[test]
fn an_answer_passes_whole_however_it_is_framed_and_cut() {
    let (upstream, gateway, mut client) = relaying();
    for framing in FRAMINGS {
        let answer = format!("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n{framing}");
        for cut in [1, answer.len() / 2, answer.len() - 6, answer.len() - 1] {
            client.ask("GET", &keyed(SCRIPT, ""));
            let mut behind = Wire::accept(&upstream);
            behind.receive();
            behind.send(&answer[..cut]);
            thread::sleep(Duration::from_millis(2));
            behind.send(&answer[cut..]);
            // A connection for each answer: this one ends, and is not idle any more when the next call comes.
            drop(behind);
            let passed = client.receive();
            assert_eq!((passed.status(), &passed.body[..]), (200, &b"hello"[..]), "{framing:?} cut at {cut}");
            assert_eq!((passed.header("x-trailer"), passed.header("link")), (None, None));
            assert!(passed.to_string().matches("content-length").count() <= 1, "{passed}");
        }
    }
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(24, 0));
}

#[test]
fn what_is_no_answer_is_a_502() {
    let (upstream, gateway, mut client) = relaying();
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbroken header\r\n\r\n",
        &format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100_000)),
    ] {
        client.ask("GET", &keyed(SCRIPT, ""));
        let mut behind = Wire::accept(&upstream);
        behind.receive();
        behind.send(answer);
        refused(&client.receive(), 502, "upstream_error");
    }
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(0, 7));
}

/// Which of an upstream's connections are used for a second call: those that stay open, and say nothing unasked.
#[test]
fn a_connection_is_used_again_only_where_that_is_sound() {
    for (answer, is_again) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true),
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", true),
        ("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", true),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", false),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok, and more", false),
    ] {
        let (upstream, gateway, mut client) = relaying();
        client.ask("GET", &keyed(SCRIPT, ""));
        let mut behind = Wire::accept(&upstream);
        behind.receive();
        behind.send(answer);
        client.receive();
        client.ask("GET", &keyed(SCRIPT, ""));
        let mut next = if is_again { behind } else { Wire::accept(&upstream) };
        next.receive();
        next.send("HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(client.receive().status(), 204, "{answer:?}");
        assert_eq!(accounts(gateway, GRACE)[0], Account::settled(2, 0));
    }
}

/// A connection that the upstream closes while nobody uses it is closed by the gateway too; no call falls into it.
#[test]
fn an_idle_connection_that_the_upstream_closes_is_closed() {
    let (upstream, gateway, mut client) = relaying();
    for _ in 0..2 {
        client.ask("GET", &keyed(SCRIPT, ""));
        let mut behind = Wire::accept(&upstream);
        behind.receive();
        behind.send("HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(client.receive().status(), 204);
        behind.finish();
        assert_eq!(behind.rest(), b"");
    }
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(2, 0));
}

/// An upstream that answers while it still reads: each hears the other's next part before it says its own.
#[test]
fn an_upstream_may_answer_before_it_has_read_everything() {
    let (upstream, gateway, mut client) = relaying();
    client.ask("POST", &format!("{}content-length: 9\r\n", keyed(SCRIPT, "")));
    let mut behind = Wire::accept(&upstream);
    behind.receive_head();
    behind.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n");
    assert_eq!(client.receive_head().status(), 200);
    for part in ["one", "two", "six"] {
        client.send(part);
        assert_eq!(behind.exactly(3), part.as_bytes());
        behind.send(part);
        assert_eq!(client.exactly(3), part.as_bytes());
    }
    // All of the request was read, so both connections go on.
    client.ask("GET", &keyed(SCRIPT, ""));
    behind.receive();
    behind.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.receive().status(), 204);
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(2, 0));
}

/// Of a body that nobody reads, the refusal is passed on all the same; the connection that has the rest is given up.
#[test]
fn a_refusal_before_the_end_of_the_body_is_passed_on() {
    let (upstream, gateway, mut client) = relaying();
    client.ask("POST", &format!("{}content-length: 1000000\r\n", keyed(SCRIPT, "")));
    let mut behind = Wire::accept(&upstream);
    behind.receive_head();
    behind.send("HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno");
    let refused = client.receive();
    assert_eq!((refused.status(), &refused.body[..]), (413, &b"no"[..]));
    assert_eq!(behind.rest(), b"", "nothing more is sent there");
    let mut client = Wire::connect(gateway.addr());
    client.ask("GET", &keyed(SCRIPT, ""));
    let mut behind = Wire::accept(&upstream);
    behind.receive();
    behind.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.receive().status(), 204);
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(1, 1));
}

/// Bodies that no buffer on the way holds, in both directions, framed in both ways.
#[test]
fn long_bodies_pass_whole() {
    const BYTES: usize = 5_000_000;
    let body: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
    let (upstream, gateway, mut client) = relaying();
    let echo = thread::spawn({
        let body = body.clone();
        move || {
            let mut behind = Wire::accept(&upstream);
            for _ in 0..2 {
                let request = behind.receive();
                assert!(request.body == body, "{} bytes came", request.body.len());
                if request.header("content-length").is_some() {
                    behind.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {BYTES}\r\n\r\n"));
                    behind.send(&request.body);
                } else {
                    behind.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
                    behind.send(chunked(&request.body));
                }
            }
        }
    });
    client.ask("POST", &format!("{}content-length: {BYTES}\r\n", keyed(SCRIPT, "")));
    client.send(&body);
    assert!(client.receive().body == body);
    client.ask("POST", &format!("{}transfer-encoding: chunked\r\n", keyed(SCRIPT, "")));
    client.send(chunked(&body));
    assert!(client.receive().body == body);
    echo.join().unwrap();
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(2, 0));
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let mut chunks: Vec<u8> = body.chunks(70_001).flat_map(chunk).collect();
    chunks.extend(b"0\r\n\r\n");
    chunks
}

/// The client breaks off its request while the answer is already on its way: what it was answered counts, so nobody has an
/// answer for nothing who holds back a byte.
#[test]
fn a_request_that_breaks_off_under_its_answer_is_settled_by_the_answer() {
    let (upstream, gateway, mut client) = relaying();
    client.ask("POST", &format!("{}transfer-encoding: chunked\r\n", keyed(SCRIPT, "")));
    let mut behind = Wire::accept(&upstream);
    behind.receive_head();
    behind.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\none");
    assert_eq!(client.receive_head().status(), 200);
    assert_eq!(client.exactly(3), b"one");
    client.send("this is no chunk\r\n");
    behind.send("twosix");
    wait_until("the hold is resolved", || gateway.open_holds() == 0);
    assert_eq!(behind.rest(), b"", "the rest of the request is missing there");
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(1, 0));
}

/// A client that sends everything before it reads anything, and an answer that no buffer holds which begins before that.
#[test]
fn a_client_that_reads_nothing_before_it_has_sent_everything_does_not_wait_for_itself() {
    const BYTES: usize = 24 << 20;
    let (upstream, gateway, mut client) = relaying_at_most(2 * BYTES as u64);
    // It reads on while nobody takes what it writes.
    let served = thread::spawn(move || {
        let mut behind = Wire::accept(&upstream);
        behind.receive_head();
        let mut writer = behind.another();
        let writing = thread::spawn(move || {
            writer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {BYTES}\r\n\r\n"));
            writer.send(vec![b'y'; BYTES]);
        });
        behind.exactly(BYTES);
        writing.join().unwrap();
    });
    client.ask("POST", &format!("{}content-length: {BYTES}\r\n", keyed(SCRIPT, "")));
    client.send(vec![b'x'; BYTES]);
    let answer = client.receive();
    assert_eq!((answer.status(), answer.body.len()), (200, BYTES));
    served.join().unwrap();
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(1, 0));
}

/// A target without a path is the root; what comes before an error is passed on.
#[test]
fn a_target_without_a_path_is_the_root() {
    let (upstream, gateway, mut client) = relaying();
    client.send(format!("GET http://a?x=1 HTTP/1.1\r\nhost: a\r\n{}\r\n", keyed(SCRIPT, "")));
    let mut behind = Wire::accept(&upstream);
    assert_eq!(behind.receive().start, "GET /?x=1 HTTP/1.1");
    behind.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nthis is no chunk\r\n");
    assert_eq!(client.receive_head().status(), 200);
    assert_eq!(client.exactly(8), b"3\r\nabc\r\n");
    assert_eq!(client.rest(), b"");
    wait_until("the hold is released", || gateway.open_holds() == 0);
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(0, 1));
}
