//! A renewal day: everybody subscribed on 1 March, and on 1 April the processor is down for the first two hours. Cards are
//! without money for ten days and with it for twenty, in turn.

use super::story::monthly;
use super::{days, play_all, poisson, scenario, secs, world};
use crate::billing::account::Status;
use crate::billing::ledger::{LedgerAccount, Movement};
use crate::billing::tally::Count;
use crate::distribution::Distribution;
use crate::draw::Chance;
use crate::log;
use crate::model::{Breaks, Card, Cohort, Fault, Funds, Joined, Scenario, Webhooks};
use crate::outcome::Outcome;
use crate::sim::Scratch;
use crate::time::{HOUR, SECOND, Span};

const BROKE: u64 = 10;
const FUNDED: u64 = 20;
const GAPS: [u64; 3] = [3, 5, 7];

fn renewal_day(consumers: u32, webhooks: Webhooks) -> Scenario {
    let mut cohort = Cohort::new("all", consumers, poisson(days(400)));
    cohort.joined = Joined::Start;
    cohort.card = Some(Card { funds: Some(Funds { broke: days(BROKE), funded: days(FUNDED) }), ..Card::good() });
    let mut scenario = scenario(days(31 + GAPS.iter().sum::<u64>() + 2), monthly("30"), cohort);
    scenario.payments.dunning.retries = GAPS.map(days).to_vec();
    scenario.payments.webhooks = webhooks;
    let lasts = Span::from_ns(2 * HOUR);
    scenario.faults = vec![Fault { at: days(31), lasts, breaks: Breaks::ProcessorDown }];
    scenario
}

/// As a processor sends them on an ordinary day.
fn ordinary() -> Webhooks {
    Webhooks {
        delay: Distribution::Exponential { mean: 5.0 * SECOND as f64 },
        duplicate: Chance::of(1, 100),
        reorder: Chance::of(1, 100),
        lose: Chance::of(1, 100),
        ..Webhooks::default()
    }
}

/// The chance that a card which had no money (`had`: or had) has some so many days later: α/(α+β)·(1−e^(−(α+β)g)), and what
/// is left of having had it.
fn funded_after(gap: f64, had: bool) -> f64 {
    let (alpha, beta) = (1.0 / BROKE as f64, 1.0 / FUNDED as f64);
    let (share, left) = (alpha / (alpha + beta), libm::exp(-(alpha + beta) * gap));
    if had { share + (1.0 - share) * left } else { share * (1.0 - left) }
}

/// Whether a count of so many trials is what this chance makes probable: five deviations of a binomial on each side.
fn is_probable(count: u64, of: u64, chance: f64) {
    let (mean, deviation) = (of as f64 * chance, (of as f64 * chance * (1.0 - chance)).sqrt());
    assert!((count as f64 - mean).abs() <= 5.0 * deviation, "{count} of {of}, expected {mean:.0} ± {deviation:.1}");
}

/// Nobody is charged twice and nobody forgotten: whoever was paid for has paid two fees, everybody else has been tried to the
/// end of dunning, and is canceled.
fn everybody_once(scenario: &Scenario) {
    let world = world(scenario.clone());
    let (fee, scratch) = (super::dollars(30), &mut Scratch::default());
    for consumer in world.consumers() {
        let account = log::record(&world, consumer, scratch).unwrap().account;
        account.check();
        let (captured, status) = (account.books().moved(Movement::Capture), account.status());
        let attempts = account.tally().of(Count::Attempts);
        match status {
            Status::Active => assert_eq!(captured.nanos(), 2 * fee.nanos()),
            Status::Canceled => {
                assert_eq!((captured, account.books().moved(Movement::WriteOff)), (fee, fee));
                // The first payment, two errors, the first decline, and each retry.
                assert_eq!(attempts, 1 + 2 + 1 + GAPS.len() as u64);
            }
            other => panic!("{consumer:?} is {other:?}"),
        }
        assert_eq!(account.tally().of(Count::Errors), 2);
    }
}

fn is_balanced(outcome: &Outcome, consumers: u64) {
    let cohort = &outcome.cohorts[0];
    let of = |count| cohort.count(count);
    assert_eq!(LedgerAccount::ALL.map(|account| outcome.balance(account)).iter().sum::<i128>(), 0);
    assert_eq!((outcome.balance(LedgerAccount::Receivable), of(Count::Errors)), (0, 2 * consumers));
    let paid: u64 = cohort.paid_by_attempt.iter().sum();
    assert_eq!(paid + of(Count::Exhausted), 2 * consumers, "each of two invoices is paid, or was tried to the end");
    assert_eq!(cohort.moved(Movement::Capture), i128::from(paid) * i128::from(super::dollars(30).nanos()));
    assert_eq!(cohort.moved(Movement::WriteOff), i128::from(of(Count::Exhausted)) * 30_000_000_000);
}

/// The recovery curve by attempt is that of the two-state card, from the moment at which the processor was back.
fn recovers_by_the_formula(outcome: &Outcome, consumers: u64) {
    let paid = &outcome.cohorts[0].paid_by_attempt;
    let first = paid[0] - consumers;
    is_probable(first, consumers, funded_after(31.0 + 2.0 / 24.0, true));
    let mut left = consumers - first;
    for (gap, recovered) in GAPS.into_iter().zip(&paid[1..]) {
        is_probable(*recovered, left, funded_after(gap as f64, false));
        left -= recovered;
    }
    assert_eq!(left, outcome.cohorts[0].count(Count::Exhausted));
}

fn holds(consumers: u32, webhooks: &Webhooks) {
    let outcome = play_all(&world(renewal_day(consumers, webhooks.clone())));
    is_balanced(&outcome, consumers.into());
    recovers_by_the_formula(&outcome, consumers.into());
}

#[test]
fn an_outage_on_renewal_day_charges_everybody_once() {
    for webhooks in [Webhooks::default(), ordinary()] {
        holds(4_000, &webhooks);
        everybody_once(&renewal_day(500, webhooks));
    }
}

/// The curve is one of three attempts and of their gaps: with others it fails.
#[test]
#[should_panic(expected = "expected")]
fn the_curve_is_not_that_of_other_gaps() {
    let mut scenario = renewal_day(4_000, Webhooks::default());
    scenario.payments.dunning.retries = [4, 5, 6].map(days).to_vec();
    recovers_by_the_formula(&play_all(&world(scenario)), 4_000);
}

#[test]
#[ignore = "it takes some seconds"]
fn a_hundred_thousand_renew_on_one_day() {
    holds(100_000, &Webhooks::default());
    holds(100_000, &ordinary());
    everybody_once(&renewal_day(100_000, ordinary()));
}

/// The two hours are what the errors come of: without them there are none.
#[test]
fn without_the_outage_there_is_no_error() {
    let mut scenario = renewal_day(100, Webhooks::default());
    scenario.faults[0].lasts = secs(0);
    let outcome = play_all(&world(scenario));
    assert_eq!(outcome.cohorts[0].count(Count::Errors), 0);
}
