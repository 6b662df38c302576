//! The rows of a trace: read one by one, put in time order, and cut at the horizon or repeated up to it.

use std::collections::HashMap;

use csv::ByteRecord;
use farebox_engine::model::{METERS_MAX, PerMeter, REQUESTS, Route, Trace, TraceRow};
use farebox_engine::time;

use super::cell::{read_instant, read_units};
use super::columns::Columns;
use super::{Reader, Request, torn};
use crate::scenario::diagnostic::{Diagnostic, Problems, quote};
use crate::scenario::limit;

/// Paths whose route is remembered: beyond that each is looked for again, and no memory is taken.
const PATHS_KEPT_MAX: usize = 100_000;

/// The rows read so far, in the order of the file.
pub(super) struct Rows {
    read: Vec<Row>,
    /// The consumers named so far. Only looked up, never walked: the order of a hash map changes nothing.
    consumers: HashMap<Vec<u8>, u32>,
    /// What the paths met so far stand for, likewise only looked up.
    paths: HashMap<Vec<u8>, u16>,
    unknown: UnknownRoutes,
    bad: u64,
    early: u64,
    first_early: u64,
}

struct Row {
    /// Nanoseconds since 1970.
    at: i64,
    consumer: Option<u32>,
    route: u16,
    usage: PerMeter<u64>,
}

/// Paths that no route of the scenario is for.
#[derive(Default)]
struct UnknownRoutes {
    /// The first of them, each with its line.
    first: Vec<(Vec<u8>, u64)>,
    rows: u64,
}

/// What is wrong with a row.
enum BadRow {
    /// It has more or fewer cells than the first line names columns.
    Length,
    /// Of this column.
    Cell { column: usize, problem: &'static str },
}

/// What is wrong with a row, in words.
fn said(bad: &BadRow, columns: &Columns, record: &ByteRecord) -> String {
    match *bad {
        BadRow::Cell { column, problem } => {
            let cell = String::from_utf8_lossy(record.get(column).unwrap_or_default().trim_ascii()).into_owned();
            format!("{} in column {} {problem}", quote(&cell), columns.name(column))
        }
        BadRow::Length if record.len() < columns.count() && record.iter().any(|cell| cell.contains(&b'\n')) => {
            format!(
                "the cell in column {} is missing: a quotation mark before it is not closed",
                columns.name(record.len())
            )
        }
        BadRow::Length => {
            let cells = record.len();
            let noun = if cells == 1 { "cell" } else { "cells" };
            format!("it has {cells} {noun}, and the first line names {} columns", columns.count())
        }
    }
}

impl Rows {
    /// Reads them; `None` when the file cannot be played, which has been noted.
    pub(super) fn collect(
        request: &Request<'_>,
        columns: &Columns,
        reader: &mut Reader,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut rows = Self {
            read: Vec::new(),
            consumers: HashMap::new(),
            paths: HashMap::new(),
            unknown: UnknownRoutes::default(),
            bad: 0,
            early: 0,
            first_early: 0,
        };
        let mut record = ByteRecord::new();
        let file = quote(request.file.value);
        loop {
            reader.get_mut().begin_row();
            let begins = reader.position().line();
            match reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    problems.push(torn(request, begins, error));
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
            if let Err(problem) = rows.take(request, columns, &record, line) {
                rows.bad += 1;
                if rows.bad <= limit::BAD_ROWS_SHOWN {
                    let message = format!("{file}, line {line}: {}", said(&problem, columns, &record));
                    problems.push(Diagnostic::error(request.file.span, message));
                }
            }
        }
        rows.check_whole(request, problems).then_some(rows)
    }

    /// Adds a row of the file.
    fn take(&mut self, request: &Request<'_>, columns: &Columns, record: &ByteRecord, line: u64) -> Result<(), BadRow> {
        let cell = |column: usize| record.get(column).ok_or(BadRow::Length);
        if record.len() != columns.count() {
            return Err(BadRow::Length);
        }
        let at = read_instant(cell(columns.time)?.trim_ascii()).ok_or(BadRow::Cell {
            column: columns.time,
            problem: "is not a time: RFC 3339, `YYYY-MM-DD HH:MM:SS`, seconds or milliseconds since 1970",
        })?;
        let mut usage = [0; METERS_MAX];
        usage[REQUESTS] = 1;
        for (used, attributes) in usage.iter_mut().zip(&columns.meters) {
            for &column in attributes {
                let units = read_units(cell(column)?.trim_ascii())
                    .ok_or(BadRow::Cell { column, problem: "is not a whole number of 0 or more" })?;
                *used += units;
                if *used > limit::USAGE {
                    return Err(BadRow::Cell { column, problem: "makes the call use more than 100 billion" });
                }
            }
        }
        let consumer = match columns.consumer {
            Some(column) => Some(self.consumer(request, column, cell(column)?.trim_ascii())?),
            None => None,
        };
        let route = match columns.route {
            Some(column) => self.route(request, cell(column)?.trim_ascii(), line),
            None => 0,
        };
        if self.read.last().is_some_and(|previous| at < previous.at) {
            self.early += 1;
            self.first_early = if self.early == 1 { line } else { self.first_early };
        }
        self.read.push(Row { at, consumer, route, usage });
        Ok(())
    }

    /// The consumer of this name: numbered in order of first appearance.
    fn consumer(&mut self, request: &Request<'_>, column: usize, name: &[u8]) -> Result<u32, BadRow> {
        if let Some(&index) = self.consumers.get(name) {
            return Ok(index);
        }
        let index = self.consumers.len() as u64;
        if index >= request.consumers {
            return Err(BadRow::Cell { column, problem: "is one consumer more than the cohort's `count`" });
        }
        self.consumers.insert(name.to_vec(), index as u32);
        Ok(index as u32)
    }

    /// The route of a path; one that is for none is remembered.
    fn route(&mut self, request: &Request<'_>, path: &[u8], line: u64) -> u16 {
        let end = path.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(path.len());
        let path = &path[..end];
        if let Some(&route) = self.paths.get(path) {
            return route;
        }
        let Some(route) = route_of(path, request.routes) else {
            self.unknown.note(path, line);
            return 0;
        };
        if self.paths.len() < PATHS_KEPT_MAX {
            self.paths.insert(path.to_vec(), route);
        }
        route
    }

    /// Whether the file as a whole can be played.
    fn check_whole(&self, request: &Request<'_>, problems: &mut Problems) -> bool {
        let (file, span) = (quote(request.file.value), request.file.span);
        if self.bad > limit::BAD_ROWS_SHOWN {
            let message =
                format!("{file}: {} rows are bad, of which the first {} are shown", self.bad, limit::BAD_ROWS_SHOWN);
            problems.push(Diagnostic::error(span, message));
        }
        if self.unknown.rows > 0 {
            problems.push(self.unknown.problem(request));
        }
        if self.bad == 0 && self.read.is_empty() {
            problems.push(Diagnostic::error(span, format!("the trace {file} has no rows")));
        }
        self.bad == 0 && self.unknown.rows == 0 && !self.read.is_empty()
    }

    /// In time order from the first row on, up to the horizon; `None` when it cannot repeat as it is asked to.
    pub(super) fn into_trace(mut self, request: &Request<'_>, problems: &mut Problems) -> Option<Trace> {
        let (file, span) = (quote(request.file.value), request.file.span);
        if self.early > 0 {
            let rows = rows_of(self.early);
            let message = format!("{file}: {rows} out of time order, the first on line {}", self.first_early);
            problems.push(Diagnostic::warning(span, message).help("the trace is played in time order"));
            self.read.sort_by_key(|row| row.at);
        }
        let start = self.read[0].at;
        let all = self.read.len();
        let mut trace = Trace { rows: Vec::with_capacity(all), hand_out: request.hand_out, ..Trace::default() };
        for Row { at, consumer, route, usage } in self.read {
            trace.most = std::array::from_fn(|meter| usage[meter].max(trace.most[meter]));
            trace.rows.push(TraceRow { at: time::Span::from_ns(at.abs_diff(start)), consumer, usage });
            if request.route.is_some() {
                trace.routes.push(route);
            }
        }
        let length = length(&trace.rows);
        if let Some(horizon) = request.horizon {
            trace.rows.truncate(trace.rows.partition_point(|row| row.at < horizon));
            trace.routes.truncate(trace.rows.len());
        }
        if trace.rows.len() < all {
            let message = format!("{file}: {} past the horizon, not played", rows_of((all - trace.rows.len()) as u64));
            problems.push(Diagnostic::warning(span, message));
        }
        if request.repeat.value {
            repeat(&mut trace, length, request).map_err(|problem| problems.push(problem)).ok()?;
        }
        Some(trace)
    }
}

impl UnknownRoutes {
    fn note(&mut self, path: &[u8], line: u64) {
        self.rows += 1;
        if self.first.len() < limit::BAD_ROWS_SHOWN as usize && self.first.iter().all(|(known, _)| known != path) {
            self.first.push((path.to_vec(), line));
        }
    }

    fn problem(&self, request: &Request<'_>) -> Diagnostic {
        let shown =
            self.first.iter().map(|(path, line)| format!("{} on line {line}", quote(&String::from_utf8_lossy(path))));
        let shown: Vec<String> = shown.collect();
        let (file, rows) = (quote(request.file.value), rows_of(self.rows));
        let verb = if self.rows == 1 { "calls" } else { "call" };
        let message = format!("{file}: {rows} {verb} what no route of the scenario is for: {}", shown.join(", "));
        let span = request.route.map_or(request.file.span, |column| column.span);
        Diagnostic::error(span, message)
            .help("add the routes, or one that these begin with; `/` is for all that is left")
    }
}

/// The index of the route that a path is, else of the longest one that it begins with, segment by segment: as the gateway
/// finds the route of a request.
fn route_of(path: &[u8], routes: &[Route]) -> Option<u16> {
    let begins = |known: &str| {
        let stem = known.trim_end_matches('/').as_bytes();
        path.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    if !path.starts_with(b"/") {
        return None;
    }
    if routes.is_empty() {
        return Some(0);
    }
    let same = routes.iter().position(|route| route.path.as_bytes() == path);
    let longest = || {
        let known = routes.iter().enumerate().filter(|(_, route)| begins(&route.path));
        known.max_by_key(|(_, route)| route.path.len()).map(|(index, _)| index)
    };
    same.or_else(longest).map(|index| index as u16)
}

// === Repeats ===

/// How long a trace is: from its first row to its last, and the mean gap between two rows on top, so that it starts again
/// at the rate at which it ends. `None` where all rows are at one moment.
fn length(rows: &[TraceRow]) -> Option<time::Span> {
    let last = rows.last()?.at.ns();
    let gaps = rows.len() as u64 - 1;
    (last > 0).then(|| time::Span::from_ns(last.saturating_add((last / gaps).max(1))))
}

/// Lets a trace start again after its length; where the horizon has cut it, after the horizon.
fn repeat(trace: &mut Trace, length: Option<time::Span>, request: &Request<'_>) -> Result<(), Diagnostic> {
    let (file, span) = (quote(request.file.value), request.repeat.span);
    let Some(length) = length else {
        let message = format!("{file} has no length to repeat after: its rows are all at one moment");
        return Err(Diagnostic::error(span, message).help("leave `repeat` out"));
    };
    // A horizon that is wrong has been reported, and nothing is played then.
    let horizon = request.horizon.unwrap_or(length);
    trace.repeats = Some(length.min(horizon));
    let rows = trace.rows_before(horizon);
    if rows > limit::TRACE_ROWS as u64 {
        let message = format!("{file} repeated over the horizon has {rows} rows, and may have {}", limit::TRACE_ROWS);
        let problem = Diagnostic::error(span, message);
        return Err(problem.help("shorten the horizon, or describe the traffic with `rate`"));
    }
    Ok(())
}

fn rows_of(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_for_the_route_that_the_gateway_would_find() {
        let routes = ["/v1", "/v1/chat", "/v1/"].map(|path| Route {
            path: path.to_owned(),
            upstream: 0,
            attributes: Vec::new(),
        });
        let found =
            ["/v1", "/v1/", "/v1/chat/x", "/v1/chats", "/v2", "v1", ""].map(|path| route_of(path.as_bytes(), &routes));
        assert_eq!(found, [Some(0), Some(2), Some(1), Some(2), None, None, None]);
        assert_eq!([&b"/any"[..], b"any"].map(|path| route_of(path, &[])), [Some(0), None]);
    }

    #[test]
    fn a_trace_is_as_long_as_its_rows_and_a_gap() {
        let row = |at| TraceRow { at: time::Span::from_ns(at), consumer: None, usage: [1, 0, 0, 0] };
        let of = |moments: &[u64]| length(&moments.iter().map(|at| row(*at)).collect::<Vec<_>>()).map(time::Span::ns);
        assert_eq!(of(&[0, 10, 30]), Some(45));
        assert_eq!(of(&[0, 0, 0, 1]), Some(2));
        assert_eq!([of(&[0]), of(&[0, 0])], [None; 2]);
    }
}
