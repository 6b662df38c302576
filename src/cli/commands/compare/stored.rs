//! Two outcomes that earlier runs have stored.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use farebox_engine::outcome::Outcome;
use farebox_engine::time::DAY;

use super::finish;
use crate::cli::args;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::out::OutDir;
use crate::cli::printer::Printer;
use crate::cli::results::Results;
use crate::cli::stored;
use crate::report::compare::Facts;

/// How much of a file tells what it is.
const HEAD_BYTES: u64 = 4_096;
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
            Ok(Some([stored::outcome(&base)?, stored::outcome(&other)?]))
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
