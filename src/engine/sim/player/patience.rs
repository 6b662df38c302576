//! Clients who do not wait for ever: which attempts they wait for, and what happens when they give one up.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::mem;

use super::{Player, Try, Waits, is_not_made};
use crate::billing::cause::Failure;
use crate::billing::hold::HoldId;
use crate::money::Overflow;
use crate::sim::{Ended, Observer};
use crate::time::{Now, Span, Time};
use crate::world::client::Answered;

/// A client that does not wait for ever.
#[derive(Debug)]
pub(super) struct Patience {
    timeout: Span,
    /// Attempts that it waits for, each with when it will be answered, as far as the line that it waits in tells.
    pending: BTreeMap<HoldId, Option<Time>>,
}

impl Patience {
    /// Of a client that waits so long.
    pub(super) fn new(timeout: Span) -> Self {
        Self { timeout, pending: BTreeMap::new() }
    }

    /// An attempt is answered: whether the client has waited so long.
    pub(super) fn hears(&mut self, hold: HoldId) -> bool {
        self.pending.remove(&hold).is_some()
    }
}

impl Player<'_> {
    /// Whether the client does not wait for ever.
    pub(in crate::sim) fn is_impatient(&self) -> bool {
        self.patience.is_some()
    }

    /// The client waits for the answer to an attempt, and not for ever.
    #[cold]
    pub(super) fn waits_for(&mut self, tried: &Try, hold: HoldId) {
        let Some(patience) = &mut self.patience else { return };
        patience.pending.insert(hold, None);
        let ends = Try { at: tried.at + patience.timeout, ..*tried };
        self.waiting.push(Reverse((ends, Waits::GivesUp { made: tried.at, hold })));
    }

    /// An attempt will be answered then: the last upstream on its path has begun to work on it, and does not fail.
    pub(in crate::sim) fn will_hear(&mut self, hold: Option<HoldId>, lands: Time) {
        let pending = self.patience.as_mut().zip(hold).and_then(|(patience, hold)| patience.pending.get_mut(&hold));
        if let Some(answered) = pending {
            *answered = Some(lands);
        }
    }

    /// The client waits no longer for the answer to an attempt, if that has not come.
    #[cold]
    pub(super) fn gives_up<O: Observer>(
        &mut self,
        tried: &Try,
        now: Now,
        hold: HoldId,
        observer: &mut O,
    ) -> Result<(), Overflow> {
        let pending = self.patience.as_mut().and_then(|patience| patience.pending.remove(&hold));
        let Some(lands) = pending else { return Ok(()) };
        let call = tried.call();
        let sent = self.world.sent_when_given_up(self.consumer, &call, now.traffic, lands);
        self.world.gave_up(&mut self.party, now, hold, &sent)?;
        observer.settled(self.party.account(), hold);
        observer.gave_up(self.consumer, &call, hold, &sent, now);
        self.answered(tried, now, Ended::Failed(Failure::GAVE_UP), Answered::status(0));
        Ok(())
    }

    /// The exchange of an attempt is over that its client has given up.
    #[cold]
    pub(super) fn ended_unheard<O: Observer>(
        &mut self,
        tried: &Try,
        now: Now,
        hold: HoldId,
        fails: Option<Failure>,
        observer: &mut O,
    ) -> Result<(), Overflow> {
        match fails {
            Some(failure) => self.world.failed(&mut self.party, now, hold, failure.hop, &tried.usage)?,
            None => self.world.served(&mut self.party, now, hold, &tried.usage)?,
        }
        observer.settled(self.party.account(), hold);
        observer.ended(self.consumer, &tried.call(), hold, fails, now);
        Ok(())
    }

    /// The consumer has left: no further attempt is made. Whether attempts that the client waits for may still be given up.
    #[cold]
    pub(in crate::sim) fn leaves<O: Observer>(&mut self, now: Now, observer: &mut O) -> Result<bool, Overflow> {
        if self.patience.is_none() {
            return Ok(false);
        }
        self.is_there = false;
        for Reverse((tried, waits)) in mem::take(&mut self.waiting) {
            match waits {
                Waits::GivesUp { made, hold } if tried.at <= now.traffic => {
                    self.gives_up(&Try { at: made, ..tried }, now, hold, observer)?;
                }
                Waits::GivesUp { .. } => self.waiting.push(Reverse((tried, waits))),
                Waits::First | Waits::Again(_) => is_not_made(self.consumer, &tried, waits, observer),
            }
        }
        Ok(true)
    }
}
