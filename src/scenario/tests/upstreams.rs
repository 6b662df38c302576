//! Upstreams that call each other, and those that generate: what they are in the model, and what is wrong with some.

use farebox_engine::distribution::Z99;
use farebox_engine::model::{Generates, Scenario};

use super::lowered::{said, scenario};
use super::*;

const TRAFFIC: &str = "traffic: { rate: 1/h }";

const CHAIN: &str = "routes: { /a: {}, /b: { upstream: ranker } }
upstreams:
  search: { latency: 1ms, calls: [ ranker, store, ranker ] }
  ranker: { latency: 2ms, calls: [ store ] }
  store: { latency: 4ms, capacity: 3 }
";

fn path(scenario: &Scenario, route: usize) -> Vec<&str> {
    scenario.path(route).iter().map(|hop| scenario.upstreams[hop.upstream].name.as_str()).collect()
}

#[test]
fn upstreams_call_each_other_by_name() {
    let made = scenario("", TRAFFIC, CHAIN);
    assert_eq!(path(&made, 0), ["search", "ranker", "store", "store", "ranker", "store"]);
    assert_eq!(path(&made, 1), ["ranker", "store"]);
    assert!(made.is_shared());
    assert!(!scenario("", TRAFFIC, &CHAIN.replace(", capacity: 3", "")).is_shared());
}

#[test]
fn what_no_call_comes_to_is_warned_of() {
    let text = |more: &str| format!("{HELLO}{more}");
    let warned = |more: &str| -> Vec<_> { read(&text(more)).warnings.into_iter().map(|it| it.message).collect() };
    assert_eq!(warned(CHAIN), [""; 0]);
    let alone = CHAIN.replace(", calls: [ store ]", "").replace("ranker, store, ranker", "ranker");
    assert_eq!(warned(&alone), ["no call comes to the upstream `store`"]);
}

/// A chat's defaults, each of which can be written; its tokens are counted by a meter of their own.
#[test]
fn a_model_takes_its_time_from_its_tokens() {
    let with = |upstream: &str| {
        let more = format!(
            "routes: {{ /: {{ attributes: {{ output_tokens: 200 }} }} }}\nupstreams: {{ llm: {{ {upstream} }} }}\n"
        );
        scenario("", TRAFFIC, &more)
    };
    let chat = with("preset: chat, streaming: true");
    let llm = &chat.upstreams[0];
    assert_eq!(llm.latency, Distribution::log_normal(300e6, 1_200e6, Z99));
    assert_eq!((llm.generates, llm.streams), (Some(Generates { meter: 1, per_second: 80.0 }), true));
    assert_eq!(
        (chat.meters[1].name.as_str(), &chat.meters[1].sum[..]),
        ("output_tokens", &["output_tokens".to_owned()][..])
    );
    let written = with("preset: chat, first_token: 1s, tokens_per_second: 25");
    assert_eq!(written.upstreams[0].latency, Distribution::Constant(1e9));
    assert_eq!(written.upstreams[0].generates, Some(Generates { meter: 1, per_second: 25.0 }));
}

/// The default is what its description says.
#[test]
fn the_preset_is_as_documented() {
    let documented = "`first_token: { p50: 300ms, p99: 1200ms }` and `tokens_per_second: 80`";
    let schema = schema().to_string();
    assert!(schema.contains(documented), "{documented}");
}

#[test]
fn what_generates_needs_to_know_how_much() {
    let more = "routes: { /chat: { upstream: llm }, /search: { upstream: plain } }
upstreams: { plain: { latency: 1ms }, llm: { preset: chat } }
";
    assert_eq!(
        said("", TRAFFIC, more),
        ["how long `llm` takes depends on `output_tokens`, which the calls of `/chat` do not carry"]
    );
}

/// Of a chain the failures at one upstream are told, as a share of all for the routes that come to it.
#[test]
fn a_threshold_of_an_upstream_is_of_the_routes_that_come_to_it() {
    let of = |upstream: &str| {
        let made =
            scenario("", TRAFFIC, &format!("{CHAIN}thresholds: [ 'failures{{upstream={upstream}}}.rate < 1%' ]\n"));
        let selector = made.thresholds[0].selector.clone();
        assert_eq!(selector.upstream.as_deref(), Some(upstream));
        selector.routes.unwrap()
    };
    assert_eq!((of("search"), of("ranker")), (vec!["/a".to_owned()], vec!["/a".to_owned(), "/b".to_owned()]));
}
