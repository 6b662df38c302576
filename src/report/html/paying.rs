//! Collecting: dunning by attempt and by day, and what else came of paying and not paying.

use farebox_engine::billing::tally::{Count, RECOVERY_DAYS};
use farebox_engine::outcome::Dunned;

use super::chart::{self, Axis, Bar, Series};
use super::view::{Block, Figure, Item, Line, Tone, number, words};
use super::{capped, compact, figure, percent, ratio, share, tables};
use crate::report::text::Mean;

/// All of it.
pub(super) fn block(mean: &Mean) -> Block {
    let block = Block::new("dunning", "Payments and dunning");
    let of = |count: Count| mean.outcome.cohorts.iter().map(|cohort| cohort.count(count)).sum::<u64>();
    let dunned = Dunned::sum(mean.outcome.cohorts.iter().map(|cohort| &cohort.dunned));
    let sections: Vec<_> = mean.collecting().into_iter().chain(mean.paying()).collect();
    if sections.is_empty() {
        return block.says("Nothing had to be collected.");
    }
    let recovered = dunned.recovered();
    let said = match recovered + of(Count::Exhausted) {
        0 => "No payment had to be tried again to its end.".to_owned(),
        ended => format!(
            "Of {} invoices that had to be tried again to their end, {} were paid ({}).",
            mean.figure(ended),
            mean.figure(recovered),
            percent(ratio(recovered, ended)),
        ),
    };
    block.says(said).with(by_attempt(mean)).with(by_day(mean, &dunned)).with(tables(sections, "dunning.csv"))
}

/// Invoices by the attempt that paid them.
fn by_attempt(mean: &Mean) -> Option<Item> {
    let mut paid: Vec<u64> = Vec::new();
    for cohort in &mean.outcome.cohorts {
        paid.resize(paid.len().max(cohort.paid_by_attempt.len()), 0);
        paid.iter_mut().zip(&cohort.paid_by_attempt).for_each(|(sum, more)| *sum += more);
    }
    let exhausted: u64 = mean.outcome.cohorts.iter().map(|cohort| cohort.count(Count::Exhausted)).sum();
    let last = paid.iter().rposition(|invoices| *invoices > 0)?;
    // Where the first attempt pays all of them there is nothing to see.
    if last == 0 && exhausted == 0 {
        return None;
    }
    let label = |nth: usize| match nth {
        0 => "paid at once".to_owned(),
        nth => format!("paid by attempt {}", nth + 1),
    };
    let mut ends: Vec<_> = (0..=last).map(|nth| (label(nth), paid[nth], Tone::Served)).collect();
    if exhausted > 0 {
        ends.push(("never paid".to_owned(), exhausted, Tone::Minus));
    }
    let all: u64 = ends.iter().map(|(_, invoices, _)| invoices).sum();
    let bar = |(label, invoices, tone): &(String, u64, Tone)| Bar {
        label: label.clone(),
        from: 0.0,
        parts: vec![(*tone, *invoices as f64)],
        figure: mean.figure(*invoices),
    };
    let row = |(label, invoices, _): &(String, u64, Tone)| Line {
        at: None,
        cells: vec![words(label), number(mean.figure(*invoices)), share(ratio(*invoices, all))],
    };
    let head = ["how", "invoices", "share"].map(str::to_owned).to_vec();
    let title = "Invoices by the attempt that paid them";
    Some(figure(Figure {
        id: "by-attempt",
        title: title.to_owned(),
        says: format!("{} invoices, from those paid at once to those never paid.", mean.figure(all)),
        legend: Vec::new(),
        drawing: chart::rows(&ends.iter().map(bar).collect::<Vec<_>>()),
        table: capped(title, head, ends.iter().map(row).collect(), "dunning.csv"),
    }))
}

/// Invoices that were recovered, by the days that it took.
fn by_day(mean: &Mean, dunned: &Dunned) -> Option<Item> {
    let last = dunned.recovered_by_day.iter().rposition(|invoices| *invoices > 0)?;
    let days = last + 1;
    let at = |day: usize| day as f64 / days as f64;
    let count = |day: usize| dunned.recovered_by_day[day];
    let series = Series {
        tone: Tone::Served,
        points: (0..days).map(|day| [at(day), count(day) as f64 / mean.runs as f64]).collect(),
    };
    let ticks = (0..days).map(|day| (at(day), format!("day {day}"))).collect();
    let most = (0..days).map(count).max().unwrap_or(0) as f64 / mean.runs as f64;
    let row = |day: usize| Line {
        at: Some(at(day) + 0.5 / days as f64),
        cells: vec![
            words(if day >= RECOVERY_DAYS { format!("day {day} or later") } else { format!("day {day}") }),
            number(mean.figure(count(day))),
        ],
    };
    let title = "Invoices recovered, by whole days since the first failed attempt";
    Some(figure(Figure {
        id: "by-day",
        title: title.to_owned(),
        says: format!("{} invoices were recovered within {last} days.", mean.figure(dunned.recovered())),
        legend: Vec::new(),
        drawing: chart::stacked(&[series], &ticks, &Axis { most, said: &compact }),
        table: super::Table {
            rows: (0..days).filter(|day| count(*day) > 0).map(row).collect(),
            ..capped(title, ["day", "invoices"].map(str::to_owned).to_vec(), Vec::new(), "dunning.csv")
        },
    }))
}
