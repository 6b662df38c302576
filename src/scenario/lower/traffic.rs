//! Traffic: when a cohort calls, and which routes.

use farebox_engine::distribution::Distribution;
use farebox_engine::model::{Arrivals, METERS_MAX, Pattern, PerMeter, Price, Process, Sessions, Shape, Trace};

use super::plan::PlanEntry;
use super::price::{dearest, is_beyond};
use super::{Lowering, REQUESTS_NAME, Reported, place};
use crate::scenario::diagnostic::{Diagnostic, Span, Spanned, quote};
use crate::scenario::limit;
use crate::scenario::trace;
use crate::scenario::unit;
use crate::scenario::value::{Fields, Value};

/// The columns of a trace: attributes, each with its column.
type Columns<'a> = Vec<(&'a str, Spanned<&'a str>)>;

impl Lowering<'_> {
    pub(super) fn arrivals(&mut self, traffic: &Fields, cohort: &Fields, plan: Option<&PlanEntry>) -> Option<Arrivals> {
        let columns = columns(traffic);
        let at = cohort.value("plan").map(|plan| plan.span);
        if traffic.written("trace").is_none() {
            if let (Some(plan), Some(at), true) = (plan, at, traffic.written("rate").is_some()) {
                let carried = self.carried(traffic);
                let help = |name: &str| format!("give a route that they call the attribute {}", quote(name));
                self.check_meters(plan, at, &carried, help);
                let most = self.most_per_call(traffic);
                self.check_cost(plan, at, "one call of this cohort", &most);
            }
            return self.drawn_arrivals(traffic);
        }
        if let (Some(plan), Some(at), true) = (plan, at, traffic.map("columns").is_some()) {
            let carried: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            let help = |name: &str| format!("give its trace a column for {}", quote(name));
            self.check_meters(plan, at, &carried, help);
        }
        let trace = self.trace(traffic, cohort, &columns)?;
        if let Some(plan) = plan {
            self.check_cost(plan, traffic.text("trace")?.span, "one call of this trace", &trace.most);
        }
        Some(Arrivals::Trace(trace))
    }

    /// A Poisson process; or another one, or at a rate that follows the week.
    fn drawn_arrivals(&mut self, traffic: &Fields) -> Option<Arrivals> {
        let rate = traffic.value("rate").and_then(|rate| Some((rate.span, self.rate_over_cohort(rate)?)));
        let (arrivals, shape) = (traffic.value("arrivals"), self.shape(traffic));
        let sessions = self.sessions(&arrivals?.value);
        let process = process(&arrivals?.value)?;
        let (span, (mean_gap_ns, spread)) = rate?;
        let (sessions, shape) = (sessions.ok()?, shape.ok()?);
        if process == Process::Poisson && sessions.is_none() && shape.is_none() {
            return Some(Arrivals::Poisson { mean_gap_ns, spread });
        }
        let pattern = Pattern { mean_gap_ns, spread, process, sessions, shape };
        self.check_busiest(span, traffic, &pattern)?;
        Some(Arrivals::Patterned(pattern))
    }

    /// What the calls that come by themselves are followed by, `None` where by nothing.
    fn sessions(&mut self, arrivals: &Value) -> Result<Option<Sessions>, Reported> {
        let Value::Map(map) = arrivals else { return Ok(None) };
        let Some(sessions) = map.map("sessions") else { return Ok(None) };
        let [calls, think] =
            ["calls", "think"].map(|key| sessions.value(key).and_then(|value| self.distribution(value)));
        Ok(Some(Sessions::new(calls.ok_or(Reported)?, think.ok_or(Reported)?)))
    }

    /// The mean gap in ns at a rate, and the multiple of the rate that each consumer has.
    fn rate_over_cohort(&mut self, rate: &Spanned<Value>) -> Option<(f64, Option<Distribution>)> {
        if let Value::Rate(value) = rate.value {
            let rate = self.calls(&Spanned { span: rate.span, value })?;
            return Some((rate.per.ns() as f64 / rate.events as f64, None));
        }
        let (per_second, spread) = match self.distribution(rate)? {
            Distribution::Constant(rate) => (rate, None),
            Distribution::LogNormal { mu, sigma } => (libm::exp(mu), Some(Distribution::LogNormal { mu: 0.0, sigma })),
            Distribution::Exponential { mean } => (mean, Some(Distribution::Exponential { mean: 1.0 })),
            Distribution::Gamma { shape, mean } => (mean, Some(Distribution::Gamma { shape, mean: 1.0 })),
            Distribution::Pareto { alpha, .. } if alpha <= 1.0 => {
                let message = format!("with an `alpha` of {alpha} these rates have no mean");
                let help = "write an `alpha` above 1: a load and a forecast go by the mean rate of a cohort";
                self.problems.push(Diagnostic::error(rate.span, message).help(help));
                return None;
            }
            Distribution::Pareto { min, alpha } => (min, Some(Distribution::Pareto { min: 1.0, alpha })),
            Distribution::Uniform { from, to } => {
                let middle = f64::midpoint(from, to);
                (middle, Some(Distribution::Uniform { from: from / middle, to: to / middle }))
            }
            Distribution::Empirical(_) => return None,
        };
        Some((1e9 / per_second, spread))
    }

    /// How the rate follows the week, `None` where it does not.
    fn shape(&mut self, traffic: &Fields) -> Result<Option<Shape>, Reported> {
        let Spanned { span, value } = traffic.value("shape").ok_or(Reported)?;
        let (hours, weekdays) = match value {
            Value::Choice("flat") => return Ok(None),
            Value::Choice(preset) => self::preset(preset),
            Value::Map(weights) => (weights_of(weights, "hours")?, weights_of(weights, "weekdays")?),
            _ => return Err(Reported),
        };
        if let Some(shape) = Shape::new(&hours, &weekdays) {
            return Ok(Some(shape));
        }
        let problem = Diagnostic::error(*span, "by these weights nobody ever calls");
        self.problems.push(problem.help("give at least one of them a weight above 0"));
        Err(Reported)
    }

    /// Refuses a rate that is too much in bursts and busy hours; one that is spread, by its measure.
    fn check_busiest(&mut self, rate: Span, traffic: &Fields, pattern: &Pattern) -> Option<()> {
        let per_s = 1e9 / pattern.mean_gap_ns * pattern.peak();
        if per_s <= limit::CALLS_PER_S as f64 {
            return Some(());
        }
        let message = format!("in its busiest moments this rate is more than {}/s", unit::short(limit::CALLS_PER_S));
        let problem = Diagnostic::error(rate, message).help("lower the rate, or spread it more evenly over time");
        let related = ["arrivals", "shape"].into_iter().find_map(|key| traffic.written(key));
        self.problems.push(match related {
            Some(span) => problem.related(span, "which it follows here"),
            None => problem,
        });
        None
    }

    fn trace(&mut self, traffic: &Fields, cohort: &Fields, attributes: &Columns<'_>) -> Option<Trace> {
        let (file, columns) = (traffic.text("trace")?, traffic.map("columns")?);
        self.warn_unused(attributes);
        self.check_said_once(traffic, columns);
        let request = trace::Request {
            folder: self.files.folder(),
            file,
            time: columns.text("time")?,
            consumer: columns.text("consumer"),
            route: columns.text("route"),
            attributes,
            meters: &self.meters,
            routes: &self.routes,
            consumers: cohort.quantity("count")?.value,
            hand_out: traffic.hand_out("map")?,
            repeat: Spanned { span: place(traffic, "repeat"), value: traffic.bool("repeat")? },
            horizon: self.horizon,
        };
        let (trace, hash) = self.files.trace(&request, self.problems)?;
        self.traces.push(hash);
        Some(trace)
    }

    /// What a column says of each row is not said of all of them as well.
    fn check_said_once(&mut self, traffic: &Fields, columns: &Fields) {
        for (key, column, what) in
            [("map", "consumer", "who has which row"), ("routes", "route", "what each row calls")]
        {
            let (Some(at), Some(said)) = (traffic.written(key), columns.written(column)) else { continue };
            let problem = Diagnostic::error(at, format!("`{key}` is given beside a column that says {what}"));
            self.problems.push(problem.related(said, "the column is named here").help("keep one of the two"));
        }
    }

    // === Routes ===

    /// Which routes a cohort calls, and how often; without a mix, all of them evenly.
    pub(super) fn mix(&mut self, traffic: &Fields) -> Option<Vec<(usize, f64)>> {
        let Some(mix) = traffic.map("routes") else {
            let count = self.routes.len().max(1);
            return (!traffic.is_broken("routes"))
                .then(|| (0..count).map(|route| (route, 1.0 / count as f64)).collect());
        };
        // That there are none has been said.
        mix.named().next()?;
        let (mut routes, mut total) = (Vec::new(), (0u128, 1u128));
        let mut is_right = true;
        for entry in mix.named() {
            let route = self.route(Spanned { span: entry.name.span, value: entry.name.value.as_str() });
            match (route, entry.value.as_ref().map(|value| &value.value)) {
                (Some(route), Some(Value::Share(share))) => {
                    routes.push((route, share.parts as f64 / share.of as f64));
                    total = sum(total, (u128::from(share.parts), u128::from(share.of)));
                }
                _ => is_right = false,
            }
        }
        if is_right && total.0 != total.1 {
            let percent = 100.0 * total.0 as f64 / total.1 as f64;
            let span = traffic.written("routes").unwrap_or(traffic.owner);
            let problem = Diagnostic::error(span, format!("these shares sum to {percent}%"));
            self.problems.push(problem.help("make them sum to 100%"));
            return None;
        }
        is_right.then_some(routes)
    }

    /// The indices of the routes that a cohort calls, without a word about those that are not there.
    fn called(&self, traffic: &Fields) -> Vec<usize> {
        match traffic.map("routes") {
            None => (0..self.routes.len()).collect(),
            Some(mix) => {
                let place = |name: &str| self.routes.iter().position(|route| route.path == name);
                mix.named().filter_map(|entry| place(&entry.name.value)).collect()
            }
        }
    }

    /// The attributes that the calls of a cohort may carry.
    fn carried(&self, traffic: &Fields) -> Vec<String> {
        let routes = self.called(traffic);
        routes.iter().flat_map(|&route| &self.routes[route].attributes).map(|it| it.name.clone()).collect()
    }

    /// The most of each meter that one call of a cohort can use.
    fn most_per_call(&self, traffic: &Fields) -> PerMeter<u64> {
        let mut most = [1; METERS_MAX];
        for (index, meter) in self.meters.iter().enumerate().take(METERS_MAX).filter(|(_, meter)| !meter.sum.is_empty())
        {
            let uses = |route: usize| {
                let summed = self.routes[route].attributes.iter().filter(|it| meter.sum.contains(&it.name));
                summed.map(|it| it.most).sum::<u64>()
            };
            most[index] = self.called(traffic).into_iter().map(uses).max().unwrap_or(0);
        }
        most
    }

    // === What the plan asks of the calls ===

    /// A meter of attributes that the calls do not carry counts nothing: what is priced by it is free, and what is
    /// allowed of it never ends.
    fn check_meters(&mut self, plan: &PlanEntry, at: Span, carried: &[String], help: impl Fn(&str) -> String) {
        for (index, meter) in self.meters.iter().take(METERS_MAX).enumerate() {
            let Some(missing) = meter.sum.iter().find(|name| !carried.contains(name)) else { continue };
            let (plan_name, meter_name) = (quote(&plan.name.value), quote(&meter.name));
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
            self.problems.push(problem.help(help(missing)));
        }
    }

    fn warn_unused(&mut self, attributes: &Columns<'_>) {
        for (name, column) in attributes {
            if !self.meters.iter().any(|meter| meter.sum.iter().any(|known| known == name)) {
                let problem = Diagnostic::warning(column.span, format!("no meter sums the attribute {}", quote(name)));
                self.problems
                    .push(problem.help(format!("add one under `meters`, such as `total: {{ sum: [{name}] }}`")));
            }
        }
    }

    /// Refuses prices at which one call costs more than an account can hold.
    fn check_cost(&mut self, entry: &PlanEntry, span: Span, what: &str, most: &PerMeter<u64>) {
        let Some(plan) = &entry.plan else { return };
        let cost = |prices: &PerMeter<Option<Price>>| -> i128 {
            prices.iter().zip(most).map(|(price, units)| price.as_ref().map_or(0, |price| dearest(price, *units))).sum()
        };
        if is_beyond(cost(&plan.prices)) || is_beyond(cost(&plan.overage)) {
            let problem = Diagnostic::error(span, format!("{what} can cost more than {}", self.most()));
            let meter = self.meters.iter().find(|meter| meter.name != REQUESTS_NAME);
            let help = match meter {
                Some(_) => "lower the prices of its plan, or what a call carries",
                None => "lower the prices of its plan",
            };
            self.problems.push(problem.help(help));
        }
    }
}

fn process(value: &Value) -> Option<Process> {
    match value {
        Value::Choice("poisson") => Some(Process::Poisson),
        Value::Choice(_) => Some(Process::Constant),
        Value::Map(map) if map.map("sessions").is_some() => Some(Process::Poisson),
        Value::Map(map) => {
            let bursty = map.map("bursty")?;
            Some(Process::Bursty { burst: bursty.duration("burst")?.value, pause: bursty.duration("pause")?.value })
        }
        _ => None,
    }
}

/// The presets of `shape`, round numbers that were not measured; the doc of the key repeats them.
fn preset(name: &str) -> ([f64; 24], [f64; 7]) {
    let (mut hours, mut weekdays) = ([1.0; 24], [1.0; 7]);
    match name {
        "office_hours" => {
            hours[8..18].fill(10.0);
            weekdays[5..].fill(0.2);
        }
        "evenings" => hours[18..23].fill(4.0),
        _ => weekdays[5..].fill(3.0),
    }
    (hours, weekdays)
}

/// So many weights, all of them 1 where none are written.
fn weights_of<const N: usize>(fields: &Fields, name: &str) -> Result<[f64; N], Reported> {
    let Some(weights) = fields.list(name) else {
        return if fields.is_broken(name) { Err(Reported) } else { Ok([1.0; N]) };
    };
    let number = |weight: &Spanned<Value>| if let Value::Number(weight) = weight.value { Some(weight) } else { None };
    let weights: Option<Vec<f64>> = weights.iter().map(number).collect();
    weights.and_then(|weights| weights.try_into().ok()).ok_or(Reported)
}

/// Two fractions, added. Denominators are one, or 100 times a power of ten, so the larger is a multiple of the smaller.
fn sum(a: (u128, u128), b: (u128, u128)) -> (u128, u128) {
    let of = a.1.max(b.1);
    (a.0 * (of / a.1) + b.0 * (of / b.1), of)
}

fn columns(traffic: &Fields) -> Columns<'_> {
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
