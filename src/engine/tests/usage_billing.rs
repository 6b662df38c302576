//! Stories about usage that is billed: allowances, overage, caps, commitments, discounts, and invoices that wait for calls.
//! They begin on 1 March 2026; March has 31 days, April 30.

use super::story::{BROKE, Story, first, hours, monthly, per_unit, usd};
use super::{days, dollars, poisson, requests, scenario, secs};
use crate::billing::catalog::{HOLD_TTL, ONE_REQUEST};
use crate::billing::cause::Cause;
use crate::billing::decline::Answer::Paid;
use crate::billing::invoice::Purpose;
use crate::billing::ledger::{LedgerAccount, Movement};
use crate::billing::tally::Count;
use crate::model::{
    Arrivals, Cohort, Discount, Dunning, Finally, GrantTerms, Length, PastAllowance, PerMeter, Period, Plan, Prepaid,
    Price, Rollover, Scenario, Share, SpendControl, Tier, Trace, UnitPrice,
};
use crate::money::Currency;
use crate::time::{Span, Time};

fn one(plan: Plan) -> Scenario {
    scenario(days(800), plan, Cohort::new("one", 1, poisson(days(1))))
}

/// Calls that use tokens beside the request, at most so many.
fn with_tokens(plan: Plan, most: u64) -> Scenario {
    let mut scenario = one(plan);
    scenario.cohorts[0].arrivals =
        Arrivals::Trace(Trace { rows: Vec::new(), most: [1, most, 0, 0], ..Default::default() });
    scenario
}

const fn used(tokens: u64) -> PerMeter<u64> {
    [1, tokens, 0, 0]
}

fn after(span: Span) -> Time {
    Time::START + span
}

fn overage(allowance: u64, price: &str) -> Plan {
    Plan {
        allowance: requests(allowance),
        past_allowance: PastAllowance::Overage,
        overage: first(per_unit(price)),
        ..monthly("0")
    }
}

// === Invoices of usage ===

/// The fee of April and the usage of March are one invoice; the fee of March was one of its own.
#[test]
fn usage_is_billed_in_arrears_with_the_next_fee() {
    let mut party = Story::begin(&one(Plan { fee: usd("30"), ..overage(10, "0.10") }), &[]);
    party.calls(after(days(5)), 25);
    party.until(after(days(31)));
    party.asks(&[("2026-03-01", "$30.00"), ("2026-04-01", "$31.50")]);
    let units = &party.account.tally().units;
    assert_eq!((units.included[0], units.billed[0]), (10, 15));
    assert_eq!(party.figure(|figures| figures.earned_usage), "$1.50");
    assert_eq!(party.figure(|figures| figures.accrued), "$0.00");
}

/// A hundred tokens are free, then a cent each. 80 are used; a call of 60 crosses the line: 20 are free and 40 cost.
#[test]
fn a_call_is_split_at_the_line() {
    let plan = Plan {
        allowance: [None, Some(100), None, None],
        past_allowance: PastAllowance::Overage,
        overage: [None, Some(per_unit("0.01")), None, None],
        ..monthly("0")
    };
    let mut party = Story::begin(&with_tokens(plan, 60), &[]);
    party.uses(after(days(1)), used(60));
    party.uses(after(days(1)), used(20));
    // In flight it holds 60: the twenty that are left, and forty past them.
    let hold = party.admitted(after(days(1))).hold;
    assert_eq!(party.account.usage.free(1), 0);
    party.served(after(days(1)), hold, used(60));
    let units = &party.account.tally().units;
    assert_eq!((units.included[1], units.billed[1]), (100, 40));
    party.until(after(days(31)));
    party.asks(&[("2026-04-01", "$0.40")]);
}

/// It held 60 and used 15: they are all inside the allowance, five of which are left.
#[test]
fn what_a_call_did_not_use_is_free_for_the_next() {
    let plan = Plan {
        allowance: [None, Some(100), None, None],
        past_allowance: PastAllowance::Overage,
        overage: [None, Some(per_unit("0.01")), None, None],
        ..monthly("0")
    };
    let mut party = Story::begin(&with_tokens(plan, 60), &[]);
    party.uses(after(days(1)), used(60));
    party.uses(after(days(1)), used(20));
    party.uses(after(days(1)), used(15));
    assert_eq!((party.account.usage.free(1), party.account.usage.past[1]), (5, 0));
}

/// Each meter is a line, and each line is rounded half to even: one request at half a cent is nothing, three tokens at half
/// a cent are two cents. What that took and gave is on the rounding account.
#[test]
fn each_line_is_rounded_once_half_to_even() {
    let plan = Plan { prices: [Some(per_unit("0.005")), Some(per_unit("0.005")), None, None], ..monthly("0") };
    let mut party = Story::begin(&with_tokens(plan, 10), &[]);
    party.uses(after(days(1)), used(3));
    party.until(after(days(31)));
    party.asks(&[("2026-04-01", "$0.02")]);
    assert_eq!(
        (party.moved(Movement::RoundDown).as_str(), party.moved(Movement::RoundUp).as_str()),
        ("$0.005", "$0.005")
    );
    party.uses(after(days(32)), used(7));
    party.until(after(days(61)));
    // Half a cent is nothing again; three and a half cents are four.
    party.asks(&[("2026-05-01", "$0.04")]);
    assert_eq!(party.holds(LedgerAccount::Rounding), "$0.00");
    assert_eq!(party.figure(|figures| figures.earned), "$0.06");
}

/// In dinars a line is rounded to a thousandth: 7 × 0.0015 = 0.0105 → 0.010.
#[test]
fn a_line_is_rounded_to_the_currencys_minor_unit() {
    let mut scenario = one(Plan { prices: first(per_unit("0.0015")), ..monthly("0") });
    scenario.currency = Currency::from_code("KWD").unwrap();
    let mut party = Story::begin(&scenario, &[]);
    party.calls(after(days(1)), 7);
    party.until(after(days(31)));
    party.asks(&[("2026-04-01", "0.010 KWD")]);
}

/// Volume: up to ten calls cost $1 each, more of them fifty cents each, all. Ten are $10, twelve are $6: what was accrued
/// goes back.
#[test]
fn a_volume_price_makes_earlier_usage_cheaper() {
    let tier = |up_to, amount| Tier { up_to, flat: usd("0"), unit: UnitPrice { amount: usd(amount), per: 1 } };
    let price = Price::Volume(vec![tier(10, "1"), tier(u64::MAX, "0.50")]);
    let mut party = Story::begin(&one(Plan { prices: first(price), ..monthly("0") }), &[]);
    party.calls(after(days(1)), 10);
    assert_eq!(party.figure(|figures| figures.earned), "$10.00");
    party.calls(after(days(2)), 2);
    assert_eq!(party.figure(|figures| figures.earned), "$6.00");
    party.until(after(days(31)));
    party.asks(&[("2026-04-01", "$6.00")]);
}

/// A fee of a year, and usage by the month: each month has its allowance and its own invoice, and the fee comes back with
/// the twelfth.
#[test]
fn a_yearly_fee_has_months_of_usage() {
    let plan = Plan { fee: usd("120"), fee_period: Some(Period::Year), ..overage(10, "0.10") };
    let mut party = Story::begin(&one(plan), &[]);
    party.calls(after(days(5)), 12);
    party.calls(party.at("2026-04-05"), 9);
    party.calls(party.at("2026-05-05"), 13);
    party.calls(party.at("2027-02-05"), 11);
    party.until_date("2027-03-01");
    let purposes: Vec<_> = party.attempts().into_iter().map(|(_, purpose, _)| purpose).collect();
    assert_eq!(purposes, [Purpose::Period(0), Purpose::Usage(0), Purpose::Usage(2), Purpose::Period(1)]);
    party.asks(&[
        ("2026-03-01", "$120.00"),
        ("2026-04-01", "$0.20"),
        ("2026-06-01", "$0.30"),
        ("2027-03-01", "$120.10"),
    ]);
    party.close(party.at("2027-03-01"));
    assert_eq!(party.figure(|figures| figures.earned_fees), "$120.00");
}

/// A fee of a month, and usage by the day.
#[test]
fn a_monthly_fee_may_have_days_of_usage() {
    let plan = Plan { fee: usd("30"), usage_period: Some(Period::Day), ..overage(10, "0.10") };
    let mut party = Story::begin(&one(plan), &[]);
    party.calls(after(hours(5)), 12);
    party.calls(after(days(30)), 14);
    party.until(after(days(31)));
    party.asks(&[("2026-03-01", "$30.00"), ("2026-03-02", "$0.20"), ("2026-04-01", "$30.40")]);
}

// === Calls in flight at a period's end ===

/// A call of March is in flight on 1 April: the invoice waits for it, though April has begun, with its own allowance. The
/// fee of April is earned from its beginning.
#[test]
fn an_invoice_waits_for_the_calls_of_its_period() {
    let mut party = Story::begin(&one(Plan { fee: usd("30"), ..overage(1, "0.10") }), &[]);
    party.calls(after(days(5)), 1);
    let hold = party.admitted(after(days(31)) - secs(1)).hold;
    party.calls(after(days(31)), 2);
    party.asks(&[("2026-03-01", "$30.00")]);
    party.served(after(days(31)) + secs(9), hold, ONE_REQUEST);
    party.until(after(days(31)) + secs(9));
    // March's call, not April's second.
    party.asks(&[("2026-04-01T00:00:09", "$30.10")]);
    party.close(after(days(46)));
    assert_eq!(party.figure(|figures| figures.earned_fees), "$45.00");
    assert_eq!(party.figure(|figures| figures.accrued), "$0.10");
}

/// Nobody answers the call: after ten minutes its hold expires, the invoice is made without it, and what the upstream says
/// later stays unbilled.
#[test]
fn an_invoice_waits_no_longer_than_a_hold() {
    let mut party = Story::begin(&one(Plan { fee: usd("30"), ..overage(0, "0.10") }), &[]);
    party.calls(after(days(5)), 1);
    let hold = party.admitted(after(days(31)) - secs(1)).hold;
    party.until(after(days(31)) + HOLD_TTL);
    party.asks(&[("2026-03-01", "$30.00"), ("2026-04-01T00:09:59", "$30.10")]);
    party.served(after(days(31)) + HOLD_TTL + secs(1), hold, ONE_REQUEST);
    assert_eq!((party.count(Count::Late), party.account.tally().units.unbilled[0]), (1, 1));
    assert_eq!(party.figure(|figures| figures.accrued), "$0.00");
}

/// The price changes at renewal, from ten cents to fifty, while a call is in flight: it keeps the price of its admission.
#[test]
fn a_call_in_flight_keeps_its_price_over_a_renewal() {
    let mut scenario = one(Plan { fee: usd("30"), ..overage(0, "0.10") });
    scenario.changes = vec![crate::model::Change {
        at: days(20),
        plan: 0,
        becomes: Plan { fee: usd("30"), ..overage(0, "0.50") },
        applies_to: crate::model::AppliesTo::AtRenewal,
    }];
    let mut party = Story::begin(&scenario, &[]);
    let hold = party.admitted(after(days(31)) - secs(1)).hold;
    party.calls(after(days(31)), 1);
    party.served(after(days(31)) + secs(1), hold, ONE_REQUEST);
    party.until_date("2026-05-01");
    party.asks(&[("2026-03-01", "$30.00"), ("2026-04-01T00:00:01", "$30.10"), ("2026-05-01", "$30.50")]);
}

// === Rollover ===

/// Ten calls a month, at most eight carried and at least three: unused 4 → 14; unused 14 → 18; all used → 13.
#[test]
fn unused_allowance_is_carried_between_its_bounds() {
    let plan =
        Plan { rollover: Some(Rollover { min: 3, max: 8 }), past_allowance: PastAllowance::Block, ..overage(10, "0") };
    let mut party = Story::begin(&one(plan), &[]);
    party.calls(after(days(5)), 6);
    party.until_date("2026-04-01");
    assert_eq!(party.account.usage.free(0), 14);
    party.until_date("2026-05-01");
    assert_eq!(party.account.usage.free(0), 18);
    party.calls(party.at("2026-05-05"), 18);
    assert_eq!(party.refused(party.at("2026-05-05")), Cause::QuotaExhausted);
    party.until_date("2026-06-01");
    assert_eq!(party.account.usage.free(0), 13);
}

// === Spend caps ===

fn capped() -> Scenario {
    one(Plan { fee: usd("30"), spend_cap: Some(usd("1")), ..overage(10, "0.40") })
}

/// Past ten free calls at forty cents: two are $0.80, a third would pass the cap of a dollar. The fee counts for nothing
/// in it; April has a cap of its own, and its free calls first.
#[test]
fn a_spend_cap_refuses_the_call_that_would_pass_it() {
    let mut party = Story::begin(&capped(), &[]);
    party.calls(after(days(5)), 12);
    assert_eq!(party.refused(after(days(5))), Cause::SpendCap);
    party.calls(after(days(31)), 12);
    assert_eq!(party.refused(after(days(31))), Cause::SpendCap);
    party.until_date("2026-05-01");
    party.asks(&[("2026-03-01", "$30.00"), ("2026-04-01", "$30.80"), ("2026-05-01", "$30.80")]);
}

/// What is in flight counts with its quote: two calls under way leave no room for a third, until one of them fails.
#[test]
fn a_spend_cap_counts_what_is_in_flight() {
    let mut party = Story::begin(&capped(), &[]);
    party.calls(after(days(5)), 10);
    let holds = [0, 1].map(|second| party.admitted(after(days(5)) + secs(second)).hold);
    assert_eq!(party.refused(after(days(5)) + secs(2)), Cause::SpendCap);
    party.failed(after(days(5)) + secs(3), holds[0]);
    party.admitted(after(days(5)) + secs(3));
    assert_eq!(party.refused(after(days(5)) + secs(3)), Cause::SpendCap);
}

/// To the nano: five calls at twenty cents are exactly the cap and pass.
#[test]
fn a_spend_cap_may_be_reached() {
    let mut party = Story::begin(&one(Plan { spend_cap: Some(usd("1")), ..overage(0, "0.20") }), &[]);
    party.calls(after(days(5)), 5);
    assert_eq!(party.refused(after(days(5))), Cause::SpendCap);
}

/// The renewal is declined and grace lasts ten days: the cap holds in it as ever.
#[test]
fn a_spend_cap_holds_in_grace() {
    let mut scenario = capped();
    scenario.plans[0].grace = days(10);
    scenario.payments.dunning = Dunning { retries: vec![days(20)], finally: Finally::Keep, ..Dunning::default() };
    let mut party = Story::begin(&scenario, &[Paid, BROKE]);
    party.calls(after(days(33)), 12);
    assert_eq!(party.refused(after(days(33))), Cause::SpendCap);
    assert_eq!(party.refused(after(days(41))), Cause::PastDue);
}

/// A change of plan inside the month does not begin a new cap: $0.80 were spent before.
#[test]
fn a_spend_cap_counts_what_was_spent_before_an_upgrade() {
    let mut scenario = capped();
    scenario.plans.push(Plan { fee: usd("60"), ..scenario.plans[0].clone() });
    let mut party = Story::begin(&scenario, &[]);
    party.calls(after(days(5)), 12);
    party.change_plan(after(days(6)), 1);
    assert_eq!(party.refused(after(days(6))), Cause::SpendCap);
}

/// Without holds three calls at once all see $0.80 of a dollar, and are served: $2.00.
#[test]
fn check_then_debit_passes_the_spend_cap() {
    let mut scenario = capped();
    scenario.gateway.spend_control = SpendControl::CheckThenDebit;
    let mut party = Story::begin(&scenario, &[]);
    party.calls(after(days(5)), 12);
    let holds = [0, 1, 2].map(|_| party.admitted(after(days(5))).hold);
    for hold in holds {
        party.served(after(days(5)), hold, ONE_REQUEST);
    }
    assert_eq!(party.figure(|figures| figures.accrued), "$2.00");
    assert_eq!(party.refused(after(days(5))), Cause::SpendCap);
}

// === Minimum commits ===

/// $10 a month whatever is used: seven dollars of usage are trued up by three, twelve by nothing. The fee counts for
/// nothing in it.
#[test]
fn a_minimum_commit_tops_up_usage() {
    let mut party = Story::begin(&one(Plan { minimum: usd("10"), fee: usd("30"), ..overage(0, "1") }), &[]);
    party.calls(after(days(5)), 7);
    party.calls(after(days(33)), 12);
    party.until_date("2026-06-01");
    let invoices = [("2026-04-01", "$40.00"), ("2026-05-01", "$42.00"), ("2026-06-01", "$40.00")];
    party.asks(&[&[("2026-03-01", "$30.00")], &invoices[..]].concat());
    assert_eq!(party.moved(Movement::TrueUp), "$13.00");
}

/// Leaves after ten of March's 31 days: ten thirty-firsts of $31, of which $4 were used.
#[test]
fn a_minimum_commit_is_prorated_by_the_second() {
    let mut party = Story::begin(&one(Plan { minimum: usd("31"), ..overage(0, "1") }), &[]);
    party.calls(after(days(5)), 4);
    party.leaves(after(days(10)));
    party.asks(&[("2026-03-11", "$10.00")]);
    assert_eq!(party.moved(Movement::TrueUp), "$6.00");
}

/// The commit is that of the whole month, also when the plan changes inside it: $30 for a third of April and $90 for the
/// rest are $10 and $60; $65 were used before the change and nothing after, so five are missing.
#[test]
fn a_minimum_commit_is_one_for_the_period() {
    let mut scenario = one(Plan { minimum: usd("30"), fee: usd("1"), ..overage(0, "1") });
    scenario.plans.push(Plan { minimum: usd("90"), fee: usd("4"), ..overage(0, "1") });
    let mut party = Story::begin(&scenario, &[]);
    party.calls(party.at("2026-04-05"), 65);
    party.charged.clear();
    party.change_plan(party.at("2026-04-11"), 1);
    party.until_date("2026-05-01");
    party.asks(&[("2026-04-11", "$2.00"), ("2026-05-01", "$74.00")]);
}

// === Discounts ===

fn discounted(plan: Plan, length: Option<Length>) -> Scenario {
    let mut scenario = one(plan);
    scenario.cohorts[0].discount = Some(Discount { off: Share { parts: 20, of: 100 }, length });
    scenario
}

/// A fifth off for three months, of the fee and of the usage: the fees of March, April and May, and the usage of the same
/// months, which is billed with the next fee each.
#[test]
fn a_discount_lasts_three_months() {
    let scenario = discounted(Plan { fee: usd("30"), ..overage(0, "1") }, Some(Length::Months(3)));
    let mut party = Story::begin(&scenario, &[]);
    for date in ["2026-03-05", "2026-04-05", "2026-05-05", "2026-06-05"] {
        party.calls(party.at(date), 10);
    }
    party.until_date("2026-07-01");
    party.asks(&[
        ("2026-03-01", "$24.00"),
        ("2026-04-01", "$32.00"),
        ("2026-05-01", "$32.00"),
        ("2026-06-01", "$38.00"),
        ("2026-07-01", "$40.00"),
    ]);
    assert_eq!(party.moved(Movement::Discount), "$6.00");
    assert_eq!(party.figure(|figures| figures.earned_usage), "$34.00");
}

/// For ever, of an upgrade's lines too: half of April at $30 and $90 less a fifth is $12 and $36.
#[test]
fn a_discount_is_taken_off_before_proration() {
    let mut scenario = discounted(monthly("30"), None);
    scenario.plans.push(monthly("90"));
    let mut party = Story::begin(&scenario, &[]);
    party.change_plan(party.at("2026-04-16"), 1);
    party.until_date("2026-05-01");
    party.asks(&[
        ("2026-03-01", "$24.00"),
        ("2026-04-01", "$24.00"),
        ("2026-04-16", "$24.00"),
        ("2026-05-01", "$72.00"),
    ]);
}

/// A third off $10.01 is $6.673333…: the fee is rounded once, to $6.67. Of one call at half a cent and a fifth off, 0.4
/// cents are left, and the line is nothing.
#[test]
fn a_discounted_fee_is_rounded_once() {
    let mut scenario = discounted(Plan { fee: usd("10.01"), ..overage(0, "0.005") }, None);
    scenario.cohorts[0].discount = Some(Discount { off: Share { parts: 1, of: 3 }, length: None });
    let mut party = Story::begin(&scenario, &[]);
    party.calls(after(days(5)), 1);
    party.until_date("2026-04-01");
    party.asks(&[("2026-03-01", "$6.67"), ("2026-04-01", "$6.67")]);
}

// === In which order a unit is paid ===

/// Two calls are free, three dollars of credit pay three more at a dollar, then overage at two dollars, up to a cap of
/// five: two calls. Credit that was burnt does not count towards the cap.
#[test]
fn a_unit_is_paid_by_allowance_then_credit_then_overage() {
    let plan = Plan {
        prepaid: Some(Prepaid {
            grants: vec![GrantTerms::opening(dollars(3))],
            auto_top_up: None,
            credits_expire: None,
        }),
        prices: first(per_unit("1")),
        spend_cap: Some(usd("5")),
        ..overage(2, "2")
    };
    let mut party = Story::begin(&one(plan), &[]);
    party.calls(after(days(1)), 2);
    assert_eq!((party.credit().as_str(), party.figure(|figures| figures.accrued).as_str()), ("$3.00", "$0.00"));
    party.calls(after(days(1)), 3);
    assert_eq!((party.credit().as_str(), party.figure(|figures| figures.accrued).as_str()), ("$0.00", "$0.00"));
    party.calls(after(days(1)), 2);
    assert_eq!(party.refused(after(days(1))), Cause::SpendCap);
    let units = &party.account.tally().units;
    assert_eq!((units.included[0], units.credited[0], units.billed[0]), (2, 3, 2));
    party.until_date("2026-04-01");
    party.asks(&[("2026-04-01", "$4.00")]);
}
