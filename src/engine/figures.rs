//! The figures of a money report, derived from the journal and from nothing else: so they cannot disagree with the books,
//! nor with each other. `docs/BILLING.md` has the formulas.

use crate::billing::ledger::{LedgerAccount, Movement, balance};

/// What the money of a run comes to, in nanos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Totals of the invoices that were finalised, credit notes taken off; credit that was bought is invoiced too.
    pub invoiced: i128,
    /// Kept for later invoices, because a change of plan credited more than it charged.
    pub kept: i128,
    /// Settled by a captured payment.
    pub captured: i128,
    /// Settled from what was kept.
    pub applied: i128,
    /// Given up.
    pub written_off: i128,
    /// Void: the service never began.
    pub voided: i128,
    /// Not paid at the end.
    pub outstanding: i128,
    /// Captures less refunds and chargebacks, before the processor's fees.
    pub collected: i128,
    /// Refunds and chargebacks.
    pub returned: i128,
    /// Fees earned by the second.
    pub earned_fees: i128,
    /// Usage earned when it was served, minimum commits included, discounts taken off.
    pub earned_usage: i128,
    /// Paid credit burnt.
    pub earned_credit: i128,
    /// Paid credit that expired.
    pub breakage: i128,
    /// All that was earned.
    pub earned: i128,
    /// Usage earned and not invoiced at the end.
    pub accrued: i128,
    /// What collecting cost.
    pub processor_fees: i128,
    /// What the answers cost to make.
    pub upstream_cost: i128,
    /// Earned less both.
    pub margin: i128,
    /// Served beyond the credit that was there, and not paid since.
    pub leaked: i128,
    /// Monthly recurring revenue at the end.
    pub mrr: i128,
}

/// How many figures there are.
const FIGURES: usize = 20;

impl Figures {
    /// What was earned, alone: as [`Self::of`] has it.
    pub fn earned_of(moved: impl Fn(Movement) -> i128) -> i128 {
        -balance(LedgerAccount::Earned, moved)
    }

    /// Every figure with its name, in the order of the fields.
    pub const fn named(&self) -> [(&'static str, i128); FIGURES] {
        [
            ("invoiced", self.invoiced),
            ("kept", self.kept),
            ("captured", self.captured),
            ("applied", self.applied),
            ("written_off", self.written_off),
            ("voided", self.voided),
            ("outstanding", self.outstanding),
            ("collected", self.collected),
            ("returned", self.returned),
            ("earned_fees", self.earned_fees),
            ("earned_usage", self.earned_usage),
            ("earned_credit", self.earned_credit),
            ("breakage", self.breakage),
            ("earned", self.earned),
            ("accrued", self.accrued),
            ("processor_fees", self.processor_fees),
            ("upstream_cost", self.upstream_cost),
            ("margin", self.margin),
            ("leaked", self.leaked),
            ("mrr", self.mrr),
        ]
    }

    /// The figures of a journal, given the total of each kind of movement in nanos.
    pub fn of(moved: impl Fn(Movement) -> i128) -> Self {
        use Movement::{
            Accrue, ApplyBalance, Breakage, Burn, Capture, Chargeback, CreditBalance, CreditFee, Discount, Earn,
            Forfeit, Invoice, InvoiceCredit, InvoiceUsage, Refund, TrueUp, Unaccrue, Void, WriteOff,
        };
        let holds = |account| balance(account, &moved);
        let returned = moved(Refund) + moved(Chargeback);
        let earned = Self::earned_of(&moved);
        let processor_fees = holds(LedgerAccount::ProcessorFees);
        let upstream_cost = holds(LedgerAccount::UpstreamCost);
        Self {
            invoiced: moved(Invoice) + moved(InvoiceUsage) + moved(InvoiceCredit) - moved(CreditFee),
            kept: moved(CreditBalance),
            captured: moved(Capture),
            applied: moved(ApplyBalance),
            written_off: moved(WriteOff),
            voided: moved(Void),
            outstanding: holds(LedgerAccount::Receivable),
            collected: moved(Capture) - returned,
            returned,
            earned_fees: moved(Earn) + moved(Forfeit),
            earned_usage: moved(Accrue) + moved(TrueUp) - moved(Unaccrue) - moved(Discount),
            earned_credit: moved(Burn),
            breakage: moved(Breakage),
            earned,
            accrued: holds(LedgerAccount::Accrued),
            processor_fees,
            upstream_cost,
            margin: earned - processor_fees - upstream_cost,
            leaked: holds(LedgerAccount::Overdraft),
            mrr: holds(LedgerAccount::Mrr),
        }
    }
}
