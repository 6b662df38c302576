//! A proof as a page for the terminal: a table whose columns are aligned, in pieces of which some have a tone.

use super::rows::{Unit, WIDEST};
use super::run::{Proof, Proved, Verdict};

/// How a piece of text is meant. Nothing is said by tone alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As the rest.
    Plain,
    /// A heading.
    Heading,
    /// All is well.
    Good,
    /// Something is not.
    Bad,
}

/// Text in one tone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it says, line breaks included.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
}

fn piece(text: impl Into<String>, tone: Tone) -> Piece {
    Piece { text: text.into(), tone }
}

/// The names of the columns.
const HEADER: [&str; 5] = ["", "exact", "simulated", "interval", "verdict"];
/// Where figures stand, flush right.
const FIGURES: std::ops::Range<usize> = 1..4;
const VERDICT: usize = 4;

/// The whole page.
pub fn render(proof: &Proof) -> Vec<Piece> {
    let mut page = vec![piece(heading(proof), Tone::Plain)];
    page.extend(table(&proof.rows));
    page.push(piece("\n", Tone::Plain));
    page.push(piece(summary(proof), if proof.holds { Tone::Good } else { Tone::Bad }));
    page.push(piece(format!("\n{}\n", chances(proof)), Tone::Plain));
    page.push(piece("\nFormulas\n", Tone::Heading));
    page.push(piece(formulas(&proof.rows), Tone::Plain));
    page.push(piece("\nNot possible yet, and so not shown\n", Tone::Heading));
    let missing = proof.not_yet.iter().map(|missing| format!("  {}: {}\n", missing.name, missing.reason));
    page.push(piece(missing.collect::<String>(), Tone::Plain));
    page
}

fn heading(proof: &Proof) -> String {
    let size = if proof.work > 1.0 { format!(" · {} times the plain size", proof.work) } else { String::new() };
    format!(
        "Textbook formulas beside the simulation · {} replications of each row · seed {}{size}\n\n",
        proof.replications, proof.seed
    )
}

fn table(rows: &[Proved]) -> Vec<Piece> {
    let cells: Vec<[String; 5]> = rows.iter().map(cells).collect();
    let header = HEADER.map(str::to_owned);
    let width = |column: usize| {
        let lines = [&header].into_iter().chain(&cells);
        lines.map(|line| line[column].chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut pieces = line(&header, &widths, Tone::Heading, Tone::Heading);
    for (row, cells) in rows.iter().zip(&cells) {
        let tone = if row.verdict == Verdict::Holds { Tone::Good } else { Tone::Bad };
        pieces.extend(line(cells, &widths, Tone::Plain, tone));
    }
    pieces
}

fn line(cells: &[String; 5], widths: &[usize; 5], tone: Tone, of_verdict: Tone) -> Vec<Piece> {
    let cell = |column: usize| {
        let (cell, width) = (&cells[column], widths[column]);
        if FIGURES.contains(&column) { format!("  {cell:>width$}") } else { format!("  {cell:width$}") }
    };
    let figures: String = (0..VERDICT).map(cell).collect();
    vec![piece(figures, tone), piece(cell(VERDICT).trim_end(), of_verdict), piece("\n", Tone::Plain)]
}

fn cells(row: &Proved) -> [String; 5] {
    let places = places(row.unit, row.exact);
    let figure = |value: f64| figure(row.unit, value, places);
    let measured = |value: Option<f64>| value.map_or("nothing".to_owned(), figure);
    let interval = match row.half_width {
        _ if row.exact == 0.0 => "none".to_owned(),
        Some(half_width) => format!("± {}", figure(half_width)),
        None => String::new(),
    };
    let verdict = match row.verdict {
        Verdict::Holds => "holds",
        Verdict::Fails => "FAILS",
        Verdict::TooWide => "FAILS: too wide",
    };
    [row.name.to_owned(), figure(row.exact), measured(row.simulated), interval, verdict.to_owned()]
}

/// As many decimal places as five digits of the value need.
fn places(unit: Unit, value: f64) -> usize {
    let shown = if unit == Unit::Share { 100.0 * value } else { value };
    if shown == 0.0 { 2 } else { (4.0 - shown.abs().log10().floor()).clamp(0.0, 9.0) as usize }
}

fn figure(unit: Unit, value: f64, places: usize) -> String {
    match unit {
        Unit::Share => format!("{:.places$} %", 100.0 * value),
        Unit::Hours => format!("{value:.places$} h"),
        Unit::Dollars => format!("${value:.places$}"),
        Unit::Count => format!("{value:.places$}"),
        Unit::Milliseconds => format!("{value:.places$} ms"),
    }
}

/// Two lines for each: what is computed, and of what.
fn formulas(rows: &[Proved]) -> String {
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let of = |row: &Proved| {
        let Proved { name, formula, parameters, widest, .. } = row;
        let bound = if *widest > WIDEST { format!(", to ± {} %", 100.0 * widest) } else { String::new() };
        format!("  {name:width$}  {formula}\n  {:width$}  {parameters}{bound}\n", "")
    };
    rows.iter().map(of).collect()
}

fn summary(proof: &Proof) -> String {
    let failed = proof.rows.iter().filter(|row| row.verdict != Verdict::Holds).count();
    match (proof.rows.len(), failed) {
        (1, 0) => "The row holds.".to_owned(),
        (rows, 0) => format!("All {rows} rows hold."),
        (1, _) => "The row FAILS.".to_owned(),
        (rows, _) => format!("{failed} of {rows} rows FAIL."),
    }
}

fn chances(proof: &Proof) -> String {
    let (seeds, percent) = (1.0 / proof.miss, 100.0 * proof.miss_of_a_row);
    format!(
        "An interval misses with a chance of {percent:.4} %, so that one seed in {seeds:.0} fails a row by chance. Half of \
         its\nwidth is at most {} % of the exact value, unless the row says otherwise.",
        100.0 * WIDEST
    )
}

#[cfg(test)]
mod tests;
