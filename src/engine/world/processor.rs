//! The payment processor as a model: it answers from addressed draws.

use crate::billing::account::Consumer;
use crate::billing::catalog::Catalog;
use crate::billing::decline::Answer;
use crate::billing::inbox::{Event, Told};
use crate::billing::invoice::{Charge, Purpose};
use crate::draw::Address;
use crate::model::{Breaks, Card, Fault, Payments, Returns, Scenario};
use crate::time::{Span, Time};
use crate::world::card;

/// Answers charges. The same attempt on the same invoice at the same moment is answered alike, however often and by
/// whom it is asked.
#[derive(Clone, Debug)]
pub struct Processor {
    cohorts: Vec<(Address, Option<Card>)>,
    payments: Payments,
    faults: Vec<Fault>,
}

/// What a consumer has done about their card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewCards {
    /// When they last put in a new one.
    pub(super) last: Option<Time>,
    /// How many times they did.
    pub(super) count: u32,
}

impl Processor {
    /// The processor of a scenario.
    pub fn new(scenario: &Scenario, catalog: &Catalog) -> Self {
        let cards = scenario.cohorts.iter().map(|cohort| cohort.card);
        let addresses = catalog.cohorts.iter().map(|cohort| cohort.address);
        Self {
            cohorts: addresses.zip(cards).collect(),
            payments: scenario.payments.clone(),
            faults: scenario.faults.clone(),
        }
    }

    /// What it answers to a charge that it is asked for at `at`, and how long it takes to (in traffic time). A fault meets
    /// what is asked while it lasts, whenever the answer comes.
    pub(super) fn answer(&self, consumer: Consumer, charge: Charge, cards: NewCards, at: Time) -> (Answer, Span) {
        let (_, card) = self.cohorts[consumer.cohort as usize];
        let own = self.own(consumer);
        let attempt = payment(own, charge.purpose).at(u64::from(charge.attempt));
        let latency = self.payments.processor.latency.sample_whole(attempt.named("latency").stream().word(0));
        let is_error =
            self.is_down(at) || self.payments.processor.errors.happens(attempt.named("error").stream().word(0));
        let answer = match card.or_else(|| (cards.count > 0).then(Card::good)) {
            _ if is_error => Answer::Error,
            Some(card) => card::answer(&card, own, cards.last, cards.count, at, attempt),
            None => unreachable!("nobody is charged who has no card"),
        };
        (answer, self.slowed(Span::from_ns(latency), at))
    }

    fn is_down(&self, at: Time) -> bool {
        self.faults.iter().any(|fault| fault.breaks == Breaks::ProcessorDown && fault.is_on(at))
    }

    /// As long as an answer takes that is asked for at `at`. What slows it down at once slows it down together.
    fn slowed(&self, latency: Span, at: Time) -> Span {
        let slows = |fault: &Fault| match fault.breaks {
            Breaks::ProcessorSlow { factor } if fault.is_on(at) => Some(factor),
            _ => None,
        };
        let mut factors = self.faults.iter().filter_map(slows).peekable();
        match factors.peek() {
            Some(_) => Span::from_ns((latency.ns() as f64 * factors.product::<f64>()) as u64),
            None => latency,
        }
    }

    /// Where the draws about a consumer live.
    pub(super) fn own(&self, consumer: Consumer) -> Address {
        let (cohort, _) = self.cohorts[consumer.cohort as usize];
        cohort.at(u64::from(consumer.index))
    }

    /// Where the draws about an event live.
    pub(super) fn event(&self, consumer: Consumer, event: &Event) -> Address {
        let attempt = payment(self.own(consumer), event.charge.purpose).at(u64::from(event.charge.attempt));
        attempt.named(match event.told {
            Told::Answered(_) => "webhook",
            Told::Returned(_) => "webhook of a return",
        })
    }

    /// Whether a captured payment will be refunded, and whether it will be charged back.
    pub(super) fn returns(&self, consumer: Consumer, purpose: Purpose) -> [Option<&Returns>; 2] {
        let own = payment(self.own(consumer), purpose);
        let [refund, chargeback] = [("refund", &self.payments.refunds), ("chargeback", &self.payments.chargebacks)]
            .map(|(name, terms)| terms.chance.happens(own.named(name).stream().word(0)).then_some(terms));
        // What was refunded cannot be charged back.
        [refund, chargeback.filter(|_| refund.is_none())]
    }
}

/// Where the draws about a payment live.
fn payment(consumer: Address, purpose: Purpose) -> Address {
    let (name, number) = match purpose {
        Purpose::Period(number) => ("charge", number),
        Purpose::Usage(number) => ("charge of usage", number),
        Purpose::Change(number) => ("charge of a change", number),
        Purpose::Last(number) => ("last charge", number),
        Purpose::TopUp(number) => ("top-up", number),
    };
    consumer.named(name).at(u64::from(number))
}
