//! Whether the thresholds of a scenario hold.

use std::cmp::Ordering;

use farebox_engine::model::{Line, Scenario, Threshold};
use serde::Serialize;

use super::answers::Answers;
use super::interval::Pair;
use super::{Measured, Subject, Unit, Unmeasured, unit};

/// How a threshold was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// It holds.
    Held,
    /// It does not.
    Broken,
    /// Its interval crosses the line: with other draws it could be otherwise.
    Unsettled,
    /// Nothing was measured that could keep it.
    NotMeasured,
}

/// A threshold and what was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// As the scenario has it.
    pub threshold: String,
    /// The measured value: a count, a share of one, ns, or nanos of the currency.
    pub measured: Option<f64>,
    /// The ends of the interval, in the same unit.
    pub interval: Option<[f64; 2]>,
    /// The line that it was compared with, in the same unit.
    pub line: f64,
    /// What was found.
    pub found: Found,
    /// Whether the run fails for it.
    pub fails: bool,
    /// Why nothing was measured, or why there is no interval.
    pub reason: Option<String>,
    /// The unit of the values.
    #[serde(skip)]
    pub unit: Unit,
}

impl Judged {
    /// What was measured says nothing, and why: it fails.
    pub fn void(&mut self, why: &str) {
        let reason = Some(why.to_owned());
        (self.measured, self.interval, self.found, self.fails, self.reason) =
            (None, None, Found::NotMeasured, true, reason);
    }
}

/// Judges every threshold of the scenario; the point decides, but `strict` fails what its interval leaves unsettled too.
pub fn judge(subject: &Subject<'_>, strict: bool) -> Vec<Judged> {
    let measure = |threshold: &Threshold| subject.measure(threshold.measure, &threshold.selector);
    subject.scenario.thresholds.iter().map(|threshold| judge_one(threshold, strict, measure(threshold))).collect()
}

/// Judges every threshold of the scenario by the answers of a gateway that is not ours.
pub fn judge_answers(scenario: &Scenario, answers: &Answers<'_>, strict: bool) -> Vec<Judged> {
    let measure = |threshold: &Threshold| answers.measure(threshold.measure, &threshold.selector);
    scenario.thresholds.iter().map(|threshold| judge_one(threshold, strict, measure(threshold))).collect()
}

fn judge_one(threshold: &Threshold, strict: bool, measured: Result<Measured, Unmeasured>) -> Judged {
    let Line { parts, of } = threshold.line;
    let line = parts as f64 / of as f64;
    let judged = Judged {
        threshold: threshold.text.clone(),
        measured: None,
        interval: None,
        line,
        found: Found::NotMeasured,
        fails: true,
        reason: None,
        unit: unit(threshold.measure),
    };
    let measured = match measured {
        Ok(measured) => measured,
        Err(reason) => return Judged { reason: Some(reason), ..judged },
    };
    let holds = threshold.comparison.holds(compare(measured.value, threshold.line));
    let is_unsettled = measured.interval.is_ok_and(|interval| interval.from < line && line < interval.to);
    let found = match (is_unsettled, holds) {
        (true, _) => Found::Unsettled,
        (false, true) => Found::Held,
        (false, false) => Found::Broken,
    };
    Judged {
        measured: Some(measured.as_f64()),
        interval: measured.interval.ok().map(|interval| [interval.from, interval.to]),
        found,
        fails: !holds || (is_unsettled && strict),
        reason: measured.interval.err().map(str::to_owned),
        ..judged
    }
}

/// How a value stands to a line, exactly where 128 bits hold the products, as those of anything that was counted do.
fn compare(value: Pair, line: Line) -> Ordering {
    let (left, right) = (value.parts.checked_mul(i128::from(line.of)), value.of.checked_mul(i128::from(line.parts)));
    match left.zip(right) {
        Some((left, right)) => left.cmp(&right),
        None => value.ratio().total_cmp(&(line.parts as f64 / line.of as f64)),
    }
}
