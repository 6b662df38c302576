//! Keep-alive connections from one of the gateway's threads to its upstream.
//!
//! A connection carries one exchange at a time; the one used last is used next, so few stay warm. There is no lock:
//! nothing here leaves its thread.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use mock_upstreams::Timer;

use super::wire::Wire;

/// Idle connections that are kept if nobody says otherwise.
pub(crate) const IDLE_MAX: usize = 1_024;
/// What an idle connection keeps of the room for what is to be written, in bytes.
const UNSENT_KEPT: usize = 16 << 10;
/// How often those are closed that the other side has closed.
const SWEPT_EVERY: Duration = Duration::from_secs(1);

/// The connections of one thread to one address.
#[derive(Debug)]
pub(crate) struct Pool {
    address: SocketAddr,
    /// Idle connections that are kept at most; more are closed when their exchange ends.
    idle_max: usize,
    idle: RefCell<Vec<Connection>>,
}

/// One connection, and what is to be written on it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) wire: Wire,
    /// What is to be written, from `written` on.
    pub(super) unsent: Vec<u8>,
    written: usize,
    /// Whether an exchange has ended on it.
    is_used: bool,
    /// Whether anything was written of this one.
    has_sent: bool,
}

impl Pool {
    /// Connections of which at most so many are kept idle.
    pub(crate) fn keeping(idle_max: usize, address: SocketAddr) -> Rc<Self> {
        Rc::new(Self { address, idle_max, idle: RefCell::default() })
    }

    /// An idle connection, else a new one.
    pub(super) async fn take(&self) -> io::Result<Connection> {
        loop {
            let Some(mut connection) = self.idle.borrow_mut().pop() else { break };
            if poll_fn(|cx| Poll::Ready(connection.wire.is_open(cx))).await {
                return Ok(connection);
            }
        }
        let wire = Wire::connect(self.address).await?;
        Ok(Connection { wire, unsent: Vec::new(), written: 0, is_used: false, has_sent: false })
    }

    /// Takes a connection back whose answer has been read to its end.
    pub(super) fn give_back(&self, mut connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.idle_max {
            (connection.is_used, connection.has_sent) = (true, false);
            connection.unsent.shrink_to(UNSENT_KEPT);
            idle.push(connection);
        }
    }

    /// Closes idle connections that the other side has closed, as long as anybody has the pool.
    pub(super) async fn sweep(pool: Weak<Self>, timer: Timer) {
        while let Some(pool) = pool.upgrade() {
            poll_fn(|cx| {
                pool.idle.borrow_mut().retain_mut(|connection| connection.wire.is_open(cx));
                Poll::Ready(())
            })
            .await;
            drop(pool);
            timer.sleep_until(Instant::now() + SWEPT_EVERY).await;
        }
    }
}

impl Connection {
    /// Writes what is to be written, as far as the other side takes it.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.unsent.len() {
            match ready!(self.wire.poll_write(cx, &self.unsent[self.written..]))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                written => {
                    self.written += written;
                    self.has_sent = true;
                }
            }
        }
        self.unsent.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Whether it broke because it was idle, and the other side had closed it: then nothing has been sent, and another one
    /// may carry the same.
    pub(super) fn was_stale(&self) -> bool {
        self.is_used && !self.has_sent
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use tokio::runtime::{Builder, LocalOptions};

    use super::*;

    /// What has been sent in part is not sent again on another connection: its rest would be read as a request there.
    #[test]
    fn a_connection_is_stale_only_while_nothing_was_sent_on_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let pool = Pool::keeping(1, listener.local_addr().unwrap());
        let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            for is_idle in [false, true, true] {
                let mut connection = pool.take().await.unwrap();
                assert_eq!(connection.was_stale(), is_idle);
                connection.unsent.extend_from_slice(b"all of it");
                poll_fn(|cx| connection.poll_flush(cx)).await.unwrap();
                assert!(connection.unsent.is_empty() && !connection.was_stale());
                pool.give_back(connection);
            }
        });
    }
}
