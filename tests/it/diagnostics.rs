//! What Farebox says of scenarios that are wrong: `broken/NAME.yaml` beside the whole of its rendering, and the files
//! that are built to hurt whoever reads them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect, expect_file};
use farebox::scenario::{self, Rejected, ScenarioError, Styled};

use crate::program::Folder;

/// Each file makes mistakes of one kind, which is its name: all of them are said at once, in the order of the file.
#[test]
fn every_broken_scenario_is_told_everything_that_is_wrong_with_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/broken");
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|it| it == "yaml")).collect();
    files.sort();
    assert!(files.len() >= 150, "only {} broken scenarios", files.len());
    let folder = format!("{}/", folder.display());
    for file in files {
        let rejected = match scenario::load(&file) {
            Err(ScenarioError::Rejected(rejected)) => rejected,
            other => panic!("{} is not rejected: {other:?}", file.display()),
        };
        expect_file![file.with_extension("txt")].assert_eq(&render(&rejected).replace(&folder, ""));
        let places: Vec<_> = rejected.diagnostics.iter().map(|problem| problem.span).collect();
        assert!(places.is_sorted(), "{} is not told in the order of the file", file.display());
    }
}

/// Nine levels of nine aliases each are 387 million values, of 300 bytes of text.
#[test]
fn an_alias_bomb_is_refused_before_it_grows() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(text, "a{level}: &a{level} [{aliases}]").expect("a string takes all");
    }
    check(
        &text,
        &expect![[r#"
        error: the scenario grows past 1,000,000 values or 16 MiB of text here
         --> scenario.yaml:6:5
          |
        6 | a5: &a5 [*a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4]
          |     ^^^^^
          |
          = help: aliases count as what they expand to: write fewer, or smaller ones
    "#]],
    );
}

#[test]
fn a_thousand_levels_are_refused() {
    let flow = format!("scenario: {}{}\n", "[".repeat(1_000), "]".repeat(1_000));
    check(
        &flow,
        &expect![[r#"
            error: nested more than 64 levels deep
             --> scenario.yaml:1:266
              |
            1 | ...[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[...
              |                                                                    ^
        "#]],
    );
    let block = (0..1_000).map(|level| " ".repeat(level) + "a:\n").collect::<String>();
    let rejected = scenario::parse("deep.yaml", &block, Path::new("")).expect_err("too deep");
    assert_eq!(rejected.diagnostics[0].message, "nested more than 64 levels deep");
}

#[test]
fn a_file_of_17_mib_is_refused_unread() {
    let text = "# A comment, and little else.\n".repeat(600_000);
    assert!(text.len() > 17 << 20);
    let file = Scratch::file("large.yaml", text.as_bytes());
    let rejected = file.rejected();
    let expected = expect![[r#"
        error: the scenario is larger than 16 MiB
        --> large.yaml
         = help: recorded calls belong in a trace beside it
    "#]];
    expected.assert_eq(&render(&rejected).replace(&file.folder(), ""));
}

/// What is read of it ends in the middle of a character, which must not be taken for another encoding.
#[test]
fn a_large_file_is_not_judged_by_where_reading_it_stopped() {
    let file = Scratch::file("wide.yaml", &"#é".repeat(6 << 20).into_bytes());
    assert_eq!(file.rejected().diagnostics[0].message, "the scenario is larger than 16 MiB");
}

#[test]
fn a_file_of_100_mb_is_refused_with_exit_code_3() {
    let folder = Folder::new("huge").with("huge.yaml", &"# A comment, and little else.\n".repeat(100_000_000 / 30));
    expect![[r#"
        exit code 3
        --- stderr ---
        error: the scenario is larger than 16 MiB
        --> huge.yaml
         = help: recorded calls belong in a trace beside it

        error: `huge.yaml` has 1 error
    "#]]
    .assert_eq(&folder.farebox("validate huge.yaml").run().to_string());
}

#[test]
fn a_key_given_twice_shows_both_places() {
    check(
        "scenario: one\nhorizon: 30d\nscenario: two\n",
        &expect![[r#"
        error: the key `plans` is missing
         --> scenario.yaml:1:1
          |
        1 | scenario: one
          | ^^^^^^^^
          |
          = help: write a map of plans by name

        error: the key `consumers` is missing
         --> scenario.yaml:1:1
          |
        1 | scenario: one
          | ^^^^^^^^
          |
          = help: write a map of cohorts by name

        error: the key `scenario` is given twice
         --> scenario.yaml:3:1
          |
        3 | scenario: two
          | ^^^^^^^^
          |
         ::: scenario.yaml:1:1
          |
        1 | scenario: one
          | -------- first given here
          |
          = help: keep one of the two
    "#]],
    );
}

#[test]
fn bytes_that_are_no_text_are_named_and_placed() {
    check(
        "scenario: a\0b\n",
        &expect![[r#"
        error: the character U+0000 is not allowed in YAML
         --> scenario.yaml:1:12
          |
        1 | scenario: a␀b
          |            ^
          |
          = help: remove it, or write it as an escape between double quotes
    "#]],
    );
    let file = Scratch::file("latin1.yaml", b"scenario: caf\xE9\nhorizon: 30d\n");
    expect![[r#"
        error: the file is not UTF-8: there is a byte 0xE9 here
         --> latin1.yaml:1:14
          |
        1 | scenario: caf�
          |              ^
          |
          = help: save it as UTF-8
    "#]]
    .assert_eq(&render(&file.rejected()).replace(&file.folder(), ""));
    let file = Scratch::file("utf16.yaml", b"\xFF\xFEs\0c\0");
    expect![[r#"
        error: the file is UTF-16, and scenarios are UTF-8
        --> utf16.yaml
         = help: save it as UTF-8
    "#]]
    .assert_eq(&render(&file.rejected()).replace(&file.folder(), ""));
}

#[test]
fn numbers_that_are_none_are_refused() {
    for number in
        ["NaN", ".nan", "inf", ".inf", "-.inf", "1e999", "1e-3", "0x10", "0o7", "-1", "99999999999999999999999"]
    {
        let text = HELLO.replace("count: 100", &format!("count: {number}"));
        let rejected = scenario::parse("number.yaml", &text, Path::new("")).expect_err(number);
        assert_eq!(rejected.diagnostics.len(), 1, "{number}: {rejected:?}");
        assert!(rejected.diagnostics[0].message.contains(number), "{}", rejected.diagnostics[0].message);
    }
}

/// A file from a stranger must not clear the screen, retitle the window or turn the text around.
#[test]
fn terminal_escapes_of_the_file_never_reach_the_terminal() {
    for text in [
        "\"\\e[2J\\e]0;owned\\a\": 1\nscenario: \"\\e[31m\"\n",
        "\u{1b}[2J: 1\n",
        "a: \u{9b}2J\n",
        "\u{202e}txet: 1\n",
        "\"\\u202e\\u009b\": 1\n",
        // An attribute that no meter sums is named in what to write, too.
        "routes: { /: { attributes: { \"a\\t\\e[2J\": 5 } } }\n",
        "consumers: { a: { traffic: { trace: a.csv, columns: { time: t, \"a\tb\\e[2J\": u } } } }\n",
    ] {
        let rejected = scenario::parse("a\u{1b}[2J.yaml", text, Path::new("")).expect_err("an unknown key");
        let shown = render(&rejected);
        assert!(!shown.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{shown:?}");
        assert!(!rejected.to_string().contains('\u{1b}'));
    }
}

#[test]
fn what_is_no_scenario_at_all_says_how_to_begin() {
    check(
        "",
        &expect![[r#"
            error: the scenario is empty
            --> scenario.yaml
             = help: `farebox init` writes one to start from
        "#]],
    );
    check(
        "# Only a comment.\n",
        &expect![[r#"
            error: the scenario is empty
             --> scenario.yaml:1:1
              |
            1 | # Only a comment.
              | ^
              |
              = help: `farebox init` writes one to start from
        "#]],
    );
    check(
        "- scenario: hello\n",
        &expect![[r#"
        error: a scenario is a map of keys, and this is a list
         --> scenario.yaml:1:1
          |
        1 | - scenario: hello
          | ^^^^^^^^^^^^^^^^^
          |
          = help: start with `scenario: NAME`
    "#]],
    );
    check(
        "hello\n",
        &expect![[r#"
        error: a scenario is a map of keys, and this is a single value
         --> scenario.yaml:1:1
          |
        1 | hello
          | ^^^^^
          |
          = help: start with `scenario: NAME`
    "#]],
    );
}

#[test]
fn broken_yaml_is_placed() {
    check(
        "scenario: a: b\n",
        &expect![[r#"
            error: this is not valid YAML: mapping values are not allowed in this context
             --> scenario.yaml:1:12
              |
            1 | scenario: a: b
              |            ^
              |
              = help: put a value that contains `: ` in quotes
        "#]],
    );
    check(
        "scenario: hello\n\thorizon: 30d\n",
        &expect![[r#"
            error: this is not valid YAML: while scanning a plain scalar, found a tab
             --> scenario.yaml:2:1
              |
            2 |     horizon: 30d
              | ^
              |
              = help: indent with spaces
        "#]],
    );
    check(
        "scenario: hello\n---\nscenario: again\n",
        &expect![[r#"
        error: the key `horizon` is missing
         --> scenario.yaml:1:1
          |
        1 | scenario: hello
          | ^^^^^^^^
          |
          = help: write a number and one of `s`, `m`, `h`, `d`, `mo`, `y`, such as `30d` or `1mo`

        error: the key `plans` is missing
         --> scenario.yaml:1:1
          |
        1 | scenario: hello
          | ^^^^^^^^
          |
          = help: write a map of plans by name

        error: the key `consumers` is missing
         --> scenario.yaml:1:1
          |
        1 | scenario: hello
          | ^^^^^^^^
          |
          = help: write a map of cohorts by name

        error: a second document starts here
         --> scenario.yaml:2:1
          |
        2 | ---
          | ^^^
          |
          = help: write one scenario per file
    "#]],
    );
}

/// Editors of another platform write a byte order mark, and CRLF; neither changes what the scenario is.
#[test]
fn a_byte_order_mark_and_crlf_are_fine() {
    let plain = scenario::parse("a.yaml", HELLO, Path::new("")).unwrap();
    let marked = scenario::parse("a.yaml", &format!("\u{feff}{HELLO}"), Path::new("")).unwrap();
    assert_eq!(plain.scenario.fingerprint, marked.scenario.fingerprint);
    scenario::parse("a.yaml", &HELLO.replace('\n', "\r\n"), Path::new("")).unwrap();
}

#[test]
fn colours_are_only_where_they_are_asked_for() {
    let rejected = scenario::parse("a.yaml", "- x\n", Path::new("")).expect_err("a list");
    let problem = &rejected.diagnostics[0];
    assert!(!rejected.source.render(problem, Styled::Plain).contains('\u{1b}'));
    assert!(rejected.source.render(problem, Styled::Ansi).contains('\u{1b}'));
}

#[test]
fn a_scenario_that_is_not_there_is_no_scenario_that_is_wrong() {
    let error = scenario::load(Path::new("/nowhere/at/all.yaml")).expect_err("no such file");
    assert!(matches!(error, ScenarioError::Unreadable { .. }));
    expect!["cannot read the scenario `/nowhere/at/all.yaml`"].assert_eq(&error.to_string());
}

/// What has no effect yet is no mistake, but nobody plays a scenario as if it did not ask for it.
#[test]
fn what_is_not_supported_yet_is_valid_and_is_not_run() {
    let text = HELLO.replace("horizon", "gateway: { dialect: kong }\nhorizon")
        + "variants: { more: { gateway: { nodes: 4 } } }\n";
    let folder = Folder::new("unsupported").with("hello.yaml", &text);
    expect![[r#"
        exit code 0
        --- stdout ---
        hello.yaml: `hello` is valid: 1 plan, 1 cohort, 100 consumers, 30 days, 1 variant; 2 things in it are not supported yet and cannot be run
        --- stderr ---
        unsupported: `kong` is not supported yet
         --> hello.yaml:2:21
          |
        2 | gateway: { dialect: kong }
          |                     ^^^^
          |
          = help: write one of `problem`, `openai_429`, `openrouter_402`

        unsupported: `nodes` is not supported yet
         --> hello.yaml:8:32
          |
        8 | variants: { more: { gateway: { nodes: 4 } } }
          |                                ^^^^^
          |
          = help: leave it out, or write `nodes: 1`

    "#]]
    .assert_eq(&folder.farebox("validate hello.yaml").run().to_string());
    expect![[r#"
        exit code 3
        --- stderr ---
        error: `kong` is not supported yet
         --> hello.yaml:2:21
          |
        2 | gateway: { dialect: kong }
          |                     ^^^^
          |
          = help: write one of `problem`, `openai_429`, `openrouter_402`

        error: `hello.yaml` has 1 error
        hint: `farebox validate` accepts it; this version cannot run it
    "#]]
    .assert_eq(&folder.farebox("simulate hello.yaml").run().to_string());
}

const HELLO: &str = "\
scenario: hello
horizon: 30d
plans:
  starter: { fee: $19/month, includes: { requests: 10k }, past_allowance: block }
consumers:
  indie: { count: 100, plan: starter, traffic: { rate: 400/day } }
";

fn check(text: &str, expected: &Expect) {
    let rejected = scenario::parse("scenario.yaml", text, Path::new("")).expect_err("a broken scenario");
    expected.assert_eq(&render(&rejected));
}

fn render(rejected: &Rejected) -> String {
    let shown = rejected.diagnostics.iter().map(|problem| rejected.source.render(problem, Styled::Plain) + "\n");
    shown.collect::<Vec<_>>().join("\n")
}

/// A file of its own folder, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn file(name: &str, bytes: &[u8]) -> Self {
        let folder = std::env::temp_dir().join(format!("farebox-diagnostics-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        std::fs::write(folder.join(name), bytes).expect("a temporary file");
        Self(folder.join(name))
    }

    fn folder(&self) -> String {
        format!("{}/", self.0.parent().expect("a file is in a folder").display())
    }

    fn rejected(&self) -> Rejected {
        match scenario::load(&self.0) {
            Err(ScenarioError::Rejected(rejected)) => rejected,
            other => panic!("not rejected: {other:?}"),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().expect("a file is in a folder"));
    }
}
