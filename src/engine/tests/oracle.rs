//! Every decision of the gate, judged by an oracle that knows the rules from `domain.md` and not the code: it keeps no
//! balance and no counter, but looks through everything that has happened each time it is asked.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use super::{for_seeds, state};
use crate::billing::account::{Account, Consumer};
use crate::billing::catalog::HOLD_TTL;
use crate::billing::cause::Cause;
use crate::billing::gate::{Decision, View};
use crate::billing::hold::HoldId;
use crate::billing::invoice::{Answer, Charge};
use crate::billing::ledger::Movement;
use crate::model::{Arrivals, Finally, METERS_MAX, PerMeter, Plan, UnitPrice};
use crate::sim::{self, Observer, Scratch};
use crate::time::{Now, Span, Time};
use crate::world::World;
use crate::world::schedule::Call;

/// What an admitted call has become, as the oracle remembers it.
struct Passed {
    at: Time,
    lands: Time,
    /// The number of the period that it was admitted in.
    period: u32,
    usage: PerMeter<u64>,
    /// Before the start nothing is paid from credit.
    paid: bool,
}

enum Fate {
    Settled,
    Pending,
    Expired,
}

impl Passed {
    /// At one instant deadlines come first, then answers, then calls.
    fn fate(&self, now: Time) -> Fate {
        if self.lands <= now && self.lands < self.at + HOLD_TTL {
            Fate::Settled
        } else if self.at + HOLD_TTL <= now {
            Fate::Expired
        } else {
            Fate::Pending
        }
    }
}

struct Oracle<'a> {
    plan: &'a Plan,
    most: PerMeter<u64>,
    /// Where its periods begin, until the one after the end.
    begins: Vec<Time>,
    standing: Vec<(Time, Standing)>,
    totals: Totals,
    passed: Vec<Passed>,
}

#[derive(Clone, Copy)]
enum Standing {
    Paid,
    Owing { grace_ends: Time },
    Unpaid,
    Canceled,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    invoiced: i128,
    captured: i128,
    written_off: i128,
    attempts: u64,
    declined: u64,
    exhausted: u64,
    drafted: u64,
}

impl<'a> Oracle<'a> {
    fn new(world: &'a World, consumer: Consumer) -> Self {
        let cohort = &world.scenario.cohorts[consumer.cohort as usize];
        let most = match &cohort.arrivals {
            Arrivals::Poisson { .. } => [1, 0, 0, 0],
            Arrivals::Trace(trace) => trace.most,
        };
        let plan = &world.scenario.plans[cohort.plan];
        let account = Account::new(consumer, &world.catalog);
        let (standing, totals) = collect(world, consumer, &account);
        let cycle = account.current.cycle;
        let begins = |number| cycle.map_or(Time::NEVER, |cycle| cycle.begins(number));
        let within = (0..).map(begins).take_while(|begins| *begins <= world.end().billing);
        let mut oracle = Self { plan, most, begins: within.collect(), standing, totals, passed: Vec::new() };
        if plan.allowance.iter().any(Option::is_some) {
            for call in world.schedule.history(consumer, account.current.begins) {
                if oracle.judge(call.at).is_none() {
                    oracle.passed.push(Passed { paid: false, ..oracle.pass(&call, call.at) });
                }
            }
        }
        oracle
    }

    fn pass(&self, call: &Call, lands: Time) -> Passed {
        Passed { at: call.at, lands, period: self.period(call.at), usage: call.usage, paid: true }
    }

    /// Why a call must be refused; `None`: it must be served.
    fn judge(&self, now: Time) -> Option<Cause> {
        let standing = self.standing.iter().rev().find(|(since, _)| *since <= now).map_or(Standing::Paid, |(_, s)| *s);
        match standing {
            Standing::Canceled => Some(Cause::Canceled),
            Standing::Unpaid => Some(Cause::Unpaid),
            Standing::Owing { grace_ends } if now >= grace_ends => Some(Cause::PastDue),
            _ if !self.token_left(now) => Some(Cause::RateLimited),
            _ if !self.quota_left(now) => Some(Cause::QuotaExhausted),
            _ if now >= Time::START && !self.credit_left(now) => Some(Cause::CreditExhausted),
            _ => None,
        }
    }

    /// The bucket, played again from full: `per` parts make a token, each nanosecond refills `tokens` of them.
    fn token_left(&self, now: Time) -> bool {
        let Some(limit) = self.plan.limit else { return true };
        let per = i128::from(limit.per.ns());
        let most = per * i128::from(limit.burst);
        let refill = |fill: i128, from: Time, to: Time| {
            most.min(fill + i128::from(to.since(from).ns()) * i128::from(limit.tokens))
        };
        let (mut left, mut at) = (most, now);
        for call in &self.passed {
            left = refill(left, at, call.at) - per;
            at = call.at;
        }
        refill(left, at, now) >= per
    }

    fn quota_left(&self, now: Time) -> bool {
        let period = self.period(now);
        (0..METERS_MAX).all(|meter| {
            let taken = |call: &Passed| match call.fate(now) {
                Fate::Settled => call.usage[meter],
                Fate::Pending => self.most[meter],
                Fate::Expired => 0,
            };
            let of_period = self.passed.iter().filter(|call| call.period == period);
            self.plan.allowance[meter].is_none_or(|allowance| of_period.map(taken).sum::<u64>() < allowance)
        })
    }

    /// The period that an instant lies in, counted from the anchor.
    fn period(&self, now: Time) -> u32 {
        self.begins.iter().take_while(|begins| **begins <= now).count() as u32
    }

    fn credit_left(&self, now: Time) -> bool {
        let Some(prepaid) = self.plan.prepaid else { return true };
        let quote: u128 = self.prices().map(|(price, meter)| cost(price, self.most[meter]).div_ceil(per(price))).sum();
        let held =
            self.passed.iter().filter(|call| call.paid && matches!(call.fate(now), Fate::Pending)).count() as u128;
        u128::from(prepaid.opening.nanos().unsigned_abs()) >= self.spent(now) + quote * (held + 1)
    }

    /// What has been paid from credit: per meter, the price of all units together, rounded down once.
    fn spent(&self, now: Time) -> u128 {
        let settled = || self.passed.iter().filter(|call| call.paid && matches!(call.fate(now), Fate::Settled));
        let units = |meter: usize| settled().map(|call| call.usage[meter]).sum();
        self.prices().map(|(price, meter)| cost(price, units(meter)) / per(price)).sum()
    }

    fn prices(&self) -> impl Iterator<Item = (UnitPrice, usize)> + '_ {
        let prices = self.plan.prices.iter().enumerate().filter(|_| self.plan.prepaid.is_some());
        prices.filter_map(|(meter, price)| price.map(|price| (price, meter)))
    }
}

/// Amount × units, still to be divided by [`per`].
fn cost(price: UnitPrice, units: u64) -> u128 {
    u128::from(price.amount.nanos().unsigned_abs()) * u128::from(units)
}

fn per(price: UnitPrice) -> u128 {
    price.per.into()
}

/// Renewals and retries until the end: who stands how since when, and what was invoiced and collected.
fn collect(world: &World, consumer: Consumer, opened: &Account) -> (Vec<(Time, Standing)>, Totals) {
    let plan = &world.catalog.terms(consumer.cohort).1;
    let dunning = &world.scenario.dunning;
    let mut totals = Totals::default();
    let mut standings = vec![(Time::from_ns(i64::MIN), Standing::Paid)];
    let Some(cycle) = opened.current.cycle else { return (standings, totals) };
    let fee = i128::from(plan.fee.nanos());
    let (mut owed, mut retry, mut grace_ends) = (VecDeque::<(u32, u32)>::new(), Time::NEVER, Time::NEVER);
    let mut next = opened.current.number + 1;
    loop {
        let now = retry.min(cycle.begins(next));
        if now > world.end().billing || fee == 0 {
            return (standings, totals);
        }
        if retry == now {
            retry = Time::NEVER;
        } else {
            next += 1;
            if let (_, Standing::Unpaid) = standings[standings.len() - 1] {
                totals.drafted += 1;
                continue;
            }
            totals.invoiced += fee;
            owed.push_back((next - 1, 0));
            if owed.len() > 1 {
                continue;
            }
        }
        let mut standing = Standing::Paid;
        while let Some((period, failed)) = owed.front_mut() {
            totals.attempts += 1;
            let charge = Charge { period: *period, attempt: *failed + 1, amount: plan.fee };
            if world.processor.answer(consumer, charge) == Answer::Paid {
                totals.captured += fee;
                owed.pop_front();
                continue;
            }
            totals.declined += 1;
            *failed += 1;
            if *failed == 1 {
                grace_ends = now + plan.grace;
            }
            standing = Standing::Owing { grace_ends };
            match (dunning.retries.get(*failed as usize - 1), dunning.finally) {
                (Some(gap), _) => retry = now + *gap,
                (None, Finally::Keep) => totals.exhausted += 1,
                (None, Finally::Unpaid) => (totals.exhausted, standing) = (totals.exhausted + 1, Standing::Unpaid),
                (None, Finally::Cancel) => {
                    totals.exhausted += 1;
                    totals.written_off = fee * owed.len() as i128;
                    standings.push((now, Standing::Canceled));
                    return (standings, totals);
                }
            }
            break;
        }
        standings.push((now, standing));
    }
}

// === A slow driver ===

/// What happens to a call, in the order in which it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Decided(Call, Result<(), Cause>),
    Served(Call, Span),
}

/// What the fast driver shows.
#[derive(Default)]
struct Log {
    events: Vec<Event>,
    closed: String,
}

impl Observer for Log {
    fn decided(&mut self, _: Consumer, call: &Call, _: Now, decision: Decision) {
        self.events.push(Event::Decided(*call, outcome_of(decision)));
    }

    fn served(&mut self, _: Consumer, call: &Call, _: HoldId, _: Now, latency: Span) {
        self.events.push(Event::Served(*call, latency));
    }

    fn failed(&mut self, _: Consumer, _: &Call, _: HoldId, _: Now) {
        unreachable!("in virtual time no upstream fails");
    }

    fn closed(&mut self, account: &Account) {
        self.closed = state(account);
    }
}

fn outcome_of(decision: Decision) -> Result<(), Cause> {
    match decision {
        Decision::Admit(_) => Ok(()),
        Decision::Refuse(cause) => Err(cause),
    }
}

/// Plays a consumer with one queue of everything that happens, checking the account after each event and every decision
/// against the oracle's.
fn play_slowly(world: &World, consumer: Consumer) -> (Log, Account, Oracle<'_>) {
    let mut oracle = Oracle::new(world, consumer);
    let mut account = world.open(consumer).unwrap();
    account.check();
    let mut log = Log::default();
    let mut queue: BTreeMap<(Time, u8, u64), (Call, Option<HoldId>)> =
        world.schedule.calls(consumer).map(|call| ((call.at, 1, call.index), (call, None))).collect();
    while let Some(((at, _, _), (call, hold))) = queue.pop_first() {
        let now = Now { traffic: at, billing: at };
        if at > world.end().traffic {
            break;
        }
        catch_up(world, &mut account, now);
        if let Some(hold) = hold {
            account.served(now, &world.catalog, hold, &call.usage).unwrap();
            log.events.push(Event::Served(call, at.since(call.at)));
        } else {
            let decision = account.request(now, &world.catalog, View::ReadThrough).unwrap();
            assert_eq!(outcome_of(decision).err(), oracle.judge(at), "{consumer:?}, call {} at {at:?}", call.index);
            log.events.push(Event::Decided(call, outcome_of(decision)));
            if let Decision::Admit(admission) = decision {
                let latency =
                    world.scenario.upstream.latency.sample(world.schedule.latency_stream(consumer).word(call.index));
                let lands = at + Span::from_ns(latency);
                oracle.passed.push(oracle.pass(&call, lands));
                queue.insert((lands, 0, call.index), (call, Some(admission.hold)));
            }
        }
        account.check();
    }
    catch_up(world, &mut account, world.end());
    account.close(world.end()).unwrap();
    (log, account, oracle)
}

fn catch_up(world: &World, account: &mut Account, now: Now) {
    world.catch_up(account, now, &mut Vec::new()).unwrap();
    account.check();
}

/// For 600 scenarios drawn at random: the oracle agrees with each decision, the books with what it has collected and
/// spent, and the fast driver with the slow one, event by event and to the last byte of the account.
#[test]
fn the_oracle_agrees_with_every_decision() {
    let met = RefCell::new(BTreeMap::new());
    for_seeds(0..600, |_, world| {
        for consumer in world.consumers() {
            for event in judge_all(world, consumer) {
                let what = match event {
                    Event::Decided(_, Err(cause)) => cause.name(),
                    Event::Decided(..) => "admitted",
                    Event::Served(..) => "served",
                };
                *met.borrow_mut().entry(what).or_insert(0) += 1;
            }
        }
    });
    // The scenarios are varied enough to mean something: everything that can happen has, a thousand times.
    let met = met.into_inner();
    assert!(met.len() == 8 && met.values().all(|count| *count > 1_000), "{met:?}");
}

/// One consumer, judged; returns what happened.
fn judge_all(world: &World, consumer: Consumer) -> Vec<Event> {
    let (log, account, oracle) = play_slowly(world, consumer);
    let moved = |movement| i128::from(account.books().moved(movement).nanos());
    let tally = account.tally();
    let booked = Totals {
        invoiced: moved(Movement::Invoice),
        captured: moved(Movement::Capture),
        written_off: moved(Movement::WriteOff),
        attempts: tally.attempts,
        declined: tally.declined,
        exhausted: tally.exhausted,
        drafted: tally.drafted,
    };
    assert_eq!(booked, oracle.totals);
    let end = world.end().traffic;
    assert_eq!(moved(Movement::Spend).cast_unsigned(), oracle.spent(end));
    let pending = oracle.passed.iter().filter(|call| call.paid && matches!(call.fate(end), Fate::Pending)).count();
    let expired = || oracle.passed.iter().filter(|call| matches!(call.fate(end), Fate::Expired));
    let late = expired().filter(|call| call.lands <= end).count();
    assert_eq!(account.open_holds(), pending);
    assert_eq!([tally.late, tally.expired_holds], [late as u64, expired().count() as u64]);
    let mut fast = Log::default();
    sim::play(world, consumer, &mut fast, &mut Scratch::default()).unwrap();
    assert_eq!(fast.events, log.events);
    assert_eq!(fast.closed, state(&account));
    log.events
}
