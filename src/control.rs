//! What a long piece of work shares with the thread that waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Says stop, and hears how far the work is.
#[derive(Debug, Default)]
pub struct Control {
    cancel: Arc<AtomicBool>,
    /// How much is done, in the work's own unit.
    pub done: AtomicU64,
}

impl Control {
    /// A control whose work ends early once `cancel` is set.
    pub fn new(cancel: Arc<AtomicBool>) -> Self {
        Self { cancel, done: AtomicU64::new(0) }
    }

    /// A control that is canceled with this one, and counts for itself.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self::new(Arc::clone(&self.cancel))
    }

    /// Whether to stop; what was begun is ended, and what was done stays valid.
    pub fn is_canceled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}
