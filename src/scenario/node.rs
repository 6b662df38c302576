//! YAML as a tree of *source texts*: `1_000`, `on` and `2.50` stay what was written, with the place of every key and
//! value. What a text means is decided by the table in `keys/`, not by YAML's own types.
//!
//! Deliberately absent: tags, keys that are not plain text, several documents, and more than a file of honest size can
//! need (depth, nodes, and bytes, of aliases counted as what they expand to).

use std::collections::BTreeMap;

use farebox_engine::money::thousands;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::diagnostic::{Diagnostic, Problems, Span, Spanned, quote};
use super::limit;
use crate::visible::on_one_line;

/// A node of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Map(Vec<Pair>),
    List(Vec<Spanned<Node>>),
    Scalar(Scalar),
}

/// A key and its value, in the order of the file; keys are unique.
pub(super) type Pair = (Spanned<String>, Spanned<Node>);

/// A text, as YAML hands it on: unescaped and unfolded, not interpreted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) quoting: Quoting,
}

/// Whether a text stood in quotes (or in a block): `""` is a text, and nothing at all is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    Plain,
    Quoted,
}

impl Spanned<Node> {
    /// What kind of node it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Node::Map(_) => "a map",
            Node::List(_) => "a list",
            Node::Scalar(_) if self.is_null() => "nothing",
            Node::Scalar(_) => "a single value",
        }
    }

    /// Whether it is one of YAML's spellings of nothing.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Node::Scalar(Scalar { text, quoting: Quoting::Plain })
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The same tree as if it all stood at `span`: how a default is placed at the key that leaves it out.
    pub(super) fn placed_at(self, span: Span) -> Self {
        let value = match self.value {
            Node::Map(pairs) => Node::Map(
                pairs.into_iter().map(|(key, node)| (Spanned { span, ..key }, node.placed_at(span))).collect(),
            ),
            Node::List(items) => Node::List(items.into_iter().map(|item| item.placed_at(span)).collect()),
            Node::Scalar(scalar) => Node::Scalar(scalar),
        };
        Self { span, value }
    }
}

/// The one document of a text, or `None` when there is none to go on with; what is wrong goes to `problems`.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Spanned<Node>> {
    if let Some((at, c)) = text.char_indices().find(|&(_, c)| is_forbidden(c)) {
        let span = Span { start: at, end: at + c.len_utf8() };
        let problem = Diagnostic::error(span, format!("the character U+{:04X} is not allowed in YAML", u32::from(c)));
        problems.push(problem.help("remove it, or write it as an escape between double quotes"));
        return None;
    }
    let mut builder = Builder::new(text, problems);
    match builder.document() {
        Ok(root) => root,
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

/// What YAML calls not printable, and a byte order mark inside the text.
fn is_forbidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

// === Building ===

/// Turns the parser's events into nodes. A problem of syntax or of size ends it (`Err`); the others are noted.
struct Builder<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    positions: Positions<'a>,
    problems: &'a mut Problems,
    /// Finished nodes that have an anchor, by the parser's number for it.
    anchors: BTreeMap<usize, Anchored>,
    /// The size of the document so far, aliases expanded.
    size: Size,
}

struct Anchored {
    node: Spanned<Node>,
    size: Size,
    height: usize,
}

#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, problems: &'a mut Problems) -> Self {
        Self {
            events: Parser::new_from_str(text),
            positions: Positions::new(text),
            problems,
            anchors: BTreeMap::new(),
            size: Size::default(),
        }
    }

    fn document(&mut self) -> Result<Option<Spanned<Node>>, Diagnostic> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => {
                    let problem = Diagnostic::error(span, "a second document starts here");
                    self.problems.push(problem.help("write one scenario per file"));
                    break;
                }
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                content => root = Some(self.node(content, span, 0)?.0),
            }
        }
        if root.is_none() {
            let problem = Diagnostic::error(Span::default(), "the scenario is empty");
            self.problems.push(problem.help("`farebox init` writes one to start from"));
        }
        Ok(root)
    }

    /// The node that an event begins, and how many levels it has.
    fn node(&mut self, event: Event<'_>, span: Span, depth: usize) -> Result<(Spanned<Node>, usize), Diagnostic> {
        if depth > limit::DEPTH {
            return Err(too_deep(span));
        }
        let before = self.size;
        let (anchor, (node, height)) = match event {
            Event::Alias(anchor) => return self.expand(anchor, span, depth),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                self.grow(Size { nodes: 1, bytes: text.len() }, span)?;
                let quoting = if style == ScalarStyle::Plain { Quoting::Plain } else { Quoting::Quoted };
                let value = Node::Scalar(Scalar { text: text.into_owned(), quoting });
                (anchor, (Spanned { span, value }, 0))
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                self.grow(Size { nodes: 1, bytes: 0 }, span)?;
                (anchor, self.list(span, depth)?)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                self.grow(Size { nodes: 1, bytes: 0 }, span)?;
                (anchor, self.map(span, depth)?)
            }
            other => return Err(Diagnostic::error(span, format!("this is not valid YAML: {other:?} out of place"))),
        };
        if anchor > 0 {
            let size = Size { nodes: self.size.nodes - before.nodes, bytes: self.size.bytes - before.bytes };
            // The copy that is kept for aliases counts as well: anchors nest, and each level keeps its own.
            self.grow(size, span)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), size, height });
        }
        Ok((node, height))
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<(Spanned<Node>, usize), Diagnostic> {
        let (mut items, mut height, mut span) = (Vec::new(), 0, start);
        loop {
            let (event, place) = self.next()?;
            if event == Event::SequenceEnd {
                // A block sequence ends at the start of whatever follows it, so an empty end says nothing.
                span.end = span.end.max(if place.start < place.end { place.end } else { span.end });
                return Ok((Spanned { span, value: Node::List(items) }, height));
            }
            let (item, levels) = self.node(event, place, depth + 1)?;
            span.end = span.end.max(item.span.end);
            height = height.max(levels + 1);
            items.push(item);
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<(Spanned<Node>, usize), Diagnostic> {
        let (mut pairs, mut height, mut span) = (Vec::<Pair>::new(), 0, start);
        let mut seen = BTreeMap::<String, Span>::new();
        loop {
            let (event, place) = self.next()?;
            if event == Event::MappingEnd {
                span.end = span.end.max(if place.start < place.end { place.end } else { span.end });
                return Ok((Spanned { span, value: Node::Map(pairs) }, height));
            }
            let is_alias = matches!(event, Event::Alias(_));
            let (key, _) = self.node(event, place, depth + 1)?;
            let key_span = place;
            let (event, place) = self.next()?;
            let (value, levels) = self.node(event, place, depth + 1)?;
            span.end = span.end.max(value.span.end);
            height = height.max(levels + 1);
            let text = match key.value {
                Node::Scalar(Scalar { text, .. }) if !is_alias => text,
                _ => {
                    self.refuse_key(key_span);
                    continue;
                }
            };
            if let Some(&first) = seen.get(&text) {
                let problem = Diagnostic::error(key_span, format!("the key {} is given twice", quote(&text)));
                self.problems.push(problem.related(first, "first given here").help("keep one of the two"));
                continue;
            }
            seen.insert(text.clone(), key_span);
            pairs.push((Spanned { span: key_span, value: text }, value));
        }
    }

    fn expand(&mut self, anchor: usize, span: Span, depth: usize) -> Result<(Spanned<Node>, usize), Diagnostic> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(Diagnostic::error(span, "this alias stands inside of what it stands for"));
        };
        let (size, height) = (anchored.size, anchored.height);
        if depth + height > limit::DEPTH {
            return Err(too_deep(span));
        }
        self.grow(size, span)?;
        Ok((self.anchors[&anchor].node.clone(), height))
    }

    /// Counts what is about to be built, before it is built.
    fn grow(&mut self, by: Size, span: Span) -> Result<(), Diagnostic> {
        self.size = Size { nodes: self.size.nodes + by.nodes, bytes: self.size.bytes + by.bytes };
        if self.size.nodes <= limit::NODES && self.size.bytes <= limit::TEXT_BYTES {
            return Ok(());
        }
        let (nodes, mib) = (thousands(limit::NODES as u128), limit::TEXT_BYTES >> 20);
        let message = format!("the scenario grows past {nodes} values or {mib} MiB of text here");
        Err(Diagnostic::error(span, message).help("aliases count as what they expand to: write fewer, or smaller ones"))
    }

    fn refuse_tag(&mut self, is_tagged: bool, span: Span) {
        if is_tagged {
            let problem = Diagnostic::error(span, "tags are not supported");
            self.problems.push(problem.help("write the value without its `!…`"));
        }
    }

    fn refuse_key(&mut self, span: Span) {
        let problem = Diagnostic::error(span, "a key must be a plain text");
        self.problems.push(problem.help("write `name: value`"));
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Diagnostic> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, self.positions.span(span.start, span.end))),
            Some(Err(error)) => {
                let found = self.positions.span(*error.marker(), *error.marker()).start;
                let start = if error.info().contains("tab") { self.positions.tab_near(found) } else { found };
                Err(syntax_error(Span { start, end: start }, error.info()))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }
}

/// What the parser says, and what to do about its commonest complaints.
fn syntax_error(span: Span, info: &str) -> Diagnostic {
    // Its own limit is higher than ours, but it may look ahead that far.
    if info.contains("recursion limit") {
        return too_deep(span);
    }
    let helps = [
        ("tab", "indent with spaces"),
        ("mapping values are not allowed", "put a value that contains `: ` in quotes"),
        ("unknown anchor", "an alias `*name` needs an anchor `&name` before it"),
        ("did not find expected key", "indent it as the keys above that it belongs to"),
        ("did not find expected ',' or '}'", "close the `{` before it, or put a comma between the two"),
        ("did not find expected ',' or ']'", "close the `[` before it, or put a comma between the two"),
        ("quoted scalar", "close the quotation mark, or indent the lines that it goes on over"),
    ];
    let problem = Diagnostic::error(span, format!("this is not valid YAML: {}", on_one_line(info)));
    match helps.iter().find(|(part, _)| info.contains(part)) {
        Some((_, help)) => problem.help(*help),
        None => problem,
    }
}

fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error(span, format!("nested more than {} levels deep", limit::DEPTH))
}

/// The parser counts in characters and diagnostics count in bytes: every so many characters the byte is noted.
struct Positions<'a> {
    text: &'a str,
    marks: Vec<usize>,
}

impl<'a> Positions<'a> {
    const STEP: usize = 64;

    fn new(text: &'a str) -> Self {
        let marks = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().step_by(Self::STEP).map(|(byte, _)| byte).collect()
        };
        Self { text, marks }
    }

    fn span(&self, start: Marker, end: Marker) -> Span {
        let start = self.byte(start.index());
        let end = self.byte(end.index()).max(start);
        // The parser counts the space behind a quoted text as part of it.
        Span { start, end: start + self.text[start..end].trim_end().len() }
    }

    /// The tab that the parser means: it names the place before or behind it, where it was when it noticed.
    fn tab_near(&self, byte: usize) -> usize {
        let line = self.text[..byte].rfind('\n').map_or(0, |at| at + 1);
        if self.text[line..byte].ends_with('\t') {
            return byte - 1;
        }
        self.text[byte..].find('\t').map_or(byte, |at| byte + at)
    }

    fn byte(&self, index: usize) -> usize {
        if self.marks.is_empty() {
            return index.min(self.text.len());
        }
        let Some(&mark) = self.marks.get(index / Self::STEP) else { return self.text.len() };
        let rest = &self.text[mark..];
        rest.char_indices().nth(index % Self::STEP).map_or(self.text.len(), |(byte, _)| mark + byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Spanned<Node>, Vec<String>> {
        let mut problems = Problems::default();
        let root = parse(text, &mut problems);
        let messages: Vec<String> = problems.into_sorted().into_iter().map(|problem| problem.message).collect();
        if messages.is_empty() { Ok(root.expect("no problem, so there is a tree")) } else { Err(messages) }
    }

    /// Norway is not false, and a version is not a number: YAML's types would lose what was written.
    #[test]
    fn scalars_keep_their_source_text() {
        let root = parsed("a: no\nb: 1_000\nc: 2.50\nd: '~'\ne: ~\n").unwrap();
        let Node::Map(pairs) = &root.value else { panic!("a map") };
        let texts: Vec<(&str, bool)> = pairs
            .iter()
            .map(|(_, node)| match &node.value {
                Node::Scalar(scalar) => (scalar.text.as_str(), node.is_null()),
                _ => panic!("a scalar"),
            })
            .collect();
        assert_eq!(texts, [("no", false), ("1_000", false), ("2.50", false), ("~", false), ("~", true)]);
    }

    #[test]
    fn places_count_in_bytes_behind_characters_of_several_bytes() {
        let text = format!("# {}\nü: é # €\n", "€".repeat(200));
        let root = parsed(&text).unwrap();
        let Node::Map(pairs) = &root.value else { panic!("a map") };
        let (key, node) = &pairs[0];
        assert_eq!((&text[key.span.start..key.span.end], &text[node.span.start..node.span.end]), ("ü", "é"));
    }

    #[test]
    fn an_alias_stands_for_a_copy_and_never_for_itself() {
        let root = parsed("a: &x [1, 2]\nb: *x\n").unwrap();
        let Node::Map(pairs) = &root.value else { panic!("a map") };
        assert_eq!(pairs[0].1, pairs[1].1);
        assert_eq!(parsed("a: &x { b: *x }\n").unwrap_err(), ["this alias stands inside of what it stands for"]);
    }

    #[test]
    fn a_long_text_repeated_by_aliases_counts_each_time() {
        let text = format!("a: &x '{}'\nb: [{}]\n", "y".repeat(1 << 20), "*x, ".repeat(40));
        assert!(parsed(&text).unwrap_err()[0].contains("16 MiB"));
    }
}
