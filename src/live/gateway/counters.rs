//! What one thread of the gateway has counted. Only that thread writes, so nothing is locked and no read-modify-write of
//! the processor is needed; whoever asks adds the threads up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use farebox_engine::billing::cause::Cause;

use super::super::problem::Rejection;

/// Upper bounds of the buckets of times, in µs.
pub const BOUNDS_US: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// How a request ended, as an index: served with 2xx, served with 3xx, then the causes.
const SERVED: usize = 2;
const ENDINGS: usize = SERVED + Cause::ALL.len();

/// The counts of one thread, or their sum.
#[derive(Debug)]
pub struct Counters<N> {
    /// By route; the last row is that of no route.
    endings: Box<[[N; ENDINGS]]>,
    /// By [`Rejection`].
    rejected: [N; Rejection::ALL.len()],
    /// Calls that were let through.
    admitted: N,
    /// Calls whose hold was resolved.
    resolved: N,
    /// Served calls whose usage nobody has told.
    unmetered: N,
    /// Calls of which each took at most that long, by the first bound that holds; the last is of those beyond all.
    times: [N; BOUNDS_US.len() + 1],
    /// The sum of those times, in ns.
    time_sum_ns: N,
}

/// Written by one thread.
pub(crate) type Own = Counters<AtomicU64>;
/// Read at one moment.
pub type Sum = Counters<u64>;

impl<N: Default> Counters<N> {
    /// Nothing yet.
    pub(crate) fn new(routes: usize) -> Self {
        Self {
            endings: (0..=routes).map(|_| std::array::from_fn(|_| N::default())).collect(),
            rejected: std::array::from_fn(|_| N::default()),
            admitted: N::default(),
            resolved: N::default(),
            unmetered: N::default(),
            times: std::array::from_fn(|_| N::default()),
            time_sum_ns: N::default(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &N> {
        let one = [&self.admitted, &self.resolved, &self.unmetered, &self.time_sum_ns];
        self.endings.iter().flatten().chain(&self.rejected).chain(&self.times).chain(one)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut N> {
        let one = [&mut self.admitted, &mut self.resolved, &mut self.unmetered, &mut self.time_sum_ns];
        self.endings.iter_mut().flatten().chain(&mut self.rejected).chain(&mut self.times).chain(one)
    }
}

impl Own {
    /// A call of a route was served, with 3xx or else with 2xx.
    pub(crate) fn served(&self, route: u16, is_redirect: bool) {
        bump(&self.endings[usize::from(route)][usize::from(is_redirect)]);
    }

    /// A request was refused or failed; beside that, its client may have gone.
    pub(crate) fn ended(&self, route: Option<u16>, cause: Cause) {
        let row = route.map_or(self.endings.len() - 1, usize::from);
        bump(&self.endings[row][SERVED + cause.index()]);
    }

    pub(crate) fn rejected(&self, rejection: Rejection) {
        bump(&self.rejected[rejection as usize]);
    }

    pub(crate) fn admitted(&self) {
        bump(&self.admitted);
    }

    pub(crate) fn resolved(&self) {
        bump(&self.resolved);
    }

    pub(crate) fn unmetered(&self) {
        bump(&self.unmetered);
    }

    /// A call that was let through took this long.
    pub(crate) fn took(&self, time: Duration) {
        let ns = time.as_nanos() as u64;
        bump(&self.times[BOUNDS_US.partition_point(|bound| bound * 1_000 < ns)]);
        let sum = &self.time_sum_ns;
        sum.store(sum.load(Ordering::Relaxed).wrapping_add(ns), Ordering::Relaxed);
    }
}

fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl Sum {
    /// Adds what another thread has counted.
    pub(crate) fn add(&mut self, own: &Own) {
        self.all_mut().zip(own.all()).for_each(|(sum, more)| *sum += more.load(Ordering::Relaxed));
    }

    /// By route, the last of none: what was served with 2xx and with 3xx, then what ended with each cause.
    pub fn endings(&self) -> impl Iterator<Item = ([u64; SERVED], &[u64])> {
        self.endings.iter().map(|row| ([row[0], row[1]], &row[SERVED..]))
    }

    /// Of all routes.
    pub fn served(&self) -> u64 {
        self.endings().flat_map(|(served, _)| served).sum()
    }

    /// Of all routes, by [`Cause::index`].
    pub fn causes(&self) -> [u64; Cause::ALL.len()] {
        let mut sum = [0; Cause::ALL.len()];
        self.endings().for_each(|(_, causes)| sum.iter_mut().zip(causes).for_each(|(sum, more)| *sum += more));
        sum
    }

    /// What was no request to decide.
    pub fn rejections(&self) -> impl Iterator<Item = (Rejection, u64)> {
        Rejection::ALL.into_iter().zip(self.rejected)
    }

    /// Calls that are with the upstream.
    pub fn in_flight(&self) -> u64 {
        self.admitted.saturating_sub(self.resolved)
    }

    /// Served calls whose usage nobody has told.
    pub fn without_usage(&self) -> u64 {
        self.unmetered
    }

    /// How many calls took how long, by the first of [`BOUNDS_US`] that holds; the last is of those beyond all. And the
    /// sum of their times in ns.
    pub fn times(&self) -> (&[u64], u64) {
        (&self.times, self.time_sum_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_up_and_each_count_has_its_own_place() {
        let threads = [Own::new(2), Own::new(2)];
        for own in &threads {
            own.served(1, true);
            own.ended(None, Cause::NoCredential);
            own.ended(Some(0), Cause::ClientAbort);
            own.rejected(Rejection::BodyTooLong);
            own.admitted();
            own.unmetered();
            for us in [0, 500, 501, 10_000_000, 10_000_001] {
                own.took(Duration::from_micros(us));
            }
        }
        threads[0].resolved();
        let mut sum = Sum::new(2);
        for own in &threads {
            sum.add(own);
        }
        assert_eq!((sum.served(), sum.in_flight(), sum.without_usage()), (2, 1, 2));
        let rows: Vec<_> = sum.endings().map(|(served, causes)| (served, causes.iter().sum::<u64>())).collect();
        assert_eq!(rows, [([0, 0], 2), ([0, 2], 0), ([0, 0], 2)]);
        assert_eq!((sum.causes()[Cause::NoCredential.index()], sum.causes()[Cause::ClientAbort.index()]), (2, 2));
        let rejected: Vec<_> = sum.rejections().filter(|(_, count)| *count > 0).collect();
        assert_eq!(rejected, [(Rejection::BodyTooLong, 2)]);
        let (times, ns) = sum.times();
        assert_eq!((times[0], times[1], times[13], times[14]), (4, 2, 2, 2));
        assert_eq!((times.len(), ns), (15, 2 * 20_001_002_000));
    }
}
