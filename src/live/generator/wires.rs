//! The generator's connections: a request is bytes that are written at once, an answer is heard to its end. Nothing is
//! allocated on one of them for a call that is served.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Instant;

use hyper::Response;
use hyper::header::{HeaderName, HeaderValue};
use rustix::io::Errno;

use super::answer::Heard;
use super::tally::CallError;
use crate::live::wire::{Framing, Head, Wire, WireError};

/// How a request ends that has no body.
const END: &[u8] = b"\r\n\r\n";
/// How the names of headers begin that only our own gateway sends.
const OWN: &[u8] = b"farebox-";

/// Keep-alive connections of one thread to one address. A connection carries one exchange at a time; the one that was used
/// last is used next, so few stay warm.
#[derive(Debug)]
pub(in crate::live) struct Wires {
    address: SocketAddr,
    idle: RefCell<Vec<Wire>>,
    made: Cell<u64>,
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
        let sent = send(&mut wire, request).await;
        let (answer, is_kept) = match (hear(&mut wire, most).await, &sent) {
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
        let wire = Wire::connect(self.address).await?;
        self.made.set(self.made.get() + 1);
        Ok(wire)
    }

    /// A connection that the other side has not closed meanwhile, as far as is known.
    async fn idle(&self) -> Option<Wire> {
        loop {
            let mut wire = self.idle.borrow_mut().pop()?;
            if poll_fn(|cx| Poll::Ready(wire.is_open(cx))).await {
                return Some(wire);
            }
        }
    }
}

/// Writes a request, or as much of it as is taken before there is an answer: whether all of it.
async fn send(wire: &mut Wire, request: &[u8]) -> io::Result<bool> {
    let mut left = request;
    while !left.is_empty() {
        let written = poll_fn(|cx| match wire.poll_write(cx, left) {
            Poll::Pending => wire.poll_read(cx).map_ok(|_| None),
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
async fn hear(wire: &mut Wire, most: usize) -> Result<(Response<Heard>, bool), CallError> {
    let mut answer = Response::new(Heard::default());
    let keep = |head: &Head, name: &str, value: &[u8]| {
        if !head.status.is_success() || is_own(name) {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| WireError::Malformed)?;
            let value = HeaderValue::from_bytes(value).map_err(|_| WireError::Malformed)?;
            answer.headers_mut().append(name, value);
        }
        Ok(())
    };
    let mut keep = keep;
    let Head { status, framing, is_kept } = poll_fn(|cx| wire.poll_head(cx, &mut keep)).await?;
    *answer.status_mut() = status;
    let most = if status.is_success() { 0 } else { most };
    body(wire, framing, answer.body_mut(), most).await?;
    let is_kept = is_kept && wire.is_quiet() && framing != Framing::UntilClosed;
    Ok((answer, is_kept))
}

async fn body(wire: &mut Wire, mut framing: Framing, heard: &mut Heard, most: usize) -> Result<(), CallError> {
    while !framing.is_over() {
        let (used, data) = framing.take(wire.unread())?;
        if !data.is_empty() {
            heard.first.get_or_insert_with(Instant::now);
            let room = most.saturating_sub(heard.text.len());
            heard.text.extend_from_slice(&data[..data.len().min(room)]);
        }
        wire.advance(used);
        if used == 0 && poll_fn(|cx| wire.poll_fill(cx)).await? == 0 {
            return if framing == Framing::UntilClosed { Ok(()) } else { Err(CallError::ClosedEarly) };
        }
    }
    Ok(())
}

fn is_own(name: &str) -> bool {
    name.as_bytes().get(..OWN.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN))
}

impl From<WireError> for CallError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::ClosedEarly => Self::ClosedEarly,
            WireError::Malformed => Self::Malformed,
            WireError::Broken(error) => broken(&error),
        }
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
