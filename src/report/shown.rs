//! What one run has shown, as pipelines are told of it: `JUnit` XML, the Markdown summary and annotations say the same.

use farebox_engine::money::Currency;
use farebox_engine::outcome::Outcome;

use super::text::duration;
use super::threshold::show;
use crate::baseline::judge::{Compared, Found as Apart, Scale};
use crate::measure::Unit;
use crate::measure::judge::{Found, Judged};

/// What one run has shown.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// The name of the scenario.
    pub scenario: &'a str,
    /// Its fingerprint.
    pub fingerprint: &'a str,
    /// What was drawn from.
    pub seed: u64,
    /// How often it was repeated with other draws.
    pub replications: u64,
    /// The currency of all amounts.
    pub currency: Currency,
    /// What was typed, without what nobody else may know.
    pub command: &'a str,
    /// Which version of Farebox this is.
    pub version: &'static str,
    /// Why it does not pass, the strongest first; nothing where it does.
    pub findings: &'a [&'static str],
    /// The thresholds of the scenario.
    pub thresholds: &'a [Judged],
    /// What holds, or not, whatever the scenario says.
    pub checks: &'a [Check],
    /// The figures of the baseline beside those of now, and the baseline's name.
    pub baseline: Option<(&'a str, &'a [Compared])>,
    /// What became of the calls and the money; nothing where the gateway is somebody else's.
    pub outcome: Option<&'a Outcome>,
}

/// Something that holds of every run that is worth anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// As a sentence.
    pub name: &'static str,
    /// What was found.
    pub held: Held,
    /// What was seen.
    pub detail: String,
}

/// Whether something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// Nobody can tell, and so it counts as an error.
    Unknown,
}

/// A threshold in figures: what was measured, its interval, and why there is none.
pub(super) fn measured(judged: &Judged, currency: Currency) -> String {
    let value = |value: f64| show(value, judged.unit, currency);
    let Some(measured) = judged.measured else { return "-".to_owned() };
    match judged.interval {
        Some([from, to]) => format!("{} ({} to {})", value(measured), value(from), value(to)),
        None => value(measured),
    }
}

/// Why a threshold fails, or what is to be said of one that holds; nothing of one that simply holds.
pub(super) fn why(judged: &Judged, currency: Currency) -> String {
    let line = show(judged.line, judged.unit, currency);
    let measured = measured(judged, currency);
    match judged.found {
        Found::Held => String::new(),
        Found::Broken => format!("measured {measured}, and the line is {line}"),
        Found::Unsettled => format!("measured {measured}, and the line {line} lies inside the interval"),
        Found::NotMeasured => {
            format!("nothing was measured: {}", judged.reason.as_deref().unwrap_or("nothing that could keep it"))
        }
    }
}

/// A figure beside that of the baseline: before, now, and the difference with its interval.
pub(super) fn compared(row: &Compared, currency: Currency) -> [String; 4] {
    let value =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| show_signed(value, row.unit, currency));
    let change = |change: f64| match (row.scale, row.unit) {
        (Scale::Ratio, _) => format!("{:+.2} %", change * 100.0),
        (Scale::Difference, Unit::Share) => format!("{:+.3} points", change * 100.0),
        (Scale::Difference, _) if change > 0.0 => format!("+{}", show_signed(change, row.unit, currency)),
        (Scale::Difference, _) => show_signed(change, row.unit, currency),
    };
    let told = match (row.change, row.interval) {
        (Some(mean), Some([from, to])) => format!("{} ({} to {})", change(mean), change(from), change(to)),
        (Some(mean), None) => change(mean),
        (None, _) => "-".to_owned(),
    };
    let found = match row.found {
        Apart::Same => "the same",
        Apart::Better => "better",
        Apart::Worse => "WORSE",
        Apart::NotToldApart => "not told apart",
        Apart::NotMeasured => "not measured",
    };
    let found = row.reason.map_or_else(|| found.to_owned(), |reason| format!("{found}: {reason}"));
    [value(row.before), value(row.now), told, found]
}

/// As [`show`], also of what is below zero.
fn show_signed(value: f64, unit: Unit, currency: Currency) -> String {
    match unit {
        Unit::Time => format!("{}{}", if value < 0.0 { "-" } else { "" }, duration(value.abs().round() as u64)),
        Unit::Count if value < 0.0 => format!("-{}", show(-value, unit, currency)),
        _ => show(value, unit, currency),
    }
}
