//! Everything that one load needs on loopback: a mock upstream, the gateway, and a token that only this run knows.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use farebox_engine::log::{self, History};
use farebox_engine::model::{Scenario, Upstream};
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
use super::generator::{self, LoadResult};
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
    let threads = at_most_cores(threads);
    let origin = Instant::now() + HEAD_START;
    let live = &world.scenario.live;
    let stage = Stage::open(world, gateway::Time::Wall(origin), threads, live.connections as usize)?;
    let options = generator::Options {
        target: stage.gateway.addr(),
        threads,
        connections: live.connections,
        in_flight: live.in_flight,
        origin,
        token: stage.token.clone(),
    };
    let load = generator::load(world, &options, control)?;
    let Finished { histories, end, counts } = stage.close(WallClock::now)?;
    Ok(FreeRun { load, counts, histories, end, interrupted: control.is_canceled() })
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
        let (needed, allowed) =
            (connections as u64 * DESCRIPTORS_PER_CALL + DESCRIPTORS_BESIDE, raise_descriptor_limit());
        if needed > allowed {
            return Err(LiveError::Descriptors { needed, allowed });
        }
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
fn token() -> io::Result<String> {
    let (high, low) = (getrandom::u64().map_err(io::Error::other)?, getrandom::u64().map_err(io::Error::other)?);
    Ok(format!("{high:016x}{low:016x}"))
}
