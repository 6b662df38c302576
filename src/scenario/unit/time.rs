//! Times: durations, lengths on the calendar, dates, zones, the pace of the billing clock.

use farebox_engine::model::Period;
use farebox_engine::time::{self, Clock, DAY, HOUR, MINUTE, SECOND};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::number::{part_of_number, quote_part};
use super::{Complaint, Least, Parsed, Unit};
use crate::scenario::decimal::Misfit;
use crate::scenario::diagnostic::quote;
use crate::scenario::limit;
use crate::scenario::suggest::did_you_mean;
use crate::scenario::value::Length;

/// The units of a duration that are a fixed length, in ns.
const LENGTHS: &[(&str, u64)] = &[("ms", SECOND / 1_000), ("s", SECOND), ("m", MINUTE), ("h", HOUR), ("d", DAY)];

pub(super) fn duration_part(unit: Unit, whole: &str, part: &str, least: Least) -> Parsed<time::Span> {
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
    Complaint { help: help.into_owned(), ..unit.unlike(whole) }
}

fn too_long(found: &str) -> Complaint {
    Complaint::new(format!("{found} is longer than ten years"), "write at most `3652d`")
}

pub(super) fn parse_length(text: &str, least: Least) -> Parsed<Length> {
    let unit = Unit::Length(least);
    let (decimal, suffix) = part_of_number(unit, text, text)?;
    let (calendar, most): (fn(u32) -> Length, u128) = match suffix {
        "mo" => (Length::Months, 12 * u128::from(limit::HORIZON_YEARS)),
        "y" => (|years| Length::Months(12 * years), u128::from(limit::HORIZON_YEARS)),
        _ => return duration_part(unit, text, text, least).map(Length::Exact),
    };
    match decimal.times(1, most) {
        Ok(0) if least == Least::AboveZero => {
            Err(Complaint::new(format!("{} is no time at all", quote(text)), unit.hint()))
        }
        Ok(count) => Ok(calendar(count as u32)),
        Err(Misfit::TooLarge) => Err(too_long(&quote(text))),
        Err(Misfit::Fraction) => {
            let message = format!("{} is not a whole number of months or years", quote(text));
            Err(Complaint::new(message, "write days, such as `45d`"))
        }
    }
}

pub(super) fn parse_period(unit: Unit, whole: &str, period: &str) -> Parsed<Period> {
    match period {
        "day" => Ok(Period::Day),
        "month" => Ok(Period::Month),
        "year" => Ok(Period::Year),
        _ => {
            let help = did_you_mean(period, ["day", "month", "year"]);
            let message = format!("unknown period {} in {}", quote(period), quote(whole));
            Err(Complaint::new(message, help.unwrap_or_else(|| unit.hint().into_owned())))
        }
    }
}

/// A day, which begins at midnight, or a second of one; in UTC, for which a `Z` stands.
pub(super) fn parse_moment(text: &str) -> Option<DateTime> {
    let Some((date, time)) = text.split_once('T') else { return parse_date(text).map(DateTime::from) };
    let mut parts = time.strip_suffix('Z')?.split(':');
    let mut next = || {
        let part = parts.next()?;
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let (hour, minute, second) = (next()?, next()?, next()?);
    if parts.next().is_some() {
        return None;
    }
    Some(parse_date(date)?.to_datetime(Time::new(hour, minute, second, 0).ok()?))
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

/// A zone of the database that is part of the program: the machine's own would make results differ between machines.
pub(super) fn parse_zone(text: &str) -> Parsed<TimeZone> {
    if text == "UTC" {
        return Ok(TimeZone::UTC);
    }
    let database = TimeZoneDatabase::bundled();
    // The database would take any letter case; the language has one spelling each.
    if database.available().any(|known| known.as_str() == text) {
        return database.get(text).map_err(|_| Unit::Zone.unlike(text));
    }
    // The city is what people know of a name.
    let city = |name: &str| name.rsplit('/').next().map(str::to_lowercase);
    if let Some(known) = database.available().find(|known| city(known.as_str()) == city(text)) {
        let message = format!("unknown time zone {}", quote(text));
        return Err(Complaint::new(message, format!("did you mean {}?", quote(known.as_str()))));
    }
    let begins =
        |name: &str| text.get(..1).is_some_and(|first| name.get(..1).is_some_and(|it| it.eq_ignore_ascii_case(first)));
    let is_near = |name: &String| name.len().abs_diff(text.len()) <= 3 && begins(name);
    let names: Vec<String> = database.available().map(|name| name.as_str().to_owned()).filter(is_near).collect();
    let help = did_you_mean(text, names.iter().map(String::as_str));
    let help = help.unwrap_or_else(|| Unit::Zone.hint().into_owned());
    Err(Complaint::new(format!("unknown time zone {}", quote(text)), help))
}

pub(super) fn parse_clock(text: &str) -> Parsed<Clock> {
    let unit = Unit::Clock;
    let Some((billing, traffic)) = text.split_once(" per ") else { return Err(unit.unlike(text)) };
    let billing = duration_part(unit, text, billing, Least::AboveZero)?;
    let traffic = duration_part(unit, text, traffic, Least::AboveZero)?;
    Ok(Clock::new(billing, traffic))
}
