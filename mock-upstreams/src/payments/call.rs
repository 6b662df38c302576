//! One request, as the endpoint that executes it sees it.

use super::form::Params;
use super::state::State;

/// A request that is being executed.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) state: &'a mut State,
    pub(super) params: Params,
    /// The whole path.
    pub(super) path: &'a str,
    /// The id in the path; empty where it has none.
    pub(super) id: &'a str,
    /// The second id in the path.
    pub(super) second: &'a str,
}
