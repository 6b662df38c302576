//! The one bridge from a document to the engine's model: reads it along the table, then judges what no table can say
//! (names that must exist, amounts that must fit). It goes on after problems and returns a model only without errors.

mod change;
pub(super) mod client;
mod cohort;
mod distribution;
mod fault;
mod gateway;
mod live;
mod payments;
mod plan;
mod prepaid;
mod price;
mod reaction;
mod reminder;
mod route;
mod threshold;
mod together;
mod traffic;
mod upstream;

use farebox_engine::model::{METERS_MAX, Meter, Route, Scenario, Upstream};
use farebox_engine::money::{CURRENCIES, Currency, Money};
use farebox_engine::time;
use jiff::ToSpan;
use jiff::civil::DateTime;

use super::diagnostic::{Diagnostic, Problems, Span, Spanned, enumerate, quote};
use super::files::Files;
use super::keys;
use super::limit;
use super::node::{Node, Scalar};
use super::reader::Reader;
use super::suggest::did_you_mean;
use super::unit;
use super::value::{Fields, Length, Rate, Value};

/// A model, but for its fingerprint, and the hashes of the files that are part of it.
pub(super) struct Lowered {
    pub(super) scenario: Scenario,
    pub(super) traces: Vec<[u8; 32]>,
    /// Where the thresholds stand, in their order.
    pub(super) thresholds: Vec<Span>,
}

/// The model of a document, of whose files beside it each is read once; `None` when there is an error among the problems.
pub(super) fn lower(root: &Spanned<Node>, files: &Files, problems: &mut Problems) -> Option<Lowered> {
    let currency = peek_currency(root);
    let fields = Reader { currency, problems }.document(&keys::SCENARIO, root)?;
    let mut lowering = Lowering {
        files,
        problems,
        currency,
        horizon: None,
        meters: Vec::new(),
        routes: Vec::new(),
        upstreams: Vec::new(),
        traces: Vec::new(),
        threshold_spans: Vec::new(),
    };
    let scenario = lowering.scenario(&fields, root);
    if lowering.problems.has_errors() {
        return None;
    }
    let scenario = scenario.expect("whatever is missing from the model has been reported");
    Some(Lowered { scenario, traces: lowering.traces, thresholds: lowering.threshold_spans })
}

/// The scenario's currency, which amounts anywhere in the file are read in; `None` when what is written is none.
fn peek_currency(root: &Spanned<Node>) -> Option<Currency> {
    let Node::Map(pairs) = &root.value else { return None };
    match pairs.iter().find(|(key, _)| key.value == "currency") {
        None => Some(CURRENCIES[0]),
        Some((_, Spanned { value: Node::Scalar(Scalar { text, .. }), .. })) => Currency::from_code(text),
        Some(_) => None,
    }
}

struct Lowering<'a> {
    files: &'a Files,
    problems: &'a mut Problems,
    currency: Option<Currency>,
    /// `None` when the horizon is not known, which has been reported.
    horizon: Option<time::Span>,
    meters: Vec<Meter>,
    /// As the file has them; none when it has none.
    routes: Vec<Route>,
    /// None while something is wrong with them.
    upstreams: Vec<Upstream>,
    traces: Vec<[u8; 32]>,
    threshold_spans: Vec<Span>,
}

impl Lowering<'_> {
    fn scenario(&mut self, fields: &Fields, root: &Spanned<Node>) -> Option<Scenario> {
        let start = fields.moment("start");
        self.horizon =
            start.zip(fields.length("horizon")).and_then(|(start, length)| self.horizon(start.value, length));
        self.meters = self.meters(fields.map("meters"));
        let is_routed = self.routes(fields);
        let plans = fields.map("plans").map(|plans| self.plans(plans)).unwrap_or_default();
        let changes = self.changes(fields, root, &plans);
        let is_answered = fields.map("upstreams").is_some_and(|upstreams| self.upstreams(upstreams, fields));
        let cohorts = fields.map("consumers").and_then(|cohorts| self.cohorts(cohorts, &plans));
        let payments = fields.map("payments").and_then(|payments| self.payments(payments));
        let live = fields.map("live").and_then(|live| self.live(live));
        let faults = self.faults(fields, &plans);
        let thresholds = self.thresholds(fields, cohorts.as_deref(), payments.as_ref());
        if !is_routed || !is_answered {
            return None;
        }
        if self.routes.is_empty() {
            self.routes.push(Route { path: "/".to_owned(), upstream: 0, attributes: Vec::new() });
        }
        self.warn_unreached(fields);
        let lowered = Scenario {
            name: fields.text("scenario")?.value.to_owned(),
            seed: fields.quantity("seed")?.value,
            currency: fields.currency("currency")?,
            start: start?.value,
            horizon: self.horizon?,
            fingerprint: String::new(),
            meters: self.meters.clone(),
            routes: self.routes.clone(),
            plans: plans.into_iter().map(|plan| plan.plan).collect::<Option<_>>()?,
            changes: changes?,
            cohorts: cohorts?,
            upstreams: self.upstreams.clone(),
            payments: payments?,
            faults,
            gateway: gateway::gateway(fields.map("gateway")?)?,
            live: live?,
            replications: fields.quantity("replications")?.value as u32,
            thresholds,
        };
        self.check_labels(fields, &lowered);
        self.warn_unmet(fields, &lowered);
        self.warn_unreminded(fields, &lowered);
        Some(lowered)
    }

    /// The horizon as a fixed length: months and years counted on the calendar.
    fn horizon(&mut self, start: DateTime, length: Spanned<Length>) -> Option<time::Span> {
        let after = |span: jiff::Span| {
            let end = start.checked_add(span).ok()?;
            let ns = start.duration_until(end).as_nanos();
            u64::try_from(ns).ok().map(time::Span::from_ns)
        };
        let ends = match length.value {
            Length::Exact(span) => after((span.ns() as i64).nanoseconds()),
            Length::Months(months) => after(i64::from(months).months()),
        };
        let Some(horizon) = ends else {
            let message = "the horizon ends after the year 9999";
            self.problems.push(Diagnostic::error(length.span, message).help("choose an earlier `start`"));
            return None;
        };
        // A start in the last ten years of the calendar fails above, so ten years on can only be missing with it.
        if after(i64::from(limit::HORIZON_YEARS).years()).is_some_and(|most| horizon > most) {
            let message = format!("the horizon is longer than {} years", limit::HORIZON_YEARS);
            self.problems.push(Diagnostic::error(length.span, message).help("write at most `10y`"));
            return None;
        }
        Some(horizon)
    }

    // === Meters ===

    fn meters(&mut self, fields: Option<&Fields>) -> Vec<Meter> {
        let mut meters = vec![Meter { name: REQUESTS_NAME.to_owned(), sum: Vec::new() }];
        for entry in fields.into_iter().flat_map(Fields::named) {
            if entry.name.value == REQUESTS_NAME {
                let problem = Diagnostic::error(entry.name.span, "the meter `requests` is there already");
                self.problems.push(problem.help("leave it out, or choose another name"));
                continue;
            }
            let sum = match entry.value.as_ref().map(|value| &value.value) {
                Some(Value::Map(meter)) => self.attributes(meter.list("sum").unwrap_or_default()),
                _ => Vec::new(),
            };
            meters.push(Meter { name: entry.name.value.clone(), sum });
        }
        meters
    }

    fn attributes(&mut self, items: &[Spanned<Value>]) -> Vec<String> {
        let mut names = Vec::new();
        for item in items {
            let Value::Text(name) = &item.value else { continue };
            if names.contains(name) {
                let problem = Diagnostic::error(item.span, format!("the attribute {} is summed twice", quote(name)));
                self.problems.push(problem.help("name it once"));
            }
            names.push(name.clone());
        }
        names
    }

    /// The index of a meter, or a diagnostic with the one that was meant. Meters beyond what a scenario may have were
    /// reported as such and have no index.
    fn meter(&mut self, name: &Spanned<String>) -> Option<usize> {
        let names: Vec<&str> = self.meters.iter().map(|meter| meter.name.as_str()).collect();
        let found = find("meter", Spanned { span: name.span, value: &name.value }, &names, self.problems);
        found.filter(|&index| index < METERS_MAX)
    }

    // === What several parts need ===

    /// A rate of calls that something can be made to happen at.
    fn calls(&mut self, rate: &Spanned<Rate>) -> Option<Rate> {
        let Some((message, help)) = unit::unplayable(rate.value) else { return Some(rate.value) };
        self.problems.push(Diagnostic::error(rate.span, message).help(help));
        None
    }

    /// The largest amount in the scenario's currency, as the language writes it.
    fn most(&self) -> String {
        unit::most(self.currency.unwrap_or(CURRENCIES[0]).scale)
    }
}

/// The index of a name among those of its kind, or a diagnostic with the one that was meant.
fn find(noun: &str, name: Spanned<&str>, known: &[&str], problems: &mut Problems) -> Option<usize> {
    let found = known.iter().position(|known| *known == name.value);
    if found.is_none() {
        let names = || known.iter().copied();
        let help = did_you_mean(name.value, names()).unwrap_or_else(|| match enumerate(names()) {
            listed if listed.is_empty() => format!("add it under `{noun}s`"),
            listed => format!("the {noun}s are {listed}"),
        });
        problems.push(Diagnostic::error(name.span, format!("unknown {noun} {}", quote(name.value))).help(help));
    }
    found
}

/// Something was wrong, and has been reported: not the same as not being there.
struct Reported;

/// The meter that is always there.
const REQUESTS_NAME: &str = "requests";

/// Where a key of a map is, or what the map belongs to.
fn place(fields: &Fields, key: &str) -> Span {
    fields.written(key).unwrap_or(fields.owner)
}

impl Lowering<'_> {
    /// An amount that the processor is asked for: in whole minor units, because it takes no other.
    fn collected(&mut self, amount: Spanned<Money>) -> Option<Money> {
        let Some(currency) = self.currency else { return Some(amount.value) };
        let minor = currency.scale / 10_i64.pow(currency.exponent.into());
        if amount.value.nanos() % minor == 0 {
            return Some(amount.value);
        }
        let least = currency.display(minor.into());
        let problem = Diagnostic::error(amount.span, format!("no payment has a part smaller than {least}"));
        self.problems.push(problem.help(format!("credit is bought for a multiple of {least}: write one")));
        None
    }
}

/// An amount that may be left out, which is then nothing; `None` when what is written was wrong.
fn amount(fields: &Fields, key: &str) -> Option<Money> {
    match fields.money(key) {
        Some(money) => Some(money.value),
        None if fields.is_broken(key) => None,
        None => Some(Money::ZERO),
    }
}
