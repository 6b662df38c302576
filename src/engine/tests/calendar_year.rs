//! Stories about the calendar: days that a month lacks, hours that a day lacks or has twice, and that it makes no
//! difference in how large steps time is seen to pass.

use jiff::tz::TimeZone;

use super::story::{BROKE, Story, first, hours, monthly, per_unit, usd};
use super::{days, dollars, poisson, requests, scenario, secs, state};
use crate::billing::decline::Answer::Paid;
use crate::billing::ledger::Movement;
use crate::billing::tally::Count;
use crate::model::{
    AppliesTo, Change, Cohort, Dunning, Fees, Finally, GrantTerms, Length, PastAllowance, Period, Plan, Prepaid,
    Scenario, Share, TopUp,
};
use crate::time::{Span, Time};

/// A scenario that starts at a civil time in UTC, with a consumer whose calendar is that of a zone.
fn starting(civil: &str, zone: &str, plan: Plan) -> Scenario {
    let mut scenario = scenario(days(3_650), plan, Cohort::new("one", 1, poisson(days(1))));
    scenario.start = civil.parse().unwrap();
    scenario.cohorts[0].zone = if zone == "UTC" { TimeZone::UTC } else { TimeZone::get(zone).unwrap() };
    scenario
}

/// When one who signs up at the start is charged until a date (civil times in UTC).
fn charged(start: &str, zone: &str, plan: Plan, until: &str) -> Vec<String> {
    let mut party = Story::begin(&starting(start, zone, plan), &[]);
    party.until_date(until);
    party.asked().into_iter().map(|(date, _)| date).collect()
}

fn yearly(fee: &str) -> Plan {
    Plan { fee_period: Some(Period::Year), ..monthly(fee) }
}

// === Days that a month lacks ===

/// From 31 January every month ends on its last day, and the 31st comes back.
#[test]
fn the_31st_comes_back_all_year() {
    assert_eq!(
        charged("2026-01-31T00:00", "UTC", monthly("30"), "2027-02-28"),
        [
            "2026-01-31",
            "2026-02-28",
            "2026-03-31",
            "2026-04-30",
            "2026-05-31",
            "2026-06-30",
            "2026-07-31",
            "2026-08-31",
            "2026-09-30",
            "2026-10-31",
            "2026-11-30",
            "2026-12-31",
            "2027-01-31",
            "2027-02-28"
        ]
    );
}

/// Subscribed for a year on a leap day: 28 February in common years, and the 29th again in the next leap year.
#[test]
fn a_leap_day_comes_back_in_leap_years() {
    assert_eq!(
        charged("2024-02-29T00:00", "UTC", yearly("300"), "2028-03-01"),
        ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]
    );
    assert_eq!(
        charged("2028-02-29T00:00", "UTC", monthly("300"), "2028-05-01"),
        ["2028-02-29", "2028-03-29", "2028-04-29"]
    );
}

/// A trial of a month from 31 January ends on 28 February, and that is the anchor from then on.
#[test]
fn a_trial_that_ends_in_february_is_anchored_there() {
    let plan = Plan { trial: Some(Length::Months(1)), ..monthly("30") };
    assert_eq!(charged("2026-01-31T00:00", "UTC", plan, "2026-05-01"), ["2026-02-28", "2026-03-28", "2026-04-28"]);
}

// === Hours that a day lacks, or has twice ===

/// New York, at 02:30 local time. On 8 March 2026 there is no 02:30: the month begins with the first instant after the
/// gap, 03:00 EDT. In April it is 02:30 again.
#[test]
fn a_missing_hour_in_new_york() {
    assert_eq!(
        charged("2026-02-08T07:30", "America/New_York", monthly("30"), "2026-04-09"),
        ["2026-02-08T07:30:00", "2026-03-08T07:00:00", "2026-04-08T06:30:00"]
    );
}

/// New York, at 01:30 local time. 1 November 2026 has it twice: the first, still in summer time, is the one.
#[test]
fn a_double_hour_in_new_york() {
    assert_eq!(
        charged("2026-10-01T05:30", "America/New_York", monthly("30"), "2026-12-02"),
        ["2026-10-01T05:30:00", "2026-11-01T05:30:00", "2026-12-01T06:30:00"]
    );
}

/// Berlin, at 02:30 local time on the 29th: February has none and uses the 28th; 29 March lacks the hour (03:00 CEST is
/// 01:00 UTC); in April it is 02:30 again.
#[test]
fn a_missing_day_and_a_missing_hour_in_berlin() {
    assert_eq!(
        charged("2026-01-29T01:30", "Europe/Berlin", monthly("30"), "2026-04-30"),
        ["2026-01-29T01:30:00", "2026-02-28T01:30:00", "2026-03-29T01:00:00", "2026-04-29T00:30:00"]
    );
}

/// Berlin, 25 October 2026, 02:30 twice: the first.
#[test]
fn a_double_hour_in_berlin() {
    assert_eq!(
        charged("2026-09-25T00:30", "Europe/Berlin", monthly("30"), "2026-11-26"),
        ["2026-09-25T00:30:00", "2026-10-25T00:30:00", "2026-11-25T01:30:00"]
    );
}

/// March in Berlin has 743 hours: after 371 and a half of them, half of the fee is left.
#[test]
fn a_short_month_is_prorated_by_its_own_seconds() {
    let mut scenario = starting("2026-02-28T23:00", "Europe/Berlin", monthly("30"));
    scenario.plans.push(monthly("90"));
    let mut party = Story::begin(&scenario, &[]);
    let half = Time::START + hours(371) + secs(1_800);
    party.change_plan(half, 1);
    party.until_date("2026-04-01");
    party.asks(&[
        ("2026-02-28T23:00:00", "$30.00"),
        ("2026-03-16T10:30:00", "$30.00"),
        ("2026-03-31T22:00:00", "$90.00"),
    ]);
}

/// A day is 86,400 s whatever the clocks do: from midnight in New York, it begins at 01:00 in summer.
#[test]
fn a_day_has_its_seconds() {
    let plan = Plan { fee_period: Some(Period::Day), usage_period: Some(Period::Day), ..monthly("1") };
    let charged = charged("2026-03-07T05:00", "America/New_York", plan, "2026-03-10");
    assert_eq!(charged, ["2026-03-07T05:00:00", "2026-03-08T05:00:00", "2026-03-09T05:00:00"]);
}

/// Credit that lasts three months from 30 November ends on 28 February, at the same local time.
#[test]
fn credit_expires_by_the_calendar() {
    let grant = GrantTerms { expires: Some(Length::Months(3)), ..GrantTerms::opening(dollars(9)) };
    let prepaid = Prepaid { grants: vec![grant], auto_top_up: None, credits_expire: None };
    let plan = Plan { prepaid: Some(prepaid), ..Plan::new("prepaid") };
    let mut party = Story::begin(&starting("2026-11-30T12:00", "Europe/Berlin", plan), &[]);
    party.until_date("2027-02-28T11:59:59");
    assert_eq!(party.credit(), "$9.00");
    party.until_date("2027-02-28T12:00");
    assert_eq!(party.credit(), "$0.00");
}

// === Half a year of one customer ===

/// $30 a month with a hundred calls, ten cents for each beyond; $90 with a thousand, five cents beyond. Collecting costs
/// 2.9 % and 30 cents.
fn starter_and_pro() -> Scenario {
    let plan = |fee, allowance, price| Plan {
        allowance: requests(allowance),
        past_allowance: PastAllowance::Overage,
        overage: first(per_unit(price)),
        grace: days(7),
        trial: Some(Length::Exact(days(14))),
        ..monthly(fee)
    };
    let mut scenario = starting("2026-01-15T00:00", "UTC", plan("30", 100, "0.10"));
    scenario.plans.push(plan("90", 1_000, "0.05"));
    scenario.payments.dunning.retries = vec![days(3)];
    scenario.payments.fees =
        Fees { success: Share { parts: 29, of: 1_000 }, success_fixed: usd("0.30"), ..Fees::default() };
    scenario
}

/// A trial until 29 January; 20 calls of overage in February; half-way through the 29 days from 28 February, the larger
/// plan; its renewal declined, and paid three days later; 200 calls of overage in April; the smaller plan from 29 May; gone
/// on 8 June, with five calls of overage.
#[test]
fn half_a_year_of_one_customer() {
    let mut party = Story::begin(&starter_and_pro(), &[Paid, Paid, Paid, BROKE]);
    party.calls(party.at("2026-01-20"), 50);
    party.calls(party.at("2026-02-10"), 120);
    party.change_plan(party.at("2026-03-14T12:00"), 1);
    assert!(party.admitted(party.at("2026-03-30")).in_grace);
    party.calls(party.at("2026-04-20"), 1_200);
    party.change_plan(party.at("2026-05-10"), 0);
    party.calls(party.at("2026-06-01"), 105);
    party.leaves(party.at("2026-06-08"));
    party.close(party.at("2026-07-01"));
    party.asks(&[
        ("2026-01-29", "$30.00"),
        ("2026-02-28", "$32.00"),
        ("2026-03-14T12:00:00", "$30.00"),
        ("2026-03-29", "$90.00"),
        ("2026-04-01", "$90.00"),
        ("2026-04-29", "$100.00"),
        ("2026-05-29", "$30.00"),
        ("2026-06-08", "$0.50"),
    ]);
    // The call of 30 March was never answered; its hold has expired.
    assert_eq!((party.account.open_holds(), party.count(Count::ExpiredHolds)), (0, 1));
    // What was collected is what was invoiced, and all of it is earned: $300 of fees and $12.50 of usage.
    assert_eq!(party.figure(|f| f.collected), "$312.50");
    assert_eq!(party.figure(|f| f.invoiced), "$312.50");
    assert_eq!(
        (party.figure(|f| f.earned_fees).as_str(), party.figure(|f| f.earned_usage).as_str()),
        ("$300.00", "$12.50")
    );
    // 0.87 + 0.93 + 0.87 + 2.61 + 2.90 + 0.87 + 0.01, and seven times 0.30.
    assert_eq!(party.figure(|f| f.processor_fees), "$11.16");
    assert_eq!(party.figure(|f| f.margin), "$301.34");
    let mrr = [Movement::MrrNew, Movement::MrrExpansion, Movement::MrrContraction, Movement::MrrChurn];
    assert_eq!(mrr.map(|movement| party.moved(movement)), ["$30.00", "$60.00", "$60.00", "$30.00"]);
}

/// The same customer, without the calls: what is due happens at its own moment however time passes.
#[test]
fn half_a_year_leaps_as_it_steps() {
    let scenario = starter_and_pro();
    let begin = || {
        let mut party = Story::begin(&scenario, &[Paid, Paid, Paid, BROKE]);
        party.change_plan(party.at("2026-03-14T12:00"), 1);
        party.change_plan(party.at("2026-03-15"), 0);
        party
    };
    leaps_as_it_steps("half a year", begin, "2026-07-01", ODD);
}

// === Large steps and small ones ===

/// One story told twice: once in a single leap, once in steps that fall on no boundary. What is left is the same account.
fn leaps_as_it_steps(what: &str, begin: impl Fn() -> Story, until: &str, step: Span) {
    let (mut leaping, mut stepping) = (begin(), begin());
    let (end, before) = (leaping.at(until), state(&leaping.account));
    leaping.until(end);
    let mut now = stepping.account.seen.billing.max(Time::START);
    while now < end {
        now = end.min(now + step);
        stepping.until(now);
    }
    assert_ne!(state(&leaping.account), before, "nothing happens: {what}");
    assert_eq!(state(&leaping.account), state(&stepping.account), "{what}");
    assert_eq!(leaping.asked(), stepping.asked(), "{what}");
}

const ODD: Span = Span::from_ns(40_000_000_000_007);

fn march(plan: Plan) -> Scenario {
    starting("2026-03-01T00:00", "Europe/Berlin", plan)
}

#[test]
fn subscribing_and_first_payments_leap_as_they_step() {
    let plain = march(monthly("30"));
    leaps_as_it_steps("joining, renewals", || Story::awaited(&plain, days(3) + secs(5), &[]), "2026-07-01", ODD);
    leaps_as_it_steps("an expired first payment", || Story::begin(&plain, &[BROKE]), "2026-03-20", ODD);
    let trial = march(Plan { trial: Some(Length::Exact(days(14))), ..monthly("30") });
    leaps_as_it_steps("a trial", || Story::begin(&trial, &[]), "2026-05-20", ODD);
    let mut without_card = trial;
    without_card.cohorts[0].card = None;
    leaps_as_it_steps("a trial without a card", || Story::begin(&without_card, &[]), "2026-05-20", ODD);
}

#[test]
fn dunning_leaps_as_it_steps() {
    for finally in [Finally::Cancel, Finally::Unpaid, Finally::Keep] {
        let mut scenario = march(Plan { grace: days(4), ..monthly("30") });
        scenario.payments.dunning = Dunning { retries: vec![days(3), days(40)], finally, ..Dunning::default() };
        let begin = || {
            let mut party = Story::begin(&scenario, &[]);
            party.will_answer(&[BROKE; 9]);
            party
        };
        leaps_as_it_steps("dunning", begin, "2026-07-05", ODD);
    }
}

#[test]
fn new_prices_leap_as_they_step() {
    for applies_to in [AppliesTo::New, AppliesTo::AtRenewal, AppliesTo::All] {
        let plan = |fee, price| Plan { prices: first(per_unit(price)), ..monthly(fee) };
        let mut scenario = march(plan("30", "0.10"));
        let change = |at, becomes| Change { at: days(at), plan: 0, becomes, applies_to };
        scenario.changes = vec![change(20, plan("60", "0.20")), change(31, plan("20", "0.30"))];
        let begin = || {
            let mut party = Story::begin(&scenario, &[]);
            party.calls(Time::START + days(1), 3);
            party
        };
        leaps_as_it_steps("new prices", begin, "2026-07-05", ODD);
    }
}

#[test]
fn credit_leaps_as_it_steps() {
    let grant = GrantTerms { expires: Some(Length::Months(1)), ..GrantTerms::opening(dollars(3)) };
    let top_up = TopUp { below: usd("2"), add: usd("10"), at_most: Some(1) };
    let prepaid = Prepaid { grants: vec![grant], auto_top_up: Some(top_up), credits_expire: Some(Length::Months(2)) };
    let scenario = march(Plan { prepaid: Some(prepaid), prices: first(per_unit("1")), ..Plan::new("prepaid") });
    let begin = || {
        let mut party = Story::begin(&scenario, &[BROKE]);
        party.calls(Time::START + days(1), 2);
        party
    };
    leaps_as_it_steps("top-ups and expiry", begin, "2026-07-05", ODD);
}

/// Calls are in flight when the month ends: their holds expire in traffic time, and the invoice is made then.
#[test]
fn holds_and_waiting_invoices_leap_as_they_step() {
    let scenario = march(Plan { prices: first(per_unit("0.10")), ..monthly("30") });
    let begin = || {
        let mut party = Story::begin(&scenario, &[]);
        // April begins at 22:00 UTC in Berlin.
        let end = party.at("2026-03-31T22:00");
        party.calls(end - secs(9), 4);
        party.admitted(end - secs(5));
        party.admitted(end + secs(1));
        party
    };
    leaps_as_it_steps("holds", begin, "2026-05-05", Span::from_ns(311_000_000_007));
}
