//! `farebox report`: renders results that are there already, one or several side by side. Nothing is played, and the scenario's
//! file is not needed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use farebox_engine::outcome::Outcome;

use crate::cli::args;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::out;
use crate::cli::printer::Printer;
use crate::cli::stored;
use crate::report::about::{self, About};
use crate::report::html::{self, Results};

/// How many results are shown side by side at most; more columns can be read by nobody.
const BESIDE_MAX: usize = 12;

/// Results as they were stored.
struct Stored {
    name: String,
    about: About,
    outcome: Option<Outcome>,
}

/// Renders the results of `args`.
pub fn report(args: &args::Report, printer: &mut Printer) -> Result<Verdict, Failure> {
    if args.results.len() > BESIDE_MAX {
        let message = format!("{} results are too many to be read side by side", args.results.len());
        return Err(Failure::new(Exit::Usage, message).hint(format!("give {BESIDE_MAX} at most")));
    }
    let out = out(args)?;
    let stored: Vec<Stored> = args.results.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    let names = names(&stored, &args.results);
    let results: Vec<_> = stored
        .iter()
        .zip(&names)
        .map(|(stored, name)| Results { name, about: &stored.about, outcome: stored.outcome.as_ref() })
        .collect();
    let page = match results[..] {
        [one] => html::render(one),
        _ => html::render_beside(&results),
    };
    write(&out, &page, if args.out.is_some() && !args.force { Existing::Kept } else { Existing::Replaced })?;
    printer.note(&format!("the report is in {}", out.display()));
    Ok(Verdict::passed())
}

/// What is done with a file that is there already.
#[derive(Clone, Copy, PartialEq)]
enum Existing {
    Kept,
    Replaced,
}

/// Where the page goes. A folder's own page is replaced only where a run has written it.
fn out(args: &args::Report) -> Result<PathBuf, Failure> {
    if let Some(out) = &args.out {
        return Ok(out.clone());
    }
    let [folder] = &args.results[..] else {
        let message = "several results have no folder of their own for the page";
        return Err(Failure::new(Exit::Usage, message).hint("say where it goes with `--out FILE`"));
    };
    let page = folder.join("index.html");
    let is_ours =
        fs::read_to_string(folder.join(".farebox")).is_ok_and(|list| list.lines().any(|name| name == "index.html"));
    if folder.is_dir() && !is_ours && page.exists() {
        let message = format!("`{}` was not written by a run", page.display());
        return Err(Failure::new(Exit::Environment, message).hint("write the page elsewhere with `--out FILE`"));
    }
    if folder.is_dir() && is_ours {
        return Ok(page);
    }
    let message = format!("`{}` is no folder that a run has written a page to", folder.display());
    Err(Failure::new(Exit::Environment, message).hint("say where the page goes with `--out FILE`"))
}

fn write(path: &Path, page: &str, existing: Existing) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let failure = Failure::new(Exit::Environment, format!("cannot write `{}`", path.display()));
        match error.kind() {
            ErrorKind::AlreadyExists => failure.because(error).hint("`--force` replaces it"),
            _ => failure.because(error),
        }
    };
    if existing == Existing::Kept && path.exists() {
        return Err(failed(ErrorKind::AlreadyExists.into()));
    }
    out::put(path, page).map_err(failed)
}

/// What the results are called: their folder, or all that was typed where that is not enough.
fn names(stored: &[Stored], paths: &[PathBuf]) -> Vec<String> {
    let is_taken = |name: &str| stored.iter().filter(|other| other.name == name).count() > 1;
    let name = |(stored, path): (&Stored, &PathBuf)| {
        if is_taken(&stored.name) { path.display().to_string() } else { stored.name.clone() }
    };
    stored.iter().zip(paths).map(name).collect()
}

// === Reading ===

fn read(path: &Path) -> Result<Stored, Failure> {
    let is_folder = path.is_dir();
    let (outcome, beside) = if is_folder {
        (path.join("outcome.json"), path.join("about.json"))
    } else {
        (path.to_owned(), path.with_file_name("about.json"))
    };
    let told: Option<About> = if beside.exists() { Some(stored::json(&beside)?) } else { None };
    if let Some(told) = told.as_ref().filter(|told| told.schema != about::SCHEMA) {
        return Err(other_version(&beside, told.schema, about::SCHEMA));
    }
    // A load on a gateway that is not ours has no outcome.
    let outcome =
        if is_folder && told.is_some() && !outcome.exists() { None } else { Some(stored::outcome(&outcome)?) };
    let about = match (told, &outcome) {
        // What lies beside a file that was moved may be about other results.
        (Some(told), Some(outcome)) if (&told.fingerprint, told.seed) != (&outcome.fingerprint, outcome.seed) => {
            About::unknown(outcome)
        }
        (Some(told), _) => told,
        (None, Some(outcome)) => About::unknown(outcome),
        (None, None) => unreachable!("without an outcome there is what tells of it"),
    };
    let own = if is_folder { path.file_name() } else { path.parent().and_then(Path::file_name).or(path.file_name()) };
    let name = own.map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    Ok(Stored { name, about, outcome })
}

fn other_version(path: &Path, found: u32, known: u32) -> Failure {
    let message = format!("`{}` is of schema {found}, and this version reads {known}", path.display());
    Failure::new(Exit::Environment, message).hint("render it with the version that has written it, or play it again")
}
