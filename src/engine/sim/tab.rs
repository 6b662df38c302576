//! Calls that certainly pass, each served before the next, are put on a tab: what they do to the account is done once, when
//! the tab is settled.

use crate::billing::catalog::HOLD_TTL;
use crate::billing::headroom::{ALONE, Passed};
use crate::model::PerMeter;
use crate::time::{Span, Time};

/// The calls of one consumer that are settled together.
#[derive(Debug, Default)]
pub(super) struct Tab {
    is_open: bool,
    /// Whether a limit is asked before each of them.
    pub(super) is_limited: bool,
    /// Attempts that are made one by one before the next tab is opened.
    pub(super) alone: u32,
    /// How many calls go on it.
    room: u64,
    /// All of them are answered before then.
    until: Time,
    /// When the last of them was served.
    pub(super) served: Time,
    /// The call that is not answered yet, where it is not known from the start when it will be: its visit.
    pub(super) pending: Option<u32>,
    pub(super) passed: Passed,
}

impl Tab {
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Opens it for as many calls as there is [headroom](crate::world::World::headroom) for, if there is any.
    pub(super) fn open(&mut self, (room, until): (u64, Time), is_limited: bool, is_split: bool) -> bool {
        self.passed.clear(is_split);
        (self.is_open, self.is_limited, self.room, self.until) = (room > 0, is_limited, room, until);
        if room == 0 {
            self.alone = ALONE;
        }
        self.is_open
    }

    /// Whether one more call goes on it.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.passed.calls < self.room
    }

    /// Whether one more call goes on it, made at that moment.
    #[inline]
    pub(super) fn takes(&self, at: Time) -> bool {
        self.has_room() && at < self.until && self.pending.is_none()
    }

    /// Whether the answer to one of its calls comes in time.
    #[inline]
    pub(super) fn takes_answer(&self, made: Time, lands: Time) -> bool {
        lands < self.until && lands.since(made) < HOLD_TTL
    }

    /// One of its calls was answered.
    #[inline]
    pub(super) fn count(&mut self, route: u16, usage: &PerMeter<u64>, lands: Time, latency: Span) {
        self.passed.count(route, usage);
        // Each is served before the next is made, so the sum is no longer than the time that is played.
        self.passed.latency_sum = Span::from_ns(self.passed.latency_sum.ns() + latency.ns());
        self.passed.latency_max = self.passed.latency_max.max(latency);
        self.served = lands;
    }

    /// Closes it. What comes next has to be looked at; after little success, so has what comes after it, likely.
    pub(super) fn close(&mut self) {
        self.is_open = false;
        self.alone = if self.passed.calls < 2 { ALONE } else { 1 };
    }
}
