//! What `serve payments` alone takes.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use clap::ValueHint;
use mock_upstreams::payments::{MAX_OBJECTS, Url, has_kind};
use mock_upstreams::{Errors, Latency, Share};

use super::{address, seed};

/// What `serve payments` takes.
#[derive(Debug, clap::Args)]
pub struct ServePayments {
    /// Where to listen; loopback, unless `--allow-remote` is given
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:12111", value_parser = address)]
    pub listen: SocketAddr,
    /// Listen where other machines can reach it, and send events to other machines
    #[arg(long)]
    pub allow_remote: bool,
    /// Draw ids, errors and the fates of events from this seed
    #[arg(long, value_name = "N", default_value = "1", allow_negative_numbers = true, value_parser = seed)]
    pub seed: u64,
    /// Hold so many objects at most, and as many events and idempotency keys besides
    #[arg(long, value_name = "N", default_value_t = MAX_OBJECTS, value_parser = objects)]
    pub max_objects: usize,
    /// From the arrival of a request to its answer: `30ms`, `p50=30ms,p95=120ms` or `p50=30ms,p99=250ms`
    #[arg(long, value_name = "LATENCY", default_value = "0ms")]
    pub latency: Latency,
    /// Fail so many requests with 500, half of them after their effect: `0.5%`; or by status, `429=1%,503=0.5%`
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = errors)]
    pub errors: Errors,
    /// Where events go, and what becomes of them.
    #[command(flatten)]
    pub webhook: WebhookArgs,
}

/// Where events go.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Webhooks")]
pub struct WebhookArgs {
    /// Send events there: `http://HOST[:PORT][/PATH]`, without TLS
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub webhook: Option<Url>,
    /// Sign events with this; one is drawn from the seed and told if not given
    #[arg(long, value_name = "whsec_…", requires = "webhook", value_parser = secret)]
    pub webhook_secret: Option<String>,
    /// Send these kinds alone, or groups of them: `payment_intent.*,charge.refunded`; all if not given
    #[arg(long, value_name = "KIND,…", requires = "webhook", value_delimiter = ',', value_parser = kind)]
    pub webhook_events: Vec<String>,
    /// From an event to its first delivery: `2s`, or p50 and p95 or p99 as with `--latency`
    #[arg(long, value_name = "LATENCY", requires = "webhook", default_value = "0ms")]
    pub webhook_delay: Latency,
    /// Deliver so many events twice
    #[arg(long, value_name = "SHARE", requires = "webhook", default_value = "0")]
    pub webhook_duplicate: Share,
    /// Deliver so many events 2 s late, so that others overtake them
    #[arg(long, value_name = "SHARE", requires = "webhook", default_value = "0")]
    pub webhook_reorder: Share,
    /// Never deliver so many events
    #[arg(long, value_name = "SHARE", requires = "webhook", default_value = "0")]
    pub webhook_lose: Share,
}

fn objects(text: &str) -> Result<usize, &'static str> {
    let number = text.parse::<NonZeroUsize>().ok().filter(|number| number.get() <= 100_000_000);
    number.map(NonZeroUsize::get).ok_or("a number of objects is a whole one, from 1 to 100000000")
}

/// One that no event has would be waited for in vain.
fn kind(text: &str) -> Result<String, String> {
    if has_kind(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("no event is of the kind `{text}`: docs/PAYMENTS.md, \"Webhooks\", lists them"))
    }
}

fn errors(text: &str) -> Result<Errors, String> {
    let errors: Errors = text.parse().map_err(|error| format!("{error}"))?;
    let is_of_a_processor = errors.statuses().all(|status| status == 429 || status.is_server_error());
    if is_of_a_processor {
        Ok(errors)
    } else {
        Err("a payment processor fails with 429, or with 500 to 599".to_owned())
    }
}

fn secret(text: &str) -> Result<String, &'static str> {
    let is_secret = text.strip_prefix("whsec_").is_some_and(|rest| !rest.is_empty());
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_secret && is_plain {
        Ok(text.to_owned())
    } else {
        Err("a webhook's secret begins with whsec_, and has no blanks")
    }
}
