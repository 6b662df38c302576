//! The calls of a log, gathered and written as a trace: a CSV with the columns `time`, `consumer` and `route`.
//!
//! Servers write a request down when it is answered and stamp it with when it began, so logs are rarely in order; and
//! which routes are called most, only their end tells. So the calls are kept, at 16 bytes each, and each address and path
//! once.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, Write};
use std::rc::Rc;

use jiff::Timestamp;

use super::access_log::{self, Entry, Unusable};
use super::lines::{Line, Lines};

/// The header of what is written: the columns that a scenario names.
pub const COLUMNS: [&str; 3] = ["time", "consumer", "route"];
/// The path of the calls to what is not among the most called.
pub const OTHER: &str = "/other";
/// Calls that a trace may have: a scenario reads no more.
const CALLS_MAX: usize = 64 << 20;
/// Characters of a line that are shown as an example of what was passed over.
const EXAMPLE_CHARS_MAX: usize = 100;

/// Which calls are wanted, and how they are to be written.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// None before this moment, in seconds since 1970.
    pub since_s: Option<i64>,
    /// None at this moment or after it.
    pub until_s: Option<i64>,
    /// Only those whose path begins with this.
    pub path_prefix: Option<String>,
    /// All but so many of the most called paths become [`OTHER`].
    pub top_routes: Option<usize>,
    /// Clients become `c000001`, `c000002`, … in the order in which they first call.
    pub is_anonymous: bool,
}

/// Why a log cannot become a trace.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read.
    #[error("cannot read the log")]
    Unreadable(#[from] io::Error),
    /// It has more calls than a trace may have.
    #[error("the log has more than {CALLS_MAX} calls")]
    TooLarge,
}

/// A log, read.
#[derive(Debug, Default)]
pub struct Log {
    /// In time order, those of one moment in the order of the log.
    calls: Vec<Call>,
    clients: Names,
    paths: Names,
    /// How many lines it has.
    pub lines: u64,
    /// Lines that hold no call, by why.
    pub unusable: BTreeMap<Unusable, Example>,
    /// Calls that are outside of what is wanted.
    pub unwanted: u64,
    /// Calls that stood behind a later one.
    pub early: u64,
}

/// Lines passed over for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// How many.
    pub lines: u64,
    /// The number of the first of them.
    pub first: u64,
    /// How that begins.
    pub text: String,
}

/// A trace in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Calls.
    pub calls: usize,
    /// Clients that have made them.
    pub clients: usize,
    /// Their paths, the most called first, and how often each is; of those called as often, the one met first.
    pub routes: Vec<(String, u64)>,
    /// When the first call came, in seconds since 1970.
    pub first_s: i64,
    /// When the last one came.
    pub last_s: i64,
    /// The second with the most calls, the first of them where several have as many.
    pub busiest_s: i64,
    /// How many it has.
    pub busiest_calls: u64,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    at_s: i64,
    client: u32,
    path: u32,
}

/// Each text once, numbered in the order in which they came.
#[derive(Debug, Default)]
struct Names {
    /// Only looked up, never walked: the order of a hash map changes nothing.
    numbers: HashMap<Rc<str>, u32>,
    texts: Vec<Rc<str>>,
}

impl Names {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let (text, number): (Rc<str>, _) = (text.into(), self.texts.len() as u32);
        self.texts.push(Rc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    fn text(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }
}

/// Reads an access log.
///
/// # Errors
/// When it cannot be read to its end, or has more calls than a trace may have. Lines without a call are none.
pub fn read(text: impl BufRead, wanted: &Wanted) -> Result<Log, ImportError> {
    let mut lines = Lines::new(text);
    let mut log = Log::default();
    let mut latest_s = i64::MIN;
    while let Some(line) = lines.next_line()? {
        log.lines += 1;
        let parsed = if line.is_cut { Err(Unusable::Long) } else { access_log::parse(line.bytes) };
        match parsed {
            Err(why) => log.pass_over(why, &line),
            Ok(entry) if !wanted.has(&entry) => log.unwanted += 1,
            Ok(_) if log.calls.len() == CALLS_MAX => return Err(ImportError::TooLarge),
            Ok(Entry { at_s, client, path }) => {
                log.early += u64::from(at_s < latest_s);
                latest_s = latest_s.max(at_s);
                let (client, path) = (log.clients.number(client), log.paths.number(path));
                log.calls.push(Call { at_s, client, path });
            }
        }
    }
    log.calls.sort_by_key(|call| call.at_s);
    if let Some(most) = wanted.top_routes {
        log.keep_routes(most);
    }
    if wanted.is_anonymous {
        log.anonymise();
    }
    Ok(log)
}

impl Wanted {
    fn has(&self, entry: &Entry<'_>) -> bool {
        self.since_s.is_none_or(|since| entry.at_s >= since)
            && self.until_s.is_none_or(|until| entry.at_s < until)
            && self.path_prefix.as_ref().is_none_or(|prefix| entry.path.starts_with(prefix.as_str()))
    }
}

impl Log {
    fn pass_over(&mut self, why: Unusable, line: &Line<'_>) {
        let example = self.unusable.entry(why).or_insert_with(|| {
            let text = String::from_utf8_lossy(&line.bytes[..line.bytes.len().min(4 * EXAMPLE_CHARS_MAX)]);
            Example { lines: 0, first: line.number, text: text.chars().take(EXAMPLE_CHARS_MAX).collect() }
        });
        example.lines += 1;
    }

    /// How often each path is called, by its number.
    fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.paths.texts.len()];
        self.calls.iter().for_each(|call| counts[call.path as usize] += 1);
        counts
    }

    /// The paths that are called at all, the most called first.
    fn ranked(&self) -> Vec<(u32, u64)> {
        let mut ranked: Vec<_> = (0..).zip(self.counts()).filter(|(_, count)| *count > 0).collect();
        ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        ranked
    }

    fn keep_routes(&mut self, most: usize) {
        let ranked = self.ranked();
        if ranked.len() <= most {
            return;
        }
        let other = self.paths.number(OTHER);
        let mut becomes: Vec<u32> = vec![other; self.paths.texts.len()];
        ranked[..most].iter().for_each(|(path, _)| becomes[*path as usize] = *path);
        self.calls.iter_mut().for_each(|call| call.path = becomes[call.path as usize]);
    }

    fn anonymise(&mut self) {
        let mut renamed = vec![None; self.clients.texts.len()];
        let mut clients = Names::default();
        for call in &mut self.calls {
            let number = renamed[call.client as usize].get_or_insert_with(|| {
                let nth = clients.texts.len() + 1;
                clients.number(&format!("c{nth:06}"))
            });
            call.client = *number;
        }
        self.clients = clients;
    }

    /// The trace in figures; `None` when it has no calls.
    pub fn summary(&self) -> Option<Summary> {
        let (first, last) = (self.calls.first()?, self.calls.last()?);
        let seconds = self.calls.chunk_by(|one, next| one.at_s == next.at_s);
        let seconds = seconds.map(|calls| (calls.len() as u64, calls[0].at_s));
        let (busiest_calls, busiest_s) = seconds.max_by_key(|&(calls, at_s)| (calls, std::cmp::Reverse(at_s)))?;
        let ranked = self.ranked().into_iter();
        Some(Summary {
            calls: self.calls.len(),
            clients: self.clients.texts.len(),
            routes: ranked.map(|(path, count)| (self.paths.text(path).to_owned(), count)).collect(),
            first_s: first.at_s,
            last_s: last.at_s,
            busiest_s,
            busiest_calls,
        })
    }

    /// Writes the trace.
    ///
    /// # Errors
    /// What writing failed with.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(COLUMNS)?;
        for call in &self.calls {
            csv.write_record([&moment(call.at_s), self.clients.text(call.client), self.paths.text(call.path)])?;
        }
        csv.flush()
    }
}

/// A moment as traces have it, `2015-05-17T10:05:03Z`.
///
/// # Panics
/// When it is beyond the year 9999, where no call of a log is.
pub fn moment(at_s: i64) -> String {
    Timestamp::from_second(at_s).expect("the calls of a log are of years that a timestamp has").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: u32, client: &str, path: &str) -> String {
        format!("{client} - - [17/May/2015:10:05:{second:02} +0000] \"GET {path} HTTP/1.1\" 200 1\n")
    }

    fn log(wanted: &Wanted) -> Log {
        let lines = [
            line(3, "a", "/x"),
            line(1, "b", "/y?q"),
            "garbage\n".to_owned(),
            line(3, "b", "/x"),
            line(3, "c", "/z"),
            "\n\n".to_owned(),
            line(9, "a", "/x"),
        ];
        read(lines.concat().as_bytes(), wanted).unwrap()
    }

    fn csv(log: &Log) -> String {
        let mut text = Vec::new();
        log.write(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_log_becomes_a_trace_in_time_order() {
        let log = log(&Wanted::default());
        expect_test::expect![[r"
            time,consumer,route
            2015-05-17T10:05:01Z,b,/y
            2015-05-17T10:05:03Z,a,/x
            2015-05-17T10:05:03Z,b,/x
            2015-05-17T10:05:03Z,c,/z
            2015-05-17T10:05:09Z,a,/x
        "]]
        .assert_eq(&csv(&log));
        assert_eq!((log.lines, log.early, log.unwanted), (8, 1, 0));
        let unusable: Vec<_> =
            log.unusable.iter().map(|(why, it)| (*why, it.lines, it.first, it.text.as_str())).collect();
        assert_eq!(unusable, [(Unusable::Blank, 2, 6, ""), (Unusable::Shape, 1, 3, "garbage")]);
        let summary = log.summary().unwrap();
        assert_eq!((summary.calls, summary.clients, summary.busiest_calls), (5, 3, 3));
        assert_eq!(summary.busiest_s - summary.first_s, 2);
        assert_eq!(summary.last_s - summary.first_s, 8);
        assert_eq!(summary.routes, [("/x", 3), ("/y", 1), ("/z", 1)].map(|(path, calls)| (path.to_owned(), calls)));
    }

    #[test]
    fn only_what_is_wanted_is_kept() {
        let at_s = log(&Wanted::default()).summary().unwrap().first_s;
        let since = Wanted { since_s: Some(at_s + 2), until_s: Some(at_s + 8), ..Wanted::default() };
        assert_eq!((log(&since).summary().unwrap().calls, log(&since).unwanted), (3, 2));
        let below = Wanted { path_prefix: Some("/x".to_owned()), ..Wanted::default() };
        assert_eq!((log(&below).summary().unwrap().clients, log(&below).unwanted), (2, 2));
        let none = Wanted { path_prefix: Some("/none".to_owned()), ..Wanted::default() };
        assert_eq!(log(&none).summary(), None);
    }

    #[test]
    fn rare_routes_are_one_and_clients_have_no_address() {
        let log = log(&Wanted { top_routes: Some(1), is_anonymous: true, ..Wanted::default() });
        expect_test::expect![[r"
            time,consumer,route
            2015-05-17T10:05:01Z,c000001,/other
            2015-05-17T10:05:03Z,c000002,/x
            2015-05-17T10:05:03Z,c000001,/x
            2015-05-17T10:05:03Z,c000003,/other
            2015-05-17T10:05:09Z,c000002,/x
        "]]
        .assert_eq(&csv(&log));
        assert_eq!(log.summary().unwrap().routes, [("/x".to_owned(), 3), (OTHER.to_owned(), 2)]);
    }
}
