//! Stories about how subscriptions begin, go on and end: first payments, trials, churn, and what is earned of it all.
//! They begin on 1 March 2026; March has 31 days.

use super::story::{BROKE, Story, first, hours, monthly, per_unit, usd};
use super::{days, dollars, poisson, requests, scenario, secs};
use crate::billing::account::Status;
use crate::billing::catalog::ONE_REQUEST;
use crate::billing::cause::Cause;
use crate::billing::decline::Answer::{Error, Paid};
use crate::billing::invoice::Purpose::{Last, Period as Month};
use crate::billing::ledger::{LedgerAccount, Movement};
use crate::billing::tally::Count;
use crate::model::{Cohort, Dunning, Finally, GrantTerms, Length, PastAllowance, Period, Plan, Prepaid, Scenario};
use crate::time::{Span, Time};

fn one(plan: Plan) -> Scenario {
    scenario(days(365), plan, Cohort::new("one", 1, poisson(days(1))))
}

fn without_card(plan: Plan) -> Scenario {
    let mut scenario = one(plan);
    scenario.cohorts[0].card = None;
    scenario
}

fn after(span: Span) -> Time {
    Time::START + span
}

const NANOSECOND: Span = Span::from_ns(1);

// === The first payment ===

/// The first payment is declined: nothing is served, nothing is retried, and after 23 hours the invoice is void.
#[test]
fn whoever_does_not_pay_first_is_never_served() {
    let mut party = Story::begin(&one(monthly("30")), &[BROKE]);
    assert_eq!(party.status(), Status::Incomplete);
    assert_eq!(party.refused(after(secs(1))), Cause::FirstPaymentFailed);
    assert_eq!(party.refused(after(hours(23)) - NANOSECOND), Cause::FirstPaymentFailed);
    assert_eq!(party.refused(after(hours(23))), Cause::Canceled);
    assert_eq!(party.status(), Status::IncompleteExpired);
    party.new_card(after(days(3)));
    party.until(after(days(200)));
    party.asks(&[("2026-03-01", "$30.00")]);
    assert_eq!(party.journal(), [("invoice", 30.0), ("void", 30.0)]);
    assert_eq!(party.moved(Movement::MrrNew), "$0.00");
}

/// A new card within the 23 hours is tried at once. The subscription is active from then on, but its month began when it
/// was subscribed: the next fee is due on 1 April.
#[test]
fn a_new_card_within_a_day_saves_the_subscription() {
    let mut party = Story::begin(&one(monthly("30")), &[BROKE, Paid]);
    party.new_card(after(hours(22)));
    assert_eq!(party.status(), Status::Active);
    party.calls(after(hours(22)), 1);
    party.until_date("2026-04-02");
    party.asks(&[("2026-03-01", "$30.00"), ("2026-03-01T22:00:00", "$30.00"), ("2026-04-01", "$30.00")]);
    party.close(party.at("2026-04-02"));
    assert_eq!(party.journal(), [("invoice", 60.0), ("capture", 60.0), ("earn", 31.0)]);
    assert_eq!(party.moved(Movement::MrrNew), "$30.00");
    assert_eq!(party.account.tally().paid_by_attempt[..2], [1, 1]);
}

/// There is nothing to pay with: nobody is asked, and the cause says so, until there is a card.
#[test]
fn a_paid_plan_without_a_payment_method_waits_for_one() {
    let mut party = Story::begin(&without_card(monthly("30")), &[]);
    assert_eq!(party.refused(after(secs(1))), Cause::NoPaymentMethod);
    party.new_card(after(hours(2)));
    party.calls(after(hours(2)), 1);
    party.asks(&[("2026-03-01T02:00:00", "$30.00")]);

    let mut party = Story::begin(&without_card(monthly("30")), &[]);
    assert_eq!(party.refused(after(hours(23))), Cause::Canceled);
    assert_eq!(party.journal(), [("invoice", 30.0), ("void", 30.0)]);
}

/// Until the processor has answered, nothing is served; an answer that comes after the 23 hours captures nothing.
#[test]
fn the_first_payment_is_awaited() {
    let scenario = one(monthly("30"));
    for (answered, status, captured) in
        [(hours(1), Status::Active, "$30.00"), (hours(24), Status::IncompleteExpired, "$0.00")]
    {
        let mut party = Story::awaited(&scenario, Span::ZERO, &[]);
        party.processor_takes_its_time();
        assert_eq!(party.refused(after(secs(1))), Cause::FirstPaymentFailed);
        party.answer(after(answered), Paid);
        assert_eq!((party.status(), party.moved(Movement::Capture).as_str()), (status, captured));
    }
}

/// An error of the processor at sign-up: an hour later it is asked again.
#[test]
fn an_error_at_sign_up_is_tried_again() {
    let mut party = Story::begin(&one(monthly("30")), &[Error, Paid]);
    assert_eq!(party.refused(after(secs(1))), Cause::FirstPaymentFailed);
    party.calls(after(hours(1)), 1);
}

/// Whoever has not subscribed yet is unknown; a plan without a fee is active at once, with or without a card.
#[test]
fn a_plan_without_a_fee_is_active_at_once() {
    let mut party = Story::awaited(&without_card(Plan::new("free")), days(3), &[]);
    assert_eq!(party.refused(after(days(3)) - NANOSECOND), Cause::UnknownCredential);
    party.calls(after(days(3)), 1);
    assert_eq!((party.status(), party.count(Count::Joined)), (Status::Active, 1));
    assert_eq!(party.journal(), []);
}

// === Trials ===

/// Fourteen days, five calls, ten cents for each beyond.
fn trial() -> Plan {
    Plan {
        trial: Some(Length::Exact(days(14))),
        allowance: requests(5),
        past_allowance: PastAllowance::Overage,
        overage: first(per_unit("0.10")),
        ..monthly("30")
    }
}

/// In the trial the five calls are had once, and then there are no more, whatever the overage costs. On 15 March the
/// month begins: $30 at once, five calls again, and two beyond, which are billed on 15 April.
#[test]
fn a_trial_has_its_allowance_once_and_then_refuses() {
    let mut party = Story::begin(&one(trial()), &[]);
    assert_eq!(party.status(), Status::Trialing);
    party.calls(after(days(1)), 5);
    assert_eq!(party.refused(after(days(1))), Cause::QuotaExhausted);
    assert_eq!(party.refused(after(days(14)) - NANOSECOND), Cause::QuotaExhausted);
    assert!(party.charged.is_empty());
    assert_eq!(party.figure(|figures| figures.mrr), "$0.00");
    party.calls(after(days(14)), 7);
    party.until_date("2026-04-15");
    party.asks(&[("2026-03-15", "$30.00"), ("2026-04-15", "$30.20")]);
    assert_eq!((party.count(Count::Trials), party.count(Count::Converted)), (1, 1));
    assert_eq!(party.figure(|figures| figures.mrr), "$30.00");
}

/// A call of the trial comes home after its end: it belongs to the trial, and costs nothing.
#[test]
fn a_call_in_flight_when_the_trial_ends_costs_nothing() {
    let mut party = Story::begin(&one(trial()), &[]);
    let hold = party.admitted(after(days(14)) - secs(1)).hold;
    party.calls(after(days(14)), 6);
    party.served(after(days(14)) + secs(1), hold, ONE_REQUEST);
    party.until_date("2026-04-15");
    party.asks(&[("2026-03-15", "$30.00"), ("2026-04-15", "$30.10")]);
}

/// No payment method at the end: paused. A card on 20 March begins the paid month on that day.
#[test]
fn a_trial_without_a_card_pauses_until_there_is_one() {
    let mut party = Story::begin(&without_card(trial()), &[]);
    party.calls(after(days(1)), 5);
    assert_eq!(party.refused(after(days(14))), Cause::TrialEnded);
    assert_eq!((party.status(), party.count(Count::Converted)), (Status::Paused, 0));
    party.new_card(party.at("2026-03-20"));
    party.calls(party.at("2026-03-20"), 5);
    party.until_date("2026-04-20");
    party.asks(&[("2026-03-20", "$30.00"), ("2026-04-20", "$30.00")]);
}

/// A card that is put in during the trial is charged at its end like any other.
#[test]
fn a_card_that_comes_during_the_trial_converts_it() {
    let mut party = Story::begin(&without_card(trial()), &[]);
    party.new_card(after(days(10)));
    party.until(after(days(14)));
    party.asks(&[("2026-03-15", "$30.00")]);
}

/// The charge at the end of the trial is declined: past due with grace and retries, never incomplete.
#[test]
fn a_trial_that_cannot_be_charged_is_past_due() {
    let mut scenario = one(Plan { grace: days(2), ..trial() });
    scenario.payments.dunning = Dunning { retries: vec![days(3)], finally: Finally::Cancel, ..Dunning::default() };
    let mut party = Story::begin(&scenario, &[BROKE, BROKE]);
    assert!(party.admitted(after(days(14))).in_grace);
    assert_eq!(party.status(), Status::PastDue);
    assert_eq!(party.refused(after(days(16))), Cause::PastDue);
    assert_eq!(party.refused(after(days(17))), Cause::Canceled);
    party.asks(&[("2026-03-15", "$30.00"), ("2026-03-18", "$30.00")]);
}

/// A dearer plan is chosen in a trial of two months: nothing is paid for it before the trial ends, and its five calls
/// more are there at once.
#[test]
fn another_plan_in_the_trial_is_still_a_trial() {
    let mut scenario = one(Plan { trial: Some(Length::Months(2)), ..trial() });
    scenario.plans.push(Plan { allowance: requests(10), ..Plan { fee: usd("50"), ..trial() } });
    let mut party = Story::begin(&scenario, &[]);
    party.calls(after(days(1)), 5);
    party.change_plan(after(days(2)), 1);
    party.calls(after(days(50)), 5);
    assert_eq!(party.refused(after(days(50))), Cause::QuotaExhausted);
    party.until_date("2026-06-01");
    party.asks(&[("2026-05-01", "$50.00"), ("2026-06-01", "$50.00")]);
    assert_eq!(party.count(Count::Upgrades), 1);
}

/// Credit granted at the start may be used in the trial; without a card, credit that must be paid for is not granted.
#[test]
fn what_is_granted_at_the_start_is_there_in_the_trial() {
    let paid = GrantTerms { paid: true, ..GrantTerms::opening(dollars(5)) };
    let prepaid =
        Prepaid { grants: vec![GrantTerms::opening(dollars(1)), paid], auto_top_up: None, credits_expire: None };
    let plan = Plan {
        trial: Some(Length::Exact(days(14))),
        prepaid: Some(prepaid),
        prices: first(per_unit("1")),
        ..monthly("30")
    };
    let mut party = Story::begin(&without_card(plan.clone()), &[]);
    party.calls(after(days(1)), 1);
    assert_eq!(party.refused(after(days(1))), Cause::CreditExhausted);

    let mut party = Story::begin(&one(plan), &[]);
    party.asks(&[("2026-03-01", "$5.00")]);
    party.calls(after(days(1)), 6);
    assert_eq!(party.refused(after(days(1))), Cause::CreditExhausted);
}

// === Leaving ===

/// Leaves on 11 March, after ten of 31 days: the paid fee is earned all the same, the four calls so far come on a last
/// invoice, and nothing follows.
#[test]
fn whoever_leaves_pays_what_was_used_and_gets_nothing_back() {
    let mut party = Story::begin(&one(Plan { prices: first(per_unit("0.25")), ..monthly("31") }), &[]);
    party.calls(after(days(3)), 4);
    party.leaves(after(days(10)));
    assert_eq!(party.refused(after(days(10))), Cause::Canceled);
    party.until(after(days(100)));
    assert_eq!(party.attempts().last(), Some(&(10.0, Last(1), 1)));
    party.asks(&[("2026-03-01", "$31.00"), ("2026-03-11", "$1.00")]);
    assert_eq!((party.moved(Movement::Earn).as_str(), party.moved(Movement::Forfeit).as_str()), ("$10.00", "$21.00"));
    assert_eq!(party.figure(|figures| figures.earned), "$32.00");
    assert_eq!([Movement::MrrNew, Movement::MrrChurn].map(|movement| party.moved(movement)), ["$31.00", "$31.00"]);
    assert_eq!(party.count(Count::Left), 1);
}

/// A call is in flight when the consumer leaves: the last invoice waits for it.
#[test]
fn the_last_invoice_waits_for_calls_in_flight() {
    let mut party = Story::begin(&one(Plan { prices: first(per_unit("0.25")), ..monthly("31") }), &[]);
    let hold = party.admitted(after(days(10))).hold;
    party.leaves(after(days(10)));
    party.served(after(days(10)) + secs(30), hold, ONE_REQUEST);
    party.until(after(days(11)));
    party.asks(&[("2026-03-01", "$31.00"), ("2026-03-11T00:00:30", "$0.25")]);
    assert_eq!(party.figure(|figures| figures.accrued), "$0.00");
}

/// Leaving ends a trial, a pause or an unpaid first invoice too, and costs nothing there.
#[test]
fn leaving_before_anything_was_paid_costs_nothing() {
    for (mut party, at) in [
        (Story::begin(&one(trial()), &[]), days(5)),
        (Story::begin(&without_card(trial()), &[]), days(20)),
        (Story::begin(&one(monthly("30")), &[BROKE]), hours(5)),
    ] {
        party.leaves(after(at));
        assert_eq!(party.refused(after(at)), Cause::Canceled);
        party.until(after(days(100)));
        assert_eq!(party.figure(|figures| figures.earned), "$0.00");
        assert_eq!(party.figure(|figures| figures.outstanding), "$0.00");
        assert_eq!(party.figure(|figures| figures.captured), "$0.00");
    }
}

// === Recurring revenue, and what is earned at the end ===

/// A yearly fee counts with a twelfth; a day's fee 365 times in twelve months.
#[test]
fn recurring_revenue_is_by_the_month() {
    for (fee, period, mrr) in
        [("30", Period::Month, "$30.00"), ("240", Period::Year, "$20.00"), ("1.20", Period::Day, "$36.50")]
    {
        let party = Story::begin(&one(Plan { fee_period: Some(period), ..monthly(fee) }), &[]);
        assert_eq!(party.figure(|figures| figures.mrr), mrr);
    }
}

/// From $30 to $50, back to $30 at the period's end, gone, each in its own month: new, expansion, contraction, churn.
#[test]
fn recurring_revenue_moves_as_plans_change() {
    let mut scenario = one(monthly("30"));
    scenario.plans.push(monthly("50"));
    let mut party = Story::begin(&scenario, &[]);
    party.change_plan(party.at("2026-03-10"), 1);
    party.change_plan(party.at("2026-03-12"), 0);
    assert_eq!(party.figure(|figures| figures.mrr), "$50.00");
    party.until_date("2026-04-01");
    assert_eq!(party.figure(|figures| figures.mrr), "$30.00");
    party.leaves(party.at("2026-05-05"));
    let movements = [Movement::MrrNew, Movement::MrrExpansion, Movement::MrrContraction, Movement::MrrChurn];
    assert_eq!(movements.map(|movement| party.moved(movement)), ["$30.00", "$20.00", "$20.00", "$30.00"]);
    assert_eq!(party.figure(|figures| figures.mrr), "$0.00");
}

/// The time ends inside a month, on 11 March at noon: 10.5 of 31 days of the fee are earned, usage is earned and not
/// invoiced, and the call in flight keeps its hold.
#[test]
fn the_end_forces_nothing() {
    let mut party = Story::begin(&one(Plan { prices: first(per_unit("0.25")), ..monthly("62") }), &[]);
    party.calls(after(days(3)), 4);
    party.admitted(after(days(10) + hours(12)) - secs(1));
    party.close(after(days(10) + hours(12)));
    assert_eq!(party.figure(|figures| figures.earned_fees), "$21.00");
    assert_eq!(party.figure(|figures| figures.earned_usage), "$1.00");
    assert_eq!(party.figure(|figures| figures.accrued), "$1.00");
    assert_eq!(party.figure(|figures| figures.invoiced), "$62.00");
    assert_eq!(party.holds(LedgerAccount::Deferred), "-$41.00");
    assert_eq!(party.account.open_holds(), 1);
}

/// Half a cent a call for what the answers cost to make, also for those that were refused nothing and billed nothing.
#[test]
fn margin_is_what_is_left_of_earned() {
    let mut scenario = one(monthly("31"));
    scenario.upstreams[0].cost[0] = Some(crate::model::UnitPrice { amount: usd("0.005"), per: 1 });
    let mut party = Story::begin(&scenario, &[]);
    party.calls(after(days(3)), 100);
    let late = party.admitted(after(days(4))).hold;
    party.served(after(days(4)) + secs(700), late, ONE_REQUEST);
    party.close(after(days(10)));
    assert_eq!(party.figure(|figures| figures.upstream_cost), "$0.505");
    assert_eq!(party.figure(|figures| figures.margin), "$9.495");
}

// === Who was there before ===

/// An anchor inside February (28 days), and the fee of that month paid long ago: what is left of it is carried forward
/// and earned until the renewal, which is the first invoice.
#[test]
fn whoever_was_there_brings_the_rest_of_a_paid_month() {
    let mut party = Story::existing(&one(monthly("28")), &[]);
    let begins = party.account.period_begins();
    let left = 28 * 86_400 + begins.ns() / 1_000_000_000;
    // A dollar a day.
    let carried = i128::from(left) * 1_000_000_000 / 86_400;
    let deferred = -party.account.books().balance(LedgerAccount::Deferred);
    assert!((deferred - carried).abs() <= 1, "{deferred} of {carried}");
    assert!(deferred < 28_000_000_000);
    assert_eq!(party.moved(Movement::MrrCarried), "$28.00");
    let renewal = begins + days(28);
    party.until(renewal);
    assert_eq!(party.charged.len(), 1);
    assert_eq!(
        (party.charged[0].0, party.charged[0].1.purpose, party.charged[0].1.amount),
        (renewal, Month(1), usd("28"))
    );
    assert_eq!(party.account.books().moved(Movement::Earn), party.account.books().moved(Movement::CarryForward));
}

/// A minimum commit of the month that was running is owed whole: it began before.
#[test]
fn whoever_was_there_owes_the_whole_minimum_of_the_running_month() {
    let mut party =
        Story::existing(&one(Plan { minimum: usd("10"), prices: first(per_unit("1")), ..monthly("0") }), &[]);
    party.calls(after(secs(1)), 1);
    party.until(after(days(29)));
    assert_eq!(party.charged[0].1.amount, usd("10"));
    assert_eq!(party.moved(Movement::TrueUp), "$9.00");
}

/// Every pair of statuses: those that the graph of `docs/BILLING.md` has, and no others; what has ended stays so.
#[test]
fn only_legal_transitions_exist() {
    use Status::{Active, Awaited, Canceled, Incomplete, IncompleteExpired, PastDue, Paused, Trialing, Unpaid};
    let all = [Awaited, Incomplete, IncompleteExpired, Trialing, Active, PastDue, Unpaid, Paused, Canceled];
    for status in all {
        let next: Vec<_> = all.into_iter().filter(|next| *next != status && status.may_become(*next)).collect();
        let expected: &[Status] = match status {
            Awaited => &[Incomplete, Trialing, Active],
            Incomplete => &[IncompleteExpired, Active, Canceled],
            Trialing => &[Active, PastDue, Paused, Canceled],
            Active => &[PastDue, Canceled],
            PastDue => &[Active, Unpaid, Canceled],
            Unpaid | Paused => &[Active, PastDue, Canceled],
            Canceled | IncompleteExpired => &[],
        };
        assert_eq!(next, expected, "{status:?}");
    }
    assert!(!Canceled.may_become(Canceled) && !IncompleteExpired.may_become(IncompleteExpired));
}
