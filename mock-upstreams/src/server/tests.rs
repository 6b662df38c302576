//! The server as a client sees it, through real sockets on loopback. Nothing here sleeps: it waits for an event, or for
//! a counter with a deadline that only a failure reaches.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream as StdTcpStream;
use std::thread;
use std::time::Instant;

use super::*;
use crate::latency::Latency;
use crate::share::Share;

/// What a healthy test never reaches.
const PATIENCE: Duration = Duration::from_secs(20);
/// A request that is held until something else ends it.
const HELD: &str = "mock-outcome: latency_ns=3600000000000\r\n";

struct Client(BufReader<StdTcpStream>);

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Client {
    fn connect(server: &Server) -> Self {
        let stream = StdTcpStream::connect(server.addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Sends a GET with these header lines, each ended by CR LF.
    fn get(&mut self, headers: &str) -> Reply {
        self.send(&format!("GET /any/path?at=all HTTP/1.1\r\nhost: mock\r\n{headers}\r\n"));
        self.reply()
    }

    fn reply(&mut self) -> Reply {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).unwrap(), 0, "closed after {head:?}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Reply { status, head, body: String::from_utf8(body).unwrap() }
    }

    fn is_closed(&mut self) -> bool {
        !matches!(self.0.read(&mut [0]), Ok(1..))
    }
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn obeying() -> Server {
    Server::start(&Options { obey: true, ..Options::default() }).unwrap()
}

fn serving(service: ServiceSpec) -> Server {
    Server::start(&Options { service, ..Options::default() }).unwrap()
}

/// On a loopback address that no other test uses, so that none can take the port once it is free.
fn alone_on(ip: [u8; 4]) -> Server {
    Server::start(&Options { listen: SocketAddr::from((ip, 0)), ..Options::default() }).unwrap()
}

fn wait_until(server: &Server, met: impl Fn(Counters) -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !met(server.counters()) {
        assert!(Instant::now() < give_up, "still {:?}", server.counters());
        thread::yield_now();
    }
}

// === Answers ===

#[test]
fn every_path_gets_200_and_json_of_the_size_asked_for() {
    for body_bytes in [MIN, 64, 100_000] {
        let server = serving(ServiceSpec { body_bytes, ..ServiceSpec::default() });
        let mut client = Client::connect(&server);
        for _ in 0..3 {
            let reply = client.get("");
            assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
            assert_eq!(reply.body.len(), body_bytes);
            assert!(reply.body.starts_with(r#"{"mock":""#) && reply.body.ends_with(r#""}"#));
        }
        assert_eq!(server.counters(), Counters { received: 3, answered: 3, abandoned: 0, ..Counters::default() });
    }
}

const MIN: usize = crate::service::MIN_BODY_BYTES;

#[test]
fn an_answer_is_never_early() {
    let latency = Duration::from_millis(20);
    let server = serving(ServiceSpec { latency: Latency::constant(latency).unwrap(), ..ServiceSpec::default() });
    let mut client = Client::connect(&server);
    let sent = Instant::now();
    assert_eq!(client.get("").status, 200);
    assert!(sent.elapsed() >= latency);
}

#[test]
fn the_same_seed_fails_the_same_requests() {
    let statuses = |seed| {
        let errors = Share::new(0.3).unwrap();
        let server = serving(ServiceSpec { errors: errors.into(), seed, ..ServiceSpec::default() });
        let mut client = Client::connect(&server);
        let statuses: Vec<_> = (0..64).map(|_| client.get("").status).collect();
        statuses
    };
    let first = statuses(1);
    assert!(first.contains(&200) && first.contains(&500), "{first:?}");
    assert_eq!(first, statuses(1));
    assert_ne!(first, statuses(2));
}

#[test]
fn request_bodies_are_read_so_that_the_connection_goes_on() {
    let server = serving(ServiceSpec::default());
    let mut client = Client::connect(&server);
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nhost: mock\r\ncontent-length: 300000\r\n\r\n");
        client.send(&"x".repeat(300_000));
        assert_eq!(client.reply().status, 200);
    }
}

#[test]
fn a_body_above_a_mebibyte_is_refused_announced_or_not() {
    let server = serving(ServiceSpec::default());
    let mut announced = Client::connect(&server);
    announced.send("POST / HTTP/1.1\r\nhost: mock\r\ncontent-length: 1048577\r\n\r\n");
    assert_eq!(announced.reply().status, 413);

    let mut chunked = Client::connect(&server);
    chunked.send("POST / HTTP/1.1\r\nhost: mock\r\ntransfer-encoding: chunked\r\n\r\n100001\r\n");
    chunked.send(&"x".repeat(0x10_0001));
    assert_eq!(chunked.reply().status, 413);
}

// === Commands ===

#[test]
fn a_command_is_obeyed_when_told_to() {
    let server = obeying();
    let mut client = Client::connect(&server);
    let reply = client.get("mock-outcome: latency_ns=0;status=503;usage=input_tokens:120,output_tokens:30\r\n");
    assert_eq!((reply.status, reply.header("mock-usage")), (503, Some("input_tokens:120,output_tokens:30")));

    let (latency, sent) = (Duration::from_millis(5), Instant::now());
    let reply = client.get("mock-outcome: latency_ns=5000000\r\n");
    assert!(sent.elapsed() >= latency);
    assert_eq!((reply.status, reply.header("mock-usage")), (200, None));
}

#[test]
fn an_answer_without_content_keeps_the_connection_in_step() {
    let server = obeying();
    let mut client = Client::connect(&server);
    for status in [204, 304, 200] {
        let reply = client.get(&format!("mock-outcome: status={status}\r\n"));
        assert_eq!((reply.status, reply.body.is_empty()), (status, status != 200), "{reply:?}");
    }
}

#[test]
fn a_command_is_ignored_unless_told_to_obey() {
    let server = serving(ServiceSpec::default());
    let reply = Client::connect(&server).get("mock-outcome: latency_ns=3600000000000;status=503;usage=tokens:1\r\n");
    assert_eq!((reply.status, reply.header("mock-usage")), (200, None));
    assert_eq!(Client::connect(&server).get("mock-outcome: nonsense\r\n").status, 200);
}

#[test]
fn a_command_that_makes_no_sense_is_400_and_says_what_was_expected() {
    let server = obeying();
    let mut client = Client::connect(&server);
    let reply = client.get("mock-outcome: status=abc\r\n");
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.body,
        "cannot obey `mock-outcome: status=abc`: `status` must be a number from 200 to 599\n\
         for example: mock-outcome: latency_ns=12345;status=200;usage=input_tokens:120,output_tokens:30\n"
    );
    assert_eq!(client.get("mock-outcome: \u{e9}\r\n").status, 400);
    assert_eq!(client.get("").status, 200, "the connection goes on");
}

// === Life ===

#[test]
fn threads_share_one_port() {
    let server = Server::start(&Options { threads: NonZeroUsize::new(3).unwrap(), ..Options::default() }).unwrap();
    let mut clients: Vec<_> = (0..24).map(|_| Client::connect(&server)).collect();
    for client in &mut clients {
        assert_eq!(client.get("").status, 200);
    }
    assert_eq!(server.shutdown(PATIENCE), Counters { received: 24, answered: 24, abandoned: 0, ..Counters::default() });
}

#[test]
fn a_port_in_use_is_refused_and_free_again_after_a_shutdown() {
    let first = alone_on([127, 0, 0, 2]);
    let again = Options { listen: first.addr(), ..Options::default() };
    let error = Server::start(&again).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&format!("cannot listen on {}: ", first.addr())), "{error}");

    Client::connect(&first).get("");
    first.shutdown(PATIENCE);
    let second = Server::start(&again).unwrap();
    assert_eq!(Client::connect(&second).get("").status, 200);
}

#[test]
fn a_client_that_goes_away_is_counted() {
    let server = obeying();
    let mut client = Client::connect(&server);
    client.send(&format!("GET / HTTP/1.1\r\nhost: mock\r\n{HELD}\r\n"));
    wait_until(&server, |counters| counters.received == 1);
    drop(client);
    wait_until(&server, |counters| counters.abandoned == 1);
}

#[test]
fn a_shutdown_lets_requests_in_flight_end() {
    let server = obeying();
    let (mut idle, mut busy) = (Client::connect(&server), Client::connect(&server));
    assert_eq!(idle.get("").status, 200);
    busy.send("GET / HTTP/1.1\r\nhost: mock\r\nmock-outcome: latency_ns=20000000\r\n\r\n");
    wait_until(&server, |counters| counters.received == 2);
    assert_eq!(server.shutdown(PATIENCE), Counters { received: 2, answered: 2, abandoned: 0, ..Counters::default() });
    assert_eq!(busy.reply().status, 200);
    assert!(idle.is_closed() && busy.is_closed());
}

#[test]
fn a_shutdown_cuts_off_what_outlives_its_grace() {
    let server = obeying();
    let mut client = Client::connect(&server);
    client.send(&format!("GET / HTTP/1.1\r\nhost: mock\r\n{HELD}\r\n"));
    wait_until(&server, |counters| counters.received == 1);
    let counters = server.shutdown(Duration::from_millis(1));
    assert_eq!(counters, Counters { received: 1, answered: 0, abandoned: 1, ..Counters::default() });
    assert!(client.is_closed());
}

#[test]
fn a_dropped_server_is_gone() {
    let server = alone_on([127, 0, 0, 3]);
    let addr = server.addr();
    drop(server);
    assert!(StdTcpStream::connect(addr).is_err());
}

// === Named services ===

fn services(named: &[(&str, u32)]) -> Server {
    let named = named.iter().map(|(name, capacity)| ((*name).to_owned(), NonZeroU32::new(*capacity).unwrap()));
    let service = ServiceSpec { named: named.collect(), ..ServiceSpec::default() };
    Server::start(&Options { service, obey: true, ..Options::default() }).unwrap()
}

fn hops(hops: &str) -> String {
    format!("mock-outcome: hops={hops}\r\n")
}

/// One that has called another keeps its place until that has answered; others do not wait for it.
#[test]
fn a_service_keeps_its_place_while_another_works_for_it() {
    let server = services(&[("search", 1), ("store", 5)]);
    let mut first = Client::connect(&server);
    first.send(&format!("GET / HTTP/1.1\r\nhost: mock\r\n{}\r\n", hops("search:0:0,ranker:1:3600000000000")));
    wait_until(&server, |counters| counters.received == 1);
    let mut second = Client::connect(&server);
    second.send(&format!("GET / HTTP/1.1\r\nhost: mock\r\n{}\r\n", hops("search:0:0")));
    wait_until(&server, |counters| counters.received == 2);
    let mut other = Client::connect(&server);
    for free in ["ranker:0:0", "store:0:0,ranker:1:0,unknown:2:0"] {
        assert_eq!(other.get(&hops(free)).status, 200);
    }
    assert_eq!(server.counters().answered, 2, "the second waits");
    // Who goes away leaves its places.
    drop(first);
    assert_eq!(second.reply().status, 200);
    assert_eq!(other.get(&hops("search:0:0,store:1:0")).status, 200);
    server.shutdown(Duration::ZERO);
}

#[test]
fn the_last_hop_of_a_failed_request_is_named() {
    let server = services(&[]);
    let mut client = Client::connect(&server);
    let failed = client.get("mock-outcome: hops=search:0:5,ranker:1:0;status=500\r\n");
    assert_eq!((failed.status, failed.header("mock-failed-hop")), (500, Some("1 ranker")));
    let other = client.get(&hops("search:0:5,ranker:1:0"));
    assert_eq!((other.status, other.header("mock-failed-hop")), (200, None));
    server.shutdown(Duration::ZERO);
}

/// The first byte comes by itself, and the place is kept until the last.
#[test]
fn a_body_in_two_parts_begins_before_it_ends() {
    let server = services(&[("model", 1)]);
    let mut client = Client::connect(&server);
    let in_two = "mock-outcome: hops=model:0:3600000000000;first_ns=0";
    client.send(&format!("GET / HTTP/1.1\r\nhost: mock\r\n{in_two}\r\n\r\n"));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(client.0.read_line(&mut head).unwrap(), 0, "closed after {head:?}");
    }
    let mut first = [0];
    client.0.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"{");
    let mut next = Client::connect(&server);
    next.send(&format!("GET / HTTP/1.1\r\nhost: mock\r\n{}\r\n", hops("model:0:0")));
    wait_until(&server, |counters| counters.received == 2);
    drop(client);
    assert_eq!(next.reply().status, 200);
    let whole = next.get("mock-outcome: latency_ns=2;first_ns=1\r\n");
    assert_eq!((whole.status, whole.body.len()), (200, 64));
    server.shutdown(Duration::ZERO);
}

mod faults;
mod played;
