//! What a driver tells the payment processor to answer to one payment, and how to send what it then tells by webhook.
//!
//! ```text
//! mock-outcome: answer=paid
//! mock-outcome: latency_ns=20000000;answer=insufficient_funds
//! mock-outcome: answer=error
//! mock-outcome: answer=paid;deliver_ns=2000000,5002000000
//! mock-outcome: deliver_ns=never
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
/// let command = PaymentCommand { latency: Duration::from_millis(20), answer: "insufficient_funds", deliveries: None };
/// assert_eq!(command.to_string(), "latency_ns=20000000;answer=insufficient_funds");
/// let lost = PaymentCommand { deliveries: Some(&[]), ..command };
/// assert_eq!(lost.to_string(), "latency_ns=20000000;answer=insufficient_funds;deliver_ns=never");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentCommand<'a> {
    /// From the arrival of the request to its answer; an hour at most.
    pub latency: Duration,
    /// [`PAID`](Self::PAID), [`ERROR`](Self::ERROR), or the decline code of a card that is declined.
    pub answer: &'a str,
    /// How its webhook is delivered; `None`: as the others are.
    pub deliveries: Option<&'a [Duration]>,
}

/// A command that says how the webhook of what is asked for is delivered, and nothing else: of a refund or a dispute.
///
/// ```
/// use std::time::Duration;
/// use mock_upstreams::payments::DeliveryCommand;
///
/// let twice = [Duration::from_millis(2), Duration::from_secs(5)];
/// assert_eq!(DeliveryCommand(&twice).to_string(), "deliver_ns=2000000,5000000000");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryCommand<'a>(
    /// From the event to each delivery, 16 at most and eight days at most each; none: it is lost, and only listed.
    pub &'a [Duration],
);

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
        write!(f, "latency_ns={};answer={}", self.latency.as_nanos(), self.answer)?;
        self.deliveries.map_or(Ok(()), |deliveries| write!(f, ";{}", DeliveryCommand(deliveries)))
    }
}

impl fmt::Display for DeliveryCommand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns: Vec<_> = self.0.iter().map(|after| after.as_nanos().to_string()).collect();
        let list = if ns.is_empty() { NEVER.to_owned() } else { ns.join(",") };
        write!(f, "deliver_ns={list}")
    }
}

/// What is said of an event that no webhook tells.
const NEVER: &str = "never";
/// Deliveries of one event, at most.
const MOST_DELIVERIES: usize = 16;
/// The longest from an event to a delivery: three days late, and tried for three days after that.
const LONGEST_DELIVERY: Duration = Duration::from_secs(8 * 86_400);

/// What a command may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// A payment: what it comes to, and how it is told.
    Payment,
    /// What goes back: how it is told.
    Return,
}

/// What was commanded, where it is said.
#[derive(Clone, Debug, Default)]
pub(super) struct Command {
    pub(super) latency: Option<Duration>,
    pub(super) answer: Option<Commanded>,
    /// From the event to each delivery of its webhook.
    pub(super) deliveries: Option<Vec<Duration>>,
}

impl Command {
    /// Reads a command, or says what is wrong with it.
    pub(super) fn parse(text: &str, about: About) -> Result<Self, String> {
        let mut command = Self::default();
        for part in text.split(';') {
            match (part.split_once('='), about) {
                (Some(("latency_ns", ns)), About::Payment) if command.latency.is_none() => {
                    command.latency = Some(parse_latency(ns)?);
                }
                (Some(("answer", word)), About::Payment) if command.answer.is_none() => {
                    command.answer = Some(parse_answer(word)?);
                }
                (Some(("deliver_ns", list)), _) if command.deliveries.is_none() => {
                    command.deliveries = Some(parse_deliveries(list)?);
                }
                _ => return Err(about.expected(text)),
            }
        }
        let is_whole = about == About::Return || command.answer.is_some();
        if is_whole { Ok(command) } else { Err(about.expected(text)) }
    }
}

impl About {
    fn expected(self, text: &str) -> String {
        match self {
            Self::Payment => format!(
                "expected `answer=…`, beside it `latency_ns=…` and `deliver_ns=…` if they are wanted, each once and with `;` \
                 between them, and found `{text}`"
            ),
            Self::Return => format!("expected `deliver_ns=…` and nothing else, and found `{text}`"),
        }
    }
}

fn parse_answer(word: &str) -> Result<Commanded, String> {
    Ok(match word {
        PaymentCommand::PAID => Commanded::Paid,
        PaymentCommand::ERROR => Commanded::Error,
        code => Commanded::Declined(Decline::named(code).ok_or_else(|| {
            let codes: Vec<_> = Decline::codes().collect();
            format!("`answer` must be paid, error or one of {}; it is `{code}`", codes.join(", "))
        })?),
    })
}

fn parse_latency(ns: &str) -> Result<Duration, String> {
    let latency = ns.parse().ok().map(Duration::from_nanos).filter(|latency| *latency <= MAX_LATENCY);
    latency.ok_or_else(|| format!("expected `latency_ns=` and nanoseconds of an hour at most, and found `{ns}`"))
}

fn parse_deliveries(list: &str) -> Result<Vec<Duration>, String> {
    if list == NEVER {
        return Ok(Vec::new());
    }
    let after = |ns: &str| ns.parse().ok().map(Duration::from_nanos).filter(|after| *after <= LONGEST_DELIVERY);
    let deliveries: Option<Vec<_>> = list.split(',').map(after).collect();
    deliveries.filter(|deliveries| deliveries.len() <= MOST_DELIVERIES).ok_or_else(|| {
        format!(
            "expected `deliver_ns=` and `{NEVER}`, or nanoseconds of eight days at most with `,` between them, of \
             {MOST_DELIVERIES} deliveries at most, and found `{list}`"
        )
    })
}
