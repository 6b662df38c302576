//! An interval from replications.

use super::student;

/// What one replication has measured: a ratio of two sums. A mean is one whose divisor is a count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ratio {
    /// The dividend.
    pub above: f64,
    /// The divisor.
    pub below: f64,
}

/// A value and how far the true one may be from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Half of the interval's width.
    pub half_width: f64,
}

/// The ratio of all replications together, with an interval that misses the true one with chance `miss`; `None` with
/// fewer than two replications, or where one of them is all that there is to divide by.
///
/// The jackknife: with each replication left out in turn, the pseudo-values R·θ − (R − 1)·θ₋ᵣ are as good as independent,
/// their mean is the ratio without its first-order bias, and Student's t with R − 1 degrees of freedom has its interval
/// (Miller: "The jackknife – a review", Biometrika 61, 1974). Of equal divisors it is the plain interval of a mean.
pub fn jackknife(replications: &[Ratio], miss: f64) -> Option<Estimate> {
    let count = replications.len();
    let above: f64 = replications.iter().map(|ratio| ratio.above).sum();
    let below: f64 = replications.iter().map(|ratio| ratio.below).sum();
    if count < 2 || replications.iter().any(|ratio| below - ratio.below <= 0.0) {
        return None;
    }
    let n = count as f64;
    let pseudo = |left: &Ratio| n * above / below - (n - 1.0) * (above - left.above) / (below - left.below);
    let values: Vec<f64> = replications.iter().map(pseudo).collect();
    let value = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|pseudo| (pseudo - value).powi(2)).sum();
    let deviation = (squares / (n - 1.0) / n).sqrt();
    Some(Estimate { value, half_width: student::two_sided(miss, count as u32 - 1) * deviation })
}

#[cfg(test)]
mod tests {
    use farebox_engine::distribution::exponential;
    use farebox_engine::draw::Address;

    use super::*;

    fn ratio(above: f64, below: f64) -> Ratio {
        Ratio { above, below }
    }

    /// Of 1, 2 and 6 the mean is 3 and the deviation of the mean √(14/2/3); t with two degrees leaves 5 % beyond 4.302653.
    #[test]
    fn with_equal_divisors_it_is_the_interval_of_a_mean() {
        let estimate = jackknife(&[ratio(2.0, 2.0), ratio(4.0, 2.0), ratio(12.0, 2.0)], 0.05).unwrap();
        assert!((estimate.value - 3.0).abs() < 1e-12);
        assert!((estimate.half_width - 4.302_652_73 * (14.0f64 / 6.0).sqrt()).abs() < 1e-6, "{}", estimate.half_width);
    }

    #[test]
    fn nothing_measured_is_no_estimate() {
        assert_eq!(jackknife(&[], 0.05), None);
        assert_eq!(jackknife(&[ratio(1.0, 2.0)], 0.05), None);
        assert_eq!(jackknife(&[ratio(0.0, 0.0), ratio(0.0, 0.0)], 0.05), None);
        assert_eq!(jackknife(&[ratio(1.0, 2.0), ratio(0.0, 0.0)], 0.05), None);
    }

    /// Ratios of means of exponential variables, drawn 20,000 times: an interval of 10 % misses one time in ten. Five
    /// deviations of the count, and a hundredth of the tries for what the law of the pseudo-values is not normal.
    #[test]
    fn an_interval_misses_as_often_as_it_says() {
        let tries = 20_000u64;
        let misses = (0..tries).filter(|index| {
            let words = Address::seed(9).named("jackknife").at(*index).stream();
            let sum = |from: u64| (from..from + 20).map(|word| exponential(words.word(word))).sum::<f64>();
            let replications: Vec<Ratio> = (0..20).map(|r| ratio(3.0 * sum(40 * r), sum(40 * r + 20))).collect();
            let Estimate { value, half_width } = jackknife(&replications, 0.1).unwrap();
            (value - 3.0).abs() > half_width
        });
        let share = misses.count() as f64 / tries as f64;
        assert!((share - 0.1).abs() < 5.0 * (0.09 / tries as f64).sqrt() + 0.01, "{share}");
    }
}
