//! What happens to a call behind the gateway: the upstreams that it reaches one after the other, how long each works on
//! it, and which of them fails it.

use crate::billing::account::Consumer;
use crate::billing::cause::Failure;
use crate::draw::Address;
use crate::model::{FAILED, Generates, Hop, OnClientAbort, PerMeter, REQUESTS, Scenario, Upstream};
use crate::time::{SECOND, Span, Time};

use super::World;
use super::fault::Faults;
use super::schedule::{Call, Drawn};

/// The paths of a scenario's calls.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    /// By route.
    by_route: Vec<Path>,
    /// The upstream that answers every call by itself and has no faults, if one does.
    only: Option<usize>,
    /// Whether any call is answered by an upstream that streams.
    streams: bool,
}

#[derive(Clone, Debug)]
struct Path {
    hops: Vec<Hop>,
    /// Where the draws of each hop are, below those of its consumer; the first has those of the call itself.
    draws: Vec<u64>,
    /// Whether its calls may have to wait in line.
    waits: bool,
}

/// How a call fares at one upstream, from when that begins to work on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// How long it takes.
    pub takes: Span,
    /// The status that it then fails with, if it does.
    pub fails: Option<u16>,
}

/// How a call fares behind the gateway where nothing makes it wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Journey {
    /// How long all of it takes.
    pub takes: Span,
    /// The hop that fails, which ends it, and how.
    pub fails: Option<Failure>,
}

impl Paths {
    pub(super) fn new(scenario: &Scenario, faults: &Faults) -> Self {
        let by_route: Vec<_> = (0..scenario.routes.len()).map(|route| Path::new(scenario, route)).collect();
        let answers = scenario.routes.first().map(|route| route.upstream);
        let is_only = |path: &Path| matches!(path.hops[..], [hop] if Some(hop.upstream) == answers);
        Self {
            only: answers.filter(|_| by_route.iter().all(is_only) && !faults.meet_upstreams()),
            streams: by_route.iter().any(|path| scenario.upstreams[path.hops[0].upstream].streams),
            by_route,
        }
    }
}

impl Path {
    fn new(scenario: &Scenario, route: usize) -> Self {
        let hops = scenario.path(route);
        let upstream = |hop: &Hop| &scenario.upstreams[hop.upstream];
        let draws = |number: usize| {
            // Of one that is called several times, each time has draws of its own.
            let time = hops[..number].iter().filter(|hop| hop.upstream == hops[number].upstream).count();
            Address::seed(0).named(&upstream(&hops[number]).name).at(time as u64).stream().word(0)
        };
        Self {
            draws: (0..hops.len()).map(draws).collect(),
            waits: hops.iter().any(|hop| upstream(hop).capacity.is_some()),
            hops,
        }
    }
}

impl World {
    /// The upstreams that the calls of a route reach, in order.
    #[inline]
    pub fn path(&self, route: u16) -> &[Hop] {
        &self.paths.by_route[route as usize].hops
    }

    /// Whether the calls of a route may have to wait in line behind the gateway.
    #[inline]
    pub fn waits(&self, route: u16) -> bool {
        self.paths.by_route[route as usize].waits
    }

    /// The upstream that answers every call by itself and has no faults, if one does: then what is drawn for it is drawn
    /// for the call.
    #[inline]
    pub(crate) fn only(&self) -> Option<&Upstream> {
        self.paths.only.map(|upstream| &self.scenario.upstreams[upstream])
    }

    /// How an attempt fares at a hop of its path.
    pub fn work(&self, consumer: Consumer, call: &Call, hop: usize) -> Work {
        let path = &self.paths.by_route[call.route as usize];
        let index = path.hops[hop].upstream;
        let upstream = &self.scenario.upstreams[index];
        let word = |what| {
            if hop == 0 {
                return self.schedule.attempt(consumer, what, call.index, call.attempt);
            }
            self.schedule.attempt_at(consumer, what, path.draws[hop], call.index, call.attempt)
        };
        let works = Span::from_ns(upstream.latency.sample_whole(word(Drawn::Latency)));
        let alone =
            Work { takes: upstream.takes(works, &call.usage), fails: upstream.errors.drawn(|| word(Drawn::Error)) };
        if !self.faults.meet_upstreams() {
            return alone;
        }
        let billing = self.schedule.pace().clock.at(call.at).billing;
        Work {
            takes: self.faults.slowed(index, alone.takes, billing),
            fails: if self.faults.fails(index, billing) { Some(FAILED) } else { alone.fails },
        }
    }

    /// How an attempt fares where every upstream has room for it.
    pub fn journey(&self, consumer: Consumer, call: &Call) -> Journey {
        let mut takes = Span::ZERO;
        for hop in 0..self.path(call.route).len() {
            let work = self.work(consumer, call, hop);
            takes = takes + work.takes;
            if let Some(status) = work.fails {
                return Journey { takes, fails: Some(Failure::answered(hop as u8, status)) };
            }
        }
        Journey { takes, fails: None }
    }

    /// What the client of a call had been sent by `at`, whose answer is whole at `lands` if nothing fails it before. Nothing
    /// where the answer is not streamed, or had not begun; see [`Self::sent_after`].
    #[must_use]
    pub fn sent(&self, route: u16, usage: &PerMeter<u64>, at: Time, lands: Time) -> PerMeter<u64> {
        let Some(generates) = self.streams(route) else { return PerMeter::default() };
        let left = lands.since(at).ns();
        let whole = generates.takes(usage).ns();
        if left > whole { PerMeter::default() } else { self.sent_after(route, usage, Span::from_ns(whole - left)) }
    }

    /// What the client of a call had been sent so long after the first of its streamed answer: the tokens that come in that
    /// time, at least one; of all that is used before them, all. Nothing where the answer is not streamed.
    #[must_use]
    pub fn sent_after(&self, route: u16, usage: &PerMeter<u64>, since_first: Span) -> PerMeter<u64> {
        let Some(generates) = self.streams(route) else { return PerMeter::default() };
        let come = (since_first.ns() as f64 * generates.per_second / SECOND as f64) as u64;
        let unsent = usage[generates.meter] - come.max(1).min(usage[generates.meter]);
        let meters = &self.scenario.meters;
        let mut sent = *usage;
        for (meter, units) in sent.iter_mut().enumerate().take(meters.len()) {
            let counts_them = meters[generates.meter].sum.iter().all(|it| meters[meter].sum.contains(it));
            if meter == generates.meter || (meter != REQUESTS && counts_them) {
                *units = units.saturating_sub(unsent);
            }
        }
        sent
    }

    /// How the answers of a route's calls come, where they are streamed.
    fn streams(&self, route: u16) -> Option<Generates> {
        let upstream = &self.scenario.upstreams[self.path(route)[0].upstream];
        upstream.generates.filter(|_| upstream.streams)
    }

    /// What a client had been sent that gives a call up at `at`, where the gateway asks; `lands`: when the answer will have
    /// come, where the line that it waits in tells.
    pub(crate) fn sent_when_given_up(
        &self,
        consumer: Consumer,
        call: &Call,
        at: Time,
        lands: Option<Time>,
    ) -> PerMeter<u64> {
        if self.catalog.on_client_abort != OnClientAbort::BillSent {
            return PerMeter::default();
        }
        let lands = if self.waits(call.route) {
            lands
        } else {
            self.last_work(consumer, call).filter(|(begins, _)| *begins <= at).map(|(_, lands)| lands)
        };
        lands.map_or_else(PerMeter::default, |lands| self.sent(call.route, &call.usage, at, lands))
    }

    /// Whether a hop of a route's path has no other after it.
    pub(crate) fn is_last(&self, route: u16, hop: u8) -> bool {
        usize::from(hop) + 1 == self.path(route).len()
    }

    /// When the last upstream of a call's path works on it, where every upstream has room for it: from when until when, which
    /// is when the call is answered. `None` where one fails it.
    pub(crate) fn last_work(&self, consumer: Consumer, call: &Call) -> Option<(Time, Time)> {
        let mut over = [call.at; 2];
        for hop in 0..self.path(call.route).len() {
            let Work { takes, fails } = self.work(consumer, call, hop);
            if fails.is_some() {
                return None;
            }
            over = [over[1], over[1] + takes];
        }
        Some((over[0], over[1]))
    }

    /// When the first of what a served call was answered with had come, if its answer was streamed: what follows takes as
    /// long as there is to generate.
    #[inline]
    pub fn first_token(&self, route: u16, usage: &PerMeter<u64>, latency: Span) -> Option<Span> {
        if !self.paths.streams {
            return None;
        }
        let upstream = &self.scenario.upstreams[self.path(route)[0].upstream];
        let generates = upstream.generates.filter(|_| upstream.streams)?;
        Some(Span::from_ns(latency.ns().saturating_sub(generates.takes(usage).ns())))
    }
}

impl Upstream {
    /// How long it takes in all, of which its own latency is so much.
    #[inline]
    pub(crate) fn takes(&self, works: Span, usage: &PerMeter<u64>) -> Span {
        self.generates.map_or(works, |generates| works + generates.takes(usage))
    }
}
