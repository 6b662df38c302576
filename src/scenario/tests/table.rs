//! The table of keys as a whole.

use expect_test::expect;
use farebox_engine::money::CURRENCIES;

use super::*;
use crate::scenario::keys::walk::walk;
use crate::scenario::keys::{Presence, Shape, Table};
use crate::scenario::unit::Unit;

/// What the language has and this version does not do: this list grows shorter, and never by accident.
#[test]
fn what_is_not_supported_yet() {
    let mut unsupported = Vec::new();
    walk(&mut |path, shape, key| {
        if let Some(idle) = key.and_then(|key| key.idle) {
            let nothing = if idle.is_empty() { String::new() } else { format!(" but {}", idle.join(", ")) };
            unsupported.push(format!("{path}{nothing}"));
        }
        if let Shape::One(Unit::Choice(choice)) | Shape::OneOrMap(Unit::Choice(choice), _) = shape {
            unsupported.extend(choice.unsupported.iter().map(|word| format!("{path}: {word}")));
        }
        if let Shape::Map(Table { named: Some(named), .. }) = shape
            && named.size.built < named.size.most
        {
            unsupported.push(format!("{path}: more than {}", named.size.built));
        }
    });
    expect![[r#"
        gateway.nodes but 1
        gateway.counters but exact
        gateway.entitlement_cache but 0s
        gateway.when_billing_down but closed
        gateway.dialect: kong
        gateway.dialect: apisix
        gateway.dialect: x402
        gateway.dialect: mpp"#]]
    .assert_eq(&unsupported.join("\n"));
}

/// Each unit reads its own example, and each default of the table is a value of its key.
#[test]
fn examples_and_defaults_are_valid() {
    let mut units = 0;
    walk(&mut |path, shape, key| {
        if let Shape::One(unit) | Shape::OneOrMap(unit, _) = shape {
            units += 1;
            let parsed = unit.parse(&unit.example(), Some(CURRENCIES[0]));
            assert!(parsed.is_ok(), "{path}: {} is not {}", unit.example(), unit.noun());
        }
        if let Some((key, Presence::Default(yaml))) = key.map(|key| (key, &key.presence)) {
            let mut problems = Problems::default();
            let node = node::parse(yaml, &mut problems).unwrap();
            let is_text = matches!(node.value, node::Node::Scalar(_));
            let text = if let node::Node::Scalar(scalar) = &node.value { scalar.text.as_str() } else { "" };
            match &key.shape {
                Shape::One(unit) | Shape::OneOrMap(unit, _) if is_text => {
                    assert!(unit.parse(text, Some(CURRENCIES[0])).is_ok(), "{path}: {yaml}");
                }
                _ => assert!(!is_text, "{path}: {yaml}"),
            }
        }
    });
    assert!(units > 150, "only {units} values");
}

/// An idle value of a key without effect is one that the key takes, so that the help that names it helps.
#[test]
fn idle_values_are_valid() {
    walk(&mut |path, _, key| {
        let Some((key, idle)) = key.and_then(|key| Some((key, key.idle?))) else { return };
        for text in idle {
            let (Shape::One(unit) | Shape::OneOrMap(unit, _)) = &key.shape else { panic!("{path}: {text}") };
            assert!(unit.parse(text, Some(CURRENCIES[0])).is_ok(), "{path}: {text}");
        }
    });
}

/// Texts of every unit, right and nearly right.
const TEXTS: &str = "0 1 7 007 1.0 0.5 1.50 0.01 1000 1001 1_000 1_0.5_0 10k 2.5M 1e3 -1 true false True yes none even zipf(1.0) \
    zipf(0.5) zipf() 5ms 0s 30s 1.5h 7d 429 599 600 399 0429 4xx 5xx 3xx connection 1mo 12mo 1y 10y 11y 1M 5min 1h+1s 400/day 20/s 0.5/min 2k/s 1M/s 1/h 40/month 3/year 1/week \
    1.5/day 0/s $10 $0.0006 $35k $1_000.50 €10 ¥10 ₩5 $ $-5 -$5 10USD $49/month $49/day $0/year $49/week 2.9% 0% 100% 101% \
    8.25% 3%/month 3%/day 10k/month 5/day 2026-03-01 2026-3-1 USD EUR JPY usd UTC America/New_York Etc/GMT+1 Europe/Paris \
    New_York / /v1/chat/completions /v1/{id} /a?b v1 quota-cut 2026 a.b ledger.balanced refusals.rate<1% \
    latency{outcome=served}.p99<400ms refusals{kind=billing}.rate<=0.5% refusals.rate revenue.earned>$1";

/// Texts with blanks in them.
const SENTENCES: &[&str] = &[
    "49 USD",
    "49 USD/month",
    "12 EUR",
    "0.1 USD per 1M",
    "$2.50 per 1M",
    "$1 per 0",
    "2.9% + $0.30",
    "2.9% + 0.30 USD",
    "1h per 1s",
    "1.5d per 500ms",
    "1h per 0s",
    "a b",
    " ",
    "",
    "refusals{kind=billing, cohort=all}.rate < 0.5%",
    "revenue.collected >= $35k",
    "revenue{plan=pro}.earned > 5 USD",
    "false_refusals.count == 0",
];

/// An editor never underlines what the parser reads.
#[test]
fn what_a_unit_reads_the_schema_takes() {
    let mut read = 0;
    walk(&mut |path, shape, _| {
        let (Shape::One(unit) | Shape::OneOrMap(unit, _)) = shape else { return };
        let validator = jsonschema::validator_for(&schema::one(*unit).into()).unwrap();
        let words = if let Unit::Choice(choice) = unit { choice.words } else { &[] };
        for text in TEXTS.split_whitespace().chain(SENTENCES.iter().copied()).chain(words.iter().copied()) {
            if unit.parse(text, Some(CURRENCIES[0])).is_ok() {
                read += 1;
                for seen in [serde_json::Value::from(text), as_plain_yaml(text)] {
                    assert!(validator.is_valid(&seen), "{path}: the schema rejects {seen}");
                }
            }
        }
    });
    assert!(read > 1_500, "only {read} texts were read");
}

/// A text without quotes, with the type that YAML 1.2's core schema gives it.
fn as_plain_yaml(text: &str) -> serde_json::Value {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | 'e'));
    match text {
        "true" | "True" => true.into(),
        "false" => false.into(),
        _ => text.parse::<serde_json::Number>().ok().filter(|_| is_number).map_or_else(|| text.into(), Into::into),
    }
}
