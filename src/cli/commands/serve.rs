//! `farebox serve`: one role alone, until it is told to stop.

use std::fs;
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
use crate::live::gateway::admin::Admin;
use crate::live::gateway::{Front, Gateway, Options, StartError, Time};
use crate::live::stage::{raise_descriptor_limit, token};
use crate::live::upstreams;

/// How often the signal's flag is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long requests that are being answered are given when the upstreams stop.
const GRACE: Duration = Duration::from_secs(5);

/// Serves the gateway of `args`.
pub fn gateway(args: &args::ServeGateway, printer: &mut Printer) -> Result<Verdict, Failure> {
    let remote = [Some(args.listen), args.admin].into_iter().flatten().find(|address| !address.ip().is_loopback());
    match remote {
        Some(address) if !args.allow_remote => {
            return Err(Failure::new(Exit::Usage, format!("`{address}` is not a loopback address")).hint(
                "the consumers' keys can be guessed, so the gateway serves on 127.0.0.1 or [::1] unless \
                 `--allow-remote` is given",
            ));
        }
        Some(address) => printer.warning(&format!(
            "`{address}` can be reached by other machines, and the consumers' keys (key-000000, key-000001, …) can be guessed"
        )),
        None => {}
    }
    let token = args.admin.map(|_| admin_token(args)).transpose()?;
    let scenario = Arc::new(scenario_file::load(&args.played, printer)?.scenario);
    let world = Arc::new(World::whole(scenario).map_err(plan::overflow)?);
    let interrupted = interrupt::flag()
        .map_err(|error| Failure::new(Exit::Environment, "cannot listen to signals").because(error))?;
    raise_descriptor_limit();
    let gateway = Gateway::start_before(
        Arc::clone(&world),
        &Options {
            listen: args.listen,
            threads: args.threads,
            upstream: args.upstream,
            time: Time::Wall(Instant::now()),
            logging: Logging::Off,
            token: None,
        },
        Front { measures: args.admin.is_some(), ..args.limits.front() },
    )
    .map_err(|error| match error {
        StartError::Overflow(amount) => plan::overflow(amount),
        StartError::Listen(error) => Failure::new(Exit::Environment, "the gateway did not start")
            .because(error)
            .hint("`--listen` takes another address; port 0 finds a free one"),
    })?;
    let admin = match (args.admin, &token) {
        (Some(listen), Some(token)) => Some(Admin::start(&gateway, listen, token).map_err(|error| {
            Failure::new(Exit::Environment, "the admin listener did not start")
                .because(error)
                .hint("`--admin` takes another address; port 0 finds a free one")
        })?),
        _ => None,
    };
    printer.note(&format!("the gateway listens on {} and forwards to {}", gateway.addr(), args.upstream));
    if let (Some(admin), Some(token)) = (&admin, &token) {
        printer.note(&format!("health, metrics and accounts are on {}", admin.addr()));
        if args.admin_token_file.is_none() {
            // A warning, because `--quiet` is to tell it too: it is told this once.
            printer.warning(&format!("the admin token is {token}; who has it may change accounts"));
        }
    }
    while !interrupted.load(std::sync::atomic::Ordering::Relaxed) {
        thread::sleep(LOOK);
    }
    if let Some(admin) = admin {
        admin.stop();
    }
    let counts = gateway.finish(args.drain, WallClock::now).map_err(plan::overflow)?.counts;
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

/// The shortest admin token that a file may hold, in characters.
const TOKEN_LEAST: usize = 16;

/// The token of the file that is named, or one that nobody can guess.
fn admin_token(args: &args::ServeGateway) -> Result<String, Failure> {
    let Some(path) = &args.admin_token_file else {
        return token().map_err(|error| Failure::new(Exit::Environment, "cannot make an admin token").because(error));
    };
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::Environment, format!("cannot read `{shown}`")).because(error))?;
    let token = text.trim();
    if token.len() < TOKEN_LEAST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::new(Exit::Usage, format!("`{shown}` holds no admin token"))
            .hint(format!("a token is one line of at least {TOKEN_LEAST} printable characters of ASCII")));
    }
    Ok(token.to_owned())
}
