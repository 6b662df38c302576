//! `farebox schema`: the JSON Schemas of what is read and written.

use crate::cli::args::{self, Described};
use crate::cli::exit::{Failure, Verdict};
use crate::cli::printer::Printer;
use crate::report::stored;
use crate::scenario;

/// Prints the schema.
pub fn schema(args: &args::Schema, printer: &mut Printer) -> Result<Verdict, Failure> {
    match args.of {
        Described::Scenario => printer.json(&format!("{:#}", scenario::schema()))?,
        Described::Outcome => printer.json(stored::OUTCOME_SCHEMA)?,
    }
    Ok(Verdict::passed())
}
