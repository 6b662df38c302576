//! Stories about money that is due: fees, declined renewals, grace, retries, and how a dunning run ends.
//!
//! All of them begin on 1 March 2026 with a paid month, so the renewals are on days 31 (1 April), 61 and 92; April has
//! 30 days and the fee is $30, a dollar a day.

use super::{Party, after, days, dollars, scenario};
use crate::billing::account::Status;
use crate::billing::cause::Cause;
use crate::billing::gate::{Action, Decision};
use crate::billing::invoice::Answer::{self, Declined, Paid};
use crate::billing::invoice::Charge;
use crate::billing::ledger::LedgerAccount;
use crate::model::{Cohort, Dunning, Finally, Period, Plan, Scenario};
use crate::time::Span;

const NANOSECOND: Span = Span::from_ns(1);

fn monthly(grace: Span, retries: &[u64], finally: Finally) -> Scenario {
    let plan = Plan { fee: dollars(30), period: Some(Period::Month), grace, ..Plan::new("monthly") };
    let mut scenario = scenario(days(365), plan, Cohort::new("one", 1, super::poisson(days(1))));
    scenario.dunning = Dunning { retries: retries.iter().map(|gap| days(*gap)).collect(), finally };
    scenario
}

/// What a call meets at an instant: served, served by grace, or refused and why. The call fails, so nothing is left of it.
fn meets(party: &mut Party, at: Span) -> Result<&'static str, Cause> {
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
    let mut party = Party::new(&monthly(days(10), &[3, 5, 7], Finally::Cancel), &[Declined; 4]);
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
    assert_eq!(party.attempts(), [(31.0, 1, 1), (34.0, 1, 2), (39.0, 1, 3), (46.0, 1, 4)]);
    assert!(party.charged.iter().all(|(_, charge)| charge.amount == dollars(30)));
}

/// Canceled on 16 April: March was paid and earned, 15 days of April are earned and lost with the rest of the invoice.
#[test]
fn canceling_writes_the_debt_off_and_leaves_nothing_deferred() {
    let mut party = Party::new(&monthly(days(10), &[3, 5, 7], Finally::Cancel), &[Declined; 4]);
    party.until(after(days(300)));
    assert_eq!(
        party.journal(),
        [("carry_forward", 30.0), ("invoice", 30.0), ("earn", 45.0), ("write_off", 30.0), ("reverse", 15.0)]
    );
    let balance = |account| party.account.books().balance(account) / 1_000_000_000;
    assert_eq!([LedgerAccount::Deferred, LedgerAccount::Receivable, LedgerAccount::Cash].map(balance), [0, 0, 0]);
    assert_eq!([LedgerAccount::BadDebt, LedgerAccount::Earned, LedgerAccount::Opening].map(balance), [15, -45, 30]);
    let tally = party.account.tally();
    assert_eq!((tally.attempts, tally.declined, tally.exhausted, tally.drafted), (4, 4, 1, 0));
}

/// Two months are owed when the run ends on 11 May (day 71): both are written off, of May 10 of 31 days were earned.
#[test]
fn canceling_writes_off_every_month_that_is_owed() {
    let mut party = Party::new(&monthly(days(0), &[40], Finally::Cancel), &[Declined; 2]);
    party.until(after(days(100)));
    let of_may = 30.0 * 10.0 / 31.0;
    let journal = party.journal();
    let moved = |name| journal.iter().find(|(moved, _)| *moved == name).unwrap().1;
    assert!(journal.contains(&("invoice", 60.0)) && journal.contains(&("write_off", 60.0)));
    // To half a nano.
    assert!((moved("earn") - (60.0 + of_may)).abs() < 1e-9 && (moved("reverse") - (30.0 - of_may)).abs() < 1e-9);
}

/// With `unpaid` the debt of April stays, May and June are only drafted, and nothing is attempted any more.
#[test]
fn unpaid_drafts_what_comes_and_attempts_nothing() {
    let mut party = Party::new(&monthly(days(10), &[3, 5, 7], Finally::Unpaid), &[Declined; 4]);
    assert_eq!(meets(&mut party, just_before(days(46))), Err(Cause::PastDue));
    assert_eq!(meets(&mut party, days(46)), Err(Cause::Unpaid));
    assert_eq!(meets(&mut party, days(93)), Err(Cause::Unpaid));
    assert_eq!(party.account.status(), Status::Unpaid);
    assert_eq!(party.journal(), [("carry_forward", 30.0), ("invoice", 30.0), ("earn", 60.0)]);
    assert_eq!((party.charged.len(), party.account.tally().drafted, party.account.tally().exhausted), (4, 2, 1));
}

/// With `keep` the months go on being invoiced and owed, and the consumer refused; the run is over all the same.
#[test]
fn keep_stays_past_due_and_is_never_charged_again() {
    let mut party = Party::new(&monthly(days(10), &[3, 5, 7], Finally::Keep), &[Declined; 4]);
    assert_eq!(meets(&mut party, days(93)), Err(Cause::PastDue));
    assert_eq!(party.account.status(), Status::PastDue);
    party.account.close(after(days(93))).unwrap();
    // March, April and May are earned, and one of June's 30 days.
    assert_eq!(party.journal(), [("carry_forward", 30.0), ("invoice", 90.0), ("earn", 91.0)]);
    assert_eq!((party.charged.len(), party.account.tally().drafted, party.account.tally().exhausted), (4, 0, 1));
}

/// April is declined and tried again only after 40 days, on day 71; May's invoice of day 61 has waited for it. Both are
/// paid at once, the older first, and all is as before.
#[test]
fn a_retry_that_succeeds_pays_what_waited_behind_it() {
    let mut party = Party::new(&monthly(days(10), &[40], Finally::Cancel), &[Declined, Paid, Paid]);
    assert_eq!(meets(&mut party, days(61)), Err(Cause::PastDue));
    assert_eq!(meets(&mut party, days(71)), Ok("served"));
    assert_eq!(party.account.status(), Status::Active);
    assert_eq!(party.attempts(), [(31.0, 1, 1), (71.0, 1, 2), (71.0, 2, 1)]);
    party.until(after(days(92)));
    assert_eq!(party.attempts().last(), Some(&(92.0, 3, 1)));
    let tally = party.account.tally();
    assert_eq!((tally.attempts, tally.declined, tally.exhausted), (4, 1, 0));
    assert_eq!(tally.paid_by_attempt, [2, 1, 0, 0, 0, 0, 0, 0]);
}

/// As above, seen from a driver whose processor takes its time: April is paid, May has been asked for and not answered.
/// The subscription is not paid up yet, and the consumer is served with a warning until the answer says more.
#[test]
fn between_two_answers_the_subscription_is_not_paid_up() {
    let mut party = Party::new(&monthly(days(10), &[40], Finally::Cancel), &[Declined]);
    party.until(after(just_before(days(71))));
    let due = party.account.due(after(days(71))).unwrap();
    let mut actions = Vec::new();
    party.account.deadline(due, &party.catalog, &mut actions).unwrap();
    actions.clear();
    party.account.processor(due.at, &party.catalog, Paid, &mut actions).unwrap();
    assert!(matches!(actions[..], [Action::Charge(Charge { period: 2, attempt: 1, .. })]));
    assert_eq!(party.account.status(), Status::PastDue);
    assert_eq!(meets(&mut party, days(71)), Ok("in grace"));
    party.account.processor(due.at, &party.catalog, Paid, &mut actions).unwrap();
    assert_eq!(party.account.status(), Status::Active);
}

/// As above, but May's first attempt on day 71 is declined: May has a grace and a run of retries of its own.
#[test]
fn what_waited_and_is_declined_begins_a_run_of_its_own() {
    let mut party = Party::new(&monthly(days(10), &[40], Finally::Cancel), &[Declined, Paid, Declined, Declined]);
    assert_eq!(meets(&mut party, just_before(days(71))), Err(Cause::PastDue));
    assert_eq!(meets(&mut party, days(71)), Ok("in grace"));
    assert_eq!(meets(&mut party, just_before(days(81))), Ok("in grace"));
    assert_eq!(meets(&mut party, days(81)), Err(Cause::PastDue));
    assert_eq!(meets(&mut party, days(111)), Err(Cause::Canceled));
    assert_eq!(party.attempts(), [(31.0, 1, 1), (71.0, 1, 2), (71.0, 2, 1), (111.0, 2, 2)]);
}

/// The last retry falls on the very instant of May's renewal. It is about the older invoice and goes first: the
/// subscription ends, and May is never invoiced.
#[test]
fn a_retry_goes_before_a_renewal_of_the_same_instant() {
    let mut party = Party::new(&monthly(days(0), &[30], Finally::Cancel), &[Declined; 2]);
    assert_eq!(meets(&mut party, days(61)), Err(Cause::Canceled));
    assert_eq!(party.journal(), [("carry_forward", 30.0), ("invoice", 30.0), ("earn", 60.0), ("write_off", 30.0)]);

    let mut party = Party::new(&monthly(days(0), &[30], Finally::Unpaid), &[Declined; 2]);
    party.until(after(days(61)));
    assert_eq!(party.account.tally().drafted, 1);
}

/// No retries and no grace: the one decline ends it, at the instant of the renewal.
#[test]
fn without_retries_the_first_decline_is_the_end() {
    let mut party = Party::new(&monthly(days(0), &[], Finally::Cancel), &[Declined]);
    assert_eq!(meets(&mut party, days(31)), Err(Cause::Canceled));
    assert_eq!(
        party.journal(),
        [("carry_forward", 30.0), ("invoice", 30.0), ("earn", 30.0), ("write_off", 30.0), ("reverse", 30.0)]
    );
}

/// Nine attempts on one invoice: those after the eighth are counted together.
#[test]
fn the_last_place_counts_all_later_attempts() {
    let answers: Vec<Answer> = [Declined; 8].into_iter().chain([Paid]).collect();
    let mut party = Party::new(&monthly(days(30), &[1; 8], Finally::Cancel), &answers);
    assert_eq!(meets(&mut party, days(39)), Ok("served"));
    assert_eq!(party.account.tally().paid_by_attempt, [0, 0, 0, 0, 0, 0, 0, 1]);
}

/// Who joins on 31 January renews on 28 February, 31 March, 30 April: days 28, 59, 89 — never on 28 March.
#[test]
fn a_monthly_fee_from_the_31st_comes_back_to_the_31st() {
    let mut scenario = monthly(days(0), &[], Finally::Cancel);
    scenario.start = jiff::civil::date(2026, 1, 31).at(0, 0, 0, 0);
    let mut party = Party::new(&scenario, &[]);
    party.until(after(days(120)));
    assert_eq!(party.attempts(), [(28.0, 1, 1), (59.0, 2, 1), (89.0, 3, 1), (120.0, 4, 1)]);
    // 28 days of $30/28, and of the 31 days from 28 February to 31 March none is lost.
    assert_eq!(party.journal(), [("carry_forward", 30.0), ("invoice", 120.0), ("capture", 120.0), ("earn", 120.0)]);
}

/// Half of April is over on day 46, less one nanosecond: 14 days, 23:59:59 are earned, for the second is not over.
#[test]
fn a_fee_is_earned_by_the_whole_second() {
    let mut party = Party::new(&monthly(days(0), &[], Finally::Cancel), &[]);
    party.until(after(days(40)));
    let end = after(just_before(days(46)));
    party.account.close(end).unwrap();
    let of_april: i128 = 30_000_000_000 * (15 * 86_400 - 1) / (30 * 86_400);
    let earned = -party.account.books().balance(LedgerAccount::Earned) - 30_000_000_000;
    // 14.999988425925…: rounded once, to the nearest nano.
    assert!(earned == of_april || earned == of_april + 1, "{earned}");
    assert_eq!(earned, 14_999_988_426);
}
