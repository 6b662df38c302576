//! What a page is made of, before it is for a terminal or a browser: titles with lines, each of which has a label, a figure
//! and a note. Whoever derives a figure makes such lines, once; whoever renders them derives nothing.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// How many columns the bar of a whole takes.
const BAR: usize = 24;

/// A title and its lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// What the lines are about.
    pub title: String,
    /// The lines; where there are none, the title says it all.
    pub rows: Vec<Row>,
}

/// A line: what it is about, its figure, what else there is to say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What it is about.
    pub label: String,
    /// The figure, as people read it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub figure: String,
    /// Of a part, what it is of the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A line without a share.
pub(super) fn row(label: impl Into<String>, figure: impl Into<String>, note: impl Into<String>) -> Row {
    Row { label: label.into(), figure: figure.into(), share: None, note: note.into() }
}

/// A title and its lines for the terminal, figures flush right.
pub(super) fn table(title: &str, rows: &[Row]) -> String {
    let width = |text: fn(&Row) -> &str| rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0);
    let (label, figure) = (width(|row| &row.label), width(|row| &row.figure));
    let mut text = format!("\n{title}\n");
    for row in rows {
        let line = format!("  {:label$}  {:>figure$}  {}", row.label, row.figure, row.noted());
        writeln!(text, "{}", line.trim_end()).expect("a String takes everything");
    }
    text
}

impl Row {
    /// The note, behind the share as a number and as a bar.
    fn noted(&self) -> String {
        let Some(share) = self.share else { return self.note.clone() };
        let bar = "█".repeat((share * BAR as f64).round() as usize);
        format!("{:5.1} %  {bar:BAR$}  {}", share * 100.0, self.note)
    }
}

impl Section {
    /// Lines under a title; `None` without any.
    pub(super) fn of(title: &str, rows: Vec<Row>) -> Option<Self> {
        (!rows.is_empty()).then(|| Self { title: title.to_owned(), rows })
    }

    /// The section for the terminal.
    pub fn text(&self) -> String {
        table(&self.title, &self.rows)
    }
}

/// Sections for the terminal, one after the other.
pub fn text<'a>(sections: impl IntoIterator<Item = &'a Section>) -> String {
    sections.into_iter().map(Section::text).collect()
}
