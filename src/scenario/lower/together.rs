//! What only the whole scenario tells: labels of a threshold that no call has together, and faults that meet nobody.

use farebox_engine::model::{Breaks, Cohort, FAILED, Fault, Scenario, Selector};

use super::Lowering;
use crate::scenario::diagnostic::{Diagnostic, Span, enumerate, quote};
use crate::scenario::value::{Fields, Value};
use crate::scenario::{cause, threshold};

impl Lowering<'_> {
    /// Thresholds over what can never happen fail in every run, so they are errors.
    pub(super) fn check_labels(&mut self, fields: &Fields, scenario: &Scenario) {
        let items = fields.list("thresholds").unwrap_or_default().iter();
        let written = items.filter_map(|item| match &item.value {
            Value::Threshold(threshold) if threshold.model.is_some() => Some((item.span, threshold)),
            _ => None,
        });
        for ((span, threshold), model) in written.zip(&scenario.thresholds) {
            let names = Names { span, threshold };
            let found = unmet_names(&model.selector, scenario, &names)
                .or_else(|| unmet_answer(&model.selector, scenario).map(|problem| problem.at(span)));
            if let Some(problem) = found {
                self.problems.push(problem);
            }
        }
    }

    /// Faults that break what no consumer ever comes to.
    pub(super) fn warn_unmet(&mut self, fields: &Fields, scenario: &Scenario) {
        let written = fields.list("faults").unwrap_or_default().iter();
        let written: Vec<_> = written
            .filter_map(|item| if let Value::Map(fault) = &item.value { Some((item.span, fault)) } else { None })
            .collect();
        if written.len() != scenario.faults.len() {
            return;
        }
        for ((span, written), fault) in written.into_iter().zip(&scenario.faults) {
            if scenario.cohorts.iter().any(|cohort| fault.concerns(cohort, scenario)) {
                continue;
            }
            let key = ["plan", "upstream", "fault"].into_iter().find_map(|key| written.written(key));
            let problem = Diagnostic::warning(key.unwrap_or(span), unmet_fault(fault, scenario));
            self.problems.push(problem.help("nothing of this fault will be seen"));
        }
    }
}

fn unmet_fault(fault: &Fault, scenario: &Scenario) -> String {
    match fault.breaks {
        Breaks::PolicyError { plan } => format!("nobody is ever on the plan {}", quote(&scenario.plans[plan].name)),
        Breaks::UpstreamDown { upstream } | Breaks::UpstreamSlow { upstream, .. } => {
            format!("no call comes to the upstream {}", quote(&scenario.upstreams[upstream].name))
        }
        Breaks::ProcessorDown | Breaks::ProcessorSlow { .. } => {
            "no plan that consumers are on asks for payments".to_owned()
        }
        Breaks::BillingDown => "there are no consumers".to_owned(),
    }
}

/// Where the names of a threshold stand.
struct Names<'a> {
    span: Span,
    threshold: &'a threshold::Threshold,
}

impl Names<'_> {
    /// Where the name of a label stands.
    fn place(&self, label: &str) -> Span {
        let named = self.threshold.names.iter().find(|named| named.label == label);
        named.map_or(self.span, |named| self.span.part(named.at..named.at + named.value.len(), self.threshold.length))
    }

    fn value(&self, label: &str) -> Option<&str> {
        self.threshold.names.iter().find(|named| named.label == label).map(|named| named.value.as_str())
    }
}

/// A message and its help, not yet at a place.
struct Unmet(String, String);

impl Unmet {
    fn at(self, span: Span) -> Diagnostic {
        Diagnostic::error(span, self.0).help(self.1)
    }
}

/// Consumers who are never on the plan, or never make such a call. A name that there is not has been reported.
fn unmet_names(selector: &Selector, scenario: &Scenario, names: &Names<'_>) -> Option<Diagnostic> {
    let is_meant = |cohort: &&Cohort| selector.cohort.as_ref().is_none_or(|name| *name == cohort.name);
    let mut cohorts: Vec<_> = scenario.cohorts.iter().filter(is_meant).collect();
    if cohorts.is_empty() {
        return None;
    }
    if let Some(name) = &selector.plan {
        let plan = scenario.plans.iter().position(|plan| plan.name == *name)?;
        let met = cohorts.clone();
        cohorts.retain(|cohort| cohort.plans().any(|own| own == plan));
        if cohorts.is_empty() {
            return Some(off_plan(name, &met, selector, scenario).at(names.place("plan")));
        }
    }
    let routes = selector.routes.as_ref()?;
    let is_called = |path: &String| {
        let route = scenario.routes.iter().position(|route| route.path == *path);
        route.is_some_and(|route| cohorts.iter().any(|cohort| cohort.calls(route)))
    };
    if routes.iter().any(is_called) || has_unknown(names, scenario) {
        return None;
    }
    let label = if names.value("upstream").is_some() { "upstream" } else { "route" };
    Some(uncalled(routes, selector, names).at(names.place(label)))
}

fn has_unknown(names: &Names<'_>, scenario: &Scenario) -> bool {
    let is_unknown = |label, known: &[&str]| names.value(label).is_some_and(|name| !known.contains(&name));
    let routes: Vec<_> = scenario.routes.iter().map(|route| route.path.as_str()).collect();
    let upstreams: Vec<_> = scenario.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    is_unknown("route", &routes) || is_unknown("upstream", &upstreams)
}

fn off_plan(plan: &str, met: &[&Cohort], selector: &Selector, scenario: &Scenario) -> Unmet {
    let Some(cohort) = met.first().filter(|_| selector.cohort.is_some()) else {
        let help = "name a plan that consumers are on, or leave the label out";
        return Unmet(format!("no cohort is ever on the plan {}", quote(plan)), help.to_owned());
    };
    let own = quote(&scenario.plans[cohort.plan].name);
    let message = format!("the cohort {} is never on the plan {}", quote(&cohort.name), quote(plan));
    Unmet(message, format!("leave `plan` out: it is on {own}"))
}

fn uncalled(routes: &[String], selector: &Selector, names: &Names<'_>) -> Unmet {
    let of = |label: &str, name: &Option<String>| name.as_ref().map(|name| format!("the {label} {}", quote(name)));
    let who = of("cohort", &selector.cohort).or_else(|| of("plan", &selector.plan));
    let of_whom = who.map(|who| format!(" of {who}")).unwrap_or_default();
    let listed = enumerate(routes.iter().map(String::as_str));
    let message = match (names.value("upstream"), names.value("route"), routes.is_empty()) {
        (Some(upstream), Some(route), true) => {
            format!("no call for {} comes to the upstream {}", quote(route), quote(upstream))
        }
        (Some(upstream), None, true) => format!("no route comes to the upstream {}", quote(upstream)),
        (Some(upstream), ..) => {
            format!("no call{of_whom} comes to the upstream {}; those for {listed} would", quote(upstream))
        }
        _ => format!("nobody{of_whom} calls {listed}"),
    };
    Unmet(message, "name what is called, or leave the label out".to_owned())
}

/// Whether an upstream may answer with this status, or the gateway for one that does not.
fn may_fail_with(status: u16, selector: &Selector, scenario: &Scenario) -> bool {
    let is_of_failures = selector.cause.is_none_or(|name| cause::FAILURES.contains(&name))
        && selector.kind.is_none_or(|kind| cause::FAILURES.iter().any(|name| cause::kind_of(name) == kind));
    let is_down = scenario.faults.iter().any(|fault| matches!(fault.breaks, Breaks::UpstreamDown { .. }));
    let answers = scenario.upstreams.iter().flat_map(|upstream| upstream.errors.statuses());
    is_of_failures
        && ([502, 504].contains(&status)
            || (is_down && status == FAILED)
            || answers.into_iter().any(|own| own == status))
}

/// A status that nothing, or not this cause, is answered with.
fn unmet_answer(selector: &Selector, scenario: &Scenario) -> Option<Unmet> {
    let wanted = selector.status?;
    let status = |cause: &str| {
        let other = scenario.gateway.refusals.iter().find(|(name, _)| *name == cause);
        other.map_or(cause::status_of(cause), |(_, status)| *status)
    };
    let is_meant = |cause: &&&str| {
        selector.cause.is_none_or(|name| name == **cause)
            && selector.kind.is_none_or(|kind| kind == cause::kind_of(cause))
    };
    let mut meant = cause::REFUSALS.iter().filter(is_meant).peekable();
    if wanted == 200 && selector.cause.is_none() && selector.kind.is_none() {
        return None;
    }
    let first = *meant.peek()?;
    if meant.any(|cause| status(cause) == wanted) {
        return None;
    }
    if may_fail_with(wanted, selector, scenario) {
        return None;
    }
    let message = match (selector.cause, selector.kind) {
        (Some(cause), _) => format!("{} is answered with {}, not with {wanted}", quote(cause), status(first)),
        (None, Some(kind)) => format!("the gateway answers no refusal of the kind {} with {wanted}", quote(kind)),
        (None, None) => format!("the gateway answers nothing with the status {wanted}"),
    };
    Some(Unmet(message, "leave `status` out, or set it under `gateway.refusals`".to_owned()))
}
