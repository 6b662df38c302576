//! What all accounts share and nobody changes: plans in all their price versions, the cohorts' terms, how payments are
//! collected; compiled from the [`Scenario`] so that a decision looks nothing up by name.

use crate::billing::calendar::Calendar;
use crate::billing::cause::{CAUSES, Cause};
use crate::billing::limit::{LIMITS_MAX, LimitTerms};
use crate::draw::Address;
use crate::model::{
    AppliesTo, Arrivals, Cohort, Discount, Dunning, Fees, Joined, Length, METERS_MAX, OnClientAbort, PastAllowance,
    PerMeter, Period, Plan, Prepaid, Price, PriceVersion, REQUESTS, Rollover, Scenario, SpendControl, UnitPrice,
    Upstream,
};
use crate::money::{Currency, Money, Overflow};
use crate::time::{HOUR, MINUTE, Span, Time};

/// How long a hold stays open when nobody resolves it, in traffic time.
pub const HOLD_TTL: Span = Span::from_ns(10 * MINUTE);
/// How long a subscription whose first invoice was not paid waits for it (Stripe), in billing time.
pub const INCOMPLETE: Span = Span::from_ns(23 * HOUR);
/// How long after a failed top-up, or an error of the processor, the next attempt is made, in billing time.
pub const TRY_AGAIN: Span = Span::from_ns(HOUR);
/// Attempts that the card networks take on one invoice within [`NETWORK_WINDOW`] before they charge for more (Visa).
pub const NETWORK_ATTEMPTS: usize = 15;
/// See [`NETWORK_ATTEMPTS`].
pub const NETWORK_WINDOW: Span = Span::from_ns(30 * crate::time::DAY);

/// The immutable half of the billing rules.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// The currency: what invoice lines are rounded to.
    pub currency: Currency,
    /// The price versions of all plans.
    pub terms: Vec<PlanTerms>,
    /// By plan: its versions in time order, as indices into [`Self::terms`]; the first is there from the beginning.
    pub versions: Vec<Vec<Version>>,
    /// The cohorts, by index.
    pub cohorts: Vec<CohortTerms>,
    /// What happens after a declined renewal.
    pub dunning: Dunning,
    /// What collecting costs.
    pub fees: Fees,
    /// What answers of the upstreams cost to make.
    pub costs: Vec<CostTerms>,
    /// By route: the upstreams that its calls reach, in order.
    pub reaches: Vec<Vec<usize>>,
    /// Whether credit is held before a call, or subtracted after it.
    pub spend_control: SpendControl,
    /// What an admitted call costs whose client has gone.
    pub on_client_abort: OnClientAbort,
    /// The status that each cause is answered with, by its index.
    pub statuses: [u16; CAUSES],
}

/// What a unit of a meter costs at one upstream.
#[derive(Clone, Copy, Debug)]
pub struct CostTerms {
    /// The index of the upstream.
    pub upstream: usize,
    /// The meter.
    pub meter: usize,
    /// Of a unit.
    pub price: UnitPrice,
}

/// From when a price version is there, and whom it reaches.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    /// From when, in billing time.
    pub from: Time,
    /// Index into [`Catalog::terms`].
    pub terms: u32,
    /// Whom it reaches beside those who subscribe later.
    pub applies_to: AppliesTo,
}

/// A price version of a plan, compiled.
#[derive(Clone, Debug)]
pub struct PlanTerms {
    /// Index of the plan.
    pub plan: usize,
    /// From when it is there, in billing time.
    pub from: Time,
    /// The recurring fee.
    pub fee: Money,
    /// The period of the fee.
    pub fee_period: Option<Period>,
    /// The period of usage.
    pub usage_period: Option<Period>,
    /// A free start.
    pub trial: Option<Length>,
    /// The meters that the plan limits or prices; the others are none of its business.
    pub metered: Vec<Metered>,
    /// How fast calls past the allowance pass, where that is what the plan does.
    pub throttle: Option<LimitTerms>,
    /// Unused allowance that is carried into the next period.
    pub rollover: Option<Rollover>,
    /// Rate and concurrency limits; at most [`LIMITS_MAX`].
    pub limits: Vec<LimitTerms>,
    /// Caps the usage charges of a period.
    pub spend_cap: Option<Money>,
    /// The minimum commit of a period.
    pub minimum: Money,
    /// Prepaid settings; `None`: not a prepaid plan.
    pub prepaid: Option<Prepaid>,
    /// Whether calls past the allowance are paid for one by one, from a wallet.
    pub pays_per_request: bool,
    /// How long a consumer is served after the first failed attempt.
    pub grace: Span,
    /// By route whether the plan covers it; `None`: it covers all.
    pub covers: Option<Vec<bool>>,
}

/// A meter as a plan sees it.
#[derive(Clone, Debug)]
pub struct Metered {
    /// Index of the meter.
    pub meter: usize,
    /// Units per period; `None`: the plan has no allowance of it.
    pub allowance: Option<u64>,
    /// What happens past them.
    pub past: Past,
    /// What a unit past them costs in credit, or from a wallet, where they are paid.
    pub credit: Option<Price>,
    /// What a unit past them costs on the invoice, where they are paid.
    pub arrears: Option<Price>,
}

/// What happens to units past the allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// Calls are refused.
    Block,
    /// Calls pass at the pace of [`PlanTerms::throttle`].
    Throttle,
    /// They are paid: from credit, else in arrears.
    Charge,
}

/// A cohort, compiled.
#[derive(Clone, Debug)]
pub struct CohortTerms {
    /// Where the draws of its consumers live: `.at(index)` is one consumer.
    pub address: Address,
    /// Index of the plan that its consumers subscribe to.
    pub plan: usize,
    /// When they subscribe.
    pub joined: Joined,
    /// Their calendar.
    pub calendar: Calendar,
    /// What they pay less.
    pub discount: Option<Discount>,
    /// Whether they have a payment method.
    pub has_card: bool,
    /// What is in a wallet at the start.
    pub wallet: Money,
    /// The most that one call can use, by route and meter: what is held before the answer tells.
    pub most: Vec<PerMeter<u64>>,
    /// The routes that its consumers call.
    pub routes: Vec<u16>,
    /// The most that one call of any of them can use.
    pub most_of_any: PerMeter<u64>,
}

impl Catalog {
    /// Compiles a scenario.
    ///
    /// # Panics
    /// When a limit cannot be kept exactly; the scenario's reader refuses that.
    pub fn new(scenario: &Scenario) -> Result<Self, Overflow> {
        let mut terms: Vec<_> = Vec::new();
        let mut versions: Vec<Vec<Version>> = vec![Vec::new(); scenario.plans.len()];
        for PriceVersion { index, plan, change, .. } in scenario.price_versions() {
            let (from, applies_to) = match change {
                Some(change) => (Time::START + change.at, change.applies_to),
                None => (Time::from_ns(i64::MIN), AppliesTo::New),
            };
            versions[index].push(Version { from, terms: terms.len() as u32, applies_to });
            terms.push(PlanTerms::new(plan, index, from, scenario));
        }
        let cohorts = Address::seed(scenario.seed).named("cohort");
        let mut statuses = Cause::ALL.map(Cause::status);
        for (name, status) in &scenario.gateway.refusals {
            statuses[Cause::from_name(name).expect("causes are checked when the scenario is read").index()] = *status;
        }
        Ok(Self {
            currency: scenario.currency,
            terms,
            versions,
            cohorts: scenario.cohorts.iter().map(|cohort| CohortTerms::new(cohort, scenario, cohorts)).collect(),
            dunning: scenario.payments.dunning.clone(),
            fees: scenario.payments.fees,
            costs: costs(scenario),
            reaches: (0..scenario.routes.len())
                .map(|route| scenario.path(route).iter().map(|hop| hop.upstream).collect())
                .collect(),
            spend_control: scenario.gateway.spend_control,
            on_client_abort: scenario.gateway.on_client_abort,
            statuses,
        })
    }

    /// Whether the calls of some route cost something that those of another do not.
    pub fn costs_differ(&self) -> bool {
        !self.costs.is_empty() && self.reaches.windows(2).any(|pair| pair[0] != pair[1])
    }

    /// The price version of a plan that one who subscribes at `billing` gets.
    pub fn version(&self, plan: usize, billing: Time) -> u32 {
        let there = self.versions[plan].iter().rev().find(|version| version.from <= billing);
        there.expect("the first version is there from the beginning").terms
    }

    /// The price version that reaches one who is on `terms` when their period ends at `billing`; the same, when none does.
    pub fn at_renewal(&self, terms: u32, billing: Time) -> u32 {
        self.newer(terms, |version| version.from <= billing && version.applies_to != AppliesTo::New).unwrap_or(terms)
    }

    /// The price version that reaches everyone at `billing` or before, if it is newer than `terms`.
    pub fn for_all(&self, terms: u32, billing: Time) -> Option<u32> {
        self.newer(terms, |version| version.from <= billing && version.applies_to == AppliesTo::All)
    }

    /// When the next price version reaches everyone who is on `terms` after `billing`.
    pub fn next_for_all(&self, terms: u32, billing: Time) -> Time {
        let own = &self.terms[terms as usize];
        let later = self.versions[own.plan]
            .iter()
            .find(|version| version.from > own.from && version.from > billing && version.applies_to == AppliesTo::All);
        later.map_or(Time::NEVER, |version| version.from)
    }

    fn newer(&self, terms: u32, reaches: impl Fn(&Version) -> bool) -> Option<u32> {
        let own = &self.terms[terms as usize];
        let versions = self.versions[own.plan].iter().rev();
        let found = versions.take_while(|version| version.from > own.from).find(|version| reaches(version));
        found.map(|version| version.terms)
    }
}

fn costs(scenario: &Scenario) -> Vec<CostTerms> {
    let of = |(upstream, it): (usize, &Upstream)| {
        let of = move |(meter, price): (usize, Option<UnitPrice>)| Some(CostTerms { upstream, meter, price: price? });
        it.cost.into_iter().enumerate().filter_map(of).collect::<Vec<_>>()
    };
    scenario.upstreams.iter().enumerate().flat_map(of).collect()
}

impl PlanTerms {
    fn new(plan: &Plan, index: usize, from: Time, scenario: &Scenario) -> Self {
        let epoch_ns = scenario.start.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0)).as_nanos();
        let compiled = |limit| LimitTerms::new(&limit, epoch_ns).expect("limits are checked when the scenario is read");
        assert!(plan.limits.len() <= LIMITS_MAX, "the scenario's reader refuses more limits");
        let throttle = match plan.past_allowance {
            PastAllowance::Throttle(rate) => Some(compiled(crate::model::Limit::TokenBucket { rate, burst: 1 })),
            _ => None,
        };
        let covers = |routes: &Vec<usize>| (0..scenario.routes.len()).map(|route| routes.contains(&route)).collect();
        Self {
            plan: index,
            from,
            fee: plan.fee,
            fee_period: plan.fee_period,
            usage_period: plan.usage_period,
            trial: plan.trial,
            metered: (0..METERS_MAX).filter_map(|meter| Metered::new(plan, meter)).collect(),
            throttle,
            rollover: plan.rollover,
            limits: plan.limits.iter().copied().map(compiled).collect(),
            spend_cap: plan.spend_cap,
            minimum: plan.minimum,
            prepaid: plan.prepaid.clone(),
            pays_per_request: plan.pays_per_request,
            grace: plan.grace,
            covers: plan.routes.as_ref().map(covers),
        }
    }

    /// The fee of a month: what a subscription adds to the monthly recurring revenue. A day's is 365 ÷ 12 of them.
    pub fn monthly(&self) -> Money {
        match self.fee_period {
            Some(Period::Day) => self.fee.saturating_times(365, 12),
            Some(Period::Year) => self.fee.scale_half_even(1, 12),
            Some(Period::Month) | None => self.fee,
        }
    }
}

impl Metered {
    /// The meter as the plan sees it; `None` when it is none of its business.
    fn new(plan: &Plan, meter: usize) -> Option<Self> {
        let (price, overage) = (plan.prices[meter].clone(), plan.overage[meter].clone());
        let is_paid_ahead = plan.prepaid.is_some() || plan.pays_per_request;
        let (credit, price) = if is_paid_ahead { (price, None) } else { (None, price) };
        let arrears = match plan.past_allowance {
            PastAllowance::Overage => overage.or(price),
            _ => price,
        };
        let allowance = plan.allowance[meter];
        let past = match (plan.past_allowance, &credit, &arrears) {
            (_, None, None) => {
                allowance?;
                if let PastAllowance::Throttle(_) = plan.past_allowance { Past::Throttle } else { Past::Block }
            }
            _ => Past::Charge,
        };
        Some(Self { meter, allowance, past, credit, arrears })
    }

    /// Units of a period that cost nothing more: of a meter that is priced and has no allowance, none.
    pub fn free(&self) -> u64 {
        match (self.allowance, &self.past) {
            (Some(units), _) => units,
            (None, Past::Charge) => 0,
            (None, _) => u64::MAX,
        }
    }
}

impl CohortTerms {
    fn new(cohort: &Cohort, scenario: &Scenario, cohorts: Address) -> Self {
        let most: Vec<_> = match &cohort.arrivals {
            Arrivals::Poisson { .. } | Arrivals::Patterned(_) => {
                (0..scenario.routes.len()).map(|route| scenario.most(route)).collect()
            }
            Arrivals::Trace(trace) => vec![trace.most; scenario.routes.len()],
        };
        let routes = routes_called(cohort, scenario);
        let most_of = |meter: usize| routes.iter().map(|route| most[*route as usize][meter]).max().unwrap_or(0);
        Self {
            address: cohorts.named(&cohort.name),
            plan: cohort.plan,
            joined: cohort.joined,
            calendar: Calendar::new(scenario.start, cohort.zone.clone()),
            discount: cohort.discount,
            has_card: cohort.card.is_some(),
            wallet: cohort.wallet,
            most_of_any: std::array::from_fn(most_of),
            routes,
            most,
        }
    }
}

/// The routes that a cohort calls at all: those of its mix, or those that its trace names.
fn routes_called(cohort: &Cohort, scenario: &Scenario) -> Vec<u16> {
    let named = match &cohort.arrivals {
        Arrivals::Trace(trace) => &trace.routes[..],
        Arrivals::Poisson { .. } | Arrivals::Patterned(_) => &[],
    };
    if named.is_empty() {
        return cohort.routes.iter().map(|(route, _)| *route as u16).collect();
    }
    let mut is_called = vec![false; scenario.routes.len()];
    for route in named {
        is_called[*route as usize] = true;
    }
    (0..).zip(is_called).filter(|(_, is_called)| *is_called).map(|(route, _)| route).collect()
}

/// What a plain call uses: one request and nothing else.
pub const ONE_REQUEST: PerMeter<u64> = {
    let mut usage = [0; METERS_MAX];
    usage[REQUESTS] = 1;
    usage
};
