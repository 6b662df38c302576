//! Everything that one load needs on loopback: a mock upstream, a mock payment processor where anybody can be charged, the
//! gateway, who asks the processor for what its accounts want, and a token that only this run knows.

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
use farebox_engine::time::{Now, Span, Time};
use farebox_engine::world::World;
use farebox_engine::world::outside::Hears;
use mock_upstreams::payments::Webhook;
use mock_upstreams::{Latency, PaymentsOptions, PaymentsServer, Server, ServiceSpec, Share};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::accounts::{Accounts, Logging, WallClock};
use super::collector::reconcile::Reconciled;
use super::collector::{self, CollectError, Collector, Desk, Ended};
use super::gateway::{self, Counts, Finished, Front, Gateway, StartError};
use super::generator::dress::{Dress, Foreign};
use super::generator::null::{self, Ceiling, NoCeiling};
use super::generator::watch::Watch;
use super::generator::{self, LoadResult, Role, Shares, Worked};
use super::lockstep::{self, OutOfStep};
use super::webhooks::notice::KINDS;
use super::webhooks::receiver::Receiver;
use super::webhooks::signature::{TOLERANCE, Verifier};
use crate::control::Control;

/// How long after everything is set up the load begins.
const HEAD_START: Duration = Duration::from_millis(20);
/// How long the gateway may take to end what is in flight when the load is over.
const GRACE: Duration = Duration::from_secs(5);

/// The generator's, the gateway's to it, the gateway's to the upstream, the upstream's: all are in this process.
pub const DESCRIPTORS_PER_CALL: u64 = 4;
/// The collector's and the payment processor's, where anybody can be charged.
pub const DESCRIPTORS_TO_COLLECT: u64 = 2 * (collector::AT_ONCE + WEBHOOKS_AT_ONCE.get()) as u64;
/// Webhooks under way at once, each over a connection of its own: so many that none waits for the answer to another.
const WEBHOOKS_AT_ONCE: NonZeroUsize = NonZeroUsize::new(8).unwrap();
/// Payments, cards and charges that the processor of a load holds at most: what memory bears.
const PAYMENTS_MOST: NonZeroUsize = NonZeroUsize::new(30_000_000).unwrap();
/// Events that it holds at most, and deliveries that wait: those alone that no webhook has told yet, or that were lost. Each
/// takes 1 to 2 kB, so it is two gigabytes at worst, and one payment in thirty may be lost of the most that it holds.
const EVENTS_MOST: NonZeroUsize = NonZeroUsize::new(1_000_000).unwrap();
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
    /// The mock payment processor takes no charges.
    #[error(transparent)]
    Collect(#[from] CollectError),
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
    /// The books beside what the payment processor holds; `None` where nobody can be charged.
    pub reconciled: Option<Reconciled>,
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
    /// The books beside what the payment processor holds; `None` where nobody can be charged.
    pub reconciled: Option<Reconciled>,
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
    let (Finished { histories, end, counts }, reconciled) = stage.close(WallClock::now)?;
    let interrupted = conduct.control.is_canceled();
    Ok(FreeRun { load, counts, histories, end, interrupted, lasted, worked, reconciled })
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
    let (Finished { histories, .. }, reconciled) = stage.close(|_| world.end())?;
    Ok(Lockstep { out_of_step, histories, reconciled })
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
    payments: Option<Payments>,
    token: String,
}

/// The payment processor of a load, and who asks it.
struct Payments {
    server: PaymentsServer,
    /// Where its webhooks come to, if it sends any.
    receiver: Option<Receiver>,
    accounts: Arc<Accounts>,
    collector: Collector,
    is_by_the_wall: bool,
}

impl Stage {
    fn open(
        world: &Arc<World>,
        time: gateway::Time,
        threads: NonZeroUsize,
        connections: usize,
    ) -> Result<Self, LiveError> {
        let to_collect = if world.charges() { DESCRIPTORS_TO_COLLECT } else { 0 };
        check_descriptors(connections as u64 * DESCRIPTORS_PER_CALL + to_collect + DESCRIPTORS_BESIDE)?;
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
        let payments = if world.charges() { Some(Payments::open(world, time)?) } else { None };
        let accounts = match &payments {
            Some(payments) => Arc::clone(&payments.accounts),
            None => Arc::new(Accounts::open(Arc::clone(world), options.logging)?),
        };
        let gateway = Gateway::start_on(accounts, &options, Front::TRUSTING, None)?;
        Ok(Self { gateway, upstream, payments, token })
    }

    /// Ends the gateway first, so that its exchanges still reach the upstream; then what is under way to the processor.
    fn close(self, end: impl FnOnce(&WallClock) -> Now) -> Result<(Finished, Option<Reconciled>), LiveError> {
        let Self { gateway, upstream, payments, .. } = self;
        let stopped = gateway.stop(GRACE);
        upstream.shutdown(Duration::ZERO);
        let end = end(stopped.clock());
        let Some(payments) = payments else { return Ok((stopped.close(end)?, None)) };
        let (end, reconciled) = payments.close(end)?;
        Ok((stopped.close(end)?, Some(reconciled)))
    }
}

impl Payments {
    /// A processor that answers what the model draws, and who asks it for what accounts want: in lockstep they hear when
    /// the twin does, else when the answer comes.
    fn open(world: &Arc<World>, time: gateway::Time) -> Result<Self, LiveError> {
        let (desk, tasks) = Desk::new();
        let (receiver, webhook) = match hears_by_webhook(world, &desk)? {
            Some((receiver, webhook)) => (Some(receiver), Some(webhook)),
            None => (None, None),
        };
        let options = PaymentsOptions {
            obey: true,
            max_objects: PAYMENTS_MOST,
            max_events: Some(EVENTS_MOST),
            webhook,
            ..Default::default()
        };
        let server = PaymentsServer::start(&options)?;
        let (hears, clock) = match time {
            gateway::Time::Wall(origin) => {
                (Hears::ByTheWall, Some(WallClock::starting(origin, world.schedule.pace().clock)))
            }
            gateway::Time::Lockstep => (Hears::InTurn, None),
        };
        let accounts = Accounts::open_outside(Arc::clone(world), Logging::Full, hears, desk.clone())?;
        let accounts = Arc::new(accounts);
        let options = collector::Options { processor: server.addr(), run: token()?, clock, to_end: collector::TO_END };
        let collector = Collector::start(Arc::clone(&accounts), desk, tasks, options)?;
        Ok(Self { server, receiver, accounts, collector, is_by_the_wall: clock.is_some() })
    }

    /// Ends what is under way, when nobody calls any more; says when the accounts end, and whether the processor holds
    /// what their books say. In lockstep they end when the twins do, and come there through the sockets.
    fn close(self, end: Now) -> Result<(Now, Reconciled), LiveError> {
        let Self { server, receiver, accounts, collector, is_by_the_wall } = self;
        let end = if is_by_the_wall {
            let Now { traffic, billing } = collector.freeze()?;
            let instant = Span::from_ns(1);
            Now { traffic: traffic + instant, billing: billing + instant }
        } else {
            end
        };
        accounts.play_to(end)?;
        let finished = collector.finish();
        let captures = server.captures();
        server.shutdown(Duration::ZERO);
        drop(receiver);
        let Ended { asked, unanswered } = finished?;
        let found = Reconciled::of(&accounts.collected(), &captures, accounts.world().scenario.currency);
        Ok((end, Reconciled { asked, unanswered, ..found }))
    }
}

/// Where webhooks come to, and which the processor is to send, where the scenario says anything of them. How late each is,
/// how often it comes and whether it is lost is drawn at the address of its payment, and told with what is asked for.
fn hears_by_webhook(world: &World, desk: &Desk) -> io::Result<Option<(Receiver, Webhook)>> {
    if !world.scenario.payments.webhooks.asks() {
        return Ok(None);
    }
    let (desk, secret) = (desk.clone(), format!("whsec_{}", token()?));
    let receiver = Receiver::start(Verifier::new(&secret, TOLERANCE), move |notice| desk.told(notice))?;
    let webhook = Webhook {
        url: receiver.url().parse().map_err(io::Error::other)?,
        secret,
        events: KINDS.map(str::to_owned).into(),
        delay: Latency::ZERO,
        duplicate: Share::NONE,
        reorder: Share::NONE,
        lose: Share::NONE,
        at_once: WEBHOOKS_AT_ONCE,
    };
    Ok(Some((receiver, webhook)))
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
