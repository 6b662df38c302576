//! Plays one consumer through the whole time, from event to event; knows no thread.
//!
//! Consumers share nothing, so each is played alone, with its state in cache and no global event queue. The order of
//! events at one instant is: deadlines, answers of the upstream, new calls.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::billing::account::{Account, Consumer};
use crate::billing::catalog::HOLD_TTL;
use crate::billing::gate::Decision;
use crate::billing::headroom::{ALONE, Passed};
use crate::billing::hold::HoldId;
use crate::draw::Ahead;
use crate::model::PerMeter;
use crate::money::Overflow;
use crate::time::{Now, Span, Time};
use crate::world::World;
use crate::world::party::Party;
use crate::world::schedule::{Call, Calls};

/// Sees what happens to a consumer's calls, in order.
pub trait Observer {
    /// Whether calls of which none can be refused may be told together: their latencies one by one, then [`Self::passed`].
    const TOGETHER: bool = false;

    /// A call was decided.
    fn decided(&mut self, consumer: Consumer, call: &Call, now: Now, decision: Decision);

    /// An admitted call was served, `latency` after it was made.
    fn served(&mut self, consumer: Consumer, call: &Call, hold: HoldId, now: Now, latency: Span);

    /// An admitted call failed: nothing is billed. In virtual time no upstream fails yet; a live one can.
    fn failed(&mut self, consumer: Consumer, call: &Call, hold: HoldId, now: Now);

    /// A call passes and is served so much later; the calls that do will be told by [`Self::passed`].
    fn latency(&mut self, _consumer: Consumer, _latency: Span) {}

    /// These calls have passed, each served before the next.
    fn passed(&mut self, _consumer: Consumer, _passed: &Passed) {}

    /// The played time is over for this consumer; its account is closed.
    fn closed(&mut self, account: &Account);
}

/// What one thread uses again for each consumer that it plays.
#[derive(Debug, Default)]
pub struct Scratch {
    in_flight: BinaryHeap<Reverse<Flight>>,
    passed: Passed,
}

/// A call that the upstream has not answered yet; ordered by when it will, then by the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    lands: Time,
    index: u64,
    made: Time,
    hold: HoldId,
    route: u16,
    usage: PerMeter<u64>,
}

/// Plays one consumer from the start to the end.
pub fn play<O: Observer>(
    world: &World,
    consumer: Consumer,
    observer: &mut O,
    scratch: &mut Scratch,
) -> Result<(), Overflow> {
    scratch.in_flight.clear();
    let party = world.open(consumer)?;
    let latencies = Ahead::new(world.schedule.latency_stream(consumer));
    let mut player = Player { world, party, latencies, observer, scratch, alone: 0 };
    let mut upcoming = Upcoming::new(world.calls(consumer));
    while let Some(call) = upcoming.first() {
        player.land_until(call.at)?;
        let now = player.arrive(call.at)?;
        if player.party.has_left() {
            break;
        }
        if O::TOGETHER && player.alone == 0 && player.scratch.in_flight.is_empty() {
            player.call_together(&mut upcoming, now)?;
            continue;
        }
        player.alone = player.alone.saturating_sub(1);
        player.call(call, now, upcoming.calls.next_at())?;
        upcoming.advance();
    }
    player.close()
}

struct Player<'a, O> {
    world: &'a World,
    party: Party,
    latencies: Ahead,
    observer: &'a mut O,
    scratch: &'a mut Scratch,
    /// How many calls are made one by one before the next try to make them together.
    alone: u32,
}

/// The next call, which is not made yet, and those after it.
struct Upcoming<'a> {
    calls: Calls<'a>,
    first: Call,
    is_there: bool,
}

impl<'a> Upcoming<'a> {
    fn new(calls: Calls<'a>) -> Self {
        let mut upcoming = Self { calls, first: Call::default(), is_there: true };
        upcoming.advance();
        upcoming
    }

    #[inline]
    fn first(&self) -> Option<&Call> {
        self.is_there.then_some(&self.first)
    }

    #[inline]
    fn advance(&mut self) {
        self.is_there = self.calls.next_into(&mut self.first);
    }
}

impl<O: Observer> Player<'_, O> {
    #[inline]
    fn arrive(&mut self, traffic: Time) -> Result<Now, Overflow> {
        let now = self.world.schedule.pace().clock.at(traffic);
        self.world.catch_up(&mut self.party, now)?;
        Ok(now)
    }

    /// Makes calls as far as none of them can be refused but by a limit, and each is served before the next: what they do
    /// to the account is done once.
    fn call_together(&mut self, upcoming: &mut Upcoming, now: Now) -> Result<(), Overflow> {
        let clock = self.world.schedule.pace().clock;
        let (calls, until) = self.world.headroom(&self.party, now);
        let drawn = &self.world.scenario.upstream.latency;
        let passed = &mut self.scratch.passed;
        passed.clear();
        let mut served = Time::START;
        while let Some(call) = upcoming.first()
            && passed.calls < calls
        {
            let latency = self.latencies.of(call.index, |stream, first, block| drawn.fill(stream, first, block));
            let latency = Span::from_ns(latency);
            let lands = call.at + latency;
            let is_alone = lands < upcoming.calls.next_at() && lands < until && latency < HOLD_TTL;
            if !is_alone || !self.party.account.passes_limits(clock.at(call.at), &self.world.catalog) {
                break;
            }
            self.observer.latency(self.party.consumer(), latency);
            passed.count(call.route, &call.usage);
            served = lands;
            upcoming.advance();
        }
        // What comes next has to be looked at; after little success, so has what comes after it, likely.
        self.alone = if passed.calls < 2 { ALONE } else { 1 };
        if passed.calls == 0 {
            return Ok(());
        }
        self.world.passed(&mut self.party, clock.at(served), passed)?;
        self.observer.passed(self.party.consumer(), passed);
        Ok(())
    }

    /// Makes a call; `next` is when the next one comes, or the end.
    #[inline]
    fn call(&mut self, call: &Call, now: Now, next: Time) -> Result<(), Overflow> {
        let decision = self.world.request(&mut self.party, now, call.route)?;
        self.observer.decided(self.party.consumer(), call, now, decision);
        let Decision::Admit(admission) = decision else { return Ok(()) };
        let drawn = &self.world.scenario.upstream.latency;
        let latency = self.latencies.of(call.index, |stream, first, block| drawn.fill(stream, first, block));
        let lands = call.at + Span::from_ns(latency);
        // Mostly the answer comes before anything else happens, the end included, and need not be queued.
        if self.scratch.in_flight.is_empty() && lands < next {
            return self.land(lands, call, admission.hold);
        }
        let Call { index, at, route, usage } = *call;
        let flight = Flight { lands, index, made: at, hold: admission.hold, route, usage };
        self.scratch.in_flight.push(Reverse(flight));
        Ok(())
    }

    /// Serves what the upstream has answered by `until`, this instant included.
    #[inline]
    fn land_until(&mut self, until: Time) -> Result<(), Overflow> {
        while let Some(Reverse(flight)) = self.scratch.in_flight.peek()
            && flight.lands <= until
        {
            let Flight { lands, index, made, hold, route, usage } = *flight;
            self.scratch.in_flight.pop();
            self.land(lands, &Call { index, at: made, route, usage }, hold)?;
        }
        Ok(())
    }

    #[inline]
    fn land(&mut self, lands: Time, call: &Call, hold: HoldId) -> Result<(), Overflow> {
        let now = self.arrive(lands)?;
        self.world.served(&mut self.party, now, hold, &call.usage)?;
        self.observer.served(self.party.consumer(), call, hold, now, lands.since(call.at));
        Ok(())
    }

    fn close(mut self) -> Result<(), Overflow> {
        let end = self.world.end();
        self.land_until(end.traffic - Span::from_ns(1))?;
        self.world.close(&mut self.party, end)?;
        self.observer.closed(self.party.account());
        Ok(())
    }
}
