//! A grid of scenarios, each played, and what that comes to: the surface of revenue and of refusals over what was set, the
//! front between the two, and how far points are told apart.
//!
//! All points draw from one seed, and draws have addresses, so every point meets the same demand: what differs between
//! two points is what was set. Of a point only a few integers are kept ([`Reading`]), as soon as it has been played.

pub mod evidence;
pub mod front;
mod play;
pub mod steps;

use std::num::NonZeroUsize;

use farebox_engine::billing::tally::Count;
use farebox_engine::money::{Currency, Overflow};
use farebox_engine::outcome::{CohortOutcome, Outcome};

use crate::control::Control;
use crate::measure::interval::{self, By, Pair};
pub use crate::scenario::{Axis, AxisValue};
use crate::scenario::{Diagnostic, Grid, Rejected};

/// How many readings a sweep may have: points times replications, of 150 bytes each.
pub const READINGS_MAX: u64 = 1_000_000;

/// How a grid is played.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What all points draw from.
    pub seed: u64,
    /// How often each is played, with other draws.
    pub replications: u32,
    /// On how many threads.
    pub jobs: NonZeroUsize,
}

/// What one replication of one point has shown, over all cohorts; amounts in the currency's engine units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// All that was earned.
    pub earned: i128,
    /// Totals of the invoices.
    pub invoiced: i128,
    /// Captures less refunds and chargebacks.
    pub collected: i128,
    /// Monthly recurring revenue at the end.
    pub mrr: i128,
    /// Earned less what collecting and answering cost.
    pub margin: i128,
    /// Calls that were made, each with one attempt or more.
    pub calls: u64,
    /// Of those, whose last attempt was refused.
    pub refused: u64,
    /// At least so many consumers were refused: of each cohort those that met the cause that most of them met. Outcomes
    /// count them by cause, and whoever met two is in both.
    pub consumers_refused_at_least: u64,
    /// Consumers that left by themselves.
    pub left: u64,
}

impl Reading {
    /// What an outcome of one replication says.
    pub fn of(outcome: &Outcome) -> Self {
        let figures = outcome.figures();
        let sum = |of: fn(&CohortOutcome) -> u64| outcome.cohorts.iter().map(of).sum();
        Self {
            earned: figures.earned,
            invoiced: figures.invoiced,
            collected: figures.collected,
            mrr: figures.mrr,
            margin: figures.margin,
            calls: sum(CohortOutcome::calls),
            refused: outcome.cohorts.iter().map(|cohort| interval::refused(By::Call, cohort)).sum(),
            consumers_refused_at_least: sum(|cohort| cohort.consumers_refused.values().copied().max().unwrap_or(0)),
            left: sum(|cohort| cohort.count(Count::Left)),
        }
    }

    /// Both together: what several replications come to.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        Self {
            earned: self.earned + other.earned,
            invoiced: self.invoiced + other.invoiced,
            collected: self.collected + other.collected,
            mrr: self.mrr + other.mrr,
            margin: self.margin + other.margin,
            calls: self.calls + other.calls,
            refused: self.refused + other.refused,
            consumers_refused_at_least: self.consumers_refused_at_least + other.consumers_refused_at_least,
            left: self.left + other.left,
        }
    }

    /// The share of calls that was refused; its denominator is 0 where none was made.
    pub fn share(&self) -> Pair {
        Pair { parts: i128::from(self.refused), of: i128::from(self.calls) }
    }
}

/// A point that was played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Which value of each axis it has; empty: the scenario as the file has it, where that is not on the grid.
    pub at: Vec<usize>,
    /// All replications together.
    pub total: Reading,
    /// Each of them, in order.
    pub each: Vec<Reading>,
}

/// What a sweep has shown: plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// The scenario's name.
    pub scenario: String,
    /// SHA-256 of the scenario and its traces.
    pub fingerprint: String,
    /// What all points drew from.
    pub seed: u64,
    /// How often each point was played.
    pub replications: u32,
    /// Of all amounts.
    pub currency: Currency,
    /// How many consumers the scenario has as the file has it.
    pub consumers: u64,
    /// How much time was played, as the file has it, in ns.
    pub horizon_ns: u64,
    /// What took which values.
    pub axes: Vec<Axis>,
    /// How many points the grid has; those that an interrupt left out are not among [`Self::points`].
    pub planned: usize,
    /// The points of the grid that were played, in its order.
    pub points: Vec<Point>,
    /// Where among them the file's own values are; else they are [`Self::beside`].
    pub base: Option<usize>,
    /// The scenario as the file has it, played beside the grid that it is not on.
    pub beside: Option<Point>,
}

/// Why a sweep has no result.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Amounts left their range.
    #[error("the amounts are too large to be kept exactly at {at}")]
    Overflow {
        /// The point.
        at: String,
        /// Where.
        source: Overflow,
    },
}

impl Sweep {
    /// Whether points are missing.
    pub fn is_partial(&self) -> bool {
        self.points.len() < self.planned
    }

    /// The scenario as the file has it, if it was played.
    pub fn own(&self) -> Option<&Point> {
        self.base.map(|at| &self.points[at]).or(self.beside.as_ref())
    }

    /// The point that earned the most; of those that earned as much, the one that refused the least, then the first.
    pub fn best(&self) -> Option<usize> {
        (0..self.points.len()).min_by(|a, b| front::by_revenue(&self.points[*a].total, &self.points[*b].total))
    }

    /// Which points are on the front, in the order of [`Self::points`].
    pub fn front(&self) -> Vec<bool> {
        front::front(&self.points.iter().map(|point| point.total).collect::<Vec<_>>())
    }
}

/// Reads every point of a grid, on several threads; says what is odd beside what was odd in the file.
pub fn check(grid: &Grid, jobs: NonZeroUsize, control: &Control) -> Result<Vec<Diagnostic>, Rejected> {
    grid.said(play::check(grid, jobs, control))
}

/// How many times a scenario is played for a grid: the work that [`play()`] counts.
pub fn plays(grid: &Grid, options: Options) -> u64 {
    let beside = usize::from(play::is_beside(grid));
    (grid.points() + beside) as u64 * u64::from(options.replications)
}

/// Plays every point of a grid, which has been checked; the control counts replications of points. Canceled, it ends with
/// those that were begun, and the sweep holds the points of which every replication was played. The same for any number
/// of jobs.
pub fn play(grid: &Grid, options: Options, control: &Control) -> Result<Sweep, SweepError> {
    play::play(grid, options, control)
}

#[cfg(test)]
mod tests;
