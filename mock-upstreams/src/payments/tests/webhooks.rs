//! Webhooks: signed, repeated until they are taken, and with what goes wrong on the way.

use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;

const SECRET: &str = "whsec_test";

/// An endpoint that hands over what came.
struct Hook {
    url: Url,
    came: Receiver<(String, Value)>,
}

/// One that answers its n-th delivery with the status that is given for it.
fn hook(status: impl Fn(usize) -> u16 + Send + 'static) -> Hook {
    answering(move |number| format!("HTTP/1.1 {} x\r\ncontent-length: 0\r\n\r\n", status(number)).into_bytes())
}

/// One that sends this in answer to its n-th delivery, as far as anybody reads it, and closes.
fn answering(answer: impl Fn(usize) -> Vec<u8> + Send + 'static) -> Hook {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap()).parse().unwrap();
    let (sender, came) = channel();
    // It ends with the process: nobody connects any more once the mock is gone.
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut client = Client(BufReader::new(stream.unwrap()));
            let request = client.request();
            drop(client.0.get_mut().write_all(&answer(number)));
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    Hook { url, came }
}

impl Client {
    /// Reads a request: its head, and its body as JSON.
    fn request(&mut self) -> (String, Value) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).unwrap(), 0, "closed after {head:?}");
        }
        let mut body = vec![0; header(&head, "content-length").unwrap().parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        let signed = header(&head, "stripe-signature").unwrap();
        let seconds: i64 = signed.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap();
        assert_eq!(signed, webhook::signature(SECRET, seconds, &body));
        assert!((clock::wall_ms() / 1_000 - seconds).abs() < 60);
        (head, serde_json::from_slice(&body).unwrap())
    }
}

impl Hook {
    fn next(&self) -> Value {
        self.came.recv_timeout(PATIENCE).unwrap().1
    }

    fn kinds(&self, number: usize) -> Vec<String> {
        (0..number).map(|_| text(&self.next(), "type").to_owned()).collect()
    }
}

/// To a hook, all events at once.
fn quiet(hook: &Hook) -> Webhook {
    Webhook {
        url: hook.url.clone(),
        secret: SECRET.to_owned(),
        events: Vec::new(),
        delay: Latency::ZERO,
        duplicate: Share::NONE,
        reorder: Share::NONE,
        lose: Share::NONE,
    }
}

fn sending(hook: &Hook, change: impl FnOnce(&mut Webhook)) -> (PaymentsServer, Client) {
    let mut webhook = quiet(hook);
    change(&mut webhook);
    let server = serving(&PaymentsOptions { webhook: Some(webhook), ..PaymentsOptions::default() });
    let client = Client::connect(&server);
    (server, client)
}

use crate::share::Share;

fn all() -> Share {
    "100%".parse().unwrap()
}

#[test]
fn events_are_delivered_in_order_and_signed() {
    let hook = hook(|_| 200);
    let (_server, mut client) = sending(&hook, |_| {});
    let intent = client.made("/v1/payment_intents", "amount=500&currency=usd&payment_method=pm_card_visa&confirm=true");
    let first = hook.next();
    assert_eq!((text(&first, "object"), text(&first, "type")), ("event", "payment_intent.created"));
    assert_eq!(first["data"]["object"]["id"], intent["id"]);
    assert_eq!(hook.kinds(2), ["charge.succeeded", "payment_intent.succeeded"]);
    client.until("/webhooks/delivered", 3);
    let mut told = client.found(&format!("/v1/events/{}", text(&first, "id")));
    assert_eq!(told["pending_webhooks"], 0);
    told["pending_webhooks"] = 1.into();
    assert_eq!(told, first);
    assert_eq!(list(&client.found("/v1/events?delivery_success=true&type=payment_intent.*"), "id").len(), 2);
    assert_eq!(list(&client.found("/v1/events?types[]=charge.succeeded&types[]=x"), "id").len(), 1);
}

/// Payments of a driver that says how each is told: once and late, twice, never.
#[test]
fn what_is_told_is_delivered_as_commanded_and_what_is_lost_is_listed() {
    let hook = hook(|_| 200);
    let webhook = Webhook { events: vec!["payment_intent.succeeded".to_owned()], ..quiet(&hook) };
    let server = serving(&PaymentsOptions { obey: true, webhook: Some(webhook), ..PaymentsOptions::default() });
    let mut client = Client::connect(&server);
    for (attempt, deliveries) in [(1, "30000000"), (2, "0,60000000"), (3, "never")] {
        let headers = format!("{FORM}mock-outcome: answer=paid;deliver_ns={deliveries}\r\n");
        let form = "amount=5&currency=usd&confirm=true&payment_method=pm_card_visa";
        let paid = client.ask("POST", "/v1/payment_intents", &headers, &format!("{form}&metadata[attempt]={attempt}"));
        assert_eq!(paid.status, 200);
    }
    let came: Vec<_> = (0..3).map(|_| hook.next()["data"]["object"]["metadata"]["attempt"].clone()).collect();
    assert_eq!(came, ["2", "1", "2"]);
    client.until("/webhooks/delivered", 3);
    let undelivered = client.found("/v1/events?delivery_success=false");
    let attempts: Vec<_> = undelivered["data"].as_array().unwrap().iter().collect();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0]["data"]["object"]["metadata"]["attempt"], "3");
    for wrong in
        ["deliver_ns=", "deliver_ns=1;deliver_ns=2", "deliver_ns=691200000000001", "deliver_ns=1,", "answer=paid"]
    {
        let headers = format!("{FORM}mock-outcome: {wrong}\r\n");
        assert_eq!(client.ask("POST", "/v1/refunds", &headers, "payment_intent=pi_x").status, 400, "{wrong}");
    }
}

/// A bank takes a payment back once, and tells the shop; what was taken back cannot be refunded any more.
#[test]
fn a_payment_is_disputed_once_and_told() {
    let hook = hook(|_| 200);
    let (server, mut client) = sending(&hook, |webhook| webhook.events.push("charge.dispute.*".to_owned()));
    let intent = client.made("/v1/payment_intents", "amount=500&currency=usd&payment_method=pm_card_visa&confirm=true");
    let body = format!("{{\"payment_intent\": {}}}", intent["id"]);
    let dispute = client.ask("POST", "/_mock/dispute", "", &body);
    assert_eq!((dispute.status, dispute.text("/status")), (200, "needs_response"));
    assert_eq!(client.ask("POST", "/_mock/dispute", "", &body).text("/id"), dispute.text("/id"));
    let told = hook.next();
    assert_eq!(
        (text(&told, "type"), &told["data"]["object"]["payment_intent"]),
        ("charge.dispute.created", &intent["id"])
    );
    assert_eq!(client.found(&format!("/v1/charges/{}", text(&intent, "latest_charge")))["disputed"], true);
    assert_eq!(server.captures()[0].amount, 0);
    let refund = client.post("/v1/refunds", &format!("payment_intent={}", text(&intent, "id")));
    assert_eq!((refund.status, refund.text("/error/code")), (400, "charge_disputed"));
    for wrong in ["", "{}", r#"{"payment_intent": "pi_x"}"#, r#"{"payment_intent": 7}"#] {
        assert!(client.ask("POST", "/_mock/dispute", "", wrong).status >= 400, "{wrong}");
    }
    assert_eq!(list(&client.found("/v1/events?type=charge.dispute.created"), "id").len(), 1);
}

#[test]
fn what_is_not_taken_comes_again_when_the_clock_says_so() {
    let hook = hook(|number| if number < 2 { 500 } else { 200 });
    let (_server, mut client) = sending(&hook, |_| {});
    client.made("/v1/customers", "");
    let first = hook.next();
    client.until("/webhooks/failed", 1);
    client.advance("5s");
    assert_eq!(hook.next(), first);
    client.until("/webhooks/failed", 2);
    let pending = client.found(&format!("/v1/events/{}", text(&first, "id")));
    assert_eq!(pending["pending_webhooks"], 1);
    client.advance("20s");
    assert_eq!(hook.next(), first);
    client.until("/webhooks/delivered", 1);
    client.until("/webhooks/waiting", 0);
}

#[test]
fn an_answer_is_read_before_its_connection_is_ended() {
    let head = |length: usize| format!("HTTP/1.1 200 x\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    // It breaks off; it is whole; it has more than anybody reads.
    let hook = answering(move |number| match number {
        0 => [head(5), b"tak".to_vec()].concat(),
        1 => [head(5), b"taken".to_vec()].concat(),
        _ => [head(1 << 30), vec![b'x'; 1 << 17]].concat(),
    });
    let (_server, mut client) = sending(&hook, |_| {});
    client.made("/v1/customers", "");
    let first = hook.next();
    client.until("/webhooks/failed", 1);
    client.advance("5s");
    assert_eq!(hook.next(), first);
    client.until("/webhooks/delivered", 1);
    client.made("/v1/customers", "");
    hook.next();
    client.until("/webhooks/delivered", 2);
}

#[test]
fn an_event_is_given_up_after_three_days() {
    let hook = hook(|_| 503);
    let (_server, mut client) = sending(&hook, |_| {});
    client.made("/v1/customers", "");
    // At 0, 23, 46, 69 and 92 hours.
    for tried in 1..=5 {
        hook.next();
        client.until("/webhooks/failed", tried);
        client.advance("23h");
    }
    client.until("/webhooks/given_up", 1);
    client.until("/webhooks/waiting", 0);
}

#[test]
fn duplicates_come_twice_and_lost_ones_never() {
    let hook_of_doubles = hook(|_| 200);
    let (_server, mut client) = sending(&hook_of_doubles, |webhook| webhook.duplicate = all());
    client.made("/v1/customers", "");
    assert_eq!(hook_of_doubles.next(), hook_of_doubles.next());
    client.until("/webhooks/duplicated", 1);

    let hook_of_none = hook(|_| 200);
    let (_server, mut client) = sending(&hook_of_none, |webhook| webhook.lose = all());
    client.made("/v1/customers", "");
    client.until("/webhooks/lost", 1);
    client.until("/webhooks/waiting", 0);
    assert_eq!(client.events(), ["customer.created"], "whoever asks finds it");
    assert!(hook_of_none.came.try_recv().is_err());
}

#[test]
fn those_that_come_late_are_overtaken() {
    let hook = hook(|_| 200);
    // Of half of all: which half is the seed's to say.
    let (_server, mut client) = sending(&hook, |webhook| webhook.reorder = "50%".parse().unwrap());
    let mut made = Vec::new();
    for name in 0..12 {
        made.push(text(&client.made("/v1/customers", &format!("name={name}")), "id").to_owned());
    }
    let health = client.ask("GET", "/healthz", "", "").json;
    let late = health["webhooks"]["reordered"].as_u64().unwrap();
    assert!((1..12).contains(&late), "{health:#}");
    client.until("/webhooks/delivered", 12 - late);
    client.advance("2s");
    let came: Vec<String> = (0..12).map(|_| text(&hook.next()["data"]["object"], "id").to_owned()).collect();
    assert_ne!(came, made);
    let in_order = |part: &[String]| {
        let places: Vec<_> = part.iter().map(|id| made.iter().position(|made| made == id)).collect();
        places.is_sorted()
    };
    let (on_time, overtaken) = came.split_at(12 - late as usize);
    assert!(in_order(on_time) && in_order(overtaken), "{came:?}");
}

#[test]
fn a_delay_is_by_the_mocks_clock() {
    let hook = hook(|_| 200);
    let (_server, mut client) = sending(&hook, |webhook| webhook.delay = "3600s".parse().unwrap());
    client.made("/v1/customers", "");
    client.until("/webhooks/waiting", 1);
    client.advance("59m");
    client.until("/webhooks/waiting", 1);
    client.advance("1m");
    assert_eq!(hook.kinds(1), ["customer.created"]);
}
