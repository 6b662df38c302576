//! Loads in which payments are heard of too late to matter.
//!
//! The processor, its webhooks and the gateway's asking keep the wall's time; grace, the gaps between attempts and the 23
//! hours of a first payment keep the billing clock's, which in a load runs faster. So a webhook that is early in the scenario
//! may come after the load is over, or after what it was to prevent; and the load would be valid all the same.

use farebox_engine::draw::{Address, Chance};
use farebox_engine::model::{Card, Cohort, Joined, Plan, Scenario};
use farebox_engine::time::{Clock, HOUR, Span, Time};
use farebox_engine::world::schedule::Pace;

use super::text::length;
use super::webhooks;

/// From which share of payments on it is told: fewer are those that come late in the scenario, too.
const MANY: f64 = 0.25;
/// How long a first payment is waited for, as `docs/BILLING.md` has it.
const FIRST_PAYMENT: Span = Span::from_ns(23 * HOUR);

/// What of a load cannot show what it seems to, because its payments are heard of too late; for who asks for it, in
/// sentences.
pub fn too_late(scenario: &Scenario) -> Vec<String> {
    let payers: Vec<_> =
        scenario.cohorts.iter().map(|cohort| (cohort, &scenario.plans[cohort.plan])).filter(pays).collect();
    let (terms, processor) = (&scenario.payments.webhooks, &scenario.payments.processor);
    if payers.is_empty() || !terms.asks() && processor.latency.mean() <= 0.0 {
        return Vec::new();
    }
    let hearing = Hearing::of(scenario);
    let over = over_before(scenario, &hearing);
    over.into_iter().chain(overtaken(scenario, &payers, &hearing)).collect()
}

/// Whether the processor is asked for anything of this cohort.
fn pays((cohort, plan): &(&Cohort, &Plan)) -> bool {
    let is_charged = plan.fee_period.is_some() || plan.prepaid.is_some();
    let has_price = || plan.prices.iter().chain(&plan.overage).flatten().next().is_some();
    cohort.card.is_some() && (is_charged || has_price() && !plan.pays_per_request)
}

/// A load that ends before what is paid at its beginning is heard of.
fn over_before(scenario: &Scenario, hearing: &Hearing) -> Option<String> {
    let (lasts, terms) = (scenario.live.duration, &scenario.payments.webhooks);
    let share = hearing.later_than(lasts.ns() as f64);
    (share >= MANY).then(|| {
        let half = length(hearing.median_ns());
        let asks = if terms.asks() && terms.lose != Chance::NEVER {
            format!(", and for those that are lost the gateway asks every {}", length(terms.reconcile.ns()))
        } else {
            String::new()
        };
        format!(
            "of the payments that the load makes at its beginning, {:.0}% are not heard of when it ends after {}: half of the \
             answers and webhooks take {half} or longer{asks}, on the wall's clock, however fast the billing clock runs. Who \
             pays is not served for it, and who is declined is not refused; write a longer `live.duration`, or shorter \
             times in `payments.webhooks` and `payments.processor`",
            100.0 * share,
            length(lasts.ns()),
        )
    })
}

/// A billing clock so fast that what payments are to prevent happens before they are heard of.
fn overtaken(scenario: &Scenario, payers: &[(&Cohort, &Plan)], hearing: &Hearing) -> Option<String> {
    let clock = Pace::scaled(scenario, &scenario.live).clock;
    let of = |(billing, what, so): (Span, &str, &str)| {
        let passes = clock.traffic_at(Time::START + billing).since(Time::START);
        let share = hearing.later_than(passes.ns() as f64);
        (passes < scenario.live.duration && share >= MANY).then(|| {
            let (billing, passes) = (length(billing.ns()), length(passes.ns()));
            format!(
                "{what} {billing}, which here go by in {passes}, and {:.0}% of payments are heard of later, so {so}",
                100.0 * share
            )
        })
    };
    let told: Vec<_> = deadlines(scenario, payers, clock).into_iter().filter_map(of).collect();
    (!told.is_empty()).then(|| {
        format!(
            "the billing clock of the load is too fast for its payments: {}; write a slower `live.clock`, or shorter times \
             in `payments.webhooks` and `payments.processor`",
            told.join("; ")
        )
    })
}

/// What happens by itself on the billing clock unless a payment is heard of: after which time, what that is, and what it
/// means to come first.
fn deadlines(
    scenario: &Scenario,
    payers: &[(&Cohort, &Plan)],
    clock: Clock,
) -> Vec<(Span, &'static str, &'static str)> {
    let lasts = clock.at(Time::START + scenario.live.duration).billing.since(Time::START).ns() as f64;
    let joins = |cohort: &Cohort| match cohort.joined {
        Joined::Spread => false,
        Joined::Start => true,
        Joined::Signups { mean_gap_ns } => mean_gap_ns <= lasts,
    };
    let pays_first =
        |(cohort, plan): &(&Cohort, &Plan)| plan.fee_period.is_some() && plan.trial.is_none() && joins(cohort);
    let declines = || payers.iter().filter(|(cohort, _)| cohort.card.is_some_and(|card| card != Card::good()));
    let first = payers.iter().any(pays_first).then_some(FIRST_PAYMENT);
    let grace = declines().map(|(_, plan)| plan.grace).filter(|grace| *grace > Span::ZERO).min();
    let gap = scenario.payments.dunning.retries.iter().copied().min().filter(|_| declines().next().is_some());
    let told = [
        first.map(|within| (within, "the first payment's", "sign-ups are given up that have paid")),
        grace.map(|grace| (grace, "grace of", "it is over before its decline is known, and serves nobody")),
        gap.map(|gap| (gap, "the next attempt's", "attempts to collect come later than the scenario has them")),
    ];
    told.into_iter().flatten().collect()
}

/// How long it takes from asking the processor until the account has heard, on the wall's clock.
struct Hearing {
    /// Of drawn payments: how long the processor thinks, and how long the webhook then takes; in ns, and infinite where none
    /// comes.
    drawn: Vec<(f64, f64)>,
    /// How often the gateway asks for what it has not heard, in ns.
    asks_every: f64,
}

impl Hearing {
    fn of(scenario: &Scenario) -> Self {
        let (terms, processor) = (&scenario.payments.webhooks, &scenario.payments.processor);
        let root = Address::seed(webhooks::SEED).named("forecast of answers");
        let answers = (0..).map(|number| processor.latency.sample_whole(root.at(number).stream().word(0)) as f64);
        let delays = if terms.asks() { webhooks::delays(terms) } else { vec![0.0; webhooks::DRAWN as usize] };
        Self { drawn: answers.zip(delays).collect(), asks_every: terms.reconcile.ns() as f64 }
    }

    /// The share that is heard of later than this, see [`webhooks`].
    fn later_than(&self, ns: f64) -> f64 {
        let late = |(answer, delay): &(f64, f64)| match ns - answer {
            left if left < 0.0 => 1.0,
            left if *delay <= left => 0.0,
            left => (1.0 - left / self.asks_every).max(0.0),
        };
        self.drawn.iter().map(late).sum::<f64>() / self.drawn.len() as f64
    }

    /// What half of the answers and webhooks take, those that are lost left out.
    fn median_ns(&self) -> u64 {
        let mut all: Vec<_> =
            self.drawn.iter().map(|(answer, delay)| answer + delay).filter(|ns| ns.is_finite()).collect();
        all.sort_unstable_by(f64::total_cmp);
        all.get(all.len() / 2).map_or(0, |ns| *ns as u64)
    }
}
