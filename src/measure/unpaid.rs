//! What not paying comes to, as values.

use farebox_engine::model::{Demanded, Statistic};
use farebox_engine::outcome::{CohortOutcome, Demand, Dunned};
use farebox_engine::time::DAY;

use super::interval::Pair;

/// Over all consumers, in days.
pub(super) fn days_blocked<'a>(cohorts: impl Iterator<Item = &'a CohortOutcome>) -> Pair {
    let ns = cohorts.map(|cohort| cohort.dunned.blocked_ns.0).sum();
    Pair { parts: ns, of: i128::from(DAY) }
}

/// In ns; quantiles are whole days, as the outcome has them.
pub(super) fn time_to_recovery<'a>(cohorts: impl Iterator<Item = &'a CohortOutcome>, statistic: Statistic) -> Pair {
    let dunned = Dunned::sum(cohorts.map(|cohort| &cohort.dunned));
    match statistic {
        Statistic::Quantile(thousandths) => match dunned.quantile(f64::from(thousandths) / 1_000.0) {
            Some(days) => Pair::whole(i128::from(days) * i128::from(DAY)),
            None => Pair { parts: 0, of: 0 },
        },
        _ => Pair { parts: dunned.recovered_ns.0, of: i128::from(dunned.recovered()) },
    }
}

/// In nanos, or in units. Where nothing of what was refused has a price there is no value, rather than none of worth.
pub(super) fn refused_demand<'a>(cohorts: impl Iterator<Item = &'a CohortOutcome>, what: Demanded) -> Pair {
    let rows: Vec<&Demand> = cohorts.flat_map(|cohort| &cohort.refused_demand).collect();
    let unpriced = || rows.iter().filter(|row| row.price.is_none()).map(|row| i128::from(row.units)).sum();
    match what {
        Demanded::Unpriced => Pair::whole(unpriced()),
        Demanded::Value if !rows.is_empty() && rows.iter().all(|row| row.price.is_none()) => Pair { parts: 0, of: 0 },
        Demanded::Value => Pair::whole(rows.iter().filter_map(|row| row.value()).sum()),
    }
}
