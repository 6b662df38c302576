//! Probabilities of the Poisson distribution, exact to some 12 digits for means from 0 to beyond 10⁹: no factorial is
//! formed, and a tail is summed outwards from its largest term.
//!
//! The mass is Loader's saddle-point form ("Fast and accurate computation of binomial probabilities", 2000), in which
//! nothing large cancels: exp(−δ(k) − D(k, m)) ÷ √(2πk).

use std::f64::consts::TAU;

/// P(N ≥ k) for a Poisson variable N with this mean.
pub(crate) fn at_least(k: u64, mean: f64) -> f64 {
    if k == 0 || mean.is_infinite() {
        1.0
    } else if mean <= 0.0 {
        0.0
    } else if k as f64 > mean {
        upper(k as f64, mean)
    } else {
        1.0 - lower((k - 1) as f64, mean)
    }
}

/// E[max(0, N − k)]: how far beyond k a Poisson variable N with this mean is expected to get.
pub(crate) fn beyond(k: u64, mean: f64) -> f64 {
    (mean * at_least(k, mean) - k as f64 * at_least(k.saturating_add(1), mean)).max(0.0)
}

/// The smallest k with P(N ≤ k) ≥ `quantile`, for a quantile below 1 and a finite mean.
pub(super) fn quantile(quantile: f64, mean: f64) -> u64 {
    let (mut below, mut enough) = (0, (mean + 40.0 * mean.sqrt()) as u64 + 40);
    while below < enough {
        let middle = below + (enough - below) / 2;
        if at_least(middle + 1, mean) <= 1.0 - quantile { enough = middle } else { below = middle + 1 }
    }
    enough
}

/// P(N ≥ k) for k above the mean: each term is smaller than the one before.
fn upper(k: f64, mean: f64) -> f64 {
    let (mut term, mut sum, mut j) = (1.0, 1.0, k);
    while term > sum * f64::EPSILON / 16.0 {
        j += 1.0;
        term *= mean / j;
        sum += term;
    }
    mass(k, mean) * sum
}

/// P(N ≤ k) for k below the mean.
fn lower(k: f64, mean: f64) -> f64 {
    let (mut term, mut sum, mut j) = (1.0, 1.0, k);
    while j > 0.0 && term > sum * f64::EPSILON / 16.0 {
        term *= j / mean;
        j -= 1.0;
        sum += term;
    }
    mass(k, mean) * sum
}

/// P(N = k).
fn mass(k: f64, mean: f64) -> f64 {
    if k == 0.0 { (-mean).exp() } else { (-stirling_error(k) - deviance(k, mean)).exp() / (TAU * k).sqrt() }
}

/// ln k! less Stirling's formula for it: δ(k).
fn stirling_error(k: f64) -> f64 {
    if k < 16.0 {
        let factorial: f64 = (1..=k as u32).map(f64::from).product();
        return factorial.ln() - (k + 0.5) * k.ln() + k - 0.5 * TAU.ln();
    }
    let k2 = k * k;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1_260.0 - 1.0 / 1_680.0 / k2) / k2) / k2) / k
}

/// k ln(k ÷ m) + m − k: D(k, m). Near the mean its terms cancel, and a series takes their place.
fn deviance(k: f64, mean: f64) -> f64 {
    let difference = k - mean;
    let v = difference / (k + mean);
    if v.abs() >= 0.1 {
        return k * (k / mean).ln() - difference;
    }
    let (mut power, mut sum) = (2.0 * k * v, difference * v);
    // v² is below a hundredth, so what ten terms leave out is below the last digit.
    for odd in (3u32..23).step_by(2) {
        power *= v * v;
        sum += power / f64::from(odd);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every term formed on its own, in logarithms, and all of them added up.
    fn summed(from: u64, to: u64, mean: f64) -> f64 {
        let mut logarithm = -mean;
        let mut sum = 0.0;
        for k in 0..to {
            if k > 0 {
                logarithm += (mean / k as f64).ln();
            }
            sum += if k >= from { logarithm.exp() } else { 0.0 };
        }
        sum
    }

    #[test]
    fn tails_equal_the_sum_of_their_terms() {
        for mean in [0.01, 0.5, 5.0, 15.9, 60.875, 400.0, 3_000.0] {
            let middle = mean as u64;
            for k in [1, 2, 7, middle / 2, middle, middle + 1, middle + 30, 2 * middle + 20] {
                let (tail, terms) = (at_least(k, mean), summed(k, 3 * middle + 300, mean));
                // The sum's own logarithm loses a digit per tenfold mean.
                assert!((tail - terms).abs() <= 1e-11 * (1.0 + mean) * terms.max(1e-4), "{k} {mean}: {tail} {terms}");
            }
        }
    }

    /// The median of a Poisson variable lies within ln 2 below and ⅓ above its mean (Choi 1994), at any size.
    #[test]
    fn large_means_lose_nothing() {
        for mean in [1e5, 1e7, 1e9] {
            let middle = mean as u64;
            assert!(at_least(middle - 1, mean) > 0.5 && at_least(middle + 2, mean) < 0.5, "{mean}");
            let mass_there = at_least(middle, mean) - at_least(middle + 1, mean);
            assert!((mass_there * (TAU * mean).sqrt() - 1.0).abs() < 1e-3, "{mean}: {mass_there}");
            // Five deviations: the normal tail is 2.87e-7, and the skew adds to it.
            let far = at_least((mean + 5.0 * mean.sqrt()) as u64, mean);
            assert!((2.8e-7..4.0e-7).contains(&far), "{mean}: {far}");
        }
        assert_eq!(at_least(0, 3.0).to_bits(), 1f64.to_bits());
        assert_eq!(at_least(1, 0.0).to_bits(), 0f64.to_bits());
    }

    #[test]
    fn what_lies_beyond_is_the_mean_excess() {
        for (k, mean) in [(0, 2.5), (3, 2.5), (60, 60.875), (400, 248.0)] {
            let excess = |n: u64| (n - k) as f64 * (summed(n, n + 1, mean));
            let sum: f64 = (k..1_000).map(excess).sum();
            assert!((beyond(k, mean) - sum).abs() < 1e-9, "{k} {mean}: {} {sum}", beyond(k, mean));
        }
    }

    #[test]
    fn a_quantile_is_the_first_count_that_is_enough() {
        for mean in [0.0, 0.3, 67.3, 1e6] {
            let k = quantile(0.99, mean);
            assert!(at_least(k + 1, mean) <= 0.01, "{mean}: {k}");
            assert!(k == 0 || at_least(k, mean) > 0.01, "{mean}: {k}");
        }
    }
}
