//! Calls that are paid for by themselves: who is asked to pay, what a payment covers, and what of it is earned.

use super::{FIRST, days, dollars, play_all, poisson, requests, scenario, secs, world};
use crate::billing::cause::Cause;
use crate::billing::gate::Decision;
use crate::billing::ledger::Movement;
use crate::billing::tally::Count;
use crate::draw::Chance;
use crate::model::{Client, Cohort, Joined, On402, Plan, Price, Retry, Scenario, UnitPrice};
use crate::money::Money;
use crate::time::Now;
use crate::world::World;

fn client(attempts: u32, on_402: On402) -> Client {
    Client { retry: Retry { attempts, ..Client::none().retry }, on_402, timeout: None }
}

/// A cent a call, past three a month that are free; ten consumers with so many cents each, who call about 30 times.
fn paid(cents: i64, client: &Client) -> Scenario {
    let price = Price::PerUnit(UnitPrice { amount: Money::from_nanos(10_000_000), per: 1 });
    let mut plan = Plan { pays_per_request: true, allowance: requests(3), ..Plan::new("paid") };
    plan.usage_period = Some(crate::model::Period::Month);
    plan.prices[0] = Some(price);
    let wallet = Money::from_nanos(cents * 10_000_000);
    let cohort = Cohort { joined: Joined::Start, wallet, client: *client, ..Cohort::new("all", 10, poisson(days(1))) };
    scenario(days(30), plan, cohort)
}

/// What one wallet has paid, in cents, and how often; and what is left in it.
fn books(world: &World, index: u32) -> (i64, u64, i64) {
    let consumer = crate::billing::account::Consumer { index, ..FIRST };
    let account = crate::log::record(world, consumer, &mut crate::sim::Scratch::default()).unwrap().account;
    let moved = |movement| account.books().moved(movement).nanos() / 10_000_000;
    assert_eq!([Movement::Capture, Movement::InvoiceCredit].map(moved), [moved(Movement::Burn); 2]);
    assert_eq!(account.books().moved(Movement::FeeSuccess), Money::ZERO);
    (moved(Movement::Burn), account.tally().of(Count::PaidCalls), account.wallet.nanos() / 10_000_000)
}

/// Each call past the allowance is made twice, and served the second time, until the wallet is empty.
#[test]
fn a_call_is_asked_for_a_payment_and_served_with_one() {
    let world = world(paid(12, &client(2, On402::PayOnce)));
    let outcome = play_all(&world);
    let all = &outcome.cohorts[0];
    let mut paid = 0;
    for index in 0..10 {
        let calls = world.calls(crate::billing::account::Consumer { index, ..FIRST }).count() as i64;
        let expected = (calls - 3).clamp(0, 12);
        assert_eq!(books(&world, index), (expected, expected.cast_unsigned(), 12 - expected));
        paid += expected.cast_unsigned();
    }
    assert_eq!(all.served, 30 + paid);
    // Asked once for each that was paid, twice for each that the wallet did not cover.
    let calls = all.offered() - all.retried;
    let unpaid = calls - all.served;
    assert!(unpaid > 50 && paid > 80, "{unpaid} {paid}");
    assert_eq!(outcome.refused(Cause::PaymentRequired), paid + 2 * unpaid);
}

#[test]
fn who_has_no_wallet_or_does_not_pay_is_only_asked() {
    for (cents, client) in
        [(0, client(5, On402::PayOnce)), (900, client(1, On402::PayOnce)), (900, client(5, On402::Fail))]
    {
        let attempts = if cents == 0 { 2 } else { 1 };
        let outcome = play_all(&world(paid(cents, &client)));
        let all = &outcome.cohorts[0];
        assert_eq!((all.served, all.count(Count::PaidCalls)), (30, 0));
        assert_eq!(outcome.refused(Cause::PaymentRequired), attempts * (all.offered() - all.retried - 30));
    }
}

/// A call that fails costs its consumer nothing, and the attempt after it needs no new challenge.
#[test]
fn what_fails_is_not_paid() {
    let mut failing = paid(900, &client(2, On402::PayOnce));
    failing.upstreams[0].errors = Chance::of(1, 1).into();
    let failing = world(failing);
    assert!((0..10).all(|index| books(&failing, index) == (0, 0, 900)));
}

/// A package of ten calls for $1, and a wallet of $1: ten calls are served, those that it still covers without a payment, and
/// also where they are in flight together and come home in any order; the eleventh is not.
#[test]
fn calls_that_a_paid_package_covers_need_no_other() {
    let package = |size| Price::Package { size, price: dollars(1), free: 0 };
    let tiers = vec![crate::model::Tier { up_to: u64::MAX, flat: dollars(1), unit: UnitPrice::FREE }];
    for (price, covered) in [(package(10), 10), (package(3), 3), (Price::Graduated(tiers), 15)] {
        for order in 0..3 {
            let mut scenario = paid(100, &client(2, On402::PayOnce));
            scenario.plans[0].allowance = requests(0);
            scenario.plans[0].prices[0] = Some(price.clone());
            let world = world(scenario);
            let mut party = world.open(FIRST).unwrap();
            let now = super::after(secs(1));
            world.catch_up(&mut party, now).unwrap();
            let used = requests(1).map(Option::unwrap_or_default);
            let mut open = Vec::new();
            assert_eq!(world.request(&mut party, now, 0, 1).unwrap(), Decision::Refuse(Cause::PaymentRequired));
            for call in 0..15 {
                let attempt = if call == 0 { 2 } else { 1 };
                match world.request(&mut party, now, 0, attempt).unwrap() {
                    Decision::Admit(admission) => open.push(admission.hold),
                    Decision::Refuse(cause) => assert_eq!(cause, Cause::PaymentRequired),
                }
                if order == 0 {
                    open.drain(..).for_each(|hold| world.served(&mut party, now, hold, &used).unwrap());
                }
            }
            if order == 1 {
                open.reverse();
            }
            for hold in open {
                world.served(&mut party, now, hold, &used).unwrap();
            }
            let served = party.account.tally().units.credited[0];
            assert_eq!((served, party.account.wallet), (covered, dollars(0)), "{price:?} {order}");
            assert_eq!(party.account.books().moved(Movement::Burn), dollars(1));
        }
    }
}

/// Calls in flight are paid by what they use together, so the one that opens a second package may fail, or be answered before
/// those that fit into the first: what is held suffices, and is given back whole.
#[test]
fn a_wallet_holds_what_the_calls_in_flight_may_cost_together() {
    for (order, failing) in
        [([0, 1, 2, 3], 9), ([3, 2, 1, 0], 9), ([3, 2, 1, 0], 0), ([0, 1, 2, 3], 3), ([1, 0, 3, 2], 1)]
    {
        let mut scenario = paid(200, &client(2, On402::PayOnce));
        scenario.plans[0].allowance = requests(0);
        scenario.plans[0].prices[0] = Some(Price::Package { size: 3, price: dollars(1), free: 0 });
        let world = world(scenario);
        let mut party = world.open(FIRST).unwrap();
        let now = super::after(secs(1));
        world.catch_up(&mut party, now).unwrap();
        let used = requests(1).map(Option::unwrap_or_default);
        let mut holds = Vec::new();
        for (paid, left) in [(true, 1), (false, 1), (false, 1), (true, 0)] {
            let decision = world.request(&mut party, now, 0, if paid { 2 } else { 1 }).unwrap();
            let Decision::Admit(admission) = decision else { panic!("{decision:?}") };
            holds.push(admission.hold);
            assert_eq!(party.account.wallet, dollars(left));
        }
        for call in order {
            if call == failing {
                world.failed(&mut party, now, holds[call], 0, &used).unwrap();
            } else {
                world.served(&mut party, now, holds[call], &used).unwrap();
            }
        }
        let paid = if failing < 4 { 1 } else { 2 };
        assert_eq!(party.account.wallet, dollars(2 - paid));
        assert_eq!(party.account.books().moved(Movement::Burn), dollars(paid), "{order:?} {failing}");
    }
}

/// What calls in flight may cost is not in the wallet for others; what they did not cost comes back to it.
#[test]
fn a_wallet_is_held_while_a_call_is_in_flight() {
    let mut scenario = paid(1, &client(2, On402::PayOnce));
    scenario.plans[0].allowance = requests(0);
    let world = world(scenario);
    let mut party = world.open(FIRST).unwrap();
    let now = Now { traffic: super::after(secs(1)).traffic, billing: super::after(secs(1)).billing };
    world.catch_up(&mut party, now).unwrap();
    let attempt = |party: &mut _, number| world.request(party, now, 0, number).unwrap();
    assert_eq!(attempt(&mut party, 1), Decision::Refuse(Cause::PaymentRequired));
    let Decision::Admit(first) = attempt(&mut party, 2) else { panic!("the wallet covers it") };
    assert_eq!(attempt(&mut party, 2), Decision::Refuse(Cause::PaymentRequired));
    world.failed(&mut party, now, first.hold, 0, &requests(1).map(Option::unwrap_or_default)).unwrap();
    let Decision::Admit(second) = attempt(&mut party, 2) else { panic!("the wallet covers it again") };
    world.served(&mut party, now, second.hold, &requests(1).map(Option::unwrap_or_default)).unwrap();
    assert_eq!(attempt(&mut party, 2), Decision::Refuse(Cause::PaymentRequired));
    assert_eq!(party.account.books().moved(Movement::Burn), Money::from_nanos(10_000_000));
    assert!(dollars(0) == party.account.wallet);
}
