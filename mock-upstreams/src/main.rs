//! The binary: serve until a signal says to stop.

mod args;
mod signals;

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use mock_upstreams::Server;
use mock_upstreams::server::Counters;

use crate::args::{Args, Failure};
use crate::signals::Signals;

/// What requests in flight get when a signal ends the process.
const GRACE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    serve(Args::parse()).unwrap_or_else(|failure| {
        complain(format_args!("error: {failure}"));
        ExitCode::from(failure.exit_code())
    })
}

fn serve(args: Args) -> Result<ExitCode, Failure> {
    let signals = Signals::catch()?;
    let server = Server::start(&args.options()?)?;
    // Nobody can know that it is there, and on which port.
    if let Err(error) = announce(&mut io::stdout().lock(), server.addr()) {
        complain(format_args!("mock-upstreams: cannot write to the standard output: {error}"));
        return Ok(ExitCode::FAILURE);
    }
    signals.wait();
    let counters = server.shutdown(GRACE);
    complain(format_args!("mock-upstreams: {}", summary(&counters)));
    Ok(ExitCode::SUCCESS)
}

/// What has become of the requests. It goes where complaints go, because the output has one line.
fn summary(counters: &Counters) -> String {
    let Counters { received, answered, abandoned, .. } = counters;
    format!("{received} received, {answered} answered, {abandoned} cut off or left without an answer")
}

/// Says that it is ready, and where: the one line of the output.
fn announce(out: &mut impl Write, addr: SocketAddr) -> io::Result<()> {
    writeln!(out, "mock-upstreams listens on http://{addr}")?;
    out.flush()
}

/// Says something that is no output. Where nobody can read that either, the exit code is all that is left.
fn complain(what: fmt::Arguments<'_>) {
    drop(writeln!(io::stderr().lock(), "{what}"));
}
