//! Amounts: recurring, by the unit, or as they are; always in the scenario's currency, and exact to its smallest engine unit.

use farebox_engine::model::UnitPrice;
use farebox_engine::money::{CURRENCIES, Currency, Money, NANOS};

use super::number::{magnitude, part_of_number, quantity_part, share_part};
use super::time::parse_period;
use super::{Bounds, Complaint, Parsed, Unit};
use crate::scenario::decimal::{Decimal, Misfit};
use crate::scenario::diagnostic::quote;
use crate::scenario::limit;
use crate::scenario::value::{Commission, Fee};

pub(super) fn parse_money(text: &str, currency: Option<Currency>) -> Parsed<Money> {
    money_part(Unit::Money, text, text, currency)
}

fn money_part(unit: Unit, whole: &str, part: &str, currency: Option<Currency>) -> Parsed<Money> {
    let (decimal, factor) = amount(unit, whole, part, currency)?;
    let decimals = if scale(currency) == NANOS { "nine" } else { "six" };
    units(whole, decimal, factor, currency, || format!("write at most {decimals} decimals"))
}

/// Engine units of a major unit. Of a currency that is not known, as of most: the file is refused anyway.
fn scale(currency: Option<Currency>) -> i64 {
    currency.map_or(NANOS, |currency| currency.scale)
}

pub(super) fn parse_fee(text: &str, currency: Option<Currency>) -> Parsed<Fee> {
    let Some((amount, period)) = text.split_once('/') else { return Err(without_period(text, currency)) };
    let period = parse_period(Unit::Fee, text, period)?;
    Ok(Fee { amount: money_part(Unit::Fee, text, amount, currency)?, period })
}

/// What is wrong with a fee that names no period; what to write instead names one.
fn without_period(text: &str, currency: Option<Currency>) -> Complaint {
    let monthly = format!("{text}/month");
    match (money_part(Unit::Fee, text, text, currency), money_part(Unit::Fee, &monthly, text, currency)) {
        (Err(complaint), Err(Complaint { help, .. })) => Complaint { help, ..complaint },
        _ => Complaint::new(
            format!("{} has no period", quote(text)),
            format!("write an amount per `day`, `month` or `year`, such as {}", quote(&monthly)),
        ),
    }
}

/// A share, an amount, or both of them.
pub(super) fn parse_commission(text: &str, currency: Option<Currency>) -> Parsed<Commission> {
    let unit = Unit::Commission;
    let mut commission = Commission::default();
    let (first, second) = text.split_once(" + ").map_or((text, None), |(share, fixed)| (share, Some(fixed)));
    if second.is_some() || first.ends_with('%') {
        commission.share = share_part(unit, text, first)?;
    } else {
        commission.fixed = money_part(unit, text, first, currency)?;
    }
    if let Some(fixed) = second {
        commission.fixed = money_part(unit, text, fixed, currency)?;
    }
    Ok(commission)
}

pub(super) fn parse_price(text: &str, currency: Option<Currency>) -> Parsed<UnitPrice> {
    const PACKAGE: Bounds = Bounds { least: 1, most: 1_000_000_000_000_000 };
    let unit = Unit::Price;
    if let Some((part, per)) = text.split_once(" per ") {
        let per = quantity_part(unit, text, per, PACKAGE)?;
        return Ok(UnitPrice { amount: money_part(unit, text, part, currency)?, per });
    }
    let (decimal, factor) = amount(unit, text, text, currency)?;
    let amount = units(text, decimal, factor, currency, || {
        let million = decimal.millionfold();
        let number = text.find(|c: char| c.is_ascii_digit()).map_or("", |at| &text[..at]);
        let code = text.rsplit_once(' ').map_or(String::new(), |(_, code)| format!(" {code}"));
        format!("write it per package: `{number}{million}{code} per 1M`")
    })?;
    Ok(UnitPrice { amount, per: 1 })
}

/// The number of an amount and what its `k` or `M` multiplies by, once its currency is the right one.
fn amount(unit: Unit, whole: &str, part: &str, currency: Option<Currency>) -> Parsed<(Decimal, u128)> {
    let (written, digits) = split_currency(part);
    if digits.starts_with('-') {
        return Err(Complaint::new(format!("{} is negative", quote(whole)), unit.hint()));
    }
    let (decimal, suffix) = part_of_number(unit, whole, digits)?;
    let factor = magnitude(unit, whole, suffix)?;
    let corrected = |known| format!("write {}", quote(&whole.replacen(part, &signed(known, digits), 1)));
    match (written, currency) {
        (None, known) => {
            let help = known.map_or_else(|| unit.hint().into_owned(), corrected);
            Err(Complaint::new(format!("{} names no currency", quote(whole)), help))
        }
        (Some(written), Some(known)) if written != known => {
            let message = format!("{} is in {}, and the scenario in {}", quote(whole), written.code, known.code);
            Err(Complaint::new(message, corrected(known)))
        }
        _ => Ok((decimal, factor)),
    }
}

/// `$49` and `49 USD` say the same.
fn split_currency(text: &str) -> (Option<Currency>, &str) {
    for currency in CURRENCIES.iter().filter(|currency| !currency.sign.is_empty()) {
        if let Some(digits) = text.strip_prefix(currency.sign) {
            return (Some(*currency), digits);
        }
    }
    match text.rsplit_once(' ') {
        Some((digits, code)) if Currency::from_code(code).is_some() => (Currency::from_code(code), digits),
        _ => (None, text),
    }
}

fn signed(currency: Currency, digits: &str) -> String {
    if currency.sign.is_empty() { format!("{digits} {}", currency.code) } else { format!("{}{digits}", currency.sign) }
}

fn units(
    whole: &str,
    decimal: Decimal,
    factor: u128,
    currency: Option<Currency>,
    finer: impl FnOnce() -> String,
) -> Parsed<Money> {
    let scale = scale(currency);
    match decimal.times(factor * u128::from(scale.unsigned_abs()), limit::AMOUNT_NANOS as u128) {
        Ok(units) => Ok(Money::from_nanos(units as i64)),
        Err(Misfit::Fraction) => {
            let power = if scale == NANOS { "10⁻⁹" } else { "10⁻⁶" };
            Err(Complaint::new(format!("{} is finer than {power} of the currency's unit", quote(whole)), finer()))
        }
        Err(Misfit::TooLarge) => Err(Complaint::new(
            format!("{} is more than {}", quote(whole), most(scale)),
            "write a smaller amount: those beyond are not kept exactly",
        )),
    }
}

/// The largest amount, as the language writes it.
pub(in crate::scenario) fn most(scale: i64) -> String {
    format!("{}M", limit::AMOUNT_NANOS / scale / 1_000_000)
}
