//! Two scenarios side by side, consumer by consumer: plain data with the algebra of an [`Outcome`](super::Outcome).
//! [`Paired::merge`] joins disjoint consumers, [`Paired::stack`] collects replications, and both give the same bytes in
//! whatever order.
//!
//! Only sums over pairs are kept, with those of their squares and products: what a difference and its standard error are
//! made of. A consumer's difference in earned revenue belongs, whole, to the first cause that separates the two lives
//! ([`Part`]), so the parts sum to the difference to the nano.

mod sums;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::sums::{Metric, Squares, Sums};
use super::cohort::{are_independent, join};
use super::{MergeError, Nanos, add};
use crate::lives::Life;
use crate::model::Scenario;
use crate::time::DAY;

/// The version of the layout: raised when a reader of the last one would misread this.
pub const PAIRED_SCHEMA: u32 = 1;

/// How many of the most affected consumers are named per cohort.
pub const AFFECTED_MOST: usize = 10;

/// What a variant does to each consumer, beside the base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paired {
    /// [`PAIRED_SCHEMA`].
    pub schema: u32,
    /// What it is compared with.
    pub base: Side,
    /// What is compared.
    pub variant: Side,
    /// The seed of both.
    pub seed: u64,
    /// The ISO 4217 code of all amounts.
    pub currency: String,
    /// How much time was played, in ns.
    pub horizon_ns: u64,
    /// Which replication `cohorts` is; 0 is drawn from the seed as it stands.
    pub replication: u32,
    /// One entry per cohort, those of the base first.
    pub cohorts: Vec<PairedCohort>,
    /// Further replications, in the order of their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stacked: Vec<PairedReplication>,
}

/// One of the two scenarios.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// The scenario's name.
    pub scenario: String,
    /// SHA-256 of the scenario and its traces.
    pub fingerprint: String,
}

/// The same consumers, drawn once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairedReplication {
    /// Its number: what its seed is made of, beside the scenario's.
    pub replication: u32,
    /// As [`Paired::cohorts`].
    pub cohorts: Vec<PairedCohort>,
}

/// The pairs of one cohort: consumers of the same name and index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairedCohort {
    /// Its name.
    pub cohort: String,
    /// The plan that it begins on in the base; `None`: the base has no such cohort.
    pub base_plan: Option<String>,
    /// The same of the variant.
    pub variant_plan: Option<String>,
    /// How many consumers it has in the base.
    pub base_consumers: u32,
    /// How many in the variant.
    pub variant_consumers: u32,
    /// Which consumers were played: ranges of indices `[from, to)`, disjoint and in order.
    pub played: Vec<[u32; 2]>,
    /// Consumers from whom more is earned in the variant.
    pub more: u64,
    /// Consumers from whom less is.
    pub less: u64,
    /// How much more is earned from those, in nanos.
    pub gained: Nanos,
    /// How much less from these: none, or below it.
    pub lost: Nanos,
    /// Consumers refused at least once in the variant, and not in the base.
    pub newly_refused: u64,
    /// Consumers refused at least once in the base, and not in the variant.
    pub no_longer_refused: u64,
    /// Sums over the consumers, by [`Metric`].
    pub sums: BTreeMap<String, Sums>,
    /// The difference in earned revenue, by [`Part`], as far as there is any.
    pub waterfall: BTreeMap<String, Share>,
    /// Whom it concerns most, the most first; only replication 0 has them.
    pub affected: Vec<Affected>,
}

/// What separates two lives: a consumer's whole difference in earned revenue belongs to the first of these that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The consumer is in one of the two scenarios only.
    Population,
    /// They left in one and not in the other, or at another moment.
    Churn,
    /// Not paying came to something else: another time blocked, another end of dunning, another status.
    Dunning,
    /// They changed their plan or slowed down more or less often, or at another moment.
    Reactions,
    /// Another number of attempts was refused, or for other causes.
    Refusals,
    /// They called or used another amount.
    Volume,
    /// All of that is alike: what is left is what things cost.
    Price,
}

impl Part {
    /// All of them, in the order in which they are asked.
    pub const ALL: [Self; 7] =
        [Self::Population, Self::Churn, Self::Dunning, Self::Reactions, Self::Refusals, Self::Volume, Self::Price];

    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Population => "population",
            Self::Churn => "churn",
            Self::Dunning => "dunning",
            Self::Reactions => "reactions",
            Self::Refusals => "refusals",
            Self::Volume => "volume",
            Self::Price => "price",
        }
    }

    /// What separates these two lives.
    pub fn between(base: Option<&Life>, variant: Option<&Life>) -> Self {
        let (Some(base), Some(variant)) = (base, variant) else { return Self::Population };
        let reacted = |life: &Life| (life.reacted, life.told_at);
        let not_paying = |life: &Life| (life.unpaid, life.exhausted, life.blocked_ns);
        let refused = |life: &Life| (life.tried.refused, life.tried.refused_again, life.tried.met);
        let used = |life: &Life| (life.tried.attempts, life.tried.again, life.served, life.used);
        let left = |life: &Life| (life.left > 0).then_some(life.told_at);
        if left(base) != left(variant) {
            Self::Churn
        } else if not_paying(base) != not_paying(variant) {
            Self::Dunning
        } else if reacted(base) != reacted(variant) {
            Self::Reactions
        } else if refused(base) != refused(variant) {
            Self::Refusals
        } else if used(base) != used(variant) {
            Self::Volume
        } else {
            Self::Price
        }
    }
}

/// A part of the difference in earned revenue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// How many consumers' differences belong to it.
    pub consumers: u64,
    /// What they come to, in nanos.
    pub earned: Nanos,
}

/// A consumer who is much affected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affected {
    /// Who of the cohort.
    pub index: u32,
    /// What separates the two lives: the name of a [`Part`].
    pub part: String,
    /// What is earned from them in the base; `None`: they are not in it.
    pub base_earned: Option<Nanos>,
    /// The same in the variant.
    pub variant_earned: Option<Nanos>,
    /// Calls refused in the base.
    pub base_refused: u64,
    /// The same in the variant.
    pub variant_refused: u64,
}

impl Affected {
    /// What is earned more from them, in nanos.
    pub fn difference(&self) -> i128 {
        let nanos = |earned: Option<Nanos>| earned.map_or(0, |earned| earned.0);
        nanos(self.variant_earned) - nanos(self.base_earned)
    }

    /// A total order within the cohort: by the amount, by the refusals, by who it is.
    fn order(&self) -> impl Ord + use<> {
        let amount = self.difference().unsigned_abs();
        (Reverse(amount), Reverse(self.base_refused.abs_diff(self.variant_refused)), self.index)
    }
}

/// Why two scenarios cannot be compared consumer by consumer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("their {what} differs: {base} and {variant}")]
pub struct Unlike {
    /// What of them differs.
    pub what: &'static str,
    /// What it is in the base.
    pub base: String,
    /// What it is in the variant.
    pub variant: String,
}

// === Making ===

impl Paired {
    /// Nobody yet, of two scenarios. They must be drawn from one seed and played over the same time in one currency.
    pub fn new(base: &Scenario, variant: &Scenario) -> Result<Self, Unlike> {
        let side = |of: &Scenario| Side { scenario: of.name.clone(), fingerprint: of.fingerprint.clone() };
        let told = |of: &Scenario| {
            [
                ("seed", of.seed.to_string()),
                ("currency", of.currency.code.to_owned()),
                ("start", of.start.to_string()),
                ("horizon", format!("{} days", of.horizon.ns() as f64 / DAY as f64)),
            ]
        };
        for ((what, base), (_, variant)) in told(base).into_iter().zip(told(variant)) {
            if base != variant {
                return Err(Unlike { what, base, variant });
            }
        }
        let names: Vec<_> = base.cohorts.iter().chain(&variant.cohorts).map(|cohort| cohort.name.as_str()).collect();
        let mut seen = BTreeSet::new();
        let once = names.into_iter().filter(|name| seen.insert(*name));
        Ok(Self {
            schema: PAIRED_SCHEMA,
            base: side(base),
            variant: side(variant),
            seed: base.seed,
            currency: base.currency.code.to_owned(),
            horizon_ns: base.horizon.ns(),
            replication: 0,
            cohorts: once.map(|name| PairedCohort::new(name, base, variant)).collect(),
            stacked: Vec::new(),
        })
    }

    /// Puts consumers `[first, …]` of a cohort, by its place here, beside each other: who they are in the base and in the
    /// variant, `None` where they are not.
    pub fn pair<'a>(&mut self, cohort: usize, first: u32, lives: impl IntoIterator<Item = [Option<&'a Life>; 2]>) {
        let cohort = &mut self.cohorts[cohort];
        let mut next = first;
        for [base, variant] in lives {
            cohort.add(next, base, variant);
            next += 1;
        }
        cohort.played = join(&cohort.played, &[[first, next]]);
    }

    /// The same, known as a replication of the scenarios with this seed. Only number 0 keeps who is most affected: it is
    /// the one that `farebox explain` plays.
    #[must_use]
    pub fn as_replication(mut self, seed: u64, number: u32) -> Self {
        if number > 0 {
            self.cohorts.iter_mut().for_each(|cohort| cohort.affected.clear());
        }
        Self { seed, replication: number, ..self }
    }

    /// Joins other consumers of the same two scenarios, of the same replications.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        self.comparable(other)?;
        if !self.numbers().eq(other.numbers()) {
            return Err(MergeError::Replications);
        }
        for (own, other) in self.replications().zip(other.replications()) {
            own.iter().zip(other).try_for_each(|(own, other)| own.disjoint(other))?;
        }
        let stacked = self.stacked.iter_mut().map(|replication| &mut replication.cohorts);
        for (own, other) in std::iter::once(&mut self.cohorts).chain(stacked).zip(other.replications()) {
            own.iter_mut().zip(other).for_each(|(own, other)| own.merge(other));
        }
        Ok(())
    }

    /// Puts other replications beside these; they lie in the order of their numbers.
    pub fn stack(&mut self, mut other: Self) -> Result<(), MergeError> {
        self.comparable(&other)?;
        if let Some(again) = self.numbers().find(|own| other.numbers().any(|number| number == *own)) {
            return Err(MergeError::Again(again));
        }
        let head = |paired: &mut Self| PairedReplication {
            replication: paired.replication,
            cohorts: std::mem::take(&mut paired.cohorts),
        };
        let heads = [head(self), head(&mut other)];
        self.stacked.append(&mut other.stacked);
        self.stacked.extend(heads);
        self.stacked.sort_by_key(|replication| replication.replication);
        let first = self.stacked.remove(0);
        (self.replication, self.cohorts) = (first.replication, first.cohorts);
        Ok(())
    }

    fn comparable(&self, other: &Self) -> Result<(), MergeError> {
        let names = |paired: &Self| -> Vec<_> { paired.cohorts.iter().map(|it| it.cohort.clone()).collect() };
        let differs = [
            (self.schema != other.schema, "schema"),
            (self.base != other.base || self.variant != other.variant || names(self) != names(other), "scenarios"),
            (self.seed != other.seed, "seed"),
            (self.horizon_ns != other.horizon_ns, "horizon"),
        ];
        match differs.iter().find(|(differs, _)| *differs) {
            Some((_, what)) => Err(MergeError::Differs(what)),
            None => Ok(()),
        }
    }

    // === Reading ===

    fn numbers(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.replication).chain(self.stacked.iter().map(|replication| replication.replication))
    }

    /// The cohorts of each replication, in the order of their numbers.
    pub fn replications(&self) -> impl Iterator<Item = &[PairedCohort]> {
        let stacked = self.stacked.iter().map(|replication| replication.cohorts.as_slice());
        std::iter::once(self.cohorts.as_slice()).chain(stacked)
    }

    /// How many replications there are.
    pub fn replication_count(&self) -> u64 {
        1 + self.stacked.len() as u64
    }

    /// How many consumers were played in the first replication, and how many there are.
    pub fn consumers(&self) -> (u64, u64) {
        let played = self.cohorts.iter().map(PairedCohort::consumers_played).sum();
        (played, self.cohorts.iter().map(|cohort| u64::from(cohort.consumers())).sum())
    }

    /// Whether consumers are missing in any replication.
    pub fn is_partial(&self) -> bool {
        self.replications().flatten().any(|cohort| cohort.consumers_played() != cohort.consumers().into())
    }
}

impl PairedCohort {
    fn new(name: &str, base: &Scenario, variant: &Scenario) -> Self {
        let [in_base, in_variant] =
            [base, variant].map(|of| of.cohorts.iter().find(|cohort| cohort.name == name).map(|found| (of, found)));
        let plan =
            |of: Option<(&Scenario, &crate::model::Cohort)>| of.map(|(of, cohort)| of.plans[cohort.plan].name.clone());
        let count = |of: Option<(&Scenario, &crate::model::Cohort)>| of.map_or(0, |(_, cohort)| cohort.count);
        let is_independent =
            [in_base, in_variant].into_iter().flatten().all(|(of, cohort)| are_independent(cohort, of));
        let sums = Sums { squares: is_independent.then(Squares::default), ..Sums::default() };
        Self {
            cohort: name.to_owned(),
            base_plan: plan(in_base),
            variant_plan: plan(in_variant),
            base_consumers: count(in_base),
            variant_consumers: count(in_variant),
            played: Vec::new(),
            more: 0,
            less: 0,
            gained: Nanos::default(),
            lost: Nanos::default(),
            newly_refused: 0,
            no_longer_refused: 0,
            sums: Metric::ALL.map(|metric| (metric.name().to_owned(), sums)).into(),
            waterfall: BTreeMap::new(),
            affected: Vec::new(),
        }
    }

    fn add(&mut self, index: u32, base: Option<&Life>, variant: Option<&Life>) {
        let value = |metric: Metric, life: Option<&Life>| life.map_or(0, |life| metric.of(life));
        for metric in Metric::ALL {
            let sums = self.sums.get_mut(metric.name()).expect("a cohort is made with every sum");
            sums.add(metric, value(metric, base), value(metric, variant));
        }
        let difference = value(Metric::Earned, variant) - value(Metric::Earned, base);
        let refused = [base, variant].map(|life| life.is_some_and(Life::is_refused));
        self.more += u64::from(difference > 0);
        self.less += u64::from(difference < 0);
        self.gained += Nanos(difference.max(0));
        self.lost += Nanos(difference.min(0));
        self.newly_refused += u64::from(refused == [false, true]);
        self.no_longer_refused += u64::from(refused == [true, false]);
        let refused = [base, variant].map(|life| life.map_or(0, Life::calls_refused));
        if difference == 0 && refused[0] == refused[1] {
            return;
        }
        let part = Part::between(base, variant).name();
        if difference != 0 {
            let share = self.waterfall.entry(part.to_owned()).or_default();
            share.consumers += 1;
            share.earned += Nanos(difference);
        }
        self.affect(Affected {
            index,
            part: part.to_owned(),
            base_earned: base.map(|life| Nanos(life.earned)),
            variant_earned: variant.map(|life| Nanos(life.earned)),
            base_refused: refused[0],
            variant_refused: refused[1],
        });
    }

    fn affect(&mut self, affected: Affected) {
        let at = self.affected.partition_point(|known| known.order() < affected.order());
        if at < AFFECTED_MOST {
            self.affected.insert(at, affected);
            self.affected.truncate(AFFECTED_MOST);
        }
    }

    fn disjoint(&self, other: &Self) -> Result<(), MergeError> {
        let pairs = self.played.iter().flat_map(|own| other.played.iter().map(move |other| (own, other)));
        let shared = pairs.map(|([a, b], [c, d])| (*a.max(c), *b.min(d))).filter(|(from, to)| from < to);
        match shared.min() {
            Some((index, _)) => Err(MergeError::Overlap { cohort: self.cohort.clone(), index }),
            None => Ok(()),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.played = join(&self.played, &other.played);
        self.more += other.more;
        self.less += other.less;
        self.gained += other.gained;
        self.lost += other.lost;
        self.newly_refused += other.newly_refused;
        self.no_longer_refused += other.no_longer_refused;
        add(&mut self.sums, &other.sums, |own, other| *own = own.plus(other));
        add(&mut self.waterfall, &other.waterfall, |own, other| {
            own.consumers += other.consumers;
            own.earned += other.earned;
        });
        for affected in &other.affected {
            self.affect(affected.clone());
        }
    }

    /// Sums over its consumers.
    pub fn sums(&self, metric: Metric) -> Sums {
        self.sums.get(metric.name()).copied().unwrap_or_default()
    }

    /// How many consumers it has, those of either scenario.
    pub fn consumers(&self) -> u32 {
        self.base_consumers.max(self.variant_consumers)
    }

    /// How many of them were played.
    pub fn consumers_played(&self) -> u64 {
        self.played.iter().map(|[from, to]| u64::from(to - from)).sum()
    }
}

#[cfg(test)]
mod tests;
