//! What `sweep` alone takes: which keys take which values.

use super::{Output, Played, replications, seed};

/// What `sweep` takes.
#[derive(Debug, clap::Args)]
pub struct Sweep {
    /// What is played.
    #[command(flatten)]
    pub played: Played,
    /// A key of the scenario and its values: a list such as `50k,100k`, a range such as `39..79:5`, or both; may be
    /// given several times, for a grid
    #[arg(long = "set", value_name = "PATH=VALUES", allow_hyphen_values = true)]
    pub sets: Vec<String>,
    /// Draw from this seed instead of the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Play each point so often with other draws instead of the scenario's `replications`; from 10 on, figures have
    /// intervals
    #[arg(long, value_name = "N", value_parser = replications)]
    pub replications: Option<u32>,
    /// Where its work and its results go.
    #[command(flatten)]
    pub output: Output,
}
