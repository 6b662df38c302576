//! What usage costs.

use crate::model::UnitPrice;
use crate::money::{Money, Overflow};

/// What `units` more cost after `before` units were already paid: floor(rate(before + units)) − floor(rate(before)).
/// Debits are cumulative, so fractions of a nano are neither lost nor gained however the usage is cut up.
#[inline]
pub fn cumulative(price: UnitPrice, before: u64, units: u64) -> Result<Money, Overflow> {
    if price.per == 1 {
        let nanos = i64::try_from(units).ok().and_then(|units| units.checked_mul(price.amount.nanos()));
        return nanos.map(Money::from_nanos).ok_or(OVERFLOW);
    }
    let after = before.checked_add(units).ok_or(OVERFLOW)?;
    let nanos = floor_rate(price, after) - floor_rate(price, before);
    i64::try_from(nanos).map(Money::from_nanos).map_err(|_| OVERFLOW)
}

/// The most that `units` can cost, wherever the count stands: ceil(rate(units)). What a hold reserves.
pub fn at_most(price: UnitPrice, units: u64) -> Result<Money, Overflow> {
    let nanos = (u128::from(units) * u128::from(price.amount.nanos().cast_unsigned())).div_ceil(u128::from(price.per));
    i64::try_from(nanos).map(Money::from_nanos).map_err(|_| OVERFLOW)
}

const OVERFLOW: Overflow = Overflow { account: "spend" };

/// floor(units × amount ÷ per) in nanos; the short division where the product fits 64 bits, which is nearly always.
#[inline]
fn floor_rate(price: UnitPrice, units: u64) -> i128 {
    let amount = price.amount.nanos() as u64;
    match units.checked_mul(amount) {
        Some(product) => i128::from(product / price.per),
        None => (u128::from(units) * u128::from(amount) / u128::from(price.per)) as i128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// $0.0375 per 1M: 37.5 nanos a unit, so single units cost 37 and 38 in turn and a million exactly the price.
    #[test]
    fn a_price_finer_than_a_nano_adds_up_however_the_usage_is_cut() {
        let price = UnitPrice { amount: Money::from_nanos(37_500_000), per: 1_000_000 };
        let mut used = 0;
        let mut paid = 0;
        for units in (1..).take(1413).chain([1_000_000 - 1413 * 1414 / 2]) {
            let cost = cumulative(price, used, units).unwrap();
            assert!(cost <= at_most(price, units).unwrap());
            used += units;
            paid += cost.nanos();
        }
        assert_eq!((used, paid), (1_000_000, 37_500_000));
        assert_eq!([0, 1].map(|before| cumulative(price, before, 1).unwrap().nanos()), [37, 38]);
    }

    #[test]
    fn the_long_division_agrees_with_the_short_one() {
        let price = UnitPrice { amount: Money::from_nanos(7_000_000_003), per: 3 };
        for units in [1, 2, 3, 2_635_249_152, 2_635_249_153, 900_000_000_000] {
            let exact = u128::from(units) * 7_000_000_003 / 3;
            assert_eq!(floor_rate(price, units), exact as i128);
        }
    }
}
