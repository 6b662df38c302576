//! What a sleep promises: never early, in order, and gone without a trace when dropped. Lateness is not asserted, for
//! a loaded machine has no bound on it.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Wake;

use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;

use super::*;

/// Runs `test` with a driven timer.
fn with_timer<T>(test: impl AsyncFnOnce(Timer) -> T) -> T {
    let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let timer = Timer::new().unwrap();
        spawn_local(timer.clone().drive());
        test(timer).await
    })
}

fn in_micros(micros: u64) -> Instant {
    Instant::now() + Duration::from_micros(micros)
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Signs the log when it is woken.
struct Signature {
    of: u64,
    log: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Signature {
    fn wake(self: Arc<Self>) {
        self.log.lock().unwrap().push(self.of);
    }
}

impl Bell {
    fn rings(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Wakes every sleep as if its deadline had come.
fn pass_all_time(timer: &Timer) {
    while let Some(waker) = timer.0.fire_due(u64::MAX) {
        waker.wake();
    }
}

fn poll_with(sleep: &mut Sleep, bell: &Arc<Bell>) -> Poll<()> {
    let waker = Waker::from(Arc::clone(bell));
    Pin::new(sleep).poll(&mut Context::from_waker(&waker))
}

#[test]
fn a_sleep_is_never_early() {
    with_timer(async |timer| {
        for micros in (0..2_000).step_by(37) {
            let deadline = in_micros(micros);
            timer.sleep_until(deadline).await;
            assert!(Instant::now() >= deadline, "a sleep of {micros} µs ended early");
        }
    });
}

#[test]
fn a_passed_deadline_is_ready_at_once_and_enters_nothing() {
    with_timer(async |timer| {
        let bell = Arc::default();
        let before_boot = timer.0.origin.checked_sub(timer.0.origin_monotonic).unwrap();
        for passed in [Instant::now(), timer.0.origin, before_boot] {
            assert!(poll_with(&mut timer.sleep_until(passed), &bell).is_ready());
        }
        assert_eq!(timer.0.armed_ns.get(), UNARMED);
    });
}

#[test]
fn sleeps_are_woken_in_the_order_of_their_deadlines() {
    with_timer(async |timer| {
        let (log, now) = (Arc::<Mutex<Vec<u64>>>::default(), Instant::now());
        let sleeps = [500, 100, 400, 200, 300].map(|seconds| {
            let mut sleep = timer.sleep_until(now + Duration::from_secs(seconds));
            let waker = Waker::from(Arc::new(Signature { of: seconds, log: Arc::clone(&log) }));
            assert!(Pin::new(&mut sleep).poll(&mut Context::from_waker(&waker)).is_pending());
            sleep
        });
        pass_all_time(&timer);
        assert_eq!(*log.lock().unwrap(), [100, 200, 300, 400, 500]);
        drop(sleeps);
    });
}

#[test]
fn a_dropped_sleep_wakes_nobody_and_leaves_its_place() {
    with_timer(async |timer| {
        let (bell, soon) = (Arc::<Bell>::default(), in_micros(2_000));
        for _ in 0..1_000 {
            // Pending, unless the machine is very busy.
            let _ = poll_with(&mut timer.sleep_until(soon), &bell);
        }
        assert_eq!(timer.0.deadlines.borrow().first_due_ns(), None, "a dropped sleep is still waited for");

        // This one takes the place the dropped ones had, and must get the later of the two deadlines.
        let last = soon + Duration::from_millis(1);
        timer.sleep_until(last).await;
        assert!(Instant::now() >= last);
        assert_eq!(bell.rings(), 0);
    });
}

#[test]
fn a_sleep_that_moved_to_another_task_wakes_that_one() {
    with_timer(async |timer| {
        let (old, new) = (Arc::<Bell>::default(), Arc::<Bell>::default());
        let mut sleep = timer.sleep_until(in_micros(100_000_000));
        assert!(poll_with(&mut sleep, &old).is_pending());
        assert!(poll_with(&mut sleep, &new).is_pending());

        pass_all_time(&timer);
        assert_eq!((old.rings(), new.rings()), (0, 1));
        assert!(poll_with(&mut sleep, &new).is_ready());
    });
}

#[test]
fn only_an_earlier_deadline_sets_the_descriptor_again() {
    with_timer(async |timer| {
        let (bell, now) = (Arc::default(), Instant::now());
        let after = |seconds| timer.sleep_until(now + Duration::from_secs(seconds));
        let armed = || timer.0.origin + Duration::from_nanos(timer.0.armed_ns.get());
        let (mut middle, mut late, mut early) = (after(200), after(300), after(100));
        for (sleep, expected) in [(&mut middle, 200), (&mut late, 200), (&mut early, 100)] {
            assert!(poll_with(sleep, &bell).is_pending());
            assert_eq!(armed(), now + Duration::from_secs(expected));
        }
    });
}

#[test]
fn a_late_task_yields_now_and_then() {
    with_timer(async |timer| {
        let others_turn = Rc::new(Cell::new(false));
        let seen = Rc::clone(&others_turn);
        spawn_local(async move { seen.set(true) });
        let passed = Instant::now();
        for _ in 0..1_000 {
            timer.sleep_until(passed).await;
        }
        assert!(others_turn.get(), "a thousand sleeps that were due let nobody else run");
    });
}

#[test]
fn a_timeout_gives_the_output_or_none_at_the_deadline() {
    with_timer(async |timer| {
        assert_eq!(timer.timeout_at(in_micros(60_000_000), async { 7 }).await, Some(7));
        let deadline = in_micros(500);
        assert_eq!(timer.timeout_at(deadline, pending::<()>()).await, None);
        assert!(Instant::now() >= deadline);
    });
}
