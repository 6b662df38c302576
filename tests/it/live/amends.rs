//! What a problem says of how it is mended: what there is, what it takes, and when time alone brings it. What nobody knows is
//! left out.

use jiff::Timestamp;

use super::*;

const AMENDS: &str = "
scenario: amends
horizon: 30d
routes: { /v1: {} }
plans:
  payg: { prepaid: { opening: $0.025 }, prices: { requests: $0.01 } }
  hobby: { includes: { requests: 2/month }, past_allowance: block }
  once: { prepaid: { opening: $0.60 }, prices: { requests: $0.50 } }
  capped: { fee: $49/month, includes: { requests: 1 }, past_allowance: overage, overage: { requests: $0.02 }, spend_cap: $0.05/month }
consumers:
  script: { count: 1, plan: payg, traffic: { rate: 0.001/day }, payment: { card: { declines: 0% } } }
  hobby: { count: 1, plan: hobby, traffic: { rate: 0.001/day } }
  once: { count: 1, plan: once, traffic: { rate: 0.001/day }, payment: { card: { declines: 0% } } }
  capped: { count: 1, plan: capped, traffic: { rate: 0.001/day }, payment: { card: { declines: 0% } } }
";

/// Calls until one is refused, after so many that are served; what is said of how to mend that, beside the other members.
fn refused_after(rig: &Rig, id: u32, served: usize, cause: &str) -> (Message, Value) {
    let mut client = rig.client();
    for _ in 0..served {
        assert_eq!(client.get(&keyed(AccountId(id), "")).status(), 200);
    }
    let answer = client.get(&keyed(AccountId(id), ""));
    refused(&answer, 402, cause);
    let mut problem: Value = serde_json::from_slice(&answer.body).unwrap();
    for known in ["type", "title", "status", "detail", "code", "retryable", "action"] {
        assert!(problem.as_object_mut().unwrap().remove(known).is_some(), "{known}");
    }
    (answer, problem)
}

/// Seconds since 1970 of a time in RFC 3339, and now.
fn seconds(time: &Value) -> (i64, i64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    (time.as_str().unwrap().parse::<Timestamp>().unwrap().as_second(), now)
}

#[test]
fn credit_that_is_short_is_told_with_what_the_call_takes() {
    let rig = Rig::new(AMENDS);
    let (_, problem) = refused_after(&rig, 0, 2, "credit_exhausted");
    assert_eq!(problem, json!({ "balance": "0.005", "required": "0.01", "currency": "USD" }));
    // What is left of more is not enough either.
    let (_, problem) = refused_after(&rig, 2, 1, "credit_exhausted");
    assert_eq!(problem, json!({ "balance": "0.10", "required": "0.50", "currency": "USD" }));
    rig.quiesce();
}

/// Where credit is only looked at, a call passes while there is any: none is required that would be too little.
#[test]
fn where_any_credit_is_enough_none_is_required() {
    let rig = Rig::new(&format!("{AMENDS}gateway: {{ spend_control: check_then_debit }}\n"));
    let (_, problem) = refused_after(&rig, 0, 3, "credit_exhausted");
    assert_eq!(problem["currency"], "USD");
    assert!(
        problem["balance"].as_str().is_some_and(|balance| balance.starts_with('-') || balance == "0.00"),
        "{problem}"
    );
    assert_eq!(problem.get("required"), None);
    rig.gateway.finish(GRACE, WallClock::now).unwrap();
}

/// The time at which an allowance is new is that of `Retry-After`.
#[test]
fn an_allowance_that_is_used_up_says_when_it_is_new() {
    let rig = Rig::new(AMENDS);
    let (answer, problem) = refused_after(&rig, 1, 2, "quota_exhausted");
    let (resets, now) = seconds(&problem["resets_at"]);
    let wait: i64 = answer.header("retry-after").unwrap().parse().unwrap();
    // The answer was written within the last moments.
    assert!((wait - 30..=wait + 1).contains(&(resets - now)), "{problem} {answer}");
    assert!(wait > 86_400, "an allowance of a month");
    assert_eq!(problem.as_object().unwrap().len(), 1, "{problem}");
    rig.quiesce();
}

#[test]
fn a_spend_cap_says_what_is_left_below_it_and_when_it_is_new() {
    let rig = Rig::new(AMENDS);
    let (answer, problem) = refused_after(&rig, 3, 3, "spend_cap");
    let (resets, now) = seconds(&problem["resets_at"]);
    let wait: i64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((wait - 30..=wait + 1).contains(&(resets - now)), "{problem} {answer}");
    let whole: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&whole["retryable"], &whole["action"]["what"]), (&json!(true), &json!("raise_cap")));
    assert!((86_400..=32 * 86_400).contains(&(resets - now)), "{problem}");
    // Two calls of $0.02 past the allowance are below $0.05, and a third would not be.
    assert_eq!((&problem["balance"], &problem["currency"]), (&json!("0.01"), &json!("USD")));
    assert_eq!(problem.get("required"), None, "{problem}");
    rig.quiesce();
}

/// What is due is the fee that was declined, which no waiting pays.
#[test]
fn an_unpaid_invoice_says_what_is_due() {
    let scenario = "
scenario: unpaid
horizon: 30d
plans: { strict: { fee: $29/month } }
consumers: { strict: { count: 1, plan: strict, traffic: { rate: 1/day }, payment: { card: { declines: 100% } } } }
payments: { dunning: { retries: [], finally: keep } }
live: { rate: 1/s, duration: 10s, clock: 31d per 1s }
";
    let upstream = Server::start(&mock_upstreams::Options::default()).unwrap();
    let gateway = serve(fixture::scaled(fixture::parse(scenario)), upstream.addr(), Instant::now());
    wait_until("the renewal is declined and refuses", || {
        let answer = Wire::connect(gateway.addr()).get(&keyed(AccountId(0), ""));
        if answer.status() == 402 {
            let problem: Value = serde_json::from_slice(&answer.body).unwrap();
            let due: f64 = problem["required"].as_str().unwrap().parse().unwrap();
            assert!(due >= 29.0 && due % 29.0 == 0.0, "{problem}");
            assert_eq!((&problem["currency"], problem.get("resets_at")), (&json!("USD"), None));
        }
        answer.status() == 402
    });
    accounts(gateway, GRACE);
    upstream.shutdown(Duration::ZERO);
}
