//! Distributions: a variate is a function of one uniform word, so that it has the word's address.
//!
//! Exponential and normal variates come from the ziggurat method (Marsaglia, Tsang: "The ziggurat method for generating
//! random variables", Journal of Statistical Software 5 (2000), 256 layers), scaled by their parameters afterwards: a
//! changed mean or spread moves every variate the same way (common random numbers). `rand_distr` has the same method,
//! but any crate of a build that turns on `num-traits/std`, and hdrhistogram does, silently moves its logarithms to the
//! platform's; here they are `libm`'s, the same everywhere.

mod tail;

use std::sync::{Arc, LazyLock};

use crate::draw::{Stream, Words, unit};

/// z-values of the standard normal distribution at 95 % and 99 %.
pub const Z95: f64 = 1.644_853_626_951_472_2;
/// See [`Z95`].
pub const Z99: f64 = 2.326_347_874_040_840_8;

/// A distribution of non-negative quantities: spans in ns, units, rates.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Constant(f64),
    /// Log-normal: exp(μ + σ z).
    LogNormal {
        /// Logarithm of the median.
        mu: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Exponential.
    Exponential {
        /// Its mean.
        mean: f64,
    },
    /// Uniform between two values.
    Uniform {
        /// The least.
        from: f64,
        /// The greatest.
        to: f64,
    },
    /// Pareto: at least `min`, with P(X > x) = (min ÷ x)^alpha.
    Pareto {
        /// The least.
        min: f64,
        /// The tail's exponent, above 0.
        alpha: f64,
    },
    /// Gamma.
    Gamma {
        /// k, above 0.
        shape: f64,
        /// The mean, kθ.
        mean: f64,
    },
    /// Measured values in ascending order, each as likely as the others.
    Empirical(Arc<[f64]>),
}

impl Distribution {
    /// The log-normal distribution through its median and one upper quantile; `z` is [`Z95`] or [`Z99`].
    pub fn log_normal(p50: f64, upper: f64, z: f64) -> Self {
        let mu = libm::log(p50);
        Self::LogNormal { mu, sigma: (libm::log(upper) - mu) / z }
    }

    /// One variate.
    ///
    /// # Panics
    /// When there are no measured values to choose from; the scenario's reader refuses that.
    #[inline]
    pub fn sample(&self, word: u64) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::LogNormal { mu, sigma } => exp(&ROOTS, mu + sigma * normal(word)),
            _ => self.sample_seldom(word),
        }
    }

    /// What is not drawn for every call: out of line, so that the log-normal path stays short.
    #[inline(never)]
    fn sample_seldom(&self, word: u64) -> f64 {
        match self {
            Self::Constant(_) | Self::LogNormal { .. } => unreachable!("drawn by `sample`"),
            Self::Exponential { mean } => mean * exponential(word),
            Self::Uniform { from, to } => from + (to - from) * unit(word),
            Self::Pareto { min, alpha } => min * libm::exp(exponential(word) / alpha),
            Self::Gamma { shape, mean } => mean / shape * gamma(*shape, word),
            Self::Empirical(values) => values[((u128::from(word) * values.len() as u128) >> u64::BITS) as usize],
        }
    }

    /// The mean; infinite for a Pareto distribution whose exponent is at most 1.
    pub fn mean(&self) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::LogNormal { mu, sigma } => libm::exp(mu + 0.5 * sigma * sigma),
            Self::Exponential { mean } | Self::Gamma { mean, .. } => *mean,
            Self::Uniform { from, to } => 0.5 * (from + to),
            Self::Pareto { alpha, .. } if *alpha <= 1.0 => f64::INFINITY,
            Self::Pareto { min, alpha } => min * alpha / (alpha - 1.0),
            Self::Empirical(values) => values.iter().sum::<f64>() / values.len() as f64,
        }
    }

    /// One variate as a whole number: rounded down, and at least 1 unless it is a constant.
    #[inline]
    pub fn sample_whole(&self, word: u64) -> u64 {
        match self {
            Self::Constant(value) => *value as u64,
            _ => whole(self.sample(word)),
        }
    }

    /// Whole variates of the words from `first` on. What is drawn is decided once, so that the chains of dependent
    /// operations that the variates are overlap in the processor.
    pub fn fill(&self, stream: Stream, first: u64, variates: &mut [u64]) {
        let words = (first..).map(|index| stream.word(index));
        match *self {
            Self::LogNormal { mu, sigma } => {
                let (layers, roots) = (&*NORMAL, &*ROOTS);
                for (variate, word) in variates.iter_mut().zip(words) {
                    *variate = whole(exp(roots, mu + sigma * layers.normal(word)));
                }
            }
            _ => {
                for (variate, word) in variates.iter_mut().zip(words) {
                    *variate = self.sample_whole(word);
                }
            }
        }
    }
}

/// By way of i64: x86-64 converts signed integers in one instruction.
#[inline]
fn whole(variate: f64) -> u64 {
    (variate as i64).max(1).cast_unsigned()
}

/// An exponential variate of mean 1.
#[inline]
pub fn exponential(word: u64) -> f64 {
    EXPONENTIAL.exponential(word)
}

/// Exponential variates of the words from `first` on, rounded down: the gaps of a Poisson process.
pub fn gaps(mean: f64, stream: Stream, first: u64, variates: &mut [u64]) {
    let layers = &*EXPONENTIAL;
    for (variate, index) in variates.iter_mut().zip(first..) {
        *variate = ((mean * layers.exponential(stream.word(index))) as i64).cast_unsigned();
    }
}

/// A standard normal variate.
#[inline]
pub fn normal(word: u64) -> f64 {
    NORMAL.normal(word)
}

/// A gamma variate of this shape and scale 1, by the method of Marsaglia and Tsang ("A simple method for generating gamma
/// variables", ACM TOMS 26 (2000)); a shape below 1 is that of one more, times a power of a uniform variate.
fn gamma(shape: f64, word: u64) -> f64 {
    let mut words = Words::after(word);
    if shape < 1.0 {
        let boost = libm::pow(unit(words.next_word()), 1.0 / shape);
        return boost * gamma(shape + 1.0, words.next_word());
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let x = normal(words.next_word());
        let root = 1.0 + c * x;
        let v = root * root * root;
        if root > 0.0 && libm::log(unit(words.next_word())) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            return d * v;
        }
    }
}

/// e^x for |x| below 700: x = (32 k + j) ln 2 / 32 + r, so e^x = 2^k · 2^(j/32) · e^r, with the series of e^r on
/// |r| ≤ ln 2 / 64, whose remainder is below 2⁻⁵³. Plain arithmetic, so the same everywhere, in a third of `libm`'s time.
#[inline]
fn exp(roots: &[f64; 32], x: f64) -> f64 {
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
    series * roots[(steps & 31) as usize] * scale
}

/// 2^(j/32).
static ROOTS: LazyLock<[f64; 32]> = LazyLock::new(|| std::array::from_fn(|j| libm::exp2(j as f64 / 32.0)));

// === Poisson ===

/// From here on rejection is used, which is proven for means of at least 10; below it the search is short.
const POISSON_SEARCH_BELOW: f64 = 10.0;

/// A Poisson variate of this mean, at most 2⁵⁰; 0 when the mean is not above 0.
///
/// Small means by inversion of one uniform variate, so that a larger mean never makes less of the same word; others by
/// transformed rejection (Hörmann: "The transformed rejection method for generating Poisson random variables",
/// Insurance: Mathematics and Economics 12 (1993), algorithm PTRS).
pub fn poisson(word: u64, mean: f64) -> u64 {
    if mean >= POISSON_SEARCH_BELOW {
        poisson_rejected(word, mean)
    } else if mean > 0.0 {
        poisson_searched(word, mean)
    } else {
        0
    }
}

fn poisson_searched(word: u64, mean: f64) -> u64 {
    // What the sum of probabilities has lost by rounding must not send the last of all words on for ever.
    const NOTHING: f64 = f64::EPSILON / 8.0;
    let (mut left, mut p) = (unit(word).min(1.0 - f64::EPSILON / 2.0), libm::exp(-mean));
    let mut k = 0u32;
    while left >= p && (p > NOTHING || f64::from(k) < mean) {
        left -= p;
        k += 1;
        p *= mean / f64::from(k);
    }
    u64::from(k)
}

fn poisson_rejected(word: u64, mean: f64) -> u64 {
    let hat = Hat::over(mean);
    let mut words = Words::after(word);
    let mut word = word;
    loop {
        let (u, v) = (unit(word) - 0.5, unit(words.next_word()));
        let us = 0.5 - u.abs();
        let count = hat.count(u);
        if us >= Hat::INNER && v <= hat.at_once {
            return count as u64;
        }
        let hopeless = count < 0.0 || (us < Hat::OUTER && v > us);
        if !hopeless && libm::log(v) <= hat.log_acceptance(us, count) {
            return count as u64;
        }
        word = words.next_word();
    }
}

/// The hat of the rejection: what u, uniform on (−½, ½), is turned into; `us` is ½ − |u|. The constants are Hörmann's but
/// for two: with his the hat is up to half a percent too low for single counts (at a mean of 10, for 16), so here it is
/// one percent higher, and the share that is accepted at once lower by as much.
struct Hat {
    mean: f64,
    a: f64,
    b: f64,
    /// How many tries there are for each variate.
    tries: f64,
    /// In the inner part at least this share is accepted, without a look at the probabilities.
    at_once: f64,
}

impl Hat {
    /// `us` of the inner part, where most is accepted.
    const INNER: f64 = 0.07;
    /// `us` below which no more than a share `us` is accepted.
    const OUTER: f64 = 0.013;

    fn over(mean: f64) -> Self {
        let b = 0.931 + 2.53 * libm::sqrt(mean);
        let a = -0.059 + 0.02483 * b;
        Self { mean, a, b, tries: 1.01 * (1.1239 + 1.1328 / (b - 3.4)), at_once: 0.9177 - 3.6224 / (b - 2.0) }
    }

    #[inline]
    fn count(&self, u: f64) -> f64 {
        libm::floor((2.0 * self.a / (0.5 - u.abs()) + self.b) * u + self.mean + 0.43)
    }

    /// The logarithm of the chance to accept: the probability of the count, times how fast the count changes with u.
    fn log_acceptance(&self, us: f64, count: f64) -> f64 {
        libm::log((self.a / (us * us) + self.b) / self.tries) + log_poisson(count, self.mean)
    }
}

/// The logarithm of the Poisson probability of k, by Loader's saddle-point form ("Fast and accurate computation of
/// binomial probabilities", 2000): k ln μ − μ − ln k! loses what its large terms take from each other.
fn log_poisson(k: f64, mean: f64) -> f64 {
    if k < 1.0 {
        return -mean;
    }
    -0.5 * libm::log(std::f64::consts::TAU * k) - stirling_error(k) - deviance(k, mean)
}

/// ln k! − ((k + ½) ln k − k + ½ ln 2π), for k ≥ 1.
fn stirling_error(k: f64) -> f64 {
    if k < 16.0 {
        return libm::lgamma(k + 1.0) - (k + 0.5) * libm::log(k) + k - 0.5 * libm::log(std::f64::consts::TAU);
    }
    let k2 = k * k;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / 1680.0 / k2) / k2) / k2) / k
}

/// k ln(k/μ) + μ − k, without the cancellation near k = μ: there by the series of ln((1+v)/(1−v)), v = (k−μ)/(k+μ).
fn deviance(k: f64, mean: f64) -> f64 {
    let difference = k - mean;
    let v = difference / (k + mean);
    if v.abs() >= 0.1 {
        return k * libm::log(k / mean) - difference;
    }
    // v² ≤ 0.01: after nine terms what is left is below a unit in the last place.
    let series = (1..=9).rev().fold(0.0, |sum, i| (sum + 1.0 / f64::from(2 * i + 1)) * (v * v));
    difference * v + 2.0 * k * v * series
}

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
    #[inline]
    fn exponential(&self, word: u64) -> f64 {
        let layer = (word & 0xFF) as usize;
        let x = unit(word) * self.edge[layer];
        if x < self.edge[layer + 1] { x } else { exponential_outside(self, word) }
    }

    #[inline]
    fn normal(&self, word: u64) -> f64 {
        let layer = (word & 0xFF) as usize;
        let x = (2.0 * unit(word) - 1.0) * self.edge[layer];
        if x.abs() < self.edge[layer + 1] { x } else { normal_outside(self, word) }
    }

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
mod tests;
