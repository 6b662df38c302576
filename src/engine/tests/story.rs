//! One consumer whose payment processor answers as the story tells: what the stories of billing are told with.

use std::collections::VecDeque;

use jiff::civil::DateTime;

use super::FIRST;
use crate::billing::account::{Account, Status};
use crate::billing::catalog::Catalog;
use crate::billing::cause::Cause;
use crate::billing::decline::{Answer, Decline};
use crate::billing::gate::{Action, Admission, Decision, View};
use crate::billing::hold::HoldId;
use crate::billing::invoice::{Charge, Purpose};
use crate::billing::ledger::{LedgerAccount, Movement};
use crate::billing::tally::Count;
use crate::billing::timer::Deadline;
use crate::figures::Figures;
use crate::model::{METERS_MAX, PerMeter, Period, Plan, Price, Scenario, UnitPrice};
use crate::money::{Currency, Money, NANOS};
use crate::time::{Clock, DAY, HOUR, Now, Span, Time};

/// There is no money behind the card just now.
pub(super) const BROKE: Answer = Answer::Declined(Decline::InsufficientFunds);
/// The card will never pay again.
pub(super) const LOST: Answer = Answer::Declined(Decline::LostCard);

/// An amount as people write it: `20.01`.
pub(super) fn usd(text: &str) -> Money {
    let (major, minor) = text.split_once('.').unwrap_or((text, ""));
    let nanos: i64 = format!("{minor:0<9}").parse().unwrap();
    Money::from_nanos(major.parse::<i64>().unwrap() * NANOS + nanos)
}

/// So much a unit.
pub(super) fn per_unit(amount: &str) -> Price {
    Price::PerUnit(UnitPrice { amount: usd(amount), per: 1 })
}

/// The same of the first meter, and nothing of the others.
pub(super) fn first<T>(what: T) -> PerMeter<Option<T>> {
    let mut all = [const { None }; METERS_MAX];
    all[0] = Some(what);
    all
}

pub(super) const fn hours(n: u64) -> Span {
    Span::from_ns(n * HOUR)
}

/// A fee a month, and usage that is counted by the month.
pub(super) fn monthly(fee: &str) -> Plan {
    Plan { fee: usd(fee), fee_period: Some(Period::Month), usage_period: Some(Period::Month), ..Plan::new("monthly") }
}

/// One consumer of a scenario, and what the processor was asked.
pub(super) struct Story {
    pub(super) catalog: Catalog,
    pub(super) account: Account,
    /// What the processor will answer, in order; it pays when nothing is left.
    answers: VecDeque<Answer>,
    /// What the processor was asked, and when on the billing clock.
    pub(super) charged: Vec<(Time, Charge)>,
    /// What it has not answered, when it takes its time.
    pub(super) waiting: Vec<Charge>,
    takes_its_time: bool,
    clock: Clock,
    start: DateTime,
    currency: Currency,
}

impl Story {
    /// One who will subscribe so long after the start.
    pub(super) fn awaited(scenario: &Scenario, joins: Span, answers: &[Answer]) -> Self {
        let catalog = Catalog::new(scenario).unwrap();
        let account = Account::awaited(FIRST, &catalog, Time::START + joins);
        Self::of(scenario, catalog, account, answers)
    }

    /// One who subscribes at the very start.
    pub(super) fn begin(scenario: &Scenario, answers: &[Answer]) -> Self {
        let mut story = Self::awaited(scenario, Span::ZERO, answers);
        story.until(Time::START);
        story
    }

    /// One who was there before the start.
    pub(super) fn existing(scenario: &Scenario, answers: &[Answer]) -> Self {
        let catalog = Catalog::new(scenario).unwrap();
        let mut account = Account::existing(FIRST, &catalog);
        account.open_books(&catalog).unwrap();
        account.seen = Now::default();
        Self::of(scenario, catalog, account, answers)
    }

    fn of(scenario: &Scenario, catalog: Catalog, account: Account, answers: &[Answer]) -> Self {
        Self {
            catalog,
            account,
            answers: answers.iter().copied().collect(),
            charged: Vec::new(),
            waiting: Vec::new(),
            takes_its_time: false,
            clock: Clock::REAL,
            start: scenario.start,
            currency: scenario.currency,
        }
    }

    /// Billing time runs at another pace from here on.
    pub(super) fn at_pace(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// From here on the processor answers when the story says so.
    pub(super) fn processor_takes_its_time(&mut self) {
        self.takes_its_time = true;
    }

    /// What the processor will answer from here on, in order.
    pub(super) fn will_answer(&mut self, answers: &[Answer]) {
        self.answers = answers.iter().copied().collect();
    }

    // === Time ===

    /// The instant of a civil time in UTC: `2026-04-01`, or `2026-04-01T12:00`.
    pub(super) fn at(&self, civil: &str) -> Time {
        let civil = civil.parse::<DateTime>().or_else(|_| civil.parse::<jiff::civil::Date>().map(DateTime::from));
        let since = civil.unwrap().duration_since(self.start);
        Time::from_ns(since.as_nanos() as i64)
    }

    /// An instant as a civil time in UTC, without a time of day at midnight.
    pub(super) fn date(&self, at: Time) -> String {
        let civil = self.start + jiff::SignedDuration::from_nanos(at.ns());
        civil.to_string().trim_end_matches("T00:00:00").to_owned()
    }

    /// Lets time pass on the billing clock.
    pub(super) fn until(&mut self, billing: Time) {
        let traffic = self.clock.traffic_at(billing);
        self.reach(Now { traffic, billing });
    }

    /// Lets time pass until a civil time in UTC.
    pub(super) fn until_date(&mut self, civil: &str) {
        self.until(self.at(civil));
    }

    /// Does everything that is due, each thing at its own moment; the books are checked after each.
    pub(super) fn reach(&mut self, now: Now) {
        while !self.account.is_idle(now) {
            let next = self.account.next_deadline();
            let shown = self.clock.traffic_at(next.billing);
            let is_billing = next.billing <= now.billing && (shown <= next.traffic || next.traffic > now.traffic);
            let own = Now { traffic: shown, billing: next.billing };
            let own = if is_billing { own } else { self.clock.at(next.traffic) };
            let what = if is_billing { self.account.next_due().unwrap().1 } else { Deadline::Hold };
            let seen = self.account.seen;
            let at = Now {
                traffic: own.traffic.min(now.traffic).max(seen.traffic),
                billing: own.billing.min(now.billing).max(seen.billing),
            };
            let mut actions = Vec::new();
            self.account.deadline(at, what, &self.catalog, &mut actions).unwrap();
            self.act(at, actions);
        }
        // Nothing was due, but the clocks have moved.
        self.account.seen = now;
    }

    /// Asks the processor for what the account wants collected.
    fn act(&mut self, now: Now, mut actions: Vec<Action>) {
        self.account.check();
        while let Some(Action::Charge(charge)) = actions.pop() {
            self.charged.push((now.billing, charge));
            if self.takes_its_time {
                self.waiting.push(charge);
            } else {
                let answer = self.answers.pop_front().unwrap_or(Answer::Paid);
                self.account.processor(now, &self.catalog, charge, answer, &mut actions).unwrap();
            }
            self.account.check();
        }
    }

    /// The processor answers what it was asked first.
    pub(super) fn answer(&mut self, billing: Time, answer: Answer) {
        let now = self.now(billing);
        let charge = self.waiting.remove(0);
        let mut actions = Vec::new();
        self.account.processor(now, &self.catalog, charge, answer, &mut actions).unwrap();
        self.act(now, actions);
    }

    /// The processor pays the next so many that it was asked.
    pub(super) fn answer_all(&mut self, billing: Time, count: usize) {
        self.until(billing);
        for _ in 0..count {
            self.answer(billing, Answer::Paid);
        }
    }

    fn now(&mut self, billing: Time) -> Now {
        self.until(billing);
        self.account.seen
    }

    /// The played time is over.
    pub(super) fn close(&mut self, billing: Time) {
        let now = self.now(billing);
        self.account.close(now).unwrap();
    }

    // === Calls ===

    /// What the gate says to a call of the first route.
    pub(super) fn call(&mut self, billing: Time) -> Decision {
        self.call_route(billing, 0)
    }

    pub(super) fn call_route(&mut self, billing: Time, route: u16) -> Decision {
        let now = self.now(billing);
        let decision = self.account.request(now, &self.catalog, View::ReadThrough, route, false).unwrap();
        self.account.check();
        decision
    }

    /// A call that must be admitted, and is left in flight.
    pub(super) fn admitted(&mut self, billing: Time) -> Admission {
        match self.call(billing) {
            Decision::Admit(admission) => admission,
            Decision::Refuse(cause) => panic!("refused on {}: {cause:?}", self.date(billing)),
        }
    }

    /// Why a call is refused.
    pub(super) fn refused(&mut self, billing: Time) -> Cause {
        match self.call(billing) {
            Decision::Admit(_) => panic!("served on {}", self.date(billing)),
            Decision::Refuse(cause) => cause,
        }
    }

    /// A call in flight is answered, and used this much.
    pub(super) fn served(&mut self, billing: Time, hold: HoldId, usage: PerMeter<u64>) {
        let now = self.now(billing);
        self.account.served(now, &self.catalog, hold, &usage).unwrap();
        self.account.check();
    }

    pub(super) fn failed(&mut self, billing: Time, hold: HoldId) {
        let now = self.now(billing);
        self.account.failed(now, &self.catalog, hold, 0, &[1, 0, 0, 0]).unwrap();
        self.account.check();
    }

    /// So many calls, each of one request, are made and answered at once; what time they bring is done after the last.
    pub(super) fn calls(&mut self, billing: Time, count: u64) {
        for _ in 0..count {
            self.uses(billing, crate::billing::catalog::ONE_REQUEST);
        }
        self.until(billing);
    }

    /// A call is made and answered at once.
    pub(super) fn uses(&mut self, billing: Time, usage: PerMeter<u64>) {
        let hold = self.admitted(billing).hold;
        self.served(billing, hold, usage);
        self.until(billing);
    }

    // === What the consumer does ===

    pub(super) fn change_plan(&mut self, billing: Time, to: usize) {
        let now = self.now(billing);
        let mut actions = Vec::new();
        self.account.change_plan(now, &self.catalog, to, &mut actions).unwrap();
        self.act(now, actions);
    }

    pub(super) fn new_card(&mut self, billing: Time) {
        let now = self.now(billing);
        let mut actions = Vec::new();
        self.account.new_card(now, &self.catalog, &mut actions).unwrap();
        self.act(now, actions);
        self.until(billing);
    }

    pub(super) fn buys(&mut self, billing: Time, amount: &str) {
        let now = self.now(billing);
        let mut actions = Vec::new();
        self.account.buy_credit(now, &self.catalog, usd(amount), &mut actions);
        self.act(now, actions);
    }

    pub(super) fn leaves(&mut self, billing: Time) {
        let now = self.now(billing);
        let mut actions = Vec::new();
        self.account.leave(now, &self.catalog, &mut actions).unwrap();
        self.act(now, actions);
    }

    // === What is to be seen ===

    pub(super) fn status(&self) -> Status {
        self.account.status()
    }

    /// What the processor was asked: when (civil, UTC), and how much.
    pub(super) fn asked(&self) -> Vec<(String, String)> {
        let said = |(at, charge): &(Time, Charge)| (self.date(*at), self.money(charge.amount));
        self.charged.iter().map(said).collect()
    }

    /// Checks what the processor was asked since the last look.
    #[track_caller]
    pub(super) fn asks(&mut self, expected: &[(&str, &str)]) {
        let asked = self.asked();
        let asked: Vec<_> = asked.iter().map(|(at, amount)| (at.as_str(), amount.as_str())).collect();
        assert_eq!(asked, expected);
        self.charged.clear();
    }

    /// The attempts: day, purpose, number.
    pub(super) fn attempts(&self) -> Vec<(f64, Purpose, u32)> {
        let said = |(at, charge): &(Time, Charge)| (at.ns() as f64 / DAY as f64, charge.purpose, charge.attempt);
        self.charged.iter().map(said).collect()
    }

    fn money(&self, amount: Money) -> String {
        self.currency.display(i128::from(amount.nanos())).to_string()
    }

    /// What has moved by a kind of movement.
    pub(super) fn moved(&self, movement: Movement) -> String {
        self.money(self.account.books().moved(movement))
    }

    /// What an account of the ledger holds, debit-positive.
    pub(super) fn holds(&self, account: LedgerAccount) -> String {
        self.currency.display(self.account.books().balance(account)).to_string()
    }

    /// The journal: what has moved, in major units; recurring revenue is a memorandum, and left out.
    pub(super) fn journal(&self) -> Vec<(&'static str, f64)> {
        let moved = Movement::ALL.map(|movement| (movement, self.account.books().moved(movement).nanos()));
        let is_money = |(movement, nanos): &(Movement, i64)| *nanos != 0 && !movement.name().starts_with("mrr");
        let named = |(movement, nanos): (Movement, i64)| (movement.name(), nanos as f64 / 1e9);
        moved.into_iter().filter(is_money).map(named).collect()
    }

    /// A figure of the money report.
    pub(super) fn figure(&self, pick: impl Fn(&Figures) -> i128) -> String {
        let figures = Figures::of(|movement| i128::from(self.account.books().moved(movement).nanos()));
        self.currency.display(pick(&figures)).to_string()
    }

    pub(super) fn count(&self, count: Count) -> u64 {
        self.account.tally().of(count)
    }

    pub(super) fn credit(&self) -> String {
        self.money(self.account.credit())
    }
}
