//! What both fuzz targets do with what they are handed: read it, show what is wrong with it, and play a little of what
//! is right.
//!
//! Deliberately absent: any judgement of what a scenario means. A panic, a hang and a file that steers the terminal are
//! the findings; the rest is what the other tests are for.

use std::path::Path;
use std::sync::Arc;

use farebox::scenario::{self, Loaded, Rejected, Severity, Styled};
use farebox_engine::billing::account::Consumer;
use farebox_engine::model::{Arrivals, Cohort, Joined, Scenario};
use farebox_engine::outcome::Outcome;
use farebox_engine::record::Recorder;
use farebox_engine::sim::{self, Scratch};
use farebox_engine::time::{DAY, SECOND, Span};
use farebox_engine::world::World;

/// Reads a scenario whose traces are in `folder`. What is wrong with it must be showable; what is right must be playable.
pub fn read_and_play(text: &str, folder: &Path) {
    match scenario::parse("fuzz.yaml", text, folder) {
        Ok(loaded) => {
            check_shown(&loaded);
            play_a_little(loaded.scenario);
        }
        Err(rejected) => check_rejected(&rejected),
    }
}

fn check_rejected(Rejected { source, diagnostics }: &Rejected) {
    assert!(
        diagnostics.iter().any(|problem| problem.severity == Severity::Error),
        "rejected, and nothing is wrong with it"
    );
    for problem in diagnostics {
        check_plain(&source.render(problem, Styled::Plain));
    }
}

fn check_shown(loaded: &Loaded) {
    for problem in loaded.warnings.iter().chain(&loaded.unsupported) {
        assert!(problem.severity != Severity::Error, "accepted, and something is wrong with it: {problem:?}");
        check_plain(&loaded.source.render(problem, Styled::Plain));
    }
}

/// A file from a stranger must not steer the terminal.
fn check_plain(shown: &str) {
    let steers = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!shown.contains(steers), "{shown:?}");
}

// === Playing ===

/// Consumers of each cohort that are played.
const CONSUMERS_MAX: u32 = 2;
/// Cohorts that are played.
const COHORTS_MAX: usize = 4;
/// Calls of a consumer that may be expected, in the horizon as well as in the period before it.
const CALLS_MAX: f64 = 2_000.0;

/// Plays a few consumers over as much time as they can make few calls in. An amount that leaves its range is an answer;
/// a panic is none.
fn play_a_little(mut scenario: Scenario) {
    scenario.cohorts.iter_mut().for_each(shrink);
    scenario.horizon = shortened(&scenario);
    let until = scenario.horizon.ns();
    let cohorts = scenario.cohorts.len();
    let Ok(world) = World::whole(Arc::new(scenario)) else { return };
    let (mut recorder, mut scratch) = (Recorder::new(cohorts), Scratch::default());
    let mut played = vec![Vec::new(); cohorts];
    let is_played = |of: &Consumer| (of.cohort as usize) < COHORTS_MAX && of.index < CONSUMERS_MAX;
    for consumer in world.consumers().filter(is_played) {
        if is_busy(&world, consumer) {
            continue;
        }
        if sim::play(&world, consumer, &mut recorder, &mut scratch).is_err() {
            return;
        }
        played[consumer.cohort as usize].push([consumer.index, consumer.index + 1]);
    }
    let _ = Outcome::new(&world.scenario, until, &recorder, &played);
}

/// Few consumers, but for those that a trace names; without a past where that could have many calls.
fn shrink(cohort: &mut Cohort) {
    let named = match &cohort.arrivals {
        Arrivals::Trace(trace) => trace.rows.iter().filter_map(|row| row.consumer).max().map_or(0, |last| last + 1),
        Arrivals::Poisson { .. } | Arrivals::Patterned(_) => 0,
    };
    cohort.count = cohort.count.min(CONSUMERS_MAX.max(named));
    if let (Some((mean_gap_ns, spread)), Joined::Spread) = (cohort.arrivals.drawn(), cohort.joined)
        && (spread.is_some() || mean_gap_ns * CALLS_MAX < (366 * DAY) as f64)
    {
        cohort.joined = Joined::Start;
    }
}

/// The horizon, or what of it the busiest cohort fills with few calls.
fn shortened(scenario: &Scenario) -> Span {
    let gaps = scenario.cohorts.iter().filter_map(|cohort| Some(cohort.arrivals.drawn()?.0));
    let most = gaps.fold((400 * DAY) as f64, |least, gap| least.min(gap * CALLS_MAX)).max(SECOND as f64);
    let repeats = scenario.cohorts.iter().filter_map(|cohort| match &cohort.arrivals {
        Arrivals::Trace(trace) => Some(trace.repeats?.ns() as f64 / trace.rows.len() as f64),
        _ => None,
    });
    let most = repeats.fold(most, |least, gap| least.min(gap * CALLS_MAX)).max(1.0);
    scenario.horizon.min(Span::from_ns(most as u64))
}

/// Whether a consumer whose rate was drawn calls far more often than the cohort as a whole.
fn is_busy(world: &World, consumer: Consumer) -> bool {
    let most = (10.0 * CALLS_MAX) as usize;
    world.calls(consumer).take(most).count() == most
}
