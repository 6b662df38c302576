//! Faults as a client's socket sees them.

use super::*;
use crate::fault::Fault;

/// Sends one request that commands this, and returns all that comes back until the end, and how that was.
fn fate(server: &Server, command: &str) -> (Vec<u8>, io::Result<()>) {
    let mut client = Client::connect(server);
    client.send(&format!("GET / HTTP/1.1\r\nhost: mock\r\nmock-outcome: {command}\r\n\r\n"));
    let mut seen = Vec::new();
    let end = client.0.read_to_end(&mut seen).map(drop);
    (seen, end)
}

fn faults(server: &Server, fault: Fault) -> u64 {
    server.counters().faults[fault.index()]
}

#[test]
fn a_reset_is_a_reset_and_nothing_comes_before_it() {
    let server = obeying();
    let (seen, end) = fate(&server, "fault=reset");
    assert_eq!((seen.len(), end.unwrap_err().kind()), (0, io::ErrorKind::ConnectionReset));
    wait_until(&server, |counters| counters.abandoned == 1);
    assert_eq!(faults(&server, Fault::Reset), 1);
}

#[test]
fn half_a_head_and_garbage_end_the_connection_in_order() {
    let server = obeying();
    let (seen, end) = fate(&server, "fault=half_header");
    assert!(end.is_ok());
    let text = String::from_utf8(seen).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && !text.contains("\r\n\r\n") && !text.ends_with("\r\n"), "{text}");

    let (seen, end) = fate(&server, "fault=garbage");
    assert!(end.is_ok());
    assert!(!seen.is_empty() && !seen.starts_with(b"HTTP/"), "{seen:?}");
    assert_eq!((faults(&server, Fault::HalfHeader), faults(&server, Fault::Garbage)), (1, 1));
}

#[test]
fn half_of_a_body_arrives_before_it_is_cut_off() {
    let server = obeying();
    let (seen, end) = fate(&server, "fault=cut;status=503");
    assert!(end.is_ok());
    let text = String::from_utf8(seen).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("content-length: 64"), "{head}");
    assert_eq!(body.len(), 32);
    let expected = Counters { received: 1, answered: 1, ..Counters::default() };
    assert_eq!(Counters { faults: [0; 7], ..server.counters() }, expected);
    assert_eq!(faults(&server, Fault::Cut), 1);
}

/// A connection breaks at the request that meets the fault; what was answered before it has arrived.
#[test]
fn a_connection_is_fine_until_the_request_that_breaks_it() {
    let server = obeying();
    for fault in ["reset", "half_header", "garbage", "cut"] {
        let mut client = Client::connect(&server);
        for _ in 0..3 {
            assert_eq!(client.get("").status, 200);
        }
        client.send(&format!("GET / HTTP/1.1\r\nhost: mock\r\nmock-outcome: fault={fault}\r\n\r\n"));
        let mut seen = Vec::new();
        assert_eq!(client.0.read_to_end(&mut seen).is_err(), fault == "reset");
    }
}

/// Whoever reads on sees no end; once the client goes away, the places of the request are free again.
#[test]
fn bodies_go_on_for_ever_or_as_long_as_announced() {
    let service = ServiceSpec { capacity: NonZeroU32::new(1), ..ServiceSpec::default() };
    let server = Server::start(&Options { service, obey: true, ..Options::default() }).unwrap();
    for (fault, length) in [("endless", None), ("huge", Some("10000000000"))] {
        let mut client = Client::connect(&server);
        client.send(&format!("GET / HTTP/1.1\r\nhost: mock\r\nmock-outcome: fault={fault}\r\n\r\n"));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(client.0.read_line(&mut head).unwrap(), 0, "closed after {head:?}");
        }
        assert_eq!(header(&head, "content-length"), length);
        let mut much = vec![0; 4 << 20];
        client.0.read_exact(&mut much).unwrap();
        let mut next = Client::connect(&server);
        let received = server.counters().received;
        next.send("GET / HTTP/1.1\r\nhost: mock\r\n\r\n");
        wait_until(&server, |counters| counters.received == received + 1);
        assert_eq!(server.counters().answered, received, "the next one waits for the place");
        drop(client);
        assert_eq!(next.reply().status, 200);
    }
    assert_eq!((faults(&server, Fault::Endless), faults(&server, Fault::Huge)), (1, 1));
    server.shutdown(Duration::ZERO);
}

#[test]
fn a_stall_lasts_until_the_client_goes_away() {
    let server = obeying();
    let mut client = Client::connect(&server);
    client.send("GET / HTTP/1.1\r\nhost: mock\r\nmock-outcome: fault=stall\r\n\r\n");
    wait_until(&server, |counters| counters.faults[Fault::Stall.index()] == 1);
    assert_eq!(Client::connect(&server).get("").status, 200, "others are answered");
    assert_eq!(server.counters().abandoned, 0);
    drop(client);
    wait_until(&server, |counters| counters.abandoned == 1);
}

#[test]
fn a_fault_comes_when_the_latency_is_over() {
    let server = obeying();
    for command in ["latency_ns=20000000", "latency_ns=20000000;first_ns=0", "hops=a:0:0,b:1:20000000;first_ns=0"] {
        let sent = Instant::now();
        assert!(fate(&server, &format!("fault=reset;{command}")).1.is_err());
        assert!(sent.elapsed() >= Duration::from_millis(20), "{command}");
    }
}

/// How many of n requests meet a fault is binomial: n·p ± 5 √(n·p(1−p)).
#[test]
fn shares_of_requests_meet_faults_by_the_seed() {
    let fates = |seed| {
        let faults = "cut=30%".parse().unwrap();
        let server = serving(ServiceSpec { faults, seed, ..ServiceSpec::default() });
        let fates: Vec<_> = (0..200).map(|_| length(&server)).collect();
        let cut = server.counters().faults[Fault::Cut.index()];
        assert!((60.0 - cut as f64).abs() < 5.0 * (200.0 * 0.3 * 0.7_f64).sqrt(), "{cut}");
        fates
    };
    assert_eq!(fates(1), fates(1));
    assert_ne!(fates(1), fates(2));
}

/// The bytes of an answer; without a fault the connection would stay open, so it is asked to close.
fn length(server: &Server) -> usize {
    let mut client = Client::connect(server);
    client.send("GET / HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n\r\n");
    let mut seen = Vec::new();
    client.0.read_to_end(&mut seen).unwrap();
    seen.len()
}
