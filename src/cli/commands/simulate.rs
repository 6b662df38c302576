//! `farebox simulate`: plays a scenario in virtual time.

use farebox_engine::outcome::{CohortOutcome, Outcome};

use super::judged::{Judgement, judge};
use crate::baseline::judge::Kind;
use crate::baseline::simulated::{baseline, conditions};
use crate::cli::baselines::Desk;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::plan::{self, Plan};
use crate::cli::printer::Printer;
use crate::cli::{args, ci};
use crate::measure::Subject;
use crate::report::hlog;
use crate::simulate::replicate;

/// Plays the scenario of `args`.
pub fn simulate(args: &args::Simulate, printer: &mut Printer) -> Result<Verdict, Failure> {
    let mut plan = Plan::new(&args.played, args.seed, &args.output, args.judging.annotations, printer)?;
    plan.set_replications(args.replications);
    let mut desk = Desk::open(&args.baselines, &plan, &conditions(&plan.scenario))?;
    let outcome = outcome(&plan, printer)?;
    let mut verdict = Verdict::passed();
    let mut judgement = simulated(&mut plan, &outcome, args.judging.strict, &mut verdict);
    check_calls(&outcome, &mut verdict, printer);
    beside_baseline(&mut plan, &mut desk, &outcome, &mut judgement, &mut verdict);
    plan.add_page(&judgement.about, Some(&outcome));
    plan.results.add("latency.hlog", hlog::of_simulation(&outcome));
    ci::add(
        &mut plan,
        &judgement,
        Some(&outcome),
        &[ci::balanced(&outcome), ci::valid_simulation(&outcome)],
        &mut verdict,
    );
    let verdict = plan.results.finish(&judgement.page, &judgement.with(&outcome), verdict, printer)?;
    desk.save(&verdict, printer)?;
    Ok(verdict)
}

/// A simulation in which nobody called shows nothing, whatever its thresholds say.
pub fn check_calls(outcome: &Outcome, verdict: &mut Verdict, printer: &mut Printer) {
    let offered: u64 = outcome.replications().flatten().map(CohortOutcome::offered).sum();
    if offered == 0 {
        printer.warning("no call was made in the time that was simulated, so the run shows nothing");
        verdict.note(Exit::RunInvalid);
    }
}

/// Compares the simulation with a baseline, and keeps it as one, where that was asked for.
pub fn beside_baseline(
    plan: &mut Plan,
    desk: &mut Desk,
    outcome: &Outcome,
    judgement: &mut Judgement,
    verdict: &mut Verdict,
) {
    if desk.is_idle() || plan.results.was_interrupted() || verdict.findings().any(|it| it == Exit::RunInvalid) {
        return;
    }
    let scenario = plan.scenario.clone();
    let made = baseline(&Subject { scenario: &scenario, outcome, latency: None, interrupted: false });
    desk.compare(plan, Kind::Simulated, None, &made.readings, judgement, verdict);
    desk.keep(made);
}

/// The outcome of the whole horizon, as often as the scenario asks for it.
pub fn outcome(plan: &Plan, printer: &Printer) -> Result<Outcome, Failure> {
    let control = plan.results.control();
    let consumers: u64 = plan.scenario.cohorts.iter().map(|cohort| u64::from(cohort.count)).sum();
    let progress = printer.progress("simulating", consumers * u64::from(plan.scenario.replications));
    progress.follow(&control.done, || replicate(&plan.scenario, plan.results.jobs, &control)).map_err(plan::overflow)
}

/// What a simulation says: its page, its files, and whether the thresholds hold.
pub fn simulated(plan: &mut Plan, outcome: &Outcome, strict: bool, verdict: &mut Verdict) -> Judgement {
    let scenario = plan.scenario.clone();
    let subject = Subject { scenario: &scenario, outcome, latency: None, interrupted: false };
    let mut judgement = judge(plan, &subject, strict, verdict);
    judgement.page = crate::report::text::render(&subject) + &judgement.page;
    judgement
}
