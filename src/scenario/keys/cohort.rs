//! The keys of cohorts: who is on which plan, when they call, how they pay, what they do about a refusal.

use farebox_engine::model::Period;

use super::Presence::{Default, Optional, Required};
use super::Shape::{List as ListOf, Map, One, OneOrMap};
use super::{
    ANY, DURATION, DURATION_ABOVE_ZERO, LENGTH_ABOVE_ZERO, Least, List, Named, Rule, Table, Unit, distribution, key,
    keys, limit, named, planned, quantity, sized,
};
use crate::scenario::cause;
use crate::scenario::unit::Choice;

pub(super) static CONSUMERS: Table =
    named("A cohort of alike consumers.", Unit::Name, Map(&COHORT), sized("cohorts", 1, ANY));

static COHORT: Table = keys(&[
    key(
        "count",
        Required,
        quantity(1, limit::CONSUMERS),
        "How many consumers it has; of those who sign up, how many at most.",
    ),
    key("plan", Required, One(Unit::Name), "The plan that they are on."),
    key("time_zone", Default("UTC"), One(Unit::Zone), "Where they live: their months are counted on its calendar."),
    key(
        "joined",
        Default("spread"),
        OneOrMap(Unit::Choice(&JOINED), &SIGNUPS),
        "When they subscribed: all at the start, spread evenly over the billing period before it, or one after the other.",
    ),
    key("churn", Default("0%/month"), One(Unit::ChancePerMonth), "How many leave by themselves."),
    key("discount", Optional, Map(&DISCOUNT), "What they pay less, and for how long."),
    key("traffic", Required, Map(&TRAFFIC), "When they call."),
    planned(
        "client",
        &["none"],
        OneOrMap(Unit::Choice(&CLIENT_PRESET), &CLIENT),
        "What their software does with a refusal.",
    ),
    key("payment", Default("{}"), OneOrMap(Unit::Choice(&PAYMENT_NONE), &PAYMENT), "How they pay."),
    key(
        "reacts",
        Default("[]"),
        ListOf(&List { item: Map(&REACTION), size: sized("reactions", 0, 16) }),
        "What they do about refusals.",
    ),
]);

static JOINED: Choice = Choice::of(&["start", "spread"]);

static SIGNUPS: Table =
    keys(&[key("signups", Required, One(Unit::Frequency), "How many subscribe on average: `40/month`.")]);

static DISCOUNT: Table = keys(&[
    key("off", Required, One(Unit::Share), "The share that is taken off fees and usage."),
    key("for", Optional, One(LENGTH_ABOVE_ZERO), "How long after they subscribed; by default for ever."),
]);

// === Traffic ===

static TRAFFIC: Table = Table {
    keys: &[
        key(
            "rate",
            Optional,
            OneOrMap(Unit::Rate, &distribution::RATE),
            "Calls of one consumer, at random: `400/day`; a distribution spreads the rate over the cohort.",
        ),
        planned(
            "shape",
            &["flat"],
            OneOrMap(Unit::Choice(&DAY_SHAPE), &WEIGHTS),
            "How the rate follows hours and days.",
        ),
        planned(
            "arrivals",
            &["poisson"],
            OneOrMap(Unit::Choice(&ARRIVALS), &BURSTY_MAP),
            "How calls follow each other.",
        ),
        key("routes", Optional, Map(&MIX), "Which routes they call; by default all of them evenly."),
        key(
            "trace",
            Optional,
            One(Unit::Text),
            "Recorded calls: a CSV file beside the scenario, whose first row is the start.",
        ),
        key("columns", Optional, Map(&COLUMNS), "Which columns of the trace are what."),
        planned("map", &["even"], One(Unit::Spread), "How rows are spread over consumers: `even`, or `zipf(1.0)`."),
        planned("repeat", &["false"], One(Unit::Bool), "Whether a trace starts again at its end."),
    ],
    named: None,
    rules: &[
        Rule::ExactlyOne(&["rate", "trace"], "write how often one consumer calls, such as `rate: 400/day`"),
        Rule::Needs("trace", "columns", "name the column of the times, such as `columns: { time: TIMESTAMP }`"),
        Rule::Needs("columns", "trace", "name the file of the trace, such as `trace: calls.csv`"),
    ],
};

static DAY_SHAPE: Choice = Choice::of(&["flat", "office_hours", "evenings", "weekends"]);

static WEIGHTS: Table = Table {
    keys: &[
        key(
            "hours",
            Optional,
            ListOf(&List { item: One(WEIGHT), size: sized("weights", 24, 24) }),
            "From midnight on.",
        ),
        key("weekdays", Optional, ListOf(&List { item: One(WEIGHT), size: sized("weights", 7, 7) }), "From Monday on."),
    ],
    named: None,
    rules: &[Rule::AtLeastOne(&["hours", "weekdays"], "write 24 weights of `hours`, or 7 of `weekdays`")],
};

const WEIGHT: Unit = Unit::Number(Least::Zero);

static ARRIVALS: Choice = Choice::of(&["poisson", "constant"]);

static BURSTY_MAP: Table = keys(&[key("bursty", Required, Map(&BURSTY), "Bursts with pauses between them.")]);

static BURSTY: Table = keys(&[
    key("burst", Required, One(DURATION_ABOVE_ZERO), "How long a burst takes on average."),
    key("pause", Required, One(DURATION_ABOVE_ZERO), "How long a pause takes on average."),
]);

static MIX: Table =
    named("The share of calls; all of them sum to 100%.", Unit::Path, One(Unit::Share), sized("routes", 1, ANY));

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
        name: Unit::Name,
        shape: One(Unit::Text),
        size: sized("attributes", 0, 16),
    }),
    rules: &[],
};

// === Client ===

static CLIENT_PRESET: Choice = Choice::of(&[
    "none",
    "openai-python",
    "anthropic-python",
    "stripe",
    "aws-standard",
    "vercel-ai",
    "langchain",
    "urllib3",
    "reqwest-retry",
    "axios-retry",
    "go-retryablehttp",
]);

static CLIENT: Table = keys(&[
    key("retries", Required, quantity(0, 100), "How often it tries again."),
    key(
        "retry_on",
        Default("[429, 500, 502, 503, 504]"),
        ListOf(&List { item: quantity(400, 599), size: sized("statuses", 0, 200) }),
        "The statuses that it tries again on.",
    ),
    key("delay", Default("500ms"), One(DURATION), "How long it waits before the first retry."),
    key("factor", Default("2"), One(Unit::Number(Least::AboveZero)), "How much longer before each further one."),
    key("longest", Default("8s"), One(DURATION), "How long it waits at most."),
    key("jitter", Default("none"), One(Unit::Choice(&JITTER)), "How the wait is randomised."),
    key("retry_after", Default("honour"), One(Unit::Choice(&RETRY_AFTER)), "What it does with `Retry-After`."),
    key("on_402", Default("fail"), One(Unit::Choice(&ON_402)), "What it does when payment is required."),
]);

static JITTER: Choice = Choice::of(&["none", "full", "equal"]);
static RETRY_AFTER: Choice = Choice::of(&["honour", "ignore"]);
static ON_402: Choice =
    Choice::of(&["fail", "wait_retry_after", "pay_once", "top_up_then_retry", "shrink", "fallback"]);

// === Payment ===

static PAYMENT_NONE: Choice = Choice::of(&["none"]);

static PAYMENT: Table = keys(&[
    key(
        "card",
        Default("{}"),
        OneOrMap(Unit::Choice(&CARD_PRESET), &CARD),
        "Their card: a preset or written out. Of first attempts, `healthy` has 2.5% declined: 1% at random (10% of them hard), 1.15% without money (broke 13d, funded 1117d), the rest on cards that ended (lasts 4y, updater 80%). `typical` has 5%: 1.95% at random (10% hard), 2.3% without money (broke 14d, funded 595d), lasts 40mo, updater 70%. `consumer` has 15%: 5.85% at random (10% hard), 6.9% without money (broke 22d, funded 297d), lasts 3y, updater 20%.",
    ),
    planned("wallet", &[], Map(&WALLET), "A wallet that pays for single calls."),
]);

/// The presets of [`CARD`]; their numbers are in the lowering, and in the doc of `card`.
static CARD_PRESET: Choice = Choice::of(&["healthy", "typical", "consumer"]);

static CARD: Table = Table {
    keys: &[
        key(
            "declines",
            Default("0%"),
            One(Unit::Chance),
            "The chance that an attempt to charge it is declined whatever its state, each attempt on its own.",
        ),
        key("hard", Default("0%"), One(Unit::Chance), "The share of those declines after which it never pays again."),
        key("broke", Optional, One(DURATION_ABOVE_ZERO), "How long there is no money behind it, on average."),
        key("funded", Optional, One(DURATION_ABOVE_ZERO), "How long there is money behind it, on average."),
        key(
            "lasts",
            Optional,
            One(LENGTH_ABOVE_ZERO),
            "How long it works before it expires or is lost, on average; by default for ever.",
        ),
        key(
            "updater",
            Default("0%"),
            One(Unit::Chance),
            "The chance that the network hands over the new card when one ends.",
        ),
    ],
    named: None,
    rules: &[
        Rule::Needs("broke", "funded", "write how long there is money, such as `funded: 300d`"),
        Rule::Needs("funded", "broke", "write how long there is none, such as `broke: 10d`"),
    ],
};

static WALLET: Table = keys(&[key("balance", Required, One(Unit::Money), "What is in it at the start.")]);

// === Reactions ===

static REACTION: Table = keys(&[
    key("when", Required, One(Unit::Choice(&WHEN)), "The cause of a refusal; or `refused`, with `more_than`."),
    key(
        "more_than",
        Optional,
        One(Unit::CountPer(Period::Day)),
        "How many refusals of a day are put up with: `500/day`.",
    ),
    key("do", Required, One(Unit::Choice(&ACT)), "What they do, once per cause and billing period."),
    key("to", Optional, One(Unit::Name), "The plan that they go to, of `upgrade` and `downgrade`."),
    key("amount", Optional, One(Unit::Money), "How much credit they buy, of `top_up`."),
    key("chance", Default("100%"), One(Unit::Chance), "How likely they do it at all."),
    key("after", Default("0s"), OneOrMap(DURATION, &distribution::TIME), "How long after the refusal."),
]);

static WHEN: Choice = Choice::of(cause::WHEN);

static ACT: Choice = Choice {
    words: &["upgrade", "downgrade", "fix_card", "top_up", "churn", "slow_down"],
    unsupported: &["slow_down"],
};
