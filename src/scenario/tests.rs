//! Scenarios that are right: what the model is then.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes its snapshots with them")]

use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use farebox_engine::distribution::{Distribution, Z95};
use farebox_engine::draw::Chance;
use farebox_engine::model::{Arrivals, Card, Finally, Limit, Period, Price, Rate, Trace, UnitPrice};
use farebox_engine::money::Money;
use farebox_engine::time::{Clock, DAY, HOUR, SECOND, Span as TimeSpan};

use super::*;

mod clients;
mod live;
mod lowered;
mod sets;
mod table;
mod upstreams;
mod variants;
mod world;

const HELLO: &str = "\
scenario: hello
horizon: 30d
plans:
  starter: { fee: $19/month, includes: { requests: 10k }, past_allowance: block }
consumers:
  indie: { count: 100, plan: starter, traffic: { rate: 400/day } }
";

fn read(text: &str) -> Loaded {
    read_in(Path::new(""), text)
}

fn read_in(folder: &Path, text: &str) -> Loaded {
    parse("test.yaml", text, folder).unwrap_or_else(|rejected| panic!("{:#?}", rejected.diagnostics))
}

#[test]
fn the_smallest_scenario_has_a_default_for_everything_else() {
    let Loaded { scenario, warnings, .. } = read(HELLO);
    assert_eq!((warnings.len(), scenario.seed, scenario.currency.code), (0, 1, "USD"));
    assert_eq!(
        (scenario.horizon, scenario.start.to_string().as_str()),
        (TimeSpan::from_ns(30 * DAY), "2026-01-01T00:00:00")
    );
    let plan = &scenario.plans[0];
    assert_eq!((plan.fee, plan.fee_period), (Money::from_nanos(19_000_000_000), Some(Period::Month)));
    assert_eq!(plan.usage_period, Some(Period::Month));
    assert_eq!(plan.allowance, [Some(10_000), None, None, None]);
    let cohort = &scenario.cohorts[0];
    assert_eq!((cohort.count, cohort.plan, cohort.card), (100, 0, Some(Card::good())));
    assert!(
        matches!(cohort.arrivals, Arrivals::Poisson { mean_gap_ns, spread: None } if mean_gap_ns as u64 == 216_000_000_000)
    );
    assert_eq!(scenario.payments.dunning.retries, [3, 5, 7].map(|days| TimeSpan::from_ns(days * DAY)));
    assert_eq!(scenario.payments.dunning.finally, Finally::Cancel);
    let live = scenario.live;
    assert_eq!((live.rate_per_s, live.clock, live.connections, live.in_flight), (1_000.0, None, 64, 4_000));
    assert_eq!((scenario.upstreams[0].name.as_str(), live.duration), ("api", TimeSpan::from_secs(10)));
}

#[test]
fn every_key_reaches_the_model() {
    let Loaded { scenario, .. } = read("\
scenario: all
seed: 18446744073709551615
currency: EUR
start: 2024-01-31
horizon: 1mo
plans:
  free: { includes: { requests: 1k/day }, past_allowance: block, limits: [ { requests: 90/min, kind: token_bucket } ], grace: 7d }
  payg: { prepaid: { opening: €10 }, prices: { requests: €2.50 per 1M }, limits: [ { requests: 1/h, kind: token_bucket, burst: 5 } ] }
consumers:
  a: { count: 1k, plan: payg, traffic: { rate: 20/s }, payment: { card: { declines: 8.25% } } }
  b: { count: 1, plan: free, traffic: { rate: 1/h } }
upstreams: { search: { latency: { p50: 30ms, p95: 80ms } } }
payments: { dunning: { retries: [], finally: keep } }
live: { rate: 90/min, duration: 1m, clock: 1h per 1s, connections: 8, in_flight: { at_most: 16 } }
");
    assert_eq!((scenario.seed, scenario.horizon), (u64::MAX, TimeSpan::from_ns(29 * DAY)));
    let [free, payg] = &scenario.plans[..] else { panic!("two plans") };
    assert_eq!((free.usage_period, free.grace), (Some(Period::Day), TimeSpan::from_ns(7 * DAY)));
    // Of 90 a minute, a second's worth, rounded up, is 2.
    let minute = Rate { requests: 90, per: TimeSpan::from_secs(60) };
    assert_eq!(free.limits, [Limit::TokenBucket { rate: minute, burst: 2 }]);
    let hour = Rate { requests: 1, per: TimeSpan::from_ns(HOUR) };
    assert_eq!(payg.limits, [Limit::TokenBucket { rate: hour, burst: 5 }]);
    assert_eq!(payg.prepaid.as_ref().unwrap().grants[0].amount, Money::from_nanos(10_000_000_000));
    let price = UnitPrice { amount: Money::from_nanos(2_500_000_000), per: 1_000_000 };
    assert_eq!(payg.prices[0], Some(Price::PerUnit(price)));
    assert_eq!((payg.usage_period, scenario.cohorts[0].plan), (None, 1));
    assert_eq!(scenario.cohorts[0].card, Some(Card::declining(Chance::of(825, 10_000))));
    assert_eq!(scenario.upstreams[0].latency, Distribution::log_normal(30e6, 80e6, Z95));
    assert_eq!((scenario.payments.dunning.retries.len(), scenario.payments.dunning.finally), (0, Finally::Keep));
    assert_eq!(scenario.live.clock, Some(Clock::new(TimeSpan::from_ns(HOUR), TimeSpan::from_ns(SECOND))));
    assert_eq!((scenario.live.rate_per_s, scenario.live.in_flight), (1.5, 16));
}

/// Ten years from a leap day are as long as the calendar says, and not a day more.
#[test]
fn a_horizon_of_years_is_counted_on_the_calendar() {
    for (start, horizon, days) in [("2024-02-29", "1y", 365), ("2023-03-01", "1y", 366), ("2026-01-01", "10y", 3_652)] {
        let text = HELLO.replace("horizon: 30d", &format!("start: {start}\nhorizon: {horizon}"));
        assert_eq!(read(&text).scenario.horizon, TimeSpan::from_ns(days * DAY), "{start} + {horizon}");
    }
    for (start, horizon) in [("2026-01-01", "3653d"), ("2026-01-01", "121mo"), ("9999-06-01", "1y")] {
        let text = HELLO.replace("horizon: 30d", &format!("start: {start}\nhorizon: {horizon}"));
        assert!(parse("test.yaml", &text, Path::new("")).is_err(), "{start} + {horizon}");
    }
}

/// Merging two outcomes is allowed when these agree, so they must not agree by accident.
#[test]
fn the_fingerprint_is_of_the_text_and_of_its_traces() {
    let folder = Scratch::new("fingerprint", &[("a.csv", "at\n1\n"), ("b.csv", "at\n2\n")]);
    let of = |file: &str| read_in(&folder.0, &traced(file, "time: at")).scenario.fingerprint;
    assert_ne!(of("a.csv"), of("b.csv"));
    assert_eq!(of("a.csv").len(), 64);
    let before = of("a.csv");
    std::fs::write(folder.0.join("a.csv"), "at\n3\n").unwrap();
    assert_ne!(before, of("a.csv"));
}

// === Traces ===

#[test]
fn a_trace_begins_at_the_start_and_adds_up_its_meters() {
    let rows = "\u{feff}TIMESTAMP,ContextTokens,GeneratedTokens\r\n\
        2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:04.0319600,3180,8\r\n\r\n";
    let folder = Scratch::new("azure", &[("calls.csv", rows)]);
    let loaded =
        read_in(&folder.0, &traced("calls.csv", "time: TIMESTAMP, input: ContextTokens, output: GeneratedTokens"));
    let trace = trace_of(&loaded);
    assert_eq!(trace.rows.iter().map(|row| row.at.ns()).collect::<Vec<_>>(), [0, 52_000_000]);
    assert_eq!((trace.rows[0].usage, trace.rows[0].consumer), ([1, 4_818, 0, 0], None));
    assert_eq!((trace.most, loaded.warnings.len()), ([1, 4_818, 0, 0], 0));
}

#[test]
fn rows_out_of_order_are_sorted_and_rows_past_the_horizon_left_out() {
    let rows = "at,who\n100,b\n90,a\n95,b\n86400090,c\n86400089.999999999,a\n";
    let folder = Scratch::new("order", &[("calls.csv", rows)]);
    let text = traced("calls.csv", "time: at, consumer: who").replace("30d", "1000d");
    let loaded = read_in(&folder.0, &text);
    // Consumers are numbered as the file names them, whatever the order of the rows.
    let rows: Vec<_> = trace_of(&loaded).rows.iter().map(|row| (row.at.ns() / SECOND, row.consumer)).collect();
    assert_eq!(rows, [(0, Some(1)), (5, Some(0)), (10, Some(0)), (86_399_999, Some(1))]);
    check_warnings(
        &loaded,
        &expect![[r#"
            warning: `calls.csv`: 2 rows out of time order, the first on line 3
             --> test.yaml:6:51
              |
            6 |   logs: { count: 5, plan: free, traffic: { trace: calls.csv, columns: { time: at, consumer: who } } }
              |                                                   ^^^^^^^^^
              |
              = help: the trace is played in time order

            warning: `calls.csv`: 1 row past the horizon, not played
             --> test.yaml:6:51
              |
            6 |   logs: { count: 5, plan: free, traffic: { trace: calls.csv, columns: { time: at, consumer: who } } }
              |                                                   ^^^^^^^^^
        "#]],
    );
}

#[test]
fn a_trace_may_name_as_many_consumers_as_the_cohort_has() {
    let folder = Scratch::new("count", &[("calls.csv", "at,who\n1,a\n2,b\n3,c\n4,a\n")]);
    let text =
        |count: u32| traced("calls.csv", "time: at, consumer: who").replace("count: 5", &format!("count: {count}"));
    assert_eq!(trace_of(&read_in(&folder.0, &text(3))).rows.len(), 4);
    let rejected = parse("test.yaml", &text(2), &folder.0).unwrap_err();
    expect!["`calls.csv`, line 4: `c` in column `who` is one consumer more than the cohort's `count`"]
        .assert_eq(&rejected.diagnostics[0].message);
}

/// A scenario from a stranger reads nothing but its own folder, links included.
#[cfg(unix)]
#[test]
fn a_link_does_not_lead_out_of_the_folder() {
    let outside = Scratch::new("outside", &[("secret.csv", "at\n1\n")]);
    let folder = Scratch::new("inside", &[("own.csv", "at\n1\n")]);
    std::os::unix::fs::symlink(outside.0.join("secret.csv"), folder.0.join("link.csv")).unwrap();
    std::os::unix::fs::symlink(folder.0.join("own.csv"), folder.0.join("alias.csv")).unwrap();
    read_in(&folder.0, &traced("alias.csv", "time: at"));
    for (file, message) in [
        ("link.csv", "the trace `link.csv` is outside of the scenario's folder"),
        (".", "the trace `.` is not a file"),
        ("sub/../own.csv", "the trace `sub/../own.csv` is outside of the scenario's folder"),
    ] {
        let rejected = parse("test.yaml", &traced(file, "time: at"), &folder.0).unwrap_err();
        assert_eq!(rejected.diagnostics[0].message, message);
    }
}

#[test]
fn what_is_odd_is_said_without_being_refused() {
    let text =
        HELLO.replace("consumers:", "  unused: { fee: $0/day }\n  stale: { prepaid: { opening: $5 } }\nconsumers:");
    check_warnings(
        &read(&text),
        &expect![[r#"
        warning: no cohort is on the plan `unused`
         --> test.yaml:5:3
          |
        5 |   unused: { fee: $0/day }
          |   ^^^^^^

        warning: no cohort is on the plan `stale`
         --> test.yaml:6:3
          |
        6 |   stale: { prepaid: { opening: $5 } }
          |   ^^^^^

        warning: the prepaid plan `stale` has no `prices`
         --> test.yaml:6:12
          |
        6 |   stale: { prepaid: { opening: $5 } }
          |            ^^^^^^^
          |
          = help: without them its calls cost nothing, and its credit lasts for ever
    "#]],
    );
}

/// Whatever one slip of the finger makes of a scenario, it is read or it is told what is wrong: never a panic, never a
/// rejection without an error.
#[test]
fn no_slip_of_the_finger_goes_unanswered() {
    let text = "\
scenario: slips
horizon: 30d
meters: { tokens: { sum: [in] } }
plans:
  free: { fee: $1/day, includes: { requests: 1k }, past_allowance: block, limits: [ { requests: 2/s, kind: token_bucket } ] }
  payg: { prepaid: { opening: $10 }, prices: { requests: $2 per 1M }, grace: 1d, trial: 0d }
consumers:
  a: { count: 3, plan: free, traffic: { rate: 1/h, arrivals: poisson }, payment: { card: { declines: 8% } } }
upstreams: { api: { latency: { p50: 1ms, p99: 2ms }, errors: 0% } }
payments: { dunning: { retries: [1d], finally: keep } }
live: { clock: 1h per 1s, in_flight: { at_most: 4k } }
";
    read(text);
    slip(text, Path::new(""), 1);
}

/// The same of the whole language, at every so many places.
#[test]
fn no_slip_in_the_whole_language_goes_unanswered() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixture");
    let text = std::fs::read_to_string(folder.join("full.yaml")).unwrap();
    read_in(&folder, &text);
    slip(&text, &folder, 67);
}

fn slip(text: &str, folder: &Path, step: usize) {
    for at in (0..text.len()).step_by(step).filter(|at| text.is_char_boundary(*at) && text.is_char_boundary(at + 1)) {
        for slip in ["", "m", ":", "}", "[", "~", "*a "] {
            let slipped = format!("{}{slip}{}", &text[..at], &text[at + usize::from(slip.is_empty())..]);
            if let Err(rejected) = parse("slip.yaml", &slipped, folder) {
                let is_error = |it: &Diagnostic| it.severity == Severity::Error;
                assert!(rejected.diagnostics.iter().any(is_error), "{slipped}");
                for problem in &rejected.diagnostics {
                    rejected.source.render(problem, Styled::Plain);
                }
            }
        }
    }
}

/// More meters than usage has room for are one mistake, wherever they are named.
#[test]
fn too_many_meters_are_one_mistake() {
    let text = "\
scenario: meters
horizon: 30d
meters: { a: { sum: [x] }, b: { sum: [x] }, c: { sum: [x] }, d: { sum: [x] }, e: { sum: [x] } }
plans:
  free: { includes: { e: 1/day }, past_allowance: block }
  payg: { prepaid: { opening: $10 }, prices: { d: $1 } }
consumers:
  p: { count: 1, plan: free, traffic: { rate: 1/h } }
  q: { count: 1, plan: payg, traffic: { rate: 1/h } }
";
    let rejected = parse("test.yaml", text, Path::new("")).unwrap_err();
    let messages: Vec<&str> = rejected.diagnostics.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, ["5 meters beside `requests` given"]);
}

fn traced(file: &str, columns: &str) -> String {
    format!(
        "\
scenario: traced
horizon: 30d
meters: {{ tokens: {{ sum: [input, output] }} }}
plans: {{ free: {{}} }}
consumers:
  logs: {{ count: 5, plan: free, traffic: {{ trace: {file}, columns: {{ {columns} }} }} }}
"
    )
}

fn trace_of(loaded: &Loaded) -> &Trace {
    match &loaded.scenario.cohorts[0].arrivals {
        Arrivals::Trace(trace) => trace,
        Arrivals::Poisson { .. } | Arrivals::Patterned(_) => panic!("not a trace"),
    }
}

fn check_warnings(loaded: &Loaded, expected: &Expect) {
    let shown: Vec<String> = loaded.warnings.iter().map(|it| loaded.source.render(it, Styled::Plain) + "\n").collect();
    expected.assert_eq(&shown.join("\n"));
}

/// A folder of its own, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("farebox-scenario-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (file, text) in files {
            std::fs::write(folder.join(file), text).unwrap();
        }
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
