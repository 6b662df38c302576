//! What a host bears from its clients before it cuts them off.

use std::num::NonZeroUsize;
use std::time::Duration;

/// What a host bears, and what it speaks.
///
/// None of it costs a request anything: times are watched by one timer a connection, which is set anew when it runs out
/// and when a client stops halfway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of all threads together; one more is answered with 503 and closed. `None`: until the process runs out
    /// of descriptors; then accepting pauses.
    pub connections: Option<NonZeroUsize>,
    /// The request line and the headers of a request, in bytes; above, HTTP/1.1 is answered with 431. There may be 100
    /// headers in any case.
    pub header_bytes: usize,
    /// From the opening of a connection, or the first byte of a later request, until a request's headers are there; then
    /// the connection is closed.
    pub head_within: Option<Duration>,
    /// How long a connection may be open without a request; it is closed between once and twice this long.
    pub idle: Option<Duration>,
    /// How long a client may take nothing of an answer that waits for it; then the connection is closed.
    pub send_within: Option<Duration>,
    /// Whether HTTP/2 is spoken to a client that begins with it (RFC 9113 §3.3, prior knowledge).
    pub http2: bool,
}

impl Limits {
    /// Bounded memory for each connection, and nothing else: for clients that are trusted, on loopback.
    pub const TRUSTING: Self = Self {
        connections: None,
        header_bytes: 400 << 10,
        head_within: None,
        idle: None,
        send_within: None,
        http2: false,
    };

    /// For clients that nobody knows.
    pub const GUARDED: Self = Self {
        connections: NonZeroUsize::new(10_000),
        header_bytes: 32 << 10,
        head_within: Some(Duration::from_secs(10)),
        idle: Some(Duration::from_secs(75)),
        send_within: Some(Duration::from_secs(60)),
        http2: true,
    };
}
