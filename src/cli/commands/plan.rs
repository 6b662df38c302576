//! `farebox plan`: what a run will do and what of it cannot work, computed.

use std::num::NonZeroUsize;
use std::thread;

use crate::cli::args::{self, Format};
use crate::cli::exit::{Failure, Verdict};
use crate::cli::printer::Printer;
use crate::cli::{plan, scenario_file};
use crate::forecast::{self, Forecast};

/// Prints the forecast of the scenario of `args`, then its warnings.
pub fn plan(args: &args::Plan, printer: &mut Printer) -> Result<Verdict, Failure> {
    let mut scenario = scenario_file::load(&args.played, printer)?.scenario;
    plan::set_pace(&args.pace, &mut scenario.live)?;
    let jobs = args.jobs.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let forecast = Forecast::new(&scenario, jobs);
    match args.format {
        Format::Text => printer.data(&forecast::text::render(&forecast))?,
        Format::Json => {
            printer.json(&serde_json::to_string_pretty(&forecast).expect("a forecast is plain data"))?;
        }
    }
    for warning in &forecast.warnings {
        printer.warning(warning);
    }
    Ok(Verdict::passed())
}
