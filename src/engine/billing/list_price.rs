//! What a unit costs by the price list: what refused demand is valued at. Discounts, trials, allowances and caps are no
//! part of it. `docs/BILLING.md` has the rule.

use crate::model::{PastAllowance, PerMeter, Period, Plan, Price, Tier, UnitPrice};
use crate::money::{Money, div_half_even};

/// The list price of a unit of each meter; `None` where the plan states none.
pub fn list_prices(plan: &Plan) -> PerMeter<Option<UnitPrice>> {
    let allowed = plan.allowance.iter().flatten().count();
    let overage = |meter: usize| plan.overage[meter].as_ref().filter(|_| plan.past_allowance == PastAllowance::Overage);
    std::array::from_fn(|meter| {
        let stated = overage(meter).or(plan.prices[meter].as_ref()).and_then(of_one);
        // A fee that pays for several allowances says nothing of each.
        let allowance = plan.allowance[meter].filter(|_| allowed == 1);
        stated.or_else(|| share_of_fee(plan, allowance?))
    })
}

/// What these units come to at their list prices, each meter rounded half to even to a nano; `None` where none of their
/// meters has one, or the sum leaves the range.
pub fn list_price(plan: &Plan, units: &PerMeter<u64>) -> Option<Money> {
    let priced = list_prices(plan).into_iter().zip(units).filter_map(|(price, units)| Some((price?, *units)));
    let mut amounts = priced.map(|(UnitPrice { amount, per }, units)| {
        let exact = i128::from(amount.nanos()).checked_mul(i128::from(units))?;
        i64::try_from(div_half_even(exact, i128::from(per))).ok().map(Money::from_nanos)
    });
    let first = amounts.next()?;
    amounts.fold(first, |sum, amount| sum?.checked_add(amount?))
}

/// The price of one unit more; `None` where what a unit costs depends on how many there are and nothing is told of one.
fn of_one(price: &Price) -> Option<UnitPrice> {
    match price {
        Price::PerUnit(unit) => Some(*unit),
        Price::Package { size, price, .. } => Some(UnitPrice { amount: *price, per: *size }),
        Price::Graduated(tiers) | Price::Volume(tiers) => first_paid(tiers),
        Price::Stairstep(_) => None,
    }
}

/// The price of the first tier whose units cost anything: what a price list leads with.
fn first_paid(tiers: &[Tier]) -> Option<UnitPrice> {
    tiers.iter().map(|tier| tier.unit).find(|unit| unit.amount.nanos() > 0)
}

/// The fee of a usage period ÷ the units that it includes; `None` where either is nothing, or the product leaves the range.
fn share_of_fee(plan: &Plan, units: u64) -> Option<UnitPrice> {
    let (fee, usage) = (in_a_year(plan.fee_period?), in_a_year(plan.usage_period?));
    let (fee, usage) = if fee == usage { (1, 1) } else { (fee, usage) };
    let amount = Money::from_nanos(plan.fee.nanos().checked_mul(fee)?);
    let per = units.checked_mul(usage.cast_unsigned())?;
    (amount.nanos() > 0 && per > 0).then_some(UnitPrice { amount, per })
}

/// How many periods make up a year of 365 days, or of 12 months.
const fn in_a_year(period: Period) -> i64 {
    match period {
        Period::Day => 365,
        Period::Month => 12,
        Period::Year => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::NANOS;

    const fn unit(nanos: i64, per: u64) -> UnitPrice {
        UnitPrice { amount: Money::from_nanos(nanos), per }
    }

    fn tier(up_to: u64, flat: i64, nanos: i64) -> Tier {
        Tier { up_to, flat: Money::from_nanos(flat), unit: unit(nanos, 1) }
    }

    /// $12 a year or a month, and so many units a period.
    fn plan(fee: Option<Period>, usage: Period, allowance: PerMeter<Option<u64>>) -> Plan {
        let fee_of = if fee.is_some() { Money::from_nanos(12 * NANOS) } else { Money::ZERO };
        Plan { fee: fee_of, fee_period: fee, usage_period: Some(usage), allowance, ..Plan::new("plan") }
    }

    #[test]
    fn overage_goes_before_prices_and_prices_before_the_fee() {
        let mut plan = plan(Some(Period::Month), Period::Month, [Some(1_000), None, None, None]);
        assert_eq!(list_prices(&plan)[0], Some(unit(12 * NANOS, 1_000)));
        plan.prices[0] = Some(Price::PerUnit(unit(7, 2)));
        assert_eq!(list_prices(&plan)[0], Some(unit(7, 2)));
        plan.overage[0] = Some(Price::PerUnit(unit(9, 4)));
        plan.past_allowance = PastAllowance::Overage;
        assert_eq!(list_prices(&plan), [Some(unit(9, 4)), None, None, None]);
    }

    #[test]
    fn a_fee_is_shared_by_the_units_of_as_long_a_time() {
        let of = |fee, usage| list_prices(&plan(fee, usage, [Some(100), None, None, None]))[0];
        assert_eq!(of(Some(Period::Year), Period::Year), Some(unit(12 * NANOS, 100)));
        assert_eq!(of(Some(Period::Year), Period::Month), Some(unit(12 * NANOS, 1_200)));
        assert_eq!(of(Some(Period::Month), Period::Day), Some(unit(144 * NANOS, 36_500)));
        assert_eq!(of(Some(Period::Day), Period::Month), Some(unit(365 * 12 * NANOS, 1_200)));
    }

    #[test]
    fn what_states_no_price_has_none() {
        let month = Period::Month;
        let of = |plan: &Plan| list_prices(plan);
        assert_eq!(of(&Plan::new("free")), [None; 4]);
        assert_eq!(of(&plan(None, month, [Some(100), None, None, None])), [None; 4]);
        assert_eq!(of(&plan(Some(month), month, [Some(0), None, None, None])), [None; 4]);
        // Nobody says which part of the fee is for which allowance.
        assert_eq!(of(&plan(Some(month), month, [Some(100), Some(9), None, None])), [None; 4]);
    }

    #[test]
    fn of_tiers_the_first_that_costs_anything_by_the_unit_leads() {
        let tiers = || vec![tier(10, 5, 0), tier(100, 0, 70), tier(u64::MAX, 0, 50)];
        assert_eq!(of_one(&Price::Graduated(tiers())), Some(unit(70, 1)));
        assert_eq!(of_one(&Price::Volume(tiers())), Some(unit(70, 1)));
        assert_eq!(of_one(&Price::Stairstep(tiers())), None);
        assert_eq!(of_one(&Price::Graduated(vec![tier(u64::MAX, 5, 0)])), None);
        let package = Price::Package { size: 100, price: Money::from_nanos(3), free: 20 };
        assert_eq!(of_one(&package), Some(unit(3, 100)));
    }

    #[test]
    fn meters_add_up_and_are_rounded_half_to_even_each() {
        let mut plan = Plan::new("priced");
        let listed = |plan: &Plan, requests, tokens| list_price(plan, &[requests, tokens, 0, 0]).map(Money::nanos);
        assert_eq!(listed(&plan, 1, 1), None);
        plan.prices[0] = Some(Price::PerUnit(unit(5, 2)));
        plan.prices[1] = Some(Price::PerUnit(unit(7, 2)));
        assert_eq!([listed(&plan, 1, 0), listed(&plan, 0, 1), listed(&plan, 2, 2)], [Some(2), Some(4), Some(12)]);
        // An overage price that does not act is none.
        plan.overage[0] = Some(Price::PerUnit(unit(50, 1)));
        assert_eq!(listed(&plan, 2, 0), Some(5));
        plan.past_allowance = PastAllowance::Overage;
        assert_eq!(listed(&plan, 2, 0), Some(100));
        assert_eq!(listed(&plan, u64::MAX, 0), None);
    }
}
