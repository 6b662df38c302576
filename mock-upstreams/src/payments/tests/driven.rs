//! The clock, outages, errors and test clocks.

use super::*;

/// Seconds of 2030-01-31 and 2030-02-01, both at noon.
const JANUARY: i64 = 1_896_091_200;
const FEBRUARY: i64 = JANUARY + 86_400;

#[test]
fn the_clock_is_sent_ahead_for_everybody() {
    let (_server, mut client) = plain();
    let before = client.made("/v1/customers", "")["created"].as_i64().unwrap();
    let now = client.advance("400d")["now"].as_i64().unwrap();
    assert!(now >= before + 400 * 86_400);
    assert!(client.made("/v1/customers", "")["created"].as_i64().unwrap() >= now);
    assert_eq!(client.events(), ["customer.created"], "an event is kept for thirty days");
    for wrong in [
        r#"{"advance": "30"}"#,
        r#"{"advance": 30}"#,
        r#"{"back": "1d"}"#,
        "{}",
        "30d",
        r#"{"advance": "1d", "x": ""}"#,
    ] {
        assert_eq!(client.ask("POST", "/_mock/clock", "", wrong).status, 400, "{wrong}");
    }
    assert_eq!(
        client.ask("POST", "/_mock/clock", "", r#"{"advance": "36600d"}"#).status,
        400,
        "a hundred years in all"
    );
}

#[test]
fn a_span_that_is_too_long_is_not_told_to_be_none() {
    let (_server, mut client) = plain();
    let cases = [("/_mock/clock", "advance"), ("/_mock/outage", "for")];
    for (path, field) in cases {
        let mut message = |span: &str| {
            let answer = client.ask("POST", path, "", &format!(r#"{{"{field}": "{span}"}}"#));
            assert_eq!((answer.status, answer.text("/error/param")), (400, field), "{span}");
            answer.text("/error/message").to_owned()
        };
        let expected = "`200000d` is beyond what the clock can show: it can be a hundred years ahead at most";
        assert_eq!(message("200000d"), expected);
        assert!(message("200000").starts_with("`200000` is no time: expected a whole number and its unit"));
    }
}

#[test]
fn an_outage_is_over_when_the_clock_says_so() {
    let (server, mut client) = plain();
    let begun = client.ask("POST", "/_mock/outage", "", r#"{"for": "2h"}"#);
    assert_eq!((&begun.json["down"], text(&begun.json, "how")), (&true.into(), "503"));
    let down = client.keyed("k", "/v1/customers", "");
    assert_eq!((down.status, down.text("/error/type")), (503, "api_error"));
    client.advance("1h");
    assert_eq!(client.get("/v1/customers").status, 503);
    client.advance("1h");
    let up = client.keyed("k", "/v1/customers", "");
    assert_eq!((up.status, up.header("idempotent-replayed")), (200, None), "an outage is kept under no key");
    assert_eq!(client.ask("GET", "/_mock/outage", "", "").json["down"], false);

    client.ask("POST", "/_mock/outage", "", r#"{"for": "2h", "how": "reset"}"#);
    client.send("GET", "/v1/customers", KEY, "");
    assert!(client.0.read(&mut [0]).is_err(), "the connection is reset");
    let mut client = Client::connect(&server);
    client.ask("POST", "/_mock/outage", "", r#"{"for": "0s"}"#);
    assert_eq!(client.get("/v1/customers").status, 200);
    for wrong in [r#"{"for": "2h", "how": "slow"}"#, "{}", r#"{"for": "x"}"#] {
        assert_eq!(client.ask("POST", "/_mock/outage", "", wrong).status, 400, "{wrong}");
    }
}

#[test]
fn driven_errors_come_before_and_after_the_effect_and_are_kept() {
    let errors = "100%".parse().unwrap();
    let server = serving(&PaymentsOptions { errors, ..PaymentsOptions::default() });
    let mut client = Client::connect(&server);
    for key in 0..64 {
        let answer = client.keyed(&format!("k{key}"), "/v1/customers", "");
        assert_eq!((answer.status, answer.text("/error/type")), (500, "api_error"));
    }
    let again = client.keyed("k0", "/v1/customers", "");
    assert_eq!((again.status, again.header("idempotent-replayed")), (500, Some("true")));
    let objects = client.ask("GET", "/healthz", "", "").json["objects"].as_u64().unwrap();
    // Binomial of 64 halves: 32 ± 5 × 4.
    assert!((12..=52).contains(&objects), "{objects}");
}

#[test]
fn who_is_turned_away_at_the_door_has_no_effect_and_may_come_again() {
    let errors = "429=100%".parse().unwrap();
    let server = serving(&PaymentsOptions { errors, ..PaymentsOptions::default() });
    let mut client = Client::connect(&server);
    for key in 0..16 {
        let answer = client.keyed(&format!("k{}", key / 2), "/v1/customers", "");
        let told = (answer.status, answer.text("/error/code"), answer.header("idempotent-replayed"));
        assert_eq!(told, (429, "rate_limit", None));
    }
    client.until("/objects", 0);
    let wrong = PaymentsOptions { errors: "402=1%".parse().unwrap(), ..PaymentsOptions::default() };
    assert_eq!(PaymentsServer::start(&wrong).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_share_of_errors_is_about_that_share() {
    let errors = "503=10%".parse().unwrap();
    let server = serving(&PaymentsOptions { errors, seed: 3, ..PaymentsOptions::default() });
    let mut client = Client::connect(&server);
    let failed = (0..1_000).filter(|_| client.get("/v1/customers").status == 503).count();
    // Binomial of 1,000 at 10 %: 100 ± 5 × 9.5.
    assert!((53..=147).contains(&failed), "{failed}");
}

#[test]
fn customers_follow_their_own_clock() {
    let (_server, mut client) = plain();
    let clock = client.made("/v1/test_helpers/test_clocks", &format!("frozen_time={JANUARY}&name=one"));
    let path = format!("/v1/test_helpers/test_clocks/{}", text(&clock, "id"));
    assert_eq!((text(&clock, "object"), text(&clock, "status")), ("test_helpers.test_clock", "ready"));
    let mut customers = Vec::new();
    for _ in 0..20 {
        let customer = client.made("/v1/customers", &format!("test_clock={}", text(&clock, "id")));
        assert_eq!(customer["created"], JANUARY);
        customers.push(text(&customer, "id").to_owned());
    }
    let form = "type=card&card[number]=4242424242424242&card[exp_month]=1&card[exp_year]=2030";
    let method = text(&client.made("/v1/payment_methods", form), "id").to_owned();
    client.made(&format!("/v1/payment_methods/{method}/attach"), &format!("customer={}", customers[0]));
    let pay = format!(
        "amount=500&currency=usd&confirm=true&off_session=true&customer={}&payment_method={method}",
        customers[0]
    );
    let paid = client.made("/v1/payment_intents", &pay);
    assert_eq!((text(&paid, "status"), &paid["created"]), ("succeeded", &JANUARY.into()));
    let refund = client.made("/v1/refunds", &format!("payment_intent={}", text(&paid, "id")));
    let advanced = client.made(&format!("{path}/advance"), &format!("frozen_time={FEBRUARY}"));
    client.made(&format!("/v1/refunds/{}", text(&refund, "id")), "metadata[a]=b");
    for (kind, created) in [("refund.created", JANUARY), ("refund.updated", FEBRUARY)] {
        assert_eq!(client.found(&format!("/v1/events?type={kind}"))["data"][0]["created"], created, "{kind}");
    }
    assert_eq!(advanced["frozen_time"], FEBRUARY);
    let expired = client.post("/v1/payment_intents", &pay);
    assert_eq!((expired.status, expired.text("/error/code")), (402, "expired_card"));
    let back = client.post(&format!("{path}/advance"), &format!("frozen_time={JANUARY}"));
    assert_eq!((back.status, back.text("/error/param")), (400, "frozen_time"));
    assert_eq!(client.found("/v1/test_helpers/test_clocks")["data"][0], client.found(&path));
    assert_eq!(client.post("/v1/customers", "test_clock=clock_x").status, 400);
    assert_eq!(client.delete(&path).json["deleted"], true);
    assert_eq!(client.get(&format!("/v1/customers/{}", customers[1])).status, 404);
    assert_eq!(client.get(&format!("/v1/payment_intents/{}", text(&paid, "id"))).status, 404);
    client.until("/objects", 0);
}

#[test]
fn a_card_of_the_mock_has_funds_early_in_the_month() {
    let (_server, mut client) = plain();
    let clock = client.made("/v1/test_helpers/test_clocks", &format!("frozen_time={JANUARY}"));
    let form = format!("test_clock={}&payment_method=pm_card_mock_paysEarlyInTheMonth", text(&clock, "id"));
    let customer = text(&client.made("/v1/customers", &form), "id").to_owned();
    let method = list(&client.found(&format!("/v1/customers/{customer}/payment_methods")), "id").remove(0);
    let pay = format!("amount=500&currency=usd&confirm=true&customer={customer}&payment_method={method}");
    assert_eq!(client.post("/v1/payment_intents", &pay).text("/error/decline_code"), "insufficient_funds");
    let path = format!("/v1/test_helpers/test_clocks/{}/advance", text(&clock, "id"));
    client.made(&path, &format!("frozen_time={FEBRUARY}"));
    assert_eq!(client.post("/v1/payment_intents", &pay).text("/status"), "succeeded");
}
