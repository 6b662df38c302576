//! What plans and consumers are in the model.

use farebox_engine::distribution::Z99;
use farebox_engine::model::{
    Act, Breaks, Discount, Fault, Funds, GrantTerms, Joined, Length, PastAllowance, Pattern, Plan, Process, Reminder,
    Rollover, Scenario, Share, Tier, TopUp, When,
};
use farebox_engine::time::MINUTE;

use super::*;

pub(super) const DOLLAR: i64 = 1_000_000_000;

/// A scenario with one plan and one cohort on it, and more at its end.
pub(super) fn scenario(plan: &str, cohort: &str, more: &str) -> Scenario {
    read(&text(plan, cohort, more)).scenario
}

pub(super) fn text(plan: &str, cohort: &str, more: &str) -> String {
    format!(
        "scenario: one\nhorizon: 90d\nstart: 2026-03-01\nplans:\n  pro: {{ {plan} }}\n  other: {{ fee: $99/month }}\nconsumers:\n  \
         all: {{ count: 10, plan: pro, {cohort} }}\n  rest: {{ count: 1, plan: other, traffic: {{ rate: 1/h }} }}\n{more}"
    )
}

pub(super) fn plan(terms: &str) -> Plan {
    scenario(terms, "traffic: { rate: 1/h }", "").plans.remove(0)
}

fn cohort(terms: &str) -> farebox_engine::model::Cohort {
    scenario("fee: $49/month", &format!("traffic: {{ rate: 1/h }}, {terms}"), "").cohorts.remove(0)
}

/// What is wrong with a scenario, or odd, one message after the other.
pub(super) fn said(plan: &str, cohort: &str, more: &str) -> Vec<String> {
    let problems = match parse("test.yaml", &text(plan, cohort, more), Path::new("")) {
        Ok(loaded) => loaded.warnings,
        Err(rejected) => rejected.diagnostics,
    };
    problems.into_iter().map(|problem| problem.message).collect()
}

pub(super) fn money(nanos: i64) -> Money {
    Money::from_nanos(nanos)
}

pub(super) fn days(days: u64) -> TimeSpan {
    TimeSpan::from_ns(days * DAY)
}

pub(super) fn per_unit(nanos: i64) -> UnitPrice {
    UnitPrice { amount: money(nanos), per: 1 }
}

// === Plans ===

/// Once, the reader looked for the `flat` of a tier in a step, which has none, and panicked.
#[test]
fn a_step_without_a_price_lacks_a_price() {
    let priced = "prices: { requests: { stairstep: [ { up_to: 5 }, { price: $3 } ] } }";
    assert_eq!(said(priced, "traffic: { rate: 1/h }", ""), ["the key `price` is missing"]);
}

/// Once, the engine met limits that it cannot keep, and panicked.
#[test]
fn limits_that_the_engine_cannot_keep_are_refused_one_by_one() {
    let limits = "limits: [ { requests: 16_777_217/day, kind: sliding_window }, \
                  { requests: 0.00001/day, kind: sliding_window }, { requests: 0.00001/day, kind: fixed_window } ]";
    let (many, long) =
        ("a sliding window remembers each call, and these are too many", "this window is longer than can be counted");
    assert_eq!(said(limits, "traffic: { rate: 1/h }", ""), [many, long, long]);
    assert_eq!(plan("limits: [ { requests: 16_777_216/day, kind: sliding_window } ]").limits.len(), 1);
}

/// The one who wrote `overrage` knows that there is to be an `overage`.
#[test]
fn what_is_misspelt_is_not_missing_as_well() {
    for (terms, message) in [
        ("fee: $1/month, includes: { requests: 5 }, past_allowance: overage, overrage: { requests: $1 }", "overrage"),
        ("fees: $1/month, includes: { requests: 5 }, past_allowance: block", "fees"),
        ("prepaid: { opening: $5 }, price: { requests: $1 }", "price"),
        ("prices: { requests: { graduated: [ { upto: 5, price: $2 }, { price: $1 } ] } }", "upto"),
    ] {
        assert_eq!(said(terms, "traffic: { rate: 1/h }", ""), [format!("unknown key `{message}`")], "{terms}");
    }
}

#[test]
fn usage_has_one_period_and_the_fee_may_have_its_own() {
    for (terms, fee, usage) in [
        (
            "fee: $490/year, includes: { requests: 10k/month }, past_allowance: block",
            Some(Period::Year),
            Some(Period::Month),
        ),
        ("fee: $490/year, includes: { requests: 10k }, past_allowance: block", Some(Period::Year), Some(Period::Year)),
        ("fee: $49/month", Some(Period::Month), Some(Period::Month)),
        ("prices: { requests: $0.01 }", None, Some(Period::Month)),
        ("prices: { requests: $0.01 }, spend_cap: $5/day", None, Some(Period::Day)),
        ("fee: $490/year, minimum: $10/month", Some(Period::Year), Some(Period::Month)),
        ("prepaid: { opening: $1 }, prices: { requests: $0.01 }", None, None),
    ] {
        let plan = plan(terms);
        assert_eq!((plan.fee_period, plan.usage_period), (fee, usage), "{terms}");
    }
    let odd = "fee: $490/year, includes: { requests: 10k/month }, past_allowance: block, minimum: $10/year";
    assert_eq!(said(odd, "traffic: { rate: 1/h }", ""), ["a plan counts usage in one period, and this is another"]);
}

#[test]
fn every_term_of_a_plan_reaches_the_model() {
    let plan = plan(
        "fee: $49/month, trial: 1mo, includes: { requests: 100k }, rollover: { min: 5, max: 20k }, past_allowance: overage, \
         overage: { requests: $0.001 }, spend_cap: $500/month, minimum: $100/month, grace: 7d, routes: [ / ], \
         limits: [ { requests: 400/day, kind: fixed_window }, { requests: 2/s, kind: sliding_window }, \
         { requests: 90/min, kind: leaky_bucket }, { in_flight: 7, kind: concurrency } ]",
    );
    assert_eq!((plan.trial, plan.rollover), (Some(Length::Months(1)), Some(Rollover { min: 5, max: 20_000 })));
    assert_eq!((plan.past_allowance, plan.prices), (PastAllowance::Overage, [None, None, None, None]));
    assert_eq!(plan.overage[0], Some(Price::PerUnit(per_unit(DOLLAR / 1_000))));
    assert_eq!((plan.spend_cap, plan.minimum), (Some(money(500 * DOLLAR)), money(100 * DOLLAR)));
    assert_eq!(plan.routes, Some(vec![0]));
    // The window of a limit is what is written, whatever its number could be reduced to.
    let rate = |requests, ns| Rate { requests, per: TimeSpan::from_ns(ns) };
    assert_eq!(
        plan.limits,
        [
            Limit::FixedWindow(rate(400, DAY)),
            Limit::SlidingWindow(rate(2, SECOND)),
            Limit::LeakyBucket { rate: rate(90, MINUTE), burst: 0 },
            Limit::Concurrency(7),
        ]
    );
    let slowed = self::plan("includes: { requests: 1k/day }, past_allowance: { throttle: 1/s }, trial: 0d");
    assert_eq!((slowed.past_allowance, slowed.trial), (PastAllowance::Throttle(rate(1, SECOND)), None));
}

#[test]
fn price_models() {
    let tier = |up_to, flat, unit| Tier { up_to, flat: money(flat), unit };
    for (price, expected) in [
        ("$2.50 per 1M", Price::PerUnit(UnitPrice { amount: money(5 * DOLLAR / 2), per: 1_000_000 })),
        (
            "{ package: 1M, price: $2.50, free: 100 }",
            Price::Package { size: 1_000_000, price: money(5 * DOLLAR / 2), free: 100 },
        ),
        (
            "{ graduated: [ { up_to: 50k, price: $0.001, flat: $5 }, { price: $0.06 per 100 } ] }",
            Price::Graduated(vec![
                tier(50_000, 5 * DOLLAR, per_unit(DOLLAR / 1_000)),
                tier(u64::MAX, 0, UnitPrice { amount: money(DOLLAR * 6 / 100), per: 100 }),
            ]),
        ),
        (
            "{ volume: [ { up_to: 10, flat: $5 }, { price: $1 } ] }",
            Price::Volume(vec![tier(10, 5 * DOLLAR, UnitPrice::FREE), tier(u64::MAX, 0, per_unit(DOLLAR))]),
        ),
        (
            "{ stairstep: [ { up_to: 10, price: $10 }, { price: $25 } ] }",
            Price::Stairstep(vec![
                tier(10, 10 * DOLLAR, UnitPrice::FREE),
                tier(u64::MAX, 25 * DOLLAR, UnitPrice::FREE),
            ]),
        ),
    ] {
        assert_eq!(plan(&format!("prices: {{ requests: {price} }}")).prices[0], Some(expected), "{price}");
    }
}

#[test]
fn prices_that_nobody_could_bill_by() {
    let calls = "traffic: { rate: 1/h }";
    for (terms, message) in [
        (
            "prices: { requests: { graduated: [ { up_to: 5, price: $1 }, { up_to: 5, price: $1 }, { price: $1 } ] } }",
            "this tier ends before it begins",
        ),
        ("prices: { requests: { graduated: [ { price: $1 }, { price: $1 } ] } }", "a tier before the last has no end"),
        ("prices: { requests: { volume: [ { up_to: 5, price: $1 } ] } }", "the last tier has an end"),
        (
            "prepaid: { opening: $5 }, prices: { requests: { volume: [ { price: $1 } ] } }",
            "`volume` prices cannot be paid from credit",
        ),
        (
            "prepaid: { opening: $5 }, prices: { requests: { stairstep: [ { price: $1 } ] } }",
            "`stairstep` prices cannot be paid from credit",
        ),
        (
            "includes: { requests: 5/day }, past_allowance: block, overage: { requests: $1 }",
            "`overage` has no effect without `past_allowance: overage`",
        ),
        ("includes: { requests: 5/day }, past_allowance: overage", "`past_allowance: overage` needs `overage`"),
        (
            "includes: { requests: 5/day }, past_allowance: overage, overage: { requests: $1 }, prices: { requests: $1 }",
            "`requests` has two prices past its allowance",
        ),
        (
            "includes: { requests: 5/day }, past_allowance: block, prices: { requests: $1 }, fee: $1/day",
            "the price of `requests` never applies: past the allowance no call is billed",
        ),
        ("fee: $1/day, spend_cap: $5/day", "there is nothing to cap: this plan bills no usage in arrears"),
        (
            "includes: { requests: 5/day }, past_allowance: block, rollover: { min: 5, max: 4 }",
            "the `min` is more than the `max`",
        ),
        ("limits: [ { requests: 5/s, kind: concurrency } ]", "`concurrency` is given as `in_flight`"),
        ("limits: [ { in_flight: 5, kind: fixed_window } ]", "`fixed_window` is given as `requests`"),
        ("limits: [ { requests: 5/s, kind: fixed_window, burst: 5 } ]", "`fixed_window` has no `burst`"),
        ("routes: [ /v1 ]", "unknown route `/v1`"),
        (
            "prepaid: { opening: $5, auto_top_up: { below: $1, add: $0 } }, prices: { requests: $1 }",
            "a top-up of nothing tops nothing up",
        ),
    ] {
        assert_eq!(said(terms, calls, ""), [message], "{terms}");
    }
}

#[test]
fn prepaid_credit_is_granted_bought_and_expires() {
    let plan = plan(
        "prices: { requests: $0.01 }, prepaid: { opening: $10, paid: true, credits_expire: 1y, \
         grants: [ { amount: $5, priority: 3, expires: 90d }, { amount: $1 } ], auto_top_up: { below: $2, add: $20, at_most: 10/month } }",
    );
    let prepaid = plan.prepaid.unwrap();
    let (year, never) = (Some(Length::Months(12)), GrantTerms::opening(money(DOLLAR)));
    assert_eq!(
        prepaid.grants,
        [
            GrantTerms { amount: money(10 * DOLLAR), expires: year, paid: true, ..never },
            GrantTerms { amount: money(5 * DOLLAR), priority: 3, expires: Some(Length::Exact(days(90))), paid: false },
            GrantTerms { expires: year, ..never },
        ]
    );
    assert_eq!(prepaid.credits_expire, year);
    assert_eq!(
        prepaid.auto_top_up,
        Some(TopUp { below: money(2 * DOLLAR), add: money(20 * DOLLAR), at_most: Some(10) })
    );
}

// === Consumers ===

#[test]
fn a_cohort_lives_somewhere_joins_and_leaves() {
    let cohort = cohort(
        "time_zone: America/New_York, joined: { signups: 40/month }, churn: 3%/month, discount: { off: 20%, for: 3mo }",
    );
    assert_eq!(cohort.zone.iana_name(), Some("America/New_York"));
    // A mean month has 2,629,746 s.
    assert_eq!(cohort.joined, Joined::Signups { mean_gap_ns: 2_629_746e9 / 40.0 });
    assert_eq!(cohort.churn, Chance::of(3, 100));
    let off = Share { parts: 20, of: 100 };
    assert_eq!(cohort.discount, Some(Discount { off, length: Some(Length::Months(3)) }));
    assert_eq!(self::cohort("joined: start").joined, Joined::Start);
    for (zone, help) in
        [("America/New_Yrok", "did you mean `America/New_York`?"), ("europe/berlin", "did you mean `Europe/Berlin`?")]
    {
        let text = text("", &format!("traffic: {{ rate: 1/h }}, time_zone: {zone}"), "");
        let rejected = parse("test.yaml", &text, Path::new("")).unwrap_err();
        assert_eq!(rejected.diagnostics[0].help.as_deref(), Some(help));
    }
}

#[test]
fn rates_spread_over_a_cohort() {
    let poisson =
        |rate: &str| match scenario("", &format!("traffic: {{ rate: {rate} }}"), "").cohorts.remove(0).arrivals {
            Arrivals::Poisson { mean_gap_ns, spread } => (mean_gap_ns / 1e9, spread),
            Arrivals::Trace(_) | Arrivals::Patterned(_) => panic!("no plain process"),
        };
    let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-12;
    let (gap, spread) = poisson("{ p50: 900/day, p99: 9k/day }");
    assert!(near(gap, 96.0));
    let Some(Distribution::LogNormal { mu, sigma }) = spread else { panic!("{spread:?}") };
    assert!(mu == 0.0 && near(sigma, 10f64.ln() / Z99));
    assert_eq!(poisson("{ exponential: 1/s }"), (1.0, Some(Distribution::Exponential { mean: 1.0 })));
    assert_eq!(
        poisson("{ gamma: { shape: 0.5, mean: 2/s } }"),
        (0.5, Some(Distribution::Gamma { shape: 0.5, mean: 1.0 }))
    );
    assert_eq!(
        poisson("{ pareto: { min: 4/s, alpha: 1.5 } }"),
        (0.25, Some(Distribution::Pareto { min: 1.0, alpha: 1.5 }))
    );
    assert_eq!(poisson("{ uniform: [ 1/s, 3/s ] }"), (0.5, Some(Distribution::Uniform { from: 0.5, to: 1.5 })));
    assert_eq!(poisson("2/s"), (0.5, None));
}

#[test]
fn rates_without_a_mean_are_refused() {
    let text = text("", "traffic: { rate: { pareto: { min: 1/h, alpha: 1 } } }", "");
    let rejected = parse("test.yaml", &text, Path::new("")).unwrap_err();
    assert_eq!(rejected.diagnostics[0].message, "with an `alpha` of 1 these rates have no mean");
}

/// The pattern of a cohort with this traffic, beside a rate of 400 calls a day.
fn pattern(traffic: &str) -> Pattern {
    let traffic = format!("traffic: {{ rate: 400/day, {traffic} }}");
    match scenario("", &traffic, "").cohorts.remove(0).arrivals {
        Arrivals::Patterned(pattern) => pattern,
        other => panic!("{other:?}"),
    }
}

#[test]
fn calls_follow_each_other_as_is_written() {
    let constant = pattern("arrivals: constant");
    assert_eq!((constant.process, constant.mean_gap_ns, constant.shape), (Process::Constant, 216e9, None));
    let bursty = pattern("arrivals: { bursty: { burst: 30s, pause: 5m } }");
    let lengths = [30, 300].map(farebox_engine::time::Span::from_secs);
    assert_eq!(bursty.process, Process::Bursty { burst: lengths[0], pause: lengths[1] });
    let sessions = pattern("arrivals: { sessions: { calls: { p50: 6, p95: 30 }, think: 4s } }");
    let of = sessions.sessions.unwrap();
    assert_eq!((sessions.process, sessions.mean_gap_ns), (Process::Poisson, 216e9));
    assert_eq!(of.think, Distribution::Constant(4e9));
    assert!((of.at_least(30) - 0.05).abs() < 1e-9 && (of.at_least(6) - 0.5).abs() < 1e-9 && of.mean() > 9.0);
    assert!(constant.sessions.is_none() && bursty.sessions.is_none());
    let plain = scenario("", "traffic: { rate: 400/day, arrivals: poisson, shape: flat }", "").cohorts.remove(0);
    assert!(matches!(plain.arrivals, Arrivals::Poisson { spread: None, .. }));
    let spread = scenario("", "traffic: { rate: { p50: 1/h, p99: 9/h }, arrivals: constant }", "").cohorts.remove(0);
    assert!(matches!(spread.arrivals, Arrivals::Patterned(Pattern { spread: Some(_), .. })));
}

/// The presets are what the key's doc says, and what is written out is what is written.
#[test]
fn rates_follow_the_hours_of_the_week() {
    let multiples = |shape: &str| {
        let shape = pattern(&format!("shape: {shape}")).shape.unwrap();
        (0..168).map(|hour| shape.multiple(hour)).collect::<Vec<_>>()
    };
    let office = multiples("office_hours");
    let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
    // Monday at 8 and 17, at 7 and 18; Saturday at noon and at midnight.
    assert!([8, 17].iter().all(|hour| near(office[*hour], 10.0 * office[7])) && near(office[18], office[7]));
    assert!(near(office[5 * 24 + 12], 2.0 * office[7]) && near(office[6 * 24], 0.2 * office[7]));
    let evenings = multiples("evenings");
    assert!(
        near(evenings[18], 4.0 * evenings[17])
            && near(evenings[6 * 24 + 22], evenings[18])
            && near(evenings[23], evenings[17])
    );
    let weekends = multiples("weekends");
    assert!(near(weekends[5 * 24], 3.0 * weekends[0]) && near(weekends[6 * 24 + 23], 3.0 * weekends[4 * 24 + 23]));
    let days = multiples("{ weekdays: [1, 2, 0, 0, 0, 0, 0.5] }");
    assert!(near(days[24], 2.0 * days[23]) && days[48] == 0.0 && near(days[167], 0.5 * days[0]));
    let list = |hour: usize| if hour == 5 { "3" } else { "1" };
    let hours = multiples(&format!("{{ hours: [{}] }}", (0..24).map(list).collect::<Vec<_>>().join(", ")));
    assert!(near(hours[24 + 5], 3.0 * hours[24 + 6]) && near(hours.iter().sum::<f64>(), 168.0));
}

#[test]
fn arrivals_that_cannot_be_are_refused() {
    let said = |traffic: &str| {
        let text = text("", &format!("traffic: {{ {traffic} }}"), "");
        let rejected = parse("test.yaml", &text, Path::new("")).unwrap_err();
        rejected.diagnostics.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(said("rate: 1/h, shape: { weekdays: [0, 0, 0, 0, 0, 0, 0] }"), ["by these weights nobody ever calls"]);
    assert_eq!(
        said("rate: 1k/s, arrivals: { bursty: { burst: 1s, pause: 1h } }"),
        ["in its busiest moments this rate is more than 1M/s"]
    );
    assert_eq!(said("rate: 1/h, shape: { weekdays: [1, 0] }"), ["2 of 7 weights given"]);
    assert_eq!(said("rate: 1/h, arrivals: { bursty: { burst: 1s } }"), ["the key `pause` is missing"]);
    assert_eq!(said("rate: 1/h, arrivals: { sessions: { calls: 6 } }"), ["the key `think` is missing"]);
    assert_eq!(said("rate: 1/h, arrivals: { sessions: { calls: 1001, think: 0s } }").len(), 1);
    assert_eq!(said("rate: 1/h, arrivals: { sessions: { calls: { p50: 9, p95: 3 }, think: 0s } }").len(), 1);
    assert_eq!(said("rate: 1/h, arrivals: {}").len(), 1);
    let both = "{ sessions: { calls: 6, think: 1s }, bursty: { burst: 1s, pause: 1s } }";
    assert_eq!(said(&format!("rate: 1/h, arrivals: {both}")).len(), 1);
    let beside = said("trace: calls.csv, columns: { time: at }, shape: office_hours, arrivals: constant");
    for problem in ["`shape` needs `rate`", "`arrivals` needs `rate`"] {
        assert!(beside.iter().any(|said| said == problem), "{beside:?}");
    }
}

#[test]
fn routes_carry_attributes_and_cohorts_mix_them() {
    let more = "meters: { tokens: { sum: [in, out] } }
routes:
  /a: { attributes: { in: { p50: 600, p99: 8k }, out: { exponential: 180, max: 4k } } }
  /b: { attributes: { in: 5, out: { uniform: [ 0, 10 ] } } }
  /c: {}
";
    let calls = "traffic: { rate: 1/h, routes: { /b: 80%, /a: 20% } }";
    let scenario = scenario("fee: $1/month, includes: { tokens: 1M }, past_allowance: block", calls, more);
    assert_eq!(scenario.cohorts[0].routes, [(1, 0.8), (0, 0.2)]);
    assert_eq!(scenario.cohorts[1].routes, [(0, 1.0 / 3.0), (1, 1.0 / 3.0), (2, 1.0 / 3.0)]);
    let most: Vec<u64> = scenario.routes.iter().flat_map(|route| &route.attributes).map(|it| it.most).collect();
    // What is known only from the answer is held at `max`, or at what 1 % exceed.
    assert_eq!(most, [8_000, 4_000, 5, 10]);
    for (calls, message) in [
        ("routes: { /a: 80%, /b: 19.5% }", "these shares sum to 99.5%"),
        ("routes: { /a: 80%, /d: 20% }", "unknown route `/d`"),
        ("routes: { /c: 100% }", "the plan `pro` prices `tokens`, which the calls of this cohort do not carry"),
    ] {
        let calls = format!("traffic: {{ rate: 1/h, {calls} }}");
        assert_eq!(said("prices: { tokens: $0.001 }", &calls, more), [message], "{calls}");
    }
}

#[test]
fn cards_are_presets_or_written_out() {
    let card = |payment: &str| cohort(&format!("payment: {payment}")).card;
    assert_eq!(card("none"), None);
    assert_eq!(card("{}"), Some(Card::good()));
    let written = "{ card: { declines: 2%, hard: 10%, broke: 10d, funded: 20d, lasts: 90d, updater: 70% } }";
    let expected = Card {
        declines: Chance::of(2, 100),
        hard: Chance::of(10, 100),
        funds: Some(Funds { broke: days(10), funded: days(20) }),
        life: Some(days(90)),
        updated: Chance::of(70, 100),
    };
    assert_eq!(card(written), Some(expected));
    // Of first attempts 46 % of what a preset declines is for lack of money, 39 % at random (`declines`).
    for (preset, share, declined) in [("healthy", 0.025, 100), ("typical", 0.05, 195), ("consumer", 0.15, 585)] {
        let card = card(&format!("{{ card: {preset} }}")).unwrap();
        let Funds { broke, funded } = card.funds.unwrap();
        let is_broke = broke.as_secs_f64() / (broke.as_secs_f64() + funded.as_secs_f64());
        assert!((is_broke / share - 0.46).abs() < 0.005, "{preset}: {is_broke}");
        assert_eq!(card.declines, Chance::of(declined, 10_000));
        assert!((declined as f64 / 1e4 / share - 0.39).abs() < 0.015);
    }
}

#[test]
fn reactions() {
    let all = "reacts: [ { when: quota_exhausted, do: upgrade, to: other, chance: 3%, after: { p50: 2h, p95: 3d } }, \
               { when: past_due, do: fix_card, after: 1d }, { when: refused, more_than: 500/day, do: churn, chance: 1% }, \
               { when: credit_exhausted, do: top_up, amount: $20 } ]";
    let prepaid = "prepaid: { opening: $5 }, prices: { requests: $1 }";
    let reactions = scenario(prepaid, &format!("traffic: {{ rate: 1/h }}, {all}"), "").cohorts.remove(0).reactions;
    let acts: Vec<(When, Act)> = reactions.iter().map(|reaction| (reaction.when, reaction.act)).collect();
    assert_eq!(
        acts,
        [
            (When::Cause("quota_exhausted"), Act::ChangePlan { to: 1 }),
            (When::Cause("past_due"), Act::FixCard),
            (When::Refused { more_than: 500 }, Act::Churn),
            (When::Cause("credit_exhausted"), Act::TopUp(money(20 * DOLLAR))),
        ]
    );
    assert_eq!((reactions[0].chance, reactions[1].chance), (Chance::of(3, 100), Chance::of(1, 1)));
    assert_eq!(reactions[1].after, Distribution::Constant(DAY as f64));
    for (reaction, message) in [
        ("when: refused, do: churn", "`when: refused` needs `more_than`"),
        ("when: past_due, more_than: 5/day, do: churn", "`more_than` does not count `past_due` alone"),
        ("when: past_due, do: upgrade", "`do: upgrade` needs `to`"),
        ("when: past_due, do: churn, to: other", "`do: churn` takes no `to`"),
        ("when: past_due, do: upgrade, to: othr", "unknown plan `othr`"),
        ("when: past_due, do: upgrade, to: pro", "this cohort is on `pro` already"),
        ("when: past_due, do: downgrade, to: other", "the fee of `other` is more than that of `pro`"),
        ("when: past_due, do: top_up, amount: $5", "credit pays for nothing on this cohort's plan"),
        ("when: canceled, do: fix_card", "`do: fix_card` does nothing for a canceled subscription"),
        ("when: canceled, do: upgrade, to: other", "`do: upgrade` does nothing for a canceled subscription"),
    ] {
        let cohort = format!("traffic: {{ rate: 1/h }}, reacts: [ {{ {reaction} }} ]");
        assert_eq!(said("fee: $49/month", &cohort, ""), [message], "{reaction}");
    }
}

/// Reminders are there in the order of the file; a reaction to one that nobody gets is told of, in every way that nobody
/// may get it.
#[test]
fn reminders_and_reactions_to_them() {
    const CARD: &str = "payment: { card: { lasts: 1y } }";
    let sent = "payments: { reminders: { card_expires: [30d, 7d], trial_ends: [3d] } }";
    let read = |plan: &str, cohort: &str, reaction: &str, more: &str| {
        let cohort = format!("traffic: {{ rate: 1/h }}, {cohort}, reacts: [ {{ {reaction} }} ]");
        (plan.to_owned(), cohort, more.to_owned())
    };
    let (plan, cohort, more) =
        read("fee: $9/month, trial: 14d", "joined: start, payment: none", "when: trial_reminder, do: fix_card", sent);
    let reminded = scenario(&plan, &cohort, &more);
    let reminders = &reminded.payments.reminders;
    assert_eq!((&reminders.card_expires[..], &reminders.trial_ends[..]), (&[days(30), days(7)][..], &[days(3)][..]));
    assert_eq!(reminded.cohorts[0].reactions[0].when, When::Reminded(Reminder::Trial));
    for (plan, cohort, reaction, more, messages) in [
        (
            "fee: $9/month",
            CARD,
            "when: card_reminder, do: fix_card",
            "payments: { reminders: { card_expires: [7d] } }",
            &[][..],
        ),
        (
            "fee: $9/month",
            CARD,
            "when: card_reminder, do: fix_card",
            "",
            &["nobody is reminded of that in this scenario"],
        ),
        (
            "fee: $9/month",
            "joined: start",
            "when: card_reminder, do: churn",
            "payments: { reminders: { card_expires: [7d] } }",
            &["this cohort's cards never end", "no card of these consumers ever ends"],
        ),
        (
            "fee: $9/month, trial: 14d",
            "joined: spread",
            "when: trial_reminder, do: churn",
            "payments: { reminders: { trial_ends: [3d] } }",
            &["nobody of this cohort begins with a trial", "no consumer begins with a trial"],
        ),
        (
            "fee: $9/month, trial: 14d",
            "joined: start",
            "when: trial_reminder, do: fix_card",
            "payments: { reminders: { trial_ends: [3d] } }",
            &["they have given a card before their trial"],
        ),
        (
            "fee: $9/month",
            CARD,
            "when: card_reminder, more_than: 5/day, do: churn",
            "payments: { reminders: { card_expires: [7d] } }",
            &["`more_than` does not count `card_reminder` alone"],
        ),
        (
            "fee: $9/month",
            CARD,
            "when: card_reminder, do: churn",
            "payments: { reminders: { card_expires: [7d, 30d] } }",
            &["this reminder comes before the one that it follows"],
        ),
        (
            "fee: $9/month",
            CARD,
            "when: card_reminder, do: churn",
            "payments: { reminders: { card_expires: [7d, 168h] } }",
            &["this reminder is there already"],
        ),
    ] {
        let (plan, cohort, more) = read(plan, cohort, reaction, more);
        assert_eq!(said(&plan, &cohort, &more), messages, "{reaction} {more}");
    }
}

/// Whoever is canceled may give up, and nothing else.
#[test]
fn the_canceled_may_leave() {
    let leaving = cohort("reacts: [ { when: canceled, do: churn, after: 2d } ]");
    assert_eq!((leaving.reactions[0].when, leaving.reactions[0].act), (When::Cause("canceled"), Act::Churn));
}

#[test]
fn faults() {
    let calls = "traffic: { rate: 1/h }";
    let written = "faults: [ { at: 10d, for: 6h, fault: processor_down }, \
                   { at: 0s, for: 90m, fault: processor_slow, factor: 2.5 } ]";
    let hours = |hours: u64| TimeSpan::from_ns(hours * HOUR);
    assert_eq!(
        scenario("fee: $49/month", calls, written).faults,
        [
            Fault { at: days(10), lasts: hours(6), breaks: Breaks::ProcessorDown },
            Fault {
                at: TimeSpan::ZERO,
                lasts: TimeSpan::from_ns(90 * MINUTE),
                breaks: Breaks::ProcessorSlow { factor: 2.5 }
            },
        ]
    );
    for (fault, message) in [
        ("at: 1d, for: 1h, fault: processor_slow", "`processor_slow` needs `factor`"),
        ("at: 1d, for: 1h, fault: processor_down, factor: 2", "`processor_down` takes no `factor`"),
        ("at: 1d, for: 1h, fault: processor_down, upstream: api", "`processor_down` takes no `upstream`"),
        ("at: 1d, for: 1h, fault: processor_slow, factor: 0.5", "`0.5` is less than 1"),
        ("at: 90d, for: 1h, fault: processor_down", "this fault comes after the horizon"),
    ] {
        assert_eq!(said("fee: $49/month", calls, &format!("faults: [ {{ {fault} }} ]")), [message], "{fault}");
    }
    let last = "faults: [ { at: 89d, for: 9d, fault: processor_down } ]";
    assert_eq!(said("fee: $49/month", calls, last), [""; 0], "an outage may outlast the run");
}

/// What nobody comes to is broken in vain, and said where it is named; what anybody does is not.
#[test]
fn a_fault_that_meets_nobody_is_warned_of() {
    for (fault, part, message) in [
        ("fault: policy_error, plan: spare", "plan", Some("nobody is ever on the plan `spare`")),
        ("fault: policy_error, plan: free", "plan", None),
        ("fault: policy_error, plan: pro", "plan", None),
        ("fault: upstream_down, upstream: unused", "upstream", Some("no call comes to the upstream `unused`")),
        ("fault: upstream_slow, upstream: second, factor: 2", "upstream", None),
        ("fault: processor_down", "fault", None),
        ("fault: billing_down", "fault", None),
    ] {
        let text = format!(
            "scenario: unmet\nhorizon: 30d\nroutes: {{ /a: {{ upstream: first }}, /b: {{ upstream: unused }} }}\nplans:\n  \
             free: {{ includes: {{ requests: 9/month }}, past_allowance: block }}\n  pro: {{ fee: $1/month }}\n  \
             spare: {{ fee: $1/month }}\nconsumers:\n  all: {{ count: 1, plan: free, traffic: {{ rate: 1/h, routes: {{ /a: 100% }} }}, \
             reacts: [ {{ when: quota_exhausted, do: upgrade, to: pro }} ] }}\nupstreams: {{ first: {{ latency: 1ms, calls: [second] }}, \
             second: {{ latency: 1ms }}, unused: {{ latency: 1ms }} }}\nfaults: [ {{ at: 1d, for: 1h, {fault} }} ]\n"
        );
        let warnings = parse("test.yaml", &text, Path::new("")).unwrap().warnings;
        let mut unmet = warnings.iter().filter(|it| it.help.as_deref() == Some("nothing of this fault will be seen"));
        let found = unmet.next();
        assert_eq!(found.map(|it| it.message.as_str()), message, "{fault}");
        if let Some(found) = found {
            let at = text.rfind(&format!("{part}: ")).unwrap();
            assert!((at..at + 40).contains(&found.span.start), "{fault}: {:?}", found.span);
        }
    }
    let free = "plans:\n  free: { includes: { requests: 9/month }, past_allowance: block }\nconsumers:\n  \
                all: { count: 1, plan: free, traffic: { rate: 1/h } }\n";
    let text =
        format!("scenario: free\nhorizon: 30d\n{free}faults: [ {{ at: 1d, for: 1h, fault: processor_down }} ]\n");
    let warnings = parse("test.yaml", &text, Path::new("")).unwrap().warnings;
    assert_eq!(warnings[0].message, "no plan that consumers are on asks for payments");
}

/// A start with a time of day: the horizon is counted from it on the calendar.
#[test]
fn a_scenario_may_start_within_a_day() {
    let begun = |start: &str| {
        let text = format!(
            "scenario: one\nstart: {start}\nhorizon: 1mo\nplans:\n  free: {{}}\nconsumers:\n  \
             all: {{ count: 1, plan: free, traffic: {{ rate: 1/h }} }}\n"
        );
        read(&text).scenario
    };
    let scenario = begun("2026-01-31T14:23:05Z");
    assert_eq!((scenario.start, scenario.horizon), (jiff::civil::datetime(2026, 1, 31, 14, 23, 5, 0), days(28)));
    assert_eq!(begun("2026-01-31T00:00:00Z").start, begun("2026-01-31").start);
}
