//! Why a request was not served. Every refusal has exactly one cause; each has a default status and a kind.

/// The cause of a refusal (answered by the gateway before it forwards) or of a failure (what goes wrong after).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Cause {
    /// The request carries no key.
    NoCredential,
    /// Nobody has this key.
    UnknownCredential,
    /// There is no such route.
    RouteNotFound,
    /// The plan does not cover the route.
    RouteNotInPlan,
    /// A paid plan was started without a payment method.
    NoPaymentMethod,
    /// The first invoice at sign-up was not paid.
    FirstPaymentFailed,
    /// The trial ended without a payment method.
    TrialEnded,
    /// A renewal was declined, and grace is over.
    PastDue,
    /// The dunning run ended without payment; the policy is `unpaid`.
    Unpaid,
    /// The subscription was canceled.
    Canceled,
    /// A payment that was taken back suspends the service.
    BillingHold,
    /// Requests come faster than a limit allows.
    RateLimited,
    /// Too many calls are in flight.
    ConcurrencyLimited,
    /// The allowance of the period is used up.
    QuotaExhausted,
    /// The usage charges of the period would pass the cap.
    SpendCap,
    /// The prepaid balance does not cover the quote.
    CreditExhausted,
    /// A payment is asked for this very request (x402, MPP).
    PaymentRequired,
    /// Billing does not answer, and the gateway fails closed.
    BillingUnavailable,
    /// A misconfigured rule asks payment of the wrong people.
    PolicyError,
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

/// How an attempt that was admitted has failed, as its client hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// The number of the hop of its path that failed.
    pub hop: u8,
    /// Why.
    pub cause: Cause,
    /// The status that the client is answered with; what an upstream said is passed on.
    pub status: u16,
}

impl Failure {
    /// The client has waited no longer. There is no status: nobody hears one; 499 is what a log shows.
    pub const GAVE_UP: Self = Self::lost(Cause::ClientAbort);

    /// A hop has answered with a status of failure.
    pub fn answered(hop: u8, status: u16) -> Self {
        Self { hop, cause: Cause::of_answer(status).unwrap_or(Cause::UpstreamError), status }
    }

    /// There is no answer, or not all of it: the gateway says so itself.
    pub const fn lost(cause: Cause) -> Self {
        Self { hop: 0, cause, status: cause.status() }
    }
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

/// How many kinds there are.
pub const KINDS: usize = 4;

impl Kind {
    /// Every kind, in the order of its index.
    pub const ALL: [Self; KINDS] = [Self::Auth, Self::Billing, Self::Limit, Self::Upstream];

    /// Its name in scenarios and outcomes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Billing => "billing",
            Self::Limit => "limit",
            Self::Upstream => "upstream",
        }
    }
}

/// How many causes there are.
pub const CAUSES: usize = 24;

/// What is said of a cause.
struct Entry {
    cause: Cause,
    name: &'static str,
    status: u16,
    kind: Kind,
}

/// The causes, in the order of their index.
const TABLE: [Entry; CAUSES] = {
    const fn entry(cause: Cause, name: &'static str, status: u16, kind: Kind) -> Entry {
        Entry { cause, name, status, kind }
    }
    [
        entry(Cause::NoCredential, "no_credential", 401, Kind::Auth),
        entry(Cause::UnknownCredential, "unknown_credential", 401, Kind::Auth),
        entry(Cause::RouteNotFound, "route_not_found", 404, Kind::Auth),
        entry(Cause::RouteNotInPlan, "route_not_in_plan", 403, Kind::Billing),
        entry(Cause::NoPaymentMethod, "no_payment_method", 402, Kind::Billing),
        entry(Cause::FirstPaymentFailed, "first_payment_failed", 402, Kind::Billing),
        entry(Cause::TrialEnded, "trial_ended", 402, Kind::Billing),
        entry(Cause::PastDue, "past_due", 402, Kind::Billing),
        entry(Cause::Unpaid, "unpaid", 402, Kind::Billing),
        entry(Cause::Canceled, "canceled", 402, Kind::Billing),
        entry(Cause::BillingHold, "billing_hold", 402, Kind::Billing),
        entry(Cause::RateLimited, "rate_limited", 429, Kind::Limit),
        entry(Cause::ConcurrencyLimited, "concurrency_limited", 429, Kind::Limit),
        entry(Cause::QuotaExhausted, "quota_exhausted", 402, Kind::Billing),
        entry(Cause::SpendCap, "spend_cap", 402, Kind::Billing),
        entry(Cause::CreditExhausted, "credit_exhausted", 402, Kind::Billing),
        entry(Cause::PaymentRequired, "payment_required", 402, Kind::Billing),
        entry(Cause::BillingUnavailable, "billing_unavailable", 503, Kind::Billing),
        entry(Cause::PolicyError, "policy_error", 402, Kind::Billing),
        entry(Cause::Upstream402, "upstream_402", 402, Kind::Upstream),
        entry(Cause::Upstream4xx, "upstream_4xx", 400, Kind::Upstream),
        entry(Cause::UpstreamError, "upstream_error", 502, Kind::Upstream),
        entry(Cause::UpstreamTimeout, "upstream_timeout", 504, Kind::Upstream),
        entry(Cause::ClientAbort, "client_abort", 499, Kind::Upstream),
    ]
};

impl Cause {
    /// Every cause, in the order of its index.
    pub const ALL: [Self; CAUSES] = {
        let mut all = [Self::NoCredential; CAUSES];
        let mut i = 0;
        while i < CAUSES {
            all[i] = TABLE[i].cause;
            i += 1;
        }
        all
    };

    /// The cause of a failure that an upstream answers with this status; `None`: that is no failure. An upstream's own 504
    /// is an error of that upstream: only what the gateway has waited for in vain has timed out.
    pub const fn of_answer(status: u16) -> Option<Self> {
        match status {
            402 => Some(Self::Upstream402),
            400..=499 => Some(Self::Upstream4xx),
            500.. => Some(Self::UpstreamError),
            _ => None,
        }
    }

    /// The cause of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }

    /// Its place in [`Cause::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name in scenarios, outcomes and 402 bodies.
    pub const fn name(self) -> &'static str {
        TABLE[self as usize].name
    }

    /// The family it belongs to.
    pub const fn kind(self) -> Kind {
        TABLE[self as usize].kind
    }

    /// The HTTP status that the gateway answers with, unless the scenario's `refusals` say otherwise. What an upstream
    /// itself said is passed on, and a client that went away gets nothing; for those this is only what a log shows.
    pub const fn status(self) -> u16 {
        TABLE[self as usize].status
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
