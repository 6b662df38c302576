//! Who is to be called when, and one thread's share of it.

use std::num::NonZeroUsize;

use farebox_engine::time::Time;
use farebox_engine::world::World;

use crate::live::accounts::AccountId;

/// A call of the schedule to be made: 16 bytes, because a long load has many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival {
    pub(super) at: Time,
    pub(super) account: AccountId,
    /// Which of the consumer's calls in the schedule it is.
    pub(super) number: u32,
}

/// An attempt at a call that is to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) account: AccountId,
    /// The call's index.
    pub(super) call: u64,
    /// The intended start of its first attempt.
    pub(super) since: Time,
    /// From 1.
    pub(super) attempt: u32,
    /// Its intended start.
    pub(super) at: Time,
}

/// What each thread of a load has to call, drawn before its time begins: a long schedule takes a while.
#[derive(Clone, Debug)]
pub struct Shares(pub(super) Vec<Vec<Arrival>>);

impl Shares {
    /// Those of a load on so many threads, with room for so many calls at once.
    pub fn of(world: &World, threads: NonZeroUsize, places: u32) -> Self {
        // A thread without a place to send from would only make its calls late.
        let threads = threads.get().min(places as usize).max(1);
        std::thread::scope(|scope| {
            let drawn: Vec<_> =
                (0..threads).map(|index| scope.spawn(move || arrivals(world, index, threads))).collect();
            Self(drawn.into_iter().map(|share| share.join().expect("a thread that panics ends the process")).collect())
        })
    }
}

/// One thread's share of the schedule, in time order. A consumer's calls go to the threads in turn, so that each has its
/// share even of a single consumer; a session stays on its thread.
fn arrivals(world: &World, index: usize, threads: usize) -> Vec<Arrival> {
    let calls = world.consumers().enumerate().flat_map(|(id, consumer)| {
        let step = world.schedule.step(consumer);
        let calls = world.calls(consumer).map(move |call| (call.at, call.index / step));
        calls.filter(move |(_, number)| (id as u64 + number) % threads as u64 == index as u64).map(
            move |(at, number)| {
                let number = u32::try_from(number).expect("one consumer of a load makes fewer than 2³² calls");
                Arrival { at, account: AccountId(id as u32), number }
            },
        )
    });
    let mut arrivals: Vec<_> = calls.collect();
    arrivals.sort_unstable();
    arrivals
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use farebox_engine::billing::account::Consumer;
    use farebox_engine::model::{Arrivals, Cohort, Plan, Scenario};
    use farebox_engine::time::Span;

    use super::*;

    /// Two threads of which one has all the calls, and half of the connections, would make its calls late.
    #[test]
    fn every_thread_has_its_share_of_a_single_consumer() {
        let mut scenario = Scenario::new("one", Span::from_secs(1_000));
        scenario.plans.push(Plan::new("free"));
        scenario.cohorts.push(Cohort::new("alone", 1, Arrivals::Poisson { mean_gap_ns: 1e9, spread: None }));
        let world = World::whole(Arc::new(scenario)).unwrap();
        let shares: Vec<_> = (0..3).map(|index| arrivals(&world, index, 3)).collect();
        let mut calls: Vec<_> = shares.iter().flatten().map(|arrival| arrival.number).collect();
        calls.sort_unstable();
        let all = world.calls(Consumer { cohort: 0, index: 0 }).map(|call| call.index as u32);
        assert!(calls.into_iter().eq(all), "each call is made by one thread");
        let (least, most) = (shares.iter().map(Vec::len).min(), shares.iter().map(Vec::len).max());
        assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{least:?} to {most:?}");
    }
}
