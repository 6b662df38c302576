//! One thread of the generator: releases calls when they are due, sends them, hears what became of them.

mod hear;
mod top_up;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use farebox_engine::model::Excess;
use farebox_engine::time::Time;
use farebox_engine::world::World;
use farebox_engine::world::client::Budget;
use mock_upstreams::Timer;
use tokio::sync::Notify;
use tokio::task::spawn_local;

use super::Options;
use super::caller::Caller;
use super::dress::Dress;
use super::due::{Arrival, Due};
use super::tally::{CallError, LoadResult};
use super::watch::{Gauges, Watch};
use super::wires::Wires;
use crate::control::Control;
use crate::live::accounts::{AccountId, WallClock};
use crate::live::slow::SlowConsumers;
use crate::live::stamp::Stamp;

/// How long a call may take before it counts as timed out.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long calls in flight are waited for when the schedule is over.
const DRAIN: Duration = Duration::from_secs(10);
/// How long they are waited for when the load is stopped: somebody is waiting for it.
const DRAIN_STOPPED: Duration = Duration::from_secs(2);
/// How often it is looked meanwhile whether to stop.
const LOOK: Duration = Duration::from_millis(100);
/// A call that is sent so much after its intended start is counted as late, in ns.
pub(super) const LATE_NS: u64 = 1_000_000;

/// One thread of the generator.
pub(super) struct Sender {
    /// None in a closed load, whose connections take the calls themselves.
    arrivals: Vec<Arrival>,
    connections: usize,
    shared: Rc<Shared>,
}

/// What a thread's dispatcher and its connections share.
struct Shared {
    index: usize,
    caller: Caller,
    dress: Dress,
    wires: Wires,
    timer: Timer,
    clock: WallClock,
    queue: RefCell<VecDeque<Due>>,
    queued: Notify,
    /// In a closed load, what is left of the schedule.
    script: RefCell<VecDeque<Arrival>>,
    scripted: Notify,
    is_closed: bool,
    in_flight: Cell<u32>,
    in_flight_max: u32,
    excess: Excess,
    measured: [Time; 2],
    /// Attempts that will be made again, and calls that will follow others.
    waiting: Cell<u32>,
    stopped: Cell<bool>,
    /// What the clients of consumers that retry have left of their budgets, on this thread.
    budgets: RefCell<BTreeMap<AccountId, Budget>>,
    /// Consumers that are known to have left: they call no more.
    left: RefCell<BTreeSet<AccountId>>,
    /// Whose clients are buying credit.
    buying: RefCell<BTreeSet<AccountId>>,
    slow: RefCell<SlowConsumers>,
    landed: Notify,
    result: RefCell<LoadResult>,
    watch: Arc<Watch>,
}

// === Sender ===

impl Sender {
    pub(super) fn new(
        world: &Arc<World>,
        arrivals: Vec<Arrival>,
        options: &Options,
        [index, threads]: [usize; 2],
        watch: Arc<Watch>,
    ) -> io::Result<Self> {
        // All shares together are the whole; nobody is without one, because there are no more threads than places.
        let share = |total: u32| total as usize / threads + usize::from(index < total as usize % threads);
        let in_flight = share(options.in_flight);
        // What waits for a place is not in flight; each connection is a place.
        let places = if options.excess == Excess::Queue { in_flight } else { usize::MAX };
        let mut result = LoadResult::new();
        // Who has no call to make has heard of all.
        result.ended = (options.is_closed && arrivals.is_empty()).then_some(Time::START);
        let (arrivals, script) =
            if options.is_closed { (Vec::new(), arrivals.into()) } else { (arrivals, VecDeque::new()) };
        Ok(Self {
            arrivals,
            connections: share(options.connections).min(places),
            shared: Rc::new(Shared {
                index,
                caller: Caller::dressed(Arc::clone(world), &options.dress, options.target),
                dress: options.dress.clone(),
                wires: Wires::new(options.target),
                timer: Timer::new()?,
                clock: WallClock::starting(options.origin, world.schedule.pace().clock),
                queue: RefCell::default(),
                queued: Notify::new(),
                script: RefCell::new(script),
                scripted: Notify::new(),
                is_closed: options.is_closed,
                in_flight: Cell::new(0),
                in_flight_max: in_flight as u32,
                excess: options.excess,
                measured: options.measured,
                waiting: Cell::new(0),
                stopped: Cell::new(false),
                budgets: RefCell::default(),
                left: RefCell::default(),
                buying: RefCell::default(),
                slow: RefCell::default(),
                landed: Notify::new(),
                result: RefCell::new(result),
                watch,
            }),
        })
    }

    pub(super) async fn run(self, control: &Control) -> io::Result<LoadResult> {
        let shared = &self.shared;
        spawn_local(shared.timer.clone().drive());
        if shared.is_closed {
            shared.timer.sleep_until(shared.clock.instant(Time::START)).await;
        }
        for _ in 0..self.connections {
            spawn_local(Rc::clone(shared).connection());
        }
        if shared.is_closed {
            self.supervise(control).await;
        } else {
            self.dispatch(control).await;
        }
        let drained = self.drain(control).await;
        let mut result = shared.result.replace(LoadResult::new());
        result.connected = shared.wires.made();
        if drained.is_none() {
            // What has found no connection by now was never sent.
            let unsent = shared.queue.borrow().len() as u64;
            result.unfinished = u64::from(shared.in_flight.get()) - unsent;
            result.dropped += unsent;
        }
        Ok(result)
    }

    /// Whether no more calls are to be made.
    fn is_over(&self, control: &Control) -> bool {
        let is_over = control.is_canceled() || self.shared.watch.has_failed();
        if is_over && !self.shared.stopped.replace(true) {
            self.shared.result.borrow_mut().ended.get_or_insert(self.shared.clock.now().traffic);
        }
        is_over
    }

    /// Releases each call at its instant. A dispatcher that is behind releases all that is due without waiting.
    async fn dispatch(&self, control: &Control) {
        let shared = &self.shared;
        for arrival in &self.arrivals {
            let intended = shared.clock.instant(arrival.at);
            shared.timer.sleep_until(intended).await;
            if self.is_over(control) {
                return;
            }
            let due = shared.caller.first(*arrival);
            if shared.is_made(due) {
                shared.release(due);
            }
            control.done.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until the connections of a closed load have made all calls, or its time is over.
    async fn supervise(&self, control: &Control) {
        let (shared, end) = (&self.shared, self.shared.end());
        let mut left = shared.script.borrow().len();
        while left > 0 && Instant::now() < end && !self.is_over(control) {
            let look = end.min(Instant::now() + LOOK);
            shared.timer.timeout_at(look, shared.scripted.notified()).await;
            let now_left = shared.script.borrow().len();
            control.done.fetch_add((left - now_left) as u64, Ordering::Relaxed);
            left = now_left;
        }
        shared.script.borrow_mut().clear();
    }

    /// Waits until every call has ended; `None` when that takes too long. What is to be tried again, or may follow another
    /// call, is over with the played time.
    async fn drain(&self, control: &Control) -> Option<()> {
        let shared = &self.shared;
        let is_at_rest = shared.waiting.get() == 0 && shared.in_flight.get() == 0;
        let over = if is_at_rest || shared.stopped.get() { Instant::now() } else { shared.end().max(Instant::now()) };
        let mut most = over + if shared.stopped.get() { DRAIN_STOPPED } else { DRAIN };
        loop {
            let drained = shared.timer.timeout_at(most.min(Instant::now() + LOOK), shared.drained()).await;
            if drained.is_some() || most <= Instant::now() {
                return drained;
            }
            if !shared.stopped.get() && self.is_over(control) {
                most = most.min(Instant::now() + DRAIN_STOPPED);
            }
        }
    }
}

// === Calls ===

impl Shared {
    fn gauges(&self) -> &Gauges {
        self.watch.gauges(self.index)
    }

    /// Whether the consumer makes this call of the schedule, as far as is known.
    fn is_made(&self, due: Due) -> bool {
        let keeps = self.slow.borrow().keeps(due.account, due.at);
        keeps.is_none_or(|keeps| self.caller.is_made(due, keeps))
    }

    fn is_measured(&self, at: Time) -> bool {
        self.measured[0] <= at && at < self.measured[1]
    }

    fn release(&self, due: Due) {
        if self.left.borrow().contains(&due.account) {
            return;
        }
        let mut result = self.result.borrow_mut();
        self.offer(due, &mut result);
        if !self.is_closed && self.is_measured(due.at) {
            let lag = Instant::now().saturating_duration_since(self.clock.instant(due.at));
            result.lag.record(lag.as_nanos() as u64);
        }
        if self.in_flight.get() >= self.in_flight_max && self.excess != Excess::Queue {
            result.dropped += 1;
            self.gauges().dropped();
            if self.excess == Excess::Fail {
                result.overflowed = true;
                self.watch.fail();
            }
            return;
        }
        self.fly(1);
        self.queue.borrow_mut().push_back(due);
        self.queued.notify_last();
    }

    fn offer(&self, due: Due, result: &mut LoadResult) {
        if due.attempt == 1 {
            result.offered += 1;
        } else {
            result.retried += 1;
        }
        result.measured_offered += u64::from(self.is_measured(due.at));
    }

    fn fly(&self, more: i32) {
        self.in_flight.set(self.in_flight.get().saturating_add_signed(more));
        self.gauges().in_flight(self.in_flight.get());
    }

    /// One connection: takes the next call, makes it, records it.
    async fn connection(self: Rc<Self>) {
        let mut request = String::new();
        loop {
            let queued = self.queue.borrow_mut().pop_front();
            match queued.or_else(|| self.scripted()) {
                Some(due) => self.attempt(due, &mut request).await,
                None => self.queued.notified().await,
            }
        }
    }

    /// The next call of a closed load: its intended start is now.
    fn scripted(&self) -> Option<Due> {
        let mut script = self.script.borrow_mut();
        while let Some(arrival) = script.pop_front() {
            let now = self.clock.now().traffic;
            if now >= self.caller.until() || self.stopped.get() || self.watch.has_failed() {
                script.clear();
                break;
            }
            let mut result = self.result.borrow_mut();
            if script.is_empty() {
                result.ended = Some(now);
                self.scripted.notify_last();
            }
            let due = self.caller.first(Arrival { at: now, ..arrival });
            if !self.left.borrow().contains(&due.account) && self.is_made(due) {
                self.offer(due, &mut result);
                self.fly(1);
                return Some(due);
            }
        }
        None
    }

    /// Makes an attempt; `request` is where it is written.
    async fn attempt(self: &Rc<Self>, due: Due, request: &mut String) {
        let Due { account, call, attempt, at, .. } = due;
        self.caller.write(account, Stamp { call, attempt, scheduled: None }, at, request);
        let written = Instant::now();
        self.sent(due, written);
        let exchange = self.wires.exchange(request.as_bytes(), self.dress.keeps());
        let (wait, error) = self.patience(account);
        let answer = self.timer.timeout_at(written + wait, exchange).await;
        let answer = answer.unwrap_or(Err(error)).map(|answer| {
            let reading = self.dress.read(&answer);
            (answer, reading)
        });
        self.record(due, written, &answer);
        self.heard_of_all();
        self.fly(-1);
        self.answered(due, &answer);
        self.landed.notify_one();
    }

    /// A closed load that has no more calls to make lasts until the last answer.
    fn heard_of_all(&self) {
        let mut result = self.result.borrow_mut();
        if self.is_closed && result.ended.is_some() {
            result.ended = Some(self.clock.now().traffic);
        }
    }

    /// How long the client of an account waits for an answer, and what it is when that does not come. Its connection is
    /// closed then.
    fn patience(&self, account: AccountId) -> (Duration, CallError) {
        let own = self.caller.client(account).and_then(|client| client.timeout);
        let own = own.map(|timeout| Duration::from_nanos(timeout.ns())).filter(|timeout| *timeout <= TIMEOUT);
        own.map_or((TIMEOUT, CallError::Timeout), |timeout| (timeout, CallError::GaveUp))
    }

    fn sent(&self, due: Due, written: Instant) {
        let mut result = self.result.borrow_mut();
        result.sent += 1;
        self.gauges().sent();
        if self.is_closed {
            return;
        }
        let late = written.saturating_duration_since(self.clock.instant(due.at)).as_nanos() as u64;
        result.late += u64::from(late > LATE_NS);
        if self.is_measured(due.at) {
            result.lateness.record(late);
        }
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
