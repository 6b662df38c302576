//! The units of the scenario language: how a text becomes a duration, a price or a chance, and what is said of one that
//! does not. Each unit has a parser here, a pattern for the JSON Schema, and one example.

mod money;

use std::borrow::Cow;

use farebox_engine::draw::Chance;
use farebox_engine::model::Period;
use farebox_engine::money::{CURRENCIES, Currency};
use farebox_engine::time::{self, Clock, DAY, HOUR, MINUTE, SECOND};
use jiff::civil::Date;

use super::decimal::{Decimal, Misfit, NotANumber};
use super::diagnostic::{enumerate, quote};
use super::limit;
use super::suggest::did_you_mean;
use super::value::{Allowance, Length, Rate, Value};

/// What a single value may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    /// Any text that is not empty.
    Text,
    /// A name: 1 to 64 letters, digits, `-` and `_`.
    Name,
    /// One of a closed set of words.
    Choice(&'static Choice),
    /// An ISO 4217 code.
    Currency,
    /// `2026-03-01`.
    Date,
    /// A whole number, with `k` and `M`.
    Quantity(Bounds),
    /// `250ms` to `7d`.
    Duration(Least),
    /// A duration, or `1mo`, `1y` on the calendar.
    Horizon,
    /// `400/day`.
    Rate,
    /// `$10`.
    Money,
    /// `$49/month`.
    Fee,
    /// `10k` or `10k/month`.
    Allowance,
    /// `$0.001` or `$2.50 per 1M`.
    Price,
    /// `8%`.
    Chance,
    /// `1h per 1s`.
    Clock,
}

/// The words of a choice: those that work, and those of the language that do not yet. `{throttle}` is a map with that key.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) now: &'static [&'static str],
    pub(super) planned: &'static [&'static str],
}

/// The range of a quantity, both ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) least: u64,
    pub(super) most: u64,
}

/// Whether a duration may be none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Least {
    Zero,
    AboveZero,
}

/// What is wrong with a text, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) message: String,
    /// `None` where only the key knows.
    pub(super) help: Option<String>,
}

type Parsed<T> = Result<T, Complaint>;

impl Complaint {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: Some(help.into()) }
    }
}

impl Unit {
    /// The value of a text. Amounts must be in `currency`; without one (the file's own is unknown) any will do.
    pub(super) fn parse(self, text: &str, currency: Option<Currency>) -> Parsed<Value> {
        match self {
            Self::Text if text.trim().is_empty() => Err(self.unlike(text)),
            Self::Text => Ok(Value::Text(text.to_owned())),
            Self::Name if is_name(text) => Ok(Value::Text(text.to_owned())),
            Self::Name => Err(self.unlike(text)),
            Self::Choice(choice) => choose(text, choice).map(Value::Choice),
            Self::Currency => parse_currency(text).map(Value::Currency),
            Self::Date => parse_date(text).ok_or_else(|| self.unlike(text)).map(Value::Date),
            Self::Quantity(bounds) => parse_quantity(self, text, bounds).map(Value::Quantity),
            Self::Duration(least) => parse_duration(self, text, least).map(Value::Duration),
            Self::Horizon => parse_horizon(text).map(Value::Length),
            Self::Rate => parse_rate(text).map(Value::Rate),
            Self::Money => money::parse_money(self, text, currency).map(Value::Money),
            Self::Fee => money::parse_fee(text, currency).map(Value::Fee),
            Self::Allowance => parse_allowance(text).map(Value::Allowance),
            Self::Price => money::parse_price(text, currency).map(Value::Price),
            Self::Chance => parse_chance(text).map(Value::Chance),
            Self::Clock => parse_clock(text).map(Value::Clock),
        }
    }

    /// What it is called in messages.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Name => "a name",
            Self::Choice(_) => "a word",
            Self::Currency => "a currency",
            Self::Date => "a date",
            Self::Quantity(_) => "a whole number",
            Self::Duration(_) | Self::Horizon => "a duration",
            Self::Rate => "a rate",
            Self::Money => "an amount of money",
            Self::Fee => "a fee",
            Self::Allowance => "an allowance",
            Self::Price => "a price",
            Self::Chance => "a percentage",
            Self::Clock => "a pace of the billing clock",
        }
    }

    /// How to write one.
    pub(super) fn hint(self) -> Cow<'static, str> {
        match self {
            Self::Text => "write a text".into(),
            Self::Name => "write 1 to 64 letters, digits, `-` or `_`".into(),
            Self::Choice(choice) => format!("write {}", choice.list()).into(),
            Self::Currency => format!("write {}", one_of(CURRENCIES.iter().map(|known| known.code))).into(),
            Self::Date => "write year, month and day, such as `2026-03-01`".into(),
            Self::Quantity(_) => "write digits, such as `400`, `10k`, `2.5M` or `1_000`".into(),
            Self::Duration(_) => "write a number and one of `ms`, `s`, `m`, `h`, `d`, such as `30s` or `7d`".into(),
            Self::Horizon => "write a number and one of `s`, `m`, `h`, `d`, `mo`, `y`, such as `30d` or `1mo`".into(),
            Self::Rate => "write a number per `s`, `min`, `h` or `day`, such as `20/s` or `400/day`".into(),
            Self::Money => "write an amount in the scenario's currency, such as `$10` or `10 CHF`".into(),
            Self::Fee => "write an amount per `day`, `month` or `year`, such as `$49/month`".into(),
            Self::Allowance => "write a quantity, such as `10k`, or `10k/month`".into(),
            Self::Price => "write the price of a unit, such as `$0.001`, or of many: `$2.50 per 1M`".into(),
            Self::Chance => "write 0 to 100 and a percent sign, such as `8%`".into(),
            Self::Clock => "write how far it goes in what time of the wall, such as `1h per 1s`".into(),
        }
    }

    fn unlike(self, text: &str) -> Complaint {
        Complaint::new(format!("{} is not {}", quote(text), self.noun()), self.hint())
    }
}

impl Choice {
    fn list(&self) -> String {
        one_of(self.now.iter().copied())
    }
}

/// `a`, or "one of `a`, `b`".
fn one_of(words: impl ExactSizeIterator<Item = &'static str>) -> String {
    let prefix = if words.len() > 1 { "one of " } else { "" };
    format!("{prefix}{}", enumerate(words))
}

// === Words ===

/// How long a name may be.
pub(super) const NAME_CHARS_MAX: usize = 64;

/// Whether a text can name something: a scenario, a plan, a cohort. Names become folders and labels.
pub(super) fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn choose(text: &str, choice: &Choice) -> Parsed<&'static str> {
    if let Some(word) = choice.now.iter().find(|&&word| word == text) {
        return Ok(word);
    }
    let words = (!choice.now.is_empty()).then(|| format!("write {}", choice.list()));
    if choice.planned.contains(&text) {
        return Err(Complaint { message: format!("{} is not supported yet", quote(text)), help: words });
    }
    let help = did_you_mean(text, choice.now.iter().copied()).or(words);
    Err(Complaint { message: format!("unknown word {}", quote(text)), help })
}

fn parse_currency(text: &str) -> Parsed<Currency> {
    Currency::from_code(text).ok_or_else(|| {
        let help = did_you_mean(text, CURRENCIES.iter().map(|known| known.code));
        let message = format!("{} is not a currency that scenarios can be in", quote(text));
        Complaint { message, help: help.or_else(|| Some(Unit::Currency.hint().into_owned())) }
    })
}

fn parse_date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let mut next = |digits: usize| {
        let part = parts.next()?;
        (part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let (year, month, day) = (next(4)?, next(2)?, next(2)?);
    if parts.next().is_some() {
        return None;
    }
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

// === Numbers ===

/// The number that a text begins with, and its unit.
fn number(unit: Unit, text: &str) -> Parsed<(Decimal, &str)> {
    part_of_number(unit, text, text)
}

/// The same of a part of a text, complaining of the whole.
fn part_of_number<'a>(unit: Unit, whole: &str, part: &'a str) -> Parsed<(Decimal, &'a str)> {
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
fn quote_part(whole: &str, part: &str) -> String {
    if part == whole { quote(whole) } else { format!("{} in {}", quote(part), quote(whole)) }
}

/// What `k` and `M` multiply by.
fn magnitude(unit: Unit, whole: &str, suffix: &str) -> Parsed<u128> {
    let hint = match suffix {
        "" => return Ok(1),
        "k" => return Ok(1_000),
        "M" => return Ok(1_000_000),
        "m" => "`m` is minutes, and only in durations: millions are `M`".into(),
        "K" => "thousands are `k`".into(),
        "b" | "B" | "g" | "G" => "the largest multiple is `M`, millions".into(),
        _ => unit.hint(),
    };
    Err(Complaint { help: Some(hint.into_owned()), ..unit.unlike(whole) })
}

fn parse_quantity(unit: Unit, text: &str, bounds: Bounds) -> Parsed<u64> {
    quantity_part(unit, text, text, bounds)
}

fn quantity_part(unit: Unit, whole: &str, part: &str, Bounds { least, most }: Bounds) -> Parsed<u64> {
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
pub(super) fn short(count: u64) -> String {
    match count {
        1_000_000.. if count.is_multiple_of(1_000_000) => format!("{}M", count / 1_000_000),
        1_000.. if count.is_multiple_of(1_000) => format!("{}k", count / 1_000),
        _ => count.to_string(),
    }
}

fn parse_allowance(text: &str) -> Parsed<Allowance> {
    const UNITS: Bounds = Bounds { least: 0, most: 1_000_000_000_000_000 };
    let (units, period) = match text.split_once('/') {
        Some((units, period)) => (units, Some(parse_period(Unit::Allowance, text, period)?)),
        None => (text, None),
    };
    Ok(Allowance { units: quantity_part(Unit::Allowance, text, units, UNITS)?, period })
}

fn parse_chance(text: &str) -> Parsed<Chance> {
    let (decimal, rest) = number(Unit::Chance, text)?;
    if rest != "%" {
        return Err(Unit::Chance.unlike(text));
    }
    let (parts, hundredth) = decimal.ratio();
    let of = hundredth * 100;
    if parts > of {
        return Err(Complaint::new(format!("{} is more than `100%`", quote(text)), Unit::Chance.hint()));
    }
    let of = u64::try_from(of)
        .map_err(|_| Complaint::new(format!("{} has too many decimals", quote(text)), "write at most seventeen"))?;
    Ok(Chance::of(parts as u64, of))
}

// === Time ===

/// The units of a duration that are a fixed length, in ns.
const LENGTHS: &[(&str, u64)] = &[("ms", SECOND / 1_000), ("s", SECOND), ("m", MINUTE), ("h", HOUR), ("d", DAY)];

fn parse_duration(unit: Unit, text: &str, least: Least) -> Parsed<time::Span> {
    duration_part(unit, text, text, least)
}

fn duration_part(unit: Unit, whole: &str, part: &str, least: Least) -> Parsed<time::Span> {
    let (decimal, suffix) = part_of_number(unit, whole, part)?;
    let Some(&(_, length)) = LENGTHS.iter().find(|(name, _)| *name == suffix) else {
        return Err(odd_duration(unit, whole, suffix));
    };
    let found = quote_part(whole, part);
    if decimal.is_zero() && least == Least::AboveZero {
        return Err(Complaint::new(format!("{found} is no time at all"), unit.hint()));
    }
    match decimal.times(u128::from(length), u128::from(limit::DURATION.ns())) {
        Ok(ns) => Ok(time::Span::from_ns(ns as u64)),
        Err(Misfit::TooLarge) => Err(too_long(&found)),
        Err(Misfit::Fraction) => Err(Complaint::new(format!("{found} is finer than a nanosecond"), unit.hint())),
    }
}

fn odd_duration(unit: Unit, whole: &str, suffix: &str) -> Complaint {
    let help = match suffix {
        "M" => "`M` is millions, and only in quantities: minutes are `m`".into(),
        "mo" | "y" => "months and years differ in length: write days, such as `30d`".into(),
        "" => return Complaint::new(format!("{} has no unit of time", quote(whole)), unit.hint()),
        _ => unit.hint(),
    };
    Complaint { help: Some(help.into_owned()), ..unit.unlike(whole) }
}

fn too_long(found: &str) -> Complaint {
    Complaint::new(format!("{found} is longer than ten years"), "write at most `3652d`")
}

fn parse_horizon(text: &str) -> Parsed<Length> {
    let unit = Unit::Horizon;
    let (decimal, suffix) = number(unit, text)?;
    let calendar = match suffix {
        "mo" => Length::Months,
        "y" => Length::Years,
        _ => return parse_duration(unit, text, Least::AboveZero).map(Length::Exact),
    };
    match decimal.times(1, 12 * limit::HORIZON_YEARS as u128) {
        Ok(0) => Err(Complaint::new(format!("{} is no time at all", quote(text)), unit.hint())),
        Ok(count) => Ok(calendar(count as i64)),
        Err(Misfit::TooLarge) => Err(too_long(&quote(text))),
        Err(Misfit::Fraction) => {
            let message = format!("{} is not a whole number of months or years", quote(text));
            Err(Complaint::new(message, "write days, such as `45d`"))
        }
    }
}

fn parse_period(unit: Unit, whole: &str, period: &str) -> Parsed<Period> {
    match period {
        "day" => Ok(Period::Day),
        "month" => Ok(Period::Month),
        "year" => Ok(Period::Year),
        _ => {
            let help = did_you_mean(period, ["day", "month", "year"]);
            let message = format!("unknown period {} in {}", quote(period), quote(whole));
            Err(Complaint { message, help: help.or_else(|| Some(unit.hint().into_owned())) })
        }
    }
}

fn parse_rate(text: &str) -> Parsed<Rate> {
    let unit = Unit::Rate;
    let Some((events, per)) = text.split_once('/') else { return Err(unit.unlike(text)) };
    let (decimal, suffix) = part_of_number(unit, text, events)?;
    let factor = magnitude(unit, text, suffix)?;
    let per_ns = match per {
        "s" => SECOND,
        "min" => MINUTE,
        "h" => HOUR,
        "day" => DAY,
        _ => return Err(odd_rate(text, per)),
    };
    let too_large = || Complaint::new(format!("{} is more than a rate can be", quote(text)), unit.hint());
    let (numerator, denominator) = decimal.ratio();
    let (events, span_ns) = (numerator * factor, denominator * u128::from(per_ns));
    let divisor = gcd(events, span_ns);
    let events = u64::try_from(events / divisor).map_err(|_| too_large())?;
    let per_ns = u64::try_from(span_ns / divisor)
        .map_err(|_| Complaint::new(format!("{} has too many decimals for its unit", quote(text)), unit.hint()))?;
    Ok(Rate { events, per: time::Span::from_ns(per_ns) })
}

/// Why nothing can be made to happen at this rate, and what to write; `None` when it can.
pub(super) fn unplayable(rate: Rate) -> Option<(&'static str, String)> {
    if rate.events == 0 {
        return Some(("a rate of zero asks for no calls at all", "write a rate above zero".to_owned()));
    }
    let most = limit::CALLS_PER_S;
    let beyond = rate.exceeds(most);
    beyond.then(|| ("this rate is beyond what can be played", format!("write at most `{}/s`", short(most))))
}

fn odd_rate(text: &str, per: &str) -> Complaint {
    let help = match per {
        "m" => "minutes of a rate are `/min`".into(),
        "month" | "mo" => "months differ in length: write the calls per day, such as `400/day`".into(),
        "d" => "days of a rate are `/day`".into(),
        _ => Unit::Rate.hint(),
    };
    Complaint::new(format!("unknown unit {} in {}", quote(&format!("/{per}")), quote(text)), help)
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn parse_clock(text: &str) -> Parsed<Clock> {
    let unit = Unit::Clock;
    let Some((billing, traffic)) = text.split_once(" per ") else { return Err(unit.unlike(text)) };
    let billing = duration_part(unit, text, billing, Least::AboveZero)?;
    let traffic = duration_part(unit, text, traffic, Least::AboveZero)?;
    Ok(Clock::new(billing, traffic))
}

#[cfg(test)]
mod tests;
