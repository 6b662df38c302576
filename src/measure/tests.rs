//! Measures of outcomes that are written down by hand, and what thresholds make of them.

use farebox_engine::draw::Chance;
use farebox_engine::model::{Arrivals, Cohort, Comparison, Errors, Line, Plan, Threshold, Upstream};
use farebox_engine::outcome::{Again, Demand, ListPrice, Nanos};
use farebox_engine::record::Recorder;
use farebox_engine::time::{DAY, Span};

use super::judge::{Found, judge};
use super::*;

/// Two cohorts on two plans: `a` was refused 3 of 10 calls, `b` none of 10.
fn scenario() -> Scenario {
    let mut scenario = Scenario::new("measured", Span::from_ns(30 * DAY));
    for (index, (plan, cohort)) in [("free", "a"), ("pro", "b")].into_iter().enumerate() {
        scenario.plans.push(Plan::new(plan));
        let arrivals = Arrivals::Poisson { mean_gap_ns: DAY as f64, spread: None };
        scenario.cohorts.push(Cohort { plan: index, ..Cohort::new(cohort, 100, arrivals) });
    }
    scenario
}

fn route(served: u64, refused: &[(&str, u64)]) -> RouteOutcome {
    let refused = refused.iter().map(|(cause, calls)| ((*cause).to_owned(), *calls)).collect();
    RouteOutcome { served, refused, ..RouteOutcome::default() }
}

fn outcome(scenario: &Scenario) -> Outcome {
    let everyone = vec![vec![[0, 100]]; 2];
    let mut outcome = Outcome::new(scenario, 30 * DAY, &Recorder::new(2), &everyone);
    let [a, b] = &mut outcome.cohorts[..] else { panic!("two cohorts") };
    a.routes.insert("/x".to_owned(), route(4, &[("quota_exhausted", 1), ("rate_limited", 1)]));
    a.routes.insert("/y".to_owned(), route(3, &[("past_due", 1)]));
    b.routes.insert("/x".to_owned(), route(10, &[]));
    for cohort in [a, b] {
        let (mut served, mut refused) = (0, BTreeMap::new());
        for route in cohort.routes.values() {
            served += route.served;
            refused.extend(route.refused.clone());
        }
        (cohort.served, cohort.refused) = (served, refused);
        cohort.latency = vec![[10, cohort.served - 1], [90, 1]];
        (cohort.latency_sum_ns, cohort.latency_max_ns) = (Nanos(9 * i128::from(cohort.served) + 80), 89);
        cohort.moved = [("invoice".to_owned(), Nanos(7)), ("earn".to_owned(), Nanos(5))].into();
        cohort.counts = [("attempts".to_owned(), 9), ("exhausted".to_owned(), 1), ("left".to_owned(), 4)].into();
        cohort.paid_by_attempt = vec![5, 2, 1];
    }
    outcome
}

fn measured(measure: Measure, selector: &Selector) -> Result<Pair, Unmeasured> {
    let scenario = scenario();
    let outcome = outcome(&scenario);
    let subject = Subject { scenario: &scenario, outcome: &outcome, latency: None, interrupted: false };
    subject.measure(measure, selector).map(|measured| measured.value)
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what a measure returns")]
fn pair(parts: i128, of: i128) -> Result<Pair, Unmeasured> {
    Ok(Pair { parts, of })
}

#[expect(clippy::unnecessary_wraps, reason = "labels are optional, and this is one that is there")]
fn some(name: &str) -> Option<String> {
    Some(name.to_owned())
}

/// Cause, kind and status narrow what is counted; cohort, plan and route also what it is a share of.
#[test]
fn labels_narrow_the_numerator_or_both() {
    let all = Selector::default;
    let refusals = |selector: Selector| measured(Measure::Refusals(Number::Rate), &selector);
    assert_eq!(refusals(all()), pair(3, 20));
    assert_eq!(refusals(Selector { kind: Some("billing"), ..all() }), pair(2, 20));
    assert_eq!(refusals(Selector { cause: Some("past_due"), ..all() }), pair(1, 20));
    assert_eq!(refusals(Selector { status: Some(429), ..all() }), pair(1, 20));
    assert_eq!(refusals(Selector { cohort: some("a"), ..all() }), pair(3, 10));
    assert_eq!(refusals(Selector { plan: some("pro"), ..all() }), pair(0, 10));
    assert_eq!(refusals(Selector { routes: Some(vec!["/y".into()]), ..all() }), pair(1, 4));
    let calls = |number, selector: Selector| measured(Measure::Calls(number), &selector);
    assert_eq!(calls(Number::Count, all()), pair(20, 1));
    assert_eq!(calls(Number::Rate, Selector { outcome: Some(Became::Served), ..all() }), pair(17, 20));
    assert_eq!(calls(Number::Count, Selector { status: Some(200), cohort: some("a"), ..all() }), pair(7, 1));
    assert_eq!(calls(Number::Count, Selector { kind: Some("limit"), ..all() }), pair(1, 1));
    assert_eq!(measured(Measure::Failures(Number::Rate), &all()), pair(0, 20));
}

/// Nine attempts at five calls: three served of which two at a second attempt, one given up after two refusals, one after a
/// refusal and a failure.
fn retried(scenario: &Scenario) -> Outcome {
    let mut outcome = outcome(scenario);
    let limited = |attempts: u64| [("rate_limited".to_owned(), attempts)].into();
    let again = Again { refused: limited(4), recovered: 2, ..Again::default() };
    let failures = [(failed_as("api", Cause::UpstreamError, 500), 1)].into();
    let route = RouteOutcome { served: 3, failed: 1, failures, refused: limited(5), again, ..RouteOutcome::default() };
    let cohort = &mut outcome.cohorts[0];
    (cohort.served, cohort.failed, cohort.refused) = (3, 1, limited(5));
    (cohort.retried, cohort.recovered) = (4, 2);
    cohort.routes = [("/x".to_owned(), route)].into();
    outcome
}

/// Attempts are counted one by one, calls by how their last attempt ended; the shares of each are of their own whole.
#[test]
fn calls_are_counted_by_their_last_attempt() {
    let scenario = scenario();
    let outcome = retried(&scenario);
    let subject = Subject { scenario: &scenario, outcome: &outcome, latency: None, interrupted: false };
    let of = |measure, labels: Selector| {
        let selector = Selector { cohort: some("a"), ..labels };
        subject.measure(measure, &selector).map(|measured| measured.value)
    };
    let all = Selector::default;
    let ended = |outcome| Selector { outcome: Some(outcome), ..all() };
    assert_eq!(of(Measure::Attempts(Number::Count), all()), pair(9, 1));
    assert_eq!(of(Measure::Calls(Number::Count), all()), pair(5, 1));
    assert_eq!(of(Measure::Refusals(Number::Rate), all()), pair(5, 9));
    assert_eq!(of(Measure::Attempts(Number::Rate), ended(Became::Served)), pair(3, 9));
    for (outcome, calls) in
        [(Became::Served, 3), (Became::Refused, 1), (Became::Failed, 1), (Became::Recovered, 2), (Became::Abandoned, 2)]
    {
        assert_eq!(of(Measure::Calls(Number::Rate), ended(outcome)), pair(calls, 5), "{outcome:?}");
    }
    let limited = |outcome| Selector { kind: Some("limit"), outcome, ..all() };
    assert_eq!(of(Measure::Calls(Number::Count), limited(None)), pair(1, 1));
    assert_eq!(of(Measure::Calls(Number::Count), limited(Some(Became::Abandoned))), pair(1, 1));
    assert_eq!(of(Measure::Attempts(Number::Count), limited(None)), pair(5, 1));
    let ok = Selector { status: Some(200), outcome: Some(Became::Recovered), ..all() };
    assert_eq!(of(Measure::Calls(Number::Count), ok), pair(2, 1));
    let never = Selector { status: Some(429), cause: Some("past_due"), ..all() };
    assert_eq!(
        of(Measure::Refusals(Number::Count), never),
        Err("`past_due` is answered with 402, not with 429".to_owned())
    );
}

fn failed_as(upstream: &str, cause: Cause, status: u16) -> FailedAs {
    FailedAs { upstream: upstream.to_owned(), cause: cause.name().to_owned(), status }
}

/// Failures of an upstream are those at its hop, of all attempts that came to it: what failed before it did not, and of
/// what is not answered nobody knows. Without `failures` they are of all calls for the routes that come to it; without
/// `outcome` the label says only which routes are meant.
#[test]
fn an_upstream_narrows_what_failed_there() {
    let scenario = on_the_way_of(&["store", "ranker", "cache"]);
    let mut outcome = outcome(&scenario);
    let failing = RouteOutcome {
        failed: 6,
        failures: [
            (failed_as("ranker", Cause::Upstream402, 402), 1),
            (failed_as("ranker", Cause::UpstreamError, 503), 2),
            (failed_as("store", Cause::Upstream402, 402), 2),
            (failed_as("cache", Cause::UpstreamError, 500), 1),
        ]
        .into(),
        in_flight: 4,
        ..route(14, &[("past_due", 5)])
    };
    outcome.cohorts[1].routes.insert("/z".to_owned(), failing);
    let subject = Subject { scenario: &scenario, outcome: &outcome, latency: None, interrupted: false };
    let at = |upstream, measure, outcome| {
        let (upstream, routes) = (some(upstream), Some(vec!["/z".to_owned()]));
        subject.measure(measure, &Selector { upstream, routes, outcome, ..Selector::default() }).unwrap().value
    };
    let of = |measure, outcome| at("ranker", measure, outcome);
    assert_eq!(of(Measure::Failures(Number::Count), None), Pair::whole(3));
    for (upstream, parts, of) in [("store", 2, 20), ("ranker", 3, 18), ("cache", 1, 15)] {
        assert_eq!(at(upstream, Measure::Failures(Number::Rate), None), Pair { parts, of });
    }
    assert_eq!(of(Measure::Attempts(Number::Rate), Some(Became::Failed)), Pair { parts: 3, of: 29 });
    assert_eq!(of(Measure::Calls(Number::Count), Some(Became::Failed)), Pair::whole(3));
    assert_eq!(of(Measure::Calls(Number::Count), None), Pair::whole(29));
}

/// With a route `/z` whose calls come to these upstreams, one after the other; the first calls the others.
fn on_the_way_of(upstreams: &[&str]) -> Scenario {
    let mut scenario = scenario();
    let mut names: Vec<&str> = upstreams.to_vec();
    names.sort_unstable();
    names.dedup();
    let index = |name: &str| names.iter().position(|known| *known == name).unwrap();
    scenario.upstreams = names.iter().map(|name| Upstream::new(name)).collect();
    scenario.upstreams[index(upstreams[0])].calls = upstreams[1..].iter().map(|name| index(name)).collect();
    let path = "/z".to_owned();
    scenario.routes.push(farebox_engine::model::Route { path, upstream: index(upstreams[0]), attributes: Vec::new() });
    scenario
}

/// Failures are counted by the upstream that failed: of one that calls come to before another and after it, nobody can say
/// how many of them came to the other.
#[test]
fn what_fails_before_and_after_an_upstream_is_not_guessed() {
    let scenario = on_the_way_of(&["front", "store", "ranker", "store"]);
    let mut outcome = outcome(&scenario);
    let selector = Selector { upstream: some("ranker"), routes: Some(vec!["/z".to_owned()]), ..Selector::default() };
    let rate = |outcome: &Outcome| {
        let subject = Subject { scenario: &scenario, outcome, latency: None, interrupted: false };
        subject.measure(Measure::Failures(Number::Rate), &selector).map(|measured| measured.value)
    };
    let none = "no call was made for `/z`, the routes that come to the upstream `ranker`";
    assert_eq!(rate(&outcome), Err(none.to_owned()));
    outcome.cohorts[1].routes.insert("/z".to_owned(), route(0, &[("past_due", 5)]));
    assert_eq!(rate(&outcome), Err("of the calls for `/z`, none came to the upstream `ranker`".to_owned()));
    let failed_at = |upstream| (failed_as(upstream, Cause::UpstreamError, 500), 1);
    let failures = [failed_at("ranker")].into();
    outcome.cohorts[1].routes.insert("/z".to_owned(), RouteOutcome { failed: 1, failures, ..route(9, &[]) });
    assert_eq!(rate(&outcome), pair(1, 10));
    let failures = [failed_at("ranker"), failed_at("store")].into();
    outcome.cohorts[1].routes.insert("/z".to_owned(), RouteOutcome { failed: 2, failures, ..route(9, &[]) });
    let both = "`/z` comes to `store` before `ranker` and after it, and what failed there is not told apart";
    assert_eq!(rate(&outcome), Err(both.to_owned()));
}

/// Causes, kinds and statuses tell failures apart as they do refusals; a status alone takes both in.
#[test]
fn failures_are_told_apart_by_cause_and_status() {
    let mut scenario = scenario();
    let mut ranker = Upstream::new("ranker");
    let half = Chance::of(1, 2);
    ranker.errors = Errors::of([(402, half), (503, half)]).unwrap();
    scenario.upstreams.push(ranker);
    let mut outcome = outcome(&scenario);
    let failing = RouteOutcome {
        failed: 5,
        failures: [
            (failed_as("ranker", Cause::Upstream402, 402), 1),
            (failed_as("ranker", Cause::UpstreamError, 503), 2),
            (failed_as("store", Cause::Upstream402, 402), 2),
        ]
        .into(),
        ..route(15, &[("past_due", 4)])
    };
    outcome.cohorts[1].routes.insert("/z".to_owned(), failing);
    outcome.cohorts[1].failed = 5;
    let subject = Subject { scenario: &scenario, outcome: &outcome, latency: None, interrupted: false };
    let of = |measure, selector: Selector| {
        let routes = Some(vec!["/z".to_owned()]);
        subject.measure(measure, &Selector { routes, ..selector }).map(|measured| measured.value)
    };
    let count = |measure: fn(Number) -> Measure, selector| of(measure(Number::Count), selector).map(|pair| pair.parts);
    let all = Selector::default;
    let unpaid = || Selector { cause: Some("upstream_402"), ..all() };
    assert_eq!(count(Measure::Failures, unpaid()), Ok(3));
    assert_eq!(of(Measure::Failures(Number::Rate), unpaid()), Ok(Pair { parts: 3, of: 24 }));
    assert_eq!(count(Measure::Attempts, unpaid()), Ok(3));
    assert_eq!(count(Measure::Failures, Selector { upstream: some("ranker"), ..unpaid() }), Ok(1));
    assert_eq!(count(Measure::Attempts, Selector { upstream: some("ranker"), ..unpaid() }), Ok(1));
    assert_eq!(count(Measure::Calls, Selector { kind: Some("upstream"), ..all() }), Ok(5));
    assert_eq!(count(Measure::Calls, Selector { kind: Some("billing"), ..all() }), Ok(4));
    // Whoever said it: the gateway four times, an upstream three times.
    assert_eq!(count(Measure::Attempts, Selector { status: Some(402), ..all() }), Ok(7));
    assert_eq!(count(Measure::Refusals, Selector { status: Some(402), ..all() }), Ok(4));
    assert_eq!(count(Measure::Failures, Selector { status: Some(503), ..all() }), Ok(2));
    let never = |selector| count(Measure::Attempts, selector).unwrap_err();
    assert_eq!(never(Selector { status: Some(500), ..unpaid() }), "`upstream_402` is never answered with 500");
    assert_eq!(never(Selector { status: Some(504), ..all() }), "the gateway answers nothing with the status 504");
}

#[test]
fn first_tokens_are_read_off_the_outcome_or_the_load() {
    let (scenario, all) = (scenario(), Selector::default());
    let mut outcome = outcome(&scenario);
    let p50 = Measure::FirstToken(Statistic::Quantile(500));
    let nothing =
        Subject { scenario: &scenario, outcome: &outcome, latency: None, interrupted: false }.measure(p50, &all);
    assert_eq!(nothing, Err("no answer was streamed".to_owned()));
    outcome.cohorts[0].first_token = vec![[7, 3], [9, 1]];
    let subject = |latency| Subject { scenario: &scenario, outcome: &outcome, latency, interrupted: false };
    assert_eq!(subject(None).measure(p50, &all).unwrap().value, Pair::whole(7));
    let load = [(FIRST_TOKEN, Latency::of_buckets(vec![[11, 1], [13, 5]]))].into();
    assert_eq!(subject(Some(&load)).measure(p50, &all).unwrap().value, Pair::whole(13));
    assert_eq!(subject(Some(&BTreeMap::new())).measure(p50, &all), Err("no answer was streamed".to_owned()));
}

/// A scenario that answers another status for a cause moves the cause there.
#[test]
fn a_status_is_the_one_that_the_gateway_answers() {
    let mut scenario = scenario();
    scenario.gateway.refusals = vec![("quota_exhausted", 429)];
    let outcome = outcome(&scenario);
    let subject = Subject { scenario: &scenario, outcome: &outcome, latency: None, interrupted: false };
    let refused = |status| {
        let selector = Selector { status: Some(status), ..Selector::default() };
        subject.measure(Measure::Refusals(Number::Count), &selector).map(|measured| measured.value.parts)
    };
    assert_eq!((refused(429), refused(402)), (Ok(2), Ok(1)));
    assert!(refused(418).is_err());
}

#[test]
fn money_latency_and_collecting_are_read_off_the_outcome() {
    let all = Selector::default();
    assert_eq!(measured(Measure::Revenue("invoiced"), &all), pair(14, 1));
    assert_eq!(measured(Measure::Revenue("earned"), &Selector { cohort: some("b"), ..all.clone() }), pair(5, 1));
    assert_eq!(measured(Measure::Latency(Statistic::Quantile(500)), &all), pair(10, 1));
    assert_eq!(measured(Measure::Latency(Statistic::Max), &all), pair(89, 1));
    assert_eq!(measured(Measure::Latency(Statistic::Mean), &all), pair(9 * 17 + 2 * 80, 17));
    assert_eq!(measured(Measure::Dunning(Collected::Attempts), &all), pair(18, 1));
    assert_eq!(measured(Measure::Dunning(Collected::Recovered), &all), pair(6, 8));
    assert_eq!(measured(Measure::Churn(Number::Rate), &all), pair(8, 200));
    assert_eq!(measured(Measure::Balanced, &all), pair(1, 1));
}

#[test]
fn what_not_paying_comes_to_is_read_off_the_outcome() {
    let (scenario, all) = (scenario(), Selector::default());
    let mut outcome = outcome(&scenario);
    let of = |outcome: &Outcome, measure| {
        let subject = Subject { scenario: &scenario, outcome, latency: None, interrupted: false };
        subject.measure(measure, &all).map(|measured| measured.value)
    };
    let (mean, p50) = (Statistic::Mean, Statistic::Quantile(500));
    assert_eq!(of(&outcome, Measure::Dunning(Collected::DaysBlocked)), pair(0, DAY.into()));
    assert!(of(&outcome, Measure::TimeToRecovery(mean)).is_err() && of(&outcome, Measure::FirstSuccess(p50)).is_err());
    assert_eq!(of(&outcome, Measure::RefusedDemand(Demanded::Value)), pair(0, 1));
    for (cohort, n) in outcome.cohorts.iter_mut().zip([1, 3]) {
        cohort.dunned.blocked_ns = Nanos(i128::from(n * DAY / 2));
        cohort.dunned.recovered_by_day = vec![0, n, 0, n + 1];
        cohort.dunned.recovered_ns = Nanos(7);
        cohort.first_success = vec![[5, n], [8, 9]];
        cohort.counts.insert("blocked".to_owned(), n);
        cohort.counts.insert("not_back".to_owned(), 2 * n);
        let row = |price| Demand { plan: "pro".into(), version: 0, meter: "requests".into(), units: n, price };
        cohort.refused_demand = vec![row(Some(ListPrice { amount: Nanos(5), per: 2 })), row(None)];
    }
    assert_eq!(of(&outcome, Measure::Dunning(Collected::DaysBlocked)), pair(i128::from(2 * DAY), DAY.into()));
    assert_eq!(of(&outcome, Measure::Dunning(Collected::Blocked)), pair(4, 1));
    assert_eq!(of(&outcome, Measure::TimeToRecovery(mean)), pair(14, 10));
    assert_eq!(of(&outcome, Measure::TimeToRecovery(p50)), pair(3 * i128::from(DAY), 1));
    assert_eq!((of(&outcome, Measure::FirstSuccess(p50)), of(&outcome, Measure::NotBack)), (pair(8, 1), pair(8, 1)));
    // 2.5 and 7.5, each to the even neighbour.
    assert_eq!(of(&outcome, Measure::RefusedDemand(Demanded::Value)), pair(2 + 8, 1));
    assert_eq!(of(&outcome, Measure::RefusedDemand(Demanded::Unpriced)), pair(4, 1));
    // The last place is no day, and units without any price are not worth nothing.
    for cohort in &mut outcome.cohorts {
        cohort.dunned.recovered_by_day = vec![0; 90];
        cohort.dunned.recovered_by_day.push(1);
        cohort.refused_demand.remove(0);
    }
    assert!(of(&outcome, Measure::TimeToRecovery(p50)).is_err());
    assert_eq!(
        of(&outcome, Measure::RefusedDemand(Demanded::Value)),
        Err("what was refused has no list price".to_owned())
    );
}

#[test]
fn over_nothing_there_is_no_measure() {
    let selector = |cohort: &str, route: &str| Selector {
        cohort: some(cohort),
        routes: Some(vec![route.to_owned()]),
        ..Selector::default()
    };
    for number in [Number::Count, Number::Rate] {
        let nothing = measured(Measure::Refusals(number), &selector("b", "/y"));
        assert_eq!(nothing, Err("no call was made for `/y`".to_owned()));
    }
    assert_eq!(measured(Measure::Balanced, &selector("c", "/x")), Err("no cohort has these labels".to_owned()));
    let refused = Selector { outcome: Some(Became::Refused), ..Selector::default() };
    assert!(measured(Measure::Latency(Statistic::Mean), &refused).is_err());
}

/// What a load measured from the intended start stands in for the outcome's latency.
#[test]
fn the_latency_of_a_load_is_that_from_the_intended_start() {
    let scenario = scenario();
    let outcome = outcome(&scenario);
    let of = |buckets, sum_ns, max_ns| Latency { buckets, sum_ns, max_ns };
    let latency = [("served", of(vec![[200, 3]], 590, 199)), ("refused", of(vec![[30, 2]], 59, 30))].into();
    let subject = Subject { scenario: &scenario, outcome: &outcome, latency: Some(&latency), interrupted: false };
    let at = |selector: &Selector| subject.measure(Measure::Latency(Statistic::Max), selector).map(|it| it.value.parts);
    assert_eq!(at(&Selector::default()), Ok(199));
    let mean = subject.measure(Measure::Latency(Statistic::Mean), &Selector::default());
    assert_eq!(mean.map(|it| it.value), pair(590, 3));
    assert_eq!(at(&Selector { outcome: Some(Became::Refused), ..Selector::default() }), Ok(30));
    assert!(at(&Selector { outcome: Some(Became::Failed), ..Selector::default() }).is_err());
    assert!(at(&Selector { cohort: some("a"), ..Selector::default() }).is_err());
}

// === Thresholds ===

fn threshold(measure: Measure, comparison: Comparison, parts: i64, of: u64) -> Threshold {
    let line = Line { parts, of };
    Threshold { text: "t".to_owned(), measure, selector: Selector::default(), comparison, line }
}

/// Replications whose cohort `a` was refused so many of ten calls each.
fn replicated(scenario: &Scenario, refused: impl Iterator<Item = u64>) -> Outcome {
    let one = |(number, refused): (u32, u64)| {
        let mut outcome = outcome(scenario).as_replication(1, number);
        for cohort in &mut outcome.cohorts {
            cohort.routes = [("/x".to_owned(), route(10 - refused, &[("past_due", refused)]))].into();
        }
        outcome
    };
    let mut outcomes = (0..).zip(refused).map(one);
    let first = outcomes.next().unwrap();
    outcomes.fold(first, |mut all, next| {
        all.stack(next).unwrap();
        all
    })
}

fn found(outcome: &Outcome, mut scenario: Scenario, threshold: Threshold, strict: bool) -> (Found, bool) {
    scenario.thresholds = vec![threshold];
    let judged = judge(&Subject { scenario: &scenario, outcome, latency: None, interrupted: false }, strict);
    (judged[0].found, judged[0].fails)
}

/// Each way to compare, below, on and above the line, which is met exactly: 3 of 20 are 15 %.
#[test]
fn a_value_on_the_line_is_on_the_line() {
    use Comparison::{Above, AtLeast, AtMost, Below, Equal, Other};
    let scenario = scenario();
    let outcome = outcome(&scenario);
    for (comparison, holds) in [
        (Below, [false, false, true]),
        (AtMost, [false, true, true]),
        (Above, [true, false, false]),
        (AtLeast, [true, true, false]),
        (Equal, [false, true, false]),
        (Other, [true, false, true]),
    ] {
        let of = |parts| threshold(Measure::Refusals(Number::Rate), comparison, parts, 10_000);
        let found = [1_499, 1_500, 1_501].map(|parts| found(&outcome, scenario.clone(), of(parts), false).0);
        assert_eq!(found.map(|found| found == Found::Held), holds, "{comparison:?}");
    }
}

/// The interval of twelve replications around their mean of 30 % takes in 31 %, and not 90 %.
#[test]
fn an_interval_across_the_line_leaves_it_unsettled() {
    let scenario = scenario();
    let outcome = replicated(&scenario, (0..12).map(|r| 2 + r % 3));
    let below = |parts| threshold(Measure::Refusals(Number::Rate), Comparison::Below, parts, 100);
    let of = |parts, strict| found(&outcome, scenario.clone(), below(parts), strict);
    assert_eq!(of(31, false), (Found::Unsettled, false));
    assert_eq!(of(31, true), (Found::Unsettled, true));
    assert_eq!(of(29, false), (Found::Unsettled, true));
    assert_eq!(of(90, true), (Found::Held, false));
    assert_eq!(of(5, false), (Found::Broken, true));
}

#[test]
fn with_fewer_than_ten_replications_there_is_no_interval() {
    let scenario = scenario();
    for (replications, reason) in [(9, Err("fewer than 10 replications")), (10, Ok(()))] {
        let outcome = replicated(&scenario, (0..replications).map(|r| 2 + r % 3));
        let subject = Subject { scenario: &scenario, outcome: &outcome, latency: None, interrupted: false };
        let measured = subject.measure(Measure::Refusals(Number::Rate), &Selector::default()).unwrap();
        assert_eq!(measured.interval.map(|_| ()), reason);
    }
}

/// A load that was cut short has played all consumers, each for a part of the time.
#[test]
fn an_interrupted_load_has_no_interval() {
    let scenario = scenario();
    let outcome = replicated(&scenario, (0..12).map(|r| 2 + r % 3));
    let interval = |interrupted| {
        let subject = Subject { scenario: &scenario, outcome: &outcome, latency: None, interrupted };
        subject.measure(Measure::Refusals(Number::Rate), &Selector::default()).unwrap().interval
    };
    assert!(interval(false).is_ok());
    assert_eq!(interval(true), Err("the run is partial"));
}

#[test]
fn what_was_not_measured_fails_and_says_why() {
    let scenario = scenario();
    let mut outcome = outcome(&scenario);
    outcome.cohorts.iter_mut().for_each(|cohort| cohort.routes.clear());
    let of = threshold(Measure::Refusals(Number::Count), Comparison::Equal, 0, 1);
    assert_eq!(found(&outcome, scenario, of, false), (Found::NotMeasured, true));
}

#[test]
fn what_webhooks_come_to_is_read_off_the_outcome() {
    let (scenario, all) = (scenario(), Selector::default());
    let mut outcome = outcome(&scenario);
    let of = |outcome: &Outcome, measure| {
        let subject = Subject { scenario: &scenario, outcome, latency: None, interrupted: false };
        subject.measure(measure, &all).map(|measured| measured.value)
    };
    let nothing = of(&outcome, Measure::Webhooks(ByWebhook::Unheard));
    assert_eq!(nothing, Err("nothing was told by webhook".to_owned()));
    assert!(of(&outcome, Measure::TimeToHear(Statistic::Mean)).is_err());
    for (cohort, n) in outcome.cohorts.iter_mut().zip([1, 3]) {
        for (name, times) in [("events", 9), ("deliveries", 8), ("duplicates", 7), ("reconciled", 6), ("unheard", 5)] {
            cohort.counts.insert(name.to_owned(), n * times);
        }
        cohort.heard.late = vec![[5, n], [8, 9]];
        cohort.heard.late_ns = Nanos(70);
        cohort.heard.late_max_ns = 7;
        cohort.heard.wrongly_blocked_ns = Nanos(i128::from(n));
        cohort.heard.wrongly_served_ns = Nanos(i128::from(2 * n));
    }
    let counted = [ByWebhook::Deliveries, ByWebhook::Duplicates, ByWebhook::Reconciled, ByWebhook::Unheard];
    let times = [ByWebhook::WronglyBlocked, ByWebhook::WronglyServed];
    for (what, expected) in counted.into_iter().chain(times).zip([32, 28, 24, 20, 4, 8]) {
        assert_eq!(of(&outcome, Measure::Webhooks(what)), pair(expected, 1), "{what:?}");
    }
    assert_eq!(of(&outcome, Measure::TimeToHear(Statistic::Mean)), pair(140, 22));
    assert_eq!(of(&outcome, Measure::TimeToHear(Statistic::Quantile(500))), pair(7, 1));
}
