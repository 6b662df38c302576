//! Payments: what each card does, holding and capturing, authentication, cancelling, refunds.

use super::*;

/// An intent of $5.00 that is confirmed with this card at once.
fn paid(client: &mut Client, card: &str, more: &str) -> Answer {
    client.post("/v1/payment_intents", &format!("amount=500&currency=usd&payment_method={card}&confirm=true{more}"))
}

#[test]
fn a_payment_succeeds_in_steps() {
    let (_server, mut client) = plain();
    let intent = client.made("/v1/payment_intents", "amount=500&currency=USD&description=first&metadata[a]=b");
    let path = format!("/v1/payment_intents/{}", text(&intent, "id"));
    assert_eq!((text(&intent, "status"), text(&intent, "currency")), ("requires_payment_method", "usd"));
    let missing = client.post(&format!("{path}/confirm"), "");
    assert_eq!((missing.status, missing.text("/error/code")), (400, "payment_intent_unexpected_state"));
    assert_eq!(missing.json["error"]["payment_intent"]["id"], intent["id"]);
    let changed = client.made(&path, "amount=700&payment_method=pm_card_mastercard&metadata[a]=");
    assert_eq!((text(&changed, "status"), &changed["amount"]), ("requires_confirmation", &700.into()));
    let done = client.made(&format!("{path}/confirm"), "");
    assert_eq!((text(&done, "status"), &done["amount_received"]), ("succeeded", &700.into()));
    let charge = client.found(&format!("/v1/charges/{}", text(&done, "latest_charge")));
    let told = ["paid", "captured", "refunded"].map(|field| charge[field] == true);
    assert_eq!((told, text(&charge, "status")), ([true, true, false], "succeeded"));
    assert_eq!(charge["payment_method_details"]["card"]["brand"], "mastercard");
    assert_eq!(charge["outcome"]["type"], "authorized");
    assert_eq!(client.post(&format!("{path}/confirm"), "").text("/error/code"), "payment_intent_unexpected_state");
    assert_eq!(client.post(&path, "amount=1").status, 400);
    assert_eq!(client.post(&format!("{path}/cancel"), "").status, 400);
    assert_eq!(client.events(), ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]);
    let secret = text(&intent, "client_secret");
    assert_eq!(client.get(&format!("{path}?client_secret={secret}")).status, 200);
    assert_eq!(client.get(&format!("{path}?client_secret=x")).status, 400);
}

#[test]
fn each_declining_card_has_its_codes() {
    let (_server, mut client) = plain();
    let cases = [
        ("4000000000000002", "card_declined", "generic_decline"),
        ("4000000000009995", "card_declined", "insufficient_funds"),
        ("4000000000009987", "card_declined", "lost_card"),
        ("4000000000009979", "card_declined", "stolen_card"),
        ("4000000000000069", "expired_card", "expired_card"),
        ("4000000000000127", "incorrect_cvc", "incorrect_cvc"),
        ("4000000000000119", "processing_error", "processing_error"),
        ("4000000000006975", "card_declined", "card_velocity_exceeded"),
        ("4000000000000341", "card_declined", "generic_decline"),
    ];
    for (number, code, decline_code) in cases {
        let data = format!(
            "payment_method_data[type]=card&payment_method_data[card][number]={number}\
             &payment_method_data[card][exp_month]=12&payment_method_data[card][exp_year]=2040"
        );
        let answer = client.post("/v1/payment_intents", &format!("amount=500&currency=usd&confirm=true&{data}"));
        let error = &answer.json["error"];
        let told = (answer.status, text(error, "type"), text(error, "code"), text(error, "decline_code"));
        assert_eq!(told, (402, "card_error", code, decline_code), "{number}");
        let intent = client.found(&format!("/v1/payment_intents/{}", text(&error["payment_intent"], "id")));
        assert_eq!(intent, error["payment_intent"], "the error tells the intent as it is");
        assert_eq!((text(&intent, "status"), &intent["payment_method"]), ("requires_payment_method", &Value::Null));
        assert_eq!(intent["last_payment_error"]["decline_code"], decline_code);
        assert_eq!(intent["last_payment_error"]["payment_method"]["card"]["last4"], number[12..]);
        let charge = client.found(&format!("/v1/charges/{}", text(error, "charge")));
        assert_eq!(
            (text(&charge, "status"), text(&charge, "failure_code"), &charge["paid"]),
            ("failed", code, &false.into())
        );
        assert_eq!(intent["latest_charge"], charge["id"]);
    }
    let last = client.events().split_off(24);
    assert_eq!(last, ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]);
}

#[test]
fn a_declined_payment_is_paid_with_another_card() {
    let (_server, mut client) = plain();
    let declined = paid(&mut client, "pm_card_visa_chargeDeclined", "");
    let path = format!("/v1/payment_intents/{}", declined.text("/error/payment_intent/id"));
    let done = client.made(&format!("{path}/confirm"), "payment_method=pm_card_visa");
    assert_eq!((text(&done, "status"), &done["last_payment_error"]), ("succeeded", &Value::Null));
    let charges = client.found(&format!("/v1/charges?payment_intent={}", text(&done, "id")));
    assert_eq!(list(&charges, "status"), ["succeeded", "failed"]);
}

#[test]
fn a_customer_authenticates_or_fails_to() {
    let (_server, mut client) = plain();
    let waits = paid(&mut client, "pm_card_authenticationRequired", "&return_url=https://shop.test/done").json;
    assert_eq!(text(&waits, "status"), "requires_action");
    assert_eq!(waits["next_action"]["type"], "redirect_to_url");
    let url = waits["next_action"]["redirect_to_url"]["url"].as_str().unwrap();
    let page = url.strip_prefix("http://mock:1").unwrap().to_owned();
    let back = client.ask("GET", &page, "", "");
    assert_eq!((back.status, text(&back.json, "status")), (302, "succeeded"));
    let location = format!("https://shop.test/done?payment_intent={}", text(&waits, "id"));
    assert_eq!(back.header("location"), Some(location.as_str()));
    assert_eq!(client.ask("GET", &page, "", "").status, 400, "once is enough");
    for nowhere in ["shop", "://", "https://shop.test/%0D%0Ax:y", "https://caf%C3%A9.test/"] {
        let refused = paid(&mut client, "pm_card_authenticationRequired", &format!("&return_url={nowhere}"));
        assert_eq!((refused.status, refused.text("/error/code")), (400, "url_invalid"), "{nowhere}");
    }
    let charge = client.found(&format!("/v1/charges/{}", back.text("/latest_charge")));
    assert_eq!(charge["payment_method_details"]["card"]["three_d_secure"]["result"], "authenticated");

    let waits = paid(&mut client, "pm_card_threeDSecure2Required", "").json;
    let page = format!("/_mock/authenticate/{}", text(&waits, "id"));
    assert_eq!(client.ask("POST", &format!("{page}?outcome=maybe"), "", "").status, 400);
    let path = format!("/v1/payment_intents/{}", text(&waits, "id"));
    assert_eq!(client.made(&path, "amount=900")["status"], "requires_confirmation");
    assert_eq!(client.ask("POST", &page, "", "").status, 400);
    assert_eq!(client.made(&format!("{path}/confirm"), "")["status"], "requires_action");
    let failed = client.ask("POST", &format!("{page}?outcome=fail"), "", "").json;
    assert_eq!(text(&failed, "status"), "requires_payment_method");
    assert_eq!(failed["last_payment_error"]["code"], "payment_intent_authentication_failure");
    assert_eq!(client.events().last().unwrap(), "payment_intent.payment_failed");

    let waits = paid(&mut client, "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", "").json;
    let page = format!("/_mock/authenticate/{}", text(&waits, "id"));
    let declined = client.ask("POST", &page, "", "").json;
    assert_eq!(declined["last_payment_error"]["decline_code"], "insufficient_funds");
}

/// An intent that waits for its customer, with this card; and the page that they come to.
fn waiting(client: &mut Client, method: &str, more: &str) -> (String, String) {
    let intent = paid(client, method, more).json;
    assert_eq!(text(&intent, "status"), "requires_action", "{intent:#}");
    let id = text(&intent, "id");
    (format!("/v1/payment_intents/{id}"), format!("/_mock/authenticate/{id}"))
}

/// A card that needs authentication, of a customer's or of nobody's.
fn careful_card(client: &mut Client, customer: Option<&str>) -> String {
    let form = "type=card&card[token]=tok_authenticationRequired";
    let id = text(&client.made("/v1/payment_methods", form), "id").to_owned();
    if let Some(customer) = customer {
        client.made(&format!("/v1/payment_methods/{id}/attach"), &format!("customer={customer}"));
    }
    id
}

/// That authentication comes to nothing, because the card may not be used any more.
fn assert_unusable(client: &mut Client, (path, page): (String, String)) {
    let charges = list(&client.found("/v1/charges?limit=100"), "id");
    let answer = client.ask("POST", &page, "", "");
    assert_eq!((answer.status, answer.text("/status")), (200, "requires_payment_method"), "{:#}", answer.json);
    assert_eq!(answer.text("/last_payment_error/code"), "payment_method_unexpected_state");
    assert_eq!((&answer.json["payment_method"], &answer.json["next_action"]), (&Value::Null, &Value::Null));
    assert_eq!(client.found(&path), answer.json);
    assert_eq!(list(&client.found("/v1/charges?limit=100"), "id"), charges, "no charge is made");
    assert_eq!(client.events().last().unwrap(), "payment_intent.payment_failed");
    assert_eq!(client.made(&format!("{path}/confirm"), "payment_method=pm_card_visa")["status"], "succeeded");
}

#[test]
fn whoever_authenticates_too_late_does_not_pay_with_a_card_that_may_not_be_used_any_more() {
    let (_server, mut client) = plain();
    // Of two payments with a card that is nobody's, the second comes too late.
    let method = careful_card(&mut client, None);
    let (_, first) = waiting(&mut client, &method, "");
    let second = waiting(&mut client, &method, "");
    assert_eq!(client.ask("POST", &first, "", "").text("/status"), "succeeded");
    assert_unusable(&mut client, second);

    let customer = text(&client.made("/v1/customers", ""), "id").to_owned();
    let of_customer = format!("&customer={customer}");
    let method = careful_card(&mut client, Some(&customer));
    let detached = waiting(&mut client, &method, &of_customer);
    client.made(&format!("/v1/payment_methods/{method}/detach"), "");
    assert_unusable(&mut client, detached);

    let method = careful_card(&mut client, Some(&customer));
    let gone = waiting(&mut client, &method, &of_customer);
    client.delete(&format!("/v1/customers/{customer}"));
    assert_unusable(&mut client, gone);
}

#[test]
fn a_mock_that_is_full_does_not_remember_an_authentication() {
    let server = serving(&PaymentsOptions { max_objects: NonZeroUsize::new(4).unwrap(), ..PaymentsOptions::default() });
    let mut client = Client::connect(&server);
    let (path, page) = waiting(&mut client, "pm_card_authenticationRequired", "");
    let before = client.found(&path);
    // Beside the intent and its card, these leave no room for a charge.
    let clocks = [(); 2].map(|()| client.made("/v1/test_helpers/test_clocks", "frozen_time=1800000000"));
    assert_eq!(client.ask("POST", &page, "", "").text("/error/code"), "mock_is_full");
    assert_eq!(client.found(&path), before);
    for clock in clocks {
        client.delete(&format!("/v1/test_helpers/test_clocks/{}", text(&clock, "id")));
    }
    assert_eq!(client.made(&format!("{path}/confirm"), "")["status"], "requires_action");
    assert_eq!(client.ask("POST", &page, "", "").text("/status"), "succeeded");
}

#[test]
fn only_another_payment_is_authenticated_anew() {
    let (_server, mut client) = plain();
    let (path, page) = waiting(&mut client, "pm_card_authenticationRequired", "");
    let asked = client.found(&path)["next_action"].clone();
    for same in ["metadata[a]=b", "description=x", "receipt_email=a@example.com", "statement_descriptor=x", ""] {
        let changed = client.made(&path, same);
        assert_eq!((text(&changed, "status"), &changed["next_action"]), ("requires_action", &asked), "{same}");
    }
    let done = client.ask("POST", &page, "", "").json;
    assert_eq!((text(&done, "status"), text(&done, "description")), ("succeeded", "x"));
    let customer = text(&client.made("/v1/customers", ""), "id").to_owned();
    let customer = format!("customer={customer}");
    for another in ["amount=900", "currency=eur", &customer, "payment_method=pm_card_visa"] {
        let (path, page) = waiting(&mut client, "pm_card_authenticationRequired", "");
        let changed = client.made(&path, another);
        let told = (text(&changed, "status"), &changed["next_action"]);
        assert_eq!(told, ("requires_confirmation", &Value::Null), "{another}");
        assert_eq!(client.ask("POST", &page, "", "").status, 400, "{another}");
    }
}

#[test]
fn off_session_nobody_authenticates() {
    let (_server, mut client) = plain();
    for more in ["&off_session=true", "&off_session=recurring", "&error_on_requires_action=true"] {
        let answer = paid(&mut client, "pm_card_authenticationRequired", more);
        let told = (answer.status, answer.text("/error/code"), answer.text("/error/decline_code"));
        assert_eq!(told, (402, "authentication_required", "authentication_required"), "{more}");
        assert_eq!(answer.text("/error/payment_intent/status"), "requires_payment_method");
    }
    let never_set_up = paid(&mut client, "pm_card_authenticationRequiredOnSetup", "&off_session=true");
    assert_eq!((never_set_up.status, never_set_up.text("/error/code")), (402, "authentication_required"));
    let ready = paid(&mut client, "pm_card_authenticationRequiredSetupForOffSession", "&off_session=true");
    assert_eq!(ready.text("/status"), "succeeded");
    let here = paid(&mut client, "pm_card_authenticationRequiredSetupForOffSession", "");
    assert_eq!(here.text("/status"), "requires_action");
    let early = client.post("/v1/payment_intents", "amount=500&currency=usd&off_session=true");
    assert_eq!((early.status, early.text("/error/param")), (400, "confirm"));
}

#[test]
fn money_is_held_and_taken_in_part_or_given_back() {
    let (_server, mut client) = plain();
    let held = paid(&mut client, "pm_card_visa", "&capture_method=manual").json;
    let path = format!("/v1/payment_intents/{}", text(&held, "id"));
    let amounts = ["amount", "amount_capturable", "amount_received"];
    let told = |intent: &Value| amounts.map(|field| intent[field].as_i64().unwrap());
    assert_eq!((text(&held, "status"), told(&held)), ("requires_capture", [500, 500, 0]));
    let early = client.post("/v1/refunds", &format!("charge={}", text(&held, "latest_charge")));
    assert_eq!((early.status, early.text("/error/code")), (400, "charge_not_refundable"));
    let much = client.post(&format!("{path}/capture"), "amount_to_capture=501");
    assert_eq!((much.status, much.text("/error/code")), (400, "amount_too_large"));
    let taken = client.made(&format!("{path}/capture"), "amount_to_capture=300");
    assert_eq!((text(&taken, "status"), told(&taken)), ("succeeded", [500, 0, 300]));
    assert_eq!(client.post(&format!("{path}/capture"), "").status, 400);
    let charge = client.found(&format!("/v1/charges/{}", text(&held, "latest_charge")));
    assert_eq!((&charge["amount"], &charge["amount_captured"]), (&500.into(), &300.into()));

    let held = paid(&mut client, "pm_card_visa", "&capture_method=manual").json;
    let path = format!("/v1/payment_intents/{}", text(&held, "id"));
    let canceled = client.made(&format!("{path}/cancel"), "cancellation_reason=duplicate");
    assert_eq!((text(&canceled, "status"), told(&canceled)), ("canceled", [500, 0, 0]));
    let charge = client.found(&format!("/v1/charges/{}", text(&held, "latest_charge")));
    assert_eq!((&charge["refunded"], &charge["amount_captured"]), (&true.into(), &0.into()));
    assert_eq!(client.events().last().unwrap(), "payment_intent.canceled");
}

#[test]
fn no_more_is_refunded_than_was_taken() {
    let (_server, mut client) = plain();
    let intent = paid(&mut client, "pm_card_visa", "").json;
    let form = format!("payment_intent={}", text(&intent, "id"));
    let part = client.made("/v1/refunds", &format!("{form}&amount=200&reason=duplicate&metadata[a]=b"));
    assert_eq!(
        (text(&part, "status"), &part["amount"], text(&part, "reason")),
        ("succeeded", &200.into(), "duplicate")
    );
    let charge = client.found(&format!("/v1/charges/{}", text(&intent, "latest_charge")));
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&200.into(), &false.into()));
    let much = client.post("/v1/refunds", &format!("{form}&amount=301"));
    assert_eq!(
        (much.status, much.text("/error/type"), much.text("/error/param")),
        (400, "invalid_request_error", "amount")
    );
    let message = "Refund amount ($3.01) is greater than unrefunded amount on charge ($3.00)";
    assert_eq!(much.text("/error/message"), message);
    let rest = client.made("/v1/refunds", &format!("charge={}", text(&intent, "latest_charge")));
    assert_eq!(rest["amount"], 300);
    let over = client.post("/v1/refunds", &form);
    assert_eq!((over.status, over.text("/error/code")), (400, "charge_already_refunded"));
    let charge = client.found(&format!("/v1/charges/{}", text(&intent, "latest_charge")));
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&500.into(), &true.into()));
    assert_eq!(list(&client.found(&format!("/v1/refunds?{form}")), "id"), [text(&rest, "id"), text(&part, "id")]);
    let path = format!("/v1/refunds/{}", text(&part, "id"));
    assert_eq!(client.made(&path, "metadata[c]=d")["metadata"]["c"], "d");
    assert_eq!(client.found(&path)["metadata"]["a"], "b");
    assert_eq!(client.post("/v1/refunds", "").text("/error/code"), "parameter_missing");
    let both = client.post("/v1/refunds", &format!("{form}&charge=ch_x"));
    assert_eq!(both.text("/error/code"), "parameters_exclusive");
    let unpaid = client.made("/v1/payment_intents", "amount=500&currency=usd");
    assert_eq!(client.post("/v1/refunds", &format!("payment_intent={}", text(&unpaid, "id"))).status, 400);
}

#[test]
fn a_card_that_is_nobodys_pays_once() {
    let (_server, mut client) = plain();
    let method = text(&client.made("/v1/payment_methods", "type=card&card[token]=tok_visa"), "id").to_owned();
    assert_eq!(paid(&mut client, &method, "").status, 200);
    let again = paid(&mut client, &method, "");
    assert_eq!((again.status, again.text("/error/param")), (400, "payment_method"));
    // One that is kept for a customer pays again, for that customer alone.
    let customer = text(&client.made("/v1/customers", ""), "id").to_owned();
    let method = text(&client.made("/v1/payment_methods", "type=card&card[token]=tok_visa"), "id").to_owned();
    let of_customer = format!("&customer={customer}");
    let kept = paid(&mut client, &method, &format!("{of_customer}&setup_future_usage=off_session"));
    assert_eq!(kept.status, 200);
    assert_eq!(paid(&mut client, &method, &format!("{of_customer}&off_session=true")).status, 200);
    assert_eq!(paid(&mut client, &method, "").status, 400);
    let other = text(&client.made("/v1/customers", ""), "id").to_owned();
    assert_eq!(paid(&mut client, &method, &format!("&customer={other}")).status, 400);
    assert_eq!(list(&client.found(&format!("/v1/payment_intents?customer={customer}")), "id").len(), 2);
    assert_eq!(list(&client.found(&format!("/v1/charges?customer={customer}")), "id").len(), 2);
}

#[test]
fn a_refused_payment_leaves_nothing_behind() {
    let (_server, mut client) = plain();
    for more in ["&customer=cus_x", "&payment_method_types[]=klarna", "&amount=1", "&shipping[name]=x", "&currency=xyz"]
    {
        assert_eq!(paid(&mut client, "pm_card_visa", more).status, 400, "{more}");
    }
    assert_eq!(paid(&mut client, "pm_x", "").status, 400);
    client.until("/objects", 0);
    client.until("/events", 0);
    let fits = "&payment_method_types[]=card&automatic_payment_methods[enabled]=true&automatic_payment_methods[allow_redirects]=never";
    assert_eq!(paid(&mut client, "pm_card_visa", fits).json["automatic_payment_methods"]["allow_redirects"], "never");
}
