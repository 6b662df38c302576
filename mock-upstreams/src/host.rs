//! Hosting an HTTP service: N threads, each with its own runtime, timer and listening socket, that share nothing but
//! the address and what the service itself shares.
//!
//! Life: [`Host::start`] returns when every thread accepts; [`Host::shutdown`] stops accepting, lets requests in flight
//! end until a deadline, cuts off the rest and joins the threads. Dropping a host is a shutdown without grace.
//!
//! What clients may do is in [`Limits`]; with [`Tls`] they speak it. When the process runs out of descriptors, accepting
//! pauses and goes on.

use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::num::NonZeroUsize;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::task::spawn_local;

use crate::timer::Timer;

pub use self::connection::{Connections, Watch};
use self::connection::{Counters, Shared};
pub use self::limits::Limits;
pub use self::tls::{Tls, TlsError};

mod connection;
mod limits;
mod listener;
mod pulse;
mod tls;

/// A running host.
#[derive(Debug)]
pub struct Host {
    addr: SocketAddr,
    stop: watch::Sender<Phase>,
    threads: Vec<JoinHandle<()>>,
    counters: Arc<Counters>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Serving,
    /// Requests in flight have until then.
    Stopping(Instant),
}

/// How clients are let in.
#[derive(Clone, Debug)]
pub struct Door {
    /// What is borne from them.
    pub limits: Limits,
    /// What they are shown where they speak TLS; `None`: they do not.
    pub tls: Option<Tls>,
}

impl From<Limits> for Door {
    /// Without TLS.
    fn from(limits: Limits) -> Self {
        Self { limits, tls: None }
    }
}

/// One thread of a host, as the service that is made for it sees it.
pub struct Seat {
    index: usize,
    timer: Timer,
    at_end: RefCell<Vec<Box<dyn FnOnce()>>>,
}

// === Host ===

impl Host {
    /// Listens on `listen` with `threads` threads and serves with what `make` makes on each, clients that are trusted and may
    /// begin with HTTP/2. Port 0 takes a free one, which [`Host::addr`] then tells. When this returns, every thread accepts
    /// connections.
    ///
    /// Errors when the address cannot be had (a port that another server listens on is [`io::ErrorKind::AddrInUse`]),
    /// or when the system has no thread or descriptor left.
    pub fn start<M, S, F, B, E>(name: &str, listen: SocketAddr, threads: NonZeroUsize, make: M) -> io::Result<Self>
    where
        M: Fn(&Seat) -> S + Clone + Send + 'static,
        S: Fn(Request<Incoming>) -> F + Clone + 'static,
        F: Future<Output = Result<Response<B>, E>> + 'static,
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        Self::start_within(name, listen, threads, Limits { http2: true, ..Limits::TRUSTING }, make)
    }

    /// As [`Host::start`], and lets clients in as `door` says.
    pub fn start_within<M, S, F, B, E>(
        name: &str,
        listen: SocketAddr,
        threads: NonZeroUsize,
        door: impl Into<Door>,
        make: M,
    ) -> io::Result<Self>
    where
        M: Fn(&Seat) -> S + Clone + Send + 'static,
        S: Fn(Request<Incoming>) -> F + Clone + 'static,
        F: Future<Output = Result<Response<B>, E>> + 'static,
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let door = door.into();
        let listeners = listener::open(listen, threads.get())?;
        let mut host = Self {
            addr: listeners[0].local_addr()?,
            stop: watch::Sender::new(Phase::Serving),
            threads: Vec::new(),
            counters: Arc::default(),
        };
        let (ready, outcomes) = mpsc::channel();
        for (index, listener) in listeners.into_iter().enumerate() {
            let (stop, counters) = (host.stop.subscribe(), Arc::clone(&host.counters));
            let start = Start { index, listener, door: door.clone(), counters, stop, make: make.clone() };
            let ready = Ready(ready.clone());
            let thread = thread::Builder::new().name(format!("{name}-{index}")).spawn(move || start.run(ready))?;
            host.threads.push(thread);
        }
        drop(ready);
        // On an error the host is dropped, which ends the threads that did start.
        outcomes.iter().collect::<io::Result<()>>()?;
        Ok(host)
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The connections so far, of all threads.
    pub fn connections(&self) -> Connections {
        self.counters.read()
    }

    /// The same, for whoever asks later.
    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.counters))
    }

    /// Stops accepting, closes idle connections, gives requests in flight `grace` to end, cuts off the rest, and joins
    /// the threads.
    pub fn shutdown(mut self, grace: Duration) {
        self.stop_and_join(grace);
    }

    fn stop_and_join(&mut self, grace: Duration) {
        self.stop.send_replace(Phase::Stopping(Instant::now() + grace));
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on standard error; the others are to be joined all the same.
            drop(thread.join());
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop_and_join(Duration::ZERO);
    }
}

// === Seat ===

impl Seat {
    /// The number of the thread, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The thread's timer, which is being driven.
    pub fn timer(&self) -> &Timer {
        &self.timer
    }

    /// Runs `end` when the thread has served for the last time, before what it still runs is dropped.
    pub fn at_end(&self, end: impl FnOnce() + 'static) {
        self.at_end.borrow_mut().push(Box::new(end));
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("index", &self.index).finish_non_exhaustive()
    }
}

/// All that a thread starts with.
struct Start<M> {
    index: usize,
    listener: StdTcpListener,
    door: Door,
    counters: Arc<Counters>,
    stop: watch::Receiver<Phase>,
    make: M,
}

/// Where a thread says whether it can serve.
struct Ready(mpsc::Sender<io::Result<()>>);

impl<M> Start<M> {
    /// Serves until told to stop, after saying on `ready` whether it can.
    fn run<S, F, B, E>(self, ready: Ready)
    where
        M: Fn(&Seat) -> S,
        S: Fn(Request<Incoming>) -> F + Clone + 'static,
        F: Future<Output = Result<Response<B>, E>> + 'static,
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        match Builder::new_current_thread().enable_io().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime.block_on(self.serve(ready)),
            Err(error) => ready.report(Err(error)),
        }
    }

    async fn serve<S, F, B, E>(self, ready: Ready)
    where
        M: Fn(&Seat) -> S,
        S: Fn(Request<Incoming>) -> F + Clone + 'static,
        F: Future<Output = Result<Response<B>, E>> + 'static,
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let (timer, listener) = match open(self.listener) {
            Ok(opened) => opened,
            Err(error) => return ready.report(Err(error)),
        };
        spawn_local(timer.clone().drive());
        let seat = Seat { index: self.index, timer, at_end: RefCell::default() };
        let service = (self.make)(&seat);
        ready.report(Ok(()));

        let (limits, timer) = (self.door.limits, seat.timer.clone());
        let tls = self.door.tls.map(|tls| tls.acceptor(limits.http2));
        let graceful = RefCell::new(Some(GracefulShutdown::new()));
        let shared = Rc::new(Shared { service, limits, tls, timer, counters: self.counters, graceful });
        let accepting = accept(&listener, &shared);
        let deadline = unless_stopped(self.stop, accepting).await;
        drop(listener);
        let graceful = shared.graceful.take().expect("it is taken here alone");
        seat.timer.timeout_at(deadline, graceful.shutdown()).await;
        seat.at_end.take().into_iter().for_each(|end| end());
    }
}

impl Ready {
    /// Consumes the sender: [`Host::start`] waits until every thread has spoken or is gone.
    fn report(self, outcome: io::Result<()>) {
        // Nobody listens any more if another thread failed first; then this one is told to stop.
        drop(self.0.send(outcome));
    }
}

fn open(listener: StdTcpListener) -> io::Result<(Timer, TcpListener)> {
    Ok((Timer::new()?, TcpListener::from_std(listener)?))
}

/// Runs `work` until the host stops; the deadline it set, or now if the host is gone.
async fn unless_stopped(mut stop: watch::Receiver<Phase>, work: impl Future<Output = Infallible>) -> Instant {
    let mut stopped = pin!(async {
        match stop.wait_for(|phase| matches!(phase, Phase::Stopping(_))).await.as_deref() {
            Ok(Phase::Stopping(deadline)) => *deadline,
            Ok(Phase::Serving) | Err(_) => Instant::now(),
        }
    });
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(never) => match never {},
        Poll::Pending => stopped.as_mut().poll(cx),
    })
    .await
}

async fn accept<S, F, B, E>(listener: &TcpListener, shared: &Rc<Shared<S>>) -> Infallible
where
    S: Fn(Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Result<Response<B>, E>> + 'static,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            shared.connect(stream);
        } else {
            // Most likely the process is out of descriptors: the connection stays in the backlog, and asking again at
            // once would spin.
            shared.counters.starve();
            shared.timer.sleep_until(Instant::now() + ACCEPT_PAUSE).await;
        }
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
