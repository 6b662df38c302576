//! The generator's connections: HTTP/1.1 by themselves, so that a call costs what it must and no more.
//!
//! A library's client hands each request to a task that owns the connection, and the answer back through a channel, with a
//! table of headers for both. Here a request is bytes that are written at once, and an answer is read where it arrives;
//! its head is parsed by `httparse`. On one of these nothing is allocated for a call that is served.

mod framing;
mod head;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::Response;
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use self::framing::Framing;
use self::head::Head;
use super::answer::Heard;
use super::tally::CallError;

/// What of an answer is read at once, in bytes.
const BUFFER: usize = 8 << 10;
/// How a request ends that has no body.
const END: &[u8] = b"\r\n\r\n";
/// The longest head of an answer, or of a chunk in it.
const BUFFER_MOST: usize = 64 << 10;

/// Keep-alive connections of one thread to one address. A connection carries one exchange at a time; the one that was used
/// last is used next, so few stay warm.
#[derive(Debug)]
pub(in crate::live) struct Wires {
    address: SocketAddr,
    idle: RefCell<Vec<Wire>>,
    made: Cell<u64>,
}

/// One connection. Dropped in the middle of an exchange, it is closed.
#[derive(Debug)]
struct Wire {
    stream: TcpStream,
    /// What was read is in it from `begin` to `end`.
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
}

impl Wires {
    pub(in crate::live) const fn new(address: SocketAddr) -> Self {
        Self { address, idle: RefCell::new(Vec::new()), made: Cell::new(0) }
    }

    /// How many connections were made so far.
    pub(super) fn made(&self) -> u64 {
        self.made.get()
    }

    /// Writes a request and reads its answer to the end. Of an answer that is no success, all headers are kept and so much
    /// of the body; of a success, the headers that only our own gateway sends.
    pub(in crate::live) async fn exchange(&self, request: &[u8], most: usize) -> Result<Response<Heard>, CallError> {
        let mut wire = match self.idle().await {
            Some(wire) => wire,
            None => self.connect().await.map_err(|error| unconnected(&error))?,
        };
        // Who refuses may do so before all of a body has been read, and then end the connection: what was said counts.
        let sent = wire.send(request).await;
        let (answer, is_kept) = match (wire.hear(most).await, &sent) {
            (Err(_), Err(error)) => return Err(broken(error)),
            (heard, _) => heard?,
        };
        let is_read = sent.is_ok_and(|all| all) && (answer.status().is_success() || request.ends_with(END));
        if is_kept && is_read {
            self.idle.borrow_mut().push(wire);
        }
        Ok(answer)
    }

    async fn connect(&self) -> io::Result<Wire> {
        let stream = TcpStream::connect(self.address).await?;
        self.made.set(self.made.get() + 1);
        stream.set_nodelay(true)?;
        Ok(Wire { stream, buffer: vec![0; BUFFER], begin: 0, end: 0 })
    }

    /// A connection that the other side has not closed meanwhile, as far as is known.
    async fn idle(&self) -> Option<Wire> {
        loop {
            let mut wire = self.idle.borrow_mut().pop()?;
            if poll_fn(|cx| Poll::Ready(wire.poll_read(cx).is_pending())).await {
                return Some(wire);
            }
        }
    }
}

impl Wire {
    /// Writes a request, or as much of it as is taken before there is an answer: whether all of it.
    async fn send(&mut self, request: &[u8]) -> io::Result<bool> {
        let mut left = request;
        while !left.is_empty() {
            let written = poll_fn(|cx| match Pin::new(&mut self.stream).poll_write(cx, left) {
                Poll::Pending => self.poll_read(cx).map_ok(|_| None),
                written @ Poll::Ready(_) => written.map_ok(Some),
            });
            match written.await? {
                None => return Ok(false),
                Some(0) => return Err(ErrorKind::WriteZero.into()),
                Some(written) => left = &left[written..],
            }
        }
        Ok(true)
    }

    /// An answer, and whether the connection can be used again.
    async fn hear(&mut self, most: usize) -> Result<(Response<Heard>, bool), CallError> {
        let Head { mut answer, framing, is_kept } = self.head().await?;
        let most = if answer.status().is_success() { 0 } else { most };
        let is_until_closed = framing == Framing::UntilClosed;
        self.body(framing, answer.body_mut(), most).await?;
        let is_quiet = self.begin == self.end;
        Ok((answer, is_kept && is_quiet && !is_until_closed))
    }

    async fn head(&mut self) -> Result<Head, CallError> {
        loop {
            if let Some((used, head)) = Head::parse(&self.buffer[self.begin..self.end])? {
                self.begin += used;
                // What only says that an answer will come is passed over.
                if !head.answer.status().is_informational() {
                    return Ok(head);
                }
            } else if self.fill().await? == 0 {
                return Err(CallError::ClosedEarly);
            }
        }
    }

    async fn body(&mut self, mut framing: Framing, heard: &mut Heard, most: usize) -> Result<(), CallError> {
        while !framing.is_over() {
            let (used, data) = framing.take(&self.buffer[self.begin..self.end])?;
            if !data.is_empty() {
                heard.first.get_or_insert_with(Instant::now);
                let room = most.saturating_sub(heard.text.len());
                heard.text.extend_from_slice(&data[..data.len().min(room)]);
            }
            self.begin += used;
            if used == 0 && self.fill().await? == 0 {
                return if framing == Framing::UntilClosed { Ok(()) } else { Err(CallError::ClosedEarly) };
            }
        }
        Ok(())
    }

    /// Reads more: how much; 0 when there is no more.
    async fn fill(&mut self) -> Result<usize, CallError> {
        if self.begin > 0 {
            self.buffer.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
        if self.end == BUFFER_MOST {
            return Err(CallError::Malformed);
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(BUFFER_MOST, 0);
        }
        poll_fn(|cx| self.poll_read(cx)).await.map_err(|error| broken(&error))
    }

    /// Reads once. By way of `poll_read`, because that knows of a short read that nothing is left, and does not ask again.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = ReadBuf::new(&mut self.buffer[self.end..]);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut space);
        let more = space.filled().len();
        self.end += more;
        read.map_ok(|()| more)
    }
}

/// Why there is no connection.
fn unconnected(error: &io::Error) -> CallError {
    let own = error.raw_os_error().map(Errno::from_raw_os_error);
    match (own, error.kind()) {
        (Some(Errno::ADDRNOTAVAIL), _) | (_, ErrorKind::AddrNotAvailable) => CallError::NoPort,
        (Some(Errno::MFILE | Errno::NFILE), _) => CallError::NoDescriptor,
        (_, ErrorKind::ConnectionRefused) => CallError::ConnectRefused,
        (_, ErrorKind::ConnectionReset) => CallError::Reset,
        _ => CallError::Connect,
    }
}

/// Why an exchange has broken off.
fn broken(error: &io::Error) -> CallError {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => CallError::Reset,
        _ => CallError::Broken,
    }
}

#[cfg(test)]
mod tests;
