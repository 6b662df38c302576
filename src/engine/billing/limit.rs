//! Rate and concurrency limits. In traffic time, exact in integers: no token is lost or gained by rounding.
//!
//! A limit is looked at first and taken from later, once everything else lets the call pass too: a refused call counts
//! for nothing, whoever refused it. The kinds are those of the field; what real gateways do differently (denied calls
//! that count, windows that open with the first hit, weighted windows) is deliberately absent.
//!
//! Time may seem to step back between two calls of an account, when threads race for its lock: then the earlier call
//! counts as if it came with the later one, and nothing is given back.

use std::collections::VecDeque;

use crate::billing::cause::Cause;
use crate::model::{Limit, Rate};
use crate::time::{Span, Time};

/// How many limits one plan may have: each is looked at by every call.
pub const LIMITS_MAX: usize = 4;

/// A limit, compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitTerms {
    /// A token bucket, or a leaky one: see [`LimitTerms::new`].
    Bucket(BucketTerms),
    /// Windows aligned to the Unix epoch.
    FixedWindow(WindowTerms),
    /// The window that ends now.
    SlidingWindow(LogTerms),
    /// So many in flight at once.
    Concurrency(u64),
}

/// What one account has used of a limit, of whichever kind: which it is, the terms say, and say once. Of concurrency it
/// is nothing: who is in flight is known from the open holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitState {
    /// The fill of a bucket, or the calls counted in a fixed window.
    level: u64,
    /// When the bucket was filled so far, or when that window ends.
    at: Time,
    /// When the calls of the last sliding window passed, oldest first. It grows with the calls that are in one window at
    /// once, at most to the limit, and not before they come.
    log: VecDeque<Time>,
}

impl LimitState {
    /// Reads it, see [`crate::sim`].
    pub(crate) fn glance(&self) -> i64 {
        self.at.ns().wrapping_add(self.level.cast_signed())
    }
}

impl LimitTerms {
    /// The largest number that a limit counts to: for buckets `burst × per` (after reduction by the greatest common
    /// divisor of requests and ns), for windows the ns of their length.
    pub const FULL_MAX: u64 = 1 << 62;
    /// The largest limit of a sliding window: its log takes 8 bytes for each call in the window.
    pub const LOG_MAX: u64 = 1 << 24;

    /// Compiles a limit. `epoch_ns` is the scenario's start in ns since the Unix epoch, which fixed windows are aligned
    /// to. `None` when the limit cannot be kept exactly (see [`Self::FULL_MAX`], [`Self::LOG_MAX`]) or anything is zero;
    /// only the burst of a leaky bucket may be.
    ///
    /// A leaky bucket is a token bucket that holds one more: nginx and APISIX compute
    /// `excess = max(excess − leak + 1, 0)`, 0 for the first call, and refuse above the burst, so that after a pause
    /// burst + 1 calls may come at once; `burst − excess` is the tokens that are left.
    pub fn new(limit: &Limit, epoch_ns: i128) -> Option<Self> {
        match *limit {
            Limit::TokenBucket { rate, burst } => BucketTerms::new(rate, burst).map(Self::Bucket),
            Limit::LeakyBucket { rate, burst } => BucketTerms::new(rate, burst.checked_add(1)?).map(Self::Bucket),
            Limit::FixedWindow(rate) => WindowTerms::new(rate, epoch_ns).map(Self::FixedWindow),
            Limit::SlidingWindow(rate) => LogTerms::new(rate).map(Self::SlidingWindow),
            Limit::Concurrency(cap) => (cap > 0).then_some(Self::Concurrency(cap)),
        }
    }

    /// The state of an account that has made no call yet.
    pub fn fresh(&self, now: Time) -> LimitState {
        let (level, at) = match self {
            Self::Bucket(terms) => (terms.full, now),
            _ => (0, Time::from_ns(i64::MIN)),
        };
        LimitState { level, at, log: VecDeque::new() }
    }

    /// Whether a call may pass at `now` while `in_flight` others are under way. Changes nothing: the caller goes on to
    /// [`Self::take`] when everything else lets the call pass too.
    #[inline]
    pub fn admits(&self, state: &LimitState, now: Time, in_flight: usize) -> bool {
        match self {
            Self::Bucket(terms) => terms.fill(state, now) >= terms.token,
            Self::FixedWindow(terms) => now >= state.at || state.level < terms.limit,
            Self::SlidingWindow(terms) => terms.has_room(&state.log, now),
            Self::Concurrency(cap) => (in_flight as u64) < *cap,
        }
    }

    /// Counts a call that passed at `now`, as [`Self::admits`] has said of this state and time.
    #[inline]
    pub fn take(&self, state: &mut LimitState, now: Time) {
        match self {
            Self::Bucket(terms) => {
                state.level = terms.fill(state, now).saturating_sub(terms.token);
                state.at = state.at.max(now);
            }
            Self::FixedWindow(terms) => terms.enter(state, now),
            Self::SlidingWindow(terms) => terms.enter(&mut state.log, now),
            Self::Concurrency(_) => {}
        }
    }

    /// How far the decision at `now` is from the other one, in ns.
    ///
    /// Negative while calls are refused: so long until one passes, if no other takes its place. −1 for concurrency:
    /// nobody knows when a call in flight will end.
    ///
    /// Zero or positive while calls pass: for a bucket, how much less refill would still have done; for a window whose
    /// last counted calls filled it, how long ago the one that made room for this call left; else `i64::MAX`: no other
    /// moment would have changed the decision.
    pub fn margin_ns(&self, state: &LimitState, now: Time, in_flight: usize) -> i64 {
        match self {
            Self::Bucket(terms) => terms.margin_ns(state, now),
            Self::FixedWindow(terms) => terms.margin_ns(state, now),
            Self::SlidingWindow(terms) => terms.margin_ns(&state.log, now),
            Self::Concurrency(_) if self.admits(state, now, in_flight) => i64::MAX,
            Self::Concurrency(_) => -1,
        }
    }

    /// The cause of what it refuses.
    pub const fn cause(&self) -> Cause {
        match self {
            Self::Bucket(_) | Self::FixedWindow(_) | Self::SlidingWindow(_) => Cause::RateLimited,
            Self::Concurrency(_) => Cause::ConcurrencyLimited,
        }
    }
}

// === Buckets ===

/// A token bucket, compiled. The fill is kept in units of which one token has `token` and one nanosecond refills
/// `refill`, both as small as the rate allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketTerms {
    token: u64,
    refill: u64,
    full: u64,
}

impl BucketTerms {
    fn new(rate: Rate, burst: u64) -> Option<Self> {
        if rate.requests == 0 || rate.per == Span::ZERO || burst == 0 {
            return None;
        }
        let divisor = gcd(rate.requests, rate.per.ns());
        let (refill, token) = (rate.requests / divisor, rate.per.ns() / divisor);
        let full = token.checked_mul(burst).filter(|full| *full <= LimitTerms::FULL_MAX)?;
        Some(Self { token, refill, full })
    }

    /// The fill at `now`.
    #[inline]
    fn fill(self, bucket: &LimitState, now: Time) -> u64 {
        let refilled = now.since(bucket.at).ns().saturating_mul(self.refill);
        bucket.level.saturating_add(refilled).min(self.full)
    }

    fn margin_ns(self, bucket: &LimitState, now: Time) -> i64 {
        let distance = i128::from(self.fill(bucket, now)) - i128::from(self.token);
        let ns = distance.div_euclid(i128::from(self.refill));
        ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

// === Fixed windows ===

/// A fixed window, compiled: `phase` is how much of its window had passed at the scenario's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowTerms {
    limit: u64,
    per: i64,
    phase: i64,
}

impl WindowTerms {
    fn new(rate: Rate, epoch_ns: i128) -> Option<Self> {
        if rate.requests == 0 || rate.per == Span::ZERO || rate.per.ns() > LimitTerms::FULL_MAX {
            return None;
        }
        let per = rate.per.ns().cast_signed();
        let phase = epoch_ns.rem_euclid(i128::from(per)) as i64;
        Some(Self { limit: rate.requests, per, phase })
    }

    /// Counts one more call, in a new window where the last one has ended.
    #[inline]
    fn enter(self, window: &mut LimitState, now: Time) {
        if now >= window.at {
            (window.level, window.at) = (0, self.ends(now));
        }
        window.level += 1;
    }

    /// When the window of `now` ends.
    fn ends(self, now: Time) -> Time {
        // Both are below 2⁶², so their sum stays in range.
        let passed = (now.ns().rem_euclid(self.per) + self.phase) % self.per;
        now + Span::from_ns((self.per - passed).cast_unsigned())
    }

    fn margin_ns(self, window: &LimitState, now: Time) -> i64 {
        if window.level < self.limit { i64::MAX } else { now.ns().saturating_sub(window.at.ns()) }
    }
}

// === Sliding windows ===

/// A sliding window, compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTerms {
    limit: usize,
    per: Span,
}

impl LogTerms {
    fn new(rate: Rate) -> Option<Self> {
        let counted = (1..=LimitTerms::LOG_MAX).contains(&rate.requests);
        let long = (1..=LimitTerms::FULL_MAX).contains(&rate.per.ns());
        (counted && long).then_some(Self { limit: rate.requests as usize, per: rate.per })
    }

    /// Whether fewer calls than the limit passed in (now − per, now]: the log has room, or its oldest entry has left.
    #[inline]
    fn has_room(self, log: &VecDeque<Time>, now: Time) -> bool {
        log.len() < self.limit || self.has_left(log[0], now)
    }

    #[inline]
    fn has_left(self, entry: Time, now: Time) -> bool {
        now.since(entry) >= self.per
    }

    /// Writes a call down, in place of those that have left.
    fn enter(self, log: &mut VecDeque<Time>, now: Time) {
        while log.front().is_some_and(|oldest| self.has_left(*oldest, now)) {
            log.pop_front();
        }
        // Behind a later entry, should time have stepped back, an earlier one leaves with it.
        log.push_back(now);
    }

    fn margin_ns(self, log: &VecDeque<Time>, now: Time) -> i64 {
        if log.len() < self.limit { i64::MAX } else { now.ns().saturating_sub((log[0] + self.per).ns()) }
    }
}

#[cfg(test)]
mod tests;
