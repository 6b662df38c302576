//! Clients who go, and what the gateway makes of it: `on_client_abort` on real sockets, asked by hand and by a load.

use farebox::control::Control;
use farebox::live::generator::CallError;
use farebox::live::{proof, stage};
use farebox_engine::model::OnClientAbort::{BillSent, Release, Settle};
use farebox_engine::outcome::CohortOutcome;

use super::*;

/// A request costs a cent, and each of its hundred tokens a mill; they are streamed.
const STREAMED: &str = "
scenario: streamed
horizon: 30d
meters: { output: { sum: [ output_tokens ] } }
routes: { /v1: { upstream: llm, attributes: { output_tokens: 100 } } }
plans: { payg: { prepaid: { opening: $10 }, prices: { requests: $0.01, output: $0.001 } } }
consumers: { script: { count: 1, plan: payg, traffic: { rate: 0.001/day } } }
upstreams: { llm: { first_token: 100ms, tokens_per_second: 50, streaming: true, cost: { requests: $0.002 } } }
";
const MILL_NANOS: i64 = 1_000_000;

fn going(mode: &str) -> Rig {
    let body_bytes = 2 << 10;
    let scenario = format!("{STREAMED}gateway: {{ on_client_abort: {mode} }}\n");
    Rig::answering(&scenario, ServiceSpec { body_bytes, ..ServiceSpec::default() })
}

/// What was told of each client that went: what it had been sent; and what was paid for all of them.
fn told(rig: Rig) -> (Vec<[u64; 2]>, i64, History) {
    wait_until("the upstream has ended", || rig.gateway.sum().in_flight() == 0);
    let history = rig.gateway.finish(GRACE, WallClock::now).unwrap().histories.remove(0);
    rig.upstream.shutdown(Duration::ZERO);
    let sent = history.log.iter().filter_map(|entry| match entry.event {
        Event::GaveUp { sent, .. } => Some([sent[0], sent[1]]),
        _ => None,
    });
    let paid = history.account.books().moved(Movement::Spend).nanos();
    (sent.collect(), paid / MILL_NANOS, history)
}

/// They go before the head of the answer, so nothing has been sent. The upstream answers all the same.
#[test]
fn who_goes_before_the_answer_begins_pays_by_the_mode() {
    for (mode, mills) in [("settle", 4 * 110), ("release", 0), ("bill_sent", 0)] {
        let rig = going(mode);
        let mut clients = Vec::new();
        for leaving in Leaving::BOTH.repeat(2) {
            let mut client = rig.client();
            client.ask("GET", &keyed(SCRIPT, "latency_ns=1000000000;usage=meter.output:100"));
            clients.push((leaving, client));
        }
        wait_until("the upstream has all calls", || rig.upstream.counters().received == 4);
        let gone: Vec<_> = clients.into_iter().map(|(leaving, client)| leaving.leave(client)).collect();
        wait_until("the gateway has seen all of them go", || rig.count(Cause::ClientAbort) == 4);
        drop(gone);
        let (sent, paid, history) = told(rig);
        assert_eq!((sent, paid), (vec![[0, 0]; 4], mills), "{mode}");
        let served = history.log.iter().filter(|entry| matches!(entry.event, Event::Served { .. })).count();
        assert_eq!((served, history.account.open_holds()), (4, 0));
        let absorbed = history.account.books().moved(Movement::CostAbsorbed).nanos() / MILL_NANOS;
        assert_eq!(absorbed, if mode == "settle" { 0 } else { 4 * 2 });
    }
}

/// They go with the first part of the answer. What had been sent then is at least a token, and that is what is paid.
#[test]
fn who_goes_inside_of_the_answer_pays_for_what_had_been_sent() {
    for mode in ["settle", "release", "bill_sent"] {
        let rig = going(mode);
        let mut gone = Vec::new();
        for leaving in Leaving::BOTH.repeat(2) {
            let mut client = rig.client();
            client.ask("GET", &keyed(SCRIPT, "latency_ns=2000000000;first_ns=1000000;usage=meter.output:100"));
            assert_eq!(client.receive_head().status(), 200);
            client.exactly(1);
            gone.extend(leaving.leave(client));
        }
        wait_until("the gateway has seen all of them go", || rig.count(Cause::ClientAbort) == 4);
        let (sent, paid, _) = told(rig);
        drop(gone);
        assert_eq!(sent.len(), 4);
        let bills_sent = mode == "bill_sent";
        assert!(sent.iter().all(|[requests, tokens]| {
            if bills_sent { *requests == 1 && (1..=100).contains(tokens) } else { [*requests, *tokens] == [0, 0] }
        }));
        let of_sent: i64 = sent.iter().map(|[requests, tokens]| (10 * requests + tokens) as i64).sum();
        assert_eq!(paid, if mode == "settle" { 4 * 110 } else { of_sent }, "{mode}");
    }
}

/// A load whose clients wait half a second: the generator closes their connections, the gateway sees each go, and its log
/// plays again to the same accounts.
#[test]
fn a_load_s_clients_give_up_and_the_gateway_sees_them_go() {
    for mode in [Settle, Release, BillSent] {
        let mut scenario = fixture::named("patience.yaml");
        scenario.gateway.on_client_abort = mode;
        let world = fixture::scaled(scenario);
        let run = stage::free_run(&world, NonZeroUsize::new(2).unwrap(), &Control::default()).unwrap();
        proof::replay(&world, &run.histories, run.end).unwrap();
        let given_up = run.load.error(CallError::GaveUp);
        let of = |is_it: fn(&Event) -> bool| {
            run.histories.iter().flat_map(|history| &history.log).filter(|entry| is_it(&entry.event)).count() as u64
        };
        let gone = of(|event| matches!(event, Event::GaveUp { .. }));
        assert!(gone > 0 && gone <= given_up + run.load.unfinished, "{gone} of {given_up}");
        assert!(run.load.retried > 0, "{mode:?}: a timeout is tried again");
        let streamed = of(|event| matches!(event, Event::GaveUp { sent, .. } if sent[0] == 1));
        assert_eq!(streamed > 0, mode == BillSent, "{mode:?}");
        let outcome = run.outcome(&world).unwrap();
        let failed = outcome.cohorts.iter().flat_map(CohortOutcome::failures);
        let aborted: u64 =
            failed.filter(|(alike, _)| alike.cause == "client_abort").map(|(_, attempts)| attempts).sum();
        assert_eq!(aborted, gone);
        let absorbed = outcome.moved(Movement::CostAbsorbed);
        assert_eq!(absorbed > 0, mode != Settle, "{mode:?}");
        run.histories.iter().for_each(|history| history.account.check());
    }
}
