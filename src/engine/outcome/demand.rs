//! Refused demand: what calls would have used whose last attempt was refused for money or by a limit, with its list price.

use serde::{Deserialize, Serialize};

use super::Nanos;
use crate::billing::list_price::list_prices;
use crate::model::{METERS_MAX, PerMeter, Plan, REQUESTS, Scenario};
use crate::money::div_half_even;
use crate::record::CohortRecord;

/// Units of one meter that were refused for good under one price version of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// The plan that the consumer was on.
    pub plan: String,
    /// Which of its price versions: 0 as the plan begins, then its changes in their order.
    pub version: u32,
    /// The meter.
    pub meter: String,
    /// How many units.
    pub units: u64,
    /// What they cost by the price list; `None` where it states nothing.
    pub price: Option<ListPrice>,
}

/// A list price: so much for so many units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListPrice {
    /// In nanos.
    pub amount: Nanos,
    /// How many units that is for.
    pub per: u64,
}

impl Demand {
    /// What the units would have cost, in nanos: exact until one rounding, half to even. `None` where nothing is stated.
    pub fn value(&self) -> Option<i128> {
        let price = self.price?;
        Some(div_half_even(i128::from(self.units) * price.amount.0, i128::from(price.per.max(1))))
    }
}

/// In the order of the names of plans, of versions, and of the names of meters.
pub(super) fn demand(scenario: &Scenario, record: &CohortRecord) -> Vec<Demand> {
    let refused = scenario.price_versions().zip(&record.lost);
    let rows = refused.flat_map(|(of, units)| of_version(scenario, of.version, of.plan, units));
    let mut demand = Vec::new();
    add(&mut demand, &rows.collect::<Vec<_>>());
    demand
}

/// A meter that is none of the plan's business is not what its consumers pay for; a plan that prices none has its calls
/// counted.
fn of_version(scenario: &Scenario, version: u32, plan: &Plan, units: &PerMeter<u64>) -> Vec<Demand> {
    let prices = list_prices(plan);
    let is_priced = prices.iter().any(Option::is_some);
    let counts = |meter: &usize| {
        let is_its_business = prices[*meter].is_some() || plan.allowance[*meter].is_some();
        units[*meter] > 0 && (is_its_business || (!is_priced && *meter == REQUESTS))
    };
    let row = |meter: usize| Demand {
        plan: plan.name.clone(),
        version,
        meter: scenario.meters[meter].name.clone(),
        units: units[meter],
        price: prices[meter].map(|price| ListPrice { amount: Nanos(price.amount.nanos().into()), per: price.per }),
    };
    (0..METERS_MAX.min(scenario.meters.len())).filter(counts).map(row).collect()
}

/// Adds row by row, and puts them in their order.
pub(super) fn add(sum: &mut Vec<Demand>, more: &[Demand]) {
    for row in more {
        let is_same = |own: &Demand| (&own.plan, own.version, &own.meter) == (&row.plan, row.version, &row.meter);
        match sum.iter_mut().find(|own| is_same(own)) {
            Some(own) => own.units += row.units,
            None => sum.push(row.clone()),
        }
    }
    sum.sort_by(|a, b| (&a.plan, a.version, &a.meter).cmp(&(&b.plan, b.version, &b.meter)));
}
