//! How an account hears of its payments: by webhooks that are late, come again, are overtaken or lost, as the scenario
//! says; what it has not heard of it asks the processor for. Where the scenario says nothing of webhooks it hears from
//! the processor's answer itself.
//!
//! Each delivery is an event on the party's traffic clock, and goes through its [`Inbox`]. What happens to it is drawn at
//! the address of the attempt, so no other draw moves. An error of the processor is no event of it: nothing has happened
//! there. It is heard from the answer that did not come.
//!
//! A party whose processor is [outside](super::outside) hears at the same moments, and of what has come by then: the
//! processor is told what is drawn here, and plays it.

use crate::billing::account::{Account, Consumer, Status};
use crate::billing::decline::Answer;
use crate::billing::gate::Action;
use crate::billing::heard::{Stance, wrongly};
use crate::billing::inbox::{Event, Hearing, Inbox, Told};
use crate::billing::invoice::{Charge, Purpose};
use crate::billing::ledger::Movement;
use crate::billing::tally::Count;
use crate::billing::timer::Deadline;
use crate::draw::Address;
use crate::model;
use crate::money::Overflow;
use crate::time::{Now, SECOND, Span, Time};
use crate::world::World;
use crate::world::note::{Note, Noted, Sent};
use crate::world::party::{Happening, Incoming, Party};

/// From a delivery that was not acknowledged to the next; each later one is four times as far.
const FIRST_AGAIN: Span = Span::from_ns(5 * SECOND);

/// A payment was made.
const PAID: Told = Told::Answered(Answer::Paid);

/// How the processor sends what happens.
#[derive(Clone, Debug)]
pub(super) struct Webhooks {
    terms: model::Webhooks,
}

/// An event on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    event: Event,
    /// How many came before it.
    number: u32,
    /// When the first came.
    first: Time,
}

/// What a party has heard, and what it has not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Post {
    inbox: Inbox,
    /// What has happened at the processor and was not heard of, in the order in which it did.
    unheard: Vec<Event>,
    /// As long as the account is over though it has paid.
    shut_out: Option<ShutOut>,
    /// What came of events, where somebody wants to know.
    pub(super) notes: Option<Vec<Note>>,
}

/// An account that was given up because nobody had heard that it had paid.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ShutOut {
    /// As it would have been at that moment, had that been heard of. It stays so: its renewals are taken to be paid, and
    /// nothing is used of it, because nothing is served.
    truth: Box<Account>,
    /// Wrongly blocked from then on, as far as that is not counted yet, in traffic time.
    since: Time,
}

/// How something of a payment is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The processor has sent it.
    Webhook,
    /// The gateway has asked.
    Reconciliation,
}

impl Delivery {
    pub(super) fn event(&self) -> &Event {
        &self.event
    }

    /// The same delivery, of what was really told.
    pub(super) fn telling(self, event: Event) -> Self {
        Self { event, ..self }
    }
}

// === What is drawn ===

impl Webhooks {
    pub(super) fn new(terms: &model::Webhooks) -> Self {
        Self { terms: terms.clone() }
    }

    /// When an event that happens at `at` is first delivered; `None`: never. One that would be delayed for longer than it is
    /// tried is lost.
    fn first(&self, event: Address, at: Time) -> Option<Time> {
        let word = |index| event.stream().word(index);
        let delay = Span::from_ns(self.terms.delay.sample_whole(word(1)));
        let is_lost = self.terms.lose.happens(word(0)) || delay > model::Webhooks::TRIED;
        (!is_lost).then(|| at + delay + self.overtaken(event, 0))
    }

    /// When a delivery of `now` that was not acknowledged comes again; `None`: it was, or it is tried no more.
    fn again(&self, event: Address, delivery: &Delivery, now: Time) -> Option<Time> {
        let number = u64::from(delivery.number);
        if !self.terms.duplicate.happens(event.stream().word(2 + 2 * number)) {
            return None;
        }
        let wait = Span::from_ns(FIRST_AGAIN.ns().saturating_mul(4_u64.saturating_pow(delivery.number)));
        let due = now + wait;
        (due.since(delivery.first) <= model::Webhooks::TRIED).then(|| due + self.overtaken(event, number + 1))
    }

    /// How long after an event each of its deliveries comes.
    fn deliveries(&self, address: Address, event: Event) -> Vec<Span> {
        let happened = Time::START;
        let first = self.first(address, happened).map(|first| Delivery { event, number: 0, first });
        let again = |(delivery, at): &(Delivery, Time)| {
            let next = self.again(address, delivery, *at)?;
            Some((Delivery { number: delivery.number + 1, ..*delivery }, next))
        };
        let all = std::iter::successors(first.map(|delivery| (delivery, delivery.first)), again);
        all.map(|(_, at)| at.since(happened)).collect()
    }

    /// How much later the delivery of this number comes, so that others overtake it.
    fn overtaken(&self, event: Address, number: u64) -> Span {
        let is_overtaken = self.terms.reorder.happens(event.stream().word(3 + 2 * number));
        if is_overtaken { model::Webhooks::OVERTAKEN } else { Span::ZERO }
    }

    /// When a consumer's gateway next asks for what it has not heard of, after `at`. Not everybody is asked about at once.
    fn reconciles(&self, consumer: Address, at: Time) -> Time {
        let period = i128::from(self.terms.reconcile.ns());
        let word = consumer.named("reconciliation").stream().word(0);
        let offset = (i128::from(word) * period) >> 64;
        let next = offset + ((i128::from(at.ns()) - offset).div_euclid(period) + 1) * period;
        Time::from_ns(i64::try_from(next).unwrap_or(i64::MAX))
    }
}

// === What happens ===

impl World {
    /// The processor has answered, and the account is to hear of it.
    pub(super) fn answered(&self, party: &mut Party, now: Now, charge: Charge, answer: Answer) -> Result<(), Overflow> {
        let event = Event { charge, told: Told::Answered(answer), at: now };
        if answer == Answer::Error { self.tell(party, now, &event) } else { self.happened(party, now, event) }
    }

    /// Something has happened at the processor: its event is sent, where webhooks say how, else it is heard of at once.
    pub(super) fn happened(&self, party: &mut Party, now: Now, event: Event) -> Result<(), Overflow> {
        if !self.webhooks.terms.asks() {
            return self.tell(party, now, &event);
        }
        party.account.tally.count(Count::Events);
        party.post.get_or_insert_default().unheard.push(event);
        let first = self.webhooks.first(self.processor.event(party.consumer(), &event), now.traffic);
        party.note(event, Noted::Happened(if first.is_some() { Sent::OnItsWay } else { Sent::Lost }));
        let reconciled = self.webhooks.reconciles(self.processor.own(party.consumer()), now.traffic);
        if first.is_none_or(|first| first > reconciled) {
            party.answers.enter(reconciled, Incoming::Reconciled(event));
        }
        match first.map(|first| Delivery { event, number: 0, first }) {
            Some(delivery) if delivery.first == now.traffic => {
                if party.stops(now, Incoming::Delivery(delivery)) {
                    Ok(())
                } else {
                    self.delivered(party, now, delivery)
                }
            }
            Some(delivery) => {
                party.answers.enter(delivery.first, Incoming::Delivery(delivery));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A payment goes back at the processor, at once; where that is outside, when it says so.
    pub(super) fn goes_back(
        &self,
        party: &mut Party,
        now: Now,
        movement: Movement,
        charge: Charge,
    ) -> Result<(), Overflow> {
        if party.wants_back(now, movement, charge) {
            return Ok(());
        }
        self.happened(party, now, Event { charge, told: Told::Returned(movement), at: now })
    }

    /// What a processor outside is to do with its webhook of what it has told of a charge: how long after that has happened
    /// each delivery comes, in traffic time. None: it is lost. `None`: the scenario says nothing of webhooks.
    pub fn deliveries(&self, consumer: Consumer, charge: Charge, told: Told) -> Option<Vec<Span>> {
        let event = Event { charge, told, at: Now::default() };
        let address = || self.processor.event(consumer, &event);
        self.webhooks.terms.asks().then(|| self.webhooks.deliveries(address(), event))
    }

    /// What was on its way comes.
    pub(super) fn comes(&self, party: &mut Party, now: Now, incoming: Incoming) -> Result<(), Overflow> {
        match incoming {
            Incoming::Answer(charge, answer) => self.answered(party, now, charge, answer),
            Incoming::Returned(movement, charge) => {
                self.happened(party, now, Event { charge, told: Told::Returned(movement), at: now })
            }
            Incoming::Delivery(delivery) => self.delivered(party, now, delivery),
            Incoming::Reconciled(event) => self.hear(party, now, &event, Via::Reconciliation).map(drop),
        }
    }

    fn delivered(&self, party: &mut Party, now: Now, delivery: Delivery) -> Result<(), Overflow> {
        self.hear(party, now, &delivery.event, Via::Webhook)?;
        let event = self.processor.event(party.consumer(), &delivery.event);
        if let Some(again) = self.webhooks.again(event, &delivery, now.traffic) {
            party.answers.enter(again, Incoming::Delivery(Delivery { number: delivery.number + 1, ..delivery }));
        }
        Ok(())
    }

    /// An account's gateway is told of an event: what that is worth. News change the account; what was due by `now` has been
    /// done, and what the account then asks for is in its actions.
    ///
    /// # Errors
    /// When an amount leaves the range.
    pub fn hear(&self, party: &mut Party, now: Now, event: &Event, via: Via) -> Result<Hearing, Overflow> {
        let post = party.post.get_or_insert_default();
        let hearing = post.inbox.hear(event, now.traffic);
        let count = match hearing {
            Hearing::News if via == Via::Reconciliation => Some(Count::Reconciled),
            Hearing::News => None,
            Hearing::Duplicate => Some(Count::Duplicates),
            Hearing::Stale => Some(Count::Stale),
        };
        if hearing == Hearing::News {
            // What is told of a payment tells what came before, too.
            post.unheard.retain(|other| other.charge.purpose != event.charge.purpose || other.id() > event.id());
        }
        let tally = &mut party.account.tally;
        let delivered = (via == Via::Webhook).then_some(Count::Deliveries);
        delivered.into_iter().chain(count).for_each(|count| tally.count(count));
        let [wrongly_blocked, wrongly_served] = match hearing {
            Hearing::News => self.tell_late(party, now, event)?,
            Hearing::Duplicate | Hearing::Stale => [Span::ZERO; 2],
        };
        let late = now.traffic.since(event.at.traffic);
        party.note(*event, Noted::Told { via, hearing, late, wrongly_blocked, wrongly_served });
        Ok(hearing)
    }

    /// The account hears something new, and what it was wrong about meanwhile is counted: for how long it was blocked
    /// wrongly, and for how long served.
    ///
    /// Who was given up meanwhile is as wrongly blocked after the news as before: they come too late.
    fn tell_late(&self, party: &mut Party, now: Now, event: &Event) -> Result<[Span; 2], Overflow> {
        let before = self.stance(&party.account);
        self.tell(party, now, event)?;
        let wrong = match self.shut_out_until(party, now) {
            Some(wrong) => wrong,
            None => wrongly(before, self.stance(&party.account), event.at.traffic, now.traffic),
        };
        party.account.heard_late(now.traffic.since(event.at.traffic), wrong);
        Ok(wrong)
    }

    /// When an account refuses for its status, in traffic time.
    fn stance(&self, account: &Account) -> Stance {
        let clock = self.schedule.pace().clock;
        account.stance().map(|at| clock.traffic_at(at))
    }

    /// The account hears of an event; a payment that was captured may go back.
    fn tell(&self, party: &mut Party, now: Now, event: &Event) -> Result<(), Overflow> {
        let captured = party.account.books().moved(Movement::Capture);
        self.apply(&mut party.account, now, event, &mut party.actions)?;
        match event.told {
            Told::Answered(answer) => party.has_heard(event.charge, answer, captured, self.catalog.currency),
            Told::Returned(_) => party.has_lost(event.charge, self.catalog.currency),
        }
        if party.account.books().moved(Movement::Capture) == captured {
            return Ok(());
        }
        let movements = [Movement::Refund, Movement::Chargeback];
        let returns = self.processor.returns(party.consumer(), event.charge.purpose);
        for (terms, movement) in returns.into_iter().zip(movements) {
            if let Some(terms) = terms {
                party.agenda.enter(event.at.billing + terms.after, Happening::Return(movement, event.charge));
            }
        }
        Ok(())
    }

    /// What an event does to an account.
    fn apply(&self, account: &mut Account, now: Now, event: &Event, actions: &mut Vec<Action>) -> Result<(), Overflow> {
        let (catalog, charge) = (&self.catalog, event.charge);
        match event.told {
            Told::Answered(answer) => account.hears(now, event.at, catalog, charge, answer, actions),
            Told::Returned(movement) => {
                if account.awaits(charge.purpose) {
                    // What went back was paid.
                    account.hears(now, event.at, catalog, charge, Answer::Paid, actions)?;
                }
                let payments = &self.scenario.payments;
                let terms = if movement == Movement::Refund { &payments.refunds } else { &payments.chargebacks };
                account.returned(now, event.at.billing, movement, charge.amount, terms)
            }
        }
    }
}

// === What is not heard of ===

impl World {
    /// A party's account as it would be, had it heard of all that has happened at the processor by `now`; `None`: as it is.
    ///
    /// # Errors
    /// When an amount leaves the range.
    #[inline]
    pub fn truth(&self, party: &Party, now: Now) -> Result<Option<Box<Account>>, Overflow> {
        let Some(post) = &party.post else { return Ok(None) };
        let is_as_it_is = post.unheard.is_empty() && post.shut_out.is_none();
        if is_as_it_is { Ok(None) } else { self.informed(party, now).map(Some) }
    }

    #[cold]
    fn informed(&self, party: &Party, now: Now) -> Result<Box<Account>, Overflow> {
        if let Some(shut_out) = party.shut_out() {
            return Ok(shut_out.truth.clone());
        }
        let mut account = Box::new(party.account.clone());
        for event in party.unheard() {
            self.apply(&mut account, now, event, &mut Vec::new())?;
        }
        Ok(account)
    }

    /// What is due for an account happens. Who is given up then, because nobody has heard that they have paid, is shut out.
    pub(super) fn falls_due(&self, party: &mut Party, now: Now, what: Deadline) -> Result<(), Overflow> {
        // All else that ends a subscription by itself is the end of a dunning run, and what was asked for is waited for there.
        let truth = if what == Deadline::Incomplete { self.truth(party, now)? } else { None };
        party.account.deadline(now, what, &self.catalog, &mut party.actions)?;
        let has_paid = |event: &&Event| matches!(event.charge.purpose, Purpose::Period(_)) && event.told == PAID;
        let paid = party.unheard().iter().find(has_paid).map(|event| event.at.traffic);
        let truth = truth.filter(|truth| truth.status() != Status::Incomplete);
        if let Some(((truth, since), post)) = truth.zip(paid).zip(party.post.as_mut()) {
            post.shut_out = Some(ShutOut { truth, since });
        }
        Ok(())
    }

    /// For how long one who is shut out was wrongly blocked, and wrongly served, since that was asked last; `None` for
    /// anybody else.
    fn shut_out_until(&self, party: &mut Party, now: Now) -> Option<[Span; 2]> {
        let shut_out = party.post.as_mut()?.shut_out.as_mut()?;
        let since = std::mem::replace(&mut shut_out.since, now.traffic);
        Some(wrongly(self.stance(&party.account), self.stance(&shut_out.truth), since, now.traffic))
    }

    /// Who was shut out would not be served any longer anyway: they leave, or the played time ends.
    pub(super) fn no_longer_shut_out(&self, party: &mut Party, now: Now) {
        if let Some(wrong) = self.shut_out_until(party, now) {
            party.account.was_wrong(wrong);
            party.post.get_or_insert_default().shut_out = None;
        }
    }

    /// The played time ends, and so much was not heard of: as long as it goes on, what that means is counted.
    pub(super) fn stays_unheard(&self, party: &mut Party, end: Now) -> Result<(), Overflow> {
        self.no_longer_shut_out(party, end);
        if party.unheard().is_empty() {
            return Ok(());
        }
        let mut account = party.account.clone();
        for event in party.unheard().to_vec() {
            let before = self.stance(&account);
            self.apply(&mut account, end, &event, &mut Vec::new())?;
            party.account.was_wrong(wrongly(before, self.stance(&account), event.at.traffic, end.traffic));
            party.account.tally.count(Count::Unheard);
        }
        Ok(())
    }
}

impl Party {
    fn shut_out(&self) -> Option<&ShutOut> {
        self.post.as_ref()?.shut_out.as_ref()
    }

    /// What has happened at the processor and the account has not heard of.
    #[inline]
    pub fn unheard(&self) -> &[Event] {
        self.post.as_ref().map_or(&[], |post| &post.unheard)
    }
}
