//! Charges that are asked outside of the engine: an account that hears in turn is the modelled one to the last event, one
//! that hears by the wall is what its log says, and in both nothing is asked twice and nothing forgotten.

use std::collections::BTreeSet;

use super::drawn::Dice;
use super::{days, dollars, for_plain_seeds, for_seeds, scenario, secs, state, world};
use crate::billing::decline::Answer;
use crate::billing::gate::Decision;
use crate::billing::invoice::{Charge, Purpose};
use crate::billing::ledger::Movement;
use crate::billing::price;
use crate::distribution::Distribution;
use crate::log::{self, Entry, Event, History};
use crate::model::{Act, Arrivals, Cohort, Period, Plan, Scenario};
use crate::money::Money;
use crate::sim::Scratch;
use crate::time::{Now, Span, Time};
use crate::world::World;
use crate::world::outside::{Ask, Captured, CaughtUp, Hears, Wish};
use crate::world::party::Party;

/// A processor outside, which answers as the model does; late.
#[derive(Default)]
struct Outside {
    /// What it was asked and has not answered.
    open: Vec<(Time, Ask)>,
    asked: BTreeSet<(Purpose, u32)>,
    paid: i128,
    given_back: i128,
}

impl Outside {
    /// Takes what a party wants; each with the moment at which it is answered.
    fn take(&mut self, party: &mut Party, mut answers_at: impl FnMut(&Ask) -> Time) {
        for wish in party.take_wishes() {
            match wish {
                Wish::Charge(ask) => {
                    let Charge { purpose, attempt, .. } = ask.charge;
                    assert!(self.asked.insert((purpose, attempt)), "{:?} is asked twice", ask.charge);
                    self.open.push((answers_at(&ask), ask));
                }
                Wish::GiveBack(charge) => self.given_back += whole(&charge),
            }
        }
    }

    fn answers(&mut self, place: usize) -> (Charge, Answer) {
        let (_, ask) = self.open.remove(place);
        if ask.answer == Answer::Paid {
            self.paid += whole(&ask.charge);
        }
        (ask.charge, ask.answer)
    }
}

/// What a processor takes: whole cents.
fn whole(charge: &Charge) -> i128 {
    i128::from(price::line(charge.amount, Scenario::new("any", days(1)).currency).nanos())
}

fn captured(party: &Party) -> i128 {
    i128::from(party.captured().amount.nanos())
}

// === In turn ===

/// Catches a party up, and answers whatever it waits for; in an order of the dice's.
fn catch_up_in_turn(world: &World, party: &mut Party, now: Now, outside: &mut Outside, dice: &mut Dice) {
    loop {
        let caught_up = world.catch_up(party, now).unwrap();
        outside.take(party, |_| Time::NEVER);
        if caught_up == CaughtUp::Fully {
            return;
        }
        let (charge, answer) = outside.answers(dice.below(outside.open.len() as u64) as usize);
        world.heard(party, now, charge, answer).unwrap();
    }
}

/// What the twin went through, happens to a party that hears in turn.
fn follows_the_twin(seed: u64, world: &World) {
    let dice = &mut Dice::new(seed);
    for consumer in world.consumers() {
        let twin = log::record(world, consumer, &mut Scratch::default()).unwrap();
        let (mut party, mut outside) = (world.open_hearing(consumer, Hears::InTurn).unwrap(), Outside::default());
        for Entry { now, event } in &twin.log {
            catch_up_in_turn(world, &mut party, *now, &mut outside, dice);
            match *event {
                Event::Decided { attempt, route, decision, .. } => {
                    assert_eq!(world.request(&mut party, *now, route, attempt).unwrap(), decision);
                }
                Event::Served { hold, usage } => world.served(&mut party, *now, hold, &usage).unwrap(),
                Event::GaveUp { hold, sent } => world.gave_up(&mut party, *now, hold, &sent).unwrap(),
                Event::Failed { hold, failure, used } => {
                    world.failed(&mut party, *now, hold, failure.hop, &used).unwrap();
                }
                Event::Heard { .. } => panic!("the model answers a twin"),
            }
        }
        catch_up_in_turn(world, &mut party, World::last(world.end()), &mut outside, dice);
        // What has come before it was due is open all the same.
        let open: i128 = party.open_charges().iter().map(whole).sum();
        world.close(&mut party, world.end()).unwrap();
        let (held, captured) = (outside.paid - outside.given_back, captured(&party));
        let account = party.into_account();
        assert_eq!(state(&account), state(&twin.account));
        assert!((captured..=captured + open).contains(&held), "{held} held, {captured} captured, {open} open");
    }
}

#[test]
fn a_party_that_hears_in_turn_is_the_modelled_one_to_the_last_event() {
    for_seeds(7_000..7_120, follows_the_twin);
    for_plain_seeds(7_000..7_200, follows_the_twin);
}

// === By the wall ===

/// Plays the calls of a consumer, each served at once; the answers come when `answers_at` says, and at the end at the
/// latest.
fn by_the_wall(
    world: &World,
    history: &mut Vec<Entry>,
    outside: &mut Outside,
    mut answers_at: impl FnMut(Time, &Ask) -> Time,
    consumer: crate::billing::account::Consumer,
) -> Party {
    let clock = world.schedule.pace().clock;
    let mut party = world.open_hearing(consumer, Hears::ByTheWall).unwrap();
    let mut calls = world.calls(consumer).peekable();
    let mut at = Time::START;
    let end = World::last(world.end());
    while at < end.traffic || party.waits() {
        // What is due next, of whatever kind, as a gateway looks at its deadlines. What is late comes at the end.
        let due = if party.waits() { Time::NEVER } else { world.next_moment(&party) };
        let answer = outside.open.iter().map(|(at, _)| *at).min().unwrap_or(Time::NEVER);
        let call = calls.peek().map_or(Time::NEVER, |call| call.at);
        at = at.max(due.min(answer).min(call)).min(end.traffic);
        let is_over = at == end.traffic;
        let now = if is_over { end } else { clock.at(at) };
        let caught_up = world.catch_up(&mut party, now).unwrap();
        outside.take(&mut party, |ask| answers_at(at, ask));
        assert_eq!(caught_up == CaughtUp::Waits, party.waits());
        if let Some(place) = outside.open.iter().position(|(answer, _)| *answer <= at || is_over) {
            let (charge, answer) = outside.answers(place);
            world.heard(&mut party, now, charge, answer).unwrap();
            history.push(Entry { now, event: Event::Heard { charge, answer } });
        } else if let Some(call) = calls.next_if(|call| call.at <= at) {
            let decision = world.request(&mut party, now, call.route, 1).unwrap();
            let event = Event::Decided { call: call.index, attempt: 1, route: call.route, decision };
            history.push(Entry { now, event });
            if let Decision::Admit(admission) = decision {
                world.served(&mut party, now, admission.hold, &call.usage).unwrap();
                let event = Event::Served { hold: admission.hold, usage: call.usage };
                history.push(Entry { now, event });
            }
        }
        outside.take(&mut party, |ask| answers_at(at, ask));
    }
    party
}

/// The log of an account that hears by the wall gives the same account again, however late the answers came; the
/// processor holds what the books have captured; nothing was asked twice.
fn replays(seed: u64, world: &World) {
    let dice = &mut Dice::new(seed);
    for consumer in world.consumers() {
        let (mut log, mut outside) = (Vec::new(), Outside::default());
        // Who falls behind by days with each answer forgets webhooks that are still to come.
        let latest = if world.scenario.payments.webhooks.asks() { secs(60) } else { days(3) };
        let late = |at: Time, _: &Ask| at + Span::from_ns(dice.below(latest.ns()));
        let mut party = by_the_wall(world, &mut log, &mut outside, late, consumer);
        world.close(&mut party, world.end()).unwrap();
        let open: i128 = party.open_charges().iter().map(whole).sum();
        let (held, captures) = (outside.paid - outside.given_back, party.captured().charges);
        let booked = captured(&party);
        assert!((booked..=booked + open).contains(&held), "{held} held, {booked} captured, {open} open");
        let account = party.into_account();
        account.check();
        let paid = log.iter().filter(|entry| matches!(entry.event, Event::Heard { answer: Answer::Paid, .. })).count();
        assert!(captures <= paid as u64);
        let history = History { log, account, hears: Hears::ByTheWall };
        let mut decided = 0;
        let again = history.replay(world, world.end(), |replayed| {
            assert_eq!(replayed.decision, replayed.logged);
            decided += 1;
        });
        assert_eq!(state(&again.unwrap()), state(&history.account));
        let logged = history.log.iter().filter(|entry| matches!(entry.event, Event::Decided { .. })).count();
        assert_eq!(decided, logged);
    }
}

#[test]
fn the_log_of_an_account_that_hears_by_the_wall_gives_the_same_account_again() {
    for_seeds(7_300..7_420, replays);
    for_plain_seeds(7_300..7_500, replays);
}

/// One charge that the model answers at once after the other: what is wanted while the first is under way is asked for when
/// that has been heard, so that their order is the model's.
#[test]
fn what_is_wanted_while_an_answer_is_awaited_is_asked_for_after_it() {
    let plan = |name: &str, fee| Plan { fee: dollars(fee), fee_period: Some(Period::Month), ..Plan::new(name) };
    let mut cohort = Cohort::new("all", 1, Arrivals::Poisson { mean_gap_ns: 1e15, spread: None });
    cohort.joined = crate::model::Joined::Start;
    cohort.card = Some(crate::model::Card::good());
    let mut scenario = scenario(days(40), plan("pro", 10), cohort);
    scenario.plans.push(plan("max", 99));
    let world = world(scenario);
    let at = |day: u64, second: u64| {
        let time = Time::START + days(day) + secs(second);
        Now { traffic: time, billing: time }
    };
    let mut party = world.open_hearing(super::FIRST, Hears::ByTheWall).unwrap();
    let next = |party: &mut Party, now: Now| {
        assert_eq!(world.catch_up(party, now).unwrap(), CaughtUp::Waits);
        let wishes = party.take_wishes();
        let [Wish::Charge(ask)] = wishes[..] else { panic!("{wishes:?}") };
        ask
    };
    let first = next(&mut party, at(0, 1));
    assert_eq!(world.heard(&mut party, at(0, 2), first.charge, first.answer).unwrap(), CaughtUp::Fully);
    let renewal = next(&mut party, at(31, 1));
    world.intervene(&mut party, at(31, 2), Act::ChangePlan { to: 1 }).unwrap();
    assert_eq!(party.take_wishes(), []);
    assert_eq!(world.heard(&mut party, at(31, 3), renewal.charge, renewal.answer).unwrap(), CaughtUp::Waits);
    let upgrade = next(&mut party, at(31, 3));
    assert_eq!((renewal.charge.amount, upgrade.charge.purpose), (dollars(10), Purpose::Change(0)));
    assert_eq!(world.heard(&mut party, at(31, 4), upgrade.charge, upgrade.answer).unwrap(), CaughtUp::Fully);
    assert_eq!((party.captured().charges, party.waits()), (3, false));
}

/// Renews monthly for ten dollars, and leaves while its renewal is being collected: what is paid then goes back.
#[test]
fn what_was_paid_for_a_subscription_that_has_ended_meanwhile_goes_back() {
    let plan = Plan { fee: dollars(10), fee_period: Some(Period::Month), ..Plan::new("pro") };
    let mut cohort = Cohort::new("all", 1, Arrivals::Poisson { mean_gap_ns: 1e15, spread: None });
    cohort.joined = crate::model::Joined::Start;
    cohort.card = Some(crate::model::Card::good());
    let mut scenario = scenario(days(40), plan, cohort);
    scenario.payments.processor.latency = Distribution::Constant(secs(60).ns() as f64);
    let world = world(scenario);
    let at = |day: u64, second: u64| {
        let time = Time::START + days(day) + secs(second);
        Now { traffic: time, billing: time }
    };
    let mut party = world.open_hearing(super::FIRST, Hears::ByTheWall).unwrap();
    world.catch_up(&mut party, at(31, 1)).unwrap();
    let wishes = party.take_wishes();
    let [Wish::Charge(ask)] = wishes[..] else { panic!("{wishes:?}") };
    assert_eq!((ask.charge.amount, ask.answer, ask.latency), (dollars(10), Answer::Paid, secs(60)));
    assert_eq!(party.open_charges(), [ask.charge]);
    world.intervene(&mut party, at(31, 2), Act::Churn).unwrap();
    world.heard(&mut party, at(31, 3), ask.charge, ask.answer).unwrap();
    assert_eq!(party.take_wishes(), [Wish::GiveBack(ask.charge)]);
    assert_eq!((party.captured(), party.open_charges()), (Captured::default(), &[][..]));
    assert_eq!(party.account().books().moved(Movement::Capture), Money::ZERO);
}
