//! Files as people write them, right and wrong.

use std::num::NonZeroU32;

use super::*;
use crate::chat::Told;

#[test]
fn every_key_arrives() {
    let text = "
services:
  default: { latency: 5ms }
  search:
    latency: { p50: 30ms, p99: 250ms }
    errors: { 402: 1%, 500: 0.2% }
    faults: { stall: 0.1%, cut: 2% }
    capacity: 4
    body_bytes: 4096
    calls: [ranker, ranker]
  ranker: { errors: 3%, latency: 'p50=1ms,p95=2ms' }
  model:
    latency: 7ms
    chat: { first_token: 300ms, tokens_per_second: 40, output_tokens: { p50: 10, p99: 20 }, usage: zero }
  small: { latency: 7ms, chat: }
";
    let config = Config::parse(text).unwrap();
    let search = ServiceSpec {
        latency: "p50=30ms,p99=250ms".parse().unwrap(),
        errors: "402=1%,500=0.2%".parse().unwrap(),
        faults: "stall=0.1%,cut=2%".parse().unwrap(),
        capacity: NonZeroU32::new(4),
        body_bytes: 4096,
        calls: vec!["ranker".to_owned(); 2],
        ..ServiceSpec::default()
    };
    assert_eq!(config.services["search"], search);
    assert_eq!(config.services["ranker"].errors, "3%".parse().unwrap());
    let model = ChatSpec {
        first_token: "300ms".parse().unwrap(),
        pace: Some("40".parse().unwrap()),
        output_tokens: "p50=10,p99=20".parse().unwrap(),
        told: Told::Zero,
    };
    assert_eq!(config.services["model"].chat, Some(model));
    let small = ChatSpec { first_token: "7ms".parse().unwrap(), ..ChatSpec::default() };
    assert_eq!(config.services["small"].chat, Some(small));

    let (default, others) = config.seeded(7);
    assert_eq!((default.latency, default.seed), ("5ms".parse().unwrap(), 7));
    assert!(!others.contains_key("default"));
    let mut seeds: Vec<_> = others.values().map(|spec| spec.seed).collect();
    seeds.sort_unstable();
    assert!(seeds.windows(2).all(|pair| pair[0] != pair[1]) && !seeds.contains(&7), "{seeds:x?}");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let cases = [
        ("", "1:1: the file is empty"),
        ("[]", "1:1: expected `services: { NAME: … }`"),
        ("service: {}", "1:1: unknown key `service`: expected `services`"),
        ("services: {}", "1:11: expected at least one service"),
        ("services:\n  a: 5ms", "2:6: expected what the service is like"),
        ("services:\n  a b: {}", "2:3: `a b` cannot name a service"),
        ("services:\n  v1: {}", "2:3: `v1` cannot name a service"),
        ("services:\n  a: { latenci: 5ms }", "2:8: unknown key `latenci`: expected latency, errors"),
        ("services:\n  a: { latency: 5 }", "2:17: `5` is not a duration"),
        ("services:\n  a: { latency: [5] }", "2:17: expected a single value"),
        ("services:\n  a: { latency: 5ms, latency: 6ms }", "2:22: the key `latency` is given twice"),
        ("services:\n  a: { errors: { 200: 1% } }", "2:16: `200=1%` is not a status"),
        ("services:\n  a: { faults: { slow: 1% } }", "2:16: `slow=1%` is not a fault"),
        ("services:\n  a: { capacity: 0 }", "2:18: `0` is not a number of requests, at least 1"),
        ("services:\n  a: { body_bytes: 3 }", "2:20: expected a number of bytes from 11 to"),
        ("services:\n  a: { calls: b }", "2:15: expected services to call"),
        ("services:\n  a: { calls: [b] }", "2:3: `a` calls `b`, which is none of the other named services"),
        ("services:\n  default: {}\n  a: { calls: [default] }", "3:3: `a` calls `default`, which is none"),
        ("services:\n  a: { calls: [b] }\n  b: { calls: [a] }", "2:3: `a` comes to call itself"),
        ("services:\n  a: { calls: [b], chat: {} }\n  b: {}", "2:3: a service that completes chats calls no others"),
        ("services:\n  a: { chat: { usage: none } }", "2:23: expected normal, absent, zero or cut"),
        ("services:\n  a: { chat: { model: m } }", "2:16: unknown key `model`: expected first_token"),
        ("services:\n  a: &x {}\n  b: *x", "3:6: aliases are not supported"),
        ("services:\n  a: !x {}", "tags are not supported"),
        ("services:\n  a: {", "this is not valid YAML"),
        ("services: {a: {}}\n---\n", "2:1: a second document starts here"),
        (&"[".repeat(40), "nested more than 16 levels deep"),
    ];
    for (text, message) in cases {
        let error = Config::parse(text).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
    let services = |count: u32| {
        format!("services:\n{}", (0..count).map(|n| format!("  s{n}: {{}}\n")).collect::<Vec<_>>().concat())
    };
    assert!(Config::parse(&services(1_000)).is_ok());
    let many = Config::parse(&services(1_001)).unwrap_err().to_string();
    assert_eq!(many, "1002:3: more than 1000 keys in one map");
    let deep = Config::parse(&"[".repeat(MAX_BYTES)).unwrap_err().to_string();
    assert!(deep.contains("levels deep") || deep.contains("not valid YAML"), "{deep}");
    let wide = format!("services:\n  a: {{ calls: [{}] }}\n  b: {{}}", "b, ".repeat(300_000));
    assert!(Config::parse(&wide).unwrap_err().to_string().starts_with("2:3: a service calls at most 15 others"));
    let long = format!("# {}", "x".repeat(MAX_BYTES));
    assert!(Config::parse(&long).unwrap_err().to_string().contains("more than 1048576 bytes"));
}

/// Each calls the next one twice: 2⁵ − 1 hops.
#[test]
fn a_way_is_no_longer_than_a_command_may_say() {
    let calls = |services: u32| {
        let lines: Vec<_> = (1..services).map(|n| format!("  s{n}: {{ calls: [s{0}, s{0}] }}\n", n + 1)).collect();
        let lines = lines.concat();
        Config::parse(&format!("services:\n{lines}  s{services}: {{}}\n")).map_err(|error| error.to_string())
    };
    assert!(calls(4).is_ok());
    assert_eq!(calls(5), Err("2:3: a request to `s1` takes 31 hops: 16 are the most".to_owned()));
    assert!(calls(200).unwrap_err().contains("hops: 16 are the most"));
}

#[test]
fn the_file_in_the_documentation_is_right() {
    let documentation = include_str!("../../../docs/UPSTREAMS.md");
    let blocks: Vec<_> = documentation.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 1);
    let config = Config::parse(blocks[0]).unwrap();
    assert_eq!(config.services["search"].calls, ["ranker", "store"]);
}
