//! Reading a scenario file for a command: the one place where its problems are shown.

use std::path::Path;

use super::exit::{Exit, Failure};
use super::printer::Printer;
use crate::scenario::{self, Diagnostic, Loaded, ScenarioError, Severity, Source};

/// Reads and checks a scenario; whatever is wrong or odd with it has been printed when this returns.
pub fn load(path: &Path, printer: &mut Printer) -> Result<Loaded, Failure> {
    match scenario::load(path) {
        Ok(loaded) => {
            show(&loaded.source, &loaded.warnings, printer);
            Ok(loaded)
        }
        Err(ScenarioError::Unreadable { path, source }) => {
            Err(Failure::new(Exit::Environment, format!("cannot read `{}`", path.display()))
                .because(source)
                .hint("`farebox validate --help` shows a scenario to start from"))
        }
        Err(ScenarioError::Rejected(rejected)) => {
            show(&rejected.source, &rejected.diagnostics, printer);
            let errors = rejected.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
            let plural = if errors == 1 { "" } else { "s" };
            Err(Failure::new(Exit::ScenarioWrong, format!("`{}` has {errors} error{plural}", path.display())))
        }
    }
}

fn show(source: &Source, diagnostics: &[Diagnostic], printer: &mut Printer) {
    for diagnostic in diagnostics {
        printer.diagnostic(source, diagnostic);
    }
}
