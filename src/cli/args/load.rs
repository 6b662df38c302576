//! What `load` alone takes: how it is offered, and to whom.

use std::path::PathBuf;

use clap::ValueHint;
use hyper::Method;
use hyper::header::HeaderName;

use super::{Live, Repeats};

/// What `load` takes.
#[derive(Debug, clap::Args)]
pub struct Load {
    /// What is loaded.
    #[command(flatten)]
    pub live: Live,
    /// Make each next call once the one before is answered, over `live.connections`, instead of when the schedule says:
    /// as fast as that goes, until the calls of the schedule or its time are over
    #[arg(long)]
    pub closed: bool,
    /// Try first how many calls a second the generator makes of a server that does nothing; a closed load always does
    #[arg(long)]
    pub self_test: bool,
    /// How often it is played for a baseline.
    #[command(flatten)]
    pub repeats: Repeats,
    /// Where else the calls go.
    #[command(flatten)]
    pub target: Target,
}

/// A gateway that is not ours.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "A gateway of yours")]
pub struct Target {
    /// Load this gateway instead of the built-in one: `http://HOST[:PORT][/PREFIX]`, without TLS. It has no books here, so
    /// nothing is told of money
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub target: Option<String>,
    /// Load that host though it is not this machine; name exactly the host of `--target`
    #[arg(long, value_name = "HOST", requires = "target")]
    pub allow_remote: Option<String>,
    /// The keys of the consumers: CSV with the columns `consumer` (as `startups/17`) and `key`; by default `key-000000`,
    /// `key-000001`, … in the order of the scenario
    #[arg(long, value_name = "FILE", requires = "target", value_hint = ValueHint::FilePath)]
    pub keys: Option<PathBuf>,
    /// The header that carries the key
    #[arg(long, value_name = "NAME", requires = "target", default_value = "x-api-key")]
    pub key_header: HeaderName,
    /// What stands before the key in that header, such as `Bearer ` with its blank
    #[arg(long, value_name = "TEXT", requires = "target", default_value = "")]
    pub key_prefix: String,
    /// The `host` header, instead of the target's
    #[arg(long, value_name = "HOST", requires = "target")]
    pub host: Option<String>,
    /// The method of every request
    #[arg(long, value_name = "METHOD", requires = "target", default_value = "GET")]
    pub method: Method,
    /// A further header of every request, as `NAME: VALUE`; may be given more than once
    #[arg(long, value_name = "HEADER", requires = "target")]
    pub header: Vec<String>,
    /// The body of every request, or `@FILE` for what is in that file; mostly with `--method POST` and a `content-type`
    #[arg(long, value_name = "TEXT", requires = "target")]
    pub body: Option<String>,
    /// The built-in mock upstream is behind it: tell it how long to take and what to answer
    #[arg(long, requires = "target")]
    pub obey: bool,
}
