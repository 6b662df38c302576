//! Which answers of the gateway were wrong.
//!
//! The oracle knows the truth: each account as perfect billing would have it, with no delay, no cache, one counter and no
//! fault, given what has really happened so far: usage that was served, payments that were made. It says of each attempt
//! whether it should have been served, and compares that with what the gateway said. The truth always reserves:
//! what calls in flight may still use is not there for others, whatever the scenario's `spend_control` does.
//!
//! It is written apart from the rules it judges, plainly rather than fast, so it watches only where something can go
//! wrong or somebody asks ([`is_needed`]). It sees every call by itself, none of them told together.

mod judge;
mod pace;
mod table;

use std::collections::BTreeMap;

use crate::billing::account::{Account, Consumer};
use crate::billing::cause::{Cause, Failure};
use crate::billing::gate::Decision;
use crate::billing::headroom::Passed;
use crate::billing::hold::HoldId;
use crate::billing::ledger::Movement;
use crate::billing::list_price::list_price;
use crate::log::{Event, History};
use crate::model::{Breaks, METERS_MAX, Measure, On402, OnClientAbort, PerMeter, Plan};
use crate::money::{Money, Overflow};
use crate::sim::{Ended, Observer, Tried};
use crate::time::{Now, Span, Time};
use crate::world::World;
use crate::world::schedule::Call;

use judge::{Holds, Judge, overspends};
pub use table::{RouteTable, Table, Wrong};

/// What an answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Let through, as it should be.
    ServedRightly,
    /// Refused, as it should be.
    RefusedRightly,
    /// Refused for that cause, though it should have been served.
    FalseRefusal(Cause),
    /// Let through, though it should have been refused for that cause.
    Leak(Cause),
}

/// Judges what happens to consumers, and counts.
#[derive(Debug)]
pub struct Oracle<'w> {
    world: &'w World,
    /// By cohort.
    tables: Vec<Table>,
    /// Of the consumers that are being played.
    seats: BTreeMap<Consumer, Seat<'w>>,
    /// What the last answer should have been.
    truth: Option<Result<(), Cause>>,
    /// The first amount that has left the range.
    overflow: Option<Overflow>,
}

/// What is known of one consumer.
#[derive(Debug)]
struct Seat<'w> {
    judge: Judge<'w>,
    /// What the attempt that is being decided should be answered, and what it would hold.
    asked: Option<(Result<(), Cause>, Holds)>,
    /// The usage segment of the account then.
    segment: u32,
    /// Calls in flight that should have been refused.
    leaks: BTreeMap<HoldId, Leak<'w>>,
    /// The route of the last of them that credit did not cover, until what is missing has shown.
    uncovered: Option<u16>,
    /// What had been overdrawn so far.
    overdrawn: Money,
}

/// A call that should have been refused.
#[derive(Clone, Copy, Debug)]
struct Leak<'w> {
    route: u16,
    cause: Cause,
    /// Meters of which nothing was left.
    exhausted: [bool; METERS_MAX],
    plan: &'w Plan,
}

/// Whether anything in a scenario can make the gateway wrong, or a threshold asks whether it was.
#[must_use]
pub fn is_needed(world: &World) -> bool {
    let scenario = &world.scenario;
    let breaks = |fault: &crate::model::Fault| matches!(fault.breaks, Breaks::BillingDown | Breaks::PolicyError { .. });
    let asks = |of: &crate::model::Threshold| matches!(of.measure, Measure::FalseRefusals(_) | Measure::Leaks(_));
    let is_late = scenario.payments.webhooks.asks();
    is_late || overspends(world) || scenario.faults.iter().any(breaks) || scenario.thresholds.iter().any(asks)
}

impl<'w> Oracle<'w> {
    /// Nothing judged yet.
    #[must_use]
    pub fn new(world: &'w World) -> Self {
        let tables = vec![Table::new(world.scenario.routes.len()); world.scenario.cohorts.len()];
        Self { world, tables, seats: BTreeMap::new(), truth: None, overflow: None }
    }

    /// The oracle of a world where it [is needed](is_needed).
    #[must_use]
    pub fn where_needed(world: &'w World) -> Option<Self> {
        is_needed(world).then(|| Self::new(world))
    }

    /// An observer that sees what another sees, and judges it.
    pub fn beside<'o, O>(&'o mut self, other: &'o mut O) -> Beside<'o, 'w, O> {
        Beside { oracle: self, other }
    }

    /// What was found, by cohort.
    ///
    /// # Errors
    /// When an amount has left the range.
    pub fn tables(self) -> Result<Vec<Table>, Overflow> {
        self.overflow.map_or(Ok(self.tables), Err)
    }

    /// What the last answer should have been: served, or refused for that cause.
    #[must_use]
    pub fn truth(&self) -> Option<Result<(), Cause>> {
        self.truth
    }

    /// Judges what a log says by playing it through a fresh account; the log of a gateway has the order in which that has
    /// decided, one call of an account at a time.
    ///
    /// # Errors
    /// When an amount has left the range.
    pub fn judge_log(&mut self, history: &History) -> Result<(), Overflow> {
        let (world, consumer) = (self.world, history.account.consumer());
        let mut party = world.open_hearing(consumer, history.hears.again())?;
        for entry in &history.log {
            let now = entry.now;
            world.catch_up(&mut party, now)?;
            match entry.event {
                Event::Decided { call, attempt, route, decision } => {
                    let (_, usage) = world.schedule.call(consumer, call);
                    let call = Call { index: call, attempt, at: now.traffic, route, usage };
                    let truth = world.truth(&party, now)?;
                    self.asked(truth.as_deref().unwrap_or(party.account()), &call, now);
                    world.request(&mut party, now, route, attempt)?;
                    self.decided(consumer, &call, decision, now);
                }
                Event::Served { hold, usage } => {
                    world.served(&mut party, now, hold, &usage)?;
                    self.settled(party.account(), hold);
                    self.landed(consumer, hold, now, Some(&usage));
                }
                Event::GaveUp { hold, sent } => {
                    world.gave_up(&mut party, now, hold, &sent)?;
                    self.settled(party.account(), hold);
                    self.gave_up(consumer, hold, now, &sent);
                }
                Event::Failed { hold, failure, used } => {
                    world.failed(&mut party, now, hold, failure.hop, &used)?;
                    self.landed(consumer, hold, now, None);
                }
                Event::Heard(came) => _ = world.heard(&mut party, now, came)?,
            }
        }
        self.seats.remove(&consumer);
        Ok(())
    }

    // === What is seen ===

    /// A call is about to be decided; the account is as it stands before, had it heard of all that has happened: see
    /// [`World::truth`].
    pub fn asked(&mut self, account: &Account, call: &Call, now: Now) {
        let consumer = account.consumer();
        let client = &self.world.scenario.cohorts[consumer.cohort as usize].client;
        let is_paid = call.attempt > 1 && client.on_402 == On402::PayOnce;
        let asked = self.seat(consumer).and_then(|seat| {
            seat.segment = account.usage.id;
            seat.asked = Some(seat.judge.asked(account, call.route, now, is_paid)?);
            Ok(())
        });
        self.overflow = self.overflow.take().or(asked.err());
    }

    fn seat(&mut self, consumer: Consumer) -> Result<&mut Seat<'w>, Overflow> {
        use std::collections::btree_map::Entry;
        match self.seats.entry(consumer) {
            Entry::Occupied(seat) => Ok(seat.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(Seat::new(self.world, consumer)?)),
        }
    }

    /// The gateway has answered it: what that answer was. `None` where nobody has asked, or an amount has left the range.
    pub fn decided(&mut self, consumer: Consumer, call: &Call, decision: Decision, now: Now) -> Option<Ruling> {
        let seat = self.seats.get_mut(&consumer)?;
        let (truth, holds) = seat.asked.take()?;
        let table = self.tables[consumer.cohort as usize].route(call.route);
        let ruling = match (truth, decision) {
            (Ok(()), Decision::Admit(_)) => Ruling::ServedRightly,
            (Err(_), Decision::Refuse(_)) => Ruling::RefusedRightly,
            (Ok(()), Decision::Refuse(cause)) => Ruling::FalseRefusal(cause),
            (Err(cause), Decision::Admit(_)) => Ruling::Leak(cause),
        };
        table.count(ruling);
        if let Ruling::FalseRefusal(cause) = ruling {
            table.false_refusals[cause.index()].is_worth(list_price(seat.judge.plan(), &call.usage));
        }
        if let Decision::Admit(admission) = decision {
            if let Ruling::Leak(cause) = ruling {
                seat.leaked(admission.hold, call.route, cause, holds.exhausted);
            }
            seat.judge.admitted(seat.segment, now, admission.hold, holds);
        }
        self.truth = Some(truth);
        Some(ruling)
    }

    /// An admitted call was served, and has been settled.
    pub fn settled(&mut self, account: &Account, hold: HoldId) {
        let Some(seat) = self.seats.get_mut(&account.consumer()) else { return };
        let table = &mut self.tables[account.consumer().cohort as usize];
        table.deepest_overdraft = table.deepest_overdraft.max(account.overdraft);
        let overdrawn = account.books().moved(Movement::Overdraw);
        let more = i128::from(overdrawn.nanos()) - i128::from(seat.overdrawn.nanos());
        seat.overdrawn = overdrawn;
        if more > 0 {
            // What is missing may show only with the next call to be settled, for which there had been enough; or without
            // any that should have been refused, where credit has expired under way.
            let own = seat.leaks.get(&hold).filter(|leak| leak.cause == Cause::CreditExhausted);
            let route = own.map(|leak| leak.route).or_else(|| seat.uncovered.take()).unwrap_or(hold.route);
            table.route(route).leaks[Cause::CreditExhausted.index()].nanos += more;
        }
    }

    /// An admitted call has come home, and used this much; nothing where it failed.
    pub fn landed(&mut self, consumer: Consumer, hold: HoldId, now: Now, usage: Option<&PerMeter<u64>>) {
        let Some(seat) = self.seats.get_mut(&consumer) else { return };
        seat.judge.landed(now, hold, usage.unwrap_or(&PerMeter::default()));
        let (Some(leak), Some(usage)) = (seat.leaks.remove(&hold), usage) else { return };
        let table = &mut self.tables[consumer.cohort as usize];
        if leak.cause == Cause::QuotaExhausted {
            for meter in (0..METERS_MAX).filter(|meter| leak.exhausted[*meter]) {
                table.overshoot[meter] += usage[meter];
            }
        }
        // Past the cap it is billed all the same; what credit did not cover, the account's books tell.
        if !matches!(leak.cause, Cause::SpendCap | Cause::CreditExhausted) {
            table.route(leak.route).leaks[leak.cause.index()].is_worth(list_price(leak.plan, usage));
        }
    }

    /// The client of an admitted call waits no longer, and had been sent so much. What is not settled when the exchange is
    /// over has come home now. Whether what is billed has been heard is for the gateway to say, so it is not judged.
    pub fn gave_up(&mut self, consumer: Consumer, hold: HoldId, now: Now, sent: &PerMeter<u64>) {
        match self.world.scenario.gateway.on_client_abort {
            OnClientAbort::Settle => {}
            OnClientAbort::Release => self.landed(consumer, hold, now, None),
            OnClientAbort::BillSent => {
                let sent = Some(sent).filter(|sent| sent.iter().any(|units| *units > 0));
                self.landed(consumer, hold, now, sent);
            }
        }
    }

    /// A consumer's time is over.
    pub fn closed(&mut self, account: &Account) {
        self.seats.remove(&account.consumer());
    }
}

impl<'w> Seat<'w> {
    fn new(world: &'w World, consumer: Consumer) -> Result<Self, Overflow> {
        Ok(Self {
            judge: Judge::new(world, consumer)?,
            asked: None,
            segment: 0,
            leaks: BTreeMap::new(),
            uncovered: None,
            overdrawn: Money::ZERO,
        })
    }

    fn leaked(&mut self, hold: HoldId, route: u16, cause: Cause, exhausted: [bool; METERS_MAX]) {
        self.leaks.insert(hold, Leak { route, cause, exhausted, plan: self.judge.plan() });
        if cause == Cause::CreditExhausted {
            self.uncovered = Some(route);
        }
    }
}

/// Sees what another observer sees, and has it judged.
#[derive(Debug)]
pub struct Beside<'o, 'w, O> {
    oracle: &'o mut Oracle<'w>,
    other: &'o mut O,
}

impl<O: Observer> Observer for Beside<'_, '_, O> {
    fn asked(&mut self, account: &Account, call: &Call, now: Now) {
        self.oracle.asked(account, call, now);
        self.other.asked(account, call, now);
    }

    fn decided(&mut self, consumer: Consumer, call: &Call, now: Now, decision: Decision) {
        self.oracle.decided(consumer, call, decision, now);
        self.other.decided(consumer, call, now, decision);
    }

    fn settled(&mut self, account: &Account, hold: HoldId) {
        self.oracle.settled(account, hold);
        self.other.settled(account, hold);
    }

    fn served(&mut self, consumer: Consumer, call: &Call, hold: HoldId, now: Now, latency: Span) {
        self.oracle.landed(consumer, hold, now, Some(&call.usage));
        self.other.served(consumer, call, hold, now, latency);
    }

    fn failed(&mut self, consumer: Consumer, call: &Call, hold: HoldId, failure: Failure, now: Now) {
        self.oracle.landed(consumer, hold, now, None);
        self.other.failed(consumer, call, hold, failure, now);
    }

    fn gave_up(&mut self, consumer: Consumer, call: &Call, hold: HoldId, sent: &PerMeter<u64>, now: Now) {
        self.oracle.gave_up(consumer, hold, now, sent);
        self.other.gave_up(consumer, call, hold, sent, now);
    }

    fn ended(&mut self, consumer: Consumer, call: &Call, hold: HoldId, failed: Option<Failure>, now: Now) {
        // Where the call came home when it was given up, this is the end of nothing.
        self.oracle.landed(consumer, hold, now, Some(&call.usage).filter(|_| failed.is_none()));
        self.other.ended(consumer, call, hold, failed, now);
    }

    fn lost(&mut self, consumer: Consumer, terms: u32, usage: &PerMeter<u64>) {
        self.other.lost(consumer, terms, usage);
    }

    fn first_token(&mut self, consumer: Consumer, latency: Span) {
        self.other.first_token(consumer, latency);
    }

    fn again(&mut self, consumer: Consumer, route: u16, ended: Ended) {
        self.other.again(consumer, route, ended);
    }

    fn recovered(&mut self, consumer: Consumer, route: u16, took: Span) {
        self.other.recovered(consumer, route, took);
    }

    fn latency(&mut self, consumer: Consumer, at: Time, latency: Span) {
        self.other.latency(consumer, at, latency);
    }

    fn passed(&mut self, consumer: Consumer, passed: &Passed) {
        self.other.passed(consumer, passed);
    }

    fn closed(&mut self, account: &Account, tried: &Tried) {
        self.oracle.closed(account);
        self.other.closed(account, tried);
    }
}
