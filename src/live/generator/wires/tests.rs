//! Answers as servers send them, whole and cut anywhere; and what is heard of those that break.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread::{self, JoinHandle};

use hyper::header::{HeaderMap, HeaderName};
use tokio::runtime::{Builder, LocalOptions};

use super::*;
use crate::live::wire::BUFFER_MOST;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// A server that takes a connection for each script, and answers each request on it with the parts of one answer, one
/// after the other; then it closes the connection. How many requests it has seen.
fn server(scripts: Vec<Vec<Vec<Vec<u8>>>>) -> (SocketAddr, JoinHandle<usize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let serve = move || {
        let mut requests = 0;
        for script in scripts {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            for answer in script {
                let mut request = [0; REQUEST.len()];
                if stream.read_exact(&mut request).is_err() {
                    break;
                }
                requests += 1;
                for part in answer {
                    stream.write_all(&part).unwrap();
                    thread::yield_now();
                }
            }
        }
        requests
    };
    (addr, thread::spawn(serve))
}

/// What is heard of so many exchanges, and over how many connections they went.
fn heard(addr: SocketAddr, exchanges: usize, most: usize) -> (Vec<Result<Response<Heard>, CallError>>, u64) {
    let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default()).unwrap();
    let wires = Wires::new(addr);
    let answers = runtime.block_on(async {
        let mut answers = Vec::new();
        for _ in 0..exchanges {
            answers.push(wires.exchange(REQUEST, most).await);
        }
        answers
    });
    (answers, wires.made())
}

/// What is heard of one answer, by itself.
fn heard_of(answer: &[u8]) -> Result<(u16, HeaderMap, String), CallError> {
    let (addr, server) = server(vec![vec![vec![answer.to_vec()]]]);
    let answer = heard(addr, 1, 100).0.remove(0)?;
    server.join().unwrap();
    let text = String::from_utf8(answer.body().text.clone()).unwrap();
    Ok((answer.status().as_u16(), answer.headers().clone(), text))
}

fn refusal(rest: &str) -> String {
    format!("HTTP/1.1 402 Payment Required\r\n{rest}")
}

/// All of these say the same, however their bodies are framed.
const FRAMINGS: [&str; 6] = [
    "content-length: 5\r\n\r\nhello",
    "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\n\r\n",
    "transfer-encoding: gzip, chunked\r\ncontent-length: 9\r\n\r\n5\r\nhello\r\n0\r\ntrailer: x\r\nother: y\r\n\r\n",
    "connection: close\r\n\r\nhello",
    "\r\nhello",
    "content-length: 5\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello",
];

#[test]
fn a_body_ends_where_its_framing_says() {
    for framing in FRAMINGS {
        let (status, _, text) = heard_of(refusal(framing).as_bytes()).unwrap();
        assert_eq!((status, text.as_str()), (402, "hello"), "{framing}");
        let answer = refusal(framing);
        let (status, body, length) = crate::live::wire::answer(answer.as_bytes()).unwrap();
        assert_eq!((status.as_u16(), &body[..], length), (402, &b"hello"[..], answer.len()), "{framing}");
    }
}

/// Two requests in a row, of which each answer comes in two parts: nothing is lost at the cut, nor kept for the next.
#[test]
fn an_answer_may_be_cut_anywhere() {
    for framing in [FRAMINGS[0], FRAMINGS[1], FRAMINGS[2]] {
        let whole = refusal(framing).into_bytes();
        let cuts = (1..whole.len()).map(|at| vec![whole[..at].to_vec(), whole[at..].to_vec()]);
        let cuts: Vec<_> = cuts.collect();
        let exchanges = cuts.len();
        let (addr, server) = server(vec![cuts]);
        let (answers, made) = heard(addr, exchanges, 100);
        for (at, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap().body().text, b"hello", "{framing:?} cut at {}", at + 1);
        }
        assert_eq!((server.join().unwrap(), made), (exchanges, 1), "{framing:?}");
    }
}

#[test]
fn of_a_success_only_what_our_gateway_sends_is_kept() {
    let rest = "Server: x\r\nfarebox-left: true\r\nFarebox-Slow: 5 6\r\ncontent-length: 2\r\n\r\nok";
    let (status, headers, text) = heard_of(format!("HTTP/1.1 200 OK\r\n{rest}").as_bytes()).unwrap();
    assert_eq!((status, text.as_str()), (200, ""));
    let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["farebox-left", "farebox-slow"]);
    let (_, headers, _) = heard_of(refusal(rest).as_bytes()).unwrap();
    assert_eq!((headers.len(), &headers["server"]), (4, &"x".parse().unwrap()));
}

#[test]
fn answers_without_a_body_end_with_their_heads() {
    for head in ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"] {
        let (addr, server) = server(vec![vec![vec![head.as_bytes().to_vec()], vec![head.as_bytes().to_vec()]]]);
        let (answers, made) = heard(addr, 2, 100);
        assert!(answers.iter().all(Result::is_ok), "{head:?}: {answers:?}");
        assert_eq!((server.join().unwrap(), made), (2, 1), "{head:?}");
    }
    let (status, ..) = heard_of(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert_eq!(status, 204);
}

/// What closes, may not be used again; what says more than it was asked for, neither.
#[test]
fn a_connection_is_used_again_only_where_that_is_sound() {
    let again = |head: &str| {
        let answer = vec![head.as_bytes().to_vec()];
        let (addr, server) = server(vec![vec![answer.clone()], vec![answer]]);
        let (answers, made) = heard(addr, 2, 0);
        assert!(answers.iter().all(Result::is_ok), "{head:?}: {answers:?}");
        assert_eq!(server.join().unwrap(), 2);
        made
    };
    for closing in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more",
        "HTTP/1.1 200 OK\r\n\r\nok",
    ] {
        assert_eq!(again(closing), 2, "{closing:?}");
    }
}

#[test]
fn what_is_no_answer_says_what_it_is() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(BUFFER_MOST));
    for (what, bytes) in [
        ("garbage", &b"\x00\x01\x02 garbage\r\n\r\n"[..]),
        ("two lengths", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok"),
        ("a negative length", b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"),
        ("a length past all measure", b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n"),
        ("a chunk without a length", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"),
        (
            "an empty line in the place of a length",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n\r\n\r\n",
        ),
        ("a chunk that is too long", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n"),
        ("a status past all measure", b"HTTP/1.1 099 What\r\n\r\n"),
        ("a head too long", long.as_bytes()),
    ] {
        assert_eq!(heard_of(bytes).unwrap_err(), CallError::Malformed, "{what}");
    }
    for (what, bytes) in [
        ("half a head", &b"HTTP/1.1 200 OK\r\ncontent-le"[..]),
        ("no head", b""),
        ("half a body", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe"),
        ("no last chunk", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"),
        ("no end of the trailers", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: y\r\n"),
    ] {
        assert_eq!(heard_of(bytes).unwrap_err(), CallError::ClosedEarly, "{what}");
    }
}

#[test]
fn of_a_long_body_as_much_is_kept_as_is_wanted() {
    let answer = [refusal("content-length: 1000000\r\n\r\n").into_bytes(), vec![b'x'; 1_000_000]].concat();
    let (addr, server) = server(vec![vec![vec![answer.clone()], vec![answer]]]);
    let (answers, made) = heard(addr, 2, 10_000);
    assert!(answers.into_iter().all(|answer| answer.unwrap().body().text == vec![b'x'; 10_000]));
    assert_eq!((server.join().unwrap(), made), (2, 1));
}

/// A gateway may refuse before it has read what it was sent: then that is its answer, and the connection, on which the rest
/// of the body stands, is not used again.
#[test]
fn a_refusal_is_heard_although_the_body_is_not_read() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let answered = || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 10]).unwrap();
            stream.write_all(refusal("content-length: 2\r\n\r\nno").as_bytes()).unwrap();
            stream
        };
        // Open until both are over.
        [answered(), answered()]
    });
    let request = [b"POST / HTTP/1.1\r\ncontent-length: 30000000\r\n\r\n", &vec![b'x'; 30_000_000][..]].concat();
    let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default()).unwrap();
    let wires = Wires::new(addr);
    for _ in 0..2 {
        let answer = runtime.block_on(wires.exchange(&request, 10)).unwrap();
        assert_eq!((answer.status().as_u16(), &answer.body().text[..]), (402, &b"no"[..]));
    }
    assert_eq!(wires.made(), 2);
    drop(server.join().unwrap());
}

#[test]
fn a_port_that_nobody_listens_at_refuses() {
    let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    assert_eq!(heard(addr, 1, 0).0.remove(0).unwrap_err(), CallError::ConnectRefused);
}

/// Of the hot path this may not grow unseen: what the generator does for a call that is served.
#[test]
fn an_exchange_takes_no_allocation() {
    const ANSWERS: usize = 200;
    let answer = b"HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: 2\r\n\r\nok".to_vec();
    let (addr, server) = server(vec![vec![vec![answer]; ANSWERS]]);
    let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default()).unwrap();
    let wires = Wires::new(addr);
    runtime.block_on(async {
        let exchange = async || wires.exchange(REQUEST, 0).await.unwrap();
        exchange().await;
        let mut counted = 0;
        for _ in 1..ANSWERS {
            counted += allocated(exchange()).await;
        }
        assert_eq!(counted, 0);
    });
    drop(wires);
    assert_eq!(server.join().unwrap(), ANSWERS);
}

/// How often a future allocates while it is polled.
async fn allocated<F: Future>(future: F) -> u64 {
    let mut future = std::pin::pin!(future);
    let mut counted = 0;
    poll_fn(|cx| {
        let mut polled = Poll::Pending;
        let info = allocation_counter::measure(|| polled = future.as_mut().poll(cx).map(drop));
        counted += info.count_total;
        polled
    })
    .await;
    counted
}
