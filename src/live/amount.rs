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

/// An amount above zero: digits, and after a point no more of them than the currency is counted in.
pub(super) fn parse(text: &str, currency: Currency) -> Option<Money> {
    let (major, minor) = text.split_once('.').map_or((text, "0"), |(major, minor)| (major, minor));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let places = currency.scale.ilog10() as usize;
    if !are_digits(major) || !are_digits(minor) || minor.len() > places {
        return None;
    }
    let (major, minor): (i64, i64) = (major.parse().ok()?, format!("{minor:0<places$}").parse().ok()?);
    let units = major.checked_mul(currency.scale)?.checked_add(minor)?;
    (units > 0).then_some(Money::from_nanos(units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_they_are_written() {
        let currency = |code| Currency::from_code(code).expect("a known currency");
        for (code, text, units) in [
            ("USD", "10.00", 10_000_000_000),
            ("USD", "0.000000001", 1),
            ("USD", "1234.5678", 1_234_567_800_000),
            ("JPY", "1200", 1_200_000_000),
            ("KWD", "2.500", 2_500_000_000),
        ] {
            assert_eq!(parse(text, currency(code)), Some(Money::from_nanos(units)), "{text}");
            assert_eq!(decimal(Money::from_nanos(units), currency(code)), text);
        }
        assert_eq!(decimal(Money::from_nanos(-37_500_000), currency("USD")), "-0.0375");
        assert_eq!(parse("7", currency("USD")), Some(Money::from_nanos(7_000_000_000)));
        for wrong in ["", "0", "0.00", "-1", "+1", "1e3", "1.", ".5", "1,000", "$1", "0.0000000001", "9223372037", " 1"]
        {
            assert_eq!(parse(wrong, currency("USD")), None, "{wrong}");
        }
    }
}
