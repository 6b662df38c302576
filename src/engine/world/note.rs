//! What a story tells of webhooks: what happened at the processor, what came of it to the gateway and when, and what that
//! was worth. Counts say how often; only one who follows a single account wants each. So nothing is noted unless somebody
//! has asked for it, and who asks takes the notes as they come.

use crate::billing::inbox::{Event, Hearing};
use crate::time::Span;
use crate::world::party::Party;
use crate::world::webhooks::Via;

/// One thing that has come of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The event.
    pub event: Event,
    /// What has come of it.
    pub what: Noted,
}

/// What has come of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It has happened at the processor.
    Happened(Sent),
    /// The gateway was told of it.
    Told {
        /// How.
        via: Via,
        /// What that was worth.
        hearing: Hearing,
        /// How long after it had happened, in traffic time.
        late: Span,
        /// For how long of that the account's status refused what it would have served had it heard at once; zero for what
        /// was no news.
        wrongly_blocked: Span,
        /// For how long it served what it would have refused.
        wrongly_served: Span,
    },
}

/// Whether an event comes by webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Its webhook will come.
    OnItsWay,
    /// None will.
    Lost,
}

impl Party {
    /// From now on what comes of events is noted.
    pub fn keep_notes(&mut self) {
        self.post.get_or_insert_default().notes.get_or_insert_default();
    }

    /// What was noted since this was asked last, in its order.
    pub fn take_notes(&mut self) -> Vec<Note> {
        self.notes().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn note(&mut self, event: Event, what: Noted) {
        if let Some(notes) = self.notes() {
            notes.push(Note { event, what });
        }
    }

    fn notes(&mut self) -> Option<&mut Vec<Note>> {
        self.post.as_mut()?.notes.as_mut()
    }
}
