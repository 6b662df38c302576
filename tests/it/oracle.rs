//! The oracle from outside: what the page, the tables, the thresholds and a story say of answers that were wrong. The calls
//! are recorded ones, so that each figure is known by hand.

use std::fs;
use std::path::Path;

use expect_test::expect;
use serde_json::Value;

use crate::program::Folder;

/// A call every hour of a day, and 18 a month for $18. Billing is down from 05:30 to 09:30, which meets four calls, and from
/// 22:30 on, when the quota is used up: of 24 calls 18 are served, four are refused wrongly, and two rightly.
const OUTAGE: &str = "\
scenario: outage
start: 2026-03-01
horizon: 1d
plans:
  quota: { fee: $18/month, includes: { requests: 18/month }, past_allowance: block }
consumers:
  one: { count: 1, plan: quota, joined: start, traffic: { trace: calls.csv, columns: { time: at } } }
upstreams: { api: { latency: 0s } }
faults:
  - { at: 330m, for: 4h, fault: billing_down }
  - { at: 1350m, for: 90m, fault: billing_down }
";

/// Ten dollars at seven a call, of which two come at once.
const DEBIT: &str = "\
scenario: debit
start: 2026-03-01
horizon: 1d
plans:
  wallet: { prepaid: { opening: $10 }, prices: { requests: $7 } }
gateway: { spend_control: check_then_debit }
consumers:
  one: { count: 1, plan: wallet, joined: start, traffic: { trace: calls.csv, columns: { time: at } } }
upstreams: { api: { latency: 1s } }
";

fn folder(test: &str, scenario: &str, calls: &[u32], more: &str) -> Folder {
    let time = |at: &u32| format!("2026-03-01 {:02}:{:02}:{:02}\n", at / 3_600, at / 60 % 60, at % 60);
    let rows: String = calls.iter().map(time).collect();
    Folder::new(test).with("judged.yaml", &format!("{scenario}{more}")).with("calls.csv", &format!("at\n{rows}"))
}

fn result(test: &str, name: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_TARGET_TMPDIR")).join(test).join("out").join(name)).ok()
}

/// The part of a page from a title to the next empty line.
fn section<'a>(page: &'a str, title: &str) -> &'a str {
    let from = page.find(title).map_or("", |at| &page[at..]);
    &from[..from.find("\n\n").map_or(from.len(), |end| end + 1)]
}

fn hours() -> Vec<u32> {
    (0..24).map(|hour| hour * 3_600).collect()
}

#[test]
fn an_outage_is_told_on_the_page_in_the_table_and_by_thresholds() {
    let thresholds = "\
thresholds:
  - false_refusals.count == 4
  - false_refusals{cause=billing_unavailable, status=503}.rate > 16.6%
  - false_refusals.value == $4
  - false_refusals{kind=limit}.count == 0
  - leaks.count == 0
";
    let folder = folder("oracle-outage", OUTAGE, &hours(), thresholds);
    let answer = folder.farebox("simulate judged.yaml --out out").run();
    assert_eq!(answer.code, Some(0), "{answer}");
    expect![[r#"
        Answers that were wrong
          refused wrongly: billing_unavailable  4  16.67 % of all answers; $4.00 at list price, each attempt counted
    "#]]
    .assert_eq(section(&answer.stdout, "Answers that were wrong"));
    expect![[r#"
        replication,cohort,plan,route,entry,cause,kind,status,meter,count,judged,share,amount,unstated,currency
        0,one,quota,/,served_rightly,,,,,18,24,0.750000,,,USD
        0,one,quota,/,refused_rightly,,,,,2,24,0.083333,,,USD
        0,one,quota,/,false_refusal,billing_unavailable,billing,503,,4,24,0.166667,4,0,USD
        0,one,quota,,overdrawn,,,,,,,,0,,USD
        0,one,quota,,deepest_overdraft,,,,,,,,0,,USD
    "#]]
    .assert_eq(&result("oracle-outage", "oracle.csv").unwrap());
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/README.md")).unwrap();
    let table = result("oracle-outage", "oracle.csv").unwrap();
    for column in table.lines().next().unwrap().split(',') {
        assert!(readme.contains(&format!("`{column}`")), "reports/README.md does not say what `{column}` is");
    }
    let story = folder.farebox("explain judged.yaml --consumer one/0").run();
    expect![[r#"
        Calls of the whole run
          made                                  24
          served                                18
          refused wrongly: billing_unavailable   4
          refused: quota_exhausted               1
          refused: billing_unavailable           1
    "#]]
    .assert_eq(section(&story.stdout, "Calls of the whole run"));
}

#[test]
fn what_was_served_without_credit_is_told_as_a_leak() {
    let thresholds =
        "thresholds: [ \"leaks{cause=credit_exhausted}.count == 1\", leaks.value == $4, leaks.rate > 33% ]\n";
    let folder = folder("oracle-debit", DEBIT, &[0, 0, 5], thresholds);
    let answer = folder.farebox("simulate judged.yaml --out out").run();
    assert_eq!(answer.code, Some(0), "{answer}");
    expect![[r#"
        Answers that were wrong
          let through wrongly: credit_exhausted      1  33.33 % of all answers; $4.00 not covered then
          served beyond the credit               $4.00  at most $4.00 of one account; later credit may have paid for it
    "#]]
    .assert_eq(section(&answer.stdout, "Answers that were wrong"));
    let story = folder.farebox("explain judged.yaml --consumer one/0").run();
    expect![[r#"
        Calls of the whole run
          made                                        3
          served                                      1
          let through wrongly, past credit_exhausted  1
          refused: credit_exhausted                   1
    "#]]
    .assert_eq(section(&story.stdout, "Calls of the whole run"));
}

/// Without faults nobody looks, and nothing is said; a threshold makes somebody look, who finds nothing.
#[test]
fn nothing_is_said_of_what_nobody_looked_at() {
    let sound = OUTAGE.split("faults:").next().unwrap();
    let unasked = folder("oracle-unasked", sound, &hours(), "");
    let answer = unasked.farebox("simulate judged.yaml --out out").run();
    assert_eq!((answer.code, section(&answer.stdout, "Answers that were wrong")), (Some(0), ""), "{answer}");
    assert_eq!(result("oracle-unasked", "oracle.csv"), None);
    assert!(!result("oracle-unasked", "outcome.json").unwrap().contains("oracle"));

    let asked =
        folder("oracle-asked", sound, &hours(), "thresholds: [ leaks.count == 0, false_refusals.value == $0 ]\n");
    let answer = asked.farebox("simulate judged.yaml --out out").run();
    assert_eq!(answer.code, Some(0), "{answer}");
    expect![[r#"
        Answers that were wrong
          none  0  of 24 answers
    "#]]
    .assert_eq(section(&answer.stdout, "Answers that were wrong"));
}

/// What no price states is counted, and no value is made up for it.
#[test]
fn a_value_that_nobody_states_holds_no_threshold() {
    let free = OUTAGE.replace("fee: $18/month, ", "");
    let folder = folder("oracle-free", &free, &hours(), "thresholds: [ false_refusals.value < $5 ]\n");
    let answer = folder.farebox("simulate judged.yaml --out out").run();
    assert_eq!(answer.code, Some(1), "{answer}");
    expect![[r#"
        Answers that were wrong
          refused wrongly: billing_unavailable  4  16.67 % of all answers; no price is stated for them
    "#]]
    .assert_eq(section(&answer.stdout, "Answers that were wrong"));
    expect![[r#"
        Thresholds
          false_refusals.value < $5  -  BROKEN, nothing measured: no price states what 4 of 4 come to
    "#]]
    .assert_eq(section(&answer.stdout, "Thresholds"));
}

/// All of a load meets the outage: each answer is a refusal, and each is wrong.
#[test]
fn a_load_is_judged_from_its_log() {
    let plans = "plans:\n  pro: { fee: $30/month, includes: { requests: 300k }, past_allowance: block }\n";
    let scenario = format!(
        "scenario: load\nhorizon: 1d\n{plans}consumers:\n  all: {{ count: 50, plan: pro, traffic: {{ rate: 1k/day }} }}\n\
         faults: [ {{ at: 0s, for: 1d, fault: billing_down }} ]\nlive: {{ rate: 200/s, duration: 1s }}\n"
    );
    let folder = Folder::new("oracle-load").with("judged.yaml", &scenario);
    let answer = folder.farebox("load judged.yaml --out out").run();
    assert_eq!(answer.code, Some(0), "{answer}");
    let outcome: Value = serde_json::from_str(&result("oracle-load", "outcome.json").unwrap()).unwrap();
    let cohort = &outcome["cohorts"][0];
    let refused = cohort["refused"]["billing_unavailable"].as_u64().unwrap();
    let judged = &cohort["oracle"]["routes"]["/"];
    assert!(refused > 50, "{refused}");
    assert_eq!(judged["false_refusals"]["billing_unavailable"]["count"], refused);
    // $30 for 300,000 is a hundredth of a cent.
    assert_eq!(judged["false_refusals"]["billing_unavailable"]["value"], (refused * 100_000).to_string());
    assert_eq!(judged["served_rightly"], 0);
}
