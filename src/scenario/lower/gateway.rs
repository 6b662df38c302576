//! The gateway, the upstream behind it, and the load on real sockets.

use farebox_engine::distribution::Distribution;
use farebox_engine::model::{
    Gateway, Live, METERS_MAX, Meter, OnClientAbort, PerMeter, REQUESTS, SpendControl, UnitPrice, Upstream,
};

use super::{Lowering, REQUESTS_NAME, find};
use crate::scenario::cause;
use crate::scenario::diagnostic::{Diagnostic, Spanned, quote};
use crate::scenario::value::{Fields, Value};

impl Lowering<'_> {
    /// The first upstream: others have no effect yet, but are judged all the same.
    pub(super) fn upstreams(&mut self, fields: &Fields, scenario: &Fields) -> Option<Upstream> {
        let mut first = None;
        let mut is_right = true;
        for (index, (name, upstream)) in fields.named_maps().enumerate() {
            let lowered = self.upstream(name, upstream, scenario, index == 0);
            is_right &= lowered.is_some();
            first = first.or(lowered);
        }
        first.filter(|_| is_right)
    }

    fn upstream(
        &mut self,
        name: &Spanned<String>,
        fields: &Fields,
        scenario: &Fields,
        is_first: bool,
    ) -> Option<Upstream> {
        // An upstream without a latency of its own asks for something that has no effect yet.
        let latency = match fields.value("latency") {
            Some(latency) => self.distribution(latency),
            None if fields.is_broken("latency") => None,
            None => Some(Distribution::Constant(0.0)),
        };
        if let Some(first_token) = fields.value("first_token") {
            self.distribution(first_token);
        }
        for called in fields.list("calls").unwrap_or_default() {
            if let Spanned { span, value: Value::Text(called) } = called {
                self.upstream_of(Spanned { span: *span, value: called }, scenario);
            }
        }
        let cost = self.cost(fields, scenario, is_first);
        let capacity = fields.quantity("capacity").map(|capacity| capacity.value as u32);
        Some(Upstream {
            name: name.value.clone(),
            latency: latency?,
            errors: fields.chance("errors")?,
            capacity,
            cost: cost?,
        })
    }

    // === Cost ===

    fn cost(&mut self, upstream: &Fields, scenario: &Fields, is_first: bool) -> Option<PerMeter<Option<UnitPrice>>> {
        let (mut cost, mut is_right) = (PerMeter::default(), true);
        for entry in upstream.map("cost").into_iter().flat_map(Fields::named) {
            let known = self.known_attributes(scenario);
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let name = Spanned { span: entry.name.span, value: entry.name.value.as_str() };
            let is_known = find("attribute", name, &known, self.problems).is_some();
            let meter = if is_known && is_first { self.meter_of(name) } else { None };
            match (meter, entry.value.as_ref().map(|value| &value.value)) {
                (Some(meter), Some(Value::Price(price))) => cost[meter] = Some(*price),
                (None, Some(_)) if is_known && !is_first => {}
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

    /// The meter that sums this attribute and nothing else; where there is none, one is added.
    fn meter_of(&mut self, attribute: Spanned<&str>) -> Option<usize> {
        if attribute.value == REQUESTS_NAME {
            return Some(REQUESTS);
        }
        let is_it = |meter: &Meter| matches!(&meter.sum[..], [only] if only == attribute.value);
        if let Some(index) = self.meters.iter().position(is_it) {
            return Some(index).filter(|index| *index < METERS_MAX);
        }
        if self.meters.len() >= METERS_MAX {
            let message =
                format!("the cost of {} takes a meter of its own, and there are {METERS_MAX}", quote(attribute.value));
            let problem = Diagnostic::error(attribute.span, message);
            self.problems.push(problem.help("remove a meter, or let one sum this attribute alone"));
            return None;
        }
        let mut name = attribute.value.to_owned();
        while self.meters.iter().any(|meter| meter.name == name) {
            name += "_cost";
        }
        self.meters.push(Meter { name, sum: vec![attribute.value.to_owned()] });
        Some(self.meters.len() - 1)
    }

    // === Live ===

    pub(super) fn live(&mut self, fields: &Fields) -> Option<Live> {
        let in_flight = fields.map("in_flight")?;
        Some(Live {
            rate_per_s: self.calls(&fields.rate("rate")?)?.per_second(),
            duration: fields.duration("duration")?.value,
            clock: fields.clock("clock"),
            connections: u32::try_from(fields.quantity("connections")?.value).ok()?,
            in_flight: u32::try_from(in_flight.quantity("at_most")?.value).ok()?,
        })
    }
}

/// The gateway; `None` when something in it was wrong.
pub(super) fn gateway(fields: &Fields) -> Option<Gateway> {
    let mut refusals = Vec::new();
    for entry in fields.map("refusals")?.named() {
        let cause = cause::REFUSALS.iter().find(|known| **known == entry.name.value)?;
        let Value::Quantity(status) = entry.value.as_ref()?.value else { return None };
        refusals.push((*cause, u16::try_from(status).ok()?));
    }
    Some(Gateway {
        spend_control: match fields.choice("spend_control")?.value {
            "reserve" => SpendControl::Reserve,
            _ => SpendControl::CheckThenDebit,
        },
        on_client_abort: match fields.choice("on_client_abort")?.value {
            "settle" => OnClientAbort::Settle,
            "release" => OnClientAbort::Release,
            _ => OnClientAbort::BillSent,
        },
        refusals,
    })
}
