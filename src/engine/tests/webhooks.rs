//! Accounts that hear of their payments by webhook. Stories begin on 1 March 2026; the renewal of a monthly fee of $30 falls
//! on day 31.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::drawn::{self, Dice};
use super::payments::{Played, one, reaction};
use super::story::{first, hours, monthly, per_unit};
use super::{FIRST, after, days, dollars, for_each_seed, play_all, secs, world};
use crate::billing::account::{Account, Status};
use crate::billing::cause::Cause;
use crate::billing::decline::{Answer, Decline};
use crate::billing::inbox::{Event, EventId, Hearing, Inbox, REMEMBERED, Told};
use crate::billing::invoice::{Charge, Purpose};
use crate::billing::ledger::Movement;
use crate::billing::tally::Count;
use crate::distribution::Distribution;
use crate::draw::Chance;
use crate::log;
use crate::model::{Act, Arrivals, Card, Joined, Length, Pattern, Plan, Prepaid, Process, Returns, Scenario, Webhooks};
use crate::money::Money;
use crate::outcome::{Heard, Outcome};
use crate::sim::Scratch;
use crate::time::{HOUR, Now, SECOND, Span, Time};
use crate::world::{Via, World};

const TEN: Span = secs(10);

/// Ten seconds late, and nothing else.
fn late() -> Webhooks {
    Webhooks { delay: Distribution::Constant(TEN.ns() as f64), ..Webhooks::default() }
}

fn told(plan: Plan, webhooks: Webhooks) -> Scenario {
    let mut scenario = one(plan);
    scenario.payments.webhooks = webhooks;
    scenario
}

fn counted<const N: usize>(played: &Played, counts: [Count; N]) -> [u64; N] {
    counts.map(|count| played.party.account().tally().of(count))
}

/// How late each was heard of, and for how long the account was wrongly blocked and served.
fn heard(played: &Played) -> (Vec<Span>, Span, Span) {
    let heard = played.party.account().heard().cloned().unwrap_or_default();
    (heard.late, heard.wrongly_blocked, heard.wrongly_served)
}

const fn just_before(at: Span) -> Span {
    Span::from_ns(at.ns() - 1)
}

// === Stories ===

/// The first payment is made at once and heard of ten seconds later: until then its account is refused, wrongly. The renewal
/// is heard of as late, and nobody notices.
#[test]
fn a_payment_is_heard_of_when_its_webhook_comes() {
    let mut played = Played::new(told(monthly("30"), late()));
    assert_eq!(played.refused(just_before(TEN)), Cause::FirstPaymentFailed);
    assert_eq!(played.moved(Movement::Capture), Money::ZERO);
    assert!(played.is_served(TEN));
    assert_eq!(heard(&played), (vec![TEN], TEN, Span::ZERO));
    assert!(played.is_served(days(31) + secs(5)));
    assert_eq!(played.moved(Movement::Capture), dollars(30));
    played.until(days(31) + TEN);
    assert_eq!(played.moved(Movement::Capture), dollars(60));
    assert_eq!(heard(&played), (vec![TEN; 2], TEN, Span::ZERO));
    let counts = [Count::Events, Count::Deliveries, Count::Duplicates, Count::Reconciled, Count::WronglyBlocked];
    assert_eq!(counted(&played, counts), [2, 2, 0, 0, 1]);
}

/// Nothing is ever acknowledged: it comes nine times within three days, 5, 20, 80 … seconds apart, and is paid once.
#[test]
fn what_is_not_acknowledged_comes_again_and_counts_once() {
    let mut played = Played::new(told(monthly("30"), Webhooks { duplicate: Chance::ALWAYS, ..late() }));
    let mut due = TEN;
    for (times, wait) in [5, 20, 80, 320, 1_280, 5_120, 20_480, 81_920].into_iter().enumerate() {
        played.until(due);
        assert_eq!(counted(&played, [Count::Deliveries, Count::Duplicates]), [times as u64 + 1, times as u64]);
        due = due + secs(wait);
        played.until(just_before(due));
        assert_eq!(counted(&played, [Count::Deliveries]), [times as u64 + 1]);
    }
    played.until(days(30));
    assert_eq!(counted(&played, [Count::Deliveries, Count::Attempts]), [9, 1]);
    assert_eq!((played.moved(Movement::Capture), heard(&played)), (dollars(30), (vec![TEN], TEN, Span::ZERO)));
}

/// What others are to overtake comes two seconds late, each time.
#[test]
fn what_is_overtaken_comes_two_seconds_late() {
    let webhooks = Webhooks { reorder: Chance::ALWAYS, duplicate: Chance::ALWAYS, ..Webhooks::default() };
    let mut played = Played::new(told(monthly("30"), webhooks));
    assert_eq!(played.refused(just_before(secs(2))), Cause::FirstPaymentFailed);
    assert!(played.is_served(secs(2)));
    played.until(just_before(secs(9)));
    assert_eq!(counted(&played, [Count::Deliveries]), [1]);
    played.until(secs(9));
    assert_eq!(counted(&played, [Count::Deliveries]), [2]);
}

/// No webhook ever comes: the account hears when its gateway asks, within the hour, at the same minute of each.
#[test]
fn what_is_lost_is_found_by_asking() {
    let mut played = Played::new(told(monthly("30"), Webhooks { lose: Chance::ALWAYS, ..late() }));
    played.until(days(40));
    let (late, blocked, served) = heard(&played);
    assert_eq!((late.len(), late[0], blocked, served), (2, late[1], late[0], Span::ZERO));
    assert!(late[0] > Span::ZERO && late[0].ns() <= HOUR, "{late:?}");
    assert_eq!(counted(&played, [Count::Deliveries, Count::Reconciled, Count::Events]), [0, 2, 2]);
    assert_eq!((played.moved(Movement::Capture), played.party.account().status()), (dollars(60), Status::Active));
}

/// A webhook that is five hours late is overtaken by the gateway, which asks every hour; then it is known.
#[test]
fn what_is_very_late_is_found_by_asking_too() {
    let delay = Distribution::Constant(5.0 * HOUR as f64);
    let mut played = Played::new(told(monthly("30"), Webhooks { delay, ..late() }));
    played.until(hours(2));
    assert_eq!(counted(&played, [Count::Reconciled, Count::Deliveries]), [1, 0]);
    played.until(hours(5));
    assert_eq!(counted(&played, [Count::Reconciled, Count::Deliveries, Count::Duplicates]), [1, 1, 1]);
    assert_eq!((played.moved(Movement::Capture), counted(&played, [Count::Attempts])), (dollars(30), [1]));
}

/// Sixty who call every ninety seconds, whose renewals are declined, and who put in another card an hour after they were
/// refused for it: how long each waited from paying to the first call that was served.
fn served_again(webhooks: Webhooks) -> Vec<Vec<Span>> {
    let mut scenario = told(monthly("30"), webhooks);
    let arrivals = Pattern {
        mean_gap_ns: NINETY.ns() as f64,
        spread: None,
        process: Process::Constant,
        sessions: None,
        shape: None,
    };
    let cohort = &mut scenario.cohorts[0];
    (cohort.count, cohort.joined, cohort.arrivals) = (60, Joined::Spread, Arrivals::Patterned(arrivals));
    cohort.card = Some(Card::declining(Chance::of(1, 2)));
    cohort.reactions = vec![reaction("past_due", Act::FixCard, hours(1))];
    scenario.payments.dunning.retries = vec![days(3)];
    scenario.horizon = days(34);
    let world = world(scenario);
    let took = |consumer| log::record(&world, consumer, &mut Scratch::default()).unwrap().account.took_back().to_vec();
    world.consumers().map(took).collect()
}

const NINETY: Span = secs(90);

/// Who hears ninety seconds late is served again ninety seconds later, each one and exactly: nothing else is different.
#[test]
fn the_first_success_is_later_by_the_delay_of_the_webhook() {
    let at_once = served_again(Webhooks::default());
    let late = served_again(Webhooks { delay: Distribution::Constant(NINETY.ns() as f64), ..Webhooks::default() });
    let shifted: Vec<Vec<_>> = at_once.iter().map(|took| took.iter().map(|took| *took + NINETY).collect()).collect();
    assert_eq!(late, shifted);
    assert!(at_once.iter().flatten().count() > 20 && at_once.iter().flatten().all(|took| *took < NINETY));
}

/// Half of the webhooks are lost, and found within the hour: those who wait for them are the tail, which ends with that hour
/// and the next call; the others wait no longer than before.
#[test]
fn what_is_lost_is_the_tail_of_the_first_success() {
    let delay = Distribution::Constant(NINETY.ns() as f64);
    let late = served_again(Webhooks { delay: delay.clone(), ..Webhooks::default() });
    let lost = served_again(Webhooks { delay, lose: Chance::of(1, 2), ..Webhooks::default() });
    assert_eq!(late.iter().map(Vec::len).collect::<Vec<_>>(), lost.iter().map(Vec::len).collect::<Vec<_>>());
    let more = late
        .iter()
        .flatten()
        .zip(lost.iter().flatten())
        .map(|(late, lost)| i128::from(lost.ns()) - i128::from(late.ns()));
    let more: Vec<_> = more.collect();
    // One whose gateway asks within the ninety seconds hears sooner.
    let ninety = i128::from(NINETY.ns());
    assert!(more.iter().all(|ns| (-ninety..=i128::from(HOUR)).contains(ns)), "{more:?}");
    let tail = more.iter().filter(|ns| **ns > 0).count() as f64;
    // Binomial with a half, of which one in forty is asked about before.
    let (n, p) = (more.len() as f64, 0.5 * (1.0 - 90.0 / 3_600.0));
    assert!((tail - n * p).abs() < 5.0 * (n * p * (1.0 - p)).sqrt(), "{tail} of {n}");
    assert!(more.iter().any(|ns| *ns > i128::from(HOUR / 2)), "{more:?}");
}

/// Later than it is tried, it never comes.
#[test]
fn what_would_come_after_three_days_is_lost() {
    let delay = Distribution::Constant(days(4).ns() as f64);
    let mut played = Played::new(told(monthly("30"), Webhooks { delay, ..late() }));
    played.until(days(20));
    assert_eq!(counted(&played, [Count::Reconciled, Count::Deliveries]), [1, 0]);
}

/// Gateways do not all ask at once: a thousand do at moments that are spread over the hour.
#[test]
fn not_everybody_is_asked_about_at_once() {
    let mut scenario = told(monthly("30"), Webhooks { lose: Chance::ALWAYS, ..late() });
    (scenario.cohorts[0].count, scenario.cohorts[0].joined, scenario.horizon) = (1_000, Joined::Start, days(1));
    let outcome = play_all(&world(scenario));
    let heard = &outcome.cohorts[0].heard;
    // Uniform over an hour: the mean of a thousand deviates by an hour ÷ √12,000.
    let (mean, deviation) = (heard.late_ns.0 as f64 / 1_000.0 / HOUR as f64, 1.0 / 12_000_f64.sqrt());
    assert!((mean - 0.5).abs() < 5.0 * deviation, "{mean}");
    assert_eq!(heard.late_ns, heard.wrongly_blocked_ns);
    assert_eq!(outcome.cohorts[0].count(Count::WronglyBlocked), 1_000);
}

/// A trial ends on day 30 with a card that does not pay.
fn declined(grace: Span, retries: &[u64], webhooks: Webhooks) -> Played {
    let plan = Plan { trial: Some(Length::Exact(days(30))), grace, ..monthly("30") };
    let mut scenario = told(plan, webhooks);
    scenario.cohorts[0].card = Some(Card::declining(Chance::ALWAYS));
    scenario.payments.dunning.retries = retries.iter().map(|gap| days(*gap)).collect();
    Played::new(scenario)
}

/// Served for ten seconds after the decline that nobody had heard of. Inside grace nobody is wrong, and that runs from the
/// decline.
#[test]
fn a_decline_is_heard_of_when_its_webhook_comes() {
    for (grace, wrong) in [(Span::ZERO, TEN), (secs(4), secs(6)), (TEN, Span::ZERO), (days(1), Span::ZERO)] {
        let mut played = declined(grace, &[3], late());
        assert!(played.is_served(days(30) + just_before(TEN)));
        let hears = days(30) + TEN;
        if grace <= TEN {
            assert_eq!(played.refused(hears), Cause::PastDue);
        } else {
            assert!(played.is_served(just_before(days(30) + grace)));
            assert_eq!(played.refused(days(30) + grace), Cause::PastDue);
        }
        assert_eq!(heard(&played), (vec![TEN], Span::ZERO, wrong));
        assert_eq!(counted(&played, [Count::WronglyServed]), [u64::from(wrong > Span::ZERO)]);
    }
}

/// The gap to the next attempt counts from the decline, whenever that was heard of. The last one ends the subscription in the
/// middle of its grace.
#[test]
fn a_retry_is_as_long_after_the_decline_as_without_webhooks() {
    let mut played = declined(days(5), &[3], late());
    played.until(days(33) + just_before(TEN));
    assert_eq!(counted(&played, [Count::Declined]), [1]);
    played.until(days(33) + TEN);
    assert_eq!(counted(&played, [Count::Declined]), [2]);
    assert_eq!(played.party.account().status(), Status::Canceled);
    assert_eq!(heard(&played), (vec![TEN; 2], Span::ZERO, TEN));
}

/// Past due from day 30 on, the card is replaced on day 31; paid then, heard of ten seconds later, and called again two
/// seconds after that: twelve seconds from paying to being served.
#[test]
fn the_way_back_begins_with_the_payment() {
    let of = |webhooks| {
        let plan = Plan { trial: Some(Length::Exact(days(30))), ..monthly("30") };
        let mut scenario = told(plan, webhooks);
        scenario.cohorts[0].card = None;
        scenario.cohorts[0].reactions = vec![reaction("trial_ended", Act::FixCard, days(1))];
        let mut played = Played::new(scenario);
        assert_eq!(played.refused(days(30)), Cause::TrialEnded);
        played.until(days(31) + TEN);
        assert!(played.is_served(days(31) + secs(12)));
        played
    };
    assert_eq!(of(Webhooks::default()).party.account().took_back(), [secs(12)]);
    assert_eq!(of(late()).party.account().took_back(), [secs(12)]);

    let mut plan = monthly("30");
    plan.grace = Span::ZERO;
    let mut scenario = told(plan, late());
    scenario.cohorts[0].card = None;
    scenario.cohorts[0].reactions = vec![reaction("no_payment_method", Act::FixCard, hours(1))];
    let mut played = Played::new(scenario);
    assert_eq!(played.refused(secs(1)), Cause::NoPaymentMethod);
    assert_eq!(played.refused(hours(1) + secs(5)), Cause::FirstPaymentFailed);
    assert!(played.is_served(hours(1) + secs(13)));
    assert_eq!(played.party.account().took_back(), [secs(12)]);
    // From the payment until it was heard of.
    assert_eq!(heard(&played), (vec![TEN], TEN, Span::ZERO));
}

/// Charged back ten days after the payment: the suspension of five days begins then, and is known ten seconds later.
#[test]
fn a_chargeback_is_heard_of_by_webhook() {
    let mut scenario = told(monthly("30"), late());
    let returns = Returns { chance: Chance::ALWAYS, after: days(10), suspends: days(5), ..Returns::default() };
    scenario.payments.chargebacks = returns;
    let mut played = Played::new(scenario);
    assert!(played.is_served(days(10) + just_before(TEN)));
    assert_eq!(played.refused(days(10) + TEN), Cause::BillingHold);
    assert_eq!(played.moved(Movement::Chargeback), dollars(30));
    assert_eq!(played.refused(just_before(days(15))), Cause::BillingHold);
    assert!(played.is_served(days(15)));
    assert_eq!(heard(&played), (vec![TEN; 2], TEN, TEN));
    assert_eq!(counted(&played, [Count::Events]), [2]);
}

/// Nobody asks and nothing comes: at the end it is not heard of, and the account was refused wrongly all the time.
#[test]
fn what_is_never_heard_of_is_counted_at_the_end() {
    let webhooks = Webhooks { lose: Chance::ALWAYS, reconcile: days(4_000), ..late() };
    let mut scenario = told(monthly("30"), webhooks);
    (scenario.cohorts[0].joined, scenario.horizon) = (Joined::Start, hours(20));
    let outcome = play_all(&world(scenario));
    let cohort = &outcome.cohorts[0];
    let counts = [Count::Events, Count::Unheard, Count::Attempts, Count::WronglyBlocked];
    assert_eq!(counts.map(|count| cohort.count(count)), [1, 1, 0, 1]);
    assert_eq!(cohort.heard.wrongly_blocked_ns.0, i128::from(hours(20).ns()));
    assert_eq!((cohort.heard.events(), cohort.moved(Movement::Capture)), (0, 0));
}

/// Twenty who subscribe and pay at the first instant, are given up after 23 hours as all who have not paid by then, and hear of
/// their payment so late, or never.
fn given_up(delay: Option<Span>) -> Scenario {
    // Asked about once in centuries: nobody is within these 60 days.
    let webhooks = Webhooks { reconcile: days(100_000), ..Webhooks::default() };
    let mut scenario = told(
        monthly("30"),
        match delay {
            Some(delay) => Webhooks { delay: Distribution::Constant(delay.ns() as f64), ..webhooks },
            None => Webhooks { lose: Chance::ALWAYS, ..webhooks },
        },
    );
    (scenario.cohorts[0].count, scenario.cohorts[0].joined, scenario.horizon) = (20, Joined::Start, days(60));
    scenario
}

/// Heard of in time they are served from then on. Else nothing lets them in any more: they are wrongly blocked from the payment
/// to the end, whether it is heard of at last or not, and what is heard of is given back.
#[test]
fn who_has_paid_and_was_given_up_is_wrongly_blocked_to_the_end() {
    for (delay, blocked, given_back, unheard) in [
        (Some(hours(22)), hours(22), 0, 0),
        (Some(just_before(hours(23))), just_before(hours(23)), 0, 0),
        (Some(hours(23)), days(60), 20, 0),
        (Some(hours(30)), days(60), 20, 0),
        (None, days(60), 0, 20),
    ] {
        let cohort = &play_all(&world(given_up(delay))).cohorts[0];
        assert_eq!(cohort.heard.wrongly_blocked_ns.0, 20 * i128::from(blocked.ns()), "{delay:?}");
        assert_eq!(cohort.heard.wrongly_served_ns.0, 0);
        let counts = [Count::WronglyBlocked, Count::GivenBack, Count::Unheard].map(|count| cohort.count(count));
        assert_eq!(counts, [20, given_back, unheard], "{delay:?}");
        let amount = i128::from(dollars(30).nanos()) * i128::from(given_back);
        assert_eq!((cohort.given_back.0, cohort.moved(Movement::Refund)), (amount, 0));
    }
    // Who would have left after a month is blocked wrongly for that month.
    let mut scenario = given_up(Some(hours(30)));
    scenario.cohorts[0].churn = Chance::ALWAYS;
    let cohort = &play_all(&world(scenario)).cohorts[0];
    assert_eq!(cohort.heard.wrongly_blocked_ns.0, 20 * i128::from(days(31).ns()));
    // Who was declined has not paid, and is given up rightly.
    let mut scenario = given_up(None);
    scenario.cohorts[0].card = Some(Card::declining(Chance::ALWAYS));
    let cohort = &play_all(&world(scenario)).cohorts[0];
    assert_eq!((cohort.heard.wrongly_blocked_ns.0, cohort.count(Count::Unheard)), (0, 20));
}

/// One of them calls every second around the end of the wait, and around the news: none is served, and every refusal is
/// wrong, whether they are played by themselves or share an upstream, and in what their logs tell too.
#[test]
fn refusals_of_who_was_given_up_are_false() {
    for capacity in [None, Some(1_000)] {
        let mut scenario = given_up(Some(hours(30)));
        let around = |at: u64| (0..20).map(move |n| Span::from_ns(hours(at).ns() + n * SECOND - 10 * SECOND));
        scenario.cohorts[0].arrivals = super::wrong::calls_at(around(23).chain(around(30)).chain(around(1_000)));
        scenario.upstreams[0].capacity = capacity;
        let world = world(scenario);
        assert_eq!(world.is_shared(), capacity.is_some());
        let outcome = super::wrong::play_judged(&world);
        let all = outcome.cohorts[0].oracle.as_ref().unwrap().whole();
        let wrong: Vec<_> = all.false_refusals.iter().map(|(name, wrong)| (name.as_str(), wrong.count)).collect();
        assert_eq!(wrong, [("canceled", 50), ("first_payment_failed", 10)]);
        assert_eq!((all.served_rightly, all.refused_rightly, all.leaks.len()), (0, 0, 0));
        assert_eq!(outcome.cohorts[0].heard.wrongly_blocked_ns.0, 20 * i128::from(days(60).ns()));
        super::wrong::is_as_its_log(0, &world);
    }
}

/// A bucket of the distribution ends after ten seconds; nobody has waited as long.
#[test]
fn no_quantile_is_later_than_the_latest() {
    let mut scenario = told(monthly("30"), late());
    (scenario.cohorts[0].count, scenario.cohorts[0].joined, scenario.horizon) = (20, Joined::Start, days(40));
    let heard = &play_all(&world(scenario)).cohorts[0].heard;
    assert!(heard.late[0][0] > TEN.ns(), "{:?}", heard.late);
    assert_eq!([0.01, 0.5, 1.0].map(|q| heard.quantile(q)), [Some(TEN.ns()); 3]);
    assert_eq!(heard.late_max_ns, TEN.ns());
}

/// An error of the processor is no event of it: it is known at once, and an hour later it is asked again.
#[test]
fn an_error_is_heard_at_once() {
    let mut scenario = told(monthly("30"), late());
    scenario.payments.processor.errors = Chance::ALWAYS;
    let mut played = Played::new(scenario);
    played.until(hours(3));
    assert_eq!(counted(&played, [Count::Errors, Count::Events]), [4, 0]);
    assert_eq!(heard(&played), (vec![], Span::ZERO, Span::ZERO));
}

/// On a fast clock the delay stays what it is: ten seconds of traffic, which are ten hours of the subscription.
#[test]
fn webhooks_are_late_on_the_traffic_clock() {
    let mut scenario = told(monthly("30"), late());
    (scenario.cohorts[0].joined, scenario.horizon) = (Joined::Start, days(3));
    let clock = crate::time::Clock::new(hours(1), secs(1));
    let live = crate::model::Live { rate_per_s: 1.0, duration: secs(72), clock: Some(clock), ..scenario.live.clone() };
    let world = World::scaled(scenario.into(), &live).unwrap();
    let mut party = world.open(FIRST).unwrap();
    world.catch_up(&mut party, clock.at(Time::START + TEN)).unwrap();
    assert_eq!(party.account().status(), Status::Active);
    let heard = party.account().heard().unwrap();
    assert_eq!((&heard.late[..], heard.wrongly_blocked), (&[TEN][..], TEN));
}

// === The oracle ===

/// A call every second for 20 seconds, from half past the first on: ten are refused though they are paid for, and nothing
/// else is wrong. It is the same of credit.
#[test]
fn refusals_of_who_has_paid_are_false() {
    let prepaid = Prepaid { grants: Vec::new(), ..Prepaid::opening(dollars(1)) };
    let prepaid = Prepaid {
        auto_top_up: Some(crate::model::TopUp { below: dollars(1), add: dollars(100), at_most: None }),
        ..prepaid
    };
    let credit = Plan { prepaid: Some(prepaid), prices: first(per_unit("1")), ..Plan::new("prepaid") };
    for (plan, cause) in [(monthly("30"), "first_payment_failed"), (credit, "credit_exhausted")] {
        let outcome = judged(&every_second(told(plan, late()), Span::ZERO));
        let all = outcome.cohorts[0].oracle.as_ref().unwrap().whole();
        let wrong: Vec<_> = all.false_refusals.iter().map(|(name, wrong)| (name.as_str(), wrong.count)).collect();
        assert_eq!(wrong, [(cause, 10)]);
        assert_eq!((all.served_rightly, all.refused_rightly, all.leaks.len()), (10, 0, 0));
    }
}

/// The same after a trial that ends unpaid: what passes before the decline is heard of is a leak.
#[test]
fn calls_of_who_has_not_paid_leak() {
    let plan = Plan { trial: Some(Length::Exact(days(30))), grace: secs(4), ..monthly("30") };
    let mut scenario = told(plan, late());
    scenario.cohorts[0].card = Some(Card::declining(Chance::ALWAYS));
    scenario.payments.dunning.retries = vec![days(3)];
    let outcome = judged(&every_second(scenario, days(30)));
    let all = outcome.cohorts[0].oracle.as_ref().unwrap().whole();
    assert_eq!((all.leaks["past_due"].count, all.leaks.len(), all.false_refusals.len()), (6, 1, 0));
    assert_eq!((all.served_rightly, all.refused_rightly), (4, 10));
}

/// Twenty calls, a second apart.
fn every_second(mut scenario: Scenario, from: Span) -> Scenario {
    let at = (0..20).map(|n| from + Span::from_ns(n * SECOND + SECOND / 2));
    scenario.cohorts[0].arrivals = super::wrong::calls_at(at);
    scenario.cohorts[0].joined = Joined::Start;
    scenario
}

fn judged(scenario: &Scenario) -> Outcome {
    super::wrong::play_judged(&world(scenario.clone()))
}

// === Whatever happens ===

/// What an outcome says but of webhooks.
fn without_webhooks(mut outcome: Outcome) -> Outcome {
    for cohort in &mut outcome.cohorts {
        cohort.heard = Heard::default();
        for name in ["events", "deliveries", "duplicates", "stale", "reconciled"] {
            cohort.counts.remove(name);
        }
    }
    outcome
}

/// Webhooks that come again change nothing, whatever else happens: neither where the first comes at once, nor where it is
/// late.
#[test]
fn duplicates_change_nothing() {
    let again = Cell::new(0);
    for_each_seed(30_000..30_300, |seed| {
        let play = |webhooks: Webhooks| {
            let mut scenario = drawn::scenario(seed);
            scenario.payments.webhooks = webhooks;
            play_all(&drawn::world_of(seed, scenario))
        };
        let late = if seed % 2 == 0 { Webhooks::default() } else { late() };
        let twice = play(Webhooks { duplicate: Chance::of(1, 2), ..late.clone() });
        again.set(again.get() + twice.cohorts.iter().map(|cohort| cohort.count(Count::Duplicates)).sum::<u64>());
        assert_eq!(without_webhooks(twice), without_webhooks(play(late)));
    });
    assert!(again.get() > 1_000, "only {} came again", again.get());
}

/// Where every card is good, webhooks that are late, come again, are overtaken and lost change nothing in the end but when
/// money came: nobody is charged twice, nobody forgotten, and every amount is the same to the nano.
#[test]
fn however_they_come_everything_is_paid_once() {
    let (found, compared) = (Cell::new(0), Cell::new(0));
    for_each_seed(31_000..31_250, |seed| {
        let mut scenario = drawn::calm(seed);
        for cohort in &mut scenario.cohorts {
            // Whoever signs up is refused until the webhook comes: a story of its own.
            cohort.joined = Joined::Spread;
        }
        let before = play_all(&world(scenario.clone()));
        scenario.payments.webhooks = Webhooks {
            delay: Distribution::Exponential { mean: 60.0 * SECOND as f64 },
            duplicate: Chance::of(3, 10),
            reorder: Chance::of(3, 10),
            lose: Chance::of(2, 10),
            ..Webhooks::default()
        };
        let after = play_all(&world(scenario));
        let of = |count: Count| after.cohorts.iter().map(|cohort| cohort.count(count)).sum::<u64>();
        // What the end has cut off is told by another test.
        if of(Count::Unheard) > 0 {
            return;
        }
        for (before, after) in before.cohorts.iter().zip(&after.cohorts) {
            for movement in Movement::ALL {
                assert_eq!(before.moved(movement), after.moved(movement), "{movement:?}");
            }
            assert_eq!((&before.refused, before.served), (&after.refused, after.served));
            assert_eq!(before.paid_by_attempt, after.paid_by_attempt);
            assert_eq!(before.count(Count::Attempts), after.count(Count::Attempts));
        }
        found.set(found.get() + of(Count::Reconciled));
        compared.set(compared.get() + 1);
    });
    assert!(found.get() > 100 && compared.get() > 100, "{} found in {}", found.get(), compared.get());
}

/// Each event is heard of once or not at all, and each delivery is of one that was not, or known, or out of date.
#[test]
fn every_event_and_every_delivery_is_accounted_for() {
    let seen = Cell::new(0);
    super::for_seeds(32_000..32_300, |_, world| {
        for cohort in &play_all(world).cohorts {
            let of = |count| cohort.count(count);
            let first = of(Count::Events) - of(Count::Reconciled) - of(Count::Unheard);
            assert_eq!(of(Count::Deliveries), first + of(Count::Duplicates) + of(Count::Stale));
            assert_eq!(cohort.heard.events(), first + of(Count::Reconciled));
            seen.set(seen.get() + of(Count::Events));
        }
    });
    assert!(seen.get() > 1_000, "only {}", seen.get());
}

// === The receiver ===

/// What is told of some payments, in the order of their versions: declines, a capture, and sometimes that it went back.
fn script(dice: &mut Dice) -> Vec<Event> {
    let mut events = Vec::new();
    for number in 0..=dice.below(4) as u32 {
        let purpose = if dice.coin() { Purpose::Period(number) } else { Purpose::TopUp(number) };
        let attempts = 1 + dice.below(4) as u32;
        for attempt in 1..=attempts {
            let answer = if attempt == attempts { Answer::Paid } else { Answer::Declined(Decline::InsufficientFunds) };
            let charge = Charge { purpose, attempt, amount: dollars(1) };
            events.push(Event { charge, told: Told::Answered(answer), at: after(secs(u64::from(attempt))) });
        }
        if dice.one_in(3) {
            let charge = Charge { purpose, attempt: attempts, amount: dollars(1) };
            let told = Told::Returned(dice.one_of(&[Movement::Refund, Movement::Chargeback]));
            events.push(Event { charge, told, at: after(secs(9)) });
        }
    }
    events
}

/// A thousand scripts: each event any number of times, at least once, in any order. What the receiver takes for news leaves
/// each payment as far as it had come, as each event once and in order would have.
#[test]
fn any_order_and_any_repetition_ends_in_the_same_state() {
    let seen = Cell::new([0_u64; 3]);
    for_each_seed(0..1_000, |seed| {
        let dice = &mut Dice::new(seed ^ 0x1B0);
        let events = script(dice);
        let mut deliveries: Vec<Event> =
            events.iter().flat_map(|event| vec![*event; 1 + dice.below(3) as usize]).collect();
        for place in (1..deliveries.len()).rev() {
            deliveries.swap(place, dice.below(place as u64 + 1) as usize);
        }
        let (mut inbox, mut state) = (Inbox::default(), BTreeMap::new());
        let mut times: BTreeMap<EventId, u64> = BTreeMap::new();
        for (event, second) in deliveries.iter().zip(10..) {
            let hearing = inbox.hear(event, Time::START + secs(second));
            let mut counts = seen.get();
            counts[hearing as usize] += 1;
            seen.set(counts);
            if hearing == Hearing::News {
                let told_before = state.insert(event.charge.purpose, *event).map(|before: Event| before.id());
                assert!(told_before < Some(event.id()), "nothing goes back");
                *times.entry(event.id()).or_default() += 1;
            }
        }
        let in_order: BTreeMap<_, _> = events.iter().map(|event| (event.charge.purpose, *event)).collect();
        assert_eq!(state, in_order);
        assert!(times.values().all(|times| *times == 1), "nothing is news twice");
    });
    assert!(seen.get().iter().all(|count| *count > 500), "{:?}", seen.get());
}

/// What can come no more is forgotten, so the receiver never remembers more than a week of events.
#[test]
fn what_can_come_no_more_is_forgotten() {
    let mut inbox = Inbox::default();
    let event = |number: u32| {
        let charge = Charge { purpose: Purpose::TopUp(number), attempt: 1, amount: dollars(1) };
        Event { charge, told: Told::Answered(Answer::Paid), at: after(hours(u64::from(number))) }
    };
    for number in 0..1_000 {
        let now = Time::START + hours(u64::from(number));
        assert_eq!(inbox.hear(&event(number), now), Hearing::News);
        assert_eq!(inbox.hear(&event(number.saturating_sub(167)), now), Hearing::Duplicate);
        assert!(inbox.remembers() as u64 <= REMEMBERED.ns() / HOUR);
    }
}

/// Credit that is bought several times over, a renewal and what goes back: what nobody has heard of is told to the account,
/// again and again and in any order. A thousand times it ends as it would have in order.
#[test]
fn an_account_ends_the_same_however_it_is_told() {
    let webhooks = Webhooks { lose: Chance::ALWAYS, reconcile: days(4_000), ..Webhooks::default() };
    let prepaid = Prepaid::opening(dollars(1));
    let world = world(told(Plan { prepaid: Some(prepaid), prices: first(per_unit("1")), ..monthly("30") }, webhooks));
    for_each_seed(0..1_000, |seed| {
        let dice = &mut Dice::new(seed ^ 0x5C1);
        let now = after(days(33));
        let mut party = world.open(FIRST).unwrap();
        for hour in 0..=dice.below(5) {
            let at = after(days(2) + hours(hour));
            world.catch_up(&mut party, at).unwrap();
            world.intervene(&mut party, at, Act::TopUp(dollars(1 + hour as i64))).unwrap();
        }
        world.catch_up(&mut party, now).unwrap();
        let mut events = party.unheard().to_vec();
        for event in events.clone() {
            if dice.one_in(3) {
                events.push(Event { told: Told::Returned(Movement::Refund), at: now, ..event });
            }
        }
        let told = |events: &[Event]| {
            let mut party = party.clone();
            for event in events {
                world.hear(&mut party, now, event, Via::Webhook).unwrap();
            }
            assert!(party.unheard().is_empty());
            said_of(party.account(), now)
        };
        let in_order = told(&events);
        let mut shuffled: Vec<Event> =
            events.iter().flat_map(|event| vec![*event; 1 + dice.below(3) as usize]).collect();
        for place in (1..shuffled.len()).rev() {
            shuffled.swap(place, dice.below(place as u64 + 1) as usize);
        }
        assert_eq!(told(&shuffled), in_order);
    });
}

/// The books, the standing, the credit, and what was counted of payments.
fn said_of(account: &Account, _: Now) -> (Vec<Money>, Status, Money, Vec<u64>) {
    account.check();
    let counts = [Count::Attempts, Count::TopUps, Count::Declined, Count::Invoices];
    (
        Movement::ALL.map(|movement| account.books().moved(movement)).to_vec(),
        account.status(),
        account.credit(),
        counts.map(|count| account.tally().of(count)).to_vec(),
    )
}
