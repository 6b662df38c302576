//! The command line: what was typed, and what it means.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use clap::{Parser, ValueHint};
use mock_upstreams::config::MAX_BYTES;
use mock_upstreams::{
    ChatSpec, Config, ConfigError, Errors, Faults, Latency, MAX_BODY_BYTES, MIN_BODY_BYTES, Options, Pace, ServiceSpec,
    Tokens, Told,
};

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

    /// Services by name, from a YAML file (docs/UPSTREAMS.md); it says all of them, so no flag does
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = OF_THE_SERVICE)]
    config: Option<PathBuf>,

    /// Latency of an answer: constant, or log-normal through p50 and p95 or p99
    #[arg(long, value_name = "LATENCY", default_value = "0ms")]
    latency: Latency,

    /// Share of requests that are answered 500, or shares by status: 402=0.1%,500=0.2%
    #[arg(long, value_name = "SHARE", default_value = "0%")]
    errors: Errors,

    #[arg(long, value_name = "FAULT=SHARE,…", help = FAULTS_HELP)]
    faults: Option<Faults>,

    /// Requests that are worked on at once; more of them wait in line
    #[arg(long, value_name = "N")]
    capacity: Option<NonZeroU32>,

    /// The same of a service that `mock-outcome` names under `hops`; may be given several times
    #[arg(long, value_name = "NAME=N", value_parser = parse_service)]
    service: Vec<(String, NonZeroU32)>,

    /// Size of the JSON body of an answer, 11 bytes to 16 MiB
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = parse_body_bytes)]
    body_bytes: usize,

    /// Time to the first token of a chat completion, written as --latency; without it, --latency
    #[arg(long, value_name = "LATENCY")]
    first_token: Option<Latency>,

    /// Tokens a second of a chat completion after its first; without it, all come at once
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    tokens_per_second: Option<Pace>,

    /// Tokens of a chat completion whose request sets no limit: a number, or two points of a log-normal
    #[arg(long, value_name = "TOKENS", default_value = "p50=120,p99=900")]
    output_tokens: Tokens,

    /// What a chat completion says of its usage: normal, absent, zero, or cut off before it
    #[arg(long, value_name = "HOW", default_value = "normal")]
    usage: Told,

    /// Seed of all that is drawn
    #[arg(long, value_name = "SEED", default_value = "1")]
    seed: u64,

    /// Obey the request header `mock-outcome` (latency, hops, status, usage, faults)
    #[arg(long)]
    obey: bool,

    /// Allow to listen on an address that other machines can reach
    #[arg(long)]
    allow_remote: bool,
}

const FAULTS_HELP: &str = "Shares of requests that meet faults: stall, reset, half_header, garbage, endless, huge, cut";

/// The flags that say what a file says.
const OF_THE_SERVICE: [&str; 10] = [
    "latency",
    "errors",
    "faults",
    "capacity",
    "service",
    "body_bytes",
    "first_token",
    "tokens_per_second",
    "output_tokens",
    "usage",
];

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
  One in a thousand requests hangs, one in a thousand is reset:
    mock-upstreams --faults stall=0.1%,reset=0.1%
  A model behind the OpenAI API's chat completions, 300 ms to the first token and 40 a second then:
    mock-upstreams --first-token 300ms --tokens-per-second 40
    curl -N localhost:9001/v1/chat/completions -d '{
      \"model\": \"mock\", \"stream\": true, \"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}'
  Several services that call each other, from a file; the first segment of the path names one:
    mock-upstreams --config services.yaml
    curl -i localhost:9001/search/documents

/echo answers with the request itself, /healthz with what has been counted.
It listens until SIGINT or SIGTERM. Exit codes: 0 ended by a signal, 1 cannot serve, 2 wrong usage.";

/// Why the mock did not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The address is open to other machines.
    #[error("{0} can be reached from other machines\nhint: listen on 127.0.0.1, or add --allow-remote")]
    Remote(SocketAddr),
    /// The file of services cannot be read.
    #[error("cannot read `{0}`: {1}")]
    Unreadable(PathBuf, io::Error),
    /// The file of services is wrong.
    #[error("{0}:{1}\nhint: docs/UPSTREAMS.md has the keys of the file")]
    Config(PathBuf, ConfigError),
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
            Self::Remote(_) | Self::Config(..) => 2,
            Self::Unreadable(..) | Self::Taken(_) | Self::System(_) => 1,
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
        let (service, services) = match &self.config {
            Some(file) => read(file)?.seeded(self.seed),
            None => (self.service_spec(), BTreeMap::new()),
        };
        Ok(Options {
            listen: self.listen,
            threads: self.threads,
            service,
            services,
            endpoints: true,
            obey: self.obey,
            director: None,
        })
    }

    /// The service that the flags describe.
    fn service_spec(&self) -> ServiceSpec {
        let chat = ChatSpec {
            first_token: self.first_token.unwrap_or(self.latency),
            pace: self.tokens_per_second,
            output_tokens: self.output_tokens,
            told: self.usage,
        };
        ServiceSpec {
            latency: self.latency,
            errors: self.errors.clone(),
            faults: self.faults.clone().unwrap_or_default(),
            capacity: self.capacity,
            named: self.service.iter().cloned().collect(),
            body_bytes: self.body_bytes,
            chat: Some(chat),
            calls: Vec::new(),
            seed: self.seed,
        }
    }
}

fn read(file: &Path) -> Result<Config, Failure> {
    let mut text = String::new();
    // One byte more than a file may have, so that a longer one is refused, and an endless one too.
    let opened = File::open(file).map(|opened| opened.take(MAX_BYTES as u64 + 1));
    let read = opened.and_then(|mut opened| opened.read_to_string(&mut text));
    read.map_err(|error| Failure::Unreadable(file.to_owned(), error))?;
    Config::parse(&text).map_err(|error| Failure::Config(file.to_owned(), error))
}

fn parse_service(text: &str) -> Result<(String, NonZeroU32), String> {
    let parts = text.split_once('=').filter(|(name, _)| mock_upstreams::command::is_name(name));
    let parsed = parts.and_then(|(name, capacity)| Some((name.to_owned(), capacity.parse().ok()?)));
    parsed.ok_or_else(|| "expected a name and a number of at least 1, such as `ranker=4`".to_owned())
}

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
    fn every_flag_is_documented() {
        let documentation = include_str!("../../docs/UPSTREAMS.md");
        for flag in Args::command().get_arguments().filter_map(clap::Arg::get_long) {
            let row = [" ", "`"].map(|end| documentation.contains(&format!("\n| `--{flag}{end}")));
            assert!(row.contains(&true), "docs/UPSTREAMS.md does not have `--{flag}`");
        }
    }

    #[test]
    fn every_flag_arrives() {
        let line = "--listen [::1]:9002 --threads 2 --latency p50=30ms,p99=250ms --errors 402=0.2% --body-bytes 4096 \
                    --seed 7 --obey --service ranker=4 --faults stall=1% --first-token 300ms --tokens-per-second 40 \
                    --output-tokens 70 --usage zero";
        let expected = Options {
            listen: "[::1]:9002".parse().unwrap(),
            threads: NonZeroUsize::new(2).unwrap(),
            service: ServiceSpec {
                latency: "p50=30ms,p99=250ms".parse().unwrap(),
                errors: "402=0.2%".parse().unwrap(),
                capacity: None,
                named: [("ranker".to_owned(), NonZeroU32::new(4).unwrap())].into(),
                faults: "stall=1%".parse().unwrap(),
                chat: Some(ChatSpec {
                    first_token: "300ms".parse().unwrap(),
                    pace: Some("40".parse().unwrap()),
                    output_tokens: "70".parse().unwrap(),
                    told: Told::Zero,
                }),
                calls: Vec::new(),
                body_bytes: 4096,
                seed: 7,
            },
            services: BTreeMap::new(),
            endpoints: true,
            obey: true,
            director: None,
        };
        assert_eq!(options(line), Ok(expected));
    }

    #[test]
    fn the_defaults_are_those_of_the_library_on_a_port_of_its_own_with_all_endpoints() {
        let listen = "127.0.0.1:9001".parse().unwrap();
        let service = ServiceSpec { chat: Some(ChatSpec::default()), ..ServiceSpec::default() };
        assert_eq!(options(""), Ok(Options { listen, service, endpoints: true, ..Options::default() }));
    }

    #[test]
    fn the_first_token_takes_as_long_as_any_answer_unless_it_is_said() {
        let chat = options("--latency 5ms").unwrap().service.chat.unwrap();
        assert_eq!(chat.first_token, "5ms".parse().unwrap());
    }

    #[test]
    fn a_file_says_all_of_the_services() {
        for flag in OF_THE_SERVICE {
            let value = match flag {
                "errors" | "latency" => "0ms",
                "faults" => "cut=1%",
                "service" => "ranker=4",
                "usage" => "zero",
                _ => "64",
            };
            let value = if flag == "errors" || flag == "first_token" { "0" } else { value };
            let value = if flag == "first_token" { "0ms" } else { value };
            let line = format!("--config services.yaml --{} {value}", flag.replace('_', "-"));
            let error = options(&line).unwrap_err();
            assert!(error.contains("cannot be used with"), "{error}");
        }
        let endless = options("--config /dev/zero").unwrap_err();
        assert!(endless.starts_with("/dev/zero:1:1: the file has more than 1048576 bytes\nhint: "), "{endless}");
        let error = options("--config /no/such/file.yaml").unwrap_err();
        assert!(error.starts_with("cannot read `/no/such/file.yaml`: "), "{error}");
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
            ("--faults slow=1%", "`slow=1%` is not a fault and its share"),
            ("--tokens-per-second 0", "expected a number of tokens a second"),
            ("--output-tokens 0", "`0` is not a number of tokens"),
            ("--usage none", "expected normal, absent, zero or cut"),
        ];
        for (line, message) in cases {
            let error = options(line).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
