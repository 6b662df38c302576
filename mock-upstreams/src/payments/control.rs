//! What drives the mock itself: its clock, outages, the customers' authentication, their banks; and its health.

use hyper::Method;
use serde_json::{Map, Value, json};

use super::attempt;
use super::clock::{SpanError, span_ms};
use super::disputes;
use super::error::{ApiError, Outcome};
use super::outage::{How, Outage};
use super::service::{Reply, Whole};
use super::setup_intents;
use super::state::{Origin, State};

/// Where banks take payments back.
pub(super) const DISPUTE: &str = "/_mock/dispute";

/// Answers what is not of the API.
pub(super) fn answer(state: &mut State, request: &Whole) -> Reply {
    let is_post = request.method == Method::POST;
    match (request.path.as_str(), request.method.as_str()) {
        ("/healthz", "GET") => Reply::new(200, &health(state)),
        ("/_mock/clock", "GET") => Reply::new(200, &clock(state)),
        ("/_mock/clock", "POST") => advance(state, request).into(),
        (DISPUTE, "POST") => dispute(state, request).into(),
        ("/_mock/outage", "GET") => Reply::new(200, &state.outage.render(state.clock.now_ms())),
        ("/_mock/outage", "POST") => outage(state, request).into(),
        (path, "GET" | "POST") => match path.strip_prefix("/_mock/authenticate/") {
            Some(id) => authenticate(state, request, id, is_post),
            None => ApiError::no_such_path(request.method.as_str(), path).into(),
        },
        (path, method) => ApiError::no_such_path(method, path).into(),
    }
}

fn health(state: &State) -> Value {
    json!({
        "status": "ok",
        "now": state.clock.now(),
        "objects": state.objects(),
        "events": state.events.len(),
        "requests": state.requests(),
        "webhooks": state.outbox.render(),
    })
}

fn clock(state: &State) -> Value {
    json!({ "now": state.clock.now() })
}

/// Sends the clock ahead.
fn advance(state: &mut State, request: &Whole) -> Outcome {
    let mut fields = Fields::read(request)?;
    let text = fields.text("advance")?.ok_or_else(|| Fields::expected("advance"))?;
    fields.finish()?;
    let ms = span(&text, "advance")?;
    let too_far = || ApiError::invalid(None, "The clock can be a hundred years ahead at most.").about("advance");
    state.clock.advance(ms).ok_or_else(too_far)?;
    state.catch_up();
    Ok(clock(state))
}

/// Begins an outage, or ends one where it is for no time at all.
fn outage(state: &mut State, request: &Whole) -> Outcome {
    let mut fields = Fields::read(request)?;
    let text = fields.text("for")?.ok_or_else(|| Fields::expected("for"))?;
    let how = match fields.text("how")?.as_deref() {
        None => How::default(),
        Some(name) => How::named(name)
            .ok_or_else(|| ApiError::invalid(None, "Invalid how: must be \"503\" or \"reset\"").about("how"))?,
    };
    fields.finish()?;
    let now_ms = state.clock.now_ms();
    state.outage = Outage::until(now_ms.saturating_add(span(&text, "for")?), how);
    Ok(state.outage.render(now_ms))
}

/// The bank of whoever has paid takes a payment back. Asked again, it is the same dispute.
fn dispute(state: &mut State, request: &Whole) -> Outcome {
    let mut fields = Fields::read(request)?;
    let intent = fields.text("payment_intent")?.ok_or_else(|| Fields::expected("payment_intent"))?;
    fields.finish()?;
    state.request = Origin { at: state.clock.now(), ..Origin::default() };
    disputes::open(state, &intent)
}

fn span(text: &str, field: &str) -> Outcome<i64> {
    span_ms(text).map_err(|error| {
        let message = match error {
            SpanError::Form => format!(
                "`{text}` is no time: expected a whole number and its unit (ms, s, m, h, d, w), such as \"30d\""
            ),
            SpanError::TooLong => {
                format!("`{text}` is beyond what the clock can show: it can be a hundred years ahead at most")
            }
        };
        ApiError::invalid(None, message).about(field)
    })
}

/// The page of the customer's bank: whoever comes to it has authenticated, or has failed to with `?outcome=fail`.
fn authenticate(state: &mut State, request: &Whole, id: &str, is_post: bool) -> Reply {
    let succeeds = match request.query.as_str() {
        "" | "outcome=succeed" => true,
        "outcome=fail" => false,
        _ => return ApiError::invalid(None, "Invalid outcome: must be succeed or fail").about("outcome").into(),
    };
    state.request = Origin { at: state.clock.now(), ..Origin::default() };
    let is_setup = id.starts_with("seti_");
    let (outcome, back) = if is_setup {
        let outcome = setup_intents::authenticated(state, id, succeeds);
        (outcome, state.setups.get(id).and_then(|intent| intent.return_url.clone()))
    } else {
        let outcome = attempt::authenticated(state, id, succeeds);
        (outcome, state.payments.get(id).and_then(|intent| intent.return_url.clone()))
    };
    let is_done = outcome.is_ok();
    let mut reply = Reply::from(outcome);
    // A browser is sent back to the shop.
    if let Some(back) = back.filter(|_| is_done && !is_post) {
        let gap = if back.contains('?') { '&' } else { '?' };
        let name = if is_setup { "setup_intent" } else { "payment_intent" };
        reply.status = 302;
        reply.location = Some(format!("{back}{gap}{name}={id}"));
    }
    reply
}

/// The fields of a small JSON object.
struct Fields(Map<String, Value>);

impl Fields {
    fn read(request: &Whole) -> Outcome<Self> {
        match serde_json::from_slice(&request.body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            _ => Err(ApiError::invalid(None, "The body has to be a JSON object, such as {\"advance\": \"30d\"}.")),
        }
    }

    fn text(&mut self, field: &str) -> Outcome<Option<String>> {
        match self.0.remove(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => {
                let message = format!("Invalid {field}: expected a text in quotes, found {other}");
                Err(ApiError::invalid(None, message).about(field))
            }
        }
    }

    fn expected(field: &str) -> ApiError {
        ApiError::invalid(Some("parameter_missing"), format!("Missing required param: {field}.")).about(field)
    }

    fn finish(self) -> Outcome<()> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(field) => {
                let message = format!("Received unknown parameter: {field}");
                Err(ApiError::invalid(Some("parameter_unknown"), message).about(field))
            }
        }
    }
}
