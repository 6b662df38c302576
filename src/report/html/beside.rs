//! Several results side by side: what differs between what was played, and the figures of each in a column of its own.
//! Whether a difference is more than chance is not judged here.

use std::collections::{BTreeMap, BTreeSet};

use farebox_engine::outcome::{CohortOutcome, Outcome};

use super::calls::{refused, total};
use super::chart::{self, Axis, Bar, Series};
use super::view::{Block, Figure, Item, Line, Table, Tone, number, short, words};
use super::{Results, calls, capped, figure, major, percent, ratio, times};
use crate::report::about::{About, Curve, Played};
use crate::report::text::{self, Mean, currency, duration};

/// How long a key is shown, and a value.
const KEY: usize = 40;
/// How many settings that differ are shown; of scenarios that have little in common it would be all of them.
const DIFFERENCES: usize = 40;
const VALUE: usize = 120;
/// Steps of a line over time: more of them are noise.
const STEPS: usize = 60;

/// What the head of the page says of each.
pub(super) fn lines(all: &[Results<'_>]) -> Vec<String> {
    let one = |results: &Results<'_>| {
        let said = results.outcome.map_or_else(|| format!("seed {}", results.about.seed), text::heading);
        format!("{}: {}", short(results.name, 80), short(said.trim(), 160))
    };
    all.iter().map(one).collect()
}

/// The blocks of the page.
pub(super) fn blocks(all: &[Results<'_>]) -> Vec<Block> {
    vec![figures(all), differs(all), went(all), over_time(all), margins(all), latency(all), promises(all)]
}

fn head(all: &[Results<'_>], first: &str) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(all.iter().map(|results| short(results.name, KEY))).collect()
}

fn is_alike<T: PartialEq>(mut values: impl Iterator<Item = T>) -> bool {
    let first = values.next();
    values.all(|value| Some(&value) == first.as_ref())
}

// === What was played ===

type Fact<'a> = &'a dyn Fn(&Results<'_>) -> String;

fn differs(all: &[Results<'_>]) -> Block {
    let block = Block::new("differs", "What differs");
    let facts: [(&str, Fact<'_>); 9] = [
        ("scenario", &|it| short(&it.about.scenario, VALUE)),
        ("variant", &|it| it.about.variant.clone().unwrap_or_else(|| "-".to_owned())),
        ("seed", &|it| it.about.seed.to_string()),
        ("fingerprint", &|it| it.about.fingerprint.chars().take(16).collect()),
        ("version", &|it| it.about.version.clone()),
        ("what was done", &|it| done(it.about)),
        ("replications", &|it| {
            it.outcome.map_or_else(|| "-".to_owned(), |outcome| outcome.replication_count().to_string())
        }),
        ("time played", &|it| it.outcome.map_or_else(|| "-".to_owned(), |outcome| duration(outcome.horizon_ns))),
        ("currency", &|it| it.outcome.map_or_else(|| "-".to_owned(), |outcome| outcome.currency.clone())),
    ];
    let differing = facts.iter().filter(|(_, of)| !is_alike(all.iter().map(of)));
    let mut rows: Vec<_> = differing.map(|(label, of)| line(label, all.iter().map(of), words)).collect();
    let settings = settings(all);
    let more = settings.len().saturating_sub(DIFFERENCES);
    rows.extend(settings.into_iter().take(DIFFERENCES));
    if rows.is_empty() {
        return block.says("Nothing: they were played alike.");
    }
    let said = "Of what was played, only what is not the same everywhere.";
    let table = Table {
        more: (more > 0).then(|| format!("… and {more} more in about.json")),
        ..capped("What differs between them", head(all, "what"), rows, "")
    };
    block.says(said).with([Item::Table(table)])
}

fn line(label: &str, values: impl Iterator<Item = String>, cell: impl Fn(String) -> super::Cell) -> Line {
    Line { at: None, cells: std::iter::once(words(short(label, VALUE))).chain(values.map(cell)).collect() }
}

fn done(about: &About) -> String {
    match about.kind {
        Played::Simulated => "simulated",
        Played::Loaded => "loaded",
        Played::Run => "simulated and loaded",
        Played::Elsewhere => "loaded a gateway that is not ours",
    }
    .to_owned()
}

/// Settings that are not the same everywhere, by the path of their keys.
fn settings(all: &[Results<'_>]) -> Vec<Line> {
    let of: Vec<BTreeMap<Vec<&str>, &str>> = all.iter().map(|results| paths(results.about)).collect();
    if of.iter().any(BTreeMap::is_empty) {
        return Vec::new();
    }
    let keys: BTreeSet<&Vec<&str>> = of.iter().flat_map(BTreeMap::keys).collect();
    let value = |of: &BTreeMap<Vec<&str>, &str>, key: &Vec<&str>| short(of.get(key).unwrap_or(&"-"), VALUE);
    let told = |key: &[&str]| key.iter().map(|key| short(key, KEY)).collect::<Vec<_>>().join(".");
    let differing = keys.into_iter().filter(|key| !is_alike(of.iter().map(|of| of.get(*key))));
    differing.map(|key| line(&told(key), of.iter().map(|of| value(of, key)), words)).collect()
}

fn paths(about: &About) -> BTreeMap<Vec<&str>, &str> {
    let mut above: Vec<&str> = Vec::new();
    let mut paths = BTreeMap::new();
    for setting in &about.settings {
        above.truncate(setting.depth);
        above.push(&setting.key);
        // What is told apart by its name or description is told already.
        if !setting.value.is_empty() && !matches!(above[..], ["scenario" | "description" | "seed"]) {
            paths.insert(above.clone(), setting.value.as_str());
        }
    }
    paths
}

// === What happened ===

/// Those that have an outcome, with its mean.
fn means<'a>(all: &[Results<'a>]) -> Vec<(&'a str, Option<Mean>)> {
    all.iter().map(|results| (results.name, results.outcome.map(Mean::of))).collect()
}

type Of<'a> = Box<dyn Fn(&Mean) -> String + 'a>;

fn figures(all: &[Results<'_>]) -> Block {
    let means = means(all);
    let causes: BTreeSet<String> = means
        .iter()
        .filter_map(|(_, mean)| mean.as_ref())
        .flat_map(|mean| mean.outcome.cohorts.iter().flat_map(|cohort| cohort.refused.keys().cloned()))
        .collect();
    let counted =
        |mean: &Mean, calls: u64, offered: u64| format!("{} ({})", mean.figure(calls), percent(ratio(calls, offered)));
    let mut rows: Vec<(String, Of<'_>)> = vec![
        ("attempts".to_owned(), Box::new(|mean| mean.figure(total(mean, CohortOutcome::offered)))),
        (
            "served".to_owned(),
            Box::new(move |mean| counted(mean, total(mean, |it| it.served), total(mean, CohortOutcome::offered))),
        ),
        (
            "refused".to_owned(),
            Box::new(move |mean| counted(mean, total(mean, refused), total(mean, CohortOutcome::offered))),
        ),
    ];
    for cause in causes {
        let label = format!("refused: {cause}");
        let of = move |mean: &Mean| {
            let calls = total(mean, |cohort| cohort.refused.get(&cause).copied().unwrap_or(0));
            counted(mean, calls, total(mean, CohortOutcome::offered))
        };
        rows.push((label, Box::new(of)));
    }
    rows.push((
        "failed".to_owned(),
        Box::new(move |mean| counted(mean, total(mean, |it| it.failed), total(mean, CohortOutcome::offered))),
    ));
    let money = ["earned", "margin", "invoiced", "collected", "outstanding", "leaked", "mrr"];
    for name in money {
        let of = move |mean: &Mean| {
            let found = mean.outcome.figures().named().into_iter().find(|(known, _)| *known == name);
            let nanos = found.map_or(0, |(_, nanos)| nanos) / i128::from(mean.runs);
            let currency = currency(&mean.outcome);
            let minor = i128::from(farebox_engine::billing::price::minor_unit(currency));
            currency.display((nanos + minor / 2).div_euclid(minor) * minor).to_string()
        };
        rows.push((name.to_owned(), Box::new(of)));
    }
    for (q, name) in [(500_000, "latency p50"), (990_000, "latency p99")] {
        let of = move |mean: &Mean| Curve::of_all("", &mean.outcome).at(q).map_or_else(|| "-".to_owned(), duration);
        rows.push((name.to_owned(), Box::new(of)));
    }
    let value = |mean: &Option<Mean>, of: &Of<'_>| mean.as_ref().map_or_else(|| "-".to_owned(), of);
    let rows = rows.iter().map(|(label, of)| line(label, means.iter().map(|(_, mean)| value(mean, of)), number));
    let table =
        capped("Figures of each; shares are of its attempts", head(all, "figure"), rows.collect(), "outcome.json");
    let block = Block::new("figures", "Figures");
    let said = "Of replications the means. Whether a difference is more than chance is not judged here.";
    block.says(said).with([Item::Table(table)])
}

/// What became of the attempts of each, as shares.
fn went(all: &[Results<'_>]) -> Block {
    let means = means(all);
    let tones = [
        ("served", Tone::Served),
        ("refused", Tone::Refused),
        ("failed", Tone::Failed),
        ("open at the end", Tone::Axis),
    ];
    let parts = |mean: &Mean| {
        [total(mean, |it| it.served), total(mean, refused), total(mean, |it| it.failed), total(mean, |it| it.in_flight)]
    };
    let with: Vec<_> = means.iter().filter_map(|(name, mean)| Some((*name, parts(mean.as_ref()?)))).collect();
    let bars: Vec<_> = with
        .iter()
        .map(|(name, parts)| {
            let all: u64 = parts.iter().sum();
            Bar {
                label: short(name, 36),
                from: 0.0,
                parts: tones.iter().zip(parts).map(|((_, tone), part)| (*tone, ratio(*part, all))).collect(),
                figure: format!("{} served", percent(ratio(parts[0], all))),
            }
        })
        .collect();
    let row = |(name, parts): &(&str, [u64; 4])| {
        let all: u64 = parts.iter().sum();
        line(name, parts.iter().map(|part| percent(ratio(*part, all))), number)
    };
    let title = "What became of the attempts, as shares";
    let heads = std::iter::once("results").chain(tones.iter().map(|(name, _)| *name)).map(str::to_owned).collect();
    let block = Block::new("calls", "Where the calls went");
    if bars.is_empty() {
        return block.says("None of them has an outcome.");
    }
    block.with([figure(Figure {
        id: "shares",
        title: title.to_owned(),
        says: "A bar for each of the results, made of what was served, refused, failed and open at the end.".to_owned(),
        legend: tones.iter().map(|(name, tone)| (*tone, (*name).to_owned())).collect(),
        drawing: chart::rows(&bars),
        table: capped(title, heads, with.iter().map(row).collect(), "calls.csv"),
    })])
}

/// The share that was not served, over time.
fn over_time(all: &[Results<'_>]) -> Block {
    let block = Block::new("over-time", "Over time");
    let drawn: Vec<(&str, &Outcome, Vec<[u64; 2]>)> = all
        .iter()
        .filter_map(|results| Some((results.name, results.outcome?)))
        .map(|(name, outcome)| (name, outcome, calls::timeline(outcome)))
        .filter(|(_, outcome, timeline)| timeline.len() > 1 && outcome.bucket_ns > 0)
        .take(Tone::SERIES.len())
        .collect();
    if drawn.is_empty() {
        return block.says("None of them has a timeline.");
    }
    let horizon = drawn.iter().map(|(_, outcome, _)| outcome.horizon_ns).max().unwrap_or(1);
    let unserved = |calls: &[u64; 2]| 1.0 - ratio(calls[0], calls.iter().sum());
    let is_called = |calls: &[u64; 2]| calls.iter().any(|calls| *calls > 0);
    let series: Vec<_> = drawn
        .iter()
        .zip(Tone::SERIES)
        .map(|((_, outcome, timeline), tone)| {
            let together = timeline.len().div_ceil(STEPS);
            let at = |step: usize| (step * together) as f64 * outcome.bucket_ns as f64 / horizon as f64;
            let sum = |calls: &[[u64; 2]]| std::array::from_fn(|nth| calls.iter().map(|calls| calls[nth]).sum());
            let steps: Vec<[u64; 2]> = timeline.chunks(together).map(sum).collect();
            let steps = steps.iter().enumerate().filter(|(_, calls)| is_called(calls));
            Series { tone, points: steps.map(|(step, calls)| [at(step), unserved(calls)]).collect() }
        })
        .collect();
    let most = series.iter().flat_map(|series| &series.points).map(|[_, share]| *share).fold(0.0, f64::max);
    // A table of as few rows as can be read, all of the same time.
    let rows = (0..20_u32).map(|nth| {
        let at = f64::from(nth) / 20.0;
        let value = |series: &Series| {
            let before = series.points.iter().take_while(|[from, _]| *from <= at + 1e-9).last();
            number(before.map_or_else(|| "-".to_owned(), |[_, share]| percent(*share)))
        };
        let from = words(calls::when((at * horizon as f64) as u64, horizon));
        Line { at: Some(at), cells: std::iter::once(from).chain(series.iter().map(value)).collect() }
    });
    let heads = std::iter::once("from".to_owned()).chain(drawn.iter().map(|(name, ..)| (*name).to_owned())).collect();
    let title = "Share of the calls that was not served, by when they were made";
    let said = |value: f64| format!("{} %", super::decimals(value * 100.0));
    block.with([figure(Figure {
        id: "unserved",
        title: title.to_owned(),
        says: format!("A line for each of the results; at most {} in one step.", percent(most)),
        legend: drawn.iter().zip(Tone::SERIES).map(|((name, ..), tone)| (tone, short(name, 40))).collect(),
        drawing: chart::lines(&series, &calls::ticks(horizon), &Axis { most, said: &said }),
        table: Table { rows: rows.collect(), ..capped(title, heads, Vec::new(), "timeline.csv") },
    })])
}

/// The margins, where they are in one currency.
fn margins(all: &[Results<'_>]) -> Block {
    let block = Block::new("money", "The money");
    let with: Vec<_> = all.iter().filter_map(|results| Some((results.name, Mean::of(results.outcome?)))).collect();
    if with.is_empty() {
        return block.says("None of them has books.");
    }
    if !is_alike(with.iter().map(|(_, mean)| mean.outcome.currency.clone())) {
        return block.says("They are in different currencies, so they are not drawn side by side.");
    }
    let margin = |mean: &Mean| mean.outcome.figures().margin / i128::from(mean.runs);
    let shown = |mean: &Mean| {
        let currency = currency(&mean.outcome);
        let minor = i128::from(farebox_engine::billing::price::minor_unit(currency));
        currency.display((margin(mean) + minor / 2).div_euclid(minor) * minor).to_string()
    };
    let bar = |(name, mean): &(&str, Mean)| {
        let value = major(margin(mean), currency(&mean.outcome));
        let tone = if value < 0.0 { Tone::Minus } else { Tone::Plus };
        Bar { label: short(name, 36), from: 0.0, parts: vec![(tone, value)], figure: shown(mean) }
    };
    let row = |(name, mean): &(&str, Mean)| line(name, std::iter::once(shown(mean)), number);
    let head = ["results", "margin"].map(str::to_owned).to_vec();
    block.with([figure(Figure {
        id: "margins",
        title: "Margin".to_owned(),
        says: "A bar for each of the results: what was earned, less what collecting and answering cost.".to_owned(),
        legend: Vec::new(),
        drawing: chart::rows(&with.iter().map(bar).collect::<Vec<_>>()),
        table: capped("Margin of each", head, with.iter().map(row).collect(), "revenue.csv"),
    })])
}

fn latency(all: &[Results<'_>]) -> Block {
    let block = Block::new("latency", "Latency");
    let curve = |results: &Results<'_>| match (&results.about.load, results.outcome) {
        (Some(load), _) if results.about.kind != Played::Run => {
            let served = load.latency.iter().find(|curve| curve.name == "served")?;
            Some(Curve { name: results.name.to_owned(), ..served.clone() })
        }
        (_, Some(outcome)) => Some(Curve::of_all(results.name, &Mean::of(outcome).outcome)),
        _ => None,
    };
    let curves: Vec<_> = all.iter().filter_map(curve).collect();
    let figure = times::curves_figure("percentiles", "Latency of served attempts", &curves, "outcome.json");
    let said = "Of simulations what the upstreams took, of loads from the intended start.";
    block.says(said).with(figure)
}

/// The thresholds of all of them.
fn promises(all: &[Results<'_>]) -> Block {
    let block = Block::new("thresholds", "Thresholds");
    let names: BTreeSet<&str> =
        all.iter().flat_map(|results| &results.about.thresholds).map(|promise| promise.threshold.as_str()).collect();
    if names.is_empty() {
        return block.says("None of them has any.");
    }
    let row = |name: &str| {
        let cell = |results: &Results<'_>| {
            let found = results.about.thresholds.iter().find(|promise| promise.threshold == name);
            let said = found.map(|promise| format!("{}: {}", promise.measured, promise.verdict));
            super::Cell {
                is_bad: found.is_some_and(|promise| promise.fails),
                ..words(said.unwrap_or_else(|| "-".to_owned()))
            }
        };
        Line { at: None, cells: std::iter::once(words(name)).chain(all.iter().map(cell)).collect() }
    };
    let rows = names.into_iter().map(row).collect();
    block.with([Item::Table(capped(
        "Each threshold as it was judged",
        head(all, "threshold"),
        rows,
        "thresholds.json",
    ))])
}
