//! What hearing of payments by webhook comes to, as values.

use farebox_engine::billing::tally::Count;
use farebox_engine::model::{ByWebhook, Statistic};
use farebox_engine::outcome::{CohortOutcome, Heard};

use super::interval::Pair;
use super::{Latency, of_latency};

/// Counts, or times in ns all together; nothing where nothing was told by webhook.
pub(super) fn told<'a>(cohorts: impl Iterator<Item = &'a CohortOutcome>, what: ByWebhook) -> Pair {
    let cohorts: Vec<_> = cohorts.collect();
    let count = |count| i128::from(cohorts.iter().map(|cohort| cohort.count(count)).sum::<u64>());
    if count(Count::Events) == 0 {
        return Pair { parts: 0, of: 0 };
    }
    let heard = Heard::sum(cohorts.iter().map(|cohort| &cohort.heard));
    Pair::whole(match what {
        ByWebhook::Deliveries => count(Count::Deliveries),
        ByWebhook::Duplicates => count(Count::Duplicates),
        ByWebhook::Reconciled => count(Count::Reconciled),
        ByWebhook::Unheard => count(Count::Unheard),
        ByWebhook::WronglyBlocked => heard.wrongly_blocked_ns.0,
        ByWebhook::WronglyServed => heard.wrongly_served_ns.0,
    })
}

/// From what happened at the processor until an account heard of it, in ns.
pub(super) fn time_to_hear<'a>(cohorts: impl Iterator<Item = &'a CohortOutcome>, statistic: Statistic) -> Pair {
    let heard = Heard::sum(cohorts.map(|cohort| &cohort.heard));
    // No quantile is longer than the longest, as it would be where that is told by the end of its bucket.
    let buckets = heard.late.iter().map(|[upper, events]| [*upper.min(&heard.late_max_ns), *events]).collect();
    let latency = Latency { buckets, sum_ns: heard.late_ns.0, max_ns: heard.late_max_ns };
    of_latency(&latency, statistic)
}
