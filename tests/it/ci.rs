//! What pipelines are told: `JUnit` XML, the Markdown summary, annotations, tables that spreadsheets do not run, the log of
//! latencies, the schema of outcomes. That other programs read them is tried by `tests/ci/check.py`.

use std::fs;
use std::path::Path;

use clap::Parser as _;
use expect_test::expect;
use farebox::cli::args::Args;
use farebox::report::stored;
use farebox_engine::outcome::SCHEMA;
use jsonschema::Validator;
use saphyr_parser::Parser;
use serde_json::Value;

use crate::program::Folder;

/// As far as the language lets a name go: names are letters and digits, a path is whatever a request line may carry, and a
/// file is called what somebody likes.
const ROUTE: &str = "/*it*'s|@team/&amp;=1+1:https://x.y/[a](b)";

fn hostile() -> String {
    format!(
        "\
scenario: hostile
horizon: 30d
seed: 402
routes:
  \"{ROUTE}\": {{}}
plans:
  free: {{ includes: {{ requests: 60/month }}, past_allowance: block }}
consumers:
  hobby: {{ count: 60, plan: free, traffic: {{ rate: 2/day }} }}
thresholds:
  - refusals.rate < 0.01%
  - \"calls{{outcome=served, route={ROUTE}}}.count >= 1k\"
  - latency{{outcome=refused}}.p50 < 1ms
"
    )
}

/// A file name with all that a terminal, a table, a page and a runner may trip over.
const FILE: &str = "a,b:%\u{1b}[31m\u{202e}<script>|`x`\"🎫.yaml";

fn folder(test: &str) -> Folder {
    Folder::new(test).with(FILE, &hostile()).with("hostile.yaml", &hostile())
}

fn written(folder: &Folder, name: &str) -> String {
    fs::read_to_string(folder.path().join("out").join(name)).unwrap()
}

/// The lines of a text that have one of these in them.
fn lines_with<'a>(text: &'a str, any: &[&str]) -> Vec<&'a str> {
    text.lines().filter(|line| any.iter().any(|part| line.contains(part))).map(str::trim).collect()
}

#[test]
fn every_threshold_is_a_test_and_so_is_the_run_itself() {
    let folder = folder("ci-junit");
    let answer = folder.farebox("simulate hostile.yaml --out out").run();
    assert_eq!(answer.code, Some(1), "{answer}");
    let junit = written(&folder, "junit.xml");
    expect![[r#"
        <testsuites name="farebox" tests="5" skipped="0" failures="1" errors="1">
        <testsuite name="hostile" tests="5" skipped="0" errors="1" failures="1">
        <property name="command" value="farebox simulate hostile.yaml"/>
        <testcase name="refusals.rate &lt; 0.01%" classname="hostile.threshold">
        <failure message="measured 4.829 % (3.191 % to 6.466 %), and the line is 0.010 %" type="threshold">measured 4.829 % (3.191 % to 6.466 %), and the line is 0.010 %</failure>
        <testcase name="calls{outcome=served, route=/*it*&apos;s|@team/&amp;amp;=1+1:https://x.y/[a](b)}.count &gt;= 1k" classname="hostile.threshold">
        <system-out>measured 3,390, and the line is 1,000</system-out>
        <testcase name="latency{outcome=refused}.p50 &lt; 1ms" classname="hostile.threshold">
        <error message="nothing was measured: a simulation has no latency of calls that were refused" type="nothing measured">nothing was measured: a simulation has no latency of calls that were refused</error>
        <testcase name="the books balance" classname="hostile.run">
        <system-out>all accounts sum to zero</system-out>
        <testcase name="the run is valid" classname="hostile.run">
        <system-out>3,562 attempts at calls</system-out>"#]]
    .assert_eq(&lines_with(&junit, &["<test", "<failure", "<error", "<system-out", "\"command\""]).join("\n"));
}

/// A control character is in no XML file, and a runner obeys what begins a line with colons.
#[test]
fn a_hostile_file_name_is_text_wherever_it_is_told() {
    let folder = folder("ci-hostile");
    let program = folder.farebox("simulate --out out --quiet --format json").argument(FILE);
    let summary = folder.path().join("summary.md");
    fs::write(&summary, "what another step has said\n").unwrap();
    let root = folder.path().to_str().unwrap().to_owned();
    let program = program.env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", &root);
    let answer = program.env("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()).run();
    assert_eq!(answer.code, Some(1), "{answer}");
    // Commands are on the other stream than the data.
    let _: Value = serde_json::from_str(&answer.stdout).unwrap();
    expect![[r#"
        ::error file=a%2Cb%3A%25\u{1b}[31m\u{202e}<script>|`x`"🎫.yaml,line=11,col=5,title=threshold broken in hostile::refusals.rate < 0.01%25: measured 4.829 %25 (3.191 %25 to 6.466 %25), and the line is 0.010 %25
        ::error file=a%2Cb%3A%25\u{1b}[31m\u{202e}<script>|`x`"🎫.yaml,line=13,col=5,title=threshold broken in hostile::latency{outcome=refused}.p50 < 1ms: nothing was measured: a simulation has no latency of calls that were refused
    "#]]
    .assert_eq(&answer.stderr);
    let page = fs::read_to_string(summary).unwrap();
    assert_eq!(page, format!("what another step has said\n{}\n", written(&folder, "summary.md")));
    expect![[r###"
        ## ❌ `hostile`: FAILED: a threshold is broken
        | ❌ | `refusals.rate < 0.01%` | 4.829 % (3.191 % to 6.466 %) | 0.010 % | BROKEN |
        | ✅ | `calls{outcome=served, route=/*it*'s\|@team/&amp;=1+1:https://x.y/[a](b)}.count >= 1k` | 3,390 | 1,000 | held |
        | ❌ | `latency{outcome=refused}.p50 < 1ms` | - | 1.00 ms | BROKEN, nothing measured: a simulation has no latency of calls that were refused |
        | offered | 3,562 | 100.00 % |
        | refused: `quota_exhausted` | 172 | 4.83 % |
        | ✅ | the books balance | all accounts sum to zero |
        | ✅ | the run is valid | 3,562 attempts at calls |
        Farebox 0.1.0, seed 402, fingerprint `402`, ``farebox simulate 'a,b:%\u{1b}[31m\u{202e}<script>|`x`"🎫.yaml'``"###]]
    .assert_eq(&replaced_fingerprint(&lines_with(&page, &["## ❌", "| ❌", "| ✅", "refused:", "offered", "Farebox"]).join("\n")));
    for name in ["junit.xml", "summary.md", "calls.csv"] {
        let text = written(&folder, name);
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{name}: {text}");
    }
    assert!(!written(&folder, "junit.xml").contains("<script>"));
}

fn replaced_fingerprint(page: &str) -> String {
    let (before, rest) = page.split_once("fingerprint `").unwrap();
    let (hex, after) = rest.split_once('`').unwrap();
    assert!(hex.len() == 12 && hex.chars().all(|c| c.is_ascii_hexdigit()), "{hex}");
    format!("{before}fingerprint `402`{after}")
}

#[test]
fn gitlab_gets_a_code_quality_report() {
    let folder = folder("ci-gitlab");
    let answer = folder.farebox("simulate hostile.yaml --out out --annotations gitlab").run();
    assert_eq!((answer.code, answer.stderr.contains("::error")), (Some(1), false), "{answer}");
    let findings: Value = serde_json::from_str(&written(&folder, "codequality.json")).unwrap();
    let lines: Vec<_> =
        findings.as_array().unwrap().iter().map(|it| it["location"]["lines"]["begin"].as_u64()).collect();
    assert_eq!(lines, [Some(11), Some(13)]);
    assert_eq!(findings[0]["location"]["path"], "hostile.yaml");
    assert_ne!(findings[0]["fingerprint"], findings[1]["fingerprint"]);
    let quiet =
        folder.farebox("simulate hostile.yaml --out out --annotations none").env("GITHUB_ACTIONS", "true").run();
    assert!(!quiet.stderr.contains("::error") && !folder.path().join("out/codequality.json").exists(), "{quiet}");
}

/// A threshold of a variant is pointed at where it stands: in the variant.
#[test]
fn a_threshold_of_a_variant_is_annotated_where_it_stands() {
    let text = format!("{}variants:\n  strict:\n    thresholds:\n      - refusals.count == 0\n", hostile());
    let folder = Folder::new("ci-variant").with("hostile.yaml", &text);
    let answer = folder.farebox("simulate hostile.yaml --variant strict --out out --annotations github").run();
    let commands = lines_with(&answer.stderr, &["::error"]);
    assert!(commands.len() == 1 && commands[0].starts_with("::error file=hostile.yaml,line=17,col=9,"), "{answer}");
}

/// A run in which nobody called holds every threshold on refusals, and shows nothing.
#[test]
fn a_run_without_a_call_cannot_pass() {
    let text = hostile().replace("rate: 2/day", "rate: 1/d").replace("count: 60", "count: 1").replace("30d", "1ms");
    let text = text.split("thresholds:").next().unwrap().replace("rate: 1/d ", "rate: 1/day ");
    let folder = Folder::new("ci-nothing").with("hostile.yaml", &text);
    let answer = folder.farebox("simulate hostile.yaml --out out --save-baseline main").run();
    assert_eq!(answer.code, Some(6), "{answer}");
    assert!(answer.stderr.contains("no call was made"), "{answer}");
    assert!(answer.stderr.contains("is not saved") && !folder.path().join("baselines").exists(), "{answer}");
    assert!(written(&folder, "junit.xml").contains("<error message=\"no call was made\""));
    // A load may be empty though its simulation is not.
    let text = hostile().split("thresholds:").next().unwrap().to_owned() + "live: { rate: 1/h, duration: 200ms }\n";
    let folder = Folder::new("ci-nothing-live").with("hostile.yaml", &text);
    for command in ["load", "run"] {
        let answer =
            folder.farebox(&format!("{command} hostile.yaml --out out --jobs 1 --save-baseline {command}")).run();
        assert_eq!(answer.code, Some(6), "{answer}");
        assert!(answer.stderr.contains("nothing was answered"), "{answer}");
        assert!(answer.stderr.contains("is not saved") && !folder.path().join("baselines").exists(), "{answer}");
        assert!(written(&folder, "junit.xml").contains("<error message=\"invalid: nothing was answered"));
    }
}

/// Every latency that a simulation knows is in the log, and so many as in the outcome.
#[test]
fn latencies_are_logged_for_other_tools() {
    let folder = folder("ci-hlog");
    folder.farebox("simulate hostile.yaml --out out").run();
    let log = written(&folder, "latency.hlog");
    let heads: Vec<_> = log.lines().map(|line| line.split("HIST").next().unwrap()).collect();
    expect![[r##"
        #[latency of the upstream, in ns, over 30.00 days]
        #[Histogram log format version 1.3]
        #[StartTime: 0.000 (seconds since the start of the run)]
        "StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
        #[MaxValueDivisor: 1000000.000]
        Tag=upstream,0.000,2592000.000,922.747,"##]]
    .assert_eq(&heads.join("\n"));
}

// === The schema of outcomes ===

/// The schema with every object closed: a field that it does not know is a field that nobody has described.
fn strict() -> Validator {
    fn close(schema: &mut Value) {
        if let Value::Object(object) = schema {
            if object.contains_key("properties") && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            object.values_mut().for_each(close);
        } else if let Value::Array(items) = schema {
            items.iter_mut().for_each(close);
        }
    }
    let mut schema: Value = serde_json::from_str(stored::OUTCOME_SCHEMA).unwrap();
    close(&mut schema);
    jsonschema::validator_for(&schema).unwrap()
}

fn complaints(validator: &Validator, outcome: &Value) -> Vec<String> {
    validator.iter_errors(outcome).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_schema_of_outcomes_has_the_version_of_the_outcomes() {
    let schema: Value = serde_json::from_str(stored::OUTCOME_SCHEMA).unwrap();
    assert_eq!(schema["properties"]["schema"]["const"], SCHEMA);
    let answer = Folder::new("ci-schema").farebox("schema --of outcome").run();
    assert_eq!(answer.stdout, stored::OUTCOME_SCHEMA, "{answer}");
}

/// Scenarios that between them have every part of an outcome: the library's that play in a moment.
#[test]
fn outcomes_of_the_library_are_as_their_schema_says() {
    let validator = strict();
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let folder = Folder::new("ci-outcomes");
    let mut seen = String::new();
    for name in [
        "quickstart",
        "retry-storm",
        "late-webhooks",
        "given-up",
        "failing-hop",
        "llm-month",
        "reminders",
        "cause-unpaid",
    ] {
        let file = scenarios.join(format!("{name}.yaml"));
        let options = if name == "quickstart" { "--replications 2" } else { "" };
        let answer = folder.farebox(&format!("simulate {} --out out --quiet {options}", file.display())).run();
        assert!(matches!(answer.code, Some(0 | 1)), "{name}: {answer}");
        let text = written(&folder, "outcome.json");
        let outcome: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(complaints(&validator, &outcome), Vec::<String>::new(), "{name}");
        stored::outcome(&text).unwrap();
        seen += &text;
    }
    for field in [
        "again",
        "oracle",
        "heard",
        "dunned",
        "recovery",
        "first_success",
        "stacked",
        "billed_given_up",
        "refused_demand",
    ] {
        assert!(seen.contains(&format!("\"{field}\":")), "no scenario of these has `{field}`");
    }
}

#[test]
fn what_is_no_outcome_the_schema_refuses() {
    let folder = folder("ci-refused");
    folder.farebox("simulate hostile.yaml --out out").run();
    let outcome: Value = serde_json::from_str(&written(&folder, "outcome.json")).unwrap();
    let validator = strict();
    assert_eq!(complaints(&validator, &outcome), Vec::<String>::new());
    for (pointer, wrong) in [
        ("/schema", Value::from(4)),
        ("/seed", Value::from(-1)),
        ("/cohorts/0/served", Value::from("7")),
        ("/cohorts/0/latency_sum_ns", Value::from(7)),
        ("/cohorts/0/latency/0", Value::from(vec![1, 2, 3])),
        ("/cohorts/0/routes", Value::Null),
    ] {
        let mut broken = outcome.clone();
        *broken.pointer_mut(pointer).unwrap() = wrong;
        assert_ne!(complaints(&validator, &broken), Vec::<String>::new(), "{pointer}");
    }
}

// === Examples for pipelines ===

/// What an example types: a whole command, arguments of the action, or what the action makes of its inputs.
fn typed(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let line = line.trim().trim_start_matches("- ");
        let arguments = line.strip_prefix("arguments: --").map(|rest| format!("farebox simulate x.yaml --{rest}"));
        arguments.or_else(|| line.starts_with("farebox ").then(|| line.to_owned()))
    };
    let put_in = |command: String| {
        let command = command.replace("\"${arguments[@]}\"", "").replace("\"$COMMAND\"", "simulate");
        command.replace("\"$SCENARIO\"", "x.yaml").replace("\"$RESULTS\"", "results")
    };
    text.lines().filter_map(line).map(put_in).collect()
}

/// The files that are there to be copied are YAML, and what they type is understood.
#[test]
fn the_examples_for_pipelines_are_yaml() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci");
    let (mut found, mut commands) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for event in Parser::new_from_str(&text) {
            event.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        for typed in typed(&text) {
            let words = typed.split_whitespace();
            Args::try_parse_from(words).unwrap_or_else(|error| panic!("{}: {typed}: {error}", path.display()));
            commands += 1;
        }
        found += 1;
    }
    assert_eq!(commands, 3, "GitLab's, and what the workflow and the action put together");
    assert_eq!(found, 3, "an action, a workflow and a pipeline");
}
