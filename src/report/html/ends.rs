//! What the page says beside the outcome: the load, thresholds, intervals, assumptions, the scenario, and how it was run.

use farebox_engine::outcome::Outcome;

use super::view::{Answer, Block, Item, Line, SettingLine, note, number, short, words};
use super::{capped, table, tables, times};
use crate::report::about::{About, Played, Promise};
use crate::scenario::setting::Origin;

/// Settings that are shown; the scenario's file has all.
const SETTINGS: usize = 800;
/// How long a value is shown.
const VALUE: usize = 200;

/// Whether what was promised holds, and whether the load says something.
pub(super) fn answers(about: &About) -> Vec<Answer> {
    let mut answers = Vec::new();
    let (all, broken): (usize, Vec<&Promise>) =
        (about.thresholds.len(), about.thresholds.iter().filter(|promise| promise.fails).collect());
    answers.push(match (all, broken.len()) {
        (0, _) if about.settings.is_empty() => Answer {
            tone: "plain",
            head: "Thresholds unknown".to_owned(),
            text: "The results do not say what the scenario promises.".to_owned(),
        },
        (0, _) => Answer {
            tone: "plain",
            head: "No thresholds".to_owned(),
            text: "The scenario promises nothing, so nothing could be broken.".to_owned(),
        },
        (all, 0) => Answer {
            tone: "good",
            head: if all == 1 {
                "✓ The threshold holds".to_owned()
            } else {
                format!("✓ All {all} thresholds hold")
            },
            text: "What the scenario promises was kept.".to_owned(),
        },
        (all, broken_ones) => Answer {
            tone: "bad",
            head: format!("✗ {broken_ones} of {all} thresholds broken"),
            text: {
                // Where a narrow card may break a threshold, so that it breaks none of its words.
                let threshold = |it: &Promise| short(&it.threshold, 120).replace('{', "\u{200b}{");
                let said = |it: &&Promise| format!("{}: {}", threshold(it), short(&it.measured, 60));
                broken.iter().take(3).map(said).collect::<Vec<_>>().join("; ")
            },
        },
    });
    if let Some(load) = &about.load {
        answers.push(match &load.worthless {
            None => Answer {
                tone: "good",
                head: "✓ The load is valid".to_owned(),
                text: "The generator offered what was asked for, when it was asked for.".to_owned(),
            },
            Some(why) => Answer {
                tone: "bad",
                head: "✗ The load is not to be relied on".to_owned(),
                text: format!("{}.", short(why, 300)),
            },
        });
    }
    answers
}

/// What a load on sockets has shown.
pub(super) fn load(about: &About) -> Option<Block> {
    let load = about.load.as_ref()?;
    let block = Block::new("load", "On real sockets");
    let said = match about.kind {
        Played::Run => {
            "The same scenario, compressed, through a real gateway; what is above is the simulated horizon. Both halves are \
             compared decision by decision."
        }
        Played::Elsewhere => {
            "Through a gateway that is not ours: it is known by its answers alone, and there are no books."
        }
        Played::Loaded | Played::Simulated => {
            "Through the built-in gateway; what is above is what that gateway has counted."
        }
    };
    // Of a load alone the curves are under the latency.
    let curves = (about.kind != Played::Loaded).then(|| times::of_a_load(&load.latency)).flatten();
    Some(block.says(said).with(curves).with(tables(load.sections.iter().cloned(), "run.json")))
}

/// Each threshold with its value and verdict.
pub(super) fn thresholds(about: &About) -> Block {
    let block = Block::new("thresholds", "Thresholds");
    if about.thresholds.is_empty() && about.settings.is_empty() {
        return block.says("They are not known: the results have no `about.json` of this run beside them.");
    }
    if about.thresholds.is_empty() {
        return block.says("The scenario has none. `thresholds` lets a run fail when a promise is broken.");
    }
    let row = |promise: &Promise| {
        let verdict = super::Cell { is_bad: promise.fails, ..note(&promise.verdict) };
        Line { at: None, cells: vec![words(&promise.threshold), number(&promise.measured), verdict] }
    };
    let head = ["threshold", "measured", "verdict"].map(str::to_owned).to_vec();
    let rows = about.thresholds.iter().map(row).collect();
    block.with([Item::Table(capped("Each threshold as it was judged", head, rows, "thresholds.json"))])
}

/// The figures beside those of a baseline.
pub(super) fn baseline(about: &About) -> Option<Block> {
    let section = about.baseline.as_ref()?;
    let block = Block::new("baseline", "Beside the baseline");
    Some(block.says("Each figure now, and how it differs.").with([Item::Table(table(section, "baseline.json"))]))
}

/// How sure the figures are.
pub(super) fn intervals(about: &About) -> Option<Block> {
    let section = about.intervals.as_ref()?;
    let block = Block::new("intervals", "How sure the figures are");
    Some(if section.rows.is_empty() {
        block.says(format!("{}.", section.title))
    } else {
        block.with([Item::Table(table(section, "outcome.json"))])
    })
}

/// What was taken for granted.
pub(super) fn assumed(about: &About) -> Option<Block> {
    let section = about.assumed.as_ref()?;
    let block = Block::new("assumptions", "Assumptions");
    let said = "What the scenario leaves out, and the defaults that decide most.";
    Some(block.says(said).with([Item::Table(table(section, "the scenario"))]))
}

/// The scenario as it was played.
pub(super) fn settings(about: &About) -> Block {
    let block = Block::new("scenario", "The scenario, resolved");
    if about.settings.is_empty() {
        return block.says("It is not known: the results have no `about.json` of this run beside them.");
    }
    let line = |setting: &crate::scenario::Setting| SettingLine {
        depth: setting.depth.min(6),
        key: short(&setting.key, VALUE),
        value: short(&setting.value, VALUE),
        mark: match setting.origin {
            Origin::File => "",
            Origin::Default => "default",
            Origin::Command => "command line",
        },
    };
    let more = about.settings.len().saturating_sub(SETTINGS);
    let said =
        "Every key that it was played with: as the file has it, or marked as a default or as the command line's.";
    let block = block.says(said).with([Item::Settings(about.settings.iter().take(SETTINGS).map(line).collect())]);
    if more > 0 { block.says(format!("{more} more are in about.json.")) } else { block }
}

/// How it was run, so that it can be run again.
pub(super) fn run(about: &About, outcome: Option<&Outcome>) -> Block {
    let done = match about.kind {
        Played::Simulated => "simulated, in virtual time",
        Played::Loaded => "a load on sockets",
        Played::Run => "simulated, and a load on sockets",
        Played::Elsewhere => "a load on a gateway that is not ours",
    };
    let mut rows = vec![("what was done", done.to_owned())];
    let mut add = |label, text: &str| {
        if !text.is_empty() {
            rows.push((label, text.to_owned()));
        }
    };
    add("command", &about.command);
    add("version", &about.version);
    add("scenario", &about.scenario);
    add("variant", about.variant.as_deref().unwrap_or(""));
    add("seed", &about.seed.to_string());
    add("starts", &about.start);
    add("fingerprint (SHA-256)", &about.fingerprint);
    if let Some(outcome) = outcome {
        add("replications", &outcome.replication_count().to_string());
        add("currency", &outcome.currency);
    }
    let line = |(label, text): (&str, String)| Line { at: None, cells: vec![words(label), words(text)] };
    let rows = rows.into_iter().map(line).collect();
    let head = ["what", "is"].map(str::to_owned).to_vec();
    let block = Block::new("run", "This run");
    block.with([Item::Table(capped("What it takes to run it again", head, rows, "about.json"))])
}
