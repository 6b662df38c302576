//! Thresholds: what they name must exist, and must be told apart by what is counted.

use farebox_engine::model::{Act, Cohort, Collected, Finally, Measure, Payments, Threshold};

use super::{Lowering, find};
use crate::scenario::diagnostic::{Diagnostic, Span, Spanned, quote};
use crate::scenario::threshold;
use crate::scenario::value::{Fields, Value};

impl Lowering<'_> {
    /// What is judged after a run; `cohorts` and `payments` are `None` when something was wrong with them, which has been
    /// reported.
    pub(super) fn thresholds(
        &mut self,
        scenario: &Fields,
        cohorts: Option<&[Cohort]>,
        payments: Option<&Payments>,
    ) -> Vec<Threshold> {
        let mut thresholds = Vec::new();
        for item in scenario.list("thresholds").unwrap_or_default() {
            let Value::Threshold(threshold) = &item.value else { continue };
            self.check_names(scenario, item.span, threshold);
            if let Some(complaint) = &threshold.unsupported {
                let problem = Diagnostic::unsupported(item.span, complaint.message.clone());
                self.problems.push(problem.help(complaint.help.clone()));
            }
            let Some(mut model) = threshold.model.clone() else { continue };
            for named in threshold.names.iter().filter(|named| named.label == "upstream") {
                model.selector.upstream = Some(named.value.clone());
                model.selector.routes = Some(self.routes_of(&named.value, model.selector.routes));
            }
            if let Some(plan) = &model.selector.plan {
                self.check_plan_is_told(plan, item.span, scenario, cohorts.unwrap_or_default());
            }
            if model.measure == Measure::Dunning(Collected::Churned)
                && payments.is_some_and(|payments| payments.dunning.finally != Finally::Cancel)
            {
                let problem = Diagnostic::error(item.span, "dunning cancels nobody here");
                self.problems.push(problem.help("write `dunning.exhausted`, or `finally: cancel` under `dunning`"));
            }
            self.threshold_spans.push(item.span);
            thresholds.push(model);
        }
        thresholds
    }

    fn check_names(&mut self, scenario: &Fields, span: Span, threshold: &threshold::Threshold) {
        let names = |key: &str| {
            let named = scenario.map(key).into_iter().flat_map(Fields::named);
            named.map(|entry| entry.name.value.clone()).collect::<Vec<String>>()
        };
        for named in &threshold.names {
            let mut known = match named.label {
                "cohort" => names("consumers"),
                "plan" => names("plans"),
                "route" => names("routes"),
                _ => names("upstreams"),
            };
            if named.label == "route" && known.is_empty() {
                known.push("/".to_owned());
            }
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let place = span.part(named.at..named.at + named.value.len(), threshold.length);
            find(named.label, Spanned { span: place, value: &named.value }, &known, self.problems);
        }
    }

    /// The routes whose calls come to an upstream, of those that are already asked for.
    fn routes_of(&self, upstream: &str, asked: Option<Vec<String>>) -> Vec<String> {
        let index = self.upstreams.iter().position(|it| it.name == upstream);
        let comes = |from: usize| index.is_some_and(|to| self.reaches(from, to));
        let routes = self.routes.iter().filter(|route| comes(route.upstream));
        let mut routes: Vec<String> = routes.map(|route| route.path.clone()).collect();
        if self.routes.is_empty() && comes(0) {
            routes.push("/".to_owned());
        }
        // Both labels are there when a route is named too; an upstream alone has left the list empty.
        let asked = asked.filter(|asked| !asked.is_empty());
        routes.retain(|route| asked.as_ref().is_none_or(|asked| asked.contains(route)));
        routes
    }

    /// Calls are counted by cohort: those of a plan can be told when nobody comes to it, or leaves it, inside the run.
    fn check_plan_is_told(&mut self, plan: &str, span: Span, scenario: &Fields, cohorts: &[Cohort]) {
        let plans = scenario.map("plans").into_iter().flat_map(Fields::named);
        let Some(plan_index) = plans.map(|entry| &entry.name.value).position(|name| name == plan) else { return };
        let changes = |cohort: &&Cohort| {
            let mut targets = cohort.reactions.iter().filter_map(|reaction| match reaction.act {
                Act::ChangePlan { to } => Some(to),
                _ => None,
            });
            targets.any(|to| to == plan_index || cohort.plan == plan_index)
        };
        if let Some(cohort) = cohorts.iter().find(changes) {
            let message = format!(
                "the plan {} cannot be told apart: consumers of {} change plans, and are counted by cohort",
                quote(plan),
                quote(&cohort.name)
            );
            self.problems.push(Diagnostic::unsupported(span, message).help("write `cohort=` in place of `plan=`"));
        }
    }
}
