//! The table of keys: the whole language in one place. The reader walks it, defaults come from it, and the JSON Schema
//! is generated from it, so the three cannot disagree.
//!
//! Every key has its real shape, also where its effect is not built yet: such a key has *idle* values, which ask for
//! nothing, and any other value is read, checked, and then said to be unsupported.

mod cohort;
mod distribution;
mod gateway;
mod live;
mod payments;
mod plan;
#[cfg(test)]
pub(super) mod walk;

use farebox_engine::model::METERS_MAX;

use self::Presence::{Default, Optional, Required};
use self::Shape::{List as ListOf, Map, One, OneOrMap, Overlay};
#[cfg(test)]
pub(super) use self::cohort::CLIENT;
pub(super) use self::gateway::{CHAT_FIRST_TOKEN_MS, CHAT_TOKENS_PER_SECOND};
pub(super) use self::payments::{CHARGEBACK_AFTER, REFUND_AFTER};
pub(super) use self::plan::PLAN;
use super::limit;
use super::unit::{Bounds, Least, Unit};

/// The keys of a map.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) keys: &'static [Key],
    /// Keys that the user names, where there are any.
    pub(super) named: Option<Named>,
    pub(super) rules: &'static [Rule],
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// What it is for, as editors show it.
    pub(super) doc: &'static str,
    pub(super) shape: Shape,
    pub(super) presence: Presence,
    /// Of a key whose effect is not built yet, the values that ask for nothing; empty lists and maps always do.
    pub(super) idle: Option<&'static [&'static str]>,
}

/// Whether a key must be there.
#[derive(Debug)]
pub(super) enum Presence {
    Required,
    Optional,
    /// This YAML, when it is left out.
    Default(&'static str),
}

/// What stands behind a key.
#[derive(Debug)]
pub(super) enum Shape {
    One(Unit),
    List(&'static List),
    Map(&'static Table),
    /// A single value, or the map in its place.
    OneOrMap(Unit, &'static Table),
    /// What differs from a map of this table: it is read once it is merged onto one.
    Overlay(&'static Table),
}

/// A list of alike items.
#[derive(Debug)]
pub(super) struct List {
    pub(super) item: Shape,
    pub(super) size: Size,
}

/// Keys that the user names.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) doc: &'static str,
    /// What their names are.
    pub(super) name: Unit,
    pub(super) shape: Shape,
    pub(super) size: Size,
}

/// How many there may be, and what they are called when there are others.
#[derive(Debug)]
pub(super) struct Size {
    pub(super) noun: &'static str,
    pub(super) least: usize,
    pub(super) most: usize,
    /// How many have an effect in this version; more are unsupported.
    pub(super) built: usize,
}

/// What several keys of a map owe each other.
#[derive(Debug)]
pub(super) enum Rule {
    /// One of these is there, and only one; the text helps where none is.
    ExactlyOne(&'static [&'static str], &'static str),
    /// One of these is there, or several; the text helps where none is.
    AtLeastOne(&'static [&'static str], &'static str),
    /// With the first comes exactly one of the others; the text helps where none does.
    NeedsOne(&'static str, &'static [&'static str], &'static str),
    /// With the first comes the second; the text helps where it does not.
    Needs(&'static str, &'static str, &'static str),
}

impl Table {
    /// The key of this name.
    pub(super) fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

// === Writing the table ===

const fn key(name: &'static str, presence: Presence, shape: Shape, doc: &'static str) -> Key {
    Key { name, doc, shape, presence, idle: None }
}

/// A key without an effect yet; the first of its idle values is the default.
const fn planned(name: &'static str, idle: &'static [&'static str], shape: Shape, doc: &'static str) -> Key {
    let presence = match idle {
        [nothing, ..] => Default(nothing),
        [] => Optional,
    };
    Key { name, doc, shape, presence, idle: Some(idle) }
}

const fn keys(keys: &'static [Key]) -> Table {
    Table { keys, named: None, rules: &[] }
}

const fn named(doc: &'static str, name: Unit, shape: Shape, size: Size) -> Table {
    Table { keys: &[], named: Some(Named { doc, name, shape, size }), rules: &[] }
}

const fn sized(noun: &'static str, least: usize, most: usize) -> Size {
    Size { noun, least, most, built: most }
}

const fn quantity(least: u64, most: u64) -> Shape {
    One(Unit::Quantity(Bounds { least, most }))
}

const DURATION: Unit = Unit::Duration(Least::Zero);
const DURATION_ABOVE_ZERO: Unit = Unit::Duration(Least::AboveZero);
const LENGTH_ABOVE_ZERO: Unit = Unit::Length(Least::AboveZero);
const ANY: usize = limit::NAMES;

// === The scenario ===

/// The keys at the top of a scenario.
pub(super) static SCENARIO: Table = keys(&[
    key("scenario", Required, One(Unit::Name), "The scenario's name; results are kept under it."),
    key("description", Optional, One(Unit::Text), "The question that the scenario asks."),
    key(
        "seed",
        Default("1"),
        quantity(0, u64::MAX),
        "Every draw is a function of the seed: the same seed, the same result.",
    ),
    key("currency", Default("USD"), One(Unit::Currency), "The one currency of the scenario (ISO 4217)."),
    key(
        "start",
        Default("2026-01-01"),
        One(Unit::Moment),
        "The day on which it starts, at midnight UTC; or the second of it, `2026-03-01T14:23:05Z`.",
    ),
    key(
        "horizon",
        Required,
        One(LENGTH_ABOVE_ZERO),
        "How long the simulation runs, ten years at most; `1mo` and `1y` are counted on the calendar from `start`.",
    ),
    key(
        "replications",
        Default("1"),
        quantity(1, 10_000),
        "How often the simulation is repeated with other draws; from ten on, figures have intervals.",
    ),
    key(
        "meters",
        Default("{}"),
        Map(&METERS),
        "What is counted beside requests; the meter `requests` is always there.",
    ),
    key("routes", Default("{}"), Map(&ROUTES), "What can be called; without any there is one route, `/`."),
    key("plans", Required, Map(&plan::PLANS), "The plans that consumers subscribe to."),
    key("consumers", Required, Map(&cohort::CONSUMERS), "The cohorts of consumers."),
    key(
        "upstreams",
        Default("{ api: { latency: { p50: 30ms, p99: 250ms } } }"),
        Map(&gateway::UPSTREAMS),
        "The services behind the gateway; the first answers routes that name none.",
    ),
    key("gateway", Default("{}"), Map(&gateway::GATEWAY), "How the gateway enforces the plans."),
    key("payments", Default("{}"), Map(&payments::PAYMENTS), "How invoices and top-ups are paid."),
    key("faults", Default("[]"), ListOf(&gateway::FAULTS), "What breaks, when and for how long."),
    key("changes", Default("[]"), ListOf(&plan::CHANGES), "How plans change inside the run."),
    key(
        "thresholds",
        Default("[]"),
        ListOf(&List { item: One(Unit::Threshold), size: sized("thresholds", 0, ANY) }),
        "What must hold for the run to pass: `refusals{kind=billing}.rate < 0.5%`.",
    ),
    key(
        "live",
        Default("{}"),
        Map(&live::LIVE),
        "How `load` and `run` play the scenario on real sockets; `simulate` passes over it.",
    ),
    key("variants", Default("{}"), Map(&VARIANTS), "Overlays on this file, to compare."),
]);

/// The keys of a variant beside those of a scenario, which it overlays.
pub(super) const EXTENDS: &str = "extends";

static VARIANTS: Table = named(
    "A variant: what differs from the rest of the file, or from the variant that it `extends`. Maps merge, lists replace, `~` removes.",
    Unit::Name,
    Overlay(&SCENARIO),
    sized("variants", 0, 100),
);

static METERS: Table = named(
    "A meter: the sum of attributes of the calls.",
    Unit::Name,
    Map(&METER),
    sized("meters beside `requests`", 0, METERS_MAX - 1),
);

static METER: Table = keys(&[key(
    "sum",
    Required,
    ListOf(&List { item: One(Unit::Name), size: sized("attributes", 1, 16) }),
    "The attributes that it adds up.",
)]);

static ROUTES: Table = named("A route, by its path.", Unit::Path, Map(&ROUTE), sized("routes", 0, ANY));

static ROUTE: Table = keys(&[
    key("upstream", Optional, One(Unit::Name), "The upstream that answers; by default the first."),
    key("attributes", Default("{}"), Map(&ATTRIBUTES), "What its calls carry, for the meters to sum."),
]);

static ATTRIBUTES: Table = named(
    "How much each call carries: always the same, or drawn.",
    Unit::Name,
    OneOrMap(Unit::Quantity(Bounds { least: 0, most: limit::USAGE }), &distribution::AMOUNT),
    sized("attributes", 0, 16),
);
