//! The gateway: a hyper service around the gate.
//!
//! One thread is one runtime with its own listener, upstream pool, timer and counters; threads share the accounts and
//! nothing else. A request is answered by the thread that accepted its connection: no hop, no channel.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use farebox_engine::billing::cause::{Cause, Failure};
use farebox_engine::billing::gate::{Admission, Decision};
use farebox_engine::log::History;
use farebox_engine::model::{HOPS_MOST, METERS_MAX, Meter, PerMeter, REQUESTS};
use farebox_engine::money::Overflow;
use farebox_engine::time::{Now, Span, Time as Traffic};
use farebox_engine::world::World;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, UPGRADE};
use hyper::header::{PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TRANSFER_ENCODING};
use hyper::{Request, Response, StatusCode, Uri};
use mock_upstreams::host::{Host, Seat};
use mock_upstreams::{FAILED_HOP_HEADER, Timer, USAGE_HEADER, Usage};
use tokio::task::spawn_local;

use super::accounts::{AccountId, Accounts, Logging, WallClock, When};
use super::exchange::{Answer, Detached, Ending, Exchange, Open, Passed};
use super::pool::{Lease, Pool, SendError};
use super::problem::{CAUSE, problem};
use super::route::Routes;
use super::slow::{self, SLOW};
use super::stamp::{STAMP, Scheduled, Stamp};

/// How long an upstream may take to begin its answer.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a consumer puts its key; a bearer token does as well.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Tells the run's own generator that this consumer has left by themselves, and calls no more.
pub(crate) const LEFT: HeaderName = HeaderName::from_static("farebox-left");
/// An upstream calls amounts by attribute; `meter.tokens` is the sum that the meter `tokens` counts. No attribute has a
/// dot in its name.
pub(crate) const METER: &str = "meter.";
/// Says that a request passed only because of grace.
const WARNING: HeaderName = HeaderName::from_static("farebox-warning");

/// What a gateway is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How many threads serve.
    pub threads: NonZeroUsize,
    /// Where it forwards to.
    pub upstream: SocketAddr,
    /// Whose time it is.
    pub time: Time,
    /// Whether events are kept for a replay.
    pub logging: Logging,
    /// The token of the run whose stamps are honoured; `None`: no stamp is.
    pub token: Option<String>,
}

/// Whose time the gateway decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// The wall's; traffic time begins at this instant.
    Wall(Instant),
    /// The stamps': nothing happens between the events of a lockstep.
    Lockstep,
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    host: Host,
    shared: Arc<Shared>,
}

/// What a gateway has done, over all threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that were served and settled.
    pub served: u64,
    /// What was refused or failed, by [`Cause::index`]. A client that went away counts beside what became of its call.
    pub causes: [u64; Cause::ALL.len()],
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    accounts: Accounts,
    clock: WallClock,
    time: Time,
    upstream: SocketAddr,
    token: Option<String>,
    counters: Vec<Counters>,
    /// Per meter its name, and the attributes that it sums.
    meters: Vec<Meter>,
    routes: Routes,
    /// Whether any consumer may slow down.
    slows: bool,
}

/// One thread's counts; written by that thread alone.
#[derive(Debug, Default)]
struct Counters {
    served: AtomicU64,
    causes: [AtomicU64; Cause::ALL.len()],
}

/// One thread of the gateway.
#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
    index: usize,
    upstream: Rc<Pool<Incoming>>,
    host: HeaderValue,
    timer: Timer,
    serving: Cell<bool>,
}

impl Time {
    fn origin(self) -> Instant {
        match self {
            Self::Wall(origin) => origin,
            Self::Lockstep => Instant::now(),
        }
    }
}

// === Gateway ===

impl Gateway {
    /// Opens the accounts and serves. When this returns, every thread accepts connections.
    pub fn start(world: Arc<World>, options: &Options) -> Result<Self, StartError> {
        let shared = Arc::new(Shared {
            slows: world.slows(),
            meters: world.scenario.meters.clone(),
            routes: Routes::new(&world.scenario.routes),
            clock: WallClock::starting(options.time.origin(), world.schedule.pace().clock),
            time: options.time,
            accounts: Accounts::open(world, options.logging)?,
            upstream: options.upstream,
            token: options.token.clone(),
            counters: (0..options.threads.get()).map(|_| Counters::default()).collect(),
        });
        let for_threads = Arc::clone(&shared);
        let host = Host::start("gateway", options.listen, options.threads, move |seat| {
            let worker = Worker::new(Arc::clone(&for_threads), seat);
            move |request| Rc::clone(&worker).answer(request)
        })?;
        Ok(Self { host, shared })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.host.addr()
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// How many holds are open.
    pub fn open_holds(&self) -> usize {
        self.shared.accounts.open_holds()
    }

    /// Stops accepting, gives what is in flight `grace`, and closes every account; `end` is asked for the time when
    /// nothing happens any more.
    pub fn finish(self, grace: Duration, end: impl FnOnce(&WallClock) -> Now) -> Result<Finished, Overflow> {
        let Self { host, shared } = self;
        host.shutdown(grace);
        let (end, counts) = (end(&shared.clock), shared.counts());
        let shared = Arc::into_inner(shared).expect("the threads have ended, and nobody else shares the accounts");
        Ok(Finished { histories: shared.accounts.close(end)?, end, counts })
    }
}

/// What a gateway leaves behind.
#[derive(Debug)]
pub struct Finished {
    /// What each account went through, in the order of the consumers.
    pub histories: Vec<History>,
    /// When the accounts were closed.
    pub end: Now,
    /// What the gateway has done, the calls that it was given grace for included.
    pub counts: Counts,
}

impl Shared {
    fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for counters in &self.counters {
            sum.served += counters.served.load(Ordering::Relaxed);
            for (sum, more) in sum.causes.iter_mut().zip(&counters.causes) {
                *sum += more.load(Ordering::Relaxed);
            }
        }
        sum
    }
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be had.
    #[error("the gateway cannot listen")]
    Listen(#[from] io::Error),
    /// An account's opening amounts leave the range.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

// === Worker ===

impl Worker {
    fn new(shared: Arc<Shared>, seat: &Seat) -> Rc<Self> {
        let host = shared.upstream.to_string();
        let worker = Rc::new(Self {
            upstream: Pool::new(shared.upstream),
            host: HeaderValue::try_from(host).expect("an address is a header value"),
            index: seat.index(),
            timer: seat.timer().clone(),
            serving: Cell::new(true),
            shared,
        });
        let stopping = Rc::clone(&worker);
        seat.at_end(move || stopping.serving.set(false));
        if let Time::Wall(_) = worker.shared.time {
            spawn_local(Rc::clone(&worker).wake_for_deadlines());
        }
        worker
    }

    async fn answer(self: Rc<Self>, request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
        let account = match self.account(request.headers()) {
            Ok(account) => account,
            Err(cause) => return Ok(self.refuse(cause, None)),
        };
        let stamp = self.shared.token.as_deref().and_then(|token| Stamp::read(request.headers(), token));
        let scheduled = stamp.and_then(|stamp| stamp.scheduled);
        let Some(route) = self.shared.routes.find(request.uri().path()) else {
            return Ok(self.refuse(Cause::RouteNotFound, None));
        };
        let decision =
            self.decide(account, stamp.map_or((0, 1), |stamp| (stamp.call, stamp.attempt)), route, scheduled).await;
        let mut answer = match decision {
            Err(overflow) => broken(overflow),
            Ok(Decision::Refuse(cause)) => {
                let mut answer = self.refuse(cause, self.wait(account, cause, route, scheduled));
                if cause == Cause::Canceled && self.accounts().has_left(account) {
                    answer.headers_mut().insert(LEFT, HeaderValue::from_static("true"));
                }
                answer
            }
            Ok(Decision::Admit(admission)) => {
                let exchange = Exchange::new(Rc::clone(&self), account, admission.hold, ending(scheduled));
                Detached::new(Rc::clone(&self), Rc::clone(&self).forward(request, exchange, admission)).await
            }
        };
        // Only a run's own generator plays consumers, and needs to know.
        if self.shared.slows
            && stamp.is_some()
            && let Some(slow) = self.accounts().slow(account)
        {
            answer.headers_mut().insert(SLOW, slow::header(slow));
        }
        Ok(answer)
    }

    fn account(&self, headers: &HeaderMap) -> Result<AccountId, Cause> {
        let key = match headers.get(API_KEY) {
            Some(key) => key.as_bytes(),
            None => bearer(headers).ok_or(Cause::NoCredential)?,
        };
        self.shared.accounts.find(key).ok_or(Cause::UnknownCredential)
    }

    /// Asks the gate: now, or in lockstep when it is this call's turn.
    async fn decide(
        &self,
        account: AccountId,
        attempt: (u64, u32),
        route: u16,
        scheduled: Option<Scheduled>,
    ) -> Result<Decision, Overflow> {
        let accounts = self.accounts();
        let Some(Scheduled { decided, .. }) = scheduled else {
            return accounts.request(account, When::Wall(&self.shared.clock), attempt, route);
        };
        poll_fn(|context| accounts.poll_turn(account, decided.turn, context)).await;
        let decision = accounts.request(account, When::At(decided.now), attempt, route);
        accounts.pass_turn(account);
        decision
    }

    fn refuse(&self, cause: Cause, wait: Option<Span>) -> Response<Answer> {
        self.count(cause);
        problem(cause, self.status(cause), wait).map(Answer::Own)
    }

    /// The status that the scenario answers a cause with.
    fn status(&self, cause: Cause) -> u16 {
        self.accounts().world().catalog.statuses[cause.index()]
    }

    /// How long to wait, where waiting alone will help.
    fn wait(&self, account: AccountId, cause: Cause, route: u16, scheduled: Option<Scheduled>) -> Option<Span> {
        let when = scheduled.map_or(When::Wall(&self.shared.clock), |scheduled| When::At(scheduled.decided.now));
        self.accounts().retry_after(account, when, route, cause)
    }

    /// Sends an admitted request to the upstream, and its answer back.
    async fn forward(
        self: Rc<Self>,
        request: Request<Incoming>,
        exchange: Exchange,
        admission: Admission,
    ) -> Response<Answer> {
        let request = self.outgoing(request);
        let deadline = Instant::now() + UPSTREAM_TIMEOUT;
        let sent = self.timer.timeout_at(deadline, self.upstream.send(request)).await;
        let (response, lease) = match sent.ok_or(Cause::UpstreamTimeout).and_then(|sent| sent.map_err(failed)) {
            Ok(answered) => answered,
            Err(cause) => {
                exchange.lose(cause);
                return problem(cause, self.status(cause), None).map(Answer::Own);
            }
        };
        let mut response = self.pass(response, exchange, lease).await;
        if admission.in_grace {
            response.headers_mut().insert(WARNING, HeaderValue::from_static("past_due"));
        }
        response
    }

    /// What goes to the upstream: without what concerns this hop, and without the key, which is the consumer's secret.
    fn outgoing(&self, mut request: Request<Incoming>) -> Request<Incoming> {
        if request.uri().authority().is_some() {
            *request.uri_mut() = request.uri().path_and_query().map_or_else(Uri::default, |path| path.clone().into());
        }
        let headers = request.headers_mut();
        if headers.remove(API_KEY).is_none() {
            headers.remove(AUTHORIZATION);
        }
        headers.remove(STAMP);
        strip_hop_by_hop(headers);
        headers.insert(HOST, self.host.clone());
        request
    }

    /// Passes an upstream's response on. What it used is known with its head; in lockstep, and when it says that the call
    /// failed, it is settled here, at its turn; else when the body has been read.
    async fn pass(&self, response: Response<Incoming>, exchange: Exchange, lease: Lease<Incoming>) -> Response<Answer> {
        let (mut head, body) = response.into_parts();
        strip_hop_by_hop(&mut head.headers);
        // Only the gateway speaks under these names.
        head.headers.remove(CAUSE);
        head.headers.remove(WARNING);
        head.headers.remove(SLOW);
        let status = head.status.as_u16();
        let failure = Cause::of_answer(status).map(|_| Failure::answered(failed_hop(&head.headers), status));
        let usage = self.usage(&head.headers);
        let end = |exchange: Exchange| match failure {
            Some(failure) => exchange.fail(failure, usage),
            None => exchange.settle(usage),
        };
        let unsettled = match (exchange.ending(), failure) {
            (Ending::Scheduled(step), _) => {
                let account = exchange.account();
                poll_fn(|context| self.accounts().poll_turn(account, step.turn, context)).await;
                end(exchange);
                self.accounts().pass_turn(account);
                None
            }
            (_, Some(_)) => {
                end(exchange);
                None
            }
            (_, None) => Some((exchange, usage)),
        };
        Response::from_parts(head, Answer::Upstream(Passed::new(body, Open { lease, unsettled })))
    }

    /// What the upstream says a call used, per meter.
    fn usage(&self, headers: &HeaderMap) -> PerMeter<u64> {
        let mut usage = [0; METERS_MAX];
        usage[REQUESTS] = 1;
        let said = headers.get(&USAGE_HEADER).and_then(|value| value.to_str().ok());
        let Some(said) = said.and_then(|said| Usage::parse(said).ok()) else { return usage };
        for (name, amount) in said.amounts() {
            for (meter, units) in self.shared.meters.iter().zip(&mut usage).skip(1) {
                let is_counted = match name.strip_prefix(METER) {
                    Some(own) => meter.name == own,
                    None => meter.sum.iter().any(|attribute| attribute == name),
                };
                if is_counted {
                    *units = units.saturating_add(amount);
                }
            }
        }
        usage
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.shared.accounts
    }

    pub(crate) fn clock(&self) -> &WallClock {
        &self.shared.clock
    }

    pub(crate) fn timer(&self) -> &Timer {
        &self.timer
    }

    /// Whether the thread still runs what is spawned.
    pub(crate) fn is_serving(&self) -> bool {
        self.serving.get()
    }

    pub(crate) fn count(&self, cause: Cause) {
        bump(&self.shared.counters[self.index].causes[cause.index()]);
    }

    pub(crate) fn count_served(&self) {
        bump(&self.shared.counters[self.index].served);
    }
}

/// Only one thread writes a counter, so no read-modify-write of the processor is needed.
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

fn ending(scheduled: Option<Scheduled>) -> Ending {
    match scheduled {
        None => Ending::Wall,
        Some(Scheduled { served: Some(step), .. }) => Ending::Scheduled(step),
        Some(Scheduled { served: None, .. }) => Ending::Never,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

/// RFC 9110 §7.6.1: what concerns one connection only.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
    if let Some(named) = headers.remove(CONNECTION) {
        for name in named.to_str().unwrap_or_default().split(',') {
            headers.remove(name.trim());
        }
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER] {
        headers.remove(name);
    }
    for name in [TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

/// Which hop of the call's path has failed, as far as the upstream says so: else the one that the gateway called.
fn failed_hop(headers: &HeaderMap) -> u8 {
    let said = headers.get(&FAILED_HOP_HEADER).and_then(|value| value.to_str().ok());
    let number = said.and_then(|said| said.split(' ').next()?.parse().ok());
    number.filter(|hop| usize::from(*hop) < HOPS_MOST).unwrap_or(0)
}

fn failed(_: SendError) -> Cause {
    Cause::UpstreamError
}

/// The books are no longer complete; the run ends with the same error.
fn broken(overflow: Overflow) -> Response<Answer> {
    let mut response = Response::new(Answer::Own(overflow.to_string().into()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

// === Deadlines ===

impl Worker {
    /// Does what time brings to this thread's share of the accounts when it is due. A request that comes first does it
    /// too, so an entry may find nothing to do; what it finds next is queued again.
    async fn wake_for_deadlines(self: Rc<Self>) {
        let clock = self.accounts().world().schedule.pace().clock;
        let due = |now: Now| now.traffic.min(clock.traffic_at(now.billing));
        let share = self.accounts().ids().skip(self.index).step_by(self.shared.counters.len());
        let mut queue: BinaryHeap<Reverse<(Traffic, AccountId)>> =
            share.map(|id| Reverse((Traffic::START, id))).collect();
        while let Some(Reverse((at, id))) = queue.pop() {
            if at == Traffic::NEVER {
                return;
            }
            self.timer.sleep_until(self.shared.clock.instant(at)).await;
            match self.accounts().catch_up(id, When::Wall(&self.shared.clock)) {
                Ok(next) => queue.push(Reverse((due(next), id))),
                Err(_) => return,
            }
        }
    }
}
