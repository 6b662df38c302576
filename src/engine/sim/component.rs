//! Consumers that share upstreams of limited capacity: played together, in the order of time.
//!
//! What an upstream cannot take at once waits in one line, first come first served, without bound; a call keeps its place
//! until all that the upstream calls for it have answered. So how long one consumer's calls take depends on the others',
//! and what they do about it feeds back. No two calls wait for each other, since no upstream calls itself by any way.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::Observer;
use super::calendar::Calendar;
use super::player::{Player, Try};
use super::tab::Tab;
use crate::billing::account::Consumer;
use crate::billing::cause::Failure;
use crate::billing::hold::HoldId;
use crate::money::Overflow;
use crate::time::Time;
use crate::world::World;
use crate::world::path::{Journey, Work};

/// An attempt behind the gateway, and whose.
#[derive(Clone, Copy, Debug)]
struct Visit {
    player: u32,
    tried: Try,
    /// `None`: it is on its player's tab.
    hold: Option<HoldId>,
    /// Which hop of its path it is at: the last one, where none of them may make it wait.
    hop: u8,
    /// How it fails, where that is known.
    fails: Option<Failure>,
}

/// When what an upstream works on is done; of what is done at one moment, whose it is and which call's comes first. It is
/// small, because it is moved about in the queue, and says where the visit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Time,
    player: u32,
    tried: Time,
    call: u64,
    slot: u32,
}

/// The visits, each in one slot from the call's admission until it comes home.
#[derive(Default)]
struct Visits {
    slots: Vec<Visit>,
    free: Vec<u32>,
}

/// The places of one upstream.
struct Places {
    /// How many calls more it can work on.
    free: u32,
    /// What waits for it.
    line: VecDeque<u32>,
}

/// Events between two looks at whether to go on.
const LOOK: u32 = 4_096;

/// Plays consumers from the start to the end who share upstreams; `consumers` are all of them. Now and then it says how
/// far it is, and asks whether to go on; whether it came to the end.
pub fn play_component<O: Observer>(
    world: &World,
    consumers: impl Iterator<Item = Consumer>,
    observer: &mut O,
    go_on: &mut impl FnMut(Time) -> bool,
) -> Result<bool, Overflow> {
    let players: Vec<_> =
        consumers.map(|consumer| Player::open(world, consumer, Tab::default())).collect::<Result<_, _>>()?;
    let mut calendar = Calendar::new(world);
    for (index, player) in (0..).zip(&players) {
        calendar.enter(player.next_at(), index);
    }
    let mut component = Component {
        calendar,
        players,
        visits: Visits::default(),
        in_flight: BinaryHeap::new(),
        places: world.scenario.upstreams.iter().map(|upstream| Places::new(upstream.capacity)).collect(),
        world,
        end: world.schedule.pace().until,
        observer,
    };
    let mut events = 0;
    while let Some(at) = component.next()? {
        events = u32::wrapping_add(events, 1);
        if events % LOOK == 0 && !go_on(at) {
            return Ok(false);
        }
    }
    for index in 0..component.players.len() as u32 {
        component.settle_tab(index)?;
        component.players[index as usize].close(component.observer)?;
    }
    Ok(true)
}

struct Component<'a, O> {
    world: &'a World,
    players: Vec<Player<'a>>,
    /// When each player makes its next attempt. A player may have earlier entries that hold no longer.
    calendar: Calendar,
    /// What is behind the gateway.
    visits: Visits,
    /// What is worked on, by when that is done.
    in_flight: BinaryHeap<Reverse<Due>>,
    /// By upstream.
    places: Vec<Places>,
    end: Time,
    observer: &'a mut O,
}

impl<O: Observer> Component<'_, O> {
    /// Lands an answer, or makes an attempt: when; `None` when nothing comes before the end.
    fn next(&mut self) -> Result<Option<Time>, Overflow> {
        let (at, index) = self.calendar.first(&self.players);
        let lands = self.in_flight.peek().map_or(Time::NEVER, |Reverse(due)| due.at);
        if lands.min(at) >= self.end {
            return Ok(None);
        }
        if lands <= at {
            let Reverse(Due { slot, .. }) = self.in_flight.pop().expect("it was seen just now");
            self.done(lands, slot)?;
        } else {
            self.calendar.take();
            // An earlier attempt has come between, or none comes any more.
            if self.players[index as usize].next_at() == at {
                self.attempt(at, index)?;
            }
        }
        Ok(Some(lands.min(at)))
    }

    fn attempt(&mut self, at: Time, index: u32) -> Result<(), Overflow> {
        let player = &mut self.players[index as usize];
        if player.tab.is_open() {
            if player.is_for_tab(at) {
                self.put_on_tab(index);
                return Ok(());
            }
            self.settle_tab(index)?;
        }
        let player = &mut self.players[index as usize];
        let now = player.arrive(at)?;
        if player.party.has_left() {
            if player.leaves(now, self.observer)? {
                self.calendar.enter(player.next_at(), index);
            }
            return Ok(());
        }
        if player.passes_over() {
            self.calendar.enter(player.next_at(), index);
            return Ok(());
        }
        if O::TOGETHER && player.opens_tab(now) {
            if player.is_for_tab(at) {
                self.put_on_tab(index);
                return Ok(());
            }
            player.settle_tab(self.observer)?;
        }
        let admitted = player.attempt(now, self.observer)?;
        self.calendar.enter(player.next_at(), index);
        if let Some((tried, hold)) = admitted {
            self.send(index, tried, Some(hold));
        }
        Ok(())
    }

    /// A player's next call goes on the open tab.
    #[inline]
    fn put_on_tab(&mut self, index: u32) {
        let player = &mut self.players[index as usize];
        let tried = player.arrival();
        self.calendar.enter(player.next_at(), index);
        let slot = self.send(index, tried, None);
        self.players[index as usize].tab.pending = Some(slot);
    }

    /// Settles what is on a player's tab, if it is open. A call on it that is not answered yet goes on by itself.
    fn settle_tab(&mut self, index: u32) -> Result<(), Overflow> {
        let player = &mut self.players[index as usize];
        if !player.tab.is_open() {
            return Ok(());
        }
        player.settle_tab(self.observer)?;
        if let Some(slot) = player.tab.pending.take() {
            let visit = self.visits.at(slot);
            visit.hold = Some(player.decide_late(&visit.tried, self.observer)?);
        }
        Ok(())
    }

    /// An attempt goes behind the gateway: where it is from now on.
    #[inline]
    fn send(&mut self, index: u32, tried: Try, hold: Option<HoldId>) -> u32 {
        let at = tried.at;
        let visit = Visit { player: index, tried, hold, hop: 0, fails: None };
        if self.world.waits(tried.route) {
            let slot = self.visits.enter(visit);
            self.come(at, slot);
            return slot;
        }
        let Journey { takes, fails } = self.players[index as usize].journey(&tried);
        let last = self.world.path(tried.route).len() as u8 - 1;
        let slot = self.visits.enter(Visit { hop: last, fails, ..visit });
        self.work(at + takes, slot);
        slot
    }

    /// An attempt comes to a hop of its path.
    fn come(&mut self, at: Time, slot: u32) {
        let visit = self.visits.at(slot);
        let upstream = self.world.path(visit.tried.route)[usize::from(visit.hop)].upstream;
        let places = &mut self.places[upstream];
        if places.free == 0 {
            places.line.push_back(slot);
        } else {
            places.free -= 1;
            self.begin(at, slot);
        }
    }

    /// An upstream begins to work on an attempt.
    fn begin(&mut self, at: Time, slot: u32) {
        let visit = self.visits.at(slot);
        let Work { takes, fails } = self.players[visit.player as usize].work(&visit.tried, visit.hop);
        visit.fails = fails.map(|status| Failure::answered(visit.hop, status));
        let player = &mut self.players[visit.player as usize];
        if player.is_impatient() && fails.is_none() && self.world.is_last(visit.tried.route, visit.hop) {
            player.will_hear(visit.hold, at + takes);
        }
        self.work(at + takes, slot);
    }

    /// What is done for an attempt now will be done then.
    fn work(&mut self, done: Time, slot: u32) {
        let Visit { player, tried, .. } = self.visits.at(slot);
        self.in_flight.push(Reverse(Due { at: done, player: *player, tried: tried.at, call: tried.index, slot }));
    }

    /// An upstream has done its own work on an attempt: it goes on to the next hop, or comes home.
    fn done(&mut self, at: Time, slot: u32) -> Result<(), Overflow> {
        let visit = *self.visits.at(slot);
        let next = usize::from(visit.hop) + 1;
        let path = self.world.path(visit.tried.route);
        let is_home = visit.fails.is_some() || next == path.len();
        if self.world.waits(visit.tried.route) {
            // Whoever has heard from all that it calls answers; and all that are on the way, when one of them has failed.
            let still_there = path[..next].iter().filter(|hop| hop.ends >= next);
            for hop in still_there.filter(|hop| is_home || hop.ends == next) {
                self.leave(at, hop.upstream);
            }
        }
        if is_home {
            self.land(at, slot)?;
            self.visits.leave(slot);
            return Ok(());
        }
        self.visits.at(slot).hop += 1;
        self.come(at, slot);
        Ok(())
    }

    /// A place of an upstream is free again: who has waited longest takes it.
    fn leave(&mut self, at: Time, upstream: usize) {
        match self.places[upstream].line.pop_front() {
            Some(next) => self.begin(at, next),
            None => self.places[upstream].free += 1,
        }
    }

    fn land(&mut self, lands: Time, slot: u32) -> Result<(), Overflow> {
        let Visit { player: index, hold, fails, tried, .. } = *self.visits.at(slot);
        let player = &mut self.players[index as usize];
        if player.tab.is_open() {
            if hold.is_none() && fails.is_none() && player.tab.takes_answer(tried.at, lands) {
                player.served_on_tab(&tried, lands, self.observer);
                return Ok(());
            }
            self.settle_tab(index)?;
        }
        // Where it was on the tab, it has a hold now.
        let hold = self.visits.at(slot).hold.expect("an attempt is on an open tab, or has a hold");
        let player = &mut self.players[index as usize];
        let before = player.next_at();
        player.land(lands, &tried, hold, fails, self.observer)?;
        let after = player.next_at();
        if after != before && (!player.party.has_left() || player.is_impatient()) {
            self.calendar.enter(after, index);
        }
        Ok(())
    }
}

impl Visits {
    /// Where a visit is from now on.
    fn enter(&mut self, visit: Visit) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = visit;
            return slot;
        }
        self.slots.push(visit);
        self.slots.len() as u32 - 1
    }

    fn at(&mut self, slot: u32) -> &mut Visit {
        &mut self.slots[slot as usize]
    }

    fn leave(&mut self, slot: u32) {
        self.free.push(slot);
    }
}

impl Places {
    fn new(capacity: Option<u32>) -> Self {
        Self { free: capacity.unwrap_or(u32::MAX), line: VecDeque::new() }
    }
}
