//! Whether a figure is worse than it was: by the interval of its difference, or exactly where nothing but the change can
//! have made one.
//!
//! **Simulated.** Replication *i* of both runs is drawn from the same addresses, so their difference is the change's own
//! for that draw. From ten replications on, Student's t over the paired differences says how far it is that of others too.
//! With fewer there is no interval: any difference is told as it is.
//!
//! **Live.** The two are played in turn (the second first in every other pair), so drift of the machine meets both. The
//! noise is that of the logarithms of the ratios within pairs, by Student's t; a permutation test would be freer of
//! assumptions, but of five pairs its smallest two-sided level is 6 %, and it could never speak. Shares, which may be zero,
//! are compared by their differences. Repeats that are all alike are not without noise, only coarse: an attempt that ends
//! just before or after the end of a load is one more or less, so the intervals are wider by that.
//!
//! The intervals of all figures hold together with 95 %: a gate that looks at seven figures, each at 95 %, would find a run
//! worse than itself once in six times.

use serde::Serialize;

use super::{Reading, Worse};
use crate::measure::Unit;
use crate::measure::interval::{self, Interval, LEAST, Pair};

/// How far apart two neighbours of a load's histograms are, as a share: they hold three digits.
const HISTOGRAM_STEP: f64 = 1e-3;

/// Which kind of runs is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Simulations of one seed: paired by replication.
    Simulated,
    /// Loads in turn: paired by when they were played.
    Live,
}

/// How a difference is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// What it is now, less what it was, in the figure's unit.
    Difference,
    /// What it is now by what it was, less one.
    Ratio,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Equal in every replication.
    Same,
    /// The whole interval lies on the good side.
    Better,
    /// The whole interval lies on the bad side; or nothing is measured any more.
    Worse,
    /// The interval has both sides in it.
    NotToldApart,
    /// Nothing was measured that could be compared.
    NotMeasured,
}

/// A figure, then and now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Its name.
    pub figure: String,
    /// Of a simulation what the baseline holds; of a load what the baseline's scenario showed when it was played again.
    pub before: Option<f64>,
    /// What this run has shown.
    pub now: Option<f64>,
    /// Of a load: what the baseline holds, maybe from another machine; nothing is judged by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<f64>,
    /// The difference, on its scale.
    pub change: Option<f64>,
    /// Where it is; the intervals of all figures hold together with a confidence of 95 %.
    pub interval: Option<[f64; 2]>,
    /// How the difference is told.
    pub scale: Scale,
    /// What was found.
    pub found: Found,
    /// Why there is no interval, or nothing to compare.
    pub reason: Option<&'static str>,
    /// The unit of the values.
    #[serde(skip)]
    pub unit: Unit,
}

/// The figures of the baseline beside those of now, in the order of the former. Both have been read equally often.
pub fn judge(kind: Kind, before: &[Reading], now: &[Reading]) -> Vec<Compared> {
    let same = |then: &Reading| now.iter().find(|reading| reading.figure == then.figure);
    before.iter().map(|then| judge_one(kind, before.len(), then, same(then))).collect()
}

/// One of so many figures.
fn judge_one(kind: Kind, figures: usize, before: &Reading, now: Option<&Reading>) -> Compared {
    let scale = match (kind, before.unit) {
        (Kind::Live, Unit::Time) => Scale::Ratio,
        _ => Scale::Difference,
    };
    let read = |reading: &Reading| reading.pairs().collect::<Option<Vec<Pair>>>();
    let (then, later) = (read(before), now.and_then(read));
    let compared = Compared {
        figure: before.figure.clone(),
        before: then.as_deref().map(mean),
        now: later.as_deref().map(mean),
        kept: None,
        change: None,
        interval: None,
        scale,
        found: Found::NotMeasured,
        reason: Some("the baseline has not measured it"),
        unit: before.unit,
    };
    let (then, later) = match (then, later) {
        (Some(then), Some(later)) => (then, later),
        (Some(_), None) => {
            return Compared { found: Found::Worse, reason: Some("nothing is measured now"), ..compared };
        }
        (None, _) => return compared,
    };
    let differences: Vec<f64> = then.iter().zip(&later).map(|(then, later)| apart(scale, *then, *later)).collect();
    if then.iter().zip(&later).all(|(then, later)| is_equal(*then, *later)) {
        return Compared { change: Some(0.0), found: Found::Same, reason: None, ..compared };
    }
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    let told = |difference: f64| if scale == Scale::Ratio { libm::exp(difference) - 1.0 } else { difference };
    let compared = Compared { change: Some(told(mean)), reason: None, ..compared };
    let least = if kind == Kind::Simulated { LEAST } else { 3 };
    if differences.iter().any(|difference| !difference.is_finite()) {
        let reason = Some("it was zero in one of them, and has no ratio");
        return Compared { change: None, found: Found::NotToldApart, reason, ..compared };
    }
    if differences.len() < least {
        let reason = Some("exact for these draws; fewer than 10 replications, so no interval");
        return Compared { found: side(before.worse, mean, mean), reason, ..compared };
    }
    let coarse = if kind == Kind::Live { then.iter().zip(&later).map(steps).fold(0.0, f64::max) } else { 0.0 };
    match interval::of_mean(&differences, figures) {
        // All differ by the same, which of a simulation is exact.
        Err(_) if kind == Kind::Simulated => Compared { found: side(before.worse, mean, mean), ..compared },
        around => {
            let Interval { from, to } = around.unwrap_or(Interval { from: mean, to: mean });
            let (from, to) = (from - coarse, to + coarse);
            let interval = Some([told(from), told(to)]);
            Compared { interval, found: side(before.worse, from, to), ..compared }
        }
    }
}

/// What one attempt more or less in each of a pair of loads, or a step of their histograms, makes of their difference.
fn steps((then, later): (&Pair, &Pair)) -> f64 {
    let step = |pair: &Pair| if pair.of == 1 { HISTOGRAM_STEP } else { 1.0 / pair.of as f64 };
    step(then) + step(later)
}

/// On which side of zero all of an interval lies.
fn side(worse: Worse, from: f64, to: f64) -> Found {
    let (rises, falls) = (from > 0.0, to < 0.0);
    match (worse, rises, falls) {
        (Worse::Higher, true, _) | (Worse::Lower, _, true) => Found::Worse,
        (Worse::Higher, _, true) | (Worse::Lower, true, _) => Found::Better,
        _ => Found::NotToldApart,
    }
}

fn mean(pairs: &[Pair]) -> f64 {
    pairs.iter().map(|pair| pair.ratio()).sum::<f64>() / pairs.len() as f64
}

fn apart(scale: Scale, then: Pair, later: Pair) -> f64 {
    match scale {
        Scale::Difference => later.ratio() - then.ratio(),
        Scale::Ratio => libm::log(later.ratio() / then.ratio()),
    }
}

/// Exactly, where 128 bits hold the products.
fn is_equal(a: Pair, b: Pair) -> bool {
    match a.parts.checked_mul(b.of).zip(b.parts.checked_mul(a.of)) {
        Some((left, right)) => left == right,
        None => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;

    fn reading(unit: Unit, worse: Worse, values: &[i128]) -> Reading {
        let of = if unit == Unit::Share { 1_000 } else { 1 };
        let each = values.iter().map(|value| Some(written(Pair { parts: *value, of }))).collect();
        Reading { figure: "f".to_owned(), unit, worse, each }
    }

    fn found(kind: Kind, unit: Unit, worse: Worse, before: &[i128], now: &[i128]) -> Compared {
        judge(kind, &[reading(unit, worse, before)], &[reading(unit, worse, now)]).remove(0)
    }

    /// One replication of one seed: what differs can only be the change's doing, and there is no interval.
    #[test]
    fn without_replications_any_difference_is_told_as_it_is() {
        let money = |before, now| found(Kind::Simulated, Unit::Money, Worse::Lower, &[before], &[now]);
        assert_eq!(
            [money(100, 100).found, money(100, 99).found, money(100, 101).found],
            [Found::Same, Found::Worse, Found::Better]
        );
        assert_eq!((money(100, 99).change, money(100, 99).interval), (Some(-1.0), None));
        assert!(money(100, 99).reason.is_some_and(|reason| reason.contains("no interval")));
        let refused = |before, now| found(Kind::Simulated, Unit::Share, Worse::Higher, &[before], &[now]);
        assert_eq!([refused(1, 2).found, refused(2, 1).found], [Found::Worse, Found::Better]);
    }

    /// By hand: differences 1 … 10 have the mean 5.5 and the standard error 0.957; t of nine degrees is 2.262.
    #[test]
    fn replications_are_compared_pair_by_pair() {
        let before: Vec<i128> = (0..10).map(|i| 1_000 * i * i).collect();
        let now: Vec<i128> = before.iter().zip(1..).map(|(then, more)| then + more).collect();
        let compared = found(Kind::Simulated, Unit::Count, Worse::Higher, &before, &now);
        let [from, to] = compared.interval.unwrap();
        assert!((from - (5.5 - 2.262_157 * 0.957_427)).abs() < 1e-4 && (to - 7.665_85).abs() < 1e-4, "{from} {to}");
        // The figures themselves scatter by tens of thousands: not paired, nothing could be told.
        assert_eq!(compared.found, Found::Worse);
        assert_eq!(found(Kind::Simulated, Unit::Count, Worse::Lower, &before, &now).found, Found::Better);
        let both: Vec<i128> = before.iter().zip(0..).map(|(then, i)| then + if i % 2 == 0 { 5 } else { -4 }).collect();
        assert_eq!(found(Kind::Simulated, Unit::Count, Worse::Higher, &before, &both).found, Found::NotToldApart);
        let all: Vec<i128> = before.iter().map(|then| then + 3).collect();
        assert_eq!(found(Kind::Simulated, Unit::Count, Worse::Higher, &before, &all).found, Found::Worse);
    }

    /// The machine gets slower from pair to pair by more than the change does: in turn, that cancels.
    #[test]
    fn drift_of_the_machine_is_no_regression_and_a_change_behind_it_is_found() {
        let before = [10_000, 12_000, 15_000, 18_000, 22_000];
        let alike = [10_100, 11_900, 15_100, 17_900, 22_100];
        let slower = [10_600, 12_500, 15_700, 18_800, 22_900];
        let of = |now: &[i128]| found(Kind::Live, Unit::Time, Worse::Higher, &before, now);
        assert_eq!((of(&alike).found, of(&slower).found), (Found::NotToldApart, Found::Worse));
        let change = of(&slower).change.unwrap();
        assert!((0.04..0.06).contains(&change) && of(&slower).scale == Scale::Ratio, "{change}");
    }

    /// Beside six others the same difference needs more to be told apart.
    #[test]
    fn the_intervals_of_all_figures_hold_together() {
        let before = reading(Unit::Time, Worse::Higher, &[1_000, 1_000, 1_000, 1_000, 1_000]);
        let now = reading(Unit::Time, Worse::Higher, &[1_010, 1_050, 1_020, 1_060, 1_030]);
        let alone = judge(Kind::Live, std::slice::from_ref(&before), std::slice::from_ref(&now)).remove(0);
        let among = judge(Kind::Live, &vec![before; 7], &vec![now; 7]).remove(0);
        assert_eq!((alone.found, among.found), (Found::Worse, Found::NotToldApart));
        let width = |it: &Compared| it.interval.map(|[from, to]| to - from).unwrap();
        assert!(width(&among) > 1.5 * width(&alone));
    }

    #[test]
    fn what_was_measured_and_is_no_more_is_worse() {
        let before = reading(Unit::Time, Worse::Higher, &[5]);
        let now = Reading { each: vec![None], ..before.clone() };
        let found = |before: &[Reading], now: &[Reading]| judge(Kind::Simulated, before, now)[0].found;
        let (before, now) = ([before], [now]);
        assert_eq!([found(&before, &now), found(&before, &[])], [Found::Worse, Found::Worse]);
        assert_eq!(found(&now, &before), Found::NotMeasured);
    }

    /// A load that always ends one attempt earlier is not another load: three repeats that are alike by chance must not
    /// speak with certainty. Of a simulation the same difference is exact.
    #[test]
    fn repeats_that_are_all_alike_are_not_without_noise() {
        let of = |kind, unit, before: i128, now: i128| found(kind, unit, Worse::Higher, &[before; 3], &[now; 3]);
        let one_more = of(Kind::Live, Unit::Share, 60, 61);
        assert_eq!(one_more.found, Found::NotToldApart);
        let [from, to] = one_more.interval.unwrap();
        assert!((from + 0.001).abs() < 1e-12 && (to - 0.003).abs() < 1e-12, "{from} {to}");
        assert_eq!(of(Kind::Live, Unit::Time, 1_000_000, 1_001_000).found, Found::NotToldApart);
        assert_eq!(of(Kind::Live, Unit::Time, 1_000_000, 1_003_000).found, Found::Worse);
        assert_eq!(of(Kind::Simulated, Unit::Share, 60, 61).found, Found::Worse);
    }

    /// Zero has no ratio; of shares, which are often zero, the difference is taken.
    #[test]
    fn zero_is_compared_by_the_difference() {
        let shares = found(Kind::Live, Unit::Share, Worse::Higher, &[0, 0, 0], &[10, 10, 10]);
        assert_eq!(shares.found, Found::Worse);
        let times = found(Kind::Live, Unit::Time, Worse::Higher, &[0, 1, 1], &[1, 1, 1]);
        assert_eq!((times.found, times.change), (Found::NotToldApart, None));
    }
}
