//! The gateway: a hyper service around the gate.
//!
//! One thread is one runtime with its own listener, upstream pool, timer and counters; threads share the accounts and
//! nothing else. A request is answered by the thread that accepted its connection: no hop, no channel.
//!
//! [`head`] reads headers, `refusal` answers what is not forwarded, `warning` says what is about to be, `top_up` sells
//! credit; `relay` forwards the rest, with `inbound`, the bodies of requests, of bounded length, and `reply`, those of
//! answers, for which it waits no longer than it may; [`meter`] counts
//! tokens in answers, [`counters`] counts the rest.

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
use std::time::{Duration, Instant};

use farebox_engine::billing::cause::{Cause, Failure};
use farebox_engine::billing::gate::Decision;
use farebox_engine::log::History;
use farebox_engine::model::{Meter, PerMeter};
use farebox_engine::money::Overflow;
use farebox_engine::time::{Now, Time as Traffic};
use farebox_engine::world::World;
use farebox_engine::world::reminder::Told;
use hyper::body::{Body, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use mock_upstreams::Timer;
use mock_upstreams::host::{Connections, Door, Host, Limits, Seat, Tls};
use tokio::task::spawn_local;

use super::accounts::{AccountId, Accounts, Logging, WallClock, When};
use super::exchange::{Answer, Detached, Ending, Exchange, Hold, Open, Passed, Unsettled, Used};
use super::pool::{IDLE_MAX, Pool};
use super::problem::{Answers, Rejection, TOP_UP};
use super::route::Routes;
use super::slow::{self, SLOW};
use super::stamp::{Scheduled, Stamp};
use counters::{Own, Sum};
pub(crate) use head::{API_KEY, METER};
use meter::{TokenMeter, Tokens};
use relay::{Answered, RelayError};
use warning::{WARNING, Warned};

pub mod admin;
pub mod counters;
pub mod head;
pub(super) mod inbound;
pub mod meter;
mod refusal;
mod relay;
pub(super) mod reply;
mod top_up;
mod warning;

/// Tells the run's own generator that this consumer has left by themselves, and calls no more.
pub(crate) const LEFT: HeaderName = HeaderName::from_static("farebox-left");

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

/// What a gateway bears from its clients and from its upstream, and what it does beside deciding.
#[derive(Clone, Copy, Debug)]
pub struct Front {
    /// What it bears from their connections.
    pub limits: Limits,
    /// The longest body of a request, in bytes; above, the answer is 413.
    pub body_bytes: u64,
    /// How long its upstream may take to begin an answer, making the connection included, and how long to go on with
    /// its body; then the call fails with [`Cause::UpstreamTimeout`].
    pub upstream_within: Duration,
    /// Idle connections to its upstream that each thread keeps at most.
    pub upstream_idle: usize,
    /// Whether it measures how long calls take.
    pub measures: bool,
}

impl Front {
    /// The longest body of a request if nobody says otherwise.
    pub const BODY_BYTES: u64 = 10 << 20;
    /// How long its upstream may take if nobody says otherwise.
    pub const UPSTREAM_WITHIN: Duration = Duration::from_secs(30);

    /// For the run's own generator.
    pub const TRUSTING: Self = Self {
        limits: Limits::TRUSTING,
        body_bytes: Self::BODY_BYTES,
        upstream_within: Self::UPSTREAM_WITHIN,
        upstream_idle: IDLE_MAX,
        measures: false,
    };
    /// For clients that nobody knows.
    pub const GUARDED: Self = Self { limits: Limits::GUARDED, ..Self::TRUSTING };
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
    accounts: Arc<Accounts>,
    clock: WallClock,
    time: Time,
    upstream: SocketAddr,
    token: Option<String>,
    front: Front,
    answers: Answers,
    counters: Vec<Own>,
    /// Per meter its name, and the attributes that it sums.
    meters: Vec<Meter>,
    /// Whether any of them counts what a chat completion says that it used.
    counts_tokens: bool,
    routes: Routes,
    /// Whether any consumer may slow down.
    slows: bool,
}

/// One thread of the gateway.
#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
    index: usize,
    upstream: Rc<Pool>,
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
    /// Opens the accounts and serves clients that are trusted. When this returns, every thread accepts connections.
    pub fn start(world: Arc<World>, options: &Options) -> Result<Self, StartError> {
        Self::start_before(world, options, Front::TRUSTING)
    }

    /// As [`Self::start`], for the clients that `front` expects.
    pub fn start_before(world: Arc<World>, options: &Options, front: Front) -> Result<Self, StartError> {
        Self::start_with(world, options, front, None)
    }

    /// As [`Self::start_before`], and speaks TLS with clients if there is something to show them.
    pub fn start_with(
        world: Arc<World>,
        options: &Options,
        front: Front,
        tls: Option<Tls>,
    ) -> Result<Self, StartError> {
        let accounts = Accounts::open(world, options.logging)?;
        Self::start_on(Arc::new(accounts), options, front, tls)
    }

    /// As [`Self::start_with`], on accounts that somebody else has opened; [`Options::logging`] is theirs.
    pub fn start_on(
        accounts: Arc<Accounts>,
        options: &Options,
        front: Front,
        tls: Option<Tls>,
    ) -> Result<Self, StartError> {
        let world = Arc::clone(accounts.world());
        let routes = world.scenario.routes.len();
        let meters = world.scenario.meters.clone();
        let shared = Arc::new(Shared {
            front,
            answers: Answers::new(&world.scenario, &world.catalog.statuses),
            slows: world.slows(),
            counts_tokens: counts_tokens(&meters),
            meters,
            routes: Routes::new(&world.scenario.routes),
            clock: WallClock::starting(options.time.origin(), world.schedule.pace().clock),
            time: options.time,
            accounts,
            upstream: options.upstream,
            token: options.token.clone(),
            counters: (0..options.threads.get()).map(|_| Own::new(routes)).collect(),
        });
        let for_threads = Arc::clone(&shared);
        let door = Door { limits: front.limits, tls };
        let host = Host::start_within("gateway", options.listen, options.threads, door, move |seat| {
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

    /// What all threads have counted so far.
    pub fn sum(&self) -> Sum {
        self.shared.sum()
    }

    /// The connections of its clients.
    pub fn connections(&self) -> Connections {
        self.host.connections()
    }

    /// How many holds are open.
    pub fn open_holds(&self) -> usize {
        self.shared.accounts.open_holds()
    }

    /// Stops accepting, gives what is in flight `grace`, and closes every account; `end` is asked for the time when
    /// nothing happens any more.
    pub fn finish(self, grace: Duration, end: impl FnOnce(&WallClock) -> Now) -> Result<Finished, Overflow> {
        let stopped = self.stop(grace);
        let end = end(stopped.clock());
        stopped.close(end)
    }

    /// Stops accepting, and gives what is in flight `grace`.
    pub fn stop(self, grace: Duration) -> Stopped {
        let Self { host, shared } = self;
        host.shutdown(grace);
        let counts = shared.counts();
        let shared = Arc::into_inner(shared).expect("the threads have ended, and nobody else shares what they did");
        Stopped { accounts: shared.accounts, clock: shared.clock, counts }
    }
}

/// A gateway that serves nobody any more, with its accounts.
#[derive(Debug)]
pub struct Stopped {
    accounts: Arc<Accounts>,
    clock: WallClock,
    counts: Counts,
}

impl Stopped {
    /// By what it has decided.
    pub fn clock(&self) -> &WallClock {
        &self.clock
    }

    /// Closes every account.
    ///
    /// # Errors
    /// When an amount has left the range.
    ///
    /// # Panics
    /// When somebody still shares the accounts.
    pub fn close(self, end: Now) -> Result<Finished, Overflow> {
        let accounts = Arc::into_inner(self.accounts).expect("whoever opened the accounts has let go of them");
        Ok(Finished { histories: accounts.close(end)?, end, counts: self.counts })
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
        let sum = self.sum();
        Counts { served: sum.served(), causes: sum.causes() }
    }

    /// What all threads have counted.
    fn sum(&self) -> Sum {
        let mut sum = Sum::new(self.accounts.world().scenario.routes.len());
        self.counters.iter().for_each(|own| sum.add(own));
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
            upstream: Pool::keeping(shared.front.upstream_idle, shared.upstream),
            host: HeaderValue::try_from(host).expect("an address is a header value"),
            index: seat.index(),
            timer: seat.timer().clone(),
            serving: Cell::new(true),
            shared,
        });
        spawn_local(Pool::sweep(Rc::downgrade(&worker.upstream), worker.timer.clone()));
        let stopping = Rc::clone(&worker);
        seat.at_end(move || stopping.serving.set(false));
        if let Time::Wall(_) = worker.shared.time {
            spawn_local(Rc::clone(&worker).wake_for_deadlines());
        }
        worker
    }

    async fn answer(self: Rc<Self>, request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
        if let Some(rejection) = self.rejects(&request) {
            return Ok(self.reject(rejection));
        }
        let account = match self.account(request.headers()) {
            Ok(account) => account,
            Err(cause) => return Ok(self.refuse(cause, None, None)),
        };
        if request.uri().path() == TOP_UP {
            return Ok(self.top_up(account, request.method()));
        }
        let stamp = self.shared.token.as_deref().and_then(|token| Stamp::read(request.headers(), token));
        let scheduled = stamp.and_then(|stamp| stamp.scheduled);
        let Some(route) = self.shared.routes.find(request.uri().path()) else {
            return Ok(self.refuse(Cause::RouteNotFound, None, None));
        };
        let decision =
            self.decide(account, stamp.map_or((0, 1), |stamp| (stamp.call, stamp.attempt)), route, scheduled).await;
        let mut answer = match decision {
            Err(overflow) => broken(overflow),
            Ok((Decision::Refuse(cause), _)) => self.refuse_call(account, route, cause, scheduled),
            Ok((Decision::Admit(admission), told)) => {
                let began = self.shared.front.measures.then(Instant::now);
                self.counters().admitted();
                let hold = Hold { account, route, id: admission.hold };
                let gone = scheduled.and_then(|scheduled| scheduled.gone);
                let exchange = Exchange::new(Rc::clone(&self), hold, ending(scheduled), began).gone(gone);
                let warned = Warned { in_grace: admission.in_grace, told };
                Detached::new(exchange.client(), Rc::clone(&self).forward(request, exchange, warned)).await
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

    /// What no account is to hear of.
    fn rejects(&self, request: &Request<Incoming>) -> Option<Rejection> {
        if request.method() == Method::CONNECT {
            Some(Rejection::Connect)
        } else if head::has_two_hosts(request.headers()) {
            Some(Rejection::TwoHosts)
        } else if request.body().size_hint().lower() > self.shared.front.body_bytes {
            Some(Rejection::BodyTooLong)
        } else {
            None
        }
    }

    fn account(&self, headers: &HeaderMap) -> Result<AccountId, Cause> {
        let key = head::key(headers).ok_or(Cause::NoCredential)?;
        self.shared.accounts.find(key).ok_or(Cause::UnknownCredential)
    }

    /// Asks the gate: now, or in lockstep when it is this call's turn.
    async fn decide(
        &self,
        account: AccountId,
        attempt: (u64, u32),
        route: u16,
        scheduled: Option<Scheduled>,
    ) -> Result<(Decision, Told), Overflow> {
        let accounts = self.accounts();
        let Some(Scheduled { decided, .. }) = scheduled else {
            return accounts.request(account, When::Wall(&self.shared.clock), attempt, route);
        };
        poll_fn(|context| accounts.poll_turn(account, decided, context)).await;
        let decision = accounts.request(account, When::At(decided.now), attempt, route);
        accounts.pass_turn(account);
        decision
    }

    /// Sends an admitted request to the upstream, and its answer back.
    async fn forward(
        self: Rc<Self>,
        request: Request<Incoming>,
        exchange: Exchange,
        warned: Warned,
    ) -> Response<Answer> {
        let deadline = Instant::now() + self.shared.front.upstream_within;
        let answered = match self.timer.timeout_at(deadline, self.relay(request)).await {
            Some(Ok(answered)) => answered,
            Some(Err(RelayError::Request(error))) => {
                exchange.withdraw();
                return self.reject(error.rejection());
            }
            failed => {
                let cause = if failed.is_some() { Cause::UpstreamError } else { Cause::UpstreamTimeout };
                exchange.lose(cause);
                return self.shared.answers.refuse(cause, None).map(Answer::Own);
            }
        };
        let (account, is_scheduled) = (exchange.account(), !matches!(exchange.ending(), Ending::Wall));
        let mut response = self.pass(answered, exchange).await;
        if warned != Warned::NOT {
            response.headers_mut().insert(WARNING, self.warning(account, warned, is_scheduled));
        }
        response
    }

    /// Passes an upstream's response on. What it used is known with its head; in lockstep, and when it says that the call
    /// failed, it is settled here, at its turn; else when the body has been read.
    async fn pass(&self, answered: Answered, exchange: Exchange) -> Response<Answer> {
        exchange.let_go().await;
        let Answered { status: code, headers, body } = answered;
        let status = code.as_u16();
        let failure = Cause::of_answer(status).map(|_| Failure::answered(head::failed_hop(&headers), status));
        let said = head::usage(&headers, &self.shared.meters);
        let usage = said.unwrap_or_else(head::one_request);
        let end = |exchange: Exchange| match failure {
            Some(failure) => exchange.fail(failure, usage),
            None => exchange.settle(usage, status),
        };
        let unsettled = match (exchange.ending(), failure) {
            (Ending::Scheduled(step), _) => {
                let account = exchange.account();
                poll_fn(|context| self.accounts().poll_turn(account, step, context)).await;
                end(exchange);
                self.accounts().pass_turn(account);
                None
            }
            (_, Some(_)) => {
                end(exchange);
                None
            }
            (_, None) => {
                let used = match said {
                    None if self.shared.counts_tokens => Used::InBody(TokenMeter::of(&headers).map(Box::new)),
                    _ => Used::Known(usage),
                };
                Some(Unsettled { exchange, used, status })
            }
        };
        let mut response = Response::new(Answer::Upstream(Passed::new(body, Open::new(unsettled))));
        *response.status_mut() = code;
        *response.headers_mut() = headers;
        response
    }

    /// What a call used of which its answer has said so much; `None`: nothing.
    pub(crate) fn counted(&self, tokens: Option<Tokens>) -> PerMeter<u64> {
        let mut usage = head::one_request();
        match tokens {
            Some(Tokens { input_tokens, output_tokens }) => {
                head::add(&mut usage, &self.shared.meters, INPUT_TOKENS, input_tokens);
                head::add(&mut usage, &self.shared.meters, OUTPUT_TOKENS, output_tokens);
            }
            None => self.counters().unmetered(),
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

    pub(crate) fn counters(&self) -> &Own {
        &self.shared.counters[self.index]
    }
}

/// The attributes that a chat completion tells of.
const INPUT_TOKENS: &str = "input_tokens";
/// See [`INPUT_TOKENS`].
const OUTPUT_TOKENS: &str = "output_tokens";

fn counts_tokens(meters: &[Meter]) -> bool {
    meters.iter().flat_map(|meter| &meter.sum).any(|sum| sum == INPUT_TOKENS || sum == OUTPUT_TOKENS)
}

fn ending(scheduled: Option<Scheduled>) -> Ending {
    match scheduled {
        None => Ending::Wall,
        Some(Scheduled { served: Some(step), .. }) => Ending::Scheduled(step),
        Some(Scheduled { served: None, .. }) => Ending::Never,
    }
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
