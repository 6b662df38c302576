//! Plays the rows and judges them.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use farebox_engine::draw::Address;
use serde::Serialize;

use super::NOT_YET;
use super::estimate::{Ratio, jackknife};
use super::rows::{self, Row, Unit};
use crate::control::Control;

/// The version of the layout: raised when a reader of the last one would misread this.
const SCHEMA: u32 = 1;

/// How often each row is played, every time from another seed: so many that Student's t is hardly wider than the normal
/// law, and that what is averaged is all but normal by then.
pub const REPLICATIONS: usize = 100;

/// The chance that any of the rows fails although all is right.
pub const MISS: f64 = 0.001;

/// How the rows are played.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What every seed derives from.
    pub seed: u64,
    /// The size: 1 for the plain run, 100 for intervals a tenth as wide.
    pub work: f64,
    /// On how many threads.
    pub jobs: NonZeroUsize,
}

/// What the rows have shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proof {
    /// The version of this layout.
    pub schema: u32,
    /// What every seed derives from.
    pub seed: u64,
    /// The size, as a multiple of the plain run's.
    pub work: f64,
    /// How often each row was played.
    pub replications: usize,
    /// The chance that any row of the whole table fails although all is right.
    pub miss: f64,
    /// The chance that the interval of one row misses.
    pub miss_of_a_row: f64,
    /// Whether every row that was played holds.
    pub holds: bool,
    /// The rows that were played.
    pub rows: Vec<Proved>,
    /// What has a formula and cannot be simulated yet.
    pub not_yet: Vec<Missing>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proved {
    /// What it is about.
    pub name: &'static str,
    /// The formula…
    pub formula: &'static str,
    /// …and what its letters are.
    pub parameters: String,
    /// What the figures are.
    pub unit: Unit,
    /// What the formula gives.
    pub exact: f64,
    /// What the simulation gives; `None`: there was nothing to measure.
    pub simulated: Option<f64>,
    /// Half of the interval's width.
    pub half_width: Option<f64>,
    /// Half of the interval may be so much of the exact value at most.
    pub widest: f64,
    /// What follows.
    pub verdict: Verdict,
}

/// What a row has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The exact value lies in the interval, which is narrow.
    Holds,
    /// It does not.
    Fails,
    /// The interval is so wide that it says nothing, or there was nothing to measure.
    TooWide,
}

/// What cannot be simulated yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// What.
    pub name: &'static str,
    /// The reason.
    pub reason: &'static str,
}

/// Plays the rows; the control counts replications, and hears of each when it is over. `None` when it was canceled: what
/// was not played to its end has no verdict.
///
/// The result is the same for any number of `jobs`, and that of a row whichever others are played.
pub fn prove(rows: &[Row], options: Options, control: &Control) -> Option<Proof> {
    let played = play(rows, options, control)?;
    let miss_of_a_row = MISS / rows::rows().len() as f64;
    let judged: Vec<_> = rows.iter().zip(&played).map(|(row, ratios)| judge(row, ratios, miss_of_a_row)).collect();
    Some(Proof {
        schema: SCHEMA,
        seed: options.seed,
        work: options.work,
        replications: REPLICATIONS,
        miss: MISS,
        miss_of_a_row,
        holds: judged.iter().all(|row| row.verdict == Verdict::Holds),
        rows: judged,
        not_yet: NOT_YET.map(|(name, reason)| Missing { name, reason }).to_vec(),
    })
}

/// What each replication of each row has measured.
///
/// Threads take replications from one counter, every row once before any row twice, so that progress is even.
fn play(rows: &[Row], options: Options, control: &Control) -> Option<Vec<Vec<Ratio>>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut played = Vec::new();
        while !control.is_canceled()
            && let place = next.fetch_add(1, Ordering::Relaxed)
            && place < rows.len() * REPLICATIONS
        {
            let row = &rows[place % rows.len()];
            played.push((place, row.play(seed(options.seed, row, place / rows.len()), options.work)));
            control.done.fetch_add(1, Ordering::Relaxed);
        }
        played
    };
    let mut played = std::thread::scope(|scope| {
        let others: Vec<_> = (1..options.jobs.get()).map(|_| scope.spawn(work)).collect();
        let mut played = work();
        played
            .extend(others.into_iter().flat_map(|other| other.join().expect("a thread that panics ends the process")));
        played
    });
    if control.is_canceled() {
        return None;
    }
    played.sort_unstable_by_key(|(place, _)| *place);
    let of_row = |row| played.iter().skip(row).step_by(rows.len()).map(|(_, ratio)| *ratio).collect();
    Some((0..rows.len()).map(of_row).collect())
}

/// The seed of a replication: hash(seed, row, r).
fn seed(seed: u64, row: &Row, replication: usize) -> u64 {
    Address::seed(seed).named("prove").named(row.name).at(replication as u64).stream().word(0)
}

fn judge(row: &Row, ratios: &[Ratio], miss: f64) -> Proved {
    let estimate = jackknife(ratios, miss);
    let verdict = match estimate {
        None => Verdict::TooWide,
        // What must be nothing is nothing each time, and has no interval.
        Some(estimate) if row.exact == 0.0 => {
            if estimate.value == 0.0 && estimate.half_width == 0.0 {
                Verdict::Holds
            } else {
                Verdict::Fails
            }
        }
        Some(estimate) if (estimate.value - row.exact).abs() > estimate.half_width => Verdict::Fails,
        Some(estimate) if estimate.half_width > row.widest * row.exact => Verdict::TooWide,
        Some(_) => Verdict::Holds,
    };
    Proved {
        name: row.name,
        formula: row.formula,
        parameters: row.parameters.clone(),
        unit: row.unit,
        exact: row.exact,
        simulated: estimate.map(|estimate| estimate.value),
        half_width: estimate.map(|estimate| estimate.half_width),
        widest: row.widest,
        verdict,
    }
}
