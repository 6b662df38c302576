//! The few rules that the architecture stands on. Each is a function over a file's path and text, is proved on a
//! snippet that breaks it, and says what to do instead. Taste is not policed here; docs/STYLE.md teaches it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use farebox::cli::exit::Exit;
use serde_json::Value;

use crate::program::cargo_metadata;

/// The root of the workspace.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

// === The wall around the engine ===

/// All that the engine may depend on.
const ENGINE_DEPENDENCIES: [&str; 6] = ["hdrhistogram", "jiff", "libm", "rand", "serde", "thiserror"];
/// Those whose default features read the clock, the environment or the system's randomness. Features unify over the
/// workspace, so no member may turn them on.
const WITHOUT_DEFAULTS: [&str; 2] = ["jiff", "rand"];

fn behind_the_wall(metadata: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    for package in list(&metadata["packages"]) {
        let member = text(&package["name"]);
        for dependency in list(&package["dependencies"]) {
            let name = text(&dependency["name"]);
            let for_tests = dependency["kind"] == "dev";
            if member == "farebox-engine" && !for_tests && !ENGINE_DEPENDENCIES.contains(&name) {
                violations.push(format!("{member} depends on {name}"));
            }
            if WITHOUT_DEFAULTS.contains(&name) && dependency["uses_default_features"] == true {
                violations.push(format!("{member} takes {name} with its default features"));
            }
        }
    }
    violations
}

#[test]
fn the_engine_depends_on_nothing_that_touches_the_world() {
    obeyed(
        "The engine is handed the time and the draws, so the same seed gives the same bytes. What needs a clock, a \
         socket, a file or the system's randomness goes into the shell (src/), and hands its results in.",
        behind_the_wall(&cargo_metadata()),
    );
}

/// The engine's one file of plain data that is written down and read back.
const SERIALISED: &str = "src/engine/outcome";

fn formats_at_the_edge(file: &File) -> Vec<String> {
    if !file.path.starts_with("src/engine/") || file.path.starts_with(SERIALISED) {
        return Vec::new();
    }
    file.mentions(&["serde::", "Serialize", "Deserialize"])
}

#[test]
fn only_outcomes_have_a_format_inside_the_engine() {
    obeyed(
        "A type that can be serialised is an interface that somebody depends on. The engine has one, the outcome; \
         formats of anything else belong to the shell, which turns its own types into the engine's.",
        sources().iter().flat_map(formats_at_the_edge),
    );
}

/// What reads the surroundings, or has an order that differs from run to run. A backstop to src/engine/clippy.toml,
/// which knows types and not only text.
const AMBIENT: [&str; 12] = [
    "HashMap",
    "HashSet",
    "Instant",
    "SystemTime",
    "rand::rng",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time",
    "SysRng",
];

fn no_surroundings(file: &File) -> Vec<String> {
    if file.path.starts_with("src/engine/") { file.mentions(&AMBIENT) } else { Vec::new() }
}

#[test]
fn the_engine_does_not_look_around() {
    obeyed(
        "What the engine reads from its surroundings, a run cannot repeat. Take `now: Now`, an addressed draw, or a \
         part of the scenario as a parameter; use a `BTreeMap`, or a `Vec` by dense id.",
        sources().iter().flat_map(no_surroundings),
    );
}

// === No lock on the hot paths ===

/// What makes threads wait for each other, or hands things from one to the other.
const WAITS: [&str; 6] = ["Mutex", "RwLock", "Condvar", "mpsc", "oneshot", "broadcast"];
/// Where it has its place: an account that both of the gateway's threads may be asked about, one lock each; the thread that
/// asks the payment processor, which a load's end waits for; answers before the end of their requests, which few are; and the
/// bare server of the self-test, which is told when to end.
const MAY_WAIT: [&str; 4] = [
    "src/live/accounts.rs",
    "src/live/collector/mod.rs",
    "src/live/gateway/reply/apart.rs",
    "src/live/generator/null.rs",
];

fn no_locks(file: &File) -> Vec<String> {
    let is_hot = file.path.starts_with("src/engine/") || file.path.starts_with("src/live/");
    if is_hot && !MAY_WAIT.contains(&file.path.as_str()) { file.mentions(&WAITS) } else { Vec::new() }
}

#[test]
fn nobody_waits_on_the_hot_paths() {
    obeyed(
        "Each thread of a simulation, of the gateway and of the generator has its own state, and results are merged at the \
         end. What is shared is an account, behind one lock of its own (src/live/accounts.rs).",
        sources().iter().flat_map(no_locks),
    );
}

// === The direction of the data ===

/// The modules of the engine in layers: each may use its own layer and those before it.
const ENGINE: [&[&str]; 8] = [
    &["time", "money", "draw", "distribution"],
    &["model"],
    &["billing"],
    &["world"],
    &["sim"],
    &["figures", "lives", "log", "moments", "record"],
    &["oracle"],
    &["outcome"],
];

/// What each part of the shell may use beside itself: other parts, and modules of the engine.
const SHELL: [(&str, &[&str]); 15] = [
    ("control", &[]),
    ("unpack", &[]),
    ("visible", &[]),
    ("import", &[]),
    (
        "scenario",
        &[
            "engine::model",
            "engine::time",
            "engine::money",
            "engine::draw",
            "engine::distribution",
            "unpack",
            "visible",
        ],
    ),
    ("simulate", &["engine::*", "control"]),
    (
        "forecast",
        &["engine::model", "engine::time", "engine::money", "engine::draw", "engine::distribution", "engine::world"],
    ),
    // `forecast` for the Poisson law.
    ("prove", &["engine::*", "control", "forecast", "simulate"]),
    ("live", &["engine::*", "mock_upstreams", "control"]),
    ("measure", &["engine::*"]),
    // `live` for what a load has shown.
    ("baseline", &["engine::model", "engine::outcome", "live", "measure"]),
    ("sweep", &["engine::*", "control", "measure", "scenario", "simulate"]),
    // `engine::billing` for the names of movements and causes, `engine::model` for what a scenario left out, `live` for what
    // a load has shown, `scenario` for the settings that it was read with; `engine::distribution` and `engine::draw` for how
    // long and how likely what was assumed is.
    (
        "report",
        &[
            "engine::outcome",
            "engine::figures",
            "engine::model",
            "engine::money",
            "engine::time",
            "engine::billing",
            "engine::distribution",
            "engine::draw",
            "baseline",
            "live",
            "measure",
            "scenario",
            // What a sweep has shown.
            "sweep",
            "visible",
        ],
    ),
    ("compare", &["engine::*", "control"]),
    (
        "cli",
        &[
            "baseline",
            "compare",
            "control",
            "engine::*",
            "forecast",
            "import",
            "live",
            "measure",
            "mock_upstreams",
            "prove",
            "report",
            "scenario",
            "simulate",
            "sweep",
            "unpack",
            "visible",
        ],
    ),
];

fn one_direction(file: &File) -> Vec<String> {
    let (path, may_use): (_, fn(&str, &str) -> bool) = match file.path.strip_prefix("src/engine/") {
        Some(path) => (path, engine_may_use),
        None => match file.path.strip_prefix("src/") {
            Some(path) => (path, shell_may_use),
            None => return Vec::new(),
        },
    };
    let (top, below) = path.split_once('/').unwrap_or((path, ""));
    let part = top.trim_end_matches(".rs");
    // The roots list the modules, and tests may use what they like.
    if ["lib", "main", "tests"].contains(&part) || path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let depth = 1 + below.split('/').filter(|name| !name.is_empty() && *name != "mod.rs").count();
    let used = used_modules(&file.code(), depth);
    let against = used.into_iter().filter(|(_, name)| !may_use(part, name));
    against.map(|(line, name)| format!("{}:{line}: `{part}` uses `{name}`", file.path)).collect()
}

/// Every module at the root of its crate that the code of a file names, with the line; those of other members as
/// `engine::…` and `mock_upstreams`. The file lies `depth` modules below its own root.
fn used_modules(code: &str, depth: usize) -> Vec<(usize, String)> {
    let own = ["crate::", &"super::".repeat(depth)].map(|root| first_names(code, root)).concat();
    let modules = |(line, name): (usize, &str)| (line, name.to_owned());
    let engine = |(line, name): (usize, &str)| (line, format!("engine::{name}"));
    let upstreams = |(line, _): (usize, &str)| (line, "mock_upstreams".to_owned());
    let mut used: Vec<_> = own.into_iter().filter(|(_, name)| *name != "self").map(modules).collect();
    used.extend(first_names(code, "farebox_engine::").into_iter().map(engine));
    used.extend(first_names(code, "mock_upstreams::").into_iter().map(upstreams));
    used
}

fn engine_may_use(part: &str, name: &str) -> bool {
    let layer = |module: &str| ENGINE.iter().position(|layer| layer.contains(&module));
    layer(part).is_some_and(|own| layer(name).is_some_and(|other| other <= own))
}

fn shell_may_use(part: &str, name: &str) -> bool {
    let row = SHELL.iter().find(|(module, _)| *module == part);
    row.is_some_and(|(_, allowed)| {
        name == part || allowed.contains(&name) || (name.starts_with("engine::") && allowed.contains(&"engine::*"))
    })
}

#[test]
fn imports_point_the_way_the_data_flows() {
    obeyed(
        "Data flows one way: scenario → engine → outcome → report, and cli holds the ends. A use against the stream \
         ties two halves together: move what both need to the earlier one, or hand it over as a value. A new module \
         needs its place in the tables above.",
        sources().iter().flat_map(one_direction),
    );
}

// === One voice ===

const PRINTS: [&str; 7] = ["print!", "println!", "eprint!", "eprintln!", "dbg!", "io::stdout", "io::stderr"];
/// Where printing is: the program's printer, and the main file of the second program, which has one line to say.
const MAY_PRINT: [&str; 2] = ["src/cli/printer.rs", "mock-upstreams/src/main.rs"];

fn one_printer(file: &File) -> Vec<String> {
    let shipped = file.path.starts_with("src/") || file.path.starts_with("mock-upstreams/src/");
    if shipped && !MAY_PRINT.contains(&file.path.as_str()) { file.mentions(&PRINTS) } else { Vec::new() }
}

#[test]
fn only_the_printer_prints() {
    obeyed(
        "The printer knows about `--quiet`, colour, progress lines, broken pipes and control characters. Take a \
         `&mut Printer` in a command; return a value everywhere else.",
        sources().iter().flat_map(one_printer),
    );
}

// === Files that can be read ===

/// Spelled in halves, so that this file does not hold them.
const LEFTOVERS: [&str; 4] =
    [concat!("FIX", "ME"), concat!("XX", "X"), concat!("to", "do!"), concat!("unimple", "mented!")];

fn finished(file: &File) -> Vec<String> {
    let mut violations = Vec::new();
    if !file.text.starts_with("//!") {
        violations.push(format!("{}:1: does not start with `//!`", file.path));
    }
    for (line, code) in (1..).zip(file.text.lines()) {
        violations.extend(LEFTOVERS.iter().filter(|word| has_word(code, word)).map(|word| at(&file.path, line, word)));
    }
    violations
}

#[test]
fn every_file_says_what_it_is_and_is_finished() {
    obeyed(
        "A file opens with what it is for and why (`//!`), and what is missing is an error that a user can read or \
         an entry in the issue tracker, not a mark in the code.",
        sources().iter().flat_map(finished),
    );
}

fn unlisted(scenarios: &[String], index: &str) -> Vec<String> {
    scenarios.iter().filter(|name| !index.contains(&format!("]({name})"))).cloned().collect()
}

#[test]
fn every_scenario_is_in_the_index() {
    let folder = Path::new(ROOT).join("scenarios");
    let index = fs::read_to_string(folder.join("README.md")).unwrap();
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let yaml = files.filter(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    let scenarios: Vec<String> = yaml.map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    obeyed("A scenario is found by its question: add it to scenarios/README.md.", unlisted(&scenarios, &index));
}

/// The rows of a Markdown table whose first cell is a number.
fn numbered_rows(markdown: &str) -> BTreeSet<String> {
    let numbered = |line: &&str| line.starts_with("| ") && line[2..].starts_with(|c: char| c.is_ascii_digit());
    markdown.lines().filter(numbered).map(str::to_owned).collect()
}

fn other_exit_codes(readme: &str) -> Vec<String> {
    let documented = numbered_rows(readme);
    let real = Exit::ALL.iter().map(|exit| format!("| {} | {} |", exit.code(), exit.meaning())).collect();
    documented.symmetric_difference(&real).cloned().collect()
}

#[test]
fn the_readme_has_the_exit_codes_of_the_program() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    obeyed("Scripts are written from README.md's table: keep it equal to src/cli/exit.rs.", other_exit_codes(&readme));
}

// === Proof that the rules bite ===

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn the_wall_bites() {
    let metadata = |member: &str, name: &str, kind: Value, defaults: bool| {
        let dependency = serde_json::json!({ "name": name, "kind": kind, "uses_default_features": defaults });
        serde_json::json!({ "packages": [{ "name": member, "dependencies": [dependency] }] })
    };
    assert_eq!(behind_the_wall(&metadata("farebox-engine", "tokio", Value::Null, false)).len(), 1);
    assert_eq!(behind_the_wall(&metadata("farebox", "rand", Value::Null, true)).len(), 1);
    assert!(behind_the_wall(&metadata("farebox-engine", "expect-test", "dev".into(), true)).is_empty());
    assert!(behind_the_wall(&metadata("farebox-engine", "rand", Value::Null, false)).is_empty());
    assert!(behind_the_wall(&metadata("farebox", "tokio", Value::Null, true)).is_empty());

    let derive = "#[derive(serde::Serialize)]\nstruct A;";
    assert_eq!(formats_at_the_edge(&file("src/engine/model.rs", derive)).len(), 2);
    assert!(formats_at_the_edge(&file("src/engine/outcome.rs", derive)).is_empty());

    let clock = "// Instant is not meant here.\nlet now = std::time::Instant::now();";
    assert_eq!(no_surroundings(&file("src/engine/sim.rs", clock)).len(), 2);
    assert!(no_surroundings(&file("src/live/clock.rs", clock)).is_empty());
    assert!(no_surroundings(&file("src/engine/sim.rs", "let Instantly = 1;")).is_empty());
}

#[test]
fn the_direction_bites() {
    let uses = |path: &str, text: &str| one_direction(&file(path, text)).len();
    assert_eq!(uses("src/scenario/lower.rs", "use crate::cli::printer::Printer;"), 1);
    assert_eq!(
        uses("src/live/gateway.rs", "use crate::{\n    report::{csv, text},\n    live::clock,\n    cli,\n};"),
        2
    );
    assert_eq!(uses("src/report/text.rs", "fn f(s: &farebox_engine::sim::Sim) {}"), 1);
    assert_eq!(uses("src/live/gateway.rs", "use super::super::cli::out;"), 1);
    assert_eq!(uses("src/engine/billing/gate.rs", "use crate::world::Consumer;"), 1);
    assert_eq!(uses("src/engine/model.rs", "use super::sim;"), 1);
    assert_eq!(uses("src/engine/helpers.rs", "use crate::time::Span;"), 1);

    assert_eq!(uses("src/cli/commands/run.rs", "use crate::{live, report};\nuse farebox_engine::sim;"), 0);
    assert_eq!(uses("src/scenario/lower.rs", "use super::node;\nuse farebox_engine::model::Plan;"), 0);
    assert_eq!(uses("src/engine/sim.rs", "use crate::{billing::gate, world};"), 0);
    assert_eq!(uses("src/engine/billing/gate/tests.rs", "use crate::world::Consumer;"), 0);
    assert_eq!(uses("src/engine/time.rs", "#[cfg(test)]\nmod tests {\n    use crate::sim;\n}"), 0);
}

#[test]
fn the_other_rules_bite() {
    assert_eq!(one_printer(&file("src/live/driver.rs", "println!(\"{x}\"); eprintln!();")).len(), 2);
    assert_eq!(one_printer(&file("src/report/text.rs", "let out = std::io::stdout();")).len(), 1);
    assert!(one_printer(&file("src/cli/printer.rs", "let out = io::stdout();")).is_empty());

    assert_eq!(
        no_locks(&file("src/live/gateway.rs", "use std::sync::{Arc, Mutex};\nlet (a, b) = mpsc::channel();")).len(),
        2
    );
    assert!(no_locks(&file("src/cli/printer.rs", "use std::sync::mpsc;")).is_empty());

    let unfinished = format!("//! A file.\n// {} later\n{}();", LEFTOVERS[0], LEFTOVERS[2]);
    assert_eq!(finished(&file("src/a.rs", &unfinished)).len(), 2);
    assert_eq!(finished(&file("src/a.rs", "fn main() {}")).len(), 1);

    let index = "| Who pays? | [payg.yaml](payg.yaml) |";
    assert_eq!(unlisted(&["payg.yaml".to_owned(), "trial.yaml".to_owned()], index), ["trial.yaml"]);
    assert_eq!(other_exit_codes("| 0 | fine |").len(), Exit::ALL.len() + 1);
}

// === How files are read ===

/// A source file: its path from the workspace's root, with `/`, and its text.
struct File {
    path: String,
    text: String,
}

impl File {
    /// The code with comment lines emptied and without the unit tests at its end, which may use what they like. Lines
    /// keep their numbers.
    fn code(&self) -> String {
        let tests = |line: &str| line == "#[cfg(test)]";
        let lines = self.text.lines().take_while(|line| !tests(line));
        let lines: Vec<&str> = lines.map(|line| if line.trim_start().starts_with("//") { "" } else { line }).collect();
        lines.join("\n")
    }

    /// Where its code mentions one of these words.
    fn mentions(&self, words: &[&str]) -> Vec<String> {
        let code = self.code();
        let lines = (1..).zip(code.lines());
        lines
            .flat_map(|(line, code)| {
                words.iter().filter(|word| has_word(code, word)).map(move |word| at(&self.path, line, word))
            })
            .collect()
    }
}

/// All Rust files of the workspace.
fn sources() -> Vec<File> {
    let mut files = Vec::new();
    for folder in ["src", "mock-upstreams", "benches", "tests"] {
        collect(&Path::new(ROOT).join(folder), &mut files);
    }
    assert!(files.len() > 10, "the sources are not where this test looks for them");
    files
}

fn collect(folder: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let parts = path.strip_prefix(ROOT).unwrap().components();
            let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
            files.push(File { path: parts.join("/"), text: fs::read_to_string(&path).unwrap() });
        }
    }
}

/// The first names after a root such as `crate::`, with their lines: one, or those of a group in braces.
fn first_names<'a>(code: &'a str, root: &str) -> Vec<(usize, &'a str)> {
    let mut names = Vec::new();
    for (start, _) in code.match_indices(root) {
        // Of `super::super::cli` only the whole path is a root.
        if code[..start].ends_with(|c: char| is_of_a_name(c) || c == ':') {
            continue;
        }
        let line = 1 + code[..start].matches('\n').count();
        let rest = &code[start + root.len()..];
        let heads = if let Some(group) = rest.strip_prefix('{') { items(group) } else { vec![rest] };
        names.extend(heads.into_iter().map(|head| (line, name_at_start(head))).filter(|(_, name)| !name.is_empty()));
    }
    names
}

/// What a group that was just opened holds, up to its closing brace.
fn items(group: &str) -> Vec<&str> {
    let (mut items, mut depth, mut start) = (Vec::new(), 0, 0);
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                items.push(group[start..i].trim());
                start = i + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    items
}

fn name_at_start(code: &str) -> &str {
    &code[..code.find(|c| !is_of_a_name(c)).unwrap_or(code.len())]
}

/// Whether the word stands in the line by itself, not as a part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let (before, after) = (&line[..start], &line[start + word.len()..]);
        let joins = word.ends_with(is_of_a_name) && after.starts_with(is_of_a_name);
        !before.ends_with(is_of_a_name) && !joins
    })
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn at(path: &str, line: usize, word: &str) -> String {
    format!("{path}:{line}: `{word}`")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Fails with the rule's reason when something violates it.
fn obeyed(why: &str, violations: impl IntoIterator<Item = String>) {
    let violations: Vec<String> = violations.into_iter().collect();
    assert!(violations.is_empty(), "\n{why}\n\n{}\n", violations.join("\n"));
}
