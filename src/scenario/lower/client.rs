//! Clients: what a consumer's software does with a failed call, by a preset's name or written out.

use farebox_engine::model::{
    Beyond, Client, Delay, Failures, Hint, Jitter, Method, On402, Retry, RetryAfter, Share, Tokens,
};
use farebox_engine::time::Span as TimeSpan;

use super::{Lowering, Reported};
use crate::scenario::diagnostic::{Diagnostic, Problems};
use crate::scenario::value::{Fields, Value};

impl Lowering<'_> {
    pub(super) fn client(&mut self, cohort: &Fields) -> Option<Client> {
        match &cohort.value("client")?.value {
            Value::Choice(preset) => Client::preset(preset),
            Value::Map(fields) => written_out(fields, self.problems),
            _ => None,
        }
    }
}

/// A client that is written out.
pub(in crate::scenario) fn written_out(fields: &Fields, problems: &mut Problems) -> Option<Client> {
    check_402(fields, problems);
    check_method(fields, problems);
    check_delay(fields, problems);
    let (also, on_402) = match fields.choice("on_402")?.value {
        "retry" => (Failures::PAYMENT_REQUIRED, On402::Fail),
        "wait_retry_after" => (Failures::NONE, On402::WaitRetryAfter),
        "top_up_then_retry" => (Failures::NONE, On402::TopUpThenRetry),
        "pay_once" => (Failures::NONE, On402::PayOnce),
        _ => (Failures::NONE, On402::Fail),
    };
    let listed = failures(fields, "retry_on")?.without(failures(fields, "never_on")?);
    let retry = Retry {
        method: if fields.choice("method")?.value == "GET" { Method::Get } else { Method::Post },
        on: listed.without(Failures::PAYMENT_REQUIRED).and(also),
        only_idempotent: failures(fields, "only_idempotent")?,
        only_with_retry_after: failures(fields, "only_with_retry_after")?,
        attempts: attempts(fields)?,
        give_up_after: optional(fields, "give_up_after").ok()?,
        delay: delay(fields)?,
        retry_after: retry_after(fields).ok()?,
        hint: match fields.choice("hint")?.value {
            "x-should-retry" => Hint::XShouldRetry,
            "stripe-should-retry" => Hint::StripeShouldRetry,
            _ => Hint::None,
        },
        tokens: tokens(fields).ok()?,
    };
    Some(Client { retry, on_402, timeout: optional(fields, "timeout").ok()? })
}

/// 402 has a key of its own, so that there is one place that says what becomes of it.
fn check_402(fields: &Fields, problems: &mut Problems) {
    for item in fields.list("retry_on").unwrap_or_default() {
        if matches!(item.value, Value::Failure(failure) if failure == Failures::PAYMENT_REQUIRED) {
            let problem = Diagnostic::error(item.span, "402 is not for `retry_on` to say");
            problems.push(problem.help("take it out, and write `on_402: retry`"));
        }
    }
}

fn check_method(fields: &Fields, problems: &mut Problems) {
    let Some(method) = fields.choice("method") else { return };
    if method.value == "GET" && fields.list("only_idempotent").is_some_and(<[_]>::is_empty) {
        let problem = Diagnostic::warning(method.span, "the method changes nothing here");
        problems
            .push(problem.help("leave it out, or write what only a GET is repeated after: `only_idempotent: [5xx]`"));
    }
}

/// No wait is at least `min` and at most `max` where the one is longer than the other.
fn check_delay(fields: &Fields, problems: &mut Problems) {
    let Some(Value::Map(delay)) = fields.value("delay").map(|delay| &delay.value) else { return };
    let Some((least, most)) = delay.duration("min").zip(delay.duration("max")) else { return };
    if least.value > most.value {
        let problem = Diagnostic::error(least.span, "`min` is longer than `max`");
        problems.push(problem.help("swap them, or leave one of them out"));
    }
}

/// The failures of a list; `None` when one of them was wrong.
fn failures(fields: &Fields, key: &str) -> Option<Failures> {
    let each = fields.list(key)?.iter().map(|item| if let Value::Failure(it) = item.value { Some(it) } else { None });
    each.into_iter().try_fold(Failures::NONE, |all, failure| Some(all.and(failure?)))
}

fn attempts(fields: &Fields) -> Option<u32> {
    match fields.quantity("attempts") {
        Some(attempts) => u32::try_from(attempts.value).ok(),
        None if fields.is_broken("attempts") => None,
        None if fields.written("give_up_after").is_none() => Some(1),
        None => Some(Retry::ATTEMPTS_MAX),
    }
}

/// A duration that may be left out.
fn optional(fields: &Fields, key: &str) -> Result<Option<TimeSpan>, Reported> {
    match fields.duration(key) {
        Some(span) => Ok(Some(span.value)),
        None if fields.is_broken(key) => Err(Reported),
        None => Ok(None),
    }
}

fn delay(fields: &Fields) -> Option<Delay> {
    match &fields.value("delay")?.value {
        Value::Duration(wait) => Some(Delay::constant(*wait)),
        Value::Map(delay) => Some(Delay {
            first: optional(delay, "first").ok()?,
            base: delay.duration("base")?.value,
            factor: delay.number("factor")?,
            longest: optional(delay, "max").ok()?,
            shortest: delay.duration("min")?.value,
            jitter: jitter(delay)?,
        }),
        _ => None,
    }
}

fn jitter(delay: &Fields) -> Option<Jitter> {
    let part = |share: Share| share.parts as f64 / share.of as f64;
    match &delay.value("jitter")?.value {
        Value::Choice("full") => Some(Jitter::FULL),
        Value::Choice("equal") => Some(Jitter::EQUAL),
        Value::Choice(_) => Some(Jitter::NONE),
        Value::Map(range) => {
            Some(Jitter { minus: part(range.share("minus")?.value), plus: part(range.share("plus")?.value) })
        }
        _ => None,
    }
}

/// What is done with `Retry-After`, if anything.
fn retry_after(fields: &Fields) -> Result<Option<RetryAfter>, Reported> {
    match &fields.value("retry_after").ok_or(Reported)?.value {
        Value::Choice("ignore") => Ok(None),
        Value::Choice(_) => Ok(Some(RetryAfter::HONOUR)),
        Value::Map(rule) => Ok(Some(RetryAfter {
            of: failures(rule, "on").ok_or(Reported)?,
            up_to: optional(rule, "up_to")?,
            beyond: match rule.choice("beyond").ok_or(Reported)?.value {
                "delay" => Beyond::Delay,
                "cap" => Beyond::Cap,
                _ => Beyond::GiveUp,
            },
            at_least_delay: rule.bool("at_least_delay").ok_or(Reported)?,
        })),
        _ => Err(Reported),
    }
}

/// The tokens, if any.
fn tokens(fields: &Fields) -> Result<Option<Tokens>, Reported> {
    let Some(budget) = fields.map("budget") else {
        return if fields.is_broken("budget") { Err(Reported) } else { Ok(None) };
    };
    let count = |key| budget.quantity(key).and_then(|it| u32::try_from(it.value).ok()).ok_or(Reported);
    Ok(Some(Tokens {
        most: count("tokens")?,
        retry: count("retry")?,
        connection: count("connection")?,
        success: count("success")?,
    }))
}
