//! Plays one consumer through the whole time, from event to event; knows no thread.
//!
//! Consumers share nothing, so each is played alone, with its state in cache and no global event queue. The order of
//! events at one instant is: deadlines, answers of the upstream, new calls.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::billing::account::{Account, Consumer};
use crate::billing::gate::{Action, Decision, View};
use crate::billing::hold::HoldId;
use crate::distribution::Latency;
use crate::draw::Stream;
use crate::money::Overflow;
use crate::time::{Now, Span, Time};
use crate::world::World;
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
    actions: Vec<Action>,
}

/// A call that the upstream has not answered yet; ordered by when it will, then by the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    lands: Time,
    index: u64,
    made: Time,
    hold: HoldId,
}

/// Plays one consumer from the start to the end.
pub fn play<O: Observer>(
    world: &World,
    consumer: Consumer,
    observer: &mut O,
    scratch: &mut Scratch,
) -> Result<(), Overflow> {
    scratch.in_flight.clear();
    let account = world.open(consumer)?;
    let latencies = Latencies::new(world.scenario.upstream.latency, world.schedule.latency_stream(consumer));
    let mut player = Player { world, account, latencies, observer, scratch };
    let mut calls = world.schedule.calls(consumer).peekable();
    let end = world.schedule.pace().until;
    while let Some(call) = calls.next() {
        player.land_until(call.at)?;
        player.call(&call, calls.peek().map_or(end, |next| next.at))?;
    }
    player.close()
}

struct Player<'a, O> {
    world: &'a World,
    account: Account,
    latencies: Latencies,
    observer: &'a mut O,
    scratch: &'a mut Scratch,
}

impl<O: Observer> Player<'_, O> {
    #[inline]
    fn arrive(&mut self, traffic: Time) -> Result<Now, Overflow> {
        let now = self.world.schedule.pace().clock.at(traffic);
        self.world.catch_up(&mut self.account, now, &mut self.scratch.actions)?;
        Ok(now)
    }

    /// Makes a call; `next` is when the next one comes, or the end.
    #[inline]
    fn call(&mut self, call: &Call, next: Time) -> Result<(), Overflow> {
        let now = self.arrive(call.at)?;
        let decision = self.account.request(now, &self.world.catalog, View::ReadThrough)?;
        self.observer.decided(self.account.consumer(), call, now, decision);
        let Decision::Admit(admission) = decision else { return Ok(()) };
        let lands = call.at + Span::from_ns(self.latencies.of(call.index));
        let flight = Flight { lands, index: call.index, made: call.at, hold: admission.hold };
        // Mostly the answer comes before anything else happens, the end included, and need not be queued.
        if self.scratch.in_flight.is_empty() && lands < next {
            return self.land(&flight);
        }
        self.scratch.in_flight.push(Reverse(flight));
        Ok(())
    }

    /// Serves what the upstream has answered by `until`, this instant included.
    #[inline]
    fn land_until(&mut self, until: Time) -> Result<(), Overflow> {
        while let Some(Reverse(flight)) = self.scratch.in_flight.peek()
            && flight.lands <= until
        {
            let flight = *flight;
            self.scratch.in_flight.pop();
            self.land(&flight)?;
        }
        Ok(())
    }

    #[inline]
    fn land(&mut self, flight: &Flight) -> Result<(), Overflow> {
        let consumer = self.account.consumer();
        let now = self.arrive(flight.lands)?;
        let call =
            Call { index: flight.index, at: flight.made, usage: *self.world.schedule.usage(consumer, flight.index) };
        self.account.served(now, &self.world.catalog, flight.hold, &call.usage)?;
        self.observer.served(consumer, &call, flight.hold, now, flight.lands.since(flight.made));
        Ok(())
    }

    fn close(mut self) -> Result<(), Overflow> {
        let end = self.world.end();
        self.land_until(end.traffic - Span::from_ns(1))?;
        self.world.close(&mut self.account, end, &mut self.scratch.actions)?;
        self.observer.closed(&self.account);
        Ok(())
    }
}

/// The upstream's latencies of one consumer's calls, drawn a block ahead: each is a chain of dependent operations, and
/// side by side the processor overlaps them.
struct Latencies {
    latency: Latency,
    stream: Stream,
    /// Those of the calls from `first` on.
    block: [u64; BLOCK],
    first: u64,
}

const BLOCK: usize = 8;

impl Latencies {
    fn new(latency: Latency, stream: Stream) -> Self {
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
        for (i, latency) in self.block.iter_mut().enumerate() {
            *latency = self.latency.sample(self.stream.word(first.wrapping_add(i as u64)));
        }
    }
}
