//! Disputes: what a card's owner has their bank take back. They are opened by whoever drives the mock, stay open, and have
//! taken the money at once, as at Stripe; there is nothing to answer them with.

use serde_json::{Value, json};

use super::error::{ApiError, Outcome};
use super::state::State;
use super::table::Object;

/// A payment that was taken back.
#[derive(Clone, Debug)]
pub(super) struct Dispute {
    id: String,
    created: i64,
    pub(super) amount: i64,
    currency: String,
    charge: String,
    payment_intent: String,
}

impl Object for Dispute {
    const NAME: &'static str = "dispute";

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
            "balance_transactions": [],
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "evidence": {},
            "is_charge_refundable": false,
            "livemode": false,
            "metadata": {},
            "payment_intent": self.payment_intent,
            "reason": "general",
            "status": "needs_response",
        })
    }
}

/// Takes back all that is left of a payment; the same dispute, where it was taken back before.
pub(super) fn open(state: &mut State, intent: &str) -> Outcome {
    let paid = state.payments.meant(intent, "payment_intent")?.latest_charge.clone();
    let charge = paid.as_deref().and_then(|charge| state.charges.get(charge));
    if let Some(dispute) = charge.and_then(|charge| charge.dispute.as_ref()) {
        return Ok(dispute.render());
    }
    let left = |charge: &&super::Charge| charge.amount_captured - charge.amount_refunded;
    let Some(charge) = charge.filter(|charge| charge.is_paid() && left(charge) > 0) else {
        let message = format!("This PaymentIntent ({intent}) does not have a successful charge to dispute.");
        let error = ApiError::refused(Some("payment_intent_unexpected_state"), message);
        return Err(error.about("payment_intent"));
    };
    let now = state.now_of(charge.customer.as_deref());
    let (amount, currency, charge) = (left(&charge), charge.currency.clone(), charge.id().to_owned());
    let id = state.ids.next("du_", 24);
    let payment_intent = intent.to_owned();
    let dispute = Dispute { id, created: now, amount, currency, charge: charge.clone(), payment_intent };
    let told = dispute.render();
    state.charges.at_mut(&charge)?.dispute = Some(dispute);
    state.emit("charge.dispute.created", now, told.clone());
    Ok(told)
}
