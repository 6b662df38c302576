//! `farebox init`: a scenario to start from.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use crate::cli::args;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::printer::Printer;

/// What is written. It opens with the question that it answers, and uses nothing that is not built.
pub const STARTER: &str = "\
# yaml-language-server: $schema=./scenario.schema.json
# Which consumers does each plan refuse in a month, why, and what does the API earn?

scenario: starter                 # the name; results go to reports/starter
seed: 402                         # another seed is another draw of the same world
start: 2026-03-01                 # when it begins, in UTC; calendar months count from each subscription
horizon: 30d                      # how long is simulated

plans:
  free:
    includes: { requests: 60/month }   # what the plan allows in a period, per meter
    past_allowance: block              # calls beyond that are refused
    limits:
      - requests: 10/s                 # how fast a consumer may call, whatever is left of the allowance
        kind: token_bucket             # refills evenly
        burst: 20                      # so many at once, when it is full
  pro:
    fee: $29/month                     # billed in advance, at the start of each period
    includes: { requests: 400 }        # per period of the fee
    past_allowance: block
    grace: 3d                          # still served for so long after a payment was declined
  payg:
    prepaid: { opening: $2 }           # credit that each consumer starts with
    prices: { requests: $0.02 }        # what a call takes from it

consumers:                        # cohorts: groups of consumers that are alike
  hobby:
    count: 120                         # how many there are
    plan: free                         # one of the plans above
    traffic: { rate: 2/day }           # calls of each of them on average, at random (Poisson)
  startups:
    count: 60
    plan: pro
    traffic: { rate: 8/day }
    payment: { card: { declines: 30% } }   # the chance that an attempt to charge is declined
  scripts:
    count: 20
    plan: payg
    traffic: { rate: 5/day }

upstreams:
  api:                            # what answers behind the gateway
    latency: { p50: 20ms, p99: 120ms }   # log-normal through these; or one duration, always the same

payments:
  dunning:                        # what follows when a renewal is declined
    retries: [ 3d, 5d, 7d ]            # how long after the attempt before
    finally: cancel                    # after the last one; or unpaid, or keep

live:                             # how `farebox load` and `farebox run` play it on real sockets
  rate: 2500/s                    # calls of all consumers together; their own arrivals are scaled to it
  duration: 9s                    # how long the load runs
  connections: 256                # to the gateway at most
";

/// Writes the scenario, and says what to do with it.
pub fn init(args: &args::Init, printer: &mut Printer) -> Result<Verdict, Failure> {
    if args.file.as_os_str() == "-" {
        printer.data(STARTER)?;
        return Ok(Verdict::passed());
    }
    write(args)?;
    printer.note(&next_steps(&args.file));
    Ok(Verdict::passed())
}

/// A new file is created as such, so that one which appears in between is not lost either.
fn write(args: &args::Init) -> Result<(), Failure> {
    let mut options = File::options();
    let options = options.write(true);
    let options = if args.force { options.create(true).truncate(true) } else { options.create_new(true) };
    let written = options.open(&args.file).and_then(|mut file| file.write_all(STARTER.as_bytes()));
    let shown = args.file.display();
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::new(Exit::Usage, format!("`{shown}` is there already"))
            .hint("name another file, or replace this one with `--force`"),
        _ => Failure::new(Exit::Environment, format!("cannot write `{shown}`")).because(error),
    })
}

fn next_steps(file: &Path) -> String {
    let schema = file.with_file_name("scenario.schema.json");
    let steps = [
        ("validate", "checks it after each change"),
        ("plan", "says what to expect, without running it"),
        ("simulate", "plays the month in virtual time"),
    ];
    let command = |command: &str| format!("farebox {command} {}", file.display());
    let width = steps.iter().map(|(step, _)| command(step).chars().count()).max().unwrap_or(0);
    let lines = steps.map(|(step, what)| format!("  {:width$}  {what}\n", command(step)));
    format!(
        "wrote {}; next:\n{}and for completion in an editor: farebox schema > {}",
        file.display(),
        lines.concat(),
        schema.display()
    )
}
