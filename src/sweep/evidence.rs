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
    /// It earns less, by more than chance explains at 95 %.
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
        behind: if at == best { Behind::Best } else { behind(point, &sweep.points[best]) },
    };
    Some(sweep.points.iter().enumerate().map(of).collect())
}

fn earned(point: &Point) -> Vec<Pair> {
    point.each.iter().map(|reading| Pair::whole(reading.earned)).collect()
}

fn behind(point: &Point, best: &Point) -> Behind {
    let differences: Vec<Pair> =
        best.each.iter().zip(&point.each).map(|(best, own)| Pair::whole(best.earned - own.earned)).collect();
    match interval::over_replications(&differences) {
        // Without any spread the difference is what it is.
        Err(_) if differences.iter().all(|pair| pair.parts == 0) => Behind::Same,
        Err(_) => Behind::Less,
        Ok(interval) if interval.from > 0.0 => Behind::Less,
        Ok(_) => Behind::NotTold,
    }
}
