//! Walks a document along the table of keys: takes the known, names the unknown, fills in defaults, and goes on after
//! each problem, so that all of them are said at once.

use farebox_engine::money::Currency;

use super::diagnostic::{Diagnostic, Problems, Span, Spanned, enumerate, quote};
use super::keys::{Key, List, Presence, Rule, Shape, Size, Table};
use super::limit;
use super::node::{self, Node, Pair};
use super::suggest::nearest;
use super::unit::{self, Choice, Unit};
use super::value::{Entry, Fields, Origin, Value};

pub(super) struct Reader<'a> {
    /// What amounts must be in; `None` when the file names a currency that is none, so that this is said once.
    pub(super) currency: Option<Currency>,
    pub(super) problems: &'a mut Problems,
}

impl Reader<'_> {
    /// The fields of a document, whose first key answers for what is missing.
    pub(super) fn document(&mut self, table: &'static Table, root: &Spanned<Node>) -> Option<Fields> {
        let Node::Map(pairs) = &root.value else {
            let problem =
                Diagnostic::error(root.span, format!("a scenario is a map of keys, and this is {}", root.kind()));
            self.problems.push(problem.help("start with `scenario: NAME`"));
            return None;
        };
        let owner = pairs.first().map_or(root.span, |(key, _)| key.span);
        Some(self.map(table, owner, pairs))
    }

    fn map(&mut self, table: &'static Table, owner: Span, pairs: &[Pair]) -> Fields {
        let mut fields = Fields { owner, table, entries: Vec::new() };
        // A misspelt key is not missing as well.
        let (mut explained, mut own_names) = (Vec::new(), 0);
        for (name, node) in pairs {
            let value = match (table.key(&name.value), &table.named) {
                (Some(Key { shape: Shape::Planned(idle), .. }), _) => {
                    self.check_planned(idle, name, node);
                    continue;
                }
                (Some(key), _) => self.value(&key.shape, name, node),
                (None, Some(named)) => {
                    own_names += 1;
                    if own_names > limit::NAMES {
                        continue;
                    }
                    self.check_name(name);
                    self.value(&named.shape, name, node)
                }
                (None, None) => {
                    explained.extend(self.refuse_unknown(table, name));
                    continue;
                }
            };
            fields.entries.push(Entry { name: name.clone(), value, origin: Origin::File });
        }
        if fields.entries.is_empty() && is_other_form(table, pairs) {
            return fields;
        }
        if let Some(named) = &table.named {
            self.check_size(&named.size, owner, own_names);
        }
        for key in table.keys {
            if fields.written(key.name).is_none() && !explained.contains(&key.name) {
                self.leave_out(&mut fields, key);
            }
        }
        if explained.is_empty() {
            table.rules.iter().for_each(|rule| self.check_rule(rule, &fields));
        }
        fields
    }

    fn value(&mut self, shape: &'static Shape, name: &Spanned<String>, node: &Spanned<Node>) -> Option<Spanned<Value>> {
        let span = node.span;
        let value = match (shape, &node.value) {
            _ if node.is_null() => {
                let problem = Diagnostic::error(name.span, format!("{} has no value", quote(&name.value)));
                self.problems.push(problem.help(expected(shape)));
                return None;
            }
            (Shape::One(unit) | Shape::OneOrMap(unit, _), Node::Scalar(scalar)) => {
                match unit.parse(&scalar.text, self.currency) {
                    Ok(value) => value,
                    Err(complaint) => {
                        let help = complaint.help.unwrap_or_else(|| expected(shape));
                        self.problems.push(Diagnostic::error(span, complaint.message).help(help));
                        return None;
                    }
                }
            }
            (Shape::OneOrMap(_, table), Node::Map(pairs)) if is_other_form(table, pairs) => {
                let message = format!("this form of {} is not supported yet", quote(&name.value));
                self.problems.push(Diagnostic::error(pairs[0].0.span, message).help(expected(shape)));
                return None;
            }
            (Shape::One(Unit::Choice(choice)), Node::Map(pairs)) if is_planned_form(choice, pairs) => {
                self.refuse_planned(&pairs[0].0, format!("write `{}: {}`", name.value, choice.now[0]));
                return None;
            }
            (Shape::Map(table) | Shape::OneOrMap(_, table), Node::Map(pairs)) => {
                Value::Map(self.map(table, name.span, pairs))
            }
            (Shape::List(list), Node::List(items)) => Value::List(self.list(list, name, items)),
            _ => {
                let problem = Diagnostic::error(span, format!("{} cannot be {}", quote(&name.value), node.kind()));
                self.problems.push(problem.help(expected(shape)));
                return None;
            }
        };
        Some(Spanned { span, value })
    }

    fn list(&mut self, list: &'static List, name: &Spanned<String>, items: &[Spanned<Node>]) -> Vec<Spanned<Value>> {
        self.check_size(&list.size, name.span, items.len());
        let owner = |item: &Spanned<Node>| Spanned { span: item.span, value: name.value.clone() };
        items.iter().filter_map(|item| self.value(&list.item, &owner(item), item)).collect()
    }

    // === What is missing, and what is too much ===

    fn leave_out(&mut self, fields: &mut Fields, key: &'static Key) {
        match key.presence {
            Presence::Optional => {}
            Presence::Required => {
                let problem = Diagnostic::error(fields.owner, format!("the key `{}` is missing", key.name));
                self.problems.push(problem.help(expected(&key.shape)));
            }
            Presence::Default(yaml) => {
                let name = Spanned { span: fields.owner, value: key.name.to_owned() };
                let node = node::parse(yaml, self.problems).expect("the defaults of the table are YAML");
                let value = self.value(&key.shape, &name, &node.placed_at(fields.owner));
                fields.entries.push(Entry { name, value, origin: Origin::Default });
            }
        }
    }

    fn check_rule(&mut self, rule: &Rule, fields: &Fields) {
        match *rule {
            Rule::ExactlyOne(names, help) => {
                let mut given = names.iter().filter_map(|name| Some((*name, fields.written(name)?)));
                match (given.next(), given.next()) {
                    (Some(_), None) => {}
                    (Some((first, first_span)), Some((second, span))) => {
                        let problem = Diagnostic::error(span, format!("`{second}` is given beside `{first}`"));
                        let problem = problem.related(first_span, format!("`{first}` is given here"));
                        self.problems.push(problem.help("keep one of the two"));
                    }
                    (None, _) => {
                        let message = format!("one of {} is missing", enumerate(names.iter().copied()));
                        self.problems.push(Diagnostic::error(fields.owner, message).help(help));
                    }
                }
            }
            Rule::Needs(name, other, help) => {
                if let (Some(span), None) = (fields.written(name), fields.written(other)) {
                    self.problems.push(Diagnostic::error(span, format!("`{name}` needs `{other}`")).help(help));
                }
            }
        }
    }

    fn check_size(&mut self, size: &Size, span: Span, found: usize) {
        let Size { noun, least, most } = *size;
        let problem = if found < least {
            Diagnostic::error(span, format!("no {noun} given")).help(format!("write {least} or more"))
        } else if found > most {
            Diagnostic::error(span, format!("{found} {noun} given")).help(format!("this version takes {most} at most"))
        } else {
            return;
        };
        self.problems.push(problem);
    }

    fn check_name(&mut self, name: &Spanned<String>) {
        if !unit::is_name(&name.value) {
            let problem = Diagnostic::error(name.span, format!("{} is not a name", quote(&name.value)));
            self.problems.push(problem.help(Unit::Name.hint()));
        }
    }

    /// The known key that an unknown one seems to mean.
    fn refuse_unknown(&mut self, table: &'static Table, name: &Spanned<String>) -> Option<&'static str> {
        let names = table.keys.iter().map(|key| key.name);
        let meant = nearest(&name.value, names.clone());
        let problem = Diagnostic::error(name.span, format!("unknown key {}", quote(&name.value)));
        self.problems.push(problem.help(match meant {
            Some(known) => format!("did you mean `{known}`?"),
            None if name.value.bytes().all(|byte| byte.is_ascii_digit()) => {
                "a comma ends the value before it: thousands are written `1_000`".to_owned()
            }
            None => format!("the keys here are {}", enumerate(supported(table))),
        }));
        meant
    }

    fn check_planned(&mut self, idle: &'static [&'static str], name: &Spanned<String>, node: &Spanned<Node>) {
        if !asks_for_nothing(idle, node) {
            self.refuse_planned(
                name,
                match idle.first() {
                    Some(nothing) => format!("leave it out, or write `{}: {nothing}`", name.value),
                    None => "leave it out".to_owned(),
                },
            );
        }
    }

    fn refuse_planned(&mut self, name: &Spanned<String>, help: String) {
        let problem = Diagnostic::error(name.span, format!("{} is not supported yet", quote(&name.value)));
        self.problems.push(problem.help(help));
    }
}

/// Whether a value of a key that is not built yet leaves everything as it is.
fn asks_for_nothing(idle: &[&str], node: &Spanned<Node>) -> bool {
    match &node.value {
        Node::Scalar(scalar) => idle.contains(&scalar.text.as_str()),
        Node::List(items) => items.is_empty(),
        Node::Map(pairs) => pairs.is_empty(),
    }
}

/// Whether a map is written in one of the language's forms that are not built yet: `{ exponential: 30ms }`.
fn is_other_form(table: &Table, pairs: &[Pair]) -> bool {
    let asks = |(name, node): &Pair| match table.key(&name.value) {
        Some(Key { shape: Shape::Planned(idle), .. }) => Some(!asks_for_nothing(idle, node)),
        _ => None,
    };
    pairs.iter().map(asks).collect::<Option<Vec<_>>>().is_some_and(|asks| asks.contains(&true))
}

/// Whether a map stands where a word could, in a form that the language has for it: `{ throttle: 1/s }`.
fn is_planned_form(choice: &Choice, pairs: &[Pair]) -> bool {
    let form = pairs.first().map(|(key, _)| format!("{{{}}}", key.value));
    form.is_some_and(|form| choice.planned.contains(&form.as_str()))
}

/// What to write for a shape.
fn expected(shape: &'static Shape) -> String {
    match shape {
        Shape::One(unit) => unit.hint().into_owned(),
        Shape::OneOrMap(Unit::Choice(_), table) | Shape::Map(table @ Table { named: None, .. }) => {
            format!("write a map with {}", enumerate(supported(table)))
        }
        Shape::OneOrMap(unit, table) => match enumerate(supported(table)) {
            keys if keys.is_empty() => unit.hint().into_owned(),
            keys => format!("{}, or a map with {keys}", unit.hint()),
        },
        Shape::Map(Table { named: Some(named), .. }) => format!("write a map of {} by name", named.size.noun),
        Shape::List(list) => format!("write a list of {}", list.size.noun),
        Shape::Planned(_) => "leave it out".to_owned(),
    }
}

/// The keys of a table that do something in this version.
fn supported(table: &'static Table) -> impl Iterator<Item = &'static str> {
    table.keys.iter().filter(|key| !matches!(key.shape, Shape::Planned(_))).map(|key| key.name)
}
