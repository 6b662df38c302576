//! Cohorts: who is on which plan, when they call, how they pay.

use farebox_engine::model::{Arrivals, Cohort, METERS_MAX, PerMeter, UnitPrice};

use super::Lowering;
use super::plan::PlanEntry;
use crate::scenario::diagnostic::{Diagnostic, Span, Spanned, enumerate, quote};
use crate::scenario::limit;
use crate::scenario::suggest::did_you_mean;
use crate::scenario::value::{Fields, Value};
use crate::scenario::{trace, unit};

/// The attributes that the calls of a cohort carry, each with its column.
type Attributes<'a> = Vec<(&'a str, Spanned<&'a str>)>;

impl Lowering<'_> {
    pub(super) fn cohorts(&mut self, fields: &Fields, plans: &[PlanEntry]) -> Option<Vec<Cohort>> {
        let (mut cohorts, mut total) = (Vec::new(), 0u64);
        let mut is_used = vec![false; plans.len()];
        for entry in fields.named() {
            let Some(Value::Map(cohort)) = entry.value.as_ref().map(|value| &value.value) else { continue };
            let count = cohort.quantity("count");
            if let Some(count) = &count {
                let within = total <= limit::CONSUMERS;
                total += count.value;
                if within && total > limit::CONSUMERS {
                    let message = format!("with these there are {total} consumers");
                    let help = format!("write at most {} over all cohorts", unit::short(limit::CONSUMERS));
                    self.problems.push(Diagnostic::error(count.span, message).help(help));
                }
            }
            let plan = cohort.text("plan").and_then(|name| self.plan_of(&name, plans));
            if let Some(plan) = plan {
                is_used[plan] = true;
            }
            let arrivals =
                cohort.map("traffic").and_then(|traffic| self.arrivals(traffic, cohort, plan.map(|at| &plans[at])));
            let declines = declines(cohort);
            let whole = count.zip(plan).zip(arrivals).zip(declines);
            let whole = whole.map(|(((count, plan), arrivals), declines)| Cohort {
                name: entry.name.value.clone(),
                count: u32::try_from(count.value).expect("the table bounds it by `limit::CONSUMERS`"),
                plan,
                arrivals,
                declines,
            });
            cohorts.push((whole, plan));
        }
        // Where a cohort's plan is not known, it may be any of them.
        let is_known = cohorts.iter().all(|(_, plan)| plan.is_some());
        for (plan, _) in plans.iter().zip(is_used).filter(|(_, is_used)| is_known && !is_used) {
            let message = format!("no cohort is on the plan {}", quote(&plan.name.value));
            self.problems.push(Diagnostic::warning(plan.name.span, message));
        }
        cohorts.into_iter().map(|(cohort, _)| cohort).collect()
    }

    fn plan_of(&mut self, name: &Spanned<&str>, plans: &[PlanEntry]) -> Option<usize> {
        let found = plans.iter().position(|plan| plan.name.value == name.value);
        if found.is_none() {
            let known = plans.iter().map(|plan| plan.name.value.as_str());
            let help = did_you_mean(name.value, known.clone()).unwrap_or_else(|| match enumerate(known) {
                names if names.is_empty() => "add it under `plans`".to_owned(),
                names => format!("the plans are {names}"),
            });
            self.problems.push(Diagnostic::error(name.span, format!("unknown plan {}", quote(name.value))).help(help));
        }
        found
    }

    // === Traffic ===

    fn arrivals(&mut self, traffic: &Fields, cohort: &Fields, plan: Option<&PlanEntry>) -> Option<Arrivals> {
        let attributes = attributes(traffic);
        let is_told = traffic.written("rate").is_some() || traffic.map("columns").is_some();
        if let (Some(plan), Some(at), true) = (plan, cohort.value("plan"), is_told) {
            self.check_meters(plan, at.span, &attributes);
        }
        if let Some(rate) = traffic.value("rate") {
            let Value::Rate(value) = rate.value else { return None };
            let rate = self.calls(&Spanned { span: rate.span, value })?;
            return Some(Arrivals::Poisson { mean_gap_ns: rate.per.ns() as f64 / rate.events as f64 });
        }
        let (file, columns) = (traffic.text("trace")?, traffic.map("columns")?);
        self.warn_unused(&attributes);
        let request = trace::Request {
            folder: self.folder,
            file,
            time: columns.text("time")?,
            consumer: columns.text("consumer"),
            attributes: &attributes,
            meters: &self.meters,
            consumers: cohort.quantity("count")?.value,
            horizon: self.horizon,
        };
        let (trace, hash) = trace::read(&request, self.problems)?;
        self.traces.push(hash);
        if let Some(plan) = plan.and_then(|plan| plan.plan.as_ref()) {
            self.check_prices(file.span, &plan.prices, &trace.most);
        }
        Some(Arrivals::Trace(trace))
    }

    /// A meter of attributes that the calls do not carry counts nothing: what is priced by it is free, and what is
    /// allowed of it never ends.
    fn check_meters(&mut self, plan: &PlanEntry, at: Span, attributes: &Attributes<'_>) {
        for (index, meter) in self.meters.iter().take(METERS_MAX).enumerate() {
            let mut missing = meter.sum.iter().filter(|name| attributes.iter().all(|(known, _)| known != name));
            let Some(missing) = missing.next() else { continue };
            let (plan_name, meter_name) = (quote(&plan.name.value), quote(&meter.name));
            let help = format!("give its traffic a trace with a column for {}", quote(missing));
            let problem = match (plan.prices[index], plan.includes[index]) {
                (Some(priced), _) => {
                    let message = format!(
                        "the plan {plan_name} prices {meter_name}, which the calls of this cohort do not carry"
                    );
                    Diagnostic::error(at, message).related(priced, "priced here")
                }
                (None, Some(included)) => {
                    let message = format!(
                        "the plan {plan_name} includes {meter_name}, which the calls of this cohort do not carry"
                    );
                    Diagnostic::warning(at, message).related(included, "included here")
                }
                (None, None) => continue,
            };
            self.problems.push(problem.help(help));
        }
    }

    fn warn_unused(&mut self, attributes: &Attributes<'_>) {
        for (name, column) in attributes {
            if !self.meters.iter().any(|meter| meter.sum.iter().any(|known| known == name)) {
                let problem = Diagnostic::warning(column.span, format!("no meter sums the attribute {}", quote(name)));
                self.problems
                    .push(problem.help(format!("add one under `meters`, such as `total: {{ sum: [{name}] }}`")));
            }
        }
    }

    /// Refuses prices at which one recorded call costs more than an account can hold.
    fn check_prices(&mut self, span: Span, prices: &PerMeter<Option<UnitPrice>>, most: &PerMeter<u64>) {
        let costs = |(price, units): (&Option<UnitPrice>, &u64)| {
            price.map_or(0, |price| i128::from(price.amount.nanos()) * i128::from(*units) / i128::from(price.per))
        };
        let dearest: i128 = prices.iter().zip(most).map(costs).sum();
        if dearest > i128::from(limit::AMOUNT_NANOS) {
            let problem = Diagnostic::error(span, "one call of this trace can cost more than 922M");
            self.problems.push(problem.help("lower the prices of its plan, or check the trace"));
        }
    }
}

fn attributes(traffic: &Fields) -> Attributes<'_> {
    let named = traffic.map("columns").into_iter().flat_map(Fields::named);
    named
        .filter_map(|entry| match &entry.value {
            Some(Spanned { span, value: Value::Text(column) }) => {
                Some((entry.name.value.as_str(), Spanned { span: *span, value: column.as_str() }))
            }
            _ => None,
        })
        .collect()
}

fn declines(cohort: &Fields) -> Option<farebox_engine::draw::Chance> {
    match &cohort.map("payment")?.value("card")?.value {
        Value::Map(card) => card.chance("declines"),
        _ => None,
    }
}
