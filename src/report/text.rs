//! An outcome as a page for the terminal: what became of the calls, the money as statements that add up, collecting.

use std::collections::BTreeMap;
use std::fmt::Write;

use farebox_engine::billing::ledger::{LedgerAccount, Movement};
use farebox_engine::billing::price;
use farebox_engine::billing::tally::Count;
use farebox_engine::money::{CURRENCIES, Currency, thousands};
use farebox_engine::outcome::{CohortOutcome, Outcome, quantile};
use farebox_engine::time::DAY;

/// How many columns the bar of a whole takes.
const BAR: usize = 24;

/// The whole page.
pub fn render(outcome: &Outcome) -> String {
    heading(outcome)
        + &calls(outcome, "offered")
        + &usage(outcome)
        + &money(outcome)
        + &collecting(outcome)
        + &latency(outcome)
}

/// The whole page of what the gateway of a load has seen.
pub fn render_load(outcome: &Outcome) -> String {
    render_gateway(outcome) + &money(outcome) + &collecting(outcome) + &latency(outcome)
}

/// What the gateway of a load has seen: only what was played and what became of the calls.
pub fn render_gateway(outcome: &Outcome) -> String {
    heading(outcome) + &calls(outcome, "reached the gateway") + &usage(outcome)
}

/// A line of a table: what it is about, its figure, what else there is to say.
pub(super) struct Row {
    label: String,
    figure: String,
    note: String,
}

pub(super) fn row(label: impl Into<String>, figure: impl Into<String>, note: impl Into<String>) -> Row {
    Row { label: label.into(), figure: figure.into(), note: note.into() }
}

/// A title and its lines, figures flush right.
pub(super) fn table(title: &str, rows: &[Row]) -> String {
    let width = |text: fn(&Row) -> &str| rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0);
    let (label, figure) = (width(|row| &row.label), width(|row| &row.figure));
    let mut text = format!("\n{title}\n");
    for row in rows {
        let line = format!("  {:label$}  {:>figure$}  {}", row.label, row.figure, row.note);
        writeln!(text, "{}", line.trim_end()).expect("a String takes everything");
    }
    text
}

fn heading(outcome: &Outcome) -> String {
    let (played, all) = outcome.consumers();
    let consumers = if played == all {
        counted(all, "consumer")
    } else {
        format!("PARTIAL: {} of {}", thousands(played.into()), counted(all, "consumer"))
    };
    let time = if outcome.horizon_ns < DAY {
        format!("{:.3} s", outcome.horizon_ns as f64 / 1e9)
    } else {
        format!("{} days", outcome.horizon_ns as f64 / DAY as f64)
    };
    format!("{} · {consumers} · {time} · seed {}\n", outcome.scenario, outcome.seed)
}

/// A count with its noun.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(count.into()), if count == 1 { "" } else { "s" })
}

fn calls(outcome: &Outcome, all: &str) -> String {
    let offered: u64 = outcome.cohorts.iter().map(CohortOutcome::offered).sum();
    let count = |label: &str, calls: u64, note: &str| {
        let share = calls as f64 / (offered as f64).max(1.0);
        let bar = "█".repeat((share * BAR as f64).round() as usize);
        let percent = format!("{:5.1} %  {bar:BAR$}  {note}", share * 100.0);
        row(label, thousands(calls.into()), percent)
    };
    let mut rows = vec![
        row(all, thousands(offered.into()), ""),
        count("served", outcome.cohorts.iter().map(|cohort| cohort.served).sum(), ""),
    ];
    for (cause, calls) in sum(outcome.cohorts.iter().map(|cohort| &cohort.refused)) {
        rows.push(count(&format!("refused: {cause}"), calls, &who(outcome, &cause)));
    }
    for (label, calls) in [
        ("failed behind the gateway", outcome.cohorts.iter().map(|cohort| cohort.failed).sum()),
        ("not answered at the end", outcome.cohorts.iter().map(|cohort| cohort.in_flight).sum()),
    ] {
        if calls > 0 {
            rows.push(count(label, calls, ""));
        }
    }
    table("Calls", &rows)
}

/// Which consumers a cause has met: `42 of 200 starter (indie)`.
fn who(outcome: &Outcome, cause: &str) -> String {
    let met = outcome.cohorts.iter().filter_map(|cohort| {
        let consumers = cohort.consumers_refused.get(cause)?;
        Some(format!(
            "{} of {} {}",
            thousands((*consumers).into()),
            thousands(cohort.consumers_played().into()),
            cohort.cohort
        ))
    });
    met.collect::<Vec<_>>().join(", ")
}

/// What other meters than requests have counted.
fn usage(outcome: &Outcome) -> String {
    let mut rows = Vec::new();
    for cohort in &outcome.cohorts {
        for (meter, usage) in cohort.usage.iter().filter(|(meter, _)| *meter != "requests") {
            let all = usage.served + usage.failed + usage.refused + usage.in_flight;
            if all > 0 {
                let note = format!("served, of {}; {} refused", thousands(all.into()), thousands(usage.refused.into()));
                rows.push(row(format!("{meter} of {}", cohort.cohort), thousands(usage.served.into()), note));
            }
        }
    }
    if rows.is_empty() { String::new() } else { table("Usage", &rows) }
}

fn money(outcome: &Outcome) -> String {
    let moved = |movement| outcome.moved(movement);
    let holds = |account| outcome.balance(account);
    let figures = outcome.figures();
    let mut text = String::new();
    if figures.earned != 0 || figures.invoiced != 0 || figures.processor_fees != 0 || figures.upstream_cost != 0 {
        text += &statement(
            outcome,
            "Margin",
            &[
                (" ", "fees, by the second", figures.earned_fees),
                ("+", "usage, when served", figures.earned_usage),
                ("+", "paid credit burnt", figures.earned_credit),
                ("+", "paid credit expired", figures.breakage),
                ("−", "processor fees", figures.processor_fees),
                ("−", "upstream cost", figures.upstream_cost),
            ],
            ("margin", figures.margin),
        );
    }
    if figures.invoiced != 0 || figures.outstanding != 0 {
        text += &statement(
            outcome,
            "Invoices",
            &[
                (" ", "invoiced", figures.invoiced),
                ("+", "credited beyond the invoice", figures.kept),
                ("−", "settled from that", figures.applied),
                ("−", "written off", figures.written_off),
                ("−", "void", figures.voided),
                ("−", "outstanding at the end", figures.outstanding),
                ("−", "refunded or charged back", figures.returned),
            ],
            ("collected", figures.collected),
        );
    }
    if moved(Movement::Grant) > 0 {
        text += &statement(
            outcome,
            "Promotional credit (granted, not sold)",
            &[
                (" ", "granted", moved(Movement::Grant)),
                ("−", "spent on calls", moved(Movement::Spend)),
                ("−", "expired", moved(Movement::Expire)),
                ("−", "held by calls in flight", -holds(LedgerAccount::HeldPromotional)),
            ],
            ("left", -holds(LedgerAccount::Promotional)),
        );
    }
    if moved(Movement::InvoiceCredit) + moved(Movement::CarryCredit) > 0 {
        text += &statement(
            outcome,
            "Paid credit (a liability until burnt)",
            &[
                (" ", "bought before the start", moved(Movement::CarryCredit)),
                ("+", "sold", moved(Movement::InvoiceCredit)),
                ("−", "burnt", moved(Movement::Burn)),
                ("−", "expired", moved(Movement::Breakage)),
                ("−", "held by calls in flight", -holds(LedgerAccount::HeldPrepaid)),
            ],
            ("left", -holds(LedgerAccount::Prepaid)),
        );
    }
    if figures.mrr != 0 || moved(Movement::MrrCarried) + moved(Movement::MrrNew) > 0 {
        text += &statement(
            outcome,
            "Monthly recurring revenue",
            &[
                (" ", "at the start", moved(Movement::MrrCarried)),
                ("+", "new", moved(Movement::MrrNew)),
                ("+", "expansion", moved(Movement::MrrExpansion)),
                ("+", "reactivation", moved(Movement::MrrReactivation)),
                ("−", "contraction", moved(Movement::MrrContraction)),
                ("−", "churn", moved(Movement::MrrChurn)),
            ],
            ("at the end", figures.mrr),
        );
    }
    let beside = [
        ("usage of before the start, in these invoices or not yet", moved(Movement::CarryUsage)),
        ("usage not invoiced yet", figures.accrued),
        ("served without credit", figures.leaked),
    ];
    let beside = beside.into_iter().filter(|(_, nanos)| *nanos != 0);
    let rows: Vec<_> =
        beside.map(|(label, nanos)| row(label, currency(outcome).display(nanos).to_string(), "")).collect();
    if !rows.is_empty() {
        text += &table("Beside the invoices", &rows);
    }
    text
}

/// Lines that add up to the last one, which is computed apart from them. The books are exact to the nano; a page shows
/// the currency's minor unit, cut by largest remainder so that what is shown adds up too.
fn statement(outcome: &Outcome, title: &str, lines: &[(&str, &str, i128)], (label, total): (&str, i128)) -> String {
    let signed: Vec<_> = lines.iter().map(|(sign, _, nanos)| if *sign == "−" { -nanos } else { *nanos }).collect();
    assert_eq!(signed.iter().sum::<i128>(), total, "the statement `{title}` adds up");
    let currency = currency(outcome);
    let unit = i128::from(price::minor_unit(currency));
    let shown = largest_remainder(&signed, unit);
    let amount = |nanos: i128| currency.display(nanos).to_string();
    let line = |((sign, label, _), shown): (&(&str, &str, i128), &i128)| {
        row(format!("{sign} {label}"), amount(if *sign == "−" { -shown } else { *shown }), "")
    };
    let is_shown = |((_, _, nanos), _): &(&(&str, &str, i128), &i128)| *nanos != 0;
    let mut rows: Vec<_> = lines.iter().zip(&shown).filter(is_shown).map(line).collect();
    rows.push(row(format!("= {label}"), amount(shown.iter().sum()), ""));
    table(title, &rows)
}

/// The parts in whole units: each rounded down, then the largest remainders up, until they sum to the rounded whole.
fn largest_remainder(parts: &[i128], unit: i128) -> Vec<i128> {
    let total: i128 = parts.iter().sum();
    let mut whole: Vec<_> = parts.iter().map(|part| part.div_euclid(unit)).collect();
    let missing = (total + unit / 2).div_euclid(unit) - whole.iter().sum::<i128>();
    let mut by_remainder: Vec<_> = (0..parts.len()).collect();
    by_remainder.sort_by_key(|part| std::cmp::Reverse(parts[*part].rem_euclid(unit)));
    for part in by_remainder.into_iter().take(usize::try_from(missing).unwrap_or(0)) {
        whole[part] += 1;
    }
    whole.into_iter().map(|units| units * unit).collect()
}

fn currency(outcome: &Outcome) -> Currency {
    Currency::from_code(&outcome.currency).unwrap_or(CURRENCIES[0])
}

fn collecting(outcome: &Outcome) -> String {
    let of = |count: Count| outcome.cohorts.iter().map(|cohort| cohort.count(count)).sum::<u64>();
    let figure = |count: u64| thousands(count.into());
    let labels = [
        (Count::Joined, "subscriptions begun"),
        (Count::Trials, "trials begun"),
        (Count::Converted, "trials converted"),
        (Count::Left, "consumers that left"),
        (Count::Upgrades, "upgrades"),
        (Count::UpgradesFailed, "upgrades whose payment failed"),
        (Count::Downgrades, "downgrades"),
        (Count::TopUps, "top-ups paid"),
        (Count::Attempts, "attempts to collect"),
        (Count::Declined, "declined"),
        (Count::Errors, "errors of the processor"),
        (Count::Excess, "past the card networks' limits"),
    ];
    let counted = labels.into_iter().map(|(count, label)| (label, of(count))).filter(|(_, count)| *count > 0);
    let mut rows: Vec<_> = counted.map(|(label, count)| row(label, figure(count), "")).collect();
    let mut paid: BTreeMap<usize, u64> = BTreeMap::new();
    for cohort in &outcome.cohorts {
        for (attempt, invoices) in cohort.paid_by_attempt.iter().enumerate().filter(|(_, n)| **n > 0) {
            *paid.entry(attempt + 1).or_default() += invoices;
        }
    }
    for (attempt, invoices) in paid {
        rows.push(row(format!("invoices paid by attempt {attempt}"), figure(invoices), ""));
    }
    if of(Count::Exhausted) > 0 {
        rows.push(row("dunning ended without payment", figure(of(Count::Exhausted)), ""));
    }
    if rows.is_empty() { String::new() } else { table("Subscriptions and payments", &rows) }
}

fn latency(outcome: &Outcome) -> String {
    let mut rows = Vec::new();
    for cohort in outcome.cohorts.iter().filter(|cohort| cohort.served > 0) {
        let at = |q| quantile(&cohort.latency, q).map_or_else(|| "-".to_owned(), milliseconds);
        let note = format!("p99 {}   {}", at(0.99), counted(cohort.served, "call"));
        rows.push(row(&cohort.cohort, format!("p50 {}", at(0.5)), note));
    }
    if rows.is_empty() { String::new() } else { table("Latency of the upstream", &rows) }
}

/// A latency as people read it.
pub fn milliseconds(ns: u64) -> String {
    format!("{:.2} ms", ns as f64 / 1e6)
}

fn sum<'a>(counts: impl Iterator<Item = &'a BTreeMap<String, u64>>) -> BTreeMap<String, u64> {
    let mut sum = BTreeMap::new();
    for (name, count) in counts.flatten() {
        *sum.entry(name.clone()).or_default() += count;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use farebox_engine::model::{Arrivals, Cohort, Plan, Scenario};
    use farebox_engine::record::Recorder;
    use farebox_engine::time::Span;

    #[test]
    fn an_outcome_that_lacks_consumers_says_so_first() {
        let mut scenario = Scenario::new("cut", Span::from_ns(30 * DAY));
        scenario.plans.push(Plan::new("free"));
        scenario.cohorts.push(Cohort::new("all", 2_000, Arrivals::Poisson { mean_gap_ns: 1e9, spread: None }));
        let of = |played| Outcome::new(&scenario, 30 * DAY, &Recorder::new(1), &[vec![[0, played]]]);
        let first = |played| heading(&of(played)).trim_end().to_owned();
        assert_eq!(first(2_000), "cut · 2,000 consumers · 30 days · seed 1");
        assert_eq!(first(64), "cut · PARTIAL: 64 of 2,000 consumers · 30 days · seed 1");
    }

    #[test]
    fn what_is_shown_adds_up_like_what_is_booked() {
        for parts in [vec![15, 15, -29], vec![-149, 99, 51, 1], vec![100, -50, -50], vec![7], vec![-250, 125, 124]] {
            let shown = largest_remainder(&parts, 10);
            let total: i128 = parts.iter().sum();
            assert!(shown.iter().zip(&parts).all(|(shown, part)| (shown - part).abs() < 10), "{parts:?} → {shown:?}");
            assert!((shown.iter().sum::<i128>() - total).abs() <= 5, "{parts:?} → {shown:?}");
        }
    }
}
