//! Who calls when: a pure function of the scenario, the seed and the pace. Simulation and load read the same schedule,
//! so they offer the same calls.

use std::sync::Arc;

use rand::RngExt;

use crate::billing::account::Consumer;
use crate::billing::calendar::{Calendar, Cycle};
use crate::billing::catalog::{Catalog, ONE_REQUEST};
use crate::billing::opening;
use crate::distribution::{self, Distribution};
use crate::draw::{Address, Ahead, Chance, Stream, Words, unit};
use crate::model::{
    Arrivals, Cohort, HandOut, Joined, Live, METERS_MAX, Pattern, PerMeter, Period, REQUESTS, Scenario, Sessions, Trace,
};
use crate::time::{Clock, DAY, SECOND, Span, Time};
use crate::world::arrivals::{Activity, Forth, Rhythm};
use crate::world::session::{self, FollowUps};
use crate::world::stages::Stages;

/// One arrival of one consumer; or an attempt at it, of which a client may make several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Which call of this consumer it is: the address of everything drawn for it. In sessions it is the session's number
    /// times [`Sessions::PLACES`], and its place in it.
    pub index: u64,
    /// Which attempt at it, from 1.
    pub attempt: u32,
    /// When the attempt is made, in traffic time.
    pub at: Time,
    /// The route that it calls.
    pub route: u16,
    /// What it uses when it is served, per meter.
    pub usage: PerMeter<u64>,
}

/// What is drawn for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// How long the upstream takes.
    Latency,
    /// Whether it fails.
    Error,
    /// How long the client waits before the next.
    Backoff,
}

impl Drawn {
    const fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Error => "error",
            Self::Backoff => "backoff",
        }
    }
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

/// Rows of one trace that can be handed out: each is kept as a number of 32 bits.
pub const ROWS_MAX: u64 = u32::MAX as u64;

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

    /// How much of the scenario's time is played, an instant more where that is no whole number of nanoseconds.
    pub fn reach(&self) -> Span {
        // The conversion saturates, so a pace that plays an eternity plays all that a span can be.
        Span::from_ns(libm::ceil(self.until.ns() as f64 / self.stretch) as u64)
    }

    /// How far the billing clock goes.
    pub fn billed(&self) -> Span {
        self.clock.at(self.until).billing.since(Time::START)
    }

    /// How many rows of a trace are played: of one that repeats, those of all its repeats.
    pub fn rows_of(&self, trace: &Trace) -> u64 {
        if trace.repeats.is_some() { trace.rows_before(self.reach()) } else { trace.rows.len() as u64 }
    }
}

/// Calls per second of scenario time, all cohorts together. A trace counts over its own length, one that repeats over the
/// time after which it does; who signs up over time, for the part of the horizon that they are expected to be there.
pub fn mean_rate_per_s(scenario: &Scenario) -> f64 {
    let rate = |cohort: &Cohort| match &cohort.arrivals {
        Arrivals::Poisson { mean_gap_ns, spread } | Arrivals::Patterned(Pattern { mean_gap_ns, spread, .. }) => {
            let multiple = spread.as_ref().map_or(1.0, Distribution::mean);
            present(cohort, scenario.horizon) * multiple / mean_gap_ns * SECOND as f64
        }
        Arrivals::Trace(trace) => {
            let last = trace.rows.last().map_or(0.0, |row| row.at.as_secs_f64());
            trace.rows.len() as f64 / trace.repeats.map_or(last.max(1.0), Span::as_secs_f64)
        }
    };
    scenario.cohorts.iter().map(rate).sum()
}

/// How many consumers of a cohort are there, on average over the horizon.
fn present(cohort: &Cohort, horizon: Span) -> f64 {
    let count = f64::from(cohort.count);
    match cohort.joined {
        Joined::Start | Joined::Spread => count,
        Joined::Signups { mean_gap_ns } => {
            let horizon = horizon.ns() as f64;
            let joined = count.min(horizon / mean_gap_ns);
            // The i-th of them is there from i gaps on: the sum of what is left of the horizon then.
            joined * (1.0 - 0.5 * mean_gap_ns * joined / horizon)
        }
    }
}

/// Who calls when.
#[derive(Clone, Debug)]
pub struct Schedule {
    scenario: Arc<Scenario>,
    cohorts: Vec<CohortSchedule>,
    routes: Vec<Carried>,
    pace: Pace,
    /// How the rate goes up and down around that of the pace.
    stages: Option<Stages>,
}

#[derive(Clone, Debug)]
struct CohortSchedule {
    address: Address,
    /// The rows of a trace, handed out.
    spread: Option<Spread>,
    membership: Membership,
    calendar: Calendar,
    churn: Chance,
    /// How much is done until when, where the rate follows the hours of the week.
    activity: Option<Activity>,
    /// Which routes are called: the upper end of each one's share, and its index.
    routes: Vec<(f64, u16)>,
}

/// When the consumers of a cohort subscribe.
#[derive(Clone, Debug)]
enum Membership {
    /// They have before the start; since when.
    Existing,
    /// All at the start.
    Start,
    /// One after the other; those who come after the end are not here.
    Signups(Vec<Time>),
}

/// What the calls of a route carry.
#[derive(Clone, Debug)]
enum Carried {
    /// Always the same.
    Fixed(PerMeter<u64>),
    /// Drawn for each call.
    Drawn(Vec<Amount>),
}

/// An attribute: how much, and which meters sum it.
#[derive(Clone, Debug)]
struct Amount {
    drawn: Distribution,
    most: u64,
    meters: [bool; METERS_MAX],
}

/// The rows of consumer c are `rows[begins[c]..begins[c + 1]]`, counted on through all repeats of the trace.
#[derive(Clone, Debug)]
struct Spread {
    begins: Vec<u32>,
    rows: Vec<u32>,
}

impl Schedule {
    /// The schedule of a scenario at a pace.
    pub fn new(scenario: &Arc<Scenario>, catalog: &Catalog, pace: Pace) -> Self {
        Self::staged(scenario, catalog, pace, None)
    }

    /// The schedule of a scenario at a pace whose rate goes up and down.
    pub(super) fn staged(scenario: &Arc<Scenario>, catalog: &Catalog, pace: Pace, stages: Option<Stages>) -> Self {
        let end = pace.clock.at(pace.until).billing;
        let cohorts =
            scenario.cohorts.iter().zip(&catalog.cohorts).zip(0..).map(|((cohort, terms), index)| CohortSchedule {
                address: terms.address,
                spread: match &cohort.arrivals {
                    Arrivals::Poisson { .. } | Arrivals::Patterned(_) => None,
                    Arrivals::Trace(trace) => {
                        Some(Spread::new(trace, pace.rows_of(trace), cohort.count, terms.address))
                    }
                },
                membership: Membership::new(cohort, index, catalog, end),
                calendar: terms.calendar.clone(),
                churn: cohort.churn,
                activity: Activity::of(scenario, cohort, end),
                routes: shares(&cohort.routes),
            });
        let cohorts = cohorts.collect();
        let routes = (0..scenario.routes.len()).map(|route| Carried::new(scenario, route)).collect();
        Self { scenario: Arc::clone(scenario), cohorts, routes, pace, stages }
    }

    /// How the scenario's time is laid over traffic time.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// When a consumer subscribes, in billing time, [`Time::NEVER`] within the played time included; `None` for one who
    /// has before the start.
    pub fn joins(&self, consumer: Consumer) -> Option<Time> {
        match &self.cohort(consumer).membership {
            Membership::Existing => None,
            Membership::Start => Some(Time::START),
            Membership::Signups(times) => Some(times.get(consumer.index as usize).copied().unwrap_or(Time::NEVER)),
        }
    }

    /// When a consumer leaves by themselves, in billing time: at one of their monthly anniversaries, each with the
    /// cohort's chance; [`Time::NEVER`] when not within the played time.
    pub fn leaves(&self, consumer: Consumer, catalog: &Catalog) -> Time {
        let cohort = self.cohort(consumer);
        let subscribed = self.joins(consumer).unwrap_or_else(|| opening::anchor(consumer, catalog));
        if cohort.churn == Chance::NEVER || subscribed == Time::NEVER {
            return Time::NEVER;
        }
        let anniversaries = Cycle::new(&cohort.calendar, Period::Month, subscribed);
        let draws = self.stream(consumer, "churn");
        let end = self.pace.clock.at(self.pace.until).billing;
        for number in 1.. {
            let at = anniversaries.begins(&cohort.calendar, number);
            if at >= end {
                break;
            }
            if at >= Time::START && cohort.churn.happens(draws.word(u64::from(number))) {
                return at;
            }
        }
        Time::NEVER
    }

    /// The calls of one consumer, in time order: from when they subscribe until they leave by themselves. Of sessions the
    /// first calls, because when the others come depends on the answers: see [`Self::follow_ups`].
    pub fn calls(&self, consumer: Consumer, catalog: &Catalog) -> Calls<'_> {
        let clock = self.pace.clock;
        let from = self.joins(consumer).map_or(Time::START, |joins| clock.traffic_at(joins));
        let until = self.pace.until.min(clock.traffic_at(self.leaves(consumer, catalog)));
        let even = self.stages.as_ref().map_or(from, |stages| stages.even(from));
        let source = match self.arrivals(consumer) {
            (Arrivals::Trace(trace), Some(spread)) => {
                Source::Trace { rows: spread.of(consumer.index), trace, stretch: self.pace.stretch }
            }
            (Arrivals::Poisson { .. }, _) => Source::Poisson {
                mean_gap_ns: self.mean_gap_ns(consumer),
                gaps: Ahead::new(self.stream(consumer, "arrivals")),
            },
            (Arrivals::Patterned(pattern), _) => {
                let draws = |purpose: &str| self.stream(consumer, purpose);
                let forth = Box::new(self.rhythm(consumer, pattern).forth(even, &draws));
                if pattern.sessions.is_some() { Source::Sessions(forth) } else { Source::Patterned(forth) }
            }
            (Arrivals::Trace(_), None) => unreachable!("the rows of every trace are handed out"),
        };
        let coming = Coming { stages: self.stages.as_ref(), even };
        Calls::new(source, self.load(consumer), coming, from, until)
    }

    /// The calls of one consumer before the start and not before `since` on the billing clock, in time order. A trace
    /// has none. They have an address of their own, so how far back they go shifts no later arrival.
    pub fn history(&self, consumer: Consumer, since: Time) -> History<'_> {
        let mut times = Vec::new();
        if let (Arrivals::Patterned(pattern), _) = self.arrivals(consumer) {
            let draws = |purpose: &str| self.stream(consumer, purpose);
            times = self.rhythm(consumer, pattern).back(self.pace.clock.traffic_at(since), &draws);
            if let Some(sessions) = &pattern.sessions {
                let takes = |index| self.took(consumer, index);
                times = session::past(sessions, self.pace.stretch, takes, &times, &draws);
            }
        }
        if let (Arrivals::Poisson { .. }, _) = self.arrivals(consumer) {
            let mean_gap_ns = self.mean_gap_ns(consumer);
            let mut gaps = Ahead::new(self.stream(consumer, "history"));
            let earliest = self.pace.clock.traffic_at(since);
            let mut at = Time::START;
            for index in 0.. {
                let draw = |stream, first, block: &mut _| distribution::gaps(mean_gap_ns, stream, first, block);
                at = at - Span::from_ns(1 + gaps.of(index, draw));
                if at < earliest {
                    break;
                }
                times.push((index, at));
            }
        }
        History { times, load: self.load_before(consumer) }
    }

    fn load_before(&self, consumer: Consumer) -> Load<'_> {
        self.load_at(consumer, ["history's routes", "history's usage"])
    }

    /// How long a call from before the start took behind the gateway, where nothing made it wait.
    fn took(&self, consumer: Consumer, index: u64) -> Span {
        let (mut call, mut took) = (Call::default(), Span::ZERO);
        self.load_before(consumer).put(index, &mut call);
        for (number, hop) in self.scenario.path(call.route.into()).iter().enumerate() {
            let upstream = &self.scenario.upstreams[hop.upstream];
            let draws = self.stream(consumer, &format!("history's latency {number}"));
            took = took + upstream.takes(Span::from_ns(upstream.latency.sample_whole(draws.word(index))), &call.usage);
        }
        took
    }

    /// What follows the calls of a consumer whose calls come in sessions.
    pub fn follow_ups(&self, consumer: Consumer) -> Option<FollowUps<'_>> {
        let sessions = self.sessions(consumer)?;
        let draws = |purpose: &str| self.stream(consumer, purpose);
        Some(FollowUps::new(sessions, self.pace.stretch, self.load(consumer), &draws))
    }

    /// By how much the index of each of a consumer's [calls](Self::calls) is more than the one before it.
    pub fn step(&self, consumer: Consumer) -> u64 {
        self.sessions(consumer).map_or(1, |_| Sessions::PLACES)
    }

    /// What is drawn for whether a consumer who has slowed down makes a call, by its index.
    pub(super) fn made(&self, consumer: Consumer) -> Stream {
        self.stream(consumer, "made")
    }

    fn sessions(&self, consumer: Consumer) -> Option<&Sessions> {
        let Arrivals::Patterned(pattern) = self.arrivals(consumer).0 else { return None };
        pattern.sessions.as_ref()
    }

    /// A call of a consumer by its index: its route, and what it uses when it is served.
    #[inline]
    pub fn call(&self, consumer: Consumer, index: u64) -> (u16, PerMeter<u64>) {
        let load = self.load(consumer);
        if let (Arrivals::Trace(trace), Some(spread)) = self.arrivals(consumer) {
            let row = Recorded::new(trace, spread.of(consumer.index)[index as usize]);
            return (row.route(trace).unwrap_or_else(|| load.route(index)), trace.rows[row.index].usage);
        }
        let route = load.route(index);
        (route, load.usage(route, index))
    }

    /// What is drawn for the first attempts at a consumer's calls, by call.
    pub fn attempts(&self, consumer: Consumer, what: Drawn) -> Stream {
        self.stream(consumer, what.name())
    }

    /// What is drawn for an attempt at a call: the stream's word for the first; each later one has an address of its own,
    /// so that how often others were tried shifts nothing.
    #[inline]
    pub fn attempt(&self, consumer: Consumer, what: Drawn, call: u64, attempt: u32) -> u64 {
        if attempt <= 1 {
            return self.attempts(consumer, what).word(call);
        }
        let own = self.cohort(consumer).address.at(u64::from(consumer.index)).named(what.name());
        own.at(call).at(u64::from(attempt)).stream().word(0)
    }

    /// What is drawn for an attempt at a call where it is further down its path: `place` tells one such place from another.
    #[inline]
    pub fn attempt_at(&self, consumer: Consumer, what: Drawn, place: u64, call: u64, attempt: u32) -> u64 {
        let own = self.cohort(consumer).address.at(u64::from(consumer.index)).named(what.name());
        own.at(place).at(call).at(u64::from(attempt)).stream().word(0)
    }

    /// The mean time between two calls of one consumer, in ns of traffic time.
    fn mean_gap_ns(&self, consumer: Consumer) -> f64 {
        let (mean_gap_ns, spread) = self.arrivals(consumer).0.drawn().expect("a trace says itself when its calls come");
        let multiple = spread.map_or(1.0, |spread| spread.sample(self.stream(consumer, "rate").word(0)));
        mean_gap_ns * self.pace.stretch / multiple
    }

    fn rhythm(&self, consumer: Consumer, pattern: &Pattern) -> Rhythm<'_> {
        Rhythm {
            process: pattern.process,
            mean_gap_ns: self.mean_gap_ns(consumer) * pattern.sessions.as_ref().map_or(1.0, Sessions::mean),
            pace: self.pace,
            activity: self.cohort(consumer).activity.as_ref(),
        }
    }

    fn load(&self, consumer: Consumer) -> Load<'_> {
        self.load_at(consumer, ["routes", "usage"])
    }

    fn load_at(&self, consumer: Consumer, [routes, usage]: [&str; 2]) -> Load<'_> {
        let shares = &self.cohort(consumer).routes;
        // Most calls have one route and nothing to draw: then no address is needed.
        let fixed = match (&shares[..], &self.routes[shares[0].1 as usize]) {
            ([(_, route)], Carried::Fixed(usage)) => Some((*route, *usage)),
            _ => None,
        };
        let stream = |purpose| if fixed.is_some() { Address::seed(0).stream() } else { self.stream(consumer, purpose) };
        Load { shares, carried: &self.routes, fixed, routes: stream(routes), usage: stream(usage) }
    }

    #[inline]
    fn cohort(&self, consumer: Consumer) -> &CohortSchedule {
        &self.cohorts[consumer.cohort as usize]
    }

    #[inline]
    fn arrivals(&self, consumer: Consumer) -> (&Arrivals, Option<&Spread>) {
        let cohort = consumer.cohort as usize;
        (&self.scenario.cohorts[cohort].arrivals, self.cohorts[cohort].spread.as_ref())
    }

    fn stream(&self, consumer: Consumer, purpose: &str) -> Stream {
        self.cohort(consumer).address.at(u64::from(consumer.index)).named(purpose).stream()
    }
}

/// The upper end of each route's share, the last of them 1.
fn shares(routes: &[(usize, f64)]) -> Vec<(f64, u16)> {
    let mut sum = 0.0;
    let mut upper: Vec<_> = routes
        .iter()
        .map(|(route, share)| {
            sum += share;
            (sum, *route as u16)
        })
        .collect();
    if let Some((last, _)) = upper.last_mut() {
        *last = 1.0;
    }
    upper
}

impl Membership {
    fn new(cohort: &Cohort, index: usize, catalog: &Catalog, end: Time) -> Self {
        match cohort.joined {
            Joined::Spread => Self::Existing,
            Joined::Start => Self::Start,
            Joined::Signups { mean_gap_ns } => {
                let mut gaps = Ahead::new(catalog.cohorts[index].address.named("signups").stream());
                let mut at = Time::START;
                let times = (0..u64::from(cohort.count)).map(|number| {
                    let draw = |stream, first, block: &mut _| distribution::gaps(mean_gap_ns, stream, first, block);
                    at = at + Span::from_ns(gaps.of(number, draw));
                    at
                });
                Self::Signups(times.take_while(|at| *at < end).collect())
            }
        }
    }
}

impl Carried {
    fn new(scenario: &Scenario, route: usize) -> Self {
        let amounts = scenario.routes[route].attributes.iter().map(|attribute| {
            let mut meters = [false; METERS_MAX];
            for (is_in, meter) in meters.iter_mut().zip(&scenario.meters) {
                *is_in = meter.sum.contains(&attribute.name);
            }
            Amount { drawn: attribute.amount.clone(), most: attribute.most, meters }
        });
        let amounts: Vec<_> = amounts.filter(|amount| amount.meters.contains(&true)).collect();
        if amounts.iter().any(|amount| !matches!(amount.drawn, Distribution::Constant(_))) {
            return Self::Drawn(amounts);
        }
        Self::Fixed(sum(&amounts, |amount| amount.drawn.sample_whole(0)))
    }
}

/// What a call uses, per meter: one request, and the sums of its attributes.
fn sum(amounts: &[Amount], mut draw: impl FnMut(&Amount) -> u64) -> PerMeter<u64> {
    let mut usage = ONE_REQUEST;
    for amount in amounts {
        let units = draw(amount).min(amount.most);
        for (meter, is_in) in usage.iter_mut().zip(amount.meters).skip(REQUESTS + 1) {
            *meter += if is_in { units } else { 0 };
        }
    }
    usage
}

/// What the calls of a consumer call for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load<'a> {
    shares: &'a [(f64, u16)],
    carried: &'a [Carried],
    /// The route and the usage of every call, where there is nothing to draw.
    fixed: Option<(u16, PerMeter<u64>)>,
    routes: Stream,
    usage: Stream,
}

impl Load<'_> {
    /// Puts what the call of this index is for in its place.
    #[inline]
    pub(super) fn put(&self, index: u64, call: &mut Call) {
        if let Some((route, usage)) = &self.fixed {
            (call.route, call.usage) = (*route, *usage);
        } else {
            call.route = self.route(index);
            call.usage = self.usage(call.route, index);
        }
    }

    #[inline]
    fn route(&self, index: u64) -> u16 {
        if let [(_, route)] = self.shares {
            return *route;
        }
        let at = unit(self.routes.word(index));
        self.shares.iter().find(|(upper, _)| at <= *upper).expect("the last share ends at 1").1
    }

    #[inline]
    fn usage(&self, route: u16, index: u64) -> PerMeter<u64> {
        match &self.carried[route as usize] {
            Carried::Fixed(usage) => *usage,
            Carried::Drawn(amounts) => {
                let mut words = Words::after(self.usage.word(index));
                sum(amounts, |amount| amount.drawn.sample_whole(words.next_word()))
            }
        }
    }
}

impl Spread {
    /// Row i belongs to the consumer that it names, else to the one drawn at (seed, cohort, trace, i). A trace that
    /// starts again counts on: what is drawn for its rows is what would be drawn had it been written out that often.
    fn new(trace: &Trace, rows: u64, consumers: u32, cohort: Address) -> Self {
        assert!(rows <= ROWS_MAX, "whoever asks for a load keeps the rows of its traces within `ROWS_MAX`");
        let stream = cohort.named("trace").stream();
        let hands = Hands::new(trace.hand_out, consumers);
        let owner = |number: u32| {
            let named = trace.rows[Recorded::new(trace, number).index].consumer;
            named.unwrap_or_else(|| hands.draw(stream.word(number.into())))
        };
        let owners: Vec<u32> = (0..rows as u32).map(owner).collect();
        let mut begins = vec![0; consumers as usize + 1];
        for owner in &owners {
            begins[*owner as usize + 1] += 1;
        }
        for i in 1..begins.len() {
            begins[i] += begins[i - 1];
        }
        // Each row goes behind those that its owner has already: the order of time is kept.
        let mut next = begins.clone();
        let mut placed = vec![0; owners.len()];
        for (row, owner) in (0..).zip(owners) {
            let place = &mut next[owner as usize];
            placed[*place as usize] = row;
            *place += 1;
        }
        Self { begins, rows: placed }
    }

    fn of(&self, consumer: u32) -> &[u32] {
        let consumer = consumer as usize;
        &self.rows[self.begins[consumer] as usize..self.begins[consumer + 1] as usize]
    }
}

/// Whose a row is that names nobody.
enum Hands {
    Even(u32),
    /// The upper end of each consumer's share, the last of them 1.
    Weighted(Vec<f64>),
}

impl Hands {
    fn new(hand_out: HandOut, consumers: u32) -> Self {
        let HandOut::Zipf { exponent } = hand_out else { return Self::Even(consumers) };
        let mut sum = 0.0;
        let weights = (1..=consumers).map(|rank| {
            sum += libm::pow(f64::from(rank), -exponent);
            sum
        });
        let mut upper: Vec<f64> = weights.collect();
        for end in &mut upper {
            *end /= sum;
        }
        Self::Weighted(upper)
    }

    fn draw(&self, word: u64) -> u32 {
        match self {
            Self::Even(consumers) => Words::after(word).random_range(0..*consumers),
            Self::Weighted(upper) => {
                let at = unit(word);
                // What rounding leaves between the last end and 1 is the last one's.
                upper.partition_point(|end| *end < at).min(upper.len() - 1) as u32
            }
        }
    }
}

/// A row of a trace by its number, which counts on when the trace starts again.
struct Recorded {
    /// Which row of the trace.
    index: usize,
    /// How often the trace has started again before it.
    repeat: u64,
}

impl Recorded {
    fn new(trace: &Trace, number: u32) -> Self {
        let (number, rows) = (number as usize, trace.rows.len());
        if number < rows {
            return Self { index: number, repeat: 0 };
        }
        Self { index: number % rows, repeat: (number / rows) as u64 }
    }

    /// How long after the start it comes.
    fn at(&self, trace: &Trace) -> Span {
        let begun = trace.repeats.map_or(0, |length| length.ns().saturating_mul(self.repeat));
        Span::from_ns(begun.saturating_add(trace.rows[self.index].at.ns()))
    }

    /// The route that it names.
    fn route(&self, trace: &Trace) -> Option<u16> {
        trace.routes.get(self.index).copied()
    }
}

/// The calls of one consumer. See [`Schedule::calls`].
#[derive(Clone, Debug)]
pub struct Calls<'a> {
    source: Source<'a>,
    load: Load<'a>,
    /// The next call: its index, and when it comes.
    index: u64,
    /// See [`Schedule::step`].
    step: u64,
    at: Time,
    coming: Coming<'a>,
    until: Time,
}

/// When the next call comes at an even rate, and what makes the rate uneven.
#[derive(Clone, Copy, Debug)]
struct Coming<'a> {
    stages: Option<&'a Stages>,
    even: Time,
}

#[derive(Clone, Debug)]
enum Source<'a> {
    Poisson { mean_gap_ns: f64, gaps: Ahead },
    Patterned(Box<Forth<'a>>),
    Sessions(Box<Forth<'a>>),
    Trace { rows: &'a [u32], trace: &'a Trace, stretch: f64 },
}

impl Iterator for Calls<'_> {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        let mut call = Call::default();
        self.next_into(&mut call).then_some(call)
    }
}

impl<'a> Calls<'a> {
    fn new(source: Source<'a>, load: Load<'a>, coming: Coming<'a>, from: Time, until: Time) -> Self {
        let step = if let Source::Sessions(_) = source { Sessions::PLACES } else { 1 };
        let mut calls = Self { source, load, index: 0, step, at: from, coming, until };
        calls.come();
        // Rows from before the consumer subscribed are nobody's.
        while calls.at < from {
            calls.index += calls.step;
            calls.come();
        }
        calls
    }

    /// Puts the next call in place; whether there is one. An iterator would hand it over by way of two copies, each of
    /// which has to wait for the one before.
    #[inline]
    pub fn next_into(&mut self, call: &mut Call) -> bool {
        if self.at >= self.until {
            return false;
        }
        (call.index, call.attempt, call.at) = (self.index, 1, self.at);
        self.load.put(self.index, call);
        if let Source::Trace { rows, trace, .. } = &self.source {
            let row = Recorded::new(trace, rows[self.index as usize]);
            call.usage = trace.rows[row.index].usage;
            call.route = row.route(trace).unwrap_or(call.route);
        }
        self.index += self.step;
        self.come();
        true
    }

    /// When the next call comes, or the end where none does.
    #[inline]
    pub fn next_at(&self) -> Time {
        self.at.min(self.until)
    }

    /// Reads something of each of its parts, see [`crate::sim`].
    pub(crate) fn glance(&self) -> i64 {
        let gaps = if let Source::Poisson { gaps, .. } = &self.source { gaps.glance() } else { 0 };
        let fixed =
            self.load.fixed.as_ref().map_or(0, |(route, usage)| u64::from(*route).wrapping_add(usage[METERS_MAX - 1]));
        self.next_at().ns().wrapping_add(self.index.wrapping_add(fixed).cast_signed()).wrapping_add(gaps)
    }

    /// Tells when the next call comes.
    #[inline]
    fn come(&mut self) {
        match &mut self.source {
            Source::Poisson { mean_gap_ns, gaps } => {
                let draw = |stream, first, block: &mut _| distribution::gaps(*mean_gap_ns, stream, first, block);
                self.coming.even = self.coming.even + Span::from_ns(gaps.of(self.index, draw));
            }
            Source::Patterned(forth) => self.coming.even = forth.call(self.index),
            Source::Sessions(forth) => self.coming.even = forth.call(self.index / Sessions::PLACES),
            Source::Trace { rows, trace, stretch } => {
                let at = rows.get(self.index as usize).map(|number| Recorded::new(trace, *number).at(trace));
                // Exact to a nanosecond up to 2⁵³ ns, 104 days; to 64 ns at ten years.
                self.coming.even = at.map_or(Time::NEVER, |at| Time::from_ns((at.ns() as f64 * *stretch) as i64));
            }
        }
        self.at = match self.coming.stages {
            None => self.coming.even,
            Some(stages) => stages.instant(self.coming.even),
        };
    }
}

/// The calls of one consumer from before the start. See [`Schedule::history`].
#[derive(Clone, Debug)]
pub struct History<'a> {
    /// What is left of them, the earliest last.
    times: Vec<(u64, Time)>,
    load: Load<'a>,
}

impl Iterator for History<'_> {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        let mut call = Call::default();
        self.next_into(&mut call).then_some(call)
    }
}

impl History<'_> {
    /// Puts the next call in place; whether there is one.
    #[inline]
    pub fn next_into(&mut self, call: &mut Call) -> bool {
        let Some((index, at)) = self.times.pop() else { return false };
        call.at = at;
        self.load.put(index, call);
        true
    }
}
