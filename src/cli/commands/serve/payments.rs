//! `farebox serve payments`: the mock payment processor alone.

use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::thread;

use mock_upstreams::payments::{PaymentsCounts, PaymentsOptions, PaymentsServer, Webhook, drawn_secret};

use super::address::check_loopback;
use super::files::unheard;
use super::{GRACE, LOOK};
use crate::cli::args;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::interrupt;
use crate::cli::printer::Printer;
use crate::live::stage::raise_descriptor_limit;

/// Serves the payment processor of `args`.
pub fn payments(args: &args::ServePayments, printer: &mut Printer) -> Result<Verdict, Failure> {
    check_remote(args)?;
    let options = options(args);
    let interrupted = interrupt::flag()
        .map_err(|error| Failure::new(Exit::Environment, "cannot listen to signals").because(error))?;
    raise_descriptor_limit();
    let server = PaymentsServer::start(&options);
    let server = server.map_err(|error| unheard("the payment processor", "--listen", error))?;
    printer.address(&format!("the payment processor listens on {}; any key sk_test_… will do", server.addr()));
    if let (Some(webhook), None) = (&options.webhook, &args.webhook.webhook_secret) {
        // A warning, because `--quiet` is to tell it too: nothing can be verified without it.
        printer.warning(&format!("events are signed with {}", webhook.secret));
    }
    while !interrupted.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
    }
    let counts = server.shutdown(GRACE);
    let undelivered =
        options.webhook.as_ref().map_or_else(String::new, |_| format!("\nnot delivered: {}", counts.undelivered));
    let PaymentsCounts { requests, objects, events, .. } = counts;
    printer.data(&format!("requests: {requests}\nobjects: {objects}\nevents: {events}{undelivered}"))?;
    Ok(Verdict::passed())
}

/// Other machines are neither served nor sent to unless that is allowed.
fn check_remote(args: &args::ServePayments) -> Result<(), Failure> {
    check_loopback(args.listen, args.allow_remote)?;
    match args.webhook.webhook.as_ref().filter(|url| !args.allow_remote && !url.is_loopback()) {
        None => Ok(()),
        Some(url) => Err(Failure::new(Exit::Usage, format!("`{url}` is not this machine"))
            .hint("send events to 127.0.0.1 or localhost, or add `--allow-remote`")),
    }
}

fn options(args: &args::ServePayments) -> PaymentsOptions {
    let webhook = args.webhook.webhook.clone().map(|url| Webhook {
        url,
        secret: args.webhook.webhook_secret.clone().unwrap_or_else(|| drawn_secret(args.seed)),
        events: args.webhook.webhook_events.clone(),
        delay: args.webhook.webhook_delay,
        duplicate: args.webhook.webhook_duplicate,
        reorder: args.webhook.webhook_reorder,
        lose: args.webhook.webhook_lose,
        at_once: NonZeroUsize::MIN,
    });
    PaymentsOptions {
        listen: args.listen,
        seed: args.seed,
        max_objects: NonZeroUsize::new(args.max_objects).unwrap_or(NonZeroUsize::MIN),
        max_events: None,
        obey: false,
        latency: args.latency,
        errors: args.errors.clone(),
        webhook,
    }
}
