//! Which columns of a trace are what, found by the names in its first line.

use csv::StringRecord;
use farebox_engine::model::{PerMeter, REQUESTS};

use super::cell::read_civil;
use super::{Reader, Request, torn};
use crate::scenario::diagnostic::{Diagnostic, Problems, Spanned, enumerate, quote};
use crate::scenario::suggest::nearest;

/// Where in a row things are.
pub(super) struct Columns {
    pub(super) time: usize,
    pub(super) consumer: Option<usize>,
    pub(super) route: Option<usize>,
    /// The columns that each meter adds up; empty where the trace does not have them all.
    pub(super) meters: PerMeter<Vec<usize>>,
    header: StringRecord,
}

impl Columns {
    /// The columns that are asked for; `None` when one is not there, which has been noted.
    pub(super) fn find(request: &Request<'_>, reader: &mut Reader, problems: &mut Problems) -> Option<Self> {
        let raw = match reader.byte_headers() {
            Ok(header) => header.clone(),
            Err(error) => {
                problems.push(torn(request, 1, error));
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
        let route = request.route.map(&mut find);
        let attributes: Vec<_> = request.attributes.iter().map(|&(name, column)| (name, find(column))).collect();
        if time.is_none() || [consumer, route].contains(&Some(None)) || attributes.iter().any(|(_, at)| at.is_none()) {
            return None;
        }
        let mut meters = PerMeter::<Vec<usize>>::default();
        for (columns, meter) in meters.iter_mut().zip(request.meters).skip(REQUESTS + 1) {
            let column = |name: &String| attributes.iter().find(|(known, _)| known == name)?.1;
            *columns = meter.sum.iter().map(column).collect::<Option<_>>().unwrap_or_default();
        }
        Some(Self { time: time?, consumer: consumer.flatten(), route: route.flatten(), meters, header })
    }

    /// How many columns there are.
    pub(super) fn count(&self) -> usize {
        self.header.len()
    }

    /// What a column is called, quoted.
    pub(super) fn name(&self, column: usize) -> String {
        quote(self.header.get(column).unwrap_or_default())
    }
}

/// What is wrong with a file that is not UTF-8, where its first bytes show it, and what to do.
fn encoding_of(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    match bytes {
        [0x28, 0xB5, 0x2F, 0xFD, ..]
        | [0xFD, b'7', b'z', b'X', ..]
        | [b'P', b'K', 3, 4, ..]
        | [b'B', b'Z', b'h', ..] => Some(("is packed, and not with gzip", "unpack it first, or pack it with gzip")),
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
