//! The counts in the text format of Prometheus, version 0.0.4.

use std::fmt::Write;

use farebox_engine::billing::cause::{Cause, Kind};
use farebox_engine::model::Scenario;
use mock_upstreams::host::Connections;

use super::super::counters::{BOUNDS_US, Sum};

/// The media type of the format.
pub(super) const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every metric: its name, its kind and what it says.
const FAMILIES: [(&str, &str, &str); 11] = [
    ("farebox_build_info", "gauge", "The version of the program."),
    (
        "farebox_requests_total",
        "counter",
        "Requests by route, by what became of them, by cause and by class of status.",
    ),
    ("farebox_client_aborts_total", "counter", "Calls whose client went away, beside what became of them."),
    ("farebox_rejected_requests_total", "counter", "What was no request that an account could hear of, by reason."),
    ("farebox_usage_unknown_total", "counter", "Served calls whose tokens nobody has told; they are not billed."),
    ("farebox_calls_in_flight", "gauge", "Calls that are with the upstream."),
    ("farebox_connections", "gauge", "Connections of clients that are open."),
    ("farebox_connections_refused_total", "counter", "Connections that were one too many."),
    (
        "farebox_connections_timed_out_total",
        "counter",
        "Connections that were closed because their client did nothing for too long.",
    ),
    (
        "farebox_connections_starved_total",
        "counter",
        "Times that no connection could be let in, most likely because no file was left; it is tried again after 10 ms.",
    ),
    ("farebox_call_duration_seconds", "histogram", "From letting a call through until its answer has passed."),
];

/// All that the gateway has counted.
pub(super) fn write(sum: &Sum, connections: Connections, scenario: &Scenario, statuses: &[u16]) -> String {
    let mut text = String::new();
    for (name, kind, help) in FAMILIES {
        line(&mut text, format_args!("# HELP {name} {help}"));
        line(&mut text, format_args!("# TYPE {name} {kind}"));
        match name {
            "farebox_build_info" => {
                line(&mut text, format_args!("{name}{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")));
            }
            "farebox_requests_total" => requests(&mut text, name, sum, scenario, statuses),
            "farebox_client_aborts_total" => aborts(&mut text, name, sum, scenario),
            "farebox_rejected_requests_total" => {
                for (reason, count) in sum.rejections() {
                    line(&mut text, format_args!("{name}{{reason=\"{}\"}} {count}", reason.name()));
                }
            }
            "farebox_usage_unknown_total" => line(&mut text, format_args!("{name} {}", sum.without_usage())),
            "farebox_calls_in_flight" => line(&mut text, format_args!("{name} {}", sum.in_flight())),
            "farebox_connections" => line(&mut text, format_args!("{name} {}", connections.open)),
            "farebox_connections_refused_total" => line(&mut text, format_args!("{name} {}", connections.refused)),
            "farebox_connections_timed_out_total" => line(&mut text, format_args!("{name} {}", connections.timed_out)),
            "farebox_connections_starved_total" => line(&mut text, format_args!("{name} {}", connections.starved)),
            _ => durations(&mut text, name, sum),
        }
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a String takes everything");
}

/// What was served is there for each route from the start, so that rates of it are; the rest when it has happened.
fn requests(text: &mut String, name: &str, sum: &Sum, scenario: &Scenario, statuses: &[u16]) {
    for (index, ([ok, redirected], causes)) in sum.endings().enumerate() {
        let is_route = index < scenario.routes.len();
        let route = route(scenario, index);
        let mut write = |class: u16, outcome: &str, cause: &str, count: u64| {
            let labels =
                format_args!("route=\"{route}\",status_class=\"{class}xx\",outcome=\"{outcome}\",cause=\"{cause}\"");
            line(text, format_args!("{name}{{{labels}}} {count}"));
        };
        if is_route {
            write(2, "served", "", ok);
            write(3, "served", "", redirected);
        }
        let counted = Cause::ALL.into_iter().zip(causes);
        for (cause, count) in counted.filter(|(cause, count)| **count > 0 && *cause != Cause::ClientAbort) {
            let outcome = if cause.kind() == Kind::Upstream { "failed" } else { "refused" };
            write(statuses[cause.index()] / 100, outcome, cause.name(), *count);
        }
    }
}

fn aborts(text: &mut String, name: &str, sum: &Sum, scenario: &Scenario) {
    for (index, (_, causes)) in sum.endings().enumerate().take(scenario.routes.len()) {
        let count = causes[Cause::ClientAbort.index()];
        line(text, format_args!("{name}{{route=\"{}\"}} {count}", route(scenario, index)));
    }
}

/// Buckets are cumulative.
fn durations(text: &mut String, name: &str, sum: &Sum) {
    let (times, sum_ns) = sum.times();
    let mut count = 0;
    for (bound, more) in BOUNDS_US.iter().map(Some).chain([None]).zip(times) {
        count += more;
        match bound {
            Some(us) => line(text, format_args!("{name}_bucket{{le=\"{}\"}} {count}", *us as f64 / 1e6)),
            None => line(text, format_args!("{name}_bucket{{le=\"+Inf\"}} {count}")),
        }
    }
    line(text, format_args!("{name}_sum {}", sum_ns as f64 / 1e9));
    line(text, format_args!("{name}_count {count}"));
}

/// A route as the value of a label; nothing where there was none.
fn route(scenario: &Scenario, index: usize) -> String {
    let path = scenario.routes.get(index).map_or("", |route| route.path.as_str());
    path.replace('\\', "\\\\").replace('"', "\\\"")
}
