//! How many calls each cohort makes: means and variances, from the arrivals as they are described.

use farebox_engine::distribution::Distribution;
use farebox_engine::model::{Arrivals, Cohort, Joined, METERS_MAX, PerMeter, Plan, REQUESTS, Scenario, Trace};
use serde::Serialize;

/// What a cohort is expected to offer over the horizon.
#[derive(Clone, Debug, Serialize)]
pub struct CohortCalls {
    /// Its name.
    pub cohort: String,
    /// The name of its plan.
    pub plan: String,
    /// How many consumers it has at most.
    pub consumers: u32,
    /// Calls of all of them: the mean.
    pub expected: f64,
    /// The standard deviation; `null` where the rates have none.
    pub deviation: f64,
}

/// The traffic of one cohort in mean figures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic<'a> {
    pub(super) cohort: &'a Cohort,
    pub(super) plan: &'a Plan,
    /// Calls of a consumer per ns, while it is there.
    pub(super) rate: f64,
    /// The variance of the consumers' own rates as a share of the squared mean.
    pub(super) rate_variance: f64,
    /// Which share of the calls the plan covers.
    pub(super) covered: f64,
    /// Units that a covered call uses on average, per meter.
    pub(super) units: PerMeter<f64>,
    /// Calls of all consumers over the horizon.
    pub(super) calls: f64,
    /// Their variance.
    pub(super) variance: f64,
}

impl<'a> Traffic<'a> {
    pub(super) fn new(scenario: &'a Scenario, cohort: &'a Cohort) -> Self {
        let plan = &scenario.plans[cohort.plan];
        match &cohort.arrivals {
            Arrivals::Poisson { mean_gap_ns, spread } => {
                Self::drawn(scenario, cohort, plan, *mean_gap_ns, spread.as_ref())
            }
            Arrivals::Trace(trace) => Self::recorded(scenario, cohort, plan, trace),
        }
    }

    fn drawn(
        scenario: &'a Scenario,
        cohort: &'a Cohort,
        plan: &'a Plan,
        mean_gap_ns: f64,
        spread: Option<&Distribution>,
    ) -> Self {
        let multiple = spread.map_or(Moments { mean: 1.0, variance: 0.0 }, moments);
        let rate = multiple.mean / mean_gap_ns;
        let rate_variance = if multiple.mean > 0.0 { multiple.variance / multiple.mean.powi(2) } else { 0.0 };
        let presence = Presence::new(cohort, scenario.horizon.ns() as f64);
        let calls = rate * presence.time;
        // Given their rates the calls are Poisson; what the consumers differ by comes on top (law of total variance).
        let differ = if matches!(cohort.joined, Joined::Signups { .. }) { 1.0 + rate_variance } else { rate_variance };
        let variance = calls + differ * rate.powi(2) * presence.squared_time;
        let (covered, units) = units(scenario, cohort, plan);
        Self { cohort, plan, rate, rate_variance, covered, units, calls, variance }
    }

    /// A trace is known: its calls have no variance, and are taken as spread evenly over the horizon.
    fn recorded(scenario: &'a Scenario, cohort: &'a Cohort, plan: &'a Plan, trace: &Trace) -> Self {
        let mut sums = [0u128; METERS_MAX];
        let rows = trace.rows.iter().take_while(|row| row.at < scenario.horizon);
        let calls = rows.map(|row| (0..METERS_MAX).for_each(|meter| sums[meter] += u128::from(row.usage[meter])));
        let calls = calls.count() as f64;
        let rate = calls / f64::from(cohort.count.max(1)) / scenario.horizon.ns().max(1) as f64;
        let units = sums.map(|sum| sum as f64 / calls.max(1.0));
        Self { cohort, plan, rate, rate_variance: 0.0, covered: 1.0, units, calls, variance: 0.0 }
    }

    /// Units of a meter that one consumer of mean rate uses per ns.
    pub(super) fn use_rate(&self, meter: usize) -> f64 {
        self.rate * self.covered * self.units[meter]
    }

    /// Whether the calls of one consumer are a Poisson process, of recorded ones nearly: rows go to consumers at random.
    pub(super) fn is_random(&self) -> bool {
        match &self.cohort.arrivals {
            Arrivals::Poisson { .. } => true,
            Arrivals::Trace(trace) => trace.rows.iter().all(|row| row.consumer.is_none()),
        }
    }

    pub(super) fn report(&self) -> CohortCalls {
        CohortCalls {
            cohort: self.cohort.name.clone(),
            plan: self.plan.name.clone(),
            consumers: self.cohort.count,
            expected: self.calls,
            deviation: self.variance.sqrt(),
        }
    }
}

/// How long the consumers of a cohort are there within the horizon.
struct Presence {
    /// Added up over the consumers, in ns.
    time: f64,
    /// The squares, added up.
    squared_time: f64,
}

impl Presence {
    /// Signups are taken as even, and none leaves: churn is not forecast.
    fn new(cohort: &Cohort, horizon: f64) -> Self {
        let count = f64::from(cohort.count);
        let Joined::Signups { mean_gap_ns } = cohort.joined else {
            return Self { time: count * horizon, squared_time: count * horizon.powi(2) };
        };
        // The cohort fills up until `full`; a consumer who comes at t stays for horizon − t.
        let full = (count * mean_gap_ns).min(horizon);
        let power = |n: i32| (horizon.powi(n) - (horizon - full).powi(n)) / f64::from(n) / mean_gap_ns;
        Self { time: power(2), squared_time: power(3) }
    }
}

/// The share of the calls that the plan covers, and what a covered call uses on average.
fn units(scenario: &Scenario, cohort: &Cohort, plan: &Plan) -> (f64, PerMeter<f64>) {
    let is_covered = |route: &usize| plan.routes.as_ref().is_none_or(|routes| routes.contains(route));
    let mut units = [0.0; METERS_MAX];
    let mut covered = 0.0;
    for (route, share) in cohort.routes.iter().filter(|(route, _)| is_covered(route)) {
        covered += share;
        for (meter, sum) in scenario.meters.iter().enumerate().skip(1) {
            let attributes = scenario.routes[*route].attributes.iter();
            let summed = attributes.filter(|attribute| sum.sum.contains(&attribute.name));
            units[meter] += share * summed.map(|attribute| moments(&attribute.amount).mean).sum::<f64>();
        }
    }
    let mut units = units.map(|units| if covered > 0.0 { units / covered } else { 0.0 });
    units[REQUESTS] = 1.0;
    (covered, units)
}

/// Mean and variance of a distribution.
pub(super) struct Moments {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

/// In closed form; infinite where a heavy tail has none.
pub(super) fn moments(distribution: &Distribution) -> Moments {
    let (mean, variance) = match distribution {
        Distribution::Constant(value) => (*value, 0.0),
        Distribution::LogNormal { mu, sigma } => {
            let mean = (mu + sigma.powi(2) / 2.0).exp();
            (mean, mean.powi(2) * sigma.powi(2).exp_m1())
        }
        Distribution::Exponential { mean } => (*mean, mean.powi(2)),
        Distribution::Uniform { from, to } => (f64::midpoint(*from, *to), (to - from).powi(2) / 12.0),
        Distribution::Pareto { min, alpha } => pareto(*min, *alpha),
        Distribution::Gamma { shape, mean } => (*mean, mean.powi(2) / shape),
        Distribution::Empirical(values) => {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64)
        }
    };
    Moments { mean, variance }
}

fn pareto(min: f64, alpha: f64) -> (f64, f64) {
    let mean = if alpha > 1.0 { alpha * min / (alpha - 1.0) } else { f64::INFINITY };
    let variance =
        if alpha > 2.0 { min.powi(2) * alpha / (alpha - 1.0).powi(2) / (alpha - 2.0) } else { f64::INFINITY };
    (mean, variance)
}
