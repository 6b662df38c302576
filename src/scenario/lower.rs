//! The one bridge from a document to the engine's model: reads it along the table, then judges what no table can say
//! (names that must exist, amounts that must fit). It goes on after problems and returns a model only without errors.

mod cohort;
mod plan;

use std::path::Path;

use farebox_engine::distribution::{Latency, Z95, Z99};
use farebox_engine::model::{Dunning, Finally, Live, METERS_MAX, Meter, Scenario, Upstream};
use farebox_engine::money::{CURRENCIES, Currency};
use farebox_engine::time;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime};

use super::diagnostic::{Diagnostic, Problems, Span, Spanned, quote};
use super::keys;
use super::limit;
use super::node::{Node, Scalar};
use super::reader::Reader;
use super::suggest::did_you_mean;
use super::unit;
use super::value::{Fields, Length, Value};

/// A model, but for its fingerprint, and the hashes of the traces that are part of it.
pub(super) struct Lowered {
    pub(super) scenario: Scenario,
    pub(super) traces: Vec<[u8; 32]>,
}

/// The model of a document whose traces are in `folder`; `None` when there is an error among the problems.
pub(super) fn lower(root: &Spanned<Node>, folder: &Path, problems: &mut Problems) -> Option<Lowered> {
    let fields = Reader { currency: peek_currency(root), problems }.document(&keys::SCENARIO, root)?;
    let mut lowering = Lowering { folder, problems, horizon: None, meters: Vec::new(), traces: Vec::new() };
    let scenario = lowering.scenario(&fields);
    if lowering.problems.has_errors() {
        return None;
    }
    let scenario = scenario.expect("whatever is missing from the model has been reported");
    Some(Lowered { scenario, traces: lowering.traces })
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
    folder: &'a Path,
    problems: &'a mut Problems,
    /// `None` when the horizon is not known, which has been reported.
    horizon: Option<time::Span>,
    meters: Vec<Meter>,
    traces: Vec<[u8; 32]>,
}

impl Lowering<'_> {
    fn scenario(&mut self, fields: &Fields) -> Option<Scenario> {
        let start = fields.date("start");
        self.horizon =
            start.zip(fields.length("horizon")).and_then(|(start, length)| self.horizon(start.value, length));
        self.meters = self.meters(fields.map("meters"));
        let plans = fields.map("plans").map(|plans| self.plans(plans)).unwrap_or_default();
        let cohorts = fields.map("consumers").and_then(|cohorts| self.cohorts(cohorts, &plans));
        let upstream = fields.map("upstreams").and_then(|upstreams| self.upstream(upstreams));
        let dunning = fields.map("payments").and_then(|payments| dunning(payments.map("dunning")?));
        let live = fields.map("live").and_then(|live| self.live(live));
        Some(Scenario {
            name: fields.text("scenario")?.value.to_owned(),
            seed: fields.quantity("seed")?.value,
            currency: fields.currency("currency")?,
            start: DateTime::from(start?.value),
            horizon: self.horizon?,
            fingerprint: String::new(),
            meters: self.meters.clone(),
            plans: plans.into_iter().map(|plan| plan.plan).collect::<Option<_>>()?,
            cohorts: cohorts?,
            upstream: upstream?,
            dunning: dunning?,
            live: live?,
        })
    }

    /// The horizon as a fixed length: months and years counted on the calendar.
    fn horizon(&mut self, start: Date, length: Spanned<Length>) -> Option<time::Span> {
        let start = DateTime::from(start);
        let after = |span: jiff::Span| {
            let end = start.checked_add(span).ok()?;
            let ns = start.duration_until(end).as_nanos();
            u64::try_from(ns).ok().map(time::Span::from_ns)
        };
        let ends = match length.value {
            Length::Exact(span) => after((span.ns() as i64).nanoseconds()),
            Length::Months(months) => after(months.months()),
            Length::Years(years) => after(years.years()),
        };
        let Some(horizon) = ends else {
            let message = "the horizon ends after the year 9999";
            self.problems.push(Diagnostic::error(length.span, message).help("choose an earlier `start`"));
            return None;
        };
        // A start in the last ten years of the calendar fails above, so ten years on can only be missing with it.
        if after(limit::HORIZON_YEARS.years()).is_some_and(|most| horizon > most) {
            let message = format!("the horizon is longer than {} years", limit::HORIZON_YEARS);
            self.problems.push(Diagnostic::error(length.span, message).help("write at most `10y`"));
            return None;
        }
        Some(horizon)
    }

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
        let found = self.meters.iter().position(|meter| meter.name == name.value);
        if found.is_none() {
            let known = self.meters.iter().map(|meter| meter.name.as_str());
            let problem = Diagnostic::error(name.span, format!("unknown meter {}", quote(&name.value)));
            let help = did_you_mean(&name.value, known.clone())
                .unwrap_or_else(|| format!("the meters are {}", super::diagnostic::enumerate(known)));
            self.problems.push(problem.help(help));
        }
        found.filter(|&index| index < METERS_MAX)
    }

    // === The world around ===

    fn upstream(&mut self, fields: &Fields) -> Option<Upstream> {
        // The table allows only one; of more than that each is judged all the same.
        let mut upstreams = fields.named().map(|entry| {
            let Value::Map(upstream) = &entry.value.as_ref()?.value else { return None };
            Some(Upstream { name: entry.name.value.clone(), latency: self.latency(&upstream.value("latency")?.value)? })
        });
        let first = upstreams.next()?;
        upstreams.for_each(drop);
        first
    }

    fn latency(&mut self, latency: &Value) -> Option<Latency> {
        match latency {
            Value::Duration(span) => Some(Latency::Constant(span.ns())),
            Value::Map(points) => self.log_normal(points),
            _ => None,
        }
    }

    fn log_normal(&mut self, points: &Fields) -> Option<Latency> {
        let p50 = points.duration("p50")?;
        let upper =
            [("p95", Z95), ("p99", Z99)].into_iter().find_map(|(name, z)| Some((name, z, points.duration(name)?)));
        let (name, z, upper) = upper?;
        if upper.value < p50.value {
            let problem = Diagnostic::error(upper.span, format!("the `{name}` is less than the `p50`"));
            let problem = problem.related(p50.span, "the `p50` is here");
            self.problems.push(problem.help("more than half of the calls cannot exceed a higher percentile"));
            return None;
        }
        Some(Latency::log_normal(p50.value.ns() as f64, upper.value.ns() as f64, z))
    }

    fn live(&mut self, fields: &Fields) -> Option<Live> {
        let in_flight = fields.map("in_flight")?;
        Some(Live {
            rate_per_s: self.calls(&fields.rate("rate")?)?.per_second(),
            duration: fields.duration("duration")?.value,
            clock: fields.clock("clock"),
            connections: u32::try_from(fields.quantity("connections")?.value).ok()?,
            in_flight: u32::try_from(in_flight.quantity("at_most")?.value).ok()?,
        })
    }

    /// A rate of calls that something can be made to happen at.
    fn calls(&mut self, rate: &Spanned<super::value::Rate>) -> Option<super::value::Rate> {
        let Some((message, help)) = unit::unplayable(rate.value) else { return Some(rate.value) };
        self.problems.push(Diagnostic::error(rate.span, message).help(help));
        None
    }
}

/// The meter that is always there.
const REQUESTS_NAME: &str = "requests";

fn dunning(fields: &Fields) -> Option<Dunning> {
    let gap = |item: &Spanned<Value>| if let Value::Duration(gap) = item.value { Some(gap) } else { None };
    let finally = match fields.choice("finally")? {
        "cancel" => Finally::Cancel,
        "unpaid" => Finally::Unpaid,
        _ => Finally::Keep,
    };
    Some(Dunning { retries: fields.list("retries")?.iter().map(gap).collect::<Option<_>>()?, finally })
}

/// Where a key of a map is, or what the map belongs to.
fn place(fields: &Fields, key: &str) -> Span {
    fields.written(key).unwrap_or(fields.owner)
}
