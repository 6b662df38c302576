//! Why a request was not served. Every refusal has exactly one cause; each has a default status and a kind.

/// The cause of a refusal (answered by the gateway before it forwards) or of a failure (what goes wrong after).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Cause {
    /// The request carries no key.
    NoCredential,
    /// Nobody has this key.
    UnknownCredential,
    /// A renewal was declined, and grace is over.
    PastDue,
    /// The dunning run ended without payment; the policy is `unpaid`.
    Unpaid,
    /// The subscription was canceled.
    Canceled,
    /// The token bucket is empty.
    RateLimited,
    /// The allowance of the period is used up.
    QuotaExhausted,
    /// The prepaid balance does not cover the quote.
    CreditExhausted,
    /// The upstream answered 402: a service behind the gateway could not pay.
    Upstream402,
    /// The upstream answered another 4xx.
    Upstream4xx,
    /// The upstream could not be reached, broke off, or answered 5xx.
    UpstreamError,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// The client went away before it had the answer.
    ClientAbort,
}

/// What family a cause belongs to, so that a threshold survives a changed status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The credential.
    Auth,
    /// Money: somebody has to pay.
    Billing,
    /// A rate or concurrency limit: waiting helps.
    Limit,
    /// The service behind the gateway.
    Upstream,
}

impl Cause {
    /// Every cause, in the order of its index.
    pub const ALL: [Self; 13] = [
        Self::NoCredential,
        Self::UnknownCredential,
        Self::PastDue,
        Self::Unpaid,
        Self::Canceled,
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::CreditExhausted,
        Self::Upstream402,
        Self::Upstream4xx,
        Self::UpstreamError,
        Self::UpstreamTimeout,
        Self::ClientAbort,
    ];

    /// Its place in [`Cause::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name in scenarios, outcomes and 402 bodies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::UnknownCredential => "unknown_credential",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Canceled => "canceled",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::CreditExhausted => "credit_exhausted",
            Self::Upstream402 => "upstream_402",
            Self::Upstream4xx => "upstream_4xx",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::ClientAbort => "client_abort",
        }
    }

    /// The family it belongs to.
    pub const fn kind(self) -> Kind {
        match self {
            Self::NoCredential | Self::UnknownCredential => Kind::Auth,
            Self::PastDue | Self::Unpaid | Self::Canceled | Self::QuotaExhausted | Self::CreditExhausted => {
                Kind::Billing
            }
            Self::RateLimited => Kind::Limit,
            Self::Upstream402 | Self::Upstream4xx | Self::UpstreamError | Self::UpstreamTimeout | Self::ClientAbort => {
                Kind::Upstream
            }
        }
    }

    /// The HTTP status that the gateway answers with. What an upstream itself said is passed on, and a client that
    /// went away gets nothing; for those this is only what a log shows.
    pub const fn status(self) -> u16 {
        match self {
            Self::NoCredential | Self::UnknownCredential => 401,
            Self::RateLimited => 429,
            Self::Upstream4xx => 400,
            Self::UpstreamError => 502,
            Self::UpstreamTimeout => 504,
            Self::ClientAbort => 499,
            Self::PastDue
            | Self::Unpaid
            | Self::Canceled
            | Self::QuotaExhausted
            | Self::CreditExhausted
            | Self::Upstream402 => 402,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_found_at_its_index() {
        assert!(Cause::ALL.iter().enumerate().all(|(i, cause)| cause.index() == i));
    }
}
