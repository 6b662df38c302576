//! Asks the payment processor for what accounts want charged, over its sockets, and tells them what it has answered.
//!
//! ```text
//! an account's lock is let go ─▶ Desk ─▶ one thread: a task for each wish ─▶ POST /v1/payment_intents ─▶ Accounts::heard
//! ```
//!
//! What has no answer is asked for again with the same idempotency key, so nobody is charged twice and nobody forgotten.
//! Where the scenario says anything of webhooks, what was paid or declined is heard from them alone ([`super::webhooks`]).
//! The thread also wakes accounts for what is due: an account that hears by the wall asks when its moment has come, and
//! not when somebody calls next. `ask` says how a charge is put, [`reconcile`] compares the books with the processor's.

pub(super) mod ask;
mod line;
pub mod reconcile;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc as threads};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use farebox_engine::billing::decline::Answer;
use farebox_engine::billing::invoice::{Charge, Purpose};
use farebox_engine::time::{Now, Time};
use farebox_engine::world::outside::{Ask, Wish};
use mock_upstreams::Timer;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_local;

use super::accounts::{AccountId, Accounts, WallClock, When};
use super::webhooks::notice::Notice;
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
const TO_END: Duration = Duration::from_secs(120);

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
    pub(super) fn told(&self, notice: Notice) {
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

    /// Waits until nothing is open.
    fn wait(&self, within: Duration) -> Result<(), CollectError> {
        let goes_on = |left: &mut Left| left.open > 0 && left.refused.is_none();
        let waited = self.changes.wait_timeout_while(self.lock(), within, goes_on);
        let (left, _) = waited.expect(NOT_POISONED);
        match (&left.refused, left.open) {
            (Some(refused), _) => Err(CollectError::Refused(refused.clone())),
            (None, 0) => Ok(()),
            (None, open) => Err(CollectError::Unanswered(open)),
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
    /// It has not answered in time.
    #[error("the mock payment processor has left {0} accounts without an answer that was due when the load was over")]
    Unanswered(u64),
}

/// The thread that asks the processor.
#[derive(Debug)]
pub struct Collector {
    desk: Desk,
    thread: JoinHandle<()>,
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
    /// Whether webhooks tell what has become of a payment, and not the answer to the charge.
    pub hears_by_webhook: bool,
}

impl Collector {
    /// Begins to ask for what these accounts want.
    ///
    /// # Errors
    /// When the system has no thread or descriptor left.
    pub fn start(accounts: Arc<Accounts>, desk: Desk, tasks: Tasks, options: Options) -> io::Result<Self> {
        let own = desk.clone();
        let (ready, is_ready) = threads::channel();
        let thread = thread::Builder::new().name("collector".to_owned()).spawn(move || match begin() {
            Ok((runtime, timer)) => {
                drop(ready.send(Ok(())));
                runtime.block_on(async move {
                    spawn_local(timer.clone().drive());
                    Rc::new(Worker::new(accounts, &options, timer, own)).take(tasks).await;
                });
            }
            Err(error) => drop(ready.send(Err(error))),
        })?;
        is_ready.recv().unwrap_or_else(|_| Err(io::Error::other("the collector has not begun")))?;
        Ok(Self { desk, thread })
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

    /// Waits until no account waits for an answer any more, and ends. What is due later is left under way.
    ///
    /// # Errors
    /// When the processor has refused one, or has not answered in time.
    pub fn finish(self) -> Result<(), CollectError> {
        let ended = self.desk.open.wait(TO_END);
        self.desk.put(Task::Stop);
        drop(self.thread.join());
        ended
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
    /// Where webhooks tell what has become of payments: those of which none has.
    awaited: Option<RefCell<BTreeMap<Payment, Charge>>>,
    desk: Desk,
}

/// What tells a payment from all others of a run.
type Payment = (AccountId, Purpose, u32);

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
            awaited: options.hears_by_webhook.then(RefCell::default),
            desk,
        }
    }

    async fn take(self: Rc<Self>, mut tasks: Tasks) {
        while let Some(task) = tasks.0.recv().await {
            match task {
                Task::Wish(account, wish) => drop(spawn_local(Rc::clone(&self).fulfil(account, wish))),
                Task::Wake(account, at) => drop(spawn_local(Rc::clone(&self).wake(account, at))),
                Task::Told(notice) => self.told(notice),
                Task::Freeze(told) => {
                    let now = self.clock.map_or_else(Now::default, |clock| clock.now());
                    self.frozen.set(Some(now));
                    _ = told.send(now);
                }
                Task::Stop => return,
            }
        }
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
        let place = self.places.acquire().await.expect("places are never closed");
        match wish {
            Wish::Charge(ask) => {
                let Charge { purpose, attempt, .. } = ask.charge;
                if let Some(awaited) = &self.awaited {
                    awaited.borrow_mut().insert((account, purpose, attempt), ask.charge);
                }
                match self.charge(account, ask).await {
                    // A webhook tells; it may have done so already.
                    Some(Answer::Paid | Answer::Declined(_)) if self.awaited.is_some() => {}
                    Some(answer) => self.hears((account, purpose, attempt), ask.charge, answer),
                    None => {}
                }
            }
            Wish::GiveBack(charge) => {
                self.give_back(account, charge).await;
                self.desk.has_come();
            }
        }
        drop(place);
    }

    /// A webhook tells: what was told before is not awaited any more.
    fn told(&self, Notice { account, purpose, attempt, answer }: Notice) {
        let payment = (account, purpose, attempt);
        let awaited = self.awaited.as_ref().and_then(|awaited| awaited.borrow().get(&payment).copied());
        if let Some(charge) = awaited {
            self.hears(payment, charge, answer);
        }
    }

    /// An account hears what has become of a payment.
    fn hears(&self, payment: Payment, charge: Charge, answer: Answer) {
        if let Some(awaited) = &self.awaited {
            awaited.borrow_mut().remove(&payment);
        }
        self.accounts.heard(payment.0, self.when(), charge, answer);
    }

    /// Asks until there is an answer; `None` when the processor refuses to be asked, which ends the run.
    async fn charge(&self, account: AccountId, ask: Ask) -> Option<Answer> {
        match self.say(&self.words.charge(account, ask), ask::latency(&self.words, ask)).await? {
            Said::Paid { .. } => Some(Answer::Paid),
            Said::Declined(decline) => Some(Answer::Declined(decline)),
            Said::Failed => Some(Answer::Error),
            Said::Refused(why) => self.refuses(why),
        }
    }

    /// Gives back what was paid for nothing. The key of the payment tells which it was.
    async fn give_back(&self, account: AccountId, charge: Charge) -> Option<()> {
        let paid = Ask { charge, answer: Answer::Paid, latency: farebox_engine::time::Span::ZERO };
        let intent = match self.say(&self.words.charge(account, paid), Duration::ZERO).await? {
            Said::Paid { intent } => intent,
            said => return self.refuses(format!("{charge:?} was paid, and then {said:?}")),
        };
        match self.say(&self.words.refund(account, charge, &intent), Duration::ZERO).await? {
            Said::Paid { .. } => Some(()),
            said => self.refuses(format!("{intent} was paid, and cannot be given back: {said:?}")),
        }
    }

    /// Says it until there is an answer, again with the same key.
    async fn say(&self, words: &ask::Request, latency: Duration) -> Option<Said> {
        let mut wait = FIRST_WAIT;
        loop {
            let deadline = Instant::now() + latency + PATIENCE;
            let answer = self.timer.timeout_at(deadline, self.lines.exchange(words)).await;
            if let Some(said) = answer.and_then(Result::ok).and_then(|(status, body)| ask::read(status, &body)) {
                return Some(said);
            }
            self.timer.sleep_until(Instant::now() + wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn refuses<T>(&self, why: String) -> Option<T> {
        self.desk.open.refuses(why);
        None
    }
}
