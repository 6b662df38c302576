//! A run as `JUnit` XML, which pipelines show as tests: each threshold, each figure beside the baseline, and what must hold of
//! every run. There is no time of day in it and no duration, so the same run gives the same bytes.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::shown::{Check, Held, Shown, compared, measured, why};
use super::threshold::show;
use crate::baseline::judge::{Compared, Found as Apart};
use crate::measure::judge::{Found, Judged};
use crate::visible::{on_one_line, visible};

/// The file.
pub fn render(shown: &Shown<'_>) -> String {
    let mut suite = TestSuite::new(on_one_line(shown.scenario));
    let facts = [
        ("version", shown.version.to_owned()),
        ("command", on_one_line(shown.command)),
        ("seed", shown.seed.to_string()),
        ("replications", shown.replications.to_string()),
        ("fingerprint", shown.fingerprint.to_owned()),
    ];
    for (name, value) in facts {
        suite.add_property((name, value.as_str()));
    }
    let thresholds = shown.thresholds.iter().map(|judged| threshold(judged, shown));
    let figures = shown.baseline.iter().flat_map(|(name, rows)| rows.iter().map(|row| figure(name, row, shown)));
    suite.add_test_cases(thresholds.chain(figures).chain(shown.checks.iter().map(check)));
    for case in &mut suite.test_cases {
        let class = case.classname.take().map_or_else(String::new, |class| format!(".{}", class.as_str()));
        case.set_classname(format!("{}{class}", on_one_line(shown.scenario)));
    }
    let mut report = Report::new("farebox");
    report.add_test_suite(suite);
    report.to_string().expect("a report is written to memory")
}

fn threshold(judged: &Judged, shown: &Shown<'_>) -> TestCase {
    let why = why(judged, shown.currency);
    let status = match (judged.found, judged.fails) {
        (Found::NotMeasured, _) => failed(NonSuccessKind::Error, "nothing measured", &why),
        (_, true) => failed(NonSuccessKind::Failure, "threshold", &why),
        (_, false) => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(on_one_line(&judged.threshold), status);
    match judged.found {
        Found::Held => {
            let (measured, line) = (measured(judged, shown.currency), show(judged.line, judged.unit, shown.currency));
            case.set_system_out(format!("measured {measured}, and the line is {line}"));
        }
        Found::Unsettled => {
            case.set_system_out(format!(
                "unsettled: {}; more replications, or a longer load, settle it",
                visible(&why)
            ));
        }
        Found::Broken | Found::NotMeasured => {}
    }
    case.set_classname("threshold");
    case
}

fn figure(name: &str, row: &Compared, shown: &Shown<'_>) -> TestCase {
    let [before, now, change, found] = compared(row, shown.currency);
    let told = format!("{before} before, {now} now: {change}, {found}");
    let status = match row.found {
        Apart::Worse => failed(NonSuccessKind::Failure, "worse than the baseline", &told),
        Apart::Same | Apart::Better | Apart::NotToldApart | Apart::NotMeasured => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(format!("{} beside the baseline {name}", on_one_line(&row.figure)), status);
    if row.found != Apart::Worse {
        case.set_system_out(told);
    }
    case.set_classname("baseline");
    case
}

fn check(check: &Check) -> TestCase {
    let status = match check.held {
        Held::Yes => TestCaseStatus::success(),
        Held::No => failed(NonSuccessKind::Failure, "check", &check.detail),
        Held::Unknown => failed(NonSuccessKind::Error, "nothing measured", &check.detail),
    };
    let mut case = TestCase::new(check.name, status);
    if check.held == Held::Yes && !check.detail.is_empty() {
        case.set_system_out(visible(&check.detail));
    }
    case.set_classname("run");
    case
}

fn failed(kind: NonSuccessKind, of: &str, why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(on_one_line(why)).set_type(of).set_description(visible(why));
    status
}
