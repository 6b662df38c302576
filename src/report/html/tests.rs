//! What the page does with names that are built to hurt, and with more of everything than anybody reads.

use farebox_engine::billing::ledger::Movement;
use farebox_engine::model::{Arrivals, Cohort, Plan, Scenario, Upstream};
use farebox_engine::outcome::{FailedAs, Nanos, Outcome, RouteOutcome};
use farebox_engine::record::Recorder;
use farebox_engine::time::{DAY, Span};

use super::*;
use crate::report::about::{Curve, Load, Promise, Service};
use crate::report::section::row;
use crate::scenario::Setting;
use crate::scenario::setting::Origin;

/// A name as somebody would write it who wants to break out, to steer a terminal, to turn the line around, or to fill it.
fn hostile() -> String {
    let name = "</title></svg><script>alert('1')</script><img src=x onerror=\"alert(2)\">&amp;\u{1b}[31m\u{202e}\u{5e9}\u{5dc}\u{5d5}\u{5dd}\u{1f4a5}{{ 7*7 }}";
    format!("{name}{}", "x".repeat(300))
}

/// Results in which every text is the hostile name.
fn results(cohorts: usize) -> (About, Outcome) {
    let name = hostile();
    let mut scenario = Scenario::new(&name, Span::from_ns(30 * DAY));
    scenario.plans.push(Plan::new(&name));
    for nth in 0..cohorts {
        let arrivals = Arrivals::Poisson { mean_gap_ns: 1e9, spread: None };
        scenario.cohorts.push(Cohort::new(&format!("{name}{nth}"), 10, arrivals));
    }
    scenario.upstreams = vec![Upstream::new(&name)];
    let mut outcome = Outcome::new(&scenario, 30 * DAY, &Recorder::new(cohorts), &vec![vec![[0, 10]]; cohorts]);
    outcome.bucket_ns = DAY;
    for cohort in &mut outcome.cohorts {
        let alike = FailedAs { upstream: name.clone(), cause: "upstream_402".to_owned(), status: 402 };
        let failures = [(alike, 5)].into();
        let refused = [(name.clone(), 20)].into();
        let route = RouteOutcome { served: 1_000, failed: 5, failures, refused, ..RouteOutcome::default() };
        (cohort.served, cohort.failed, cohort.refused) = (1_000, 5, route.refused.clone());
        cohort.routes = [(name.clone(), route)].into();
        cohort.latency = vec![[1_000_000, 900], [5_000_000, 100]];
        cohort.timeline.offered = vec![40; 30];
        cohort.timeline.served = vec![33; 30];
        cohort.moved = [Movement::Invoice, Movement::Earn, Movement::Capture]
            .map(|movement| (movement.name().to_owned(), Nanos(1_500_000_000)))
            .into();
    }
    let mut about = About::of(&scenario, Played::Run);
    about.question = Some(name.clone());
    about.command.clone_from(&name);
    about.variant = Some(name.clone());
    about.version.clone_from(&name);
    about.routes = [(name.clone(), vec![0])].into();
    about.services = vec![Service { name: name.clone(), calls: Vec::new(), capacity: None }];
    about.thresholds =
        vec![Promise { threshold: name.clone(), measured: name.clone(), verdict: name.clone(), fails: true }];
    about.load = Some(Load {
        worthless: Some(name.clone()),
        latency: vec![Curve::of(&name, &[[1_000_000, 500], [2_000_000, 500]], 2_000_000)],
        sections: vec![Section { title: name.clone(), rows: vec![row(&name, &name, &name)] }],
    });
    let setting = Setting { depth: 99, key: name.clone(), value: name.clone(), origin: Origin::Default };
    about.settings = vec![setting; 5_000];
    (about, outcome)
}

fn is_escaped(page: &str) {
    assert_eq!(page.matches("<script").count(), 1, "one script is the page's own");
    assert_eq!(page.matches("<img").count(), 0);
    assert_eq!(page.matches("</title>").count(), 1);
    assert_eq!(page.matches("</svg>").count(), page.matches("<svg").count());
    assert!(page.contains("&#60;script&#62;alert(&#39;1&#39;)"), "the name is shown as text");
    assert!(page.contains("\\u{1b}[31m\\u{202e}\u{5e9}"), "what steers is shown, what is only foreign stays");
    let hidden = page.chars().find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
    assert_eq!(hidden, None);
    // What is double is not escaped twice, nor taken for a template.
    assert!(page.contains("&#38;amp;") && page.contains("{{ 7*7 }}"));
}

#[test]
fn names_are_text_wherever_they_stand() {
    let (about, outcome) = results(3);
    let one = Results { name: &hostile(), about: &about, outcome: Some(&outcome) };
    is_escaped(&render(one));
    is_escaped(&render_beside(&[one, one]));
    is_escaped(&render(Results { outcome: None, ..one }));
}

/// A browser takes the style and the script only as long as their hashes are those that the page names.
#[test]
fn the_page_lets_in_its_own_style_and_script_alone() {
    let (about, outcome) = results(1);
    let page = render(Results { name: "x", about: &about, outcome: Some(&outcome) });
    let between = |from: &str, until: &str| page.split(from).nth(1).and_then(|rest| rest.split(until).next()).unwrap();
    assert_eq!(hash(between("<style>", "</style>")), between("style-src '", "'"));
    assert_eq!(hash(between("<script>", "</script>")), between("script-src '", "'"));
    let loads = ["http:", "https:", "url(", "@import", " src=", "javascript:", " style="];
    let own = page.replace("src=x", "");
    assert_eq!(loads.iter().find(|word| own.contains(**word)), None);
}

#[test]
fn a_page_is_small_whatever_was_played() {
    let (about, outcome) = results(2_000);
    let page = render(Results { name: "x", about: &about, outcome: Some(&outcome) });
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(page.contains("more in calls.csv") || page.contains("more in outcome.json"));
}

/// A plan's share is that of its calls together, and not the mean of its cohorts' shares.
#[test]
fn the_heat_map_sums_up_the_cohorts_of_a_plan() {
    let (about, mut outcome) = results(3);
    for cohort in &mut outcome.cohorts {
        (cohort.cohort, cohort.plan) = ("few".to_owned(), "pro".to_owned());
        (cohort.served, cohort.failed, cohort.refused) = (90, 0, [("quota_exhausted".to_owned(), 10)].into());
    }
    outcome.cohorts[1].served = 9_890;
    outcome.cohorts[1].refused = [("rate_limited".to_owned(), 10)].into();
    outcome.cohorts[2].plan = "free".to_owned();
    let page = render(Results { name: "x", about: &about, outcome: Some(&outcome) });
    let rows: Vec<_> =
        page.lines().filter(|line| line.starts_with("<tr") && line.contains("shade-")).map(plain).collect();
    assert_eq!(
        rows,
        [
            "few pro 10.0 % 0 100",
            "few pro 0 0.1 % 9,900",
            "all of the plan pro 0.1 % 0.1 % 10,000",
            "few free 10.0 % 0 100",
        ]
    );
}

/// The text of a line of the page, without its markup.
fn plain(line: &str) -> String {
    let texts = line.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text);
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

#[test]
fn figures_are_short_and_never_round_to_nothing_or_to_all() {
    assert_eq!([0.0, 0.0004, 0.5, 0.99951, 1.0].map(percent), ["0.0 %", "< 0.1 %", "50.0 %", "> 99.9 %", "100.0 %"]);
    assert_eq!([0.0, 950.0, 1_250.0, 2e6].map(compact), ["0", "950", "1.25k", "2M"]);
    assert_eq!([0.0, 3e6, 1.5e9, 4.0 * HOUR as f64].map(time), ["0", "3 ms", "1.5 s", "4 h"]);
    // Of names that begin alike the ends tell.
    assert_eq!(["plan-a", "plan-with-a-long-name-b"].map(|name| short(name, 12)), ["plan-a", "plan-wit…me-b"]);
}
