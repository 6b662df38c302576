//! Results that a run has left, read back from their folder.

use std::path::Path;

use farebox_engine::outcome::Outcome;
use serde::de::DeserializeOwned;

use super::bounded;
use super::exit::{Exit, Failure};
use crate::report::stored::{self, StoredError};

/// How large a file of results may be: thousands of replications of some hundred cohorts fit.
const BYTES_MOST: u64 = 512 << 20;

/// The outcome in a file.
pub(super) fn outcome(path: &Path) -> Result<Outcome, Failure> {
    stored::outcome(&text(path)?).map_err(|error| match error {
        StoredError::Malformed(error) => no_results(path).because(error),
        error => no_results(path).because(error),
    })
}

/// Other results in a file.
pub(super) fn json<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    serde_json::from_str(&text(path)?).map_err(|error| no_results(path).because(error))
}

fn text(path: &Path) -> Result<String, Failure> {
    bounded::text(path, BYTES_MOST).map_err(|error| {
        let hint = "name a folder that `simulate`, `load` or `run` has written, or its `outcome.json`";
        Failure::new(Exit::Environment, format!("cannot read `{}`", path.display())).because(error).hint(hint)
    })
}

fn no_results(path: &Path) -> Failure {
    Failure::new(Exit::Environment, format!("`{}` holds no results of this version of Farebox", path.display()))
        .hint("name a folder that `simulate`, `load` or `run` has written, or its `outcome.json`")
}
