//! The load on real sockets, as it reaches the model.

use farebox_engine::model::{Excess, Live, RateStage};
use farebox_engine::time::Time;

use super::*;
use crate::scenario::diagnostic::Severity;

/// The smallest scenario with this `live`.
fn with(live: &str) -> String {
    format!(
        "scenario: loaded\nhorizon: 30d\nplans: {{ free: {{}} }}\nconsumers: {{ a: {{ count: 1, plan: free, traffic: {{ rate: 1/h }} }} }}\nlive: {live}\n"
    )
}

fn live(text: &str) -> Live {
    read(&with(text)).scenario.live
}

#[test]
fn a_load_has_a_measured_part_and_a_way_with_what_is_too_much() {
    let plain = live("{}");
    assert_eq!(plain, Live::default());
    assert_eq!(plain.measured(), [Time::START, Time::START + TimeSpan::from_secs(10)]);
    let warmed = live("{ duration: 8s, warm_up: 2s, cool_down: 500ms, in_flight: { beyond: queue } }");
    assert_eq!(warmed.measured().map(|at| at.ns().cast_unsigned()), [2_000, 7_500].map(|ms| ms * 1_000_000));
    assert_eq!((warmed.excess, live("{ in_flight: { beyond: fail } }").excess), (Excess::Queue, Excess::Fail));
    assert_eq!(live("{ closed: { connections: 7 } }").closed, Some(7));
}

#[test]
fn a_rate_in_stages_goes_on_from_where_the_one_before_ended() {
    let staged = live(
        "{ rate: { stages: [ { for: 30s, rate: 1k/s }, { for: 1m, to: 5k/s }, { for: 5s, to: 1k/s }, { for: 10s, rate: 20k/s } ] } }",
    );
    let stage = |secs, from_per_s, to_per_s| RateStage { length: TimeSpan::from_secs(secs), from_per_s, to_per_s };
    assert_eq!(staged.stages, [stage(30, 1e3, 1e3), stage(60, 1e3, 5e3), stage(5, 5e3, 1e3), stage(10, 2e4, 2e4)]);
    assert_eq!((staged.duration, staged.rate_per_s), (TimeSpan::from_secs(105), 425_000.0 / 105.0));
}

/// What is said of a scenario that is wrong.
fn problems(text: &str) -> Vec<String> {
    let rejected = parse("test.yaml", text, Path::new("")).expect_err(text);
    let said = |it: &Diagnostic| (it.severity == Severity::Error).then(|| it.message.clone());
    rejected.diagnostics.iter().filter_map(said).collect()
}

/// Each with what is said of it.
#[test]
fn what_a_load_cannot_be_is_said() {
    for (text, said) in [
        ("{ warm_up: 10s }", "nothing of the load is left to be measured"),
        ("{ duration: 5s, warm_up: 3s, cool_down: 2s }", "nothing of the load is left to be measured"),
        ("{ duration: 5s, rate: { stages: [ { for: 1s, rate: 1/s } ] } }", "a load lasts as long as its stages"),
        ("{ rate: { stages: [ { for: 1s, to: 1/s } ] } }", "the first stage has no rate that it could begin at"),
        ("{ rate: { stages: [] } }", "no stages given"),
        ("{ rate: { stages: [ { for: 1s, rate: 1/s, to: 2/s } ] } }", "`rate`"),
        ("{ rate: { stages: [ { for: 0s, rate: 1/s } ] } }", "`0s`"),
        ("{ closed: { connections: 2 }, connections: 3 }", "a closed load has no `connections` beside its own"),
        (
            "{ closed: { connections: 2 }, in_flight: { at_most: 3 } }",
            "a closed load has no `in_flight` beside its own",
        ),
        ("{ closed: { connections: 2 }, rate: { stages: [ { for: 1s, rate: 1/s } ] } }", "a closed load has no stages"),
        ("{ closed: {} }", "`connections`"),
        ("{ in_flight: { beyond: wait } }", "`wait`"),
    ] {
        let problems = problems(&with(text));
        assert!(problems.iter().any(|problem| problem.contains(said)), "{text}: {problems:?}");
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    }
}
