//! An outcome as tables in CSV (RFC 4180): one row per number, for spreadsheets and notebooks. `reports/README.md` has the
//! columns.

use std::borrow::Cow;
use std::collections::BTreeMap;

use farebox_engine::billing::cause::Cause;
use farebox_engine::billing::ledger::Movement;
use farebox_engine::billing::tally::{Count, RECOVERY_DAYS};
use farebox_engine::figures::Figures;
use farebox_engine::outcome::{CohortOutcome, FailedAs, Failures, Outcome, RouteOutcome, quantile};
use farebox_engine::time::SECOND;

use super::text::currency;
use super::{oracle, webhooks};
use crate::measure::Subject;

/// Every table: its file's name and its text.
pub fn all(subject: &Subject<'_>) -> Vec<(&'static str, String)> {
    let tables = [
        ("calls.csv", calls(subject)),
        ("refusals.csv", refusals(subject)),
        ("failures.csv", failures(subject.outcome)),
        ("revenue.csv", revenue(subject.outcome)),
        ("dunning.csv", dunning(subject.outcome)),
        ("refused_demand.csv", refused_demand(subject.outcome)),
        ("timeline.csv", timeline(subject.outcome)),
    ];
    // Where nobody has judged the answers, an empty table would say that none was wrong.
    let is_judged = subject.outcome.cohorts.iter().all(|cohort| cohort.oracle.is_some());
    let judged = is_judged.then(|| ("oracle.csv", oracle::table(subject)));
    let told = webhooks::is_any(subject.outcome).then(|| ("webhooks.csv", of_webhooks(subject.outcome)));
    tables.into_iter().chain(judged).chain(told).collect()
}

/// Calls by how their last attempt ended, beside the attempts that ended so. The share is of the calls that the same cohort
/// made for the same route.
fn calls(subject: &Subject<'_>) -> String {
    let header = [
        "replication",
        "cohort",
        "plan",
        "route",
        "outcome",
        "cause",
        "kind",
        "status",
        "attempts",
        "calls",
        "offered",
        "share",
    ];
    let mut rows = Vec::new();
    for (number, cohort) in each(subject.outcome) {
        for (path, route) in &cohort.routes {
            let last = route.calls();
            let offered = last.offered();
            let mut add = |outcome: &str, why: Option<(Cause, u16)>, attempts: u64, calls: u64| {
                if attempts == 0 {
                    return;
                }
                let [cause, kind, status] = why.map_or_else(Default::default, |(cause, status)| {
                    [cause.name().to_owned(), cause.kind().name().to_owned(), status.to_string()]
                });
                let who = [number.to_string(), cohort.cohort.clone(), cohort.plan.clone(), path.clone()];
                let ended = [outcome.to_owned(), cause, kind, status];
                let counts = [attempts, calls, offered].map(|count| count.to_string());
                let share = format!("{:.6}", calls as f64 / offered as f64);
                rows.push(who.into_iter().chain(ended).chain(counts).chain([share]).collect());
            };
            add("served", None, route.served, last.served);
            for (name, attempts) in &route.refused {
                let calls = last.refused.get(name).copied().unwrap_or(0);
                add("refused", Cause::from_name(name).map(|cause| (cause, subject.status(cause))), *attempts, calls);
            }
            let (all, last_ones) = (by_answer(&route.failures), by_answer(&last.failures));
            for ((name, status), attempts) in &all {
                let calls = last_ones.get(&(*name, *status)).copied().unwrap_or(0);
                add("failed", Cause::from_name(name).map(|cause| (cause, *status)), *attempts, calls);
            }
            add("in_flight", None, route.in_flight, last.in_flight);
        }
    }
    write(&header, &rows)
}

/// Failures by cause and status, wherever they were.
fn by_answer(failures: &Failures) -> BTreeMap<(&str, u16), u64> {
    let mut sums = BTreeMap::new();
    for (alike, attempts) in failures {
        *sums.entry((alike.cause.as_str(), alike.status)).or_default() += attempts;
    }
    sums
}

/// Attempts refused, by all that tells them apart. The share is of the calls that the same cohort made for the same route.
fn refusals(subject: &Subject<'_>) -> String {
    let header = ["replication", "cohort", "plan", "route", "cause", "kind", "status", "refused", "offered", "share"];
    let labels = |name: &String| {
        let cause = Cause::from_name(name)?;
        Some(vec![name.clone(), cause.kind().name().to_owned(), subject.status(cause).to_string()])
    };
    write(&header, &shares(subject.outcome, |route| &route.refused, labels))
}

/// Attempts that failed behind the gateway, by route and upstream, cause and status. The share is of the calls that the
/// same cohort made for the same route.
fn failures(outcome: &Outcome) -> String {
    let header =
        ["replication", "cohort", "plan", "route", "upstream", "cause", "status", "failed", "offered", "share"];
    let labels = |FailedAs { upstream, cause, status }: &FailedAs| {
        Some(vec![upstream.clone(), cause.clone(), status.to_string()])
    };
    write(&header, &shares(outcome, |route| &route.failures, labels))
}

/// A row for each count of each route, as a share of all that the same cohort made for it; `labels` says what it is of, if
/// that is told.
fn shares<Name>(
    outcome: &Outcome,
    counts: impl Fn(&RouteOutcome) -> &BTreeMap<Name, u64>,
    labels: impl Fn(&Name) -> Option<Vec<String>>,
) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (number, cohort) in each(outcome) {
        for (path, route) in &cohort.routes {
            let offered = route.offered();
            for (name, count) in counts(route) {
                let Some(labels) = labels(name) else { continue };
                let who = [number.to_string(), cohort.cohort.clone(), cohort.plan.clone(), path.clone()];
                let share = format!("{:.6}", *count as f64 / offered as f64);
                let figures = [count.to_string(), offered.to_string(), share];
                rows.push(who.into_iter().chain(labels).chain(figures).collect());
            }
        }
    }
    rows
}

/// Every movement of the journal and every figure derived from it, in the currency's major unit, to the last digit.
fn revenue(outcome: &Outcome) -> String {
    let scale = currency(outcome).scale.unsigned_abs();
    let mut rows = Vec::new();
    for (number, cohort) in each(outcome) {
        let figures =
            Figures::of(|movement| cohort.moved(movement)).named().map(|(name, nanos)| ("figure", name, nanos));
        let movements = Movement::ALL.map(|movement| ("movement", movement.name(), cohort.moved(movement)));
        for (what, name, nanos) in figures.into_iter().chain(movements) {
            let amount = decimal(nanos, scale);
            rows.push(
                [&number.to_string(), &cohort.cohort, &cohort.plan, what, name, &amount, &outcome.currency]
                    .map(str::to_owned)
                    .into(),
            );
        }
    }
    write(&["replication", "cohort", "plan", "entry", "name", "amount", "currency"], &rows)
}

/// What was counted of subscriptions and payments.
fn dunning(outcome: &Outcome) -> String {
    let scale = currency(outcome).scale.unsigned_abs();
    let mut rows = Vec::new();
    for (number, cohort) in each(outcome) {
        let counts = Count::ALL.into_iter().filter(|count| !webhooks::COUNTS.contains(count));
        let counts = counts.map(|count| (count.name().to_owned(), cohort.count(count)));
        let paid = (1..).zip(&cohort.paid_by_attempt).map(|(nth, paid)| (format!("paid_by_attempt_{nth}"), *paid));
        let recovered = (0..).zip(&cohort.dunned.recovered_by_day).map(|(day, count)| (on_day(day), *count));
        let counts = counts.chain(paid).chain(recovered).map(|(name, count)| (name, count.to_string()));
        let times = [("blocked_s", cohort.dunned.blocked_ns), ("recovered_s", cohort.dunned.recovered_ns)];
        let times = times.map(|(name, ns)| (name.to_owned(), decimal(ns.0, SECOND)));
        let given_back = ("given_back_amount".to_owned(), decimal(cohort.given_back.0, scale));
        for (name, count) in counts.chain(times).chain([given_back]).chain(served_again(cohort)) {
            rows.push(vec![number.to_string(), cohort.cohort.clone(), cohort.plan.clone(), name, count]);
        }
    }
    write(&["replication", "cohort", "plan", "name", "count"], &rows)
}

/// How long it took from paying until a call was served: how often, and the distribution.
fn served_again(cohort: &CohortOutcome) -> Vec<(String, String)> {
    let took = &cohort.first_success;
    let seconds = |ns: Option<u64>| ns.map_or_else(String::new, |ns| decimal(ns.into(), SECOND));
    let times: u64 = took.iter().map(|[_, times]| times).sum();
    let mut rows = vec![("first_success".to_owned(), times.to_string())];
    for (name, q) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
        rows.push((format!("first_success_{name}_s"), seconds(quantile(took, q))));
    }
    rows.push(("first_success_max_s".to_owned(), seconds(took.last().map(|[longest, _]| *longest))));
    rows
}

/// What was counted of webhooks, and how late they were: only where there were any.
fn of_webhooks(outcome: &Outcome) -> String {
    let mut rows = Vec::new();
    for (number, cohort) in each(outcome) {
        let heard = &cohort.heard;
        let counts = webhooks::COUNTS.map(|count| (count.name(), cohort.count(count).to_string()));
        let sums = [
            ("late_s", heard.late_ns),
            ("wrongly_blocked_s", heard.wrongly_blocked_ns),
            ("wrongly_served_s", heard.wrongly_served_ns),
        ];
        let sums = sums.map(|(name, ns)| (name, decimal(ns.0, SECOND)));
        let quantiles = [("late_p50_s", 0.5), ("late_p90_s", 0.9), ("late_p99_s", 0.99)].map(|(name, q)| {
            let ns = heard.quantile(q).map(i128::from);
            (name, ns.map_or_else(String::new, |ns| decimal(ns, SECOND)))
        });
        for (name, value) in counts.into_iter().chain(sums).chain(quantiles) {
            let who = [number.to_string(), cohort.cohort.clone(), cohort.plan.clone()];
            rows.push(who.into_iter().chain([name.to_owned(), value]).collect());
        }
    }
    write(&["replication", "cohort", "plan", "name", "value"], &rows)
}

/// The name of the invoices recovered so many whole days after their first failed attempt.
fn on_day(day: usize) -> String {
    let later = if day == RECOVERY_DAYS { "_or_later" } else { "" };
    format!("recovered_on_day_{day}{later}")
}

/// What calls would have used whose last attempt was refused for money or by a limit, at its list price.
fn refused_demand(outcome: &Outcome) -> String {
    let scale = currency(outcome).scale.unsigned_abs();
    let mut rows = Vec::new();
    for (number, cohort) in each(outcome) {
        for row in &cohort.refused_demand {
            let amount = |nanos: Option<i128>| nanos.map_or_else(String::new, |nanos| decimal(nanos, scale));
            rows.push(vec![
                number.to_string(),
                cohort.cohort.clone(),
                cohort.plan.clone(),
                row.plan.clone(),
                row.version.to_string(),
                row.meter.clone(),
                row.units.to_string(),
                amount(row.price.map(|price| price.amount.0)),
                row.price.map_or_else(String::new, |price| price.per.to_string()),
                amount(row.value()),
                outcome.currency.clone(),
            ]);
        }
    }
    write(
        &["replication", "cohort", "plan", "of_plan", "version", "meter", "units", "price", "per", "value", "currency"],
        &rows,
    )
}

/// When it happened, in replication 0: one row per bucket.
fn timeline(outcome: &Outcome) -> String {
    let has = |cause: &Cause| each(outcome).any(|(_, cohort)| cohort.timeline.refused.contains_key(cause.name()));
    let causes: Vec<_> = Cause::ALL.into_iter().filter(has).map(Cause::name).collect();
    let refused: Vec<_> = causes.iter().map(|cause| format!("refused_{cause}")).collect();
    let mut header = vec!["replication", "cohort", "plan", "begins_s", "ends_s", "offered", "served"];
    header.extend(refused.iter().map(String::as_str).chain(["invoiced", "currency"]));
    let scale = currency(outcome).scale.unsigned_abs();
    let mut rows = Vec::new();
    for (number, cohort) in each(outcome) {
        let timeline = &cohort.timeline;
        for (bucket, offered) in timeline.offered.iter().enumerate() {
            // The last bucket ends with the time that was played, and a timeline of one bucket is all of it.
            let is_last = bucket + 1 == timeline.offered.len();
            let begins = bucket as u64 * outcome.bucket_ns;
            let ends = if is_last { outcome.horizon_ns } else { begins + outcome.bucket_ns };
            let refused = |cause: &&str| timeline.refused.get(*cause).map_or(0, |column| column[bucket]).to_string();
            let mut row = vec![
                number.to_string(),
                cohort.cohort.clone(),
                cohort.plan.clone(),
                decimal(begins.into(), SECOND),
                decimal(ends.into(), SECOND),
                offered.to_string(),
                timeline.served[bucket].to_string(),
            ];
            row.extend(causes.iter().map(refused));
            row.extend([decimal(timeline.invoiced[bucket].0, scale), outcome.currency.clone()]);
            rows.push(row);
        }
    }
    write(&header, &rows)
}

/// Each cohort of each replication, with the replication's number.
pub(super) fn each(outcome: &Outcome) -> impl Iterator<Item = (u32, &CohortOutcome)> {
    let numbers = std::iter::once(outcome.replication).chain(outcome.stacked.iter().map(|it| it.replication));
    numbers.zip(outcome.replications()).flat_map(|(number, cohorts)| cohorts.iter().map(move |cohort| (number, cohort)))
}

/// A number of `scale`-ths, exact: `-12.5`.
pub(super) fn decimal(units: i128, scale: u64) -> String {
    let (magnitude, scale) = (units.unsigned_abs(), u128::from(scale));
    let minus = if units < 0 { "-" } else { "" };
    let fraction = format!("{:0width$}", magnitude % scale, width = scale.ilog10() as usize);
    match fraction.trim_end_matches('0') {
        "" => format!("{minus}{}", magnitude / scale),
        fraction => format!("{minus}{}.{fraction}", magnitude / scale),
    }
}

/// The table as CSV. Spreadsheets take a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula,
/// and would run what somebody has put into a name: such text gets an apostrophe before it. Numbers stay as they are.
pub(super) fn write(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = csv::Writer::from_writer(Vec::new());
    let in_memory = "a table is written to memory, and all its rows are alike";
    table.write_record(header).expect(in_memory);
    for row in rows {
        table.write_record(row.iter().map(|cell| harmless(cell).into_owned())).expect(in_memory);
    }
    String::from_utf8(table.into_inner().expect(in_memory)).expect("names of scenarios are text")
}

fn harmless(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number(cell) {
        return Cow::Owned(format!("'{cell}"));
    }
    Cow::Borrowed(cell)
}

/// As this module writes numbers: digits, with a point and a minus at most.
fn is_number(cell: &str) -> bool {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A route named as a formula must not run when somebody opens the table; an amount below zero must stay a number.
    #[test]
    fn a_cell_that_begins_like_a_formula_is_text() {
        let cells = ["=1+1", "+1", "-x", "@sum", "\tx", "\rx", "-12.5", "-3", "x=1", "", "-", "-1.", "-1+cmd"];
        let shown = cells.map(harmless);
        let expected =
            ["'=1+1", "'+1", "'-x", "'@sum", "'\tx", "'\rx", "-12.5", "-3", "x=1", "", "'-", "'-1.", "'-1+cmd"];
        assert_eq!(shown, expected);
        assert_eq!(write(&["a"], &[vec!["=HYPERLINK(\"x\")".to_owned()]]), "a\n\"'=HYPERLINK(\"\"x\"\")\"\n");
    }

    #[test]
    fn amounts_are_exact_decimals() {
        let cases = [(0, "0"), (1_500_000_000, "1.5"), (-1, "-0.000000001"), (42_000_000_000, "42")];
        for (nanos, expected) in cases {
            assert_eq!(decimal(nanos, 1_000_000_000), expected);
        }
    }

    #[test]
    fn a_name_with_a_comma_or_a_quote_is_quoted() {
        let text = write(&["a", "b"], &[vec!["x,y".to_owned(), "say \"no\"".to_owned()]]);
        assert_eq!(text, "a,b\n\"x,y\",\"say \"\"no\"\"\"\n");
    }
}
