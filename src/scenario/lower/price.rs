//! Prices of usage.

use farebox_engine::model::{Price, Tier, UnitPrice};
use farebox_engine::money::Money;

use super::{Lowering, amount};
use crate::scenario::diagnostic::{Diagnostic, Spanned};
use crate::scenario::limit;
use crate::scenario::value::{Fields, Value};

/// What a price is paid from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paid {
    /// Credit, call by call.
    FromCredit,
    /// An invoice, once the period is over.
    InArrears,
}

impl Lowering<'_> {
    pub(super) fn price(&mut self, value: &Spanned<Value>, paid: Paid) -> Option<Price> {
        let model = match &value.value {
            Value::Price(price) => return Some(Price::PerUnit(*price)),
            Value::Map(model) => model,
            _ => return None,
        };
        if let Some(size) = model.quantity("package") {
            let free = model.quantity("free").map(|free| free.value);
            let free = if model.is_broken("free") { None } else { Some(free.unwrap_or(0)) };
            return Some(Price::Package { size: size.value, price: model.money("price")?.value, free: free? });
        }
        if let Some(tiers) = model.list("graduated") {
            return self.tiers(tiers).map(Price::Graduated);
        }
        for (name, make) in [("volume", Price::Volume as fn(Vec<Tier>) -> Price), ("stairstep", Price::Stairstep)] {
            let Some(tiers) = model.list(name) else { continue };
            if paid == Paid::FromCredit {
                let message = format!("`{name}` prices cannot be paid from credit");
                let problem = Diagnostic::error(model.written(name).unwrap_or(value.span), message);
                self.problems.push(problem.help(
                    "what they come to is known only when the period ends: write `graduated`, or a plan that bills when the period ends",
                ));
            }
            return self.tiers(tiers).map(make);
        }
        None
    }

    /// Tiers ascend, and only the last has no end.
    fn tiers(&mut self, items: &[Spanned<Value>]) -> Option<Vec<Tier>> {
        let mut tiers: Vec<Tier> = Vec::new();
        let mut is_right = true;
        let last = items.len().saturating_sub(1);
        let mut below: Option<Spanned<u64>> = None;
        for (index, item) in items.iter().enumerate() {
            let Value::Map(fields) = &item.value else { continue };
            let up_to = fields.quantity("up_to");
            let problem = match (up_to, below) {
                _ if fields.is_broken("up_to") => continue,
                (Some(end), _) if index == last => Some(
                    Diagnostic::error(end.span, "the last tier has an end")
                        .help("leave out its `up_to`: it takes all that is beyond"),
                ),
                (None, _) if index < last => Some(
                    Diagnostic::error(item.span, "a tier before the last has no end")
                        .help("write its last unit, such as `up_to: 50k`"),
                ),
                (Some(end), Some(below)) if end.value <= below.value => {
                    let problem = Diagnostic::error(end.span, "this tier ends before it begins");
                    Some(
                        problem
                            .related(below.span, "the tier before it ends here")
                            .help("write the tiers in ascending order"),
                    )
                }
                _ => None,
            };
            is_right &= problem.is_none();
            if let Some(problem) = problem {
                self.problems.push(problem);
            }
            below = up_to.or(below);
            match tier(fields, up_to.map_or(u64::MAX, |end| end.value)) {
                Some(tier) => tiers.push(tier),
                None => is_right = false,
            }
        }
        (is_right && tiers.len() == items.len()).then_some(tiers)
    }
}

fn tier(fields: &Fields, up_to: u64) -> Option<Tier> {
    // A step has one price for all of its units, a tier one for each.
    let (flat, unit) = match fields.value("price").map(|price| &price.value) {
        Some(Value::Money(price)) => (*price, UnitPrice::FREE),
        Some(Value::Price(price)) => (amount(fields, "flat")?, *price),
        None if fields.table.key("flat").is_some() && !fields.is_broken("price") => {
            (amount(fields, "flat")?, UnitPrice::FREE)
        }
        _ => return None,
    };
    Some(Tier { up_to, flat, unit })
}

/// The most that so many units can cost, whatever was used before; a bound, not a price.
pub(super) fn dearest(price: &Price, units: u64) -> i128 {
    let of = |price: &UnitPrice| i128::from(price.amount.nanos()) * i128::from(units) / i128::from(price.per) + 1;
    let flat = |tiers: &[Tier]| tiers.iter().map(|tier| i128::from(tier.flat.nanos())).sum::<i128>();
    match price {
        Price::PerUnit(price) => of(price),
        Price::Package { size, price, .. } => i128::from(price.nanos()) * (i128::from(units.div_ceil(*size)) + 1),
        Price::Graduated(tiers) | Price::Volume(tiers) | Price::Stairstep(tiers) => {
            flat(tiers) + tiers.iter().map(|tier| of(&tier.unit)).max().unwrap_or(0)
        }
    }
}

/// Whether an amount is beyond what an account can hold.
pub(super) fn is_beyond(units: i128) -> bool {
    units > i128::from(limit::AMOUNT_NANOS)
}

/// What of an amount is checked against [`is_beyond`].
pub(super) fn times(amount: Money, count: i128) -> i128 {
    i128::from(amount.nanos()) * count
}
