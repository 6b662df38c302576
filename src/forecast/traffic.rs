//! How many calls each cohort makes: means and variances, from the arrivals as they are described.

use farebox_engine::distribution::Distribution;
use farebox_engine::model::{
    Arrivals, Cohort, HandOut, Joined, METERS_MAX, PerMeter, Plan, REQUESTS, Scenario, Sessions, Trace,
};
use farebox_engine::time::Time;
use farebox_engine::world::arrivals::Activity;
use serde::Serialize;

use super::sessions::{self, Made, Stretch};
use super::{arrivals, upstream};

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
    /// The standard deviation, with that of what is estimated; `null` where the rates have none.
    pub deviation: f64,
    /// Where calls come in sessions: from how many, drawn from a fixed seed, it is estimated what of them comes before the
    /// end.
    pub drawn_sessions: Option<u64>,
}

/// The traffic of one cohort in mean figures.
#[derive(Clone, Debug)]
pub(super) struct Traffic<'a> {
    pub(super) cohort: &'a Cohort,
    pub(super) plan: &'a Plan,
    /// Calls of a consumer per ns, while it is there.
    pub(super) rate: f64,
    /// The variance of the consumers' own rates as a share of the squared mean.
    pub(super) rate_variance: f64,
    /// How many consumers are there, on average over the horizon.
    pub(super) present: f64,
    /// How much is done until when, where the rate follows the hours of the week.
    pub(super) activity: Option<Activity>,
    /// Which share of the calls the plan covers.
    pub(super) covered: f64,
    /// Units that a covered call uses on average, per meter.
    pub(super) units: PerMeter<f64>,
    /// Calls of all consumers over the horizon.
    pub(super) calls: f64,
    /// Their variance.
    pub(super) variance: f64,
    /// What of them comes before the horizon ends, where they come in sessions.
    pub(super) made: Option<Made>,
}

impl<'a> Traffic<'a> {
    /// The traffic of a cohort within the horizon; and within a load that ends at `end` of the billing clock.
    pub(super) fn new(scenario: &'a Scenario, cohort: &'a Cohort, end: Time) -> Self {
        let plan = &scenario.plans[cohort.plan];
        match &cohort.arrivals {
            Arrivals::Trace(trace) => Self::recorded(scenario, cohort, plan, trace),
            drawn => {
                let (mean_gap_ns, spread) = drawn.drawn().expect("what is not recorded is drawn");
                Self::drawn(scenario, cohort, plan, mean_gap_ns, spread, end)
            }
        }
    }

    fn drawn(
        scenario: &'a Scenario,
        cohort: &'a Cohort,
        plan: &'a Plan,
        mean_gap_ns: f64,
        spread: Option<&Distribution>,
        end: Time,
    ) -> Self {
        let multiple = spread.map_or(Moments { mean: 1.0, variance: 0.0 }, moments);
        let rate = multiple.mean / mean_gap_ns;
        let rate_variance = if multiple.mean > 0.0 { multiple.variance / multiple.mean.powi(2) } else { 0.0 };
        let horizon = scenario.horizon.ns() as f64;
        let presence = Presence::new(cohort, horizon);
        let activity = arrivals::activity(scenario, cohort, end);
        let (covered, units) = units(scenario, cohort, plan);
        let present = presence.time / horizon;
        let stretch = Presence::stretch(cohort, horizon);
        let made = arrivals::sessions(cohort).map(|sessions| sessions::made(scenario, cohort, sessions, stretch, 1.0));
        let (calls, variance) = (0.0, 0.0);
        let mut traffic =
            Self { cohort, plan, rate, rate_variance, present, activity, covered, units, calls, variance, made };
        let share = traffic.share(Time::START, Time::START + scenario.horizon);
        let offered = rate * presence.time * share;
        let share = share * made.map_or(1.0, |made| made.share);
        traffic.calls = rate * presence.time * share;
        // Given their rates the calls are those of the process; what the consumers differ by comes on top (law of total
        // variance).
        let differ = if matches!(cohort.joined, Joined::Signups { .. }) { 1.0 + rate_variance } else { rate_variance };
        let own = made.map_or_else(
            || arrivals::dispersion(arrivals::process(cohort), rate, rate_variance, horizon * share, 1.0),
            |made| made.dispersion,
        );
        let estimated = offered.powi(2) * made.map_or(0.0, |made| made.variance);
        traffic.variance = traffic.calls * own + differ * (rate * share).powi(2) * presence.squared_time + estimated;
        traffic
    }

    /// A trace is known: its calls have no variance, and are taken as spread evenly over the horizon.
    fn recorded(scenario: &'a Scenario, cohort: &'a Cohort, plan: &'a Plan, trace: &Trace) -> Self {
        let is_covered = |route: usize| plan.routes.as_ref().is_none_or(|routes| routes.contains(&route));
        let mix = cohort.routes.iter().filter(|(route, _)| is_covered(*route)).map(|(_, share)| share).sum::<f64>();
        let (times, rest) = trace.played(scenario.horizon);
        let (mut sums, mut covered) = ([0.0; METERS_MAX], 0.0);
        for (index, row) in trace.rows.iter().enumerate() {
            let plays = times as f64 + f64::from(u8::from(index < rest));
            let share =
                trace.routes.get(index).map_or(mix, |route| f64::from(u8::from(is_covered(usize::from(*route)))));
            covered += plays * share;
            sums.iter_mut().zip(row.usage).for_each(|(sum, used)| *sum += plays * share * used as f64);
        }
        let calls = trace.rows_before(scenario.horizon) as f64;
        let rate = calls / f64::from(cohort.count.max(1)) / scenario.horizon.ns().max(1) as f64;
        let units = sums.map(|sum: f64| if covered > 0.0 { sum / covered } else { 0.0 });
        let covered = if calls > 0.0 { covered / calls } else { 0.0 };
        let (present, activity) = (f64::from(cohort.count), None);
        let (rate_variance, variance, made) = (0.0, 0.0, None);
        Self { cohort, plan, rate, rate_variance, present, activity, covered, units, calls, variance, made }
    }

    /// Units of a meter that one consumer of mean rate uses per ns.
    pub(super) fn use_rate(&self, meter: usize) -> f64 {
        self.rate * self.covered * self.units[meter]
    }

    /// Whether it is known how likely one consumer makes how many calls: not in bursts or sessions, nor of rows that
    /// name consumers or are handed out unevenly.
    pub(super) fn is_known(&self) -> bool {
        match &self.cohort.arrivals {
            Arrivals::Trace(trace) => {
                trace.hand_out == HandOut::Even && trace.rows.iter().all(|row| row.consumer.is_none())
            }
            _ if arrivals::sessions(self.cohort).is_some() => false,
            _ => arrivals::at_least(arrivals::process(self.cohort), 0, 0.0).is_some(),
        }
    }

    /// The rate in a stretch of the billing clock, as a multiple of the mean.
    pub(super) fn share(&self, from: Time, until: Time) -> f64 {
        let Some(activity) = &self.activity else { return 1.0 };
        if until <= from {
            return 1.0;
        }
        let [active, all] = [activity.until(until).since(activity.until(from)), until.since(from)];
        active.ns() as f64 / all.ns() as f64
    }

    pub(super) fn report(&self) -> CohortCalls {
        CohortCalls {
            cohort: self.cohort.name.clone(),
            plan: self.plan.name.clone(),
            consumers: self.cohort.count,
            expected: self.calls,
            deviation: self.variance.sqrt(),
            drawn_sessions: self.made.map(|made| made.drawn),
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

    /// How long the consumers are there who are there at all: evenly between these ends, in ns.
    fn stretch(cohort: &Cohort, horizon: f64) -> Stretch {
        let shortest_ns = match cohort.joined {
            Joined::Signups { mean_gap_ns } => horizon - (f64::from(cohort.count) * mean_gap_ns).min(horizon),
            Joined::Start | Joined::Spread => horizon,
        };
        Stretch { longest_ns: horizon, shortest_ns }
    }
}

/// How many consumers of a cohort are there on average until then on the billing clock, and the variance of that. Those
/// who sign up come at random (Poisson), so the squares of the times that they are waited for add up, until all are there.
pub(super) fn presence(cohort: &Cohort, end: Time) -> (f64, f64) {
    let all = end.ns().max(1) as f64;
    let variance = match cohort.joined {
        Joined::Signups { mean_gap_ns } => {
            (f64::from(cohort.count) * mean_gap_ns).min(all).powi(3) / (3.0 * mean_gap_ns) / all.powi(2)
        }
        Joined::Start | Joined::Spread => 0.0,
    };
    (Presence::new(cohort, all).time / all, variance)
}

/// The mean time from one call of a session to the next, in ns, where arrivals are laid over time by this stretch: the call
/// is served.
pub(super) fn step(scenario: &Scenario, cohort: &Cohort, sessions: &Sessions, stretch: f64) -> f64 {
    moments(&sessions.think).mean * stretch + upstream::mean_ns_of(scenario, cohort)
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
