//! The keys of upstreams, of the gateway before them, and of what breaks.

use super::Presence::{Default, Optional, Required};
use super::Shape::{List as ListOf, Map, One, OneOrMap};
use super::{
    ANY, DURATION, DURATION_ABOVE_ZERO, Least, List, Rule, Table, Unit, distribution, key, keys, named, planned,
    quantity, sized,
};
use crate::scenario::cause;
use crate::scenario::unit::{Bounds, Choice};

pub(super) static UPSTREAMS: Table =
    named("An upstream service.", Unit::Name, Map(&UPSTREAM), sized("upstreams", 1, ANY));

/// The median and the 99th percentile of the first token of `preset: chat`, in ms.
pub(crate) const CHAT_FIRST_TOKEN_MS: [f64; 2] = [300.0, 1_200.0];
/// The tokens of `preset: chat` that follow in a second.
pub(crate) const CHAT_TOKENS_PER_SECOND: u64 = 80;

static UPSTREAM: Table = Table {
    keys: &[
        key(
            "latency",
            Optional,
            OneOrMap(DURATION, &distribution::TIME),
            "How long it takes to answer; of one that calls others, how long it works before it calls the first.",
        ),
        key(
            "cost",
            Optional,
            Map(&COST),
            "What a call that comes to it costs to answer, by attribute, whoever pays for it.",
        ),
        key(
            "errors",
            Default("0%"),
            OneOrMap(Unit::Chance, &ERRORS),
            "How often it fails after that time, with a 500 or, as a map, with other statuses: the call ends there, its client has the status, and nothing is billed. A 402 says that this upstream could not pay somebody, and is no demand on the consumer.",
        ),
        key(
            "capacity",
            Optional,
            quantity(1, 1_000_000),
            "How many calls it works on at once, those included that wait for others that it calls; more of them wait in line, first come first served. By default any number.",
        ),
        key(
            "calls",
            Default("[]"),
            ListOf(&List { item: One(Unit::Name), size: sized("upstreams", 0, ANY) }),
            "Upstreams that it calls in turn once its own work is done; the first that fails fails the call. At most 16 hops.",
        ),
        key(
            "preset",
            Optional,
            One(Unit::Choice(&PRESET)),
            "A kind of service: `chat` has `first_token: { p50: 300ms, p99: 1200ms }` and `tokens_per_second: 80` unless they are written.",
        ),
        key(
            "first_token",
            Optional,
            OneOrMap(DURATION, &distribution::TIME),
            "How long the first token takes; the attribute `output_tokens` says how many there are.",
        ),
        key("tokens_per_second", Optional, quantity(1, 1_000_000), "How fast the tokens follow."),
        key(
            "streaming",
            Default("false"),
            One(Unit::Bool),
            "Whether the client has the first token when it comes; then the time to it is measured apart.",
        ),
    ],
    named: None,
    rules: &[Rule::AtLeastOne(
        &["latency", "preset", "first_token"],
        "write how long it takes to answer, such as `latency: { p50: 30ms, p99: 250ms }`",
    )],
};

static ERRORS: Table = named(
    "How often it fails with this status; all of them sum to 100% at most.",
    Unit::Status,
    One(Unit::Chance),
    sized("statuses", 1, 200),
);

static COST: Table = named(
    "What a unit of the attribute costs; `requests` is what an answer costs whatever it carries.",
    Unit::Name,
    One(Unit::Price),
    sized("attributes", 1, 16),
);

static PRESET: Choice = Choice::of(&["chat"]);

// === The gateway ===

pub(super) static GATEWAY: Table = keys(&[
    key(
        "spend_control",
        Default("reserve"),
        One(Unit::Choice(&SPEND_CONTROL)),
        "Whether credit is held before a call, or subtracted after it.",
    ),
    key(
        "on_client_abort",
        Default("settle"),
        One(Unit::Choice(&ON_CLIENT_ABORT)),
        "What a call costs whose client has gone, as with a client's `timeout`: `settle` bills what the upstream then really uses, `release` nothing, `bill_sent` what had been sent, which of an answer that is not streamed is nothing. What is not billed is upstream cost absorbed.",
    ),
    planned("nodes", &["1"], quantity(1, 1_000), "How many nodes it has."),
    planned("counters", &["exact"], OneOrMap(Unit::Choice(&COUNTERS), &SYNCED), "How its nodes share what they count."),
    planned("entitlement_cache", &["0s"], One(DURATION), "How long it remembers who may call."),
    planned(
        "when_billing_down",
        &["closed"],
        OneOrMap(Unit::Choice(&WHEN_BILLING_DOWN), &CACHED),
        "What it does when billing does not answer.",
    ),
    key(
        "dialect",
        Default("problem"),
        One(Unit::Choice(&DIALECT)),
        "How the live gateway writes a refusal: as RFC 9457 problem details, as OpenAI does, or as OpenRouter does. With `openai_429` the status of what would be a 402 is 429, simulated too, but for `payment_required`; `refusals` says otherwise.",
    ),
    key("refusals", Default("{}"), Map(&REFUSALS), "Other statuses for causes of refusal."),
]);

static SPEND_CONTROL: Choice = Choice::of(&["reserve", "check_then_debit"]);
static ON_CLIENT_ABORT: Choice = Choice::of(&["settle", "release", "bill_sent"]);
static COUNTERS: Choice = Choice::of(&["exact", "local"]);
static WHEN_BILLING_DOWN: Choice = Choice::of(&["closed", "open"]);
static DIALECT: Choice = Choice {
    words: &["problem", "openai_429", "openrouter_402", "kong", "apisix", "x402", "mpp"],
    unsupported: &["kong", "apisix", "x402", "mpp"],
};

static SYNCED: Table =
    keys(&[key("synced", Required, One(DURATION_ABOVE_ZERO), "How often the nodes tell each other.")]);

static CACHED: Table =
    keys(&[key("cached", Required, One(DURATION_ABOVE_ZERO), "For how long the last answer of billing is believed.")]);

static REFUSALS: Table = named(
    "The status of a cause.",
    Unit::Choice(&REFUSAL),
    One(Unit::Quantity(Bounds { least: 400, most: 599 })),
    sized("causes", 0, cause::REFUSALS.len()),
);

static REFUSAL: Choice = Choice::of(cause::REFUSALS);

// === What breaks ===

pub(super) static FAULTS: List = List { item: Map(&FAULT), size: sized("faults", 0, ANY) };

static FAULT: Table = keys(&[
    key("at", Required, One(DURATION), "When, after the start, on the billing clock."),
    key("for", Required, One(DURATION_ABOVE_ZERO), "For how long."),
    key(
        "fault",
        Required,
        One(Unit::Choice(&FAULT_KIND)),
        "What breaks. With `processor_down` every payment that is attempted meanwhile ends in an error and is tried again after an hour; with `processor_slow` its answer takes `factor` times as long. With `upstream_down` the attempts that are made meanwhile and come to `upstream` fail there; with `upstream_slow` it takes `factor` times as long for them. With `billing_down` the gateway refuses everyone with `billing_unavailable` (503), with `policy_error` those on `plan` with 402, though they have paid.",
    ),
    key("upstream", Optional, One(Unit::Name), "Which upstream, where it is one."),
    key("plan", Optional, One(Unit::Name), "Whom a `policy_error` asks for payment: those on this plan."),
    key("factor", Optional, One(Unit::Number(Least::One)), "How many times as slow; at least 1."),
]);

static FAULT_KIND: Choice =
    Choice::of(&["processor_down", "processor_slow", "upstream_down", "upstream_slow", "billing_down", "policy_error"]);
