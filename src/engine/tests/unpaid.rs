//! What it is like not to have paid: how long accounts are blocked, how long it takes to recover what is due and to be
//! served again, and what the refused calls would have been worth.
//!
//! The stories begin on 1 March 2026 with a sign-up whose first month is paid at once, so the renewals are on days 31,
//! 61 and 92.

use super::story::{BROKE, LOST, Story, first, hours, monthly, per_unit, usd};
use super::{
    after, days, drawn, for_each_seed, for_seeds, play_all, poisson, recorder, requests, scenario, secs, world,
};
use crate::billing::cause::{Cause, Kind};
use crate::billing::decline::Answer::{self, Error};
use crate::billing::gate::Decision;
use crate::billing::tally::{Count, RECOVERY_DAYS};
use crate::draw::Chance;
use crate::log;
use crate::model::{
    AppliesTo, Card, Change, Client, Cohort, Delay, Dunning, Failures, Finally, Funds, Joined, Length, PastAllowance,
    Period, Plan, Prepaid, REQUESTS, Retry, Scenario,
};
use crate::outcome::{CohortOutcome, Outcome, RouteOutcome};
use crate::sim::{self, Scratch};
use crate::time::{Clock, DAY, HOUR, Span, Time};
use crate::world::World;

fn declined(grace: Span, retries: &[u64], finally: Finally) -> Scenario {
    let plan = Plan { grace, ..monthly("30") };
    let mut scenario = scenario(days(365), plan, Cohort::new("one", 1, poisson(days(1))));
    let retries = retries.iter().map(|gap| days(*gap)).collect();
    scenario.payments.dunning = Dunning { retries, finally, ..Dunning::default() };
    scenario
}

/// The first month is paid; the processor then answers as told.
fn story(scenario: &Scenario, answers: &[Answer]) -> Story {
    let mut story = Story::begin(scenario, &[]);
    story.will_answer(answers);
    story
}

fn at(span: Span) -> Time {
    Time::START + span
}

/// How long it was blocked, and whether it counts as blocked.
fn blocked(party: &Story) -> (Span, u64) {
    (Span::from_ns(party.account.tally().blocked_ns as u64), party.count(Count::Blocked))
}

// === Days blocked ===

/// Grace ends on day 41 while nobody calls, and dunning on day 46.
#[test]
fn grace_that_ends_by_itself_begins_the_days_blocked() {
    let of = |grace, finally, end| {
        let mut party = story(&declined(days(grace), &[3, 5, 7], finally), &[BROKE; 4]);
        party.close(at(days(end)));
        blocked(&party)
    };
    assert_eq!(of(10, Finally::Cancel, 300), (days(5), 1));
    assert_eq!(of(0, Finally::Cancel, 300), (days(15), 1));
    // In `unpaid` and with `keep` it lasts until the end, however many periods begin meanwhile.
    assert_eq!(of(10, Finally::Unpaid, 100), (days(59), 1));
    assert_eq!(of(10, Finally::Keep, 100), (days(59), 1));
    // `unpaid` is refused in grace too.
    assert_eq!(of(20, Finally::Unpaid, 100), (days(54), 1));
    assert_eq!(of(20, Finally::Keep, 100), (days(49), 1));
    // Whoever is within grace at the end, or until dunning ends, never was.
    assert_eq!(of(10, Finally::Cancel, 41), (Span::ZERO, 0));
    assert_eq!(of(15, Finally::Cancel, 300), (Span::ZERO, 0));
}

/// April is paid on day 71 and May's invoice, which had waited for it, is declined: its grace of ten days is its own.
#[test]
fn each_invoice_has_days_of_its_own() {
    let mut party = story(&declined(days(10), &[40], Finally::Cancel), &[BROKE, Answer::Paid, BROKE]);
    party.close(at(days(90)));
    assert_eq!(blocked(&party), (days(30 + 9), 1));
}

/// Between two answers nothing has changed yet.
#[test]
fn an_answer_that_takes_its_time_ends_them_when_it_comes() {
    let mut party = story(&declined(days(1), &[3], Finally::Cancel), &[BROKE]);
    party.until(at(days(33)));
    party.processor_takes_its_time();
    party.until(at(days(34)));
    party.answer_all(at(days(34) + hours(5)), 1);
    party.close(at(days(40)));
    assert_eq!(blocked(&party), (days(2) + hours(5), 1));
}

/// A first payment that is only waited for blocks nobody; one that failed does, for the rest of the 23 hours or until it
/// is made.
#[test]
fn a_first_payment_blocks_from_when_it_has_failed() {
    let scenario = declined(days(10), &[3], Finally::Cancel);
    let of = |answer, card: Option<u64>| {
        let mut party = Story::awaited(&scenario, Span::ZERO, &[]);
        party.processor_takes_its_time();
        party.until(at(Span::ZERO));
        party.answer(at(hours(1)), answer);
        if let Some(card) = card {
            party.new_card(at(hours(card)));
            party.answer(at(hours(card)), Answer::Paid);
        }
        party.close(at(days(20)));
        (blocked(&party), party.account.tally().recovered_by_day.clone(), party.count(Count::RecoveredByCard))
    };
    assert_eq!(of(BROKE, None), ((hours(22), 1), vec![], 0));
    assert_eq!(of(LOST, Some(6)), ((hours(5), 1), vec![1], 1));
    assert_eq!(of(Answer::Paid, None), ((Span::ZERO, 0), vec![], 0));
    // An error says nothing of the card, and the consumer is refused for it all the same.
    assert_eq!(of(Error, None).0, (hours(22), 1));
    let mut without = scenario.clone();
    without.cohorts[0].card = None;
    let mut party = Story::begin(&without, &[]);
    party.close(at(days(2)));
    assert_eq!(blocked(&party), (hours(23), 1));
}

/// At every moment at which the gate refuses for a debt the days run, and at none at which it admits.
#[test]
fn the_days_run_exactly_while_the_gate_refuses_for_a_debt() {
    let seen = std::cell::Cell::new([0_u32; 2]);
    for_seeds(61_000..61_060, |_, world| {
        let end = world.end().traffic.ns();
        for consumer in world.consumers().take(3) {
            let mut party = world.open(consumer).unwrap();
            for step in 0..500 {
                let now = world.schedule.pace().clock.at(Time::from_ns(end / 500 * step));
                world.catch_up(&mut party, now).unwrap();
                let decision = world.request(&mut party, now, 0, 1).unwrap();
                let runs = party.account().blocked_from <= now.billing;
                let [mut debts, mut served] = seen.get();
                match decision {
                    Decision::Refuse(Cause::PastDue | Cause::Unpaid) => {
                        assert!(runs);
                        debts += 1;
                    }
                    Decision::Refuse(cause) if cause.kind() == Kind::Limit => assert!(!runs, "{cause:?}"),
                    Decision::Refuse(_) => {}
                    Decision::Admit(admission) => {
                        assert!(!runs);
                        served += 1;
                        world.failed(&mut party, now, admission.hold, 0, &[1, 0, 0, 0]).unwrap();
                    }
                }
                seen.set([debts, served]);
            }
        }
    });
    assert!(seen.get().iter().all(|seen| *seen > 1_000), "{:?}", seen.get());
}

/// Invariant 12: a longer grace never means more days blocked, consumer by consumer. With reactions, or with usage on the
/// invoices, of which there is more when more is served, it could.
#[test]
fn a_longer_grace_never_means_more_days_blocked() {
    let fewer = std::cell::Cell::new(0);
    for_each_seed(62_000..62_150, |seed| {
        let with = |grace: Span| {
            let mut scenario = drawn::scenario(seed);
            for cohort in &mut scenario.cohorts {
                cohort.reactions.clear();
                cohort.client = Client::none();
            }
            let changed = scenario.changes.iter_mut().map(|change| &mut change.becomes);
            for plan in scenario.plans.iter_mut().chain(changed) {
                plan.grace = grace;
                (plan.prices, plan.overage) = Default::default();
                (plan.prepaid, plan.minimum, plan.pays_per_request) = (None, crate::money::Money::ZERO, false);
                if plan.past_allowance == PastAllowance::Overage {
                    plan.past_allowance = PastAllowance::Block;
                }
            }
            let world = world(scenario);
            let of = |history: &log::History| history.account.tally().blocked_ns;
            log::record_all(&world).unwrap().iter().map(of).collect::<Vec<_>>()
        };
        let each = [Span::ZERO, hours(7), days(2), days(9), days(30)].map(with);
        for pair in each.windows(2) {
            assert!(pair[0].iter().zip(&pair[1]).all(|(shorter, longer)| shorter >= longer), "{each:?}");
            fewer.set(fewer.get() + pair[0].iter().zip(&pair[1]).filter(|(shorter, longer)| shorter > longer).count());
        }
    });
    assert!(fewer.get() > 100, "{} were blocked for less", fewer.get());
}

/// The sum over a hundred million consumers and ten years is in range, and merged like every other.
#[test]
fn days_of_everybody_fit_the_sum() {
    let mut of = scenario(days(1), Plan::new("free"), Cohort::new("all", 1, poisson(days(1))));
    of.seed = 5;
    let mut outcome = play_all(&world(of));
    let most = 100_000_000 * 3_652 * i128::from(DAY);
    outcome.cohorts[0].dunned.blocked_ns.0 = most;
    let mut other = outcome.clone().as_replication(5, 1);
    other.cohorts[0].dunned.blocked_ns.0 = most;
    outcome.stack(other).unwrap();
    assert_eq!(outcome.summed().cohorts[0].dunned.blocked_ns.0, 2 * most);
}

// === Recovered ===

/// Declined on day 31 and on day 34, paid on day 39.
#[test]
fn a_recovered_invoice_counts_on_its_day() {
    let mut party = story(&declined(days(2), &[3, 5, 7], Finally::Cancel), &[BROKE, BROKE]);
    party.close(at(days(60)));
    let tally = party.account.tally();
    assert_eq!(
        (tally.recovered_by_day.len(), tally.recovered_by_day[8], tally.recovered_ns),
        (9, 1, 8 * u128::from(DAY))
    );
    assert_eq!((blocked(&party), party.count(Count::RecoveredByCard)), ((days(6), 1), 0));
}

/// A new card at noon of the fourth day pays what was due; the schedule would have tried on the eighth.
#[test]
fn whole_days_are_counted_and_a_new_card_apart() {
    let mut party = story(&declined(days(2), &[8], Finally::Cancel), &[BROKE]);
    party.new_card(at(days(34) + hours(12)));
    let tally = party.account.tally();
    assert_eq!(tally.recovered_by_day, [0, 0, 0, 1]);
    assert_eq!((tally.recovered_ns, party.count(Count::RecoveredByCard)), (84 * u128::from(HOUR), 1));
}

/// What is paid after ninety days is in the last place.
#[test]
fn later_days_are_not_told_apart() {
    let mut party = story(&declined(days(0), &[89, 100], Finally::Cancel), &[BROKE, BROKE]);
    party.close(at(days(300)));
    let tally = party.account.tally();
    assert_eq!((tally.recovered_by_day.len(), tally.recovered_by_day[RECOVERY_DAYS]), (RECOVERY_DAYS + 1, 1));
    assert_eq!(tally.recovered_ns, 189 * u128::from(DAY));
}

/// An error of the processor is no failed attempt: an invoice that is paid after it was not recovered.
#[test]
fn what_is_paid_after_an_error_was_not_recovered() {
    let mut party = story(&declined(days(2), &[8], Finally::Cancel), &[Error, Error]);
    party.close(at(days(40)));
    assert!(party.account.tally().recovered_by_day.is_empty());
}

/// q(g): the chance that who is broke has money `gap` days later.
fn funded_after(gap: f64) -> f64 {
    let (up, down) = (1.0 / 10.0, 1.0 / 20.0);
    up / (up + down) * (1.0 - libm::exp(-(up + down) * gap))
}

/// `validation.md`: a two-state card, 10 days broke and 20 funded, retried after gaps of 3, 5 and 7 days. Of the invoices
/// that failed at first, q(3) are paid on day 3, (1 − q(3))·q(5) on day 8, (1 − q(3))(1 − q(5))·q(7) on day 15.
#[test]
fn recovered_by_day_is_what_the_two_state_card_says() {
    let plan = Plan {
        fee: usd("120"),
        fee_period: Some(Period::Year),
        trial: Some(Length::Exact(days(30))),
        ..Plan::new("yearly")
    };
    let mut cohort = Cohort::new("all", 20_000, poisson(days(9_000)));
    cohort.joined = Joined::Start;
    cohort.card = Some(Card { funds: Some(Funds { broke: days(10), funded: days(20) }), ..Card::good() });
    let mut scenario = scenario(days(50), plan, cohort);
    let retries = [3, 5, 7].map(days).to_vec();
    scenario.payments.dunning = Dunning { retries, finally: Finally::Keep, ..Dunning::default() };
    let outcome = play_all(&world(scenario));
    let cohort = &outcome.cohorts[0];
    let failed = (cohort.count(Count::Invoices) - cohort.paid_by_attempt[0]) as f64;
    let mut left = 1.0;
    let mut nanos = 0;
    for (day, gap) in [(3, 3.0), (8, 5.0), (15, 7.0)] {
        let chance = left * funded_after(gap);
        let (found, deviation) =
            (cohort.dunned.recovered_by_day[day] as f64, (failed * chance * (1.0 - chance)).sqrt());
        assert!((found - failed * chance).abs() < 5.0 * deviation, "day {day}: {found} of {failed}, not {chance}");
        left *= 1.0 - funded_after(gap);
        nanos += i128::from(cohort.dunned.recovered_by_day[day] * day as u64) * i128::from(DAY);
    }
    assert!((1.0 - left - 0.721).abs() < 5e-4);
    // On no other day, each to the nanosecond, and as many as a later attempt has paid.
    assert_eq!(cohort.dunned.recovered(), cohort.paid_by_attempt[1..].iter().sum::<u64>());
    assert_eq!(cohort.dunned.recovered_by_day.iter().filter(|count| **count > 0).count(), 3);
    assert_eq!(cohort.dunned.recovered_ns.0, nanos);
    // Of all that are recovered, 33 of 100 are by day 3 and 70 by day 8.
    assert_eq!([0.25, 0.5, 0.9].map(|q| cohort.dunned.quantile(q)), [Some(3), Some(8), Some(15)]);
}

/// Where everybody has a card, as many are recovered as a later attempt has paid.
#[test]
fn as_many_are_recovered_as_a_later_attempt_has_paid() {
    let seen = std::cell::Cell::new(0);
    for_each_seed(63_000..63_150, |seed| {
        let mut scenario = drawn::scenario(seed);
        scenario.cohorts.iter_mut().for_each(|cohort| cohort.card = cohort.card.or(Some(Card::good())));
        // After a hard decline nothing is tried, and the first attempt that is made may be the one that pays.
        scenario.payments.dunning.retries_hard_declines = true;
        for cohort in &play_all(&world(scenario)).cohorts {
            let later = cohort.paid_by_attempt[1..].iter().sum::<u64>();
            assert_eq!(cohort.dunned.recovered(), later);
            assert!(cohort.count(Count::RecoveredByCard) <= later);
            seen.set(seen.get() + later);
        }
    });
    assert!(seen.get() > 50, "{} were recovered", seen.get());
}

// === Back in service ===

/// What a story's account has seen: how long it took each time, and how often it has not come back.
fn took(party: &mut Story, end: Span) -> (Vec<Span>, u64) {
    party.close(at(end));
    (party.account.took_back().to_vec(), party.count(Count::NotBack))
}

/// Refused on day 32, paid on day 34, served on day 36: two days, in traffic time, whatever the billing clock shows.
#[test]
fn back_in_service_counts_from_paying_to_the_first_call_served() {
    for (clock, length) in [(Clock::REAL, days(2)), (Clock::new(days(1), secs(10)), secs(20))] {
        let mut party = story(&declined(days(0), &[3], Finally::Cancel), &[BROKE]).at_pace(clock);
        assert_eq!(party.refused(at(days(32))), Cause::PastDue);
        party.calls(at(days(36)), 3);
        assert_eq!(took(&mut party, days(40)), (vec![length], 0));
    }
}

/// Only what is admitted after the payment, and is served, tells that it was good.
#[test]
fn what_was_under_way_before_or_fails_is_not_back() {
    let mut party = story(&declined(hours(1), &[3], Finally::Cancel), &[BROKE]);
    let early = party.admitted(at(days(31) + hours(1)) - Span::from_ns(1)).hold;
    assert_eq!(party.refused(at(days(31) + hours(1))), Cause::PastDue);
    party.new_card(at(days(31) + hours(1)));
    party.served(at(days(31) + hours(1)) + secs(9), early, crate::billing::catalog::ONE_REQUEST);
    let failing = party.admitted(at(days(31) + hours(2))).hold;
    party.failed(at(days(31) + hours(2)), failing);
    party.calls(at(days(31) + hours(4)), 1);
    assert_eq!(took(&mut party, days(40)), (vec![hours(3)], 0));
}

#[test]
fn whoever_pays_and_does_not_come_back_is_counted() {
    let mut party = story(&declined(days(0), &[3], Finally::Cancel), &[BROKE]);
    party.refused(at(days(32)));
    assert_eq!(took(&mut party, days(40)), (vec![], 1));
    // Whoever was never refused does not wait for anything, nor does one who never pays.
    let mut silent = story(&declined(days(0), &[3], Finally::Cancel), &[BROKE]);
    assert_eq!(took(&mut silent, days(40)), (vec![], 0));
    let mut broke = story(&declined(days(0), &[3], Finally::Keep), &[BROKE; 2]);
    broke.refused(at(days(32)));
    assert_eq!(took(&mut broke, days(40)), (vec![], 0));
}

/// An allowance that is new by itself was not paid for, though a renewal is captured at that moment.
#[test]
fn an_allowance_that_renews_is_not_paying() {
    let plan = Plan { allowance: requests(1), ..monthly("30") };
    let mut party = story(&scenario(days(365), plan, Cohort::new("one", 1, poisson(days(1)))), &[]);
    party.calls(at(days(1)), 1);
    assert_eq!(party.refused(at(days(2))), Cause::QuotaExhausted);
    party.calls(at(days(32)), 1);
    assert_eq!(took(&mut party, days(40)), (vec![], 0));
}

/// Credit that is bought makes good that there was none; too little of it does not.
#[test]
fn credit_makes_good_what_it_covers() {
    let plan = Plan { prepaid: Some(Prepaid::opening(usd("1"))), prices: first(per_unit("1")), ..Plan::new("credit") };
    let mut party = story(&scenario(days(365), plan, Cohort::new("one", 1, poisson(days(1)))), &[]);
    party.calls(at(days(1)), 1);
    assert_eq!(party.refused(at(days(2))), Cause::CreditExhausted);
    party.buys(at(days(3)), "0.50");
    assert_eq!(party.refused(at(days(4))), Cause::CreditExhausted);
    party.buys(at(days(5)), "0.50");
    party.calls(at(days(5) + hours(7)), 1);
    assert_eq!(took(&mut party, days(40)), (vec![hours(7)], 0));
}

/// An upgrade that is paid makes good that the allowance was used up.
#[test]
fn an_upgrade_makes_good_what_it_includes() {
    let plan = |fee, units| Plan { allowance: requests(units), ..monthly(fee) };
    let mut of = scenario(days(365), plan("30", 1), Cohort::new("one", 1, poisson(days(1))));
    of.plans.push(Plan { name: "more".to_owned(), ..plan("60", 9) });
    let mut party = story(&of, &[]);
    party.calls(at(days(1)), 1);
    assert_eq!(party.refused(at(days(2))), Cause::QuotaExhausted);
    party.change_plan(at(days(3)), 1);
    party.calls(at(days(3) + secs(5)), 1);
    assert_eq!(took(&mut party, days(9)), (vec![secs(5)], 0));
}

/// The histogram of a run has as many as its accounts say, played alone or told from a log.
#[test]
fn the_histogram_has_every_time_of_every_account() {
    let seen = std::cell::Cell::new(0);
    for_seeds(64_000..64_200, |_, world| {
        let outcome = play_all(world);
        for (number, cohort) in (0..).zip(&outcome.cohorts) {
            let own = world.consumers().filter(|consumer| consumer.cohort == number);
            let record = |consumer| log::record(world, consumer, &mut Scratch::default()).unwrap().account;
            let times: u64 = own.map(|consumer| record(consumer).took_back().len() as u64).sum();
            if !world.is_shared() {
                assert_eq!(cohort.first_success.iter().map(|[_, count]| count).sum::<u64>(), times);
            }
            seen.set(seen.get() + times);
        }
    });
    assert!(seen.get() > 5, "{} came back", seen.get());
}

// === Refused demand ===

fn value(cohort: &CohortOutcome) -> i128 {
    cohort.refused_demand.iter().filter_map(crate::outcome::Demand::value).sum()
}

/// Calls whose last attempt was refused for money or by a limit.
fn refused_for_good(cohort: &CohortOutcome) -> u64 {
    let is_demand = |name: &String| matches!(Cause::from_name(name).unwrap().kind(), Kind::Billing | Kind::Limit);
    let last = cohort.routes.values().map(RouteOutcome::calls);
    last.flat_map(|route| route.refused).filter(|(name, _)| is_demand(name)).map(|(_, calls)| calls).sum()
}

/// $30 for 100 requests is 30 cents each. Of those that a client tries again only what is refused at last counts.
#[test]
fn refused_calls_are_worth_their_share_of_the_fee() {
    let client = |attempts| {
        let retry = Retry { on: Failures::CLIENT, attempts, delay: Delay::constant(days(9)), ..Client::none().retry };
        Client { retry, ..Client::none() }
    };
    for client in [Client::none(), client(3)] {
        let plan = Plan { allowance: requests(100), ..monthly("30") };
        let cohort = Cohort { client, ..Cohort::new("all", 20, poisson(hours(6))) };
        let outcome = play_all(&world(scenario(days(70), plan, cohort)));
        let cohort = &outcome.cohorts[0];
        let [row] = &cohort.refused_demand[..] else { panic!("{:?}", cohort.refused_demand) };
        assert_eq!((row.plan.as_str(), row.version, row.meter.as_str()), ("monthly", 0, "requests"));
        assert_eq!(row.units, refused_for_good(cohort));
        assert!(row.units > 100);
        assert_eq!(value(cohort), i128::from(row.units) * 300_000_000);
    }
}

/// What was refused before a price change is worth the old price, what comes after it the new one.
#[test]
fn refused_demand_is_told_apart_by_price_version() {
    let plan = |price: &str| Plan {
        limits: vec![crate::model::Limit::FixedWindow(crate::model::Rate { requests: 1, per: days(1) })],
        prices: first(per_unit(price)),
        usage_period: Some(Period::Month),
        ..Plan::new("metered")
    };
    let mut of = scenario(days(40), plan("0.10"), Cohort::new("all", 10, poisson(hours(6))));
    let change = Change { at: days(20), plan: 0, becomes: plan("0.25"), applies_to: AppliesTo::All };
    of.changes.push(change);
    let outcome = play_all(&world(of.clone()));
    let cohort = &outcome.cohorts[0];
    let units: Vec<_> = cohort.refused_demand.iter().map(|row| row.units).collect();
    assert_eq!(cohort.refused_demand.iter().map(|row| row.version).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(value(cohort), i128::from(units[0]) * 100_000_000 + i128::from(units[1]) * 250_000_000);
    assert_eq!(units.iter().sum::<u64>(), refused_for_good(cohort));
    // As many as were refused before it.
    let before = (20 * DAY / outcome.bucket_ns) as usize;
    assert_eq!(
        (units[0], 20 * DAY % outcome.bucket_ns),
        (cohort.timeline.refused["rate_limited"][..before].iter().sum(), 0)
    );
}

/// Money is never made up: what has no list price is counted in units.
#[test]
fn what_has_no_list_price_is_not_worth_nothing() {
    let limits = vec![crate::model::Limit::FixedWindow(crate::model::Rate { requests: 1, per: days(1) })];
    let of = scenario(days(20), Plan { limits, ..Plan::new("free") }, Cohort::new("all", 10, poisson(hours(6))));
    let outcome = play_all(&world(of));
    let [row] = &outcome.cohorts[0].refused_demand[..] else { panic!() };
    assert_eq!((row.units, row.price, row.value()), (refused_for_good(&outcome.cohorts[0]), None, None));
}

/// Every call whose last attempt was refused for money or by a limit is counted once, with all that it would have used;
/// and the price versions are those of the rules.
#[test]
fn refused_demand_is_what_last_attempts_would_have_used() {
    let seen = std::cell::Cell::new(0);
    for_seeds(65_000..65_200, |_, world| {
        let mut recorder = recorder(world);
        for consumer in world.consumers() {
            sim::play(world, consumer, &mut recorder, &mut Scratch::default()).unwrap();
        }
        let parts = super::everyone(world);
        let outcome = Outcome::new(&world.scenario, 1, &recorder, &parts);
        for (cohort, record) in outcome.cohorts.iter().zip(&recorder.cohorts) {
            let lost: u64 = record.lost.iter().map(|units| units[REQUESTS]).sum();
            assert_eq!(lost, refused_for_good(cohort));
            seen.set(seen.get() + lost);
            for (terms, units) in record.lost.iter().enumerate().filter(|(_, units)| units[REQUESTS] > 0) {
                let plan = &world.scenario.plans[world.catalog.terms[terms].plan];
                let version = world.catalog.versions[world.catalog.terms[terms].plan]
                    .iter()
                    .position(|version| version.terms as usize == terms);
                let own = |row: &&crate::outcome::Demand| {
                    row.plan == plan.name && Some(row.version as usize) == version && row.meter == "requests"
                };
                let row = cohort.refused_demand.iter().find(own);
                assert!(row.is_none_or(|row| row.units == units[REQUESTS]));
            }
        }
    });
    assert!(seen.get() > 1_000);
}

/// Whoever is declined half of the time: all figures at once, from any cut of the population.
#[test]
fn parts_merge_to_the_whole() {
    let plan = Plan { allowance: requests(20), grace: days(2), ..monthly("30") };
    let mut cohort = Cohort::new("all", 60, poisson(days(1)));
    cohort.card = Some(Card::declining(Chance::of(1, 2)));
    let mut of = scenario(days(100), plan, cohort);
    let retries = [3, 5, 7].map(days).to_vec();
    of.payments.dunning = Dunning { retries, finally: Finally::Keep, ..Dunning::default() };
    let world: World = world(of);
    let whole = play_all(&world);
    let mut sum = super::play(&world, &[vec![[0, 17]]]);
    sum.merge(&super::play(&world, &[vec![[17, 60]]])).unwrap();
    assert_eq!(sum, whole);
    let cohort = &whole.cohorts[0];
    assert!(cohort.dunned.blocked_ns.0 > 0 && cohort.dunned.recovered() > 0 && !cohort.first_success.is_empty());
    assert!(value(cohort) > 0 && cohort.count(Count::Blocked) < 60 && after(days(1)).billing > Time::START);
}
