//! What an outcome measures beside totals: routes, the timeline, sums over consumers; and replications, which stack.

use super::*;
use std::collections::BTreeMap;

use crate::billing::cause::Cause;
use crate::draw;
use crate::model::{Attribute, Client, Delay, Failures, Joined, Limit, Meter, Rate, Retry, Route};
use crate::outcome::{CohortOutcome, MergeError, RouteOutcome};

/// Each route, bucket and consumer is a part of the cohort's totals, which are counted once.
#[test]
fn parts_sum_to_the_totals_of_the_cohort() {
    for_seeds(8_000..8_120, parts_sum);
    for_plain_seeds(8_000..8_120, parts_sum);
}

fn parts_sum(_: u64, world: &World) {
    for cohort in &play_all(world).cohorts {
        let routes = || cohort.routes.values();
        assert_eq!(routes().map(|route| route.served).sum::<u64>(), cohort.served);
        assert_eq!(routes().map(RouteOutcome::offered).sum::<u64>(), cohort.offered());
        assert_eq!(routes().map(|route| route.calls().offered()).sum::<u64>(), cohort.calls());
        let recovered = routes().map(|route| route.again.recovered).sum::<u64>();
        assert_eq!([recovered, cohort.recovery.iter().map(|[_, calls]| calls).sum()], [cohort.recovered; 2]);
        assert!(routes().all(|route| route.again.recovered <= route.calls().served));
        for (cause, refused) in &cohort.refused {
            assert_eq!(routes().filter_map(|route| route.refused.get(cause)).sum::<u64>(), *refused);
        }
        let timeline = &cohort.timeline;
        assert_eq!(timeline.offered.iter().sum::<u64>(), cohort.offered());
        assert_eq!(timeline.served.iter().sum::<u64>(), cohort.served);
        let refused = timeline.refused.iter().map(|(cause, calls)| (cause.clone(), calls.iter().sum::<u64>()));
        assert_eq!(refused.collect::<BTreeMap<_, _>>(), cohort.refused);
        assert_eq!(timeline.invoiced.iter().map(|nanos| nanos.0).sum::<i128>(), invoiced(cohort));
    }
}

fn invoiced(cohort: &CohortOutcome) -> i128 {
    crate::figures::Figures::of(|movement| cohort.moved(movement)).invoiced
}

/// A call counts in the bucket in which it was made, an invoice in the one of its moment; also those of a consumer who
/// makes no call for months.
#[test]
fn what_happened_is_in_the_bucket_of_its_time() {
    let plan = Plan { fee: dollars(3), fee_period: Some(crate::model::Period::Day), ..Plan::new("daily") };
    let mut of = scenario(days(100), plan, Cohort::new("all", 30, poisson(days(20))));
    of.cohorts[0].joined = Joined::Start;
    let world = world(of);
    let outcome = play_all(&world);
    let timeline = &outcome.cohorts[0].timeline;
    assert_eq!((outcome.bucket_ns, timeline.offered.len()), (DAY / 2, 200));
    let mut offered = vec![0; 200];
    for consumer in world.consumers() {
        world.calls(consumer).for_each(|call| offered[(call.at.ns() as u64 / (DAY / 2)) as usize] += 1);
    }
    assert_eq!(timeline.offered, offered);
    // All subscribe at the start, and renew at each midnight.
    let expected: Vec<_> = (0..200).map(|half| if half % 2 == 0 { 90 * i128::from(NANOS) } else { 0 }).collect();
    assert_eq!(timeline.invoiced.iter().map(|nanos| nanos.0).collect::<Vec<_>>(), expected);
}

/// Calls are told apart by route, refused or not.
#[test]
fn routes_are_told_apart() {
    let limits = vec![Limit::TokenBucket { rate: Rate { requests: 1, per: secs(600) }, burst: 1 }];
    let mut scenario =
        scenario(days(5), Plan { limits, ..Plan::new("slow") }, Cohort::new("all", 20, poisson(secs(900))));
    scenario.meters.push(Meter { name: "units".to_owned(), sum: vec!["units".to_owned()] });
    let amount = crate::distribution::Distribution::Constant(7.0);
    let attributes = vec![Attribute { name: "units".to_owned(), amount, most: 7 }];
    scenario.routes.push(Route { path: "/seven".to_owned(), upstream: 0, attributes });
    scenario.cohorts[0].routes = vec![(0, 0.75), (1, 0.25)];
    let outcome = play_all(&world(scenario));
    let cohort = &outcome.cohorts[0];
    let seven = &cohort.routes["/seven"];
    assert_eq!(cohort.usage["units"].served, 7 * seven.served);
    assert_eq!(cohort.usage["units"].refused, 7 * seven.refused[Cause::RateLimited.name()]);
    assert!(seven.served > 0 && cohort.routes["/"].served > seven.served);
}

/// Sums over consumers are those of the consumers played one by one.
#[test]
fn moments_are_sums_over_consumers() {
    let plan = Plan {
        fee: dollars(3),
        fee_period: Some(crate::model::Period::Month),
        usage_period: Some(crate::model::Period::Day),
        allowance: requests(5),
        ..Plan::new("daily")
    };
    let retry =
        Retry { on: Failures::CLIENT, attempts: 2, delay: Delay::constant(secs(3_600)), ..Client::none().retry };
    let client = Client { retry, ..Client::none() };
    let cohort = Cohort { client, ..Cohort::new("all", 25, poisson(secs(14_400))) };
    let world = world(scenario(days(20), plan, cohort));
    let mut expected = [0; 7];
    for index in 0..25 {
        let one = play(&world, &[vec![[index, index + 1]]]);
        let (offered, refused) = (one.cohorts[0].offered(), one.refused(Cause::QuotaExhausted));
        let earned = (one.figures().earned + 500).div_euclid(1_000);
        let (calls, last) = (one.cohorts[0].calls(), one.cohorts[0].routes.values().map(RouteOutcome::calls));
        let unserved = last.map(|route| route.refused.values().sum::<u64>()).sum::<u64>();
        assert!(calls < offered && unserved < refused, "some try again");
        let products = [offered * offered, refused * refused, offered * refused];
        let products = products.into_iter().chain([calls * calls, unserved * unserved, calls * unserved]);
        let products: Vec<_> = products.map(i128::from).chain([earned * earned]).collect();
        expected = std::array::from_fn(|i| expected[i] + products[i]);
    }
    let moments = play_all(&world).cohorts[0].moments.unwrap();
    let found = [
        moments.offered_squares,
        moments.refused_squares,
        moments.offered_refused,
        moments.calls_squares,
        moments.calls_refused_squares,
        moments.calls_calls_refused,
        moments.earned_squares,
    ];
    assert_eq!(found, expected);
    assert!(expected.iter().all(|sum| *sum > 0));
}

/// Who follows another's sign-up is not independent of them.
#[test]
fn consumers_that_hang_together_have_no_moments() {
    let mut of = scenario(days(20), Plan::new("free"), Cohort::new("all", 5, poisson(days(1))));
    assert!(play_all(&world(of.clone())).cohorts[0].moments.is_some());
    of.cohorts[0].joined = Joined::Signups { mean_gap_ns: DAY as f64 };
    assert!(play_all(&world(of)).cohorts[0].moments.is_none());
}

// === Replications ===

fn replication(number: u32, parts: &[Vec<[u32; 2]>]) -> Outcome {
    let plan = Plan { allowance: requests(20), usage_period: Some(crate::model::Period::Month), ..Plan::new("free") };
    let mut scenario = scenario(days(30), plan, Cohort::new("all", 10, poisson(days(1))));
    scenario.seed = draw::replication(402, number);
    play(&world(scenario), parts).as_replication(402, number)
}

fn whole(number: u32) -> Outcome {
    replication(number, &[vec![[0, 10]]])
}

fn stacked<const N: usize>(outcomes: [Outcome; N]) -> Outcome {
    let mut outcomes = outcomes.into_iter();
    let first = outcomes.next().unwrap();
    outcomes.fold(first, |mut sum, next| {
        sum.stack(next).unwrap();
        sum
    })
}

#[test]
fn replications_stack_in_any_order_and_differ() {
    assert_eq!(draw::replication(402, 0), 402);
    let expected = stacked([whole(0), whole(1), whole(2), whole(3)]);
    assert_eq!(stacked([whole(3), whole(1), whole(0), whole(2)]), expected);
    assert_eq!(stacked([stacked([whole(2), whole(0)]), stacked([whole(3), whole(1)])]), expected);
    assert_eq!(expected.replication_count(), 4);
    let counts: Vec<_> = expected.replications().map(|cohorts| cohorts[0].offered()).collect();
    assert_eq!(counts[0], whole(0).cohorts[0].offered());
    assert!(counts.iter().any(|count| *count != counts[0]), "{counts:?}");
    assert_eq!(expected.summed().cohorts[0].offered(), counts.iter().sum::<u64>());
}

/// Parts of the population merge before they are stacked, or after.
#[test]
fn a_stack_of_merged_parts_is_the_merge_of_stacked_parts() {
    let [left, right] = [vec![[0, 4]], vec![[4, 10]]];
    let part =
        |range: &Vec<[u32; 2]>| stacked([0, 1, 2].map(|number| replication(number, std::slice::from_ref(range))));
    let mut merged = part(&right);
    merged.merge(&part(&left)).unwrap();
    assert_eq!(merged, stacked([whole(0), whole(1), whole(2)]));
    assert_eq!(merged.merge(&whole(0)), Err(MergeError::Replications));
}

#[test]
fn what_is_no_other_replication_is_not_stacked() {
    let mut sum = stacked([whole(0), whole(2)]);
    let before = sum.clone();
    assert_eq!(sum.stack(whole(2)), Err(MergeError::Again(2)));
    assert_eq!(sum.stack(whole(1).as_replication(403, 1)), Err(MergeError::Differs("seed")));
    assert_eq!(sum, before);
}
