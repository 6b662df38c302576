//! Upstreams that do not answer in time, or stop inside of their answer: nobody pays, and nobody waits for ever.

use farebox::live::gateway::Front;

use super::hostile::before;
use super::*;

/// A limit that a test can reach in a moment. Only a failure makes a test wait for longer.
const SHORT: Duration = Duration::from_millis(500);

fn waiting(within: Duration) -> Front {
    Front { upstream_within: within, ..Front::GUARDED }
}

#[test]
fn an_upstream_that_does_not_begin_is_a_504_and_costs_nothing() {
    let upstream = Server::start(&mock_upstreams::Options { obey: true, ..Default::default() }).unwrap();
    let rig = Rig { gateway: before(PLANS, upstream.addr(), waiting(SHORT)), upstream };
    let mut client = rig.client();
    for _ in 0..2 {
        refused(&client.get(&keyed(SCRIPT, "fault=stall")), 504, "upstream_timeout");
    }
    assert_eq!(rig.gateway.open_holds(), 0, "the hold is released when the client is told");
    // The connection of the client is still in order, and others to the upstream take the place of the one that stalled.
    assert_eq!(client.get(&keyed(SCRIPT, "")).status(), 200);
    assert_eq!((rig.count(Cause::UpstreamTimeout), rig.count(Cause::UpstreamError)), (2, 0));
    assert_eq!(rig.quiesce()[0], Account::settled(1, 2));
}

/// A listener that takes no connection: the time to make one is in the limit.
#[test]
fn an_upstream_that_takes_no_connection_is_a_504() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _entered = runtime.enter();
    let full = TcpSocket::new_v4().unwrap();
    full.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let full = full.listen(0).unwrap();
    let upstream = full.local_addr().unwrap();
    // The only place in its line.
    let _waiting = std::net::TcpStream::connect(upstream).unwrap();
    let gateway = before(PLANS, upstream, waiting(SHORT));
    refused(&Wire::connect(gateway.addr()).get(&keyed(SCRIPT, "")), 504, "upstream_timeout");
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(0, 1));
}

/// Head and half of the body are there; whether the client still waits or has left, the call is given up and released.
#[test]
fn an_upstream_that_stops_inside_of_its_answer_is_given_up() {
    for leaves in [false, true] {
        let upstream = listen();
        let gateway = before(PLANS, upstream.local_addr().unwrap(), waiting(SHORT));
        let mut client = Wire::connect(gateway.addr());
        client.ask("GET", &keyed(SCRIPT, ""));
        let mut behind = Wire::accept(&upstream);
        behind.receive();
        behind.send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf");
        assert_eq!((client.receive_head().status(), &client.exactly(4)[..]), (200, &b"half"[..]));
        assert_eq!(gateway.open_holds(), 1);
        if leaves {
            client.reset();
        } else {
            assert_eq!(client.rest(), b"", "the end of the connection tells that something is missing");
        }
        assert_eq!(behind.rest(), b"", "the upstream is told as well");
        wait_until("the hold is released", || gateway.open_holds() == 0);
        let counts = gateway.counts();
        assert_eq!((counts.served, counts.causes[Cause::UpstreamTimeout.index()]), (0, 1));
        assert_eq!(accounts(gateway, GRACE)[0], Account::settled(0, 1));
    }
}

/// The limit is one on silence: an answer that keeps coming may take as long as it takes, and a client that keeps it waiting
/// costs the upstream nothing.
#[test]
fn an_answer_that_keeps_coming_is_waited_for() {
    const WITHIN: Duration = Duration::from_millis(800);
    let upstream = listen();
    let gateway = before(PLANS, upstream.local_addr().unwrap(), waiting(WITHIN));
    let mut client = Wire::connect(gateway.addr());
    client.ask("GET", &keyed(SCRIPT, ""));
    let mut behind = Wire::accept(&upstream);
    behind.receive();
    behind.send("HTTP/1.1 200 OK\r\ncontent-length: 24\r\n\r\n");
    client.receive_head();
    for _ in 0..24 {
        thread::sleep(WITHIN / 16);
        behind.send("x");
        client.exactly(1);
    }
    // A body that fills every buffer on the way, while the client looks elsewhere for longer than the limit.
    client.ask("GET", &keyed(SCRIPT, ""));
    behind.receive();
    let body = vec![b'x'; TOO_LONG];
    let writer = thread::spawn(move || {
        behind.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {TOO_LONG}\r\n\r\n"));
        behind.send(body);
    });
    client.receive_head();
    thread::sleep(WITHIN * 2);
    client.exactly(TOO_LONG);
    writer.join().unwrap();
    assert_eq!(accounts(gateway, GRACE)[0], Account::settled(2, 0));
}
