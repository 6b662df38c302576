//! What the simulation counts, against the textbook formulas of `validation.md`.
//!
//! Each test states its exact value, the standard deviation of the estimate and a z of 4.5 (one false alarm in 150,000
//! seeds; the seeds are fixed), and checks that the interval is narrow: its half-width at most 1 % of the value.

use super::{days, dollars, play_all, poisson, requests, scenario, secs, world};
use crate::billing::account::{Account, Consumer};
use crate::billing::cause::{Cause, Failure};
use crate::billing::gate::Decision;
use crate::billing::hold::HoldId;
use crate::billing::ledger::Movement;
use crate::billing::tally::Count;
use crate::distribution::{Distribution, Z99};
use crate::draw::Chance;
use crate::model::{Card, Cohort, Dunning, Finally, Limit, Period, Plan, Prepaid, Price, Rate, UnitPrice};
use crate::money::Money;
use crate::outcome::quantile;
use crate::sim::{self, Observer, Scratch, Tried};
use crate::time::{DAY, Now, SECOND, Span, Time};
use crate::world::World;
use crate::world::schedule::Call;

const Z: f64 = 4.5;

/// An estimate with its standard deviation agrees with the exact value, and says something.
fn agrees(what: &str, estimate: f64, deviation: f64, exact: f64) {
    let half_width = Z * deviation;
    assert!(half_width <= 0.01 * exact, "{what}: ± {half_width} around {exact} says nothing");
    assert!((estimate - exact).abs() <= half_width, "{what}: {estimate} is not {exact} ± {half_width}");
}

/// A ratio of two sums over independent consumers, with its standard deviation by the delta method.
fn ratio(pairs: &[(f64, f64)]) -> (f64, f64) {
    let (above, below) = pairs.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let ratio = above / below;
    let squares: f64 = pairs.iter().map(|(x, y)| (x - ratio * y).powi(2)).sum();
    (ratio, squares.sqrt() / below)
}

/// Counts per consumer, offered and refused.
#[derive(Default)]
struct Counts {
    current: (f64, f64),
    by_consumer: Vec<(f64, f64)>,
}

impl Observer for Counts {
    fn decided(&mut self, _: Consumer, _: &Call, _: Now, decision: Decision) {
        self.current.1 += 1.0;
        self.current.0 += f64::from(u8::from(matches!(decision, Decision::Refuse(_))));
    }

    fn served(&mut self, _: Consumer, _: &Call, _: HoldId, _: Now, _: Span) {}

    fn failed(&mut self, _: Consumer, _: &Call, _: HoldId, _: Failure, _: Now) {}

    fn closed(&mut self, _: &Account, _: &Tried) {
        self.by_consumer.push(std::mem::take(&mut self.current));
    }
}

/// Refused and offered calls of each consumer.
fn refused_of_offered(world: &World) -> Vec<(f64, f64)> {
    let mut counts = Counts::default();
    let mut scratch = Scratch::default();
    for consumer in world.consumers() {
        sim::play(world, consumer, &mut counts, &mut scratch).unwrap();
    }
    counts.by_consumer
}

/// P(N ≥ n) for a Poisson variable of mean m.
fn poisson_tail(m: f64, n: u32) -> f64 {
    let mut p = libm::exp(-m);
    let mut below = 0.0;
    for k in 0..n {
        below += p;
        p *= m / f64::from(k + 1);
    }
    1.0 - below
}

/// A hard quota of Q calls a day, N ~ Poisson(m) of them made: the share refused is E[(N−Q)⁺]/m. The horizon is a whole
/// number of days and anchors are uniform over one, so the part of the first day that is seen and that of the last make
/// up one whole day, provided that the usage before the start is what it should be.
#[test]
fn a_hard_quota_refuses_the_poisson_excess() {
    for (m, quota, periods) in [(30.0, 30u32, 420_000.0), (30.0, 20, 60_000.0), (5.0, 4, 700_000.0)] {
        let plan = Plan { usage_period: Some(Period::Day), allowance: requests(quota.into()), ..Plan::new("daily") };
        let gap = Span::from_ns((DAY as f64 / m) as u64);
        let count = (periods / 6.0) as u32;
        let counts = refused_of_offered(&world(scenario(days(6), plan, Cohort::new("all", count, poisson(gap)))));
        let exact = poisson_tail(m, quota) - f64::from(quota) / m * poisson_tail(m, quota + 1);
        let (share, deviation) = ratio(&counts);
        agrees(&format!("quota {quota} of {m}"), share, deviation, exact);
    }
}

/// The share that M/D/1/b loses at load ρ: 1 − β/(1 + ρβ), β = Σ_{k<b} (−1)^k/k! (n−k)^k e^{(n−k)ρ} ρ^k with n = b − 1.
fn lost(rho: f64, burst: u32) -> f64 {
    let n = f64::from(burst - 1);
    let mut factorial = 1.0;
    let mut beta = 0.0;
    for k in 0..burst {
        let left = n - f64::from(k);
        factorial *= f64::from(k.max(1));
        beta += libm::pow(-rho * left, f64::from(k)) / factorial * libm::exp(left * rho);
    }
    1.0 - beta / (1.0 + rho * beta)
}

/// A token bucket that refills r a second and holds b is M/D/1/b turned around: what it refuses is what the queue loses.
/// It starts full, which is forgotten after some hundred of the 20,000 calls of each consumer.
#[test]
fn a_token_bucket_refuses_what_an_m_d_1_b_queue_loses() {
    assert!((lost(0.9, 5) - 0.0644).abs() < 0.000_05, "{}", lost(0.9, 5));
    for (rho, burst, count) in [(0.9, 5, 600), (1.5, 3, 100), (0.5, 1, 100)] {
        let limit = Limit::TokenBucket { rate: Rate { requests: 10, per: secs(1) }, burst: burst.into() };
        let plan = Plan { limits: vec![limit], ..Plan::new("limited") };
        let gap = Span::from_ns((1e8 / rho) as u64);
        let horizon = Span::from_ns(20_000 * gap.ns());
        let counts = refused_of_offered(&world(scenario(horizon, plan, Cohort::new("all", count, poisson(gap)))));
        let (share, deviation) = ratio(&counts);
        agrees(&format!("bucket {burst} at {rho}"), share, deviation, lost(rho, burst));
    }
}

/// Each attempt is declined with a chance of its own p: of the invoices 1 − p⁴ are paid after three retries, by the k-th
/// attempt (1−p) p^{k−1}, in Σ p^k attempts. One invoice per consumer: the year's, on whatever day it falls.
#[test]
fn retries_of_independent_chance_recover_what_the_product_says() {
    let (p, count) = (0.6, 300_000u32);
    let plan = Plan { fee: dollars(120), fee_period: Some(Period::Year), ..Plan::new("yearly") };
    let mut cohort = Cohort::new("all", count, poisson(days(1)));
    cohort.card = Some(Card::declining(Chance::of(3, 5)));
    let mut scenario = scenario(days(400), plan, cohort);
    scenario.payments.dunning =
        Dunning { retries: [3, 5, 7].map(days).to_vec(), finally: Finally::Cancel, ..Dunning::default() };
    let world = world(scenario);
    let mut paid = [0u64; 8];
    let (mut attempts, mut declined, mut exhausted) = (0, 0, 0);
    for consumer in world.consumers() {
        let mut party = world.open(consumer).unwrap();
        let end = party.account().fee.ends + days(15);
        world.catch_up(&mut party, Now { traffic: end, billing: end }).unwrap();
        let tally = party.account().tally();
        let [tried, failed, ended] = [Count::Attempts, Count::Declined, Count::Exhausted].map(|count| tally.of(count));
        assert!(tried <= 4 && tally.paid_by_attempt.iter().sum::<u64>() + ended == 1);
        (attempts, declined, exhausted) = (attempts + tried, declined + failed, exhausted + ended);
        paid.iter_mut().zip(tally.paid_by_attempt).for_each(|(sum, more)| *sum += more);
    }
    let n = f64::from(count);
    let binomial = |p: f64| (p * (1.0 - p) / n).sqrt();
    let recovered = 1.0 - p * p * p * p;
    agrees("recovered", paid.iter().sum::<u64>() as f64 / n, binomial(recovered), recovered);
    assert_eq!(paid.iter().sum::<u64>() + exhausted, u64::from(count));
    // The fourth place, .0864, has a half-width of 2.7 %: binomial as it is.
    for (k, share) in [0.4, 0.24, 0.144, 0.0864].into_iter().enumerate() {
        assert!((paid[k] as f64 / n - share).abs() < Z * binomial(share), "paid by attempt {}", k + 1);
    }
    let mean = 1.0 + p + p * p + p * p * p;
    // Attempts are 1, 2, 3 or 4 with .4, .24, .144, .216: second moment 6.112.
    let variance = 6.112 - mean * mean;
    agrees("attempts", f64::from(u32::try_from(attempts).unwrap()) / n, (variance / n).sqrt(), mean);
    assert_eq!(attempts, declined + paid.iter().sum::<u64>());
}

/// A prepaid consumer that never pays is served floor(opening ÷ price) calls, and the balance ends at the remainder.
#[test]
fn prepaid_credit_serves_exactly_what_it_covers() {
    for (opening, price, per) in [(1_000, 7, 1), (1_000, 10, 1), (999, 1_000, 1), (0, 5, 1), (600, 14, 2)] {
        let mut plan = Plan::new("prepaid");
        plan.prepaid = Some(Prepaid::opening(Money::from_nanos(opening)));
        plan.prices[0] = Some(Price::PerUnit(UnitPrice { amount: Money::from_nanos(price), per }));
        let world = world(scenario(days(10), plan, Cohort::new("all", 20, poisson(secs(600)))));
        let outcome = play_all(&world);
        let served = opening as u64 * per / price as u64;
        let cohort = &outcome.cohorts[0];
        assert_eq!(cohort.served, 20 * served, "{opening} at {price} per {per}");
        assert_eq!(outcome.moved(Movement::Spend), 20 * i128::from(served) * i128::from(price) / i128::from(per));
        assert_eq!(outcome.refused(Cause::CreditExhausted), cohort.offered() - cohort.served);
    }
}

/// Calls are a Poisson process per consumer: the total within 4.5 √n, counts per consumer as spread as their mean, and
/// those of two neighbouring hours not correlated.
#[test]
fn arrivals_are_a_poisson_process() {
    let (count, mean) = (20_000u32, 48.0);
    let world = world(scenario(days(1), Plan::new("free"), Cohort::new("all", count, poisson(secs(1_800)))));
    let n = f64::from(count);
    let mut halves = Vec::new();
    for consumer in world.consumers() {
        let first = world.calls(consumer).filter(|call| call.at < Time::START + Span::from_ns(DAY / 2)).count();
        halves.push((first as f64, (world.calls(consumer).count() - first) as f64));
    }
    let total: f64 = halves.iter().map(|(a, b)| a + b).sum();
    agrees("calls", total, (n * mean).sqrt(), n * mean);
    let dispersion = halves.iter().map(|(a, b)| (a + b - mean).powi(2)).sum::<f64>() / n / mean;
    // Var[(N−m)²] = m + 2m², so σ of the mean square over m is √((2 + 1/m)/n): ± 4.5 %, which tells a constant gap (0)
    // and a doubled draw (2) apart.
    assert!((dispersion - 1.0).abs() < Z * ((2.0 + 1.0 / mean) / n).sqrt(), "dispersion {dispersion}");
    let product = halves.iter().map(|(a, b)| (a - mean / 2.0) * (b - mean / 2.0)).sum::<f64>() / n / (mean / 2.0);
    assert!(product.abs() < Z / n.sqrt(), "correlation {product}");
}

/// The history before the start is such a process too: a day of it has as many calls as a day after.
#[test]
fn the_history_is_as_dense_as_what_follows() {
    let count = 5_000u32;
    let world = world(scenario(days(1), Plan::new("free"), Cohort::new("all", count, poisson(secs(1_800)))));
    let history = |consumer| world.schedule.history(consumer, Time::START - days(1)).count() as f64;
    let counts: Vec<f64> = world.consumers().map(history).collect();
    let exact = f64::from(count) * 48.0;
    agrees("history", counts.iter().sum(), exact.sqrt(), exact);
    let dispersion = counts.iter().map(|count| (count - 48.0).powi(2)).sum::<f64>() / exact;
    assert!((dispersion - 1.0).abs() < Z * (2.1 / f64::from(count)).sqrt(), "dispersion {dispersion}");
}

/// A log-normal latency of p50 30 ms and p99 250 ms: the outcome's percentiles are those, up to the rank's standard
/// deviation √(p(1−p)/n) and the width of a bucket, which is at most 1/128 of its upper end.
#[test]
fn the_outcomes_percentiles_are_those_of_the_latency() {
    let mut scenario = scenario(days(10), Plan::new("free"), Cohort::new("all", 100, poisson(secs(2))));
    scenario.horizon = secs(6_000);
    scenario.upstreams[0].latency = Distribution::log_normal(30e6, 250e6, Z99);
    let outcome = play_all(&world(scenario));
    let buckets = &outcome.cohorts[0].latency;
    let n = outcome.cohorts[0].served as f64;
    assert_eq!(buckets.iter().map(|[_, calls]| calls).sum::<u64>(), outcome.cohorts[0].served);
    let sigma = libm::log(250.0 / 30.0) / Z99;
    let cdf = |ns: f64| 0.5 * libm::erfc(-libm::log(ns / 30e6) / sigma / std::f64::consts::SQRT_2);
    for p in [0.01, 0.5, 0.9, 0.99, 0.999] {
        let upper = quantile(buckets, p).unwrap() as f64;
        let rank = Z * (p * (1.0 - p) / n).sqrt();
        assert!(cdf(upper) + rank >= p, "p{p} is not {upper}");
        assert!(cdf(upper * (1.0 - 1.0 / 128.0)) - rank <= p, "p{p} is not {upper}");
    }
    let p50 = quantile(buckets, 0.5).unwrap() as f64;
    assert!((p50 / 30e6 - 1.0).abs() < 0.02, "{p50}");
}

/// A constant latency falls in one bucket, whose upper end is no more than 1/128 above it; so does none.
#[test]
fn a_constant_latency_is_found_in_its_bucket() {
    for ns in [1_500, 30_000_000, 250 * SECOND] {
        let mut scenario = scenario(secs(60_000), Plan::new("free"), Cohort::new("all", 1, poisson(secs(60))));
        scenario.upstreams[0].latency = Distribution::Constant(ns as f64);
        let outcome = play_all(&world(scenario));
        let [[upper, calls]] = outcome.cohorts[0].latency[..] else { panic!("one bucket") };
        assert_eq!(calls, outcome.cohorts[0].served);
        assert!(upper >= ns && upper as f64 <= (ns as f64 * (1.0 + 1.0 / 128.0)).max(ns as f64 + 512.0), "{upper}");
    }
}

/// The p-quantile is the smallest value that at least a share p of all is not above: of 10, 20, 30 and 30 the
/// median is 20.
#[test]
fn a_quantile_is_the_smallest_value_that_covers_its_share() {
    let buckets = [[10, 1], [20, 1], [30, 2]];
    let read = [0.01, 0.25, 0.26, 0.5, 0.51, 0.99, 1.0].map(|p| quantile(&buckets, p).unwrap());
    assert_eq!(read, [10, 10, 20, 20, 30, 30, 30]);
    assert_eq!((quantile(&buckets[..3], 0.3), quantile(&[], 0.5)), (Some(20), None));
}
