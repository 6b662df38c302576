//! Stories with the whole world around an account: cards, a processor that takes its time, payments that go back, and
//! consumers that do something about a refusal. Chances are 0 or 1, so that the story is certain. They begin on 1 March
//! 2026.

use super::story::{first, hours, monthly, per_unit, usd};
use super::{FIRST, after, days, dollars, poisson, requests, scenario, secs, world};
use crate::billing::account::Status;
use crate::billing::catalog::ONE_REQUEST;
use crate::billing::cause::Cause;
use crate::billing::gate::Decision;
use crate::billing::ledger::Movement;
use crate::billing::tally::Count;
use crate::distribution::Distribution;
use crate::draw::Chance;
use crate::model::{Act, Card, Cohort, Dunning, Joined, Plan, Prepaid, Reaction, Returns, Scenario, Share, When};
use crate::money::Money;
use crate::time::{SECOND, Span, Time};
use crate::world::World;
use crate::world::party::Party;

pub(super) const ALWAYS: fn() -> Chance = || Chance::of(1, 1);

/// One who subscribes at the first instant.
pub(super) struct Played {
    world: World,
    pub(super) party: Party,
}

impl Played {
    pub(super) fn new(mut scenario: Scenario) -> Self {
        scenario.cohorts[0].joined = Joined::Start;
        let world = world(scenario);
        let party = world.open(FIRST).unwrap();
        let mut played = Self { world, party };
        played.until(Span::ZERO);
        played.party.account().check();
        played
    }

    pub(super) fn until(&mut self, at: Span) {
        self.world.catch_up(&mut self.party, after(at)).unwrap();
        self.party.account().check();
    }

    fn call(&mut self, at: Span) -> Decision {
        self.until(at);
        let decision = self.world.request(&mut self.party, after(at), 0, 1).unwrap();
        if let Decision::Admit(admission) = decision {
            self.world.served(&mut self.party, after(at), admission.hold, &ONE_REQUEST).unwrap();
            self.until(at);
        }
        decision
    }

    pub(super) fn is_served(&mut self, at: Span) -> bool {
        matches!(self.call(at), Decision::Admit(_))
    }

    pub(super) fn refused(&mut self, at: Span) -> Cause {
        match self.call(at) {
            Decision::Refuse(cause) => cause,
            Decision::Admit(_) => panic!("served"),
        }
    }

    /// What a client is told to wait that is refused for this cause then, in seconds.
    pub(super) fn told_to_wait(&mut self, at: Span, cause: Cause) -> Option<u64> {
        self.until(at);
        self.world.retry_after(&self.party, after(at), 0, cause).map(|wait| wait.ns() / SECOND)
    }

    /// The consumer does something.
    pub(super) fn does(&mut self, at: Span, act: Act) {
        self.until(at);
        self.world.intervene(&mut self.party, after(at), act).unwrap();
    }

    pub(super) fn moved(&self, movement: Movement) -> Money {
        self.party.account().books().moved(movement)
    }
}

pub(super) fn one(plan: Plan) -> Scenario {
    scenario(days(365), plan, Cohort::new("one", 1, poisson(days(1))))
}

pub(super) fn reaction(cause: &'static str, act: Act, after: Span) -> Reaction {
    Reaction { when: When::Cause(cause), act, chance: ALWAYS(), after: Distribution::Constant(after.ns() as f64) }
}

/// A dollar of credit, and a dollar a call.
fn prepaid() -> Plan {
    Plan { prepaid: Some(Prepaid::opening(dollars(1))), prices: first(per_unit("1")), ..Plan::new("prepaid") }
}

/// The processor needs ten minutes: until then the first payment is not made. A renewal is awaited in peace.
#[test]
fn payments_are_awaited() {
    let mut scenario = one(monthly("30"));
    scenario.payments.processor.latency = Distribution::Constant(600.0 * SECOND as f64);
    let mut played = Played::new(scenario);
    assert_eq!(played.refused(secs(1)), Cause::FirstPaymentFailed);
    assert!(played.is_served(secs(601)));
    assert!(played.is_served(days(31) + secs(1)));
    assert_eq!(played.moved(Movement::Capture), dollars(30));
    played.until(days(31) + secs(601));
    assert_eq!(played.moved(Movement::Capture), dollars(60));
}

/// Every payment is charged back ten days later, for a fee of $15, and the service is suspended for five days each time.
#[test]
fn a_chargeback_suspends_the_service() {
    let mut scenario = one(monthly("30"));
    scenario.payments.chargebacks = Returns { chance: ALWAYS(), after: days(10), fee: usd("15"), suspends: days(5) };
    let mut played = Played::new(scenario);
    assert!(played.is_served(days(9)));
    assert_eq!(played.refused(days(10) + secs(1)), Cause::BillingHold);
    assert_eq!(played.refused(days(14)), Cause::BillingHold);
    assert!(played.is_served(days(15) + secs(1)));
    assert_eq!(played.refused(days(41) + secs(1)), Cause::BillingHold);
    assert_eq!((played.moved(Movement::Chargeback), played.moved(Movement::FeeReturn)), (dollars(60), dollars(30)));
    assert_eq!(played.party.account().status(), Status::Active);
}

/// A refund costs its fee and suspends nothing; what was refunded is not charged back as well.
#[test]
fn a_refund_gives_the_money_back_and_no_more() {
    let mut scenario = one(monthly("30"));
    let returns = Returns { chance: ALWAYS(), after: days(3), fee: usd("1"), suspends: Span::ZERO };
    scenario.payments.refunds = returns;
    scenario.payments.chargebacks = Returns { suspends: days(300), ..returns };
    scenario.payments.fees.success = Share { parts: 29, of: 1_000 };
    let mut played = Played::new(scenario);
    assert!(played.is_served(days(20)));
    assert_eq!((played.moved(Movement::Refund), played.moved(Movement::Chargeback)), (dollars(30), Money::ZERO));
    // 2.9 % of $30, which the processor keeps, and its fee.
    assert_eq!(played.moved(Movement::FeeSuccess), usd("0.87"));
    assert_eq!(played.moved(Movement::FeeReturn), usd("1"));
}

/// Refused for the first payment, the consumer puts in another card after an hour, and is served.
#[test]
fn a_consumer_fixes_the_card() {
    let mut scenario = one(monthly("30"));
    scenario.cohorts[0].card = None;
    scenario.cohorts[0].reactions = vec![reaction("no_payment_method", Act::FixCard, hours(1))];
    let mut played = Played::new(scenario);
    assert_eq!(played.refused(secs(10)), Cause::NoPaymentMethod);
    assert_eq!(played.refused(secs(3_609)), Cause::NoPaymentMethod);
    assert!(played.is_served(secs(3_610)));
    assert_eq!(played.moved(Movement::Capture), dollars(30));
}

/// The quota is used up: the consumer takes the larger plan at once. Once in a period: there is one charge for it.
#[test]
fn a_consumer_upgrades_when_the_quota_is_used_up() {
    let mut scenario = one(Plan { allowance: requests(2), ..monthly("31") });
    scenario.plans.push(Plan { allowance: requests(4), ..monthly("62") });
    scenario.cohorts[0].reactions = vec![reaction("quota_exhausted", Act::ChangePlan { to: 1 }, Span::ZERO)];
    let mut played = Played::new(scenario);
    assert!(played.is_served(days(1)) && played.is_served(days(1)));
    assert_eq!(played.refused(days(1)), Cause::QuotaExhausted);
    assert!(played.is_served(days(1) + secs(1)) && played.is_served(days(1) + secs(1)));
    assert_eq!(played.refused(days(1) + secs(1)), Cause::QuotaExhausted);
    assert_eq!(played.party.account().tally().of(Count::Upgrades), 1);
    // A dollar for each of the thirty days that are left, to the cent.
    assert_eq!(played.moved(Movement::Capture), usd("61.00"));
}

/// Credit is bought by hand when there is none left, two dollars each time. Refusals before the credit is there are of the
/// episode that bought it; when that credit is spent, there is another, on a plan without a period too.
#[test]
fn a_consumer_tops_up_once_each_time_that_credit_runs_out() {
    let mut scenario = one(prepaid());
    scenario.cohorts[0].reactions = vec![reaction("credit_exhausted", Act::TopUp(dollars(2)), secs(30))];
    let mut played = Played::new(scenario);
    let top_ups = |played: &Played| played.party.account().tally().of(Count::TopUps);
    assert!(played.is_served(days(1)));
    for bought in 0..3 {
        let day = days(1 + 10 * bought);
        assert_eq!(played.refused(day + secs(1)), Cause::CreditExhausted);
        assert_eq!(played.refused(day + secs(2)), Cause::CreditExhausted);
        assert_eq!(top_ups(&played), bought);
        assert!(played.is_served(day + secs(31)) && played.is_served(day + days(1)));
    }
    assert_eq!(top_ups(&played), 3);
}

/// Each episode has a draw of its own: at one in two, about half of three thousand runs-out are answered; and a consumer
/// who does not buy stays without credit, in one episode for ever.
#[test]
fn each_time_that_credit_runs_out_is_drawn_by_itself() {
    let mut scenario = one(prepaid());
    scenario.cohorts[0].count = 1_000;
    let half = Reaction { chance: Chance::of(1, 2), ..reaction("credit_exhausted", Act::TopUp(dollars(1)), secs(1)) };
    scenario.cohorts[0].reactions = vec![half];
    scenario.cohorts[0].joined = Joined::Start;
    let world = world(scenario);
    let mut bought = [0_u64; 4];
    for consumer in world.consumers() {
        let mut played = Played { party: world.open(consumer).unwrap(), world: world.clone() };
        assert!(played.is_served(days(1)));
        for day in 2..40 {
            played.call(days(day));
        }
        let top_ups = played.party.account().tally().of(Count::TopUps) as usize;
        bought.iter_mut().take(top_ups + 1).for_each(|consumers| *consumers += 1);
    }
    // Whoever has bought k times buys again with a chance of one half: five deviations of a binomial on each side.
    for [before, after] in [[bought[0], bought[1]], [bought[1], bought[2]], [bought[2], bought[3]]] {
        let deviation = 0.5 * (before as f64).sqrt();
        assert!((after as f64 - before as f64 / 2.0).abs() < 5.0 * deviation, "{bought:?}");
    }
}

/// Canceled by dunning, the consumer goes on calling for an hour and then gives up: they have left, though there is nothing
/// to cancel any more, and count as churned once.
#[test]
fn who_is_canceled_may_give_up() {
    let mut scenario = one(monthly("30"));
    scenario.cohorts[0].card = Some(Card::declining(ALWAYS()));
    scenario.cohorts[0].reactions = vec![reaction("canceled", Act::Churn, hours(1))];
    let mut played = Played::new(scenario);
    assert_eq!(played.refused(hours(22)), Cause::FirstPaymentFailed);
    assert_eq!(played.refused(hours(24)), Cause::Canceled);
    played.until(Span::from_ns(hours(25).ns() - 1));
    assert!(!played.party.has_left());
    played.until(hours(25));
    assert!(played.party.has_left());
    assert_eq!(played.party.account().status(), Status::IncompleteExpired);
    assert_eq!(played.party.account().tally().of(Count::Left), 0);
}

/// More than two refusals in a day are too many: the consumer leaves. Two a day for ever are put up with.
#[test]
fn a_consumer_leaves_after_too_many_refusals() {
    let mut scenario = one(Plan { allowance: requests(1), ..monthly("30") });
    let when = When::Refused { more_than: 2 };
    scenario.cohorts[0].reactions = vec![Reaction { when, ..reaction("past_due", Act::Churn, hours(1)) }];
    let mut played = Played::new(scenario);
    assert!(played.is_served(secs(5)));
    for day in 1..10 {
        for second in [1, 2] {
            assert_eq!(played.refused(days(day) + secs(second)), Cause::QuotaExhausted);
        }
    }
    for second in [1, 2, 3] {
        assert_eq!(played.refused(days(10) + secs(second)), Cause::QuotaExhausted);
    }
    assert!(!played.party.has_left());
    played.until(days(10) + secs(3_603));
    assert!(played.party.has_left());
    assert_eq!(played.party.account().status(), Status::Canceled);
}

/// Who leaves by themselves does so on a monthly anniversary, before its renewal: one fee was paid.
#[test]
fn a_consumer_who_leaves_at_the_anniversary_is_not_renewed() {
    let mut scenario = one(monthly("30"));
    scenario.cohorts[0].churn = ALWAYS();
    let mut played = Played::new(scenario);
    assert!(played.is_served(days(30)));
    assert_eq!(played.refused(days(31)), Cause::Canceled);
    played.until(days(100));
    assert_eq!((played.moved(Movement::Invoice), played.moved(Movement::Earn)), (dollars(30), dollars(30)));
}

/// A card that always declines: the first payment fails. One that works at sign-up and never again is canceled at the
/// renewal, by the policy's end.
#[test]
fn a_card_that_declines_is_declined() {
    let mut scenario = one(monthly("30"));
    scenario.cohorts[0].card = Some(Card::declining(ALWAYS()));
    let mut played = Played::new(scenario.clone());
    assert_eq!(played.refused(secs(1)), Cause::FirstPaymentFailed);

    // There before the start, so that only the renewals are collected.
    scenario.payments.dunning = Dunning { retries: vec![days(3), days(5)], ..Dunning::default() };
    scenario.cohorts[0].joined = Joined::Spread;
    let world = world(scenario);
    let mut party = world.open(FIRST).unwrap();
    let renewal = party.account().period_begins() + days(28);
    let at = |time: Time| crate::time::Now { traffic: time, billing: time };
    world.catch_up(&mut party, at(renewal + days(7))).unwrap();
    assert_eq!(party.account().status(), Status::PastDue);
    world.catch_up(&mut party, at(renewal + days(8))).unwrap();
    assert_eq!(party.account().status(), Status::Canceled);
    assert_eq!(party.account().tally().of(Count::Declined), 3);
}
