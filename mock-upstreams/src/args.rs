//! The command line: what was typed, and what it means.

use std::io;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};

use clap::Parser;
use mock_upstreams::{Errors, Latency, MIN_BODY_BYTES, Options, ServiceSpec};

/// Mock services to put behind any API gateway: every request is answered after a latency of your choice.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Args {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9001")]
    listen: SocketAddr,

    /// Threads that serve
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,

    /// Latency of an answer: constant, or log-normal through p50 and p95 or p99
    #[arg(long, value_name = "LATENCY", default_value = "0ms")]
    latency: Latency,

    /// Share of requests that are answered 500, or shares by status: 402=0.1%,500=0.2%
    #[arg(long, value_name = "SHARE", default_value = "0%")]
    errors: Errors,

    /// Requests that are worked on at once; more of them wait in line
    #[arg(long, value_name = "N")]
    capacity: Option<NonZeroU32>,

    /// The same of a service that `mock-outcome` names under `hops`; may be given several times
    #[arg(long, value_name = "NAME=N", value_parser = parse_service)]
    service: Vec<(String, NonZeroU32)>,

    /// Size of the JSON body of an answer, 11 bytes to 16 MiB
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = parse_body_bytes)]
    body_bytes: usize,

    /// Seed of latencies and errors
    #[arg(long, value_name = "SEED", default_value = "1")]
    seed: u64,

    /// Obey the request header `mock-outcome` (latency, hops, status, usage)
    #[arg(long)]
    obey: bool,

    /// Allow to listen on an address that other machines can reach
    #[arg(long)]
    allow_remote: bool,
}

const EXAMPLES: &str = "\
Examples:
  A service that takes 30 ms, and 250 ms once in a hundred:
    mock-upstreams --latency p50=30ms,p99=250ms
  One that fails now and then, with larger answers, on another port:
    mock-upstreams --listen 127.0.0.1:9002 --latency 5ms --errors 0.2% --body-bytes 4096
  One that works on four requests at once, and lets the others wait:
    mock-upstreams --latency 100ms --capacity 4
  One that does what each request says:
    mock-upstreams --obey
    curl -i -H 'mock-outcome: latency_ns=5000000;status=503;usage=tokens:120' localhost:9001
  One that plays a chain of services, of which `ranker` works on four requests at once:
    mock-upstreams --obey --service ranker=4
    curl -i -H 'mock-outcome: hops=search:0:5000000,ranker:1:8000000;status=500' localhost:9001

It listens until SIGINT or SIGTERM. Exit codes: 0 ended by a signal, 1 cannot serve, 2 wrong usage.";

/// Why the mock did not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The address is open to other machines.
    #[error("{0} can be reached from other machines\nhint: listen on 127.0.0.1, or add --allow-remote")]
    Remote(SocketAddr),
    /// The address is taken.
    #[error("{0}\nhint: another process listens there; --listen 127.0.0.1:0 takes a free port")]
    Taken(io::Error),
    /// Whatever else the system refuses.
    #[error("{0}")]
    System(io::Error),
}

impl Failure {
    /// The exit code that the help promises.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Remote(_) => 2,
            Self::Taken(_) | Self::System(_) => 1,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::AddrInUse { Self::Taken(error) } else { Self::System(error) }
    }
}

impl Args {
    /// What was typed, as the server takes it. Refuses an address open to other machines unless that was allowed.
    pub(crate) fn options(self) -> Result<Options, Failure> {
        if !self.listen.ip().to_canonical().is_loopback() && !self.allow_remote {
            return Err(Failure::Remote(self.listen));
        }
        Ok(Options {
            listen: self.listen,
            threads: self.threads,
            service: ServiceSpec {
                latency: self.latency,
                errors: self.errors,
                capacity: self.capacity,
                named: self.service.into_iter().collect(),
                body_bytes: self.body_bytes,
                seed: self.seed,
            },
            obey: self.obey,
        })
    }
}

fn parse_service(text: &str) -> Result<(String, NonZeroU32), String> {
    let parts = text.split_once('=').filter(|(name, _)| mock_upstreams::command::is_name(name));
    let parsed = parts.and_then(|(name, capacity)| Some((name.to_owned(), capacity.parse().ok()?)));
    parsed.ok_or_else(|| "expected a name and a number of at least 1, such as `ranker=4`".to_owned())
}

const MAX_BODY_BYTES: usize = 16 << 20;

fn parse_body_bytes(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|bytes| (MIN_BODY_BYTES..=MAX_BODY_BYTES).contains(bytes));
    bytes.ok_or_else(|| format!("expected a number from {MIN_BODY_BYTES} to {MAX_BODY_BYTES}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        let words = ["mock-upstreams"].into_iter().chain(line.split_whitespace());
        let args = Args::try_parse_from(words).map_err(|error| error.to_string())?;
        args.options().map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_flag_arrives() {
        let line = "--listen [::1]:9002 --threads 2 --latency p50=30ms,p99=250ms --errors 402=0.2% --body-bytes 4096 \
                    --seed 7 --obey --service ranker=4";
        let expected = Options {
            listen: "[::1]:9002".parse().unwrap(),
            threads: NonZeroUsize::new(2).unwrap(),
            service: ServiceSpec {
                latency: "p50=30ms,p99=250ms".parse().unwrap(),
                errors: "402=0.2%".parse().unwrap(),
                capacity: None,
                named: [("ranker".to_owned(), NonZeroU32::new(4).unwrap())].into(),
                body_bytes: 4096,
                seed: 7,
            },
            obey: true,
        };
        assert_eq!(options(line), Ok(expected));
    }

    #[test]
    fn the_defaults_are_those_of_the_library_on_a_port_of_its_own() {
        let listen = "127.0.0.1:9001".parse().unwrap();
        assert_eq!(options(""), Ok(Options { listen, ..Options::default() }));
    }

    #[test]
    fn an_address_open_to_others_must_be_allowed() {
        for remote in ["0.0.0.0:9001", "[::]:9001", "192.0.2.1:9001"] {
            let refusal = options(&format!("--listen {remote}")).unwrap_err();
            assert!(refusal.starts_with(&format!("{remote} can be reached from other machines")), "{refusal}");
            assert!(options(&format!("--listen {remote} --allow-remote")).is_ok());
        }
        assert!(options("--listen [::ffff:127.0.0.1]:9001").is_ok());
    }

    #[test]
    fn what_is_wrong_is_said_beside_the_flag() {
        let cases = [
            ("--threads 0", "invalid value '0' for '--threads <N>'"),
            ("--body-bytes 10", "expected a number from 11 to 16777216"),
            ("--latency 30", "`30` is not a duration: expected a number and its unit"),
            ("--service ranker", "expected a name and a number of at least 1"),
            ("--service ranker=0", "expected a name and a number of at least 1"),
            ("--errors 101%", "`101%` is not a share: expected a percentage"),
            ("--errors 402=60%,500=60%", "the shares sum to more than 100%"),
        ];
        for (line, message) in cases {
            let error = options(line).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
