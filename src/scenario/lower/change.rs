//! Plans that change inside the run: each overlay is laid on the plan as it is then, and the result is read whole.

use std::collections::BTreeMap;
use std::mem;

use farebox_engine::model::{AppliesTo, Change};

use super::plan::PlanEntry;
use super::{Lowering, find};
use crate::scenario::diagnostic::{Diagnostic, Spanned, quote};
use crate::scenario::keys;
use crate::scenario::node::{Node, Pair};
use crate::scenario::overlay::merge;
use crate::scenario::reader::Reader;
use crate::scenario::value::{Fields, Value};

impl Lowering<'_> {
    /// The changes in time order, those of one moment as the file has them.
    pub(super) fn changes(
        &mut self,
        fields: &Fields,
        root: &Spanned<Node>,
        plans: &[PlanEntry],
    ) -> Option<Vec<Change>> {
        let mut given: Vec<&Fields> = Vec::new();
        for item in fields.list("changes")? {
            let Value::Map(change) = &item.value else { return None };
            given.push(change);
        }
        given.sort_by_key(|change| change.duration("at").map(|at| at.value));
        let mut current: BTreeMap<&str, Spanned<Node>> =
            plan_nodes(root).iter().map(|(name, node)| (name.value.as_str(), node.clone())).collect();
        let known: Vec<&str> = plans.iter().map(|plan| plan.name.value.as_str()).collect();
        let mut changes = Some(Vec::new());
        for change in given {
            self.warn_late(change);
            let applies_to = change.choice("applies_to").map(|whom| match whom.value {
                "new" => AppliesTo::New,
                "at_renewal" => AppliesTo::AtRenewal,
                _ => AppliesTo::All,
            });
            for entry in change.map("plans").into_iter().flat_map(Fields::named) {
                let name = Spanned { span: entry.name.span, value: entry.name.value.as_str() };
                let plan = find("plan", name, &known, self.problems);
                let becomes = entry.value.as_ref().and_then(|overlay| {
                    let node = current.get_mut(name.value)?;
                    self.changed(&entry.name, node, overlay)
                });
                let whole = change.duration("at").zip(plan).zip(becomes).zip(applies_to);
                let whole = whole.map(|(((at, plan), becomes), applies_to)| {
                    let becomes = becomes.plan?;
                    Some(Change { at: at.value, plan, becomes, applies_to })
                });
                match (whole.flatten(), &mut changes) {
                    (Some(change), Some(changes)) => changes.push(change),
                    _ => changes = None,
                }
            }
        }
        changes
    }

    /// The plan that a change makes of a plan, whose nodes are replaced. What is wrong with it and was not before is said
    /// to be so once it changes: it may stand where nothing is wrong yet.
    fn changed(
        &mut self,
        name: &Spanned<String>,
        node: &mut Spanned<Node>,
        overlay: &Spanned<Value>,
    ) -> Option<PlanEntry> {
        let Value::Overlay(above) = &overlay.value else { return None };
        let before = mem::take(self.problems);
        *node = merge(node, &Spanned { span: overlay.span, value: above.clone() }, self.problems);
        let entry = match &node.value {
            Node::Map(pairs) => {
                let mut reader = Reader { currency: self.currency, problems: self.problems };
                let fields = reader.map(&keys::PLAN, name.span, pairs);
                Some(self.plan(name, &fields))
            }
            _ => None,
        };
        let after = mem::replace(self.problems, before);
        self.problems.absorb(&format!("once {} changes", quote(&name.value)), after);
        entry
    }

    fn warn_late(&mut self, change: &Fields) {
        if let (Some(at), Some(horizon)) = (change.duration("at"), self.horizon)
            && at.value >= horizon
        {
            let problem = Diagnostic::warning(at.span, "this change comes after the horizon");
            self.problems.push(problem.help("nothing of it will be seen"));
        }
    }
}

/// The plans as they are written.
fn plan_nodes(root: &Spanned<Node>) -> &[Pair] {
    let Node::Map(pairs) = &root.value else { return &[] };
    match pairs.iter().find(|(key, _)| key.value == "plans") {
        Some((_, Spanned { value: Node::Map(plans), .. })) => plans,
        _ => &[],
    }
}
