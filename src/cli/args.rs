//! The command line as it was typed. What it means is decided by the commands, once the scenario is known.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum, ValueHint};
use jiff::Timestamp;
use jiff::civil::DateTime;

use super::exit::Exit;
use crate::scenario;

mod baselines;
mod compare;
mod gateway;
mod load;
mod payments;
mod report;
mod sweep;

pub use baselines::{Baselines, Repeats};
pub use compare::Compare;
pub use gateway::{GatewayLimits, ServeGateway};
pub use load::{Load, Target};
pub use payments::{ServePayments, WebhookArgs};
pub use report::Report;
pub use sweep::Sweep;

/// The smallest useful scenario, shown where somebody needs one to start from.
pub const SMALLEST_SCENARIO: &str = "\
scenario: hello
horizon: 30d
plans:
  starter: { fee: $19/month, includes: { requests: 10k }, past_allowance: block }
consumers:
  indie: { count: 100, plan: starter, traffic: { rate: 400/day } }
";

/// Says what a pricing, quota, retry or gateway change does to a paid API, before you make it
///
/// One scenario file describes the plans, the consumers and what stands behind the gateway. Farebox simulates it in
/// virtual time, loads a real gateway with it over sockets, or does both and checks that they took the same decisions.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "`farebox COMMAND --help` says more about one, with examples.", after_long_help = exit_codes())]
pub struct Args {
    /// What every command takes.
    #[command(flatten)]
    pub everywhere: Everywhere,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Everywhere {
    /// Say nothing but results, warnings and errors
    #[arg(long, short, global = true, display_order = 90)]
    pub quiet: bool,
    /// When to colour; `auto` follows the terminal, `NO_COLOR` and `CLICOLOR_FORCE`
    #[arg(long, value_enum, value_name = "WHEN", default_value_t, global = true, display_order = 91)]
    pub color: Color,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Color {
    #[default]
    #[expect(missing_docs, reason = "a doc comment would become help for what needs none")]
    Auto,
    #[expect(missing_docs, reason = "as above")]
    Always,
    #[expect(missing_docs, reason = "as above")]
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a scenario to start from, with a line about each key
    ///
    /// The scenario is a small API with a free plan, a subscription and prepaid credit: valid as it is, and meant to be
    /// changed. A file that is there already is left alone.
    #[command(after_help = "\
Examples:
  farebox init
  farebox init pricing.yaml
  farebox init - | farebox validate /dev/stdin")]
    Init(Init),

    /// Check scenario files and say everything that is wrong with them
    ///
    /// Reads each file as a run would, and prints every problem with its line and what to write instead. Nothing is
    /// run. Exit code 3 means that a file is wrong, 7 that one could not be read.
    #[command(after_help = validate_examples())]
    Validate(Validate),

    /// Say what a run will do, and what of it cannot work, without running it
    ///
    /// Computes expected calls, when allowances and credit run out and how likely that is, the connections that the
    /// load needs, and what the simulation takes. Warnings say what cannot work; the exit code stays 0, because nothing
    /// was run.
    #[command(after_help = "\
Examples:
  farebox plan scenarios/quickstart.yaml
  farebox plan scenarios/quickstart.yaml --rate 20k/s
  farebox plan scenarios/quickstart.yaml --format json")]
    Plan(Plan),

    /// Tell one consumer's story: what they did, what they were refused and why, what they paid
    ///
    /// Nothing is kept of single consumers during a run; the consumer is played again, from the same draws. Long stretches
    /// of calls become one line each: `--from` and `--until` look closer. Times are UTC.
    #[command(after_help = "\
Examples:
  farebox explain scenarios/quickstart.yaml --consumer hobby/17
  farebox explain scenarios/quickstart.yaml --consumer scripts/3 --from 2026-01-12 --until 2026-01-13T06:00
  farebox explain scenarios/quickstart.yaml --consumer startups/0 --format json")]
    Explain(Explain),

    /// Print a JSON Schema: of scenario files, for editors, or of what is written
    ///
    /// The schema accepts whatever Farebox accepts, and tells an editor each key, its type, default and meaning. Some
    /// mistakes show only when the whole file is known; `farebox validate` finds those.
    #[command(after_help = "\
Examples:
  farebox schema > scenario.schema.json
  farebox schema --of outcome > outcome.schema.json

An editor with a YAML language server uses it after this first line of a scenario:
  # yaml-language-server: $schema=./scenario.schema.json")]
    Schema(Schema),

    /// Play a scenario in virtual time: no sockets, the same bytes for the same seed
    ///
    /// Plays the whole horizon as fast as the cores allow, and writes what happened to the report's folder.
    #[command(after_help = "\
Examples:
  farebox simulate scenarios/quickstart.yaml
  farebox simulate scenarios/quickstart.yaml --seed 7 --jobs 1 --out /tmp/seed-7")]
    Simulate(Simulate),

    /// Say what a change does to whom: a scenario beside its variants, consumer by consumer
    ///
    /// Plays the scenario and its variants with the same draws, so that each consumer meets the same demand under all of
    /// them, and tells the differences with their 95 % intervals. The first three lines say what is earned more or less, who
    /// pays for it, and who is newly refused; docs/COMPARE.md says how the rest is made. Two files are compared alike. Two
    /// stored outcomes hold no consumers, and are compared unpaired.
    #[command(after_help = "\
Examples:
  farebox compare scenarios/quota-cut.yaml
  farebox compare scenarios/quota-cut.yaml --variant cut --until 1%
  farebox compare scenarios/price-per-unit.yaml scenarios/price-package.yaml --replications 20
  farebox compare reports/quickstart reports/quickstart-before")]
    #[command(mut_arg("out", |out| out.help(
        "Write the results to this folder, replacing those of an earlier run; `reports/<scenario>-compare` if not given")))]
    Compare(Compare),
    /// Play a grid of values for keys of a scenario, and show what revenue and refusals come to
    ///
    /// Each `--set` names a key and its values, as the file would have them: `50k,100k`, `block,overage`, or a range with
    /// its step, `39..79:5`, which takes the sign and the unit of the file's own value. Every value is played with all
    /// values of the other keys, on the same demand. Prints the surface, how it moves from value to value, and the front
    /// between revenue and refusals; writes a table and charts. docs/SWEEP.md has the rules.
    #[command(after_help = "\
Examples:
  farebox sweep scenarios/quota-cut.yaml --set plans.pro.includes.requests=400..1k:100
  farebox sweep scenarios/quota-cut.yaml --set plans.pro.fee=39..79:5 --set plans.pro.includes.requests=400,600,1k
  farebox sweep scenarios/quickstart.yaml --set plans.pro.fee=39..79:5 --replications 10 --out /tmp/fees
  farebox sweep scenarios/quota-cut.yaml --set 'plans.pro.past_allowance=block,{ throttle: 1/s }' --format json")]
    #[command(mut_arg("out", |out| out.help(
        "Write the results to this folder, replacing those of an earlier run; `reports/<scenario>-sweep` if not given")))]
    Sweep(Sweep),

    /// Play a scenario on real sockets, against the built-in gateway
    ///
    /// Starts the gateway, mock upstreams and a mock payment processor on loopback, and offers the scenario's calls at
    /// their intended times, whether or not earlier ones have been answered.
    #[command(after_help = "\
Examples:
  farebox load scenarios/quickstart.yaml
  farebox load scenarios/quickstart.yaml --rate 5k/s --duration 30s
  farebox load scenarios/quickstart.yaml --closed --rate 50k/s
  farebox load scenarios/quickstart.yaml --target http://127.0.0.1:8080/v1 --keys keys.csv \\
      --key-header authorization --key-prefix 'Bearer ' \\
      --method POST --header 'content-type: application/json' --body @prompt.json")]
    Load(Box<Load>),

    /// Simulate and load, check that both took the same decisions, and report
    ///
    /// Simulates the horizon, plays the load, simulates exactly that load again, and compares decision by decision.
    /// Whether they agree, and whether the books balance, decides the exit code.
    #[command(after_help = "\
Examples:
  farebox run scenarios/quickstart.yaml
  farebox run scenarios/quickstart.yaml --quiet --out /tmp/quickstart || echo \"exit code $?\"")]
    Run(Run),

    /// Render results again, or several side by side
    ///
    /// Reads the folders that `simulate`, `load` and `run` have written, plays nothing, and writes one HTML file that needs
    /// neither network nor script. Of several it shows what differs between what was played, and the figures of each.
    #[command(after_help = "\
Examples:
  farebox report reports/quickstart
  farebox report reports/quickstart /tmp/seed-7 --out beside.html
  farebox report outcome.json --out page.html")]
    Report(Report),

    /// Serve one role alone, until Ctrl-C
    #[command(
        subcommand,
        after_help = "\
Examples:
  farebox serve upstreams scenarios/quickstart.yaml
  farebox serve gateway scenarios/quickstart.yaml --upstream 127.0.0.1:9001
  farebox serve payments
  farebox serve gateway --help"
    )]
    Serve(Serve),

    /// Play what theory has formulas for, and show both side by side
    ///
    /// Quotas, prices, rate limits, concurrency, credit and dunning that are simple enough for a textbook formula are
    /// simulated many times each. The exact value has to lie in the interval of what was simulated, and the interval has
    /// to be narrow. Exit code 1 means that a row fails: then Farebox computes something wrongly, or, with one
    /// seed in a thousand, chance alone has done it.
    #[command(after_help = "\
Examples:
  farebox prove
  farebox prove --only quota
  farebox prove --only 'two-state card' --seed 7
  farebox prove --long --jobs 8
  farebox prove --format json | jq '.rows[] | select(.verdict != \"holds\")'")]
    Prove(Prove),
    /// Turn what others have recorded into a trace that a scenario plays
    #[command(
        subcommand,
        after_help = "\
Examples:
  farebox import access-log access.log > access.yaml
  farebox import access-log --help"
    )]
    Import(Import),

    /// Check whether this machine can carry a load, and say what to change
    ///
    /// Looks at cores, limits, ports, clocks and the folder for results. Exit code 7 means that something will not work;
    /// what is merely odd makes figures worse, and is told.
    #[command(after_help = "\
Examples:
  farebox doctor
  farebox doctor scenarios/quickstart.yaml
  farebox doctor --load
  farebox doctor --format json")]
    Doctor(Doctor),

    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  farebox completions bash > ~/.local/share/bash-completion/completions/farebox
  farebox completions zsh > ~/.zfunc/_farebox
  farebox completions fish > ~/.config/fish/completions/farebox.fish")]
    Completions(Completions),
}

/// What `schema` takes.
#[derive(Debug, clap::Args)]
pub struct Schema {
    /// What the schema is of
    #[arg(long, value_enum, value_name = "WHAT", default_value_t)]
    pub of: Described,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Described {
    /// Scenario files
    #[default]
    Scenario,
    /// `outcome.json`
    Outcome,
}

/// What `init` takes.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// The file to write; `-` is the standard output
    #[arg(default_value = "scenario.yaml", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Replace the file if it is there already
    #[arg(long)]
    pub force: bool,
}

/// What `validate` takes.
#[derive(Debug, clap::Args)]
pub struct Validate {
    /// The scenario files
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
}

/// What `plan` takes.
#[derive(Debug, clap::Args)]
pub struct Plan {
    /// What is played.
    #[command(flatten)]
    pub played: Played,
    /// What of its load is changed.
    #[command(flatten)]
    pub pace: Pace,
    /// Plan for a simulation on so many threads; all cores if not given
    #[arg(long, short, value_name = "N", value_parser = threads)]
    pub jobs: Option<NonZeroUsize>,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What `explain` takes.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// What is played.
    #[command(flatten)]
    pub played: Played,
    /// Whose story: a cohort and an index within it, such as `startups/17`
    #[arg(long, value_name = "COHORT/INDEX")]
    pub consumer: String,
    /// Draw from this seed instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Tell it from then on: a date, a date with a time, or a duration after the start such as `10d` or
    /// `9d23h`
    #[arg(long, value_name = "WHEN")]
    pub from: Option<String>,
    /// Tell it until then
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// A scenario to be played.
#[derive(Debug, clap::Args)]
pub struct Played {
    /// The scenario file
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Play this variant of it instead of the file as it stands
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
}

/// What of a scenario's load is changed.
#[derive(Debug, clap::Args)]
pub struct Pace {
    /// Offer so many calls, such as `2k/s`, instead of the scenario's `live.rate`
    #[arg(long, allow_hyphen_values = true)]
    pub rate: Option<String>,
    /// Load for so long, such as `10s`, instead of the scenario's `live.duration`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub duration: Option<String>,
}

/// What `simulate` takes.
#[derive(Debug, clap::Args)]
pub struct Simulate {
    /// What is played.
    #[command(flatten)]
    pub played: Played,
    /// Draw from this seed instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Repeat the simulation so often with other draws instead of the scenario's `replications`; from 10 on, figures have
    /// intervals
    #[arg(long, value_name = "N", value_parser = replications)]
    pub replications: Option<u32>,
    /// How its thresholds are judged.
    #[command(flatten)]
    pub judging: Judging,
    /// What it is compared with.
    #[command(flatten)]
    pub baselines: Baselines,
    /// Where its work and its results go.
    #[command(flatten)]
    pub output: Output,
}

/// What `run` takes.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// What is loaded.
    #[command(flatten)]
    pub live: Live,
    /// Repeat the simulation so often with other draws instead of the scenario's `replications`; from 10 on, figures have
    /// intervals
    #[arg(long, value_name = "N", value_parser = replications)]
    pub replications: Option<u32>,
}

/// What `load` and `run` take.
#[derive(Debug, clap::Args)]
pub struct Live {
    /// What is played.
    #[command(flatten)]
    pub played: Played,
    /// Draw from this seed instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// What of its load is changed.
    #[command(flatten)]
    pub pace: Pace,
    /// How its thresholds are judged.
    #[command(flatten)]
    pub judging: Judging,
    /// What it is compared with.
    #[command(flatten)]
    pub baselines: Baselines,
    /// Where its work and its results go.
    #[command(flatten)]
    pub output: Output,
}

/// Which role to serve.
#[derive(Debug, Subcommand)]
pub enum Serve {
    /// The gateway, with the scenario's plans and consumers, in front of an upstream of yours
    ///
    /// The consumers' keys are `key-000000`, `key-000001`, … in the order of the scenario; a request carries one as
    /// `x-api-key` or as a bearer token. It speaks HTTP/1.1, and HTTP/2 to clients that begin with it, with TLS when it
    /// is given a certificate. Both clocks are the wall's. Ctrl-C ends it and prints what it has served. docs/GATEWAY.md
    /// has its limits, endpoints and metrics.
    #[command(after_help = "\
Examples:
  farebox serve gateway scenarios/quickstart.yaml --listen 127.0.0.1:9151 --upstream 127.0.0.1:9001
  curl -H 'x-api-key: key-000000' http://127.0.0.1:9151/

  farebox serve gateway scenarios/quickstart.yaml --upstream 127.0.0.1:9001 --admin 127.0.0.1:9402
  curl http://127.0.0.1:9402/metrics

  farebox serve gateway scenarios/quickstart.yaml --upstream 127.0.0.1:9001 --upstream-timeout 5s \\
      --tls-cert own.crt --tls-key own.key
  curl --cacert own.crt -H 'x-api-key: key-000000' https://localhost:8402/")]
    Gateway(Box<ServeGateway>),

    /// The scenario's upstreams, behind a gateway of yours
    ///
    /// Each request comes to the upstreams of the route that its path begins with, as in `load`: they take their latencies and
    /// have their capacities, they fail with their statuses, and the answer's header `mock-usage` says what the route's
    /// attributes are. Faults of the scenario come when they are due, from the start of the server on. Ctrl-C ends it and
    /// prints what it has answered.
    #[command(after_help = "\
Examples:
  farebox serve upstreams scenarios/quickstart.yaml
  farebox serve upstreams scenarios/quickstart.yaml --listen 127.0.0.1:9301 --seed 7
  farebox serve gateway scenarios/quickstart.yaml --upstream 127.0.0.1:9001")]
    Upstreams(ServeUpstreams),

    /// A payment processor in the shape of Stripe's API, for billing code of yours
    ///
    /// Test cards, payment intents, refunds, idempotency keys, signed webhooks, and a clock that a request sends ahead; all
    /// in memory. Any key that begins with `sk_test_` will do. Ctrl-C ends it and prints what it has answered and held.
    /// docs/PAYMENTS.md has its endpoints, cards and rules.
    #[command(after_help = "\
Examples:
  farebox serve payments
  curl http://127.0.0.1:12111/v1/payment_intents -u sk_test_x: -d amount=500 -d currency=usd \\
    -d payment_method=pm_card_visa -d confirm=true
  curl http://127.0.0.1:12111/_mock/clock -d '{\"advance\": \"30d\"}'

  farebox serve payments --seed 7 --latency p50=80ms,p99=900ms --errors 0.5%
  farebox serve payments --webhook http://127.0.0.1:4242/webhook --webhook-secret whsec_test \\
    --webhook-duplicate 1% --webhook-reorder 1% --webhook-lose 0.1%")]
    Payments(ServePayments),
}

/// What `serve upstreams` takes.
#[derive(Debug, clap::Args)]
pub struct ServeUpstreams {
    /// What is played.
    #[command(flatten)]
    pub played: Played,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9001", value_parser = address)]
    pub listen: SocketAddr,
    /// Serve on so many threads
    #[arg(long, value_name = "N", default_value = "1", value_parser = threads)]
    pub threads: NonZeroUsize,
    /// Draw from this seed instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Allow to listen on an address that other machines can reach
    #[arg(long)]
    pub allow_remote: bool,
}

/// What to import.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// The access log of a web server, in the common or the combined log format of Apache and nginx
    ///
    /// Writes a trace (CSV: time, consumer, route) with one row for each request: the consumer is the client's address,
    /// the route the path without its query. Prints a scenario that plays it. Lines that hold no request are counted,
    /// and the first of each kind is shown.
    #[command(after_help = "\
Examples:
  farebox import access-log access.log > access.yaml
  farebox import access-log access.log.1.gz --since 2026-03-01 --until 2026-03-08
  zcat -f access.log* | farebox import access-log - --path-prefix /v1/ --top-routes 10 --anonymise")]
    AccessLog(ImportAccessLog),
}

/// What `import access-log` takes.
#[derive(Debug, clap::Args)]
pub struct ImportAccessLog {
    /// The log, plain or packed with gzip; `-` is the standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// The trace to write; packed when its name ends with `.gz`
    #[arg(long, value_name = "FILE", default_value = "trace.csv", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
    /// Replace the trace if it is there already
    #[arg(long)]
    pub force: bool,
    /// Only requests from this time on, such as `2026-03-01` or `2026-03-01T12:00:00+01:00`; UTC unless it says otherwise
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<i64>,
    /// Only requests before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<i64>,
    /// Only requests whose path begins with this
    #[arg(long, value_name = "PATH")]
    pub path_prefix: Option<String>,
    /// Keep so many of the most called routes, and make all others one, `/other`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=900))]
    pub top_routes: Option<u16>,
    /// Write `c000001`, `c000002`, … in place of addresses, in the order in which they first call
    #[arg(long)]
    pub anonymise: bool,
}

/// On how many threads a command works, and where its results go.
#[derive(Debug, clap::Args)]
pub struct Output {
    /// Work on so many threads; all cores if not given
    #[arg(long, short, value_name = "N", value_parser = threads)]
    pub jobs: Option<NonZeroUsize>,
    /// Write the results to this folder, replacing those of an earlier run; `reports/<scenario>` if not given
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How thresholds are judged, and who is told.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Judging {
    /// Fail thresholds whose interval crosses the line, too
    #[arg(long)]
    pub strict: bool,
    /// For whom to note broken thresholds at their lines; `auto` looks for `GITHUB_ACTIONS` and `GITLAB_CI`
    #[arg(long, value_enum, value_name = "RUNNER", default_value_t)]
    pub annotations: Annotations,
}

/// Who shows notes at the lines of a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Annotations {
    #[default]
    #[expect(missing_docs, reason = "the option's help says what it does")]
    Auto,
    /// Workflow commands on standard error
    Github,
    /// A Code Quality report, `codequality.json`, beside the results
    Gitlab,
    #[expect(missing_docs, reason = "as above")]
    None,
}

/// What `prove` takes.
#[derive(Debug, clap::Args)]
pub struct Prove {
    /// Play only rows whose name contains this
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
    /// Work a hundred times as long, for intervals a tenth as wide
    #[arg(long)]
    pub long: bool,
    /// Draw from this seed
    #[arg(long, value_name = "N", default_value_t = 402, allow_negative_numbers = true, value_parser = seed)]
    pub seed: u64,
    /// Work on so many threads; all cores if not given
    #[arg(long, short, value_name = "N", value_parser = threads)]
    pub jobs: Option<NonZeroUsize>,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// Check against what the load of this scenario needs; of a scenario's defaults if not given
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Try as well how many calls a second the load generator makes of a server that does nothing
    #[arg(long)]
    pub load: bool,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What is printed on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs: the same facts as one JSON document
    Json,
}

/// What `completions` takes.
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell that completes
    pub shell: clap_complete::Shell,
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "an address is an IP address and a port, such as 127.0.0.1:9001 or [::1]:9001")
}

fn time(text: &str) -> Result<Duration, String> {
    scenario::duration(text).map(|span| Duration::from_nanos(span.ns()))
}

/// Seconds since 1970.
fn moment(text: &str) -> Result<i64, &'static str> {
    let at = text.parse::<Timestamp>().or_else(|_| {
        let civil = text.parse::<DateTime>()?;
        jiff::tz::Offset::UTC.to_timestamp(civil)
    });
    at.map(Timestamp::as_second).map_err(|_| "a time is a date, such as 2026-03-01, or 2026-03-01T12:00:00Z")
}

fn seed(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "a seed is a whole number, from 0 to 18446744073709551615")
}

fn replications(text: &str) -> Result<u32, &'static str> {
    let number = text.parse().ok().filter(|number| (1..=10_000).contains(number));
    number.ok_or("a number of replications is a whole one, from 1 to 10000")
}

fn threads(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "a number of threads is a whole one, from 1")
}

fn validate_examples() -> String {
    let smallest = SMALLEST_SCENARIO.trim_end().replace('\n', "\n  ");
    format!(
        "Examples:\n  farebox validate scenarios/quickstart.yaml\n  farebox validate scenarios/*.yaml\n\n\
         To start your own, save this as hello.yaml:\n  {smallest}"
    )
}

/// The table of [`Exit`] for the long help.
fn exit_codes() -> String {
    let rows = Exit::ALL.map(|exit| format!("{:>5}  {}", exit.code(), exit.meaning())).join("\n");
    format!("Exit codes:\n{rows}\nWhen several apply, the first of 130, 70, 7, 5, 6, 4, 1 is told.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
