//! `farebox prove`: textbook formulas beside what the simulation gives.

use std::num::NonZeroUsize;
use std::thread;

use crate::cli::args::{self, Format};
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::interrupt;
use crate::cli::printer::Printer;
use crate::control::Control;
use crate::prove::rows::{self, Row};
use crate::prove::{self, Options, Proof, run, text};

/// How much more `--long` plays: intervals shrink with its square root.
const LONG: f64 = 100.0;

/// Plays the rows that `args` ask for, and prints them.
pub fn prove(args: &args::Prove, printer: &mut Printer) -> Result<Verdict, Failure> {
    let rows = chosen(args.only.as_deref())?;
    let jobs = args.jobs.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let options = Options { seed: args.seed, work: if args.long { LONG } else { 1.0 }, jobs };
    let mut verdict = Verdict::passed();
    let Some(proof) = played(&rows, options, printer)? else {
        printer.warning("interrupted: rows that were not played to their end have no verdict, so there is no result");
        verdict.note(Exit::Interrupted);
        return Ok(verdict);
    };
    match args.format {
        Format::Text => printer.page(&text::render(&proof))?,
        Format::Json => printer.json(&serde_json::to_string_pretty(&proof).expect("a proof is plain data"))?,
    }
    if !proof.holds {
        verdict.note(Exit::ThresholdBroken);
    }
    Ok(verdict)
}

fn played(rows: &[Row], options: Options, printer: &Printer) -> Result<Option<Proof>, Failure> {
    let interrupted = interrupt::flag()
        .map_err(|error| Failure::new(Exit::Environment, "cannot listen to signals").because(error))?;
    let control = Control::new(interrupted);
    let progress = printer.progress("proving", (rows.len() * run::REPLICATIONS) as u64);
    Ok(progress.follow(&control.done, || prove::prove(rows, options, &control)))
}

/// The rows whose name contains what was asked for, in whatever case.
fn chosen(only: Option<&str>) -> Result<Vec<Row>, Failure> {
    let all = rows::rows();
    let Some(part) = only else { return Ok(all) };
    let names: Vec<_> = all.iter().map(|row| row.name).collect();
    let message = format!("--only: no row's name contains `{part}`");
    let hint = format!("the rows are: {}", names.join("; "));
    let wanted = part.to_lowercase();
    let chosen: Vec<_> = all.into_iter().filter(|row| row.name.to_lowercase().contains(&wanted)).collect();
    if chosen.is_empty() { Err(Failure::new(Exit::Usage, message).hint(hint)) } else { Ok(chosen) }
}
