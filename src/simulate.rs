//! Plays a scenario in virtual time on several threads.
//!
//! Consumers that share nothing are independent, so the population is cut into chunks that threads take from one
//! counter; what each thread counted is an [`Outcome`] of disjoint consumers, and those are merged. Nothing depends on
//! which thread played what.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use farebox_engine::billing::account::Consumer;
use farebox_engine::draw;
use farebox_engine::model::Scenario;
use farebox_engine::money::Overflow;
use farebox_engine::oracle::Oracle;
use farebox_engine::outcome::Outcome;
use farebox_engine::record::Recorder;
use farebox_engine::sim::{self, Scratch};
use farebox_engine::time::Time;
use farebox_engine::world::World;

use crate::control::Control;

/// How many consumers a thread takes at once: enough that the counter is no contention, few enough that all threads
/// finish together and an interrupt is answered soon.
const CHUNK: u32 = 64;

/// Consumers `[from, to)` of one cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Index of the cohort.
    pub cohort: u32,
    /// The first consumer.
    pub from: u32,
    /// The one after the last.
    pub to: u32,
}

/// Every consumer of a scenario, as parts.
pub fn everyone(scenario: &Scenario) -> Vec<Part> {
    let cohorts = scenario.cohorts.iter().enumerate();
    cohorts.map(|(cohort, of)| Part { cohort: cohort as u32, from: 0, to: of.count }).collect()
}

/// Plays a whole scenario as often as it asks for: replication 0 from its seed, each further one from a seed made of that
/// and its number. The control counts consumers over all of them; canceled, what it has are the replications
/// that were played whole, or as much of the first as there is.
pub fn replicate(scenario: &Arc<Scenario>, jobs: NonZeroUsize, control: &Control) -> Result<Outcome, Overflow> {
    let play = |number: u32| {
        let scenario = match number {
            0 => Arc::clone(scenario),
            _ => Arc::new(Scenario { seed: draw::replication(scenario.seed, number), ..(**scenario).clone() }),
        };
        let world = World::whole(Arc::clone(&scenario))?;
        simulate(&world, &everyone(&scenario), jobs, control)
    };
    let mut all = play(0)?.as_replication(scenario.seed, 0);
    for number in (1..scenario.replications).take_while(|_| !control.is_canceled()) {
        let next = play(number)?.as_replication(scenario.seed, number);
        // Half a replication would be averaged in as if it were a whole one.
        if next.is_partial() {
            break;
        }
        all.stack(next).expect("replications are of one scenario and have numbers of their own");
    }
    let played = u32::try_from(all.replication_count()).unwrap_or(u32::MAX);
    all.missing = scenario.replications.saturating_sub(played);
    Ok(all)
}

/// Plays these parts of the population over the world's whole time; the control counts consumers. Canceled, it ends
/// after the chunks being played, and the outcome holds what was. The outcome is the same for any number of `jobs`,
/// and those of disjoint parts merge to the outcome of the whole.
///
/// Consumers that share an upstream are played together, on one thread: their parts are all of the population or nothing
/// is right, and canceled, nobody has been played.
pub fn simulate(world: &World, parts: &[Part], jobs: NonZeroUsize, control: &Control) -> Result<Outcome, Overflow> {
    if world.is_shared() {
        return play_shared(world, parts, control);
    }
    let chunks: Vec<Part> = parts.iter().flat_map(|part| cut(*part)).collect();
    let next = AtomicUsize::new(0);
    let work = || play_chunks(world, &chunks, &next, control);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..jobs.get().min(chunks.len())).map(|_| scope.spawn(work)).collect();
        let mut outcome = work()?;
        for other in others {
            let other = other.join().expect("a thread that panics ends the process")?;
            outcome.merge(&other).expect("threads play disjoint consumers of one scenario");
        }
        Ok(outcome)
    })
}

fn cut(part: Part) -> impl Iterator<Item = Part> {
    (part.from..part.to).step_by(CHUNK as usize).map(move |from| Part {
        cohort: part.cohort,
        from,
        to: part.to.min(from.saturating_add(CHUNK)),
    })
}

/// Everyone, together.
fn play_shared(world: &World, parts: &[Part], control: &Control) -> Result<Outcome, Overflow> {
    let consumers =
        || parts.iter().flat_map(|part| (part.from..part.to).map(|index| Consumer { cohort: part.cohort, index }));
    let (count, until) = (consumers().count() as f64, world.schedule.pace().until.ns() as f64);
    let recorder = || Recorder::over(world.scenario.cohorts.len(), world.schedule.pace().until.since(Time::START));
    let (mut record, mut oracle) = (recorder(), Oracle::where_needed(world));
    let mut go_on = |now: Time| {
        control.done.store((count * now.ns() as f64 / until) as u64, Ordering::Relaxed);
        !control.is_canceled()
    };
    let mut played = vec![Vec::new(); world.scenario.cohorts.len()];
    let is_over = match &mut oracle {
        Some(oracle) => sim::play_component(world, consumers(), &mut oracle.beside(&mut record), &mut go_on)?,
        None => sim::play_component(world, consumers(), &mut record, &mut go_on)?,
    };
    if is_over {
        for part in parts {
            played[part.cohort as usize].push([part.from, part.to]);
        }
    } else {
        (record, oracle) = (recorder(), Oracle::where_needed(world));
    }
    let horizon = world.schedule.pace().until.ns().cast_unsigned();
    let tables = oracle.map(Oracle::tables).transpose()?;
    Ok(Outcome::new(&world.scenario, horizon, &record, &played).judged(&world.scenario, tables.as_deref()))
}

/// One thread's share.
fn play_chunks(world: &World, chunks: &[Part], next: &AtomicUsize, control: &Control) -> Result<Outcome, Overflow> {
    let cohorts = world.scenario.cohorts.len();
    let length = world.schedule.pace().until.since(Time::START);
    let (mut recorder, mut oracle) = (Recorder::over(cohorts, length), Oracle::where_needed(world));
    let mut scratch = Scratch::default();
    let mut played = vec![Vec::new(); cohorts];
    while !control.is_canceled()
        && let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed))
    {
        for index in chunk.from..chunk.to {
            let consumer = Consumer { cohort: chunk.cohort, index };
            match &mut oracle {
                Some(oracle) => sim::play(world, consumer, &mut oracle.beside(&mut recorder), &mut scratch)?,
                None => sim::play(world, consumer, &mut recorder, &mut scratch)?,
            }
        }
        played[chunk.cohort as usize].push([chunk.from, chunk.to]);
        control.done.fetch_add(u64::from(chunk.to - chunk.from), Ordering::Relaxed);
    }
    let tables = oracle.map(Oracle::tables).transpose()?;
    Ok(Outcome::new(&world.scenario, length.ns(), &recorder, &played).judged(&world.scenario, tables.as_deref()))
}
