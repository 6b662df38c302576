//! Credit grants: prepaid credit, bought or given.
//!
//! Burnt by priority, then earliest expiry, then creation (Stripe, `OpenMeter`). A grant is conserved:
//! granted = consumed + held + expired + remaining.

use crate::billing::ledger::{Books, Movement};
use crate::money::{Money, Overflow};
use crate::time::Time;

/// Credit of one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Counts the grants of an account: the order of their creation, and what holds name them by.
    pub(crate) id: u64,
    pub(crate) priority: u8,
    /// When what is left of it expires, in billing time; at that very moment it is gone.
    pub(crate) expires: Time,
    /// Whether the consumer paid for it.
    pub(crate) paid: bool,
    pub(crate) granted: Money,
    pub(crate) consumed: Money,
    pub(crate) held: Money,
    pub(crate) expired: Money,
    pub(crate) remaining: Money,
}

/// A part of a hold, and the grant that it was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    grant: u64,
    amount: Money,
}

/// Money reserved for one call: credit, nearly always from one grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// Nothing.
    Nothing,
    /// From one grant.
    One(Part),
    /// From several, in the order that they burn.
    Many(Box<[Part]>),
    /// From the consumer's wallet, which no grant is about: what the call has added to what is held of it. What is given back
    /// is what the calls in flight need together no more.
    Wallet(Money),
}

/// The grants of an account, in the order that they burn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    live: Vec<Grant>,
    created: u64,
    /// What is neither spent nor held nor expired.
    balance: Money,
}

impl Grant {
    /// Checks that it is conserved.
    ///
    /// # Panics
    /// When it is not: that is a bug of ours.
    pub(crate) fn check(&self) {
        let sum = [self.consumed, self.held, self.expired, self.remaining].map(|part| i128::from(part.nanos()));
        assert!(sum.iter().all(|part| *part >= 0), "no part of a grant is negative: {self:?}");
        assert_eq!(sum.iter().sum::<i128>(), i128::from(self.granted.nanos()), "a grant is conserved: {self:?}");
    }

    /// Reads both its ends, see [`crate::sim`].
    pub(crate) fn glance(&self) -> i64 {
        self.id.cast_signed().wrapping_add(self.remaining.nanos())
    }

    fn is_spent(&self) -> bool {
        self.remaining == Money::ZERO && self.held == Money::ZERO
    }
}

impl Grants {
    /// What can be spent.
    #[inline]
    pub fn balance(&self) -> Money {
        self.balance
    }

    /// How many there have ever been.
    pub fn created(&self) -> u64 {
        self.created
    }

    /// The grants that still have credit, in the order that they burn.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.live.iter()
    }

    /// Adds credit; the movement that brought it is the caller's to post.
    pub fn add(&mut self, amount: Money, paid: bool, priority: u8, expires: Time) -> Result<(), Overflow> {
        self.balance = self.balance.checked_add(amount).ok_or(Overflow { account: &"credit" })?;
        let id = self.created;
        self.created += 1;
        let nothing = Money::ZERO;
        let grant = Grant {
            id,
            priority,
            expires,
            paid,
            granted: amount,
            consumed: nothing,
            held: nothing,
            expired: nothing,
            remaining: amount,
        };
        let rank = |grant: &Grant| (grant.priority, grant.expires, grant.id);
        let place = self.live.partition_point(|other| rank(other) < rank(&grant));
        self.live.insert(place, grant);
        Ok(())
    }

    /// Reserves what the balance covers.
    #[inline]
    pub fn reserve(&mut self, amount: Money, books: &mut Books) -> Result<Reserved, Overflow> {
        debug_assert!(amount <= self.balance, "what is reserved is there");
        if amount == Money::ZERO {
            return Ok(Reserved::Nothing);
        }
        self.balance = minus(self.balance, amount);
        match self.live.first_mut() {
            Some(grant) if grant.remaining >= amount => Ok(Reserved::One(grant.reserve(amount, books)?)),
            _ => self.reserve_from_many(amount, books),
        }
    }

    #[cold]
    fn reserve_from_many(&mut self, amount: Money, books: &mut Books) -> Result<Reserved, Overflow> {
        let (mut parts, mut missing) = (Vec::new(), amount);
        for grant in self.live.iter_mut().filter(|grant| grant.remaining > Money::ZERO) {
            let part = missing.min(grant.remaining);
            parts.push(grant.reserve(part, books)?);
            missing = minus(missing, part);
            if missing == Money::ZERO {
                break;
            }
        }
        assert_eq!(missing, Money::ZERO, "the balance is the sum of what remains of the grants");
        Ok(match parts[..] {
            [part] => Reserved::One(part),
            _ => Reserved::Many(parts.into_boxed_slice()),
        })
    }

    /// Spends `cost` of what was reserved, and gives the rest back at `billing`.
    #[inline]
    pub fn settle(
        &mut self,
        reserved: &Reserved,
        cost: Money,
        billing: Time,
        books: &mut Books,
    ) -> Result<(), Overflow> {
        match reserved {
            Reserved::Nothing | Reserved::Wallet(_) => Ok(()),
            Reserved::One(part) => self.settle_part(*part, cost, billing, books),
            Reserved::Many(parts) => {
                let mut left = cost;
                for part in parts {
                    let spent = left.min(part.amount);
                    left = minus(left, spent);
                    self.settle_part(*part, spent, billing, books)?;
                }
                Ok(())
            }
        }
    }

    #[inline]
    fn settle_part(&mut self, part: Part, cost: Money, billing: Time, books: &mut Books) -> Result<(), Overflow> {
        let place = self.live.iter().position(|grant| grant.id == part.grant).expect("a held grant is kept");
        let grant = &mut self.live[place];
        let rest = minus(part.amount, cost);
        assert!(rest >= Money::ZERO, "a hold covers the most that a call can cost: {grant:?}");
        grant.held = minus(grant.held, part.amount);
        grant.consumed = plus(grant.consumed, cost);
        let (spend, release) = if grant.paid {
            (Movement::Burn, Movement::ReleasePrepaid)
        } else {
            (Movement::Spend, Movement::ReleasePromotional)
        };
        books.post(spend, cost)?;
        if rest > Money::ZERO {
            books.post(release, rest)?;
            grant.remaining = plus(grant.remaining, rest);
            self.balance = plus(self.balance, rest);
            if billing >= grant.expires {
                self.balance = minus(self.balance, grant.remaining);
                grant.expire(books)?;
            }
        }
        if self.live[place].is_spent() {
            self.drop_spent(place);
        }
        Ok(())
    }

    /// Takes up to `amount` at once, without a reservation; returns what was not there.
    pub fn take(&mut self, amount: Money, books: &mut Books) -> Result<Money, Overflow> {
        let covered = amount.min(self.balance);
        let reserved = self.reserve(covered, books)?;
        self.settle(&reserved, covered, Time::from_ns(i64::MIN), books)?;
        Ok(minus(amount, covered))
    }

    /// Expires what is due at `billing`.
    pub fn expire(&mut self, billing: Time, books: &mut Books) -> Result<(), Overflow> {
        for place in (0..self.live.len()).rev() {
            let grant = &mut self.live[place];
            if billing >= grant.expires {
                self.balance = minus(self.balance, grant.remaining);
                grant.expire(books)?;
                if grant.is_spent() {
                    self.drop_spent(place);
                }
            }
        }
        Ok(())
    }

    /// When credit expires next after `billing`. What is held by then expires when it is given back.
    pub fn next_expiry(&self, billing: Time) -> Time {
        let later = self.live.iter().map(|grant| grant.expires).filter(|expires| *expires > billing);
        later.min().unwrap_or(Time::NEVER)
    }

    fn drop_spent(&mut self, place: usize) {
        self.live.remove(place).check();
    }
}

impl Grant {
    #[inline]
    fn reserve(&mut self, amount: Money, books: &mut Books) -> Result<Part, Overflow> {
        self.remaining = minus(self.remaining, amount);
        self.held = plus(self.held, amount);
        books.post(if self.paid { Movement::HoldPrepaid } else { Movement::HoldPromotional }, amount)?;
        Ok(Part { grant: self.id, amount })
    }

    fn expire(&mut self, books: &mut Books) -> Result<(), Overflow> {
        books.post(if self.paid { Movement::Breakage } else { Movement::Expire }, self.remaining)?;
        self.expired = plus(self.expired, self.remaining);
        self.remaining = Money::ZERO;
        Ok(())
    }
}

impl Reserved {
    /// How much is reserved.
    pub fn amount(&self) -> Money {
        match self {
            Self::Nothing => Money::ZERO,
            Self::One(part) => part.amount,
            Self::Wallet(amount) => *amount,
            Self::Many(parts) => parts.iter().fold(Money::ZERO, |sum, part| plus(sum, part.amount)),
        }
    }
}

/// Parts of a grant never pass its amount, so their sums stay in range.
#[inline]
fn plus(a: Money, b: Money) -> Money {
    a.checked_add(b).expect("parts of an amount sum to no more than it")
}

#[inline]
fn minus(a: Money, b: Money) -> Money {
    a.checked_sub(b).expect("a difference of non-negative amounts is in range")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::ledger::LedgerAccount;
    use crate::money::NANOS;

    fn dollars(n: i64) -> Money {
        Money::from_nanos(n * NANOS)
    }

    const fn at(ns: i64) -> Time {
        Time::from_ns(ns)
    }

    /// Three grants: priority first, then the earlier expiry, then the older one.
    #[test]
    fn credit_burns_by_priority_then_expiry_then_creation() {
        let mut books = Books::default();
        let mut grants = Grants::default();
        for (amount, priority, expires) in [(1, 1, at(5)), (2, 0, Time::NEVER), (3, 0, at(9)), (4, 0, at(9))] {
            grants.add(dollars(amount), true, priority, expires).unwrap();
        }
        let order: Vec<_> = grants.iter().map(|grant| grant.granted.nanos() / NANOS).collect();
        assert_eq!(order, [3, 4, 2, 1]);
        let reserved = grants.reserve(dollars(8), &mut books).unwrap();
        assert_eq!((reserved.amount(), grants.balance()), (dollars(8), dollars(2)));
        grants.settle(&reserved, dollars(4), at(1), &mut books).unwrap();
        let left: Vec<_> = grants.iter().map(|grant| (grant.granted, grant.remaining)).collect();
        assert_eq!(left, [(dollars(4), dollars(3)), (dollars(2), dollars(2)), (dollars(1), dollars(1))]);
        grants.iter().for_each(Grant::check);
    }

    /// Held credit may still be spent after its expiry; what the call did not use of it expires then.
    #[test]
    fn what_is_given_back_after_its_expiry_expires() {
        let mut books = Books::default();
        let mut grants = Grants::default();
        grants.add(dollars(10), true, 0, at(100)).unwrap();
        books.post(Movement::InvoiceCredit, dollars(10)).unwrap();
        let reserved = grants.reserve(dollars(6), &mut books).unwrap();
        grants.expire(at(100), &mut books).unwrap();
        assert_eq!((grants.balance(), grants.next_expiry(at(100))), (Money::ZERO, Time::NEVER));
        grants.settle(&reserved, dollars(5), at(101), &mut books).unwrap();
        assert_eq!(books.moved(Movement::Burn), dollars(5));
        assert_eq!(books.moved(Movement::Breakage), dollars(5));
        assert_eq!(books.balance(LedgerAccount::Prepaid), 0);
        assert_eq!((grants.balance(), grants.iter().count()), (Money::ZERO, 0));
    }

    /// All of it is held when the moment of its expiry is asked for, and comes back before that moment.
    #[test]
    fn what_is_held_expires_in_its_time_when_it_comes_back_before() {
        let mut books = Books::default();
        let mut grants = Grants::default();
        grants.add(dollars(6), false, 0, at(100)).unwrap();
        let reserved = grants.reserve(dollars(6), &mut books).unwrap();
        assert_eq!(grants.next_expiry(at(1)), at(100));
        grants.settle(&reserved, dollars(1), at(50), &mut books).unwrap();
        grants.expire(at(100), &mut books).unwrap();
        assert_eq!((grants.balance(), books.moved(Movement::Expire)), (Money::ZERO, dollars(5)));
    }

    #[test]
    fn what_is_not_there_is_said() {
        let mut books = Books::default();
        let mut grants = Grants::default();
        grants.add(dollars(3), false, 0, Time::NEVER).unwrap();
        assert_eq!(grants.take(dollars(5), &mut books), Ok(dollars(2)));
        assert_eq!(books.moved(Movement::Spend), dollars(3));
    }
}
