//! A comparison as facts, once, for every form in which it is told: the page ([`text`]), the tables ([`table`]), and JSON,
//! which is these types as they stand.
//!
//! What a decision needs comes first, in three sentences: the difference in earned revenue with its interval, who wins and
//! loses by it, how many are newly refused. Names from files are told so that they can neither steer a terminal nor
//! push the figures off the page.

pub mod table;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};

use farebox_engine::money::{CURRENCIES, Currency};
use farebox_engine::outcome::{AFFECTED_MOST, Affected, Metric, Outcome, Paired, PairedCohort, Part};
use farebox_engine::time::DAY;
use serde::Serialize;

use crate::measure::interval::Interval;
use crate::measure::paired::{Difference, Differences, Settled, Whose};
use crate::measure::unpaired;

/// Two sides beside each other, all that is said of them.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// What the base is called.
    pub base: String,
    /// What the variant is called.
    pub variant: String,
    /// Whether consumers were paired; stored outcomes hold none.
    pub pairing: Pairing,
    /// The seeds of both.
    pub seeds: [u64; 2],
    /// How often each was played.
    pub replications: [u64; 2],
    /// How much time was played, in ns.
    pub horizon_ns: u64,
    /// The ISO 4217 code of all amounts.
    #[serde(serialize_with = "code")]
    pub currency: Currency,
    /// How many consumers there are, those of either side.
    pub consumers: u64,
    /// How many of them were played in the first replication, on either side.
    pub played: u64,
    /// What was cut short; nothing when all consumers of both were played in each replication.
    pub partial: Vec<Partial>,
    /// Who wins and who loses; `None` where nothing is paired.
    pub concerned: Option<Concerned>,
    /// The same of each cohort, in their order.
    pub cohorts: Vec<ConcernedCohort>,
    /// Every difference: of all consumers, of each cohort, and of plans that several cohorts begin on.
    pub differences: Vec<Row>,
    /// The difference in earned revenue by what separates the two lives of a consumer, in the order in which that is asked.
    pub waterfall: Vec<Step>,
    /// Whom it concerns most, in replication 0.
    pub affected: Vec<Case>,
    /// What is odd about it.
    pub notes: Vec<String>,
}

fn code<S: serde::Serializer>(currency: &Currency, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(currency.code)
}

/// Whether consumers were paired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pairing {
    /// Each consumer was played under both.
    Paired,
    /// Two stored outcomes, of different draws.
    Unpaired,
    /// Two stored outcomes of the same seed and replications: the draws were common, and nobody can be paired any more.
    SameDraws,
}

/// A side of which consumers are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Partial {
    /// Which.
    pub side: CutShort,
    /// How many consumers it has.
    pub consumers: u64,
    /// How many of them were played in the first replication; of all of them some are missing in a later one.
    pub played: u64,
}

/// Which side was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CutShort {
    /// Pairs, so both at once.
    Both,
    /// The base's run.
    Base,
    /// The variant's run.
    Variant,
}

/// How many consumers a change concerns, as means of a replication.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Concerned {
    /// More is earned from them.
    pub pay_more: f64,
    /// How much more from all of those, in the major unit.
    pub more_by: f64,
    /// Less is.
    pub pay_less: f64,
    /// How much less from all of those.
    pub less_by: f64,
    /// Refused in the variant, and never in the base.
    pub newly_refused: f64,
    /// Refused in the base, and never in the variant.
    pub no_longer_refused: f64,
    /// In the base alone.
    pub only_in_base: u64,
    /// In the variant alone.
    pub only_in_variant: u64,
}

/// How many of one cohort it concerns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConcernedCohort {
    /// The cohort's name.
    pub cohort: String,
    /// How many consumers it has, those of either side.
    pub consumers: u64,
    /// How many of them, and how.
    #[serde(flatten)]
    pub concerned: Concerned,
}

/// One difference. Amounts are in the currency's major unit, times in days; all are means of a replication.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// `all`, `cohort` or `plan`.
    pub of: &'static str,
    /// The name of the cohort or the plan.
    pub name: String,
    /// The plan that the cohort begins on; both where they differ.
    pub plan: String,
    /// What is compared.
    pub metric: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// What the base comes to.
    pub base: f64,
    /// What the variant does.
    pub variant: f64,
    /// The one less the other.
    pub difference: f64,
    /// The ends of its 95 % interval.
    pub interval: Option<[f64; 2]>,
    /// Why there is none.
    pub no_interval: Option<&'static str>,
    /// The difference as a share of the base's.
    pub share: Option<f64>,
    /// The ends of its 95 % interval.
    pub share_interval: Option<[f64; 2]>,
    /// How many times as wide the interval would be without common draws.
    pub narrowed: Option<f64>,
    /// Whether it has a sign.
    pub settled: &'static str,
    /// About how many replications would settle it.
    pub replications_to_settle: Option<u64>,
}

/// What a metric is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// The currency's major unit.
    Money,
    /// How many.
    Count,
    /// Days of billing time.
    Days,
}

/// A part of the difference in earned revenue: a mean of a replication.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// What separates the two lives.
    pub part: &'static str,
    /// Of how many consumers.
    pub consumers: f64,
    /// What their differences come to, in the major unit.
    pub earned: f64,
    /// The sum of it over all replications, in nanos: what adds up exactly.
    #[serde(skip)]
    pub nanos: i128,
}

/// A consumer who is much affected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Case {
    /// As `explain` names them: `startups/17`.
    pub consumer: String,
    /// What separates their two lives.
    pub part: String,
    /// What is earned from them in the base, in the major unit; `None`: they are not in it.
    pub base: Option<f64>,
    /// The same in the variant.
    pub variant: Option<f64>,
    /// The one less the other.
    pub difference: f64,
    /// Calls refused, in both.
    pub refused: [u64; 2],
    /// The commands that tell both stories.
    pub explain: Vec<String>,
    #[serde(skip)]
    nanos: [Option<i128>; 2],
}

/// How one side's consumers are looked up again: the scenario's file, its variant, the seed where it is not the file's.
#[derive(Clone, Debug)]
pub struct Told {
    /// What the side is called.
    pub name: String,
    /// What `farebox explain` is asked for, but for the consumer.
    pub explain: String,
}

// === From what was played or stored ===

impl Facts {
    /// Of pairs that were played.
    pub fn paired(pairs: &Paired, base: &Told, variant: &Told) -> Self {
        let currency = currency(&pairs.currency);
        let runs = pairs.replication_count();
        let (played, consumers) = pairs.consumers();
        let (known, mut differences) = (Differences::of(pairs), Vec::new());
        let mut add = |of: &'static str, name: &str, plan: String, places: &[usize]| {
            for metric in Metric::ALL {
                let difference = known.of_places(metric, places);
                differences.push(Row::new([of, name], &plan, metric, &difference, currency));
            }
        };
        add("all", "", String::new(), &(0..pairs.cohorts.len()).collect::<Vec<_>>());
        for (place, cohort) in pairs.cohorts.iter().enumerate() {
            let plans = [&cohort.base_plan, &cohort.variant_plan].map(|plan| plan.as_deref().unwrap_or("-"));
            add("cohort", &cohort.cohort, plan(plans), &[place]);
        }
        for (name, places) in plans_of_several(pairs) {
            add("plan", name, name.to_owned(), &places);
        }
        let partial = pairs.is_partial().then_some(Partial { side: CutShort::Both, consumers, played });
        Self {
            base: base.name.clone(),
            variant: variant.name.clone(),
            pairing: Pairing::Paired,
            seeds: [pairs.seed; 2],
            replications: [runs; 2],
            horizon_ns: pairs.horizon_ns,
            currency,
            consumers,
            played,
            partial: partial.into_iter().collect(),
            concerned: Some(Concerned::of(pairs, None, currency)),
            cohorts: (0..pairs.cohorts.len()).map(|place| ConcernedCohort::of(pairs, place, currency)).collect(),
            differences,
            waterfall: waterfall(pairs, currency),
            affected: affected(pairs, [base, variant], currency),
            notes: Vec::new(),
        }
    }

    /// Of two outcomes that were stored. They are of one currency and horizon.
    pub fn stored(base: &Outcome, variant: &Outcome, names: [String; 2]) -> Self {
        let currency = currency(&base.currency);
        let mut differences = Vec::new();
        let mut add = |of: &'static str, name: &str, plan: &str, whose: Whose<'_>| {
            for metric in Metric::ALL {
                if let Some(difference) = unpaired::difference(base, variant, metric, whose) {
                    differences.push(Row::new([of, name], plan, metric, &difference, currency));
                }
            }
        };
        add("all", "", "", Whose::All);
        let mut seen = BTreeSet::new();
        for cohort in base.cohorts.iter().chain(&variant.cohorts) {
            if seen.insert(&cohort.cohort) {
                let of = |outcome: &'_ Outcome| -> String {
                    let found = outcome.cohorts.iter().find(|known| known.cohort == cohort.cohort);
                    found.map_or("-", |found| found.plan.as_str()).to_owned()
                };
                let plans = [of(base), of(variant)];
                add("cohort", &cohort.cohort, &plan([&plans[0], &plans[1]]), Whose::Cohort(&cohort.cohort));
            }
        }
        let runs = [base, variant].map(Outcome::replication_count);
        let is_same_draws = base.seed == variant.seed && runs[0] == runs[1];
        let [name, other] = names;
        let (played, consumers) = of_either(base, variant);
        let sides = [(CutShort::Base, base), (CutShort::Variant, variant)].into_iter();
        let partial = sides.filter(|(_, outcome)| outcome.is_partial()).map(|(side, outcome)| {
            let (played, consumers) = outcome.consumers();
            Partial { side, consumers, played }
        });
        let mut notes = Vec::new();
        if base.fingerprint == variant.fingerprint {
            notes.push("both are of the same scenario: what differs is what was drawn".to_owned());
        }
        if is_same_draws {
            notes.push(
                "both are drawn from the same seed: `farebox compare` on the scenarios pairs them, for narrower intervals"
                    .to_owned(),
            );
        }
        Self {
            base: name,
            variant: other,
            pairing: if is_same_draws { Pairing::SameDraws } else { Pairing::Unpaired },
            seeds: [base.seed, variant.seed],
            replications: runs,
            horizon_ns: base.horizon_ns,
            currency,
            consumers,
            played,
            partial: partial.collect(),
            concerned: None,
            cohorts: Vec::new(),
            differences,
            waterfall: Vec::new(),
            affected: Vec::new(),
            notes,
        }
    }

    /// The difference in a metric over all consumers.
    pub fn of_all(&self, metric: Metric) -> Option<&Row> {
        self.differences.iter().find(|row| row.of == "all" && row.metric == metric.name())
    }

    /// Whether consumers are missing, on either side and in any replication.
    pub fn is_partial(&self) -> bool {
        !self.partial.is_empty()
    }
}

fn currency(code: &str) -> Currency {
    Currency::from_code(code).unwrap_or(CURRENCIES[0])
}

fn plan([base, variant]: [&str; 2]) -> String {
    if base == variant { base.to_owned() } else { format!("{base} → {variant}") }
}

/// How many consumers of two outcomes were played and how many there are, those of either side.
fn of_either(base: &Outcome, variant: &Outcome) -> (u64, u64) {
    let mut cohorts: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for cohort in base.cohorts.iter().chain(&variant.cohorts) {
        let [played, all] = cohorts.entry(&cohort.cohort).or_default();
        *played = cohort.consumers_played().max(*played);
        *all = u64::from(cohort.consumers).max(*all);
    }
    cohorts.values().fold((0, 0), |(played, all), cohort| (played + cohort[0], all + cohort[1]))
}

/// The plans that several cohorts of the base begin on, and not all of them, in their order, with the places of all cohorts
/// that belong to them: those that are in the variant alone by the plan that they begin on there.
fn plans_of_several(pairs: &Paired) -> Vec<(&str, Vec<usize>)> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut in_base: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, cohort) in pairs.cohorts.iter().enumerate() {
        if let Some(name) = &cohort.base_plan {
            *in_base.entry(name).or_default() += 1;
        }
        if let Some(name) = cohort.base_plan.as_deref().or(cohort.variant_plan.as_deref()) {
            places.entry(name).or_default().push(place);
        }
    }
    let several = 2..pairs.cohorts.len();
    let names = pairs.cohorts.iter().filter_map(|cohort| cohort.base_plan.as_deref());
    // Taken out of the map, a plan comes once.
    names.filter(|name| several.contains(&in_base[name])).filter_map(|name| places.remove_entry(name)).collect()
}

/// The cohort at a place, or all of them.
fn at(cohorts: &[PairedCohort], place: Option<usize>) -> &[PairedCohort] {
    match place {
        Some(place) => cohorts.get(place..=place).unwrap_or_default(),
        None => cohorts,
    }
}

impl Row {
    fn new([of, name]: [&str; 2], plan: &str, metric: Metric, difference: &Difference, currency: Currency) -> Self {
        let (unit, scale) = match metric {
            Metric::Earned | Metric::Collected | Metric::Margin | Metric::Mrr => (Unit::Money, currency.scale as f64),
            Metric::Blocked => (Unit::Days, DAY as f64),
            Metric::Calls | Metric::Served | Metric::Refused | Metric::EverRefused | Metric::Left => (Unit::Count, 1.0),
        };
        let ends = |interval: Interval, scale: f64| [interval.from / scale, interval.to / scale];
        let settled = difference.settled();
        Self {
            of: match of {
                "all" => "all",
                "plan" => "plan",
                _ => "cohort",
            },
            name: name.to_owned(),
            plan: plan.to_owned(),
            metric: if metric == Metric::Blocked { "blocked_days" } else { metric.name() },
            unit,
            base: difference.base.mean() / scale,
            variant: difference.variant.mean() / scale,
            difference: difference.by() / scale,
            interval: difference.interval.ok().map(|interval| ends(interval, scale)),
            no_interval: difference.interval.err(),
            share: difference.ratio(),
            share_interval: difference.share.and_then(Result::ok).map(|interval| ends(interval, 1.0)),
            narrowed: difference.narrowed,
            settled: match settled {
                Settled::Exactly => "exactly",
                Settled::Yes => "yes",
                Settled::After(_) | Settled::Never => "no",
                Settled::Unknown => "unknown",
            },
            replications_to_settle: if let Settled::After(count) = settled { Some(count) } else { None },
        }
    }

    /// Whether anything differs, in any replication.
    pub fn differs(&self) -> bool {
        self.difference != 0.0 || self.interval.is_some_and(|[from, to]| to - from > 0.0)
    }
}

impl Concerned {
    /// Of the cohort at a place, which is the same in every replication; or of all.
    fn of(pairs: &Paired, place: Option<usize>, currency: Currency) -> Self {
        let runs = pairs.replication_count() as f64;
        let all = || pairs.replications().flat_map(|cohorts| at(cohorts, place));
        let mean = |of: fn(&PairedCohort) -> u64| all().map(of).sum::<u64>() as f64 / runs;
        let amount = |of: fn(&PairedCohort) -> i128| all().map(of).sum::<i128>() as f64 / runs / currency.scale as f64;
        let alone = |one: fn(&PairedCohort) -> [u32; 2]| -> u64 {
            let cohorts = at(&pairs.cohorts, place).iter();
            cohorts.map(one).map(|[own, other]| u64::from(own.saturating_sub(other))).sum()
        };
        Self {
            pay_more: mean(|cohort| cohort.more),
            more_by: amount(|cohort| cohort.gained.0),
            pay_less: mean(|cohort| cohort.less),
            less_by: amount(|cohort| -cohort.lost.0),
            newly_refused: mean(|cohort| cohort.newly_refused),
            no_longer_refused: mean(|cohort| cohort.no_longer_refused),
            only_in_base: alone(|cohort| [cohort.base_consumers, cohort.variant_consumers]),
            only_in_variant: alone(|cohort| [cohort.variant_consumers, cohort.base_consumers]),
        }
    }
}

impl ConcernedCohort {
    fn of(pairs: &Paired, place: usize, currency: Currency) -> Self {
        let cohort = &pairs.cohorts[place];
        Self {
            cohort: cohort.cohort.clone(),
            consumers: cohort.consumers().into(),
            concerned: Concerned::of(pairs, Some(place), currency),
        }
    }
}

fn waterfall(pairs: &Paired, currency: Currency) -> Vec<Step> {
    let runs = pairs.replication_count() as f64;
    let step = |part: Part| {
        let shares = pairs.replications().flatten().filter_map(|cohort| cohort.waterfall.get(part.name()));
        let (consumers, nanos) =
            shares.fold((0, 0), |(consumers, nanos), share| (consumers + share.consumers, nanos + share.earned.0));
        let earned = nanos as f64 / runs / currency.scale as f64;
        Step { part: part.name(), consumers: consumers as f64 / runs, earned, nanos }
    };
    Part::ALL.into_iter().map(step).filter(|step| step.consumers > 0.0).collect()
}

/// The most affected over all cohorts of replication 0: by the amount, by the refusals, by who they are.
fn affected(pairs: &Paired, sides: [&Told; 2], currency: Currency) -> Vec<Case> {
    let listed = pairs.cohorts.iter().enumerate();
    let mut all: Vec<(usize, &Affected)> =
        listed.flat_map(|(place, cohort)| cohort.affected.iter().map(move |one| (place, one))).collect();
    all.sort_by_key(|(place, one)| {
        let refused = one.base_refused.abs_diff(one.variant_refused);
        (std::cmp::Reverse((one.difference().unsigned_abs(), refused)), *place, one.index)
    });
    all.truncate(AFFECTED_MOST);
    let major = |nanos: i128| nanos as f64 / currency.scale as f64;
    let case = |(place, one): (usize, &Affected)| {
        let consumer = format!("{}/{}", pairs.cohorts[place].cohort, one.index);
        let is_in = [one.base_earned.is_some(), one.variant_earned.is_some()];
        let told = sides.iter().zip(is_in).filter(|(_, is_in)| *is_in);
        Case {
            part: one.part.clone(),
            base: one.base_earned.map(|nanos| major(nanos.0)),
            variant: one.variant_earned.map(|nanos| major(nanos.0)),
            difference: major(one.difference()),
            refused: [one.base_refused, one.variant_refused],
            explain: told.map(|(side, _)| format!("farebox explain {} --consumer {consumer}", side.explain)).collect(),
            nanos: [one.base_earned.map(|nanos| nanos.0), one.variant_earned.map(|nanos| nanos.0)],
            consumer,
        }
    };
    all.into_iter().map(case).collect()
}
