//! The pure half of Farebox. It is handed the time and the draws, and answers with decisions, actions and the next
//! moment at which it wants to be woken. No clock, no socket, no file, no thread, no global random generator: the
//! same scenario and seed give the same bytes, whoever drives it.

pub mod billing;
pub mod distribution;
pub mod draw;
pub mod figures;
pub mod lives;
pub mod log;
pub mod model;
pub mod moments;
pub mod money;
pub mod oracle;
pub mod outcome;
pub mod record;
pub mod sim;
pub mod time;
pub mod world;

#[cfg(test)]
mod tests;
