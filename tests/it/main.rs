//! The integration tests, in one binary: linking is what costs.
//!
//! - `cli`: the program from outside: exit code, standard output and standard error of whole commands.
//! - `diagnostics`: broken scenarios beside what is said of them.
//! - `docs`: what the documents say is true: their scenarios, links and commands.
//! - `schema`: the JSON Schema beside the parser.
//! - `tidy`: the few rules that the architecture stands on.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes its snapshots with them")]
#![allow(clippy::unwrap_used, reason = "also in what tests share: a test that cannot go on has failed")]

mod cli;
mod diagnostics;
mod docs;
mod program;
mod schema;
mod tidy;
