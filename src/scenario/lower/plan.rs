//! Plans: what they cost, include and limit.

use farebox_engine::model::{Limit, METERS_MAX, PastAllowance, PerMeter, Period, Plan, Price, Rate, Rollover};
use farebox_engine::money::Money;
use farebox_engine::time::{self, DAY, SECOND};

use super::price::{Paid, is_beyond, times};
use super::{Lowering, Reported, find, place};
use crate::scenario::diagnostic::{Diagnostic, Span, Spanned, quote};
use crate::scenario::limit;
use crate::scenario::unit;
use crate::scenario::value::{self, Allowance, Fields, Length, Value};

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
        let read = |entry: &value::Entry| match entry.value.as_ref().map(|value| &value.value) {
            Some(Value::Map(plan)) => self.plan(&entry.name, plan),
            _ => PlanEntry::unknown(&entry.name),
        };
        fields.named().map(read).collect()
    }

    pub(super) fn plan(&mut self, name: &Spanned<String>, fields: &Fields) -> PlanEntry {
        let mut entry = PlanEntry::unknown(name);
        entry.plan = self.terms(fields, &mut entry);
        entry
    }

    fn terms(&mut self, fields: &Fields, entry: &mut PlanEntry) -> Option<Plan> {
        let allowances = self.allowances(fields, entry);
        let (prices, overage) = (self.prices(fields, entry), self.overage(fields, entry));
        let is_postpaid = !is_paid_ahead(fields) && fields.written("prices").is_some();
        let usage_period = self.usage_period(fields, &allowances, is_postpaid);
        let fee = fields.fee("fee").map(|fee| fee.value);
        self.check_amounts(fields);
        let past_allowance = self.past_allowance(fields);
        self.check_priced(fields, &allowances, entry);
        let prepaid = fields.map("prepaid").map(|prepaid| self.prepaid(prepaid));
        // Not straight into an option, which would end at the first that is wrong.
        let limits: Vec<Option<Limit>> =
            fields.list("limits").unwrap_or_default().iter().map(|limit| self.limit(limit)).collect();
        let rollover = self.rollover(fields);
        let routes = fields.list("routes").map(|routes| self.covered(routes));
        let mut allowance = [None; METERS_MAX];
        for (meter, included) in allowances {
            allowance[meter] = Some(included.value.units);
        }
        Some(Plan {
            name: entry.name.value.clone(),
            fee: fee.map_or(Money::ZERO, |fee| fee.amount),
            fee_period: fee.map(|fee| fee.period),
            usage_period: usage_period.ok()?,
            trial: fields.length("trial").map(|trial| trial.value).filter(|trial| !is_none(*trial)),
            allowance,
            past_allowance: past_allowance?,
            overage: overage?,
            rollover: rollover.ok()?,
            limits: limits.into_iter().collect::<Option<_>>()?,
            spend_cap: fields.fee("spend_cap").map(|cap| cap.value.amount),
            minimum: fields.fee("minimum").map_or(Money::ZERO, |minimum| minimum.value.amount),
            prepaid: match prepaid {
                Some(prepaid) => Some(prepaid?),
                None => None,
            },
            prices: prices?,
            pays_per_request: pays_per_request(fields),
            grace: fields.duration("grace")?.value,
            routes: match routes {
                Some(routes) => Some(routes?),
                None => None,
            },
        })
    }

    fn covered(&mut self, routes: &[Spanned<Value>]) -> Option<Vec<usize>> {
        let mut covered = Vec::new();
        for route in routes {
            let Value::Text(path) = &route.value else { return None };
            covered.push(self.route(Spanned { span: route.span, value: path }));
        }
        let mut covered: Vec<usize> = covered.into_iter().collect::<Option<_>>()?;
        covered.sort_unstable();
        covered.dedup();
        Some(covered)
    }

    /// The index of a route; where the file has none, of the one that is there then.
    pub(super) fn route(&mut self, path: Spanned<&str>) -> Option<usize> {
        let mut known: Vec<&str> = self.routes.iter().map(|route| route.path.as_str()).collect();
        if known.is_empty() {
            known.push("/");
        }
        find("route", path, &known, self.problems)
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

    /// The one period of all that is counted: allowances, the cap, the minimum, usage billed in arrears.
    fn usage_period(
        &mut self,
        fields: &Fields,
        allowances: &[(usize, Spanned<Allowance>)],
        is_postpaid: bool,
    ) -> Result<Option<Period>, Reported> {
        let fee = fields.fee("fee").map(|fee| fee.value.period);
        let named = allowances.iter().filter_map(|(_, it)| Some((it.span, it.value.period?)));
        let amounts = ["spend_cap", "minimum"].into_iter().filter_map(|key| fields.fee(key));
        let named = named.chain(amounts.map(|amount| (amount.span, amount.value.period)));
        // What has no period has the fee's.
        let unnamed = allowances.iter().filter(|(_, it)| it.value.period.is_none());
        let mut periods = named.chain(unnamed.clone().filter_map(|(_, it)| Some((it.span, fee?))));
        let Some((first, period)) = periods.next() else {
            if fields.is_broken("fee") {
                return Err(Reported);
            }
            if let (None, Some((_, included))) = (fields.written("fee"), allowances.first()) {
                let message = "this allowance has no period, and the plan no fee to take it from";
                let problem = Diagnostic::error(included.span, message);
                self.problems.push(problem.help("write per what it is, such as `10k/month`"));
                return Err(Reported);
            }
            return Ok(fee.or(is_postpaid.then_some(Period::Month)));
        };
        if let Some((other, _)) = periods.find(|(_, other)| *other != period) {
            let problem = Diagnostic::error(other, "a plan counts usage in one period, and this is another");
            let problem = problem.related(first, "its period is given here");
            self.problems.push(
                problem
                    .help("give allowances, `spend_cap` and `minimum` the same period; only the fee may have its own"),
            );
            return Err(Reported);
        }
        Ok(Some(period))
    }

    /// Refuses recurring amounts that could add up to more than a consumer's account can hold.
    fn check_amounts(&mut self, fields: &Fields) {
        for key in ["fee", "minimum", "spend_cap"] {
            let (Some(fee), Some(horizon)) = (fields.fee(key), self.horizon) else { continue };
            let shortest_ns = match fee.value.period {
                Period::Day => DAY,
                Period::Month => 28 * DAY,
                Period::Year => 365 * DAY,
            };
            // One period may have begun before the start, and one begins at the end.
            let periods = i128::from(horizon.ns() / shortest_ns) + 2;
            if is_beyond(times(fee.value.amount, periods)) {
                let (this, amount) =
                    if key == "fee" { ("fee".to_owned(), "fee") } else { (format!("`{key}`"), "amount") };
                let message = format!("this {this} can add up to more than {} within the horizon", self.most());
                let problem = Diagnostic::error(place(fields, key), message);
                self.problems.push(problem.help(format!("lower the {amount}, or shorten the horizon")));
            }
        }
    }

    fn past_allowance(&mut self, fields: &Fields) -> Option<PastAllowance> {
        let Some(given) = fields.value("past_allowance") else {
            return (!fields.is_broken("past_allowance")).then_some(PastAllowance::Block);
        };
        match &given.value {
            Value::Choice("overage") => {
                if fields.written("overage").is_none() && !fields.is_broken("overage") {
                    let problem = Diagnostic::error(given.span, "`past_allowance: overage` needs `overage`");
                    self.problems.push(problem.help("write what it costs, such as `overage: { requests: $0.001 }`"));
                }
                Some(PastAllowance::Overage)
            }
            Value::Choice(_) => Some(PastAllowance::Block),
            Value::Map(throttle) => {
                let rate = throttle.rate("throttle")?;
                let rate = self.rate(
                    rate,
                    "a throttle of zero lets nothing pass",
                    "write a rate above zero, or `past_allowance: block`",
                )?;
                self.check_bucket(rate, 1, given.span)?;
                Some(PastAllowance::Throttle(rate))
            }
            _ => None,
        }
    }

    fn rollover(&mut self, fields: &Fields) -> Result<Option<Rollover>, Reported> {
        let Some(rollover) = fields.map("rollover") else {
            return if fields.is_broken("rollover") { Err(Reported) } else { Ok(None) };
        };
        let (min, max) = (rollover.quantity("min").ok_or(Reported)?, rollover.quantity("max").ok_or(Reported)?);
        if min.value > max.value {
            let problem = Diagnostic::error(min.span, "the `min` is more than the `max`");
            self.problems.push(problem.related(max.span, "the `max` is here").help("write at most as much"));
            return Err(Reported);
        }
        Ok(Some(Rollover { min: min.value, max: max.value }))
    }

    // === Prices ===

    fn prices(&mut self, fields: &Fields, entry: &mut PlanEntry) -> Option<PerMeter<Option<Price>>> {
        self.check_pay_per_request(fields);
        let is_prepaid = fields.written("prepaid").is_some();
        if is_prepaid && fields.written("prices").is_none() && !fields.is_broken("prices") {
            let message = format!("the prepaid plan {} has no `prices`", quote(&entry.name.value));
            let problem = Diagnostic::warning(place(fields, "prepaid"), message);
            self.problems.push(problem.help("without them its calls cost nothing, and its credit lasts for ever"));
        }
        let paid = if is_paid_ahead(fields) { Paid::FromCredit } else { Paid::InArrears };
        self.priced(fields, "prices", paid, entry)
    }

    /// What is paid call by call is paid in no other way.
    fn check_pay_per_request(&mut self, fields: &Fields) {
        if !pays_per_request(fields) {
            return;
        }
        let span = place(fields, "pay_per_request");
        if fields.written("prices").is_none() && !fields.is_broken("prices") {
            let problem = Diagnostic::error(span, "there is nothing to pay: the plan has no `prices`");
            self.problems.push(problem.help("write what a call costs, such as `prices: { requests: $0.01 }`"));
        }
        for key in ["trial", "prepaid", "overage", "spend_cap", "minimum"] {
            if let Some(other) = fields.written(key) {
                let problem = Diagnostic::error(other, format!("`{key}` has no effect beside `pay_per_request`"));
                let related = problem.related(span, "each call is paid for by itself here");
                self.problems.push(related.help("keep one of the two"));
            }
        }
    }

    fn overage(&mut self, fields: &Fields, entry: &mut PlanEntry) -> Option<PerMeter<Option<Price>>> {
        if let (Some(span), Some(Value::Choice("block") | Value::Map(_))) =
            (fields.written("overage"), fields.value("past_allowance").map(|it| &it.value))
        {
            let problem = Diagnostic::error(span, "`overage` has no effect without `past_allowance: overage`");
            let related = fields.written("past_allowance").unwrap_or(span);
            self.problems.push(
                problem
                    .related(related, "which is given here")
                    .help("write `past_allowance: overage`, or leave it out"),
            );
        }
        self.priced(fields, "overage", Paid::InArrears, entry)
    }

    fn priced(
        &mut self,
        fields: &Fields,
        key: &str,
        paid: Paid,
        entry: &mut PlanEntry,
    ) -> Option<PerMeter<Option<Price>>> {
        let (mut prices, mut is_right) = (PerMeter::default(), true);
        for priced in fields.map(key).into_iter().flat_map(Fields::named) {
            let Some(meter) = self.meter(&priced.name) else { continue };
            entry.prices[meter] = Some(priced.name.span);
            match priced.value.as_ref().and_then(|price| self.price(price, paid)) {
                Some(price) => prices[meter] = Some(price),
                None => is_right = false,
            }
        }
        is_right.then_some(prices)
    }

    /// Prices that never apply, and units that nobody priced.
    fn check_priced(&mut self, fields: &Fields, allowances: &[(usize, Spanned<Allowance>)], entry: &PlanEntry) {
        let named = |key: &'static str| fields.map(key).into_iter().flat_map(Fields::named);
        let is_prepaid = is_paid_ahead(fields);
        for over in named("overage") {
            let name = quote(&over.name.value);
            if !named("includes").any(|it| it.name.value == over.name.value) {
                let problem = Diagnostic::error(over.name.span, format!("{name} has no allowance to be past of"));
                self.problems.push(problem.help("include some of it, or price it under `prices`"));
            }
            let twice = named("prices").find(|it| !is_prepaid && it.name.value == over.name.value);
            if let Some(twice) = twice {
                let problem = Diagnostic::error(over.name.span, format!("{name} has two prices past its allowance"));
                self.problems.push(problem.related(twice.name.span, "the other is here").help("keep one of the two"));
            }
        }
        let is_overage = matches!(fields.value("past_allowance").map(|it| &it.value), Some(Value::Choice("overage")));
        if is_overage && fields.written("overage").is_some() {
            for (meter, _) in allowances.iter().filter(|(meter, _)| entry.prices[*meter].is_none()) {
                let message = format!("past its allowance, {} costs nothing", quote(&self.meters[*meter].name));
                let span = entry.includes[*meter].unwrap_or(fields.owner);
                self.problems.push(Diagnostic::warning(span, message).help("price it under `overage`"));
            }
        }
        let both = named("prices").find(|it| named("includes").any(|included| included.name.value == it.name.value));
        if let (false, false, Some(both)) = (is_overage, is_prepaid, both) {
            let name = quote(&both.name.value);
            let message = format!("the price of {name} never applies: past the allowance no call is billed");
            let problem = Diagnostic::warning(both.name.span, message);
            self.problems.push(problem.help("write `past_allowance: overage`, and the price under `overage`"));
        }
        let bills_usage = fields.written("overage").is_some() || (!is_prepaid && fields.written("prices").is_some());
        if let (Some(span), false) = (fields.written("spend_cap"), bills_usage) {
            let problem = Diagnostic::warning(span, "there is nothing to cap: this plan bills no usage in arrears");
            self.problems.push(problem.help("the fee, top-ups and credit are apart from it"));
        }
    }

    // === Limits ===

    fn rate(&mut self, rate: Spanned<value::Rate>, message: &str, help: &str) -> Option<Rate> {
        if rate.value.events == 0 {
            self.problems.push(Diagnostic::error(rate.span, message).help(help));
            return None;
        }
        Some(Rate { requests: rate.value.events, per: rate.value.per })
    }

    fn limit(&mut self, limit: &Spanned<Value>) -> Option<Limit> {
        let Value::Map(fields) = &limit.value else { return None };
        let kind = fields.choice("kind")?;
        let is_bucket = matches!(kind.value, "token_bucket" | "leaky_bucket");
        if let (Some(span), false) = (fields.written("burst"), is_bucket) {
            let problem = Diagnostic::error(span, format!("`{}` has no `burst`", kind.value));
            self.problems.push(problem.help("leave it out, or use a `token_bucket`"));
            return None;
        }
        let (measure, example) =
            if kind.value == "concurrency" { ("in_flight", "in_flight: 10") } else { ("requests", "requests: 20/s") };
        if fields.written(measure).is_none() {
            // Where neither is written, the table has said so.
            if let Some(span) = fields.written("requests").or(fields.written("in_flight")) {
                let problem = Diagnostic::error(span, format!("`{}` is given as `{measure}`", kind.value));
                self.problems.push(problem.help(format!("write `{example}`")));
            }
            return None;
        }
        if kind.value == "concurrency" {
            return fields.quantity("in_flight").map(|most| Limit::Concurrency(most.value));
        }
        let written = fields.rate("requests")?;
        let rate = self.rate(written, "a limit of zero refuses every call", "write a rate above zero")?;
        if fields.is_broken("burst") {
            return None;
        }
        let burst = fields.quantity("burst").map(|burst| burst.value);
        match kind.value {
            "fixed_window" => self.check_window(rate, u64::MAX, written.span).map(Limit::FixedWindow),
            "sliding_window" => self.check_window(rate, limit::LOGGED_CALLS, written.span).map(Limit::SlidingWindow),
            "leaky_bucket" => {
                let burst = burst.unwrap_or(0);
                self.check_bucket(rate, burst + 1, place(fields, "burst"))?;
                Some(Limit::LeakyBucket { rate, burst })
            }
            _ => {
                let burst = burst.unwrap_or_else(|| per_second_rounded_up(rate));
                self.check_bucket(rate, burst, place(fields, "burst"))?;
                Some(Limit::TokenBucket { rate, burst })
            }
        }
    }

    /// Refuses a window that is longer, or counts to more, than the engine can.
    fn check_window(&mut self, rate: Rate, most: u64, span: Span) -> Option<Rate> {
        let problem = if rate.per.ns() > limit::WINDOW_NS {
            Diagnostic::error(span, "this window is longer than can be counted").help("write a faster rate")
        } else if rate.requests > most {
            let problem = Diagnostic::error(span, "a sliding window remembers each call, and these are too many");
            problem.help(format!("write at most `{most}`, or use a `fixed_window` or a `token_bucket`"))
        } else {
            return Some(rate);
        };
        self.problems.push(problem);
        None
    }

    /// Refuses a bucket whose fill does not fit the integers that the engine keeps it in.
    fn check_bucket(&mut self, rate: Rate, burst: u64, span: Span) -> Option<()> {
        let divisor = unit::gcd(u128::from(rate.requests), u128::from(rate.per.ns()));
        let token = u128::from(rate.per.ns()) / divisor;
        if u128::from(burst) * token <= limit::BUCKET_LEVEL {
            return Some(());
        }
        let message = "this burst is more than a bucket that refills so slowly can count";
        let most = limit::BUCKET_LEVEL / token;
        let help =
            if most > 0 { format!("write at most `{most}` at this rate") } else { "write a faster rate".to_owned() };
        self.problems.push(Diagnostic::error(span, message).help(help));
        None
    }
}

impl PlanEntry {
    /// A plan of which only the name is known.
    fn unknown(name: &Spanned<String>) -> Self {
        Self { name: name.clone(), plan: None, prices: [None; METERS_MAX], includes: [None; METERS_MAX] }
    }
}

/// Whether a length is no time at all.
fn is_none(length: Length) -> bool {
    matches!(length, Length::Exact(time::Span::ZERO) | Length::Months(0))
}

/// What a second refills, at least one.
fn per_second_rounded_up(rate: Rate) -> u64 {
    let a_second = (u128::from(rate.requests) * u128::from(SECOND)).div_ceil(u128::from(rate.per.ns()));
    u64::try_from(a_second).unwrap_or(u64::MAX)
}

/// Whether each call is paid for by itself.
fn pays_per_request(fields: &Fields) -> bool {
    fields.bool("pay_per_request").unwrap_or(false)
}

/// Whether calls are paid for when they are made, and not when the period ends.
fn is_paid_ahead(fields: &Fields) -> bool {
    fields.written("prepaid").is_some() || pays_per_request(fields)
}
