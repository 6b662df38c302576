//! A load while it goes on, for whoever looks at it. Each thread writes gauges of its own with plain stores, so looking
//! costs the load nothing that could be measured.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use farebox_engine::billing::cause::{KINDS, Kind};

/// Eight to each doubling: latencies are told apart by an eighth.
const BUCKETS: usize = 8 * 64;

/// What the threads of a load show while it goes on.
#[derive(Debug)]
pub struct Watch {
    threads: Vec<Gauges>,
    /// Whether the load is to end because it cannot be valid any more.
    failed: AtomicBool,
}

/// What one thread shows; written by that thread alone.
#[derive(Debug)]
pub struct Gauges {
    sent: AtomicU64,
    in_flight: AtomicU64,
    errors: AtomicU64,
    dropped: AtomicU64,
    refused: [AtomicU64; KINDS],
    latency: Vec<AtomicU64>,
}

/// All gauges together, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Attempts that were sent.
    pub sent: u64,
    /// Attempts that wait for a connection or for their answer.
    pub in_flight: u64,
    /// Attempts that got no answer.
    pub errors: u64,
    /// Attempts that were not sent.
    pub dropped: u64,
    /// Attempts that were refused, by the index of the kind.
    pub refused: [u64; KINDS],
    /// Answers by how long they took, in buckets.
    latency: Vec<u64>,
}

impl Watch {
    /// For a load on so many threads.
    pub fn new(threads: usize) -> Self {
        Self { threads: (0..threads).map(|_| Gauges::new()).collect(), failed: AtomicBool::new(false) }
    }

    /// The gauges of a thread.
    pub(super) fn gauges(&self, index: usize) -> &Gauges {
        &self.threads[index]
    }

    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// What all threads show now.
    pub fn look(&self) -> Seen {
        let sum = |of: &dyn Fn(&Gauges) -> &AtomicU64| {
            self.threads.iter().map(|thread| of(thread).load(Ordering::Relaxed)).sum::<u64>()
        };
        Seen {
            sent: sum(&|of| &of.sent),
            in_flight: sum(&|of| &of.in_flight),
            errors: sum(&|of| &of.errors),
            dropped: sum(&|of| &of.dropped),
            refused: std::array::from_fn(|kind| sum(&|of| &of.refused[kind])),
            latency: (0..BUCKETS).map(|bucket| sum(&|of| &of.latency[bucket])).collect(),
        }
    }
}

impl Gauges {
    fn new() -> Self {
        Self {
            sent: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            refused: Default::default(),
            latency: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(super) fn sent(&self) {
        bump(&self.sent);
    }

    pub(super) fn dropped(&self) {
        bump(&self.dropped);
    }

    pub(super) fn error(&self) {
        bump(&self.errors);
    }

    pub(super) fn refused(&self, kind: Kind) {
        bump(&self.refused[kind as usize]);
    }

    pub(super) fn in_flight(&self, calls: u32) {
        self.in_flight.store(calls.into(), Ordering::Relaxed);
    }

    pub(super) fn answered(&self, ns: u64) {
        bump(&self.latency[bucket(ns)]);
    }
}

/// Only one thread writes a gauge, so no read-modify-write of the processor is needed.
fn bump(gauge: &AtomicU64) {
    gauge.store(gauge.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// The doubling, and which eighth of it.
fn bucket(ns: u64) -> usize {
    let ns = ns.max(8);
    let doubling = ns.ilog2();
    (8 * (doubling - 3)) as usize + ((ns >> (doubling - 3)) & 7) as usize
}

/// The upper end of a bucket, in ns.
fn upper(bucket: usize) -> u64 {
    let (doubling, eighth) = (bucket as u32 / 8, bucket as u64 % 8);
    (8 + eighth).checked_shl(doubling).map_or(u64::MAX, |from| from.saturating_add((1 << doubling) - 1))
}

impl Seen {
    /// Attempts that were answered.
    pub fn answered(&self) -> u64 {
        self.latency.iter().sum()
    }

    /// The quantile of how long the answers took that came after an earlier look, in ns, to an eighth; `None` where none
    /// came.
    pub fn quantile_since(&self, before: &Self, quantile: f64) -> Option<u64> {
        let since: Vec<u64> = self.latency.iter().zip(&before.latency).map(|(now, then)| now - then).collect();
        let all: u64 = since.iter().sum();
        let rank = ((all as f64 * quantile).ceil() as u64).max(1);
        let mut below = 0;
        let found = since.iter().position(|answers| {
            below += answers;
            below >= rank
        });
        found.filter(|_| all > 0).map(upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_an_eighth_wide_and_hold_every_latency() {
        for ns in [0, 7, 8, 9, 15, 16, 17, 1_000, 123_456_789, u64::MAX >> 1, u64::MAX] {
            let end = upper(bucket(ns));
            assert!(end >= ns && end - ns <= (ns / 8).max(8), "{ns}: {end}");
            assert!(bucket(ns) < BUCKETS);
        }
    }

    /// A second that was slow is not hidden by the minutes before it.
    #[test]
    fn a_look_tells_what_came_since_the_one_before() {
        let watch = Watch::new(2);
        (0..1_000).for_each(|_| watch.gauges(0).answered(1_000_000));
        let before = watch.look();
        for (thread, ns) in [(0, 5_000_000), (1, 80_000_000), (1, 5_000_000)] {
            watch.gauges(thread).answered(ns);
        }
        watch.gauges(1).refused(Kind::Limit);
        watch.gauges(1).in_flight(7);
        let now = watch.look();
        assert_eq!((now.answered(), now.in_flight, now.refused[Kind::Limit as usize]), (1_003, 7, 1));
        let p50 = now.quantile_since(&before, 0.5).unwrap();
        assert!((5_000_000..5_700_000).contains(&p50), "{p50}");
        assert!(now.quantile_since(&before, 0.99).unwrap() >= 80_000_000);
        assert_eq!(now.quantile_since(&now, 0.5), None);
    }
}
