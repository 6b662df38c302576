//! How an account stands, for people who ask: plain values, read without changing anything.

use crate::billing::account::{Account, Status};
use crate::billing::catalog::Catalog;
use crate::money::{Money, Overflow};
use crate::time::{Now, Time};

/// How an account stands at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Index of the plan that it is on.
    pub plan: usize,
    /// Index of the plan that the next period brings, if another one.
    pub next_plan: Option<usize>,
    /// Whether there is something to pay with.
    pub has_card: bool,
    /// Prepaid credit that is neither spent nor held.
    pub credit: Money,
    /// Usage charges of the usage period, those of calls in flight included.
    pub spent: Money,
    /// What they may come to.
    pub spend_cap: Option<Money>,
    /// What is invoiced and not paid.
    pub due: Money,
    /// When the usage period began, in billing time.
    pub period_begins: Time,
    /// When it ends; [`Time::NEVER`] where usage has no period.
    pub period_ends: Time,
    /// Each meter that the plan limits: its index, the units of the period, those that are left.
    pub allowances: Vec<(usize, u64, u64)>,
    /// Each limit of the plan, in its order: how far it is from deciding otherwise in ns of traffic time; negative while
    /// it refuses.
    pub limits: Vec<i64>,
    /// Calls in flight.
    pub open_holds: usize,
}

/// Why a consumer's software can buy no credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSold {
    /// The subscription has not begun, or is over.
    NotSubscribed,
    /// The plan has no credit to buy.
    NotPrepaid,
    /// The plan says of no amount that it is the usual one: it neither tops up by itself nor opens with credit.
    NoUsualAmount,
    /// There is nothing to pay with.
    NoPaymentMethod,
    /// Credit is being bought already.
    OnItsWay,
}

impl Account {
    /// When the grace that it is served in ends, in billing time; `None` outside of any.
    pub fn in_grace_until(&self) -> Option<Time> {
        (self.status == Status::PastDue).then(|| self.receivables.grace_ends())
    }

    /// How it stands at `now`. What was due by then has been done. An overflow is one of the charges' sum.
    pub fn statement(&self, now: Now, catalog: &Catalog) -> Result<Standing, Overflow> {
        let (_, plan) = self.terms(catalog);
        let plus = |a: Money, b: Money| a.checked_add(b).ok_or(Overflow { account: &"accrued" });
        let spent = self.earlier.iter().try_fold(self.usage.spent()?, |sum, segment| plus(sum, segment.spent()?))?;
        let due = self.receivables.unpaid().try_fold(Money::ZERO, |sum, invoice| plus(sum, invoice.amount))?;
        let limited = plan.metered.iter().filter(|metered| metered.allowance.is_some());
        let in_flight = self.holds.open_count();
        let limits = plan.limits.iter().zip(&self.limits);
        Ok(Standing {
            plan: plan.plan,
            next_plan: self.next_plan,
            has_card: self.has_card,
            credit: self.grants.balance(),
            spent,
            spend_cap: plan.spend_cap,
            due,
            period_begins: self.usage.begins,
            period_ends: self.usage.ends,
            allowances: limited
                .map(|it| (it.meter, self.usage.allowance[it.meter], self.usage.free(it.meter)))
                .collect(),
            limits: limits.map(|(limit, state)| limit.margin_ns(state, now.traffic, in_flight)).collect(),
            open_holds: in_flight,
        })
    }
}
