//! Refunds: all of a charge, or a part of it, never more than was taken.

use serde_json::{Value, json};

use super::call::Call;
use super::charges::Charge;
use super::contact::Metadata;
use super::error::{ApiError, Outcome};
use super::list::Page;
use super::money;
use super::table::Object;

/// Money that was given back.
#[derive(Clone, Debug)]
pub(super) struct Refund {
    id: String,
    created: i64,
    amount: i64,
    currency: String,
    charge: String,
    pub(super) payment_intent: String,
    reason: Option<&'static str>,
    metadata: Metadata,
}

impl Object for Refund {
    const NAME: &'static str = "refund";

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
            "amount": self.amount,
            "balance_transaction": null,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "destination_details": { "card": { "type": "refund" }, "type": "card" },
            "metadata": self.metadata.render(),
            "payment_intent": self.payment_intent,
            "reason": self.reason,
            "receipt_number": null,
            "status": "succeeded",
        })
    }
}

const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let (charge, intent) = (call.params.value("charge")?, call.params.value("payment_intent")?);
    let amount = money::take_positive(&mut call.params, "amount")?;
    let reason = call.params.one_of("reason", &REASONS)?;
    let metadata = Metadata::of(call.params.metadata()?)?;
    call.params.finish()?;
    call.state.room(1)?;
    let charge = meant(call, charge, intent)?;
    if charge.dispute.is_some() {
        let message = format!("Charge {} has been charged back; cannot issue a refund.", charge.id());
        return Err(ApiError::refused(Some("charge_disputed"), message));
    }
    let left = charge.amount_captured - charge.amount_refunded;
    let amount = checked(&charge, amount, left)?;
    let now = call.state.now_of(charge.customer.as_deref());
    let refund = Refund {
        id: call.state.ids.next("re_", 24),
        created: now,
        amount,
        currency: charge.currency.clone(),
        charge: charge.id().to_owned(),
        payment_intent: charge.payment_intent.clone(),
        reason,
        metadata,
    };
    let told = refund.render();
    call.state.refunds.insert(refund);
    let charge = call.state.charges.at_mut(charge.id())?;
    charge.amount_refunded += amount;
    charge.is_refunded = amount == left;
    let charged = charge.render();
    call.state.emit("refund.created", now, told.clone());
    call.state.emit("charge.refunded", now, charged);
    Ok(told)
}

/// The charge that is to be refunded.
fn meant(call: &Call<'_>, charge: Option<String>, intent: Option<String>) -> Outcome<Charge> {
    let id = match (charge, intent) {
        (Some(charge), None) => charge,
        (None, Some(intent)) => {
            let found = call.state.payments.meant(&intent, "payment_intent")?;
            let paid = found.latest_charge.clone().filter(|_| found.amount_received > 0);
            paid.ok_or_else(|| {
                let message = format!("This PaymentIntent ({intent}) does not have a successful charge to refund.");
                ApiError::refused(Some("payment_intent_unexpected_state"), message).about("payment_intent")
            })?
        }
        (None, None) => {
            let message = "One of the following params should be provided for this request: payment_intent or charge.";
            return Err(ApiError::invalid(Some("parameter_missing"), message));
        }
        (Some(_), Some(_)) => {
            let message = "You may only specify one of these parameters: payment_intent, charge.";
            return Err(ApiError::invalid(Some("parameters_exclusive"), message));
        }
    };
    call.state.charges.meant(&id, "charge").cloned()
}

/// How much is given back: what was asked for, or all that is left.
fn checked(charge: &Charge, asked: Option<i64>, left: i64) -> Outcome<i64> {
    let id = charge.id();
    if !charge.is_paid() || !charge.is_captured {
        let message = format!("Charge {id} cannot be refunded: no money was taken with it.");
        return Err(ApiError::refused(Some("charge_not_refundable"), message).about("charge"));
    }
    if left == 0 {
        let message = format!("Charge {id} has already been refunded.");
        return Err(ApiError::refused(Some("charge_already_refunded"), message));
    }
    let amount = asked.unwrap_or(left);
    if amount > left {
        let shown = |amount| money::shown(amount, &charge.currency);
        let message =
            format!("Refund amount ({}) is greater than unrefunded amount on charge ({})", shown(amount), shown(left));
        // Stripe tells no code here.
        return Err(ApiError::refused(None, message).about("amount"));
    }
    Ok(amount)
}

pub(super) fn retrieve(call: &mut Call<'_>) -> Outcome {
    call.params.finish()?;
    call.state.refunds.at(call.id).map(Object::render)
}

pub(super) fn update(call: &mut Call<'_>) -> Outcome {
    let change = call.params.metadata()?;
    call.params.finish()?;
    let mut refund = call.state.refunds.at(call.id)?.clone();
    refund.metadata.apply(change)?;
    let told = refund.render();
    let refunded = call.state.charges.get(&refund.charge);
    let now = call.state.now_of(refunded.and_then(|charge| charge.customer.as_deref()));
    *call.state.refunds.at_mut(call.id)? = refund;
    call.state.emit("refund.updated", now, told.clone());
    Ok(told)
}

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let page = Page::take(&mut call.params)?;
    let (charge, intent) = (call.params.value("charge")?, call.params.value("payment_intent")?);
    call.params.finish()?;
    page.of(&call.state.refunds, call.path, |refund| {
        charge.as_ref().is_none_or(|charge| refund.charge == *charge)
            && intent.as_ref().is_none_or(|intent| refund.payment_intent == *intent)
    })
}
