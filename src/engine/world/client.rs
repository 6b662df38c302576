//! Whether a client makes another attempt, and when: a pure function of its policy, of what it was answered and of one
//! word of chance. The simulation and the load generator both ask it.

use crate::draw;
use crate::model::{Beyond, Client, Delay, Failures, Method, On402, Retry, RetryAfter, Tokens};
use crate::time::Span;

/// What a client has been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status; 0: no answer, because the connection broke or it took too long.
    pub status: u16,
    /// The wait that `Retry-After` asks for.
    pub retry_after: Option<Span>,
    /// What the header of [`Hint`](crate::model::Hint) that this client reads says, where there is one.
    pub should_retry: Option<bool>,
    /// Whether an upstream says it, and not the gateway, as the code in the gateway's body tells. A 402 of an upstream is no
    /// demand on the client's own account: it is a failure as any other.
    pub is_passed_on: bool,
}

impl Answered {
    /// A status and nothing else.
    pub const fn status(status: u16) -> Self {
        Self { status, retry_after: None, should_retry: None, is_passed_on: false }
    }

    /// The status of an upstream, passed on.
    pub const fn passed_on(status: u16) -> Self {
        Self { is_passed_on: true, ..Self::status(status) }
    }

    /// `None` when it is no failure.
    const fn failure(&self) -> Option<Failures> {
        match self.status {
            0 => Some(Failures::CONNECTION),
            400..=599 => Some(Failures::status(self.status)),
            _ => None,
        }
    }

    /// The wait that it asks for, where that is any.
    fn told(&self) -> Option<Span> {
        self.retry_after.filter(|wait| *wait > Span::ZERO)
    }
}

/// What one call has spent so far on retrying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// Attempts answered so far, at least 1.
    pub made: u32,
    /// From the first attempt's start to now, on the traffic clock.
    pub since: Span,
}

/// What the calls of one consumer's client share: tokens for retries, where its policy has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    left: u32,
    /// What the last retry cost.
    last: u32,
}

impl Budget {
    /// All tokens are there.
    pub fn new(client: &Client) -> Self {
        Self { left: client.retry.tokens.map_or(0, |tokens| tokens.most), last: 0 }
    }

    /// A call has succeeded, at its first attempt or at a later one.
    pub fn succeeded(&mut self, client: &Client, was_retry: bool) {
        if let Some(tokens) = client.retry.tokens {
            let back = if was_retry { self.last } else { tokens.success };
            self.left = self.left.saturating_add(back).min(tokens.most);
        }
    }

    /// So many calls have succeeded at their first attempts.
    pub fn succeeded_at_once(&mut self, client: &Client, calls: u64) {
        if let Some(tokens) = client.retry.tokens {
            let back = u64::from(tokens.success).saturating_mul(calls);
            self.left = u64::from(self.left).saturating_add(back).min(u64::from(tokens.most)) as u32;
        }
    }

    /// Pays for a retry; `false` when the tokens do not suffice.
    fn pay(&mut self, tokens: &Tokens, status: u16) -> bool {
        let cost = if status == 0 { tokens.connection } else { tokens.retry };
        let is_enough = cost <= self.left;
        if is_enough {
            self.left -= cost;
            self.last = cost;
        }
        is_enough
    }
}

/// Whether, and how long after the answer, the client makes another attempt; `word` is the uniform word of this decision.
/// With [`On402::TopUpThenRetry`] what is answered of a 402 holds once the credit has been paid for.
pub fn next_attempt(
    client: &Client,
    answered: &Answered,
    attempts: Attempts,
    budget: &mut Budget,
    word: u64,
) -> Option<Span> {
    let retry = &client.retry;
    if attempts.made >= retry.attempts {
        return None;
    }
    let wait = wait(client, answered, attempts.made, word)?;
    if retry.give_up_after.is_some_and(|most| attempts.since + wait > most) {
        return None;
    }
    let is_paid = retry.tokens.as_ref().is_none_or(|tokens| budget.pay(tokens, answered.status));
    is_paid.then_some(wait)
}

/// How long it would wait, if nothing but the answer counted; `None` when it would not try again.
fn wait(client: &Client, answered: &Answered, made: u32, word: u64) -> Option<Span> {
    let retry = &client.retry;
    let failure = answered.failure()?;
    let own = || retry.delay.before(made, word);
    if answered.status == 402 && !answered.is_passed_on && client.on_402 != On402::Fail {
        if answered.should_retry == Some(false) {
            return None;
        }
        return match client.on_402 {
            On402::WaitRetryAfter => answered.told(),
            On402::PayOnce if made > 1 => None,
            _ => Some(own()),
        };
    }
    let rule = retry.retry_after.filter(|rule| rule.of.meets(failure));
    let told = rule.map_or(Told::Nothing, |rule| rule.take(answered.told()));
    // What is too long ends it before the hint is looked at.
    let is_over = matches!(told, Told::TooLong);
    if is_over || !answered.should_retry.unwrap_or_else(|| retry.is_tried_again(answered, failure)) {
        return None;
    }
    Some(match told {
        Told::Wait(told) if rule.is_some_and(|rule| rule.at_least_delay) => told.max(own()),
        Told::Wait(told) => told,
        Told::Nothing | Told::TooLong => own(),
    })
}

impl Retry {
    /// Whether the policy tries again on a failure, whatever a hint says.
    fn is_tried_again(&self, answered: &Answered, failure: Failures) -> bool {
        self.on.meets(failure)
            && (self.method == Method::Get || !self.only_idempotent.meets(failure))
            && (answered.retry_after.is_some() || !self.only_with_retry_after.meets(failure))
    }
}

/// What a client makes of `Retry-After`.
enum Told {
    /// It waits so long.
    Wait(Span),
    /// It waits as long as it would by itself.
    Nothing,
    /// It tries no more.
    TooLong,
}

impl RetryAfter {
    fn take(&self, told: Option<Span>) -> Told {
        match (told, self.up_to) {
            (Some(told), Some(most)) if told > most => match self.beyond {
                Beyond::GiveUp => Told::TooLong,
                Beyond::Delay => Told::Nothing,
                Beyond::Cap => Told::Wait(most),
            },
            (Some(told), _) => Told::Wait(told),
            (None, _) => Told::Nothing,
        }
    }
}

impl Delay {
    /// The client's own wait once so many attempts have been made.
    fn before(&self, made: u32, word: u64) -> Span {
        let retries = made.saturating_sub(1);
        let whole = match self.first {
            Some(first) if retries == 0 => first.ns() as f64,
            // A finite power, because nothing times infinity would be no number.
            _ => self.base.ns() as f64 * libm::pow(self.factor, f64::from(retries)).min(f64::MAX),
        };
        let most = self.longest.map_or(f64::INFINITY, |most| most.ns() as f64);
        let times = 1.0 - self.jitter.minus + (self.jitter.minus + self.jitter.plus) * draw::unit(word);
        // What is too large for the type becomes its largest value, which is as good as never.
        let ns = (whole.min(most) * times) as u64;
        Span::from_ns(ns.max(self.shortest.ns()))
    }
}

#[cfg(test)]
mod tests;
