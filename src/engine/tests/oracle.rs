//! Every decision of the gate, judged by an oracle that knows the rules from `domain.md` and not the code: it keeps no
//! balance and no counter, but looks through everything that has happened each time it is asked. It knows flat fees,
//! hard quotas, one token bucket, linear prices from credit, and plain dunning: the scenarios of [`drawn::plain`].
//!
//! [`drawn::plain`]: super::drawn::plain

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{for_plain_seeds, state};
use crate::billing::account::{Account, Consumer};
use crate::billing::calendar::Cycle;
use crate::billing::catalog::HOLD_TTL;
use crate::billing::cause::{Cause, Failure};
use crate::billing::decline::Answer;
use crate::billing::gate::Decision;
use crate::billing::hold::HoldId;
use crate::billing::ledger::Movement;
use crate::billing::tally::Count;
use crate::draw::Address;
use crate::model::{Arrivals, Card, Dunning, Finally, Limit, METERS_MAX, PerMeter, Plan, Price, UnitPrice};
use crate::sim::{self, Observer, Scratch, Tried};
use crate::time::{Now, Span, Time};
use crate::world::World;
use crate::world::card;
use crate::world::party::Party;
use crate::world::schedule::Call;

/// What an admitted call has become, as the oracle remembers it.
struct Passed {
    at: Time,
    lands: Time,
    /// The number of the period that it was admitted in.
    period: u32,
    usage: PerMeter<u64>,
    /// Of the allowance, at most; the rest is paid from credit, if the meter has a price.
    reserved: PerMeter<u64>,
    /// Of the credit, at most.
    quote: u128,
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

    /// When it is no longer in flight.
    fn is_over(&self) -> Time {
        self.lands.min(self.at + HOLD_TTL)
    }
}

struct Oracle<'a> {
    plan: &'a Plan,
    dunning: &'a Dunning,
    own: Address,
    card: Card,
    most: PerMeter<u64>,
    end: Time,
    /// Where its periods begin, until the one after the end.
    begins: Vec<Time>,
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
            Arrivals::Poisson { .. } | Arrivals::Patterned(_) => [1, 0, 0, 0],
            Arrivals::Trace(trace) => trace.most,
        };
        let plan = &world.scenario.plans[cohort.plan];
        let terms = &world.catalog.cohorts[consumer.cohort as usize];
        let anchor = crate::billing::opening::anchor(consumer, &world.catalog);
        let cycle = plan.usage_period.map(|period| Cycle::new(&terms.calendar, period, anchor));
        let begins = |number| cycle.map_or(Time::NEVER, |cycle| cycle.begins(&terms.calendar, number));
        let end = world.end().billing;
        let mut oracle = Self {
            plan,
            dunning: &world.scenario.payments.dunning,
            own: terms.address.at(consumer.index.into()),
            card: cohort.card.expect("everyone has a card"),
            most,
            end,
            begins: (0..u32::MAX).map(begins).take_while(|begins| *begins < end).collect(),
            passed: Vec::new(),
        };
        let counts = plan.allowance.iter().any(Option::is_some) || oracle.prices().next().is_some();
        if counts && plan.usage_period.is_some() {
            let since = oracle.begins.iter().rev().find(|begins| **begins < Time::START);
            for call in world.schedule.history(consumer, *since.expect("the anchor is before the start")) {
                if oracle.judge(call.at).is_none() {
                    oracle.passed.push(Passed { paid: false, ..oracle.pass(&call, call.at) });
                }
            }
        }
        oracle
    }

    fn pass(&self, call: &Call, lands: Time) -> Passed {
        let reserved: Vec<u64> = (0..METERS_MAX).map(|meter| self.most[meter].min(self.free(meter, call.at))).collect();
        Passed {
            at: call.at,
            lands,
            period: self.period(call.at),
            usage: call.usage,
            reserved: reserved.try_into().expect("one for each meter"),
            quote: self.quote(call.at),
            paid: true,
        }
    }

    /// Why a call must be refused; `None`: it must be served.
    fn judge(&self, now: Time) -> Option<Cause> {
        match self.standing(now) {
            Standing::Canceled => Some(Cause::Canceled),
            Standing::Unpaid => Some(Cause::Unpaid),
            Standing::Owing { grace_ends } if now >= grace_ends => Some(Cause::PastDue),
            _ if !self.token_left(now) => Some(Cause::RateLimited),
            _ if !self.quota_left(now) => Some(Cause::QuotaExhausted),
            _ if now >= Time::START && !self.credit_left(now) => Some(Cause::CreditExhausted),
            _ => None,
        }
    }

    fn standing(&self, now: Time) -> Standing {
        if self.plan.fee_period.is_none() { Standing::Paid } else { self.collect(now).0 }
    }

    /// The bucket, played again from full: `per` parts make a token, each nanosecond refills `requests` of them.
    fn token_left(&self, now: Time) -> bool {
        let [Limit::TokenBucket { rate, burst }] = self.plan.limits[..] else { return true };
        let per = i128::from(rate.per.ns());
        let most = per * i128::from(burst);
        let refill = |fill: i128, from: Time, to: Time| {
            most.min(fill + i128::from(to.since(from).ns()) * i128::from(rate.requests))
        };
        let (mut left, mut at) = (most, now);
        for call in &self.passed {
            left = refill(left, at, call.at) - per;
            at = call.at;
        }
        refill(left, at, now) >= per
    }

    /// A meter that has a price is never at its end: what lies past the allowance is paid from credit.
    fn quota_left(&self, now: Time) -> bool {
        let limited = (0..METERS_MAX).filter(|meter| self.plan.allowance[*meter].is_some());
        let hard = limited.filter(|meter| self.prices().all(|(_, priced)| priced != *meter));
        hard.into_iter().all(|meter| self.free(meter, now) > 0)
    }

    /// What is left of the allowance: nothing was ever there of a meter that has only a price, and no end of the others.
    fn free(&self, meter: usize, now: Time) -> u64 {
        let period = self.period(now);
        let taken = |call: &Passed| match call.fate(now) {
            Fate::Settled => call.usage[meter].min(call.reserved[meter]),
            Fate::Pending => call.reserved[meter],
            Fate::Expired => 0,
        };
        let allowance = match self.plan.allowance[meter] {
            Some(units) => units,
            None if self.prices().any(|(_, priced)| priced == meter) => 0,
            None => return u64::MAX,
        };
        allowance.saturating_sub(self.passed.iter().filter(|call| call.period == period).map(taken).sum())
    }

    /// The period that an instant lies in, counted from the anchor.
    fn period(&self, now: Time) -> u32 {
        self.begins.iter().take_while(|begins| **begins <= now).count() as u32
    }

    fn credit_left(&self, now: Time) -> bool {
        let Some(prepaid) = &self.plan.prepaid else { return true };
        let quote = self.quote(now);
        let pending = self.passed.iter().filter(|call| call.paid && matches!(call.fate(now), Fate::Pending));
        let held: u128 = pending.map(|call| call.quote).sum();
        let opening = u128::from(prepaid.grants[0].amount.nanos().unsigned_abs());
        quote == 0 || opening >= self.spent(now) + held + quote
    }

    /// The most that a call at this moment can cost: what of it may lie past the allowance, each price rounded up.
    fn quote(&self, now: Time) -> u128 {
        let past = |meter: usize| self.most[meter].saturating_sub(self.free(meter, now));
        self.prices().map(|(price, meter)| cost(price, past(meter)).div_ceil(per(price))).sum()
    }

    /// What has been paid from credit: per meter and period, the price of all units together, rounded down once.
    fn spent(&self, now: Time) -> u128 {
        let settled = || self.passed.iter().filter(|call| call.paid && matches!(call.fate(now), Fate::Settled));
        let mut units = BTreeMap::new();
        for call in settled() {
            for (price, meter) in self.prices() {
                let past = call.usage[meter].saturating_sub(call.reserved[meter]);
                *units.entry((call.period, meter)).or_insert((price, 0)) =
                    (price, units.get(&(call.period, meter)).map_or(0, |(_, units)| *units) + past);
            }
        }
        units.values().map(|(price, units)| cost(*price, *units) / per(*price)).sum()
    }

    fn prices(&self) -> impl Iterator<Item = (UnitPrice, usize)> + '_ {
        self.plan.prices.iter().enumerate().filter_map(|(meter, price)| match price {
            Some(Price::PerUnit(price)) => Some((*price, meter)),
            _ => None,
        })
    }

    /// Renewals and retries until now, this moment included: how the subscription stands, and what was invoiced and
    /// collected. An invoice waits for the calls of the period before it.
    fn collect(&self, now: Time) -> (Standing, Totals) {
        let fee = i128::from(self.plan.fee.nanos());
        let (mut totals, mut standing) = (Totals::default(), Standing::Paid);
        let (mut owed, mut retry, mut grace_ends) = (VecDeque::<(u32, u32)>::new(), Time::NEVER, Time::NEVER);
        let mut drafts = BTreeSet::new();
        let mut next = self.begins.iter().take_while(|begins| **begins < Time::START).count();
        if self.plan.fee_period.is_none() {
            return (standing, totals);
        }
        loop {
            let begins = self.begins.get(next).copied().unwrap_or(Time::NEVER);
            let issued = drafts.first().map_or(Time::NEVER, |(at, _)| *at);
            let at = retry.min(begins).min(issued);
            if at > now || at == Time::NEVER {
                return (standing, totals);
            }
            if retry == at {
                retry = Time::NEVER;
            } else if begins == at {
                if let Standing::Unpaid = standing {
                    totals.drafted += 1;
                } else {
                    let before = self.passed.iter().filter(|call| call.period == next as u32);
                    let issued = before.map(Passed::is_over).fold(begins, Time::max);
                    drafts.insert((issued, next as u32));
                }
                next += 1;
                continue;
            } else {
                let (_, period) = drafts.pop_first().expect("it is due");
                totals.invoiced += fee;
                owed.push_back((period, 0));
                if owed.len() > 1 {
                    continue;
                }
            }
            if !matches!(standing, Standing::Unpaid) {
                standing = Standing::Paid;
            }
            while let Some((period, failed)) = owed.front_mut() {
                totals.attempts += 1;
                if self.answer(*period, *failed + 1, at) == Answer::Paid {
                    totals.captured += fee;
                    owed.pop_front();
                    continue;
                }
                totals.declined += 1;
                *failed += 1;
                if *failed == 1 {
                    grace_ends = at + self.plan.grace;
                }
                standing = Standing::Owing { grace_ends };
                match (self.dunning.retries.get(*failed as usize - 1), self.dunning.finally) {
                    (Some(gap), _) => retry = at + *gap,
                    (None, Finally::Keep) => totals.exhausted += 1,
                    (None, Finally::Unpaid) => (totals.exhausted, standing) = (totals.exhausted + 1, Standing::Unpaid),
                    (None, Finally::Cancel) => {
                        totals.exhausted += 1;
                        totals.written_off = fee * owed.len() as i128;
                        return (Standing::Canceled, totals);
                    }
                }
                break;
            }
        }
    }

    /// What the processor says to an attempt on the invoice of a period.
    fn answer(&self, period: u32, attempt: u32, at: Time) -> Answer {
        let attempt = self.own.named("charge").at(period.into()).at(attempt.into());
        card::answer(&self.card, self.own, None, 0, at, attempt)
    }
}

/// Amount × units, still to be divided by [`per`].
fn cost(price: UnitPrice, units: u64) -> u128 {
    u128::from(price.amount.nanos().unsigned_abs()) * u128::from(units)
}

fn per(price: UnitPrice) -> u128 {
    price.per.into()
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
    closed: Option<Account>,
}

impl Observer for Log {
    fn decided(&mut self, _: Consumer, call: &Call, _: Now, decision: Decision) {
        self.events.push(Event::Decided(*call, outcome_of(decision)));
    }

    fn served(&mut self, _: Consumer, call: &Call, _: HoldId, _: Now, latency: Span) {
        self.events.push(Event::Served(*call, latency));
    }

    fn failed(&mut self, _: Consumer, _: &Call, _: HoldId, _: Failure, _: Now) {
        unreachable!("in virtual time no upstream fails");
    }

    fn closed(&mut self, account: &Account, _: &Tried) {
        self.closed = Some(state(account));
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
    let mut party = world.open(consumer).unwrap();
    party.account().check();
    let mut log = Log::default();
    let mut queue: BTreeMap<(Time, u8, u64), (Call, Option<HoldId>)> =
        world.calls(consumer).map(|call| ((call.at, 1, call.index), (call, None))).collect();
    while let Some(((at, _, _), (call, hold))) = queue.pop_first() {
        let now = Now { traffic: at, billing: at };
        if at >= world.end().traffic {
            break;
        }
        catch_up(world, &mut party, now);
        if let Some(hold) = hold {
            world.served(&mut party, now, hold, &call.usage).unwrap();
            log.events.push(Event::Served(call, at.since(call.at)));
        } else {
            let decision = world.request(&mut party, now, call.route, 1).unwrap();
            assert_eq!(outcome_of(decision).err(), oracle.judge(at), "{consumer:?}, call {} at {at:?}", call.index);
            log.events.push(Event::Decided(call, outcome_of(decision)));
            if let Decision::Admit(admission) = decision {
                let lands = at + world.journey(consumer, &call).takes;
                oracle.passed.push(oracle.pass(&call, lands));
                queue.insert((lands, 0, call.index), (call, Some(admission.hold)));
            }
        }
        party.account().check();
    }
    world.close(&mut party, world.end()).unwrap();
    (log, party.into_account(), oracle)
}

fn catch_up(world: &World, party: &mut Party, now: Now) {
    world.catch_up(party, now).unwrap();
    party.account().check();
}

/// For 600 scenarios drawn at random: the oracle agrees with each decision, the books with what it has collected and
/// spent, and the fast driver with the slow one, event by event and to the last number of the account.
#[test]
fn the_oracle_agrees_with_every_decision() {
    let met = RefCell::new(BTreeMap::new());
    for_plain_seeds(0..600, |_, world| {
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
        attempts: tally.of(Count::Attempts),
        declined: tally.of(Count::Declined),
        exhausted: tally.of(Count::Exhausted),
        drafted: tally.of(Count::Drafted),
    };
    let last = oracle.end - Span::from_ns(1);
    assert_eq!(booked, oracle.collect(last).1);
    assert_eq!(moved(Movement::Spend).cast_unsigned(), oracle.spent(last));
    let pending = oracle.passed.iter().filter(|call| call.paid && matches!(call.fate(last), Fate::Pending)).count();
    let expired = || oracle.passed.iter().filter(|call| matches!(call.fate(last), Fate::Expired));
    let late = expired().filter(|call| call.lands <= last).count();
    assert_eq!(account.open_holds(), pending);
    let counted = [tally.of(Count::Late), tally.of(Count::ExpiredHolds)];
    assert_eq!(counted, [late as u64, expired().count() as u64]);
    let mut fast = Log::default();
    sim::play(world, consumer, &mut fast, &mut Scratch::default()).unwrap();
    assert_eq!(fast.events, log.events);
    assert_eq!(fast.closed, Some(state(&account)));
    log.events
}
