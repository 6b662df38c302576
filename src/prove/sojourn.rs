//! How long calls take at an upstream that consumers share, the wait in line included: a mean, which an outcome does not
//! hold exactly.

use farebox_engine::billing::account::{Account, Consumer};
use farebox_engine::billing::cause::Failure;
use farebox_engine::billing::gate::Decision;
use farebox_engine::billing::hold::HoldId;
use farebox_engine::sim::{Observer, Tried, play_component};
use farebox_engine::time::{Now, Span, Time};
use farebox_engine::world::World;
use farebox_engine::world::schedule::Call;

use super::estimate::Ratio;

/// The calls made from `since` on.
struct Sojourn {
    since: Time,
    milliseconds: f64,
    calls: f64,
}

/// Plays everyone together: the mean time of calls that are made after `warm_up`, in ms.
///
/// # Panics
/// When an amount leaves its range: the rows have small ones.
pub(super) fn of_everyone(world: &World, warm_up: Span) -> Ratio {
    let mut seen = Sojourn { since: Time::START + warm_up, milliseconds: 0.0, calls: 0.0 };
    play_component(world, world.consumers(), &mut seen, &mut |_| true).expect("the amounts of a row are small");
    Ratio { above: seen.milliseconds, below: seen.calls }
}

impl Observer for Sojourn {
    fn decided(&mut self, _: Consumer, _: &Call, _: Now, _: Decision) {}

    fn served(&mut self, _: Consumer, call: &Call, _: HoldId, _: Now, latency: Span) {
        if call.at >= self.since {
            self.milliseconds += latency.as_secs_f64() * 1e3;
            self.calls += 1.0;
        }
    }

    fn failed(&mut self, _: Consumer, _: &Call, _: HoldId, _: Failure, _: Now) {}

    fn closed(&mut self, _: &Account, _: &Tried) {}
}
