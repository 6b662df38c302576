//! Two outcomes that were stored, beside each other. Of single consumers they hold nothing, so nothing is paired: the
//! interval is that of two independent means, Welch's, and wider than that of a comparison that was played.

use farebox_engine::billing::tally::Count;
use farebox_engine::figures::Figures;
use farebox_engine::outcome::{CohortOutcome, Metric, Outcome};

use super::interval::{self, By, Interval, LEAST, student};
use super::paired::{Difference, Total, Whose};

/// The difference in one metric; `None` where outcomes do not hold it.
pub fn difference(base: &Outcome, variant: &Outcome, metric: Metric, whose: Whose<'_>) -> Option<Difference> {
    let sides = [each(base, metric, whose)?, each(variant, metric, whose)?];
    let [x, y] = [total(&sides[0]), total(&sides[1])];
    let spread = if base.is_partial() || variant.is_partial() {
        Err("a run is partial")
    } else if sides.iter().any(|side| side.len() < LEAST) {
        Err("fewer than 10 replications of either")
    } else {
        Ok(welch(&sides[0], &sides[1]))
    };
    let difference = Difference { base: x, variant: y, interval: Err(""), share: None, narrowed: None };
    let share = difference.ratio().map(|ratio| spread.map(|spread| Interval::around(ratio, spread.of_ratio(x, y))));
    let interval = spread.map(|spread| Interval::around(difference.by(), spread.half()));
    Some(Difference { interval, share, ..difference })
}

/// The value of each replication.
fn each(outcome: &Outcome, metric: Metric, whose: Whose<'_>) -> Option<Vec<i128>> {
    let is_selected = |cohort: &&CohortOutcome| match whose {
        Whose::All => true,
        Whose::Cohort(name) => cohort.cohort == name,
        Whose::Plan(name) => cohort.plan == name,
    };
    let of = |cohorts: &[CohortOutcome]| {
        cohorts.iter().filter(is_selected).map(|cohort| value(cohort, metric)).sum::<Option<i128>>()
    };
    outcome.replications().map(of).collect()
}

fn value(cohort: &CohortOutcome, metric: Metric) -> Option<i128> {
    let figures = || Figures::of(|movement| cohort.moved(movement));
    Some(match metric {
        Metric::Earned => figures().earned,
        Metric::Collected => figures().collected,
        Metric::Margin => figures().margin,
        Metric::Mrr => figures().mrr,
        Metric::Calls => cohort.calls().into(),
        Metric::Served => cohort.served.into(),
        Metric::Refused => interval::refused(By::Call, cohort).into(),
        // By cause alone: how many were refused for any is not told.
        Metric::EverRefused => return None,
        Metric::Left => cohort.count(Count::Left).into(),
        Metric::Blocked => cohort.dunned.blocked_ns.0,
    })
}

fn total(each: &[i128]) -> Total {
    Total { sum: each.iter().sum(), runs: each.len() as u64 }
}

/// Squared standard errors of both means, and Student's quantile for their sum.
#[derive(Clone, Copy)]
struct Welch {
    base: f64,
    variant: f64,
    quantile: f64,
}

impl Welch {
    fn half(self) -> f64 {
        self.quantile * libm::sqrt(self.base + self.variant)
    }

    /// Of the ratio of the means less one, by the delta method.
    fn of_ratio(self, base: Total, variant: Total) -> f64 {
        let ratio = variant.mean() / base.mean();
        self.quantile * libm::sqrt(self.variant + ratio * ratio * self.base) / base.mean().abs()
    }
}

/// Welch (1947), with Satterthwaite's degrees of freedom, rounded down.
fn welch(base: &[i128], variant: &[i128]) -> Welch {
    let squared_error = |each: &[i128]| {
        let count = each.len() as f64;
        let mean = total(each).mean();
        let squares: f64 = each.iter().map(|value| (*value as f64 - mean) * (*value as f64 - mean)).sum();
        let is_constant = each.windows(2).all(|two| two[0] == two[1]);
        if is_constant { 0.0 } else { squares / (count - 1.0) / count }
    };
    let (x, y) = (squared_error(base), squared_error(variant));
    let part = |error: f64, each: &[i128]| error * error / (each.len() - 1) as f64;
    let freedom = (x + y) * (x + y) / (part(x, base) + part(y, variant));
    // Of two constants there is no spread, and any quantile of it is nothing.
    let freedom = if freedom.is_finite() { freedom as u64 } else { 1 };
    Welch { base: x, variant: y, quantile: student(freedom.max(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by hand: 1 … 10 and ten fives, of which the second has no spread: Student's interval of the first.
    #[test]
    fn the_interval_of_two_independent_means_is_welchs() {
        let rising: Vec<i128> = (1..=10).collect();
        let spread = welch(&rising, &[5; 10]);
        let half = 2.262_157 * libm::sqrt(55.0 / 6.0 / 10.0);
        assert!((spread.half() - half).abs() < 1e-5, "{}", spread.half());
        // Equal spreads and sizes have 2·(n − 1) degrees of freedom.
        let both = welch(&rising, &rising);
        assert!((both.half() - 2.100_922 * libm::sqrt(2.0 * 55.0 / 6.0 / 10.0)).abs() < 1e-5, "{}", both.half());
        assert!(welch(&[3; 10], &[4; 12]).half().abs() < 1e-12);
    }
}
