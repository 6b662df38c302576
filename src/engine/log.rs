//! What an account went through, event by event, and the replay of it.
//!
//! The twin of a load writes this log in virtual time, the live gateway on real clocks. Two logs of the same events are
//! equal or not; and a log played again through a fresh account must give the same decisions and the same books,
//! because nothing else has gone into them.

use std::collections::BTreeMap;

use crate::billing::account::{Account, Consumer};
use crate::billing::cause::Failure;
use crate::billing::gate::Decision;
use crate::billing::hold::HoldId;
use crate::billing::margins::Margins;
use crate::model::PerMeter;
use crate::money::Overflow;
use crate::sim::{self, Ended, Observer, Scratch, Tried};
use crate::time::{Now, Span, Time};
use crate::world::World;
use crate::world::outside::{Came, Hears};
use crate::world::party::Party;
use crate::world::schedule::Call;

/// One event of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub now: Now,
    /// What.
    pub event: Event,
}

/// What happened to an account. Deadlines are not logged: they follow from `now`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request was decided.
    Decided {
        /// Which call of the consumer it was.
        call: u64,
        /// Which attempt at it, from 1.
        attempt: u32,
        /// Which route it called.
        route: u16,
        /// What the gate said.
        decision: Decision,
    },
    /// An admitted call was served.
    Served {
        /// What it had reserved.
        hold: HoldId,
        /// What it used.
        usage: PerMeter<u64>,
    },
    /// The client of an admitted call has given it up. The exchange goes on, and one of the other two tells its end.
    GaveUp {
        /// What it had reserved.
        hold: HoldId,
        /// What its client had been sent, where the gateway bills that.
        sent: PerMeter<u64>,
    },
    /// An admitted call failed: nothing is billed.
    Failed {
        /// What it had reserved.
        hold: HoldId,
        /// Where and how.
        failure: Failure,
        /// What each upstream up to there used for it.
        used: PerMeter<u64>,
    },
    /// Something has come from the processor to an account that hears by the wall.
    Heard(Came),
}

/// The log of one consumer, and its account when all was over.
#[derive(Clone, Debug)]
pub struct History {
    /// The events, in order.
    pub log: Vec<Entry>,
    /// The closed account.
    pub account: Account,
    /// From whom it has heard what became of its charges.
    pub hears: Hears,
}

/// Plays one consumer in virtual time and writes down what happens; and the others with it, where they share something.
pub fn record(world: &World, consumer: Consumer, scratch: &mut Scratch) -> Result<History, Overflow> {
    if world.is_shared() {
        let all = world.consumers().zip(record_all(world)?);
        return Ok(all.into_iter().find(|(other, _)| *other == consumer).expect("it is one of them").1);
    }
    let mut writer = Writer::default();
    sim::play(world, consumer, &mut writer, scratch)?;
    Ok(writer.history())
}

/// What happens to every consumer, in their order.
pub fn record_all(world: &World) -> Result<Vec<History>, Overflow> {
    if !world.is_shared() {
        let mut scratch = Scratch::default();
        return world.consumers().map(|consumer| record(world, consumer, &mut scratch)).collect();
    }
    let mut writers = Writers(world.consumers().map(|consumer| (consumer, Writer::default())).collect());
    sim::play_component(world, world.consumers(), &mut writers, &mut |_| true)?;
    Ok(writers.0.into_values().map(Writer::history).collect())
}

#[derive(Default)]
struct Writer {
    log: Vec<Entry>,
    account: Option<Account>,
}

impl Writer {
    fn history(self) -> History {
        let account = self.account.expect("a played consumer's account is closed");
        History { log: self.log, account, hears: Hears::FromTheModel }
    }
}

/// A writer for each consumer.
struct Writers(BTreeMap<Consumer, Writer>);

impl Writers {
    fn of(&mut self, consumer: Consumer) -> &mut Writer {
        self.0.get_mut(&consumer).expect("everyone has a writer")
    }
}

impl Observer for Writers {
    fn decided(&mut self, consumer: Consumer, call: &Call, now: Now, decision: Decision) {
        self.of(consumer).decided(consumer, call, now, decision);
    }

    fn served(&mut self, consumer: Consumer, call: &Call, hold: HoldId, now: Now, latency: Span) {
        self.of(consumer).served(consumer, call, hold, now, latency);
    }

    fn failed(&mut self, consumer: Consumer, call: &Call, hold: HoldId, failure: Failure, now: Now) {
        self.of(consumer).failed(consumer, call, hold, failure, now);
    }

    fn gave_up(&mut self, consumer: Consumer, call: &Call, hold: HoldId, sent: &PerMeter<u64>, now: Now) {
        self.of(consumer).gave_up(consumer, call, hold, sent, now);
    }

    fn ended(&mut self, consumer: Consumer, call: &Call, hold: HoldId, failed: Option<Failure>, now: Now) {
        self.of(consumer).ended(consumer, call, hold, failed, now);
    }

    fn closed(&mut self, account: &Account, tried: &Tried) {
        self.of(account.consumer()).closed(account, tried);
    }
}

impl Observer for Writer {
    fn decided(&mut self, _: Consumer, call: &Call, now: Now, decision: Decision) {
        self.log.push(Entry {
            now,
            event: Event::Decided { call: call.index, attempt: call.attempt, route: call.route, decision },
        });
    }

    fn served(&mut self, _: Consumer, call: &Call, hold: HoldId, now: Now, _: Span) {
        self.log.push(Entry { now, event: Event::Served { hold, usage: call.usage } });
    }

    fn failed(&mut self, _: Consumer, call: &Call, hold: HoldId, failure: Failure, now: Now) {
        self.log.push(Entry { now, event: Event::Failed { hold, failure, used: call.usage } });
    }

    fn gave_up(&mut self, _: Consumer, _: &Call, hold: HoldId, sent: &PerMeter<u64>, now: Now) {
        self.log.push(Entry { now, event: Event::GaveUp { hold, sent: *sent } });
    }

    fn ended(&mut self, consumer: Consumer, call: &Call, hold: HoldId, failed: Option<Failure>, now: Now) {
        match failed {
            Some(failure) => self.failed(consumer, call, hold, failure, now),
            None => self.served(consumer, call, hold, now, Span::ZERO),
        }
    }

    fn closed(&mut self, account: &Account, _: &Tried) {
        self.account = Some(account.clone());
    }
}

/// A request as the replay decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Which call of the consumer it was.
    pub call: u64,
    /// Which attempt at it.
    pub attempt: u32,
    /// What the log says.
    pub logged: Decision,
    /// What the replay says.
    pub decision: Decision,
    /// How far each rule was from deciding otherwise.
    pub margins: Margins,
}

/// Plays a log through a fresh account of the consumer, which hears from the model, closed at `end`; tells each decision
/// to `decided`.
pub fn replay(
    world: &World,
    consumer: Consumer,
    log: &[Entry],
    end: Now,
    decided: impl FnMut(Replayed),
) -> Result<Account, Overflow> {
    replay_in(world, world.open(consumer)?, log, end, decided)
}

fn replay_in(
    world: &World,
    mut party: Party,
    log: &[Entry],
    end: Now,
    mut decided: impl FnMut(Replayed),
) -> Result<Account, Overflow> {
    for Entry { now, event } in log {
        world.catch_up(&mut party, *now)?;
        match event {
            Event::Decided { call, attempt, route, decision: logged } => {
                let margins = party.account().margins(*now, &world.catalog, *route);
                let decision = world.request(&mut party, *now, *route, *attempt)?;
                decided(Replayed { call: *call, attempt: *attempt, logged: *logged, decision, margins });
            }
            Event::Served { hold, usage } => world.served(&mut party, *now, *hold, usage)?,
            Event::GaveUp { hold, sent } => world.gave_up(&mut party, *now, *hold, sent)?,
            Event::Failed { hold, failure, used } => world.failed(&mut party, *now, *hold, failure.hop, used)?,
            Event::Heard(came) => _ = world.heard(&mut party, *now, *came)?,
        }
        // What it wants was asked when it was played.
        party.take_wishes();
    }
    world.close(&mut party, end)?;
    Ok(party.into_account())
}

impl History {
    /// Plays it again, as [`replay`], through an account that hears from whom this one did. What has heard in turn hears
    /// from the model, whose moments and answers those are.
    ///
    /// # Errors
    /// When an amount leaves the range.
    pub fn replay(&self, world: &World, end: Now, decided: impl FnMut(Replayed)) -> Result<Account, Overflow> {
        replay_in(world, world.open_hearing(self.account.consumer(), self.hears.again())?, &self.log, end, decided)
    }

    /// Tells what is in the log to an observer, as if it had watched. The latency is what lies between a call's decision
    /// and its answer; that of the first token is what of it comes before the time that the others take. That of a call that
    /// a further attempt has served begins when the schedule says.
    pub fn tell(&self, world: &World, observer: &mut impl Observer) {
        let consumer = self.account.consumer();
        let (mut open, mut tried, mut before) = (BTreeMap::new(), Tried::default(), BTreeMap::new());
        let mut given_up = BTreeMap::new();
        let endings = Endings::of(&self.log);
        let starts = self.starts(world);
        let mut refusals = 0..;
        for (place, Entry { now, event }) in self.log.iter().enumerate() {
            match *event {
                Event::Decided { call, attempt, route, decision } => {
                    if let Some(earlier) = before.insert(call, place) {
                        let ended = endings.ended[earlier];
                        tried.again(ended);
                        observer.again(consumer, route, ended);
                    }
                    let (_, usage) = world.schedule.call(consumer, call);
                    let call = Call { index: call, attempt, at: now.traffic, route, usage };
                    tried.count(decision);
                    observer.decided(consumer, &call, *now, decision);
                    if let Decision::Admit(admission) = decision {
                        open.insert(admission.hold, (place, call));
                        continue;
                    }
                    let terms = self.account.terms_of_refusal(refusals.next().expect("numbers do not end"));
                    if endings.last.get(&call.index) == Some(&place) && endings.ended[place].is_lost_demand() {
                        observer.lost(consumer, terms, &call.usage);
                    }
                }
                Event::GaveUp { hold, sent } => {
                    if let Some((_, call)) = open.remove(&hold) {
                        observer.gave_up(consumer, &call, hold, &sent, *now);
                        given_up.insert(hold, call);
                    }
                }
                Event::Served { hold, usage } => {
                    if let Some(call) = given_up.remove(&hold) {
                        observer.ended(consumer, &Call { usage, ..call }, hold, None, *now);
                    }
                    let Some((place, call)) = open.remove(&hold) else { continue };
                    let latency = now.traffic.since(call.at);
                    observer.served(consumer, &Call { usage, ..call }, hold, *now, latency);
                    if let Some(first) = world.first_token(call.route, &usage, latency) {
                        observer.first_token(consumer, first);
                    }
                    if call.attempt > 1 && endings.last.get(&call.index) == Some(&place) {
                        let start = starts.get(&call.index).copied().unwrap_or(call.at);
                        observer.recovered(consumer, call.route, now.traffic.since(start));
                    }
                }
                Event::Failed { hold, failure, used } => {
                    if let Some(call) = given_up.remove(&hold) {
                        observer.ended(consumer, &Call { usage: used, ..call }, hold, Some(failure), *now);
                    }
                    if let Some((_, call)) = open.remove(&hold) {
                        observer.failed(consumer, &Call { usage: used, ..call }, hold, failure, *now);
                    }
                }
                // What the account made of it is in the account.
                Event::Heard(_) => {}
            }
        }
        observer.closed(&self.account, &tried);
    }

    /// When the calls were to be made, where any was made again; of one that follows another in its session, which no schedule
    /// has, when its first attempt was decided.
    fn starts(&self, world: &World) -> BTreeMap<u64, Time> {
        let is_again = |entry: &Entry| matches!(entry.event, Event::Decided { attempt: 2.., .. });
        if !self.log.iter().any(is_again) {
            return BTreeMap::new();
        }
        let firsts = self.log.iter().filter_map(|entry| match entry.event {
            Event::Decided { call, attempt: 1, .. } => Some((call, entry.now.traffic)),
            _ => None,
        });
        let scheduled = world.calls(self.account.consumer()).map(|call| (call.index, call.at));
        firsts.chain(scheduled).collect()
    }
}

/// What only the whole of a log tells.
struct Endings {
    /// How the attempt of each entry has ended; of what is no attempt it means nothing.
    ended: Vec<Ended>,
    /// Which entry is the last attempt at each call.
    last: BTreeMap<u64, usize>,
}

impl Endings {
    fn of(log: &[Entry]) -> Self {
        let (mut ended, mut last, mut holds) = (vec![Ended::Open; log.len()], BTreeMap::new(), BTreeMap::new());
        for (place, entry) in log.iter().enumerate() {
            match entry.event {
                Event::Decided { call, decision, .. } => {
                    last.insert(call, place);
                    match decision {
                        Decision::Refuse(cause) => ended[place] = Ended::Refused(cause),
                        Decision::Admit(admission) => drop(holds.insert(admission.hold, place)),
                    }
                }
                Event::Served { hold, .. } => holds.remove(&hold).into_iter().for_each(|at| ended[at] = Ended::Served),
                Event::GaveUp { hold, .. } => {
                    holds.remove(&hold).into_iter().for_each(|at| ended[at] = Ended::Failed(Failure::GAVE_UP));
                }
                Event::Failed { hold, failure, .. } => {
                    holds.remove(&hold).into_iter().for_each(|at| ended[at] = Ended::Failed(failure));
                }
                Event::Heard(_) => {}
            }
        }
        Self { ended, last }
    }
}
