//! The JSON Schema of the scenario language, from the table that the reader walks.
//!
//! It accepts all that the reader accepts. The reader refuses more: names that do not exist, amounts that do not fit,
//! traces that cannot be read.

use farebox_engine::model::Period;
use farebox_engine::money::CURRENCIES;
use serde_json::{Map, Value, json};

use super::diagnostic::Problems;
use super::keys::{self, Key, Named, Presence, Rule, Shape, Size, Table};
use super::node::{self, Node};
use super::unit::{Bounds, Choice, Least, Unit};

pub(super) fn schema() -> Value {
    let mut definitions = Definitions::default();
    let mut schema = definitions.table(&keys::SCENARIO, "scenario");
    let head = [
        ("$schema", "https://json-schema.org/draft/2020-12/schema"),
        ("title", "Farebox scenario"),
        ("description", "What a paid API charges and allows, who calls it, and what happens when they cannot pay."),
    ];
    for (key, text) in head {
        schema.insert(key.to_owned(), text.into());
    }
    let tables = definitions.tables.into_iter().map(|it| (it.name, Value::Object(it.schema)));
    schema.insert("$defs".to_owned(), tables.collect());
    Value::Object(schema)
}

type Object = Map<String, Value>;

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => unreachable!("called with the literal of an object"),
    }
}

/// The tables that were met so far. Each has one place, because several keys share some of them, and because a variant
/// may overlay all of them.
#[derive(Default)]
struct Definitions {
    tables: Vec<Definition>,
}

struct Definition {
    table: &'static Table,
    form: Form,
    name: String,
    schema: Object,
}

/// Whether a map stands for itself, or for what differs from one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    Overlay,
}

impl Definitions {
    /// A reference to a table, which is named after the key that it was first met at.
    fn reference(&mut self, table: &'static Table, form: Form, key: &str) -> Value {
        let known = self.tables.iter().find(|it| std::ptr::eq(it.table, table) && it.form == form);
        let name = if let Some(known) = known {
            known.name.clone()
        } else {
            let name = self.free_name(key, form);
            let at = self.tables.len();
            self.tables.push(Definition { table, form, name: name.clone(), schema: Object::new() });
            self.tables[at].schema = match form {
                Form::Whole => self.table(table, key),
                Form::Overlay => self.overlay(table, key),
            };
            name
        };
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    fn free_name(&self, key: &str, form: Form) -> String {
        let base = if form == Form::Overlay { format!("{key}_overlay") } else { key.to_owned() };
        let numbered = (2..).map(|number| format!("{base}_{number}"));
        let mut candidates = std::iter::once(base.clone()).chain(numbered);
        let is_free = |name: &String| self.tables.iter().all(|it| it.name != *name);
        candidates.find(is_free).expect("there are more numbers than tables")
    }

    fn table(&mut self, table: &'static Table, at: &str) -> Object {
        let properties: Object = table.keys.iter().map(|key| (key.name.to_owned(), self.property(key))).collect();
        let is_required = |key: &&Key| matches!(key.presence, Presence::Required);
        let required: Vec<&str> = table.keys.iter().filter(is_required).map(|key| key.name).collect();
        let mut schema = object(json!({ "type": "object", "properties": properties, "additionalProperties": false }));
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        if let Some(Named { doc, name, shape, size }) = &table.named {
            let mut named = self.shape(shape, &each(at));
            named.insert("description".to_owned(), (*doc).into());
            schema.insert("additionalProperties".to_owned(), named.into());
            schema.insert("propertyNames".to_owned(), names(*name));
            bound(&mut schema, ["minProperties", "maxProperties"], size, table.keys.len());
        }
        let rules: Vec<Value> = table.rules.iter().map(rule).collect();
        if !rules.is_empty() {
            schema.insert("allOf".to_owned(), rules.into());
        }
        schema
    }

    fn property(&mut self, key: &'static Key) -> Value {
        let mut schema = self.shape(&key.shape, key.name);
        schema.insert("description".to_owned(), doc(key).into());
        if let Presence::Default(yaml) = key.presence {
            let node = node::parse(yaml, &mut Problems::default()).expect("the defaults of the table are YAML");
            schema.insert("default".to_owned(), plain(&node.value));
        }
        schema.into()
    }

    fn shape(&mut self, shape: &'static Shape, at: &str) -> Object {
        match shape {
            Shape::One(unit) => one(*unit),
            Shape::Map(table) => object(self.reference(table, Form::Whole, at)),
            Shape::OneOrMap(unit, table) => {
                object(json!({ "anyOf": [one(*unit), self.reference(table, Form::Whole, at)] }))
            }
            Shape::List(list) => {
                let mut schema = object(json!({ "type": "array", "items": self.shape(&list.item, &each(at)) }));
                bound(&mut schema, ["minItems", "maxItems"], &list.size, 0);
                schema
            }
            Shape::Overlay(table) => object(self.reference(table, Form::Overlay, at)),
        }
    }

    /// What may be laid over a map of this table: any part of it, and nothing where something is removed.
    fn overlay(&mut self, table: &'static Table, at: &str) -> Object {
        let is_whole = std::ptr::eq(table, &raw const keys::SCENARIO);
        let mut properties = Object::new();
        for key in table.keys.iter().filter(|key| !(is_whole && is_of_variants(&key.shape))) {
            let mut part = self.part(&key.shape, key.name);
            part.insert("description".to_owned(), doc(key).into());
            properties.insert(key.name.to_owned(), part.into());
        }
        if is_whole {
            let mut extends = one(Unit::Name);
            extends.insert("description".to_owned(), "The variant that this one starts from.".into());
            properties.insert(keys::EXTENDS.to_owned(), extends.into());
        }
        let mut schema = object(json!({ "type": "object", "properties": properties, "additionalProperties": false }));
        if let Some(Named { name, shape, .. }) = &table.named {
            schema.insert("additionalProperties".to_owned(), self.part(shape, &each(at)).into());
            schema.insert("propertyNames".to_owned(), names(*name));
        }
        schema
    }

    fn part(&mut self, shape: &'static Shape, at: &str) -> Object {
        let mut forms = match shape {
            Shape::Map(table) => vec![self.reference(table, Form::Overlay, at)],
            Shape::OneOrMap(unit, table) => {
                vec![one(*unit).into(), self.reference(table, Form::Overlay, at)]
            }
            Shape::One(_) | Shape::List(_) | Shape::Overlay(_) => vec![self.shape(shape, at).into()],
        };
        forms.push(json!({ "type": "null" }));
        object(json!({ "anyOf": forms }))
    }
}

/// What one of several is called.
fn each(at: &str) -> String {
    format!("{at}_each")
}

/// Whether it is the map of the variants, which do not nest.
fn is_of_variants(shape: &Shape) -> bool {
    matches!(shape, Shape::Map(Table { named: Some(Named { shape: Shape::Overlay(of), .. }), .. })
        if std::ptr::eq(*of, &raw const keys::SCENARIO))
}

fn doc(key: &Key) -> String {
    match key.idle {
        Some(_) => format!("Checked, but without effect yet. {}", key.doc),
        None => key.doc.to_owned(),
    }
}

/// What the keys of a map with names of the user's own are. The keys that are there anyway are names too.
fn names(name: Unit) -> Value {
    match name {
        Unit::Choice(Choice { words, .. }) => json!({ "enum": words }),
        Unit::Path => json!({ "pattern": format!("^{PATH}$") }),
        Unit::Status => json!({ "pattern": format!("^{STATUS}$") }),
        _ => json!({ "pattern": format!("^{NAME}$") }),
    }
}

fn rule(rule: &Rule) -> Value {
    let each = |names: &[&str]| -> Vec<Value> { names.iter().map(|name| json!({ "required": [name] })).collect() };
    match rule {
        Rule::ExactlyOne(names, _) => json!({ "oneOf": each(names) }),
        Rule::AtLeastOne(names, _) => json!({ "anyOf": each(names) }),
        Rule::NeedsOne(name, others, _) => {
            json!({ "if": { "required": [name] }, "then": { "oneOf": each(others) } })
        }
        Rule::Needs(name, other, _) => json!({ "dependentRequired": { *name: [other] } }),
    }
}

fn bound(schema: &mut Object, [least, most]: [&str; 2], size: &Size, beside: usize) {
    if size.least > 0 {
        schema.insert(least.to_owned(), size.least.into());
    }
    schema.insert(most.to_owned(), (size.most + beside).into());
}

// === Units ===

const STATUS: &str = "[45][0-9]{2}";
const NAME: &str = "[A-Za-z0-9_-]{1,64}";
/// Printable ASCII but for `?`, `#`, `<`, `>` and the backtick.
const PATH: &str = r#"/[!-"$-;=@-_a-~]{0,255}"#;
/// A number; the reader also minds where its underscores are.
const NUMBER: &str = r"[0-9][0-9_]*(\.[0-9][0-9_]*)?";
const LENGTH: &str = "(ms|s|m|h|d)";

/// YAML makes numbers and booleans of some texts; the reader takes the text, so the schema takes those types as well.
pub(super) fn one(unit: Unit) -> Object {
    let (quantity, duration) = (format!("{NUMBER}[kM]?"), format!("{NUMBER}{LENGTH}"));
    // The sign before the amount, or the code behind it.
    let signs: String = CURRENCIES.iter().map(|currency| currency.sign).collect();
    let money = format!("([{signs}]{quantity}|{quantity} [A-Z]{{3}})");
    let text = json!(["string", "number", "boolean"]);
    let count = json!(["integer", "string"]);
    let string = json!("string");
    let (types, pattern) = match unit {
        Unit::Text => return object(json!({ "type": text, "pattern": r"\S" })),
        Unit::Name => (text, NAME.to_owned()),
        Unit::Choice(Choice { words, .. }) => return object(json!({ "enum": words })),
        Unit::Bool => return object(json!({ "enum": [true, false, "true", "false"] })),
        Unit::Currency => {
            let codes: Vec<&str> = CURRENCIES.iter().map(|currency| currency.code).collect();
            return object(json!({ "enum": codes }));
        }
        Unit::Failure => {
            let mut schema = typed(&count, "[45]([0-9]{2}|xx)|connection");
            schema.insert("minimum".to_owned(), 400.into());
            schema.insert("maximum".to_owned(), 599.into());
            return schema;
        }
        Unit::Status => {
            let mut schema = typed(&count, STATUS);
            schema.insert("minimum".to_owned(), 400.into());
            schema.insert("maximum".to_owned(), 599.into());
            return schema;
        }
        Unit::Quantity(Bounds { least, most }) => {
            let mut schema = typed(&count, &quantity);
            schema.insert("minimum".to_owned(), least.into());
            schema.insert("maximum".to_owned(), most.into());
            return schema;
        }
        Unit::Number(least) => {
            let mut schema = typed(&json!(["number", "string"]), NUMBER);
            schema.insert(
                "minimum".to_owned(),
                if least == Least::AboveZero { json!(least.number()) } else { json!(least.number() as u64) },
            );
            schema.insert("maximum".to_owned(), json!(1000));
            return schema;
        }
        Unit::Allowance => {
            let mut schema = typed(&count, &format!("{quantity}(/(day|month|year))?"));
            schema.insert("minimum".to_owned(), 0.into());
            return schema;
        }
        Unit::Path => (string, PATH.to_owned()),
        Unit::Moment => (string, "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?".to_owned()),
        Unit::Zone => (string, "[A-Za-z0-9_+/-]+".to_owned()),
        Unit::CountPer(period) => (string, format!("{quantity}/{}", name_of(period))),
        Unit::Duration(_) => (string, duration),
        Unit::Length(_) => (string, format!("{NUMBER}(ms|s|m|h|d|mo|y)")),
        Unit::Rate => (string, format!("{quantity}/(s|min|h|day)")),
        Unit::Frequency => (string, format!("{quantity}/(day|month|year)")),
        Unit::Money => (string, money),
        Unit::Fee => (string, format!("{money}/(day|month|year)")),
        Unit::Commission => (string, format!(r"{NUMBER}%|{money}|{NUMBER}% \+ {money}")),
        Unit::Price => (string, format!("{money}( per {quantity})?")),
        Unit::Chance | Unit::Share => (string, format!("{NUMBER}%")),
        Unit::ChancePerMonth => (string, format!("{NUMBER}%/month")),
        Unit::Clock => (string, format!("{duration} per {duration}")),
        Unit::Spread => (string, format!(r"even|zipf\({NUMBER}\)")),
        Unit::Threshold => (string, r"[a-z_]+(\{.*\})?\.[a-z0-9_]+.*".to_owned()),
    };
    typed(&types, &pattern)
}

fn name_of(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Month => "month",
        Period::Year => "year",
    }
}

/// The types that editors may see a text as, and what the whole of it looks like where it stays a text.
fn typed(types: &Value, pattern: &str) -> Object {
    object(json!({ "type": types, "pattern": format!("^({pattern})$") }))
}

/// A node as editors see it.
fn plain(node: &Node) -> Value {
    match node {
        Node::Map(pairs) => pairs.iter().map(|(key, node)| (key.value.clone(), plain(&node.value))).collect(),
        Node::List(items) => items.iter().map(|item| plain(&item.value)).collect(),
        Node::Scalar(text) => scalar(&text.text),
    }
}

/// A plain scalar of the table: the only other types than text that it has are whole numbers and booleans.
fn scalar(text: &str) -> Value {
    match (text.parse::<u64>(), text.parse::<bool>()) {
        (Ok(number), _) => number.into(),
        (_, Ok(boolean)) => boolean.into(),
        _ => text.into(),
    }
}
