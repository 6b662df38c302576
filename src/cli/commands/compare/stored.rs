//! Two outcomes that earlier runs have stored. They come from files that anybody may have written, so their numbers are
//! bounded before anything is summed.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use farebox_engine::money::Currency;
use farebox_engine::outcome::{CohortOutcome, Outcome, RouteOutcome};
use farebox_engine::time::DAY;

use super::finish;
use crate::cli::args;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::out::OutDir;
use crate::cli::printer::Printer;
use crate::cli::results::Results;
use crate::report::compare::Facts;
use crate::report::stored::{self, StoredError};

/// A stored outcome may be so large.
const BYTES_MOST: u64 = 1 << 30;
/// How much of a file tells what it is.
const HEAD_BYTES: u64 = 4_096;
/// Counts and amounts beyond these are no run's; below them no sum over an outcome leaves its range.
const COUNT_MOST: u64 = 1 << 43;
const NANOS_MOST: u128 = 1 << 100;
/// So much of a stored name is in that of the folder.
const NAME_CHARS_MOST: usize = 60;

/// Both outcomes, where both arguments are such; nothing where they are scenarios.
pub(super) fn read(args: &args::Compare) -> Result<Option<[Outcome; 2]>, Failure> {
    let places = [Some(&args.base), args.other.as_ref()].map(|path| path.map(|path| outcome_at(path)));
    match places {
        [Some(None), None | Some(None)] => Ok(None),
        [Some(Some(_)), None] => {
            Err(Failure::new(Exit::Usage, format!("`{}` is a stored outcome", args.base.display()))
                .hint("name a second one to compare with it, or a scenario that has variants"))
        }
        [Some(Some(base)), Some(Some(other))] => {
            if let Some(option) = played_alone(args) {
                let message = format!("{option}: stored outcomes have been played already");
                return Err(Failure::new(Exit::Usage, message).hint("compare the scenarios to play them again"));
            }
            Ok(Some([parse(&base)?, parse(&other)?]))
        }
        _ => {
            let empty = [Some(&args.base), args.other.as_ref()].into_iter().flatten().find(|path| is_without(path));
            if let Some(folder) = empty {
                return Err(Failure::new(Exit::Usage, format!("`{}` holds no `outcome.json`", folder.display()))
                    .hint("name two scenarios, or two folders that `farebox simulate` has written"));
            }
            let other = args.other.as_deref().unwrap_or(&args.base);
            let message = format!(
                "of `{}` and `{}` one is a scenario and one a stored outcome",
                args.base.display(),
                other.display()
            );
            Err(Failure::new(Exit::Usage, message).hint("name two scenarios, or two stored outcomes"))
        }
    }
}

/// Whether it is a folder that no run has written its outcome to.
fn is_without(path: &Path) -> bool {
    path.is_dir() && !path.join("outcome.json").is_file()
}

/// An option that says how to play.
fn played_alone(args: &args::Compare) -> Option<&'static str> {
    [
        ("--variant", !args.variant.is_empty()),
        ("--seed", args.seed.is_some()),
        ("--replications", args.replications.is_some()),
        ("--until", args.until.is_some()),
        ("--jobs", args.output.jobs.is_some()),
    ]
    .into_iter()
    .find_map(|(option, is_given)| is_given.then_some(option))
}

/// The file of an outcome that is there: in a folder of results, or by its own name.
fn outcome_at(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        // Of a folder without one the message is that it has none.
        return Some(path.join("outcome.json"));
    }
    // What comes through a pipe cannot be read twice.
    if !path.is_file() {
        return None;
    }
    let mut head = Vec::new();
    File::open(path).ok()?.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    // A scenario may be JSON too; it has no such keys.
    let head = String::from_utf8_lossy(&head);
    (head.trim_start().starts_with('{') && ["\"schema\"", "\"cohorts\""].iter().any(|key| head.contains(key)))
        .then(|| path.to_owned())
}

fn parse(path: &Path) -> Result<Outcome, Failure> {
    let unreadable = |error: std::io::Error| {
        let failure = Failure::new(Exit::Environment, format!("cannot read `{}`", path.display())).because(error);
        failure.hint("`farebox simulate` writes an `outcome.json` to its folder")
    };
    let wrong =
        |what: String| Failure::new(Exit::Usage, format!("`{}` is no outcome to compare: {what}", path.display()));
    if fs::metadata(path).map_err(unreadable)?.len() > BYTES_MOST {
        return Err(wrong(format!("it is larger than {} MiB", BYTES_MOST >> 20)));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let outcome = stored::outcome(&text).map_err(|error| match error {
        StoredError::Malformed(error) => wrong("it does not read as one of this version".to_owned())
            .because(error)
            .hint("`farebox simulate` writes it anew from the scenario"),
        error @ StoredError::Schema { .. } => wrong(error.to_string()),
    })?;
    if Currency::from_code(&outcome.currency).is_none() {
        return Err(wrong(format!("its currency `{}` is none that Farebox knows", outcome.currency)));
    }
    if outcome.replications().flatten().all(is_in_range) && is_alike(&outcome) {
        Ok(outcome)
    } else {
        Err(wrong("its numbers are out of range".to_owned()))
    }
}

/// Whether no sum over its numbers can leave the range.
fn is_in_range(cohort: &CohortOutcome) -> bool {
    let is_count = |count: &u64| *count <= COUNT_MOST;
    // What is taken off these is cut at zero where a file says nonsense.
    let route = |route: &RouteOutcome| {
        [route.served, route.failed, route.in_flight].iter().chain(route.refused.values()).all(is_count)
            && route.failures.values().all(is_count)
    };
    let nanos = cohort.moved.values().chain([&cohort.dunned.blocked_ns]);
    let mut end = 0;
    let is_played = cohort.played.iter().all(|[from, to]| {
        let is_next = end <= *from && from < to && *to <= cohort.consumers;
        end = *to;
        is_next
    });
    let counts = [cohort.served, cohort.failed, cohort.in_flight, cohort.retried];
    counts.iter().chain(cohort.refused.values()).chain(cohort.counts.values()).all(is_count)
        && cohort.offered() >= cohort.retried
        && cohort.routes.values().all(route)
        && nanos.into_iter().all(|nanos| nanos.0.unsigned_abs() <= NANOS_MOST)
        && is_played
}

/// Whether each replication has the same cohorts.
fn is_alike(outcome: &Outcome) -> bool {
    let names = |cohorts: &[CohortOutcome]| -> Vec<String> { cohorts.iter().map(|it| it.cohort.clone()).collect() };
    let first = names(&outcome.cohorts);
    outcome.replications().all(|cohorts| names(cohorts) == first)
}

/// Puts two outcomes beside each other.
pub(super) fn compare(
    args: &args::Compare,
    [base, variant]: &[Outcome; 2],
    printer: &mut Printer,
) -> Result<Verdict, Failure> {
    let days = |outcome: &Outcome| format!("{} days", outcome.horizon_ns as f64 / DAY as f64);
    let differs =
        [("currency", base.currency.clone(), variant.currency.clone()), ("horizon", days(base), days(variant))];
    if let Some((what, own, other)) = differs.into_iter().find(|(_, own, other)| own != other) {
        let message = format!("the outcomes cannot be compared: their {what} differs, {own} and {other}");
        return Err(
            Failure::new(Exit::Usage, message).hint("compare what was played over the same time in one currency")
        );
    }
    let mut names = [base, variant].map(|outcome| outcome.scenario.clone());
    if names[0] == names[1] {
        let other = args.other.as_deref().unwrap_or(&args.base);
        names = [args.base.display().to_string(), other.display().to_string()];
    }
    // A stored name may be of any length, and that of a folder may not.
    let folder = format!("{}-compare", base.scenario.chars().take(NAME_CHARS_MOST).collect::<String>());
    let results = Results::claim(&args.output, &OutDir::default_for(&folder))?;
    finish(results, &[Facts::stored(base, variant, names)], printer)
}
