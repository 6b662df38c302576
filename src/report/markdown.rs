//! A run as Markdown in GitHub's flavour: what a pipeline shows of a job, and what is pasted into a pull request.
//!
//! Whatever comes from a file stands in code spans: nothing in them is markup, a link, or a mention.

use std::fmt::Write as _;

use farebox_engine::billing::cause::Cause;
use farebox_engine::money::thousands;
use farebox_engine::outcome::{CohortOutcome, Outcome};

use super::shown::{Held, Shown, compared, measured};
use super::threshold::{show, verdict};
use crate::measure::judge::{Found, Judged};
use crate::visible::on_one_line;

/// Rows of a table at most: the service takes a megabyte of summaries from a step.
const ROWS_MOST: usize = 200;

/// The page.
pub fn render(shown: &Shown<'_>) -> String {
    let mut page = String::new();
    let verdict = match shown.findings {
        [] => "passed".to_owned(),
        [first, more @ ..] => more.iter().fold(format!("FAILED: {first}"), |line, more| format!("{line}; {more}")),
    };
    let sign = if shown.findings.is_empty() { "✅" } else { "❌" };
    let _ = writeln!(page, "## {sign} {}: {verdict}\n", code(shown.scenario));
    thresholds(&mut page, shown);
    baseline(&mut page, shown);
    if let Some(outcome) = shown.outcome {
        calls(&mut page, outcome);
        money(&mut page, outcome, shown);
    }
    checks(&mut page, shown);
    facts(&mut page, shown);
    page
}

/// A text of somebody's file as a code span: on one line, with a fence longer than any inside.
fn code(text: &str) -> String {
    let text = on_one_line(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad =
        if text.is_empty() || text.starts_with('`') || text.ends_with('`') || text.starts_with(' ') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// The same in a table, where a bar would end the cell: it is unescaped there before code is looked for, and nowhere else.
fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// Words of ours in a cell, with what somebody else may have put into them made harmless.
fn words(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in on_one_line(text).chars() {
        if c.is_ascii_punctuation() && !matches!(c, ',' | ':' | ';' | '%' | '(' | ')' | '.' | '-' | '+' | '\'') {
            // Numbered, so that a mention or a link is none either, and nothing between two dollars a formula.
            let _ = write!(escaped, "&#{};", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// A table; a head that begins with `>` is over a column of figures, flush right.
fn table<const COLUMNS: usize>(page: &mut String, title: &str, head: [&str; COLUMNS], rows: &[[String; COLUMNS]]) {
    if rows.is_empty() {
        return;
    }
    let names = head.map(|name| name.trim_start_matches('>')).join(" | ");
    let rule = head.map(|name| if name.starts_with('>') { "---:" } else { "---" }).join(" | ");
    let _ = writeln!(page, "### {title}\n\n| {names} |\n| {rule} |");
    for row in rows.iter().take(ROWS_MOST) {
        let _ = writeln!(page, "| {} |", row.join(" | "));
    }
    if rows.len() > ROWS_MOST {
        let _ = writeln!(page, "\n… and {} more", rows.len() - ROWS_MOST);
    }
    page.push('\n');
}

fn thresholds(page: &mut String, shown: &Shown<'_>) {
    let row = |judged: &Judged| {
        let sign = if judged.fails { "❌" } else { "✅" };
        let line = show(judged.line, judged.unit, shown.currency);
        let nothing = judged.reason.as_deref().filter(|_| judged.found == Found::NotMeasured);
        let found = nothing.map_or_else(|| verdict(judged).to_owned(), |why| format!("{}: {why}", verdict(judged)));
        [
            sign.to_owned(),
            cell(&judged.threshold),
            words(&measured(judged, shown.currency)),
            words(&line),
            words(&found),
        ]
    };
    let rows: Vec<_> = shown.thresholds.iter().map(row).collect();
    table(page, "Thresholds", ["", "threshold", ">measured", ">line", "verdict"], &rows);
}

fn baseline(page: &mut String, shown: &Shown<'_>) {
    let Some((name, rows)) = shown.baseline else { return };
    let row = |row: &crate::baseline::judge::Compared| {
        let [before, now, change, found] = compared(row, shown.currency).map(|text| words(&text));
        [cell(&row.figure), before, now, change, found]
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    let title = format!("Beside the baseline {}", code(name));
    table(page, &title, ["figure", ">before", ">now", ">difference", "verdict"], &rows);
}

fn calls(page: &mut String, outcome: &Outcome) {
    let all = outcome.summed();
    let runs = u128::from(outcome.replication_count());
    let offered: u64 = all.cohorts.iter().map(CohortOutcome::offered).sum();
    let row = |label: String, attempts: u64| {
        let share =
            if offered == 0 { "-".to_owned() } else { format!("{:.2} %", attempts as f64 * 100.0 / offered as f64) };
        [label, thousands((u128::from(attempts) + runs / 2) / runs), share]
    };
    let sum = |of: fn(&CohortOutcome) -> u64| all.cohorts.iter().map(of).sum::<u64>();
    let mut rows = vec![row("offered".to_owned(), offered), row("served".to_owned(), sum(|cohort| cohort.served))];
    for cause in Cause::ALL {
        let refused = all.refused(cause);
        if refused > 0 {
            rows.push(row(format!("refused: {}", cell(cause.name())), refused));
        }
    }
    let others = [
        ("failed behind the gateway", sum(|cohort| cohort.failed)),
        ("in flight at the end", sum(|cohort| cohort.in_flight)),
    ];
    rows.extend(others.into_iter().filter(|(_, count)| *count > 0).map(|(label, count)| row(label.to_owned(), count)));
    let title = if runs == 1 {
        "Calls, by attempts".to_owned()
    } else {
        format!("Calls, by attempts, mean of {runs} replications")
    };
    table(page, &title, ["", ">attempts", ">share"], &rows);
}

fn money(page: &mut String, outcome: &Outcome, shown: &Shown<'_>) {
    let figures = outcome.summed().figures();
    let runs = outcome.replication_count() as f64;
    let amount = |nanos: i128| words(&show(nanos as f64 / runs, crate::measure::Unit::Money, shown.currency));
    let told = [
        ("earned", figures.earned),
        ("margin", figures.margin),
        ("invoiced", figures.invoiced),
        ("collected", figures.collected),
        ("outstanding at the end", figures.outstanding),
    ];
    let rows: Vec<_> = told.into_iter().map(|(label, nanos)| [label.to_owned(), amount(nanos)]).collect();
    table(page, "Money", ["", &format!(">{}", shown.currency.code)], &rows);
}

fn checks(page: &mut String, shown: &Shown<'_>) {
    let row = |check: &super::shown::Check| {
        let sign = match check.held {
            Held::Yes => "✅",
            Held::No | Held::Unknown => "❌",
        };
        [sign.to_owned(), check.name.to_owned(), words(&check.detail)]
    };
    let rows: Vec<_> = shown.checks.iter().map(row).collect();
    table(page, "The run itself", ["", "check", "seen"], &rows);
}

fn facts(page: &mut String, shown: &Shown<'_>) {
    let seed = if shown.replications == 1 {
        format!("seed {}", shown.seed)
    } else {
        format!("seed {}, {} replications", shown.seed, shown.replications)
    };
    let fingerprint: String = shown.fingerprint.chars().take(12).collect();
    let _ = writeln!(
        page,
        "Farebox {}, {seed}, fingerprint {}, {}",
        shown.version,
        code(&fingerprint),
        code(shown.command)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in a code span is neither markup nor a mention, whatever fence it tries to close.
    #[test]
    fn names_are_code_whatever_is_in_them() {
        assert_eq!(code("pro"), "`pro`");
        assert_eq!((code("a|b"), cell("a|b")), ("`a|b`".to_owned(), "`a\\|b`".to_owned()));
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`x`"), "`` `x` ``");
        assert_eq!(code("one\ntwo\u{1b}[2J"), "`one\\ntwo\\u{1b}[2J`");
        assert_eq!(code(""), "`  `");
    }

    #[test]
    fn words_hold_no_markup_no_link_and_no_mention() {
        assert_eq!(words("held (1.5 % to -2 %), $3.20"), "held (1.5 % to -2 %), &#36;3.20");
        assert_eq!(words("<b>@me|*x* `y`"), "&#60;b&#62;&#64;me&#124;&#42;x&#42; &#96;y&#96;");
        assert_eq!(words("https://x.y"), "https:&#47;&#47;x.y");
    }
}
