//! The listening sockets: one per thread on the same address, so that the kernel spreads connections over threads.

use std::net::{SocketAddr, TcpListener};
use std::{io, iter};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel completes before they are accepted.
const BACKLOG: i32 = 1_024;

/// Opens `count` sockets on `address`; port 0 lets the first one find a port for all of them.
///
/// Errors when the address cannot be had, naming it; and, as the system says it, when no descriptor is left.
pub(super) fn open(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    open_all(address, count).map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::MFILE | Errno::NFILE) => error,
        _ => io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")),
    })
}

fn open_all(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    refuse_taken(address)?;
    let first = listen(address)?;
    let found = first.local_addr()?;
    let others = (1..count).map(|_| listen(found));
    iter::once(Ok(first)).chain(others).collect()
}

/// Two servers of one user that both set `SO_REUSEPORT` would silently share a port and split its traffic. A socket
/// without it finds the other one; it is gone again before the real ones open (two
/// servers that start within the same microseconds can still miss each other).
fn refuse_taken(address: SocketAddr) -> io::Result<()> {
    socket(address)?.bind(&address.into())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier server that still linger in TIME_WAIT do not keep the port.
    socket.set_reuse_address(true)?;
    Ok(socket)
}
