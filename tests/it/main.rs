//! The integration tests, in one binary: linking is what costs.
//!
//! - `cli`: the program from outside: exit code, standard output and standard error of whole commands.
//! - `docs`: what the documents say is true: their scenarios, links and commands.
//! - `tidy`: the few rules that the architecture stands on.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes its snapshots with them")]
#![allow(clippy::unwrap_used, reason = "also in what tests share: a test that cannot go on has failed")]

mod cli;
mod docs;
mod program;
mod tidy;
