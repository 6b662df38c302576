//! What a refused client is told: whether time alone helps. Stories begin on 1 March 2026.

use super::payments::{ALWAYS, Played, one};
use super::story::{first, hours, monthly, per_unit, usd};
use super::{days, dollars, secs};
use crate::billing::cause::Cause;
use crate::billing::decline::Decline;
use crate::distribution::Distribution;
use crate::model::{Act, Breaks, Card, Dunning, Fault, Finally, Length, Period, Plan, Prepaid, Scenario};
use crate::time::{SECOND, Span};

/// The processor thinks for ten minutes.
fn slowly(plan: Plan) -> Scenario {
    let mut scenario = one(plan);
    scenario.payments.processor.latency = Distribution::Constant(600.0 * SECOND as f64);
    scenario
}

fn declined(mut scenario: Scenario) -> Scenario {
    scenario.cohorts[0].card = Some(Card::declining(ALWAYS()));
    scenario
}

/// Nothing is to be done about a payment that the processor has not answered yet, or that it has answered and no webhook has
/// told of; one that was declined no waiting pays.
#[test]
fn a_first_payment_that_is_under_way_is_waited_for() {
    let mut unheard = one(monthly("30"));
    unheard.payments.webhooks.delay = Distribution::Constant(600.0 * SECOND as f64);
    for scenario in [slowly(monthly("30")), unheard] {
        let mut played = Played::new(scenario.clone());
        assert_eq!(played.refused(secs(1)), Cause::FirstPaymentFailed);
        assert_eq!(played.told_to_wait(secs(1), Cause::FirstPaymentFailed), Some(1));
        assert!(played.is_served(secs(601)), "nobody has done anything");
        let mut played = Played::new(declined(scenario));
        assert_eq!(played.told_to_wait(secs(599), Cause::FirstPaymentFailed), Some(1));
        assert_eq!(played.refused(secs(601)), Cause::FirstPaymentFailed);
        assert_eq!(played.told_to_wait(secs(601), Cause::FirstPaymentFailed), None);
    }
}

/// The processor is down until half past one, and is asked again every hour: whoever signs up at 0:00 is served from 2:00
/// on. At the very end of a wait it is a second.
#[test]
fn a_first_payment_that_the_processor_could_not_answer_is_made_again() {
    let mut scenario = one(monthly("30"));
    scenario.faults = vec![Fault { at: Span::ZERO, lasts: secs(5_400), breaks: Breaks::ProcessorDown }];
    let mut played = Played::new(scenario);
    assert_eq!(played.refused(secs(600)), Cause::FirstPaymentFailed);
    let first = Cause::FirstPaymentFailed;
    assert_eq!([600, 3_600, 7_199].map(|at| played.told_to_wait(secs(at), first)), [Some(3_000), Some(3_600), Some(1)]);
    assert!(played.is_served(hours(2)));
}

/// The fee after a trial is declined, and there is no grace. A new card is tried for ten minutes, whether the dunning run
/// goes on or has ended.
#[test]
fn what_is_due_is_waited_for_while_a_new_card_is_tried() {
    for (retries, cause) in [(vec![days(3)], Cause::PastDue), (Vec::new(), Cause::Unpaid)] {
        let plan = Plan { trial: Some(Length::Exact(days(1))), ..monthly("30") };
        let mut scenario = declined(slowly(plan));
        scenario.payments.dunning = Dunning { retries, finally: Finally::Unpaid, ..Dunning::default() };
        let mut played = Played::new(scenario);
        let then = |seconds: u64| days(1) + secs(seconds);
        assert_eq!(played.refused(then(601)), cause);
        assert_eq!(played.told_to_wait(then(601), cause), None);
        played.does(then(700), Act::FixCard);
        assert_eq!(played.refused(then(701)), cause);
        assert_eq!(played.told_to_wait(then(1_299), cause), Some(1));
        // That card is no better.
        assert_eq!(played.told_to_wait(then(1_301), cause), None);
    }
}

/// A dollar of credit, and a dollar a call. While more is bought, waiting helps; what a card was declined for is
/// remembered until there is another one.
#[test]
fn credit_that_is_bought_is_waited_for_and_a_declined_card_remembered() {
    let plan =
        || Plan { prepaid: Some(Prepaid::opening(dollars(1))), prices: first(per_unit("1")), ..Plan::new("prepaid") };
    let short = Cause::CreditExhausted;
    let mut played = Played::new(declined(slowly(plan())));
    let declined = |played: &Played| played.party.account().credit_declined();
    assert!(played.is_served(secs(1)));
    assert_eq!((played.refused(secs(2)), played.told_to_wait(secs(2), short)), (short, None));
    played.does(secs(3), Act::TopUp(dollars(1)));
    assert_eq!((played.told_to_wait(secs(4), short), declined(&played)), (Some(1), None));
    assert_eq!((played.told_to_wait(secs(604), short), declined(&played)), (None, Some(Decline::DoNotHonor)));
    played.does(secs(700), Act::FixCard);
    assert_eq!(declined(&played), None, "another card may pay");
    // What the processor could not answer says nothing of a card.
    let mut broken = slowly(plan());
    broken.faults = vec![Fault { at: Span::ZERO, lasts: days(1), breaks: Breaks::ProcessorDown }];
    let mut played = Played::new(broken);
    played.does(secs(3), Act::TopUp(dollars(1)));
    assert_eq!((played.told_to_wait(secs(604), short), declined(&played)), (None, None));
}

/// The spend cap of a day is new with the next one, as its allowance is.
#[test]
fn a_spend_cap_is_waited_for_as_an_allowance_is() {
    let plan = Plan {
        spend_cap: Some(usd("1")),
        usage_period: Some(Period::Day),
        prices: first(per_unit("1")),
        ..Plan::new("capped")
    };
    let mut played = Played::new(one(plan));
    assert!(played.is_served(secs(1)));
    assert_eq!(played.refused(secs(600)), Cause::SpendCap);
    let told = [Cause::SpendCap, Cause::QuotaExhausted].map(|cause| played.told_to_wait(secs(600), cause));
    assert_eq!(told, [Some(85_800); 2]);
    assert!(played.is_served(days(1)));
}
