//! What usage costs, in integers.
//!
//! A price is a function of all the units of a period, exact until one floor to whole nanos; what a part of them costs
//! is the difference of two such totals. So fractions of a nano are neither lost nor gained however usage is cut up,
//! and the parts always add up to the total. Prices are never negative; the scenario's reader sees to that.

use crate::model::{Price, Tier, UnitPrice};
use crate::money::{Currency, Money, Overflow};

/// What the first `units` of a period cost: the exact amount, rounded down to whole nanos. No units cost nothing under
/// every model: not even the first tier has been entered.
///
/// # Errors
/// When the amount leaves the range of [`Money`], or the tiers' prices have no common denominator below 2¹²⁸.
pub fn total(price: &Price, units: u64) -> Result<Money, Overflow> {
    let nanos = match price {
        Price::PerUnit(unit) => floor_rate(*unit, units),
        Price::Package { size, price, free } => packages(units.saturating_sub(*free), *size, *price),
        Price::Graduated(tiers) => graduated(tiers, units)?,
        _ if units == 0 => 0,
        Price::Volume(tiers) => {
            let tier = tier_of(tiers, units);
            i128::from(tier.flat.nanos()) + floor_rate(tier.unit, units)
        }
        Price::Stairstep(tiers) => i128::from(tier_of(tiers, units).flat.nanos()),
    };
    money(nanos)
}

/// What `units` more cost after `before` units were already paid: total(before + units) − total(before). Negative where
/// a volume price lets more usage cost less.
///
/// # Errors
/// Those of [`total`], and a count of units past 64 bits.
#[inline]
pub fn cumulative(price: &Price, before: u64, units: u64) -> Result<Money, Overflow> {
    match price {
        Price::PerUnit(unit) => linear(*unit, before, units),
        _ => difference(price, before, units),
    }
}

/// The most that `units` more can cost wherever the count stands, for prices that more usage never makes cheaper: what
/// a hold reserves.
///
/// - per unit: p · units, rounded up, for the floors before and after may differ by one more than the exact amount;
/// - package: as many packages as the units can start, ⌈units ÷ size⌉. Units that are free start none, so they only
///   lower it, and once they are used up it is reached;
/// - graduated: the units at the dearest unit price, rounded up, and every flat price once.
///
/// # Errors
/// When the amount leaves the range of [`Money`].
///
/// # Panics
/// For volume and stairstep prices, where the count decides what a unit costs. Plans that hold credit have none; ask
/// for a [`quote`].
#[inline]
pub fn at_most(price: &Price, units: u64) -> Result<Money, Overflow> {
    match price {
        Price::PerUnit(unit) if unit.per == 1 => linear(*unit, 0, units),
        _ => most(price, units),
    }
}

fn most(price: &Price, units: u64) -> Result<Money, Overflow> {
    let nanos = match price {
        Price::PerUnit(unit) => ceiling_rate(*unit, units),
        Price::Package { size, price, .. } => packages(units, *size, *price),
        Price::Graduated(_) if units == 0 => 0,
        Price::Graduated(tiers) => {
            let flats: i128 = tiers.iter().map(|tier| i128::from(tier.flat.nanos())).sum();
            ceiling_rate(dearest(tiers), units).checked_add(flats).ok_or(OVERFLOW)?
        }
        Price::Volume(_) | Price::Stairstep(_) => panic!("what a volume price charges depends on the count: quote it"),
    };
    money(nanos)
}

/// What a spend cap is asked for when `units` more are wanted after `before`: [`cumulative`], but never below zero, for
/// units that may yet go unused must not make room for others.
///
/// # Errors
/// Those of [`cumulative`].
pub fn quote(price: &Price, before: u64, units: u64) -> Result<Money, Overflow> {
    Ok(cumulative(price, before, units)?.max(Money::ZERO))
}

/// An invoice line: the amount, rounded half to even to the currency's minor unit (ISO 4217).
///
/// # Panics
/// When the amount is within half a minor unit of the range's end, far past what a scenario may reach.
#[must_use]
pub fn line(amount: Money, currency: Currency) -> Money {
    let step = minor_unit(currency);
    let steps = amount.scale_half_even(1, step.cast_unsigned()).nanos();
    Money::from_nanos(steps.checked_mul(step).expect("amounts stay below a tenth of the range"))
}

/// The least amount that is no less and can be collected: in whole minor units.
///
/// # Panics
/// Where [`line()`] does.
#[must_use]
pub fn collectable(amount: Money, currency: Currency) -> Money {
    let step = minor_unit(currency);
    let lacks = amount.nanos().rem_euclid(step);
    let up = if lacks == 0 { 0 } else { step - lacks };
    Money::from_nanos(amount.nanos().checked_add(up).expect("amounts stay below a tenth of the range"))
}

/// Engine units in the currency's minor unit: 10⁷ nanos in a cent.
#[must_use]
pub fn minor_unit(currency: Currency) -> i64 {
    currency.scale / 10_i64.pow(u32::from(currency.exponent))
}

/// The part of a fee for `numerator_s` of its `denominator_s` seconds, rounded half to even once.
///
/// # Panics
/// Where [`Money::scale_half_even`] does: callers ask for at most the whole.
#[must_use]
pub fn prorate(amount: Money, numerator_s: u64, denominator_s: u64) -> Money {
    amount.scale_half_even(numerator_s, denominator_s)
}

const OVERFLOW: Overflow = Overflow { account: &"spend" };

fn money(nanos: i128) -> Result<Money, Overflow> {
    i64::try_from(nanos).map(Money::from_nanos).map_err(|_| OVERFLOW)
}

/// [`cumulative`] for a linear price, which most calls are settled at.
#[inline]
fn linear(price: UnitPrice, before: u64, units: u64) -> Result<Money, Overflow> {
    if price.per == 1 {
        let nanos = i64::try_from(units).ok().and_then(|units| units.checked_mul(price.amount.nanos()));
        return nanos.map(Money::from_nanos).ok_or(OVERFLOW);
    }
    let after = before.checked_add(units).ok_or(OVERFLOW)?;
    money(floor_rate(price, after) - floor_rate(price, before))
}

fn difference(price: &Price, before: u64, units: u64) -> Result<Money, Overflow> {
    let after = before.checked_add(units).ok_or(OVERFLOW)?;
    total(price, after)?.checked_sub(total(price, before)?).ok_or(OVERFLOW)
}

/// floor(units × amount ÷ per) in nanos; the short division where the product fits 64 bits, which is nearly always.
#[inline]
fn floor_rate(price: UnitPrice, units: u64) -> i128 {
    let amount = price.amount.nanos() as u64;
    match units.checked_mul(amount) {
        Some(product) => i128::from(product / price.per),
        None => (u128::from(units) * u128::from(amount) / u128::from(price.per)) as i128,
    }
}

/// ceil(units × amount ÷ per) in nanos.
fn ceiling_rate(price: UnitPrice, units: u64) -> i128 {
    let product = u128::from(units) * u128::from(price.amount.nanos().cast_unsigned());
    product.div_ceil(u128::from(price.per)) as i128
}

/// What it costs to start as many packages as these units need.
fn packages(units: u64, size: u64, price: Money) -> i128 {
    i128::from(units.div_ceil(size)) * i128::from(price.nanos())
}

fn graduated(tiers: &[Tier], units: u64) -> Result<i128, Overflow> {
    let mut sum = Sum::default();
    let mut below = 0;
    for tier in tiers {
        if units <= below {
            break;
        }
        sum.add(UnitPrice { amount: tier.flat, per: 1 }, 1)?;
        sum.add(tier.unit, units.min(tier.up_to) - below)?;
        below = tier.up_to;
    }
    Ok(sum.whole)
}

/// The tier that the last of these units falls in.
fn tier_of(tiers: &[Tier], units: u64) -> &Tier {
    tiers.iter().find(|tier| units <= tier.up_to).expect("the last tier has no end")
}

/// The highest price of a unit in any tier.
fn dearest(tiers: &[Tier]) -> UnitPrice {
    // Both products are below 2¹²⁷: 63 bits of an amount times 64 of a count.
    let dearer = |a: UnitPrice, b: UnitPrice| {
        i128::from(a.amount.nanos()) * i128::from(b.per) > i128::from(b.amount.nanos()) * i128::from(a.per)
    };
    let units = tiers.iter().map(|tier| tier.unit);
    units.fold(UnitPrice::FREE, |dearest, unit| if dearer(unit, dearest) { unit } else { dearest })
}

/// A sum of amounts that is exact: `whole + part ÷ of` nanos, where the part is less than one.
struct Sum {
    whole: i128,
    part: u128,
    of: u128,
}

impl Default for Sum {
    fn default() -> Self {
        Self { whole: 0, part: 0, of: 1 }
    }
}

impl Sum {
    /// Adds what `units` cost; an error when the tiers' denominators have no common one in 128 bits.
    fn add(&mut self, price: UnitPrice, units: u64) -> Result<(), Overflow> {
        let product = u128::from(units) * u128::from(price.amount.nanos().cast_unsigned());
        let per = u128::from(price.per);
        self.whole = self.whole.checked_add((product / per) as i128).ok_or(OVERFLOW)?;
        self.add_part(product % per, per)
    }

    /// Adds `part ÷ of`, which is less than one.
    fn add_part(&mut self, part: u128, of: u128) -> Result<(), Overflow> {
        if part == 0 {
            return Ok(());
        }
        let shared = common_divisor(self.of, of);
        let common = self.of.checked_mul(of / shared).ok_or(OVERFLOW)?;
        // Each part stays less than one, so neither product passes the common denominator.
        let sum = (self.part * (common / self.of)).checked_add(part * (common / of)).ok_or(OVERFLOW)?;
        let carry = sum >= common;
        self.whole += i128::from(carry);
        (self.part, self.of) = (if carry { sum - common } else { sum }, common);
        Ok(())
    }
}

/// Euclid's algorithm.
fn common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests;
