//! A scenario as a tree that knows what each of its values is, so that one can be damaged and it is known how.

use std::fmt::Write as _;

use super::dice::Dice;

/// A part of a document.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// A map whose keys the language gives.
    Keys(Vec<Entry>),
    /// A map whose keys the user gives.
    Names(Vec<Entry>),
    /// A list.
    List(Vec<Node>),
    /// A single value: what it is, and its text.
    Value(Form, String),
}

/// A key and what stands behind it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) node: Node,
    /// Whether the document is broken without it.
    pub(crate) is_required: bool,
}

/// What a single value is, as far as other texts can be told from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Name,
    Path,
    /// One of a closed set.
    Word,
    Date,
    Zone,
    Count,
    Number,
    Allowance,
    PerDay,
    PerMonth,
    Duration,
    /// A duration, months or years.
    Length,
    Rate,
    Frequency,
    Money,
    Fee,
    Commission,
    Price,
    Percent,
    PercentPerMonth,
    Clock,
}

/// A single value.
pub(crate) fn value(form: Form, text: impl Into<String>) -> Node {
    Node::Value(form, text.into())
}

/// A list of single values.
pub(crate) fn values(form: Form, texts: &[&str]) -> Node {
    Node::List(texts.iter().map(|text| value(form, *text)).collect())
}

/// A map with names of the user's own.
pub(crate) fn names(entries: Vec<(String, Node)>) -> Node {
    let entry = |(key, node)| Entry { key, node, is_required: false };
    Node::Names(entries.into_iter().map(entry).collect())
}

/// A map with keys of the language, as it is written down.
#[derive(Default)]
pub(crate) struct Keys(Vec<Entry>);

impl Keys {
    /// With a key that must be there.
    pub(crate) fn must(self, key: &str, node: Node) -> Self {
        self.entry(key, node, true)
    }

    /// With a key that may be left out.
    pub(crate) fn with(self, key: &str, node: Node) -> Self {
        self.entry(key, node, false)
    }

    /// With a value that may be left out, and is there so often.
    pub(crate) fn often(self, dice: &mut Dice, percent: usize, key: &str, form: Form, choices: &[&str]) -> Self {
        if !dice.happens(percent) {
            return self;
        }
        let text = dice.one_of(choices);
        self.with(key, value(form, text))
    }

    fn entry(mut self, key: &str, node: Node, is_required: bool) -> Self {
        self.0.push(Entry { key: key.to_owned(), node, is_required });
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn node(self) -> Node {
        Node::Keys(self.0)
    }
}

/// The way to a part: which child, of which child.
pub(crate) type Way = Vec<usize>;

impl Node {
    /// The ways to all parts below, this one left out.
    pub(crate) fn ways(&self) -> Vec<Way> {
        let mut ways = Vec::new();
        for (index, child) in self.children().into_iter().enumerate() {
            ways.push(vec![index]);
            ways.extend(child.ways().into_iter().map(|way| [vec![index], way].concat()));
        }
        ways
    }

    fn children(&self) -> Vec<&Self> {
        match self {
            Self::Keys(entries) | Self::Names(entries) => entries.iter().map(|entry| &entry.node).collect(),
            Self::List(items) => items.iter().collect(),
            Self::Value(..) => Vec::new(),
        }
    }

    pub(crate) fn at(&self, way: &[usize]) -> &Self {
        way.iter().fold(self, |node, index| node.children()[*index])
    }

    pub(crate) fn at_mut(&mut self, way: &[usize]) -> &mut Self {
        let Some((first, rest)) = way.split_first() else { return self };
        match self {
            Self::Keys(entries) | Self::Names(entries) => entries[*first].node.at_mut(rest),
            Self::List(items) => items[*first].at_mut(rest),
            Self::Value(..) => unreachable!("a value has nothing below"),
        }
    }

    pub(crate) fn entries_mut(&mut self) -> Option<&mut Vec<Entry>> {
        match self {
            Self::Keys(entries) | Self::Names(entries) => Some(entries),
            Self::List(_) | Self::Value(..) => None,
        }
    }

    /// The text of a document; so many of its levels have a line for each key.
    pub(crate) fn text(&self, levels: usize) -> String {
        let mut text = String::new();
        self.block(&mut text, 0, levels);
        text
    }

    fn block(&self, text: &mut String, depth: usize, levels: usize) {
        let (Self::Keys(entries) | Self::Names(entries)) = self else { unreachable!("only maps are written in lines") };
        for Entry { key, node, .. } in entries {
            let _ = write!(text, "{:1$}{2}:", "", 2 * depth, quoted(key));
            let has_lines =
                depth + 1 < levels && matches!(node, Self::Keys(entries) | Self::Names(entries) if !entries.is_empty());
            if has_lines {
                text.push('\n');
                node.block(text, depth + 1, levels);
            } else {
                let _ = writeln!(text, " {}", node.inline());
            }
        }
    }

    fn inline(&self) -> String {
        match self {
            Self::Keys(entries) | Self::Names(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Keys(entries) | Self::Names(entries) => {
                let pair = |entry: &Entry| format!("{}: {}", quoted(&entry.key), entry.node.inline());
                format!("{{ {} }}", entries.iter().map(pair).collect::<Vec<_>>().join(", "))
            }
            Self::List(items) => format!("[{}]", items.iter().map(Self::inline).collect::<Vec<_>>().join(", ")),
            Self::Value(_, text) => quoted(text),
        }
    }
}

/// A text as YAML has it: in quotes only where it would be something else without.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '/' | '_' | '-' | '.' | '+' | '%' | '$' | '€' | '£' | '¥' | '₩' | ' ' | '~' | '(' | ')')
    };
    let is_safe =
        text.chars().all(is_plain) && text.trim() == text && !text.starts_with(['-', '%']) && !text.is_empty();
    if is_safe || is_negative_number(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

fn is_negative_number(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && !rest.contains(' '))
}
