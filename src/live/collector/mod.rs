//! Asks the payment processor for what accounts want charged, over its sockets, and tells them what it has answered.
//!
//! ```text
//! an account's lock is let go ─▶ Desk ─▶ one thread: a task for each wish ─▶ POST /v1/payment_intents ─▶ Accounts::heard
//! ```
//!
//! What has no answer is asked for again with the same idempotency key, so nobody is charged twice and nobody forgotten.
//! Where the scenario says anything of webhooks, the processor is told how to send each, and what has become of payments is
//! heard from them ([`super::webhooks`]); what one has not told by the time at which an account asks is taken from the
//! processor's list of undelivered events, read on from where it was read last.
//! The thread also wakes accounts for what is due: an account that hears by the wall asks when its moment has come, and
//! not when somebody calls next. `ask` says how the processor is asked, [`reconcile`] compares the books with its own.

pub(super) mod ask;
mod line;
pub mod reconcile;

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc as threads};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use farebox_engine::billing::decline::Answer;
use farebox_engine::billing::invoice::Charge;
use farebox_engine::billing::ledger::Movement;
use farebox_engine::time::{Now, Span, Time};
use farebox_engine::world::Via;
use farebox_engine::world::outside::{Ask, Came, Wish};
use mock_upstreams::Timer;
use serde_json::Value;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{Mutex as Turn, Semaphore, SemaphorePermit, mpsc};
use tokio::task::spawn_local;

use super::accounts::{AccountId, Accounts, WallClock, When};
use super::webhooks::notice::{About, Notice, Payment};
use ask::{Said, Words};
use line::Lines;

/// Requests to the processor at the same time, each over a connection of its own.
pub const AT_ONCE: usize = 128;
/// How long an answer may take beyond the latency that the processor was told.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before the first time that a charge without answer is asked for again; then twice as long each.
const FIRST_WAIT: Duration = Duration::from_millis(10);
/// The longest of these waits.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How long what is under way may take when a load is over.
pub const TO_END: Duration = Duration::from_secs(120);

/// Where accounts put what they want, for the collector to take.
#[derive(Clone, Debug)]
pub struct Desk {
    tasks: mpsc::UnboundedSender<Task>,
    open: Arc<Open>,
}

/// What the collector takes from the desk.
#[derive(Debug)]
pub struct Tasks(mpsc::UnboundedReceiver<Task>);

#[derive(Debug)]
enum Task {
    /// An account wants something of the processor.
    Wish(AccountId, Wish),
    /// Something is due for an account then.
    Wake(AccountId, Time),
    /// A webhook has told what became of a payment.
    Told(Notice),
    /// Time stands still from now on; says when that is.
    Freeze(threads::Sender<Now>),
    Stop,
}

/// What a load does not end without.
#[derive(Debug, Default)]
struct Open {
    left: Mutex<Left>,
    changes: Condvar,
}

#[derive(Debug, Default)]
struct Left {
    /// Accounts that wait at their end for an answer, and payments that are to go back.
    open: u64,
    /// What the processor has said to a charge that it does not take.
    refused: Option<String>,
}

impl Desk {
    /// An empty desk.
    #[must_use]
    pub fn new() -> (Self, Tasks) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { tasks: sender, open: Arc::default() }, Tasks(receiver))
    }

    /// An account wants something of the processor.
    pub(super) fn wish(&self, account: AccountId, wish: Wish) {
        if let Wish::GiveBack(_) = wish {
            self.waits();
        }
        self.put(Task::Wish(account, wish));
    }

    /// A webhook has told what became of a payment.
    pub fn told(&self, notice: Notice) {
        self.put(Task::Told(notice));
    }

    /// The load does not end before something has come.
    pub(super) fn waits(&self) {
        self.open.lock().open += 1;
    }

    /// It has come.
    pub(super) fn has_come(&self) {
        self.open.lock().open -= 1;
        self.open.changes.notify_all();
    }

    /// Something is due for an account then, in traffic time.
    pub(super) fn wake(&self, account: AccountId, at: Time) {
        self.put(Task::Wake(account, at));
    }

    fn put(&self, task: Task) {
        // Nobody takes what is put down after the end.
        drop(self.tasks.send(task));
    }
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, Left> {
        self.left.lock().expect(NOT_POISONED)
    }

    /// The processor does not take a charge.
    fn refuses(&self, why: String) {
        self.lock().refused.get_or_insert(why);
        self.changes.notify_all();
    }

    /// Waits until nothing is open, but no longer than this; what is left.
    fn wait(&self, within: Duration) -> Result<u64, CollectError> {
        let goes_on = |left: &mut Left| left.open > 0 && left.refused.is_none();
        let waited = self.changes.wait_timeout_while(self.lock(), within, goes_on);
        let (left, _) = waited.expect(NOT_POISONED);
        match (&left.refused, left.open) {
            (Some(refused), _) => Err(CollectError::Refused(refused.clone())),
            (None, open) => Ok(open),
        }
    }
}

const NOT_POISONED: &str = "a panic ends the process, so no lock is ever poisoned";

/// Why the processor was not asked for all that it should have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CollectError {
    /// It has refused a charge that is nothing but one.
    #[error("the mock payment processor has refused a charge: {0}")]
    Refused(String),
}

/// What is to be said of a load that is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// How often the processor was asked for what no webhook had told.
    pub asked: u64,
    /// What was due by the end, and has not come: accounts that wait for an answer, payments that were to go back.
    pub unanswered: u64,
}

/// The thread that asks the processor.
#[derive(Debug)]
pub struct Collector {
    desk: Desk,
    to_end: Duration,
    thread: JoinHandle<u64>,
}

/// Whom it asks, and by what time.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the processor listens; it obeys commands.
    pub processor: SocketAddr,
    /// What tells the charges of this run from all others.
    pub run: String,
    /// The wall's clock; `None` in lockstep, where nobody waits for a latency.
    pub clock: Option<WallClock>,
    /// How long what is under way may take when the load is over: [`TO_END`], unless somebody knows that nothing will come.
    pub to_end: Duration,
}

impl Collector {
    /// Begins to ask for what these accounts want.
    ///
    /// # Errors
    /// When the system has no thread or descriptor left.
    pub fn start(accounts: Arc<Accounts>, desk: Desk, tasks: Tasks, options: Options) -> io::Result<Self> {
        let (own, to_end) = (desk.clone(), options.to_end);
        let (ready, is_ready) = threads::channel();
        let thread = thread::Builder::new().name("collector".to_owned()).spawn(move || match begin() {
            Ok((runtime, timer)) => {
                drop(ready.send(Ok(())));
                runtime.block_on(async move {
                    spawn_local(timer.clone().drive());
                    Rc::new(Worker::new(accounts, &options, timer, own)).take(tasks).await
                })
            }
            Err(error) => {
                drop(ready.send(Err(error)));
                0
            }
        })?;
        is_ready.recv().unwrap_or_else(|_| Err(io::Error::other("the collector has not begun")))?;
        Ok(Self { desk, to_end, thread })
    }

    /// Lets no more time pass, and says when it stands: a moment that no event of an account comes after.
    ///
    /// # Errors
    /// When the thread is gone.
    pub fn freeze(&self) -> io::Result<Now> {
        let (sender, receiver) = threads::channel();
        self.desk.put(Task::Freeze(sender));
        receiver.recv().map_err(io::Error::other)
    }

    /// Waits until no account waits for an answer any more, but no longer than the options say, and ends. What is due later
    /// is left under way.
    ///
    /// # Errors
    /// When the processor has refused a charge.
    pub fn finish(self) -> Result<Ended, CollectError> {
        let waited = self.desk.open.wait(self.to_end);
        self.desk.put(Task::Stop);
        let asked = self.thread.join().unwrap_or_default();
        waited.map(|unanswered| Ended { asked, unanswered })
    }
}

fn begin() -> io::Result<(LocalRuntime, Timer)> {
    let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default())?;
    let timer = runtime.block_on(async { Timer::new() })?;
    Ok((runtime, timer))
}

// === Its thread ===

struct Worker {
    accounts: Arc<Accounts>,
    words: Words,
    lines: Lines,
    timer: Timer,
    clock: Option<WallClock>,
    /// When time stands still.
    frozen: Cell<Option<Now>>,
    places: Semaphore,
    /// The newest event that was listed, for whoever asks next.
    newest: Turn<Option<String>>,
    /// How often undelivered events were asked for.
    asked: Cell<u64>,
    desk: Desk,
}

impl Worker {
    fn new(accounts: Arc<Accounts>, options: &Options, timer: Timer, desk: Desk) -> Self {
        Self {
            words: Words::new(Arc::clone(accounts.world()), options),
            accounts,
            lines: Lines::new(options.processor),
            timer,
            clock: options.clock,
            frozen: Cell::new(None),
            places: Semaphore::new(AT_ONCE),
            newest: Turn::default(),
            asked: Cell::default(),
            desk,
        }
    }

    /// Does what is on the desk until it is told to stop. How often it has asked for what no webhook had told.
    async fn take(self: Rc<Self>, mut tasks: Tasks) -> u64 {
        while let Some(task) = tasks.0.recv().await {
            match task {
                Task::Wish(account, wish) => drop(spawn_local(Rc::clone(&self).fulfil(account, wish))),
                Task::Wake(account, at) => drop(spawn_local(Rc::clone(&self).wake(account, at))),
                Task::Told(notice) => drop(spawn_local(Rc::clone(&self).told(notice, Via::Webhook))),
                Task::Freeze(told) => {
                    let now = self.clock.map_or_else(Now::default, |clock| clock.now());
                    self.frozen.set(Some(now));
                    _ = told.send(now);
                }
                Task::Stop => break,
            }
        }
        self.asked.get()
    }

    /// Reads the clock inside of an account's lock, unless time stands still; in lockstep nobody asks.
    fn when(&self) -> When<'_> {
        match (self.frozen.get(), &self.clock) {
            (None, Some(clock)) => When::Wall(clock),
            (frozen, _) => When::At(frozen.unwrap_or_default()),
        }
    }

    /// Does what is due for an account when it is due. Where time stands still nothing more is.
    async fn wake(self: Rc<Self>, account: AccountId, at: Time) {
        let Some(clock) = &self.clock else { return };
        self.timer.sleep_until(clock.instant(at)).await;
        if self.frozen.get().is_none() {
            self.accounts.wake(account, at, When::Wall(clock));
        }
    }

    async fn fulfil(self: Rc<Self>, account: AccountId, wish: Wish) {
        // Whoever looks for what was lost takes turns with the others, and a place no sooner than it is their turn: a crowd
        // of them would have all places, and charges would wait.
        let place = if let Wish::Find = wish { None } else { Some(self.place().await) };
        match wish {
            Wish::Charge(ask) => {
                if let Some(answer) = self.charge(account, ask).await {
                    self.hears(account, Came::Answered(ask.charge, answer));
                }
            }
            Wish::GiveBack(charge) => {
                if let Some(intent) = self.intent(account, charge).await {
                    self.found(&self.words.give_back(account, charge, &intent)).await;
                }
                self.desk.has_come();
            }
            Wish::Return(movement, charge) => self.send_back(account, movement, charge).await.unwrap_or_default(),
            Wish::Find => self.find(account).await.unwrap_or_default(),
        }
        drop(place);
    }

    /// Waits for one of the places of those who ask at the same time.
    async fn place(&self) -> SemaphorePermit<'_> {
        self.places.acquire().await.expect("places are never closed")
    }

    fn hears(&self, account: AccountId, came: Came) {
        self.accounts.heard(account, self.when(), came);
    }

    /// Asks until there is an answer; `None` when the processor refuses to be asked, which ends the run.
    async fn charge(&self, account: AccountId, ask: Ask) -> Option<Answer> {
        match self.say(&self.words.charge(account, ask), ask::latency(&self.words, ask), ask::read).await {
            Said::Paid { .. } => Some(Answer::Paid),
            Said::Declined(decline) => Some(Answer::Declined(decline)),
            Said::Failed => Some(Answer::Error),
            Said::Refused(why) => self.refuses(why),
        }
    }

    /// What the processor calls a payment that it has taken. The key tells which it was.
    async fn intent(&self, account: AccountId, charge: Charge) -> Option<String> {
        let paid = Ask { charge, answer: Answer::Paid, latency: Span::ZERO };
        match self.say(&self.words.charge(account, paid), Duration::ZERO, ask::read).await {
            Said::Paid { intent } => Some(intent),
            said => self.refuses(format!("{charge:?} was paid, and then {said:?}")),
        }
    }

    /// Lets a captured payment go back.
    async fn send_back(&self, account: AccountId, movement: Movement, charge: Charge) -> Option<()> {
        let intent = self.intent(account, charge).await?;
        self.found(&self.words.send_back(account, charge, &intent, movement)).await?;
        self.hears(account, Came::Returned(movement, charge));
        Some(())
    }

    /// What the processor has on a request that it has no reason to refuse.
    async fn found(&self, words: &ask::Request) -> Option<Value> {
        match self.say(words, Duration::ZERO, ask::found).await {
            Ok(found) => Some(found),
            Err(why) => self.refuses(format!("{}: {why}", words.path)),
        }
    }

    /// Says it until there is an answer that tells something, again with the same key.
    async fn say<T>(&self, words: &ask::Request, latency: Duration, read: fn(u16, &[u8]) -> Option<T>) -> T {
        let mut wait = FIRST_WAIT;
        loop {
            let deadline = Instant::now() + latency + PATIENCE;
            let answer = self.timer.timeout_at(deadline, self.lines.exchange(words)).await;
            if let Some(said) = answer.and_then(Result::ok).and_then(|(status, body)| read(status, &body)) {
                return said;
            }
            self.timer.sleep_until(Instant::now() + wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// The processor tells of a payment.
    async fn told(self: Rc<Self>, Notice { about, told }: Notice, via: Via) {
        let payment = match about {
            About::Payment(payment) => Some(payment),
            About::Intent(intent) => {
                // Whoever finds what was lost has a place already.
                let place = match via {
                    Via::Webhook => Some(self.place().await),
                    Via::Reconciliation => None,
                };
                let found = self.found(&Words::payment(&intent)).await;
                drop(place);
                found.and_then(|found| Payment::of(&found["metadata"]))
            }
        };
        // What is about nobody's payment was made by somebody else.
        if let Some(Payment { account, purpose, attempt }) = payment.filter(|it| self.accounts.has(it.account)) {
            self.hears(account, Came::Told { purpose, attempt, told, via });
        }
    }

    /// Asks for what no webhook has told by now, and tells it to whom it is about; unless others have asked meanwhile, and
    /// this account misses nothing any more.
    async fn find(self: &Rc<Self>, account: AccountId) -> Option<()> {
        let mut newest = self.newest.lock().await;
        if !self.accounts.misses(account) {
            return Some(());
        }
        let _place = self.place().await;
        // The first time it is all there are, from the newest back; then those that have come since.
        let side = if newest.is_none() { "starting_after" } else { "ending_before" };
        let mut from = newest.clone();
        loop {
            self.asked.set(self.asked.get() + 1);
            let page = self.found(&Words::undelivered(side, from.as_deref())).await?;
            let events = page["data"].as_array().map_or(&[][..], Vec::as_slice);
            let id = |event: Option<&Value>| event.and_then(|event| event["id"].as_str()).map(str::to_owned);
            if side == "ending_before" || newest.is_none() {
                *newest = id(events.first()).or_else(|| newest.take());
            }
            for notice in events.iter().filter_map(|event| Notice::of(event).ok()) {
                Rc::clone(self).told(notice, Via::Reconciliation).await;
            }
            let next = if side == "ending_before" { events.first() } else { events.last() };
            from = id(next).filter(|_| page["has_more"] == true);
            if from.is_none() {
                return Some(());
            }
        }
    }

    fn refuses<T>(&self, why: String) -> Option<T> {
        self.desk.open.refuses(why);
        None
    }
}
