//! Worked examples from vendors' own documentation and tests, to the cent and the day. Each names its source; where the
//! rules differ in something that the example does not turn on, the comment says what was set so that they agree. Those
//! of prices alone are in `pricing`.

use super::story::{BROKE, LOST, Story, first, monthly, per_unit, usd};
use super::{days, poisson, requests, scenario};
use crate::billing::account::Status;
use crate::billing::cause::Cause;
use crate::billing::gate::Decision;
use crate::billing::ledger::Movement;
use crate::billing::tally::Count;
use crate::model::{
    Cohort, Discount, Dunning, Finally, GrantTerms, Length, PastAllowance, Period, Plan, Prepaid, Returns, Rollover,
    Scenario, Share, TopUp,
};

/// A scenario that starts at a civil time in UTC; times of the examples are UTC, midnight where they say none.
fn starting(civil: &str, plan: Plan) -> Scenario {
    let mut scenario = scenario(days(3_650), plan, Cohort::new("one", 1, poisson(days(1))));
    let date = civil.parse().or_else(|_| civil.parse::<jiff::civil::Date>().map(jiff::civil::DateTime::from));
    scenario.start = date.unwrap();
    scenario
}

fn yearly(fee: &str) -> Plan {
    Plan { fee_period: Some(Period::Year), ..monthly(fee) }
}

// === Upgrades ===

/// From one plan to a dearer one, for those who subscribed at `from`: what is credited, charged, and paid at once.
struct Upgrade {
    source: &'static str,
    from: &'static str,
    plans: fn(&str) -> Plan,
    fees: [&'static str; 2],
    at: &'static str,
    /// Credit, charge, and the difference.
    amounts: [&'static str; 3],
}

const UPGRADES: &[Upgrade] = &[
    Upgrade {
        source: "Polar, docs/features/subscriptions/proration.mdx: $5 to $20 after 1 of 30 days",
        from: "2025-06-01",
        plans: monthly,
        fees: ["5", "20"],
        at: "2025-06-02",
        amounts: ["$4.83", "$19.33", "$14.50"],
    },
    Upgrade {
        source: "Polar, test_service_prorations.py, half a month",
        from: "2025-06-01",
        plans: monthly,
        fees: ["100", "300"],
        at: "2025-06-16",
        amounts: ["$50.00", "$150.00", "$100.00"],
    },
    Upgrade {
        source: "Polar, same test, a third",
        from: "2025-06-01",
        plans: monthly,
        fees: ["100", "300"],
        at: "2025-06-11",
        amounts: ["$66.67", "$200.00", "$133.33"],
    },
    Upgrade {
        source: "Polar, same test, leap February (22 of 29 days; the net rounded once would be 151.72)",
        from: "2024-02-18",
        plans: monthly,
        fees: ["100", "300"],
        at: "2024-02-25",
        amounts: ["$75.86", "$227.59", "$151.73"],
    },
    Upgrade {
        source: "Polar, same test, a year (304 of 365 days)",
        from: "2024-08-01",
        plans: yearly,
        fees: ["1000", "3000"],
        at: "2024-10-01",
        amounts: ["$832.88", "$2,498.63", "$1,665.75"],
    },
    Upgrade {
        source: "Polar, same test, a leap year (166 of 366 days; the net rounded once would be 907.10)",
        from: "2024-02-18",
        plans: yearly,
        fees: ["1000", "3000"],
        at: "2024-09-05",
        amounts: ["$453.55", "$1,360.66", "$907.11"],
    },
    Upgrade {
        source: "Polar, same test, a common year (166 of 365 days)",
        from: "2023-02-18",
        plans: yearly,
        fees: ["1000", "3000"],
        at: "2023-09-05",
        amounts: ["$454.79", "$1,364.38", "$909.59"],
    },
    Upgrade {
        source: "OpenMeter, sync_test.go l.655: 871,482 of 2,678,400 s of $20 are 6.51; here the credit, and the charge thrice it",
        from: "2024-01-01",
        plans: monthly,
        fees: ["20", "60"],
        at: "2024-01-21T21:55:18",
        amounts: ["$6.51", "$19.52", "$13.01"],
    },
    Upgrade {
        source: "OpenMeter, sync_test.go l.1119: $10 to $20 after a day of 31 (there the old line is re-priced to 0.32)",
        from: "2024-01-01",
        plans: monthly,
        fees: ["10", "20"],
        at: "2024-01-02",
        amounts: ["$9.68", "$19.35", "$9.67"],
    },
    Upgrade {
        source: "Autumn, modelling-pricing/proration: $20 to $50 at 15 of 30 days",
        from: "2025-06-01",
        plans: monthly,
        fees: ["20", "50"],
        at: "2025-06-16",
        amounts: ["$10.00", "$25.00", "$15.00"],
    },
    Upgrade {
        source: "Stripe, billing/subscriptions/prorations: $10 to $20 at half of the period",
        from: "2025-06-01",
        plans: monthly,
        fees: ["10", "20"],
        at: "2025-06-16",
        amounts: ["$5.00", "$10.00", "$5.00"],
    },
    Upgrade {
        source: "Paddle, concepts/subscriptions/proration: $10 to $30 with 15 of 30 days left",
        from: "2025-06-01",
        plans: monthly,
        fees: ["10", "30"],
        at: "2025-06-16",
        amounts: ["$5.00", "$15.00", "$10.00"],
    },
    Upgrade {
        source: "Lago, guide/subscriptions/upgrades-downgrades: 100 to 200 on 15 January (17 of 31 days left)",
        from: "2025-01-01",
        plans: monthly,
        fees: ["100", "200"],
        at: "2025-01-15",
        amounts: ["$54.84", "$109.68", "$54.84"],
    },
    Upgrade {
        source: "Flexprice, calculator_test.go: $10 to $20, 17 of 31 days (the net rounded once would be 5.48)",
        from: "2024-03-01",
        plans: monthly,
        fees: ["10", "20"],
        at: "2024-03-15",
        amounts: ["$5.48", "$10.97", "$5.49"],
    },
    Upgrade {
        source: "Chargebee, support topic 40893: Silver $15 to Gold $30 on 5 April (26 of 30 days)",
        from: "2025-04-01",
        plans: monthly,
        fees: ["15", "30"],
        at: "2025-04-05",
        amounts: ["$13.00", "$26.00", "$13.00"],
    },
];

#[test]
fn upgrades_cost_what_the_vendors_say() {
    for Upgrade { source, from, plans, fees, at, amounts } in UPGRADES {
        let mut scenario = starting(from, plans(fees[0]));
        scenario.plans.push(plans(fees[1]));
        let mut party = Story::begin(&scenario, &[]);
        let invoiced = party.account.books().moved(Movement::Invoice);
        let (ends, at) = (party.account.fee.ends, party.at(at));
        party.charged.clear();
        party.change_plan(at, 1);
        let charged = party.account.books().moved(Movement::Invoice).checked_sub(invoiced).unwrap();
        let charged = scenario.currency.display(i128::from(charged.nanos())).to_string();
        let (credited, asked) = (party.moved(Movement::CreditFee), party.asked());
        assert_eq!([credited, charged, asked[0].1.clone()], *amounts, "{source}");
        // The period's end is kept, and the next fee is whole.
        party.charged.clear();
        party.until(ends);
        assert_eq!(party.charged.len(), 1, "{source}");
        assert_eq!(party.charged[0].1.amount, usd(fees[1]), "{source}");
    }
}

/// Polar, `test_service_prorations.py` l.950: $100 to $200 on 7 June, to $300 on the 13th, to $400 on the 19th, with 24, 18
/// and 12 of 30 days left: −80 + 160, −120 + 180, −120 + 160.
#[test]
fn polar_three_upgrades_in_one_period() {
    let mut scenario = starting("2025-06-01", monthly("100"));
    scenario.plans.extend(["200", "300", "400"].map(monthly));
    let mut party = Story::begin(&scenario, &[]);
    for (plan, date) in [(1, "2025-06-07"), (2, "2025-06-13"), (3, "2025-06-19")] {
        party.change_plan(party.at(date), plan);
    }
    party.asks(&[
        ("2025-06-01", "$100.00"),
        ("2025-06-07", "$80.00"),
        ("2025-06-13", "$60.00"),
        ("2025-06-19", "$40.00"),
    ]);
    assert_eq!(party.moved(Movement::CreditFee), "$320.00");
}

/// Polar, `test_service_prorations.py`: from $100 a month to a year. The month is credited (50.00, 66.67, in a leap February
/// 75.86), the year charged whole, and it begins on that day. There the year costs $1,000, which in recurring revenue is
/// less than the month and so would be a downgrade here: here it is $1,300.
#[test]
fn polar_from_a_month_to_a_year() {
    for (from, at, credit, asked, renewal) in [
        ("2025-06-01", "2025-06-16", "$50.00", "$1,250.00", "2026-06-16"),
        ("2025-06-01", "2025-06-11", "$66.67", "$1,233.33", "2026-06-11"),
        ("2024-02-18", "2024-02-25", "$75.86", "$1,224.14", "2025-02-25"),
    ] {
        let mut scenario = starting(from, monthly("100"));
        scenario.plans.push(yearly("1300"));
        let mut party = Story::begin(&scenario, &[]);
        party.charged.clear();
        party.change_plan(party.at(at), 1);
        assert_eq!(party.moved(Movement::CreditFee), credit);
        party.until_date(renewal);
        party.asks(&[(at, asked), (renewal, "$1,300.00")]);
    }
}

/// Polar, same test: from $1,000 a year to $100 a month, after 73 of 365 days (61 of 366): 800.00 (833.33) are credited and
/// 100.00 charged. What is credited beyond pays the next months.
#[test]
fn polar_from_a_year_to_a_month() {
    for (from, at, credit, next, amount) in [
        ("2025-06-01", "2025-08-13", "$800.00", "2026-04-13", "$100.00"),
        ("2024-02-18", "2024-04-19", "$833.33", "2024-12-19", "$66.67"),
    ] {
        let mut scenario = starting(from, yearly("1000"));
        scenario.plans.push(monthly("100"));
        let mut party = Story::begin(&scenario, &[]);
        party.charged.clear();
        party.change_plan(party.at(at), 1);
        assert_eq!(party.moved(Movement::CreditFee), credit);
        assert_eq!(party.moved(Movement::Invoice), "$1,100.00");
        // 700.00 pay seven months from the next on; 733.33 pay seven, and 33.33 of the eighth.
        party.until_date(next);
        party.asks(&[(next, amount)]);
    }
}

// === Downgrades ===

/// Lago, `downgrade_spec.rb`: $129.00 a month in advance from 19 July 2023; a downgrade asked for on 9 November changes
/// nothing before the 19th. (There it is to a yearly plan whose first year is cut short; here to one of $99 a month.)
#[test]
fn lago_nothing_happens_until_the_period_ends() {
    let mut scenario = starting("2023-07-19", monthly("129"));
    scenario.plans.push(monthly("99"));
    let mut party = Story::begin(&scenario, &[]);
    party.change_plan(party.at("2023-11-09"), 1);
    let whole = ["2023-07-19", "2023-08-19", "2023-09-19", "2023-10-19"].map(|date| (date, "$129.00"));
    party.asks(&whole);
    party.until_date("2023-11-20");
    party.asks(&[("2023-11-19", "$99.00")]);
}

// === Trials ===

/// Polar, `test_service.py` l.2008: signed up on 28 April 2024 at noon, seven days of trial: the paid month begins on 5 May
/// at noon, and the next on 5 June.
#[test]
fn polar_a_trials_end_is_the_anchor() {
    let plan = Plan { trial: Some(Length::Exact(days(7))), ..monthly("20") };
    let mut party = Story::begin(&starting("2024-04-28T12:00", plan), &[]);
    party.until_date("2024-06-06");
    party.asks(&[("2024-05-05T12:00:00", "$20.00"), ("2024-06-05T12:00:00", "$20.00")]);
}

/// Autumn, `trial-basic.test.ts`: $20 a month with 500 messages, seven days of trial: nothing is due now, $20 after seven
/// days, and the 500 are there again. And docs, trials: of 14 days, billing begins on the 15th.
#[test]
fn autumn_the_allowance_starts_again_after_the_trial() {
    let plan = |length| Plan { trial: Some(Length::Exact(days(length))), allowance: requests(500), ..monthly("20") };
    let mut party = Story::begin(&starting("2025-06-01", plan(7)), &[]);
    party.calls(party.at("2025-06-02"), 100);
    party.until_date("2025-06-08");
    assert_eq!(party.account.usage.free(0), 500);
    party.asks(&[("2025-06-08", "$20.00")]);

    let mut party = Story::begin(&starting("2025-06-01", plan(14)), &[]);
    party.until_date("2025-06-30");
    party.asks(&[("2025-06-15", "$20.00")]);
}

/// Polar, `test_trial_metered_cancel.py`: $29 a unit, four units used in a trial that is canceled: nothing is charged.
#[test]
fn polar_usage_of_a_canceled_trial_is_never_billed() {
    let plan = Plan { trial: Some(Length::Exact(days(7))), prices: first(per_unit("29")), ..monthly("0") };
    let mut party = Story::begin(&starting("2026-04-08T12:00", plan), &[]);
    party.calls(party.at("2026-04-10"), 4);
    party.leaves(party.at("2026-04-15T11:59:59"));
    party.until_date("2026-07-01");
    party.asks(&[]);
    assert_eq!(party.figure(|figures| figures.earned), "$0.00");
}

/// Kill Bill, `TestOverdueIntegration.java`: 30 days of trial from 1 May 2012 end on the 31st, which is the anchor.
#[test]
fn kill_bill_a_trial_that_ends_on_a_31st() {
    let plan = Plan { trial: Some(Length::Exact(days(30))), ..monthly("249.95") };
    let mut party = Story::begin(&starting("2012-05-01", plan), &[]);
    party.until_date("2012-09-29");
    party.asks(&["2012-05-31", "2012-06-30", "2012-07-31", "2012-08-31"].map(|date| (date, "$249.95")));
}

// === Anchors ===

/// Where periods begin, by vendor: Stripe (billing-cycle), Polar (`test_anchor_monthly_cycle`), Lago
/// (`billing_boundaries_spec.rb`, `anniversary_period_boundaries_spec.rb`), Autumn (`get-cycle-end`), `OpenMeter`
/// (`syncbillinganchor_test.go`).
#[test]
fn periods_begin_where_the_vendors_say() {
    for (source, from, plan, renewals) in [
        ("Stripe", "2026-01-31", monthly("1"), ["2026-02-28", "2026-03-31", "2026-04-30"]),
        ("Polar", "2024-01-31", monthly("1"), ["2024-02-29", "2024-03-31", "2024-04-30"]),
        ("Lago, the 30th", "2024-01-30", monthly("1"), ["2024-02-29", "2024-03-30", "2024-04-30"]),
        ("Lago, a leap day", "2024-02-29", yearly("1"), ["2025-02-28", "2026-02-28", "2027-02-28"]),
        ("Autumn, a leap day", "2024-02-29", yearly("1"), ["2026-02-28", "2027-02-28", "2028-02-29"]),
        (
            "Autumn, month ends",
            "2026-01-31T10:00",
            monthly("1"),
            ["2026-03-31T10:00:00", "2026-04-30T10:00:00", "2026-05-31T10:00:00"],
        ),
        (
            "Autumn, the same time of day",
            "2026-05-31T15:13:09",
            monthly("1"),
            ["2026-06-30T15:13:09", "2026-07-31T15:13:09", "2026-08-31T15:13:09"],
        ),
        (
            "OpenMeter",
            "2025-01-31T15:00",
            monthly("1"),
            ["2025-07-31T15:00:00", "2025-08-31T15:00:00", "2025-09-30T15:00:00"],
        ),
    ] {
        let mut party = Story::begin(&starting(from, plan), &[]);
        party.until_date(renewals[2]);
        let asked: Vec<String> = party.asked().into_iter().map(|(date, _)| date).collect();
        assert!(asked.ends_with(&renewals.map(str::to_owned)), "{source}: {asked:?}");
    }
}

// === Credit ===

/// A dollar a unit, from credit; grants by amount, priority and days until they expire.
fn prepaid(grants: &[(&str, u8, Option<u64>)]) -> Plan {
    let grants = grants.iter().map(|(amount, priority, expires)| GrantTerms {
        amount: usd(amount),
        priority: *priority,
        expires: expires.map(|n| Length::Exact(days(n))),
        paid: false,
    });
    let prepaid = Prepaid { grants: grants.collect(), auto_top_up: None, credits_expire: None };
    Plan { prepaid: Some(prepaid), prices: first(per_unit("1")), ..monthly("0") }
}

/// Uses so many units on the second day; what is left of the grants that have something left, in their order.
fn left(party: &mut Story, units: u64) -> Vec<i64> {
    let at = party.account.subscribed + days(1);
    party.calls(at, units);
    let grants = party.account.grants.iter();
    grants.map(|grant| grant.remaining.nanos() / 1_000_000_000).filter(|dollars| *dollars > 0).collect()
}

/// `OpenMeter`, `credit/engine/run_test.go` l.528: two grants of 100, of priority 1 and 2, given in the order 2, 1; 120 are
/// used: 0 and 80 are left. The same where they expire in 30 days and in 100 years.
#[test]
fn openmeter_grants_burn_by_priority_and_expiry() {
    for grants in [[("100", 2, None), ("100", 1, None)], [("100", 1, Some(36_500)), ("100", 1, Some(30))]] {
        let mut party = Story::begin(&starting("2024-01-01", prepaid(&grants)), &[]);
        assert_eq!(left(&mut party, 120), [80]);
        assert_eq!(party.account.grants.iter().next().unwrap().id, 0, "the first of the list burns last");
    }
}

/// `OpenMeter`, same test l.602 (with a thousand grants for its hundred thousand): all of 100, one expires a day earlier than
/// the others; 99 used leave 1 of it.
#[test]
fn openmeter_one_of_many_grants_expires_first() {
    let mut grants = vec![("100", 1, Some(30)); 1_000];
    grants[617].2 = Some(29);
    let mut party = Story::begin(&starting("2024-01-01", prepaid(&grants)), &[]);
    let left = left(&mut party, 99);
    assert_eq!((left[0], left[1..].iter().all(|dollars| *dollars == 100), left.len()), (1, true, 1_000));
    assert_eq!(party.account.grants.iter().next().unwrap().id, 617);
}

/// Stigg, credit consumption logic: B (20) and A (50) of priority 1, C (100) of priority 2; 60 used: B 20, A 40, C nothing.
/// (There B goes first because it is promotional; here because it is older.)
#[test]
fn stigg_priority_before_expiry() {
    let grants = [("20", 1, Some(30)), ("50", 1, Some(30)), ("100", 2, Some(13))];
    let mut party = Story::begin(&starting("2024-09-01", prepaid(&grants)), &[]);
    assert_eq!(left(&mut party, 60), [10, 100]);
}

/// Orb, which block first: A ends 30 September, B and C 15 September, D 1 October; created in the order A, D, B, C. They burn
/// as B, C, A, D.
#[test]
fn orb_blocks_burn_by_expiry_then_creation() {
    let grants = [("1", 0, Some(60)), ("2", 0, Some(61)), ("3", 0, Some(45)), ("4", 0, Some(45))];
    let party = Story::begin(&starting("2024-08-01", prepaid(&grants)), &[]);
    let order: Vec<_> = party.account.grants.iter().map(|grant| grant.granted).collect();
    assert_eq!(order, ["3", "4", "1", "2"].map(usd));
}

/// Lago, `wallet_traceability_spec.rb`: example 4: $20 of priority 1; 25, 25 and 30 of priority 2; $80 used: 20, 25, 25, 10,
/// so that 20 are left of the last. Example 2: 30 then 50, $60 used: 20 left of the second. Example 3: 100, of which 25 and
/// 35 are used: 40.
#[test]
fn lago_wallets_burn_in_order() {
    let four = [("25", 2, None), ("20", 1, None), ("25", 2, None), ("30", 2, None)];
    let mut party = Story::begin(&starting("2024-01-01", prepaid(&four)), &[]);
    assert_eq!(left(&mut party, 80), [20]);
    let mut party = Story::begin(&starting("2024-01-01", prepaid(&[("30", 1, None), ("50", 1, None)])), &[]);
    assert_eq!(left(&mut party, 60), [20]);
    let mut party = Story::begin(&starting("2024-01-01", prepaid(&[("100", 1, None)])), &[]);
    assert_eq!((left(&mut party, 25), left(&mut party, 35)), (vec![75], vec![40]));
}

/// Kong Metering, credits/consumption: a charge of 100 with a credit of 40: 40 are consumed and 60 invoiced.
#[test]
fn kong_credit_then_invoice() {
    let plan =
        Plan { past_allowance: PastAllowance::Overage, overage: first(per_unit("1")), ..prepaid(&[("40", 1, None)]) };
    let mut party = Story::begin(&starting("2024-01-01", plan), &[]);
    party.calls(party.at("2024-01-05"), 100);
    assert_eq!(party.moved(Movement::Spend), "$40.00");
    party.until_date("2024-02-01");
    party.asks(&[("2024-02-01", "$60.00")]);
}

/// Autumn, concepts/balances: 500 a month and 200 for life. 400 used: 100 + 200; 200 more: 0 + 100; next cycle 500 + 100.
#[test]
fn autumn_the_monthly_balance_goes_first() {
    let plan = Plan { allowance: requests(500), ..prepaid(&[("200", 1, None)]) };
    let mut party = Story::begin(&starting("2024-01-01", plan), &[]);
    let balances = |party: &Story| (party.account.usage.free(0), party.credit());
    party.calls(party.at("2024-01-05"), 400);
    assert_eq!(balances(&party), (100, "$200.00".to_owned()));
    party.calls(party.at("2024-01-06"), 200);
    assert_eq!(balances(&party), (0, "$100.00".to_owned()));
    party.until_date("2024-02-01");
    assert_eq!(balances(&party), (500, "$100.00".to_owned()));
}

/// Zuora, prepaid commitment, expiration: 1,200 prepaid, 800 used, 400 expire; nothing more is invoiced.
#[test]
fn zuora_what_is_not_used_expires() {
    let mut plan = prepaid(&[("1200", 1, Some(90))]);
    plan.prepaid.as_mut().unwrap().grants[0].paid = true;
    let mut party = Story::begin(&starting("2024-01-01", plan), &[]);
    party.calls(party.at("2024-02-05"), 800);
    party.until_date("2024-06-01");
    party.asks(&[("2024-01-01", "$1,200.00")]);
    assert_eq!((party.moved(Movement::Breakage).as_str(), party.credit().as_str()), ("$400.00", "$0.00"));
}

// === Rollover ===

/// What is there in the months after: `OpenMeter` (`reset_test.go`: 100, 10 used, at most 50 carried), Autumn (docs,
/// rollovers; `track-rollover1`, `track-rollover2`, `rollover-max-percentage`), Zuora (1,000, 800 used).
#[test]
fn rollovers_are_what_the_vendors_say() {
    for (source, allowance, max, months) in [
        ("OpenMeter", 100, 50, &[(10, 150)][..]),
        ("Autumn, docs", 1_000, u64::MAX, &[(600, 1_400)]),
        ("Autumn, track-rollover1", 400, 500, &[(250, 550)]),
        ("Autumn, track-rollover2: 300 and then 400 unused, trimmed to 500", 400, 500, &[(100, 700), (0, 900)]),
        ("Autumn, rollover-max-percentage", 200, 100, &[(50, 300)]),
        ("Autumn, rollover-max-percentage", 200, 100, &[(150, 250)]),
        ("Zuora", 1_000, u64::MAX, &[(800, 1_200)]),
    ] {
        let plan = Plan { allowance: requests(allowance), rollover: Some(Rollover { min: 0, max }), ..monthly("0") };
        let mut party = Story::begin(&starting("2022-01-01", plan), &[]);
        for ((used, then), [at, next]) in
            months.iter().zip([["2022-01-05", "2022-02-01"], ["2022-02-05", "2022-03-01"]])
        {
            party.calls(party.at(at), *used);
            party.until_date(next);
            assert_eq!(party.account.usage.free(0), *then, "{source}");
        }
    }
}

// === Minimum commits and caps ===

/// Usage at a price, a minimum, and when a consumer who began on the first of the period leaves: the last invoice.
#[test]
fn minimums_are_trued_up_as_the_vendors_say() {
    for (source, from, period, price, minimum, used, leaves, invoice) in [
        // By day with the last day included there, so that the end is the midnight after.
        (
            "Lago, spending_minimum_spec.rb: 25 of 28 days",
            "2023-02-01",
            Period::Month,
            "8",
            "10",
            1,
            "2023-02-26",
            "$8.93",
        ),
        // Their minimum counts the fee; without one, 25 of 28 days and 334 of 365.
        ("Lago, in_arrears_spec.rb, a month", "2023-02-01", Period::Month, "1", "10000", 0, "2023-02-26", "$8,928.57"),
        ("Lago, in_arrears_spec.rb, a year", "2022-02-01", Period::Year, "1", "10000", 0, "2023-01-01", "$9,150.68"),
        ("Lago, spending-minimum: 50 used of 100", "2024-01-01", Period::Month, "0.01", "100", 5_000, "", "$100.00"),
        ("Lago, community/55: 400 × 0.01, minimum 5", "2024-01-01", Period::Month, "0.01", "5", 400, "", "$5.00"),
        (
            "OpenMeter, unit_test.go: $10 a unit, minimum 100",
            "2024-01-01",
            Period::Month,
            "10",
            "100",
            0,
            "",
            "$100.00",
        ),
        ("Flexprice, billing_commitment_test.go: $4 of $10", "2024-01-01", Period::Month, "2", "10", 2, "", "$10.00"),
    ] {
        let plan = Plan {
            fee_period: None,
            usage_period: Some(period),
            prices: first(per_unit(price)),
            minimum: usd(minimum),
            ..monthly("0")
        };
        let mut party = Story::begin(&starting(from, plan), &[]);
        party.calls(party.account.subscribed + days(4), used);
        if leaves.is_empty() {
            party.until_date("2024-02-01");
        } else {
            party.leaves(party.at(leaves));
        }
        assert_eq!(party.asked()[0].1, invoice, "{source}");
    }
}

/// Autumn, spend limits: 1,000 calls included, $1 per 1,000 more, 5,000 of overage at most: 6,000 are usable, then blocked.
/// Here the limit is what they cost, $5.
#[test]
fn autumn_a_spend_limit_blocks_what_is_beyond() {
    let plan = Plan {
        allowance: requests(1_000),
        past_allowance: PastAllowance::Overage,
        overage: first(per_unit("0.001")),
        spend_cap: Some(usd("5")),
        ..monthly("0")
    };
    let mut party = Story::begin(&starting("2024-01-01", plan), &[]);
    party.calls(party.at("2024-01-05"), 6_000);
    assert_eq!(party.refused(party.at("2024-01-05")), Cause::SpendCap);
    party.until_date("2024-02-01");
    party.asks(&[("2024-02-01", "$5.00")]);
}

// === Discounts ===

/// Kill Bill, `TestCatalogDiscountAndEvergreen.java`: from 28 February 2023, 03:47:56: 4.95 for three months, then 24.95.
#[test]
fn kill_bill_three_months_at_another_price() {
    let mut scenario = starting("2023-02-28T03:47:56", monthly("24.95"));
    let off = Share { parts: 2_000, of: 2_495 };
    scenario.cohorts[0].discount = Some(Discount { off, length: Some(Length::Months(3)) });
    let mut party = Story::begin(&scenario, &[]);
    party.until_date("2023-06-01");
    party.asks(&[
        ("2023-02-28T03:47:56", "$4.95"),
        ("2023-03-28T03:47:56", "$4.95"),
        ("2023-04-28T03:47:56", "$4.95"),
        ("2023-05-28T03:47:56", "$24.95"),
    ]);
}

/// Stripe, the coupon of the API reference: 25.5 % for three months, of $20: 14.90 three times, then 20.00.
#[test]
fn stripe_a_repeating_coupon() {
    let mut scenario = starting("2024-01-01", monthly("20"));
    let off = Share { parts: 255, of: 1_000 };
    scenario.cohorts[0].discount = Some(Discount { off, length: Some(Length::Months(3)) });
    let mut party = Story::begin(&scenario, &[]);
    party.until_date("2024-04-01");
    let reduced = ["2024-01-01", "2024-02-01", "2024-03-01"].map(|date| (date, "$14.90"));
    party.asks(&[&reduced[..], &[("2024-04-01", "$20.00")]].concat());
}

// === Dunning ===

/// One whose first month was paid, and nothing after it.
fn dunned(from: &str, gaps: &[u64], grace: u64, finally: Finally) -> Story {
    let mut scenario = starting(from, Plan { grace: days(grace), ..monthly("10") });
    let retries = gaps.iter().map(|gap| days(*gap)).collect();
    scenario.payments.dunning = Dunning { retries, finally, ..Dunning::default() };
    let mut party = Story::begin(&scenario, &[]);
    party.charged.clear();
    party.will_answer(&[BROKE; 20]);
    party
}

fn dates(party: &Story) -> Vec<String> {
    party.asked().into_iter().map(|(date, _)| date).collect()
}

/// Polar, recovering failed payments: gaps of 2, 5, 7 and 7 days, so days 2, 7, 14 and 21, then canceled; a lost card stops
/// the retries; a new one is tried at once. Failed on 1 January 2024 at noon.
#[test]
fn polar_retries_on_days_2_7_14_and_21() {
    let begin = || dunned("2023-12-01T12:00", &[2, 5, 7, 7], 21, Finally::Cancel);
    let mut party = begin();
    party.until_date("2024-03-01");
    let all = ["01-01", "01-03", "01-08", "01-15", "01-22"].map(|date| format!("2024-{date}T12:00:00"));
    assert_eq!((dates(&party), party.status()), (all.to_vec(), Status::Canceled));

    let mut party = begin();
    party.will_answer(&[LOST]);
    party.new_card(party.at("2024-01-10"));
    party.until_date("2024-01-31");
    assert_eq!(dates(&party), ["2024-01-01T12:00:00", "2024-01-10"]);
    assert_eq!(party.status(), Status::Active);
}

/// Kill Bill, tutorial "Overdue System": fails on 6 August 2021, `retry.days=1,8,4,7`: 7, 15, 19 and 26 August. Blocked on
/// the 20th, which is fourteen days of grace. Here the last retry ends it, there the state of the 27th.
#[test]
fn kill_bill_the_overdue_tutorial() {
    let mut party = dunned("2021-07-06", &[1, 8, 4, 7], 14, Finally::Cancel);
    assert!(matches!(party.call(party.at("2021-08-19T23:59:59")), Decision::Admit(_)));
    assert_eq!(party.refused(party.at("2021-08-20")), Cause::PastDue);
    assert_eq!(party.refused(party.at("2021-08-26")), Cause::Canceled);
    assert_eq!(dates(&party), ["2021-08-06", "2021-08-07", "2021-08-15", "2021-08-19", "2021-08-26"]);
}

/// Kill Bill, `TestOverdueStages1`: signed up on 1 May 2012 with a trial of 30 days; the charge of the 31st fails, and is
/// tried again every eight days. These are the dates of the oldest invoice; here there is one run.
#[test]
fn kill_bill_every_eight_days() {
    let plan = Plan { trial: Some(Length::Exact(days(30))), grace: days(30), ..monthly("249.95") };
    let mut scenario = starting("2012-05-01", plan);
    scenario.payments.dunning = Dunning { retries: vec![days(8); 8], ..Dunning::default() };
    let mut party = Story::begin(&scenario, &[BROKE; 20]);
    party.until_date("2012-07-19");
    let expected = ["05-31", "06-08", "06-16", "06-24", "07-02", "07-10", "07-18"].map(|date| format!("2012-{date}"));
    assert_eq!(dates(&party), expected);
}

/// Chargebee, "status as active when payment failed on renewal": tries on days 1, 4, 7, 8 and 9, served all the time, and
/// canceled with the tenth day. Day 1 is the first retry's.
#[test]
fn chargebee_five_retries_in_ten_days() {
    let mut party = dunned("2024-01-01", &[1, 3, 3, 1, 1], 10, Finally::Cancel);
    assert!(matches!(party.call(party.at("2024-02-09T23:00")), Decision::Admit(_)));
    party.until_date("2024-02-20");
    assert_eq!(dates(&party), ["2024-02-01", "2024-02-02", "2024-02-05", "2024-02-08", "2024-02-09", "2024-02-10"]);
    assert_eq!(party.status(), Status::Canceled);
}

// === Top-ups and what goes back ===

/// Autumn, `auto-topup-basic` and `auto-topup-limits`: credits of ten cents; a hundred are bought when fewer than the
/// threshold are left. What is left after each use.
#[test]
fn autumn_auto_top_ups() {
    for (source, opening, below, at_most, uses, top_ups) in [
        ("basic", "10", "2", None, &[(85, "$11.50"), (50, "$6.50")][..], 1),
        ("limit 2", "30", "5", Some(2), &[(260, "$14.00"), (100, "$14.00"), (100, "$4.00")], 2),
        ("limit 1", "30", "5", Some(1), &[(260, "$14.00"), (100, "$4.00")], 1),
    ] {
        let top_up = TopUp { below: usd(below), add: usd("10"), at_most };
        let prepaid = Prepaid {
            grants: vec![GrantTerms::opening(usd(opening))],
            auto_top_up: Some(top_up),
            credits_expire: None,
        };
        let plan = Plan { prepaid: Some(prepaid), prices: first(per_unit("0.10")), ..Plan::new("credits") };
        let mut party = Story::begin(&starting("2024-01-01", plan), &[]);
        for (used, left) in uses {
            // There a use is one event; here all of its calls are under way at once.
            let holds: Vec<_> = (0..*used).map(|_| party.admitted(party.at("2024-01-05")).hold).collect();
            for hold in holds {
                party.account.served(party.account.seen, &party.catalog, hold, &[1, 0, 0, 0]).unwrap();
            }
            party.until_date("2024-01-05");
            assert_eq!(party.credit(), *left, "{source}");
        }
        assert_eq!(party.count(Count::TopUps), top_ups, "{source}");
    }
}

/// Autumn, `auto-topup-limits`, a card that fails: of 100 credits 85 are used, 15 stay, and nothing is owed.
#[test]
fn autumn_a_failed_top_up_owes_nothing() {
    let top_up = TopUp { below: usd("2"), add: usd("10"), at_most: None };
    let prepaid =
        Prepaid { grants: vec![GrantTerms::opening(usd("10"))], auto_top_up: Some(top_up), credits_expire: None };
    let plan = Plan { prepaid: Some(prepaid), prices: first(per_unit("0.10")), ..Plan::new("credits") };
    let mut party = Story::begin(&starting("2024-01-01", plan), &[BROKE]);
    party.calls(party.at("2024-01-05"), 85);
    assert_eq!((party.credit().as_str(), party.figure(|figures| figures.outstanding).as_str()), ("$1.50", "$0.00"));
    assert_eq!(party.figure(|figures| figures.invoiced), "$0.00");
}

/// Kill Bill, "Invoice Examples": 100 are paid and 10 given back: 90 are collected, and nothing is owed.
#[test]
fn kill_bill_a_refund_of_a_part() {
    let mut party = Story::begin(&starting("2024-01-01", monthly("100")), &[]);
    let now = super::after(days(3));
    party.until(now.billing);
    party.account.gone_back(now, Movement::Refund, usd("10"), &Returns::default()).unwrap();
    party.account.check();
    let figures = [party.figure(|figures| figures.collected), party.figure(|figures| figures.outstanding)];
    assert_eq!(figures, ["$90.00", "$0.00"]);
}
