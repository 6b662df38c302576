//! What breaks at the gateway and behind it, and whom that meets. A fault meets the attempts that are made while it lasts
//! on the billing clock, however long each then takes: so a load, which does not know how long a call will wait in line,
//! has the failures of its twin.

use crate::billing::cause::Cause;
use crate::model::{Breaks, Fault, Scenario};
use crate::time::{Span, Time};

/// The faults of a scenario, apart from those of the payment processor.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    /// Of the gateway.
    gateway: Vec<Fault>,
    /// Of the upstreams.
    upstreams: Vec<Fault>,
}

impl Faults {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let of = |is_it: fn(&Breaks) -> bool| scenario.faults.iter().filter(|it| is_it(&it.breaks)).copied().collect();
        Self {
            gateway: of(|it| matches!(it, Breaks::BillingDown | Breaks::PolicyError { .. })),
            upstreams: of(|it| matches!(it, Breaks::UpstreamDown { .. } | Breaks::UpstreamSlow { .. })),
        }
    }

    /// What the gateway refuses somebody on this plan for, whatever their account says.
    #[inline]
    pub(super) fn refuses(&self, plan: impl Fn() -> usize, billing: Time) -> Option<Cause> {
        self.gateway.iter().filter(|fault| fault.is_on(billing)).find_map(|fault| match fault.breaks {
            Breaks::BillingDown => Some(Cause::BillingUnavailable),
            Breaks::PolicyError { plan: of } => (of == plan()).then_some(Cause::PolicyError),
            _ => None,
        })
    }

    /// Whether the gateway has a fault.
    #[inline]
    pub(super) fn is_broken(&self, billing: Time) -> bool {
        self.gateway.iter().any(|fault| fault.is_on(billing))
    }

    /// When the gateway has its next fault.
    #[inline]
    pub(super) fn next(&self, billing: Time) -> Time {
        let begins = self.gateway.iter().map(Fault::begins).filter(|begins| *begins > billing);
        begins.min().unwrap_or(Time::NEVER)
    }

    /// Whether upstreams have any.
    pub(super) fn meet_upstreams(&self) -> bool {
        !self.upstreams.is_empty()
    }

    /// Whether an upstream fails what is asked of it then.
    pub(super) fn fails(&self, upstream: usize, billing: Time) -> bool {
        self.upstreams.iter().any(|fault| fault.breaks == Breaks::UpstreamDown { upstream } && fault.is_on(billing))
    }

    /// How long an upstream takes for what is asked of it then, and else takes so long. What slows it down at once slows it
    /// down together.
    pub(super) fn slowed(&self, upstream: usize, takes: Span, billing: Time) -> Span {
        let slows = |fault: &Fault| match fault.breaks {
            Breaks::UpstreamSlow { upstream: of, factor } if of == upstream && fault.is_on(billing) => Some(factor),
            _ => None,
        };
        let mut factors = self.upstreams.iter().filter_map(slows).peekable();
        match factors.peek() {
            Some(_) => Span::from_ns((takes.ns() as f64 * factors.product::<f64>()) as u64),
            None => takes,
        }
    }
}
