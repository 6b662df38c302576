//! What surrounds the billing rules: consumers that call and react, cards, a processor that is asked to collect. Pure:
//! every draw has an address, so the same call happens whoever plays it.

pub mod arrivals;
pub mod card;
pub mod client;
mod fault;
pub mod note;
pub mod outside;
pub mod party;
pub mod path;
pub mod processor;
mod reaction;
pub mod reminder;
pub mod schedule;
pub mod session;
pub mod slow;
mod stages;
mod webhooks;

use std::sync::Arc;

use crate::billing::account::{Account, Consumer, Status};
use crate::billing::catalog::Catalog;
use crate::billing::cause::Cause;
use crate::billing::gate::{Action, Decision, View};
use crate::billing::headroom::Passed;
use crate::billing::history::History;
use crate::billing::hold::HoldId;
use crate::billing::standing::NotSold;
use crate::billing::tally::Count;
use crate::billing::timer::Deadline;
use crate::model::{Act, Client, Live, On402, PerMeter, Scenario};
use crate::money::{Money, Overflow};
use crate::time::{Now, SECOND, Span, Time};

use fault::Faults;
use outside::{Ask, Came, CaughtUp, Hears};
use party::{Happening, Party};
use path::Paths;
use processor::Processor;
use reaction::Reaction;
use schedule::{Call, Calls, Pace, Schedule};
use stages::Stages;
pub use webhooks::Via;
use webhooks::Webhooks;

/// A scenario made ready to be played, in virtual time or on sockets. Shared by all threads.
#[derive(Clone, Debug)]
pub struct World {
    /// What is played.
    pub scenario: Arc<Scenario>,
    /// The rules.
    pub catalog: Catalog,
    /// Who calls when.
    pub schedule: Schedule,
    /// Who collects.
    pub processor: Processor,
    /// By cohort.
    reactions: Vec<Vec<Reaction>>,
    paths: Paths,
    faults: Faults,
    webhooks: Webhooks,
    /// Whether consumers share an upstream of limited capacity.
    shared: bool,
    /// Whether what the consumers' software does about a refusal is played here; else it does so itself.
    plays_software: bool,
}

/// What a client is told to wait for a payment that is being made.
pub const PAYMENT_TAKES: Span = Span::from_secs(1);

impl World {
    /// The scenario as it stands: the whole horizon, both clocks equal.
    pub fn whole(scenario: Arc<Scenario>) -> Result<Self, Overflow> {
        let pace = Pace::whole(&scenario);
        Self::paced(scenario, pace, None)
    }

    /// The load that `live` asks for: the scenario's arrivals scaled to its rate, for its duration, at its clock.
    pub fn scaled(scenario: Arc<Scenario>, live: &Live) -> Result<Self, Overflow> {
        let pace = Pace::scaled(&scenario, live);
        Self::paced(scenario, pace, Stages::of(live))
    }

    fn paced(scenario: Arc<Scenario>, pace: Pace, stages: Option<Stages>) -> Result<Self, Overflow> {
        let catalog = Catalog::new(&scenario)?;
        let processor = Processor::new(&scenario, &catalog);
        let schedule = Schedule::staged(&scenario, &catalog, pace, stages);
        let reactions = reaction::compile(&scenario);
        let (faults, webhooks) = (Faults::new(&scenario), Webhooks::new(&scenario.payments.webhooks));
        let (paths, shared) = (Paths::new(&scenario, &faults), scenario.is_shared());
        Ok(Self {
            scenario,
            catalog,
            schedule,
            processor,
            reactions,
            paths,
            faults,
            webhooks,
            shared,
            plays_software: true,
        })
    }

    /// The same, called by software that buys its own credit: nobody's [`On402::TopUpThenRetry`] is played.
    #[must_use]
    pub fn without_software(self) -> Self {
        Self { plays_software: false, ..self }
    }

    /// Where the played time ends, on both clocks.
    pub fn end(&self) -> Now {
        let pace = self.schedule.pace();
        pace.clock.at(pace.until)
    }

    /// Every consumer of the scenario, cohort by cohort.
    pub fn consumers(&self) -> impl Iterator<Item = Consumer> + '_ {
        let cohorts = &self.scenario.cohorts;
        (0..cohorts.len() as u32)
            .flat_map(|cohort| (0..cohorts[cohort as usize].count).map(move |index| Consumer { cohort, index }))
    }

    /// The calls of one consumer, in time order: from when they join until they leave by themselves.
    pub fn calls(&self, consumer: Consumer) -> Calls<'_> {
        self.schedule.calls(consumer, &self.catalog)
    }

    /// A consumer's account as it is at the start: not there yet; or with its period half over, the usage of that period
    /// already counted.
    pub fn open(&self, consumer: Consumer) -> Result<Party, Overflow> {
        self.open_hearing(consumer, Hears::FromTheModel)
    }

    /// The same, of one whose account hears from the processor in that way.
    ///
    /// # Errors
    /// When an amount leaves the range.
    pub fn open_hearing(&self, consumer: Consumer, hears: Hears) -> Result<Party, Overflow> {
        let joins = self.schedule.joins(consumer);
        let account = match joins {
            Some(joins) => Account::awaited(consumer, &self.catalog, joins),
            None => self.open_existing(consumer)?,
        };
        let mut party = Party::new(account, joins, self.reactions[consumer.cohort as usize].len(), hears);
        let leaves = self.schedule.leaves(consumer, &self.catalog);
        if leaves != Time::NEVER {
            party.agenda.enter(leaves, Happening::Leave);
        }
        self.plan_reminders(&mut party, joins);
        Ok(party)
    }

    fn open_existing(&self, consumer: Consumer) -> Result<Account, Overflow> {
        let mut account = Account::existing(consumer, &self.catalog);
        if account.counts_usage(&self.catalog) {
            let clock = self.schedule.pace().clock;
            let mut calls = self.schedule.history(consumer, account.period_begins());
            let mut history = History::new(&mut account, &self.catalog);
            let mut call = Call::default();
            while calls.next_into(&mut call) {
                history.call(clock.at(call.at), call.route, &call.usage)?;
            }
            history.end()?;
        }
        account.open_books(&self.catalog)?;
        Ok(account)
    }

    /// Whether any consumer has a card, or may come to have one: then somebody may be charged.
    pub fn charges(&self) -> bool {
        let fixes = |reaction: &Reaction| matches!(reaction.act, Act::FixCard);
        self.scenario.cohorts.iter().any(|cohort| cohort.card.is_some()) || self.reactions.iter().flatten().any(fixes)
    }

    /// Decides a request, the attempt of this number at its call. Whatever is due before it has been done: see
    /// [`Self::catch_up`].
    #[inline]
    pub fn request(&self, party: &mut Party, now: Now, route: u16, attempt: u32) -> Result<Decision, Overflow> {
        if let Some(cause) = self.refuses(party, now) {
            self.refused(party, now, cause)?;
            return Ok(Decision::Refuse(cause));
        }
        let is_paid = attempt > 1 && self.client(party.consumer()).on_402 == On402::PayOnce;
        let decision = party.account.request(now, &self.catalog, View::ReadThrough, route, is_paid);
        if let Ok(Decision::Refuse(cause)) = decision {
            self.refused(party, now, cause)?;
        }
        decision
    }

    /// What a fault of the gateway refuses a consumer for whose key it knows.
    #[inline]
    fn refuses(&self, party: &Party, now: Now) -> Option<Cause> {
        let account = party.account();
        self.faults.refuses(|| account.plan(&self.catalog), now.billing).filter(|_| account.status() != Status::Awaited)
    }

    /// The software that a consumer calls with.
    fn client(&self, consumer: Consumer) -> &Client {
        &self.scenario.cohorts[consumer.cohort as usize].client
    }

    /// What the consumer, or their software, does about a refusal on the side of the account.
    fn refused(&self, party: &mut Party, now: Now, cause: Cause) -> Result<(), Overflow> {
        party.account.count_refusal();
        let reactions = &self.reactions[party.consumer().cohort as usize];
        if !reactions.is_empty() {
            reaction::notice(party, reactions, &self.catalog, now, cause);
        }
        let buys = || self.plays_software && self.client(party.consumer()).on_402 == On402::TopUpThenRetry;
        if cause == Cause::CreditExhausted && buys() {
            party.account.buy_usual_credit(now, &self.catalog, &mut party.actions);
            self.act(party, now)?;
        }
        Ok(())
    }

    /// How many calls pass for certain, but for the limits, if each is served before the next and before that moment. What
    /// was due by `now` has been done.
    pub fn headroom(&self, party: &Party, now: Now) -> (u64, Time) {
        let due = party.next_deadline();
        if self.faults.is_broken(now.billing) {
            return (0, now.traffic);
        }
        let billing = due.billing.min(self.faults.next(now.billing));
        let until = due.traffic.min(self.schedule.pace().clock.traffic_at(billing));
        (party.account.headroom(now, &self.catalog), until)
    }

    /// Calls have passed within the [headroom](Self::headroom); the last was served at `now`.
    pub fn passed(&self, party: &mut Party, now: Now, passed: &Passed) -> Result<(), Overflow> {
        party.account.passed(now, &self.catalog, passed)
    }

    /// The call was served, and used this much.
    #[inline]
    pub fn served(&self, party: &mut Party, now: Now, hold: HoldId, usage: &PerMeter<u64>) -> Result<(), Overflow> {
        party.account.served(now, &self.catalog, hold, usage)
    }

    /// Whether consumers share something: an upstream of limited capacity. Then they are one component.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// The call failed after it was admitted, at that hop of its path; each upstream up to there has used this much for it.
    pub fn failed(
        &self,
        party: &mut Party,
        now: Now,
        hold: HoldId,
        hop: u8,
        used: &PerMeter<u64>,
    ) -> Result<(), Overflow> {
        party.account.failed(now, &self.catalog, hold, hop, used)
    }

    /// The client of an admitted call waits no longer, and had been sent this much: see [`Account::gave_up`].
    ///
    /// # Errors
    /// When an amount leaves the range.
    pub fn gave_up(&self, party: &mut Party, now: Now, hold: HoldId, sent: &PerMeter<u64>) -> Result<(), Overflow> {
        party.account.gave_up(now, &self.catalog, hold, sent)
    }

    /// What a refused client is told to wait, in whole seconds (RFC 9110, `Retry-After`), rounded up so that one who comes
    /// back then finds a token, or an allowance or a spend cap that is new; `None` where waiting alone does not help, or
    /// nobody knows for how long. While a payment is being made that would mend it, that is [`PAYMENT_TAKES`]: nothing is to be
    /// done but to wait, and a gateway does not know for how long its processor will think.
    pub fn retry_after(&self, party: &Party, now: Now, route: u16, cause: Cause) -> Option<Span> {
        let wait_ns = match cause {
            Cause::RateLimited => party.account.margins(now, &self.catalog, route).rate_ns.min(0).unsigned_abs(),
            Cause::QuotaExhausted | Cause::SpendCap => {
                let renews = party.account.allowance_renews(&self.catalog)?;
                self.schedule.pace().clock.traffic_at(renews).since(now.traffic).ns()
            }
            Cause::CreditExhausted if party.account.is_buying_credit() => PAYMENT_TAKES.ns(),
            Cause::FirstPaymentFailed | Cause::PastDue | Cause::Unpaid if party.account.is_collecting() => {
                PAYMENT_TAKES.ns()
            }
            Cause::FirstPaymentFailed => {
                let again = self.schedule.pace().clock.traffic_at(party.account.pays_again_at()?);
                again.since(now.traffic).ns().max(PAYMENT_TAKES.ns())
            }
            _ => return None,
        };
        Some(Span::from_secs(wait_ns.div_ceil(SECOND)))
    }

    /// Ends an account at `end`. Time is played on [start, end): what would be due at the end itself belongs to what
    /// comes after, as a call at the end does.
    /// What is due after an answer that has not come is not done: whoever plays a party that hears from outside waits for
    /// it first, up to [`Self::last`].
    pub fn close(&self, party: &mut Party, end: Now) -> Result<(), Overflow> {
        self.catch_up(party, Self::last(end))?;
        self.stays_unheard(party, end)?;
        party.account.close(end)
    }

    /// The last instant that is played before `end`.
    #[must_use]
    pub fn last(end: Now) -> Now {
        let instant = Span::from_ns(1);
        Now { traffic: end.traffic - instant, billing: end.billing - instant }
    }

    /// When something is due next for an account, if nobody calls before, in traffic time.
    pub fn next_moment(&self, party: &Party) -> Time {
        let due = party.next_deadline();
        due.traffic.min(self.schedule.pace().clock.traffic_at(due.billing))
    }

    /// Does everything that is due for an account at `now`, each thing at its own moment. One that hears from outside stops
    /// where an answer is due that has not come: it is to be caught up again when that has been [told](Self::heard).
    #[inline]
    pub fn catch_up(&self, party: &mut Party, now: Now) -> Result<CaughtUp, Overflow> {
        while !party.is_idle(now) {
            if self.do_next(party, now)? == CaughtUp::Waits {
                return Ok(CaughtUp::Waits);
            }
        }
        Ok(CaughtUp::Fully)
    }

    /// Does what is due first. What is due on the billing clock happens when that shows its moment; of two at one
    /// moment, what the consumer does goes before what the calendar brings, and both before what traffic brings.
    #[cold]
    fn do_next(&self, party: &mut Party, now: Now) -> Result<CaughtUp, Overflow> {
        if let Some(at) = party.stopped() {
            return self.go_on(party, at);
        }
        let clock = self.schedule.pace().clock;
        let next = party.next_deadline();
        let shown = clock.traffic_at(next.billing);
        let is_billing = next.billing <= now.billing && (shown <= next.traffic || next.traffic > now.traffic);
        let own = if is_billing { Now { traffic: shown, billing: next.billing } } else { clock.at(next.traffic) };
        // Readings that were rounded, or came late, never turn the account's clocks back.
        let seen = party.account.seen;
        let at = Now {
            traffic: own.traffic.min(now.traffic).max(seen.traffic),
            billing: own.billing.min(now.billing).max(seen.billing),
        };
        if !is_billing {
            if next.traffic == party.answers.next() {
                let Some(incoming) = party.take_incoming() else { return Ok(CaughtUp::Waits) };
                self.comes(party, at, incoming)?;
            } else {
                party.account.deadline(at, Deadline::Hold, &self.catalog, &mut party.actions)?;
            }
        } else if next.billing == party.agenda.next() {
            let happening = party.agenda.take().expect("something is due");
            self.happen(party, at, happening)?;
        } else {
            let (_, what) = party.account.next_due().expect("something is due");
            self.falls_due(party, at, what)?;
        }
        self.act(party, at)?;
        Ok(CaughtUp::Fully)
    }

    /// Goes on where an account has stopped for an answer that the model gives at once, if that has come.
    fn go_on(&self, party: &mut Party, since: Now) -> Result<CaughtUp, Overflow> {
        let Some(incoming) = party.take_incoming() else { return Ok(CaughtUp::Waits) };
        party.goes_on();
        // Calls may have come meanwhile.
        let seen = party.account.seen;
        let at = Now { traffic: since.traffic.max(seen.traffic), billing: since.billing.max(seen.billing) };
        self.comes(party, at, incoming)?;
        self.act(party, at)?;
        Ok(CaughtUp::Fully)
    }

    /// Does what the account asks for. One that has stopped asks for nothing more before it goes on.
    fn act(&self, party: &mut Party, now: Now) -> Result<(), Overflow> {
        if party.stopped().is_some() {
            return Ok(());
        }
        while let Some(Action::Charge(charge)) = party.actions.pop() {
            let (answer, latency) = self.processor.answer(party.consumer(), charge, party.cards, now.billing);
            let hears = Self::hears_at(now, latency);
            if hears == now.traffic && party.hears() == Hears::FromTheModel {
                self.answered(party, now, charge, answer)?;
            } else if !party.wants(now, hears, Ask { charge, answer, latency }) {
                break;
            }
        }
        Ok(())
    }

    /// When an account hears of what it asks for now, on the traffic clock.
    fn hears_at(now: Now, latency: Span) -> Time {
        now.traffic + latency
    }

    /// Something has come for this party from the processor outside. It is heard when it is due: by `now` at once, else when
    /// the account is caught up to the moment.
    ///
    /// # Errors
    /// When an amount leaves the range.
    pub fn heard(&self, party: &mut Party, now: Now, came: Came) -> Result<CaughtUp, Overflow> {
        party.keep(came);
        self.catch_up(party, now)
    }

    fn happen(&self, party: &mut Party, now: Now, happening: Happening) -> Result<(), Overflow> {
        match happening {
            Happening::Leave => {
                self.no_longer_shut_out(party, now);
                self.react(party, now, Act::Churn)
            }
            Happening::React(index) => match self.reactions[party.consumer().cohort as usize][index].act {
                Act::SlowDown { lasts, .. } => {
                    party.account.slows_down(now);
                    self.slow_down(party, now, index, lasts);
                    Ok(())
                }
                act => self.react(party, now, act),
            },
            Happening::Recover(index) => {
                self.recover(party, index);
                Ok(())
            }
            Happening::Remind(reminded) => {
                self.remind(party, now, reminded);
                Ok(())
            }
            Happening::Heed(index, reminded) => self.heed(party, now, index, reminded),
            Happening::Return(movement, charge) => self.goes_back(party, now, movement, charge),
        }
    }

    /// Somebody does something to an account from outside of the played world, as a reaction would. What was due by `now`
    /// has been done. A subscription that has not begun, or is over, stays as it is.
    pub fn intervene(&self, party: &mut Party, now: Now, act: Act) -> Result<(), Overflow> {
        if party.account.status() == Status::Awaited || party.account.is_over() {
            return Ok(());
        }
        self.react(party, now, act)?;
        self.act(party, now)
    }

    /// The consumer's software buys credit as it usually does. What was due by `now` has been done. Returns how much is
    /// asked for: the processor may say no.
    pub fn buy_usual_credit(&self, party: &mut Party, now: Now) -> Result<Result<Money, NotSold>, Overflow> {
        let asked = party.account.usual_credit(&self.catalog);
        party.account.buy_usual_credit(now, &self.catalog, &mut party.actions);
        self.act(party, now)?;
        Ok(asked)
    }

    /// The consumer does something to the account.
    fn react(&self, party: &mut Party, now: Now, act: Act) -> Result<(), Overflow> {
        let Party { account, actions, cards, has_left, .. } = party;
        let catalog = &self.catalog;
        match act {
            Act::Churn => {
                *has_left |= account.is_over();
                account.leave(now, catalog, actions)?;
                *has_left |= account.tally.of(Count::Left) > 0;
            }
            Act::ChangePlan { to } => account.change_plan(now, catalog, to, actions)?,
            Act::TopUp(amount) => account.buy_credit(now, catalog, amount, actions),
            Act::FixCard => {
                cards.last = Some(now.billing);
                cards.count += 1;
                account.new_card(now, catalog, actions)?;
                self.watch_card(party, now.billing);
            }
            Act::SlowDown { .. } => {}
        }
        Ok(())
    }
}
