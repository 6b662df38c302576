//! `farebox serve`: one role alone, until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use farebox_engine::billing::cause::Cause;
use farebox_engine::world::World;
use mock_upstreams::host::{Tls, TlsError};

use crate::cli::args;
use crate::cli::bounded;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::printer::Printer;
use crate::cli::{interrupt, plan, scenario_file};
use crate::live::accounts::{Logging, WallClock};
use crate::live::gateway::admin::Admin;
use crate::live::gateway::{Front, Gateway, Options, StartError, Time};
use crate::live::stage::{raise_descriptor_limit, token};
use crate::live::upstreams;

mod address;
mod files;
pub mod payments;

use address::{check_loopback, check_upstream, is_loopback};
use files::{Files, unheard};

/// How often the signal's flag is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long requests that are being answered are given when the upstreams stop.
const GRACE: Duration = Duration::from_secs(5);

/// Serves the gateway of `args`.
pub fn gateway(args: &args::ServeGateway, printer: &mut Printer) -> Result<Verdict, Failure> {
    check_addresses(args, printer)?;
    let tls = tls(args)?;
    let token = args.admin.map(|_| admin_token(args)).transpose()?;
    let scenario = Arc::new(scenario_file::load(&args.played, printer)?.scenario);
    // Who calls here is software of its own, and buys credit as it likes.
    let world = Arc::new(World::whole(scenario).map_err(plan::overflow)?.without_software());
    let interrupted = interrupt::flag()
        .map_err(|error| Failure::new(Exit::Environment, "cannot listen to signals").because(error))?;
    let mut front = Front { measures: args.admin.is_some(), ..args.limits.front() };
    let threads = args.threads.get() + usize::from(args.admin.is_some());
    let mut files = Files::share_out(raise_descriptor_limit(), threads, args.threads, &mut front);
    let with_tls = if tls.is_some() { " with TLS" } else { "" };
    let gateway = Gateway::start_with(
        Arc::clone(&world),
        &Options {
            listen: args.listen,
            threads: args.threads,
            upstream: args.upstream,
            time: Time::Wall(Instant::now()),
            logging: Logging::Off,
            token: None,
        },
        front,
        tls,
    )
    .map_err(|error| match error {
        StartError::Overflow(amount) => plan::overflow(amount),
        StartError::Listen(error) => unheard("the gateway", "--listen", error),
    })?;
    let admin = match (args.admin, &token) {
        (Some(listen), Some(token)) => {
            let admin = Admin::start(&gateway, listen, token);
            Some(admin.map_err(|error| unheard("the admin listener", "--admin", error))?)
        }
        _ => None,
    };
    let listens = format!("the gateway listens on {}{with_tls}", gateway.addr());
    printer.address(&format!("{listens} and forwards to {}", args.upstream));
    if let (Some(admin), Some(token)) = (&admin, &token) {
        printer.address(&format!("health, metrics and accounts are on {}", admin.addr()));
        if args.admin_token_file.is_none() {
            // A warning, because `--quiet` is to tell it too: it is told this once.
            printer.warning(&format!("the admin token is {token}; who has it may change accounts"));
        }
    }
    while !interrupted.load(Ordering::Relaxed) {
        if let Some(said) = files.says(gateway.connections()) {
            printer.warning(&said);
        }
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

/// Refuses what other machines reach unless that is allowed, and warns of it where it is; and an upstream that is the gateway.
fn check_addresses(args: &args::ServeGateway, printer: &mut Printer) -> Result<(), Failure> {
    let listeners: Vec<_> = [Some(args.listen), args.admin].into_iter().flatten().collect();
    for address in &listeners {
        check_loopback(*address, args.allow_remote).map_err(|failure| {
            failure.hint(
                "the consumers' keys can be guessed, so the gateway serves on 127.0.0.1 or [::1] unless \
                 `--allow-remote` is given",
            )
        })?;
    }
    check_upstream(args.upstream, &listeners)?;
    if let Some(address) = listeners.iter().find(|address| !is_loopback(**address)) {
        printer.warning(&format!(
            "`{address}` can be reached by other machines, and the consumers' keys (key-000000, key-000001, …) can be guessed"
        ));
    }
    Ok(())
}

/// Serves the upstreams of the scenario of `args`.
pub fn upstreams(args: &args::ServeUpstreams, printer: &mut Printer) -> Result<Verdict, Failure> {
    check_loopback(args.listen, args.allow_remote)?;
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
    let server = upstreams::serve(world, args.listen, args.threads);
    let server = server.map_err(|error| unheard("the upstreams", "--listen", error))?;
    printer.address(&format!("the upstreams listen on {}", server.addr()));
    while !interrupted.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
    }
    let counters = server.shutdown(GRACE);
    printer.data(&format!("answered: {}\nabandoned: {}", counters.answered, counters.abandoned))?;
    Ok(Verdict::passed())
}

/// What clients are shown, if they are to speak TLS.
fn tls(args: &args::ServeGateway) -> Result<Option<Tls>, Failure> {
    let (Some(certificates), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(None) };
    Tls::read(certificates, key).map(Some).map_err(|error| match error {
        TlsError::Unreadable(path, error) => {
            Failure::new(Exit::Environment, format!("cannot read `{}`", path.display())).because(error)
        }
        TlsError::Unusable(error) => Failure::new(Exit::Usage, "the key cannot be used")
            .because(error)
            .hint("keys are RSA of 2048 to 8192 bits, ECDSA over P-256 or P-384, or Ed25519"),
        error @ TlsError::Locked(_) => Failure::new(Exit::Usage, error.to_string())
            .hint("nobody is there to type it: write the key without one with `openssl pkey -in OLD -out NEW`, and keep that file to yourself"),
        error => Failure::new(Exit::Usage, error.to_string()).hint(
            "`--tls-cert` takes PEM certificates, the gateway's own first, and `--tls-key` the key of that one",
        ),
    })
}

/// The longest file that is read for an admin token, in bytes.
const TOKEN_FILE_MOST: u64 = 64 << 10;
/// The shortest admin token that a file may hold, in characters.
const TOKEN_LEAST: usize = 16;

/// The token of the file that is named, or one that nobody can guess.
fn admin_token(args: &args::ServeGateway) -> Result<String, Failure> {
    let Some(path) = &args.admin_token_file else {
        return token().map_err(|error| Failure::new(Exit::Environment, "cannot make an admin token").because(error));
    };
    let shown = path.display();
    let text = bounded::text(path, TOKEN_FILE_MOST)
        .map_err(|error| Failure::new(Exit::Environment, format!("cannot read `{shown}`")).because(error))?;
    let token = text.trim();
    if token.len() < TOKEN_LEAST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::new(Exit::Usage, format!("`{shown}` holds no admin token"))
            .hint(format!("a token is one line of at least {TOKEN_LEAST} printable characters of ASCII")));
    }
    Ok(token.to_owned())
}
