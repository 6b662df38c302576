//! The units of the scenario language on the command line: `--rate 2k/s` means what `rate: 2k/s` does in a file.

use farebox_engine::money::{Currency, Money};
use farebox_engine::time::Span;

use super::unit::{Complaint, Least, Unit, unplayable};
use super::value::Value;

/// Calls a second of a text such as `2k/s`; else what is wrong with it and what to write.
pub fn rate_per_s(text: &str) -> Result<f64, String> {
    match Unit::Rate.parse(text, None).map_err(in_one_line)? {
        Value::Rate(rate) => match unplayable(rate) {
            Some((message, help)) => Err(format!("{message}; {help}")),
            None => Ok(rate.per_second()),
        },
        _ => unreachable!("a unit's parser makes values of that unit"),
    }
}

/// The length of a text such as `10s`, which is not zero; else what is wrong with it and what to write.
pub fn duration(text: &str) -> Result<Span, String> {
    match Unit::Duration(Least::AboveZero).parse(text, None).map_err(in_one_line)? {
        Value::Duration(span) => Ok(span),
        _ => unreachable!("a unit's parser makes values of that unit"),
    }
}

/// The length of a text such as `9d23h`: durations one behind the other, together; else what is wrong and what to write.
pub fn durations(text: &str) -> Result<Span, String> {
    let (mut sum, mut rest) = (0_u64, text.trim());
    loop {
        let unit = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let end = rest[unit..].find(|c: char| !c.is_ascii_alphabetic()).map_or(rest.len(), |length| unit + length);
        let (first, more) = rest.split_at(end);
        match Unit::Duration(Least::Zero).parse(first, None).map_err(in_one_line)? {
            Value::Duration(span) => sum = sum.saturating_add(span.ns()),
            _ => unreachable!("a unit's parser makes values of that unit"),
        }
        if more.is_empty() {
            return Ok(Span::from_ns(sum));
        }
        rest = more;
    }
}

/// The share that a text such as `1%` says; else what is wrong with it and what to write.
pub fn share(text: &str) -> Result<f64, String> {
    match Unit::Share.parse(text, None).map_err(in_one_line)? {
        Value::Share(share) => Ok(share.parts as f64 / share.of as f64),
        _ => unreachable!("a unit's parser makes values of that unit"),
    }
}

/// The amount that a text such as `$50` says, in the scenario's currency; else what is wrong with it and what to write.
pub fn amount(text: &str, currency: Currency) -> Result<Money, String> {
    match Unit::Money.parse(text, Some(currency)).map_err(in_one_line)? {
        Value::Money(amount) => Ok(amount),
        _ => unreachable!("a unit's parser makes values of that unit"),
    }
}

fn in_one_line(complaint: Complaint) -> String {
    let Complaint { message, help, .. } = complaint;
    format!("{message}; {help}")
}

#[cfg(test)]
mod tests {
    use farebox_engine::money::{CURRENCIES, NANOS};

    use super::*;

    #[test]
    fn an_option_reads_as_the_key_does() {
        assert_eq!(rate_per_s("2.5k/s"), Ok(2_500.0));
        assert_eq!(duration("90s"), Ok(Span::from_secs(90)));
        assert_eq!(durations("9d23h"), Ok(Span::from_secs((9 * 24 + 23) * 3_600)));
        assert_eq!(durations("1h30m15s"), Ok(Span::from_secs(5_415)));
        assert_eq!(durations("10d"), Ok(Span::from_secs(864_000)));
        let usd = CURRENCIES[0];
        assert_eq!((share("1%"), share("0.25%")), (Ok(0.01), Ok(0.002_5)));
        assert_eq!(amount("$50", usd), Ok(Money::from_nanos(50 * NANOS)));
        for wrong in [
            share("1").err(),
            share("-1%").err(),
            amount("€50", usd).err(),
            amount("much", usd).err(),
            rate_per_s("0/s").err(),
            rate_per_s("fast").err(),
            rate_per_s("2M/s").err(),
            duration("0s").err(),
            duration("10M").err(),
            durations("9d23").err(),
            durations("9d 23x").err(),
            durations("").err(),
            durations("d").err(),
        ] {
            assert!(wrong.is_some_and(|complaint| !complaint.is_empty()));
        }
    }
}
