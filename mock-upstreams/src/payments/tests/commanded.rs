//! Payments that a driver has drawn: what they come to is what it says, once.

use super::*;

const PAY: &str =
    "amount=7&currency=usd&confirm=true&off_session=true&payment_method=pm_card_chargeDeclined&metadata[account]=3";

fn obedient() -> (PaymentsServer, Client) {
    let server = serving(&PaymentsOptions { obey: true, ..PaymentsOptions::default() });
    let client = Client::connect(&server);
    (server, client)
}

fn commanded(client: &mut Client, key: &str, command: &str) -> Answer {
    let headers = format!("{FORM}idempotency-key: {key}\r\nmock-outcome: {command}\r\n");
    client.ask("POST", "/v1/payment_intents", &headers, PAY)
}

#[test]
fn a_payment_comes_to_what_is_commanded_whatever_its_card_and_amount() {
    let (server, mut client) = obedient();
    let paid = commanded(&mut client, "a", "latency_ns=0;answer=paid");
    assert_eq!((paid.status, paid.text("/status")), (200, "succeeded"));
    for code in ["insufficient_funds", "do_not_honor", "try_again_later", "revocation_of_authorization", "expired_card"]
    {
        let declined = commanded(&mut client, code, &format!("answer={code}"));
        assert_eq!((declined.status, declined.text("/error/decline_code")), (402, code));
        assert_eq!(declined.text("/error/payment_intent/status"), "requires_payment_method");
    }
    let failed = commanded(&mut client, "b", "answer=error");
    assert_eq!((failed.status, failed.text("/error/code")), (503, PaymentCommand::ERROR_CODE));
    let metadata = [("account".to_owned(), "3".to_owned())].into();
    assert_eq!(server.captures(), [Capture { amount: 7, metadata }]);
    assert_eq!(
        client.found("/v1/payment_intents?limit=100")["data"].as_array().unwrap().len(),
        6,
        "an error does nothing"
    );
}

#[test]
fn a_command_belongs_to_what_is_executed_and_a_replay_gives_the_first_answer() {
    let (server, mut client) = obedient();
    let first = commanded(&mut client, "a", "answer=error");
    let again = commanded(&mut client, "a", "latency_ns=3600000000000;answer=paid");
    assert_eq!((again.status, again.header("idempotent-replayed")), (first.status, Some("true")));
    assert_eq!(commanded(&mut client, "b", "answer=paid").status, 200);
    assert_eq!(commanded(&mut client, "b", "answer=lost_card").status, 200);
    assert_eq!(server.captures().len(), 1);
    // What is given back is no longer held.
    let paid = commanded(&mut client, "b", "answer=paid");
    client.made("/v1/refunds", &format!("payment_intent={}", paid.text("/id")));
    assert_eq!(server.captures()[0].amount, 0);
}

#[test]
fn a_command_that_is_none_is_refused_and_nobody_else_obeys() {
    let (server, mut client) = obedient();
    for wrong in [
        "",
        "paid",
        "answer=maybe",
        "latency_ns=1h;answer=paid",
        "latency_ns=3600000000001;answer=paid",
        "answer=paid;",
    ] {
        let answer = commanded(&mut client, "k", wrong);
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.text("/error/message").starts_with("cannot obey `mock-outcome`: "), "{wrong}");
    }
    let elsewhere = client.ask("POST", "/v1/customers", &format!("{FORM}mock-outcome: answer=paid\r\n"), "");
    assert_eq!(elsewhere.status, 400);
    assert_eq!(server.captures(), []);
    let (server, mut client) = plain();
    let answer = commanded(&mut client, "k", "answer=paid");
    assert_eq!((answer.status, answer.text("/error/code")), (400, "amount_too_small"), "the header means nothing");
    assert_eq!(server.captures(), []);
}
