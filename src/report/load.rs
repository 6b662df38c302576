//! A load on sockets as a page for the terminal.

use farebox_engine::money::thousands;
use farebox_engine::time::{DAY, HOUR, MINUTE, SECOND};

use super::text::{Row, counted, duration, row, table};
use crate::live::result::{LoadReport, Percentiles};

/// The page about the sockets; what became of the calls is the outcome's page.
pub fn render(load: &LoadReport) -> String {
    let count = |label: &str, calls: u64| row(label, thousands(calls.into()), "");
    let mut rows = vec![count("offered", load.offered)];
    if load.retried > 0 {
        rows.push(row("tried again", thousands(load.retried.into()), "attempts beside the first of each call"));
        rows.push(row("served by a retry", thousands(load.recovered.into()), "of the calls"));
    }
    rows.extend([count("sent", load.sent), count("dropped", load.dropped)]);
    rows.extend(load.statuses.iter().map(|(status, calls)| count(&format!("answered {status}"), *calls)));
    rows.extend(load.errors.iter().map(|(error, calls)| count(&format!("no answer: {error}"), *calls)));
    let note = "of billing time in each second; rate limits go by the wall's";
    rows.push(row("compressed", span(load.billing_ns_per_s), note));
    if load.interrupted {
        rows.push(row("PARTIAL", "", "interrupted before all calls were made"));
    }
    if load.unfinished > 0 {
        rows.push(count("unfinished", load.unfinished));
    }
    let mut latency: Vec<_> = load.latency_ns.iter().map(|(class, ns)| percentiles(class, ns)).collect();
    latency.extend(load.first_token_ns.iter().map(|ns| percentiles("first token", ns)));
    latency.push(percentiles("service time", &load.service_ns));
    latency.push(percentiles("sent late by", &load.lateness_ns));
    table("Load", &rows) + &table("Latency from the intended start", &latency)
}

/// A span as people read it, in the largest unit that it has at least one of.
fn span(ns: u64) -> String {
    let units = [(DAY, "days"), (HOUR, "h"), (MINUTE, "min")];
    let (unit, name) = units.into_iter().find(|(unit, _)| ns >= *unit).unwrap_or((SECOND, "s"));
    format!("{:.2} {name}", ns as f64 / unit as f64)
}

fn percentiles(label: &str, ns: &Percentiles) -> Row {
    let known = [("p90", ns.p90), ("p99", ns.p99), ("p99.9", ns.p999), ("max", Some(ns.max))];
    let known = known.into_iter().filter_map(|(name, ns)| Some(format!("{name} {}", duration(ns?))));
    let note = known.chain([counted(ns.count, "call")]).collect::<Vec<_>>().join("   ");
    row(label, ns.p50.map_or_else(|| "-".to_owned(), |p50| format!("p50 {}", duration(p50))), note)
}
