//! The command line: arguments in, printed text and an exit code out. It may use everything; nothing may use it.
//!
//! [`args`] is what was typed; each of [`commands`] turns it into a [`Verdict`] or a
//! [`Failure`]; [`printer`] alone prints, [`out`] alone writes results, [`exit`] alone knows numbers.

pub mod args;
pub mod baselines;
mod bounded;
pub mod ci;
mod command_line;
pub mod commands;
pub mod exit;
pub mod interrupt;
pub mod out;
pub mod plan;
pub mod printer;
pub mod results;
pub mod scenario_file;
mod stored;

use std::ffi::OsString;
use std::{panic, process};

use clap::Parser as _;

use args::{Args, Command};
use exit::{Exit, Failure, Verdict};
use printer::Printer;

/// Runs the program with these arguments, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(answer) => return printer::usage(&answer),
    };
    let mut printer = Printer::new(args.everywhere);
    match dispatch(&args.command, &mut printer) {
        Ok(verdict) => verdict.exit(),
        Err(failure) => {
            printer.failure(&failure);
            failure.exit()
        }
    }
}

fn dispatch(command: &Command, printer: &mut Printer) -> Result<Verdict, Failure> {
    match command {
        Command::Init(args) => commands::init::init(args, printer),
        Command::Validate(args) => commands::validate::validate(args, printer),
        Command::Plan(args) => commands::plan::plan(args, printer),
        Command::Explain(args) => commands::explain::explain(args, printer),
        Command::Schema(args) => commands::schema::schema(args, printer),
        Command::Simulate(args) => commands::simulate::simulate(args, printer),
        Command::Compare(args) => commands::compare::compare(args, printer),
        Command::Sweep(args) => commands::sweep::sweep(args, printer),
        Command::Load(args) => commands::load::load(args, printer),
        Command::Run(args) => commands::run::run(args, printer),
        Command::Report(args) => commands::report::report(args, printer),
        Command::Serve(args::Serve::Gateway(args)) => commands::serve::gateway(args, printer),
        Command::Serve(args::Serve::Upstreams(args)) => commands::serve::upstreams(args, printer),
        Command::Serve(args::Serve::Payments(args)) => commands::serve::payments::payments(args, printer),
        Command::Prove(args) => commands::prove::prove(args, printer),
        Command::Import(args::Import::AccessLog(args)) => commands::import::access_log(args, printer),
        Command::Doctor(args) => commands::doctor::doctor(args, printer),
        Command::Completions(args) => commands::completions::completions(args, printer),
    }
}

/// Makes every panic end the program as [`Exit::Internal`], on whichever thread it happens.
///
/// Left alone, a panic would abort the release build with a signal, and in a debug build kill one thread and leave the
/// others waiting for it. Ending the process from the hook is safe here: results appear in their folder only when they
/// are complete ([`out`]), so there is nothing for an unwinding stack to save.
pub fn end_on_panic() {
    let describe = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        describe(info);
        printer::bug();
        #[expect(clippy::exit, reason = "main's return is out of reach from a panicking thread; see above")]
        process::exit(Exit::Internal.code().into());
    }));
}
