//! Idempotency keys.

use super::*;

const INTENTS: &str = "/v1/payment_intents";
const PAYS: &str = "amount=500&currency=usd&payment_method=pm_card_visa&confirm=true";
const DECLINED: &str = "amount=500&currency=usd&payment_method=pm_card_chargeDeclined&confirm=true";

#[test]
fn the_first_answer_is_given_again() {
    let (_server, mut client) = plain();
    for (key, form, status) in [("paid", PAYS, 200), ("declined", DECLINED, 402)] {
        let first = client.keyed(key, INTENTS, form);
        assert_eq!((first.status, first.header("idempotent-replayed")), (status, None));
        assert_eq!(first.header("idempotency-key"), Some(key));
        let again = client.keyed(key, INTENTS, form);
        assert_eq!(
            (again.status, &again.json, again.header("idempotent-replayed")),
            (status, &first.json, Some("true"))
        );
        assert_eq!(again.header("original-request"), first.header("request-id"));
        assert_ne!(again.header("request-id"), first.header("request-id"));
    }
    assert_eq!(list(&client.found(INTENTS), "id").len(), 2);
    let event = &client.found("/v1/events?type=charge.failed")["data"][0];
    assert_eq!(event["request"]["idempotency_key"], "declined");
}

#[test]
fn the_order_and_the_encoding_of_the_parameters_do_not_matter() {
    let (_server, mut client) = plain();
    let first = client.keyed("k", "/v1/customers", "name=Ada&metadata[a]=b");
    let again = client.keyed("k", "/v1/customers", "metadata%5Ba%5D=b&name=Ad%61");
    assert_eq!(again.json, first.json);
}

#[test]
fn a_key_is_for_one_request_alone() {
    let (_server, mut client) = plain();
    client.keyed("k", INTENTS, PAYS);
    let other = client.keyed("k", INTENTS, DECLINED);
    assert_eq!((other.status, other.text("/error/type")), (400, "idempotency_error"));
    assert!(other.text("/error/message").contains("same parameters"), "{:#}", other.json);
    let elsewhere = client.keyed("k", "/v1/customers", PAYS);
    assert_eq!((elsewhere.status, elsewhere.text("/error/type")), (400, "idempotency_error"));
    assert!(elsewhere.text("/error/message").contains("('/v1/customers' vs '/v1/payment_intents')"));
    // A mismatch is not kept either.
    assert_eq!(client.keyed("k", INTENTS, PAYS).status, 200);
}

#[test]
fn what_failed_before_it_was_executed_is_not_kept() {
    let (_server, mut client) = plain();
    for wrong in ["amount=500", "amount=x&currency=usd", "amount=500&currency=usd&colour=red", "expand[]=x", "a[=1"] {
        assert_eq!(client.keyed("k", INTENTS, wrong).status, 400, "{wrong}");
    }
    let fixed = client.keyed("k", INTENTS, PAYS);
    assert_eq!((fixed.status, fixed.header("idempotent-replayed")), (200, None));
    // What was executed, and could not be done, is.
    let path = format!("{INTENTS}/{}/cancel", fixed.text("/id"));
    assert_eq!(client.keyed("c", &path, "").status, 400);
    assert_eq!(client.keyed("c", &path, "").header("idempotent-replayed"), Some("true"));
}

#[test]
fn a_key_lasts_a_day_of_the_mocks_clock() {
    let (_server, mut client) = plain();
    let first = client.keyed("k", "/v1/customers", "");
    client.advance("23h");
    assert_eq!(client.keyed("k", "/v1/customers", "").json, first.json);
    client.advance("1h");
    let fresh = client.keyed("k", "/v1/customers", "name=Eve");
    assert_eq!((fresh.status, fresh.header("idempotent-replayed")), (200, None));
    assert_ne!(fresh.json["id"], first.json["id"]);
}

#[test]
fn a_key_has_255_characters_at_most_and_only_posts_have_one() {
    let (_server, mut client) = plain();
    assert_eq!(client.keyed(&"k".repeat(255), "/v1/customers", "").status, 200);
    assert_eq!(client.keyed(&"k".repeat(256), "/v1/customers", "").status, 400);
    assert_eq!(client.keyed("", "/v1/customers", "").status, 400);
    let customer = text(&client.made("/v1/customers", ""), "id").to_owned();
    let keyed = format!("{KEY}idempotency-key: k\r\n");
    for (method, status) in [("GET", 200), ("DELETE", 200), ("DELETE", 404)] {
        let answer = client.ask(method, &format!("/v1/customers/{customer}"), &keyed, "");
        assert_eq!((answer.status, answer.header("idempotent-replayed")), (status, None), "{method}");
    }
}

#[test]
fn a_second_request_while_the_first_is_at_work_conflicts() {
    let latency = "3600s".parse().unwrap();
    let server = serving(&PaymentsOptions { latency, ..PaymentsOptions::default() });
    let (mut first, mut second) = (Client::connect(&server), Client::connect(&server));
    first.send("POST", INTENTS, &format!("{FORM}idempotency-key: k\r\n"), PAYS);
    second.until("/requests", 1);
    let conflict = second.keyed("k", INTENTS, PAYS);
    assert_eq!((conflict.status, conflict.text("/error/code")), (409, "idempotency_key_in_use"));
    let other = second.keyed("k", INTENTS, DECLINED);
    assert_eq!((other.status, other.text("/error/type")), (400, "idempotency_error"));
    // However far the clock is sent ahead, the first is still at work.
    second.advance("30d");
    assert_eq!(second.keyed("k", INTENTS, PAYS).status, 409);
}
