//! Mock services to put behind any API gateway: they answer every request after a latency drawn from a distribution,
//! or exactly as the request tells them to.
//!
//! ```text
//! Options { listen, threads, service, services, endpoints, obey }
//!    └─▶ Server::start ─▶ one OS thread each: SO_REUSEPORT listener ─▶ hyper ─▶ service: by host or path
//!                                                                                │
//!        mock-outcome: latency_ns=…;status=…;usage=…;fault=…  ─▶ Command ────────┤  plain, or an endpoint:
//!                          hops=search:…,ranker:…  ─▶ places of each ────────────┤  …/v1/chat/completions,
//!        seed, thread, number of the request  ─▶ Latency, Errors, Faults ────────┤  /echo, /healthz
//!                                                       Timer (timerfd) ◀────────┘
//! ```
//!
//! Apart from all this, [`payments`] plays a payment processor, on the same [`host`].
//!
//! Deliberately absent: any notion of consumers, prices or billing (a `mock-usage` header is copied, not understood; the
//! tokens of a chat are counted, not charged) and scripts. Linux only: [`Timer`] stands on a timerfd.

pub mod chat;
pub mod command;
pub mod config;
pub mod fault;
pub mod host;
pub mod latency;
pub mod payments;
pub mod server;
pub mod share;
pub mod timer;

mod calls;
mod direct;
mod draw;
mod endpoint;
mod path;
mod reply;
mod role;
mod service;
mod trace;

pub use chat::{ChatSpec, Pace, Tokens, Told};
pub use command::{Command, CommandError, FAILED_HOP_HEADER, Hop, Hops, OUTCOME_HEADER, USAGE_HEADER, Usage};
pub use config::{Config, ConfigError};
pub use direct::{Direct, Directed, Director};
pub use fault::{Fault, Faults, FaultsError};
pub use latency::{Latency, LatencyError, Tail};
pub use payments::{PaymentsCounts, PaymentsOptions, PaymentsServer};
pub use server::{Counters, Options, Server};
pub use service::{DEFAULT_SERVICE, HOPS_HEADER, MAX_BODY_BYTES, MIN_BODY_BYTES, ServiceSpec};
pub use share::{Errors, ErrorsError, Share, ShareError};
pub use timer::{Sleep, Timer};
pub use trace::{TRACEPARENT_HEADER, TRACERESPONSE_HEADER};
