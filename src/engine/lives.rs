//! What each consumer came to, whole: the halves that a comparison is paired of. Draws have addresses, so the same
//! consumer under two scenarios meets the same demand, and what differs between the two lives is what the change has done.
//!
//! Lives are kept for as long as it takes to pair them: a chunk of consumers, or all who share something.

use crate::billing::account::{Account, Consumer, Status};
use crate::billing::cause::Failure;
use crate::billing::gate::Decision;
use crate::billing::headroom::Passed;
use crate::billing::hold::HoldId;
use crate::billing::tally::Count;
use crate::figures::Figures;
use crate::model::PerMeter;
use crate::sim::{Observer, Tried};
use crate::time::{Now, Span};
use crate::world::schedule::Call;

/// What one consumer came to by the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// What was earned from them, in nanos.
    pub earned: i128,
    /// What was collected from them, refunds and chargebacks taken off, in nanos.
    pub collected: i128,
    /// What was earned less what collecting and answering cost, in nanos.
    pub margin: i128,
    /// What they add to the monthly recurring revenue at the end, in nanos.
    pub mrr: i128,
    /// What their attempts came to.
    pub tried: Tried,
    /// Attempts that were served.
    pub served: u64,
    /// What those used, and what was answered to clients who had given up.
    pub used: PerMeter<u64>,
    /// Whether, and how often, they left by their own will.
    pub left: u64,
    /// How often they changed their plan or slowed down: upgrades, those whose payment failed, downgrades, times slowed.
    pub reacted: [u64; 4],
    /// When they were invoiced, as a digest, of those who reacted or left: what tells that they did so at another moment.
    pub told_at: u64,
    /// Dunning runs that ended without payment.
    pub exhausted: u64,
    /// How long they were blocked for unpaid invoices, in ns of billing time.
    pub blocked_ns: u128,
    /// The status at the end, where it is one that a missing payment leads to.
    pub unpaid: Option<Status>,
}

impl Life {
    /// Calls made, each with one attempt or more.
    pub fn calls(&self) -> u64 {
        self.tried.attempts - self.tried.again
    }

    /// Calls whose last attempt was refused.
    pub fn calls_refused(&self) -> u64 {
        self.tried.refused - self.tried.refused_again
    }

    /// Whether anything of theirs was refused.
    pub fn is_refused(&self) -> bool {
        self.tried.refused > 0
    }

    fn close(&mut self, account: &Account, tried: &Tried) {
        let figures = Figures::of(|movement| i128::from(account.books().moved(movement).nanos()));
        let tally = account.tally();
        self.earned = figures.earned;
        self.collected = figures.collected;
        self.margin = figures.margin;
        self.mrr = figures.mrr;
        self.tried = *tried;
        self.left = tally.of(Count::Left);
        self.reacted =
            [Count::Upgrades, Count::UpgradesFailed, Count::Downgrades, Count::Slowed].map(|count| tally.of(count));
        if self.left > 0 || self.reacted != [0; 4] {
            // Lines of one invoice share their moment, and how many there are is a matter of prices.
            let mut moments: Vec<_> = account.invoiced.iter().map(|(at, _)| at.ns().cast_unsigned()).collect();
            moments.dedup();
            self.told_at = moments.into_iter().fold(1, |digest, at| digest.wrapping_mul(PRIME).wrapping_add(at));
        }
        self.exhausted = tally.of(Count::Exhausted);
        self.blocked_ns = tally.blocked_ns;
        self.unpaid = match account.status() {
            Status::Awaited | Status::Trialing | Status::Active => None,
            // Canceled by their own will is no matter of payment.
            Status::Canceled if self.left > 0 => None,
            unpaid => Some(unpaid),
        };
    }
}

/// Of FNV's hash: moments that differ have digests that do, but for one chance in 2⁶⁴ or so.
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The lives of a window of each cohort, taken down while they are played.
#[derive(Clone, Debug)]
pub struct Lives {
    cohorts: Vec<Window>,
}

/// Consumers that follow one another, from the first.
#[derive(Clone, Debug, Default)]
struct Window {
    first: u32,
    lives: Vec<Life>,
}

impl Lives {
    /// Of nobody yet, in this many cohorts.
    pub fn new(cohorts: usize) -> Self {
        Self { cohorts: vec![Window::default(); cohorts] }
    }

    /// Makes the consumers `[from, to)` of a cohort those whose lives are taken down, anew.
    pub fn watch(&mut self, cohort: u32, [from, to]: [u32; 2]) {
        let window = &mut self.cohorts[cohort as usize];
        window.first = from;
        window.lives.clear();
        window.lives.resize(to.saturating_sub(from) as usize, Life::default());
    }

    /// The life of a consumer, if it was taken down.
    pub fn of(&self, consumer: Consumer) -> Option<&Life> {
        let window = self.cohorts.get(consumer.cohort as usize)?;
        window.lives.get(consumer.index.checked_sub(window.first)? as usize)
    }

    fn at(&mut self, consumer: Consumer) -> &mut Life {
        let window = &mut self.cohorts[consumer.cohort as usize];
        &mut window.lives[(consumer.index - window.first) as usize]
    }
}

fn add(sum: &mut PerMeter<u64>, more: &PerMeter<u64>) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

impl Observer for Lives {
    const TOGETHER: bool = true;

    fn decided(&mut self, _: Consumer, _: &Call, _: Now, _: Decision) {}

    fn served(&mut self, consumer: Consumer, call: &Call, _: HoldId, _: Now, _: Span) {
        let life = self.at(consumer);
        life.served += 1;
        add(&mut life.used, &call.usage);
    }

    fn failed(&mut self, _: Consumer, _: &Call, _: HoldId, _: Failure, _: Now) {}

    fn ended(&mut self, consumer: Consumer, call: &Call, _: HoldId, failed: Option<Failure>, _: Now) {
        if failed.is_none() {
            add(&mut self.at(consumer).used, &call.usage);
        }
    }

    fn passed(&mut self, consumer: Consumer, passed: &Passed) {
        let life = self.at(consumer);
        life.served += passed.calls;
        add(&mut life.used, &passed.usage);
    }

    fn closed(&mut self, account: &Account, tried: &Tried) {
        self.at(account.consumer()).close(account, tried);
    }
}
