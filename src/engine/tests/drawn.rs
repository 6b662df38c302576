//! Scenarios drawn at random from a seed: everything that the model can say, in all combinations, small enough that many
//! are played in a second. Two kinds: [`plain`] ones have only the rules that the oracle knows, those of [`scenario`]
//! have them all.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::{days, secs};
use crate::distribution::{Distribution, Z99};
use crate::draw::{Chance, Words};
use crate::model::{
    Act, AppliesTo, Arrivals, Attribute, Breaks, Card, Change, Client, Cohort, Discount, Dunning, Errors, Fault, Fees,
    Finally, Funds, Generates, GrantTerms, HandOut, Joined, Length, Limit, Live, METERS_MAX, Meter, On402,
    OnClientAbort, PastAllowance, Pattern, Payments, PerMeter, Period, Plan, Prepaid, Price, Process, Rate, RateStage,
    Reaction, Reminder, Reminders, Returns, Rollover, Route, Scenario, Sessions, Shape, Share, SpendControl, Tier,
    TopUp, Trace, TraceRow, UnitPrice, Upstream, Webhooks, When,
};
use crate::money::Money;
use crate::time::{Clock, DAY, HOUR, SECOND, Span};
use crate::world::World;
use crate::world::schedule::Pace;

/// A source of choices.
pub(super) struct Dice(Words);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Words::after(seed.wrapping_mul(0x5851_F42D_4C95_7F2D)))
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0.next_word() % n
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    pub(super) fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    /// Once in so many times.
    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Something once in so many times.
    fn seldom<T>(&mut self, n: u64, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.one_in(n).then(|| make(self))
    }
}

fn nanos(dice: &mut Dice, choices: &[i64]) -> Money {
    Money::from_nanos(dice.one_of(choices))
}

// === What the oracle knows ===

/// A scenario of which the oracle knows all rules.
pub(super) fn plain(seed: u64) -> Scenario {
    let dice = &mut Dice::new(seed);
    let horizon = dice.one_of(&[Span::from_ns(HOUR), days(1), days(1), days(3), days(40), days(100), days(400)])
        + secs(dice.below(9_999));
    let mut scenario = begun(seed, horizon, dice);
    scenario.meters.push(Meter { name: "tokens".to_owned(), sum: vec!["tokens".to_owned()] });
    scenario.plans = (0..=dice.below(3)).map(|i| plain_plan(&format!("plan {i}"), horizon, dice)).collect();
    let calls = 1 + dice.below(80);
    let gap = horizon.ns() / calls;
    scenario.cohorts = (0..=dice.below(3)).map(|i| plain_cohort(i, &scenario, gap, dice)).collect();
    scenario.upstreams[0].latency = latency(gap, dice);
    scenario.payments.dunning = Dunning {
        retries: (0..dice.below(5)).map(|_| days(dice.below(9)) + secs(dice.one_of(&[0, 1, 7_777]))).collect(),
        finally: dice.one_of(&[Finally::Cancel, Finally::Unpaid, Finally::Keep]),
        ..Dunning::default()
    };
    scenario
}

/// Nobody is in it yet. It begins on a day that months make something of.
fn begun(seed: u64, horizon: Span, dice: &mut Dice) -> Scenario {
    let mut scenario = Scenario::new("drawn", horizon);
    scenario.seed = seed;
    scenario.fingerprint = format!("{seed:064x}");
    let starts = [(2026, 3, 1), (2026, 1, 31), (2024, 2, 29), (2026, 3, 31), (2025, 12, 30)];
    let (year, month, day) = dice.one_of(&starts);
    scenario.start = jiff::civil::date(year, month, day).at(dice.one_of(&[0, 13]), 0, 0, 0);
    scenario
}

/// A period is at most some ten times the horizon, because the history before the start is as long.
fn period(horizon: Span, dice: &mut Dice) -> Option<Period> {
    let periods = [None, Some(Period::Day), Some(Period::Day), Some(Period::Month), Some(Period::Year)];
    let fitting = [(days(40), 5), (days(3), 4), (days(1), 3)].into_iter().find(|(least, _)| horizon >= *least);
    dice.one_of(&periods[..fitting.map_or(1, |(_, fitting)| fitting)])
}

fn plain_plan(name: &str, horizon: Span, dice: &mut Dice) -> Plan {
    let mut plan = Plan::new(name);
    plan.usage_period = period(horizon, dice);
    if plan.usage_period.is_some() {
        plan.fee = nanos(dice, &[0, 10_000_000, 29_000_000_000, 86_399_990_000_000]);
        plan.fee_period = plan.usage_period.filter(|_| plan.fee > Money::ZERO);
        plan.allowance[0] = dice.one_of(&[None, Some(0), Some(1), Some(7), Some(50)]);
        plan.allowance[1] = dice.one_of(&[None, None, Some(1), Some(300), Some(5_000)]);
        plan.grace = dice.one_of(&[Span::ZERO, Span::ZERO, secs(5), days(2), days(20)]);
    }
    if dice.coin() {
        let per = dice.one_of(&[secs(1), secs(7), secs(3_600), days(1)]);
        let rate = Rate { requests: 1 + dice.below(9), per };
        plan.limits.push(Limit::TokenBucket { rate, burst: 1 + dice.below(5) });
    }
    if dice.coin() {
        plan.prepaid = Some(Prepaid::opening(nanos(dice, &[0, 999, 70_000, 10_000_000_000])));
        for meter in 0..2 {
            if dice.coin() {
                let amount = nanos(dice, &[1, 100, 37_500, 1_000_000_007]);
                let per = dice.one_of(&[1, 1, 3, 1_000, 1_000_000]);
                plan.prices[meter] = Some(Price::PerUnit(UnitPrice { amount, per }));
            }
        }
    }
    plan
}

fn plain_cohort(number: u64, scenario: &Scenario, gap: u64, dice: &mut Dice) -> Cohort {
    let count = 1 + dice.below(6) as u32;
    let arrivals = if dice.coin() {
        poisson_or_patterned(gap, None, number)
    } else {
        Arrivals::Trace(trace(u64::from(count) * scenario.horizon.ns() / gap, count, 2, scenario.horizon, dice))
    };
    let mut cohort = Cohort::new(&format!("cohort {number}"), count, arrivals);
    cohort.plan = dice.below(scenario.plans.len() as u64) as usize;
    cohort.card = Some(Card::declining(Chance::of(dice.one_of(&[0, 3, 7, 10]), 10)));
    cohort
}

/// A plain Poisson process, or any other, half of them at a rate that follows the week; bursts from far shorter than a gap to
/// far longer.
fn poisson_or_patterned(gap: u64, spread: Option<Distribution>, number: u64) -> Arrivals {
    // With dice of its own: what else is drawn stays as it is.
    let dice = &mut Dice::new(gap ^ number ^ 0xA77);
    if dice.coin() {
        return Arrivals::Poisson { mean_gap_ns: gap as f64, spread };
    }
    let length = |dice: &mut Dice| Span::from_ns(1 + gap / 100 * dice.one_of(&[1, 30, 100, 2_000]));
    let process = match dice.below(3) {
        0 => Process::Poisson,
        1 => Process::Constant,
        _ => Process::Bursty { burst: length(dice), pause: length(dice) },
    };
    let shape = dice.seldom(2, |dice| {
        let hours = [(); 24].map(|()| dice.one_of(&[0.0, 0.5, 1.0, 1.0, 9.0]));
        let weekdays = [(); 7].map(|()| dice.one_of(&[0.0, 0.2, 1.0, 1.0]));
        Shape::new(&hours, &weekdays)
    });
    Arrivals::Patterned(Pattern { mean_gap_ns: gap as f64, spread, process, sessions: None, shape: shape.flatten() })
}

/// One in four in sessions, whose think times go from nothing to far longer than a gap. With dice of its own.
fn maybe_in_sessions(arrivals: Arrivals, gap: u64, number: u64) -> Arrivals {
    let dice = &mut Dice::new(gap ^ number ^ 0x5E5);
    if !dice.one_in(4) {
        return arrivals;
    }
    let calls = match dice.below(3) {
        0 => Distribution::Constant(1.0 + dice.below(5) as f64),
        1 => Distribution::log_normal(3.0, 40.0, Z99),
        _ => Distribution::Exponential { mean: 4.0 },
    };
    let think = match dice.below(4) {
        0 => Distribution::Constant(0.0),
        1 => Distribution::Constant(gap as f64 / 50.0),
        2 => Distribution::log_normal(4e9, 60e9, Z99),
        _ => Distribution::Exponential { mean: gap as f64 },
    };
    let sessions = Some(Sessions::new(calls, think));
    match arrivals {
        Arrivals::Poisson { mean_gap_ns, spread } => {
            Arrivals::Patterned(Pattern { mean_gap_ns, spread, process: Process::Poisson, sessions, shape: None })
        }
        Arrivals::Patterned(pattern) => Arrivals::Patterned(Pattern { sessions, ..pattern }),
        Arrivals::Trace(trace) => Arrivals::Trace(trace),
    }
}

/// Rows in time order, a third of them at one instant with the row before; half of them name their consumer. The last
/// may lie beyond the horizon.
fn trace(rows: u64, consumers: u32, meters: usize, horizon: Span, dice: &mut Dice) -> Trace {
    let step = horizon.ns() / rows.max(1) * 3;
    let mut at = 0;
    let mut trace = Trace::default();
    for _ in 0..rows {
        at += if dice.below(3) == 0 { 0 } else { dice.below(step.max(1)) };
        let mut usage: PerMeter<u64> = [0; METERS_MAX];
        usage[0] = 1;
        for units in &mut usage[1..meters] {
            *units = dice.one_of(&[0, 1, 10, 200, 1_000]);
        }
        let consumer = dice.coin().then(|| dice.below(consumers.into()) as u32);
        trace.rows.push(TraceRow { at: Span::from_ns(at), consumer, usage });
        trace.most.iter_mut().zip(usage).for_each(|(most, used)| *most = (*most).max(used));
    }
    trace
}

/// The trace with routes of its own, in other hands, or its first third again and again. With dice of its own, so that
/// what else is drawn stays as it was.
fn varied(mut trace: Trace, scenario: &Scenario) -> Trace {
    let dice = &mut Dice::new(trace.rows.len() as u64 ^ 0x7ACE);
    if dice.coin() {
        let routes = scenario.routes.len() as u64;
        trace.routes = trace.rows.iter().map(|_| dice.below(routes) as u16).collect();
    }
    if dice.coin() {
        trace.hand_out = HandOut::Zipf { exponent: 1.0 };
    }
    if dice.one_in(4) {
        trace.rows.truncate(trace.rows.len() / 3);
        trace.routes.truncate(trace.rows.len());
        trace.repeats = trace.rows.last().map(|row| row.at + secs(1 + dice.below(1_000)));
    }
    trace
}

/// From none at all to longer than the gaps and than a hold lasts; some to the second, so that events coincide.
fn latency(gap: u64, dice: &mut Dice) -> Distribution {
    let constant = |ns: u64| Distribution::Constant(ns as f64);
    match dice.below(6) {
        0 => constant(0),
        1 => constant(gap / 2),
        2 => constant(gap * 3),
        3 => constant(600 * SECOND),
        4 => Distribution::log_normal(30e6, 250e6, Z99),
        _ => Distribution::log_normal(gap as f64 / 3.0, gap as f64 * 20.0, Z99),
    }
}

// === The whole model ===

/// The world of [`scenario`]: three in four as it stands, the others as a load whose billing clock runs fast.
pub(super) fn world(seed: u64) -> World {
    world_of(seed, scenario(seed))
}

/// The same of a scenario that was changed.
pub(super) fn world_of(seed: u64, scenario: Scenario) -> World {
    let scenario = Arc::new(scenario);
    if seed % 4 != 3 {
        return World::whole(scenario).unwrap();
    }
    let dice = &mut Dice::new(seed ^ 0xC10C);
    let seconds = 2 + dice.below(2_000);
    let clock = Clock::new(scenario.horizon, secs(seconds));
    let rate = crate::world::schedule::mean_rate_per_s(&scenario);
    let calls = (rate * scenario.horizon.as_secs_f64()).min(400.0);
    let mut live = Live {
        rate_per_s: (calls / seconds as f64).max(0.01),
        duration: secs(seconds),
        clock: dice.one_of(&[Some(clock), Some(clock), None]),
        ..scenario.live.clone()
    };
    // Every other load has a slow half, a ramp and a spike.
    if seed % 8 == 7 {
        let stage = |share: f64, from: f64, to: f64| RateStage {
            length: Span::from_ns((secs(seconds).ns() as f64 * share) as u64),
            from_per_s: from * live.rate_per_s,
            to_per_s: to * live.rate_per_s,
        };
        live.stages = vec![stage(0.5, 0.4, 0.4), stage(0.4, 0.4, 2.0), stage(0.1, 3.2, 3.2)];
    }
    // No load is that goes further than a horizon may.
    if Pace::scaled(&scenario, &live).billed() > days(3_652) {
        return World::whole(scenario).unwrap();
    }
    World::scaled(scenario, &live).unwrap()
}

/// A scenario that may have anything that a scenario can have.
pub(super) fn scenario(seed: u64) -> Scenario {
    let dice = &mut Dice::new(seed ^ 0xA11);
    let horizon =
        dice.one_of(&[days(2), days(5), days(40), days(40), days(100), days(200), days(425)]) + secs(dice.below(9_999));
    let mut scenario = begun(seed, horizon, dice);
    for (meter, of) in [("tokens", &["in", "out"][..]), ("bytes", &["bytes"])].into_iter().take(dice.below(3) as usize)
    {
        let sum = of.iter().map(|name| (*name).to_owned()).collect();
        scenario.meters.push(Meter { name: meter.to_owned(), sum });
    }
    for path in ["/search", "/chat"].into_iter().take(dice.below(3) as usize) {
        scenario.routes.push(Route { path: path.to_owned(), upstream: 0, attributes: attributes(dice) });
    }
    let plans = 1 + dice.below(4);
    scenario.plans = (0..plans).map(|i| plan(&format!("plan {i}"), &scenario, dice)).collect();
    let mut at: Vec<u64> = (0..dice.one_of(&[0, 0, 1, 2, 3])).map(|_| dice.below(horizon.ns())).collect();
    at.sort_unstable();
    for at in at {
        let index = dice.below(plans) as usize;
        let becomes = changed(&scenario.plans[index], &scenario, dice);
        let applies_to = dice.one_of(&[AppliesTo::New, AppliesTo::AtRenewal, AppliesTo::All, AppliesTo::All]);
        scenario.changes.push(Change { at: Span::from_ns(at), plan: index, becomes, applies_to });
    }
    let gap = horizon.ns() / (1 + dice.below(40));
    scenario.cohorts = (0..=dice.below(3)).map(|i| cohort(i, &scenario, gap, dice)).collect();
    scenario.upstreams[0].latency = latency(gap, dice);
    for meter in 0..scenario.meters.len() {
        scenario.upstreams[0].cost[meter] = dice.seldom(4, unit_price);
    }
    scenario.gateway.spend_control =
        dice.one_of(&[SpendControl::Reserve, SpendControl::Reserve, SpendControl::CheckThenDebit]);
    payments(&mut scenario, dice);
    scenario.upstreams[0].errors = Chance::of(dice.one_of(&[0, 0, 0, 2]), 10).into();
    for cohort in &mut scenario.cohorts {
        cohort.client = client(dice);
    }
    pay_per_request(&mut scenario);
    give_up(&mut scenario.cohorts, seed);
    upstreams(&mut scenario, gap, seed);
    statuses(&mut scenario, seed);
    scenario.faults = faults(seed, horizon);
    other_faults(&mut scenario, seed);
    timeouts(&mut scenario, gap, seed);
    reminders(&mut scenario, seed);
    webhooks(&mut scenario, seed);
    scenario
}

/// None in every second scenario; with dice of their own. Each cohort has at most one reaction to them more.
fn reminders(scenario: &mut Scenario, seed: u64) {
    let dice = &mut Dice::new(seed ^ 0x0D1E5);
    if dice.coin() {
        return;
    }
    let mut leads = |longest: &[u64]| {
        let longest = days(dice.one_of(longest));
        let others = (0..dice.below(3)).map(|n| Span::from_ns(longest.ns() / (2 + n)));
        std::iter::once(longest).chain(others).collect::<Vec<_>>()
    };
    scenario.payments.reminders = Reminders { card_expires: leads(&[1, 7, 45]), trial_ends: leads(&[1, 3, 20]) };
    for cohort in &mut scenario.cohorts {
        if dice.one_in(3) {
            continue;
        }
        let when = When::Reminded(dice.one_of(&[Reminder::Card, Reminder::Trial]));
        let act = dice.one_of(&[Act::FixCard, Act::FixCard, Act::Churn, Act::ChangePlan { to: 0 }]);
        let after = Distribution::Exponential { mean: DAY as f64 };
        cohort.reactions.push(Reaction { when, act, chance: Chance::of(dice.one_of(&[5, 10]), 10), after });
    }
}

/// None in every second scenario; else up to three, which may lie upon each other and reach past the horizon. With dice of
/// its own, so that what else is drawn stays as it was.
fn faults(seed: u64, horizon: Span) -> Vec<Fault> {
    let dice = &mut Dice::new(seed ^ 0xFA17);
    let fault = |dice: &mut Dice| Fault {
        at: Span::from_ns(if dice.one_in(3) { 0 } else { dice.below(horizon.ns()) }),
        lasts: dice.one_of(&[secs(1), secs(3_600), secs(25_000), days(2), days(20)]),
        breaks: match dice.below(3) {
            0 => Breaks::ProcessorSlow { factor: dice.one_of(&[1.0, 2.5, 300.0]) },
            _ => Breaks::ProcessorDown,
        },
    };
    let count = dice.one_of(&[0, 0, 1, 3]);
    (0..count).map(|_| fault(dice)).collect()
}

/// In one of four, faults of the gateway and of the upstreams too. With dice of its own, as above.
fn other_faults(scenario: &mut Scenario, seed: u64) {
    let dice = &mut Dice::new(seed ^ 0xFA18);
    for _ in 0..dice.one_of(&[0, 0, 0, 1, 2, 4]) {
        let upstream = dice.below(scenario.upstreams.len() as u64) as usize;
        let breaks = match dice.below(4) {
            0 => Breaks::UpstreamDown { upstream },
            1 => Breaks::UpstreamSlow { upstream, factor: dice.one_of(&[1.0, 2.5, 300.0]) },
            2 => Breaks::BillingDown,
            _ => Breaks::PolicyError { plan: dice.below(scenario.plans.len() as u64) as usize },
        };
        let at = Span::from_ns(dice.below(scenario.horizon.ns()));
        scenario.faults.push(Fault { at, lasts: dice.one_of(&[secs(3_600), days(1), days(9)]), breaks });
    }
}

/// In one of three, accounts that hear of their payments by webhook: late, more than once, in another order or not at all. With
/// dice of its own, as above.
fn webhooks(scenario: &mut Scenario, seed: u64) {
    let dice = &mut Dice::new(seed ^ 0x3EB);
    if !dice.one_in(3) {
        return;
    }
    scenario.payments.webhooks = Webhooks {
        delay: match dice.below(4) {
            0 => Distribution::Constant(0.0),
            1 => Distribution::Constant(10.0 * SECOND as f64),
            2 => Distribution::Exponential { mean: 60.0 * SECOND as f64 },
            _ => Distribution::Exponential { mean: DAY as f64 },
        },
        duplicate: Chance::of(dice.one_of(&[0, 2, 6]), 10),
        reorder: Chance::of(dice.one_of(&[0, 3]), 10),
        lose: Chance::of(dice.one_of(&[0, 2]), 10),
        reconcile: dice.one_of(&[secs(7), secs(3_600), days(1), days(5)]),
    };
}

/// In one of three, clients that do not wait for ever: from far shorter than an answer takes to longer than a hold lasts. With
/// dice of its own, as above.
fn timeouts(scenario: &mut Scenario, gap: u64, seed: u64) {
    let dice = &mut Dice::new(seed ^ 0x499);
    if !dice.one_in(3) {
        return;
    }
    scenario.gateway.on_client_abort =
        dice.one_of(&[OnClientAbort::Settle, OnClientAbort::Release, OnClientAbort::BillSent]);
    for cohort in &mut scenario.cohorts {
        let timeouts = [1_000_000, 60_000_000, 20 * SECOND, gap / 4, gap, 600 * SECOND, 700 * SECOND];
        let timeout = dice.seldom(2, |dice| Span::from_ns(dice.one_of(&timeouts).max(1)));
        cohort.client.timeout = timeout;
    }
}

/// Some who are canceled stop calling after a while. With dice of its own, as above.
fn give_up(cohorts: &mut [Cohort], seed: u64) {
    let dice = &mut Dice::new(seed ^ 0x61FE);
    for cohort in cohorts.iter_mut() {
        let after = Distribution::Exponential { mean: DAY as f64 };
        let gives_up = Reaction {
            when: When::Cause("canceled"),
            act: Act::Churn,
            chance: Chance::of(dice.one_of(&[5, 10]), 10),
            after,
        };
        cohort.reactions.extend(dice.one_in(4).then_some(gives_up));
    }
}

/// Half of those that fail answer several statuses then, as often together. With dice of its own.
fn statuses(scenario: &mut Scenario, seed: u64) {
    let dice = &mut Dice::new(seed ^ 0x4020);
    for upstream in &mut scenario.upstreams {
        if upstream.errors == Errors::NEVER || dice.coin() {
            continue;
        }
        let tenth = (upstream.errors.chance().as_f64() * 1_000.0).round() as u64 / 10;
        let each = [402, 429, 500, 503].map(|status| (status, Chance::of(dice.below(tenth / 4 + 1), 100)));
        upstream.errors = Errors::of(each).expect("they sum to less than one");
    }
}

/// One in three with further upstreams: some answer routes, some are called by those before them, some generate and
/// stream. With dice of its own, so that what else is drawn stays as it was.
fn upstreams(scenario: &mut Scenario, gap: u64, seed: u64) {
    let dice = &mut Dice::new(seed ^ 0x40B5);
    if !dice.one_in(3) {
        return;
    }
    for name in ["ranker", "store", "model"].into_iter().take(1 + dice.below(3) as usize) {
        let mut upstream = Upstream::new(name);
        upstream.latency = latency(gap, dice);
        upstream.errors = Chance::of(dice.one_of(&[0, 0, 1, 3]), 10).into();
        let meter = dice.below(scenario.meters.len() as u64) as usize;
        upstream.generates = dice.seldom(3, |dice| Generates { meter, per_second: dice.one_of(&[0.5, 80.0, 1e6]) });
        for meter in 0..scenario.meters.len() {
            upstream.cost[meter] = dice.seldom(4, unit_price);
        }
        scenario.upstreams.push(upstream);
    }
    // Each calls some of those after it, now and then one of them twice.
    let count = scenario.upstreams.len();
    for caller in 0..count {
        for called in caller + 1..count {
            let times = dice.one_of(if called + 1 == count { &[0, 1, 2] } else { &[0, 0, 1] });
            scenario.upstreams[caller].calls.extend((0..times).map(|_| called));
        }
        let upstream = &mut scenario.upstreams[caller];
        upstream.streams = upstream.generates.is_some() && upstream.calls.is_empty() && dice.coin();
    }
    for route in &mut scenario.routes {
        route.upstream = dice.below(count as u64) as usize;
    }
}

fn client(dice: &mut Dice) -> Client {
    if dice.coin() {
        return Client::none();
    }
    let preset = Client::preset(dice.one_of(&Client::PRESETS)).unwrap();
    Client { on_402: dice.one_of(&[On402::Fail, On402::WaitRetryAfter, On402::TopUpThenRetry]), ..preset }
}

fn attributes(dice: &mut Dice) -> Vec<Attribute> {
    let attribute = |name: &str, dice: &mut Dice| {
        let amount = match dice.below(4) {
            0 => Distribution::Constant(dice.below(50) as f64),
            1 => Distribution::Uniform { from: 0.0, to: 300.0 },
            2 => Distribution::Exponential { mean: 40.0 },
            _ => Distribution::log_normal(60.0, 800.0, Z99),
        };
        Attribute { name: name.to_owned(), amount, most: dice.one_of(&[40, 300, 1_000]) }
    };
    ["in", "out", "bytes"].iter().map(|name| attribute(name, dice)).collect()
}

fn length(dice: &mut Dice) -> Length {
    match dice.below(3) {
        0 => Length::Months(1 + dice.below(3) as u32),
        1 => Length::Exact(days(1 + dice.below(20))),
        _ => Length::Exact(secs(1 + dice.below(300_000))),
    }
}

fn plan(name: &str, scenario: &Scenario, dice: &mut Dice) -> Plan {
    let mut plan = Plan::new(name);
    plan.fee_period = period(scenario.horizon, dice);
    if plan.fee_period.is_some() {
        plan.fee = nanos(dice, &[0, 10_000_000, 9_990_000_000, 29_000_000_000, 99_000_000_000, 499_990_000_000]);
    }
    plan.usage_period = match dice.below(3) {
        0 => period(scenario.horizon, dice),
        _ => plan.fee_period,
    };
    plan.trial = dice.seldom(4, length);
    plan.prepaid = dice.seldom(3, prepaid);
    let meters = scenario.meters.len();
    if plan.usage_period.is_some() {
        counted_by_period(&mut plan, meters, dice);
    }
    for meter in 0..meters {
        if plan.prepaid.is_some() && dice.coin() {
            plan.prices[meter] = Some(monotone_price(dice));
        } else if plan.usage_period.is_some() && dice.one_in(4) {
            plan.prices[meter] = Some(price(dice));
        }
        if plan.prepaid.is_some() && plan.prices[meter].as_ref().is_some_and(|price| !is_monotone(price)) {
            plan.prices[meter] = Some(monotone_price(dice));
        }
    }
    for _ in 0..dice.one_of(&[0, 0, 1, 2, 4]) {
        plan.limits.push(limit(dice));
    }
    plan.grace = dice.one_of(&[Span::ZERO, Span::ZERO, secs(5), days(2), days(9)]);
    let routes = scenario.routes.len();
    plan.routes = dice.seldom(6, |dice| (0..routes).filter(|_| !dice.one_in(3)).collect());
    plan
}

/// What needs a period: allowances and what lies past them, caps and commits.
fn counted_by_period(plan: &mut Plan, meters: usize, dice: &mut Dice) {
    for meter in 0..meters {
        plan.allowance[meter] = if meter == 0 {
            dice.one_of(&[None, Some(0), Some(1), Some(7), Some(20)])
        } else {
            dice.one_of(&[None, Some(300), Some(5_000)])
        };
    }
    plan.past_allowance = match dice.below(3) {
        0 => PastAllowance::Block,
        1 => PastAllowance::Overage,
        _ => PastAllowance::Throttle(Rate { requests: 1 + dice.below(3), per: dice.one_of(&[secs(1), secs(9_000)]) }),
    };
    if plan.past_allowance == PastAllowance::Overage {
        for meter in 0..meters {
            plan.overage[meter] =
                if plan.allowance[meter].is_some() && !dice.one_in(5) { Some(price(dice)) } else { None };
        }
    }
    plan.rollover = dice.seldom(4, |dice| Rollover { min: dice.below(3), max: 3 + dice.below(30) });
    plan.spend_cap = dice.seldom(4, |dice| nanos(dice, &[0, 3, 500_000_000, 20_000_000_000]));
    plan.minimum = nanos(dice, &[0, 0, 0, 7, 5_000_000_000]);
}

/// Some of the postpaid plans are paid call by call, from wallets that soon are empty, or hardly ever.
fn pay_per_request(scenario: &mut Scenario) {
    let dice = &mut Dice::new(scenario.seed ^ 0x402);
    let is_plain = |price: &Option<Price>| !matches!(price, Some(Price::Volume(_) | Price::Stairstep(_)));
    for plan in &mut scenario.plans {
        if plan.prepaid.is_some() || !plan.prices.iter().all(is_plain) || !dice.one_in(3) {
            continue;
        }
        plan.pays_per_request = true;
        (plan.spend_cap, plan.minimum, plan.overage) = (None, Money::ZERO, PerMeter::default());
        if plan.past_allowance == PastAllowance::Overage {
            plan.past_allowance = PastAllowance::Block;
        }
    }
    for cohort in &mut scenario.cohorts {
        cohort.wallet = nanos(dice, &[0, 40_000_000, 5_000_000_000, 900_000_000_000]);
        if dice.one_in(2) {
            let retry = crate::model::Retry { attempts: 2 + dice.below(3) as u32, ..cohort.client.retry };
            cohort.client = Client { retry, on_402: On402::PayOnce, ..cohort.client };
        }
    }
}

fn prepaid(dice: &mut Dice) -> Prepaid {
    let grant = |dice: &mut Dice| GrantTerms {
        amount: nanos(dice, &[1_000, 70_000, 2_000_000_000, 10_000_000_000]),
        priority: dice.below(3) as u8,
        expires: dice.seldom(2, length),
        paid: dice.one_in(3),
    };
    Prepaid {
        grants: (0..dice.below(4)).map(|_| grant(dice)).collect(),
        auto_top_up: dice.seldom(2, |dice| TopUp {
            below: nanos(dice, &[1, 1_000_000, 2_000_000_000]),
            add: nanos(dice, &[10_000_000, 5_000_000_000]),
            at_most: dice.one_of(&[None, Some(1), Some(3)]),
        }),
        credits_expire: dice.seldom(2, length),
    }
}

fn unit_price(dice: &mut Dice) -> UnitPrice {
    let amount = nanos(dice, &[0, 1, 37_500, 1_000_007, 250_000_000]);
    UnitPrice { amount, per: dice.one_of(&[1, 1, 3, 1_000]) }
}

fn tiers(dice: &mut Dice) -> Vec<Tier> {
    let mut below = 0;
    let count = 1 + dice.below(3);
    let tier = |number| {
        below += 1 + dice.below(25);
        let up_to = if number + 1 == count { u64::MAX } else { below };
        Tier { up_to, flat: nanos(dice, &[0, 0, 5, 1_230_000_000]), unit: unit_price(dice) }
    };
    (0..count).map(tier).collect()
}

/// A price that more usage never makes cheaper: what credit can be held for.
fn monotone_price(dice: &mut Dice) -> Price {
    match dice.below(3) {
        0 => Price::PerUnit(unit_price(dice)),
        1 => Price::Package {
            size: 1 + dice.below(40),
            price: nanos(dice, &[1, 37_500_000, 1_000_000_000]),
            free: dice.one_of(&[0, 0, 3, 100]),
        },
        _ => Price::Graduated(tiers(dice)),
    }
}

fn price(dice: &mut Dice) -> Price {
    match dice.below(3) {
        0 => Price::Volume(tiers(dice)),
        1 => Price::Stairstep(tiers(dice).into_iter().map(|tier| Tier { unit: UnitPrice::FREE, ..tier }).collect()),
        _ => monotone_price(dice),
    }
}

fn is_monotone(price: &Price) -> bool {
    !matches!(price, Price::Volume(_) | Price::Stairstep(_))
}

fn limit(dice: &mut Dice) -> Limit {
    let rate = Rate { requests: 1 + dice.below(9), per: dice.one_of(&[secs(1), secs(60), secs(3_600), days(1)]) };
    match dice.below(5) {
        0 => Limit::TokenBucket { rate, burst: 1 + dice.below(9) },
        1 => Limit::LeakyBucket { rate, burst: dice.below(9) },
        2 => Limit::FixedWindow(rate),
        3 => Limit::SlidingWindow(rate),
        _ => Limit::Concurrency(1 + dice.below(4)),
    }
}

/// Other terms of a plan: another price of something, or another plan altogether.
fn changed(plan: &Plan, scenario: &Scenario, dice: &mut Dice) -> Plan {
    let other = self::plan(&plan.name, scenario, dice);
    match dice.below(3) {
        0 => other,
        1 => Plan {
            fee: if plan.fee_period.is_some() { other.fee } else { plan.fee },
            limits: other.limits,
            ..plan.clone()
        },
        _ => Plan {
            allowance: plan.allowance.map(|units| units.map(|units| units / 2 + dice.below(9))),
            spend_cap: plan.spend_cap.or(other.spend_cap.filter(|_| plan.usage_period.is_some())),
            grace: other.grace,
            routes: other.routes,
            ..plan.clone()
        },
    }
}

fn cohort(number: u64, scenario: &Scenario, gap: u64, dice: &mut Dice) -> Cohort {
    let count = 1 + dice.below(5) as u32;
    let arrivals = if dice.one_in(4) {
        let rows = u64::from(count) * scenario.horizon.ns() / gap;
        Arrivals::Trace(varied(trace(rows, count, scenario.meters.len(), scenario.horizon, dice), scenario))
    } else {
        let spread = dice.seldom(3, |dice| match dice.below(2) {
            0 => Distribution::log_normal(1.0, 4.0, Z99),
            _ => Distribution::Gamma { shape: 2.0, mean: 1.0 },
        });
        maybe_in_sessions(poisson_or_patterned(gap, spread, number), gap, number)
    };
    let mut cohort = Cohort::new(&format!("cohort {number}"), count, arrivals);
    cohort.plan = dice.below(scenario.plans.len() as u64) as usize;
    let mean_gap_ns = scenario.horizon.ns() as f64 / f64::from(count);
    cohort.joined = dice.one_of(&[Joined::Spread, Joined::Start, Joined::Signups { mean_gap_ns }]);
    let zones = ["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];
    cohort.zone = TimeZone::get(dice.one_of(&zones)).unwrap();
    cohort.churn = Chance::of(dice.one_of(&[0, 0, 0, 3]), 10);
    cohort.discount = dice.seldom(4, |dice| {
        let off = Share { parts: 1 + dice.below(100), of: 100 };
        Discount { off, length: dice.seldom(2, length) }
    });
    cohort.routes = shares(scenario.routes.len(), dice);
    cohort.card = if dice.one_in(6) { None } else { Some(card(dice)) };
    cohort.reactions = (0..dice.below(4)).map(|_| reaction(scenario.plans.len(), dice)).collect();
    cohort
}

fn shares(routes: usize, dice: &mut Dice) -> Vec<(usize, f64)> {
    let weights: Vec<f64> = (0..routes).map(|_| 1.0 + dice.below(4) as f64).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).enumerate().collect()
}

fn card(dice: &mut Dice) -> Card {
    Card {
        declines: Chance::of(dice.one_of(&[0, 0, 2, 6]), 10),
        hard: Chance::of(dice.one_of(&[0, 3, 10]), 10),
        funds: dice.seldom(3, |dice| Funds { broke: days(1 + dice.below(9)), funded: days(1 + dice.below(20)) }),
        life: dice.seldom(4, |dice| days(10 + dice.below(90))),
        updated: Chance::of(dice.one_of(&[0, 5, 10]), 10),
    }
}

fn reaction(plans: usize, dice: &mut Dice) -> Reaction {
    let causes = [
        "quota_exhausted",
        "credit_exhausted",
        "spend_cap",
        "past_due",
        "trial_ended",
        "unpaid",
        "first_payment_failed",
        "no_payment_method",
        "rate_limited",
        "route_not_in_plan",
        "billing_hold",
    ];
    let when = match dice.below(4) {
        0 => When::Refused { more_than: dice.below(3) as u32 },
        _ => When::Cause(dice.one_of(&causes)),
    };
    let act = match dice.below(8) {
        0 => Act::Churn,
        7 => Act::SlowDown {
            keeps: Chance::of(dice.below(3), 3),
            lasts: dice.below(2).eq(&1).then(|| Span::from_ns(dice.one_of(&[HOUR, 3 * DAY]))),
        },
        1 | 2 => Act::FixCard,
        3 => Act::TopUp(nanos(dice, &[1_000_000, 3_000_000_000])),
        _ => Act::ChangePlan { to: dice.below(plans as u64) as usize },
    };
    let after = match dice.below(3) {
        0 => Distribution::Constant(0.0),
        1 => Distribution::Exponential { mean: DAY as f64 },
        _ => Distribution::log_normal(HOUR as f64, 70.0 * HOUR as f64, Z99),
    };
    Reaction { when, act, chance: Chance::of(dice.one_of(&[5, 10]), 10), after }
}

fn payments(scenario: &mut Scenario, dice: &mut Dice) {
    let payments = &mut scenario.payments;
    payments.processor.latency = match dice.below(3) {
        0 => Distribution::Constant(0.0),
        1 => Distribution::log_normal(0.3e9, 2e9, Z99),
        _ => Distribution::Exponential { mean: DAY as f64 / 3.0 },
    };
    payments.processor.errors = Chance::of(dice.one_of(&[0, 0, 2]), 10);
    payments.dunning = Dunning {
        retries: (0..dice.below(5)).map(|_| days(dice.below(9)) + secs(dice.one_of(&[0, 1, 7_777]))).collect(),
        retries_hard_declines: dice.coin(),
        waits_for_schedule: dice.coin(),
        finally: dice.one_of(&[Finally::Cancel, Finally::Unpaid, Finally::Unpaid, Finally::Keep]),
    };
    payments.fees = Fees {
        success: Share { parts: dice.below(30), of: 1_000 },
        success_fixed: nanos(dice, &[0, 300_000_000]),
        decline: nanos(dice, &[0, 50_000_000]),
        excess_retry: nanos(dice, &[0, 100_000_000]),
    };
    let returns = |dice: &mut Dice| Returns {
        chance: Chance::of(dice.one_of(&[0, 2]), 10),
        after: dice.one_of(&[Span::ZERO, secs(9_000), days(12)]),
        fee: nanos(dice, &[0, 15_000_000_000]),
        suspends: dice.one_of(&[Span::ZERO, days(3)]),
    };
    payments.refunds = returns(dice);
    payments.chargebacks = returns(dice);
}

/// A scenario of the whole model in which nothing fails, nothing is refused and nobody reacts: what it comes to is plain
/// arithmetic on the list of calls.
pub(super) fn calm(seed: u64) -> Scenario {
    let mut scenario = scenario(seed);
    scenario.changes.clear();
    scenario.faults.clear();
    scenario.payments = Payments { fees: scenario.payments.fees, ..Payments::new() };
    for upstream in &mut scenario.upstreams {
        upstream.latency = Distribution::Constant(0.0);
        (upstream.errors, upstream.generates, upstream.streams) = (Errors::NEVER, None, false);
    }
    for plan in &mut scenario.plans {
        plan.limits.clear();
        (plan.trial, plan.spend_cap, plan.routes, plan.pays_per_request) = (None, None, None, false);
        plan.past_allowance = PastAllowance::Overage;
        plan.prepaid = plan.prepaid.as_ref().map(|_| Prepaid::opening(Money::from_nanos(1_000_000_000_000_000_000)));
        for meter in 0..METERS_MAX {
            if plan.prices[meter].is_none() && plan.overage[meter].is_none() {
                plan.allowance[meter] = None;
            }
        }
    }
    for cohort in &mut scenario.cohorts {
        cohort.churn = Chance::NEVER;
        cohort.card = Some(Card::good());
        cohort.reactions.clear();
        cohort.client = Client::none();
        // What follows an answer is not on the list of calls.
        if let Arrivals::Patterned(pattern) = &mut cohort.arrivals {
            pattern.sessions = None;
        }
    }
    scenario
}
