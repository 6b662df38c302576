//! Calls that certainly pass are done in one step: that this gives the very account that doing them one by one does, and
//! that headroom ends exactly where something else could happen.

use std::cell::Cell;

use super::{after, days, dollars, for_seeds, poisson, requests, scenario, secs, state, world};
use crate::billing::account::{Account, Consumer};
use crate::billing::cause::Failure;
use crate::billing::gate::Decision;
use crate::billing::headroom::Passed;
use crate::billing::hold::{HoldId, Holds};
use crate::billing::usage::Segment;
use crate::distribution::Distribution;
use crate::log;
use crate::model::{
    Arrivals, Attribute, Cohort, Meter, Period, Plan, Prepaid, Price, Scenario, SpendControl, TopUp, Trace, TraceRow,
    UnitPrice,
};
use crate::money::Money;
use crate::sim::{self, Observer, Scratch, Tried};
use crate::time::{Now, SECOND, Span, Time};
use crate::world::World;
use crate::world::schedule::Call;

/// Keeps the account that a consumer is played to, and how many of the calls were made together.
#[derive(Default)]
struct Last {
    account: Option<Account>,
    together: u64,
}

impl Observer for Last {
    const TOGETHER: bool = true;

    fn decided(&mut self, _: Consumer, _: &Call, _: Now, _: Decision) {}

    fn served(&mut self, _: Consumer, _: &Call, _: HoldId, _: Now, _: Span) {}

    fn failed(&mut self, _: Consumer, _: &Call, _: HoldId, _: Failure, _: Now) {}

    fn passed(&mut self, _: Consumer, passed: &Passed) {
        self.together += passed.calls;
    }

    fn closed(&mut self, account: &Account, _: &Tried) {
        self.account = Some(account.clone());
    }
}

/// The account without what names its holds: several that are one have one name.
pub(super) fn unnamed(account: &Account) -> Account {
    let mut account = state(account);
    assert_eq!(account.holds.open_count(), account.segments().map(|segment| segment.open as usize).sum());
    account.holds = Holds::default();
    account
}

#[test]
fn calls_made_together_are_the_calls_made_one_by_one() {
    let together = Cell::new(0);
    for_seeds(20_000..28_200, |seed, world| together.set(together.get() + makes_together(seed, world)));
    // Enough of them, in scenarios that are mostly edges.
    assert!(together.get() > 20_000, "{}", together.get());
}

pub(super) fn is_as_one_by_one(seed: u64, world: &World) {
    makes_together(seed, world);
}

fn makes_together(_: u64, world: &World) -> u64 {
    let mut together = 0;
    for consumer in world.consumers() {
        let (mut last, mut scratch) = (Last::default(), Scratch::default());
        sim::play(world, consumer, &mut last, &mut scratch).unwrap();
        let alone = log::record(world, consumer, &mut scratch).unwrap().account;
        assert_eq!(unnamed(&last.account.unwrap()), unnamed(&alone), "{consumer:?}");
        together += last.together;
    }
    together
}

// === Where it ends ===

/// A plan that counts requests and charges for `units`, of which a call uses up to four.
fn priced(mut plan: Plan, price: Price) -> Scenario {
    plan.usage_period = Some(Period::Month);
    plan.prices[1] = Some(price);
    let mut scenario = scenario(days(30), plan, Cohort::new("all", 1, poisson(secs(60))));
    scenario.cohorts[0].joined = crate::model::Joined::Start;
    scenario.meters.push(Meter { name: "units".to_owned(), sum: vec!["units".to_owned()] });
    let amount = Distribution::Uniform { from: 0.0, to: 4.0 };
    scenario.routes[0].attributes.push(Attribute { name: "units".to_owned(), amount, most: 4 });
    scenario
}

fn per_unit(nanos: i64) -> Price {
    Price::PerUnit(UnitPrice { amount: Money::from_nanos(nanos), per: 1 })
}

/// The headroom of the first consumer, a second after they came.
fn headroom(scenario: Scenario) -> u64 {
    let world = world(scenario);
    let mut party = world.open(super::FIRST).unwrap();
    world.catch_up(&mut party, after(secs(1))).unwrap();
    world.headroom(&party, after(secs(1))).0
}

#[test]
fn an_allowance_has_room_for_the_calls_that_fit_whatever_they_use() {
    let plan = Plan { usage_period: Some(Period::Month), allowance: requests(100), ..Plan::new("free") };
    let cohort = Cohort { joined: crate::model::Joined::Start, ..Cohort::new("all", 1, poisson(secs(60))) };
    assert_eq!(headroom(scenario(days(30), plan, cohort)), 100);
    // Ten units, up to four a call: the third call may cross the line.
    let mut plan = Plan::new("units");
    plan.allowance[1] = Some(10);
    assert_eq!(headroom(priced(plan, per_unit(1))), 2);
}

#[test]
fn credit_has_room_for_the_calls_that_it_pays_for_before_more_is_bought() {
    let prepaid = Prepaid::opening(dollars(1));
    let plan = Plan { prepaid: Some(prepaid.clone()), ..Plan::new("prepaid") };
    assert_eq!(headroom(priced(plan.clone(), per_unit(10_000_000))), 25);
    let top_up = TopUp { below: Money::from_nanos(300_000_000), add: dollars(5), at_most: None };
    let bought = Plan { prepaid: Some(Prepaid { auto_top_up: Some(top_up), ..prepaid }), ..plan };
    assert_eq!(headroom(priced(bought, per_unit(10_000_000))), 17);
}

#[test]
fn a_spend_cap_has_room_for_the_calls_below_it() {
    let plan = Plan { spend_cap: Some(dollars(1)), ..Plan::new("capped") };
    for control in [SpendControl::Reserve, SpendControl::CheckThenDebit] {
        let mut scenario = priced(plan.clone(), per_unit(10_000_000));
        scenario.gateway.spend_control = control;
        assert_eq!(headroom(scenario), 25);
    }
    assert_eq!(headroom(priced(Plan::new("open"), per_unit(10_000_000))), u64::MAX);
    // What was charged under an earlier price version of the period counts too.
    let world = world(priced(plan, per_unit(10_000_000)));
    let mut party = world.open(super::FIRST).unwrap();
    world.catch_up(&mut party, after(secs(1))).unwrap();
    let charged = Money::from_nanos(500_000_000);
    let earlier = Segment { charged, ..party.account.usage.clone() };
    party.account.earlier.push(earlier);
    assert_eq!(world.headroom(&party, after(secs(1))).0, 12);
}

/// Requests are paid from credit, units in arrears: told together, each meter is still paid in its own way.
#[test]
fn a_plan_may_be_paid_in_two_ways_at_once() {
    let mut plan = Plan { prepaid: Some(Prepaid::opening(dollars(100))), ..Plan::new("both") };
    plan.past_allowance = crate::model::PastAllowance::Overage;
    plan.prices[0] = Some(per_unit(10_000_000));
    plan.allowance[1] = Some(0);
    plan.overage[1] = Some(per_unit(1_000));
    let mut scenario = priced(plan, per_unit(1_000));
    scenario.plans[0].prices[1] = None;
    let world = world(scenario);
    assert!(makes_together(0, &world) > 1_000);
    let account = log::record(&world, super::FIRST, &mut Scratch::default()).unwrap().account;
    let units = &account.tally().units;
    assert!(units.credited[0] > 5_000 && units.billed[1] > 5_000, "{units:?}");
    assert_eq!((units.unbilled[0], units.unbilled[1]), (0, 0));
}

/// A cap that is reached stops calls that cost nothing too: reached by nothing, where nothing is held; else gone past, as
/// after a change to a lower one.
#[test]
fn a_cap_that_is_reached_leaves_no_room_for_what_is_free() {
    for (control, cap, charged, room) in [
        (SpendControl::Reserve, 0, 0, u64::MAX),
        (SpendControl::CheckThenDebit, 0, 0, 0),
        (SpendControl::Reserve, 2, 2, u64::MAX),
        (SpendControl::CheckThenDebit, 2, 2, 0),
        (SpendControl::CheckThenDebit, 3, 2, u64::MAX),
        (SpendControl::Reserve, 1, 2, 0),
    ] {
        let mut scenario = priced(Plan { spend_cap: Some(dollars(cap)), ..Plan::new("free past it") }, per_unit(0));
        scenario.gateway.spend_control = control;
        let world = world(scenario);
        let mut party = world.open(super::FIRST).unwrap();
        world.catch_up(&mut party, after(secs(1))).unwrap();
        let earlier = Segment { charged: dollars(charged), ..party.account.usage.clone() };
        party.account.earlier.push(earlier);
        let found = world.headroom(&party, after(secs(1))).0;
        assert_eq!(found, room, "{control:?} {cap} {charged}");
        let decision = world.request(&mut party, after(secs(1)), 0, 1).unwrap();
        assert_eq!(matches!(decision, Decision::Admit(_)), room > 0, "{control:?} {cap} {charged}");
    }
}

/// More may cost less: then the most that a call adds is not known.
#[test]
fn a_volume_price_leaves_no_room() {
    let tier = |up_to, nanos| crate::model::Tier {
        up_to,
        flat: Money::ZERO,
        unit: UnitPrice { amount: Money::from_nanos(nanos), per: 1 },
    };
    let volume = Price::Volume(vec![tier(10, 5), tier(u64::MAX, 1)]);
    assert_eq!(headroom(priced(Plan::new("volume"), volume)), 0);
    let graduated = Price::Graduated(vec![tier(10, 5), tier(u64::MAX, 1)]);
    assert_eq!(headroom(priced(Plan::new("graduated"), graduated)), u64::MAX);
}

#[test]
fn who_is_not_served_or_has_calls_in_flight_has_no_room() {
    let world = world(priced(Plan::new("open"), per_unit(1)));
    let mut party = world.open(super::FIRST).unwrap();
    assert_eq!(world.headroom(&party, after(secs(0))).0, 0, "not subscribed yet");
    world.catch_up(&mut party, after(secs(1))).unwrap();
    party.account.suspended_until = Time::START + secs(5);
    assert_eq!(world.headroom(&party, after(secs(4))).0, 0, "suspended");
    assert_eq!(world.headroom(&party, after(secs(5))).0, u64::MAX);
    let Decision::Admit(admission) = world.request(&mut party, after(secs(5)), 0, 1).unwrap() else {
        panic!("it passes")
    };
    assert_eq!(world.headroom(&party, after(secs(5))).0, 0, "in flight");
    world.served(&mut party, after(secs(6)), admission.hold, &[1, 2, 0, 0]).unwrap();
    assert_eq!(world.headroom(&party, after(secs(6))).0, u64::MAX);
}

/// Until the end of the period, which is the first thing that is due, and not past it.
#[test]
fn headroom_ends_where_something_is_due() {
    let world = world(priced(Plan::new("open"), per_unit(1)));
    let mut party = world.open(super::FIRST).unwrap();
    world.catch_up(&mut party, after(secs(1))).unwrap();
    let (_, until) = world.headroom(&party, after(secs(1)));
    assert_eq!(until, party.next_deadline().billing);
    assert!(until > Time::START && until < Time::START + days(32), "{until:?}");
}

/// The answer comes at the very end of the period: deadlines go first, so the call is still in flight when it ends, and
/// the invoice waits for it.
#[test]
fn what_is_served_when_something_is_due_is_not_made_together() {
    let mut scenario = priced(Plan::new("daily"), per_unit(10_000_000));
    scenario.plans[0].usage_period = Some(Period::Day);
    let row = |at| TraceRow { at, consumer: None, usage: [1, 2, 0, 0] };
    let rows = vec![row(secs(86_399)), row(secs(86_409))];
    scenario.cohorts[0].arrivals = Arrivals::Trace(Trace { rows, most: [1, 4, 0, 0], ..Default::default() });
    for (latency, together) in [(Span::from_ns(SECOND - 1), 1), (secs(1), 0)] {
        scenario.upstreams[0].latency = Distribution::Constant(latency.ns() as f64);
        assert_eq!(makes_together(0, &world(scenario.clone())), together);
    }
}
