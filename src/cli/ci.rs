//! What pipelines are told of a run: `JUnit` XML, a Markdown summary, annotations at the lines of broken thresholds.
//! docs/CI.md has how they are used.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use farebox_engine::billing::ledger::LedgerAccount;
use farebox_engine::money::thousands;
use farebox_engine::outcome::Outcome;

use super::args::Annotations;
use super::command_line;
use super::commands::judged::Judgement;
use super::exit::{Exit, Verdict};
use super::plan::Plan;
use crate::live::collector::reconcile::Reconciled;
use crate::live::result::{RunReport, Sockets};
use crate::live::validity::Verdict as Worth;
use crate::report::shown::{Check, Held, Shown};
use crate::report::{annotations, junit, load, markdown};

/// Adds the files for pipelines, and what is to be told to the runner when the results are in place.
/// A check that does not hold is noted against the run: no file says that a run failed whose code says that it passed.
pub fn add(plan: &mut Plan, judgement: &Judgement, outcome: Option<&Outcome>, checks: &[Check], verdict: &mut Verdict) {
    // All that can be seen not to hold is of the books; what nobody can tell is noted where that is found.
    if checks.iter().any(|check| check.held == Held::No) {
        verdict.note(Exit::BooksUnbalanced);
    }
    let mut verdict = verdict.clone();
    if plan.results.was_interrupted() {
        verdict.note(Exit::Interrupted);
    }
    let findings: Vec<_> = verdict.findings().map(Exit::meaning).collect();
    let (scenario, command) = (plan.scenario.clone(), command_line::typed());
    let shown = Shown {
        scenario: &scenario.name,
        fingerprint: &scenario.fingerprint,
        seed: scenario.seed,
        replications: outcome.map_or(1, Outcome::replication_count),
        currency: scenario.currency,
        command: &command,
        version: env!("CARGO_PKG_VERSION"),
        findings: &findings,
        thresholds: &judgement.thresholds,
        checks,
        baseline: judgement.baseline.as_ref().map(|(name, rows)| (name.as_str(), rows.as_slice())),
        outcome,
    };
    plan.results.add("junit.xml", junit::render(&shown));
    plan.results.summary = markdown::render(&shown);
    plan.results.add("summary.md", plan.results.summary.clone());
    let told = plan.told_to();
    match told {
        Some(Runner::GitHub) => {
            let file = in_repository(&plan.file, "GITHUB_WORKSPACE");
            plan.results.commands = annotations::github(&shown, &file, &plan.places);
        }
        Some(Runner::GitLab) => {
            let file = in_repository(&plan.file, "CI_PROJECT_DIR");
            let report = annotations::gitlab(&shown, &file, &plan.places);
            plan.results.add("codequality.json", report);
        }
        None => {}
    }
}

/// Who reads annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// GitHub Actions.
    GitHub,
    /// GitLab CI.
    GitLab,
}

impl Runner {
    /// The one that was asked for, or that this runs under.
    pub fn of(asked: Annotations) -> Option<Self> {
        let is_under = |name: &str| env::var_os(name).is_some_and(|value| value == "true");
        match asked {
            Annotations::Github => Some(Self::GitHub),
            Annotations::Gitlab => Some(Self::GitLab),
            Annotations::Auto if is_under("GITHUB_ACTIONS") => Some(Self::GitHub),
            Annotations::Auto if is_under("GITLAB_CI") => Some(Self::GitLab),
            Annotations::Auto | Annotations::None => None,
        }
    }
}

/// Where GitHub's runner wants the summary of a step; nothing elsewhere.
pub fn step_summary() -> Option<PathBuf> {
    env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Adds to a file: earlier steps, and earlier runs of this one, have their summaries in it.
pub fn append(file: &Path, summary: &str) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(file)?.write_all(format!("{summary}\n").as_bytes())
}

/// The file as the repository knows it: annotations are shown at paths from its root.
fn in_repository(file: &Path, root: &str) -> String {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let inside = env::var_os(root).and_then(|root| Some(absolute.strip_prefix(root).ok()?.to_owned()));
    inside.unwrap_or_else(|| file.to_owned()).display().to_string()
}

// === What must hold of every run ===

/// Whether every account of the ledger sums to zero with the others, in every replication.
pub fn balanced(outcome: &Outcome) -> Check {
    let all = outcome.summed();
    let sum: i128 = LedgerAccount::ALL.map(|account| all.balance(account)).iter().sum();
    let (held, detail) = match sum {
        0 => (Held::Yes, "all accounts sum to zero".to_owned()),
        _ => (Held::No, format!("all accounts sum to {sum} nanos")),
    };
    Check { name: "the books balance", held, detail }
}

/// Whether the books say what the payment processor holds; nothing where nobody can be charged.
pub fn reconciled(found: Option<&Reconciled>, currency: &str) -> Option<Check> {
    let found = found?;
    let held = if found.is_equal() { Held::Yes } else { Held::No };
    Some(Check { name: "the payment processor holds what the books say", held, detail: load::said_of(found, currency) })
}

/// Whether a simulation says anything: all of it was played, and calls were made.
pub fn valid_simulation(outcome: &Outcome) -> Check {
    let offered: u64 = outcome.replications().flatten().map(farebox_engine::outcome::CohortOutcome::offered).sum();
    let (held, detail) = match (outcome.is_partial(), offered) {
        (true, _) => (Held::Unknown, "interrupted: not all of it was played".to_owned()),
        (_, 0) => (Held::Unknown, "no call was made".to_owned()),
        (_, offered) => (Held::Yes, format!("{} attempts at calls", thousands(offered.into()))),
    };
    Check { name: "the run is valid", held, detail }
}

/// Whether a load says anything of the gateway.
pub fn valid_load(sockets: &Sockets) -> Check {
    let validity = &sockets.validity;
    let (held, detail) = match validity.verdict {
        _ if sockets.interrupted => (Held::Unknown, "interrupted before all calls were made".to_owned()),
        Worth::Valid => (Held::Yes, format!("{} attempts answered", thousands(sockets.completed.into()))),
        worth => {
            let reasons: Vec<_> = validity.reasons.iter().map(|reason| load::why(*reason, sockets)).collect();
            (Held::Unknown, format!("{}: {}", worth.name(), reasons.join("; ")))
        }
    };
    Check { name: "the load is valid", held, detail }
}

/// That both halves agree: where they do not there is no report, but a failure.
pub fn agree(report: &RunReport) -> Check {
    let events = |proven: u64| thousands(proven.into());
    let detail = format!(
        "lockstep: {} events equal; replay: {} events decided alike; free-running: {} of {} calls decided otherwise, near \
         a boundary",
        events(report.lockstep.events),
        events(report.replay.events),
        report.free_running.differences.len(),
        events(report.free_running.compared),
    );
    Check { name: "simulated and live agree", held: Held::Yes, detail }
}
