//! Reminders: what a service tells its consumers before a card or a trial ends, as events on the billing clock.
//!
//! A reminder has no effect of its own. What a consumer does about it is a reaction of the cohort, drawn once for each
//! reminder at (consumer, reaction, what it is about, how long before): a scenario with another lead time beside it draws
//! the same for this one. Nobody knows beforehand whether the card networks will hand the next card over, so everyone
//! whose card is about to end is reminded.

use crate::billing::account::{Consumer, Status};
use crate::billing::tally::Count;
use crate::draw::Address;
use crate::model::{Act, Card, Reminder};
use crate::money::Overflow;
use crate::time::{Now, Span, Time};
use crate::world::World;
use crate::world::card::Plastic;
use crate::world::party::{Happening, Party};
use crate::world::processor::NewCards;
use crate::world::reaction;

/// A reminder of one consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reminded {
    pub(super) about: About,
    /// How many cards the consumer had put in when it was planned: after another one it is void.
    cards: u32,
    /// How long before.
    lead: Span,
}

/// What a consumer was reminded of that has not ended yet, each with when it will, in billing time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The card ends then, unless another one is put in.
    pub card: Option<Time>,
    /// The trial ends then.
    pub trial: Option<Time>,
}

impl Told {
    /// Whether there is nothing.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl Party {
    /// What the consumer was reminded of that has not ended by `billing`.
    #[inline]
    pub fn told(&self, billing: Time) -> Told {
        let open = |ends: Option<Time>| ends.filter(|ends| billing < *ends);
        Told { card: open(self.told.card), trial: open(self.told.trial) }
    }
}

/// What a reminder is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// This piece of plastic ends.
    Card(Plastic),
    /// The trial ends at this moment.
    Trial(Time),
}

impl Reminded {
    /// Which kind of reminder it is.
    pub(super) fn kind(&self) -> Reminder {
        match self.about {
            About::Card(_) => Reminder::Card,
            About::Trial(_) => Reminder::Trial,
        }
    }

    /// Where what is done about it is drawn, under the place of the reaction.
    pub(super) fn draws(&self, reaction: Address) -> Address {
        let place = match self.about {
            About::Card(plastic) => reaction.named("card").at(u64::from(self.cards)).at(plastic.number()),
            About::Trial(_) => reaction.named("trial"),
        };
        place.at(self.lead.ns())
    }
}

impl World {
    /// Plans what a consumer will be told who is there at the start, or joins at a moment.
    pub(super) fn plan_reminders(&self, party: &mut Party, joins: Option<Time>) {
        let reminders = &self.scenario.payments.reminders;
        if reminders.is_none() || joins.is_some_and(|joins| joins >= self.end().billing) {
            return;
        }
        self.watch_card(party, joins.unwrap_or(Time::START));
        if let Some(joins) = joins {
            self.watch_trial(party, joins);
        }
    }

    /// Plans the first reminder after a moment about the card that the consumer has put in last, or has from the start.
    pub(super) fn watch_card(&self, party: &mut Party, after: Time) {
        let consumer = party.consumer();
        party.told.card = None;
        if let Some(card) = self.card(consumer) {
            let NewCards { last, count } = party.cards;
            self.remind_of(party, Plastic::first(card, self.address(consumer), last, count), after);
        }
    }

    /// Plans the first reminder after a moment about a piece of plastic, or those that follow it by themselves.
    fn remind_of(&self, party: &mut Party, plastic: Plastic, after: Time) {
        let leads = &self.scenario.payments.reminders.card_expires;
        let (consumer, cards, end) = (party.consumer(), party.cards.count, self.end().billing);
        let Some(card) = self.card(consumer).filter(|card| card.life.is_some() && !leads.is_empty()) else { return };
        let mut current = Some(plastic);
        while let Some(plastic) = current.filter(|plastic| plastic.begins < end && plastic.ends < Time::NEVER) {
            // The longest comes first; what would have come before this plastic was there is not sent.
            let mut due = leads.iter().map(|lead| (plastic.ends - *lead, *lead));
            if let Some((at, lead)) = due.find(|(at, _)| *at > after && *at >= plastic.begins) {
                party.agenda.enter(at, Happening::Remind(Reminded { about: About::Card(plastic), cards, lead }));
                return;
            }
            current = plastic.next(card, self.address(consumer), cards);
        }
    }

    /// Plans the reminders of a trial that begins with the subscription: no change of plan moves its end.
    fn watch_trial(&self, party: &mut Party, joins: Time) {
        let cohort = &self.catalog.cohorts[party.consumer().cohort as usize];
        let terms = &self.catalog.terms[self.catalog.version(cohort.plan, joins) as usize];
        let Some(trial) = terms.trial else { return };
        let ends = cohort.calendar.after(joins, trial);
        for lead in &self.scenario.payments.reminders.trial_ends {
            let at = ends - *lead;
            if at > joins {
                let reminded = Reminded { about: About::Trial(ends), cards: party.cards.count, lead: *lead };
                party.agenda.enter(at, Happening::Remind(reminded));
            }
        }
    }

    /// A reminder is due. It is not sent where what it is about is over, or not the consumer's any more.
    pub(super) fn remind(&self, party: &mut Party, now: Now, reminded: Reminded) {
        match reminded.about {
            About::Card(plastic) => {
                if reminded.cards != party.cards.count || party.account.is_over() {
                    return;
                }
                party.account.counts(now, Count::CardReminders);
                party.told.card = Some(plastic.ends);
                // As planned, whenever it is seen: a reading that comes late passes over no other.
                self.remind_of(party, plastic, plastic.ends - reminded.lead);
            }
            About::Trial(ends) => {
                if party.account.status() != Status::Trialing {
                    return;
                }
                party.account.counts(now, Count::TrialReminders);
                party.told.trial = Some(ends);
            }
        }
        let consumer = party.consumer();
        let reactions = &self.reactions[consumer.cohort as usize];
        reaction::heed(party, reactions, self.address(consumer), now, reminded);
    }

    /// The consumer does what they do about a reminder. A card is put in only while there is none, or it is still the one
    /// that the reminder was about.
    pub(super) fn heed(&self, party: &mut Party, now: Now, index: usize, reminded: Reminded) -> Result<(), Overflow> {
        if self.reactions[party.consumer().cohort as usize][index].act != Act::FixCard {
            return self.happen(party, now, Happening::React(index));
        }
        let (is_asked_for, ends, heeded) = match reminded.about {
            About::Card(plastic) => (reminded.cards == party.cards.count, plastic.ends, Count::CardRemindersHeeded),
            About::Trial(ends) => (!party.account.has_card, ends, Count::TrialRemindersHeeded),
        };
        if !is_asked_for || party.account.is_over() {
            return Ok(());
        }
        if now.billing < ends {
            party.account.counts(now, heeded);
        }
        self.react(party, now, Act::FixCard)
    }

    /// The card that a consumer has from the start; one that is put in is of the same kind.
    fn card(&self, consumer: Consumer) -> Option<&Card> {
        self.scenario.cohorts[consumer.cohort as usize].card.as_ref()
    }

    fn address(&self, consumer: Consumer) -> Address {
        self.catalog.cohorts[consumer.cohort as usize].address.at(u64::from(consumer.index))
    }
}
