//! `farebox schema`: the JSON Schema of scenario files.

use crate::cli::exit::{Failure, Verdict};
use crate::cli::printer::Printer;
use crate::scenario;

/// Prints the schema.
pub fn schema(printer: &mut Printer) -> Result<Verdict, Failure> {
    printer.json(&format!("{:#}", scenario::schema()))?;
    Ok(Verdict::passed())
}
