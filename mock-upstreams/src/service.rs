//! What happens to one request: its body is read and thrown away, its latency waited for, its answer given.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::sync::Semaphore;

use crate::command::{Command, FAILED_HOP_HEADER, OUTCOME_HEADER, USAGE_HEADER};
use crate::draw::Draws;
use crate::host::Seat;
use crate::latency::Latency;
use crate::path::{Path, work};
use crate::reply::{Body, Later};
use crate::server::counters::{InFlight, ThreadCounters};
use crate::share::Errors;
use crate::timer::Timer;

/// The shortest JSON body there is to send, in bytes.
pub const MIN_BODY_BYTES: usize = BODY_HEAD.len() + BODY_TAIL.len();

/// Request bodies above this are refused with 413.
pub(crate) const MAX_REQUEST_BYTES: u64 = 1 << 20;

/// How a service answers.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceSpec {
    /// From the arrival of a request to its answer.
    pub latency: Latency,
    /// The shares of requests that are answered with statuses of failure instead of 200.
    pub errors: Errors,
    /// How many requests it works on at once; more of them wait in line, first come first served. `None`: any number.
    pub capacity: Option<NonZeroU32>,
    /// The same of the services that a [`Command`] names; of those that are not here, any number.
    pub named: BTreeMap<String, NonZeroU32>,
    /// The size of the JSON body of each answer; raised to [`MIN_BODY_BYTES`].
    pub body_bytes: usize,
    /// The seed of latencies and errors. With one thread, the n-th request always draws the same.
    pub seed: u64,
}

impl Default for ServiceSpec {
    /// Always 200, at once, with 64 bytes.
    fn default() -> Self {
        Self {
            latency: Latency::ZERO,
            errors: Errors::NONE,
            capacity: None,
            named: BTreeMap::new(),
            body_bytes: 64,
            seed: 1,
        }
    }
}

/// One thread's service.
#[derive(Debug)]
pub(crate) struct Service {
    spec: ServiceSpec,
    /// Whether an [`OUTCOME_HEADER`] decides the answer.
    obey: bool,
    /// The body of every answer, shared by all of them.
    body: Bytes,
    timer: Timer,
    /// Of all threads.
    shared: Shared,
    /// The index of this thread.
    thread: usize,
    /// The number of the next request on this thread.
    next_request: Cell<u64>,
}

/// What the threads of a service share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) counters: Arc<[ThreadCounters]>,
    /// The places where requests are worked on, if they are few. It hands them out in the order of asking.
    pub(crate) places: Option<Arc<Semaphore>>,
    /// The places of services that have a name.
    pub(crate) named: Arc<BTreeMap<String, Arc<Semaphore>>>,
}

/// What was decided about a request when its head had been read.
struct Reply {
    way: Way,
    /// How long the last service takes to the first part of the body, where that is sent by itself.
    first: Option<Duration>,
    status: StatusCode,
    usage: Option<HeaderValue>,
}

/// What it waits for before its answer.
enum Way {
    /// This service, so long.
    Here(Duration),
    /// Named services.
    Through(Path),
}

/// Why a request body was not read to its end.
enum Undrained {
    TooLarge,
    BrokenOff(hyper::Error),
}

type Answer = Response<Body>;

impl Service {
    pub(crate) fn new(spec: ServiceSpec, obey: bool, seat: &Seat, shared: Shared) -> Self {
        let (body, timer) = (json_body(spec.body_bytes), seat.timer().clone());
        Self { spec, obey, body, timer, shared, thread: seat.index(), next_request: Cell::new(0) }
    }

    /// Answers one request. Errors when the client broke off its body, which ends the connection.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Answer, hyper::Error> {
        let arrival = Instant::now();
        let in_flight = InFlight::begin(&self.shared.counters, self.thread);
        let reply = self.decide(request.headers());
        let answer = match drain(request.into_body()).await {
            Ok(()) => self.reply(arrival, reply).await,
            Err(Undrained::TooLarge) => too_large(),
            Err(Undrained::BrokenOff(error)) => return Err(error),
        };
        in_flight.end();
        Ok(answer)
    }

    async fn reply(&self, arrival: Instant, reply: Result<Reply, String>) -> Answer {
        match reply {
            Ok(reply) => {
                let rest = match &reply.way {
                    Way::Here(latency) => {
                        let places = self.shared.places.as_ref();
                        work(places, &self.timer, arrival, *latency, reply.first).await.rest
                    }
                    Way::Through(path) => path.travel(&self.shared.named, &self.timer, arrival, reply.first).await,
                };
                self.compose(reply, rest)
            }
            Err(complaint) => text(StatusCode::BAD_REQUEST, complaint),
        }
    }

    /// The reply of the next request, or what is wrong with its command.
    fn decide(&self, headers: &HeaderMap) -> Result<Reply, String> {
        let command = match headers.get(&OUTCOME_HEADER).filter(|_| self.obey) {
            Some(value) => read_command(value)?,
            None => Command::default(),
        };
        // Drawn even when the command overrules it, so that a command does not shift the draws of others.
        let request = self.next_request.replace(self.next_request.get() + 1);
        let mut draws = Draws::of(self.spec.seed, self.thread as u64, request);
        let drawn_status = self.spec.errors.drawn(draws.word()).unwrap_or(StatusCode::OK);
        let way = match command.hops {
            Some(hops) => Way::Through(Path::new(hops)),
            None => Way::Here(command.latency.unwrap_or_else(|| self.spec.latency.sample(&mut draws))),
        };
        Ok(Reply {
            way,
            first: command.first,
            status: command.status.unwrap_or(drawn_status),
            usage: command
                .usage
                .map(|usage| HeaderValue::from_str(usage.as_str()).expect("a usage has visible ASCII characters only")),
        })
    }

    fn compose(&self, reply: Reply, rest: Option<Later>) -> Answer {
        let body = match rest {
            Some(later) => Body::in_two(self.body.clone(), later),
            None => Body::whole(self.body.clone()),
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = reply.status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(usage) = reply.usage {
            answer.headers_mut().insert(USAGE_HEADER.clone(), usage);
        }
        if let (Way::Through(path), 400..) = (&reply.way, reply.status.as_u16()) {
            answer.headers_mut().insert(FAILED_HOP_HEADER.clone(), path.failed());
        }
        answer
    }
}

const BODY_HEAD: &str = r#"{"mock":""#;
const BODY_TAIL: &str = r#""}"#;

/// A JSON object of `bytes` bytes, or of the least there are.
fn json_body(bytes: usize) -> Bytes {
    let filling = "x".repeat(bytes.saturating_sub(MIN_BODY_BYTES));
    Bytes::from(format!("{BODY_HEAD}{filling}{BODY_TAIL}"))
}

fn read_command(value: &HeaderValue) -> Result<Command<'_>, String> {
    let complain = |reason: &dyn std::fmt::Display, found: &str| {
        format!("cannot obey `{OUTCOME_HEADER}: {found}`: {reason}\nfor example: {OUTCOME_HEADER}: {EXAMPLE}\n")
    };
    let text = value.to_str().map_err(|_| complain(&"expected visible ASCII characters", "…"))?;
    Command::parse(text).map_err(|error| complain(&error, text))
}

const EXAMPLE: &str = "latency_ns=12345;status=200;usage=input_tokens:120,output_tokens:30";

/// Reads a body to its end without keeping it: only then can the connection carry another request.
async fn drain(mut body: Incoming) -> Result<(), Undrained> {
    if body.size_hint().lower() > MAX_REQUEST_BYTES {
        return Err(Undrained::TooLarge);
    }
    let mut seen_bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Undrained::BrokenOff)?;
        seen_bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        if seen_bytes > MAX_REQUEST_BYTES {
            return Err(Undrained::TooLarge);
        }
    }
    Ok(())
}

fn too_large() -> Answer {
    text(StatusCode::PAYLOAD_TOO_LARGE, format!("a request body may have {MAX_REQUEST_BYTES} bytes\n"))
}

fn text(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Body::whole(text.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}
