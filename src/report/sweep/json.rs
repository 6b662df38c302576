//! A sweep as plain data: whole numbers over all replications, amounts as strings, because JSON readers lose digits
//! past 2⁵³.

use serde::Serialize;

use crate::measure::interval::Interval;
use crate::sweep::evidence::Evidence;
use crate::sweep::{Axis, Point, Reading, Sweep};

/// The version of the layout.
const SCHEMA: u32 = 1;

/// The document.
#[derive(Serialize)]
pub struct Document<'a> {
    schema: u32,
    scenario: &'a str,
    fingerprint: &'a str,
    seed: u64,
    replications: u32,
    currency: &'static str,
    units_per_major: i64,
    horizon_ns: u64,
    axes: Vec<Key<'a>>,
    planned: usize,
    is_partial: bool,
    /// Which of the points earned the most.
    best: Option<usize>,
    /// Which of the points are on the front.
    front: Vec<usize>,
    /// Which of the points has the file's own values; else it is `beside`.
    base: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    beside: Option<Figures>,
    points: Vec<Played<'a>>,
}

#[derive(Serialize)]
struct Key<'a> {
    path: &'a str,
    values: Vec<&'a str>,
    written: Option<&'a str>,
}

#[derive(Serialize)]
struct Played<'a> {
    set: Vec<&'a str>,
    #[serde(flatten)]
    figures: Figures,
    #[serde(skip_serializing_if = "Option::is_none")]
    earned_interval: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share_interval: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    behind: Option<&'static str>,
}

/// The sums over all replications.
#[derive(Serialize)]
struct Figures {
    earned: String,
    invoiced: String,
    collected: String,
    mrr: String,
    margin: String,
    calls: u64,
    refused: u64,
    consumers_refused_at_least: u64,
    left: u64,
}

impl From<&Reading> for Figures {
    fn from(total: &Reading) -> Self {
        Self {
            earned: total.earned.to_string(),
            invoiced: total.invoiced.to_string(),
            collected: total.collected.to_string(),
            mrr: total.mrr.to_string(),
            margin: total.margin.to_string(),
            calls: total.calls,
            refused: total.refused,
            consumers_refused_at_least: total.consumers_refused_at_least,
            left: total.left,
        }
    }
}

impl<'a> Key<'a> {
    fn of(axis: &'a Axis) -> Self {
        Self {
            path: &axis.path,
            values: axis.values.iter().map(|value| value.text.as_str()).collect(),
            written: axis.written.as_deref(),
        }
    }
}

/// The document of a sweep, with what is known of its points.
pub fn document<'a>(sweep: &'a Sweep, known: Option<&[Evidence]>) -> Document<'a> {
    let ends = |interval: Option<Interval>| interval.map(|it| [it.from, it.to]);
    let played = |(at, point): (usize, &'a Point)| {
        let known = known.map(|known| known[at]);
        let set = point.at.iter().zip(&sweep.axes).map(|(at, axis)| axis.values[*at].text.as_str());
        Played {
            set: set.collect(),
            figures: (&point.total).into(),
            earned_interval: ends(known.and_then(|known| known.earned)),
            share_interval: ends(known.and_then(|known| known.share)),
            behind: known.map(|known| known.behind.name()),
        }
    };
    let front = sweep.front().into_iter().enumerate().filter(|(_, is_on)| *is_on).map(|(at, _)| at);
    Document {
        schema: SCHEMA,
        scenario: &sweep.scenario,
        fingerprint: &sweep.fingerprint,
        seed: sweep.seed,
        replications: sweep.replications,
        currency: sweep.currency.code,
        units_per_major: sweep.currency.scale,
        horizon_ns: sweep.horizon_ns,
        axes: sweep.axes.iter().map(Key::of).collect(),
        planned: sweep.planned,
        is_partial: sweep.is_partial(),
        best: sweep.best(),
        front: front.collect(),
        base: sweep.base,
        beside: sweep.beside.as_ref().map(|point| (&point.total).into()),
        points: sweep.points.iter().enumerate().map(played).collect(),
    }
}
