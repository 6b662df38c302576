//! The books of one billing party, double entry. `docs/BILLING.md` has the chart of accounts.
//!
//! Money only moves by a [`Movement`], and every kind of movement names the one ledger account it debits and the one
//! it credits. So a journal is a total per kind, a posting is one checked addition, and the books balance by
//! construction; what an account holds is derived, and so is every figure of a report: there is no second count of
//! money that could disagree.

use crate::money::{Money, Overflow};

/// A ledger account. Balances are debit-positive: assets and expenses are positive, liabilities and income negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerAccount {
    /// What was settled before the scenario began.
    Opening,
    /// Captured payments, less what went back and what collecting cost.
    Cash,
    /// Invoiced and not yet paid.
    Receivable,
    /// Fees invoiced in advance and not yet earned (a liability).
    Deferred,
    /// Usage earned and not yet invoiced.
    Accrued,
    /// Earned revenue.
    Earned,
    /// What rounding invoice lines to the minor unit has added or taken.
    Rounding,
    /// Written off.
    BadDebt,
    /// What a consumer has to their credit for later invoices (a liability).
    Balance,
    /// Paid credit that a consumer may still spend (a liability).
    Prepaid,
    /// Paid credit reserved by open holds.
    HeldPrepaid,
    /// Promotional credit handed out, less what expired.
    Promotion,
    /// Promotional credit that a consumer may still spend (a liability).
    Promotional,
    /// Promotional credit reserved by open holds.
    HeldPromotional,
    /// Promotional credit that was spent on usage.
    Spent,
    /// Usage served beyond the credit that was there.
    Overdraft,
    /// The value of that usage, which nobody has paid.
    Leaked,
    /// Payments given back.
    Refunded,
    /// Payments that the card's owner took back.
    ChargedBack,
    /// What collecting cost.
    ProcessorFees,
    /// What the answers cost to make.
    UpstreamCost,
    /// What is owed to those who made them.
    Payable,
    /// Monthly recurring revenue: a memorandum, not money.
    Mrr,
    /// Where it came from and went to.
    MrrMoves,
}

impl LedgerAccount {
    /// Every account, in the order of the chart.
    pub const ALL: [Self; 24] = [
        Self::Opening,
        Self::Cash,
        Self::Receivable,
        Self::Deferred,
        Self::Accrued,
        Self::Earned,
        Self::Rounding,
        Self::BadDebt,
        Self::Balance,
        Self::Prepaid,
        Self::HeldPrepaid,
        Self::Promotion,
        Self::Promotional,
        Self::HeldPromotional,
        Self::Spent,
        Self::Overdraft,
        Self::Leaked,
        Self::Refunded,
        Self::ChargedBack,
        Self::ProcessorFees,
        Self::UpstreamCost,
        Self::Payable,
        Self::Mrr,
        Self::MrrMoves,
    ];
}

/// A kind of posting. Its amount leaves the credited account and enters the debited one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Movement {
    /// The unearned part of a fee that was billed and paid before the start.
    CarryForward,
    /// Credit that was bought before the start.
    CarryCredit,
    /// Usage that was served before the start and is not invoiced yet.
    CarryUsage,
    /// A fee is invoiced, in advance.
    Invoice,
    /// Usage of a period is invoiced, in arrears, in whole minor units.
    InvoiceUsage,
    /// Credit is bought.
    InvoiceCredit,
    /// The unused part of a fee is credited on the invoice of a plan change.
    CreditFee,
    /// What such an invoice credits beyond what it charges is kept for later ones.
    CreditBalance,
    /// An invoice is settled from what was kept.
    ApplyBalance,
    /// A payment is captured.
    Capture,
    /// An invoice that was never paid is void: its service never began.
    Void,
    /// An unpaid invoice is given up.
    WriteOff,
    /// The part of a written-off fee that will never be earned.
    Reverse,
    /// Part of a fee is earned, by the second.
    Earn,
    /// The rest of a paid fee is earned at once: the consumer has left.
    Forfeit,
    /// Usage to be billed in arrears is served.
    Accrue,
    /// More usage has made what was served before cheaper (volume prices).
    Unaccrue,
    /// A minimum commit tops up the usage charges of a period.
    TrueUp,
    /// A discount on usage charges.
    Discount,
    /// An invoice line is rounded up.
    RoundUp,
    /// An invoice line is rounded down.
    RoundDown,
    /// Promotional credit is granted.
    Grant,
    /// Promotional credit expires.
    Expire,
    /// Paid credit expires.
    Breakage,
    /// Promotional credit is reserved for a call.
    HoldPromotional,
    /// Paid credit is reserved for a call.
    HoldPrepaid,
    /// A reservation of promotional credit, or what a call did not use of it, goes back.
    ReleasePromotional,
    /// A reservation of paid credit, or what a call did not use of it, goes back.
    ReleasePrepaid,
    /// A call is paid from promotional credit.
    Spend,
    /// A call is paid from paid credit, which is thereby earned.
    Burn,
    /// A call was served that no credit was left for.
    Overdraw,
    /// Credit that came later pays for such a call.
    Recoup,
    /// A payment is given back.
    Refund,
    /// A payment is charged back.
    Chargeback,
    /// The processor charges for a capture.
    FeeSuccess,
    /// The processor charges for a declined attempt.
    FeeDecline,
    /// The card networks charge for an attempt past their limits.
    FeeExcess,
    /// The processor charges for a refund or a chargeback.
    FeeReturn,
    /// The upstream answered a call.
    Cost,
    /// The upstream worked on what nobody is billed for, because the client had gone.
    CostAbsorbed,
    /// Subscriptions that were there before the start.
    MrrCarried,
    /// A subscription begins to pay.
    MrrNew,
    /// A subscription pays more than before.
    MrrExpansion,
    /// A subscription that had stopped pays again.
    MrrReactivation,
    /// A subscription pays less than before.
    MrrContraction,
    /// A subscription stops.
    MrrChurn,
}

/// How many kinds of movement there are.
pub const MOVEMENTS: usize = 46;

/// What one kind of movement is called, and between which accounts it goes.
struct Kind {
    movement: Movement,
    name: &'static str,
    debit: LedgerAccount,
    credit: LedgerAccount,
}

/// The kinds, in the order of their index: name, debit, credit.
static KINDS: [Kind; MOVEMENTS] = {
    use LedgerAccount as A;
    use Movement as M;
    const fn kind(movement: Movement, name: &'static str, debit: LedgerAccount, credit: LedgerAccount) -> Kind {
        Kind { movement, name, debit, credit }
    }
    [
        kind(M::CarryForward, "carry_forward", A::Opening, A::Deferred),
        kind(M::CarryCredit, "carry_credit", A::Opening, A::Prepaid),
        kind(M::CarryUsage, "carry_usage", A::Accrued, A::Opening),
        kind(M::Invoice, "invoice", A::Receivable, A::Deferred),
        kind(M::InvoiceUsage, "invoice_usage", A::Receivable, A::Accrued),
        kind(M::InvoiceCredit, "invoice_credit", A::Receivable, A::Prepaid),
        kind(M::CreditFee, "credit_fee", A::Deferred, A::Receivable),
        kind(M::CreditBalance, "credit_balance", A::Receivable, A::Balance),
        kind(M::ApplyBalance, "apply_balance", A::Balance, A::Receivable),
        kind(M::Capture, "capture", A::Cash, A::Receivable),
        kind(M::Void, "void", A::Deferred, A::Receivable),
        kind(M::WriteOff, "write_off", A::BadDebt, A::Receivable),
        kind(M::Reverse, "reverse", A::Deferred, A::BadDebt),
        kind(M::Earn, "earn", A::Deferred, A::Earned),
        kind(M::Forfeit, "forfeit", A::Deferred, A::Earned),
        kind(M::Accrue, "accrue", A::Accrued, A::Earned),
        kind(M::Unaccrue, "unaccrue", A::Earned, A::Accrued),
        kind(M::TrueUp, "true_up", A::Accrued, A::Earned),
        kind(M::Discount, "discount", A::Earned, A::Accrued),
        kind(M::RoundUp, "round_up", A::Accrued, A::Rounding),
        kind(M::RoundDown, "round_down", A::Rounding, A::Accrued),
        kind(M::Grant, "grant", A::Promotion, A::Promotional),
        kind(M::Expire, "expire", A::Promotional, A::Promotion),
        kind(M::Breakage, "breakage", A::Prepaid, A::Earned),
        kind(M::HoldPromotional, "hold_promotional", A::Promotional, A::HeldPromotional),
        kind(M::HoldPrepaid, "hold_prepaid", A::Prepaid, A::HeldPrepaid),
        kind(M::ReleasePromotional, "release_promotional", A::HeldPromotional, A::Promotional),
        kind(M::ReleasePrepaid, "release_prepaid", A::HeldPrepaid, A::Prepaid),
        kind(M::Spend, "spend", A::HeldPromotional, A::Spent),
        kind(M::Burn, "burn", A::HeldPrepaid, A::Earned),
        kind(M::Overdraw, "overdraw", A::Overdraft, A::Leaked),
        kind(M::Recoup, "recoup", A::Leaked, A::Overdraft),
        kind(M::Refund, "refund", A::Refunded, A::Cash),
        kind(M::Chargeback, "chargeback", A::ChargedBack, A::Cash),
        kind(M::FeeSuccess, "fee_success", A::ProcessorFees, A::Cash),
        kind(M::FeeDecline, "fee_decline", A::ProcessorFees, A::Cash),
        kind(M::FeeExcess, "fee_excess", A::ProcessorFees, A::Cash),
        kind(M::FeeReturn, "fee_return", A::ProcessorFees, A::Cash),
        kind(M::Cost, "cost", A::UpstreamCost, A::Payable),
        kind(M::CostAbsorbed, "cost_absorbed", A::UpstreamCost, A::Payable),
        kind(M::MrrCarried, "mrr_carried", A::Mrr, A::MrrMoves),
        kind(M::MrrNew, "mrr_new", A::Mrr, A::MrrMoves),
        kind(M::MrrExpansion, "mrr_expansion", A::Mrr, A::MrrMoves),
        kind(M::MrrReactivation, "mrr_reactivation", A::Mrr, A::MrrMoves),
        kind(M::MrrContraction, "mrr_contraction", A::MrrMoves, A::Mrr),
        kind(M::MrrChurn, "mrr_churn", A::MrrMoves, A::Mrr),
    ]
};

impl Movement {
    /// Every kind, in the order of its index.
    pub const ALL: [Self; MOVEMENTS] = {
        let mut all = [Self::CarryForward; MOVEMENTS];
        let mut i = 0;
        while i < MOVEMENTS {
            all[i] = KINDS[i].movement;
            i += 1;
        }
        all
    };

    /// Its name in outcomes.
    pub const fn name(self) -> &'static str {
        KINDS[self as usize].name
    }

    /// The account that it debits.
    pub const fn debit(self) -> LedgerAccount {
        KINDS[self as usize].debit
    }

    /// The account that it credits.
    pub const fn credit(self) -> LedgerAccount {
        KINDS[self as usize].credit
    }
}

/// The journal of one billing party: what moved, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    moved: [Money; MOVEMENTS],
}

impl Default for Books {
    fn default() -> Self {
        Self { moved: [Money::ZERO; MOVEMENTS] }
    }
}

impl Books {
    /// Books `amount`, which is never negative.
    #[inline]
    pub fn post(&mut self, movement: Movement, amount: Money) -> Result<(), Overflow> {
        debug_assert!(amount >= Money::ZERO, "a {} is never negative: {amount:?}", movement.name());
        let total = &mut self.moved[movement as usize];
        *total = total.checked_add(amount).ok_or(Overflow { account: &KINDS[movement as usize].name })?;
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

    /// What each account holds, in the order of [`LedgerAccount::ALL`]: in one pass, for who asks for many.
    pub(crate) fn balances(&self) -> [i128; LedgerAccount::ALL.len()] {
        let mut balances = [0; LedgerAccount::ALL.len()];
        for (kind, moved) in KINDS.iter().zip(self.moved) {
            balances[kind.debit as usize] += i128::from(moved.nanos());
            balances[kind.credit as usize] -= i128::from(moved.nanos());
        }
        balances
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
    fn all_balances_at_once_are_the_balances() {
        let mut books = Books::default();
        for (i, movement) in Movement::ALL.into_iter().enumerate() {
            books.post(movement, Money::from_nanos(1 << i.min(60))).unwrap();
        }
        assert_eq!(books.balances(), LedgerAccount::ALL.map(|account| books.balance(account)));
    }

    #[test]
    fn an_amount_past_the_range_is_an_error_that_names_the_movement() {
        let mut books = Books::default();
        books.post(Movement::Invoice, Money::from_nanos(i64::MAX)).unwrap();
        let error = books.post(Movement::Invoice, Money::from_nanos(1)).unwrap_err();
        assert_eq!(*error.account, "invoice");
        assert_eq!(books.balance(LedgerAccount::Receivable), i128::from(i64::MAX));
    }
}
