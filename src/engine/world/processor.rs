//! The payment processor as a model: it answers from addressed draws.

use crate::billing::account::Consumer;
use crate::billing::catalog::Catalog;
use crate::billing::decline::Answer;
use crate::billing::invoice::{Charge, Purpose};
use crate::draw::Address;
use crate::model::{Card, Payments, Returns, Scenario};
use crate::time::{Span, Time};
use crate::world::card;

/// Answers charges. The same attempt on the same invoice at the same moment is answered alike, however often and by
/// whom it is asked.
#[derive(Clone, Debug)]
pub struct Processor {
    cohorts: Vec<(Address, Option<Card>)>,
    payments: Payments,
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
        Self { cohorts: addresses.zip(cards).collect(), payments: scenario.payments.clone() }
    }

    /// What it answers to a charge that it is asked for at `at`, and how long it takes to (in traffic time).
    pub(super) fn answer(&self, consumer: Consumer, charge: Charge, cards: NewCards, at: Time) -> (Answer, Span) {
        let (cohort, card) = self.cohorts[consumer.cohort as usize];
        let own = cohort.at(u64::from(consumer.index));
        let attempt = payment(own, charge.purpose).at(u64::from(charge.attempt));
        let latency = self.payments.processor.latency.sample_whole(attempt.named("latency").stream().word(0));
        let is_error = self.payments.processor.errors.happens(attempt.named("error").stream().word(0));
        let answer = match card.or_else(|| (cards.count > 0).then(Card::good)) {
            _ if is_error => Answer::Error,
            Some(card) => card::answer(&card, own, cards.last, cards.count, at, attempt),
            None => unreachable!("nobody is charged who has no card"),
        };
        (answer, Span::from_ns(latency))
    }

    /// Whether a captured payment will be refunded, and whether it will be charged back.
    pub(super) fn returns(&self, consumer: Consumer, purpose: Purpose) -> [Option<&Returns>; 2] {
        let (cohort, _) = self.cohorts[consumer.cohort as usize];
        let own = payment(cohort.at(u64::from(consumer.index)), purpose);
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
