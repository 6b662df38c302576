//! Recorded calls, spread over prepaid consumers and paid by the token: every token of the file is served, refused or in
//! flight, and the money follows to the nano, simulated and on sockets.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use expect_test::expect;
use farebox::control::Control;
use farebox::live::{proof, stage};
use farebox::simulate::{everyone, simulate};
use farebox_engine::billing::gate::Decision;
use farebox_engine::billing::ledger::{LedgerAccount, Movement};
use farebox_engine::log::{Event, History};
use farebox_engine::model::{Arrivals, Scenario};
use farebox_engine::money::Money;
use farebox_engine::time::Span;
use farebox_engine::world::World;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::fixture;
use crate::program::Folder;

/// Where files of others are that no copy is kept of: real traffic.
pub(crate) const SHARED_DATA: &str = "FAREBOX_SHARED_DATA";
const AZURE: &str = "azure-llm-2023-code.csv";

/// The index of the meter `tokens`.
const TOKENS: usize = 1;
const NANOS_PER_MILLION: u128 = 2_500_000_000;

const SCENARIO: &str = "
scenario: tokens
horizon: 2h
meters:
  tokens: { sum: [input_tokens, output_tokens] }
plans:
  payg: { prepaid: { opening: OPENING }, prices: { tokens: $2.50 per 1M } }
consumers:
  agents:
    count: 200
    plan: payg
    traffic:
      trace: calls.csv
      columns: { time: TIMESTAMP, input_tokens: ContextTokens, output_tokens: GeneratedTokens }
upstreams:
  llm: { latency: { p50: 800ms, p99: 4s } }
live: { rate: RATE, duration: DURATION, connections: 256 }
";

/// Four hundred calls that nobody made. The load plays them within a second, so most are still in flight at its end.
#[test]
fn every_token_of_a_trace_is_accounted_for() {
    let csv = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixture/calls.csv")).unwrap();
    let values = [("OPENING", "$0.02"), ("RATE", "400/s"), ("DURATION", "1010ms")];
    let mix = Trace::new("tokens-synthetic", &csv, values).accounted_for();
    assert!(mix.served > 0 && mix.refused > 0 && mix.in_flight > 0, "{mix:?}");
}

/// An hour of a coding assistant, real traffic.
#[test]
fn every_token_of_an_hour_of_real_traffic_is_accounted_for() {
    let Some(folder) = env::var_os(SHARED_DATA) else {
        return skipped(AZURE);
    };
    let csv = fs::read_to_string(Path::new(&folder).join(AZURE)).unwrap();
    let values = [("OPENING", "$0.20"), ("RATE", "1000/s"), ("DURATION", "10s")];
    let trace = Trace::new("tokens-azure", &csv, values);
    assert_eq!(trace.calls, 8_819);
    let mix = trace.accounted_for();
    assert!(mix.served > 0 && mix.refused > 0, "{mix:?}");
}

#[expect(clippy::print_stderr, reason = "who runs the tests is to see that this one did not look")]
pub(crate) fn skipped(file: &str) {
    eprintln!("skipped: {SHARED_DATA} does not name a folder with {file}");
}

/// A trace in a scenario, and what plain adding says of the file.
struct Trace {
    scenario: Scenario,
    calls: u64,
    tokens: u64,
}

/// Tokens by what became of their calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mix {
    served: u64,
    refused: u64,
    in_flight: u64,
}

impl Trace {
    fn new(name: &str, csv: &str, values: [(&str, &str); 3]) -> Self {
        let text = values.iter().fold(SCENARIO.to_owned(), |text, (word, value)| text.replace(word, value));
        drop(Folder::new(name).with("calls.csv", csv).with("tokens.yaml", &text));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let rows =
            csv.lines().skip(1).map(|row| row.trim().split(',').skip(1).map(|cell| cell.parse::<u64>().unwrap()));
        let tokens: Vec<u64> = rows.map(Iterator::sum).collect();
        Self {
            scenario: fixture::load(&folder.join("tokens.yaml")),
            calls: tokens.len() as u64,
            tokens: tokens.iter().sum(),
        }
    }

    /// Plays the trace simulated and on sockets; returns what became of the tokens of the load.
    fn accounted_for(&self) -> Mix {
        // At its own pace, in virtual time.
        let whole = World::whole(Arc::new(self.scenario.clone())).unwrap();
        let twins = stage::twins(&whole).unwrap();
        let mix = self.settled(&twins, &whole);
        let outcome = simulate(&whole, &everyone(&whole.scenario), NonZeroUsize::new(2).unwrap(), &Control::default());
        let outcome = outcome.unwrap();
        let usage = outcome.cohorts[0].usage["tokens"];
        assert_eq!((usage.served, usage.refused, usage.in_flight), (mix.served, mix.refused, mix.in_flight));
        assert_eq!(outcome.cohorts[0].offered(), self.calls);
        assert_eq!(outcome.moved(Movement::Spend), spent(&twins));

        // As a load, which is the same on sockets.
        let world = fixture::scaled(self.scenario.clone());
        let twins = stage::twins(&world).unwrap();
        let control = Control::default();
        let played = stage::lockstep(&world, &twins, NonZeroUsize::new(2).unwrap(), &control).unwrap();
        assert_eq!(played.out_of_step, []);
        proof::lockstep(&world, &twins, &played.histories).unwrap();
        let live = self.settled(&played.histories, &world);
        assert_eq!((live, spent(&played.histories)), (self.settled(&twins, &world), spent(&twins)));
        live
    }

    /// Checks the tokens of all consumers against the file, and the money of each against its tokens.
    fn settled(&self, histories: &[History], world: &World) -> Mix {
        let Arrivals::Trace(trace) = &world.scenario.cohorts[0].arrivals else { panic!("the cohort has a trace") };
        assert_eq!((trace.rows.len() as u64, histories.len()), (self.calls, 200));
        let mut sum = Mix::default();
        for history in histories {
            let mix = tokens(history, world);
            follows(history, mix);
            sum.served += mix.served;
            sum.refused += mix.refused;
            sum.in_flight += mix.in_flight;
        }
        assert_eq!(sum.served, self.tokens - sum.refused - sum.in_flight);
        sum
    }
}

/// The tokens of one consumer's calls. What was served is what the answers said, the rest what the trace says.
fn tokens(history: &History, world: &World) -> Mix {
    let of = |call| world.schedule.call(history.account.consumer(), call).1[TOKENS];
    let mut mix = Mix::default();
    let mut open = BTreeMap::new();
    for entry in &history.log {
        match entry.event {
            Event::Decided { call, decision: Decision::Refuse(_), .. } => mix.refused += of(call),
            Event::Decided { call, decision: Decision::Admit(admission), .. } => {
                open.insert(admission.hold, of(call));
            }
            Event::Served { hold, usage } => {
                open.remove(&hold).unwrap();
                mix.served += usage[TOKENS];
            }
            Event::Failed { .. } | Event::GaveUp { .. } => panic!("no call fails"),
            Event::Heard(_) => {}
        }
    }
    mix.in_flight = open.values().sum();
    mix
}

/// The money of one consumer follows from its tokens.
fn follows(history: &History, mix: Mix) {
    let account = &history.account;
    let moved = |movement| i128::from(account.books().moved(movement).nanos());
    let cost = u128::from(mix.served) * NANOS_PER_MILLION / 1_000_000;
    assert_eq!(moved(Movement::Spend), cost as i128, "{:?}", account.consumer());
    let held = -account.books().balance(LedgerAccount::HeldPromotional);
    assert_eq!(moved(Movement::Grant), moved(Movement::Spend) + held + i128::from(account.credit().nanos()));
    assert!(account.credit() >= Money::ZERO);
    account.check();
}

fn spent(histories: &[History]) -> i128 {
    histories.iter().map(|history| i128::from(history.account.books().moved(Movement::Spend).nanos())).sum()
}

// === Routes, repeats, and how rows are handed out ===

/// Bytes, packed with gzip.
pub(crate) fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const ROUTED: &str = "
scenario: routed
horizon: HORIZON
meters:
  tokens: { sum: [input_tokens, output_tokens] }
routes:
  /v1/chat: {}
  /v1/search: {}
plans:
  payg: { prepaid: { opening: $5 }, prices: { tokens: $2.50 per 1M } }
consumers:
  agents:
    count: 20
    plan: payg
    traffic: { trace: FILE, columns: { time: TIMESTAMP, route: path, input_tokens: ContextTokens, output_tokens: GeneratedTokens }, map: zipf(1.0), repeat: true }
upstreams:
  llm: { latency: 50ms }
live: { rate: 400/s, duration: 3s, connections: 64 }
";

/// The fixture's four hundred calls with a path each, every other one below `/v1/chat`.
fn routed() -> String {
    let csv = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixture/calls.csv")).unwrap();
    let path = |row: usize| if row.is_multiple_of(2) { "/v1/chat/completions?n=1" } else { "/v1/search" };
    let rows = csv.trim().lines().enumerate();
    let rows = rows.map(|(row, line)| [line.trim(), ",", if row == 0 { "path" } else { path(row) }, "\n"].concat());
    rows.collect::<Vec<_>>().concat()
}

/// A scenario with that trace, in a folder of its own.
fn with_trace(name: &str, file: &str, bytes: &[u8], horizon: &str) -> Scenario {
    let text = ROUTED.replace("HORIZON", horizon).replace("FILE", file);
    let folder = Folder::new(name).with("routed.yaml", &text);
    fs::write(folder.path().join(file), bytes).unwrap();
    fixture::load(&folder.path().join("routed.yaml"))
}

fn recorded(scenario: &Scenario) -> &farebox_engine::model::Trace {
    let Arrivals::Trace(trace) = &scenario.cohorts[0].arrivals else { panic!("the cohort has a trace") };
    trace
}

/// A load of 1,200 calls on a trace of 400: three times the same rows, in other hands each time. What is played is what
/// the file says, simulated and on sockets.
#[test]
fn a_trace_with_routes_repeats_alike_simulated_and_live() {
    let scenario = with_trace("routed", "routed.csv", routed().as_bytes(), "1h");
    let length = recorded(&scenario).repeats.unwrap();
    let world = fixture::scaled(scenario.clone());
    let twins = stage::twins(&world).unwrap();
    let played = stage::lockstep(&world, &twins, NonZeroUsize::new(2).unwrap(), &Control::default()).unwrap();
    assert_eq!(played.out_of_step, []);
    proof::lockstep(&world, &twins, &played.histories).unwrap();

    let calls = |world: &World| {
        let of = |consumer| world.calls(consumer).map(move |call| (call.at, call.route, call.usage, consumer.index));
        let mut calls: Vec<_> = world.consumers().flat_map(of).collect();
        calls.sort_unstable();
        calls
    };
    let (load, rows) = (calls(&world), &recorded(&scenario).rows);
    assert_eq!(load.len(), 1_200);
    for (part, times) in load.chunks(rows.len()).zip(0..) {
        let usage = |used: &[[u64; 4]]| used.iter().map(|usage| usage[TOKENS]).sum::<u64>();
        let [played, file] =
            [part.iter().map(|call| call.2).collect(), rows.iter().map(|row| row.usage).collect::<Vec<_>>()];
        assert_eq!(usage(&played), usage(&file), "repeat {times}");
        assert_eq!(part.iter().filter(|call| call.1 == 0).count(), 200, "repeat {times}");
    }
    let owners = |part: &[_]| part.iter().map(|call: &(_, _, _, u32)| call.3).collect::<Vec<_>>();
    assert_ne!(owners(&load[..400]), owners(&load[400..800]), "who has a row is drawn again");

    // In the scenario's own time: as many calls as fit into the hour, and the outcome has them all.
    let whole = World::whole(Arc::new(scenario.clone())).unwrap();
    let outcome = simulate(&whole, &everyone(&scenario), NonZeroUsize::new(2).unwrap(), &Control::default()).unwrap();
    assert_eq!(outcome.cohorts[0].offered(), recorded(&scenario).rows_before(scenario.horizon));
    assert!(outcome.cohorts[0].offered() > scenario.horizon.ns() / length.ns() * 400);
}

/// A packed trace is the trace: same rows, same fingerprint. So is one with other line ends, but for the fingerprint.
#[test]
fn a_packed_trace_is_the_trace() {
    let text = routed();
    let plain = with_trace("packed", "routed.csv", text.as_bytes(), "1h");
    for (name, bytes) in
        [("routed.csv", packed(text.as_bytes())), ("routed.csv", text.replace('\n', "\r\n").into_bytes())]
    {
        let other = with_trace("packed", name, &bytes, "1h");
        assert_eq!(recorded(&other).rows, recorded(&plain).rows);
        assert_eq!(recorded(&other).routes, recorded(&plain).routes);
        assert_eq!(other.fingerprint == plain.fingerprint, bytes[0] == 0x1F);
    }
    let named = with_trace("packed-name", "routed.csv.gz", &packed(text.as_bytes()), "1h");
    assert_eq!(recorded(&named).rows, recorded(&plain).rows);
}

/// A quarter of a megabyte that claims to hold 256, and a mark that is never closed: told in a moment, in little memory.
#[test]
fn a_trace_that_is_built_to_hurt_is_refused() {
    let refused = |name: &str, bytes: &[u8]| {
        let text = ROUTED.replace("HORIZON", "1h").replace("FILE", "hurts.csv");
        let folder = Folder::new(name).with("routed.yaml", &text);
        fs::write(folder.path().join("hurts.csv"), bytes).unwrap();
        let answer = folder.farebox("validate routed.yaml").run();
        assert_eq!(answer.code, Some(3), "{answer}");
        answer.stderr.lines().find(|line| line.starts_with("error")).unwrap().to_owned()
    };
    let header = "TIMESTAMP,ContextTokens,GeneratedTokens,path\n";
    let row = "1700000000,1,1,/v1/search\n";
    let bomb = packed(&[header.as_bytes(), &row.as_bytes().repeat(4 << 20)].concat());
    let open = [header, row, "\"", &row.repeat(1 << 18)].concat();
    let long = [header, row, &"7".repeat(3 << 20)].concat();
    expect![[r#"
        error: cannot read the trace `hurts.csv`: it is gzip, and unpacks to more than 100 times its size
        error: `hurts.csv`, line 3: a row of more than 1 MiB
        error: `hurts.csv`, line 3: a row of more than 1 MiB"#]]
    .assert_eq(
        &[refused("bomb", &bomb), refused("open", open.as_bytes()), refused("long", long.as_bytes())].join("\n"),
    );
}

/// The hour of real traffic, packed, three times over and handed out by Zipf's law: every row three times, and the shares
/// of the consumers within five standard deviations of their weights.
#[test]
fn an_hour_of_real_traffic_repeats_by_zipf() {
    let Some(folder) = env::var_os(SHARED_DATA) else {
        return skipped(AZURE);
    };
    let csv = fs::read(Path::new(&folder).join(AZURE)).unwrap();
    let text = SCENARIO
        .replace("calls.csv", "azure.csv.gz")
        .replace("      columns:", "      map: zipf(1.0)\n      repeat: true\n      columns:");
    let values = [("OPENING", "$100"), ("RATE", "1000/s"), ("DURATION", "10s")];
    let text = values.iter().fold(text, |text, (word, value)| text.replace(word, value));
    let folder = Folder::new("azure-zipf").with("tokens.yaml", &text.replace("horizon: 2h", "horizon: 10h"));
    fs::write(folder.path().join("azure.csv.gz"), packed(&csv)).unwrap();
    let mut scenario = fixture::load(&folder.path().join("tokens.yaml"));
    let length = recorded(&scenario).repeats.unwrap();
    scenario.horizon = Span::from_ns(3 * length.ns());
    let world = World::whole(Arc::new(scenario)).unwrap();
    let counts: Vec<u64> = world.consumers().map(|consumer| world.calls(consumer).count() as u64).collect();
    let rows = 3 * 8_819;
    assert_eq!(counts.iter().sum::<u64>(), rows);
    let harmonic: f64 = (1..=counts.len()).map(|rank| 1.0 / rank as f64).sum();
    for (rank, count) in (1..).zip(&counts) {
        let share = 1.0 / f64::from(rank) / harmonic;
        let deviation = (rows as f64 * share * (1.0 - share)).sqrt();
        assert!((*count as f64 - rows as f64 * share).abs() < 5.0 * deviation, "rank {rank}: {count}");
    }
}
