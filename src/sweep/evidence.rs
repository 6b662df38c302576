//! How sure the figures of a point are: intervals over its replications, and whether it is told apart from the point that
//! earned the most. Replications of two points have the same draws, so their difference is taken pair by pair: what all
//! points share of chance falls out of it.

use super::{Point, Sweep};
use crate::measure::interval::{self, Interval, Pair};

/// What is known of one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Of what is earned on average, in engine units.
    pub earned: Option<Interval>,
    /// Of the share of calls that is refused.
    pub share: Option<Interval>,
    /// How much less it earns than the best.
    pub behind: Behind,
}

/// How a point stands to the one that earned the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// It is the best.
    Best,
    /// It earns as much in every replication.
    Same,
    /// It earns less, by more than chance explains at 95 % for all points together.
    Less,
    /// Which of the two earns more, the replications do not tell.
    NotTold,
}

impl Behind {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Same => "same",
            Self::Less => "less",
            Self::NotTold => "not_told_apart",
        }
    }
}

/// What is known of every point, in their order; `None` with too few replications to know anything.
pub fn evidence(sweep: &Sweep) -> Option<Vec<Evidence>> {
    if (sweep.replications as usize) < interval::LEAST {
        return None;
    }
    let best = sweep.best()?;
    let of = |(at, point): (usize, &Point)| Evidence {
        earned: interval::over_replications(&earned(point)).ok(),
        share: interval::over_replications(&point.each.iter().map(super::Reading::share).collect::<Vec<_>>())
            .ok()
            .map(|interval| interval.within(0.0, 1.0)),
        behind: if at == best { Behind::Best } else { behind(point, &sweep.points[best], sweep.points.len() - 1) },
    };
    Some(sweep.points.iter().enumerate().map(of).collect())
}

fn earned(point: &Point) -> Vec<Pair> {
    point.each.iter().map(|reading| Pair::whole(reading.earned)).collect()
}

/// How a point stands to the best, one of so many that are compared with it: their intervals hold together.
fn behind(point: &Point, best: &Point, together: usize) -> Behind {
    let pairs = best.each.iter().zip(&point.each);
    let differences: Vec<f64> = pairs.map(|(best, own)| (best.earned - own.earned) as f64).collect();
    match interval::of_mean(&differences, together) {
        // Without any spread the difference is what it is.
        Err(_) if differences.iter().all(|difference| *difference == 0.0) => Behind::Same,
        Err(_) => Behind::Less,
        Ok(interval) if interval.from > 0.0 => Behind::Less,
        Ok(_) => Behind::NotTold,
    }
}
