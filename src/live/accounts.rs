//! Every account of a scenario, each behind a lock of its own.
//!
//! A lock is held for one call of the gate and never across an await, so it is practically never contended. The clocks
//! are read inside it: time never runs backwards for an account.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use farebox_engine::billing::account::{Consumer, Status};
use farebox_engine::billing::cause::{Cause, Failure};
use farebox_engine::billing::gate::Decision;
use farebox_engine::billing::hold::HoldId;
use farebox_engine::billing::standing::{NotSold, Standing};
use farebox_engine::log::{Entry, Event, History};
use farebox_engine::model::{Act, Breaks, PerMeter};
use farebox_engine::money::{Money, Overflow};
use farebox_engine::time::{Clock, Now, Span, Time};
use farebox_engine::world::World;
use farebox_engine::world::outside::{Came, CaughtUp, Hears};
use farebox_engine::world::party::Party;
use farebox_engine::world::reminder::Told;
use farebox_engine::world::slow::Slow;

use super::collector::Desk;
use super::collector::reconcile::Collected;
use super::shortfall::Shortfall;
use super::stamp::Step;

/// An account's place among all accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountId(pub u32);

/// Real time as the two clocks of the engine.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    origin: Instant,
    clock: Clock,
}

impl WallClock {
    /// Traffic time begins at `origin`.
    pub fn starting(origin: Instant, clock: Clock) -> Self {
        Self { origin, clock }
    }

    /// Both readings, now.
    pub fn now(&self) -> Now {
        self.clock.at(Time::from_ns(self.origin.elapsed().as_nanos() as i64))
    }

    /// When an instant of traffic time comes.
    pub fn instant(&self, traffic: Time) -> Instant {
        self.origin + Duration::from_nanos(traffic.ns().max(0).cast_unsigned())
    }
}

/// What is written down of each account's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logging {
    /// Everything, for a replay.
    Full,
    /// Nothing.
    Off,
}

/// The accounts of a scenario and the keys that lead to them.
#[derive(Debug)]
pub struct Accounts {
    world: Arc<World>,
    consumers: Vec<Consumer>,
    slots: Vec<Mutex<Slot>>,
    keys: HashMap<Box<[u8]>, AccountId, foldhash::fast::RandomState>,
    logging: Logging,
    overflow: OnceLock<Overflow>,
    /// Where what the accounts want charged is put; `None`: the model answers.
    desk: Option<Desk>,
}

#[derive(Debug)]
struct Slot {
    party: Party,
    log: Vec<Entry>,
    /// In lockstep: the event that may happen next, and who waits for a later one.
    turn: u64,
    waiting: Vec<(u64, Waker)>,
    /// Until when it is played, once its last call is over.
    last: Option<Now>,
    /// By the wall: when somebody looks at what is due.
    wakes: Time,
}

/// An account's lock. When it is let go, what the account wants meanwhile is put on the desk.
struct Held<'a> {
    slot: MutexGuard<'a, Slot>,
    id: AccountId,
    accounts: &'a Accounts,
}

/// When an event happens.
#[derive(Clone, Copy, Debug)]
pub enum When<'a> {
    /// Now, on the wall.
    Wall(&'a WallClock),
    /// As scheduled.
    At(Now),
}

impl When<'_> {
    fn read(self) -> Now {
        match self {
            Self::Wall(clock) => clock.now(),
            Self::At(now) => now,
        }
    }
}

impl Accounts {
    /// Opens the account of every consumer; what it wants charged, the model answers.
    pub fn open(world: Arc<World>, logging: Logging) -> Result<Self, Overflow> {
        Self::open_hearing(world, logging, Hears::FromTheModel, None)
    }

    /// The same, of accounts that put what they want charged on a desk, and hear what became of it in that way.
    ///
    /// # Errors
    /// When an amount leaves the range.
    pub fn open_outside(world: Arc<World>, logging: Logging, hears: Hears, desk: Desk) -> Result<Self, Overflow> {
        Self::open_hearing(world, logging, hears, Some(desk))
    }

    fn open_hearing(world: Arc<World>, logging: Logging, hears: Hears, desk: Option<Desk>) -> Result<Self, Overflow> {
        let consumers: Vec<_> = world.consumers().collect();
        let slot = |consumer: &Consumer| Ok(Mutex::new(Slot::new(world.open_hearing(*consumer, hears)?)));
        let slots = consumers.iter().map(slot).collect::<Result<_, _>>()?;
        let keys = (0..consumers.len() as u32).map(|id| (key(AccountId(id)).into_bytes().into(), AccountId(id)));
        let keys = keys.collect();
        Ok(Self { consumers, slots, keys, logging, overflow: OnceLock::new(), desk, world })
    }

    /// Whose key this is.
    pub fn find(&self, key: &[u8]) -> Option<AccountId> {
        self.keys.get(key).copied()
    }

    /// The rules and the schedule.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// The consumer behind an account.
    pub fn consumer(&self, id: AccountId) -> Consumer {
        self.consumers[id.0 as usize]
    }

    /// Every account.
    pub fn ids(&self) -> impl Iterator<Item = AccountId> + use<> {
        (0..self.consumers.len() as u32).map(AccountId)
    }

    /// Decides an attempt at `call`, the consumer's call of that index, for a route; with what the consumer was reminded of.
    pub fn request(
        &self,
        id: AccountId,
        when: When<'_>,
        (call, attempt): (u64, u32),
        route: u16,
    ) -> Result<(Decision, Told), Overflow> {
        self.event(id, when, |party, now, world| {
            let decision = world.request(party, now, route, attempt)?;
            Ok(((decision, party.told(now.billing)), Event::Decided { call, attempt, route, decision }))
        })
    }

    /// An admitted call was served. An overflow is kept, and told when the accounts are closed.
    pub fn served(&self, id: AccountId, when: When<'_>, hold: HoldId, usage: PerMeter<u64>) {
        let served = self.event(id, when, |party, now, world| {
            world.served(party, now, hold, &usage)?;
            Ok(((), Event::Served { hold, usage }))
        });
        served.unwrap_or_default();
    }

    /// An admitted call failed at that hop of its path, after each upstream up to there used this much. An overflow is kept
    /// as by [`Self::served`].
    pub fn failed(&self, id: AccountId, when: When<'_>, hold: HoldId, failure: Failure, used: PerMeter<u64>) {
        let failed = self.event(id, when, |party, now, world| {
            world.failed(party, now, hold, failure.hop, &used)?;
            Ok(((), Event::Failed { hold, failure, used }))
        });
        failed.unwrap_or_default();
    }

    /// The client of an admitted call has gone, and had been sent this much; [`Self::served`] or [`Self::failed`] tells
    /// the end of the exchange. An overflow is kept as by [`Self::served`].
    pub fn gave_up(&self, id: AccountId, when: When<'_>, hold: HoldId, sent: PerMeter<u64>) {
        let gave_up = self.event(id, when, |party, now, world| {
            world.gave_up(party, now, hold, &sent)?;
            Ok(((), Event::GaveUp { hold, sent }))
        });
        gave_up.unwrap_or_default();
    }

    /// Does what is due for an account, and says when the next thing will be.
    pub fn catch_up(&self, id: AccountId, when: When<'_>) -> Result<Now, Overflow> {
        let mut slot = self.lock(id);
        let now = when.read();
        match self.note(self.world.catch_up(&mut slot.party, now))? {
            CaughtUp::Fully => Ok(slot.party.next_deadline()),
            // What it waits for wakes it.
            CaughtUp::Waits => Ok(Now { traffic: Time::NEVER, billing: Time::NEVER }),
        }
    }

    /// What a client is told to wait that was refused for this cause, see [`World::retry_after`]; and the plan that it is
    /// on.
    pub fn retry_after(&self, id: AccountId, when: When<'_>, route: u16, cause: Cause) -> (Option<Span>, usize) {
        let slot = self.lock(id);
        let wait = self.world.retry_after(&slot.party, when.read(), route, cause);
        (wait, slot.party.account().plan(&self.world.catalog))
    }

    /// How a refusal for this cause is mended, as far as the account tells.
    pub fn shortfall(&self, id: AccountId, when: When<'_>, route: u16, cause: Cause) -> Shortfall {
        let slot = self.lock(id);
        Shortfall::of(&slot.party, when.read(), &self.world, route, cause)
    }

    /// The account of a cohort's member.
    pub fn of(&self, cohort: &str, index: u32) -> Option<AccountId> {
        let cohorts = &self.world.scenario.cohorts;
        let place = cohorts.iter().position(|known| known.name == cohort)?;
        let before: u32 = cohorts[..place].iter().map(|cohort| cohort.count).sum();
        (index < cohorts[place].count).then_some(AccountId(before + index))
    }

    /// What is written down of each account's events.
    pub fn logging(&self) -> Logging {
        self.logging
    }

    /// An account's status and how it stands, after what is due has been done.
    pub fn standing(&self, id: AccountId, when: When<'_>) -> Result<(Status, Standing), Overflow> {
        let mut slot = self.lock(id);
        let now = when.read();
        self.note(self.world.catch_up(&mut slot.party, now))?;
        let account = slot.party.account();
        Ok((account.status(), account.statement(now, &self.world.catalog)?))
    }

    /// Somebody does something to an account, see [`World::intervene`]; returns the status that it had. It is not logged,
    /// so what is to be replayed must not have it.
    pub fn intervene(&self, id: AccountId, when: When<'_>, act: Act) -> Result<Status, Overflow> {
        let mut slot = self.lock(id);
        let now = when.read();
        self.note(self.world.catch_up(&mut slot.party, now))?;
        let status = slot.party.account().status();
        self.note(self.world.intervene(&mut slot.party, now, act))?;
        Ok(status)
    }

    /// The consumer's software buys credit as it usually does, see [`World::buy_usual_credit`]. It is not logged, as by
    /// [`Self::intervene`].
    pub fn buy_usual_credit(&self, id: AccountId, when: When<'_>) -> Result<Result<Money, NotSold>, Overflow> {
        let mut slot = self.lock(id);
        let now = when.read();
        self.note(self.world.catch_up(&mut slot.party, now))?;
        self.note(self.world.buy_usual_credit(&mut slot.party, now))
    }

    /// When the grace of an account ends, in billing time; `None` where it is in none.
    pub fn in_grace_until(&self, id: AccountId) -> Option<Time> {
        self.lock(id).party.account().in_grace_until().filter(|ends| *ends < Time::NEVER)
    }

    /// Whether billing does not answer now, whoever asks.
    pub fn is_billing_down(&self, when: When<'_>) -> bool {
        let now = when.read().billing;
        let faults = &self.world.scenario.faults;
        faults.iter().any(|fault| fault.breaks == Breaks::BillingDown && fault.is_on(now))
    }

    /// Whether the consumer has left by themselves, and will call no more.
    pub fn has_left(&self, id: AccountId) -> bool {
        self.lock(id).party.has_left()
    }

    /// How far the consumer has slowed down.
    pub fn slow(&self, id: AccountId) -> Option<Slow> {
        self.world.slow(&self.lock(id).party)
    }

    /// Closes every account at `end`; returns what each went through.
    pub fn close(self, end: Now) -> Result<Vec<History>, Overflow> {
        if let Some(overflow) = self.overflow.get() {
            return Err(*overflow);
        }
        let world = self.world;
        let close = |slot: Mutex<Slot>| {
            let Slot { mut party, log, .. } = slot.into_inner().expect(NOT_POISONED);
            world.close(&mut party, end)?;
            let hears = party.hears();
            Ok(History { log, account: party.into_account(), hears })
        };
        self.slots.into_iter().map(close).collect()
    }

    /// How many holds are open, over all accounts.
    pub fn open_holds(&self) -> usize {
        self.ids().map(|id| self.lock(id).party.account().open_holds()).sum()
    }

    /// One event: the clocks are read, what is due before it is done, it happens, it is logged.
    fn event<T>(
        &self,
        id: AccountId,
        when: When<'_>,
        happen: impl FnOnce(&mut Party, Now, &World) -> Result<(T, Event), Overflow>,
    ) -> Result<T, Overflow> {
        let mut slot = self.lock(id);
        let now = when.read();
        let Slot { party, log, .. } = &mut *slot.slot;
        self.note(self.world.catch_up(party, now))?;
        let (result, event) = self.note(happen(party, now, &self.world))?;
        if self.logging == Logging::Full {
            log.push(Entry { now, event });
        }
        Ok(result)
    }

    /// Keeps the first overflow: the books are no longer complete, so the whole run must end with it.
    fn note<T>(&self, result: Result<T, Overflow>) -> Result<T, Overflow> {
        result.inspect_err(|overflow| {
            self.overflow.get_or_init(|| *overflow);
        })
    }

    fn lock(&self, id: AccountId) -> Held<'_> {
        Held { slot: self.slots[id.0 as usize].lock().expect(NOT_POISONED), id, accounts: self }
    }
}

impl Deref for Held<'_> {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.slot
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Slot {
        &mut self.slot
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Some(desk) = &self.accounts.desk else { return };
        let Slot { party, wakes, .. } = &mut *self.slot;
        for wish in party.take_wishes() {
            desk.wish(self.id, wish);
        }
        if party.hears() == Hears::ByTheWall && !party.waits() {
            let due = self.accounts.world.next_moment(party);
            if due < *wakes {
                *wakes = due;
                desk.wake(self.id, due);
            }
        }
    }
}

const NOT_POISONED: &str = "a panic ends the process, so no lock is ever poisoned";

// === The processor outside ===

impl Accounts {
    /// Something has come for an account from the processor. Whoever waited for it goes on. An overflow is kept as by
    /// [`Self::served`].
    pub fn heard(&self, id: AccountId, when: When<'_>, came: Came) {
        let mut slot = self.lock(id);
        let (last, hears, waited) = (slot.last, slot.party.hears(), slot.party.waits());
        let now = last.unwrap_or_else(|| when.read());
        self.note(self.world.heard(&mut slot.party, now, came).map(drop)).unwrap_or_default();
        if self.logging == Logging::Full && hears == Hears::ByTheWall {
            slot.log.push(Entry { now, event: Event::Heard(came) });
        }
        slot.wake_turn();
        let is_at_its_end = last.is_some() && waited && !slot.party.waits();
        // What it wants now is put on the desk first.
        drop(slot);
        if let Some(desk) = self.desk.as_ref().filter(|_| is_at_its_end) {
            desk.has_come();
        }
    }

    /// Does what is due for an account, as somebody was asked to do at `at`; unless others were asked to do so earlier.
    pub(super) fn wake(&self, id: AccountId, at: Time, when: When<'_>) {
        let mut slot = self.lock(id);
        if slot.wakes != at {
            return;
        }
        slot.wakes = Time::NEVER;
        let now = when.read();
        self.note(self.world.catch_up(&mut slot.party, now).map(drop)).unwrap_or_default();
    }

    /// When every call is over: plays all accounts on until just before `end`, each as far as the answers have come that
    /// are due; with the others that come later, it goes on.
    ///
    /// # Errors
    /// When an amount leaves the range.
    pub fn play_to(&self, end: Now) -> Result<(), Overflow> {
        let last = World::last(end);
        self.ids().try_for_each(|id| {
            let mut slot = self.lock(id);
            slot.last = Some(last);
            let caught_up = self.note(self.world.catch_up(&mut slot.party, last))?;
            if let Some(desk) = self.desk.as_ref().filter(|_| caught_up == CaughtUp::Waits) {
                desk.waits();
            }
            Ok(())
        })
    }

    /// Whether there is such an account.
    pub(super) fn has(&self, id: AccountId) -> bool {
        (id.0 as usize) < self.slots.len()
    }

    /// Whether an account waits for what no webhook has told.
    pub(super) fn misses(&self, id: AccountId) -> bool {
        self.lock(id).party.misses()
    }

    /// What each account knows of its charges so far.
    pub fn collected(&self) -> Vec<Collected> {
        let of = |id| {
            let slot = self.lock(id);
            let Slot { party, .. } = &*slot;
            let (open, returning) = (party.open_charges().to_vec(), party.returning().to_vec());
            Collected { captured: party.captured(), open, returning }
        };
        self.ids().map(of).collect()
    }
}

// === Lockstep ===

impl Accounts {
    /// Whether it is the turn of an event of an account, and everything that is due before it is done; else the task is
    /// woken when it is worth another look. An overflow is told by the event itself.
    pub(crate) fn poll_turn(&self, id: AccountId, step: Step, context: &Context<'_>) -> Poll<()> {
        let mut slot = self.lock(id);
        if slot.turn == step.turn && self.note(self.world.catch_up(&mut slot.party, step.now)) != Ok(CaughtUp::Waits) {
            return Poll::Ready(());
        }
        slot.waiting.retain(|(waiting, _)| *waiting != step.turn);
        slot.waiting.push((step.turn, context.waker().clone()));
        Poll::Pending
    }

    /// The event whose turn it was has happened.
    pub fn pass_turn(&self, id: AccountId) {
        let mut slot = self.lock(id);
        slot.turn += 1;
        slot.wake_turn();
    }
}

impl Slot {
    fn new(party: Party) -> Self {
        Self { party, log: Vec::new(), turn: 0, waiting: Vec::new(), last: None, wakes: Time::NEVER }
    }

    /// Wakes whoever waits for the turn that it is.
    fn wake_turn(&mut self) {
        if let Some(next) = self.waiting.iter().position(|(number, _)| *number == self.turn) {
            self.waiting.swap_remove(next).1.wake();
        }
    }
}

/// The API key of an account.
pub fn key(id: AccountId) -> String {
    format!("key-{:06}", id.0)
}
