//! How long a service takes: always the same, or log-normal through two points that anyone can read off a dashboard.

use std::str::FromStr;
use std::time::Duration;

use rand::Rng;
use rand_distr::{Distribution, LogNormal};

/// The longest latency that can be asked for, and where draws are cut off.
pub const MAX_LATENCY: Duration = Duration::from_secs(3_600);

/// A distribution of latencies. As text: `30ms`, `p50=30ms,p95=120ms` or `p50=30ms,p99=250ms`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency(Shape);

/// The upper point of a log-normal latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// 95 % take at most this long.
    P95(Duration),
    /// 99 % take at most this long.
    P99(Duration),
}

/// Why a latency cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LatencyError {
    /// The text is neither of the two forms.
    #[error("`{0}` is not a latency: expected `30ms`, `p50=30ms,p95=120ms` or `p50=30ms,p99=250ms`")]
    Form(String),
    /// A duration in the text cannot be read.
    #[error("`{0}` is not a duration: expected a number and its unit (ns, us, ms, s, m, h, d), like `30ms` or `1.5s`")]
    Duration(String),
    /// A latency is longer than [`MAX_LATENCY`].
    #[error("a latency of {0:?} is too long: at most 1 hour (3600s)")]
    TooLong(Duration),
    /// A log-normal with a median of zero does not exist.
    #[error("p50 must be above zero: write `0ms` for no latency at all")]
    ZeroMedian,
    /// The upper point is below the median.
    #[error("the upper point, {upper:?}, is below p50, {p50:?}")]
    TailBelowMedian {
        /// The median.
        p50: Duration,
        /// The upper point.
        upper: Duration,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Constant(Duration),
    /// Of nanoseconds.
    LogNormal(LogNormal<f64>),
}

impl Latency {
    /// No latency at all.
    pub const ZERO: Self = Self(Shape::Constant(Duration::ZERO));

    /// Always this long, at most [`MAX_LATENCY`].
    pub fn constant(latency: Duration) -> Result<Self, LatencyError> {
        bounded(latency).map(|latency| Self(Shape::Constant(latency)))
    }

    /// Log-normal through its median and one upper point: ln x = μ + σz with μ = ln p50 and σ = (ln upper − μ) ÷ z.
    pub fn log_normal(p50: Duration, tail: Tail) -> Result<Self, LatencyError> {
        let (upper, z) = match tail {
            Tail::P95(upper) => (bounded(upper)?, Z95),
            Tail::P99(upper) => (bounded(upper)?, Z99),
        };
        if p50.is_zero() {
            return Err(LatencyError::ZeroMedian);
        }
        if upper < p50 {
            return Err(LatencyError::TailBelowMedian { p50, upper });
        }
        let mu = nanos(p50).ln();
        let shape = LogNormal::new(mu, (nanos(upper).ln() - mu) / z);
        Ok(Self(Shape::LogNormal(shape.expect("σ is finite: both points are within 1 ns and 1 h"))))
    }

    /// Draws one latency, cut off at [`MAX_LATENCY`].
    pub fn sample(&self, rng: &mut impl Rng) -> Duration {
        match &self.0 {
            Shape::Constant(latency) => *latency,
            // The cast saturates, so a draw beyond all bounds ends at the cut too.
            Shape::LogNormal(shape) => Duration::from_nanos(shape.sample(rng) as u64).min(MAX_LATENCY),
        }
    }
}

impl FromStr for Latency {
    type Err = LatencyError;

    fn from_str(text: &str) -> Result<Self, LatencyError> {
        if !text.contains('=') {
            return Self::constant(parse_duration(text)?);
        }
        let form = || LatencyError::Form(text.to_owned());
        let (first, second) = text.split_once(',').ok_or_else(form)?;
        let p50 = first.trim().strip_prefix("p50=").ok_or_else(form)?;
        let tail = match second.trim().split_once('=') {
            Some(("p95", upper)) => Tail::P95(parse_duration(upper)?),
            Some(("p99", upper)) => Tail::P99(parse_duration(upper)?),
            _ => return Err(form()),
        };
        Self::log_normal(parse_duration(p50)?, tail)
    }
}

/// The standard normal distribution's quantile at 95 %.
const Z95: f64 = 1.644_853_626_951_472_2;
/// The standard normal distribution's quantile at 99 %.
const Z99: f64 = 2.326_347_874_040_840_8;

fn bounded(latency: Duration) -> Result<Duration, LatencyError> {
    if latency > MAX_LATENCY { Err(LatencyError::TooLong(latency)) } else { Ok(latency) }
}

fn nanos(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

fn parse_duration(text: &str) -> Result<Duration, LatencyError> {
    let text = text.trim();
    let wrong = || LatencyError::Duration(text.to_owned());
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit_at);
    let unit_ns = match unit.trim_start() {
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3_600e9,
        "d" => 86_400e9,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    // The cast saturates: an absurd number stays absurd and is refused as too long.
    Ok(Duration::from_nanos((number * unit_ns).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draws;

    fn latency(text: &str) -> Result<Latency, String> {
        text.parse().map_err(|error: LatencyError| error.to_string())
    }

    fn milliseconds(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn constants_are_read_in_every_unit() {
        let cases = [
            ("0ms", 0),
            ("7ns", 7),
            ("250us", 250_000),
            ("250µs", 250_000),
            ("30 ms", 30_000_000),
            ("1.5s", 1_500_000_000),
            ("5m", 300_000_000_000),
            ("1h", 3_600_000_000_000),
            ("0.01d", 864_000_000_000),
        ];
        for (text, ns) in cases {
            assert_eq!(latency(text), Ok(Latency::constant(Duration::from_nanos(ns)).unwrap()), "{text}");
        }
    }

    #[test]
    fn two_points_are_read() {
        let p95 = Latency::log_normal(milliseconds(30), Tail::P95(milliseconds(120)));
        assert_eq!(latency("p50=30ms,p95=120ms"), Ok(p95.unwrap()));
        let p99 = Latency::log_normal(milliseconds(30), Tail::P99(milliseconds(250)));
        assert_eq!(latency("p50=30ms, p99=250ms"), Ok(p99.unwrap()));
    }

    #[test]
    fn errors_say_what_was_found_and_what_to_write() {
        let cases = [
            (
                "",
                "`` is not a duration: expected a number and its unit (ns, us, ms, s, m, h, d), like `30ms` or `1.5s`",
            ),
            (
                "30",
                "`30` is not a duration: expected a number and its unit (ns, us, ms, s, m, h, d), like `30ms` or `1.5s`",
            ),
            (
                "1.2.3s",
                "`1.2.3s` is not a duration: expected a number and its unit (ns, us, ms, s, m, h, d), like `30ms` or `1.5s`",
            ),
            (
                "-1ms",
                "`-1ms` is not a duration: expected a number and its unit (ns, us, ms, s, m, h, d), like `30ms` or `1.5s`",
            ),
            ("p50=30ms", "`p50=30ms` is not a latency: expected `30ms`, `p50=30ms,p95=120ms` or `p50=30ms,p99=250ms`"),
            (
                "p50=1ms,p90=2ms",
                "`p50=1ms,p90=2ms` is not a latency: expected `30ms`, `p50=30ms,p95=120ms` or `p50=30ms,p99=250ms`",
            ),
            (
                "p50=1ms,p99=2min",
                "`2min` is not a duration: expected a number and its unit (ns, us, ms, s, m, h, d), like `30ms` or `1.5s`",
            ),
            ("3601s", "a latency of 3601s is too long: at most 1 hour (3600s)"),
            ("1d", "a latency of 86400s is too long: at most 1 hour (3600s)"),
            ("p50=0ms,p99=1ms", "p50 must be above zero: write `0ms` for no latency at all"),
            ("p50=3ms,p99=1ms", "the upper point, 1ms, is below p50, 3ms"),
        ];
        for (text, message) in cases {
            assert_eq!(latency(text), Err(message.to_owned()));
        }
    }

    /// The number of samples at or below a true quantile is binomial: its share lies within five standard deviations,
    /// 5 √(p(1−p)/n), of p but for one seed in two million.
    #[test]
    fn samples_go_through_both_points() {
        for (tail, upper_share) in [(Tail::P95(milliseconds(120)), 0.95), (Tail::P99(milliseconds(250)), 0.99)] {
            let (Tail::P95(upper) | Tail::P99(upper)) = tail;
            let latency = Latency::log_normal(milliseconds(30), tail).unwrap();
            for (point, share) in [(milliseconds(30), 0.5), (upper, upper_share)] {
                let below = (0..SAMPLES).filter(|&i| latency.sample(&mut Draws::of(1, 0, i)) <= point).count();
                let error = (below as f64 / SAMPLES as f64 - share).abs();
                let tolerance = 5.0 * (share * (1.0 - share) / SAMPLES as f64).sqrt();
                assert!(error < tolerance, "{tail:?} at {share}: off by {error}, tolerated {tolerance}");
            }
        }
    }

    const SAMPLES: u64 = 100_000;

    #[test]
    fn equal_points_are_a_constant_and_no_draw_exceeds_the_limit() {
        let flat = Latency::log_normal(milliseconds(30), Tail::P99(milliseconds(30))).unwrap();
        let drawn = flat.sample(&mut Draws::of(1, 0, 0));
        // exp(ln x) is x but for rounding in the last digits.
        assert!(drawn.abs_diff(milliseconds(30)) < Duration::from_nanos(10), "{drawn:?}");

        let wild = latency("p50=1800s,p95=3600s").unwrap();
        assert!((0..1_000).all(|i| wild.sample(&mut Draws::of(1, 0, i)) <= MAX_LATENCY));
    }
}
