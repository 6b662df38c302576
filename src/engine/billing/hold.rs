//! Holds: what a call in flight has reserved. A hold is pending, then resolved exactly once: posted, released or expired.

use crate::money::Money;
use crate::time::Time;

/// Names one hold of one account. It goes stale when the hold is resolved, even when its place is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoldId {
    slot: u32,
    generation: u32,
}

/// What a call in flight has reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Credit taken off the balance until the hold is resolved.
    pub amount: Money,
    /// The billing period of the call's admission, which its usage belongs to.
    pub period: u32,
    /// When it expires, in traffic time.
    pub expires: Time,
}

/// The holds of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holds {
    slots: Vec<Slot>,
    free: Vec<u32>,
    next_expiry: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    generation: u32,
    pending: Option<Hold>,
}

impl Default for Holds {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), next_expiry: Time::NEVER }
    }
}

impl Holds {
    /// Opens a hold.
    #[inline]
    pub fn open(&mut self, hold: Hold) -> HoldId {
        self.next_expiry = self.next_expiry.min(hold.expires);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, pending: None });
            (self.slots.len() - 1) as u32
        });
        let place = &mut self.slots[slot as usize];
        place.pending = Some(hold);
        HoldId { slot, generation: place.generation }
    }

    /// Resolves a hold: returns what was held the first time, `None` ever after.
    #[inline]
    pub fn resolve(&mut self, id: HoldId) -> Option<Hold> {
        let place = self.slots.get_mut(id.slot as usize).filter(|place| place.generation == id.generation)?;
        let hold = place.pending.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(id.slot);
        if self.free.len() == self.slots.len() {
            self.next_expiry = Time::NEVER;
        }
        Some(hold)
    }

    /// Resolves one hold whose time has come, if there is one.
    pub fn expire(&mut self, traffic: Time) -> Option<Hold> {
        if traffic < self.next_expiry {
            return None;
        }
        let due = |slot: &Slot| slot.pending.is_some_and(|hold| hold.expires <= traffic);
        let Some(slot) = self.slots.iter().position(due) else {
            self.next_expiry = self.pending().map(|hold| hold.expires).min().unwrap_or(Time::NEVER);
            return None;
        };
        self.resolve(HoldId { slot: slot as u32, generation: self.slots[slot].generation })
    }

    /// No hold expires before this traffic instant.
    #[inline]
    pub fn next_expiry(&self) -> Time {
        self.next_expiry
    }

    /// The open holds.
    pub fn pending(&self) -> impl Iterator<Item = &Hold> {
        self.slots.iter().filter_map(|slot| slot.pending.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(expires: i64) -> Hold {
        Hold { amount: Money::from_nanos(expires), period: 0, expires: Time::from_ns(expires) }
    }

    #[test]
    fn a_hold_is_resolved_once_even_when_its_place_is_used_again() {
        let mut holds = Holds::default();
        let first = holds.open(hold(10));
        assert_eq!(holds.resolve(first), Some(hold(10)));
        let second = holds.open(hold(20));
        assert_eq!(holds.resolve(first), None);
        assert_eq!(holds.resolve(second), Some(hold(20)));
        assert_eq!((holds.next_expiry(), holds.pending().count()), (Time::NEVER, 0));
    }

    #[test]
    fn what_has_expired_can_no_longer_be_posted() {
        let mut holds = Holds::default();
        let ids = [30, 10, 20].map(|expires| holds.open(hold(expires)));
        assert_eq!(holds.expire(Time::from_ns(9)), None);
        let mut expired = Vec::new();
        while let Some(hold) = holds.expire(Time::from_ns(20)) {
            expired.push(hold.expires.ns());
        }
        assert_eq!((expired, holds.next_expiry()), (vec![10, 20], Time::from_ns(30)));
        assert_eq!(ids.map(|id| holds.resolve(id).is_some()), [true, false, false]);
    }
}
