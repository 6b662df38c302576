//! Reading a scenario file for a command: the one place where its problems are shown.

use std::path::Path;

use super::args::Played;
use super::exit::{Exit, Failure};
use super::printer::Printer;
use crate::scenario::{self, Diagnostic, Grid, GridError, Loaded, Rejected, ScenarioError, Severity, Source};

/// Reads a scenario that is to be played; whatever is wrong or odd with it has been printed when this returns. What has
/// no effect in this version is an error here: the run would answer another question.
pub fn load(played: &Played, printer: &mut Printer) -> Result<Loaded, Failure> {
    let path = &played.file;
    let loaded = read(path, played.variant.as_deref(), printer)?;
    playable(&loaded, path, printer)?;
    Ok(loaded)
}

/// Refuses what this version cannot run; what is odd is printed.
fn playable(loaded: &Loaded, path: &Path, printer: &mut Printer) -> Result<(), Failure> {
    if loaded.unsupported.is_empty() {
        show(&loaded.source, &loaded.warnings, printer);
        return Ok(());
    }
    Err(unsupported(path, loaded, &loaded.warnings, printer))
}

/// Shows what this version cannot run, among the warnings.
fn unsupported(path: &Path, loaded: &Loaded, warnings: &[Diagnostic], printer: &mut Printer) -> Failure {
    let as_errors = loaded.unsupported.iter().map(|it| Diagnostic { severity: Severity::Error, ..it.clone() });
    show(&loaded.source, &in_order(warnings.iter().cloned().chain(as_errors)), printer);
    wrong(path, loaded.unsupported.len()).hint("`farebox validate` accepts it; this version cannot run it")
}

/// Reads the variants of a scenario that has been read already, so that its warnings are not said once more.
pub fn load_variants(path: &Path, names: &[String], printer: &mut Printer) -> Result<Vec<Loaded>, Failure> {
    let load = |name: &String| {
        let loaded = read(path, Some(name), printer)?;
        if loaded.unsupported.is_empty() { Ok(loaded) } else { Err(unsupported(path, &loaded, &[], printer)) }
    };
    names.iter().map(load).collect()
}

/// Reads and checks a scenario that nobody plays: what has no effect in this version is said, and no error. It includes
/// that of all variants.
pub fn check(path: &Path, printer: &mut Printer) -> Result<Loaded, Failure> {
    let mut loaded = read(path, None, printer)?;
    for found in loaded.variants.iter().flat_map(|variant| &variant.unsupported) {
        if !loaded.unsupported.contains(found) {
            loaded.unsupported.push(found.clone());
        }
    }
    show(&loaded.source, &in_order(loaded.warnings.iter().chain(&loaded.unsupported).cloned()), printer);
    Ok(loaded)
}

/// Reads a scenario over a grid of values; whatever is wrong with the file or the options has been printed when this
/// returns.
pub fn grid(played: &Played, sets: &[String], printer: &mut Printer) -> Result<Grid, Failure> {
    let path = &played.file;
    match Grid::load(path, played.variant.as_deref(), sets) {
        Ok(grid) => {
            playable(&grid.base, path, printer)?;
            Ok(grid)
        }
        Err(GridError::Scenario(error)) => Err(unread(path, error, printer)),
        Err(GridError::Options(rejected)) => Err(wrong_sets(&rejected, printer)),
    }
}

/// What `--set` asks for, and cannot be; it is printed.
pub fn wrong_sets(rejected: &Rejected, printer: &mut Printer) -> Failure {
    show(&rejected.source, &rejected.diagnostics, printer);
    let errors = rejected.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    let plural = if errors == 1 { "" } else { "s" };
    Failure::new(Exit::Usage, format!("--set: {errors} error{plural} in what it asks for"))
        .hint("nothing was played; `farebox sweep --help` has examples")
}

fn read(path: &Path, variant: Option<&str>, printer: &mut Printer) -> Result<Loaded, Failure> {
    scenario::load_variant(path, variant).map_err(|error| unread(path, error, printer))
}

fn unread(path: &Path, error: ScenarioError, printer: &mut Printer) -> Failure {
    match error {
        ScenarioError::Unreadable { path, source } => {
            Failure::new(Exit::Environment, format!("cannot read `{}`", path.display())).because(source).hint(
                if path.is_dir() {
                    "name the files in the folder, such as `scenarios/*.yaml`"
                } else {
                    "`farebox init` writes a scenario to start from"
                },
            )
        }
        ScenarioError::Rejected(rejected) => {
            show(&rejected.source, &rejected.diagnostics, printer);
            let errors = rejected.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
            wrong(path, errors)
        }
    }
}

fn wrong(path: &Path, errors: usize) -> Failure {
    let plural = if errors == 1 { "" } else { "s" };
    Failure::new(Exit::ScenarioWrong, format!("`{}` has {errors} error{plural}", path.display()))
}

fn in_order(diagnostics: impl Iterator<Item = Diagnostic>) -> Vec<Diagnostic> {
    let mut diagnostics: Vec<Diagnostic> = diagnostics.collect();
    diagnostics.sort_by_key(|diagnostic| diagnostic.span);
    diagnostics
}

/// Prints what is wrong or odd.
pub fn show(source: &Source, diagnostics: &[Diagnostic], printer: &mut Printer) {
    for diagnostic in diagnostics {
        printer.diagnostic(source, diagnostic);
    }
}
