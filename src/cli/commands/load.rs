//! `farebox load`: plays a scenario on real sockets.

use std::sync::Arc;

use farebox_engine::world::World;

use crate::cli::args;
use crate::cli::exit::{Failure, Verdict};
use crate::cli::plan::{self, Plan};
use crate::cli::printer::Printer;
use crate::live::stage::{self, FreeRun};
use crate::report::load::LoadReport;
use crate::report::text;

/// Plays the load of `args`.
pub fn load(args: &args::Live, printer: &mut Printer) -> Result<Verdict, Failure> {
    let mut plan = Plan::live(args, printer)?;
    let world = plan.scaled()?;
    let run = free_run(&plan, &world, printer)?;
    let report = LoadReport::new(&world, &run);
    plan.write_json("outcome.json", &report.outcome)?;
    plan.write_json("run.json", &report)?;
    let page = format!("{}{}", text::render(&report.outcome), report.render());
    plan.finish(&page, &report, Verdict::passed(), printer)
}

/// Offers the load to the gateway at its own pace, with a line of progress.
pub fn free_run(plan: &Plan, world: &Arc<World>, printer: &Printer) -> Result<FreeRun, Failure> {
    let control = plan.control();
    let calls = world.consumers().map(|consumer| world.schedule.calls(consumer).count() as u64).sum();
    let progress = printer.progress("loading", calls);
    progress.follow(&control.done, || stage::free_run(world, plan.jobs, &control)).map_err(plan::live_error)
}
