//! What happened so far: counted by each thread for itself, summed up when somebody asks.

use std::iter::Sum;
use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests since the server started. `received − answered − abandoned` are in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests whose head was read.
    pub received: u64,
    /// Requests whose answer was handed to the connection, whatever its status.
    pub answered: u64,
    /// Requests that ended without an answer: the client went away, or a shutdown cut them off.
    pub abandoned: u64,
}

impl Add for Counters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            received: self.received + other.received,
            answered: self.answered + other.answered,
            abandoned: self.abandoned + other.abandoned,
        }
    }
}

impl Sum for Counters {
    fn sum<I: Iterator<Item = Self>>(counters: I) -> Self {
        counters.fold(Self::default(), Self::add)
    }
}

/// One thread's counters, on cache lines of their own (64 bytes each, fetched in pairs). Relaxed: they order nothing,
/// so a reading may be a moment old, and a request may show as answered before it shows as received.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ThreadCounters {
    received: AtomicU64,
    answered: AtomicU64,
    abandoned: AtomicU64,
}

impl ThreadCounters {
    pub(crate) fn read(&self) -> Counters {
        Counters {
            received: self.received.load(Ordering::Relaxed),
            answered: self.answered.load(Ordering::Relaxed),
            abandoned: self.abandoned.load(Ordering::Relaxed),
        }
    }
}

/// A request between its head and its answer: dropped before [`InFlight::end`], it counts as abandoned.
#[derive(Debug)]
pub(crate) struct InFlight {
    counters: Arc<[ThreadCounters]>,
    thread: usize,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Abandoned,
    Answered,
}

impl InFlight {
    /// A request on this thread.
    pub(crate) fn begin(counters: &Arc<[ThreadCounters]>, thread: usize) -> Self {
        counters[thread].received.fetch_add(1, Ordering::Relaxed);
        Self { counters: Arc::clone(counters), thread, end: End::Abandoned }
    }

    /// The request is answered.
    pub(crate) fn end(mut self) {
        self.end = End::Answered;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let counters = &self.counters[self.thread];
        let counter = match self.end {
            End::Abandoned => &counters.abandoned,
            End::Answered => &counters.answered,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
