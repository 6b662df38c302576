//! `outcome.json` as others read it: its JSON Schema, and the one way in which this version reads one back.

use farebox_engine::money::Currency;
use farebox_engine::outcome::{CohortOutcome, Outcome, SCHEMA};
use serde::Deserialize as _;
use serde_json::Value;

/// The JSON Schema (draft 2020-12) of `outcome.json`. A test holds it against the outcomes of all scenarios.
pub const OUTCOME_SCHEMA: &str = include_str!("outcome.schema.json");

/// Why a text is no outcome for this version.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// It is no outcome.
    #[error("this is no outcome of a run")]
    Malformed(#[from] serde_json::Error),
    /// Another version has written it.
    #[error(
        "the outcome has the schema {found}, and this version of Farebox reads {SCHEMA}: play its scenario again, or read it \
         with the version that wrote it"
    )]
    Schema {
        /// What it has.
        found: u64,
    },
    /// No run has such results.
    #[error("no run writes such results: {0}")]
    Impossible(&'static str),
}

/// Reads an outcome. The version is looked at first: what it means is not known before. It may come from anywhere, so what no
/// run writes is refused before anything of it is added up.
///
/// # Errors
/// As [`StoredError`] has them.
pub fn outcome(text: &str) -> Result<Outcome, StoredError> {
    let value: Value = serde_json::from_str(text)?;
    match value.get("schema").and_then(Value::as_u64) {
        Some(found) if found != u64::from(SCHEMA) => return Err(StoredError::Schema { found }),
        _ => {}
    }
    let mut sum = Sum::default();
    sum.add("", &value);
    if !sum.is_kept() {
        return Err(StoredError::Impossible("its numbers are larger than those of any run"));
    }
    let outcome = Outcome::deserialize(value)?;
    if Currency::from_code(&outcome.currency).is_none() {
        return Err(StoredError::Impossible("nobody knows its currency"));
    }
    if !outcome.replications().flatten().all(is_played_in_order) || !is_alike(&outcome) {
        return Err(StoredError::Impossible("its cohorts are not those of one scenario"));
    }
    Ok(outcome)
}

/// Whether what was played of a cohort is of it, and each consumer once; and no more was made again than was made.
fn is_played_in_order(cohort: &CohortOutcome) -> bool {
    let mut end = 0;
    let mut ranges = cohort.played.iter();
    ranges.all(|[from, to]| {
        let is_next = end <= *from && from < to && *to <= cohort.consumers;
        end = *to;
        is_next
    }) && cohort.offered() >= cohort.retried
}

/// Whether each replication has the same cohorts.
fn is_alike(outcome: &Outcome) -> bool {
    let names = |cohorts: &[CohortOutcome]| -> Vec<String> { cohorts.iter().map(|it| it.cohort.clone()).collect() };
    let first = names(&outcome.cohorts);
    outcome.replications().all(|cohorts| names(cohorts) == first)
}

/// All counts of a document, together: whatever is added up of them later is no larger.
#[derive(Default)]
struct Sum {
    counts: u64,
    is_broken: bool,
}

/// Amounts, in nanos: a million accounts at the end of their range.
const AMOUNT_MAX: u128 = 1 << 84;

impl Sum {
    fn is_kept(&self) -> bool {
        !self.is_broken && self.counts < u64::MAX / 2
    }

    fn add(&mut self, key: &str, value: &Value) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(key, value)| self.add(key, value)),
            Value::Array(items) => items.iter().for_each(|item| self.add_item(key, item)),
            Value::Number(number) if key != "seed" => {
                self.counts = self.counts.saturating_add(number.as_u64().unwrap_or(0));
            }
            Value::String(text) => {
                // A price is multiplied by a count.
                let most = if key == "amount" { i64::MAX.unsigned_abs().into() } else { AMOUNT_MAX };
                self.is_broken |= text.parse::<i128>().is_ok_and(|amount| amount.unsigned_abs() > most);
            }
            Value::Number(_) | Value::Null | Value::Bool(_) => {}
        }
    }

    /// What stands in a list: `[from, until]` of those that were played, or `[upper end, count]` of a histogram, of which
    /// ends are not added up; or anything else.
    fn add_item(&mut self, key: &str, item: &Value) {
        match item.as_array().map(Vec::as_slice) {
            Some([from, until]) if from.is_u64() && until.is_u64() => {
                self.is_broken |= key == "played" && from.as_u64() > until.as_u64();
                self.add(key, until);
            }
            _ => self.add(key, item),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A reader of another version would misread it, and is told both numbers and a way out.
    #[test]
    fn an_outcome_of_another_schema_is_refused_with_both_numbers() {
        let refused = outcome("{ \"schema\": 4, \"calls\": 7 }").unwrap_err().to_string();
        assert!(refused.contains("the schema 4") && refused.contains(&format!("reads {SCHEMA}")), "{refused}");
        assert!(refused.contains("play its scenario again"), "{refused}");
        assert!(matches!(outcome("{}"), Err(StoredError::Malformed(_))));
        assert!(matches!(outcome(&format!("{{ \"schema\": {SCHEMA} }}")), Err(StoredError::Malformed(_))));
    }

    #[test]
    fn numbers_that_no_run_writes_are_refused_before_they_are_added_up() {
        let is_kept = |value: &Value| {
            let mut sum = Sum::default();
            sum.add("", value);
            sum.is_kept()
        };
        assert!(is_kept(&json!({ "seed": u64::MAX, "served": 12, "latency": [[u64::MAX, 3], [u64::MAX, 4]] })));
        assert!(!is_kept(&json!({ "served": u64::MAX / 2 })));
        assert!(!is_kept(&json!({ "served": [u64::MAX, 0] })));
        assert!(!is_kept(&json!([{ "served": 1_u64 << 62 }, { "served": 1_u64 << 62 }])));
        assert!(!is_kept(&json!({ "played": [[5, 3]] })));
        assert!(is_kept(&json!({ "moved": { "earn": "-19342813113834066795298816" }, "played": [[0, 3]] })));
        assert!(!is_kept(&json!({ "moved": { "earn": "-19342813113834066795298817" } })));
        assert!(!is_kept(&json!({ "price": { "amount": "9223372036854775808", "per": 1 } })));
    }
}
