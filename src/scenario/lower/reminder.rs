//! Reminders: how long before something ends consumers are told, and whether anybody ever is.

use farebox_engine::model::{Act, Cohort, Joined, Reminder, Reminders, Scenario, When};
use farebox_engine::time::Span as TimeSpan;

use super::Lowering;
use crate::scenario::diagnostic::{Diagnostic, Span};
use crate::scenario::value::{Fields, Value};

/// The keys of reminders, and what a reaction to them is called.
const KINDS: [(Reminder, &str, &str); 2] =
    [(Reminder::Card, "card_expires", "card_reminder"), (Reminder::Trial, "trial_ends", "trial_reminder")];

impl Lowering<'_> {
    pub(super) fn reminders(&mut self, fields: &Fields) -> Option<Reminders> {
        let [card_expires, trial_ends] = KINDS.map(|(_, key, _)| self.leads(fields, key));
        Some(Reminders { card_expires: card_expires?, trial_ends: trial_ends? })
    }

    /// How long before, in falling order.
    fn leads(&mut self, fields: &Fields, key: &str) -> Option<Vec<TimeSpan>> {
        let mut leads: Vec<TimeSpan> = Vec::new();
        for item in fields.list(key)? {
            let Value::Duration(lead) = item.value else { return None };
            let problem = match leads.last() {
                Some(before) if *before == lead => ("this reminder is there already", "write it once"),
                Some(before) if *before < lead => {
                    ("this reminder comes before the one that it follows", "write the longest first: `[30d, 7d]`")
                }
                _ => {
                    leads.push(lead);
                    continue;
                }
            };
            self.problems.push(Diagnostic::error(item.span, problem.0).help(problem.1));
            return None;
        }
        Some(leads)
    }

    /// Reminders that nobody gets, and reactions to reminders that do not come.
    pub(super) fn warn_unreminded(&mut self, fields: &Fields, scenario: &Scenario) {
        let written = fields.map("payments").and_then(|payments| payments.map("reminders"));
        for (reminder, key, _) in KINDS {
            let is_sent = !scenario.payments.reminders.of(reminder).is_empty();
            let is_due = |cohort: &Cohort| unmet(reminder, cohort, scenario).is_none();
            if is_sent
                && !scenario.cohorts.iter().any(is_due)
                && let Some(span) = written.and_then(|written| written.written(key))
            {
                let message = match reminder {
                    Reminder::Card => "no card of these consumers ever ends",
                    Reminder::Trial => "no consumer begins with a trial",
                };
                self.problems.push(Diagnostic::warning(span, message).help("nobody will be reminded"));
            }
        }
        let cohorts = fields.map("consumers").into_iter().flat_map(Fields::named_maps);
        for ((_, written), cohort) in cohorts.zip(&scenario.cohorts) {
            self.warn_unheeded(written, cohort, scenario);
        }
    }

    /// Reactions of a cohort to what it is never reminded of.
    fn warn_unheeded(&mut self, written: &Fields, cohort: &Cohort, scenario: &Scenario) {
        for (item, reaction) in written.list("reacts").unwrap_or_default().iter().zip(&cohort.reactions) {
            let (Value::Map(fields), When::Reminded(reminder)) = (&item.value, reaction.when) else { continue };
            let span = |key: &str| -> Span { fields.written(key).unwrap_or(item.span) };
            let problem = if scenario.payments.reminders.of(reminder).is_empty() {
                let key = KINDS.iter().find(|(kind, ..)| *kind == reminder).map_or("", |(_, key, _)| key);
                Diagnostic::warning(span("when"), "nobody is reminded of that in this scenario")
                    .help(format!("write `payments: {{ reminders: {{ {key}: [7d] }} }}`"))
            } else if let Some((why, help)) = unmet(reminder, cohort, scenario) {
                Diagnostic::warning(span("when"), why).help(help)
            } else if reminder == Reminder::Trial && reaction.act == Act::FixCard && cohort.card.is_some() {
                Diagnostic::warning(span("do"), "they have given a card before their trial")
                    .help("write `payment: none`, or choose another reaction")
            } else {
                continue;
            };
            self.problems.push(problem);
        }
    }
}

/// Why a cohort is never reminded of something, and what would change that.
fn unmet(reminder: Reminder, cohort: &Cohort, scenario: &Scenario) -> Option<(&'static str, &'static str)> {
    match reminder {
        Reminder::Card => {
            let ends = cohort.card.is_some_and(|card| card.life.is_some());
            (!ends).then_some(("this cohort's cards never end", "write how long they last: `card: { lasts: 2y }`"))
        }
        Reminder::Trial => {
            let changed = scenario.changes.iter().filter(|change| change.plan == cohort.plan);
            let mut plans = changed.map(|change| &change.becomes).chain([&scenario.plans[cohort.plan]]);
            let begins = cohort.joined != Joined::Spread && plans.any(|plan| plan.trial.is_some());
            (!begins).then_some((
                "nobody of this cohort begins with a trial",
                "give its plan a `trial`, and write `joined: start` or when they sign up",
            ))
        }
    }
}
