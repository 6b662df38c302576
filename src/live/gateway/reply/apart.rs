//! An answer that comes before the end of its request.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::spawn_local;

use super::{Direct, ReplyError, WireError};

/// A body that a task reads which sends the rest of its request meanwhile: a client that takes nothing of an answer before it
/// has sent everything would wait for itself.
#[derive(Debug)]
pub(crate) struct Apart {
    parts: mpsc::Receiver<Result<Bytes, ReplyError>>,
    /// How much of it is to come; `None`: nobody knows.
    pub(super) left: Option<u64>,
}

impl Apart {
    pub(super) fn of(direct: Direct) -> Self {
        let left = direct.left();
        let (sender, parts) = mpsc::channel(1);
        spawn_local(direct.pass(sender));
        Self { parts, left }
    }

    pub(super) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, ReplyError>> {
        if self.left == Some(0) {
            return Poll::Ready(Ok(Bytes::new()));
        }
        let cut_off = || Err(WireError::ClosedEarly.into());
        let part = ready!(self.parts.poll_recv(cx)).unwrap_or_else(cut_off);
        let passed = part.as_ref().map_or(0, Bytes::len) as u64;
        self.left = if passed == 0 { Some(0) } else { self.left.map(|left| left.saturating_sub(passed)) };
        Poll::Ready(part)
    }
}

impl Direct {
    /// Passes all of it on, as long as anybody takes it.
    async fn pass(mut self, parts: mpsc::Sender<Result<Bytes, ReplyError>>) {
        loop {
            let mut room = pin!(parts.reserve());
            let taken = poll_fn(|cx| {
                self.push(cx);
                room.as_mut().poll(cx)
            });
            let Ok(room) = taken.await else { return };
            let part = poll_fn(|cx| self.poll_part(cx)).await;
            let is_last = part.as_ref().map_or(true, Bytes::is_empty);
            room.send(part);
            if is_last {
                return;
            }
        }
    }
}
