//! What the oracle counts of one cohort.

use super::Ruling;
use crate::billing::cause::CAUSES;
use crate::model::PerMeter;
use crate::money::Money;

/// The answers that one cohort was given.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// By route.
    pub(crate) routes: Vec<RouteTable>,
    /// Units served past a hard allowance, of calls that it should have refused.
    pub(crate) overshoot: PerMeter<u64>,
    /// The most that any account was overdrawn.
    pub(crate) deepest_overdraft: Money,
}

/// The answers for one route.
#[derive(Clone, Debug)]
pub struct RouteTable {
    pub(crate) served_rightly: u64,
    pub(crate) refused_rightly: u64,
    /// By what they were refused for.
    pub(crate) false_refusals: [Wrong; CAUSES],
    /// By what should have refused them.
    pub(crate) leaks: [Wrong; CAUSES],
}

/// Answers that were wrong in one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    /// How many.
    pub count: u64,
    /// What they come to, in nanos.
    pub nanos: i128,
    /// Of how many no price states what they come to.
    pub unstated: u64,
}

impl Table {
    pub(super) fn new(routes: usize) -> Self {
        Self { routes: vec![RouteTable::default(); routes], ..Self::default() }
    }

    pub(super) fn route(&mut self, route: u16) -> &mut RouteTable {
        &mut self.routes[route as usize]
    }
}

impl Default for RouteTable {
    fn default() -> Self {
        let none = [Wrong::default(); CAUSES];
        Self { served_rightly: 0, refused_rightly: 0, false_refusals: none, leaks: none }
    }
}

impl RouteTable {
    pub(super) fn count(&mut self, ruling: Ruling) {
        match ruling {
            Ruling::ServedRightly => self.served_rightly += 1,
            Ruling::RefusedRightly => self.refused_rightly += 1,
            Ruling::FalseRefusal(cause) => self.false_refusals[cause.index()].count += 1,
            Ruling::Leak(cause) => self.leaks[cause.index()].count += 1,
        }
    }
}

impl Wrong {
    /// One of them is worth so much, where a price states it.
    pub(super) fn is_worth(&mut self, price: Option<Money>) {
        match price {
            Some(money) => self.nanos += i128::from(money.nanos()),
            None => self.unstated += 1,
        }
    }
}
