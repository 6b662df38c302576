//! The parameters of a request: a form whose names have brackets, `card[number]`, `expand[]`, `metadata[order]`.
//!
//! Whoever reads a parameter takes it out; what is left in the end is a parameter that nobody knows, and is refused. A
//! parameter that would be ignored would let a test pass that should not.

use super::error::{ApiError, Outcome};

/// Parameters of one request, at most.
const MOST_PAIRS: usize = 1_000;
/// Brackets in a name, at most.
const MOST_DEPTH: usize = 5;
/// Characters of a value, at most.
const MOST_TEXT: usize = 5_000;

/// The parameters of a request, or those below one of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Params {
    /// What stands before the names: nothing, or `card` of `card[number]`.
    path: String,
    fields: Vec<(String, Node)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Text(String),
    Below(Vec<(String, Node)>),
}

/// What a request says of a text that an object need not have.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Change {
    /// Nothing: it stays as it is.
    #[default]
    Unsaid,
    /// It goes.
    Unset,
    /// It is this from now on.
    Set(String),
}

impl Change {
    /// Makes the change.
    pub(super) fn put(self, place: &mut Option<String>) {
        match self {
            Self::Unsaid => {}
            Self::Unset => *place = None,
            Self::Set(text) => *place = Some(text),
        }
    }

    /// What is set, if anything.
    pub(super) fn value(self) -> Option<String> {
        match self {
            Self::Unsaid | Self::Unset => None,
            Self::Set(text) => Some(text),
        }
    }
}

/// What a request says of an object's metadata.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MetadataChange {
    /// All of it goes.
    Cleared,
    /// These keys are set, or go where the value is empty.
    Set(Vec<(String, String)>),
}

impl Params {
    /// Decodes `query` and `body`, both `application/x-www-form-urlencoded`.
    pub(super) fn parse(query: &str, body: &[u8]) -> Outcome<Self> {
        let mut fields = Vec::new();
        let pairs = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(body));
        for (index, (name, value)) in pairs.enumerate() {
            if index == MOST_PAIRS {
                return Err(ApiError::invalid(None, format!("A request has {MOST_PAIRS} parameters at most.")));
            }
            let segments = segments(&name).ok_or_else(|| malformed(&name))?;
            insert(&mut fields, &segments, value.into_owned()).ok_or_else(|| malformed(&name))?;
        }
        Ok(Self { path: String::new(), fields })
    }

    /// All of it in one order, whatever order it was sent in: what two requests with the same parameters have in common.
    pub(super) fn canonical(&self) -> String {
        let mut lines = Vec::new();
        flatten(&self.fields, "", &mut lines);
        lines.sort_unstable();
        lines.join("\n")
    }

    /// The name of a parameter as it was sent.
    fn name(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}[{field}]", self.path) }
    }

    fn take(&mut self, field: &str) -> Option<Node> {
        let index = self.fields.iter().position(|(name, _)| name == field)?;
        Some(self.fields.remove(index).1)
    }

    /// A text, which may be empty: what is to be unset is sent so.
    pub(super) fn text(&mut self, field: &str) -> Outcome<Option<String>> {
        match self.take(field) {
            None => Ok(None),
            Some(Node::Below(_)) => Err(self.wrong(field, None, format!("Invalid string: {}", self.name(field)))),
            Some(Node::Text(text)) if text.chars().count() > MOST_TEXT => {
                let message = format!("Invalid string: {}; must be at most {MOST_TEXT} characters", self.name(field));
                Err(self.wrong(field, None, message))
            }
            Some(Node::Text(text)) => Ok(Some(text)),
        }
    }

    /// What becomes of something that may be unset.
    pub(super) fn change(&mut self, field: &str) -> Outcome<Change> {
        Ok(match self.text(field)? {
            None => Change::Unsaid,
            Some(text) if text.is_empty() => Change::Unset,
            Some(text) => Change::Set(text),
        })
    }

    /// A text that may be unset, of a new object.
    pub(super) fn optional(&mut self, field: &str) -> Outcome<Option<String>> {
        Ok(self.change(field)?.value())
    }

    /// A text that cannot be unset.
    pub(super) fn value(&mut self, field: &str) -> Outcome<Option<String>> {
        let text = self.text(field)?;
        if text.as_deref() == Some("") {
            let name = self.name(field);
            let message = format!(
                "You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; \
                 however '{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty \
                 value."
            );
            return Err(self.wrong(field, Some("parameter_invalid_empty"), message));
        }
        Ok(text)
    }

    /// An address that a browser can be sent to.
    pub(super) fn url(&mut self, field: &str) -> Outcome<Option<String>> {
        let Some(text) = self.value(field)? else { return Ok(None) };
        let is_url = text.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
        // What would break the header that leads there is refused as well.
        if is_url && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Some(text));
        }
        Err(self.wrong(field, Some("url_invalid"), "Not a valid URL"))
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, field: &str) -> Outcome<String> {
        self.value(field)?.ok_or_else(|| self.missing(field))
    }

    /// That a parameter is missing.
    pub(super) fn missing(&self, field: &str) -> ApiError {
        let name = self.name(field);
        self.wrong(field, Some("parameter_missing"), format!("Missing required param: {name}."))
    }

    /// A whole number.
    pub(super) fn integer(&mut self, field: &str) -> Outcome<Option<i64>> {
        let Some(text) = self.value(field)? else { return Ok(None) };
        let wrong = || self.wrong(field, Some("parameter_invalid_integer"), format!("Invalid integer: {text}"));
        text.parse().map(Some).map_err(|_| wrong())
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, field: &str) -> Outcome<Option<bool>> {
        match self.value(field)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(text) => Err(self.wrong(field, None, format!("Invalid boolean: {text}"))),
        }
    }

    /// One of a closed set.
    pub(super) fn one_of(&mut self, field: &str, set: &[&'static str]) -> Outcome<Option<&'static str>> {
        let Some(text) = self.value(field)? else { return Ok(None) };
        let found = set.iter().find(|name| **name == text).copied();
        let message = || format!("Invalid {}: must be one of {}", self.name(field), set.join(", "));
        found.map(Some).ok_or_else(|| self.wrong(field, None, message()))
    }

    /// The parameters below one.
    pub(super) fn below(&mut self, field: &str) -> Outcome<Option<Self>> {
        match self.take(field) {
            None => Ok(None),
            Some(Node::Below(fields)) => Ok(Some(Self { path: self.name(field), fields })),
            Some(Node::Text(_)) => Err(self.wrong(field, None, format!("Invalid object: {}", self.name(field)))),
        }
    }

    /// A list of texts: `expand[]`, or `expand[0]`.
    pub(super) fn list(&mut self, field: &str) -> Outcome<Option<Vec<String>>> {
        let wrong = |params: &Self| params.wrong(field, None, format!("Invalid array: {}", params.name(field)));
        let Some(Node::Below(items)) = self.take(field).map(one_as_list) else { return Ok(None) };
        let texts = items.into_iter().map(|(index, node)| match node {
            Node::Text(text) if index.parse::<usize>().is_ok() => Ok(text),
            _ => Err(wrong(self)),
        });
        texts.collect::<Outcome<_>>().map(Some)
    }

    /// What is said of the metadata.
    pub(super) fn metadata(&mut self) -> Outcome<Option<MetadataChange>> {
        let wrong = |message: &str| ApiError::invalid(None, message).about("metadata");
        let pairs = match self.take("metadata") {
            None => return Ok(None),
            Some(Node::Text(text)) if text.is_empty() => return Ok(Some(MetadataChange::Cleared)),
            Some(Node::Text(_)) => return Err(wrong("Invalid metadata: must be keys and values")),
            Some(Node::Below(pairs)) => pairs,
        };
        let pairs = pairs.into_iter().map(|(key, node)| match node {
            Node::Below(_) => Err(wrong("Invalid metadata: values must be strings")),
            Node::Text(_) if key.chars().count() > 40 => Err(wrong("Metadata keys can have up to 40 characters")),
            Node::Text(text) if text.chars().count() > 500 => {
                Err(wrong("Metadata values can have up to 500 characters"))
            }
            Node::Text(text) => Ok((key, text)),
        });
        Ok(Some(MetadataChange::Set(pairs.collect::<Outcome<_>>()?)))
    }

    /// Refuses what nobody has taken.
    pub(super) fn finish(&mut self) -> Outcome<()> {
        let Some((first, _)) = self.fields.first() else { return Ok(()) };
        let names: Vec<_> = self.fields.iter().map(|(field, _)| self.name(field)).collect();
        let plural = if names.len() == 1 { "" } else { "s" };
        let message = format!("Received unknown parameter{plural}: {}", names.join(", "));
        Err(self.wrong(first, Some("parameter_unknown"), message))
    }

    /// That this parameter is wrong.
    pub(super) fn wrong(&self, field: &str, code: Option<&'static str>, message: impl Into<String>) -> ApiError {
        ApiError::invalid(code, message).about(&self.name(field))
    }
}

/// One text in place of a list is a list of it.
fn one_as_list(node: Node) -> Node {
    match node {
        Node::Text(_) => Node::Below(vec![("0".to_owned(), node)]),
        Node::Below(_) => node,
    }
}

fn malformed(name: &str) -> ApiError {
    ApiError::invalid(None, format!("Invalid parameter name: {name}"))
}

/// `card[number]` as its parts.
fn segments(name: &str) -> Option<Vec<&str>> {
    let (first, mut rest) = name.split_at(name.find('[').unwrap_or(name.len()));
    let mut segments = vec![Some(first).filter(|first| !first.is_empty())?];
    while !rest.is_empty() {
        let (inner, after) = rest.strip_prefix('[')?.split_once(']')?;
        segments.push(inner);
        rest = after;
    }
    (segments.len() <= MOST_DEPTH).then_some(segments)
}

/// Puts a value where its name says; `None` where something else is there already. The last of two values wins, as
/// with most servers.
fn insert(fields: &mut Vec<(String, Node)>, segments: &[&str], value: String) -> Option<()> {
    let (first, below) = segments.split_first()?;
    let name = if first.is_empty() { next_index(fields) } else { (*first).to_owned() };
    let index = fields.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
        let node = if below.is_empty() { Node::Text(String::new()) } else { Node::Below(Vec::new()) };
        fields.push((name, node));
        fields.len() - 1
    });
    match &mut fields[index].1 {
        Node::Below(fields) if !below.is_empty() => insert(fields, below, value),
        Node::Text(text) if below.is_empty() => {
            *text = value;
            Some(())
        }
        Node::Below(_) | Node::Text(_) => None,
    }
}

/// What `[]` stands for: the index after the highest one that is there.
fn next_index(fields: &[(String, Node)]) -> String {
    let indices = fields.iter().filter_map(|(name, _)| name.parse::<u64>().ok());
    indices.max().map_or(0, |highest| u128::from(highest) + 1).to_string()
}

fn flatten(fields: &[(String, Node)], path: &str, lines: &mut Vec<String>) {
    for (name, node) in fields {
        let path = format!("{path}[{name:?}]");
        match node {
            Node::Text(text) => lines.push(format!("{path}={text:?}")),
            Node::Below(fields) => flatten(fields, &path, lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(body: &str) -> Params {
        Params::parse("", body.as_bytes()).unwrap()
    }

    #[test]
    fn brackets_are_a_tree() {
        let mut all = params("card%5Bnumber%5D=42+1&expand[]=a&expand[]=b&x[0]=c&x[1]=d&metadata[k]=v&amount=5");
        let mut card = all.below("card").unwrap().unwrap();
        assert_eq!(card.required("number").unwrap(), "42 1");
        card.finish().unwrap();
        assert_eq!(all.list("expand").unwrap().unwrap(), ["a", "b"]);
        assert_eq!(all.list("x").unwrap().unwrap(), ["c", "d"]);
        assert_eq!(all.metadata().unwrap(), Some(MetadataChange::Set(vec![("k".into(), "v".into())])));
        assert_eq!(all.integer("amount").unwrap(), Some(5));
        all.finish().unwrap();
    }

    #[test]
    fn brackets_without_an_index_come_after_the_highest_one_and_take_nothings_place() {
        let list = |body: &str| params(body).list("x").map(Option::unwrap);
        assert_eq!(list("x[1]=a&x[]=b").unwrap(), ["a", "b"]);
        assert_eq!(list("x[3]=a&x[0]=b&x[]=c&x[]=d").unwrap(), ["a", "b", "c", "d"]);
        assert!(list(&format!("x[{}]=a&x[]=b", u64::MAX)).is_err());
    }

    #[test]
    fn what_nobody_takes_is_unknown_by_its_whole_name() {
        let mut all = params("card[number]=1&card[colour]=red&b=1&c=2");
        let mut card = all.below("card").unwrap().unwrap();
        card.required("number").unwrap();
        let error = card.finish().unwrap_err();
        assert_eq!(error.fields()["message"], "Received unknown parameter: card[colour]");
        assert_eq!(
            (&error.fields()["code"], &error.fields()["param"]),
            (&"parameter_unknown".into(), &"card[colour]".into())
        );
        assert_eq!(all.finish().unwrap_err().fields()["message"], "Received unknown parameters: b, c");
    }

    #[test]
    fn wrong_values_are_told_apart() {
        let code = |error: ApiError| error.fields().get("code").map(|code| code.as_str().unwrap().to_owned());
        assert_eq!(code(params("").required("a").unwrap_err()).as_deref(), Some("parameter_missing"));
        assert_eq!(code(params("a=").required("a").unwrap_err()).as_deref(), Some("parameter_invalid_empty"));
        assert_eq!(code(params("a=1.5").integer("a").unwrap_err()).as_deref(), Some("parameter_invalid_integer"));
        assert!(params("a[b]=1").text("a").is_err());
        assert!(params("a=1").below("a").is_err());
        assert!(params("a=yes").boolean("a").is_err());
        assert!(params("a=x").one_of("a", &["y", "z"]).is_err());
        assert!(params("a[b]=1").list("a").is_err());
        assert!(params(&format!("a={}", "x".repeat(5_001))).text("a").is_err());
        assert!(params(&format!("metadata[{}]=1", "x".repeat(41))).metadata().is_err());
        assert!(params(&format!("metadata[a]={}", "x".repeat(501))).metadata().is_err());
    }

    #[test]
    fn names_that_make_no_tree_are_refused() {
        for body in ["a[=1", "a]b[=1", "[a]=1", "a[b]c=1", "a=1&a[b]=2", "a[b]=1&a=2", "a[b][c][d][e][f]=1", "=1"] {
            assert!(Params::parse("", body.as_bytes()).is_err(), "{body}");
        }
        assert!(Params::parse("", "a=1&".repeat(1_001).as_bytes()).is_err());
        assert!(Params::parse("", "a=1&".repeat(1_000).as_bytes()).is_ok());
    }

    #[test]
    fn the_same_parameters_in_another_order_are_the_same() {
        let canonical = |body: &str| params(body).canonical();
        assert_eq!(canonical("a=1&b[c]=2"), canonical("b%5Bc%5D=2&a=1"));
        let all = ["a=1", "a=2", "b=1", "a[b]=1", "a[]=1", "a=1&b=1", "a=1%0A%5B%22b%22%5D=%221", ""];
        let mut distinct: Vec<_> = all.map(canonical).to_vec();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), all.len());
    }
}
