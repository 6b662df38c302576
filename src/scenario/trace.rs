//! Recorded calls: a CSV file beside the scenario becomes rows in time order, the first at the scenario's start.
//!
//! Logs of several machines are rarely in order to the last line, so rows that are not are sorted, and a warning says so.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use csv::{ByteRecord, StringRecord};
use farebox_engine::model::{METERS_MAX, Meter, PerMeter, REQUESTS, Trace, TraceRow};
use farebox_engine::time;
use sha2::{Digest, Sha256};

use super::beside;
use super::diagnostic::{Diagnostic, Problems, Spanned, enumerate, quote};
use super::limit;
use super::suggest::nearest;

/// What to read, and how.
pub(super) struct Request<'a> {
    /// The scenario's folder, which traces never leave.
    pub(super) folder: &'a Path,
    /// The file, as the scenario names it.
    pub(super) file: Spanned<&'a str>,
    pub(super) time: Spanned<&'a str>,
    pub(super) consumer: Option<Spanned<&'a str>>,
    /// The attributes of the calls, each with its column.
    pub(super) attributes: &'a [(&'a str, Spanned<&'a str>)],
    pub(super) meters: &'a [Meter],
    /// How many consumers the cohort has.
    pub(super) consumers: u64,
    pub(super) horizon: Option<time::Span>,
}

/// The trace and the SHA-256 of its file; `None` once something was wrong with it, which has been noted.
pub(super) fn read(request: &Request<'_>, problems: &mut Problems) -> Option<(Trace, [u8; 32])> {
    let path = beside::locate(request.folder, request.file, NOUN).map_err(|problem| problems.push(problem)).ok()?;
    let bytes = match File::open(&path) {
        Ok(file) => Hashed { inner: BufReader::new(file).take(limit::TRACE_BYTES + 1), hash: Sha256::new() },
        Err(error) => {
            problems.push(unreadable(request, &error));
            return None;
        }
    };
    // With CRLF as the terminator the reader's line numbers are one behind; cells are trimmed instead.
    let terminator = csv::Terminator::Any(b'\n');
    let mut reader = csv::ReaderBuilder::new().flexible(true).terminator(terminator).from_reader(bytes);
    let columns = Columns::find(request, &mut reader, problems)?;
    let rows = Rows::collect(request, &columns, &mut reader, problems)?;
    let Hashed { inner, hash } = reader.into_inner();
    if inner.limit() == 0 {
        let message =
            format!("the trace {} is larger than {} GiB", quote(request.file.value), limit::TRACE_BYTES >> 30);
        problems.push(Diagnostic::error(request.file.span, message));
        return None;
    }
    Some((rows.into_trace(request, problems), hash.finalize().into()))
}

fn unreadable(request: &Request<'_>, error: &io::Error) -> Diagnostic {
    beside::unreadable(request.file, NOUN, error)
}

/// What messages call the file.
const NOUN: &str = "trace";

/// Hashes what passes.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }
}

type Reader = csv::Reader<Hashed<io::Take<BufReader<File>>>>;

// === Columns ===

/// Where in a row things are.
struct Columns {
    time: usize,
    consumer: Option<usize>,
    /// The columns that each meter adds up; empty where the trace does not have them all.
    meters: PerMeter<Vec<usize>>,
    header: StringRecord,
}

impl Columns {
    fn find(request: &Request<'_>, reader: &mut Reader, problems: &mut Problems) -> Option<Self> {
        let raw = match reader.byte_headers() {
            Ok(header) => header.clone(),
            Err(error) => {
                problems.push(unreadable(request, &io::Error::other(error.to_string())));
                return None;
            }
        };
        let first = raw.get(0).unwrap_or_default();
        let encoding = encoding_of(first);
        let looks_like_rows = raw.iter().any(|cell| read_civil(cell.trim_ascii()).is_some());
        let header: StringRecord = StringRecord::from_byte_record_lossy(raw)
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}').trim())
            .collect();
        if header.is_empty() {
            let message = format!("the trace {} is empty", quote(request.file.value));
            problems.push(Diagnostic::error(request.file.span, message).help("its first line names the columns"));
            return None;
        }
        if !header.iter().any(|name| name == request.time.value)
            && let Some((message, help)) = encoding.or_else(|| misread(&header, looks_like_rows))
        {
            let message = format!("the trace {} {message}", quote(request.file.value));
            problems.push(Diagnostic::error(request.file.span, message).help(help));
            return None;
        }
        let mut find = |column: Spanned<&str>| {
            let at = find_column(&header, column, request);
            at.map_err(|problem| problems.push(problem)).ok()
        };
        let time = find(request.time);
        let consumer = request.consumer.map(&mut find);
        let attributes: Vec<_> = request.attributes.iter().map(|&(name, column)| (name, find(column))).collect();
        if time.is_none() || consumer == Some(None) || attributes.iter().any(|(_, at)| at.is_none()) {
            return None;
        }
        let mut meters = PerMeter::<Vec<usize>>::default();
        for (columns, meter) in meters.iter_mut().zip(request.meters).skip(REQUESTS + 1) {
            let column = |name: &String| attributes.iter().find(|(known, _)| known == name)?.1;
            *columns = meter.sum.iter().map(column).collect::<Option<_>>().unwrap_or_default();
        }
        Some(Self { time: time?, consumer: consumer.flatten(), meters, header })
    }

    fn name(&self, column: usize) -> String {
        quote(self.header.get(column).unwrap_or_default())
    }
}

/// What is wrong with a file that is not UTF-8, where its first bytes show it, and what to do.
fn encoding_of(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    match bytes {
        [0x1F, 0x8B, ..] => Some(("is compressed", "unpack it first, as `gunzip` does")),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some(("is UTF-16, and traces are UTF-8", "save it as UTF-8")),
        _ => None,
    }
}

/// Why a first line does not name the columns that are looked for, where it shows: what is wrong, and what to do.
fn misread(header: &StringRecord, looks_like_rows: bool) -> Option<(&'static str, &'static str)> {
    let only = if header.len() == 1 { &header[0] } else { "" };
    if looks_like_rows {
        Some(("begins with a row", "its first line names the columns, such as `time,input,output`"))
    } else if only.contains(';') {
        Some(("has semicolons between its columns", "write commas, and numbers with a point"))
    } else if only.contains('\t') {
        Some(("has tabs between its columns", "write commas"))
    } else {
        None
    }
}

fn find_column(header: &StringRecord, column: Spanned<&str>, request: &Request<'_>) -> Result<usize, Diagnostic> {
    let (name, file) = (quote(column.value), quote(request.file.value));
    let mut places = header.iter().enumerate().filter(|(_, known)| *known == column.value);
    match (places.next(), places.next()) {
        (Some((at, _)), None) => Ok(at),
        (Some(_), Some(_)) => Err(Diagnostic::error(column.span, format!("{file} has several columns {name}"))),
        (None, _) => {
            let meant = nearest(column.value, header).map(|meant| format!(": did you mean {}?", quote(meant)));
            let help = format!("its columns are {}{}", enumerate(header), meant.unwrap_or_default());
            Err(Diagnostic::error(column.span, format!("{file} has no column {name}")).help(help))
        }
    }
}

// === Rows ===

/// The rows read so far, in the order of the file.
struct Rows {
    read: Vec<Row>,
    /// The consumers named so far. Only looked up, never walked: the order of a hash map changes nothing.
    consumers: HashMap<Vec<u8>, u32>,
    bad: u64,
    early: u64,
    first_early: u64,
}

struct Row {
    /// Nanoseconds since 1970.
    at: i64,
    consumer: Option<u32>,
    usage: PerMeter<u64>,
}

/// What is wrong with a cell.
struct BadCell {
    column: usize,
    problem: &'static str,
}

/// What a cell is that its row is too short for.
const MISSING: &str = "is missing";

impl Rows {
    fn collect(request: &Request<'_>, columns: &Columns, reader: &mut Reader, problems: &mut Problems) -> Option<Self> {
        let mut rows = Self { read: Vec::new(), consumers: HashMap::new(), bad: 0, early: 0, first_early: 0 };
        let mut record = ByteRecord::new();
        let file = quote(request.file.value);
        loop {
            match reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    problems.push(unreadable(request, &io::Error::other(error.to_string())));
                    return None;
                }
            }
            if record.iter().all(|cell| cell.trim_ascii().is_empty()) && record.len() == 1 {
                continue;
            }
            let line = record.position().map_or(0, csv::Position::line);
            if rows.read.len() == limit::TRACE_ROWS {
                let message = format!("the trace {file} has more than {} rows", limit::TRACE_ROWS);
                problems.push(Diagnostic::error(request.file.span, message));
                return None;
            }
            if let Err(BadCell { column, problem }) = rows.take(request, columns, &record, line) {
                let is_torn = problem == MISSING && record.iter().any(|cell| cell.contains(&b'\n'));
                let problem = if is_torn { "is missing: a quotation mark before it is not closed" } else { problem };
                rows.bad += 1;
                if rows.bad <= limit::BAD_ROWS_SHOWN {
                    let cell = record.get(column).map(|cell| quote(&String::from_utf8_lossy(cell.trim_ascii())));
                    let (cell, name) = (cell.unwrap_or_else(|| "the cell".to_owned()), columns.name(column));
                    let message = format!("{file}, line {line}: {cell} in column {name} {problem}");
                    problems.push(Diagnostic::error(request.file.span, message));
                }
            }
        }
        rows.check_whole(request, problems).then_some(rows)
    }

    /// Adds a row of the file.
    fn take(
        &mut self,
        request: &Request<'_>,
        columns: &Columns,
        record: &ByteRecord,
        line: u64,
    ) -> Result<(), BadCell> {
        let cell = |column: usize| record.get(column).ok_or(BadCell { column, problem: MISSING });
        let at = read_instant(cell(columns.time)?.trim_ascii()).ok_or(BadCell {
            column: columns.time,
            problem: "is not a time: RFC 3339, `YYYY-MM-DD HH:MM:SS` or seconds since 1970",
        })?;
        let mut usage = [0; METERS_MAX];
        usage[REQUESTS] = 1;
        for (used, attributes) in usage.iter_mut().zip(&columns.meters) {
            for &column in attributes {
                let units = read_units(cell(column)?.trim_ascii())
                    .ok_or(BadCell { column, problem: "is not a whole number of 0 or more" })?;
                *used += units;
                if *used > limit::USAGE {
                    return Err(BadCell { column, problem: "makes the call use more than 100 billion" });
                }
            }
        }
        let consumer = match columns.consumer {
            Some(column) => Some(self.consumer(request, column, cell(column)?.trim_ascii())?),
            None => None,
        };
        if self.read.last().is_some_and(|previous| at < previous.at) {
            self.early += 1;
            self.first_early = if self.early == 1 { line } else { self.first_early };
        }
        self.read.push(Row { at, consumer, usage });
        Ok(())
    }

    /// The consumer of this name: numbered in order of first appearance.
    fn consumer(&mut self, request: &Request<'_>, column: usize, name: &[u8]) -> Result<u32, BadCell> {
        if let Some(&index) = self.consumers.get(name) {
            return Ok(index);
        }
        let index = self.consumers.len() as u64;
        if index >= request.consumers {
            return Err(BadCell { column, problem: "is one consumer more than the cohort's `count`" });
        }
        self.consumers.insert(name.to_vec(), index as u32);
        Ok(index as u32)
    }

    /// Whether the file as a whole can be played.
    fn check_whole(&self, request: &Request<'_>, problems: &mut Problems) -> bool {
        let (file, span) = (quote(request.file.value), request.file.span);
        if self.bad > limit::BAD_ROWS_SHOWN {
            let message =
                format!("{file}: {} rows are bad, of which the first {} are shown", self.bad, limit::BAD_ROWS_SHOWN);
            problems.push(Diagnostic::error(span, message));
        }
        if self.bad == 0 && self.read.is_empty() {
            problems.push(Diagnostic::error(span, format!("the trace {file} has no rows")));
        }
        self.bad == 0 && !self.read.is_empty()
    }

    /// In time order from the first row on, up to the horizon.
    fn into_trace(mut self, request: &Request<'_>, problems: &mut Problems) -> Trace {
        let (file, span) = (quote(request.file.value), request.file.span);
        if self.early > 0 {
            let rows = rows_of(self.early);
            let message = format!("{file}: {rows} out of time order, the first on line {}", self.first_early);
            problems.push(Diagnostic::warning(span, message).help("the trace is played in time order"));
            self.read.sort_by_key(|row| row.at);
        }
        let start = self.read[0].at;
        let mut most = [0; METERS_MAX];
        let all = self.read.len();
        let mut rows: Vec<TraceRow> = Vec::with_capacity(all);
        for Row { at, consumer, usage } in self.read {
            most = std::array::from_fn(|meter| usage[meter].max(most[meter]));
            rows.push(TraceRow { at: time::Span::from_ns(at.abs_diff(start)), consumer, usage });
        }
        if let Some(horizon) = request.horizon {
            rows.truncate(rows.partition_point(|row| row.at < horizon));
        }
        if rows.len() < all {
            let message = format!("{file}: {} past the horizon, not played", rows_of((all - rows.len()) as u64));
            problems.push(Diagnostic::warning(span, message));
        }
        Trace { rows, most }
    }
}

fn rows_of(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

// === Cells ===

fn read_units(cell: &[u8]) -> Option<u64> {
    // `5.0` is how spreadsheets and data frames write a 5.
    let cell = cell.strip_suffix(b".0").unwrap_or(cell);
    if !cell.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(cell).ok()?.parse().ok().filter(|&units: &u64| units <= limit::USAGE)
}

/// Nanoseconds since 1970 of a time as logs write it.
fn read_instant(cell: &[u8]) -> Option<i64> {
    if cell.get(4) == Some(&b'-') { read_civil(cell) } else { read_epoch(cell) }
}

/// `1700158623`, `1700158623.9799600`, and before 1970 with a minus.
fn read_epoch(cell: &[u8]) -> Option<i64> {
    let (sign, digits) = cell.strip_prefix(b"-").map_or((1, cell), |digits| (-1, digits));
    let point = digits.iter().position(|&byte| byte == b'.');
    let (seconds, fraction) = match point {
        Some(at) => (&digits[..at], read_fraction(&digits[at + 1..])?),
        None => (digits, 0),
    };
    let seconds = read_digits(seconds)?;
    i64::try_from(sign * (i128::from(seconds) * 1_000_000_000 + i128::from(fraction))).ok()
}

/// `2023-11-16 18:17:03.9799600`, with `T` for the space, and with `Z` or an offset behind.
fn read_civil(cell: &[u8]) -> Option<i64> {
    let (moment, rest) = cell.split_at_checked("YYYY-MM-DD HH:MM:SS".len())?;
    let marks = [(4, b"-" as &[u8]), (7, b"-"), (10, b" Tt"), (13, b":"), (16, b":")];
    if !marks.iter().all(|&(at, allowed)| allowed.contains(&moment[at])) {
        return None;
    }
    let part = |from: usize, to: usize| read_digits(&moment[from..to]);
    let small = |from: usize| i8::try_from(part(from, from + 2)?).ok();
    let (year, month, day) = (i16::try_from(part(0, 4)?).ok()?, small(5)?, small(8)?);
    let (fraction, zone) = match rest.strip_prefix(b".") {
        Some(behind) => {
            let digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (read_fraction(&behind[..digits])?, &behind[digits..])
        }
        None => (0, rest),
    };
    let civil =
        jiff::civil::DateTime::new(year, month, day, small(11)?, small(14)?, small(17)?, fraction as i32).ok()?;
    let offset_s = read_offset_s(zone)?;
    let utc = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?.as_nanosecond();
    i64::try_from(utc - i128::from(offset_s) * 1_000_000_000).ok()
}

/// Nothing, `Z`, or `+01:00`, in seconds.
fn read_offset_s(zone: &[u8]) -> Option<i64> {
    let (sign, clock) = match zone {
        b"" | b"Z" | b"z" => return Some(0),
        [b'+', clock @ ..] => (1, clock),
        [b'-', clock @ ..] => (-1, clock),
        _ => return None,
    };
    let [h1, h0, b':', m1, m0] = *clock else { return None };
    let (hours, minutes) = (read_digits(&[h1, h0])?, read_digits(&[m1, m0])?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
}

/// One to nine digits behind the point, in nanoseconds.
fn read_fraction(digits: &[u8]) -> Option<i64> {
    let places = u32::try_from(digits.len()).ok().filter(|places| (1..=9).contains(places))?;
    Some(read_digits(digits)? * 10i64.pow(9 - places))
}

fn read_digits(digits: &[u8]) -> Option<i64> {
    let is_number = (1..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_logs_write_them() {
        let expected = 1_700_158_623_979_960_000;
        for cell in [
            "2023-11-16 18:17:03.9799600",
            "2023-11-16T18:17:03.97996Z",
            "2023-11-16T19:17:03.979960000+01:00",
            "2023-11-16t11:17:03.97996-07:00",
            "1700158623.97996",
        ] {
            assert_eq!(read_instant(cell.as_bytes()), Some(expected), "{cell}");
        }
        assert_eq!(read_instant(b"1700158623"), Some(1_700_158_623_000_000_000));
        assert_eq!(read_instant(b"-0.5"), Some(-500_000_000));
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for cell in [
            "",
            "-",
            "yesterday",
            "2023-11-16",
            "2023-02-29 00:00:00",
            "2023-11-16 24:00:00",
            "2023-11-16 18:17:03.",
            "2023-11-16 18:17:03.1234567890",
            "2023-11-16 18:17:03 CET",
            "2023-11-16T18:17:03+1:00",
            "9999-12-31 00:00:00",
            "99999999999999",
            "1e9",
            "NaN",
            "2023-11-16 18:17:0é",
        ] {
            assert_eq!(read_instant(cell.as_bytes()), None, "{cell}");
        }
    }

    #[test]
    fn attribute_values_are_whole_and_bounded() {
        for (cell, units) in [
            ("0", Some(0)),
            ("4808", Some(4808)),
            ("5.0", Some(5)),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("100000000001", None),
        ] {
            assert_eq!(read_units(cell.as_bytes()), units, "{cell}");
        }
    }
}
