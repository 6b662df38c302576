//! What the load on sockets needs: connections by Little's law, and what its billing clock covers.

use farebox_engine::model::{Arrivals, Excess, Limit, Rate, Scenario};
use farebox_engine::money::thousands;
use farebox_engine::time::{DAY, SECOND, Span, Time};
use farebox_engine::world::schedule::Pace;
use serde::Serialize;

use super::arrivals::{self, Busiest};
use super::sessions::{self, Made, Stretch};
use super::traffic::{Traffic, presence, step};

/// How often the connections that are allowed must be enough: always but for one moment in a hundred.
const ENOUGH: f64 = 0.99;

/// How far the billing clock of a load may go: ten years with their leap days, as a horizon.
const LOAD_MOST: Span = Span::from_ns(3_652 * DAY);

/// What `load` and the live half of `run` will do.
#[derive(Clone, Debug, Serialize)]
pub struct LoadForecast {
    /// Calls a second, as asked for; of stages, the mean.
    pub rate_per_s: f64,
    /// How long, in ns.
    pub duration_ns: u64,
    /// Calls that the schedule is expected to hold.
    pub calls: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// How long the upstreams take for a call on average, in ns; `null` where the mean is infinite.
    pub latency_ns: f64,
    /// Calls in flight on average, as if every call were served (Little's law: calls ÷ duration × latency).
    pub in_flight_mean: f64,
    /// Calls a second in the busiest quarter of an hour of the billing clock, as the shapes have it, at the highest rate of
    /// its stages; where calls come in sessions, at the end, when most of them are under way.
    pub peak_rate_per_s: f64,
    /// What the calls in flight then exceed in one moment of a hundred; `null` where the mean is infinite. They are Poisson
    /// where the calls or the sessions are, because none waits for another (M/G/∞) and a session has one call at a time; of
    /// calls in bursts, and about for others, negative binomial.
    pub in_flight_p99: Option<u64>,
    /// Whether many sessions are not over when it ends.
    #[serde(skip)]
    pub(super) cuts_sessions: bool,
    /// Whether its rate goes up and down.
    #[serde(skip)]
    pub(super) has_stages: bool,
    /// What of it is measured, in ns: all but its warm-up and cool-down.
    pub measured_ns: u64,
    /// Whether each next call is made once the one before is answered: then the rate says only how many calls there are.
    pub is_closed: bool,
    /// Connections that are allowed; each carries one call at a time.
    pub connections: u32,
    /// Calls in flight that are allowed.
    pub in_flight: u32,
    /// What happens to those beyond.
    #[serde(skip)]
    pub(super) excess: Excess,
    /// Billing time that the load covers, in ns.
    pub billing_ns: u64,
    /// Billing time that passes in a second, in ns.
    pub billing_ns_per_s: u64,
}

impl LoadForecast {
    pub(super) fn new(scenario: &Scenario, traffic: &[Traffic<'_>], offered: &[Offered], latency_ns: f64) -> Self {
        let live = &scenario.live;
        let pace = Pace::scaled(scenario, live);
        let end = pace.clock.at(pace.until).billing;
        let per_ns = calls_per_ns(scenario, offered);
        let in_flight_mean = if per_ns > 0.0 { per_ns * latency_ns } else { 0.0 };
        let cuts_sessions = offered.iter().any(|of| of.made.is_some_and(|made| made.share < 0.99));
        // A stage plays everything faster, the hours of the shapes included, so its busiest is as much busier.
        let peak = live.peak();
        let (asked_per_ns, faster) = (peak * live.rate_per_s / SECOND as f64, peak / pace.stretch);
        let at_end: Vec<_> = offered.iter().map(|of| of.made.map_or(1.0, |made| made.at_end)).collect();
        let busiest = Busiest::new(traffic, &at_end, end, faster, asked_per_ns, latency_ns);
        let billing = |at: Time| pace.clock.at(at).billing.since(Time::START).ns();
        Self {
            rate_per_s: live.rate_per_s,
            duration_ns: live.duration.ns(),
            calls: offered.iter().map(|of| of.calls).sum(),
            deviation: offered.iter().map(|of| of.variance).sum::<f64>().sqrt(),
            latency_ns,
            in_flight_mean,
            cuts_sessions,
            has_stages: !live.stages.is_empty(),
            measured_ns: live.measured()[1].since(live.measured()[0]).ns(),
            is_closed: live.closed.is_some(),
            peak_rate_per_s: busiest.rate * SECOND as f64,
            in_flight_p99: (busiest.in_flight.is_finite() && busiest.variance.is_finite())
                .then(|| arrivals::quantile(ENOUGH, busiest.in_flight, busiest.variance)),
            connections: live.closed.unwrap_or(live.connections),
            in_flight: live.in_flight,
            excess: live.excess,
            billing_ns: billing(pace.until),
            billing_ns_per_s: billing(Time::from_ns(SECOND.cast_signed())),
        }
    }

    /// Whether a part of it is busier than the rest.
    pub(super) fn has_peak(&self) -> bool {
        self.peak_rate_per_s > self.rate_per_s * (1.0 + 1e-6)
    }

    /// What happens to calls beyond those in flight that are allowed.
    pub(super) const fn beyond(&self) -> &'static str {
        match self.excess {
            Excess::Drop => "what comes beyond is dropped",
            Excess::Queue => "what comes beyond waits",
            Excess::Fail => "what comes beyond ends the load",
        }
    }

    /// What of it cannot work, in sentences.
    pub(super) fn warnings(&self) -> Vec<String> {
        // As many calls are in flight as there are connections, however long they take.
        if self.is_closed {
            return Vec::new();
        }
        let Some(most) = self.in_flight_p99 else {
            let endless =
                "the upstream's latency has no finite mean, so no number of connections is enough for the load";
            return vec![endless.to_owned()];
        };
        let needs = format!(
            "the load keeps {} calls in flight on average, and {} at the 99th percentile{}",
            thousands(self.in_flight_mean.round() as u128),
            thousands(most.into()),
            match (self.has_peak(), self.cuts_sessions) {
                (true, _) if self.has_stages => " of its busiest stage",
                (true, _) => " of its busiest quarter of an hour",
                (false, true) => " of its end",
                (false, false) => "",
            },
        );
        let connections = u64::from(self.connections) < most;
        let connections = connections.then(|| {
            let late = if f64::from(self.connections) < self.in_flight_mean {
                "more calls wait from second to second, and the run will not be valid"
            } else {
                "some calls will be sent late"
            };
            format!("{needs}, over {} `live.connections`: {late}; write at least {most}", self.connections)
        });
        let dropped = u64::from(self.in_flight) < most;
        let dropped = dropped.then(|| {
            let beyond = match self.excess {
                Excess::Drop => "calls will be dropped",
                Excess::Queue => "calls will wait for a place",
                Excess::Fail => "the load will end there, and not be valid",
            };
            format!("{needs}, and `live.in_flight` allows {}: {beyond}; write at least {most}", self.in_flight)
        });
        connections.into_iter().chain(dropped).collect()
    }
}

/// Calls of a cohort within the load.
pub(super) struct Offered {
    calls: f64,
    variance: f64,
    /// What of them comes before the load ends, where they come in sessions.
    made: Option<Made>,
}

impl Offered {
    /// Those of every cohort.
    pub(super) fn of_all(scenario: &Scenario, traffic: &[Traffic<'_>]) -> Vec<Self> {
        let pace = Pace::scaled(scenario, &scenario.live);
        let of = |traffic: &Traffic<'_>| {
            let until = Stretch::of(pace.until.ns() as f64);
            let made = |sessions| sessions::made(scenario, traffic.cohort, sessions, until, pace.stretch);
            let made = arrivals::sessions(traffic.cohort).map(made);
            let (calls, variance) = offered(traffic, pace, made);
            Self { calls, variance, made }
        };
        traffic.iter().map(of).collect()
    }
}

/// Calls of all cohorts per ns of the load, on average.
pub(super) fn calls_per_ns(scenario: &Scenario, offered: &[Offered]) -> f64 {
    let calls: f64 = offered.iter().map(|of| of.calls).sum();
    // Not a number where the scenario's own rate is nothing, or has no mean.
    if calls > 0.0 { calls / scenario.live.duration.ns().max(1) as f64 } else { 0.0 }
}

/// Calls of a cohort within the load: mean and variance.
fn offered(traffic: &Traffic<'_>, pace: Pace, made: Option<Made>) -> (f64, f64) {
    match &traffic.cohort.arrivals {
        Arrivals::Poisson { .. } | Arrivals::Patterned(_) => {
            let end = pace.clock.at(pace.until).billing;
            let share = traffic.share(Time::START, end);
            let (rate, active) = (traffic.rate / pace.stretch, pace.until.ns() as f64 * share);
            let (present, late) = presence(traffic.cohort, end);
            let calls = present * rate * active;
            // That it is by chance who comes when adds to the variance of what they do.
            let late = late * (rate * active).powi(2);
            if let Some(made) = made {
                let each = made.dispersion + rate * active * made.share * traffic.rate_variance;
                let variance = calls * made.share * each + late * made.share.powi(2) + calls.powi(2) * made.variance;
                return (calls * made.share, variance);
            }
            let process = arrivals::process(traffic.cohort);
            let own = arrivals::dispersion(process, rate, traffic.rate_variance, active, 1.0 / pace.stretch);
            (calls, calls * own + calls * rate * active * traffic.rate_variance + late)
        }
        Arrivals::Trace(trace) => {
            let is_made = |ns: u64| ((ns as f64 * pace.stretch) as i64) < pace.until.ns();
            let calls = match trace.repeats {
                Some(_) => trace.rows_before(pace.reach()),
                None => trace.rows.iter().filter(|row| is_made(row.at.ns())).count() as u64,
            };
            (calls as f64, 0.0)
        }
    }
}

/// What is wrong with a load whose billing clock goes further than any horizon may.
pub fn too_long(scenario: &Scenario) -> Option<String> {
    let billed = Pace::scaled(scenario, &scenario.live).billed();
    (billed > LOAD_MOST).then(|| {
        // Beyond what the clock can show nobody knows by how much.
        let on = match billed.ns() {
            ns if ns < i64::MAX.unsigned_abs() / 2 => super::text::length(ns),
            _ => "further than it can show".to_owned(),
        };
        format!(
            "in a load of {} the billing clock goes {on}, and may go ten years; write a shorter `--duration` or \
             `live.duration`, a slower `live.clock`, or a lower `live.rate`",
            super::text::length(scenario.live.duration.ns()),
        )
    })
}

/// A load in hours of the week in which its cohorts hardly call: it would not come near the rate that it asks for.
pub(super) fn quiet_hours(scenario: &Scenario, traffic: &[Traffic<'_>]) -> Option<String> {
    let pace = Pace::scaled(scenario, &scenario.live);
    let end = pace.clock.at(pace.until).billing;
    let each = |of: &Traffic<'_>| (of.rate * of.present, of.share(Time::START, end));
    let all: f64 = traffic.iter().map(|of| each(of).0).sum();
    let active: f64 = traffic.iter().map(each).map(|(rate, share)| rate * share).sum();
    (all > 0.0 && all.is_finite() && active < 0.5 * all).then(|| {
        format!(
            "the load covers {} from the start on, in which the shapes of its cohorts have {:.0}% of their mean rate; \
             write a `start` on a busier day, a longer `live.duration`, or a faster `live.clock`",
            super::text::length(end.since(Time::START).ns()),
            100.0 * active / all,
        )
    })
}

/// Faults that a load never comes to, because its billing clock does not go so far.
pub(super) fn over_before_faults(scenario: &Scenario) -> Option<String> {
    let pace = Pace::scaled(scenario, &scenario.live);
    let end = pace.clock.at(pace.until).billing;
    let missed = || scenario.faults.iter().filter(|fault| fault.begins() >= end && fault.at < scenario.horizon);
    missed().map(|fault| fault.at).min().map(|first| {
        format!(
            "the load covers {} of billing time and meets none of the faults from {} on: {} of {}; write a longer \
             `live.duration`, or a faster `live.clock`",
            super::text::length(end.since(Time::START).ns()),
            super::text::length(first.ns()),
            missed().count(),
            scenario.faults.len(),
        )
    })
}

/// Cohorts of whose sessions a load is too short to see much: it would not come near the rate that it asks for.
pub(super) fn cut_sessions(scenario: &Scenario, traffic: &[Traffic<'_>], offered: &[Offered]) -> Vec<String> {
    let pace = Pace::scaled(scenario, &scenario.live);
    let of = |(traffic, offered): (&Traffic<'_>, &Offered)| {
        let sessions = arrivals::sessions(traffic.cohort)?;
        let step = step(scenario, traffic.cohort, sessions, pace.stretch);
        let made = offered.made?.share;
        (made < 0.5).then(|| {
            format!(
                "of the calls that the load asks of `{}`, {:.0}% come before its end: a session has {:.1} calls, and it \
                 is {} from one to the next on average; write a longer `live.duration`, or another `arrivals`",
                traffic.cohort.name,
                100.0 * made,
                sessions.mean(),
                super::text::length(step as u64),
            )
        })
    };
    traffic.iter().zip(offered).filter_map(of).collect()
}

/// Cohorts whose compressed calls run into a rate limit that they keep in the scenario's own time: limits go by the
/// wall, whatever the billing clock does.
pub(super) fn compressed_past_limits(scenario: &Scenario, traffic: &[Traffic<'_>]) -> Vec<String> {
    let pace = Pace::scaled(scenario, &scenario.live);
    let of = |traffic: &Traffic<'_>| {
        let limits = traffic.plan.limits.iter().filter_map(rate);
        let slowest = limits.map(|rate| rate.requests as f64 / rate.per.ns() as f64).reduce(f64::min)?;
        let (own, live) = (traffic.rate, traffic.rate / pace.stretch);
        (own <= slowest && live > slowest).then(|| {
            let per_s = |per_ns: f64| format!("{:.1}", per_ns * SECOND as f64);
            format!(
                "in the load each consumer of `{}` makes {} calls a second, and the plan `{}` allows {}: most refusals \
                 will be for the rate; lower `live.rate`",
                traffic.cohort.name,
                per_s(live),
                traffic.plan.name,
                per_s(slowest),
            )
        })
    };
    traffic.iter().filter_map(of).collect()
}

/// The rate of a limit that has one.
fn rate(limit: &Limit) -> Option<Rate> {
    match limit {
        Limit::TokenBucket { rate, .. }
        | Limit::LeakyBucket { rate, .. }
        | Limit::FixedWindow(rate)
        | Limit::SlidingWindow(rate) => Some(*rate),
        Limit::Concurrency(_) => None,
    }
}
