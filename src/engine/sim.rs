//! Plays consumers through the whole time, from event to event; knows no thread.
//!
//! Consumers that share nothing are played one at a time, each with its state in cache and no global event queue
//! ([`play`]). Those that share an upstream of limited capacity are one component, and are played together in the order of
//! time ([`play_component`]). The order of events at one instant is: deadlines, answers of the upstream, new calls, then
//! what waits: further attempts, and clients who wait for an answer no longer.

mod calendar;
mod component;
mod player;
mod tab;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem;

use crate::billing::account::{Account, Consumer};
use crate::billing::cause::{Cause, Failure, Kind};
use crate::billing::gate::Decision;
use crate::billing::headroom::Passed;
use crate::billing::hold::HoldId;
use crate::model::PerMeter;
use crate::money::Overflow;
use crate::time::{Now, Span, Time};
use crate::world::World;
use crate::world::path::Journey;
use crate::world::schedule::{Call, Drawn};

pub use component::play_component;
use player::{Player, Try};
use tab::Tab;

/// Sees what happens to a consumer's calls, in order.
pub trait Observer {
    /// Whether calls of which none can be refused may be told together: their latencies one by one, then [`Self::passed`].
    const TOGETHER: bool = false;

    /// A call is about to be decided; the account is as it stands before, had it heard of all that has happened.
    #[inline]
    fn asked(&mut self, _account: &Account, _call: &Call, _now: Now) {}

    /// A call was decided.
    fn decided(&mut self, consumer: Consumer, call: &Call, now: Now, decision: Decision);

    /// An admitted call has been settled, as it was served or given up; [`Self::served`], [`Self::gave_up`] or
    /// [`Self::ended`] tells it next.
    #[inline]
    fn settled(&mut self, _account: &Account, _hold: HoldId) {}

    /// An admitted call was served, `latency` after it was made.
    fn served(&mut self, consumer: Consumer, call: &Call, hold: HoldId, now: Now, latency: Span);

    /// An admitted call failed so: nothing is billed.
    fn failed(&mut self, consumer: Consumer, call: &Call, hold: HoldId, failure: Failure, now: Now);

    /// The client of an admitted call has given it up, and had been sent so much by then: to the client it has failed. The
    /// exchange with the upstream goes on, and [`Self::ended`] tells its end.
    fn gave_up(&mut self, consumer: Consumer, call: &Call, hold: HoldId, _sent: &PerMeter<u64>, now: Now) {
        self.failed(consumer, call, hold, Failure::GAVE_UP, now);
    }

    /// The exchange of a call that its client had given up is over: it was answered, or has failed so.
    fn ended(&mut self, _consumer: Consumer, _call: &Call, _hold: HoldId, _failed: Option<Failure>, _now: Now) {}

    /// The answer to a served call was streamed: how long its first token took.
    fn first_token(&mut self, _consumer: Consumer, _latency: Span) {}

    /// A further attempt is made at a call whose last one has ended so; [`Self::decided`] tells it next.
    fn again(&mut self, _consumer: Consumer, _route: u16, _ended: Ended) {}

    /// A call was served at a further attempt, so long after its first was to be made; [`Self::served`] has told that too.
    fn recovered(&mut self, _consumer: Consumer, _route: u16, _took: Span) {}

    /// The last attempt at a call was refused, under this price version, for a cause that [`Ended::is_lost_demand`] means:
    /// what it would have used. [`Self::decided`] has told it too.
    fn lost(&mut self, _consumer: Consumer, _terms: u32, _usage: &PerMeter<u64>) {}

    /// A call, made at `at`, passes and is served so much later; the calls that do will be told by [`Self::passed`].
    fn latency(&mut self, _consumer: Consumer, _at: Time, _latency: Span) {}

    /// These calls have passed, each served before the next.
    fn passed(&mut self, _consumer: Consumer, _passed: &Passed) {}

    /// The played time is over for this consumer; its account is closed.
    fn closed(&mut self, account: &Account, tried: &Tried);
}

/// How an attempt has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// Answered by the upstream.
    Served,
    /// Answered by the gateway.
    Refused(Cause),
    /// Gone wrong behind the gateway.
    Failed(Failure),
    /// Not at all before the time ended.
    Open,
}

impl Ended {
    /// Whether somebody wanted what was not sold to them: refused for money, or by a limit.
    pub fn is_lost_demand(self) -> bool {
        matches!(self, Self::Refused(cause) if matches!(cause.kind(), Kind::Billing | Kind::Limit))
    }
}

/// What the attempts of one consumer have come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// How many were made.
    pub attempts: u64,
    /// Of those, how many were refused.
    pub refused: u64,
    /// How many were followed by another at the same call.
    pub again: u64,
    /// Of those, how many were refused.
    pub refused_again: u64,
    /// The causes that they were refused for, as bits by their index.
    pub met: u32,
}

impl Tried {
    /// One more attempt, decided so.
    #[inline]
    pub fn count(&mut self, decision: Decision) {
        self.attempts += 1;
        if let Decision::Refuse(cause) = decision {
            self.refused += 1;
            self.met |= 1 << cause.index();
        }
    }

    /// An attempt that has ended so is followed by another.
    pub fn again(&mut self, ended: Ended) {
        self.again += 1;
        self.refused_again += u64::from(matches!(ended, Ended::Refused(_)));
    }
}

/// What one thread uses again for each consumer that it plays.
#[derive(Debug, Default)]
pub struct Scratch {
    in_flight: BinaryHeap<Reverse<Flight>>,
    tab: Tab,
}

/// An attempt that the upstream has not answered yet; ordered by when it will, then by the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    lands: Time,
    tried: Try,
    hold: HoldId,
    /// How it fails.
    fails: Option<Failure>,
}

/// Plays one consumer from the start to the end.
pub fn play<O: Observer>(
    world: &World,
    consumer: Consumer,
    observer: &mut O,
    scratch: &mut Scratch,
) -> Result<(), Overflow> {
    scratch.in_flight.clear();
    let tab = mem::take(&mut scratch.tab);
    let mut solo = Solo { player: Player::open(world, consumer, tab)?, observer, scratch };
    while solo.next()? {}
    // Of one who has left, what is in flight still comes home; else it has.
    while solo.land_first()? {}
    solo.player.close(solo.observer)?;
    scratch.tab = solo.player.tab;
    Ok(())
}

/// One consumer, played alone.
struct Solo<'a, O> {
    player: Player<'a>,
    observer: &'a mut O,
    scratch: &'a mut Scratch,
}

impl<O: Observer> Solo<'_, O> {
    /// Lands an answer, or makes the next attempt, or calls together; `false` when nothing comes before the end. An answer
    /// may be followed by an attempt that comes before what was next, so each is landed by itself.
    #[inline]
    fn next(&mut self) -> Result<bool, Overflow> {
        let at = self.player.next_at();
        if let Some(Reverse(flight)) = self.scratch.in_flight.peek()
            && flight.lands <= at
        {
            return self.land_first();
        }
        if at == Time::NEVER {
            return Ok(false);
        }
        let now = self.player.arrive(at)?;
        if self.player.party.has_left() {
            return self.player.leaves(now, self.observer);
        }
        if self.player.passes_over() {
            return Ok(true);
        }
        if O::TOGETHER && self.scratch.in_flight.is_empty() && self.player.opens_tab(now) {
            self.call_together()?;
        } else {
            self.attempt(now)?;
        }
        Ok(true)
    }

    /// Makes the calls that go on the open tab, each served before the next, and settles it. What the loop reads and writes
    /// is at hand in it: it is most of the work of a simulation.
    fn call_together(&mut self) -> Result<(), Overflow> {
        let Player { world, party, consumer, latencies, calls, call, is_there, tab, .. } = &mut self.player;
        let (clock, only) = (world.schedule.pace().clock, world.only());
        let errors = world.schedule.attempts(*consumer, Drawn::Error);
        let (mut served, mut sum, mut longest) = (Time::START, 0, Span::ZERO);
        while *is_there && tab.has_room() {
            let Journey { takes: latency, fails } = match only {
                Some(upstream) => {
                    let works =
                        latencies.of(call.index, |stream, first, block| upstream.latency.fill(stream, first, block));
                    let fails = upstream.errors.drawn(|| errors.word(call.index));
                    let takes = upstream.takes(Span::from_ns(works), &call.usage);
                    Journey { takes, fails: fails.map(|status| Failure::answered(0, status)) }
                }
                None => world.journey(*consumer, call),
            };
            let lands = call.at + latency;
            let is_alone = lands < calls.next_at() && tab.takes_answer(call.at, lands);
            if !is_alone || fails.is_some() || !party.account.passes_limits(clock.at(call.at), &world.catalog) {
                break;
            }
            self.observer.latency(*consumer, call.at, latency);
            if let Some(first) = world.first_token(call.route, &call.usage, latency) {
                self.observer.first_token(*consumer, first);
            }
            tab.passed.count(call.route, &call.usage);
            (served, sum, longest) = (lands, sum + latency.ns(), longest.max(latency));
            *is_there = calls.next_into(call);
        }
        (tab.served, tab.passed.latency_sum, tab.passed.latency_max) = (served, Span::from_ns(sum), longest);
        self.player.settle_tab(self.observer)
    }

    /// Makes the next attempt.
    #[inline]
    fn attempt(&mut self, now: Now) -> Result<(), Overflow> {
        let Some((tried, hold)) = self.player.attempt(now, self.observer)? else { return Ok(()) };
        let Journey { takes, fails } = self.player.journey(&tried);
        let lands = tried.at + takes;
        // Mostly the answer comes before anything else happens, the end included, and need not be queued.
        if self.scratch.in_flight.is_empty() && lands < self.player.next_at().min(self.player.end()) {
            return self.player.land(lands, &tried, hold, fails, self.observer);
        }
        self.scratch.in_flight.push(Reverse(Flight { lands, tried, hold, fails }));
        Ok(())
    }

    /// Lands the first answer that comes, if any does before the end.
    fn land_first(&mut self) -> Result<bool, Overflow> {
        let flight = self.scratch.in_flight.pop().filter(|Reverse(flight)| flight.lands < self.player.end());
        let Some(Reverse(Flight { lands, tried, hold, fails })) = flight else { return Ok(false) };
        self.player.land(lands, &tried, hold, fails, self.observer)?;
        Ok(true)
    }
}
