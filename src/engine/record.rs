//! Counts what happens, densely: one cell per cohort and outcome, one latency histogram per cohort. Memory does not
//! grow with calls or consumers.

use hdrhistogram::Histogram;

use crate::billing::account::{Account, Consumer};
use crate::billing::cause::CAUSES;
use crate::billing::gate::Decision;
use crate::billing::headroom::Passed;
use crate::billing::hold::HoldId;
use crate::billing::ledger::{MOVEMENTS, Movement};
use crate::billing::tally::Tally;
use crate::model::PerMeter;
use crate::sim::Observer;
use crate::time::{HOUR, Now, Span};
use crate::world::schedule::Call;

/// What one thread counts of the consumers that it plays; [`crate::outcome::Outcome`] is made of it.
#[derive(Clone, Debug)]
pub struct Recorder {
    pub(crate) cohorts: Vec<CohortRecord>,
    /// The causes that the consumer being played has met, as bits.
    met: u32,
}

/// The counts of one cohort.
#[derive(Clone, Debug)]
pub(crate) struct CohortRecord {
    pub(crate) admitted: u64,
    pub(crate) served: u64,
    pub(crate) failed: u64,
    pub(crate) refused: [u64; CAUSES],
    pub(crate) consumers_refused: [u64; CAUSES],
    pub(crate) admitted_usage: PerMeter<u64>,
    pub(crate) served_usage: PerMeter<u64>,
    pub(crate) failed_usage: PerMeter<u64>,
    pub(crate) refused_usage: PerMeter<u64>,
    pub(crate) moved: [i128; MOVEMENTS],
    pub(crate) tally: Tally,
    pub(crate) latency: Latencies,
}

/// Counts latencies in buckets as narrow as those of [`Latencies::histogram`] or narrower, and of the same edges: octaves
/// of 128 parts. Counting there is a third of the work of a simulated call, so it is a few instructions.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Vec<u64>);

impl Recorder {
    /// Nothing counted yet, for this many cohorts.
    pub fn new(cohorts: usize) -> Self {
        Self { cohorts: vec![CohortRecord::new(); cohorts], met: 0 }
    }
}

impl Latencies {
    /// Binary digits that tell the buckets of an octave apart.
    const DIGITS: u32 = 7;

    fn new() -> Self {
        Self(vec![0; Self::bucket(u64::MAX) + 1])
    }

    #[inline]
    fn count(&mut self, latency: Span) {
        self.0[Self::bucket(latency.ns())] += 1;
    }

    /// The octave and the [`Self::DIGITS`] digits that follow the first.
    #[inline]
    fn bucket(ns: u64) -> usize {
        let ns = ns.max(1 << Self::DIGITS);
        let shift = ns.ilog2() - Self::DIGITS;
        ((shift as usize) << Self::DIGITS) + (ns >> shift) as usize - (1 << Self::DIGITS)
    }

    /// The least latency of a bucket, in ns.
    fn least(bucket: usize) -> u64 {
        let (octave, digits) = (bucket >> Self::DIGITS, bucket & ((1 << Self::DIGITS) - 1));
        ((1 << Self::DIGITS) + digits as u64) << octave
    }

    /// All of them in ns: 2 significant digits from 1 µs to an hour; what lies outside counts at the end.
    pub(crate) fn histogram(&self) -> Histogram<u64> {
        let mut histogram = Self::empty();
        for (bucket, count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            histogram.saturating_record_n(Self::least(bucket), *count);
        }
        histogram
    }

    fn empty() -> Histogram<u64> {
        Histogram::new_with_bounds(1_000, HOUR, 2).expect("the bounds are constants that fit each other")
    }
}

impl CohortRecord {
    fn new() -> Self {
        Self {
            admitted: 0,
            served: 0,
            failed: 0,
            refused: [0; CAUSES],
            consumers_refused: [0; CAUSES],
            admitted_usage: PerMeter::default(),
            served_usage: PerMeter::default(),
            failed_usage: PerMeter::default(),
            refused_usage: PerMeter::default(),
            moved: [0; MOVEMENTS],
            tally: Tally::default(),
            latency: Latencies::new(),
        }
    }
}

fn add<const N: usize>(sum: &mut [u64; N], more: &[u64; N]) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

impl Observer for Recorder {
    const TOGETHER: bool = true;

    #[inline]
    fn decided(&mut self, consumer: Consumer, call: &Call, _: Now, decision: Decision) {
        let record = &mut self.cohorts[consumer.cohort as usize];
        match decision {
            Decision::Admit(_) => {
                record.admitted += 1;
                add(&mut record.admitted_usage, &call.usage);
            }
            Decision::Refuse(cause) => {
                record.refused[cause.index()] += 1;
                add(&mut record.refused_usage, &call.usage);
                self.met |= 1 << cause.index();
            }
        }
    }

    #[inline]
    fn served(&mut self, consumer: Consumer, call: &Call, _: HoldId, _: Now, latency: Span) {
        let record = &mut self.cohorts[consumer.cohort as usize];
        record.served += 1;
        add(&mut record.served_usage, &call.usage);
        record.latency.count(latency);
    }

    fn failed(&mut self, consumer: Consumer, call: &Call, _: HoldId, _: Now) {
        let record = &mut self.cohorts[consumer.cohort as usize];
        record.failed += 1;
        add(&mut record.failed_usage, &call.usage);
    }

    #[inline]
    fn latency(&mut self, consumer: Consumer, latency: Span) {
        self.cohorts[consumer.cohort as usize].latency.count(latency);
    }

    fn passed(&mut self, consumer: Consumer, passed: &Passed) {
        let record = &mut self.cohorts[consumer.cohort as usize];
        record.admitted += passed.calls;
        record.served += passed.calls;
        add(&mut record.admitted_usage, &passed.usage);
        add(&mut record.served_usage, &passed.usage);
    }

    fn closed(&mut self, account: &Account) {
        let record = &mut self.cohorts[account.consumer().cohort as usize];
        for (cause, count) in record.consumers_refused.iter_mut().enumerate() {
            *count += u64::from(self.met >> cause & 1);
        }
        self.met = 0;
        for movement in Movement::ALL {
            record.moved[movement as usize] += i128::from(account.books().moved(movement).nanos());
        }
        record.tally.add(account.tally());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Address;

    /// Latencies of every magnitude, and each edge of a power of two.
    #[test]
    fn latencies_counted_in_octaves_are_those_that_the_histogram_counts() {
        let stream = Address::seed(7).named("latencies").stream();
        let drawn = (0..100_000).map(|i| stream.word(i) >> (i % 64));
        let edges = (0..64).flat_map(|octave| [(1 << octave) - 1, 1 << octave, (1 << octave) + 1]);
        let (mut counted, mut recorded) = (Latencies::new(), Latencies::empty());
        for ns in drawn.chain(edges).chain([u64::MAX]) {
            assert!(Latencies::least(Latencies::bucket(ns)) <= ns.max(128));
            counted.count(Span::from_ns(ns));
            recorded.saturating_record(ns);
        }
        let buckets = |histogram: &Histogram<u64>| -> Vec<_> {
            histogram.iter_recorded().map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value())).collect()
        };
        assert_eq!(buckets(&counted.histogram()), buckets(&recorded));
    }
}
