//! Variants: the same file with another overlaid. Maps merge, lists and single values replace, `~` removes.
//!
//! It works on the tree of source texts, before anything is read: so a variant is a whole document, with the place of
//! each part, and is judged as any other.

use super::diagnostic::{Diagnostic, Problems, Spanned, enumerate, quote};
use super::keys::EXTENDS;
use super::limit;
use super::node::{Node, Pair, Scalar};
use super::suggest::did_you_mean;

/// The key of the variants themselves, which no variant overlays.
const VARIANTS: &str = "variants";

/// A variant: its overlay and those that it extends, the nearest first.
pub(super) struct Variant {
    pub(super) name: Spanned<String>,
    chain: Vec<Spanned<Node>>,
}

impl Variant {
    /// The variant of a document, as a document of its own; what cannot be merged is noted.
    pub(super) fn of(&self, root: &Spanned<Node>, problems: &mut Problems) -> Spanned<Node> {
        let Node::Map(pairs) = &root.value else { return root.clone() };
        let rest = pairs.iter().filter(|(key, _)| key.value != VARIANTS).cloned().collect();
        let base = Spanned { span: root.span, value: Node::Map(rest) };
        self.chain.iter().rev().fold(base, |below, above| merge(&below, above, problems))
    }
}

/// The variants of a document. Names that lead nowhere or in a circle are noted in `problems`.
pub(super) fn variants(root: &Spanned<Node>, problems: &mut Problems) -> Vec<Variant> {
    let Node::Map(pairs) = &root.value else { return Vec::new() };
    let given = pairs.iter().find(|(key, _)| key.value == VARIANTS);
    let Some((key, Spanned { value: Node::Map(overlays), .. })) = given else { return Vec::new() };
    if overlays.len() * size(root) > limit::VARIED_NODES {
        let message = "so many variants of so large a file take too long to check";
        problems.push(Diagnostic::error(key.span, message).help("write fewer of them, or split the file"));
        return Vec::new();
    }
    // What is no map has been refused by the reader.
    let maps = overlays.iter().filter(|(_, overlay)| matches!(overlay.value, Node::Map(_)));
    maps.filter_map(|(name, overlay)| {
        let chain = chain(name, overlay, overlays, problems)?;
        Some(Variant { name: name.clone(), chain })
    })
    .collect()
}

/// How many nodes a tree has.
fn size(node: &Spanned<Node>) -> usize {
    1 + match &node.value {
        Node::Map(pairs) => pairs.iter().map(|(_, node)| size(node)).sum(),
        Node::List(items) => items.iter().map(size).sum(),
        Node::Scalar(_) => 0,
    }
}

/// A variant's overlay and those that it extends, the nearest first; `None` when there is no end to them.
fn chain(
    name: &Spanned<String>,
    overlay: &Spanned<Node>,
    overlays: &[Pair],
    problems: &mut Problems,
) -> Option<Vec<Spanned<Node>>> {
    let (mut chain, mut visited, mut next) = (Vec::new(), vec![name.value.as_str()], Some(overlay));
    let mut begins = name.span;
    while let Some(overlay) = next {
        let (own, extended) = without_extends(overlay, problems);
        chain.push(own);
        let Some(extended) = extended else { break };
        if chain.len() == 1 {
            begins = extended.span;
        }
        if extended.value == name.value {
            let message = format!("the variant {} extends itself", quote(&name.value));
            let way = visited.iter().copied().chain([extended.value]).map(quote).collect::<Vec<_>>().join(" extends ");
            problems.push(Diagnostic::error(begins, message).help(format!("break the circle: {way}")));
            return None;
        }
        // A circle that it leads into is reported by those that are part of it.
        if visited.contains(&extended.value) {
            return None;
        }
        visited.push(extended.value);
        let found = overlays.iter().find(|(known, _)| known.value == extended.value);
        let Some((_, found)) = found else {
            let names = overlays.iter().map(|(known, _)| known.value.as_str()).filter(|known| *known != name.value);
            let help = did_you_mean(extended.value, names.clone()).unwrap_or_else(|| match enumerate(names) {
                names if names.is_empty() => "leave it out: there is no other variant".to_owned(),
                names => format!("the other variants are {names}"),
            });
            let message = format!("unknown variant {}", quote(extended.value));
            problems.push(Diagnostic::error(extended.span, message).help(help));
            return None;
        };
        next = Some(found);
    }
    Some(chain)
}

/// The overlay proper, and the name of what it extends.
fn without_extends<'a>(
    overlay: &'a Spanned<Node>,
    problems: &mut Problems,
) -> (Spanned<Node>, Option<Spanned<&'a str>>) {
    let Node::Map(pairs) = &overlay.value else { return (overlay.clone(), None) };
    let (mut own, mut extended) = (Vec::new(), None);
    for (key, node) in pairs {
        match (key.value.as_str(), &node.value) {
            (EXTENDS, Node::Scalar(Scalar { text, .. })) if !node.is_null() => {
                extended = Some(Spanned { span: node.span, value: text.as_str() });
            }
            (EXTENDS, _) => {
                let problem = Diagnostic::error(key.span, format!("`{EXTENDS}` cannot be {}", node.kind()));
                problems.push(problem.help("write the name of another variant"));
            }
            (VARIANTS, _) => {
                let problem = Diagnostic::error(key.span, "a variant has no variants of its own");
                problems.push(problem.help("write it beside the others, with `extends`"));
            }
            _ => own.push((key.clone(), node.clone())),
        }
    }
    (Spanned { span: overlay.span, value: Node::Map(own) }, extended)
}

/// The one laid over the other.
pub(super) fn merge(below: &Spanned<Node>, above: &Spanned<Node>, problems: &mut Problems) -> Spanned<Node> {
    let (Node::Map(below), Node::Map(pairs)) = (&below.value, &above.value) else {
        return match &above.value {
            Node::Map(_) => {
                let empty = Spanned { span: above.span, value: Node::Map(Vec::new()) };
                merge(&empty, above, problems)
            }
            _ => above.clone(),
        };
    };
    let mut merged = below.clone();
    for (key, node) in pairs {
        let place = merged.iter().position(|(known, _)| known.value == key.value);
        match place {
            Some(at) if node.is_null() => drop(merged.remove(at)),
            None if node.is_null() => {
                let problem = Diagnostic::error(key.span, format!("there is no {} to remove", quote(&key.value)));
                let known = merged.iter().map(|(known, _)| known.value.as_str());
                let help = did_you_mean(&key.value, known).unwrap_or_else(|| "leave it out".to_owned());
                problems.push(problem.help(help));
            }
            Some(at) => {
                let value = merge(&merged[at].1, node, problems);
                // What is merged stays where it is; what is replaced is where its replacement is.
                if !matches!((&merged[at].1.value, &node.value), (Node::Map(_), Node::Map(_))) {
                    merged[at].0 = key.clone();
                }
                merged[at].1 = value;
            }
            None => {
                let empty = Spanned { span: node.span, value: Node::Map(Vec::new()) };
                merged.push((key.clone(), merge(&empty, node, problems)));
            }
        }
    }
    Spanned { span: above.span, value: Node::Map(merged) }
}
