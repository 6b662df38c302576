//! `farebox completions`: the script that a shell completes from.

use clap::CommandFactory as _;

use crate::cli::args::{self, Args};
use crate::cli::exit::{Failure, Verdict};
use crate::cli::printer::Printer;

/// Prints the script.
pub fn completions(args: &args::Completions, printer: &mut Printer) -> Result<Verdict, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "farebox", &mut script);
    let script = String::from_utf8(script).expect("a completion script is made of the help texts, which are UTF-8");
    printer.data(&script)?;
    Ok(Verdict::passed())
}
