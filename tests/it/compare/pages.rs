//! Whole pages, of variants, of two files and of stored outcomes; and what is said of what cannot be compared.

use std::fs;
use std::path::Path;

use expect_test::expect;
use farebox::measure::paired;
use farebox_engine::money::NANOS;
use farebox_engine::outcome::{Metric, Outcome, Paired};
use serde_json::Value;

use super::of_all;
use crate::program::Folder;

const SMALL: &str = "scenario: small
start: 2026-03-01
horizon: 25d
plans:
  pro: { fee: $10/month, includes: { requests: 100 }, past_allowance: overage, overage: { requests: $0.05 } }
  free: { includes: { requests: 70/month }, past_allowance: block }
consumers:
  makers: { count: 30, plan: pro, joined: start, traffic: { rate: 4/day } }
  takers: { count: 10, plan: pro, joined: start, traffic: { rate: 1/day } }
  others: { count: 10, plan: free, joined: start, traffic: { rate: 3/day } }
variants:
  cut: { plans: { pro: { includes: { requests: 90 } } } }
  dearer: { plans: { pro: { fee: $12/month }, free: { includes: { requests: 60/month } } } }
";

#[test]
fn the_page_begins_with_what_a_decision_needs() {
    let folder = Folder::new("compare-page").with("small.yaml", SMALL);
    let answer = folder.farebox("compare small.yaml --out results --jobs 2").run();
    expect![[r#"
        cut earns $10.41 more than small (+3.2 % of $329.96), 95 % interval [+$9.63, +$11.19]
        24.5 of 50 consumers pay more ($10.41), 0 less, 25.5 the same; all of them makers
        0 newly refused, 0 no longer; 1.4 % of calls refused in place of 1.4 %

        dearer earns $64.52 more than small (+19.6 % of $329.96) exactly: the same in each of 10 replications
        40 of 50 consumers pay more ($64.52), 0 less, 10 the same; 30 of them makers
        3.2 newly refused, 0 no longer; 3.5 % of calls refused in place of 1.4 %

        ── cut beside small · 50 consumers · 25 days · seed 1 · means over 10 replications

        All consumers
          earned  +$10.41  [+$9.63, +$11.19]  +3.2 %  $329.96 → $340.37
          margin  +$10.41  [+$9.63, +$11.19]  +3.2 %  $329.96 → $340.37
          no difference in: collected, recurring at the end, calls made, attempts served, calls refused,
            consumers refused, consumers that left, days blocked

        makers (pro)
          24.5 of 30 pay more ($10.41), 0 less
          earned  +$10.41  [+$9.63, +$11.19]  +4.2 %  $249.32 → $259.73
          margin  +$10.41  [+$9.63, +$11.19]  +4.2 %  $249.32 → $259.73
          no difference in: collected, recurring at the end, calls made, attempts served, calls refused,
            consumers refused, consumers that left, days blocked

        All on pro
          earned  +$10.41  [+$9.63, +$11.19]  +3.2 %  $329.96 → $340.37
          margin  +$10.41  [+$9.63, +$11.19]  +3.2 %  $329.96 → $340.37
          no difference in: collected, recurring at the end, calls made, attempts served, calls refused,
            consumers refused, consumers that left, days blocked

        No difference in anything: takers (pro), others (free)

        Where the difference in what is earned comes from
          price     +$10.41  24.5 consumers   did and got the same: what it costs
          = earned  +$10.41

        Most affected, in replication 0
          makers/0   +$0.50  price  $8.76 → $9.26
          makers/1   +$0.50  price  $8.06 → $8.56
          makers/4   +$0.50  price  $8.26 → $8.76
          makers/5   +$0.50  price  $8.06 → $8.56
          makers/6   +$0.50  price  $8.76 → $9.26
          makers/7   +$0.50  price  $8.06 → $8.56
          makers/8   +$0.50  price  $8.36 → $8.86
          makers/12  +$0.50  price  $8.51 → $9.01
          makers/14  +$0.50  price  $8.26 → $8.76
          makers/15  +$0.50  price  $8.71 → $9.21
          farebox explain small.yaml --consumer makers/0
          farebox explain small.yaml --variant cut --consumer makers/0

        How sure that is
          common draws make the interval of what is earned 3.2 times as narrow
          every difference is settled

        ── dearer beside small · 50 consumers · 25 days · seed 1 · means over 10 replications

        All consumers
          earned                +$64.52         exactly   +19.6 %  $329.96 → $394.48
          collected             +$80.00         exactly   +20.0 %  $400.00 → $480.00
          margin                +$64.52         exactly   +19.6 %  $329.96 → $394.48
          recurring at the end  +$80.00         exactly   +20.0 %  $400.00 → $480.00
          attempts served         -83.5  [-91.2, -75.8]    -2.1 %  3,965.7 → 3,882.2
          calls refused           +83.5  [+75.8, +91.2]  +149.9 %  55.7 → 139.2
          consumers refused        +3.2    [+2.2, +4.2]   +51.6 %  6.2 → 9.4
          no difference in: calls made, consumers that left, days blocked

        makers (pro)
          30 of 30 pay more ($48.39), 0 less
          earned                +$48.39  exactly  +19.4 %  $249.32 → $297.70
          collected             +$60.00  exactly  +20.0 %  $300.00 → $360.00
          margin                +$48.39  exactly  +19.4 %  $249.32 → $297.70
          recurring at the end  +$60.00  exactly  +20.0 %  $300.00 → $360.00
          no difference in: calls made, attempts served, calls refused, consumers refused,
            consumers that left, days blocked

        takers (pro)
          10 of 10 pay more ($16.13), 0 less
          earned                +$16.13  exactly  +20.0 %  $80.65 → $96.77
          collected             +$20.00  exactly  +20.0 %  $100.00 → $120.00
          margin                +$16.13  exactly  +20.0 %  $80.65 → $96.77
          recurring at the end  +$20.00  exactly  +20.0 %  $100.00 → $120.00
          no difference in: calls made, attempts served, calls refused, consumers refused,
            consumers that left, days blocked

        others (free)
          3.2 newly refused, 0 no longer
          attempts served    -83.5  [-91.2, -75.8]   -12.3 %  680.3 → 596.8
          calls refused      +83.5  [+75.8, +91.2]  +149.9 %  55.7 → 139.2
          consumers refused   +3.2    [+2.2, +4.2]   +51.6 %  6.2 → 9.4
          no difference in: earned, collected, margin, recurring at the end, calls made, consumers that left,
            days blocked

        All on pro
          earned                +$64.52  exactly  +19.6 %  $329.96 → $394.48
          collected             +$80.00  exactly  +20.0 %  $400.00 → $480.00
          margin                +$64.52  exactly  +19.6 %  $329.96 → $394.48
          recurring at the end  +$80.00  exactly  +20.0 %  $400.00 → $480.00
          no difference in: calls made, attempts served, calls refused, consumers refused,
            consumers that left, days blocked

        Where the difference in what is earned comes from
          price     +$64.52  40 consumers   did and got the same: what it costs
          = earned  +$64.52

        Most affected, in replication 0
          makers/0  +$1.61  price  $8.76 → $10.38
          makers/1  +$1.61  price  $8.06 → $9.68
          makers/2  +$1.61  price  $8.06 → $9.68
          makers/3  +$1.61  price  $8.06 → $9.68
          makers/4  +$1.61  price  $8.26 → $9.88
          makers/5  +$1.61  price  $8.06 → $9.68
          makers/6  +$1.61  price  $8.76 → $10.38
          makers/7  +$1.61  price  $8.06 → $9.68
          makers/8  +$1.61  price  $8.36 → $9.98
          makers/9  +$1.61  price  $8.06 → $9.68
          farebox explain small.yaml --consumer makers/0
          farebox explain small.yaml --variant dearer --consumer makers/0

        How sure that is
          every difference is settled

        Assumed
          nobody stays away or leaves because of a price: reactions are to refusals and reminders
    "#]]
    .assert_eq(&answer.stdout);
    assert_eq!(fs::read_to_string(folder.path().join("results/compare.txt")).unwrap(), answer.stdout);
    let table = fs::read_to_string(folder.path().join("results/compare.csv")).unwrap();
    expect![[r#"
        variant,of,name,plan,metric,unit,base,value,difference,from,to,share,share_from,share_to,narrowed,settled,replications_to_settle
        cut,all,,,earned,USD,329.960645,340.370645,10.410000,9.633143,11.186857,0.031549,0.029299,0.033800,3.163916,yes,
        cut,all,,,collected,USD,400.000000,400.000000,0.000000,0.000000,0.000000,0.000000,0.000000,0.000000,,exactly,
        cut,all,,,margin,USD,329.960645,340.370645,10.410000,9.633143,11.186857,0.031549,0.029299,0.033800,3.163916,yes,"#]].assert_eq(&table.lines().take(4).collect::<Vec<_>>().join("\n"));
    // What the page points to answers.
    for command in answer.stdout.lines().filter_map(|line| line.trim().strip_prefix("farebox ")) {
        assert_eq!(folder.farebox(command).run().code, Some(0), "{command}");
    }
    let json = folder.farebox("compare small.yaml --out results --format json --variant dearer").run();
    let facts: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(facts[0]["variant"], "dearer");
    assert_eq!(facts[0]["differences"][0]["settled"], "exactly");
}

/// The library's own question, as its README tells the answer.
#[test]
fn the_library_s_quota_cut_is_answered_in_three_lines() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/quota-cut.yaml");
    let folder = Folder::new("compare-quota-cut").with("quota-cut.yaml", &fs::read_to_string(path).unwrap());
    let answer = folder.farebox("compare quota-cut.yaml --out results").run();
    expect![[r#"
        cut earns $653.94 more than quota-cut (+3.1 % of $20,983.20), 95 % interval [+$328.16, +$979.71]
        12 of 170 consumers pay more ($820.39), 4.2 less ($166.45), 153.8 the same; all of them startups
        34.8 newly refused, 0 no longer; 11.8 % of calls refused in place of 4.3 %

        cut_with_overage earns $1,471.57 more than quota-cut (+7.0 % of $20,983.20), 95 % interval [+$1,244.40, +$1,698.74]
        50 of 170 consumers pay more ($1,619.56), 2.2 less ($148.00), 117.8 the same; all of them startups
        0 newly refused, 17.4 no longer; 0.0 % of calls refused in place of 4.3 %
    "#]].assert_eq(&answer.stdout.split_inclusive('\n').take(7).collect::<String>());
}

/// Grace for late payers: now and then it keeps one, and what that comes to would take many more replications to say.
#[test]
fn an_open_difference_says_what_would_settle_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/cause-past-due.yaml");
    let folder = Folder::new("compare-open").with("late.yaml", &fs::read_to_string(path).unwrap());
    let answer = folder.farebox("compare late.yaml --out results --replications 10").run();
    expect!["with_grace earns $7.26 more than cause-past-due (+0.0 % of $47,087.36), 95 % interval [-$46.91, +$61.44]; about 560 replications would settle which way"].assert_eq(answer.stdout.lines().next().unwrap());
    let end = &answer.stdout[answer.stdout.find("How sure that is").unwrap()..];
    expect![[r#"
        How sure that is
          common draws make the interval of what is earned 2.3 times as narrow
          about 17 replications would settle collected of all
          about 170 replications would settle recurring at the end of all
          about 240 replications would settle margin of all
          about 560 replications would settle earned of all

        Assumed
          nobody stays away or leaves because of a price: reactions are to refusals and reminders
    "#]]
    .assert_eq(end);
}

#[test]
fn until_stops_when_the_interval_is_narrow_enough() {
    let folder = Folder::new("compare-until").with("small.yaml", SMALL);
    let replications = |options: &str| {
        let answer = folder.farebox(&format!("compare small.yaml --variant cut --out results {options}")).run();
        assert_eq!(answer.code, Some(0), "{answer}");
        let stored = fs::read_to_string(folder.path().join("results/comparison.json")).unwrap();
        let stored: Value = serde_json::from_str(&stored).unwrap();
        let pairs: Paired = serde_json::from_value(stored["comparisons"][0].clone()).unwrap();
        (pairs, answer.stderr)
    };
    let (wide, _) = replications("--until 10%");
    assert_eq!(wide.replication_count(), u64::from(paired::FIRST));
    let (narrow, said) = replications("--until $0.40");
    assert!(narrow.replication_count() > u64::from(paired::FIRST) && !said.contains("warning"), "{said}");
    assert!(of_all(&narrow, Metric::Earned).interval.unwrap().half() <= 0.4 * NANOS as f64);
    let (cut_short, said) = replications("--until $0.01 --replications 25");
    assert_eq!(cut_short.replication_count(), 25);
    assert!(said.contains("25 replications have not made the interval narrow enough"), "{said}");
}

// === Two files, and two stored outcomes ===

#[test]
fn two_files_are_compared_like_variants_and_stored_outcomes_unpaired() {
    let other = SMALL.replace("scenario: small", "scenario: other").replace("requests: 100", "requests: 90");
    let folder = Folder::new("compare-two").with("small.yaml", SMALL).with("other.yaml", &other);
    let first = |arguments: &str| {
        let answer = folder.farebox(&format!("{arguments} --out results")).run();
        assert_eq!(answer.code, Some(0), "{answer}");
        answer.stdout.lines().next().unwrap().to_owned()
    };
    let (by_files, by_variant) = (first("compare small.yaml other.yaml"), first("compare small.yaml --variant cut"));
    assert_eq!(by_files, by_variant.replace("cut ", "other "), "the same change, and the same draws");
    for name in ["small", "other"] {
        let answer = folder.farebox(&format!("simulate {name}.yaml --replications 10 --out {name}")).run();
        assert_eq!(answer.code, Some(0), "{answer}");
    }
    let answer = folder.farebox("compare small other/outcome.json --out results").run();
    expect![[r#"
        not paired: other earns $10.41 more than small (+3.2 % of $329.96), 95 % interval [+$8.09, +$12.73]
        who pays more and who less is not known: stored results hold no single consumers
        how many are newly refused is not known; 1.4 % of calls refused in place of 1.4 %

        ── other beside small · 50 consumers · 25 days · seed 1 · means over 10 replications
        both are drawn from the same seed: `farebox compare` on the scenarios pairs them, for narrower intervals

        All consumers
          earned           +$10.41  [+$8.09, +$12.73]  +3.2 %  $329.96 → $340.37
          margin           +$10.41  [+$8.09, +$12.73]  +3.2 %  $329.96 → $340.37
          calls made             0     [-72.2, +72.2]  +0.0 %  4,021.4 → 4,021.4
          attempts served        0     [-59.9, +59.9]  +0.0 %  3,965.7 → 3,965.7
          calls refused          0     [-22.5, +22.5]  +0.0 %  55.7 → 55.7
          no difference in: collected, recurring at the end, consumers that left, days blocked

        makers (pro)
          earned           +$10.41  [+$8.09, +$12.73]  +4.2 %  $249.32 → $259.73
          margin           +$10.41  [+$8.09, +$12.73]  +4.2 %  $249.32 → $259.73
          calls made             0     [-58.2, +58.2]  +0.0 %  3,030.3 → 3,030.3
          attempts served        0     [-58.2, +58.2]  +0.0 %  3,030.3 → 3,030.3
          no difference in: collected, recurring at the end, calls refused, consumers that left,
            days blocked

        takers (pro)
          calls made       0  [-18.9, +18.9]  +0.0 %  255.1 → 255.1
          attempts served  0  [-18.9, +18.9]  +0.0 %  255.1 → 255.1
          no difference in: earned, collected, margin, recurring at the end, calls refused,
            consumers that left, days blocked

        others (free)
          calls made       0  [-32.9, +32.9]  +0.0 %  736 → 736
          attempts served  0  [-12.4, +12.4]  +0.0 %  680.3 → 680.3
          calls refused    0  [-22.5, +22.5]  +0.0 %  55.7 → 55.7
          no difference in: earned, collected, margin, recurring at the end, consumers that left,
            days blocked

        How sure that is
          more than 10,000 replications, as good as no difference: calls made of all, attempts served of all,
              calls refused of all, calls made of makers, attempts served of makers, calls made of takers,
              attempts served of takers, calls made of others, attempts served of others,
              calls refused of others

        Assumed
          nobody stays away or leaves because of a price: reactions are to refusals and reminders
    "#]]
    .assert_eq(&answer.stdout);
}

/// Whatever an outcome calls its cohorts comes from a file that anybody may have written.
#[test]
fn hostile_names_are_told_as_harmless_text() {
    let folder = Folder::new("compare-hostile").with("small.yaml", SMALL);
    let answer = folder.farebox("simulate small.yaml --replications 1 --out small").run();
    assert_eq!(answer.code, Some(0), "{answer}");
    let text = fs::read_to_string(folder.path().join("small/outcome.json")).unwrap();
    let mut outcome: Outcome = serde_json::from_str(&text).unwrap();
    outcome.cohorts[0].cohort = "<script>\"x\" 🚀 \u{1b}]0;owned\u{7}\u{202e}evil\nearned $1".to_owned();
    outcome.cohorts[1].cohort = "שלום".to_owned() + &"x".repeat(300);
    outcome.scenario = "\u{1b}[2J<b>".to_owned();
    let folder = folder.with("hostile.json", &serde_json::to_string(&outcome).unwrap());
    let answer = folder.farebox("compare small hostile.json --out results").run();
    assert_eq!(answer.code, Some(0), "{answer}");
    let page = fs::read_to_string(folder.path().join("results/compare.txt")).unwrap();
    for text in [&answer.stdout, &page] {
        assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
        assert!(text.lines().all(|line| line.chars().count() < 200), "{text}");
        assert!(text.contains("<script>\"x\" 🚀…") && text.contains("\\u{202e}evil\\nearned $1"), "{text}");
    }
    let json = folder.farebox("compare small hostile.json --out results --format json").run();
    serde_json::from_str::<Value>(&json.stdout).unwrap();
    assert!(!json.stdout.contains('\u{1b}'));
    // A spreadsheet takes what begins like a formula for one.
    outcome.cohorts[0].cohort = "=HYPERLINK(\"x\")\u{1b}[2J".to_owned();
    outcome.scenario = "é".repeat(300);
    let folder = folder.with("formula.json", &serde_json::to_string(&outcome).unwrap());
    let answer = folder.farebox("compare formula.json small").run();
    assert_eq!(answer.code, Some(0), "a long name is no folder's: {answer}");
    let reports = folder.path().join("reports");
    let written = fs::read_dir(reports).unwrap().next().unwrap().unwrap().path();
    let table = fs::read_to_string(written.join("compare.csv")).unwrap();
    assert!(table.contains("cohort,\"'=HYPERLINK(\"\"x\"\")\\u{1b}[2J\"") && !table.contains('\u{1b}'), "{table}");
}

/// Numbers of a file that no run has made: said, and never summed.
#[test]
fn outcomes_that_no_run_has_made_are_refused() {
    let folder = Folder::new("compare-broken").with("small.yaml", SMALL);
    assert_eq!(folder.farebox("simulate small.yaml --replications 1 --out small").run().code, Some(0));
    let text = fs::read_to_string(folder.path().join("small/outcome.json")).unwrap();
    let outcome: Value = serde_json::from_str(&text).unwrap();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut broken = outcome.clone();
        change(&mut broken);
        fs::write(folder.path().join("broken.json"), broken.to_string()).unwrap();
        let answer = folder.farebox("compare small broken.json --out results").run();
        assert_eq!(answer.code, Some(7), "{answer}");
        assert!(answer.stderr.contains("`broken.json` holds no results of this version"), "{answer}");
    };
    refused(&|outcome| outcome["schema"] = 4.into());
    refused(&|outcome| outcome["currency"] = "ZZZ".into());
    refused(&|outcome| outcome["cohorts"][0]["served"] = u64::MAX.into());
    refused(&|outcome| outcome["cohorts"][0]["retried"] = 1_000_000.into());
    refused(&|outcome| outcome["cohorts"][0]["moved"]["earn"] = i128::MAX.to_string().into());
    refused(&|outcome| outcome["cohorts"][0]["played"] = serde_json::json!([[7, 3]]));
    refused(&|outcome| outcome["cohorts"] = "none".into());
    refused(&|outcome| outcome["surprise"] = 1.into());
}

#[test]
fn the_help_names_the_folder_that_is_written() {
    let folder = Folder::new("compare-help").with("small.yaml", SMALL);
    let help = folder.farebox("compare --help").run().stdout;
    assert!(help.contains("`reports/<scenario>-compare` if not given"), "{help}");
    assert_eq!(folder.farebox("compare small.yaml --variant cut").run().code, Some(0));
    assert!(folder.path().join("reports/small-compare/compare.txt").is_file());
}

#[test]
fn what_cannot_be_compared_says_why_and_what_to_do() {
    let plain = SMALL.split("variants:").next().unwrap();
    let folder = Folder::new("compare-wrong")
        .with("small.yaml", SMALL)
        .with("plain.yaml", plain)
        .with("seed.yaml", &plain.replace("horizon", "seed: 7\nhorizon"))
        .with("longer.yaml", &plain.replace("25d", "26d"))
        .with(
            "free.yaml",
            &plain
                .replace("fee: $10/month, includes: { requests: 100 }", "includes: { requests: 100/month }")
                .replace("overage, overage: { requests: $0.05 }", "block"),
        );
    assert_eq!(folder.farebox("simulate plain.yaml --out stored").run().code, Some(0));
    assert_eq!(folder.farebox("simulate longer.yaml --out longer").run().code, Some(0));
    let said = [
        "compare plain.yaml",
        "compare plain.yaml seed.yaml",
        "compare plain.yaml longer.yaml",
        "compare small.yaml plain.yaml --variant cut",
        "compare small.yaml --until 0%",
        "compare small.yaml --until 7",
        "compare small.yaml --until 1% --replications 12",
        "compare small.yaml --replications 10000",
        "compare small.yaml --variant cutt",
        "compare free.yaml plain.yaml --until 1%",
        "compare small.yaml --until €5",
        "compare stored",
        "compare stored plain.yaml",
        "compare stored longer",
        "compare stored stored --until 1%",
        "compare small.yaml reports",
        "compare nothing.yaml",
    ]
    .map(|arguments| {
        let answer = folder.farebox(arguments).run();
        assert_ne!(answer.code, Some(0), "{arguments}: {answer}");
        format!("farebox {arguments}: {answer}")
    });
    expect![[r#"
        farebox compare plain.yaml: exit code 2
        --- stderr ---
        error: `plain.yaml` has no variants to compare with it
        hint: write some under `variants`, or name a second scenario
        farebox compare plain.yaml seed.yaml: exit code 3
        --- stderr ---
        error: the two files cannot be compared consumer by consumer
          caused by: their seed differs: 1 and 7
        hint: `--seed N` draws both from one seed
        farebox compare plain.yaml longer.yaml: exit code 3
        --- stderr ---
        error: the two files cannot be compared consumer by consumer
          caused by: their horizon differs: 25 days and 26 days
        hint: what is compared has to be alike in seed, currency, start and horizon
        farebox compare small.yaml plain.yaml --variant cut: exit code 2
        --- stderr ---
        error: --variant: `cut` would be a variant of one of two files
        hint: name one file, and its variants are compared with it
        farebox compare small.yaml --until 0%: exit code 2
        --- stderr ---
        error: --until: no interval is as narrow as 0 %
        farebox compare small.yaml --until 7: exit code 2
        --- stderr ---
        error: --until: `7` names no currency; write `$7`
        farebox compare small.yaml --until 1% --replications 12: exit code 2
        --- stderr ---
        error: --until: it looks after 20 replications first, and `--replications` allows 12
        hint: allow more, or leave `--replications` away
        farebox compare small.yaml --replications 10000: exit code 2
        --- stderr ---
        error: 6 cohorts, over all variants, in each of 10,000 replications are 60,000, and may be 50,000
        hint: take fewer `--replications`, or name fewer variants by `--variant`
        farebox compare small.yaml --variant cutt: exit code 3
        --- stderr ---
        error: there is no variant `cutt`
         --> small.yaml:1:1
          |
        1 | scenario: small
          | ^^^^^^^^^^^^^^^
          |
          = help: did you mean `cut`?

        error: `small.yaml` has 1 error
        farebox compare free.yaml plain.yaml --until 1%: exit code 2
        --- stderr ---
        error: --until: the base earns nothing, and no interval is a share of that
        hint: give an amount, such as `--until $50`
        farebox compare small.yaml --until €5: exit code 2
        --- stderr ---
        error: --until: `€5` is in EUR, and the scenario in USD; write `$5`
        farebox compare stored: exit code 2
        --- stderr ---
        error: `stored` is a stored outcome
        hint: name a second one to compare with it, or a scenario that has variants
        farebox compare stored plain.yaml: exit code 2
        --- stderr ---
        error: of `stored` and `plain.yaml` one is a scenario and one a stored outcome
        hint: name two scenarios, or two stored outcomes
        farebox compare stored longer: exit code 2
        --- stderr ---
        error: the outcomes cannot be compared: their horizon differs, 25 days and 26 days
        hint: compare what was played over the same time in one currency
        farebox compare stored stored --until 1%: exit code 2
        --- stderr ---
        error: --until: stored outcomes have been played already
        hint: compare the scenarios to play them again
        farebox compare small.yaml reports: exit code 2
        --- stderr ---
        error: `reports` holds no `outcome.json`
        hint: name two scenarios, or two folders that `farebox simulate` has written
        farebox compare nothing.yaml: exit code 7
        --- stderr ---
        error: cannot read `nothing.yaml`
          caused by: No such file or directory (os error 2)
        hint: `farebox init` writes a scenario to start from
    "#]]
    .assert_eq(&said.concat());
    let seeded = folder.farebox("compare plain.yaml seed.yaml --seed 3 --out results").run();
    assert_eq!(seeded.code, Some(0), "{seeded}");
}
