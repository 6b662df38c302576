//! What every command that writes results does with them: they gather, are printed, and take their folder's place.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde::Serialize;

use super::args::{Format, Output};
use super::ci;
use super::exit::{Exit, Failure, Verdict};
use super::interrupt;
use super::out::OutDir;
use super::printer::Printer;
use crate::control::Control;

/// Results on the way to their folder, and what else the options of every such command say.
pub struct Results {
    /// On how many threads they are worked out.
    pub jobs: NonZeroUsize,
    /// What a runner is told on standard error, line by line.
    pub commands: Vec<String>,
    /// The summary for a runner that asks for one.
    pub summary: String,
    out: OutDir,
    files: Vec<(&'static str, String)>,
    format: Format,
    interrupted: Arc<AtomicBool>,
}

impl Results {
    /// Claims the folder that the options name, or else this one, and listens to interrupts.
    pub fn claim(output: &Output, default: &Path) -> Result<Self, Failure> {
        // First, so that whoever finds the folder claimed may interrupt.
        let interrupted = interrupt::flag()
            .map_err(|error| Failure::new(Exit::Environment, "cannot listen to signals").because(error))?;
        Ok(Self {
            out: OutDir::claim(output.out.as_deref().unwrap_or(default))?,
            files: Vec::new(),
            commands: Vec::new(),
            summary: String::new(),
            jobs: output.jobs.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN),
            format: output.format,
            interrupted,
        })
    }

    /// What the work shares with this thread; canceled by an interrupt.
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.interrupted))
    }

    /// Whether an interrupt has cut the work short.
    pub fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Adds a result for the folder, as JSON.
    pub fn add_json(&mut self, name: &'static str, result: &impl Serialize) {
        let mut json = serde_json::to_string_pretty(result).expect("results are plain data");
        json.push('\n');
        self.files.push((name, json));
    }

    /// Adds a result for the folder, as it is.
    pub fn add(&mut self, name: &'static str, result: String) {
        self.files.push((name, result));
    }

    /// Prints the results, puts them in place, and says where they are. Neither failing keeps the other from being done.
    pub fn finish(
        mut self,
        text: &str,
        json: &impl Serialize,
        mut verdict: Verdict,
        printer: &mut Printer,
    ) -> Result<Verdict, Failure> {
        if self.was_interrupted() {
            printer.warning("interrupted: the results are partial, and hold only what was played until then");
            verdict.note(Exit::Interrupted);
        }
        let shown = match self.format {
            Format::Text => printer.data(text),
            Format::Json => printer.json(&serde_json::to_string_pretty(json).expect("results are plain data")),
        };
        let folder = self.out.folder().display().to_string();
        for (name, result) in &self.files {
            self.out.write(name, result.as_bytes())?;
        }
        self.out.commit()?;
        if let Some(file) = ci::step_summary().filter(|_| !self.summary.is_empty())
            && let Err(error) = ci::append(&file, &self.summary)
        {
            printer.warning(&format!("the summary cannot be added to `{}`: {error}", file.display()));
        }
        self.commands.iter().for_each(|line| printer.command(line));
        shown?;
        printer.note(&format!("results are in {folder}"));
        Ok(verdict)
    }
}
