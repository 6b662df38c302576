//! What a simulation took for granted, because the scenario left it out: the defaults that decide most. And how payments are
//! heard of and who is reminded, as it is written: what a model of those leaves out decides, too.

use farebox_engine::distribution::{Distribution, Z99};
use farebox_engine::draw::Chance;
use farebox_engine::model::{Arrivals, Breaks, Card, Cohort, Joined, On402, Payments, Reminders, Scenario, Webhooks};
use farebox_engine::time::Span;

use super::section::{Row, Section, row};
use super::text::duration;

fn tops_up(cohort: &Cohort) -> bool {
    cohort.client.on_402 == On402::TopUpThenRetry
}

fn pays(cohort: &Cohort) -> bool {
    matches!(cohort.client.on_402, On402::TopUpThenRetry | On402::PayOnce)
}

/// The section about it; nothing where the scenario says it all.
pub fn section(scenario: &Scenario) -> Option<Section> {
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
        .chain(of_hearing(&scenario.payments.webhooks, &names(&is_charged)))
        .chain(of_reminders(&scenario.payments.reminders, &names(&|cohort| may_be_reminded(scenario, cohort))))
        .chain(of_faults(scenario))
        .collect();
    Section::of("Assumed", rows)
}

/// Whether something of them ends that they could be reminded of.
fn may_be_reminded(scenario: &Scenario, cohort: &Cohort) -> bool {
    scenario.plans[cohort.plan].trial.is_some() || cohort.card.is_some_and(|card| card.life.is_some())
}

/// How those who are `charged` hear of their payments.
fn of_hearing(webhooks: &Webhooks, charged: &str) -> Option<Row> {
    if !webhooks.asks() {
        let how = "what became of a payment is known once the processor answers; no webhook is late or lost";
        return (!charged.is_empty()).then(|| row("hear at once", "", format!("{charged}: {how}")));
    }
    let parts = [
        Some(delay(&webhooks.delay)),
        chance(webhooks.lose, "never come"),
        chance(webhooks.duplicate, "come again"),
        chance(webhooks.reorder, "come 2 s later, behind others"),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    let asks = duration(webhooks.reconcile.ns());
    let how = format!(
        "webhooks {}; every {asks} the gateway asks for what it has not heard, and is answered, in an outage too; errors are known at once",
        parts.join(", ")
    );
    Some(row("hear by webhook", "", how))
}

/// How long webhooks take.
fn delay(delay: &Distribution) -> String {
    let time = |ns: f64| duration(ns as u64);
    match delay {
        Distribution::Constant(ns) => format!("take {}", time(*ns)),
        Distribution::LogNormal { mu, sigma } => {
            format!("take p50 {}, p99 {}", time(mu.exp().round()), time((mu + sigma * Z99).exp().round()))
        }
        other if other.mean().is_finite() => format!("take {} on average", time(other.mean())),
        _ => "take a time without a mean".to_owned(),
    }
}

fn chance(chance: Chance, what: &str) -> Option<String> {
    (chance != Chance::NEVER).then(|| format!("{} % {what}", (1e5 * chance.as_f64()).round() / 1e3))
}

/// What those are told beforehand of whom something ends.
fn of_reminders(reminders: &Reminders, concerned: &str) -> Option<Row> {
    if concerned.is_empty() {
        return None;
    }
    let times = |times: &[Span]| times.iter().map(|before| duration(before.ns())).collect::<Vec<_>>().join(", ");
    let kinds = [(&reminders.card_expires, "a card"), (&reminders.trial_ends, "a trial")];
    let sent: Vec<_> = kinds
        .into_iter()
        .filter(|(before, _)| !before.is_empty())
        .map(|(before, what)| format!("{} before {what} ends", times(before)))
        .collect();
    Some(if sent.is_empty() {
        row("are not reminded", "", format!("{concerned}: nobody tells them before a card or a trial ends"))
    } else {
        row("reminders", "", format!("{concerned}: {}; each reaches its consumer, and costs nothing", sent.join("; ")))
    })
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
