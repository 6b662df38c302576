//! Damage to a scenario: of its structure, which the schema sees too; or any at all.

use super::dice::Dice;
use super::document::{Entry, Form, Node, Way, value};

/// Texts of which most forms take only a few.
const POOL: [&str; 12] =
    ["$5", "7d", "12/day", "8%", "42", "3mo", "1h per 1s", "$5/month", "8%/month", "5/month", "/v2", "apple pie"];

impl Form {
    /// Whether a text of [`POOL`] has this form for the schema.
    fn takes(self, text: &str) -> bool {
        let taken: &[&str] = match self {
            Self::Text => return true,
            Self::Name => &["42", "7d", "3mo"],
            Self::Path => &["/v2"],
            Self::Word | Self::Date => &[],
            Self::Zone => &["42", "7d", "3mo", "12/day", "5/month", "/v2"],
            Self::Count | Self::Number => &["42"],
            Self::Allowance => &["42", "12/day", "5/month"],
            Self::PerDay | Self::Rate => &["12/day"],
            Self::PerMonth => &["5/month"],
            Self::Duration => &["7d"],
            Self::Length => &["7d", "3mo"],
            Self::Frequency => &["12/day", "5/month"],
            Self::Money | Self::Price => &["$5"],
            Self::Fee => &["$5/month"],
            Self::Commission => &["$5", "8%"],
            Self::Percent => &["8%"],
            Self::PercentPerMonth => &["8%/month"],
            Self::Clock => &["1h per 1s"],
        };
        taken.contains(&text)
    }

    fn is_numeric(self) -> bool {
        !matches!(self, Self::Text | Self::Name | Self::Path | Self::Word | Self::Date | Self::Zone)
    }
}

/// What was done to a document.
pub(crate) struct Damaged {
    pub(crate) document: Node,
    pub(crate) how: String,
}

/// One random edit that breaks the structure of a document.
pub(crate) fn structural(document: &Node, dice: &mut Dice) -> Damaged {
    let ways = document.ways();
    loop {
        let mut damaged = document.clone();
        let way = &ways[dice.below(ways.len())];
        if let Some(how) = break_one(&mut damaged, way, dice) {
            return Damaged { document: damaged, how: format!("{how} at {way:?}") };
        }
    }
}

/// Breaks the part at the end of a way, where it can be broken like that.
fn break_one(document: &mut Node, way: &Way, dice: &mut Dice) -> Option<&'static str> {
    let is_overlay = is_in_overlay(document, way);
    let kind = dice.below(7);
    let node = document.at_mut(way);
    match (kind, &mut *node) {
        (0, Node::Keys(entries)) => {
            entries.push(Entry { key: "unheard_of".to_owned(), node: value(Form::Count, "1"), is_required: false });
            Some("an unknown key")
        }
        (1, Node::Keys(entries)) => {
            let required = entries.iter().position(|entry| entry.is_required)?;
            entries.remove(required);
            Some("a missing key")
        }
        (2, _) => {
            *node = match node {
                Node::Value(..) => Node::List(vec![node.clone()]),
                _ => value(Form::Text, "apple pie"),
            };
            Some("another type")
        }
        (3, _) if !is_overlay => {
            *node = value(Form::Text, "~");
            Some("nothing")
        }
        (4, Node::Value(form, text)) => {
            let others: Vec<&str> = POOL.into_iter().filter(|text| !form.takes(text)).collect();
            if others.is_empty() {
                return None;
            }
            others[dice.below(others.len())].clone_into(text);
            Some("another unit")
        }
        // A plain `-0` is a zero to editors.
        (5, Node::Value(form, text)) if form.is_numeric() && text != "0" => {
            text.insert(0, '-');
            Some("less than nothing")
        }
        (6, Node::Names(entries)) if !entries.is_empty() => {
            let one = dice.below(entries.len());
            "a name!".clone_into(&mut entries[one].key);
            Some("a name that is none")
        }
        _ => None,
    }
}

/// Whether a part is of a variant or a change, where `~` removes.
fn is_in_overlay(document: &Node, way: &Way) -> bool {
    let Node::Keys(entries) = document else { return false };
    way.len() > 1 && matches!(entries[way[0]].key.as_str(), "variants" | "changes")
}

/// One random edit, of which nothing is known.
pub(crate) fn any(document: &Node, dice: &mut Dice) -> Damaged {
    let ways = document.ways();
    loop {
        let mut damaged = document.clone();
        let [one, other] = [0; 2].map(|_| ways[dice.below(ways.len())].clone());
        let how = match dice.below(6) {
            0 => break_one(&mut damaged, &one, dice).unwrap_or_default(),
            1 => put_other(&mut damaged, &one, &other),
            2 => drop_entry(&mut damaged, &one, dice),
            3 => rename_entry(&mut damaged, &one, dice),
            4 => reword(&mut damaged, &one, dice),
            _ => repeat_item(&mut damaged, &one, dice),
        };
        if !how.is_empty() {
            return Damaged { document: damaged, how: format!("{how} at {one:?}") };
        }
    }
}

/// Puts another part of the document in the place of one of the same kind.
fn put_other(document: &mut Node, one: &Way, other: &Way) -> &'static str {
    let source = document.at(other).clone();
    let target = document.at_mut(one);
    let is_alike = match (&*target, &source) {
        (Node::Value(form, text), Node::Value(other, there)) => form == other && text != there,
        (Node::Keys(_), Node::Keys(_)) | (Node::Names(_), Node::Names(_)) | (Node::List(_), Node::List(_)) => true,
        _ => false,
    };
    if !is_alike || one == other {
        return "";
    }
    *target = source;
    "another part"
}

fn drop_entry(document: &mut Node, way: &Way, dice: &mut Dice) -> &'static str {
    match document.at_mut(way).entries_mut() {
        Some(entries) if !entries.is_empty() => {
            entries.remove(dice.below(entries.len()));
            "a key left out"
        }
        _ => "",
    }
}

fn rename_entry(document: &mut Node, way: &Way, dice: &mut Dice) -> &'static str {
    match document.at_mut(way) {
        Node::Names(entries) if !entries.is_empty() => {
            let one = dice.below(entries.len());
            entries[one].key.push('x');
            "another name"
        }
        _ => "",
    }
}

fn reword(document: &mut Node, way: &Way, dice: &mut Dice) -> &'static str {
    match document.at_mut(way) {
        Node::Value(form, text) if form.is_numeric() => {
            let digit = dice.one_of(&["0", "1", "99", "250", "999999999", "0.0000000001", "1.5"]);
            let begins = text.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
            let length = text[begins..].find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len() - begins);
            text.replace_range(begins..begins + length, digit);
            "another number"
        }
        Node::Value(_, text) => {
            dice.one_of(&POOL).clone_into(text);
            "another text"
        }
        _ => "",
    }
}

fn repeat_item(document: &mut Node, way: &Way, dice: &mut Dice) -> &'static str {
    match document.at_mut(way) {
        Node::List(items) if !items.is_empty() => {
            let item = items[dice.below(items.len())].clone();
            items.extend(std::iter::repeat_n(item, dice.one_of(&[1, 20])));
            "an item again"
        }
        _ => "",
    }
}
