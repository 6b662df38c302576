//! One connection: which version of HTTP it speaks, and how it ends.

use std::cell::RefCell;
use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use hyper::body::{Body, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio_rustls::TlsAcceptor;

use super::limits::Limits;
use super::pulse::{Guarded, Pulse, Watchdog, Watched};
use super::tls;
use crate::fault::{self, Parting, Socket};
use crate::timer::Timer;

/// How an HTTP/2 connection begins (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// When a connection that has begun like that is looked at again.
const MORE_OF_PREFACE: Duration = Duration::from_millis(2);
/// What a client reads that is one too many.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// Streams at once on one HTTP/2 connection.
const STREAMS: u32 = 256;

/// How many connections a host has, over all threads; written once or twice a connection.
#[derive(Debug, Default)]
pub(super) struct Counters {
    open: AtomicUsize,
    refused: AtomicU64,
    closed: AtomicU64,
    starved: AtomicU64,
}

/// The connections of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Those that are open.
    pub open: usize,
    /// Those that were one too many.
    pub refused: u64,
    /// Those that were closed because their client did nothing for too long.
    pub timed_out: u64,
    /// How often none could be accepted, which is most likely because the process has no descriptor left: accepting goes
    /// on after a pause.
    pub starved: u64,
}

/// Reads the connections of a host, also after it has ended.
#[derive(Clone, Debug)]
pub struct Watch(pub(super) Arc<Counters>);

impl Watch {
    /// The connections so far, of all threads.
    pub fn read(&self) -> Connections {
        self.0.read()
    }
}

impl Counters {
    pub(super) fn read(&self) -> Connections {
        Connections {
            open: self.open.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            timed_out: self.closed.load(Ordering::Relaxed),
            starved: self.starved.load(Ordering::Relaxed),
        }
    }

    /// Nothing could be accepted.
    pub(super) fn starve(&self) {
        self.starved.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the connections of one thread share.
pub(super) struct Shared<S> {
    pub(super) service: S,
    pub(super) limits: Limits,
    /// Shakes hands before HTTP begins; `None`: HTTP begins at once.
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) timer: Timer,
    pub(super) counters: Arc<Counters>,
    /// `None` once the host stops: what has sent nothing by then is dropped.
    pub(super) graceful: RefCell<Option<GracefulShutdown>>,
}

/// One of the connections that count as open, until it is dropped.
struct Place(Arc<Counters>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S, F, B, E> Shared<S>
where
    S: Fn(Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Result<Response<B>, E>> + 'static,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    /// Serves a connection in a task of its own, if there is a place for it.
    pub(super) fn connect(self: &Rc<Self>, stream: TcpStream) {
        let Some(place) = self.place() else {
            // What does not fit into the buffer of a new socket is lost on a client that has been told to go anyway. Nothing
            // can be said to one that awaits a handshake.
            if self.tls.is_none() {
                drop(stream.try_write(FULL));
            }
            return;
        };
        // An answer is one small write: it is not to wait for the acknowledgement of the one before.
        if stream.set_nodelay(true).is_err() {
            return; // The client is gone already.
        }
        let shared = Rc::clone(self);
        if self.tls.is_some() {
            spawn_local(async move { shared.by_handshake(stream, place).await });
        } else if self.limits.http2 {
            spawn_local(async move { shared.by_preface(stream, place).await });
        } else {
            self.http1(stream, place);
        }
    }

    fn place(&self) -> Option<Place> {
        let before = self.counters.open.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(&self.counters));
        if self.limits.connections.is_some_and(|most| before >= most.get()) {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(place)
    }

    /// Speaks the version of HTTP that the client begins with.
    async fn by_preface(self: Rc<Self>, stream: TcpStream, place: Place) {
        match self.begun(self.begins_with_preface(&stream)).await {
            Some(Some(true)) => self.http2(stream, place),
            Some(Some(false)) => self.http1(stream, place),
            Some(None) | None => {}
        }
    }

    /// Speaks TLS, and inside of it the version of HTTP that both have agreed on.
    async fn by_handshake(self: Rc<Self>, stream: TcpStream, place: Place) {
        let Some(acceptor) = &self.tls else { return };
        match self.begun(acceptor.accept(stream)).await {
            Some(Ok(stream)) if tls::is_http2(&stream) => self.http2(stream, place),
            Some(Ok(stream)) => self.http1(stream, place),
            // What is no handshake has been told so by an alert.
            Some(Err(_)) | None => {}
        }
    }

    /// What a client begins with, where it does so in time; else its connection is counted as closed for that.
    async fn begun<T>(&self, begins: impl Future<Output = T>) -> Option<T> {
        let within = self.limits.head_within.unwrap_or(Duration::from_secs(60));
        let begun = self.timer.timeout_at(Instant::now() + within, begins).await;
        if begun.is_none() {
            self.counters.closed.fetch_add(1, Ordering::Relaxed);
        }
        begun
    }

    /// Looks without reading; `None` when the client has gone.
    async fn begins_with_preface(&self, stream: &TcpStream) -> Option<bool> {
        let mut seen = [0; PREFACE.len()];
        loop {
            let count = stream.peek(&mut seen).await.ok()?;
            match &seen[..count] {
                [] => return None,
                begun if begun == PREFACE => return Some(true),
                begun if !PREFACE.starts_with(begun) => return Some(false),
                // Peeking again would find the same bytes at once.
                _ => self.timer.sleep_until(Instant::now() + MORE_OF_PREFACE).await,
            }
        }
    }

    fn http1<T>(self: &Rc<Self>, stream: T, place: Place)
    where
        T: Socket + AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let pulse = Pulse::opened();
        let (line, parting) = fault::line(stream);
        let buffers = self.tls.is_some();
        let io = Watched { io: TokioIo::new(line), pulse: Rc::clone(&pulse), reads_heads: true, buffers };
        let mut builder = http1::Builder::new();
        builder.max_header_size(self.limits.header_bytes);
        let connection = builder.serve_connection(io, self.service(&pulse));
        self.run(connection, parting, pulse, place);
    }

    fn http2<T>(self: &Rc<Self>, stream: T, place: Place)
    where
        T: Socket + AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let pulse = Pulse::opened();
        let (line, parting) = fault::line(stream);
        let buffers = self.tls.is_some();
        let io = Watched { io: TokioIo::new(line), pulse: Rc::clone(&pulse), reads_heads: false, buffers };
        let mut builder = http2::Builder::new(Local);
        builder.max_header_list_size(u32::try_from(self.limits.header_bytes).unwrap_or(u32::MAX));
        builder.max_concurrent_streams(STREAMS);
        let connection = builder.serve_connection(io, self.service(&pulse));
        self.run(connection, parting, pulse, place);
    }

    fn service(
        &self,
        pulse: &Rc<Pulse>,
    ) -> impl Service<
        Request<Incoming>,
        Response = Response<Guarded<B>>,
        Error = E,
        Future = impl Future<Output = Result<Response<Guarded<B>>, E>> + 'static,
    > + 'static {
        let (pulse, service) = (Rc::clone(pulse), self.service.clone());
        service_fn(move |request| {
            let guard = pulse.request();
            let answer = service(request);
            async move { Ok(answer.await?.map(|body| Guarded { body, _guard: guard })) }
        })
    }

    fn run(
        self: &Rc<Self>,
        connection: impl GracefulConnection<Error = hyper::Error> + 'static,
        parting: Parting<impl Socket + 'static>,
        pulse: Rc<Pulse>,
        place: Place,
    ) {
        let Some(watched) = self.graceful.borrow().as_ref().map(|graceful| graceful.watch(connection)) else { return };
        let mut watchdog = Watchdog::new(pulse, self.limits, self.timer.clone());
        let shared = Rc::clone(self);
        spawn_local(async move {
            let _place = place;
            // The connection is dropped inside, so that its socket is at hand afterwards.
            let ended = {
                let mut watched = pin!(watched);
                poll_fn(|context| match watched.as_mut().poll(context) {
                    Poll::Ready(ended) => Poll::Ready(Some(ended)),
                    Poll::Pending => watchdog.poll(context).map(|()| None),
                })
                .await
            };
            match ended {
                Some(Ok(())) => {}
                // What breaks a connection is the service's to notice: its future, or its body, is dropped.
                Some(Err(error)) => parting.end(&error),
                None => {
                    shared.counters.closed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
}

/// Runs the streams of an HTTP/2 connection on the thread that accepted it.
#[derive(Clone, Copy, Debug)]
struct Local;

impl<F: Future + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn_local(async move { drop(future.await) });
    }
}
