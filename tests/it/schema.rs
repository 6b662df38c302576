//! The JSON Schema that editors complete from, beside the parser: it accepts what the parser accepts, and rejects the
//! mistakes of structure that the parser rejects.

use std::path::Path;

use expect_test::expect_file;
use farebox::scenario;
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

const HELLO: &str = "
scenario: hello
horizon: 30d
plans:
  starter: { fee: $19/month, includes: { requests: 10k }, past_allowance: block }
consumers:
  indie: { count: 100, plan: starter, traffic: { rate: 400/day } }
";

/// Every key that does something, and every planned one that asks for nothing.
const FULL: &str = "
scenario: full-1_0
description: 2026
seed: 402
currency: EUR
start: 2026-03-01
horizon: 1y
replications: 1
routes: {}
faults: []
changes: []
thresholds: []
variants: {}
meters:
  tokens: { sum: [input, output] }
plans:
  free: { includes: { requests: 1k/month }, past_allowance: block, limits: [ { requests: 2/s, kind: token_bucket, burst: 10 } ], trial: 0d }
  pro: { fee: 49 EUR/month, includes: { requests: 100000 }, past_allowance: block, grace: 7d, limits: [], minimum: $0/month }
  payg: { prepaid: { opening: €10, paid: false }, prices: { requests: €0.0000025 per 1k } }
consumers:
  hobby: { count: 3k, plan: free, joined: spread, traffic: { rate: 12/day, arrivals: poisson } }
  startups: { count: \"800\", plan: pro, time_zone: UTC, traffic: { rate: 0.5/min }, payment: { card: { declines: 8.25% } } }
  scripts: { count: 2.5M, plan: payg, traffic: { rate: 1/h, repeat: false }, payment: {}, churn: 0%/month }
upstreams:
  search: { latency: { p50: 30ms, p95: 250ms }, errors: 0%, streaming: false }
gateway: { nodes: 1, counters: exact, spend_control: reserve, entitlement_cache: 0s }
payments:
  dunning: { retries: [1d, 1.5d], finally: unpaid, on_hard_decline: stop }
  processor: { latency: 0ms, errors: 0% }
  webhooks: { lose: 0% }
  fees: { decline: $0 }
  refunds: 0%
live: { rate: 2k/s, duration: 1m, clock: 1h per 1s, connections: 256, in_flight: { at_most: 4k, beyond: drop }, warm_up: 0s }
";

#[test]
fn the_schema_is_one() {
    let schema = scenario::schema();
    assert!(jsonschema::meta::is_valid(&schema));
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

/// Whoever hovers over a key learns what it is for, and what it is when left out.
#[test]
fn every_key_is_described() {
    let schema = scenario::schema();
    let mut keys = 0;
    each_property(&schema, &mut |name, property| {
        keys += 1;
        assert!(property["description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}: {property}");
    });
    assert!(keys > 100, "only {keys} keys");
    assert_eq!(schema["properties"]["seed"]["default"], 1);
    assert_eq!(schema["properties"]["upstreams"]["default"]["api"]["latency"]["p99"], "250ms");
}

#[test]
fn what_the_parser_accepts_the_schema_accepts() {
    let constant = HELLO.to_owned() + "upstreams: { api: { latency: 30ms } }\n";
    let quoted = HELLO.replace("30d", "\"30d\"").replace("100", "'1_00'").replace("starter", "2026");
    for text in [HELLO, FULL, &constant, &quoted] {
        assert!(scenario::parse("valid.yaml", text, Path::new("")).is_ok(), "the parser rejects {text}");
        let complaints = complaints(text);
        assert!(complaints.is_empty(), "the schema rejects {text}\n{complaints:#?}");
    }
}

/// Each line is one edit of the full scenario that breaks its structure.
#[test]
fn what_breaks_the_structure_both_reject() {
    for (from, to) in [
        ("scenario: full-1_0", "scenario: full 1.0"),
        ("scenario: full-1_0", "scenario: [full]"),
        ("seed: 402", "seed: -402"),
        ("seed: 402", "seed: 1.5"),
        ("seed: 402", "sead: 402"),
        ("currency: EUR", "currency: Euro"),
        ("start: 2026-03-01", "start: 1 March 2026"),
        ("horizon: 1y", "horizon: 1 year"),
        ("horizon: 1y\n", ""),
        ("replications: 1", "replications: 20"),
        ("thresholds: []", "thresholds: [ledger.balanced]"),
        ("sum: [input, output]", "sum: input"),
        ("sum: [input, output]", "sum: []"),
        ("tokens:", "\"to kens\":"),
        ("1k/month }", "1k/week }"),
        ("past_allowance: block, limits", "past_allowance: overage, limits"),
        ("past_allowance: block, grace", "grace"),
        ("requests: 2/s", "requests: 2/sec"),
        ("burst: 10", "burst: 0"),
        ("kind: token_bucket, ", ""),
        ("49 EUR/month", "49 EUR"),
        ("49 EUR/month", "-49 EUR/month"),
        ("grace: 7d", "grace: 7"),
        ("grace: 7d", "grace: 1mo"),
        ("opening: €10", "opening: 10"),
        ("per 1k", "per thousand"),
        ("count: 3k", "count: 3K"),
        ("count: 3k", "count: 200000000"),
        ("plan: free, ", ""),
        ("joined: spread", "joined: start"),
        ("rate: 12/day", "rate: 12/month"),
        ("rate: 12/day", "rate: { p50: 12/day, p95: 400/day }"),
        ("rate: 12/day, ", ""),
        ("rate: 12/day", "rate: 12/day, trace: calls.csv, columns: { time: at }"),
        ("rate: 12/day", "trace: calls.csv"),
        ("declines: 8.25%", "declines: 0.0825"),
        ("p95: 250ms", "p99: 250ms, p95: 250ms"),
        (", p95: 250ms", ""),
        ("nodes: 1", "nodes: 4"),
        ("retries: [1d, 1.5d]", "retries: 1d"),
        ("finally: unpaid", "finally: pause"),
        ("clock: 1h per 1s", "clock: 3600"),
        ("connections: 256", "connections: many"),
        ("  search:", "  ranker: { latency: 8ms }\n  search:"),
    ] {
        let text = FULL.replacen(from, to, 1);
        assert_ne!(text, FULL, "nothing to replace: {from}");
        assert!(scenario::parse("broken.yaml", &text, Path::new("")).is_err(), "the parser accepts {to:?}");
        assert!(!complaints(&text).is_empty(), "the schema accepts {to:?} for {from:?}");
    }
}

fn complaints(text: &str) -> Vec<String> {
    let validator = jsonschema::validator_for(&scenario::schema()).expect("a schema");
    let instance = as_editors_see_it(text);
    validator.iter_errors(&instance).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn each_property(schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    match schema {
        Value::Object(object) => {
            for (key, inner) in object {
                if let ("properties", Value::Object(properties)) = (key.as_str(), inner) {
                    properties.iter().for_each(|(name, property)| visit(name, property));
                }
                if key != "default" {
                    each_property(inner, visit);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each_property(item, visit)),
        _ => {}
    }
}

/// The scenarios point their editors at this file.
#[test]
fn the_schema_beside_the_scenarios_is_todays() {
    let shipped = expect_file!["../../scenarios/scenario.schema.json"];
    shipped.assert_eq(&format!("{}\n", serde_json::to_string_pretty(&scenario::schema()).unwrap()));
}

// === YAML as editors read it: with the types of YAML 1.2's core schema ===

fn as_editors_see_it(text: &str) -> Value {
    let mut events = Parser::new_from_str(text).map(|event| event.expect("valid YAML").0);
    events.find(|event| matches!(event, Event::DocumentStart(_)));
    let first = events.next().expect("a document");
    value(first, &mut events)
}

fn value<'a>(event: Event<'a>, events: &mut impl Iterator<Item = Event<'a>>) -> Value {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) => core(&text),
        Event::Scalar(text, ..) => Value::String(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match events.next().expect("an end") {
                    Event::SequenceEnd => return Value::Array(items),
                    item => items.push(value(item, events)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut map = Map::new();
            loop {
                match events.next().expect("an end") {
                    Event::Scalar(key, ..) => {
                        let inner = events.next().expect("a value");
                        map.insert(key.into_owned(), value(inner, events));
                    }
                    _ => return Value::Object(map),
                }
            }
        }
        other => panic!("{other:?} in a scenario of this test"),
    }
}

fn core(text: &str) -> Value {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-'));
    match text {
        "" | "~" | "null" => Value::Null,
        "true" | "false" => Value::Bool(text == "true"),
        _ => match text.parse::<Number>() {
            Ok(number) if is_number => Value::Number(number),
            _ => Value::String(text.to_owned()),
        },
    }
}
