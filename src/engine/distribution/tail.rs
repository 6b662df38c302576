//! How likely a distribution reaches a value: what means of rounded and truncated variates are computed from.

use super::Distribution;

/// From this shape on a gamma variate's cube root is as good as normal.
const NEARLY_NORMAL: f64 = 1e5;

impl Distribution {
    /// P(X ≥ x), for x above 0.
    pub fn at_least(&self, x: f64) -> f64 {
        let always = |value: f64| if value >= x { 1.0 } else { 0.0 };
        match self {
            Self::Constant(value) => always(*value),
            Self::LogNormal { sigma, .. } if *sigma <= 0.0 => always(self.sample(0)),
            Self::LogNormal { mu, sigma } => normal_beyond((libm::log(x) - mu) / sigma),
            Self::Exponential { mean } => libm::exp(-x / mean),
            Self::Uniform { from, to } if to <= from => always(*from),
            Self::Uniform { from, to } => ((to - x) / (to - from)).clamp(0.0, 1.0),
            Self::Pareto { min, alpha } => libm::pow((min / x).min(1.0), *alpha),
            Self::Gamma { shape, mean } => gamma_beyond(*shape, x / mean * shape),
            Self::Empirical(values) => {
                let less = values.partition_point(|value| *value < x);
                (values.len() - less) as f64 / values.len() as f64
            }
        }
    }
}

/// P(Z > z) of a standard normal variate.
fn normal_beyond(z: f64) -> f64 {
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}

/// P(X > x) of a gamma variate of this shape and scale 1: by its series below the mean, by its continued fraction above
/// (Abramowitz, Stegun: 6.5.29, 6.5.31); of a large shape by the normal distribution of its cube root (Wilson, Hilferty:
/// "The distribution of chi-square", 1931), whose error is then below 10⁻⁷.
fn gamma_beyond(shape: f64, x: f64) -> f64 {
    if shape >= NEARLY_NORMAL {
        let variance = 1.0 / (9.0 * shape);
        return normal_beyond((libm::cbrt(x / shape) - (1.0 - variance)) / libm::sqrt(variance));
    }
    let density = libm::exp(shape * libm::log(x) - x - libm::lgamma(shape));
    if x < shape + 1.0 { 1.0 - density * series(shape, x) } else { density * fraction(shape, x) }
}

/// 1/a + x/(a(a+1)) + x²/(a(a+1)(a+2)) + …
fn series(shape: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0 / shape, 1.0 / shape, shape);
    while term > sum * 1e-16 {
        n += 1.0;
        term *= x / n;
        sum += term;
    }
    sum
}

/// 1/(x+1−a − 1(1−a)/(x+3−a − 2(2−a)/(x+5−a − …))), by Lentz's method.
fn fraction(shape: f64, x: f64) -> f64 {
    const TERMS: u32 = 100_000;
    let mut b = x + 1.0 - shape;
    let (mut above, mut below) = (f64::MAX, 1.0 / b);
    let mut value = below;
    for i in (1..TERMS).map(f64::from) {
        let a = -i * (i - shape);
        b += 2.0;
        below = 1.0 / (a * below + b);
        above = b + a / above;
        value *= above * below;
        if (above * below - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::distribution::{Z95, Z99};
    use crate::draw::Address;

    /// Of a million variates so many reach the value, within five standard deviations.
    #[test]
    fn as_many_variates_reach_a_value_as_is_said() {
        const N: u64 = 1_000_000;
        let stream = Address::seed(8).named("tail").stream();
        for distribution in [
            Distribution::log_normal(6.0, 30.0, Z95),
            Distribution::Exponential { mean: 7.0 },
            Distribution::Uniform { from: 2.0, to: 9.0 },
            Distribution::Pareto { min: 1.5, alpha: 1.2 },
            Distribution::Gamma { shape: 0.3, mean: 8.0 },
            Distribution::Gamma { shape: 40.0, mean: 8.0 },
            Distribution::Gamma { shape: 1e6, mean: 8.0 },
            Distribution::Empirical(Arc::from([1.0, 2.0, 2.0, 8.0])),
            Distribution::Constant(8.0),
        ] {
            for x in [0.01, 1.0, 2.0, 7.99, 8.0, 8.01, 30.0, 900.0] {
                let reached = (0..N).filter(|i| distribution.sample(stream.word(*i)) >= x).count() as f64 / N as f64;
                let said = distribution.at_least(x);
                let deviation = (said * (1.0 - said) / N as f64).sqrt();
                // One in a million may be where nearly none are expected.
                assert!((reached - said).abs() <= 5.0 * deviation + 1e-6, "{distribution:?} ≥ {x}: {reached}, {said}");
            }
        }
    }

    /// Values from tables: of χ², of which half is a gamma variate of half its degrees of freedom, and of the normal
    /// distribution.
    #[test]
    fn tails_are_those_of_the_tables() {
        for (freedom, one_in_a_hundred) in
            [(1.0, 6.634_896_6), (2.0, 9.210_340_4), (10.0, 23.209_251), (100.0, 135.806_72)]
        {
            let tail =
                Distribution::Gamma { shape: freedom / 2.0, mean: freedom / 2.0 }.at_least(one_in_a_hundred / 2.0);
            assert!((tail - 0.01).abs() < 1e-8, "{freedom}: {tail}");
        }
        assert!((Distribution::log_normal(5.0, 50.0, Z99).at_least(50.0) - 0.01).abs() < 1e-9);
        // Where the two formulas meet, and where the third takes over.
        let around = |shape: f64, x: f64| [1.0 - 1e-9, 1.0 + 1e-9].map(|by| gamma_beyond(shape, x * by));
        let [series, fraction] = around(7.5, 8.5);
        assert!((series - fraction).abs() < 1e-8);
        for z in [-3.0, -1.0, 0.0, 1.0, 3.0] {
            let [below, above] = [NEARLY_NORMAL * (1.0 - 1e-9), NEARLY_NORMAL]
                .map(|shape| gamma_beyond(shape, shape + z * shape.sqrt()));
            assert!((below - above).abs() < 1e-7, "{z}: {below} {above}");
        }
    }
}
