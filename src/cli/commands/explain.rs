//! `farebox explain`: one consumer's story. Nothing is kept of anybody during a run: the consumer is played again from
//! their addressed draws, written down, and replayed step by step beside their account.

mod facts;
mod teller;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::Arc;

use farebox_engine::billing::account::Consumer;
use farebox_engine::billing::cause::Failure as Gone;
use farebox_engine::billing::gate::Decision;
use farebox_engine::log::{self, Entry as Logged, Event};
use farebox_engine::model::{Cohort, Scenario};
use farebox_engine::money::Overflow;
use farebox_engine::oracle::Oracle;
use farebox_engine::sim::Scratch;
use farebox_engine::time::{Now, Span, Time};
use farebox_engine::world::World;
use jiff::civil::DateTime;

use self::facts::{money, standing};
use self::teller::{Seen, Teller};
use self::webhooks::Meanwhile;
use crate::cli::args::{self, Format};
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::printer::Printer;
use crate::cli::{plan, scenario_file};
use crate::report::explain::{Counts, Ending, Story, render, to_json};
use crate::report::fault;
use crate::scenario;

/// How many calls are told one by one; more are folded.
const SINGLE_MAX: usize = 40;

/// Tells the story that `args` ask for.
pub fn explain(args: &args::Explain, printer: &mut Printer) -> Result<Verdict, Failure> {
    let mut scenario = scenario_file::load(&args.played, printer)?.scenario;
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    let consumer = consumer(&args.consumer, &scenario)?;
    let end = Time::START + scenario.horizon;
    let from = moment("--from", args.from.as_deref(), &scenario)?.unwrap_or(Time::START);
    let until = moment("--until", args.until.as_deref(), &scenario)?.unwrap_or(end);
    if from >= until {
        return Err(
            Failure::new(Exit::Usage, "--from is not before --until").hint("the run is told from the earlier on")
        );
    }
    let world = World::whole(Arc::new(scenario)).map_err(plan::overflow)?;
    let story = tell(&world, consumer, &args.consumer, [from, until]).map_err(plan::overflow)?;
    match args.format {
        Format::Text => printer.data(&render(&story))?,
        Format::Json => {
            printer.json(&serde_json::to_string_pretty(&to_json(&story)).expect("a story is plain data"))?;
        }
    }
    Ok(Verdict::passed())
}

/// The consumer of a name such as `startups/17`.
fn consumer(name: &str, scenario: &Scenario) -> Result<Consumer, Failure> {
    let found = name.rsplit_once('/').and_then(|(cohort, index)| {
        let at = scenario.cohorts.iter().position(|known| known.name == cohort)?;
        let is_plain = index.bytes().all(|byte| byte.is_ascii_digit());
        let index = index.parse().ok().filter(|index| is_plain && *index < scenario.cohorts[at].count)?;
        Some(Consumer { cohort: u32::try_from(at).ok()?, index })
    });
    found.ok_or_else(|| {
        let range = |cohort: &Cohort| format!("`{0}/0` to `{0}/{1}`", cohort.name, cohort.count - 1);
        let shown: Vec<_> = scenario.cohorts.iter().take(20).map(range).collect();
        let more = scenario.cohorts.len() - shown.len();
        let more = if more > 0 { format!(", and those of {more} more cohorts") } else { String::new() };
        Failure::new(Exit::Usage, format!("there is no consumer `{name}`"))
            .hint(format!("the consumers are {}{more}", shown.join(", ")))
    })
}

/// A moment of the run: a date, a date with a time (UTC), or a duration after the start.
fn moment(option: &str, text: Option<&str>, scenario: &Scenario) -> Result<Option<Time>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let end = Time::START + scenario.horizon;
    let after = match text.parse::<DateTime>() {
        Ok(civil) => {
            let ns = scenario.start.duration_until(civil).as_nanos();
            i64::try_from(ns).ok().map(Time::from_ns)
        }
        Err(_) => scenario::durations(text).ok().and_then(|span| i64::try_from(span.ns()).ok()).map(Time::from_ns),
    };
    let Some(at) = after else {
        return Err(Failure::new(Exit::Usage, format!("{option}: `{text}` is no moment of the run")).hint(
            "write a date, such as `2026-03-05` or `2026-03-05T09:30`, or a duration after the start, such as `10d` or `9d23h`",
        ));
    };
    if at < Time::START || at > end {
        let last = scenario.start.saturating_add(jiff::Span::new().nanoseconds(end.ns()));
        return Err(Failure::new(Exit::Usage, format!("{option}: `{text}` is outside the run"))
            .hint(format!("it is played from {} to {last}, UTC", scenario.start)));
    }
    Ok(Some(at))
}

// === The story ===

/// Plays the consumer, and tells what happened inside the window.
fn tell(world: &World, consumer: Consumer, name: &str, window: [Time; 2]) -> Result<Story, Overflow> {
    let history = log::record(world, consumer, &mut Scratch::default())?;
    let endings = endings(world, &history.log);
    let mut party = world.open(consumer)?;
    party.keep_notes();
    let is_inside = |entry: &&Logged| matches!(entry.event, Event::Decided { .. }) && within(window, entry.now.traffic);
    let is_single = history.log.iter().filter(is_inside).count() <= SINGLE_MAX;
    let seen = Seen::nothing();
    let faults = faults(&world.scenario, &world.scenario.cohorts[consumer.cohort as usize]);
    let (in_flight, entries) = (BTreeMap::new(), Vec::new());
    let oracle = Oracle::where_needed(world);
    let (meanwhile, stretches) = (Meanwhile::default(), 0);
    let mut teller =
        Teller { world, party, oracle, seen, window, faults, in_flight, is_single, stretches, meanwhile, entries };
    teller.begin();
    let (mut calls, mut ending) = (Counts::default(), endings.iter());
    for logged in &history.log {
        teller.until(logged.now)?;
        teller.play(logged, &mut ending, &mut calls)?;
    }
    teller.until(Now {
        traffic: world.end().traffic - Span::from_ns(1),
        billing: world.end().billing - Span::from_ns(1),
    })?;
    let unheard = webhooks::unheard(&teller.party, world.end(), world.scenario.currency);
    world.close(&mut teller.party, world.end())?;
    let account = teller.party.account();
    assert_eq!(*account, history.account, "a replay ends where the run did");
    let scenario = &world.scenario;
    Ok(Story {
        scenario: scenario.name.clone(),
        seed: scenario.seed,
        consumer: name.to_owned(),
        currency: scenario.currency,
        start: scenario.start,
        from: window[0],
        until: window[1],
        calls,
        money: money(account),
        upstreams: scenario.upstreams.iter().map(|upstream| upstream.name.clone()).collect(),
        at_end: standing(world, account) + &unheard,
        entries: teller.entries,
    })
}

/// What breaks and is mended that a consumer of the cohort can notice, the last first.
fn faults(scenario: &Scenario, cohort: &Cohort) -> Vec<(Time, String)> {
    let met = scenario.faults.iter().filter(|fault| fault.concerns(cohort, scenario));
    let mut told: Vec<_> = met.flat_map(|fault| fault::told(fault, scenario)).collect();
    told.sort_by_key(|(at, _)| *at);
    told.reverse();
    told
}

fn within([from, until]: [Time; 2], at: Time) -> bool {
    from <= at && at < until
}

/// What became of each call, in the order of their decisions.
fn endings(world: &World, log: &[Logged]) -> Vec<Ending> {
    let mut endings = Vec::new();
    let mut open = BTreeMap::new();
    for logged in log {
        match logged.event {
            Event::Decided { decision: Decision::Refuse(cause), .. } => endings.push(Ending::Refused(cause)),
            Event::Decided { decision: Decision::Admit(admission), route, .. } => {
                open.insert(admission.hold, (endings.len(), admission.in_grace, route));
                endings.push(Ending::Unanswered);
            }
            Event::Served { hold, .. } => {
                if let Some((call, in_grace, _)) = open.remove(&hold) {
                    endings[call] = if in_grace { Ending::ServedInGrace } else { Ending::Served };
                }
            }
            Event::GaveUp { hold, .. } => {
                if let Some((call, _, route)) = open.remove(&hold) {
                    let upstream = world.path(route)[0].upstream;
                    let Gone { cause, status, .. } = Gone::GAVE_UP;
                    endings[call] = Ending::Failed { upstream, cause, status };
                }
            }
            Event::Failed { hold, failure, .. } => {
                if let Some((call, _, route)) = open.remove(&hold) {
                    let upstream = world.path(route)[usize::from(failure.hop)].upstream;
                    endings[call] = Ending::Failed { upstream, cause: failure.cause, status: failure.status };
                }
            }
            Event::Heard(_) => {}
        }
    }
    endings
}
