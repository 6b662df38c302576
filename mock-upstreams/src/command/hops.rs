//! The services that a request comes to, one after the other, as a driver names them.

use std::fmt;
use std::time::Duration;

use super::{CommandError, parse_latency, whole};

/// Services that one request may come to at most.
pub const MAX_HOPS: usize = 16;

/// The services that a request comes to, such as `search:0:30000000,ranker:1:8000000`: name, depth, latency in whole
/// nanoseconds. Never empty, checked when made.
///
/// The first has depth 0; a service of a greater depth than the one before it is called by that one, once its latency is
/// over. A service keeps its place until all that it calls have answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hops<'a>(&'a str);

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop<'a> {
    /// The name of the service.
    pub name: &'a str,
    /// How many services are between it and whoever sent the request.
    pub depth: usize,
    /// How long it works, from when it has a place.
    pub latency: Duration,
}

impl<'a> Hops<'a> {
    /// Reads hops as they are written.
    pub fn parse(text: &'a str) -> Result<Self, CommandError> {
        let mut deepest = 0;
        for (number, hop) in text.split(',').enumerate() {
            let Hop { depth, .. } = parse_hop(hop)?;
            // Only the first answers whoever sent the request.
            let is_called = if number == 0 { depth == 0 } else { (1..=deepest + 1).contains(&depth) };
            if !is_called || number >= MAX_HOPS {
                return Err(CommandError::Hops);
            }
            deepest = depth;
        }
        Ok(Self(text))
    }

    /// The hops, in the order in which the request comes to them.
    pub fn iter(self) -> impl Iterator<Item = Hop<'a>> {
        self.0.split(',').map(|hop| parse_hop(hop).expect("checked when the hops were made"))
    }
}

impl fmt::Display for Hops<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Hop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.name, self.depth, self.latency.as_nanos())
    }
}

fn parse_hop(text: &str) -> Result<Hop<'_>, CommandError> {
    let mut parts = text.split(':');
    let (Some(name), Some(depth), Some(latency), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(CommandError::Hops);
    };
    if !is_name(name) {
        return Err(CommandError::Hops);
    }
    let depth = whole(depth).ok_or(CommandError::Hops)?;
    Ok(Hop { name, depth, latency: parse_latency(latency)? })
}

/// Whether a text can name a service.
pub fn is_name(text: &str) -> bool {
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !text.is_empty() && text.bytes().all(in_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_read_in_order_and_written_back() {
        let text = "search:0:30000000,ranker:1:8000000,db:2:5,cache:1:0";
        let hops = Hops::parse(text).unwrap();
        let read: Vec<_> = hops.iter().map(|hop| (hop.name, hop.depth, hop.latency.as_nanos())).collect();
        assert_eq!(read, [("search", 0, 30_000_000), ("ranker", 1, 8_000_000), ("db", 2, 5), ("cache", 1, 0)]);
        let again: Vec<_> = hops.iter().map(|hop| hop.to_string()).collect();
        assert_eq!(again.join(","), text);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let long = vec!["a:0:0"; 1].into_iter().chain(vec!["a:1:0"; MAX_HOPS]).collect::<Vec<_>>().join(",");
        let cases = [
            "",
            "a",
            "a:0",
            "a:0:5:6",
            "a b:0:5",
            ":0:5",
            "a:1:5",
            "a:0:5,b:0:5",
            "a:0:5,b:2:5",
            "a:+0:5",
            "a:0:5,",
            &long,
        ];
        for text in cases {
            assert_eq!(Hops::parse(text), Err(CommandError::Hops), "{text}");
        }
        assert_eq!(Hops::parse("a:0:-5"), Err(CommandError::Latency));
    }
}
