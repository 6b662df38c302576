//! Stories about calls: what they reserve, use and give back, and in which order the rules are looked at.

use super::{Party, after, days, dollars, play_all, poisson, requests, scenario, secs, state, world};
use crate::billing::account::Status;
use crate::billing::catalog::{HOLD_TTL, ONE_REQUEST};
use crate::billing::cause::Cause;
use crate::billing::gate::{Decision, View};
use crate::billing::invoice::Receivables;
use crate::billing::ledger::{LedgerAccount, Movement};
use crate::distribution::Latency;
use crate::model::{
    Arrivals, Cohort, Dunning, Finally, METERS_MAX, Period, Plan, Prepaid, Scenario, TokenBucket, Trace, TraceRow,
    UnitPrice,
};
use crate::money::Money;
use crate::time::{Clock, Span, Time};

fn daily(allowance: u64) -> Scenario {
    let plan = Plan { period: Some(Period::Day), allowance: requests(allowance), ..Plan::new("daily") };
    scenario(days(30), plan, Cohort::new("one", 1, poisson(days(1))))
}

/// Four dollars a call, out of ten.
fn prepaid() -> Scenario {
    let mut plan = Plan::new("prepaid");
    plan.prepaid = Some(Prepaid { opening: dollars(10) });
    plan.prices[0] = Some(UnitPrice { amount: dollars(4), per: 1 });
    scenario(days(30), plan, Cohort::new("one", 1, poisson(days(1))))
}

/// Three calls a day: the third passes, the fourth does not, whether the others are answered or still in flight; and at
/// the first instant of the next day three pass again.
#[test]
fn the_call_that_fills_the_allowance_passes_and_the_next_does_not() {
    let mut party = Party::new(&daily(3), &[]);
    let first = party.admitted(after(secs(1))).hold;
    party.served(after(secs(2)), first);
    let others = [2, 2].map(|second| party.admitted(after(secs(second))).hold);
    assert_eq!(party.call(after(secs(3))), Decision::Refuse(Cause::QuotaExhausted));
    for hold in others {
        party.served(after(secs(4)), hold);
    }
    assert_eq!(party.call(after(Span::from_ns(days(1).ns() - 1))), Decision::Refuse(Cause::QuotaExhausted));
    for _ in 0..3 {
        party.admitted(after(days(1)));
    }
    assert_eq!(party.call(after(days(1))), Decision::Refuse(Cause::QuotaExhausted));
}

/// One call a day. A is admitted before midnight and B after it; then A is answered. A belongs to the day before: neither
/// does it use today's allowance, nor does its answer give back what B has reserved.
#[test]
fn a_call_in_flight_at_a_periods_end_belongs_to_its_period() {
    let midnight = days(1);
    let mut party = Party::new(&daily(1), &[]);
    let a = party.admitted(after(Span::from_ns(midnight.ns() - 1))).hold;
    let b = party.admitted(after(midnight)).hold;
    party.served(after(midnight + secs(1)), a);
    assert_eq!(party.call(after(midnight + secs(1))), Decision::Refuse(Cause::QuotaExhausted));
    party.failed(after(midnight + secs(2)), b);
    party.admitted(after(midnight + secs(2)));

    let mut party = Party::new(&daily(1), &[]);
    let a = party.admitted(after(Span::from_ns(midnight.ns() - 1))).hold;
    party.served(after(midnight), a);
    party.admitted(after(midnight));
}

/// Five calls in a row fail: each time all that was held comes back, and the one call of the day is still to be had.
#[test]
fn a_failed_call_gives_back_what_it_held() {
    let mut scenario = prepaid();
    scenario.plans[0].period = Some(Period::Day);
    scenario.plans[0].allowance = requests(1);
    let mut party = Party::new(&scenario, &[]);
    for second in 0..5 {
        let hold = party.admitted(after(secs(second))).hold;
        assert_eq!(party.account.credit(), dollars(6));
        party.failed(after(secs(second)), hold);
        assert_eq!((party.account.credit(), party.account.open_holds()), (dollars(10), 0));
    }
    let hold = party.admitted(after(secs(5))).hold;
    party.served(after(secs(6)), hold);
    assert_eq!(party.call(after(secs(6))), Decision::Refuse(Cause::QuotaExhausted));
    assert_eq!(party.journal(), [("grant", 10.0), ("hold", 24.0), ("release", 20.0), ("spend", 4.0)]);
}

/// Ten dollars, four a call: two in flight reserve eight, and the third is refused before anything is spent. After ten
/// minutes nobody has answered: all is given back, and what the upstream says then changes a counter and nothing else.
#[test]
fn a_hold_expires_after_ten_minutes_and_a_late_answer_changes_only_a_counter() {
    let mut scenario = prepaid();
    scenario.plans[0].period = Some(Period::Day);
    scenario.plans[0].allowance = requests(3);
    let mut party = Party::new(&scenario, &[]);
    let a = party.admitted(after(secs(0))).hold;
    let b = party.admitted(after(secs(1))).hold;
    assert_eq!(party.call(after(secs(2))), Decision::Refuse(Cause::CreditExhausted));
    party.until(after(Span::from_ns(HOLD_TTL.ns() - 1)));
    assert_eq!((party.account.open_holds(), party.account.credit()), (2, dollars(2)));
    party.until(after(HOLD_TTL));
    assert_eq!((party.account.open_holds(), party.account.credit()), (1, dollars(6)));
    party.until(after(HOLD_TTL + secs(1)));
    assert_eq!((party.account.open_holds(), party.account.credit()), (0, dollars(10)));
    assert_eq!(party.account.tally().expired_holds, 2);

    let before = state(&party.account);
    party.served(after(HOLD_TTL + secs(2)), a);
    party.failed(after(HOLD_TTL + secs(2)), b);
    assert_eq!(party.account.tally().late, 1);
    party.account.tally.late = 0;
    assert_eq!(state(&party.account), before);
    party.admitted(after(HOLD_TTL + secs(3)));
    party.admitted(after(HOLD_TTL + secs(3)));
}

/// An answer that comes twice is charged once, also when the place of its hold is used again.
#[test]
fn an_answer_counts_once() {
    let mut party = Party::new(&prepaid(), &[]);
    let a = party.admitted(after(secs(0))).hold;
    party.served(after(secs(1)), a);
    party.served(after(secs(2)), a);
    let b = party.admitted(after(secs(3))).hold;
    party.served(after(secs(4)), a);
    assert_eq!((party.account.open_holds(), party.account.credit()), (1, dollars(2)));
    party.served(after(secs(5)), b);
    assert_eq!(party.journal(), [("grant", 10.0), ("hold", 8.0), ("spend", 8.0)]);
    assert_eq!(party.account.tally().late, 2);
}

/// $0.0375 per 1M tokens is 37.5 nanos a token: over 998 calls of odd sizes the consumer pays the exact product,
/// rounded down once, while each call reserved the most that any could cost.
#[test]
fn a_price_finer_than_a_nano_is_charged_to_the_nano() {
    let tokens = |i: u64| 1 + i * 7_919 % 1_000;
    let mut most = [0; METERS_MAX];
    most[1] = 1_000;
    let mut plan = Plan::new("tokens");
    plan.prepaid = Some(Prepaid { opening: dollars(1) });
    plan.prices[1] = Some(UnitPrice { amount: Money::from_nanos(37_500_000), per: 1_000_000 });
    let trace = Arrivals::Trace(Trace { rows: Vec::new(), most });
    let scenario = scenario(days(1), plan, Cohort::new("one", 1, trace));
    let mut party = Party::new(&scenario, &[]);
    for i in 0..998 {
        let now = after(secs(i));
        let hold = party.admitted(now).hold;
        assert_eq!(party.account.books().balance(LedgerAccount::Held), -37_500);
        let mut usage = ONE_REQUEST;
        usage[1] = tokens(i);
        party.account.served(now, &party.catalog, hold, &usage).unwrap();
        party.account.check();
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
    let mut scenario = prepaid();
    scenario.plans[0].period = Some(Period::Day);
    scenario.plans[0].allowance = requests(2);
    let mut party = Party::new(&scenario, &[]);
    let hold = party.admitted(after(secs(0))).hold;
    party.account.served(after(secs(0)), &party.catalog, hold, &[50; METERS_MAX]).unwrap();
    assert_eq!(party.account.credit(), dollars(6));
    party.admitted(after(secs(1)));
    assert_eq!(party.call(after(secs(1))), Decision::Refuse(Cause::QuotaExhausted));
}

/// Quota admits while less than all of it is taken, so one weighted call may cross the line. In flight it counts with the
/// most that any can use; answered, with what it used.
#[test]
fn a_weighted_call_may_cross_the_line_and_counts_in_full_while_in_flight() {
    let mut scenario = daily(0);
    scenario.plans[0].allowance = [None, Some(100), None, None];
    scenario.cohorts[0].arrivals = Arrivals::Trace(Trace { rows: Vec::new(), most: [1, 60, 0, 0] });
    let mut party = Party::new(&scenario, &[]);
    let a = party.admitted(after(secs(0))).hold;
    party.admitted(after(secs(0)));
    assert_eq!(party.call(after(secs(0))), Decision::Refuse(Cause::QuotaExhausted));
    party.account.served(after(secs(1)), &party.catalog, a, &[1, 39, 0, 0]).unwrap();
    // 39 used and 60 held: one is left, and a call of any size passes.
    let c = party.admitted(after(secs(1))).hold;
    assert_eq!(party.call(after(secs(1))), Decision::Refuse(Cause::QuotaExhausted));
    party.account.served(after(secs(2)), &party.catalog, c, &[1, 1, 0, 0]).unwrap();
    // 40 and 60: full to the unit.
    assert_eq!(party.call(after(secs(2))), Decision::Refuse(Cause::QuotaExhausted));
}

/// A hundred tokens a day, at most 60 a call. Two calls at once hold 120, so a third is refused; ten seconds later both
/// answers and a fourth call come at one instant. Answers go first: two tokens are used, and the fourth call passes.
#[test]
fn an_answer_goes_before_a_call_of_the_same_instant() {
    let row = |at, tokens| TraceRow { at: secs(at), consumer: None, usage: [1, tokens, 0, 0] };
    let trace = Trace { rows: vec![row(0, 1), row(0, 1), row(0, 60), row(10, 1)], most: [1, 60, 0, 0] };
    let mut scenario = daily(0);
    scenario.plans[0].allowance = [None, Some(100), None, None];
    scenario.cohorts[0].arrivals = Arrivals::Trace(trace);
    scenario.upstream.latency = Latency::Constant(10_000_000_000);
    let outcome = play_all(&world(scenario));
    assert_eq!((outcome.cohorts[0].served, outcome.refused(Cause::QuotaExhausted)), (3, 1));
}

/// An hour of billing passes in a second of traffic. Holds and rate limits go by traffic: a call admitted at 100 s keeps
/// its hold through weeks of billing until 700 s, and an hourly bucket stays empty over three days of it. The quota goes
/// by billing: it is a new one each day, which is 24 s.
#[test]
fn holds_and_limits_go_by_traffic_time_and_quotas_by_billing_time() {
    let clock = Clock::new(secs(3_600), secs(1));
    let at = |seconds: u64| clock.at(Time::START + secs(seconds));
    let mut party = Party::new(&daily(1), &[]);
    let a = party.admitted(at(100)).hold;
    assert_eq!(party.call(at(119)), Decision::Refuse(Cause::QuotaExhausted));
    party.admitted(at(120));
    party.until(at(699));
    assert_eq!(party.account.open_holds(), 2);
    assert_eq!(party.account.next_deadline().traffic, at(700).traffic);
    party.until(at(700));
    party.served(at(701), a);
    assert_eq!((party.account.open_holds(), party.account.tally().late), (1, 1));

    let mut scenario = daily(1);
    scenario.plans[0].limit = Some(HOURLY);
    let mut party = Party::new(&scenario, &[]);
    party.admitted(at(0));
    assert_eq!(party.call(at(72)), Decision::Refuse(Cause::RateLimited));
    party.admitted(at(3_600));
}

type Spoil = fn(&mut Party);

/// Everything that can refuse a call, in the order in which it is looked at.
const SPOILS: [(Cause, Spoil); 4] = [
    (Cause::PastDue, |party| {
        party.account.status = Status::PastDue;
        party.account.receivables = past_grace();
    }),
    (Cause::RateLimited, |party| {
        let limit = party.catalog.plans[0].limit.unwrap();
        party.account.bucket = limit.take(party.account.bucket.unwrap(), Time::START);
    }),
    (Cause::QuotaExhausted, |party| party.account.current.used[0] = 5),
    (Cause::CreditExhausted, |party| party.account.credit = dollars(3)),
];

const HOURLY: TokenBucket = TokenBucket { tokens: 1, per: secs(3_600), burst: 1 };

fn limited_in_every_way() -> Party {
    let mut scenario = prepaid();
    let plan = &mut scenario.plans[0];
    plan.period = Some(Period::Day);
    plan.allowance = requests(5);
    plan.limit = Some(HOURLY);
    Party::new(&scenario, &[])
}

/// A consumer that is past due, out of tokens, out of quota and out of credit is told the first; cured of that, the
/// second; and so on, until the call passes. No refusal has changed anything about the account.
#[test]
fn the_first_failing_step_wins_and_a_refused_call_consumes_nothing() {
    for from in 0..=SPOILS.len() {
        let mut party = limited_in_every_way();
        for (_, spoil) in &SPOILS[from..] {
            spoil(&mut party);
        }
        let before = state(&party.account);
        let decision = party.account.request(after(secs(1)), &party.catalog, View::ReadThrough).unwrap();
        match SPOILS.get(from) {
            Some((cause, _)) => {
                assert_eq!(decision, Decision::Refuse(*cause));
                assert_eq!(state(&party.account), before, "{cause:?} has consumed something");
            }
            None => assert!(matches!(decision, Decision::Admit(_))),
        }
    }
}

/// One declined invoice, whose grace ended at the start.
fn past_grace() -> Receivables {
    let mut receivables = Receivables::default();
    receivables.add(0, dollars(1)).unwrap();
    let policy = Dunning { retries: Vec::new(), finally: Finally::Keep };
    receivables.declined(Time::START, Span::ZERO, &policy);
    receivables
}

/// The other two statuses refuse before everything else too, and consume as little.
#[test]
fn who_is_unpaid_or_canceled_is_refused_first_and_for_that_reason() {
    for (status, cause) in [(Status::Unpaid, Cause::Unpaid), (Status::Canceled, Cause::Canceled)] {
        let mut party = limited_in_every_way();
        for (_, spoil) in &SPOILS[1..] {
            spoil(&mut party);
        }
        party.account.status = status;
        let before = state(&party.account);
        let decision = party.account.request(after(secs(1)), &party.catalog, View::ReadThrough).unwrap();
        assert_eq!((decision, state(&party.account)), (Decision::Refuse(cause), before));
    }
}

/// An hourly bucket of one: a call empties it; refused calls, every minute, do not keep it empty.
#[test]
fn refused_calls_do_not_keep_the_bucket_empty() {
    let mut scenario = daily(100);
    scenario.plans[0].limit = Some(HOURLY);
    let mut party = Party::new(&scenario, &[]);
    party.admitted(after(secs(0)));
    for minute in 1..60 {
        assert_eq!(party.call(after(secs(60 * minute))), Decision::Refuse(Cause::RateLimited));
    }
    party.admitted(after(secs(3_600)));
}

/// How far each rule is from deciding otherwise is what the next calls then show.
#[test]
fn margins_say_how_far_the_next_decision_is() {
    let mut party = limited_in_every_way();
    let margins = party.account.margins(after(secs(0)), &party.catalog);
    assert_eq!((margins.quota_units, margins.credit, margins.rate_ns), (5, dollars(6), 0));
    assert_eq!(margins.status_ns, days(1).ns().cast_signed());
    party.admitted(after(secs(0)));
    let margins = party.account.margins(after(secs(600)), &party.catalog);
    assert_eq!((margins.quota_units, margins.credit), (4, dollars(2)));
    assert_eq!(margins.rate_ns, -secs(3_000).ns().cast_signed());
}
