//! When each player of a component makes its next attempt: a calendar queue (Brown: "Calendar queues", CACM 31 (1988)) of
//! two levels. Time is cut into pages of a few attempts each, and a page is put in order when it is turned to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::mem;

use super::player::Player;
use crate::time::{SECOND, Time};
use crate::world::World;
use crate::world::schedule::mean_rate_per_s;

/// When a player makes its next attempt.
type Entry = (Time, u32);

/// When each player makes its next attempt.
///
/// Only the pages of the current chapter are there. What comes later is kept by chapter, and put on pages when its chapter
/// begins: then all that is written goes to a few places that are at hand, where each of the pages would be waited for.
pub(super) struct Calendar {
    /// What comes in later chapters, by number; what is past the last chapter is in it.
    chapters: Vec<Vec<Entry>>,
    /// The pages of the current chapter.
    pages: Vec<Vec<Entry>>,
    page_ns: u64,
    /// The number of the current page, of all of them.
    current: u64,
    /// The current page, the first of it last.
    today: Vec<Entry>,
    /// What was entered on the current page since.
    added: BinaryHeap<Reverse<Entry>>,
}

/// Attempts on one page, on average.
const PAGE: f64 = 32.0;
/// Pages of one chapter.
const CHAPTER: u64 = 512;
const CHAPTERS_MAX: u64 = 1 << 14;

impl Calendar {
    pub(super) fn new(world: &World) -> Self {
        let pace = world.schedule.pace();
        let until = pace.until.ns().max(1).cast_unsigned();
        let attempts = mean_rate_per_s(&world.scenario) / pace.stretch * (until as f64 / SECOND as f64);
        let chapters = ((attempts / PAGE) as u64).div_ceil(CHAPTER).clamp(1, CHAPTERS_MAX);
        Self {
            chapters: vec![Vec::new(); chapters as usize],
            pages: vec![Vec::new(); CHAPTER as usize],
            page_ns: until.div_ceil(chapters * CHAPTER),
            current: 0,
            today: Vec::new(),
            added: BinaryHeap::new(),
        }
    }

    /// Enters a player's next attempt, which is not before the current page; one that never comes is not entered.
    pub(super) fn enter(&mut self, at: Time, player: u32) {
        if at == Time::NEVER {
            return;
        }
        let page = (at.ns().cast_unsigned() / self.page_ns).min(self.last_page());
        if page <= self.current {
            self.added.push(Reverse((at, player)));
        } else if page / CHAPTER == self.current / CHAPTER {
            self.pages[(page % CHAPTER) as usize].push((at, player));
        } else {
            self.chapters[(page / CHAPTER) as usize].push((at, player));
        }
    }

    #[inline]
    fn last_page(&self) -> u64 {
        self.chapters.len() as u64 * CHAPTER - 1
    }

    /// The first attempt and whose it is; [`Time::NEVER`] when there is none.
    #[inline]
    pub(super) fn first(&mut self, players: &[Player]) -> Entry {
        loop {
            let added = self.added.peek().map(|Reverse(entry)| *entry);
            if let Some(first) = self.today.last().copied().into_iter().chain(added).min() {
                return first;
            }
            if self.current == self.last_page() {
                return (Time::NEVER, 0);
            }
            self.turn(players);
        }
    }

    /// Goes to the next page, of which nothing is left of the one before. Whoever is on it is looked at once: their memory
    /// is then fetched for all of them at the same time, where else each would be waited for in its turn.
    fn turn(&mut self, players: &[Player]) {
        self.current += 1;
        if self.current.is_multiple_of(CHAPTER) {
            let last = self.last_page();
            for entry in mem::take(&mut self.chapters[(self.current / CHAPTER) as usize]) {
                let page = (entry.0.ns().cast_unsigned() / self.page_ns).min(last);
                self.pages[(page % CHAPTER) as usize].push(entry);
            }
        }
        // The page gets the place of the one before, which is empty, to be written on again.
        mem::swap(&mut self.today, &mut self.pages[(self.current % CHAPTER) as usize]);
        let seen = self.today.iter().map(|(_, player)| players[*player as usize].glance()).fold(0, u64::wrapping_add);
        black_box(seen);
        self.today.sort_unstable_by_key(|entry| Reverse(*entry));
    }

    /// Takes the first attempt out.
    #[inline]
    pub(super) fn take(&mut self) {
        let is_added = match (self.today.last(), self.added.peek()) {
            (Some(planned), Some(Reverse(added))) => added < planned,
            (planned, _) => planned.is_none(),
        };
        if is_added {
            self.added.pop();
        } else {
            self.today.pop();
        }
    }
}
