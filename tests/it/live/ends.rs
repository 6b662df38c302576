//! How roles begin and end when something is in the way: a port that is taken, no file left, a signal, a second one.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::Builder;

use super::serve::Serving;
use super::*;
use crate::program::Folder;

fn obeying() -> Server {
    Server::start(&mock_upstreams::Options { obey: true, ..Default::default() }).unwrap()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

// === Ports ===

/// The message names the address, and says what to do.
#[test]
fn a_port_that_is_taken_is_said() {
    let folder = Folder::new("ends-taken").with("plans.yaml", PLANS);
    let taken = listen();
    let address = taken.local_addr().unwrap().to_string();
    let mut seen = String::new();
    for command in [
        format!("serve gateway plans.yaml --upstream 127.0.0.1:9 --listen {address}"),
        format!("serve gateway plans.yaml --upstream 127.0.0.1:9 --listen 127.0.0.1:0 --admin {address}"),
        format!("serve upstreams plans.yaml --listen {address}"),
        format!("serve payments --listen {address}"),
    ] {
        seen += &folder.farebox(&command).run().to_string().replace(&address, "TAKEN");
    }
    expect![[r#"
        exit code 7
        --- stderr ---
        error: the gateway did not start
          caused by: cannot listen on TAKEN: Address already in use (os error 98)
        hint: somebody listens there already; `--listen` takes another address, and port 0 finds a free one
        exit code 7
        --- stderr ---
        error: the admin listener did not start
          caused by: cannot listen on TAKEN: Address already in use (os error 98)
        hint: somebody listens there already; `--admin` takes another address, and port 0 finds a free one
        exit code 7
        --- stderr ---
        error: the upstreams did not start
          caused by: cannot listen on TAKEN: Address already in use (os error 98)
        hint: somebody listens there already; `--listen` takes another address, and port 0 finds a free one
        exit code 7
        --- stderr ---
        error: the payment processor did not start
          caused by: cannot listen on TAKEN: Address already in use (os error 98)
        hint: somebody listens there already; `--listen` takes another address, and port 0 finds a free one
    "#]]
    .assert_eq(&seen);
}

// === Files ===

/// Twenty-four files are enough for five connections, each with one to the upstream: those are served, all at once; others are
/// told to come back, and the log says once why.
#[test]
fn a_gateway_with_few_files_serves_as_many_as_it_can() {
    let folder = Folder::new("ends-few").with("plans.yaml", PLANS);
    let upstream = obeying();
    let mut serving = Serving::limited(&folder, upstream.addr(), "", Some(24));
    let gateway = serving.address();
    let mut clients: Vec<_> = (0..5).map(|_| Wire::connect(gateway)).collect();
    for client in &mut clients {
        client.ask("GET", &keyed(SCRIPT, "latency_ns=500000000"));
    }
    wait_until("the upstream has all calls", || upstream.counters().received == 5);
    for _ in 0..40 {
        assert_eq!(Wire::connect(gateway).receive().status(), 503);
    }
    for client in &mut clients {
        assert_eq!(client.receive().status(), 200);
    }
    drop(clients);
    wait_until("there is a place again", || {
        let mut client = Wire::connect(gateway);
        client.ask("GET", &keyed(SCRIPT, ""));
        client.receive().status() == 200
    });
    let (code, _, rest) = serving.stop();
    assert_eq!(code, Some(0));
    expect![[r#"
        warning: more than 5 connections at once are refused, because each may need one to the upstream, and this process may have 24 open files; raise the limit with `ulimit -n`
    "#]].assert_eq(&rest);
}

/// Calls of one connection take every file for theirs. Who comes then waits, without a busy loop, and is served.
#[test]
fn a_gateway_without_a_file_waits_and_goes_on() {
    let folder = Folder::new("ends-none").with("plans.yaml", PLANS);
    let upstream = obeying();
    let mut serving = Serving::limited(&folder, upstream.addr(), "", Some(24));
    let gateway = serving.address();
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let tcp = tokio::net::TcpStream::connect(gateway).await.unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        let calls: Vec<_> = (0..40)
            .map(|_| {
                let mut sender = sender.clone();
                let request = Request::builder().uri("http://gateway/v1/thing").header("x-api-key", "key-000000");
                let request = request.header("mock-outcome", "latency_ns=2000000000");
                let request = request.body(Empty::<Bytes>::new()).unwrap();
                tokio::spawn(async move {
                    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
                    body.collect().await.unwrap();
                    head.status.as_u16()
                })
            })
            .collect();
        // The first that has found no file for its connection to the upstream is told so at once; then there is none.
        let deadline = Instant::now() + GRACE;
        while !calls.iter().any(tokio::task::JoinHandle::is_finished) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let waiting = thread::spawn(move || Wire::connect(gateway).get(&keyed(SCRIPT, "")).status());
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.await.unwrap());
        }
        let served = answers.iter().filter(|status| **status == 200).count();
        assert!(served >= 5 && answers.iter().all(|status| [200, 502].contains(status)), "{answers:?}");
        assert_eq!(tokio::task::spawn_blocking(|| waiting.join().unwrap()).await.unwrap(), 200);
    });
    let ticks = worked_ticks(serving.id());
    assert!(ticks < 100, "it was on a processor for {ticks} hundredths of the two seconds for which it had no file");
    let (code, _, rest) = serving.stop();
    assert_eq!(code, Some(0));
    expect![[r#"
        warning: no file is left for another connection, which waits: this process may have 24 open files; raise the limit with `ulimit -n`
    "#]].assert_eq(&rest);
}

/// For how long a process was on a processor, in the ticks of Linux, which are hundredths of a second.
fn worked_ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// It is said before the load, with the number that would do, whoever is loaded.
#[test]
fn a_load_that_needs_more_files_says_how_many() {
    let scenario = format!("{PLANS}live: {{ rate: 10/s, duration: 1s, connections: 512 }}\n");
    let folder = Folder::new("ends-load-files").with("plans.yaml", &scenario);
    let mut seen = String::new();
    for more in ["", " --target http://127.0.0.1:9"] {
        seen += &folder.farebox(&format!("load plans.yaml --out results{more}")).open_files(24).run().to_string();
    }
    expect![[r#"
        exit code 7
        --- stderr ---
        error: the load could not take place
          caused by: the connections of this load need 2448 open files, and this process may have 24
        hint: raise the limit with `ulimit -n`, or write fewer `live.connections`
        exit code 7
        --- stderr ---
        error: the load could not take place
          caused by: the connections of this load need 640 open files, and this process may have 24
        hint: raise the limit with `ulimit -n`, or write fewer `live.connections`
    "#]]
    .assert_eq(&seen);
}

// === Signals ===

/// Calls that have an answer within the drain are waited for, others are not; both signals mean the same.
#[test]
fn a_gateway_that_is_told_to_stop_does_not_wait_beyond_its_drain() {
    let folder = Folder::new("ends-drain").with("plans.yaml", PLANS);
    let upstream = obeying();
    for (number, name) in ["-TERM", "-INT"].into_iter().enumerate() {
        let mut serving = Serving::start(&folder, upstream.addr(), "--drain 1500ms");
        let gateway = serving.address();
        let [mut soon, mut never] = ["latency_ns=400000000", "latency_ns=3600000000000"].map(|outcome| {
            let mut client = Wire::connect(gateway);
            client.ask("GET", &keyed(SCRIPT, outcome));
            client
        });
        wait_until("the upstream has both calls", || upstream.counters().received == 2 * (number as u64 + 1));
        let (code, results, rest) = serving.stop_with(name);
        assert_eq!((code, &results[..], &rest[..]), (Some(0), "served: 1\n", ""), "{name}");
        assert_eq!(soon.receive().status(), 200);
        assert_eq!(never.rest(), b"");
    }
}

#[test]
fn a_second_signal_ends_a_gateway_at_once() {
    let folder = Folder::new("ends-twice").with("plans.yaml", PLANS);
    let upstream = obeying();
    let mut serving = Serving::start(&folder, upstream.addr(), "--drain 1h");
    let gateway = serving.address();
    let mut client = Wire::connect(gateway);
    client.ask("GET", &keyed(SCRIPT, "latency_ns=3600000000000"));
    wait_until("the upstream has the call", || upstream.counters().received == 1);
    serving.signal("-INT");
    wait_until("it listens no more", || TcpStream::connect(gateway).is_err());
    let (code, results, _) = serving.stop_with("-INT");
    assert_eq!((code, &results[..]), (Some(130), ""));
}

const LOADED: &str = "
scenario: loaded
horizon: 30d
plans: { free: {} }
consumers: { all: { count: 20, plan: free, traffic: { rate: 10/day } } }
upstreams: { api: { latency: 300ms } }
live: { rate: 50/s, duration: 1h }
";

fn load(folder: &Folder, more: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farebox"));
    command.args(["load", "loaded.yaml", "--jobs", "1", "--out", "results"]).args(more.split_whitespace());
    command.current_dir(folder.path()).env_clear().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What is in flight is waited for, what was measured is written, and says that it is partial.
#[test]
fn an_interrupted_load_writes_what_it_has() {
    for name in ["-INT", "-TERM"] {
        let folder = Folder::new(&format!("ends-load{name}")).with("loaded.yaml", LOADED);
        let upstream = obeying();
        let child = load(&folder, &format!("--target http://{} --obey", upstream.addr()));
        wait_until("calls are answered", || upstream.counters().answered > 20);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(said.contains("warning: interrupted: the results are partial"), "{said}");
        let run = std::fs::read_to_string(folder.path().join("results/run.json")).unwrap();
        let run: Value = serde_json::from_str(&run).unwrap();
        let counters = upstream.shutdown(Duration::ZERO);
        let sent = run["sent"].as_u64().unwrap();
        assert_eq!((sent, counters.abandoned), (counters.answered, 0));
        assert_eq!((&run["interrupted"], &run["classes"]["served"]), (&json!(true), &json!(sent)));
        let page = std::fs::read_to_string(folder.path().join("results/index.html")).unwrap();
        assert!(page.contains("it was interrupted before all calls were made") && !page.contains("The load is valid"));
    }
}

/// The same with the gateway and the upstreams inside, which end after the calls that are in flight: the books are whole.
#[test]
fn an_interrupted_load_of_the_built_in_gateway_has_its_books() {
    let folder = Folder::new("ends-load-own").with("loaded.yaml", LOADED);
    let child = load(&folder, "");
    let tasks = format!("/proc/{}/task", child.id());
    wait_until("the gateway and the upstreams have threads", || {
        std::fs::read_dir(&tasks).is_ok_and(|tasks| tasks.count() >= 3)
    });
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    let run = std::fs::read_to_string(folder.path().join("results/run.json")).unwrap();
    let run: Value = serde_json::from_str(&run).unwrap();
    assert_eq!((&run["interrupted"], &run["unfinished"], &run["errors"]), (&json!(true), &json!(0), &json!({})));
    assert_eq!(run["outcome"]["cohorts"][0]["served"], run["sent"], "{run:#}");
}

#[test]
fn a_second_signal_ends_a_load_at_once() {
    let folder = Folder::new("ends-load-twice").with("loaded.yaml", &LOADED.replace("300ms", "1h"));
    let upstream = obeying();
    let mut child = load(&folder, &format!("--target http://{} --obey", upstream.addr()));
    wait_until("calls are made", || upstream.counters().received > 20);
    // Two signals at the same time are one.
    let code = loop {
        signal(&child, "-INT");
        thread::sleep(Duration::from_millis(200));
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
    };
    assert_eq!((code, folder.path().join("results/run.json").exists()), (Some(130), false));
}
