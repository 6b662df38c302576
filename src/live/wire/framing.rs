//! Where a body ends (RFC 9112, section 6.3).

use httparse::Status;

use super::WireError;

/// What of a body is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::live) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks that say their own lengths.
    Chunked(Chunk),
    /// Everything until the other side closes the connection.
    UntilClosed,
}

/// Where in a chunked body the next byte is (RFC 9112, section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::live) enum Chunk {
    /// Before the length of a chunk.
    Size,
    /// In a chunk, with so many bytes to come.
    Data(u64),
    /// Before the line break after a chunk.
    Break,
    /// Among the lines after the last chunk.
    Trailers,
    /// After all of it.
    Over,
}

impl Framing {
    pub(in crate::live) fn is_over(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Over))
    }

    /// Takes what is there: how many bytes of it, and which of them are of the body. None at all means that more is needed.
    pub(in crate::live) fn take<'b>(&mut self, bytes: &'b [u8]) -> Result<(usize, &'b [u8]), WireError> {
        match self {
            Self::Length(left) => Ok(up_to(left, bytes)),
            Self::UntilClosed => Ok((bytes.len(), bytes)),
            Self::Chunked(chunk) => chunk.take(bytes),
        }
    }
}

impl Chunk {
    fn take<'b>(&mut self, bytes: &'b [u8]) -> Result<(usize, &'b [u8]), WireError> {
        let (used, next) = match self {
            Self::Data(left) => {
                let taken = up_to(left, bytes);
                if *left == 0 {
                    *self = Self::Break;
                }
                return Ok(taken);
            }
            // By itself the parser takes an empty line for a length of none.
            Self::Size if !bytes.first().is_none_or(u8::is_ascii_hexdigit) => return Err(WireError::Malformed),
            Self::Size => match httparse::parse_chunk_size(bytes).map_err(|_| WireError::Malformed)? {
                Status::Complete((used, 0)) => (used, Self::Trailers),
                Status::Complete((used, size)) => (used, Self::Data(size)),
                Status::Partial => (0, Self::Size),
            },
            Self::Break => match bytes {
                [b'\r', b'\n', ..] => (2, Self::Size),
                [] | [b'\r'] => (0, Self::Break),
                _ => return Err(WireError::Malformed),
            },
            Self::Trailers => match bytes.iter().position(|byte| *byte == b'\n') {
                Some(end) if matches!(bytes[..end], [] | [b'\r']) => (end + 1, Self::Over),
                Some(end) => (end + 1, Self::Trailers),
                None => (0, Self::Trailers),
            },
            Self::Over => (0, Self::Over),
        };
        *self = next;
        Ok((used, &[]))
    }
}

/// As many of the bytes as are still to come.
fn up_to<'b>(left: &mut u64, bytes: &'b [u8]) -> (usize, &'b [u8]) {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= taken as u64;
    (taken, &bytes[..taken])
}
