//! What a driver tells the payment processor to answer to one payment.
//!
//! ```text
//! mock-outcome: answer=paid
//! mock-outcome: latency_ns=20000000;answer=insufficient_funds
//! mock-outcome: answer=error
//! ```
//!
//! A command belongs to what is executed: a key that was seen before gets its first answer again, whatever it says.

use std::fmt;
use std::time::Duration;

use super::cards::Decline;
use crate::latency::MAX_LATENCY;

/// What a payment comes to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Commanded {
    /// It succeeds, whatever its card is like, and whatever its amount.
    Paid,
    /// Its card is declined.
    Declined(&'static Decline),
    /// The processor fails before it has done anything.
    Error,
}

/// A command as it is sent, in [`OUTCOME_HEADER`](crate::OUTCOME_HEADER).
///
/// ```
/// use std::time::Duration;
/// use mock_upstreams::payments::PaymentCommand;
///
/// let command = PaymentCommand { latency: Duration::from_millis(20), answer: "insufficient_funds" };
/// assert_eq!(command.to_string(), "latency_ns=20000000;answer=insufficient_funds");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentCommand<'a> {
    /// From the arrival of the request to its answer; an hour at most.
    pub latency: Duration,
    /// [`PAID`](Self::PAID), [`ERROR`](Self::ERROR), or the decline code of a card that is declined.
    pub answer: &'a str,
}

impl PaymentCommand<'_> {
    /// It succeeds.
    pub const PAID: &'static str = "paid";
    /// The processor fails before it has done anything: 503, which a key keeps.
    pub const ERROR: &'static str = "error";
    /// The code of the error by which such an answer is known.
    pub const ERROR_CODE: &'static str = "mock_commanded";
}

impl fmt::Display for PaymentCommand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "latency_ns={};answer={}", self.latency.as_nanos(), self.answer)
    }
}

/// What was commanded, and how long it takes, where that is said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    pub(super) latency: Option<Duration>,
    pub(super) answer: Commanded,
}

impl Command {
    /// Reads a command, or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (latency, answer) = match text.split_once(';') {
            Some((latency, answer)) => (Some(parse_latency(latency)?), answer),
            None => (None, text),
        };
        let Some(word) = answer.strip_prefix("answer=") else {
            return Err(format!("expected `answer=…`, after `latency_ns=…;` if there is one, and found `{text}`"));
        };
        let answer = match word {
            PaymentCommand::PAID => Commanded::Paid,
            PaymentCommand::ERROR => Commanded::Error,
            code => Commanded::Declined(Decline::named(code).ok_or_else(|| {
                let codes: Vec<_> = Decline::codes().collect();
                format!("`answer` must be paid, error or one of {}; it is `{code}`", codes.join(", "))
            })?),
        };
        Ok(Self { latency, answer })
    }
}

fn parse_latency(text: &str) -> Result<Duration, String> {
    let ns = text.strip_prefix("latency_ns=").and_then(|ns| ns.parse().ok());
    let latency = ns.map(Duration::from_nanos).filter(|latency| *latency <= MAX_LATENCY);
    latency.ok_or_else(|| format!("expected `latency_ns=` and nanoseconds of an hour at most, and found `{text}`"))
}
