//! Walks a document along the table of keys: takes the known, names the unknown, fills in defaults, and goes on after
//! each problem, so that all of them are said at once.

use farebox_engine::money::Currency;

use super::diagnostic::{Diagnostic, Problems, Span, Spanned, enumerate, quote};
use super::keys::{Key, List, Presence, Rule, Shape, Size, Table};
use super::limit;
use super::node::{self, Node, Pair};
use super::suggest::nearest;
use super::unit::{Choice, Unit};
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

    /// The fields of a map, for which `owner` answers.
    pub(super) fn map(&mut self, table: &'static Table, owner: Span, pairs: &[Pair]) -> Fields {
        let mut fields = Fields { owner, table, entries: Vec::new(), misspelt: Vec::new() };
        let (mut unknown, mut own_names) = (0, 0);
        for (name, node) in pairs {
            let value = match (table.key(&name.value), &table.named) {
                (Some(key), _) => self.key(key, name, node),
                (None, Some(named)) => {
                    own_names += 1;
                    if own_names > limit::NAMES {
                        continue;
                    }
                    self.check_name(named.name, name);
                    if named.size.built < named.size.most && own_names == named.size.built + 1 {
                        self.say_too_many(&named.size, name.span, own_names);
                    }
                    self.value(&named.shape, name, node)
                }
                (None, None) => {
                    unknown += 1;
                    fields.misspelt.extend(self.refuse_unknown(table, name));
                    continue;
                }
            };
            fields.entries.push(Entry { name: name.clone(), value, origin: Origin::File });
        }
        if let Some(named) = &table.named {
            self.check_size(&named.size, owner, own_names);
        }
        // A misspelt key is not missing as well.
        for key in table.keys {
            if fields.written(key.name).is_none() && !fields.misspelt.contains(&key.name) {
                self.leave_out(&mut fields, key);
            }
        }
        if unknown == 0 {
            table.rules.iter().for_each(|rule| self.check_rule(rule, &fields));
        }
        fields
    }

    /// A key that is written in the file, whose effect may not be built yet.
    fn key(&mut self, key: &'static Key, name: &Spanned<String>, node: &Spanned<Node>) -> Option<Spanned<Value>> {
        let value = self.value(&key.shape, name, node)?;
        if let Some(idle) = key.idle
            && !self.asks_for_nothing(&key.shape, idle, &value.value)
        {
            let help = match idle.first() {
                Some(nothing) => format!("leave it out, or write `{}: {nothing}`", name.value),
                None => "leave it out".to_owned(),
            };
            self.say_unsupported(name.span, &name.value, help);
        }
        Some(value)
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
                self.scalar(*unit, shape, &scalar.text, span)?
            }
            (Shape::Map(table) | Shape::OneOrMap(_, table), Node::Map(pairs)) => {
                Value::Map(self.map(table, name.span, pairs))
            }
            (Shape::List(list), Node::List(items)) => Value::List(self.list(list, name, items)),
            (Shape::Overlay(_), Node::Map(_)) => Value::Overlay(node.value.clone()),
            _ => {
                let problem = Diagnostic::error(span, format!("{} cannot be {}", quote(&name.value), node.kind()));
                self.problems.push(problem.help(expected(shape)));
                return None;
            }
        };
        Some(Spanned { span, value })
    }

    fn scalar(&mut self, unit: Unit, shape: &'static Shape, text: &str, span: Span) -> Option<Value> {
        match unit.parse(text, self.currency) {
            Ok(value) => {
                if let (Unit::Choice(choice), Value::Choice(word)) = (unit, &value)
                    && choice.unsupported.contains(word)
                {
                    self.say_unsupported(span, word, format!("write {}", supported(choice)));
                }
                Some(value)
            }
            Err(complaint) => {
                // The words alone are not all that may stand here, where a map may.
                let is_list = matches!(unit, Unit::Choice(choice) if complaint.help.ends_with(&choice.list()));
                let help = if is_list { expected(shape) } else { complaint.help };
                let place = complaint.at.map_or(span, |at| span.part(at, text.len()));
                self.problems.push(Diagnostic::error(place, complaint.message).help(help));
                None
            }
        }
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
                    // Where one key asks for one of them, that says enough.
                    (None, _) if fields.asks_for_any(names) => {}
                    (None, _) => {
                        let message = format!("one of {} is missing", enumerate(names.iter().copied()));
                        self.problems.push(Diagnostic::error(fields.owner, message).help(help));
                    }
                }
            }
            Rule::AtLeastOne(names, help) => {
                if names.iter().all(|name| fields.written(name).is_none()) {
                    let message = format!("one of {} is missing", enumerate(names.iter().copied()));
                    self.problems.push(Diagnostic::error(fields.owner, message).help(help));
                }
            }
            Rule::NeedsOne(name, others, help) => {
                if fields.written(name).is_some() {
                    self.check_rule(&Rule::ExactlyOne(others, help), fields);
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
        let Size { noun, least, most, .. } = *size;
        let problem = if least == most && found != most {
            Diagnostic::error(span, format!("{found} of {most} {noun} given")).help(format!("write {most}"))
        } else if found < least {
            Diagnostic::error(span, format!("no {noun} given")).help(format!("write {least} or more"))
        } else if found > most {
            Diagnostic::error(span, format!("{found} {noun} given")).help(format!("this version takes {most} at most"))
        } else {
            return;
        };
        self.problems.push(problem);
    }

    fn check_name(&mut self, unit: Unit, name: &Spanned<String>) {
        if let Err(complaint) = unit.parse(&name.value, None) {
            self.problems.push(Diagnostic::error(name.span, complaint.message).help(complaint.help));
        }
    }

    /// The known key that an unknown one seems to mean.
    fn refuse_unknown(&mut self, table: &'static Table, name: &Spanned<String>) -> Option<&'static str> {
        let meant = nearest(&name.value, names(table));
        let problem = Diagnostic::error(name.span, format!("unknown key {}", quote(&name.value)));
        self.problems.push(problem.help(match meant {
            Some(known) => format!("did you mean `{known}`?"),
            None if name.value == "<<" => {
                "merge keys are not supported: write the keys out, or an alias for the whole map".to_owned()
            }
            None if name.value.starts_with(|c: char| c.is_ascii_digit()) => {
                "a comma ends the value before it: thousands are written `1_000`".to_owned()
            }
            None => format!("the keys here are {}", enumerate(names(table))),
        }));
        meant
    }

    // === What has no effect yet ===

    fn say_unsupported(&mut self, span: Span, what: &str, help: String) {
        let problem = Diagnostic::unsupported(span, format!("{} is not supported yet", quote(what)));
        self.problems.push(problem.help(help));
    }

    fn say_too_many(&mut self, size: &Size, span: Span, found: usize) {
        let problem = Diagnostic::unsupported(span, format!("{found} {} are not supported yet", size.noun));
        self.problems.push(problem.help(format!("keep {}", size.built)));
    }

    /// Whether a value of a key without an effect leaves everything as it is.
    fn asks_for_nothing(&self, shape: &Shape, idle: &[&str], value: &Value) -> bool {
        match (shape, value) {
            (_, Value::List(items)) => items.is_empty(),
            (Shape::One(unit) | Shape::OneOrMap(unit, _), value) => {
                let nothing = |text: &&str| unit.parse(text, self.currency).is_ok_and(|idle| is_same(&idle, value));
                idle.iter().any(nothing)
            }
            _ => false,
        }
    }
}

/// Whether two values of a unit that has idle values are equal, however they are written.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Choice(a), Value::Choice(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Quantity(a), Value::Quantity(b)) => a == b,
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::Chance(a), Value::Chance(b)) => a == b,
        _ => false,
    }
}

/// What to write for a shape.
fn expected(shape: &'static Shape) -> String {
    match shape {
        Shape::One(unit) => unit.hint().into_owned(),
        Shape::OneOrMap(unit, Table { named: Some(named), .. }) => {
            let [name, value] = [named.name.example(), unit.example()];
            format!("{}, or a map such as `{{ {name}: {value} }}`", unit.hint())
        }
        Shape::OneOrMap(unit, table) => format!("{}, or a map with {}", unit.hint(), enumerate(names(table))),
        Shape::Map(Table { named: Some(named), .. }) => format!("write a map of {} by name", named.size.noun),
        Shape::Map(table) => format!("write a map with {}", enumerate(names(table))),
        Shape::List(list) => format!("write a list of {}", list.size.noun),
        Shape::Overlay(_) => "write a map of what differs".to_owned(),
    }
}

fn names(table: &'static Table) -> impl Iterator<Item = &'static str> {
    table.keys.iter().map(|key| key.name)
}

/// The words of a choice that have their effect.
fn supported(choice: &Choice) -> String {
    let words = choice.words.iter().copied().filter(|word| !choice.unsupported.contains(word));
    format!("one of {}", enumerate(words))
}
