//! Worked examples from vendors' own documentation, to the cent: the price as the page states it, the usage, and the
//! amount that the page arrives at. Each names its page; where a page only gives the prices, the amount is worked out in
//! the comment above it.

use crate::billing::price::{at_most, cumulative, line, prorate, total};
use crate::model::{Price, Tier, UnitPrice};
use crate::money::{CURRENCIES, Currency, Money, NANOS};

/// What a vendor says that so many units cost.
struct Example {
    /// The vendor and the page.
    source: &'static str,
    price: Price,
    /// Units, and the amount in the major unit.
    costs: &'static [(u64, &'static str)],
}

const END: u64 = u64::MAX;
const MILLION: u64 = 1_000_000;

/// An amount as the pages write it: `0.0008`.
fn money(text: &str) -> Money {
    let (major, minor) = text.split_once('.').unwrap_or((text, ""));
    let nanos: i64 = format!("{minor:0<9}").parse().unwrap();
    Money::from_nanos(major.parse::<i64>().unwrap() * NANOS + nanos)
}

fn per(amount: &str, per: u64) -> UnitPrice {
    UnitPrice { amount: money(amount), per }
}

fn per_unit(amount: &str) -> Price {
    Price::PerUnit(per(amount, 1))
}

fn package(size: u64, price: &str, free: u64) -> Price {
    Price::Package { size, price: money(price), free }
}

/// Tiers, each with its last unit and what a unit costs in it.
fn units(tiers: &[(u64, &str)]) -> Vec<Tier> {
    per_many(tiers, 1)
}

/// Tiers whose prices are for so many units.
fn per_many(tiers: &[(u64, &str)], count: u64) -> Vec<Tier> {
    tiers.iter().map(|(up_to, amount)| Tier { up_to: *up_to, flat: Money::ZERO, unit: per(amount, count) }).collect()
}

/// Tiers, each with its last unit and its flat price.
fn flats(tiers: &[(u64, &str)]) -> Vec<Tier> {
    tiers.iter().map(|(up_to, flat)| Tier { up_to: *up_to, flat: money(flat), unit: UnitPrice::FREE }).collect()
}

/// Tiers, each with its last unit, what a unit costs in it and its flat price.
fn both(tiers: &[(u64, &str, &str)]) -> Vec<Tier> {
    let tier = |(up_to, unit, flat): &(u64, &str, &str)| Tier { up_to: *up_to, flat: money(flat), unit: per(unit, 1) };
    tiers.iter().map(tier).collect()
}

fn of_per_unit_prices() -> Vec<Example> {
    vec![
        Example {
            source: "Stripe, Tiered pricing (docs/billing/subscriptions/tiers)",
            price: per_unit("5"),
            costs: &[(1, "5"), (5, "25"), (6, "30"), (20, "100"), (25, "125")],
        },
        Example {
            source: "OpenMeter, Pricing models (docs/billing/product-catalog/pricing-models)",
            price: per_unit("0.01"),
            costs: &[(10_000, "100")],
        },
        Example {
            source: "Zuora, Example: per unit pricing model (ratingdetail-schema/example-per-unit-pricing-model)",
            price: per_unit("100"),
            costs: &[(120, "12000")],
        },
        Example {
            source: "Zuplo, Pricing models (docs/articles/monetization/pricing-models)",
            price: per_unit("0.001"),
            costs: &[(100_000, "100")],
        },
    ]
}

fn of_packages() -> Vec<Example> {
    vec![
        Example {
            source: "Lago, Package (docs/guide/plans/charges/charge-models/package)",
            price: package(100, "5", 100),
            costs: &[(100, "0"), (200, "5"), (201, "10")],
        },
        Example {
            source: "Chargebee, Package pricing (docs/billing/2.0/product-catalog/package-pricing)",
            price: package(MILLION, "1.25", 0),
            costs: &[(10, "1.25"), (1_000_000, "1.25"), (1_500_000, "2.50")],
        },
        Example {
            source: "Flexprice, Tiered (docs/product-catalogue/plans/billing-models/tiered)",
            price: package(1_000, "1", 0),
            costs: &[(4_500, "5")],
        },
        // The page bills 4 units as 10 and 11 as 20, at $0.80 for ten.
        Example {
            source: "Orb, Price configuration (product-catalog/price-configuration), package",
            price: package(10, "0.80", 0),
            costs: &[(4, "0.80"), (11, "1.60")],
        },
    ]
}

fn of_graduated_tiers() -> Vec<Example> {
    vec![
        Example {
            source: "Stripe, Tiered pricing (docs/billing/subscriptions/tiers), graduated",
            price: Price::Graduated(units(&[(5, "5"), (10, "4"), (15, "3"), (20, "2"), (END, "1")])),
            costs: &[(5, "25"), (6, "29")],
        },
        Example {
            source: "Stripe, Set up tiered pricing (subscriptions/pricing-models/tiered-pricing), graduated",
            price: Price::Graduated(units(&[(5, "7"), (10, "6.5"), (END, "6")])),
            costs: &[(5, "35")],
        },
        Example {
            source: "Zuplo, Pricing models (docs/articles/monetization/pricing-models), graduated",
            price: Price::Graduated(units(&[(1_000, "0.10"), (10_000, "0.05"), (END, "0.01")])),
            costs: &[(15_000, "600")],
        },
        Example {
            source: "Autumn, Graduated pricing (documentation/modelling-pricing/graduated-pricing)",
            price: Price::Graduated(units(&[(1_000, "0.01"), (10_000, "0.008"), (END, "0.005")])),
            costs: &[(15_000, "107")],
        },
        Example {
            source: "Recurly, Quantity-based pricing (recurly-subscriptions/docs/quantity-based-pricing), tiered",
            price: Price::Graduated(units(&[(100, "1"), (END, "0.50")])),
            costs: &[(150, "125")],
        },
        Example {
            source: "Metrifox, Pricing models (docs.metrifox.com/pricing-models), graduated",
            price: Price::Graduated(units(&[(1_000, "0.10"), (END, "0.08")])),
            costs: &[(2_500, "220")],
        },
        Example {
            source: "ProAbono, Tiered pricing (documentation/catalogs/features/tiered-pricing)",
            price: Price::Graduated(units(&[(2, "0"), (5, "15"), (10, "12"), (END, "8")])),
            costs: &[(2, "0"), (12, "121")],
        },
        Example {
            source: "Zuora, Example: tiered pricing mode (ratingdetail-schema/example-tiered-pricing-mode)",
            price: Price::Graduated(units(&[(100, "0"), (END, "2")])),
            costs: &[(130, "60")],
        },
        Example {
            source: "Dodo Payments, Usage-based billing (features/usage-based-billing)",
            price: Price::Graduated(units(&[(1_000, "0"), (END, "0.02")])),
            costs: &[(2_500, "30")],
        },
        Example {
            source: "Lava, Meters (docs/monetize/meters), per 1M tokens",
            price: Price::Graduated(per_many(&[(MILLION, "5"), (10 * MILLION, "3"), (END, "1")], MILLION)),
            costs: &[(5_000_000, "17")],
        },
        Example {
            source: "AWS, Lambda pricing (aws.amazon.com/lambda/pricing), requests",
            price: Price::Graduated(per_many(&[(MILLION, "0"), (END, "0.20")], MILLION)),
            costs: &[(3_000_000, "0.40")],
        },
        // $18.337 before the line is rounded.
        Example {
            source: "AWS, Lambda pricing (aws.amazon.com/lambda/pricing), GB-seconds",
            price: Price::Graduated(units(&[(400_000, "0"), (END, "0.00001667")])),
            costs: &[(1_500_000, "18.34")],
        },
        Example {
            source: "Oracle Banking Liquidity Management, Examples for tier based amount, slab with unit",
            price: Price::Graduated(units(&[(250, "1"), (500, "2"), (END, "3")])),
            costs: &[(1_000, "2250")],
        },
        // Flat prices that add up; the page's units are tenths here, for it rates 8.5 of them.
        Example {
            source: "Zuora, Tiered pricing (knowledgecenter: CC_Tiered_pricing), flat fees",
            price: Price::Graduated(flats(&[(50, "0"), (70, "200"), (90, "100"), (END, "75")])),
            costs: &[(85, "300")],
        },
        Example {
            source: "Solvimon, Stairstep pricing (docs.solvimon.com/docs/staircase-pricing), cumulative",
            price: Price::Graduated(flats(&[(100, "25"), (1_000, "20"), (END, "15")])),
            costs: &[(200, "45")],
        },
        Example {
            source: "Oracle Banking Liquidity Management, Examples for tier based amount, slab without unit",
            price: Price::Graduated(flats(&[(250, "10"), (500, "20"), (END, "30")])),
            costs: &[(1_000, "60")],
        },
        // Prices only: 100 × $1 + 100 × $0.50 + 50 × $0.10.
        Example {
            source: "Lago, Graduated (docs/guide/plans/charges/charge-models/graduated)",
            price: Price::Graduated(units(&[(100, "1"), (200, "0.50"), (END, "0.10")])),
            costs: &[(250, "155")],
        },
        // Prices only: 5 × $2 + 3 × $1.
        Example {
            source: "Kill Bill, Consumable in arrear (docs.killbill.io/latest/consumable_in_arrear)",
            price: Price::Graduated(units(&[(5, "2"), (END, "1")])),
            costs: &[(8, "13")],
        },
        // Prices only: 1,000 × $0.10 + 500 × $0.09.
        Example {
            source: "Metronome, Create plans (pricing-and-packaging/create-plans), tiered",
            price: Price::Graduated(units(&[(1_000, "0.10"), (END, "0.09")])),
            costs: &[(1_500, "145")],
        },
        // Prices only: 10 × $0.50 + 10 × $0.10.
        Example {
            source: "Orb, Price configuration (product-catalog/price-configuration), tiered",
            price: Price::Graduated(units(&[(10, "0.50"), (END, "0.10")])),
            costs: &[(20, "6")],
        },
    ]
}

fn of_volume_tiers() -> Vec<Example> {
    vec![
        Example {
            source: "Stripe, Tiered pricing (docs/billing/subscriptions/tiers), volume",
            price: Price::Volume(units(&[(5, "5"), (10, "4"), (15, "3"), (20, "2"), (END, "1")])),
            costs: &[(1, "5"), (5, "25"), (6, "24"), (20, "40"), (25, "25")],
        },
        Example {
            source: "Stripe, Set up tiered pricing (subscriptions/pricing-models/tiered-pricing), volume",
            price: Price::Volume(units(&[(5, "7"), (10, "6.5"), (END, "6")])),
            costs: &[(1, "7"), (5, "35"), (6, "39"), (20, "120"), (25, "150")],
        },
        Example {
            source: "Lago, Volume (docs/guide/plans/charges/charge-models/volume)",
            price: Price::Volume(both(&[
                (10_000, "0.0010", "10"),
                (50_000, "0.0008", "10"),
                (100_000, "0.0006", "10"),
                (END, "0.0004", "10"),
            ])),
            costs: &[(65_000, "49")],
        },
        Example {
            source: "Zuplo, Pricing models (docs/articles/monetization/pricing-models), volume",
            price: Price::Volume(units(&[(1_000, "0.10"), (10_000, "0.05"), (END, "0.01")])),
            costs: &[(15_000, "150")],
        },
        Example {
            source: "Metrifox, Pricing models (docs.metrifox.com/pricing-models), volume",
            price: Price::Volume(units(&[(1_000, "0.10"), (END, "0.08")])),
            costs: &[(2_500, "200")],
        },
        Example {
            source: "Solvimon, Top-tiered pricing (docs.solvimon.com/docs/top-tiered-or-volume-pricing)",
            price: Price::Volume(units(&[(100, "0.10"), (1_000, "0.08"), (END, "0.05")])),
            costs: &[(500, "40")],
        },
        Example {
            source: "Zuora, Volume pricing (knowledgecenter: DD_Volume_pricing)",
            price: Price::Volume(units(&[(50, "120"), (END, "100")])),
            costs: &[(5, "600"), (60, "6000")],
        },
        Example {
            source: "ProAbono, Tiered pricing (documentation/catalogs/features/tiered-pricing), volume-based",
            price: Price::Volume(units(&[(2, "0"), (5, "15"), (10, "12"), (END, "8")])),
            costs: &[(12, "96")],
        },
        Example {
            source: "Orb, Price configuration (product-catalog/price-configuration), bulk",
            price: Price::Volume(units(&[(10, "0.50"), (END, "0.40")])),
            costs: &[(10, "5"), (101, "40.40")],
        },
        Example {
            source: "Oracle Banking Liquidity Management, Examples for tier based amount, variable with unit",
            price: Price::Volume(units(&[(250, "1"), (500, "2"), (END, "3")])),
            costs: &[(1_000, "3000")],
        },
        // Prices only: 20 shirts at $10 cost more than 21 at $9.
        Example {
            source: "Recurly, Billing models (docs.recurly.com/docs/billing-models), volume",
            price: Price::Volume(units(&[(20, "10"), (END, "9")])),
            costs: &[(20, "200"), (21, "189")],
        },
    ]
}

fn of_stairsteps() -> Vec<Example> {
    vec![
        Example {
            source: "Flexprice, Package (docs/product-catalogue/plans/billing-models/package)",
            price: Price::Stairstep(flats(&[(1_000, "50"), (5_000, "200"), (END, "350")])),
            costs: &[(1_500, "200"), (4_500, "200")],
        },
        Example {
            source: "Oracle Banking Liquidity Management, Examples for tier based amount, variable without unit",
            price: Price::Stairstep(flats(&[(250, "10"), (500, "20"), (END, "30")])),
            costs: &[(1_000, "30")],
        },
    ]
}

fn all() -> Vec<Example> {
    let all = [of_per_unit_prices(), of_packages(), of_graduated_tiers(), of_volume_tiers(), of_stairsteps()];
    all.into_iter().flatten().collect()
}

const USD: Currency = CURRENCIES[0];

#[test]
fn vendors_examples_come_out_to_the_cent() {
    for Example { source, price, costs } in all() {
        for (units, amount) in costs {
            let line = line(total(&price, *units).unwrap(), USD);
            assert_eq!(line, money(amount), "{source}: {units} units");
        }
    }
}

/// The same when the usage comes call by call, each settled against what was used before.
#[test]
fn vendors_examples_come_out_the_same_call_by_call() {
    for Example { source, price, costs } in all() {
        for (units, amount) in costs {
            let step = (units / 97).max(1);
            let calls = (0..*units).step_by(step as usize);
            let paid = calls.map(|before| cumulative(&price, before, step.min(units - before)).unwrap().nanos());
            assert_eq!(line(Money::from_nanos(paid.sum()), USD), money(amount), "{source}: {units} units");
        }
    }
}

#[test]
fn a_hold_for_a_vendors_example_covers_it() {
    for Example { source, price, costs } in all() {
        if let Price::Volume(_) | Price::Stairstep(_) = price {
            continue;
        }
        for (units, _) in costs {
            assert!(at_most(&price, *units).unwrap() >= total(&price, *units).unwrap(), "{source}: {units} units");
        }
    }
}

/// Lava, Meters (docs/monetize/meters): 700 tokens at $2.00 per 1M cost $0.0014, which no line could show.
#[test]
fn an_amount_below_a_cent_is_exact_until_the_line() {
    let amount = total(&Price::PerUnit(per("2", MILLION)), 700).unwrap();
    assert_eq!((amount, line(amount, USD)), (money("0.0014"), Money::ZERO));
}

/// Parts of a fee: Polar, Subscription upgrades (guides/subscription-upgrades): 15 of 30 days of $29; Lago, Upgrades and
/// downgrades (docs/guide/subscriptions/upgrades-downgrades): 14 of 31 days of €100; Stripe, Prorations
/// (docs/billing/subscriptions/prorations): half of $10 back and half of $20 to pay; Autumn, Proration
/// (documentation/modelling-pricing/proration): half of the $30 between two plans.
#[test]
fn vendors_prorations_come_out_to_the_cent() {
    let examples = [
        ("29", 15, 30, "14.50"),
        ("100", 14, 31, "45.16"),
        ("10", 15, 30, "5"),
        ("20", 15, 30, "10"),
        ("30", 15, 30, "15"),
    ];
    for (fee, days, of, amount) in examples {
        assert_eq!(line(prorate(money(fee), days * 86_400, of * 86_400), USD), money(amount), "{days}/{of} of {fee}");
    }
}
