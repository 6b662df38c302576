//! Holds: what a call in flight has reserved. A hold is pending, then resolved exactly once: posted, released or expired.

use std::iter;

use crate::billing::grant::Reserved;
use crate::model::{METERS_MAX, PerMeter};
use crate::money::{Money, Overflow};
use crate::time::Time;

/// Names one hold of one account. It goes stale when the hold is resolved, even when its place is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoldId {
    slot: u32,
    generation: u32,
    /// The route of the call, which is asked for even when the hold has been resolved.
    pub(crate) route: u16,
}

/// What a call in flight has reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The usage segment of the call's admission: its period and price version.
    pub(crate) segment: u32,
    /// The route of the call: it says how much it may use at most.
    pub(crate) route: u16,
    /// How the units past the allowance are paid.
    pub(crate) pays: Pays,
    /// Units past the allowance, at most; the others are reserved of it.
    pub(crate) past: PerMeter<u64>,
    /// Credit taken off the balance, or the wallet, until the hold is resolved.
    pub(crate) reserved: Reserved,
    /// What counts against the spend cap until then.
    pub(crate) quote: Money,
    /// When it expires, in traffic time.
    pub(crate) expires: Time,
}

/// How units past the allowance are paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pays {
    /// From credit, or from a wallet.
    Credit,
    /// On the invoice of the period.
    Arrears,
    /// Not at all: a throttled plan lets them pass.
    Nothing,
}

/// The holds of one account. A resolved hold stays where it is until its place is used again, so that it can be read in
/// place: holds are made and resolved with every call, and never moved. Most accounts have one call in flight at a time:
/// the first place is at hand, the others are elsewhere.
#[derive(Clone, Debug)]
pub struct Holds {
    first: Slot,
    others: Vec<Slot>,
    /// The place that was freed last, from which the next free one is known; [`NONE_FREE`]: there is none.
    free: u32,
    open: u32,
    next_expiry: Time,
}

#[derive(Clone, Debug)]
struct Slot {
    hold: Hold,
    generation: u32,
    is_open: bool,
    next_free: u32,
}

const NONE_FREE: u32 = u32::MAX;

impl Slot {
    const FRESH: Self = Self { hold: Hold::NONE, generation: 0, is_open: false, next_free: NONE_FREE };
}

impl Default for Holds {
    fn default() -> Self {
        Self { first: Slot::FRESH, others: Vec::new(), free: 0, open: 0, next_expiry: Time::NEVER }
    }
}

/// What is in places that nothing holds is no part of the state.
impl PartialEq for Holds {
    fn eq(&self, other: &Self) -> bool {
        let places = |holds: &Self| -> Vec<_> {
            holds
                .slots()
                .map(|slot| (slot.generation, slot.is_open, (!slot.is_open).then_some(slot.next_free)))
                .collect()
        };
        self.free == other.free
            && self.next_expiry == other.next_expiry
            && places(self) == places(other)
            && self.pending().eq(other.pending())
    }
}

impl Eq for Holds {}

impl Hold {
    /// Nothing held.
    pub(crate) const NONE: Self = Self {
        segment: 0,
        route: 0,
        pays: Pays::Nothing,
        past: [0; METERS_MAX],
        reserved: Reserved::Nothing,
        quote: Money::ZERO,
        expires: Time::NEVER,
    };
}

impl Holds {
    /// Opens a hold of a call to a route that expires then; the caller fills in what it holds.
    #[inline]
    pub(crate) fn open(&mut self, expires: Time, route: u16) -> (HoldId, &mut Hold) {
        self.next_expiry = self.next_expiry.min(expires);
        self.open += 1;
        if self.free == NONE_FREE {
            self.new_place();
        }
        let place = self.free;
        let slot = if place == 0 { &mut self.first } else { &mut self.others[place as usize - 1] };
        self.free = slot.next_free;
        slot.is_open = true;
        slot.hold.expires = expires;
        slot.hold.route = route;
        (HoldId { slot: place, generation: slot.generation, route }, &mut slot.hold)
    }

    #[cold]
    fn new_place(&mut self) {
        self.others.push(Slot::FRESH);
        self.free = self.others.len() as u32;
    }

    /// Resolves a hold: the place where it can be read, the first time; `None` ever after.
    #[inline]
    pub(crate) fn resolve(&mut self, id: HoldId) -> Option<usize> {
        let place = id.slot as usize;
        let slot = if place == 0 { &mut self.first } else { self.others.get_mut(place - 1)? };
        if !slot.is_open || slot.generation != id.generation {
            return None;
        }
        slot.is_open = false;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next_free = self.free;
        self.free = id.slot;
        self.open -= 1;
        if self.open == 0 {
            self.next_expiry = Time::NEVER;
        }
        Some(place)
    }

    /// The hold at the place of one that was just resolved.
    #[inline]
    pub(crate) fn at(&self, place: usize) -> &Hold {
        if place == 0 { &self.first.hold } else { &self.others[place - 1].hold }
    }

    /// An open hold.
    pub(crate) fn get(&self, id: HoldId) -> Option<&Hold> {
        let slot = if id.slot == 0 { &self.first } else { self.others.get(id.slot as usize - 1)? };
        (slot.is_open && slot.generation == id.generation).then_some(&slot.hold)
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        iter::once(&self.first).chain(&self.others)
    }

    /// Resolves one hold whose time has come, if there is one.
    pub(crate) fn expire(&mut self, traffic: Time) -> Option<usize> {
        if traffic < self.next_expiry {
            return None;
        }
        let due = |slot: &Slot| slot.is_open && slot.hold.expires <= traffic;
        let Some((place, slot)) = (0..).zip(self.slots()).find(|(_, slot)| due(slot)) else {
            self.next_expiry = self.pending().map(|hold| hold.expires).min().unwrap_or(Time::NEVER);
            return None;
        };
        self.resolve(HoldId { slot: place, generation: slot.generation, route: slot.hold.route })
    }

    /// No hold expires before this traffic instant.
    #[inline]
    pub fn next_expiry(&self) -> Time {
        self.next_expiry
    }

    /// How many holds are open.
    #[inline]
    pub fn open_count(&self) -> usize {
        self.open as usize
    }

    /// Reads the place at hand, see [`crate::sim`].
    pub(crate) fn glance(&self) -> i64 {
        let Slot { hold, generation, .. } = &self.first;
        let ends =
            [hold.expires.ns(), hold.quote.nanos(), i64::from(*generation), hold.past[METERS_MAX - 1].cast_signed()];
        let reserved = i64::from(matches!(hold.reserved, Reserved::Many(_)));
        ends.into_iter().fold(reserved, i64::wrapping_add).wrapping_add(self.next_expiry.ns())
    }

    /// The open holds.
    pub fn pending(&self) -> impl Iterator<Item = &Hold> {
        self.slots().filter(|slot| slot.is_open).map(|slot| &slot.hold)
    }
}

/// Amounts that calls hold or have cost, together.
#[inline]
pub(super) fn plus(a: Money, b: Money) -> Result<Money, Overflow> {
    a.checked_add(b).ok_or(Overflow { account: &"hold" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(holds: &mut Holds, expires: i64) -> HoldId {
        let (id, hold) = holds.open(Time::from_ns(expires), 0);
        hold.quote = Money::from_nanos(expires);
        id
    }

    fn resolve(holds: &mut Holds, id: HoldId) -> Option<i64> {
        let place = holds.resolve(id)?;
        Some(holds.at(place).quote.nanos())
    }

    #[test]
    fn a_hold_is_resolved_once_even_when_its_place_is_used_again() {
        let mut holds = Holds::default();
        let first = open(&mut holds, 10);
        assert_eq!(resolve(&mut holds, first), Some(10));
        let second = open(&mut holds, 20);
        assert_eq!(resolve(&mut holds, first), None);
        assert_eq!(resolve(&mut holds, second), Some(20));
        assert_eq!((holds.next_expiry(), holds.pending().count(), holds.open_count()), (Time::NEVER, 0, 0));
    }

    #[test]
    fn places_that_were_freed_are_used_again_each_once() {
        let mut holds = Holds::default();
        for _ in 0..3 {
            let ids: Vec<_> = (0..4).map(|expires| open(&mut holds, expires)).collect();
            let mut places: Vec<_> = ids.iter().map(|id| id.slot).collect();
            places.sort_unstable();
            assert_eq!((places, holds.open_count()), (vec![0, 1, 2, 3], 4));
            for id in ids {
                assert!(resolve(&mut holds, id).is_some());
            }
        }
    }

    #[test]
    fn what_has_expired_can_no_longer_be_posted() {
        let mut holds = Holds::default();
        let ids = [30, 10, 20].map(|expires| open(&mut holds, expires));
        assert_eq!(holds.expire(Time::from_ns(9)), None);
        let mut expired = Vec::new();
        while let Some(place) = holds.expire(Time::from_ns(20)) {
            expired.push(holds.at(place).expires.ns());
        }
        assert_eq!((expired, holds.next_expiry()), (vec![10, 20], Time::from_ns(30)));
        assert_eq!(ids.map(|id| resolve(&mut holds, id).is_some()), [true, false, false]);
    }

    #[test]
    fn what_was_held_before_is_no_part_of_the_state() {
        let (mut used, mut other) = (Holds::default(), Holds::default());
        for (holds, expires) in [(&mut used, 10), (&mut other, 99)] {
            let id = open(holds, expires);
            resolve(holds, id);
        }
        assert_eq!(used, other);
        open(&mut used, 5);
        assert_ne!(used, other);
    }
}
