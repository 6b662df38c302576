//! Mock services to put behind any API gateway: they answer every request after a latency drawn from a distribution,
//! or exactly as the request tells them to.
//!
//! ```text
//! Options { listen, threads, service, obey }
//!    └─▶ Server::start ─▶ one OS thread each: SO_REUSEPORT listener ─▶ hyper, HTTP/1.1 ─▶ service
//!                                                                                          │
//!                      mock-outcome: latency_ns=…;status=…;usage=…  ─▶ Command ────────────┤
//!                                      hops=search:…,ranker:…  ─▶ places of each ──────────┤
//!                      seed, thread, number of the request  ─▶ Latency, Errors ────────────┤
//!                                                                     Timer (timerfd) ◀────┘
//! ```
//!
//! Deliberately absent: any notion of consumers, prices or billing (a `mock-usage` header is copied, not understood),
//! TLS, HTTP/2, routing by path, and scripts. Linux only: [`Timer`] stands on a timerfd.

pub mod command;
pub mod host;
pub mod latency;
pub mod server;
pub mod share;
pub mod timer;

mod draw;
mod path;
mod reply;
mod service;

pub use command::{Command, CommandError, FAILED_HOP_HEADER, Hop, Hops, OUTCOME_HEADER, USAGE_HEADER, Usage};
pub use latency::{Latency, LatencyError, Tail};
pub use server::{Counters, Options, Server};
pub use service::{MIN_BODY_BYTES, ServiceSpec};
pub use share::{Errors, ErrorsError, Share, ShareError};
pub use timer::{Sleep, Timer};
