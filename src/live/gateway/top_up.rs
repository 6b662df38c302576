//! The page that a 402 for want of credit leads to: `POST /.well-known/farebox/top-up` with the consumer's key buys what
//! the consumer's software usually buys. It is no call: nothing is counted of it, and no limit looks at it.

use bytes::Bytes;
use farebox_engine::billing::cause::Cause;
use farebox_engine::billing::standing::NotSold;
use farebox_engine::money::Money;
use farebox_engine::time::SECOND;
use farebox_engine::world::PAYMENT_TAKES;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::super::accounts::{AccountId, Logging, When};
use super::super::amount::decimal;
use super::super::exchange::Answer;
use super::{Shared, Time, Worker, broken};

impl Shared {
    /// Whether credit can be bought here: not where what happens to the accounts is replayed, or is all scheduled.
    pub(super) fn sells_credit(&self) -> bool {
        self.accounts.logging() == Logging::Off && self.time != Time::Lockstep
    }
}

impl Worker {
    /// Buys what the consumer's software usually buys. The processor may still be thinking when this is answered, and may
    /// say no: whether it has paid shows with the next call.
    pub(super) fn top_up(&self, account: AccountId, method: &Method) -> Response<Answer> {
        if *method != Method::POST {
            let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, "method", "Credit is bought with POST");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return answer;
        }
        if !self.shared.sells_credit() {
            return problem(
                StatusCode::CONFLICT,
                "replayed",
                "What happens here is replayed, so nobody may buy credit",
            );
        }
        let when = When::Wall(&self.shared.clock);
        if self.accounts().is_billing_down(when) {
            return self.shared.answers.refuse(Cause::BillingUnavailable, None).map(Answer::Own);
        }
        match self.accounts().buy_usual_credit(account, when) {
            Ok(Ok(amount)) => self.asked_for(amount),
            Ok(Err(why)) => not_sold(why),
            Err(overflow) => broken(overflow),
        }
    }

    fn asked_for(&self, amount: Money) -> Response<Answer> {
        let currency = self.accounts().world().scenario.currency;
        let body = json!({ "status": "pending", "amount": decimal(amount, currency), "currency": currency.code });
        answer(StatusCode::ACCEPTED, "application/json", &body)
    }
}

/// 422 where it will never be otherwise on this plan, else 409.
fn not_sold(why: NotSold) -> Response<Answer> {
    let (status, code, title) = match why {
        NotSold::NotPrepaid => (StatusCode::UNPROCESSABLE_ENTITY, "not_prepaid", "The plan has no credit to buy"),
        NotSold::NoUsualAmount => {
            (StatusCode::UNPROCESSABLE_ENTITY, "no_usual_amount", "The plan does not say how much credit is usual")
        }
        NotSold::NotSubscribed => {
            (StatusCode::CONFLICT, "not_subscribed", "There is no subscription to buy credit for")
        }
        NotSold::NoPaymentMethod => (StatusCode::CONFLICT, "no_payment_method", "There is no payment method"),
        NotSold::OnItsWay => (StatusCode::CONFLICT, "pending", "Credit is being bought already"),
    };
    let mut answer = problem(status, code, title);
    if why == NotSold::OnItsWay {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(PAYMENT_TAKES.ns() / SECOND));
    }
    answer
}

fn problem(status: StatusCode, code: &str, title: &str) -> Response<Answer> {
    let body = json!({
        "type": format!("urn:farebox:problem:top_up_{code}"),
        "title": title,
        "status": status.as_u16(),
        "code": code,
        "retryable": code == "pending",
    });
    answer(status, "application/problem+json", &body)
}

fn answer(status: StatusCode, kind: &'static str, body: &Value) -> Response<Answer> {
    let mut answer = Response::new(Answer::Own(Full::new(Bytes::from(body.to_string()))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
