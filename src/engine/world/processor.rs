//! The payment processor as a model: it answers from addressed draws.

use crate::billing::account::Consumer;
use crate::billing::catalog::Catalog;
use crate::billing::invoice::{Answer, Charge};
use crate::draw::{Address, Chance};

/// Answers charges. The same attempt on the same invoice is answered alike, however often and by whom it is asked.
#[derive(Clone, Debug)]
pub struct Processor {
    cohorts: Vec<(Address, Chance)>,
}

impl Processor {
    /// The processor of a scenario.
    pub fn new(catalog: &Catalog) -> Self {
        Self { cohorts: catalog.cohorts.iter().map(|cohort| (cohort.address, cohort.declines)).collect() }
    }

    /// Whether the charge goes through. The draw belongs to (consumer, period, attempt).
    pub fn answer(&self, consumer: Consumer, charge: Charge) -> Answer {
        let (cohort, declines) = self.cohorts[consumer.cohort as usize];
        let card = cohort.at(u64::from(consumer.index)).named("charge").at(u64::from(charge.period));
        let word = card.stream().word(u64::from(charge.attempt));
        if declines.happens(word) { Answer::Declined } else { Answer::Paid }
    }
}
