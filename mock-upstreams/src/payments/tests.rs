//! The payment processor as a client sees it, through real sockets on loopback. Nothing here sleeps: it waits for an
//! event, or for a figure with a deadline that only a failure reaches.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream as StdTcpStream;
use std::time::Instant;

use serde_json::Value;

use super::*;

mod commanded;
mod documented;
mod driven;
mod objects;
mod payment;
mod replay;
mod transport;
mod webhooks;

/// What a healthy test never reaches.
const PATIENCE: Duration = Duration::from_secs(20);

struct Client(BufReader<StdTcpStream>);

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    json: Value,
}

fn serving(options: &PaymentsOptions) -> PaymentsServer {
    PaymentsServer::start(options).unwrap()
}

fn plain() -> (PaymentsServer, Client) {
    let server = serving(&PaymentsOptions::default());
    let client = Client::connect(&server);
    (server, client)
}

impl Client {
    fn connect(server: &PaymentsServer) -> Self {
        let stream = StdTcpStream::connect(server.addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends a request with these header lines, each ended by CR LF, and waits for nothing.
    fn send(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let length = body.len();
        let text =
            format!("{method} {path} HTTP/1.1\r\nhost: mock:1\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        self.send(method, path, headers, body);
        self.answer()
    }

    fn answer(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).unwrap(), 0, "closed after {head:?}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Answer { status, head, json: serde_json::from_slice(&body).unwrap() }
    }

    fn post(&mut self, path: &str, form: &str) -> Answer {
        self.ask("POST", path, FORM, form)
    }

    fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, KEY, "")
    }

    fn delete(&mut self, path: &str) -> Answer {
        self.ask("DELETE", path, KEY, "")
    }

    /// The same with an idempotency key.
    fn keyed(&mut self, key: &str, path: &str, form: &str) -> Answer {
        self.ask("POST", path, &format!("{FORM}idempotency-key: {key}\r\n"), form)
    }

    /// A form that is answered with 200.
    fn made(&mut self, path: &str, form: &str) -> Value {
        let answer = self.post(path, form);
        assert_eq!(answer.status, 200, "{path} {form}: {:#}", answer.json);
        answer.json
    }

    /// What is at a path, which is answered with 200.
    fn found(&mut self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {:#}", answer.json);
        answer.json
    }

    /// The kinds of all events, the oldest first.
    fn events(&mut self) -> Vec<String> {
        let mut kinds: Vec<String> = list(&self.found("/v1/events?limit=100"), "type");
        kinds.reverse();
        kinds
    }

    fn advance(&mut self, by: &str) -> Value {
        let answer = self.ask("POST", "/_mock/clock", "", &format!(r#"{{"advance": "{by}"}}"#));
        assert_eq!(answer.status, 200, "{:#}", answer.json);
        answer.json
    }

    /// Waits until the mock's health has this figure.
    fn until(&mut self, pointer: &str, figure: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let health = self.ask("GET", "/healthz", "", "").json;
            if health.pointer(pointer).and_then(Value::as_u64) == Some(figure) {
                return;
            }
            assert!(Instant::now() < deadline, "{pointer} does not come to {figure}: {health:#}");
        }
    }
}

const KEY: &str = "authorization: Bearer sk_test_1\r\n";
const FORM: &str = "authorization: Bearer sk_test_1\r\ncontent-type: application/x-www-form-urlencoded\r\n";

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// A text of the error, or of the object.
    fn text(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

/// A field of everything that a list has.
fn list(value: &Value, field: &str) -> Vec<String> {
    value["data"].as_array().unwrap().iter().map(|item| text(item, field).to_owned()).collect()
}
