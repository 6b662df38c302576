//! Stories about calls: what they reserve, use and give back, and in which order the rules are looked at.

use super::story::{Story, first, per_unit, usd};
use super::{days, dollars, play_all, poisson, requests, scenario, secs, state, without_refusals, world};
use crate::billing::account::Status;
use crate::billing::catalog::ONE_REQUEST;
use crate::billing::cause::Cause;
use crate::billing::gate::{Decision, View};
use crate::billing::invoice::{Purpose, Receivables};
use crate::billing::ledger::{LedgerAccount, Movement};
use crate::billing::limit::LimitTerms;
use crate::billing::tally::Count;
use crate::distribution::Distribution;
use crate::model::{
    Arrivals, Attribute, Cohort, Dunning, Limit, METERS_MAX, Meter, PastAllowance, Period, Plan, Prepaid, Price, Rate,
    Route, Scenario, SpendControl, Trace, TraceRow, UnitPrice,
};
use crate::money::Money;
use crate::time::{Clock, Span, Time};

const TEN_MINUTES: Span = secs(600);

fn after(span: Span) -> Time {
    Time::START + span
}

fn daily(allowance: u64) -> Scenario {
    let plan = Plan { usage_period: Some(Period::Day), allowance: requests(allowance), ..Plan::new("daily") };
    scenario(days(30), plan, Cohort::new("one", 1, poisson(days(1))))
}

/// Four dollars a call, out of ten.
fn prepaid() -> Scenario {
    let plan =
        Plan { prepaid: Some(Prepaid::opening(dollars(10))), prices: first(per_unit("4")), ..Plan::new("prepaid") };
    scenario(days(30), plan, Cohort::new("one", 1, poisson(days(1))))
}

/// The same, and one call a day that costs nothing.
fn prepaid_with_allowance(allowance: u64) -> Scenario {
    let mut scenario = prepaid();
    scenario.plans[0].usage_period = Some(Period::Day);
    scenario.plans[0].allowance = requests(allowance);
    scenario
}

/// Three calls a day: the third passes, the fourth does not, whether the others are answered or still in flight; and at
/// the first instant of the next day three pass again.
#[test]
fn the_call_that_fills_the_allowance_passes_and_the_next_does_not() {
    let mut party = Story::begin(&daily(3), &[]);
    let first = party.admitted(after(secs(1))).hold;
    party.served(after(secs(2)), first, ONE_REQUEST);
    let others = [2, 2].map(|second| party.admitted(after(secs(second))).hold);
    assert_eq!(party.refused(after(secs(3))), Cause::QuotaExhausted);
    for hold in others {
        party.served(after(secs(4)), hold, ONE_REQUEST);
    }
    assert_eq!(party.refused(after(Span::from_ns(days(1).ns() - 1))), Cause::QuotaExhausted);
    for _ in 0..3 {
        party.admitted(after(days(1)));
    }
    assert_eq!(party.refused(after(days(1))), Cause::QuotaExhausted);
}

/// One call a day. A is admitted before midnight and B after it; then A is answered. A belongs to the day before: neither
/// does it use today's allowance, nor does its answer give back what B has reserved.
#[test]
fn a_call_in_flight_at_a_periods_end_belongs_to_its_period() {
    let midnight = days(1);
    let mut party = Story::begin(&daily(1), &[]);
    let a = party.admitted(after(Span::from_ns(midnight.ns() - 1))).hold;
    let b = party.admitted(after(midnight)).hold;
    party.served(after(midnight + secs(1)), a, ONE_REQUEST);
    assert_eq!(party.refused(after(midnight + secs(1))), Cause::QuotaExhausted);
    party.failed(after(midnight + secs(2)), b);
    party.admitted(after(midnight + secs(2)));

    let mut party = Story::begin(&daily(1), &[]);
    let a = party.admitted(after(Span::from_ns(midnight.ns() - 1))).hold;
    party.served(after(midnight), a, ONE_REQUEST);
    party.admitted(after(midnight));
}

/// One call a day is free, the next cost four dollars. Five calls in a row fail: each time the free one comes back; it is
/// then used. Five more fail: each time the four dollars come back.
#[test]
fn a_failed_call_gives_back_what_it_held() {
    let mut party = Story::begin(&prepaid_with_allowance(1), &[]);
    for second in 0..5 {
        let hold = party.admitted(after(secs(second))).hold;
        assert_eq!((party.account.credit(), party.account.usage.free(0)), (dollars(10), 0));
        party.failed(after(secs(second)), hold);
        assert_eq!((party.account.open_holds(), party.account.usage.free(0)), (0, 1));
    }
    party.calls(after(secs(5)), 1);
    for second in 6..11 {
        let hold = party.admitted(after(secs(second))).hold;
        assert_eq!(party.account.credit(), dollars(6));
        party.failed(after(secs(second)), hold);
        assert_eq!((party.account.credit(), party.account.open_holds()), (dollars(10), 0));
    }
    party.calls(after(secs(11)), 1);
    assert_eq!(
        party.journal(),
        [("grant", 10.0), ("hold_promotional", 24.0), ("release_promotional", 20.0), ("spend", 4.0)]
    );
    let units = &party.account.tally().units;
    assert_eq!((units.included[0], units.credited[0], units.billed[0], units.unbilled[0]), (1, 1, 0, 0));
}

/// A call a day is free, and ten dollars at four a call: one in flight takes the free one, two reserve eight, and the
/// fourth is refused before anything is spent. After ten minutes nobody has answered: all is given back, and what the
/// upstream says then changes two counters and nothing else.
#[test]
fn a_hold_expires_after_ten_minutes_and_a_late_answer_changes_only_counters() {
    let mut party = Story::begin(&prepaid_with_allowance(1), &[]);
    let [a, b, _] = [0, 1, 2].map(|second| party.admitted(after(secs(second))).hold);
    assert_eq!(party.refused(after(secs(2))), Cause::CreditExhausted);
    party.until(after(Span::from_ns(TEN_MINUTES.ns() - 1)));
    assert_eq!((party.account.open_holds(), party.account.credit(), party.account.usage.free(0)), (3, dollars(2), 0));
    party.until(after(TEN_MINUTES));
    assert_eq!((party.account.open_holds(), party.account.credit(), party.account.usage.free(0)), (2, dollars(2), 1));
    party.until(after(TEN_MINUTES + secs(1)));
    assert_eq!((party.account.open_holds(), party.account.credit()), (1, dollars(6)));
    party.until(after(TEN_MINUTES + secs(2)));
    assert_eq!((party.account.open_holds(), party.account.credit()), (0, dollars(10)));
    assert_eq!(party.count(Count::ExpiredHolds), 3);

    let before = party.account.clone();
    party.served(after(TEN_MINUTES + secs(2)), a, ONE_REQUEST);
    party.failed(after(TEN_MINUTES + secs(2)), b);
    let units = &party.account.tally().units;
    assert_eq!((party.count(Count::Late), units.unbilled[0], units.included[0]), (1, 1, 0));
    party.account.tally = before.tally.clone();
    assert_eq!(state(&party.account), state(&before));
    for _ in 0..3 {
        party.admitted(after(TEN_MINUTES + secs(3)));
    }
}

/// An answer that comes twice is charged once, also when the place of its hold is used again.
#[test]
fn an_answer_counts_once() {
    let mut party = Story::begin(&prepaid(), &[]);
    let a = party.admitted(after(secs(0))).hold;
    party.served(after(secs(1)), a, ONE_REQUEST);
    party.served(after(secs(2)), a, ONE_REQUEST);
    let b = party.admitted(after(secs(3))).hold;
    party.served(after(secs(4)), a, ONE_REQUEST);
    assert_eq!((party.account.open_holds(), party.account.credit()), (1, dollars(2)));
    party.served(after(secs(5)), b, ONE_REQUEST);
    assert_eq!(party.journal(), [("grant", 10.0), ("hold_promotional", 8.0), ("spend", 8.0)]);
    assert_eq!(party.count(Count::Late), 2);
}

/// $0.0375 per 1M tokens is 37.5 nanos a token: over 998 calls of odd sizes the consumer pays the exact product,
/// rounded down once, while each call reserved the most that any could cost.
#[test]
fn a_price_finer_than_a_nano_is_charged_to_the_nano() {
    let tokens = |i: u64| 1 + i * 7_919 % 1_000;
    let mut most = [0; METERS_MAX];
    most[1] = 1_000;
    let mut plan = Plan::new("tokens");
    plan.prepaid = Some(Prepaid::opening(dollars(1)));
    plan.prices[1] = Some(Price::PerUnit(UnitPrice { amount: Money::from_nanos(37_500_000), per: 1_000_000 }));
    let trace = Arrivals::Trace(Trace { rows: Vec::new(), most, ..Default::default() });
    let scenario = scenario(days(1), plan, Cohort::new("one", 1, trace));
    let mut party = Story::begin(&scenario, &[]);
    for i in 0..998 {
        let now = after(secs(i));
        let hold = party.admitted(now).hold;
        assert_eq!(party.account.books().balance(LedgerAccount::HeldPromotional), -37_500);
        party.served(now, hold, [1, tokens(i), 0, 0]);
    }
    let total: u64 = (0..998).map(tokens).sum();
    assert_eq!(total % 2, 1, "else nothing is rounded");
    let spent = party.account.books().moved(Movement::Spend).nanos();
    assert_eq!(spent.cast_unsigned(), total * 75 / 2);
    assert_eq!(party.account.credit().nanos(), 1_000_000_000 - spent);
}

/// What an upstream says beyond the most that was reserved is cut off there, for the quota as for the price.
#[test]
fn usage_past_what_was_held_is_cut_off() {
    let mut party = Story::begin(&prepaid(), &[]);
    party.uses(after(secs(0)), [50; METERS_MAX]);
    assert_eq!(party.account.credit(), dollars(6));

    let mut party = Story::begin(&daily(2), &[]);
    party.uses(after(secs(0)), [50; METERS_MAX]);
    party.admitted(after(secs(1)));
    assert_eq!(party.refused(after(secs(1))), Cause::QuotaExhausted);
}

fn tokens(allowance: u64, most: u64) -> Scenario {
    let mut scenario = daily(0);
    scenario.plans[0].allowance = [None, Some(allowance), None, None];
    scenario.cohorts[0].arrivals =
        Arrivals::Trace(Trace { rows: Vec::new(), most: [1, most, 0, 0], ..Default::default() });
    scenario
}

/// Quota admits while less than all of it is taken, so one weighted call may cross the line. In flight it counts with the
/// most that any can use; answered, with what it used.
#[test]
fn a_weighted_call_may_cross_the_line_and_counts_in_full_while_in_flight() {
    let mut party = Story::begin(&tokens(100, 60), &[]);
    let a = party.admitted(after(secs(0))).hold;
    party.admitted(after(secs(0)));
    assert_eq!(party.refused(after(secs(0))), Cause::QuotaExhausted);
    party.served(after(secs(1)), a, [1, 39, 0, 0]);
    // 39 used and 60 held: one is left, and a call of any size passes.
    let c = party.admitted(after(secs(1))).hold;
    assert_eq!(party.refused(after(secs(1))), Cause::QuotaExhausted);
    party.served(after(secs(2)), c, [1, 1, 0, 0]);
    // 40 and 60: full to the unit.
    assert_eq!(party.refused(after(secs(2))), Cause::QuotaExhausted);
}

/// A hundred tokens a day, at most 60 a call. Two calls at once hold 120, so a third is refused; ten seconds later both
/// answers and a fourth call come at one instant. Answers go first: two tokens are used, and the fourth call passes.
#[test]
fn an_answer_goes_before_a_call_of_the_same_instant() {
    let row = |at, tokens| TraceRow { at: secs(at), consumer: None, usage: [1, tokens, 0, 0] };
    let trace =
        Trace { rows: vec![row(0, 1), row(0, 1), row(0, 60), row(10, 1)], most: [1, 60, 0, 0], ..Default::default() };
    let mut scenario = tokens(100, 60);
    scenario.cohorts[0].arrivals = Arrivals::Trace(trace);
    scenario.upstreams[0].latency = Distribution::Constant(10_000_000_000.0);
    let outcome = play_all(&world(scenario));
    assert_eq!((outcome.cohorts[0].served, outcome.refused(Cause::QuotaExhausted)), (3, 1));
}

/// What is known only from the answer is held at the most that the route can use: 50 tokens in and 100 out on `/chat`,
/// nothing on `/health`, so that the latter passes when there is no credit for the former.
#[test]
fn a_route_holds_the_most_that_it_can_use() {
    let mut scenario = prepaid();
    let attribute = |name: &str, most| Attribute { name: name.to_owned(), amount: Distribution::Constant(1.0), most };
    scenario.meters.push(Meter { name: "tokens".to_owned(), sum: vec!["in".to_owned(), "out".to_owned()] });
    scenario.routes = vec![
        Route { path: "/chat".to_owned(), upstream: 0, attributes: vec![attribute("in", 50), attribute("out", 100)] },
        Route { path: "/health".to_owned(), upstream: 0, attributes: Vec::new() },
    ];
    scenario.plans[0].prices = [None, Some(per_unit("0.04")), None, None];
    let mut party = Story::begin(&scenario, &[]);
    // 150 tokens at four cents: six dollars of ten, so a second call of it finds too little.
    let hold = party.admitted(after(secs(0))).hold;
    assert_eq!(party.credit(), "$4.00");
    assert_eq!(party.refused(after(secs(0))), Cause::CreditExhausted);
    assert!(matches!(party.call_route(after(secs(0)), 1), Decision::Admit(_)));
    party.served(after(secs(1)), hold, [1, 30, 0, 0]);
    assert_eq!(party.credit(), "$8.80");
}

/// A plan covers the first of two routes: the other is refused, whatever the subscription's status.
#[test]
fn a_route_that_the_plan_does_not_cover_is_refused() {
    let mut scenario = daily(1);
    scenario.routes.push(Route { path: "/v2".to_owned(), upstream: 0, attributes: Vec::new() });
    scenario.plans[0].routes = Some(vec![0]);
    let mut party = Story::begin(&scenario, &[]);
    assert_eq!(party.call_route(after(secs(0)), 1), Decision::Refuse(Cause::RouteNotInPlan));
    party.calls(after(secs(0)), 1);
    party.leaves(after(secs(1)));
    assert_eq!(party.call_route(after(secs(1)), 1), Decision::Refuse(Cause::RouteNotInPlan));
    assert_eq!(party.call_route(after(secs(1)), 0), Decision::Refuse(Cause::Canceled));
}

/// An hour of billing passes in a second of traffic. Holds and rate limits go by traffic: a call admitted at 100 s keeps
/// its hold through weeks of billing until 700 s, and an hourly bucket stays empty over three days of it. The quota goes
/// by billing: it is a new one each day, which is 24 s.
#[test]
fn holds_and_limits_go_by_traffic_time_and_quotas_by_billing_time() {
    let clock = Clock::new(secs(3_600), secs(1));
    let at = |seconds: u64| clock.at(Time::START + secs(seconds)).billing;
    let mut party = Story::begin(&daily(1), &[]).at_pace(clock);
    let a = party.admitted(at(100)).hold;
    assert_eq!(party.refused(at(119)), Cause::QuotaExhausted);
    party.admitted(at(120));
    party.until(at(699));
    assert_eq!(party.account.open_holds(), 2);
    assert_eq!(party.account.next_deadline().traffic, Time::START + secs(700));
    party.until(at(700));
    party.served(at(701), a, ONE_REQUEST);
    assert_eq!((party.account.open_holds(), party.count(Count::Late)), (1, 1));

    let mut scenario = daily(1);
    scenario.plans[0].limits = vec![HOURLY];
    let mut party = Story::begin(&scenario, &[]).at_pace(clock);
    party.admitted(at(0));
    assert_eq!(party.refused(at(72)), Cause::RateLimited);
    party.admitted(at(3_600));
}

type Spoil = fn(&mut Story);

/// What refuses a call on a prepaid plan, in the order in which it is looked at.
const SPOILS: [(Cause, Spoil); 7] = [
    (Cause::RouteNotInPlan, |party| party.catalog.terms[0].covers = Some(vec![false])),
    (Cause::BillingHold, |party| party.account.suspended_until = after(secs(2))),
    (Cause::PastDue, |party| {
        party.account.status = Status::PastDue;
        party.account.receivables = past_grace();
    }),
    (Cause::RateLimited, |party| {
        let limit = party.catalog.terms[0].limits[0];
        limit.take(&mut party.account.limits[0], Time::START);
    }),
    (Cause::ConcurrencyLimited, |party| party.catalog.terms[0].limits[1] = LimitTerms::Concurrency(0)),
    (Cause::QuotaExhausted, |party| party.account.usage.taken[1] = 5),
    (Cause::CreditExhausted, |party| {
        let left = party.account.grants.take(dollars(7), &mut party.account.books);
        assert_eq!(left, Ok(Money::ZERO));
    }),
];

const HOURLY: Limit = Limit::TokenBucket { rate: Rate { requests: 1, per: secs(3_600) }, burst: 1 };

/// Five tokens a day and no more; a request costs four dollars of ten; one an hour, one at a time.
fn limited_in_every_way() -> Story {
    let mut scenario = prepaid();
    let plan = &mut scenario.plans[0];
    plan.usage_period = Some(Period::Day);
    plan.allowance = [None, Some(5), None, None];
    plan.limits = vec![HOURLY, Limit::Concurrency(1)];
    scenario.cohorts[0].arrivals =
        Arrivals::Trace(Trace { rows: Vec::new(), most: [1, 1, 0, 0], ..Default::default() });
    Story::begin(&scenario, &[])
}

/// A consumer whose plan lacks the route, who is suspended, past due, too fast, too parallel, out of quota and out of
/// credit is told the first; cured of that, the second; and so on, until the call passes. No refusal has changed anything
/// about the account.
#[test]
fn the_first_failing_step_wins_and_a_refused_call_consumes_nothing() {
    for from in 0..=SPOILS.len() {
        let mut party = limited_in_every_way();
        for (_, spoil) in &SPOILS[from..] {
            spoil(&mut party);
        }
        let before = without_refusals(&party.account);
        let decision =
            party.account.request(super::after(secs(1)), &party.catalog, View::ReadThrough, 0, false).unwrap();
        match SPOILS.get(from) {
            Some((cause, _)) => {
                assert_eq!(decision, Decision::Refuse(*cause));
                assert_eq!(without_refusals(&party.account), before, "{cause:?} has consumed something");
            }
            None => assert!(matches!(decision, Decision::Admit(_))),
        }
    }
}

/// The quota of tokens goes before the spend cap on requests, and a call that the cap refuses consumes nothing either.
#[test]
fn the_quota_goes_before_the_spend_cap() {
    let mut scenario = tokens(5, 1);
    scenario.plans[0].prices = first(per_unit("4"));
    scenario.plans[0].spend_cap = Some(dollars(7));
    let mut party = Story::begin(&scenario, &[]);
    party.uses(after(secs(0)), [1, 1, 0, 0]);
    let before = without_refusals(&party.account);
    assert_eq!(party.refused(after(secs(1))), Cause::SpendCap);
    assert_eq!(without_refusals(&party.account), before);
    party.account.usage.taken[1] = 5;
    assert_eq!(party.refused(after(secs(1))), Cause::QuotaExhausted);
}

/// One declined invoice, whose grace ended at the start.
fn past_grace() -> Receivables {
    let mut receivables = Receivables::default();
    receivables.add(Purpose::Period(0), dollars(1));
    receivables.failed(Time::START, None, true, Span::ZERO, &Dunning::default());
    receivables
}

/// The other statuses refuse before everything else too, each for its own reason, and consume as little.
#[test]
fn who_may_not_be_served_is_refused_first_and_for_that_reason() {
    for (status, has_card, cause) in [
        (Status::Unpaid, true, Cause::Unpaid),
        (Status::Canceled, true, Cause::Canceled),
        (Status::IncompleteExpired, true, Cause::Canceled),
        (Status::Incomplete, true, Cause::FirstPaymentFailed),
        (Status::Incomplete, false, Cause::NoPaymentMethod),
        (Status::Paused, false, Cause::TrialEnded),
        (Status::Awaited, true, Cause::UnknownCredential),
    ] {
        let mut party = limited_in_every_way();
        for (_, spoil) in &SPOILS[3..] {
            spoil(&mut party);
        }
        party.account.status = status;
        party.account.has_card = has_card;
        let before = without_refusals(&party.account);
        let decision =
            party.account.request(super::after(secs(1)), &party.catalog, View::ReadThrough, 0, false).unwrap();
        assert_eq!((decision, without_refusals(&party.account)), (Decision::Refuse(cause), before));
    }
}

/// An hourly bucket of one: a call empties it; refused calls, every minute, do not keep it empty.
#[test]
fn refused_calls_do_not_keep_the_bucket_empty() {
    let mut scenario = daily(100);
    scenario.plans[0].limits = vec![HOURLY];
    let mut party = Story::begin(&scenario, &[]);
    party.admitted(after(secs(0)));
    for minute in 1..60 {
        assert_eq!(party.refused(after(secs(60 * minute))), Cause::RateLimited);
    }
    party.admitted(after(secs(3_600)));
}

/// Two limits: five a minute, and two at once. Each refuses for itself, in the order of the plan, and a call that one of
/// them refuses is not counted by the other.
#[test]
fn limits_are_looked_at_in_their_order_and_taken_together() {
    let mut scenario = daily(100);
    let window = Limit::SlidingWindow(Rate { requests: 5, per: secs(60) });
    scenario.plans[0].limits = vec![window, Limit::Concurrency(2)];
    let mut party = Story::begin(&scenario, &[]);
    let holds = [0, 1].map(|second| party.admitted(after(secs(second))).hold);
    for second in 2..10 {
        assert_eq!(party.refused(after(secs(second))), Cause::ConcurrencyLimited);
    }
    for hold in holds {
        party.served(after(secs(10)), hold, ONE_REQUEST);
    }
    party.calls(after(secs(11)), 3);
    assert_eq!(party.refused(after(secs(12))), Cause::RateLimited);
    // The first of the five has left the window.
    party.calls(after(secs(60)), 1);
    assert_eq!(party.refused(after(secs(60))), Cause::RateLimited);
}

/// Past the allowance of ten a day, one call a second: it is served, not billed, and takes nothing of the allowance.
#[test]
fn a_throttled_plan_lets_pass_what_its_pace_allows() {
    let mut scenario = daily(10);
    scenario.plans[0].past_allowance = PastAllowance::Throttle(Rate { requests: 1, per: secs(1) });
    let mut party = Story::begin(&scenario, &[]);
    party.calls(after(secs(0)), 10);
    party.calls(after(secs(0)), 1);
    assert_eq!(party.refused(after(secs(0))), Cause::RateLimited);
    assert_eq!(party.refused(after(Span::from_ns(secs(1).ns() - 1))), Cause::RateLimited);
    party.calls(after(secs(1)), 1);
    let units = &party.account.tally().units;
    assert_eq!((units.included[0], units.unbilled[0], units.billed[0]), (10, 2, 0));
    party.calls(after(days(1)), 10);
}

/// Without holds: both calls see ten dollars at seven a call and are served; four dollars are missing, and leaked.
#[test]
fn check_then_debit_overspends_when_calls_overlap() {
    let mut scenario = prepaid();
    scenario.plans[0].prices = first(per_unit("7"));
    scenario.gateway.spend_control = SpendControl::CheckThenDebit;
    let mut party = Story::begin(&scenario, &[]);
    let holds = [0, 0].map(|second| party.admitted(after(secs(second))).hold);
    for hold in holds {
        party.served(after(secs(1)), hold, ONE_REQUEST);
    }
    assert_eq!((party.credit().as_str(), party.figure(|figures| figures.leaked).as_str()), ("$0.00", "$4.00"));
    assert_eq!(party.refused(after(secs(2))), Cause::CreditExhausted);
    // Twenty dollars are bought: four of them pay what was served without credit.
    party.buys(after(secs(3)), "20");
    assert_eq!((party.credit().as_str(), party.figure(|figures| figures.leaked).as_str()), ("$16.00", "$0.00"));
    assert_eq!(party.account.books().moved(Movement::Recoup), usd("4"));
}

/// How far each rule is from deciding otherwise is what the next calls then show.
#[test]
fn margins_say_how_far_the_next_decision_is() {
    let mut party = limited_in_every_way();
    let margins = party.account.margins(super::after(secs(0)), &party.catalog, 0);
    assert_eq!((margins.quota_units, margins.credit, margins.rate_ns), (5, dollars(6), 0));
    assert_eq!(margins.status_ns, days(1).ns().cast_signed());
    let hold = party.admitted(after(secs(0))).hold;
    let margins = party.account.margins(super::after(secs(600)), &party.catalog, 0);
    assert_eq!((margins.quota_units, margins.credit), (4, dollars(2)));
    // Of two limits that refuse, the one that does so longest: the bucket, beside the call that is still under way.
    assert_eq!(margins.rate_ns, -secs(3_000).ns().cast_signed());
    party.served(after(secs(1)), hold, [1, 1, 0, 0]);
    let margins = party.account.margins(super::after(secs(600)), &party.catalog, 0);
    assert_eq!(margins.rate_ns, -secs(3_000).ns().cast_signed());
}
