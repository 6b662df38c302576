//! Attempts that failed behind the gateway: where, why, and what their clients were answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::billing::cause::Failure;
use crate::model::Scenario;

/// How many attempts failed alike. It is written as a list of rows, each with its `attempts`.
pub type Failures = BTreeMap<FailedAs, u64>;

/// What attempts that failed have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FailedAs {
    /// The upstream that failed.
    pub upstream: String,
    /// Why.
    pub cause: String,
    /// The status that the client was answered with.
    pub status: u16,
}

/// By the name of the upstream: one that is on the path several times may fail at each.
pub(super) fn named(scenario: &Scenario, route: usize, counts: &[(Failure, u64)]) -> Failures {
    let path = scenario.path(route);
    let mut failures = Failures::new();
    for (failure, attempts) in counts {
        // A live upstream may name a hop that the path does not have: then it is the one that was called.
        let hop = path.get(usize::from(failure.hop)).unwrap_or(&path[0]);
        let upstream = scenario.upstreams[hop.upstream].name.clone();
        let alike = FailedAs { upstream, cause: failure.cause.name().to_owned(), status: failure.status };
        *failures.entry(alike).or_default() += attempts;
    }
    failures
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    upstream: String,
    cause: String,
    status: u16,
    attempts: u64,
}

pub(super) fn serialize<S: Serializer>(failures: &Failures, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(failures.iter().map(|(FailedAs { upstream, cause, status }, attempts)| Row {
        upstream: upstream.clone(),
        cause: cause.clone(),
        status: *status,
        attempts: *attempts,
    }))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Failures, D::Error> {
    let rows = Vec::<Row>::deserialize(deserializer)?.into_iter();
    Ok(rows.map(|Row { upstream, cause, status, attempts }| (FailedAs { upstream, cause, status }, attempts)).collect())
}
