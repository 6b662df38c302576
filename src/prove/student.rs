//! Quantiles of Student's t, computed.

use std::f64::consts::FRAC_2_PI;

/// The t that a Student variable with so many degrees of freedom leaves on either side with this chance in all:
/// P(|T| > t) = `miss`, for chances between 10⁻¹² and 1.
///
/// By bisection of [`outside`], which falls with t; to the last digits that a float has.
///
/// # Panics
/// Without any degree of freedom: one value has no spread.
pub(super) fn two_sided(miss: f64, freedom: u32) -> f64 {
    assert!(freedom > 0, "one value has no spread");
    let (mut low, mut high) = (0.0, 1.0);
    while outside(high, freedom) > miss {
        high *= 2.0;
    }
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if outside(middle, freedom) > miss { low = middle } else { high = middle }
    }
}

/// P(|T| > t): the finite sums over powers of cos θ with θ = atan(t ÷ √ν) (Abramowitz and Stegun, Handbook of
/// Mathematical Functions, 26.7.3 and 26.7.4), which need no special function.
fn outside(t: f64, freedom: u32) -> f64 {
    let nu = f64::from(freedom);
    let cos = (nu / (nu + t * t)).sqrt();
    let sin = t / (nu + t * t).sqrt();
    let is_odd = freedom % 2 == 1;
    let (mut term, mut sum) = if is_odd { (cos, if freedom > 1 { cos } else { 0.0 }) } else { (1.0, 1.0) };
    // Powers rise in twos up to ν − 2; the factor before cosⁿ is (n − 1) ÷ n of the one before.
    for power in (if is_odd { 3 } else { 2 }..=freedom.saturating_sub(2)).step_by(2) {
        let power = f64::from(power);
        term *= (power - 1.0) / power * cos * cos;
        sum += term;
    }
    let inside = if is_odd { FRAC_2_PI * (libm::atan(t / nu.sqrt()) + sin * sum) } else { sin * sum };
    1.0 - inside
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P(|T| > t) by Simpson's rule over the density, whose constant is Γ((ν+1)/2) ÷ (√(νπ) Γ(ν/2)).
    fn integrated(t: f64, freedom: u32) -> f64 {
        let nu = f64::from(freedom);
        let log = libm::lgamma(0.5 * (nu + 1.0)) - libm::lgamma(0.5 * nu) - 0.5 * (nu * std::f64::consts::PI).ln();
        let density = |x: f64| (log - 0.5 * (nu + 1.0) * (x * x / nu).ln_1p()).exp();
        let steps = 20_000;
        let width = t / f64::from(steps);
        let weighted = |i: u32| density(f64::from(i) * width) * if i % 2 == 1 { 4.0 } else { 2.0 };
        let sum: f64 = (1..steps).map(weighted).sum::<f64>() + density(0.0) + density(t);
        1.0 - 2.0 * sum * width / 3.0
    }

    #[test]
    fn what_lies_outside_is_the_integral_of_the_density() {
        for freedom in [1, 2, 3, 4, 5, 8, 9, 30, 31, 98, 99, 400] {
            for t in [0.1, 1.0, 2.5, 4.2, 7.0] {
                let (sum, integral) = (outside(t, freedom), integrated(t, freedom));
                assert!((sum - integral).abs() < 1e-11, "{t} with {freedom}: {sum}, {integral}");
            }
        }
    }

    /// ν = 1 is Cauchy's law, t = cot(πα/2); for ν = 2 the quantile has a closed form too; and for large ν it is the
    /// normal one: 4.417173413 leaves 10⁻⁵.
    #[test]
    fn quantiles_with_a_closed_form_are_those() {
        for miss in [0.5f64, 0.05, 1e-3, 4.3e-5] {
            let cauchy = 1.0 / (std::f64::consts::FRAC_PI_2 * miss).tan();
            assert!((two_sided(miss, 1) / cauchy - 1.0).abs() < 1e-9);
            let inside = 1.0 - miss;
            let of_two = inside * (2.0 / (1.0 - inside * inside)).sqrt();
            assert!((two_sided(miss, 2) / of_two - 1.0).abs() < 1e-9, "{} {of_two}", two_sided(miss, 2));
        }
        assert!((two_sided(1e-5, 2_000_000) - 4.417_173_413).abs() < 1e-4);
    }

    #[test]
    fn a_quantile_leaves_the_chance_that_was_asked_for() {
        for freedom in [1, 2, 9, 99] {
            for miss in [0.9, 0.1, 1e-3, 4e-5] {
                let t = two_sided(miss, freedom);
                assert!((outside(t, freedom) / miss - 1.0).abs() < 1e-9, "{miss} with {freedom}: {t}");
            }
        }
    }
}
