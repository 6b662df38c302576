//! `farebox load --target`: plays a scenario on a gateway that is not ours. It is known by its HTTP alone: there are no
//! accounts, no books and no cause beyond what its answers say.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use farebox_engine::billing::cause::Kind;
use farebox_engine::model::{Became, Scenario};
use farebox_engine::world::World;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::http::uri::Authority;
use hyper::{Method, Uri};

use super::judged::judge_answers;
use super::load::{ceiling, check_generator, doubt, latency, measured, watched, worthless};
use crate::cli::bounded;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::plan::Plan;
use crate::cli::printer::Printer;
use crate::cli::{args, ci};
use crate::live::generator::dress::Foreign;
use crate::live::generator::{Class, LoadResult, own_keys};
use crate::live::result::{ForeignReport, Seen, Sockets};
use crate::live::stage;
use crate::measure::Latency;
use crate::measure::answers::{Answered, Answers, is_unknown};
use crate::report::about::{Curve, Load};
use crate::report::{hlog, load as page};

/// Why there is no money in the report.
const NO_BOOKS: &str = "the accounts are the gateway's, which this load knows by its answers alone";

/// The longest file of keys, in bytes: so many, and so many more for each consumer.
const KEYS_MOST: u64 = 1 << 20;
/// See [`KEYS_MOST`]: the row of a consumer.
const ROW_MOST: u64 = 1 << 9;
/// The longest body of a request, in bytes.
const BODY_MOST: u64 = 64 << 20;

/// Plays the load of `args` on its target.
pub(super) fn load(mut plan: Plan, args: &args::Load, printer: &mut Printer) -> Result<Verdict, Failure> {
    let url = args.target.target.as_deref().unwrap_or_default();
    let place = Place::read(url)?;
    place.check_allowed(args.target.allow_remote.as_deref())?;
    check_thresholds(&plan.scenario)?;
    check_baselines(&args.live.baselines)?;
    let world = plan.scaled()?;
    let foreign = foreign(&args.target, &place, &world)?;
    let target = place.resolve()?;
    let ceiling = ceiling(&plan, args.self_test)?;
    let (result, lasted) = watched(&plan, &world, printer, |conduct| {
        stage::load_elsewhere(&world, target, foreign, plan.results.jobs, conduct)
    })?;
    let (live, interrupted) = (&world.scenario.live, plan.results.was_interrupted());
    let seen = Seen { live, load: &result, lasted, interrupted, others: Vec::new(), ceiling, is_ours: false };
    let report = ForeignReport { target: url.to_owned(), books: NO_BOOKS, sockets: Sockets::new(&seen) };
    plan.results.add_json("run.json", &report);
    let mut verdict = Verdict::passed();
    let (latency, worth) = (latency(&result), worthless(&report.sockets));
    let mut judgement =
        judge_answers(&mut plan, &answers(&result, &latency), args.live.judging.strict, worth.as_deref(), &mut verdict);
    judgement.about.load = Some(Load {
        worthless: doubt(&report.sockets),
        latency: Curve::of_a_load(&latency),
        sections: page::sections_foreign(&report),
    });
    plan.add_page(&judgement.about, None);
    let text = format!("{}{}", page::render_foreign(&report), judgement.page);
    check_generator(&report.sockets, &mut verdict, printer);
    warn_of_silence(&result, printer);
    plan.results.add("latency.hlog", hlog::of_load(&result, measured(&report.sockets)));
    ci::add(&mut plan, &judgement, None, &[ci::valid_load(&report.sockets)], &mut verdict);
    plan.results.finish(&text, &judgement.with(&report), verdict, printer)
}

fn answers<'a>(result: &LoadResult, latency: &'a BTreeMap<&'static str, Latency>) -> Answers<'a> {
    let answered = result.ends.iter().map(|(ending, calls)| {
        let became = match ending.class {
            Class::Served => Became::Served,
            Class::Refused => Became::Refused,
            Class::Failed => Became::Failed,
        };
        (Answered { became, status: ending.status, kind: ending.kind().map(Kind::name) }, *calls)
    });
    Answers { sent: result.sent, unanswered: result.errors.values().sum(), answered: answered.collect(), latency }
}

/// A gateway that hardly answers has shown that it does not; but mostly it is not the one that was meant.
fn warn_of_silence(load: &LoadResult, printer: &mut Printer) {
    let unanswered: u64 = load.errors.values().sum();
    if let Some((error, _)) = load.errors.iter().max_by_key(|(_, attempts)| **attempts)
        && unanswered > load.answered()
    {
        let (of, error) = (unanswered + load.answered(), error.name());
        printer.warning(&format!(
            "{unanswered} of {of} attempts got no answer, most of them for `{error}`: is it the right target?"
        ));
    }
}

/// A gateway elsewhere cannot be made to play two scenarios in turn: it has the plans that it has.
fn check_baselines(baselines: &args::Baselines) -> Result<(), Failure> {
    if baselines.baseline.is_none() && baselines.save_baseline.is_none() {
        return Ok(());
    }
    let message =
        "a load on a gateway that is not ours has no baseline: it cannot be played in turn with another scenario";
    Err(Failure::new(Exit::Usage, message).hint("judge it by `thresholds`, or leave out `--target`"))
}

/// Refuses what can never be judged before anything is sent.
fn check_thresholds(scenario: &Scenario) -> Result<(), Failure> {
    let unknown = scenario
        .thresholds
        .iter()
        .find_map(|threshold| is_unknown(threshold.measure, &threshold.selector).map(|why| (&threshold.text, why)));
    let Some((threshold, why)) = unknown else { return Ok(()) };
    let message = format!("the threshold `{threshold}` cannot be judged on a gateway that is not ours: {why}");
    Err(Failure::new(Exit::ScenarioWrong, message)
        .hint("leave it out, such as in a variant whose `thresholds` replace these"))
}

// === Where ===

/// A target as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
    /// Without a slash at its end.
    prefix: String,
}

impl Place {
    fn read(url: &str) -> Result<Self, Failure> {
        let wrong = |message: &str| {
            Failure::new(Exit::Usage, format!("--target `{url}`: {message}"))
                .hint("write a URL such as http://127.0.0.1:8080/v1")
        };
        let uri: Uri = url.parse().map_err(|_| wrong("this is no URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(wrong("the generator speaks no TLS").hint(
                    "put a proxy that does on this machine, or load the gateway behind the one that ends its TLS",
                ));
            }
            _ => return Err(wrong("a target begins with `http://`")),
        }
        let authority = uri.authority().ok_or_else(|| wrong("there is no host in it"))?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(wrong("it has a user or a query, which is not sent"));
        }
        // What is no port reads as if there were none.
        let is_port = authority.port_u16().map_or(authority.as_str() == authority.host(), |port| port > 0);
        if !is_port {
            return Err(wrong("its port is none"));
        }
        Ok(Self {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(80),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// What a name or address means without the brackets of IPv6.
    fn bare(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Nobody is loaded by mistake.
    fn check_allowed(&self, allowed: Option<&str>) -> Result<(), Failure> {
        let is_here = self.bare() == "localhost"
            || self.bare().parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        if is_here || allowed.is_some_and(|host| host == self.host || host == self.bare()) {
            return Ok(());
        }
        let message = match allowed {
            Some(host) => format!("--allow-remote names `{host}`, and the target is `{}`", self.host),
            None => format!("the target `{}` is not this machine", self.host),
        };
        Err(Failure::new(Exit::Usage, message).hint(format!(
            "a load harms those who do not expect it; if it is yours, say so with `--allow-remote {}`",
            self.host
        )))
    }

    fn resolve(&self) -> Result<SocketAddr, Failure> {
        let failed = || Failure::new(Exit::Environment, format!("the host `{}` cannot be found", self.host));
        let mut found = (self.bare(), self.port).to_socket_addrs().map_err(|error| failed().because(error))?;
        found.next().ok_or_else(failed)
    }
}

// === As whom ===

fn foreign(args: &args::Target, place: &Place, world: &World) -> Result<Foreign, Failure> {
    let host = args.host.clone().unwrap_or_else(|| match place.port {
        80 => place.host.clone(),
        port => format!("{}:{port}", place.host),
    });
    let keys = match &args.keys {
        Some(file) => keys(file, &args.key_prefix, world)?,
        None if header(&args.key_prefix).is_ok() => own_keys(world, &args.key_prefix),
        None => return Err(Failure::new(Exit::Usage, "--key-prefix has characters that no header may have")),
    };
    check_requests(args, &host)?;
    Ok(Foreign {
        key_header: args.key_header.clone(),
        keys,
        host: header(&host).map_err(|()| Failure::new(Exit::Usage, format!("--host `{host}` is no host")))?,
        prefix: place.prefix.clone(),
        method: args.method.clone(),
        headers: args.header.iter().map(|line| further(line)).collect::<Result<_, _>>()?,
        body: args.body.as_deref().map_or_else(|| Ok(String::new()), body)?,
        is_obeyed: args.obey,
    })
}

/// Refuses requests whose answers could not be read, and headers that would say something twice.
fn check_requests(args: &args::Target, host: &str) -> Result<(), Failure> {
    let wrong = |message: String| Err(Failure::new(Exit::Usage, message));
    let method = args.method.as_str();
    if args.method == Method::HEAD || args.method == Method::CONNECT || method.bytes().any(|it| it.is_ascii_lowercase())
    {
        return wrong(format!("--method {method}: take one whose answers have bodies, in capitals, such as POST"));
    }
    if OWN.contains(&args.key_header) {
        return wrong(format!("--key-header: `{}` is the generator's own", args.key_header));
    }
    let is_key =
        |line: &String| line.split(':').next().is_some_and(|name| args.key_header == *name.trim().to_lowercase());
    if args.header.iter().any(is_key) {
        return wrong(format!("--header: `{}` carries the key; `--key-header` names another", args.key_header));
    }
    if host.parse::<Authority>().is_err() {
        return wrong(format!("--host `{host}` is no host"));
    }
    Ok(())
}

/// Headers that say where a request ends, or goes: they are the generator's own.
const OWN: [HeaderName; 4] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION];

/// A further header, as `NAME: VALUE`.
fn further(line: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    let read =
        line.split_once(':').and_then(|(name, value)| Some((name.trim().parse().ok()?, header(value.trim()).ok()?)));
    let wrong = |message: String| Failure::new(Exit::Usage, message);
    match read {
        Some((name, _)) if OWN.contains(&name) => Err(wrong(format!("--header: `{name}` is the generator's own"))
            .hint("`--host` sets the host; how long a body is follows from `--body`")),
        Some(read) => Ok(read),
        None => {
            Err(wrong(format!("--header `{line}` is no header")).hint("write it as `content-type: application/json`"))
        }
    }
}

/// A body as it was typed, or of the file that it names.
fn body(text: &str) -> Result<String, Failure> {
    let Some(file) = text.strip_prefix('@') else { return Ok(text.to_owned()) };
    if file.is_empty() {
        return Err(Failure::new(Exit::Usage, "--body: `@` names no file").hint(
            "write the name behind it, as in `--body @call.json`; for a body that begins with `@`, put it into a file",
        ));
    }
    bounded::text(Path::new(file), BODY_MOST).map_err(|error| {
        Failure::new(Exit::Environment, format!("cannot read the body in {file}"))
            .because(error)
            .hint("a body is text in UTF-8; for one that begins with `@`, put it into a file")
    })
}

fn header(text: &str) -> Result<HeaderValue, ()> {
    HeaderValue::from_str(text).map_err(|_| ())
}

/// The keys of all consumers, from a file with a row for each.
fn keys(file: &Path, prefix: &str, world: &World) -> Result<Vec<HeaderValue>, Failure> {
    let shown = file.display();
    let most = KEYS_MOST + ROW_MOST * world.consumers().count() as u64;
    let text = bounded::text(file, most)
        .map_err(|error| Failure::new(Exit::Environment, format!("cannot read the keys in {shown}")).because(error))?;
    read_keys(&text, prefix, world).map_err(|problem| {
        Failure::new(Exit::Usage, format!("--keys {shown}: {problem}"))
            .hint("write the columns `consumer` and `key`, with rows such as `startups/17,sk-…`")
    })
}

fn read_keys(text: &str, prefix: &str, world: &World) -> Result<Vec<HeaderValue>, String> {
    let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns = rows.headers().map_err(|error| error.to_string())?.clone();
    let column = |name: &str| {
        columns.iter().position(|column| column == name).ok_or_else(|| format!("there is no column `{name}`"))
    };
    let (consumer, key) = (column("consumer")?, column("key")?);
    let cohorts = &world.scenario.cohorts;
    let mut first = 0_usize;
    let begins = cohorts.iter().map(|cohort| {
        first += cohort.count as usize;
        first - cohort.count as usize
    });
    let begins: Vec<usize> = begins.collect();
    let mut keys: Vec<Option<HeaderValue>> = vec![None; first];
    for row in rows.records() {
        let row = row.map_err(|error| error.to_string())?;
        let line = row.position().map_or(0, csv::Position::line);
        let name = &row[consumer];
        let id: Option<usize> = name.rsplit_once('/').and_then(|(cohort, index)| {
            let cohort = cohorts.iter().position(|known| known.name == cohort)?;
            let index = index.parse().ok().filter(|index: &usize| *index < cohorts[cohort].count as usize)?;
            Some(begins[cohort] + index)
        });
        let id = id.ok_or_else(|| format!("line {line}: the scenario has no consumer `{name}`"))?;
        let value = header(&format!("{prefix}{}", &row[key])).ok().filter(|_| !row[key].is_empty());
        let value =
            value.ok_or_else(|| format!("line {line}: the key of `{name}` is empty, or no header may have it"))?;
        let key: &mut Option<HeaderValue> = &mut keys[id];
        if key.replace(value).is_some() {
            return Err(format!("line {line}: `{name}` has a key already"));
        }
    }
    let name = |id: usize| {
        let cohort = begins.partition_point(|begin| *begin <= id) - 1;
        format!("`{}/{}`", cohorts[cohort].name, id - begins[cohort])
    };
    let missing: Vec<_> = (0..first).filter(|id| keys[*id].is_none()).collect();
    if !missing.is_empty() {
        let first: Vec<_> = missing.iter().take(5).map(|id| name(*id)).collect();
        return Err(format!("{} of {} consumers have no key, such as {}", missing.len(), keys.len(), first.join(", ")));
    }
    Ok(keys.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Place {
        Place::read(url).unwrap_or_else(|failure| panic!("{url}: {failure}"))
    }

    #[test]
    fn a_target_is_a_host_a_port_and_what_stands_before_every_path() {
        let of = |host: &str, port, prefix: &str| Place { host: host.to_owned(), port, prefix: prefix.to_owned() };
        assert_eq!(place("http://127.0.0.1:8080/v1/"), of("127.0.0.1", 8_080, "/v1"));
        assert_eq!(place("http://localhost"), of("localhost", 80, ""));
        assert_eq!(place("http://[::1]:9000/a/b").bare(), "::1");
        for wrong in [
            "",
            "127.0.0.1:80",
            "ftp://127.0.0.1",
            "https://127.0.0.1",
            "http://",
            "http://me@host",
            "http://h/?a=b",
            "http://127.0.0.1:99999",
            "http://127.0.0.1:",
            "http://127.0.0.1:80x",
            "http://127.0.0.1:0",
            "http://[::1]:abc",
        ] {
            assert_eq!(Place::read(wrong).map_err(|failure| failure.exit()), Err(Exit::Usage), "{wrong}");
        }
    }

    #[test]
    fn a_further_header_is_a_name_and_a_value_and_none_of_the_generator_s_own() {
        let (name, value) = further("Content-Type: application/json").unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!((name.as_str(), value.as_bytes()), ("content-type", &b"application/json"[..]));
        for wrong in ["", "x", ": y", "a b: c", "x: a\r\ny: b", "Host: there", "content-length: 5", "connection: close"]
        {
            assert_eq!(further(wrong).map_err(|failure| failure.exit()), Err(Exit::Usage), "{wrong:?}");
        }
    }

    /// Nobody's machine is loaded because its name was nearly right.
    #[test]
    fn another_machine_is_loaded_only_by_its_exact_name() {
        let is_allowed = |url: &str, allowed| place(url).check_allowed(allowed).is_ok();
        for here in ["http://127.0.0.1", "http://127.9.9.9:1", "http://localhost:8080", "http://[::1]"] {
            assert!(is_allowed(here, None), "{here}");
        }
        let there = "http://api.example.com:8080";
        assert!(is_allowed(there, Some("api.example.com")));
        for wrong in [None, Some(""), Some("example.com"), Some("api.example.com:8080"), Some("api.example.com.")] {
            assert!(!is_allowed(there, wrong), "{wrong:?}");
        }
        for near in ["http://localhost.example.com", "http://127.0.0.1.example.com", "http://0.0.0.0", "http://[::]"] {
            assert!(!is_allowed(near, None), "{near}");
        }
        assert!(is_allowed("http://[2001:db8::1]", Some("2001:db8::1")));
    }
}
