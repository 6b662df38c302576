//! Lists: the newest first, in pages, `starting_after` or `ending_before` an object.

use serde_json::{Value, json};

use super::error::{ApiError, Outcome};
use super::form::Params;
use super::table::{Object, Table};

/// Which page of a list is asked for.
#[derive(Clone, Debug)]
pub(super) struct Page {
    limit: usize,
    after: Option<String>,
    before: Option<String>,
    made: Made,
}

/// Between which seconds the objects were made.
#[derive(Clone, Copy, Debug)]
struct Made {
    from: i64,
    to: i64,
}

impl Page {
    /// Takes what says it out of the parameters.
    pub(super) fn take(params: &mut Params) -> Outcome<Self> {
        let limit = params.integer("limit")?.unwrap_or(10);
        let Some(limit) = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit)) else {
            let message = "Invalid limit: must be a whole number from 1 to 100";
            return Err(params.wrong("limit", Some("parameter_invalid_integer"), message));
        };
        let (after, before) = (params.value("starting_after")?, params.value("ending_before")?);
        if after.is_some() && before.is_some() {
            return Err(params.wrong("ending_before", None, "Send starting_after or ending_before, not both."));
        }
        Ok(Self { limit, after, before, made: Made::take(params)? })
    }

    /// The page of those that `wanted` wants. `path` is what the list is at.
    pub(super) fn of<T: Object>(&self, table: &Table<T>, path: &str, wanted: impl Fn(&T) -> bool) -> Outcome {
        for (cursor, param) in [(&self.after, "starting_after"), (&self.before, "ending_before")] {
            if let Some(id) = cursor.as_ref().filter(|id| table.get(id).is_none()) {
                return Err(ApiError::missing(T::LABEL, id, param, false));
            }
        }
        let listed = |object: &&T| !object.is_hidden() && self.made.has(object.created()) && wanted(object);
        let mut found: Vec<&T> = match &self.before {
            Some(id) => table.after(id).filter(listed).take(self.limit + 1).collect(),
            None => table.before(self.after.as_deref()).filter(listed).take(self.limit + 1).collect(),
        };
        let has_more = found.len() > self.limit;
        found.truncate(self.limit);
        if self.before.is_some() {
            found.reverse();
        }
        let data: Vec<Value> = found.into_iter().map(Object::render).collect();
        Ok(json!({ "object": "list", "url": path, "has_more": has_more, "data": data }))
    }
}

impl Made {
    fn take(params: &mut Params) -> Outcome<Self> {
        let mut made = Self { from: i64::MIN, to: i64::MAX };
        let Ok(below) = params.clone().below("created") else {
            let at = params.integer("created")?.unwrap_or_default();
            return Ok(Self { from: at, to: at });
        };
        if let Some(mut below) = below {
            // Taken from a copy above, so that a plain number could be looked for as well.
            params.below("created")?;
            made.from = below.integer("gte")?.unwrap_or(made.from);
            made.from = below.integer("gt")?.map_or(made.from, |after| after.saturating_add(1));
            made.to = below.integer("lte")?.unwrap_or(made.to);
            made.to = below.integer("lt")?.map_or(made.to, |before| before.saturating_sub(1));
            below.finish()?;
        }
        Ok(made)
    }

    fn has(self, created: i64) -> bool {
        (self.from..=self.to).contains(&created)
    }
}
