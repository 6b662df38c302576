//! Routes: what can be called, and what the calls carry.

use farebox_engine::model::{Attribute, Route};

use super::Lowering;
use super::distribution::p99;
use super::upstream::{OUTPUT, is_generating};
use crate::scenario::diagnostic::{Diagnostic, Spanned, quote};
use crate::scenario::limit;
use crate::scenario::value::{Fields, Value};

/// Below it the gateway answers itself, and forwards nothing.
const OWN: &str = "/.well-known/farebox";

impl Lowering<'_> {
    /// Fills in the routes; whether all of them are right.
    pub(super) fn routes(&mut self, scenario: &Fields) -> bool {
        let mut is_right = true;
        for (path, route) in scenario.map("routes").into_iter().flat_map(Fields::named_maps) {
            is_right &= self.check_path(path);
            let mut attributes = Vec::new();
            for entry in route.map("attributes").into_iter().flat_map(Fields::named) {
                let name = &entry.name;
                match entry.value.as_ref().and_then(|value| self.attribute(name, value)) {
                    Some(attribute) => attributes.push(attribute),
                    None => is_right = false,
                }
                self.warn_unsummed(name, scenario);
            }
            let upstream = match route.text("upstream") {
                Some(upstream) => self.upstream_of(upstream, scenario),
                None => Some(0).filter(|_| !route.is_broken("upstream")),
            };
            is_right &= upstream.is_some();
            self.routes.push(Route { path: path.value.clone(), upstream: upstream.unwrap_or(0), attributes });
        }
        is_right
    }

    /// Below that path the gateway answers itself.
    fn check_path(&mut self, path: &Spanned<String>) -> bool {
        let is_own = path.value == OWN || path.value.strip_prefix(OWN).is_some_and(|rest| rest.starts_with('/'));
        if is_own {
            let message = format!("{} is the gateway's own", quote(&path.value));
            let help = format!("choose a path that does not begin with `{OWN}`, where it sells credit");
            self.problems.push(Diagnostic::error(path.span, message).help(help));
        }
        !is_own
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
        let mut upstreams = scenario.map("upstreams").into_iter().flat_map(Fields::named_maps).map(|(_, it)| it);
        let is_used = |it: &Fields| {
            let mut costs = it.map("cost").into_iter().flat_map(Fields::named);
            (name.value == OUTPUT && is_generating(it)) || costs.any(|entry| entry.name.value == name.value)
        };
        if is_summed || upstreams.any(is_used) {
            return;
        }
        let problem = Diagnostic::warning(name.span, format!("no meter sums the attribute {}", quote(&name.value)));
        self.problems
            .push(problem.help(format!("add one under `meters`, such as `total: {{ sum: [{}] }}`", name.value)));
    }
}
