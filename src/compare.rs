//! Plays scenarios side by side in virtual time: a base and its variants, each consumer under all of them, one after the
//! other, by one thread. So memory holds a chunk of lives per thread, and no outcome of a whole scenario has to be kept.
//!
//! Draws have addresses, and those of a consumer are addressed by the name of the cohort and the index within it. So that
//! is what consumers are paired by, across whatever else two files differ in.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use farebox_engine::billing::account::Consumer;
use farebox_engine::draw;
use farebox_engine::lives::Lives;
use farebox_engine::model::Scenario;
use farebox_engine::money::Overflow;
use farebox_engine::outcome::{Paired, Unlike};
use farebox_engine::sim::{self, Scratch};
use farebox_engine::world::World;

use crate::control::Control;

/// How many consumers a thread takes at once, as in a simulation.
const CHUNK: u32 = 64;

/// How many cohorts a comparison may keep: those of each variant, in each replication, of some 3 KB each.
pub const COHORTS_MAX: u64 = 50_000;

/// Scenarios that can be paired: a base, and at least one variant.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The base first.
    sides: Vec<Arc<Scenario>>,
}

/// Why there is no comparison.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// A variant and the base have too little in common.
    #[error("`{variant}` cannot be compared with `{base}` consumer by consumer")]
    Unlike {
        /// The base's name.
        base: String,
        /// The variant's name.
        variant: String,
        /// What differs.
        source: Unlike,
    },
    /// An amount has left the range.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

impl Comparison {
    /// Scenarios side by side, once it is certain that they can be: they share the seed, the currency, the start and the
    /// horizon.
    pub fn new(base: Arc<Scenario>, variants: Vec<Arc<Scenario>>) -> Result<Self, CompareError> {
        for variant in &variants {
            Paired::new(&base, variant).map_err(|source| CompareError::Unlike {
                base: base.name.clone(),
                variant: variant.name.clone(),
                source,
            })?;
        }
        Ok(Self { sides: [base].into_iter().chain(variants).collect() })
    }

    /// How many consumers one replication plays, over all sides.
    pub fn consumers(&self) -> u64 {
        let cohorts = self.sides.iter().flat_map(|side| &side.cohorts);
        cohorts.map(|cohort| u64::from(cohort.count)).sum()
    }

    /// How many cohorts one replication keeps: of each variant its own and the base's, by their names.
    pub fn cohorts(&self) -> u64 {
        let (base, variants) = self.sides.split_first().expect("a comparison has a base");
        let names = |variant: &Arc<Scenario>| -> usize {
            let cohorts = base.cohorts.iter().chain(&variant.cohorts);
            cohorts.map(|cohort| cohort.name.as_str()).collect::<BTreeSet<_>>().len()
        };
        variants.iter().map(names).sum::<usize>() as u64
    }

    /// Plays one replication of all sides: each variant beside the base, in the order that they were given in. The control
    /// counts consumers; canceled, it ends with those that were paired until then. The same for any number of `jobs`.
    ///
    /// Of consumers that share an upstream nobody is paired when it is canceled before they have come to the end.
    pub fn replication(&self, number: u32, jobs: NonZeroUsize, control: &Control) -> Result<Vec<Paired>, Overflow> {
        let seed = draw::replication(self.sides[0].seed, number);
        let draw = |side: &Arc<Scenario>| match number {
            0 => World::whole(Arc::clone(side)),
            _ => World::whole(Arc::new(Scenario { seed, ..(**side).clone() })),
        };
        let worlds: Vec<World> = self.sides.iter().map(draw).collect::<Result<_, _>>()?;
        let nobody: Vec<Paired> = worlds[1..].iter().map(|world| pair(&worlds[0], world)).collect();
        let crowds = crowds(&worlds, &nobody);
        let known = |pairs: Vec<Paired>| -> Vec<Paired> {
            pairs.into_iter().map(|paired| paired.as_replication(self.sides[0].seed, number)).collect()
        };
        let Some(together) = play_together(&worlds, jobs, control)? else { return Ok(known(nobody)) };
        let sides = Sides { worlds: &worlds, together: &together, crowds: &crowds };
        let chunks: Vec<Chunk> = (0..).zip(&crowds).flat_map(|(place, crowd)| crowd.cut(place)).collect();
        let next = AtomicUsize::new(0);
        let work = || sides.play_chunks(&chunks, nobody.clone(), &next, control);
        let pairs = std::thread::scope(|scope| {
            let others: Vec<_> = (1..jobs.get().min(chunks.len())).map(|_| scope.spawn(work)).collect();
            let mut all = work()?;
            for other in others {
                let other = other.join().expect("a thread that panics ends the process")?;
                for (own, other) in all.iter_mut().zip(&other) {
                    own.merge(other).expect("threads pair disjoint consumers of the same scenarios");
                }
            }
            Ok(all)
        })?;
        Ok(known(pairs))
    }

    /// Plays replications until there are `count` of them, and puts each beside those of its variant: `so_far` has them
    /// from 0 on, and none at first. Canceled, it leaves the one that was cut short away, unless it is the first.
    pub fn replicate(
        &self,
        so_far: &mut Vec<Paired>,
        count: u32,
        jobs: NonZeroUsize,
        control: &Control,
    ) -> Result<(), Overflow> {
        let played = so_far.first().map_or(0, |paired| paired.replication_count() as u32);
        for number in played..count {
            if number > 0 && control.is_canceled() {
                break;
            }
            let pairs = self.replication(number, jobs, control)?;
            if number == 0 {
                *so_far = pairs;
            } else if !pairs.iter().any(Paired::is_partial) {
                for (all, paired) in so_far.iter_mut().zip(pairs) {
                    all.stack(paired).expect("replications are of the same scenarios and have numbers of their own");
                }
            }
        }
        Ok(())
    }
}

/// The consumers of one name, over all sides.
struct Crowd {
    /// Which cohort of each world they are, if any.
    cohorts: Vec<Option<u32>>,
    /// Which cohort of each comparison they are, if any.
    places: Vec<Option<usize>>,
    /// How many they are where they are most.
    count: u32,
}

/// Consumers `[from, to)` of a crowd.
#[derive(Clone, Copy)]
struct Chunk {
    crowd: usize,
    from: u32,
    to: u32,
}

impl Crowd {
    fn cut(&self, crowd: usize) -> impl Iterator<Item = Chunk> + use<> {
        let count = self.count;
        let to = move |from: u32| count.min(from.saturating_add(CHUNK));
        (0..count).step_by(CHUNK as usize).map(move |from| Chunk { crowd, from, to: to(from) })
    }
}

fn pair(base: &World, variant: &World) -> Paired {
    Paired::new(&base.scenario, &variant.scenario).expect("a comparison is made of scenarios that can be paired")
}

/// Everyone, by the names of the cohorts, in the order in which the sides have them.
fn crowds(worlds: &[World], pairs: &[Paired]) -> Vec<Crowd> {
    let mut names: Vec<&str> = Vec::new();
    for cohort in worlds.iter().flat_map(|world| &world.scenario.cohorts) {
        if !names.contains(&cohort.name.as_str()) {
            names.push(&cohort.name);
        }
    }
    let found = |name: &str| {
        let of = |world: &World| {
            (0..).zip(&world.scenario.cohorts).find(|(_, cohort)| cohort.name == name).map(|(at, _)| at)
        };
        let place = |paired: &Paired| paired.cohorts.iter().position(|cohort| cohort.cohort == name);
        let counts = worlds.iter().flat_map(|world| &world.scenario.cohorts).filter(|cohort| cohort.name == name);
        Crowd {
            cohorts: worlds.iter().map(of).collect(),
            places: pairs.iter().map(place).collect(),
            count: counts.map(|cohort| cohort.count).max().unwrap_or_default(),
        }
    };
    names.into_iter().map(found).collect()
}

/// The lives in each world whose consumers share something, played whole before they are paired; `None` for the others.
/// Nothing when it was canceled: who was cut short has no life to be paired.
fn play_together(
    worlds: &[World],
    jobs: NonZeroUsize,
    control: &Control,
) -> Result<Option<Vec<Option<Lives>>>, Overflow> {
    let play = |world: &World| -> Result<Option<Lives>, Overflow> {
        let mut lives = Lives::new(world.scenario.cohorts.len());
        for (cohort, of) in (0..).zip(&world.scenario.cohorts) {
            lives.watch(cohort, [0, of.count]);
        }
        let is_over = sim::play_component(world, world.consumers(), &mut lives, &mut |_| !control.is_canceled())?;
        Ok(is_over.then_some(lives))
    };
    let mut together = vec![None; worlds.len()];
    let shared: Vec<_> = (0..worlds.len()).filter(|world| worlds[*world].is_shared()).collect();
    for some in shared.chunks(jobs.get()) {
        let played: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = some.iter().map(|world| (*world, scope.spawn(|| play(&worlds[*world])))).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().expect("a thread that panics ends the process")
            };
            threads.into_iter().map(|(world, thread)| (world, join(thread))).collect()
        });
        for (world, lives) in played {
            let Some(lives) = lives? else { return Ok(None) };
            together[world] = Some(lives);
        }
    }
    Ok(Some(together))
}

/// All worlds of one replication, and what has been played of them.
struct Sides<'a> {
    worlds: &'a [World],
    together: &'a [Option<Lives>],
    crowds: &'a [Crowd],
}

impl Sides<'_> {
    /// One thread's share.
    fn play_chunks(
        &self,
        chunks: &[Chunk],
        nobody: Vec<Paired>,
        next: &AtomicUsize,
        control: &Control,
    ) -> Result<Vec<Paired>, Overflow> {
        let mut pairs = nobody;
        let mut alone: Vec<Lives> = self.worlds.iter().map(|world| Lives::new(world.scenario.cohorts.len())).collect();
        let mut scratch = Scratch::default();
        while !control.is_canceled()
            && let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed))
        {
            let played = self.play(*chunk, &mut alone, &mut scratch)?;
            self.pair(*chunk, &alone, &mut pairs);
            control.done.fetch_add(played, Ordering::Relaxed);
        }
        Ok(pairs)
    }

    /// Plays a chunk in every world that has it; how many consumers that are. Those that share something have been played.
    fn play(&self, chunk: Chunk, alone: &mut [Lives], scratch: &mut Scratch) -> Result<u64, Overflow> {
        let mut played = 0;
        for ((world, lives), cohort) in self.worlds.iter().zip(alone).zip(&self.crowds[chunk.crowd].cohorts) {
            let Some(cohort) = *cohort else { continue };
            let to = chunk.to.min(world.scenario.cohorts[cohort as usize].count);
            played += u64::from(to.saturating_sub(chunk.from));
            if world.is_shared() {
                continue;
            }
            lives.watch(cohort, [chunk.from, to]);
            for index in chunk.from..to {
                sim::play(world, Consumer { cohort, index }, lives, scratch)?;
            }
        }
        Ok(played)
    }

    /// Puts the lives of a chunk beside each other, each variant's beside the base's.
    fn pair(&self, chunk: Chunk, alone: &[Lives], pairs: &mut [Paired]) {
        let crowd = &self.crowds[chunk.crowd];
        let life = |side: usize, index: u32| {
            let cohort = crowd.cohorts[side]?;
            self.together[side].as_ref().unwrap_or(&alone[side]).of(Consumer { cohort, index })
        };
        for (variant, (paired, place)) in pairs.iter_mut().zip(&crowd.places).enumerate() {
            let Some(place) = *place else { continue };
            // Another variant may have more of them than these two.
            let to = chunk.to.min(paired.cohorts[place].consumers());
            let lives = (chunk.from..to).map(|index| [life(0, index), life(variant + 1, index)]);
            if chunk.from < to {
                paired.pair(place, chunk.from, lives);
            }
        }
    }
}
