//! Keys, forms, versions, paths, and the shape of errors.

use super::*;

#[test]
fn who_asks_needs_a_key_of_the_test_mode() {
    let (_server, mut client) = plain();
    let mut ask = |headers: &str| client.ask("GET", "/v1/customers", headers, "");
    let missing = ask("");
    assert_eq!((missing.status, missing.text("/error/type")), (401, "invalid_request_error"));
    assert!(missing.header("www-authenticate").is_some());
    // base64 of `sk_test_1:`, `sk_test_1` and `sk_live_1:`.
    assert_eq!(ask("authorization: Basic c2tfdGVzdF8xOg==\r\n").status, 200);
    assert_eq!(ask("authorization: Basic c2tfdGVzdF8x\r\n").status, 200);
    assert_eq!(ask("authorization: Bearer sk_test_x\r\n").status, 200);
    for live in ["authorization: Bearer sk_live_1\r\n", "authorization: Basic c2tfbGl2ZV8xOg==\r\n"] {
        let refused = ask(live);
        assert_eq!(refused.status, 401);
        assert!(refused.text("/error/message").contains("live key"), "{:#}", refused.json);
        assert!(!refused.json.to_string().contains("sk_live_1"));
    }
    for wrong in ["Bearer sk_test_", "Bearer pk_test_1", "Basic !!!", "Digest sk_test_1", "sk_test_1"] {
        assert_eq!(ask(&format!("authorization: {wrong}\r\n")).status, 401, "{wrong}");
    }
}

#[test]
fn answers_tell_their_request_and_the_version() {
    let (_server, mut client) = plain();
    let first = client.get("/v1/customers");
    let second = client.ask("GET", "/v1/customers", &format!("{KEY}stripe-version: 2024-06-20\r\n"), "");
    assert!(first.header("request-id").unwrap().starts_with("req_"));
    assert_ne!(first.header("request-id"), second.header("request-id"));
    assert_eq!(first.header("stripe-version"), Some(events::VERSION));
    assert_eq!(second.header("stripe-version"), Some("2024-06-20"));
    for wrong in ["latest", "2024-06-2", "2024_06_20", "2024-06-20.", "2024-06-20.a b"] {
        let refused = client.ask("GET", "/v1/customers", &format!("{KEY}stripe-version: {wrong}\r\n"), "");
        assert_eq!((refused.status, refused.header("stripe-version")), (400, Some(events::VERSION)), "{wrong}");
    }
}

#[test]
fn what_is_wrong_is_told_in_the_shape_of_the_api() {
    let (_server, mut client) = plain();
    let cases = [
        ("amount=500", 400, "parameter_missing", "currency", "Missing required param: currency."),
        (
            "amount=500&currency=usd&colour=red",
            400,
            "parameter_unknown",
            "colour",
            "Received unknown parameter: colour",
        ),
        ("amount=x&currency=usd", 400, "parameter_invalid_integer", "amount", "Invalid integer: x"),
        ("amount=49&currency=usd", 400, "amount_too_small", "amount", "Amount must be at least $0.50"),
        ("amount=100000000&currency=usd", 400, "amount_too_large", "amount", "Amount must be no more than $999999.99"),
        ("amount=500&currency=usd&customer=cus_x", 400, "resource_missing", "customer", "No such customer: 'cus_x'"),
    ];
    for (form, status, code, param, message) in cases {
        let answer = client.post("/v1/payment_intents", form);
        let told =
            (answer.status, answer.text("/error/code"), answer.text("/error/param"), answer.text("/error/message"));
        assert_eq!(told, (status, code, param, message), "{form}");
        assert_eq!(answer.text("/error/type"), "invalid_request_error");
        let page = format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"));
        assert_eq!(answer.text("/error/doc_url"), page);
    }
    let missing = client.get("/v1/customers/cus_x");
    assert_eq!((missing.status, missing.text("/error/code")), (404, "resource_missing"));
    assert_eq!(missing.text("/error/message"), "No such customer: 'cus_x'");
}

#[test]
fn an_unknown_path_is_named() {
    let (_server, mut client) = plain();
    for (method, path) in
        [("GET", "/v1/subscriptions"), ("DELETE", "/v1/charges/ch_1"), ("POST", "/v2/x"), ("GET", "/")]
    {
        let answer = client.ask(method, path, KEY, "");
        assert_eq!(answer.status, 404);
        assert!(answer.text("/error/message").contains(&format!("({method}: {path})")), "{:#}", answer.json);
    }
    assert_eq!(client.get("/v1/customers/").status, 404);
    assert_eq!(client.ask("GET", "/_mock/teapot", "", "").status, 404);
    assert_eq!(client.ask("DELETE", "/healthz", "", "").status, 404);
}

#[test]
fn bodies_are_forms_and_have_an_end() {
    let (_server, mut client) = plain();
    let json = client.ask("POST", "/v1/customers", &format!("{KEY}content-type: application/json\r\n"), "{}");
    assert_eq!(json.status, 400);
    assert!(json.text("/error/message").contains("application/x-www-form-urlencoded"), "{:#}", json.json);
    assert_eq!(client.ask("POST", "/v1/customers", KEY, "name=Ada").json["name"], "Ada");
    let long = client.post("/v1/customers", &format!("name={}", "x".repeat(1 << 20)));
    assert_eq!(long.status, 413);
}

#[test]
fn the_same_seed_gives_the_same_ids() {
    let ids = |seed| {
        let server = serving(&PaymentsOptions { seed, ..PaymentsOptions::default() });
        let mut client = Client::connect(&server);
        let customer = client.made("/v1/customers", "");
        let intent = client.made("/v1/payment_intents", "amount=500&currency=usd&payment_method=pm_card_visa");
        [&customer["id"], &intent["id"], &intent["client_secret"], &intent["payment_method"]].map(Value::to_string)
    };
    assert_eq!(ids(7), ids(7));
    assert_ne!(ids(7), ids(8));
}

#[test]
fn a_request_is_executed_though_its_client_hangs_up() {
    let latency = "50ms".parse().unwrap();
    let server = serving(&PaymentsOptions { latency, ..PaymentsOptions::default() });
    let mut client = Client::connect(&server);
    client.send("POST", "/v1/customers", FORM, "name=Ada");
    let mut other = Client::connect(&server);
    other.until("/requests", 1);
    drop(client);
    other.until("/objects", 1);
}

#[test]
fn a_full_mock_says_so_and_reads_on() {
    let server = serving(&PaymentsOptions { max_objects: NonZeroUsize::new(5).unwrap(), ..PaymentsOptions::default() });
    let mut client = Client::connect(&server);
    let clock = client.made("/v1/test_helpers/test_clocks", "frozen_time=1800000000");
    for _ in 0..3 {
        client.made("/v1/customers", &format!("test_clock={}", text(&clock, "id")));
    }
    let full = client.post("/v1/customers", "");
    assert_eq!((full.status, full.text("/error/code")), (400, "mock_is_full"));
    let message = "This mock holds 5 objects at most, and there may be no room for what this request makes. Restart it, \
                   delete customers' test clocks, or give it more with --max-objects.";
    let small = client.post("/v1/payment_intents", "amount=500&currency=usd");
    assert_eq!((full.text("/error/message"), small.text("/error/message")), (message, message));
    assert_eq!(client.found("/v1/customers")["data"].as_array().unwrap().len(), 3);
    assert_eq!(client.events().len(), 4);
    // Events do not take the place of objects: the oldest of them go.
    client.delete(&format!("/v1/test_helpers/test_clocks/{}", text(&clock, "id")));
    for _ in 0..4 {
        client.made("/v1/customers", "");
    }
    assert_eq!(client.events().len(), 5);
    for key in ["a", "b", "c", "d", "e"] {
        client.keyed(key, "/v1/payment_methods/pm_x/detach", "");
    }
    let full = client.keyed("f", "/v1/payment_methods/pm_x/detach", "");
    assert!(full.text("/error/message").starts_with("This mock holds 5 idempotency keys at most."), "{:#}", full.json);
    client.advance("24h");
    assert_eq!(client.keyed("f", "/v1/payment_methods/pm_x/detach", "").status, 404);
}
