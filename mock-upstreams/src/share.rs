//! A share of all requests, written `0.2%` or `0.002`.

use std::str::FromStr;

/// A share between none (0) and all (1).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share(f64);

/// Why a text is no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a share: expected a percentage like `0.2%` or a number from 0 to 1 like `0.002`")]
pub struct ShareError {
    found: String,
}

impl Share {
    /// No request at all.
    pub const NONE: Self = Self(0.0);

    /// The share as a number; `None` unless it is from 0 to 1.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// Whether 64 random bits fall into the share.
    pub(crate) fn hit(self, word: u64) -> bool {
        const SCALE: f64 = 1.0 / (1u64 << 53) as f64;
        // 53 bits are exact in an f64 and stay below 1: a share of 1 hits always, one of 0 never.
        ((word >> 11) as f64) * SCALE < self.0
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let (number, unit) = match text.strip_suffix('%') {
            Some(percents) => (percents, 0.01),
            None => (text, 1.0),
        };
        let share = number.trim().parse::<f64>().ok().and_then(|number| Self::new(number * unit));
        share.ok_or_else(|| ShareError { found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_and_plain_numbers_are_read() {
        for (text, share) in [("0", 0.0), ("0%", 0.0), ("0.25", 0.25), ("25%", 0.25), ("100%", 1.0), ("1", 1.0)] {
            assert_eq!(text.parse(), Ok(Share(share)), "{text}");
        }
    }

    #[test]
    fn anything_outside_of_0_to_1_is_refused() {
        for text in ["", "%", "101%", "1.5", "-1%", "NaN", "inf", "a few"] {
            let error = text.parse::<Share>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not a share: expected ")), "{error}");
        }
    }

    #[test]
    fn none_never_hits_and_all_always_does() {
        for word in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(!Share::NONE.hit(word));
            assert!(Share(1.0).hit(word));
        }
        assert!(Share(0.5).hit(u64::MAX / 4) && !Share(0.5).hit(u64::MAX / 4 * 3));
    }
}
