//! The scenario as it is played, key by key: what the file (or the variant) says as it says it, and from the table of keys
//! what it leaves out. It is for people to read beside the results; nothing is parsed from it.
//!
//! Deliberately absent: keys without an effect in this version, the overlays of other variants, and what an optional key
//! comes to that is neither written nor has a default of its own.

use serde::{Deserialize, Serialize};

use super::diagnostic::{Problems, Spanned};
use super::keys::{self, Key, Presence, Shape, Table};
use super::node::{self, Node};

/// How long a value may be; what is longer is cut, and ends in `…`.
const VALUE_CHARS: usize = 300;
/// How many settings are kept.
const SETTINGS: usize = 5_000;

/// A line of the resolved scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// How many keys it is below the top.
    pub depth: usize,
    /// The key; of an item of a list its number, from 1.
    pub key: String,
    /// The value, on one line; empty where lines below have it.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The file, or the variant.
    File,
    /// The file leaves it out.
    Default,
    /// The command line, in the place of the file.
    Command,
}

/// The settings of a document that is right.
pub(super) fn settings(root: &Spanned<Node>) -> Vec<Setting> {
    let mut walk = Walk { settings: Vec::new() };
    if let Node::Map(pairs) = &root.value {
        walk.map(&keys::SCENARIO, pairs, Place { depth: 0, origin: Origin::File });
    }
    walk.settings
}

/// Puts what the command line says in the place of what the file does; `path` is the key, and those above it.
pub fn set(settings: &mut Vec<Setting>, path: &[&str], value: String) {
    let mut from = 0;
    let mut until = settings.len();
    for (depth, name) in path.iter().enumerate() {
        let found = settings[from..until].iter().position(|it| it.depth == depth && it.key == *name);
        let Some(at) = found.map(|found| from + found) else {
            let setting = Setting { depth, key: (*name).to_owned(), value: String::new(), origin: Origin::Command };
            settings.insert(until, setting);
            (from, until) = (until + 1, until + 1);
            continue;
        };
        let below = settings[at + 1..until].iter().position(|it| it.depth <= depth);
        (from, until) = (at + 1, below.map_or(until, |below| at + 1 + below));
    }
    // What stood below the old value is not said any more.
    settings.drain(from..until);
    if let Some(last) = from.checked_sub(1).and_then(|at| settings.get_mut(at)) {
        (last.value, last.origin) = (value, Origin::Command);
    }
}

#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    origin: Origin,
}

impl Place {
    fn below(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }
}

struct Walk {
    settings: Vec<Setting>,
}

impl Walk {
    fn map(&mut self, table: &'static Table, pairs: &[node::Pair], place: Place) {
        for (name, node) in pairs {
            let shape = match (table.key(&name.value), &table.named) {
                (Some(key), _) => Some(&key.shape),
                (None, named) => named.as_ref().map(|named| &named.shape),
            };
            if let Some(shape) = shape.filter(|shape| !is_overlays(shape)) {
                self.value(shape, &name.value, &node.value, place);
            }
        }
        let is_left_out = |key: &&Key| pairs.iter().all(|(name, _)| name.value != key.name);
        for key in table.keys.iter().filter(is_left_out).filter(|key| key.idle.is_none() && !is_overlays(&key.shape)) {
            if let Presence::Default(yaml) = key.presence
                && let Some(node) = node::parse(yaml, &mut Problems::default())
            {
                self.value(&key.shape, key.name, &node.value, Place { origin: Origin::Default, ..place });
            }
        }
    }

    fn value(&mut self, shape: &'static Shape, key: &str, node: &Node, place: Place) {
        match (shape, node) {
            (Shape::Map(table) | Shape::OneOrMap(_, table), Node::Map(pairs)) => {
                self.push(key, "", place);
                let before = self.settings.len();
                self.map(table, pairs, place.below());
                // A heading without anything below it says nothing.
                if self.settings.len() == before && self.settings.last().is_some_and(|last| last.value.is_empty()) {
                    self.settings.pop();
                    self.push(key, "{}", place);
                }
            }
            (Shape::List(list), Node::List(items))
                if items.iter().any(|item| !matches!(item.value, Node::Scalar(_))) =>
            {
                self.push(key, "", place);
                // As `--set` counts them.
                for (nth, item) in items.iter().enumerate() {
                    self.value(&list.item, &format!("{nth}"), &item.value, place.below());
                }
            }
            (_, node) => self.push(key, &on_a_line(node), place),
        }
    }

    fn push(&mut self, key: &str, value: &str, Place { depth, origin }: Place) {
        if self.settings.len() < SETTINGS {
            let value = cut(value);
            self.settings.push(Setting { depth, key: key.to_owned(), value, origin });
        }
    }
}

/// Whether it holds variants, of which the played one is merged already.
fn is_overlays(shape: &Shape) -> bool {
    matches!(shape, Shape::Map(Table { named: Some(named), .. }) if matches!(named.shape, Shape::Overlay(_)))
}

fn on_a_line(node: &Node) -> String {
    match node {
        Node::Scalar(scalar) => scalar.text.split_whitespace().collect::<Vec<_>>().join(" "),
        Node::List(items) if items.is_empty() => "[]".to_owned(),
        Node::List(items) => {
            format!("[ {} ]", items.iter().map(|item| on_a_line(&item.value)).collect::<Vec<_>>().join(", "))
        }
        Node::Map(pairs) if pairs.is_empty() => "{}".to_owned(),
        Node::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, node)| format!("{}: {}", key.value, on_a_line(&node.value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// What the first comment of a file asks: up to its first question mark, or its first sentence. What editors read is no
/// question.
pub(super) fn question(text: &str) -> Option<String> {
    let comment = text.lines().skip_while(|line| line.trim().is_empty() || line.starts_with("# yaml-language-server"));
    let comment = comment.map_while(|line| line.strip_prefix('#')).map(str::trim);
    let said = comment.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let asks = said.find('?').or_else(|| said.find(". ")).map(|at| &said[..=at]);
    Some(cut(asks.unwrap_or(&said))).filter(|said| !said.is_empty())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn shown(settings: &[Setting]) -> String {
        let line = |Setting { depth, key, value, origin }: &Setting| {
            let mark = match origin {
                Origin::File => "",
                Origin::Default => "  (default)",
                Origin::Command => "  (command)",
            };
            let value = if value.is_empty() { String::new() } else { format!(" {value}") };
            format!("{}{key}:{value}{mark}\n", "  ".repeat(*depth))
        };
        settings.iter().map(line).collect()
    }

    const TEXT: &str = "
scenario: hello
horizon: 30d
plans:
  starter: { fee: $19/month, includes: { requests: 10k }, past_allowance: block }
consumers:
  indie: { count: 100, plan: starter, traffic: { rate: 400/day } }
payments: { dunning: { retries: [ 1d, 2d ] } }
variants:
  more: { horizon: 60d }
";

    fn of(text: &str) -> Vec<Setting> {
        settings(&node::parse(text, &mut Problems::default()).unwrap())
    }

    /// Whatever the file leaves out is there all the same, and known from what it says.
    #[test]
    fn a_resolved_scenario_marks_its_defaults() {
        let all = of(TEXT);
        let top: Vec<_> = all.iter().filter(|it| it.depth < 3).cloned().collect();
        expect![[r"
            scenario: hello
            horizon: 30d
            plans:
              starter:
                fee: $19/month
                includes:
                past_allowance: block
                trial: 0d  (default)
                limits: []  (default)
                pay_per_request: false  (default)
                grace: 0s  (default)
            consumers:
              indie:
                count: 100
                plan: starter
                traffic:
                time_zone: UTC  (default)
                joined: spread  (default)
                churn: 0%/month  (default)
                client: none  (default)
                payment:  (default)
                reacts: []  (default)
            payments:
              dunning:
                retries: [ 1d, 2d ]
                on_hard_decline: stop  (default)
                on_new_card: retry  (default)
                finally: cancel  (default)
              processor:  (default)
                latency: 0ms  (default)
                errors: 0%  (default)
              webhooks:  (default)
                delay: 0ms  (default)
                duplicate: 0%  (default)
                reorder: 0%  (default)
                lose: 0%  (default)
                reconcile: 1h  (default)
              fees: {}  (default)
              refunds: 0%  (default)
              chargebacks: 0%  (default)
              reminders:  (default)
                card_expires: []  (default)
                trial_ends: []  (default)
            seed: 1  (default)
            currency: USD  (default)
            start: 2026-01-01  (default)
            replications: 1  (default)
            meters: {}  (default)
            routes: {}  (default)
            upstreams:  (default)
              api:  (default)
                latency:  (default)
                errors: 0%  (default)
                calls: []  (default)
                streaming: false  (default)
            gateway:  (default)
              spend_control: reserve  (default)
              on_client_abort: settle  (default)
              dialect: problem  (default)
              refusals: {}  (default)
            faults: []  (default)
            changes: []  (default)
            thresholds: []  (default)
            live:  (default)
              rate: 1k/s  (default)
              duration: 10s  (default)
              warm_up: 0s  (default)
              cool_down: 0s  (default)
              connections: 64  (default)
              in_flight:  (default)
                at_most: 4k  (default)
                beyond: drop  (default)
        "]]
        .assert_eq(&shown(&top));
    }

    #[test]
    fn what_the_command_line_says_takes_the_place_of_the_file() {
        let mut all = of(TEXT);
        set(&mut all, &["seed"], "7".to_owned());
        set(&mut all, &["live", "rate"], "5/s".to_owned());
        set(&mut all, &["consumers", "indie", "traffic"], "none".to_owned());
        set(&mut all, &["new", "key"], "1".to_owned());
        let told: Vec<_> = all.iter().filter(|it| it.origin == Origin::Command).cloned().collect();
        expect![[r"
                traffic: none  (command)
            seed: 7  (command)
              rate: 5/s  (command)
            new:  (command)
              key: 1  (command)
        "]]
        .assert_eq(&shown(&told));
        let seeds = all.iter().filter(|it| it.depth == 0 && it.key == "seed").count();
        assert_eq!(seeds, 1);
    }

    #[test]
    fn a_question_is_the_first_thing_that_a_comment_asks() {
        let of = |text| question(text).unwrap_or_default();
        assert_eq!(
            of("# yaml-language-server: $schema=x\n# Who is refused,\n# and why? 12 are.\nscenario: x"),
            "Who is refused, and why?"
        );
        assert_eq!(of("\n# It is told. And more.\n\n# Other?\n"), "It is told.");
        assert_eq!(of("scenario: x # late?"), "");
        assert_eq!(of(&format!("# {}", "é".repeat(400))).chars().count(), 301);
    }
}
