//! Stories of mistakes that were made once, each as small as it can be told. Scenarios drawn at random have found them.

use std::collections::VecDeque;

use super::{FIRST, after, days, dollars, poisson, requests, scenario, secs, world};
use crate::billing::account::{Account, Status};
use crate::billing::catalog::{Catalog, ONE_REQUEST};
use crate::billing::cause::Cause;
use crate::billing::decline::{Answer, Decline};
use crate::billing::gate::{Action, Admission, Decision, View};
use crate::billing::hold::HoldId;
use crate::billing::invoice::{Charge, Purpose};
use crate::billing::ledger::Movement;
use crate::billing::tally::Count;
use crate::billing::timer::Deadline;
use crate::distribution::Distribution;
use crate::draw::Chance;
use crate::model::{
    Act, AppliesTo, Change, Cohort, Discount, Dunning, Finally, GrantTerms, Joined, Length, Period, Plan, Prepaid,
    Price, Reaction, Scenario, Share, SpendControl, TopUp, UnitPrice, When,
};
use crate::money::Money;
use crate::time::{DAY, Now, Span, Time};

/// The one consumer of a scenario; its processor answers as the story tells.
struct Party {
    catalog: Catalog,
    account: Account,
    /// What the processor will answer, in order; it pays when nothing is left.
    answers: VecDeque<Answer>,
    /// What the processor was asked, and on which day.
    charged: Vec<(f64, Charge)>,
}

impl Party {
    /// One who has subscribed at the very start and paid for it.
    fn new(scenario: &Scenario, answers: &[Answer]) -> Self {
        let mut party = Self::joining(scenario, answers);
        party.answers.push_front(Answer::Paid);
        party.until(after(Span::ZERO));
        party.charged.clear();
        party
    }

    /// One who is about to subscribe at the very start.
    fn joining(scenario: &Scenario, answers: &[Answer]) -> Self {
        let catalog = Catalog::new(scenario).unwrap();
        let account = Account::awaited(FIRST, &catalog, Time::START);
        Self { catalog, account, answers: answers.iter().copied().collect(), charged: Vec::new() }
    }

    /// Lets time pass; the books are checked after each deadline.
    fn until(&mut self, now: Now) {
        let mut actions = Vec::new();
        while !self.account.is_idle(now) {
            let next = self.account.next_deadline();
            let (at, what) = match self.account.next_due() {
                Some((billing, what)) if billing <= next.traffic => (billing, what),
                _ => (next.traffic, Deadline::Hold),
            };
            let at = Now { traffic: at.max(self.account.seen.traffic), billing: at.max(self.account.seen.billing) };
            self.account.deadline(at, what, &self.catalog, &mut actions).unwrap();
            self.answer(at, actions.split_off(0));
            self.account.check();
        }
    }

    /// The processor answers what it was asked, at once.
    fn answer(&mut self, now: Now, mut actions: Vec<Action>) {
        while let Some(Action::Charge(charge)) = actions.pop() {
            self.charged.push((now.billing.ns() as f64 / DAY as f64, charge));
            let answer = self.answers.pop_front().unwrap_or(Answer::Paid);
            self.account.processor(now, &self.catalog, charge, answer, &mut actions).unwrap();
        }
    }

    /// The consumer does something, and what it asks of the processor is answered at once.
    fn does(&mut self, now: Now, act: impl FnOnce(&mut Account, &Catalog, &mut Vec<Action>)) {
        self.until(now);
        let mut actions = Vec::new();
        act(&mut self.account, &self.catalog, &mut actions);
        self.answer(now, actions);
        self.account.check();
    }

    fn call(&mut self, now: Now) -> Decision {
        self.until(now);
        let decision = self.account.request(now, &self.catalog, View::ReadThrough, 0, false).unwrap();
        self.account.check();
        decision
    }

    /// A call that must be admitted, and is left in flight.
    fn admitted(&mut self, now: Now) -> Admission {
        match self.call(now) {
            Decision::Admit(admission) => admission,
            Decision::Refuse(cause) => panic!("refused at {now:?}: {cause:?}"),
        }
    }

    fn served(&mut self, now: Now, hold: HoldId) {
        self.until(now);
        self.account.served(now, &self.catalog, hold, &ONE_REQUEST).unwrap();
        self.account.check();
    }

    /// The attempts: day, what for, number.
    fn attempts(&self) -> Vec<(f64, Purpose, u32)> {
        self.charged.iter().map(|(day, charge)| (*day, charge.purpose, charge.attempt)).collect()
    }
}

// === Short ways to say it ===

const SOFT: Answer = Answer::Declined(Decline::DoNotHonor);

fn cents(n: i64) -> Money {
    Money::from_nanos(n * 10_000_000)
}

fn one() -> Cohort {
    Cohort::new("one", 1, poisson(days(9_999)))
}

fn paid(name: &str, fee: Money, period: Period) -> Plan {
    Plan { fee, fee_period: Some(period), usage_period: Some(period), ..Plan::new(name) }
}

/// One consumer on the first of these plans.
fn plans(plans: &[Plan]) -> Scenario {
    let mut scenario = scenario(days(400), plans[0].clone(), one());
    scenario.plans = plans.to_vec();
    scenario
}

fn moved(party: &Party, movement: Movement) -> Money {
    party.account.books().moved(movement)
}

fn change(party: &mut Party, now: Now, to: usize) {
    party.does(now, |account, catalog, actions| account.change_plan(now, catalog, to, actions).unwrap());
}

/// Whoever was there before the start brings the rest of their period's fee, and no more: at half of it, half.
#[test]
fn only_the_unearned_part_of_a_fee_is_carried_forward() {
    let world = world(plans(&[paid("daily", dollars(864), Period::Day)]));
    let account = world.open(FIRST).unwrap().into_account();
    let left = account.fee.ends.since(Time::START).ns() / 1_000_000_000;
    assert!(left < 86_400);
    assert_eq!(account.books().moved(Movement::CarryForward), cents(left as i64));
}

/// A consumer leaves an hour after a refusal: the next call, a day later, is not made.
#[test]
fn who_has_left_calls_no_more() {
    let plan = Plan { usage_period: Some(Period::Month), allowance: requests(0), ..Plan::new("none") };
    let mut cohort = Cohort::new("all", 5, poisson(days(1)));
    let (when, act) = (When::Cause("quota_exhausted"), Act::Churn);
    let after = Distribution::Constant(0.0);
    cohort.reactions.push(Reaction { when, act, chance: Chance::of(1, 1), after });
    let outcome = super::play_all(&world(scenario(days(30), plan, cohort)));
    assert_eq!((outcome.cohorts[0].offered(), outcome.cohorts[0].count(Count::Left)), (5, 5));
}

/// Another plan, or another price for all, leaves a trial a trial: nothing is invoiced before it ends.
#[test]
fn a_trial_stays_free_when_its_plan_changes() {
    let trial = |fee| Plan { trial: Some(Length::Exact(days(10))), ..paid("paid", fee, Period::Day) };
    let mut scenario = plans(&[trial(dollars(1)), trial(dollars(2))]);
    let becomes = paid("paid", dollars(3), Period::Month);
    scenario.changes.push(Change { at: days(5), plan: 1, becomes, applies_to: AppliesTo::All });
    let mut party = Party::joining(&scenario, &[]);
    party.until(after(days(1)));
    change(&mut party, after(days(1)), 1);
    party.until(after(secs(10 * 86_400 - 1)));
    assert_eq!((party.account.status(), party.charged.len()), (Status::Trialing, 0));
    party.until(after(days(10)));
    assert_eq!(party.account.status(), Status::Active);
    assert_eq!(party.attempts(), [(10.0, Purpose::Period(0), 1)]);
    assert_eq!(moved(&party, Movement::Invoice), dollars(3));
}

/// From $90 a month to $5 a day (dearer: $152 a month) at the month's first second: $90 are credited, $5 charged, and
/// the rest pays the days that follow.
#[test]
fn what_an_upgrade_credits_beyond_its_charge_is_kept() {
    let mut party = Party::joining(
        &plans(&[paid("monthly", dollars(90), Period::Month), paid("daily", dollars(5), Period::Day)]),
        &[],
    );
    party.until(after(Span::ZERO));
    change(&mut party, after(Span::ZERO), 1);
    assert_eq!(moved(&party, Movement::CreditBalance), dollars(85));
    party.until(after(days(17)));
    assert_eq!((moved(&party, Movement::ApplyBalance), moved(&party, Movement::Capture)), (dollars(85), dollars(90)));
    party.until(after(days(18)));
    assert_eq!(moved(&party, Movement::Capture), dollars(95));
}

/// A cheaper plan, and a price that changes at renewal, change the recurring revenue when they begin.
#[test]
fn a_renewal_on_other_terms_changes_the_recurring_revenue() {
    let mut scenario = plans(&[paid("dear", dollars(50), Period::Month), paid("cheap", dollars(20), Period::Month)]);
    let becomes = paid("cheap", dollars(30), Period::Month);
    scenario.changes.push(Change { at: days(40), plan: 1, becomes, applies_to: AppliesTo::AtRenewal });
    let mut party = Party::joining(&scenario, &[]);
    party.until(after(days(1)));
    change(&mut party, after(days(1)), 1);
    party.until(after(days(31)));
    assert_eq!(moved(&party, Movement::MrrContraction), dollars(30));
    party.until(after(days(61)));
    assert_eq!((moved(&party, Movement::MrrExpansion), party.account.recurring), (dollars(10), dollars(30)));
}

/// Days, then months, then days: the periods of each count from 0 again, their invoices do not.
#[test]
fn invoices_have_names_of_their_own_across_changes_of_plan() {
    let usage = || Some(Price::PerUnit(UnitPrice { amount: dollars(1), per: 1 }));
    let plan = |name, fee, period| {
        let mut plan = paid(name, fee, period);
        plan.prices[0] = usage();
        plan
    };
    let all =
        [plan("a", dollars(1), Period::Day), plan("b", dollars(50), Period::Month), plan("c", dollars(3), Period::Day)];
    let mut party = Party::joining(&plans(&all), &[]);
    for day in 0..40 {
        let now = after(days(day) + secs(9));
        let hold = party.admitted(now).hold;
        party.served(now, hold);
        if day == 3 || day == 10 {
            change(&mut party, now, if day == 3 { 1 } else { 2 });
        }
    }
    let mut names: Vec<_> = party.charged.iter().map(|(_, charge)| charge.purpose).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count > 15, "{count}");
}

/// Grace of two days is over; the older of two invoices is paid on day 3 and the processor takes its time about the
/// newer: until that is paid too, nothing is served.
#[test]
fn after_grace_nothing_is_served_until_all_is_paid() {
    let plan = Plan { grace: secs(60), ..paid("daily", dollars(1), Period::Day) };
    let mut scenario = plans(&[plan]);
    scenario.payments.dunning = Dunning { retries: vec![days(3)], finally: Finally::Keep, ..Dunning::default() };
    let mut party = Party::new(&scenario, &[SOFT]);
    party.until(after(days(3)));
    let mut actions = Vec::new();
    let at = after(days(4));
    party.account.deadline(at, party.account.next_due().unwrap().1, &party.catalog, &mut actions).unwrap();
    let Some(Action::Charge(charge)) = actions.pop() else { panic!("a retry") };
    assert_eq!((charge.purpose, charge.attempt), (Purpose::Period(1), 2));
    party.account.processor(at, &party.catalog, charge, Answer::Paid, &mut actions).unwrap();
    assert_eq!((party.account.status(), actions.len()), (Status::PastDue, 1));
    assert!(party.account.receivables.grace_ends() < at.billing);
}

/// Grace of a day from the failed attempt on day 1: served until the last nanosecond before day 2, and not at it.
#[test]
fn grace_ends_at_its_very_moment() {
    let plan = Plan { grace: days(1), ..paid("yearly", dollars(1), Period::Year) };
    let plan = Plan { trial: Some(Length::Exact(days(1))), ..plan };
    let mut scenario = plans(&[plan]);
    scenario.payments.dunning = Dunning { retries: vec![days(9)], finally: Finally::Keep, ..Dunning::default() };
    let mut party = Party::joining(&scenario, &[SOFT]);
    assert!(party.admitted(after(Span::from_ns(2 * DAY - 1))).in_grace);
    assert_eq!(party.call(after(days(2))), Decision::Refuse(Cause::PastDue));
}

/// The answer to an upgrade comes after the subscription has ended, while its last invoice is being collected: that is
/// not asked for twice.
#[test]
fn an_answer_about_something_else_does_not_ask_again() {
    let mut dear = paid("dear", dollars(90), Period::Month);
    dear.grace = days(1);
    let mut cheap = paid("cheap", dollars(1), Period::Month);
    cheap.prices[0] = Some(Price::PerUnit(UnitPrice { amount: dollars(1), per: 1 }));
    let mut party = Party::joining(&plans(&[cheap, dear]), &[]);
    let now = after(days(1));
    let hold = party.admitted(now).hold;
    party.served(now, hold);
    let mut actions = Vec::new();
    party.account.change_plan(now, &party.catalog, 1, &mut actions).unwrap();
    party.account.leave(now, &party.catalog, &mut actions).unwrap();
    let [Action::Charge(upgrade), Action::Charge(last)] = actions.split_off(0)[..] else { panic!("two charges") };
    assert_eq!((upgrade.purpose, last.purpose), (Purpose::Change(0), Purpose::Last(1)));
    party.account.processor(now, &party.catalog, upgrade, Answer::Paid, &mut actions).unwrap();
    assert_eq!(actions, []);
    party.account.processor(now, &party.catalog, last, Answer::Paid, &mut actions).unwrap();
    assert_eq!(moved(&party, Movement::Capture), dollars(2));
}

/// A free plan costs something from its next period on: whoever is there begins to pay then.
#[test]
fn a_free_plan_that_gets_a_fee_is_paid_from_the_next_period() {
    let free = Plan { usage_period: Some(Period::Month), allowance: requests(1), ..Plan::new("free") };
    let mut scenario = plans(std::slice::from_ref(&free));
    let becomes = Plan { fee: dollars(7), fee_period: Some(Period::Month), ..free };
    scenario.changes.push(Change { at: days(3), plan: 0, becomes, applies_to: AppliesTo::AtRenewal });
    let mut party = Party::joining(&scenario, &[]);
    party.until(after(days(93)));
    assert_eq!(party.attempts().len(), 3, "on 1 April, 1 May and 1 June");
    assert_eq!(party.account.recurring, dollars(7));
}

/// A fee of three days' worth in a month of 31, given up for a plan without one: the credit is rounded to the cent, and
/// what that leaves is earned, not kept for ever.
#[test]
fn what_rounding_leaves_of_a_fee_is_earned() {
    let mut prepaid = Plan { usage_period: Some(Period::Day), ..Plan::new("free") };
    prepaid.minimum = dollars(1);
    let mut scenario = plans(&[paid("daily", cents(1), Period::Day)]);
    scenario.changes.push(Change { at: secs(40_001), plan: 0, becomes: prepaid, applies_to: AppliesTo::All });
    let mut party = Party::joining(&scenario, &[]);
    party.until(after(days(1)));
    let (earned, credited) = (moved(&party, Movement::Earn), moved(&party, Movement::CreditFee));
    assert_eq!(earned.nanos() + credited.nanos(), cents(1).nanos());
}

/// A minimum of $31 a month for one who was there before: the whole of it, whatever part of the month was played.
#[test]
fn who_was_there_before_owes_the_whole_minimum() {
    let plan = Plan { usage_period: Some(Period::Month), minimum: dollars(31), ..Plan::new("committed") };
    let world = world(plans(&[plan]));
    let mut party = world.open(FIRST).unwrap();
    let ends = party.account().usage.ends;
    world.catch_up(&mut party, Now { traffic: ends, billing: ends }).unwrap();
    assert_eq!(party.account().books().moved(Movement::InvoiceUsage), dollars(31));
}

/// A discount of the whole fee leaves nothing to pay at sign-up, and nothing to wait for.
#[test]
fn a_fee_that_is_wholly_discounted_begins_at_once() {
    let mut scenario = plans(&[paid("paid", dollars(10), Period::Month)]);
    let off = Share { parts: 1, of: 1 };
    scenario.cohorts[0].discount = Some(Discount { off, length: Some(Length::Months(1)) });
    scenario.cohorts[0].joined = Joined::Start;
    let mut party = Party::joining(&scenario, &[]);
    party.until(after(days(2)));
    assert_eq!((party.account.status(), party.charged.len()), (Status::Active, 0));
    party.until(after(days(31)));
    assert_eq!(party.attempts(), [(31.0, Purpose::Period(1), 1)]);
}

/// Down, then up, then nothing more: the plan that was chosen last stays.
#[test]
fn the_last_choice_of_a_plan_counts() {
    let all = [("mid", 20), ("low", 10), ("high", 30)].map(|(name, fee)| paid(name, dollars(fee), Period::Month));
    let mut party = Party::joining(&plans(&all), &[]);
    party.until(after(days(1)));
    change(&mut party, after(days(1)), 1);
    change(&mut party, after(days(2)), 2);
    party.until(after(days(40)));
    assert_eq!(party.account.plan(&party.catalog), 2);
    change(&mut party, after(days(41)), 1);
    change(&mut party, after(days(42)), 2);
    party.until(after(days(80)));
    assert_eq!(party.account.plan(&party.catalog), 2);
}

/// A call is in flight across midnight, so that the new day's invoice waits; within these minutes the last retry of the
/// old one fails and the subscription ends. What is written off was not earned, but for the minutes.
#[test]
fn a_fee_whose_invoice_waits_is_given_up_with_the_rest() {
    let mut plan = paid("daily", dollars(864), Period::Day);
    plan.prices[0] = Some(Price::PerUnit(UnitPrice { amount: Money::ZERO, per: 1 }));
    plan.grace = days(9);
    let mut scenario = plans(&[plan]);
    scenario.payments.dunning = Dunning { retries: vec![days(1) + secs(100)], ..Dunning::default() };
    let mut party = Party::new(&scenario, &[SOFT, SOFT]);
    let hold = party.admitted(after(secs(2 * 86_400 - 1))).hold;
    party.until(after(days(2) + secs(100)));
    assert_eq!(party.account.status(), Status::Canceled);
    party.served(after(days(2) + secs(300)), hold);
    party.until(after(days(3)));
    // Day 0 was paid, day 1 is earned and written off, of day 2 a hundred seconds.
    assert_eq!(moved(&party, Movement::Earn), dollars(864 + 864 + 1));
    assert_eq!((moved(&party, Movement::WriteOff), moved(&party, Movement::Reverse)), (dollars(1_728), dollars(863)));
}

/// A new card comes while the old one is being asked: when that is declined, the dunning run goes on.
#[test]
fn a_new_card_during_an_attempt_does_not_end_the_dunning_run() {
    let mut scenario = plans(&[paid("daily", dollars(1), Period::Day)]);
    scenario.payments.dunning = Dunning { retries: vec![days(3); 3], finally: Finally::Keep, ..Dunning::default() };
    let mut party = Party::new(&scenario, &[]);
    let (at, mut actions) = (after(days(1)), Vec::new());
    party.account.deadline(at, party.account.next_due().unwrap().1, &party.catalog, &mut actions).unwrap();
    let Some(Action::Charge(charge)) = actions.pop() else { panic!("a renewal") };
    party.account.new_card(at, &party.catalog, &mut actions).unwrap();
    assert_eq!(actions, [], "one attempt at a time");
    party.account.processor(at, &party.catalog, charge, SOFT, &mut actions).unwrap();
    party.until(after(days(4)));
    assert_eq!(
        party.attempts(),
        [
            (4.0, Purpose::Period(1), 2),
            (4.0, Purpose::Period(2), 1),
            (4.0, Purpose::Period(3), 1),
            (4.0, Purpose::Period(4), 1)
        ]
    );
}

/// The attempt for a new card takes its time, and a scheduled one falls due meanwhile: the answer counts for both.
#[test]
fn a_retry_that_falls_due_during_an_attempt_is_not_lost() {
    let mut scenario = plans(&[paid("monthly", dollars(1), Period::Month)]);
    scenario.payments.dunning = Dunning { retries: vec![days(3); 2], finally: Finally::Keep, ..Dunning::default() };
    let mut party = Party::new(&scenario, &[SOFT]);
    party.until(after(days(33)));
    let mut actions = Vec::new();
    party.account.new_card(after(days(33)), &party.catalog, &mut actions).unwrap();
    let Some(Action::Charge(charge)) = actions.pop() else { panic!("an attempt for the new card") };
    party.until(after(days(34)));
    party.account.processor(after(days(35)), &party.catalog, charge, SOFT, &mut actions).unwrap();
    party.until(after(days(50)));
    assert_eq!(party.attempts(), [(31.0, Purpose::Period(1), 1), (38.0, Purpose::Period(1), 3)]);
}

/// A run of one attempt has ended; a new card is tried, meets an error, and fails an hour later: it does not end again.
#[test]
fn a_dunning_run_ends_once() {
    let mut scenario = plans(&[paid("monthly", dollars(1), Period::Month)]);
    scenario.payments.dunning = Dunning { finally: Finally::Keep, ..Dunning::default() };
    let mut party = Party::new(&scenario, &[SOFT, Answer::Error, SOFT]);
    let now = after(days(32));
    party.does(now, |account, catalog, actions| account.new_card(now, catalog, actions).unwrap());
    party.until(after(days(33)));
    assert_eq!((party.attempts().len(), party.account.tally().of(Count::Exhausted)), (3, 1));
}

/// An attempt for a new card meets an error of the processor: the next one comes when the schedule says.
#[test]
fn an_error_beside_the_schedule_leaves_it_as_it_is() {
    let mut scenario = plans(&[paid("monthly", dollars(1), Period::Month)]);
    scenario.payments.dunning = Dunning { retries: vec![days(3); 3], finally: Finally::Keep, ..Dunning::default() };
    let mut party = Party::new(&scenario, &[SOFT, Answer::Error, SOFT]);
    party.until(after(days(31)));
    let now = after(days(32));
    party.does(now, |account, catalog, actions| account.new_card(now, catalog, actions).unwrap());
    party.until(after(days(36)));
    assert_eq!(party.attempts().iter().map(|(day, _, _)| *day).collect::<Vec<_>>(), [31.0, 32.0, 34.0]);
}

fn credit(at_most: Option<u32>) -> Plan {
    let top_up = TopUp { below: dollars(2), add: dollars(2), at_most };
    let grants = vec![GrantTerms::opening(dollars(2))];
    let mut plan = Plan::new("prepaid");
    plan.prepaid = Some(Prepaid { grants, auto_top_up: Some(top_up), credits_expire: None });
    plan.prices[0] = Some(Price::PerUnit(UnitPrice { amount: dollars(1), per: 1 }));
    plan
}

/// One top-up a month, and all of it spent: the next month buys again, though nobody could call meanwhile.
#[test]
fn the_next_month_tops_up_again() {
    let mut party = Party::joining(&plans(&[credit(Some(1))]), &[]);
    for second in 1..5 {
        let hold = party.admitted(after(secs(second))).hold;
        party.served(after(secs(second)), hold);
    }
    assert_eq!((party.account.credit(), party.charged.len()), (Money::ZERO, 1));
    party.until(after(days(31)));
    assert_eq!((party.account.credit(), party.charged.len()), (dollars(2), 2));
}

/// A declined top-up is tried again after an hour, unless the credit has come another way, or the consumer has left.
#[test]
fn a_top_up_that_is_no_longer_wanted_is_not_bought() {
    for leaves in [false, true] {
        let mut party = Party::joining(&plans(&[credit(None)]), &[SOFT]);
        let hold = party.admitted(after(secs(1))).hold;
        party.served(after(secs(1)), hold);
        party.until(after(secs(1)));
        assert_eq!(party.charged.len(), 1);
        let now = after(secs(9));
        party.does(now, |account, catalog, actions| {
            if leaves {
                account.leave(now, catalog, actions).unwrap();
            } else {
                account.buy_credit(now, catalog, dollars(50), actions);
            }
        });
        let charged = party.charged.len();
        party.until(after(days(2)));
        assert_eq!(party.charged.len(), charged);
    }
}

/// A call comes home after its consumer has left, and leaves little credit: none is bought.
#[test]
fn nobody_buys_credit_after_leaving() {
    let mut party = Party::joining(&plans(&[credit(None)]), &[]);
    let hold = party.admitted(after(secs(1))).hold;
    let now = after(secs(2));
    party.does(now, |account, catalog, actions| account.leave(now, catalog, actions).unwrap());
    party.served(after(secs(3)), hold);
    party.until(after(days(2)));
    assert_eq!(party.charged.len(), 0);
}

// === What drawn scenarios do not pin down ===

/// $86.40 a day, at noon $172.80: half of each is credited and charged, and the rest of the day earns $86.40.
#[test]
fn a_change_is_charged_credited_and_earned_by_the_second() {
    let all = [paid("low", cents(8_640), Period::Day), paid("high", cents(17_280), Period::Day)];
    let mut party = Party::joining(&plans(&all), &[]);
    let noon = after(secs(43_200));
    party.until(noon);
    change(&mut party, noon, 1);
    assert_eq!(moved(&party, Movement::CreditFee), cents(4_320));
    assert_eq!(moved(&party, Movement::Invoice), cents(8_640 + 8_640));
    assert_eq!(moved(&party, Movement::Capture), cents(8_640 + 4_320));
    party.account.close(after(secs(64_800))).unwrap();
    assert_eq!(moved(&party, Movement::Earn), cents(4_320 + 4_320));
}

/// A minimum of $86.40 a day that ends at noon, or begins there: half of it is owed for that day.
#[test]
fn a_minimum_is_owed_by_the_second() {
    let plan = |minimum| Plan { usage_period: Some(Period::Day), minimum, ..Plan::new("plan") };
    for (before, then) in [(cents(8_640), Money::ZERO), (Money::ZERO, cents(8_640))] {
        let mut scenario = plans(&[plan(before)]);
        let becomes = plan(then);
        scenario.changes.push(Change { at: secs(43_200), plan: 0, becomes, applies_to: AppliesTo::All });
        let mut party = Party::joining(&scenario, &[]);
        party.until(after(days(1)));
        assert_eq!(moved(&party, Movement::InvoiceUsage), cents(4_320));
    }
}

/// While a subscription is unpaid its periods are drafts: nothing is invoiced, no minimum is owed.
#[test]
fn who_is_unpaid_is_not_invoiced() {
    let plan = Plan { minimum: dollars(5), ..paid("daily", dollars(1), Period::Day) };
    let mut scenario = plans(&[plan]);
    scenario.payments.dunning = Dunning { finally: Finally::Unpaid, ..Dunning::default() };
    let mut party = Party::new(&scenario, &[SOFT]);
    party.until(after(days(5)));
    assert_eq!(party.account.status(), Status::Unpaid);
    assert_eq!((moved(&party, Movement::Invoice), moved(&party, Movement::InvoiceUsage)), (dollars(2), dollars(5)));
    assert_eq!(party.account.tally().of(Count::Drafted), 4);
}

/// In a trial, what is billed in arrears and has no allowance costs nothing and is not limited.
#[test]
fn a_trial_without_an_allowance_serves_for_nothing() {
    let mut plan = Plan { trial: Some(Length::Exact(days(9))), ..paid("paid", dollars(1), Period::Month) };
    plan.prices[0] = Some(Price::PerUnit(UnitPrice { amount: dollars(1), per: 1 }));
    let mut party = Party::joining(&plans(&[plan]), &[]);
    for day in 1..9 {
        let hold = party.admitted(after(days(day))).hold;
        party.served(after(days(day)), hold);
    }
    assert_eq!((moved(&party, Movement::Accrue), party.account.tally().units.included[0]), (Money::ZERO, 8));
}

/// One dollar, and two calls of a dollar at once: one is served on nothing. Of the two dollars that are bought then, one
/// pays for it.
#[test]
fn new_credit_pays_first_for_what_was_served_without_any() {
    let mut plan = credit(None);
    plan.prepaid.as_mut().unwrap().grants = vec![GrantTerms::opening(dollars(1))];
    let mut scenario = plans(&[plan]);
    scenario.gateway.spend_control = SpendControl::CheckThenDebit;
    let mut party = Party::joining(&scenario, &[]);
    let holds = [1, 1].map(|second| party.admitted(after(secs(second))).hold);
    for hold in holds {
        party.account.served(after(secs(2)), &party.catalog, hold, &ONE_REQUEST).unwrap();
    }
    assert_eq!(party.account.overdraft, dollars(1));
    party.until(after(secs(2)));
    assert_eq!((party.account.overdraft, party.account.credit()), (Money::ZERO, dollars(1)));
    assert_eq!((moved(&party, Movement::Recoup), moved(&party, Movement::Burn)), (dollars(1), dollars(1)));
}

/// 2.9 % and 30 cents of $10.
#[test]
fn a_capture_costs_a_share_and_a_fixed_amount() {
    let mut scenario = plans(&[paid("monthly", dollars(10), Period::Month)]);
    scenario.payments.fees.success = Share { parts: 29, of: 1_000 };
    scenario.payments.fees.success_fixed = cents(30);
    let mut party = Party::joining(&scenario, &[]);
    party.until(after(days(1)));
    assert_eq!(moved(&party, Movement::FeeSuccess), cents(59));
}

/// After a hard decline the same card is not asked again; the retries pass by, and the run ends when it would have.
#[test]
fn a_hard_decline_is_not_retried() {
    let mut scenario = plans(&[paid("monthly", dollars(10), Period::Month)]);
    scenario.payments.dunning.retries = vec![days(1), days(1)];
    let mut party = Party::new(&scenario, &[Answer::Declined(Decline::LostCard)]);
    party.until(after(secs(33 * 86_400 - 1)));
    assert_eq!((party.account.status(), party.charged.len()), (Status::PastDue, 1));
    party.until(after(days(33)));
    assert_eq!((party.account.status(), party.charged.len()), (Status::Canceled, 1));
}

/// A dollar of the cap is held by a call in flight, and given back when the call fails.
#[test]
fn a_spend_cap_counts_what_is_in_flight_and_no_longer() {
    let mut plan = Plan { usage_period: Some(Period::Month), spend_cap: Some(dollars(1)), ..Plan::new("capped") };
    plan.prices[0] = Some(Price::PerUnit(UnitPrice { amount: dollars(1), per: 1 }));
    let mut party = Party::joining(&plans(&[plan]), &[]);
    let hold = party.admitted(after(secs(1))).hold;
    assert_eq!(party.call(after(secs(2))), Decision::Refuse(Cause::SpendCap));
    party.account.failed(after(secs(3)), &party.catalog, hold, 0, &[1, 0, 0, 0]).unwrap();
    let hold = party.admitted(after(secs(4))).hold;
    party.served(after(secs(5)), hold);
    assert_eq!(party.call(after(secs(6))), Decision::Refuse(Cause::SpendCap));
}

/// The processor takes an hour: until then the first payment is not made.
#[test]
fn the_processor_takes_its_time() {
    let mut scenario = plans(&[paid("monthly", dollars(10), Period::Month)]);
    scenario.cohorts[0].joined = Joined::Start;
    scenario.payments.processor.latency = Distribution::Constant(3_600e9);
    let world = world(scenario);
    let mut party = world.open(FIRST).unwrap();
    for (second, status) in [(3_599, Status::Incomplete), (3_600, Status::Active)] {
        world.catch_up(&mut party, after(secs(second))).unwrap();
        assert_eq!(party.account().status(), status);
    }
}
