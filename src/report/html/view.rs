//! What a page shows, before it is written as HTML: blocks under headings, and in them sentences, figures and tables. The
//! template walks it and escapes every text.

/// A part of the page with a heading of its own.
pub(super) struct Block {
    /// What links lead to.
    pub(super) id: &'static str,
    /// The heading.
    pub(super) title: String,
    /// What it says first, in sentences.
    pub(super) lead: Vec<String>,
    /// What follows.
    pub(super) items: Vec<Item>,
}

impl Block {
    pub(super) fn new(id: &'static str, title: &str) -> Self {
        Self { id, title: title.to_owned(), lead: Vec::new(), items: Vec::new() }
    }

    pub(super) fn says(mut self, sentence: impl Into<String>) -> Self {
        self.lead.push(sentence.into());
        self
    }

    pub(super) fn with(mut self, items: impl IntoIterator<Item = Item>) -> Self {
        self.items.extend(items);
        self
    }
}

/// Something in a block.
pub(super) enum Item {
    Figure(Figure),
    Table(Table),
    Settings(Vec<SettingLine>),
}

/// A chart with the table behind it.
pub(super) struct Figure {
    pub(super) id: &'static str,
    pub(super) title: String,
    /// What can be seen, for those who do not.
    pub(super) says: String,
    pub(super) legend: Vec<(Tone, String)>,
    pub(super) drawing: Drawing,
    pub(super) table: Table,
}

/// A picture in two shapes: what is inside of each `svg`, its size, and from where to where values are drawn.
pub(super) struct Drawing {
    pub(super) wide: String,
    pub(super) wide_size: (u32, u32),
    pub(super) wide_plot: [i32; 2],
    pub(super) narrow: String,
    pub(super) narrow_size: (u32, u32),
    pub(super) narrow_plot: [i32; 2],
}

/// A table; its first column names the rows.
#[derive(Default)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Line>,
    /// What has been left out, and where it is.
    pub(super) more: Option<String>,
    /// Whether its cells are shaded.
    pub(super) is_heat: bool,
}

impl Table {
    /// The headings as cells: those of numbers stand above them, as far as the first row tells.
    pub(super) fn heads(&self) -> Vec<Cell> {
        let cell = |column: usize| self.rows.first().and_then(|row| row.cells.get(column));
        let head = |(column, text): (usize, &String)| {
            let (is_number, is_note) = cell(column).map_or((false, false), |cell| (cell.is_number, cell.is_note));
            Cell { is_number, is_note, ..words(text) }
        };
        self.head.iter().enumerate().map(head).collect()
    }

    /// Whether its rows have something to say beside their figures.
    pub(super) fn is_noted(&self) -> bool {
        self.rows.first().is_some_and(|row| row.cells.iter().any(|cell| cell.is_note))
    }
}

/// A row of a table.
#[derive(Default)]
pub(super) struct Line {
    /// Where in the chart it is, from 0 to 1, if it is anywhere.
    pub(super) at: Option<f64>,
    pub(super) cells: Vec<Cell>,
}

/// A cell of a table.
#[derive(Clone, Default)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) is_number: bool,
    /// A share of a whole, in hundredths, drawn as a bar.
    pub(super) bar: Option<String>,
    /// How dark it is, from 1 to 8.
    pub(super) shade: Option<u8>,
    pub(super) is_bad: bool,
    /// Whether it is what else there is to say of its row: on a phone it stands below the figures.
    pub(super) is_note: bool,
}

/// A line of the resolved scenario.
pub(super) struct SettingLine {
    /// At most 6.
    pub(super) depth: usize,
    pub(super) key: String,
    pub(super) value: String,
    /// What it is marked with, if it is not from the file.
    pub(super) mark: &'static str,
}

/// An answer at the top of the page.
pub(super) struct Answer {
    pub(super) tone: &'static str,
    pub(super) head: String,
    pub(super) text: String,
}

pub(super) fn words(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), ..Cell::default() }
}

pub(super) fn number(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), is_number: true, ..Cell::default() }
}

pub(super) fn note(text: impl Into<String>) -> Cell {
    Cell { is_note: true, ..words(text) }
}

/// A name that may be of any length, as a chart or a heading shows it: of names that begin alike the ends tell.
pub(super) fn short(name: &str, chars: usize) -> String {
    let count = name.chars().count();
    if count <= chars {
        return name.to_owned();
    }
    let (first, last) = (chars - chars / 3, chars / 3);
    let at = |nth: usize| name.char_indices().nth(nth).map_or(name.len(), |(at, _)| at);
    format!("{}…{}", name[..at(first)].trim_end(), name[at(count - last)..].trim_start())
}

/// What something is drawn in; a variable of the style sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Text,
    Axis,
    Grid,
    Served,
    Refused,
    Failed,
    Plus,
    Minus,
    Sum,
    One,
    Two,
    Three,
    Four,
    Five,
    Six,
}

impl Tone {
    pub(super) const ALL: [Self; 15] = [
        Self::Text,
        Self::Axis,
        Self::Grid,
        Self::Served,
        Self::Refused,
        Self::Failed,
        Self::Plus,
        Self::Minus,
        Self::Sum,
        Self::One,
        Self::Two,
        Self::Three,
        Self::Four,
        Self::Five,
        Self::Six,
    ];

    /// Of so many things that are alike, the tone of each; there are no more.
    pub(super) const SERIES: [Self; 6] = [Self::One, Self::Two, Self::Three, Self::Four, Self::Five, Self::Six];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Axis => "axis",
            Self::Grid => "grid",
            Self::Served => "served",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Plus => "plus",
            Self::Minus => "minus",
            Self::Sum => "sum",
            Self::One => "one",
            Self::Two => "two",
            Self::Three => "three",
            Self::Four => "four",
            Self::Five => "five",
            Self::Six => "six",
        }
    }
}
