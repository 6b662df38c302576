//! What a connection is doing, so that one which does nothing can be closed.
//!
//! The connection's own task notes it in a few cells: no clock is read, and nothing is allocated, for a request. Only
//! when the task has been polled and the client has stopped halfway, or when the timer has run out, is the timer set.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};

use super::limits::Limits;
use crate::timer::{Sleep, Timer};

/// What a connection is doing, and a number that changes whenever that does.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Requests that are being answered.
    active: Cell<u32>,
    /// Whether the client has begun a request whose head is not there yet.
    has_begun: Cell<bool>,
    /// Whether the client takes nothing of what is to be sent.
    is_stuck: Cell<bool>,
    beats: Cell<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no request.
    Idle,
    /// A request's head is awaited.
    Head,
    /// A request is being answered.
    Busy,
    /// Its answer waits for the client.
    Stuck,
}

impl Pulse {
    /// A connection that was just opened: its first request is awaited.
    pub(super) fn opened() -> Rc<Self> {
        let pulse = Self::default();
        pulse.has_begun.set(true);
        Rc::new(pulse)
    }

    /// A request is being answered for as long as the guard lives.
    pub(super) fn request(self: &Rc<Self>) -> Guard {
        self.active.set(self.active.get() + 1);
        self.has_begun.set(false);
        self.beat();
        Guard(Rc::clone(self))
    }

    fn has_read(&self) {
        if self.active.get() == 0 && !self.has_begun.replace(true) {
            self.beat();
        }
    }

    fn has_written(&self, is_stuck: bool) {
        if self.is_stuck.replace(is_stuck) != is_stuck {
            self.beat();
        }
    }

    fn beat(&self) {
        self.beats.set(self.beats.get().wrapping_add(1));
    }

    fn state(&self) -> State {
        match (self.active.get(), self.is_stuck.get(), self.has_begun.get()) {
            (_, true, _) => State::Stuck,
            (1.., false, _) => State::Busy,
            (0, false, true) => State::Head,
            (0, false, false) => State::Idle,
        }
    }
}

/// A request that is being answered, until its answer has been handed over or given up.
#[derive(Debug)]
pub(super) struct Guard(Rc<Pulse>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get() - 1);
        self.0.beat();
    }
}

// === Body and socket ===

/// A body that counts as being answered until it is dropped.
#[derive(Debug)]
pub(super) struct Guarded<B> {
    pub(super) body: B,
    pub(super) _guard: Guard,
}

impl<B: Body + Unpin> Body for Guarded<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket whose traffic is noted.
#[derive(Debug)]
pub(super) struct Watched<I> {
    pub(super) io: I,
    pub(super) pulse: Rc<Pulse>,
    /// Whether what comes in is the beginning of a request; over HTTP/2 it may be a ping.
    pub(super) reads_heads: bool,
    /// Whether what was written waits before the socket, as records of TLS do, until it is flushed.
    pub(super) buffers: bool,
}

impl<I: Read + Unpin> Read for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if self.reads_heads && read.is_ready() {
            self.pulse.has_read();
        }
        read
    }
}

impl<I: Write + Unpin> Write for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.pulse.has_written(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.pulse.has_written(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        if self.buffers {
            self.pulse.has_written(flushed.is_pending());
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

// === Watchdog ===

/// Ends when a connection has done for too long what it may do only for so long.
#[derive(Debug)]
pub(super) struct Watchdog {
    pulse: Rc<Pulse>,
    limits: Limits,
    timer: Timer,
    /// What the connection was doing when the timer was set, and that timer.
    watched: (State, u32),
    sleep: Option<Sleep>,
}

impl Watchdog {
    pub(super) fn new(pulse: Rc<Pulse>, limits: Limits, timer: Timer) -> Self {
        let watched = (State::Busy, pulse.beats.get());
        Self { pulse, limits, timer, watched, sleep: None }
    }

    /// Whether the connection is to be closed. Asked each time that its task has been polled.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = (self.pulse.state(), self.pulse.beats.get());
            let is_halfway = matches!(now.0, State::Head | State::Stuck) && now != self.watched;
            if is_halfway || self.sleep.is_none() {
                self.watched = now;
                self.sleep = self.longest(now.0).map(|span| self.timer.sleep_until(Instant::now() + span));
            }
            let Some(sleep) = &mut self.sleep else { return Poll::Pending };
            if Pin::new(sleep).poll(context).is_pending() {
                return Poll::Pending;
            }
            if now == self.watched && now.0 != State::Busy && self.limit(now.0).is_some() {
                return Poll::Ready(());
            }
            self.sleep = None;
        }
    }

    fn limit(&self, state: State) -> Option<Duration> {
        match state {
            State::Idle => self.limits.idle,
            State::Head => self.limits.head_within,
            State::Stuck => self.limits.send_within,
            State::Busy => None,
        }
    }

    /// When to look again: a connection that is busy now may be idle then.
    fn longest(&self, state: State) -> Option<Duration> {
        self.limit(state).or(self.limits.idle)
    }
}
