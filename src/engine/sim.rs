//! Plays one consumer through the whole time, from event to event; knows no thread.
//!
//! Consumers share nothing, so each is played alone, with its state in cache and no global event queue. The order of
//! events at one instant is: deadlines, answers of the upstream, new calls.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::billing::account::{Account, Consumer};
use crate::billing::gate::Decision;
use crate::billing::hold::HoldId;
use crate::distribution::Distribution;
use crate::draw::Stream;
use crate::model::PerMeter;
use crate::money::Overflow;
use crate::time::{Now, Span, Time};
use crate::world::World;
use crate::world::party::Party;
use crate::world::schedule::Call;

/// Sees what happens to a consumer's calls, in order.
pub trait Observer {
    /// A call was decided.
    fn decided(&mut self, consumer: Consumer, call: &Call, now: Now, decision: Decision);

    /// An admitted call was served, `latency` after it was made.
    fn served(&mut self, consumer: Consumer, call: &Call, hold: HoldId, now: Now, latency: Span);

    /// An admitted call failed: nothing is billed. In virtual time no upstream fails yet; a live one can.
    fn failed(&mut self, consumer: Consumer, call: &Call, hold: HoldId, now: Now);

    /// The played time is over for this consumer; its account is closed.
    fn closed(&mut self, account: &Account);
}

/// What one thread uses again for each consumer that it plays.
#[derive(Debug, Default)]
pub struct Scratch {
    in_flight: BinaryHeap<Reverse<Flight>>,
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
    let latencies = Latencies::new(&world.scenario.upstream.latency, world.schedule.latency_stream(consumer));
    let mut player = Player { world, party, latencies, observer, scratch };
    let mut calls = world.calls(consumer);
    let end = world.schedule.pace().until;
    // The next call is drawn before this one is made, each in its own place: neither is ever copied.
    let mut slots = [Call::default(); 2];
    let mut is_made = calls.next_into(&mut slots[0]);
    while is_made {
        let [call, next] = &mut slots;
        is_made = calls.next_into(next);
        player.land_until(call.at)?;
        if player.party.has_left() {
            break;
        }
        player.call(call, if is_made { next.at } else { end })?;
        slots.swap(0, 1);
    }
    player.close()
}

struct Player<'a, O> {
    world: &'a World,
    party: Party,
    latencies: Latencies<'a>,
    observer: &'a mut O,
    scratch: &'a mut Scratch,
}

impl<O: Observer> Player<'_, O> {
    #[inline]
    fn arrive(&mut self, traffic: Time) -> Result<Now, Overflow> {
        let now = self.world.schedule.pace().clock.at(traffic);
        self.world.catch_up(&mut self.party, now)?;
        Ok(now)
    }

    /// Makes a call; `next` is when the next one comes, or the end.
    #[inline]
    fn call(&mut self, call: &Call, next: Time) -> Result<(), Overflow> {
        let now = self.arrive(call.at)?;
        if self.party.has_left() {
            return Ok(());
        }
        let decision = self.world.request(&mut self.party, now, call.route)?;
        self.observer.decided(self.party.consumer(), call, now, decision);
        let Decision::Admit(admission) = decision else { return Ok(()) };
        let lands = call.at + Span::from_ns(self.latencies.of(call.index));
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

/// The upstream's latencies of one consumer's calls, drawn a block ahead: each is a chain of dependent operations, and
/// side by side the processor overlaps them.
struct Latencies<'a> {
    latency: &'a Distribution,
    stream: Stream,
    /// Those of the calls from `first` on.
    block: [u64; BLOCK],
    first: u64,
}

const BLOCK: usize = 8;

impl<'a> Latencies<'a> {
    fn new(latency: &'a Distribution, stream: Stream) -> Self {
        let mut latencies = Self { latency, stream, block: [0; BLOCK], first: 0 };
        latencies.draw(0);
        latencies
    }

    /// The latency of a call, in ns. Calls are asked for in order.
    #[inline]
    fn of(&mut self, call: u64) -> u64 {
        if call - self.first >= BLOCK as u64 {
            self.draw(call);
        }
        self.block[(call - self.first) as usize]
    }

    #[inline(never)]
    fn draw(&mut self, first: u64) {
        self.first = first;
        self.latency.fill(self.stream, first, &mut self.block);
    }
}
