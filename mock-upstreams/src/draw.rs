//! Randomness that is counted, not consumed: the draws of a request depend on the seed, the thread and the number of
//! the request alone, never on what other requests drew before it.

use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher, RandomState};

use rand::TryRng;
use rand::rand_core::utils::fill_bytes_via_next_word;

/// The generator of one request: `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
/// OOPSLA 2014) from a start of its own.
#[derive(Clone, Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    /// The draws of the `request`-th request on the `thread`-th thread.
    pub(crate) fn of(seed: u64, thread: u64, request: u64) -> Self {
        Self(mix(mix(mix(seed ^ GOLDEN) ^ thread).wrapping_add(request.wrapping_mul(GOLDEN))))
    }

    /// Draws that no other thread nor process has: for what must differ between runs, such as the names of traces.
    pub(crate) fn of_this_process() -> Self {
        // The standard library seeds its hash tables from the system.
        Self(RandomState::new().build_hasher().finish())
    }

    /// The next 64 random bits.
    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }
}

impl TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        // The upper half: the better mixed one.
        Ok((self.word() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.word())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        fill_bytes_via_next_word(bytes, || Ok(self.word()))
    }
}

/// The increment of `SplitMix64`: 2⁶⁴ ÷ the golden ratio, made odd.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The output function of `SplitMix64`: a bijection in which every input bit moves every output bit.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_always_draws_the_same_and_neighbours_differ() {
        let first = |seed, thread, request| Draws::of(seed, thread, request).word();
        assert_eq!(first(1, 0, 0), first(1, 0, 0));
        let mut neighbours = [first(1, 0, 0), first(2, 0, 0), first(1, 1, 0), first(1, 0, 1)];
        neighbours.sort_unstable();
        assert!(neighbours.windows(2).all(|pair| pair[0] != pair[1]), "{neighbours:x?}");
    }
}
