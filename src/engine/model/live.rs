//! How `load` and `run` play a scenario on real sockets.

use crate::time::{Clock, Span, Time};

/// How `load` and `run` play the scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Calls a second, all consumers together, on average over the load; the scenario's own arrivals are scaled to it.
    pub rate_per_s: f64,
    /// How the rate goes up and down around that mean; empty: it does not.
    pub stages: Vec<RateStage>,
    /// How long the load runs, on the wall.
    pub duration: Span,
    /// What of it at the start is made and decided, and not measured.
    pub warm_up: Span,
    /// What of it at the end is made and decided, and not measured.
    pub cool_down: Span,
    /// How billing time follows the wall's; `None`: at the pace of the scaled arrivals, so that a billing day of the
    /// load has as many calls as a day of the scenario.
    pub clock: Option<Clock>,
    /// Connections to the gateway at most.
    pub connections: u32,
    /// Calls in flight at most.
    pub in_flight: u32,
    /// What happens to those beyond.
    pub excess: Excess,
    /// Over how many connections each next call is made once the one before is answered, whatever the schedule says;
    /// `None`: each call is made when the schedule says.
    pub closed: Option<u32>,
}

/// A part of a load in which the rate stays the same, or changes evenly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateStage {
    /// How long it lasts, on the wall; above zero.
    pub length: Span,
    /// Calls a second when it begins; above zero.
    pub from_per_s: f64,
    /// Calls a second when it ends; above zero.
    pub to_per_s: f64,
}

/// What happens to calls that come while as many are in flight as may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Excess {
    /// They are dropped, and counted.
    #[default]
    Drop,
    /// They wait, without bound; their latency counts from their intended start all the same.
    Queue,
    /// The first of them ends the load, which is not valid then.
    Fail,
}

impl Default for Live {
    /// What a scenario has that says nothing of it.
    fn default() -> Self {
        Self {
            rate_per_s: 1_000.0,
            stages: Vec::new(),
            duration: Span::from_secs(10),
            warm_up: Span::ZERO,
            cool_down: Span::ZERO,
            clock: None,
            connections: 64,
            in_flight: 4_000,
            excess: Excess::Drop,
            closed: None,
        }
    }
}

impl Live {
    /// The time in which calls that are due are measured: from its begin, included, to its end, which is not.
    pub fn measured(&self) -> [Time; 2] {
        let end = Time::START + self.duration;
        let begins = (Time::START + self.warm_up).min(end);
        [begins, (end - self.cool_down).max(begins)]
    }

    /// How many times as high as on average the rate is when it is highest.
    pub fn peak(&self) -> f64 {
        let ends = self.stages.iter().flat_map(|stage| [stage.from_per_s, stage.to_per_s]);
        ends.fold(self.rate_per_s, f64::max) / self.rate_per_s
    }
}

impl RateStage {
    /// The mean rate of stages, per second; not a number without any.
    pub fn mean_per_s(stages: &[Self]) -> f64 {
        let calls: f64 = stages.iter().map(Self::calls).sum();
        calls / stages.iter().map(|stage| stage.length.as_secs_f64()).sum::<f64>()
    }

    /// Calls that it asks for.
    pub fn calls(&self) -> f64 {
        0.5 * (self.from_per_s + self.to_per_s) * self.length.as_secs_f64()
    }
}
