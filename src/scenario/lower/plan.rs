//! Plans: what they cost, include and limit.

use farebox_engine::model::{METERS_MAX, PerMeter, Period, Plan, Prepaid, TokenBucket, UnitPrice};
use farebox_engine::money::Money;
use farebox_engine::time::{self, DAY, SECOND};

use super::{Lowering, place};
use crate::scenario::diagnostic::{Diagnostic, Span, Spanned, quote};
use crate::scenario::limit;
use crate::scenario::value::{Allowance, Fields, Value};

/// A plan, and where it says what its cohorts must be able to answer for.
pub(super) struct PlanEntry {
    pub(super) name: Spanned<String>,
    /// `None` once something was wrong with it, which has been reported; cohorts may still name it.
    pub(super) plan: Option<Plan>,
    pub(super) prices: PerMeter<Option<Span>>,
    pub(super) includes: PerMeter<Option<Span>>,
}

impl Lowering<'_> {
    pub(super) fn plans(&mut self, fields: &Fields) -> Vec<PlanEntry> {
        let mut plans = Vec::new();
        for entry in fields.named() {
            let mut plan = PlanEntry {
                name: entry.name.clone(),
                plan: None,
                prices: [None; METERS_MAX],
                includes: [None; METERS_MAX],
            };
            if let Some(Value::Map(fields)) = entry.value.as_ref().map(|value| &value.value) {
                plan.plan = self.plan(fields, &mut plan);
            }
            plans.push(plan);
        }
        plans
    }

    fn plan(&mut self, fields: &Fields, entry: &mut PlanEntry) -> Option<Plan> {
        let allowances = self.allowances(fields, entry);
        let period = self.period(fields, &allowances);
        let fee = fields.fee("fee").map_or(Money::ZERO, |fee| fee.value.amount);
        self.check_fee(fields, fee, period);
        let prepaid = fields.map("prepaid").map(|prepaid| prepaid.money("opening"));
        let prices = self.prices(fields, entry);
        let limit = fields.list("limits").and_then(|limits| limits.first()).map(|limit| self.limit(limit));
        let mut allowance = [None; METERS_MAX];
        for (meter, included) in allowances {
            allowance[meter] = Some(included.value.units);
        }
        Some(Plan {
            name: entry.name.value.clone(),
            fee,
            period,
            allowance,
            limit: match limit {
                Some(limit) => Some(limit?),
                None => None,
            },
            prepaid: match prepaid {
                Some(opening) => Some(Prepaid { opening: opening?.value }),
                None => None,
            },
            prices,
            grace: fields.duration("grace")?.value,
        })
    }

    // === Periods and allowances ===

    fn allowances(&mut self, fields: &Fields, entry: &mut PlanEntry) -> Vec<(usize, Spanned<Allowance>)> {
        let mut allowances = Vec::new();
        for included in fields.map("includes").into_iter().flat_map(Fields::named) {
            let Some(meter) = self.meter(&included.name) else { continue };
            entry.includes[meter] = Some(included.name.span);
            if let Some(Spanned { span, value: Value::Allowance(allowance) }) = &included.value {
                allowances.push((meter, Spanned { span: *span, value: *allowance }));
            }
        }
        allowances
    }

    /// The one period of a plan: of its fee and of all its allowances.
    fn period(&mut self, fields: &Fields, allowances: &[(usize, Spanned<Allowance>)]) -> Option<Period> {
        let fee = fields.fee("fee").map(|fee| (fee.span, fee.value.period));
        let named = |(_, included): &(usize, Spanned<Allowance>)| Some((included.span, included.value.period?));
        let mut periods = fee.into_iter().chain(allowances.iter().filter_map(named));
        let Some((first, period)) = periods.next() else {
            if let (None, Some((_, included))) = (fields.written("fee"), allowances.first()) {
                let problem = Diagnostic::error(
                    included.span,
                    "this allowance has no period, and the plan no fee to take it from",
                );
                self.problems.push(problem.help("write per what it is, such as `10k/month`"));
            }
            return None;
        };
        if let Some((other, _)) = periods.find(|(_, other)| *other != period) {
            let problem = Diagnostic::error(other, "a second period in one plan is not supported yet");
            let problem = problem.related(first, "the plan's period is given here");
            self.problems.push(problem.help("give the fee and all allowances the same period"));
        }
        Some(period)
    }

    /// Refuses a fee that could add up to more than a consumer's account can hold.
    fn check_fee(&mut self, fields: &Fields, fee: Money, period: Option<Period>) {
        let (Some(period), Some(horizon)) = (period, self.horizon) else { return };
        let shortest_ns = match period {
            Period::Day => DAY,
            Period::Month => 28 * DAY,
            Period::Year => 365 * DAY,
        };
        // One period may have begun before the start, and one begins at the end.
        let periods = i128::from(horizon.ns() / shortest_ns) + 2;
        if i128::from(fee.nanos()) * periods > i128::from(limit::AMOUNT_NANOS) {
            let message = "this fee can add up to more than 922M within the horizon";
            let problem = Diagnostic::error(place(fields, "fee"), message);
            self.problems.push(problem.help("lower the fee, or shorten the horizon"));
        }
    }

    // === Prices and limits ===

    fn prices(&mut self, fields: &Fields, entry: &mut PlanEntry) -> PerMeter<Option<UnitPrice>> {
        let mut prices = [None; METERS_MAX];
        let is_prepaid = fields.written("prepaid").is_some();
        match fields.written("prices") {
            Some(span) if !is_prepaid => {
                let problem = Diagnostic::error(span, "`prices` without `prepaid` is not supported yet");
                self.problems.push(problem.help("add the credit that they are paid from: `prepaid: { opening: $10 }`"));
            }
            None if is_prepaid => {
                let span = place(fields, "prepaid");
                let problem =
                    Diagnostic::warning(span, format!("the prepaid plan {} has no `prices`", quote(&entry.name.value)));
                self.problems.push(problem.help("without them its calls cost nothing, and its credit lasts for ever"));
            }
            _ => {}
        }
        for priced in fields.map("prices").into_iter().flat_map(Fields::named) {
            let Some(meter) = self.meter(&priced.name) else { continue };
            entry.prices[meter] = Some(priced.name.span);
            if let Some(Value::Price(price)) = priced.value.as_ref().map(|value| &value.value) {
                prices[meter] = Some(*price);
            }
        }
        prices
    }

    fn limit(&mut self, limit: &Spanned<Value>) -> Option<TokenBucket> {
        let Value::Map(fields) = &limit.value else { return None };
        let rate = fields.rate("requests")?;
        if rate.value.events == 0 {
            let problem = Diagnostic::error(rate.span, "a limit of zero refuses every call");
            self.problems.push(problem.help("write a rate above zero"));
            return None;
        }
        let (tokens, per) = (rate.value.events, rate.value.per);
        let burst = match fields.quantity("burst") {
            Some(burst) => burst.value,
            None if fields.written("burst").is_some() => return None,
            None => per_second_rounded_up(tokens, per),
        };
        if u128::from(burst) * u128::from(per.ns()) > limit::BUCKET_LEVEL {
            let message = "this burst is more than a bucket that refills so slowly can count";
            let most = limit::BUCKET_LEVEL / u128::from(per.ns());
            let help = if most > 0 {
                format!("write at most `{most}` at this rate")
            } else {
                "write a faster rate".to_owned()
            };
            self.problems.push(Diagnostic::error(place(fields, "burst"), message).help(help));
            return None;
        }
        Some(TokenBucket { tokens, per, burst })
    }
}

/// What a second refills, at least one.
fn per_second_rounded_up(tokens: u64, per: time::Span) -> u64 {
    let a_second = (u128::from(tokens) * u128::from(SECOND)).div_ceil(u128::from(per.ns()));
    u64::try_from(a_second).unwrap_or(u64::MAX)
}
