//! Setup intents: a card is made ready for payments while its customer is away, without taking money.

use serde_json::{Value, json};

use super::attempt;
use super::call::Call;
use super::contact::Metadata;
use super::customers;
use super::error::{ApiError, Outcome};
use super::list::Page;
use super::means::{Means, check_types, take_automatic};
use super::payment_methods;
use super::state::State;
use super::table::Object;

/// A card that is being made ready.
#[derive(Clone, Debug)]
pub(super) struct SetupIntent {
    id: String,
    created: i64,
    client_secret: String,
    status: &'static str,
    pub(super) customer: Option<String>,
    payment_method: Option<String>,
    usage: &'static str,
    last_error: Option<Value>,
    next_action: Option<Value>,
    pub(super) return_url: Option<String>,
    description: Option<String>,
    metadata: Metadata,
    automatic_methods: Option<Value>,
    cancellation_reason: Option<&'static str>,
}

const NEEDS_METHOD: &str = "requires_payment_method";
const NEEDS_CONFIRMATION: &str = "requires_confirmation";
const NEEDS_ACTION: &str = "requires_action";
const SUCCEEDED: &str = "succeeded";
const CANCELED: &str = "canceled";

impl Object for SetupIntent {
    const NAME: &'static str = "setup_intent";

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
            "application": null,
            "automatic_payment_methods": self.automatic_methods,
            "cancellation_reason": self.cancellation_reason,
            "client_secret": self.client_secret,
            "created": self.created,
            "customer": self.customer,
            "description": self.description,
            "flow_directions": null,
            "last_setup_error": self.last_error,
            "latest_attempt": null,
            "livemode": false,
            "mandate": null,
            "metadata": self.metadata.render(),
            "next_action": self.next_action,
            "on_behalf_of": null,
            "payment_method": self.payment_method,
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "single_use_mandate": null,
            "status": self.status,
            "usage": self.usage,
        })
    }
}

impl SetupIntent {
    fn refuse(&self, verb: &str) -> ApiError {
        let message = format!("You cannot {verb} this SetupIntent because it has a status of {}.", self.status);
        ApiError::refused(Some("setup_intent_unexpected_state"), message).beside("setup_intent", self.render())
    }

    fn place(&mut self, state: &mut State, means: Means) -> Outcome<()> {
        if matches!(means, Means::Unsaid) {
            return Ok(());
        }
        means.put(state, self.customer.as_deref(), &mut self.payment_method)?;
        self.next_action = None;
        self.status = if self.payment_method.is_some() { NEEDS_CONFIRMATION } else { NEEDS_METHOD };
        Ok(())
    }
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let params = &mut call.params;
    check_types(params)?;
    let means = Means::take(params, call.state.clock.now())?;
    let customer = params.value("customer")?;
    let usage = params.one_of("usage", &["off_session", "on_session"])?.unwrap_or("off_session");
    let (description, return_url) = (params.optional("description")?, params.url("return_url")?);
    let metadata = Metadata::of(params.metadata()?)?;
    let automatic_methods = take_automatic(params)?;
    let confirms = params.boolean("confirm")?.unwrap_or(false);
    params.finish()?;
    // The intent, and a new payment method.
    call.state.room(2)?;
    if let Some(customer) = &customer {
        customers::meant(call, customer, "customer")?;
    }
    means.check(call.state, customer.as_deref())?;
    let id = call.state.ids.next("seti_", 24);
    let mut intent = SetupIntent {
        client_secret: call.state.ids.next(&format!("{id}_secret_"), 25),
        id: id.clone(),
        created: call.state.now_of(customer.as_deref()),
        status: NEEDS_METHOD,
        customer,
        payment_method: None,
        usage,
        last_error: None,
        next_action: None,
        return_url,
        description,
        metadata,
        automatic_methods,
        cancellation_reason: None,
    };
    intent.place(call.state, means)?;
    call.state.setups.insert(intent);
    tell(call.state, "setup_intent.created", &id);
    if confirms { settle(call.state, &id, false) } else { call.state.setups.at(&id).map(Object::render) }
}

pub(super) fn confirm(call: &mut Call<'_>) -> Outcome {
    let means = Means::take(&mut call.params, call.state.clock.now())?;
    let return_url = call.params.url("return_url")?;
    call.params.finish()?;
    call.state.room(1)?;
    let mut intent = call.state.setups.at(call.id)?.clone();
    if [SUCCEEDED, CANCELED].contains(&intent.status) {
        return Err(intent.refuse("confirm"));
    }
    means.check(call.state, intent.customer.as_deref())?;
    intent.place(call.state, means)?;
    intent.return_url = return_url.or(intent.return_url);
    *call.state.setups.at_mut(call.id)? = intent;
    settle(call.state, call.id, false)
}

/// Sets the card up, as far as that goes without the customer.
fn settle(state: &mut State, id: &str, is_authenticated: bool) -> Outcome {
    let intent = state.setups.at(id)?.clone();
    let Some(method) = &intent.payment_method else { return Err(intent.refuse("confirm")) };
    let now = state.now_of(intent.customer.as_deref());
    let found = state.methods.meant(method, "payment_method")?;
    if let Err(error) = found.check_user(intent.customer.as_deref()) {
        // A card that was spent while its owner was asked is not coming back.
        return Err(if is_authenticated { fail(state, id, error)? } else { error });
    }
    if let Some(decline) = found.card.declines_attaching().or_else(|| found.expired(now)) {
        let error = decline.error().beside("payment_method", found.render());
        return Err(fail(state, id, error)?);
    }
    if !is_authenticated && found.card.authenticates_setup() {
        let action = attempt::next_action(&state.request.host, id, intent.return_url.as_deref());
        let intent = state.setups.at_mut(id)?;
        intent.status = NEEDS_ACTION;
        intent.next_action = Some(action);
        tell(state, "setup_intent.requires_action", id);
        return state.setups.at(id).map(Object::render);
    }
    succeed(state, id, &intent, method)
}

fn succeed(state: &mut State, id: &str, before: &SetupIntent, method: &str) -> Outcome {
    let now = state.now_of(before.customer.as_deref());
    if let Some(customer) = &before.customer {
        payment_methods::bind(state, method, customer, now);
    }
    if let Some(method) = state.methods.get_mut(method) {
        method.is_set_up |= before.usage == "off_session";
    }
    let intent = state.setups.at_mut(id)?;
    intent.status = SUCCEEDED;
    intent.next_action = None;
    intent.last_error = None;
    tell(state, "setup_intent.succeeded", id);
    state.setups.at(id).map(Object::render)
}

/// Puts an intent back to where it needs another payment method; the error of the answer.
fn fail(state: &mut State, id: &str, error: ApiError) -> Outcome<ApiError> {
    let intent = state.setups.at_mut(id)?;
    intent.status = NEEDS_METHOD;
    intent.payment_method = None;
    intent.next_action = None;
    intent.last_error = Some(error.fields().into());
    let shown = intent.render();
    tell(state, "setup_intent.setup_failed", id);
    Ok(error.beside("setup_intent", shown))
}

/// The customer has authenticated, or has failed to.
pub(super) fn authenticated(state: &mut State, id: &str, succeeds: bool) -> Outcome {
    let intent = state.setups.at(id)?;
    if intent.status != NEEDS_ACTION {
        return Err(intent.refuse("authenticate"));
    }
    if succeeds {
        // A decline is the intent's to tell, not the page's.
        drop(settle(state, id, true));
    } else {
        let message = "We are unable to authenticate your payment method. Please choose a different payment method and try again.";
        fail(state, id, ApiError::refused(Some("setup_intent_authentication_failure"), message))?;
    }
    state.setups.at(id).map(Object::render)
}

fn tell(state: &mut State, kind: &'static str, id: &str) {
    let Some(intent) = state.setups.get(id) else { return };
    let (told, now) = (intent.render(), state.now_of(intent.customer.as_deref()));
    state.emit(kind, now, told);
}

pub(super) fn cancel(call: &mut Call<'_>) -> Outcome {
    let reasons = ["abandoned", "duplicate", "requested_by_customer"];
    let reason = call.params.one_of("cancellation_reason", &reasons)?;
    call.params.finish()?;
    let intent = call.state.setups.at_mut(call.id)?;
    if [SUCCEEDED, CANCELED].contains(&intent.status) {
        return Err(intent.refuse("cancel"));
    }
    intent.status = CANCELED;
    intent.next_action = None;
    intent.cancellation_reason = reason;
    tell(call.state, "setup_intent.canceled", call.id);
    call.state.setups.at(call.id).map(Object::render)
}

pub(super) fn retrieve(call: &mut Call<'_>) -> Outcome {
    call.params.finish()?;
    call.state.setups.at(call.id).map(Object::render)
}

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let page = Page::take(&mut call.params)?;
    let (customer, method) = (call.params.value("customer")?, call.params.value("payment_method")?);
    call.params.finish()?;
    page.of(&call.state.setups, call.path, |intent| {
        (customer.is_none() || intent.customer == customer) && (method.is_none() || intent.payment_method == method)
    })
}
