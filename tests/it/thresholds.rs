//! Thresholds, replications and tables from outside: what is printed, what is written, how the program ends.

use std::fs;
use std::path::Path;

use expect_test::expect;
use farebox_engine::outcome::SCHEMA;
use serde_json::Value;

use crate::program::Folder;

const SCENARIO: &str = "\
scenario: judged
horizon: 30d
seed: 402
plans:
  free: { includes: { requests: 60/month }, past_allowance: block }
  pro: { fee: $20/month, includes: { requests: 400 }, past_allowance: block }
consumers:
  hobby: { count: 60, plan: free, traffic: { rate: 2/day } }
  startups: { count: 40, plan: pro, traffic: { rate: 3/day } }
";

/// Each of these is compared with what the other runs of this file show.
const THRESHOLDS: &str = "\
thresholds:
  - refusals{kind=billing}.rate < 5%
  - refusals{cohort=startups}.count == 0
  - refusals{plan=free, cause=quota_exhausted, status=402}.rate > 0.1%
  - calls{outcome=served, route=/}.count >= 5k
  - latency{outcome=served}.p99 < 400ms
  - revenue.invoiced >= $700
  - revenue{cohort=hobby}.earned == $0
  - ledger.balanced
";

fn folder(test: &str, more: &str) -> Folder {
    Folder::new(test).with("judged.yaml", &format!("{SCENARIO}{more}"))
}

fn result(test: &str, name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_TARGET_TMPDIR")).join(test).join("out").join(name)).unwrap()
}

/// The part of a page from a title on.
fn from<'a>(page: &'a str, title: &str) -> &'a str {
    page.find(title).map_or("", |at| &page[at..])
}

#[test]
fn thresholds_that_hold_are_shown_and_the_run_passes() {
    let answer = folder("thresholds-held", THRESHOLDS).farebox("simulate judged.yaml --out out").run();
    assert_eq!(answer.code, Some(0), "{answer}");
    expect![[r#"
        Thresholds
          refusals{kind=billing}.rate < 5%                                      2.404 %  held (1.583 % to 3.224 %)
          refusals{cohort=startups}.count == 0                                        0  held
          refusals{plan=free, cause=quota_exhausted, status=402}.rate > 0.1%    4.829 %  held (3.191 % to 6.466 %)
          calls{outcome=served, route=/}.count >= 5k                              6,983  held
          latency{outcome=served}.p99 < 400ms                                 253.76 ms  held
          revenue.invoiced >= $700                                              $760.00  held
          revenue{cohort=hobby}.earned == $0                                      $0.00  held
          ledger.balanced                                                           yes  held
    "#]]
    .assert_eq(from(&answer.stdout, "Thresholds"));
    let judged: Value = serde_json::from_str(&result("thresholds-held", "thresholds.json")).unwrap();
    assert_eq!(judged.as_array().unwrap().len(), 8);
    assert!(judged.as_array().unwrap().iter().all(|one| one["fails"] == false), "{judged:#}");
}

#[test]
fn a_broken_threshold_ends_with_code_1_and_says_which() {
    let thresholds = "\
thresholds:
  - refusals.rate < 0.01%
  - revenue.collected > $10k
  - latency{outcome=refused}.p50 < 1ms
  - dunning.recovered > 50%
  - ledger.balanced
";
    let answer = folder("thresholds-broken", thresholds).farebox("simulate judged.yaml --out out").run();
    assert_eq!(answer.code, Some(1), "{answer}");
    expect![[r#"
        Thresholds
          refusals.rate < 0.01%               2.404 %  BROKEN (1.583 % to 3.224 %)
          revenue.collected > $10k            $760.00  BROKEN
          latency{outcome=refused}.p50 < 1ms        -  BROKEN, nothing measured: a simulation has no latency of calls that were refused
          dunning.recovered > 50%                   -  BROKEN, nothing measured: no payment had to be tried again to its end
          ledger.balanced                         yes  held
    "#]].assert_eq(from(&answer.stdout, "Thresholds"));
}

/// The same facts for programs, beside the outcome.
#[test]
fn thresholds_are_in_the_json_too() {
    let folder = folder("thresholds-json", "thresholds: [ refusals.count == 0, ledger.balanced ]\n");
    let answer = folder.farebox("simulate judged.yaml --out out --format json").run();
    assert_eq!(answer.code, Some(1), "{answer}");
    let printed: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(printed["schema"], SCHEMA);
    let [first, second] = &printed["thresholds"].as_array().unwrap()[..] else { panic!("two thresholds") };
    assert_eq!((first["threshold"].as_str(), first["found"].as_str()), (Some("refusals.count == 0"), Some("broken")));
    assert!(first["measured"].as_f64().unwrap() > 0.0 && first["line"] == 0.0);
    assert_eq!((second["found"].as_str(), second["fails"].as_bool()), (Some("held"), Some(false)));
}

/// One request a day. The first consumer's second call is tried three times and given up; the third, a second before
/// midnight, is served by its second attempt, of the next day. So six attempts at three calls, of which two are served.
const RETRIED: &str = "\
scenario: retried
start: 2026-03-02
horizon: 2d
plans:
  daily: { includes: { requests: 1/day }, past_allowance: block }
gateway: { refusals: { quota_exhausted: 429 } }
upstreams: { api: { latency: 0s } }
consumers:
  one:
    count: 1
    plan: daily
    joined: start
    traffic: { trace: calls.csv, columns: { time: at } }
    client: { attempts: 3, retry_on: [429], delay: 10s, retry_after: ignore }
thresholds:
  - requests.count == 6
  - refusals.count == 4
  - refusals.rate > 66%
  - calls.count == 3
  - calls{outcome=served}.count == 2
  - calls{outcome=recovered}.count == 1
  - calls{outcome=abandoned, cause=quota_exhausted}.count == 1
  - calls{status=429}.rate < 33.4%
";

const CALLS: &str = "at\n2026-03-02 00:00:00\n2026-03-02 01:00:00\n2026-03-02 23:59:59\n";

/// Calls by how their last attempt ended, beside the attempts; counted by hand.
#[test]
fn calls_are_judged_by_their_last_attempt() {
    let folder = Folder::new("retried").with("retried.yaml", RETRIED).with("calls.csv", CALLS);
    let answer = folder.farebox("simulate retried.yaml --out out").run();
    assert_eq!(answer.code, Some(0), "{answer}");
    expect![[r#"
        Calls
          offered                   3
          attempts at them          6  2.000 each; shares are of these
          served                    2   33.3 %  ████████
          refused: quota_exhausted  4   66.7 %  ████████████████          1 of 1 one
          refused over time                      █                     ▃

        Calls by their last attempt
          served at once              1   33.3 %  ████████
          recovered                   1   33.3 %  ████████                  after p50 10.07 s, p99 10.07 s
          abandoned: quota_exhausted  1   33.3 %  ████████

        Subscriptions and payments
          subscriptions begun  1

        Refused demand, at list price
          daily  -  1 requests: the plan states no price of one

        Latency of the upstream
          one  p50 0.00 ms  p99 0.00 ms   2 calls

        Without intervals: 1 replication of fewer than 30 consumers

        Assumed
          do not react    one: no refusal changes what they do

        Thresholds
          requests.count == 6                                                6  held
          refusals.count == 4                                                4  held
          refusals.rate > 66%                                         66.667 %  held
          calls.count == 3                                                   3  held
          calls{outcome=served}.count == 2                                   2  held
          calls{outcome=recovered}.count == 1                                1  held
          calls{outcome=abandoned, cause=quota_exhausted}.count == 1         1  held
          calls{status=429}.rate < 33.4%                              33.333 %  held
    "#]]
    .assert_eq(from(&answer.stdout, "Calls"));
    expect![[r#"
        replication,cohort,plan,route,outcome,cause,kind,status,attempts,calls,offered,share
        0,one,daily,/,served,,,,2,2,3,0.666667
        0,one,daily,/,refused,quota_exhausted,billing,429,4,1,3,0.333333
    "#]]
    .assert_eq(&result("retried", "calls.csv"));
}

/// A wait longer than a hold lasts is served and not billed: the page says how many.
#[test]
fn calls_that_were_answered_too_late_to_be_billed_are_told() {
    let slow = SCENARIO.replace("plans:", "upstreams: { slow: { latency: 11m } }\nplans:");
    let answer = Folder::new("late").with("judged.yaml", &slow).farebox("simulate judged.yaml --out out").run();
    let outcome: Value = serde_json::from_str(&result("late", "outcome.json")).unwrap();
    let late: u64 =
        outcome["cohorts"].as_array().unwrap().iter().map(|it| it["counts"]["late"].as_u64().unwrap()).sum();
    assert!(late > 1_000);
    let row =
        answer.stdout.lines().find(|line| line.contains("served, not billed")).unwrap_or_else(|| panic!("{answer}"));
    assert!(row.contains(&farebox_engine::money::thousands(late.into())), "{row}");
    assert!(!folder("late-none", "").farebox("simulate judged.yaml --out out").run().stdout.contains("not billed"));
}

/// What a line close to the mean leaves unsettled passes, unless that is to be strict.
#[test]
fn an_unsettled_threshold_fails_only_strictly() {
    let folder = folder("thresholds-unsettled", "replications: 12\nthresholds: [ calls.count > 7.2k ]\n");
    let answer = folder.farebox("simulate judged.yaml --out out").run();
    expect![[r#"
        With 95 % intervals, from the differences between replications
          calls                 7,215  7,163.7 to 7,266.3
          attempts refused    3.144 %  2.792 % to 3.497 %
          earned              $774.27  $774.24 to $774.31
          collected           $766.67  $754.15 to $779.18
          margin              $774.27  $774.24 to $774.31
          latency p99       251.05 ms  245.79 ms to 256.30 ms

        Assumed
          joined before the start    hobby, startups: spread over one billing period, whose usage until then is counted
          always pay                 startups: cards are never declined
          do not react               hobby, startups: no refusal changes what they do
          do not try again           hobby, startups: a call that fails is not made again
          call at random             hobby, startups: one rate for all of the cohort, at any hour alike
          hear at once               startups: what became of a payment is known once the processor answers; no webhook is late or lost

        Thresholds
          calls.count > 7.2k  7,215  held, unsettled (7,163.7 to 7,266.3)
    "#]]
    .assert_eq(from(&answer.stdout, "With 95 % intervals"));
    let answer = folder.farebox("simulate judged.yaml --out out --strict").run();
    assert_eq!(answer.code, Some(1), "{answer}");
}

/// Replications differ, lie in order, and do not depend on the number of threads; the first is the run without any.
#[test]
fn replications_are_the_same_for_any_number_of_threads() {
    let folder = folder("replications", "");
    let outcome = |options: &str| {
        let answer = folder.farebox(&format!("simulate judged.yaml --out out {options}")).run();
        assert_eq!(answer.code, Some(0), "{answer}");
        result("replications", "outcome.json")
    };
    let one = outcome("--replications 3 --jobs 1");
    assert!(outcome("--replications 3 --jobs 2") == one && outcome("--replications 3 --jobs 7") == one);
    let [all, alone]: [Value; 2] = [one, outcome("")].map(|text| serde_json::from_str(&text).unwrap());
    assert_eq!(all["cohorts"], alone["cohorts"]);
    let numbers: Vec<_> = all["stacked"].as_array().unwrap().iter().map(|one| one["replication"].as_u64()).collect();
    assert_eq!(numbers, [Some(1), Some(2)]);
    assert_ne!(all["stacked"][0]["cohorts"], all["stacked"][1]["cohorts"]);
    assert!(alone.get("stacked").is_none());
    for wrong in ["0", "10001", "-1", "many"] {
        let answer = folder.farebox(&format!("simulate judged.yaml --replications {wrong}")).run();
        assert_eq!(answer.code, Some(2), "{answer}");
    }
}

/// The tables hold what the outcome does: read again as CSV, their columns sum to it.
#[test]
fn the_tables_sum_to_the_outcome() {
    let answer = folder("tables", "").farebox("simulate judged.yaml --replications 2 --out out").run();
    assert_eq!(answer.code, Some(0), "{answer}");
    let outcome: Value = serde_json::from_str(&result("tables", "outcome.json")).unwrap();
    let cohorts = || {
        let stacked = outcome["stacked"].as_array().unwrap().iter().flat_map(|one| one["cohorts"].as_array().unwrap());
        outcome["cohorts"].as_array().unwrap().iter().chain(stacked)
    };
    let sum = |name: &str, column: &str| {
        let text = result("tables", name);
        let mut table = csv::Reader::from_reader(text.as_bytes());
        let at = table.headers().unwrap().iter().position(|header| header == column).unwrap();
        table.records().map(|row| row.unwrap()[at].parse::<f64>().unwrap()).sum::<f64>() as u64
    };
    let refused =
        |cohort: &Value| cohort["refused"].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
    assert!(sum("refusals.csv", "refused") > 0);
    assert_eq!(sum("refusals.csv", "refused"), cohorts().map(refused).sum::<u64>());
    let first = || outcome["cohorts"].as_array().unwrap().iter();
    assert_eq!(sum("timeline.csv", "served"), first().map(|cohort| cohort["served"].as_u64().unwrap()).sum::<u64>());
    assert_eq!(sum("timeline.csv", "refused_quota_exhausted"), first().map(refused).sum::<u64>());
    let text = result("tables", "revenue.csv");
    let invoiced = text.lines().filter(|row| row.starts_with("0,") && row.contains(",figure,invoiced,"));
    let invoiced: f64 = invoiced.map(|row| row.split(',').nth(5).unwrap().parse::<f64>().unwrap()).sum();
    assert_eq!(invoiced as u64, sum("timeline.csv", "invoiced"));
    assert_eq!(sum("calls.csv", "attempts"), sum("calls.csv", "calls"), "nobody tries again here");
    assert_eq!(sum("refused_demand.csv", "units"), sum("refusals.csv", "refused"), "all of it is of one meter");
    let offered = ["served", "failed", "in_flight"].map(|ended| move |cohort: &Value| cohort[ended].as_u64().unwrap());
    let answered: u64 =
        cohorts().map(|cohort| offered.iter().map(|of| of(cohort)).sum::<u64>() + refused(cohort)).sum();
    assert_eq!(sum("calls.csv", "calls"), answered);
    for (name, header) in [
        ("calls.csv", "replication,cohort,plan,route,outcome,cause,kind,status,attempts,calls,offered,share"),
        ("refusals.csv", "replication,cohort,plan,route,cause,kind,status,refused,offered,share"),
        ("revenue.csv", "replication,cohort,plan,entry,name,amount,currency"),
        ("dunning.csv", "replication,cohort,plan,name,count"),
        ("refused_demand.csv", "replication,cohort,plan,of_plan,version,meter,units,price,per,value,currency"),
        (
            "timeline.csv",
            "replication,cohort,plan,begins_s,ends_s,offered,served,refused_quota_exhausted,invoiced,currency",
        ),
    ] {
        assert_eq!(result("tables", name).lines().next(), Some(header));
        let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/README.md")).unwrap();
        for column in header.split(',') {
            assert!(readme.contains(&format!("`{column}`")), "reports/README.md does not say what `{column}` is");
        }
    }
}

/// What this version cannot tell is not run; what a plan's consumers did cannot be told where they change plans.
#[test]
fn a_label_that_cannot_be_told_is_refused_with_a_reason() {
    let reacting = SCENARIO.replace(
        "rate: 2/day }",
        "rate: 2/day }, reacts: [ { when: quota_exhausted, do: upgrade, to: pro, chance: 5%, after: 1d } ]",
    );
    let text = reacting
        + "thresholds: [ \"refusals{plan=free}.rate < 5%\", \"failures{kind=upstream}.count == 0\", \"latency{route=/}.p99 < 1s\" ]\n";
    let folder = Folder::new("thresholds-untold").with("judged.yaml", &text);
    let answer = folder.farebox("simulate judged.yaml --out out").run();
    assert_eq!(answer.code, Some(3), "{answer}");
    expect![[r#"
        error: the plan `free` cannot be told apart: consumers of `hobby` change plans, and are counted by cohort
          --> judged.yaml:10:15
           |
        10 | thresholds: [ "refusals{plan=free}.rate < 5%", "failures{kind=upstream}.count == 0", "latency{route=/}.p99 < 1s" ]
           |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           |
           = help: write `cohort=` in place of `plan=`

        error: latency is told apart by `outcome`, `cohort` and `plan` only in this version
          --> judged.yaml:10:86
           |
        10 | thresholds: [ "refusals{plan=free}.rate < 5%", "failures{kind=upstream}.count == 0", "latency{route=/}.p99 < 1s" ]
           |                                                                                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^
           |
           = help: leave the other labels out

        error: `judged.yaml` has 2 errors
        hint: `farebox validate` accepts it; this version cannot run it
    "#]]
    .assert_eq(&answer.stderr);
    assert_eq!(folder.farebox("validate judged.yaml").run().code, Some(0));
}

/// Statuses that upstreams answer with may be asked for, and those that the gateway gives for an upstream that does not
/// answer; others never come.
#[test]
fn a_threshold_asks_for_what_upstreams_answer() {
    let errors = "upstreams:\n  api: { latency: 5ms, errors: { 418: 20%, 500: 10% } }\nthresholds:\n";
    for (status, is_met) in [(418, true), (500, true), (502, true), (504, true), (409, false), (599, false)] {
        for metric in ["requests", "failures"] {
            let folder = folder("asks-for", &format!("{errors}  - {metric}{{status={status}}}.rate < 90%\n"));
            let answer = folder.farebox("validate judged.yaml").run();
            assert_eq!(answer.code, Some(if is_met { 0 } else { 3 }), "{metric} {status}: {answer}");
        }
    }
    let refused = folder("asks-for", &format!("{errors}  - refusals{{kind=billing, status=418}}.rate < 90%\n"));
    assert_eq!(refused.farebox("validate judged.yaml").run().code, Some(3));
}
