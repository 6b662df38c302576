//! Farebox says what a pricing, quota, retry or gateway change does to a paid API, before it is made.
//!
//! Data flows one way:
//!
//! ```text
//! scenario.yaml ──▶ scenario ──▶ Scenario ──┬──▶ simulate: virtual time, jumps ──┬──▶ Outcome ──▶ report ──▶ Verdict
//!    (text)         (parse,      (who, what, │                                    │   (counts, latency,
//!                   check)       when)       └──▶ live: sockets, the real clock ──┘   money, timeline)
//! ```
//!
//! The pure half, what happens at which moment and what it costs, is a crate of its own: [`farebox_engine`]. This crate
//! is the shell around it, which reads files, opens sockets and prints. docs/ARCHITECTURE.md has the invariants.
//!
//! - [`scenario`]: text to a checked [`Scenario`](farebox_engine::model::Scenario), or to everything that is wrong with it.
//! - [`cli`]: the commands, the printer, the exit codes. Nothing else may use it.

pub mod baseline;
pub mod cli;
pub mod compare;
pub mod control;
pub mod forecast;
pub mod import;
pub mod live;
pub mod measure;
pub mod prove;
pub mod report;
pub mod scenario;
pub mod simulate;
pub mod sweep;
pub mod unpack;
pub mod visible;
