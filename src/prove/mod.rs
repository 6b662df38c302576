//! Known results of queueing and renewal theory beside what the simulation gives: what `farebox prove` shows.
//!
//! Each of the [`rows`] is a scenario small enough that its answer is a formula ([`exact`]). The scenario is played by the
//! very engine that plays everybody's, in many replications, each from a seed of its own; from their spread comes an
//! interval ([`estimate`]), and the exact value has to lie in it. A row is one test of many, so its interval misses
//! with a chance of 0.1 % divided by the number of rows, and nothing is played a second time because it failed. An
//! interval so wide that it says nothing fails as well.
//!
//! Floats are at home here: these are figures of an experiment, and no amount that is booked.

pub mod estimate;
pub mod exact;
mod moments;
pub mod rows;
pub mod run;
mod sojourn;
mod student;
pub mod text;

pub use run::{Options, Proof, Proved, Verdict, prove};

/// What has a formula and cannot be simulated yet, with the reason: no row is made up for it. Who builds one of them adds
/// its row and takes it out here.
pub const NOT_YET: [(&str, &str); 1] =
    [("fixed window that the first hit opens", "the built-in gateway aligns its windows to the epoch, on purpose")];
