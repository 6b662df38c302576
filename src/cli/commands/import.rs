//! `farebox import`: what others have written down as a trace, and a scenario that plays it.
//!
//! The scenario goes to standard output, so that it can be kept as a file; what was read and passed over, to standard error.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use farebox_engine::money::thousands;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::cli::args;
use crate::cli::exit::{Exit, Failure, Verdict};
use crate::cli::printer::Printer;
use crate::import::trace::{COLUMNS, ImportError, Log, Summary, Wanted, moment, read};
use crate::unpack::{UnpackError, Unpacked};

/// Routes that the scenario names when nothing else is asked for.
const ROUTES_SHOWN: usize = 20;

/// Reads an access log, writes its trace, and prints a scenario for it.
pub fn access_log(args: &args::ImportAccessLog, printer: &mut Printer) -> Result<Verdict, Failure> {
    check_free(args)?;
    let wanted = Wanted {
        since_s: args.since,
        until_s: args.until,
        path_prefix: args.path_prefix.clone(),
        top_routes: args.top_routes.map(usize::from),
        is_anonymous: args.anonymise,
    };
    let log = open(&args.file).and_then(|text| read(text, &wanted)).map_err(|error| unreadable(&args.file, error))?;
    say_passed_over(&log, args.anonymise, printer);
    let Some(summary) = log.summary() else {
        let message = format!("`{}` holds no calls to import", args.file.display());
        return Err(Failure::new(Exit::Environment, message).hint(why_none(&log)));
    };
    write(&args.out, &log).map_err(|error| {
        Failure::new(Exit::Environment, format!("cannot write `{}`", args.out.display())).because(error)
    })?;
    printer.note(&told(&args.out, &log, &summary));
    printer.data(&scenario(args, &summary))?;
    Ok(Verdict::passed())
}

// === Reading ===

fn open(file: &Path) -> Result<Box<dyn BufRead>, ImportError> {
    let packed: Box<dyn io::Read> =
        if file.as_os_str() == "-" { Box::new(io::stdin().lock()) } else { Box::new(File::open(file)?) };
    Ok(Box::new(BufReader::new(Unpacked::new(BufReader::new(packed))?)))
}

fn unreadable(file: &Path, error: ImportError) -> Failure {
    let shown = file.display();
    match error {
        ImportError::Unreadable(error) => {
            let failure = Failure::new(Exit::Environment, format!("cannot read `{shown}`"));
            let failure = match UnpackError::of(&error) {
                Some(packed) => failure.hint(packed.help()),
                None => failure,
            };
            failure.because(error)
        }
        ImportError::TooLarge => Failure::new(Exit::Environment, format!("cannot import `{shown}`"))
            .because(error)
            .hint("take a part of it with `--since` and `--until`, or with `--path-prefix`"),
    }
}

fn say_passed_over(log: &Log, is_anonymous: bool, printer: &mut Printer) {
    let lines = log.unusable.values().map(|example| example.lines).sum::<u64>();
    if lines == 0 {
        return;
    }
    let mut text = format!("{} of {} lines hold no call", count(lines), count(log.lines));
    for (why, example) in &log.unusable {
        let _ = write!(text, "\n  {:>9}  {why}; the first on line {}", count(example.lines), example.first);
        // A line has the address of its client.
        if !is_anonymous && !example.text.trim().is_empty() {
            let _ = write!(text, ": {}", example.text);
        }
    }
    printer.warning(&text);
}

fn why_none(log: &Log) -> String {
    if log.lines == 0 {
        "the file is empty".to_owned()
    } else if log.unwanted > 0 {
        format!("{} calls are outside of what the options ask for", count(log.unwanted))
    } else {
        "its lines must be in the common or the combined log format, as Apache and nginx write them".to_owned()
    }
}

// === Writing ===

/// Finds out before the log is read whether the trace may be written.
fn check_free(args: &args::ImportAccessLog) -> Result<(), Failure> {
    let shown = args.out.display();
    if args.out.file_name().is_none() || args.out.is_dir() {
        return Err(Failure::new(Exit::Usage, format!("`{shown}` is a folder")).hint("name a file with `--out`"));
    }
    let folder = args.out.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let message = format!("cannot write `{shown}`: there is no folder `{}`", folder.display());
        return Err(Failure::new(Exit::Environment, message));
    }
    if args.out.exists() && !args.force {
        let failure = Failure::new(Exit::Usage, format!("`{shown}` is there already"));
        return Err(failure.hint("name another file with `--out`, or replace this one with `--force`"));
    }
    Ok(())
}

/// Writes the trace beside where it goes, and puts it there when it is whole.
fn write(out: &Path, log: &Log) -> io::Result<()> {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let partial = out.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    let written = write_all(&partial, is_gzip(out), log).and_then(|()| fs::rename(&partial, out));
    if written.is_err() {
        fs::remove_file(&partial).unwrap_or_default();
    }
    written
}

fn write_all(path: &Path, packs: bool, log: &Log) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    if packs {
        let mut packed = GzEncoder::new(&mut file, Compression::default());
        log.write(&mut packed)?;
        packed.finish()?;
    } else {
        log.write(&mut file)?;
    }
    file.flush()
}

/// A scenario expects gzip behind this ending.
fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
}

// === Telling ===

fn told(out: &Path, log: &Log, summary: &Summary) -> String {
    let mut text = format!("wrote {}", out.display());
    let mut row = |name: &str, value: String| {
        let _ = write!(text, "\n  {name:<9}  {value}");
    };
    row("calls", count(summary.calls as u64));
    row("consumers", count(summary.clients as u64));
    row("routes", count(summary.routes.len() as u64));
    row("from", moment(summary.first_s));
    row("to", moment(summary.last_s));
    row("busiest", format!("{} in the second {}", count(summary.busiest_calls), moment(summary.busiest_s)));
    if log.unwanted > 0 {
        row("left out", format!("{}, as the options ask", count(log.unwanted)));
    }
    if log.early > 0 {
        row("sorted", format!("{} stood behind a later call", count(log.early)));
    }
    text
}

fn count(number: u64) -> String {
    thousands(number.into())
}

/// A scenario that is valid as it stands: its one plan is there to be changed.
fn scenario(args: &args::ImportAccessLog, summary: &Summary) -> String {
    let [time, consumer, route] = COLUMNS;
    format!(
        "# {calls} calls of {clients} clients, recorded from {first} to {last}.\n\
         # Put this file beside the trace, and the plans in the place of `open`, which allows everything.\n\
         scenario: access-log\n\
         start: {start}\n\
         horizon: {horizon}\n\
         routes:\n{routes}\
         plans:\n  open: {{}}\n\
         consumers:\n  clients:\n    count: {clients_written}\n    plan: open\n    \
         traffic: {{ trace: {trace}, columns: {{ time: {time}, consumer: {consumer}, route: {route} }} }}\n",
        calls = count(summary.calls as u64),
        clients = count(summary.clients as u64),
        first = moment(summary.first_s),
        last = moment(summary.last_s),
        start = moment(summary.first_s),
        horizon = horizon(summary),
        routes = routes(summary, args.top_routes.map_or(ROUTES_SHOWN, |most| usize::from(most) + 1)),
        clients_written = summary.clients,
        trace = yaml(&args.out.file_name().unwrap_or_default().to_string_lossy()),
    )
}

/// Whole hours, the last call among them; a scenario has ten years at most.
fn horizon(summary: &Summary) -> String {
    const TEN_YEARS_H: i64 = 10 * 365 * 24;
    let hours = (summary.last_s - summary.first_s) / 3_600 + 1;
    if hours > TEN_YEARS_H { "10y".to_owned() } else { format!("{hours}h") }
}

/// The most called routes, and `/` for what is left: the gateway and traces find the longest that a path begins with.
fn routes(summary: &Summary, most: usize) -> String {
    let listed = summary.routes.iter().filter(|(path, _)| can_be_listed(path)).take(most);
    let mut text = String::new();
    let listed: Vec<_> = listed.collect();
    let is_whole = listed.len() == summary.routes.len();
    for (path, calls) in &listed {
        let noun = if *calls == 1 { "call" } else { "calls" };
        let rest = if path == "/" && !is_whole { ", and whatever begins with none of the others" } else { "" };
        let _ = writeln!(text, "  {}: {{}}  # {} {noun}{rest}", yaml(path), count(*calls));
    }
    if !is_whole && listed.iter().all(|(path, _)| path != "/") {
        text.push_str("  /: {}  # whatever begins with none of the others\n");
    }
    text
}

/// Whether a scenario can have it for a route. Of what a log calls a path, only these are none.
fn can_be_listed(path: &str) -> bool {
    path.len() <= 256 && !path.contains(['<', '>', '`'])
}

/// A text in YAML: as it is where nothing in it means something else there, else in quotes.
fn yaml(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '~' | '%' | '+');
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    if starts && text.chars().all(is_plain) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}
