//! What all accounts share and nobody changes: the plans, the cohorts' terms and the dunning policy, compiled from the
//! [`Scenario`] so that a decision looks nothing up by name.

use jiff::civil::DateTime;

use crate::billing::limit::BucketTerms;
use crate::billing::price;
use crate::draw::{Address, Chance};
use crate::model::{Arrivals, Cohort, Dunning, METERS_MAX, PerMeter, Period, Plan, REQUESTS, Scenario, UnitPrice};
use crate::money::{Money, Overflow};
use crate::time::{MINUTE, Span};

/// How long a hold stays open when nobody resolves it, in traffic time.
pub const HOLD_TTL: Span = Span::from_ns(10 * MINUTE);

/// The immutable half of the billing rules.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// The civil instant of the scenario's start.
    pub start: DateTime,
    /// The plans, by index.
    pub plans: Vec<PlanTerms>,
    /// The cohorts, by index.
    pub cohorts: Vec<CohortTerms>,
    /// What happens after a declined renewal.
    pub dunning: Dunning,
}

/// A plan, compiled.
#[derive(Clone, Debug)]
pub struct PlanTerms {
    /// The recurring fee.
    pub fee: Money,
    /// The billing period, if the plan has one.
    pub period: Option<Period>,
    /// The meters that the plan limits or prices; the others are none of its business.
    pub metered: Vec<Metered>,
    /// The rate limit, if any.
    pub limit: Option<BucketTerms>,
    /// Opening prepaid credit; `None`: not a prepaid plan, and no call is quoted.
    pub opening: Option<Money>,
    /// How long a consumer is served after the first failed attempt.
    pub grace: Span,
}

/// A meter as a plan sees it.
#[derive(Clone, Copy, Debug)]
pub struct Metered {
    /// Index of the meter.
    pub meter: usize,
    /// Units per period; `u64::MAX`: not limited.
    pub allowance: u64,
    /// What a unit costs in prepaid credit; `None`: nothing.
    pub price: Option<UnitPrice>,
}

/// A cohort, compiled.
#[derive(Clone, Debug)]
pub struct CohortTerms {
    /// Where the draws of its consumers live: `.at(index)` is one consumer.
    pub address: Address,
    /// Index into [`Catalog::plans`].
    pub plan: usize,
    /// The most that one call can use, per meter: what is held before the answer tells.
    pub most: PerMeter<u64>,
    /// What a call reserves: the price of [`Self::most`].
    pub quote: Money,
    /// The chance that an attempt to charge is declined.
    pub declines: Chance,
}

impl Catalog {
    /// Compiles a scenario. Fails when the quote of a single call leaves the range of an amount.
    ///
    /// # Panics
    /// When a limit cannot be kept exactly; the scenario's reader refuses that.
    pub fn new(scenario: &Scenario) -> Result<Self, Overflow> {
        let plans: Vec<_> = scenario.plans.iter().map(PlanTerms::new).collect();
        let cohorts = scenario
            .cohorts
            .iter()
            .map(|cohort| CohortTerms::new(cohort, &plans[cohort.plan], Address::seed(scenario.seed).named("cohort")));
        let cohorts = cohorts.collect::<Result<_, _>>()?;
        Ok(Self { start: scenario.start, plans, cohorts, dunning: scenario.dunning.clone() })
    }

    /// The terms of a cohort and of the plan it is on.
    #[inline]
    pub fn terms(&self, cohort: u32) -> (&CohortTerms, &PlanTerms) {
        let terms = &self.cohorts[cohort as usize];
        (terms, &self.plans[terms.plan])
    }
}

impl PlanTerms {
    fn new(plan: &Plan) -> Self {
        let compiled = |limit| BucketTerms::new(limit).expect("limits are checked when the scenario is read");
        let metered = (0..METERS_MAX).map(|meter| Metered {
            meter,
            allowance: plan.allowance[meter].unwrap_or(u64::MAX),
            price: plan.prices[meter].filter(|_| plan.prepaid.is_some()),
        });
        Self {
            fee: plan.fee,
            period: plan.period,
            metered: metered.filter(|metered| metered.is_limited() || metered.price.is_some()).collect(),
            limit: plan.limit.map(compiled),
            opening: plan.prepaid.map(|prepaid| prepaid.opening),
            grace: plan.grace,
        }
    }
}

impl Metered {
    /// Whether the plan has an allowance of it.
    pub fn is_limited(&self) -> bool {
        self.allowance != u64::MAX
    }
}

impl CohortTerms {
    fn new(cohort: &Cohort, plan: &PlanTerms, cohorts: Address) -> Result<Self, Overflow> {
        let most = match &cohort.arrivals {
            Arrivals::Poisson { .. } => ONE_REQUEST,
            Arrivals::Trace(trace) => trace.most,
        };
        let mut quote = Money::ZERO;
        for Metered { meter, price, .. } in &plan.metered {
            let cost = price.map_or(Ok(Money::ZERO), |price| price::at_most(price, most[*meter]))?;
            quote = quote.checked_add(cost).ok_or(Overflow { account: "hold" })?;
        }
        Ok(Self { address: cohorts.named(&cohort.name), plan: cohort.plan, most, quote, declines: cohort.declines })
    }
}

/// What a plain call uses: one request and nothing else.
pub const ONE_REQUEST: PerMeter<u64> = {
    let mut usage = [0; METERS_MAX];
    usage[REQUESTS] = 1;
    usage
};
