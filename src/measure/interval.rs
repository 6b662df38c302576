//! Intervals: Student's t over replications, of ratios by the jackknife; over consumers the delta method. Floats from here
//! on, always in the order of the replications or cohorts, with logarithms and angles from `libm`: the same everywhere.

use farebox_engine::moments::{Moments, UNIT};
use farebox_engine::outcome::CohortOutcome;

/// A numerator and a denominator; the latter is 0 where there is nothing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Above the line.
    pub parts: i128,
    /// Below it.
    pub of: i128,
}

/// Where a value is with a confidence of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub from: f64,
    /// The upper end.
    pub to: f64,
}

/// Fewer replications tell too little of how much they differ.
pub const LEAST: usize = 10;
/// Fewer consumers are no population.
pub(super) const CONSUMERS_LEAST: u64 = 30;
/// How sure an interval is.
const CONFIDENCE: f64 = 0.95;

/// Why there is no interval where nothing differs.
pub(super) const ALIKE: &str = "there is no difference to judge by";

impl Pair {
    /// A value that is no ratio.
    pub const fn whole(parts: i128) -> Self {
        Self { parts, of: 1 }
    }

    /// Numerators and denominators summed.
    pub fn sum(pairs: &[Self]) -> Self {
        Self { parts: pairs.iter().map(|pair| pair.parts).sum(), of: pairs.iter().map(|pair| pair.of).sum() }
    }

    /// As a float.
    pub fn ratio(self) -> f64 {
        self.parts as f64 / self.of as f64
    }
}

impl Interval {
    pub(super) fn around(middle: f64, half: f64) -> Self {
        Self { from: middle - half, to: middle + half }
    }

    /// Cut off at what the value cannot leave.
    #[must_use]
    pub fn within(self, least: f64, most: f64) -> Self {
        Self { from: self.from.clamp(least, most), to: self.to.clamp(least, most) }
    }

    /// Half of its width.
    pub fn half(self) -> f64 {
        (self.to - self.from) / 2.0
    }
}

/// From the differences between replications. A pseudo-value is what a replication adds to the ratio of the sums
/// (Quenouille, Tukey); of values that are no ratios it is the value itself, and this is Student's interval of a mean.
pub fn over_replications(each: &[Pair]) -> Result<Interval, &'static str> {
    let (all, count) = (Pair::sum(each), each.len() as f64);
    let without = |pair: &Pair| Pair { parts: all.parts - pair.parts, of: all.of - pair.of };
    if each.iter().any(|pair| without(pair).of == 0) {
        return Err("only one replication has measured it");
    }
    let pseudo: Vec<f64> =
        each.iter().map(|pair| count * all.ratio() - (count - 1.0) * without(pair).ratio()).collect();
    let mean = pseudo.iter().sum::<f64>() / count;
    let squares: f64 = pseudo.iter().map(|value| (value - mean) * (value - mean)).sum();
    let error = libm::sqrt(squares / (count - 1.0) / count);
    // What is left of rounding where all are alike is no difference.
    if error <= 1e-12 * mean.abs() {
        return Err(ALIKE);
    }
    Ok(Interval::around(mean, student(each.len() as u64 - 1) * error))
}

/// Student's interval of the mean of values that are independent of each other, one of so many that are to hold together with
/// a confidence of 95 % (Bonferroni).
pub fn of_mean(values: &[f64], together: usize) -> Result<Interval, &'static str> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let error = libm::sqrt(squares / (count - 1.0) / count);
    if values.len() < 2 || error <= 1e-12 * mean.abs() {
        return Err(ALIKE);
    }
    let confidence = 1.0 - (1.0 - CONFIDENCE) / together.max(1) as f64;
    Ok(Interval::around(mean, student_of(values.len() as u64 - 1, confidence) * error))
}

/// What is counted: each attempt, or each call by its last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Attempts.
    Attempt,
    /// Calls.
    Call,
}

/// Which sums over consumers an interval is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sums {
    /// Attempts or calls offered.
    Offered(By),
    /// Those of them that were refused.
    Refused(By),
    /// The share of them that was refused.
    RefusedOfOffered(By),
    /// What was earned.
    Earned,
}

/// From the differences between the consumers of each cohort: the error of a sum, and by the delta method of a ratio.
pub fn over_consumers(cohorts: &[&CohortOutcome], sums: Sums, value: Pair) -> Result<Interval, &'static str> {
    let consumers: u64 = cohorts.iter().map(|cohort| cohort.consumers_played()).sum();
    if consumers < CONSUMERS_LEAST {
        return Err("1 replication of fewer than 30 consumers");
    }
    let ratio = value.ratio();
    let mut variance = 0.0;
    for cohort in cohorts {
        let moments = cohort.moments.ok_or("1 replication, and its consumers are not independent")?;
        let count = cohort.consumers_played() as f64;
        if count < 2.0 {
            return Err("1 replication, and a cohort of one consumer");
        }
        let (sum, squares) = of_cohort(cohort, &moments, sums, ratio);
        variance += (squares - sum * sum / count).max(0.0) * count / (count - 1.0);
    }
    let denominator = if let Sums::RefusedOfOffered(_) = sums { value.of as f64 } else { 1.0 };
    let unit = if sums == Sums::Earned { UNIT as f64 } else { 1.0 };
    let error = libm::sqrt(variance) * unit / denominator;
    if error <= 1e-7 * ratio.abs() {
        return Err(ALIKE);
    }
    Ok(Interval::around(ratio, student(consumers - cohorts.len() as u64) * error))
}

/// Σz and Σz² over the consumers of a cohort; of a ratio R = x ÷ y, z is x − R·y.
fn of_cohort(cohort: &CohortOutcome, moments: &Moments, sums: Sums, ratio: f64) -> (f64, f64) {
    let of = |by| (offered(by, cohort) as f64, refused(by, cohort) as f64);
    // Of the squares of both and of their product.
    let squares = |by| match by {
        By::Attempt => [moments.offered_squares, moments.refused_squares, moments.offered_refused],
        By::Call => [moments.calls_squares, moments.calls_refused_squares, moments.calls_calls_refused],
    };
    match sums {
        Sums::Offered(by) => (of(by).0, squares(by)[0] as f64),
        Sums::Refused(by) => (of(by).1, squares(by)[1] as f64),
        Sums::Earned => (moments.earned as f64, moments.earned_squares as f64),
        Sums::RefusedOfOffered(by) => {
            let ((offered, refused), squares) = (of(by), squares(by).map(|sum| sum as f64));
            let sum = refused - ratio * offered;
            (sum, squares[1] - 2.0 * ratio * squares[2] + ratio * ratio * squares[0])
        }
    }
}

/// How many attempts or calls a cohort made.
pub(super) fn offered(by: By, cohort: &CohortOutcome) -> u64 {
    match by {
        By::Attempt => cohort.offered(),
        By::Call => cohort.calls(),
    }
}

/// How many of them were refused.
pub(crate) fn refused(by: By, cohort: &CohortOutcome) -> u64 {
    match by {
        By::Attempt => cohort.refused.values().sum(),
        By::Call => cohort.routes.values().map(|route| route.calls().refused.values().sum::<u64>()).sum(),
    }
}

/// The quantile of Student's t whose two tails leave [`CONFIDENCE`] between them.
pub(super) fn student(freedom: u64) -> f64 {
    student_of(freedom, CONFIDENCE)
}

/// The same of another confidence, by halving.
fn student_of(freedom: u64, confidence: f64) -> f64 {
    // Beyond so many degrees it is the normal's to four digits.
    let freedom = freedom.min(2_000);
    let (mut below, mut above) = (0.0, 100.0);
    for _ in 0..60 {
        let middle = f64::midpoint(below, above);
        if between(middle, freedom) < confidence { below = middle } else { above = middle }
    }
    f64::midpoint(below, above)
}

/// The chance that |T| < t: Abramowitz and Stegun 26.7.3 and 26.7.4, finite sums for whole degrees of freedom.
fn between(t: f64, freedom: u64) -> f64 {
    let angle = libm::atan(t / libm::sqrt(freedom as f64));
    let (sine, cosine) = (libm::sin(angle), libm::cos(angle));
    let is_odd = !freedom.is_multiple_of(2);
    let mut term = if is_odd { cosine } else { 1.0 };
    let mut sum = if freedom == 1 { 0.0 } else { term };
    let mut k = if is_odd { 3 } else { 2 };
    while k < freedom {
        term *= cosine * cosine * (k - 1) as f64 / k as f64;
        sum += term;
        k += 2;
    }
    if is_odd { (angle + sine * sum) * std::f64::consts::FRAC_2_PI } else { sine * sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of Student's t, two-sided 95 %.
    #[test]
    fn quantiles_of_students_t_are_those_of_the_tables() {
        for (freedom, expected) in
            [(1, 12.706_205), (2, 4.302_653), (9, 2.262_157), (10, 2.228_139), (29, 2.045_230), (120, 1.979_930)]
        {
            assert!((student(freedom) - expected).abs() < 1e-5, "{freedom}: {}", student(freedom));
        }
        assert!((student(1_000_000) - 1.96).abs() < 2e-3);
        // Two-sided 99 %.
        for (freedom, expected) in [(2, 9.924_843), (4, 4.604_095), (9, 3.249_836)] {
            assert!((student_of(freedom, 0.99) - expected).abs() < 1e-5, "{freedom}: {}", student_of(freedom, 0.99));
        }
    }

    /// Computed by hand: ten values 1 … 10 have the mean 5.5 and the variance 55 ÷ 6.
    #[test]
    fn of_values_it_is_students_interval_of_the_mean() {
        let each: Vec<_> = (1..=10).map(Pair::whole).collect();
        let interval = over_replications(&each).unwrap();
        let half = 2.262_157 * libm::sqrt(55.0 / 6.0 / 10.0);
        assert!((interval.from - (5.5 - half)).abs() < 1e-5 && (interval.to - (5.5 + half)).abs() < 1e-5);
        assert_eq!(over_replications(&[Pair::whole(7); 12]), Err(ALIKE));
    }

    /// For y nearly constant the jackknife is the interval of the mean of the ratios, to first order.
    #[test]
    fn of_ratios_it_is_the_jackknife() {
        let each: Vec<_> = (0..20).map(|r| Pair { parts: 90 + r, of: 1_000 + r % 2 }).collect();
        let interval = over_replications(&each).unwrap();
        let ratios: Vec<_> = each.iter().map(|pair| pair.ratio()).collect();
        let mean = ratios.iter().sum::<f64>() / 20.0;
        let variance = ratios.iter().map(|ratio| (ratio - mean) * (ratio - mean)).sum::<f64>() / 19.0;
        let half = 2.093_024 * libm::sqrt(variance / 20.0);
        assert!((interval.half() / half - 1.0).abs() < 1e-2, "{interval:?} {half}");
        assert!((f64::midpoint(interval.from, interval.to) - Pair::sum(&each).ratio()).abs() < 1e-6);
    }

    #[test]
    fn what_only_one_replication_has_measured_has_no_interval() {
        let mut each = vec![Pair { parts: 0, of: 0 }; 11];
        each[3] = Pair { parts: 1, of: 2 };
        assert!(over_replications(&each).is_err());
    }
}
