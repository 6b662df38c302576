//! A load on a server of which everything goes wrong at once: each attempt is counted as what became of it, the load ends
//! in time, and its result is written. What the mock has played is the other account of the same attempts.

use farebox::live::generator::CallError;
use mock_upstreams::Fault;

use super::*;
use crate::program::Folder;

/// Few that go on for ever, so that they do not take the machine; many that break.
const FAULTS: &str = "stall=4%,reset=10%,half_header=10%,garbage=10%,endless=0.5%,huge=0.5%,cut=10%";

/// What a load wrote, what the mock has played of it, and how long all of it took.
struct Played {
    run: Value,
    mock: mock_upstreams::Counters,
    lasted: Duration,
}

fn played(name: &str, live: &str) -> Played {
    let service = ServiceSpec { faults: FAULTS.parse().unwrap(), seed: 3, ..ServiceSpec::default() };
    let upstream = Server::start(&mock_upstreams::Options { service, ..Default::default() }).unwrap();
    let began = Instant::now();
    let run = load(name, live, upstream.addr());
    Played { run, mock: upstream.shutdown(Duration::ZERO), lasted: began.elapsed() }
}

fn load(name: &str, live: &str, target: SocketAddr) -> Value {
    let scenario = format!(
        "
scenario: faulty
horizon: 30d
plans: {{ free: {{}} }}
consumers: {{ all: {{ count: 20, plan: free, traffic: {{ rate: 10/day }} }} }}
live: {{ {live}, connections: 256 }}
"
    );
    let folder = Folder::new(name).with("faulty.yaml", &scenario);
    let answer = folder.farebox(&format!("load faulty.yaml --jobs 1 --out results --target http://{target}")).run();
    // A machine that is busy with other tests may make it late, and one that nobody answers says nothing.
    assert!([Some(0), Some(6)].contains(&answer.code), "{answer}");
    let run = std::fs::read_to_string(folder.path().join("results/run.json")).unwrap();
    serde_json::from_str(&run).unwrap()
}

fn count(run: &Value, path: &str) -> u64 {
    run.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

impl Played {
    fn error(&self, error: CallError) -> u64 {
        count(&self.run, &format!("/errors/{}", error.name()))
    }

    fn of(&self, faults: &[Fault]) -> u64 {
        faults.iter().map(|fault| self.mock.faults[fault.index()]).sum()
    }

    /// Every attempt is counted once, and as what it was.
    fn check(&self) {
        let (run, mock) = (&self.run, &self.mock);
        assert!(mock.faults.iter().all(|played| *played > 0), "a fault was not played: {mock:?}");
        let sent = count(run, "/sent");
        assert_eq!((sent, count(run, "/dropped")), (count(run, "/offered"), 0), "{run:#}");
        assert_eq!(sent, mock.received, "what was broken is not sent again");
        assert_eq!(self.error(CallError::Reset), self.of(&[Fault::Reset]));
        assert_eq!(self.error(CallError::ClosedEarly), self.of(&[Fault::HalfHeader, Fault::Cut]));
        assert_eq!(self.error(CallError::Malformed), self.of(&[Fault::Garbage]));
        // Ten gigabytes may arrive in time; what does not end, and what does not begin, never does.
        let plain = mock.received - self.of(&Fault::ALL);
        let huge = count(run, "/completed") - plain;
        assert!(huge <= self.of(&[Fault::Huge]), "{huge} of {mock:?}");
        let endless = self.of(&[Fault::Stall, Fault::Endless, Fault::Huge]) - huge;
        assert_eq!(self.error(CallError::Timeout) + count(run, "/unfinished"), endless, "{run:#}");
        assert_eq!(count(run, "/statuses/200"), count(run, "/completed"));
        let errors: u64 = CallError::ALL.map(|error| self.error(error)).iter().sum();
        assert_eq!(count(run, "/completed") + count(run, "/unfinished") + errors, sent, "{run:#}");
    }
}

/// It waits ten seconds for what has not ended, and no longer.
#[test]
fn a_load_counts_each_fault_as_what_it_is_and_ends() {
    let played = played("faults", "rate: 200/s, duration: 2s");
    played.check();
    assert_eq!(played.error(CallError::Timeout), 0);
    assert!(played.lasted < Duration::from_secs(30), "{:?}", played.lasted);
}

/// What goes on for longer than thirty seconds has timed out.
#[test]
#[ignore = "it takes a minute"]
fn sweep_of_a_load_that_times_out() {
    let played = played("faults-long", "rate: 20/s, duration: 45s");
    played.check();
    assert!(played.error(CallError::Timeout) > 0);
    assert!(played.lasted < Duration::from_secs(80), "{:?}", played.lasted);
}

/// Nobody listens: each attempt is told so, at once.
#[test]
fn a_load_on_a_closed_port_counts_every_refusal() {
    let closed = listen().local_addr().unwrap();
    let run = load("faults-closed", "rate: 200/s, duration: 1s", closed);
    let refused = count(&run, "/errors/connection_refused");
    assert_eq!((refused, count(&run, "/unfinished")), (count(&run, "/offered"), 0), "{run:#}");
    assert!(refused > 100);
}
