//! `farebox doctor`: whether this machine can carry a load, and what to change where it cannot.
//!
//! Each check says what it found, even when all is well. Where a fact cannot be had, as outside of Linux, the check says
//! that it does not know instead of guessing.

use std::error::Error as _;
use std::fmt::{self, Write as _};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use farebox_engine::model::Scenario;
use farebox_engine::money::thousands;
use farebox_engine::time::Span;
use mock_upstreams::Timer;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_getres};
use serde::Serialize;
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;

use super::load::{SELF_TEST, said_of};
use crate::cli::args::{self, Format};
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::printer::Printer;
use crate::cli::scenario_file;
use crate::control::Control;
use crate::forecast::text::length;
use crate::live::stage::{self, DESCRIPTORS_BESIDE, DESCRIPTORS_PER_CALL, DESCRIPTORS_TO_COLLECT};

/// The version of the JSON's layout: raised when a reader of the last one would misread this.
const SCHEMA: u32 = 1;
/// A clock whose step or reading takes longer than this shows in latencies, which are often below 100 µs.
const CLOCK_MOST: Duration = Duration::from_micros(1);
/// How long the timer is watched, and how often it is asked in that time.
const PACING: Duration = Duration::from_millis(200);
const PACES: u32 = 200;
/// A timer whose 99th percentile is later than this paces a load coarsely.
const LATE_ODD: Duration = Duration::from_millis(1);
/// One later than this makes a load invalid before the gateway has done anything.
const LATE_BROKEN: Duration = Duration::from_millis(50);

/// What was found, as `--format json` prints it.
#[derive(Debug, Serialize)]
struct Diagnosis {
    schema: u32,
    /// Connections that the checks are made against.
    connections: u32,
    checks: Vec<Check>,
}

/// One thing that a load depends on.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    found: String,
    /// What to change, unless all is well.
    advice: Option<String>,
}

/// How a check has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// As it should be.
    Fine,
    /// It works, and figures are worse for it.
    Odd,
    /// A load will not work.
    Broken,
    /// It could not be checked here.
    Unknown,
}

/// Checks the machine; what will not work is an answer too, with a code of its own.
pub fn doctor(args: &args::Doctor, printer: &mut Printer) -> Result<Verdict, Failure> {
    let live = match &args.file {
        Some(file) => scenario_file::check(file, printer)?.scenario.live,
        None => Scenario::new("", Span::ZERO).live,
    };
    let mut checks = checks(live.connections);
    if args.load {
        checks.push(generator(live.connections));
    }
    let diagnosis = Diagnosis { schema: SCHEMA, connections: live.connections, checks };
    match args.format {
        Format::Text => printer.data(&render(&diagnosis))?,
        Format::Json => {
            printer.json(&serde_json::to_string_pretty(&diagnosis).expect("a diagnosis is plain data"))?;
        }
    }
    let mut verdict = Verdict::passed();
    if diagnosis.checks.iter().any(|check| check.status == Status::Broken) {
        verdict.note(Exit::Environment);
    }
    Ok(verdict)
}

fn checks(connections: u32) -> Vec<Check> {
    let files = getrlimit(Resource::Nofile);
    vec![
        cores(thread::available_parallelism().map_or(1, usize::from)),
        cpu_quota(),
        open_files(files.current, files.maximum, connections),
        ports(connections),
        loopback(),
        clock(),
        timer(),
        results(Path::new("reports")),
    ]
}

fn render(diagnosis: &Diagnosis) -> String {
    let mut text = format!("For a load over {}\n\n", counted(diagnosis.connections.into(), "connection"));
    for check in &diagnosis.checks {
        let status = match check.status {
            Status::Fine => "fine",
            Status::Odd => "odd",
            Status::Broken => "BROKEN",
            Status::Unknown => "unknown",
        };
        let mut line = |line: fmt::Arguments<'_>| writeln!(text, "{line}").expect("a String takes everything");
        line(format_args!("  {status:7}  {:11}  {}", check.name.replace('_', " "), check.found));
        if let Some(advice) = &check.advice {
            line(format_args!("{:24}{advice}", ""));
        }
    }
    text
}

impl Check {
    fn fine(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, status: Status::Fine, found: found.into(), advice: None }
    }

    fn unknown(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, status: Status::Unknown, found: found.into(), advice: None }
    }

    fn odd(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, status: Status::Odd, found: found.into(), advice: Some(advice.into()) }
    }

    fn broken(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, status: Status::Broken, found: found.into(), advice: Some(advice.into()) }
    }
}

fn shown(time: Duration) -> String {
    length(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(count.into()), if count == 1 { "" } else { "s" })
}

// === Processors ===

fn cores(cores: usize) -> Check {
    let found = counted(cores as u64, "core");
    if cores > 1 {
        return Check::fine("cores", found);
    }
    let advice =
        "the generator, the gateway and the upstream wait for each other, and latencies show it: use two or more";
    Check::odd("cores", found, advice)
}

/// A quota stops all threads for the rest of each of its periods once it is used up.
fn cpu_quota() -> Check {
    let Ok(groups) = fs::read_to_string("/proc/self/cgroup") else {
        return Check::unknown("cpu_quota", "control groups are Linux's, and /proc/self/cgroup is not there");
    };
    match groups.lines().filter_map(quota_of).reduce(f64::min) {
        None => Check::fine("cpu_quota", "none"),
        Some(cores) => Check::odd(
            "cpu_quota",
            format!("{cores:.1} cores, by a control group"),
            "a quota halts every thread once it is used up, which shows as latency: lift it (`--cpus` of a container, \
             `limits.cpu` of a pod)",
        ),
    }
}

/// The quota of a group in cores, from its line in /proc/self/cgroup: the least of its own and its parents'.
fn quota_of(line: &str) -> Option<f64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let is_ours = controllers.is_empty() || controllers.split(',').any(|controller| controller == "cpu");
    let root = Path::new("/sys/fs/cgroup").join(controllers);
    let groups = Path::new(path.trim_start_matches('/')).ancestors().map(|group| root.join(group));
    let quotas = groups.filter(|_| is_ours).filter_map(|group| {
        let read = |file: &str| fs::read_to_string(group.join(file)).ok();
        let old = || Some(format!("{} {}", read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim()));
        cores_of(&read("cpu.max").or_else(old)?)
    });
    quotas.reduce(f64::min)
}

/// `200000 100000` is two cores; `max` and −1 are no quota.
fn cores_of(quota: &str) -> Option<f64> {
    let (most, period) = quota.trim().split_once(' ')?;
    let (most, period): (f64, f64) = (most.parse().ok()?, period.parse().ok()?);
    (most > 0.0 && period > 0.0).then_some(most / period)
}

// === Files and sockets ===

/// A load raises its own limit as far as it may, so the hard limit decides.
fn open_files(soft: Option<u64>, hard: Option<u64>, connections: u32) -> Check {
    let needed = u64::from(connections) * DESCRIPTORS_PER_CALL + DESCRIPTORS_TO_COLLECT + DESCRIPTORS_BESIDE;
    let shown = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |files| thousands(files.into()));
    let raised = if soft == hard { String::new() } else { format!(", which a load raises to {}", shown(hard)) };
    let found = format!("{}{raised}; a load needs {}", shown(soft), thousands(needed.into()));
    if hard.is_none_or(|files| files >= needed) {
        return Check::fine("open_files", found);
    }
    let enough = needed.next_power_of_two().max(4_096);
    let advice =
        format!("`ulimit -n {enough}` before starting it, where needed as root; or write fewer `live.connections`");
    Check::broken("open_files", found, advice)
}

/// Each connection to one address takes a port of its own: the generator's to the gateway, the gateway's to the upstream.
fn ports(connections: u32) -> Check {
    const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
    let Some((first, last)) = fs::read_to_string(RANGE).ok().and_then(|range| port_range(&range)) else {
        return Check::unknown("ports", format!("{RANGE} is not there"));
    };
    let there = (last + 1).saturating_sub(first);
    let found =
        format!("{} from {first} to {last}; a load needs {}", thousands(there.into()), thousands(connections.into()));
    if there >= connections {
        return Check::fine("ports", found);
    }
    Check::broken("ports", found, "`sysctl -w net.ipv4.ip_local_port_range=\"32768 60999\"`, as root")
}

fn port_range(text: &str) -> Option<(u32, u32)> {
    let mut bounds = text.split_whitespace().map(str::parse);
    Some((bounds.next()?.ok()?, bounds.next()?.ok()?))
}

/// Everything that a load needs listens on 127.0.0.1.
fn loopback() -> Check {
    let connect = || -> io::Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        Ok(address.port())
    };
    match connect() {
        Ok(_) => Check::fine("loopback", "127.0.0.1 listens and connects"),
        Err(error) => Check::broken(
            "loopback",
            format!("127.0.0.1 does not listen and connect: {error}"),
            "`ip link set lo up`, as root; or allow sockets where a sandbox forbids them",
        ),
    }
}

/// Where results go: into the folder if it is there, else into the one that it would be made in.
fn results(folder: &Path) -> Check {
    let exists = fs::symlink_metadata(folder).is_ok();
    let (folder, shown) = if exists { (folder, "reports/") } else { (Path::new("."), "this folder, for reports/") };
    let probe: PathBuf = folder.join(format!(".farebox-doctor-{}", process::id()));
    match fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)) {
        Ok(()) => Check::fine("results", format!("{shown} can be written")),
        Err(error) => Check::broken(
            "results",
            format!("{shown} cannot be written: {error}"),
            "make it a folder of yours, or write the results elsewhere with `--out DIR`",
        ),
    }
}

// === Clocks ===

fn clock() -> Check {
    let resolution = clock_getres(ClockId::Monotonic);
    let resolution = Duration::try_from(resolution).unwrap_or(Duration::MAX);
    let (step, reading) = clock_steps();
    let found =
        format!("resolution {}, smallest step {}, a reading takes {}", shown(resolution), shown(step), shown(reading));
    if [resolution, step, reading].iter().all(|time| *time <= CLOCK_MOST) {
        return Check::fine("clock", found);
    }
    let source = fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    let source = source.map_or("unknown".to_owned(), |source| source.trim().to_owned());
    let advice =
        format!("the clock source is {source}: `tsc`, or `kvm-clock` in a virtual machine, is finer and faster");
    Check::odd("clock", found, advice)
}

/// The smallest step that the monotonic clock takes, and how long a reading of it takes on average.
fn clock_steps() -> (Duration, Duration) {
    const READINGS: u32 = 10_000;
    let begin = Instant::now();
    let mut last = begin;
    let mut smallest = Duration::MAX;
    for _ in 0..READINGS {
        let now = Instant::now();
        if now > last {
            smallest = smallest.min(now - last);
        }
        last = now;
    }
    (smallest, (last - begin) / READINGS)
}

/// The load is paced, and latencies are mocked, by this timer.
fn timer() -> Check {
    let late = match lateness() {
        Ok(late) => late,
        Err(error) => return Check::broken("timer", format!("there is none: {error}"), "raise `ulimit -n`"),
    };
    let found = format!("{} late at the 99th percentile of {PACES} in {}", shown(late), shown(PACING));
    let advice = "something else keeps the processors busy: end it, or believe no latency below this";
    match late {
        late if late > LATE_BROKEN => Check::broken("timer", found, advice),
        late if late > LATE_ODD => Check::odd("timer", found, advice),
        _ => Check::fine("timer", found),
    }
}

/// What the load generator makes of a server that does nothing: no gateway can be shown to do more from here.
fn generator(connections: u32) -> Check {
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    match stage::self_test(threads, connections, SELF_TEST, &Control::default()) {
        Ok(ceiling) => Check::fine("generator", said_of(&ceiling)),
        Err(error) => {
            let why = error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
            Check::broken("generator", why, "raise `ulimit -n`, or write fewer `live.connections`")
        }
    }
}

/// How late the timer is when it is asked for evenly spaced moments: the 99th percentile.
fn lateness() -> io::Result<Duration> {
    let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let timer = Timer::new()?;
        spawn_local(timer.clone().drive());
        let begin = Instant::now();
        let mut late = Vec::new();
        for pace in 1..=PACES {
            let due = begin + PACING * pace / PACES;
            timer.sleep_until(due).await;
            late.push(due.elapsed());
        }
        late.sort_unstable();
        Ok(late[late.len() * 99 / 100 - 1])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_read_in_cores() {
        assert_eq!(
            [cores_of("200000 100000\n"), cores_of("max 100000"), cores_of("-1 100000"), cores_of("")],
            [Some(2.0), None, None, None]
        );
    }

    /// The hard limit decides, because a load raises its soft one to it: exactly as much as is needed is enough.
    #[test]
    fn open_files_are_judged_by_the_hard_limit() {
        let needed = 64 * DESCRIPTORS_PER_CALL + DESCRIPTORS_TO_COLLECT + DESCRIPTORS_BESIDE;
        assert_eq!(open_files(Some(64), Some(needed), 64).status, Status::Fine);
        assert_eq!(open_files(Some(64), None, 64).status, Status::Fine);
        let broken = open_files(Some(needed - 1), Some(needed - 1), 64);
        assert_eq!(broken.status, Status::Broken);
        assert!(broken.advice.unwrap().contains("`ulimit -n 4096`"));
        assert!(open_files(Some(64), Some(64), 10_000).advice.unwrap().contains("`ulimit -n 65536`"));
    }

    #[test]
    fn a_range_of_ports_is_two_numbers() {
        assert_eq!(port_range("32768\t60999\n"), Some((32_768, 60_999)));
        assert_eq!(port_range("none"), None);
    }
}
