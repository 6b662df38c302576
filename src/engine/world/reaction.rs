//! What consumers do about refusals: by chance, once per episode.
//!
//! An episode is the first refusal for a cause in a usage period; of `more_than`, the first beyond the count in a local
//! day. Credit runs out as often as there was some: with credit that came since the last refusal for want of it, another
//! episode begins. Whether and when a consumer reacts is drawn at (consumer, reaction, episode), so it does not depend on
//! what else was refused. Each reminder is an episode of its own.

use crate::billing::catalog::Catalog;
use crate::billing::cause::Cause;
use crate::distribution::Distribution;
use crate::draw::{Address, Chance};
use crate::model::{Act, Reminder, Scenario, When};
use crate::time::{Now, Span};
use crate::world::party::{Happening, Party};
use crate::world::reminder::Reminded;

/// A reaction, compiled.
#[derive(Clone, Debug)]
pub(super) struct Reaction {
    trigger: Trigger,
    chance: Chance,
    after: Distribution,
    pub(super) act: Act,
}

#[derive(Clone, Copy, Debug)]
enum Trigger {
    Cause(Cause),
    MoreThan(u32),
    Reminder(Reminder),
}

/// The reactions of each cohort.
pub(super) fn compile(scenario: &Scenario) -> Vec<Vec<Reaction>> {
    let compiled = |reaction: &crate::model::Reaction| Reaction {
        trigger: match reaction.when {
            When::Cause(name) => {
                Trigger::Cause(Cause::from_name(name).expect("causes are checked when the scenario is read"))
            }
            When::Refused { more_than } => Trigger::MoreThan(more_than),
            When::Reminded(reminder) => Trigger::Reminder(reminder),
        },
        chance: reaction.chance,
        after: reaction.after.clone(),
        act: reaction.act,
    };
    scenario.cohorts.iter().map(|cohort| cohort.reactions.iter().map(compiled).collect()).collect()
}

/// Enters what the consumer will do about a refusal.
pub(super) fn notice(party: &mut Party, reactions: &[Reaction], catalog: &Catalog, now: Now, cause: Cause) {
    let consumer = party.consumer();
    let cohort = &catalog.cohorts[consumer.cohort as usize];
    for (index, reaction) in reactions.iter().enumerate() {
        let account = &party.account;
        let (key, granted, threshold) = match reaction.trigger {
            Trigger::Cause(Cause::CreditExhausted) if cause == Cause::CreditExhausted => {
                (account.period_begins().ns(), account.grants.created(), 1)
            }
            Trigger::Cause(own) if own == cause => (account.period_begins().ns(), 0, 1),
            Trigger::Cause(_) | Trigger::Reminder(_) => continue,
            Trigger::MoreThan(count) => (cohort.calendar.day(now.billing), 0, count.saturating_add(1)),
        };
        let episode = &mut party.episodes[index];
        episode.enter(key, granted);
        let number = episode.number;
        episode.refused = episode.refused.saturating_add(1);
        if episode.refused != threshold {
            continue;
        }
        let own = cohort.address.at(u64::from(consumer.index)).named("reaction").at(index as u64);
        let first = own.at(key.cast_unsigned());
        let draws = if number == 0 { first } else { first.at(u64::from(number)) }.stream();
        if reaction.chance.happens(draws.word(0)) {
            let after = Span::from_ns(reaction.after.sample_whole(draws.word(1)));
            party.agenda.enter(now.billing + after, Happening::React(index));
        }
    }
}

/// Enters what the consumer at address `consumer` will do about a reminder.
pub(super) fn heed(party: &mut Party, reactions: &[Reaction], consumer: Address, now: Now, reminded: Reminded) {
    for (index, reaction) in reactions.iter().enumerate() {
        if !matches!(reaction.trigger, Trigger::Reminder(own) if own == reminded.kind()) {
            continue;
        }
        let draws = reminded.draws(consumer.named("reaction").at(index as u64)).stream();
        if reaction.chance.happens(draws.word(0)) {
            let after = Span::from_ns(reaction.after.sample_whole(draws.word(1)));
            party.agenda.enter(now.billing + after, Happening::Heed(index, reminded));
        }
    }
}
