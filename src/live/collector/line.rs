//! Keep-alive connections to the payment processor, each with one exchange at a time.

use std::cell::RefCell;
use std::error::Error;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request as HttpRequest;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use mock_upstreams::OUTCOME_HEADER;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use super::ask::{Does, Request};

/// The longest answer that is read, in bytes.
const MOST_BODY: usize = 1 << 20;

/// The connections.
#[derive(Debug)]
pub(super) struct Lines {
    address: SocketAddr,
    idle: RefCell<Vec<SendRequest<Full<Bytes>>>>,
}

/// Why there is no answer. Whatever it is, the same is asked for again.
type NoAnswer = Box<dyn Error + Send + Sync>;

impl Lines {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, idle: RefCell::default() }
    }

    /// Sends a request and reads its answer to the end: the status and the body.
    pub(super) async fn exchange(&self, request: &Request) -> Result<(u16, Bytes), NoAnswer> {
        let mut line = match self.idle() {
            Some(line) => line,
            None => self.connect().await?,
        };
        line.ready().await?;
        let response = line.send_request(self.dress(request)?).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MOST_BODY).collect().await?.to_bytes();
        self.idle.borrow_mut().push(line);
        Ok((status, body))
    }

    fn dress(&self, request: &Request) -> Result<HttpRequest<Full<Bytes>>, NoAnswer> {
        let (dressed, body) = match &request.does {
            Does::Get => (HttpRequest::get(&request.path), ""),
            Does::Post { form, key } => {
                let dressed = HttpRequest::post(&request.path).header("idempotency-key", key);
                (dressed.header(CONTENT_TYPE, "application/x-www-form-urlencoded"), form.as_str())
            }
            Does::Drive { json } => {
                (HttpRequest::post(&request.path).header(CONTENT_TYPE, "application/json"), json.as_str())
            }
        };
        let dressed = dressed.header(HOST, self.address.to_string()).header(AUTHORIZATION, "Bearer sk_test_farebox");
        let commanded = request.command.iter().fold(dressed, |it, command| it.header(&OUTCOME_HEADER, command));
        Ok(commanded.body(Full::new(body.to_owned().into()))?)
    }

    fn idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.borrow_mut();
        std::iter::from_fn(|| idle.pop()).find(|line| !line.is_closed())
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, NoAnswer> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (line, connection) = http1::handshake(TokioIo::new(stream)).await?;
        spawn_local(async move {
            // What breaks a connection shows as an error of the exchange that it carried.
            drop(connection.await);
        });
        Ok(line)
    }
}
