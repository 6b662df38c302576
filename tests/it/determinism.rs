//! The same scenario and seed give the same bytes: for any number of threads, for parts of the population merged in any
//! order, and for a run that was cut short and completed later.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use farebox::control::Control;
use farebox::measure::Subject;
use farebox::simulate::{Part, everyone, replicate, simulate};
use farebox_engine::model::Scenario;
use farebox_engine::outcome::{MergeError, Outcome};
use farebox_engine::world::World;

use crate::fixture;
use crate::program::Folder;

/// Each cohort is larger than what one thread takes at a time, and no multiple of it.
fn world() -> World {
    let mut scenario = fixture::named("refusals.yaml");
    for (cohort, count) in scenario.cohorts.iter_mut().zip([150, 65, 1, 333]) {
        cohort.count = count;
    }
    World::whole(Arc::new(scenario)).unwrap()
}

fn play(world: &World, parts: &[Part]) -> Outcome {
    simulate(world, parts, NonZeroUsize::MIN, &Control::default()).unwrap()
}

fn json(outcome: &Outcome) -> String {
    serde_json::to_string_pretty(outcome).unwrap()
}

/// The outcome as another machine reads it.
fn sent(outcome: &Outcome) -> Outcome {
    serde_json::from_str(&json(outcome)).unwrap()
}

#[test]
fn the_program_writes_the_same_bytes_for_any_number_of_threads() {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixture/refusals.yaml");
    let folder = Folder::new("determinism").with("refusals.yaml", &fs::read_to_string(scenario).unwrap());
    let outcome = |name: &str, options: &str| {
        let answer = folder.farebox(&format!("simulate refusals.yaml {options} --out {name}")).run();
        assert_eq!(answer.code, Some(0), "{answer}");
        fs::read(Path::new(env!("CARGO_TARGET_TMPDIR")).join("determinism").join(name).join("outcome.json")).unwrap()
    };
    let one = outcome("one", "--jobs 1");
    assert!(outcome("two", "--jobs 2") == one, "2 threads give other bytes than 1");
    assert!(outcome("seven", "--jobs 7") == one, "7 threads give other bytes than 1");
    assert!(outcome("seed", "--jobs 1 --seed 7") == one, "the seed of the file is 7");
    assert!(outcome("other", "--jobs 1 --seed 8") != one, "another seed gives the same bytes");
}

#[test]
fn any_number_of_threads_gives_the_same_outcome() {
    let world = world();
    let one = json(&play(&world, &everyone(&world.scenario)));
    for jobs in [2, 7, 64] {
        let control = Control::default();
        let jobs = NonZeroUsize::new(jobs).unwrap();
        assert_eq!(json(&simulate(&world, &everyone(&world.scenario), jobs, &control).unwrap()), one);
        assert_eq!(control.done.load(Ordering::Relaxed), 150 + 65 + 1 + 333);
    }
}

/// Parts of odd sizes, played apart and sent as JSON, in several orders and as a tree.
#[test]
fn parts_merge_to_the_whole_in_any_order() {
    let world = world();
    let whole = json(&play(&world, &everyone(&world.scenario)));
    let part = |cohort, from, to| sent(&play(&world, &[Part { cohort, from, to }]));
    let parts = [
        part(0, 0, 1),
        part(0, 1, 150),
        part(1, 0, 64),
        part(1, 64, 65),
        part(2, 0, 1),
        part(3, 100, 333),
        part(3, 0, 100),
    ];
    for order in [[0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0], [3, 6, 0, 4, 2, 5, 1]] {
        assert_eq!(json(&merged(order.map(|at| &parts[at]))), whole, "{order:?}");
    }
    let (left, right) =
        (merged([&parts[0], &parts[5], &parts[2]]), merged([&parts[3], &parts[4], &parts[6], &parts[1]]));
    assert_eq!(json(&merged([&sent(&right), &sent(&left)])), whole);

    // Nobody is counted twice.
    let mut twice = sent(&left);
    assert!(matches!(twice.merge(&parts[2]), Err(MergeError::Overlap { index: 0, .. })));
    assert_eq!(twice, left);
    let mut scenario = (*world.scenario).clone();
    scenario.seed += 1;
    let other = World::whole(Arc::new(scenario)).unwrap();
    let rest = play(&other, &[Part { cohort: 0, from: 1, to: 150 }]);
    assert_eq!(twice.merge(&rest), Err(MergeError::Differs("seed")));
}

fn merged<const N: usize>(parts: [&Outcome; N]) -> Outcome {
    let mut parts = parts.into_iter();
    let mut sum = parts.next().unwrap().clone();
    parts.for_each(|part| sum.merge(part).unwrap());
    sum
}

/// Nothing is begun once the run is canceled; what is written then can be completed.
#[test]
fn a_run_that_is_canceled_before_it_begins_is_empty_and_merges() {
    let world = world();
    let canceled = Control::new(Arc::new(AtomicBool::new(true)));
    let nothing = simulate(&world, &everyone(&world.scenario), NonZeroUsize::new(2).unwrap(), &canceled).unwrap();
    assert!(nothing.cohorts.iter().all(|cohort| cohort.consumers_played() == 0 && cohort.offered() == 0));
    assert_eq!(canceled.done.load(Ordering::Relaxed), 0);
    let whole = play(&world, &everyone(&world.scenario));
    assert_eq!(json(&merged([&sent(&nothing), &whole])), json(&whole));
    assert_eq!(json(&merged([&whole, &nothing])), json(&whole));
}

/// Canceled somewhere in the middle, wherever that falls: whoever was begun was played to the end, and the others can be
/// played later.
#[test]
fn a_run_that_is_cut_short_is_completed_by_the_rest() {
    let world = world();
    let cancel = Arc::new(AtomicBool::new(false));
    let control = Control::new(Arc::clone(&cancel));
    let first = thread::scope(|scope| {
        scope.spawn(|| {
            while control.done.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            cancel.store(true, Ordering::Relaxed);
        });
        simulate(&world, &everyone(&world.scenario), NonZeroUsize::new(2).unwrap(), &control).unwrap()
    });
    let played: u64 = first.cohorts.iter().map(farebox_engine::outcome::CohortOutcome::consumers_played).sum();
    assert!(played > 0);
    assert_eq!(control.done.load(Ordering::Relaxed), played);
    let rest = play(&world, &missing(&world, &first));
    assert_eq!(json(&merged([&rest, &first])), json(&play(&world, &everyone(&world.scenario))));
}

/// Who is not in an outcome.
fn missing(world: &World, outcome: &Outcome) -> Vec<Part> {
    let mut missing = Vec::new();
    for (part, cohort) in everyone(&world.scenario).into_iter().zip(&outcome.cohorts) {
        let begins = [part.from].into_iter().chain(cohort.played.iter().map(|[_, to]| *to));
        let ends = cohort.played.iter().map(|[from, _]| *from).chain([part.to]);
        let gaps = begins.zip(ends).map(|(from, to)| Part { cohort: part.cohort, from, to });
        missing.extend(gaps.filter(|gap| gap.from < gap.to));
    }
    missing
}

/// Interrupted in one of many replications: those before it are whole, that one is left out, and the outcome says how many are
/// missing, so that no mean is of less than it says.
#[test]
fn a_replication_that_is_half_played_is_left_out() {
    let world = world();
    let scenario = Arc::new(Scenario { replications: 1_000, ..(*world.scenario).clone() });
    let consumers: u64 = scenario.cohorts.iter().map(|cohort| u64::from(cohort.count)).sum();
    let cancel = Arc::new(AtomicBool::new(false));
    let control = Control::new(Arc::clone(&cancel));
    let outcome = thread::scope(|scope| {
        let work = scope.spawn(|| replicate(&scenario, NonZeroUsize::MIN, &control).unwrap());
        // In the second replication, of which the first chunk has been played.
        while control.done.load(Ordering::Relaxed) <= consumers {
            thread::yield_now();
        }
        cancel.store(true, Ordering::Relaxed);
        work.join().unwrap()
    });
    let played = outcome.replication_count();
    assert!(outcome.is_partial() && !outcome.lacks_consumers(), "{played} replications");
    assert_eq!(played + u64::from(outcome.missing), 1_000);
    assert_eq!(sent(&outcome), outcome);
    let page = farebox::report::text::render(&Subject {
        scenario: &scenario,
        outcome: &outcome,
        latency: None,
        interrupted: true,
    });
    let head = page.lines().next().unwrap();
    assert!(head.ends_with(&format!("PARTIAL: {played} of 1,000 replications")), "{head}");
}
