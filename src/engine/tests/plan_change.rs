//! Stories about plans that change: upgrades at once, downgrades at the period's end, and new prices for those who are
//! there already. They begin on 1 March 2026 with a paid month; April has 30 days.

use super::story::{BROKE, Story, first, hours, monthly, per_unit, usd};
use super::{days, poisson, requests, scenario, secs};
use crate::billing::account::Status;
use crate::billing::catalog::ONE_REQUEST;
use crate::billing::cause::Cause;
use crate::billing::decline::Answer::Paid;
use crate::billing::ledger::{LedgerAccount, Movement};
use crate::billing::tally::Count;
use crate::model::{AppliesTo, Change, Cohort, Limit, PastAllowance, Period, Plan, Rate, Rollover, Scenario};

/// A small plan and a large one.
fn two(small: Plan, large: Plan) -> Scenario {
    let mut scenario = scenario(days(800), small, Cohort::new("one", 1, poisson(days(1))));
    scenario.plans.push(large);
    scenario
}

fn with_allowance(fee: &str, allowance: u64) -> Plan {
    Plan {
        allowance: requests(allowance),
        past_allowance: PastAllowance::Overage,
        overage: first(per_unit("0.10")),
        ..monthly(fee)
    }
}

// === Upgrades ===

/// On 11 April a third of the month is over: two thirds of $30 are credited and two thirds of $90 charged, $40 in all.
/// The period's end stays: $90 on 1 May.
#[test]
fn an_upgrade_is_charged_for_the_rest_of_the_period() {
    let mut party = Story::begin(&two(monthly("30"), monthly("90")), &[]);
    party.change_plan(party.at("2026-04-11"), 1);
    assert_eq!(party.account.plan(&party.catalog), 1);
    party.until_date("2026-05-01");
    party.asks(&[
        ("2026-03-01", "$30.00"),
        ("2026-04-01", "$30.00"),
        ("2026-04-11", "$40.00"),
        ("2026-05-01", "$90.00"),
    ]);
    assert_eq!((party.moved(Movement::CreditFee).as_str(), party.count(Count::Upgrades)), ("$20.00", 1));
    // March $30, ten days of April at $1, twenty at $3.
    assert_eq!(party.moved(Movement::Earn), "$100.00");
}

/// By the second: at 2,160,001 s of April 431,999 s are left, one second less than five days. $30 × 431,999 ÷ 2,592,000 is
/// $4.999988…, and $90 thrice that: $5.00 and $15.00; at noon of the 16th 14.5 days are left: $14.50 and $43.50.
#[test]
fn an_upgrade_is_prorated_by_the_second() {
    for (at, credit, charged) in
        [("2026-04-26T00:00:01", "$5.00", "$10.00"), ("2026-04-16T12:00:00", "$14.50", "$29.00")]
    {
        let mut party = Story::begin(&two(monthly("30"), monthly("90")), &[]);
        party.until_date("2026-04-02");
        party.charged.clear();
        party.change_plan(party.at(at), 1);
        party.asks(&[(at, charged)]);
        assert_eq!(party.moved(Movement::CreditFee), credit);
    }
}

/// Lines are rounded half to even: half of $20.01 is $10.005 and becomes $10.00, half of $40.03 is $20.015 and becomes
/// $20.02. So $10.02 are due (rounded up, they would be $10.01 less $20.02).
#[test]
fn the_lines_of_an_upgrade_are_rounded_half_to_even() {
    let mut party = Story::begin(&two(monthly("20.01"), monthly("40.03")), &[]);
    party.until_date("2026-04-02");
    party.charged.clear();
    party.change_plan(party.at("2026-04-16"), 1);
    party.asks(&[("2026-04-16", "$10.02")]);
    assert_eq!(party.moved(Movement::CreditFee), "$10.00");
}

/// $30 to $60 to $90 at the thirds of April costs what each step costs: +$20 and +$10. The fee in force is what the next
/// change credits.
#[test]
fn upgrades_compose() {
    let mut scenario = two(monthly("30"), monthly("60"));
    scenario.plans.push(monthly("90"));
    let mut party = Story::begin(&scenario, &[]);
    party.until_date("2026-04-02");
    party.charged.clear();
    party.change_plan(party.at("2026-04-11"), 1);
    party.change_plan(party.at("2026-04-21"), 2);
    party.asks(&[("2026-04-11", "$20.00"), ("2026-04-21", "$10.00")]);
    party.close(party.at("2026-04-30"));
    // March $30; ten days at $1, ten at $2, nine at $3.
    assert_eq!(party.moved(Movement::Earn), "$87.00");
}

/// Ten calls are free on the small plan and a hundred on the large; 14 have been made, four of them at ten cents. The new
/// allowance applies whole, less what was used of the old: ninety more are free. The overage so far keeps its price, and
/// what comes after the hundred has the new one, five cents.
#[test]
fn the_new_allowance_applies_whole_and_overage_keeps_its_price() {
    let large = Plan { overage: first(per_unit("0.05")), ..with_allowance("90", 100) };
    let mut party = Story::begin(&two(with_allowance("30", 10), large), &[]);
    party.until_date("2026-04-01");
    party.calls(party.at("2026-04-05"), 14);
    party.charged.clear();
    party.change_plan(party.at("2026-04-11"), 1);
    party.calls(party.at("2026-04-12"), 90);
    assert_eq!(party.figure(|figures| figures.accrued), "$0.40");
    party.calls(party.at("2026-04-13"), 6);
    assert_eq!(party.figure(|figures| figures.accrued), "$0.70");
    party.until_date("2026-05-01");
    party.asks(&[("2026-04-11", "$40.00"), ("2026-05-01", "$90.70")]);
}

/// The payment of the upgrade is declined: the plan, the quota and the next fee are as before, and nobody is past due.
#[test]
fn an_upgrade_that_is_not_paid_does_not_happen() {
    let mut party = Story::begin(&two(with_allowance("30", 10), with_allowance("90", 100)), &[Paid, Paid, BROKE]);
    party.until_date("2026-04-01");
    party.change_plan(party.at("2026-04-11"), 1);
    assert_eq!((party.account.plan(&party.catalog), party.status()), (0, Status::Active));
    assert_eq!((party.count(Count::Upgrades), party.count(Count::UpgradesFailed)), (0, 1));
    party.until_date("2026-05-01");
    party.asks(&[
        ("2026-03-01", "$30.00"),
        ("2026-04-01", "$30.00"),
        ("2026-04-11", "$40.00"),
        ("2026-05-01", "$30.00"),
    ]);
    assert_eq!(party.moved(Movement::Invoice), "$90.00");
}

/// While the processor thinks, the old plan is in force.
#[test]
fn an_upgrade_waits_for_its_payment() {
    let mut party = Story::begin(&two(with_allowance("30", 1), with_allowance("90", 100)), &[]);
    party.until_date("2026-04-01");
    party.processor_takes_its_time();
    let at = party.at("2026-04-11");
    party.change_plan(at, 1);
    // A second wish meanwhile changes nothing.
    party.change_plan(at + secs(1), 1);
    assert_eq!((party.account.plan(&party.catalog), party.waiting.len()), (0, 1));
    party.answer(at + secs(5), Paid);
    assert_eq!(party.account.plan(&party.catalog), 1);
}

/// Asked for ten hours before April, when 40 cents are credited and $1.21 charged; paid an hour into April, whose $30 have
/// been asked for meanwhile. Of April $29.96 are credited and $89.875 charged, to the even cent $89.88: with the 81 cents
/// that were paid, $59.11 are still due.
#[test]
fn an_upgrade_that_is_paid_in_the_next_period_is_charged_for_that() {
    let mut party = Story::begin(&two(monthly("30"), monthly("90")), &[]);
    party.processor_takes_its_time();
    let renewal = party.at("2026-04-01");
    party.charged.clear();
    party.change_plan(renewal - hours(10), 1);
    party.answer(renewal + hours(1), Paid);
    party.answer(renewal + hours(1), Paid);
    party.answer(renewal + hours(1), Paid);
    party.asks(&[("2026-03-31T14:00:00", "$0.81"), ("2026-04-01", "$30.00"), ("2026-04-01T01:00:00", "$59.11")]);
    assert_eq!(party.figure(|figures| figures.outstanding), "$0.00");
    party.until_date("2026-05-01");
    party.asks(&[("2026-05-01", "$90.00")]);
}

/// Asked for at noon of 10 April, when $61.50 are charged and $20.50 credited: $41 are paid. From the 11th on everyone's small
/// plan costs $15, or everyone's large one $60; the answer comes at noon of that day, with 19.5 days left.
fn paid_after_a_new_price(plan: usize, becomes: Plan) -> Story {
    let mut scenario = two(monthly("30"), monthly("90"));
    scenario.changes = vec![Change { at: days(41), plan, becomes, applies_to: AppliesTo::All }];
    let mut party = Story::begin(&scenario, &[]);
    party.until_date("2026-04-02");
    party.processor_takes_its_time();
    party.charged.clear();
    let asked = party.at("2026-04-10T12:00:00");
    party.change_plan(asked, 1);
    party.answer(asked + hours(24), Paid);
    assert_eq!(party.account.plan(&party.catalog), 1);
    party
}

/// $20 of the old fee have been credited by then: of the new one, it is $9.75. $58.50 are charged; with $41 paid and $10 kept,
/// $2.25 are left over.
#[test]
fn an_upgrade_credits_the_fee_that_a_new_price_has_left() {
    let mut party = paid_after_a_new_price(0, monthly("15"));
    assert_eq!(party.moved(Movement::CreditFee), "$29.75");
    party.until_date("2026-05-01");
    party.asks(&[("2026-04-10T12:00:00", "$41.00"), ("2026-05-01", "$87.75")]);
}

/// $39 are charged and $19.50 credited; with $41 paid, $21.50 are left over.
#[test]
fn an_upgrade_is_to_the_price_that_holds_when_it_is_paid() {
    let mut party = paid_after_a_new_price(1, monthly("60"));
    assert_eq!(party.moved(Movement::CreditFee), "$19.50");
    party.answer(party.at("2026-05-01"), Paid);
    party.until_date("2026-06-01");
    party.asks(&[("2026-04-10T12:00:00", "$41.00"), ("2026-05-01", "$38.50"), ("2026-06-01", "$60.00")]);
}

/// The consumer leaves while the upgrade is being paid for: it does not happen, its payment is not captured, and the last
/// invoice is asked for once.
#[test]
fn an_upgrade_that_is_paid_after_the_end_does_not_happen() {
    let small = Plan { prices: first(per_unit("0.10")), ..monthly("30") };
    let mut party = Story::begin(&two(small, monthly("90")), &[]);
    party.processor_takes_its_time();
    let at = party.at("2026-03-10");
    party.calls(at, 3);
    party.change_plan(at, 1);
    party.leaves(at + secs(1));
    party.answer(at + secs(2), Paid);
    assert_eq!((party.waiting.len(), party.waiting[0].amount), (1, usd("0.30")));
    assert_eq!((party.status(), party.moved(Movement::Capture).as_str()), (Status::Canceled, "$30.00"));
    party.answer(at + secs(3), Paid);
    assert_eq!((party.moved(Movement::Capture).as_str(), party.count(Count::Upgrades)), ("$30.30", 0));
}

/// A call of ten cents is in flight when the plan changes to five cents, with no allowance on either: it belongs to the
/// plan of its admission.
#[test]
fn a_call_in_flight_keeps_the_plan_of_its_admission() {
    let plan = |fee, price| Plan { prices: first(per_unit(price)), ..monthly(fee) };
    let mut party = Story::begin(&two(plan("30", "0.10"), plan("90", "0.05")), &[]);
    let at = party.at("2026-03-10");
    let hold = party.admitted(at).hold;
    party.change_plan(at + secs(1), 1);
    party.calls(at + secs(2), 1);
    party.served(at + secs(3), hold, ONE_REQUEST);
    assert_eq!(party.figure(|figures| figures.accrued), "$0.15");
    party.until_date("2026-04-01");
    assert_eq!(party.asked().last().unwrap().1, "$90.15");
}

/// A call of March is still in flight on 1 April, so April's $30 are not invoiced yet, when the plan changes five seconds
/// into the month: all of them are credited on the upgrade, and charged when the call has come home. The month costs $90.
#[test]
fn an_upgrade_credits_a_fee_whose_invoice_still_waits() {
    let mut party = Story::begin(&two(monthly("30"), monthly("90")), &[]);
    let renewal = party.at("2026-04-01");
    let hold = party.admitted(renewal - secs(1)).hold;
    party.change_plan(renewal + secs(5), 1);
    party.served(renewal + secs(9), hold, ONE_REQUEST);
    party.until_date("2026-04-02");
    party.asks(&[("2026-03-01", "$30.00"), ("2026-04-01T00:00:05", "$60.00"), ("2026-04-01T00:00:09", "$30.00")]);
    party.close(party.at("2026-04-30"));
    // March, and 29 of 30 days of $90, as far as the second of the change allows.
    let earned = party.account.books().moved(Movement::Earn).nanos() - usd("117").nanos();
    assert!(earned.abs() < usd("0.001").nanos(), "{earned}");
}

/// Allowance in flight: one of ten is reserved when the plan changes to twenty, and given back when the call fails.
#[test]
fn what_a_failed_call_gives_back_after_a_change_is_there_again() {
    let mut party = Story::begin(&two(with_allowance("30", 10), with_allowance("90", 20)), &[]);
    let at = party.at("2026-03-10");
    party.calls(at, 4);
    let hold = party.admitted(at).hold;
    party.change_plan(at, 1);
    assert_eq!(party.account.usage.free(0), 15);
    party.failed(at + secs(1), hold);
    assert_eq!(party.account.usage.free(0), 16);
}

/// From a plan without a fee whose allowance is by the month, on 11 April: two thirds of $90, and the month goes on.
#[test]
fn from_free_to_paid_the_running_month_is_charged_for_its_rest() {
    let free = Plan { fee_period: None, past_allowance: PastAllowance::Block, ..with_allowance("0", 10) };
    let mut party = Story::begin(&two(free, with_allowance("90", 100)), &[]);
    party.calls(party.at("2026-04-05"), 10);
    assert_eq!(party.refused(party.at("2026-04-05")), Cause::QuotaExhausted);
    party.change_plan(party.at("2026-04-11"), 1);
    party.calls(party.at("2026-04-11"), 90);
    party.until_date("2026-05-01");
    party.asks(&[("2026-04-11", "$60.00"), ("2026-05-01", "$90.00")]);
    assert_eq!(party.moved(Movement::MrrNew), "$90.00");
}

/// From a month to a year on 16 April: half of $30 is credited, the year is charged whole and begins on that day.
#[test]
fn from_a_month_to_a_year_the_fee_period_begins_anew() {
    let yearly = Plan { fee_period: Some(Period::Year), ..monthly("600") };
    let mut party = Story::begin(&two(monthly("30"), yearly), &[]);
    party.until_date("2026-04-02");
    party.charged.clear();
    party.change_plan(party.at("2026-04-16"), 1);
    party.until_date("2027-04-20");
    party.asks(&[("2026-04-16", "$585.00"), ("2027-04-16", "$600.00")]);
}

/// Nobody upgrades who is past due, or without a card.
#[test]
fn whoever_cannot_pay_does_not_upgrade() {
    let mut scenario = two(Plan { fee: usd("0"), fee_period: None, ..monthly("0") }, monthly("30"));
    scenario.cohorts[0].card = None;
    let mut party = Story::begin(&scenario, &[]);
    party.change_plan(party.at("2026-03-05"), 1);
    assert_eq!((party.account.plan(&party.catalog), party.count(Count::UpgradesFailed)), (0, 1));

    let mut scenario = two(Plan { grace: days(30), ..monthly("30") }, monthly("90"));
    scenario.payments.dunning.retries = vec![days(20)];
    let mut party = Story::begin(&scenario, &[Paid, BROKE]);
    party.change_plan(party.at("2026-04-05"), 1);
    assert_eq!((party.account.plan(&party.catalog), party.status()), (0, Status::PastDue));
}

/// The limits of the new plan hold at once, and start fresh.
#[test]
fn the_new_limits_hold_at_once() {
    let hourly = |requests| vec![Limit::FixedWindow(Rate { requests, per: hours(1) })];
    let mut party = Story::begin(
        &two(Plan { limits: hourly(1), ..monthly("30") }, Plan { limits: hourly(3), ..monthly("90") }),
        &[],
    );
    let at = party.at("2026-03-10T12:00");
    party.calls(at, 1);
    assert_eq!(party.refused(at), Cause::RateLimited);
    party.change_plan(at, 1);
    party.calls(at, 3);
    assert_eq!(party.refused(at), Cause::RateLimited);
}

// === Downgrades ===

/// Chosen on 11 April, in force on 1 May: until then the hundred calls are there, and $90 is not credited.
#[test]
fn a_downgrade_comes_with_the_next_period() {
    let mut party = Story::begin(&two(with_allowance("90", 100), with_allowance("30", 10)), &[]);
    party.change_plan(party.at("2026-04-11"), 1);
    assert_eq!((party.account.plan(&party.catalog), party.count(Count::Downgrades)), (0, 0));
    party.calls(party.at("2026-04-30"), 101);
    party.calls(party.at("2026-05-01"), 12);
    assert_eq!((party.account.plan(&party.catalog), party.count(Count::Downgrades)), (1, 1));
    party.until_date("2026-06-01");
    party.asks(&[
        ("2026-03-01", "$90.00"),
        ("2026-04-01", "$90.00"),
        ("2026-05-01", "$30.10"),
        ("2026-06-01", "$30.20"),
    ]);
    assert_eq!(party.moved(Movement::MrrContraction), "$60.00");
}

/// Who thinks again before the period's end keeps the plan; and an upgrade in between is not undone.
#[test]
fn a_downgrade_can_be_given_up() {
    let mut scenario = two(monthly("60"), monthly("30"));
    scenario.plans.push(monthly("90"));
    for (other, fee) in [(0, "$60.00"), (2, "$90.00")] {
        let mut party = Story::begin(&scenario, &[]);
        party.change_plan(party.at("2026-03-11"), 1);
        party.change_plan(party.at("2026-03-12"), other);
        party.until_date("2026-04-01");
        assert_eq!(party.asked().last().unwrap().1, fee);
    }
}

/// A new price for everyone on 11 April does not undo what was chosen on the 5th.
#[test]
fn a_downgrade_survives_a_new_price() {
    let mut scenario = two(monthly("60"), monthly("30"));
    scenario.changes = vec![Change { at: days(41), plan: 0, becomes: monthly("63"), applies_to: AppliesTo::All }];
    let mut party = Story::begin(&scenario, &[]);
    party.change_plan(party.at("2026-04-05"), 1);
    party.until_date("2026-05-01");
    party.asks(&[
        ("2026-03-01", "$60.00"),
        ("2026-04-01", "$60.00"),
        ("2026-04-11", "$2.00"),
        ("2026-05-01", "$30.00"),
    ]);
    assert_eq!(party.count(Count::Downgrades), 1);
}

/// A year with monthly usage, chosen down in May: the yearly fee ends in March, and the months of usage go on until then.
#[test]
fn a_downgrade_of_a_yearly_plan_waits_for_the_year() {
    let yearly = Plan { fee_period: Some(Period::Year), ..with_allowance("600", 100) };
    let mut party = Story::begin(&two(yearly, with_allowance("30", 10)), &[]);
    party.change_plan(party.at("2026-05-11"), 1);
    party.calls(party.at("2026-12-31"), 100);
    party.until_date("2027-03-01");
    party.asks(&[("2026-03-01", "$600.00"), ("2027-03-01", "$30.00")]);
    assert_eq!(party.account.plan(&party.catalog), 1);
}

/// Down to a plan without a fee: what was used of the last period is invoiced, and no fee after it.
#[test]
fn a_downgrade_to_a_plan_without_a_fee() {
    let free = Plan { fee_period: None, past_allowance: PastAllowance::Block, ..with_allowance("0", 10) };
    let mut party = Story::begin(&two(with_allowance("90", 100), free), &[]);
    party.change_plan(party.at("2026-03-11"), 1);
    party.calls(party.at("2026-03-20"), 103);
    party.until_date("2026-04-01");
    party.asks(&[("2026-03-01", "$90.00"), ("2026-04-01", "$0.30")]);
    party.calls(party.at("2026-04-01"), 10);
    assert_eq!(party.refused(party.at("2026-04-01")), Cause::QuotaExhausted);
    party.until_date("2026-08-01");
    party.asks(&[]);
    assert_eq!(party.figure(|figures| figures.mrr), "$0.00");
}

// === New prices ===

/// The plan costs another fee from 11 April (day 41) on.
fn changed(from: Plan, to: Plan, applies_to: AppliesTo) -> Scenario {
    let mut scenario = scenario(days(365), from, Cohort::new("one", 1, poisson(days(1))));
    scenario.changes = vec![Change { at: days(41), plan: 0, becomes: to, applies_to }];
    scenario
}

/// `new` reaches only those who subscribe later; `at_renewal` those who are there on 1 May; `all` at once: two thirds of
/// $30 are credited and of $90 charged.
#[test]
fn a_new_price_reaches_whom_it_says() {
    for (applies_to, invoices) in [
        (AppliesTo::New, vec![("2026-04-01", "$30.00"), ("2026-05-01", "$30.00"), ("2026-06-01", "$30.00")]),
        (AppliesTo::AtRenewal, vec![("2026-04-01", "$30.00"), ("2026-05-01", "$90.00"), ("2026-06-01", "$90.00")]),
        (
            AppliesTo::All,
            vec![
                ("2026-04-01", "$30.00"),
                ("2026-04-11", "$40.00"),
                ("2026-05-01", "$90.00"),
                ("2026-06-01", "$90.00"),
            ],
        ),
    ] {
        let scenario = changed(monthly("30"), monthly("90"), applies_to);
        let mut party = Story::begin(&scenario, &[]);
        party.charged.clear();
        party.until_date("2026-06-01");
        party.asks(&invoices);
        let mut later = Story::awaited(&scenario, days(41), &[]);
        later.until_date("2026-04-12");
        later.asks(&[("2026-04-11", "$90.00")]);
    }
}

/// $90 become $30 on 11 April: $60 are credited and $20 charged. The other $40 go to the balance, and the next invoices
/// are settled from it: nothing of $30 is collected on 1 May, and $20 on 1 June.
#[test]
fn credit_beyond_the_charge_is_kept_for_the_next_invoices() {
    let mut party = Story::begin(&changed(monthly("90"), monthly("30"), AppliesTo::All), &[]);
    party.until_date("2026-07-01");
    party.asks(&[
        ("2026-03-01", "$90.00"),
        ("2026-04-01", "$90.00"),
        ("2026-06-01", "$20.00"),
        ("2026-07-01", "$30.00"),
    ]);
    assert_eq!(party.moved(Movement::CreditBalance), "$40.00");
    assert_eq!(party.moved(Movement::ApplyBalance), "$40.00");
    assert_eq!(party.figure(|figures| figures.invoiced), "$230.00");
    assert_eq!(party.moved(Movement::MrrContraction), "$60.00");
}

/// A fee that is dropped for everyone on 11 April: two thirds of $29.99 are $19.9933…, of which $19.99 are kept for the
/// consumer. What rounding leaves is earned then, for there is no period left to earn it in.
#[test]
fn a_fee_that_is_dropped_leaves_nothing_deferred() {
    let free = Plan { fee_period: None, ..monthly("0") };
    let mut party = Story::begin(&changed(monthly("29.99"), free, AppliesTo::All), &[]);
    party.until_date("2026-08-01");
    assert_eq!(party.moved(Movement::CreditBalance), "$19.99");
    assert_eq!(party.holds(LedgerAccount::Deferred), "$0.00");
    assert_eq!(party.figure(|figures| figures.earned), "$39.99");
    assert_eq!(party.figure(|figures| figures.mrr), "$0.00");
}

/// $90 become $30 on 11 April, which leaves $40 to the consumer's credit. On 21 April $30 become $150: a third of both, $10
/// credited and $50 charged, and the $40 that are due are settled from it, so that the processor is not asked.
#[test]
fn what_was_kept_pays_an_upgrade_too() {
    let mut scenario = changed(monthly("90"), monthly("30"), AppliesTo::All);
    scenario.plans.extend([monthly("150"), monthly("180")]);
    let mut party = Story::begin(&scenario, &[]);
    party.change_plan(party.at("2026-04-21"), 1);
    party.until_date("2026-05-01");
    party.asks(&[("2026-03-01", "$90.00"), ("2026-04-01", "$90.00"), ("2026-05-01", "$150.00")]);
    assert_eq!(party.moved(Movement::ApplyBalance), "$40.00");

    // To $180, ten dollars more are due than were kept; a decline leaves them kept.
    let mut party = Story::begin(&scenario, &[Paid, Paid, BROKE]);
    party.change_plan(party.at("2026-04-21"), 2);
    assert_eq!(party.moved(Movement::ApplyBalance), "$0.00");
    party.change_plan(party.at("2026-04-21"), 2);
    party.asks(&[
        ("2026-03-01", "$90.00"),
        ("2026-04-01", "$90.00"),
        ("2026-04-21", "$10.00"),
        ("2026-04-21", "$10.00"),
    ]);
    assert_eq!(party.moved(Movement::ApplyBalance), "$40.00");
    assert_eq!((party.count(Count::Upgrades), party.count(Count::UpgradesFailed)), (1, 1));
}

/// Two changes for everyone, and a third that those who took a cheaper plan meanwhile meet on that plan.
#[test]
fn every_later_change_reaches_everyone_too() {
    let mut scenario = two(monthly("30"), monthly("10"));
    let change = |at, plan, becomes| Change { at: days(at), plan, becomes, applies_to: AppliesTo::All };
    // 1 May, 1 June, and for the small plan 1 August.
    scenario.changes = vec![change(61, 0, monthly("60")), change(92, 0, monthly("90")), change(153, 1, monthly("20"))];
    let mut party = Story::begin(&scenario, &[]);
    party.change_plan(party.at("2026-06-10"), 1);
    party.until_date("2026-09-01");
    let fees: Vec<_> = party.asked().into_iter().map(|(_, amount)| amount).collect();
    // The changes fall on the renewals, and go before them: the old fee has nothing left to credit.
    assert_eq!(fees, ["$30.00", "$30.00", "$60.00", "$90.00", "$10.00", "$20.00", "$20.00"]);
}

/// Usage served before the change keeps its price: three calls at ten cents, two at fifty.
#[test]
fn usage_before_a_new_price_keeps_the_old_one() {
    let plan = |price| Plan { prices: first(per_unit(price)), ..monthly("30") };
    let mut party = Story::begin(&changed(plan("0.10"), plan("0.50"), AppliesTo::All), &[]);
    party.until_date("2026-04-01");
    party.charged.clear();
    party.calls(party.at("2026-04-10"), 3);
    party.calls(party.at("2026-04-11"), 2);
    party.until_date("2026-05-01");
    party.asks(&[("2026-05-01", "$31.30")]);
}

/// A plan that had no fee gets one from the next period on.
#[test]
fn a_fee_that_is_new_at_renewal_is_billed_then() {
    let free = Plan { fee_period: None, ..with_allowance("0", 10) };
    let mut party = Story::begin(&changed(free, with_allowance("30", 10), AppliesTo::AtRenewal), &[]);
    party.calls(party.at("2026-04-20"), 12);
    party.until_date("2026-06-01");
    party.asks(&[("2026-05-01", "$30.20"), ("2026-06-01", "$30.00")]);
    assert_eq!(party.moved(Movement::MrrNew), "$30.00");
}

/// Six of ten calls are left in April; a new price from 1 May on does not take them away.
#[test]
fn a_new_price_at_renewal_keeps_what_is_carried_over() {
    let plan = |fee| Plan { rollover: Some(Rollover { min: 0, max: 50 }), ..with_allowance(fee, 10) };
    let mut party = Story::begin(&changed(plan("30"), plan("40"), AppliesTo::AtRenewal), &[]);
    party.calls(party.at("2026-03-20"), 10);
    party.calls(party.at("2026-04-20"), 4);
    party.until_date("2026-05-01");
    assert_eq!(party.account.usage.free(0), 16);
}

/// Four of ten calls were carried into April; three of the fourteen are used when the price changes for everyone.
#[test]
fn a_new_price_at_once_keeps_what_was_carried_over() {
    let plan = |fee| Plan { rollover: Some(Rollover { min: 0, max: 4 }), ..with_allowance(fee, 10) };
    let mut party = Story::begin(&changed(plan("30"), plan("40"), AppliesTo::All), &[]);
    party.calls(party.at("2026-04-05"), 3);
    assert_eq!(party.account.usage.free(0), 11);
    party.until_date("2026-04-11");
    assert_eq!((party.account.usage.free(0), party.account.usage.number), (11, 1));
}

/// Someone who is in a trial has the new price when they convert, and is charged nothing before.
#[test]
fn a_new_price_reaches_a_trial_without_a_charge() {
    let trial = |fee| Plan { trial: Some(crate::model::Length::Months(2)), ..monthly(fee) };
    let mut party = Story::begin(&changed(trial("30"), trial("90"), AppliesTo::All), &[]);
    party.until_date("2026-06-01");
    party.asks(&[("2026-05-01", "$90.00"), ("2026-06-01", "$90.00")]);
}

/// A new price is charged to one who is past due behind what they owe: one run, the oldest first.
#[test]
fn a_new_price_waits_behind_what_is_due() {
    let plan = |fee| Plan { grace: days(30), ..monthly(fee) };
    let mut scenario = changed(plan("30"), plan("90"), AppliesTo::All);
    scenario.payments.dunning.retries = vec![days(15)];
    let mut party = Story::begin(&scenario, &[Paid, BROKE]);
    party.until_date("2026-04-20");
    party.asks(&[
        ("2026-03-01", "$30.00"),
        ("2026-04-01", "$30.00"),
        ("2026-04-16", "$30.00"),
        ("2026-04-16", "$40.00"),
    ]);
    assert_eq!(party.status(), Status::Active);
}
