//! What is compared of each consumer, and its sums over pairs: integers, with the squares that a standard error is made of.

use serde::{Deserialize, Serialize};

use super::Nanos;
use crate::lives::Life;

/// What is compared of each consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// What was earned from them, in nanos.
    Earned,
    /// What was collected from them, in nanos.
    Collected,
    /// What was earned less what it cost, in nanos.
    Margin,
    /// Their monthly recurring revenue at the end, in nanos.
    Mrr,
    /// Calls that they made.
    Calls,
    /// Attempts that were served.
    Served,
    /// Calls whose last attempt was refused.
    Refused,
    /// Whether they were refused at all: 0 or 1.
    EverRefused,
    /// Whether they left: 0 or 1.
    Left,
    /// How long they were blocked for unpaid invoices, in ns.
    Blocked,
}

impl Metric {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 10] = [
        Self::Earned,
        Self::Collected,
        Self::Margin,
        Self::Mrr,
        Self::Calls,
        Self::Served,
        Self::Refused,
        Self::EverRefused,
        Self::Left,
        Self::Blocked,
    ];

    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Earned => "earned",
            Self::Collected => "collected",
            Self::Margin => "margin",
            Self::Mrr => "mrr",
            Self::Calls => "calls",
            Self::Served => "served",
            Self::Refused => "refused",
            Self::EverRefused => "consumers_refused",
            Self::Left => "left",
            Self::Blocked => "blocked_ns",
        }
    }

    /// How many units of the plain sums one unit of the squares is, so that whole nanos squared stay in range.
    pub const fn unit(self) -> i128 {
        match self {
            Self::Earned | Self::Collected | Self::Margin | Self::Mrr => 1_000,
            Self::Blocked => 1_000_000,
            Self::Calls | Self::Served | Self::Refused | Self::EverRefused | Self::Left => 1,
        }
    }

    pub(super) fn of(self, life: &Life) -> i128 {
        match self {
            Self::Earned => life.earned,
            Self::Collected => life.collected,
            Self::Margin => life.margin,
            Self::Mrr => life.mrr,
            Self::Calls => life.calls().into(),
            Self::Served => life.served.into(),
            Self::Refused => life.calls_refused().into(),
            Self::EverRefused => life.is_refused().into(),
            Self::Left => (life.left > 0).into(),
            Self::Blocked => life.blocked_ns.cast_signed(),
        }
    }
}

/// Sums over pairs of consumers: x is the base's value, y the variant's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sums {
    /// Σx.
    pub base: Nanos,
    /// Σy.
    pub variant: Nanos,
    /// The least y − x of any consumer; `None`: there is none.
    pub least: Option<Nanos>,
    /// The most.
    pub most: Option<Nanos>,
    /// `None` where consumers are not independent of each other, or a sum has left the range.
    pub squares: Option<Squares>,
}

/// Sums of squares and products, in squares of [`Metric::unit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Squares {
    /// Σx².
    pub base: Nanos,
    /// Σy².
    pub variant: Nanos,
    /// Σ(y − x)².
    pub difference: Nanos,
    /// Σx(y − x).
    pub product: Nanos,
}

impl Sums {
    /// y − x over all.
    pub fn difference(&self) -> i128 {
        self.variant.0 - self.base.0
    }

    pub(super) fn add(&mut self, metric: Metric, base: i128, variant: i128) {
        let difference = Nanos(variant - base);
        let one = Self {
            base: Nanos(base),
            variant: Nanos(variant),
            least: Some(difference),
            most: Some(difference),
            squares: self.squares.and_then(|_| Squares::of(metric, base, variant)),
        };
        *self = self.plus(&one);
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        let of = |a: Option<Nanos>, b: Option<Nanos>, pick: fn(Nanos, Nanos) -> Nanos| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (one, other) => one.or(other),
        };
        Self {
            base: Nanos(self.base.0 + other.base.0),
            variant: Nanos(self.variant.0 + other.variant.0),
            least: of(self.least, other.least, Nanos::min),
            most: of(self.most, other.most, Nanos::max),
            squares: self.squares.zip(other.squares).and_then(|(own, other)| own.plus(other)),
        }
    }
}

impl Squares {
    fn of(metric: Metric, base: i128, variant: i128) -> Option<Self> {
        let unit = metric.unit();
        let rounded = |value: i128| (value + unit / 2).div_euclid(unit);
        let (x, y, d) = (rounded(base), rounded(variant), rounded(variant - base));
        let product = |a: i128, b: i128| a.checked_mul(b).map(Nanos);
        Some(Self {
            base: product(x, x)?,
            variant: product(y, y)?,
            difference: product(d, d)?,
            product: product(x, d)?,
        })
    }

    /// `None` when a sum leaves the range. The product may fall as well as grow, and never beyond the squares.
    fn plus(self, other: Self) -> Option<Self> {
        let sum = |a: Nanos, b: Nanos| a.0.checked_add(b.0).map(Nanos);
        Some(Self {
            base: sum(self.base, other.base)?,
            variant: sum(self.variant, other.variant)?,
            difference: sum(self.difference, other.difference)?,
            product: sum(self.product, other.product)?,
        })
    }
}
