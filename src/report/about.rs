//! What a report needs beside the outcome: what was asked, of which scenario, by which command, and what only the scenario
//! can tell of the figures. It is plain data (`about.json`), so that `farebox report` renders results again without the
//! scenario and without running.
//!
//! Deliberately absent: the time of day, the host, folders, and whatever of a command line may be a secret.

use std::collections::BTreeMap;

use farebox_engine::billing::cause::{Cause, Kind};
use farebox_engine::model::Scenario;
use farebox_engine::outcome::{CohortOutcome, Outcome, pooled, quantile};
use serde::{Deserialize, Serialize};

use super::section::Section;
use super::{assumed, threshold};
use crate::measure::judge::Judged;
use crate::measure::{self, Latency, Subject};
use crate::scenario::Setting;

/// The version of the layout: raised when a reader of the last one would misread this.
pub const SCHEMA: u32 = 1;

/// Quantiles that a curve has, in millionths.
const QUANTILES: [u32; 12] =
    [10_000, 100_000, 250_000, 500_000, 750_000, 900_000, 950_000, 990_000, 995_000, 999_000, 999_900, 999_990];

/// A quantile is told when so many samples lie beyond it; with fewer it would be an accident.
const BEYOND: u128 = 10;

/// What a report needs beside the outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of Farebox that played it.
    pub version: String,
    /// What to type to play it again.
    pub command: String,
    /// What was done.
    pub kind: Played,
    /// The scenario's name.
    pub scenario: String,
    /// The variant, if one was played.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// What the file asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// The seed.
    pub seed: u64,
    /// SHA-256 of the scenario and its traces.
    pub fingerprint: String,
    /// When it starts, by the scenario's calendar, in UTC.
    pub start: String,
    /// The status that each cause of a refusal is answered with.
    pub statuses: BTreeMap<String, u16>,
    /// The services behind the gateway.
    pub services: Vec<Service>,
    /// Which of them each route comes to, in the order of the hops, by index.
    pub routes: BTreeMap<String, Vec<usize>>,
    /// What the scenario leaves out that decides most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed: Option<Section>,
    /// Figures with intervals, or why there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intervals: Option<Section>,
    /// Each threshold as it was judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Promise>,
    /// The figures beside those of a baseline, where it was compared with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Section>,
    /// What a load on sockets has shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// The scenario, resolved.
    pub settings: Vec<Setting>,
}

/// What was done with a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Played {
    /// Played in virtual time.
    Simulated,
    /// Offered to the built-in gateway.
    Loaded,
    /// Simulated, and offered to the built-in gateway as well.
    Run,
    /// Offered to a gateway that is not ours: there are no books.
    Elsewhere,
}

/// A service behind the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Which others it calls, by index.
    pub calls: Vec<usize>,
    /// How many calls it works on at once, if that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
}

/// A threshold as it was judged, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// As the scenario has it.
    pub threshold: String,
    /// What was measured.
    pub measured: String,
    /// How it was found, and the interval or why there is none.
    pub verdict: String,
    /// Whether the run fails for it.
    pub fails: bool,
}

/// What a load on sockets has shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Why its figures say nothing; nothing where it is valid.
    pub worthless: Option<String>,
    /// Latency from the intended start, by what became of the attempts.
    pub latency: Vec<Curve>,
    /// What else it has shown, and the proofs that both halves decide alike.
    pub sections: Vec<Section>,
}

/// A distribution of times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Of what.
    pub name: String,
    /// How many samples there are.
    pub samples: u64,
    /// `[quantile in millionths, ns]`, in order, as far as enough samples lie beyond.
    pub points: Vec<[u64; 2]>,
    /// The longest, in ns.
    pub max_ns: u64,
}

impl About {
    /// What a scenario tells of its results; who ran it, and how, is filled in by the caller.
    pub fn of(scenario: &Scenario, kind: Played) -> Self {
        let service = |upstream: &farebox_engine::model::Upstream| Service {
            name: upstream.name.clone(),
            calls: upstream.calls.clone(),
            capacity: upstream.capacity,
        };
        let hops = |route| scenario.path(route).iter().map(|hop| hop.upstream).collect();
        let routes = scenario.routes.iter().enumerate().map(|(index, route)| (route.path.clone(), hops(index)));
        Self {
            schema: SCHEMA,
            version: String::new(),
            command: String::new(),
            kind,
            scenario: scenario.name.clone(),
            variant: None,
            question: None,
            seed: scenario.seed,
            fingerprint: scenario.fingerprint.clone(),
            start: scenario.start.to_string(),
            statuses: statuses(scenario),
            services: scenario.upstreams.iter().map(service).collect(),
            routes: routes.collect(),
            assumed: assumed::section(scenario),
            intervals: None,
            thresholds: Vec::new(),
            baseline: None,
            load: None,
            settings: Vec::new(),
        }
    }

    /// What an outcome tells of itself, where nothing else is known.
    pub fn unknown(outcome: &Outcome) -> Self {
        Self {
            schema: SCHEMA,
            version: String::new(),
            command: String::new(),
            kind: Played::Simulated,
            scenario: outcome.scenario.clone(),
            variant: None,
            question: None,
            seed: outcome.seed,
            fingerprint: outcome.fingerprint.clone(),
            start: String::new(),
            statuses: BTreeMap::new(),
            services: Vec::new(),
            routes: BTreeMap::new(),
            assumed: None,
            intervals: None,
            thresholds: Vec::new(),
            baseline: None,
            load: None,
            settings: Vec::new(),
        }
    }

    /// The same with what was measured and judged.
    pub fn judge(&mut self, subject: &Subject<'_>, thresholds: &[Judged]) {
        self.intervals = threshold::intervals(subject);
        self.promise(subject.scenario, thresholds);
    }

    /// The same with what was judged.
    pub fn promise(&mut self, scenario: &Scenario, thresholds: &[Judged]) {
        self.thresholds = thresholds.iter().map(|judged| threshold::promise(judged, scenario.currency)).collect();
    }
}

fn statuses(scenario: &Scenario) -> BTreeMap<String, u16> {
    let refusals = Cause::ALL.into_iter().filter(|cause| cause.kind() != Kind::Upstream);
    refusals.map(|cause| (cause.name().to_owned(), measure::status(scenario, cause))).collect()
}

impl Curve {
    /// The curve of `[upper end of the bucket in ns, samples]`.
    pub fn of(name: &str, buckets: &[[u64; 2]], max_ns: u64) -> Self {
        let samples: u64 = buckets.iter().map(|[_, samples]| samples).sum();
        let is_known = |q: &u32| u128::from(samples) * u128::from(1_000_000 - q) >= BEYOND * 1_000_000;
        let at = |q: u32| quantile(buckets, f64::from(q) / 1e6).map(|ns| [u64::from(q), ns]);
        let points = QUANTILES.into_iter().filter(is_known).filter_map(at).collect();
        Self { name: name.to_owned(), samples, points, max_ns }
    }

    /// The curves of a load.
    pub fn of_a_load(latency: &BTreeMap<&'static str, Latency>) -> Vec<Self> {
        latency.iter().map(|(name, latency)| Self::of(name, &latency.buckets, latency.max_ns)).collect()
    }

    /// What all of a simulation's served attempts took at their upstreams.
    pub fn of_all(name: &str, outcome: &Outcome) -> Self {
        let buckets = pooled(outcome.cohorts.iter().map(|cohort| cohort.latency.as_slice()));
        let longest = outcome.cohorts.iter().map(|cohort| cohort.latency_max_ns).max();
        Self::of(name, &buckets, longest.unwrap_or_default())
    }

    /// The same of one cohort.
    pub fn of_cohort(cohort: &CohortOutcome) -> Self {
        Self::of(&cohort.cohort, &cohort.latency, cohort.latency_max_ns)
    }

    /// The time at a quantile, if it is told.
    pub fn at(&self, millionths: u64) -> Option<u64> {
        self.points.iter().find(|[q, _]| *q == millionths).map(|[_, ns]| *ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest of a few is an accident, and no percentile.
    #[test]
    fn a_curve_ends_where_too_few_samples_lie_beyond() {
        let buckets = |samples: u64| vec![[1_000_000, samples / 2], [2_000_000, samples - samples / 2]];
        let last = |samples| Curve::of("x", &buckets(samples), 3_000_000).points.last().copied();
        assert_eq!(last(9), None);
        assert_eq!(last(20), Some([500_000, 1_000_000]));
        assert_eq!(last(99), Some([750_000, 2_000_000]));
        assert_eq!(last(1_000), Some([990_000, 2_000_000]));
        assert_eq!(last(10_000_000).map(|[q, _]| q), Some(999_990));
    }
}
