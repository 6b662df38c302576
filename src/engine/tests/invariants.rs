//! What always holds (`validation.md`, "Always"), tried on scenarios of the whole model, after every single event.

use std::collections::{BTreeMap, BTreeSet};

use super::drawn::{self, Dice};
use super::{for_each_seed, for_seeds, play_all, without_refusals};
use crate::billing::account::{Account, Consumer, Status};
use crate::billing::catalog::{Catalog, PlanTerms};
use crate::billing::cause::Cause;
use crate::billing::decline::{Answer, Decline};
use crate::billing::gate::{Action, Decision, View};
use crate::billing::grant::Grant;
use crate::billing::hold::HoldId;
use crate::billing::invoice::{Charge, Purpose};
use crate::billing::ledger::LedgerAccount;
use crate::billing::ledger::Movement::{self, *};
use crate::billing::price;
use crate::billing::tally::Count;
use crate::billing::timer::Deadline;
use crate::figures::Figures;
use crate::model::{Finally, METERS_MAX, On402, OnClientAbort, PerMeter, Returns, SpendControl};
use crate::money::Money;
use crate::time::{Now, Span, Time};
use crate::world::World;
use crate::world::party::Party;
use crate::world::schedule::Call;

// === Watching ===

/// What has just happened to a party.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// It is there.
    Opened,
    /// What was due at this moment was done.
    Due,
    Decided(Decision),
    Served(Call, HoldId),
    /// The upstream failed it.
    Failed(HoldId),
    /// The client has given it up, and had been sent so much.
    GaveUp(HoldId, PerMeter<u64>),
    /// The upstream has answered what its client had given up.
    Ended(Call, HoldId),
    Closed,
}

/// One event: when, what, and the party before and after.
pub(super) struct Step<'a> {
    pub(super) world: &'a World,
    pub(super) now: Now,
    pub(super) event: Event,
    pub(super) party: [&'a Party; 2],
}

impl Step<'_> {
    /// The account before and after.
    pub(super) fn accounts(&self) -> [&Account; 2] {
        self.party.map(Party::account)
    }

    /// What has moved.
    fn moved(&self, movements: &[Movement]) -> i64 {
        let sum = |account: &Account| -> i64 {
            movements.iter().map(|movement| account.books().moved(*movement).nanos()).sum()
        };
        let [before, after] = self.accounts().map(sum);
        after - before
    }

    fn terms(&self) -> [&PlanTerms; 2] {
        self.accounts().map(|account| account.terms(&self.world.catalog).1)
    }
}

/// Plays a consumer event by event, in the order of the fast driver, and shows each. Every seventh answer of the upstream
/// gets lost, so that holds expire.
pub(super) fn watch(world: &World, consumer: Consumer, mut see: impl FnMut(&Step)) {
    let pace = world.schedule.pace();
    let mut party = world.open(consumer).unwrap();
    see(&Step { world, now: party.account().seen, event: Event::Opened, party: [&party, &party] });
    let follow_ups = world.schedule.follow_ups(consumer);
    let next = |index, over| {
        let call = follow_ups.as_ref()?.after(index, over)?;
        Some(((call.at, 1, call.index), (call, None)))
    };
    let mut queue: BTreeMap<(Time, u8, u64), (Call, Option<HoldId>)> =
        world.calls(consumer).map(|call| ((call.at, 1, call.index), (call, None))).collect();
    let mut has_left = false;
    let timeout = world.scenario.cohorts[consumer.cohort as usize].client.timeout;
    let mut given_up = BTreeSet::new();
    while let Some(((at, kind, _), (call, hold))) = queue.pop_first() {
        if at >= pace.until {
            break;
        }
        let now = pace.clock.at(at);
        let_pass(world, &mut party, now, &mut see);
        has_left |= party.has_left();
        let before = party.clone();
        if let (2, Some(hold)) = (kind, hold) {
            let sent = world.sent_when_given_up(consumer, &call, at, None);
            given_up.insert(hold);
            world.gave_up(&mut party, now, hold, &sent).unwrap();
            see(&Step { world, now, event: Event::GaveUp(hold, sent), party: [&before, &party] });
            queue.extend(next(call.index, at));
        } else if let Some(hold) = hold.filter(|hold| given_up.remove(hold)) {
            let event = if let Some(failure) = world.journey(consumer, &call).fails {
                world.failed(&mut party, now, hold, failure.hop, &call.usage).unwrap();
                Event::Failed(hold)
            } else {
                world.served(&mut party, now, hold, &call.usage).unwrap();
                Event::Ended(call, hold)
            };
            see(&Step { world, now, event, party: [&before, &party] });
        } else if let Some(hold) = hold {
            if let Some(failure) = world.journey(consumer, &call).fails {
                world.failed(&mut party, now, hold, failure.hop, &call.usage).unwrap();
                see(&Step { world, now, event: Event::Failed(hold), party: [&before, &party] });
                queue.extend(next(call.index, at));
                continue;
            }
            world.served(&mut party, now, hold, &call.usage).unwrap();
            see(&Step { world, now, event: Event::Served(call, hold), party: [&before, &party] });
            queue.extend(next(call.index, at));
        } else if !has_left {
            let decision = world.request(&mut party, now, call.route, 1).unwrap();
            see(&Step { world, now, event: Event::Decided(decision), party: [&before, &party] });
            if let Decision::Admit(admission) = decision {
                let takes = world.journey(consumer, &call).takes;
                let is_lost = call.index % 7 == 6;
                if !is_lost {
                    queue.insert((at + takes, 0, call.index), (call, Some(admission.hold)));
                }
                if let Some(timeout) = timeout.filter(|timeout| is_lost || *timeout < takes) {
                    queue.insert((at + timeout, 2, call.index), (call, Some(admission.hold)));
                }
            }
            if let Decision::Refuse(_) = decision {
                queue.extend(next(call.index, at));
            }
        }
    }
    let instant = Span::from_ns(1);
    let end = world.end();
    let last = Now { traffic: end.traffic - instant, billing: end.billing - instant };
    let_pass(world, &mut party, last, &mut see);
    let before = party.clone();
    world.close(&mut party, end).unwrap();
    see(&Step { world, now: end, event: Event::Closed, party: [&before, &party] });
}

/// Lets time pass, moment by moment.
fn let_pass(world: &World, party: &mut Party, until: Now, see: &mut impl FnMut(&Step)) {
    let clock = world.schedule.pace().clock;
    while !party.is_idle(until) {
        let next = party.next_deadline();
        let seen = party.account().seen;
        let shown = if next.billing <= until.billing { clock.traffic_at(next.billing) } else { Time::NEVER };
        let traffic = next.traffic.min(shown).min(until.traffic).max(seen.traffic);
        let now = Now { traffic, billing: clock.at(traffic).billing.min(until.billing).max(seen.billing) };
        // A reading that was rounded down may not show the moment yet.
        let now = if party.is_idle(now) { until } else { now };
        let before = party.clone();
        world.catch_up(party, now).unwrap();
        see(&Step { world, now, event: Event::Due, party: [&before, party] });
    }
}

/// Shows each event of each consumer of a world.
pub(super) fn watch_all(world: &World, mut see: impl FnMut(&Step)) {
    world.consumers().for_each(|consumer| watch(world, consumer, &mut see));
}

/// The scenarios are varied enough to mean something: money has moved in every way that there is, and calls were refused
/// for every cause that the gate knows.
#[test]
fn everything_that_can_happen_happens() {
    let mut moved = [0; Movement::ALL.len()];
    let mut refused = BTreeMap::new();
    let mut quoted = 0;
    for seed in 14_000..15_200 {
        let outcome = play_all(&drawn::world(seed));
        Movement::ALL.into_iter().zip(&mut moved).for_each(|(one, sum)| *sum += outcome.moved(one));
        for (cause, calls) in outcome.cohorts.iter().flat_map(|cohort| &cohort.refused) {
            *refused.entry(cause.clone()).or_insert(0) += calls;
        }
    }
    for seed in 14_000..15_200 {
        watch_all(&drawn::world(seed), |step| {
            quoted += u32::from(step.accounts()[1].segments().any(|one| one.quoted > Money::ZERO));
        });
    }
    let never: Vec<_> = Movement::ALL.into_iter().zip(moved).filter(|(_, sum)| *sum == 0).collect();
    assert!(
        never.iter().all(|(one, _)| matches!(one, Recoup | FeeExcess)),
        "only those have stories of their own: {never:?}"
    );
    assert!(refused.len() == 16 && refused.values().all(|calls| *calls > 20), "{refused:?}");
    assert!(quoted > 20, "{quoted}");
}

// === 1, 2: money and credit ===

/// Invariant 1.
#[test]
fn every_posting_sums_to_zero_and_so_does_the_ledger() {
    for_seeds(10_000..10_150, sums_to_zero);
}

pub(super) fn sums_to_zero(_: u64, world: &World) {
    watch_all(world, |step| {
        let [_, after] = step.accounts();
        let balances = LedgerAccount::ALL.map(|account| after.books().balance(account));
        assert_eq!(balances.iter().sum::<i128>(), 0);
        after.check();
    });
}

/// Invariant 2, and that a grant only ever loses what is consumed or expires.
#[test]
fn granted_is_consumed_and_held_and_expired_and_remaining() {
    for_seeds(10_200..10_350, conserves_grants);
}

pub(super) fn conserves_grants(_: u64, world: &World) {
    watch_all(world, |step| {
        let [before, after] = step.accounts();
        let nanos = |pick: fn(&Grant) -> Money| after.grants.iter().map(|grant| pick(grant).nanos()).sum::<i64>();
        let moved = |movements: &[Movement]| -> i64 {
            movements.iter().map(|movement| after.books().moved(*movement).nanos()).sum()
        };
        let left = nanos(|grant| grant.held) + nanos(|grant| grant.remaining);
        let gone = moved(&[Spend, Burn, Expire, Breakage]);
        assert_eq!(moved(&[Grant, CarryCredit, InvoiceCredit]), gone + left);
        for grant in after.grants.iter() {
            assert_eq!(
                grant.granted.nanos(),
                [grant.consumed, grant.held, grant.expired, grant.remaining]
                    .iter()
                    .map(|part| part.nanos())
                    .sum::<i64>()
            );
            assert!(grant.expires > step.now.billing || grant.remaining == Money::ZERO, "{grant:?} at {:?}", step.now);
            let Some(was) = before.grants.iter().find(|was| was.id == grant.id) else { continue };
            assert!(was.consumed <= grant.consumed && was.expired <= grant.expired && was.granted == grant.granted);
        }
    });
}

// === 3: holds ===

/// Invariant 3: what a call is charged was held for it, a second answer changes no money, and with `reserve` nobody is
/// ever served beyond their credit.
#[test]
fn a_hold_resolves_once_and_posts_no_more_than_it_held() {
    for_seeds(10_400..10_550, resolves_once);
}

pub(super) fn resolves_once(_: u64, world: &World) {
    let reserves = world.scenario.gateway.spend_control == SpendControl::Reserve;
    let mut amounts = BTreeMap::new();
    watch_all(world, |step| {
        let [before, after] = step.accounts();
        let paid = step.moved(&[Spend, Burn]);
        match step.event {
            Event::Decided(Decision::Admit(admission)) => {
                let amount = step.moved(&[HoldPromotional, HoldPrepaid]);
                amounts.insert((after.consumer(), admission.hold), amount);
                assert_eq!(after.open_holds(), before.open_holds() + 1);
            }
            Event::Served(call, of) => {
                let amount = amounts.remove(&(after.consumer(), of)).unwrap();
                assert!(!reserves || paid <= amount, "{paid} of {amount}");
                let mut again = after.clone();
                again.served(step.now, &world.catalog, of, &call.usage).unwrap();
                again.failed(step.now, &world.catalog, of, 0, &[0; 4]).unwrap();
                let money = |account: &Account, movement| account.books().moved(movement);
                let others = Movement::ALL.into_iter().filter(|movement| *movement != Cost);
                others.for_each(|movement| assert_eq!(money(&again, movement), money(after, movement)));
                assert_eq!(again.open_holds(), after.open_holds());
                assert_eq!(again.tally().of(Count::Late), after.tally().of(Count::Late) + 1);
            }
            Event::Failed(of) => {
                let amount = amounts.remove(&(after.consumer(), of)).unwrap();
                let given_back = step.moved(&[ReleasePromotional, ReleasePrepaid]);
                assert!(paid == 0 && (given_back == amount || after.open_holds() == before.open_holds()));
            }
            Event::GaveUp(of, sent) => {
                let amount = amounts[&(after.consumer(), of)];
                let given_back = step.moved(&[ReleasePromotional, ReleasePrepaid]);
                let is_settled = after.open_holds() < before.open_holds();
                match world.scenario.gateway.on_client_abort {
                    OnClientAbort::Settle => assert_eq!((paid, given_back, is_settled), (0, 0, false)),
                    OnClientAbort::Release => assert!(paid == 0 && (given_back == amount || !is_settled)),
                    OnClientAbort::BillSent => {
                        assert!(!reserves || paid <= amount, "{paid} of {amount}");
                        assert!(paid == 0 || (is_settled && sent[0] == 1));
                    }
                }
            }
            Event::Ended(_, of) => {
                let amount = amounts.remove(&(after.consumer(), of)).unwrap();
                let settles = world.scenario.gateway.on_client_abort == OnClientAbort::Settle;
                assert!(!reserves || paid <= amount, "{paid} of {amount}");
                assert!(settles || (paid == 0 && after.open_holds() == before.open_holds()));
            }
            _ if after.overdraft == before.overdraft => assert_eq!(paid, 0, "nothing else is paid from credit"),
            _ => {}
        }
        assert!(!reserves || after.books().moved(Overdraw) == Money::ZERO);
        assert!(after.credit() >= Money::ZERO);
    });
}

// === 4, 5: invoices ===

/// Invariant 5, after every event, and that the figures are what the parts of the account say.
#[test]
fn what_was_invoiced_is_found_again() {
    for_seeds(10_600..10_750, finds_invoices_again);
}

pub(super) fn finds_invoices_again(_: u64, world: &World) {
    watch_all(world, |step| {
        let [_, after] = step.accounts();
        let figures = Figures::of(|movement| i128::from(after.books().moved(movement).nanos()));
        identities(&figures);
        let sum = |parts: &mut dyn Iterator<Item = Money>| -> i128 { parts.map(|part| i128::from(part.nanos())).sum() };
        assert_eq!(figures.outstanding, sum(&mut after.receivables.unpaid().map(|invoice| invoice.amount)));
        assert!(after.receivables.unpaid().all(|invoice| invoice.amount > Money::ZERO));
        let accrued =
            sum(&mut after.segments().map(|segment| segment.charged)) + sum(&mut after.uninvoiced.into_iter());
        assert_eq!(figures.accrued, accrued);
        assert_eq!(figures.leaked, i128::from(after.overdraft.nanos()));
        let cash = after.books().balance(LedgerAccount::Cash);
        assert_eq!(cash, figures.collected - figures.processor_fees);
        assert_eq!(figures.kept - figures.applied, i128::from(after.balance.nanos()));
        assert!(after.balance >= Money::ZERO);
        // A fee is never earned twice, nor before its time.
        assert!(after.fee.earned >= Money::ZERO && after.fee.earned <= after.fee.amount);
    });
}

/// The identities of a money report.
fn identities(figures: &Figures) {
    let settled = figures.captured + figures.applied + figures.outstanding + figures.written_off + figures.voided;
    assert_eq!(figures.invoiced + figures.kept, settled);
    assert_eq!(figures.collected, figures.captured - figures.returned);
    let earned = figures.earned_fees + figures.earned_usage + figures.earned_credit + figures.breakage;
    assert_eq!(figures.earned, earned);
    assert_eq!(figures.margin, figures.earned - figures.processor_fees - figures.upstream_cost);
    assert!(
        [figures.outstanding, figures.captured, figures.voided, figures.written_off, figures.mrr, figures.leaked]
            .iter()
            .all(|amount| *amount >= 0)
    );
}

/// What a subscription adds to the recurring revenue is its plan's monthly fee while it is active or past due, else
/// nothing.
#[test]
fn recurring_revenue_is_that_of_the_plans_in_force() {
    for_seeds(10_800..10_950, recurs_as_planned);
}

pub(super) fn recurs_as_planned(_: u64, world: &World) {
    watch_all(world, |step| {
        let [_, after] = step.accounts();
        let monthly = match after.status() {
            Status::Active | Status::PastDue => after.terms(&world.catalog).1.monthly(),
            _ => Money::ZERO,
        };
        assert_eq!(after.recurring, monthly, "{:?} at {:?}", after.status(), step.now);
    });
}

// === 6: units ===

/// Invariant 6: each served unit of a meter that the plan of its admission limits or prices is included, credited, billed
/// or unbilled; and what a segment has charged is the price of its units, at its own price version.
#[test]
fn each_served_unit_is_in_one_place() {
    for_seeds(11_000..11_150, places_each_unit);
}

pub(super) fn places_each_unit(_: u64, world: &World) {
    let (mut terms_of, mut settled) = (BTreeMap::new(), BTreeMap::new());
    watch_all(world, |step| {
        let [before, after] = step.accounts();
        let placed = placed(before, after);
        match step.event {
            Event::Decided(Decision::Admit(admission)) => {
                terms_of.insert((after.consumer(), admission.hold), after.terms);
                assert_eq!(placed, [0; METERS_MAX]);
            }
            Event::Served(call, hold) => {
                let is_late = after.tally().of(Count::Late) > before.tally().of(Count::Late);
                let admitted = terms_of[&(after.consumer(), hold)];
                let terms = if is_late { after.terms } else { admitted };
                assert_eq!(placed, metered(&world.catalog.terms[terms as usize], &call.usage));
            }
            Event::GaveUp(hold, sent) => {
                // A hold that has expired belongs to no price version any more.
                if before.holds.get(hold).is_none() {
                    terms_of.insert((after.consumer(), hold), before.terms);
                }
                let is_settled = after.open_holds() < before.open_holds();
                let settled_now = if is_settled { sent } else { PerMeter::default() };
                let terms = terms_of[&(after.consumer(), hold)];
                assert_eq!(placed, metered(&world.catalog.terms[terms as usize], &settled_now));
                settled.insert((after.consumer(), hold), settled_now);
            }
            // What was not placed when the client went is placed now.
            Event::Ended(call, hold) => {
                let sent = settled[&(after.consumer(), hold)];
                let rest = std::array::from_fn(|meter| call.usage[meter] - sent[meter]);
                let terms = terms_of[&(after.consumer(), hold)];
                assert_eq!(placed, metered(&world.catalog.terms[terms as usize], &rest));
            }
            _ => assert_eq!(placed, [0; METERS_MAX], "only what is served is placed"),
        }
        for segment in after.segments() {
            let plan = &world.catalog.terms[segment.terms as usize];
            let priced = plan.metered.iter().filter_map(|one| Some((one.arrears.as_ref()?, segment.past[one.meter])));
            let charged: i64 = priced.map(|(price, units)| price::total(price, units).unwrap().nanos()).sum();
            assert_eq!(segment.charged.nanos(), charged, "{segment:?}");
            assert!(!segment.is_trial || charged == 0, "a trial charges nothing");
            assert!(segment.from <= segment.until && segment.quoted >= Money::ZERO);
        }
    });
}

/// What has become of units between two moments, per meter, all places together.
fn placed(before: &Account, after: &Account) -> PerMeter<u64> {
    let all = |account: &Account, meter: usize| {
        let units = &account.tally().units;
        [units.included, units.credited, units.billed, units.unbilled].iter().map(|place| place[meter]).sum::<u64>()
    };
    std::array::from_fn(|meter| all(after, meter) - all(before, meter))
}

/// What a plan counts of a usage.
fn metered(plan: &PlanTerms, usage: &PerMeter<u64>) -> PerMeter<u64> {
    let mut counted = PerMeter::default();
    plan.metered.iter().for_each(|metered| counted[metered.meter] = usage[metered.meter]);
    counted
}

/// No open hold is forgotten in what counts against the spend cap, and nothing is admitted past it.
#[test]
fn what_is_admitted_stays_below_the_cap() {
    for_seeds(11_200..11_600, stays_below_the_cap);
}

pub(super) fn stays_below_the_cap(_: u64, world: &World) {
    watch_all(world, |step| {
        let [_, after] = step.accounts();
        for segment in after.segments() {
            assert!(segment.open > 0 || segment.quoted == Money::ZERO, "{segment:?}");
        }
        if let Some(cap) = step.terms()[1].spend_cap
            && let Event::Decided(Decision::Admit(_)) = step.event
            && step.moved(&[Accrue]) == 0
            && world.scenario.gateway.spend_control == SpendControl::Reserve
        {
            let quoted = after.usage.quoted.nanos() - step.accounts()[0].usage.quoted.nanos();
            let spent: i64 = after.earlier.iter().chain([&after.usage]).map(|one| one.spent().unwrap().nanos()).sum();
            assert!(quoted == 0 || spent <= cap.nanos(), "{spent} past the cap {cap:?}");
        }
    });
}

// === 7: refusals ===

/// Invariant 7: a refused request changes nothing in the account but when it was last seen, and what is remembered of
/// it; only a client that buys credit at once does.
#[test]
fn a_refused_request_consumes_nothing() {
    for_seeds(1_200_000..1_200_150, refuses_without_a_trace);
}

pub(super) fn refuses_without_a_trace(_: u64, world: &World) {
    watch_all(world, |step| {
        let Event::Decided(Decision::Refuse(cause)) = step.event else { return };
        let [before, after] = step.accounts();
        let client = &world.scenario.cohorts[after.consumer().cohort as usize].client;
        if cause == Cause::CreditExhausted && client.on_402 == On402::TopUpThenRetry {
            // What the client then buys is no part of the request, which itself takes nothing all the same.
            assert_eq!((&before.usage, &before.limits, &before.holds), (&after.usage, &after.limits, &after.holds));
        } else {
            assert_eq!(without_refusals(before), without_refusals(after));
        }
    });
}

// === 9: status ===

/// The graph of `docs/BILLING.md`, as it is drawn there.
const GRAPH: [(Status, &[Status]); 9] = {
    use Status::{Active, Awaited, Canceled, Incomplete, IncompleteExpired, PastDue, Paused, Trialing, Unpaid};
    [
        (Awaited, &[Trialing, Active, Incomplete]),
        (Incomplete, &[Active, IncompleteExpired, Canceled]),
        (IncompleteExpired, &[]),
        (Trialing, &[Active, PastDue, Paused, Canceled]),
        (Active, &[PastDue, Canceled]),
        (PastDue, &[Active, Unpaid, Canceled]),
        (Unpaid, &[Active, PastDue, Canceled]),
        (Paused, &[Active, PastDue, Canceled]),
        (Canceled, &[]),
    ]
};

#[test]
fn the_graph_of_statuses_is_the_documented_one() {
    for (from, to) in GRAPH {
        for (other, _) in GRAPH {
            let is_terminal = to.is_empty();
            let is_legal = to.contains(&other) || (from == other && !is_terminal);
            assert_eq!(from.may_become(other), is_legal, "{from:?} to {other:?}");
        }
    }
}

/// Whether there is a way through the graph: several edges may be passed at one moment.
fn leads_to(from: Status, to: Status) -> bool {
    let next = |from: Status| GRAPH.iter().find(|(status, _)| *status == from).unwrap().1;
    let mut reached = vec![from];
    let mut place = 0;
    while place < reached.len() {
        for status in next(reached[place]) {
            if !reached.contains(status) {
                reached.push(*status);
            }
        }
        place += 1;
    }
    reached.contains(&to)
}

/// Invariant 9: statuses follow the graph; a failed retry never extends grace; who is past due has a grace that ends;
/// whoever is over owes nothing to the calendar.
#[test]
fn only_legal_changes_of_status_and_grace_never_moves() {
    for_seeds(11_600..11_800, changes_status_legally);
}

pub(super) fn changes_status_legally(_: u64, world: &World) {
    watch_all(world, |step| {
        let [before, after] = step.accounts();
        let (was, is) = (before.status(), after.status());
        assert!(leads_to(was, is), "{was:?} to {is:?}");
        if matches!(step.event, Event::Decided(..) | Event::Served(..) | Event::Failed(..) | Event::Closed) {
            assert_eq!(was, is, "only time and consumers change a status");
        }
        let oldest = |account: &Account| account.receivables.unpaid().next().map(|invoice| invoice.purpose);
        let grace = [before, after].map(|account| account.receivables.grace_ends());
        let has_failed = before.receivables.unpaid().next().is_some_and(|invoice| invoice.failed > 0);
        if has_failed && oldest(before) == oldest(after) {
            assert_eq!(grace[0], grace[1], "grace moves while the oldest invoice is unpaid");
        }
        if is == Status::PastDue {
            assert_ne!(grace[1], Time::NEVER, "who is past due has failed to pay");
            assert!(oldest(after).is_some(), "and owes something");
        }
        if is == Status::Active {
            assert!(after.receivables.unpaid().all(|invoice| invoice.failed == 0), "who is active has not failed");
        }
        if after.is_over() {
            assert_eq!(after.recurring, Money::ZERO);
            assert_eq!(after.fee.unearned(), Money::ZERO);
            assert!(after.next_plan.is_none() && after.upgrade.is_none());
        }
        if is == Status::Trialing {
            assert_eq!(after.books().moved(Invoice), Money::ZERO, "a trial is free");
        }
    });
}

// === Figures ===

/// Invariant 9: no state is skipped. Whoever owes is being asked, or will be; and what is owed is only left alone when the
/// subscription is, or the policy says so.
#[test]
fn a_dunning_run_never_stands_still() {
    for_seeds(12_500..12_700, never_stands_still);
}

pub(super) fn never_stands_still(_: u64, world: &World) {
    let dunning = &world.scenario.payments.dunning;
    watch_all(world, |step| {
        let [_, after] = step.accounts();
        let Some(oldest) = after.receivables.unpaid().next() else { return };
        assert_ne!(after.status(), Status::IncompleteExpired, "a void invoice is not owed");
        let is_coming = after.timers.get(Deadline::Retry) != Time::NEVER || after.receivables.has_asked();
        let has_ended = oldest.failed as usize > dunning.retries.len();
        assert!(is_coming || has_ended || after.status() == Status::Incomplete, "{oldest:?}: nobody asks for it");
        assert!(oldest.failed as usize <= dunning.retries.len() + 1);
        if has_ended {
            assert!(dunning.finally != Finally::Cancel, "{oldest:?}: the subscription should have ended");
            let status = if dunning.finally == Finally::Keep { Status::PastDue } else { Status::Unpaid };
            assert_eq!(after.status(), status);
        }
    });
}

/// The figures of an outcome are those of its accounts, counted again.
#[test]
fn the_figures_of_an_outcome_are_the_sum_of_what_its_accounts_hold() {
    for_seeds(11_900..12_000, |_, world| {
        let figures = play_all(world).figures();
        identities(&figures);
        let record =
            |consumer| crate::log::record(world, consumer, &mut crate::sim::Scratch::default()).unwrap().account;
        let accounts: Vec<_> = world.consumers().map(record).collect();
        let sum = |of: &dyn Fn(&Account) -> i64| accounts.iter().map(|account| i128::from(of(account))).sum::<i128>();
        let due = |account: &Account| account.receivables.unpaid().map(|invoice| invoice.amount.nanos()).sum();
        assert_eq!(figures.outstanding, sum(&due));
        assert_eq!(figures.mrr, sum(&|account| account.recurring.nanos()));
        assert_eq!(figures.leaked, sum(&|account| account.overdraft.nanos()));
        let accrued = |account: &Account| {
            account.segments().map(|segment| segment.charged.nanos()).sum::<i64>()
                + account.uninvoiced.map(Money::nanos).iter().sum::<i64>()
        };
        assert_eq!(figures.accrued, sum(&accrued));
    });
}

// === A machine that is asked anything at any time ===

/// An account whose surroundings do whatever comes to their mind.
struct Machine {
    catalog: Catalog,
    account: Account,
    now: Time,
    /// What the processor was asked and has not answered.
    asked: Vec<Charge>,
    /// Every attempt ever made, by its idempotency key.
    keys: BTreeSet<(Purpose, u32)>,
    paid: BTreeSet<Purpose>,
    holds: Vec<(HoldId, usize)>,
    plans: u64,
}

impl Machine {
    fn new(world: &World, consumer: Consumer) -> Self {
        let account = world.open(consumer).unwrap().into_account();
        Self {
            catalog: world.catalog.clone(),
            now: account.seen.billing.max(Time::START),
            account,
            asked: Vec::new(),
            keys: BTreeSet::new(),
            paid: BTreeSet::new(),
            holds: Vec::new(),
            plans: world.scenario.plans.len() as u64,
        }
    }

    fn at(&self) -> Now {
        Now { traffic: self.now, billing: self.now }
    }

    /// Every attempt has a key of its own, nothing is asked for twice at once, and what is paid is never asked for again.
    fn act(&mut self, actions: Vec<Action>) {
        for Action::Charge(charge) in actions {
            assert!(self.keys.insert((charge.purpose, charge.attempt)), "{charge:?} has the key of another attempt");
            assert!(!self.paid.contains(&charge.purpose), "{charge:?} was paid already");
            assert!(charge.amount > Money::ZERO, "{charge:?} asks for nothing");
            let is_credit = matches!(charge.purpose, Purpose::TopUp(_));
            assert!(!is_credit || !self.account.is_over(), "{charge:?} sells credit to one who has left");
            assert!(self.asked.iter().all(|other| other.purpose != charge.purpose), "{charge:?} is asked for already");
            self.asked.push(charge);
        }
        self.account.check();
        let figures = Figures::of(|movement| i128::from(self.account.books().moved(movement).nanos()));
        identities(&figures);
    }

    fn pass(&mut self, span: Span) {
        let until = self.now + span;
        loop {
            let at = Now { traffic: until, billing: until };
            if self.account.is_idle(at) {
                break;
            }
            let next = self.account.next_deadline();
            let what = match self.account.next_due() {
                Some((billing, what)) if billing <= next.traffic => what,
                _ => Deadline::Hold,
            };
            self.now = self.now.max(next.traffic.min(next.billing));
            let mut actions = Vec::new();
            self.account.deadline(self.at(), what, &self.catalog, &mut actions).unwrap();
            self.act(actions);
        }
        self.now = until;
    }

    fn answer(&mut self, place: usize, answer: Answer) {
        let charge = self.asked.remove(place);
        let (now, before) = (self.at(), self.account.books().moved(Capture).nanos());
        let mut actions = Vec::new();
        self.account.processor(now, &self.catalog, charge, answer, &mut actions).unwrap();
        let captured = self.account.books().moved(Capture).nanos() - before;
        if answer == Answer::Paid && captured > 0 {
            assert_eq!(captured, charge.amount.nanos());
            self.paid.insert(charge.purpose);
        } else {
            assert_eq!(captured, 0);
            // A payment is only given back to one whose invoice is gone, or whose subscription is.
            assert!(answer != Answer::Paid || self.account.is_over(), "{charge:?} is paid for nothing");
        }
        self.act(actions);
    }

    fn does(&mut self, dice: &mut Dice) {
        let now = self.at();
        let mut actions = Vec::new();
        match dice.below(40) {
            0..4 => {
                self.account.change_plan(now, &self.catalog, dice.below(self.plans) as usize, &mut actions).unwrap();
            }
            4..7 => self.account.new_card(now, &self.catalog, &mut actions).unwrap(),
            7 => self.account.buy_credit(now, &self.catalog, Money::from_nanos(10_000_000), &mut actions),
            8 if dice.one_in(4) => self.account.leave(now, &self.catalog, &mut actions).unwrap(),
            9 => {
                let terms = Returns { suspends: super::days(1), ..Returns::default() };
                self.account.gone_back(now, Refund, Money::from_nanos(7), &terms).unwrap();
            }
            10..16 if !self.asked.is_empty() => {
                let place = dice.below(self.asked.len() as u64) as usize;
                let soft = Answer::Declined(Decline::DoNotHonor);
                let hard = Answer::Declined(Decline::LostCard);
                return self.answer(place, dice.one_of(&[Answer::Paid, Answer::Paid, soft, soft, hard, Answer::Error]));
            }
            16..22 => {
                let seconds = dice.one_of(&[0, 1, 500, 4_000, 90_000, 700_000, 3_000_000]);
                return self.pass(super::secs(dice.below(seconds + 1)));
            }
            22..27 if !self.holds.is_empty() => self.resolve(dice),
            _ => {
                let route = dice.below(self.catalog.cohorts[0].most.len() as u64) as u16;
                if let Decision::Admit(admission) =
                    self.account.request(now, &self.catalog, View::ReadThrough, route, false).unwrap()
                {
                    self.holds.push((admission.hold, usize::from(route)));
                }
            }
        }
        self.act(actions);
        // Whatever is due at once is done at once, as every driver does.
        self.pass(Span::ZERO);
    }

    fn resolve(&mut self, dice: &mut Dice) {
        let (hold, route) = self.holds.remove(dice.below(self.holds.len() as u64) as usize);
        let most = self.catalog.cohorts[self.account.consumer().cohort as usize].most[route];
        let usage = most.map(|most| dice.below(most + 1));
        if dice.one_in(5) {
            self.account.failed(self.at(), &self.catalog, hold, dice.below(3) as u8, &usage).unwrap();
        } else {
            self.account.served(self.at(), &self.catalog, hold, &usage).unwrap();
        }
    }
}

/// Invariant 4, and all the others again: an account that is asked anything at any moment, by a processor that answers
/// late and in any order. Each attempt has its own key, at most one of an invoice succeeds, the books balance.
#[test]
fn whatever_happens_no_invoice_is_paid_twice() {
    for_each_seed(12_000..12_400, does_anything);
}

/// A renewal takes the balance that an upgrade had counted on, while the processor is thinking: what is missing then has a
/// key of its own.
#[test]
fn the_rest_of_an_upgrade_is_not_asked_for_under_its_name() {
    does_anything(1_001_058);
    does_anything(1_098_590);
}

pub(super) fn does_anything(seed: u64) {
    let world = World::whole(drawn::scenario(seed).into()).unwrap();
    let dice = &mut Dice::new(seed);
    for consumer in world.consumers().filter(|consumer| consumer.index == 0) {
        let mut machine = Machine::new(&world, consumer);
        for _ in 0..400 {
            machine.does(dice);
        }
        while !machine.asked.is_empty() {
            machine.answer(0, Answer::Paid);
        }
        let end = machine.at();
        machine.account.close(end).unwrap();
    }
}
