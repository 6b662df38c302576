//! What others have written down, turned into traces that a scenario can play.
//!
//! Reading is pure: lines in, calls and a count of what was passed over out. What is read, and where it goes, is the
//! command's to say. Memory is that of the trace: what is passed over leaves a count and one example of each kind.

pub mod access_log;
pub mod lines;
pub mod trace;
