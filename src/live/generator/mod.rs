//! Load: open, every call sent when the schedule says, whether or not earlier ones have been answered; or closed, each next
//! call sent once the one before on its connection is answered. Sessions are closed loops that begin as the schedule says:
//! the next call of one is sent a think time after the answer to the one before it.
//!
//! Latency counts from the intended start, so a stall of the server, or of this generator, is in it (no coordinated
//! omission); service time, from the moment a call was written, stands beside it. One thread is one runtime with its
//! own connections, its own share of the schedule and its own histograms; results are merged at the end.
//!
//! - `due`: who is to be called when, and one thread's share of it.
//! - `sender`: releases, sends, hears. `closed` is the same path without a schedule.
//! - `caller` writes the requests, `dress` says how they look to a gateway that is not ours; `wires` sends them and reads what
//!   comes back, `answer` is what is known of it.
//! - [`tally`]: what has been seen; [`watch`]: the same while it goes on, roughly.
//! - `cpu`: what the threads have worked; [`null`]: the most that the generator can do here.

mod answer;
mod caller;
mod cpu;
pub mod dress;
mod due;
pub mod null;
mod sender;
pub mod tally;
pub mod watch;
mod wires;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use farebox_engine::model::Excess;
use farebox_engine::time::Time;
use farebox_engine::world::World;
use tokio::runtime::{Builder, LocalOptions};

pub(super) use self::caller::Caller;
pub use self::caller::own_keys;
pub use self::cpu::Worked;
pub(super) use self::cpu::{Role, of_roles};
use self::dress::Dress;
pub use self::due::Shares;
use self::sender::Sender;
pub use self::tally::{CallError, Class, Ending, LoadResult, Times};
use self::watch::Watch;
pub(super) use self::wires::Wires;
use crate::control::Control;

/// What a load is offered with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the calls go.
    pub target: SocketAddr,
    /// Connections at most, over all threads.
    pub connections: u32,
    /// Calls in flight at most, over all threads.
    pub in_flight: u32,
    /// What happens to those beyond.
    pub excess: Excess,
    /// Whether each connection makes the next call once the one before is answered, whatever the schedule says.
    pub is_closed: bool,
    /// The time in which calls that are due are measured.
    pub measured: [Time; 2],
    /// The instant at which traffic time begins.
    pub origin: Instant,
    /// How the requests look, and how answers are read.
    pub dress: Dress,
}

/// Offers the world's schedule to the target; the control counts the calls of the schedule that were released. Canceled,
/// it sends no more. Returns when every call has ended, or the drain is over.
///
/// Errors when the system has no thread or descriptor left; what the target does is in the result.
pub fn load(
    world: &Arc<World>,
    shares: Shares,
    options: &Options,
    control: &Control,
    watch: &Arc<Watch>,
) -> io::Result<LoadResult> {
    let threads = shares.0.len();
    let run = |index, share| {
        let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default())?;
        let began = cpu::own_ns();
        let sender = || Sender::new(world, share, options, [index, threads], Arc::clone(watch));
        let mut result = runtime.block_on(async { sender()?.run(control).await })?;
        result.worked.add(cpu::own_ns().saturating_sub(began));
        Ok(result)
    };
    std::thread::scope(|scope| {
        let run = &run;
        let mut shares = shares.0.into_iter().enumerate();
        let first = shares.next();
        let others: Vec<_> = shares.map(|(index, share)| scope.spawn(move || run(index, share))).collect();
        let mut result: LoadResult = first.map_or_else(|| Ok(LoadResult::new()), |(index, share)| run(index, share))?;
        for other in others {
            let other: io::Result<LoadResult> = other.join().expect("a thread that panics ends the process");
            result.merge(&other?);
        }
        Ok(result)
    })
}
