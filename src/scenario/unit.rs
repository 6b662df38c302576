//! The units of the scenario language: how a text becomes a duration, a price or a chance, and what is said of one that
//! does not. Each unit has a parser here, a pattern for the JSON Schema, and one example.

mod money;
mod number;
mod time;
mod word;

use std::borrow::Cow;
use std::ops::Range;

use farebox_engine::model::Period;
use farebox_engine::money::{CURRENCIES, Currency};

pub(super) use self::money::most;
pub(super) use self::number::{gcd, short, unplayable};
use self::word::one_of;
use super::diagnostic::quote;
use super::suggest::did_you_mean;
use super::threshold;
use super::value::Value;

/// What a single value may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    /// Any text that is not empty.
    Text,
    /// A name: 1 to 64 letters, digits, `-` and `_`.
    Name,
    /// The path of a route: `/v1/search`.
    Path,
    /// One of a closed set of words.
    Choice(&'static Choice),
    /// `true` or `false`.
    Bool,
    /// An ISO 4217 code.
    Currency,
    /// `2026-03-01`.
    Moment,
    /// A time zone of the tz database: `America/New_York`.
    Zone,
    /// A status, all of a class, or `connection`: `429`, `5xx`.
    Failure,
    /// A status of failure: `402`.
    Status,
    /// A whole number, with `k` and `M`.
    Quantity(Bounds),
    /// A number up to a thousand, with decimals.
    Number(Least),
    /// So many per period: `10/month`.
    CountPer(Period),
    /// `250ms` to `7d`.
    Duration(Least),
    /// A duration, or `1mo`, `1y` on the calendar.
    Length(Least),
    /// `400/day`.
    Rate,
    /// `40/month`, on average.
    Frequency,
    /// `$10`.
    Money,
    /// `$49/month`.
    Fee,
    /// `2.9% + $0.30`.
    Commission,
    /// `10k` or `10k/month`.
    Allowance,
    /// `$0.001` or `$2.50 per 1M`.
    Price,
    /// `8%`, as a chance.
    Chance,
    /// `3%/month`.
    ChancePerMonth,
    /// `20%`, as an exact share.
    Share,
    /// `1h per 1s`.
    Clock,
    /// `even` or `zipf(1.0)`.
    Spread,
    /// `refusals{kind=billing}.rate < 0.5%`.
    Threshold,
}

/// The words of a choice, and which of them have no effect yet.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) words: &'static [&'static str],
    pub(super) unsupported: &'static [&'static str],
}

/// The range of a quantity, both ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) least: u64,
    pub(super) most: u64,
}

/// The least that a measure may be: none at all, or some, or once what it is a multiple of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Least {
    Zero,
    AboveZero,
    One,
}

/// What is wrong with a text, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) message: String,
    pub(super) help: String,
    /// Which bytes of the text it is about; `None`: all of it.
    pub(super) at: Option<Range<usize>>,
}

type Parsed<T> = Result<T, Complaint>;

impl Complaint {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), at: None }
    }

    /// It is about a part of the text; of `part` that is none it stays about all of it.
    pub(super) fn about(self, text: &str, part: &str) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
        let at = start..start.wrapping_add(part.len());
        Self { at: text.get(at.clone()).is_some().then_some(at), ..self }
    }
}

impl Unit {
    /// The value of a text. Amounts must be in `currency`; without one (the file's own is unknown) any will do.
    pub(super) fn parse(self, text: &str, currency: Option<Currency>) -> Parsed<Value> {
        match self {
            Self::Text if text.trim().is_empty() => Err(self.unlike(text)),
            Self::Text => Ok(Value::Text(text.to_owned())),
            Self::Name if word::is_name(text) => Ok(Value::Text(text.to_owned())),
            Self::Path if word::is_path(text) => Ok(Value::Text(text.to_owned())),
            Self::Name | Self::Path => Err(self.unlike(text)),
            Self::Choice(choice) => word::choose(text, choice).map(Value::Choice),
            Self::Bool => word::parse_bool(text).ok_or_else(|| self.unlike(text)).map(Value::Bool),
            Self::Currency => word::parse_currency(text).map(Value::Currency),
            Self::Moment => time::parse_moment(text).ok_or_else(|| self.unlike(text)).map(Value::Moment),
            Self::Zone => time::parse_zone(text).map(Value::Zone),
            Self::Failure => word::parse_failure(text).map(Value::Failure),
            Self::Status => word::parse_status(text).map(Value::Quantity),
            Self::Quantity(bounds) => number::quantity_part(self, text, text, bounds).map(Value::Quantity),
            Self::Number(least) => number::parse_number(text, least).map(Value::Number),
            Self::CountPer(period) => number::parse_count_per(text, period).map(Value::Quantity),
            Self::Duration(least) => time::duration_part(self, text, text, least).map(Value::Duration),
            Self::Length(least) => time::parse_length(text, least).map(Value::Length),
            Self::Rate => number::parse_rate(text).map(Value::Rate),
            Self::Frequency => number::parse_frequency(text).map(Value::Rate),
            Self::Money => money::parse_money(text, currency).map(Value::Money),
            Self::Fee => money::parse_fee(text, currency).map(Value::Fee),
            Self::Commission => money::parse_commission(text, currency).map(Value::Commission),
            Self::Allowance => number::parse_allowance(text).map(Value::Allowance),
            Self::Price => money::parse_price(text, currency).map(Value::Price),
            Self::Chance | Self::ChancePerMonth => number::parse_chance(self, text).map(Value::Chance),
            Self::Share => number::share_part(self, text, text).map(Value::Share),
            Self::Clock => time::parse_clock(text).map(Value::Clock),
            Self::Spread => number::parse_spread(text).map(Value::HandOut),
            Self::Threshold => threshold::parse(text, currency).map(|it| Value::Threshold(Box::new(it))),
        }
    }

    /// What it is called in messages.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Name => "a name",
            Self::Path => "the path of a route",
            Self::Choice(_) => "a word",
            Self::Bool => "`true` or `false`",
            Self::Currency => "a currency",
            Self::Moment => "a date, or a moment in UTC",
            Self::Zone => "a time zone",
            Self::Failure => "a failure",
            Self::Status => "a status of failure",
            Self::Quantity(_) => "a whole number",
            Self::Number(_) => "a number",
            Self::CountPer(_) => "a number per period",
            Self::Duration(_) | Self::Length(_) => "a duration",
            Self::Rate | Self::Frequency => "a rate",
            Self::Money => "an amount of money",
            Self::Fee => "an amount per period",
            Self::Commission => "a share and an amount",
            Self::Allowance => "an allowance",
            Self::Price => "a price",
            Self::Chance | Self::Share => "a percentage",
            Self::ChancePerMonth => "a percentage per month",
            Self::Clock => "a pace of the billing clock",
            Self::Spread => "a way to spread rows",
            Self::Threshold => "a threshold",
        }
    }

    /// How to write one.
    pub(super) fn hint(self) -> Cow<'static, str> {
        match self {
            Self::Text => "write a text".into(),
            Self::Name => "write 1 to 64 letters, digits, `-` or `_`".into(),
            Self::Path => "write a path from the first `/` on, without spaces, such as `/v1/search`".into(),
            Self::Choice(choice) => format!("write {}", choice.list()).into(),
            Self::Bool => "write `true` or `false`".into(),
            Self::Currency => format!("write {}", one_of(CURRENCIES.iter().map(|known| known.code))).into(),
            Self::Moment => {
                "write year, month and day, such as `2026-03-01`, or with a time of day in UTC `2026-03-01T14:23:05Z`"
                    .into()
            }
            Self::Zone => "write a name of the tz database, such as `America/New_York`, or `UTC`".into(),
            Self::Failure => "write a status from 400 to 599, `4xx`, `5xx` or `connection`".into(),
            Self::Status => "write a status from 400 to 599, such as `402`".into(),
            Self::Quantity(_) => "write digits, such as `400`, `10k`, `2.5M` or `1_000`".into(),
            Self::Number(_) => "write a number up to 1000, such as `1.5`".into(),
            Self::CountPer(Period::Day) => "write a number per day, such as `500/day`".into(),
            Self::CountPer(Period::Month) => "write a number per month, such as `10/month`".into(),
            Self::CountPer(Period::Year) => "write a number per year, such as `10/year`".into(),
            Self::Duration(_) => "write a number and one of `ms`, `s`, `m`, `h`, `d`, such as `30s` or `7d`".into(),
            Self::Length(_) => "write a number and one of `s`, `m`, `h`, `d`, `mo`, `y`, such as `30d` or `1mo`".into(),
            Self::Rate => "write a number per `s`, `min`, `h` or `day`, such as `20/s` or `400/day`".into(),
            Self::Frequency => "write a number per `day`, `month` or `year`, such as `40/month`".into(),
            Self::Money => "write an amount in the scenario's currency, such as `$10` or `10 CHF`".into(),
            Self::Fee => "write an amount per `day`, `month` or `year`, such as `$49/month`".into(),
            Self::Commission => "write a share and an amount, such as `2.9% + $0.30`, or one of the two".into(),
            Self::Allowance => "write a quantity, such as `10k`, or `10k/month`".into(),
            Self::Price => "write the price of a unit, such as `$0.001`, or of many: `$2.50 per 1M`".into(),
            Self::Chance | Self::Share => "write 0 to 100 and a percent sign, such as `8%`".into(),
            Self::ChancePerMonth => "write 0 to 100, a percent sign and `/month`, such as `3%/month`".into(),
            Self::Clock => "write how far it goes in what time of the wall, such as `1h per 1s`".into(),
            Self::Spread => "write `even`, or `zipf(1.0)`".into(),
            Self::Threshold => "write what is measured and what must hold, such as `refusals.rate < 0.5%`".into(),
        }
    }

    /// One valid text, in dollars where it is money.
    pub(super) fn example(self) -> Cow<'static, str> {
        match self {
            Self::Text => "what if",
            Self::Name => "pro-2_0",
            Self::Path => "/v1/search",
            Self::Choice(choice) => choice.words[0],
            Self::Bool => "true",
            Self::Currency => "USD",
            Self::Moment => "2026-03-01",
            Self::Zone => "America/New_York",
            Self::Failure => "429",
            Self::Status => "402",
            Self::Quantity(Bounds { least, .. }) => return short(least).into(),
            Self::Number(_) => "1.5",
            Self::CountPer(Period::Day) => "500/day",
            Self::CountPer(Period::Month) => "10/month",
            Self::CountPer(Period::Year) => "2/year",
            Self::Duration(_) => "250ms",
            Self::Length(_) => "1mo",
            Self::Rate => "400/day",
            Self::Frequency => "40/month",
            Self::Money => "$10",
            Self::Fee => "$49/month",
            Self::Commission => "2.9% + $0.30",
            Self::Allowance => "10k/month",
            Self::Price => "$2.50 per 1M",
            Self::Chance | Self::Share => "8.25%",
            Self::ChancePerMonth => "3%/month",
            Self::Clock => "1h per 1s",
            Self::Spread => "zipf(1.0)",
            Self::Threshold => "refusals{kind=billing}.rate < 0.5%",
        }
        .into()
    }

    fn unlike(self, text: &str) -> Complaint {
        Complaint::new(format!("{} is not {}", quote(text), self.noun()), self.hint())
    }
}

impl Choice {
    /// A choice of words that all have their effect.
    pub(super) const fn of(words: &'static [&'static str]) -> Self {
        Self { words, unsupported: &[] }
    }

    /// The words as messages list them.
    pub(super) fn list(&self) -> String {
        one_of(self.words.iter().copied())
    }

    fn meant(&self, text: &str) -> Option<String> {
        did_you_mean(text, self.words.iter().copied())
    }
}

#[cfg(test)]
mod tests;
