//! Price models of usage. They see only the units past the allowance, and tiers count those from 0.

use crate::money::Money;

/// What usage costs, as a function of the units u of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Price {
    /// p · u, also for prices per many units.
    PerUnit(UnitPrice),
    /// p · ⌈max(0, u − free) ÷ size⌉.
    Package {
        /// Units of a package; at least 1.
        size: u64,
        /// What a package costs.
        price: Money,
        /// Units that cost nothing.
        free: u64,
    },
    /// Σ over tiers: the flat price if entered, plus the unit price × the units that fall inside.
    Graduated(Vec<Tier>),
    /// The tier that u falls in prices all units: flat + p · u. Not monotone.
    Volume(Vec<Tier>),
    /// The tier that u falls in has one flat price.
    Stairstep(Vec<Tier>),
}

/// A linear price: `amount` for each `per` units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitPrice {
    /// The price of `per` units.
    pub amount: Money,
    /// How many units the amount is for; at least 1.
    pub per: u64,
}

impl UnitPrice {
    /// Nothing.
    pub const FREE: Self = Self { amount: Money::ZERO, per: 1 };
}

/// A tier of a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Its last unit, counted from 1 over all tiers; `u64::MAX`: no end, as the last one has.
    pub up_to: u64,
    /// What entering it costs.
    pub flat: Money,
    /// What a unit costs.
    pub unit: UnitPrice,
}
