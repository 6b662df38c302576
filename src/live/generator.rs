//! Open-loop load: every call is sent when the schedule says, whether or not earlier ones have been answered. Sessions are
//! closed loops that begin so: the next call of one is sent a think time after the answer to the one before it.
//!
//! Latency counts from the intended start, so a stall of the server, or of this generator, is in it (no coordinated
//! omission); service time, from the moment a call was written, stands beside it. One thread is one runtime with its
//! own connections, its own share of the schedule and its own histograms; results are merged at the end.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use farebox_engine::billing::account::Consumer;
use farebox_engine::billing::cause::{Cause, Kind};
use farebox_engine::draw::Chance;
use farebox_engine::model::{Client, Hint, Route};
use farebox_engine::time::{HOUR, Span, Time};
use farebox_engine::world::World;
use farebox_engine::world::client::{Answered, Attempts, Budget, next_attempt};
use farebox_engine::world::path::Work;
use farebox_engine::world::schedule::{Call, Drawn};
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode, Uri};
use mock_upstreams::latency::MAX_LATENCY;
use mock_upstreams::{Command, Hop, Hops, OUTCOME_HEADER, Timer, Usage};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;
use tokio::task::spawn_local;

use super::accounts::{AccountId, WallClock, key};
use super::gateway::{API_KEY, LEFT, METER};
use super::pool::{Pool, SendError};
use super::problem::CAUSE;
use super::slow::SlowConsumers;
use super::stamp::{STAMP, Stamp};
use crate::control::Control;

/// How long a call may take before it counts as timed out.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long calls in flight are waited for when the schedule is over.
const DRAIN: Duration = Duration::from_secs(10);
/// How often it is looked meanwhile whether to stop.
const LOOK: Duration = Duration::from_millis(100);

/// What a load is offered with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the calls go.
    pub target: SocketAddr,
    /// How many threads send.
    pub threads: NonZeroUsize,
    /// Connections at most, over all threads.
    pub connections: u32,
    /// Calls in flight at most, over all threads; what comes beyond is dropped and counted.
    pub in_flight: u32,
    /// The instant at which traffic time begins.
    pub origin: Instant,
    /// The run's token, which the gateway honours stamps with.
    pub token: String,
}

/// What a load has seen.
#[derive(Clone, Debug)]
pub struct LoadResult {
    /// Calls that the schedule asked for, and those that followed others in sessions.
    pub offered: u64,
    /// Attempts at them beside the first of each.
    pub retried: u64,
    /// Calls that were served by such an attempt.
    pub recovered: u64,
    /// Attempts that were not sent, because too many were in flight, or no connection was free until the load was over.
    pub dropped: u64,
    /// Attempts that were answered, by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Attempts that got no answer, by kind.
    pub errors: BTreeMap<CallError, u64>,
    /// Attempts that were still in flight when the drain was over.
    pub unfinished: u64,
    /// From the attempt's intended start to the last byte, by class, in ns.
    pub latency: BTreeMap<Class, Times>,
    /// From the attempt's intended start to the first byte of the body, of answers that were streamed.
    pub first_token: Times,
    /// From writing the request to the last byte, in ns.
    pub service: Histogram<u64>,
    /// How late calls were written after their intended start: behind schedule, or waiting for a connection; in ns.
    pub lateness: Histogram<u64>,
}

/// How long answers took: what percentiles are read off, and the rest to the ns.
#[derive(Clone, Debug)]
pub struct Times {
    /// In ns, 3 significant digits.
    pub histogram: Histogram<u64>,
    /// All of them together.
    pub sum_ns: u128,
    /// The longest.
    pub max_ns: u64,
}

/// What a call was answered with, as latency is kept apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// 2xx.
    Served,
    /// By the gateway itself.
    Refused,
    /// Behind the gateway, or because of what is there.
    Failed,
}

/// Why a call got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallError {
    /// No connection could be made.
    Connect,
    /// The connection broke.
    Broken,
    /// No complete answer in time.
    Timeout,
}

impl Class {
    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Where the gateway says why it has answered itself, that decides, whatever status the scenario gives the cause; else it
    /// passes an upstream's answer on.
    fn of(answer: &Response<Heard>) -> Self {
        let cause = answer.headers().get(CAUSE).and_then(|cause| Cause::from_name(cause.to_str().ok()?));
        match (cause, answer.status().as_u16()) {
            (Some(cause), _) if cause.kind() == Kind::Upstream => Self::Failed,
            (Some(_), _) => Self::Refused,
            (None, 200..=299) => Self::Served,
            (None, _) => Self::Failed,
        }
    }
}

impl CallError {
    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
        }
    }
}

/// A latency histogram in ns, 3 significant digits from 1 µs to an hour.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, HOUR, 3).expect("the bounds are constants that fit each other")
}

impl Times {
    fn new() -> Self {
        Self { histogram: histogram(), sum_ns: 0, max_ns: 0 }
    }

    fn record(&mut self, ns: u64) {
        self.histogram.saturating_record(ns);
        self.sum_ns += u128::from(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    fn merge(&mut self, other: &Self) {
        add(&mut self.histogram, &other.histogram);
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }
}

impl LoadResult {
    fn new() -> Self {
        Self {
            offered: 0,
            retried: 0,
            recovered: 0,
            dropped: 0,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            unfinished: 0,
            latency: BTreeMap::new(),
            first_token: Times::new(),
            service: histogram(),
            lateness: histogram(),
        }
    }

    /// Attempts that were answered.
    pub fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Attempts that were answered with this status.
    pub fn status(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    fn merge(&mut self, other: &Self) {
        self.offered += other.offered;
        self.retried += other.retried;
        self.recovered += other.recovered;
        self.dropped += other.dropped;
        self.unfinished += other.unfinished;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (error, count) in &other.errors {
            *self.errors.entry(*error).or_default() += count;
        }
        for (class, latency) in &other.latency {
            self.latency.entry(*class).or_insert_with(Times::new).merge(latency);
        }
        self.first_token.merge(&other.first_token);
        add(&mut self.service, &other.service);
        add(&mut self.lateness, &other.lateness);
    }
}

fn add(sum: &mut Histogram<u64>, more: &Histogram<u64>) {
    sum.add(more).expect("all histograms have the same bounds");
}

/// Offers the world's schedule to the target; the control counts the calls of the schedule that were released. Canceled, it sends no more.
/// Returns when every call has ended, or the drain is over.
///
/// Errors when the system has no thread or descriptor left; what the target does is in the result.
pub fn load(world: &Arc<World>, options: &Options, control: &Control) -> io::Result<LoadResult> {
    // A thread without a connection to send on would only make its calls late.
    let threads = options.threads.get().min(options.connections as usize);
    std::thread::scope(|scope| {
        let run = |index| {
            let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default())?;
            runtime.block_on(async { Sender::new(world, options, index, threads)?.run(control).await })
        };
        let others: Vec<_> = (1..threads).map(|index| scope.spawn(move || run(index))).collect();
        let mut result = run(0)?;
        for other in others {
            result.merge(&other.join().expect("a thread that panics ends the process")?);
        }
        Ok(result)
    })
}

/// A call of the schedule to be made: 16 bytes, because a long load has many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    at: Time,
    account: AccountId,
    /// Which of the consumer's calls in the schedule it is.
    number: u32,
}

/// An attempt at a call that is to be made.
#[derive(Clone, Copy, Debug)]
struct Due {
    account: AccountId,
    /// The call's index.
    call: u64,
    /// The intended start of its first attempt.
    since: Time,
    /// From 1.
    attempt: u32,
    /// Its intended start.
    at: Time,
}

/// One thread's share of the schedule, in time order. A consumer's calls go to the threads in turn, so that each has its
/// share even of a single consumer; a session stays on its thread.
fn arrivals(world: &World, index: usize, threads: usize) -> Vec<Arrival> {
    let calls = world.consumers().enumerate().flat_map(|(id, consumer)| {
        let step = world.schedule.step(consumer);
        let calls = world.calls(consumer).map(move |call| (call.at, call.index / step));
        calls.filter(move |(_, number)| (id as u64 + number) % threads as u64 == index as u64).map(
            move |(at, number)| {
                let number = u32::try_from(number).expect("one consumer of a load makes fewer than 2³² calls");
                Arrival { at, account: AccountId(id as u32), number }
            },
        )
    });
    let mut arrivals: Vec<_> = calls.collect();
    arrivals.sort_unstable();
    arrivals
}

/// One thread of the generator.
struct Sender {
    arrivals: Vec<Arrival>,
    connections: usize,
    shared: Rc<Shared>,
}

/// What a thread's dispatcher and its connections share.
struct Shared {
    caller: Caller,
    pool: Rc<Pool<Empty<Bytes>>>,
    timer: Timer,
    clock: WallClock,
    queue: RefCell<VecDeque<Due>>,
    queued: Notify,
    in_flight: Cell<u32>,
    in_flight_max: u32,
    /// Attempts that will be made again, and calls that will follow others.
    waiting: Cell<u32>,
    stopped: Cell<bool>,
    /// What the clients of consumers that retry have left of their budgets, on this thread.
    budgets: RefCell<BTreeMap<AccountId, Budget>>,
    /// Consumers that are known to have left: they call no more.
    left: RefCell<BTreeSet<AccountId>>,
    slow: RefCell<SlowConsumers>,
    landed: Notify,
    result: RefCell<LoadResult>,
}

impl Sender {
    fn new(world: &Arc<World>, options: &Options, index: usize, threads: usize) -> io::Result<Self> {
        let share = |total: u32| (total as usize).div_ceil(threads).max(1);
        Ok(Self {
            arrivals: arrivals(world, index, threads),
            connections: share(options.connections),
            shared: Rc::new(Shared {
                caller: Caller::new(Arc::clone(world), &options.token),
                pool: Pool::new(options.target),
                timer: Timer::new()?,
                clock: WallClock::starting(options.origin, world.schedule.pace().clock),
                queue: RefCell::default(),
                queued: Notify::new(),
                in_flight: Cell::new(0),
                in_flight_max: share(options.in_flight) as u32,
                waiting: Cell::new(0),
                stopped: Cell::new(false),
                budgets: RefCell::default(),
                left: RefCell::default(),
                slow: RefCell::default(),
                landed: Notify::new(),
                result: RefCell::new(LoadResult::new()),
            }),
        })
    }

    async fn run(self, control: &Control) -> io::Result<LoadResult> {
        spawn_local(self.shared.timer.clone().drive());
        for _ in 0..self.connections {
            spawn_local(Rc::clone(&self.shared).connection());
        }
        self.dispatch(control).await;
        let drained = self.drain(control).await;
        let mut result = self.shared.result.replace(LoadResult::new());
        if drained.is_none() {
            // What has found no connection by now was never sent.
            let unsent = self.shared.queue.borrow().len() as u64;
            result.unfinished = u64::from(self.shared.in_flight.get()) - unsent;
            result.dropped += unsent;
        }
        Ok(result)
    }

    /// Releases each call at its instant. A dispatcher that is behind releases all that is due without waiting.
    async fn dispatch(&self, control: &Control) {
        let shared = &self.shared;
        for arrival in &self.arrivals {
            let intended = shared.clock.instant(arrival.at);
            shared.timer.sleep_until(intended).await;
            if control.is_canceled() {
                shared.stopped.set(true);
                return;
            }
            let due = shared.caller.first(*arrival);
            let keeps = shared.slow.borrow().keeps(due.account, due.at);
            if keeps.is_none_or(|keeps| shared.caller.is_made(due, keeps)) {
                shared.release(due);
            }
            control.done.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until every call has ended; `None` when that takes too long. What is to be tried again, or may follow another
    /// call, is over with the played time.
    async fn drain(&self, control: &Control) -> Option<()> {
        let shared = &self.shared;
        let is_at_rest = shared.waiting.get() == 0 && shared.in_flight.get() == 0;
        let over = if is_at_rest || shared.stopped.get() { Instant::now() } else { shared.end().max(Instant::now()) };
        let mut most = over + DRAIN;
        loop {
            let drained = shared.timer.timeout_at(most.min(Instant::now() + LOOK), shared.drained()).await;
            if drained.is_some() || most <= Instant::now() {
                return drained;
            }
            if control.is_canceled() && !shared.stopped.replace(true) {
                most = most.min(Instant::now() + DRAIN);
            }
        }
    }
}

impl Shared {
    fn release(&self, due: Due) {
        if self.left.borrow().contains(&due.account) {
            return;
        }
        let mut result = self.result.borrow_mut();
        if due.attempt == 1 {
            result.offered += 1;
        } else {
            result.retried += 1;
        }
        if self.in_flight.get() >= self.in_flight_max {
            result.dropped += 1;
            return;
        }
        self.in_flight.set(self.in_flight.get() + 1);
        self.queue.borrow_mut().push_back(due);
        self.queued.notify_last();
    }

    /// One connection: takes the next call, makes it, records it.
    async fn connection(self: Rc<Self>) {
        loop {
            let next = self.queue.borrow_mut().pop_front();
            match next {
                Some(due) => self.attempt(due).await,
                None => self.queued.notified().await,
            }
        }
    }

    async fn attempt(self: &Rc<Self>, due: Due) {
        let Due { account, call, attempt, at, .. } = due;
        let request = self.caller.request(account, Stamp { call, attempt, scheduled: None }, at);
        let written = Instant::now();
        let late = written.saturating_duration_since(self.clock.instant(at));
        self.result.borrow_mut().lateness.saturating_record(late.as_nanos() as u64);
        let answer = self.timer.timeout_at(written + TIMEOUT, exchange(&self.pool, request)).await;
        let answer = answer.unwrap_or(Err(CallError::Timeout));
        self.record(due, written, &answer);
        self.answered(due, &answer);
        self.landed.notify_one();
    }

    fn record(&self, due: Due, written: Instant, answer: &Result<Response<Heard>, CallError>) {
        let ended = Instant::now();
        let mut result = self.result.borrow_mut();
        match answer {
            Err(error) => *result.errors.entry(*error).or_default() += 1,
            Ok(answer) => {
                self.slow.borrow_mut().hear(due.account, answer.headers());
                if answer.headers().contains_key(LEFT) {
                    self.left.borrow_mut().insert(due.account);
                }
                let since = |from: Instant| ended.saturating_duration_since(from).as_nanos() as u64;
                if let Some(first) = answer.body().first.filter(|_| self.caller.is_streamed(due, answer)) {
                    let intended = self.clock.instant(due.at);
                    result.first_token.record(first.saturating_duration_since(intended).as_nanos() as u64);
                }
                let latency = result.latency.entry(Class::of(answer)).or_insert_with(Times::new);
                latency.record(since(self.clock.instant(due.at)));
                result.service.saturating_record(since(written));
                *result.statuses.entry(answer.status().as_u16()).or_default() += 1;
                result.recovered += u64::from(answer.status().is_success() && due.attempt > 1);
            }
        }
        self.in_flight.set(self.in_flight.get() - 1);
    }

    /// The client hears what became of an attempt, and may make another; or, in a session, the next call.
    fn answered(self: &Rc<Self>, due: Due, answer: &Result<Response<Heard>, CallError>) {
        let now = self.clock.now().traffic;
        let next = match self.wait(due, answer, now) {
            Some(wait) => Some(Due { attempt: due.attempt + 1, at: now + wait, ..due }),
            None => self.caller.follow_up(due, now),
        };
        if let Some(next) = next.filter(|next| next.at < self.caller.until()) {
            self.waiting.set(self.waiting.get() + 1);
            spawn_local(Rc::clone(self).again(next));
        }
    }

    /// How long the client waits before another attempt; `None` when it makes none.
    fn wait(&self, due: Due, answer: &Result<Response<Heard>, CallError>, now: Time) -> Option<Span> {
        let Due { account, call, since, attempt, .. } = due;
        let client = self.caller.client(account)?;
        let mut budgets = self.budgets.borrow_mut();
        let budget = budgets.entry(account).or_insert_with(|| Budget::new(client));
        let answered = said(answer.as_ref().ok(), client.retry.hint);
        if (200..300).contains(&answered.status) {
            budget.succeeded(client, attempt > 1);
            return None;
        }
        let attempts = Attempts { made: attempt, since: now.since(since) };
        let word = self.caller.drawn(account, Drawn::Backoff, call, attempt);
        next_attempt(client, &answered, attempts, budget, word)
    }

    async fn again(self: Rc<Self>, due: Due) {
        self.timer.sleep_until(self.clock.instant(due.at)).await;
        self.waiting.set(self.waiting.get() - 1);
        if !self.stopped.get() {
            self.release(due);
        }
        self.landed.notify_one();
    }

    /// When the last attempt may be made.
    fn end(&self) -> Instant {
        self.clock.instant(self.caller.until())
    }

    async fn drained(&self) {
        while self.in_flight.get() > 0 || (self.waiting.get() > 0 && !self.stopped.get()) {
            self.landed.notified().await;
        }
    }
}

/// What a client makes of an answer; none at all is a connection error to it.
fn said(answer: Option<&Response<Heard>>, hint: Hint) -> Answered {
    let header = |name: &str| answer.and_then(|answer| answer.headers().get(name)?.to_str().ok());
    let seconds = header(RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse().ok());
    Answered {
        status: answer.map_or(0, |answer| answer.status().as_u16()),
        retry_after: seconds.map(Span::from_secs),
        should_retry: hint.header().and_then(header).and_then(|said| said.parse().ok()),
        is_passed_on: answer.is_some_and(|answer| !answer.headers().contains_key(CAUSE)),
    }
}

/// Sends a request, reads its answer to the end and gives the connection back.
pub(super) async fn exchange(
    pool: &Rc<Pool<Empty<Bytes>>>,
    request: Request<Empty<Bytes>>,
) -> Result<Response<Heard>, CallError> {
    let (response, lease) = pool.send(request).await.map_err(|error| match error {
        SendError::Connect(_) => CallError::Connect,
        SendError::Broken(_) => CallError::Broken,
    })?;
    let (head, mut body): (_, Incoming) = response.into_parts();
    let mut known = Heard::default();
    while let Some(frame) = body.frame().await {
        frame.map_err(|_| CallError::Broken)?;
        known.first.get_or_insert_with(Instant::now);
    }
    lease.give_back();
    Ok(Response::from_parts(head, known))
}

/// What is known of a body that was read to its end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    /// When its first byte came; `None`: it has none.
    first: Option<Instant>,
}

/// Makes the requests of a world's calls.
pub(super) struct Caller {
    world: Arc<World>,
    token: String,
    callers: Vec<(Consumer, HeaderValue)>,
    /// By route.
    targets: Vec<Uri>,
}

impl Caller {
    pub(super) fn new(world: Arc<World>, token: &str) -> Self {
        let caller = |(id, consumer)| {
            let key = HeaderValue::try_from(key(AccountId(id as u32))).expect("a key is a header value");
            (consumer, key)
        };
        let callers = world.consumers().enumerate().map(caller).collect();
        let target = |route: &Route| Uri::try_from(&route.path).expect("paths are checked when the scenario is read");
        let targets = world.scenario.routes.iter().map(target).collect();
        Self { callers, token: token.to_owned(), targets, world }
    }

    /// The client of a consumer, if it retries.
    fn client(&self, account: AccountId) -> Option<&Client> {
        let (consumer, _) = &self.callers[account.0 as usize];
        let client = &self.world.scenario.cohorts[consumer.cohort as usize].client;
        (*client != Client::none()).then_some(client)
    }

    /// The first attempt at a call of the schedule.
    fn first(&self, arrival: Arrival) -> Due {
        let Arrival { at, account, number } = arrival;
        let call = u64::from(number) * self.world.schedule.step(self.callers[account.0 as usize].0);
        Due { account, call, since: at, attempt: 1, at }
    }

    /// Whether a consumer that makes this share of their calls makes this one.
    fn is_made(&self, due: Due, keeps: Chance) -> bool {
        self.world.is_made(self.callers[due.account.0 as usize].0, due.call, keeps)
    }

    /// The call that follows one that came to its end `now`, where it is of a session that goes on.
    fn follow_up(&self, due: Due, now: Time) -> Option<Due> {
        let (consumer, _) = &self.callers[due.account.0 as usize];
        let next = self.world.schedule.follow_ups(*consumer)?.after(due.call, now)?;
        Some(Due { account: due.account, call: next.index, since: next.at, attempt: 1, at: next.at })
    }

    /// Whether an answer is one that an upstream streams.
    fn is_streamed(&self, due: Due, answer: &Response<Heard>) -> bool {
        let scenario = &self.world.scenario;
        if !answer.status().is_success() || !scenario.upstreams.iter().any(|upstream| upstream.streams) {
            return false;
        }
        let (consumer, _) = &self.callers[due.account.0 as usize];
        let (route, _) = self.world.schedule.call(*consumer, due.call);
        scenario.upstreams[self.world.path(route)[0].upstream].streams
    }

    /// What is drawn for an attempt.
    fn drawn(&self, account: AccountId, what: Drawn, call: u64, attempt: u32) -> u64 {
        self.world.schedule.attempt(self.callers[account.0 as usize].0, what, call, attempt)
    }

    /// Attempts at or after this instant are not made.
    fn until(&self) -> Time {
        self.world.schedule.pace().until
    }

    /// The request of an attempt that is made then: its key, its stamp, and what the mock upstream is to do with it.
    pub(super) fn request(&self, account: AccountId, stamp: Stamp, at: Time) -> Request<Empty<Bytes>> {
        let (consumer, key) = &self.callers[account.0 as usize];
        let (route, usage) = self.world.schedule.call(*consumer, stamp.call);
        let call = Call { index: stamp.call, attempt: stamp.attempt, at, route, usage };
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.targets[route as usize].clone();
        let headers = request.headers_mut();
        headers.insert(API_KEY, key.clone());
        headers.insert(STAMP, stamp.header(&self.token));
        headers.insert(OUTCOME_HEADER.clone(), self.outcome(*consumer, &call, stamp.scheduled.is_some()));
        request
    }

    /// In lockstep nobody waits for a latency: it is in the stamp's times.
    fn outcome(&self, consumer: Consumer, call: &Call, is_scheduled: bool) -> HeaderValue {
        let duration = |span: Span| if is_scheduled { Duration::ZERO } else { Duration::from_nanos(span.ns()) };
        let Way { works, fails } = self.way(consumer, call);
        let served = works.iter().fold(Span::ZERO, |sum, takes| sum + *takes);
        let first =
            self.world.first_token(call.route, &call.usage, served).filter(|_| fails.is_none() && !is_scheduled);
        let text = self.hops(call.route, works.iter().map(|takes| duration(*takes)));
        let hops =
            Hops::parse(&text).expect("names of upstreams are names of services, and they are no more than may be");
        let is_single = self.world.scenario.upstreams.len() == 1;
        let meters = self.world.scenario.meters.iter().zip(call.usage).skip(1);
        let amounts: Vec<_> = meters.map(|(meter, amount)| (format!("{METER}{}", meter.name), amount)).collect();
        let mut buffer = String::new();
        let usage = Usage::write(&mut buffer, amounts.iter().map(|(name, amount)| (name.as_str(), *amount))).ok();
        let command = Command {
            latency: is_single.then(|| duration(served)),
            first: first.map(duration),
            hops: (!is_single).then_some(hops),
            status: fails.and_then(|status| StatusCode::from_u16(status).ok()),
            usage,
            ..Command::default()
        };
        HeaderValue::try_from(command.to_string()).expect("a command has visible ASCII characters only")
    }

    /// How long each upstream works on an attempt where none makes it wait, up to the one that fails.
    fn way(&self, consumer: Consumer, call: &Call) -> Way {
        let mut works = Vec::new();
        for hop in 0..self.world.path(call.route).len() {
            let Work { takes, fails } = self.world.work(consumer, call, hop);
            // The mock takes no longer command; nor does anybody wait for it.
            let takes = takes.min(Span::from_ns(MAX_LATENCY.as_nanos() as u64));
            works.push(takes);
            if fails.is_some() {
                return Way { works, fails };
            }
        }
        Way { works, fails: None }
    }

    /// The hops of a route that an attempt comes to.
    fn hops(&self, route: u16, works: impl Iterator<Item = Duration>) -> String {
        let mut text = String::new();
        for (hop, latency) in self.world.path(route).iter().zip(works) {
            let name = &self.world.scenario.upstreams[hop.upstream].name;
            let gap = if text.is_empty() { "" } else { "," };
            write!(text, "{gap}{}", Hop { name, depth: hop.depth, latency }).expect("a String takes everything");
        }
        text
    }
}

/// What an attempt meets behind the gateway.
struct Way {
    /// How long each upstream works that it comes to.
    works: Vec<Span>,
    /// The status that the last of them fails with, if it does.
    fails: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use farebox_engine::model::{Arrivals, Cohort, Plan, Scenario};
    use farebox_engine::time::Span;

    #[test]
    fn what_the_gateway_refuses_is_refused_whatever_its_status() {
        let class = |status: u16, cause: Option<&'static str>| {
            let mut answer = Response::new(Heard::default());
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            answer.headers_mut().extend(cause.map(|cause| (CAUSE, HeaderValue::from_static(cause))));
            Class::of(&answer)
        };
        assert_eq!(class(503, Some("billing_unavailable")), Class::Refused);
        assert_eq!(class(503, Some("quota_exhausted")), Class::Refused);
        assert_eq!([class(502, Some("upstream_error")), class(500, None)], [Class::Failed; 2]);
        assert_eq!(class(402, Some("quota_exhausted")), Class::Refused);
        // Without a cause it is an upstream's answer.
        assert_eq!([class(200, None), class(402, None)], [Class::Served, Class::Failed]);
    }

    /// Only the gateway's own answers have a cause, so a client knows whose 402 it is.
    #[test]
    fn a_client_tells_the_gateway_s_402_from_one_that_is_passed_on() {
        let mut answer = Response::new(Heard::default());
        *answer.status_mut() = StatusCode::PAYMENT_REQUIRED;
        assert_eq!(said(Some(&answer), Hint::None), Answered::passed_on(402));
        answer.headers_mut().insert(CAUSE, HeaderValue::from_static("credit_exhausted"));
        assert_eq!(said(Some(&answer), Hint::None), Answered::status(402));
        assert_eq!(said(None, Hint::None), Answered::status(0));
    }

    /// Two threads of which one has all the calls, and half of the connections, would make its calls late.
    #[test]
    fn every_thread_has_its_share_of_a_single_consumer() {
        let mut scenario = Scenario::new("one", Span::from_secs(1_000));
        scenario.plans.push(Plan::new("free"));
        scenario.cohorts.push(Cohort::new("alone", 1, Arrivals::Poisson { mean_gap_ns: 1e9, spread: None }));
        let world = World::whole(Arc::new(scenario)).unwrap();
        let shares: Vec<_> = (0..3).map(|index| arrivals(&world, index, 3)).collect();
        let mut calls: Vec<_> = shares.iter().flatten().map(|arrival| arrival.number).collect();
        calls.sort_unstable();
        let all = world.calls(Consumer { cohort: 0, index: 0 }).map(|call| call.index as u32);
        assert!(calls.into_iter().eq(all), "each call is made by one thread");
        let (least, most) = (shares.iter().map(Vec::len).min(), shares.iter().map(Vec::len).max());
        assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{least:?} to {most:?}");
    }
}
