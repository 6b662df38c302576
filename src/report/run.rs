//! Whether the simulated and the live half agree, as a page for the terminal.

use std::collections::BTreeMap;

use farebox_engine::money::thousands;

use super::section::{self, Section, row};
use crate::live::result::{DifferenceRow, Proven, RunReport};

/// How many differences the terminal shows; all of them are in `run.json`.
const SHOWN: usize = 5;

/// The page about the proofs.
pub fn render(report: &RunReport) -> String {
    section::text(&sections(report))
}

/// The same as sections.
pub fn sections(report: &RunReport) -> Vec<Section> {
    let proven = |label: &str, proven: &Proven, note: &str| {
        row(
            label,
            thousands(proven.events.into()),
            format!("events of {} consumers, {note}", thousands(proven.consumers.into())),
        )
    };
    let mut rows = vec![
        proven("lockstep", &report.lockstep, "each equal to the twin's, and every account and ledger with them"),
        proven("replay", &report.replay, "each decided alike again, every account and ledger equal"),
        row(
            "free-running",
            thousands(report.free_running.compared.into()),
            format!(
                "calls compared with the twin's, {} decided otherwise",
                thousands(report.free_running.differences.len() as u128)
            ),
        ),
    ];
    if report.free_running.not_made > 0 {
        rows.push(row("not made", thousands(report.free_running.not_made.into()), "calls of the twin"));
    }
    if report.free_running.made_beside > 0 {
        let note = "that the twin did not: of consumers who had left or slowed down, or of sessions that the end cuts off elsewhere";
        rows.push(row("made beside", thousands(report.free_running.made_beside.into()), note));
    }
    let differences = differences(&report.free_running.differences);
    Section::of("Simulated and live", rows).into_iter().chain(differences).collect()
}

fn differences(differences: &[DifferenceRow]) -> Option<Section> {
    if differences.is_empty() {
        return None;
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
    Section::of("Decided otherwise by the free-running load, because real clocks jitter", rows)
}
