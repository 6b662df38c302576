//! The upstreams: how long each takes, what it costs, and which others it calls.

use farebox_engine::distribution::{Distribution, Z99};
use farebox_engine::draw::Chance;
use farebox_engine::model::{
    Errors, Generates, HOPS_MOST, METERS_MAX, Meter, PerMeter, REQUESTS, Route, UnitPrice, Upstream,
};

use super::{Lowering, REQUESTS_NAME, find, place};
use crate::scenario::diagnostic::{Diagnostic, Spanned, enumerate, quote};
use crate::scenario::keys::{CHAT_FIRST_TOKEN_MS, CHAT_TOKENS_PER_SECOND};
use crate::scenario::value::{Fields, Value};

/// The attribute whose units take their time to generate.
pub(super) const OUTPUT: &str = "output_tokens";
/// What makes an upstream one that generates.
const GENERATING: [&str; 3] = ["preset", "first_token", "tokens_per_second"];

/// Whether what an upstream answers with comes unit by unit.
pub(super) fn is_generating(fields: &Fields) -> bool {
    GENERATING.iter().any(|key| fields.written(key).is_some())
}

impl Lowering<'_> {
    /// Fills in the upstreams; whether all of them are right.
    pub(super) fn upstreams(&mut self, fields: &Fields, scenario: &Fields) -> bool {
        let named: Vec<_> = fields.named_maps().collect();
        let lowered: Vec<_> = named.iter().map(|(name, upstream)| self.upstream(name, upstream, scenario)).collect();
        let Some(upstreams) = lowered.into_iter().collect::<Option<Vec<_>>>() else { return false };
        // Who calls whom is told by their places among all of them.
        if named.len() != fields.named().count() || !self.check_calls(&upstreams, &named) {
            return false;
        }
        self.upstreams = upstreams;
        self.check_routes(&named, scenario);
        self.check_streams(&named);
        true
    }

    fn upstream(&mut self, name: &Spanned<String>, fields: &Fields, scenario: &Fields) -> Option<Upstream> {
        let is_broken = |key: &str| fields.is_broken(key);
        let (latency, generates) = if is_generating(fields) {
            let (first_token, generates) = self.generates(fields)?;
            (Some(first_token), Some(generates))
        } else {
            (fields.value("latency").and_then(|latency| self.distribution(latency)), None)
        };
        let calls = self.calls_of(fields, scenario);
        let cost = self.cost(fields, scenario);
        let capacity = fields.quantity("capacity").map(|capacity| capacity.value as u32);
        let errors = self.errors(fields);
        if is_broken("capacity") || is_broken("calls") {
            return None;
        }
        Some(Upstream {
            name: name.value.clone(),
            latency: latency?,
            generates,
            streams: fields.bool("streaming")?,
            errors: errors?,
            capacity,
            calls: calls?,
            cost: cost?,
        })
    }

    /// How often it fails: a chance, or one for each status.
    fn errors(&mut self, fields: &Fields) -> Option<Errors> {
        let errors = fields.value("errors")?;
        let each = match &errors.value {
            Value::Chance(chance) => return Some((*chance).into()),
            Value::Map(each) => each.named().map(|entry| match entry.value.as_ref()?.value {
                Value::Chance(chance) => Some((entry.name.value.parse().ok()?, chance)),
                _ => None,
            }),
            _ => return None,
        };
        let sum = Errors::of(each.collect::<Option<Vec<(u16, Chance)>>>()?);
        if sum.is_none() {
            let problem = Diagnostic::error(place(fields, "errors"), "the chances of `errors` sum to more than 100%");
            self.problems.push(problem.help("a call fails with one status at most: let them sum to 100% or less"));
        }
        sum
    }

    // === What is generated ===

    /// How long the first token takes, and how fast the others follow.
    fn generates(&mut self, fields: &Fields) -> Option<(Distribution, Generates)> {
        let span = GENERATING.iter().find_map(|key| fields.written(key))?;
        if let Some(latency) = fields.written("latency") {
            let message = "`latency` says how long a whole answer takes, and this one is generated token by token";
            self.problems.push(Diagnostic::error(latency, message).help("leave `latency` out"));
            return None;
        }
        let is_chat = fields.written("preset").is_some();
        let default = Distribution::log_normal(CHAT_FIRST_TOKEN_MS[0] * 1e6, CHAT_FIRST_TOKEN_MS[1] * 1e6, Z99);
        let first_token = match fields.value("first_token") {
            Some(first_token) => self.distribution(first_token),
            None => Some(default).filter(|_| is_chat && !fields.is_broken("first_token")),
        };
        let rate = fields.quantity("tokens_per_second").map(|rate| rate.value);
        let rate = rate.or(Some(CHAT_TOKENS_PER_SECOND).filter(|_| is_chat && !fields.is_broken("tokens_per_second")));
        // The table of keys asks for the first token itself.
        if fields.written("tokens_per_second").is_none() && !is_chat {
            let message = "what is generated token by token needs `tokens_per_second`";
            self.problems.push(Diagnostic::error(span, message).help("write it, or `preset: chat`"));
        }
        let meter = self.meter_of(Spanned { span, value: OUTPUT }, "the time that is taken for")?;
        Some((first_token?, Generates { meter, per_second: rate? as f64 }))
    }

    /// The calls of every route that comes to an upstream that generates must say how much.
    fn check_routes(&mut self, named: &[(&Spanned<String>, &Fields)], scenario: &Fields) {
        let traffic = scenario.map("consumers").into_iter().flat_map(Fields::named_maps);
        let mut columns = traffic.filter_map(|(_, cohort)| cohort.map("traffic")?.map("columns"));
        if columns.any(|columns| columns.named().any(|entry| entry.name.value == OUTPUT)) {
            return;
        }
        let only = [Route { path: "/".to_owned(), upstream: 0, attributes: Vec::new() }];
        let routes = if self.routes.is_empty() { &only[..] } else { &self.routes };
        let mut problems = Vec::new();
        for (upstream, (name, fields)) in named.iter().enumerate() {
            let lacks = |route: &&Route| {
                self.reaches(route.upstream, upstream) && !route.attributes.iter().any(|it| it.name == OUTPUT)
            };
            if self.upstreams[upstream].generates.is_none() {
                continue;
            }
            for route in routes.iter().filter(lacks) {
                let span = GENERATING.iter().find_map(|key| fields.written(key)).unwrap_or(name.span);
                let message = format!(
                    "how long {} takes depends on `{OUTPUT}`, which the calls of {} do not carry",
                    quote(&name.value),
                    quote(&route.path),
                );
                let help = format!("add it to the route: `attributes: {{ {OUTPUT}: {{ p50: 250, p99: 2k }} }}`");
                problems.push(Diagnostic::error(span, message).help(help));
            }
        }
        for problem in problems {
            self.problems.push(problem);
        }
    }

    /// What streams answers the gateway by itself: nothing is to go wrong once its first token is with the client.
    fn check_streams(&mut self, named: &[(&Spanned<String>, &Fields)]) {
        for (index, (name, fields)) in named.iter().enumerate() {
            let upstream = &self.upstreams[index];
            if !upstream.streams {
                continue;
            }
            let caller = self.upstreams.iter().find(|caller| caller.calls.contains(&index));
            let (message, help) = if upstream.generates.is_none() {
                ("what streams is generated token by token".to_owned(), "write `first_token` and `tokens_per_second`")
            } else if let Some(caller) = caller {
                let message =
                    format!("{} is called by {}, not by the gateway", quote(&name.value), quote(&caller.name));
                (message, "leave `streaming` out: only what answers the gateway streams to the client")
            } else if !upstream.calls.is_empty() {
                let message = format!("{} calls others after its own work", quote(&name.value));
                (message, "leave `streaming` out: what they fail could no longer be told to the client")
            } else {
                continue;
            };
            self.problems.push(Diagnostic::error(place(fields, "streaming"), message).help(help));
        }
    }

    // === Calls ===

    /// The upstreams that one calls, by index.
    fn calls_of(&mut self, fields: &Fields, scenario: &Fields) -> Option<Vec<usize>> {
        let mut called = Vec::new();
        let mut is_right = true;
        for item in fields.list("calls").unwrap_or_default() {
            let Value::Text(name) = &item.value else { continue };
            match self.upstream_of(Spanned { span: item.span, value: name }, scenario) {
                Some(index) => called.push(index),
                None => is_right = false,
            }
        }
        is_right.then_some(called)
    }

    /// Whether no upstream calls itself by any way, and none takes more hops than one call may.
    fn check_calls(&mut self, upstreams: &[Upstream], named: &[(&Spanned<String>, &Fields)]) -> bool {
        let mut hops = vec![Hops::Unknown; upstreams.len()];
        for upstream in 0..upstreams.len() {
            if let Err((caller, way)) = count(upstreams, upstream, &mut hops, &mut Vec::new()) {
                let (name, fields) = named[caller];
                let message = format!("{} calls itself", quote(&name.value));
                let way: Vec<_> = way.iter().map(|index| upstreams[*index].name.as_str()).collect();
                let help = match way[..] {
                    [] => "leave it out".to_owned(),
                    _ => {
                        format!("it does so by way of {}: leave one of these calls out", enumerate(way.iter().copied()))
                    }
                };
                self.problems.push(Diagnostic::error(place(fields, "calls"), message).help(help));
                return false;
            }
        }
        let too_many = |(index, hops): (usize, &Hops)| match hops {
            // Whoever calls it has more still: the first is told.
            Hops::Known(hops) if *hops > HOPS_MOST => Some((index, *hops)),
            _ => None,
        };
        let Some((index, hops)) = hops.iter().enumerate().filter_map(too_many).min_by_key(|(_, hops)| *hops) else {
            return true;
        };
        let (name, fields) = named[index];
        let told = if hops > MANY { format!("more than {MANY}") } else { hops.to_string() };
        let message = format!("one call to {} makes {told} hops", quote(&name.value));
        let problem = Diagnostic::error(place(fields, "calls"), message);
        self.problems.push(problem.help(format!("a call may make {HOPS_MOST}: let it call fewer")));
        false
    }

    /// Whether a call that comes to an upstream comes to another, or the same.
    pub(super) fn reaches(&self, from: usize, to: usize) -> bool {
        let calls = self.upstreams.get(from).map(|upstream| upstream.calls.as_slice()).unwrap_or_default();
        from == to || calls.iter().any(|called| self.reaches(*called, to))
    }

    /// The index of an upstream, or a diagnostic with the one that was meant.
    pub(super) fn upstream_of(&mut self, name: Spanned<&str>, scenario: &Fields) -> Option<usize> {
        let upstreams = scenario.map("upstreams").into_iter().flat_map(Fields::named);
        let known: Vec<&str> = upstreams.map(|upstream| upstream.name.value.as_str()).collect();
        find("upstream", name, &known, self.problems)
    }

    /// Says which upstreams no call comes to.
    pub(super) fn warn_unreached(&mut self, scenario: &Fields) {
        let Some(fields) = scenario.map("upstreams").filter(|_| !self.upstreams.is_empty()) else { return };
        for (index, entry) in fields.named().enumerate() {
            if !self.routes.iter().any(|route| self.reaches(route.upstream, index)) {
                let message = format!("no call comes to the upstream {}", quote(&entry.name.value));
                let help = "name it at a route, or under `calls` of another upstream";
                self.problems.push(Diagnostic::warning(entry.name.span, message).help(help));
            }
        }
    }

    // === Cost ===

    fn cost(&mut self, upstream: &Fields, scenario: &Fields) -> Option<PerMeter<Option<UnitPrice>>> {
        let (mut cost, mut is_right) = (PerMeter::default(), true);
        for entry in upstream.map("cost").into_iter().flat_map(Fields::named) {
            let known = self.known_attributes(scenario);
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let name = Spanned { span: entry.name.span, value: entry.name.value.as_str() };
            let is_known = find("attribute", name, &known, self.problems).is_some();
            let meter = if is_known { self.meter_of(name, "the cost of") } else { None };
            match (meter, entry.value.as_ref().map(|value| &value.value)) {
                (Some(meter), Some(Value::Price(price))) => cost[meter] = Some(*price),
                _ => is_right = false,
            }
        }
        is_right.then_some(cost)
    }

    /// All attributes that calls may carry, and `requests`.
    fn known_attributes(&self, scenario: &Fields) -> Vec<String> {
        let of_routes = self.routes.iter().flat_map(|route| &route.attributes).map(|attribute| &attribute.name);
        let of_meters = self.meters.iter().flat_map(|meter| &meter.sum);
        let traffic = scenario.map("consumers").into_iter().flat_map(Fields::named_maps);
        let columns = traffic.filter_map(|(_, cohort)| cohort.map("traffic")?.map("columns"));
        let of_traces = columns.flat_map(Fields::named).map(|entry| &entry.name.value);
        let mut known = vec![REQUESTS_NAME.to_owned()];
        for name in of_routes.chain(of_meters).chain(of_traces) {
            if !known.contains(name) {
                known.push(name.clone());
            }
        }
        known
    }

    /// The meter that sums this attribute and nothing else; where there is none, one is added. `what` needs it.
    fn meter_of(&mut self, attribute: Spanned<&str>, what: &str) -> Option<usize> {
        if attribute.value == REQUESTS_NAME {
            return Some(REQUESTS);
        }
        let is_it = |meter: &Meter| matches!(&meter.sum[..], [only] if only == attribute.value);
        if let Some(index) = self.meters.iter().position(is_it) {
            return Some(index).filter(|index| *index < METERS_MAX);
        }
        if self.meters.len() >= METERS_MAX {
            let message =
                format!("{what} {} takes a meter of its own, and there are {METERS_MAX}", quote(attribute.value));
            let problem = Diagnostic::error(attribute.span, message);
            self.problems.push(problem.help("remove a meter, or let one sum this attribute alone"));
            return None;
        }
        let mut name = attribute.value.to_owned();
        while self.meters.iter().any(|meter| meter.name == name) {
            name += "_alone";
        }
        self.meters.push(Meter { name, sum: vec![attribute.value.to_owned()] });
        Some(self.meters.len() - 1)
    }
}

/// More hops than that are not counted.
const MANY: usize = 1_000_000;

/// How many hops a call to an upstream makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hops {
    Unknown,
    /// It is being counted: who calls it now calls itself.
    Counting,
    Known(usize),
}

/// Counts the hops of a call to an upstream; the error is one that calls itself, and by way of which others.
fn count(
    upstreams: &[Upstream],
    upstream: usize,
    hops: &mut [Hops],
    way: &mut Vec<usize>,
) -> Result<usize, (usize, Vec<usize>)> {
    match hops[upstream] {
        Hops::Known(known) => return Ok(known),
        Hops::Counting => {
            let begins = way.iter().position(|on| *on == upstream).unwrap_or_default();
            return Err((upstream, way[begins + 1..].to_vec()));
        }
        Hops::Unknown => hops[upstream] = Hops::Counting,
    }
    way.push(upstream);
    let mut sum = 1usize;
    for called in &upstreams[upstream].calls {
        sum = sum.saturating_add(count(upstreams, *called, hops, way)?).min(MANY + 1);
    }
    way.pop();
    hops[upstream] = Hops::Known(sum);
    Ok(sum)
}
