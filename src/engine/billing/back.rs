//! How long it takes from paying to the first call that is served, for one who was refused until they paid; on the
//! traffic clock.
//!
//! What counts is the capture that makes the last refusal good: all that was due is paid, the plan that was asked for is
//! paid, or credit is. Of calls only those that were admitted after it: what was under way before proves nothing. A
//! refusal for another matter of money in between says that the payment did not make it good, and nothing is counted.

use crate::billing::cause::{Cause, Kind};
use crate::time::{Span, Time};

/// What an account that was refused waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Back {
    /// What it was refused for last, where paying makes that good; `None`: nothing is waited for.
    cause: Option<Cause>,
    /// Whether it has paid since.
    is_paid: bool,
    /// When it has, else when it was refused; in traffic time.
    since: Time,
    /// What was admitted earlier proves nothing: when the account has heard of the payment, else when it was refused.
    from: Time,
    /// How long it took, each time.
    took: Vec<Span>,
}

/// What becomes good once all that is due is paid.
pub(crate) const DEBTS: &[Cause] =
    &[Cause::PastDue, Cause::Unpaid, Cause::FirstPaymentFailed, Cause::NoPaymentMethod, Cause::TrialEnded];
/// What an upgrade may make good.
pub(crate) const TERMS: &[Cause] =
    &[Cause::QuotaExhausted, Cause::SpendCap, Cause::RouteNotInPlan, Cause::CreditExhausted];
/// What credit makes good.
pub(crate) const CREDIT: &[Cause] = &[Cause::CreditExhausted];

impl Back {
    /// Whether the next served call answers a question. It is asked with every served call.
    #[inline]
    pub(crate) fn is_watching(&self) -> bool {
        self.cause.is_some()
    }

    /// Whether the next call that is served is the first after a payment.
    #[inline]
    pub(crate) fn is_paid(&self) -> bool {
        self.is_paid
    }

    /// A call was refused.
    #[cold]
    pub(crate) fn refused(&mut self, cause: Cause, at: Time) {
        if cause.kind() != Kind::Billing {
            return;
        }
        self.give_up();
        if [DEBTS, TERMS].iter().any(|causes| causes.contains(&cause)) {
            (self.cause, self.since, self.from) = (Some(cause), at, at);
        }
    }

    /// A payment has come in that makes these causes good, and was heard of then. Of several the first counts.
    pub(crate) fn paid(&mut self, makes_good: &[Cause], at: Time, heard: Time) {
        if !self.is_paid && self.cause.is_some_and(|cause| makes_good.contains(&cause)) {
            (self.is_paid, self.since, self.from) = (true, at, heard);
        }
    }

    /// A call that was admitted then is served.
    #[cold]
    pub(crate) fn served(&mut self, admitted: Time, at: Time) {
        if admitted < self.from {
            return;
        }
        if self.is_paid {
            self.took.push(at.since(self.since));
        }
        self.give_up();
    }

    /// Nothing is waited for any more.
    #[inline]
    pub(crate) fn give_up(&mut self) {
        (self.cause, self.is_paid, self.since, self.from) = (None, false, Time::START, Time::START);
    }

    /// How long it took, each time, in their order.
    pub(crate) fn took(&self) -> &[Span] {
        &self.took
    }
}
