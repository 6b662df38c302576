//! Precise waiting on a current-thread tokio runtime: one Linux timerfd per thread, shared by all its sleeps.
//!
//! It exists because tokio's own timer is 1 ms grained: sleeps of 1 ms on an otherwise idle core ended 1,090 µs late at
//! the median with it and 27 µs late with this one. A mock that answers in 300 µs and a generator that sends every
//! 10 µs need the latter.
//!
//! One task per thread, [`Timer::drive`], waits for the descriptor and wakes what is due. It is a task of its own, and
//! not whichever sleep was polled first, because that sleep could be dropped at any time and would have to hand the
//! duty over. The kernel is called only when the earliest deadline moves forward: a sleep that ends before it was due
//! costs no system call, at the price of one wake-up that finds nothing to do.

mod deadlines;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::coop::poll_proceed;

use self::deadlines::{Deadlines, SlotId};

/// A thread's timer. Clones are the same timer.
#[derive(Clone)]
pub struct Timer(Rc<Inner>);

/// Waits until an instant; see [`Timer::sleep_until`].
#[derive(Debug)]
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    timer: Timer,
    deadline: Instant,
    /// Ours in the timer, once polled before the deadline.
    slot: Option<SlotId>,
}

struct Inner {
    fd: AsyncFd<OwnedFd>,
    /// Deadlines are kept as nanoseconds since this instant.
    origin: Instant,
    /// What `CLOCK_MONOTONIC` showed at the origin.
    origin_monotonic: Duration,
    deadlines: RefCell<Deadlines>,
    /// The deadline the descriptor is set to; [`UNARMED`] when it has run out or was never set.
    armed_ns: Cell<u64>,
}

const UNARMED: u64 = u64::MAX;

// === Timer ===

impl Timer {
    /// Makes the timer of this thread. [`Timer::drive`] must be spawned before a sleep can end.
    ///
    /// Errors when the process has no file descriptor left.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its IO enabled.
    pub fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let (origin, origin_monotonic) = calibrate();
        Ok(Self(Rc::new(Inner {
            fd: register(fd)?,
            origin,
            origin_monotonic,
            deadlines: RefCell::default(),
            armed_ns: Cell::new(UNARMED),
        })))
    }

    /// Wakes the sleeps that are due, for ever: `spawn_local(timer.clone().drive())` once per timer.
    pub async fn drive(self) {
        loop {
            let mut ready = self.0.fd.readable().await.expect("a runtime does not poll its tasks once it shuts down");
            // The descriptor is not read: epoll reports each expiry anew, and the clock says what is due.
            ready.clear_ready();
            self.0.fire();
        }
    }

    /// Ends at `deadline`, never earlier; at once if it has passed.
    ///
    /// Dropping the sleep cancels it. A task whose sleeps keep ending at once, because it is late, yields to the
    /// runtime every 128th time, so that it cannot starve the sockets.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep { timer: self.clone(), deadline, slot: None }
    }

    /// What `future` resolves to, or `None` if it does not by `deadline`.
    pub async fn timeout_at<F: Future>(&self, deadline: Instant, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut sleep = self.sleep_until(deadline);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Pin::new(&mut sleep).poll(cx).map(|()| None),
        })
        .await
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("armed_ns", &self.0.armed_ns.get()).finish_non_exhaustive()
    }
}

impl Inner {
    fn nanos(&self, instant: Instant) -> u64 {
        // 2^64 ns are 584 years: what lies beyond never comes, and `UNARMED` is never armed for.
        u64::try_from(instant.saturating_duration_since(self.origin).as_nanos()).unwrap_or(UNARMED)
    }

    fn insert(&self, due_ns: u64, waker: Waker) -> SlotId {
        let slot = self.deadlines.borrow_mut().insert(due_ns, waker);
        self.arm_for(due_ns);
        slot
    }

    fn fire(&self) {
        self.armed_ns.set(UNARMED);
        let now_ns = self.nanos(Instant::now());
        while let Some(waker) = self.fire_due(now_ns) {
            waker.wake();
        }
        let next_due_ns = self.deadlines.borrow().first_due_ns();
        if let Some(due_ns) = next_due_ns {
            self.arm_for(due_ns);
        }
    }

    /// A function of its own, so that nothing is borrowed while the waker runs.
    fn fire_due(&self, now_ns: u64) -> Option<Waker> {
        self.deadlines.borrow_mut().fire_due(now_ns)
    }

    /// Sets the descriptor to `due_ns`, unless it runs out earlier anyway.
    fn arm_for(&self, due_ns: u64) {
        if due_ns >= self.armed_ns.get() {
            return;
        }
        self.armed_ns.set(due_ns);
        // Absolute: the time that passes between here and the kernel does not make it late, and no clock is read.
        let due = self.origin_monotonic.saturating_add(Duration::from_nanos(due_ns));
        let once = Itimerspec { it_interval: timespec(Duration::ZERO), it_value: timespec(due) };
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::ABSTIME, &once)
            .expect("a timerfd takes every time that is not negative");
    }
}

// === Sleep ===

impl Sleep {
    /// The instant waited for.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Waits until another instant from now on.
    pub(crate) fn reset(&mut self, deadline: Instant) {
        self.leave();
        self.deadline = deadline;
    }

    /// The first poll: done if the deadline has passed, else enters the timer.
    fn begin(&mut self, waker: &Waker) -> Poll<()> {
        if Instant::now() >= self.deadline {
            return Poll::Ready(());
        }
        let timer = &self.timer.0;
        self.slot = Some(timer.insert(timer.nanos(self.deadline), waker.clone()));
        Poll::Pending
    }

    /// A later poll: the timer knows whether the deadline has passed, so no clock is read.
    fn resume(&mut self, slot: SlotId, waker: &Waker) -> Poll<()> {
        if self.timer.0.deadlines.borrow().has_fired(slot) {
            self.leave();
            return Poll::Ready(());
        }
        let replaced = self.timer.0.deadlines.borrow_mut().rewake(slot, waker);
        drop(replaced);
        Poll::Pending
    }

    fn leave(&mut self) {
        if let Some(slot) = self.slot.take() {
            let waker = self.timer.0.deadlines.borrow_mut().release(slot);
            drop(waker);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let budget = ready!(poll_proceed(cx));
        let ended = match self.slot {
            None => self.begin(cx.waker()),
            Some(slot) => self.resume(slot, cx.waker()),
        };
        if ended.is_ready() {
            budget.made_progress();
        }
        ended
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.leave();
    }
}

// === Descriptor and clocks ===

/// Lets the runtime watch the descriptor.
#[expect(
    deprecated,
    reason = "its successor is unsafe, which is forbidden here: it leaves to the caller that the \
                               descriptor stays open and the same, and an `OwnedFd` that nothing replaces does"
)]
fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}

/// The same moment as an `Instant` and on `CLOCK_MONOTONIC`, which is what `Instant` reads on Linux but does not show.
///
/// The instant is read first, so what lies between the two readings makes the timer late by it, never early (early, it
/// would spin until the deadline). The tightest of a few readings keeps a preempted one out: some 50 ns remain.
fn calibrate() -> (Instant, Duration) {
    let reading = |_| {
        let before = Instant::now();
        let monotonic = clock_gettime(ClockId::Monotonic);
        let since_boot = Duration::try_from(monotonic).expect("the monotonic clock is not negative");
        (before.elapsed(), before, since_boot)
    };
    let tightest = (0..CALIBRATIONS).map(reading).min_by_key(|(width, ..)| *width);
    let (_, origin, origin_monotonic) = tightest.expect("there is at least one reading");
    (origin, origin_monotonic)
}

const CALIBRATIONS: usize = 8;

fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).expect("2^64 ns are seconds that fit 64 bits")
}

#[cfg(test)]
mod tests;
