//! Payments: the processor, what follows a decline, what it all costs.

use crate::distribution::Distribution;
use crate::draw::Chance;
use crate::model::Share;
use crate::money::Money;
use crate::time::{DAY, HOUR, SECOND, Span};

/// How invoices and top-ups are paid.
#[derive(Clone, Debug)]
pub struct Payments {
    /// Who collects.
    pub processor: Processor,
    /// How the gateway hears what it has done.
    pub webhooks: Webhooks,
    /// What happens after a declined renewal.
    pub dunning: Dunning,
    /// What collecting costs.
    pub fees: Fees,
    /// Captured payments that are given back.
    pub refunds: Returns,
    /// Captured payments that the card's owner takes back.
    pub chargebacks: Returns,
    /// What consumers are told before it happens.
    pub reminders: Reminders,
}

impl Payments {
    /// A processor that answers at once, never fails and costs nothing; one attempt, then the subscription ends.
    pub fn new() -> Self {
        Self {
            processor: Processor { latency: Distribution::Constant(0.0), errors: Chance::NEVER },
            webhooks: Webhooks::default(),
            dunning: Dunning::default(),
            fees: Fees::default(),
            refunds: Returns::default(),
            chargebacks: Returns::default(),
            reminders: Reminders::default(),
        }
    }
}

impl Default for Payments {
    fn default() -> Self {
        Self::new()
    }
}

/// The payment processor.
#[derive(Clone, Debug)]
pub struct Processor {
    /// How long it takes to answer, in ns of traffic time.
    pub latency: Distribution,
    /// The chance that an attempt ends in an error of the processor: neither captured nor declined.
    pub errors: Chance,
}

/// How the gateway hears what has become of payments; all of it in traffic time.
#[derive(Clone, Debug)]
pub struct Webhooks {
    /// How long after it has happened the processor delivers an event, in ns.
    pub delay: Distribution,
    /// The chance that a delivery is not acknowledged, so that it comes again.
    pub duplicate: Chance,
    /// The chance that a delivery comes so late that others overtake it.
    pub reorder: Chance,
    /// The chance that an event is never delivered.
    pub lose: Chance,
    /// How often the gateway asks the processor for what it has not heard of; above zero.
    pub reconcile: Span,
}

impl Webhooks {
    /// How long a processor tries to deliver an event: three days, as Stripe does.
    pub const TRIED: Span = Span::from_ns(3 * DAY);
    /// How late a delivery comes that others are to overtake.
    pub const OVERTAKEN: Span = Span::from_ns(2 * SECOND);

    /// Whether anything is asked for: else the gateway hears from the processor's answer.
    #[must_use]
    pub fn asks(&self) -> bool {
        let is_late = !matches!(self.delay, Distribution::Constant(ns) if ns <= 0.0);
        is_late || [self.duplicate, self.reorder, self.lose].iter().any(|chance| *chance != Chance::NEVER)
    }
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            delay: Distribution::Constant(0.0),
            duplicate: Chance::NEVER,
            reorder: Chance::NEVER,
            lose: Chance::NEVER,
            reconcile: Span::from_ns(HOUR),
        }
    }
}

/// What happens after a declined renewal.
#[derive(Clone, Debug, Default)]
pub struct Dunning {
    /// Gaps, each counted from the previous failed attempt: `[3d, 5d, 7d]` tries on days 3, 8 and 15.
    pub retries: Vec<Span>,
    /// Whether a hard decline ends the retries (a new card starts them again).
    pub retries_hard_declines: bool,
    /// Whether a new card is tried at once.
    pub waits_for_schedule: bool,
    /// What happens when the last one has failed.
    pub finally: Finally,
}

/// The end of a dunning run that recovered nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finally {
    /// The subscription is canceled, the debt written off.
    #[default]
    Cancel,
    /// The subscription is `unpaid`: invoices are drafted, none is attempted.
    Unpaid,
    /// It stays `past_due` and, after grace, refused.
    Keep,
}

/// What the processor charges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    /// The share of a captured amount…
    pub success: Share,
    /// …and what a capture costs beside it.
    pub success_fixed: Money,
    /// What a declined attempt costs.
    pub decline: Money,
    /// What an attempt past the card networks' limits costs beside that.
    pub excess_retry: Money,
}

/// Payments that come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Returns {
    /// The chance of a captured payment.
    pub chance: Chance,
    /// How long after the capture, in billing time.
    pub after: Span,
    /// What the processor charges for it.
    pub fee: Money,
    /// How long the service is suspended while it is looked into; zero: not at all.
    pub suspends: Span,
}

/// What consumers are told before it happens, and how long before, in billing time: each above zero, the longest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reminders {
    /// Before a card ends.
    pub card_expires: Vec<Span>,
    /// Before a trial ends.
    pub trial_ends: Vec<Span>,
}

impl Reminders {
    /// Whether nobody is told anything.
    pub fn is_none(&self) -> bool {
        self.card_expires.is_empty() && self.trial_ends.is_empty()
    }

    /// How long before a consumer is told this.
    pub fn of(&self, reminder: Reminder) -> &[Span] {
        match reminder {
            Reminder::Card => &self.card_expires,
            Reminder::Trial => &self.trial_ends,
        }
    }
}

/// What a consumer is reminded of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reminder {
    /// Their card is about to end.
    Card,
    /// Their trial is about to end.
    Trial,
}
