//! Counts what happens, densely: one cell per cohort and outcome, one latency histogram per cohort. Memory does not
//! grow with calls or consumers.

use hdrhistogram::Histogram;

use crate::billing::account::{Account, Consumer};
use crate::billing::cause::CAUSES;
use crate::billing::gate::Decision;
use crate::billing::hold::HoldId;
use crate::billing::ledger::{MOVEMENTS, Movement};
use crate::billing::tally::Tally;
use crate::model::PerMeter;
use crate::sim::Observer;
use crate::time::{HOUR, Now, Span};
use crate::world::schedule::Call;

/// What one thread counts of the consumers that it plays; [`crate::outcome::Outcome`] is made of it.
#[derive(Clone, Debug)]
pub struct Recorder {
    pub(crate) cohorts: Vec<CohortRecord>,
    /// The causes that the consumer being played has met, as bits.
    met: u32,
}

/// The counts of one cohort.
#[derive(Clone, Debug)]
pub(crate) struct CohortRecord {
    pub(crate) admitted: u64,
    pub(crate) served: u64,
    pub(crate) failed: u64,
    pub(crate) refused: [u64; CAUSES],
    pub(crate) consumers_refused: [u64; CAUSES],
    pub(crate) admitted_usage: PerMeter<u64>,
    pub(crate) served_usage: PerMeter<u64>,
    pub(crate) failed_usage: PerMeter<u64>,
    pub(crate) refused_usage: PerMeter<u64>,
    pub(crate) moved: [i128; MOVEMENTS],
    pub(crate) tally: Tally,
    pub(crate) latency: Histogram<u64>,
}

impl Recorder {
    /// Nothing counted yet, for this many cohorts.
    pub fn new(cohorts: usize) -> Self {
        Self { cohorts: vec![CohortRecord::new(); cohorts], met: 0 }
    }
}

/// A latency histogram in ns: 2 significant digits from 1 µs to an hour; what lies outside counts at the end.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, HOUR, 2).expect("the bounds are constants that fit each other")
}

impl CohortRecord {
    fn new() -> Self {
        Self {
            admitted: 0,
            served: 0,
            failed: 0,
            refused: [0; CAUSES],
            consumers_refused: [0; CAUSES],
            admitted_usage: PerMeter::default(),
            served_usage: PerMeter::default(),
            failed_usage: PerMeter::default(),
            refused_usage: PerMeter::default(),
            moved: [0; MOVEMENTS],
            tally: Tally::default(),
            latency: histogram(),
        }
    }
}

fn add<const N: usize>(sum: &mut [u64; N], more: &[u64; N]) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

impl Observer for Recorder {
    #[inline]
    fn decided(&mut self, consumer: Consumer, call: &Call, _: Now, decision: Decision) {
        let record = &mut self.cohorts[consumer.cohort as usize];
        match decision {
            Decision::Admit(_) => {
                record.admitted += 1;
                add(&mut record.admitted_usage, &call.usage);
            }
            Decision::Refuse(cause) => {
                record.refused[cause.index()] += 1;
                add(&mut record.refused_usage, &call.usage);
                self.met |= 1 << cause.index();
            }
        }
    }

    #[inline]
    fn served(&mut self, consumer: Consumer, call: &Call, _: HoldId, _: Now, latency: Span) {
        let record = &mut self.cohorts[consumer.cohort as usize];
        record.served += 1;
        add(&mut record.served_usage, &call.usage);
        record.latency.saturating_record(latency.ns());
    }

    fn failed(&mut self, consumer: Consumer, call: &Call, _: HoldId, _: Now) {
        let record = &mut self.cohorts[consumer.cohort as usize];
        record.failed += 1;
        add(&mut record.failed_usage, &call.usage);
    }

    fn closed(&mut self, account: &Account) {
        let record = &mut self.cohorts[account.consumer().cohort as usize];
        for (cause, count) in record.consumers_refused.iter_mut().enumerate() {
            *count += u64::from(self.met >> cause & 1);
        }
        self.met = 0;
        for movement in Movement::ALL {
            record.moved[movement as usize] += i128::from(account.books().moved(movement).nanos());
        }
        record.tally.add(account.tally());
    }
}
