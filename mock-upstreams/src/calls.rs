//! Whether services can call each other as they say.

use std::collections::BTreeMap;

use crate::command::{MAX_HOPS, is_name};
use crate::service::{DEFAULT_SERVICE, ServiceSpec};

/// What is wrong with one of the services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong<'s> {
    pub(crate) name: &'s str,
    pub(crate) message: String,
}

/// Checks services, the default one among them: that each has a name, that those are there that are called, that none
/// comes to call itself, and that no way has more hops than a command may have.
pub(crate) fn check<'s>(services: &BTreeMap<&'s str, &'s ServiceSpec>) -> Result<(), Wrong<'s>> {
    for (name, spec) in services {
        let wrong = |message| Err(Wrong { name, message });
        if !is_name(name) {
            return wrong(format!("`{name}` cannot name a service: expected A-Z a-z 0-9 _ . -"));
        }
        if spec.calls.len() >= MAX_HOPS {
            return wrong(format!("a service calls at most {} others: {MAX_HOPS} hops are the most", MAX_HOPS - 1));
        }
        if spec.chat.is_some() && !spec.calls.is_empty() {
            return wrong("a service that completes chats calls no others: write `calls` or `chat`".to_owned());
        }
        let is_missing = |called: &&String| *called == DEFAULT_SERVICE || !services.contains_key(called.as_str());
        if let Some(called) = spec.calls.iter().find(is_missing) {
            return wrong(format!("`{name}` calls `{called}`, which is none of the other named services"));
        }
    }
    let hops = hops(services);
    for name in services.keys() {
        match hops.get(name) {
            None => {
                let message = format!("`{name}` comes to call itself, by the services that it calls");
                return Err(Wrong { name, message });
            }
            Some(most) if *most > MAX_HOPS => {
                let message = format!("a request to `{name}` takes {most} hops: {MAX_HOPS} are the most");
                return Err(Wrong { name, message });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// How many hops a request to each takes. Those that come to call themselves are not among them.
fn hops<'s>(services: &BTreeMap<&'s str, &'s ServiceSpec>) -> BTreeMap<&'s str, usize> {
    let mut hops = BTreeMap::<&str, usize>::new();
    loop {
        let known = hops.len();
        // In passes: what calls others is as long as they are, once these are known.
        for (name, spec) in services {
            let called: Option<Vec<usize>> =
                spec.calls.iter().map(|called| hops.get(called.as_str()).copied()).collect();
            if let Some(called) = called {
                hops.insert(name, called.into_iter().fold(1, usize::saturating_add));
            }
        }
        if hops.len() == known {
            return hops;
        }
    }
}
