//! Amounts as they are read and written outside: decimal numbers of the major unit, in strings, for no float holds them all.

use farebox_engine::money::{Currency, Money};

/// `12.50`: as many places as the minor unit has, or as the amount needs.
pub(super) fn decimal(money: Money, currency: Currency) -> String {
    let (units, scale) = (money.nanos().unsigned_abs(), currency.scale.unsigned_abs());
    let digits = format!("{:0width$}", units % scale, width = scale.ilog10() as usize);
    let places = digits.trim_end_matches('0').len().max(usize::from(currency.exponent));
    let (minus, point) = (if money < Money::ZERO { "-" } else { "" }, if places > 0 { "." } else { "" });
    format!("{minus}{}{point}{}", units / scale, &digits[..places])
}

/// Why a text is no amount that can be charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AmountError {
    /// It is no decimal number, or not above zero.
    NoAmount,
    /// It has more places than the minor unit.
    TooFine,
    /// It leaves the range of an account.
    TooLarge,
}

/// An amount that can be charged: above zero, in digits, and after a point no more of them than the minor unit has, zeros at
/// the end aside.
pub(super) fn parse(text: &str, currency: Currency) -> Result<Money, AmountError> {
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(major) || !are_digits(minor) {
        return Err(AmountError::NoAmount);
    }
    let minor = minor.trim_end_matches('0');
    if minor.len() > usize::from(currency.exponent) {
        return Err(AmountError::TooFine);
    }
    match units(major, minor, currency).ok_or(AmountError::TooLarge)? {
        0 => Err(AmountError::NoAmount),
        units => Ok(Money::from_nanos(units)),
    }
}

/// Engine units of these digits before and after the point; `None` beyond what an account holds.
fn units(major: &str, minor: &str, currency: Currency) -> Option<i64> {
    let places = currency.scale.ilog10() as usize;
    let (major, minor): (i64, i64) = (major.parse().ok()?, format!("{minor:0<places$}").parse().ok()?);
    major.checked_mul(currency.scale)?.checked_add(minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_they_are_written() {
        let currency = |code| Currency::from_code(code).expect("a known currency");
        for (code, text, units) in [
            ("USD", "10.00", 10_000_000_000),
            ("USD", "0.01", 10_000_000),
            ("IDR", "150000.25", 150_000_250_000),
            ("JPY", "1200", 1_200_000_000),
            ("KWD", "2.500", 2_500_000_000),
        ] {
            assert_eq!(parse(text, currency(code)), Ok(Money::from_nanos(units)), "{text}");
            assert_eq!(decimal(Money::from_nanos(units), currency(code)), text);
        }
        for (units, text) in [(-37_500_000, "-0.0375"), (1, "0.000000001"), (1_234_567_800_000, "1234.5678")] {
            assert_eq!(decimal(Money::from_nanos(units), currency("USD")), text);
        }
        for text in ["7", "7.0", "7.0000000000"] {
            assert_eq!(parse(text, currency("USD")), Ok(Money::from_nanos(7_000_000_000)), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_charged_is_told_apart() {
        let currency = |code| Currency::from_code(code).expect("a known currency");
        for wrong in ["", "0", "0.00", "-1", "+1", "1e3", "1.", ".5", "1,000", "$1", " 1", "99999999999x"] {
            assert_eq!(parse(wrong, currency("USD")), Err(AmountError::NoAmount), "{wrong}");
        }
        for (code, wrong) in [("USD", "0.001"), ("USD", "1.999"), ("KWD", "0.0001"), ("JPY", "0.5")] {
            assert_eq!(parse(wrong, currency(code)), Err(AmountError::TooFine), "{code} {wrong}");
        }
        for wrong in ["9223372037", "9223372036.86", "99999999999999999999"] {
            assert_eq!(parse(wrong, currency("USD")), Err(AmountError::TooLarge), "{wrong}");
        }
        assert_eq!(parse("9223372036.85", currency("USD")), Ok(Money::from_nanos(9_223_372_036_850_000_000)));
    }
}
