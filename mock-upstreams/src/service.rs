//! What happens to one request: its body is read and thrown away, its latency waited for, its answer given.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use tokio::sync::Semaphore;

use crate::chat::ChatSpec;
use crate::command::{Command, FAILED_HOP_HEADER, OUTCOME_HEADER, USAGE_HEADER};
use crate::direct::{Directed, Director};
use crate::draw::Draws;
use crate::endpoint::Endpoint;
use crate::fault::{Fault, Faults};
use crate::host::Seat;
use crate::latency::Latency;
use crate::path::{Arrived, Path, work};
use crate::reply::Body;
use crate::role::{Drawn, Role, enter};
use crate::server::Options;
use crate::server::counters::{InFlight, ThreadCounters};
use crate::share::Errors;
use crate::timer::Timer;
use crate::trace::{Span, TRACERESPONSE_HEADER};

mod special;

/// The shortest JSON body there is to send, in bytes.
pub const MIN_BODY_BYTES: usize = BODY_HEAD.len() + BODY_TAIL.len();

pub(crate) const BODY_HEAD: &str = r#"{"mock":""#;
pub(crate) const BODY_TAIL: &str = r#""}"#;

/// The name of the service that answers what names no other.
pub const DEFAULT_SERVICE: &str = "default";

/// The response header that tells the way of a request through named services: `name:depth:span` of each, with `,` between
/// them.
pub static HOPS_HEADER: HeaderName = HeaderName::from_static("mock-hops");

/// The longest JSON body there is to send, in bytes.
pub const MAX_BODY_BYTES: usize = 16 << 20;

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
    /// The shares of requests that meet faults.
    pub faults: Faults,
    /// How it completes chats; `None`: it does not, and the paths of the chat API are paths like any other.
    pub chat: Option<ChatSpec>,
    /// The services that it calls in turn once its own work is done, by their names in
    /// [`Options::services`]; it answers when all of them have, or as the first that
    /// fails.
    pub calls: Vec<String>,
    /// The size of the JSON body of each answer; raised to [`MIN_BODY_BYTES`].
    pub body_bytes: usize,
    /// The seed of all that is drawn. With one thread, the n-th request always draws the same.
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
            faults: Faults::NONE,
            chat: None,
            calls: Vec::new(),
            body_bytes: 64,
            seed: 1,
        }
    }
}

/// One thread's services.
#[derive(Debug)]
pub(crate) struct Service {
    /// The default one, and those that have names.
    roles: Vec<Role>,
    /// Whether an [`OUTCOME_HEADER`] decides the answer.
    obey: bool,
    /// Whether the paths of the mock itself mean something.
    endpoints: bool,
    director: Option<Director>,
    /// How many requests of this thread it has decided about.
    directed: Cell<u64>,
    started: Instant,
    timer: Timer,
    /// Of all threads.
    shared: Shared,
    /// The index of this thread.
    thread: usize,
    /// The names of spans.
    spans: RefCell<Draws>,
}

/// What the threads of a service share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) counters: Arc<[ThreadCounters]>,
    /// The places of all services, the default one among them, by name.
    pub(crate) places: Arc<BTreeMap<String, Arc<Semaphore>>>,
}

/// What was decided about a request when its head had been read.
struct Reply {
    way: Way,
    /// How long the last service takes to the first part of the body, where that is sent by itself.
    first: Option<Duration>,
    status: StatusCode,
    usage: Option<HeaderValue>,
    fault: Option<Fault>,
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

/// Why there is no answer: the client broke off its request, or a [`Fault`].
pub(crate) type NoAnswer = Box<dyn Error + Send + Sync>;

impl Service {
    pub(crate) fn new(options: &Options, seat: &Seat, shared: Shared) -> Self {
        Self {
            roles: Role::all(&options.service, &options.services, &shared.places, seat.index()),
            obey: options.obey,
            endpoints: options.endpoints,
            director: options.director.clone(),
            directed: Cell::new(0),
            started: Instant::now(),
            timer: seat.timer().clone(),
            shared,
            thread: seat.index(),
            spans: RefCell::new(Draws::of_this_process()),
        }
    }

    /// Answers one request. Errors when there is no answer, which ends the connection.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Answer, NoAnswer> {
        let arrival = Instant::now();
        let in_flight = InFlight::begin(&self.shared.counters, self.thread);
        let (head, body) = request.into_parts();
        let (role, path) = self.find(&head);
        let answer = match self.endpoint(role, head.uri.path(), path) {
            None => self.plain(arrival, role, &head, body).await?,
            // Boxed, so that plain requests do not carry its state about.
            Some(endpoint) => Box::pin(self.special(arrival, role, endpoint, &head, body)).await?,
        };
        in_flight.end();
        Ok(answer)
    }

    /// The service that a request is for, and the rest of its path: that of its host, else that of the first segment of its
    /// path, else the default one.
    fn find<'h>(&self, head: &'h Parts) -> (&Role, &'h str) {
        let path = head.uri.path();
        let [default, named @ ..] = &self.roles[..] else { unreachable!("there is always a default service") };
        if named.is_empty() {
            return (default, path);
        }
        let find = |name: &str| named.iter().find(|role| *role.name == *name);
        if let Some(role) = host(head).and_then(|host| find(host).or_else(|| find(host.split('.').next()?))) {
            return (role, path);
        }
        let segment = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        match find(segment) {
            Some(role) => (role, &path[path.len() - path.trim_start_matches('/').len() + segment.len()..]),
            None => (default, path),
        }
    }

    /// What a path means beyond a plain request: the whole of it to the mock, the rest of it to its service.
    fn endpoint<'h>(&self, role: &Role, whole: &'h str, path: &'h str) -> Option<Endpoint<'h>> {
        let of_mock = if self.endpoints { Endpoint::of_mock(whole) } else { None };
        of_mock.or_else(|| if role.spec.chat.is_some() { Endpoint::of_chat(path) } else { None })
    }

    async fn plain(&self, arrival: Instant, role: &Role, head: &Parts, body: Incoming) -> Result<Answer, NoAnswer> {
        let mut directed = String::new();
        let reply = self.command(head, &mut directed).map(|command| self.decide(role, &command));
        match read(body, |_| ()).await {
            Ok(()) => {}
            Err(Undrained::TooLarge) => return Ok(too_large()),
            Err(Undrained::BrokenOff(error)) => return Err(error.into()),
        }
        let reply = match reply {
            Ok(reply) => reply,
            Err((status, complaint)) => return Ok(text(status, complaint)),
        };
        let Arrived { places, rest } = self.go(arrival, role, &reply).await;
        let body = match (reply.fault, rest) {
            (Some(fault), _) => self.play(fault, role.body.clone(), places).await?,
            (None, Some(later)) => Body::in_two(role.body.clone(), later),
            (None, None) => Body::whole(role.body.clone()),
        };
        Ok(self.compose(role, head, reply, body))
    }

    /// The command of a request: its own, or the director's, for whom there is room in `directed`. Errors with the answer to
    /// one that makes no sense, or that nothing is there for.
    fn command<'h>(&self, head: &'h Parts, directed: &'h mut String) -> Result<Command<'h>, (StatusCode, String)> {
        let refuse = |complaint| (StatusCode::BAD_REQUEST, complaint);
        if let Some(value) = head.headers.get(&OUTCOME_HEADER).filter(|_| self.obey) {
            return read_command(value).map_err(refuse);
        }
        let Some(director) = &self.director else { return Ok(Command::default()) };
        let number = self.directed.replace(self.directed.get() + 1);
        let request = Directed {
            path: head.uri.path(),
            // A thread has not so many requests before the machine it runs on is gone.
            number: ((self.thread as u64) << 48) | number,
            at: self.started.elapsed(),
        };
        director.direct(&request, directed).map_err(|reason| (StatusCode::NOT_FOUND, reason))?;
        Command::parse(directed).map_err(|error| refuse(format!("the director wrote `{directed}`: {error}\n")))
    }

    /// The reply to the next request.
    fn decide(&self, role: &Role, command: &Command<'_>) -> Reply {
        // Drawn even when the command overrules it, so that a command does not shift the draws of others.
        let own = role.draw(command);
        let (way, end) = match command.hops {
            Some(hops) => (Way::Through(Path::new(hops)), own),
            None if role.calls_others() => self.calls(role, own),
            None => (Way::Here(own.latency), own),
        };
        Reply {
            way,
            // A fault comes when the whole latency is over.
            first: command.first.filter(|_| end.fault.is_none()),
            status: end.status,
            usage: command
                .usage
                .map(|usage| HeaderValue::from_str(usage.as_str()).expect("a usage has visible ASCII characters only")),
            fault: end.fault,
        }
    }

    fn calls(&self, role: &Role, own: Drawn) -> (Way, Drawn) {
        let mut path = Path::default();
        let end = enter(&self.roles, (role, own), 0, &mut path, &|fault| self.count(fault));
        (Way::Through(path), end)
    }

    fn count(&self, fault: Fault) {
        self.shared.counters[self.thread].count(fault);
    }

    /// Waits for what comes before the answer.
    async fn go(&self, arrival: Instant, role: &Role, reply: &Reply) -> Arrived {
        match &reply.way {
            Way::Here(latency) => {
                let worked = work(role.places.as_ref(), &self.timer, arrival, *latency, reply.first).await;
                Arrived { places: worked.places, rest: worked.rest }
            }
            Way::Through(path) => path.travel(&self.shared.places, &self.timer, arrival, reply.first).await,
        }
    }

    /// The body that a fault leaves, if it leaves any.
    async fn play(
        &self,
        fault: Fault,
        whole: Bytes,
        places: Vec<tokio::sync::OwnedSemaphorePermit>,
    ) -> Result<Body, NoAnswer> {
        self.count(fault);
        if fault == Fault::Stall {
            match pending::<Infallible>().await {}
        }
        if fault.is_in_body() { Ok(Body::broken(whole, fault, places)) } else { Err(fault.into()) }
    }

    fn compose(&self, role: &Role, head: &Parts, reply: Reply, body: Body) -> Answer {
        let mut answer = Response::new(body);
        *answer.status_mut() = reply.status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(usage) = reply.usage {
            answer.headers_mut().insert(USAGE_HEADER.clone(), usage);
        }
        if let (Way::Through(path), 400..) = (&reply.way, reply.status.as_u16()) {
            answer.headers_mut().insert(FAILED_HOP_HEADER.clone(), path.failed());
        }
        if self.roles.len() > 1 {
            self.trace(role, &head.headers, &reply.way, answer.headers_mut());
        }
        answer
    }

    /// Tells the spans of a request's way: the first is the caller's child, or begins a trace.
    fn trace(&self, role: &Role, headers: &HeaderMap, way: &Way, told: &mut HeaderMap) {
        let mut draws = self.spans.borrow_mut();
        let first = match Span::of_caller(headers) {
            Some(caller) => caller.child(&mut draws),
            None => Span::begin(&mut draws),
        };
        let mut hops = format!("{}:0:{}", role.name, first.name());
        if let Way::Through(path) = way {
            let spans = path.stops().iter().enumerate().map(|(number, stop)| {
                let span = if number == 0 { first } else { first.child(&mut draws) };
                format!("{}:{}:{}", stop.name, stop.depth, span.name())
            });
            hops = spans.collect::<Vec<_>>().join(",");
        }
        let value = |text: String| HeaderValue::try_from(text).expect("names of services are visible ASCII characters");
        told.insert(TRACERESPONSE_HEADER.clone(), value(first.to_string()));
        told.insert(HOPS_HEADER.clone(), value(hops));
    }
}

/// The host that a request names, without its port.
fn host(head: &Parts) -> Option<&str> {
    let of_header = || head.headers.get(HOST)?.to_str().ok()?.split(':').next();
    head.uri.host().or_else(of_header)
}

fn read_command(value: &HeaderValue) -> Result<Command<'_>, String> {
    let complain = |reason: &dyn std::fmt::Display, found: &str| {
        format!("cannot obey `{OUTCOME_HEADER}: {found}`: {reason}\nfor example: {OUTCOME_HEADER}: {EXAMPLE}\n")
    };
    let text = value.to_str().map_err(|_| complain(&"expected visible ASCII characters", "…"))?;
    Command::parse(text).map_err(|error| complain(&error, text))
}

const EXAMPLE: &str = "latency_ns=12345;status=200;usage=input_tokens:120,output_tokens:30";

/// Reads a body to its end, because only then can the connection carry another request; `keep` is handed its parts.
async fn read(mut body: Incoming, mut keep: impl FnMut(&Bytes)) -> Result<(), Undrained> {
    if body.size_hint().lower() > MAX_REQUEST_BYTES {
        return Err(Undrained::TooLarge);
    }
    let mut seen_bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Undrained::BrokenOff)?;
        let Some(data) = frame.data_ref() else { continue };
        seen_bytes += data.len() as u64;
        if seen_bytes > MAX_REQUEST_BYTES {
            return Err(Undrained::TooLarge);
        }
        keep(data);
    }
    Ok(())
}

fn too_large() -> Answer {
    text(StatusCode::PAYLOAD_TOO_LARGE, too_large_text())
}

fn too_large_text() -> String {
    format!("a request body may have {MAX_REQUEST_BYTES} bytes\n")
}

fn text(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Body::whole(text.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}
