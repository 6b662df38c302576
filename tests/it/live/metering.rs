//! Upstreams that say in their body what a call used, as those that speak `OpenAI`'s protocol do.

use super::hostile::before;
use super::*;
use farebox::live::gateway::Front;

/// A million tokens cost a dollar: a token a thousand nanos.
const TOKENS: &str = "
scenario: tokens
horizon: 30d
meters: { tokens: { sum: [input_tokens, output_tokens] } }
routes:
  /v1: { attributes: { input_tokens: 1000, output_tokens: 1000 } }
plans:
  payg: { prepaid: { opening: $10 }, prices: { tokens: $1.00 per 1M } }
consumers:
  script: { count: 1, plan: payg, traffic: { rate: 0.001/day } }
";
const NANOS_PER_TOKEN: i64 = 1_000;

struct Metered {
    gateway: Gateway,
    client: Wire,
    behind: Wire,
}

impl Metered {
    /// A client and the upstream that the test plays, with a call between them.
    fn asked(upstream: &TcpListener) -> Self {
        let gateway = before(TOKENS, upstream.local_addr().unwrap(), Front::GUARDED);
        let mut client = Wire::connect(gateway.addr());
        client.ask("POST", "x-api-key: key-000000\r\naccept-encoding: gzip\r\ncontent-length: 0\r\n");
        let mut behind = Wire::accept(upstream);
        let seen = behind.receive();
        assert_eq!(seen.header("accept-encoding"), None, "what is packed cannot be counted");
        Self { gateway, client, behind }
    }

    /// Ends, and tells what was paid, how many served calls were of unknown usage, and how many calls failed.
    fn end(self) -> (i64, u64, u64) {
        wait_until("the hold is resolved", || self.gateway.open_holds() == 0);
        let unknown = self.gateway.sum().without_usage();
        let account = accounts(self.gateway, GRACE)[0];
        (account.spent_nanos, unknown, account.failed)
    }
}

const CHUNK: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}],\"usage\":null}\n\n";
const LAST: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":300,\"completion_tokens\":45,\"total_tokens\":345}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn chunked(text: &str) -> String {
    format!("{:X}\r\n{text}\r\n", text.len())
}

const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Each event is with the client before the next one is written, and the tokens of the last one are paid.
#[test]
fn a_stream_is_metered_as_it_passes() {
    let upstream = listen();
    let mut call = Metered::asked(&upstream);
    call.behind.send(EVENTS);
    call.client.receive_head();
    for event in [CHUNK, CHUNK, LAST, DONE] {
        call.behind.send(chunked(event));
        assert_eq!(call.client.exactly(chunked(event).len()), chunked(event).as_bytes());
    }
    assert_eq!(call.gateway.open_holds(), 1, "it is not over before its end");
    call.behind.send("0\r\n\r\n");
    assert_eq!(call.client.exactly(5), b"0\r\n\r\n");
    assert_eq!(call.end(), (345 * NANOS_PER_TOKEN, 0, 0));
}

#[test]
fn a_completion_is_metered() {
    let upstream = listen();
    let mut call = Metered::asked(&upstream);
    let body = format!(
        "{{\"choices\":[{{\"message\":{{\"content\":\"{}\"}}}}],\"usage\":{{\"prompt_tokens\":12,\"completion_tokens\":30}}}}",
        "x".repeat(200_000)
    );
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    call.behind.send(head + &body);
    assert_eq!(call.client.receive().body, body.as_bytes());
    assert_eq!(call.end(), (42 * NANOS_PER_TOKEN, 0, 0));
}

/// What the upstream says in its head counts, whatever its body says; more than the most of the route is truncated there.
#[test]
fn the_head_goes_before_the_body_and_no_more_than_the_most_is_paid() {
    for (usage, tokens) in [("mock-usage: input_tokens:5,output_tokens:2\r\n", 7), ("", 2_000)] {
        let upstream = listen();
        let mut call = Metered::asked(&upstream);
        let body = "{\"usage\":{\"prompt_tokens\":7000,\"completion_tokens\":1}}";
        let length = body.len();
        call.behind.send(format!(
            "HTTP/1.1 200 OK\r\n{usage}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
        assert_eq!(call.client.receive().status(), 200);
        assert_eq!(call.end(), (tokens * NANOS_PER_TOKEN, 0, 0));
    }
}

/// Missing usage settles at 0 and is counted; so does what is packed.
#[test]
fn what_nobody_tells_is_not_billed_and_is_counted() {
    for (head, body) in [
        (EVENTS, chunked(CHUNK) + &chunked(DONE) + "0\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n", "{}".to_owned()),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n",
            "??".to_owned(),
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", String::new()),
    ] {
        let upstream = listen();
        let mut call = Metered::asked(&upstream);
        call.behind.send(head.to_owned() + &body);
        call.client.receive();
        assert_eq!(call.end(), (0, 1, 0), "{head}");
    }
}

/// The upstream breaks off: the call has failed, and nobody pays, even for what was said before.
#[test]
fn a_stream_that_breaks_off_is_not_billed() {
    let upstream = listen();
    let mut call = Metered::asked(&upstream);
    call.behind.send(EVENTS.to_owned() + &chunked(LAST));
    call.client.receive_head();
    drop(std::mem::replace(&mut call.behind, Wire::connect(upstream.local_addr().unwrap())));
    call.client.rest();
    assert_eq!(call.end(), (0, 0, 1));
}

/// The client goes away: the rest is read without it, and what was really used is paid.
#[test]
fn a_stream_whose_client_has_gone_is_metered_to_its_end() {
    let upstream = listen();
    let mut call = Metered::asked(&upstream);
    call.behind.send(EVENTS.to_owned() + &chunked(CHUNK));
    call.client.receive_head();
    call.client.exactly(chunked(CHUNK).len());
    std::mem::replace(&mut call.client, Wire::connect(call.gateway.addr())).reset();
    // It is noticed when the next event cannot be passed on.
    let aborts = || call.gateway.counts().causes[Cause::ClientAbort.index()];
    let deadline = Instant::now() + GRACE;
    while aborts() == 0 && Instant::now() < deadline {
        call.behind.send(chunked(CHUNK));
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(aborts(), 1);
    call.behind.send(chunked(LAST) + "0\r\n\r\n");
    assert_eq!(call.end(), (345 * NANOS_PER_TOKEN, 0, 0));
}
