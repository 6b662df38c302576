//! Counts what happens, densely: one cell per cohort, route and outcome, one latency histogram and one timeline per
//! cohort. Memory does not grow with calls or consumers.

use hdrhistogram::Histogram;

use crate::billing::account::{Account, Consumer};
use crate::billing::cause::{CAUSES, Failure};
use crate::billing::gate::Decision;
use crate::billing::headroom::Passed;
use crate::billing::heard::Heard;
use crate::billing::hold::HoldId;
use crate::billing::ledger::{MOVEMENTS, Movement};
use crate::billing::tally::Tally;
use crate::figures::Figures;
use crate::model::PerMeter;
use crate::moments::{Moments, Seen};
use crate::sim::{Ended, Observer, Tried};
use crate::time::{DAY, HOUR, MINUTE, Now, SECOND, Span, Time};
use crate::world::schedule::Call;

/// What one thread counts of the consumers that it plays; [`crate::outcome::Outcome`] is made of it.
#[derive(Clone, Debug)]
pub struct Recorder {
    pub(crate) cohorts: Vec<CohortRecord>,
    /// How long a bucket of the timeline is; `None`: there is one, without an end.
    pub(crate) bucket: Option<Span>,
    /// How many buckets there are.
    buckets: usize,
    /// Where in time the consumer being played is, or all of them that are played together.
    current: Current,
}

/// Where in time what is played is.
#[derive(Clone, Copy, Debug, Default)]
struct Current {
    /// The bucket that the last call fell into, from its beginning to its end: calls come in time order.
    bucket: usize,
    begins: Time,
    ends: Time,
}

/// The counts of one cohort.
#[derive(Clone, Debug)]
pub(crate) struct CohortRecord {
    /// By route, as far as any has been called.
    pub(crate) routes: Vec<RouteRecord>,
    /// By route, as far as any call for it was tried again.
    pub(crate) again: Vec<AgainRecord>,
    pub(crate) consumers_refused: [u64; CAUSES],
    pub(crate) admitted_usage: PerMeter<u64>,
    pub(crate) served_usage: PerMeter<u64>,
    pub(crate) failed_usage: PerMeter<u64>,
    pub(crate) refused_usage: PerMeter<u64>,
    /// Used by calls that were answered when their clients had given them up.
    pub(crate) unheard_usage: PerMeter<u64>,
    pub(crate) moved: [i128; MOVEMENTS],
    pub(crate) tally: Tally,
    pub(crate) latency: Latencies,
    /// How long it took until a further attempt served a call; made with the first.
    pub(crate) recovery: Option<Latencies>,
    /// Until the first token of what was streamed; `None` where nothing was.
    pub(crate) first_token: Option<Latencies>,
    /// From paying for what was refused until the first call that is served; made with the first.
    pub(crate) first_success: Option<Latencies>,
    /// What was heard late.
    pub(crate) late: LateRecord,
    /// By price version, as far as any was: what calls would have used whose last attempt was refused.
    pub(crate) lost: Vec<PerMeter<u64>>,
    /// One entry per bucket.
    pub(crate) timeline: Vec<BucketRecord>,
    /// Over its consumers; `None` once a sum has left the range.
    pub(crate) moments: Option<Moments>,
}

/// What one cohort has heard late of its payments, in ns of traffic time.
#[derive(Clone, Debug, Default)]
pub(crate) struct LateRecord {
    /// How late; made with the first.
    pub(crate) late: Option<Latencies>,
    pub(crate) wrongly_blocked_ns: u128,
    pub(crate) wrongly_served_ns: u128,
}

/// The calls of one cohort for one route.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteRecord {
    pub(crate) admitted: u64,
    pub(crate) served: u64,
    pub(crate) failed: u64,
    /// Of those, how many failed alike: there are few ways.
    pub(crate) failures: Vec<(Failure, u64)>,
    pub(crate) refused: [u64; CAUSES],
}

/// The attempts of one cohort for one route that were followed by another at the same call, by how they ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct AgainRecord {
    pub(crate) served: u64,
    /// How many failed alike.
    pub(crate) failures: Vec<(Failure, u64)>,
    pub(crate) open: u64,
    pub(crate) refused: [u64; CAUSES],
    /// Calls that a further attempt has served.
    pub(crate) recovered: u64,
}

/// The calls of one cohort that were made in one stretch of time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BucketRecord {
    /// Made and served, told together.
    pub(crate) passed: u64,
    /// Made, told one by one.
    pub(crate) decided: u64,
    /// Of those: served.
    pub(crate) served: u64,
    /// Of those: refused.
    pub(crate) refused: [u64; CAUSES],
    /// Invoiced in that time, less what was credited, in nanos.
    pub(crate) invoiced: i128,
}

/// Counts latencies in buckets as narrow as those of [`Latencies::histogram`] or narrower, and of the same edges: octaves
/// of 128 parts. Counting there is a third of the work of a simulated call, so it is a few instructions.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    counts: Vec<u64>,
    /// All of them together, and the longest, in ns.
    pub(crate) sum: u128,
    pub(crate) max: u64,
}

impl Recorder {
    /// Nothing counted yet, for this many cohorts; without a timeline.
    pub fn new(cohorts: usize) -> Self {
        Self::with_buckets(cohorts, None, 1)
    }

    /// Nothing counted yet, for this many cohorts, over a time of this length: its timeline has at most
    /// [`BUCKETS_MOST`] buckets of one length that people read easily.
    pub fn over(cohorts: usize, length: Span) -> Self {
        let bucket = bucket(length);
        let buckets = length.ns().div_ceil(bucket.ns()).max(1) as usize;
        Self::with_buckets(cohorts, Some(bucket), buckets)
    }

    fn with_buckets(cohorts: usize, bucket: Option<Span>, buckets: usize) -> Self {
        let mut recorder =
            Self { cohorts: vec![CohortRecord::new(buckets); cohorts], bucket, buckets, current: Current::default() };
        recorder.current = recorder.beginning();
        recorder
    }

    /// Nothing of it has been seen.
    fn beginning(&self) -> Current {
        let ends = match self.bucket {
            Some(bucket) if self.buckets > 1 => Time::START + bucket,
            _ => Time::NEVER,
        };
        Current { ends, ..Current::default() }
    }

    /// Goes to the bucket of a call, which is no earlier than the last one's. Past the end, as an answer may be that a
    /// load waits for, it is the last bucket.
    #[cold]
    fn go_to(&mut self, at: Time) {
        let Some(bucket) = self.bucket else { return };
        // Mostly it is the next one, which takes no division.
        let next = self.current.bucket + 1;
        if at < self.current.ends + bucket && next + 1 < self.buckets {
            (self.current.begins, self.current.bucket) = (self.current.ends, next);
            self.current.ends = self.current.ends + bucket;
            return;
        }
        let index = self.bucket_of(at);
        let begins = Time::START + Span::from_ns(bucket.ns() * index as u64);
        let ends = if index + 1 == self.buckets { Time::NEVER } else { begins + bucket };
        self.current = Current { bucket: index, begins, ends };
    }

    fn bucket_of(&self, at: Time) -> usize {
        let Some(bucket) = self.bucket else { return 0 };
        ((at.since(Time::START).ns() / bucket.ns()) as usize).min(self.buckets - 1)
    }

    /// The bucket that a call of the consumer being played fell into.
    #[inline]
    fn bucket_of_earlier(&self, at: Time) -> usize {
        if at >= self.current.begins && at < self.current.ends { self.current.bucket } else { self.bucket_of(at) }
    }
}

/// How many buckets a timeline has at most.
pub const BUCKETS_MOST: u64 = 200;

/// Lengths that people read easily, in ns.
const LENGTHS: [u64; 32] = [
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    4 * HOUR,
    6 * HOUR,
    8 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    5 * DAY,
    10 * DAY,
];

/// The shortest length of a bucket of which at most [`BUCKETS_MOST`] make up a time.
fn bucket(length: Span) -> Span {
    let least = length.ns().div_ceil(BUCKETS_MOST).max(1);
    let nice = LENGTHS.into_iter().find(|nice| *nice >= least);
    // Below a millisecond and above ten days whole multiples of the one do as well as any.
    Span::from_ns(nice.unwrap_or_else(|| least.div_ceil(10 * DAY) * 10 * DAY))
}

impl Latencies {
    /// Binary digits that tell the buckets of an octave apart.
    const DIGITS: u32 = 7;

    fn new() -> Self {
        Self { counts: vec![0; Self::bucket(u64::MAX) + 1], sum: 0, max: 0 }
    }

    #[inline]
    fn count(&mut self, latency: Span) {
        self.place(latency);
        self.sum_up(latency, latency);
    }

    /// Counts one in its bucket; [`Self::sum_up`] is to be told of it too.
    #[inline]
    fn place(&mut self, latency: Span) {
        self.counts[Self::bucket(latency.ns())] += 1;
    }

    /// Those that have been placed took so long together, and the longest of them so long.
    #[inline]
    fn sum_up(&mut self, sum: Span, max: Span) {
        self.sum += u128::from(sum.ns());
        self.max = self.max.max(max.ns());
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

    /// All of them in ns: 2 significant digits from 1 µs to `most`; what lies outside counts at the end.
    pub(crate) fn histogram(&self, most: u64) -> Histogram<u64> {
        let mut histogram = Self::empty(most);
        for (bucket, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            histogram.saturating_record_n(Self::least(bucket), *count);
        }
        histogram
    }

    fn empty(most: u64) -> Histogram<u64> {
        Histogram::new_with_bounds(1_000, most, 2).expect("the bounds are constants that fit each other")
    }
}

impl LateRecord {
    fn add(&mut self, heard: &Heard) {
        heard.late.iter().for_each(|late| self.late.get_or_insert_with(Latencies::new).count(*late));
        self.wrongly_blocked_ns += u128::from(heard.wrongly_blocked.ns());
        self.wrongly_served_ns += u128::from(heard.wrongly_served.ns());
    }
}

impl CohortRecord {
    fn new(buckets: usize) -> Self {
        Self {
            routes: Vec::new(),
            again: Vec::new(),
            consumers_refused: [0; CAUSES],
            admitted_usage: PerMeter::default(),
            served_usage: PerMeter::default(),
            failed_usage: PerMeter::default(),
            refused_usage: PerMeter::default(),
            unheard_usage: PerMeter::default(),
            moved: [0; MOVEMENTS],
            tally: Tally::default(),
            latency: Latencies::new(),
            recovery: None,
            first_token: None,
            first_success: None,
            late: LateRecord::default(),
            lost: Vec::new(),
            timeline: vec![BucketRecord::default(); buckets],
            moments: Some(Moments::default()),
        }
    }

    #[inline]
    fn route(&mut self, route: u16) -> &mut RouteRecord {
        if route as usize >= self.routes.len() {
            self.routes.resize_with(route as usize + 1, RouteRecord::default);
        }
        &mut self.routes[route as usize]
    }

    fn again(&mut self, route: u16) -> &mut AgainRecord {
        if route as usize >= self.again.len() {
            self.again.resize_with(route as usize + 1, AgainRecord::default);
        }
        &mut self.again[route as usize]
    }
}

/// One more that failed so.
fn count_alike(failures: &mut Vec<(Failure, u64)>, failure: Failure) {
    match failures.iter_mut().find(|(known, _)| *known == failure) {
        Some((_, count)) => *count += 1,
        None => failures.push((failure, 1)),
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
        if call.at >= self.current.ends {
            self.go_to(call.at);
        }
        let bucket = self.bucket_of_earlier(call.at);
        let record = &mut self.cohorts[consumer.cohort as usize];
        let bucket = &mut record.timeline[bucket];
        bucket.decided += 1;
        match decision {
            Decision::Admit(_) => {
                record.route(call.route).admitted += 1;
                add(&mut record.admitted_usage, &call.usage);
            }
            Decision::Refuse(cause) => {
                bucket.refused[cause.index()] += 1;
                record.route(call.route).refused[cause.index()] += 1;
                add(&mut record.refused_usage, &call.usage);
            }
        }
    }

    #[inline]
    fn served(&mut self, consumer: Consumer, call: &Call, _: HoldId, _: Now, latency: Span) {
        let bucket = self.bucket_of_earlier(call.at);
        let record = &mut self.cohorts[consumer.cohort as usize];
        record.timeline[bucket].served += 1;
        record.route(call.route).served += 1;
        add(&mut record.served_usage, &call.usage);
        record.latency.count(latency);
    }

    fn failed(&mut self, consumer: Consumer, call: &Call, _: HoldId, failure: Failure, _: Now) {
        let record = &mut self.cohorts[consumer.cohort as usize];
        let route = record.route(call.route);
        route.failed += 1;
        count_alike(&mut route.failures, failure);
        add(&mut record.failed_usage, &call.usage);
    }

    fn ended(&mut self, consumer: Consumer, call: &Call, _: HoldId, failed: Option<Failure>, _: Now) {
        if failed.is_none() {
            add(&mut self.cohorts[consumer.cohort as usize].unheard_usage, &call.usage);
        }
    }

    fn again(&mut self, consumer: Consumer, route: u16, ended: Ended) {
        let cell = self.cohorts[consumer.cohort as usize].again(route);
        match ended {
            Ended::Served => cell.served += 1,
            Ended::Refused(cause) => cell.refused[cause.index()] += 1,
            Ended::Failed(failure) => count_alike(&mut cell.failures, failure),
            Ended::Open => cell.open += 1,
        }
    }

    fn recovered(&mut self, consumer: Consumer, route: u16, took: Span) {
        let record = &mut self.cohorts[consumer.cohort as usize];
        record.again(route).recovered += 1;
        record.recovery.get_or_insert_with(Latencies::new).count(took);
    }

    fn first_token(&mut self, consumer: Consumer, latency: Span) {
        self.cohorts[consumer.cohort as usize].first_token.get_or_insert_with(Latencies::new).count(latency);
    }

    fn lost(&mut self, consumer: Consumer, terms: u32, usage: &PerMeter<u64>) {
        let lost = &mut self.cohorts[consumer.cohort as usize].lost;
        let known = lost.len().max(terms as usize + 1);
        lost.resize(known, PerMeter::default());
        add(&mut lost[terms as usize], usage);
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the loop that calls it is most of a simulation, and it is in two of them"
    )]
    fn latency(&mut self, consumer: Consumer, at: Time, latency: Span) {
        if at >= self.current.ends {
            self.go_to(at);
        }
        let bucket = self.bucket_of_earlier(at);
        let record = &mut self.cohorts[consumer.cohort as usize];
        record.timeline[bucket].passed += 1;
        record.latency.place(latency);
    }

    fn passed(&mut self, consumer: Consumer, passed: &Passed) {
        let record = &mut self.cohorts[consumer.cohort as usize];
        for (route, calls) in passed.by_route() {
            let cell = record.route(route);
            cell.admitted += calls;
            cell.served += calls;
        }
        add(&mut record.admitted_usage, &passed.usage);
        add(&mut record.served_usage, &passed.usage);
        record.latency.sum_up(passed.latency_sum, passed.latency_max);
    }

    fn closed(&mut self, account: &Account, tried: &Tried) {
        self.current = self.beginning();
        for (at, nanos) in &account.invoiced {
            let bucket = self.bucket_of(*at);
            self.cohorts[account.consumer().cohort as usize].timeline[bucket].invoiced += i128::from(*nanos);
        }
        let record = &mut self.cohorts[account.consumer().cohort as usize];
        for (cause, count) in record.consumers_refused.iter_mut().enumerate() {
            *count += u64::from(tried.met >> cause & 1);
        }
        let moved = |movement| i128::from(account.books().moved(movement).nanos());
        for movement in Movement::ALL {
            record.moved[movement as usize] += moved(movement);
        }
        let seen = Seen {
            offered: tried.attempts,
            refused: tried.refused,
            calls: tried.attempts - tried.again,
            calls_refused: tried.refused - tried.refused_again,
            earned: Figures::earned_of(moved),
        };
        record.moments = record.moments.and_then(|moments| moments.with(seen));
        record.tally.add(account.tally());
        for took in account.took_back() {
            record.first_success.get_or_insert_with(Latencies::new).count(*took);
        }
        if let Some(heard) = account.heard() {
            record.late.add(heard);
        }
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
        let (mut counted, mut recorded) = (Latencies::new(), Latencies::empty(HOUR));
        let mut sum = 0;
        for ns in drawn.chain(edges).chain([u64::MAX]) {
            assert!(Latencies::least(Latencies::bucket(ns)) <= ns.max(128));
            counted.count(Span::from_ns(ns));
            sum += u128::from(ns);
            recorded.saturating_record(ns);
        }
        assert_eq!((counted.sum, counted.max), (sum, u64::MAX));
        let buckets = |histogram: &Histogram<u64>| -> Vec<_> {
            histogram.iter_recorded().map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value())).collect()
        };
        assert_eq!(buckets(&counted.histogram(HOUR)), buckets(&recorded));
    }

    #[test]
    fn a_timeline_has_few_buckets_of_a_length_that_people_read() {
        for (length, expected) in [
            (30 * DAY, 4 * HOUR),
            (90 * DAY, 12 * HOUR),
            (10 * SECOND, 50_000_000),
            (1, 1_000_000),
            (3_652 * DAY, 20 * DAY),
            (DAY, 10 * MINUTE),
        ] {
            let length = Span::from_ns(length);
            assert_eq!(bucket(length), Span::from_ns(expected), "{length:?}");
            assert!(Recorder::over(0, length).buckets as u64 <= BUCKETS_MOST);
        }
    }
}
