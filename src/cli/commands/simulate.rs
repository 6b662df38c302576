//! `farebox simulate`: plays a scenario in virtual time.

use farebox_engine::outcome::Outcome;

use super::judged::{Judgement, judge};
use crate::cli::args;
use crate::cli::exit::{Failure, Verdict};
use crate::cli::plan::{self, Plan};
use crate::cli::printer::Printer;
use crate::measure::Subject;
use crate::simulate::replicate;

/// Plays the scenario of `args`.
pub fn simulate(args: &args::Simulate, printer: &mut Printer) -> Result<Verdict, Failure> {
    let mut plan = Plan::new(&args.played, args.seed, &args.output, printer)?;
    plan.set_replications(args.replications);
    let outcome = outcome(&plan, printer)?;
    let mut verdict = Verdict::passed();
    let judgement = simulated(&mut plan, &outcome, args.strict, &mut verdict);
    plan.finish(&judgement.page, &judgement.with(&outcome), verdict, printer)
}

/// The outcome of the whole horizon, as often as the scenario asks for it.
pub fn outcome(plan: &Plan, printer: &Printer) -> Result<Outcome, Failure> {
    let control = plan.control();
    let consumers: u64 = plan.scenario.cohorts.iter().map(|cohort| u64::from(cohort.count)).sum();
    let progress = printer.progress("simulating", consumers * u64::from(plan.scenario.replications));
    progress.follow(&control.done, || replicate(&plan.scenario, plan.jobs, &control)).map_err(plan::overflow)
}

/// What a simulation says: its page, its files, and whether the thresholds hold.
pub fn simulated(plan: &mut Plan, outcome: &Outcome, strict: bool, verdict: &mut Verdict) -> Judgement {
    let scenario = plan.scenario.clone();
    let subject = Subject { scenario: &scenario, outcome, latency: None, interrupted: false };
    let mut judgement = judge(plan, &subject, strict, verdict);
    judgement.page = crate::report::text::render(&subject) + &judgement.page;
    judgement
}
