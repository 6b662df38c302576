//! Recorded calls: a CSV file beside the scenario, plain or packed with gzip, becomes rows in time order, the first at the
//! scenario's start.
//!
//! Logs of several machines are rarely in order to the last line, so rows that are not are sorted, and a warning says so.

mod cell;
mod columns;
mod rows;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use farebox_engine::model::{HandOut, Meter, Route, Trace};
use farebox_engine::time;
use sha2::{Digest, Sha256};

use self::columns::Columns;
use self::rows::Rows;
use super::beside;
use super::diagnostic::{Diagnostic, Problems, Spanned, quote};
use super::limit;
use crate::unpack::{UnpackError, Unpacked};

/// What to read, and how.
pub(super) struct Request<'a> {
    /// The scenario's folder, which traces never leave.
    pub(super) folder: &'a Path,
    /// The file, as the scenario names it.
    pub(super) file: Spanned<&'a str>,
    pub(super) time: Spanned<&'a str>,
    pub(super) consumer: Option<Spanned<&'a str>>,
    pub(super) route: Option<Spanned<&'a str>>,
    /// The attributes of the calls, each with its column.
    pub(super) attributes: &'a [(&'a str, Spanned<&'a str>)],
    pub(super) meters: &'a [Meter],
    /// The scenario's routes; none where it has only `/`.
    pub(super) routes: &'a [Route],
    /// How many consumers the cohort has.
    pub(super) consumers: u64,
    pub(super) hand_out: HandOut,
    /// Whether it starts again at its end, and where that is asked for.
    pub(super) repeat: Spanned<bool>,
    pub(super) horizon: Option<time::Span>,
}

/// The trace and the SHA-256 of what its file holds, packed or not; `None` once something was wrong with it, which has
/// been noted.
pub(super) fn read(request: &Request<'_>, problems: &mut Problems) -> Option<(Trace, [u8; 32])> {
    let text = open(request).map_err(|problem| problems.push(problem)).ok()?;
    // With CRLF as the terminator the reader's line numbers are one behind; cells are trimmed instead.
    let terminator = csv::Terminator::Any(b'\n');
    let mut reader = csv::ReaderBuilder::new().flexible(true).terminator(terminator).from_reader(text);
    let columns = Columns::find(request, &mut reader, problems)?;
    let rows = Rows::collect(request, &columns, &mut reader, problems)?;
    let text = reader.into_inner();
    if text.left == 0 {
        let message =
            format!("the trace {} is larger than {} GiB", quote(request.file.value), limit::TRACE_BYTES >> 30);
        problems.push(Diagnostic::error(request.file.span, message));
        return None;
    }
    let trace = rows.into_trace(request, problems)?;
    Some((trace, text.hash.finalize().into()))
}

fn open(request: &Request<'_>) -> Result<Text, Diagnostic> {
    let path = beside::locate(request.folder, request.file, NOUN)?;
    let file = File::open(&path).and_then(|file| Unpacked::new(BufReader::new(file)));
    let file = file.map_err(|error| unreadable(request, &error))?;
    let name = request.file.value;
    if Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz")) && !file.is_packed() {
        let problem = Diagnostic::error(request.file.span, format!("the trace {} is not gzip", quote(name)));
        return Err(problem.help("pack it, or take the `.gz` off its name"));
    }
    Ok(Text { file, left: limit::TRACE_BYTES + 1, row: limit::TRACE_ROW_BYTES, hash: Sha256::new() })
}

fn unreadable(request: &Request<'_>, error: &io::Error) -> Diagnostic {
    match UnpackError::of(error) {
        Some(packed) => {
            let message = format!("cannot read the trace {}: {packed}", quote(request.file.value));
            Diagnostic::error(request.file.span, message).help(packed.help())
        }
        None => beside::unreadable(request.file, NOUN, error),
    }
}

/// A problem of reading as CSV, of what begins on this line.
fn torn(request: &Request<'_>, line: u64, error: csv::Error) -> Diagnostic {
    let error = match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    };
    if error.get_ref().and_then(|inner| inner.downcast_ref()) == Some(&RowTooLong) {
        let (file, most) = (quote(request.file.value), limit::TRACE_ROW_BYTES >> 20);
        let problem =
            Diagnostic::error(request.file.span, format!("{file}, line {line}: a row of more than {most} MiB"));
        return problem.help("close the quotation mark in it, or before it, if there is one open");
    }
    unreadable(request, &error)
}

/// What messages call the file.
const NOUN: &str = "trace";

/// What the file holds, on its way to the CSV reader: hashed, and never more of it than a trace or one of its rows may be.
struct Text {
    file: Unpacked<BufReader<File>>,
    /// Bytes that the whole of it may still have; none when it has more than it may.
    left: u64,
    /// Bytes that may come before the row is at its end. Without it an open quotation mark would gather the whole file.
    row: u64,
    hash: Sha256,
}

/// A row longer than it may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the row is too long")]
struct RowTooLong;

impl Text {
    /// A row is at its end; what is buffered beyond it counts to the next ones, so a row may be a buffer shorter.
    fn begin_row(&mut self) {
        self.row = limit::TRACE_ROW_BYTES;
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.row == 0 {
            return Err(io::Error::other(RowTooLong));
        }
        let most = self.left.min(self.row).min(buffer.len() as u64) as usize;
        let length = self.file.read(&mut buffer[..most])?;
        self.left -= length as u64;
        self.row -= length as u64;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }
}

type Reader = csv::Reader<Text>;
