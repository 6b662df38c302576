//! What a load has seen, counted by the thread that saw it and merged at the end.

use std::collections::BTreeMap;

use farebox_engine::billing::cause::Kind;
use farebox_engine::time::{HOUR, Time};
use hdrhistogram::Histogram;

use super::cpu::Worked;

/// What a load has seen. Counts are of the whole load, warm-up and cool-down included; times and rates are of what is
/// measured between them.
#[derive(Clone, Debug)]
pub struct LoadResult {
    /// Calls that the schedule asked for, and those that followed others in sessions.
    pub offered: u64,
    /// Attempts at them beside the first of each.
    pub retried: u64,
    /// Calls that were served by such an attempt.
    pub recovered: u64,
    /// Attempts that were sent.
    pub sent: u64,
    /// Connections that were made for them; more than may be open at once where they are not kept.
    pub connected: u64,
    /// Attempts that were sent noticeably after their intended start.
    pub late: u64,
    /// Attempts that were not sent, because too many were in flight, or no connection was free until the load was over.
    pub dropped: u64,
    /// Attempts that were answered, by how.
    pub ends: BTreeMap<Ending, u64>,
    /// What an answer gave as the reason of a refusal, with its status.
    pub reasons: BTreeMap<(u16, &'static str), u64>,
    /// Times that a client has bought credit where a refusal said, by the status that it was answered with; `None`: there was
    /// no answer.
    pub top_ups: BTreeMap<Option<u16>, u64>,
    /// Attempts that got no answer, by kind.
    pub errors: BTreeMap<CallError, u64>,
    /// Attempts that were still in flight when the drain was over.
    pub unfinished: u64,
    /// Whether a call came beyond the limit of those in flight, where that ends the load.
    pub overflowed: bool,
    /// Attempts whose intended start lies in the measured time.
    pub measured_offered: u64,
    /// Attempts that were answered in the measured time.
    pub measured_answered: u64,
    /// When the load ended, where that was before it was due: a closed load has heard of all its calls, or it was stopped.
    pub ended: Option<Time>,
    /// From the attempt's intended start to the last byte, by class, in ns; nothing in a closed load, which intends no start.
    pub latency: BTreeMap<Class, Times>,
    /// From the attempt's intended start to the first byte of the body, of answers that were streamed.
    pub first_token: Times,
    /// From writing the request to the last byte, in ns.
    pub service: Times,
    /// How late calls were written after their intended start: behind schedule, or waiting for a connection; in ns.
    pub lateness: Times,
    /// How late calls were released: what of the lateness is this generator's own; in ns.
    pub lag: Times,
    /// What its threads have worked.
    pub worked: Worked,
}

/// How long answers took: what percentiles are read off, and the rest to the ns.
#[derive(Clone, Debug)]
pub struct Times {
    /// In ns, 3 significant digits.
    pub histogram: Histogram<u64>,
    /// All of them together.
    pub sum_ns: u128,
    /// The longest.
    pub max_ns: u64,
}

/// How an attempt was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ending {
    /// What that comes to.
    pub class: Class,
    /// The HTTP status.
    pub status: u16,
    /// Of a refusal, the index of its kind.
    kind: Option<u8>,
}

impl Ending {
    pub(super) fn new(class: Class, status: u16, kind: Option<Kind>) -> Self {
        Self { class, status, kind: kind.map(|kind| kind as u8) }
    }

    /// Of a refusal, what it is about.
    pub fn kind(self) -> Option<Kind> {
        self.kind.map(|index| Kind::ALL[usize::from(index)])
    }
}

/// What a call was answered with, as latency is kept apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// 2xx.
    Served,
    /// By the gateway itself.
    Refused,
    /// Behind the gateway, or because of what is there.
    Failed,
}

/// Why a call got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallError {
    /// No connection could be made, for another reason than those that follow.
    Connect,
    /// Nobody listens there, or nobody who would take another connection.
    ConnectRefused,
    /// The generator has no port left to connect from.
    NoPort,
    /// The generator has no file descriptor left.
    NoDescriptor,
    /// The other side broke the connection.
    Reset,
    /// The other side ended the connection in the middle of an answer, or before it.
    ClosedEarly,
    /// What came back is no HTTP.
    Malformed,
    /// The connection broke in another way.
    Broken,
    /// No complete answer in time, whoever was to wait: the generator itself waits no longer.
    Timeout,
    /// The client waits no longer, as its `timeout` says.
    GaveUp,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Served, Self::Refused, Self::Failed];

    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl CallError {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Connect,
        Self::ConnectRefused,
        Self::NoPort,
        Self::NoDescriptor,
        Self::Reset,
        Self::ClosedEarly,
        Self::Malformed,
        Self::Broken,
        Self::Timeout,
        Self::GaveUp,
    ];

    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectRefused => "connection_refused",
            Self::NoPort => "no_port",
            Self::NoDescriptor => "no_descriptor",
            Self::Reset => "reset",
            Self::ClosedEarly => "closed_early",
            Self::Malformed => "malformed",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
            Self::GaveUp => "timed_out",
        }
    }

    /// Whether no request was sent.
    pub const fn is_unconnected(self) -> bool {
        matches!(self, Self::Connect | Self::ConnectRefused | Self::NoPort | Self::NoDescriptor)
    }

    /// Whether the machine of the generator is at fault.
    pub const fn is_own(self) -> bool {
        matches!(self, Self::NoPort | Self::NoDescriptor)
    }
}

/// A latency histogram in ns, 3 significant digits from 1 µs to an hour.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, HOUR, 3).expect("the bounds are constants that fit each other")
}

impl Times {
    pub(in crate::live) fn new() -> Self {
        Self { histogram: histogram(), sum_ns: 0, max_ns: 0 }
    }

    pub(in crate::live) fn record(&mut self, ns: u64) {
        self.histogram.saturating_record(ns);
        self.sum_ns += u128::from(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("all histograms have the same bounds");
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }
}

impl LoadResult {
    pub(in crate::live) fn new() -> Self {
        Self {
            offered: 0,
            retried: 0,
            recovered: 0,
            sent: 0,
            connected: 0,
            late: 0,
            dropped: 0,
            ends: BTreeMap::new(),
            reasons: BTreeMap::new(),
            top_ups: BTreeMap::new(),
            errors: BTreeMap::new(),
            unfinished: 0,
            overflowed: false,
            measured_offered: 0,
            measured_answered: 0,
            ended: None,
            latency: BTreeMap::new(),
            first_token: Times::new(),
            service: Times::new(),
            lateness: Times::new(),
            lag: Times::new(),
            worked: Worked::default(),
        }
    }

    /// Attempts that were answered.
    pub fn answered(&self) -> u64 {
        self.ends.values().sum()
    }

    /// Attempts that were answered with this status.
    pub fn status(&self, status: u16) -> u64 {
        self.that(|ending| ending.status == status)
    }

    /// Attempts that were answered so.
    pub fn that(&self, is_meant: impl Fn(Ending) -> bool) -> u64 {
        self.ends.iter().filter(|(ending, _)| is_meant(**ending)).map(|(_, calls)| *calls).sum()
    }

    /// Attempts that got no answer for this reason.
    pub fn error(&self, error: CallError) -> u64 {
        self.errors.get(&error).copied().unwrap_or(0)
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.offered += other.offered;
        self.retried += other.retried;
        self.recovered += other.recovered;
        self.sent += other.sent;
        self.connected += other.connected;
        self.late += other.late;
        self.dropped += other.dropped;
        self.unfinished += other.unfinished;
        self.overflowed |= other.overflowed;
        self.measured_offered += other.measured_offered;
        self.measured_answered += other.measured_answered;
        // As long as one of its threads has to do, the load goes on.
        self.ended = self.ended.zip(other.ended).map(|(own, other)| own.max(other));
        sum(&mut self.ends, &other.ends);
        sum(&mut self.reasons, &other.reasons);
        sum(&mut self.top_ups, &other.top_ups);
        sum(&mut self.errors, &other.errors);
        for (class, latency) in &other.latency {
            self.latency.entry(*class).or_insert_with(Times::new).merge(latency);
        }
        self.first_token.merge(&other.first_token);
        self.service.merge(&other.service);
        self.lateness.merge(&other.lateness);
        self.lag.merge(&other.lag);
        self.worked.merge(&other.worked);
    }
}

fn sum<K: Ord + Copy>(into: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (key, count) in more {
        *into.entry(*key).or_default() += count;
    }
}
