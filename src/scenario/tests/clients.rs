//! What consumers' software does with a failed call: the written-out form, and that each preset has one.

use farebox_engine::model::{Client, Delay, Failures, On402};
use farebox_engine::time::{SECOND, Span};

use super::*;
use crate::scenario::keys::CLIENT;
use crate::scenario::lower::client::written_out;

/// What a map of the client's keys becomes, and the messages about it.
fn read(pairs: &[node::Pair]) -> (Option<Client>, Problems) {
    let mut problems = Problems::default();
    let owner = pairs[0].0.span;
    let fields = reader::Reader { currency: None, problems: &mut problems }.map(&CLIENT, owner, pairs);
    let client = written_out(&fields, &mut problems);
    (client, problems)
}

fn parse(yaml: &str) -> Vec<node::Pair> {
    let mut problems = Problems::default();
    match node::parse(yaml, &mut problems).unwrap().value {
        node::Node::Map(pairs) => pairs,
        other => panic!("{other:?}"),
    }
}

fn client(yaml: &str) -> Client {
    let (client, problems) = read(&parse(yaml));
    assert!(!problems.has_errors(), "{yaml}");
    client.unwrap()
}

#[test]
fn each_preset_is_what_its_written_out_form_says() {
    let document = include_str!("../../../docs/CLIENTS.md");
    let forms = document.split("```yaml\n").find(|block| block.starts_with("openai-python:")).unwrap();
    let forms = parse(forms.split("```").next().unwrap());
    let mut names = vec!["none"];
    for (name, form) in &forms {
        let node::Node::Map(pairs) = &form.value else { panic!("{}", name.value) };
        let (client, problems) = read(pairs);
        assert!(!problems.has_errors(), "{}", name.value);
        assert_eq!(client, Client::preset(&name.value), "{}", name.value);
        names.push(&name.value);
    }
    assert_eq!(names, Client::PRESETS);
    assert_eq!(client("{ attempts: 1, retry_on: [], delay: 0s, retry_after: ignore }"), Client::none());
}

#[test]
fn every_name_of_a_preset_has_one() {
    for name in Client::PRESETS {
        assert!(Client::preset(name).is_some(), "{name}");
    }
}

#[test]
fn what_becomes_of_402_is_said_in_one_place() {
    let retries = |yaml: &str| client(yaml).retry.on.meets(Failures::PAYMENT_REQUIRED);
    assert!(!retries("{ attempts: 2, retry_on: [4xx] }"));
    assert!(!retries("{ attempts: 2, retry_on: [4xx], on_402: wait_retry_after }"));
    assert!(retries("{ attempts: 2, retry_on: [503], on_402: retry }"));
    assert_eq!(client("{ attempts: 2, on_402: top_up_then_retry }").on_402, On402::TopUpThenRetry);
    assert_eq!(client("{ attempts: 2, on_402: retry }").on_402, On402::Fail);
}

/// A timeout alone makes no client that tries again for ever.
#[test]
fn a_client_waits_as_long_as_it_says() {
    let patient = client("{ timeout: 30s }");
    assert_eq!((patient.timeout, patient.retry.attempts), (Some(Span::from_secs(30)), 1));
    let persistent = client("{ timeout: 1.5s, give_up_after: 1m }");
    assert_eq!((persistent.timeout.map(Span::ns), persistent.retry.attempts), (Some(SECOND * 3 / 2), 10_000));
    assert_eq!(client("{ timeout: 2s, attempts: 4 }").retry.attempts, 4);
    assert_eq!(client("{ attempts: 4 }").timeout, None);
    let (none, problems) = read(&parse("{ timeout: 0s }"));
    assert!(none.is_none() && problems.has_errors());
}

#[test]
fn a_delay_is_a_time_or_grows() {
    let delay = |yaml: &str| client(&format!("{{ attempts: 2, delay: {yaml} }}")).retry.delay;
    assert_eq!(delay("3s"), Delay::constant(Span::from_secs(3)));
    let grown = delay("{ base: 1.5s, first: 0s, factor: 1.5, min: 250ms, max: 1h, jitter: { minus: 10%, plus: 30% } }");
    assert_eq!(grown.first, Some(Span::ZERO));
    assert_eq!((grown.base.ns(), grown.factor), (SECOND * 3 / 2, 1.5));
    assert_eq!((grown.shortest.ns(), grown.longest), (SECOND / 4, Some(Span::from_secs(3_600))));
    assert_eq!((grown.jitter.minus, grown.jitter.plus), (0.1, 0.3));
}
