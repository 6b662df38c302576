//! A load whose rate goes up and down: the same calls as at its mean rate, laid over the wall by the inverse of the rate's
//! integral (inversion of the cumulative intensity; Çinlar, "Introduction to stochastic processes", 1975).
//!
//! Calls are drawn in *even time*, in which the rate is the mean one. So the i-th call of a consumer comes from the same draw
//! whatever the stages are, and as many calls are made as an even load of that mean has. The hours of a cohort's shape, the
//! bursts of its arrivals and the rows of a trace are played in even time too: they pass faster while the rate is high.
//! Everything that follows an answer (a retry, the next call of a session) waits as long as ever.

use crate::model::Live;
use crate::time::Time;

/// What lies between even time and traffic time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stages(Vec<Piece>);

/// A stage, with its rate in the units of the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    /// When it begins, in ns of traffic time.
    begins: f64,
    /// When it begins, in ns of even time.
    even: f64,
    length: f64,
    /// The rate when it begins.
    from: f64,
    /// By how much the rate grows per ns.
    slope: f64,
}

impl Stages {
    /// The stages of a load; `None` where its rate is even.
    pub(super) fn of(live: &Live) -> Option<Self> {
        let (mut begins, mut even) = (0.0, 0.0);
        let pieces = live.stages.iter().map(|stage| {
            let [from, to] = [stage.from_per_s, stage.to_per_s].map(|rate| rate / live.rate_per_s);
            let length = stage.length.ns() as f64;
            let piece = Piece { begins, even, length, from, slope: (to - from) / length };
            begins += length;
            even += 0.5 * (from + to) * length;
            piece
        });
        let pieces: Vec<_> = pieces.collect();
        (!pieces.is_empty()).then_some(Self(pieces))
    }

    /// The traffic time of an even time. Before the start both are the same.
    pub(super) fn instant(&self, even: Time) -> Time {
        let at = even.ns() as f64;
        if even < Time::START || even == Time::NEVER {
            return even;
        }
        let piece = &self.0[self.0.partition_point(|piece| piece.even <= at).saturating_sub(1)];
        // 2d / (f + √(f² + 2 s d)): the root of ½ s x² + f x = d in which nothing cancels, also where s is 0.
        let due = (at - piece.even).max(0.0);
        let root = libm::sqrt((piece.from * piece.from + 2.0 * piece.slope * due).max(0.0));
        Time::from_ns((piece.begins + 2.0 * due / (piece.from + root)) as i64)
    }

    /// The even time of a traffic time.
    pub(super) fn even(&self, at: Time) -> Time {
        let ns = at.ns() as f64;
        if at < Time::START || at == Time::NEVER {
            return at;
        }
        let piece = &self.0[self.0.partition_point(|piece| piece.begins <= ns).saturating_sub(1)];
        let gone = (ns - piece.begins).clamp(0.0, piece.length);
        Time::from_ns((piece.even + gone * (piece.from + 0.5 * piece.slope * gone)) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RateStage;
    use crate::time::{SECOND, Span};

    /// 30 s at 1,000 a second, a ramp of a minute to 5,000, a spike of 10 s at 20,000: 30,000, 180,000 and 200,000 calls.
    fn live() -> Live {
        let stage = |secs, from_per_s, to_per_s| RateStage { length: Span::from_secs(secs), from_per_s, to_per_s };
        let stages = vec![stage(30, 1e3, 1e3), stage(60, 1e3, 5e3), stage(10, 2e4, 2e4)];
        Live { rate_per_s: RateStage::mean_per_s(&stages), duration: Span::from_secs(100), stages, ..Live::default() }
    }

    #[test]
    fn calls_come_when_the_integral_of_the_rate_says() {
        let (live, stages) = (live(), Stages::of(&live()).unwrap());
        assert!((live.rate_per_s - 4_100.0).abs() < 1e-9 && (live.peak() - 20_000.0 / 4_100.0).abs() < 1e-12);
        // By hand: after t seconds of the ramp it is 1,000 t + 1,000 t² / 30 calls further.
        let ramp = |calls: f64| 30.0 + 15.0 * ((1.0 + calls / 7_500.0).sqrt() - 1.0);
        for (calls, seconds) in [
            (0.0, 0.0),
            (15_000.0, 15.0),
            (30_000.0, 30.0),
            (30_000.0 + 60_000.0, ramp(60_000.0)),
            (210_000.0, 90.0),
            (310_000.0, 95.0),
            (410_000.0, 100.0),
        ] {
            let even = Time::from_ns((calls / live.rate_per_s * SECOND as f64) as i64);
            let at = stages.instant(even);
            assert!((at.ns() as f64 / SECOND as f64 - seconds).abs() < 1e-6, "{calls}: {at:?}");
            assert!((stages.even(at).ns() - even.ns()).abs() <= 8, "{calls}: {even:?}");
        }
        let before = Time::from_ns(-7);
        assert_eq!([stages.instant(before), stages.even(before)], [before; 2]);
        assert_eq!([stages.instant(Time::NEVER), stages.even(Time::NEVER)], [Time::NEVER; 2]);
        assert_eq!(Stages::of(&Live::default()), None);
    }

    /// Calls that follow each other do so on the wall too, also where one stage meets the next.
    #[test]
    fn time_never_runs_backwards() {
        let stages = Stages::of(&live()).unwrap();
        let times: Vec<_> = (0..100_000).map(|ms| stages.instant(Time::from_ns(ms * 1_000_003))).collect();
        assert!(times.is_sorted());
        assert!(times.iter().all(|at| *at <= Time::START + Span::from_secs(101)));
    }
}
