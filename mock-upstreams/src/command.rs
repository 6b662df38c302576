//! What a driver tells a mock to do with one request, and what the mock tells the gateway the request used: the two
//! headers, written and read here by both sides.
//!
//! ```text
//! mock-outcome: latency_ns=12345;status=200;usage=input_tokens:120,output_tokens:30
//! mock-outcome: latency_ns=12345;first_ns=345
//! mock-outcome: hops=search:0:30000000,ranker:1:8000000;status=500
//! mock-outcome: fault=reset
//! mock-outcome: told=absent
//! mock-usage: input_tokens:120,output_tokens:30
//! mock-failed-hop: 1 ranker
//! ```
//!
//! Reading borrows from the header and allocates nothing.

use std::fmt::{self, Write};
use std::str::FromStr;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderName;

use crate::chat::Told;
use crate::fault::Fault;
use crate::latency::MAX_LATENCY;

pub use self::hops::{Hop, Hops, MAX_HOPS, is_name};

mod hops;

/// The request header that carries a [`Command`].
pub static OUTCOME_HEADER: HeaderName = HeaderName::from_static("mock-outcome");
/// The response header that carries a [`Usage`].
pub static USAGE_HEADER: HeaderName = HeaderName::from_static("mock-usage");

/// The response header that says which hop of a [`Command`] failed: its number, from 0, and its name.
pub static FAILED_HOP_HEADER: HeaderName = HeaderName::from_static("mock-failed-hop");

/// How one request is to end. What is `None` stays as the service is configured.
///
/// ```
/// use mock_upstreams::Command;
///
/// let command = Command::parse("latency_ns=12345;usage=input_tokens:120")?;
/// assert_eq!(command.status, None);
/// assert_eq!(command.to_string(), "latency_ns=12345;usage=input_tokens:120");
/// # Ok::<(), mock_upstreams::CommandError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Command<'a> {
    /// From the arrival of the request to its answer, in whole nanoseconds, at most
    /// [`MAX_LATENCY`]; zero answers at once.
    pub latency: Option<Duration>,
    /// How long until the first part of the body, which is sent by itself then: of the latency, or of that of the last hop.
    pub first: Option<Duration>,
    /// The services that the request comes to one after the other, in place of [`Self::latency`]. Where the status says
    /// that it failed, the last of them did.
    pub hops: Option<Hops<'a>>,
    /// The status of the answer, 200 to 599.
    pub status: Option<StatusCode>,
    /// What the answer says was used.
    pub usage: Option<Usage<'a>>,
    /// What goes wrong in place of the answer, or within it.
    pub fault: Option<Fault>,
    /// How a chat completion tells its usage.
    pub told: Option<Told>,
}

/// Amounts by name, such as `input_tokens:120,output_tokens:30`: never empty, checked when made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage<'a>(&'a str);

/// Why a text is no command or no usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A part is not `name=value`, or its name is unknown.
    #[error(
        "expected parts `latency_ns=…`, `first_ns=…`, `hops=…`, `status=…`, `usage=…`, `fault=…` and `told=…`, each \
         optional, with `;` between them"
    )]
    UnknownPart,
    /// A part is there twice.
    #[error("`{0}` is there twice")]
    Repeated(&'static str),
    /// A latency is no whole number or more than an hour.
    #[error("latencies must be whole numbers of nanoseconds from 0 to 3600000000000")]
    Latency,
    /// The first part of the body comes after the last, or nobody knows when that is.
    #[error("`first_ns` needs `latency_ns` or `hops`, and is at most the latency, or the last of them")]
    First,
    /// The hops are not services by name, depth and latency.
    #[error("hops must be `name:depth:latency` with `,` between them: depths from 0 on, 16 hops at most")]
    Hops,
    /// The hops have latencies of their own.
    #[error("write `hops` or `latency_ns`, not both")]
    Both,
    /// The status is not one that ends an exchange.
    #[error("`status` must be a number from 200 to 599")]
    Status,
    /// The usage is not amounts by name.
    #[error("usage must be `name:amount` pairs with `,` between them: names of A-Z a-z 0-9 _ . -, whole amounts")]
    Usage,
    /// There is no such fault.
    #[error("`fault` must be stall, reset, half_header, garbage, endless, huge or cut")]
    Fault,
    /// There is no such way to tell a usage.
    #[error("`told` must be normal, absent, zero or cut")]
    Told,
}

// === Command ===

impl<'a> Command<'a> {
    /// Reads an [`OUTCOME_HEADER`] value.
    pub fn parse(text: &'a str) -> Result<Self, CommandError> {
        let mut command = Self::default();
        for part in text.split(';').filter(|_| !text.is_empty()) {
            match part.split_once('=') {
                Some(("latency_ns", value)) => once("latency_ns", &mut command.latency, parse_latency(value)?)?,
                Some(("first_ns", value)) => once("first_ns", &mut command.first, parse_latency(value)?)?,
                Some(("hops", value)) => once("hops", &mut command.hops, Hops::parse(value)?)?,
                Some(("status", value)) => once("status", &mut command.status, parse_status(value)?)?,
                Some(("usage", value)) => once("usage", &mut command.usage, Usage::parse(value)?)?,
                Some(("fault", value)) => {
                    once("fault", &mut command.fault, Fault::named(value).ok_or(CommandError::Fault)?)?;
                }
                Some(("told", value)) => {
                    once("told", &mut command.told, Told::named(value).ok_or(CommandError::Told)?)?;
                }
                _ => return Err(CommandError::UnknownPart),
            }
        }
        command.check()
    }

    fn check(self) -> Result<Self, CommandError> {
        if self.hops.is_some() && self.latency.is_some() {
            return Err(CommandError::Both);
        }
        let latency = self.latency.or_else(|| Some(self.hops?.iter().last()?.latency));
        if self.first.is_some_and(|first| latency.is_none_or(|latency| first > latency)) {
            return Err(CommandError::First);
        }
        Ok(self)
    }
}

/// The header value; a driver writes it into a buffer it reuses: `write!(buffer, "{command}")`.
impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        if let Some(latency) = self.latency {
            write!(f, "latency_ns={}", latency.as_nanos())?;
            gap = ";";
        }
        if let Some(first) = self.first {
            write!(f, "{gap}first_ns={}", first.as_nanos())?;
            gap = ";";
        }
        if let Some(hops) = self.hops {
            write!(f, "{gap}hops={hops}")?;
            gap = ";";
        }
        if let Some(status) = self.status {
            write!(f, "{gap}status={}", status.as_u16())?;
            gap = ";";
        }
        if let Some(usage) = self.usage {
            write!(f, "{gap}usage={usage}")?;
            gap = ";";
        }
        if let Some(fault) = self.fault {
            write!(f, "{gap}fault={fault}")?;
            gap = ";";
        }
        match self.told {
            Some(told) => write!(f, "{gap}told={told}"),
            None => Ok(()),
        }
    }
}

fn once<T>(name: &'static str, place: &mut Option<T>, value: T) -> Result<(), CommandError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(CommandError::Repeated(name)),
    }
}

fn parse_latency(text: &str) -> Result<Duration, CommandError> {
    let latency = whole(text).map(Duration::from_nanos).ok_or(CommandError::Latency)?;
    if latency > MAX_LATENCY { Err(CommandError::Latency) } else { Ok(latency) }
}

fn parse_status(text: &str) -> Result<StatusCode, CommandError> {
    let status = whole::<u16>(text).filter(|status| (200..600).contains(status)).ok_or(CommandError::Status)?;
    StatusCode::from_u16(status).map_err(|_| CommandError::Status)
}

/// A number of digits alone: `parse` would take a sign too, and then a text had two ways to be written.
fn whole<T: FromStr>(digits: &str) -> Option<T> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

// === Usage ===

impl<'a> Usage<'a> {
    /// Reads a [`USAGE_HEADER`] value.
    pub fn parse(text: &'a str) -> Result<Self, CommandError> {
        let valid = text.split(',').all(|pair| parse_amount(pair).is_some());
        if valid { Ok(Self(text)) } else { Err(CommandError::Usage) }
    }

    /// Writes amounts into `buffer`, in place of what was there. Errors when there are none, or when a name has
    /// characters other than A-Z a-z 0-9 _ . -
    pub fn write<'n>(
        buffer: &'a mut String,
        amounts: impl IntoIterator<Item = (&'n str, u64)>,
    ) -> Result<Self, CommandError> {
        buffer.clear();
        for (name, amount) in amounts {
            let gap = if buffer.is_empty() { "" } else { "," };
            write!(buffer, "{gap}{name}:{amount}").expect("a String takes everything");
        }
        Self::parse(buffer)
    }

    /// The header value.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Names and amounts, in the order they were written; a name may come again.
    pub fn amounts(self) -> impl Iterator<Item = (&'a str, u64)> {
        self.0.split(',').map(|pair| parse_amount(pair).expect("checked when the usage was made"))
    }
}

impl fmt::Display for Usage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

fn parse_amount(pair: &str) -> Option<(&str, u64)> {
    let (name, amount) = pair.split_once(':')?;
    if is_name(name) { Some((name, whole(amount)?)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draws;

    #[test]
    fn the_documented_example_is_read() {
        let text = "latency_ns=12345;status=200;usage=input_tokens:120,output_tokens:30";
        let command = Command::parse(text).unwrap();
        assert_eq!(command.latency, Some(Duration::from_nanos(12_345)));
        assert_eq!(command.status, Some(StatusCode::OK));
        let amounts: Vec<_> = command.usage.unwrap().amounts().collect();
        assert_eq!(amounts, [("input_tokens", 120), ("output_tokens", 30)]);
    }

    #[test]
    fn each_part_is_optional() {
        assert_eq!(Command::parse(""), Ok(Command::default()));
        let command = Command::parse("status=503").unwrap();
        assert_eq!(command, Command { status: Some(StatusCode::SERVICE_UNAVAILABLE), ..Command::default() });
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("status", CommandError::UnknownPart),
            ("latency=5", CommandError::UnknownPart),
            ("status=200;", CommandError::UnknownPart),
            ("status=200;status=200", CommandError::Repeated("status")),
            ("latency_ns=", CommandError::Latency),
            ("latency_ns=+5", CommandError::Latency),
            ("latency_ns=1.5", CommandError::Latency),
            ("latency_ns=3600000000001", CommandError::Latency),
            ("first_ns=5", CommandError::First),
            ("latency_ns=4;first_ns=5", CommandError::First),
            ("hops=a:0:9,b:1:4;first_ns=5", CommandError::First),
            ("latency_ns=4;first_ns=x", CommandError::Latency),
            ("latency_ns=4;hops=a:0:5", CommandError::Both),
            ("hops=a", CommandError::Hops),
            ("hops=a:0:5;hops=a:0:5", CommandError::Repeated("hops")),
            ("status=101", CommandError::Status),
            ("status=600", CommandError::Status),
            ("status=70000", CommandError::Status),
            ("fault=slow", CommandError::Fault),
            ("fault=cut;fault=cut", CommandError::Repeated("fault")),
            ("told=", CommandError::Told),
            ("usage=", CommandError::Usage),
            ("usage=tokens", CommandError::Usage),
            ("usage=:5", CommandError::Usage),
            ("usage=a b:5", CommandError::Usage),
            ("usage=tokens:-5", CommandError::Usage),
            ("usage=tokens:5,", CommandError::Usage),
            ("usage=tokens:18446744073709551616", CommandError::Usage),
        ];
        for (text, error) in cases {
            assert_eq!(Command::parse(text), Err(error), "{text}");
        }
    }

    /// What a driver writes, a mock reads as it was meant: drawn commands with every part there or not.
    #[test]
    fn what_is_written_is_read_back() {
        let (mut draws, mut buffer) = (Draws::of(1, 0, 0), String::new());
        for _ in 0..1_000 {
            let amounts = [("input_tokens", draws.word()), ("output.tokens-2", draws.word() % 100)];
            let usage = Usage::write(&mut buffer, amounts).unwrap();
            assert!(usage.amounts().eq(amounts));
            let latency = Duration::from_nanos(draws.word() % 3_600_000_000_001);
            let status = StatusCode::from_u16(200 + (draws.word() % 400) as u16).unwrap();
            let present = draws.word();
            let hops = Hops::parse("search:0:30000000,ranker:1:8000000").ok().filter(|_| present & 8 != 0);
            let has_latency = present & 1 != 0 && hops.is_none();
            let command = Command {
                latency: has_latency.then_some(latency),
                first: (has_latency && present & 16 != 0)
                    .then_some(latency / 3)
                    .or(hops.map(|_| Duration::from_nanos(9))),
                hops,
                status: (present & 2 != 0).then_some(status),
                usage: (present & 4 != 0).then_some(usage),
                fault: Fault::ALL.get((present >> 32) as usize % 9).copied(),
                told: Told::ALL.get((present >> 40) as usize % 6).copied(),
            };
            assert_eq!(Command::parse(&command.to_string()), Ok(command));
        }
    }

    #[test]
    fn a_usage_that_could_not_be_read_is_not_written() {
        let mut buffer = "left from before".to_owned();
        assert_eq!(Usage::write(&mut buffer, []), Err(CommandError::Usage));
        assert_eq!(Usage::write(&mut buffer, [("a,b", 1)]), Err(CommandError::Usage));
    }
}
