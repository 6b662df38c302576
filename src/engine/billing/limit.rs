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

/// What one account has used of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitState {
    /// The fill of a bucket.
    Bucket(Bucket),
    /// The window that was used last.
    FixedWindow(Window),
    /// When the calls of the last window passed, oldest first. It grows with the calls that are in one window at once,
    /// at most to the limit, and not before they come.
    SlidingWindow(VecDeque<Time>),
    /// Nothing: who is in flight is known from the open holds.
    Concurrency,
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
        match self {
            Self::Bucket(terms) => LimitState::Bucket(terms.full(now)),
            Self::FixedWindow(_) => LimitState::FixedWindow(Window::LONG_AGO),
            Self::SlidingWindow(_) => LimitState::SlidingWindow(VecDeque::new()),
            Self::Concurrency(_) => LimitState::Concurrency,
        }
    }

    /// Whether a call may pass at `now` while `in_flight` others are under way; `None` refuses it. Changes nothing: the
    /// caller hands the ticket to [`Self::take`] when everything else lets the call pass too.
    ///
    /// # Panics
    /// When the state belongs to a limit of another kind.
    #[inline]
    pub fn admits(&self, state: &LimitState, now: Time, in_flight: usize) -> bool {
        match (self, state) {
            (Self::Bucket(terms), LimitState::Bucket(bucket)) => terms.fill(*bucket, now) >= terms.token,
            (Self::FixedWindow(terms), LimitState::FixedWindow(window)) => {
                now >= window.ends || window.used < terms.limit
            }
            (Self::SlidingWindow(terms), LimitState::SlidingWindow(log)) => terms.has_room(log, now),
            (Self::Concurrency(cap), LimitState::Concurrency) => (in_flight as u64) < *cap,
            _ => other_kind(),
        }
    }

    /// Counts a call that passed at `now`, as [`Self::admits`] has said of this state and time.
    ///
    /// # Panics
    /// When the state belongs to a limit of another kind.
    #[inline]
    pub fn take(&self, state: &mut LimitState, now: Time) {
        match (self, state) {
            (Self::Bucket(terms), LimitState::Bucket(bucket)) => {
                bucket.fill = terms.fill(*bucket, now).saturating_sub(terms.token);
                bucket.at = bucket.at.max(now);
            }
            (Self::FixedWindow(terms), LimitState::FixedWindow(window)) => terms.enter(window, now),
            (Self::SlidingWindow(terms), LimitState::SlidingWindow(log)) => terms.enter(log, now),
            (Self::Concurrency(_), LimitState::Concurrency) => {}
            _ => other_kind(),
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
    ///
    /// # Panics
    /// When the state belongs to a limit of another kind.
    pub fn margin_ns(&self, state: &LimitState, now: Time, in_flight: usize) -> i64 {
        match (self, state) {
            (Self::Bucket(terms), LimitState::Bucket(bucket)) => terms.margin_ns(*bucket, now),
            (Self::FixedWindow(terms), LimitState::FixedWindow(window)) => terms.margin_ns(*window, now),
            (Self::SlidingWindow(terms), LimitState::SlidingWindow(log)) => terms.margin_ns(log, now),
            (Self::Concurrency(_), LimitState::Concurrency) => {
                if self.admits(state, now, in_flight) {
                    i64::MAX
                } else {
                    -1
                }
            }
            _ => other_kind(),
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

#[cold]
fn other_kind() -> ! {
    panic!("a limit was handed the state of a limit of another kind")
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

/// The fill of one account's bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    fill: u64,
    at: Time,
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

    fn full(self, now: Time) -> Bucket {
        Bucket { fill: self.full, at: now }
    }

    /// The fill at `now`.
    #[inline]
    fn fill(self, bucket: Bucket, now: Time) -> u64 {
        let refilled = now.since(bucket.at).ns().saturating_mul(self.refill);
        bucket.fill.saturating_add(refilled).min(self.full)
    }

    fn margin_ns(self, bucket: Bucket, now: Time) -> i64 {
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

/// The window that an account used last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    used: u64,
    ends: Time,
}

impl Window {
    const LONG_AGO: Self = Self { used: 0, ends: Time::from_ns(i64::MIN) };
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
    fn enter(self, window: &mut Window, now: Time) {
        if now >= window.ends {
            *window = Window { used: 0, ends: self.ends(now) };
        }
        window.used += 1;
    }

    /// When the window of `now` ends.
    fn ends(self, now: Time) -> Time {
        // Both are below 2⁶², so their sum stays in range.
        let passed = (now.ns().rem_euclid(self.per) + self.phase) % self.per;
        now + Span::from_ns((self.per - passed).cast_unsigned())
    }

    fn margin_ns(self, window: Window, now: Time) -> i64 {
        if window.used < self.limit { i64::MAX } else { now.ns().saturating_sub(window.ends.ns()) }
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
