//! What is wrong with a scenario, where, and what to write instead; rendered as rustc does.
//!
//! Nothing of the file reaches the terminal raw: what messages quote goes through [`quote`], what excerpts show through
//! the renderer's own replacements, and a line of a megabyte is cut to what fits beside the caret.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::visible::on_one_line;

/// A stretch of the source, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// Where a part of a text of this length is, which stands here. Quotes and folds move what is inside of them; then the
    /// whole is pointed at.
    pub(super) fn part(self, at: Range<usize>, length: usize) -> Self {
        let (start, end) = (self.start + at.start, self.start + at.end);
        let is_plain = end <= self.end && length == self.end - self.start;
        if is_plain { Self { start, end } } else { self }
    }
}

/// A place in a text, as editors count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The character in it, from 1.
    pub column: usize,
}

/// Something together with where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spanned<T> {
    pub(super) span: Span,
    pub(super) value: T,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The scenario is wrong.
    Error,
    /// Right, but asks for something that this version does not do: it can be checked, and not run.
    Unsupported,
    /// Legal, but odd.
    Warning,
}

/// One problem of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub span: Span,
    /// What is wrong, and what was found.
    pub message: String,
    /// What to write.
    pub help: Option<String>,
    /// The other place that it takes two of, such as the first of two equal keys.
    pub related: Option<Related>,
}

/// A second place that a problem points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Where it is.
    pub span: Span,
    /// What is there.
    pub label: String,
}

/// Whether a rendering carries terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Styled {
    /// Text only.
    Plain,
    /// ANSI escape codes.
    Ansi,
}

/// The text of a scenario under the name that the user gave it, as the place that diagnostics point into.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: String,
    /// The byte at which each line starts.
    lines: Vec<usize>,
    /// Further texts, such as options that change the file, each with the byte at which its spans begin: beyond the file,
    /// and in order.
    beside: Vec<(usize, Source)>,
}

impl Diagnostic {
    pub(super) fn error(span: Span, message: impl Into<String>) -> Self {
        // Whatever a message quotes with `quote`, and whatever it forgot to.
        let message = on_one_line(&message.into());
        Self { severity: Severity::Error, span, message, help: None, related: None }
    }

    pub(super) fn warning(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    pub(super) fn unsupported(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Unsupported, ..Self::error(span, message) }
    }

    /// The same, as what it is where the scenario is to be played.
    #[must_use]
    pub(super) fn unsupported_as_error(self) -> Self {
        let is_unsupported = self.severity == Severity::Unsupported;
        Self { severity: if is_unsupported { Severity::Error } else { self.severity }, ..self }
    }

    #[must_use]
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(on_one_line(&help.into())), ..self }
    }

    #[must_use]
    pub(super) fn related(self, span: Span, label: impl Into<String>) -> Self {
        Self { related: Some(Related { span, label: on_one_line(&label.into()) }), ..self }
    }
}

// === Rendering ===

/// Columns that an excerpt may take, as in rustc's own default.
const WIDTH: usize = 140;
/// How much of a line is shown behind the start of what is wrong in it.
const EXCERPT_BYTES_MAX: usize = 240;
/// How long a caret may be.
const CARET_BYTES_MAX: usize = 100;

impl Source {
    /// A text and the name to show for it.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: on_one_line(&name.into()), text, lines, beside: Vec::new() }
    }

    /// Puts another text beside it; returns the byte at which the spans into that begin.
    pub(super) fn put_beside(&mut self, other: Self) -> usize {
        // One byte lies between two texts, so that what ends the one does not begin the other.
        let (last, end) = self.beside.last().map_or((0, self.text.len()), |(at, last)| (*at, last.text.len()));
        let at = last + end + 1;
        self.beside.push((at, other));
        at
    }

    /// The text that a span is in, and where it is in that.
    fn part(&self, span: Span) -> (&Self, Span) {
        match self.beside.iter().rfind(|(at, _)| *at <= span.start) {
            Some((at, other)) => (other, Span { start: span.start - at, end: span.end.max(span.start) - at }),
            None => (self, span),
        }
    }

    /// The name that diagnostics show.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text that spans count in.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where a span begins.
    pub fn place(&self, span: Span) -> Place {
        let at = self.boundary(span.start);
        let line = self.line_of(at);
        Place { line: line + 1, column: self.text[self.lines[line]..at].chars().count() + 1 }
    }

    /// The diagnostic with its place, the line there, and its help; no newline at the end.
    pub fn render(&self, diagnostic: &Diagnostic, styled: Styled) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Unsupported => Level::WARNING.with_name("unsupported"),
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()));
        group = if self.text.is_empty() {
            group.element(Origin::path(self.name.as_str()))
        } else {
            group.element(self.excerpt(diagnostic.span, AnnotationKind::Primary, None))
        };
        if let Some(related) = &diagnostic.related {
            group = group.element(self.excerpt(related.span, AnnotationKind::Context, Some(&related.label)));
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = match styled {
            Styled::Plain => Renderer::plain(),
            Styled::Ansi => Renderer::styled(),
        };
        renderer.term_width(WIDTH).render(&[group])
    }

    /// The line at the start of a span: the renderer is handed one line, not the file, and of a long one only as much
    /// as can be seen.
    fn excerpt<'a>(
        &'a self,
        span: Span,
        kind: AnnotationKind,
        label: Option<&'a str>,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let (source, span) = self.part(span);
        let line = source.line_of(span.start);
        let from = source.lines[line];
        let end = source.lines.get(line + 1).map_or(source.text.len(), |next| next - 1);
        let shown = source.boundary(end.min(span.start.max(from) + EXCERPT_BYTES_MAX));
        let text = source.text[from..shown].trim_end_matches('\r');
        let start = span.start.clamp(from, from + text.len());
        let caret = source.boundary(span.end.min(start + CARET_BYTES_MAX));
        let caret = caret.clamp(start, from + text.len());
        Snippet::source(without_c1(text))
            .path(source.name.as_str())
            .line_start(line + 1)
            .annotation(kind.span(start - from..caret - from).label(label))
    }

    /// The last place at or before a byte where no character is cut.
    fn boundary(&self, byte: usize) -> usize {
        let byte = byte.min(self.text.len());
        (0..=byte).rev().find(|&at| self.text.is_char_boundary(at)).unwrap_or(0)
    }

    fn line_of(&self, byte: usize) -> usize {
        self.lines.partition_point(|&start| start <= byte) - 1
    }
}

/// The renderer replaces C0 controls and what turns the direction of text, but not C1 (U+009B starts an escape sequence
/// on some terminals). The stand-in has the same length, so that carets stay where they are.
fn without_c1(text: &str) -> String {
    text.replace(|c: char| ('\u{80}'..='\u{9f}').contains(&c), "·")
}

// === Quoting ===

/// How much of a text a message repeats.
const QUOTED_CHARS_MAX: usize = 60;

/// A text of the file as a message shows it: in backticks, cut when long, nothing in it that a terminal would obey.
pub(super) fn quote(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`{}`", on_one_line(&shown))
}

/// Names in backticks, one after the other, at most a dozen.
pub(super) fn enumerate<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const LISTED_MAX: usize = 12;
    let quoted: Vec<String> = names.into_iter().map(quote).collect();
    match quoted.len().saturating_sub(LISTED_MAX) {
        0 => quoted.join(", "),
        more => format!("{} and {more} more", quoted[..LISTED_MAX].join(", ")),
    }
}

// === Collecting ===

/// All that was found so far. A reader goes on after a problem, and a hopeless file may have a million of them, so only
/// the first are kept and the rest is counted.
#[derive(Debug, Default)]
pub(super) struct Problems {
    errors: Vec<Diagnostic>,
    unsupported: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    beyond: usize,
    /// What other readings added, as it was before it named them.
    absorbed: Vec<Diagnostic>,
}

/// How many problems of a file are shown.
const SHOWN_MAX: usize = 100;
/// How many of each severity are kept to choose from: they are found nearly, not wholly, in the order of the file.
const KEPT_MAX: usize = 10 * SHOWN_MAX;

impl Problems {
    /// Notes a problem. The same one is noted once: a plan is read again where it changes.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        let kept = match diagnostic.severity {
            Severity::Error => &mut self.errors,
            Severity::Unsupported => &mut self.unsupported,
            Severity::Warning => &mut self.warnings,
        };
        if kept.contains(&diagnostic) {
            return;
        }
        if kept.len() < KEPT_MAX {
            kept.push(diagnostic);
        } else {
            self.beyond += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.errors.is_empty() && self.unsupported.is_empty() && self.warnings.is_empty()
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// What has no effect yet, in the order of the file.
    pub(super) fn unsupported(&self) -> Vec<Diagnostic> {
        let mut unsupported = self.unsupported.clone();
        unsupported.sort_by_key(|diagnostic| diagnostic.span);
        unsupported
    }

    /// Adds the problems of another reading of the file, such as of a variant, which no reading before it had; `reading`
    /// is what it is called.
    pub(super) fn absorb(&mut self, reading: &str, problems: Self) {
        let Self { errors, unsupported, warnings, beyond, .. } = problems;
        self.beyond += beyond;
        for problem in errors.into_iter().chain(unsupported).chain(warnings) {
            let known = [&self.errors, &self.unsupported, &self.warnings, &self.absorbed];
            if known.iter().any(|known| known.contains(&problem)) {
                continue;
            }
            let message = format!("{} ({reading})", problem.message);
            self.push(Diagnostic { message, ..problem.clone() });
            self.absorbed.push(problem);
        }
    }

    /// Everything in the order of the file; where that is too much, errors before the rest.
    pub(super) fn into_sorted(self) -> Vec<Diagnostic> {
        let Self { errors: mut shown, unsupported, mut warnings, beyond, .. } = self;
        let severity = if shown.is_empty() { Severity::Warning } else { Severity::Error };
        shown.sort_by_key(|diagnostic| diagnostic.span);
        warnings.extend(unsupported);
        warnings.sort_by_key(|diagnostic| diagnostic.span);
        shown.append(&mut warnings);
        let hidden = shown.len().saturating_sub(SHOWN_MAX) + beyond;
        shown.truncate(SHOWN_MAX);
        shown.sort_by_key(|diagnostic| diagnostic.span);
        if let (true, Some(last)) = (hidden > 0, shown.last()) {
            let more = Diagnostic::error(last.span, format!("{hidden} more problems are not shown"));
            shown.push(Diagnostic { severity, ..more });
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_quotes_cannot_drive_a_terminal() {
        assert_eq!(quote("\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}"), r"`\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}`");
        assert_eq!(quote(&"x".repeat(1 << 20)).chars().count(), QUOTED_CHARS_MAX + 3);
    }

    /// A minified file is one line of a megabyte: the caret is still under the mistake, on one screen.
    #[test]
    fn a_long_line_is_cut_to_what_stands_around_the_caret() {
        let text = format!("{}WRONG{}", "a ".repeat(1 << 19), " b".repeat(1 << 19));
        let source = Source::new("long.yaml", text);
        let at = 1 << 20;
        let shown = source.render(&Diagnostic::error(Span { start: at, end: at + 5 }, "found"), Styled::Plain);
        assert!(shown.contains("long.yaml:1:1048577") && shown.contains("WRONG") && shown.contains("^^^^^"));
        assert!(shown.len() < 1_000, "{} bytes", shown.len());
        let whole = source.render(&Diagnostic::error(Span { start: 0, end: 1 << 21 }, "found"), Styled::Plain);
        assert!(whole.len() < 1_000, "{} bytes", whole.len());
    }

    #[test]
    fn a_hopeless_file_is_answered_with_a_hundred_problems_and_a_count() {
        let mut problems = Problems::default();
        for start in 0..5_000 {
            problems.push(Diagnostic::error(Span { start, end: start }, "wrong"));
        }
        let shown = problems.into_sorted();
        assert_eq!((shown.len(), shown[100].message.as_str()), (101, "4900 more problems are not shown"));
    }

    /// An error behind a thousand warnings still stops the scenario, and is still shown.
    #[test]
    fn warnings_do_not_crowd_out_errors() {
        let mut problems = Problems::default();
        for start in 0..5_000 {
            problems.push(Diagnostic::warning(Span { start, end: start }, "odd"));
        }
        assert!(!problems.has_errors());
        problems.push(Diagnostic::error(Span { start: 5_000, end: 5_000 }, "wrong"));
        assert!(problems.has_errors());
        assert!(problems.into_sorted().iter().any(|problem| problem.message == "wrong"));
    }
}
