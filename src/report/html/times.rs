//! How long answers took: percentile curves by what became of the attempts, with how many samples there are.

use farebox_engine::money::thousands;
use farebox_engine::outcome::Outcome;

use super::chart::{self, Axis, Series, Ticks};
use super::view::{Block, Figure, Item, Line, Table, Tone, number, short, words};
use super::{capped, figure, time};
use crate::report::about::{About, Curve, Played};
use crate::report::text::{Mean, duration};

/// Curves in a picture: as many as there are tones.
const CURVES: usize = Tone::SERIES.len();

/// Quantiles of a table, in millionths.
const SHOWN: [(u64, &str); 7] = [
    (500_000, "p50"),
    (750_000, "p75"),
    (900_000, "p90"),
    (950_000, "p95"),
    (990_000, "p99"),
    (999_000, "p99.9"),
    (999_900, "p99.99"),
];

/// How long upstreams took in a simulation, and in a load answers from their intended start.
pub(super) fn block(outcome: &Outcome, mean: &Mean, about: &About) -> Block {
    let block = Block::new("latency", "Latency");
    if let (Played::Loaded, Some(load)) = (about.kind, &about.load) {
        return block.with(of_a_load(&load.latency)).with(first_tokens(mean));
    }
    let sum = &mean.outcome;
    let mut served: Vec<_> = sum.cohorts.iter().filter(|cohort| cohort.served > 0).collect();
    served.sort_by_key(|cohort| std::cmp::Reverse(cohort.served));
    let all = Curve::of_all("all served", sum);
    if all.samples == 0 {
        return block.says("Nothing was served, so there is no latency.");
    }
    let each = served.iter().map(|cohort| Curve::of_cohort(cohort));
    let curves: Vec<_> = if served.len() == 1 { each.collect() } else { std::iter::once(all).chain(each).collect() };
    let runs = if outcome.replication_count() > 1 { ", over all replications" } else { "" };
    let said = format!(
        "What served attempts took at the upstreams{runs}; refusals are answered at once. A load on sockets tells it by \
         what became of the attempts."
    );
    let figure = curves_figure("percentiles", "Latency of served attempts, by cohort", &curves, "outcome.json");
    block.says(said).with(figure).with(first_tokens(mean))
}

fn first_tokens(mean: &Mean) -> Option<Item> {
    let cohorts = mean.outcome.cohorts.iter().filter(|cohort| !cohort.first_token.is_empty());
    let curve = |cohort: &farebox_engine::outcome::CohortOutcome| {
        let longest = cohort.first_token.last().map_or(0, |[upper, _]| *upper);
        Curve::of(&cohort.cohort, &cohort.first_token, longest)
    };
    let curves: Vec<_> = cohorts.map(curve).collect();
    curves_figure("first-token", "Time to the first token, by cohort", &curves, "outcome.json")
}

/// Latency from the intended start, by what became of the attempts.
pub(super) fn of_a_load(curves: &[Curve]) -> Option<Item> {
    curves_figure(
        "from-intended-start",
        "Latency from the intended start, by what became of the attempts",
        curves,
        "run.json",
    )
}

/// How far a quantile is to the right: each nine as far as the one before.
fn along(millionths: u64) -> f64 {
    let beyond = (1_000_000 - millionths.min(999_990)) as f64 / 1e6;
    // From 99 % beyond to a hundred-thousandth.
    (-libm::log10(beyond) / 5.0).clamp(0.0, 1.0)
}

/// Percentile curves with the table behind them; nothing without any samples.
pub(super) fn curves_figure(id: &'static str, title: &str, curves: &[Curve], file: &str) -> Option<Item> {
    if curves.iter().all(|curve| curve.samples == 0) {
        return None;
    }
    let table = percentiles(title, curves, file);
    let drawn: Vec<_> = curves.iter().filter(|curve| curve.points.len() > 1).take(CURVES).collect();
    if drawn.is_empty() {
        return Some(Item::Table(table));
    }
    let furthest = drawn.iter().filter_map(|curve| curve.points.last()).map(|[q, _]| along(*q)).fold(0.0, f64::max);
    let most = drawn.iter().flat_map(|curve| &curve.points).map(|[_, ns]| *ns).max().unwrap_or(0);
    let series = drawn.iter().zip(Tone::SERIES).map(|(curve, tone)| Series {
        tone,
        points: curve.points.iter().map(|[q, ns]| [along(*q) / furthest, *ns as f64]).collect(),
    });
    let ticks: Ticks = SHOWN
        .into_iter()
        .filter(|(q, name)| along(*q) <= furthest && !matches!(*name, "p75" | "p95"))
        .map(|(q, name)| (along(q) / furthest, name.to_owned()))
        .collect();
    let drawing = chart::lines(&series.collect::<Vec<_>>(), &ticks, &Axis { most: most as f64, said: &time });
    let highest = drawn.iter().map(|curve| {
        let last = curve.points.last().map_or(0, |[_, ns]| *ns);
        format!("{} up to {}", short(&curve.name, 40), duration(last))
    });
    let more = curves.len().saturating_sub(drawn.len());
    let more =
        if more > 0 { format!(" {more} more only in the table: too many, or too few samples.") } else { String::new() };
    let legend = drawn.iter().zip(Tone::SERIES).map(|(curve, tone)| {
        (tone, format!("{} ({} samples)", short(&curve.name, 40), thousands(curve.samples.into())))
    });
    Some(figure(Figure {
        id,
        title: title.to_owned(),
        says: format!(
            "Percentile curves; to the right rarer, each nine as far as the one before, as far as ten samples lie beyond: {}.{more}",
            highest.collect::<Vec<_>>().join("; ")
        ),
        legend: legend.collect(),
        drawing,
        table,
    }))
}

fn percentiles(title: &str, curves: &[Curve], file: &str) -> Table {
    let shown: Vec<_> = SHOWN.into_iter().filter(|(q, _)| curves.iter().any(|curve| curve.at(*q).is_some())).collect();
    let head = ["of", "samples"].into_iter().chain(shown.iter().map(|(_, name)| *name)).chain(["longest"]);
    let row = |curve: &Curve| {
        let at = |q: u64| number(curve.at(q).map_or_else(|| "-".to_owned(), duration));
        let cells = [words(&curve.name), number(thousands(curve.samples.into()))].into_iter();
        Line {
            at: None,
            cells: cells.chain(shown.iter().map(|(q, _)| at(*q))).chain([number(duration(curve.max_ns))]).collect(),
        }
    };
    capped(title, head.map(str::to_owned).collect(), curves.iter().map(row).collect(), file)
}
