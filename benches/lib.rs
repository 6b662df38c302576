//! Criterion benches of the paths Farebox exists for; each bench is a file beside this one, and the scenarios that they
//! play are here.

use farebox_engine::distribution::{Distribution, Z99};
use farebox_engine::model::{
    Arrivals, Attribute, Cohort, Joined, Limit, Meter, Period, Plan, Prepaid, Price, REQUESTS, Rate, Scenario,
    UnitPrice,
};
use farebox_engine::money::Money;
use farebox_engine::time::{DAY, HOUR, Span};

/// The meter that a call's price is for: one unit a call, so that quota and credit both have their part in each.
pub const UNITS: usize = 1;

/// Consumers that call 1,000 times a month on a plan with all rules of the hot path: a monthly allowance that some use
/// up, a token bucket, a prepaid balance that pays for each call, a log-normal latency.
pub fn busy(consumers: u32) -> Scenario {
    let mut scenario = Scenario::new("busy", Span::from_ns(30 * DAY));
    let mut plan = Plan::new("prepaid");
    plan.usage_period = Some(Period::Month);
    plan.allowance[REQUESTS] = Some(1_020);
    plan.limits.push(Limit::TokenBucket { rate: Rate { requests: 1, per: Span::from_secs(1) }, burst: 30 });
    plan.prepaid = Some(Prepaid::opening(Money::from_nanos(1_000_000_000)));
    scenario.meters.push(Meter { name: "units".to_owned(), sum: vec!["units".to_owned()] });
    let one = Attribute { name: "units".to_owned(), amount: Distribution::Constant(1.0), most: 1 };
    scenario.routes[0].attributes.push(one);
    plan.prices[UNITS] = Some(Price::PerUnit(UnitPrice { amount: Money::from_nanos(1_000_000), per: 1 }));
    scenario.plans.push(plan);
    let arrivals = Arrivals::Poisson { mean_gap_ns: 30.0 * DAY as f64 / 1_000.0, spread: None };
    scenario.cohorts.push(Cohort::new("callers", consumers, arrivals));
    scenario.upstreams[0].latency = Distribution::log_normal(30e6, 250e6, Z99);
    scenario
}

/// Consumers of [`busy`] who call ten times an hour for ten hours, and share an upstream with this many places, nine of
/// ten of which are taken on average.
pub fn crowd(consumers: u32, capacity: u32) -> Scenario {
    let mut scenario = busy(consumers);
    scenario.horizon = Span::from_ns(10 * HOUR);
    let mean_gap_ns = HOUR as f64 / 10.0;
    scenario.cohorts[0].joined = Joined::Start;
    scenario.cohorts[0].arrivals = Arrivals::Poisson { mean_gap_ns, spread: None };
    let mean = 0.9 * f64::from(capacity) * mean_gap_ns / f64::from(consumers);
    scenario.upstreams[0].latency = Distribution::Exponential { mean };
    scenario.upstreams[0].capacity = Some(capacity);
    scenario
}
