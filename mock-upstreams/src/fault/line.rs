//! A connection's socket, which is not lost when its connection fails: what HTTP cannot say is said on it afterwards.

use std::cell::RefCell;
use std::error::Error;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Fault;

/// What a connection is made of: a socket, or one inside of which TLS is spoken.
pub(crate) trait Socket {
    /// The socket below.
    fn tcp(&self) -> &TcpStream;

    /// Writes what fits at once. Nothing was written for this request, so the socket's buffer takes these few bytes, unless
    /// the client is gone.
    fn say(&mut self, words: &[u8]);
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }

    fn say(&mut self, words: &[u8]) {
        drop(self.try_write(words));
    }
}

/// The socket, for as long as a connection has it; when it is dropped, its [`Parting`] gets it.
#[derive(Debug)]
pub(crate) struct Line<S> {
    /// There until it is dropped.
    stream: Option<S>,
    left: Rc<RefCell<Option<S>>>,
}

/// What is done with the socket when its connection is over.
#[derive(Debug)]
pub(crate) struct Parting<S>(Rc<RefCell<Option<S>>>);

/// Splits a socket into what a connection works with, and what is left of it at its end.
pub(crate) fn line<S: Socket>(stream: S) -> (Line<S>, Parting<S>) {
    let left = Rc::new(RefCell::new(None));
    (Line { stream: Some(stream), left: Rc::clone(&left) }, Parting(left))
}

impl<S: Socket> Parting<S> {
    /// Plays the fault that the connection failed with, if it did, and closes the socket.
    pub(crate) fn end(self, error: &(dyn Error + 'static)) {
        let Some(mut stream) = self.0.take() else { return };
        match Fault::of(error) {
            // Closed without lingering, a socket resets its connection.
            Some(Fault::Reset) => drop(stream.tcp().set_zero_linger()),
            Some(Fault::HalfHeader) => stream.say(HALF_HEADER),
            Some(Fault::Garbage) => stream.say(GARBAGE),
            _ => {}
        }
    }
}

/// It breaks off inside of a field's name.
const HALF_HEADER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-le";
/// The start of a TLS alert, a NUL, a newline and bytes that are no UTF-8.
const GARBAGE: &[u8] = b"\x15\x03\x01\x00\x02\x02\x50\x00\n\xff\xfe\x80 SSH-2.0-mock\r\n\r\n";

impl<S> Drop for Line<S> {
    fn drop(&mut self) {
        self.left.replace(self.stream.take());
    }
}

impl<S: Unpin> Line<S> {
    fn stream(self: Pin<&mut Self>) -> Pin<&mut S> {
        Pin::new(self.get_mut().stream.as_mut().expect("the socket is there until the line is dropped"))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
