//! What of the calls of sessions comes before a stretch of time is over: estimated from sessions that are drawn from a
//! fixed seed, because a session's calls come when the times before them have added up, and the mean of wide think times
//! says little about how many of them do so in time.

use farebox_engine::draw::{Address, Stream, unit};
use farebox_engine::model::{Cohort, Scenario, Sessions, Upstream};
use farebox_engine::time::SECOND;

/// How many sessions are drawn, at most; a thousand or more where each may have hundreds of calls.
const DRAWN: u64 = 10_000;
/// And how many calls of them in all, about.
const CALLS: u64 = 4_000_000;

/// What of the calls of sessions is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    /// Which share of the calls comes before the end.
    pub(super) share: f64,
    /// The variance of that share: the estimate's own.
    pub(super) variance: f64,
    /// Calls in the last moment as a share of those that would come if sessions had always begun: the most at any time.
    pub(super) at_end: f64,
    /// The variance of the calls in units of their mean.
    pub(super) dispersion: f64,
    /// From how many sessions that is estimated.
    pub(super) drawn: u64,
}

/// The stretch of time in which the sessions of a consumer begin, in ns: consumers who sign up are there for less of it.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    pub(super) longest_ns: f64,
    pub(super) shortest_ns: f64,
}

impl Stretch {
    /// The same for everyone.
    pub(super) fn of(ns: f64) -> Self {
        Self { longest_ns: ns, shortest_ns: ns }
    }
}

/// Of sessions that begin at any time of a stretch. `laid` is how much longer their think times are than in the scenario, as
/// they are where a load lays its calls closer together.
///
/// Sessions begin at random, so the calls are a compound Poisson process: of a session that begins u before the end those
/// calls are made that come less than u after its first one. Sessions from before the stretch are over. How many calls a
/// session has is independent of how long they take, and known: only the times are drawn.
pub(super) fn made(scenario: &Scenario, cohort: &Cohort, sessions: &Sessions, stretch: Stretch, laid: f64) -> Made {
    let has_more: Vec<f64> =
        (1..=Sessions::MOST).map(|calls| sessions.at_least(calls)).take_while(|chance| *chance > 0.0).collect();
    let drawn = (CALLS / has_more.len() as u64).clamp(1_000, DRAWN);
    let steps = Steps::new(scenario, cohort, sessions, laid);
    let wanted = sessions.mean() * f64::midpoint(stretch.shortest_ns, stretch.longest_ns);
    let (mut sum, mut squares) = (InTime::default(), 0.0);
    for number in 0..drawn {
        let of_all = (number as f64 + 0.5) / drawn as f64;
        let end = stretch.shortest_ns + (stretch.longest_ns - stretch.shortest_ns) * of_all;
        let words = Words { stream: Address::seed(0).named("forecast of sessions").at(number).stream(), next: 0 };
        let one = InTime::of(&steps, &has_more, end, words);
        squares += (one.calls / wanted).powi(2);
        sum.add(&one);
    }
    if sum.calls <= 0.0 {
        return Made { share: 0.0, variance: 0.0, at_end: 0.0, dispersion: 1.0, drawn };
    }
    let sessions_drawn = drawn as f64;
    let share = sum.calls / wanted / sessions_drawn;
    Made {
        share,
        // Where some are there for longer than others, it is more than what is by chance.
        variance: (squares / sessions_drawn - share.powi(2)).max(0.0) / sessions_drawn,
        at_end: sum.at_end / sessions_drawn / sessions.mean(),
        dispersion: sum.pairs / sum.calls,
        drawn,
    }
}

/// What of one session comes in time, added up over all the moments at which it may begin.
#[derive(Default)]
struct InTime {
    /// Calls.
    calls: f64,
    /// Squares of how many calls come.
    pairs: f64,
    /// Calls of a session that has begun with the stretch.
    at_end: f64,
}

impl InTime {
    /// Of a session that has another call with these chances, in a stretch that ends so long after it begins.
    fn of(steps: &Steps<'_>, has_more: &[f64], end: f64, mut words: Words) -> Self {
        let (mut sum, mut at) = (Self::default(), 0.0);
        for (place, chance) in has_more.iter().enumerate() {
            at += if place == 0 { 0.0 } else { steps.step(&mut words) };
            if at >= end {
                break;
            }
            sum.calls += chance * (end - at);
            sum.pairs += (2 * place + 1) as f64 * chance * (end - at);
            sum.at_end += chance;
        }
        sum
    }

    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.pairs += other.pairs;
        self.at_end += other.at_end;
    }
}

/// The words of one drawn session, one after the other.
struct Words {
    stream: Stream,
    next: u64,
}

impl Words {
    fn next(&mut self) -> u64 {
        self.next += 1;
        self.stream.word(self.next)
    }
}

/// What lies between one call of a session and the next.
struct Steps<'a> {
    scenario: &'a Scenario,
    sessions: &'a Sessions,
    laid: f64,
    /// The routes with their shares added up, and the upstreams that their calls come to.
    routes: Vec<(f64, usize, Vec<&'a Upstream>)>,
}

impl<'a> Steps<'a> {
    fn new(scenario: &'a Scenario, cohort: &Cohort, sessions: &'a Sessions, laid: f64) -> Self {
        let mut up_to = 0.0;
        let route = |(route, share): &(usize, f64)| {
            up_to += share;
            let hops = scenario.path(*route);
            (up_to, *route, hops.iter().map(|hop| &scenario.upstreams[hop.upstream]).collect())
        };
        Self { scenario, sessions, laid, routes: cohort.routes.iter().map(route).collect() }
    }

    /// How long the call takes behind the gateway, and how long its consumer thinks then, in ns.
    fn step(&self, words: &mut Words) -> f64 {
        let takes = self.takes(words);
        takes + self.sessions.think.sample(words.next()) * self.laid
    }

    fn takes(&self, words: &mut Words) -> f64 {
        let chosen = match self.routes.len() {
            0 => return 0.0,
            1 => 0,
            all => {
                let word = unit(words.next());
                self.routes.iter().position(|(up_to, ..)| word <= *up_to).unwrap_or(all - 1)
            }
        };
        let (_, route, hops) = &self.routes[chosen];
        let mut takes = 0.0;
        for upstream in hops {
            takes += upstream.latency.sample(words.next()) + self.generates(upstream, *route, words);
            if upstream.errors.chance().happens(words.next()) {
                break;
            }
        }
        takes
    }

    fn generates(&self, upstream: &Upstream, route: usize, words: &mut Words) -> f64 {
        let Some(generates) = upstream.generates else { return 0.0 };
        let sum = &self.scenario.meters[generates.meter].sum;
        let carried = self.scenario.routes[route].attributes.iter().filter(|attribute| sum.contains(&attribute.name));
        let units: f64 =
            carried.map(|attribute| attribute.amount.sample(words.next()).min(attribute.most as f64)).sum();
        units * SECOND as f64 / generates.per_second
    }
}
