//! What `run` has shown: the simulation, the load, and whether both agree.

use std::collections::BTreeMap;

use farebox_engine::billing::cause::Cause;
use farebox_engine::money::thousands;
use farebox_engine::world::World;
use serde::Serialize;

use super::load::LoadReport;
use super::text::{row, table};
use crate::live::proof::{self, Comparison, Difference, Extent, Side};

/// How many differences the terminal shows; all of them are in `run.json`.
const SHOWN: usize = 5;

/// What `run` adds to the simulated outcome.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// Events of the lockstep, all equal to the twin's.
    pub lockstep: Proven,
    /// Events of the free-running load, all decided alike again by the replay.
    pub replay: Proven,
    /// How the free-running load compares with its twin.
    pub free_running: FreeRunning,
    /// What the free-running load has shown.
    pub load: LoadReport,
}

/// How much a proof has looked at.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Proven {
    /// Consumers.
    pub consumers: u64,
    /// Decisions and answers.
    pub events: u64,
}

/// Decisions of the free-running load beside its twin's.
#[derive(Clone, Debug, Serialize)]
pub struct FreeRunning {
    /// Calls that both decided.
    pub compared: u64,
    /// Calls of the twin that the load did not make.
    pub not_made: u64,
    /// Calls that were decided differently.
    pub differences: Vec<DifferenceRow>,
}

/// A call that the load decided otherwise than its twin: real clocks jitter, and it was near a boundary.
#[derive(Clone, Debug, Serialize)]
pub struct DifferenceRow {
    /// As `cohort/index`.
    pub consumer: String,
    /// Which call of the consumer.
    pub call: u64,
    /// What the twin decided: `served`, or the cause.
    pub twin: &'static str,
    /// What the load decided.
    pub load: &'static str,
    /// The rule that one of them failed.
    pub boundary: &'static str,
    /// How far the twin was from it.
    pub twin_distance: String,
    /// How far the load was from it.
    pub load_distance: String,
}

impl From<Extent> for Proven {
    fn from(Extent { consumers, events }: Extent) -> Self {
        Self { consumers, events }
    }
}

impl FreeRunning {
    /// The comparison in words.
    pub fn new(world: &World, comparison: &Comparison) -> Self {
        Self {
            compared: comparison.compared,
            not_made: comparison.not_made,
            differences: comparison
                .differences
                .iter()
                .map(|difference| DifferenceRow::new(world, difference))
                .collect(),
        }
    }
}

impl DifferenceRow {
    fn new(world: &World, difference: &Difference) -> Self {
        let boundary = difference.boundary();
        let decided = |side: &Side| side.refused.map_or("served", Cause::name);
        Self {
            consumer: proof::name(world, difference.consumer),
            call: difference.call,
            twin: decided(&difference.twin),
            load: decided(&difference.live),
            boundary: boundary.name(),
            twin_distance: difference.twin.distance(boundary, world),
            load_distance: difference.live.distance(boundary, world),
        }
    }
}

impl RunReport {
    /// The page about the proofs.
    pub fn render(&self) -> String {
        let proven = |label: &str, proven: &Proven, note: &str| {
            row(
                label,
                thousands(proven.events.into()),
                format!("events of {} consumers, {note}", thousands(proven.consumers.into())),
            )
        };
        let mut rows = vec![
            proven("lockstep", &self.lockstep, "each equal to the twin's, and every account and ledger with them"),
            proven("replay", &self.replay, "each decided alike again, every account and ledger equal"),
            row(
                "free-running",
                thousands(self.free_running.compared.into()),
                format!(
                    "calls compared with the twin's, {} decided otherwise",
                    thousands(self.free_running.differences.len() as u128)
                ),
            ),
        ];
        if self.free_running.not_made > 0 {
            rows.push(row("not made", thousands(self.free_running.not_made.into()), "calls of the twin"));
        }
        table("Simulated and live", &rows) + &self.differences()
    }

    fn differences(&self) -> String {
        let differences = &self.free_running.differences;
        if differences.is_empty() {
            return String::new();
        }
        let mut by_boundary: BTreeMap<&str, u64> = BTreeMap::new();
        for difference in differences {
            *by_boundary.entry(difference.boundary).or_default() += 1;
        }
        let mut rows: Vec<_> = by_boundary
            .iter()
            .map(|(cause, calls)| row(format!("around {cause}"), thousands((*calls).into()), ""))
            .collect();
        for difference in differences.iter().take(SHOWN) {
            let label = format!("{} call {}", difference.consumer, difference.call);
            let note = format!(
                "twin {} ({}), load {} ({})",
                difference.twin, difference.twin_distance, difference.load, difference.load_distance
            );
            rows.push(row(label, "", note));
        }
        if differences.len() > SHOWN {
            rows.push(row("…", "", "all of them are in run.json"));
        }
        table("Decided otherwise by the free-running load, because real clocks jitter", &rows)
    }
}
