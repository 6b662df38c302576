//! Reactions: what consumers do about refusals and reminders.

use farebox_engine::draw::Chance;
use farebox_engine::model::{Act, Period, Reaction, Reminder, When};

use super::Lowering;
use super::plan::PlanEntry;
use crate::scenario::diagnostic::{Diagnostic, Spanned, quote};
use crate::scenario::value::{Fields, Value};

/// What an act takes: the key, and an example of it where it must be there.
const TAKES: &[(&str, &str, Option<&str>)] = &[
    ("upgrade", "to", Some("to: enterprise")),
    ("downgrade", "to", Some("to: starter")),
    ("top_up", "amount", Some("amount: $20")),
    ("slow_down", "by", Some("by: 50%")),
    ("slow_down", "for", None),
];

impl Lowering<'_> {
    pub(super) fn reactions(
        &mut self,
        cohort: &Fields,
        plan: Option<usize>,
        plans: &[PlanEntry],
    ) -> Option<Vec<Reaction>> {
        let read = |item: &Spanned<Value>| match &item.value {
            Value::Map(reaction) => self.reaction(reaction, plan, plans),
            _ => None,
        };
        let reactions: Vec<Option<Reaction>> = cohort.list("reacts")?.iter().map(read).collect();
        reactions.into_iter().collect()
    }

    fn reaction(&mut self, fields: &Fields, plan: Option<usize>, plans: &[PlanEntry]) -> Option<Reaction> {
        let (when, act) = (self.when(fields), self.act(fields, plan, plans));
        self.check_end(fields);
        let after = fields.value("after").and_then(|after| self.distribution(after));
        Some(Reaction { when: when?, act: act?, chance: fields.chance("chance")?, after: after? })
    }

    fn when(&mut self, fields: &Fields) -> Option<When> {
        let when = fields.choice("when")?;
        match (when.value, fields.written("more_than")) {
            ("refused", None) if fields.is_broken("more_than") => None,
            ("refused", None) => {
                let problem = Diagnostic::error(when.span, "`when: refused` needs `more_than`");
                self.problems.push(problem.help("write how many a day are put up with, such as `more_than: 500/day`"));
                None
            }
            ("refused", Some(_)) => {
                Some(When::Refused { more_than: u32::try_from(fields.quantity("more_than")?.value).ok()? })
            }
            (cause, Some(span)) => {
                let problem = Diagnostic::error(span, format!("`more_than` does not count {} alone", quote(cause)));
                self.problems.push(problem.help("write `when: refused`, or leave it out"));
                None
            }
            ("card_reminder", None) => Some(When::Reminded(Reminder::Card)),
            ("trial_reminder", None) => Some(When::Reminded(Reminder::Trial)),
            (cause, None) => Some(When::Cause(cause)),
        }
    }

    /// Who is canceled does not come back: they go on calling, or give up.
    fn check_end(&mut self, fields: &Fields) {
        if let (Some("canceled"), Some(act)) = (fields.choice("when").map(|when| when.value), fields.choice("do"))
            && !["churn", "slow_down"].contains(&act.value)
        {
            let message = format!("`do: {}` does nothing for a canceled subscription", act.value);
            let problem = Diagnostic::error(act.span, message);
            self.problems.push(problem.help("write `do: churn`, which ends the calls, or choose an earlier cause"));
        }
    }

    fn act(&mut self, fields: &Fields, plan: Option<usize>, plans: &[PlanEntry]) -> Option<Act> {
        let act = fields.choice("do")?;
        let mut is_right = true;
        for key in ["to", "amount", "by", "for"] {
            let taken = TAKES.iter().find(|(name, takes, _)| *name == act.value && *takes == key);
            let problem = match (taken, fields.written(key)) {
                (Some(_), None) if fields.is_broken(key) => continue,
                (Some((_, _, Some(example))), None) => {
                    Diagnostic::error(act.span, format!("`do: {}` needs `{key}`", act.value))
                        .help(format!("write `{example}`"))
                }
                (None, Some(span)) => {
                    Diagnostic::error(span, format!("`do: {}` takes no `{key}`", act.value)).help("leave it out")
                }
                _ => continue,
            };
            self.problems.push(problem);
            is_right = false;
        }
        if !is_right {
            return None;
        }
        match act.value {
            "upgrade" | "downgrade" => {
                let to = fields.text("to")?;
                let target = self.plan_of(to, plans)?;
                self.check_direction(act.value, to, target, plan, plans);
                Some(Act::ChangePlan { to: target })
            }
            "top_up" => {
                let is_prepaid = plan.and_then(|at| plans[at].plan.as_ref()).is_none_or(|plan| plan.prepaid.is_some());
                if !is_prepaid {
                    let problem = Diagnostic::warning(act.span, "credit pays for nothing on this cohort's plan");
                    self.problems.push(problem.help("give the plan `prepaid`, or choose another reaction"));
                }
                Some(Act::TopUp(self.collected(fields.money("amount")?)?))
            }
            "fix_card" => Some(Act::FixCard),
            "slow_down" => self.slow_down(fields),
            _ => Some(Act::Churn),
        }
    }

    fn slow_down(&mut self, fields: &Fields) -> Option<Act> {
        let by = fields.chance("by")?;
        if by == Chance::NEVER {
            let problem = Diagnostic::warning(fields.written("by")?, "`by: 0%` slows nobody down");
            self.problems.push(problem.help("write how many calls are no longer made, such as `by: 50%`"));
        }
        if fields.is_broken("for") {
            return None;
        }
        Some(Act::SlowDown { keeps: by.not(), lasts: fields.duration("for").map(|length| length.value) })
    }

    fn check_direction(
        &mut self,
        act: &str,
        to: Spanned<&str>,
        target: usize,
        plan: Option<usize>,
        plans: &[PlanEntry],
    ) {
        let Some(plan) = plan else { return };
        if plan == target {
            let problem = Diagnostic::error(to.span, format!("this cohort is on {} already", quote(to.value)));
            self.problems.push(problem.help("name another plan"));
            return;
        }
        let fee = |at: usize| plans[at].plan.as_ref().map(|plan| yearly(plan.fee.nanos(), plan.fee_period));
        if let (Some(from), Some(fee)) = (fee(plan), fee(target))
            && (act == "upgrade") != (fee >= from)
            && fee != from
        {
            let (is, other) = if act == "upgrade" { ("less", "downgrade") } else { ("more", "upgrade") };
            let message =
                format!("the fee of {} is {is} than that of {}", quote(to.value), quote(&plans[plan].name.value));
            self.problems.push(Diagnostic::warning(to.span, message).help(format!("that is `do: {other}`")));
        }
    }
}

/// The plans that the reactions of a cohort lead to, without a word about those that are not there.
pub(super) fn reached(cohort: &Fields, plans: &[PlanEntry]) -> Vec<usize> {
    let target = |item: &Spanned<Value>| {
        let Value::Map(reaction) = &item.value else { return None };
        let name = reaction.text("to")?;
        plans.iter().position(|plan| plan.name.value == name.value)
    };
    cohort.list("reacts").unwrap_or_default().iter().filter_map(target).collect()
}

/// A fee over a year, to compare by.
fn yearly(nanos: i64, period: Option<Period>) -> i128 {
    let times = match period {
        Some(Period::Day) => 365,
        Some(Period::Month) => 12,
        Some(Period::Year) | None => 1,
    };
    i128::from(nanos) * times
}
