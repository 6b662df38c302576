//! How many calls come, by how they follow each other and the hours of the week: what a Poisson process at an even rate
//! would not say.

use farebox_engine::model::{Arrivals, Cohort, Process, Scenario, Sessions};
use farebox_engine::time::{MINUTE, Time};
use farebox_engine::world::arrivals::Activity;

use super::poisson;
use super::traffic::Traffic;

/// How the calls of one consumer of a cohort follow each other, or how their sessions begin; those of a trace whose rows are
/// drawn nearly at random.
pub(super) fn process(cohort: &Cohort) -> Process {
    match &cohort.arrivals {
        Arrivals::Patterned(pattern) => pattern.process,
        Arrivals::Poisson { .. } | Arrivals::Trace(_) => Process::Poisson,
    }
}

/// The sessions that the calls of a cohort come in.
pub(super) fn sessions(cohort: &Cohort) -> Option<&Sessions> {
    let Arrivals::Patterned(pattern) = &cohort.arrivals else { return None };
    pattern.sessions.as_ref()
}

/// The activity of a cohort's shape within the horizon and the load; `None` where there is none.
pub(super) fn activity(scenario: &Scenario, cohort: &Cohort, end: Time) -> Option<Activity> {
    Activity::of(scenario, cohort, end.max(Time::START + scenario.horizon))
}

/// The variance of the calls of one consumer in a stretch of activity, in the units of their mean. `rate` is the mean
/// rate, `spread` the variance of the consumers' own as a share of its square, `pace` how much faster time passes than in
/// the scenario.
///
/// Of an interrupted Poisson process it is 1 + 2 m (1 − π)/π (1 + spread) (1 − (1 − e^(−r t))/(r t))/r, with π the share of
/// bursts and r the sum of the rates at which bursts and pauses end.
pub(super) fn dispersion(process: Process, rate: f64, spread: f64, activity_ns: f64, pace: f64) -> f64 {
    let mean = rate * activity_ns;
    match process {
        Process::Poisson => 1.0,
        _ if mean <= 0.0 => 1.0,
        // One more or one less; where the rates differ, the fractions of a call are as good as uniform.
        Process::Constant if spread > 0.0 => 1.0 / 6.0 / mean.max(1.0 / 6.0),
        Process::Constant => (mean - mean.floor()) * (1.0 - (mean - mean.floor())) / mean,
        Process::Bursty { burst, pause } => {
            let (share, r) = turns(burst.ns() as f64 / pace, pause.ns() as f64 / pace);
            let turns = r * activity_ns;
            1.0 + 2.0 * rate * (1.0 - share) / share * (1.0 + spread) * (1.0 + (-turns).exp_m1() / turns) / r
        }
    }
}

/// The share of bursts, and the sum of the rates at which bursts and pauses end.
fn turns(burst: f64, pause: f64) -> (f64, f64) {
    (burst / (burst + pause), 1.0 / burst + 1.0 / pause)
}

/// P(N ≥ k) for the calls N of a consumer of whom `mean` are expected; `None` in bursts.
pub(super) fn at_least(process: Process, k: u64, mean: f64) -> Option<f64> {
    match process {
        Process::Poisson => Some(poisson::at_least(k, mean)),
        // N is the mean rounded up or down, up with the chance of its fraction.
        Process::Constant if k == 0 => Some(1.0),
        Process::Constant => Some((mean - (k - 1) as f64).clamp(0.0, 1.0)),
        Process::Bursty { .. } => None,
    }
}

/// E[max(0, N − k)] for the same; `None` in bursts.
pub(super) fn beyond(process: Process, k: u64, mean: f64) -> Option<f64> {
    match process {
        Process::Poisson => Some(poisson::beyond(k, mean)),
        Process::Constant => Some((mean - k as f64).max(0.0)),
        Process::Bursty { .. } => None,
    }
}

// === Calls in flight ===

/// Mean and variance of the calls in flight in the busiest quarter of an hour of a load.
pub(super) struct Busiest {
    /// Calls per ns.
    pub(super) rate: f64,
    pub(super) in_flight: f64,
    pub(super) variance: f64,
}

/// How long the busiest moment is looked for: after a few weeks the hours come again.
const WEEKS_NS: i64 = (8 * 7 * 24 * 60 * MINUTE).cast_signed();
const STEP_NS: i64 = (15 * MINUTE).cast_signed();

impl Busiest {
    /// Of a load that covers so much billing time, `pace` times as fast as the scenario, at this rate per ns with calls of
    /// this mean latency in ns.
    ///
    /// `made` says by cohort what of its rate comes when most of it does: of sessions that a load is too short for, less
    /// than all.
    pub(super) fn new(traffic: &[Traffic<'_>], made: &[f64], end: Time, pace: f64, rate: f64, latency_ns: f64) -> Self {
        let missed = |(of, made): (&Traffic<'_>, &f64)| of.rate * pace * of.present * (1.0 - made);
        let rate = rate - traffic.iter().zip(made).filter(|(_, made)| **made < 1.0).map(missed).sum::<f64>();
        let steps = (0..end.ns().clamp(1, WEEKS_NS)).step_by(STEP_NS as usize);
        let found = steps.map(|from| {
            let until = Time::from_ns((from + STEP_NS).min(end.ns().max(1)));
            let surplus = |(of, made): (&Traffic<'_>, &f64)| {
                of.rate * pace * of.present * made * (of.share(Time::from_ns(from), until) - 1.0)
            };
            let surplus = traffic.iter().zip(made).filter(|(of, _)| of.activity.is_some()).map(surplus).sum::<f64>();
            (surplus, Time::from_ns(from), until)
        });
        let even = (0.0, Time::START, Time::START);
        let (surplus, from, until) = if traffic.iter().any(|of| of.activity.is_some()) {
            found.reduce(|most, next| if next.0 > most.0 { next } else { most }).unwrap_or(even)
        } else {
            even
        };
        let in_flight = (rate + surplus).max(0.0) * latency_ns;
        let peaked = traffic.iter().map(|of| peaked(of, of.share(from, until), pace, latency_ns)).sum::<f64>();
        Self { rate: rate + surplus, in_flight, variance: in_flight + peaked }
    }
}

/// By how much the variance of a cohort's calls in flight is more than their mean: of an interrupted Poisson process with
/// exponential latencies it is as much per call as calls come in a burst during one latency, less what pauses take from it
/// (Wilkinson, "Theories for toll traffic engineering in the U.S.A.", Bell System Technical Journal 35 (1956)).
fn peaked(of: &Traffic<'_>, share: f64, pace: f64, latency_ns: f64) -> f64 {
    let Process::Bursty { burst, pause } = process(of.cohort) else { return 0.0 };
    let pace = pace * share;
    if pace <= 0.0 {
        return 0.0;
    }
    let (bursts, r) = turns(burst.ns() as f64 / pace, pause.ns() as f64 / pace);
    let rate = of.rate * pace;
    let in_flight = rate * of.present * latency_ns;
    in_flight * rate / bursts * (1.0 - bursts) * (1.0 + of.rate_variance) * latency_ns / (1.0 + r * latency_ns)
}

/// The smallest k with P(N ≤ k) ≥ `quantile`, for a count of this mean and variance, both finite: Poisson where they are
/// equal, else negative binomial, as traffic with peaks is approximated.
pub(super) fn quantile(quantile: f64, mean: f64, variance: f64) -> u64 {
    /// From here on the normal distribution is as good, and summing would take long.
    const MANY: f64 = 1e7;
    if variance <= mean * (1.0 + 1e-9) {
        return poisson::quantile(quantile, mean);
    }
    if mean + 10.0 * variance.sqrt() > MANY {
        return (mean + farebox_engine::distribution::Z99 * variance.sqrt()).ceil() as u64;
    }
    let size = mean * mean / (variance - mean);
    let chance = 1.0 - mean / variance;
    let up = |k: f64| chance * (k + size) / (k + 1.0);
    // Terms relative to that at the mean, from the first to the last that count.
    let sum = |mut k: f64, mut term: f64| {
        let mut sum = 0.0;
        while k <= mean || term > f64::EPSILON * sum {
            sum += term;
            term *= up(k);
            k += 1.0;
        }
        sum
    };
    let (mut least, mut term) = (mean.floor(), 1.0);
    while least > 0.0 && term > f64::EPSILON * 1e-3 {
        least -= 1.0;
        term /= up(least);
    }
    let total = sum(least, term);
    let mut below = term;
    while below < quantile * total {
        term *= up(least);
        least += 1.0;
        below += term;
    }
    least as u64
}

#[cfg(test)]
mod tests {
    use farebox_engine::time::Span;

    use super::*;

    /// A negative binomial variable of size 1 is geometric: P(N ≤ k) = 1 − q^(k + 1), of mean q/(1 − q) and variance
    /// q/(1 − q)².
    #[test]
    fn a_peaked_count_of_size_one_is_geometric() {
        for q in [0.2f64, 0.9, 0.999] {
            let exact = (0.01f64.ln() / q.ln()).ceil() as u64 - 1;
            assert_eq!(quantile(0.99, q / (1.0 - q), q / (1.0 - q).powi(2)), exact, "{q}");
        }
        // Of size 5,000 it is nearly normal, and not far from what is said beyond ten million.
        let near = quantile(0.99, 5_000.0, 10_000.0);
        assert!(near.abs_diff(5_233) < 10, "{near}");
        assert_eq!(quantile(0.99, 100.0, 100.0), poisson::quantile(0.99, 100.0));
        assert!(quantile(0.99, 1e9, 4e9).abs_diff(1_000_147_127) < 1_000);
    }

    #[test]
    fn constant_calls_are_the_mean_rounded_up_or_down() {
        let at_least = |k, mean| at_least(Process::Constant, k, mean).unwrap();
        let beyond = |k| beyond(Process::Constant, k, 2.25).unwrap();
        for (k, chance, more) in [(0, 1.0, 2.25), (1, 1.0, 1.25), (2, 1.0, 0.25), (3, 0.25, 0.0), (4, 0.0, 0.0)] {
            assert!((at_least(k, 2.25) - chance).abs() < 1e-12 && (beyond(k) - more).abs() < 1e-12, "{k}");
        }
    }

    /// In long stretches of bursts of which each is one long pause apart: 1 + 2 m (1 − π)/π ÷ r.
    #[test]
    fn bursts_are_dispersed_as_the_formula_says() {
        let process = Process::Bursty { burst: Span::from_ns(30), pause: Span::from_ns(90) };
        let r = 1.0 / 30.0 + 1.0 / 90.0;
        let long = dispersion(process, 0.5, 0.0, 1e12, 1.0);
        assert!((long - (1.0 + 2.0 * 0.5 * 3.0 / r)).abs() < 1e-6, "{long}");
        // In a moment there is one state, and the process is Poisson but for its rate: 1 + m t (1 − π)/π.
        let short = dispersion(process, 0.5, 0.0, 0.001, 1.0);
        assert!((short - (1.0 + 0.5 * 0.001 * 3.0)).abs() < 1e-6, "{short}");
        assert!((dispersion(process, 5.0, 0.0, 1e11, 10.0) - long).abs() < 1e-6, "the same, ten times as fast");
    }
}
