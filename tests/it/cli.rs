//! The program from outside. `UPDATE_EXPECT=1 cargo test --test it` rewrites the snapshots.

use std::env;
use std::io;
use std::process::Command;

use expect_test::expect;
use farebox::cli::args::{Args, SMALLEST_SCENARIO};
use farebox::cli::end_on_panic;

use crate::program::Folder;

const BROKEN_SCENARIO: &str = "\
scenario: broken
horizon: 30d
plans:
  starter: { fee: $19/month, includes: { requests: 10k }, past_alowance: block }
consumers:
  indie: { count: 100, plan: started, traffic: { rate: 400/day } }
";

fn commands() -> Vec<String> {
    let command = <Args as clap::CommandFactory>::command();
    command.get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[test]
fn help_says_what_it_is_for_and_how_it_ends() {
    let answer = Folder::new("help").farebox("--help").run();
    expect![[r#"
        exit code 0
        --- stdout ---
        Says what a pricing, quota, retry or gateway change does to a paid API, before you make it

        One scenario file describes the plans, the consumers and what stands behind the gateway. Farebox
        simulates it in virtual time, loads a real gateway with it over sockets, or does both and checks
        that they took the same decisions.

        Usage: farebox [OPTIONS] <COMMAND>

        Commands:
          init         Write a scenario to start from, with a line about each key
          validate     Check scenario files and say everything that is wrong with them
          plan         Say what a run will do, and what of it cannot work, without running it
          explain      Tell one consumer's story: what they did, what they were refused and why, what they
                       paid
          schema       Print a JSON Schema: of scenario files, for editors, or of what is written
          simulate     Play a scenario in virtual time: no sockets, the same bytes for the same seed
          compare      Say what a change does to whom: a scenario beside its variants, consumer by consumer
          sweep        Play a grid of values for keys of a scenario, and show what revenue and refusals come
                       to
          load         Play a scenario on real sockets, against the built-in gateway
          run          Simulate and load, check that both took the same decisions, and report
          report       Render results again, or several side by side
          serve        Serve one role alone, until Ctrl-C
          prove        Play what theory has formulas for, and show both side by side
          import       Turn what others have recorded into a trace that a scenario plays
          doctor       Check whether this machine can carry a load, and say what to change
          completions  Print a completion script for a shell

        Options:
          -q, --quiet
                  Say nothing but results, warnings and errors

              --color <WHEN>
                  When to colour; `auto` follows the terminal, `NO_COLOR` and `CLICOLOR_FORCE`

                  [default: auto]
                  [possible values: auto, always, never]

          -h, --help
                  Print help (see a summary with '-h')

          -V, --version
                  Print version

        Exit codes:
            0  passed
            1  a threshold is broken
            2  the command line is wrong
            3  the scenario is wrong
            4  worse than the baseline
            5  the books do not balance
            6  the run is not valid: nobody called, or the load generator could not keep up
            7  the environment failed: a file, a socket, a limit of the machine
           70  a bug in Farebox
          130  interrupted; what was measured until then is written
        When several apply, the first of 130, 70, 7, 5, 6, 4, 1 is told.
    "#]]
    .assert_eq(&answer.to_string());
}

#[test]
fn no_command_at_all_is_answered_with_help_and_code_2() {
    let answer = Folder::new("nothing").farebox("").run();
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(2), ""));
    assert!(answer.stderr.contains("Commands:"), "{}", answer.stderr);
}

/// A machine that cannot carry the load is not blamed on the scenario, nor found out by waiting for connections.
#[test]
fn too_few_open_files_are_said_before_the_load() {
    let folder = Folder::new("few-files").with("hello.yaml", SMALLEST_SCENARIO);
    for command in ["load", "run"] {
        let answer = folder.farebox(&format!("{command} hello.yaml --out results")).open_files(100).run();
        assert_eq!(answer.code, Some(7), "{answer}");
        assert!(answer.stderr.contains("open files, and this process may have 100"), "{answer}");
        assert!(answer.stderr.contains("hint: raise the limit with `ulimit -n`"), "{answer}");
    }
}

/// The help of a command is a page to work from: its purpose in a line, then details, then examples.
#[test]
fn every_command_explains_itself() {
    let folder = Folder::new("every-command");
    for command in commands() {
        let answer = folder.farebox(&format!("{command} --help")).run();
        assert_eq!(answer.code, Some(0));
        let purpose = answer.stdout.lines().next().unwrap_or_default();
        assert!(!purpose.is_empty() && !purpose.ends_with('.') && purpose.len() < 90, "{command}: {purpose}");
        assert!(answer.stdout.contains("Examples:\n  farebox "), "{command} has no examples");
    }
}

#[test]
fn help_of_validate_shows_a_scenario_to_start_from() {
    let answer = Folder::new("help-validate").farebox("validate --help").run();
    expect![[r#"
        exit code 0
        --- stdout ---
        Check scenario files and say everything that is wrong with them

        Reads each file as a run would, and prints every problem with its line and what to write instead.
        Nothing is run. Exit code 3 means that a file is wrong, 7 that one could not be read.

        Usage: farebox validate [OPTIONS] <FILE>...

        Arguments:
          <FILE>...
                  The scenario files

        Options:
          -q, --quiet
                  Say nothing but results, warnings and errors

              --color <WHEN>
                  When to colour; `auto` follows the terminal, `NO_COLOR` and `CLICOLOR_FORCE`

                  [default: auto]
                  [possible values: auto, always, never]

          -h, --help
                  Print help (see a summary with '-h')

        Examples:
          farebox validate scenarios/quickstart.yaml
          farebox validate scenarios/*.yaml

        To start your own, save this as hello.yaml:
          scenario: hello
          horizon: 30d
          plans:
            starter: { fee: $19/month, includes: { requests: 10k }, past_allowance: block }
          consumers:
            indie: { count: 100, plan: starter, traffic: { rate: 400/day } }
    "#]]
    .assert_eq(&answer.to_string());
}

#[test]
fn a_wrong_flag_is_code_2() {
    let answer = Folder::new("wrong-flag").farebox("validate --colour never x.yaml").run();
    expect![[r#"
        exit code 2
        --- stderr ---
        error: unexpected argument '--colour' found

          tip: a similar argument exists: '--color'

        Usage: farebox validate --color <WHEN> <FILE>...

        For more information, try '--help'.
    "#]]
    .assert_eq(&answer.to_string());
}

#[test]
fn zero_jobs_is_code_2() {
    let answer = Folder::new("zero-jobs").farebox("simulate x.yaml --jobs 0").run();
    expect![[r#"
        exit code 2
        --- stderr ---
        error: invalid value '0' for '--jobs <N>': a number of threads is a whole one, from 1

        For more information, try '--help'.
    "#]]
    .assert_eq(&answer.to_string());
}

#[test]
fn a_seed_that_is_none_is_code_2() {
    for (command, name) in [("simulate x.yaml --seed -1", "negative-seed"), ("prove --seed 1.5", "broken-seed")] {
        let answer = Folder::new(name).farebox(command).run();
        assert_eq!(answer.code, Some(2), "{answer}");
        assert!(answer.stderr.contains("a seed is a whole number, from 0 to 18446744073709551615"), "{answer}");
    }
}

/// Results gather beside the folder that was asked for, and nobody asked for that.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_is_named_as_it_was_asked_for() {
    let folder = Folder::new("unwritable").with("hello.yaml", SMALLEST_SCENARIO);
    let answer = folder.farebox("simulate hello.yaml --out /proc/results").run();
    assert_eq!(answer.code, Some(7), "{answer}");
    assert!(answer.stderr.contains("cannot create `/proc/results`"), "{answer}");
    assert!(!answer.stderr.contains("partial"), "{answer}");
}

#[test]
fn a_valid_scenario_is_code_0() {
    let folder = Folder::new("valid").with("hello.yaml", SMALLEST_SCENARIO);
    let answer = folder.farebox("validate hello.yaml").run();
    expect![[r#"
        exit code 0
        --- stdout ---
        hello.yaml: `hello` is valid: 1 plan, 1 cohort, 100 consumers, 30 days
    "#]]
    .assert_eq(&answer.to_string());
}

#[test]
fn a_missing_file_is_code_7_and_named() {
    let answer = Folder::new("missing").farebox("validate nowhere.yaml").run();
    expect![[r#"
        exit code 7
        --- stderr ---
        error: cannot read `nowhere.yaml`
          caused by: No such file or directory (os error 2)
        hint: `farebox init` writes a scenario to start from
    "#]]
    .assert_eq(&answer.to_string());
}

#[test]
fn a_wrong_scenario_is_code_3_with_all_its_problems() {
    let folder = Folder::new("wrong").with("broken.yaml", BROKEN_SCENARIO);
    let answer = folder.farebox("validate broken.yaml").run();
    expect![[r#"
        exit code 3
        --- stderr ---
        error: unknown key `past_alowance`
         --> broken.yaml:4:59
          |
        4 |   starter: { fee: $19/month, includes: { requests: 10k }, past_alowance: block }
          |                                                           ^^^^^^^^^^^^^
          |
          = help: did you mean `past_allowance`?

        error: unknown plan `started`
         --> broken.yaml:6:30
          |
        6 |   indie: { count: 100, plan: started, traffic: { rate: 400/day } }
          |                              ^^^^^^^
          |
          = help: did you mean `starter`?

        error: `broken.yaml` has 2 errors
    "#]]
    .assert_eq(&answer.to_string());
}

#[test]
fn of_several_files_each_is_judged_and_the_strongest_finding_told() {
    let folder = Folder::new("several").with("hello.yaml", SMALLEST_SCENARIO).with("broken.yaml", BROKEN_SCENARIO);
    assert_eq!(folder.farebox("validate broken.yaml hello.yaml").run().code, Some(3));
    let answer = folder.farebox("validate broken.yaml nowhere.yaml hello.yaml").run();
    assert_eq!(answer.code, Some(7));
    assert!(answer.stdout.starts_with("hello.yaml: "), "{answer}");
}

/// Colour follows the flag, then the environment, then the terminal; there is none here.
#[test]
fn colour_comes_when_it_is_asked_for() {
    let folder = Folder::new("colour").with("broken.yaml", BROKEN_SCENARIO);
    for (flag, variable, coloured) in [
        ("", None, false),
        ("", Some("NO_COLOR"), false),
        ("", Some("CLICOLOR_FORCE"), true),
        ("--color always", Some("NO_COLOR"), true),
        ("--color never", Some("CLICOLOR_FORCE"), false),
    ] {
        let mut program = folder.farebox(&format!("validate broken.yaml {flag}"));
        if let Some(variable) = variable {
            program = program.env(variable, "1");
        }
        let answer = program.run();
        assert_eq!(answer.stderr.contains('\u{1b}'), coloured, "{flag} {variable:?}:\n{}", answer.stderr);
    }
}

#[test]
fn completions_know_every_command() {
    let folder = Folder::new("completions");
    for shell in ["bash", "zsh", "fish"] {
        let answer = folder.farebox(&format!("completions {shell}")).run();
        assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""));
        for command in commands() {
            assert!(answer.stdout.contains(&command), "{shell} does not complete {command}");
        }
    }
}

/// `farebox schema | head`: who stops reading has read enough.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let answer = Folder::new("broken-pipe").farebox("schema").stdout(writer).run();
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_code_7() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let answer = Folder::new("full-disk").farebox("schema").stdout(full).run();
    expect![[r#"
        exit code 7
        --- stderr ---
        error: cannot write to the standard output
          caused by: No space left on device (os error 28)
    "#]]
    .assert_eq(&answer.to_string());
}

/// On whichever thread: here this test runs itself again, as a program whose worker panics while `main` waits.
#[test]
fn a_panic_is_code_70_and_asks_for_a_report() {
    const AGAIN: &str = "FAREBOX_TEST_PANICS";
    if env::var_os(AGAIN).is_some() {
        end_on_panic();
        std::thread::scope(|scope| scope.spawn(|| panic!("holds: posted 3 of 2")).join().unwrap_err());
        unreachable!("the hook has ended the program");
    }
    let this = "cli::a_panic_is_code_70_and_asks_for_a_report";
    let program = Command::new(env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture"])
        .env(AGAIN, "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let stderr = String::from_utf8(program.stderr).unwrap();
    assert_eq!(program.status.code(), Some(70), "{stderr}");
    for part in ["holds: posted 3 of 2", "error: this is a bug in Farebox", "hint: please report it"] {
        assert!(stderr.contains(part), "{part} is missing in:\n{stderr}");
    }
}

/// The whole language, of which some has no effect yet: a file that uses it is valid, and is told what cannot be run.
#[test]
fn the_full_example_of_the_language_is_valid_and_is_not_run() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixture/full.yaml");
    let folder = Folder::new("full-example");
    let answer = folder.farebox(&format!("validate {file}")).run();
    assert_eq!(answer.code, Some(0), "{answer}");
    assert!(answer.stdout.contains("not supported yet and cannot be run"), "{answer}");
    let answer = folder.farebox(&format!("simulate {file}")).run();
    assert_eq!(answer.code, Some(3), "{answer}");
}

/// A variant is the file with its overlay, under a name and a fingerprint of its own.
#[test]
fn a_variant_is_played_by_its_name() {
    let scenario = "scenario: base\nhorizon: 30d\nplans:\n  free: { includes: { requests: 10/month }, past_allowance: block }\n\
         consumers:\n  all: { count: 5, plan: free, traffic: { rate: 3/day } }\n\
         variants:\n  more: { plans: { free: { includes: { requests: 1M/month } } } }\n";
    let folder = Folder::new("variant").with("base.yaml", scenario);
    let refused = |arguments: &str| {
        let answer = folder.farebox(&format!("simulate base.yaml {arguments} --out out")).run();
        assert_eq!(answer.code, Some(0), "{answer}");
        answer.stdout.contains("quota_exhausted")
    };
    assert!(refused("") && !refused("--variant more"));
    let answer = folder.farebox("simulate base.yaml --variant mroe").run();
    assert_eq!(answer.code, Some(3), "{answer}");
    assert!(answer.stderr.contains("did you mean `more`?"), "{answer}");
}
