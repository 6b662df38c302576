//! Everything that one load needs on loopback: a mock upstream, the gateway, and a token that only this run knows.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use farebox_engine::log::{self, History};
use farebox_engine::model::{Live, Scenario, Upstream};
use farebox_engine::money::Overflow;
use farebox_engine::oracle::Oracle;
use farebox_engine::outcome::Outcome;
use farebox_engine::record::Recorder;
use farebox_engine::time::{Now, Time};
use farebox_engine::world::World;
use mock_upstreams::{Server, ServiceSpec};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::accounts::{Logging, WallClock};
use super::gateway::{self, Counts, Finished, Gateway, StartError};
use super::generator::dress::{Dress, Foreign};
use super::generator::null::{self, Ceiling, NoCeiling};
use super::generator::watch::Watch;
use super::generator::{self, LoadResult, Role, Shares, Worked};
use super::lockstep::{self, OutOfStep};
use crate::control::Control;

/// How long after everything is set up the load begins.
const HEAD_START: Duration = Duration::from_millis(20);
/// How long the gateway may take to end what is in flight when the load is over.
const GRACE: Duration = Duration::from_secs(5);

/// The generator's, the gateway's to it, the gateway's to the upstream, the upstream's: all are in this process.
pub const DESCRIPTORS_PER_CALL: u64 = 4;
/// Listeners, timers, event loops, files.
pub const DESCRIPTORS_BESIDE: u64 = 128;

/// Why a load did not take place.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The gateway did not start.
    #[error(transparent)]
    Gateway(#[from] StartError),
    /// The mock upstream did not start, or the system has no thread or descriptor left.
    #[error("the load cannot run on this machine")]
    Environment(#[from] io::Error),
    /// The system allows too few file descriptors.
    #[error("the connections of this load need {needed} open files, and this process may have {allowed}")]
    Descriptors {
        /// For the connections, on both sides of the gateway and of the upstream.
        needed: u64,
        /// The hard limit.
        allowed: u64,
    },
    /// An amount left the range.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// What a free-running load has left behind.
#[derive(Debug)]
pub struct FreeRun {
    /// What the generator has seen.
    pub load: LoadResult,
    /// What the gateway has done.
    pub counts: Counts,
    /// What each account went through, in the order of the consumers.
    pub histories: Vec<History>,
    /// When the accounts were closed.
    pub end: Now,
    /// Whether it was canceled before all calls were made.
    pub interrupted: bool,
    /// How long the generator was at it, until every call had ended.
    pub lasted: Duration,
    /// What the threads of the gateway and of the mock upstreams have worked meanwhile; `None` where the system does not
    /// tell.
    pub worked: Option<[Worked; 2]>,
}

/// What is watched and told of a load from outside.
#[derive(Clone, Copy, Debug)]
pub struct Conduct<'a> {
    /// Says stop, and hears how many calls were made.
    pub control: &'a Control,
    /// Shows it while it goes on.
    pub watch: &'a Arc<Watch>,
}

impl FreeRun {
    /// What the gateway's accounts say, in the same form as a simulation's outcome. Where an oracle is needed, it judges
    /// their logs, which are in the order in which the gateway has decided.
    ///
    /// # Errors
    /// When an amount leaves the range of what the oracle can count.
    pub fn outcome(&self, world: &World) -> Result<Outcome, Overflow> {
        let cohorts = &world.scenario.cohorts;
        let length = world.schedule.pace().until.since(Time::START);
        let mut recorder = Recorder::over(cohorts.len(), length);
        let mut oracle = Oracle::where_needed(world);
        for history in &self.histories {
            history.tell(world, &mut recorder);
            oracle.as_mut().map_or(Ok(()), |oracle| oracle.judge_log(history))?;
        }
        let tables = oracle.map(Oracle::tables).transpose()?;
        let everyone: Vec<_> = cohorts.iter().map(|cohort| vec![[0, cohort.count]]).collect();
        let outcome = Outcome::new(&world.scenario, self.end.traffic.ns().cast_unsigned(), &recorder, &everyone);
        Ok(outcome.judged(&world.scenario, tables.as_deref()))
    }
}

/// What a lockstep has left behind.
#[derive(Debug)]
pub struct Lockstep {
    /// Calls that were answered otherwise than the twin's; the first of each consumer.
    pub out_of_step: Vec<OutOfStep>,
    /// What each account went through.
    pub histories: Vec<History>,
}

/// What happens in the simulation of exactly this load, consumer by consumer.
pub fn twins(world: &World) -> Result<Vec<History>, Overflow> {
    log::record_all(world)
}

/// Offers the world's schedule to the gateway at its own pace, on the wall's clock.
pub fn free_run(world: &Arc<World>, threads: NonZeroUsize, control: &Control) -> Result<FreeRun, LiveError> {
    free_run_watched(world, threads, Conduct { control, watch: &Arc::new(Watch::new(threads.get())) })
}

/// The same, for somebody who watches.
pub fn free_run_watched(world: &Arc<World>, threads: NonZeroUsize, conduct: Conduct<'_>) -> Result<FreeRun, LiveError> {
    let threads = at_most_cores(threads);
    let live = &world.scenario.live;
    let shares = Shares::of(world, threads, places(live).min(in_flight(live)));
    let origin = Instant::now() + HEAD_START;
    let stage = Stage::open(world, gateway::Time::Wall(origin), threads, places(live) as usize)?;
    let dress = Dress::Own { token: stage.token.clone() };
    let options = options(live, stage.gateway.addr(), origin, dress);
    let before = generator::of_roles(&ROLES);
    let began = Instant::now();
    let load = generator::load(world, shares, &options, conduct.control, conduct.watch)?;
    let lasted = began.elapsed();
    let worked = before.zip(generator::of_roles(&ROLES)).map(|(before, after)| worked(&before, &after));
    let Finished { histories, end, counts } = stage.close(WallClock::now)?;
    let interrupted = conduct.control.is_canceled();
    Ok(FreeRun { load, counts, histories, end, interrupted, lasted, worked })
}

/// Offers the world's schedule to a gateway that is not ours: there are no accounts, so nothing but its answers is known.
pub fn load_elsewhere(
    world: &Arc<World>,
    target: SocketAddr,
    foreign: Foreign,
    threads: NonZeroUsize,
    conduct: Conduct<'_>,
) -> Result<(LoadResult, Duration), LiveError> {
    let threads = at_most_cores(threads);
    let live = &world.scenario.live;
    check_descriptors(u64::from(places(live)) + DESCRIPTORS_BESIDE)?;
    let shares = Shares::of(world, threads, places(live).min(in_flight(live)));
    let options = options(live, target, Instant::now() + HEAD_START, Dress::Foreign(foreign));
    let began = Instant::now();
    let load = generator::load(world, shares, &options, conduct.control, conduct.watch)?;
    Ok((load, began.elapsed()))
}

/// Whose threads are looked at, in the order of [`FreeRun::worked`].
const ROLES: [Role; 2] = [Role::Gateway, Role::Upstreams];

fn worked(before: &[Worked], after: &[Worked]) -> [Worked; 2] {
    std::array::from_fn(|role| Worked {
        threads: after[role].threads,
        cpu_ns: after[role].cpu_ns.saturating_sub(before[role].cpu_ns),
        busiest_ns: after[role].busiest_ns.saturating_sub(before[role].busiest_ns),
    })
}

/// Over how many connections a load goes.
fn places(live: &Live) -> u32 {
    live.closed.unwrap_or(live.connections)
}

/// How many calls may be in flight at once: in a closed load one over each connection, because nobody waits for another.
fn in_flight(live: &Live) -> u32 {
    live.closed.map_or(live.in_flight, |connections| connections.max(live.in_flight))
}

fn options(live: &Live, target: SocketAddr, origin: Instant, dress: Dress) -> generator::Options {
    generator::Options {
        target,
        connections: places(live),
        in_flight: in_flight(live),
        excess: live.excess,
        is_closed: live.closed.is_some(),
        measured: live.measured(),
        origin,
        dress,
    }
}

/// Plays the twins' calls on sockets, in the twins' order and at the twins' times.
pub fn lockstep(
    world: &Arc<World>,
    twins: &[History],
    threads: NonZeroUsize,
    control: &Control,
) -> Result<Lockstep, LiveError> {
    let threads = at_most_cores(threads);
    let stage = Stage::open(world, gateway::Time::Lockstep, threads, lockstep::connections(twins, threads))?;
    let out_of_step = lockstep::play(world, twins, stage.gateway.addr(), &stage.token, threads, control)?;
    let Finished { histories, .. } = stage.close(|_| world.end())?;
    Ok(Lockstep { out_of_step, histories })
}

/// The generator's ceiling on this machine, with as many threads as a load has.
pub fn self_test(
    threads: NonZeroUsize,
    connections: u32,
    lasts: Duration,
    control: &Control,
) -> Result<Ceiling, NoCeiling> {
    raise_descriptor_limit();
    null::self_test(at_most_cores(threads), connections, lasts, control)
}

/// More threads than cores would only wait for each other, and make calls late.
fn at_most_cores(threads: NonZeroUsize) -> NonZeroUsize {
    thread::available_parallelism().map_or(threads, |cores| threads.min(cores))
}

struct Stage {
    gateway: Gateway,
    upstream: Server,
    token: String,
}

impl Stage {
    fn open(
        world: &Arc<World>,
        time: gateway::Time,
        threads: NonZeroUsize,
        connections: usize,
    ) -> Result<Self, LiveError> {
        check_descriptors(connections as u64 * DESCRIPTORS_PER_CALL + DESCRIPTORS_BESIDE)?;
        let service = service(&world.scenario);
        let upstream =
            Server::start(&mock_upstreams::Options { obey: true, service, ..mock_upstreams::Options::default() })?;
        let token = token()?;
        let options = gateway::Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            threads,
            upstream: upstream.addr(),
            time,
            logging: Logging::Full,
            token: Some(token.clone()),
        };
        Ok(Self { gateway: Gateway::start(Arc::clone(world), &options)?, upstream, token })
    }

    /// Ends the gateway first, so that its exchanges still reach the upstream.
    fn close(self, end: impl FnOnce(&WallClock) -> Now) -> Result<Finished, LiveError> {
        let finished = self.gateway.finish(GRACE, end)?;
        self.upstream.shutdown(Duration::ZERO);
        Ok(finished)
    }
}

fn check_descriptors(needed: u64) -> Result<(), LiveError> {
    let allowed = raise_descriptor_limit();
    if needed > allowed { Err(LiveError::Descriptors { needed, allowed }) } else { Ok(()) }
}

/// The mock of all upstreams: of a single one, that is the service itself.
fn service(scenario: &Scenario) -> ServiceSpec {
    let capacity = |upstream: &Upstream| upstream.capacity.and_then(NonZeroU32::new);
    let named = scenario.upstreams.iter().filter_map(|it| Some((it.name.clone(), capacity(it)?)));
    match &scenario.upstreams[..] {
        [only] => ServiceSpec { capacity: capacity(only), ..ServiceSpec::default() },
        _ => ServiceSpec { named: named.collect(), ..ServiceSpec::default() },
    }
}

/// Takes all the file descriptors that the system allows, because the soft limit is often 1,024; returns how many.
pub fn raise_descriptor_limit() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap_or_default();
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// A word that nobody outside of this run can guess.
pub fn token() -> io::Result<String> {
    let (high, low) = (getrandom::u64().map_err(io::Error::other)?, getrandom::u64().map_err(io::Error::other)?);
    Ok(format!("{high:016x}{low:016x}"))
}
