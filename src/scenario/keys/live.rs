//! The keys of the load on real sockets.

use super::Presence::{Default, Optional, Required};
use super::Shape::{List as ListOf, Map, One, OneOrMap};
use super::{DURATION, DURATION_ABOVE_ZERO, List, Rule, Table, Unit, key, keys, quantity, sized};
use crate::scenario::unit::Choice;

pub(super) static LIVE: Table = keys(&[
    key(
        "rate",
        Default("1k/s"),
        OneOrMap(Unit::Rate, &RATE),
        "Calls of all consumers together; their own arrivals are scaled to it. As a map, in stages.",
    ),
    key("duration", Default("10s"), One(DURATION_ABOVE_ZERO), "How long the load runs, where its rate has no stages."),
    key(
        "warm_up",
        Default("0s"),
        One(DURATION),
        "How long at the start calls are made and decided, and not measured: they are in the books, because accounts do not forget, and in no latency or rate.",
    ),
    key("cool_down", Default("0s"), One(DURATION), "The same at the end."),
    key(
        "clock",
        Optional,
        One(Unit::Clock),
        "How fast the billing clock runs, `1h per 1s`; by default at the pace of the scaled arrivals.",
    ),
    key("connections", Default("64"), quantity(1, 65_535), "Connections to the gateway at most."),
    key("in_flight", Default("{}"), Map(&IN_FLIGHT), "What happens when the gateway falls behind."),
    key(
        "closed",
        Optional,
        Map(&CLOSED),
        "Makes each next call once the one before is answered, as fast as that goes; `rate` × `duration` says how many calls there are at most.",
    ),
]);

static RATE: Table = keys(&[key(
    "stages",
    Required,
    ListOf(&List { item: Map(&STAGE), size: sized("stages", 1, 100) }),
    "One after the other; together they are the load.",
)]);

static STAGE: Table = Table {
    keys: &[
        key("for", Required, One(DURATION_ABOVE_ZERO), "How long it lasts."),
        key("rate", Optional, One(Unit::Rate), "Calls of all consumers together, from its begin to its end."),
        key(
            "to",
            Optional,
            One(Unit::Rate),
            "The rate that it goes to evenly, from the one at the end of the stage before.",
        ),
    ],
    named: None,
    rules: &[Rule::ExactlyOne(&["rate", "to"], "write the `rate` that it has, or the one that it goes `to`")],
};

static IN_FLIGHT: Table = keys(&[
    key("at_most", Default("4k"), quantity(1, 1_000_000), "Calls in flight at most."),
    key(
        "beyond",
        Default("drop"),
        One(Unit::Choice(&BEYOND)),
        "What happens to calls beyond that: `drop` counts them and does not send them; with `queue` they wait without bound, and their latency counts from their intended start; with `fail` the first of them ends the load, which is not valid then.",
    ),
]);

static BEYOND: Choice = Choice::of(&["drop", "queue", "fail"]);

static CLOSED: Table = keys(&[key("connections", Required, quantity(1, 65_535), "Over how many connections.")]);
