//! Chat completions in the shape of the `OpenAI` API: whole, or token by token as server-sent events.
//!
//! ```text
//! POST …/v1/chat/completions   read (chat/request.rs) ─▶ tokens, times ─▶ whole (chat/answer.rs)
//!                                                                      └▶ events (chat/stream.rs)
//! GET  …/v1/models, …/v1/models/mock
//! ```
//!
//! What is generated means nothing; how much of it, when, and what the answer says of it is what a gateway meters. So
//! everything a request asks for beside its model, its messages and its limits is accepted and changes nothing.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::draw::Draws;
use crate::latency::{Latency, MAX_LATENCY};

pub(crate) use self::answer::{Completion, error, model, models, whole};
pub(crate) use self::request::{Asked, Delivery, read};
pub(crate) use self::stream::{Stream, first_event};

mod answer;
mod request;
mod stream;

/// Tokens that one answer may have at most.
pub const MAX_TOKENS: u64 = 131_072;

/// How chat completions are answered.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatSpec {
    /// From the arrival of a request to the first token.
    pub first_token: Latency,
    /// How many tokens come in a second after that; `None`: all of them at once.
    pub pace: Option<Pace>,
    /// How many tokens an answer has whose request sets no limit.
    pub output_tokens: Tokens,
    /// How the usage is told.
    pub told: Told,
}

impl Default for ChatSpec {
    /// At once, some 120 tokens, and 900 once in a hundred.
    fn default() -> Self {
        Self {
            first_token: Latency::ZERO,
            pace: None,
            output_tokens: "p50=120,p99=900".parse().expect("both points are numbers of tokens"),
            told: Told::Normal,
        }
    }
}

impl ChatSpec {
    /// How long after the first token the answer ends.
    pub(crate) fn takes(&self, tokens: u64) -> Duration {
        let Some(Pace(per_second)) = self.pace else { return Duration::ZERO };
        // The cast saturates.
        Duration::from_nanos((tokens as f64 * (1e9 / per_second)) as u64).min(MAX_LATENCY)
    }
}

/// Tokens a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace(f64);

impl Pace {
    /// So many tokens a second; `None` unless that is a number from 0.001 to 1,000,000.
    pub fn new(per_second: f64) -> Option<Self> {
        (0.001..=1e6).contains(&per_second).then_some(Self(per_second))
    }
}

impl FromStr for Pace {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pace = text.parse().ok().and_then(Self::new);
        pace.ok_or("expected a number of tokens a second, from 0.001 to 1000000")
    }
}

/// A distribution of numbers of tokens. As text: `100`, `p50=120,p95=500` or `p50=120,p99=900`.
#[derive(Clone, Copy, Debug, PartialEq)]
// The shapes are those of latencies: a token for each nanosecond.
pub struct Tokens(Latency);

impl Tokens {
    /// Draws a number, from 1 to [`MAX_TOKENS`].
    pub(crate) fn sample(self, draws: &mut Draws) -> u64 {
        (self.0.sample(draws).as_nanos() as u64).clamp(1, MAX_TOKENS)
    }
}

impl FromStr for Tokens {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a number of tokens: expected `100`, `p50=120,p95=500` or `p50=120,p99=900`, of 1 to \
                 {MAX_TOKENS} tokens, the upper one no less than p50"
            )
        };
        let number = |part: &str| part.rsplit('=').next()?.trim().parse().ok().filter(|n| (1..=MAX_TOKENS).contains(n));
        let are_tokens = text.split(',').all(|part| number(part).is_some());
        let nanoseconds = text.split(',').map(|part| format!("{}ns", part.trim())).collect::<Vec<_>>().join(",");
        nanoseconds.parse().ok().filter(|_| are_tokens).map(Self).ok_or_else(wrong)
    }
}

/// How an answer tells what it used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// As it is.
    #[default]
    Normal,
    /// Not at all, whatever the request asks for.
    Absent,
    /// As if nothing had been used.
    Zero,
    /// It is cut off before it: a stream after its last token, a whole answer in its middle.
    Cut,
}

impl Told {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Absent, Self::Zero, Self::Cut];

    /// Its name in commands, flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Absent => "absent",
            Self::Zero => "zero",
            Self::Cut => "cut",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|told| told.name() == name)
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Told {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::named(text).ok_or("expected normal, absent, zero or cut")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_a_number_or_two_points() {
        let drawn = |text: &str| text.parse::<Tokens>().map(|tokens| tokens.sample(&mut Draws::of(1, 0, 0)));
        assert_eq!(drawn("100"), Ok(100));
        // Equal points are a constant, but for what rounding takes.
        assert!(matches!(drawn("p50=70,p99=70"), Ok(69..=71)));
        for wrong in ["", "0", "ten", "1.5", "p50=120", "p50=120,p90=130", "p50=9,p99=3", "131073", "p50=1,p99=131073"]
        {
            assert!(drawn(wrong).unwrap_err().contains("is not a number of tokens"), "{wrong}");
        }
    }

    #[test]
    fn the_pace_decides_how_long_tokens_take() {
        let spec = |pace: &str| ChatSpec { pace: Some(pace.parse().unwrap()), ..ChatSpec::default() };
        assert_eq!(spec("40").takes(100), Duration::from_millis(2_500));
        assert_eq!(spec("0.001").takes(MAX_TOKENS), MAX_LATENCY);
        assert_eq!(ChatSpec::default().takes(100), Duration::ZERO);
        assert!(["0", "-1", "NaN", "fast", "1e7"].iter().all(|text| text.parse::<Pace>().is_err()));
    }
}
