//! The keys of cohorts: who is on which plan, when they call, how they pay, what they do about a refusal.

use farebox_engine::model::{Client, Period, Retry, Sessions};

use super::Presence::{Default, Optional, Required};
use super::Shape::{List as ListOf, Map, One, OneOrMap};
use super::{
    ANY, Bounds, DURATION, DURATION_ABOVE_ZERO, LENGTH_ABOVE_ZERO, Least, List, Named, Rule, Table, Unit, distribution,
    key, keys, limit, named, quantity, sized,
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
    key(
        "client",
        Default("none"),
        OneOrMap(Unit::Choice(&CLIENT_PRESET), &CLIENT),
        "What their software does with a failed call: a library's own rule, or written out.",
    ),
    key("payment", Default("{}"), OneOrMap(Unit::Choice(&PAYMENT_NONE), &PAYMENT), "How they pay."),
    key(
        "reacts",
        Default("[]"),
        ListOf(&List { item: Map(&REACTION), size: sized("reactions", 0, 16) }),
        "What they do about refusals and reminders.",
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
            "Calls of one consumer on average: `400/day`; a distribution spreads the rate over the cohort.",
        ),
        key(
            "shape",
            Default("flat"),
            OneOrMap(Unit::Choice(&DAY_SHAPE), &WEIGHTS),
            "How the rate follows the hours of the week by their clocks: a preset or written out. Over a week it is `rate` on average. `office_hours`: from 8 to 18 o'clock ten times as many calls as in the other hours, on Saturdays and Sundays a fifth of that in every hour. `evenings`: from 18 to 23 o'clock four times as many. `weekends`: on Saturdays and Sundays three times as many.",
        ),
        key(
            "arrivals",
            Default("poisson"),
            OneOrMap(Unit::Choice(&ARRIVALS), &ARRIVALS_MAP),
            "How the calls of one consumer follow each other: at random (`poisson`), evenly spaced from a moment on that is drawn for each consumer (`constant`), in bursts, or in sessions. With a `shape`, gaps, bursts and pauses are as much shorter as the rate is higher; think times are not.",
        ),
        key("routes", Optional, Map(&MIX), "Which routes they call; by default all of them evenly."),
        key(
            "trace",
            Optional,
            One(Unit::Text),
            "Recorded calls: a CSV file beside the scenario, plain or packed with gzip, whose first row is the start.",
        ),
        key("columns", Optional, Map(&COLUMNS), "Which columns of the trace are what."),
        key(
            "map",
            Default("even"),
            One(Unit::Spread),
            "How rows are spread over consumers: `even`, or `zipf(1.0)`, by which the k-th consumer is drawn with the weight 1/k to the power of 1.0.",
        ),
        key(
            "repeat",
            Default("false"),
            One(Unit::Bool),
            "Whether a trace shorter than the horizon starts again: one mean gap between rows after its last.",
        ),
    ],
    named: None,
    rules: &[
        Rule::ExactlyOne(&["rate", "trace"], "write how often one consumer calls, such as `rate: 400/day`"),
        Rule::Needs("trace", "columns", "name the column of the times, such as `columns: { time: TIMESTAMP }`"),
        Rule::Needs("columns", "trace", "name the file of the trace, such as `trace: calls.csv`"),
        Rule::Needs("shape", "rate", "write how often one consumer calls; the times of a trace are its own"),
        Rule::Needs("arrivals", "rate", "write how often one consumer calls; the times of a trace are its own"),
        Rule::Needs("map", "trace", "leave it out: it is about the rows of a trace"),
        Rule::Needs("repeat", "trace", "leave it out: it is about the rows of a trace"),
    ],
};

static DAY_SHAPE: Choice = Choice::of(&["flat", "office_hours", "evenings", "weekends"]);

static WEIGHTS: Table = Table {
    keys: &[
        key(
            "hours",
            Optional,
            ListOf(&List { item: One(WEIGHT), size: sized("weights", 24, 24) }),
            "The weights of the hours of a day, from midnight on: how many calls are made in each, compared with the others. By default all are alike.",
        ),
        key(
            "weekdays",
            Optional,
            ListOf(&List { item: One(WEIGHT), size: sized("weights", 7, 7) }),
            "The weights of the days of a week, from Monday on. By default all are alike.",
        ),
    ],
    named: None,
    rules: &[Rule::AtLeastOne(&["hours", "weekdays"], "write 24 weights of `hours`, or 7 of `weekdays`")],
};

const WEIGHT: Unit = Unit::Number(Least::Zero);

static ARRIVALS: Choice = Choice::of(&["poisson", "constant"]);

static ARRIVALS_MAP: Table = Table {
    keys: &[
        key(
            "bursty",
            Optional,
            Map(&BURSTY),
            "An interrupted Poisson process: bursts and pauses follow each other, of exponential lengths; in a burst calls come at random, so often that the long-run mean is `rate`.",
        ),
        key(
            "sessions",
            Optional,
            Map(&SESSIONS),
            "Sessions begin at random, so often that the calls of all of them are `rate` on average; each next call of one is made a think time after the answer to the one before it, be that a refusal or an error.",
        ),
    ],
    named: None,
    rules: &[Rule::ExactlyOne(
        &["bursty", "sessions"],
        "write how calls follow each other, such as `sessions: { calls: 6, think: 4s }`",
    )],
};

static BURSTY: Table = keys(&[
    key("burst", Required, One(DURATION_ABOVE_ZERO), "How long a burst takes on average."),
    key("pause", Required, One(DURATION_ABOVE_ZERO), "How long a pause takes on average."),
]);

static SESSIONS: Table = keys(&[
    key(
        "calls",
        Required,
        OneOrMap(Unit::Quantity(Bounds { least: 1, most: Sessions::MOST }), &distribution::CALLS),
        "How many calls a session has: always as many, or drawn, then rounded down, and 1,000 at most.",
    ),
    key(
        "think",
        Required,
        OneOrMap(DURATION, &distribution::TIME),
        "How long after the answer to a call the next one is made; after the last answer, where the call was tried again.",
    ),
]);

static MIX: Table =
    named("The share of calls; all of them sum to 100%.", Unit::Path, One(Unit::Share), sized("routes", 1, ANY));

static COLUMNS: Table = Table {
    keys: &[
        key(
            "time",
            Required,
            One(Unit::Text),
            "The column of the times: RFC 3339, `YYYY-MM-DD HH:MM:SS`, or seconds or milliseconds since 1970; UTC unless they say otherwise.",
        ),
        key(
            "consumer",
            Optional,
            One(Unit::Text),
            "The column that says who called; without it, rows are drawn for consumers.",
        ),
        key(
            "route",
            Optional,
            One(Unit::Text),
            "The column of the paths: each is for the route that it is, or the longest one that it begins with; without it, `routes` says the mix.",
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

static CLIENT_PRESET: Choice = Choice::of(&Client::PRESETS);

pub(in crate::scenario) static CLIENT: Table = Table {
    keys: &[
        key("method", Default("POST"), One(Unit::Choice(&METHOD)), "The method of its calls; GET is idempotent."),
        key(
            "retry_on",
            Default("[connection, 408, 429, 5xx]"),
            ListOf(&FAILURES),
            "The failures that it tries again on: statuses, `4xx` and `5xx` for all of a class, `connection` for no answer. What it does with 402 is `on_402`'s to say.",
        ),
        key("never_on", Default("[]"), ListOf(&FAILURES), "Failures that are taken out of `retry_on`."),
        key(
            "only_idempotent",
            Default("[]"),
            ListOf(&FAILURES),
            "Failures that it tries again on only where the method is GET.",
        ),
        key(
            "only_with_retry_after",
            Default("[]"),
            ListOf(&FAILURES),
            "Failures that it tries again on only where the answer carries a `Retry-After`, be it zero.",
        ),
        key(
            "attempts",
            Optional,
            quantity(1, Retry::ATTEMPTS_MAX as u64),
            "How many attempts it makes, the first included; by default as many as `give_up_after` allows, 10,000 at most, and without that one.",
        ),
        key(
            "give_up_after",
            Optional,
            One(DURATION_ABOVE_ZERO),
            "It makes no attempt that would begin later than this after the first.",
        ),
        key(
            "timeout",
            Optional,
            One(DURATION_ABOVE_ZERO),
            "How long it waits for an answer, from the start of an attempt to the last byte; then it closes the connection, which is a `connection` failure to it. What that costs is `on_client_abort`'s to say. By default for ever, as the presets do.",
        ),
        key(
            "delay",
            Default("{ base: 500ms, max: 8s, jitter: full }"),
            OneOrMap(DURATION, &DELAY),
            "How long it waits between an answer and its next attempt: always the same, or longer each time.",
        ),
        key(
            "retry_after",
            Default("honour"),
            OneOrMap(Unit::Choice(&RETRY_AFTER), &RETRY_AFTER_RULE),
            "What it does with `Retry-After`; a zero there leaves the wait to it.",
        ),
        key(
            "hint",
            Default("none"),
            One(Unit::Choice(&HINT)),
            "The header of an answer that overrides whether it tries again.",
        ),
        key(
            "budget",
            Optional,
            Map(&BUDGET),
            "Tokens that all calls of one consumer pay for retries with; without them there is no retry.",
        ),
        key(
            "on_402",
            Default("fail"),
            One(Unit::Choice(&ON_402)),
            "What it does when payment is required: `fail`; `retry` as after any other failure; `wait_retry_after`, as long as that says, and `fail` without it; `top_up_then_retry`, after the delay; or `pay_once`, after the delay, with a payment for this call, where the plan has `pay_per_request`. That is about the gateway's own 402: one that an upstream said is tried again with `retry` alone.",
        ),
    ],
    named: None,
    rules: &[Rule::AtLeastOne(
        &["attempts", "give_up_after", "timeout"],
        "write how often it tries, such as `attempts: 3`",
    )],
};

static FAILURES: List = List { item: One(Unit::Failure), size: sized("failures", 0, 202) };

static METHOD: Choice = Choice::of(&["GET", "POST"]);
static RETRY_AFTER: Choice = Choice::of(&["ignore", "honour"]);
static HINT: Choice = Choice::of(&["none", "x-should-retry", "stripe-should-retry"]);
static ON_402: Choice = Choice::of(&["fail", "retry", "wait_retry_after", "top_up_then_retry", "pay_once"]);

static DELAY: Table = keys(&[
    key("base", Required, One(DURATION), "Before the first retry."),
    key("factor", Default("2"), One(Unit::Number(Least::AboveZero)), "How many times as long before each further one."),
    key("first", Optional, One(DURATION), "Before the first retry, in place of `base`; the others stay as they are."),
    key("max", Optional, One(DURATION), "The most, before jitter."),
    key("min", Default("0s"), One(DURATION), "The least, after jitter."),
    key(
        "jitter",
        Default("none"),
        OneOrMap(Unit::Choice(&JITTER), &JITTER_RANGE),
        "How it is randomised, uniformly: `full` is anything from nothing to the whole, `equal` half of it and anything from nothing to the other half.",
    ),
]);

static JITTER: Choice = Choice::of(&["none", "full", "equal"]);

static JITTER_RANGE: Table = keys(&[
    key("minus", Default("0%"), One(Unit::Share), "At most so much less."),
    key("plus", Default("0%"), One(Unit::Share), "At most so much more."),
]);

static RETRY_AFTER_RULE: Table = Table {
    keys: &[
        key("on", Default("[4xx, 5xx]"), ListOf(&FAILURES), "The failures that it reads the header of."),
        key("up_to", Optional, One(DURATION_ABOVE_ZERO), "The longest wait that it takes as it is; by default any."),
        key(
            "beyond",
            Default("give_up"),
            One(Unit::Choice(&BEYOND)),
            "What it does about a longer one: `give_up`, wait its own `delay`, or `cap` it.",
        ),
        key(
            "at_least_delay",
            Default("false"),
            One(Unit::Bool),
            "Whether it waits its own delay where that is longer.",
        ),
    ],
    named: None,
    rules: &[Rule::Needs("beyond", "up_to", "write how long a wait may be, such as `up_to: 120s`")],
};

static BEYOND: Choice = Choice::of(&["give_up", "delay", "cap"]);

static BUDGET: Table = keys(&[
    key("tokens", Required, quantity(1, limit::TOKENS), "How many there are at first, and at most."),
    key("retry", Default("5"), quantity(0, limit::TOKENS), "What a retry costs after an answer."),
    key("connection", Default("10"), quantity(0, limit::TOKENS), "What a retry costs after no answer."),
    key(
        "success",
        Default("1"),
        quantity(0, limit::TOKENS),
        "What comes back with a call that succeeds at once; one that succeeds later gives back what its last retry cost.",
    ),
]);

// === Payment ===

static PAYMENT_NONE: Choice = Choice::of(&["none"]);

static PAYMENT: Table = keys(&[
    key(
        "card",
        Default("{}"),
        OneOrMap(Unit::Choice(&CARD_PRESET), &CARD),
        "Their card: a preset or written out. Of first attempts, `healthy` has 2.5% declined: 1% at random (10% of them hard), 1.15% without money (broke 13d, funded 1117d), the rest on cards that ended (lasts 4y, updater 80%). `typical` has 5%: 1.95% at random (10% hard), 2.3% without money (broke 14d, funded 595d), lasts 40mo, updater 70%. `consumer` has 15%: 5.85% at random (10% hard), 6.9% without money (broke 22d, funded 297d), lasts 3y, updater 20%.",
    ),
    key(
        "wallet",
        Optional,
        Map(&WALLET),
        "A wallet, beside the card, that single calls are paid from on a plan with `pay_per_request`; by default none.",
    ),
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
    key(
        "when",
        Required,
        One(Unit::Choice(&WHEN)),
        "The cause of a refusal; `refused`, with `more_than`; or what `payments.reminders` tells them: `card_reminder`, `trial_reminder`.",
    ),
    key(
        "more_than",
        Optional,
        One(Unit::CountPer(Period::Day)),
        "How many refusals of a day are put up with: `500/day`.",
    ),
    key(
        "do",
        Required,
        One(Unit::Choice(&ACT)),
        "What they do, once per cause and billing period; about reminders, once for each.",
    ),
    key("to", Optional, One(Unit::Name), "The plan that they go to, of `upgrade` and `downgrade`."),
    key("amount", Optional, One(Unit::Money), "How much credit they buy, of `top_up`."),
    key(
        "by",
        Optional,
        One(Unit::Chance),
        "How many of the calls that they still made are no longer made, of `slow_down`; which, is drawn.",
    ),
    key("for", Optional, One(DURATION_ABOVE_ZERO), "For how long they `slow_down`; by default from then on."),
    key("chance", Default("100%"), One(Unit::Chance), "How likely they do it at all."),
    key("after", Default("0s"), OneOrMap(DURATION, &distribution::TIME), "How long after the refusal or the reminder."),
]);

static WHEN: Choice = Choice::of(cause::WHEN);

static ACT: Choice = Choice::of(&["upgrade", "downgrade", "fix_card", "top_up", "slow_down", "churn"]);
