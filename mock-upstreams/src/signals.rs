//! Waiting for SIGINT or SIGTERM.

use std::future::poll_fn;
use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end the process, caught from [`Signals::catch`] on.
#[derive(Debug)]
pub(crate) struct Signals {
    runtime: Runtime,
    caught: [Signal; 2],
}

impl Signals {
    /// Catches the signals, so that one that comes early is not lost. Errors when the system refuses.
    pub(crate) fn catch() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let caught = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        drop(entered);
        Ok(Self { runtime, caught })
    }

    /// Blocks until one of them comes.
    pub(crate) fn wait(mut self) {
        let caught = &mut self.caught;
        self.runtime.block_on(poll_fn(|cx| {
            let [interrupt, terminate] = caught;
            let (interrupted, terminated) = (interrupt.poll_recv(cx), terminate.poll_recv(cx));
            if interrupted.is_ready() { interrupted } else { terminated }
        }));
    }
}
