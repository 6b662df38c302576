//! Results as one HTML file that needs nothing else: no network, no script to be read, one picture and one table for each
//! thing that is shown. What it says of a single run, or of several side by side, is derived where the terminal's page is;
//! here it is put in order and drawn.
//!
//! Every text goes through the template's escaping, and what could steer a terminal or turn a line around is shown as an
//! escape; so names may be whatever they like.

mod beside;
mod calls;
mod chart;
mod ends;
mod money;
mod paying;
mod times;
mod topology;
mod view;

use std::collections::BTreeSet;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use farebox_engine::money::{Currency, thousands};
use farebox_engine::outcome::Outcome;
use farebox_engine::time::{DAY, HOUR, MINUTE, SECOND};
use sha2::{Digest, Sha256};

use self::view::{Answer, Block, Cell, Figure, Item, Line, Table, note, number, short, words};
use super::about::{About, Played};
use super::section::Section;
use super::text::{self, Mean};
use crate::visible::visible;

/// How many rows a table has at most: the page stays small, and the files beside it have all of them.
const ROWS: usize = 100;

/// How long the name of a row is at most, and what else there is to say of it.
const LABEL: usize = 160;
const NOTE: usize = 600;

/// Results to be rendered.
#[derive(Clone, Copy, Debug)]
pub struct Results<'a> {
    /// What they are called where they are beside others.
    pub name: &'a str,
    /// Where they come from.
    pub about: &'a About,
    /// What happened; a gateway that is not ours has no books.
    pub outcome: Option<&'a Outcome>,
}

/// How long a name is as a title; the whole of it is further down.
const TITLE: usize = 80;

/// The page about results.
pub fn render(results: Results<'_>) -> String {
    let about = results.about;
    let mut blocks = Vec::new();
    let mut answers = Vec::new();
    if let Some(outcome) = results.outcome {
        let mean = Mean::of(outcome);
        let all = if about.kind == Played::Loaded { text::REACHED } else { "offered" };
        answers.extend(calls::answers(&mean));
        answers.extend(money::answers(&mean));
        blocks.push(calls::block(outcome, &mean, all, about));
        blocks.extend(calls::refusals(&mean));
        blocks.push(money::block(outcome, &mean));
        blocks.push(money::recurring(&mean));
        blocks.push(times::block(outcome, &mean, about));
        blocks.push(calls::retries(&mean));
        blocks.push(paying::block(&mean));
        blocks.push(topology::block(&mean, about));
    }
    answers.extend(ends::answers(about));
    blocks.extend(ends::load(about));
    blocks.push(ends::thresholds(about));
    blocks.extend(ends::baseline(about));
    blocks.extend(ends::intervals(about));
    blocks.extend(ends::assumed(about));
    blocks.push(ends::settings(about));
    blocks.push(ends::run(about, results.outcome));
    let said = results.outcome.map_or_else(|| format!("seed {}", about.seed), played);
    page(&short(&about.scenario, TITLE), about.question.as_deref(), &[&said], answers, &blocks)
}

/// What was played, without the name, which is the title.
fn played(outcome: &Outcome) -> String {
    let said = text::heading(outcome);
    let said = said.strip_prefix(&outcome.scenario).unwrap_or(&said);
    said.trim_start_matches(" · ").trim_end().to_owned()
}

/// The page about several results, side by side.
pub fn render_beside(all: &[Results<'_>]) -> String {
    let names: BTreeSet<_> = all.iter().map(|results| short(&results.about.scenario, TITLE)).collect();
    let title = short(&names.into_iter().collect::<Vec<_>>().join(", "), TITLE);
    let lines = beside::lines(all);
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    page(&format!("{} results of {title}", all.len()), None, &lines, Vec::new(), &beside::blocks(all))
}

// === The page ===

const STYLE: &str = include_str!("html/templates/style.css");
const SCRIPT: &str = include_str!("html/templates/script.js");

#[derive(Template)]
#[template(config = "src/report/html/askama.toml", path = "page.html")]
struct Page<'a> {
    title: &'a str,
    question: Option<&'a str>,
    lines: &'a [&'a str],
    answers: Vec<Answer>,
    blocks: &'a [Block],
    version: &'a str,
    style: &'a str,
    style_hash: String,
    script: &'a str,
    script_hash: String,
}

fn page(title: &str, question: Option<&str>, lines: &[&str], answers: Vec<Answer>, blocks: &[Block]) -> String {
    let page = Page {
        title,
        question,
        lines,
        answers,
        blocks,
        version: env!("CARGO_PKG_VERSION"),
        style: STYLE,
        style_hash: hash(STYLE),
        script: SCRIPT,
        script_hash: hash(SCRIPT),
    };
    visible(&page.render().expect("a page is written to memory")).into_owned()
}

/// What a browser compares a style or a script with, before it takes it.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

// === What several parts of the page share ===

/// A section of the terminal's page as a table; what is too much is said to be in a file beside it.
fn table(section: &Section, file: &str) -> Table {
    let has = |of: fn(&super::section::Row) -> bool| section.rows.iter().any(of);
    let (figures, shares, notes) =
        (has(|row| !row.figure.is_empty()), has(|row| row.share.is_some()), has(|row| !row.note.is_empty()));
    let mut head = vec!["what".to_owned()];
    head.extend(figures.then(|| "figure".to_owned()));
    head.extend(shares.then(|| "share".to_owned()));
    head.extend(notes.then(|| "note".to_owned()));
    let line = |row: &super::section::Row| {
        // A row without a name is about the one above it; a heading of nothing is none.
        let label = if row.label.trim().is_empty() { "…" } else { row.label.trim() };
        let mut cells = vec![words(short(label, LABEL))];
        cells.extend(figures.then(|| number(&row.figure)));
        cells.extend(shares.then(|| row.share.map_or_else(|| number(""), share)));
        cells.extend(notes.then(|| note(short(&row.note, NOTE))));
        Line { at: None, cells }
    };
    capped(&section.title, head, section.rows.iter().map(line).collect(), file)
}

fn capped(caption: &str, head: Vec<String>, mut rows: Vec<Line>, file: &str) -> Table {
    let more = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    let more = (more > 0).then(|| format!("… and {} more in {file}", thousands(more as u128)));
    Table { caption: caption.to_owned(), head, rows, more, is_heat: false }
}

fn tables(sections: impl IntoIterator<Item = Section>, file: &str) -> Vec<Item> {
    sections.into_iter().map(|section| Item::Table(table(&section, file))).collect()
}

/// A share of a whole, with a bar.
fn share(share: f64) -> Cell {
    let hundredths = (share * 100.0).clamp(0.0, 100.0);
    Cell { bar: Some(format!("{hundredths:.1}")), ..number(percent(share)) }
}

fn percent(share: f64) -> String {
    // What is there is not told as nothing, nor what is missing as whole.
    match share * 100.0 {
        hundredths if hundredths > 0.0 && hundredths < 0.1 => "< 0.1 %".to_owned(),
        hundredths if hundredths < 100.0 && hundredths > 99.9 => "> 99.9 %".to_owned(),
        hundredths => format!("{hundredths:.1} %"),
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A count as an axis has it.
fn compact(value: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")];
    let (unit, name) = units.into_iter().find(|(unit, _)| value.abs() >= *unit).unwrap_or((1.0, ""));
    format!("{}{name}", decimals(value / unit))
}

fn decimals(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// An amount in nanos as a chart has it.
fn major(nanos: i128, currency: Currency) -> f64 {
    nanos as f64 / currency.scale as f64
}

/// A time as an axis has it.
fn time(ns: f64) -> String {
    if ns <= 0.0 {
        return "0".to_owned();
    }
    let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (1_000_000, "ms"), (1_000, "µs"), (1, "ns")];
    let (unit, name) = units.into_iter().find(|(unit, _)| ns >= *unit as f64).unwrap_or((1, "ns"));
    format!("{} {name}", decimals(ns / unit as f64))
}

fn figure(figure: Figure) -> Item {
    Item::Figure(figure)
}

#[cfg(test)]
mod tests;
