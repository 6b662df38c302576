//! The billing rules, as one sans-IO machine per billing party.
//!
//! [`gate`] is the face that both drivers use; [`catalog`] is what they share and never change; the other modules are
//! the parts of an account. Nothing here waits, draws or computes with floats: time and answers are handed in.
#![deny(clippy::float_arithmetic)]

pub mod account;
mod back;
mod blocked;
pub mod calendar;
pub mod catalog;
pub mod cause;
mod collect;
pub mod decline;
pub mod gate;
mod given_up;
pub mod grant;
pub mod headroom;
pub mod heard;
pub mod history;
pub mod hold;
pub mod inbox;
pub mod invoice;
pub mod ledger;
pub mod limit;
pub mod list_price;
pub mod margins;
pub mod opening;
mod period;
mod plan_change;
pub mod price;
mod settle;
pub mod standing;
mod steps;
mod subscription;
pub mod tally;
mod term;
pub mod timer;
mod top_up;
pub mod usage;
