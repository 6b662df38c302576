//! What the language has and this version does not play: scenarios that ask for it are right, and cannot be played.

use super::dice::Dice;
use super::document::{Entry, Form, Keys, Node, names, value, values};
use super::scenarios;

/// The scenario of a seed, with some of what is not built yet.
pub(crate) fn scenario(seed: u64) -> Node {
    let mut document = scenarios::scenario(seed);
    let dice = &mut Dice::new(seed ^ 0xB0B);
    let asked: Vec<_> = all(dice).into_iter().filter(|_| dice.happens(35)).collect();
    for (way, node) in asked {
        set(&mut document, way, node);
    }
    // One thing is asked for in any case.
    set(&mut document, &["gateway", "nodes"], value(Form::Count, "20"));
    document
}

/// Everything, by the keys that lead to it.
fn all(dice: &mut Dice) -> Vec<(&'static [&'static str], Node)> {
    let word = |dice: &mut Dice, words: &[&str]| value(Form::Word, dice.one_of(words));
    let duration = |text: &str| value(Form::Duration, text);
    vec![
        (&["thresholds"], values(Form::Word, &["failures{cause=upstream_402}.count == 0", "ledger.balanced"])),
        (&["gateway", "nodes"], value(Form::Count, "4")),
        (&["gateway", "counters"], Keys::default().must("synced", duration("1s")).node()),
        (&["gateway", "entitlement_cache"], duration("30s")),
        (&["gateway", "when_billing_down"], Keys::default().must("cached", duration("5m")).node()),
        (&["gateway", "dialect"], word(dice, &["kong", "apisix", "x402"])),
    ]
}

/// Puts a part where these keys lead, in the place of what is there.
fn set(node: &mut Node, way: &[&str], new: Node) {
    let Some((key, rest)) = way.split_first() else {
        *node = new;
        return;
    };
    let entries = node.entries_mut().expect("only maps lead to what is not built");
    let place = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
        let below = if *key == "upstreams" { names(Vec::new()) } else { Keys::default().node() };
        entries.push(Entry { key: (*key).to_owned(), node: below, is_required: false });
        entries.len() - 1
    });
    set(&mut entries[place].node, rest, new);
}
