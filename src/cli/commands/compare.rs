//! `farebox compare`: what a change does to whom. A scenario beside its variants or beside another file, played with the
//! same draws; or two stored outcomes, which hold no single consumers.

mod stored;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use farebox_engine::model::Scenario;
use farebox_engine::money::{Currency, thousands};
use farebox_engine::outcome::{Metric, PAIRED_SCHEMA, Paired};
use serde::Serialize;

use crate::cli::args::{self, Played};
use crate::cli::command_line::quoted;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::out::OutDir;
use crate::cli::printer::Printer;
use crate::cli::results::Results;
use crate::cli::{plan, scenario_file};
use crate::compare::{COHORTS_MAX, CompareError, Comparison};
use crate::control::Control;
use crate::measure::interval::LEAST;
use crate::measure::paired::{self, Until, Whose};
use crate::report::compare::{Facts, Told, table, text};
use crate::scenario;

/// How many replications `--until` plays at most, unless it is told, and where so many may be kept.
const MOST: u32 = 1_000;

/// Compares what `args` name.
pub fn compare(args: &args::Compare, printer: &mut Printer) -> Result<Verdict, Failure> {
    match stored::read(args)? {
        Some(outcomes) => stored::compare(args, &outcomes, printer),
        None => play(args, printer),
    }
}

/// One side, and how it is told.
struct Side {
    scenario: Arc<Scenario>,
    told: Told,
}

fn play(args: &args::Compare, printer: &mut Printer) -> Result<Verdict, Failure> {
    let (base, variants) = sides(args, printer)?;
    let until = args.until.as_deref().map(|text| until(text, base.scenario.currency)).transpose()?;
    if let (Some(_), Some(most @ ..paired::FIRST)) = (until, args.replications) {
        let message =
            format!("--until: it looks after {} replications first, and `--replications` allows {most}", paired::FIRST);
        return Err(Failure::new(Exit::Usage, message).hint("allow more, or leave `--replications` away"));
    }
    let scenarios = variants.iter().map(|side| Arc::clone(&side.scenario)).collect();
    let comparison = Comparison::new(Arc::clone(&base.scenario), scenarios).map_err(not_comparable)?;
    let most = match (until, args.replications) {
        (_, Some(most)) => most,
        (None, None) => base.scenario.replications.max(LEAST as u32),
        (Some(_), None) => {
            let kept = COHORTS_MAX / comparison.cohorts().max(1);
            kept.clamp(paired::FIRST.into(), MOST.into()) as u32
        }
    };
    check_size(&comparison, most)?;
    let folder = format!("{}-compare", base.scenario.name);
    let mut results = Results::claim(&args.output, &OutDir::default_for(&folder))?;
    let played = Play { comparison: &comparison, results: &results, control: results.control() };
    let pairs = match until {
        None => {
            let mut pairs = Vec::new();
            played.on(&mut pairs, most, printer)?;
            pairs
        }
        Some(until) => played.until(until, most, printer)?,
    };
    let facts: Vec<_> =
        pairs.iter().zip(&variants).map(|(paired, variant)| Facts::paired(paired, &base.told, &variant.told)).collect();
    results.add_json("comparison.json", &Stored { schema: PAIRED_SCHEMA, comparisons: &pairs });
    finish(results, &facts, printer)
}

/// What is kept of every cohort grows with the replications: too much of it is refused before anything is played.
fn check_size(comparison: &Comparison, replications: u32) -> Result<(), Failure> {
    let cohorts = comparison.cohorts();
    let kept = cohorts * u64::from(replications);
    if kept <= COHORTS_MAX {
        return Ok(());
    }
    let [cohorts, replications, kept, most] =
        [cohorts, replications.into(), kept, COHORTS_MAX].map(|it| thousands(it.into()));
    let message = format!(
        "{cohorts} cohorts, over all variants, in each of {replications} replications are {kept}, and may be {most}"
    );
    Err(Failure::new(Exit::Usage, message).hint("take fewer `--replications`, or name fewer variants by `--variant`"))
}

/// What `comparison.json` holds: integers alone, the same bytes for any number of threads.
#[derive(Serialize)]
struct Stored<'a> {
    schema: u32,
    comparisons: &'a [Paired],
}

/// Prints the facts, and writes them in every form.
fn finish(mut results: Results, facts: &[Facts], printer: &mut Printer) -> Result<Verdict, Failure> {
    let page = text::render(facts);
    for (name, text) in table::all(facts) {
        results.add(name, text);
    }
    results.add("compare.txt", page.clone());
    results.finish(&page, &facts, Verdict::passed(), printer)
}

// === What is compared ===

/// The base and what it is compared with.
fn sides(args: &args::Compare, printer: &mut Printer) -> Result<(Side, Vec<Side>), Failure> {
    if args.other.is_none() && args.base.exists() && !args.base.is_file() {
        let message = format!("`{}` can be read only once, and is read for each variant", args.base.display());
        return Err(Failure::new(Exit::Usage, message).hint("put it in a file"));
    }
    let base = Played { file: args.base.clone(), variant: None };
    let loaded = scenario_file::load(&base, printer)?;
    if let Some(other) = &args.other {
        if let Some(variant) = args.variant.first() {
            let message = format!("--variant: `{variant}` would be a variant of one of two files");
            return Err(Failure::new(Exit::Usage, message).hint("name one file, and its variants are compared with it"));
        }
        let named = Played { file: other.clone(), variant: None };
        let other = scenario_file::load(&named, printer)?;
        let mut sides = [side(loaded.scenario, &args.base, None, args), side(other.scenario, &named.file, None, args)];
        // Two files may well have one name.
        if sides[0].told.name == sides[1].told.name {
            sides[0].told.name = args.base.display().to_string();
            sides[1].told.name = named.file.display().to_string();
        }
        let [base, other] = sides;
        return Ok((base, vec![other]));
    }
    let known: Vec<String> = loaded.variants.iter().map(|variant| variant.name.clone()).collect();
    if known.is_empty() && args.variant.is_empty() {
        let message = format!("`{}` has no variants to compare with it", args.base.display());
        return Err(Failure::new(Exit::Usage, message).hint("write some under `variants`, or name a second scenario"));
    }
    let mut seen = BTreeSet::new();
    let asked = if args.variant.is_empty() { known } else { args.variant.clone() };
    let asked: Vec<String> = asked.into_iter().filter(|name| seen.insert(name.clone())).collect();
    let variants = scenario_file::load_variants(&args.base, &asked, printer)?;
    let named = asked.into_iter().zip(variants);
    let variants = named.map(|(name, loaded)| side(loaded.scenario, &args.base, Some(name), args)).collect();
    Ok((side(loaded.scenario, &args.base, None, args), variants))
}

fn side(mut scenario: Scenario, file: &Path, variant: Option<String>, args: &args::Compare) -> Side {
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    let mut explain = quoted(&file.display().to_string());
    for (option, value) in [("--variant", variant.clone()), ("--seed", args.seed.map(|seed| seed.to_string()))] {
        if let Some(value) = value {
            explain = format!("{explain} {option} {}", quoted(&value));
        }
    }
    let name = variant.unwrap_or_else(|| scenario.name.clone());
    Side { scenario: Arc::new(scenario), told: Told { name, explain } }
}

fn not_comparable(error: CompareError) -> Failure {
    let (names, source) = match error {
        CompareError::Overflow(amount) => return plan::overflow(amount),
        CompareError::Unlike { base, variant, source } => ([base, variant], source),
    };
    let message = match names {
        [base, variant] if base == variant => "the two files cannot be compared consumer by consumer".to_owned(),
        [base, variant] => format!("`{variant}` cannot be compared with `{base}` consumer by consumer"),
    };
    let hint = if source.what == "seed" {
        "`--seed N` draws both from one seed"
    } else {
        "what is compared has to be alike in seed, currency, start and horizon"
    };
    Failure::new(Exit::ScenarioWrong, message).because(source).hint(hint)
}

fn until(text: &str, currency: Currency) -> Result<Until, Failure> {
    let wrong = |complaint: String| Failure::new(Exit::Usage, format!("--until: {complaint}"));
    let until = if text.trim_end().ends_with('%') {
        Until::Share(scenario::share(text.trim()).map_err(wrong)?)
    } else {
        Until::Amount(scenario::amount(text.trim(), currency).map_err(wrong)?.nanos().into())
    };
    match until {
        Until::Share(share) if share <= 0.0 => Err(wrong("no interval is as narrow as 0 %".to_owned())),
        Until::Amount(nanos) if nanos <= 0 => Err(wrong("no interval is as narrow as nothing".to_owned())),
        until => Ok(until),
    }
}

// === Playing it ===

/// What is played, and who may stop it.
struct Play<'a> {
    comparison: &'a Comparison,
    results: &'a Results,
    control: Control,
}

impl Play<'_> {
    /// Goes on until there are `count` replications.
    fn on(&self, pairs: &mut Vec<Paired>, count: u32, printer: &Printer) -> Result<(), Failure> {
        let played = pairs.first().map_or(0, Paired::replication_count);
        self.control.done.store(0, std::sync::atomic::Ordering::Relaxed);
        let more = u64::from(count).saturating_sub(played);
        let progress = printer.progress("comparing", self.comparison.consumers() * more);
        let work = || self.comparison.replicate(pairs, count, self.results.jobs, &self.control);
        progress.follow(&self.control.done, work).map_err(plan::overflow)
    }

    /// Adds replications until every interval is narrow enough, or there are as many as may be.
    fn until(&self, until: Until, most: u32, printer: &mut Printer) -> Result<Vec<Paired>, Failure> {
        let mut pairs = Vec::new();
        let mut next = paired::FIRST.min(most);
        loop {
            self.on(&mut pairs, next, printer)?;
            if self.control.is_canceled() {
                return Ok(pairs);
            }
            check_base(&pairs, until)?;
            let played = pairs.first().map_or(0, |paired| paired.replication_count() as u32);
            let Some(needed) = pairs.iter().filter_map(|paired| paired::next(paired, until)).max() else {
                return Ok(pairs);
            };
            if played >= most {
                printer.warning(&format!(
                    "--until: {played} replications have not made the interval narrow enough; about {needed} would"
                ));
                return Ok(pairs);
            }
            next = needed.min(most);
        }
    }
}

/// A share of nothing is never reached.
fn check_base(pairs: &[Paired], until: Until) -> Result<(), Failure> {
    let earns_nothing = pairs.iter().any(|paired| paired::difference(paired, Metric::Earned, Whose::All).base.sum == 0);
    if matches!(until, Until::Share(_)) && earns_nothing {
        let message = "--until: the base earns nothing, and no interval is a share of that";
        return Err(Failure::new(Exit::Usage, message).hint("give an amount, such as `--until $50`"));
    }
    Ok(())
}
