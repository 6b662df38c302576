//! Somebody else's decisions: a program that knows more of its services than a [`ServiceSpec`](crate::ServiceSpec) can say
//! commands each request in place of its sender.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Decides about requests, on the threads that serve them.
pub trait Direct: Send + Sync {
    /// Writes the [`Command`](crate::Command) of a request into `command`, which is empty. Errors with the reason when
    /// there is nothing at its path: it is answered 404 then.
    fn direct(&self, request: &Directed<'_>, command: &mut String) -> Result<(), String>;
}

/// A request that is to be decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directed<'a> {
    /// Its path, without the query.
    pub path: &'a str,
    /// Its number: of one thread they are consecutive, and none comes twice.
    pub number: u64,
    /// How long the server has been there.
    pub at: Duration,
}

/// Whoever decides. Two are the same only as clones of one another.
#[derive(Clone)]
pub struct Director(Arc<dyn Direct>);

impl Director {
    /// Lets this one decide.
    pub fn new(decides: impl Direct + 'static) -> Self {
        Self(Arc::new(decides))
    }

    pub(crate) fn direct(&self, request: &Directed<'_>, command: &mut String) -> Result<(), String> {
        self.0.direct(request, command)
    }
}

impl fmt::Debug for Director {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Director").finish_non_exhaustive()
    }
}

impl PartialEq for Director {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
