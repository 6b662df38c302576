//! Stories about prepaid credit: in which order it burns, when it expires, how it is bought, and what of it is earned.
//! They begin on 1 March 2026.

use super::story::{BROKE, Story, first, hours, monthly, per_unit, usd};
use super::{days, dollars, poisson, scenario, secs};
use crate::billing::account::Status;
use crate::billing::catalog::ONE_REQUEST;
use crate::billing::cause::Cause;
use crate::billing::decline::Answer::{Error, Paid};
use crate::billing::invoice::Purpose;
use crate::billing::ledger::{LedgerAccount, Movement};
use crate::billing::tally::Count;
use crate::model::{Cohort, GrantTerms, Length, Plan, Prepaid, Scenario, TopUp};
use crate::time::{Span, Time};

/// A dollar a call.
fn prepaid(grants: Vec<GrantTerms>, auto_top_up: Option<TopUp>) -> Scenario {
    let prepaid = Prepaid { grants, auto_top_up, credits_expire: None };
    let plan = Plan { prepaid: Some(prepaid), prices: first(per_unit("1")), ..Plan::new("prepaid") };
    scenario(days(800), plan, Cohort::new("one", 1, poisson(days(1))))
}

fn grant(amount: i64, priority: u8, expires: Option<u64>, paid: bool) -> GrantTerms {
    GrantTerms { amount: dollars(amount), priority, expires: expires.map(|n| Length::Exact(days(n))), paid }
}

fn after(span: Span) -> Time {
    Time::START + span
}

/// What is left of each grant, by how much it was, in the order that they burn.
fn left(party: &Story) -> Vec<(i64, i64)> {
    let dollars = |money: crate::money::Money| money.nanos() / 1_000_000_000;
    party.account.grants.iter().map(|grant| (dollars(grant.granted), dollars(grant.remaining))).collect()
}

// === Burning and expiring ===

/// Priority first, then the earlier expiry, then the older grant, whoever paid for it. 2 of priority 0 that last for ever
/// burn before 3 of priority 1 that end on day 10, before 4 and 5 that end on day 20.
#[test]
fn credit_burns_by_priority_then_expiry_then_creation() {
    let grants = vec![
        grant(4, 1, Some(20), true),
        grant(3, 1, Some(10), false),
        grant(2, 0, None, true),
        grant(5, 1, Some(20), false),
    ];
    let mut party = Story::begin(&prepaid(grants, None), &[]);
    // What must be paid for is granted when it is: that of 4 dollars after that of 5, of which both end on day 20.
    assert_eq!(left(&party), [(2, 2), (3, 3), (5, 5), (4, 4)]);
    party.calls(after(days(1)), 7);
    assert_eq!(left(&party), [(5, 3), (4, 4)]);
    assert_eq!((party.moved(Movement::Burn).as_str(), party.moved(Movement::Spend).as_str()), ("$2.00", "$5.00"));
    // Only what was paid for is earned when it burns.
    assert_eq!((party.figure(|f| f.earned).as_str(), party.figure(|f| f.invoiced).as_str()), ("$2.00", "$6.00"));
}

/// At the very moment of its expiry credit is gone: what was paid is breakage, and earned; what was given is not.
#[test]
fn expired_credit_is_breakage() {
    let grants = vec![grant(10, 0, Some(30), true), grant(5, 0, Some(40), false)];
    let mut party = Story::begin(&prepaid(grants, None), &[]);
    party.calls(after(days(1)), 4);
    party.calls(after(days(30)) - Span::from_ns(1), 1);
    party.until(after(days(30)));
    assert_eq!((party.credit().as_str(), party.moved(Movement::Breakage).as_str()), ("$5.00", "$5.00"));
    party.calls(after(days(30)), 1);
    assert_eq!(party.refused(after(days(40))), Cause::CreditExhausted);
    assert_eq!(party.moved(Movement::Expire), "$4.00");
    assert_eq!(party.figure(|figures| figures.earned), "$10.00");
    assert_eq!(party.holds(LedgerAccount::Prepaid), "$0.00");
}

/// Credit is held for two calls when it expires. One is served and burns it; the other fails, and what comes back has
/// expired.
#[test]
fn held_credit_that_expires_is_still_spent_or_lost() {
    let mut party = Story::begin(&prepaid(vec![grant(3, 0, Some(30), true)], None), &[]);
    let at = after(days(30)) - secs(1);
    let [a, b] = [at, at].map(|at| party.admitted(at).hold);
    party.until(after(days(30)));
    assert_eq!(party.moved(Movement::Breakage), "$1.00");
    party.served(after(days(30)), a, ONE_REQUEST);
    party.failed(after(days(30)), b);
    assert_eq!((party.moved(Movement::Burn).as_str(), party.moved(Movement::Breakage).as_str()), ("$1.00", "$2.00"));
    assert_eq!(party.refused(after(days(31))), Cause::CreditExhausted);
}

/// All of the later grant is held at the moment when the earlier one expires; it comes back, and expires on its own day.
#[test]
fn credit_that_was_held_when_other_credit_expired_expires_too() {
    let grants = vec![grant(1, 0, Some(10), false), grant(1, 1, Some(20), true)];
    let mut party = Story::begin(&prepaid(grants, None), &[]);
    party.calls(after(days(10)) - secs(9), 1);
    let hold = party.admitted(after(days(10)) - secs(1)).hold;
    party.failed(after(days(10)) + secs(1), hold);
    party.until(after(days(20)));
    assert_eq!((party.credit().as_str(), party.moved(Movement::Breakage).as_str()), ("$0.00", "$1.00"));

    let grants = vec![grant(2, 0, Some(10), false), grant(1, 1, Some(20), true)];
    let mut party = Story::begin(&prepaid(grants, None), &[]);
    let holds = [0; 3].map(|_| party.admitted(after(days(10)) - secs(1)).hold);
    for hold in holds {
        party.failed(after(days(10)) + secs(1), hold);
    }
    assert_eq!(party.credit(), "$1.00");
    party.until(after(days(20)));
    assert_eq!((party.credit().as_str(), party.moved(Movement::Breakage).as_str()), ("$0.00", "$1.00"));
}

/// Credit lasts when the subscription ends: nobody can use it, and on its day it is breakage.
#[test]
fn credit_outlives_the_subscription_and_expires() {
    let mut party = Story::begin(&prepaid(vec![grant(10, 0, Some(30), true)], None), &[]);
    party.calls(after(days(1)), 4);
    party.leaves(after(days(2)));
    assert_eq!((party.refused(after(days(2))), party.credit().as_str()), (Cause::Canceled, "$6.00"));
    party.until(after(days(30)));
    assert_eq!(party.moved(Movement::Breakage), "$6.00");
}

/// A hold takes the most that a call can cost from two grants; what it costs burns the first of them first.
#[test]
fn a_hold_may_span_two_grants() {
    let mut scenario = prepaid(vec![grant(2, 0, None, false), grant(5, 1, None, false)], None);
    scenario.cohorts[0].arrivals = crate::model::Arrivals::Trace(crate::model::Trace {
        rows: Vec::new(),
        most: [5, 0, 0, 0],
        ..Default::default()
    });
    let mut party = Story::begin(&scenario, &[]);
    let hold = party.admitted(after(days(1))).hold;
    assert_eq!(left(&party), [(2, 0), (5, 2)]);
    party.served(after(days(1)), hold, [3, 0, 0, 0]);
    assert_eq!(left(&party), [(5, 4)]);
}

/// Whoever was there before brings what they bought: carried, not invoiced, and earned when burnt.
#[test]
fn credit_that_was_bought_before_is_carried() {
    let mut party = Story::existing(&prepaid(vec![grant(3, 0, None, true)], None), &[]);
    party.calls(after(days(1)), 3);
    assert_eq!(party.refused(after(days(1))), Cause::CreditExhausted);
    assert_eq!(party.journal(), [("carry_credit", 3.0), ("hold_prepaid", 3.0), ("burn", 3.0)]);
}

/// Credit that must be paid for at the start, and whose payment is declined, is not there.
#[test]
fn credit_that_is_not_paid_is_not_granted() {
    let mut party = Story::begin(&prepaid(vec![grant(3, 0, None, true), grant(1, 0, None, false)], None), &[BROKE]);
    party.calls(after(days(1)), 1);
    assert_eq!(party.refused(after(days(1))), Cause::CreditExhausted);
    assert_eq!((party.status(), party.figure(|f| f.outstanding).as_str()), (Status::Active, "$0.00"));
}

/// A fee beside credit: the fee is earned by the second, the credit when it burns.
#[test]
fn a_fee_and_credit_are_earned_apart() {
    let mut scenario = prepaid(vec![grant(10, 0, None, true)], None);
    scenario.plans[0] =
        Plan { prepaid: scenario.plans[0].prepaid.clone(), prices: first(per_unit("1")), ..monthly("31") };
    let mut party = Story::begin(&scenario, &[]);
    party.calls(after(days(1)), 4);
    party.close(after(days(10)));
    assert_eq!(
        (party.figure(|f| f.earned_fees).as_str(), party.figure(|f| f.earned_credit).as_str()),
        ("$10.00", "$4.00")
    );
    assert_eq!(party.figure(|f| f.invoiced), "$41.00");
}

// === Top-ups ===

fn topped_up(at_most: Option<u32>) -> Scenario {
    let top_up = TopUp { below: usd("2"), add: usd("10"), at_most };
    prepaid(vec![GrantTerms::opening(dollars(5))], Some(top_up))
}

/// Five dollars. After the third call two are left, which is not below two; after the fourth there is one, and ten are
/// bought. They are a sale of credit: earned when they burn.
#[test]
fn credit_is_bought_when_a_settle_leaves_too_little() {
    let mut party = Story::begin(&topped_up(None), &[]);
    party.calls(after(days(1)), 3);
    party.asks(&[]);
    party.calls(after(days(1)), 1);
    party.asks(&[("2026-03-02", "$10.00")]);
    assert_eq!((party.credit().as_str(), party.count(Count::TopUps)), ("$11.00", 1));
    assert_eq!((party.figure(|f| f.captured).as_str(), party.figure(|f| f.earned).as_str()), ("$10.00", "$0.00"));
    party.calls(after(days(2)), 3);
    assert_eq!(party.figure(|f| f.earned), "$2.00");
}

/// The balance counts what is held as gone: with three in flight of five dollars, the settle of a fourth leaves one.
#[test]
fn what_is_held_is_not_there_for_the_threshold() {
    let mut party = Story::begin(&topped_up(None), &[]);
    let holds = [0; 4].map(|_| party.admitted(after(days(1))).hold);
    party.served(after(days(1)), holds[0], ONE_REQUEST);
    party.until(after(days(1)));
    party.asks(&[("2026-03-02", "$10.00")]);
}

/// It triggers once: while the processor thinks, calls see the old balance, further settles ask for nothing more, and the
/// last dollar is the last.
#[test]
fn a_top_up_under_way_is_not_asked_again() {
    let mut party = Story::begin(&topped_up(None), &[]);
    party.processor_takes_its_time();
    party.calls(after(days(1)), 5);
    assert_eq!(party.waiting.len(), 1);
    assert_eq!(party.refused(after(days(1))), Cause::CreditExhausted);
    party.answer(after(days(1)) + secs(2), Paid);
    assert_eq!(party.credit(), "$10.00");
    party.calls(after(days(1)) + secs(2), 1);
}

/// Two a month from the anchor, 1 March: the third waits for 1 April, and is made then though nobody can call.
#[test]
fn top_ups_are_so_many_a_month() {
    let mut party = Story::begin(&topped_up(Some(2)), &[]);
    party.calls(after(days(1)), 25);
    party.asks(&[("2026-03-02", "$10.00"), ("2026-03-02", "$10.00")]);
    assert_eq!(party.refused(after(days(30))), Cause::CreditExhausted);
    party.calls(after(days(31)), 10);
    party.asks(&[("2026-04-01", "$10.00"), ("2026-04-01", "$10.00")]);
    party.calls(after(days(32)), 10);
    assert_eq!(party.refused(after(days(33))), Cause::CreditExhausted);
}

/// A decline is not dunned: an hour later the next try is made, and again, until one is paid. The subscription is active
/// all the time.
#[test]
fn a_declined_top_up_is_tried_again_after_an_hour() {
    let mut party = Story::begin(&topped_up(None), &[BROKE, Error, Paid]);
    party.calls(after(days(1)), 5);
    assert_eq!(party.refused(after(days(1))), Cause::CreditExhausted);
    assert_eq!(party.status(), Status::Active);
    party.calls(after(days(1) + hours(2)), 1);
    party.asks(&[("2026-03-02", "$10.00"), ("2026-03-02T01:00:00", "$10.00"), ("2026-03-02T02:00:00", "$10.00")]);
    assert_eq!(party.figure(|f| f.outstanding), "$0.00");
}

/// Two a month: what is declined, or meets an error, is none of them. The second that is paid is the last of March.
#[test]
fn only_top_ups_that_are_paid_count_against_the_month() {
    let mut party = Story::begin(&topped_up(Some(2)), &[BROKE, BROKE, Error, Paid, BROKE, Paid]);
    party.calls(after(days(1)), 5);
    assert_eq!(party.refused(after(days(1) + hours(2))), Cause::CreditExhausted);
    party.calls(after(days(1) + hours(3)), 10);
    assert_eq!(party.refused(after(days(1) + hours(3))), Cause::CreditExhausted);
    party.calls(after(days(1) + hours(4)), 10);
    assert_eq!(party.refused(after(days(30))), Cause::CreditExhausted);
    assert_eq!((party.count(Count::TopUps), party.asked().len()), (2, 6));
    party.calls(after(days(31)), 1);
    assert_eq!(party.count(Count::TopUps), 3);
}

/// Asked for on 31 March and paid on 1 April: it is one of April's, which may have one; March has had none.
#[test]
fn a_top_up_belongs_to_the_month_in_which_it_is_paid() {
    let mut party = Story::begin(&topped_up(Some(1)), &[]);
    party.processor_takes_its_time();
    party.calls(after(days(30)), 5);
    party.answer(after(days(31) + secs(1)), Paid);
    party.calls(after(days(40)), 10);
    assert!(party.waiting.is_empty(), "April has had its own");
    party.until(after(days(61)));
    assert_eq!(party.waiting.len(), 1);
}

/// What is bought by hand is none of the automatic ones.
#[test]
fn credit_bought_by_hand_does_not_count_against_the_month() {
    let mut party = Story::begin(&topped_up(Some(1)), &[]);
    party.buys(after(days(1)), "2");
    party.calls(after(days(2)), 7);
    assert_eq!(party.count(Count::TopUps), 2);
    assert_eq!(party.credit(), "$10.00");
}

/// A new card does not wait for the hour.
#[test]
fn a_new_card_tops_up_at_once() {
    let mut party = Story::begin(&topped_up(None), &[BROKE, Paid]);
    party.calls(after(days(1)), 5);
    party.new_card(after(days(1)) + secs(60));
    party.calls(after(days(1)) + secs(60), 1);
    party.asks(&[("2026-03-02", "$10.00"), ("2026-03-02T00:01:00", "$10.00")]);
    assert_eq!(party.credit(), "$9.00");
}

/// Twenty dollars are bought by hand within the hour: when it is over, there is nothing to top up.
#[test]
fn a_top_up_that_is_no_longer_needed_is_not_made() {
    let mut party = Story::begin(&topped_up(None), &[BROKE, Paid]);
    party.calls(after(days(1)), 5);
    party.buys(after(days(1)) + secs(60), "20");
    party.until(after(days(2)));
    let purposes: Vec<_> = party.charged.iter().map(|(_, charge)| charge.purpose).collect();
    assert_eq!(purposes, [Purpose::TopUp(0), Purpose::TopUp(1)]);
    party.asks(&[("2026-03-02", "$10.00"), ("2026-03-02T00:01:00", "$20.00")]);
}

/// Credit that is bought lasts a month where the plan says so; what was granted has a life of its own.
#[test]
fn bought_credit_expires_as_the_plan_says() {
    let mut scenario = topped_up(None);
    scenario.plans[0].prepaid.as_mut().unwrap().credits_expire = Some(Length::Months(1));
    let mut party = Story::begin(&scenario, &[]);
    party.calls(after(days(14)), 4);
    // Ten dollars on 15 March, which burn before the one that lasts for ever.
    party.calls(after(days(20)), 3);
    assert_eq!(party.credit(), "$8.00");
    party.until_date("2026-04-15");
    assert_eq!((party.credit().as_str(), party.moved(Movement::Breakage).as_str()), ("$1.00", "$7.00"));
}

/// Nothing is bought for one who has left, has no card, or is on a plan without credit.
#[test]
fn nothing_is_bought_where_it_cannot_be() {
    let mut party = Story::begin(&topped_up(None), &[]);
    party.leaves(after(days(1)));
    party.buys(after(days(2)), "20");
    party.asks(&[]);

    let mut scenario = topped_up(None);
    scenario.cohorts[0].card = None;
    let mut party = Story::begin(&scenario, &[]);
    party.calls(after(days(1)), 5);
    party.buys(after(days(2)), "20");
    party.until(after(days(9)));
    party.asks(&[]);
    // With a card it is, first of all what the plan would have bought before.
    party.new_card(after(days(10)));
    party.buys(after(days(10)), "20");
    party.asks(&[("2026-03-11", "$10.00"), ("2026-03-11", "$20.00")]);
    assert_eq!(party.credit(), "$30.00");
}

/// The top-up is declined, and the consumer leaves before it is tried again: it is not.
#[test]
fn nobody_tops_up_who_has_left() {
    let mut party = Story::begin(&topped_up(None), &[]);
    party.processor_takes_its_time();
    let hold = party.admitted(after(days(1))).hold;
    party.calls(after(days(1)), 4);
    party.leaves(after(days(1)) + secs(1));
    party.answer(after(days(1)) + secs(2), BROKE);
    party.served(after(days(1)) + secs(3), hold, ONE_REQUEST);
    party.until(after(days(30)));
    assert_eq!((party.charged.len(), party.credit().as_str()), (1, "$0.00"));
}

/// A payment that is charged back takes the credit it bought from nobody; only the money is gone.
#[test]
fn credit_stays_when_its_payment_goes_back() {
    let mut party = Story::begin(&topped_up(None), &[]);
    party.calls(after(days(1)), 4);
    let returns = crate::model::Returns { fee: usd("15"), ..crate::model::Returns::default() };
    party.account.gone_back(super::after(days(2)), Movement::Chargeback, usd("10"), &returns).unwrap();
    party.account.check();
    assert_eq!((party.credit().as_str(), party.figure(|f| f.collected).as_str()), ("$11.00", "$0.00"));
    assert_eq!(party.figure(|f| f.processor_fees), "$15.00");
}
