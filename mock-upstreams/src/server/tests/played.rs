//! The chat API, named services that call each other, the echo and the mock's health.

use serde_json::Value;

use super::*;
use crate::chat::ChatSpec;
use crate::config::Config;
use crate::direct::{Direct, Directed, Director};
use crate::fault::Fault;

const HELLO: &str = r#""model":"some-model","messages":[{"role":"user","content":"hello"}]"#;

fn chatting(chat: ChatSpec) -> Server {
    let service = ServiceSpec { chat: Some(chat), ..ServiceSpec::default() };
    Server::start(&Options { service, obey: true, endpoints: true, ..Options::default() }).unwrap()
}

/// Services of a file, in front of the default one.
fn playing(file: &str) -> Server {
    let (service, services) = Config::parse(file).unwrap().seeded(1);
    Server::start(&Options { service, services, obey: true, endpoints: true, ..Options::default() }).unwrap()
}

impl Client {
    /// Posts to a path; ask for one answer a connection, because streams are read to their end.
    fn post(&mut self, path: &str, headers: &str, body: &str) {
        let length = body.len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        ));
    }

    fn of(&mut self, path: &str, headers: &str) -> Reply {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: mock\r\n{headers}\r\n"));
        self.reply()
    }
}

fn complete(server: &Server, command: &str, more: &str) -> Reply {
    let mut client = Client::connect(server);
    client.post("/v1/chat/completions", &format!("mock-outcome: {command}\r\n"), &format!("{{{HELLO}{more}}}"));
    client.reply()
}

/// The data of a stream's events, and whether the stream came to its end.
fn events(server: &Server, command: &str, more: &str) -> (Vec<String>, bool) {
    let mut client = Client::connect(server);
    let body = format!("{{{HELLO},\"stream\":true{more}}}");
    client.post("/v1/chat/completions", &format!("mock-outcome: {command}\r\n"), &body);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(client.0.read_line(&mut head).unwrap(), 0, "closed after {head:?}");
    }
    assert_eq!(header(&head, "content-type"), Some("text/event-stream; charset=utf-8"), "{head}");
    assert_eq!(header(&head, "mock-usage"), None);
    let mut text = String::new();
    loop {
        let mut size = String::new();
        client.0.read_line(&mut size).unwrap();
        let Ok(bytes) = usize::from_str_radix(size.trim(), 16) else { break };
        let mut chunk = vec![0; bytes + 2];
        client.0.read_exact(&mut chunk).unwrap();
        text.push_str(std::str::from_utf8(&chunk[..bytes]).unwrap());
        if bytes == 0 {
            return (data(&text), true);
        }
    }
    (data(&text), false)
}

fn data(text: &str) -> Vec<String> {
    text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap().to_owned()).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

// === Chat ===

#[test]
fn a_completion_has_as_many_tokens_as_are_asked_for_and_says_so_twice() {
    let server = chatting(ChatSpec::default());
    let reply = complete(&server, "", r#","max_tokens":5"#);
    assert_eq!(reply.header("mock-usage"), Some("input_tokens:8,output_tokens:5"));
    let document = json(&reply.body);
    let content = document["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(content.split(' ').count(), 5, "{content}");
    assert_eq!((&document["model"], &document["object"]), (&"some-model".into(), &"chat.completion".into()));
    assert_eq!(document["choices"][0]["finish_reason"], "length");
    assert_eq!(document["usage"], serde_json::json!({"prompt_tokens": 8, "completion_tokens": 5, "total_tokens": 13}));
}

#[test]
fn what_no_request_limits_is_drawn_by_the_seed() {
    let drawn = |seed| {
        let service = ServiceSpec { chat: Some(ChatSpec::default()), seed, ..ServiceSpec::default() };
        let server = serving(service);
        let complete = |_| json(&complete(&server, "", "").body)["usage"]["completion_tokens"].as_u64().unwrap();
        (0..8).map(complete).collect::<Vec<_>>()
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
}

#[test]
fn a_stream_has_the_events_of_the_api_in_order() {
    let server = chatting(ChatSpec::default());
    let (plain, is_whole) = events(&server, "", r#","max_tokens":600"#);
    assert!(is_whole);
    assert_eq!(plain.len(), 1 + 600 + 1 + 1);
    assert_eq!(plain.last().unwrap(), "[DONE]");
    let chunks: Vec<Value> = plain[..602].iter().map(|event| json(event)).collect();
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk.get("usage").is_none()));
    assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"] && chunk["model"] == "some-model"));
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let said = chunks[1..601].iter().map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().unwrap());
    assert_eq!(said.collect::<String>().split(' ').count(), 600);
    assert!(chunks[..601].iter().all(|chunk| chunk["choices"][0]["finish_reason"].is_null()));
    assert_eq!(chunks[601]["choices"][0]["finish_reason"], "length");

    let (with_usage, _) = events(&server, "", r#","max_tokens":3,"stream_options":{"include_usage":true}"#);
    assert_eq!(with_usage.len(), 1 + 3 + 1 + 1 + 1);
    assert!(with_usage[..5].iter().all(|event| json(event).get("usage") == Some(&Value::Null)));
    let usage = json(&with_usage[5]);
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&Value::Array(Vec::new()), &11.into()));
}

#[test]
fn usage_is_told_as_commanded() {
    let server = chatting(ChatSpec::default());
    let plain = |command: &str| {
        let reply = complete(&server, command, r#","max_tokens":5"#);
        (reply.header("mock-usage").map(str::to_owned), json(&reply.body)["usage"]["prompt_tokens"].as_u64())
    };
    assert_eq!(plain("told=absent"), (None, None));
    assert_eq!(plain("told=zero"), (Some("input_tokens:0,output_tokens:0".to_owned()), Some(0)));
    let own = "input_tokens:7,output_tokens:2,meter.x:1";
    assert_eq!(plain(&format!("usage={own}")), (Some(own.to_owned()), Some(7)));
    let most = complete(&server, "usage=input_tokens:18446744073709551615,output_tokens:18446744073709551615", "");
    assert_eq!(json(&most.body)["usage"]["total_tokens"], u64::MAX);
    let failed = complete(&server, "status=500;usage=input_tokens:7", "");
    assert_eq!(failed.header("mock-usage"), None);

    let stream = |command: &str| events(&server, command, r#","max_tokens":4,"stream_options":{"include_usage":true}"#);
    assert_eq!(stream("told=absent").0.len(), 1 + 4 + 1 + 1);
    assert_eq!(json(&stream("told=zero").0[6])["usage"]["total_tokens"], 0);
    let (cut, is_whole) = stream("told=cut");
    assert_eq!((cut.len(), is_whole), (1 + 4 + 1, false));
    let (cut, is_whole) = stream("fault=cut");
    assert_eq!((cut.len(), is_whole), (1 + 2, false));
    assert_eq!(server.counters().faults[Fault::Cut.index()], 2);
}

#[test]
fn tokens_come_at_their_pace_and_never_early() {
    let chat =
        ChatSpec { first_token: "5ms".parse().unwrap(), pace: Some("1000".parse().unwrap()), ..ChatSpec::default() };
    let server = chatting(chat);
    for more in [r#","max_tokens":20"#, r#","max_tokens":20,"stream":true"#] {
        let sent = Instant::now();
        let mut client = Client::connect(&server);
        client.post("/v1/chat/completions", "", &format!("{{{HELLO}{more}}}"));
        let mut seen = Vec::new();
        client.0.read_to_end(&mut seen).unwrap();
        assert!(sent.elapsed() >= Duration::from_millis(25), "{more}");
    }
    // The first token does not wait for the last: that is an hour away.
    let held = "mock-outcome: latency_ns=3600000000000;first_ns=0\r\n";
    let mut client = Client::connect(&server);
    client.post("/v1/chat/completions", held, &format!("{{{HELLO},\"stream\":true,\"max_tokens\":9}}"));
    let mut seen = String::new();
    while !seen.contains("\"content\":\"\"") {
        assert_ne!(client.0.read_line(&mut seen).unwrap(), 0, "closed after {seen:?}");
    }
    server.shutdown(Duration::ZERO);
}

#[test]
fn what_is_wrong_is_told_in_the_shape_of_the_api() {
    let server = chatting(ChatSpec::default());
    let mut client = Client::connect(&server);
    client.post("/v1/chat/completions", "", "{");
    let reply = client.reply();
    assert_eq!((reply.status, &json(&reply.body)["error"]["type"]), (400, &"invalid_request_error".into()));
    for (status, code) in [(402, "insufficient_quota"), (429, "rate_limit_exceeded")] {
        let reply = complete(&server, &format!("status={status}"), r#","stream":true"#);
        assert_eq!((reply.status, &json(&reply.body)["error"]["code"]), (status, &code.into()));
    }
    let reply = Client::connect(&server).of("/v1/chat/completions", "");
    assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")));
    let models = Client::connect(&server).of("/v1/models", "");
    assert_eq!(json(&models.body)["data"][0]["id"], "mock");
    assert_eq!(Client::connect(&server).of("/v1/models/mock", "").status, 200);
    assert_eq!(Client::connect(&server).of("/v1/models/other", "").status, 404);
}

#[test]
fn without_the_chat_api_its_paths_are_like_any_other() {
    let server = serving(ServiceSpec::default());
    for path in ["/v1/chat/completions", "/v1/models", "/echo", "/healthz"] {
        let reply = Client::connect(&server).of(path, "");
        assert_eq!((reply.status, reply.body.len()), (200, 64), "{path}");
    }
}

// === Named services ===

const SHOP: &str = "
services:
  default: { body_bytes: 20 }
  search: { body_bytes: 30, calls: [ranker, store] }
  ranker: { calls: [cache] }
  cache: {}
  store: { capacity: 1 }
  poor: { calls: [broke, store] }
  broke: { errors: { 402: 100% } }
  torn: { calls: [rude] }
  rude: { faults: { reset: 100% } }
  hung: { calls: [stuck, store] }
  stuck: { faults: { stall: 100% } }
  model: { chat: }
";

#[test]
fn a_service_is_found_by_its_host_or_the_first_segment_of_the_path() {
    let server = playing(SHOP);
    let mut client = Client::connect(&server);
    for (path, host, bytes) in [
        ("/", "mock", 20),
        ("/unknown/path", "mock:80", 20),
        ("/search", "mock", 30),
        ("/search/a/b?c", "mock", 30),
        ("/search/echo", "mock", 30),
        ("/searches", "mock", 20),
        ("/any", "search", 30),
        ("/any", "search.test:9001", 30),
        ("/search", "cache", 64),
    ] {
        client.send(&format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        assert_eq!(client.reply().body.len(), bytes, "{path} at {host}");
    }
    client.post("/model/v1/chat/completions", "", &format!("{{{HELLO}}}"));
    assert_eq!(json(&client.reply().body)["object"], "chat.completion");
}

#[test]
fn a_request_comes_to_all_that_a_service_calls_and_the_trace_goes_with_it() {
    let server = playing(SHOP);
    let mut client = Client::connect(&server);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let reply = client.of("/search", &format!("traceparent: 00-{trace}-b7ad6b7169203331-01\r\n"));
    let hops: Vec<Vec<&str>> =
        reply.header("mock-hops").unwrap().split(',').map(|hop| hop.split(':').collect()).collect();
    let way: Vec<_> = hops.iter().map(|hop| (hop[0], hop[1])).collect();
    assert_eq!(way, [("search", "0"), ("ranker", "1"), ("cache", "2"), ("store", "1")]);
    let mut spans: Vec<_> = hops.iter().map(|hop| hop[2]).collect();
    assert_eq!(reply.header("traceresponse").unwrap(), format!("00-{trace}-{}-01", spans[0]));
    spans.push("b7ad6b7169203331");
    spans.sort_unstable();
    assert!(spans.windows(2).all(|pair| pair[0] != pair[1]) && spans.iter().all(|span| span.len() == 16), "{spans:?}");

    let begun = client.of("/", "traceparent: 00-nonsense-01\r\n");
    assert!(!begun.header("traceresponse").unwrap().contains(trace));
    assert!(begun.header("mock-hops").unwrap().starts_with("default:0:"));
}

#[test]
fn any_hop_may_ask_for_payment_and_what_comes_after_it_is_not_called() {
    let server = playing(SHOP);
    let mut client = Client::connect(&server);
    let reply = client.of("/poor", "");
    assert_eq!((reply.status, reply.header("mock-failed-hop")), (402, Some("1 broke")));
    assert!(!reply.header("mock-hops").unwrap().contains("store"));
    let own = client.of("/search", "mock-outcome: status=429\r\n");
    assert_eq!((own.status, own.header("mock-failed-hop")), (429, Some("0 search")));
}

#[test]
fn a_broken_answer_of_a_called_service_is_a_bad_gateway() {
    let server = playing(SHOP);
    let reply = Client::connect(&server).of("/torn", "");
    assert_eq!((reply.status, reply.header("mock-failed-hop")), (502, Some("1 rude")));
    assert_eq!(server.counters().faults[Fault::Reset.index()], 1);
}

#[test]
fn who_calls_a_service_that_stalls_stalls_too() {
    let server = playing(SHOP);
    let mut client = Client::connect(&server);
    client.send("GET /hung HTTP/1.1\r\nhost: mock\r\n\r\n");
    wait_until(&server, |counters| counters.faults[Fault::Stall.index()] == 1);
    assert_eq!(server.counters().answered, 0);
    drop(client);
    wait_until(&server, |counters| counters.abandoned == 1);
}

/// Who calls waits for a place at the one that is called, and keeps it no longer than the call takes.
#[test]
fn capacities_hold_for_whoever_calls() {
    let server = playing(SHOP);
    let mut first = Client::connect(&server);
    first.send(&format!("GET /store HTTP/1.1\r\nhost: mock\r\n{HELD}\r\n"));
    wait_until(&server, |counters| counters.received == 1);
    let mut second = Client::connect(&server);
    second.send("GET /search HTTP/1.1\r\nhost: mock\r\n\r\n");
    wait_until(&server, |counters| counters.received == 2);
    assert_eq!(Client::connect(&server).of("/cache", "").status, 200);
    assert_eq!(server.counters().answered, 1, "the second waits for the store");
    drop(first);
    assert_eq!(second.reply().status, 200);
}

#[test]
fn services_that_cannot_be_played_are_refused_before_anything_listens() {
    let calls = |name: &str, calls: &[&str]| {
        let calls = calls.iter().map(|name| (*name).to_owned()).collect();
        (name.to_owned(), ServiceSpec { calls, ..ServiceSpec::default() })
    };
    let chats = ServiceSpec { chat: Some(ChatSpec::default()), ..calls("", &["b"]).1 };
    for (services, message) in [
        ([calls("a", &["b"]), calls("b", &["a"])], "`a` comes to call itself"),
        ([calls("a", &["c"]), calls("b", &[])], "`a` calls `c`, which is none"),
        ([calls("a", &["default"]), calls("b", &[])], "`a` calls `default`, which is none"),
        ([calls("a b", &[]), calls("b", &[])], "`a b` cannot name a service"),
        ([calls("default", &[]), calls("b", &[])], "`default` is the name of"),
        ([("a".to_owned(), chats), calls("b", &[])], "a service that completes chats"),
    ] {
        let error = Server::start(&Options { services: services.into(), ..Options::default() }).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with(message), "{error}");
    }
}

// === Decisions of others ===

/// Counts in the usage, and knows one path.
struct Counting;

impl Direct for Counting {
    fn direct(&self, request: &Directed<'_>, command: &mut String) -> Result<(), String> {
        if request.path != "/known" {
            return Err(format!("there is nothing at {}\n", request.path));
        }
        *command = format!("hops=a:0:0,b:1:0;status=402;usage=number:{}", request.number);
        Ok(())
    }
}

#[test]
fn a_director_commands_what_does_not_command_itself() {
    let director = Some(Director::new(Counting));
    let server = Server::start(&Options { director, obey: true, ..Options::default() }).unwrap();
    let mut client = Client::connect(&server);
    for number in ["number:0", "number:1"] {
        let reply = client.of("/known?really", "");
        assert_eq!((reply.status, reply.header("mock-usage")), (402, Some(number)));
        assert_eq!(reply.header("mock-failed-hop"), Some("1 b"));
    }
    let unknown = client.of("/unknown", "");
    assert_eq!((unknown.status, &*unknown.body), (404, "there is nothing at /unknown\n"));
    assert_eq!(client.of("/unknown", "mock-outcome: status=503\r\n").status, 503);
}

// === Echo and health ===

#[test]
fn the_echo_says_what_it_was_sent_and_health_what_was_counted() {
    let server = playing(SHOP);
    let mut client = Client::connect(&server);
    client.send("PUT /echo/a?b=c HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer x\r\ncontent-length: 2\r\n\r\nhi");
    let echoed = json(&client.reply().body);
    assert_eq!((&echoed["method"], &echoed["body"]), (&"PUT".into(), &"hi".into()));
    assert!(echoed["headers"].as_array().unwrap().contains(&serde_json::json!(["authorization", "Bearer x"])));
    let health = json(&client.of("/healthz", "").body);
    assert_eq!(
        (&health["status"], &health["received"], &health["faults"]["cut"]),
        (&"ok".into(), &2.into(), &0.into())
    );
}
