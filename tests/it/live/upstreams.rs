//! What upstreams behind the first one do to a call on real sockets: who failed it, and that its first part is not held
//! back.

use farebox_engine::log::Event;

use super::wire::{Message, wait_until};
use super::{PLANS, Rig, SCRIPT, WallClock, keyed};

/// The hop that fails is named to the client, and written down by the gateway; without a name it is the first.
#[test]
fn the_hop_that_fails_is_named_and_written_down() {
    let rig = Rig::new(PLANS);
    let mut client = rig.client();
    let told = |answer: &Message| (answer.status(), answer.header("mock-failed-hop").map(str::to_owned));
    let fails = client.get(&keyed(SCRIPT, "hops=search:0:0,ranker:1:0,store:2:0;status=500"));
    assert_eq!(told(&fails), (500, Some("2 store".to_owned())));
    let first = client.get(&keyed(SCRIPT, "latency_ns=0;status=503"));
    assert_eq!(told(&first), (503, None));
    let unpaid = client.get(&keyed(SCRIPT, "hops=search:0:0,ranker:1:0;status=402"));
    assert_eq!(told(&unpaid), (402, Some("1 ranker".to_owned())));
    let served = client.get(&keyed(SCRIPT, "hops=search:0:0,ranker:1:0"));
    assert_eq!(told(&served), (200, None));
    wait_until("every hold is resolved", || rig.gateway.open_holds() == 0);
    let histories = rig.gateway.finish(super::GRACE, WallClock::now).unwrap().histories;
    let hops: Vec<_> = histories[0]
        .log
        .iter()
        .filter_map(|entry| {
            if let Event::Failed { failure, .. } = entry.event { Some((failure.hop, failure.status)) } else { None }
        })
        .collect();
    assert_eq!(hops, [(2, 500), (0, 503), (1, 402)]);
}

/// The rest of the answer is an hour away, and its first byte is there.
#[test]
fn the_first_part_of_an_answer_is_passed_on_before_the_rest_is_there() {
    let rig = Rig::new(PLANS);
    let mut client = rig.client();
    client.ask("GET", &keyed(SCRIPT, "latency_ns=3600000000000;first_ns=0"));
    let head = client.receive_head();
    assert_eq!((head.status(), head.header("content-length")), (200, Some("64")));
    assert_eq!(client.exactly(1), b"{");
    assert_eq!(rig.gateway.open_holds(), 1, "it is settled with its last byte");
    drop(client);
    rig.end(std::time::Duration::ZERO);
}
