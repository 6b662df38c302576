//! Variates against the distributions they are named after.

use super::*;
use crate::draw::{Address, Stream};

fn stream(name: &str) -> Stream {
    Address::seed(3).named(name).stream()
}

/// Kolmogorov–Smirnov: sup |empirical − exact| stays below 1.95/√n with probability 99.9 %; the seed is fixed.
fn fits(draw: impl Fn(u64) -> f64, cdf: impl Fn(f64) -> f64) {
    let n = 1_000_000u64;
    let words = stream("fits");
    let mut values: Vec<f64> = (0..n).map(|i| draw(words.word(i))).collect();
    values.sort_by(f64::total_cmp);
    let gap = |(i, x): (usize, &f64)| (cdf(*x) - (i as f64 + 0.5) / n as f64).abs();
    let largest = values.iter().enumerate().map(gap).fold(0.0, f64::max);
    assert!(largest < 1.95 / (n as f64).sqrt(), "off by {largest}");
}

/// Of four million draws, a share `p` holds: binomial, five standard deviations.
fn beyond(what: &str, p: f64, holds: impl Fn(u64) -> bool) {
    let n = 4_000_000u64;
    let words = stream("beyond");
    let count = (0..n).filter(|i| holds(words.word(*i))).count() as f64;
    let (expected, deviation) = (n as f64 * p, (n as f64 * p * (1.0 - p)).sqrt());
    assert!(expected > 30.0, "{what}: {expected} expected say nothing");
    assert!((count - expected).abs() < 5.0 * deviation, "{what}: {count}, not {expected}");
}

#[test]
fn variates_have_the_distributions_they_are_named_after() {
    fits(exponential, |x| 1.0 - libm::exp(-x));
    fits(normal, |x| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2));
}

#[test]
fn a_pareto_variate_is_as_often_large_as_its_exponent_says() {
    for (min, alpha) in [(2.0, 0.8), (1.0, 1.5), (1_000.0, 3.0)] {
        let pareto = Distribution::Pareto { min, alpha };
        fits(|word| pareto.sample(word), |x| 1.0 - libm::pow(min / x, alpha));
        beyond(&format!("alpha {alpha}"), 1e-4, |word| pareto.sample(word) > min * libm::pow(1e-4, -1.0 / alpha));
    }
}

/// Shapes of which the distribution function is elementary: k = ½ (half a squared normal variate), 1, 2 and 5.
#[test]
fn a_gamma_variate_has_the_distribution_of_its_shape() {
    let erlang = |k: u32, x: f64| {
        let terms = (1..k).scan(1.0, |term, i| {
            *term *= x / f64::from(i);
            Some(*term)
        });
        1.0 - libm::exp(-x) * (1.0 + terms.sum::<f64>())
    };
    let variate = |shape: f64| {
        let gamma = Distribution::Gamma { shape, mean: 3.0 * shape };
        move |word| gamma.sample(word) / 3.0
    };
    fits(variate(0.5), |x| libm::erf(libm::sqrt(x)));
    for k in [1, 2, 5] {
        fits(variate(f64::from(k)), |x| erlang(k, x));
        let (variate, far) = (variate(f64::from(k)), f64::from(8 + 2 * k));
        beyond(&format!("shape {k}"), 1.0 - erlang(k, far), |word| variate(word) > far);
    }
}

#[test]
fn uniform_and_exponential_variates_are_scaled() {
    let uniform = Distribution::Uniform { from: 20.0, to: 70.0 };
    fits(|word| uniform.sample(word), |x| (x - 20.0) / 50.0);
    let exponential = Distribution::Exponential { mean: 9.0 };
    fits(|word| exponential.sample(word), |x| 1.0 - libm::exp(-x / 9.0));
}

#[test]
fn measured_values_are_drawn_alike() {
    let measured = Distribution::Empirical([3.0, 5.0, 5.0, 11.0, 40.0].into());
    for (value, p) in [(3.0, 0.2), (5.0, 0.4), (11.0, 0.2), (40.0, 0.2)] {
        beyond(&format!("{value}"), p, |word| (measured.sample(word) - value).abs() < 0.5);
    }
    assert_eq!([0, u64::MAX].map(|word| measured.sample_whole(word)), [3, 40]);
}

/// The sample mean lies within five of its standard deviations; where the variance is infinite there is nothing to try.
#[test]
fn means_are_what_is_drawn_on_average() {
    let n = 1_000_000u64;
    let words = stream("means");
    for drawn in [
        Distribution::LogNormal { mu: 3.0, sigma: 0.5 },
        Distribution::Exponential { mean: 250.0 },
        Distribution::Uniform { from: 1.0, to: 4.0 },
        Distribution::Pareto { min: 10.0, alpha: 5.0 },
        Distribution::Gamma { shape: 0.3, mean: 7.0 },
        Distribution::Gamma { shape: 60.0, mean: 7.0 },
        Distribution::Empirical([1.0, 2.0, 30.0].into()),
    ] {
        let values: Vec<f64> = (0..n).map(|i| drawn.sample(words.word(i))).collect();
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        let deviation = (variance / n as f64).sqrt();
        assert!((mean - drawn.mean()).abs() < 5.0 * deviation, "{drawn:?}: {mean} ± {deviation}");
        if let Distribution::Gamma { shape, mean } = drawn {
            // The variance of a sample variance, from the fourth moment: excess kurtosis 6/k.
            let exact = mean * mean / shape;
            let deviation = exact * ((2.0 + 6.0 / shape) / n as f64).sqrt();
            assert!((variance - exact).abs() < 5.0 * deviation, "{drawn:?}: variance {variance}, not {exact}");
        }
    }
    assert!((Distribution::Constant(4.5).mean() - 4.5).abs() < f64::EPSILON);
    assert!(Distribution::Pareto { min: 1.0, alpha: 1.0 }.mean().is_infinite());
}

/// The Poisson probability of k in its plain form, with `lgamma` in place of what is used here.
fn plain_poisson(k: u64, mean: f64) -> f64 {
    libm::exp(k as f64 * libm::log(mean) - mean - libm::lgamma(k as f64 + 1.0))
}

/// The upper ends of about 80 cells, the last of them open, with the chance of each.
fn cells(mean: f64) -> Vec<(u64, f64)> {
    let reach = 7.0 * mean.sqrt() + 30.0;
    let (mut cells, mut p, mut below) = (Vec::new(), 0.0, 0.0);
    for k in (mean - reach).max(0.0) as u64..(mean + reach) as u64 {
        p += plain_poisson(k, mean);
        if p > 0.0125 || (p > 0.001 && mean < 100.0) {
            cells.push((k, p));
            below += p;
            p = 0.0;
        }
        if below > 0.99 {
            break;
        }
    }
    cells.push((u64::MAX, 1.0 - below));
    cells
}

/// χ² of a million draws; its 5σ quantile is that of Wilson and Hilferty's cube root.
#[test]
fn poisson_variates_have_their_probabilities_for_small_and_large_means() {
    let n = 1_000_000u64;
    for (index, mean) in [0.02, 0.7, 4.0, 9.99, 10.0, 13.7, 55.5, 900.0, 123_456.7, 1e7].into_iter().enumerate() {
        let words = Address::seed(3).named("poisson").at(index as u64).stream();
        let cells = cells(mean);
        let mut counts = vec![0u32; cells.len()];
        for i in 0..n {
            let k = poisson(words.word(i), mean);
            counts[cells.partition_point(|(end, _)| *end < k)] += 1;
        }
        let parts = cells.iter().zip(&counts).map(|((_, p), count)| {
            let expected = p * n as f64;
            (f64::from(*count) - expected).powi(2) / expected
        });
        let (chi2, degrees) = (parts.sum::<f64>(), cells.len() as f64 - 1.0);
        let spread = 2.0 / (9.0 * degrees);
        let most = degrees * (1.0 - spread + 5.0 * spread.sqrt()).powi(3);
        assert!(chi2 < most, "mean {mean}: χ² {chi2} with {degrees} degrees of freedom");
    }
}

/// What lies about three deviations below and four above, which the cells above see as one.
#[test]
fn poisson_tails_are_as_heavy_as_they_should_be() {
    for mean in [10.5f64, 40.0, 3_000.0, 1e6] {
        let low = (mean - 2.8 * mean.sqrt()) as u64;
        let high = (mean + 4.0 * mean.sqrt()) as u64;
        let reach = (6.0 * mean.sqrt()) as u64 + 40;
        let below: f64 = (low.saturating_sub(reach)..low).map(|k| plain_poisson(k, mean)).sum();
        let above: f64 = (high + 1..high + reach).map(|k| plain_poisson(k, mean)).sum();
        beyond(&format!("below {low} of {mean}"), below, |word| poisson(word, mean) < low);
        beyond(&format!("above {high} of {mean}"), above, |word| poisson(word, mean) > high);
    }
}

/// What makes the rejection exact: no chance to accept is above 1, what is accepted or rejected at once would have been by
/// the probabilities too, and on average one try in `tries` is accepted.
#[test]
fn the_hat_covers_the_poisson_probabilities() {
    const POINTS: u32 = 200_000;
    for mean in [10.0, 10.3, 11.0, 12.8, 14.5, 20.0, 30.0, 40.7, 60.0, 100.0, 300.0, 1_234.5, 1e5, 1e7] {
        let hat = Hat::over(mean);
        let mut accepted = 0.0;
        for point in 0..POINTS {
            let u = (f64::from(point) + 0.5) / f64::from(POINTS) - 0.5;
            let (us, count) = (0.5 - u.abs(), hat.count(u));
            let chance = if count < 0.0 { 0.0 } else { libm::exp(hat.log_acceptance(us, count)) };
            assert!(chance <= 1.0, "mean {mean}: {chance} at {u}");
            assert!(us < Hat::INNER || chance >= hat.at_once, "mean {mean}: {chance} < {} at {u}", hat.at_once);
            assert!(us >= Hat::OUTER || chance <= us, "mean {mean}: {chance} at {u}");
            accepted += chance / f64::from(POINTS);
        }
        assert!((accepted * hat.tries - 1.0).abs() < 1e-3, "mean {mean}: {accepted} of 1/{}", hat.tries);
    }
}

/// Common random numbers, and no cliff where the method changes: the same word, a little more on average.
#[test]
fn a_larger_mean_makes_no_less_of_a_word() {
    let words = stream("coupled");
    for i in 0..10_000 {
        let word = words.word(i);
        assert!(
            (1..90).all(|tenth| poisson(word, f64::from(tenth) / 10.0) <= poisson(word, f64::from(tenth + 1) / 10.0))
        );
    }
    assert_eq!([f64::NEG_INFINITY, -1.0, 0.0, f64::NAN].map(|mean| poisson(5, mean)), [0; 4]);
    assert_eq!([0, u64::MAX].map(|word| poisson(word, 1e-300)), [0, 0]);
    // The last of all words ends where rounding leaves nothing of it, for every mean.
    assert!((1..1_000).all(|n| poisson(u64::MAX, f64::from(n) / 100.0) < 50));
    assert!([0, u64::MAX].into_iter().all(|word| poisson(word, 1e7) < 20_000_000));
}

/// The acceptance of large means rests on these digits: the plain form has lost eight of sixteen at 10⁷.
#[test]
fn the_logarithm_of_a_poisson_probability_is_exact() {
    for mean in [10.0, 33.3, 250.0] {
        for k in 0..600u64 {
            let plain = k as f64 * libm::log(mean) - mean - libm::lgamma(k as f64 + 1.0);
            assert!((log_poisson(k as f64, mean) - plain).abs() < 3e-12, "{k} of {mean}");
        }
    }
    // Neighbours differ by ln(μ/k), to the last digits even where the values are near −9 and made of terms near 10⁸.
    for k in [9_990_000.0, 9_999_999.0, 10_000_000.0, 10_012_345.0] {
        let step = log_poisson(k, 1e7) - log_poisson(k - 1.0, 1e7);
        assert!((step - libm::log(1e7 / k)).abs() < 1e-13, "{k}");
    }
}

/// Beyond the last layer the fit above has little to say: one exponential in 2,203 and one normal in 3,876 is there.
#[test]
fn tails_are_as_heavy_as_they_should_be() {
    let words = stream("tails");
    let n = 4_000_000u64;
    let beyond = |draw: fn(u64) -> f64, x: f64| (0..n).filter(|i| draw(words.word(*i)) > x).count() as f64;
    for (count, p) in [
        (beyond(exponential, 8.0), libm::exp(-8.0)),
        (beyond(exponential, 10.0), libm::exp(-10.0)),
        (beyond(normal, 3.7), 0.5 * libm::erfc(3.7 / std::f64::consts::SQRT_2)),
        (beyond(normal, 4.2), 0.5 * libm::erfc(4.2 / std::f64::consts::SQRT_2)),
    ] {
        // Binomial: five standard deviations.
        assert!((count - n as f64 * p).abs() < 5.0 * (n as f64 * p).sqrt(), "{count} beyond, not {}", n as f64 * p);
    }
}

#[test]
fn the_layers_close_at_the_top() {
    for (layers, area) in [
        (&*EXPONENTIAL, (EXPONENTIAL_TAIL + 1.0) * libm::exp(-EXPONENTIAL_TAIL)),
        (&*NORMAL, { NORMAL.edge[0] * NORMAL.density[1] }),
    ] {
        let top = layers.edge[255] * (1.0 - layers.density[255]);
        assert!((top / area - 1.0).abs() < 1e-9, "the top layer has area {top}, the others {area}");
    }
}

#[test]
fn the_exponential_function_agrees_with_libm_to_four_units_in_the_last_place() {
    for i in -30_000..30_000 {
        let x = f64::from(i) * 0.012_345_678_9;
        assert!((exp(&ROOTS, x) / libm::exp(x) - 1.0).abs() < 4.0 * f64::EPSILON, "exp({x})");
    }
}

#[test]
fn a_log_normal_latency_passes_through_its_two_points() {
    let latency = Distribution::log_normal(30e6, 250e6, Z99);
    let words = stream("latency");
    let n = 1_000_000u64;
    for (ns, p) in [(30e6, 0.5), (250e6, 0.01)] {
        let above = (0..n).filter(|&i| latency.sample(words.word(i)) > ns).count() as f64;
        // Binomial: five standard deviations.
        assert!((above - n as f64 * p).abs() < 5.0 * (n as f64 * p * (1.0 - p)).sqrt());
    }
}

/// A change here changes every result of every scenario: it needs a line in the CHANGELOG.
#[test]
fn the_variates_of_a_word_never_change() {
    let words = stream("golden");
    let drawn: Vec<_> = (0..4).map(|i| (exponential(words.word(i)), normal(words.word(i)))).collect();
    expect_test::expect!["[(0.5607769371977813, 0.02388100537382072), (0.7281572025439192, -1.6030437365245116), (0.4040053596052459, -0.7835729860506413), (0.6724146431620502, -1.3930744091217815)]"].assert_eq(&format!("{drawn:?}"));
}

/// As above, for what is not drawn for every call.
#[test]
fn the_seldom_variates_of_a_word_never_change() {
    let words = stream("golden");
    let seldom = [
        Distribution::Exponential { mean: 2.0 },
        Distribution::Uniform { from: 1.0, to: 3.0 },
        Distribution::Pareto { min: 1.0, alpha: 1.5 },
        Distribution::Gamma { shape: 0.5, mean: 2.0 },
        Distribution::Gamma { shape: 4.0, mean: 2.0 },
        Distribution::Empirical([1.0, 2.0, 5.0].into()),
    ];
    let drawn = seldom.map(|seldom| [0, 1, 2].map(|i| seldom.sample(words.word(i))));
    expect_test::expect!["[[1.1215538743955626, 1.4563144050878385, 0.8080107192104918], [2.019948085718964, 1.3664047155008752, 1.4873809181233462], [1.453321013148042, 1.6248867727222422, 1.3090961096218523], [1.361273783840689, 0.003046472181219768, 0.30531238828751206], [1.5716262548297544, 0.6566606936328635, 1.316499112708862], [2.0, 1.0, 1.0]]"].assert_eq(&format!("{drawn:?}"));
    let counts = [0.5, 9.0, 10.0, 1e3, 1e7].map(|mean| [0, 1, 2].map(|i| poisson(words.word(i), mean)));
    expect_test::expect!["[[0, 0, 0], [9, 6, 7], [10, 7, 7], [1001, 968, 975], [10000088, 9996778, 9997531]]"]
        .assert_eq(&format!("{counts:?}"));
}
