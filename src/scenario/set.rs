//! `--set PATH=VALUES`: which key of a scenario, and what is put there, one value after the other. Values are as in the
//! file, so that what may be written there may be written here; `--set` is an overlay of one key.

mod place;
mod range;

use super::diagnostic::{Diagnostic, Problems, Span, Spanned, enumerate, quote};
use super::limit;
use super::node::{self, Node, Pair, Quoting, Scalar};
use super::overlay;
pub(super) use place::{Place, find};
use range::Range;

/// What is set, and to what.
pub(super) struct Setting {
    /// The keys that lead there, each with its place in the option's text.
    pub(super) path: Vec<Spanned<String>>,
    values: Vec<Spanned<Item>>,
    /// Where the option is.
    pub(super) span: Span,
}

/// What stands between two commas.
enum Item {
    One(Given),
    Range(Range),
}

/// One value.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// As people read it.
    pub(super) text: String,
    pub(super) node: Node,
}

const HOW: &str = "write a key and its values, such as `plans.pro.fee=$39/month,$49/month` or `plans.pro.fee=39..79:5`";

impl Setting {
    /// The setting that an option's text is, whose spans begin at `at`; `None` when it is none, which has been noted.
    pub(super) fn read(text: &str, at: usize, problems: &mut Problems) -> Option<Self> {
        let span = Span { start: at, end: at + text.len() };
        if text.len() > limit::OPTION_BYTES {
            let message = format!("the option is longer than {} KiB", limit::OPTION_BYTES >> 10);
            problems.push(Diagnostic::error(span, message).help("write a range in place of a list, or a variant"));
            return None;
        }
        let (path, values) = match path(text) {
            Ok((path, values)) => (path, values),
            Err(problem) => {
                problems.push(shifted(problem, at));
                return None;
            }
        };
        let parts = match parts(values, text.len() - values.len()) {
            Ok(parts) => parts,
            Err(problem) => {
                problems.push(shifted(problem, at));
                return None;
            }
        };
        let items = parts.into_iter().map(|part| item(part).map_err(|problem| problems.push(shifted(problem, at))));
        // All are read before the first that is wrong ends it: each is told.
        let items: Vec<_> = items.collect();
        let values: Vec<_> = items.into_iter().collect::<Result<_, _>>().ok()?;
        let moved = |span: Span| Span { start: span.start + at, end: span.end + at };
        let path = path.into_iter().map(|key| Spanned { span: moved(key.span), ..key }).collect();
        let values = values.into_iter().map(|item| Spanned { span: moved(item.span), ..item }).collect();
        Some(Self { path, values, span })
    }

    /// How many values it has; their number, not the values, which may be too many to be written down.
    pub(super) fn count(&self) -> u128 {
        let count = |item: &Spanned<Item>| match &item.value {
            Item::One(_) => 1,
            Item::Range(range) => range.count,
        };
        self.values.iter().fold(0_u128, |sum, item| sum.saturating_add(count(item)))
    }

    fn keys(&self) -> Vec<&str> {
        self.path.iter().map(|key| key.value.as_str()).collect()
    }

    /// The path of the list that has an item less where one of its values is `~`; `None`: it takes no item out of any.
    fn shortened_list(&self, root: &Spanned<Node>) -> Option<Vec<&str>> {
        let (_, list) = self.path.split_last()?;
        let takes_out = |item: &Spanned<Item>| matches!(&item.value, Item::One(given) if given.is_nothing());
        let is_shortened = self.values.iter().any(takes_out) && matches!(at(root, list), Some(Node::List(_)));
        is_shortened.then(|| list.iter().map(|key| key.value.as_str()).collect())
    }

    /// The keys as they are written in a path.
    pub(super) fn name(&self) -> String {
        let written = |key: &Spanned<String>| {
            let is_plain = !key.value.contains(['.', '=', '"', '\'']) && key.value.trim() == key.value;
            match (is_plain, key.value.contains('"')) {
                (true, _) => key.value.clone(),
                (false, false) => format!("\"{}\"", key.value),
                (false, true) => format!("'{}'", key.value),
            }
        };
        self.path.iter().map(written).collect::<Vec<_>>().join(".")
    }

    /// Where its values are.
    pub(super) fn values_span(&self) -> Span {
        let start = self.values.first().map_or(self.span.start, |item| item.span.start);
        Span { start, end: self.span.end }
    }

    /// Its values, in their order; one that is given twice is noted.
    pub(super) fn given(&self, place: &Place, problems: &mut Problems) -> Vec<Spanned<Given>> {
        let mut all: Vec<Spanned<Given>> = Vec::new();
        for Spanned { span, value } in &self.values {
            let texts: Vec<Given> = match value {
                Item::One(given) => vec![place.dressed(given)],
                Item::Range(range) => range.values().map(|text| place.dressed(&Given::plain(&text))).collect(),
            };
            all.extend(texts.into_iter().map(|value| Spanned { span: *span, value }));
        }
        let mut seen = std::collections::BTreeMap::new();
        for Spanned { span, value } in &all {
            if let Some(first) = seen.insert(value.text.as_str(), *span) {
                let problem = Diagnostic::error(*span, format!("the value {} is given twice", quote(&value.text)));
                problems.push(problem.related(first, "first given here").help("keep one of the two"));
            }
        }
        all
    }
}

impl Given {
    fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), node: scalar(text) }
    }

    /// Whether it takes the key out.
    pub(super) fn is_nothing(&self) -> bool {
        (Spanned { span: Span::default(), value: self.node.clone() }).is_null()
    }

    /// The text of a single value that stands in no quotes.
    pub(super) fn plain_text(&self) -> Option<&str> {
        match &self.node {
            Node::Scalar(Scalar { text, quoting: Quoting::Plain }) => Some(text),
            _ => None,
        }
    }
}

fn scalar(text: &str) -> Node {
    Node::Scalar(Scalar { text: text.to_owned(), quoting: Quoting::Plain })
}

/// Refuses settings of one key, or of a key and of a part of it; and one that takes an item out of a list beside another
/// that goes into the same list, whose items would move up under it.
pub(super) fn check_apart(settings: &[Setting], root: &Spanned<Node>, problems: &mut Problems) {
    for (at, later) in settings.iter().enumerate() {
        let clash = settings[..at].iter().find_map(|earlier| Some((earlier, clash([earlier, later], root)?)));
        let Some((earlier, (message, help))) = clash else { continue };
        let problem = Diagnostic::error(later.span, message).related(earlier.span, "first set here");
        problems.push(problem.help(help));
    }
}

/// Why two settings cannot be played together, and what to write instead.
fn clash([earlier, later]: [&Setting; 2], root: &Spanned<Node>) -> Option<(String, &'static str)> {
    let (path, other) = (later.keys(), earlier.keys());
    let [first, second] = [earlier, later].map(|setting| quote(&setting.name()));
    if path == other {
        return Some((format!("{second} is set twice"), "write all of its values in one `--set`"));
    }
    if path.starts_with(&other) || other.starts_with(&path) {
        let message = format!("{first} and {second} are parts of each other, and both are set");
        return Some((message, "keep one of the two"));
    }
    let is_moved = |removed: &Setting, path: &[&str]| {
        removed.shortened_list(root).is_some_and(|list| path.len() > list.len() && path.starts_with(&list))
    };
    let (removed, moved) = if is_moved(earlier, &path) {
        (first, second)
    } else if is_moved(later, &other) {
        (second, first)
    } else {
        return None;
    };
    let message = format!("{removed} is taken out of the list that {moved} goes into, and its items would move up");
    Some((message, "keep one of the two, or write the whole list in one `--set`"))
}

/// What is at the end of a path.
fn at<'a>(root: &'a Spanned<Node>, path: &[Spanned<String>]) -> Option<&'a Node> {
    let step = |node: &'a Spanned<Node>, key: &Spanned<String>| match &node.value {
        Node::Map(pairs) => pairs.iter().find(|(known, _)| known.value == key.value).map(|(_, node)| node),
        Node::List(items) => items.get(key.value.parse::<usize>().ok()?),
        Node::Scalar(_) => None,
    };
    path.iter().try_fold(root, step).map(|node| &node.value)
}

// === Putting ===

/// Puts a value at the end of a path, as an overlay does: maps merge, what is single is replaced, `~` removes.
pub(super) fn put(node: &mut Spanned<Node>, path: &[Spanned<String>], given: &Spanned<Node>, problems: &mut Problems) {
    let [key, rest @ ..] = path else {
        *node = overlay::merge(node, given, problems);
        return;
    };
    if let Node::List(items) = &mut node.value {
        match key.value.parse::<usize>().ok().filter(|at| *at < items.len()) {
            Some(at) if rest.is_empty() && given.is_null() => drop(items.remove(at)),
            Some(at) => put(&mut items[at], rest, given, problems),
            // A point that is shown with a value has to be played with it.
            None => {
                let problem = Diagnostic::error(key.span, format!("there is no {} in the list", quote(&key.value)));
                problems.push(problem.help("write the whole list in one `--set`"));
            }
        }
        return;
    }
    if !matches!(node.value, Node::Map(_)) {
        *node = Spanned { span: key.span, value: Node::Map(Vec::new()) };
    }
    let Node::Map(pairs) = &mut node.value else { return };
    let found = pairs.iter().position(|(known, _)| known.value == key.value);
    match (found, rest) {
        (Some(at), []) if given.is_null() => drop(pairs.remove(at)),
        (None, []) if given.is_null() => {}
        (Some(at), []) => put_last(&mut pairs[at], key, given, problems),
        (Some(at), rest) => put(&mut pairs[at].1, rest, given, problems),
        (None, rest) => {
            let empty = Spanned { span: given.span, value: Node::Map(Vec::new()) };
            pairs.push((key.clone(), empty));
            let last = pairs.len() - 1;
            put(&mut pairs[last].1, rest, given, problems);
        }
    }
}

fn put_last(pair: &mut Pair, key: &Spanned<String>, given: &Spanned<Node>, problems: &mut Problems) {
    // What is merged stays where it is; what is replaced is where its replacement is.
    if !matches!((&pair.1.value, &given.value), (Node::Map(_), Node::Map(_))) {
        pair.0 = key.clone();
    }
    pair.1 = overlay::merge(&pair.1, given, problems);
}

// === Reading ===

type Found<T> = Result<T, Diagnostic>;

fn shifted(problem: Diagnostic, by: usize) -> Diagnostic {
    let span = Span { start: problem.span.start + by, end: problem.span.end + by };
    Diagnostic { span, ..problem }
}

/// The keys before the `=`, and the text behind it. A key with a dot in it stands in quotes.
fn path(text: &str) -> Found<(Vec<Spanned<String>>, &str)> {
    let all = Span { start: 0, end: text.len() };
    let (mut keys, mut at) = (Vec::new(), 0);
    loop {
        let rest = &text[at..];
        let begins = at + (rest.len() - rest.trim_start().len());
        let quote_mark = text[begins..].chars().next().filter(|c| matches!(c, '"' | '\''));
        let (key, span, behind) = if let Some(mark) = quote_mark {
            let Some(length) = text[begins + 1..].find(mark) else {
                let span = Span { start: begins, end: text.len() };
                return Err(Diagnostic::error(span, "the quotation mark is not closed").help(HOW));
            };
            let end = begins + 1 + length;
            (&text[begins + 1..end], Span { start: begins, end: end + 1 }, end + 1)
        } else {
            let end = text[begins..].find(['.', '=']).map_or(text.len(), |length| begins + length);
            let key = text[begins..end].trim_end();
            (key, Span { start: begins, end: begins + key.len() }, end)
        };
        if key.is_empty() {
            let problem = Diagnostic::error(Span { end: span.end.max(span.start + 1), ..span }, "a key is empty here");
            return Err(problem.help(HOW));
        }
        keys.push(Spanned { span, value: key.to_owned() });
        let behind = behind + (text[behind..].len() - text[behind..].trim_start().len());
        match text[behind..].chars().next() {
            Some('.') => at = behind + 1,
            Some('=') => return Ok((keys, &text[behind + 1..])),
            None => return Err(Diagnostic::error(all, format!("{} is set to nothing", quote(text))).help(HOW)),
            Some(other) => {
                let span = Span { start: behind, end: behind + other.len_utf8() };
                return Err(Diagnostic::error(span, "after the quotation mark comes `.` or `=`").help(HOW));
            }
        }
    }
}

/// The values between the commas that stand in no quotes and no brackets; the text begins at `at`.
fn parts(text: &str, at: usize) -> Found<Vec<Spanned<&str>>> {
    let (mut parts, mut begins) = (Vec::new(), 0);
    let (mut open, mut quoted) = (Vec::<(char, usize)>::new(), None::<(char, usize)>);
    let span_of = |from: usize, to: usize| Span { start: at + from, end: at + to };
    for (byte, c) in text.char_indices() {
        let is_begun = !text[begins..byte].trim().is_empty();
        match (quoted, c) {
            (Some((mark, _)), c) if c == mark => quoted = None,
            (None, '"' | '\'') if !is_begun || !open.is_empty() => quoted = Some((c, byte)),
            (None, '[' | '{') if !is_begun || !open.is_empty() => open.push((c, byte)),
            (None, ']' | '}') => drop(open.pop()),
            (None, ',') if open.is_empty() => {
                parts.push((begins, byte));
                begins = byte + 1;
            }
            (Some(_) | None, _) => {}
        }
    }
    if let Some((mark, from)) = quoted.or(open.pop()) {
        let problem = Diagnostic::error(span_of(from, text.len()), format!("the `{mark}` is not closed"));
        return Err(problem.help("close it"));
    }
    parts.push((begins, text.len()));
    let trimmed = |(from, to): (usize, usize)| {
        let part = &text[from..to];
        let from = from + (part.len() - part.trim_start().len());
        Spanned { span: span_of(from, from + part.trim().len()), value: part.trim() }
    };
    Ok(parts.into_iter().map(trimmed).collect())
}

fn item(part: Spanned<&str>) -> Found<Spanned<Item>> {
    let Spanned { span, value: text } = part;
    let value = if text.is_empty() {
        return Err(Diagnostic::error(span, "a value is missing here").help(HOW));
    } else if text.starts_with(['"', '\'', '[', '{']) {
        let mut problems = Problems::default();
        let parsed = node::parse(text, &mut problems).filter(|_| !problems.has_errors());
        match (parsed, problems.into_sorted().into_iter().next()) {
            (Some(node), _) => Item::One(Given { text: shown(&node, text), node: node.placed_at(span).value }),
            (None, first) => {
                let message = first.map_or_else(|| format!("{} is no value", quote(text)), |first| first.message);
                return Err(Diagnostic::error(span, message).help("write it as in the scenario, in braces"));
            }
        }
    } else if range::is_meant(text) {
        Item::Range(Range::read(text).map_err(|it| Diagnostic::error(span, it.message).help(it.help))?)
    } else {
        Item::One(Given::plain(text))
    };
    Ok(Spanned { span, value })
}

/// A text without its quotes; a map or a list as it is written.
fn shown(node: &Spanned<Node>, text: &str) -> String {
    match &node.value {
        Node::Scalar(scalar) => scalar.text.clone(),
        Node::Map(_) | Node::List(_) => text.to_owned(),
    }
}

/// Names for a message.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    enumerate(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An item that is not there is no place for a value: it is said, and nothing is put elsewhere.
    #[test]
    fn a_value_for_an_item_that_is_not_there_is_an_error() {
        let mut problems = Problems::default();
        let mut root = node::parse("list: [1, 2]", &mut problems).unwrap();
        let (before, given) = (root.value.clone(), Spanned { span: Span::default(), value: scalar("3") });
        let (path, _) = path("list.2=3").unwrap();
        put(&mut root, &path, &given, &mut problems);
        let messages: Vec<_> = problems.into_sorted().into_iter().map(|problem| problem.message).collect();
        assert_eq!(messages, ["there is no `2` in the list"]);
        assert_eq!(format!("{:?}", root.value), format!("{before:?}"));
    }
}
