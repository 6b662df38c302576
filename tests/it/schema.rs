//! The JSON Schema that editors complete from, beside the parser: it accepts what the parser accepts, and rejects the
//! mistakes of structure that the parser rejects.

use std::path::Path;
use std::sync::LazyLock;

use expect_test::expect_file;
use farebox::scenario;
use jsonschema::Validator;
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

/// Nearly every key, and every unit.
const FULL: &str = "
scenario: full-1_0
description: 2026
seed: 402
currency: EUR
start: 2026-03-01
horizon: 1y
replications: 1
meters:
  tokens: { sum: [input, output] }
routes:
  /v1/search: { upstream: search }
  /v1/chat: { attributes: { input: { p50: 600, p99: 8k, max: 10k }, output: 180 } }
plans:
  free: { includes: { requests: 1k/month }, past_allowance: { throttle: 1/s }, limits: [ { requests: 2/s, kind: token_bucket, burst: 10 }, { in_flight: 5, kind: concurrency } ], trial: 0d }
  pro: { fee: 49 EUR/year, includes: { requests: 100000/month }, past_allowance: overage, overage: { requests: { graduated: [ { up_to: 50k, price: €0.001, flat: €5 }, { price: €0.0006 } ] } }, grace: 7d, limits: [], minimum: €10/month, spend_cap: €500/month, rollover: { max: 20k } }
  payg: { prepaid: { opening: €10, paid: false, credits_expire: 1y, auto_top_up: { below: €2, add: €20, at_most: 10/month }, grants: [ { amount: €5, priority: 1, expires: 3mo, paid: true } ] }, prices: { requests: €0.0000025 per 1k, tokens: { package: 1M, price: €2.50, free: 100 } }, routes: [ /v1/search ] }
  post: { prices: { requests: { stairstep: [ { up_to: 10, price: €10 }, { price: €20 } ] } } }
consumers:
  hobby: { count: 3k, plan: free, joined: spread, traffic: { rate: { gamma: { shape: 0.5, mean: 12/day } }, arrivals: poisson, routes: { /v1/search: 80%, /v1/chat: 20% } } }
  startups: { count: \"800\", plan: pro, time_zone: America/New_York, traffic: { rate: 0.5/min }, payment: { card: { declines: 8.25%, hard: 10%, broke: 10d, funded: 20d, lasts: 40mo, updater: 70% } }, discount: { off: 20%, for: 3mo }, reacts: [ { when: quota_exhausted, do: downgrade, to: free, chance: 3%, after: { p50: 2h, p95: 3d } }, { when: refused, more_than: 500/day, do: churn } ] }
  scripts: { count: 2.5M, plan: payg, traffic: { rate: 1/h }, payment: {}, churn: 0%/month, joined: { signups: 40/month }, client: none }
  post: { count: 1, plan: post, traffic: { rate: 1/h, shape: { hours: [0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 2, 1, 1, 1, 0.5, 0, 0] } }, payment: none }
upstreams:
  search: { latency: { p50: 30ms, p95: 250ms }, errors: 0%, streaming: false, cost: { input: €0.60 per 1M } }
gateway: { nodes: 1, counters: exact, spend_control: check_then_debit, entitlement_cache: 0s, refusals: { quota_exhausted: 429 } }
payments:
  processor: { latency: { uniform: [ 0ms, 2s ] }, errors: 0% }
  webhooks: { lose: 0% }
  dunning: { retries: [1d, 1.5d], finally: unpaid, on_hard_decline: stop }
  fees: { success: 2.9% + €0.30, decline: €0 }
  refunds: 0.5%
  chargebacks: { chance: 0.1%, fee: €15 }
faults:
  - { at: 20d, for: 10m, fault: upstream_slow, upstream: search, factor: 1.5 }
changes:
  - { at: 45d, plans: { pro: { fee: €59/year, rollover: ~ } }, applies_to: at_renewal }
thresholds:
  - refusals{kind=billing, cohort=startups}.rate < 0.5%
live: { rate: 2k/s, duration: 1m, clock: 1h per 1s, connections: 256, in_flight: { at_most: 4k, beyond: drop }, warm_up: 0s }
variants:
  cut: { plans: { pro: { includes: { requests: 60k/month } }, post: ~ }, consumers: { post: ~ } }
  cut_with_grace: { extends: cut, plans: { pro: { grace: 14d } } }
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
    let shipped = without_trace(&std::fs::read_to_string(FULL_FILE).unwrap());
    let second = HELLO.to_owned() + "start: 2026-03-01T14:23:05Z\n";
    let quoted = HELLO.replace("30d", "\"30d\"").replace("100", "'1_00'").replace("starter", "2026");
    for text in [HELLO, FULL, &constant, &second, &quoted, &shipped] {
        assert!(scenario::parse("valid.yaml", text, Path::new("")).is_ok(), "the parser rejects {text}");
        let complaints = complaints(text);
        assert!(complaints.is_empty(), "the schema rejects {text}\n{complaints:#?}");
    }
}

/// The shipped scenario that shows all of the language.
const FULL_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixture/full.yaml");

/// Without the cohort whose calls are in a file beside it: what is parsed here has no folder.
fn without_trace(text: &str) -> String {
    text.lines().filter(|line| !line.contains("trace:")).collect::<Vec<_>>().join("\n")
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
        ("start: 2026-03-01", "start: 2026-03-01T14:23"),
        ("horizon: 1y", "horizon: 1 year"),
        ("horizon: 1y\n", ""),
        ("replications: 1", "replications: 0"),
        ("thresholds:\n  -", "thresholds:"),
        (".rate < 0.5%", " < 0.5%"),
        ("sum: [input, output]", "sum: input"),
        ("sum: [input, output]", "sum: []"),
        ("tokens:", "\"to kens\":"),
        ("/v1/search: { upstream", "v1/search: { upstream"),
        ("max: 10k", "max: 0"),
        ("1k/month }", "1k/week }"),
        ("past_allowance: { throttle: 1/s }", "past_allowance: throttle"),
        ("past_allowance: { throttle: 1/s }, ", ""),
        ("requests: 2/s", "requests: 2/sec"),
        ("burst: 10", "burst: 0"),
        (", kind: token_bucket", ""),
        ("in_flight: 5", "in_flight: 5, requests: 1/s"),
        ("49 EUR/year", "49 EUR"),
        ("49 EUR/year", "-49 EUR/year"),
        ("past_allowance: overage, ", ""),
        ("up_to: 50k, price: €0.001, flat: €5", "up_to: 50k"),
        ("rollover: { max: 20k }", "rollover: {}"),
        ("grace: 7d", "grace: 7"),
        ("grace: 7d", "grace: 1mo"),
        ("opening: €10", "opening: 10"),
        ("paid: false", "paid: maybe"),
        ("at_most: 10/month", "at_most: 10/day"),
        ("per 1k", "per thousand"),
        ("package: 1M, ", ""),
        ("package: 1M, price: €2.50", "package: 1M, price: €2.50, volume: [ { price: €1 } ]"),
        ("count: 3k", "count: 3K"),
        ("count: 3k", "count: 200000000"),
        ("plan: free, ", ""),
        ("joined: spread", "joined: begin"),
        ("signups: 40/month", "signups: 40/h"),
        ("shape: 0.5", "shape: 0"),
        ("shape: 0.5, ", ""),
        ("search: 80%", "search: 0.8"),
        ("rate: 1/h", "rate: 1/month"),
        ("rate: 0.5/min", "rate: { p50: 12/day }"),
        ("rate: 0.5/min", "rate: { p95: 12/day }"),
        ("rate: 0.5/min", "rate: { p50: 12/day, p95: 20/day, exponential: 1/s }"),
        ("rate: 0.5/min ", ""),
        ("rate: 0.5/min", "rate: 12/day, trace: full.csv, columns: { time: at }"),
        ("rate: 0.5/min", "trace: full.csv"),
        ("declines: 8.25%", "declines: 0.0825"),
        ("broke: 10d, ", ""),
        ("time_zone: America/New_York", "time_zone: New York"),
        ("when: refused", "when: refusal"),
        ("500/day", "500/month"),
        ("churn: 0%/month", "churn: 3%"),
        ("p95: 250ms", "p99: 250ms, p95: 250ms"),
        (", p95: 250ms", ""),
        ("[ 0ms, 2s ]", "[ 0ms, 2s, 3s ]"),
        ("nodes: 1", "nodes: 0"),
        ("quota_exhausted: 429", "quota_exhausted: 200"),
        ("{ quota_exhausted: 429", "{ quota: 429"),
        ("retries: [1d, 1.5d]", "retries: 1d"),
        ("finally: unpaid", "finally: pause"),
        ("2.9% + €0.30", "2.9% and €0.30"),
        ("{ chance: 0.1%, ", "{ "),
        ("fault: upstream_slow", "fault: upstream"),
        ("factor: 1.5", "factor: 0.99"),
        ("applies_to: at_renewal", "applies_to: everybody"),
        ("fee: €59/year", "fee: €59"),
        ("pro: { grace", "pro: { grase"),
        ("{ extends: cut,", "{ extends: [cut],"),
        ("clock: 1h per 1s", "clock: 3600"),
        ("connections: 256", "connections: many"),
    ] {
        let text = FULL.replacen(from, to, 1);
        assert_ne!(text, FULL, "nothing to replace: {from}");
        assert!(scenario::parse("broken.yaml", &text, Path::new("")).is_err(), "the parser accepts {to:?}");
        assert!(!complaints(&text).is_empty(), "the schema accepts {to:?} for {from:?}");
    }
}

/// What the schema has to say against a text.
pub(crate) fn complaints(text: &str) -> Vec<String> {
    static VALIDATOR: LazyLock<Validator> =
        LazyLock::new(|| jsonschema::validator_for(&scenario::schema()).expect("a schema"));
    let instance = as_editors_see_it(text);
    VALIDATOR.iter_errors(&instance).map(|error| format!("{}: {error}", error.instance_path())).collect()
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
