//! What `serve gateway` takes: where it listens, where it forwards to, and what it bears.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueHint;
use mock_upstreams::host::Limits;

use super::{Played, address, threads, time};
use crate::live::gateway::Front;

/// What `serve gateway` takes.
#[derive(Debug, clap::Args)]
pub struct ServeGateway {
    /// What is played.
    #[command(flatten)]
    pub played: Played,
    /// Where to listen; loopback, unless `--allow-remote` is given
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8402", value_parser = address)]
    pub listen: SocketAddr,
    /// Listen where other machines can reach it, though the consumers' keys can be guessed
    #[arg(long)]
    pub allow_remote: bool,
    /// Speak TLS with clients: the file with the certificates, the gateway's own first (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = ValueHint::FilePath)]
    pub tls_cert: Option<PathBuf>,
    /// The file with the private key of the first certificate (PEM, without a password)
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = ValueHint::FilePath)]
    pub tls_key: Option<PathBuf>,
    /// Where to forward to
    #[arg(long, value_name = "ADDRESS", value_parser = upstream)]
    pub upstream: SocketAddr,
    /// Serve on so many threads
    #[arg(long, value_name = "N", default_value = "1", value_parser = threads)]
    pub threads: NonZeroUsize,
    /// When it is told to stop, give calls in flight so long
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub drain: Duration,
    /// What it bears from its clients and from its upstream.
    #[command(flatten)]
    pub limits: GatewayLimits,
    /// Serve health, metrics and accounts there; not served if not given
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub admin: Option<SocketAddr>,
    /// The file with the token that opens accounts; one is made and told once if not given
    #[arg(long, value_name = "FILE", requires = "admin", value_hint = ValueHint::FilePath)]
    pub admin_token_file: Option<PathBuf>,
}

/// What a gateway bears from its clients and from its upstream.
#[derive(Debug, clap::Args)]
pub struct GatewayLimits {
    /// Refuse longer bodies of requests, with 413
    #[arg(long, value_name = "BYTES", default_value_t = Front::BODY_BYTES)]
    pub max_body: u64,
    /// Refuse requests with a longer head, with 431; there may be 100 headers in any case
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 10, value_parser = head_bytes)]
    pub max_head: usize,
    /// Refuse more connections, with 503
    #[arg(long, value_name = "N", default_value = "10000", value_parser = connections)]
    pub max_connections: NonZeroUsize,
    /// Close a connection whose request's head is not there after so long
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub head_timeout: Duration,
    /// Close a connection on which nothing was asked for so long
    #[arg(long, value_name = "TIME", default_value = "75s", value_parser = time)]
    pub idle_timeout: Duration,
    /// Close a connection whose client takes nothing of its answer for so long
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub send_timeout: Duration,
    /// Answer 504 when the upstream has not begun its answer after so long, and break off one that has stopped for so long
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub upstream_timeout: Duration,
}

impl GatewayLimits {
    /// The same as the gateway knows it.
    pub fn front(&self) -> Front {
        let limits = Limits {
            connections: Some(self.max_connections),
            header_bytes: self.max_head,
            head_within: Some(self.head_timeout),
            idle: Some(self.idle_timeout),
            send_within: Some(self.send_timeout),
            http2: true,
        };
        Front { limits, body_bytes: self.max_body, upstream_within: self.upstream_timeout, ..Front::GUARDED }
    }
}

fn head_bytes(text: &str) -> Result<usize, &'static str> {
    let bytes = text.parse().ok().filter(|bytes| (1 << 10..=1 << 20).contains(bytes));
    bytes.ok_or("a number of bytes is a whole one, from 1024 to 1048576")
}

fn connections(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "a number of connections is a whole one, from 1")
}

fn upstream(text: &str) -> Result<SocketAddr, &'static str> {
    let address = address(text)?;
    if address.port() == 0 { Err("nobody listens on port 0") } else { Ok(address) }
}
