//! Usage of a period: what of the allowance is taken, what is paid from credit, what will be invoiced.
//!
//! A segment is the part of a usage period that has one price version. Calls belong to the segment of their
//! admission: when a period ends or a plan changes while calls are in flight, the old segment is kept until the last
//! of them has come home.

use crate::billing::catalog::{Metered, PlanTerms};
use crate::billing::hold::{Hold, Pays};
use crate::billing::price;
use crate::model::PerMeter;
use crate::money::{Money, Overflow};
use crate::time::Time;

/// A part of a usage period with one price version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Counts the segments of an account: what holds name them by.
    pub(crate) id: u32,
    /// The price version.
    pub(crate) terms: u32,
    /// The usage period, counted from the anchor.
    pub(crate) number: u32,
    /// When that period began and ends; [`Time::NEVER`] for a plan whose usage has no period.
    pub(crate) begins: Time,
    pub(crate) ends: Time,
    /// When this segment began, and ended; it is [`Self::ends`] until something ends it before.
    pub(crate) from: Time,
    pub(crate) until: Time,
    /// In a trial, nothing is charged in arrears.
    pub(crate) is_trial: bool,
    /// Units that cost nothing more, what was carried over included; `u64::MAX`: not limited.
    pub(crate) allowance: PerMeter<u64>,
    /// What of the allowance was carried over from the period before.
    pub(crate) carried: PerMeter<u64>,
    /// Units of the allowance that are used or reserved. Kept for meters with an allowance.
    pub(crate) taken: PerMeter<u64>,
    /// Units paid from credit: where the next debit starts to count.
    pub(crate) credited: PerMeter<u64>,
    /// Units to be billed in arrears: where the next charge starts to count.
    pub(crate) past: PerMeter<u64>,
    /// Units that open holds may add to those; where single calls are paid from a wallet, to [`Self::credited`].
    pub(crate) reserved: PerMeter<u64>,
    /// What was billed in arrears amounts to.
    pub(crate) charged: Money,
    /// Quotes of open holds against the spend cap.
    pub(crate) quoted: Money,
    /// How many holds are open.
    pub(crate) open: u32,
}

/// What became of the units of metered meters; each unit is in exactly one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// Inside the allowance, or of a meter that costs nothing.
    pub included: PerMeter<u64>,
    /// Paid from credit.
    pub credited: PerMeter<u64>,
    /// Billed in arrears.
    pub billed: PerMeter<u64>,
    /// Served and not billed: throttled, cut off, or too late.
    pub unbilled: PerMeter<u64>,
}

/// What resolving a hold amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// To be paid from what was reserved.
    pub(crate) credit: Money,
    /// What goes back into a wallet after that.
    pub(crate) freed: Money,
    /// To be accrued; negative when a volume price has fallen.
    pub(crate) arrears: Money,
}

impl Units {
    /// Adds another account's.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.included, &other.included),
            (&mut self.credited, &other.credited),
            (&mut self.billed, &other.billed),
            (&mut self.unbilled, &other.unbilled),
        ];
        for (sum, more) in pairs {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
    }
}

impl Segment {
    /// Nothing used, nothing allowed.
    pub(crate) fn empty(terms: u32) -> Self {
        Self {
            id: 0,
            terms,
            number: 0,
            begins: Time::START,
            ends: Time::NEVER,
            from: Time::START,
            until: Time::NEVER,
            is_trial: false,
            allowance: PerMeter::default(),
            carried: PerMeter::default(),
            taken: PerMeter::default(),
            credited: PerMeter::default(),
            past: PerMeter::default(),
            reserved: PerMeter::default(),
            charged: Money::ZERO,
            quoted: Money::ZERO,
            open: 0,
        }
    }

    /// Units of the allowance that are left.
    #[inline]
    pub(crate) fn free(&self, meter: usize) -> u64 {
        self.allowance[meter].saturating_sub(self.taken[meter])
    }

    /// Its usage charges, open holds included.
    #[inline]
    pub(crate) fn spent(&self) -> Result<Money, Overflow> {
        plus(self.charged, self.quoted)
    }

    /// What a call would add to what is held of a wallet, which has all that the calls in flight may cost together: what
    /// they cost depends on which of them is answered first, and the sum does not.
    pub(crate) fn quote_of_wallet(&self, plan: &PlanTerms, past: &PerMeter<u64>) -> Result<Money, Overflow> {
        let mut quote = Money::ZERO;
        for Metered { meter, credit, .. } in &plan.metered {
            if let (Some(price), past @ 1..) = (credit, past[*meter]) {
                let before = self.credited[*meter].saturating_add(self.reserved[*meter]);
                quote = plus(quote, price::cumulative(price, before, past)?)?;
            }
        }
        Ok(quote)
    }

    /// Reserves what a call may use, of which this much lies past the allowance.
    #[inline]
    pub(crate) fn open(
        &mut self,
        plan: &PlanTerms,
        most: &PerMeter<u64>,
        past: &PerMeter<u64>,
        hold: &mut Hold,
    ) -> Result<(), Overflow> {
        self.open += 1;
        self.quoted = plus(self.quoted, hold.quote)?;
        for metered in &plan.metered {
            let meter = metered.meter;
            hold.past[meter] = past[meter];
            self.taken[meter] += most[meter] - past[meter];
            if is_counted(plan, metered, hold.pays) {
                self.reserved[meter] += past[meter];
            }
        }
        Ok(())
    }

    /// Counts what a call used (nothing, when it failed) of what its hold had reserved; what a meter counted past the
    /// most is truncated there, as the upstream does.
    #[inline]
    pub(crate) fn settle(
        &mut self,
        plan: &PlanTerms,
        most: &PerMeter<u64>,
        hold: &Hold,
        usage: &PerMeter<u64>,
        units: &mut Units,
    ) -> Result<Settled, Overflow> {
        self.open -= 1;
        let mut settled = Settled::default();
        for metered in &plan.metered {
            let meter = metered.meter;
            let used = usage[meter].min(most[meter]);
            let before = self.credited[meter].saturating_add(self.reserved[meter]);
            if is_counted(plan, metered, hold.pays) {
                self.reserved[meter] -= hold.past[meter];
            }
            let reserved = most[meter] - hold.past[meter];
            let included = used.min(reserved);
            self.taken[meter] -= reserved - included;
            units.included[meter] += included;
            if used > included {
                self.pay(metered, hold.pays, used - included, units, &mut settled)?;
            }
            if let (true, Pays::Credit, Some(price)) = (plan.pays_per_request, hold.pays, &metered.credit) {
                let after = self.credited[meter].saturating_add(self.reserved[meter]);
                settled.freed = plus(settled.freed, price::cumulative(price, after, before - after)?)?;
            }
        }
        self.quoted = minus(self.quoted, hold.quote)?;
        Ok(settled)
    }

    /// Prices units past the allowance.
    #[inline]
    fn pay(
        &mut self,
        metered: &Metered,
        pays: Pays,
        past: u64,
        units: &mut Units,
        settled: &mut Settled,
    ) -> Result<(), Overflow> {
        let meter = metered.meter;
        match (pays, &metered.credit, &metered.arrears) {
            (Pays::Credit, Some(price), _) => {
                settled.credit = plus(settled.credit, price::cumulative(price, self.credited[meter], past)?)?;
                self.credited[meter] += past;
                units.credited[meter] += past;
            }
            (Pays::Credit | Pays::Arrears, _, Some(price)) => {
                let amount = price::cumulative(price, self.past[meter], past)?;
                self.past[meter] += past;
                self.charged = plus(self.charged, amount)?;
                settled.arrears = plus(settled.arrears, amount)?;
                units.billed[meter] += past;
            }
            _ => units.unbilled[meter] += past,
        }
        Ok(())
    }

    /// What is carried into the next period, per meter.
    pub(crate) fn rollover(&self, plan: &PlanTerms) -> PerMeter<u64> {
        let mut carried = PerMeter::default();
        let Some(rollover) = plan.rollover else { return carried };
        for Metered { meter, .. } in plan.metered.iter().filter(|metered| metered.allowance.is_some()) {
            carried[*meter] = self.free(*meter).max(rollover.min).min(rollover.max);
        }
        carried
    }
}

/// Whether the next quote depends on how many units of a meter past the allowance such holds have reserved: of those that
/// are billed in arrears, also where a call's other units are paid from credit, and of those that a wallet pays for.
#[inline]
fn is_counted(plan: &PlanTerms, metered: &Metered, pays: Pays) -> bool {
    match pays {
        Pays::Arrears => true,
        Pays::Credit => plan.pays_per_request || metered.credit.is_none(),
        Pays::Nothing => false,
    }
}

#[inline]
fn plus(a: Money, b: Money) -> Result<Money, Overflow> {
    a.checked_add(b).ok_or(Overflow { account: &"usage" })
}

#[inline]
fn minus(a: Money, b: Money) -> Result<Money, Overflow> {
    a.checked_sub(b).ok_or(Overflow { account: &"usage" })
}
