//! What comes of not paying, as pages for the terminal: days blocked, what was recovered and when, how long it took to be
//! served again, and what refused calls would have been worth; and who was reminded before it came to that. Of several
//! replications every figure is the mean.

use std::collections::BTreeMap;

use farebox_engine::billing::price;
use farebox_engine::billing::tally::{Count, RECOVERY_DAYS};
use farebox_engine::money::{Currency, thousands};
use farebox_engine::outcome::{CohortOutcome, Demand, Dunned, Outcome, pooled, quantile};
use farebox_engine::time::DAY;

use super::section::{Row, Section, row};
use super::text::{counted, currency, duration};

/// All sections, of so many runs, of which the outcome is the sum; nothing of what has not happened.
pub(super) fn sections(sum: &Outcome, runs: u64) -> Vec<Section> {
    let all = [
        Section::of("Reminders", reminded(&sum.cohorts, runs)),
        Section::of("Refused until paid", blocked(&sum.cohorts, runs)),
        Section::of("Refused demand, at list price", demand(sum, runs)),
    ];
    all.into_iter().flatten().collect()
}

/// What a count over all replications is in each, rounded.
fn each(count: u64, runs: u64) -> u64 {
    (count + runs / 2) / runs
}

// === Reminders ===

/// A row per kind of reminder that was sent.
fn reminded(cohorts: &[CohortOutcome], runs: u64) -> Vec<Row> {
    let of = |count: Count| cohorts.iter().map(|cohort| cohort.count(count)).sum::<u64>();
    let kinds = [
        (
            "before a card ends",
            Count::CardReminders,
            Count::CardRemindersHeeded,
            "new card",
            "before the old one had ended",
        ),
        (
            "before a trial ends",
            Count::TrialReminders,
            Count::TrialRemindersHeeded,
            "payment method",
            "before the trial had ended",
        ),
    ];
    let sent = kinds.into_iter().filter(|(_, sent, ..)| of(*sent) > 0);
    sent.map(|(label, sent, heeded, brought, in_time)| {
        let brought = counted(each(of(heeded), runs), brought);
        row(label, thousands(each(of(sent), runs).into()), format!("brought {brought} {in_time}"))
    })
    .collect()
}

// === Refused until paid ===

fn blocked(cohorts: &[CohortOutcome], runs: u64) -> Vec<Row> {
    let of = |count: Count| cohorts.iter().map(|cohort| cohort.count(count)).sum::<u64>();
    let dunned = Dunned::sum(cohorts.iter().map(|cohort| &cohort.dunned));
    let mut rows = Vec::new();
    if of(Count::Blocked) > 0 {
        let (days, consumers) = (dunned.blocked_ns.0 as f64 / DAY as f64, of(Count::Blocked));
        let note = format!(
            "for unpaid invoices, of {}: {:.2} each",
            counted(each(consumers, runs), "consumer"),
            days / consumers as f64
        );
        let days = if days / runs as f64 >= 0.05 { tenths(days / runs as f64) } else { "< 0.1".to_owned() };
        rows.push(row("days blocked", days, note));
    }
    if dunned.recovered() > 0 {
        let count = thousands(each(dunned.recovered(), runs).into());
        rows.push(row("invoices recovered", count, recovered(&dunned, of(Count::RecoveredByCard), runs)));
    }
    let took = pooled(cohorts.iter().map(|cohort| cohort.first_success.as_slice()));
    if let Some([longest, _]) = took.last() {
        let times = took.iter().map(|[_, times]| times).sum();
        let of = |q| quantile(&took, q).map_or_else(String::new, duration);
        let (p50, p90, p99) = (of(0.5), of(0.9), of(0.99));
        let note = format!("after p50 {p50}, p90 {p90}, p99 {p99}, at most {}", duration(*longest));
        rows.push(row("served again after paying", thousands(each(times, runs).into()), note));
    }
    if of(Count::NotBack) > 0 {
        rows.push(row("paid, and not back by the end", thousands(each(of(Count::NotBack), runs).into()), ""));
    }
    rows
}

/// How long it took, and how often it was a new card.
fn recovered(dunned: &Dunned, by_card: u64, runs: u64) -> String {
    let mean = dunned.recovered_ns.0 as f64 / DAY as f64 / dunned.recovered() as f64;
    let day = |q| dunned.quantile(q).map_or_else(|| format!("{RECOVERY_DAYS} or more"), |day| day.to_string());
    let card = match each(by_card, runs) {
        0 => String::new(),
        cards => format!("; {} at once with a new card", thousands(cards.into())),
    };
    format!("{mean:.2} days after the first failed attempt on average, p50 {}, p90 {}{card}", day(0.5), day(0.9))
}

/// A number with its thousands apart and one decimal.
fn tenths(value: f64) -> String {
    let tenths = (value * 10.0).round() as u128;
    format!("{}.{}", thousands(tenths / 10), tenths % 10)
}

// === Refused demand ===

/// A row per price of a plan, over all cohorts.
fn demand(sum: &Outcome, runs: u64) -> Vec<Row> {
    let mut by_price: BTreeMap<(&str, u32, &str), Demand> = BTreeMap::new();
    for row in sum.cohorts.iter().flat_map(|cohort| &cohort.refused_demand) {
        let known = by_price.entry((&row.plan, row.version, &row.meter));
        known.and_modify(|sum| sum.units += row.units).or_insert_with(|| row.clone());
    }
    by_price.values().map(|demand| priced(demand, currency(sum), runs)).collect()
}

fn priced(demand: &Demand, currency: Currency, runs: u64) -> Row {
    let Demand { plan, version, meter, units, .. } = demand;
    let label = if *version == 0 { plan.clone() } else { format!("{plan}, price version {version}") };
    let units = format!("{} {meter}", thousands(each(*units, runs).into()));
    let Some((value, price)) = demand.value().zip(demand.price) else {
        return row(label, "-", format!("{units}: the plan states no price of one"));
    };
    let minor = i128::from(price::minor_unit(currency));
    let each = minor * i128::from(runs);
    let mean = (value + each / 2).div_euclid(each) * minor;
    let per = if price.per == 1 { "each".to_owned() } else { format!("per {}", thousands(price.per.into())) };
    row(label, currency.display(mean).to_string(), format!("{units} at {} {per}", currency.display(price.amount.0)))
}

#[cfg(test)]
mod tests {
    use super::super::section;
    use super::*;
    use farebox_engine::model::{Arrivals, Cohort, Plan, Scenario};
    use farebox_engine::outcome::{ListPrice, Nanos};
    use farebox_engine::record::Recorder;
    use farebox_engine::time::{HOUR, Span};

    fn outcome() -> Outcome {
        let mut scenario = Scenario::new("unpaid", Span::from_ns(30 * DAY));
        scenario.plans.push(Plan::new("pro"));
        scenario.cohorts.push(Cohort::new("all", 10, Arrivals::Poisson { mean_gap_ns: 1e9, spread: None }));
        Outcome::new(&scenario, 30 * DAY, &Recorder::new(1), &[vec![[0, 10]]])
    }

    fn unpaid() -> Outcome {
        let mut outcome = outcome();
        let cohort = &mut outcome.cohorts[0];
        cohort.counts =
            [("blocked", 4), ("recovered_by_card", 2), ("not_back", 6)].map(|(name, n)| (name.into(), n)).into();
        cohort.dunned.blocked_ns = Nanos(i128::from(9 * DAY));
        cohort.dunned.recovered_by_day = vec![0, 0, 0, 2, 0, 0, 0, 0, 2];
        cohort.dunned.recovered_ns = Nanos(i128::from(23 * DAY));
        cohort.first_success = vec![[3 * HOUR, 2], [5 * DAY, 2]];
        let row =
            |version, units, price| Demand { plan: "pro".into(), version, meter: "requests".into(), units, price };
        let price = ListPrice { amount: Nanos(49_000_000_000), per: 100_000 };
        cohort.refused_demand = vec![row(0, 12_000, Some(price)), row(1, 5_000, None)];
        outcome
    }

    fn render(outcome: &Outcome) -> String {
        section::text(&sections(&outcome.summed(), outcome.replication_count()))
    }

    #[test]
    fn what_has_not_happened_is_not_shown() {
        assert_eq!(render(&outcome()), "");
    }

    #[test]
    fn a_page_says_who_was_reminded_and_what_it_brought() {
        let mut outcome = outcome();
        outcome.cohorts[0].counts = [("card_reminders", 1_500), ("card_reminders_heeded", 1), ("trial_reminders", 40)]
            .map(|(name, n)| (name.into(), n))
            .into();
        let expected = "
Reminders
  before a card ends   1,500  brought 1 new card before the old one had ended
  before a trial ends     40  brought 0 payment methods before the trial had ended
";
        assert_eq!(render(&outcome), expected);
    }

    #[test]
    fn a_page_says_what_not_paying_comes_to() {
        let expected = "
Refused until paid
  days blocked                   9.0  for unpaid invoices, of 4 consumers: 2.25 each
  invoices recovered               4  5.75 days after the first failed attempt on average, p50 3, p90 8; 2 at once with a new card
  served again after paying        4  after p50 3.00 h, p90 5.00 days, p99 5.00 days, at most 5.00 days
  paid, and not back by the end    6

Refused demand, at list price
  pro                   $5.88  12,000 requests at $49.00 per 100,000
  pro, price version 1      -  5,000 requests: the plan states no price of one
";
        assert_eq!(render(&unpaid()), expected);
        let mut twice = unpaid();
        let mut other = unpaid().as_replication(1, 1);
        other.cohorts[0].dunned.blocked_ns = Nanos(i128::from(3 * DAY));
        twice.stack(other).unwrap();
        let page = render(&twice);
        assert!(page.contains("   6.0  for unpaid invoices, of 4 consumers: 1.50 each"), "{page}");
        assert!(page.contains("  $5.88  12,000 requests"), "{page}");
    }
}
