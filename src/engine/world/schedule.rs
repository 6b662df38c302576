//! Who calls when: a pure function of the scenario, the seed and the pace. Simulation and load read the same schedule,
//! so they offer the same calls.

use std::sync::Arc;

use rand::RngExt;

use crate::billing::account::Consumer;
use crate::billing::catalog::{Catalog, ONE_REQUEST};
use crate::distribution::exponential;
use crate::draw::{Address, Stream, Words};
use crate::model::{Arrivals, Live, PerMeter, Scenario, Trace};
use crate::time::{Clock, DAY, SECOND, Span, Time};

/// One arrival of one consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which call of this consumer it is: the address of everything drawn for it.
    pub index: u64,
    /// When, in traffic time.
    pub at: Time,
    /// What it uses when it is served, per meter.
    pub usage: PerMeter<u64>,
}

/// How the scenario's time is laid over traffic time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Traffic time per scenario time: below 1 the arrivals come faster than the scenario says.
    pub stretch: f64,
    /// How billing time follows traffic time.
    pub clock: Clock,
    /// Calls at or after this instant are not made.
    pub until: Time,
}

impl Pace {
    /// The scenario as it stands.
    pub fn whole(scenario: &Scenario) -> Self {
        Self { stretch: 1.0, clock: Clock::REAL, until: Time::START + scenario.horizon }
    }

    /// What `live` asks for.
    pub fn scaled(scenario: &Scenario, live: &Live) -> Self {
        let stretch = mean_rate_per_s(scenario) / live.rate_per_s;
        let at_the_pace_of_the_arrivals = || {
            let traffic = (stretch * DAY as f64) as u64;
            Clock::new(Span::from_ns(DAY), Span::from_ns(traffic.max(1)))
        };
        Self {
            stretch,
            clock: live.clock.unwrap_or_else(at_the_pace_of_the_arrivals),
            until: Time::START + live.duration,
        }
    }
}

/// Calls per second of scenario time, all cohorts together. A trace counts over its own length.
pub fn mean_rate_per_s(scenario: &Scenario) -> f64 {
    let rate = |cohort: &crate::model::Cohort| match &cohort.arrivals {
        Arrivals::Poisson { mean_gap_ns } => f64::from(cohort.count) / mean_gap_ns * SECOND as f64,
        Arrivals::Trace(trace) => {
            let length = trace.rows.last().map_or(0.0, |row| row.at.as_secs_f64());
            trace.rows.len() as f64 / length.max(1.0)
        }
    };
    scenario.cohorts.iter().map(rate).sum()
}

/// Who calls when.
#[derive(Clone, Debug)]
pub struct Schedule {
    scenario: Arc<Scenario>,
    cohorts: Vec<CohortSchedule>,
    pace: Pace,
}

#[derive(Clone, Debug)]
struct CohortSchedule {
    address: Address,
    /// The rows of a trace, handed out.
    spread: Option<Spread>,
}

/// The rows of consumer c are `rows[begins[c]..begins[c + 1]]`.
#[derive(Clone, Debug)]
struct Spread {
    begins: Vec<u32>,
    rows: Vec<u32>,
}

impl Schedule {
    /// The schedule of a scenario at a pace.
    pub fn new(scenario: &Arc<Scenario>, catalog: &Catalog, pace: Pace) -> Self {
        let cohorts = scenario.cohorts.iter().zip(&catalog.cohorts).map(|(cohort, terms)| CohortSchedule {
            address: terms.address,
            spread: match &cohort.arrivals {
                Arrivals::Poisson { .. } => None,
                Arrivals::Trace(trace) => Some(Spread::new(trace, cohort.count, terms.address)),
            },
        });
        Self { scenario: Arc::clone(scenario), cohorts: cohorts.collect(), pace }
    }

    /// How the scenario's time is laid over traffic time.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// The calls of one consumer, in time order.
    pub fn calls(&self, consumer: Consumer) -> Calls<'_> {
        let source = match self.arrivals(consumer) {
            (Arrivals::Trace(trace), Some(spread)) => {
                Source::Trace { rows: spread.of(consumer.index), trace, stretch: self.pace.stretch }
            }
            (Arrivals::Poisson { mean_gap_ns }, _) => Source::Poisson {
                mean_gap_ns: mean_gap_ns * self.pace.stretch,
                stream: self.stream(consumer, "arrivals"),
                at: Time::START,
            },
            (Arrivals::Trace(_), None) => unreachable!("the rows of every trace are handed out"),
        };
        Calls { source, next: 0, until: self.pace.until }
    }

    /// The calls of one consumer before the start and not before `since` on the billing clock, in time order. A trace
    /// has none. They have an address of their own, so how far back they go shifts no later arrival.
    pub fn history(&self, consumer: Consumer, since: Time) -> impl Iterator<Item = Call> + use<> {
        let mut times = Vec::new();
        if let (Arrivals::Poisson { mean_gap_ns }, _) = self.arrivals(consumer) {
            let mean_gap_ns = mean_gap_ns * self.pace.stretch;
            let stream = self.stream(consumer, "history");
            let earliest = self.pace.clock.traffic_at(since);
            let mut at = Time::START;
            for index in 0.. {
                at = at - Span::from_ns(1 + gap(mean_gap_ns, stream, index));
                if at < earliest {
                    break;
                }
                times.push(at);
            }
        }
        times.into_iter().rev().map(|at| Call { index: 0, at, usage: ONE_REQUEST })
    }

    /// What a call uses when it is served, by its index.
    #[inline]
    pub fn usage(&self, consumer: Consumer, index: u64) -> &PerMeter<u64> {
        match self.arrivals(consumer) {
            (Arrivals::Trace(trace), Some(spread)) => {
                &trace.rows[spread.of(consumer.index)[index as usize] as usize].usage
            }
            _ => &ONE_REQUEST,
        }
    }

    /// The draws of one consumer's upstream latencies, by call.
    pub fn latency_stream(&self, consumer: Consumer) -> Stream {
        self.stream(consumer, "latency")
    }

    #[inline]
    fn arrivals(&self, consumer: Consumer) -> (&Arrivals, Option<&Spread>) {
        let cohort = consumer.cohort as usize;
        (&self.scenario.cohorts[cohort].arrivals, self.cohorts[cohort].spread.as_ref())
    }

    fn stream(&self, consumer: Consumer, purpose: &str) -> Stream {
        self.cohorts[consumer.cohort as usize].address.at(u64::from(consumer.index)).named(purpose).stream()
    }
}

impl Spread {
    /// Row i belongs to the consumer that it names, else to the one drawn at (seed, cohort, trace, i).
    fn new(trace: &Trace, consumers: u32, cohort: Address) -> Self {
        let stream = cohort.named("trace").stream();
        let owner = |(i, row): (usize, &crate::model::TraceRow)| {
            row.consumer.unwrap_or_else(|| Words::after(stream.word(i as u64)).random_range(0..consumers))
        };
        let owners: Vec<u32> = trace.rows.iter().enumerate().map(owner).collect();
        let mut begins = vec![0; consumers as usize + 1];
        for owner in &owners {
            begins[*owner as usize + 1] += 1;
        }
        for i in 1..begins.len() {
            begins[i] += begins[i - 1];
        }
        let mut rows: Vec<u32> = (0..trace.rows.len() as u32).collect();
        rows.sort_by_key(|row| owners[*row as usize]);
        Self { begins, rows }
    }

    fn of(&self, consumer: u32) -> &[u32] {
        let consumer = consumer as usize;
        &self.rows[self.begins[consumer] as usize..self.begins[consumer + 1] as usize]
    }
}

/// The calls of one consumer. See [`Schedule::calls`].
#[derive(Clone, Debug)]
pub struct Calls<'a> {
    source: Source<'a>,
    next: u64,
    until: Time,
}

#[derive(Clone, Debug)]
enum Source<'a> {
    Poisson { mean_gap_ns: f64, stream: Stream, at: Time },
    Trace { rows: &'a [u32], trace: &'a Trace, stretch: f64 },
}

impl Iterator for Calls<'_> {
    type Item = Call;

    #[inline]
    fn next(&mut self) -> Option<Call> {
        let index = self.next;
        let (at, usage) = match &mut self.source {
            Source::Poisson { mean_gap_ns, stream, at } => {
                *at = *at + Span::from_ns(gap(*mean_gap_ns, *stream, index));
                (*at, ONE_REQUEST)
            }
            Source::Trace { rows, trace, stretch } => {
                let row = &trace.rows[*rows.get(index as usize)? as usize];
                // Exact to a nanosecond up to 2⁵³ ns, 104 days; to 64 ns at ten years.
                (Time::from_ns((row.at.ns() as f64 * *stretch) as i64), row.usage)
            }
        };
        self.next += 1;
        (at < self.until).then_some(Call { index, at, usage })
    }
}

/// The time between two calls of a Poisson process, in ns.
#[inline]
fn gap(mean_ns: f64, stream: Stream, index: u64) -> u64 {
    ((mean_ns * exponential(stream.word(index))) as i64).cast_unsigned()
}
