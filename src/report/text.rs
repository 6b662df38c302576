//! An outcome as a page for the terminal: what became of the calls, the money as statements that add up, collecting. Of
//! several replications every figure is the mean.

use std::collections::BTreeMap;
use std::fmt::Write;

use farebox_engine::billing::catalog::HOLD_TTL;
use farebox_engine::billing::cause::Cause;
use farebox_engine::billing::ledger::{LedgerAccount, Movement};
use farebox_engine::billing::price;
use farebox_engine::billing::tally::Count;
use farebox_engine::money::{CURRENCIES, Currency, thousands};
use farebox_engine::outcome::{CohortOutcome, FailedAs, Failures, Outcome, RouteOutcome, pooled, quantile};
use farebox_engine::time::{DAY, HOUR, MINUTE, SECOND};

use super::{assumed, dunning, given_up, oracle, threshold, webhooks};
use crate::measure::Subject;

/// How many columns the bar of a whole takes.
const BAR: usize = 24;

/// How many columns a sparkline takes at most.
const SPARKS: usize = 60;

/// The whole page of a simulation, but for the thresholds.
pub fn render(subject: &Subject<'_>) -> String {
    let mean = Mean::of(subject.outcome);
    heading(subject.outcome)
        + &mean.calls("offered")
        + &mean.usage()
        + &given_up::render(&mean.outcome, mean.runs)
        + &oracle::render(&mean.outcome, mean.runs)
        + &mean.money()
        + &mean.collecting()
        + &dunning::render(subject.outcome)
        + &webhooks::render(subject.outcome)
        + &mean.latency()
        + &threshold::intervals(subject)
        + &assumed::render(subject.scenario)
}

/// The whole page of what the gateway of a load has seen.
pub fn render_load(outcome: &Outcome) -> String {
    let mean = Mean::of(outcome);
    render_gateway(outcome)
        + &mean.money()
        + &mean.collecting()
        + &dunning::render(outcome)
        + &webhooks::render(outcome)
        + &mean.latency()
}

/// What the gateway of a load has seen: only what was played and what became of the calls.
pub fn render_gateway(outcome: &Outcome) -> String {
    let mean = Mean::of(outcome);
    heading(outcome)
        + &mean.calls("reached the gateway")
        + &mean.usage()
        + &given_up::render(&mean.outcome, mean.runs)
        + &oracle::render(&mean.outcome, mean.runs)
}

/// Replications as their mean: the sum over them, of which each number is shown divided by how many there are.
struct Mean {
    outcome: Outcome,
    runs: u64,
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
    let consumers = if !outcome.is_partial() {
        counted(all, "consumer")
    } else if played == all {
        format!("PARTIAL: {}, not all in each replication", counted(all, "consumer"))
    } else {
        format!("PARTIAL: {} of {}", thousands(played.into()), counted(all, "consumer"))
    };
    let time = length(outcome.horizon_ns);
    let runs = match outcome.replication_count() {
        1 => String::new(),
        runs => format!(" · means over {}", counted(runs, "replication")),
    };
    format!("{} · {consumers} · {time} · seed {}{runs}\n", outcome.scenario, outcome.seed)
}

/// How much time was played: in days from one day on, below in the largest unit that it is a whole number of.
pub(super) fn length(ns: u64) -> String {
    let decimals = |unit: u64| {
        let text = format!("{:.3}", ns as f64 / unit as f64);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if ns >= DAY {
        let days = decimals(DAY);
        return format!("{days} day{}", if days == "1" { "" } else { "s" });
    }
    let whole = [(HOUR, "h"), (MINUTE, "min")].into_iter().find(|(unit, _)| ns >= *unit && ns.is_multiple_of(*unit));
    let (unit, name) = whole.unwrap_or((SECOND, "s"));
    format!("{} {name}", decimals(unit))
}

/// A count with its noun.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(count.into()), if count == 1 { "" } else { "s" })
}

impl Mean {
    fn of(outcome: &Outcome) -> Self {
        Self { outcome: outcome.summed(), runs: outcome.replication_count() }
    }

    /// What a count over all replications is in each, rounded.
    fn each(&self, count: u64) -> u64 {
        (count + self.runs / 2) / self.runs
    }

    fn figure(&self, count: u64) -> String {
        thousands(self.each(count).into())
    }

    fn calls(&self, all: &str) -> String {
        let outcome = &self.outcome;
        let offered: u64 = outcome.cohorts.iter().map(CohortOutcome::offered).sum();
        let count = |label: &str, calls: u64, note: &str| self.part(label, calls, offered, note);
        let total = |of: fn(&CohortOutcome) -> u64| outcome.cohorts.iter().map(of).sum::<u64>();
        let retried = total(|cohort| cohort.retried);
        let mut rows = vec![row(all, self.figure(offered - retried), "")];
        if retried > 0 {
            let each = offered as f64 / ((offered - retried) as f64).max(1.0);
            rows.push(row("attempts at them", self.figure(offered), format!("{each:.3} each; shares are of these")));
        }
        rows.push(count("served", total(|cohort| cohort.served), ""));
        let late = total(|cohort| cohort.count(Count::Late));
        if late > 0 {
            let note =
                format!("of those served: answered later than {} after their admission", duration(HOLD_TTL.ns()));
            rows.push(count("served, not billed", late, &note));
        }
        for (cause, calls) in sum(outcome.cohorts.iter().map(|cohort| &cohort.refused)) {
            rows.push(count(&format!("refused: {cause}"), calls, &self.who(&cause)));
        }
        let failed: Vec<_> = outcome.cohorts.iter().map(|cohort| labelled(&cohort.failures())).collect();
        for (label, calls) in sum(failed.iter()) {
            rows.push(count(&label, calls, ""));
        }
        let in_flight = total(|cohort| cohort.in_flight);
        if in_flight > 0 {
            rows.push(count("not answered at the end", in_flight, ""));
        }
        rows.extend(refused_over_time(outcome));
        table("Calls", &rows) + &self.last_attempts()
    }

    /// A part of a whole, with its share as a bar.
    fn part(&self, label: &str, part: u64, whole: u64, note: &str) -> Row {
        let share = part as f64 / (whole as f64).max(1.0);
        let bar = "█".repeat((share * BAR as f64).round() as usize);
        row(label, self.figure(part), format!("{:5.1} %  {bar:BAR$}  {note}", share * 100.0))
    }

    /// The calls by how their last attempts ended; nothing where none was tried again.
    fn last_attempts(&self) -> String {
        let cohorts = &self.outcome.cohorts;
        if cohorts.iter().all(|cohort| cohort.retried == 0) {
            return String::new();
        }
        let last: Vec<_> = cohorts.iter().flat_map(|cohort| cohort.routes.values()).map(RouteOutcome::calls).collect();
        let total = |of: fn(&RouteOutcome) -> u64| last.iter().map(of).sum::<u64>();
        let (calls, recovered) = (total(RouteOutcome::offered), total(|route| route.again.recovered));
        let took = pooled(cohorts.iter().map(|cohort| cohort.recovery.as_slice()));
        let at = |q| quantile(&took, q).map(duration);
        let note = at(0.5).zip(at(0.99)).map(|(p50, p99)| format!("after p50 {p50}, p99 {p99}"));
        let mut rows = vec![
            self.part("served at once", total(|route| route.served) - recovered, calls, ""),
            self.part("recovered", recovered, calls, note.as_deref().unwrap_or("")),
        ];
        for (cause, abandoned) in sum(last.iter().map(|route| &route.refused)) {
            rows.push(self.part(&format!("abandoned: {cause}"), abandoned, calls, ""));
        }
        let failed: Vec<_> = last.iter().map(|route| by_cause(&route.failures)).collect();
        for (cause, abandoned) in sum(failed.iter()) {
            rows.push(self.part(&format!("abandoned: {cause}"), abandoned, calls, ""));
        }
        for (label, ended) in [("not answered at the end", total(|route| route.in_flight))] {
            if ended > 0 {
                rows.push(self.part(label, ended, calls, ""));
            }
        }
        table("Calls by their last attempt", &rows)
    }

    /// Which consumers a cause has met: `42 of 200 starter (indie)`.
    fn who(&self, cause: &str) -> String {
        let outcome = &self.outcome;
        let met = outcome.cohorts.iter().filter_map(|cohort| {
            let consumers = cohort.consumers_refused.get(cause)?;
            Some(format!(
                "{} of {} {}",
                self.figure(*consumers),
                thousands(cohort.consumers_played().into()),
                cohort.cohort
            ))
        });
        met.collect::<Vec<_>>().join(", ")
    }

    /// What other meters than requests have counted.
    fn usage(&self) -> String {
        let outcome = &self.outcome;
        let mut rows = Vec::new();
        for cohort in &outcome.cohorts {
            for (meter, usage) in cohort.usage.iter().filter(|(meter, _)| *meter != "requests") {
                let all = usage.served + usage.failed + usage.refused + usage.in_flight;
                if all > 0 {
                    let note = format!("served, of {}; {} refused", self.figure(all), self.figure(usage.refused));
                    rows.push(row(format!("{meter} of {}", cohort.cohort), self.figure(usage.served), note));
                }
            }
        }
        if rows.is_empty() { String::new() } else { table("Usage", &rows) }
    }

    fn money(&self) -> String {
        let outcome = &self.outcome;
        let moved = |movement| outcome.moved(movement);
        let holds = |account| outcome.balance(account);
        let figures = outcome.figures();
        let mut text = String::new();
        if figures.earned != 0 || figures.invoiced != 0 || figures.processor_fees != 0 || figures.upstream_cost != 0 {
            text += &self.statement(
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
            text += &self.statement(
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
            text += &self.statement(
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
            text += &self.statement(
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
            text += &self.statement(
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
        // A mean is told in the minor unit, as in the statements; the amount of one run to its last digit.
        let runs = i128::from(self.runs);
        let minor = i128::from(price::minor_unit(currency(outcome)));
        let mean =
            |nanos: i128| if runs == 1 { nanos } else { (nanos + minor * runs / 2).div_euclid(minor * runs) * minor };
        let rows: Vec<_> =
            beside.map(|(label, nanos)| row(label, currency(outcome).display(mean(nanos)).to_string(), "")).collect();
        if !rows.is_empty() {
            text += &table("Beside the invoices", &rows);
        }
        text
    }

    /// Lines that add up to the last one, which is computed apart from them. The books are exact to the nano; a page shows
    /// the currency's minor unit, cut by largest remainder so that what is shown adds up too.
    fn statement(&self, title: &str, lines: &[(&str, &str, i128)], (label, total): (&str, i128)) -> String {
        let signed: Vec<_> = lines.iter().map(|(sign, _, nanos)| if *sign == "−" { -nanos } else { *nanos }).collect();
        assert_eq!(signed.iter().sum::<i128>(), total, "the statement `{title}` adds up");
        let currency = currency(&self.outcome);
        // A mean is a sum in units that are as many times as large.
        let runs = i128::from(self.runs);
        let unit = i128::from(price::minor_unit(currency)) * runs;
        let shown = largest_remainder(&signed, unit);
        let amount = |nanos: i128| currency.display(nanos / runs).to_string();
        let line = |((sign, label, _), shown): (&(&str, &str, i128), &i128)| {
            row(format!("{sign} {label}"), amount(if *sign == "−" { -shown } else { *shown }), "")
        };
        let is_shown = |((_, _, nanos), _): &(&(&str, &str, i128), &i128)| *nanos != 0;
        let mut rows: Vec<_> = lines.iter().zip(&shown).filter(is_shown).map(line).collect();
        rows.push(row(format!("= {label}"), amount(shown.iter().sum()), ""));
        table(title, &rows)
    }

    fn collecting(&self) -> String {
        let outcome = &self.outcome;
        let of = |count: Count| outcome.cohorts.iter().map(|cohort| cohort.count(count)).sum::<u64>();
        let figure = |count: u64| self.figure(count);
        let labels = [
            (Count::Joined, "subscriptions begun"),
            (Count::Trials, "trials begun"),
            (Count::Converted, "trials converted"),
            (Count::Left, "consumers that left"),
            (Count::Upgrades, "upgrades"),
            (Count::UpgradesFailed, "upgrades whose payment failed"),
            (Count::Downgrades, "downgrades"),
            (Count::Slowed, "times that consumers slowed down"),
            (Count::TopUps, "top-ups paid"),
            (Count::PaidCalls, "calls paid for one by one"),
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

    fn percentiles(&self, label: &str, buckets: &[[u64; 2]]) -> Row {
        let at = |q| quantile(buckets, q).map_or_else(|| "-".to_owned(), duration);
        let calls = buckets.iter().map(|[_, calls]| calls).sum();
        let note = format!("p99 {}   {}", at(0.99), counted(self.each(calls), "call"));
        row(label, format!("p50 {}", at(0.5)), note)
    }

    fn latency(&self) -> String {
        let outcome = &self.outcome;
        let mut rows = Vec::new();
        for cohort in outcome.cohorts.iter().filter(|cohort| cohort.served > 0) {
            rows.push(self.percentiles(&cohort.cohort, &cohort.latency));
            if !cohort.first_token.is_empty() {
                rows.push(self.percentiles(&format!("{}, first token", cohort.cohort), &cohort.first_token));
            }
        }
        if rows.is_empty() { String::new() } else { table("Latency of the upstream", &rows) }
    }
}

/// When calls were refused, as a sparkline, of several replications in number 0; nothing where none was.
fn refused_over_time(outcome: &Outcome) -> Option<Row> {
    let buckets = outcome.cohorts.iter().map(|cohort| cohort.timeline.offered.len()).max()?;
    let refused = |bucket: usize| -> u64 {
        let columns = outcome.cohorts.iter().flat_map(|cohort| cohort.timeline.refused.values());
        columns.filter_map(|column| column.get(bucket)).sum()
    };
    let together = buckets.div_ceil(SPARKS).max(1);
    let sums = (0..buckets).step_by(together).map(|from| (from..buckets.min(from + together)).map(refused).sum());
    let spark = sparkline(&sums.collect::<Vec<u64>>())?;
    Some(row("refused over time", "", format!("         {spark}")))
}

/// Counts as bars of eight heights, the largest the highest; what is there at all is seen.
fn sparkline(counts: &[u64]) -> Option<String> {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = counts.iter().copied().max().filter(|most| *most > 0)?;
    let bar = |count: &u64| match count {
        0 => ' ',
        _ => BARS[((u128::from(*count) * 8).div_ceil(u128::from(most)) as usize).clamp(1, 8) - 1],
    };
    (counts.len() > 1).then(|| counts.iter().map(bar).collect())
}

/// The parts in whole units: each rounded down, then the largest remainders up, until they sum to the rounded whole.
pub(super) fn largest_remainder(parts: &[i128], unit: i128) -> Vec<i128> {
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

pub(super) fn currency(outcome: &Outcome) -> Currency {
    Currency::from_code(&outcome.currency).unwrap_or(CURRENCIES[0])
}

/// How long something took as people read it, in a unit that leaves few digits before the point.
pub fn duration(ns: u64) -> String {
    const MILLISECOND: u64 = SECOND / 1_000;
    // Each unit begins where the one below would show four digits.
    let units = [(2 * DAY, DAY, "days"), (2 * HOUR, HOUR, "h"), (2 * MINUTE, MINUTE, "min"), (SECOND, SECOND, "s")];
    // What would be rounded up to the next unit is told in that.
    let shown = ns.saturating_add(MILLISECOND / 200);
    let found = units.into_iter().find(|(from, ..)| shown >= *from);
    let (unit, name) = found.map_or((MILLISECOND, "ms"), |(_, unit, name)| (unit, name));
    format!("{:.2} {name}", ns as f64 / unit as f64)
}

/// Failures by where they were and why, as a page has them; the status where the cause does not tell it.
fn labelled(failures: &Failures) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (FailedAs { upstream, cause, status }, attempts) in failures {
        let status = if *cause == Cause::Upstream402.name() { String::new() } else { format!(" ({status})") };
        *sums.entry(format!("failed at {upstream}: {cause}{status}")).or_default() += attempts;
    }
    sums
}

/// Failures by cause, wherever they were.
fn by_cause(failures: &Failures) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (alike, attempts) in failures {
        *sums.entry(alike.cause.clone()).or_default() += attempts;
    }
    sums
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
    use farebox_engine::outcome::Nanos;
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

    /// Of one run to the last digit, of several as the mean in cents.
    #[test]
    fn a_mean_of_money_is_told_in_the_minor_unit() {
        let mut scenario = Scenario::new("mean", Span::from_ns(DAY));
        scenario.plans.push(Plan::new("free"));
        scenario.cohorts.push(Cohort::new("all", 1, Arrivals::Poisson { mean_gap_ns: 1e9, spread: None }));
        let of = |number, nanos| {
            let mut outcome = Outcome::new(&scenario, DAY, &Recorder::new(1), &[vec![[0, 1]]]);
            outcome.cohorts[0].moved = [("overdraw".to_owned(), Nanos(nanos))].into();
            outcome.as_replication(1, number)
        };
        let leaked = |outcome: &Outcome| {
            let page = Mean::of(outcome).money();
            let line = page.lines().find(|line| line.contains("served without credit")).map(str::to_owned);
            line.unwrap_or(page).split_whitespace().last().map(str::to_owned)
        };
        let mut outcome = of(0, 1_333_000_000);
        assert_eq!(leaked(&outcome).as_deref(), Some("$1.333"));
        outcome.stack(of(1, 1_336_000_000)).unwrap();
        assert_eq!(leaked(&outcome).as_deref(), Some("$1.33"));
        outcome.stack(of(2, 1_348_000_000)).unwrap();
        assert_eq!(leaked(&outcome).as_deref(), Some("$1.34"));
    }

    #[test]
    fn times_are_told_in_the_unit_that_suits_them() {
        let at = |ns| duration(ns);
        assert_eq!([at(0), at(1_234_567), at(999_994_999)], ["0.00 ms", "1.23 ms", "999.99 ms"]);
        assert_eq!([at(999_995_000), at(1_500_000_000), at(119 * SECOND)], ["1.00 s", "1.50 s", "119.00 s"]);
        assert_eq!([at(150 * SECOND), at(HOUR), at(36 * HOUR)], ["2.50 min", "60.00 min", "36.00 h"]);
        assert_eq!(at(5 * DAY / 2), "2.50 days");
        assert_eq!([length(DAY), length(36 * HOUR), length(30 * DAY)], ["1 day", "1.5 days", "30 days"]);
        assert_eq!([length(900 * SECOND), length(HOUR), length(90 * SECOND)], ["15 min", "1 h", "90 s"]);
        assert_eq!([length(10 * SECOND + 5_400_000), length(DAY + DAY / 3)], ["10.005 s", "1.333 days"]);
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

    #[test]
    fn a_sparkline_shows_what_is_there_at_all() {
        assert_eq!(sparkline(&[0, 1, 50, 100]).unwrap(), " ▁▄█");
        assert_eq!(sparkline(&[0, 0]), None);
        assert_eq!(sparkline(&[7]), None);
    }
}
