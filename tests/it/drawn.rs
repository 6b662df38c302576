//! Random scenarios over the whole language: that parser and schema agree on them and on what is broken of them, that
//! both halves play them alike, and that a simulation of them does not depend on its threads.

mod cohorts;
mod damage;
mod dice;
mod document;
mod planned;
mod plans;
mod scenarios;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use farebox::control::Control;
use farebox::live::{proof, stage};
use farebox::scenario::{self, Loaded, Rejected, Severity};
use farebox::simulate::{everyone, simulate};
use farebox_engine::billing::cause::Cause;
use farebox_engine::billing::gate::Decision;
use farebox_engine::billing::ledger::Movement;
use farebox_engine::billing::tally::Count;
use farebox_engine::distribution::Distribution;
use farebox_engine::draw::Chance;
use farebox_engine::log::{Entry, Event, History};
use farebox_engine::model::{
    Act, AppliesTo, Arrivals, Breaks, Card, Errors, Fees, Limit, OnClientAbort, PastAllowance, Pattern, PerMeter, Plan,
    Prepaid, Process, Returns, Scenario, SpendControl, Upstream, When,
};
use farebox_engine::money::Money;
use farebox_engine::time::Span;
use farebox_engine::world::World;

use jiff::tz::TimeZone;

use self::dice::Dice;
use self::document::Node;
use crate::fixture;
use crate::schema::complaints;

/// Where the traces are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixture");

fn read(text: &str) -> Result<Loaded, Rejected> {
    scenario::parse("drawn.yaml", text, Path::new(FOLDER))
}

/// The text of a document, in one of the styles that people write.
fn text(document: &Node, seed: u64) -> String {
    document.text(1 + (seed % 4) as usize)
}

/// The errors of a text that the parser refuses.
fn errors(rejected: &Rejected) -> Vec<String> {
    let errors = rejected.diagnostics.iter().filter(|problem| problem.severity == Severity::Error);
    errors.map(|problem| problem.message.clone()).collect()
}

// === Parser and schema ===

#[test]
fn what_is_valid_both_accept_and_can_be_played() {
    for seed in 0..400 {
        let text = text(&scenarios::scenario(seed), seed);
        let loaded = read(&text).unwrap_or_else(|rejected| panic!("{:#?}\n{text}", errors(&rejected)));
        assert_eq!(loaded.unsupported, [], "{text}");
        assert!(loaded.variants.iter().all(|variant| variant.unsupported.is_empty()), "{text}");
        let complaints = complaints(&text);
        assert!(complaints.is_empty(), "the schema rejects {text}\n{complaints:#?}");
    }
}

#[test]
fn what_is_not_built_yet_both_accept_and_cannot_be_played() {
    for seed in 0..100 {
        let text = text(&planned::scenario(seed), seed);
        let loaded = read(&text).unwrap_or_else(|rejected| panic!("{:#?}\n{text}", errors(&rejected)));
        assert!(!loaded.unsupported.is_empty(), "{text}");
        let complaints = complaints(&text);
        assert!(complaints.is_empty(), "the schema rejects {text}\n{complaints:#?}");
    }
}

/// A document to be damaged: one in four asks for what is not built yet.
fn sound(seed: u64) -> Node {
    if seed % 4 == 3 { planned::scenario(seed % 300) } else { scenarios::scenario(seed % 300) }
}

#[test]
fn what_is_broken_in_structure_both_reject() {
    for seed in 0..1_500 {
        let document = sound(seed);
        let damaged = damage::structural(&document, &mut Dice::new(1 + seed));
        let text = text(&damaged.document, seed);
        assert!(read(&text).is_err(), "the parser accepts {}\n{text}", damaged.how);
        assert!(!complaints(&text).is_empty(), "the schema accepts {}\n{text}", damaged.how);
    }
}

/// What no schema can say: parts of the parser's messages, each of which the edits below come to.
const SEMANTIC: &[&str] = &[
    // Names that do not exist, and what they would have to be.
    "unknown plan ",
    "unknown meter ",
    "unknown route ",
    "unknown upstream ",
    "unknown time zone ",
    " has no column ",
    // Numbers beyond what can be counted.
    " is longer than ten years",
    " is finer than ",
    " is more than ",
    " is less than ",
    " is no time at all",
    " has too many decimals for its unit",
    " is not a whole number",
    "a rate of zero asks for no calls at all",
    "this rate is beyond what can be played",
    "a limit of zero refuses every call",
    // What parts of a scenario owe each other.
    "`past_allowance: overage` needs `overage`",
    // An edit of a plan can leave a variant of it without what the variant needs.
    "(in the variant `cut`)",
    "`do: ",
    "`when: refused` needs `more_than`",
    ", which the calls of this cohort do not carry",
    " has no allowance to be past of",
    "a tier before the last has no end",
    "this tier ends before it begins",
    "these shares sum to ",
];

/// As above, of which the edits come to one or another.
const RARE: &[&str] = &[
    "the second end is less than the first",
    "a top-up of nothing tops nothing up",
    "no payment has a part smaller than",
    "_slow` needs `",
    "` takes no `",
    " is given as ",
    " has two prices past its allowance",
    "the last tier has an end",
    "cannot read the trace ",
    "`more_than` does not count ",
    "credit is never below nothing",
    "this cohort is on ",
    " is summed twice",
    "unknown attribute ",
    "a rate of zero asks for nobody at all",
    "unknown variant ",
    " is outside of the scenario's folder",
    "this allowance has no period, and the plan no fee to take it from",
    "a sliding window remembers each call, and these are too many",
    "by these weights nobody ever calls",
    "in its busiest moments this rate is more than ",
    " these rates have no mean",
    "how long `model` takes depends on ",
    "what is generated token by token needs ",
    "what streams is generated token by token",
    "`overage` has no effect without ",
    "`latency` says how long a whole answer takes",
    " calls itself",
    " is called by ",
    " calls others after its own work",
    " hops",
    "the chances of `errors` sum to more than 100%",
    "a throttle of zero lets nothing pass",
    "nothing of the load is left to be measured",
];

#[test]
fn what_the_schema_alone_accepts_is_wrong_in_meaning() {
    let (mut met, mut others) = (BTreeSet::new(), Vec::new());
    for seed in 0..5_000 {
        let document = sound(seed);
        let damaged = damage::any(&document, &mut Dice::new(1_000_000 + seed));
        let text = text(&damaged.document, seed);
        let (read, complaints) = (read(&text), complaints(&text));
        match read {
            Ok(_) => assert!(complaints.is_empty(), "the schema rejects {}\n{text}\n{complaints:#?}", damaged.how),
            Err(rejected) if complaints.is_empty() => {
                for error in errors(&rejected) {
                    match SEMANTIC.iter().position(|part| error.contains(part)) {
                        Some(kind) => _ = met.insert(kind),
                        None if RARE.iter().any(|part| error.contains(part)) => {}
                        None => others.push(format!("{}: {error}", damaged.how)),
                    }
                }
            }
            Err(_) => {}
        }
    }
    assert_eq!(others, [""; 0], "the schema accepts these");
    let missing: Vec<_> = (0..SEMANTIC.len()).filter(|kind| !met.contains(kind)).map(|kind| SEMANTIC[kind]).collect();
    assert_eq!(missing, [""; 0], "nothing was wrong like that");
}

// === Both halves ===

const THREADS: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// A load, and what happens in its simulation.
struct Load {
    name: String,
    world: Arc<World>,
    twins: Vec<History>,
}

/// The loads that both halves play: of drawn scenarios, and of those that were written for what is rare among them.
fn loads() -> &'static [Load] {
    static LOADS: OnceLock<Vec<Load>> = OnceLock::new();
    LOADS.get_or_init(|| {
        let drawn = (0..48).map(|seed| (format!("seed {seed}"), drawn(seed)));
        let written = ["moves.yaml", "credit.yaml", "wallets.yaml", "patience.yaml", "reminders.yaml"];
        let written = written.map(|name| (name.to_owned(), fixture::named(name)));
        let load = |(name, scenario)| {
            let world = fixture::scaled(scenario);
            Load { name, twins: stage::twins(&world).unwrap(), world }
        };
        drawn.chain(written).map(load).collect()
    })
}

/// The drawn scenario of a seed, read from its text.
fn drawn(seed: u64) -> Scenario {
    let text = text(&scenarios::scenario(seed), seed);
    read(&text).unwrap_or_else(|rejected| panic!("{:#?}\n{text}", errors(&rejected))).scenario
}

fn twins() -> impl Iterator<Item = &'static History> {
    loads().iter().flat_map(|load| &load.twins)
}

#[test]
fn in_lockstep_every_drawn_scenario_is_its_twin() {
    for Load { name, world, twins } in loads() {
        let live = stage::lockstep(world, twins, THREADS, &Control::default()).unwrap();
        assert_eq!(live.out_of_step, [], "{name}");
        let extent = proof::lockstep(world, twins, &live.histories);
        let extent = extent.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(extent.consumers, twins.len() as u64, "{name}");
        assert!(live.reconciled.is_none_or(|found| found.is_equal()), "{name}: {:?}", live.reconciled);
        live.histories.iter().for_each(|history| history.account.check());
    }
}

#[test]
fn free_runs_of_drawn_scenarios_replay() {
    for Load { name, world, .. } in [2, 9, 17, 24, 33, 48, 51, 52].map(|place| &loads()[place]) {
        let run = stage::free_run(world, THREADS, &Control::default()).unwrap();
        let extent = proof::replay(world, &run.histories, run.end);
        extent.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(run.reconciled.is_none_or(|found| found.is_equal()), "{name}: {:?}", run.reconciled);
        run.histories.iter().for_each(|history| history.account.check());
    }
}

/// At the end of the load and of the whole horizon, each part of every account is what its books say.
#[test]
fn the_books_of_every_account_hold() {
    for seed in 0..400 {
        let scenario = drawn(seed);
        let whole = Arc::new(World::whole(Arc::new(scenario.clone())).unwrap());
        for world in [fixture::scaled(scenario), whole] {
            stage::twins(&world).unwrap().iter().for_each(|twin| twin.account.check());
        }
    }
}

// === What the loads meet: without it, the proofs above would prove little ===

#[test]
fn the_loads_meet_every_refusal_every_count_and_every_movement() {
    let mut missing = Vec::new();
    for cause in [
        Cause::RouteNotInPlan,
        Cause::NoPaymentMethod,
        Cause::FirstPaymentFailed,
        Cause::TrialEnded,
        Cause::PastDue,
        Cause::Unpaid,
        Cause::Canceled,
        Cause::BillingHold,
        Cause::RateLimited,
        Cause::ConcurrencyLimited,
        Cause::QuotaExhausted,
        Cause::SpendCap,
        Cause::CreditExhausted,
        Cause::PaymentRequired,
        Cause::BillingUnavailable,
        Cause::PolicyError,
    ] {
        let is_it = |entry: &Entry| matches!(entry.event, Event::Decided { decision: Decision::Refuse(other), .. } if other == cause);
        if !twins().any(|twin| twin.log.iter().any(is_it)) {
            missing.push(cause.name());
        }
    }
    // A hold lasts ten minutes of traffic, longer than any load here, and an event of a payment comes again after five
    // seconds; nothing is told of a later attempt while an earlier one was not heard of. Who waits for the webhook of a first
    // payment is met in `collected`; what is paid for a subscription that has ended is the engine's story.
    let never =
        [Count::ExpiredHolds, Count::Late, Count::Duplicates, Count::Stale, Count::WronglyBlocked, Count::GivenBack];
    for count in Count::ALL.into_iter().filter(|count| !never.contains(count)) {
        if !twins().any(|twin| twin.account.tally().of(count) > 0) {
            missing.push(count.name());
        }
    }
    for movement in Movement::ALL {
        if !twins().any(|twin| twin.account.books().moved(movement).nanos() > 0) {
            missing.push(movement.name());
        }
    }
    assert_eq!(missing, [""; 0], "no load meets");
}

/// Takes something out of a scenario.
type TakeOut = fn(&mut Scenario);

/// What is in the scenarios has an effect: without it, something else happens.
#[test]
fn the_loads_change_without_any_of_what_they_ask_for() {
    let table: &[(&str, TakeOut)] = &[
        ("changes for new subscriptions", |it| it.changes.retain(|change| change.applies_to != AppliesTo::New)),
        ("changes at renewal", |it| it.changes.retain(|change| change.applies_to != AppliesTo::AtRenewal)),
        ("changes for all", |it| it.changes.retain(|change| change.applies_to != AppliesTo::All)),
        ("trials", |it| plans(it, |plan| plan.trial = None)),
        ("rollover", |it| plans(it, |plan| plan.rollover = None)),
        ("grace", |it| plans(it, |plan| plan.grace = Span::ZERO)),
        ("spend caps", |it| plans(it, |plan| plan.spend_cap = None)),
        ("minimum commits", |it| plans(it, |plan| plan.minimum = Money::ZERO)),
        ("routes of plans", |it| plans(it, |plan| plan.routes = None)),
        ("throttles", |it| {
            plans(it, |plan| {
                if let PastAllowance::Throttle(_) = plan.past_allowance {
                    plan.past_allowance = PastAllowance::Block;
                }
            });
        }),
        ("token buckets", |it| limits(it, |limit| matches!(limit, Limit::TokenBucket { .. }))),
        ("leaky buckets", |it| limits(it, |limit| matches!(limit, Limit::LeakyBucket { .. }))),
        ("fixed windows", |it| limits(it, |limit| matches!(limit, Limit::FixedWindow(_)))),
        ("sliding windows", |it| limits(it, |limit| matches!(limit, Limit::SlidingWindow(_)))),
        ("concurrency limits", |it| limits(it, |limit| matches!(limit, Limit::Concurrency(_)))),
        ("expiry of what is bought", |it| prepaid(it, |prepaid| prepaid.credits_expire = None)),
        ("expiry of grants", |it| prepaid(it, |prepaid| prepaid.grants.iter_mut().for_each(|it| it.expires = None))),
        ("paid grants", |it| prepaid(it, |prepaid| prepaid.grants.iter_mut().for_each(|it| it.paid = false))),
        ("order of grants", |it| prepaid(it, |prepaid| prepaid.grants.iter_mut().for_each(|it| it.priority = 0))),
        ("payments for single calls", |it| plans(it, |plan| plan.pays_per_request = false)),
        ("top-ups", |it| prepaid(it, |prepaid| prepaid.auto_top_up = None)),
        ("even spacing", |it| {
            patterns(it, |of| {
                if of.process == Process::Constant {
                    of.process = Process::Poisson;
                }
            });
        }),
        ("bursts", |it| {
            patterns(it, |of| {
                if let Process::Bursty { .. } = of.process {
                    of.process = Process::Poisson;
                }
            });
        }),
        ("sessions", |it| patterns(it, |of| of.sessions = None)),
        ("shapes", |it| patterns(it, |of| of.shape = None)),
        ("churn", |it| it.cohorts.iter_mut().for_each(|cohort| cohort.churn = Chance::NEVER)),
        ("discounts", |it| it.cohorts.iter_mut().for_each(|cohort| cohort.discount = None)),
        ("time zones", |it| it.cohorts.iter_mut().for_each(|cohort| cohort.zone = TimeZone::UTC)),
        ("hard declines", |it| cards(it, |card| card.hard = Chance::NEVER)),
        ("cards without money", |it| cards(it, |card| card.funds = None)),
        ("cards that end", |it| cards(it, |card| card.life = None)),
        ("the card updater", |it| cards(it, |card| card.updated = Chance::NEVER)),
        ("changes of plan", |it| reactions(it, |act| matches!(act, Act::ChangePlan { .. }))),
        ("new cards", |it| reactions(it, |act| matches!(act, Act::FixCard))),
        ("credit that is bought", |it| reactions(it, |act| matches!(act, Act::TopUp(_)))),
        ("leaving for a refusal", |it| reactions(it, |act| matches!(act, Act::Churn))),
        ("slowing down for a refusal", |it| reactions(it, |act| matches!(act, Act::SlowDown { .. }))),
        ("reminders of cards", |it| it.payments.reminders.card_expires.clear()),
        ("reminders of trials", |it| it.payments.reminders.trial_ends.clear()),
        ("doing something about a reminder", |it| {
            it.cohorts.iter_mut().for_each(|of| of.reactions.retain(|it| !matches!(it.when, When::Reminded(_))));
        }),
        ("the processor's latency", |it| it.payments.processor.latency = Distribution::Constant(0.0)),
        ("the processor's errors", |it| it.payments.processor.errors = Chance::NEVER),
        ("outages of the processor", |it| faults(it, |breaks| breaks == Breaks::ProcessorDown)),
        ("outages of upstreams", |it| faults(it, |breaks| matches!(breaks, Breaks::UpstreamDown { .. }))),
        ("slow upstreams", |it| faults(it, |breaks| matches!(breaks, Breaks::UpstreamSlow { .. }))),
        ("outages of billing", |it| faults(it, |breaks| breaks == Breaks::BillingDown)),
        ("misconfigured rules", |it| faults(it, |breaks| matches!(breaks, Breaks::PolicyError { .. }))),
        ("a slow processor", |it| faults(it, |breaks| matches!(breaks, Breaks::ProcessorSlow { .. }))),
        ("retries of hard declines", |it| it.payments.dunning.retries_hard_declines = false),
        ("waiting for the next retry", |it| it.payments.dunning.waits_for_schedule = false),
        ("refunds", |it| it.payments.refunds = Returns::default()),
        ("chargebacks", |it| it.payments.chargebacks = Returns::default()),
        ("fees of the processor", |it| it.payments.fees = Fees::default()),
        ("spending without a hold", |it| it.gateway.spend_control = SpendControl::Reserve),
        ("clients who wait no longer", |it| it.cohorts.iter_mut().for_each(|cohort| cohort.client.timeout = None)),
        ("what they cost who have gone", |it| it.gateway.on_client_abort = OnClientAbort::Settle),
        ("costs", |it| upstreams(it, |of| of.cost = PerMeter::default())),
        ("errors", |it| upstreams(it, |of| of.errors = Errors::NEVER)),
        ("capacities", |it| upstreams(it, |of| of.capacity = None)),
        ("calls of upstreams", |it| upstreams(it, |of| of.calls.clear())),
        ("upstreams of routes", |it| it.routes.iter_mut().for_each(|route| route.upstream = 0)),
        ("what is generated", |it| upstreams(it, |of| (of.generates, of.streams) = (None, false))),
    ];
    let is_idle = |take_out: TakeOut| !loads().iter().any(|load| matters(load, take_out));
    let idle: Vec<&str> = table.iter().filter(|(_, take_out)| is_idle(*take_out)).map(|(what, _)| *what).collect();
    assert_eq!(idle, [""; 0], "no load is different without");
}

/// Whether something else happens in a load without what is taken out of its scenario.
fn matters(load: &Load, take_out: TakeOut) -> bool {
    let mut scenario = (*load.world.scenario).clone();
    take_out(&mut scenario);
    let without = stage::twins(&fixture::scaled(scenario)).unwrap();
    let moved = |history: &History| Movement::ALL.map(|movement| history.account.books().moved(movement));
    let counted = |history: &History| Count::ALL.map(|count| history.account.tally().of(count));
    load.twins.iter().zip(&without).any(|(with, without)| {
        with.log != without.log || moved(with) != moved(without) || counted(with) != counted(without)
    })
}

fn faults(scenario: &mut Scenario, are_out: fn(Breaks) -> bool) {
    scenario.faults.retain(|fault| !are_out(fault.breaks));
}

fn plans(scenario: &mut Scenario, change: impl Fn(&mut Plan)) {
    let later = scenario.changes.iter_mut().map(|change| &mut change.becomes);
    scenario.plans.iter_mut().chain(later).for_each(change);
}

fn upstreams(scenario: &mut Scenario, change: impl FnMut(&mut Upstream)) {
    scenario.upstreams.iter_mut().for_each(change);
}

fn patterns(scenario: &mut Scenario, change: impl Fn(&mut Pattern)) {
    for cohort in &mut scenario.cohorts {
        if let Arrivals::Patterned(pattern) = &mut cohort.arrivals {
            change(pattern);
        }
    }
}

fn limits(scenario: &mut Scenario, are_out: fn(&Limit) -> bool) {
    plans(scenario, |plan| plan.limits.retain(|limit| !are_out(limit)));
}

fn prepaid(scenario: &mut Scenario, change: impl Fn(&mut Prepaid)) {
    plans(scenario, |plan| plan.prepaid.iter_mut().for_each(&change));
}

fn cards(scenario: &mut Scenario, change: impl Fn(&mut Card)) {
    scenario.cohorts.iter_mut().flat_map(|cohort| &mut cohort.card).for_each(change);
}

fn reactions(scenario: &mut Scenario, are_out: fn(&Act) -> bool) {
    for cohort in &mut scenario.cohorts {
        cohort.reactions.retain(|reaction| !are_out(&reaction.act));
    }
}

// === Threads ===

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    for seed in 0..24 {
        let mut scenario = drawn(seed);
        // More than one thread takes at a time.
        scenario.cohorts.iter_mut().for_each(|cohort| cohort.count *= 7);
        let world = World::whole(Arc::new(scenario)).unwrap();
        let [one, two, seven] = [1, 2, 7].map(|jobs| {
            let jobs = NonZeroUsize::new(jobs).unwrap();
            let outcome = simulate(&world, &everyone(&world.scenario), jobs, &Control::default()).unwrap();
            serde_json::to_string(&outcome).unwrap()
        });
        assert!(one == two && two == seven, "seed {seed}");
    }
}
