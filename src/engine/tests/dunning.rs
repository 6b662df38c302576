//! Stories about money that is due: fees, declined renewals, grace, retries, and how a dunning run ends.
//!
//! All of them begin on 1 March 2026 with a sign-up whose first month is paid at once, so the renewals are on days 31
//! (1 April), 61 and 92; April has 30 days and the fee is $30, a dollar a day.

use super::story::{BROKE, LOST, Story, first, hours, monthly, per_unit, usd};
use super::{days, scenario, secs};
use crate::billing::account::Status;
use crate::billing::catalog::ONE_REQUEST;
use crate::billing::cause::Cause;
use crate::billing::decline::Answer::{self, Error, Paid};
use crate::billing::gate::Decision;
use crate::billing::invoice::Purpose::{Change, Last, Period, Usage};
use crate::billing::ledger::{LedgerAccount, Movement};
use crate::billing::tally::Count;
use crate::model::{Cohort, Discount, Dunning, Fees, Finally, Plan, Scenario, Share};
use crate::time::{Span, Time};

const NANOSECOND: Span = Span::from_ns(1);

fn declined(grace: Span, retries: &[u64], finally: Finally) -> Scenario {
    let plan = Plan { grace, ..monthly("30") };
    let mut scenario = scenario(days(365), plan, Cohort::new("one", 1, super::poisson(days(1))));
    let retries = retries.iter().map(|gap| days(*gap)).collect();
    scenario.payments.dunning = Dunning { retries, finally, ..Dunning::default() };
    scenario
}

/// The first month is paid; the processor then answers as told.
fn story(scenario: &Scenario, answers: &[Answer]) -> Story {
    let mut story = Story::begin(scenario, &[]);
    story.asks(&[("2026-03-01", "$30.00")]);
    story.will_answer(answers);
    story
}

fn after(span: Span) -> Time {
    Time::START + span
}

/// What a call meets at an instant: served, served by grace, or refused and why. The call fails, so nothing is left of it.
fn meets(party: &mut Story, at: Span) -> Result<&'static str, Cause> {
    match party.call(after(at)) {
        Decision::Admit(admission) => {
            party.failed(after(at), admission.hold);
            Ok(if admission.in_grace { "in grace" } else { "served" })
        }
        Decision::Refuse(cause) => Err(cause),
    }
}

fn just_before(days: Span) -> Span {
    Span::from_ns(days.ns() - 1)
}

/// The renewal of 1 April is declined, and so are the retries 3, 8 and 15 days later. With ten days of grace the consumer
/// is served, with a warning, until 11 April, however many retries fail meanwhile; then refused; then canceled.
#[test]
fn a_declined_renewal_goes_through_grace_and_retries_to_the_end() {
    let mut party = story(&declined(days(10), &[3, 5, 7], Finally::Cancel), &[BROKE; 4]);
    assert_eq!(meets(&mut party, just_before(days(31))), Ok("served"));
    for at in [days(31), days(31) + NANOSECOND, days(34), days(39) + NANOSECOND, just_before(days(41))] {
        assert_eq!(meets(&mut party, at), Ok("in grace"), "{at:?}");
    }
    for at in [days(41), days(42), just_before(days(46))] {
        assert_eq!(meets(&mut party, at), Err(Cause::PastDue), "{at:?}");
    }
    for at in [days(46), days(61), days(92), days(200)] {
        assert_eq!(meets(&mut party, at), Err(Cause::Canceled), "{at:?}");
    }
    assert_eq!(
        party.attempts(),
        [(31.0, Period(1), 1), (34.0, Period(1), 2), (39.0, Period(1), 3), (46.0, Period(1), 4)]
    );
    assert!(party.charged.iter().all(|(_, charge)| charge.amount == usd("30")));
}

/// Canceled on 16 April: March was paid and earned, 15 days of April are earned and lost with the rest of the invoice.
#[test]
fn canceling_writes_the_debt_off_and_leaves_nothing_deferred() {
    let mut party = story(&declined(days(10), &[3, 5, 7], Finally::Cancel), &[BROKE; 4]);
    party.until(after(days(300)));
    assert_eq!(
        party.journal(),
        [("invoice", 60.0), ("capture", 30.0), ("write_off", 30.0), ("reverse", 15.0), ("earn", 45.0)]
    );
    let balances = [LedgerAccount::Deferred, LedgerAccount::Receivable, LedgerAccount::Cash, LedgerAccount::BadDebt];
    assert_eq!(balances.map(|account| party.holds(account)), ["$0.00", "$0.00", "$30.00", "$15.00"]);
    assert_eq!(party.holds(LedgerAccount::Earned), "-$45.00");
    let counts = [Count::Attempts, Count::Declined, Count::Exhausted, Count::Drafted].map(|count| party.count(count));
    assert_eq!(counts, [5, 4, 1, 0]);
    // Nobody pays monthly any more.
    assert_eq!([Movement::MrrNew, Movement::MrrChurn].map(|movement| party.moved(movement)), ["$30.00", "$30.00"]);
}

/// Two months are owed when the run ends on 11 May (day 71): both are written off, of May 10 of 31 days were earned.
#[test]
fn canceling_writes_off_every_month_that_is_owed() {
    let mut party = story(&declined(days(0), &[40], Finally::Cancel), &[BROKE; 2]);
    party.until(after(days(100)));
    // $30 × 10 ÷ 31 = $9.677419354838…, and the rest of May is never earned.
    assert_eq!(party.moved(Movement::Invoice), "$90.00");
    assert_eq!(party.moved(Movement::WriteOff), "$60.00");
    assert_eq!(party.moved(Movement::Earn), "$69.677419355");
    assert_eq!(party.moved(Movement::Reverse), "$20.322580645");
}

/// With `unpaid` the debt of April stays, May and June are only drafted, and nothing is attempted any more.
#[test]
fn unpaid_drafts_what_comes_and_attempts_nothing() {
    let mut party = story(&declined(days(10), &[3, 5, 7], Finally::Unpaid), &[BROKE; 4]);
    assert_eq!(meets(&mut party, just_before(days(46))), Err(Cause::PastDue));
    assert_eq!(meets(&mut party, days(46)), Err(Cause::Unpaid));
    assert_eq!(meets(&mut party, days(93)), Err(Cause::Unpaid));
    assert_eq!(party.status(), Status::Unpaid);
    assert_eq!(party.journal(), [("invoice", 60.0), ("capture", 30.0), ("earn", 60.0)]);
    assert_eq!((party.charged.len(), party.count(Count::Drafted), party.count(Count::Exhausted)), (4, 2, 1));
    assert_eq!(party.figure(|figures| figures.mrr), "$0.00");
}

/// Unpaid since 16 April; a new card on 11 May (day 71) pays April at once, and the rest of May: 21 of its 31 days,
/// $20.32. From 1 June all is as before.
#[test]
fn whoever_is_unpaid_and_pays_goes_on() {
    let mut party = story(&declined(days(10), &[3, 5, 7], Finally::Unpaid), &[BROKE; 4]);
    party.until(after(days(71)));
    party.charged.clear();
    party.new_card(after(days(71)));
    assert_eq!(party.attempts(), [(71.0, Period(1), 5), (71.0, Change(0), 1)]);
    party.asks(&[("2026-05-11", "$30.00"), ("2026-05-11", "$20.32")]);
    assert_eq!(meets(&mut party, days(71)), Ok("served"));
    party.until(after(days(92)));
    party.asks(&[("2026-06-01", "$30.00")]);
    party.close(after(days(122)));
    // March, April, 21 days of May, June.
    assert_eq!(party.moved(Movement::Earn), "$110.32");
    let mrr = [Movement::MrrNew, Movement::MrrChurn, Movement::MrrReactivation].map(|movement| party.moved(movement));
    assert_eq!(mrr, ["$30.00", "$30.00", "$30.00"]);
}

/// Twelve calls at a dollar, in grace in April; unpaid from the 21st on, so April is kept. At half price that is $6 on 11 May,
/// beside $10.16 for the rest of that month.
#[test]
fn what_was_kept_while_unpaid_is_billed_with_its_discount() {
    let mut scenario = declined(days(60), &[20], Finally::Unpaid);
    scenario.plans[0].prices[0] = Some(per_unit("1"));
    scenario.cohorts[0].discount = Some(Discount { off: Share { parts: 1, of: 2 }, length: None });
    let mut party = Story::begin(&scenario, &[]);
    party.will_answer(&[BROKE; 2]);
    party.calls(after(days(40)), 12);
    party.until(after(days(71)));
    party.charged.clear();
    party.new_card(after(days(71)));
    party.asks(&[("2026-05-11", "$15.00"), ("2026-05-11", "$16.16")]);
    assert_eq!(party.moved(Movement::Discount), "$6.00");
}

/// As above, but the rest of May is declined: past due once more, with a run and a grace of its own.
#[test]
fn whoever_pays_what_was_due_and_no_more_is_past_due_again() {
    let mut party = story(&declined(days(10), &[3], Finally::Unpaid), &[BROKE; 2]);
    party.until(after(days(71)));
    party.will_answer(&[Paid, BROKE]);
    party.new_card(after(days(71)));
    assert_eq!((party.status(), meets(&mut party, days(71))), (Status::PastDue, Ok("in grace")));
    assert_eq!(party.attempts().last(), Some(&(71.0, Change(0), 1)));
    assert_eq!((meets(&mut party, days(74)), party.status()), (Ok("served"), Status::Active));
    assert_eq!(party.attempts().last(), Some(&(74.0, Change(0), 2)));
}

/// With `keep` the months go on being invoiced and owed, and the consumer refused; the run is over all the same. A new
/// card pays all of them, the oldest first.
#[test]
fn keep_stays_past_due_until_a_new_card_pays_everything() {
    let mut party = story(&declined(days(10), &[3, 5, 7], Finally::Keep), &[BROKE; 4]);
    assert_eq!(meets(&mut party, days(93)), Err(Cause::PastDue));
    assert_eq!(party.status(), Status::PastDue);
    assert_eq!((party.charged.len(), party.count(Count::Drafted), party.count(Count::Exhausted)), (4, 0, 1));
    // Who is past due still counts.
    assert_eq!(party.figure(|figures| figures.mrr), "$30.00");
    let mut paying = story(&declined(days(10), &[3, 5, 7], Finally::Keep), &[BROKE; 4]);
    paying.until(after(days(93)));
    paying.charged.clear();
    paying.new_card(after(days(93)));
    assert_eq!(paying.attempts(), [(93.0, Period(1), 5), (93.0, Period(2), 1), (93.0, Period(3), 1)]);
    assert_eq!(meets(&mut paying, days(93)), Ok("served"));
    party.close(after(days(93)));
    // March, April and May are earned, and one of June's 30 days.
    assert_eq!(party.journal(), [("invoice", 120.0), ("capture", 30.0), ("earn", 91.0)]);
    assert_eq!(party.figure(|figures| figures.outstanding), "$90.00");
}

/// April is declined and tried again only after 40 days, on day 71; May's invoice of day 61 has waited for it. Both are
/// paid at once, the older first, and all is as before.
#[test]
fn a_retry_that_succeeds_pays_what_waited_behind_it() {
    let mut party = story(&declined(days(10), &[40], Finally::Cancel), &[BROKE, Paid, Paid]);
    assert_eq!(meets(&mut party, days(61)), Err(Cause::PastDue));
    assert_eq!(meets(&mut party, days(71)), Ok("served"));
    assert_eq!(party.status(), Status::Active);
    assert_eq!(party.attempts(), [(31.0, Period(1), 1), (71.0, Period(1), 2), (71.0, Period(2), 1)]);
    party.until(after(days(92)));
    assert_eq!(party.attempts().last(), Some(&(92.0, Period(3), 1)));
    let counts = [Count::Attempts, Count::Declined, Count::Exhausted].map(|count| party.count(count));
    assert_eq!(counts, [5, 1, 0]);
    assert_eq!(party.account.tally().paid_by_attempt, [3, 1, 0, 0, 0, 0, 0, 0]);
}

/// As above, seen from a driver whose processor takes its time: April is paid, May has been asked for and not answered.
/// The grace of April is over, and not all that is due is paid: the consumer is refused until the answer says more.
#[test]
fn between_two_answers_the_subscription_is_not_paid_up() {
    let mut party = story(&declined(days(10), &[40], Finally::Cancel), &[BROKE]);
    party.until(after(just_before(days(71))));
    party.processor_takes_its_time();
    party.answer_all(after(days(71)), 1);
    assert_eq!(
        party.waiting.iter().map(|charge| (charge.purpose, charge.attempt)).collect::<Vec<_>>(),
        [(Period(2), 1)]
    );
    assert_eq!(party.status(), Status::PastDue);
    assert_eq!(meets(&mut party, days(71)), Err(Cause::PastDue));
    party.answer_all(after(days(71)), 1);
    assert_eq!(party.status(), Status::Active);
}

/// As above, but May's first attempt on day 71 is declined: May has a grace and a run of retries of its own.
#[test]
fn what_waited_and_is_declined_begins_a_run_of_its_own() {
    let mut party = story(&declined(days(10), &[40], Finally::Cancel), &[BROKE, Paid, BROKE, BROKE]);
    assert_eq!(meets(&mut party, just_before(days(71))), Err(Cause::PastDue));
    assert_eq!(meets(&mut party, days(71)), Ok("in grace"));
    assert_eq!(meets(&mut party, just_before(days(81))), Ok("in grace"));
    assert_eq!(meets(&mut party, days(81)), Err(Cause::PastDue));
    assert_eq!(meets(&mut party, days(111)), Err(Cause::Canceled));
    assert_eq!(
        party.attempts(),
        [(31.0, Period(1), 1), (71.0, Period(1), 2), (71.0, Period(2), 1), (111.0, Period(2), 2)]
    );
}

/// The last retry falls on the very instant of May's renewal. It is about the older invoice and goes first: the
/// subscription ends, and May is never invoiced.
#[test]
fn a_retry_goes_before_a_renewal_of_the_same_instant() {
    let mut party = story(&declined(days(0), &[30], Finally::Cancel), &[BROKE; 2]);
    assert_eq!(meets(&mut party, days(61)), Err(Cause::Canceled));
    assert_eq!(party.journal(), [("invoice", 60.0), ("capture", 30.0), ("write_off", 30.0), ("earn", 60.0)]);

    let mut party = story(&declined(days(0), &[30], Finally::Unpaid), &[BROKE; 2]);
    party.until(after(days(61)));
    assert_eq!(party.count(Count::Drafted), 1);
}

/// No retries and no grace: the one decline ends it, at the instant of the renewal.
#[test]
fn without_retries_the_first_decline_is_the_end() {
    let mut party = story(&declined(days(0), &[], Finally::Cancel), &[BROKE]);
    assert_eq!(meets(&mut party, days(31)), Err(Cause::Canceled));
    assert_eq!(
        party.journal(),
        [("invoice", 60.0), ("capture", 30.0), ("write_off", 30.0), ("reverse", 30.0), ("earn", 30.0)]
    );
}

/// Nine attempts on one invoice: those after the eighth are counted together.
#[test]
fn the_last_place_counts_all_later_attempts() {
    let mut party = story(&declined(days(30), &[1; 8], Finally::Cancel), &[BROKE; 8]);
    assert_eq!(meets(&mut party, days(39)), Ok("served"));
    assert_eq!(party.account.tally().paid_by_attempt, [1, 0, 0, 0, 0, 0, 0, 1]);
}

/// Who joins on 31 January renews on 28 February, 31 March, 30 April: days 28, 59, 89 — never on 28 March.
#[test]
fn a_monthly_fee_from_the_31st_comes_back_to_the_31st() {
    let mut scenario = declined(days(0), &[], Finally::Cancel);
    scenario.start = jiff::civil::date(2026, 1, 31).at(0, 0, 0, 0);
    let mut party = Story::begin(&scenario, &[]);
    party.until(after(days(120)));
    assert_eq!(
        party.attempts(),
        [(0.0, Period(0), 1), (28.0, Period(1), 1), (59.0, Period(2), 1), (89.0, Period(3), 1), (120.0, Period(4), 1)]
    );
    // 28 days of $30/28, and of the 31 days from 28 February to 31 March none is lost.
    assert_eq!(party.journal(), [("invoice", 150.0), ("capture", 150.0), ("earn", 120.0)]);
}

/// Half of April is over on day 46, less one nanosecond: 14 days, 23:59:59 are earned, for the second is not over.
#[test]
fn a_fee_is_earned_by_the_whole_second() {
    let mut party = story(&declined(days(0), &[], Finally::Cancel), &[]);
    party.until(after(days(40)));
    party.close(after(just_before(days(46))));
    let of_april: i128 = 30_000_000_000 * (15 * 86_400 - 1) / (30 * 86_400);
    let earned = -party.account.books().balance(LedgerAccount::Earned) - 30_000_000_000;
    // 14.999988425925…: rounded once, to the nearest nano.
    assert!(earned == of_april || earned == of_april + 1, "{earned}");
    assert_eq!(earned, 14_999_988_426);
}

// === Hard declines, new cards, errors ===

/// The card is lost on 1 April. No retry is made on it, though the run lasts until 16 April as it would have; a policy
/// that retries hard declines makes all three.
#[test]
fn a_hard_decline_ends_the_attempts_and_not_the_run() {
    let scenario = declined(days(10), &[3, 5, 7], Finally::Cancel);
    let mut party = story(&scenario, &[LOST; 4]);
    assert_eq!(meets(&mut party, just_before(days(46))), Err(Cause::PastDue));
    assert_eq!(meets(&mut party, days(46)), Err(Cause::Canceled));
    assert_eq!(party.attempts(), [(31.0, Period(1), 1)]);

    let mut scenario = scenario;
    scenario.payments.dunning.retries_hard_declines = true;
    let mut party = story(&scenario, &[LOST; 4]);
    assert_eq!(meets(&mut party, days(46)), Err(Cause::Canceled));
    assert_eq!(party.charged.len(), 4);
}

/// Lost on 1 April, replaced on 4 April: tried at once, and paid. A policy that waits for the schedule tries it when the
/// retry was planned, on 11 April.
#[test]
fn a_new_card_is_tried_at_once_or_when_the_schedule_says() {
    let scenario = declined(days(20), &[10], Finally::Cancel);
    let mut party = story(&scenario, &[LOST, Paid]);
    party.new_card(after(days(34)));
    assert_eq!(party.attempts(), [(31.0, Period(1), 1), (34.0, Period(1), 2)]);
    assert_eq!(meets(&mut party, days(34)), Ok("served"));

    let mut scenario = scenario;
    scenario.payments.dunning.waits_for_schedule = true;
    let mut party = story(&scenario, &[LOST, Paid]);
    party.new_card(after(days(34)));
    assert_eq!(meets(&mut party, days(40)), Ok("in grace"));
    assert_eq!(meets(&mut party, days(41)), Ok("served"));
    assert_eq!(party.attempts(), [(31.0, Period(1), 1), (41.0, Period(1), 2)]);
}

/// The new card is declined too: that attempt is beside the schedule, whose retries come as they would have, on 11 and
/// 21 April.
#[test]
fn a_new_card_that_is_declined_leaves_the_schedule() {
    let mut party = story(&declined(days(5), &[10, 10], Finally::Cancel), &[BROKE; 4]);
    party.new_card(after(days(34)));
    assert_eq!(meets(&mut party, days(36)), Err(Cause::PastDue));
    assert_eq!(meets(&mut party, days(51)), Err(Cause::Canceled));
    let days: Vec<f64> = party.attempts().iter().map(|(day, ..)| *day).collect();
    assert_eq!(days, [31.0, 34.0, 41.0, 51.0]);
}

/// A new card comes while the processor is still thinking about the scheduled attempt: its decline is the schedule's, so
/// the next retry is ten days later.
#[test]
fn a_new_card_beside_an_attempt_under_way_loses_no_retry() {
    let mut party = story(&declined(days(5), &[10], Finally::Cancel), &[]);
    party.processor_takes_its_time();
    party.until(after(days(31)));
    party.new_card(after(days(31) + secs(10)));
    party.answer(after(days(31) + secs(20)), BROKE);
    party.until(after(days(41)));
    assert!(party.waiting.is_empty());
    party.until(after(days(41) + secs(20)));
    assert_eq!(party.waiting.len(), 1);
    party.answer(after(days(41) + secs(20)), BROKE);
    assert_eq!(party.status(), Status::Canceled);
}

/// An error of the processor says nothing about the card: the subscription stays active, and an hour later it is asked
/// again. The attempts are numbered all the same.
#[test]
fn an_error_of_the_processor_is_tried_again_after_an_hour() {
    let mut party = story(&declined(days(0), &[], Finally::Cancel), &[Error, Error, Paid]);
    assert_eq!(meets(&mut party, days(31)), Ok("served"));
    party.until(after(days(32)));
    party.asks(&[("2026-04-01", "$30.00"), ("2026-04-01T01:00:00", "$30.00"), ("2026-04-01T02:00:00", "$30.00")]);
    assert_eq!((party.count(Count::Errors), party.count(Count::Declined)), (2, 0));
}

/// Grace of four days and one retry, on 4 April, when the processor is down for thirty hours: thirty errors. They are no
/// retries of the policy, so the run does not end with them; but grace goes on, and the consumer is refused from 5 April
/// until the payment of six hours later.
#[test]
fn a_retry_inside_an_outage_is_not_lost_and_grace_goes_on() {
    let answers: Vec<_> = [BROKE].into_iter().chain([Error; 30]).collect();
    let mut party = story(&declined(days(4), &[3], Finally::Cancel), &answers);
    assert_eq!(meets(&mut party, days(31)), Ok("in grace"));
    assert_eq!(meets(&mut party, just_before(days(35))), Ok("in grace"));
    assert_eq!(meets(&mut party, days(35)), Err(Cause::PastDue));
    assert_eq!(meets(&mut party, just_before(days(35) + hours(6))), Err(Cause::PastDue));
    assert_eq!(meets(&mut party, days(35) + hours(6)), Ok("served"));
    assert_eq!((party.count(Count::Errors), party.count(Count::Exhausted)), (30, 0));
    assert_eq!(party.attempts().last(), Some(&(35.25, Period(1), 32)));
    assert_eq!(party.moved(Movement::Capture), "$60.00");
}

/// The last invoice of one who leaves meets two errors, and is paid all the same: an error does not write it off.
#[test]
fn the_last_invoice_is_asked_for_until_it_is_answered() {
    let mut scenario = declined(days(0), &[3], Finally::Cancel);
    scenario.plans[0] = Plan { fee_period: None, prices: first(per_unit("0.10")), ..monthly("0") };
    let mut party = Story::begin(&scenario, &[Error, Error, Paid]);
    party.calls(after(days(3)), 7);
    party.leaves(after(days(4)));
    party.until(after(days(9)));
    party.asks(&[("2026-03-05", "$0.70"), ("2026-03-05T01:00:00", "$0.70"), ("2026-03-05T02:00:00", "$0.70")]);
    assert_eq!((party.moved(Movement::Capture).as_str(), party.moved(Movement::WriteOff).as_str()), ("$0.70", "$0.00"));
}

/// The retry of 11 April is awaited when the consumer leaves on that day: the payment comes too late and is not captured;
/// what is due is written off, and the books are square.
#[test]
fn a_payment_that_comes_after_the_end_is_not_captured() {
    let mut party = story(&declined(days(30), &[10], Finally::Cancel), &[BROKE]);
    party.until(after(days(40)));
    party.processor_takes_its_time();
    party.until(after(days(41)));
    party.leaves(after(days(41) + secs(1)));
    party.answer(after(days(41) + secs(2)), Paid);
    assert_eq!((party.status(), party.moved(Movement::Capture).as_str()), (Status::Canceled, "$30.00"));
    assert_eq!(party.figure(|figures| figures.outstanding), "$0.00");
    assert_eq!(party.moved(Movement::WriteOff), "$30.00");
}

// === What collecting costs ===

/// 2.9 % and 30 cents of $30 are $1.17; a declined attempt costs 10 cents. March and, at the third attempt, April.
#[test]
fn captures_and_declines_cost_what_the_processor_charges() {
    let mut scenario = declined(days(30), &[3, 5], Finally::Cancel);
    let success = Share { parts: 29, of: 1_000 };
    scenario.payments.fees = Fees { success, success_fixed: usd("0.30"), decline: usd("0.10"), ..Fees::default() };
    let mut party = Story::begin(&scenario, &[Paid, BROKE, BROKE, Paid]);
    party.until(after(days(60)));
    assert_eq!(party.moved(Movement::FeeSuccess), "$2.34");
    assert_eq!(party.moved(Movement::FeeDecline), "$0.20");
    party.close(after(days(60)));
    assert_eq!(party.figure(|figures| figures.collected), "$60.00");
    // March and 29 days of April are earned.
    assert_eq!(party.figure(|figures| figures.margin), "$56.46");
}

/// Seventeen retries, a day apart: eighteen attempts within thirty days, of which the card networks take fifteen. Three
/// cost fifteen cents more.
#[test]
fn retries_past_the_networks_limit_cost_more() {
    let mut scenario = declined(days(30), &[1; 17], Finally::Cancel);
    scenario.payments.fees = Fees { excess_retry: usd("0.15"), ..Fees::default() };
    let mut party = story(&scenario, &[BROKE; 18]);
    party.until(after(days(49)));
    assert_eq!((party.charged.len(), party.count(Count::Excess)), (18, 3));
    assert_eq!(party.moved(Movement::FeeExcess), "$0.45");
    assert_eq!(party.status(), Status::Canceled);
    // What met an error of the processor has not come to the networks: of nineteen attempts, two. The last is paid.
    let answers = [[BROKE; 9], [Error, BROKE, BROKE, BROKE, Error, BROKE, BROKE, BROKE, BROKE]].concat();
    let mut party = story(&scenario, &answers);
    party.until(after(days(49)));
    assert_eq!((party.charged.len(), party.count(Count::Excess)), (19, 2));
}

// === Usage that is due ===

/// Usage in arrears at ten cents a call. April's renewal with March's four calls is declined: $30.40. In grace ten more
/// are served; on 11 April the run ends: the calls of April are invoiced and written off with the rest.
#[test]
fn usage_served_in_grace_is_written_off_with_the_rest() {
    let mut scenario = declined(days(30), &[10], Finally::Cancel);
    scenario.plans[0].prices = first(per_unit("0.10"));
    let mut party = story(&scenario, &[BROKE; 2]);
    party.calls(after(days(3)), 4);
    party.calls(after(days(33)), 10);
    party.until(after(days(41)));
    party.asks(&[("2026-04-01", "$30.40"), ("2026-04-11", "$30.40")]);
    assert_eq!(party.status(), Status::Canceled);
    // Paid: $30. Lost: $30.40 and $1.00, of which twenty days of April were never earned.
    assert_eq!(party.moved(Movement::WriteOff), "$31.40");
    assert_eq!(party.moved(Movement::Reverse), "$20.00");
    assert_eq!(party.figure(|figures| figures.earned), "$41.40");
    assert_eq!(party.figure(|figures| figures.accrued), "$0.00");
}

/// A call is in flight when the run ends on 1 April: its usage is invoiced when it has come home, and written off.
#[test]
fn a_call_in_flight_at_the_end_is_written_off_when_it_comes_home() {
    let mut scenario = declined(days(0), &[], Finally::Cancel);
    scenario.plans[0].prices = first(per_unit("0.10"));
    let mut party = story(&scenario, &[BROKE]);
    let hold = party.admitted(after(days(31)) - secs(5)).hold;
    party.calls(after(days(31)) - secs(4), 1);
    // The renewal waits for it.
    party.until(after(days(31) + secs(60)));
    assert!(party.charged.is_empty());
    party.served(after(days(31) + secs(60)), hold, ONE_REQUEST);
    party.until(after(days(31) + secs(60)));
    assert_eq!(party.attempts()[0].1, Period(1));
    party.asks(&[("2026-04-01T00:01:00", "$30.20")]);
    assert_eq!((party.status(), party.moved(Movement::WriteOff).as_str()), (Status::Canceled, "$30.20"));
}

/// A plan without a fee: what was used is invoiced by itself. Who leaves gets a last invoice for what is not billed yet;
/// its decline is no dunning run.
#[test]
fn the_last_invoice_is_tried_once() {
    let mut scenario = declined(days(0), &[3], Finally::Cancel);
    scenario.plans[0] = Plan { fee_period: None, prices: first(per_unit("0.10")), ..monthly("0") };
    let mut party = Story::begin(&scenario, &[Paid, BROKE]);
    party.calls(after(days(3)), 7);
    party.calls(after(days(32)), 5);
    party.leaves(after(days(33)));
    assert_eq!(party.attempts(), [(31.0, Usage(0), 1), (33.0, Last(2), 1)]);
    party.until(after(days(60)));
    party.asks(&[("2026-04-01", "$0.70"), ("2026-04-03", "$0.50")]);
    assert_eq!(party.moved(Movement::WriteOff), "$0.50");
    assert_eq!(party.refused(after(days(60))), Cause::Canceled);
}
