//! Customers, payment methods and setup intents; lists and what they expand.

use super::*;

#[test]
fn a_customer_is_made_changed_and_deleted() {
    let (_server, mut client) = plain();
    let form = "name=Ada&email=ada@example.com&metadata[plan]=pro&metadata[seat]=1&address[city]=London";
    let made = client.made("/v1/customers", form);
    let path = format!("/v1/customers/{}", text(&made, "id"));
    assert_eq!((&made["object"], &made["livemode"]), (&"customer".into(), &false.into()));
    assert_eq!((&made["address"]["city"], &made["address"]["line1"]), (&"London".into(), &Value::Null));
    assert_eq!(client.found(&path), made);
    let changed = client.made(&path, "email=&metadata[seat]=&metadata[x]=y");
    assert_eq!((&changed["email"], &changed["name"]), (&Value::Null, &"Ada".into()));
    assert_eq!(changed["metadata"], serde_json::json!({ "plan": "pro", "x": "y" }));
    let event = &client.found("/v1/events?type=customer.updated")["data"][0];
    assert_eq!(event["data"]["previous_attributes"]["email"], "ada@example.com");
    assert_eq!(event["data"]["previous_attributes"].get("name"), None);
    let deleted = client.delete(&path).json;
    assert_eq!(deleted["deleted"], true);
    assert_eq!(client.found(&path), deleted);
    assert_eq!(client.post(&path, "name=Eve").status, 404);
    assert!(list(&client.found("/v1/customers"), "id").is_empty());
    assert_eq!(client.events(), ["customer.created", "customer.updated", "customer.deleted"]);
}

#[test]
fn lists_come_in_pages_the_newest_first() {
    let (_server, mut client) = plain();
    let mut ids: Vec<String> =
        (0..5).map(|i| text(&client.made("/v1/customers", &format!("name={i}")), "id").into()).collect();
    ids.reverse();
    let mut page = |query: &str| {
        let page = client.found(&format!("/v1/customers?{query}"));
        (list(&page, "id"), page["has_more"] == true)
    };
    assert_eq!(page(""), (ids.clone(), false));
    assert_eq!(page("limit=2"), (ids[..2].to_vec(), true));
    assert_eq!(page(&format!("limit=2&starting_after={}", ids[1])), (ids[2..4].to_vec(), true));
    assert_eq!(page(&format!("limit=2&starting_after={}", ids[3])), (ids[4..].to_vec(), false));
    assert_eq!(page(&format!("limit=2&ending_before={}", ids[3])), (ids[1..3].to_vec(), true));
    assert_eq!(page(&format!("limit=3&ending_before={}", ids[3])), (ids[..3].to_vec(), false));
    assert_eq!(page("created[gt]=4000000000"), (vec![], false));
    assert_eq!(page("created[gte]=1&created[lt]=4000000000").0.len(), 5);
    assert_eq!(page("created=1").0.len(), 0);
    for wrong in ["limit=0", "limit=101", "starting_after=cus_x", "starting_after=a&ending_before=b", "created[eq]=1"] {
        assert_eq!(client.get(&format!("/v1/customers?{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn a_card_is_attached_and_detached_for_good() {
    let (_server, mut client) = plain();
    let customer = text(&client.made("/v1/customers", ""), "id").to_owned();
    let form = "type=card&card[number]=4242424242424242&card[exp_month]=12&card[exp_year]=40&card[cvc]=123";
    let method = client.made("/v1/payment_methods", form);
    let path = format!("/v1/payment_methods/{}", text(&method, "id"));
    assert_eq!((&method["card"]["last4"], &method["card"]["exp_year"]), (&"4242".into(), &2040.into()));
    assert_eq!(method["card"]["checks"]["cvc_check"], "unchecked");
    assert_eq!(method["customer"], Value::Null);
    let attached = client.made(&format!("{path}/attach"), &format!("customer={customer}"));
    assert_eq!(attached["customer"], customer.as_str());
    assert_eq!(attached["card"]["checks"]["cvc_check"], "pass");
    let default = format!("invoice_settings[default_payment_method]={}", text(&method, "id"));
    let with_default = client.made(&format!("/v1/customers/{customer}"), &default);
    assert_eq!(with_default["invoice_settings"]["default_payment_method"], method["id"]);
    let own = format!("/v1/customers/{customer}/payment_methods");
    assert_eq!(list(&client.found(&own), "id"), [text(&method, "id")]);
    assert_eq!(client.get(&format!("{own}/{}", text(&method, "id"))).status, 200);
    assert_eq!(list(&client.found(&format!("/v1/payment_methods?customer={customer}&type=card")), "id").len(), 1);
    client.made(&format!("{path}/detach"), "");
    assert!(list(&client.found(&own), "id").is_empty());
    let customer_now = client.found(&format!("/v1/customers/{customer}"));
    assert_eq!(customer_now["invoice_settings"]["default_payment_method"], Value::Null);
    let again = client.post(&format!("{path}/attach"), &format!("customer={customer}"));
    assert_eq!((again.status, again.text("/error/code")), (400, "payment_method_unexpected_state"));
    assert_eq!(client.post(&format!("{path}/detach"), "").status, 400);
    // With its customer goes a card.
    client.made("/v1/payment_methods/pm_card_visa/attach", &format!("customer={customer}"));
    let method = list(&client.found(&own), "id").remove(0);
    client.delete(&format!("/v1/customers/{customer}"));
    let other = text(&client.made("/v1/customers", ""), "id").to_owned();
    let gone = client.post(&format!("/v1/payment_methods/{method}/attach"), &format!("customer={other}"));
    assert_eq!(gone.status, 400);
}

#[test]
fn a_declining_card_cannot_be_attached_but_the_one_that_fails_later_can() {
    let (_server, mut client) = plain();
    let customer = text(&client.made("/v1/customers", ""), "id").to_owned();
    let mut attach =
        |name: &str| client.post(&format!("/v1/payment_methods/{name}/attach"), &format!("customer={customer}"));
    let declined = attach("pm_card_chargeDeclinedInsufficientFunds");
    assert_eq!((declined.status, declined.text("/error/decline_code")), (402, "insufficient_funds"));
    assert_eq!(attach("pm_card_visa").status, 200);
    let later = attach("pm_card_chargeCustomerFail");
    assert_eq!((later.status, later.text("/card/last4")), (200, "0341"));
    let form = format!("amount=500&currency=usd&confirm=true&customer={customer}&payment_method={}", later.text("/id"));
    let charged = client.post("/v1/payment_intents", &format!("{form}&off_session=true"));
    assert_eq!((charged.status, charged.text("/error/decline_code")), (402, "generic_decline"));
    let none = client.post("/v1/customers", "payment_method=pm_card_chargeDeclined");
    assert_eq!(none.status, 402);
    assert_eq!(list(&client.found("/v1/customers"), "id").len(), 1, "no customer is left behind");
    let with_card = client.made("/v1/customers", "payment_method=pm_card_visa");
    let events = client.events();
    assert_eq!(events[events.len() - 2..], ["customer.created", "payment_method.attached"]);
    assert_eq!(
        list(&client.found(&format!("/v1/customers/{}/payment_methods", text(&with_card, "id"))), "id").len(),
        1
    );
}

#[test]
fn wrong_cards_are_told_apart() {
    let (_server, mut client) = plain();
    let mut code = |form: &str| {
        let answer = client.post("/v1/payment_methods", &format!("type=card&{form}"));
        (answer.status, answer.text("/error/code").to_owned(), answer.text("/error/param").to_owned())
    };
    let told = |status, code: &str, param: &str| (status, code.to_owned(), param.to_owned());
    let card =
        |number: &str, month, year| format!("card[number]={number}&card[exp_month]={month}&card[exp_year]={year}");
    assert_eq!(code(&card("4242424242424241", 12, 40)), told(402, "incorrect_number", "number"));
    assert_eq!(code(&card("4242", 12, 40)), told(402, "invalid_number", "number"));
    assert_eq!(code(&card("4242424242424242", 13, 40)), told(402, "invalid_expiry_month", "exp_month"));
    assert_eq!(code(&card("4242424242424242", 12, 2020)), told(402, "invalid_expiry_year", "exp_year"));
    assert_eq!(code(&format!("{}&card[cvc]=1", card("4242424242424242", 12, 40))), told(402, "invalid_cvc", "cvc"));
    assert_eq!(code("card[number]=4242424242424242"), told(400, "parameter_missing", "card[exp_month]"));
    assert_eq!(code("card[token]=tok_x"), told(400, "resource_missing", "card[token]"));
    assert_eq!(code("card[token]=tok_visa&card[number]=1"), told(400, "parameter_unknown", "card[number]"));
    assert_eq!(code("card[token]=tok_visa").0, 200);
    assert_eq!(client.post("/v1/payment_methods", "type=sepa_debit").status, 400);
}

#[test]
fn a_card_is_set_up_once_its_customer_has_authenticated() {
    let (_server, mut client) = plain();
    let customer = text(&client.made("/v1/customers", ""), "id").to_owned();
    let form = format!("customer={customer}&payment_method=pm_card_authenticationRequiredOnSetup&confirm=true");
    let intent = client.made("/v1/setup_intents", &form);
    assert_eq!(intent["status"], "requires_action");
    let url = intent["next_action"]["use_stripe_sdk"]["stripe_js"].as_str().unwrap();
    let page = url.strip_prefix("http://mock:1").unwrap();
    let done = client.ask("POST", page, "", "").json;
    assert_eq!((text(&done, "status"), text(&done, "usage")), ("succeeded", "off_session"));
    let method = text(&done, "payment_method").to_owned();
    assert_eq!(client.found(&format!("/v1/payment_methods/{method}"))["customer"], customer.as_str());
    let form =
        format!("amount=500&currency=usd&customer={customer}&payment_method={method}&confirm=true&off_session=true");
    assert_eq!(client.made("/v1/payment_intents", &form)["status"], "succeeded");
    let expected =
        ["customer.created", "setup_intent.created", "setup_intent.requires_action", "payment_method.attached"];
    assert_eq!(client.events()[..4], expected);
    assert_eq!(client.events()[4], "setup_intent.succeeded");
}

#[test]
fn a_setup_intent_fails_and_is_tried_with_another_card() {
    let (_server, mut client) = plain();
    let intent = client.made("/v1/setup_intents", "usage=on_session&metadata[a]=b");
    let path = format!("/v1/setup_intents/{}", text(&intent, "id"));
    assert_eq!(client.post(&format!("{path}/confirm"), "").text("/error/code"), "setup_intent_unexpected_state");
    let declined = client.post(&format!("{path}/confirm"), "payment_method=pm_card_chargeDeclined");
    assert_eq!((declined.status, declined.text("/error/setup_intent/status")), (402, "requires_payment_method"));
    assert_eq!(client.found(&path)["last_setup_error"]["decline_code"], "generic_decline");
    let waits = client.made(&format!("{path}/confirm"), "payment_method=pm_card_authenticationRequired");
    assert_eq!(waits["status"], "requires_action");
    let page = format!("/_mock/authenticate/{}", text(&intent, "id"));
    let failed = client.ask("POST", &format!("{page}?outcome=fail"), "", "").json;
    assert_eq!(failed["last_setup_error"]["code"], "setup_intent_authentication_failure");
    assert_eq!(client.ask("POST", &page, "", "").status, 400);
    assert_eq!(client.made(&format!("{path}/confirm"), "payment_method=pm_card_visa")["status"], "succeeded");
    assert_eq!(client.post(&format!("{path}/cancel"), "").status, 400);
    let other = client.made("/v1/setup_intents", "");
    let canceled =
        client.made(&format!("/v1/setup_intents/{}/cancel", text(&other, "id")), "cancellation_reason=abandoned");
    assert_eq!((text(&canceled, "status"), text(&canceled, "cancellation_reason")), ("canceled", "abandoned"));
}

/// A card pays for something else while its owner is asked to authenticate: it cannot be set up any more, and the intent needs
/// another one instead of waiting for ever.
#[test]
fn a_setup_intent_whose_card_was_spent_needs_another() {
    let (_server, mut client) = plain();
    let card = client.made("/v1/payment_methods", "type=card&card[token]=tok_authenticationRequired");
    let card = text(&card, "id").to_owned();
    let intent = client.made("/v1/setup_intents", &format!("payment_method={card}&confirm=true"));
    assert_eq!(intent["status"], "requires_action");
    let other =
        client.made("/v1/payment_intents", &format!("amount=500&currency=usd&payment_method={card}&confirm=true"));
    let paid = client.ask("POST", &format!("/_mock/authenticate/{}", text(&other, "id")), "", "").json;
    assert_eq!(paid["status"], "succeeded");
    let path = format!("/v1/setup_intents/{}", text(&intent, "id"));
    let after = client.ask("POST", &format!("/_mock/authenticate/{}", text(&intent, "id")), "", "").json;
    assert_eq!((text(&after, "status"), &after["payment_method"]), ("requires_payment_method", &Value::Null));
    assert!(text(&after["last_setup_error"], "message").contains("may not be used again"), "{after:#}");
    assert_eq!(client.events().last().map(String::as_str), Some("setup_intent.setup_failed"));
    assert_eq!(client.made(&format!("{path}/confirm"), "payment_method=pm_card_visa")["status"], "succeeded");
}

#[test]
fn objects_are_expanded_in_place_of_their_ids() {
    let (_server, mut client) = plain();
    let customer = client.made("/v1/customers", "payment_method=pm_card_visa");
    let method = list(&client.found("/v1/payment_methods"), "id").remove(0);
    let form =
        format!("amount=500&currency=usd&customer={}&payment_method={method}&confirm=true", text(&customer, "id"));
    let expand = "expand[]=latest_charge.customer&expand[]=payment_method";
    let intent = client.made("/v1/payment_intents", &format!("{form}&{expand}"));
    assert_eq!(intent["latest_charge"]["object"], "charge");
    assert_eq!(intent["latest_charge"]["customer"], customer);
    assert_eq!(intent["payment_method"]["card"]["last4"], "4242");
    let all = client.found("/v1/payment_intents?expand[0]=data.customer");
    assert_eq!(all["data"][0]["customer"], customer);
    for (path, property) in [
        ("/v1/payment_intents", "customer"),
        ("/v1/customers", "data.email"),
        ("/v1/customers", "data.invoice_settings"),
        ("/v1/payment_intents", "data.latest_charge.payment_intent.latest_charge.customer.x"),
    ] {
        let refused = client.get(&format!("{path}?expand[]={property}"));
        assert_eq!(refused.text("/error/message"), format!("This property cannot be expanded ({property})."));
    }
}
