//! Charges that are asked outside of the engine: an account that hears in turn is the modelled one to the last event, one
//! that hears by the wall is what its log says, and in both nothing is asked twice and nothing forgotten.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::drawn::Dice;
use super::{days, dollars, for_plain_seeds, for_seeds, scenario, secs, state, world};
use crate::billing::decline::Answer;
use crate::billing::gate::Decision;
use crate::billing::inbox::Told;
use crate::billing::invoice::{Charge, Purpose};
use crate::billing::ledger::Movement;
use crate::billing::price;
use crate::distribution::Distribution;
use crate::draw::Chance;
use crate::log::{self, Entry, Event, History};
use crate::model::{Act, Arrivals, Cohort, Period, Plan, Scenario};
use crate::money::Money;
use crate::sim::Scratch;
use crate::time::{Now, Span, Time};
use crate::world::outside::{Ask, Came, Captured, CaughtUp, Hears, Wish};
use crate::world::party::Party;
use crate::world::{Via, World};

/// A processor outside, which answers and sends webhooks as the model does; late.
#[derive(Default)]
struct Outside {
    /// What has not come yet.
    open: Vec<(Time, Came)>,
    /// What no webhook tells.
    lost: Vec<Came>,
    asked: BTreeSet<(Purpose, u32)>,
    paid: i128,
    given_back: i128,
    finds: u64,
}

impl Outside {
    /// Takes what a party wants; each with the moment at which it is done.
    fn take(&mut self, world: &World, party: &mut Party, mut done_at: impl FnMut() -> Time) {
        for wish in party.take_wishes() {
            let at = done_at();
            match wish {
                Wish::Charge(Ask { charge, answer, .. }) => {
                    assert!(self.asked.insert((charge.purpose, charge.attempt)), "{charge:?} is asked twice");
                    self.open.push((at, Came::Answered(charge, answer)));
                    if answer != Answer::Error {
                        self.send(world, party, at, charge, Told::Answered(answer));
                    }
                }
                Wish::GiveBack(charge) => self.given_back += whole(&charge),
                Wish::Return(movement, charge) => {
                    self.open.push((at, Came::Returned(movement, charge)));
                    self.send(world, party, at, charge, Told::Returned(movement));
                }
                Wish::Find => self.find(at),
            }
        }
    }

    fn send(&mut self, world: &World, party: &Party, at: Time, charge: Charge, told: Told) {
        let Charge { purpose, attempt, .. } = charge;
        let tells = |via| Came::Told { purpose, attempt, told, via };
        match world.deliveries(party.consumer(), charge, told) {
            Some(deliveries) if deliveries.is_empty() => self.lost.push(tells(Via::Reconciliation)),
            Some(deliveries) => {
                self.open.extend(deliveries.into_iter().map(|after| (at + after, tells(Via::Webhook))));
            }
            None => {}
        }
    }

    /// What was lost, and what is on its way.
    fn find(&mut self, at: Time) {
        self.finds += 1;
        let late = |(_, came): &(Time, Came)| match *came {
            Came::Told { purpose, attempt, told, via: Via::Webhook } => {
                Some(Came::Told { purpose, attempt, told, via: Via::Reconciliation })
            }
            _ => None,
        };
        let late: Vec<_> = self.open.iter().filter_map(late).collect();
        self.open.extend(self.lost.drain(..).chain(late).map(|came| (at, came)));
    }

    fn comes(&mut self, place: usize) -> Came {
        let (_, came) = self.open.remove(place);
        match came {
            Came::Answered(charge, Answer::Paid) => self.paid += whole(&charge),
            Came::Returned(_, charge) => self.given_back += whole(&charge),
            _ => {}
        }
        came
    }

    /// What it holds lies between what the books have, less what has gone back, and what they have and what is open.
    fn agrees(&self, party: &Party) {
        let sum = |charges: &[Charge]| charges.iter().map(whole).sum::<i128>();
        let (open, returning) = (sum(party.open_charges()), sum(party.returning()));
        let (held, captured) = (self.paid - self.given_back, i128::from(party.captured().amount.nanos()));
        assert!(
            (captured - returning..=captured + open).contains(&held),
            "{held} held, {captured} captured, {open} open, {returning} going back"
        );
    }
}

/// What a processor takes: whole cents.
fn whole(charge: &Charge) -> i128 {
    i128::from(price::line(charge.amount, Scenario::new("any", days(1)).currency).nanos())
}

// === In turn ===

/// Catches a party up, and answers whatever it waits for; in an order of the dice's.
fn catch_up_in_turn(world: &World, party: &mut Party, now: Now, outside: &mut Outside, dice: &mut Dice) {
    loop {
        let caught_up = world.catch_up(party, now).unwrap();
        outside.take(world, party, || Time::START);
        if caught_up == CaughtUp::Fully {
            return;
        }
        let came = outside.comes(dice.below(outside.open.len() as u64) as usize);
        world.heard(party, now, came).unwrap();
    }
}

/// What the twin went through, happens to a party that hears in turn. How often it has asked for what no webhook told, and
/// how much has gone back.
fn follows_the_twin(seed: u64, world: &World) -> (u64, i128) {
    let mut asked = (0, 0);
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
                Event::Heard(_) => panic!("the model answers a twin"),
            }
        }
        catch_up_in_turn(world, &mut party, World::last(world.end()), &mut outside, dice);
        outside.agrees(&party);
        world.close(&mut party, world.end()).unwrap();
        asked = (asked.0 + outside.finds, asked.1 + outside.given_back);
        let account = party.into_account();
        assert_eq!(state(&account), state(&twin.account));
    }
    asked
}

#[test]
fn a_party_that_hears_in_turn_is_the_modelled_one_to_the_last_event() {
    let seen = Cell::new((0, 0));
    let follows = |seed, world: &World| {
        let (finds, back) = follows_the_twin(seed, world);
        seen.set((seen.get().0 + finds, seen.get().1 + back));
    };
    for_seeds(7_000..7_120, follows);
    for_plain_seeds(7_000..7_200, follows);
    let (finds, back) = seen.get();
    assert!(finds > 20 && back > 0, "{finds} events were asked for, {back} has gone back");
}

/// Webhooks that come ten seconds late and are never acknowledged, and ones that are lost: the account hears when they are
/// due, of what has come, and asks for what none has told.
#[test]
fn what_is_told_is_heard_when_it_is_due_and_what_is_lost_is_asked_for() {
    let plan = Plan { fee: dollars(10), fee_period: Some(Period::Month), ..Plan::new("pro") };
    let mut cohort = Cohort::new("all", 1, Arrivals::Poisson { mean_gap_ns: 1e15, spread: None });
    cohort.joined = crate::model::Joined::Start;
    cohort.card = Some(crate::model::Card::good());
    let mut scenario = scenario(days(20), plan, cohort);
    let terms = &mut scenario.payments.webhooks;
    (terms.delay, terms.duplicate) = (Distribution::Constant(secs(10).ns() as f64), Chance::ALWAYS);
    let is_lost = |lose: Chance| {
        let mut scenario = scenario.clone();
        scenario.payments.webhooks.lose = lose;
        world(scenario)
    };
    let at = |time: Time| Now { traffic: time, billing: time };
    let paid = |world: &World, party: &mut Party| {
        world.catch_up(party, at(Time::START)).unwrap();
        let wishes = party.take_wishes();
        let [Wish::Charge(Ask { charge, .. })] = wishes[..] else { panic!("{wishes:?}") };
        world.heard(party, at(Time::START), Came::Answered(charge, Answer::Paid)).unwrap();
        charge
    };
    let tells = |charge: Charge, via| Came::Told {
        purpose: charge.purpose,
        attempt: charge.attempt,
        told: Told::Answered(Answer::Paid),
        via,
    };
    let (sent, lost) = (is_lost(Chance::NEVER), is_lost(Chance::ALWAYS));
    let mut party = sent.open_hearing(super::FIRST, Hears::ByTheWall).unwrap();
    let charge = paid(&sent, &mut party);
    let deliveries = sent.deliveries(super::FIRST, charge, Told::Answered(Answer::Paid)).unwrap();
    assert_eq!((deliveries.len(), &deliveries[..3]), (9, &[secs(10), secs(15), secs(35)][..]));
    assert_eq!(sent.heard(&mut party, at(Time::START + secs(3)), tells(charge, Via::Webhook)), Ok(CaughtUp::Fully));
    assert_eq!(party.captured().charges, 0, "it is not due");
    assert_eq!(sent.catch_up(&mut party, at(Time::START + secs(12))), Ok(CaughtUp::Fully));
    assert_eq!((party.captured().charges, party.misses()), (1, false));
    assert_eq!(sent.catch_up(&mut party, at(Time::START + secs(20))), Ok(CaughtUp::Waits), "it comes again");

    assert_eq!(lost.deliveries(super::FIRST, charge, Told::Answered(Answer::Paid)), Some(Vec::new()));
    let mut party = lost.open_hearing(super::FIRST, Hears::ByTheWall).unwrap();
    let charge = paid(&lost, &mut party);
    assert_eq!(party.take_wishes(), []);
    let later = at(Time::START + secs(3_600));
    for wishes in [&[Wish::Find][..], &[]] {
        assert_eq!((lost.catch_up(&mut party, later), party.misses()), (Ok(CaughtUp::Waits), true));
        assert_eq!(party.take_wishes(), wishes, "it is asked for once");
    }
    assert_eq!(lost.heard(&mut party, later, tells(charge, Via::Reconciliation)), Ok(CaughtUp::Fully));
    assert_eq!((party.captured().charges, party.misses()), (1, false));
}

// === By the wall ===

/// Plays the calls of a consumer, each served at once; what is wanted is done when `done_at` says, and at the end at the
/// latest.
fn by_the_wall(
    world: &World,
    history: &mut Vec<Entry>,
    outside: &mut Outside,
    mut done_at: impl FnMut(Time) -> Time,
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
        let comes = outside.open.iter().map(|(at, _)| *at).min().unwrap_or(Time::NEVER);
        let call = calls.peek().map_or(Time::NEVER, |call| call.at);
        at = at.max(due.min(comes).min(call)).min(end.traffic);
        let is_over = at == end.traffic;
        let now = if is_over { end } else { clock.at(at) };
        let caught_up = world.catch_up(&mut party, now).unwrap();
        outside.take(world, &mut party, || done_at(at));
        assert_eq!(caught_up == CaughtUp::Waits, party.waits());
        if let Some(place) = outside.open.iter().position(|(comes, _)| *comes <= at || is_over) {
            let came = outside.comes(place);
            world.heard(&mut party, now, came).unwrap();
            history.push(Entry { now, event: Event::Heard(came) });
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
        outside.take(world, &mut party, || done_at(at));
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
        let late = |at: Time| at + Span::from_ns(dice.below(latest.ns()));
        let mut party = by_the_wall(world, &mut log, &mut outside, late, consumer);
        world.close(&mut party, world.end()).unwrap();
        outside.agrees(&party);
        let captures = party.captured().charges;
        let account = party.into_account();
        account.check();
        let paid = |entry: &&Entry| matches!(entry.event, Event::Heard(Came::Answered(_, Answer::Paid)));
        let paid = log.iter().filter(paid).count();
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
    assert_eq!(world.heard(&mut party, at(0, 2), Came::Answered(first.charge, first.answer)).unwrap(), CaughtUp::Fully);
    let renewal = next(&mut party, at(31, 1));
    world.intervene(&mut party, at(31, 2), Act::ChangePlan { to: 1 }).unwrap();
    assert_eq!(party.take_wishes(), []);
    assert_eq!(
        world.heard(&mut party, at(31, 3), Came::Answered(renewal.charge, renewal.answer)).unwrap(),
        CaughtUp::Waits
    );
    let upgrade = next(&mut party, at(31, 3));
    assert_eq!((renewal.charge.amount, upgrade.charge.purpose), (dollars(10), Purpose::Change(0)));
    assert_eq!(
        world.heard(&mut party, at(31, 4), Came::Answered(upgrade.charge, upgrade.answer)).unwrap(),
        CaughtUp::Fully
    );
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
    world.heard(&mut party, at(31, 3), Came::Answered(ask.charge, ask.answer)).unwrap();
    assert_eq!(party.take_wishes(), [Wish::GiveBack(ask.charge)]);
    assert_eq!((party.captured(), party.open_charges()), (Captured::default(), &[][..]));
    assert_eq!(party.account().books().moved(Movement::Capture), Money::ZERO);
}
