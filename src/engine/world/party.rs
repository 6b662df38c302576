//! A billing party as it is played: the account, and what surrounds it: payments on their way, reactions to come.

use crate::billing::account::{Account, Consumer};
use crate::billing::decline::Answer;
use crate::billing::gate::Action;
use crate::billing::inbox::Event;
use crate::billing::invoice::Charge;
use crate::billing::ledger::Movement;
use crate::time::{Now, Time};
use crate::world::outside::{Hears, Outside};
use crate::world::processor::NewCards;
use crate::world::reminder::{Reminded, Told};
use crate::world::slow::Slowed;
use crate::world::webhooks::{Delivery, Post};

/// An account, and what is still to come for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    pub(crate) account: Account,
    /// What happens later, on the billing clock.
    pub(super) agenda: Agenda<Happening>,
    /// Answers of the processor, and what it tells otherwise, on the traffic clock.
    pub(super) answers: Agenda<Incoming>,
    /// What was heard of payments, where webhooks tell it; few have any, so it is elsewhere.
    pub(super) post: Option<Box<Post>>,
    pub(super) cards: NewCards,
    /// By reaction of the cohort: the episode that it was drawn for last.
    pub(super) episodes: Vec<Episode>,
    /// What the consumer was reminded of last; it may have ended.
    pub(super) told: Told,
    /// How far the consumer has slowed down; `None`: not at all. Few have, so it is elsewhere.
    pub(super) slowed: Option<Box<Slowed>>,
    /// Whether the consumer has left, or turned away from a subscription that had ended before.
    pub(super) has_left: bool,
    /// Where the account puts what it asks for.
    pub(super) actions: Vec<Action>,
    /// What is asked outside of the engine; `None`: nothing is, and the model answers.
    pub(super) outside: Option<Box<Outside>>,
}

/// What happens to a party by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// The consumer leaves.
    Leave,
    /// A reaction of the cohort, by its index.
    React(usize),
    /// A reaction that has slowed the consumer down is over, by its index.
    Recover(usize),
    /// The consumer is reminded.
    Remind(Reminded),
    /// A reaction of the cohort to a reminder, by its index.
    Heed(usize, Reminded),
    /// A payment goes back.
    Return(Movement, Charge),
}

/// What comes from the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The answer to a charge.
    Answer(Charge, Answer),
    /// It has given a payment back, or the card's owner has taken it back.
    Returned(Movement, Charge),
    /// A webhook.
    Delivery(Delivery),
    /// What the gateway has asked for, because no webhook has told it.
    Reconciled(Event),
}

impl From<(Charge, Answer)> for Incoming {
    fn from((charge, answer): (Charge, Answer)) -> Self {
        Self::Answer(charge, answer)
    }
}

/// The first refusals of a kind in a period, or of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Episode {
    /// The beginning of the period, or the number of the local day.
    pub(super) key: i64,
    /// Which one it is of this key: what runs out is bought again, and runs out again.
    pub(super) number: u32,
    /// How many grants of credit there had been at its last refusal.
    pub(super) granted: u64,
    /// Refusals since.
    pub(super) refused: u32,
}

impl Episode {
    /// None yet.
    const NONE: Self = Self { key: i64::MIN, number: 0, granted: 0, refused: 0 };

    /// A refusal with this key, after so many grants, none where credit is not what is missing: it may be the first of
    /// another episode.
    pub(super) fn enter(&mut self, key: i64, granted: u64) {
        if self.key != key {
            *self = Self { key, granted, ..Self::NONE };
        } else if self.granted != granted {
            *self = Self { key, granted, number: self.number.saturating_add(1), refused: 0 };
        }
    }
}

/// What is to come, in time order; of two at one moment, the one that was entered first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agenda<T> {
    entries: Vec<(Time, T)>,
    next: Time,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), next: Time::NEVER }
    }
}

impl<T> Agenda<T> {
    /// When the first of it comes.
    #[inline]
    pub(super) fn next(&self) -> Time {
        self.next
    }

    pub(super) fn enter(&mut self, at: Time, what: impl Into<T>) {
        let place = self.entries.partition_point(|(other, _)| *other <= at);
        self.entries.insert(place, (at, what.into()));
        self.next = self.entries[0].0;
    }

    /// The first of it.
    pub(super) fn first(&self) -> Option<&T> {
        self.entries.first().map(|(_, what)| what)
    }

    /// Takes the first out.
    pub(super) fn take(&mut self) -> Option<T> {
        if self.entries.is_empty() {
            return None;
        }
        let (_, what) = self.entries.remove(0);
        self.next = self.entries.first().map_or(Time::NEVER, |(at, _)| *at);
        Some(what)
    }
}

impl Party {
    /// `joins`: when one who was not there before brings a card that works at that moment.
    pub(super) fn new(account: Account, joins: Option<Time>, reactions: usize, hears: Hears) -> Self {
        Self {
            account,
            agenda: Agenda::default(),
            answers: Agenda::default(),
            post: None,
            cards: NewCards { last: joins, count: 0 },
            episodes: vec![Episode::NONE; reactions],
            told: Told::default(),
            slowed: None,
            has_left: false,
            actions: Vec::new(),
            outside: Outside::new(hears),
        }
    }

    /// Its account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The account alone, when all is over.
    pub fn into_account(self) -> Account {
        self.account
    }

    /// Whose it is.
    pub fn consumer(&self) -> Consumer {
        self.account.consumer()
    }

    /// Reads something of each of its parts, see [`crate::sim`].
    pub(crate) fn glance(&self) -> i64 {
        let is_whole = !self.has_left() && !self.is_slowed();
        let own = [self.agenda.next().ns(), self.answers.next().ns(), i64::from(is_whole)];
        own.into_iter().fold(self.account.glance(), i64::wrapping_add)
    }

    /// Whether the consumer has left by themselves, and calls no more.
    pub fn has_left(&self) -> bool {
        self.has_left
    }

    /// Whether the consumer makes only some of their calls.
    #[inline]
    pub(crate) fn is_slowed(&self) -> bool {
        self.slowed.is_some()
    }

    /// Whether nothing is due at `now`.
    #[inline]
    pub fn is_idle(&self, now: Now) -> bool {
        self.account.is_idle(now) && now.billing < self.agenda.next() && now.traffic < self.answers.next()
    }

    /// When something is due next, if no call comes before, on each of the clocks.
    pub fn next_deadline(&self) -> Now {
        let account = self.account.next_deadline();
        Now { traffic: account.traffic.min(self.answers.next()), billing: account.billing.min(self.agenda.next()) }
    }
}
