//! The books of one billing party, double entry.
//!
//! Money only moves by a [`Movement`], and every kind of movement names the one ledger account it debits and the one
//! it credits. So a journal is a total per kind, a posting is one checked addition, and the books balance by
//! construction; what an account holds is derived.

use crate::money::{Money, Overflow};

/// A ledger account. Balances are debit-positive: assets and expenses are positive, liabilities and income negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerAccount {
    /// What was settled before the scenario began.
    Opening,
    /// Captured payments.
    Cash,
    /// Invoiced and not yet paid.
    Receivable,
    /// Invoiced in advance and not yet earned (a liability).
    Deferred,
    /// Earned revenue.
    Earned,
    /// Written off.
    BadDebt,
    /// Promotional credit handed out.
    Promotion,
    /// Promotional credit that a consumer may still spend (a liability).
    Credit,
    /// Credit reserved by open holds.
    Held,
    /// Promotional credit that was spent on usage.
    Spent,
}

/// A kind of posting. Its amount leaves the credited account and enters the debited one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Movement {
    /// The unearned part of a fee that was billed and paid before the start.
    CarryForward,
    /// A fee is invoiced for the period that begins.
    Invoice,
    /// A payment is captured.
    Capture,
    /// Part of a fee is earned, by the second.
    Earn,
    /// An unpaid invoice is given up.
    WriteOff,
    /// The part of a written-off fee that will never be earned.
    Reverse,
    /// Credit is granted.
    Grant,
    /// Credit is reserved for a call.
    Hold,
    /// A reservation, or what a call did not use of it, goes back.
    Release,
    /// A call is paid from what was reserved.
    Spend,
}

/// How many kinds of movement there are.
pub const MOVEMENTS: usize = 10;

impl Movement {
    /// Every kind, in the order of its index.
    pub const ALL: [Self; MOVEMENTS] = [
        Self::CarryForward,
        Self::Invoice,
        Self::Capture,
        Self::Earn,
        Self::WriteOff,
        Self::Reverse,
        Self::Grant,
        Self::Hold,
        Self::Release,
        Self::Spend,
    ];

    /// Its name in outcomes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CarryForward => "carry_forward",
            Self::Invoice => "invoice",
            Self::Capture => "capture",
            Self::Earn => "earn",
            Self::WriteOff => "write_off",
            Self::Reverse => "reverse",
            Self::Grant => "grant",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Spend => "spend",
        }
    }

    /// The account that it debits.
    pub const fn debit(self) -> LedgerAccount {
        match self {
            Self::CarryForward => LedgerAccount::Opening,
            Self::Invoice => LedgerAccount::Receivable,
            Self::Capture => LedgerAccount::Cash,
            Self::Earn | Self::Reverse => LedgerAccount::Deferred,
            Self::WriteOff => LedgerAccount::BadDebt,
            Self::Grant => LedgerAccount::Promotion,
            Self::Hold => LedgerAccount::Credit,
            Self::Release | Self::Spend => LedgerAccount::Held,
        }
    }

    /// The account that it credits.
    pub const fn credit(self) -> LedgerAccount {
        match self {
            Self::CarryForward | Self::Invoice => LedgerAccount::Deferred,
            Self::Capture | Self::WriteOff => LedgerAccount::Receivable,
            Self::Earn => LedgerAccount::Earned,
            Self::Reverse => LedgerAccount::BadDebt,
            Self::Grant | Self::Release => LedgerAccount::Credit,
            Self::Hold => LedgerAccount::Held,
            Self::Spend => LedgerAccount::Spent,
        }
    }
}

/// The journal of one billing party: what moved, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    moved: [Money; MOVEMENTS],
}

impl Books {
    /// Books `amount`, which is never negative.
    #[inline]
    pub fn post(&mut self, movement: Movement, amount: Money) -> Result<(), Overflow> {
        debug_assert!(amount >= Money::ZERO, "a {} is never negative: {amount:?}", movement.name());
        let total = &mut self.moved[movement as usize];
        *total = total.checked_add(amount).ok_or(Overflow { account: movement.name() })?;
        Ok(())
    }

    /// The sum of all movements of a kind.
    pub fn moved(&self, movement: Movement) -> Money {
        self.moved[movement as usize]
    }

    /// What an account holds.
    pub fn balance(&self, account: LedgerAccount) -> i128 {
        balance(account, |movement| i128::from(self.moved(movement).nanos()))
    }
}

/// What an account holds in a journal, given the total of each kind of movement in nanos.
pub fn balance(account: LedgerAccount, moved: impl Fn(Movement) -> i128) -> i128 {
    let sign = |movement: &Movement| {
        i128::from(movement.debit() as u8 == account as u8) - i128::from(movement.credit() as u8 == account as u8)
    };
    Movement::ALL.iter().map(|movement| sign(movement) * moved(*movement)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_movement_stays_on_one_account_and_each_is_found_at_its_index() {
        for (i, movement) in Movement::ALL.iter().enumerate() {
            assert_eq!(*movement as usize, i);
            assert_ne!(movement.debit(), movement.credit());
        }
    }

    #[test]
    fn an_amount_past_the_range_is_an_error_that_names_the_movement() {
        let mut books = Books::default();
        books.post(Movement::Invoice, Money::from_nanos(i64::MAX)).unwrap();
        let error = books.post(Movement::Invoice, Money::from_nanos(1)).unwrap_err();
        assert_eq!(error.account, "invoice");
        assert_eq!(books.balance(LedgerAccount::Receivable), i128::from(i64::MAX));
    }
}
