//! The scenario language: reads a YAML file and the traces beside it into the engine's [`Scenario`], or says everything
//! that is wrong with them at once.
//!
//! ```text
//! text ─node─▶ tree of spanned source texts ─overlay─▶ one tree per variant ─reader, keys─▶ values in units ─lower─▶ Scenario
//!                                                         keys ─schema─▶ JSON Schema
//! ```
//!
//! A [`Grid`] is a file of which some keys take several values, set by options (`--set`): one tree per point.
//!
//! Deliberately absent: clocks, the network, any file outside of the scenario's folder, and half-read scenarios.

mod beside;
mod cause;
mod decimal;
mod diagnostic;
mod files;
mod grid;
mod keys;
mod limit;
mod lower;
mod node;
mod option;
mod overlay;
mod reader;
mod schema;
mod set;
pub mod setting;
mod suggest;
mod threshold;
mod trace;
mod unit;
mod value;

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use farebox_engine::model::Scenario;
use sha2::{Digest, Sha256};

pub use self::diagnostic::{Diagnostic, Place, Related, Severity, Source, Span, Styled};
use self::diagnostic::{Problems, Spanned, enumerate, quote};
use self::files::Files;
pub use self::grid::{Axis, AxisValue, Checked, Grid, GridError};
pub use self::option::{amount, duration, durations, rate_per_s, share};
pub use self::setting::Setting;

/// A scenario that is right. It can be played when nothing of it is unsupported.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The model.
    pub scenario: Scenario,
    /// What is legal, but odd.
    pub warnings: Vec<Diagnostic>,
    /// What of the scenario has no effect in this version ([`Severity::Unsupported`]): playing it would answer another
    /// question than it asks.
    pub unsupported: Vec<Diagnostic>,
    /// What the first comment of the file asks.
    pub question: Option<String>,
    /// What is played, key by key.
    pub settings: Vec<Setting>,
    /// The variants of the file.
    pub variants: Vec<Variant>,
    /// Where each threshold stands, in the order of the scenario's.
    pub thresholds: Vec<Place>,
    /// What the diagnostics point into.
    pub source: Source,
}

/// An overlay of a scenario file, which has been found right.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// As [`Loaded::unsupported`], of the variant.
    pub unsupported: Vec<Diagnostic>,
}

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file could not be read at all.
    #[error("cannot read the scenario {}", quote(&path.display().to_string()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is wrong.
    #[error(transparent)]
    Rejected(#[from] Rejected),
}

/// A scenario that is wrong, and all that is.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// What the diagnostics point into.
    pub source: Source,
    /// Errors, what is unsupported, and warnings, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.diagnostics.iter().filter(|problem| problem.severity == Severity::Error).count();
        let noun = if errors == 1 { "error" } else { "errors" };
        write!(f, "{errors} {noun} in {}", quote(self.source.name()))
    }
}

// By hand: thiserror would take the field `source` for the cause.
impl std::error::Error for Rejected {}

/// Reads the scenario in a file, and the traces beside it.
pub fn load(path: &Path) -> Result<Loaded, ScenarioError> {
    load_variant(path, None)
}

/// Reads a variant of the scenario in a file; `None` is the file without any.
pub fn load_variant(path: &Path, variant: Option<&str>) -> Result<Loaded, ScenarioError> {
    let name = path.display().to_string();
    Ok(parse_variant(&name, &text_of(path)?, path.parent().unwrap_or(Path::new("")), variant)?)
}

/// The text of a scenario file.
fn text_of(path: &Path) -> Result<String, ScenarioError> {
    let unreadable = |source| ScenarioError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large; how large it is does not matter.
    let file = File::open(path).map_err(unreadable)?;
    file.take(limit::TEXT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let name = path.display().to_string();
    // What was cut off may end in half a character, which is no news of the file.
    if bytes.len() > limit::TEXT_BYTES {
        return Err(too_large(&name).into());
    }
    Ok(decode(&name, bytes)?)
}

/// Reads a scenario from its text. Diagnostics call it `name`; its traces are in `folder`.
pub fn parse(name: &str, text: &str, folder: &Path) -> Result<Loaded, Rejected> {
    parse_variant(name, text, folder, None)
}

/// As [`parse`], of a variant. All variants are judged, whichever is asked for: a file is right as a whole or not.
pub fn parse_variant(name: &str, text: &str, folder: &Path, variant: Option<&str>) -> Result<Loaded, Rejected> {
    parse_with(name, text, &Files::of(folder), variant)
}

/// As [`parse_variant`], with files that may have been read already.
fn parse_with(name: &str, text: &str, files: &Files, variant: Option<&str>) -> Result<Loaded, Rejected> {
    if text.len() > limit::TEXT_BYTES {
        return Err(too_large(name));
    }
    // Some editors write a byte order mark, and YAML allows it. It is no part of what anyone sees.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = Source::new(name, text);
    let mut problems = Problems::default();
    let judged = node::parse(text, &mut problems).and_then(|root| judge(&root, files, variant, &mut problems));
    match judged {
        Some((Chosen { lowered, unsupported, settings }, variants)) if !problems.has_errors() => {
            let question = setting::question(text);
            let fingerprint = fingerprint(text, variant, &lowered.traces);
            let name = match variant {
                Some(variant) => format!("{}-{variant}", lowered.scenario.name),
                None => lowered.scenario.name.clone(),
            };
            let scenario = Scenario { name, fingerprint, ..lowered.scenario };
            let mut warnings = problems.into_sorted();
            warnings.retain(|problem| problem.severity == Severity::Warning);
            let thresholds = lowered.thresholds.iter().map(|span| source.place(*span)).collect();
            Ok(Loaded { scenario, warnings, unsupported, question, settings, variants, thresholds, source })
        }
        _ => Err(Rejected { source, diagnostics: problems.into_sorted() }),
    }
}

/// What was asked for: the document as it stands, or a variant.
struct Chosen {
    lowered: lower::Lowered,
    unsupported: Vec<Diagnostic>,
    settings: Vec<Setting>,
}

impl Chosen {
    fn new(lowered: lower::Lowered, unsupported: Vec<Diagnostic>, root: &Spanned<node::Node>) -> Self {
        Self { lowered, unsupported, settings: setting::settings(root) }
    }
}

/// Lowers a document and its variants; returns the one that is asked for, what of it is unsupported, and all variants.
fn judge(
    root: &Spanned<node::Node>,
    files: &Files,
    asked: Option<&str>,
    problems: &mut Problems,
) -> Option<(Chosen, Vec<Variant>)> {
    let mut found =
        lower::lower(root, files, problems).map(|lowered| Chosen::new(lowered, problems.unsupported(), root));
    if asked.is_some() {
        found = None;
    }
    let mut variants = Vec::new();
    for variant in overlay::variants(root, problems) {
        let name = variant.name.value.clone();
        let mut own = Problems::default();
        let merged = variant.of(root, &mut own);
        let lowered = lower::lower(&merged, files, &mut own);
        let unsupported = own.unsupported();
        if asked == Some(name.as_str()) {
            found = lowered.map(|lowered| Chosen::new(lowered, unsupported.clone(), &merged));
        }
        problems.absorb(&format!("in the variant {}", quote(&name)), own);
        variants.push(Variant { name, unsupported });
    }
    if let Some(asked) = asked
        && !variants.iter().any(|variant| variant.name == asked)
    {
        let known = || variants.iter().map(|variant| variant.name.as_str());
        let help = suggest::did_you_mean(asked, known()).unwrap_or_else(|| match enumerate(known()) {
            names if names.is_empty() => "add it under `variants`".to_owned(),
            names => format!("the variants are {names}"),
        });
        problems.push(Diagnostic::error(root.span, format!("there is no variant {}", quote(asked))).help(help));
    }
    found.map(|chosen| (chosen, variants))
}

/// The JSON Schema (draft 2020-12) of the language: editors complete from it.
pub fn schema() -> serde_json::Value {
    schema::schema()
}

/// The text of a file, which must be UTF-8.
fn decode(name: &str, bytes: Vec<u8>) -> Result<String, Rejected> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        let problem = Diagnostic::error(Span::default(), "the file is UTF-16, and scenarios are UTF-8");
        return Err(reject(Source::new(name, ""), problem.help("save it as UTF-8")));
    }
    if bytes.starts_with(&GZIP) || (bytes.contains(&0) && std::str::from_utf8(&bytes).is_err()) {
        let problem = Diagnostic::error(Span::default(), "the file is not a text");
        return Err(reject(Source::new(name, ""), problem.help("a scenario is YAML, in UTF-8")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let message = format!("the file is not UTF-8: there is a byte 0x{:02X} here", error.as_bytes()[at]);
        // Up to the bad byte the text with replacements is the file's, so the place is right.
        let source = Source::new(name, String::from_utf8_lossy(error.as_bytes()));
        let span = Span { start: at, end: at + char::REPLACEMENT_CHARACTER.len_utf8() };
        reject(source, Diagnostic::error(span, message).help("save it as UTF-8"))
    })
}

/// How compressed files begin.
const GZIP: [u8; 2] = [0x1F, 0x8B];

fn too_large(name: &str) -> Rejected {
    let message = format!("the scenario is larger than {} MiB", limit::TEXT_BYTES >> 20);
    let problem = Diagnostic::error(Span::default(), message);
    reject(Source::new(name, ""), problem.help("recorded calls belong in a trace beside it"))
}

fn reject(source: Source, problem: Diagnostic) -> Rejected {
    Rejected { source, diagnostics: vec![problem] }
}

/// SHA-256 over the hashes of the text, of the variant's name and of each trace: parts of fixed length, so that none can
/// pass for another.
fn fingerprint(text: &str, variant: Option<&str>, traces: &[[u8; 32]]) -> String {
    let mut hash = Sha256::new_with_prefix(b"farebox scenario 1\n");
    hash.update(Sha256::digest(text));
    if let Some(variant) = variant {
        // Marked, so that it cannot pass for a trace.
        hash.update(Sha256::digest(format!("variant {variant}")));
    }
    for trace in traces {
        hash.update(trace);
    }
    let mut hex = String::new();
    for byte in hash.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests;
