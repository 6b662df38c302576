//! What every command that plays a scenario does with its outcome: the tables, the thresholds, what fails.

use farebox_engine::outcome::Outcome;
use serde::Serialize;

use crate::baseline::judge::Compared;
use crate::cli::exit::{Exit, Verdict};
use crate::cli::plan::Plan;
use crate::measure::Subject;
use crate::measure::answers::Answers;
use crate::measure::judge::{self, Judged};
use crate::report::about::{About, Played};
use crate::report::{table, threshold};

/// What was judged, and the page that says it.
pub struct Judgement {
    /// The thresholds, for people.
    pub page: String,
    /// The same as data.
    pub thresholds: Vec<Judged>,
    /// The figures beside those of a baseline, and its name.
    pub baseline: Option<(String, Vec<Compared>)>,
    /// What the page for a browser says beside the outcome.
    pub about: About,
}

/// A result with the thresholds beside it, as it is printed for programs.
#[derive(Serialize)]
pub struct With<'a, T: Serialize> {
    #[serde(flatten)]
    result: &'a T,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    thresholds: &'a [Judged],
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<&'a [Compared]>,
}

impl Judgement {
    /// A result with the thresholds beside it.
    pub fn with<'a, T: Serialize>(&'a self, result: &'a T) -> With<'a, T> {
        let baseline = self.baseline.as_ref().map(|(_, figures)| figures.as_slice());
        With { result, thresholds: &self.thresholds, baseline }
    }
}

/// Adds the outcome, its tables and the thresholds to the results, and notes a threshold that fails.
pub fn judge(plan: &mut Plan, subject: &Subject<'_>, strict: bool, verdict: &mut Verdict) -> Judgement {
    judge_unless(plan, subject, strict, None, verdict)
}

/// The same of a run that may say nothing, and why: then no threshold holds.
pub fn judge_unless(
    plan: &mut Plan,
    subject: &Subject<'_>,
    strict: bool,
    invalid: Option<&str>,
    verdict: &mut Verdict,
) -> Judgement {
    let outcome: &Outcome = subject.outcome;
    plan.results.add_json("outcome.json", outcome);
    for (name, text) in table::all(subject) {
        plan.results.add(name, text);
    }
    let thresholds = noted(plan, judge::judge(subject, strict), invalid, verdict);
    let mut about = plan.about(if subject.latency.is_some() { Played::Loaded } else { Played::Simulated });
    about.judge(subject, &thresholds);
    Judgement { page: threshold::render(&thresholds, outcome), thresholds, baseline: None, about }
}

/// Judges the thresholds of a load on a gateway that is not ours.
pub fn judge_answers(
    plan: &mut Plan,
    answers: &Answers<'_>,
    strict: bool,
    invalid: Option<&str>,
    verdict: &mut Verdict,
) -> Judgement {
    let judged = judge::judge_answers(&plan.scenario, answers, strict);
    let thresholds = noted(plan, judged, invalid, verdict);
    let mut about = plan.about(Played::Elsewhere);
    about.promise(&plan.scenario, &thresholds);
    Judgement { page: threshold::render_in(&thresholds, plan.scenario.currency), thresholds, baseline: None, about }
}

/// Adds the thresholds to the results, and notes one that fails.
fn noted(plan: &mut Plan, judged: Vec<Judged>, invalid: Option<&str>, verdict: &mut Verdict) -> Vec<Judged> {
    let mut thresholds = judged;
    if let Some(why) = invalid {
        for judged in &mut thresholds {
            judged.void(why);
        }
    }
    if !thresholds.is_empty() {
        plan.results.add_json("thresholds.json", &thresholds);
    }
    if thresholds.iter().any(|judged| judged.fails) {
        verdict.note(Exit::ThresholdBroken);
    }
    thresholds
}
