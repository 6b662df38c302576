//! The oracle of the product: where nothing can make the gateway wrong it finds nothing, in any drawn world; and where
//! something can, what is known by hand.

use super::drawn::Dice;
use super::{after, poisson, scenario, secs, world};
use super::{days, dollars, drawn, everyone, for_each_seed, for_plain_seeds, for_seeds, play_all, recorder, requests};
use crate::billing::account::{Account, Consumer};
use crate::billing::cause::{Cause, Failure};
use crate::billing::gate::{Admission, Decision};
use crate::billing::hold::{HoldId, Holds};
use crate::billing::ledger::Movement;
use crate::distribution::Distribution;
use crate::draw::Chance;
use crate::log;
use crate::model::{
    Arrivals, Breaks, Cohort, Fault, Joined, Length, Limit, Measure, Number, PerMeter, Period, Plan, Prepaid, Price,
    Rate, Scenario, Selector, SpendControl, Threshold, Trace, TraceRow, UnitPrice, Webhooks, Wrongly,
};
use crate::money::Money;
use crate::oracle::{self, Oracle, Ruling, Table};
use crate::outcome::{Judged, JudgedRoute, Nanos, Outcome, WrongAnswers};
use crate::record::Recorder;
use crate::sim::{self, Observer, Scratch, Tried};
use crate::time::{DAY, Now, SECOND, Span, Time};
use crate::world::World;
use crate::world::schedule::Call;

/// Asks the oracle about each answer, and compares the cause too.
struct Strict<'w> {
    oracle: Oracle<'w>,
    asked: u64,
    refused: u64,
}

impl Observer for Strict<'_> {
    fn asked(&mut self, account: &Account, call: &Call, now: Now) {
        self.oracle.asked(account, call, now);
    }

    fn decided(&mut self, consumer: Consumer, call: &Call, now: Now, decision: Decision) {
        self.oracle.decided(consumer, call, decision, now);
        let said = if let Decision::Refuse(cause) = decision { Err(cause) } else { Ok(()) };
        assert_eq!(self.oracle.truth(), Some(said), "{consumer:?} at {now:?}, {call:?}");
        self.asked += 1;
        self.refused += u64::from(said.is_err());
    }

    fn settled(&mut self, account: &Account, hold: HoldId) {
        self.oracle.settled(account, hold);
    }

    fn served(&mut self, consumer: Consumer, call: &Call, hold: HoldId, now: Now, _: Span) {
        self.oracle.landed(consumer, hold, now, Some(&call.usage));
    }

    fn failed(&mut self, consumer: Consumer, _: &Call, hold: HoldId, _: Failure, now: Now) {
        self.oracle.landed(consumer, hold, now, None);
    }

    fn gave_up(&mut self, consumer: Consumer, _: &Call, hold: HoldId, sent: &PerMeter<u64>, now: Now) {
        self.oracle.gave_up(consumer, hold, now, sent);
    }

    fn ended(&mut self, consumer: Consumer, call: &Call, hold: HoldId, failed: Option<Failure>, now: Now) {
        self.oracle.landed(consumer, hold, now, Some(&call.usage).filter(|_| failed.is_none()));
    }

    fn closed(&mut self, account: &Account, _: &Tried) {
        self.oracle.closed(account);
    }
}

fn watch(world: &World, observer: &mut impl Observer) {
    if world.is_shared() {
        assert!(sim::play_component(world, world.consumers(), observer, &mut |_| true).unwrap());
        return;
    }
    let mut scratch = Scratch::default();
    world.consumers().for_each(|consumer| sim::play(world, consumer, observer, &mut scratch).unwrap());
}

/// A drawn world in which nothing makes the gateway wrong.
pub(super) fn right(seed: u64) -> World {
    let mut scenario = drawn::scenario(seed);
    scenario.gateway.spend_control = SpendControl::Reserve;
    scenario.payments.webhooks = Webhooks::default();
    scenario.faults.retain(|fault| !matches!(fault.breaks, Breaks::BillingDown | Breaks::PolicyError { .. }));
    drawn::world_of(seed, scenario)
}

/// The same, but its calls come on round moments, when windows, periods, grace and the credit of some wallets end to the
/// nanosecond.
pub(super) fn coinciding(seed: u64) -> World {
    let dice = &mut Dice::new(seed ^ 0xC01);
    let mut scenario = drawn::scenario(seed);
    scenario.gateway.spend_control = SpendControl::Reserve;
    scenario.payments.webhooks = Webhooks::default();
    scenario.faults.clear();
    scenario.upstreams[0].latency = Distribution::Constant(dice.one_of(&[0.0, 1e9, 60e9, 600e9]));
    let days_long = scenario.horizon.ns() / DAY;
    for cohort in &mut scenario.cohorts {
        let mut at: Vec<_> = (0..60)
            .map(|_| days(dice.below(days_long)) + secs(dice.one_of(&[0, 0, 1, 2, 5, 60, 61, 3_600, 9_000, 36_000])))
            .collect();
        at.sort_unstable();
        cohort.arrivals = calls_at(at);
        cohort.joined = dice.one_of(&[Joined::Start, Joined::Start, Joined::Spread]);
        cohort.wallet = Money::from_nanos(30_000_000);
    }
    for plan in scenario.plans.iter_mut().filter(|plan| plan.pays_per_request) {
        plan.prices[0] = Some(Price::PerUnit(UnitPrice { amount: Money::from_nanos(10_000_000), per: 1 }));
    }
    world(scenario)
}

pub(super) fn nothing_is_wrong(_: u64, world: &World) {
    let mut strict = Strict { oracle: Oracle::new(world), asked: 0, refused: 0 };
    watch(world, &mut strict);
    let Strict { oracle, asked, refused } = strict;
    let judged = judged(world, &oracle.tables().unwrap());
    let all: Vec<_> = judged.iter().map(Judged::whole).collect();
    assert!(all.iter().all(|of| of.false_refusals.is_empty() && of.leaks.is_empty()));
    assert_eq!(all.iter().map(|of| of.refused_rightly).sum::<u64>(), refused);
    assert_eq!(all.iter().map(|of| of.served_rightly).sum::<u64>(), asked - refused);
    assert!(judged.iter().all(|of| of.overshoot.is_empty() && of.deepest_overdraft.0 == 0));
}

fn judged(world: &World, tables: &[Table]) -> Vec<Judged> {
    let outcome = Outcome::new(&world.scenario, 1, &Recorder::new(tables.len()), &everyone(world));
    outcome.judged(&world.scenario, Some(tables)).cohorts.into_iter().map(|cohort| cohort.oracle.unwrap()).collect()
}

/// Every decision, and every cause of a refusal, is what the truth says, where the gateway has no way to be wrong.
#[test]
fn nothing_is_wrong_where_nothing_can_be() {
    for_each_seed(0..400, |seed| nothing_is_wrong(seed, &right(seed)));
    for_each_seed(0..400, |seed| nothing_is_wrong(seed, &coinciding(seed)));
    for_plain_seeds(0..300, nothing_is_wrong);
}

/// Found by the sweep: a plan with credit and an overage, whose calls in flight did not count for the spend cap.
#[test]
fn what_is_billed_in_arrears_beside_credit_counts_while_it_is_in_flight() {
    for_each_seed(1_258_701..1_258_702, |seed| nothing_is_wrong(seed, &right(seed)));
}

// === Where something can be ===

/// A scenario as it is played, and its outcome with what an oracle has found; the rest of it is as without one.
pub(super) fn play_judged(world: &World) -> Outcome {
    let (mut recorder, mut oracle) = (recorder(world), Oracle::new(world));
    watch(world, &mut oracle.beside(&mut recorder));
    let horizon_ns = world.schedule.pace().until.ns().cast_unsigned();
    let outcome = Outcome::new(&world.scenario, horizon_ns, &recorder, &everyone(world));
    outcome.judged(&world.scenario, Some(&oracle.tables().unwrap()))
}

/// What is judged from the logs is what was judged while they were written; and judging changes nothing else.
#[test]
fn a_log_is_judged_as_what_it_tells_of_was() {
    for_seeds(0..150, is_as_its_log);
}

pub(super) fn is_as_its_log(_: u64, world: &World) {
    let mut seen = play_judged(world);
    let mut oracle = Oracle::new(world);
    for history in log::record_all(world).unwrap() {
        oracle.judge_log(&history).unwrap();
    }
    assert_eq!(judged(world, &oracle.tables().unwrap()), whole(&seen));
    seen.cohorts.iter_mut().for_each(|cohort| cohort.oracle = None);
    if !world.is_shared() {
        assert_eq!(seen, play_all(world));
    }
}

fn whole(outcome: &Outcome) -> Vec<Judged> {
    outcome.cohorts.iter().map(|cohort| cohort.oracle.clone().unwrap()).collect()
}

/// Whatever is drawn: only faults of the gateway refuse wrongly, only what holds nothing lets through wrongly, and what the
/// leaks come to is what the books say was overdrawn.
#[test]
fn only_what_can_be_wrong_is_wrong() {
    for_seeds(400..700, only_what_can_be_wrong_is);
}

pub(super) fn only_what_can_be_wrong_is(_: u64, world: &World) {
    let outcome = play_judged(world);
    for cohort in &outcome.cohorts {
        let judged = cohort.oracle.as_ref().unwrap();
        let all = judged.whole();
        assert_eq!(all.answers(), cohort.offered());
        if world.scenario.payments.webhooks.asks() {
            // Who is not heard of is refused or served wrongly for whatever they paid for.
            let value = all.leaks.get("credit_exhausted").map_or(0, |wrong| wrong.value.0);
            assert_eq!(value, cohort.moved(Movement::Overdraw));
            continue;
        }
        let is_debited = world.scenario.gateway.spend_control == SpendControl::CheckThenDebit;
        // What looks at the cap alone refuses at it also calls that cost nothing.
        let may_refuse = |cause: &str| match cause {
            "billing_unavailable" | "policy_error" => true,
            "spend_cap" => is_debited,
            _ => false,
        };
        assert!(all.false_refusals.keys().all(|cause| may_refuse(cause)), "{:?}", all.false_refusals);
        assert!(all.leaks.keys().all(|cause| ["credit_exhausted", "spend_cap"].contains(&&**cause)), "{:?}", all.leaks);
        assert!(all.leaks.is_empty() || is_debited);
        let leaked: i128 = all.leaks.values().map(|wrong| wrong.value.0).sum();
        let overdrawn = cohort.moved(Movement::Overdraw);
        assert_eq!(leaked, overdrawn);
        assert!((0..=overdrawn).contains(&judged.deepest_overdraft.0));
        assert!(judged.overshoot.is_empty(), "no quota is ever passed");
    }
}

/// Calls so long after the start.
pub(super) fn calls_at(at: impl IntoIterator<Item = Span>) -> Arrivals {
    let usage = [1, 0, 0, 0];
    let rows = at.into_iter().map(|at| TraceRow { at, consumer: None, usage }).collect();
    Arrivals::Trace(Trace { rows, most: usage, ..Trace::default() })
}

fn of_one(plan: Plan, arrivals: Arrivals) -> Scenario {
    let mut scenario = scenario(days(1), plan, Cohort { joined: Joined::Start, ..Cohort::new("one", 1, arrivals) });
    scenario.upstreams[0].latency = Distribution::Constant(1e9);
    scenario
}

fn only(outcome: &Outcome) -> (&Judged, JudgedRoute) {
    let judged = outcome.cohorts[0].oracle.as_ref().unwrap();
    (judged, judged.whole())
}

fn wrong(count: u64, nanos: i128, unstated: u64) -> WrongAnswers {
    WrongAnswers { count, value: Nanos(nanos), unstated }
}

const DOLLAR: i128 = 1_000_000_000;

/// Ten dollars of credit at seven a call, nothing held: the second of two calls at once is a leak, and four dollars of it are
/// not charged. The third finds the credit gone, and is refused rightly.
#[test]
fn what_is_served_without_credit_is_a_leak_worth_what_was_not_charged() {
    let price = Price::PerUnit(UnitPrice { amount: dollars(7), per: 1 });
    let mut plan = Plan { prepaid: Some(Prepaid::opening(dollars(10))), ..Plan::new("prepaid") };
    plan.prices[0] = Some(price);
    let mut scenario = of_one(plan, calls_at([5, 5, 9].map(secs)));
    scenario.gateway.spend_control = SpendControl::CheckThenDebit;
    let outcome = play_judged(&world(scenario.clone()));
    let (judged, all) = only(&outcome);
    assert_eq!((all.served_rightly, all.refused_rightly, all.false_refusals.len()), (1, 1, 0));
    assert_eq!(all.leaks, [("credit_exhausted".to_owned(), wrong(1, 4 * DOLLAR, 0))].into());
    assert_eq!((judged.deepest_overdraft.0, outcome.moved(Movement::Overdraw)), (4 * DOLLAR, 4 * DOLLAR));

    // Of three at once, the third is leaked whole.
    scenario.cohorts[0].arrivals = calls_at([5, 5, 5].map(secs));
    let outcome = play_judged(&world(scenario.clone()));
    assert_eq!(only(&outcome).1.leaks["credit_exhausted"], wrong(2, 11 * DOLLAR, 0));

    // One after the other, the second still finds three dollars, and seven are asked for.
    scenario.cohorts[0].arrivals = calls_at([5, 7, 9].map(secs));
    let outcome = play_judged(&world(scenario));
    assert_eq!(only(&outcome).1.leaks["credit_exhausted"], wrong(1, 4 * DOLLAR, 0));
}

/// Ten dollars that expire while a call of seven is under way, nothing held: it was right to let it pass, and nobody has paid.
#[test]
fn credit_that_expires_under_way_is_a_leak_that_no_answer_made() {
    let mut prepaid = Prepaid::opening(dollars(10));
    prepaid.grants[0].expires = Some(Length::Exact(days(1)));
    let mut plan = Plan { prepaid: Some(prepaid), ..Plan::new("prepaid") };
    plan.prices[0] = Some(Price::PerUnit(UnitPrice { amount: dollars(7), per: 1 }));
    let mut scenario = of_one(plan, calls_at([Span::from_ns(days(1).ns() - SECOND / 2)]));
    scenario.horizon = days(2);
    scenario.gateway.spend_control = SpendControl::CheckThenDebit;
    let outcome = play_judged(&world(scenario));
    let (_, all) = only(&outcome);
    assert_eq!((all.served_rightly, outcome.moved(Movement::Overdraw)), (1, 7 * DOLLAR));
    assert_eq!(all.leaks, [("credit_exhausted".to_owned(), wrong(0, 7 * DOLLAR, 0))].into());
}

/// A cap of ten dollars at four a call, looked at and not held: three calls at once, of which the third goes past it. It is
/// billed all the same.
#[test]
fn what_goes_past_a_spend_cap_is_a_leak_that_was_charged() {
    let mut plan = Plan { spend_cap: Some(dollars(10)), usage_period: Some(Period::Month), ..Plan::new("capped") };
    plan.prices[0] = Some(Price::PerUnit(UnitPrice { amount: dollars(4), per: 1 }));
    let mut scenario = of_one(plan, calls_at([5, 5, 5, 8].map(secs)));
    scenario.gateway.spend_control = SpendControl::CheckThenDebit;
    let (_, all) = only(&play_judged(&world(scenario)));
    assert_eq!((all.served_rightly, all.refused_rightly), (2, 1));
    assert_eq!(all.leaks, [("spend_cap".to_owned(), wrong(1, 0, 0))].into());
}

/// A call every ten seconds, and 40 a month for $40. Billing is down from 300 s to 500 s: 20 calls at a dollar each are
/// refused wrongly. 40 calls later the quota is used up; from then on it is right to refuse, and so it is while billing is
/// down again.
#[test]
fn an_outage_refuses_wrongly_only_whom_billing_would_have_served() {
    let (fee_period, usage_period) = (Some(Period::Month), Some(Period::Month));
    let plan = Plan { fee: dollars(40), fee_period, usage_period, allowance: requests(40), ..Plan::new("quota") };
    let mut scenario = of_one(plan, calls_at((1..100).map(|n| secs(n * 10))));
    let down = |at, lasts| Fault { at: secs(at), lasts: secs(lasts), breaks: Breaks::BillingDown };
    scenario.faults = vec![down(300, 200), down(700, 100)];
    let outcome = play_judged(&world(scenario));
    let (_, all) = only(&outcome);
    assert_eq!(all.false_refusals, [("billing_unavailable".to_owned(), wrong(20, 20 * DOLLAR, 0))].into());
    assert_eq!((all.served_rightly, all.refused_rightly, all.leaks.len()), (40, 39, 0));
    assert_eq!(outcome.refused(Cause::BillingUnavailable), 30);
}

/// A rule that asks those on a plan without any price: each of its refusals is wrong, and nobody says what it is worth.
#[test]
fn what_no_price_states_is_counted_apart() {
    let mut scenario = of_one(Plan::new("free"), poisson(secs(600)));
    scenario.plans.push(Plan::new("other"));
    scenario.cohorts.push(Cohort { plan: 1, ..Cohort::new("two", 1, poisson(secs(600))) });
    scenario.faults = vec![Fault { at: secs(0), lasts: days(1), breaks: Breaks::PolicyError { plan: 1 } }];
    let outcome = play_judged(&world(scenario));
    let refused = outcome.refused(Cause::PolicyError);
    assert!(refused > 50, "{refused}");
    assert_eq!(only(&outcome).1.false_refusals.len(), 0);
    let other = outcome.cohorts[1].oracle.as_ref().unwrap().whole();
    assert_eq!(other.false_refusals, [("policy_error".to_owned(), wrong(refused, 0, refused))].into());
}

/// It is asked only where it can find something, or where somebody wants to know.
#[test]
fn an_oracle_watches_where_it_is_needed() {
    let needed = |change: &dyn Fn(&mut Scenario)| {
        let mut scenario = of_one(Plan::new("free"), poisson(secs(600)));
        change(&mut scenario);
        oracle::is_needed(&world(scenario))
    };
    let fault = |breaks| Fault { at: Span::ZERO, lasts: secs(1), breaks };
    assert!(!needed(&|_| ()));
    assert!(!needed(&|it| it.gateway.spend_control = SpendControl::CheckThenDebit));
    assert!(!needed(&|it| it.faults = vec![fault(Breaks::ProcessorDown)]));
    assert!(needed(&|it| it.faults = vec![fault(Breaks::BillingDown)]));
    assert!(!needed(&|it| it.payments.webhooks.reconcile = secs(7)));
    assert!(needed(&|it| it.payments.webhooks.lose = Chance::of(1, 9)));
    assert!(needed(&|it| {
        it.gateway.spend_control = SpendControl::CheckThenDebit;
        it.plans[0].prepaid = Some(Prepaid::opening(dollars(1)));
    }));
    let threshold = |measure| Threshold {
        text: String::new(),
        measure,
        selector: Selector::default(),
        comparison: crate::model::Comparison::Equal,
        line: crate::model::Line { parts: 0, of: 1 },
    };
    assert!(!needed(&|it| it.thresholds = vec![threshold(Measure::Refusals(Number::Count))]));
    assert!(needed(&|it| it.thresholds = vec![threshold(Measure::Leaks(Wrongly::Value))]));
}

/// A gateway that is wrong in ways that no scenario has yet: what it then says is judged all the same. One call a day, one a
/// second; the gateway lets through a second call at once, and refuses the third day's first.
#[test]
fn answers_that_no_gateway_gives_yet_are_judged_too() {
    let mut plan = Plan { usage_period: Some(Period::Day), allowance: requests(1), ..Plan::new("daily") };
    (plan.fee, plan.fee_period) = (dollars(2), Some(Period::Day));
    plan.limits = vec![Limit::SlidingWindow(Rate { requests: 2, per: secs(1) })];
    let mut scenario = of_one(plan, calls_at([]));
    scenario.horizon = days(5);
    let world = world(scenario);
    let consumer = Consumer { cohort: 0, index: 0 };
    let (mut party, mut oracle) = (world.open(consumer).unwrap(), Oracle::new(&world));
    let mut holds = Holds::default();
    let mut say = |day: u64, admits: bool| {
        let now = after(days(day) + secs(1));
        world.catch_up(&mut party, now).unwrap();
        let call = Call { attempt: 1, at: now.traffic, usage: [1, 0, 0, 0], ..Call::default() };
        oracle.asked(party.account(), &call, now);
        let admission = Admission { hold: holds.open(Time::NEVER, 0).0, in_grace: false };
        let decision = if admits { Decision::Admit(admission) } else { Decision::Refuse(Cause::RateLimited) };
        let ruling = oracle.decided(consumer, &call, decision, now);
        if admits {
            oracle.landed(consumer, admission.hold, now, Some(&call.usage));
        }
        ruling
    };
    assert_eq!(say(0, true), Some(Ruling::ServedRightly));
    assert_eq!(say(0, true), Some(Ruling::Leak(Cause::QuotaExhausted)));
    assert_eq!(say(0, true), Some(Ruling::Leak(Cause::RateLimited)), "a leak counts with the limits");
    assert_eq!(say(0, false), Some(Ruling::RefusedRightly));
    assert_eq!(say(2, false), Some(Ruling::FalseRefusal(Cause::RateLimited)));
    let tables = oracle.tables().unwrap();
    let judged = &judged(&world, &tables)[0];
    assert_eq!(judged.overshoot, [("requests".to_owned(), 1)].into());
    let all = judged.whole();
    assert_eq!(all.leaks["quota_exhausted"], wrong(1, 2 * DOLLAR, 0));
    assert_eq!(all.leaks["rate_limited"], wrong(1, 2 * DOLLAR, 0));
    assert_eq!(all.false_refusals["rate_limited"], wrong(1, 2 * DOLLAR, 0));
}
