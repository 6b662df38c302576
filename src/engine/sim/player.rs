//! One consumer as it is played: its party, its calls, and its client's attempts at them.

mod patience;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use self::patience::Patience;
use super::tab::Tab;
use super::{Ended, Observer, Tried};
use crate::billing::account::Consumer;
use crate::billing::cause::{Cause, Failure};
use crate::billing::gate::Decision;
use crate::billing::hold::HoldId;
use crate::draw::Ahead;
use crate::model::{Client, METERS_MAX, PerMeter, Upstream};
use crate::money::Overflow;
use crate::time::{Now, Span, Time};
use crate::world::World;
use crate::world::client::{Answered, Attempts, Budget, next_attempt};
use crate::world::party::Party;
use crate::world::path::{Journey, Work};
use crate::world::schedule::{Call, Calls, Drawn};
use crate::world::session::FollowUps;

/// One consumer as it is played.
///
/// It lies in memory in the order in which a call reads it: among many players, each cache line is waited for.
#[repr(C)]
pub(super) struct Player<'a> {
    pub(super) tab: Tab,
    pub(super) world: &'a World,
    pub(super) consumer: Consumer,
    /// The next call, if it is there.
    pub(super) call: Call,
    pub(super) is_there: bool,
    pub(super) calls: Calls<'a>,
    pub(super) latencies: Ahead,
    /// Attempts that the client will make again, calls that follow others, and attempts that are given up then. Why stands
    /// beside the attempt: in it, it would be copied with every attempt that is made.
    pub(super) waiting: BinaryHeap<Reverse<(Try, Waits)>>,
    /// What follows calls that have come to their ends, where they come in sessions.
    follow_ups: Option<Box<FollowUps<'a>>>,
    /// How failed attempts are made again; `None`: not at all.
    client: Option<&'a Client>,
    /// Where the client does not wait for ever.
    patience: Option<Box<Patience>>,
    budget: Budget,
    tried: Tried,
    pub(super) party: Party,
}

/// An attempt at a call; ordered by when it is made, then by the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Try {
    /// When it is made.
    pub(super) at: Time,
    pub(super) index: u64,
    attempt: u32,
    pub(super) route: u16,
    /// When the first attempt was made.
    since: Time,
    usage: PerMeter<u64>,
}

/// How the attempt before has ended, and under which price version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Before {
    ended: Ended,
    terms: u32,
}

/// What waits for its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Waits {
    /// The first attempt at a call that follows another.
    First,
    /// A further attempt.
    Again(Before),
    /// The end of the client's patience with an attempt that was made then. One that has been answered meanwhile is passed
    /// over.
    GivesUp {
        /// When it was made.
        made: Time,
        /// What it holds.
        hold: HoldId,
    },
}

impl Try {
    /// The first attempt at a call.
    #[inline]
    pub(super) fn first(call: &Call) -> Self {
        let Call { index, attempt, at, route, usage } = *call;
        Self { at, index, attempt, route, since: at, usage }
    }

    fn call(&self) -> Call {
        let Self { at, index, attempt, route, usage, .. } = *self;
        Call { index, attempt, at, route, usage }
    }
}

impl<'a> Player<'a> {
    /// A consumer as it is at the start; `tab` is one that is used again.
    pub(super) fn open(world: &'a World, consumer: Consumer, tab: Tab) -> Result<Self, Overflow> {
        let client = &world.scenario.cohorts[consumer.cohort as usize].client;
        let mut player = Self {
            tab,
            world,
            consumer,
            call: Call::default(),
            is_there: true,
            calls: world.calls(consumer),
            latencies: Ahead::new(world.schedule.attempts(consumer, Drawn::Latency)),
            waiting: BinaryHeap::new(),
            follow_ups: world.schedule.follow_ups(consumer).map(Box::new),
            client: (*client != Client::none()).then_some(client),
            patience: client.timeout.map(|timeout| Box::new(Patience::new(timeout))),
            budget: Budget::new(client),
            tried: Tried::default(),
            party: world.open(consumer)?,
        };
        player.tab.alone = 0;
        player.is_there = player.calls.next_into(&mut player.call);
        Ok(player)
    }

    /// Attempts at or after this instant are not made, and answers not waited for.
    #[inline]
    pub(super) fn end(&self) -> Time {
        self.world.schedule.pace().until
    }

    /// Whether nothing that happens to a call makes another one come.
    #[inline]
    pub(super) fn is_open_loop(&self) -> bool {
        self.follow_ups.is_none()
    }

    /// When the next attempt is made; [`Time::NEVER`] when there is none before the end.
    #[inline]
    pub(super) fn next_at(&self) -> Time {
        let arrival = if self.is_there { self.call.at } else { Time::NEVER };
        match self.waiting.peek() {
            Some(Reverse((again, _))) if again.at < arrival && again.at < self.end() => again.at,
            _ => arrival,
        }
    }

    /// Whether the next attempt is the first at a call of the schedule. Of two at one moment, that goes first.
    #[inline]
    pub(super) fn is_arrival(&self) -> bool {
        self.is_there && self.waiting.peek().is_none_or(|Reverse((again, _))| self.call.at <= again.at)
    }

    /// Does what is due at this instant of traffic.
    #[inline]
    pub(super) fn arrive(&mut self, traffic: Time) -> Result<Now, Overflow> {
        let now = self.world.schedule.pace().clock.at(traffic);
        self.world.catch_up(&mut self.party, now)?;
        Ok(now)
    }

    /// Passes over the next call, if the consumer has slowed down and does not make it: whether that is so. What is due by
    /// then has been done.
    #[inline]
    pub(super) fn passes_over(&mut self) -> bool {
        if !self.party.is_slowed() || !self.is_arrival() || self.world.makes(&self.party, self.call.index) {
            return false;
        }
        self.is_there = self.calls.next_into(&mut self.call);
        true
    }

    /// Makes the next attempt, which is due `now`: what is then in flight, if it was admitted. Or gives up another.
    #[inline]
    pub(super) fn attempt<O: Observer>(
        &mut self,
        now: Now,
        observer: &mut O,
    ) -> Result<Option<(Try, HoldId)>, Overflow> {
        let tried = if self.is_arrival() { Some(self.arrival()) } else { self.waited(now, observer)? };
        let Some(tried) = tried else { return Ok(None) };
        Ok(self.decide(&tried, now, observer)?.map(|hold| (tried, hold)))
    }

    /// The gate decides an attempt: its hold, if it was admitted.
    #[inline]
    fn decide<O: Observer>(&mut self, tried: &Try, now: Now, observer: &mut O) -> Result<Option<HoldId>, Overflow> {
        let truth = self.world.truth(&self.party, now)?;
        observer.asked(truth.as_deref().unwrap_or(self.party.account()), &tried.call(), now);
        let decision = self.world.request(&mut self.party, now, tried.route, tried.attempt)?;
        observer.decided(self.consumer, &tried.call(), now, decision);
        self.tried.count(decision);
        match decision {
            Decision::Admit(admission) => {
                if self.patience.is_some() {
                    self.waits_for(tried, admission.hold);
                }
                Ok(Some(admission.hold))
            }
            Decision::Refuse(cause) => {
                self.refused(tried, now, cause, observer);
                Ok(None)
            }
        }
    }

    /// The next call's first attempt.
    #[inline]
    pub(super) fn arrival(&mut self) -> Try {
        let tried = Try::first(&self.call);
        self.is_there = self.calls.next_into(&mut self.call);
        tried
    }

    /// The next attempt of those that wait; `None` where one is given up instead.
    fn waited<O: Observer>(&mut self, now: Now, observer: &mut O) -> Result<Option<Try>, Overflow> {
        let Reverse((tried, waits)) = self.waiting.pop().expect("something is due");
        match waits {
            Waits::First => {}
            Waits::Again(Before { ended, .. }) => {
                self.tried.again(ended);
                observer.again(self.consumer, tried.route, ended);
            }
            Waits::GivesUp { made, hold } => {
                self.gives_up(&Try { at: made, ..tried }, now, hold, observer)?;
                return Ok(None);
            }
        }
        Ok(Some(tried))
    }

    /// How an attempt fares behind the gateway where nothing makes it wait.
    #[inline]
    pub(super) fn journey(&mut self, tried: &Try) -> Journey {
        let world = self.world;
        match world.only() {
            Some(upstream) => {
                let Work { takes, fails } = self.at_the_only(upstream, tried);
                Journey { takes, fails: fails.map(|status| Failure::answered(0, status)) }
            }
            None => world.journey(self.consumer, &tried.call()),
        }
    }

    /// How an attempt fares at a hop of its path.
    #[inline]
    pub(super) fn work(&mut self, tried: &Try, hop: u8) -> Work {
        let world = self.world;
        match world.only() {
            Some(upstream) => self.at_the_only(upstream, tried),
            None => world.work(self.consumer, &tried.call(), usize::from(hop)),
        }
    }

    #[inline]
    fn at_the_only(&mut self, upstream: &Upstream, tried: &Try) -> Work {
        let schedule = &self.world.schedule;
        let word = |what| schedule.attempt(self.consumer, what, tried.index, tried.attempt);
        let fails = upstream.errors.drawn(|| word(Drawn::Error));
        let works = Span::from_ns(if tried.attempt <= 1 {
            self.latencies.of(tried.index, |stream, first, block| upstream.latency.fill(stream, first, block))
        } else {
            upstream.latency.sample_whole(word(Drawn::Latency))
        });
        Work { takes: upstream.takes(works, &tried.usage), fails }
    }

    /// The answer to an attempt has come: whether it failed, and how.
    #[inline]
    pub(super) fn land<O: Observer>(
        &mut self,
        lands: Time,
        tried: &Try,
        hold: HoldId,
        fails: Option<Failure>,
        observer: &mut O,
    ) -> Result<(), Overflow> {
        let now = self.arrive(lands)?;
        let consumer = self.consumer;
        if let Some(patience) = &mut self.patience
            && !patience.hears(hold)
        {
            return self.ended_unheard(tried, now, hold, fails, observer);
        }
        if let Some(failure) = fails {
            self.world.failed(&mut self.party, now, hold, failure.hop, &tried.usage)?;
            observer.failed(consumer, &tried.call(), hold, failure, now);
            self.answered(tried, now, Ended::Failed(failure), Answered::passed_on(failure.status));
            return Ok(());
        }
        self.world.served(&mut self.party, now, hold, &tried.usage)?;
        observer.settled(self.party.account(), hold);
        let latency = lands.since(tried.at);
        observer.served(consumer, &tried.call(), hold, now, latency);
        if let Some(first) = self.world.first_token(tried.route, &tried.usage, latency) {
            observer.first_token(consumer, first);
        }
        if tried.attempt > 1 {
            recovered(consumer, tried, lands, observer);
        }
        if let Some(client) = self.client {
            self.budget.succeeded(client, tried.attempt > 1);
        }
        self.is_over(tried, lands);
        Ok(())
    }

    /// Opens the tab for the next call and those after it, as far as none of them can be refused but by a limit: whether it
    /// is open.
    pub(super) fn opens_tab(&mut self, now: Now) -> bool {
        if self.tab.alone > 0 {
            self.tab.alone -= 1;
            return false;
        }
        if self.party.is_slowed() || !self.is_arrival() || !self.is_open_loop() || self.patience.is_some() {
            return false;
        }
        let (room, due) = self.world.headroom(&self.party, now);
        let again = self.waiting.peek().map_or(Time::NEVER, |Reverse((tried, _))| tried.at);
        let is_limited = self.party.account.is_limited(&self.world.catalog);
        self.tab.open((room, due.min(again)), is_limited, self.world.catalog.costs_differ())
    }

    /// Whether a call that is made then goes on the tab.
    #[inline]
    pub(super) fn is_for_tab(&self, at: Time) -> bool {
        self.tab.takes(at)
            && (!self.tab.is_limited || {
                let now = self.world.schedule.pace().clock.at(at);
                self.party.account.may_pass_limits(now, &self.world.catalog)
            })
    }

    /// A call on the tab was served.
    #[inline]
    pub(super) fn served_on_tab<O: Observer>(&mut self, tried: &Try, lands: Time, observer: &mut O) {
        self.tab.pending = None;
        if self.tab.is_limited {
            let now = self.world.schedule.pace().clock.at(tried.at);
            self.party.account.has_passed_limits(now, &self.world.catalog);
        }
        let latency = lands.since(tried.at);
        observer.latency(self.consumer, tried.at, latency);
        if let Some(first) = self.world.first_token(tried.route, &tried.usage, latency) {
            observer.first_token(self.consumer, first);
        }
        self.tab.count(tried.route, &tried.usage, lands, latency);
    }

    /// Closes the tab: what its calls do to the account is done.
    pub(super) fn settle_tab<O: Observer>(&mut self, observer: &mut O) -> Result<(), Overflow> {
        self.tab.close();
        let Tab { passed, served, .. } = &self.tab;
        if passed.calls == 0 {
            return Ok(());
        }
        let now = self.world.schedule.pace().clock.at(*served);
        self.world.passed(&mut self.party, now, passed)?;
        observer.passed(self.consumer, passed);
        self.tried.attempts += passed.calls;
        if let Some(client) = self.client {
            self.budget.succeeded_at_once(client, passed.calls);
        }
        Ok(())
    }

    /// The gate decides a call that was on the tab and is not answered yet, as it would have when the call was made.
    pub(super) fn decide_late<O: Observer>(&mut self, tried: &Try, observer: &mut O) -> Result<HoldId, Overflow> {
        let now = self.world.schedule.pace().clock.at(tried.at);
        let hold = self.decide(tried, now, observer)?;
        Ok(hold.expect("what is on a tab passes for certain"))
    }

    /// The client hears that it was refused.
    fn refused<O: Observer>(&mut self, tried: &Try, now: Now, cause: Cause, observer: &mut O) {
        let ended = Ended::Refused(cause);
        let is_tried_again = self.client.is_some() && {
            let status = self.world.catalog.statuses[cause.index()];
            let retry_after = self.world.retry_after(&self.party, now, tried.route, cause);
            self.answered(tried, now, ended, Answered { retry_after, ..Answered::status(status) })
        };
        if is_tried_again {
            return;
        }
        if self.client.is_none() {
            self.is_over(tried, now.traffic);
        }
        if ended.is_lost_demand() {
            observer.lost(self.consumer, self.party.account.terms, &tried.usage);
        }
    }

    /// The client hears how the attempt has ended, which is not well, and may wait for another: whether it does.
    fn answered(&mut self, tried: &Try, now: Now, ended: Ended, answered: Answered) -> bool {
        let Some(client) = self.client else {
            self.is_over(tried, now.traffic);
            return false;
        };
        let attempts = Attempts { made: tried.attempt, since: now.traffic.since(tried.since) };
        let word = self.world.schedule.attempt(self.consumer, Drawn::Backoff, tried.index, tried.attempt);
        let Some(wait) = next_attempt(client, &answered, attempts, &mut self.budget, word) else {
            self.is_over(tried, now.traffic);
            return false;
        };
        let again = Try { at: now.traffic + wait, attempt: tried.attempt + 1, ..*tried };
        let before = Before { ended, terms: self.party.account.terms };
        self.waiting.push(Reverse((again, Waits::Again(before))));
        true
    }

    /// No other attempt is made at this call; in a session another call may follow it.
    #[inline]
    fn is_over(&mut self, tried: &Try, at: Time) {
        let next = self.follow_ups.as_ref().and_then(|follow_ups| follow_ups.after(tried.index, at));
        if let Some(call) = next {
            self.waiting.push(Reverse((Try::first(&call), Waits::First)));
        }
    }

    /// Reads something of each part that an attempt will need, so that it is in the processor's caches then. What comes of
    /// it means nothing.
    pub(super) fn glance(&self) -> u64 {
        let Call { at, usage, .. } = &self.call;
        let own = [
            i64::from(self.tab.is_open()),
            self.tab.passed.calls.cast_signed(),
            at.ns(),
            usage[METERS_MAX - 1].cast_signed(),
            i64::from(self.is_there),
            self.calls.glance(),
            self.latencies.glance(),
            self.waiting.len().cast_signed() as i64,
        ];
        let own = own.into_iter().fold(0, i64::wrapping_add);
        let rest = if !self.tab.is_open() {
            let tried = self.tried.attempts.cast_signed() + i64::from(self.client.is_some());
            self.party.glance().wrapping_add(tried)
        } else if self.tab.is_limited {
            self.party.account.glance_at_limits()
        } else {
            0
        };
        own.wrapping_add(rest).cast_unsigned()
    }

    /// The time is over.
    pub(super) fn close<O: Observer>(&mut self, observer: &mut O) -> Result<(), Overflow> {
        // What waits is not tried again any more.
        for Reverse((tried, waits)) in &self.waiting {
            is_not_made(self.consumer, tried, *waits, observer);
        }
        self.world.close(&mut self.party, self.world.end())?;
        observer.closed(self.party.account(), &self.tried);
        Ok(())
    }
}

/// What waits is not made any more.
fn is_not_made<O: Observer>(consumer: Consumer, tried: &Try, waits: Waits, observer: &mut O) {
    if let Waits::Again(Before { ended, terms }) = waits
        && ended.is_lost_demand()
    {
        observer.lost(consumer, terms, &tried.usage);
    }
}

/// A further attempt was served.
#[cold]
#[inline(never)]
fn recovered<O: Observer>(consumer: Consumer, tried: &Try, lands: Time, observer: &mut O) {
    observer.recovered(consumer, tried.route, lands.since(tried.since));
}
