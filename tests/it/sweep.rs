//! `farebox sweep` from outside: the page, the table, the charts, what is refused, and names that would do harm.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use expect_test::expect;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{Answer, Folder};

const SCENARIO: &str = "\
scenario: quotas
horizon: 10d
seed: 7
plans:
  pro: { fee: $30/month, includes: { requests: 20/day }, past_allowance: block }
consumers:
  apps: { count: 20, plan: pro, joined: start, traffic: { rate: 24/day } }
";

fn sweep(test: &str, arguments: &str) -> (Folder, Answer) {
    let folder = Folder::new(&format!("sweep-{test}")).with("quotas.yaml", SCENARIO);
    let answer = folder.farebox(&format!("sweep quotas.yaml {arguments}")).run();
    (folder, answer)
}

fn result(folder: &Folder, name: &str) -> String {
    fs::read_to_string(folder.path().join("reports/quotas-sweep").join(name)).unwrap()
}

#[test]
fn one_key_is_a_line_and_a_curve() {
    let (folder, answer) = sweep("one", "--quiet --set plans.pro.includes.requests=16/day..28/day:4");
    expect![[r#"
        exit code 0
        --- stdout ---
        quotas · 4 points · 20 consumers · 10 days · seed 7

        Swept
          plans.pro.includes.requests  4 values  16/day, 20/day, 24/day, 28/day; the file has 20/day

        By plans.pro.includes.requests
                   earned   step  refused       step  left
          16/day  $193.55         32.86 %                0
          20/day  $193.55  $0.00  17.56 %  -15.30 pp     0  as the file has it
          24/day  $193.55  $0.00   7.04 %  -10.52 pp     0
          28/day  $193.55  $0.00   2.34 %   -4.70 pp     0  earns the most, front

        Points
                                         includes.requests   earned  refused   margin
          as the file has it                        20/day  $193.55  17.56 %  $193.55
          earns the most on the grid                28/day  $193.55   2.34 %  $193.55
          refuses the least on the grid             28/day  $193.55   2.34 %  $193.55

        Front: 1 point; no other earns more without refusing more, or refuses less without earning less
            includes.requests   earned  refused   margin
                       28/day  $193.55   2.34 %  $193.55

        Below 10 replications there are no intervals: `--replications 10` tells chance from effect.

        Assumed
          nobody stays away or leaves because of a price: reactions are to refusals and reminders
    "#]]
    .assert_eq(&answer.to_string());
    expect![[r#"
        plans.pro.includes.requests,on_front,is_best,is_base,earned,earned_from,earned_to,behind,invoiced,collected,mrr,margin,calls,refused,share,share_from,share_to,consumers_refused_at_least,left,replications,currency
        16/day,false,false,false,193.5483871,,,,600,600,600,193.5483871,4745,1559,0.328556,,,20,0,1,USD
        20/day,false,false,true,193.5483871,,,,600,600,600,193.5483871,4745,833,0.175553,,,20,0,1,USD
        24/day,false,false,false,193.5483871,,,,600,600,600,193.5483871,4745,334,0.070390,,,20,0,1,USD
        28/day,true,true,false,193.5483871,,,,600,600,600,193.5483871,4745,111,0.023393,,,18,0,1,USD
    "#]].assert_eq(&result(&folder, "sweep.csv"));
    let mut files: Vec<String> = fs::read_dir(folder.path().join("reports/quotas-sweep"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, [".farebox", "curve.svg", "front.svg", "sweep.csv", "sweep.json"]);
}

/// With replications each row has half of its interval, and what is not told apart from the best is named.
#[test]
fn rows_say_how_sure_they_are() {
    let (_, answer) = sweep("sure", "--quiet --set plans.pro.includes.requests=16/day,40/day,50/day --replications 10");
    expect![[r#"
        exit code 0
        --- stdout ---
        quotas · 3 points · 20 consumers · 10 days · seed 7 · means over 10 replications

        Swept
          plans.pro.includes.requests  3 values  16/day, 40/day, 50/day; the file has 20/day, beside the grid

        By plans.pro.includes.requests
                   earned      ±   step  refused        ±       step  left
          16/day  $193.55  alike         33.43 %  0.59 pp                0
          40/day  $193.55  alike  $0.00   0.01 %  0.01 pp  -33.42 pp     0
          50/day  $193.55  alike  $0.00   0.00 %    alike   -0.01 pp     0  earns the most, front

        Points
                                               includes.requests   earned  refused   margin
          as the file has it, not on the grid             20/day  $193.55  18.52 %  $193.55
          earns the most on the grid                      50/day  $193.55   0.00 %  $193.55
          refuses the least on the grid                   50/day  $193.55   0.00 %  $193.55

        Front: 1 point; no other earns more without refusing more, or refuses less without earning less
            includes.requests   earned  refused   margin
                       50/day  $193.55   0.00 %  $193.55

        How sure
          the best earns $193.55 in each replication
          not told apart from it in revenue, paired over replications: 2 points: 16/day; 40/day

        Assumed
          nobody stays away or leaves because of a price: reactions are to refusals and reminders
    "#]]
    .assert_eq(&answer.to_string());
}

/// The heading says nothing of all points that each of them has for itself.
#[test]
fn what_is_set_is_no_common_heading() {
    let (folder, answer) = sweep("own", "--quiet --set horizon=5d..10d:5d --set consumers.apps.count=10,20");
    assert!(answer.stdout.starts_with("quotas · 4 points · seed 7\n"), "{answer}");
    assert!(result(&folder, "earned.svg").contains("<title>Revenue earned (USD)</title>"));
}

#[test]
fn two_keys_are_two_maps() {
    let (folder, answer) = sweep(
        "two",
        "--quiet --set plans.pro.fee=39..49:5 --set plans.pro.includes.requests=20/day,30/day --replications 10",
    );
    expect![[r#"
        exit code 0
        --- stdout ---
        quotas · 6 points · 20 consumers · 10 days · seed 7 · means over 10 replications

        Swept
          plans.pro.fee                3 values  $39/month, $44/month, $49/month; the file has $30/month, beside the grid
          plans.pro.includes.requests  2 values  20/day, 30/day; the file has 20/day

        Earned: plans.pro.fee down, plans.pro.includes.requests across
                      20/day   30/day
          $39/month  $251.61  $251.61
          $44/month  $283.87  $283.87
          $49/month  $316.13  $316.13

        Refused, of all calls
                      20/day  30/day
          $39/month  18.52 %  1.25 %
          $44/month  18.52 %  1.25 %
          $49/month  18.52 %  1.25 %

        Points
                                                 pro.fee  includes.requests   earned  refused   margin
          as the file has it, not on the grid  $30/month             20/day  $193.55  18.52 %  $193.55
          earns the most on the grid           $49/month             30/day  $316.13   1.25 %  $316.13
          refuses the least on the grid        $49/month             30/day  $316.13   1.25 %  $316.13

        Front: 1 point; no other earns more without refusing more, or refuses less without earning less
              pro.fee  includes.requests   earned  refused   margin
            $49/month             30/day  $316.13   1.25 %  $316.13

        From one value to the next, on average over all others
                                       steps  earned a step    least     most  refused a step
          plans.pro.fee                    2        +$32.26  +$32.26  +$32.26         0.00 pp
          plans.pro.includes.requests      1          $0.00    $0.00    $0.00       -17.27 pp

        How sure
          the best earns $316.13 in each replication, refused ± 0.20 pp, at 95 %
          not told apart from it in revenue, paired over replications: 1 point: $49/month, 20/day

        Assumed
          nobody stays away or leaves because of a price: reactions are to refusals and reminders
    "#]].assert_eq(&answer.to_string());
    for (name, title) in [("earned.svg", "Revenue earned"), ("refused.svg", "Calls refused")] {
        let chart = result(&folder, name);
        let document = roxmltree::Document::parse(&chart).unwrap();
        let root = document.root_element();
        assert_eq!((root.tag_name().name(), root.attribute("role")), ("svg", Some("img")));
        let [named, described] = ["title", "desc"].map(|tag| {
            root.children().find(|it| it.has_tag_name((root.tag_name().namespace().unwrap(), tag))).unwrap()
        });
        assert!(named.text().unwrap().starts_with(title) && described.text().unwrap().contains("plans.pro.fee"));
        // A cell for each point, on a ground, on a background that no dark page shows through. The bar's are narrow.
        let wide: Vec<_> = root
            .descendants()
            .filter(|it| it.attribute("width").is_some_and(|width| width.parse::<f64>().unwrap() > 100.0))
            .filter(|it| it.tag_name().name() == "rect")
            .collect();
        assert_eq!((wide.len(), wide[0].attribute("fill")), (8, Some("#FFFFFF")), "{name}");
    }
}

#[test]
fn three_keys_are_a_front() {
    let sets =
        "--set plans.pro.fee=30,40 --set plans.pro.includes.requests=20/day,30/day --set consumers.apps.count=10,20";
    let (folder, answer) = sweep("three", &format!("{sets} --format json"));
    assert_eq!(answer.code, Some(0), "{answer}");
    let data: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(data, serde_json::from_str::<Value>(&result(&folder, "sweep.json")).unwrap());
    assert_eq!((data["points"].as_array().unwrap().len(), &data["planned"]), (8, &Value::from(8)));
    let best = &data["points"][data["best"].as_u64().unwrap() as usize];
    // $40 for 20 consumers, a third of a month of 31 days: 10 of 31 days.
    let exact = 20.0 * 40e9 * 10.0 / 31.0;
    let earned: f64 = best["earned"].as_str().unwrap().parse().unwrap();
    assert!((earned - exact).abs() < 20.0, "{earned} {exact}");
    assert_eq!(data["points"][0]["set"], serde_json::json!(["$30/month", "20/day", "10"]));
    let rows = csv::Reader::from_reader(result(&folder, "sweep.csv").as_bytes()).records().count();
    assert_eq!(rows, 8);
}

#[test]
fn the_same_bytes_for_any_number_of_jobs() {
    let of = |jobs: u32| {
        let set = "--set plans.pro.includes.requests=10/day..30/day:5 --replications 10";
        let (folder, answer) = sweep(&format!("jobs-{jobs}"), &format!("{set} --jobs {jobs}"));
        let files = ["curve.svg", "front.svg", "sweep.csv", "sweep.json"].map(|name| result(&folder, name));
        (answer.stdout, files)
    };
    let [one, two, seven] = [1, 2, 7].map(of);
    assert!(one == two && two == seven);
}

#[test]
fn a_sweep_of_nothing_is_told_what_to_write() {
    expect![[r#"
        exit code 2
        --- stderr ---
        error: --set: a sweep needs a key of the scenario and its values
        hint: add for example `--set plans.pro.fee=39..79:5`
    "#]]
    .assert_eq(&sweep("nothing", "").1.to_string());
    expect![[r#"
        exit code 2
        --- stderr ---
        error: there is no key `feee` in `pro`
         --> --set:1:11
          |
        1 | plans.pro.feee=39..79:5
          |           ^^^^
          |
          = help: did you mean `fee`?

        error: --set: 1 error in what it asks for
        hint: nothing was played; `farebox sweep --help` has examples
    "#]]
    .assert_eq(&sweep("misspelt", "--set plans.pro.feee=39..79:5").1.to_string());
    let (_, answer) = sweep("plays", "--set plans.pro.fee=1..1000:1 --replications 2000");
    expect![[r#"
        exit code 2
        --- stderr ---
        error: 1,000 points of 2000 replications are 2,000,000 simulations, and may be 1,000,000
        hint: take larger steps, or fewer `--replications`
    "#]]
    .assert_eq(&answer.to_string());
    // Nothing is left behind by what was refused.
    let (folder, _) = sweep("left", "--set plans.pro.fee=x,y");
    assert_eq!(fs::read_dir(folder.path().join("reports")).map_or(0, Iterator::count), 0);
}

/// Interrupted, it keeps whole points, says that some are missing, and ends with 130.
#[test]
fn an_interrupt_keeps_what_was_played() {
    let text = SCENARIO.replace("count: 20", "count: 3000").replace("24/day", "2k/day");
    let folder = Folder::new("sweep-interrupt").with("quotas.yaml", &text);
    let mut command = Command::new(env!("CARGO_BIN_EXE_farebox"));
    command.args(["sweep", "quotas.yaml", "--set", "plans.pro.includes.requests=1/day..2000/day:1", "--jobs", "2"]);
    command.current_dir(folder.path()).env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The folder is claimed once signals are heard; the work takes minutes.
    while fs::read_dir(folder.path().join("reports")).map_or(0, Iterator::count) == 0 {
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut page = String::new();
    child.stdout.take().unwrap().read_to_string(&mut page).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{page}");
    assert!(page.starts_with("quotas · PARTIAL: ") && page.contains(" of 2,000 points"), "{page}");
    let data: Value = serde_json::from_str(&result(&folder, "sweep.json")).unwrap();
    assert!(data["is_partial"] == true && data["points"].as_array().unwrap().len() < 2_000);
}

/// A key or a value may hold anything: the names of files and of columns do.
#[test]
fn hostile_names_are_text_everywhere() {
    let hostile =
        format!("<script>alert('1')</script>\"&\u{1f4a5}\u{5e9}\u{5dc}\u{5d5}\u{5dd}\u{202e}{}", "x".repeat(300));
    let columns = [hostile.as_str(), "plain"];
    let header = columns.map(|name| format!("\"{}\"", name.replace('"', "\"\""))).join(",");
    let text = SCENARIO.replace("{ rate: 24/day }", "{ trace: t.csv, columns: { time: plain } }");
    let rows = "2026-01-01T00:00:00Z,2026-01-01T00:00:00Z\n2026-01-02T00:00:00Z,2026-01-02T00:00:00Z\n";
    let folder = Folder::new("sweep-hostile").with("quotas.yaml", &text).with("t.csv", &format!("{header}\n{rows}"));
    for more in [
        &[][..],
        &["--set", "plans.pro.fee=30,40"],
        &["--set", "plans.pro.fee=30,40", "--set", "consumers.apps.count=2,3"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farebox"));
        let set = format!("consumers.apps.traffic.columns.time=\"{}\",plain", hostile.replace('"', "\\\""));
        command.args(["sweep", "quotas.yaml", "--set", &set]).args(more).current_dir(folder.path()).env_clear();
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(!said.contains(['\u{202e}', '\u{1b}']));
        for entry in fs::read_dir(folder.path().join("reports/quotas-sweep")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "svg") {
                harmless(&path);
            }
        }
        let table = result(&folder, "sweep.csv");
        let mut reader = csv::Reader::from_reader(table.as_bytes());
        assert!(reader.records().map(Result::unwrap).any(|record| record.iter().any(|cell| cell == hostile)));
        assert!(serde_json::from_str::<Value>(&result(&folder, "sweep.json")).is_ok());
    }
}

fn harmless(path: &Path) {
    let chart = fs::read_to_string(path).unwrap();
    let document = roxmltree::Document::parse(&chart).unwrap();
    let known = ["svg", "title", "desc", "rect", "line", "polyline", "circle", "polygon", "text"];
    for element in document.descendants().filter(roxmltree::Node::is_element) {
        assert!(known.contains(&element.tag_name().name()), "{}: {element:?}", path.display());
        assert!(element.attributes().all(|it| !it.name().starts_with("on") && !it.name().contains("href")));
    }
    assert!(chart.contains("&lt;script&gt;") && !chart.contains('\u{202e}'), "{}", path.display());
}
