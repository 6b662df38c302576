//! What each dialect answers, beside what the vendors do.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use expect_test::expect;
use farebox_engine::model::Plan;
use farebox_engine::time::HOUR;
use hyper::body::Body as _;

use super::*;

/// Every cause that a dialect words differently.
fn bodies(dialect: Dialect) -> String {
    let line = |cause: &Cause| format!("{}: {}\n", cause.name(), body(dialect, *cause, cause.status(), false).1);
    Cause::ALL.iter().map(line).collect()
}

/// RFC 9457 §3.1: `type`, `title`, `status` and `detail`; the members beside them are extensions. http402.md §1: a client
/// is to know from the body whether waiting helps.
#[test]
fn a_problem_says_what_kind_it_is_and_what_to_do() {
    for cause in Cause::ALL {
        for has_wait in [false, true] {
            let (kind, body) = body(Dialect::Problem, cause, 402, has_wait);
            assert_eq!(kind, "application/problem+json");
            assert_eq!(body["type"], format!("urn:farebox:problem:{}", cause.name()));
            assert_eq!((&body["status"], &body["code"]), (&json!(402), &json!(cause.name())));
            assert!(["title", "detail"].iter().all(|name| body[*name].as_str().is_some_and(|text| text.len() > 10)));
            assert_eq!(body["retryable"], has_wait || is_retryable(cause));
            assert_eq!(body.as_object().expect("an object").len(), 7);
        }
    }
}

/// http402.md §1: a client is to know from the body who must act, and where. The table is what was considered for each cause:
/// another one is not there by accident.
#[test]
fn a_problem_says_who_can_do_what() {
    let line = |cause: &Cause| {
        let body = body(Dialect::Problem, *cause, 402, false).1;
        let retry = if body["retryable"] == true { ", or later" } else { "" };
        let action = &body["action"];
        assert_eq!(action.as_object().expect("an object").len(), 2);
        let [who, what] = ["who", "what"].map(|name| action[name].as_str().expect("text"));
        format!("{}: {who} {what}{retry}\n", cause.name())
    };
    expect![[r"
        no_credential: consumer send_key
        unknown_credential: consumer check_key
        route_not_found: consumer check_path
        route_not_in_plan: consumer upgrade
        no_payment_method: consumer add_payment_method
        first_payment_failed: consumer update_payment_method
        trial_ended: consumer add_payment_method
        past_due: consumer update_payment_method
        unpaid: consumer update_payment_method
        canceled: consumer subscribe
        billing_hold: provider lift_hold
        rate_limited: nobody wait, or later
        concurrency_limited: nobody wait, or later
        quota_exhausted: consumer upgrade
        spend_cap: consumer raise_cap
        credit_exhausted: consumer top_up
        payment_required: consumer pay_for_call
        billing_unavailable: provider restore_billing, or later
        policy_error: provider correct_rule
        upstream_402: provider pay_upstream
        upstream_4xx: consumer check_request
        upstream_error: provider restore_service, or later
        upstream_timeout: provider restore_service, or later
        client_abort: nobody nothing
    "]]
    .assert_eq(&Cause::ALL.iter().map(line).collect::<String>());
}

/// What is being paid for by now nobody mends sooner; what else time mends by itself, somebody can.
#[test]
fn a_problem_that_time_mends_says_whether_somebody_could_act() {
    let line = |cause: Cause| {
        let body = body(Dialect::Problem, cause, 402, true).1;
        assert_eq!(body["retryable"], true, "{}", cause.name());
        let [who, what] = ["who", "what"].map(|name| body["action"][name].as_str().expect("text"));
        format!("{}: {who} {what}. {}\n", cause.name(), body["detail"].as_str().expect("text"))
    };
    let causes = [
        Cause::FirstPaymentFailed,
        Cause::PastDue,
        Cause::Unpaid,
        Cause::CreditExhausted,
        Cause::SpendCap,
        Cause::QuotaExhausted,
        Cause::RateLimited,
    ];
    expect![[r"
        first_payment_failed: nobody wait. A payment is under way: wait as long as Retry-After says, and send the request again.
        past_due: nobody wait. A payment is under way: wait as long as Retry-After says, and send the request again.
        unpaid: nobody wait. A payment is under way: wait as long as Retry-After says, and send the request again.
        credit_exhausted: nobody wait. Credit is being bought: wait as long as Retry-After says, and send the request again.
        spend_cap: consumer raise_cap. Wait as long as Retry-After says, and send the request again.
        quota_exhausted: consumer upgrade. Wait as long as Retry-After says, and send the request again.
        rate_limited: nobody wait. Wait as long as Retry-After says, and send the request again.
    "]]
    .assert_eq(&causes.map(line).concat());
}

/// domain.md: `top_up_url` is there where topping up helps. Of the same refusal: credit is bought here, there is nothing to
/// buy it with, or what there is was declined.
#[test]
fn a_refusal_for_want_of_credit_says_how_there_can_be_more() {
    let scenario = Scenario::new("credit", Span::from_ns(HOUR));
    let answers = Answers::new(&scenario, &Cause::ALL.map(Cause::status));
    let said = |credit: Credit| -> Value {
        let amends = Amends { credit: Some(credit), balance: Some(Money::ZERO), ..Amends::default() };
        let body = whole(answers.refuse_with(Cause::CreditExhausted, None, amends));
        assert_eq!((&body["code"], &body["balance"]), (&json!("credit_exhausted"), &json!("0.00")));
        json!([body["action"], body["top_up_url"], body["retryable"]])
    };
    let url = "/.well-known/farebox/top-up";
    assert_eq!(
        Credit::ALL.map(said),
        [
            json!([{ "who": "consumer", "what": "top_up", "url": url }, url, false]),
            json!([{ "who": "consumer", "what": "add_payment_method" }, null, false]),
            json!([{ "who": "consumer", "what": "update_payment_method" }, null, false]),
        ]
    );
    assert!(Credit::ALL.iter().enumerate().all(|(i, credit)| *credit as usize == i));
}

/// The body of an answer, read.
fn whole(response: Response<Full<Bytes>>) -> Value {
    let mut body = response.into_body();
    let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Some(Ok(frame))) = frame else { panic!("the body is there at once") };
    serde_json::from_slice(&frame.into_data().expect("bytes")).expect("JSON")
}

/// http402.md §4, the row of `OpenAI`: 429 with `error.type` = `insufficient_quota` and `error.code` one of
/// `credit_balance_exhausted`, `organization_spend_limit_exceeded`, `project_spend_limit_exceeded`,
/// `organization_usage_limit_exceeded`.
#[test]
fn openai_says_insufficient_quota() {
    expect![[r#"
        no_credential: {"error":{"code":null,"message":"The request carries no API key","param":null,"type":"invalid_request_error"}}
        unknown_credential: {"error":{"code":"invalid_api_key","message":"Nobody has this API key","param":null,"type":"invalid_request_error"}}
        route_not_found: {"error":{"code":"unknown_url","message":"There is no such route","param":null,"type":"invalid_request_error"}}
        route_not_in_plan: {"error":{"code":"model_not_found","message":"The plan does not cover this route","param":null,"type":"invalid_request_error"}}
        no_payment_method: {"error":{"code":"credit_balance_exhausted","message":"There is no payment method","param":null,"type":"insufficient_quota"}}
        first_payment_failed: {"error":{"code":"credit_balance_exhausted","message":"The first payment has not been made","param":null,"type":"insufficient_quota"}}
        trial_ended: {"error":{"code":"credit_balance_exhausted","message":"The trial has ended","param":null,"type":"insufficient_quota"}}
        past_due: {"error":{"code":"credit_balance_exhausted","message":"The last payment failed and grace is over","param":null,"type":"insufficient_quota"}}
        unpaid: {"error":{"code":"credit_balance_exhausted","message":"Invoices are unpaid and collecting them has ended","param":null,"type":"insufficient_quota"}}
        canceled: {"error":{"code":"credit_balance_exhausted","message":"The subscription was canceled","param":null,"type":"insufficient_quota"}}
        billing_hold: {"error":{"code":"credit_balance_exhausted","message":"The account is suspended: a payment was taken back","param":null,"type":"insufficient_quota"}}
        rate_limited: {"error":{"code":"rate_limit_exceeded","message":"Too many requests","param":null,"type":"requests"}}
        concurrency_limited: {"error":{"code":"rate_limit_exceeded","message":"Too many requests in flight","param":null,"type":"requests"}}
        quota_exhausted: {"error":{"code":"organization_usage_limit_exceeded","message":"The allowance of this period is used up","param":null,"type":"insufficient_quota"}}
        spend_cap: {"error":{"code":"organization_spend_limit_exceeded","message":"The spend cap of this period is reached","param":null,"type":"insufficient_quota"}}
        credit_exhausted: {"error":{"code":"credit_balance_exhausted","message":"The prepaid balance does not cover this call","param":null,"type":"insufficient_quota"}}
        payment_required: {"error":{"code":"credit_balance_exhausted","message":"This request is to be paid for","param":null,"type":"insufficient_quota"}}
        billing_unavailable: {"error":{"code":null,"message":"Billing does not answer","param":null,"type":"server_error"}}
        policy_error: {"error":{"code":"credit_balance_exhausted","message":"A misconfigured rule asks for payment","param":null,"type":"insufficient_quota"}}
        upstream_402: {"error":{"code":null,"message":"A service behind the gateway could not pay","param":null,"type":"server_error"}}
        upstream_4xx: {"error":{"code":null,"message":"The service refused the request","param":null,"type":"server_error"}}
        upstream_error: {"error":{"code":null,"message":"The service could not answer","param":null,"type":"server_error"}}
        upstream_timeout: {"error":{"code":null,"message":"The service did not answer in time","param":null,"type":"server_error"}}
        client_abort: {"error":{"code":null,"message":"The client went away","param":null,"type":"server_error"}}
    "#]]
    .assert_eq(&bodies(Dialect::OpenAi429));
    let of_billing = |cause: &&Cause| cause.kind() == Kind::Billing && cause.status() == 402;
    for cause in Cause::ALL.iter().filter(of_billing) {
        let error = &openai(*cause)["error"];
        let code = error["code"].as_str().expect("a code");
        assert_eq!(error["type"], "insufficient_quota");
        assert!(
            ["credit_balance_exhausted", "organization_spend_limit_exceeded", "organization_usage_limit_exceeded"]
                .contains(&code)
        );
    }
}

/// http402.md §4, the row of `OpenRouter`: `{"error":{"code":402,"message","metadata":{...}}}`, and what is terminal names
/// `limit_source: openrouter_credits` or `openrouter_key_limit`.
#[test]
fn openrouter_names_what_has_run_out() {
    expect![[r#"
        no_credential: {"error":{"code":401,"message":"The request carries no API key"}}
        unknown_credential: {"error":{"code":401,"message":"Nobody has this API key"}}
        route_not_found: {"error":{"code":404,"message":"There is no such route"}}
        route_not_in_plan: {"error":{"code":403,"message":"The plan does not cover this route"}}
        no_payment_method: {"error":{"code":402,"message":"There is no payment method"}}
        first_payment_failed: {"error":{"code":402,"message":"The first payment has not been made"}}
        trial_ended: {"error":{"code":402,"message":"The trial has ended"}}
        past_due: {"error":{"code":402,"message":"The last payment failed and grace is over"}}
        unpaid: {"error":{"code":402,"message":"Invoices are unpaid and collecting them has ended"}}
        canceled: {"error":{"code":402,"message":"The subscription was canceled"}}
        billing_hold: {"error":{"code":402,"message":"The account is suspended: a payment was taken back"}}
        rate_limited: {"error":{"code":429,"message":"Too many requests"}}
        concurrency_limited: {"error":{"code":429,"message":"Too many requests in flight"}}
        quota_exhausted: {"error":{"code":402,"message":"The allowance of this period is used up","metadata":{"limit_source":"openrouter_key_limit"}}}
        spend_cap: {"error":{"code":402,"message":"The spend cap of this period is reached","metadata":{"limit_source":"openrouter_key_limit"}}}
        credit_exhausted: {"error":{"code":402,"message":"The prepaid balance does not cover this call","metadata":{"limit_source":"openrouter_credits"}}}
        payment_required: {"error":{"code":402,"message":"This request is to be paid for","metadata":{"limit_source":"openrouter_credits"}}}
        billing_unavailable: {"error":{"code":503,"message":"Billing does not answer"}}
        policy_error: {"error":{"code":402,"message":"A misconfigured rule asks for payment"}}
        upstream_402: {"error":{"code":402,"message":"A service behind the gateway could not pay"}}
        upstream_4xx: {"error":{"code":400,"message":"The service refused the request"}}
        upstream_error: {"error":{"code":502,"message":"The service could not answer"}}
        upstream_timeout: {"error":{"code":504,"message":"The service did not answer in time"}}
        client_abort: {"error":{"code":499,"message":"The client went away"}}
    "#]].assert_eq(&bodies(Dialect::OpenRouter402));
}

/// http402.md §1, draft-ietf-httpapi-ratelimit-headers-10: a policy has `q` and `w`; a limit has `r`, and `t` seconds to
/// more; `Retry-After` is not earlier than `t`.
#[test]
fn the_only_limit_of_a_plan_is_told_with_what_is_left_of_it() {
    let rate = Rate { requests: 5, per: Span::from_ns(HOUR) };
    let limits = [
        (vec![Limit::TokenBucket { rate, burst: 9 }], Some("\"rate\";q=5;w=3600")),
        (vec![Limit::FixedWindow(rate), Limit::Concurrency(3)], Some("\"rate\";q=5;w=3600")),
        (vec![Limit::SlidingWindow(rate), Limit::FixedWindow(rate)], None),
        (vec![Limit::SlidingWindow(Rate { requests: 5, per: Span::from_ns(SECOND / 2) })], None),
        (vec![Limit::Concurrency(3)], None),
    ];
    let plans = limits.iter().map(|(limits, _)| Plan { limits: limits.clone(), ..Plan::new("plan") });
    let mut scenario = Scenario::new("limits", Span::from_ns(HOUR));
    scenario.plans = plans.collect();
    let answers = Answers::new(&scenario, &Cause::ALL.map(Cause::status));
    for (plan, (_, expected)) in limits.iter().enumerate() {
        let wait = Some(Span::from_secs(7));
        let mut response = answers.refuse(Cause::RateLimited, wait);
        answers.add_policy(plan, wait, &mut response);
        let header =
            |name: HeaderName| response.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
        assert_eq!(header(RATE_LIMIT_POLICY).as_deref(), *expected);
        assert_eq!(header(RATE_LIMIT), expected.map(|_| "\"rate\";r=0;t=7".to_owned()));
        assert_eq!(header(RETRY_AFTER).as_deref(), Some("7"));
    }
}

/// A request that is refused is given what was made before: not a copy of it.
#[test]
fn an_answer_is_made_once() {
    let scenario = Scenario::new("once", Span::from_ns(HOUR));
    let answers = Answers::new(&scenario, &Cause::ALL.map(Cause::status));
    let sent = || {
        let mut body = answers.refuse(Cause::PastDue, None).into_body();
        let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { panic!("the body is there at once") };
        frame.into_data().expect("bytes")
    };
    assert_eq!(sent().as_ptr(), sent().as_ptr());
}

/// domain.md: a 402 has `balance`, `required`, `currency`, `resets_at` where they are known; what is not known is not there.
#[test]
fn a_problem_says_how_it_is_mended_as_far_as_that_is_known() {
    let scenario = Scenario::new("amends", Span::from_ns(HOUR));
    let answers = Answers::new(&scenario, &Cause::ALL.map(Cause::status));
    let said = |amends: Amends| -> Value {
        let mut body = answers.refuse_with(Cause::CreditExhausted, None, amends).into_body();
        let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { panic!("the body is there at once") };
        serde_json::from_slice(&frame.into_data().expect("bytes")).expect("JSON")
    };
    let plain = problem(Cause::CreditExhausted, 402, false);
    assert_eq!(said(Amends::default()), plain);
    let at = "2026-11-22T00:05:00Z".parse().expect("a time");
    let all = Amends {
        balance: Some(Money::from_nanos(-5_000_000)),
        required: Some(Money::from_nanos(10_000_000)),
        resets_at: Some(at),
        credit: None,
        declined: None,
    };
    let mut expected = plain.clone();
    for (name, value) in
        [("balance", "-0.005"), ("required", "0.01"), ("currency", "USD"), ("resets_at", "2026-11-22T00:05:00Z")]
    {
        expected[name] = json!(value);
    }
    assert_eq!(said(all), expected);
    let only = said(Amends { resets_at: Some(at), ..Amends::default() });
    assert_eq!((&only["resets_at"], only.get("currency")), (&expected["resets_at"], None));
    // Vendors have no words for it, and what is no matter of money needs none.
    for (dialect, cause, tells) in [
        (Dialect::Problem, Cause::CreditExhausted, true),
        (Dialect::Problem, Cause::RateLimited, false),
        (Dialect::OpenAi429, Cause::CreditExhausted, false),
        (Dialect::OpenRouter402, Cause::CreditExhausted, false),
    ] {
        let mut scenario = scenario.clone();
        scenario.gateway.dialect = dialect;
        assert_eq!(Answers::new(&scenario, &Cause::ALL.map(Cause::status)).tells_amends(cause), tells, "{dialect:?}");
    }
}
