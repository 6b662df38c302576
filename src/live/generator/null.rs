//! The most that the generator can do on this machine: a closed load on a bare server, which looks at nothing and answers
//! every request with the same few bytes. What a load on a gateway comes near to is not the gateway's own maximum.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use farebox_engine::model::{Arrivals, Cohort, Excess, Live, Plan, Scenario};
use farebox_engine::money::Overflow;
use farebox_engine::time::{Span, Time};
use farebox_engine::world::World;
use serde::Serialize;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use super::dress::Dress;
use super::watch::Watch;
use super::{LoadResult, Options, Shares, load};
use crate::control::Control;

/// What it answers.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// What a request without a body ends with.
const END: &[u8] = b"\r\n\r\n";
/// How long after everything is set up the test begins.
const HEAD_START: Duration = Duration::from_millis(20);
/// The calls of a self-test at most: more than any generator makes in its time.
const CALLS_PER_S: f64 = 400_000.0;

/// What a self-test has shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ceiling {
    /// Calls a second that the generator makes here, of a server that does nothing.
    pub per_s: f64,
    /// How long it was tried, in ns.
    pub lasted_ns: u64,
    /// Over how many connections.
    pub connections: u32,
    /// On how many threads; the server has as many.
    pub threads: usize,
    /// CPU time of the generator for each call, in ns.
    pub cpu_ns_per_call: u64,
}

/// Why there was no self-test.
#[derive(Debug, thiserror::Error)]
pub enum NoCeiling {
    /// The system has no thread, port or descriptor left.
    #[error("the self-test cannot run on this machine")]
    Environment(#[from] io::Error),
    /// The bare server was not reached, or answered nothing.
    #[error("the self-test has had no answer")]
    Nothing,
}

/// Loads a bare server as fast as it goes.
pub fn self_test(
    threads: NonZeroUsize,
    connections: u32,
    lasts: Duration,
    control: &Control,
) -> Result<Ceiling, NoCeiling> {
    let server = Null::start(threads)?;
    let world = world(lasts).expect("a world without prices has no amount that could overflow");
    let shares = Shares::of(&world, threads, connections);
    let options = options(&server, &world, connections);
    let result = load(&world, shares, &options, control, &Arc::new(Watch::new(threads.get())))?;
    ceiling(&result, threads, connections, lasts).ok_or(NoCeiling::Nothing)
}

fn options(server: &Null, world: &World, connections: u32) -> Options {
    Options {
        target: server.addr,
        connections,
        in_flight: connections,
        excess: Excess::Drop,
        is_closed: true,
        measured: world.scenario.live.measured(),
        origin: Instant::now() + HEAD_START,
        dress: Dress::Own { token: "0".repeat(32) },
    }
}

fn ceiling(result: &LoadResult, threads: NonZeroUsize, connections: u32, lasts: Duration) -> Option<Ceiling> {
    let lasted = result.ended.map_or(lasts, |at| Duration::from_nanos(at.since(Time::START).ns()));
    let answered = result.measured_answered;
    (answered > 0).then(|| Ceiling {
        per_s: answered as f64 / lasted.as_secs_f64(),
        lasted_ns: lasted.as_nanos() as u64,
        connections,
        threads: threads.get(),
        cpu_ns_per_call: result.worked.cpu_ns / result.answered().max(1),
    })
}

/// A thousand consumers who may call as often as they like.
fn world(lasts: Duration) -> Result<Arc<World>, Overflow> {
    let duration = Span::from_ns(lasts.as_nanos() as u64);
    let mut scenario = Scenario::new("self-test", duration);
    scenario.plans.push(Plan::new("free"));
    let mean_gap_ns = 1e9 * 1_000.0 / CALLS_PER_S;
    scenario.cohorts.push(Cohort::new("all", 1_000, Arrivals::Poisson { mean_gap_ns, spread: None }));
    scenario.live = Live { rate_per_s: CALLS_PER_S, duration, ..Live::default() };
    let live = scenario.live.clone();
    World::scaled(Arc::new(scenario), &live).map(Arc::new)
}

// === The bare server ===

/// A server that answers every request alike; it ends when it is dropped.
#[derive(Debug)]
struct Null {
    addr: SocketAddr,
    threads: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Null {
    fn start(threads: NonZeroUsize) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let mut null = Self { addr: listener.local_addr()?, threads: Vec::new() };
        for index in 0..threads.get() {
            let (end, ended) = oneshot::channel::<()>();
            let listener = listener.try_clone()?;
            let serve = move || {
                let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default());
                // Without a runtime or a listener nobody is answered, which the load shows.
                let Ok(runtime) = runtime else { return };
                runtime.block_on(async {
                    let Ok(listener) = TcpListener::from_std(listener) else { return };
                    spawn_local(accept(listener));
                    drop(ended.await);
                });
            };
            null.threads.push((end, thread::Builder::new().name(format!("null-{index}")).spawn(serve)?));
        }
        Ok(null)
    }
}

impl Drop for Null {
    fn drop(&mut self) {
        for (end, thread) in self.threads.drain(..) {
            drop(end);
            // A thread that panicked has said so on standard error.
            drop(thread.join());
        }
    }
}

async fn accept(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        spawn_local(async move {
            // What breaks a connection shows as an error of the call that it carried.
            drop(answer(stream).await);
        });
    }
}

/// Answers as many requests as have ended, until there are no more.
async fn answer(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut buffer, mut ending) = ([0; 4_096], 0);
    loop {
        stream.ready(Interest::READABLE).await?;
        let read = match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        for _ in 0..requests(&buffer[..read], &mut ending) {
            write(&stream).await?;
        }
    }
}

/// How many requests end in these bytes; `ending` is how much of the end of one was there already.
fn requests(bytes: &[u8], ending: &mut usize) -> usize {
    let mut ended = 0;
    for byte in bytes {
        *ending = match (*byte == END[*ending], *byte) {
            (true, _) => *ending + 1,
            (false, b'\r') => 1,
            (false, _) => 0,
        };
        if *ending == END.len() {
            (ended, *ending) = (ended + 1, 0);
        }
    }
    ended
}

async fn write(stream: &TcpStream) -> io::Result<()> {
    let mut left = ANSWER;
    while !left.is_empty() {
        match stream.try_write(left) {
            Ok(written) => left = &left[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.ready(Interest::WRITABLE).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_wherever_they_are_cut() {
        let text = b"GET / HTTP/1.1\r\nx: \r\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        for at in 0..=text.len() {
            let mut ending = 0;
            assert_eq!(requests(&text[..at], &mut ending) + requests(&text[at..], &mut ending), 2, "{at}");
        }
    }

    /// Of the hot path this may not grow unseen: what the generator allocates for a call, from taking it to recording what
    /// became of it. The first share of a load is played by the thread that asks for it, so that is what is counted.
    #[test]
    fn a_call_of_a_load_takes_no_allocation() {
        const ALLOCATIONS_MOST: u64 = 0;
        let one = NonZeroUsize::MIN;
        let server = Null::start(one).unwrap();
        let loaded = |lasts: Duration| {
            let world = world(lasts).unwrap();
            let shares = Shares::of(&world, one, 4);
            let options = options(&server, &world, 4);
            let (control, watch) = (Control::default(), Arc::new(Watch::new(1)));
            let mut answered = 0;
            let counted = allocation_counter::measure(|| {
                answered = load(&world, shares, &options, &control, &watch).unwrap().answered();
            });
            (answered, counted.count_total)
        };
        // The first load of a thread makes what all of them use.
        loaded(Duration::from_millis(10));
        let ((few, first), (many, again)) = (loaded(Duration::from_millis(10)), loaded(Duration::from_millis(400)));
        // A look at the clock each tenth of a second is no call's.
        assert!(
            again.saturating_sub(first) <= 64 + many.saturating_sub(few) * ALLOCATIONS_MOST,
            "{many}: {again}, {first}"
        );
    }

    #[test]
    fn a_self_test_has_a_ceiling() {
        let two = NonZeroUsize::new(2).unwrap();
        let ceiling = self_test(two, 4, Duration::from_millis(50), &Control::default()).unwrap();
        assert!(ceiling.per_s > 1.0 && ceiling.cpu_ns_per_call > 0, "{ceiling:?}");
        assert_eq!((ceiling.threads, ceiling.connections), (2, 4));
    }
}
