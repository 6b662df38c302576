//! What the commands that play a scenario take about baselines.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{ArgGroup, ValueHint};

/// Baselines: what is kept of this run, and what it is compared with.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Baselines")]
#[command(group(ArgGroup::new("kept").args(["save_baseline", "baseline"]).multiple(true)))]
pub struct Baselines {
    /// Keep what this run has shown under this name, unless it is not valid or interrupted
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub save_baseline: Option<String>,
    /// Replace the baseline of that name if it is there already
    #[arg(long, requires = "save_baseline")]
    pub replace_baseline: bool,
    /// Compare with the baseline of this name, and end with code 4 if a figure is worse
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub baseline: Option<String>,
    /// Where baselines are: the one named `main` of a scenario is `DIR/<scenario>/main.json`
    #[arg(long, value_name = "DIR", default_value = "baselines", requires = "kept", value_hint = ValueHint::DirPath)]
    pub baselines: PathBuf,
}

/// How often a load is played for a baseline.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Baselines")]
pub struct Repeats {
    /// Play the load so often for a baseline, and the baseline's own in turn with it; from 3 to 50
    #[arg(long, value_name = "N", default_value = "5", requires = "kept", value_parser = repeats)]
    pub repeats: NonZeroU32,
}

/// The name of a file, and nothing more.
fn name(text: &str) -> Result<String, &'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name = (1..=64).contains(&text.len()) && text.chars().all(is_plain) && !text.starts_with(['.', '-']);
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("a baseline's name is 1 to 64 letters, digits, `-`, `_` or `.`, and begins with none of `.` and `-`")
    }
}

fn repeats(text: &str) -> Result<NonZeroU32, &'static str> {
    let number = text.parse().ok().filter(|number: &NonZeroU32| (3..=50).contains(&number.get()));
    number.ok_or("a number of repeats is a whole one, from 3 to 50")
}
