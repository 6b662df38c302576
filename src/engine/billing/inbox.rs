//! What the processor tells of a payment, and the receiver that sorts what comes.
//!
//! An event may come more than once, late, and after events that were sent later. The inbox says of each delivery
//! whether it is news: what was heard before is a duplicate, and what is older than the newest that was heard of the same
//! payment is stale. So any order and any number of repetitions leave what each event once, in the order of their
//! versions, would have left.
//!
//! It is pure, and the same wherever deliveries come from: it remembers an event until it can come no more, and so its
//! memory is bounded by what happens in that time.

use std::collections::VecDeque;

use crate::billing::decline::Answer;
use crate::billing::invoice::{Charge, Purpose};
use crate::billing::ledger::Movement;
use crate::time::{DAY, Now, Span, Time};

/// How long an event is remembered after it was heard of. Its first delivery may be as late as it is
/// [tried](crate::model::Webhooks::TRIED), and its last as late again, give or take a moment.
pub const REMEMBERED: Span = Span::from_ns(7 * DAY);

/// What has become of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// An attempt was answered.
    Answered(Answer),
    /// What it had captured went back: [`Movement::Refund`] or [`Movement::Chargeback`].
    Returned(Movement),
}

/// Something that has happened at the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The attempt that it is about.
    pub charge: Charge,
    /// What has become of it.
    pub told: Told,
    /// When that happened, on both clocks.
    pub at: Now,
}

/// What tells an event from every other of an account, and how it stands to the others of the same payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    /// Which payment it is about.
    pub purpose: Purpose,
    /// How far that had come. What is told of a later attempt is newer than all that is told of an earlier one.
    pub version: Version,
}

/// How far a payment had come; a later version is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The number of the attempt, from 1.
    attempt: u32,
    /// 0: it was answered; later ones: it went back.
    step: u8,
}

impl Event {
    /// Its name, and its place among what is told of the same payment.
    #[must_use]
    pub fn id(&self) -> EventId {
        EventId::of(self.charge.purpose, self.charge.attempt, self.told)
    }
}

impl EventId {
    /// The name of what is told of this attempt at a payment.
    #[must_use]
    pub fn of(purpose: Purpose, attempt: u32, told: Told) -> Self {
        let step = match told {
            Told::Answered(_) => 0,
            Told::Returned(Movement::Refund) => 1,
            Told::Returned(_) => 2,
        };
        Self { purpose, version: Version { attempt, step } }
    }
}

/// What a delivery is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// Nothing as new was heard of this payment.
    News,
    /// The same event was heard before.
    Duplicate,
    /// It was not, but something newer of the same payment was.
    Stale,
}

/// What has been heard, as long as it may come again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inbox {
    /// In the order in which it was heard, each with the moment from which on it is forgotten.
    heard: VecDeque<(EventId, Time)>,
}

impl Inbox {
    /// An event comes, at `now` of the traffic clock: what it is worth. News are remembered.
    pub fn hear(&mut self, event: &Event, now: Time) -> Hearing {
        self.heard.retain(|(_, until)| now < *until);
        let id = event.id();
        let versions =
            || self.heard.iter().filter(|(other, _)| other.purpose == id.purpose).map(|(other, _)| other.version);
        if versions().any(|version| version == id.version) {
            return Hearing::Duplicate;
        }
        if versions().any(|version| version > id.version) {
            return Hearing::Stale;
        }
        self.heard.push_back((id, now + REMEMBERED));
        Hearing::News
    }

    /// How much is remembered.
    #[must_use]
    pub fn remembers(&self) -> usize {
        self.heard.len()
    }
}
