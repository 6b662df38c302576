//! Events: what has happened to objects, kept for 30 days and sent to the webhook. For a driver that commands what happens
//! those alone are kept that the webhook is to be told of, and until it was.

use serde_json::{Value, json};

use super::call::Call;
use super::error::Outcome;
use super::list::Page;
use super::state::Origin;
use super::table::Object;

/// The version of Stripe's API that the mock plays, where a request names none.
pub(super) const VERSION: &str = "2026-10-28.endive";

/// Something that has happened.
#[derive(Clone, Debug)]
pub(super) struct Event {
    id: String,
    pub(super) kind: &'static str,
    created: i64,
    /// As JSON: a text takes a quarter of the memory of a tree.
    data: Box<str>,
    request: String,
    key: Option<String>,
    /// How many webhooks have not taken it.
    pub(super) pending: u32,
    /// Whether a list has begun or ended with it, so that another may go on from there.
    pub(super) is_mark: bool,
    /// By the mock's clock, in seconds: what it is dropped by.
    pub(super) made: i64,
}

/// The kinds of all events that there can be.
const KINDS: [&str; 28] = [
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "payment_method.attached",
    "payment_method.updated",
    "payment_method.detached",
    "setup_intent.created",
    "setup_intent.requires_action",
    "setup_intent.succeeded",
    "setup_intent.setup_failed",
    "setup_intent.canceled",
    "payment_intent.created",
    "payment_intent.requires_action",
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.succeeded",
    "charge.failed",
    "charge.captured",
    "charge.refunded",
    "charge.dispute.created",
    "refund.created",
    "refund.updated",
    "test_helpers.test_clock.created",
    "test_helpers.test_clock.advancing",
    "test_helpers.test_clock.ready",
    "test_helpers.test_clock.deleted",
];

/// Whether any event is of this kind, or of this group of kinds, such as `charge.*`.
pub fn has_kind(asked: &str) -> bool {
    KINDS.iter().any(|kind| matches(asked, kind))
}

impl Event {
    /// An event of now, which no webhook has taken.
    pub(super) fn new(id: String, kind: &'static str, created: i64, data: &Value, origin: &Origin) -> Self {
        debug_assert!(KINDS.contains(&kind), "`{kind}` is no kind that somebody could ask for");
        Self {
            id,
            kind,
            created,
            data: data.to_string().into(),
            request: origin.id.clone(),
            key: origin.key.clone(),
            pending: 1,
            is_mark: false,
            made: origin.at,
        }
    }
}

impl Object for Event {
    const NAME: &'static str = "event";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": Self::NAME,
            "api_version": VERSION,
            "created": self.created,
            "data": serde_json::from_str::<Value>(&self.data).unwrap_or_default(),
            "livemode": false,
            "pending_webhooks": self.pending,
            "request": { "id": self.request, "idempotency_key": self.key },
            "type": self.kind,
        })
    }
}

pub(super) fn retrieve(call: &mut Call<'_>) -> Outcome {
    call.params.finish()?;
    call.state.events.at(call.id).map(Object::render)
}

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let page = Page::take(&mut call.params)?;
    let (one, many) = (call.params.value("type")?, call.params.list("types")?);
    let is_delivered = call.params.boolean("delivery_success")?;
    call.params.finish()?;
    let listed = page.of(&call.state.events, call.path, |event| {
        let is_of = |kinds: &Vec<String>| kinds.iter().any(|kind| matches(kind, event.kind));
        one.as_ref().is_none_or(|kind| matches(kind, event.kind))
            && many.as_ref().is_none_or(is_of)
            && is_delivered.is_none_or(|is| is == (event.pending == 0))
    })?;
    let events = listed["data"].as_array().map_or(&[][..], Vec::as_slice);
    for id in events.first().into_iter().chain(events.last()).filter_map(|event| event["id"].as_str()) {
        call.state.events.at_mut(id)?.is_mark = true;
    }
    Ok(listed)
}

/// Whether a kind, or a group of them such as `charge.*`, has this one.
pub(super) fn matches(asked: &str, kind: &str) -> bool {
    match asked.strip_suffix(".*") {
        Some(group) => kind.strip_prefix(group).is_some_and(|rest| rest.starts_with('.')),
        None => asked == kind,
    }
}
