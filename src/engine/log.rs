//! What an account went through, event by event, and the replay of it.
//!
//! The twin of a load writes this log in virtual time, the live gateway on real clocks. Two logs of the same events are
//! equal or not; and a log played again through a fresh account must give the same decisions and the same books,
//! because nothing else has gone into them.

use std::collections::BTreeMap;

use crate::billing::account::{Account, Consumer};
use crate::billing::gate::{Decision, Margins};
use crate::billing::hold::HoldId;
use crate::model::PerMeter;
use crate::money::Overflow;
use crate::sim::{self, Observer, Scratch};
use crate::time::{Now, Span};
use crate::world::World;
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
    /// An admitted call failed: nothing is billed.
    Failed {
        /// What it had reserved.
        hold: HoldId,
    },
}

/// The log of one consumer, and its account when all was over.
#[derive(Clone, Debug)]
pub struct History {
    /// The events, in order.
    pub log: Vec<Entry>,
    /// The closed account.
    pub account: Account,
}

/// Plays one consumer in virtual time and writes down what happens.
pub fn record(world: &World, consumer: Consumer, scratch: &mut Scratch) -> Result<History, Overflow> {
    let mut writer = Writer { log: Vec::new(), account: None };
    sim::play(world, consumer, &mut writer, scratch)?;
    let account = writer.account.expect("a played consumer's account is closed");
    Ok(History { log: writer.log, account })
}

struct Writer {
    log: Vec<Entry>,
    account: Option<Account>,
}

impl Observer for Writer {
    fn decided(&mut self, _: Consumer, call: &Call, now: Now, decision: Decision) {
        self.log.push(Entry { now, event: Event::Decided { call: call.index, route: call.route, decision } });
    }

    fn served(&mut self, _: Consumer, call: &Call, hold: HoldId, now: Now, _: Span) {
        self.log.push(Entry { now, event: Event::Served { hold, usage: call.usage } });
    }

    fn failed(&mut self, _: Consumer, _: &Call, hold: HoldId, now: Now) {
        self.log.push(Entry { now, event: Event::Failed { hold } });
    }

    fn closed(&mut self, account: &Account) {
        self.account = Some(account.clone());
    }
}

/// A request as the replay decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Which call of the consumer it was.
    pub call: u64,
    /// What the log says.
    pub logged: Decision,
    /// What the replay says.
    pub decision: Decision,
    /// How far each rule was from deciding otherwise.
    pub margins: Margins,
}

/// Plays a log through a fresh account of the consumer, closed at `end`; tells each decision to `decided`.
pub fn replay(
    world: &World,
    consumer: Consumer,
    log: &[Entry],
    end: Now,
    mut decided: impl FnMut(Replayed),
) -> Result<Account, Overflow> {
    let mut party = world.open(consumer)?;
    for Entry { now, event } in log {
        world.catch_up(&mut party, *now)?;
        match event {
            Event::Decided { call, route, decision: logged } => {
                let margins = party.account().margins(*now, &world.catalog, *route);
                let decision = world.request(&mut party, *now, *route)?;
                decided(Replayed { call: *call, logged: *logged, decision, margins });
            }
            Event::Served { hold, usage } => world.served(&mut party, *now, *hold, usage)?,
            Event::Failed { hold } => world.failed(&mut party, *now, *hold)?,
        }
    }
    world.close(&mut party, end)?;
    Ok(party.into_account())
}

impl History {
    /// Tells what is in the log to an observer, as if it had watched. The latency is what lies between a call's decision
    /// and its answer.
    pub fn tell(&self, world: &World, observer: &mut impl Observer) {
        let consumer = self.account.consumer();
        let mut open = BTreeMap::new();
        for Entry { now, event } in &self.log {
            match *event {
                Event::Decided { call, route, decision } => {
                    let (_, usage) = world.schedule.call(consumer, call);
                    let call = Call { index: call, at: now.traffic, route, usage };
                    if let Decision::Admit(admission) = decision {
                        open.insert(admission.hold, call);
                    }
                    observer.decided(consumer, &call, *now, decision);
                }
                Event::Served { hold, usage } => {
                    if let Some(call) = open.remove(&hold) {
                        let latency = now.traffic.since(call.at);
                        observer.served(consumer, &Call { usage, ..call }, hold, *now, latency);
                    }
                }
                Event::Failed { hold } => {
                    if let Some(call) = open.remove(&hold) {
                        observer.failed(consumer, &call, hold, *now);
                    }
                }
            }
        }
        observer.closed(&self.account);
    }
}
