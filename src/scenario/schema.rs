//! The JSON Schema of the scenario language, from the table that the reader walks.
//!
//! It accepts all that the reader accepts. The reader refuses more: names that do not exist, amounts that do not fit,
//! traces that cannot be read.

use farebox_engine::money::CURRENCIES;
use serde_json::{Map, Value, json};

use super::diagnostic::Problems;
use super::keys::{self, Key, Named, Presence, Rule, Shape, Size, Table};
use super::node::{self, Node};
use super::unit::{Choice, Unit};

pub(super) fn schema() -> Value {
    let mut schema = table(&keys::SCENARIO);
    let head = [
        ("$schema", "https://json-schema.org/draft/2020-12/schema"),
        ("title", "Farebox scenario"),
        ("description", "What a paid API charges and allows, who calls it, and what happens when they cannot pay."),
    ];
    for (key, text) in head {
        schema.insert(key.to_owned(), text.into());
    }
    Value::Object(schema)
}

type Object = Map<String, Value>;

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => unreachable!("called with the literal of an object"),
    }
}

fn table(table: &Table) -> Object {
    let properties: Object = table.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let is_required = |key: &&Key| matches!(key.presence, Presence::Required);
    let required: Vec<&str> = table.keys.iter().filter(is_required).map(|key| key.name).collect();
    let mut schema = object(json!({ "type": "object", "properties": properties, "additionalProperties": false }));
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    if let Some(Named { doc, shape: of, size }) = &table.named {
        let mut named = shape(of);
        named.insert("description".to_owned(), (*doc).into());
        schema.insert("additionalProperties".to_owned(), named.into());
        schema.insert("propertyNames".to_owned(), json!({ "pattern": format!("^{NAME}$") }));
        bound(&mut schema, ["minProperties", "maxProperties"], size, table.keys.len());
    }
    for rule in table.rules {
        match rule {
            Rule::ExactlyOne(names, _) => {
                let each: Vec<Value> = names.iter().map(|name| json!({ "required": [name] })).collect();
                schema.insert("oneOf".to_owned(), each.into());
            }
            Rule::Needs(name, other, _) => {
                let needs = schema.entry("dependentRequired").or_insert_with(|| json!({}));
                needs[name] = json!([other]);
            }
        }
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = shape(&key.shape);
    let is_planned = matches!(key.shape, Shape::Planned(_));
    let doc = if is_planned { format!("Not supported yet. {}", key.doc) } else { key.doc.to_owned() };
    schema.insert("description".to_owned(), doc.into());
    if let Presence::Default(yaml) = key.presence {
        let node = node::parse(yaml, &mut Problems::default()).expect("the defaults of the table are YAML");
        schema.insert("default".to_owned(), plain(&node.value));
    }
    schema.into()
}

fn shape(shape: &Shape) -> Object {
    match shape {
        Shape::One(unit) => one(*unit),
        // A choice of words none of which work yet leaves the map.
        Shape::Map(of) | Shape::OneOrMap(Unit::Choice(Choice { now: [], .. }), of) => table(of),
        Shape::OneOrMap(unit, of) => object(json!({ "anyOf": [one(*unit), table(of)] })),
        Shape::List(list) => {
            let mut schema = object(json!({ "type": "array", "items": self::shape(&list.item) }));
            bound(&mut schema, ["minItems", "maxItems"], &list.size, 0);
            schema
        }
        Shape::Planned(idle) => {
            let mut nothing: Vec<Value> = idle.iter().map(|text| scalar(text)).collect();
            nothing.extend(
                idle.iter().map(|&text| text.into()).filter(|text| !nothing.contains(text)).collect::<Vec<_>>(),
            );
            nothing.extend([json!([]), json!({})]);
            object(json!({ "enum": nothing }))
        }
    }
}

fn bound(schema: &mut Object, [least, most]: [&str; 2], size: &Size, beside: usize) {
    if size.least > 0 {
        schema.insert(least.to_owned(), size.least.into());
    }
    schema.insert(most.to_owned(), (size.most + beside).into());
}

// === Units ===

const NAME: &str = "[A-Za-z0-9_-]{1,64}";
/// A number; the reader also minds where its underscores are.
const NUMBER: &str = r"[0-9][0-9_]*(\.[0-9][0-9_]*)?";
const LENGTH: &str = "(ms|s|m|h|d)";

/// YAML makes numbers and booleans of some texts; the reader takes the text, so the schema takes those types as well.
fn one(unit: Unit) -> Object {
    let (quantity, duration) = (format!("{NUMBER}[kM]?"), format!("{NUMBER}{LENGTH}"));
    // The sign before the amount, or the code behind it.
    let signs: String = CURRENCIES.iter().map(|currency| currency.sign).collect();
    let money = format!("([{signs}]{quantity}|{quantity} [A-Z]{{3}})");
    let text = json!(["string", "number", "boolean"]);
    let count = json!(["integer", "string"]);
    let (types, pattern) = match unit {
        Unit::Text => return object(json!({ "type": text, "pattern": r"\S" })),
        Unit::Name => (text, NAME.to_owned()),
        Unit::Choice(Choice { now, .. }) => return object(json!({ "enum": now })),
        Unit::Currency => {
            let codes: Vec<&str> = CURRENCIES.iter().map(|currency| currency.code).collect();
            return object(json!({ "enum": codes }));
        }
        Unit::Quantity(bounds) => {
            let mut schema = typed(&count, &quantity);
            schema.insert("minimum".to_owned(), bounds.least.into());
            schema.insert("maximum".to_owned(), bounds.most.into());
            return schema;
        }
        Unit::Allowance => (count, format!("{quantity}(/(day|month|year))?")),
        Unit::Date => (json!("string"), "[0-9]{4}-[0-9]{2}-[0-9]{2}".to_owned()),
        Unit::Duration(_) => (json!("string"), duration),
        Unit::Horizon => (json!("string"), format!("{NUMBER}(ms|s|m|h|d|mo|y)")),
        Unit::Rate => (json!("string"), format!("{quantity}/(s|min|h|day)")),
        Unit::Money => (json!("string"), money),
        Unit::Fee => (json!("string"), format!("{money}/(day|month|year)")),
        Unit::Price => (json!("string"), format!("{money}( per {quantity})?")),
        Unit::Chance => (json!("string"), format!("{NUMBER}%")),
        Unit::Clock => (json!("string"), format!("{duration} per {duration}")),
    };
    typed(&types, &pattern)
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
