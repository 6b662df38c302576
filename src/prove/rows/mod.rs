//! The rows: a scenario, what is measured of it, and what theory says.
//!
//! The sizes are those of the plain run, chosen so that every interval is as narrow as it has to be; `--long` makes each a
//! hundred times as large.

mod limit;
mod payment;
mod queue;
mod usage;

use std::sync::Arc;

use farebox_engine::model::{Arrivals, Cohort, HandOut, Joined, METERS_MAX, Plan, Scenario, Trace};
use farebox_engine::outcome::Outcome;
use farebox_engine::time::{DAY, Span};
use farebox_engine::world::World;
use serde::Serialize;

use super::estimate::Ratio;
use super::moments::{self, Moments};
use super::sojourn;
use crate::control::Control;
use crate::simulate::{everyone, simulate};

/// How wide an interval may be: half of it at most this share of the exact value, unless a row says otherwise.
pub(super) const WIDEST: f64 = 0.01;

/// A formula, and the scenario that it is the answer to.
pub struct Row {
    /// What it is about; no two rows have the same.
    pub name: &'static str,
    /// The formula, as one reads it.
    pub formula: &'static str,
    /// What its letters are here.
    pub parameters: String,
    /// What the figures are.
    pub unit: Unit,
    /// What the formula gives.
    pub exact: f64,
    /// Half of the interval may be so much of the exact value at most.
    pub widest: f64,
    scenario: Scenario,
    grows: Grows,
    measure: Measure,
}

/// What a row's figures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share of a whole, from 0 to 1.
    Share,
    /// Hours.
    Hours,
    /// Dollars.
    Dollars,
    /// A number of something.
    Count,
    /// Milliseconds.
    Milliseconds,
}

/// What becomes more when a row is played at a larger size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grows {
    /// The consumers, and with them those who sign up.
    Consumers,
    /// The time that is played, for what is one process without end.
    Horizon,
}

/// What is read off a replication.
#[derive(Clone, Copy)]
enum Measure {
    /// What the outcome of the whole time says.
    Outcome(fn(&Outcome) -> Ratio),
    /// The same of a time so much longer, less what the outcome of that first part says: there the process is not yet what
    /// it will be.
    After(Span, fn(&Outcome) -> Ratio),
    /// How many there are at the end of what becomes more with the size.
    Size(fn(&Outcome) -> f64),
    /// When something has happened.
    Moments(fn(&Moments) -> Ratio),
    /// How long calls that are made after this span take at an upstream that is shared.
    Sojourn(Span),
}

/// Every row, in the order in which they are shown.
pub fn rows() -> Vec<Row> {
    [usage::rows(), limit::rows(), payment::rows(), queue::rows()].into_iter().flatten().collect()
}

impl Row {
    /// Plays one replication: everything drawn from `seed`, at `work` times the size of the plain run.
    ///
    /// # Panics
    /// When an amount leaves its range: the rows have small ones.
    pub fn play(&self, seed: u64, work: f64) -> Ratio {
        let mut scenario = self.grown(work);
        scenario.seed = seed;
        match self.measure {
            Measure::Outcome(read) => read(&outcome(scenario)),
            Measure::After(warm_up, read) => {
                let until = warm_up + scenario.horizon;
                let begun = read(&outcome(Scenario { horizon: warm_up, ..scenario.clone() }));
                let whole = read(&outcome(Scenario { horizon: until, ..scenario }));
                Ratio { above: whole.above - begun.above, below: whole.below - begun.below }
            }
            Measure::Size(read) => Ratio { above: read(&outcome(scenario)), below: work },
            Measure::Moments(read) => read(&moments::of_everyone(&world(scenario))),
            Measure::Sojourn(warm_up) => sojourn::of_everyone(&world(scenario), warm_up),
        }
    }

    fn grown(&self, work: f64) -> Scenario {
        let mut scenario = self.scenario.clone();
        match self.grows {
            Grows::Horizon => {
                scenario.horizon = Span::from_secs((scenario.horizon.as_secs_f64() * work).ceil() as u64);
            }
            Grows::Consumers => {
                for cohort in &mut scenario.cohorts {
                    cohort.count = (f64::from(cohort.count) * work).ceil() as u32;
                    if let Joined::Signups { mean_gap_ns } = &mut cohort.joined {
                        *mean_gap_ns /= work;
                    }
                }
            }
        }
        scenario
    }
}

fn world(scenario: Scenario) -> World {
    World::whole(Arc::new(scenario)).expect("the amounts of a row are small")
}

/// Played as `farebox simulate` plays it, on this thread alone: the replications are what is spread over threads.
fn outcome(scenario: Scenario) -> Outcome {
    let parts = everyone(&scenario);
    let alone = std::num::NonZeroUsize::MIN;
    simulate(&world(scenario), &parts, alone, &Control::default()).expect("the amounts of a row are small")
}

// === What the rows are made of ===

/// One plan and one cohort on it.
fn scenario(horizon: Span, plan: Plan, cohort: Cohort) -> Scenario {
    let mut scenario = Scenario::new("prove", horizon);
    scenario.plans.push(plan);
    scenario.cohorts.push(cohort);
    scenario
}

/// Calls at random, so many a day and consumer.
fn daily(calls: f64) -> Arrivals {
    Arrivals::Poisson { mean_gap_ns: DAY as f64 / calls, spread: None }
}

/// No calls at all.
const SILENT: Arrivals = Arrivals::Trace(Trace {
    rows: Vec::new(),
    most: [0; METERS_MAX],
    routes: Vec::new(),
    hand_out: HandOut::Even,
    repeats: None,
});

const fn days(n: u64) -> Span {
    Span::from_ns(n * DAY)
}

/// Refused calls of offered ones.
fn refused(outcome: &Outcome) -> Ratio {
    let [cohort] = &outcome.cohorts[..] else { unreachable!("a row has one cohort") };
    Ratio { above: cohort.refused.values().sum::<u64>() as f64, below: cohort.offered() as f64 }
}

#[cfg(test)]
mod tests;
