//! Numbers: quantities, rates, percentages. All exact, but for those that only ever become floats.

use farebox_engine::draw::Chance;
use farebox_engine::model::{HandOut, Period, Share};
use farebox_engine::time::{self, DAY, HOUR, MINUTE, SECOND};

use super::time::parse_period;
use super::{Bounds, Complaint, Least, Parsed, Unit};
use crate::scenario::decimal::{Decimal, Misfit, NotANumber};
use crate::scenario::diagnostic::quote;
use crate::scenario::limit;
use crate::scenario::value::{Allowance, Rate};

/// The number that a part of a text begins with, and what follows it; complaints are of the whole.
pub(super) fn part_of_number<'a>(unit: Unit, whole: &str, part: &'a str) -> Parsed<(Decimal, &'a str)> {
    Decimal::read(part).map_err(|why| {
        let found = quote(whole);
        match why {
            NotANumber::Negative => Complaint::new(format!("{found} is negative"), unit.hint()),
            NotANumber::Exponent => {
                let help = "write the digits, with `k` for thousands and `M` for millions";
                Complaint::new(format!("{found} is written with an exponent"), help)
            }
            NotANumber::Comma => Complaint::new(format!("{found} has a comma in it"), "write `1_000`, or `1k`"),
            NotANumber::Underscore => {
                Complaint::new(format!("{found} has a `_` that is not between two digits"), "write `1_000`")
            }
            NotANumber::TooLong => Complaint::new(format!("{found} has more than 20 digits"), unit.hint()),
            NotANumber::Other => unit.unlike(whole),
        }
    })
}

/// A part of a text, as messages name it.
pub(super) fn quote_part(whole: &str, part: &str) -> String {
    if part == whole { quote(whole) } else { format!("{} in {}", quote(part), quote(whole)) }
}

/// What `k` and `M` multiply by.
pub(super) fn magnitude(unit: Unit, whole: &str, suffix: &str) -> Parsed<u128> {
    let hint = match suffix {
        "" => return Ok(1),
        "k" => return Ok(1_000),
        "M" => return Ok(1_000_000),
        "m" => "`m` is minutes, and only in durations: millions are `M`".into(),
        "K" => "thousands are `k`".into(),
        "b" | "B" | "g" | "G" => "the largest multiple is `M`, millions".into(),
        _ => unit.hint(),
    };
    Err(Complaint { help: hint.into_owned(), ..unit.unlike(whole) })
}

pub(super) fn quantity_part(unit: Unit, whole: &str, part: &str, Bounds { least, most }: Bounds) -> Parsed<u64> {
    let (decimal, suffix) = part_of_number(unit, whole, part)?;
    let factor = magnitude(unit, whole, suffix)?;
    let (least_shown, most_shown) = (short(least), short(most));
    let range = || format!("write {least_shown} to {most_shown}");
    let found = quote_part(whole, part);
    match decimal.times(factor, u128::from(most)) {
        Ok(count) if count >= u128::from(least) => Ok(count as u64),
        Ok(_) => Err(Complaint::new(format!("{found} is less than {least_shown}"), range())),
        Err(Misfit::TooLarge) => Err(Complaint::new(format!("{found} is more than {most_shown}"), range())),
        Err(Misfit::Fraction) => Err(Complaint::new(format!("{found} is not a whole number"), unit.hint())),
    }
}

/// A count as the language writes it: `4k`, `1M`.
pub(in crate::scenario) fn short(count: u64) -> String {
    match count {
        1_000_000.. if count.is_multiple_of(1_000_000) => format!("{}M", count / 1_000_000),
        1_000.. if count.is_multiple_of(1_000) => format!("{}k", count / 1_000),
        _ => count.to_string(),
    }
}

pub(super) fn parse_number(text: &str, least: Least) -> Parsed<f64> {
    number_part(Unit::Number(least), text, text, least)
}

/// The largest number that is written with decimals.
const NUMBER_MOST: u128 = 1_000;
/// The least one above zero: shapes and exponents below it have no use, and no numbers.
const NUMBER_LEAST: f64 = 0.01;

impl Least {
    /// The least number that is written with decimals.
    pub(in crate::scenario) fn number(self) -> f64 {
        match self {
            Self::Zero => 0.0,
            Self::AboveZero => NUMBER_LEAST,
            Self::One => 1.0,
        }
    }
}

fn number_part(unit: Unit, whole: &str, part: &str, least: Least) -> Parsed<f64> {
    let (decimal, rest) = part_of_number(unit, whole, part)?;
    if !rest.is_empty() {
        return Err(unit.unlike(whole));
    }
    let (numerator, denominator) = decimal.ratio();
    if numerator > NUMBER_MOST * denominator {
        return Err(Complaint::new(format!("{} is more than 1000", quote_part(whole, part)), unit.hint()));
    }
    let number = numerator as f64 / denominator as f64;
    let least = least.number();
    if number < least {
        let message = format!("{} is less than {least}", quote_part(whole, part));
        return Err(Complaint::new(message, format!("write {least} to 1000")));
    }
    Ok(number)
}

pub(super) fn parse_count_per(text: &str, period: Period) -> Parsed<u64> {
    const COUNT: Bounds = Bounds { least: 1, most: 1_000_000 };
    let unit = Unit::CountPer(period);
    let Some((count, per)) = text.split_once('/') else { return Err(unit.unlike(text)) };
    if parse_period(unit, text, per)? != period {
        return Err(unit.unlike(text));
    }
    quantity_part(unit, text, count, COUNT)
}

pub(super) fn parse_allowance(text: &str) -> Parsed<Allowance> {
    const UNITS: Bounds = Bounds { least: 0, most: 1_000_000_000_000_000 };
    let (units, period) = match text.split_once('/') {
        Some((units, period)) => (units, Some(parse_period(Unit::Allowance, text, period)?)),
        None => (text, None),
    };
    Ok(Allowance { units: quantity_part(Unit::Allowance, text, units, UNITS)?, period })
}

pub(super) fn parse_spread(text: &str) -> Parsed<HandOut> {
    if text == "even" {
        return Ok(HandOut::Even);
    }
    let exponent = text.strip_prefix("zipf(").and_then(|rest| rest.strip_suffix(')'));
    let exponent = exponent.ok_or_else(|| Unit::Spread.unlike(text))?;
    number_part(Unit::Spread, text, exponent, Least::AboveZero).map(|exponent| HandOut::Zipf { exponent })
}

// === Percentages ===

pub(super) fn parse_chance(unit: Unit, text: &str) -> Parsed<Chance> {
    let part = match (unit, text.split_once('/')) {
        (Unit::ChancePerMonth, Some((part, "month"))) => part,
        (Unit::ChancePerMonth, _) => return Err(unit.unlike(text)),
        _ => text,
    };
    share_part(unit, text, part).map(|share| Chance::of(share.parts, share.of))
}

pub(super) fn share_part(unit: Unit, whole: &str, part: &str) -> Parsed<Share> {
    let (decimal, rest) = part_of_number(unit, whole, part)?;
    if rest != "%" {
        return Err(unit.unlike(whole));
    }
    let (parts, hundredth) = decimal.ratio();
    let of = hundredth * 100;
    if parts > of {
        return Err(Complaint::new(format!("{} is more than `100%`", quote_part(whole, part)), unit.hint()));
    }
    let of = u64::try_from(of)
        .map_err(|_| Complaint::new(format!("{} has too many decimals", quote(whole)), "write at most seventeen"))?;
    Ok(Share { parts: parts as u64, of })
}

// === Rates ===

pub(super) fn parse_rate(text: &str) -> Parsed<Rate> {
    const SPANS: &[(&str, u64)] = &[("s", SECOND), ("min", MINUTE), ("h", HOUR), ("day", DAY)];
    rate(Unit::Rate, text, SPANS)
}

/// Seconds of a mean year of the Gregorian calendar, 365.2425 days; a month is a twelfth.
const YEAR: u64 = 31_556_952 * SECOND;

pub(super) fn parse_frequency(text: &str) -> Parsed<Rate> {
    const SPANS: &[(&str, u64)] = &[("day", DAY), ("month", YEAR / 12), ("year", YEAR)];
    let rate = rate(Unit::Frequency, text, SPANS)?;
    if rate.events == 0 {
        return Err(Complaint::new("a rate of zero asks for nobody at all", "write a rate above zero"));
    }
    if rate.exceeds(limit::CALLS_PER_S) {
        return Err(Complaint::new(format!("{} is more than can be played", quote(text)), "write a smaller rate"));
    }
    Ok(rate)
}

/// The events and the span as they are written, but for decimals: the window of a limit is the span.
fn rate(unit: Unit, text: &str, spans: &[(&str, u64)]) -> Parsed<Rate> {
    let Some((events, per)) = text.split_once('/') else { return Err(unit.unlike(text)) };
    let (decimal, suffix) = part_of_number(unit, text, events)?;
    let factor = magnitude(unit, text, suffix)?;
    let Some(&(_, per_ns)) = spans.iter().find(|(name, _)| *name == per) else {
        return Err(odd_rate(unit, text, per));
    };
    let too_large = || Complaint::new(format!("{} is more than a rate can be", quote(text)), unit.hint());
    let (numerator, denominator) = decimal.ratio();
    let divisor = gcd(numerator * factor, denominator);
    let events = u64::try_from(numerator * factor / divisor).map_err(|_| too_large())?;
    let per_ns = u64::try_from(denominator / divisor * u128::from(per_ns))
        .ok()
        .filter(|ns| *ns <= i64::MAX.unsigned_abs())
        .ok_or_else(|| Complaint::new(format!("{} has too many decimals for its unit", quote(text)), unit.hint()))?;
    Ok(Rate { events, per: time::Span::from_ns(per_ns) })
}

/// Why nothing can be made to happen at this rate, and what to write; `None` when it can.
pub(in crate::scenario) fn unplayable(rate: Rate) -> Option<(&'static str, String)> {
    if rate.events == 0 {
        return Some(("a rate of zero asks for no calls at all", "write a rate above zero".to_owned()));
    }
    let most = limit::CALLS_PER_S;
    let beyond = rate.exceeds(most);
    beyond.then(|| ("this rate is beyond what can be played", format!("write at most `{}/s`", short(most))))
}

fn odd_rate(unit: Unit, text: &str, per: &str) -> Complaint {
    let help = match (unit, per) {
        (Unit::Rate, "m") => "minutes of a rate are `/min`".into(),
        (Unit::Rate, "month" | "mo") => "months differ in length: write the calls per day, such as `400/day`".into(),
        (_, "d") => "days of a rate are `/day`".into(),
        _ => unit.hint(),
    };
    Complaint::new(format!("unknown unit {} in {}", quote(&format!("/{per}")), quote(text)), help)
}

pub(in crate::scenario) fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}
