//! Criterion benches of the paths Farebox exists for; each bench is a file beside this one, and the scenarios that they
//! play are here.

use farebox_engine::distribution::{Latency, Z99};
use farebox_engine::model::{Arrivals, Cohort, Period, Plan, Prepaid, REQUESTS, Scenario, TokenBucket, UnitPrice};
use farebox_engine::money::Money;
use farebox_engine::time::{DAY, Span};

/// Consumers that call 1,000 times a month on a plan with all rules of the hot path: a monthly allowance that some use
/// up, a token bucket, a prepaid balance that pays for each call, a log-normal latency.
pub fn busy(consumers: u32) -> Scenario {
    let mut scenario = Scenario::new("busy", Span::from_ns(30 * DAY));
    let mut plan = Plan::new("prepaid");
    plan.period = Some(Period::Month);
    plan.allowance[REQUESTS] = Some(1_020);
    plan.limit = Some(TokenBucket { tokens: 1, per: Span::from_secs(1), burst: 30 });
    plan.prepaid = Some(Prepaid { opening: Money::from_nanos(1_000_000_000) });
    plan.prices[REQUESTS] = Some(UnitPrice { amount: Money::from_nanos(1_000_000), per: 1 });
    scenario.plans.push(plan);
    let arrivals = Arrivals::Poisson { mean_gap_ns: 30.0 * DAY as f64 / 1_000.0 };
    scenario.cohorts.push(Cohort::new("callers", consumers, arrivals));
    scenario.upstream.latency = Latency::log_normal(30e6, 250e6, Z99);
    scenario
}
