//! The only place that prints. Data goes to standard output, talk to standard error, so a pipe gets data alone.
//!
//! Text handed to the [`Printer`] is plain: control characters in it come from somebody's file, could steer the
//! terminal, and are shown as escapes. Colour is added here, never needed to understand the text, and follows
//! `--color`, `NO_COLOR`, `CLICOLOR_FORCE` and whether a terminal listens.

use std::error::Error as _;
use std::fmt;
use std::io::{self, ErrorKind, Stderr, Stdout, Write};
use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::{Color, Everywhere};
use super::exit::{Exit, Failure};
use crate::prove::text::{Piece, Tone};
use crate::scenario::{Diagnostic, Source, Styled};
use crate::visible::visible;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// How often a progress line is drawn at most, per second.
const DRAWS_PER_S: u8 = 10;

/// Prints for one run of the program.
pub struct Printer {
    out: AutoStream<Stdout>,
    err: AutoStream<Stderr>,
    /// Hidden with `--quiet` and where standard error is no terminal.
    progress: MultiProgress,
    quiet: bool,
    /// Whether the reader of standard output has gone away (`farebox … | head`): what follows is dropped in silence,
    /// and the command goes on to its verdict.
    reader_gone: bool,
}

impl Printer {
    /// A printer as the options say.
    pub fn new(options: Everywhere) -> Self {
        let choice = match options.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let target =
            if options.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(DRAWS_PER_S) };
        Self {
            out: AutoStream::new(io::stdout(), choice),
            err: AutoStream::new(io::stderr(), choice),
            progress: MultiProgress::with_draw_target(target),
            quiet: options.quiet,
            reader_gone: false,
        }
    }

    /// Prints a result on standard output: a report, a table. A line break is added where the last one is missing.
    pub fn data(&mut self, text: &str) -> Result<(), Failure> {
        self.put(&visible(text))
    }

    /// Prints a JSON document on standard output, as it is: JSON has its own escapes for control characters.
    pub fn json(&mut self, document: &str) -> Result<(), Failure> {
        self.put(document)
    }

    /// Prints a page on standard output whose pieces have a tone.
    pub fn page(&mut self, pieces: &[Piece]) -> Result<(), Failure> {
        let styled = |Piece { text, tone }: &Piece| {
            let style = match tone {
                Tone::Plain => Style::new(),
                Tone::Heading => Style::new().bold(),
                Tone::Good => GOOD,
                Tone::Bad => ERROR,
            };
            format!("{style}{}{style:#}", visible(text))
        };
        self.put(&pieces.iter().map(styled).collect::<String>())
    }

    fn put(&mut self, text: &str) -> Result<(), Failure> {
        if self.reader_gone {
            return Ok(());
        }
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let out = &mut self.out;
        match self.progress.suspend(|| write!(out, "{text}{end}").and_then(|()| out.flush())) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.reader_gone = true;
                Ok(())
            }
            result => result
                .map_err(|error| Failure::new(Exit::Environment, "cannot write to the standard output").because(error)),
        }
    }

    /// Gives the machinery around the program a command, on a line of its own on standard error, as it is: with `--quiet`
    /// too, and never in between the data. Runners read both streams.
    pub fn command(&mut self, line: &str) {
        self.talk(format_args!("{line}\n"));
    }

    /// Says what goes on; `--quiet` hears none of it.
    pub fn note(&mut self, text: &str) {
        if !self.quiet {
            self.talk(format_args!("{}\n", visible(text)));
        }
    }

    /// Says where something listens, with `--quiet` too: nobody finds what has taken a free port otherwise.
    pub fn address(&mut self, text: &str) {
        self.talk(format_args!("{}\n", visible(text)));
    }

    /// Says what is legal but odd, with `--quiet` too.
    pub fn warning(&mut self, text: &str) {
        self.talk(format_args!("{WARNING}warning{WARNING:#}: {}\n", visible(text)));
    }

    /// Shows a problem of a scenario, or something odd about it, with the line that it is about, and a blank line.
    pub fn diagnostic(&mut self, source: &Source, diagnostic: &Diagnostic) {
        let styled = match self.err.current_choice() {
            ColorChoice::Never => Styled::Plain,
            _ => Styled::Ansi,
        };
        self.talk(format_args!("{}\n\n", source.render(diagnostic, styled)));
    }

    /// Says why the command could not finish: the error, what it came from, what to do.
    pub fn failure(&mut self, failure: &Failure) {
        self.talk(format_args!("{ERROR}error{ERROR:#}: {}\n", visible(&failure.to_string())));
        for cause in iter::successors(failure.source(), |&error| error.source()) {
            self.talk(format_args!("  caused by: {}\n", visible(&cause.to_string())));
        }
        if let Some(hint) = failure.advice() {
            self.talk(format_args!("{HINT}hint{HINT:#}: {}\n", visible(hint)));
        }
    }

    /// A line that says how far the work is, out of `total`; it goes away when it is dropped.
    pub fn progress(&self, label: &str, total: u64) -> Progress {
        let style = ProgressStyle::with_template("{msg} {bar:32} {percent:>3} %, {eta} left")
            .expect("the template is a constant with known keys");
        let bar = ProgressBar::new(total).with_style(style).with_message(visible(label).into_owned());
        Progress(self.progress.add(bar))
    }

    /// Writes to standard error, around the progress line. Where nobody can be told, nobody is.
    fn talk(&mut self, text: fmt::Arguments<'_>) {
        let err = &mut self.err;
        self.progress.suspend(|| err.write_fmt(text).and_then(|()| err.flush()).unwrap_or_default());
    }
}

/// How far the work is. Threads may share it by reference: setting it is an atomic store, and a draw at most ten times
/// a second.
pub struct Progress(ProgressBar);

impl Progress {
    /// So much is done, of the total.
    pub fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// So much more is done.
    pub fn add(&self, more: u64) {
        self.0.inc(more);
    }

    /// Does work that counts what it has done, and shows the count meanwhile.
    pub fn follow<T>(&self, done: &AtomicU64, work: impl FnOnce() -> T) -> T {
        self.watch(done, || {}, work)
    }

    /// The same, and says each second what `says` has to say; where nobody sees it, it is not asked.
    pub fn follow_saying<T>(
        &self,
        done: &AtomicU64,
        mut says: impl FnMut() -> String + Send,
        work: impl FnOnce() -> T,
    ) -> T {
        if self.0.is_hidden() {
            return self.follow(done, work);
        }
        let mut draws = 0;
        let each_second = || {
            draws += 1;
            if draws % DRAWS_PER_S == 0 {
                self.0.set_message(visible(&says()).into_owned());
                draws = 0;
            }
        };
        self.watch(done, each_second, work)
    }

    fn watch<T>(&self, done: &AtomicU64, mut each_draw: impl FnMut() + Send, work: impl FnOnce() -> T) -> T {
        let between_draws = Duration::from_secs(1) / u32::from(DRAWS_PER_S);
        let (working, over) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                while over.recv_timeout(between_draws) == Err(RecvTimeoutError::Timeout) {
                    self.set(done.load(Ordering::Relaxed));
                    each_draw();
                }
            });
            let result = work();
            drop(working);
            result
        })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Answers a command line that asks for help or the version, or that cannot be understood.
pub(super) fn usage(answer: &clap::Error) -> Exit {
    // A reader that has gone away is no error, and with nobody listening there is nobody to tell.
    answer.print().unwrap_or_default();
    if answer.use_stderr() { Exit::Usage } else { Exit::Passed }
}

/// Says after a panic's own message what it means and what to do.
pub(super) fn bug() {
    let mut err = AutoStream::auto(io::stderr());
    let text = format!(
        "{ERROR}error{ERROR:#}: this is a bug in Farebox, and no result was written\n\
         {HINT}hint{HINT:#}: please report it with the lines above, the command and the scenario file\n"
    );
    err.write_all(text.as_bytes()).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_set_from_several_threads() {
        let printer = Printer::new(Everywhere { quiet: true, color: Color::Never });
        let progress = printer.progress("simulating", 4_000);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| progress.add(1)));
            }
        });
        assert_eq!(progress.0.position(), 4_000);
        assert_eq!(progress.follow(&AtomicU64::new(7), || "result"), "result");
    }
}
