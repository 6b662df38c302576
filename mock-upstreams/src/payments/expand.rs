//! `expand[]`: whole objects in place of their ids.

use serde_json::Value;

use super::error::{ApiError, Outcome};
use super::state::State;

/// Objects inside of one another, at most.
const MOST_DEPTH: usize = 4;

/// What can be expanded: of which object, which property, and what is there then.
const EXPANDABLE: [(&str, &str, &str); 12] = [
    ("payment_intent", "customer", "customer"),
    ("payment_intent", "payment_method", "payment_method"),
    ("payment_intent", "latest_charge", "charge"),
    ("setup_intent", "customer", "customer"),
    ("setup_intent", "payment_method", "payment_method"),
    ("charge", "customer", "customer"),
    ("charge", "payment_intent", "payment_intent"),
    ("refund", "charge", "charge"),
    ("refund", "payment_intent", "payment_intent"),
    ("payment_method", "customer", "customer"),
    ("customer", "test_clock", "test_helpers.test_clock"),
    ("customer.invoice_settings", "default_payment_method", "payment_method"),
];

/// What is at `property` of an `object`.
fn below(object: &'static str, property: &str) -> Option<&'static str> {
    if (object, property) == ("customer", "invoice_settings") {
        return Some("customer.invoice_settings");
    }
    EXPANDABLE.iter().find(|row| (row.0, row.1) == (object, property)).map(|row| row.2)
}

/// Refuses what cannot be expanded in an answer that is such an object, or a list of them.
pub(super) fn check(paths: &[String], object: &'static str, is_list: bool) -> Outcome<()> {
    for path in paths {
        let inside = if is_list { path.strip_prefix("data.") } else { Some(path.as_str()) };
        let end = inside
            .filter(|path| path.split('.').count() <= MOST_DEPTH)
            .and_then(|path| path.split('.').try_fold(object, below).filter(|end| *end != "customer.invoice_settings"));
        if end.is_none() {
            let message = format!("This property cannot be expanded ({path}).");
            return Err(ApiError::invalid(None, message).about("expand"));
        }
    }
    Ok(())
}

/// Puts the objects in place.
pub(super) fn expand(state: &State, paths: &[String], answer: &mut Value) {
    for path in paths {
        put(state, answer, &path.split('.').collect::<Vec<_>>());
    }
}

fn put(state: &State, value: &mut Value, path: &[&str]) {
    let Some((property, rest)) = path.split_first() else { return };
    if let (&"data", Some(Value::Array(items))) = (property, value.get_mut("data")) {
        return items.iter_mut().for_each(|item| put(state, item, rest));
    }
    let Some(place) = value.get_mut(*property) else { return };
    if let Some(object) = place.as_str().and_then(|id| state.render(id)) {
        *place = object;
    }
    put(state, place, rest);
}
