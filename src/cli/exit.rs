//! How the program ends: the exit codes, what a finished command found, and why a command could not finish.
//!
//! A [`Verdict`] is an answer, even a bad one: the run took place and this is what it showed. A [`Failure`] is the
//! absence of an answer. Only this file maps either to a number.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// The exit codes. README.md and `farebox --help` show this table; tests keep them equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything that was asked holds.
    Passed,
    /// A threshold of the scenario is broken, or nothing was measured that could keep it.
    ThresholdBroken,
    /// The command line cannot be understood.
    Usage,
    /// The scenario file is wrong; every problem in it has been said.
    ScenarioWrong,
    /// The run is worse than the baseline that it was compared with.
    WorseThanBaseline,
    /// The ledger does not sum to zero, or two ways to the same amount disagree: no figure of this run can be trusted.
    BooksUnbalanced,
    /// The run took place but says nothing about its subject, such as when the load generator could not keep up.
    RunInvalid,
    /// The surroundings failed: a file, a socket, a limit of the machine.
    Environment,
    /// A bug of Farebox itself.
    Internal,
    /// Ctrl-C, or a signal that asks to stop; what was measured until then is written, and says that it is partial.
    Interrupted,
}

impl Exit {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 10] = [
        Self::Passed,
        Self::ThresholdBroken,
        Self::Usage,
        Self::ScenarioWrong,
        Self::WorseThanBaseline,
        Self::BooksUnbalanced,
        Self::RunInvalid,
        Self::Environment,
        Self::Internal,
        Self::Interrupted,
    ];

    /// Which one is told when several apply, the strongest first: what makes the other findings doubtful comes before
    /// them. Interrupted and bugs say that the rest is incomplete; a broken environment, that it may be; unbalanced
    /// books and an invalid run, that its figures mean nothing.
    const PRECEDENCE: [Self; 10] = [
        Self::Interrupted,
        Self::Internal,
        Self::Environment,
        Self::Usage,
        Self::ScenarioWrong,
        Self::BooksUnbalanced,
        Self::RunInvalid,
        Self::WorseThanBaseline,
        Self::ThresholdBroken,
        Self::Passed,
    ];

    /// The number that the shell sees. 70 is `EX_SOFTWARE` of BSD's sysexits.h, 130 a shell's 128 + SIGINT.
    pub const fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::ThresholdBroken => 1,
            Self::Usage => 2,
            Self::ScenarioWrong => 3,
            Self::WorseThanBaseline => 4,
            Self::BooksUnbalanced => 5,
            Self::RunInvalid => 6,
            Self::Environment => 7,
            Self::Internal => 70,
            Self::Interrupted => 130,
        }
    }

    /// The code in words, as the tables show it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::ThresholdBroken => "a threshold is broken",
            Self::Usage => "the command line is wrong",
            Self::ScenarioWrong => "the scenario is wrong",
            Self::WorseThanBaseline => "worse than the baseline",
            Self::BooksUnbalanced => "the books do not balance",
            Self::RunInvalid => "the run is not valid: nobody called, or the load generator could not keep up",
            Self::Environment => "the environment failed: a file, a socket, a limit of the machine",
            Self::Internal => "a bug in Farebox",
            Self::Interrupted => "interrupted; what was measured until then is written",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What a finished command found. It starts as passed; findings are noted against it and none takes another back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Without repetition, in the order in which they were noted.
    findings: Vec<Exit>,
}

impl Verdict {
    /// Nothing found against it.
    pub const fn passed() -> Self {
        Self { findings: Vec::new() }
    }

    /// Notes a finding; [`Exit::Passed`] is none.
    pub fn note(&mut self, finding: Exit) {
        if finding != Exit::Passed && !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// All findings, the strongest first; none when it passed.
    pub fn findings(&self) -> impl Iterator<Item = Exit> {
        Exit::PRECEDENCE.into_iter().filter(|exit| self.findings.contains(exit))
    }

    /// The one that the program ends with.
    pub fn exit(&self) -> Exit {
        self.findings().next().unwrap_or(Exit::Passed)
    }
}

/// Why a command could not finish. The printer shows it as `error: …`, its chain of causes, and `hint: …`.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
}

impl Failure {
    /// A failure that ends the program with `exit`; the message is one sentence without a full stop, and literals in it
    /// stand in backticks.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), source: None, hint: None }
    }

    /// What it came from.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The code that the program ends with.
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// What to do about it, if that is known.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_has_its_own_code_and_place() {
        let codes: Vec<u8> = Exit::ALL.map(Exit::code).to_vec();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 70, 130]);
        assert!(Exit::ALL.iter().all(|exit| Exit::PRECEDENCE.contains(exit)));
    }

    #[test]
    fn when_several_findings_apply_the_one_that_casts_doubt_on_the_others_wins() {
        let mut verdict = Verdict::passed();
        assert_eq!(verdict.exit(), Exit::Passed);
        for (finding, told) in [(1, 1), (4, 4), (6, 6), (5, 5), (6, 5), (7, 7), (70, 70), (130, 130), (0, 130)] {
            let finding = Exit::ALL.into_iter().find(|exit| exit.code() == finding).unwrap();
            verdict.note(finding);
            assert_eq!(verdict.exit().code(), told, "after {finding:?}");
        }
        assert_eq!(verdict.findings().map(Exit::code).collect::<Vec<_>>(), [130, 70, 7, 5, 6, 4, 1]);
    }
}
