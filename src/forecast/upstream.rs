//! What the upstreams behind the gateway have to do, in means: how many calls come to each, how long they take there, and
//! how many of them are there at once (Little's law). As if no call had to wait in line.

use farebox_engine::model::{Arrivals, Cohort, Hop, Scenario, Upstream};
use farebox_engine::money::thousands;
use farebox_engine::time::SECOND;
use serde::Serialize;

use super::traffic::{Traffic, moments};

/// What one upstream has to do.
#[derive(Clone, Debug, Serialize)]
pub struct UpstreamUse {
    /// Its name.
    pub upstream: String,
    /// Calls that come to it over the horizon, a call that comes to it twice counted twice. What the gateway refuses is not
    /// left out.
    pub calls: f64,
    /// How long its own work takes on average, in ns; `null` where the mean is infinite.
    pub works_ns: f64,
    /// How long a call is there on average, the upstreams that it calls included, in ns.
    pub stays_ns: f64,
    /// Calls that are there at once on average, over the horizon.
    pub at_once: f64,
    /// And in the load on sockets.
    pub at_once_in_load: f64,
    /// How many may be.
    pub capacity: Option<u32>,
}

/// The upstreams together.
pub(super) struct Upstreams {
    pub(super) uses: Vec<UpstreamUse>,
    /// How long all of them take for a call, in ns.
    pub(super) mean_ns: f64,
}

/// What a call of a route meets at an upstream, on average.
#[derive(Clone, Copy, Default)]
struct Met {
    /// How often it comes.
    visits: f64,
    /// Time of its own.
    works: f64,
    /// And of those that it calls.
    stays: f64,
}

impl Upstreams {
    /// In a load so many calls come per ns.
    pub(super) fn new(scenario: &Scenario, traffic: &[Traffic<'_>], in_load: f64) -> Self {
        let mut met = vec![Met::default(); scenario.upstreams.len()];
        let mut mean_ns = 0.0;
        for (route, share) in shares(scenario, traffic).into_iter().enumerate().filter(|(_, share)| *share > 0.0) {
            let path = scenario.path(route);
            let reached = reached(scenario, &path);
            let times = times(scenario, traffic, route, &path);
            mean_ns += product(share, times.iter().sum());
            for (number, hop) in path.iter().enumerate() {
                let at = &mut met[hop.upstream];
                at.visits += share * reached[number];
                at.works += product(share, times[number]);
                at.stays += product(share, times[number..hop.ends].iter().sum());
            }
        }
        let calls = traffic.iter().map(|traffic| traffic.calls).sum();
        let one = |(upstream, met)| use_of(scenario, upstream, met, calls, in_load);
        let uses = scenario.upstreams.iter().zip(met).map(one);
        Self { uses: uses.collect(), mean_ns }
    }

    /// What of it cannot work, in sentences.
    pub(super) fn warnings(&self) -> Vec<String> {
        let of = |it: &UpstreamUse| {
            let capacity = it.capacity?;
            let is_over = |at_once: f64| at_once >= f64::from(capacity);
            let (when, at_once) = match (is_over(it.at_once), is_over(it.at_once_in_load)) {
                (true, _) => ("", it.at_once),
                (false, true) => ("in the load ", it.at_once_in_load),
                (false, false) => return None,
            };
            Some(format!(
                "{when}the upstream `{}` would have {} calls at once on average and works on {} at most: its line grows as \
                 long as calls come at that rate",
                it.upstream,
                if at_once.is_finite() { thousands(at_once.round() as u128) } else { "any number of".to_owned() },
                thousands(capacity.into()),
            ))
        };
        self.uses.iter().filter_map(of).collect()
    }
}

fn use_of(scenario: &Scenario, upstream: &Upstream, met: Met, calls: f64, in_load: f64) -> UpstreamUse {
    let each = |sum: f64| if met.visits > 0.0 { sum / met.visits } else { 0.0 };
    UpstreamUse {
        upstream: upstream.name.clone(),
        calls: calls * met.visits,
        works_ns: each(met.works),
        stays_ns: each(met.stays),
        at_once: product(calls / scenario.horizon.ns().max(1) as f64, met.stays),
        at_once_in_load: product(in_load, met.stays),
        capacity: upstream.capacity,
    }
}

/// How long the calls of a cohort take behind the gateway, in ns, on average and where nothing makes them wait.
pub(super) fn mean_ns_of(scenario: &Scenario, cohort: &Cohort) -> f64 {
    let of = |route: usize| times(scenario, &[], route, &scenario.path(route)).iter().sum();
    cohort.routes.iter().map(|(route, share)| product(*share, of(*route))).sum()
}

/// What each hop of a path adds to the time that a call of the route takes, in ns.
fn times(scenario: &Scenario, traffic: &[Traffic<'_>], route: usize, path: &[Hop]) -> Vec<f64> {
    let works = |hop: &Hop| works(&scenario.upstreams[hop.upstream], scenario, traffic, route);
    path.iter().zip(reached(scenario, path)).map(|(hop, chance)| product(chance, works(hop))).collect()
}

/// The chances that a call comes to each hop of a path.
fn reached(scenario: &Scenario, path: &[Hop]) -> Vec<f64> {
    let mut chance = 1.0;
    let mut then = |hop: &Hop| {
        let reached = chance;
        chance *= 1.0 - scenario.upstreams[hop.upstream].errors.chance().as_f64();
        reached
    };
    path.iter().map(&mut then).collect()
}

/// How long an upstream works on a call of a route, in ns.
fn works(upstream: &Upstream, scenario: &Scenario, traffic: &[Traffic<'_>], route: usize) -> f64 {
    let units = |meter: usize| {
        let sum = &scenario.meters[meter].sum;
        let carried = scenario.routes[route].attributes.iter().filter(|attribute| sum.contains(&attribute.name));
        let drawn: f64 = carried.map(|attribute| moments(&attribute.amount).mean).sum();
        // Calls of a trace carry what the trace says.
        let recorded = traffic.iter().find(|of| matches!(of.cohort.arrivals, Arrivals::Trace(_)));
        if drawn > 0.0 { drawn } else { recorded.map_or(0.0, |of| of.units[meter]) }
    };
    let generates = upstream.generates.map(|generates| units(generates.meter) * SECOND as f64 / generates.per_second);
    moments(&upstream.latency).mean + generates.unwrap_or(0.0)
}

/// Which share of all calls goes to each route; all of them to the first where nobody calls.
fn shares(scenario: &Scenario, traffic: &[Traffic<'_>]) -> Vec<f64> {
    let mut shares = vec![0.0; scenario.routes.len()];
    for of in traffic {
        match &of.cohort.arrivals {
            Arrivals::Trace(trace) if !trace.routes.is_empty() => {
                let each = of.calls / trace.routes.len() as f64;
                trace.routes.iter().for_each(|route| shares[usize::from(*route)] += each);
            }
            _ => of.cohort.routes.iter().for_each(|(route, share)| shares[*route] += of.calls * share),
        }
    }
    let all: f64 = shares.iter().sum();
    if !(all > 0.0 && all.is_finite()) {
        shares.fill(0.0);
        shares[0] = 1.0;
        return shares;
    }
    shares.into_iter().map(|share| share / all).collect()
}

/// A product in which nothing is nothing, also of what has no bound.
fn product(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { 0.0 } else { a * b }
}
