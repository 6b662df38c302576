//! What `tests/clients/cases.json` says of client libraries is what the presets do. `tests/clients/compare.py` holds the
//! same cases against the libraries themselves.

use std::fs;

use farebox_engine::model::{Client, Method};
use farebox_engine::time::Span;
use farebox_engine::world::client::{Answered, Attempts, Budget, next_attempt};
use serde_json::Value;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/cases.json");

fn answered(answer: &Value) -> Answered {
    let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
    Answered {
        retry_after: answer["retry_after_s"].as_u64().map(Span::from_secs),
        should_retry: answer["should_retry"].as_bool(),
        ..Answered::status(status)
    }
}

/// The least and the longest wait before each retry, in ms; the last answer comes again and again.
fn waits(client: &Client, answers: &[Answered]) -> Vec<[u64; 2]> {
    let wait = |made: usize, word| {
        let attempts = Attempts { made: u32::try_from(made).unwrap(), since: Span::ZERO };
        let answered = &answers[made.min(answers.len()) - 1];
        let wait = next_attempt(client, answered, attempts, &mut Budget::new(client), word)?;
        Some((wait.ns() + 500_000) / 1_000_000)
    };
    (1..20).map_while(|made| Some([wait(made, 0)?, wait(made, u64::MAX)?])).collect()
}

#[test]
fn presets_retry_as_the_cases_for_the_real_libraries_say() {
    let cases: Value = serde_json::from_str(&fs::read_to_string(CASES).unwrap()).unwrap();
    let cases = cases.as_array().unwrap();
    for case in cases {
        let mut client = Client::preset(case["client"].as_str().unwrap()).unwrap();
        client.retry.method = if case["method"] == "GET" { Method::Get } else { Method::Post };
        let answers: Vec<_> = case["answers"].as_array().unwrap().iter().map(answered).collect();
        let expected: Vec<[u64; 2]> = serde_json::from_value(case["waits_ms"].clone()).unwrap();
        assert_eq!(waits(&client, &answers), expected, "{case}");
    }
    assert!(cases.len() > 90);
}
