//! What a run of a scenario will do, computed and not simulated: expected calls, when allowances and credit run out,
//! what the load on sockets needs, what the simulation takes. And what of it cannot work.
//!
//! Figures are those of independent consumers, of calls as their arrivals are described, so they can be held against a
//! simulation. What they leave out (plan changes, reactions, declined payments) is listed as not forecast, never
//! guessed. Nothing is drawn but the rates of consumers who differ in them, sessions, and delays of webhooks, from a fixed seed. Nothing
//! here prints, and no figure is an amount that is booked: floats are good enough.

mod arrivals;
pub mod load;
pub(crate) mod poisson;
mod quota;
mod sessions;
pub mod text;
mod traffic;
pub mod unheard;
mod upstream;
mod webhooks;
mod work;

use std::num::NonZeroUsize;

use farebox_engine::model::{Arrivals, Joined, Plan, Price, Process, Scenario};
use farebox_engine::world::schedule::Pace;
use serde::Serialize;

pub use load::LoadForecast;
pub use quota::{AllowanceUse, CreditUse};
pub use traffic::CohortCalls;
pub use upstream::UpstreamUse;
pub use webhooks::{LateHearing, Later, Waits};
pub use work::{Components, Work};

use traffic::Traffic;
use upstream::Upstreams;

/// The version of the layout: raised when a reader of the last one would misread this.
pub const SCHEMA: u32 = 1;

/// What a run will do.
#[derive(Clone, Debug, Serialize)]
pub struct Forecast {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The ISO 4217 code of all amounts.
    pub currency: String,
    /// How much time is simulated, in ns.
    pub horizon_ns: u64,
    /// Calls of each cohort.
    pub cohorts: Vec<CohortCalls>,
    /// Calls of all consumers: the mean.
    pub expected: f64,
    /// The standard deviation; `null` where some rates have none.
    pub deviation: f64,
    /// How the allowances fare.
    pub allowances: Vec<AllowanceUse>,
    /// How long opening credit lasts.
    pub credit: Vec<CreditUse>,
    /// How long the wallets last that calls are paid from one by one.
    pub wallets: Vec<CreditUse>,
    /// What the upstreams have to do.
    pub upstreams: Vec<UpstreamUse>,
    /// How late accounts hear of their payments; `null` where they hear at once.
    pub late_hearing: Option<LateHearing>,
    /// What the load on sockets needs.
    pub load: LoadForecast,
    /// What the simulation takes.
    pub simulation: Work,
    /// Which consumers depend on each other.
    pub components: Components,
    /// What the figures leave out.
    pub not_forecast: Vec<String>,
    /// What cannot work.
    pub warnings: Vec<String>,
}

impl Forecast {
    /// The forecast of a scenario that is simulated on so many threads.
    pub fn new(scenario: &Scenario, jobs: NonZeroUsize) -> Self {
        let pace = Pace::scaled(scenario, &scenario.live);
        let end = pace.clock.at(pace.until).billing;
        let traffic: Vec<_> = scenario.cohorts.iter().map(|cohort| Traffic::new(scenario, cohort, end)).collect();
        let offered = load::Offered::of_all(scenario, &traffic);
        let upstreams = Upstreams::new(scenario, &traffic, load::calls_per_ns(scenario, &offered));
        let load = LoadForecast::new(scenario, &traffic, &offered, upstreams.mean_ns);
        let mut warnings = load.warnings();
        warnings.extend(upstreams.warnings());
        warnings.extend(load::too_long(scenario));
        warnings.extend(load::quiet_hours(scenario, &traffic));
        warnings.extend(load::cut_sessions(scenario, &traffic, &offered));
        warnings.extend(load::compressed_past_limits(scenario, &traffic));
        warnings.extend(load::over_before_faults(scenario));
        warnings.extend(unheard::too_late(scenario));
        Self {
            schema: SCHEMA,
            scenario: scenario.name.clone(),
            currency: scenario.currency.code.to_owned(),
            horizon_ns: scenario.horizon.ns(),
            cohorts: traffic.iter().map(Traffic::report).collect(),
            expected: traffic.iter().map(|traffic| traffic.calls).sum(),
            deviation: traffic.iter().map(|traffic| traffic.variance).sum::<f64>().sqrt(),
            allowances: quota::allowances(scenario, &traffic),
            credit: quota::credit(scenario, &traffic),
            wallets: quota::wallets(scenario, &traffic),
            late_hearing: webhooks::late_hearing(scenario, &traffic),
            load,
            simulation: Work::new(scenario, &traffic, jobs, upstreams.mean_ns),
            upstreams: upstreams.uses,
            components: Components::new(scenario),
            not_forecast: not_forecast(scenario),
            warnings,
        }
    }
}

/// What of the scenario the figures leave out, in the order of the file.
fn not_forecast(scenario: &Scenario) -> Vec<String> {
    let mut left_out: Vec<_> = scenario.plans.iter().flat_map(of_plan).collect();
    if !scenario.changes.is_empty() {
        left_out.push("changes of plans inside the run: the figures are those of the first terms".to_owned());
    }
    if !scenario.faults.is_empty() {
        left_out.push("faults, and what they delay or fail".to_owned());
    }
    if scenario.payments.webhooks.asks() {
        left_out.push(
            "who waits for a webhook after a new card or a top-up, and first payments that are heard of too late, after 23 hours"
                .to_owned(),
        );
    }
    if !scenario.payments.reminders.is_none() {
        left_out.push("reminders, and who heeds them".to_owned());
    }
    for upstream in &scenario.upstreams {
        let parts = [
            (upstream.capacity.is_some(), "how long calls wait for a place"),
            (upstream.errors != farebox_engine::model::Errors::NEVER, "calls that fail there"),
        ];
        left_out.extend(of(&upstream.name, &parts));
    }
    for cohort in &scenario.cohorts {
        let joins_late = matches!(cohort.joined, Joined::Signups { .. });
        let follows_hours = matches!(&cohort.arrivals, Arrivals::Patterned(pattern) if pattern.shape.is_some());
        let parts = [
            (
                follows_hours && joins_late,
                "in which hours those are there who sign up: they call as often as on average over the horizon",
            ),
            (follows_hours, "in which hours allowances and credit are used: the moments are those of an even rate"),
            (
                matches!(arrivals::process(cohort), Process::Bursty { .. }),
                "how likely bursts use up allowances and credit",
            ),
            (
                arrivals::sessions(cohort).is_some(),
                "how likely sessions use up allowances and credit, and how refusals and waits change their length",
            ),
            (
                joins_late,
                "when each consumer signs up: they come evenly, and chances are of those who are there all along",
            ),
            (cohort.churn != farebox_engine::draw::Chance::NEVER, "churn: nobody leaves"),
            (!cohort.reactions.is_empty(), "reactions to refusals"),
            (cohort.client.retry.attempts > 1, "attempts that clients make again"),
            (cohort.client.timeout.is_some(), "calls that clients give up, and what they cost"),
            (cohort.card.is_none_or(|card| card != farebox_engine::model::Card::good()), "payments that are declined"),
        ];
        left_out.extend(of(&cohort.name, &parts));
    }
    left_out
}

fn of_plan(plan: &Plan) -> Vec<String> {
    let prices = plan.prices.iter().chain(&plan.overage).flatten();
    let prepaid = plan.prepaid.as_ref();
    let parts = [
        (prices.into_iter().any(|price| !matches!(price, Price::PerUnit(_))), "prices that are not per unit"),
        (plan.rollover.is_some(), "allowance that is carried over"),
        (plan.trial.is_some(), "the trial"),
        (plan.spend_cap.is_some(), "the spend cap"),
        (!plan.limits.is_empty(), "refusals by rate limits"),
        (prepaid.is_some_and(|prepaid| prepaid.auto_top_up.is_some()), "top-ups: the credit is the opening one alone"),
        (
            prepaid.is_some_and(|prepaid| prepaid.grants.iter().any(|grant| grant.expires.is_some())),
            "credit that expires",
        ),
    ];
    of(&plan.name, &parts)
}

/// Those parts of a plan, cohort or upstream that are there.
fn of(name: &str, parts: &[(bool, &str)]) -> Vec<String> {
    parts.iter().filter(|(is_there, _)| *is_there).map(|(_, what)| format!("`{name}`: {what}")).collect()
}
