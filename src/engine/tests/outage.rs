//! A payment processor that is down or slow for a while. Stories begin on 1 March 2026; the renewal of a monthly fee of
//! $30 falls on day 31.

use std::cell::Cell;

use super::drawn::{self, Dice};
use super::payments::{Played, one};
use super::story::{first, hours, monthly, per_unit, usd};
use super::{days, dollars, for_each_seed, play_all, secs, world};
use crate::billing::account::Status;
use crate::billing::cause::Cause;
use crate::billing::ledger::Movement;
use crate::billing::tally::Count;
use crate::distribution::Distribution;
use crate::model::{Breaks, Fault, Joined, Plan, Prepaid, Scenario, TopUp};
use crate::money::Money;
use crate::time::{HOUR, SECOND, Span};

fn down(at: Span, lasts: Span) -> Fault {
    Fault { at, lasts, breaks: Breaks::ProcessorDown }
}

fn slow(at: Span, lasts: Span, factor: f64) -> Fault {
    Fault { at, lasts, breaks: Breaks::ProcessorSlow { factor } }
}

fn with(plan: Plan, faults: &[Fault]) -> Scenario {
    Scenario { faults: faults.to_vec(), ..one(plan) }
}

fn counted(played: &Played, count: Count) -> u64 {
    played.party.account().tally().of(count)
}

fn just_before(at: Span) -> Span {
    Span::from_ns(at.ns() - 1)
}

// === Invoices ===

/// Down from an hour before the renewal to five hours after it: attempts at 0, 1, 2, 3 and 4 hours are errors, that at 5
/// hours is paid, because the outage is over at its end. There is no grace, and none is needed: an error is no decline.
#[test]
fn a_renewal_inside_an_outage_is_paid_after_it_and_nobody_notices() {
    let begins = Span::from_ns(days(31).ns() - HOUR);
    let mut played = Played::new(with(monthly("30"), &[down(begins, hours(6))]));
    assert!(played.is_served(days(31)));
    played.until(just_before(days(31) + hours(5)));
    assert!(played.is_served(just_before(days(31) + hours(5))));
    assert_eq!((played.party.account().status(), played.moved(Movement::Capture)), (Status::Active, dollars(30)));
    assert_eq!(played.moved(Movement::Invoice), dollars(60));
    played.until(days(31) + hours(5));
    assert_eq!((played.party.account().status(), played.moved(Movement::Capture)), (Status::Active, dollars(60)));
    let counts = [Count::Attempts, Count::Errors, Count::Declined].map(|count| counted(&played, count));
    assert_eq!(counts, [7, 5, 0]);
    // Both were paid at the first attempt that the processor answered: dunning has recovered nothing.
    assert_eq!(played.party.account().tally().paid_by_attempt[..2], [2, 0]);
    // Charged once, and next a month later.
    played.until(days(61));
    assert_eq!(played.moved(Movement::Capture), dollars(90));
    assert_eq!(counted(&played, Count::Attempts), 8);
}

/// One who subscribes while the processor is down for six hours is refused until it is back: nobody has paid yet.
#[test]
fn a_sign_up_inside_an_outage_waits_for_its_end() {
    let mut played = Played::new(with(monthly("30"), &[down(Span::ZERO, hours(6))]));
    assert_eq!(played.refused(secs(1)), Cause::FirstPaymentFailed);
    assert_eq!(played.refused(just_before(hours(6))), Cause::FirstPaymentFailed);
    assert!(played.is_served(hours(6)));
    assert_eq!((played.moved(Movement::Capture), counted(&played, Count::Errors)), (dollars(30), 6));
}

/// A first payment is waited for 23 hours; an outage that is longer loses the sign-up, and its invoice is void.
#[test]
fn a_sign_up_is_lost_to_an_outage_of_more_than_23_hours() {
    let mut played = Played::new(with(monthly("30"), &[down(Span::ZERO, hours(24))]));
    played.until(days(3));
    assert_eq!(played.party.account().status(), Status::IncompleteExpired);
    assert_eq!((played.moved(Movement::Void), played.moved(Movement::Capture)), (dollars(30), Money::ZERO));
}

/// Thirty errors in a row on one invoice: the card networks have seen none of them, and charge for none.
#[test]
fn errors_do_not_count_against_the_networks_limit() {
    let mut scenario = with(monthly("30"), &[down(days(31), hours(30))]);
    scenario.payments.fees.excess_retry = usd("0.15");
    let mut played = Played::new(scenario);
    played.until(days(40));
    assert_eq!((counted(&played, Count::Errors), counted(&played, Count::Attempts)), (30, 32));
    assert_eq!((counted(&played, Count::Excess), played.moved(Movement::FeeExcess)), (0, Money::ZERO));
    assert_eq!(played.moved(Movement::Capture), dollars(60));
}

// === Credit ===

/// Two dollars, a dollar a call, two more are bought when less than one is left. Used up while the processor is down, at
/// half past: asked for then and every hour, and there at half past the hour after its end.
#[test]
fn a_top_up_inside_an_outage_is_made_within_the_hour_after_it() {
    let top_up = TopUp { below: usd("1"), add: usd("2"), at_most: Some(1) };
    let prepaid = Prepaid { auto_top_up: Some(top_up), ..Prepaid::opening(dollars(2)) };
    let plan = Plan { prepaid: Some(prepaid), prices: first(per_unit("1")), ..Plan::new("prepaid") };
    let mut played = Played::new(with(plan, &[down(days(1), hours(4))]));
    let half_past = |hour: u64| days(1) + hours(hour) + secs(1_800);
    assert!(played.is_served(half_past(0)) && played.is_served(half_past(0)));
    assert_eq!(played.refused(just_before(half_past(4))), Cause::CreditExhausted);
    assert_eq!((counted(&played, Count::Errors), counted(&played, Count::TopUps)), (4, 0));
    assert!(played.is_served(half_past(4)));
    assert_eq!((counted(&played, Count::TopUps), played.moved(Movement::Capture)), (1, dollars(2)));
}

// === Slow ===

/// An answer takes ten minutes, and 120 of what is asked in a slow hour: so does the first payment, long after that hour.
/// Two faults at once multiply.
#[test]
fn what_is_asked_of_a_slow_processor_takes_so_many_times_as_long() {
    let mut scenario = with(monthly("30"), &[slow(Span::ZERO, hours(1), 12.0)]);
    scenario.payments.processor.latency = Distribution::Constant(600.0 * SECOND as f64);
    let mut played = Played::new(scenario.clone());
    assert_eq!(played.refused(just_before(hours(2))), Cause::FirstPaymentFailed);
    assert!(played.is_served(hours(2)));
    // The renewal is asked for when the hour is long over.
    played.until(days(31) + secs(600));
    assert_eq!(played.moved(Movement::Capture), dollars(60));

    scenario.faults.push(slow(Span::ZERO, secs(1), 1.5));
    let mut played = Played::new(scenario);
    assert_eq!(played.refused(just_before(hours(3))), Cause::FirstPaymentFailed);
    assert!(played.is_served(hours(3)));
}

// === Whatever happens ===

/// In a scenario where every card is good, outages that end some time before the end change nothing but when money comes:
/// nobody is charged twice, nobody is forgotten, nobody is refused, and every amount is the same to the nano.
#[test]
fn after_an_outage_everything_is_paid_once() {
    let delayed = Cell::new(0);
    for_each_seed(16_000..16_150, |seed| {
        let mut scenario = drawn::calm(seed);
        for cohort in &mut scenario.cohorts {
            // Whoever signs up inside an outage is refused: a story of its own.
            cohort.joined = Joined::Spread;
        }
        let before = play_all(&world(scenario.clone()));
        let dice = &mut Dice::new(seed);
        for _ in 0..3 {
            let lasts = hours(dice.one_of(&[1, 7, 20]));
            let latest = scenario.horizon.ns() - lasts.ns() - 2 * HOUR;
            scenario.faults.push(down(Span::from_ns(dice.below(latest)), lasts));
        }
        let after = play_all(&world(scenario));
        for (before, after) in before.cohorts.iter().zip(&after.cohorts) {
            let errors = after.count(Count::Errors);
            assert_eq!(before.count(Count::Attempts) + errors, after.count(Count::Attempts));
            for count in Count::ALL.into_iter().filter(|count| !matches!(count, Count::Attempts | Count::Errors)) {
                assert_eq!(before.count(count), after.count(count), "{count:?}");
            }
            for movement in Movement::ALL {
                assert_eq!(before.moved(movement), after.moved(movement), "{movement:?}");
            }
            assert_eq!((&before.refused, before.served), (&after.refused, after.served));
            delayed.set(delayed.get() + errors);
        }
    });
    assert!(delayed.get() > 100, "only {} payments met an outage", delayed.get());
}
