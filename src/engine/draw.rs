//! Randomness with an address: a draw is a function of the seed and of what it is for, never of how many draws were
//! made before. So a changed plan shifts nobody's arrivals, and the order of the work changes nothing.
//!
//! A [`Stream`] is a SplitMix64 sequence with its own increment (Steele, Lea, Flood: "Fast splittable pseudorandom
//! number generators", OOPSLA 2014), addressed by index instead of consumed. A variate is a function of one word; the
//! few that need more of them read on in a sequence of their own ([`Words`]).

use std::convert::Infallible;

/// The odd constant of SplitMix64: 2⁶⁴ ÷ the golden ratio.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A place in the tree of everything that can be drawn: the seed, then names and indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(u64);

impl Address {
    /// The root of a scenario's draws.
    pub const fn seed(seed: u64) -> Self {
        Self(mix(seed ^ 0x6661_7265_626F_7821))
    }

    /// The branch of a name: a cohort, a purpose.
    #[must_use]
    pub const fn named(self, name: &str) -> Self {
        let bytes = name.as_bytes();
        let mut hash = self.0 ^ mix(bytes.len() as u64);
        let mut i = 0;
        while i < bytes.len() {
            hash = mix(hash ^ bytes[i] as u64);
            i += 1;
        }
        Self(mix(hash.wrapping_add(GOLDEN)))
    }

    /// The branch of an index: a consumer, a period.
    #[must_use]
    pub const fn at(self, index: u64) -> Self {
        Self(mix(mix(self.0 ^ GOLDEN).wrapping_add(mix(index.wrapping_add(GOLDEN)))))
    }

    /// The draws at this place.
    pub const fn stream(self) -> Stream {
        Stream { start: mix(self.0), step: odd_gamma(self.0.wrapping_add(GOLDEN)) }
    }
}

/// The seed of a replication of a scenario: that of number 0 is the scenario's own.
pub const fn replication(seed: u64, number: u32) -> u64 {
    match number {
        0 => seed,
        _ => Address::seed(seed).named("replication").at(number as u64).stream().word(0),
    }
}

/// The words at one address. Two streams differ in their increment too, so none is a shifted copy of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    start: u64,
    step: u64,
}

impl Stream {
    /// Word `index`.
    #[inline]
    pub const fn word(self, index: u64) -> u64 {
        mix(self.start.wrapping_add(index.wrapping_mul(self.step)))
    }
}

/// Whole numbers made of the words of a stream, a block ahead of where they are asked for: each is a chain of dependent
/// operations, and side by side the processor overlaps them.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    stream: Stream,
    /// Those of the words from `first` on.
    block: [u64; BLOCK],
    first: u64,
}

/// How many numbers [`Ahead`] makes at a time.
pub const BLOCK: usize = 8;

impl Ahead {
    /// Nothing made yet: what there is belongs to words that nobody comes to.
    pub const fn new(stream: Stream) -> Self {
        Self { stream, block: [0; BLOCK], first: 1 << 63 }
    }

    /// Reads it, see [`crate::sim`].
    pub(crate) fn glance(&self) -> i64 {
        self.first
            .wrapping_add(self.block[0])
            .wrapping_add(self.block[BLOCK - 1])
            .wrapping_add(self.stream.start)
            .cast_signed()
    }

    /// The number of this word; `fill` makes those of the words from the given one on. It is cheap where words are asked
    /// for in order.
    #[inline]
    pub fn of(&mut self, word: u64, fill: impl FnOnce(Stream, u64, &mut [u64])) -> u64 {
        if word.wrapping_sub(self.first) >= BLOCK as u64 {
            self.first = word;
            fill(self.stream, word, &mut self.block);
        }
        self.block[word.wrapping_sub(self.first) as usize]
    }
}

/// A number in (0, 1] made of the word's upper 53 bits; 1 itself for one word in 2⁵³.
#[inline]
pub fn unit(word: u64) -> f64 {
    const SCALE: f64 = 1.0 / (1u64 << 53) as f64;
    // By way of i64: x86-64 converts signed integers in one instruction.
    ((word >> 11).cast_signed() as f64 + 0.5) * SCALE
}

/// The words that follow a word, for what one is not enough for: a SplitMix64 sequence that begins at it. It is a
/// generator of `rand`, so `rand`'s own samplers can be used too.
#[derive(Clone, Debug)]
pub struct Words(u64);

impl Words {
    /// The sequence that belongs to a word.
    pub const fn after(word: u64) -> Self {
        Self(word)
    }

    /// The next word.
    pub const fn next_word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }
}

impl rand::TryRng for Words {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.next_word() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next_word())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_word().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// A probability as an integer, so that a decision by chance needs no float: `p × 2⁶⁴`, rounded down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chance(u128);

impl Chance {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Whatever the word.
    pub const ALWAYS: Self = Self(1 << 64);

    /// `parts` of `of`, at most 1.
    ///
    /// # Panics
    /// When `of` is zero or `parts` is larger; the scenario's reader refuses that.
    pub fn of(parts: u64, of: u64) -> Self {
        assert!(of > 0 && parts <= of, "a chance is between 0 and 1");
        Self((u128::from(parts) << 64) / u128::from(of))
    }

    /// `parts` of 2⁶⁴; `None` where it is more than certain.
    pub fn from_parts(parts: u128) -> Option<Self> {
        (parts <= Self::ALWAYS.0).then_some(Self(parts))
    }

    /// How many parts of 2⁶⁴ it is.
    pub const fn parts(self) -> u128 {
        self.0
    }

    /// That it does not happen.
    #[must_use]
    pub const fn not(self) -> Self {
        Self(Self::ALWAYS.0 - self.0)
    }

    /// That both happen, where they have nothing to do with each other.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        // The product of two certainties is the only one that has no room.
        if self.0 == Self::ALWAYS.0 { other } else { Self((self.0 * other.0) >> 64) }
    }

    /// That one of two happens that never happen together; `None` where that is more than certain.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        Some(Self(self.0 + other.0)).filter(|sum| sum.0 <= Self::ALWAYS.0)
    }

    /// As a float, for forecasts: never to decide by.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / (1u128 << 64) as f64
    }

    /// Whether it happens, given a uniform word.
    #[inline]
    pub fn happens(self, word: u64) -> bool {
        u128::from(word) < self.0
    }
}

/// The finaliser of SplitMix64.
#[inline]
const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// An odd increment with enough bit changes (SplittableRandom's `mixGamma`): a sparse one would mix badly.
const fn odd_gamma(word: u64) -> u64 {
    let gamma = mix(word) | 1;
    if (gamma ^ (gamma >> 1)).count_ones() < 24 { gamma ^ 0xAAAA_AAAA_AAAA_AAAA } else { gamma }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change here changes every result of every scenario: it needs a line in the CHANGELOG.
    #[test]
    fn the_words_of_an_address_never_change() {
        let stream = Address::seed(402).named("indie").at(17).named("arrivals").stream();
        let words = [stream.word(0), stream.word(1), stream.word(u64::MAX)];
        expect_test::expect!["[10899785580107766519, 9892678654717144136, 15511307960500442579]"]
            .assert_eq(&format!("{words:?}"));
    }

    #[test]
    fn a_chance_happens_as_often_as_it_says() {
        let stream = Address::seed(1).named("chance").stream();
        let n = 1_000_000u64;
        let happened = (0..n).filter(|&i| Chance::of(3, 100).happens(stream.word(i))).count() as f64;
        // Binomial: five standard deviations.
        let deviation = (n as f64 * 0.03 * 0.97).sqrt();
        assert!((happened - n as f64 * 0.03).abs() < 5.0 * deviation);
        assert!((0..1000).all(|i| Chance::of(1, 1).happens(stream.word(i)) && !Chance::NEVER.happens(stream.word(i))));
    }

    /// Words of neighbouring addresses, read across, must be as uniform as words along a stream.
    #[test]
    fn neighbouring_consumers_draw_independently() {
        let root = Address::seed(7).named("indie");
        let n = 200_000u64;
        let mean: f64 = (0..n).map(|i| unit(root.at(i).named("card").stream().word(0))).sum::<f64>() / n as f64;
        let pairs: f64 = (0..n)
            .map(|i| (unit(root.at(i).stream().word(3)) - 0.5) * (unit(root.at(i + 1).stream().word(3)) - 0.5))
            .sum::<f64>()
            / n as f64;
        // Uniform: σ of the mean is 1/√(12 n); of the product's mean 1/(12 √n).
        assert!((mean - 0.5).abs() < 5.0 / (12.0 * n as f64).sqrt());
        assert!(pairs.abs() < 5.0 / (12.0 * (n as f64).sqrt()));
    }
}
