//! The half with sockets: the gateway around the gate, the load generator, and the proofs that both halves agree.
//!
//! - [`accounts`]: every account behind a lock of its own, which is never held across an await; the wall clock.
//! - [`gateway`]: the hyper service: key, gate, upstream, answer. `exchange` owns a call's hold until it is resolved;
//!   [`problem`] is what the gateway answers itself, `shortfall` what it knows of how that is mended; [`gateway::admin`] is for those who look after it.
//! - [`collector`]: asks the payment processor for what accounts want charged, and tells them.
//! - `pool`: the gateway's keep-alive connections to its upstream; [`wire`]: HTTP/1.1 on a connection that we open.
//! - [`generator`]: the load, latency from the intended start; [`validity`]: whether it says something.
//! - [`lockstep`]: the same calls in the twin's order and at the twin's times.
//! - [`proof`]: compares, replays, lists differences.
//! - [`upstreams`]: decides what the mock of a scenario's upstreams answers whoever calls them.
//! - [`webhooks`]: what the payment processor tells, and whether it is from it.
//! - [`stage`]: puts them together for one load; [`result`] is what it has shown, as plain data.
//!
//! Nothing here computes a price or decides a refusal: that is `farebox_engine::billing`.

pub mod accounts;
mod amount;
pub mod collector;
mod exchange;
pub mod gateway;
pub mod generator;
pub mod lockstep;
mod pool;
pub mod problem;
pub mod proof;
pub mod result;
mod route;
mod shortfall;
mod slow;
pub mod stage;
mod stamp;
pub mod upstreams;
pub mod validity;
pub mod webhooks;
pub mod wire;
