//! One request, from its bytes to the bytes of its answer.
//!
//! ```text
//! body ─▶ outage? ─▶ key, version, path, form ─▶ idempotency key ─▶ latency ─▶ fault? ─▶ endpoint ─▶ fault? ─▶ kept
//! ```
//!
//! A request that has arrived is executed even if its client goes away: it is a task of its own.

use std::rc::Rc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, LOCATION, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response};
use sha2::{Digest, Sha256};
use tokio::task::spawn_local;

use super::call::Call;
use super::command::{About, Command, Commanded};
use super::control;
use super::error::{ApiError, Outcome};
use super::events::VERSION;
use super::expand;
use super::form::Params;
use super::ids::{Stream, draws};
use super::keys::{Asked, Kept, Keys};
use super::outage::How;
use super::route::{self, Route};
use super::state::{Origin, State};
use super::{Driven, Payments};
use crate::command::OUTCOME_HEADER;
use crate::draw::Draws;
use crate::fault::Fault;
use crate::reply::Body;
use crate::timer::Timer;

/// The longest body of a request, in bytes.
const MOST_BODY: usize = 1 << 20;

static REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
static STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
static ORIGINAL: HeaderName = HeaderName::from_static("original-request");

/// What serves the requests of a thread.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) payments: Payments,
    pub(super) driven: Driven,
    pub(super) timer: Timer,
}

/// A request whose body has been read.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An answer before it has its headers.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Bytes,
    /// The request that this is the answer to, where it is an old one.
    original: Option<String>,
    pub(super) location: Option<String>,
}

impl Reply {
    pub(super) fn new(status: u16, body: &serde_json::Value) -> Self {
        Self { status, body: format!("{body:#}\n").into(), original: None, location: None }
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        Self::new(error.status(), &error.body())
    }
}

impl From<Outcome> for Reply {
    fn from(outcome: Outcome) -> Self {
        outcome.map_or_else(Self::from, |value| Self::new(200, &value))
    }
}

/// What a request of the API asks for, once it is understood.
struct Understood<'w> {
    route: Route<'w>,
    params: Params,
    expand: Vec<String>,
    key: Option<String>,
    asked: Asked,
    command: Command,
}

impl Service {
    /// Answers a request; a fault breaks the connection instead.
    pub(super) async fn answer(self: Rc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Fault> {
        let (parts, body) = request.into_parts();
        let whole = Limited::new(body, MOST_BODY).collect().await;
        let body = match whole {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Ok(plain(ApiError::too_long(MOST_BODY).into())),
            // The client has gone in the middle of its request.
            Err(_) => return Err(Fault::Reset),
        };
        let whole = Whole {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            body,
        };
        if whole.path == "/healthz" || whole.path.starts_with("/_mock/") {
            return Ok(plain(self.control(&whole)));
        }
        // Whoever hangs up does not undo what they asked for.
        spawn_local(async move { self.perform(&whole).await }).await.unwrap_or(Err(Fault::Reset))
    }

    fn control(&self, whole: &Whole) -> Reply {
        let command = if self.driven.obey { take_command(whole) } else { Ok(Command::default()) };
        let mut state = self.payments.lock();
        match command {
            Ok(command) => state.deliveries = command.deliveries,
            Err(error) => return error.into(),
        }
        control::answer(&mut state, whole)
    }

    async fn perform(&self, whole: &Whole) -> Result<Response<Body>, Fault> {
        let (number, id, outage) = {
            let mut state = self.payments.lock();
            let (number, id) = state.number();
            (number, id, state.outage.at(state.clock.now_ms()))
        };
        let reply = match outage {
            Some(How::Reset) => return Err(Fault::Reset),
            Some(How::Unavailable) => ApiError::outage().into(),
            None => match understand(whole, self.driven.obey) {
                Ok(understood) => self.execute(whole, understood, number, &id).await,
                Err(error) => error.into(),
            },
        };
        Ok(dressed(reply, whole, &id))
    }

    async fn execute(&self, whole: &Whole, mut understood: Understood<'_>, number: u64, id: &str) -> Reply {
        let key = understood.key.take();
        let begun = key.as_ref().map_or(Ok(None), |key| {
            let mut state = self.payments.lock();
            let now = state.clock.now();
            state.keys.begin(key, &understood.asked, now)
        });
        let kept = match begun {
            Ok(kept) => kept,
            Err(error) => return error.into(),
        };
        let mut draws = draws(self.driven.seed, Stream::Faults, number);
        let said = understood.command.latency.filter(|_| kept.is_none());
        let latency = said.unwrap_or_else(|| self.driven.latency.sample(&mut draws));
        self.timer.sleep_until(Instant::now() + latency).await;
        if let Some(kept) = kept {
            return kept.into();
        }
        let mut state = self.payments.lock();
        state.request = Origin { id: id.to_owned(), key: key.clone(), at: state.clock.now(), host: host(whole) };
        let (reply, is_kept) = self.faulty(&mut state, whole, understood, &mut draws);
        if let Some(key) = &key {
            let kept = || Kept { status: reply.status, body: reply.body.clone(), request: id.to_owned() };
            state.keys.finish(key, is_kept.then(kept));
        }
        reply
    }

    /// The answer, or a driven fault in its place: half of them come before anything was done, half after. Whether an
    /// idempotency key keeps it.
    fn faulty(&self, state: &mut State, whole: &Whole, understood: Understood<'_>, draws: &mut Draws) -> (Reply, bool) {
        let (error, is_after) = (self.driven.errors.drawn(draws.word()), draws.word() >> 63 == 1);
        let driven = error.map(|status| ApiError::driven(status.as_u16()));
        // What is to fail has no effect.
        if let Some(Commanded::Error) = understood.command.answer {
            return (ApiError::commanded().into(), true);
        }
        (state.commanded, state.deliveries) = (understood.command.answer, understood.command.deliveries.clone());
        match driven {
            // What is turned away at the door has no effect.
            Some(error) if !is_after || error.is_early() => {
                let is_early = error.is_early();
                (error.into(), !is_early)
            }
            Some(error) => {
                drop(run(state, whole, understood));
                (error.into(), true)
            }
            None => {
                let outcome = run(state, whole, understood);
                let is_kept = !outcome.as_ref().is_err_and(ApiError::is_early);
                (outcome.into(), is_kept)
            }
        }
    }
}

/// Runs the endpoint, and expands its answer.
fn run(state: &mut State, whole: &Whole, understood: Understood<'_>) -> Outcome {
    let Understood { route, params, expand, .. } = understood;
    let mut call = Call { state, params, path: &whole.path, id: route.id, second: route.second };
    let mut answer = (route.run)(&mut call)?;
    expand::expand(call.state, &expand, &mut answer);
    Ok(answer)
}

/// Reads what a request asks for, or why it cannot be understood.
fn understand(whole: &Whole, obeys: bool) -> Outcome<Understood<'_>> {
    authorise(&whole.headers)?;
    version(&whole.headers)?;
    let route = route::find(&whole.method, &whole.path)
        .ok_or_else(|| ApiError::no_such_path(whole.method.as_str(), &whole.path))?;
    check_type(whole)?;
    let key = take_key(whole)?;
    let mut params = Params::parse(&whole.query, &whole.body)?;
    let parameters = Sha256::digest(params.canonical()).into();
    let expand = params.list("expand")?.unwrap_or_default();
    expand::check(&expand, route.object, route.is_list)?;
    let command = if obeys { take_command(whole)? } else { Command::default() };
    Ok(Understood { route, params, expand, key, asked: Asked { path: whole.path.clone(), parameters }, command })
}

/// What the request says that its payment comes to, and how that is told. Nothing but a payment and what goes back takes a
/// command.
fn take_command(whole: &Whole) -> Outcome<Command> {
    let Some(value) = whole.headers.get(&OUTCOME_HEADER) else { return Ok(Command::default()) };
    let refused = |why: String| ApiError::invalid(None, format!("cannot obey `{OUTCOME_HEADER}`: {why}"));
    let about = match whole.path.strip_prefix("/v1/payment_intents") {
        Some(below) if below.is_empty() || below.ends_with("/confirm") => Some(About::Payment),
        _ => ["/v1/refunds", control::DISPUTE].contains(&whole.path.as_str()).then_some(About::Return),
    };
    let about = about.filter(|_| whole.method == Method::POST);
    let about = about.ok_or_else(|| refused("only a payment, a refund and a dispute take a command".to_owned()))?;
    Command::parse(value.to_str().unwrap_or_default(), about).map_err(refused)
}

/// The key of a request that has one. Only what creates or changes has a use for it.
fn take_key(whole: &Whole) -> Outcome<Option<String>> {
    let Some(value) = whole.headers.get(&IDEMPOTENCY_KEY).filter(|_| whole.method == Method::POST) else {
        return Ok(None);
    };
    let message = "Idempotency-Key headers are printable characters of ASCII.";
    let key = value.to_str().map_err(|_| ApiError::invalid(None, message))?;
    Keys::check(key)?;
    Ok(Some(key.to_owned()))
}

/// Bodies are forms, and nothing else.
fn check_type(whole: &Whole) -> Outcome<()> {
    let kind = whole.headers.get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    let is_form = kind.is_none_or(|kind| kind.trim_start().starts_with("application/x-www-form-urlencoded"));
    if whole.body.is_empty() || is_form {
        return Ok(());
    }
    let message =
        "Invalid request: the body has to be application/x-www-form-urlencoded, as Stripe's libraries send it.";
    Err(ApiError::invalid(None, message))
}

/// The version that was sent: `2026-10-28.endive`, or an older one without a name.
fn version(headers: &HeaderMap) -> Outcome<&str> {
    let Some(value) = headers.get(&STRIPE_VERSION) else { return Ok(VERSION) };
    let text = value.to_str().unwrap_or_default();
    let (date, name) = text.split_once('.').unwrap_or((text, "x"));
    let digit_or_dash =
        |(place, byte): (usize, u8)| if [4, 7].contains(&place) { byte == b'-' } else { byte.is_ascii_digit() };
    let is_date = date.len() == 10 && date.bytes().enumerate().all(digit_or_dash);
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_date && is_name {
        return Ok(text);
    }
    Err(ApiError::invalid(None, format!("Invalid Stripe API version: {text}")))
}

/// Who asks must have a key of the test mode; any will do.
fn authorise(headers: &HeaderMap) -> Outcome<()> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Err(ApiError::unauthorised(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer \
             auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). Any key that begins with sk_test_ will do.",
        ));
    };
    let key = value.to_str().ok().and_then(|text| {
        let (scheme, rest) = text.split_once(' ')?;
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" => Some(rest.trim().to_owned()),
            "basic" => {
                let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
                Some(decoded.split(':').next().unwrap_or_default().to_owned())
            }
            _ => None,
        }
    });
    match key.as_deref() {
        Some(key) if key.strip_prefix("sk_test_").is_some_and(|rest| !rest.is_empty()) => Ok(()),
        // A live key does not belong here, and is not to be repeated anywhere.
        Some(key) if key.contains("_live_") => Err(ApiError::unauthorised(
            "This is a mock, and was sent a live key: whoever sent it is not set up for testing. It takes keys that begin \
             with sk_test_ alone.",
        )),
        _ => Err(ApiError::unauthorised("Invalid API Key provided. This mock takes keys that begin with sk_test_.")),
    }
}

/// Where the client reaches the mock.
fn host(whole: &Whole) -> String {
    whole.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost").to_owned()
}

impl From<Kept> for Reply {
    fn from(kept: Kept) -> Self {
        Self { status: kept.status, body: kept.body, original: Some(kept.request), location: None }
    }
}

/// An answer without the API's headers.
fn plain(reply: Reply) -> Response<Body> {
    let builder = Response::builder().status(reply.status).header(CONTENT_TYPE, "application/json");
    let builder = reply.location.iter().fold(builder, |builder, location| builder.header(LOCATION, location));
    builder.body(Body::whole(reply.body)).expect("a location is checked when it is taken")
}

/// An answer with the API's headers.
fn dressed(reply: Reply, whole: &Whole, id: &str) -> Response<Body> {
    let original = reply.original.clone();
    let mut response = plain(reply);
    let is_unauthorised = response.status() == 401;
    let headers = response.headers_mut();
    let mut tell = |name: &HeaderName, text: &str| {
        if let Ok(value) = text.parse() {
            headers.insert(name, value);
        }
    };
    tell(&REQUEST_ID, id);
    let sent = |name: &HeaderName| whole.headers.get(name).and_then(|value| value.to_str().ok());
    tell(&STRIPE_VERSION, version(&whole.headers).unwrap_or(VERSION));
    if let Some(key) = sent(&IDEMPOTENCY_KEY).filter(|_| whole.method == Method::POST) {
        tell(&IDEMPOTENCY_KEY, key);
    }
    if let Some(original) = original {
        tell(&REPLAYED, "true");
        tell(&ORIGINAL, &original);
    }
    if is_unauthorised {
        tell(&WWW_AUTHENTICATE, "Basic realm=\"mock payments\"");
    }
    response
}
