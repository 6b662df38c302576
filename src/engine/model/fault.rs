//! What breaks in the course of a run, and when.
//!
//! A fault is part of the scenario and no draw: every replication has it at the same moment of the billing clock.

use crate::model::{Cohort, Plan, Price, Scenario};
use crate::money::Money;
use crate::time::{Span, Time};

/// Something that breaks, and is mended by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// When it breaks, in billing time after the start.
    pub at: Span,
    /// How long it stays so: what happens at `at` + `lasts` meets it no more.
    pub lasts: Span,
    /// What breaks.
    pub breaks: Breaks,
}

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Breaks {
    /// The payment processor fails: whatever is asked of it meanwhile ends in an error, and nothing is captured.
    ProcessorDown,
    /// The payment processor answers slowly what it is asked meanwhile.
    ProcessorSlow {
        /// How many times its own latency it takes; at least 1.
        factor: f64,
    },
    /// An upstream fails every attempt that is made meanwhile and comes to it.
    UpstreamDown {
        /// Its index.
        upstream: usize,
    },
    /// An upstream is slow with the attempts that are made meanwhile.
    UpstreamSlow {
        /// Its index.
        upstream: usize,
        /// How many times its own latency it takes; at least 1.
        factor: f64,
    },
    /// Billing does not answer the gateway, which fails closed: it refuses whoever it would have to ask about.
    BillingDown,
    /// A misconfigured rule of the gateway asks everyone on a plan for payment.
    PolicyError {
        /// Index of the plan.
        plan: usize,
    },
}

impl Fault {
    /// The first instant of it, on the billing clock.
    pub fn begins(&self) -> Time {
        Time::START + self.at
    }

    /// The first instant after it.
    pub fn ends(&self) -> Time {
        self.begins() + self.lasts
    }

    /// Whether it lasts at this instant of the billing clock.
    pub fn is_on(&self, billing: Time) -> bool {
        self.begins() <= billing && billing < self.ends()
    }

    /// Whether it can meet a consumer of a cohort: breaks what their calls or their payments come to.
    pub fn concerns(&self, cohort: &Cohort, scenario: &Scenario) -> bool {
        let is_own = |plan: usize| cohort.plans().any(|own| own == plan);
        match self.breaks {
            Breaks::BillingDown => true,
            Breaks::PolicyError { plan } => is_own(plan),
            Breaks::UpstreamDown { upstream } | Breaks::UpstreamSlow { upstream, .. } => {
                let comes = |route: usize| scenario.path(route).iter().any(|hop| hop.upstream == upstream);
                (0..scenario.routes.len()).any(|route| cohort.calls(route) && comes(route))
            }
            Breaks::ProcessorDown | Breaks::ProcessorSlow { .. } => {
                let changed = scenario.changes.iter().map(|change| (change.plan, &change.becomes));
                let mut terms = scenario.plans.iter().enumerate().chain(changed);
                terms.any(|(plan, terms)| is_own(plan) && is_charged(terms))
            }
        }
    }
}

/// Whether a plan ever asks the processor for a payment; credit that consumers buy by themselves is asked for too.
fn is_charged(plan: &Plan) -> bool {
    let is_priced = |prices: &[Option<Price>]| prices.iter().any(Option::is_some);
    let is_in_arrears = is_priced(&plan.overage) || (is_priced(&plan.prices) && !plan.pays_per_request);
    plan.fee != Money::ZERO || plan.minimum != Money::ZERO || is_in_arrears || plan.prepaid.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_lasts_from_its_first_instant_to_just_before_its_end() {
        let at = Span::from_secs(10);
        let fault = Fault { at, lasts: Span::from_secs(5), breaks: Breaks::ProcessorDown };
        let is_on = |ns: i64| fault.is_on(Time::from_ns(ns));
        let [begins, ends] = [10_000_000_000, 15_000_000_000];
        assert_eq!([begins - 1, begins, ends - 1, ends].map(is_on), [false, true, true, false]);
    }
}
