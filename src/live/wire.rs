//! Connections that we open, the generator's and the gateway's to its upstream: HTTP/1.1 by themselves, so that a call
//! costs what it must and no more.
//!
//! A library's client hands each request to a task that owns the connection, and each part of the answer back through a
//! channel. Here a request is bytes that are written at once, and an answer is read where it is wanted; its head is parsed
//! by `httparse`.

mod framing;
mod head;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub(super) use self::framing::Framing;
pub(super) use self::head::Head;

/// What of an answer is read at once at first, in bytes.
const BUFFER: usize = 8 << 10;
/// What of one is read at once at most; the longest head of an answer, or of a chunk in it.
pub(super) const BUFFER_MOST: usize = 64 << 10;

/// One connection. Dropped in the middle of an exchange, it is closed.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    /// What was read is in it from `begin` to `end`.
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
}

/// Why an exchange has no end.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The other side ended the connection in the middle of an answer, or before it.
    #[error("the connection was closed before the end of the answer")]
    ClosedEarly,
    /// What came is no HTTP.
    #[error("what came back is no HTTP")]
    Malformed,
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[from] io::Error),
}

impl Wire {
    pub(super) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; BUFFER], begin: 0, end: 0 })
    }

    /// Whether the other side has not closed it, as far as is known, and has said nothing that nobody asked for.
    pub(super) fn is_open(&mut self, cx: &mut Context<'_>) -> bool {
        self.is_quiet() && self.poll_read(cx).is_pending()
    }

    /// Whether all that has come is read.
    pub(super) fn is_quiet(&self) -> bool {
        self.begin == self.end
    }

    /// What has come and is not read.
    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.begin..self.end]
    }

    /// So much of it is read now.
    pub(super) fn advance(&mut self, read: usize) {
        self.begin += read;
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    /// The head of an answer; `keep` hears of each of its headers. What only says that an answer will come is passed over.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        mut keep: impl FnMut(&Head, &str, &[u8]) -> Result<(), WireError>,
    ) -> Poll<Result<Head, WireError>> {
        loop {
            if let Some((length, head)) = Head::parse(self.unread(), &mut keep)? {
                self.advance(length);
                if !head.status.is_informational() {
                    return Poll::Ready(Ok(head));
                }
            } else {
                std::task::ready!(self.poll_more(cx))?;
            }
        }
    }

    /// Waits for more of what has to come.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        match std::task::ready!(self.poll_fill(cx))? {
            0 => Poll::Ready(Err(WireError::ClosedEarly)),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Reads more: how much; 0 when there is no more.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, WireError>> {
        if self.begin > 0 {
            // Who has filled the buffer has more to say.
            let was_full = self.end == self.buffer.len();
            self.buffer.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
            if was_full && self.buffer.len() < BUFFER_MOST {
                self.buffer.resize(BUFFER_MOST, 0);
            }
        }
        if self.end == BUFFER_MOST {
            return Poll::Ready(Err(WireError::Malformed));
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(BUFFER_MOST, 0);
        }
        self.poll_read(cx).map_err(WireError::Broken)
    }

    /// Reads once. By way of `poll_read`, because that knows of a short read that nothing is left, and does not ask again.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = ReadBuf::new(&mut self.buffer[self.end..]);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut space);
        let more = space.filled().len();
        self.end += more;
        read.map_ok(|()| more)
    }
}

/// Reads an answer that has come as a whole, as from a connection that is closed behind it: its status, its body, and how
/// many of the bytes it was.
pub fn answer(bytes: &[u8]) -> Result<(StatusCode, Vec<u8>, usize), WireError> {
    let (mut begin, mut body) = (0, Vec::new());
    let Head { status, mut framing, .. } = loop {
        let (length, head) = Head::parse(&bytes[begin..], |_, _, _| Ok(()))?.ok_or(WireError::ClosedEarly)?;
        begin += length;
        if !head.status.is_informational() {
            break head;
        }
    };
    while !framing.is_over() {
        let (used, data) = framing.take(&bytes[begin..])?;
        body.extend_from_slice(data);
        begin += used;
        match (used, framing) {
            (0, Framing::UntilClosed) => break,
            (0, _) => return Err(WireError::ClosedEarly),
            _ => {}
        }
    }
    Ok((status, body, begin))
}
