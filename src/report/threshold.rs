//! Thresholds, and figures with their intervals, as pages for the terminal.

use farebox_engine::model::{Collected, Measure, Number, Selector, Statistic};
use farebox_engine::money::{Currency, thousands};
use farebox_engine::outcome::Outcome;

use super::about::Promise;
use super::section::{Row, Section, row};
use super::text::{currency, duration};
use crate::measure::judge::{Found, Judged};
use crate::measure::{Subject, Unit, unit};

/// What a page about intervals shows.
const SHOWN: [(&str, Measure); 9] = [
    ("calls", Measure::Calls(Number::Count)),
    ("attempts refused", Measure::Refusals(Number::Rate)),
    ("earned", Measure::Revenue("earned")),
    ("collected", Measure::Revenue("collected")),
    ("margin", Measure::Revenue("margin")),
    ("monthly recurring revenue", Measure::Revenue("mrr")),
    ("outstanding", Measure::Revenue("outstanding")),
    ("recovered by dunning", Measure::Dunning(Collected::Recovered)),
    ("latency p99", Measure::Latency(Statistic::Quantile(990))),
];

/// Each threshold with its value and its verdict; nothing without any.
pub fn render(thresholds: &[Judged], outcome: &Outcome) -> String {
    render_in(thresholds, currency(outcome))
}

/// The same without an outcome, in this currency.
pub fn render_in(thresholds: &[Judged], currency: Currency) -> String {
    section(thresholds, currency).map_or_else(String::new, |section| section.text())
}

/// The same as a section; `None` without any.
pub fn section(thresholds: &[Judged], currency: Currency) -> Option<Section> {
    Section::of("Thresholds", thresholds.iter().map(|judged| line(judged, currency)).collect())
}

/// A threshold in words, for whoever renders it later.
pub fn promise(judged: &Judged, currency: Currency) -> Promise {
    let Row { label, figure, note, .. } = line(judged, currency);
    Promise { threshold: label, measured: figure, verdict: note, fails: judged.fails }
}

fn line(judged: &Judged, currency: Currency) -> Row {
    let value = judged.measured.map_or_else(|| "-".to_owned(), |value| show(value, judged.unit, currency));
    let verdict = verdict(judged);
    let why = match (&judged.reason, judged.interval) {
        (Some(reason), _) if judged.found == Found::NotMeasured => format!("{verdict}: {reason}"),
        (_, Some([from, to])) => {
            format!("{verdict} ({} to {})", show(from, judged.unit, currency), show(to, judged.unit, currency))
        }
        _ => verdict.to_owned(),
    };
    row(&judged.threshold, value, why)
}

/// What was found, in words.
pub(super) const fn verdict(judged: &Judged) -> &'static str {
    match (judged.found, judged.fails) {
        (Found::Held, _) => "held",
        (Found::Broken, _) => "BROKEN",
        (Found::Unsettled, false) => "held, unsettled",
        (Found::Unsettled, true) => "BROKEN, unsettled",
        (Found::NotMeasured, _) => "BROKEN, nothing measured",
    }
}

/// The figures that have an interval; or why none has.
pub fn intervals(subject: &Subject<'_>) -> Option<Section> {
    let (mut rows, mut reason) = (Vec::new(), None);
    for (label, measure) in SHOWN {
        let Ok(measured) = subject.measure(measure, &Selector::default()) else { continue };
        let (unit, currency) = (unit(measure), currency(subject.outcome));
        match measured.interval {
            Ok(interval) => {
                let note = format!("{} to {}", show(interval.from, unit, currency), show(interval.to, unit, currency));
                rows.push(row(label, show(measured.as_f64(), unit, currency), note));
            }
            Err(why) => reason = reason.or(Some(why)),
        }
    }
    match reason {
        Some(why) if rows.is_empty() => Some(Section { title: format!("Without intervals: {why}"), rows: Vec::new() }),
        _ if subject.outcome.replication_count() == 1 => Section::of(
            "With 95 % intervals, from the differences between consumers; too narrow where few of them make most of a figure",
            rows,
        ),
        _ => Section::of("With 95 % intervals, from the differences between replications", rows),
    }
}

/// A value as people read it.
pub(super) fn show(value: f64, unit: Unit, currency: Currency) -> String {
    match unit {
        Unit::Count if value.fract() == 0.0 => thousands(value as u128),
        Unit::Count => {
            let tenths = (value * 10.0).round() as u128;
            format!("{}.{}", thousands(tenths / 10), tenths % 10)
        }
        Unit::Share => format!("{:.3} %", value * 100.0),
        Unit::Time => duration(value.round() as u64),
        Unit::Money => {
            let minor = i128::from(currency.scale) / 10i128.pow(currency.exponent.into());
            let whole = (value / minor as f64).round() as i128;
            currency.display(whole * minor).to_string()
        }
        Unit::Fact if value >= 1.0 => "yes".to_owned(),
        Unit::Fact => "no".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use farebox_engine::money::CURRENCIES;

    use super::*;

    /// A mean over replications has a fraction: it is rounded, and carries.
    #[test]
    fn means_are_rounded_as_people_round() {
        let dollars = Currency::from_code("USD").unwrap_or(CURRENCIES[0]);
        let count = |value| show(value, Unit::Count, dollars);
        assert_eq!([count(12.0), count(1_234.56), count(999.96), count(0.04)], ["12", "1,234.6", "1,000.0", "0.0"]);
        assert_eq!(show(12_345_678_900.0, Unit::Money, dollars), "$12.35");
        assert_eq!(show(1_499_999.6, Unit::Time, dollars), "1.50 ms");
    }
}
