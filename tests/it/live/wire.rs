//! HTTP/1.1 by hand on blocking sockets: the bytes sent are exactly those that the test says, and it may stop at any.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;

/// How long anything may take; only a failure takes so long.
const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until something has happened on other threads.
pub(super) fn wait_until(what: &str, happened: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !happened() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// One side of a connection, the client's or the upstream's.
#[derive(Debug)]
pub(super) struct Wire(BufReader<TcpStream>);

/// A request or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The first line.
    pub(super) start: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Wire {
    pub(super) fn connect(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect(to).unwrap())
    }

    /// The next connection that somebody makes to a listener.
    pub(super) fn accept(listener: &TcpListener) -> Self {
        Self::over(listener.accept().unwrap().0)
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self(BufReader::new(stream))
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a request without a body; `headers` are whole lines, each with its end.
    pub(super) fn ask(&mut self, method: &str, headers: &str) {
        self.send(format!("{method} /v1/thing?page=2 HTTP/1.1\r\nhost: gateway\r\n{headers}\r\n"));
    }

    /// Asks, and reads the answer.
    pub(super) fn get(&mut self, headers: &str) -> Message {
        self.ask("GET", headers);
        self.receive()
    }

    /// The next message up to its body.
    pub(super) fn receive_head(&mut self) -> Message {
        let start = self.line();
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            match line.split_once(':') {
                Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                None => return Message { start, headers, body: Vec::new() },
            }
        }
    }

    /// The next message, whole.
    pub(super) fn receive(&mut self) -> Message {
        let mut message = self.receive_head();
        if message.header("transfer-encoding").is_some() {
            while let size @ 1.. = usize::from_str_radix(&self.line(), 16).unwrap() {
                message.body.extend(self.exactly(size));
                self.line();
            }
            self.line();
        } else if let Some(length) = message.header("content-length") {
            message.body = self.exactly(length.parse().unwrap());
        }
        message
    }

    pub(super) fn exactly(&mut self, bytes: usize) -> Vec<u8> {
        let mut buffer = vec![0; bytes];
        self.0.read_exact(&mut buffer).unwrap();
        buffer
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert!(line.ends_with("\r\n"), "the connection ended inside of {line:?}");
        line.truncate(line.len() - 2);
        line
    }

    /// Everything until the other side closes.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        rest
    }

    /// The same connection once more, to be read while this one is written to.
    pub(super) fn another(&self) -> Self {
        Self::over(self.0.get_ref().try_clone().unwrap())
    }

    /// Says that nothing more comes (FIN), and stays.
    pub(super) fn finish(&self) {
        self.0.get_ref().shutdown(Shutdown::Write).unwrap();
    }

    /// Breaks the connection (RST).
    pub(super) fn reset(self) {
        TcpSocket::from_std_stream(self.0.into_inner()).set_zero_linger().unwrap();
    }
}

impl Message {
    /// The status of a response.
    pub(super) fn status(&self) -> u16 {
        self.start.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The cause that the gateway gives in its header.
    pub(super) fn cause(&self) -> Option<&str> {
        self.header("farebox-cause")
    }
}

/// Its head, but for the date; headers in order of their names.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.start)?;
        let mut headers: Vec<_> = self.headers.iter().filter(|(name, _)| name != "date").collect();
        headers.sort();
        headers.into_iter().try_for_each(|(name, value)| writeln!(f, "{name}: {value}"))
    }
}
