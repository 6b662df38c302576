//! What a run was asked for, resolved: the scenario with its overrides, the folder, the threads. Everything that can be
//! wrong before the work begins is found here.

use std::path::PathBuf;
use std::sync::Arc;

use farebox_engine::model::{Arrivals, Live, Scenario};
use farebox_engine::money::Overflow;
use farebox_engine::outcome::Outcome;
use farebox_engine::world::World;
use farebox_engine::world::schedule::Pace;

use super::args;
use super::ci::Runner;
use super::exit::{Exit, Failure};
use super::out::OutDir;
use super::printer::Printer;
use super::results::Results;
use super::{command_line, scenario_file};
use crate::forecast;
use crate::live::generator::null::NoCeiling;
use crate::live::stage::LiveError;
use crate::report::about::{About, Played};
use crate::report::html;
use crate::scenario::{self, Loaded, Setting, setting};

/// Rows of a trace that a load may have, its repeats included: 4 bytes of memory each, as in a simulation.
const TRACE_ROWS_MAX: u64 = 64 << 20;

/// A run, ready to start.
pub struct Plan {
    /// What is played, overrides applied.
    pub scenario: Arc<Scenario>,
    /// The scenario's file.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// The name of the scenario without that of its variant: they share baselines.
    pub family: String,
    /// Where each threshold stands in it: the line and the column.
    pub places: Vec<[usize; 2]>,
    /// What comes of it.
    pub results: Results,
    annotations: args::Annotations,
    question: Option<String>,
    variant: Option<String>,
    settings: Vec<Setting>,
}

impl Plan {
    /// Reads the scenario and claims the folder.
    pub fn new(
        played: &args::Played,
        seed: Option<u64>,
        output: &args::Output,
        annotations: args::Annotations,
        printer: &mut Printer,
    ) -> Result<Self, Failure> {
        let Loaded { mut scenario, thresholds, source, question, mut settings, .. } =
            scenario_file::load(played, printer)?;
        if let Some(seed) = seed {
            scenario.seed = seed;
            setting::set(&mut settings, &["seed"], seed.to_string());
        }
        let suffix = played.variant.as_ref().map(|variant| format!("-{variant}")).unwrap_or_default();
        let results = Results::claim(output, &OutDir::default_for(&scenario.name))?;
        Ok(Self {
            question,
            variant: played.variant.clone(),
            settings,
            file: played.file.clone(),
            text: source.text().to_owned(),
            family: scenario.name.strip_suffix(&suffix).unwrap_or(&scenario.name).to_owned(),
            places: thresholds.iter().map(|place| [place.line, place.column]).collect(),
            results,
            annotations,
            scenario: Arc::new(scenario),
        })
    }

    /// As [`Self::new`], with the overrides of a load.
    pub fn live(args: &args::Live, printer: &mut Printer) -> Result<Self, Failure> {
        let mut plan = Self::new(&args.played, args.seed, &args.output, args.judging.annotations, printer)?;
        set_pace(&args.pace, &mut Arc::make_mut(&mut plan.scenario).live)?;
        let paced = [("rate", &args.pace.rate), ("duration", &args.pace.duration)];
        for (key, value) in paced.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
            setting::set(&mut plan.settings, &["live", key], value.clone());
        }
        match forecast::load::too_long(&plan.scenario) {
            Some(problem) => Err(Failure::new(Exit::ScenarioWrong, problem)),
            None => Ok(plan),
        }
    }

    /// Makes each next call of the load once the one before is answered, over as many connections as it has.
    pub fn close(&mut self) -> Result<(), Failure> {
        let live = &mut Arc::make_mut(&mut self.scenario).live;
        if !live.stages.is_empty() {
            let message = "--closed: a closed load has no stages: the answers say when calls are made";
            return Err(Failure::new(Exit::Usage, message).hint("give it one rate with `--rate`"));
        }
        let clients = live.closed.unwrap_or(live.connections);
        live.closed = Some(clients);
        setting::set(&mut self.settings, &["live", "closed"], clients.to_string());
        Ok(())
    }

    /// Changes how often the simulation is repeated.
    pub fn set_replications(&mut self, replications: Option<u32>) {
        if let Some(replications) = replications {
            Arc::make_mut(&mut self.scenario).replications = replications;
            setting::set(&mut self.settings, &["replications"], replications.to_string());
        }
    }

    /// Warns of payments that the load will not hear of in time, before it begins.
    pub fn warn_of_unheard(&self, printer: &mut Printer) {
        for warning in forecast::unheard::too_late(&self.scenario) {
            printer.warning(&warning);
        }
    }

    /// The load as a world.
    pub fn scaled(&self) -> Result<Arc<World>, Failure> {
        check_traces(&self.scenario)?;
        let world = World::scaled(Arc::clone(&self.scenario), &self.scenario.live).map_err(overflow)?;
        Ok(Arc::new(world))
    }

    /// Who is told of broken thresholds.
    pub fn told_to(&self) -> Option<Runner> {
        Runner::of(self.annotations)
    }

    /// What a report needs beside the outcome, as far as it is known before anything is played.
    pub fn about(&self, kind: Played) -> About {
        About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command_line::typed(),
            variant: self.variant.clone(),
            question: self.question.clone(),
            settings: self.settings.clone(),
            ..About::of(&self.scenario, kind)
        }
    }

    /// Adds the page for a browser, and what it takes to render it again.
    pub fn add_page(&mut self, about: &About, outcome: Option<&Outcome>) {
        self.results.add_json("about.json", about);
        self.results.add("index.html", html::render(html::Results { name: &about.scenario, about, outcome }));
    }
}

/// Changes what of a load is to be changed.
pub fn set_pace(pace: &args::Pace, live: &mut Live) -> Result<(), Failure> {
    if let Some(text) = &pace.rate {
        live.rate_per_s = scenario::rate_per_s(text).map_err(wrong_option("--rate"))?;
        live.stages.clear();
    }
    if let Some(text) = &pace.duration {
        if !live.stages.is_empty() {
            let message = "--duration: the load lasts as long as the stages of its rate";
            return Err(Failure::new(Exit::Usage, message).hint("give it one rate with `--rate` as well"));
        }
        live.duration = scenario::duration(text).map_err(wrong_option("--duration"))?;
    }
    let [begins, ends] = live.measured();
    if begins == ends {
        let message = "nothing of so short a load is left to be measured beside its warm-up and cool-down";
        return Err(Failure::new(Exit::Usage, message).hint("give it a longer `--duration`"));
    }
    Ok(())
}

/// Refuses a load for which a trace would have to repeat more often than its rows can be kept.
fn check_traces(scenario: &Scenario) -> Result<(), Failure> {
    let pace = Pace::scaled(scenario, &scenario.live);
    let traces = scenario.cohorts.iter().filter_map(|cohort| match &cohort.arrivals {
        Arrivals::Trace(trace) => Some((&cohort.name, pace.rows_of(trace))),
        Arrivals::Poisson { .. } | Arrivals::Patterned(_) => None,
    });
    match traces.into_iter().find(|(_, rows)| *rows > TRACE_ROWS_MAX) {
        None => Ok(()),
        Some((cohort, rows)) => {
            let message =
                format!("the load repeats the trace of `{cohort}` to {rows} rows, and may to {TRACE_ROWS_MAX}");
            Err(Failure::new(Exit::ScenarioWrong, message).hint("shorten `live.duration`, or lower `live.rate`"))
        }
    }
}

fn wrong_option(option: &'static str) -> impl FnOnce(String) -> Failure {
    move |complaint| Failure::new(Exit::Usage, format!("{option}: {complaint}"))
}

/// Amounts that leave the range are the scenario's: nothing else makes them.
pub fn overflow(overflow: Overflow) -> Failure {
    Failure::new(Exit::ScenarioWrong, "the scenario's amounts are too large to be kept exactly").because(overflow)
}

/// A load that could not take place.
pub fn live_error(error: LiveError) -> Failure {
    match error {
        LiveError::Overflow(amount) => overflow(amount),
        LiveError::Descriptors { .. } => Failure::new(Exit::Environment, "the load could not take place")
            .because(error)
            .hint("raise the limit with `ulimit -n`, or write fewer `live.connections`"),
        other => Failure::new(Exit::Environment, "the load could not take place").because(other),
    }
}

/// A self-test that could not take place.
pub fn no_ceiling(error: NoCeiling) -> Failure {
    Failure::new(Exit::Environment, "the generator could not be tried").because(error)
}
