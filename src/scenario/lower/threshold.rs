//! Thresholds: what they name must exist. Nothing judges a run by them yet.

use super::{Lowering, find};
use crate::scenario::diagnostic::{Span, Spanned};
use crate::scenario::value::{Fields, Value};

impl Lowering<'_> {
    pub(super) fn check_thresholds(&mut self, scenario: &Fields) {
        let names = |key: &str| {
            let named = scenario.map(key).into_iter().flat_map(Fields::named);
            named.map(|entry| entry.name.value.clone()).collect::<Vec<String>>()
        };
        for item in scenario.list("thresholds").unwrap_or_default() {
            let Value::Threshold(threshold) = &item.value else { continue };
            for named in &threshold.names {
                let mut known = match named.label {
                    "cohort" => names("consumers"),
                    "plan" => names("plans"),
                    "route" => names("routes"),
                    _ => names("upstreams"),
                };
                if named.label == "route" && known.is_empty() {
                    known.push("/".to_owned());
                }
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                // Quotes and folds move what is inside of them; then the whole is pointed at.
                let start = item.span.start + named.at;
                let end = start + named.value.len();
                let is_plain = end <= item.span.end && threshold.length == item.span.end - item.span.start;
                let span = if is_plain { Span { start, end } } else { item.span };
                find(named.label, Spanned { span, value: &named.value }, &known, self.problems);
            }
        }
    }
}
