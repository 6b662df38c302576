//! Idempotency keys: the first answer to a key is the answer to it for a day.
//!
//! As Stripe says (<https://docs.stripe.com/api/idempotent_requests>): what was executed is kept, whatever came of it; what
//! was wrong before anything was executed is not, nor is what met a request with the same key that was still at work.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::clock::DAY;
use super::error::{ApiError, Outcome};

/// Characters of a key, at most.
const MOST_LENGTH: usize = 255;

/// The keys of a day.
#[derive(Debug)]
pub(super) struct Keys {
    known: BTreeMap<String, Entry>,
    most: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    /// By the mock's clock, in seconds.
    first: i64,
    asked: Asked,
    /// `None` while the first request is being executed.
    answer: Option<Kept>,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) path: String,
    /// A digest of the parameters, in one order.
    pub(super) parameters: [u8; 32],
}

/// The answer that a key has.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) status: u16,
    pub(super) body: Bytes,
    /// The id of the request that it was the answer to.
    pub(super) request: String,
}

impl Keys {
    /// No keys yet, of which there may be so many.
    pub(super) fn new(most: usize) -> Self {
        Self { known: BTreeMap::new(), most }
    }

    /// Refuses a key that is none.
    pub(super) fn check(key: &str) -> Outcome<()> {
        let message = match key.chars().count() {
            0 => "The Idempotency-Key header may not be empty.".to_owned(),
            length if length > MOST_LENGTH => {
                format!("Idempotency-Key headers may have {MOST_LENGTH} characters at most; this one has {length}.")
            }
            _ => return Ok(()),
        };
        Err(ApiError::invalid(None, message))
    }

    /// The answer that a key has already; `None` when this request is the first, and [`Keys::finish`] has to follow.
    pub(super) fn begin(&mut self, key: &str, asked: &Asked, now: i64) -> Outcome<Option<Kept>> {
        if self.known.get(key).is_some_and(|entry| entry.is_over(now)) {
            self.known.remove(key);
        }
        let Some(entry) = self.known.get(key) else {
            self.insert(key, asked, now)?;
            return Ok(None);
        };
        let hint = format!("Try using a key other than '{key}' if you meant to execute a different request.");
        if entry.asked.path != asked.path {
            return Err(ApiError::key_reused(format!(
                "Keys for idempotent requests can only be used for the same endpoint they were first used for ('{}' vs \
                 '{}'). {hint}",
                asked.path, entry.asked.path
            )));
        }
        if entry.asked != *asked {
            return Err(ApiError::key_reused(format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. {hint}"
            )));
        }
        entry.answer.clone().map(Some).ok_or_else(|| ApiError::key_in_use(key))
    }

    fn insert(&mut self, key: &str, asked: &Asked, now: i64) -> Outcome<()> {
        if self.known.len() >= self.most {
            self.forget(now);
        }
        if self.known.len() >= self.most {
            return Err(ApiError::full(&format!("{} idempotency keys at most", self.most)));
        }
        self.known.insert(key.to_owned(), Entry { first: now, asked: asked.clone(), answer: None });
        Ok(())
    }

    /// Ends what began: with the answer that is kept, or without one, as if the key had never been used.
    pub(super) fn finish(&mut self, key: &str, answer: Option<Kept>) {
        match (self.known.get_mut(key), answer) {
            (Some(entry), Some(answer)) => entry.answer = Some(answer),
            (Some(_), None) => drop(self.known.remove(key)),
            (None, _) => {}
        }
    }

    /// Forgets the keys of more than a day ago.
    pub(super) fn forget(&mut self, now: i64) {
        self.known.retain(|_, entry| !entry.is_over(now));
    }
}

impl Entry {
    /// A request that is being executed keeps its key, however far the clock is sent ahead.
    fn is_over(&self, now: i64) -> bool {
        self.answer.is_some() && now - self.first >= DAY
    }
}
