//! Names and figures as the page has them.

use farebox_engine::model::{Arrivals, Cohort, Plan, Scenario};
use farebox_engine::outcome::Outcome;
use farebox_engine::record::Recorder;
use farebox_engine::time::{DAY, Span};

use super::*;

/// A name from a stored outcome is anybody's.
#[test]
fn names_can_neither_steer_a_terminal_nor_push_figures_off_the_page() {
    let cases = [
        ("startups", "startups"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("say \"no\" 🚀", "say \"no\" 🚀"),
        ("a\u{1b}[2Jb\nc", "a\\u{1b}[2Jb\\nc"),
        ("$1\u{202e}00", "$1\\u{202e}00"),
        ("שלום", "שלום"),
    ];
    for (name, expected) in cases {
        assert_eq!(plain(name), expected);
    }
    let long = plain(&format!("/reports/{}/before", "é".repeat(300)));
    assert_eq!(long.chars().count(), NAME_MOST);
    assert!(long.starts_with("/reports/éééé…") && long.ends_with("é/before"), "{long}");
}

#[test]
fn figures_read_as_people_write_them() {
    let usd = Currency::from_code("USD").unwrap();
    assert_eq!(
        [amount_of(1234.567, usd), amount_of(-0.5, usd), amount_of(0.000_42, usd)],
        ["$1,234.57", "-$0.50", "$0.00042"]
    );
    assert_eq!([count(1234.0), count(12.34), count(-0.04), count(-2.5)], ["1,234", "12.3", "0", "-2.5"]);
    assert_eq!([0, 7, 99, 101, 557, 9_901].map(about), [0, 7, 99, 110, 560, 10_000]);
    assert_eq!([percent(0.031), percent(-1.0)], ["+3.1 %", "-100.0 %"]);
}

/// Two stored outcomes of which some consumers are missing: whichever side and replication they are missing in, it is said.
#[test]
fn what_is_partial_is_named() {
    let mut scenario = Scenario::new("small", Span::from_ns(DAY));
    scenario.plans.push(Plan::new("free"));
    scenario.cohorts.push(Cohort::new("all", 50, Arrivals::Poisson { mean_gap_ns: 1e9, spread: None }));
    let of = |played: &[u32]| {
        let one = |number: u32| {
            let who = [vec![[0, played[number as usize]]]];
            Outcome::new(&scenario, DAY, &Recorder::new(1), &who).as_replication(1, number)
        };
        let mut outcome = one(0);
        (1..played.len() as u32).for_each(|number| outcome.stack(one(number)).unwrap());
        outcome
    };
    let first = |base: &[u32], variant: &[u32]| {
        let facts = Facts::stored(&of(base), &of(variant), ["old".to_owned(), "new".to_owned()]);
        assert_eq!(facts.consumers, 50);
        earned(&facts).split(" not paired").next().unwrap().to_owned()
    };
    assert!(first(&[50], &[50]).starts_with("not paired: new earns"));
    assert_eq!(first(&[30], &[50]), "PARTIAL, 30 of 50 consumers of old:");
    assert_eq!(first(&[50], &[20]), "PARTIAL, 20 of 50 consumers of new:");
    assert_eq!(first(&[50, 50], &[50, 20]), "PARTIAL, not all 50 consumers of new in each replication:");
    assert_eq!(first(&[30], &[20]), "PARTIAL, 30 of 50 consumers of old, 20 of 50 consumers of new:");
}

/// One open row of a plan is one, whatever all of them together are.
#[test]
fn nothing_is_settled_while_a_row_is_open() {
    let mut scenario = Scenario::new("small", Span::from_ns(DAY));
    scenario.plans.push(Plan::new("free"));
    scenario.cohorts.push(Cohort::new("all", 50, Arrivals::Poisson { mean_gap_ns: 1e9, spread: None }));
    let outcome = Outcome::new(&scenario, DAY, &Recorder::new(1), &[vec![[0, 50]]]);
    let mut facts = Facts::stored(&outcome, &outcome, ["old".to_owned(), "new".to_owned()]);
    facts.differences.iter_mut().for_each(|row| row.settled = "exactly");
    assert_eq!(evidence(&facts), "\nHow sure that is\n  every difference is settled\n");
    let mut open = Row { of: "plan", name: "pro".to_owned(), settled: "no", ..facts.differences[0].clone() };
    open.replications_to_settle = Some(40);
    facts.differences.push(open);
    assert_eq!(evidence(&facts), "\nHow sure that is\n  about 40 replications would settle earned of all on pro\n");
    facts.differences.iter_mut().for_each(|row| row.settled = "unknown");
    assert_eq!(evidence(&facts), "");
}
