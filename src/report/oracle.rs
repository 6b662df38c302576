//! Answers that were wrong: as a section of the page, and as a table in CSV. Only where an oracle has judged them.

use std::collections::BTreeMap;

use farebox_engine::billing::cause::Cause;
use farebox_engine::billing::ledger::Movement;
use farebox_engine::billing::price;
use farebox_engine::money::thousands;
use farebox_engine::outcome::{CohortOutcome, Judged, JudgedRoute, Outcome, WrongAnswers};

use super::section::{Row, Section, row};
use super::table::{decimal, each, write};
use super::text::currency;
use crate::measure::Subject;

const TITLE: &str = "Answers that were wrong";

/// The section of a page: figures are means over so many runs, of which the outcome is the sum; nothing where nobody has
/// judged.
pub fn section(sum: &Outcome, runs: u64) -> Option<Section> {
    let judged: Option<Vec<&Judged>> = sum.cohorts.iter().map(|cohort| cohort.oracle.as_ref()).collect();
    let judged = judged?;
    let mut all = JudgedRoute::default();
    for of in &judged {
        all.add(&of.whole());
    }
    let mean = Mean { sum, runs, answers: all.answers() };
    let mut rows: Vec<Row> = Vec::new();
    rows.extend(
        all.false_refusals
            .iter()
            .map(|(cause, wrong)| mean.wrong("refused wrongly", cause, wrong, "at list price, each attempt counted")),
    );
    rows.extend(
        all.leaks.iter().map(|(cause, wrong)| mean.wrong("let through wrongly", cause, wrong, "not covered then")),
    );
    let mut overshoot = BTreeMap::new();
    for (meter, units) in judged.iter().flat_map(|of| &of.overshoot) {
        *overshoot.entry(meter).or_insert(0) += units;
    }
    rows.extend(
        overshoot.iter().map(|(meter, units)| mean.row(&format!("{meter} past a hard quota"), *units, "units")),
    );
    let overdrawn = sum.moved(Movement::Overdraw);
    if overdrawn > 0 {
        let deepest = judged.iter().map(|of| of.deepest_overdraft).max().unwrap_or_default();
        let note = format!("at most {} of one account; later credit may have paid for it", mean.exact(deepest.0));
        rows.push(row("served beyond the credit", mean.amount(overdrawn), note));
    }
    if rows.is_empty() {
        rows.push(mean.row("none", 0, &format!("of {} answers", mean.count(all.answers()))));
    }
    Section::of(TITLE, rows)
}

struct Mean<'a> {
    sum: &'a Outcome,
    runs: u64,
    answers: u64,
}

impl Mean<'_> {
    fn count(&self, count: u64) -> String {
        thousands(((count + self.runs / 2) / self.runs).into())
    }

    fn row(&self, label: &str, count: u64, note: &str) -> Row {
        row(label, self.count(count), note)
    }

    fn exact(&self, nanos: i128) -> String {
        currency(self.sum).display(nanos).to_string()
    }

    /// In the minor unit where it is a mean.
    fn amount(&self, nanos: i128) -> String {
        let (minor, runs) = (i128::from(price::minor_unit(currency(self.sum))), i128::from(self.runs));
        let rounded = (nanos + minor * runs / 2).div_euclid(minor * runs) * minor;
        self.exact(if self.runs == 1 { nanos } else { rounded })
    }

    fn wrong(&self, how: &str, cause: &str, wrong: &WrongAnswers, worth: &str) -> Row {
        let share = wrong.count as f64 / (self.answers as f64).max(1.0) * 100.0;
        let unstated = match wrong.unstated {
            0 => String::new(),
            _ => format!(", and {} that no price is stated for", self.count(wrong.unstated)),
        };
        let value = if wrong.count > 0 && wrong.unstated == wrong.count {
            "no price is stated for them".to_owned()
        } else {
            format!("{} {worth}{unstated}", self.amount(wrong.value.0))
        };
        row(format!("{how}: {cause}"), self.count(wrong.count), format!("{share:5.2} % of all answers; {value}"))
    }
}

const COLUMNS: [&str; 15] = [
    "replication",
    "cohort",
    "plan",
    "route",
    "entry",
    "cause",
    "kind",
    "status",
    "meter",
    "count",
    "judged",
    "share",
    "amount",
    "unstated",
    "currency",
];

/// What a row says, as text; empty where it says nothing.
#[derive(Default)]
struct Line {
    route: String,
    entry: &'static str,
    cause: Option<Cause>,
    meter: String,
    count: String,
    judged: String,
    share: String,
    amount: String,
    unstated: String,
}

/// The table: answers by what they were, and what went past a quota or beyond the credit.
pub fn table(subject: &Subject<'_>) -> String {
    let outcome = subject.outcome;
    let mut rows = Vec::new();
    for (number, cohort) in each(outcome) {
        for Line { route, entry, cause, meter, count, judged, share, amount, unstated } in lines(cohort, outcome) {
            let kind = cause.map_or("", |cause| cause.kind().name()).to_owned();
            // What was let through was not answered with a refusal's status.
            let status = cause.filter(|_| entry == FALSE).map(|cause| subject.status(cause).to_string());
            let cause = cause.map_or("", Cause::name).to_owned();
            let who = [number.to_string(), cohort.cohort.clone(), cohort.plan.clone()];
            let what = [route, entry.to_owned(), cause, kind, status.unwrap_or_default(), meter];
            let figures = [count, judged, share, amount, unstated, outcome.currency.clone()];
            rows.push(who.into_iter().chain(what).chain(figures).collect());
        }
    }
    write(&COLUMNS, &rows)
}

const FALSE: &str = "false_refusal";

fn lines(cohort: &CohortOutcome, outcome: &Outcome) -> Vec<Line> {
    let Some(judged) = &cohort.oracle else { return Vec::new() };
    let scale = currency(outcome).scale.unsigned_abs();
    let mut lines: Vec<Line> = judged.routes.iter().flat_map(|(path, route)| of_route(path, route, scale)).collect();
    lines.extend(judged.overshoot.iter().map(|(meter, units)| Line {
        entry: "quota_overshoot",
        meter: meter.clone(),
        count: units.to_string(),
        ..Line::default()
    }));
    let overdrawn =
        [("overdrawn", cohort.moved(Movement::Overdraw)), ("deepest_overdraft", judged.deepest_overdraft.0)];
    lines.extend(overdrawn.map(|(entry, nanos)| Line { entry, amount: decimal(nanos, scale), ..Line::default() }));
    lines
}

/// The answers for one route; those that were right first.
fn of_route(path: &str, route: &JudgedRoute, scale: u64) -> Vec<Line> {
    let line = |entry, count: u64| Line {
        route: path.to_owned(),
        entry,
        count: count.to_string(),
        judged: route.answers().to_string(),
        share: format!("{:.6}", count as f64 / route.answers() as f64),
        ..Line::default()
    };
    let rightly = [("served_rightly", route.served_rightly), ("refused_rightly", route.refused_rightly)];
    let wrongly = [(FALSE, &route.false_refusals), ("leak", &route.leaks)];
    let wrong = |entry, (cause, wrong): (&String, &WrongAnswers)| Line {
        cause: Cause::from_name(cause),
        amount: decimal(wrong.value.0, scale),
        unstated: wrong.unstated.to_string(),
        ..line(entry, wrong.count)
    };
    let wrongly = wrongly.into_iter().flat_map(|(entry, way)| way.iter().map(move |of| (entry, of)));
    rightly
        .into_iter()
        .map(|(entry, count)| line(entry, count))
        .chain(wrongly.map(|(entry, of)| wrong(entry, of)))
        .collect()
}
