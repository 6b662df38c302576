//! A party whose charges are asked outside of the engine: of a processor behind sockets.
//!
//! What its account wants charged is put in an outbox, together with what the model would answer; whoever plays the party
//! takes it out, asks, and tells what was answered. So it is with what goes back, with each delivery of a webhook, and with
//! what no webhook has told and is asked for: what has come from outside is what the account hears. It is due when the
//! model gives it, and nothing that is due after it happens before it has come: the calendar of an account waits for its
//! processor, so it does not matter how long a machine takes to ask, at however fast a clock. Calls do not wait where they come by the wall's clock
//! ([`Hears::ByTheWall`]): they find the account as it is, so what was heard when belongs in the log. In lockstep they
//! wait too ([`Hears::InTurn`]), and the order of events is the modelled party's to the last one.

use crate::billing::decline::Answer;
use crate::billing::inbox::{Event, EventId, Told};
use crate::billing::invoice::{Charge, Purpose};
use crate::billing::ledger::Movement;
use crate::billing::price;
use crate::money::{Currency, Money};
use crate::time::{Now, Span, Time};
use crate::world::Via;
use crate::world::party::{Incoming, Party};

/// From whom an account hears what became of its charges, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hears {
    /// From the model: nobody is asked.
    #[default]
    FromTheModel,
    /// From outside; calls go on meanwhile.
    ByTheWall,
    /// From outside; nothing happens before an answer that is due.
    InTurn,
}

impl Hears {
    /// From whom an account hears that is played again by a log: at the model's moments, from the model itself.
    #[must_use]
    pub fn again(self) -> Self {
        match self {
            Self::ByTheWall => self,
            Self::FromTheModel | Self::InTurn => Self::FromTheModel,
        }
    }
}

/// A charge, and what the model makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The attempt.
    pub charge: Charge,
    /// What the model answers to it.
    pub answer: Answer,
    /// How long it takes to, in traffic time.
    pub latency: Span,
}

/// What a party wants of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To be paid.
    Charge(Ask),
    /// What was paid for this is to go back: when the answer came, nobody owed it any more, so the books have not
    /// captured it.
    GiveBack(Charge),
    /// What was captured goes back now: the consumer is given it ([`Movement::Refund`]), or their bank takes it
    /// ([`Movement::Chargeback`]).
    Return(Movement, Charge),
    /// To be told what no webhook has told by now.
    Find,
}

/// What has come from the processor outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It has answered a charge.
    Answered(Charge, Answer),
    /// A payment has gone back, as [`Wish::Return`] wanted.
    Returned(Movement, Charge),
    /// What has become of a payment, by a webhook or because somebody has asked.
    Told {
        /// What it was for.
        purpose: Purpose,
        /// Which attempt at it.
        attempt: u32,
        /// What has become of it.
        told: Told,
        /// How that has come.
        via: Via,
    },
}

/// How far an account was caught up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaughtUp {
    /// Everything that was due is done.
    Fully,
    /// Something is due that has not come from outside.
    Waits,
}

/// What is asked outside for a party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outside {
    hears: Hears,
    /// Until somebody takes it.
    wishes: Vec<Wish>,
    /// What was asked and is not answered, as far as the account knows.
    open: Vec<Charge>,
    /// What has gone back, as the account does not know.
    returning: Vec<Charge>,
    /// What has come and was not heard yet.
    come: Vec<Came>,
    /// What was last asked for because no webhook had told it.
    missed: Option<EventId>,
    /// Since when something is awaited that the model gives at once.
    stopped: Option<Now>,
    /// Whether something was due that had not come, when the account was last caught up.
    waits: bool,
    captured: Captured,
}

/// What the books have captured of what was asked outside, less what they know has gone back. What clients pay with their calls is not: no processor collects
/// it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// How many charges.
    pub charges: u64,
    /// How much: each charge in whole units of the currency's smallest, as a processor takes it.
    pub amount: Money,
}

/// Before all moments: what the model gives at once is due before anything else.
const AT_ONCE: Time = Time::from_ns(i64::MIN);

impl Outside {
    /// `None` for a party that hears from the model.
    pub(super) fn new(hears: Hears) -> Option<Box<Self>> {
        let none_yet = Self {
            hears,
            wishes: Vec::new(),
            open: Vec::new(),
            returning: Vec::new(),
            come: Vec::new(),
            missed: None,
            stopped: None,
            waits: false,
            captured: Captured::default(),
        };
        (hears != Hears::FromTheModel).then(|| Box::new(none_yet))
    }

    /// Takes what is due out of what has come; `None`: it has not come.
    fn take(&mut self, due: &Incoming) -> Option<Incoming> {
        Some(match due {
            Incoming::Answer(charge, _) => {
                let answer = self.find(|came| match came {
                    Came::Answered(answered, answer) if answered == charge => Some(*answer),
                    _ => None,
                });
                Incoming::Answer(*charge, answer?)
            }
            Incoming::Returned(movement, charge) => {
                self.find(|came| (*came == Came::Returned(*movement, *charge)).then_some(()))?;
                *due
            }
            Incoming::Delivery(delivery) => {
                Incoming::Delivery(delivery.telling(self.told(delivery.event(), Via::Webhook)?))
            }
            Incoming::Reconciled(event) => Incoming::Reconciled(self.found(event)?),
        })
    }

    fn find<T>(&mut self, is: impl Fn(&Came) -> Option<T>) -> Option<T> {
        let (place, found) = self.come.iter().enumerate().find_map(|(place, came)| Some((place, is(came)?)))?;
        self.come.remove(place);
        Some(found)
    }

    /// An event as it was told: what the processor says counts.
    fn told(&mut self, event: &Event, by: Via) -> Option<Event> {
        let told = self.find(|came| came.tells(event).filter(|(_, via)| *via == by));
        told.map(|(told, _)| Event { told, ..*event })
    }

    /// The same of an event that no webhook has told by the moment at which it is asked for. If one comes while that is
    /// done, the processor does not tell it again; then it is known, and the webhook is heard when it is due.
    fn found(&mut self, event: &Event) -> Option<Event> {
        let known = || self.come.iter().find_map(|came| came.tells(event));
        if let Some((told, _)) = known() {
            return self.told(event, Via::Reconciliation).or(Some(Event { told, ..*event }));
        }
        if self.missed != Some(event.id()) {
            self.missed = Some(event.id());
            self.wishes.push(Wish::Find);
        }
        None
    }
}

impl Came {
    /// What it tells of this event, and how it has come.
    fn tells(&self, event: &Event) -> Option<(Told, Via)> {
        match *self {
            Self::Told { purpose, attempt, told, via } if EventId::of(purpose, attempt, told) == event.id() => {
                Some((told, via))
            }
            _ => None,
        }
    }
}

impl Party {
    /// From whom it hears.
    pub fn hears(&self) -> Hears {
        self.outside.as_ref().map_or(Hears::FromTheModel, |outside| outside.hears)
    }

    /// Takes out what it wants of the processor, in the order in which it came to want it.
    pub fn take_wishes(&mut self) -> Vec<Wish> {
        self.outside.as_mut().map_or_else(Vec::new, |outside| std::mem::take(&mut outside.wishes))
    }

    /// What was asked outside and is not answered, as far as the account knows.
    pub fn open_charges(&self) -> &[Charge] {
        self.outside.as_ref().map_or(&[], |outside| &outside.open)
    }

    /// What has gone back at the processor, as the account does not know.
    pub fn returning(&self) -> &[Charge] {
        self.outside.as_ref().map_or(&[], |outside| &outside.returning)
    }

    /// What the books have captured of what was asked outside, and not given back; nothing for one who hears from the model.
    pub fn captured(&self) -> Captured {
        self.outside.as_ref().map_or_else(Captured::default, |outside| outside.captured)
    }

    /// Wants a charge made, of which the account would hear from the model at `hears`. Whether it goes on until then.
    pub(super) fn wants(&mut self, now: Now, hears: Time, ask: Ask) -> bool {
        let Some(outside) = &mut self.outside else {
            self.answers.enter(hears, (ask.charge, ask.answer));
            return true;
        };
        outside.wishes.push(Wish::Charge(ask));
        outside.open.push(ask.charge);
        let answer = Incoming::Answer(ask.charge, ask.answer);
        if hears > now.traffic {
            self.answers.enter(hears, answer);
            return true;
        }
        !self.stops(now, answer)
    }

    /// Wants a captured payment to go back now. Whether anybody is asked: one that hears from the model asks nobody.
    pub(super) fn wants_back(&mut self, now: Now, movement: Movement, charge: Charge) -> bool {
        if let Some(outside) = &mut self.outside {
            outside.wishes.push(Wish::Return(movement, charge));
            outside.returning.push(charge);
        }
        self.stops(now, Incoming::Returned(movement, charge))
    }

    /// Stops for what the model gives at once, until it has come. Whether it does: one that hears from the model does not.
    pub(super) fn stops(&mut self, now: Now, incoming: Incoming) -> bool {
        let Some(outside) = &mut self.outside else { return false };
        outside.stopped = Some(now);
        self.answers.enter(AT_ONCE, incoming);
        true
    }

    /// Whether it waits for something that is due: nothing happens to it by itself before that has come.
    pub fn waits(&self) -> bool {
        self.outside.as_ref().is_some_and(|outside| outside.waits)
    }

    /// Whether it waits for an event that no webhook has told, and that was asked for.
    pub fn misses(&self) -> bool {
        self.waits() && matches!(self.answers.first(), Some(Incoming::Reconciled(_)))
    }

    /// Something has come. It is heard when it is due.
    pub(super) fn keep(&mut self, came: Came) {
        if let Some(outside) = &mut self.outside {
            outside.come.push(came);
        }
    }

    /// Takes what is due first; `None`: it has not come, and the account waits.
    pub(super) fn take_incoming(&mut self) -> Option<Incoming> {
        let Some(outside) = &mut self.outside else { return self.answers.take() };
        let come = outside.take(self.answers.first()?);
        outside.waits = come.is_none();
        if come.is_some() {
            self.answers.take();
        }
        come
    }

    /// When the account has stopped for something that the model gives at once, if it has.
    pub(super) fn stopped(&self) -> Option<Now> {
        self.outside.as_ref()?.stopped
    }

    /// It goes on.
    pub(super) fn goes_on(&mut self) {
        if let Some(outside) = &mut self.outside {
            outside.stopped = None;
        }
    }

    /// The account has heard of a charge, for which the books had captured so much before. What was paid for nothing goes
    /// back.
    pub(super) fn has_heard(&mut self, charge: Charge, answer: Answer, before: Money, currency: Currency) {
        let Some(outside) = &mut self.outside else { return };
        // What is told of an attempt tells what came before, too.
        outside.open.retain(|open| open.purpose != charge.purpose || open.attempt > charge.attempt);
        let more = self.account.books().moved(Movement::Capture).nanos() - before.nanos();
        if more > 0 {
            let Captured { charges, amount } = outside.captured;
            let more = price::line(Money::from_nanos(more), currency).nanos();
            outside.captured = Captured { charges: charges + 1, amount: Money::from_nanos(amount.nanos() + more) };
        } else if answer == Answer::Paid {
            outside.wishes.push(Wish::GiveBack(charge));
        }
    }

    /// The account has heard that a payment has gone back.
    pub(super) fn has_lost(&mut self, charge: Charge, currency: Currency) {
        let Some(outside) = &mut self.outside else { return };
        outside.returning.retain(|returning| *returning != charge);
        let Captured { charges, amount } = outside.captured;
        let less = price::line(charge.amount, currency).nanos();
        outside.captured = Captured { charges: charges - 1, amount: Money::from_nanos(amount.nanos() - less) };
    }
}
