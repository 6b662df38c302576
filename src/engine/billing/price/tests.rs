//! Each model against amounts worked out by hand, and the laws that hold for all of them: parts sum to the total, a
//! hold covers what is charged, a split line stays whole.

use super::*;
use crate::draw::Words;
use crate::money::NANOS;

/// So many nanos for each unit, or for each `per` units.
const fn rate(nanos: i64, per: u64) -> UnitPrice {
    UnitPrice { amount: Money::from_nanos(nanos), per }
}

/// A tier without a flat price.
const fn tier(up_to: u64, unit: UnitPrice) -> Tier {
    Tier { up_to, flat: Money::ZERO, unit }
}

/// A tier with a flat price in dollars.
const fn flat(up_to: u64, dollars: i64, unit: UnitPrice) -> Tier {
    Tier { up_to, flat: Money::from_nanos(dollars * NANOS), unit }
}

const END: u64 = u64::MAX;
const CENT: i64 = NANOS / 100;

fn nanos(price: &Price, units: u64) -> i64 {
    total(price, units).unwrap().nanos()
}

/// The totals in cents at these counts of units.
fn cents<const N: usize>(price: &Price, units: [u64; N]) -> [i64; N] {
    units.map(|units| {
        let nanos = nanos(price, units);
        assert_eq!(nanos % CENT, 0, "{units} units are not a whole number of cents");
        nanos / CENT
    })
}

/// One price of every model, those first that more usage never makes cheaper.
fn models() -> [Price; 6] {
    // 1/3, 2/7 and 4/10 nanos a unit: no tier's end is a whole number of nanos.
    let odd = vec![flat(100, 1, rate(1, 3)), tier(1_000, rate(2, 7)), flat(END, 2, rate(4, 10))];
    [
        Price::PerUnit(rate(37_500_000, 1_000_000)),
        Price::PerUnit(rate(1_000, 1)),
        Price::Package { size: 7, price: Money::from_nanos(CENT), free: 30 },
        Price::Graduated(odd.clone()),
        Price::Volume(odd),
        Price::Stairstep(vec![
            flat(10, 5, UnitPrice::FREE),
            flat(200, 9, UnitPrice::FREE),
            flat(END, 30, UnitPrice::FREE),
        ]),
    ]
}

const MONOTONE: std::ops::Range<usize> = 0..4;

#[test]
fn no_units_cost_nothing_under_any_model() {
    for price in models() {
        assert_eq!(nanos(&price, 0), 0, "{price:?}");
        assert_eq!(cumulative(&price, 50, 0), Ok(Money::ZERO), "{price:?}");
    }
}

#[test]
fn a_unit_price_is_linear() {
    let price = Price::PerUnit(rate(2_500_000_000, 1_000_000));
    assert_eq!(cents(&price, [4_000, 1_000_000, 1_500_000]), [1, 250, 375]);
    assert_eq!(nanos(&price, 1), 2_500);
}

/// $5 per 100 after 100 free: the 101st unit starts a package, and the 201st the next.
#[test]
fn a_package_is_paid_when_it_is_started() {
    let price = Price::Package { size: 100, price: Money::from_nanos(5 * NANOS), free: 100 };
    assert_eq!(cents(&price, [1, 100, 101, 200, 201, 300, 301]), [0, 0, 500, 500, 1_000, 1_000, 1_500]);
    assert_eq!(cumulative(&price, 150, 50), Ok(Money::ZERO));
    assert_eq!(cumulative(&price, 200, 1), Ok(Money::from_nanos(5 * NANOS)));
    assert_eq!(at_most(&price, 1), Ok(Money::from_nanos(5 * NANOS)));
    assert_eq!(at_most(&price, 101), Ok(Money::from_nanos(10 * NANOS)));
    assert_eq!(at_most(&price, 0), Ok(Money::ZERO));
}

/// 10 c up to 100, 5 c up to 200, 1 c beyond: the last unit of a tier is still its own.
#[test]
fn graduated_tiers_price_what_falls_inside_them() {
    let price =
        Price::Graduated(vec![tier(100, rate(10 * CENT, 1)), tier(200, rate(5 * CENT, 1)), tier(END, rate(CENT, 1))]);
    assert_eq!(cents(&price, [1, 99, 100, 101, 200, 201, 300]), [10, 990, 1_000, 1_005, 1_500, 1_501, 1_600]);
    assert_eq!(at_most(&price, 3), Ok(Money::from_nanos(30 * CENT)));
}

/// $3 on entering the first tier, $20 on entering the second: with the unit that enters it, not one before.
#[test]
fn a_flat_price_is_paid_once_on_entering_the_tier() {
    let price = Price::Graduated(vec![flat(10, 3, rate(CENT, 1)), flat(END, 20, UnitPrice::FREE)]);
    assert_eq!(cents(&price, [1, 10, 11, 500]), [301, 310, 2_310, 2_310]);
    assert_eq!(at_most(&price, 1), Ok(Money::from_nanos(2_301 * CENT)));
    assert_eq!(at_most(&price, 0), Ok(Money::ZERO));
}

/// 10 c each up to 100 and 7 c each, all of them, beyond: 100 units cost $10.00 and 101 only $7.07. The bill falls where
/// a tier is crossed, the unit that crosses it is worth -$2.93, and a quote for it is still nothing.
#[test]
fn a_volume_price_is_not_monotone() {
    let price = Price::Volume(vec![tier(100, rate(10 * CENT, 1)), tier(END, rate(7 * CENT, 1))]);
    assert_eq!(cents(&price, [1, 99, 100, 101, 143]), [10, 990, 1_000, 707, 1_001]);
    assert_eq!(cumulative(&price, 100, 1), Ok(Money::from_nanos(-293 * CENT)));
    assert_eq!(quote(&price, 100, 1), Ok(Money::ZERO));
    assert_eq!(quote(&price, 100, 43), Ok(Money::from_nanos(CENT)));
    assert_eq!(quote(&price, 101, 1), Ok(Money::from_nanos(7 * CENT)));
}

#[test]
fn a_volume_price_adds_the_flat_price_of_its_tier_only() {
    let price = Price::Volume(vec![flat(10, 1, rate(CENT, 1)), flat(END, 4, rate(CENT, 2))]);
    assert_eq!(cents(&price, [1, 10, 12]), [101, 110, 406]);
}

#[test]
fn a_stairstep_has_one_price_for_a_whole_tier() {
    let price = Price::Stairstep(vec![
        flat(10, 5, UnitPrice::FREE),
        flat(20, 9, UnitPrice::FREE),
        flat(END, 30, UnitPrice::FREE),
    ]);
    assert_eq!(cents(&price, [1, 10, 11, 20, 21, 9_999]), [500, 500, 900, 900, 3_000, 3_000]);
    assert_eq!(quote(&price, 10, 1), Ok(Money::from_nanos(4 * NANOS)));
}

/// A third of a nano each for three units, a seventh for seven, then two thirds: 1/3 + 1/3 + … stay exact across tiers,
/// so the 13th unit brings 1 + 1 + 2 whole nanos, and the 11th and 12th not one too many.
#[test]
fn fractions_of_a_nano_are_summed_across_tiers_before_the_floor() {
    let price = Price::Graduated(vec![tier(2, rate(1, 3)), tier(5, rate(1, 7)), tier(END, rate(2, 3))]);
    // 2/3, +1/7, +2/7, +3/7 = 23/21, +2/3 = 37/21, 51/21, 65/21.
    assert_eq!([2, 3, 4, 5, 6, 7, 8].map(|units| nanos(&price, units)), [0, 0, 0, 1, 1, 2, 3]);
    // Floored tier by tier, 2 × 2/3 + 1 × 2/3 would be one nano instead of two.
    let price = Price::Graduated(vec![tier(2, rate(2, 3)), tier(END, rate(2, 3))]);
    assert_eq!(nanos(&price, 3), 2);
}

/// $0.0375 per 1M: 37.5 nanos a unit, so single units cost 37 and 38 in turn and a million exactly the price.
#[test]
fn a_price_finer_than_a_nano_adds_up_however_the_usage_is_cut() {
    let price = Price::PerUnit(rate(37_500_000, 1_000_000));
    let mut used = 0;
    let mut paid = 0;
    for units in (1..).take(1413).chain([1_000_000 - 1413 * 1414 / 2]) {
        let cost = cumulative(&price, used, units).unwrap();
        assert!(cost <= at_most(&price, units).unwrap());
        used += units;
        paid += cost.nanos();
    }
    assert_eq!((used, paid), (1_000_000, 37_500_000));
    assert_eq!([0, 1].map(|before| cumulative(&price, before, 1).unwrap().nanos()), [37, 38]);
    assert_eq!(at_most(&price, 1), Ok(Money::from_nanos(38)));
}

#[test]
fn the_long_division_agrees_with_the_short_one() {
    let price = rate(7_000_000_003, 3);
    for units in [1, 2, 3, 2_635_249_152, 2_635_249_153, 900_000_000_000] {
        let exact = u128::from(units) * 7_000_000_003 / 3;
        assert_eq!(floor_rate(price, units), exact as i128);
    }
}

#[test]
fn parts_cut_at_random_sum_to_the_total() {
    let mut words = Words::after(1);
    for price in models() {
        let (mut used, mut paid) = (0, 0);
        for _ in 0..500 {
            let units = words.next_word() % 9;
            paid += cumulative(&price, used, units).unwrap().nanos();
            used += units;
            assert_eq!(paid, nanos(&price, used), "{price:?}, {used} units");
        }
    }
}

#[test]
fn a_hold_covers_what_is_charged_wherever_the_count_stands() {
    let mut words = Words::after(2);
    for price in &models()[MONOTONE] {
        for _ in 0..5_000 {
            let (before, units) = (words.next_word() % 1_200, words.next_word() % 60);
            let cost = cumulative(price, before, units).unwrap();
            assert!(Money::ZERO <= cost && cost <= at_most(price, units).unwrap(), "{price:?}, {units} after {before}");
        }
    }
}

/// The hold is not only enough: for a linear price and for packages there is a count at which all of it is needed.
#[test]
fn a_hold_is_used_up_somewhere() {
    for price in &models()[..3] {
        for units in 1..60 {
            let dearest = (0..200).map(|before| cumulative(price, before, units).unwrap()).max();
            assert_eq!(dearest, Some(at_most(price, units).unwrap()), "{price:?}, {units} units");
        }
    }
}

/// $9 × 10⁹, the end of the range, by way of products that pass 64 bits; a unit more than fits is an error.
#[test]
fn big_numbers_are_exact_or_refused() {
    let many = 1_000_000_000_000_000;
    let linear = rate(9_000_000_003, 1_000_000);
    let tiers = |unit| vec![tier(many / 2, unit), tier(END, unit)];
    for price in [Price::PerUnit(linear), Price::Graduated(tiers(linear)), Price::Volume(tiers(linear))] {
        assert_eq!(nanos(&price, many), 9_000_000_003_000_000_000);
        assert_eq!(nanos(&price, many - 1), 9_000_000_002_999_990_999);
        assert_eq!(total(&price, 2 * many), Err(OVERFLOW));
    }
    assert_eq!(at_most(&Price::Graduated(tiers(linear)), many), Ok(Money::from_nanos(9_000_000_003_000_000_000)));
    let dollar = Price::PerUnit(rate(NANOS, 1));
    assert_eq!(nanos(&dollar, 9_223_372_036), 9_223_372_036_000_000_000);
    assert_eq!(cumulative(&dollar, 0, 9_223_372_037), Err(OVERFLOW));
    assert_eq!(cumulative(&Price::Graduated(tiers(linear)), END, 1), Err(OVERFLOW));
    let package = Price::Package { size: 1, price: Money::from_nanos(i64::MAX), free: 0 };
    assert_eq!((nanos(&package, 1), total(&package, 2)), (i64::MAX, Err(OVERFLOW)));
}

/// Three large primes have no common denominator in 128 bits: an error, never a wrong amount.
#[test]
fn denominators_too_far_apart_are_refused() {
    let primes = [18_446_744_073_709_551_557, 18_446_744_073_709_551_533, 18_446_744_073_709_551_521];
    let tiers = (1..).zip(primes).map(|(up_to, per)| tier(up_to, rate(1, per)));
    let price = Price::Graduated(tiers.chain([tier(END, UnitPrice::FREE)]).collect());
    assert_eq!((nanos(&price, 2), total(&price, 3)), (0, Err(OVERFLOW)));
}

#[test]
#[should_panic = "depends on the count"]
fn a_volume_price_cannot_be_held_for() {
    let _ = at_most(&Price::Volume(vec![tier(END, UnitPrice::FREE)]), 1);
}

#[test]
fn what_is_collected_is_rounded_up_to_the_minor_unit() {
    let of = |code: &str, nanos| collectable(Money::from_nanos(nanos), Currency::from_code(code).unwrap()).nanos();
    for (nanos, expected) in [(0, 0), (1, 10_000_000), (10_000_000, 10_000_000), (10_000_001, 20_000_000)] {
        assert_eq!(of("USD", nanos), expected, "{nanos}");
    }
    assert_eq!(of("JPY", 1), 1_000_000);
}

#[test]
fn a_line_is_rounded_half_to_even_to_the_minor_unit() {
    let [usd, kwd] = ["USD", "KWD"].map(|code| Currency::from_code(code).unwrap());
    // Half a cent and a nano more or less around it, on both sides of zero.
    let cases = [
        (1_014_999_999, 1_010_000_000),
        (1_015_000_000, 1_020_000_000),
        (1_025_000_000, 1_020_000_000),
        (1_025_000_001, 1_030_000_000),
        (-1_025_000_000, -1_020_000_000),
        (-1_015_000_000, -1_020_000_000),
    ];
    for (amount, expected) in cases {
        assert_eq!(line(Money::from_nanos(amount), usd).nanos(), expected, "{amount}");
    }
    assert_eq!(line(Money::from_nanos(1_014_500_000), kwd).nanos(), 1_014_000_000);
    // A yen has no minor unit, and is kept at a thousandth of the usual scale.
    let jpy = Currency { code: "JPY", sign: "¥", exponent: 0, scale: 1_000_000 };
    assert_eq!(
        [2_499_999, 2_500_000, 3_500_000].map(|n| line(Money::from_nanos(n), jpy).nanos() / 1_000_000),
        [2, 2, 4]
    );
}

#[test]
fn a_fee_is_prorated_with_one_rounding() {
    assert_eq!(prorate(Money::from_nanos(30 * NANOS), 11 * 86_400, 31 * 86_400).nanos(), 10_645_161_290);
    assert_eq!([1, 3, 5].map(|amount| prorate(Money::from_nanos(amount), 1, 2).nanos()), [0, 2, 2]);
}
