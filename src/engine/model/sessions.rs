//! Calls in sessions: each but the first follows the answer to the one before it.

use crate::distribution::Distribution;

/// How the calls of a consumer come in sessions: the sessions begin by themselves, and each next call of one is made a
/// think time after the call before it came to its end, however it ended.
#[derive(Clone, Debug)]
pub struct Sessions {
    calls: Distribution,
    /// The think time, in ns.
    pub think: Distribution,
    mean: f64,
}

impl Sessions {
    /// The most calls of a session: what a distribution draws beyond is cut to it.
    pub const MOST: u64 = 1_000;
    /// Calls of one consumer are told apart by the number of their session times this, plus their place in it.
    pub const PLACES: u64 = 1_024;

    /// Sessions of so many calls, a number that is rounded down and at least 1, with such think times in ns.
    pub fn new(calls: Distribution, think: Distribution) -> Self {
        let mut sessions = Self { calls, think, mean: 0.0 };
        sessions.mean = (1..=Self::MOST).map(|calls| sessions.at_least(calls)).sum();
        sessions
    }

    /// How many calls a session has.
    pub fn calls(&self, word: u64) -> u64 {
        self.calls.sample_whole(word).clamp(1, Self::MOST)
    }

    /// The chance that a session has so many calls, or more.
    pub fn at_least(&self, calls: u64) -> f64 {
        match calls {
            0 | 1 => 1.0,
            2..=Self::MOST => self.calls.at_least(calls as f64),
            _ => 0.0,
        }
    }

    /// How many calls a session has on average.
    pub fn mean(&self) -> f64 {
        self.mean
    }
}

const _: () = assert!(Sessions::MOST <= Sessions::PLACES, "every call of a session has a place");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Z95;
    use crate::draw::Address;

    /// The mean that rates go by is that of what is drawn, rounding and truncation included: within five standard
    /// deviations of the mean of a million sessions.
    #[test]
    fn the_mean_is_that_of_the_calls_that_are_drawn() {
        let stream = Address::seed(1).named("sessions").stream();
        for calls in [
            Distribution::Constant(6.0),
            Distribution::log_normal(6.0, 30.0, Z95),
            Distribution::log_normal(300.0, 3_000.0, Z95),
            Distribution::Exponential { mean: 0.7 },
            Distribution::Uniform { from: 1.0, to: 9.0 },
            Distribution::Pareto { min: 1.0, alpha: 0.6 },
            Distribution::Gamma { shape: 0.5, mean: 12.0 },
        ] {
            let sessions = Sessions::new(calls.clone(), Distribution::Constant(0.0));
            let drawn: Vec<f64> = (0..1_000_000).map(|i| sessions.calls(stream.word(i)) as f64).collect();
            let mean = drawn.iter().sum::<f64>() / 1e6;
            let variance = drawn.iter().map(|calls| (calls - mean).powi(2)).sum::<f64>() / 1e6;
            let tolerance = 5.0 * (variance / 1e6).sqrt() + 1e-9;
            assert!((mean - sessions.mean()).abs() <= tolerance, "{calls:?}: {mean}, {}", sessions.mean());
        }
    }
}
