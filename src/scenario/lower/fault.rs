//! What breaks in the course of a run, and when.

use farebox_engine::model::{Breaks, Fault};

use super::Lowering;
use super::plan::PlanEntry;
use crate::scenario::diagnostic::{Diagnostic, Spanned};
use crate::scenario::value::{Fields, Value};

impl Lowering<'_> {
    /// The faults, in the order of the file. What was wrong with one has been reported; it is not among them.
    pub(super) fn faults(&mut self, scenario: &Fields, plans: &[PlanEntry]) -> Vec<Fault> {
        let written = scenario.list("faults").unwrap_or_default();
        let maps =
            written.iter().filter_map(|item| if let Value::Map(fault) = &item.value { Some(fault) } else { None });
        maps.filter_map(|fault| self.fault(fault, scenario, plans)).collect()
    }

    fn fault(&mut self, fields: &Fields, scenario: &Fields, plans: &[PlanEntry]) -> Option<Fault> {
        self.warn_unseen(fields);
        let kind = fields.choice("fault")?;
        self.check_keys(fields, kind);
        let upstream = fields.text("upstream").and_then(|upstream| self.upstream_of(upstream, scenario));
        let plan = fields.text("plan").and_then(|plan| self.plan_of(plan, plans));
        let factor = factor(fields);
        let breaks = match kind.value {
            "processor_down" => Breaks::ProcessorDown,
            "processor_slow" => Breaks::ProcessorSlow { factor: factor? },
            "upstream_down" => Breaks::UpstreamDown { upstream: upstream? },
            "upstream_slow" => Breaks::UpstreamSlow { upstream: upstream?, factor: factor? },
            "billing_down" => Breaks::BillingDown,
            _ => Breaks::PolicyError { plan: plan? },
        };
        Some(Fault { at: fields.duration("at")?.value, lasts: fields.duration("for")?.value, breaks })
    }

    /// What a fault takes beside its time is told by its name.
    fn check_keys(&mut self, fields: &Fields, kind: Spanned<&str>) {
        for (key, is_taken, example) in [
            ("upstream", kind.value.starts_with("upstream_"), "upstream: search"),
            ("plan", kind.value == "policy_error", "plan: pro"),
            ("factor", kind.value.ends_with("_slow"), "factor: 10"),
        ] {
            let problem = match (is_taken, fields.written(key)) {
                (true, None) => Diagnostic::error(kind.span, format!("`{}` needs `{key}`", kind.value))
                    .help(format!("write `{example}`")),
                (false, Some(span)) => {
                    Diagnostic::error(span, format!("`{}` takes no `{key}`", kind.value)).help("leave it out")
                }
                _ => continue,
            };
            self.problems.push(problem);
        }
    }

    fn warn_unseen(&mut self, fault: &Fields) {
        if let (Some(at), Some(horizon)) = (fault.duration("at"), self.horizon)
            && at.value >= horizon
        {
            let problem = Diagnostic::warning(at.span, "this fault comes after the horizon");
            self.problems.push(problem.help("nothing of it will be seen"));
        }
    }
}

/// How many times as slow; `None` where nothing is written, or something wrong.
fn factor(fields: &Fields) -> Option<f64> {
    match fields.value("factor")?.value {
        Value::Number(factor) => Some(factor),
        _ => None,
    }
}
