//! YAML as a tree of texts with the place of each. Deliberately absent: aliases, tags, several documents, and keys that
//! are not plain texts; a file of services needs none of them.

use saphyr_parser::{Event, Marker, Parser, StrInput};

use super::{ConfigError, MAX_SERVICES};

/// Levels of nesting: a file of services has five.
const DEPTH: usize = 16;

/// A value and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Keys, in the order of the file, each there once.
    Map(Vec<(String, Place, Node)>),
    List(Vec<Node>),
    /// As it is written, quotes taken off.
    Text(String),
}

/// A line and a character in it, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    line: usize,
    column: usize,
}

impl Place {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// An error here.
    pub(super) fn wrong(self, message: impl Into<String>) -> ConfigError {
        ConfigError { line: self.line, column: self.column, message: message.into() }
    }
}

impl From<Marker> for Place {
    fn from(marker: Marker) -> Self {
        Self { line: marker.line().max(1), column: marker.col() + 1 }
    }
}

impl Node {
    /// The pairs of a map.
    pub(super) fn map(&self, expected: &str) -> Result<&[(String, Place, Self)], ConfigError> {
        match &self.value {
            Value::Map(pairs) => Ok(pairs),
            _ => Err(self.at.wrong(format!("expected {expected}"))),
        }
    }

    /// The texts of a list.
    pub(super) fn texts(&self, expected: &str) -> Result<Vec<String>, ConfigError> {
        let Value::List(items) = &self.value else { return Err(self.at.wrong(format!("expected {expected}"))) };
        let text = |item: &Self| match &item.value {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(item.at.wrong(format!("expected {expected}"))),
        };
        items.iter().map(text).collect()
    }

    /// Whether nothing stands behind the key.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Text(text) if text.is_empty())
    }
}

/// The one document of a text.
pub(super) fn parse(text: &str) -> Result<Node, ConfigError> {
    let mut reader = Reader(Parser::new_from_str(text));
    let mut root = None;
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => break,
            (Event::DocumentStart(_), at) if root.is_some() => return Err(at.wrong("a second document starts here")),
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
            (event, at) => root = Some(reader.node(event, at, 0)?),
        }
    }
    root.ok_or_else(|| Place::START.wrong("the file is empty: expected `services: { NAME: … }`"))
}

struct Reader<'a>(Parser<'a, StrInput<'a>>);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Place), ConfigError> {
        match self.0.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.into())),
            Some(Err(error)) => {
                Err(Place::from(*error.marker()).wrong(format!("this is not valid YAML: {}", error.info())))
            }
            None => Ok((Event::StreamEnd, Place::START)),
        }
    }

    fn node(&mut self, event: Event<'a>, at: Place, depth: usize) -> Result<Node, ConfigError> {
        if depth > DEPTH {
            return Err(at.wrong(format!("nested more than {DEPTH} levels deep")));
        }
        let value = match event {
            Event::Scalar(text, _, _, None) => Value::Text(text.into_owned()),
            Event::SequenceStart(_, None) => self.list(depth)?,
            Event::MappingStart(_, None) => self.map(depth)?,
            Event::Alias(_) => return Err(at.wrong("aliases are not supported: write the value itself")),
            _ => return Err(at.wrong("tags are not supported: write the value without its `!…`")),
        };
        Ok(Node { at, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, ConfigError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, at) => items.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, ConfigError> {
        let mut pairs: Vec<(String, Place, Node)> = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(pairs));
            }
            let Value::Text(key) = self.node(event, at, depth + 1)?.value else {
                return Err(at.wrong("a key must be a plain text"));
            };
            if pairs.len() == MAX_SERVICES {
                return Err(at.wrong(format!("more than {MAX_SERVICES} keys in one map")));
            }
            if pairs.iter().any(|(other, _, _)| *other == key) {
                return Err(at.wrong(format!("the key `{key}` is given twice")));
            }
            let (event, value_at) = self.next()?;
            pairs.push((key, at, self.node(event, value_at, depth + 1)?));
        }
    }
}
