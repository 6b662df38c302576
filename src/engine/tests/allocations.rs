//! Of the hot paths nothing may grow unseen: what the gate and the recorder allocate for a call, counted.

use super::*;
use crate::billing::cause::Failure;
use crate::billing::gate::Decision;
use crate::billing::hold::HoldId;
use crate::model::{Limit, Meter, Period, Prepaid, Price, Rate, UnitPrice};
use crate::world::schedule::Call;

/// Once an account has made what it keeps, the gate takes nothing for a call that is admitted and served; nor does the
/// recorder, once it knows the cohort, the route and the time.
const MOST: u64 = 0;

/// All rules of the hot path: a monthly allowance, a token bucket, credit that pays for each call.
fn busy(count: u32, mean_gap: Span) -> World {
    let mut plan = Plan::new("prepaid");
    plan.usage_period = Some(Period::Month);
    plan.allowance = requests(100_000_000);
    plan.limits.push(Limit::TokenBucket { rate: Rate { requests: 10, per: secs(1) }, burst: 30 });
    plan.prepaid = Some(Prepaid::opening(dollars(1_000)));
    plan.prices[1] = Some(Price::PerUnit(UnitPrice { amount: Money::from_nanos(1), per: 1 }));
    let mut scenario = scenario(days(1), plan, Cohort::new("all", count, poisson(mean_gap)));
    scenario.meters.push(Meter { name: "units".to_owned(), sum: vec!["units".to_owned()] });
    world(scenario)
}

#[test]
fn the_gate_takes_no_allocation_for_a_call() {
    let world = busy(1, secs(10));
    let mut party = world.open(FIRST).unwrap();
    let usage = world.schedule.call(FIRST, 0).1;
    let mut call = |second| {
        let (made, lands) = (after(secs(second)), after(secs(second) + Span::from_ns(1_000)));
        let Ok(Decision::Admit(admission)) = world.request(&mut party, made, 0, 1) else { panic!("nobody refuses") };
        world.served(&mut party, lands, admission.hold, &usage).unwrap();
    };
    call(1);
    let counted = allocation_counter::measure(|| (2..10_000).for_each(&mut call));
    assert_eq!(counted.count_total, 9_998 * MOST);
}

/// Ten times the calls of the same consumer, decided and recorded one by one, allocate no more.
#[test]
fn the_recorder_takes_no_allocation_for_a_call() {
    let allocated = |mean_gap: Span| {
        let world = busy(1, mean_gap);
        let mut recorder = OneByOne(recorder(&world));
        let counted = allocation_counter::measure(|| {
            sim::play(&world, FIRST, &mut recorder, &mut Scratch::default()).unwrap();
        });
        (world.calls(FIRST).count() as u64, counted.count_total)
    };
    let ((few, once), (many, again)) = (allocated(secs(60)), allocated(secs(6)));
    assert!(many > few + 10_000, "{few}, {many}");
    // What is kept grows by doubling, so by a few times.
    assert!(again.saturating_sub(once) <= 16 + (many - few) * MOST, "{once}, {again}");
}

/// A recorder that is told of each call by itself.
struct OneByOne(Recorder);

impl sim::Observer for OneByOne {
    fn decided(&mut self, consumer: Consumer, call: &Call, now: Now, decision: Decision) {
        self.0.decided(consumer, call, now, decision);
    }

    fn served(&mut self, consumer: Consumer, call: &Call, hold: HoldId, now: Now, latency: Span) {
        self.0.served(consumer, call, hold, now, latency);
    }

    fn failed(&mut self, consumer: Consumer, call: &Call, hold: HoldId, failure: Failure, now: Now) {
        self.0.failed(consumer, call, hold, failure, now);
    }

    fn closed(&mut self, account: &Account, tried: &sim::Tried) {
        self.0.closed(account, tried);
    }
}
