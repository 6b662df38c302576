//! Who can do something about an answer, and what: for machines, which branch on it. It is what mends a refusal sooner than
//! waiting does; where nothing does, nobody has to act.

use farebox_engine::billing::cause::Cause;
use serde_json::{Value, json};

use super::{Credit, TOP_UP};

/// Who can act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Whoever the key belongs to, or their software.
    Consumer,
    /// Whoever runs the gateway, or what is behind it.
    Provider,
    /// Only time.
    Nobody,
}

impl Who {
    const fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Provider => "provider",
            Self::Nobody => "nobody",
        }
    }
}

/// What there is to be done about an answer for this cause.
const fn of(cause: Cause) -> (Who, &'static str) {
    match cause {
        Cause::NoCredential => (Who::Consumer, "send_key"),
        Cause::UnknownCredential => (Who::Consumer, "check_key"),
        Cause::RouteNotFound => (Who::Consumer, "check_path"),
        Cause::Upstream4xx => (Who::Consumer, "check_request"),
        // A larger plan has the route, or a larger allowance; the allowance also comes back by itself.
        Cause::RouteNotInPlan | Cause::QuotaExhausted => (Who::Consumer, "upgrade"),
        Cause::NoPaymentMethod | Cause::TrialEnded => (Who::Consumer, "add_payment_method"),
        // A new card is tried at once, and pays all that is due.
        Cause::FirstPaymentFailed | Cause::PastDue | Cause::Unpaid => (Who::Consumer, "update_payment_method"),
        Cause::Canceled => (Who::Consumer, "subscribe"),
        Cause::SpendCap => (Who::Consumer, "raise_cap"),
        Cause::CreditExhausted => (Who::Consumer, "top_up"),
        Cause::PaymentRequired => (Who::Consumer, "pay_for_call"),
        // The payment was taken back: whoever looks into that lifts it.
        Cause::BillingHold => (Who::Provider, "lift_hold"),
        Cause::BillingUnavailable => (Who::Provider, "restore_billing"),
        Cause::PolicyError => (Who::Provider, "correct_rule"),
        Cause::Upstream402 => (Who::Provider, "pay_upstream"),
        Cause::UpstreamError | Cause::UpstreamTimeout => (Who::Provider, "restore_service"),
        Cause::RateLimited | Cause::ConcurrencyLimited => (Who::Nobody, "wait"),
        Cause::ClientAbort => (Who::Nobody, "nothing"),
    }
}

fn written((who, what): (Who, &str)) -> Value {
    json!({ "who": who.name(), "what": what })
}

/// The member `action` of an answer for this cause; `has_wait`: waiting alone will help. What waits for a payment that is
/// being made, nobody mends sooner.
pub(super) fn action(cause: Cause, has_wait: bool) -> Value {
    let is_being_paid = has_wait
        && matches!(cause, Cause::FirstPaymentFailed | Cause::PastDue | Cause::Unpaid | Cause::CreditExhausted);
    written(if is_being_paid { (Who::Nobody, "wait") } else { of(cause) })
}

/// The same where credit is short, and it is known whether more can be bought.
pub(super) fn action_for_credit(credit: Credit) -> Value {
    match credit {
        Credit::CanBeBought => {
            let mut action = action(Cause::CreditExhausted, false);
            action["url"] = json!(TOP_UP);
            action
        }
        Credit::NeedsPaymentMethod => action(Cause::NoPaymentMethod, false),
        Credit::NeedsAnotherCard => written((Who::Consumer, "update_payment_method")),
    }
}
