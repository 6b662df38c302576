//! `farebox serve`: one role alone, until it is told to stop.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use farebox_engine::billing::cause::Cause;
use farebox_engine::world::World;

use crate::cli::args;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::printer::Printer;
use crate::cli::{interrupt, plan, scenario_file};
use crate::live::accounts::{Logging, WallClock};
use crate::live::gateway::{Gateway, Options, StartError, Time};
use crate::live::stage::raise_descriptor_limit;
use crate::live::upstreams;

/// How often the signal's flag is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long calls in flight are given when the gateway stops.
const GRACE: Duration = Duration::from_secs(5);

/// Serves the gateway of `args`.
pub fn gateway(args: &args::ServeGateway, printer: &mut Printer) -> Result<Verdict, Failure> {
    if !args.listen.ip().is_loopback() {
        return Err(Failure::new(Exit::Usage, format!("`{}` is not a loopback address", args.listen))
            .hint("the consumers' keys can be guessed, so the gateway serves on 127.0.0.1 or [::1] only"));
    }
    let scenario = Arc::new(scenario_file::load(&args.played, printer)?.scenario);
    let world = Arc::new(World::whole(scenario).map_err(plan::overflow)?);
    let interrupted = interrupt::flag()
        .map_err(|error| Failure::new(Exit::Environment, "cannot listen to signals").because(error))?;
    raise_descriptor_limit();
    let gateway = Gateway::start(
        Arc::clone(&world),
        &Options {
            listen: args.listen,
            threads: args.threads,
            upstream: args.upstream,
            time: Time::Wall(Instant::now()),
            logging: Logging::Off,
            token: None,
        },
    )
    .map_err(|error| match error {
        StartError::Overflow(amount) => plan::overflow(amount),
        StartError::Listen(error) => Failure::new(Exit::Environment, "the gateway did not start")
            .because(error)
            .hint("`--listen` takes another address; port 0 finds a free one"),
    })?;
    printer.note(&format!("the gateway listens on {} and forwards to {}", gateway.addr(), args.upstream));
    while !interrupted.load(std::sync::atomic::Ordering::Relaxed) {
        thread::sleep(LOOK);
    }
    let counts = gateway.finish(GRACE, WallClock::now).map_err(plan::overflow)?.counts;
    let refused = Cause::ALL.iter().map(|cause| (cause.name(), counts.causes[cause.index()]));
    let counted = refused.filter(|(_, calls)| *calls > 0).map(|(name, calls)| format!("{name}: {calls}"));
    let lines: Vec<_> = [format!("served: {}", counts.served)].into_iter().chain(counted).collect();
    printer.data(&lines.join("\n"))?;
    Ok(Verdict::passed())
}

/// Serves the upstreams of the scenario of `args`.
pub fn upstreams(args: &args::ServeUpstreams, printer: &mut Printer) -> Result<Verdict, Failure> {
    if !args.listen.ip().to_canonical().is_loopback() && !args.allow_remote {
        return Err(Failure::new(Exit::Usage, format!("`{}` can be reached from other machines", args.listen))
            .hint("listen on 127.0.0.1, or add `--allow-remote`"));
    }
    let mut scenario = scenario_file::load(&args.played, printer)?.scenario;
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    if scenario.cohorts.is_empty() {
        return Err(Failure::new(
            Exit::ScenarioWrong,
            "the scenario has no consumers, whose calls its upstreams draw for",
        ));
    }
    let world = Arc::new(World::whole(Arc::new(scenario)).map_err(plan::overflow)?);
    let interrupted = interrupt::flag()
        .map_err(|error| Failure::new(Exit::Environment, "cannot listen to signals").because(error))?;
    raise_descriptor_limit();
    let server = upstreams::serve(world, args.listen, args.threads).map_err(|error| {
        Failure::new(Exit::Environment, "the upstreams did not start")
            .because(error)
            .hint("`--listen` takes another address; port 0 finds a free one")
    })?;
    printer.note(&format!("the upstreams listen on {}", server.addr()));
    while !interrupted.load(std::sync::atomic::Ordering::Relaxed) {
        thread::sleep(LOOK);
    }
    let counters = server.shutdown(GRACE);
    printer.data(&format!("answered: {}\nabandoned: {}", counters.answered, counters.abandoned))?;
    Ok(Verdict::passed())
}
