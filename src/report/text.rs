//! An outcome as a page for the terminal: what became of the calls, the money as statements that add up, collecting. Of
//! several replications every figure is the mean.

use std::collections::BTreeMap;

use farebox_engine::billing::catalog::HOLD_TTL;
use farebox_engine::billing::cause::Cause;
use farebox_engine::billing::ledger::Movement;
use farebox_engine::billing::price;
use farebox_engine::billing::tally::Count;
use farebox_engine::money::{CURRENCIES, Currency, thousands};
use farebox_engine::outcome::{CohortOutcome, FailedAs, Failures, Outcome, RouteOutcome, pooled, quantile};
use farebox_engine::time::{DAY, HOUR, MINUTE, SECOND};

use super::section::{self, Section};
pub(super) use super::section::{Row, row, table};
use super::statement::{self, Statement};
use super::{assumed, dunning, given_up, oracle, threshold, webhooks};
use crate::measure::Subject;

/// How many columns a sparkline takes at most.
const SPARKS: usize = 60;

/// The whole page of a simulation, but for the thresholds.
pub fn render(subject: &Subject<'_>) -> String {
    let mean = Mean::of(subject.outcome);
    let after = threshold::intervals(subject).into_iter().chain(assumed::section(subject.scenario));
    heading(subject.outcome)
        + &mean.gateway("offered")
        + &section::text(&mean.money())
        + &section::text(&mean.collecting())
        + &section::text(&mean.paying())
        + &section::text(&mean.latency())
        + &section::text(&after.collect::<Vec<_>>())
}

/// The whole page of what the gateway of a load has seen.
pub fn render_load(outcome: &Outcome) -> String {
    let mean = Mean::of(outcome);
    render_gateway(outcome)
        + &section::text(&mean.money())
        + &section::text(&mean.collecting())
        + &section::text(&mean.paying())
        + &section::text(&mean.latency())
}

/// What the gateway of a load has seen: only what was played and what became of the calls.
pub fn render_gateway(outcome: &Outcome) -> String {
    heading(outcome) + &Mean::of(outcome).gateway(REACHED)
}

/// The title of what became of calls whose clients have tried again.
pub(super) const LAST_ATTEMPTS: &str = "Calls by their last attempt";

/// What every comparison of prices takes for granted.
pub(super) const NOBODY_MINDS_PRICES: &str =
    "\nAssumed\n  nobody stays away or leaves because of a price: reactions are to refusals and reminders\n";

/// What calls are counted as that came to the gateway of a load.
pub(super) const REACHED: &str = "reached the gateway";

/// Replications as their mean: the sum over them, of which each number is shown divided by how many there are.
pub(super) struct Mean {
    pub(super) outcome: Outcome,
    pub(super) runs: u64,
}

pub(super) fn heading(outcome: &Outcome) -> String {
    let (played, all) = outcome.consumers();
    let consumers = if !outcome.lacks_consumers() {
        counted(all, "consumer")
    } else if played == all {
        format!("PARTIAL: {}, not all in each replication", counted(all, "consumer"))
    } else {
        format!("PARTIAL: {} of {}", thousands(played.into()), counted(all, "consumer"))
    };
    let time = length(outcome.horizon_ns);
    let runs = match outcome.replication_count() {
        runs if outcome.missing > 0 => {
            let asked = runs + u64::from(outcome.missing);
            format!(" · PARTIAL: {runs} of {}", counted(asked, "replication"))
        }
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

/// The mean of an amount over so many runs, in the minor unit. Halves go to the even one, so that the same gain and loss are
/// told alike.
pub(super) fn amount(nanos: i128, runs: u64, currency: Currency) -> String {
    let minor = i128::from(price::minor_unit(currency));
    currency.display(half_even(nanos, minor * i128::from(runs)) * minor).to_string()
}

/// How many of a unit an amount is, halves to the even number.
pub(super) fn half_even(nanos: i128, unit: i128) -> i128 {
    let (whole, rest) = (nanos.div_euclid(unit), nanos.rem_euclid(unit));
    let is_up = match rest.cmp(&(unit - rest)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => whole.rem_euclid(2) == 1,
    };
    whole + i128::from(is_up)
}

impl Mean {
    pub(super) fn of(outcome: &Outcome) -> Self {
        Self { outcome: outcome.summed(), runs: outcome.replication_count() }
    }

    /// What a count over all replications is in each, rounded.
    pub(super) fn each(&self, count: u64) -> u64 {
        (count + self.runs / 2) / self.runs
    }

    pub(super) fn figure(&self, count: u64) -> String {
        thousands(self.each(count).into())
    }

    /// What the gateway has seen, for the terminal: the calls with a sparkline of the refused, and what else is told of them.
    fn gateway(&self, all: &str) -> String {
        let mut calls = self.calls(all);
        if let Some(first) = calls.first_mut() {
            first.rows.extend(refused_over_time(&self.outcome));
        }
        section::text(calls.iter().chain(&self.usage()).chain(&self.wrong()))
    }

    /// What was given up, and what was answered wrongly.
    pub(super) fn wrong(&self) -> Vec<Section> {
        let given_up = given_up::section(&self.outcome, self.runs);
        given_up.into_iter().chain(oracle::section(&self.outcome, self.runs)).collect()
    }

    /// What comes of not paying, and of hearing late of it.
    pub(super) fn paying(&self) -> Vec<Section> {
        let mut sections = dunning::sections(&self.outcome, self.runs);
        sections.extend(webhooks::section(&self.outcome, self.runs));
        sections
    }

    /// What became of the attempts, and of the calls by their last one.
    pub(super) fn calls(&self, all: &str) -> Vec<Section> {
        let outcome = &self.outcome;
        let offered: u64 = outcome.cohorts.iter().map(CohortOutcome::offered).sum();
        let count = |label: &str, calls: u64, note: &str| self.part(label, calls, offered, note);
        let total = |of: fn(&CohortOutcome) -> u64| outcome.cohorts.iter().map(of).sum::<u64>();
        let retried = total(|cohort| cohort.retried);
        let mut rows = vec![row(all, self.figure(offered.saturating_sub(retried)), "")];
        if retried > 0 {
            let each = offered as f64 / (offered.saturating_sub(retried) as f64).max(1.0);
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
        Section::of("Calls", rows).into_iter().chain(self.last_attempts()).collect()
    }

    /// A part of a whole, with its share.
    fn part(&self, label: &str, part: u64, whole: u64, note: &str) -> Row {
        let share = part as f64 / (whole as f64).max(1.0);
        Row { share: Some(share), ..row(label, self.figure(part), note) }
    }

    /// The calls by how their last attempts ended; nothing where none was tried again.
    fn last_attempts(&self) -> Option<Section> {
        let cohorts = &self.outcome.cohorts;
        if cohorts.iter().all(|cohort| cohort.retried == 0) {
            return None;
        }
        let last: Vec<_> = cohorts.iter().flat_map(|cohort| cohort.routes.values()).map(RouteOutcome::calls).collect();
        let total = |of: fn(&RouteOutcome) -> u64| last.iter().map(of).sum::<u64>();
        let (calls, recovered) = (total(RouteOutcome::offered), total(|route| route.again.recovered));
        let took = pooled(cohorts.iter().map(|cohort| cohort.recovery.as_slice()));
        let at = |q| quantile(&took, q).map(duration);
        let note = at(0.5).zip(at(0.99)).map(|(p50, p99)| format!("after p50 {p50}, p99 {p99}"));
        let mut rows = vec![
            self.part("served at once", total(|route| route.served).saturating_sub(recovered), calls, ""),
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
        Section::of(LAST_ATTEMPTS, rows)
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
    pub(super) fn usage(&self) -> Option<Section> {
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
        Section::of("Usage", rows)
    }

    /// The money as statements that add up.
    pub(super) fn statements(&self) -> Vec<Statement> {
        statement::all(&self.outcome, self.runs)
    }

    /// The statements, and what is beside them.
    pub(super) fn money(&self) -> Vec<Section> {
        let currency = currency(&self.outcome);
        let statements = self.statements().into_iter().map(|statement| statement.section(currency));
        statements.chain(self.beside_invoices()).collect()
    }

    /// Amounts that are in no statement.
    pub(super) fn beside_invoices(&self) -> Option<Section> {
        let (outcome, figures) = (&self.outcome, self.outcome.figures());
        let beside = [
            ("usage of before the start, in these invoices or not yet", outcome.moved(Movement::CarryUsage)),
            ("usage not invoiced yet", figures.accrued),
            ("served without credit", figures.leaked),
        ];
        let beside = beside.into_iter().filter(|(_, nanos)| *nanos != 0);
        let rows = beside.map(|(label, nanos)| row(label, self.amount(nanos), ""));
        Section::of("Beside the invoices", rows.collect())
    }

    /// A mean is told in the minor unit, as in the statements; the amount of one run to its last digit.
    fn amount(&self, nanos: i128) -> String {
        let (currency, runs) = (currency(&self.outcome), i128::from(self.runs));
        let minor = i128::from(price::minor_unit(currency));
        let mean = if runs == 1 { nanos } else { (nanos + minor * runs / 2).div_euclid(minor * runs) * minor };
        currency.display(mean).to_string()
    }

    pub(super) fn collecting(&self) -> Option<Section> {
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
        if of(Count::GivenBack) > 0 {
            let amount = self.amount(outcome.cohorts.iter().map(|cohort| cohort.given_back.0).sum());
            let note = format!("{amount}, heard of when nothing was due for it any more");
            rows.push(row("paid too late, given back", figure(of(Count::GivenBack)), note));
        }
        Section::of("Subscriptions and payments", rows)
    }

    fn percentiles(&self, label: &str, buckets: &[[u64; 2]]) -> Row {
        let at = |q| quantile(buckets, q).map_or_else(|| "-".to_owned(), duration);
        let calls = buckets.iter().map(|[_, calls]| calls).sum();
        let note = format!("p99 {}   {}", at(0.99), counted(self.each(calls), "call"));
        row(label, format!("p50 {}", at(0.5)), note)
    }

    pub(super) fn latency(&self) -> Option<Section> {
        let outcome = &self.outcome;
        let mut rows = Vec::new();
        for cohort in outcome.cohorts.iter().filter(|cohort| cohort.served > 0) {
            rows.push(self.percentiles(&cohort.cohort, &cohort.latency));
            if !cohort.first_token.is_empty() {
                rows.push(self.percentiles(&format!("{}, first token", cohort.cohort), &cohort.first_token));
            }
        }
        Section::of("Latency of the upstream", rows)
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
pub(super) fn labelled(failures: &Failures) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (FailedAs { upstream, cause, status }, attempts) in failures {
        let status = if *cause == Cause::Upstream402.name() { String::new() } else { format!(" ({status})") };
        *sums.entry(format!("failed at {upstream}: {cause}{status}")).or_default() += attempts;
    }
    sums
}

/// Failures by cause, wherever they were.
pub(super) fn by_cause(failures: &Failures) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (alike, attempts) in failures {
        *sums.entry(alike.cause.clone()).or_default() += attempts;
    }
    sums
}

pub(super) fn sum<'a>(counts: impl Iterator<Item = &'a BTreeMap<String, u64>>) -> BTreeMap<String, u64> {
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
            let page = section::text(&Mean::of(outcome).money());
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

    /// The same gain and loss alike; of several runs the mean, with the halves that it falls on.
    #[test]
    fn amounts_are_rounded_half_to_even() {
        let [usd, jpy] = ["USD", "JPY"].map(|code| Currency::from_code(code).unwrap());
        let told = |nanos, runs| amount(nanos, runs, usd);
        assert_eq!([told(5_000_000, 1), told(15_000_000, 1), told(-15_000_000, 1)], ["$0.00", "$0.02", "-$0.02"]);
        assert_eq!([told(30_000_000, 2), told(30_000_001, 2), told(-25_000_000, 10)], ["$0.02", "$0.02", "$0.00"]);
        assert_eq!([told(i128::from(i64::MAX), 1), told(25_000_001, 1)], ["$9,223,372,036.85", "$0.03"]);
        assert_eq!([amount(1_500_000, 1, jpy), amount(2_500_000, 1, jpy)], ["¥2", "¥2"]);
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
    fn a_sparkline_shows_what_is_there_at_all() {
        assert_eq!(sparkline(&[0, 1, 50, 100]).unwrap(), " ▁▄█");
        assert_eq!(sparkline(&[0, 0]), None);
        assert_eq!(sparkline(&[7]), None);
    }
}
