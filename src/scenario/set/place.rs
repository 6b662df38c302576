//! Where a path leads, by the table of keys: whether there is such a key, what its values are, what the file has there.

use farebox_engine::money::Currency;

use super::{Given, Setting, listed, scalar};
use crate::scenario::diagnostic::{Diagnostic, Problems, Spanned, quote};
use crate::scenario::keys::{self, Presence, Shape, Table};
use crate::scenario::node::{self, Node, Quoting, Scalar};
use crate::scenario::suggest::did_you_mean;
use crate::scenario::unit::Unit;

/// A key that may be set.
pub(in crate::scenario) struct Place {
    /// What a single value there is; `None`: a map or a list.
    unit: Option<Unit>,
    currency: Option<Currency>,
    /// The single value that the file has there, or that it has by default.
    own: Option<String>,
    /// Whether the file says nothing there, and no default does.
    is_absent: bool,
}

/// Keys that are the same at every point of a grid, each with what to do instead.
const FIXED: [(&str, &str); 8] = [
    ("seed", "write `--seed N`: all points draw from the same seed, so that they meet the same demand"),
    ("replications", "write `--replications N`"),
    ("variants", "choose one with `--variant NAME`, and set the keys that it overlays"),
    ("currency", "sweep the scenario in one currency: amounts in two cannot be compared"),
    ("scenario", "set a key of `plans`, `consumers`, `payments`, `upstreams` or `gateway`"),
    ("description", "set a key of `plans`, `consumers`, `payments`, `upstreams` or `gateway`"),
    ("thresholds", "a sweep judges nothing: `farebox simulate` judges thresholds"),
    ("live", "a sweep loads nothing: `farebox simulate` and a sweep pass over `live`"),
];

/// Where the path of a setting leads in a document; `None` when nowhere, which has been noted.
pub(in crate::scenario) fn find(
    setting: &Setting,
    root: &Spanned<Node>,
    currency: Option<Currency>,
    problems: &mut Problems,
) -> Option<Place> {
    match walk(&setting.path, root) {
        Ok((shape, presence, node)) => {
            let unit = match shape {
                Shape::One(unit) | Shape::OneOrMap(unit, _) => Some(*unit),
                Shape::Map(_) | Shape::List(_) | Shape::Overlay(_) => None,
            };
            let default = match presence {
                Some(Presence::Default(yaml)) => node::parse(yaml, problems),
                _ => None,
            };
            let own = node.or(default.as_ref()).and_then(|node| match &node.value {
                Node::Scalar(scalar) => Some(scalar.text.clone()),
                Node::Map(_) | Node::List(_) => None,
            });
            Some(Place { unit, currency, own, is_absent: node.is_none() })
        }
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

type Walked<'a> = (&'static Shape, Option<&'static Presence>, Option<&'a Spanned<Node>>);

/// The document itself.
static DOCUMENT: Shape = Shape::Map(&keys::SCENARIO);

fn walk<'a>(path: &[Spanned<String>], root: &'a Spanned<Node>) -> Result<Walked<'a>, Diagnostic> {
    let (mut shape, mut presence, mut node) = (&DOCUMENT, None, Some(root));
    for (at, key) in path.iter().enumerate() {
        if let (0, Some((_, help))) = (at, FIXED.iter().find(|(name, _)| *name == key.value)) {
            let problem = Diagnostic::error(key.span, format!("`{}` is the same at every point", key.value));
            return Err(problem.help(*help));
        }
        // What the keys so far are called in messages.
        let owner = path[..at].last().map_or("the scenario".to_owned(), |owner| quote(&owner.value));
        (shape, presence, node) = match shape {
            Shape::Map(table) | Shape::OneOrMap(_, table) | Shape::Overlay(table) => {
                in_table(table, key, at + 1 == path.len(), node, &owner)?
            }
            Shape::List(list) => (&list.item, None, Some(in_list(key, node, &owner)?)),
            Shape::One(_) => {
                let problem = Diagnostic::error(key.span, format!("{owner} is a single value, and has no keys"));
                return Err(problem.help("end the path there"));
            }
        };
    }
    Ok((shape, presence, node))
}

fn in_table<'a>(
    table: &'static Table,
    key: &Spanned<String>,
    is_last: bool,
    node: Option<&'a Spanned<Node>>,
    owner: &str,
) -> Result<Walked<'a>, Diagnostic> {
    let pairs = match node.map(|node| &node.value) {
        Some(Node::Map(pairs)) => pairs.as_slice(),
        _ => &[],
    };
    let found = pairs.iter().find(|(known, _)| known.value == key.value).map(|(_, node)| node);
    if let Some(known) = table.key(&key.value) {
        return Ok((&known.shape, Some(&known.presence), found));
    }
    let Some(named) = &table.named else {
        let names = || table.keys.iter().map(|known| known.name);
        let help =
            did_you_mean(&key.value, names()).unwrap_or_else(|| format!("the keys here are {}", listed(names())));
        return Err(Diagnostic::error(key.span, format!("there is no key {} in {owner}", quote(&key.value))).help(help));
    };
    // A meter may be added to an allowance; a plan or a cohort of one key would be none.
    let may_be_new = is_last && matches!(named.shape, Shape::One(_) | Shape::OneOrMap(..));
    if found.is_some() || may_be_new {
        return Ok((&named.shape, None, found));
    }
    let there = || pairs.iter().map(|(known, _)| known.value.as_str());
    let help = did_you_mean(&key.value, there()).unwrap_or_else(|| match listed(there()) {
        nothing if nothing.is_empty() => "the scenario has none there".to_owned(),
        all => format!("the scenario has {all}"),
    });
    Err(Diagnostic::error(key.span, format!("there is no {} in {owner}", quote(&key.value))).help(help))
}

fn in_list<'a>(
    key: &Spanned<String>,
    node: Option<&'a Spanned<Node>>,
    owner: &str,
) -> Result<&'a Spanned<Node>, Diagnostic> {
    let items = match node.map(|node| &node.value) {
        Some(Node::List(items)) => items.as_slice(),
        _ => &[],
    };
    // One item has one name: by `00` it could be set beside `0`.
    let number = key.value.parse::<usize>().ok().filter(|at| at.to_string() == key.value);
    if let Some(item) = number.and_then(|at| items.get(at)) {
        return Ok(item);
    }
    let problem = Diagnostic::error(key.span, format!("there is no {} in the list {owner}", quote(&key.value)));
    Err(problem.help(match items.len() {
        0 => "the scenario has none there".to_owned(),
        1 => "its one item is `0`".to_owned(),
        count => format!("its items are `0` to `{}`", count - 1),
    }))
}

impl Place {
    /// A value as it is meant: a bare number has the sign and the unit of the file's own value, so that `39` in the place
    /// of `$49/month` is `$39/month`, and `30` in that of `20/day` is no month's. What has one of the two has the other
    /// where it cannot stand without.
    pub(super) fn dressed(&self, given: &Given) -> Given {
        let dressed = || {
            let (unit, own) = (self.unit?, self.own.as_deref()?);
            let text = given.plain_text()?;
            let (sign, tail) = dress_of(own)?;
            let (own_sign, own_tail) = dress_of(text)?;
            let is_bare = own_sign.is_empty() && own_tail.is_empty();
            if (!is_bare && unit.parse(text, self.currency).is_ok()) || (sign.is_empty() && tail.is_empty()) {
                return None;
            }
            let text = format!(
                "{}{text}{}",
                if own_sign.is_empty() { sign } else { "" },
                if own_tail.is_empty() { tail } else { "" }
            );
            unit.parse(&text, self.currency).is_ok().then(|| Given { node: scalar(&text), text })
        };
        dressed().unwrap_or_else(|| given.clone())
    }

    /// What the file has there, or what it has by default.
    pub(in crate::scenario) fn written(&self) -> Option<String> {
        self.own.clone()
    }

    /// Whether a value is what the file has, however it is written.
    pub(in crate::scenario) fn is_own(&self, given: &Given) -> bool {
        if given.is_nothing() {
            return self.is_absent;
        }
        let Node::Scalar(Scalar { text, quoting: Quoting::Plain | Quoting::Quoted }) = &given.node else {
            return false;
        };
        let Some(own) = self.own.as_deref() else { return false };
        let read = |text: &str| self.unit.and_then(|unit| unit.parse(text, self.currency).ok());
        // Values have no equality of their own, and what is printed of them is all that they are.
        text == own || read(text).zip(read(own)).is_some_and(|(a, b)| format!("{a:?}") == format!("{b:?}"))
    }
}

/// What stands before a number and its `k` or `M`, and what behind.
fn dress_of(text: &str) -> Option<(&str, &str)> {
    let digits = text.find(|c: char| c.is_ascii_digit())?;
    let (sign, rest) = text.split_at(digits);
    if sign.chars().any(|c| c.is_ascii_alphanumeric() || c == '-') {
        return None;
    }
    let end = rest.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '_')).unwrap_or(rest.len());
    let tail = &rest[end..];
    // A share and an amount are two numbers.
    if tail.contains(" + ") {
        return None;
    }
    Some((sign, tail.strip_prefix(['k', 'M']).unwrap_or(tail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_told_from_what_it_is_dressed_in() {
        for (text, expected) in [
            ("$49/month", Some(("$", "/month"))),
            ("$1.2k/month", Some(("$", "/month"))),
            ("10 CHF/month", Some(("", " CHF/month"))),
            ("39", Some(("", ""))),
            ("8%", Some(("", "%"))),
            ("1_000", Some(("", ""))),
            ("$2.50 per 1M", Some(("$", " per 1M"))),
            ("2.9% + $0.30", None),
            ("block", None),
            ("-3", None),
        ] {
            assert_eq!(dress_of(text), expected, "{text}");
        }
    }
}
