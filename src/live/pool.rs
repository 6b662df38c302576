//! Keep-alive connections from one of the gateway's threads to its upstream.
//!
//! A connection carries one exchange at a time; the one used last is used next, so few stay warm. There is no lock:
//! nothing here leaves its thread.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use super::gateway::inbound::Inbound;

/// Idle connections that are kept if nobody says otherwise.
pub(crate) const IDLE_MAX: usize = 1_024;

/// The connections of one thread to one address.
#[derive(Debug)]
pub(crate) struct Pool {
    address: SocketAddr,
    /// Idle connections that are kept at most; more are closed when their exchange ends.
    idle_max: usize,
    idle: RefCell<Vec<SendRequest<Inbound>>>,
}

/// A connection on loan: [`Lease::give_back`] returns it once the response has been read, dropping it closes it.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Rc<Pool>,
    sender: SendRequest<Inbound>,
}

/// Why a request has no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// No connection could be made: nothing was sent.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The connection broke after the request, or part of it, had left.
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
}

impl Pool {
    /// Connections of which at most so many are kept idle.
    pub(crate) fn keeping(idle_max: usize, address: SocketAddr) -> Rc<Self> {
        Rc::new(Self { address, idle_max, idle: RefCell::default() })
    }

    /// Sends a request on an idle connection, else on a new one, and waits for the head of the response.
    pub(crate) async fn send(
        self: &Rc<Self>,
        request: Request<Inbound>,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        let mut request = request;
        while let Some(mut sender) = self.idle() {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, self.lease(sender))),
                // The other side had closed the idle connection: nothing was sent, so another one may carry it.
                Err(mut unsent) => match unsent.take_message() {
                    Some(returned) => request = returned,
                    None => return Err(SendError::Broken(unsent.into_error())),
                },
            }
        }
        let mut sender = self.connect().await.map_err(SendError::Connect)?;
        let response = sender.send_request(request).await.map_err(SendError::Broken)?;
        Ok((response, self.lease(sender)))
    }

    fn lease(self: &Rc<Self>, sender: SendRequest<Inbound>) -> Lease {
        Lease { pool: Rc::clone(self), sender }
    }

    async fn connect(&self) -> io::Result<SendRequest<Inbound>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        spawn_local(async move {
            // What breaks a connection shows as an error of the exchange that it carried.
            drop(connection.await);
        });
        sender.ready().await.map_err(io::Error::other)?;
        Ok(sender)
    }

    fn idle(&self) -> Option<SendRequest<Inbound>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(sender) = idle.pop() {
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }
}

impl Lease {
    /// Returns the connection once its response has been read to the end.
    pub(crate) fn give_back(self) {
        let mut idle = self.pool.idle.borrow_mut();
        if idle.len() < self.pool.idle_max && !self.sender.is_closed() {
            idle.push(self.sender);
        }
    }
}
