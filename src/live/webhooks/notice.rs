//! What an event of the processor tells of a payment that the gateway has asked for: a webhook, or one of a list.

use farebox_engine::billing::decline::{Answer, Decline};
use farebox_engine::billing::inbox::Told;
use farebox_engine::billing::invoice::Purpose;
use farebox_engine::billing::ledger::Movement;
use serde_json::Value;

use super::super::accounts::AccountId;

/// The metadata that says whose a payment is: the number of the account.
pub const ACCOUNT: &str = "account";
/// The metadata that says what a payment is for.
pub const PURPOSE: &str = "purpose";
/// The metadata that says which attempt has paid.
pub const ATTEMPT: &str = "attempt";

/// The events that tell anything.
pub const KINDS: [&str; 4] =
    ["payment_intent.succeeded", "payment_intent.payment_failed", "charge.refunded", "charge.dispute.created"];

/// What has become of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Of which.
    pub about: About,
    /// It was answered, or has gone back.
    pub told: Told,
}

/// Which payment something is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// It is named.
    Payment(Payment),
    /// The processor has to be asked which this is of its own: disputes do not repeat what a payment was sent with.
    Intent(String),
}

/// What tells a payment from all others of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Whose it is.
    pub account: AccountId,
    /// What it is for.
    pub purpose: Purpose,
    /// Which attempt at it.
    pub attempt: u32,
}

/// Why an event tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// It is no event.
    #[error("it is no event: an object with `type` and `data.object`")]
    Malformed,
    /// It is about something else: to be acknowledged, and passed over.
    #[error("it is about nothing that the gateway has asked for")]
    Elsewhere,
}

impl Notice {
    /// Reads the body of a webhook.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn read(body: &[u8]) -> Result<Self, Untold> {
        Self::of(&serde_json::from_slice(body).map_err(|_| Untold::Malformed)?)
    }

    /// Reads an event.
    ///
    /// # Errors
    /// When it is none, or is about something else.
    pub fn of(event: &Value) -> Result<Self, Untold> {
        let (kind, object) = (event["type"].as_str().ok_or(Untold::Malformed)?, &event["data"]["object"]);
        if !object.is_object() {
            return Err(Untold::Malformed);
        }
        let decline = || object["last_payment_error"]["decline_code"].as_str().and_then(decline);
        let told = match kind {
            "payment_intent.succeeded" => Some(Told::Answered(Answer::Paid)),
            "payment_intent.payment_failed" => decline().map(|decline| Told::Answered(Answer::Declined(decline))),
            "charge.refunded" => Some(Told::Returned(Movement::Refund)),
            "charge.dispute.created" => Some(Told::Returned(Movement::Chargeback)),
            _ => None,
        };
        let about = match told {
            Some(Told::Returned(Movement::Chargeback)) => {
                object["payment_intent"].as_str().map(|intent| About::Intent(intent.to_owned()))
            }
            _ => Payment::of(&object["metadata"]).map(About::Payment),
        };
        about.zip(told).map(|(about, told)| Self { about, told }).ok_or(Untold::Elsewhere)
    }
}

impl Payment {
    /// The payment that was sent with this metadata; `None`: it is not one of the gateway's.
    pub fn of(metadata: &Value) -> Option<Self> {
        let number = |name: &str| metadata[name].as_str()?.parse().ok();
        let purpose = metadata[PURPOSE].as_str().and_then(purpose)?;
        Some(Self { account: AccountId(number(ACCOUNT)?), purpose, attempt: number(ATTEMPT)? })
    }
}

fn decline(code: &str) -> Option<Decline> {
    Decline::ALL.into_iter().find(|decline| decline.name() == code)
}

/// What a payment is for, as keys and metadata say it.
pub fn name(purpose: Purpose) -> String {
    let (name, number) = match purpose {
        Purpose::Period(number) => ("period", number),
        Purpose::Usage(number) => ("usage", number),
        Purpose::Change(number) => ("change", number),
        Purpose::Last(number) => ("last", number),
        Purpose::TopUp(number) => ("top-up", number),
    };
    format!("{name}-{number}")
}

/// The same, read.
fn purpose(name: &str) -> Option<Purpose> {
    let (kind, number) = name.rsplit_once('-')?;
    let number = number.parse().ok()?;
    let of = match kind {
        "period" => Purpose::Period,
        "usage" => Purpose::Usage,
        "change" => Purpose::Change,
        "last" => Purpose::Last,
        "top-up" => Purpose::TopUp,
        _ => return None,
    };
    Some(of(number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: &str, object: &Value) -> Result<Notice, Untold> {
        Notice::read(json!({ "type": kind, "data": { "object": object } }).to_string().as_bytes())
    }

    #[test]
    fn a_webhook_tells_what_became_of_a_payment() {
        let metadata = |purpose: Purpose| json!({ "account": "7", "purpose": name(purpose), "attempt": "2" });
        for purpose in
            [Purpose::Period(3), Purpose::Usage(0), Purpose::Change(1), Purpose::Last(9), Purpose::TopUp(u32::MAX)]
        {
            let about = About::Payment(Payment { account: AccountId(7), purpose, attempt: 2 });
            let told = |told| Ok(Notice { about: about.clone(), told });
            let paid = json!({ "metadata": metadata(purpose) });
            assert_eq!(read("payment_intent.succeeded", &paid), told(Told::Answered(Answer::Paid)));
            assert_eq!(read("charge.refunded", &paid), told(Told::Returned(Movement::Refund)));
            let error = json!({ "code": "card_declined", "decline_code": "do_not_honor" });
            let declined = json!({ "metadata": metadata(purpose), "last_payment_error": error });
            let expected = told(Told::Answered(Answer::Declined(Decline::DoNotHonor)));
            assert_eq!(read("payment_intent.payment_failed", &declined), expected);
        }
        let disputed = json!({ "payment_intent": "pi_1", "metadata": {} });
        let about = About::Intent("pi_1".to_owned());
        let expected = Ok(Notice { about, told: Told::Returned(Movement::Chargeback) });
        assert_eq!(read("charge.dispute.created", &disputed), expected);
    }

    #[test]
    fn what_is_about_something_else_is_told_from_what_is_no_event() {
        let metadata = json!({ "account": "7", "purpose": "period-1", "attempt": "1" });
        for (kind, object) in [
            ("customer.created", json!({ "metadata": metadata })),
            ("charge.succeeded", json!({ "metadata": metadata })),
            ("charge.dispute.created", json!({ "metadata": metadata })),
            ("payment_intent.succeeded", json!({})),
            ("payment_intent.succeeded", json!({ "metadata": { "account": "7", "purpose": "period-1" } })),
            (
                "payment_intent.succeeded",
                json!({ "metadata": { "account": "7", "purpose": "period-x", "attempt": "1" } }),
            ),
            (
                "payment_intent.succeeded",
                json!({ "metadata": { "account": "-7", "purpose": "period-1", "attempt": "1" } }),
            ),
            ("payment_intent.payment_failed", json!({ "metadata": metadata })),
        ] {
            assert_eq!(read(kind, &object), Err(Untold::Elsewhere), "{kind} {object}");
        }
        for body in ["", "{", "[]", "null", "{}", r#"{"type": "payment_intent.succeeded", "data": {"object": 7}}"#] {
            assert_eq!(Notice::read(body.as_bytes()), Err(Untold::Malformed), "{body}");
        }
    }
}
