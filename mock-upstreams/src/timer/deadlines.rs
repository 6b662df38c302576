//! The deadlines a [`Timer`](super::Timer) has to keep: a binary min-heap from which any entry can be removed.
//!
//! Each heap entry names a slot, and each waiting slot knows its place in the heap, so that a cancelled sleep leaves
//! at once (O(log n)) instead of lingering until its deadline: a driver cancels nearly every time-out it sets. Slots
//! are reused, so nothing is allocated once the crate has seen its busiest moment.

use std::mem;
use std::task::Waker;

/// A place for one sleep, owned by it from [`Deadlines::insert`] to [`Deadlines::release`].
pub(super) type SlotId = u32;

#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// A min-heap by `due_ns`; equal deadlines are in no particular order.
    heap: Vec<Entry>,
    slots: Vec<Slot>,
    free: Vec<SlotId>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    due_ns: u64,
    slot: SlotId,
}

#[derive(Debug)]
enum Slot {
    Free,
    Waiting { place: usize, waker: Waker },
    Fired,
}

impl Deadlines {
    /// Starts to wait for `due_ns`.
    pub(super) fn insert(&mut self, due_ns: u64, waker: Waker) -> SlotId {
        let place = self.heap.len();
        let slot = self.allocate(Slot::Waiting { place, waker });
        self.heap.push(Entry { due_ns, slot });
        self.rise(place);
        slot
    }

    /// The earliest deadline still waited for.
    pub(super) fn first_due_ns(&self) -> Option<u64> {
        self.heap.first().map(|entry| entry.due_ns)
    }

    /// Fires the earliest deadline if it is not after `now_ns`, and returns whom to wake.
    pub(super) fn fire_due(&mut self, now_ns: u64) -> Option<Waker> {
        if self.first_due_ns()? > now_ns {
            return None;
        }
        let entry = self.remove(0);
        match mem::replace(&mut self.slots[entry.slot as usize], Slot::Fired) {
            Slot::Waiting { waker, .. } => Some(waker),
            Slot::Free | Slot::Fired => unreachable!("only waiting slots are in the heap"),
        }
    }

    /// Whether the slot's deadline was fired.
    pub(super) fn has_fired(&self, slot: SlotId) -> bool {
        matches!(self.slots[slot as usize], Slot::Fired)
    }

    /// Lets `waker` be woken from now on. Returns the waker it replaces, for the caller to drop when nothing is
    /// borrowed: dropping a waker can run code of the task.
    pub(super) fn rewake(&mut self, slot: SlotId, waker: &Waker) -> Option<Waker> {
        match &mut self.slots[slot as usize] {
            Slot::Waiting { waker: known, .. } if !known.will_wake(waker) => Some(mem::replace(known, waker.clone())),
            _ => None,
        }
    }

    /// Ends the wait, whether fired or not. Returns a waker for the caller to drop, as [`Deadlines::rewake`] does.
    pub(super) fn release(&mut self, slot: SlotId) -> Option<Waker> {
        self.free.push(slot);
        match mem::replace(&mut self.slots[slot as usize], Slot::Free) {
            Slot::Waiting { place, waker } => {
                self.remove(place);
                Some(waker)
            }
            Slot::Free | Slot::Fired => None,
        }
    }

    fn allocate(&mut self, content: Slot) -> SlotId {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = content;
            return slot;
        }
        self.slots.push(content);
        SlotId::try_from(self.slots.len() - 1).expect("four billion sleeps do not fit in memory")
    }

    fn remove(&mut self, place: usize) -> Entry {
        let entry = self.heap.swap_remove(place);
        if place < self.heap.len() {
            self.settle(place);
            self.rise(place);
            self.sink(place);
        }
        entry
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent].due_ns <= self.heap[place].due_ns {
                return;
            }
            self.swap(parent, place);
            place = parent;
        }
    }

    fn sink(&mut self, mut place: usize) {
        while let Some(child) = self.earlier_child(place) {
            if self.heap[place].due_ns <= self.heap[child].due_ns {
                return;
            }
            self.swap(place, child);
            place = child;
        }
    }

    fn earlier_child(&self, place: usize) -> Option<usize> {
        let (left, right) = (2 * place + 1, 2 * place + 2);
        let last = self.heap.len().checked_sub(1)?;
        match (left <= last, right <= last) {
            (true, true) if self.heap[right].due_ns < self.heap[left].due_ns => Some(right),
            (true, _) => Some(left),
            (false, _) => None,
        }
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.settle(one);
        self.settle(other);
    }

    /// Tells the slot of the entry at `place` where it now is.
    fn settle(&mut self, place: usize) {
        let slot = self.heap[place].slot as usize;
        if let Slot::Waiting { place: known, .. } = &mut self.slots[slot] {
            *known = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::draw::Draws;

    /// Inserts, cancels and fires at random beside a sorted set, which must always agree.
    #[test]
    fn it_does_what_a_sorted_set_does() {
        let (mut deadlines, mut expected) = (Deadlines::default(), BTreeSet::new());
        let mut draws = Draws::of(1, 0, 0);
        for _ in 0..20_000 {
            match draws.word() % 3 {
                0 => {
                    let due_ns = draws.word() % 500;
                    expected.insert((due_ns, deadlines.insert(due_ns, Waker::noop().clone())));
                }
                1 => cancel_one(&mut deadlines, &mut expected, draws.word()),
                _ => fire_some(&mut deadlines, &mut expected, draws.word() % 100),
            }
            assert_eq!(deadlines.first_due_ns(), expected.first().map(|(due_ns, _)| *due_ns));
            assert_eq!(deadlines.heap.len(), expected.len());
        }
        assert!(deadlines.slots.len() < 1_000, "slots are reused, yet there are {}", deadlines.slots.len());
    }

    fn cancel_one(deadlines: &mut Deadlines, expected: &mut BTreeSet<(u64, SlotId)>, word: u64) {
        let Some(&victim) = expected.iter().nth(word as usize % expected.len().max(1)) else { return };
        expected.remove(&victim);
        assert!(deadlines.release(victim.1).is_some(), "a waiting sleep gives its waker back");
    }

    fn fire_some(deadlines: &mut Deadlines, expected: &mut BTreeSet<(u64, SlotId)>, now_ns: u64) {
        while deadlines.fire_due(now_ns).is_some() {}
        let due: Vec<_> = expected.iter().copied().take_while(|(due_ns, _)| *due_ns <= now_ns).collect();
        for sleep in due {
            assert!(deadlines.has_fired(sleep.1));
            assert!(deadlines.release(sleep.1).is_none(), "the waker was given away when it fired");
            expected.remove(&sleep);
        }
    }
}
