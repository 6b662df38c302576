//! Amounts of money: integers, one rounding where it is named, never a float.

use std::fmt;

/// An amount in the currency's smallest engine unit: 10⁻⁹ of the major unit (a *nano*), or 10⁻⁶ where amounts are large
/// numbers ([`Currency::scale`]). May be negative: a balance is an amount too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// Nanos in one major unit (one dollar).
pub const NANOS: i64 = 1_000_000_000;

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount of `nanos` × 10⁻⁹ of the major unit.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The amount in nanos.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The sum, or `None` past the range of ± 9.2 × 10⁹ major units.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or `None` past the range.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// `self × numerator ÷ denominator`, rounded down; where that leaves the range, its end. For figures, not for books.
    #[must_use]
    pub fn saturating_times(self, numerator: u64, denominator: u64) -> Self {
        let exact = i128::from(self.0) * i128::from(numerator) / i128::from(denominator);
        Self(exact.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    /// `self × numerator ÷ denominator`, exact in 128 bits and rounded once, half to even.
    ///
    /// # Panics
    /// When the denominator is zero, or the result leaves the range: callers scale by fractions of at most one.
    #[must_use]
    pub fn scale_half_even(self, numerator: u64, denominator: u64) -> Self {
        let exact = i128::from(self.0) * i128::from(numerator);
        let nanos = div_half_even(exact, i128::from(denominator));
        Self(i64::try_from(nanos).expect("a fraction of an amount is no larger than the amount"))
    }
}

/// `a ÷ b`, rounded half to even (IEEE 754's default, and the accountants').
pub(crate) fn div_half_even(a: i128, b: i128) -> i128 {
    let (quotient, remainder) = (a.div_euclid(b), a.rem_euclid(b));
    let up = match (2 * remainder).cmp(&b) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => quotient % 2 != 0,
    };
    quotient + i128::from(up)
}

/// Why an amount could not be booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the amounts on the ledger account `{account}` leave the range of an account")]
pub struct Overflow {
    /// The ledger account, by its name in the reports. One thin pointer, so that a result with it travels in registers.
    pub account: &'static &'static str,
}

/// An ISO 4217 currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency {
    /// The ISO 4217 code, such as `USD`.
    pub code: &'static str,
    /// What stands before an amount in a scenario; empty where the code is written after it.
    pub sign: &'static str,
    /// Decimal places of the minor unit: 2 for `USD`.
    pub exponent: u8,
    /// Engine units in a major unit: [`NANOS`], or a thousandth of them where amounts are large numbers.
    pub scale: i64,
}

/// The currencies that a scenario may name. In nanos, an account of rupiah would end at a few hundred thousand dollars'
/// worth: such currencies have a thousandth of the units.
pub const CURRENCIES: &[Currency] = &[
    Currency { code: "USD", sign: "$", exponent: 2, scale: NANOS },
    Currency { code: "EUR", sign: "€", exponent: 2, scale: NANOS },
    Currency { code: "GBP", sign: "£", exponent: 2, scale: NANOS },
    Currency { code: "CHF", sign: "", exponent: 2, scale: NANOS },
    Currency { code: "CAD", sign: "", exponent: 2, scale: NANOS },
    Currency { code: "AUD", sign: "", exponent: 2, scale: NANOS },
    Currency { code: "KWD", sign: "", exponent: 3, scale: NANOS },
    Currency { code: "JPY", sign: "¥", exponent: 0, scale: NANOS / 1_000 },
    Currency { code: "KRW", sign: "₩", exponent: 0, scale: NANOS / 1_000 },
    Currency { code: "IDR", sign: "", exponent: 2, scale: NANOS / 1_000 },
];

impl Currency {
    /// The currency with this ISO 4217 code.
    pub fn from_code(code: &str) -> Option<Self> {
        CURRENCIES.iter().copied().find(|currency| currency.code == code)
    }

    /// An amount for people: sign or code, thousands apart, at least the minor unit's decimals and no digit lost.
    /// `units` are those of [`Self::scale`].
    pub fn display(self, units: i128) -> impl fmt::Display {
        let (magnitude, scale) = (units.unsigned_abs(), u128::from(self.scale.unsigned_abs()));
        let (major, rest) = (magnitude / scale, magnitude % scale);
        let digits = format!("{rest:0width$}", width = scale.ilog10() as usize);
        let places = digits.trim_end_matches('0').len().max(usize::from(self.exponent));
        let minus = if units < 0 { "-" } else { "" };
        let point = if places > 0 { "." } else { "" };
        let number = format!("{}{point}{}", thousands(major), &digits[..places]);
        if self.sign.is_empty() {
            format!("{minus}{number} {}", self.code)
        } else {
            format!("{minus}{}{number}", self.sign)
        }
    }
}

/// A count with its thousands apart: `1,234,567`.
pub fn thousands(count: u128) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_the_even_neighbour_on_both_sides_of_zero() {
        for (a, b, expected) in [(5, 2, 2), (7, 2, 4), (-5, 2, -2), (-7, 2, -4), (7, 3, 2), (8, 3, 3), (-1, 3, 0)] {
            assert_eq!(div_half_even(a, b), expected, "{a}/{b}");
        }
    }

    #[test]
    fn amounts_read_as_people_write_them() {
        let usd = Currency::from_code("USD").unwrap();
        assert_eq!(usd.display(1_234_567_000_000_000).to_string(), "$1,234,567.00");
        assert_eq!(usd.display(-37_500_000).to_string(), "-$0.0375");
        let kwd = Currency::from_code("KWD").unwrap();
        assert_eq!(kwd.display(2_500_000_000).to_string(), "2.500 KWD");
        let jpy = Currency::from_code("JPY").unwrap();
        assert_eq!(jpy.display(1_200_000_000).to_string(), "¥1,200");
        assert_eq!(jpy.display(-500).to_string(), "-¥0.0005");
        assert_eq!(Currency::from_code("IDR").unwrap().display(15_000_500_000).to_string(), "15,000.50 IDR");
    }
}
