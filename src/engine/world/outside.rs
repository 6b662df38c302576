//! A party whose charges are asked outside of the engine: of a processor behind sockets.
//!
//! What its account wants charged is put in an outbox, together with what the model would answer; whoever plays the party
//! takes it out, asks, and tells what was answered. An answer is due when the model gives it, and nothing that is due
//! after it happens before it has come: the calendar of an account waits for its processor, so it does not matter how
//! long a machine takes to ask, at however fast a clock. Calls do not wait where they come by the wall's clock
//! ([`Hears::ByTheWall`]): they find the account as it is, so what was heard when belongs in the log. In lockstep they
//! wait too ([`Hears::InTurn`]), and the order of events is the modelled party's to the last one.

use crate::billing::decline::Answer;
use crate::billing::invoice::Charge;
use crate::billing::ledger::Movement;
use crate::billing::price;
use crate::money::{Currency, Money};
use crate::time::{Now, Span, Time};
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
}

/// How far an account was caught up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaughtUp {
    /// Everything that was due is done.
    Fully,
    /// An answer is due that has not come.
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
    /// What has come and was not heard yet.
    come: Vec<(Charge, Answer)>,
    /// Since when an answer is awaited that the model gives at once.
    stopped: Option<Now>,
    /// Whether an answer was due that had not come, when the account was last caught up.
    waits: bool,
    captured: Captured,
}

/// What the books have captured of what was asked outside. What clients pay with their calls is not: no processor collects
/// it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// How many charges.
    pub charges: u64,
    /// How much: each charge in whole units of the currency's smallest, as a processor takes it.
    pub amount: Money,
}

/// Before all moments: an answer that the model gives at once is due before anything else.
const AT_ONCE: Time = Time::from_ns(i64::MIN);

impl Outside {
    /// `None` for a party that hears from the model.
    pub(super) fn new(hears: Hears) -> Option<Box<Self>> {
        let none_yet = Self {
            hears,
            wishes: Vec::new(),
            open: Vec::new(),
            come: Vec::new(),
            stopped: None,
            waits: false,
            captured: Captured::default(),
        };
        (hears != Hears::FromTheModel).then(|| Box::new(none_yet))
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

    /// What the books have captured of what was asked outside; nothing for one who hears from the model.
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
        let goes_on = hears > now.traffic;
        outside.stopped = (!goes_on).then_some(now);
        self.answers.enter(if goes_on { hears } else { AT_ONCE }, (ask.charge, ask.answer));
        goes_on
    }

    /// Whether it waits for an answer that is due: nothing happens to it by itself before that has come.
    pub fn waits(&self) -> bool {
        self.outside.as_ref().is_some_and(|outside| outside.waits)
    }

    /// An answer has come. It is heard when it is due.
    pub(super) fn keep(&mut self, charge: Charge, answer: Answer) {
        if let Some(outside) = &mut self.outside {
            outside.come.push((charge, answer));
        }
    }

    /// Takes what is due first; `None`: it is an answer that has not come, and the account waits.
    pub(super) fn take_incoming(&mut self) -> Option<Incoming> {
        let Some(outside) = &mut self.outside else { return self.answers.take() };
        let Incoming::Answer(due, _) = self.answers.first()? else { return self.answers.take() };
        let place = outside.come.iter().position(|(charge, _)| charge == due);
        outside.waits = place.is_none();
        let (charge, answer) = outside.come.remove(place?);
        self.answers.take();
        Some(Incoming::Answer(charge, answer))
    }

    /// When the account has stopped for an answer that the model gives at once, if it has.
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
}
