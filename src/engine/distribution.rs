//! Distributions: a variate is a function of one uniform word, so that it has the word's address.
//!
//! Exponential and normal variates come from the ziggurat method (Marsaglia, Tsang: "The ziggurat method for generating
//! random variables", Journal of Statistical Software 5 (2000), 256 layers), scaled by their parameters afterwards: a
//! changed mean or spread moves every variate the same way (common random numbers). `rand_distr` has the same method,
//! but any crate of a build that turns on `num-traits/std`, and hdrhistogram does, silently moves its logarithms to the
//! platform's; here they are `libm`'s, the same everywhere.

use std::sync::LazyLock;

use crate::draw::{Words, unit};

/// z-values of the standard normal distribution at 95 % and 99 %.
pub const Z95: f64 = 1.644_853_626_951_472_2;
/// See [`Z95`].
pub const Z99: f64 = 2.326_347_874_040_840_8;

/// How long something takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// Always the same, in ns.
    Constant(u64),
    /// Log-normal: exp(μ + σ z) ns.
    LogNormal {
        /// Logarithm of the median in ns.
        mu: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
}

impl Latency {
    /// The log-normal distribution through its median and one upper quantile, both in ns; `z` is [`Z95`] or [`Z99`].
    pub fn log_normal(p50_ns: f64, upper_ns: f64, z: f64) -> Self {
        let mu = libm::log(p50_ns);
        Self::LogNormal { mu, sigma: (libm::log(upper_ns) - mu) / z }
    }

    /// One latency in whole ns, at least 1 unless it is a constant.
    #[inline]
    pub fn sample(self, word: u64) -> u64 {
        match self {
            Self::Constant(ns) => ns,
            Self::LogNormal { mu, sigma } => (exp(mu + sigma * normal(word)) as i64).max(1).cast_unsigned(),
        }
    }
}

/// An exponential variate of mean 1.
#[inline]
pub fn exponential(word: u64) -> f64 {
    let layers = &*EXPONENTIAL;
    let layer = (word & 0xFF) as usize;
    let x = unit(word) * layers.edge[layer];
    if x < layers.edge[layer + 1] { x } else { exponential_outside(layers, word) }
}

/// A standard normal variate.
#[inline]
pub fn normal(word: u64) -> f64 {
    let layers = &*NORMAL;
    let layer = (word & 0xFF) as usize;
    let x = (2.0 * unit(word) - 1.0) * layers.edge[layer];
    if x.abs() < layers.edge[layer + 1] { x } else { normal_outside(layers, word) }
}

/// e^x for |x| below 700: x = (32 k + j) ln 2 / 32 + r, so e^x = 2^k · 2^(j/32) · e^r, with the series of e^r on
/// |r| ≤ ln 2 / 64, whose remainder is below 2⁻⁵³. Plain arithmetic, so the same everywhere, in a third of `libm`'s time.
#[inline]
fn exp(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1 / 32.0;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10 / 32.0;
    // Adding and taking away 1.5 × 2⁵² rounds to the nearest integer.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    debug_assert!(x.abs() < 700.0, "{x} is no logarithm of a latency");
    let steps = (x * (32.0 * std::f64::consts::LOG2_E) + ROUND) - ROUND;
    let r = (x - steps * LN2_HIGH) - steps * LN2_LOW;
    let r2 = r * r;
    let series =
        (1.0 + r) + r2 * ((1.0 / 2.0 + r * (1.0 / 6.0)) + r2 * ((1.0 / 24.0 + r * (1.0 / 120.0)) + r2 * (1.0 / 720.0)));
    let steps = steps as i64;
    let scale = f64::from_bits((((steps >> 5) + 1_023) as u64) << 52);
    series * ROOTS[(steps & 31) as usize] * scale
}

/// 2^(j/32).
static ROOTS: LazyLock<[f64; 32]> = LazyLock::new(|| std::array::from_fn(|j| libm::exp2(j as f64 / 32.0)));

// === Ziggurat ===

/// 256 layers of equal area under a decreasing density: `edge` are their right ends, widest first, `density` there.
struct Ziggurat {
    edge: [f64; 257],
    density: [f64; 257],
}

/// Where the tail of the exponential begins, for 256 layers.
const EXPONENTIAL_TAIL: f64 = 7.697_117_470_131_487;
/// Where the tail of the normal distribution begins, for 256 layers.
const NORMAL_TAIL: f64 = 3.654_152_885_361_009;

static EXPONENTIAL: LazyLock<Ziggurat> = LazyLock::new(|| {
    let area = (EXPONENTIAL_TAIL + 1.0) * libm::exp(-EXPONENTIAL_TAIL);
    Ziggurat::new(EXPONENTIAL_TAIL, area, |x| libm::exp(-x), |y| -libm::log(y))
});

static NORMAL: LazyLock<Ziggurat> = LazyLock::new(|| {
    let beyond = libm::sqrt(std::f64::consts::FRAC_PI_2) * libm::erfc(NORMAL_TAIL / std::f64::consts::SQRT_2);
    let area = NORMAL_TAIL * bell(NORMAL_TAIL) + beyond;
    Ziggurat::new(NORMAL_TAIL, area, bell, |y| libm::sqrt(-2.0 * libm::log(y)))
});

/// The normal density without its constant.
fn bell(x: f64) -> f64 {
    libm::exp(-0.5 * x * x)
}

impl Ziggurat {
    /// Stacks layers of `area` on the base, which ends at `tail` and includes what lies beyond.
    fn new(tail: f64, area: f64, density: impl Fn(f64) -> f64, inverse: impl Fn(f64) -> f64) -> Self {
        let mut edge = [0.0; 257];
        edge[0] = area / density(tail);
        edge[1] = tail;
        for layer in 2..256 {
            edge[layer] = inverse(density(edge[layer - 1]) + area / edge[layer - 1]);
        }
        let mut densities = edge.map(density);
        densities[256] = 1.0;
        Self { edge, density: densities }
    }

    /// Whether a point drawn uniformly in the layer's corner, at `x`, lies under the density.
    fn under(&self, layer: usize, x_density: f64, height: f64) -> bool {
        let (low, high) = (self.density[layer], self.density[layer + 1]);
        low + (high - low) * height < x_density
    }
}

/// What the first look did not settle, about one draw in a hundred: the corner of a layer, or the tail.
#[cold]
fn exponential_outside(layers: &Ziggurat, word: u64) -> f64 {
    let mut words = Words::after(word);
    let mut word = word;
    loop {
        let layer = (word & 0xFF) as usize;
        let x = unit(word) * layers.edge[layer];
        if x < layers.edge[layer + 1] {
            return x;
        }
        if layer == 0 {
            return EXPONENTIAL_TAIL - libm::log(unit(words.next_word()));
        }
        if layers.under(layer, libm::exp(-x), unit(words.next_word())) {
            return x;
        }
        word = words.next_word();
    }
}

/// As [`exponential_outside`]; the tail by Marsaglia's method of 1964.
#[cold]
fn normal_outside(layers: &Ziggurat, word: u64) -> f64 {
    let mut words = Words::after(word);
    let mut word = word;
    loop {
        let layer = (word & 0xFF) as usize;
        let u = 2.0 * unit(word) - 1.0;
        let x = u * layers.edge[layer];
        if x.abs() < layers.edge[layer + 1] {
            return x;
        }
        if layer == 0 {
            return normal_tail(&mut words).copysign(u);
        }
        if layers.under(layer, bell(x), unit(words.next_word())) {
            return x;
        }
        word = words.next_word();
    }
}

fn normal_tail(words: &mut Words) -> f64 {
    loop {
        let x = -libm::log(unit(words.next_word())) / NORMAL_TAIL;
        let y = -libm::log(unit(words.next_word()));
        if 2.0 * y > x * x {
            return NORMAL_TAIL + x;
        }
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn variates_have_the_distributions_they_are_named_after() {
        fits(exponential, |x| 1.0 - libm::exp(-x));
        fits(normal, |x| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2));
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
            assert!((exp(x) / libm::exp(x) - 1.0).abs() < 4.0 * f64::EPSILON, "exp({x})");
        }
    }

    #[test]
    fn a_log_normal_latency_passes_through_its_two_points() {
        let latency = Latency::log_normal(30e6, 250e6, Z99);
        let words = stream("latency");
        let n = 1_000_000u64;
        for (ns, p) in [(30_000_000, 0.5), (250_000_000, 0.01)] {
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
}
