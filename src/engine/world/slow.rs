//! Consumers that have slowed down: which of their calls they still make.
//!
//! Each call of the schedule has a word of its own that says how early it is given up: a call is made while that word
//! lies below the share that is kept. So nobody else's calls move, who slows down more makes some of the same calls and
//! no others, and the load generator knows which they are once it knows the share.

use crate::billing::account::Consumer;
use crate::draw::Chance;
use crate::model::Act;
use crate::time::{Now, Span, Time};
use crate::world::World;
use crate::world::party::{Happening, Party};

/// How far a consumer has slowed down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slowed {
    /// The reactions that are in force, by their indices; one may be several times.
    by: Vec<usize>,
    /// When the next of those ends that end, in billing time.
    ends: Vec<Time>,
    /// The share of calls that is made under all of them.
    keeps: Chance,
}

/// What is known of a consumer that has slowed down, to whoever makes their calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    /// The share of calls that is made.
    pub keeps: Chance,
    /// When that changes by itself, on the traffic clock; [`Time::NEVER`]: not at all.
    pub until: Time,
}

impl World {
    /// A reaction of the consumer slows them down, on top of what has slowed them down before.
    pub(super) fn slow_down(&self, party: &mut Party, now: Now, reaction: usize, lasts: Option<Span>) {
        let slowed = party.slowed.get_or_insert_default();
        slowed.by.push(reaction);
        if let Some(lasts) = lasts {
            let ends = now.billing + lasts;
            slowed.ends.push(ends);
            slowed.ends.sort_unstable();
            party.agenda.enter(ends, Happening::Recover(reaction));
        }
        self.weigh(party);
    }

    /// One that has slowed the consumer down is over.
    pub(super) fn recover(&self, party: &mut Party, reaction: usize) {
        let Some(slowed) = &mut party.slowed else { return };
        if let Some(place) = slowed.by.iter().position(|own| *own == reaction) {
            slowed.by.remove(place);
        }
        if !slowed.ends.is_empty() {
            slowed.ends.remove(0);
        }
        self.weigh(party);
    }

    /// What all that is in force comes to.
    fn weigh(&self, party: &mut Party) {
        let reactions = &self.reactions[party.consumer().cohort as usize];
        let Some(slowed) = &mut party.slowed else { return };
        let kept = slowed.by.iter().map(|reaction| match reactions[*reaction].act {
            Act::SlowDown { keeps, .. } => keeps,
            _ => Chance::ALWAYS,
        });
        slowed.keeps = kept.fold(Chance::ALWAYS, Chance::and);
        if slowed.by.is_empty() {
            party.slowed = None;
        }
    }

    /// Whether any consumer may slow down.
    pub fn slows(&self) -> bool {
        self.reactions.iter().flatten().any(|reaction| matches!(reaction.act, Act::SlowDown { .. }))
    }

    /// How far a consumer has slowed down; `None`: not at all.
    pub fn slow(&self, party: &Party) -> Option<Slow> {
        let slowed = party.slowed.as_ref()?;
        let until = slowed.ends.first().map_or(Time::NEVER, |ends| self.schedule.pace().clock.traffic_at(*ends));
        Some(Slow { keeps: slowed.keeps, until })
    }

    /// Whether a consumer that makes this share of their calls makes the one of this index; in sessions, whether they begin
    /// the session that it is the first call of.
    pub fn is_made(&self, consumer: Consumer, index: u64, keeps: Chance) -> bool {
        keeps.happens(self.schedule.made(consumer).word(index))
    }

    /// Whether a consumer makes the call of this index, for all that they have slowed down.
    #[inline]
    pub(crate) fn makes(&self, party: &Party, index: u64) -> bool {
        party.slowed.as_ref().is_none_or(|slowed| self.is_made(party.consumer(), index, slowed.keeps))
    }
}
