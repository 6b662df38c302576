//! Loads on sockets: what is measured and what is not, what happens when the gateway falls behind, closed loops, and gateways
//! that are not ours.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use expect_test::expect;
use farebox::control::Control;
use farebox::live::accounts::Logging;
use farebox::live::gateway::{self, Gateway};
use farebox::live::generator::dress::{Dress, Foreign};
use farebox::live::generator::watch::Watch;
use farebox::live::generator::{self, CallError, Class, LoadResult, Options, Shares, own_keys};
use farebox::live::proof;
use farebox::live::result::LoadReport;
use farebox::live::stage::{self, FreeRun};
use farebox::live::validity::{Reason, Verdict};
use farebox_engine::model::{Live, RateStage};
use farebox_engine::time::Time;
use farebox_engine::world::World;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::net::TcpSocket;

use crate::fixture;
use crate::program::Folder;

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// Calls that nobody refuses, of an upstream that takes so long.
fn scenario(latency: &str, live: &str) -> String {
    format!(
        "\
scenario: loaded
horizon: 30d
plans: {{ free: {{}} }}
consumers: {{ all: {{ count: 20, plan: free, traffic: {{ rate: 10/day }} }} }}
upstreams: {{ api: {{ latency: {latency} }} }}
live: {live}
"
    )
}

fn world(latency: &str, live: &str) -> Arc<World> {
    fixture::scaled(fixture::parse(&scenario(latency, live)))
}

fn run(world: &Arc<World>) -> FreeRun {
    stage::free_run(world, TWO, &Control::default()).unwrap()
}

fn times(world: &World) -> Vec<Time> {
    world.consumers().flat_map(|consumer| world.calls(consumer).map(|call| call.at)).collect()
}

/// Attempts whose latency was recorded.
fn timed(load: &LoadResult) -> u64 {
    load.latency.values().map(|times| times.histogram.len()).sum()
}

// === What is measured ===

/// Every call is made, decided and in the books; those that are due before or after the measured time are in no latency.
#[test]
fn a_warm_up_is_in_the_books_and_in_no_latency() {
    let world = world("1ms", "{ rate: 300/s, duration: 1200ms, warm_up: 400ms, cool_down: 300ms }");
    let [from, until] = world.scenario.live.measured();
    assert_eq!((from.ns(), until.ns()), (400_000_000, 900_000_000));
    let due = times(&world);
    let measured = due.iter().filter(|at| (from..until).contains(*at)).count() as u64;
    let run = run(&world);
    let load = &run.load;
    assert_eq!((load.offered, load.sent, load.answered()), (due.len() as u64, due.len() as u64, due.len() as u64));
    assert_eq!((load.measured_offered, timed(load)), (measured, measured));
    assert_eq!([&load.service, &load.lateness, &load.lag].map(|times| times.histogram.len()), [measured; 3]);
    assert!((1..load.answered()).contains(&load.measured_answered), "{}", load.measured_answered);
    let report = LoadReport::new(&world, &run, None).unwrap();
    assert_eq!(report.outcome.cohorts[0].served, due.len() as u64);
    let per_s = measured as f64 / 0.5;
    assert!((report.sockets.measured.offered_per_s - per_s).abs() < 1e-9, "{:?}", report.sockets.measured);
}

// === When the gateway falls behind ===

/// Two places at an upstream that takes 50 ms are worth 40 calls a second; a hundred are due in the second that the load
/// lasts.
fn beyond(beyond: &str) -> (Arc<World>, FreeRun) {
    let live = format!("{{ rate: 100/s, duration: 1s, in_flight: {{ at_most: 2, beyond: {beyond} }} }}");
    let world = world("50ms", &live);
    let run = stage::free_run(&world, NonZeroUsize::MIN, &Control::default()).unwrap();
    (world, run)
}

#[test]
fn calls_beyond_those_in_flight_are_dropped() {
    let (world, run) = beyond("drop");
    assert_eq!(run.load.offered, run.load.sent + run.load.dropped);
    assert!(run.load.dropped > run.load.offered / 3, "{}", run.load.dropped);
    let validity = LoadReport::new(&world, &run, None).unwrap().sockets.validity;
    assert_eq!(validity.verdict, Verdict::Invalid);
    assert_eq!(validity.reasons[0], Reason::Dropped { attempts: run.load.dropped });
}

/// Nobody is turned away, and the time in line counts: so many calls through two places take as long as that takes.
#[test]
fn calls_beyond_those_in_flight_wait_and_their_latency_counts_from_their_intended_start() {
    let (world, run) = beyond("queue");
    let load = &run.load;
    assert_eq!((load.dropped, load.unfinished, load.sent), (0, 0, load.offered));
    assert_eq!(load.answered(), load.offered);
    // The last of them is due within the second, and 25 ms of a place are 50 ms of one of two.
    let least_ms = (25 * load.offered).saturating_sub(1_050);
    let longest = load.latency[&Class::Served].max_ns;
    assert!(least_ms > 500 && longest >= least_ms * 1_000_000, "{longest} ns, and {} calls", load.offered);
    assert!(load.service.sum_ns < load.latency[&Class::Served].sum_ns);
    let validity = LoadReport::new(&world, &run, None).unwrap().sockets.validity;
    assert!(!validity.reasons.iter().any(|reason| matches!(reason, Reason::Late { .. })), "{validity:?}");
}

/// The first call beyond ends the load; it is not valid then, so no threshold holds, not even one that would.
#[test]
fn the_first_call_beyond_those_in_flight_may_end_the_load() {
    let (world, run) = beyond("fail");
    assert!(run.load.overflowed && run.load.offered < times(&world).len() as u64, "{}", run.load.offered);
    assert_eq!(run.load.sent, run.load.answered());
    let text = scenario("50ms", "{ rate: 100/s, duration: 1s, in_flight: { at_most: 2, beyond: fail } }");
    let text = format!("{text}thresholds: [ refusals.count == 0 ]\n");
    let folder = Folder::new("load-fail").with("fail.yaml", &text);
    let answer = folder.farebox("load fail.yaml --out results --jobs 1").run();
    assert_eq!(answer.code, Some(6), "{answer}");
    assert!(answer.stderr.contains("`beyond: fail` ends the load"), "{answer}");
    let judged = json(&folder, "results/thresholds.json");
    assert_eq!((&judged[0]["found"], &judged[0]["fails"]), (&"not_measured".into(), &true.into()));
    assert_eq!(judged[0]["reason"], "the load is invalid");
    assert_eq!(json(&folder, "results/run.json")["validity"]["reasons"][0]["reason"], "overflow");
}

fn json(folder: &Folder, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.path().join(name)).unwrap()).unwrap()
}

// === Stages ===

/// A slow half, a ramp and a spike: as many calls in each as the integral of the rate has, within five standard deviations of
/// a Poisson count; and both halves make the same ones.
#[test]
fn stages_have_their_calls_and_both_halves_agree_on_them() {
    let live = "{ rate: { stages: [ { for: 1s, rate: 200/s }, { for: 1s, to: 600/s }, { for: 200ms, rate: 3k/s } ] }, clock: 1d per 1s }";
    let text = format!(
        "{}thresholds: []\n",
        scenario("1ms", live).replace("free: {}", "free: { includes: { requests: 30/day }, past_allowance: block }")
    );
    let scenario = fixture::parse(&text);
    assert!((scenario.live.rate_per_s - 1_200.0 / 2.2).abs() < 1e-9, "{}", scenario.live.rate_per_s);
    let ramp = RateStage { length: farebox_engine::time::Span::from_secs(1), from_per_s: 200.0, to_per_s: 600.0 };
    assert_eq!(scenario.live.stages[1], ramp);
    let world = fixture::scaled(scenario);
    let due = times(&world);
    for (from, until, calls) in [(0, 1_000, 200.0), (1_000, 1_500, 150.0), (1_500, 2_000, 250.0), (2_000, 2_200, 600.0)]
    {
        let [from, until] = [from, until].map(|ms| Time::from_ns(ms * 1_000_000));
        let found = due.iter().filter(|at| (from..until).contains(*at)).count() as f64;
        assert!((found - calls).abs() < 5.0 * f64::sqrt(calls), "{found} of {calls} from {from:?}");
    }
    let twins = stage::twins(&world).unwrap();
    let played = stage::lockstep(&world, &twins, TWO, &Control::default()).unwrap();
    assert_eq!(played.out_of_step, []);
    proof::lockstep(&world, &twins, &played.histories).unwrap();
    let run = run(&world);
    assert_eq!(run.load.offered, due.len() as u64);
    proof::replay(&world, &run.histories, run.end).unwrap();
}

/// What the forecast says of the load of `live`.
fn planned(name: &str, live: &str) -> String {
    let folder = Folder::new(name).with("planned.yaml", &scenario("100ms", live));
    let answer = folder.farebox("plan planned.yaml").run();
    assert_eq!(answer.code, Some(0), "{answer}");
    let load = answer.stdout.split("Load on sockets\n").nth(1).unwrap().split("\n\n").next().unwrap().to_owned();
    format!("{}Load on sockets\n{load}", answer.stderr)
}

/// 2,000 calls a second for 100 ms each are 200 in flight; a closed load has as many as connections.
#[test]
fn the_forecast_knows_stages_and_closed_loops() {
    let spike = "{ rate: { stages: [ { for: 2s, rate: 200/s }, { for: 2s, to: 600/s }, { for: 500ms, rate: 2k/s } ] }, warm_up: 500ms }";
    expect![[r#"
        warning: the load keeps 49 calls in flight on average, and 234 at the 99th percentile of its busiest stage, over 64 `live.connections`: some calls will be sent late; write at least 234
        Load on sockets
          calls                          2,200  ± 47, at 488.9 a second for 4.5 s
          in the busiest stage  2,000 a second  what the p99 is of
          measured                         4 s  without its warm-up and cool-down
          in flight on average            48.9  calls ÷ duration × mean latency (Little's law)
          in flight at the p99             234  as if every call were served
          connections allowed               64  one call at a time each
          in flight allowed              4,000  what comes beyond is dropped
          billing time                 11 days  2.4 days each second"#]].assert_eq(&planned("plan-stages", spike));
    expect![[r#"
        Load on sockets
          calls          10,000  ± 100, at 2,000 a second for 5 s
          connections         4  a closed loop: the answers say when calls are made, at most those above in at most that time
          billing time  50 days  10 days each second"#]].assert_eq(&planned("plan-closed", "{ rate: 2k/s, duration: 5s, closed: { connections: 4 } }"));
}

// === Closed loops ===

/// Three connections, an upstream that takes 20 ms, and a schedule of two thousand calls: in half a second no more than 25 go
/// over each, and the gateway never has more than three at once.
#[test]
fn a_closed_load_makes_the_next_call_when_the_one_before_is_answered() {
    let world = world("20ms", "{ rate: 4k/s, duration: 500ms, closed: { connections: 3 } }");
    let run = stage::free_run(&world, TWO, &Control::default()).unwrap();
    let load = &run.load;
    assert!((3..=3 * 26).contains(&load.sent), "{}", load.sent);
    assert_eq!((load.dropped, load.offered, load.answered()), (0, load.sent, load.sent));
    assert_eq!(load.connected, 3, "each connection is kept");
    assert_eq!((timed(load), load.lateness.histogram.len(), load.ended), (0, 0, None));
    assert_eq!(load.service.histogram.len(), load.sent);
    proof::replay(&world, &run.histories, run.end).unwrap();
}

/// A closed load lasts until the last answer: over so many connections no more calls are answered than each of them can
/// have, one after the other.
#[test]
fn a_closed_load_is_no_faster_than_its_connections_can_be() {
    let world = world("100ms", "{ rate: 200/s, duration: 5s, closed: { connections: 400 } }");
    let run = stage::free_run(&world, TWO, &Control::default()).unwrap();
    let ended = run.load.ended.expect("all calls are made at once, long before the time is over");
    assert!(run.load.answered() > 500 && ended >= Time::from_ns(100_000_000), "{ended:?}");
    let report = LoadReport::new(&world, &run, None).unwrap_or_else(|_| panic!("the amounts are small"));
    let per_s = report.sockets.measured.answered_per_s;
    assert!(per_s <= 400.0 / 0.1, "{per_s}");
}

/// What was measured ends when the load is stopped; rates are over that time, not over the one that was planned.
#[test]
fn a_load_that_is_stopped_is_measured_until_then() {
    let world = world("1ms", "{ rate: 200/s, duration: 60s }");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let control = Control::new(Arc::clone(&stop));
    let stopper = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let run = stage::free_run(&world, TWO, &control).unwrap();
    stopper.join().unwrap();
    let ended = run.load.ended.unwrap();
    assert!(run.interrupted && ended < Time::from_ns(30_000_000_000), "{ended:?}");
    let due = times(&world).iter().filter(|at| **at <= ended).count() as u64;
    let report = LoadReport::new(&world, &run, None).unwrap_or_else(|_| panic!("the amounts are small"));
    assert!((1..=due).contains(&run.load.offered), "{} of {due}", run.load.offered);
    assert_eq!(report.sockets.measured.until_ns, ended.ns().cast_unsigned());
}

/// The schedule says which calls there are, and they are over before its time is.
#[test]
fn a_closed_load_ends_with_its_schedule_and_says_what_it_cannot_know() {
    let text = scenario("0s", "{ rate: 200/s, duration: 5s }") + "thresholds: [ latency.p99 < 1h ]\n";
    let folder = Folder::new("load-closed").with("closed.yaml", &text);
    let answer = folder.farebox("load closed.yaml --closed --out results").run();
    assert!([Some(1), Some(6)].contains(&answer.code), "{answer}");
    assert!(answer.stdout.contains("throughput") && answer.stdout.contains("does not exist"), "{answer}");
    let run = json(&folder, "results/run.json");
    assert_eq!((&run["is_closed"], &run["latency_ns"]), (&true.into(), &serde_json::json!({})));
    assert_eq!((&run["sent"], run.get("lateness_ns")), (&run["offered"], None));
    assert!(run["offered"].as_u64().unwrap() > 800 && run["ceiling"]["per_s"].as_f64().unwrap() > 0.0, "{run}");
    assert!(run["measured"]["until_ns"].as_u64().unwrap() < 5_000_000_000, "{run}");
    let judged = &json(&folder, "results/thresholds.json")[0];
    let reason = judged["reason"].as_str().unwrap();
    assert_eq!(judged["found"], "not_measured");
    assert!(reason.contains("intended start") || reason.starts_with("the load is"), "{judged}");
    let answer = folder.farebox("run closed.yaml --out twin").run();
    assert_ne!(answer.code, Some(3), "{answer}");
    let closed = text.replace("duration: 5s", "duration: 5s, closed: { connections: 2 }");
    let folder = Folder::new("load-closed-run").with("closed.yaml", &closed);
    let answer = folder.farebox("run closed.yaml").run();
    assert!(answer.code == Some(3) && answer.stderr.contains("a closed load has no twin"), "{answer}");
}

// === What may go wrong ===

/// Loads an address with a handful of calls.
fn offer(target: SocketAddr, foreign: impl FnOnce(&World) -> Foreign) -> LoadResult {
    let world = world("0s", "{ rate: 40/s, duration: 500ms, connections: 4 }");
    let live: &Live = &world.scenario.live;
    let options = Options {
        target,
        connections: live.connections,
        in_flight: live.in_flight,
        excess: live.excess,
        is_closed: false,
        measured: live.measured(),
        origin: Instant::now(),
        dress: Dress::Foreign(foreign(&world)),
    };
    let shares = Shares::of(&world, NonZeroUsize::MIN, live.connections);
    generator::load(&world, shares, &options, &Control::default(), &Arc::new(Watch::new(1))).unwrap()
}

fn plain(world: &World) -> Foreign {
    Foreign { keys: own_keys(world, ""), ..Foreign::default() }
}

/// A server that does this with each request; a connection goes on while it is given back.
fn serve(answer: impl Fn(TcpStream, String) -> Option<TcpStream> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), Arc::clone(&answer));
            thread::spawn(move || {
                let (mut buffer, mut text) = ([0; 4_096], String::new());
                while let Ok(read) = stream.read(&mut buffer) {
                    text += std::str::from_utf8(&buffer[..read]).unwrap();
                    if read > 0 && !text.ends_with("\r\n\r\n") {
                        continue;
                    }
                    stream = match answer(stream, std::mem::take(&mut text)) {
                        Some(stream) if read > 0 => stream,
                        _ => return,
                    };
                }
            });
        }
    });
    addr
}

/// A server that writes this and ends the connection.
fn cutting(text: &'static str) -> SocketAddr {
    serve(move |mut stream, _| {
        stream.write_all(text.as_bytes()).unwrap();
        None
    })
}

#[test]
fn what_gets_no_answer_is_told_apart() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let reset = serve(|stream, _| {
        TcpSocket::from_std_stream(stream).set_zero_linger().unwrap();
        None
    });
    for (target, error) in [
        (closed, CallError::ConnectRefused),
        (cutting(""), CallError::ClosedEarly),
        (cutting("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal"), CallError::ClosedEarly),
        (cutting("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhal"), CallError::ClosedEarly),
        (cutting("SSH-2.0-OpenSSH_9.6\r\n\r\n"), CallError::Malformed),
        (cutting("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n"), CallError::Malformed),
        (reset, CallError::Reset),
    ] {
        let load = offer(target, plain);
        assert!(load.offered > 3, "{}", load.offered);
        // None is used again.
        assert_eq!(load.connected, if error == CallError::ConnectRefused { 0 } else { load.offered }, "{error:?}");
        assert_eq!((load.error(error), load.answered()), (load.offered, 0), "{error:?}: {:?}", load.errors);
    }
}

// === A gateway of somebody's own ===

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Nothing of ours is in the requests: no stamp, no command to a mock. The key is where it is asked for.
#[test]
fn requests_to_a_gateway_of_somebody_s_own_carry_nothing_of_ours() {
    let (tell, told) = std::sync::mpsc::channel();
    let target = serve(move |mut stream, request| {
        tell.send(request).unwrap_or_default();
        stream.write_all(OK).unwrap_or_default();
        Some(stream)
    });
    let foreign = |world: &World| Foreign {
        key_header: HeaderName::from_static("authorization"),
        keys: own_keys(world, "Bearer "),
        host: HeaderValue::from_static("api.example.com"),
        prefix: "/proxy".to_owned(),
        ..Foreign::default()
    };
    let load = offer(target, foreign);
    assert_eq!((load.status(200), load.that(|ending| ending.class == Class::Served)), (load.offered, load.offered));
    let request = told.recv().unwrap();
    let mut lines: Vec<_> = request.trim_end().split("\r\n").collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 3, "{request}");
    assert!(lines.contains(&"GET /proxy/ HTTP/1.1") && lines.contains(&"host: api.example.com"), "{request}");
    assert!(lines.iter().any(|line| line.starts_with("authorization: Bearer key-0000")), "{request}");
    let obeying = |world: &World| Foreign { is_obeyed: true, ..plain(world) };
    offer(target, obeying);
    let commanded = |request: String| request.contains("mock-outcome: latency_ns=0") && !request.contains("stamp");
    assert!(told.try_iter().any(commanded));
}

/// A paid API mostly takes POSTs: the request is the one that was asked for, to the byte, but for its key.
#[test]
fn requests_have_the_method_the_headers_and_the_body_that_were_asked_for() {
    let (tell, told) = std::sync::mpsc::channel();
    let target = serve(move |mut stream, request| {
        tell.send(request).unwrap_or_default();
        stream.write_all(OK).unwrap_or_default();
        Some(stream)
    });
    let foreign = |world: &World| Foreign {
        method: Method::POST,
        headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        // It ends as a head does, by which the server here knows that a request is whole.
        body: "{\"prompt\": 1}\r\n\r\n".to_owned(),
        ..plain(world)
    };
    let load = offer(target, foreign);
    assert_eq!(load.status(200), load.offered);
    let request = told.recv().unwrap();
    let (line, rest) = request.split_once("x-api-key: key-0000").unwrap();
    assert_eq!(line, "POST / HTTP/1.1\r\nhost: localhost\r\n");
    assert_eq!(&rest[2..], "\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{\"prompt\": 1}\r\n\r\n");
}

/// The built-in gateway, as if it were somebody else's: who is refused, and for what, is read from its answers.
#[test]
fn a_target_is_loaded_with_the_scenario_s_keys_and_read_by_its_answers() {
    let text = scenario("1ms", "{ rate: 200/s, duration: 1s, clock: 1d per 1s }")
        .replace("free: {}", "free: { includes: { requests: 3/day }, past_allowance: block }");
    let text = format!(
        "{text}thresholds: [ 'refusals{{kind=billing}}.rate > 10%', latency.p50 < 1h, 'requests{{status=429}}.count == 0' ]\n"
    );
    let upstream = mock_upstreams::Server::start(&mock_upstreams::Options::default()).unwrap();
    let options = gateway::Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        threads: NonZeroUsize::MIN,
        upstream: upstream.addr(),
        time: gateway::Time::Wall(Instant::now()),
        logging: Logging::Full,
        token: None,
    };
    let gateway = Gateway::start(fixture::scaled(fixture::parse(&text)), &options).unwrap();
    let folder = Folder::new("load-target").with("target.yaml", &text);
    let target = gateway.addr();
    let answer = folder.farebox(&format!("load target.yaml --target http://{target} --out results")).run();
    assert_eq!(answer.code, Some(0), "{answer}");
    assert!(answer.stdout.contains("books") && answer.stdout.contains("none"), "{answer}");
    let run = json(&folder, "results/run.json");
    assert_eq!((run.get("outcome"), &run["errors"]), (None, &serde_json::json!({})));
    let counts = gateway.counts();
    assert_eq!(run["classes"]["served"], counts.served);
    assert_eq!(
        (&run["statuses"]["402"], &run["refused"]["billing"]),
        (&run["classes"]["refused"], &run["statuses"]["402"])
    );
    assert_eq!(run["reasons"]["402 quota_exhausted"], run["statuses"]["402"]);
    assert_eq!(run["refused"]["billing"], counts.causes.iter().sum::<u64>());

    // A key that the gateway does not know.
    let answer =
        folder.farebox(&format!("load target.yaml --target http://{target} --key-prefix x --out results")).run();
    assert_eq!(answer.code, Some(1), "{answer}");
    let run = json(&folder, "results/run.json");
    assert_eq!((&run["refused"]["auth"], &run["classes"]["refused"]), (&run["sent"], &run["sent"]));

    let rows = (0..20).map(|index| format!("all/{index},key-{index:06}"));
    let keys = ["consumer,key".to_owned()].into_iter().chain(rows).collect::<Vec<_>>().join("\n");
    let folder = folder
        .with("keys.csv", &keys)
        .with("few.csv", "consumer,key\nall/0,a\n")
        .with("odd.csv", "consumer,key\nnone/0,a\n");
    let answer =
        folder.farebox(&format!("load target.yaml --target http://{target} --keys keys.csv --out results")).run();
    assert_eq!(answer.code, Some(0), "{answer}");
    for (options, code, said) in [
        (format!("http://{target} --keys few.csv"), 2, "19 of 20 consumers have no key, such as `all/1`, `all/2`"),
        (format!("http://{target} --keys odd.csv"), 2, "line 2: the scenario has no consumer `none/0`"),
        (format!("http://{target} --keys none.csv"), 7, "cannot read the keys in none.csv"),
        (format!("http://{target} --keys /dev/zero"), 7, "it has more than 1058816 bytes"),
        (format!("http://{target} --body @"), 2, "--body: `@` names no file"),
        (format!("http://{target} --body @/dev/zero"), 7, "it has more than 67108864 bytes"),
        (format!("https://{target}"), 2, "the generator speaks no TLS"),
        ("http://example.com".to_owned(), 2, "with `--allow-remote example.com`"),
        ("http://example.com --allow-remote example.org".to_owned(), 2, "--allow-remote names `example.org`"),
        (target.to_string(), 2, "a target begins with `http://`"),
    ] {
        let answer = folder.farebox(&format!("load target.yaml --target {options} --out wrong")).run();
        assert!(answer.code == Some(code) && answer.stderr.contains(said), "{said}: {answer}");
    }
    let folder = folder.with("money.yaml", &text.replace("latency.p50 < 1h", "revenue.collected >= $1"));
    let answer = folder.farebox(&format!("load money.yaml --target http://{target}")).run();
    assert!(answer.code == Some(3) && answer.stderr.contains("it is about money"), "{answer}");
    gateway.finish(Duration::ZERO, farebox::live::accounts::WallClock::now).unwrap();
    upstream.shutdown(Duration::ZERO);
}

/// A target that is not there says nothing about itself.
#[test]
fn a_target_that_answers_nothing_makes_an_invalid_load() {
    let folder = Folder::new("load-nobody").with("nobody.yaml", &scenario("1ms", "{ rate: 50/s, duration: 500ms }"));
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let answer = folder.farebox(&format!("load nobody.yaml --target http://{nobody} --self-test --out results")).run();
    assert_eq!(answer.code, Some(6), "{answer}");
    let run = json(&folder, "results/run.json");
    assert_eq!(run["errors"]["connection_refused"], run["offered"]);
    assert!(run["ceiling"]["per_s"].as_f64().unwrap() > 0.0, "{run}");
    assert_eq!(run["validity"]["reasons"], serde_json::json!([{ "reason": "nothing_measured" }]));
}

/// The ceiling is told beside the other checks.
#[test]
fn doctor_tries_the_generator_when_asked() {
    let answer = Folder::new("doctor-load").farebox("doctor --load --format json").run();
    let diagnosis: Value = serde_json::from_str(&answer.stdout).unwrap();
    let check = diagnosis["checks"].as_array().unwrap().iter().find(|check| check["name"] == "generator").unwrap();
    assert!(
        check["status"] == "fine" && check["found"].as_str().unwrap().contains("calls a second of a server"),
        "{check}"
    );
}

/// Mostly it is not the gateway that was meant.
#[test]
fn a_target_that_hardly_answers_is_asked_about() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let folder = Folder::new("load-silent").with("silent.yaml", &scenario("0s", "{ rate: 40/s, duration: 500ms }"));
    let answer = folder.farebox(&format!("load silent.yaml --target http://{closed}")).run();
    let asked = "attempts got no answer, most of them for `connection_refused`: is it the right target?";
    assert!(answer.stderr.contains(asked), "{answer}");
}
