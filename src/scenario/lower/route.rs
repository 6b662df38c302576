//! Routes: what can be called, and what the calls carry.

use farebox_engine::model::{Attribute, Route};

use super::distribution::p99;
use super::{Lowering, find};
use crate::scenario::diagnostic::{Diagnostic, Spanned, quote};
use crate::scenario::limit;
use crate::scenario::value::{Fields, Value};

impl Lowering<'_> {
    /// Fills in the routes; whether all of them are right.
    pub(super) fn routes(&mut self, scenario: &Fields) -> bool {
        let mut is_right = true;
        for (path, route) in scenario.map("routes").into_iter().flat_map(Fields::named_maps) {
            let mut attributes = Vec::new();
            for entry in route.map("attributes").into_iter().flat_map(Fields::named) {
                let name = &entry.name;
                match entry.value.as_ref().and_then(|value| self.attribute(name, value)) {
                    Some(attribute) => attributes.push(attribute),
                    None => is_right = false,
                }
                self.warn_unsummed(name, scenario);
            }
            self.routes.push(Route { path: path.value.clone(), attributes });
            if let Some(upstream) = route.text("upstream") {
                self.upstream_of(upstream, scenario);
            }
        }
        is_right
    }

    /// Checks the name of an upstream.
    pub(super) fn upstream_of(&mut self, name: Spanned<&str>, scenario: &Fields) {
        let upstreams = scenario.map("upstreams").into_iter().flat_map(Fields::named);
        let known: Vec<&str> = upstreams.map(|upstream| upstream.name.value.as_str()).collect();
        find("upstream", name, &known, self.problems);
    }

    fn attribute(&mut self, name: &Spanned<String>, value: &Spanned<Value>) -> Option<Attribute> {
        let amount = self.distribution(value)?;
        let max = match &value.value {
            Value::Map(points) => points.quantity("max"),
            _ => None,
        };
        let most = max.map_or_else(|| libm::ceil(p99(&amount)).min(limit::USAGE as f64) as u64, |max| max.value);
        Some(Attribute { name: name.value.clone(), amount, most })
    }

    fn warn_unsummed(&mut self, name: &Spanned<String>, scenario: &Fields) {
        let is_summed = self.meters.iter().any(|meter| meter.sum.contains(&name.value));
        let mut costs =
            scenario.map("upstreams").into_iter().flat_map(Fields::named_maps).filter_map(|(_, it)| it.map("cost"));
        if is_summed || costs.any(|cost| cost.named().any(|entry| entry.name.value == name.value)) {
            return;
        }
        let problem = Diagnostic::warning(name.span, format!("no meter sums the attribute {}", quote(&name.value)));
        self.problems
            .push(problem.help(format!("add one under `meters`, such as `total: {{ sum: [{}] }}`", name.value)));
    }
}
