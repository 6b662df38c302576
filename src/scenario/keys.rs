//! The table of keys: the whole language in one place. The reader walks it, defaults come from it, and the JSON Schema
//! is generated from it, so the three cannot disagree.
//!
//! Keys of the language whose effect is not built yet are here too, as [`Shape::Planned`]: they are refused by name, but
//! for values that ask for nothing.

use farebox_engine::model::METERS_MAX;

use self::Presence::{Default, Optional, Required};
use self::Shape::{List as ListOf, Map, One, OneOrMap, Planned};
use super::limit;
use super::unit::{Bounds, Choice, Least, Unit};

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
    /// Part of the language, not of this version: only these values, which ask for nothing, are accepted.
    Planned(&'static [&'static str]),
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
    pub(super) shape: Shape,
    pub(super) size: Size,
}

/// How many there may be, and what they are called when there are others.
#[derive(Debug)]
pub(super) struct Size {
    pub(super) noun: &'static str,
    pub(super) least: usize,
    pub(super) most: usize,
}

/// What several keys of a map owe each other.
#[derive(Debug)]
pub(super) enum Rule {
    /// One of these is there, and only one; the text helps where none is.
    ExactlyOne(&'static [&'static str], &'static str),
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
    Key { name, doc, shape, presence }
}

const fn planned(name: &'static str, idle: &'static [&'static str], doc: &'static str) -> Key {
    Key { name, doc, shape: Planned(idle), presence: Optional }
}

const fn keys(keys: &'static [Key]) -> Table {
    Table { keys, named: None, rules: &[] }
}

const fn named(doc: &'static str, shape: Shape, size: Size) -> Table {
    Table { keys: &[], named: Some(Named { doc, shape, size }), rules: &[] }
}

const fn sized(noun: &'static str, least: usize, most: usize) -> Size {
    Size { noun, least, most }
}

const fn quantity(least: u64, most: u64) -> Shape {
    One(Unit::Quantity(Bounds { least, most }))
}

const DURATION: Unit = Unit::Duration(Least::Zero);
const DURATION_ABOVE_ZERO: Unit = Unit::Duration(Least::AboveZero);

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
    key("start", Default("2026-01-01"), One(Unit::Date), "The day on which it starts, at midnight UTC."),
    key(
        "horizon",
        Required,
        One(Unit::Horizon),
        "How long the simulation runs, ten years at most; `1mo` and `1y` are counted on the calendar from `start`.",
    ),
    key(
        "meters",
        Default("{}"),
        Map(&METERS),
        "What is counted beside requests; the meter `requests` is always there.",
    ),
    key("plans", Required, Map(&PLANS), "The plans that consumers subscribe to."),
    key("consumers", Required, Map(&CONSUMERS), "The cohorts of consumers."),
    key(
        "upstreams",
        Default("{ api: { latency: { p50: 30ms, p99: 250ms } } }"),
        Map(&UPSTREAMS),
        "The service behind the gateway.",
    ),
    key("payments", Default("{}"), Map(&PAYMENTS), "How invoices are paid."),
    key(
        "live",
        Default("{}"),
        Map(&LIVE),
        "How `load` and `run` play the scenario on real sockets; `simulate` passes over it.",
    ),
    key("gateway", Default("{}"), Map(&GATEWAY), "How the gateway enforces the plans."),
    planned("replications", &["1"], "Independent repeats, for the intervals."),
    planned("routes", &[], "Routes, their upstreams and their attributes."),
    planned("faults", &[], "What breaks, when and for how long."),
    planned("changes", &[], "Price and plan changes inside the run."),
    planned("thresholds", &[], "What must hold for the run to pass."),
    planned("variants", &[], "Overlays on this file, to compare."),
]);

static METERS: Table = named(
    "A meter: the sum of attributes of the calls.",
    Map(&METER),
    sized("meters beside `requests`", 0, METERS_MAX - 1),
);

static METER: Table = keys(&[key(
    "sum",
    Required,
    ListOf(&List { item: One(Unit::Name), size: sized("attributes", 1, 16) }),
    "The attributes that it adds up.",
)]);

// === Plans ===

static PLANS: Table = named("A plan.", Map(&PLAN), sized("plans", 1, limit::NAMES));

static PLAN: Table = Table {
    keys: &[
        key("fee", Optional, One(Unit::Fee), "The recurring fee, billed in advance: `$49/month`."),
        key("includes", Optional, Map(&INCLUDES), "What a period includes, by meter."),
        key(
            "past_allowance",
            Optional,
            One(Unit::Choice(&PAST_ALLOWANCE)),
            "What happens to calls past the allowance; required with `includes`.",
        ),
        key("limits", Default("[]"), ListOf(&List { item: Map(&LIMIT), size: sized("limits", 0, 1) }), "Rate limits."),
        key("prepaid", Optional, Map(&PREPAID), "Makes the plan prepaid: calls are paid from credit."),
        key("prices", Optional, Map(&PRICES), "What a unit of a meter costs in prepaid credit."),
        key(
            "grace",
            Default("0s"),
            One(DURATION),
            "How long calls are still served after the first failed attempt to charge an invoice.",
        ),
        planned("trial", &["0d", "0s"], "A free start."),
        planned("rollover", &[], "Unused allowance carried over."),
        planned("overage", &[], "Prices past the allowance."),
        planned("spend_cap", &[], "The most that usage may cost per month."),
        planned("minimum", &["$0/month"], "A minimum commit."),
    ],
    named: None,
    rules: &[
        Rule::Needs("includes", "past_allowance", "write `past_allowance: block`"),
        Rule::Needs(
            "past_allowance",
            "includes",
            "write what the plan includes, such as `includes: { requests: 10k/month }`",
        ),
    ],
};

static PAST_ALLOWANCE: Choice = Choice { now: &["block"], planned: &["overage", "{throttle}"] };

static INCLUDES: Table = named(
    "Units per period; without `/day`, `/month` or `/year`, per the fee's.",
    One(Unit::Allowance),
    sized("meters", 1, METERS_MAX),
);

static LIMIT: Table = keys(&[
    key("requests", Required, One(Unit::Rate), "How fast requests may come."),
    key("kind", Required, One(Unit::Choice(&LIMIT_KIND)), "How it is counted."),
    key(
        "burst",
        Optional,
        quantity(1, 1_000_000_000),
        "How many may come at once; by default what a second refills, rounded up.",
    ),
]);

static LIMIT_KIND: Choice =
    Choice { now: &["token_bucket"], planned: &["fixed_window", "sliding_window", "leaky_bucket", "concurrency"] };

static PREPAID: Table = keys(&[
    key("opening", Required, One(Unit::Money), "Credit granted at the start; nobody paid for it."),
    planned("auto_top_up", &[], "Credit bought when it runs low."),
    planned("credits_expire", &[], "How long credit lasts."),
    planned("paid", &["false"], "Whether the opening credit was paid for."),
]);

static PRICES: Table = named(
    "The price of a unit, `$0.001`, or of many, `$2.50 per 1M`; linear.",
    OneOrMap(Unit::Price, &PRICE_MODEL),
    sized("meters", 1, METERS_MAX),
);

static PRICE_MODEL: Table = keys(&[
    planned("package", &[], "How many units a package has."),
    planned("price", &[], "What a package costs."),
    planned("graduated", &[], "Tiers that price the units inside of them."),
    planned("volume", &[], "Tiers that price all units."),
    planned("stairstep", &[], "Tiers with one price each."),
]);

// === Consumers ===

static CONSUMERS: Table = named("A cohort of alike consumers.", Map(&COHORT), sized("cohorts", 1, limit::NAMES));

static COHORT: Table = keys(&[
    key("count", Required, quantity(1, limit::CONSUMERS), "How many consumers it has."),
    key("plan", Required, One(Unit::Name), "The plan that they are on."),
    key("traffic", Required, Map(&TRAFFIC), "When they call."),
    key("payment", Default("{}"), Map(&PAYMENT), "How they pay."),
    key(
        "joined",
        Default("spread"),
        One(Unit::Choice(&JOINED)),
        "When they subscribed: spread evenly over the billing period before the start.",
    ),
    planned("time_zone", &["UTC"], "Where they live."),
    planned("churn", &["0%/month"], "How many leave by themselves."),
    planned("discount", &[], "What they pay less, and for how long."),
    planned("client", &[], "What their software does with a refusal."),
    planned("reacts", &[], "What they do about it."),
]);

static JOINED: Choice = Choice { now: &["spread"], planned: &["start", "{signups}"] };

static TRAFFIC: Table = Table {
    keys: &[
        key(
            "rate",
            Optional,
            OneOrMap(Unit::Rate, &RATE_SPREAD),
            "Calls of one consumer, at random (Poisson): `400/day`.",
        ),
        key(
            "trace",
            Optional,
            One(Unit::Text),
            "Recorded calls: a CSV file beside the scenario, whose first row is the start.",
        ),
        key("columns", Optional, Map(&COLUMNS), "Which columns of the trace are what."),
        planned("shape", &[], "How the rate follows the hours and the days."),
        planned("arrivals", &["poisson"], "How calls follow each other."),
        planned("routes", &[], "Which routes they call."),
        planned("map", &[], "How rows are spread over consumers."),
        planned("repeat", &["false"], "Whether a trace starts again at its end."),
    ],
    named: None,
    rules: &[
        Rule::ExactlyOne(&["rate", "trace"], "write how often one consumer calls, such as `rate: 400/day`"),
        Rule::Needs("trace", "columns", "name the column of the times, such as `columns: { time: TIMESTAMP }`"),
        Rule::Needs("columns", "trace", "name the file of the trace, such as `trace: calls.csv`"),
    ],
};

static RATE_SPREAD: Table = keys(&[
    planned("p50", &[], "The median rate of the cohort."),
    planned("p95", &[], "The rate that 5% of the cohort exceed."),
    planned("p99", &[], "The rate that 1% of the cohort exceed."),
]);

static COLUMNS: Table = Table {
    keys: &[
        key(
            "time",
            Required,
            One(Unit::Text),
            "The column of the times: RFC 3339, `YYYY-MM-DD HH:MM:SS`, or seconds since 1970; UTC unless they say otherwise.",
        ),
        key(
            "consumer",
            Optional,
            One(Unit::Text),
            "The column that says who called; without it, rows are drawn for consumers.",
        ),
    ],
    named: Some(Named {
        doc: "The column of an attribute: whole numbers.",
        shape: One(Unit::Text),
        size: sized("attributes", 0, 16),
    }),
    rules: &[],
};

static PAYMENT: Table = keys(&[key("card", Default("{}"), OneOrMap(Unit::Choice(&CARD_PRESET), &CARD), "Their card.")]);

static CARD_PRESET: Choice = Choice { now: &[], planned: &["typical"] };

static CARD: Table = keys(&[key(
    "declines",
    Default("0%"),
    One(Unit::Chance),
    "The chance that an attempt to charge it is declined, each attempt on its own.",
)]);

// === The world around ===

static UPSTREAMS: Table = named("An upstream service.", Map(&UPSTREAM), sized("upstreams", 1, 1));

static UPSTREAM: Table = keys(&[
    key(
        "latency",
        Required,
        OneOrMap(DURATION, &LATENCY),
        "How long it takes to answer: always the same, or log-normal through two points.",
    ),
    planned("errors", &["0%"], "How often it fails."),
    planned("capacity", &[], "How many calls it handles at once."),
    planned("calls", &[], "Upstreams that it calls in turn."),
    planned("preset", &[], "A kind of service."),
    planned("first_token", &[], "How long the first token takes."),
    planned("tokens_per_second", &[], "How fast tokens follow."),
    planned("streaming", &["false"], "Whether it streams."),
    planned("cost", &[], "What its answers cost to make."),
]);

static LATENCY: Table = Table {
    keys: &[
        key("p50", Required, One(DURATION_ABOVE_ZERO), "The median."),
        key("p95", Optional, One(DURATION_ABOVE_ZERO), "What 5% exceed."),
        key("p99", Optional, One(DURATION_ABOVE_ZERO), "What 1% exceed."),
        planned("exponential", &[], "The mean of an exponential distribution."),
        planned("uniform", &[], "The ends of a uniform distribution."),
        planned("pareto", &[], "A Pareto distribution."),
        planned("gamma", &[], "A gamma distribution."),
        planned("file", &[], "Measured values."),
    ],
    named: None,
    rules: &[Rule::ExactlyOne(
        &["p95", "p99"],
        "a distribution needs its second point: write `p99`, or one value in place of the map",
    )],
};

static PAYMENTS: Table = keys(&[
    key("dunning", Default("{}"), Map(&DUNNING), "What happens after a declined renewal."),
    key("processor", Default("{}"), Map(&PROCESSOR), "The payment processor."),
    key("webhooks", Default("{}"), Map(&WEBHOOKS), "How its messages arrive."),
    key("fees", Default("{}"), Map(&FEES), "What it charges."),
    planned("refunds", &["0%"], "How many payments are refunded."),
    planned("chargebacks", &["0%"], "How many payments are charged back."),
]);

static DUNNING: Table = keys(&[
    key(
        "retries",
        Default("[3d, 5d, 7d]"),
        ListOf(&List { item: One(DURATION_ABOVE_ZERO), size: sized("retries", 0, 50) }),
        "Gaps, each from the failed attempt before: `[3d, 5d, 7d]` tries on days 3, 8 and 15.",
    ),
    key("finally", Default("cancel"), One(Unit::Choice(&FINALLY)), "What happens when the last retry has failed."),
    planned("on_hard_decline", &["stop"], "What a decline that will not change does."),
    planned("on_new_card", &["retry"], "What a new card does."),
]);

static FINALLY: Choice = Choice { now: &["cancel", "unpaid", "keep"], planned: &[] };

static PROCESSOR: Table = keys(&[
    planned("latency", &["0ms", "0s"], "How long a charge takes."),
    planned("errors", &["0%"], "How often it fails."),
]);

static WEBHOOKS: Table = keys(&[
    planned("delay", &["0ms", "0s"], "How late they come."),
    planned("duplicate", &["0%"], "How many come twice."),
    planned("reorder", &["0%"], "How many overtake another."),
    planned("lose", &["0%"], "How many never come."),
]);

static FEES: Table = keys(&[
    planned("success", &["$0"], "For a payment."),
    planned("decline", &["$0"], "For a declined attempt."),
    planned("excess_retry", &["$0"], "For a retry past the network's limits."),
]);

static GATEWAY: Table = keys(&[
    planned("spend_control", &["reserve"], "Whether credit is held before a call, or subtracted after it."),
    planned("on_client_abort", &["settle"], "What a call costs whose client has gone."),
    planned("nodes", &["1"], "How many nodes it has."),
    planned("counters", &["exact"], "How its nodes share what they count."),
    planned("entitlement_cache", &["0s"], "How long it remembers who may call."),
    planned("when_billing_down", &["closed"], "What it does when billing does not answer."),
    planned("dialect", &["problem"], "How a refusal is written."),
    planned("refusals", &[], "Other statuses for causes of refusal."),
]);

static LIVE: Table = keys(&[
    key(
        "rate",
        Default("1k/s"),
        One(Unit::Rate),
        "Calls of all consumers together; their own arrivals are scaled to it.",
    ),
    key("duration", Default("10s"), One(DURATION_ABOVE_ZERO), "How long the load runs."),
    key(
        "clock",
        Optional,
        One(Unit::Clock),
        "How fast the billing clock runs, `1h per 1s`; by default at the pace of the scaled arrivals.",
    ),
    key("connections", Default("64"), quantity(1, 65_535), "Connections to the gateway at most."),
    key("in_flight", Default("{}"), Map(&IN_FLIGHT), "What happens when the gateway falls behind."),
    planned("warm_up", &["0s"], "What is not measured at the start."),
]);

static IN_FLIGHT: Table = keys(&[
    key("at_most", Default("4k"), quantity(1, 1_000_000), "Calls in flight at most."),
    key(
        "beyond",
        Default("drop"),
        One(Unit::Choice(&BEYOND)),
        "What happens to calls beyond that: they are dropped, and counted.",
    ),
]);

static BEYOND: Choice = Choice { now: &["drop"], planned: &[] };
