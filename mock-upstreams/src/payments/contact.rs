//! Names, addresses and metadata: what is kept as it was sent.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::{ApiError, Outcome};
use super::form::{Change, MetadataChange, Params};

/// Keys of an object's metadata, at most.
const MOST_METADATA: usize = 50;

/// Keys and values that mean nothing to the mock.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Makes the change; errors when there are too many keys then.
    pub(super) fn apply(&mut self, change: Option<MetadataChange>) -> Outcome<()> {
        match change {
            None => {}
            Some(MetadataChange::Cleared) => self.0.clear(),
            Some(MetadataChange::Set(pairs)) => {
                for (key, value) in pairs {
                    if value.is_empty() {
                        self.0.remove(&key)
                    } else {
                        self.0.insert(key, value)
                    };
                }
            }
        }
        if self.0.len() > MOST_METADATA {
            let message = format!("You can have up to {MOST_METADATA} metadata keys.");
            return Err(ApiError::invalid(None, message).about("metadata"));
        }
        Ok(())
    }

    /// That of a new object.
    pub(super) fn of(change: Option<MetadataChange>) -> Outcome<Self> {
        let mut metadata = Self::default();
        metadata.apply(change)?;
        Ok(metadata)
    }

    pub(super) fn into_pairs(self) -> BTreeMap<String, String> {
        self.0
    }

    pub(super) fn render(&self) -> Value {
        self.0.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect::<Map<_, _>>().into()
    }
}

const ADDRESS: [&str; 6] = ["city", "country", "line1", "line2", "postal_code", "state"];
const BILLING: [&str; 3] = ["email", "name", "phone"];

/// Takes an address below `address` out of the parameters; an empty text in its place takes it away.
pub(super) fn address(params: &mut Params) -> Outcome<Option<Value>> {
    if params.clone().text("address").is_ok_and(|text| text.as_deref() == Some("")) {
        params.text("address")?;
        return Ok(Some(Value::Null));
    }
    let Some(mut below) = params.below("address")? else { return Ok(None) };
    let mut address = texts(&mut below, &ADDRESS)?;
    below.finish()?;
    for field in ADDRESS {
        address.entry(field).or_insert(Value::Null);
    }
    Ok(Some(address.into()))
}

/// The billing details of a card about which nobody has said any.
pub(super) fn no_billing_details() -> Value {
    let nothing =
        |fields: &[&str]| fields.iter().map(|field| ((*field).to_owned(), Value::Null)).collect::<Map<_, _>>();
    let mut details = nothing(&BILLING);
    details.insert("address".to_owned(), nothing(&ADDRESS).into());
    details.insert("tax_id".to_owned(), Value::Null);
    details.into()
}

/// Writes the billing details that the parameters have over `details`.
pub(super) fn billing_details(params: &mut Params, details: &mut Value) -> Outcome<()> {
    let Some(mut below) = params.below("billing_details")? else { return Ok(()) };
    if let Some(address) = address(&mut below)?.filter(|address| !address.is_null()) {
        details["address"] = address;
    }
    for (field, text) in texts(&mut below, &BILLING)? {
        details[field] = text;
    }
    below.finish()
}

fn texts(params: &mut Params, fields: &[&str]) -> Outcome<Map<String, Value>> {
    let mut found = Map::new();
    for field in fields {
        let change = params.change(field)?;
        if change != Change::Unsaid {
            found.insert((*field).to_owned(), change.value().into());
        }
    }
    Ok(found)
}
