//! What a simulation took for granted, because the scenario left it out: the defaults that decide most.

use farebox_engine::model::{Arrivals, Breaks, Card, Cohort, Joined, On402, Payments, Scenario};

use super::text::{Row, row, table};

fn tops_up(cohort: &Cohort) -> bool {
    cohort.client.on_402 == On402::TopUpThenRetry
}

fn pays(cohort: &Cohort) -> bool {
    matches!(cohort.client.on_402, On402::TopUpThenRetry | On402::PayOnce)
}

/// The page about it; nothing where the scenario says it all.
pub fn render(scenario: &Scenario) -> String {
    let names = |which: &dyn Fn(&Cohort) -> bool| {
        let named = scenario.cohorts.iter().filter(|cohort| which(cohort)).map(|cohort| cohort.name.as_str());
        named.collect::<Vec<_>>().join(", ")
    };
    let is_charged = |cohort: &Cohort| {
        let plan = &scenario.plans[cohort.plan];
        let buys = plan.prepaid.is_some() && tops_up(cohort);
        buys || plan.fee_period.is_some() || plan.prepaid.as_ref().is_some_and(|prepaid| prepaid.auto_top_up.is_some())
    };
    let assumed = [
        (
            "joined before the start",
            names(&|cohort| cohort.joined == Joined::Spread),
            "spread over one billing period, whose usage until then is counted",
        ),
        (
            "always pay",
            names(&|cohort| is_charged(cohort) && cohort.card == Some(Card::good())),
            "cards are never declined",
        ),
        (
            "do not react",
            names(&|cohort| cohort.reactions.is_empty() && !pays(cohort)),
            "no refusal changes what they do",
        ),
        ("do not try again", names(&|cohort| cohort.client.retry.attempts < 2), "a call that fails is not made again"),
        (
            "call at random",
            names(&|cohort| matches!(cohort.arrivals, Arrivals::Poisson { spread: None, .. })),
            "one rate for all of the cohort, at any hour alike",
        ),
    ];
    let rows: Vec<_> = assumed
        .into_iter()
        .filter(|(_, who, _)| !who.is_empty())
        .map(|(what, who, how)| row(what, "", format!("{who}: {how}")))
        .chain(of_faults(scenario))
        .collect();
    if rows.is_empty() { String::new() } else { table("Assumed", &rows) }
}

/// What is taken for granted about what breaks.
fn of_faults(scenario: &Scenario) -> Vec<Row> {
    let is_down = scenario.faults.iter().any(|fault| fault.breaks == Breaks::ProcessorDown);
    let has_errors = is_down || scenario.payments.processor.errors != Payments::new().processor.errors;
    let all = [
        (!scenario.faults.is_empty(), "faults", "as written, at the same moments in every replication"),
        (
            has_errors,
            "errors of the processor",
            "nothing was captured; tried again after an hour, counted as no decline",
        ),
    ];
    let there = all.into_iter().filter(|(is_there, ..)| *is_there);
    there.map(|(_, what, how)| row(what, "", how.to_owned())).collect()
}
