//! What breaks in the course of a run, and when.
//!
//! A fault is part of the scenario and no draw: every replication has it at the same moment of the billing clock.

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
