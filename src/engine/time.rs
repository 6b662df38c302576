//! Instants and lengths of time, in integer nanoseconds; and the two clocks.
//!
//! Nothing here reads a clock: the driver says what time it is. *Traffic time* runs one to one with the wall
//! (latency, rate limits, hold expiry); *billing time* runs at the scenario's `live.clock` (periods, dunning, grace).

use std::ops::{Add, Sub};

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;
/// Nanoseconds in a minute.
pub const MINUTE: u64 = 60 * SECOND;
/// Nanoseconds in an hour.
pub const HOUR: u64 = 60 * MINUTE;
/// Nanoseconds in a day of 86,400 s.
pub const DAY: u64 = 24 * HOUR;

/// An instant: nanoseconds since the scenario's `start`; negative before it. A horizon is at most ten years, so sums
/// of an instant and a span stay far inside the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// A length of time in nanoseconds, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

impl Time {
    /// The scenario's `start`.
    pub const START: Self = Self(0);
    /// Later than everything that happens.
    pub const NEVER: Self = Self(i64::MAX);

    /// The instant `ns` nanoseconds after the start (before it, when negative).
    pub const fn from_ns(ns: i64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the start.
    pub const fn ns(self) -> i64 {
        self.0
    }

    /// The time from `earlier` until this instant; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Span {
        // The difference of any two i64 fits u64, so wrapping is exact here.
        Span(if self.0 > earlier.0 { self.0.wrapping_sub(earlier.0).cast_unsigned() } else { 0 })
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of `ns` nanoseconds.
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// A span of `seconds` seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * SECOND)
    }

    /// Its length in nanoseconds.
    pub const fn ns(self) -> u64 {
        self.0
    }

    /// Its length in seconds, for reports.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }
}

impl Add<Span> for Time {
    type Output = Self;

    /// Saturates at [`Time::NEVER`]: a sum past 292 years is as good as never.
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add_unsigned(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Self;

    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub_unsigned(span.0))
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// The two readings that every engine call takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Runs one to one with the wall.
    pub traffic: Time,
    /// Runs at `live.clock`.
    pub billing: Time,
}

/// How billing time follows traffic time: `billing = traffic × billing_ns / traffic_ns`, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    billing_ns: u64,
    traffic_ns: u64,
}

impl Clock {
    /// Both clocks equal, as in a plain simulation.
    pub const REAL: Self = Self { billing_ns: 1, traffic_ns: 1 };

    /// A clock on which `billing` passes during `traffic` (`1h per 1s`).
    ///
    /// # Panics
    /// When either is zero; the scenario's reader refuses that.
    pub fn new(billing: Span, traffic: Span) -> Self {
        assert!(billing.ns() > 0 && traffic.ns() > 0, "a clock advances on both sides");
        Self { billing_ns: billing.ns(), traffic_ns: traffic.ns() }
    }

    /// Both readings at a traffic instant.
    pub fn at(self, traffic: Time) -> Now {
        if self.billing_ns == self.traffic_ns {
            return Now { traffic, billing: traffic };
        }
        let billing = (i128::from(traffic.0) * i128::from(self.billing_ns)).div_euclid(i128::from(self.traffic_ns));
        // However fast it runs, it never comes to what does not come.
        Now { traffic, billing: Time(clamp(billing).min(Time::NEVER.0 - 1)) }
    }

    /// The first traffic instant at which the billing clock has reached `billing`.
    pub fn traffic_at(self, billing: Time) -> Time {
        if self.billing_ns == self.traffic_ns || billing == Time::NEVER {
            return billing;
        }
        let scaled = i128::from(billing.0) * i128::from(self.traffic_ns);
        let per = i128::from(self.billing_ns);
        Time(clamp(scaled.div_euclid(per) + i128::from(scaled.rem_euclid(per) > 0)))
    }
}

fn clamp(ns: i128) -> i64 {
    ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_on_the_billing_clock_falls_on_the_first_traffic_instant_that_shows_it() {
        let clock = Clock::new(Span::from_ns(HOUR * 7), Span::from_secs(3));
        for billing in [-5, 0, 1, 8_399, 8_400, 8_401, 123_456_789_012] {
            let due = Time::from_ns(billing);
            let traffic = clock.traffic_at(due);
            assert!(clock.at(traffic).billing >= due);
            assert!(clock.at(traffic - Span::from_ns(1)).billing < due);
        }
    }

    #[test]
    fn a_span_backwards_is_zero_and_never_stays_never() {
        assert_eq!(Time::START.since(Time::from_ns(5)), Span::ZERO);
        assert_eq!(Time::NEVER + Span::from_secs(1), Time::NEVER);
        assert_eq!(Clock::new(Span::from_secs(9), Span::from_secs(1)).traffic_at(Time::NEVER), Time::NEVER);
        // Nor does a clock that runs too fast to be told come to it.
        let fastest = Clock::new(Span::from_ns(DAY), Span::from_ns(1));
        assert!(fastest.at(Time::from_ns(10 * SECOND as i64)).billing < Time::NEVER);
    }
}
