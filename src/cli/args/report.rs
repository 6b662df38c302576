//! What `report` takes: results that are there already, and where the page goes.

use std::path::PathBuf;

use clap::ValueHint;

/// What `report` takes.
#[derive(Debug, clap::Args)]
pub struct Report {
    /// Folders of results, or files such as `outcome.json`; several are shown side by side
    #[arg(required = true, value_name = "RESULTS", value_hint = ValueHint::AnyPath)]
    pub results: Vec<PathBuf>,
    /// The file to write; of one folder its own `index.html` if not given
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Replace the file if it is there already
    #[arg(long, requires = "out")]
    pub force: bool,
}
