//! Ten thousand clients that have asked once and wait. They are in a process of their own, so that what this one grows by is
//! the gateway's.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use farebox::live::gateway::Front;
use farebox::live::stage::raise_descriptor_limit;

use super::hostile::before;
use super::*;

const CLIENTS: usize = 10_000;
/// What a connection that has been used may cost: 14 KiB were measured. hyper keeps the buffer that it read into (8 KiB
/// to begin with) and the table of headers; the rest is the connection itself, and the allocator's.
const KIB_EACH: usize = 32;

/// Tells the other process which gateway it is to call.
const GATEWAY: &str = "FAREBOX_TEST_IDLE_GATEWAY";
const READY: &str = "all are connected";

#[test]
#[ignore = "it takes twenty thousand files"]
#[expect(clippy::print_stdout, reason = "what was measured is told beside the bound")]
fn ten_thousand_idle_connections_are_kept_and_cost_little() {
    let allowed = raise_descriptor_limit();
    assert!(allowed > CLIENTS as u64 + 200, "this process may have {allowed} open files: raise it with `ulimit -n`");
    let upstream = Server::start(&mock_upstreams::Options { obey: true, ..Default::default() }).unwrap();
    let mut front = Front::GUARDED;
    front.limits.connections = NonZeroUsize::new(CLIENTS + 1);
    let rig = Rig { gateway: before(PLANS, upstream.addr(), front), upstream };
    assert_eq!(rig.client().get(&keyed(SCRIPT, "")).status(), 200);
    let before_kib = resident_kib();

    let mut clients = Command::new(env::current_exe().unwrap());
    clients.args(["live::idle::the_clients", "--exact", "--ignored", "--nocapture"]);
    clients.env(GATEWAY, rig.gateway.addr().to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut clients = clients.spawn().unwrap();
    let mut lines = BufReader::new(clients.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(READY)), "the clients have ended");

    wait_until("all are idle", || rig.gateway.connections().open == CLIENTS);
    let grown_kib = resident_kib().saturating_sub(before_kib);
    println!("{CLIENTS} idle connections: {grown_kib} KiB, {:.1} KiB each", grown_kib as f64 / CLIENTS as f64);
    assert!(grown_kib < CLIENTS * KIB_EACH, "{grown_kib} KiB for {CLIENTS} connections");
    // There is one more place, and who has it is served.
    let mut last = rig.client();
    for _ in 0..10 {
        assert_eq!(last.get(&keyed(SCRIPT, "")).status(), 200);
    }
    assert_eq!(rig.client().receive().status(), 503);
    assert_eq!((rig.gateway.connections().timed_out, rig.gateway.connections().starved), (0, 0));
    drop(last);
    drop(clients.stdin.take());
    assert!(clients.wait().unwrap().success(), "each of them had an answer on its connection at the end, too");
    wait_until("all are closed", || rig.gateway.connections().open == 0);
    rig.quiesce();
}

/// The memory that this process has resident.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4
}

/// The other process: asks once on each connection, waits, and asks on some of them again.
#[test]
#[ignore = "the test above starts it"]
#[expect(clippy::print_stdout, reason = "the other process waits for the line")]
fn the_clients() {
    let Ok(gateway) = env::var(GATEWAY) else { return };
    let gateway: SocketAddr = gateway.parse().unwrap();
    raise_descriptor_limit();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| TcpStream::connect(gateway).unwrap()).collect();
    clients.iter_mut().for_each(refused_once);
    println!("{READY}");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    clients.iter_mut().step_by(100).for_each(refused_once);
}

fn refused_once(client: &mut TcpStream) {
    client.write_all(b"GET /v1 HTTP/1.1\r\nhost: gateway\r\nx-api-key: nobody\r\n\r\n").unwrap();
    let mut answer = [0; 2_048];
    let mut read = 0;
    // The answer ends with the document that is its body.
    while !answer[..read].ends_with(b"}") {
        let more = client.read(&mut answer[read..]).unwrap();
        assert!(more > 0, "the gateway has closed the connection");
        read += more;
    }
    assert!(answer.starts_with(b"HTTP/1.1 401 "));
}
