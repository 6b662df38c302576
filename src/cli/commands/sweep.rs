//! `farebox sweep`: plays a grid of scenarios, for the surface of revenue and refusals.

use std::num::NonZeroUsize;

use farebox_engine::money::thousands;

use crate::cli::args;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::out::OutDir;
use crate::cli::plan;
use crate::cli::printer::Printer;
use crate::cli::results::Results;
use crate::cli::scenario_file;
use crate::report::sweep::{self as report, chart, json, table};
use crate::scenario::Grid;
use crate::sweep::evidence::evidence;
use crate::sweep::{self, Options, Sweep, SweepError};

/// Plays the grid of `args`.
pub fn sweep(args: &args::Sweep, printer: &mut Printer) -> Result<Verdict, Failure> {
    if args.sets.is_empty() {
        let message = "--set: a sweep needs a key of the scenario and its values";
        return Err(Failure::new(Exit::Usage, message).hint("add for example `--set plans.pro.fee=39..79:5`"));
    }
    let grid = scenario_file::grid(&args.played, &args.sets, printer)?;
    let scenario = &grid.base.scenario;
    // Apart from the folder of the scenario's own report, which a sweep must not replace.
    let folder = OutDir::default_for(&format!("{}-sweep", scenario.name));
    let mut results = Results::claim(&args.output, &folder)?;
    let options = Options {
        seed: args.seed.unwrap_or(scenario.seed),
        replications: args.replications.unwrap_or(scenario.replications),
        jobs: results.jobs,
    };
    check_size(&grid, options)?;
    check(&grid, options.jobs, &results, printer)?;
    let sweep = play(&grid, options, &results, printer)?;
    let known = evidence(&sweep);
    let known = known.as_deref();
    let document = json::document(&sweep, known);
    results.add("sweep.csv", table::table(&sweep, known));
    results.add_json("sweep.json", &document);
    for (name, chart) in chart::all(&sweep, known) {
        results.add(name, chart);
    }
    results.finish(&report::render(&sweep, known), &document, Verdict::passed(), printer)
}

fn check_size(grid: &Grid, options: Options) -> Result<(), Failure> {
    let plays = sweep::plays(grid, options);
    if plays <= sweep::READINGS_MAX {
        return Ok(());
    }
    let [points, plays, most] = [grid.points() as u64, plays, sweep::READINGS_MAX].map(|it| thousands(it.into()));
    let message =
        format!("{points} points of {} replications are {plays} simulations, and may be {most}", options.replications);
    Err(Failure::new(Exit::Usage, message).hint("take larger steps, or fewer `--replications`"))
}

/// Reads every point before any is played: what is wrong is told at once, and not after an hour.
fn check(grid: &Grid, jobs: NonZeroUsize, results: &Results, printer: &mut Printer) -> Result<(), Failure> {
    match sweep::check(grid, jobs, &results.control()) {
        Ok(warnings) => scenario_file::show(grid.source(), &warnings, printer),
        Err(rejected) => return Err(scenario_file::wrong_sets(&rejected, printer)),
    }
    Ok(())
}

fn play(grid: &Grid, options: Options, results: &Results, printer: &Printer) -> Result<Sweep, Failure> {
    let control = results.control();
    let progress = printer.progress("sweeping", sweep::plays(grid, options));
    let played = progress.follow(&control.done, || sweep::play(grid, options, &control));
    played.map_err(|error| match error {
        SweepError::Overflow { at, source } => {
            let failure = plan::overflow(source);
            Failure::new(failure.exit(), format!("{failure} at {at}")).because(source)
        }
    })
}
