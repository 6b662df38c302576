//! The binary: serve until a signal says to stop.

mod args;
mod signals;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use mock_upstreams::Server;

use crate::args::{Args, Failure};
use crate::signals::Signals;

/// What requests in flight get when a signal ends the process.
const GRACE: Duration = Duration::from_secs(5);

#[expect(clippy::print_stderr, reason = "the one place where a failure is told")]
fn main() -> ExitCode {
    match serve(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

#[expect(clippy::print_stdout, reason = "the one line that says it is ready, and where")]
fn serve(args: Args) -> Result<(), Failure> {
    let signals = Signals::catch()?;
    let server = Server::start(&args.options()?)?;
    println!("mock-upstreams listens on http://{}", server.addr());
    signals.wait();
    server.shutdown(GRACE);
    Ok(())
}
