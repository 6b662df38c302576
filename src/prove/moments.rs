//! When the quota of a period is used up, and when it first refuses: moments, which an outcome does not hold.

use farebox_engine::billing::account::{Account, Consumer};
use farebox_engine::billing::cause::{Cause, Failure};
use farebox_engine::billing::gate::Decision;
use farebox_engine::billing::hold::HoldId;
use farebox_engine::sim::{self, Observer, Scratch, Tried};
use farebox_engine::time::{Now, Span, Time};
use farebox_engine::world::World;
use farebox_engine::world::schedule::Call;

/// Sums over consumers, each of whom is played for one period that begins at the start; what has not happened by the
/// period's end counts as happening then.
pub(super) struct Moments<'a> {
    world: &'a World,
    /// When the last unit of the allowance was used, in ns.
    pub(super) exhausted_ns: f64,
    /// When the first call was refused for it, in ns.
    pub(super) refused_ns: f64,
    /// How many consumers.
    pub(super) consumers: f64,
    last_admitted: Time,
    first_refused: Option<Time>,
}

/// Plays everyone.
///
/// # Panics
/// When an amount leaves its range: the rows have small ones.
pub(super) fn of_everyone(world: &World) -> Moments<'_> {
    let mut moments = Moments {
        world,
        exhausted_ns: 0.0,
        refused_ns: 0.0,
        consumers: 0.0,
        last_admitted: Time::START,
        first_refused: None,
    };
    let mut scratch = Scratch::default();
    for consumer in world.consumers() {
        sim::play(world, consumer, &mut moments, &mut scratch).expect("the amounts of a row are small");
    }
    moments
}

impl Observer for Moments<'_> {
    fn decided(&mut self, _: Consumer, _: &Call, now: Now, decision: Decision) {
        match decision {
            Decision::Admit(_) => self.last_admitted = now.billing,
            Decision::Refuse(Cause::QuotaExhausted) => {
                self.first_refused.get_or_insert(now.billing);
            }
            Decision::Refuse(_) => {}
        }
    }

    fn served(&mut self, _: Consumer, _: &Call, _: HoldId, _: Now, _: Span) {}

    fn failed(&mut self, _: Consumer, _: &Call, _: HoldId, _: Failure, _: Now) {}

    /// Whether all of the allowance is used the account says itself; if so, the last call that passed has used it up.
    fn closed(&mut self, account: &Account, _: &Tried) {
        let end = self.world.end();
        let left = account.margins(end, &self.world.catalog, 0).quota_units;
        let exhausted = if left == 0 { self.last_admitted } else { end.billing };
        self.exhausted_ns += exhausted.since(Time::START).ns() as f64;
        self.refused_ns += self.first_refused.take().unwrap_or(end.billing).since(Time::START).ns() as f64;
        self.consumers += 1.0;
        self.last_admitted = Time::START;
    }
}
