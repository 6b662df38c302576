//! Numbers as people write them in a scenario, exact: `1_000`, `2.5`, `0.0006`. No float is involved, so that `8.25%`
//! is 825 of 10,000 and `$0.1` is a hundred million nanos.

use std::fmt;

/// A number of at most [`DIGITS_MAX`] digits: `digits × 10^-places`, without zeros at the end of the fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: u128,
    places: u32,
}

/// So many digits times any of our factors (at most 10¹⁷) fit in 128 bits.
const DIGITS_MAX: u32 = 20;

/// Why a text does not begin with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotANumber {
    Negative,
    Exponent,
    Comma,
    Underscore,
    TooLong,
    Other,
}

/// Why a number is not a whole multiple of what it is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    Fraction,
    TooLarge,
}

impl Decimal {
    /// The number at the start of a text, and what follows it.
    pub(super) fn read(text: &str) -> Result<(Self, &str), NotANumber> {
        if text.starts_with('-') {
            return Err(NotANumber::Negative);
        }
        let (whole, rest) = split_digits(text);
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(behind) => split_digits(behind),
            None => ("0", rest),
        };
        for part in [whole, fraction] {
            if part.starts_with('_') || part.ends_with('_') || part.contains("__") {
                return Err(NotANumber::Underscore);
            }
        }
        if whole.is_empty() || fraction.is_empty() {
            return Err(NotANumber::Other);
        }
        if is_exponent(rest) {
            return Err(NotANumber::Exponent);
        }
        if rest.starts_with(',') {
            return Err(NotANumber::Comma);
        }
        let number = Self::from_parts(whole, fraction.trim_end_matches(['0', '_'])).ok_or(NotANumber::TooLong)?;
        Ok((number, rest))
    }

    fn from_parts(whole: &str, fraction: &str) -> Option<Self> {
        let mut number = Self { digits: 0, places: 0 };
        let limit = 10u128.pow(DIGITS_MAX);
        for (part, places) in [(whole, 0), (fraction, 1)] {
            for digit in part.chars().filter_map(|c| c.to_digit(10)) {
                number.digits = number.digits * 10 + u128::from(digit);
                number.places += places;
                if number.digits >= limit || number.places > DIGITS_MAX {
                    return None;
                }
            }
        }
        Some(number)
    }

    pub(super) fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// The number as a fraction, not reduced.
    pub(super) fn ratio(self) -> (u128, u128) {
        (self.digits, 10u128.pow(self.places))
    }

    /// `self × factor`, when that is a whole number of at most `most`.
    pub(super) fn times(self, factor: u128, most: u128) -> Result<u128, Misfit> {
        let (numerator, denominator) = self.ratio();
        let product = numerator.checked_mul(factor).ok_or(Misfit::TooLarge)?;
        match (product / denominator, product % denominator) {
            (whole, _) if whole > most => Err(Misfit::TooLarge),
            (whole, 0) => Ok(whole),
            _ => Err(Misfit::Fraction),
        }
    }

    /// The number a million times as large.
    #[must_use]
    pub(super) fn millionfold(self) -> Self {
        let digits = if self.places < 6 { self.digits * 10u128.pow(6 - self.places) } else { self.digits };
        Self { digits, places: self.places.saturating_sub(6) }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (numerator, denominator) = self.ratio();
        let (whole, fraction) = (numerator / denominator, numerator % denominator);
        match self.places as usize {
            0 => write!(f, "{whole}"),
            places => write!(f, "{whole}.{fraction:0places$}"),
        }
    }
}

/// The digits and underscores at the start, and the rest.
fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len()))
}

/// Whether this goes on as in `1e9` or `1E-3`.
fn is_exponent(rest: &str) -> bool {
    let Some(behind) = rest.strip_prefix(['e', 'E']) else { return false };
    behind.strip_prefix(['+', '-']).unwrap_or(behind).starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_exactly_and_leave_their_unit() {
        for (text, digits, places, rest) in [
            ("1_000", 1_000, 0, ""),
            ("2.50M", 25, 1, "M"),
            ("0.0006", 6, 4, ""),
            ("007d", 7, 0, "d"),
            ("99999999999999999999", 99_999_999_999_999_999_999, 0, ""),
            ("12 EUR", 12, 0, " EUR"),
        ] {
            assert_eq!(Decimal::read(text), Ok((Decimal { digits, places }, rest)), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_says_why() {
        for (text, why) in [
            ("-5", NotANumber::Negative),
            ("1e999", NotANumber::Exponent),
            ("1,000", NotANumber::Comma),
            ("1__0", NotANumber::Underscore),
            ("1_", NotANumber::Underscore),
            ("100000000000000000000", NotANumber::TooLong),
            ("NaN", NotANumber::Other),
            ("1.", NotANumber::Other),
            (".5", NotANumber::Other),
            ("", NotANumber::Other),
            ("٣", NotANumber::Other),
        ] {
            assert_eq!(Decimal::read(text).unwrap_err(), why, "{text}");
        }
    }

    #[test]
    fn a_multiple_is_exact_or_refused() {
        let (price, _) = Decimal::read("0.0000000005").unwrap();
        assert_eq!(price.times(1_000_000_000, u128::MAX), Err(Misfit::Fraction));
        assert_eq!(price.millionfold().to_string(), "0.0005");
        assert_eq!(price.times(10_000_000_000, 5), Ok(5));
        assert_eq!(price.times(10_000_000_000, 4), Err(Misfit::TooLarge));
    }
}
