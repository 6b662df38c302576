//! `farebox simulate`: plays a scenario in virtual time.

use farebox_engine::outcome::Outcome;

use crate::cli::args;
use crate::cli::exit::{Failure, Verdict};
use crate::cli::plan::{self, Plan};
use crate::cli::printer::Printer;
use crate::report::text;
use crate::simulate::{everyone, simulate as play};

/// Plays the scenario of `args`.
pub fn simulate(args: &args::Simulate, printer: &mut Printer) -> Result<Verdict, Failure> {
    let mut plan = Plan::new(&args.played, args.seed, &args.output, printer)?;
    let outcome = outcome(&plan, printer)?;
    plan.add_json("outcome.json", &outcome);
    plan.finish(&text::render(&outcome), &outcome, Verdict::passed(), printer)
}

/// The outcome of the whole horizon.
pub fn outcome(plan: &Plan, printer: &Printer) -> Result<Outcome, Failure> {
    let world = plan.whole()?;
    let control = plan.control();
    let consumers = plan.scenario.cohorts.iter().map(|cohort| u64::from(cohort.count)).sum();
    let progress = printer.progress("simulating", consumers);
    progress
        .follow(&control.done, || play(&world, &everyone(&plan.scenario), plan.jobs, &control))
        .map_err(plan::overflow)
}
