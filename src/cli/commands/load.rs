//! `farebox load`: plays a scenario on real sockets.

use std::collections::BTreeMap;
use std::sync::Arc;

use farebox_engine::money::thousands;
use farebox_engine::world::World;

use super::judged::judge;
use crate::cli::args;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::plan::{self, Plan};
use crate::cli::printer::Printer;
use crate::live::generator::Times;
use crate::live::result::{Limit, LoadReport};
use crate::live::stage::{self, FreeRun};
use crate::measure::{FIRST_TOKEN, Latency, Subject};
use crate::report::load as page;
use crate::report::text::{self, counted, duration};

/// Plays the load of `args`.
pub fn load(args: &args::Live, printer: &mut Printer) -> Result<Verdict, Failure> {
    let mut plan = Plan::live(args, printer)?;
    let world = plan.scaled()?;
    let run = free_run(&plan, &world, printer)?;
    let report = LoadReport::new(&world, &run).map_err(plan::overflow)?;
    plan.add_json("run.json", &report);
    let mut verdict = Verdict::passed();
    let (scenario, latency) = (plan.scenario.clone(), latency(&run));
    let (outcome, interrupted) = (&report.outcome, report.interrupted);
    let subject = Subject { scenario: &scenario, outcome, latency: Some(&latency), interrupted };
    let judgement = judge(&mut plan, &subject, args.strict, &mut verdict);
    let text = format!("{}{}{}", text::render_load(&report.outcome), page::render(&report), judgement.page);
    check_generator(&report, &mut verdict, printer);
    plan.finish(&text, &judgement.with(&report), verdict, printer)
}

/// Latency from the intended start, by what became of the attempts.
fn latency(run: &FreeRun) -> BTreeMap<&'static str, Latency> {
    let classes = run.load.latency.iter().map(|(class, times)| (class.name(), times));
    let first = Some((FIRST_TOKEN, &run.load.first_token)).filter(|(_, times)| !times.histogram.is_empty());
    let latency = |times: &Times| {
        let recorded = times.histogram.iter_recorded();
        let buckets = recorded.map(|bucket| [bucket.value_iterated_to(), bucket.count_at_value()]).collect();
        Latency { buckets, sum_ns: times.sum_ns.cast_signed(), max_ns: times.max_ns }
    };
    classes.chain(first).map(|(name, times)| (name, latency(times))).collect()
}

/// A load that could not be offered as asked is not valid.
pub fn check_generator(report: &LoadReport, verdict: &mut Verdict, printer: &mut Printer) {
    if let Some(limit) = report.limit() {
        let of = |calls: u64| format!("{} of {}", thousands(calls.into()), counted(report.offered, "call"));
        let why = match limit {
            Limit::Dropped(calls) => format!(
                "{} were not sent because too many were in flight; lower the rate, or raise `live.in_flight` and `live.connections`",
                of(calls)
            ),
            Limit::Unconnected(calls) => {
                format!("{} found no connection; raise the limit of open files with `ulimit -n`", of(calls))
            }
            Limit::Late(ns) => format!(
                "1 % of the calls were sent more than {} late; raise `live.connections`, or lower the rate",
                duration(ns)
            ),
        };
        printer.warning(&format!("generator-limited, so the figures say nothing about the gateway: {why}"));
        verdict.note(Exit::RunInvalid);
    }
}

/// Offers the load to the gateway at its own pace, with a line of progress.
pub fn free_run(plan: &Plan, world: &Arc<World>, printer: &Printer) -> Result<FreeRun, Failure> {
    let control = plan.control();
    let calls = world.consumers().map(|consumer| world.calls(consumer).count() as u64).sum();
    let progress = printer.progress("loading", calls);
    progress.follow(&control.done, || stage::free_run(world, plan.jobs, &control)).map_err(plan::live_error)
}
