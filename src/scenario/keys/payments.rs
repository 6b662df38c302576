//! The keys of payments: the processor, what follows a decline, what it all costs.

use super::Presence::{Default, Optional, Required};
use super::Shape::{List as ListOf, Map, One, OneOrMap};
use super::{DURATION, DURATION_ABOVE_ZERO, List, Table, Unit, distribution, key, keys, sized};
use crate::scenario::unit::Choice;

pub(super) static PAYMENTS: Table = keys(&[
    key("processor", Default("{}"), Map(&PROCESSOR), "The payment processor."),
    key(
        "webhooks",
        Default("{}"),
        Map(&WEBHOOKS),
        "How the gateway hears what has become of payments; by default from the processor's answer.",
    ),
    key("dunning", Default("{}"), Map(&DUNNING), "What happens after a declined renewal."),
    key("fees", Default("{}"), Map(&FEES), "What it charges."),
    key(
        "refunds",
        Default("0%"),
        OneOrMap(Unit::Chance, &REFUND),
        "How many captured payments are given back; of a percentage alone, a week later.",
    ),
    key(
        "chargebacks",
        Default("0%"),
        OneOrMap(Unit::Chance, &CHARGEBACK),
        "How many captured payments that are not refunded the card's owner takes back, so (1 − refunds) × chargebacks of all; of a percentage alone, twenty days later.",
    ),
    key(
        "reminders",
        Default("{}"),
        Map(&REMINDERS),
        "What consumers are told before it happens. It changes nothing by itself: what they do about it is a reaction, such as `when: card_reminder`.",
    ),
]);

static PROCESSOR: Table = keys(&[
    key("latency", Default("0ms"), OneOrMap(DURATION, &distribution::TIME), "How long a charge takes."),
    key("errors", Default("0%"), One(Unit::Chance), "How often it fails: neither captured nor declined."),
]);

static WEBHOOKS: Table = keys(&[
    key(
        "delay",
        Default("0ms"),
        OneOrMap(DURATION, &distribution::TIME),
        "How long after it has happened an event is delivered; later than three days: never.",
    ),
    key(
        "duplicate",
        Default("0%"),
        One(Unit::Chance),
        "How many deliveries are not acknowledged, so that they come again: 5 s later, then four times as late each.",
    ),
    key(
        "reorder",
        Default("0%"),
        One(Unit::Chance),
        "How many deliveries come 2 s late, so that others overtake them.",
    ),
    key("lose", Default("0%"), One(Unit::Chance), "How many events are never delivered."),
    key(
        "reconcile",
        Default("1h"),
        One(DURATION_ABOVE_ZERO),
        "How often the gateway asks the processor for what it has not heard of.",
    ),
]);

static DUNNING: Table = keys(&[
    key(
        "retries",
        Default("[3d, 5d, 7d]"),
        ListOf(&List { item: One(DURATION_ABOVE_ZERO), size: sized("retries", 0, 50) }),
        "Gaps, each from the failed attempt before: `[3d, 5d, 7d]` tries on days 3, 8 and 15.",
    ),
    key(
        "on_hard_decline",
        Default("stop"),
        One(Unit::Choice(&ON_HARD_DECLINE)),
        "Whether a decline that will not change ends the retries, until there is a new card.",
    ),
    key(
        "on_new_card",
        Default("retry"),
        One(Unit::Choice(&ON_NEW_CARD)),
        "Whether a new card is tried at once, or waits for the next retry.",
    ),
    key("finally", Default("cancel"), One(Unit::Choice(&FINALLY)), "What happens when the last retry has failed."),
]);

static ON_HARD_DECLINE: Choice = Choice::of(&["stop", "retry"]);
static ON_NEW_CARD: Choice = Choice::of(&["retry", "wait"]);
static FINALLY: Choice = Choice::of(&["cancel", "unpaid", "keep"]);

static FEES: Table = keys(&[
    key("success", Optional, One(Unit::Commission), "For a captured payment: `2.9% + $0.30`; by default nothing."),
    key("decline", Optional, One(Unit::Money), "For a declined attempt; by default nothing."),
    key(
        "excess_retry",
        Optional,
        One(Unit::Money),
        "For an attempt past the card networks' limits, beside that; by default nothing.",
    ),
]);

/// How long after a capture it comes back, where only a percentage says so; as in the tables below.
pub(in crate::scenario) const REFUND_AFTER: &str = "7d";
pub(in crate::scenario) const CHARGEBACK_AFTER: &str = "20d";

static REFUND: Table = keys(&[
    key("chance", Required, One(Unit::Chance), "How many captured payments."),
    key("after", Default(REFUND_AFTER), One(DURATION), "How long after the capture."),
    key("fee", Optional, One(Unit::Money), "What the processor charges for it; by default nothing."),
    key("suspends", Default("0s"), One(DURATION), "For how long the service is suspended."),
]);

static CHARGEBACK: Table = keys(&[
    key("chance", Required, One(Unit::Chance), "How many captured payments, of those that are not refunded."),
    key("after", Default(CHARGEBACK_AFTER), One(DURATION), "How long after the capture."),
    key("fee", Optional, One(Unit::Money), "What the processor charges for it; by default nothing."),
    key("suspends", Default("0s"), One(DURATION), "For how long the service is suspended while it is looked into."),
]);

static REMINDERS: Table = keys(&[
    key(
        "card_expires",
        Default("[]"),
        ListOf(&List { item: One(DURATION_ABOVE_ZERO), size: sized("reminders", 0, 10) }),
        "How long before a card ends, the longest first: `[30d, 7d]`; by default nobody is told.",
    ),
    key(
        "trial_ends",
        Default("[]"),
        ListOf(&List { item: One(DURATION_ABOVE_ZERO), size: sized("reminders", 0, 10) }),
        "How long before a trial ends, the longest first: `[3d]`; by default nobody is told.",
    ),
]);
