//! What the gateway answers itself: RFC 9457 problem details.

use bytes::Bytes;
use farebox_engine::billing::cause::Cause;
use farebox_engine::time::{SECOND, Span};
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::json;

/// Names the cause of an answer that the gateway gave itself, so that a client need not parse the body.
pub(crate) const CAUSE: HeaderName = HeaderName::from_static("farebox-cause");

/// The answer to a request that is not forwarded, or whose upstream failed, with the status that the scenario gives the
/// cause. `wait` says when waiting alone will help.
pub(crate) fn problem(cause: Cause, status: u16, wait: Option<Span>) -> Response<Full<Bytes>> {
    let body = json!({
        "type": format!("urn:farebox:problem:{}", cause.name()),
        "title": title(cause),
        "status": status,
        "code": cause.name(),
        "retryable": wait.is_some() || retryable(cause),
    });
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).expect("statuses are checked when the scenario is read");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CAUSE, HeaderValue::from_static(cause.name()));
    if let Some(wait) = wait {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.ns() / SECOND));
    }
    response
}

/// Whether the same request can pass later without anybody paying.
fn retryable(cause: Cause) -> bool {
    matches!(cause, Cause::RateLimited | Cause::ConcurrencyLimited | Cause::UpstreamError | Cause::UpstreamTimeout)
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
