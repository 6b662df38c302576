//! What happened so far: counted by each thread for itself, summed up when somebody asks.

use std::iter::Sum;
use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::fault::Fault;

/// Requests since the server started. `received − answered − abandoned` are in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests whose head was read.
    pub received: u64,
    /// Requests whose answer was handed to the connection, whatever its status.
    pub answered: u64,
    /// Requests that ended without an answer: the client went away, a shutdown cut them off, or a fault left none.
    pub abandoned: u64,
    /// Requests that met a fault, by [`Fault::index`]: each is among the answered or the abandoned ones as well, or still
    /// in flight.
    pub faults: [u64; Fault::ALL.len()],
}

impl Add for Counters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            received: self.received + other.received,
            answered: self.answered + other.answered,
            abandoned: self.abandoned + other.abandoned,
            faults: std::array::from_fn(|fault| self.faults[fault] + other.faults[fault]),
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
    faults: [AtomicU64; Fault::ALL.len()],
}

impl ThreadCounters {
    pub(crate) fn read(&self) -> Counters {
        Counters {
            received: self.received.load(Ordering::Relaxed),
            answered: self.answered.load(Ordering::Relaxed),
            abandoned: self.abandoned.load(Ordering::Relaxed),
            faults: self.faults.each_ref().map(|fault| fault.load(Ordering::Relaxed)),
        }
    }

    /// A request meets a fault.
    pub(crate) fn count(&self, fault: Fault) {
        self.faults[fault.index()].fetch_add(1, Ordering::Relaxed);
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
