//! Baselines as files: where they are, what may be compared, what is written when.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args;
use super::bounded;
use super::commands::judged::Judgement;
use super::exit::{Exit, Failure, Verdict};
use super::out;
use super::plan::Plan;
use super::printer::Printer;
use crate::baseline::judge::{Compared, Found, Kind, judge};
use crate::baseline::{Baseline, Difference, Reading};
use crate::report;

/// How large a baseline may be: so many repeats of so many figures are some hundred KiB.
const BYTES_MOST: u64 = 64 << 20;

/// What a run was asked about baselines, ready before it starts.
pub struct Desk {
    save: Option<(String, PathBuf)>,
    against: Option<(String, Baseline)>,
    made: Option<Baseline>,
}

/// What is written of a comparison.
#[derive(Serialize)]
struct Written<'a> {
    name: &'a str,
    fingerprint: &'a str,
    figures: &'a [Compared],
}

impl Desk {
    /// Reads the baseline that is asked for, and refuses what cannot be compared or would be replaced, before anything runs.
    pub fn open(args: &args::Baselines, plan: &Plan, conditions: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let file = |name: &String| args.baselines.join(&plan.family).join(format!("{name}.json"));
        let save = args.save_baseline.as_ref().map(|name| (name.clone(), file(name)));
        if let Some((name, path)) = &save
            && !args.replace_baseline
            && path.exists()
        {
            let message = format!("there is a baseline `{name}` already: `{}`", path.display());
            return Err(
                Failure::new(Exit::Usage, message).hint("choose another name, or replace it with `--replace-baseline`")
            );
        }
        let against = args.baseline.as_ref().map(|name| Ok::<_, Failure>((name.clone(), read(name, &file(name))?)));
        let against = against.transpose()?;
        if let Some((name, baseline)) = &against {
            refuse_unlike(name, baseline, conditions)?;
        }
        Ok(Self { save, against, made: None })
    }

    /// Whether anything is asked.
    pub fn is_idle(&self) -> bool {
        self.save.is_none() && self.against.is_none()
    }

    /// What is compared with.
    pub fn against(&self) -> Option<&Baseline> {
        self.against.as_ref().map(|(_, baseline)| baseline)
    }

    /// Keeps what this run has shown, to be written when it has ended well.
    pub fn keep(&mut self, baseline: Baseline) {
        self.made = Some(baseline);
    }

    /// Compares with the baseline, where one is asked for and the run says anything. `before` replaces what the baseline
    /// holds: its load, played again.
    pub fn compare(
        &self,
        plan: &mut Plan,
        kind: Kind,
        before: Option<&[Reading]>,
        now: &[Reading],
        judgement: &mut Judgement,
        verdict: &mut Verdict,
    ) {
        let Some((name, baseline)) = &self.against else { return };
        let mut figures = judge(kind, before.unwrap_or(&baseline.readings), now);
        if before.is_some() {
            for figure in &mut figures {
                figure.kept = kept(baseline, &figure.figure);
            }
        }
        if figures.iter().any(|figure| figure.found == Found::Worse) {
            verdict.note(Exit::WorseThanBaseline);
        }
        plan.results
            .add_json("baseline.json", &Written { name, fingerprint: &baseline.fingerprint, figures: &figures });
        let section = report::baseline::section(name, &figures, plan.scenario.currency);
        judgement.page += &section.text();
        judgement.about.baseline = Some(section);
        judgement.baseline = Some((name.clone(), figures));
    }

    /// Writes the baseline, unless the run has shown nothing that a later one may be measured by.
    pub fn save(self, verdict: &Verdict, printer: &mut Printer) -> Result<(), Failure> {
        let Some((name, path)) = self.save else { return Ok(()) };
        let doubtful = verdict.findings().find(|it| !matches!(it, Exit::ThresholdBroken | Exit::WorseThanBaseline));
        let baseline = match (doubtful, self.made) {
            (None, Some(baseline)) => baseline,
            (doubtful, _) => {
                let why = doubtful.map_or("it was not measured", Exit::meaning);
                printer.warning(&format!("the baseline `{name}` is not saved: {why}"));
                return Ok(());
            }
        };
        let mut json = serde_json::to_string_pretty(&baseline).expect("a baseline is plain data");
        json.push('\n');
        let failed = |error: io::Error| {
            Failure::new(Exit::Environment, format!("cannot write the baseline `{}`", path.display()))
                .because(error)
                .hint("`--baselines DIR` keeps baselines elsewhere")
        };
        fs::create_dir_all(path.parent().unwrap_or(Path::new("")))
            .and_then(|()| out::put(&path, &json))
            .map_err(failed)?;
        printer.note(&format!("the baseline is in {}", path.display()));
        Ok(())
    }
}

fn read(name: &str, path: &Path) -> Result<Baseline, Failure> {
    let shown = path.display();
    let text = bounded::text(path, BYTES_MOST).map_err(|error| {
        Failure::new(Exit::Environment, format!("cannot read the baseline `{name}` in `{shown}`"))
            .because(error)
            .hint(format!("make it with `--save-baseline {name}`, or say where it is with `--baselines DIR`"))
    })?;
    Baseline::parse(&text).map_err(|error| {
        Failure::new(Exit::Environment, format!("cannot read the baseline `{name}` in `{shown}`"))
            .because(error)
            .hint(format!("make it again with `--save-baseline {name} --replace-baseline`"))
    })
}

/// Refuses a baseline that was made under other conditions, with all that differ.
fn refuse_unlike(name: &str, baseline: &Baseline, conditions: &BTreeMap<String, String>) -> Result<(), Failure> {
    let differences = baseline.differences(conditions);
    if differences.is_empty() {
        return Ok(());
    }
    let or_none = |value: Option<&str>| value.unwrap_or("none").to_owned();
    let told = |it: &Difference<'_>| format!("{}: {} there, {} here", it.name, or_none(it.baseline), or_none(it.now));
    let told: Vec<_> = differences.iter().map(told).collect();
    let mut ways: Vec<String> = differences.iter().filter_map(way_out).collect();
    ways.push("make a new one with `--save-baseline NAME`".to_owned());
    let message = format!("the baseline `{name}` cannot be compared with this run");
    Err(Failure::new(Exit::Usage, message).because(told.join("; ")).hint(ways.join("; or ")))
}

/// What to type for a condition to be that of the baseline.
fn way_out(difference: &Difference<'_>) -> Option<String> {
    let value = difference.baseline?;
    match difference.name {
        "seed" => Some(format!("draw from its seed with `--seed {value}`")),
        "replications" => Some(format!("repeat as often with `--replications {value}`")),
        "rate" if value == "closed" => Some("close the load with `--closed`".to_owned()),
        "rate" if value.starts_with('[') => Some("write the baseline's `live.rate`, with its stages".to_owned()),
        "rate" => Some(format!("offer as much with `--rate {value}`")),
        "duration" => Some(format!("load as long with `--duration {}`", value.replace(' ', ""))),
        "kind" if value == "live" => Some("play it with `farebox load`".to_owned()),
        "kind" => Some("play it with `farebox simulate` or `farebox run`".to_owned()),
        _ => None,
    }
}

/// The mean of what the baseline holds of a figure.
fn kept(baseline: &Baseline, figure: &str) -> Option<f64> {
    let reading = baseline.readings.iter().find(|reading| reading.figure == figure)?;
    let pairs = reading.pairs().collect::<Option<Vec<_>>>()?;
    Some(pairs.iter().map(|pair| pair.ratio()).sum::<f64>() / pairs.len() as f64)
}
