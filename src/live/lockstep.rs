//! The same calls as the twin's, on real sockets, in the twin's order and at the twin's times.
//!
//! Each request carries its scheduled times in its stamp. The events of one account (a decision, an answer) happen in
//! the order of their numbers: the gateway lets an event wait until it is its turn, and until the payment processor has
//! answered what is due before it. Accounts are independent, so many
//! are played at once. Nobody waits for a latency, so this shows decisions and books, and no latency figure. A client that
//! goes is one that the stamp says goes: it stays on its connection, and the gateway does in that turn what it does when it
//! sees one go.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use farebox_engine::billing::gate::Decision;
use farebox_engine::billing::hold::HoldId;
use farebox_engine::log::{Event, History};
use farebox_engine::world::World;
use hyper::header::HeaderMap;
use mock_upstreams::Timer;
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::{JoinSet, spawn_local};

use super::accounts::AccountId;
use super::generator::{CallError, Caller, Wires};
use super::problem::CAUSE;
use super::stamp::{Gone, Scheduled, Stamp, Step};
use crate::control::Control;

/// Calls that one thread has on sockets at the same time, unless a single consumer's overlap more.
const AT_ONCE: usize = 32;
/// How long one call may take: nothing is waited for but other calls of the same account.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A call that was not answered as the twin's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfStep {
    /// Whose call.
    pub account: AccountId,
    /// Which.
    pub call: u64,
    /// What the twin decided.
    pub twin: Decision,
    /// What came over the socket.
    pub live: String,
}

impl OutOfStep {
    /// Whether no decision came at all: the machine, or the mock upstream, could not carry the call.
    pub fn is_environment(&self) -> bool {
        self.live.starts_with("no answer") || self.live.contains("upstream_")
    }
}

/// Plays the twins' calls against a gateway that honours `token`; the control counts them. Canceled, it begins no other
/// consumer. Returns the first call of each consumer that was
/// answered otherwise; that consumer is not played on.
///
/// Errors when the system has no thread or descriptor left.
pub fn play(
    world: &Arc<World>,
    twins: &[History],
    target: SocketAddr,
    token: &str,
    threads: NonZeroUsize,
    control: &Control,
) -> io::Result<Vec<OutOfStep>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default())?;
        runtime.block_on(play_share(world, twins, target, token, &next, control))
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get()).map(|_| scope.spawn(work)).collect();
        let mut differences = work()?;
        for other in others {
            differences.extend(other.join().expect("a thread that panics ends the process")?);
        }
        differences.sort_by_key(|difference| difference.account);
        Ok(differences)
    })
}

/// One call of the script that a consumer follows.
#[derive(Clone, Copy, Debug)]
struct ScriptedCall {
    stamp: Stamp,
    twin: Decision,
    /// Whether the call ends before anything else happens to the account.
    alone: bool,
}

/// A consumer's calls, and how many of them are open at the same time at most.
struct Script {
    calls: Vec<ScriptedCall>,
    peak: usize,
}

/// A twin's log as the calls that reproduce it.
fn script(twin: &History) -> Script {
    let step = |turn: usize| Step { turn: turn as u64, now: twin.log[turn].now };
    let mut calls: Vec<ScriptedCall> = Vec::new();
    let mut open: BTreeMap<HoldId, usize> = BTreeMap::new();
    let mut peak = 1;
    for (turn, entry) in twin.log.iter().enumerate() {
        match entry.event {
            Event::Decided { call, attempt, decision, .. } => {
                if let Decision::Admit(admission) = decision {
                    open.insert(admission.hold, calls.len());
                    peak = peak.max(open.len());
                }
                let scheduled = Some(Scheduled { decided: step(turn), gone: None, served: None });
                let alone = matches!(decision, Decision::Refuse(_));
                calls.push(ScriptedCall { stamp: Stamp { call, attempt, scheduled }, twin: decision, alone });
            }
            Event::GaveUp { hold, sent } => {
                let call = &mut calls[open[&hold]];
                let scheduled = call.stamp.scheduled.as_mut().expect("every call of a script is scheduled");
                scheduled.gone = Some(Gone { step: step(turn), sent });
            }
            Event::Served { hold, .. } | Event::Failed { hold, .. } => {
                let call = &mut calls[open.remove(&hold).expect("a twin serves what it has admitted")];
                let scheduled = call.stamp.scheduled.as_mut().expect("every call of a script is scheduled");
                scheduled.served = Some(step(turn));
                call.alone = scheduled.decided.turn + 1 + u64::from(scheduled.gone.is_some()) == turn as u64;
            }
            Event::Heard(_) => unreachable!("a twin hears from the model"),
        }
    }
    Script { calls, peak }
}

/// How many connections a lockstep of these twins may have open at the same time.
pub fn connections(twins: &[History], threads: NonZeroUsize) -> usize {
    let peak = twins.iter().map(|twin| script(twin).peak).max().unwrap_or(1);
    peak.max(AT_ONCE) * threads.get()
}

struct Player {
    caller: Caller,
    wires: Wires,
    timer: Timer,
}

async fn play_share(
    world: &Arc<World>,
    twins: &[History],
    target: SocketAddr,
    token: &str,
    next: &AtomicUsize,
    control: &Control,
) -> io::Result<Vec<OutOfStep>> {
    let timer = Timer::new()?;
    spawn_local(timer.clone().drive());
    let caller = Caller::new(Arc::clone(world), token, target);
    let player = Rc::new(Player { caller, wires: Wires::new(target), timer });
    let mut differences = Vec::new();
    let mut playing = JoinSet::new();
    let mut open = 0;
    let mut waiting = None;
    loop {
        if waiting.is_none() && !control.is_canceled() {
            let id = next.fetch_add(1, Ordering::Relaxed);
            waiting = twins.get(id).map(|twin| (AccountId(id as u32), script(twin)));
        }
        // Calls that overlap need a connection each; descriptors are few, so consumers take turns.
        if let Some((account, script)) = waiting.take_if(|(_, script)| open == 0 || open + script.peak <= AT_ONCE) {
            open += script.peak;
            playing.spawn_local(Rc::clone(&player).consumer(account, script));
            continue;
        }
        let Some(ended) = playing.join_next().await else { return Ok(differences) };
        let Played { peak, calls, difference } = ended.expect("a task that panics ends the process");
        open -= peak;
        control.done.fetch_add(calls, Ordering::Relaxed);
        differences.extend(difference);
    }
}

/// What became of one consumer's script.
struct Played {
    peak: usize,
    calls: u64,
    difference: Option<OutOfStep>,
}

impl Player {
    /// Plays one consumer's script. A call that ends before anything else happens is waited for; one that overlaps
    /// with later events goes its own way, and the gateway puts its end in its place. The first difference ends it:
    /// what comes after would wait for turns that no longer come.
    async fn consumer(self: Rc<Self>, account: AccountId, script: Script) -> Played {
        let mut played = Played { peak: script.peak, calls: 0, difference: None };
        let mut playing = JoinSet::new();
        let mut script = script.calls.into_iter();
        let mut waits_for = None;
        loop {
            if waits_for.is_none()
                && let Some(scripted) = script.next()
            {
                waits_for = scripted.alone.then_some((scripted.stamp.call, scripted.stamp.attempt));
                playing.spawn_local(Rc::clone(&self).call(account, scripted));
                played.calls += 1;
                continue;
            }
            let Some(ended) = playing.join_next().await else { return played };
            match ended.expect("a task that panics ends the process") {
                Ok(attempt) => waits_for = waits_for.filter(|awaited| *awaited != attempt),
                Err(difference) => return Played { difference: Some(difference), ..played },
            }
        }
    }

    async fn call(self: Rc<Self>, account: AccountId, scripted: ScriptedCall) -> Result<(u64, u32), OutOfStep> {
        let at = scripted.stamp.scheduled.expect("every call of a script is scheduled").decided.now.traffic;
        let mut request = String::new();
        self.caller.write(account, scripted.stamp, at, &mut request);
        let exchange = self.wires.exchange(request.as_bytes(), 0);
        let answer = self.timer.timeout_at(Instant::now() + TIMEOUT, exchange).await;
        let answer = answer.unwrap_or(Err(CallError::Timeout));
        let Stamp { call, attempt, .. } = scripted.stamp;
        let out_of_step = |live: String| OutOfStep { account, call, twin: scripted.twin, live };
        match answer {
            Err(error) => Err(out_of_step(format!("no answer ({})", error.name()))),
            Ok(answer) => match (said(answer.headers()), scripted.twin) {
                (None, Decision::Admit(_)) => Ok((call, attempt)),
                (Some(live), Decision::Refuse(cause)) if live == cause.name() => Ok((call, attempt)),
                (live, _) => {
                    Err(out_of_step(live.map_or_else(|| "served".to_owned(), |live| format!("refused: {live}"))))
                }
            },
        }
    }
}

/// The cause that the gateway gave, if it did not pass the call.
fn said(headers: &HeaderMap) -> Option<&str> {
    headers.get(CAUSE).map(|cause| cause.to_str().unwrap_or("?"))
}
