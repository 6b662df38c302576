//! What every command that plays a scenario does with its outcome: the tables, the thresholds, what fails.

use farebox_engine::outcome::Outcome;
use serde::Serialize;

use crate::cli::exit::{Exit, Verdict};
use crate::cli::plan::Plan;
use crate::measure::Subject;
use crate::measure::judge::{self, Judged};
use crate::report::{table, threshold};

/// What was judged, and the page that says it.
pub struct Judgement {
    /// The thresholds, for people.
    pub page: String,
    /// The same as data.
    thresholds: Vec<Judged>,
}

/// A result with the thresholds beside it, as it is printed for programs.
#[derive(Serialize)]
pub struct With<'a, T: Serialize> {
    #[serde(flatten)]
    result: &'a T,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    thresholds: &'a [Judged],
}

impl Judgement {
    /// A result with the thresholds beside it.
    pub fn with<'a, T: Serialize>(&'a self, result: &'a T) -> With<'a, T> {
        With { result, thresholds: &self.thresholds }
    }
}

/// Adds the outcome, its tables and the thresholds to the results, and notes a threshold that fails.
pub fn judge(plan: &mut Plan, subject: &Subject<'_>, strict: bool, verdict: &mut Verdict) -> Judgement {
    let outcome: &Outcome = subject.outcome;
    plan.add_json("outcome.json", outcome);
    for (name, text) in table::all(subject) {
        plan.add(name, text);
    }
    let thresholds = judge::judge(subject, strict);
    if !thresholds.is_empty() {
        plan.add_json("thresholds.json", &thresholds);
    }
    if thresholds.iter().any(|judged| judged.fails) {
        verdict.note(Exit::ThresholdBroken);
    }
    Judgement { page: threshold::render(&thresholds, outcome), thresholds }
}
