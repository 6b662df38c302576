//! Charges: each attempt to take money from a card, and what became of it.

use serde_json::{Value, json};

use super::Capture;
use super::call::Call;
use super::cards::Decline;
use super::contact::Metadata;
use super::disputes::Dispute;
use super::error::Outcome;
use super::list::Page;
use super::payment_intents::PaymentIntent;
use super::payment_methods::PaymentMethod;
use super::table::Object;

/// One attempt.
#[derive(Clone, Debug)]
pub(super) struct Charge {
    id: String,
    created: i64,
    pub(super) amount: i64,
    pub(super) amount_captured: i64,
    pub(super) amount_refunded: i64,
    pub(super) is_captured: bool,
    pub(super) is_refunded: bool,
    /// What the bank of whoever has paid has taken back.
    pub(super) dispute: Option<Dispute>,
    pub(super) currency: String,
    pub(super) customer: Option<String>,
    pub(super) payment_intent: String,
    decline: Option<&'static Decline>,
    description: Option<String>,
    metadata: Metadata,
    receipt_email: Option<String>,
    payment_method: String,
    billing_details: Value,
    details: Value,
}

impl Charge {
    /// What an intent's attempt with a card comes to.
    pub(super) fn new(
        id: String,
        created: i64,
        intent: &PaymentIntent,
        method: &PaymentMethod,
        decline: Option<&'static Decline>,
    ) -> Self {
        let is_captured = decline.is_none() && !intent.is_manual();
        Self {
            id,
            created,
            amount: intent.amount,
            amount_captured: if is_captured { intent.amount } else { 0 },
            amount_refunded: 0,
            is_captured,
            is_refunded: false,
            dispute: None,
            currency: intent.currency.clone(),
            customer: intent.customer.clone(),
            payment_intent: intent.id.clone(),
            decline,
            description: intent.description.clone(),
            metadata: intent.metadata.clone(),
            receipt_email: intent.receipt_email.clone(),
            payment_method: method.id.clone(),
            billing_details: method.billing_details.clone(),
            details: method.render_details(intent.is_authenticated),
        }
    }

    /// Whether money was taken or is held.
    pub(super) fn is_paid(&self) -> bool {
        self.decline.is_none()
    }

    /// What is kept of it, and what for.
    pub(super) fn capture(&self) -> Capture {
        let disputed = self.dispute.as_ref().map_or(0, |dispute| dispute.amount);
        Capture {
            amount: self.amount_captured - self.amount_refunded - disputed,
            metadata: self.metadata.clone().into_pairs(),
        }
    }

    fn outcome(&self) -> Value {
        let (network, reason, message, kind) = match self.decline {
            None => ("approved_by_network", None, "Payment complete.".to_owned(), "authorized"),
            Some(decline) => {
                let code = decline.reason;
                let message = format!("The bank returned the decline code `{code}`.");
                ("declined_by_network", Some(code), message, "issuer_declined")
            }
        };
        json!({
            "network_status": network,
            "reason": reason,
            "risk_level": "normal",
            "seller_message": message,
            "type": kind,
        })
    }
}

impl Object for Charge {
    const NAME: &'static str = "charge";

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
            "amount_captured": self.amount_captured,
            "amount_refunded": self.amount_refunded,
            "application": null,
            "balance_transaction": null,
            "billing_details": self.billing_details,
            "captured": self.is_captured,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "description": self.description,
            "disputed": self.dispute.is_some(),
            "failure_code": self.decline.map(|decline| decline.code),
            "failure_message": self.decline.map(|decline| decline.message),
            "fraud_details": {},
            "livemode": false,
            "metadata": self.metadata.render(),
            "outcome": self.outcome(),
            "paid": self.is_paid(),
            "payment_intent": self.payment_intent,
            "payment_method": self.payment_method,
            "payment_method_details": self.details,
            "receipt_email": self.receipt_email,
            "receipt_url": null,
            "refunded": self.is_refunded,
            "status": if self.is_paid() { "succeeded" } else { "failed" },
        })
    }
}

pub(super) fn retrieve(call: &mut Call<'_>) -> Outcome {
    call.params.finish()?;
    call.state.charges.at(call.id).map(Object::render)
}

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let page = Page::take(&mut call.params)?;
    let (customer, intent) = (call.params.value("customer")?, call.params.value("payment_intent")?);
    call.params.finish()?;
    page.of(&call.state.charges, call.path, |charge| {
        (customer.is_none() || charge.customer == customer)
            && intent.as_ref().is_none_or(|intent| charge.payment_intent == *intent)
    })
}
