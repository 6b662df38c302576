//! What the gateway answers in place of the upstream.

use std::time::{SystemTime, UNIX_EPOCH};

use farebox_engine::billing::cause::Cause;
use farebox_engine::billing::standing::NotSold;
use farebox_engine::time::{SECOND, Span};
use hyper::Response;
use hyper::header::HeaderValue;
use jiff::Timestamp;

use super::super::accounts::{AccountId, When};
use super::super::exchange::Answer;
use super::super::problem::{Amends, Credit, Rejection};
use super::super::shortfall::Shortfall;
use super::super::stamp::Scheduled;
use super::{LEFT, Worker};

impl Worker {
    /// The answer to what is no request that an account could hear of.
    pub(super) fn reject(&self, rejection: Rejection) -> Response<Answer> {
        self.counters().rejected(rejection);
        self.shared.answers.reject(rejection).map(Answer::Own)
    }

    /// The answer to a call that the gate has refused.
    pub(super) fn refuse_call(
        &self,
        account: AccountId,
        route: u16,
        cause: Cause,
        scheduled: Option<Scheduled>,
    ) -> Response<Answer> {
        let mut answer = if self.shared.answers.tells_amends(cause) {
            self.refuse_with(account, cause, route, scheduled)
        } else {
            let (wait, plan) = self.wait(account, cause, route, scheduled);
            let mut answer = self.refuse(cause, Some(route), wait);
            if cause == Cause::RateLimited {
                self.shared.answers.add_policy(plan, wait, &mut answer);
            }
            answer
        };
        if cause == Cause::Canceled && self.accounts().has_left(account) {
            answer.headers_mut().insert(LEFT, HeaderValue::from_static("true"));
        }
        answer
    }

    /// The answer to a call that is not forwarded.
    pub(super) fn refuse(&self, cause: Cause, route: Option<u16>, wait: Option<Span>) -> Response<Answer> {
        self.counters().ended(route, cause);
        self.shared.answers.refuse(cause, wait).map(Answer::Own)
    }

    /// As [`Self::refuse`], with what the account says of how it is mended.
    fn refuse_with(
        &self,
        account: AccountId,
        cause: Cause,
        route: u16,
        scheduled: Option<Scheduled>,
    ) -> Response<Answer> {
        self.counters().ended(Some(route), cause);
        let when = scheduled.map_or(When::Wall(&self.shared.clock), |scheduled| When::At(scheduled.decided.now));
        let Shortfall { balance, required, resets_in, usual_credit, declined, wait } =
            self.accounts().shortfall(account, when, route, cause);
        // The times of a lockstep are on no clock of the wall.
        let resets_at = resets_in.filter(|_| scheduled.is_none()).and_then(wall_time);
        let credit = usual_credit.and_then(|sold| match sold {
            // The same card would be declined again.
            Ok(_) if declined.is_some() => Some(Credit::NeedsAnotherCard),
            Ok(_) => self.shared.sells_credit().then_some(Credit::CanBeBought),
            Err(NotSold::NoPaymentMethod) => Some(Credit::NeedsPaymentMethod),
            // Of what is on its way, the time to wait is told.
            Err(NotSold::OnItsWay | NotSold::NotPrepaid | NotSold::NoUsualAmount | NotSold::NotSubscribed) => None,
        });
        let declined = declined.filter(|_| credit == Some(Credit::NeedsAnotherCard));
        let amends = Amends { balance, required, resets_at, credit, declined };
        self.shared.answers.refuse_with(cause, wait, amends).map(Answer::Own)
    }

    /// How long to wait, where waiting alone will help; and the plan that the account is on.
    fn wait(
        &self,
        account: AccountId,
        cause: Cause,
        route: u16,
        scheduled: Option<Scheduled>,
    ) -> (Option<Span>, usize) {
        let when = scheduled.map_or(When::Wall(&self.shared.clock), |scheduled| When::At(scheduled.decided.now));
        self.accounts().retry_after(account, when, route, cause)
    }
}

/// What the clock on the wall shows after this time, in whole seconds and not earlier.
pub(super) fn wall_time(wait: Span) -> Option<Timestamp> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let seconds = (now.as_nanos() + u128::from(wait.ns())).div_ceil(u128::from(SECOND));
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}
