//! Faults of the gateway and of upstreams: whom they meet, and that they meet nobody else.

use std::collections::BTreeMap;

use super::{FIRST, after, days, poisson, scenario, secs, world};
use crate::billing::cause::Cause;
use crate::billing::gate::Decision;
use crate::distribution::Distribution;
use crate::log::{self, Event};
use crate::model::{Breaks, Cohort, Fault, Joined, Plan, Scenario};
use crate::sim::Scratch;
use crate::time::{Span, Time};

/// A consumer on each of two plans for ten days, and a fault from day 3 to day 5.
fn broken(breaks: Breaks) -> Scenario {
    let cohort = |name: &str| Cohort { joined: Joined::Start, ..Cohort::new(name, 1, poisson(secs(7_200))) };
    let mut scenario = scenario(days(10), Plan::new("free"), cohort("first"));
    scenario.plans.push(Plan::new("other"));
    scenario.cohorts.push(Cohort { plan: 1, ..cohort("second") });
    scenario.upstreams[0].latency = Distribution::Constant(2e9);
    scenario.faults = vec![Fault { at: days(3), lasts: days(2), breaks }];
    scenario
}

fn is_meanwhile(at: Time) -> bool {
    (after(days(3)).traffic..after(days(5)).traffic).contains(&at)
}

/// In what time an attempt was served; or what it was refused for, or that it failed.
type Ended = Result<Span, Option<Cause>>;

/// What became of each attempt of the cohorts' only consumers, by when it was made.
fn became(scenario: Scenario) -> [Vec<(Time, Ended)>; 2] {
    let world = world(scenario);
    [0, 1].map(|cohort| {
        let consumer = crate::billing::account::Consumer { cohort, ..FIRST };
        let history = log::record(&world, consumer, &mut Scratch::default()).unwrap();
        let (mut open, mut became) = (BTreeMap::new(), Vec::new());
        for entry in history.log {
            let at = entry.now.traffic;
            match entry.event {
                Event::Decided { decision: Decision::Admit(admission), .. } => drop(open.insert(admission.hold, at)),
                Event::Decided { decision: Decision::Refuse(cause), .. } => became.push((at, Err(Some(cause)))),
                Event::Served { hold, .. } => became.push((open[&hold], Ok(at.since(open[&hold])))),
                Event::GaveUp { .. } => panic!("every client waits"),
                Event::Failed { hold, .. } => became.push((open[&hold], Err(None))),
                Event::Heard(_) => panic!("the model answers"),
            }
        }
        became
    })
}

/// Every attempt of a cohort within the fault came out so, and every other was served in two seconds.
fn only(became: &[(Time, Ended)], meanwhile: Ended) {
    let (met, others): (Vec<_>, Vec<_>) = became.iter().partition(|(at, _)| is_meanwhile(*at));
    assert!(met.len() > 10 && others.len() > 50, "{} {}", met.len(), others.len());
    assert!(met.iter().all(|(_, how)| *how == meanwhile), "{met:?}");
    assert!(others.iter().all(|(_, how)| *how == Ok(secs(2))), "{others:?}");
}

#[test]
fn billing_that_is_down_refuses_everyone() {
    let [first, second] = became(broken(Breaks::BillingDown));
    only(&first, Err(Some(Cause::BillingUnavailable)));
    only(&second, Err(Some(Cause::BillingUnavailable)));
}

#[test]
fn a_misconfigured_rule_asks_those_on_its_plan() {
    let [first, second] = became(broken(Breaks::PolicyError { plan: 1 }));
    only(&second, Err(Some(Cause::PolicyError)));
    only(&first, Ok(secs(2)));
}

#[test]
fn an_upstream_that_is_down_fails_what_is_made_meanwhile() {
    let [first, second] = became(broken(Breaks::UpstreamDown { upstream: 0 }));
    only(&first, Err(None));
    only(&second, Err(None));
}

/// Two faults at once slow it down together; and one of another upstream does nothing.
#[test]
fn a_slow_upstream_takes_its_factors() {
    let mut slow = broken(Breaks::UpstreamSlow { upstream: 0, factor: 5.0 });
    slow.faults.push(Fault { breaks: Breaks::UpstreamSlow { upstream: 0, factor: 2.0 }, ..slow.faults[0] });
    slow.upstreams.push(crate::model::Upstream::new("idle"));
    slow.faults.push(Fault { breaks: Breaks::UpstreamDown { upstream: 1 }, ..slow.faults[0] });
    let [first, second] = became(slow);
    only(&first, Ok(secs(20)));
    only(&second, Ok(secs(20)));
}
