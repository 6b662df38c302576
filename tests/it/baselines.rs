//! Baselines from outside: what is kept, what is refused, what is worse.

use std::fs;

use expect_test::expect;
use serde_json::Value;

use crate::program::{Answer, Folder};

const SCENARIO: &str = "\
scenario: cut
horizon: 30d
seed: 402
plans:
  free: { includes: { requests: 60/month }, past_allowance: block }
  pro: { fee: $20/month, includes: { requests: 400 }, past_allowance: block }
consumers:
  hobby: { count: 60, plan: free, traffic: { rate: 2/day } }
  startups: { count: 40, plan: pro, traffic: { rate: 3/day } }
live: { rate: 200/s, duration: 400ms }
variants:
  less: { plans: { free: { includes: { requests: 40/month } } } }
";

fn folder(test: &str) -> Folder {
    Folder::new(test).with("cut.yaml", SCENARIO)
}

fn json(folder: &Folder, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.path().join(name)).unwrap()).unwrap()
}

/// The part of a page from a title on.
fn from<'a>(page: &'a str, title: &str) -> &'a str {
    page.find(title).map_or("", |at| &page[at..])
}

/// Without a baseline nothing is repeated, and nothing is kept anywhere: what is asked for in vain is told.
#[test]
fn options_of_baselines_without_one_are_refused() {
    let folder = folder("baseline-none");
    for asked in ["load cut.yaml --repeats 7", "load cut.yaml --baselines kept", "simulate cut.yaml --baselines kept"] {
        let answer = folder.farebox(&format!("{asked} --out out")).run();
        assert!(answer.code == Some(2) && answer.stderr.contains("--save-baseline"), "{asked}: {answer}");
    }
    assert!(!folder.path().join("out").exists());
}

/// One seed, one draw: the same scenario is the same in each figure, and what a smaller quota refuses is told exactly.
#[test]
fn a_smaller_quota_is_worse_than_the_baseline() {
    let folder = folder("baseline-worse");
    let saved = folder.farebox("simulate cut.yaml --out out --save-baseline main").run();
    assert_eq!(saved.code, Some(0), "{saved}");
    assert!(folder.path().join("baselines/cut/main.json").exists(), "{saved}");
    let same = folder.farebox("simulate cut.yaml --out out --baseline main").run();
    assert_eq!(same.code, Some(0), "{same}");
    expect![[r#"
        Beside the baseline main
          revenue.earned       $774.22  $0.00 from $774.22, the same
          revenue.collected    $760.00  $0.00 from $760.00, the same
          refusals.rate        2.404 %  +0.000 points from 2.404 %, the same
          latency.p50         30.02 ms  0.00 ms from 30.02 ms, the same
          latency.p99        253.76 ms  0.00 ms from 253.76 ms, the same
          consumers refused         31  0 from 31, the same
    "#]]
    .assert_eq(from(&same.stdout, "Beside the baseline"));
    let less = folder.farebox("simulate cut.yaml --variant less --out out --baseline main").run();
    assert_eq!(less.code, Some(4), "{less}");
    expect![[r#"
        Beside the baseline main
          revenue.earned       $774.22  $0.00 from $774.22, the same
          revenue.collected    $760.00  $0.00 from $760.00, the same
          refusals.rate       17.372 %  +14.969 points from 2.404 %, WORSE: exact for these draws; fewer than 10 replications, so no interval
          latency.p50         30.15 ms  +0.13 ms from 30.02 ms, WORSE: exact for these draws; fewer than 10 replications, so no interval
          latency.p99        250.61 ms  -3.15 ms from 253.76 ms, better: exact for these draws; fewer than 10 replications, so no interval
          consumers refused         60  +29 from 31, WORSE: exact for these draws; fewer than 10 replications, so no interval
    "#]].assert_eq(from(&less.stdout, "Beside the baseline"));
    let figures = &json(&folder, "out/baseline.json")["figures"];
    let found: Vec<_> = figures.as_array().unwrap().iter().map(|it| it["found"].as_str().unwrap()).collect();
    assert!(found.contains(&"worse"), "{figures:#}");
    let page = fs::read_to_string(folder.path().join("out/index.html")).unwrap();
    assert!(page.contains("Beside the baseline") && page.contains("+14.969 points from 2.404 %, WORSE"), "{page}");
    let junit = fs::read_to_string(folder.path().join("out/junit.xml")).unwrap();
    assert!(
        junit.contains("<testcase name=\"refusals.rate beside the baseline main\" classname=\"cut-less.baseline\">"),
        "{junit}"
    );
    assert!(junit.contains("type=\"worse than the baseline\""), "{junit}");
}

/// From ten replications on the difference has an interval, pair by pair.
#[test]
fn replications_tell_how_sure_a_difference_is() {
    let folder = folder("baseline-replications");
    let saved = folder.farebox("simulate cut.yaml --out out --replications 10 --save-baseline main").run();
    assert_eq!(saved.code, Some(0), "{saved}");
    let less = folder
        .farebox("simulate cut.yaml --variant less --replications 10 --out out --baseline main --format json")
        .run();
    assert_eq!(less.code, Some(4), "{less}");
    let printed: Value = serde_json::from_str(&less.stdout).unwrap();
    let refused = printed["baseline"].as_array().unwrap().iter().find(|it| it["figure"] == "refusals.rate").unwrap();
    let [from, to] = [0, 1].map(|end| refused["interval"][end].as_f64().unwrap());
    assert!(from > 0.0 && from < to && refused["found"] == "worse", "{refused}");
    let change = refused["change"].as_f64().unwrap();
    assert!(from < change && change < to, "{refused}");
}

/// All that differs is told at once, with what to type; nothing is run.
#[test]
fn what_cannot_be_compared_is_refused_with_all_that_differs() {
    let folder =
        folder("baseline-unlike").with("other.yaml", &SCENARIO.replace("count: 60", "count: 61").replace("30d", "31d"));
    folder.farebox("simulate cut.yaml --out out --save-baseline main").run();
    let answer = folder.farebox("simulate other.yaml --seed 7 --replications 2 --out other --baseline main").run();
    assert_eq!(answer.code, Some(2), "{answer}");
    expect![[r#"
        error: the baseline `main` cannot be compared with this run
          caused by: cohort hobby: 60 consumers there, 61 consumers here; horizon: 2592000 s there, 2678400 s here; replications: 1 there, 2 here; seed: 402 there, 7 here
        hint: repeat as often with `--replications 1`; or draw from its seed with `--seed 402`; or make a new one with `--save-baseline NAME`
    "#]]
    .assert_eq(&answer.stderr);
    assert!(!folder.path().join("other").exists());
    let live = folder.farebox("load cut.yaml --out other --baseline main").run();
    assert!(live.code == Some(2) && live.stderr.contains("kind: simulated there, live here"), "{live}");
}

#[test]
fn a_baseline_is_replaced_only_when_that_is_asked_for() {
    let folder = folder("baseline-replace");
    let save = "simulate cut.yaml --out out --save-baseline main";
    assert_eq!(folder.farebox(save).run().code, Some(0));
    let path = folder.path().join("baselines/cut/main.json");
    let first = fs::read_to_string(&path).unwrap();
    let again = folder.farebox(&format!("{save} --seed 7")).run();
    assert!(again.code == Some(2) && again.stderr.contains("--replace-baseline"), "{again}");
    assert_eq!(fs::read_to_string(&path).unwrap(), first);
    let replaced = folder.farebox(&format!("{save} --seed 7 --replace-baseline")).run();
    assert_eq!(replaced.code, Some(0), "{replaced}");
    assert_ne!(fs::read_to_string(&path).unwrap(), first);
    for wrong in ["../x", ".x", "a/b", ""] {
        let answer = folder.farebox(&format!("simulate cut.yaml --save-baseline={wrong}")).run();
        assert_eq!(answer.code, Some(2), "{answer}");
    }
}

#[test]
fn a_file_that_is_no_baseline_is_told_with_a_way_out() {
    let folder = folder("baseline-broken");
    let missing = folder.farebox("simulate cut.yaml --out out --baseline main").run();
    assert!(missing.code == Some(7) && missing.stderr.contains("--save-baseline main"), "{missing}");
    fs::create_dir_all(folder.path().join("baselines/cut")).unwrap();
    for (text, told) in [
        ("{", "this is no baseline"),
        ("{ \"format\": 9 }", "it has the format 9, and this version of Farebox reads 1"),
    ] {
        fs::write(folder.path().join("baselines/cut/main.json"), text).unwrap();
        let answer = folder.farebox("simulate cut.yaml --out out --baseline main").run();
        assert!(answer.code == Some(7) && answer.stderr.contains(told), "{answer}");
    }
}

/// A machine that does much else cannot always load itself, says so (6), and is asked again.
fn loaded(folder: &Folder, command: &str) -> Answer {
    let mut answer = folder.farebox(command).run();
    for _ in 0..5 {
        if answer.code == Some(6) {
            answer = folder.farebox(command).run();
        }
    }
    answer
}

/// The baseline's own scenario is played again, in turn with this one: a quota that refuses most is found, whatever the
/// machine does meanwhile. Of latencies only the form is looked at.
#[test]
fn a_load_is_compared_in_turn_with_the_scenario_of_its_baseline() {
    let folder = folder("baseline-live");
    let saved = loaded(&folder, "load cut.yaml --out out --jobs 1 --save-baseline main --repeats 4");
    assert_eq!(saved.code, Some(0), "{saved}");
    let kept = json(&folder, "baselines/cut/main.json");
    let readings = kept["readings"].as_array().unwrap();
    assert!(readings.iter().all(|it| it["each"].as_array().unwrap().len() == 4), "{kept:#}");
    assert_eq!(kept["played"]["scenario"], SCENARIO);
    let folder = folder.with("cut.yaml", &SCENARIO.replace("requests: 60/month", "requests: 10/month"));
    let answer = loaded(&folder, "load cut.yaml --out out --jobs 1 --baseline main --repeats 4");
    assert_eq!(answer.code, Some(4), "{answer}");
    let figures = &json(&folder, "out/baseline.json")["figures"];
    let figure = |name: &str| figures.as_array().unwrap().iter().find(|it| it["figure"] == name).unwrap();
    let refused = figure("refusals.rate");
    assert_eq!((refused["found"].as_str(), refused["scale"].as_str()), (Some("worse"), Some("difference")));
    assert!(refused["change"].as_f64().unwrap() > 0.1, "{figures:#}");
    // The scenario of the baseline was played again, with its own quota.
    let before = refused["before"].as_f64().unwrap();
    assert!((before - refused["kept"].as_f64().unwrap()).abs() < 0.05, "{figures:#}");
    assert_eq!(figure("latency{outcome=served}.p50")["scale"], "ratio");
    let unlike = folder.farebox("load cut.yaml --rate 100/s --out out --baseline main").run();
    assert!(unlike.code == Some(2) && unlike.stderr.contains("--rate 200/s"), "{unlike}");
    let elsewhere = folder.farebox("load cut.yaml --target http://127.0.0.1:1 --out out --baseline main").run();
    assert!(elsewhere.code == Some(2) && elsewhere.stderr.contains("has no baseline"), "{elsewhere}");
}
