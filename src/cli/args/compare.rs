//! What `compare` alone takes.

use std::path::PathBuf;

use clap::ValueHint;

use super::{Output, replications, seed};

/// What `compare` takes.
#[derive(Debug, clap::Args)]
pub struct Compare {
    /// The scenario whose variants are compared with it; or the base: a scenario, an `outcome.json`, a folder of results
    #[arg(value_name = "SCENARIO", value_hint = ValueHint::AnyPath)]
    pub base: PathBuf,
    /// What is compared with it, in place of its variants: of the same kind
    #[arg(value_name = "OTHER", value_hint = ValueHint::AnyPath)]
    pub other: Option<PathBuf>,
    /// Compare this variant alone; may be given several times
    #[arg(long, value_name = "NAME")]
    pub variant: Vec<String>,
    /// Draw from this seed instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Repeat both sides so often with other draws; the scenario's `replications` if not given, and at least 10. With
    /// `--until`, the most that are played: 1000 if not given
    #[arg(long, value_name = "N", value_parser = replications)]
    pub replications: Option<u32>,
    /// Add replications until the interval of the difference in earned revenue reaches this far to either side at most: a
    /// share of what the base earns, such as `1%`, or an amount, such as `$50`
    #[arg(long, value_name = "WIDTH")]
    pub until: Option<String>,
    /// Where its work and its results go.
    #[command(flatten)]
    pub output: Output,
}
