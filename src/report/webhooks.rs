//! What came of hearing of payments by webhook, as a page for the terminal and as a table. Nothing where everything was heard
//! at once.

use farebox_engine::billing::tally::Count;
use farebox_engine::money::thousands;
use farebox_engine::outcome::{CohortOutcome, Heard, Outcome};

use super::section::{Row, Section, row};
use super::text::duration;

/// What is counted of webhooks.
pub(super) const COUNTS: [Count; 8] = [
    Count::Events,
    Count::Deliveries,
    Count::Duplicates,
    Count::Stale,
    Count::Reconciled,
    Count::Unheard,
    Count::WronglyBlocked,
    Count::WronglyServed,
];

/// Whether any cohort has heard by webhook.
pub(super) fn is_any(outcome: &Outcome) -> bool {
    outcome.replications().flatten().any(|cohort| cohort.count(Count::Events) > 0)
}

/// The section: figures are means over so many runs, of which the outcome is the sum.
pub(super) fn section(sum: &Outcome, runs: u64) -> Option<Section> {
    is_any(sum).then(|| Section { title: "Webhooks".to_owned(), rows: rows(&sum.cohorts, runs) })
}

fn rows(cohorts: &[CohortOutcome], runs: u64) -> Vec<Row> {
    let of = |count: Count| cohorts.iter().map(|cohort| cohort.count(count)).sum::<u64>();
    let each = |count: u64| thousands(((count + runs / 2) / runs).into());
    let heard = Heard::sum(cohorts.iter().map(|cohort| &cohort.heard));
    let mean = of(Count::Deliveries) as f64 / of(Count::Events) as f64;
    let again = format!(
        "{mean:.2} an event; {} were known, {} out of date",
        each(of(Count::Duplicates)),
        each(of(Count::Stale))
    );
    let mut rows = vec![
        row("events at the processor", each(of(Count::Events)), "what had become of payments"),
        row("deliveries", each(of(Count::Deliveries)), again),
        row("found by asking", each(of(Count::Reconciled)), "no webhook had told of them by then"),
        row("not heard of by the end", each(of(Count::Unheard)), ""),
    ];
    if let Some((p50, p99)) = heard.quantile(0.5).zip(heard.quantile(0.99)) {
        let mean = duration((heard.late_ns.0 / i128::from(heard.events())) as u64);
        rows.push(row("heard of after", mean, format!("on average, p50 {}, p99 {}", duration(p50), duration(p99))));
    }
    let wrong = |label, ns: i128, count, why| {
        let note = format!("of {}: {why}", consumers(of(count), runs));
        (ns > 0).then(|| row(label, duration((ns / i128::from(runs)) as u64), note))
    };
    let blocked = heard.wrongly_blocked_ns.0;
    rows.extend(wrong(
        "wrongly blocked",
        blocked,
        Count::WronglyBlocked,
        "paid, and refused until that was heard of, or to the end",
    ));
    let served = heard.wrongly_served_ns.0;
    rows.extend(wrong("wrongly served", served, Count::WronglyServed, "not paid, and served until that was heard of"));
    rows
}

fn consumers(count: u64, runs: u64) -> String {
    super::text::counted((count + runs / 2) / runs, "consumer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use farebox_engine::model::{Arrivals, Cohort, Plan, Scenario};
    use farebox_engine::outcome::Nanos;
    use farebox_engine::record::Recorder;
    use farebox_engine::time::{DAY, HOUR, SECOND, Span};

    fn outcome() -> Outcome {
        let mut scenario = Scenario::new("late", Span::from_ns(30 * DAY));
        scenario.plans.push(Plan::new("pro"));
        scenario.cohorts.push(Cohort::new("all", 10, Arrivals::Poisson { mean_gap_ns: 1e9, spread: None }));
        Outcome::new(&scenario, 30 * DAY, &Recorder::new(1), &[vec![[0, 10]]])
    }

    fn render(outcome: &Outcome) -> String {
        section(&outcome.summed(), outcome.replication_count()).map_or_else(String::new, |section| section.text())
    }

    #[test]
    fn what_is_heard_at_once_has_no_page() {
        assert_eq!(render(&outcome()), "");
    }

    #[test]
    fn a_page_says_how_late_and_how_wrong() {
        let mut outcome = outcome();
        let cohort = &mut outcome.cohorts[0];
        let counts = [
            ("events", 10),
            ("deliveries", 12),
            ("duplicates", 3),
            ("reconciled", 1),
            ("wrongly_blocked", 2),
            ("wrongly_served", 1),
        ];
        cohort.counts = counts.map(|(name, n)| (name.to_owned(), n)).into();
        cohort.heard = Heard {
            late: vec![[2 * SECOND, 9], [HOUR, 1]],
            late_ns: Nanos(i128::from(HOUR)),
            late_max_ns: HOUR - 5 * SECOND,
            wrongly_blocked_ns: Nanos(i128::from(5 * HOUR)),
            wrongly_served_ns: Nanos(i128::from(3 * SECOND)),
        };
        let expected = "
Webhooks
  events at the processor        10  what had become of payments
  deliveries                     12  1.20 an event; 3 were known, 0 out of date
  found by asking                 1  no webhook had told of them by then
  not heard of by the end         0
  heard of after           6.00 min  on average, p50 2.00 s, p99 59.92 min
  wrongly blocked            5.00 h  of 2 consumers: paid, and refused until that was heard of, or to the end
  wrongly served             3.00 s  of 1 consumer: not paid, and served until that was heard of
";
        assert_eq!(render(&outcome), expected);
        let other = outcome.clone().as_replication(1, 1);
        outcome.stack(other).unwrap();
        assert_eq!(render(&outcome), expected, "the mean of two that are alike");
    }
}
