//! A load, repeated for a baseline: alone to make one, or in turn with the baseline's own scenario to compare with it.
//!
//! The order is this, that, that, this, this, that, … The first is the load whose results are written. A machine that gets
//! slower, or another job that begins, meets both alike.

use std::path::Path;
use std::sync::Arc;

use farebox_engine::model::Scenario;
use farebox_engine::world::World;

use super::judged::Judgement;
use super::load::{check_generator, check_processor, free_run};
use crate::baseline::judge::Kind;
use crate::baseline::live::{self, Repeat};
use crate::baseline::{Baseline, Played};
use crate::cli::baselines::Desk;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::plan::{self, Plan};
use crate::cli::printer::Printer;
use crate::cli::{args, ci};
use crate::live::generator::null::Ceiling;
use crate::live::result::LoadReport;
use crate::live::validity::Verdict as Worth;
use crate::report::shown::{Check, Held};
use crate::scenario;

/// What must hold of the loads of a comparison.
const EACH_VALID: &str = "each of the loads played in turn is valid";

/// Which of the two is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The scenario of this run.
    This,
    /// That of the baseline.
    That,
}

/// What has been read in turn.
#[derive(Default)]
struct Read {
    this: Vec<Repeat>,
    that: Vec<Repeat>,
}

/// The scenario that the baseline was made with, ready to be played again; nothing where none is compared with.
pub fn baseline_world(plan: &Plan, desk: &Desk) -> Result<Option<Arc<World>>, Failure> {
    let Some(baseline) = desk.against() else { return Ok(None) };
    let scenario = Arc::new(again(plan, baseline)?);
    World::scaled(Arc::clone(&scenario), &scenario.live).map(|world| Some(Arc::new(world))).map_err(plan::overflow)
}

/// The scenario of a baseline, with what its command line changed.
fn again(plan: &Plan, baseline: &Baseline) -> Result<Scenario, Failure> {
    let wrong = |why: &str| {
        let message = format!("the scenario that is kept in the baseline cannot be played: {why}");
        Failure::new(Exit::ScenarioWrong, message).hint("make the baseline again with `--save-baseline NAME`")
    };
    let played = baseline.played.as_ref().ok_or_else(|| wrong("there is none"))?;
    let folder = plan.file.parent().unwrap_or(Path::new(""));
    let loaded = scenario::parse_variant("baseline", &played.scenario, folder, played.variant.as_deref());
    let mut scenario = loaded.map_err(|rejected| wrong(&rejected.diagnostics[0].message))?.scenario;
    if scenario.fingerprint != baseline.fingerprint {
        return Err(wrong("a trace that it plays has changed since"));
    }
    scenario.seed = plan.scenario.seed;
    let pace = args::Pace { rate: played.rate.clone(), duration: played.duration.clone() };
    plan::set_pace(&pace, &mut scenario.live)?;
    if played.closed {
        scenario.live.closed = scenario.live.closed.or(Some(scenario.live.connections));
    }
    // The command line of the baseline is kept beside its conditions; a file that was edited may have them apart.
    if live::conditions(&scenario) != baseline.conditions {
        return Err(wrong("it is not the one whose conditions are kept"));
    }
    Ok(scenario)
}

/// What it takes to play this load again.
fn played(plan: &Plan, args: &args::Load) -> Played {
    Played {
        scenario: plan.text.clone(),
        variant: args.live.played.variant.clone(),
        rate: args.live.pace.rate.clone(),
        duration: args.live.pace.duration.clone(),
        closed: args.closed,
    }
}

/// The loads of a run, by which baselines are made and compared.
pub struct Loads<'a> {
    /// That of this run.
    pub this: &'a Arc<World>,
    /// That of the baseline.
    pub that: Option<&'a Arc<World>>,
    /// What the first load of this run has shown.
    pub first: Repeat,
    /// What the generator can do at most.
    pub ceiling: Option<Ceiling>,
}

/// Plays what is missing, compares, and keeps what has been read. A load that is not valid ends it: then nothing is
/// compared, and nothing kept. Says whether all of them are valid; nothing where none was repeated.
pub fn repeat(
    plan: &mut Plan,
    desk: &mut Desk,
    loads: Loads<'_>,
    args: &args::Load,
    (judgement, verdict): (&mut Judgement, &mut Verdict),
    printer: &mut Printer,
) -> Result<Option<Check>, Failure> {
    if desk.is_idle() || plan.results.was_interrupted() || verdict.findings().any(|it| it == Exit::RunInvalid) {
        return Ok(None);
    }
    let mut read = Read { this: vec![loads.first], that: Vec::new() };
    for turn in turns(args.repeats.repeats.get()) {
        let world = match (turn, loads.that) {
            (Turn::This, _) => loads.this,
            (Turn::That, Some(that)) => that,
            (Turn::That, None) => continue,
        };
        let run = free_run(plan, world, printer)?;
        if plan.results.was_interrupted() {
            return Ok(None);
        }
        let report = LoadReport::new(world, &run, loads.ceiling).map_err(plan::overflow)?;
        if report.sockets.validity.verdict != Worth::Valid {
            check_generator(&report.sockets, verdict, printer);
            return Ok(Some(Check { name: EACH_VALID, ..ci::valid_load(&report.sockets) }));
        }
        check_processor(&report, verdict, printer);
        let repeats = if turn == Turn::This { &mut read.this } else { &mut read.that };
        repeats.push(live::read(&run, &report));
    }
    let now = live::readings(&read.this);
    let before = (!read.that.is_empty()).then(|| live::readings(&read.that));
    desk.compare(plan, Kind::Live, before.as_deref(), &now, judgement, verdict);
    desk.keep(live::baseline(&plan.scenario, played(plan, args), &read.this));
    let detail = format!("{} loads", read.this.len() + read.that.len());
    Ok(Some(Check { name: EACH_VALID, held: Held::Yes, detail }))
}

/// What is played after the first load of this run.
fn turns(repeats: u32) -> impl Iterator<Item = Turn> {
    let pair = |number: u32| if number.is_multiple_of(2) { [Turn::This, Turn::That] } else { [Turn::That, Turn::This] };
    (0..repeats).flat_map(pair).skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Neither comes first more often than the other by more than one, and each pair is next to each other in time.
    #[test]
    fn both_are_played_in_turn() {
        let order: String = turns(5).map(|turn| if turn == Turn::This { 'b' } else { 'a' }).collect();
        assert_eq!(format!("b{order}"), "baabbaabba");
    }
}
