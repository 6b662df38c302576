//! What time brings to an account, on the billing clock: one moment per kind, and the first of them kept at hand.

use crate::time::Time;

/// What time brings. Of those that come at the same moment, the first here goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Deadline {
    /// The consumer subscribes.
    Join,
    /// The next dunning attempt: it is about an older invoice than what a new period brings.
    Retry,
    /// Credit expires.
    CreditExpiry,
    /// A new price version reaches everyone.
    PriceChange,
    /// The wait for the first payment is over.
    Incomplete,
    /// The trial ends.
    TrialEnd,
    /// A period of fee or usage ends, and the next begins.
    Period,
    /// The last call in flight of an ended period has come home: its invoice can be made.
    Finalise,
    /// Credit has run low.
    TopUp,
    /// A hold expires. On the traffic clock, and kept by the holds.
    Hold,
}

const KINDS: usize = Deadline::Hold as usize;

const ORDER: [Deadline; KINDS] = [
    Deadline::Join,
    Deadline::Retry,
    Deadline::CreditExpiry,
    Deadline::PriceChange,
    Deadline::Incomplete,
    Deadline::TrialEnd,
    Deadline::Period,
    Deadline::Finalise,
    Deadline::TopUp,
];

/// The moments, by kind; [`Time::NEVER`] where nothing is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timers {
    at: [Time; KINDS],
    first: Time,
}

impl Default for Timers {
    fn default() -> Self {
        Self { at: [Time::NEVER; KINDS], first: Time::NEVER }
    }
}

impl Timers {
    /// When the first of them is due.
    #[inline]
    pub(crate) fn first(&self) -> Time {
        self.first
    }

    /// Which comes first, if any does.
    pub(crate) fn next(&self) -> Option<(Time, Deadline)> {
        let place = self.at.iter().position(|at| *at == self.first)?;
        (self.first != Time::NEVER).then_some((self.first, ORDER[place]))
    }

    /// When this kind is due.
    pub(crate) fn get(&self, deadline: Deadline) -> Time {
        self.at[deadline as usize]
    }

    /// Sets when this kind is due.
    pub(crate) fn set(&mut self, deadline: Deadline, at: Time) {
        self.at[deadline as usize] = at;
        self.first = self.at.iter().copied().min().unwrap_or(Time::NEVER);
    }

    /// Nothing of this kind is due any more.
    pub(crate) fn clear(&mut self, deadline: Deadline) {
        self.set(deadline, Time::NEVER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_at_one_moment_the_older_matter_goes_first() {
        let mut timers = Timers::default();
        let at = Time::from_ns(7);
        timers.set(Deadline::Period, at);
        timers.set(Deadline::Retry, at);
        assert_eq!(timers.next(), Some((at, Deadline::Retry)));
        timers.clear(Deadline::Retry);
        assert_eq!(timers.next(), Some((at, Deadline::Period)));
        timers.clear(Deadline::Period);
        assert_eq!((timers.next(), timers.first()), (None, Time::NEVER));
        assert!(ORDER.iter().enumerate().all(|(i, kind)| *kind as usize == i));
    }
}
