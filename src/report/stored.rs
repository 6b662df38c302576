//! `outcome.json` as others read it: its JSON Schema, and the one way in which this version reads one back.

use farebox_engine::outcome::{Outcome, SCHEMA};
use serde::Deserialize;

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
}

/// Reads an outcome. The version is looked at first: what it means is not known before.
pub fn outcome(text: &str) -> Result<Outcome, StoredError> {
    #[derive(Deserialize)]
    struct Head {
        schema: u64,
    }
    let Head { schema } = serde_json::from_str(text)?;
    if schema != u64::from(SCHEMA) {
        return Err(StoredError::Schema { found: schema });
    }
    Ok(serde_json::from_str(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader of another version would misread it, and is told both numbers and a way out.
    #[test]
    fn an_outcome_of_another_schema_is_refused_with_both_numbers() {
        let refused = outcome("{ \"schema\": 4, \"calls\": 7 }").unwrap_err().to_string();
        assert!(refused.contains("the schema 4") && refused.contains(&format!("reads {SCHEMA}")), "{refused}");
        assert!(refused.contains("play its scenario again"), "{refused}");
        assert!(matches!(outcome("{}"), Err(StoredError::Malformed(_))));
        assert!(matches!(outcome(&format!("{{ \"schema\": {SCHEMA} }}")), Err(StoredError::Malformed(_))));
    }
}
