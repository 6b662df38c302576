//! Reminders before a card or a trial ends: when they come, to whom, and what is done about them. Chances are 0 or 1, so
//! that each story is certain; what is drawn of it, when a card ends, is found by asking the card.

use super::payments::{Played, one};
use super::story::monthly;
use super::{FIRST, days, dollars, play_all, secs, world};
use crate::billing::account::Status;
use crate::billing::decline::{Answer, Decline};
use crate::billing::ledger::Movement;
use crate::billing::tally::Count;
use crate::distribution::Distribution;
use crate::draw::{Address, Chance};
use crate::model::{Act, Card, Joined, Length, Plan, Reaction, Reminder, Reminders, Scenario, When};
use crate::time::{Span, Time};
use crate::world::World;
use crate::world::card::answer;
use crate::world::reminder::Told;

const NANOSECOND: Span = Span::from_ns(1);

fn always() -> Chance {
    Chance::of(1, 1)
}

fn heeds(reminder: Reminder, act: Act, after: Span) -> Reaction {
    Reaction { when: When::Reminded(reminder), act, chance: always(), after: Distribution::Constant(after.ns() as f64) }
}

/// A card that lives for 100 days on average, of one who is told so long before it ends.
fn card_ends(leads: &[Span], updated: Chance, reactions: Vec<Reaction>) -> Scenario {
    let mut scenario = one(monthly("30"));
    scenario.cohorts[0].joined = Joined::Start;
    scenario.cohorts[0].card = Some(Card { life: Some(days(100)), updated, ..Card::good() });
    scenario.cohorts[0].reactions = reactions;
    scenario.payments.reminders.card_expires = leads.to_vec();
    scenario
}

fn address(world: &World) -> Address {
    world.catalog.cohorts[0].address.at(u64::from(FIRST.index))
}

/// When the card that was put in at `fixed`, the one of this number, is declined for the first time as ended: by asking it,
/// and by nothing that plans reminders. It is asked without an updater.
fn ends(world: &World, fixed: Span, cards: u32) -> Span {
    let card = Card { updated: Chance::NEVER, ..world.scenario.cohorts[0].card.unwrap() };
    let own = address(world);
    let has_ended = |at: u64| {
        let at = Time::START + Span::from_ns(at);
        let answer = answer(&card, own, Some(Time::START + fixed), cards, at, own.named("try"));
        answer == Answer::Declined(Decline::ExpiredCard)
    };
    let (mut lives, mut ended) = (fixed.ns(), days(5_000).ns());
    while ended - lives > 1 {
        let middle = lives.midpoint(ended);
        *(if has_ended(middle) { &mut ended } else { &mut lives }) = middle;
    }
    Span::from_ns(ended)
}

fn minus(at: Span, less: Span) -> Span {
    Span::from_ns(at.ns() - less.ns())
}

fn counted(played: &Played, count: Count) -> u64 {
    played.party.account().tally().of(count)
}

/// Seeds whose first card ends late enough that all of its reminders come, and early enough that it ends in the year.
fn suitable(scenario: &mut Scenario) -> Span {
    for seed in 1.. {
        scenario.seed = seed;
        let ends = ends(&world(scenario.clone()), Span::ZERO, 0);
        if ends > days(40) && ends < days(200) {
            return ends;
        }
    }
    unreachable!("one seed in three is")
}

/// 30 and 7 days before the card ends, at that moment and not a nanosecond sooner; then never again, because nothing
/// follows the card.
#[test]
fn a_card_reminder_comes_so_long_before_the_card_ends() {
    let mut scenario = card_ends(&[days(30), days(7)], Chance::NEVER, Vec::new());
    let ends = suitable(&mut scenario);
    let mut played = Played::new(scenario);
    for (sent, lead) in [(1, days(30)), (2, days(7))] {
        played.until(minus(minus(ends, lead), NANOSECOND));
        assert_eq!(counted(&played, Count::CardReminders), sent - 1);
        played.until(minus(ends, lead));
        assert_eq!(counted(&played, Count::CardReminders), sent);
    }
    played.until(days(364));
    assert_eq!(counted(&played, Count::CardReminders), 2);
    assert_eq!(counted(&played, Count::CardRemindersHeeded), 0);
}

/// Nobody knows beforehand that the next card will be handed over: each is told of that ends, if it was there for as long
/// as the reminder comes before.
#[test]
fn who_is_handed_the_next_card_is_reminded_of_each() {
    let mut scenario = card_ends(&[days(1)], always(), Vec::new());
    scenario.cohorts[0].count = 400;
    scenario.cohorts[0].card.as_mut().unwrap().life = Some(days(20));
    let outcome = play_all(&world(scenario));
    // Cards end as a Poisson process; one in e^(1/20) of those that end in 365 days was there for a day.
    let expected = 400.0 * 365.0 / 20.0 * libm::exp(-1.0 / 20.0);
    let sent = outcome.cohorts[0].count(Count::CardReminders) as f64;
    assert!((sent - expected).abs() <= 5.0 * expected.sqrt(), "{sent} are not {expected}");
    assert_eq!(outcome.cohorts[0].count(Count::Declined), 0);
}

/// Three days after the first reminder there is a new card. The second reminder, about the old one, does not come; those
/// about the new one do, for whom it is the same story again.
#[test]
fn a_card_that_is_put_in_because_of_a_reminder_is_there_before_it_is_needed() {
    let reacts = vec![heeds(Reminder::Card, Act::FixCard, days(3))];
    let mut scenario = card_ends(&[days(30), days(7)], Chance::NEVER, reacts);
    let first_ends = suitable(&mut scenario);
    let mut played = Played::new(scenario.clone());
    let fixed = minus(first_ends, days(27));
    played.until(minus(fixed, NANOSECOND));
    assert_eq!((counted(&played, Count::CardReminders), counted(&played, Count::CardRemindersHeeded)), (1, 0));
    played.until(fixed);
    assert_eq!((counted(&played, Count::CardReminders), counted(&played, Count::CardRemindersHeeded)), (1, 1));
    let second_ends = ends(&world(scenario), fixed, 1);
    let told: Vec<_> = [days(30), days(7)]
        .into_iter()
        .filter(|lead| second_ends.ns() > fixed.ns() + lead.ns())
        .map(|lead| minus(second_ends, lead))
        .collect();
    let next = told.first().copied().unwrap_or(days(364)).min(days(364));
    played.until(minus(next, NANOSECOND));
    assert_eq!(counted(&played, Count::CardReminders), 1, "nothing about the card that was replaced");
    if !told.is_empty() && next < days(364) {
        played.until(next);
        assert_eq!(counted(&played, Count::CardReminders), 2);
    }
    assert_eq!(counted(&played, Count::Declined), 0);
}

/// From the reminder on until what it was about ends, or is replaced.
#[test]
fn who_was_reminded_is_known_until_it_is_over() {
    let mut scenario = card_ends(&[days(7)], Chance::NEVER, vec![heeds(Reminder::Card, Act::FixCard, days(3))]);
    let ends = suitable(&mut scenario);
    let told = |played: &Played, at: Span| played.party.told(Time::START + at);
    let mut played = Played::new(scenario.clone());
    played.until(minus(minus(ends, days(7)), NANOSECOND));
    assert!(told(&played, minus(ends, days(7))).is_nothing());
    played.until(minus(ends, days(7)));
    assert_eq!(told(&played, minus(ends, days(7))), Told { card: Some(Time::START + ends), trial: None });
    assert!(told(&played, ends).is_nothing());
    played.until(minus(ends, days(4)));
    assert!(told(&played, minus(ends, days(4))).is_nothing(), "there is another card");
    let mut played = Played::new(trial(Some(Card::good()), &[days(4)], Vec::new()));
    played.until(days(10));
    assert_eq!(told(&played, days(10)), Told { card: None, trial: Some(Time::START + days(14)) });
    assert!(told(&played, days(14)).is_nothing());
}

/// Both reminders are acted upon, the first late: the second finds that there is a new card by then.
#[test]
fn a_second_card_is_not_put_in_for_one_that_is_replaced() {
    let mut scenario =
        card_ends(&[days(30), days(29)], Chance::NEVER, vec![heeds(Reminder::Card, Act::FixCard, days(5))]);
    let ends = suitable(&mut scenario);
    let mut played = Played::new(scenario);
    played.until(minus(ends, days(24)));
    assert_eq!((counted(&played, Count::CardReminders), counted(&played, Count::CardRemindersHeeded)), (2, 1));
}

/// A new card a week after the old one has ended was not there in time, and is put in all the same.
#[test]
fn a_card_that_comes_too_late_is_not_counted_as_in_time() {
    let mut scenario = card_ends(&[days(7)], Chance::NEVER, vec![heeds(Reminder::Card, Act::FixCard, days(14))]);
    let ends = suitable(&mut scenario);
    // Grace and retries that last longer than the month in which the card ends.
    scenario.plans[0].grace = days(60);
    scenario.payments.dunning.retries = vec![days(60)];
    let mut played = Played::new(scenario);
    played.until(Span::from_ns(ends.ns() + days(7).ns()));
    assert_eq!((counted(&played, Count::CardReminders), counted(&played, Count::CardRemindersHeeded)), (1, 0));
    assert_eq!(played.party.account().status(), Status::Active);
}

/// Who has left, and who was canceled, is told nothing.
#[test]
fn nobody_is_reminded_whose_subscription_is_over() {
    let mut scenario = card_ends(&[days(30), days(7)], Chance::NEVER, vec![heeds(Reminder::Card, Act::Churn, days(1))]);
    let ends = suitable(&mut scenario);
    let mut played = Played::new(scenario);
    played.until(ends);
    assert_eq!(counted(&played, Count::CardReminders), 1);
    assert_eq!((played.party.account().status(), played.party.has_left()), (Status::Canceled, true));
}

/// A trial of 14 days, of one who is told so long before it ends.
fn trial(card: Option<Card>, leads: &[Span], reactions: Vec<Reaction>) -> Scenario {
    let mut scenario = one(Plan { trial: Some(Length::Exact(days(14))), ..monthly("30") });
    scenario.cohorts[0].card = card;
    scenario.cohorts[0].reactions = reactions;
    scenario.payments.reminders.trial_ends = leads.to_vec();
    scenario
}

/// Ten days into the trial they are told, a day later they give a card, and on the fourteenth day it is charged: the trial
/// becomes a subscription, and is not paused.
#[test]
fn a_payment_method_that_is_given_because_of_a_reminder_converts_the_trial() {
    let mut played =
        Played::new(trial(None, &[days(20), days(4), days(2)], vec![heeds(Reminder::Trial, Act::FixCard, days(1))]));
    played.until(minus(days(10), NANOSECOND));
    assert_eq!(counted(&played, Count::TrialReminders), 0, "20 days before, there was no trial");
    played.until(days(10));
    assert_eq!(counted(&played, Count::TrialReminders), 1);
    assert!(played.is_served(minus(days(14), secs(1))));
    assert_eq!((played.party.account().status(), played.moved(Movement::Capture)), (Status::Trialing, dollars(0)));
    played.until(days(14));
    assert_eq!((played.party.account().status(), played.moved(Movement::Capture)), (Status::Active, dollars(30)));
    // The second reminder goes to everybody; who has given a card by then gives no other.
    assert_eq!((counted(&played, Count::TrialReminders), counted(&played, Count::TrialRemindersHeeded)), (2, 1));
    assert_eq!(counted(&played, Count::Converted), 1);
}

/// The same without a reaction: told, and paused.
#[test]
fn a_reminder_alone_changes_nothing() {
    let told = play_all(&world(starting(trial(None, &[days(4)], Vec::new()))));
    let untold = play_all(&world(starting(trial(None, &[], Vec::new()))));
    assert_eq!(told.cohorts[0].count(Count::TrialReminders), 1);
    let mut same = told.clone();
    same.cohorts[0].counts.remove("trial_reminders");
    assert_eq!(same, untold);
    assert!(told.cohorts[0].refused["trial_ended"] > 0);
}

fn starting(mut scenario: Scenario) -> Scenario {
    scenario.cohorts[0].joined = Joined::Start;
    scenario
}

/// With a card a trial is told of too, before it is charged; who would not pay for it leaves.
#[test]
fn who_has_given_a_card_is_reminded_and_may_leave_before_the_charge() {
    let mut played =
        Played::new(trial(Some(Card::good()), &[days(3)], vec![heeds(Reminder::Trial, Act::Churn, secs(60))]));
    played.until(days(20));
    assert_eq!((counted(&played, Count::TrialReminders), counted(&played, Count::Left)), (1, 1));
    assert_eq!((counted(&played, Count::Attempts), played.moved(Movement::Capture)), (0, dollars(0)));
    // A new card is for those who have none.
    let mut played =
        Played::new(trial(Some(Card::good()), &[days(3)], vec![heeds(Reminder::Trial, Act::FixCard, secs(60))]));
    played.until(days(20));
    assert_eq!((counted(&played, Count::TrialReminders), counted(&played, Count::TrialRemindersHeeded)), (1, 0));
}

/// Three days before a card that came in the trial, after it was paused: in time for nothing, but the trial goes on as paid.
#[test]
fn a_payment_method_after_the_trial_is_not_in_time_and_begins_the_paid_month() {
    let mut played = Played::new(trial(None, &[days(3)], vec![heeds(Reminder::Trial, Act::FixCard, days(5))]));
    played.until(days(15));
    assert_eq!(played.party.account().status(), Status::Paused);
    played.until(days(16));
    assert_eq!((played.party.account().status(), counted(&played, Count::TrialRemindersHeeded)), (Status::Active, 0));
}

/// What is done about a reminder is drawn for that reminder: another lead time beside it, or another reaction, does not
/// change who heeds it.
#[test]
fn who_heeds_a_reminder_does_not_depend_on_the_others() {
    let half = |reactions: usize, leads: &[Span]| {
        let mut scenario = starting(trial(None, leads, Vec::new()));
        scenario.cohorts[0].count = 400;
        let fixes = Reaction { chance: Chance::of(1, 2), ..heeds(Reminder::Trial, Act::FixCard, Span::ZERO) };
        let others = vec![heeds(Reminder::Card, Act::Churn, Span::ZERO); reactions];
        scenario.cohorts[0].reactions = std::iter::once(fixes).chain(others).collect();
        play_all(&world(scenario)).cohorts[0].clone()
    };
    let one = half(0, &[days(3)]);
    let heeded = one.count(Count::TrialRemindersHeeded);
    // Of 400 one half: five standard deviations are 50.
    assert!(heeded.abs_diff(200) <= 50, "{heeded}");
    assert_eq!(half(2, &[days(3)]).counts, one.counts);
    // Whoever heeds the first has no need of the second; a quarter is left.
    let both = half(0, &[days(6), days(3)]);
    assert_eq!(both.count(Count::TrialReminders), 800);
    // Of 400 three quarters: five standard deviations are 43.3.
    let all = both.count(Count::TrialRemindersHeeded);
    assert!(all.abs_diff(300) <= 43, "{all}");
    assert_eq!(Reminders::default().of(Reminder::Card), []);
}
