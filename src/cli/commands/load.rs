//! `farebox load`: plays a scenario on real sockets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use farebox_engine::billing::cause::Kind;
use farebox_engine::money::thousands;
use farebox_engine::world::World;

use super::elsewhere;
use super::judged::judge_unless;
use super::repeats::{Loads, baseline_world, repeat};
use crate::baseline::live::{conditions, read};
use crate::cli::baselines::Desk;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::plan::{self, Plan};
use crate::cli::printer::Printer;
use crate::cli::{args, ci};
use crate::live::generator::null::Ceiling;
use crate::live::generator::watch::{Seen, Watch};
use crate::live::generator::{LoadResult, Times};
use crate::live::result::{LoadReport, Sockets};
use crate::live::stage::{self, Conduct, FreeRun, LiveError};
use crate::live::validity::Verdict as Worth;
use crate::measure::{FIRST_TOKEN, Latency, Subject};
use crate::report::about::{Curve, Load};
use crate::report::text::{self, counted, duration};
use crate::report::{hlog, load as page};

/// How long the generator is tried on a server that does nothing.
pub const SELF_TEST: Duration = Duration::from_secs(1);

/// Plays the load of `args`.
pub fn load(args: &args::Load, printer: &mut Printer) -> Result<Verdict, Failure> {
    let mut plan = Plan::live(&args.live, printer)?;
    if args.closed {
        plan.close()?;
    }
    if args.target.target.is_some() {
        return elsewhere::load(plan, args, printer);
    }
    let mut desk = Desk::open(&args.live.baselines, &plan, &conditions(&plan.scenario))?;
    plan.warn_of_unheard(printer);
    let that = baseline_world(&plan, &desk)?;
    let world = plan.scaled()?;
    let ceiling = ceiling(&plan, args.self_test)?;
    let run = free_run(&plan, &world, printer)?;
    let report = LoadReport::new(&world, &run, ceiling).map_err(plan::overflow)?;
    plan.results.add_json("run.json", &report);
    let mut verdict = Verdict::passed();
    let (scenario, latency) = (plan.scenario.clone(), latency(&run.load));
    let (outcome, interrupted) = (&report.outcome, run.interrupted);
    let subject = Subject { scenario: &scenario, outcome, latency: Some(&latency), interrupted };
    let worth = worthless(&report.sockets);
    let mut judgement = judge_unless(&mut plan, &subject, args.live.judging.strict, worth.as_deref(), &mut verdict);
    judgement.about.load = Some(Load {
        worthless: doubt(&report.sockets),
        latency: Curve::of_a_load(&latency),
        sections: page::sections(&report),
    });
    check_generator(&report.sockets, &mut verdict, printer);
    check_processor(&report, &mut verdict, printer);
    let loads = Loads { this: &world, that: that.as_ref(), first: read(&run, &report), ceiling };
    let repeated = repeat(&mut plan, &mut desk, loads, args, (&mut judgement, &mut verdict), printer)?;
    plan.add_page(&judgement.about, Some(&report.outcome));
    let text = format!("{}{}{}", text::render_load(&report.outcome), page::render(&report), judgement.page);
    plan.results.add("latency.hlog", hlog::of_load(&run.load, measured(&report.sockets)));
    let checks = [ci::balanced(outcome), ci::valid_load(&report.sockets)].into_iter();
    let checks = checks.chain(ci::reconciled(report.processor.as_ref(), &outcome.currency)).chain(repeated);
    ci::add(&mut plan, &judgement, Some(outcome), &checks.collect::<Vec<_>>(), &mut verdict);
    let verdict = plan.results.finish(&text, &judgement.with(&report), verdict, printer)?;
    desk.save(&verdict, printer)?;
    Ok(verdict)
}

/// When what is measured begins and ends.
pub fn measured(load: &Sockets) -> [u64; 2] {
    [load.measured.from_ns, load.measured.until_ns]
}

/// What the generator can do at most, where that was asked for, or is needed to judge a closed load.
pub fn ceiling(plan: &Plan, is_asked: bool) -> Result<Option<Ceiling>, Failure> {
    let live = &plan.scenario.live;
    if !is_asked && live.closed.is_none() {
        return Ok(None);
    }
    let connections = live.closed.unwrap_or(live.connections);
    let tried = stage::self_test(plan.results.jobs, connections, SELF_TEST, &plan.results.control());
    match tried {
        Err(_) if plan.results.was_interrupted() => Ok(None),
        tried => tried.map(Some).map_err(plan::no_ceiling),
    }
}

/// Latency from the intended start, by what became of the attempts.
pub fn latency(load: &LoadResult) -> BTreeMap<&'static str, Latency> {
    let classes = load.latency.iter().map(|(class, times)| (class.name(), times));
    let first = Some((FIRST_TOKEN, &load.first_token)).filter(|(_, times)| !times.histogram.is_empty());
    let latency = |times: &Times| {
        let recorded = times.histogram.iter_recorded();
        let buckets = recorded.map(|bucket| [bucket.value_iterated_to(), bucket.count_at_value()]).collect();
        Latency { buckets, sum_ns: times.sum_ns.cast_signed(), max_ns: times.max_ns }
    };
    classes.chain(first).map(|(name, times)| (name, latency(times))).collect()
}

/// What a page is to say against the load; `None` for one that is valid and whole.
pub fn doubt(load: &Sockets) -> Option<String> {
    worthless(load).or_else(|| load.interrupted.then(|| "it was interrupted before all calls were made".to_owned()))
}

/// Why no threshold can hold; `None` for a load that is valid.
pub fn worthless(load: &Sockets) -> Option<String> {
    let worth = load.validity.verdict;
    (worth != Worth::Valid).then(|| format!("the load is {}", worth.name()))
}

/// A load that could not be offered as asked is not valid.
pub fn check_generator(load: &Sockets, verdict: &mut Verdict, printer: &mut Printer) {
    let validity = &load.validity;
    if validity.verdict == Worth::Valid {
        return;
    }
    for reason in &validity.reasons {
        let name = reason.verdict().name();
        printer.warning(&format!("{name}, so the figures say nothing about the gateway: {}", page::why(*reason, load)));
    }
    verdict.note(Exit::RunInvalid);
}

/// Books that do not say what the payment processor holds are wrong, and so is each figure from them.
pub fn check_processor(report: &LoadReport, verdict: &mut Verdict, printer: &mut Printer) {
    if let Some(found) = report.processor.filter(|found| !found.is_equal()) {
        let said = page::said_of(&found, &report.outcome.currency);
        printer.warning(&format!("the payment processor and the books differ: {said}"));
        verdict.note(Exit::BooksUnbalanced);
    }
}

/// Offers the load to the gateway at its own pace, with a line of progress.
pub fn free_run(plan: &Plan, world: &Arc<World>, printer: &Printer) -> Result<FreeRun, Failure> {
    watched(plan, world, printer, |conduct| stage::free_run_watched(world, plan.results.jobs, conduct))
}

/// Does a load with a line of progress.
pub fn watched<T>(
    plan: &Plan,
    world: &World,
    printer: &Printer,
    work: impl FnOnce(Conduct<'_>) -> Result<T, LiveError>,
) -> Result<T, Failure> {
    let (control, watch) = (plan.results.control(), Arc::new(Watch::new(plan.results.jobs.get())));
    let calls = world.consumers().map(|consumer| world.calls(consumer).count() as u64).sum();
    let progress = printer.progress("loading", calls);
    let mut before = watch.look();
    let says = || {
        let now = watch.look();
        let said = second(&before, &now);
        before = now;
        said
    };
    let conduct = Conduct { control: &control, watch: &watch };
    progress.follow_saying(&control.done, says, || work(conduct)).map_err(plan::live_error)
}

/// The last second of a load, in a line.
fn second(before: &Seen, now: &Seen) -> String {
    let count = |calls: u64| thousands(calls.into());
    let times = [(0.5, "p50"), (0.99, "p99")]
        .into_iter()
        .filter_map(|(quantile, name)| Some(format!(", {name} {}", duration(now.quantile_since(before, quantile)?))));
    let refused = Kind::ALL.into_iter().filter_map(|kind| {
        let calls = now.refused[kind as usize];
        (calls > 0).then(|| format!(", {} refused ({})", count(calls), kind.name()))
    });
    let beside = [(now.dropped, "dropped"), (now.errors, "without answer")];
    let beside = beside.into_iter().filter(|(calls, _)| *calls > 0);
    let beside = beside.map(|(calls, what)| format!(", {} {what}", count(calls)));
    let rate = format!("{}/s, {} in flight", count(now.sent - before.sent), count(now.in_flight));
    times.chain(refused).chain(beside).fold(rate, |line, part| line + &part)
}

/// What a self-test has shown, in a sentence.
pub fn said_of(ceiling: &Ceiling) -> String {
    format!(
        "{} calls a second of a server that does nothing, over {} on {}; {} of CPU time a call",
        thousands(ceiling.per_s as u128),
        counted(ceiling.connections.into(), "connection"),
        counted(ceiling.threads as u64, "thread"),
        duration(ceiling.cpu_ns_per_call),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_a_load_is_told_in_a_line() {
        let quiet = Watch::new(1).look();
        assert_eq!(second(&quiet, &quiet), "0/s, 0 in flight");
        let mut now = quiet.clone();
        (now.sent, now.in_flight, now.errors) = (2_013, 37, 2);
        now.refused[Kind::Billing as usize] = 12;
        assert_eq!(second(&quiet, &now), "2,013/s, 37 in flight, 12 refused (billing), 2 without answer");
    }
}
