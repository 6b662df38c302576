//! What confirming a payment comes to: authentication, a charge, a decline; and what becomes of money that is held.

use serde_json::{Value, json};

use super::cards::{Decline, UNAUTHENTICATED};
use super::charges::Charge;
use super::command::Commanded;
use super::error::{ApiError, Outcome};
use super::means::Confirmation;
use super::payment_intents::{PaymentIntent, Status, rendered, tell};
use super::payment_methods;
use super::state::State;
use super::table::Object;

/// Refuses to confirm what cannot be confirmed any more.
pub(super) fn check_confirmable(intent: &PaymentIntent) -> Outcome<()> {
    if intent.status.is_open() {
        return Ok(());
    }
    let what = match intent.status {
        Status::Succeeded => "it has already succeeded after being previously confirmed".to_owned(),
        status => format!("it has a status of {}", status.name()),
    };
    Err(intent.refuse(format!("You cannot confirm this PaymentIntent because {what}.")))
}

/// Confirms an intent with the payment method that it has.
pub(super) fn confirm(state: &mut State, id: &str, how: Confirmation) -> Outcome {
    let intent = state.payments.at_mut(id)?;
    let Some(method) = intent.payment_method.clone() else {
        return Err(intent.refuse(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the \
             PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment \
             method."
                .to_owned(),
        ));
    };
    intent.return_url = how.return_url.or_else(|| intent.return_url.take());
    let is_authenticated = intent.is_authenticated;
    let customer = intent.customer.clone();
    state.methods.meant(&method, "payment_method")?.check_user(customer.as_deref())?;
    if let Some(commanded) = state.commanded.take() {
        return obey(state, id, commanded);
    }
    let found = state.methods.meant(&method, "payment_method")?;
    let authenticates = !is_authenticated && found.card.authenticates(how.is_off_session, found.is_set_up);
    match found.expired(state.now_of(customer.as_deref())) {
        Some(decline) => Err(refuse(state, id, decline)?),
        None if authenticates && (how.is_off_session || how.fails_on_action) => {
            Err(refuse(state, id, &UNAUTHENTICATED)?)
        }
        None if authenticates => require_action(state, id),
        None => settle(state, id),
    }
}

/// Lets a payment come to what was commanded, whatever its card is like.
fn obey(state: &mut State, id: &str, commanded: Commanded) -> Outcome {
    match commanded {
        Commanded::Paid => succeed(state, id),
        Commanded::Declined(decline) => Err(refuse(state, id, decline)?),
        Commanded::Error => Err(ApiError::commanded()),
    }
}

/// Waits for the customer.
fn require_action(state: &mut State, id: &str) -> Outcome {
    let host = state.request.host.clone();
    let intent = state.payments.at_mut(id)?;
    intent.status = Status::RequiresAction;
    intent.next_action = Some(next_action(&host, id, intent.return_url.as_deref()));
    tell(state, "payment_intent.requires_action", id);
    rendered(state, id)
}

/// What a customer is to do: the page is the mock's own.
pub(super) fn next_action(host: &str, id: &str, return_url: Option<&str>) -> Value {
    let url = format!("http://{host}/_mock/authenticate/{id}");
    match return_url {
        Some(back) => json!({ "type": "redirect_to_url", "redirect_to_url": { "return_url": back, "url": url } }),
        None => json!({
            "type": "use_stripe_sdk",
            "use_stripe_sdk": { "type": "three_d_secure_redirect", "stripe_js": url },
        }),
    }
}

/// Charges the card, whatever comes of it.
pub(super) fn settle(state: &mut State, id: &str) -> Outcome {
    let intent = state.payments.at(id)?;
    let now = state.now_of(intent.customer.as_deref());
    let method = intent.payment_method.as_deref().and_then(|method| state.methods.get(method));
    let decline = method.and_then(|method| method.card.declines(method.expires, now));
    match decline {
        Some(decline) => Err(refuse(state, id, decline)?),
        None => succeed(state, id),
    }
}

/// Makes the charge of an attempt, and leaves the intent as it is.
fn record(state: &mut State, id: &str, decline: Option<&'static Decline>) -> Outcome<(Charge, String)> {
    let charge_id = state.ids.next("ch_", 24);
    let intent = state.payments.at(id)?;
    let method_id = intent.payment_method.clone().unwrap_or_default();
    let method = state.methods.meant(&method_id, "payment_method")?;
    let now = state.now_of(intent.customer.as_deref());
    let charge = Charge::new(charge_id, now, intent, method, decline);
    state.charges.insert(charge.clone());
    Ok((charge, method_id))
}

/// An attempt that is declined. Returns the error of the answer.
fn refuse(state: &mut State, id: &str, decline: &'static Decline) -> Outcome<ApiError> {
    let (charge, method) = record(state, id, Some(decline))?;
    let told = state.methods.meant(&method, "payment_method")?.render();
    let error = decline.error().beside("charge", charge.id().into()).beside("payment_method", told);
    let intent = state.payments.at_mut(id)?;
    fail(intent, &error);
    intent.latest_charge = Some(charge.id().to_owned());
    let shown = intent.render();
    state.emit("charge.failed", charge.created(), charge.render());
    tell(state, "payment_intent.payment_failed", id);
    Ok(error.beside("payment_intent", shown))
}

/// Puts an intent back to where it needs another payment method.
fn fail(intent: &mut PaymentIntent, error: &ApiError) {
    intent.status = Status::RequiresPaymentMethod;
    intent.payment_method = None;
    intent.next_action = None;
    intent.is_authenticated = false;
    intent.last_error = Some(error.fields().into());
}

fn succeed(state: &mut State, id: &str) -> Outcome {
    let (charge, method) = record(state, id, None)?;
    let intent = state.payments.at_mut(id)?;
    intent.latest_charge = Some(charge.id().to_owned());
    intent.last_error = None;
    intent.next_action = None;
    let is_held = intent.is_manual();
    intent.status = if is_held { Status::RequiresCapture } else { Status::Succeeded };
    intent.amount_received = if is_held { 0 } else { intent.amount };
    let kind = if is_held { "payment_intent.amount_capturable_updated" } else { "payment_intent.succeeded" };
    keep_method(state, id, &method)?;
    state.emit("charge.succeeded", charge.created(), charge.render());
    tell(state, kind, id);
    rendered(state, id)
}

/// Attaches the payment method to the customer, where it is to be used again; else it has been used for the last time,
/// unless it is somebody's.
fn keep_method(state: &mut State, id: &str, method: &str) -> Outcome<()> {
    let intent = state.payments.at(id)?;
    let (usage, customer) = (intent.future_usage, intent.customer.clone());
    if let (Some(_), Some(customer)) = (usage, &customer) {
        let now = state.now_of(Some(customer));
        payment_methods::bind(state, method, customer, now);
    }
    if let Some(method) = state.methods.get_mut(method) {
        method.is_spent |= method.customer.is_none();
        method.is_set_up |= usage == Some("off_session");
    }
    Ok(())
}

/// The customer has authenticated, or has failed to.
pub(super) fn authenticated(state: &mut State, id: &str, succeeds: bool) -> Outcome {
    let intent = state.payments.at(id)?;
    if intent.status != Status::RequiresAction {
        return Err(intent.refuse(format!(
            "This PaymentIntent does not wait for its customer: it has a status of {}.",
            intent.status.name()
        )));
    }
    let refusal = if succeeds {
        state.room(1)?;
        check_method(state, id).err()
    } else {
        Some(ApiError::refused(Some("payment_intent_authentication_failure"), UNABLE))
    };
    let intent = state.payments.at_mut(id)?;
    if let Some(error) = refusal {
        fail(intent, &error);
        tell(state, "payment_intent.payment_failed", id);
    } else {
        intent.is_authenticated = true;
        // A decline is the intent's to tell, not the page's.
        drop(settle(state, id));
    }
    rendered(state, id)
}

const UNABLE: &str =
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.";

/// Refuses a payment method that was good when its customer was asked to authenticate, and is so no more: it was used
/// for something else meanwhile, detached, or has gone with its customer.
fn check_method(state: &State, id: &str) -> Outcome<()> {
    let intent = state.payments.at(id)?;
    let method = intent.payment_method.as_deref().unwrap_or_default();
    state.methods.meant(method, "payment_method")?.check_user(intent.customer.as_deref())
}

/// Takes so much of what is held; the rest is given back.
pub(super) fn capture(state: &mut State, id: &str, amount: i64) -> Outcome<()> {
    let intent = state.payments.at_mut(id)?;
    intent.status = Status::Succeeded;
    intent.amount_received = amount;
    let (charge, now) = (intent.latest_charge.clone(), intent.customer.clone());
    let now = state.now_of(now.as_deref());
    if let Some(charge) = charge.and_then(|charge| state.charges.get_mut(&charge)) {
        charge.is_captured = true;
        charge.amount_captured = amount;
        let told = charge.render();
        state.emit("charge.captured", now, told);
    }
    tell(state, "payment_intent.succeeded", id);
    Ok(())
}

/// Gives back all that is held.
pub(super) fn release(state: &mut State, id: &str) -> Outcome<()> {
    let intent = state.payments.at(id)?;
    let (charge, now) = (intent.latest_charge.clone(), state.now_of(intent.customer.as_deref()));
    if let Some(charge) = charge.and_then(|charge| state.charges.get_mut(&charge)) {
        charge.amount_refunded = charge.amount;
        charge.is_refunded = true;
        let told = charge.render();
        state.emit("charge.refunded", now, told);
    }
    Ok(())
}
