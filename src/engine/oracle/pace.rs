//! Limits as their textbooks define them, from the moments at which calls passed.

use std::collections::VecDeque;

use crate::model::{Limit, Rate};
use crate::time::Time;

/// A limit, and what has passed it. Fills and levels are counted in parts: a call takes as many as the rate's span has
/// nanoseconds, and each nanosecond brings or drains as many as the rate has requests.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    limit: Limit,
    /// The scenario's start in ns since the Unix epoch: fixed windows are aligned to that.
    epoch_ns: i128,
    passed: Passed,
}

#[derive(Clone, Debug)]
enum Passed {
    /// Nothing yet.
    Nothing,
    /// What a token bucket held, or how high a leaky one stood, after the last call.
    Level(i128, Time),
    /// Which window the last call fell into, and how many passed in it.
    Window(i128, u64),
    /// When each of the last calls passed.
    Log(VecDeque<Time>),
}

impl Pace {
    /// Nothing has passed yet.
    pub(super) fn fresh(limit: Limit, epoch_ns: i128) -> Self {
        Self { limit, epoch_ns, passed: Passed::Nothing }
    }

    /// Whether it bounds how many are in flight, and not how fast they come.
    pub(super) fn is_concurrency(&self) -> bool {
        matches!(self.limit, Limit::Concurrency(_))
    }

    /// Whether a call may pass at this instant of traffic, beside so many in flight.
    pub(super) fn admits(&self, at: Time, in_flight: usize) -> bool {
        match self.limit {
            Limit::TokenBucket { rate, burst } => self.tokens(rate, burst, at) >= call(rate),
            Limit::LeakyBucket { rate, burst } => self.excess(rate, at) <= call(rate) * i128::from(burst),
            Limit::FixedWindow(rate) => match self.passed {
                Passed::Window(window, count) if window == self.window(rate, at) => count < rate.requests,
                _ => true,
            },
            Limit::SlidingWindow(rate) => (self.within(rate, at) as u64) < rate.requests,
            Limit::Concurrency(most) => (in_flight as u64) < most,
        }
    }

    /// A call has passed.
    pub(super) fn pass(&mut self, at: Time) {
        self.passed = match self.limit {
            Limit::TokenBucket { rate, burst } => Passed::Level((self.tokens(rate, burst, at) - call(rate)).max(0), at),
            Limit::LeakyBucket { rate, .. } => Passed::Level(self.excess(rate, at), at),
            Limit::FixedWindow(rate) => {
                let window = self.window(rate, at);
                match self.passed {
                    Passed::Window(last, count) if last == window => Passed::Window(window, count + 1),
                    _ => Passed::Window(window, 1),
                }
            }
            Limit::SlidingWindow(rate) => {
                let mut log = match std::mem::replace(&mut self.passed, Passed::Nothing) {
                    Passed::Log(log) => log,
                    _ => VecDeque::new(),
                };
                log.retain(|entry| at.since(*entry) < rate.per);
                log.push_back(at);
                Passed::Log(log)
            }
            Limit::Concurrency(_) => Passed::Nothing,
        };
    }

    /// A token bucket begins full, and is refilled evenly up to its burst.
    fn tokens(&self, rate: Rate, burst: u64, at: Time) -> i128 {
        let full = call(rate) * i128::from(burst);
        match self.passed {
            Passed::Level(left, then) => full.min(left + flow(rate, then, at)),
            _ => full,
        }
    }

    /// What nginx would count after this call: max(excess − leak + 1, 0), and 0 for the first.
    fn excess(&self, rate: Rate, at: Time) -> i128 {
        match self.passed {
            Passed::Level(excess, then) => (excess - flow(rate, then, at) + call(rate)).max(0),
            _ => 0,
        }
    }

    fn window(&self, rate: Rate, at: Time) -> i128 {
        (self.epoch_ns + i128::from(at.ns())).div_euclid(call(rate))
    }

    /// How many have passed in (at − per, at].
    fn within(&self, rate: Rate, at: Time) -> usize {
        match &self.passed {
            Passed::Log(log) => log.iter().filter(|entry| at.since(**entry) < rate.per).count(),
            _ => 0,
        }
    }
}

/// What one call takes.
fn call(rate: Rate) -> i128 {
    i128::from(rate.per.ns())
}

/// What the time between two instants brings or drains.
fn flow(rate: Rate, from: Time, to: Time) -> i128 {
    i128::from(to.since(from).ns()) * i128::from(rate.requests)
}
