//! `farebox validate`: reads scenarios as a run would, and runs nothing.

use std::path::Path;

use farebox_engine::money::thousands;
use farebox_engine::time::{DAY, HOUR, MINUTE, SECOND, Span};

use crate::cli::args;
use crate::cli::exit::{Failure, Verdict};
use crate::cli::printer::Printer;
use crate::cli::scenario_file;
use crate::scenario::Loaded;

/// Checks every file, and says of each valid one what it holds.
pub fn validate(args: &args::Validate, printer: &mut Printer) -> Result<Verdict, Failure> {
    let mut verdict = Verdict::passed();
    for file in &args.files {
        match scenario_file::check(file, printer) {
            Ok(loaded) => printer.data(&summary(file, &loaded))?,
            Err(failure) => {
                verdict.note(failure.exit());
                printer.failure(&failure);
            }
        }
    }
    Ok(verdict)
}

fn summary(file: &Path, loaded: &Loaded) -> String {
    let scenario = &loaded.scenario;
    let consumers: u64 = scenario.cohorts.iter().map(|cohort| u64::from(cohort.count)).sum();
    let variants = match loaded.variants.len() as u64 {
        0 => String::new(),
        count => format!(", {}", counted(count, "variant")),
    };
    let unsupported = match loaded.unsupported.len() as u64 {
        0 => String::new(),
        1 => "; 1 thing in it is not supported yet and cannot be run".to_owned(),
        count => format!("; {} in it are not supported yet and cannot be run", counted(count, "thing")),
    };
    format!(
        "{}: `{}` is valid: {}, {}, {}, {}{variants}{unsupported}",
        file.display(),
        scenario.name,
        counted(scenario.plans.len() as u64, "plan"),
        counted(scenario.cohorts.len() as u64, "cohort"),
        counted(consumers, "consumer"),
        length(scenario.horizon),
    )
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(count.into()))
}

/// A length of time in the largest unit that measures it exactly.
fn length(span: Span) -> String {
    let units = [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second"), (1, "nanosecond")];
    let whole = |&(ns, _): &(u64, &str)| span.ns().is_multiple_of(ns);
    let (ns, unit) = units.into_iter().find(whole).expect("every span is a number of nanoseconds");
    counted(span.ns() / ns, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_as_people_say_them() {
        let lengths = [DAY, 90 * DAY, 36 * HOUR, 90 * SECOND, 1_500_000_000].map(|ns| length(Span::from_ns(ns)));
        assert_eq!(lengths, ["1 day", "90 days", "36 hours", "90 seconds", "1,500,000,000 nanoseconds"]);
    }
}
