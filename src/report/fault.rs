//! Faults in words: when each begins and ends, for people who read what it did.

use farebox_engine::model::{Breaks, Fault, Scenario};
use farebox_engine::time::Time;

/// What a fault does when it begins, and how it ends: sentences without a full stop.
pub fn told(fault: &Fault, scenario: &Scenario) -> [(Time, String); 2] {
    let name = |upstream: usize| &scenario.upstreams[upstream].name;
    let [begins, ends] = match fault.breaks {
        Breaks::ProcessorDown => {
            ["the payment processor goes down".to_owned(), "the payment processor is back".to_owned()]
        }
        Breaks::ProcessorSlow { factor } => [
            format!("the payment processor becomes {factor} times as slow"),
            "the payment processor is as fast as before".to_owned(),
        ],
        Breaks::UpstreamDown { upstream } => {
            [format!("the upstream {} goes down", name(upstream)), format!("the upstream {} is back", name(upstream))]
        }
        Breaks::UpstreamSlow { upstream, factor } => [
            format!("the upstream {} becomes {factor} times as slow", name(upstream)),
            format!("the upstream {} is as fast as before", name(upstream)),
        ],
        Breaks::BillingDown => {
            ["billing stops answering the gateway".to_owned(), "billing answers the gateway again".to_owned()]
        }
        Breaks::PolicyError { plan } => [
            format!("a misconfigured rule begins to ask for payment on the plan {}", scenario.plans[plan].name),
            "the misconfigured rule is gone".to_owned(),
        ],
    };
    [(fault.begins(), begins), (fault.ends(), ends)]
}

#[cfg(test)]
mod tests {
    use farebox_engine::time::Span;

    use super::*;

    #[test]
    fn a_fault_is_told_at_its_two_ends() {
        let scenario = Scenario::new("faults", Span::from_secs(60));
        let fault = |breaks| Fault { at: Span::from_secs(7), lasts: Span::from_secs(3), breaks };
        let text =
            |breaks| told(&fault(breaks), &scenario).map(|(at, text)| format!("{}: {text}", at.ns() / 1_000_000_000));
        assert_eq!(
            text(Breaks::ProcessorDown),
            ["7: the payment processor goes down", "10: the payment processor is back"]
        );
        assert_eq!(
            text(Breaks::ProcessorSlow { factor: 1.5 })[0],
            "7: the payment processor becomes 1.5 times as slow"
        );
    }
}
