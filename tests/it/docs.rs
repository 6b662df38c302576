//! What the documents say is true: their scenarios are valid, their links lead somewhere, their commands exist.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use farebox::cli::args::Args;
use farebox_engine::billing::account::Status;
use farebox_engine::billing::cause::{Cause, Kind};
use farebox_engine::billing::decline::Decline;
use farebox_engine::billing::ledger::{LedgerAccount, Movement};
use farebox_engine::figures::Figures;

use crate::program::{Folder, cargo_metadata};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every Markdown file of the repository: of its root, and of the folders that have some.
fn documents() -> Vec<(PathBuf, String)> {
    let folders = ["", "docs", "scenarios", "reports", "mock-upstreams"].map(|folder| Path::new(ROOT).join(folder));
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    let documents = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The fenced blocks of a language.
fn blocks<'a>(markdown: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    markdown.split(fence.as_str()).skip(1).map(|rest| rest.split("\n```").next().unwrap_or(rest)).collect()
}

#[test]
fn every_scenario_in_a_document_is_valid() {
    for (path, markdown) in documents() {
        let scenarios = blocks(&markdown, "yaml").into_iter().filter(|block| block.starts_with("scenario:"));
        for (nth, scenario) in scenarios.enumerate() {
            let name = path.file_stem().unwrap().to_string_lossy();
            let folder = Folder::new(&format!("docs-{name}-{nth}")).with("scenario.yaml", scenario);
            let answer = folder.farebox("validate scenario.yaml").run();
            assert_eq!(answer.code, Some(0), "{}: scenario {}:\n{scenario}\n{answer}", path.display(), nth + 1);
        }
    }
}

/// The targets of `[text](target)`.
fn links(markdown: &str) -> Vec<&str> {
    markdown.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

#[test]
fn every_link_inside_the_repository_leads_somewhere() {
    for (path, markdown) in documents() {
        for target in links(&markdown).into_iter().filter(|target| !target.contains("://")) {
            let file = target.split('#').next().unwrap_or_default();
            let found = path.parent().unwrap().join(file).exists();
            assert!(found, "{} links to `{target}`, which is not there", path.display());
        }
    }
}

/// The commands that a text shows in code, as `farebox COMMAND` or `cargo run --release -- COMMAND`.
fn commands_shown(markdown: &str) -> Vec<&str> {
    let starts = ["`farebox ", "\nfarebox ", "cargo run --release -- "];
    let after = starts.iter().flat_map(|start| markdown.split(start).skip(1));
    after
        .filter_map(|rest| rest.split([' ', '`', '\n']).next())
        .filter(|word| word.starts_with(char::is_lowercase))
        .collect()
}

#[test]
fn every_command_in_a_document_exists() {
    let program = Args::command();
    for (path, markdown) in documents() {
        for command in commands_shown(&markdown) {
            assert!(program.find_subcommand(command).is_some(), "{} shows `{command}`", path.display());
        }
    }
}

/// The first cells of a table's rows, each with one or more names in backticks.
fn names_in_first_cells(markdown: &str) -> Vec<&str> {
    let cells = markdown.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn every_dependency_is_argued() {
    let contributing = fs::read_to_string(Path::new(ROOT).join("CONTRIBUTING.md")).unwrap();
    let argued = names_in_first_cells(&contributing);
    for package in cargo_metadata()["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            let (name, ours) = (dependency["name"].as_str().unwrap(), dependency["source"].is_null());
            assert!(ours || argued.contains(&name), "CONTRIBUTING.md does not say what `{name}` is in place of");
        }
    }
}

#[test]
fn the_readers_of_documents_find_what_they_look_for() {
    assert_eq!(names_in_first_cells("| crate | for |\n| --- | --- |\n| `a`, `b` | `c` |\n"), ["a", "b"]);
    let markdown = "See [a](docs/A.md#b), run `farebox run x.yaml`:\n```yaml\nscenario: x\n```\n\nfarebox sweep\n";
    assert_eq!(links(markdown), ["docs/A.md#b"]);
    assert_eq!(blocks(markdown, "yaml"), ["scenario: x"]);
    assert_eq!(commands_shown(markdown), ["run", "sweep"]);
}

// === Billing rules ===

/// `HeldPrepaid` as documents and outcomes spell it: `held_prepaid`.
fn snake(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// How the table row of a cause begins; what an upstream itself said is passed on, so there no status is told.
fn cause_row(cause: Cause) -> String {
    let (name, kind) = (cause.name(), snake(&format!("{:?}", cause.kind())));
    match cause.kind() {
        Kind::Upstream => format!("| `{name}` | "),
        _ => format!("| `{name}` | {} | {kind} | ", cause.status()),
    }
}

/// How the table row of a movement begins: its name, what it debits, what it credits.
fn movement_row(movement: Movement) -> String {
    let [debit, credit] = [movement.debit(), movement.credit()].map(|account| snake(&format!("{account:?}")));
    format!("| `{}` | `{debit}` | `{credit}` | ", movement.name())
}

/// Every status: the type has no list of its own.
const STATUSES: [Status; 9] = [
    Status::Awaited,
    Status::Incomplete,
    Status::IncompleteExpired,
    Status::Trialing,
    Status::Active,
    Status::PastDue,
    Status::Unpaid,
    Status::Paused,
    Status::Canceled,
];

/// The fields of the figures, read off their own `Debug`: so a new one is asked for without being listed here.
fn figures() -> Vec<String> {
    let shown = format!("{:?}", Figures::of(|_| 0));
    let inside = shown.split_once('{').unwrap().1;
    inside.split(',').filter_map(|field| Some(field.split_once(':')?.0.trim().to_owned())).collect()
}

/// What `docs/BILLING.md` does not say, of all that must be in it.
fn missing_in(billing: &str) -> Vec<String> {
    let rows = Cause::ALL.map(cause_row).into_iter().chain(Movement::ALL.map(movement_row));
    let mut missing: Vec<_> = rows.filter(|row| !billing.lines().any(|line| line.starts_with(row.as_str()))).collect();
    let accounts = LedgerAccount::ALL.map(|account| snake(&format!("{account:?}")));
    let statuses = STATUSES.map(|status| snake(&format!("{status:?}")));
    let declines = Decline::ALL.map(|decline| decline.name().to_owned());
    let named = accounts.into_iter().chain(statuses).chain(declines).chain(figures());
    missing.extend(named.map(|name| format!("`{name}`")).filter(|name| !billing.contains(name.as_str())));
    missing
}

#[test]
fn the_billing_rules_name_every_cause_movement_account_status_and_figure() {
    let billing = fs::read_to_string(Path::new(ROOT).join("docs/BILLING.md")).unwrap();
    assert_eq!(missing_in(&billing), Vec::<String>::new(), "docs/BILLING.md does not say this");
    assert_eq!(missing_in("").len(), Cause::ALL.len() + Movement::ALL.len() + LedgerAccount::ALL.len() + 9 + 8 + 20);
}
