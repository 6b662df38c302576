//! What goes wrong below HTTP, on command or for a share of all requests.
//!
//! A service plays a fault by failing with it: hyper then ends the connection with that error, and `Parting`, which got the
//! socket back, does what HTTP has no words for. So a request that meets no fault pays nothing for those that do.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::share::{Share, ShareError};

pub(crate) use self::line::{Parting, Socket, line};

mod line;

/// A way in which an answer goes wrong, after the latency that the request was to take. On a connection that carries
/// several requests (HTTP/2), what breaks the connection here breaks the one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No answer ever comes; the request keeps its place until the client goes away.
    Stall,
    /// The connection is reset (a TCP RST) in place of the answer.
    Reset,
    /// Half a head of an answer, then the end of the connection.
    HalfHeader,
    /// Bytes that are no HTTP, then the end of the connection.
    Garbage,
    /// A body without an end: it goes on until the client goes away.
    Endless,
    /// A body of [`HUGE_BYTES`] bytes, announced as such.
    Huge,
    /// Half of the body, then the end of the connection.
    Cut,
}

/// How long a [`Fault::Huge`] body is, in bytes: more than anybody who collects it has memory for.
pub const HUGE_BYTES: u64 = 10_000_000_000;

impl Fault {
    /// All of them, in the order of [`Fault::index`].
    pub const ALL: [Self; 7] =
        [Self::Stall, Self::Reset, Self::HalfHeader, Self::Garbage, Self::Endless, Self::Huge, Self::Cut];

    /// Its place in [`Fault::ALL`], and in what counts by kind.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its name in commands, flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stall => "stall",
            Self::Reset => "reset",
            Self::HalfHeader => "half_header",
            Self::Garbage => "garbage",
            Self::Endless => "endless",
            Self::Huge => "huge",
            Self::Cut => "cut",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// Whether an answer begins before it goes wrong; else there is none.
    pub(crate) fn is_in_body(self) -> bool {
        matches!(self, Self::Endless | Self::Huge | Self::Cut)
    }

    /// The fault that a connection ended with, if that is why it ended.
    fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(fault) = error.downcast_ref::<Self>() {
                return Some(*fault);
            }
            cause = error.source();
        }
        None
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Error for Fault {}

/// The shares of all requests that meet faults. As text: `stall=0.1%,reset=0.1%`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Each fault with the share that it and those before it make up.
    up_to: Vec<(Share, Fault)>,
}

/// Why a text is no shares of faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultsError {
    /// A part is no share.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A part names no fault.
    #[error(
        "`{0}` is not a fault and its share, such as `stall=0.1%`: expected stall, reset, half_header, garbage, endless, \
         huge or cut"
    )]
    Fault(String),
    /// A fault is there twice.
    #[error("`{0}` is there twice")]
    Repeated(Fault),
    /// They are more than all requests.
    #[error("the shares of faults sum to more than 100%")]
    Sum,
}

impl Faults {
    /// No request meets one.
    pub const NONE: Self = Self { up_to: Vec::new() };

    /// Whether no request meets one.
    pub(crate) fn is_none(&self) -> bool {
        self.up_to.is_empty()
    }

    /// The fault of a request, if 64 random bits fall into a share.
    pub(crate) fn drawn(&self, word: u64) -> Option<Fault> {
        self.up_to.iter().find(|(share, _)| share.hit(word)).map(|(_, fault)| *fault)
    }

    /// These and one more.
    pub fn with(mut self, fault: Fault, share: Share) -> Result<Self, FaultsError> {
        if self.up_to.iter().any(|(_, other)| *other == fault) {
            return Err(FaultsError::Repeated(fault));
        }
        let before = self.up_to.last().map_or(Share::NONE, |(share, _)| *share);
        self.up_to.push((before.plus(share).ok_or(FaultsError::Sum)?, fault));
        Ok(self)
    }
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        text.split(',').try_fold(Self::NONE, |faults, part| {
            let wrong = || FaultsError::Fault(part.to_owned());
            let (name, share) = part.split_once('=').ok_or_else(wrong)?;
            faults.with(Fault::named(name.trim()).ok_or_else(wrong)?, share.parse()?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_found_by_its_name_and_at_its_place() {
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!((Fault::named(fault.name()), fault.index()), (Some(fault), place));
        }
    }

    #[test]
    fn every_fault_is_documented() {
        let documentation = include_str!("../../docs/UPSTREAMS.md");
        let is_missing = |fault: &Fault| !documentation.contains(&format!("\n| `{fault}` | "));
        assert_eq!(Fault::ALL.into_iter().find(is_missing), None);
    }

    #[test]
    fn shares_follow_each_other() {
        let faults: Faults = "stall=10%, reset=0.2,cut=70%".parse().unwrap();
        let drawn = |share: f64| faults.drawn(((share * (1u64 << 53) as f64) as u64) << 11);
        let (stall, reset, cut) = (Some(Fault::Stall), Some(Fault::Reset), Some(Fault::Cut));
        assert_eq!([0.0, 0.09, 0.11, 0.29, 0.31, 0.99].map(drawn), [stall, stall, reset, reset, cut, cut]);
        assert_eq!(Faults::NONE.drawn(0), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, message) in [
            ("", "`` is not a fault and its share"),
            ("stall", "`stall` is not a fault and its share"),
            ("slow=1%", "`slow=1%` is not a fault and its share"),
            ("stall=2", "`2` is not a share"),
            ("stall=1%,stall=1%", "`stall` is there twice"),
            ("stall=60%,reset=60%", "the shares of faults sum to more than 100%"),
        ] {
            let error = text.parse::<Faults>().unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
