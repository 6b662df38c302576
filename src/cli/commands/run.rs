//! `farebox run`: simulates, loads, and checks that both agree.

use std::collections::BTreeMap;
use std::sync::Arc;

use farebox_engine::billing::gate::Decision;
use farebox_engine::log::History;
use farebox_engine::world::World;

use super::load::{check_generator, check_processor, doubt, free_run, latency, measured};
use super::simulate;
use crate::baseline::simulated::conditions;
use crate::cli::baselines::Desk;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::plan::{self, Plan};
use crate::cli::printer::Printer;
use crate::cli::{args, ci};
use crate::live::proof::{self, Comparison, Disagreement, Extent, ReplayError};
use crate::live::result::{FreeRunning, LoadReport, RunReport};
use crate::live::stage;
use crate::measure::Latency;
use crate::report::about::{Curve, Load, Played};
use crate::report::{self, hlog, text};

/// Latency from the intended start, by what became of the attempts.
type Times = BTreeMap<&'static str, Latency>;

/// Plays the scenario of `args` in both halves.
pub fn run(args: &args::Run, printer: &mut Printer) -> Result<Verdict, Failure> {
    let mut plan = Plan::live(&args.live, printer)?;
    if plan.scenario.live.closed.is_some() {
        let message = "a closed load has no twin: its calls are not made when the schedule says";
        return Err(Failure::new(Exit::ScenarioWrong, message).hint("use `farebox load`, or leave out `live.closed`"));
    }
    plan.set_replications(args.replications);
    let mut desk = Desk::open(&args.live.baselines, &plan, &conditions(&plan.scenario))?;
    plan.warn_of_unheard(printer);
    let outcome = simulate::outcome(&plan, printer)?;
    let mut verdict = Verdict::passed();
    let mut judgement = simulate::simulated(&mut plan, &outcome, args.live.judging.strict, &mut verdict);
    simulate::check_calls(&outcome, &mut verdict, printer);
    simulate::beside_baseline(&mut plan, &mut desk, &outcome, &mut judgement, &mut verdict);
    let mut checks = vec![ci::balanced(&outcome), ci::valid_simulation(&outcome)];
    let report = if plan.results.was_interrupted() { None } else { live(&plan, printer)? };
    let Some((report, log, latency)) = report else {
        plan.add_page(&judgement.about, Some(&outcome));
        plan.results.add("latency.hlog", hlog::of_simulation(&outcome));
        ci::add(&mut plan, &judgement, Some(&outcome), &checks, &mut verdict);
        let verdict = plan.results.finish(&judgement.page, &judgement.with(&outcome), verdict, printer)?;
        desk.save(&verdict, printer)?;
        return Ok(verdict);
    };
    judgement.about.kind = Played::Run;
    let mut page = judgement.page.clone();
    plan.results.add_json("run.json", &report);
    page += "\nThe load on sockets: ";
    page += &text::render_gateway(&report.load.outcome);
    page += &report::load::render(&report.load);
    page += &report::run::render(&report);
    let mut sections = report::run::sections(&report);
    sections.extend(report::load::sections(&report.load));
    judgement.about.load =
        Some(Load { worthless: doubt(&report.load.sockets), latency: Curve::of_a_load(&latency), sections });
    plan.add_page(&judgement.about, Some(&outcome));
    check_generator(&report.load.sockets, &mut verdict, printer);
    check_processor(&report.load, &mut verdict, printer);
    plan.results.add("latency.hlog", log);
    checks.extend([ci::agree(&report), ci::valid_load(&report.load.sockets)]);
    checks.extend(ci::reconciled(report.load.processor.as_ref(), plan.scenario.currency.code));
    ci::add(&mut plan, &judgement, Some(&outcome), &checks, &mut verdict);
    let verdict = plan.results.finish(&page, &judgement.with(&report), verdict, printer)?;
    desk.save(&verdict, printer)?;
    Ok(verdict)
}

/// The load, the log of its latencies and what is told of them, first in lockstep with its twin, then free-running; `None` when an interrupt has
/// cut the lockstep short, because then nothing is proved.
fn live(plan: &Plan, printer: &mut Printer) -> Result<Option<(RunReport, String, Times)>, Failure> {
    let world = plan.scaled()?;
    let twins = stage::twins(&world).map_err(plan::overflow)?;
    let lockstep = lockstep(plan, &world, &twins, printer)?;
    if plan.results.was_interrupted() {
        return Ok(None);
    }
    let free = free_run(plan, &world, printer)?;
    let replay = proof::replay(&world, &free.histories, free.end).map_err(|error| match error {
        ReplayError::Disagreement(disagreement) => disagree(&disagreement),
        ReplayError::Overflow(amount) => plan::overflow(amount),
    })?;
    let comparison: Comparison =
        proof::differences(&world, &twins, &free.histories, free.end).map_err(plan::overflow)?;
    let load = LoadReport::new(&world, &free, None).map_err(plan::overflow)?;
    let log = hlog::of_load(&free.load, measured(&load.sockets));
    let report = RunReport {
        lockstep: lockstep.into(),
        replay: replay.into(),
        free_running: FreeRunning::new(&world, &comparison),
        load,
    };
    Ok(Some((report, log, latency(&free.load))))
}

fn lockstep(plan: &Plan, world: &Arc<World>, twins: &[History], printer: &mut Printer) -> Result<Extent, Failure> {
    let control = plan.results.control();
    let calls = twins.iter().map(|twin| twin.log.len() as u64).sum();
    let progress = printer.progress("lockstep", calls);
    let played = progress.follow(&control.done, || stage::lockstep(world, twins, plan.results.jobs, &control));
    drop(progress);
    let played = played.map_err(plan::live_error)?;
    if plan.results.was_interrupted() {
        return Ok(Extent::default());
    }
    if let Some(first) = played.out_of_step.first() {
        let consumer = proof::name(world, twins[first.account.0 as usize].account.consumer());
        let message = format!("lockstep: call {} of {consumer} was answered otherwise than its twin", first.call);
        let twin = match first.twin {
            Decision::Admit(_) => "served".to_owned(),
            Decision::Refuse(cause) => format!("refused: {}", cause.name()),
        };
        let exit = if first.is_environment() { Exit::Environment } else { Exit::Internal };
        return Err(Failure::new(exit, message)
            .because(format!("the twin was {twin}, the call over the socket {}", first.live)));
    }
    if let Some(found) = played.reconciled.filter(|found| !found.is_equal()) {
        let said = report::load::said_of(&found, world.scenario.currency.code);
        let message = "lockstep: the payment processor and the books differ";
        return Err(Failure::new(Exit::BooksUnbalanced, message).because(said));
    }
    proof::lockstep(world, twins, &played.histories).map_err(|disagreement| disagree(&disagreement))
}

fn disagree(disagreement: &Disagreement) -> Failure {
    Failure::new(Exit::Internal, "the simulated and the live half disagree")
        .because(disagreement.to_string())
        .hint("this is a bug in Farebox: please report it with the scenario file")
}
