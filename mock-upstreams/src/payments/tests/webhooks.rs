//! Webhooks: signed, repeated until they are taken, and with what goes wrong on the way.

use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier};
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
        at_once: NonZeroUsize::MIN,
    }
}

/// An endpoint that keeps its connections, and hands over what came, and over which. Each answers so many requests; the
/// next one it reads and hangs up, as one does that had been idle for too long.
struct Keeping {
    url: Url,
    came: Receiver<(usize, String)>,
}

/// One that answers a request when it has so many.
fn keeping(requests: usize, together: usize) -> Keeping {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap()).parse().unwrap();
    let ((sender, came), all) = (channel(), Arc::new(Barrier::new(together)));
    thread::spawn(move || {
        for (line, stream) in listener.incoming().enumerate() {
            let (sender, all, mut client) = (sender.clone(), Arc::clone(&all), Client(BufReader::new(stream.unwrap())));
            thread::spawn(move || {
                for number in 0.. {
                    // The mock is gone.
                    if client.0.fill_buf().map_or(true, <[u8]>::is_empty) {
                        return;
                    }
                    let (_, event) = client.request();
                    drop(sender.send((line, text(&event, "id").to_owned())));
                    if number == requests {
                        return;
                    }
                    all.wait();
                    client.0.get_mut().write_all(b"HTTP/1.1 200 x\r\ncontent-length: 2\r\n\r\nok").unwrap();
                }
            });
        }
    });
    Keeping { url, came }
}

impl Keeping {
    /// A processor that sends here, each event a second late.
    fn sent(&self, at_once: usize) -> (PaymentsServer, Client) {
        let at_once = NonZeroUsize::new(at_once).unwrap();
        let webhook = Webhook { url: self.url.clone(), at_once, delay: "1s".parse().unwrap(), ..quiet(&hook(|_| 200)) };
        let server = serving(&PaymentsOptions { webhook: Some(webhook), ..PaymentsOptions::default() });
        let client = Client::connect(&server);
        (server, client)
    }

    fn next(&self) -> (usize, String) {
        self.came.recv_timeout(PATIENCE).unwrap()
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

/// A driver's payments are more than memory would bear the events of: those alone are kept that nobody has told.
#[test]
fn what_a_driver_was_told_is_forgotten_and_lists_go_on_from_it() {
    let hook = hook(|_| 200);
    let webhook = Webhook { events: vec!["payment_intent.succeeded".to_owned()], ..quiet(&hook) };
    let server = serving(&PaymentsOptions { obey: true, webhook: Some(webhook), ..PaymentsOptions::default() });
    let mut client = Client::connect(&server);
    let pay = |client: &mut Client, delivery: &str| {
        let headers = format!("{FORM}mock-outcome: answer=paid;deliver_ns={delivery}\r\n");
        let form = "amount=5&currency=usd&confirm=true&payment_method=pm_card_visa";
        assert_eq!(client.ask("POST", "/v1/payment_intents", &headers, form).status, 200);
    };
    pay(&mut client, "3600000000000");
    let [late] = &list(&client.found("/v1/events?delivery_success=false"), "id")[..] else { panic!("one is late") };
    client.advance("1h");
    hook.next();
    client.until("/webhooks/delivered", 1);
    pay(&mut client, "never");
    let since = client.found(&format!("/v1/events?delivery_success=false&ending_before={late}"));
    let lost = list(&since, "id");
    assert_eq!(lost.len(), 1, "{since:#}");
    for told in 2..=6 {
        pay(&mut client, "0");
        hook.next();
        client.until("/webhooks/delivered", told);
    }
    assert_eq!(list(&client.found("/v1/events"), "id"), [lost[0].clone(), late.clone()]);
    assert_eq!(server.shutdown(Duration::ZERO).events, 2);
}

#[test]
fn a_connection_is_kept_and_what_ends_while_it_is_idle_is_no_failure() {
    let (kept, ends) = (keeping(usize::MAX, 1), keeping(1, 1));
    let came = [&kept, &ends].map(|hook| {
        let (_server, mut client) = hook.sent(1);
        let mut came = Vec::new();
        for told in 1..=3 {
            client.made("/v1/customers", "");
            client.advance("1s");
            client.until("/webhooks/delivered", told);
            came.extend(hook.came.try_iter());
        }
        client.until("/webhooks/failed", 0);
        came
    });
    let lines = |came: &[(usize, String)]| came.iter().map(|(line, _)| *line).collect::<Vec<_>>();
    assert_eq!(lines(&came[0]), [0, 0, 0]);
    // The second is asked for over the first connection, and then over one of its own.
    assert_eq!(lines(&came[1]), [0, 0, 1, 1, 2]);
    assert_eq!((&came[1][1].1, &came[1][3].1), (&came[1][2].1, &came[1][4].1));
}

/// Nothing is answered before eight are under way, and each is over a connection of its own: no fewer than eight, and no
/// more.
#[test]
fn as_many_as_are_allowed_are_delivered_at_once() {
    let hook = keeping(usize::MAX, 8);
    let (_server, mut client) = hook.sent(8);
    for _ in 0..16 {
        client.made("/v1/customers", "");
    }
    client.advance("1s");
    let mut came: Vec<_> = (0..16).map(|_| hook.next()).collect();
    client.until("/webhooks/delivered", 16);
    let lines: std::collections::BTreeSet<_> = came.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, (0..8).collect());
    came.sort_by(|one, other| one.1.cmp(&other.1));
    came.dedup_by(|one, other| one.1 == other.1);
    assert_eq!(came.len(), 16, "none comes twice");
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
