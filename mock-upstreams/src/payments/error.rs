//! What a request is refused with, in the shape that Stripe's libraries read.

use serde_json::{Map, Value, json};

use super::command::PaymentCommand;

/// What most endpoints end in.
pub(super) type Outcome<T = Value> = Result<T, ApiError>;

/// An answer that is an error. It is one pointer, so that results stay small.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ApiError(Box<Fields>);

#[derive(Clone, Debug, PartialEq)]
struct Fields {
    status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    decline_code: Option<&'static str>,
    message: String,
    param: Option<String>,
    /// Ids and objects that the error tells beside, such as `payment_intent`.
    beside: Vec<(&'static str, Value)>,
    /// Whether it was found before anything was executed: an idempotency key does not keep such an answer.
    is_early: bool,
}

impl ApiError {
    fn new(status: u16, kind: &'static str, code: Option<&'static str>, message: impl Into<String>) -> Self {
        let message = message.into();
        let beside = Vec::new();
        Self(Box::new(Fields { status, kind, code, decline_code: None, message, param: None, beside, is_early: false }))
    }

    /// The request cannot be understood: found before it was executed.
    pub(super) fn invalid(code: Option<&'static str>, message: impl Into<String>) -> Self {
        let mut error = Self::new(400, INVALID, code, message);
        error.0.is_early = true;
        error
    }

    /// The request was understood, and cannot be done to the objects as they are.
    pub(super) fn refused(code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self::new(400, INVALID, code, message)
    }

    /// There is no such object: 404 where its id is in the path, 400 where a parameter names it.
    pub(super) fn missing(label: &str, id: &str, param: &str, is_in_path: bool) -> Self {
        let status = if is_in_path { 404 } else { 400 };
        let message = format!("No such {label}: '{id}'");
        Self::new(status, INVALID, Some("resource_missing"), message).about(param)
    }

    /// Nothing is at this path, or nothing takes this method.
    pub(super) fn no_such_path(method: &str, path: &str) -> Self {
        let message = format!(
            "Unrecognized request URL ({method}: {path}). This mock plays a part of Stripe's API, which docs/PAYMENTS.md \
             lists."
        );
        Self::early(404, INVALID, None, message)
    }

    /// Nobody has said who asks, or somebody whom the mock does not serve.
    pub(super) fn unauthorised(message: impl Into<String>) -> Self {
        Self::early(401, INVALID, None, message)
    }

    /// The body is longer than the mock reads.
    pub(super) fn too_long(most: usize) -> Self {
        Self::early(413, INVALID, None, format!("The body of a request may have {most} bytes at most."))
    }

    /// The mock holds all that it may, or might hold more with what the request makes; `held` says of what, and how many
    /// at most.
    pub(super) fn full(held: &str) -> Self {
        let message = format!(
            "This mock holds {held}. Restart it, delete customers' test clocks, or give it more with --max-objects."
        );
        Self::early(400, INVALID, Some("mock_is_full"), message)
    }

    /// A key was used before for something else.
    pub(super) fn key_reused(message: String) -> Self {
        Self::early(400, "idempotency_error", None, message)
    }

    /// The request that the key belongs to is still being executed.
    pub(super) fn key_in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key (that probably means you submitted \
             twice, and the other request is still going through): {key}. Please try again later."
        );
        Self::early(409, INVALID, Some("idempotency_key_in_use"), message)
    }

    /// A driven fault with this status: 429 or one of the 500s.
    pub(super) fn driven(status: u16) -> Self {
        if status == 429 {
            return Self::early(429, INVALID, Some("rate_limit"), "Request rate limit exceeded.");
        }
        let message = "An unknown error occurred: the mock was told to fail a share of all requests (--errors).";
        Self::new(status, "api_error", None, message)
    }

    /// The mock was told to fail this payment, before anything was done.
    pub(super) fn commanded() -> Self {
        let message = "An unknown error occurred: the mock was told to fail this payment.";
        Self::new(503, "api_error", Some(PaymentCommand::ERROR_CODE), message)
    }

    /// The mock plays an outage.
    pub(super) fn outage() -> Self {
        Self::early(503, "api_error", None, "The mock plays an outage (POST /_mock/outage).")
    }

    /// The card does not pay.
    pub(super) fn card(code: &'static str, decline_code: Option<&'static str>, message: &str) -> Self {
        let mut error = Self::new(402, "card_error", Some(code), message);
        error.0.decline_code = decline_code;
        error
    }

    fn early(status: u16, kind: &'static str, code: Option<&'static str>, message: impl Into<String>) -> Self {
        let mut error = Self::new(status, kind, code, message);
        error.0.is_early = true;
        error
    }

    /// Names the parameter that it is about.
    pub(super) fn about(mut self, param: &str) -> Self {
        self.0.param = Some(param.to_owned());
        self
    }

    /// Tells something beside.
    pub(super) fn beside(mut self, name: &'static str, value: Value) -> Self {
        self.0.beside.push((name, value));
        self
    }

    /// The status of the answer.
    pub(super) fn status(&self) -> u16 {
        self.0.status
    }

    /// Whether it was found before anything was executed.
    pub(super) fn is_early(&self) -> bool {
        self.0.is_early
    }

    /// What is inside of the answer's `error`.
    pub(super) fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut tell = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        tell("type", self.0.kind.into());
        tell("message", self.0.message.as_str().into());
        if let Some(code) = self.0.code {
            tell("code", code.into());
            tell("doc_url", format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")).into());
        }
        if let Some(code) = self.0.decline_code {
            tell("decline_code", code.into());
        }
        if let Some(param) = &self.0.param {
            tell("param", param.as_str().into());
        }
        for (name, value) in &self.0.beside {
            tell(name, value.clone());
        }
        fields
    }

    /// The whole answer.
    pub(super) fn body(&self) -> Value {
        json!({ "error": self.fields() })
    }
}

const INVALID: &str = "invalid_request_error";
