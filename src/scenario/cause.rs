//! The names that a scenario has for causes of refusal and of failure, for their kinds, and for what became of a request.

/// What the gateway refuses for.
pub(super) const REFUSALS: &[&str] = &[
    "no_credential",
    "unknown_credential",
    "no_payment_method",
    "first_payment_failed",
    "trial_ended",
    "past_due",
    "unpaid",
    "canceled",
    "billing_hold",
    "quota_exhausted",
    "credit_exhausted",
    "spend_cap",
    "route_not_in_plan",
    "payment_required",
    "rate_limited",
    "concurrency_limited",
    "billing_unavailable",
    "policy_error",
    "route_not_found",
];

/// Of those, what no consumer deserves: the gateway itself is at fault.
pub(super) const FAULTS_OF_THE_GATEWAY: &[&str] = &["billing_unavailable", "policy_error"];

/// What goes wrong after it has forwarded.
pub(super) const FAILURES: &[&str] =
    &["upstream_402", "upstream_4xx", "upstream_error", "upstream_timeout", "client_abort"];

/// What a consumer may react to: any refusal, one for a cause that an account can be in, or a reminder.
pub(super) const WHEN: &[&str] = &[
    "refused",
    "no_payment_method",
    "first_payment_failed",
    "trial_ended",
    "past_due",
    "unpaid",
    "canceled",
    "billing_hold",
    "quota_exhausted",
    "credit_exhausted",
    "spend_cap",
    "route_not_in_plan",
    "rate_limited",
    "concurrency_limited",
    "billing_unavailable",
    "policy_error",
    "card_reminder",
    "trial_reminder",
];

/// The families of causes.
pub(super) const KINDS: &[&str] = &["billing", "limit", "auth", "upstream"];

/// What becomes of a request, and with its last one of a call.
pub(super) const OUTCOMES: &[&str] = &["served", "refused", "failed", "recovered", "abandoned"];

/// What `OpenAI` answers with 429 and others with 402. A call that is asked to pay for itself can only be asked with 402.
pub(super) fn answered_429_by_openai() -> impl Iterator<Item = &'static str> {
    REFUSALS.iter().copied().filter(|cause| status_of(cause) == 402 && *cause != "payment_required")
}

/// Whether what failed for this cause can be answered with this status; whether a refusal can is the scenario's to say.
pub(super) fn may_have(cause: &str, status: u16) -> bool {
    match cause {
        "upstream_402" => status == 402,
        "upstream_4xx" => (400..=499).contains(&status) && status != 402,
        "upstream_error" => status >= 500,
        "upstream_timeout" => status == 504,
        "client_abort" => status == 499,
        _ => true,
    }
}

/// The family of a cause.
pub(super) fn kind_of(cause: &str) -> &'static str {
    match cause {
        "no_credential" | "unknown_credential" | "route_not_found" => "auth",
        "rate_limited" | "concurrency_limited" => "limit",
        cause if FAILURES.contains(&cause) => "upstream",
        _ => "billing",
    }
}

/// What a refusal for a cause is answered with, unless the gateway has it otherwise.
pub(super) fn status_of(cause: &str) -> u16 {
    match cause {
        "no_credential" | "unknown_credential" => 401,
        "route_not_in_plan" => 403,
        "route_not_found" => 404,
        "billing_unavailable" => 503,
        cause if kind_of(cause) == "limit" => 429,
        _ => 402,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use farebox_engine::billing::cause::{Cause, Kind};
    use farebox_engine::model::Became;

    use super::*;

    /// The reader does not use the billing rules, so that the names stand twice; they are the same.
    #[test]
    fn the_names_are_those_of_the_rules() {
        let set = |names: &[&'static str]| names.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(set(&[REFUSALS, FAILURES].concat()), set(&Cause::ALL.map(Cause::name)));
        assert_eq!(set(KINDS), set(&Kind::ALL.map(Kind::name)));
        assert!(Cause::ALL.iter().all(|cause| kind_of(cause.name()) == cause.kind().name()));
        let refusals = Cause::ALL.iter().filter(|cause| REFUSALS.contains(&cause.name()));
        assert!(refusals.into_iter().all(|cause| status_of(cause.name()) == cause.status()));
        assert_eq!(OUTCOMES, Became::OF_CALLS.map(Became::name));
        for cause in Cause::ALL.into_iter().filter(|cause| cause.kind() == Kind::Upstream) {
            let is_its = |status| Cause::of_answer(status) == Some(cause) || cause.status() == status;
            assert!((400..600).all(|status| may_have(cause.name(), status) == is_its(status)), "{}", cause.name());
        }
        let others = ["refused", "card_reminder", "trial_reminder"];
        assert!(WHEN.iter().all(|name| others.contains(name) || REFUSALS.contains(name)));
    }
}
