//! The objects of one kind, in the order in which they were made.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::ApiError;

/// What the API has objects of.
pub(super) trait Object {
    /// What it calls itself in `object`.
    const NAME: &'static str;
    /// What it is called where one is missing.
    const LABEL: &'static str = Self::NAME;

    /// Its id.
    fn id(&self) -> &str;
    /// When it was made, in seconds of the clock that it follows.
    fn created(&self) -> i64;
    /// As the API tells it.
    fn render(&self) -> Value;
    /// Whether lists leave it out.
    fn is_hidden(&self) -> bool {
        false
    }
}

/// Objects of one kind.
#[derive(Debug)]
pub(super) struct Table<T> {
    rows: BTreeMap<u64, T>,
    serials: BTreeMap<String, u64>,
    next: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), serials: BTreeMap::new(), next: 0 }
    }
}

impl<T: Object> Table<T> {
    pub(super) fn insert(&mut self, object: T) {
        self.serials.insert(object.id().to_owned(), self.next);
        self.rows.insert(self.next, object);
        self.next += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.rows.get(self.serials.get(id)?)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.rows.get_mut(self.serials.get(id)?)
    }

    /// The object whose id is in the path.
    pub(super) fn at(&self, id: &str) -> Result<&T, ApiError> {
        self.get(id).ok_or_else(|| ApiError::missing(T::LABEL, id, "id", true))
    }

    /// The same, to be changed.
    pub(super) fn at_mut(&mut self, id: &str) -> Result<&mut T, ApiError> {
        self.get_mut(id).ok_or_else(|| ApiError::missing(T::LABEL, id, "id", true))
    }

    /// The object that a parameter names.
    pub(super) fn meant(&self, id: &str, param: &str) -> Result<&T, ApiError> {
        self.get(id).ok_or_else(|| ApiError::missing(T::LABEL, id, param, false))
    }

    /// All of them, to be changed.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.rows.values_mut()
    }

    /// All of them, the oldest first.
    pub(super) fn values(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.values()
    }

    /// Those from the newest to the oldest that were made before this one, or all.
    pub(super) fn before(&self, id: Option<&str>) -> impl Iterator<Item = &T> {
        let end = id.and_then(|id| self.serials.get(id)).copied().unwrap_or(self.next);
        self.rows.range(..end).rev().map(|(_, object)| object)
    }

    /// Those from the oldest to the newest that were made after this one.
    pub(super) fn after(&self, id: &str) -> impl Iterator<Item = &T> {
        let start = self.serials.get(id).map_or(self.next, |serial| serial + 1);
        self.rows.range(start..).map(|(_, object)| object)
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<T> {
        self.rows.remove(&self.serials.remove(id)?)
    }

    /// Takes out all but those that are to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let serials = &mut self.serials;
        self.rows.retain(|_, object| {
            let is_kept = keep(object);
            if !is_kept {
                serials.remove(object.id());
            }
            is_kept
        });
    }

    /// Takes out the oldest one.
    pub(super) fn remove_oldest(&mut self) {
        if let Some((_, oldest)) = self.rows.pop_first() {
            self.serials.remove(oldest.id());
        }
    }
}
