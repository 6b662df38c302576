//! How the figures move with each step along one key, all others held: the differences between neighbours of the grid, and
//! their mean over the lines along which it is walked.

use std::collections::BTreeMap;

use super::{Reading, Sweep};

/// From one value of an axis to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The index of the axis.
    pub axis: usize,
    /// The index of the value that it goes to.
    pub to: usize,
    /// How many pairs of neighbours it is the mean of.
    pub pairs: u64,
    /// By how much more is earned, in engine units, in one replication.
    pub earned: f64,
    /// By how much more is refused, as a share of one.
    pub share: f64,
}

/// The steps of every axis, in order; those of which no pair was played are left out.
pub fn steps(sweep: &Sweep) -> Vec<Step> {
    let mut sums: BTreeMap<(usize, usize), (u64, i128, f64)> = BTreeMap::new();
    let places: BTreeMap<&[usize], &Reading> =
        sweep.points.iter().map(|point| (point.at.as_slice(), &point.total)).collect();
    for point in &sweep.points {
        for (axis, at) in point.at.iter().enumerate().filter(|(_, at)| **at > 0) {
            let mut before = point.at.clone();
            before[axis] -= 1;
            let Some(before) = places.get(before.as_slice()) else { continue };
            let (pairs, earned, share) = sums.entry((axis, *at)).or_default();
            *pairs += 1;
            *earned += point.total.earned - before.earned;
            *share += share_of(&point.total) - share_of(before);
        }
    }
    let runs = f64::from(sweep.replications);
    let mean = |((axis, to), (pairs, earned, share)): ((usize, usize), (u64, i128, f64))| Step {
        axis,
        to,
        pairs,
        earned: earned as f64 / pairs as f64 / runs,
        share: share / pairs as f64,
    };
    sums.into_iter().map(mean).collect()
}

/// The share of calls refused as a float, none where none was made.
pub fn share_of(reading: &Reading) -> f64 {
    if reading.calls == 0 { 0.0 } else { reading.share().ratio() }
}
