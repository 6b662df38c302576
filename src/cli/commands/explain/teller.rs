//! Replays what a consumer did, beside their account, and tells what changes about it.

use std::collections::BTreeMap;

use farebox_engine::billing::account::Status;
use farebox_engine::billing::gate::Decision;
use farebox_engine::billing::hold::HoldId;
use farebox_engine::billing::ledger::{MOVEMENTS, Movement};
use farebox_engine::billing::tally::Count;
use farebox_engine::draw::Chance;
use farebox_engine::log::{Entry as Logged, Event};
use farebox_engine::model::PerMeter;
use farebox_engine::money::{Money, Overflow};
use farebox_engine::oracle::{Oracle, Ruling};
use farebox_engine::time::{Now, Time};
use farebox_engine::world::World;
use farebox_engine::world::note::Noted;
use farebox_engine::world::party::Party;
use farebox_engine::world::schedule::Call;

use super::facts::{HAPPENED, MOVED, NOT_PAID, pace, standing};
use super::webhooks::Meanwhile;
use super::within;
use crate::report::explain::{Counts, Ending, Entry, Fact, STRETCHES_MAX, Stretch};

/// What is told of an account when it changes.
#[derive(Clone)]
pub(super) struct Seen {
    standing: Option<(Status, usize)>,
    period: u32,
    moved: [Money; MOVEMENTS],
    counts: [u64; Count::ALL.len()],
    /// The share of their calls that they make, for all that they have slowed down.
    keeps: Chance,
}

impl Seen {
    pub(super) fn nothing() -> Self {
        Self {
            standing: None,
            period: 0,
            moved: [Money::ZERO; MOVEMENTS],
            counts: [0; Count::ALL.len()],
            keeps: Chance::ALWAYS,
        }
    }

    fn of(world: &World, party: &Party) -> Self {
        let account = party.account();
        Self {
            standing: Some((account.status(), account.plan(&world.catalog))),
            period: account.period(),
            moved: Movement::ALL.map(|movement| account.books().moved(movement)),
            counts: Count::ALL.map(|count| account.tally().of(count)),
            keeps: world.slow(party).map_or(Chance::ALWAYS, |slow| slow.keeps),
        }
    }
}

pub(super) struct Teller<'a> {
    pub(super) world: &'a World,
    pub(super) party: Party,
    /// Says which answers were wrong, where any can be.
    pub(super) oracle: Option<Oracle<'a>>,
    pub(super) seen: Seen,
    pub(super) window: [Time; 2],
    /// What is still to break or to be mended, the last first.
    pub(super) faults: Vec<(Time, String)>,
    /// When each attempt was made that is not answered yet.
    pub(super) in_flight: BTreeMap<HoldId, Time>,
    /// Whether each call is told on its own.
    pub(super) is_single: bool,
    /// How many stretches of calls stand at the end of the entries.
    pub(super) stretches: usize,
    /// Calls that were answered wrongly while something was not heard of.
    pub(super) meanwhile: Meanwhile,
    pub(super) entries: Vec<Entry>,
}

impl Teller<'_> {
    /// How the consumer stood when the run began.
    pub(super) fn begin(&mut self) {
        let now = Seen::of(self.world, &self.party);
        let text = standing(self.world, self.party.account());
        self.seen = now;
        self.push_facts(Time::START, vec![Fact { text, amount: None }]);
    }

    /// Does what is due until a moment, each thing at its own.
    pub(super) fn until(&mut self, now: Now) -> Result<(), Overflow> {
        loop {
            let due = self.party.next_deadline();
            // Both clocks are one in a simulation of the whole horizon.
            let at = due.traffic.min(due.billing);
            self.tell_faults(at.min(now.traffic));
            if at > now.traffic {
                break;
            }
            self.world.catch_up(&mut self.party, Now { traffic: at, billing: at })?;
            self.notice(at, None);
        }
        self.world.catch_up(&mut self.party, now)?;
        Ok(())
    }

    /// Tells what breaks and is mended until a moment, that included.
    fn tell_faults(&mut self, until: Time) {
        while let Some((at, text)) = self.faults.pop_if(|(at, _)| *at <= until) {
            self.push_facts(at, vec![Fact { text, amount: None }]);
        }
    }

    pub(super) fn play<'e>(
        &mut self,
        logged: &Logged,
        endings: &mut impl Iterator<Item = &'e Ending>,
        calls: &mut Counts,
    ) -> Result<(), Overflow> {
        let Logged { now, event } = logged;
        let mut made = None;
        match *event {
            Event::Decided { call, attempt, route, decision } => {
                let margins = self.party.account().margins(*now, &self.world.catalog, route);
                let (_, usage) = self.world.schedule.call(self.party.consumer(), call);
                let call = Call { index: call, attempt, at: now.traffic, route, usage };
                self.ask(&call, *now)?;
                let again = self.world.request(&mut self.party, *now, route, attempt)?;
                assert_eq!(again, decision, "a replay decides as the run did");
                let ending = *endings.next().expect("each decided call has an ending");
                let ending = self.judged(&call, *now, decision, ending);
                calls.add(ending, 1);
                if !self.party.unheard().is_empty() {
                    self.meanwhile.add(ending);
                }
                let why = match decision {
                    Decision::Refuse(cause) => Some((cause, margins)),
                    Decision::Admit(admission) => {
                        self.in_flight.insert(admission.hold, now.traffic);
                        None
                    }
                };
                let path = || self.world.scenario.routes[route as usize].path.clone();
                let mut counts = Counts::default();
                counts.add(ending, 1);
                let route = self.is_single.then(path);
                let [first, last] = [now.traffic; 2];
                self.push_call(Stretch { first, last, counts, why, route, call: call.index, paid: Money::ZERO });
            }
            Event::Served { hold, usage } => {
                made = self.in_flight.remove(&hold);
                self.world.served(&mut self.party, *now, hold, &usage)?;
                self.landed(hold, *now, Some(&usage));
            }
            Event::GaveUp { hold, sent } => {
                self.world.gave_up(&mut self.party, *now, hold, &sent)?;
                if let Some(oracle) = &mut self.oracle {
                    oracle.gave_up(self.party.consumer(), hold, *now, &sent);
                }
            }
            Event::Failed { hold, failure, used } => {
                self.in_flight.remove(&hold);
                self.world.failed(&mut self.party, *now, hold, failure.hop, &used)?;
                self.landed(hold, *now, None);
            }
            Event::Heard(came) => _ = self.world.heard(&mut self.party, *now, came)?,
        }
        self.world.catch_up(&mut self.party, *now)?;
        self.notice(now.traffic, made);
        Ok(())
    }

    fn ask(&mut self, call: &Call, now: Now) -> Result<(), Overflow> {
        if let Some(oracle) = &mut self.oracle {
            let truth = self.world.truth(&self.party, now)?;
            oracle.asked(truth.as_deref().unwrap_or(self.party.account()), call, now);
        }
        Ok(())
    }

    /// What a call has come to, if the answer was right; else that it was not.
    fn judged(&mut self, call: &Call, now: Now, decision: Decision, ending: Ending) -> Ending {
        let Some(oracle) = &mut self.oracle else { return ending };
        match oracle.decided(self.party.consumer(), call, decision, now) {
            Some(Ruling::FalseRefusal(cause)) => Ending::RefusedWrongly(cause),
            Some(Ruling::Leak(cause)) => Ending::LetThroughWrongly(cause),
            _ => ending,
        }
    }

    fn landed(&mut self, hold: HoldId, now: Now, usage: Option<&PerMeter<u64>>) {
        if let Some(oracle) = &mut self.oracle {
            oracle.landed(self.party.consumer(), hold, now, usage);
        }
    }

    fn push_call(&mut self, call: Stretch) {
        if !within(self.window, call.first) {
            return;
        }
        if let Some(Entry::Calls(last)) = self.entries.last_mut()
            && last.call == call.call
            && last.asks()
        {
            last.append(call);
            return;
        }
        if self.is_single {
            self.entries.push(Entry::Calls(call));
            return;
        }
        let last = match self.entries.last_mut() {
            Some(Entry::Calls(last)) if self.stretches > 0 => last,
            _ => {
                self.stretches = 1;
                self.entries.push(Entry::Calls(call));
                return;
            }
        };
        // More than so many stretches have become one already, which takes all that follow.
        let ending = call.counts.0[0].0;
        let is_alike = matches!(last.counts.0.as_slice(), [(only, _)] if *only == ending);
        let is_alike = is_alike || (last.asks() && last.counts.0.iter().any(|(known, _)| *known == ending));
        if is_alike || self.stretches > STRETCHES_MAX {
            last.append(call);
            return;
        }
        self.stretches += 1;
        self.entries.push(Entry::Calls(call));
        if self.stretches > STRETCHES_MAX {
            self.fold();
        }
    }

    /// Makes one stretch of those at the end.
    fn fold(&mut self) {
        let tail = self.entries.split_off(self.entries.len() - self.stretches);
        let mut stretches =
            tail.into_iter().filter_map(|entry| if let Entry::Calls(it) = entry { Some(it) } else { None });
        if let Some(mut all) = stretches.next() {
            stretches.for_each(|later| all.append(later));
            self.entries.push(Entry::Calls(all));
        }
    }

    fn push_facts(&mut self, at: Time, mut facts: Vec<Fact>) {
        if facts.is_empty() || !within(self.window, at) {
            return;
        }
        self.stretches = 0;
        match self.entries.last_mut() {
            Some(Entry::Facts { at: last, facts: known }) if *last == at => known.append(&mut facts),
            _ => self.entries.push(Entry::Facts { at, facts }),
        }
    }

    /// What has been counted since it was looked last.
    fn counted(&self, now: &Seen, told: &[(Count, &str)]) -> Vec<Fact> {
        let has_grown = |count: Count| now.counts[count as usize] > self.seen.counts[count as usize];
        let new = told.iter().filter(|(count, _)| has_grown(*count));
        new.map(|(_, text)| Fact { text: (*text).to_owned(), amount: None }).collect()
    }

    /// What a call that was made then has been paid with stands beside it.
    fn pay(&mut self, made: Time, paid: Money) {
        let calls = self.entries.iter_mut().rev().filter_map(|entry| match entry {
            Entry::Calls(stretch) => Some(stretch),
            Entry::Facts { .. } => None,
        });
        let mut among = calls.filter(|stretch| stretch.first <= made && made <= stretch.last);
        if let Some(stretch) = among.next() {
            stretch.paid = stretch.paid.checked_add(paid).unwrap_or(stretch.paid);
        }
    }

    /// Tells what has changed about the account; `made` is when the call was made that has just been served.
    fn notice(&mut self, at: Time, made: Option<Time>) {
        let now = Seen::of(self.world, &self.party);
        let mut facts = Vec::new();
        let more = |movement: Movement| now.moved[movement as usize].checked_sub(self.seen.moved[movement as usize]);
        let is_paid = now.counts[Count::PaidCalls as usize] > self.seen.counts[Count::PaidCalls as usize];
        // Credit that is sold and used at once.
        let of_call = if is_paid { more(Movement::Burn).unwrap_or(Money::ZERO) } else { Money::ZERO };
        if let Some(made) = made.filter(|_| of_call != Money::ZERO) {
            self.pay(made, of_call);
        }
        // What was heard leads to what follows; what is charged meanwhile follows from it.
        let notes = self.party.take_notes();
        let heard = notes.iter().rposition(|note| matches!(note.what, Noted::Told { .. })).map_or(0, |last| last + 1);
        let (before, after) = notes.split_at(heard);
        facts.extend(before.iter().flat_map(|note| self.meanwhile.tell(note)));
        facts.extend(self.counted(&now, &HAPPENED));
        if now.keeps != self.seen.keeps {
            facts.push(Fact { text: pace(now.keeps), amount: None });
        }
        if now.period != self.seen.period && now.standing.is_some_and(|(status, _)| status != Status::Awaited) {
            facts.push(Fact { text: "a new usage period begins".to_owned(), amount: None });
        }
        for (movement, text) in MOVED {
            let more = now.moved[movement as usize].checked_sub(self.seen.moved[movement as usize]);
            let is_of_call = matches!(movement, Movement::InvoiceCredit | Movement::Capture);
            let more = if is_of_call { more.and_then(|more| more.checked_sub(of_call)) } else { more };
            if let Some(amount) = more.filter(|more| *more > Money::ZERO) {
                facts.push(Fact { text: text.to_owned(), amount: Some(amount) });
            }
        }
        facts.extend(self.counted(&now, &NOT_PAID));
        facts.extend(after.iter().flat_map(|note| self.meanwhile.tell(note)));
        if now.standing != self.seen.standing {
            facts.push(Fact { text: format!("now {}", standing(self.world, self.party.account())), amount: None });
        }
        self.seen = now;
        self.push_facts(at, facts);
    }
}
