//! Recorded calls, spread over prepaid consumers and paid by the token: every token of the file is served, refused or in
//! flight, and the money follows to the nano, simulated and on sockets.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use farebox::control::Control;
use farebox::live::{proof, stage};
use farebox::simulate::{everyone, simulate};
use farebox_engine::billing::gate::Decision;
use farebox_engine::billing::ledger::{LedgerAccount, Movement};
use farebox_engine::log::{Event, History};
use farebox_engine::model::{Arrivals, Scenario};
use farebox_engine::money::Money;
use farebox_engine::world::World;

use crate::fixture;
use crate::program::Folder;

/// Where files of others are that no copy is kept of: real traffic.
const SHARED_DATA: &str = "FAREBOX_SHARED_DATA";
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
        return skipped();
    };
    let csv = fs::read_to_string(Path::new(&folder).join(AZURE)).unwrap();
    let values = [("OPENING", "$0.20"), ("RATE", "1000/s"), ("DURATION", "10s")];
    let trace = Trace::new("tokens-azure", &csv, values);
    assert_eq!(trace.calls, 8_819);
    let mix = trace.accounted_for();
    assert!(mix.served > 0 && mix.refused > 0, "{mix:?}");
}

#[expect(clippy::print_stderr, reason = "who runs the tests is to see that this one did not look")]
fn skipped() {
    eprintln!("skipped: {SHARED_DATA} does not name a folder with {AZURE}");
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
            Event::Failed { .. } => panic!("no call fails"),
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
