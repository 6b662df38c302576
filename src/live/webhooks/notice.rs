//! What a webhook tells of a payment that the gateway has asked for.

use farebox_engine::billing::decline::{Answer, Decline};
use farebox_engine::billing::invoice::Purpose;
use serde_json::Value;

use super::super::accounts::AccountId;

/// The metadata that says whose a payment is: the number of the account.
pub const ACCOUNT: &str = "account";
/// The metadata that says what a payment is for.
pub const PURPOSE: &str = "purpose";
/// The metadata that says which attempt has paid.
pub const ATTEMPT: &str = "attempt";

/// What has become of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whose it is.
    pub account: AccountId,
    /// What it is for.
    pub purpose: Purpose,
    /// Which attempt at it.
    pub attempt: u32,
    /// What has become of it: paid or declined.
    pub answer: Answer,
}

/// Why a webhook tells nothing.
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
    /// When it is no event, or is about something else.
    pub fn read(body: &[u8]) -> Result<Self, Untold> {
        let event: Value = serde_json::from_slice(body).map_err(|_| Untold::Malformed)?;
        let (kind, object) = (event["type"].as_str().ok_or(Untold::Malformed)?, &event["data"]["object"]);
        if !object.is_object() {
            return Err(Untold::Malformed);
        }
        let decline = || object["last_payment_error"]["decline_code"].as_str().and_then(decline);
        let answer = match kind {
            "payment_intent.succeeded" => Some(Answer::Paid),
            "payment_intent.payment_failed" => decline().map(Answer::Declined),
            _ => None,
        };
        let told = answer.and_then(|answer| Self::about(&object["metadata"], answer));
        told.ok_or(Untold::Elsewhere)
    }

    fn about(metadata: &Value, answer: Answer) -> Option<Self> {
        let number = |name: &str| metadata[name].as_str()?.parse().ok();
        let purpose = metadata[PURPOSE].as_str().and_then(purpose)?;
        Some(Self { account: AccountId(number(ACCOUNT)?), purpose, attempt: number(ATTEMPT)?, answer })
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
            let told = |answer| Ok(Notice { account: AccountId(7), purpose, attempt: 2, answer });
            let paid = json!({ "metadata": metadata(purpose) });
            assert_eq!(read("payment_intent.succeeded", &paid), told(Answer::Paid));
            let error = json!({ "code": "card_declined", "decline_code": "do_not_honor" });
            let declined = json!({ "metadata": metadata(purpose), "last_payment_error": error });
            assert_eq!(read("payment_intent.payment_failed", &declined), told(Answer::Declined(Decline::DoNotHonor)));
        }
    }

    #[test]
    fn what_is_about_something_else_is_told_from_what_is_no_event() {
        let metadata = json!({ "account": "7", "purpose": "period-1", "attempt": "1" });
        for (kind, object) in [
            ("customer.created", json!({ "metadata": metadata })),
            ("charge.refunded", json!({ "metadata": metadata })),
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
