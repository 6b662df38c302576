//! What consumers' software does with a failed call: when it tries again, after how long, how often. The presets say what
//! well-known libraries do, each as its source has it in the version that is named there.

use crate::time::Span;

/// The software of a consumer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Client {
    /// When it makes another attempt.
    pub retry: Retry,
    /// What it does when payment is required.
    pub on_402: On402,
    /// How long it waits for an answer: from the start of an attempt to the last byte of what it is answered. Then it gives
    /// the attempt up and closes the connection, which to it is no answer ([`Failures::CONNECTION`]). `None`: for ever.
    pub timeout: Option<Span>,
}

/// When another attempt is made, and how long after the answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// The method of its calls.
    pub method: Method,
    /// The failures that it tries again on.
    pub on: Failures,
    /// Those of them that it tries again on only where the method is idempotent.
    pub only_idempotent: Failures,
    /// Those of them that it tries again on only where the answer carries a `Retry-After`, be it zero.
    pub only_with_retry_after: Failures,
    /// How many attempts it makes in all, the first included; at least 1, at most [`Self::ATTEMPTS_MAX`].
    pub attempts: u32,
    /// An attempt that would begin later than this after the first began is not made; `None`: there is no such end.
    pub give_up_after: Option<Span>,
    /// How long it waits by itself.
    pub delay: Delay,
    /// What it does with `Retry-After`; `None`: it does not read it.
    pub retry_after: Option<RetryAfter>,
    /// The header that tells it whether to try again, whatever the status.
    pub hint: Hint,
    /// What all calls of a consumer's client share for their retries; `None`: each call is on its own.
    pub tokens: Option<Tokens>,
}

impl Retry {
    /// The most attempts of one call, so that one that only time ends does end.
    pub const ATTEMPTS_MAX: u32 = 10_000;
}

/// The method of a client's calls. Calls of a paid API mostly make something, so they are POSTs unless the scenario says
/// otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Safe to repeat.
    Get,
    /// Not known to be safe to repeat.
    #[default]
    Post,
}

/// A set of failures: statuses from 400 to 599, and no answer at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Bit n is status 400 + n.
    client: u128,
    /// Bit n is status 500 + n; bit 100 is no answer.
    server: u128,
}

impl Failures {
    /// None of them.
    pub const NONE: Self = Self { client: 0, server: 0 };
    /// The connection broke before there was an answer, or the answer took too long.
    pub const CONNECTION: Self = Self { client: 0, server: 1 << 100 };
    /// All statuses of the consumer's own fault.
    pub const CLIENT: Self = Self::of(400, 499);
    /// All statuses of the server's fault.
    pub const SERVER: Self = Self::of(500, 599);
    /// Payment is required.
    pub const PAYMENT_REQUIRED: Self = Self::status(402);

    /// One status; none of them where it is no failure.
    pub const fn status(status: u16) -> Self {
        match status {
            400..=499 => Self { client: 1 << (status - 400), server: 0 },
            500..=599 => Self { client: 0, server: 1 << (status - 500) },
            _ => Self::NONE,
        }
    }

    /// The statuses of a range, both ends included.
    pub const fn of(first: u16, last: u16) -> Self {
        let mut set = Self::NONE;
        let mut status = if first < 400 { 400 } else { first };
        while status <= last && status <= 599 {
            set = set.and(Self::status(status));
            status += 1;
        }
        set
    }

    /// Those of either set.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { client: self.client | other.client, server: self.server | other.server }
    }

    /// Those of this set that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self { client: self.client & !other.client, server: self.server & !other.server }
    }

    /// Whether the two have one in common.
    pub const fn meets(self, other: Self) -> bool {
        self.client & other.client != 0 || self.server & other.server != 0
    }
}

/// How long a client waits by itself. Before retry n, from 0 on: `base × factorⁿ`, at most `longest`; then times a number
/// that is uniform over `jitter`; then at least `shortest`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// Before the first retry, in place of what the formula says; `None`: the formula.
    pub first: Option<Span>,
    /// Before the first retry.
    pub base: Span,
    /// How much longer before each further one.
    pub factor: f64,
    /// The most, before jitter; `None`: there is no most.
    pub longest: Option<Span>,
    /// The least, after jitter.
    pub shortest: Span,
    /// How the wait is randomised.
    pub jitter: Jitter,
}

impl Delay {
    /// Always this long.
    pub const fn constant(wait: Span) -> Self {
        Self { first: None, base: wait, factor: 1.0, longest: None, shortest: Span::ZERO, jitter: Jitter::NONE }
    }

    const fn doubling(base: Span, longest: Option<Span>, jitter: Jitter) -> Self {
        Self { first: None, base, factor: 2.0, longest, shortest: Span::ZERO, jitter }
    }
}

/// A wait is multiplied by a number that is uniform between `1 − minus` and `1 + plus`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter {
    /// At most 1.
    pub minus: f64,
    /// At least 0.
    pub plus: f64,
}

impl Jitter {
    /// Waits are as long as they are.
    pub const NONE: Self = Self { minus: 0.0, plus: 0.0 };
    /// Anything from nothing to the whole of it ("full jitter").
    pub const FULL: Self = Self { minus: 1.0, plus: 0.0 };
    /// Half of it, and anything from nothing to the other half ("equal jitter").
    pub const EQUAL: Self = Self { minus: 0.5, plus: 0.0 };
}

/// What a client does with `Retry-After`. A wait of zero leaves it to the client's delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter {
    /// The failures that it reads it of.
    pub of: Failures,
    /// The longest wait that it takes as it is; `None`: any.
    pub up_to: Option<Span>,
    /// What it does about a longer one.
    pub beyond: Beyond,
    /// Whether it waits as long as it would by itself where that is longer.
    pub at_least_delay: bool,
}

impl RetryAfter {
    /// Waits as long as it is told.
    pub const HONOUR: Self =
        Self { of: Failures::CLIENT.and(Failures::SERVER), up_to: None, beyond: Beyond::GiveUp, at_least_delay: false };
}

/// What a client does when `Retry-After` is longer than it puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// Makes no further attempt, whatever else speaks for one.
    GiveUp,
    /// Waits as long as it would by itself.
    Delay,
    /// Waits as long as it puts up with.
    Cap,
}

/// The header by which an answer tells a client whether to try again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hint {
    /// None.
    #[default]
    None,
    /// `X-Should-Retry`.
    XShouldRetry,
    /// `Stripe-Should-Retry`.
    StripeShouldRetry,
}

impl Hint {
    /// The header's name in lower case, its values being `true` and `false`.
    pub const fn header(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::XShouldRetry => Some("x-should-retry"),
            Self::StripeShouldRetry => Some("stripe-should-retry"),
        }
    }
}

/// Tokens that all calls of one consumer's client pay for their retries with. A retry that they do not suffice for is not
/// made. They begin full, and are never more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// How many there are when all are there.
    pub most: u32,
    /// What a retry costs after an answer.
    pub retry: u32,
    /// What a retry costs after no answer.
    pub connection: u32,
    /// What comes back with a call that succeeds at its first attempt. One that succeeds later gives back what its client's
    /// last retry cost.
    pub success: u32,
}

/// What a client does when payment is required.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum On402 {
    /// Nothing of its own: it fails, unless [`Retry::on`] has it among the other failures.
    #[default]
    Fail,
    /// Tries again once the wait of `Retry-After` is over, however long; fails without one.
    WaitRetryAfter,
    /// Pays for credit, then tries again after the delay.
    TopUpThenRetry,
    /// Tries again after the delay with a payment for this very call, as every further attempt has it; a call is paid once,
    /// so a 402 to that ends it.
    PayOnce,
}

// === Presets ===

const fn ms(ms: u64) -> Span {
    Span::from_ns(ms * 1_000_000)
}

const fn statuses<const N: usize>(statuses: [u16; N]) -> Failures {
    let mut set = Failures::NONE;
    let mut i = 0;
    while i < N {
        set = set.and(Failures::status(statuses[i]));
        i += 1;
    }
    set
}

/// One attempt: what the presets differ from.
const ONCE: Retry = Retry {
    method: Method::Post,
    on: Failures::NONE,
    only_idempotent: Failures::NONE,
    only_with_retry_after: Failures::NONE,
    attempts: 1,
    give_up_after: None,
    delay: Delay::constant(Span::ZERO),
    retry_after: None,
    hint: Hint::None,
    tokens: None,
};

/// What the two generated SDKs have in common.
const STAINLESS: Retry = Retry {
    on: Failures::CONNECTION.and(statuses([408, 409, 429])).and(Failures::SERVER),
    attempts: 3,
    delay: Delay::doubling(ms(500), Some(Span::from_secs(8)), Jitter { minus: 0.25, plus: 0.0 }),
    hint: Hint::XShouldRetry,
    ..ONCE
};

impl Client {
    /// The names of the presets, `none` first.
    pub const PRESETS: [&'static str; 13] = [
        "none",
        "openai-python",
        "anthropic-python",
        "stripe",
        "aws-standard",
        "aws-legacy",
        "google-api-core",
        "langchain",
        "requests-urllib3",
        "reqwest-retry",
        "axios-retry",
        "vercel-ai",
        "naive-loop",
    ];

    /// One attempt for each call.
    pub const fn none() -> Self {
        Self { retry: ONCE, on_402: On402::Fail, timeout: None }
    }

    /// The client of this name; `None` when there is none. None of them has a timeout: what the libraries wait by default,
    /// ten minutes and more, is longer than a call holds what it may use.
    pub const fn preset(name: &str) -> Option<Self> {
        let retry = match name.as_bytes() {
            b"none" => ONCE,
            b"openai-python" => OPENAI,
            b"anthropic-python" => ANTHROPIC,
            b"stripe" => STRIPE,
            b"aws-standard" => AWS_STANDARD,
            b"aws-legacy" => AWS_LEGACY,
            b"google-api-core" => GOOGLE,
            b"langchain" => LANGCHAIN,
            b"requests-urllib3" => URLLIB3,
            b"reqwest-retry" => REQWEST,
            b"axios-retry" => AXIOS,
            b"vercel-ai" => VERCEL,
            b"naive-loop" => NAIVE,
            _ => return None,
        };
        Some(Self { retry, on_402: On402::Fail, timeout: None })
    }
}

/// `openai` 3.52.0, `_base_client.py`: a `Retry-After` over two minutes ends it before the hint is looked at.
const OPENAI: Retry =
    Retry { retry_after: Some(RetryAfter { up_to: Some(Span::from_secs(120)), ..RetryAfter::HONOUR }), ..STAINLESS };

/// `anthropic` 2.11.0, `_base_client.py`: waits what it is told, at most 2³² ms, in whole seconds.
const ANTHROPIC: Retry = Retry {
    retry_after: Some(RetryAfter {
        up_to: Some(Span::from_secs(4_294_967)),
        beyond: Beyond::Cap,
        ..RetryAfter::HONOUR
    }),
    ..STAINLESS
};

/// `stripe` (Python) 16.1.0, `_http_client.py`; its module's two retries, which a `StripeClient` has only when told.
const STRIPE: Retry = Retry {
    on: Failures::CONNECTION.and(statuses([409])).and(Failures::SERVER),
    attempts: 3,
    delay: Delay { shortest: ms(500), ..Delay::doubling(ms(500), Some(Span::from_secs(5)), Jitter::EQUAL) },
    hint: Hint::StripeShouldRetry,
    ..ONCE
};

/// `botocore`'s standard mode as it was until 2026: throttling is told by codes in the body, which no gateway of ours
/// sends, so 429 is not tried again. What got no answer pays as a timeout.
const AWS_STANDARD: Retry = Retry {
    on: Failures::CONNECTION.and(statuses([500, 502, 503, 504])),
    attempts: 3,
    delay: Delay::doubling(Span::from_secs(1), Some(Span::from_secs(20)), Jitter::FULL),
    tokens: Some(Tokens { most: 500, retry: 5, connection: 10, success: 1 }),
    ..ONCE
};

/// `botocore` 1.44.5, `_retry.json`, by default.
const AWS_LEGACY: Retry = Retry {
    on: Failures::CONNECTION.and(statuses([429, 500, 502, 503, 504, 509])),
    attempts: 5,
    delay: Delay::doubling(Span::from_secs(1), None, Jitter::FULL),
    ..ONCE
};

/// `google-api-core` 2.44.0, `retry_base.py`: time ends it, not a number.
const GOOGLE: Retry = Retry {
    on: Failures::CONNECTION.and(statuses([429, 500, 503])),
    attempts: Retry::ATTEMPTS_MAX,
    give_up_after: Some(Span::from_secs(120)),
    delay: Delay::doubling(Span::from_secs(1), Some(Span::from_secs(60)), Jitter::FULL),
    ..ONCE
};

/// `@langchain/core` 1.4.0, `async_caller` with its own copy of `p-retry`: a 429 is tried again only where it says when,
/// and that is within a minute. What else its body may say of quotas is not looked at here.
const LANGCHAIN: Retry = Retry {
    on: Failures::CONNECTION
        .and(Failures::CLIENT.without(statuses([400, 401, 402, 403, 404, 405, 406, 407, 409, 413])))
        .and(Failures::SERVER),
    only_with_retry_after: statuses([429]),
    attempts: 7,
    delay: Delay::doubling(Span::from_secs(1), None, Jitter { minus: 0.0, plus: 1.0 }),
    retry_after: Some(RetryAfter {
        of: statuses([429]),
        up_to: Some(Span::from_secs(60)),
        beyond: Beyond::GiveUp,
        at_least_delay: true,
    }),
    ..ONCE
};

/// `urllib3` 2.8.0, `Retry(3)` with all else by default, as mounted on a session of `requests`, which by itself does not
/// retry at all. A POST is never repeated once it has been sent.
const URLLIB3: Retry = Retry {
    on: Failures::CONNECTION.and(statuses([413, 429, 503])),
    only_idempotent: Failures::CONNECTION.and(statuses([413, 429, 503])),
    only_with_retry_after: statuses([413, 429, 503]),
    attempts: 4,
    delay: Delay::constant(Span::ZERO),
    retry_after: Some(RetryAfter { up_to: Some(Span::from_secs(21_600)), beyond: Beyond::Cap, ..RetryAfter::HONOUR }),
    ..ONCE
};

/// `reqwest-retry` with the `ExponentialBackoff` of `retry-policies` and its bounds by default. How often is the user's to
/// say there; the three retries are ours.
const REQWEST: Retry = Retry {
    on: Failures::CONNECTION.and(statuses([408, 429])).and(Failures::SERVER),
    attempts: 4,
    delay: Delay::doubling(Span::from_secs(1), Some(Span::from_secs(1_800)), Jitter::FULL),
    ..ONCE
};

/// `axios-retry` 4.5.0: no wait but what it is told. An answer to a POST is final; a broken connection is not.
const AXIOS: Retry = Retry {
    on: Failures::CONNECTION.and(statuses([429])).and(Failures::SERVER),
    only_idempotent: statuses([429]).and(Failures::SERVER),
    attempts: 4,
    delay: Delay::constant(Span::ZERO),
    retry_after: Some(RetryAfter::HONOUR),
    ..ONCE
};

/// `ai` 6.0.326: less than a minute, of which the headers tell whole milliseconds.
const VERCEL: Retry = Retry {
    on: Failures::CONNECTION.and(statuses([408, 409, 429])).and(Failures::SERVER),
    attempts: 3,
    delay: Delay::doubling(Span::from_secs(2), None, Jitter::NONE),
    retry_after: Some(RetryAfter { up_to: Some(ms(59_999)), beyond: Beyond::Delay, ..RetryAfter::HONOUR }),
    ..ONCE
};

/// Ours: a loop around the call that knows no kinds of failure. Whatever fails is tried again a second later, 402
/// included; thirty attempts, or a minute.
const NAIVE: Retry = Retry {
    on: Failures::CONNECTION.and(Failures::CLIENT).and(Failures::SERVER),
    attempts: 30,
    give_up_after: Some(Span::from_secs(60)),
    delay: Delay::constant(Span::from_secs(1)),
    ..ONCE
};
