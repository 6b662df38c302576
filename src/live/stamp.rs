//! The header by which a run's own generator tells its own gateway which call a request is, and in lockstep when.
//!
//! ```text
//! farebox-stamp: TOKEN CALL ATTEMPT                           free-running
//! farebox-stamp: TOKEN CALL ATTEMPT TURN TRAFFIC BILLING      lockstep; the attempt is still in flight at the end
//! farebox-stamp: TOKEN CALL ATTEMPT TURN TRAFFIC BILLING TURN TRAFFIC BILLING
//!                                                             lockstep; the second three: when the upstream answers
//! farebox-stamp: TOKEN CALL ATTEMPT TURN TRAFFIC BILLING gone TURN TRAFFIC BILLING UNITS UNITS UNITS UNITS …
//!                                                             lockstep; when its client goes, and what it has been sent
//!                                                             by then; after that, if it comes, the answer
//! ```
//!
//! Instants are nanoseconds since the start. It is honoured only with the run's token, which no client of another
//! gateway can know.

use std::fmt::Write;
use std::str::SplitAsciiWhitespace;

use farebox_engine::model::PerMeter;
use farebox_engine::time::{Now, Time};
use hyper::header::{HeaderMap, HeaderName};

/// The header.
pub(crate) const STAMP: HeaderName = HeaderName::from_static("farebox-stamp");

/// Which call a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The consumer's call of that index.
    pub(crate) call: u64,
    /// Which attempt at it, from 1.
    pub(crate) attempt: u32,
    /// In lockstep, when it is decided and when it is answered.
    pub(crate) scheduled: Option<Scheduled>,
}

/// When the two events of a call happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scheduled {
    /// The decision.
    pub(crate) decided: Step,
    /// The client waits no longer; `None` where it has the answer, or the time ends before.
    pub(crate) gone: Option<Gone>,
    /// The answer of the upstream; `None` when the time ends before it.
    pub(crate) served: Option<Step>,
}

/// When a client goes, and what it has been sent by then. In lockstep nobody waits for a latency, so what comes by when is
/// in the stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) step: Step,
    pub(crate) sent: PerMeter<u64>,
}

/// Says in a stamp that its client goes.
const GONE: &str = "gone";

/// One event of an account: its number among them, and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// 0 for the account's first event.
    pub(crate) turn: u64,
    /// When.
    pub(crate) now: Now,
}

impl Stamp {
    /// Writes the header's value.
    pub(crate) fn write(self, token: &str, text: &mut String) {
        write!(text, "{token} {} {}", self.call, self.attempt).expect("a String takes everything");
        let Some(Scheduled { decided, gone, served }) = self.scheduled else { return };
        decided.write(text);
        if let Some(Gone { step, sent }) = gone {
            write!(text, " {GONE}").expect("a String takes everything");
            step.write(text);
            for units in sent {
                write!(text, " {units}").expect("a String takes everything");
            }
        }
        if let Some(served) = served {
            served.write(text);
        }
    }

    /// Reads the header; `None` without the token, and when it is not well-formed.
    pub(crate) fn read(headers: &HeaderMap, token: &str) -> Option<Self> {
        let text = headers.get(STAMP)?.to_str().ok()?;
        let mut words = text.strip_prefix(token)?.strip_prefix(' ')?.split_ascii_whitespace();
        let call = words.next()?.parse().ok()?;
        let attempt = words.next()?.parse().ok()?;
        let scheduled = Step::read(&mut words).map(|decided| {
            let gone = Gone::read(&mut words);
            Scheduled { decided, gone, served: Step::read(&mut words) }
        });
        Some(Self { call, attempt, scheduled })
    }
}

impl Gone {
    /// Reads what a client's going is told by, if that comes next.
    fn read(words: &mut SplitAsciiWhitespace<'_>) -> Option<Self> {
        let mut rest = words.clone();
        if rest.next()? != GONE {
            return None;
        }
        let step = Step::read(&mut rest)?;
        let mut sent = PerMeter::default();
        for units in &mut sent {
            *units = rest.next()?.parse().ok()?;
        }
        *words = rest;
        Some(Self { step, sent })
    }
}

impl Step {
    fn write(self, text: &mut String) {
        let Now { traffic, billing } = self.now;
        write!(text, " {} {} {}", self.turn, traffic.ns(), billing.ns()).expect("a String takes everything");
    }

    fn read(words: &mut SplitAsciiWhitespace<'_>) -> Option<Self> {
        let turn = words.next()?.parse().ok()?;
        let mut instant = || Some(Time::from_ns(words.next()?.parse().ok()?));
        Some(Self { turn, now: Now { traffic: instant()?, billing: instant()? } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_was_written_and_only_with_the_token() {
        let step = |turn, ns| Step { turn, now: Now { traffic: Time::from_ns(ns), billing: Time::from_ns(7 * ns) } };
        let decided = step(3, -5);
        let gone = Gone { step: step(4, 6), sent: [1, 0, u64::MAX, 7] };
        for scheduled in [
            None,
            Some(Scheduled { decided, gone: None, served: None }),
            Some(Scheduled { decided, gone: None, served: Some(step(9, i64::MAX / 7)) }),
            Some(Scheduled { decided, gone: Some(gone), served: None }),
            Some(Scheduled { decided, gone: Some(gone), served: Some(step(9, 8)) }),
        ] {
            let stamp = Stamp { call: u64::MAX, attempt: 7, scheduled };
            let mut text = String::new();
            stamp.write("c0ffee", &mut text);
            let headers = HeaderMap::from_iter([(STAMP, text.parse().unwrap())]);
            assert_eq!(Stamp::read(&headers, "c0ffee"), Some(stamp));
            assert_eq!(Stamp::read(&headers, "c0ffef"), None);
            assert_eq!(Stamp::read(&headers, "c0ff"), None);
        }
    }
}
