//! What the gateway answers itself: RFC 9457 problem details, or the words of a vendor whose clients are to be tried.
//!
//! Every answer is made once, when the gateway starts. A refused request copies a reference to it; only where an account
//! says how the refusal is mended, a problem is written with that.

use std::fmt::Write as _;

use bytes::Bytes;
use farebox_engine::billing::cause::{Cause, Kind};
use farebox_engine::billing::decline::Decline;
use farebox_engine::model::{Dialect, Limit, PastAllowance, Rate, Scenario};
use farebox_engine::money::{Currency, Money};
use farebox_engine::time::{SECOND, Span};
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::amount::decimal;
use action::{action, action_for_credit};

mod action;

/// Names the cause of an answer that the gateway gave itself, so that a client need not parse the body.
pub(crate) const CAUSE: HeaderName = HeaderName::from_static("farebox-cause");
/// draft-ietf-httpapi-ratelimit-headers-10: the limit, and what is left of it.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// See [`RATE_LIMIT_POLICY`].
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Where the gateway sells credit; no route of a scenario begins so.
pub(crate) const TOP_UP: &str = "/.well-known/farebox/top-up";

/// Why something is no request that an account could hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Its body is longer than the gateway takes.
    BodyTooLong,
    /// Its body is none, or breaks off.
    BodyBroken,
    /// It asks for a tunnel.
    Connect,
    /// It names two hosts.
    TwoHosts,
}

impl Rejection {
    /// Every one, in the order of its index.
    pub const ALL: [Self; 4] = [Self::BodyTooLong, Self::BodyBroken, Self::Connect, Self::TwoHosts];

    /// Its name in problem types and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BodyTooLong => "body_too_long",
            Self::BodyBroken => "body_broken",
            Self::Connect => "connect",
            Self::TwoHosts => "two_hosts",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::BodyTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Connect => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyBroken | Self::TwoHosts => StatusCode::BAD_REQUEST,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::BodyTooLong => "The body of the request is too long",
            Self::BodyBroken => "The body of the request is broken",
            Self::Connect => "The gateway opens no tunnels",
            Self::TwoHosts => "The request names more than one host",
        }
    }
}

/// Every answer that the gateway can give itself.
#[derive(Debug)]
pub(crate) struct Answers {
    /// By cause; for one where waiting alone will help, the second.
    causes: Vec<[Answer; 2]>,
    /// Of refusals for want of credit, by what is known of how to get some.
    credit: [Bytes; Credit::ALL.len()],
    rejections: Vec<Answer>,
    /// By plan, what a refusal for its rate tells of its only limit.
    policies: Vec<Option<HeaderValue>>,
    dialect: Dialect,
    currency: Currency,
}

/// How a refusal is mended, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amends {
    /// What there is to pay from.
    pub(crate) balance: Option<Money>,
    /// What it takes.
    pub(crate) required: Option<Money>,
    /// When time alone has mended it.
    pub(crate) resets_at: Option<Timestamp>,
    /// Where credit is short, how there can be more.
    pub(crate) credit: Option<Credit>,
    /// Why the card was declined that is to be replaced.
    pub(crate) declined: Option<Decline>,
}

/// How there can be more credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credit {
    /// It can be bought here, at [`TOP_UP`].
    CanBeBought,
    /// There is nothing to buy it with.
    NeedsPaymentMethod,
    /// The card that there is was declined for it.
    NeedsAnotherCard,
}

impl Credit {
    /// Every one, in the order of its index.
    const ALL: [Self; 3] = [Self::CanBeBought, Self::NeedsPaymentMethod, Self::NeedsAnotherCard];
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    kind: HeaderValue,
    body: Bytes,
}

impl Answers {
    /// The answers of a scenario, with the status that it gives each cause.
    pub(crate) fn new(scenario: &Scenario, statuses: &[u16]) -> Self {
        let dialect = scenario.gateway.dialect;
        let causes = Cause::ALL.iter().zip(statuses).map(|(cause, status)| {
            [false, true].map(|has_wait| {
                let status = StatusCode::from_u16(*status).expect("statuses are checked when the scenario is read");
                let (kind, body) = body(dialect, *cause, status.as_u16(), has_wait);
                Answer { status, kind: HeaderValue::from_static(kind), body: body.to_string().into() }
            })
        });
        let policies = (0..scenario.plans.len()).map(|plan| policy(scenario, plan));
        Self {
            causes: causes.collect(),
            credit: Credit::ALL.map(|credit| {
                let status = statuses[Cause::CreditExhausted.index()];
                problem_of_credit(credit, status).to_string().into()
            }),
            rejections: Rejection::ALL.into_iter().map(rejected).collect(),
            policies: policies.collect(),
            dialect,
            currency: scenario.currency,
        }
    }

    /// The answer to a request that is not forwarded, or whose upstream failed. `wait` says when waiting alone will help.
    pub(crate) fn refuse(&self, cause: Cause, wait: Option<Span>) -> Response<Full<Bytes>> {
        let mut response = self.causes[cause.index()][usize::from(wait.is_some())].response();
        let headers = response.headers_mut();
        headers.insert(CAUSE, HeaderValue::from_static(cause.name()));
        if let Some(wait) = wait {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.ns() / SECOND));
        }
        response
    }

    /// Whether a refusal is written with how it is mended: vendors have no words for that.
    pub(crate) fn tells_amends(&self, cause: Cause) -> bool {
        self.dialect == Dialect::Problem && cause.kind() == Kind::Billing
    }

    /// As [`Self::refuse`], with how that is mended.
    pub(crate) fn refuse_with(&self, cause: Cause, wait: Option<Span>, amends: Amends) -> Response<Full<Bytes>> {
        let mut response = self.refuse(cause, wait);
        if amends != Amends::default() {
            let body = match amends.credit {
                Some(credit) => &self.credit[credit as usize],
                None => &self.causes[cause.index()][usize::from(wait.is_some())].body,
            };
            *response.body_mut() = Full::new(amended(body, amends, self.currency));
        }
        response
    }

    /// Tells of the limit of a plan that has refused a request for its rate, where it can have been only one.
    pub(crate) fn add_policy<B>(&self, plan: usize, wait: Option<Span>, response: &mut Response<B>) {
        let (Some(policy), Some(wait)) = (&self.policies[plan], wait) else { return };
        let left = format!("\"rate\";r=0;t={}", wait.ns() / SECOND);
        let headers = response.headers_mut();
        headers.insert(RATE_LIMIT_POLICY, policy.clone());
        headers.insert(RATE_LIMIT, HeaderValue::try_from(left).expect("digits are a header value"));
    }

    /// The answer to what is no request. The connection is closed, because what follows may not be one either.
    pub(crate) fn reject(&self, rejection: Rejection) -> Response<Full<Bytes>> {
        let mut response = self.rejections[rejection as usize].response();
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

impl Answer {
    fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body.clone()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.kind.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

const PROBLEM: &str = "application/problem+json";
const JSON: &str = "application/json";

fn rejected(rejection: Rejection) -> Answer {
    let body = json!({
        "type": format!("urn:farebox:problem:{}", rejection.name()),
        "title": rejection.title(),
        "status": rejection.status().as_u16(),
        "code": rejection.name(),
        "retryable": false,
    });
    Answer { status: rejection.status(), kind: HeaderValue::from_static(PROBLEM), body: body.to_string().into() }
}

/// The media type and the body of an answer.
fn body(dialect: Dialect, cause: Cause, status: u16, has_wait: bool) -> (&'static str, Value) {
    match dialect {
        Dialect::Problem => (PROBLEM, problem(cause, status, has_wait)),
        Dialect::OpenAi429 => (JSON, openai(cause)),
        Dialect::OpenRouter402 => (JSON, openrouter(cause, status)),
    }
}

/// RFC 9457 §3.1; `code`, `retryable` and `action` are extension members.
fn problem(cause: Cause, status: u16, has_wait: bool) -> Value {
    json!({
        "type": format!("urn:farebox:problem:{}", cause.name()),
        "title": title(cause),
        "status": status,
        "detail": detail(cause, has_wait),
        "code": cause.name(),
        "retryable": has_wait || is_retryable(cause),
        "action": action(cause, has_wait),
    })
}

/// The problem of a call that credit does not cover, where it is known how there can be more.
fn problem_of_credit(credit: Credit, status: u16) -> Value {
    let mut problem = problem(Cause::CreditExhausted, status, false);
    problem["action"] = action_for_credit(credit);
    match credit {
        Credit::CanBeBought => problem["top_up_url"] = json!(TOP_UP),
        Credit::NeedsPaymentMethod => problem["detail"] = json!("Add a payment method, and buy credit."),
        Credit::NeedsAnotherCard => {
            problem["detail"] = json!("The card was declined for credit: put in another one, and buy credit.");
        }
    }
    problem
}

/// A problem with more members: amounts as decimal numbers of the major unit in strings, and a time as RFC 3339 has it.
fn amended(problem: &[u8], amends: Amends, currency: Currency) -> Bytes {
    let Amends { balance, required, resets_at, credit: _, declined } = amends;
    let whole = std::str::from_utf8(problem).expect("it was written as text");
    let mut text = whole.strip_suffix('}').expect("a problem is an object").to_owned();
    let mut member = |name: &str, value: &dyn std::fmt::Display| {
        write!(text, ",\"{name}\":\"{value}\"").expect("a String takes everything");
    };
    let amounts = [("balance", balance), ("required", required)];
    let mut has_amount = false;
    for (name, amount) in amounts.into_iter().filter_map(|(name, amount)| Some((name, amount?))) {
        member(name, &decimal(amount, currency));
        has_amount = true;
    }
    if has_amount {
        member("currency", &currency.code);
    }
    if let Some(at) = resets_at {
        member("resets_at", &at);
    }
    if let Some(why) = declined {
        member("decline_code", &why.name());
    }
    text.push('}');
    text.into()
}

/// How `OpenAI` writes its errors: `type` and `code` tell them apart, and what billing refuses is `insufficient_quota`,
/// whose `code` says which limit it was.
fn openai(cause: Cause) -> Value {
    let (kind, code) = match (cause, cause.kind()) {
        (Cause::NoCredential, _) => ("invalid_request_error", Value::Null),
        (Cause::UnknownCredential, _) => ("invalid_request_error", json!("invalid_api_key")),
        (Cause::RouteNotFound, _) => ("invalid_request_error", json!("unknown_url")),
        (Cause::SpendCap, _) => ("insufficient_quota", json!("organization_spend_limit_exceeded")),
        (Cause::QuotaExhausted, _) => ("insufficient_quota", json!("organization_usage_limit_exceeded")),
        (Cause::BillingUnavailable, _) | (_, Kind::Upstream) => ("server_error", Value::Null),
        (Cause::RouteNotInPlan, _) => ("invalid_request_error", json!("model_not_found")),
        (_, Kind::Limit) => ("requests", json!("rate_limit_exceeded")),
        _ => ("insufficient_quota", json!("credit_balance_exhausted")),
    };
    json!({ "error": { "message": title(cause), "type": kind, "param": null, "code": code } })
}

/// How `OpenRouter` writes its errors: the status again, and for what the credit or the limit of a key refuses, which of
/// the two it was.
fn openrouter(cause: Cause, status: u16) -> Value {
    let source = match cause {
        Cause::CreditExhausted | Cause::PaymentRequired => Some("openrouter_credits"),
        Cause::SpendCap | Cause::QuotaExhausted => Some("openrouter_key_limit"),
        _ => None,
    };
    match source {
        Some(source) => {
            json!({ "error": { "code": status, "message": title(cause), "metadata": { "limit_source": source } } })
        }
        None => json!({ "error": { "code": status, "message": title(cause) } }),
    }
}

/// What a plan's only limit is, where no other can have refused, and no change of the plan replaces it.
fn policy(scenario: &Scenario, index: usize) -> Option<HeaderValue> {
    let plan = &scenario.plans[index];
    let is_throttled = matches!(plan.past_allowance, PastAllowance::Throttle(_));
    let changes = scenario.changes.iter().any(|change| change.plan == index);
    let mut rates = plan.limits.iter().filter_map(|limit| match *limit {
        Limit::TokenBucket { rate, .. }
        | Limit::LeakyBucket { rate, .. }
        | Limit::FixedWindow(rate)
        | Limit::SlidingWindow(rate) => Some(rate),
        Limit::Concurrency(_) => None,
    });
    let (Some(Rate { requests, per }), None, false, false) = (rates.next(), rates.next(), is_throttled, changes) else {
        return None;
    };
    let seconds = per.ns() / SECOND;
    let is_whole = seconds > 0 && per.ns().is_multiple_of(SECOND);
    is_whole.then(|| HeaderValue::try_from(format!("\"rate\";q={requests};w={seconds}")).expect("digits"))
}

/// Whether the same request can pass later without anybody paying, though nobody knows when.
fn is_retryable(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::RateLimited
            | Cause::ConcurrencyLimited
            | Cause::BillingUnavailable
            | Cause::UpstreamError
            | Cause::UpstreamTimeout
    )
}

/// What the client can do about it.
fn detail(cause: Cause, has_wait: bool) -> &'static str {
    match (cause, cause.kind()) {
        (Cause::FirstPaymentFailed | Cause::PastDue | Cause::Unpaid, _) if has_wait => {
            "A payment is under way: wait as long as Retry-After says, and send the request again."
        }
        (Cause::CreditExhausted, _) if has_wait => {
            "Credit is being bought: wait as long as Retry-After says, and send the request again."
        }
        _ if has_wait => "Wait as long as Retry-After says, and send the request again.",
        (Cause::NoCredential | Cause::UnknownCredential, _) => {
            "Send a key that is known, as x-api-key or as a bearer token."
        }
        (Cause::RouteNotFound, _) => "Call a route that there is.",
        (Cause::RouteNotInPlan, _) => "Change to a plan that covers the route.",
        (Cause::NoPaymentMethod, _) => "Add a payment method.",
        (Cause::QuotaExhausted, _) => "Change to a plan with a larger allowance, or wait for the next period.",
        (Cause::SpendCap, _) => "Raise the cap, or wait for the next period.",
        (Cause::CreditExhausted, _) => "Buy credit.",
        (Cause::BillingUnavailable, _) => "Send the request again later.",
        (Cause::PolicyError, _) => "Ask whoever runs the gateway: the account is in order.",
        (Cause::Canceled, _) => "Subscribe again.",
        (_, Kind::Limit) => "Send the request again when fewer are under way.",
        (Cause::ClientAbort, _) => "Nobody waits for this answer.",
        (_, Kind::Upstream) => "The call was not billed.",
        _ => "Pay what is due, or change the payment method.",
    }
}

fn title(cause: Cause) -> &'static str {
    match cause {
        Cause::NoCredential => "The request carries no API key",
        Cause::UnknownCredential => "Nobody has this API key",
        Cause::RouteNotFound => "There is no such route",
        Cause::RouteNotInPlan => "The plan does not cover this route",
        Cause::NoPaymentMethod => "There is no payment method",
        Cause::FirstPaymentFailed => "The first payment has not been made",
        Cause::TrialEnded => "The trial has ended",
        Cause::BillingHold => "The account is suspended: a payment was taken back",
        Cause::ConcurrencyLimited => "Too many requests in flight",
        Cause::SpendCap => "The spend cap of this period is reached",
        Cause::PaymentRequired => "This request is to be paid for",
        Cause::BillingUnavailable => "Billing does not answer",
        Cause::PolicyError => "A misconfigured rule asks for payment",
        Cause::PastDue => "The last payment failed and grace is over",
        Cause::Unpaid => "Invoices are unpaid and collecting them has ended",
        Cause::Canceled => "The subscription was canceled",
        Cause::RateLimited => "Too many requests",
        Cause::QuotaExhausted => "The allowance of this period is used up",
        Cause::CreditExhausted => "The prepaid balance does not cover this call",
        Cause::Upstream402 => "A service behind the gateway could not pay",
        Cause::Upstream4xx => "The service refused the request",
        Cause::UpstreamError => "The service could not answer",
        Cause::UpstreamTimeout => "The service did not answer in time",
        Cause::ClientAbort => "The client went away",
    }
}

#[cfg(test)]
mod tests;
